//! Anchors: checkpoints of a ledger that stand in an outside record, of which git's tags and commits are one.

use super::{Ledger, SignedHead, rfc3339};
use crate::error::{Error, Result};
use crate::git::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledger_format::VerifierKey;
use serde::Serialize;

/// The trailer of a commit that carries a signed checkpoint in base64.
pub const TRAILER: &str = "Promptos-Checkpoint";

/// A head of the ledger that an outside record has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnchoredHead {
    /// How many entries it has; those after them are not anchored.
    pub size: u64,
    /// The git tag; `None` for a commit.
    pub tag: Option<String>,
    /// The git tag object or commit.
    pub object: String,
    /// When git says that it was made, which whoever made it chose.
    pub time: Option<String>,
}

/// Looks for heads of one ledger in messages.
pub struct AnchorSearch<'a> {
    ledger: &'a Ledger,
    origin: String,
    keys: Vec<VerifierKey>,
    /// The largest head found; of several records of it the oldest, which says the most.
    pub best: Option<AnchoredHead>,
}

impl<'a> AnchorSearch<'a> {
    /// A search for heads of this ledger.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(ledger: &'a Ledger) -> Result<Self> {
        Ok(Self { ledger, origin: ledger.origin(), keys: ledger.checkpoint_keys()?, best: None })
    }

    /// Looks at one message. What no key of the ledger signed is no anchor.
    ///
    /// # Errors
    /// Integrity, when the ledger does not extend a head that it signed; when the store cannot be read.
    pub fn look(&mut self, message: &Message) -> Result<()> {
        for note in notes(&message.text, &self.origin) {
            let Ok(signed) = SignedHead::open(note, &self.keys) else { continue };
            let head = signed.checkpoint.head;
            self.ledger.check_extends(&head).map_err(|error| {
                let place = match &message.tag {
                    Some(tag) => format!("the git tag {}", tag.chars().take(120).collect::<String>()),
                    None => format!("the git commit {}", message.object),
                };
                let error = error.hint(format!("the head seen is signed, and stands in {place}"));
                error.hint("promptos checkpoint check tells more, and writes the proof when it is a fork")
            })?;
            let time = message.time.map(rfc3339);
            let better = |best: &AnchoredHead| {
                head.size > best.size || head.size == best.size && time.is_some() && time <= best.time
            };
            if self.best.as_ref().is_none_or(better) {
                let (tag, object) = (message.tag.clone(), message.object.clone());
                self.best = Some(AnchoredHead { size: head.size, tag, object, time });
            }
        }
        Ok(())
    }
}

/// A signed checkpoint as a trailer line.
#[must_use]
pub fn trailer(note: &[u8]) -> String {
    format!("{TRAILER}: {}", BASE64.encode(note))
}

/// A signed checkpoint as the message of a tag.
///
/// # Errors
/// Failed, when it is no text.
pub fn tag_message(note: &[u8]) -> Result<String> {
    let note = std::str::from_utf8(note).map_err(|_| Error::failed("a checkpoint is text"))?;
    Ok(format!("promptos checkpoint\n\n{note}"))
}

/// What looks like signed checkpoints of this origin in a message: as they are, or as trailers.
fn notes(message: &str, origin: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let lines: Vec<&str> = message.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if let Some(base64) = line.strip_prefix(TRAILER).and_then(|rest| rest.strip_prefix(": ")) {
            found.extend(BASE64.decode(base64.trim()).ok());
        } else if *line == origin {
            // The text to its empty line, and the signatures after it; what follows is the message's own.
            let rest = lines.get(at..).unwrap_or_default();
            let text = rest.iter().take_while(|line| !line.is_empty());
            let after = rest.iter().skip_while(|line| !line.is_empty()).skip(1);
            let signatures = after.take_while(|line| line.starts_with("— "));
            let mut note: String = text.map(|line| format!("{line}\n")).collect();
            note.push('\n');
            signatures.for_each(|line| note.extend([line, "\n"]));
            found.push(note.into_bytes());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_found_wherever_they_stand() {
        let note = "example/00\n1\nAA==\n\n— example/00 BB==\n— w CC==\n";
        let is = |message: &str| assert_eq!(notes(message, "example/00"), [note.as_bytes()], "{message}");
        is(&tag_message(note.as_bytes()).unwrap());
        is(note);
        is(note.trim_end());
        is(&format!("Fix the gear train\n\nIt turned.\n\n{}\n", trailer(note.as_bytes())));
        is(&format!("{}\nSigned-off-by: x", trailer(note.as_bytes())));
        is(&format!("{note}-----BEGIN PGP SIGNATURE-----\n"));
        let none = |message: &str| assert_eq!(notes(message, "example/00"), [[0; 0]; 0], "{message}");
        none("");
        none("Promptos-Checkpoint: not base64");
        none(" example/00\n1\nAA==\n\n— example/00 BB==\n");
        none(&note.replace("example/00\n", "example/01\n"));
    }
}
