//! What lint says about a file.

use super::excerpt::Excerpt;
use super::fix::Fix;
use crate::yaml::Position;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use super::rules::*;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file must not be used as it is.
    Error,
    /// Usable, but worth a look.
    Warning,
}

/// One place where a file breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the caller named it or relative to the catalog root.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Box<Excerpt>>,
    /// What would put it right, if there is but one thing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Box<Fix>>,
    /// Why the file allows it, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

/// Writes a path even if it is not UTF-8, which serde alone refuses.
pub(crate) fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl Finding {
    /// A finding of `rule` at one place.
    pub(crate) fn new(rule: Rule, path: &Path, at: Position, message: impl Into<String>) -> Self {
        Self {
            code: rule.code,
            severity: rule.severity,
            path: path.to_owned(),
            line: at.line,
            column: at.column,
            message: clipped(&message.into(), 400),
            hint: None,
            excerpt: None,
            fix: None,
            allowed: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(clipped(&hint.into(), 400));
        self
    }

    /// Adds what would put it right.
    #[must_use]
    pub(crate) fn fix(mut self, fix: Option<Fix>) -> Self {
        self.fix = fix.map(Box::new);
        self
    }

    /// Makes it a warning, where a dialect is more lenient than the rule.
    #[must_use]
    pub(crate) fn lenient(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it is about a credential, which a person may allow.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.code == SECRET.code
    }

    /// Whether the file must not be used as it is.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// `path:line:column: severity[code]: message`, and the hint on a second line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, line, column, message, .. } = self;
        let path = clipped(&self.path.to_string_lossy(), 4096);
        write!(f, "{path}:{line}:{column}: {severity}[{code}]: {message}")?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Text from a file or a command line, between backquotes and short enough for a message.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", clipped(text, 80))
}

/// At most `most` characters of `text`, with control characters made visible: what stands in a file must not
/// steer the terminal on which its faults are shown.
fn clipped(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The findings as a person reads them, one after another, ending with a count; "" when there are none.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    text.push_str(&format!(
        "{}, {}\n",
        counted(errors, "error"),
        counted(findings.len() - errors, "warning")
    ));
    text
}

/// So many things: `1 prompt`, `2 prompts`, `2 properties`, `2 days`.
pub(crate) fn counted<N: fmt::Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == N::from(1) => format!("{count} {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_read_like_a_compiler() {
        let at = Position { line: 3, column: 7 };
        let finding = Finding::new(PROMPT_ROLE, Path::new("a/b.md"), at, "`x` is no role").hint("use task");
        assert_eq!(finding.to_string(), "a/b.md:3:7: error[prompt.role]: `x` is no role\n  hint: use task");
        let all = render(&[finding.clone(), finding.clone().lenient()]);
        assert!(all.ends_with("\n1 error, 1 warning\n"), "{all}");
        assert_eq!(render(&[]), "");
        let hostile =
            Finding::new(PROMPT_ROLE, Path::new("a\nb\u{1b}[2J"), at, "\u{1b}]0;x\u{7}\u{202e}").to_string();
        assert!(!hostile.contains(|c: char| c.is_control() || c == '\u{202e}'), "{hostile:?}");
        assert!(Finding::new(PROMPT_ROLE, Path::new("a"), at, "x".repeat(1 << 20)).message.len() < 1000);
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["code"], "prompt.role");
        assert_eq!(json["severity"], "error");
    }
}
