//! What a model is given: the system text and the messages, and how they are written.

use crate::error::{Error, Result};
use serde::Serialize;

/// A rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// The rendered template.
    pub system: String,
    /// What follows it.
    pub messages: Vec<Message>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `user`: rendering makes no other.
    pub role: &'static str,
    /// What it says.
    pub content: String,
}

/// How a rendered prompt is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As [`Rendered::to_text`] does.
    Text,
    /// An object with `system` and `messages`, indented, with a line end.
    Json,
}

impl Form {
    const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// The media type by which a record names the form.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json => "application/json",
        }
    }

    /// The form of a media type.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.media_type() == media_type)
    }
}

/// A frame's line begins with at least so many `=`.
const FRAME: usize = 3;

impl Rendered {
    pub(crate) fn new(system: String, user: Option<String>) -> Self {
        let message = |content| Message { role: "user", content };
        Self { system, messages: user.into_iter().map(message).collect() }
    }

    /// The bytes in a form.
    ///
    /// # Errors
    /// None that input can cause.
    pub fn to_bytes(&self, form: Form) -> Result<Vec<u8>> {
        match form {
            Form::Text => Ok(self.to_text().into_bytes()),
            Form::Json => {
                let text = serde_json::to_string_pretty(self);
                let text = text.map_err(|e| Error::bug("a rendered prompt is not JSON").because(e))?;
                Ok(format!("{text}\n").into_bytes())
            }
        }
    }

    /// As text for people and pipes, with a line end added.
    ///
    /// The system text alone stands as it is. With messages, or when it looks framed itself, each part stands
    /// below a line such as `=== user ===`; these lines have more `=` than any line of any part begins with, so
    /// that no value can add a part or end one. So a text that begins with `===` is framed: the first line tells
    /// with how many.
    #[must_use]
    pub fn to_text(&self) -> String {
        if self.messages.is_empty() && longest_run(self.system.lines().next().unwrap_or_default()) < FRAME {
            return format!("{}\n", self.system);
        }
        let parts = || {
            let messages = self.messages.iter().map(|message| (message.role, message.content.as_str()));
            std::iter::once(("system", self.system.as_str())).chain(messages)
        };
        // Other tools end a line at a lone CR as well.
        let lines = parts().flat_map(|(_, content)| content.split(['\n', '\r']));
        let frame = "=".repeat(lines.map(longest_run).max().unwrap_or(0).max(FRAME - 1) + 1);
        parts().map(|(role, content)| format!("{frame} {role} {frame}\n{content}\n")).collect()
    }
}

/// How many `=` a line begins with.
fn longest_run(line: &str) -> usize {
    line.bytes().take_while(|byte| *byte == b'=').count()
}
