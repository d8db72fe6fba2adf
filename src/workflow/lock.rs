//! The lock file of a workflow: the digests of the prompts that it names.
//!
//! It is text, one ref a line in their order, so that a review shows what changed:
//!
//! ```text
//! promptos-lock 1
//! task.fix.v1 blake3:<64 hex> sha256:<64 hex>
//! ```

use super::check::{Ref, Report};
use super::rules;
use crate::catalog::{Finding, is_id, quoted, split_ref};
use crate::error::{Error, Result};
use crate::yaml::Position;
use std::fmt;
use std::path::{Path, PathBuf};

const VERSION: &str = "promptos-lock 1";
const AGAIN: &str = "restore it, or write it anew when the prompts are the right ones: \
                     promptos workflow check --lock";

/// The refs of a workflow and their digests, by ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock(Vec<Locked>);

/// One line of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The canonical ref, `<id>.v<version>`.
    pub reference: String,
    /// `blake3:` and 64 lower-case hex digits.
    pub blake3: String,
    /// `sha256:` and 64 lower-case hex digits.
    pub sha256: String,
}

impl Lock {
    /// Where the lock of a workflow lies: beside it, its name followed by `.lock`.
    #[must_use]
    pub fn path_of(workflow: &Path) -> PathBuf {
        let mut path = workflow.as_os_str().to_owned();
        path.push(".lock");
        path.into()
    }

    /// The lock of what was found.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let locked = |found: &Ref| Locked {
            reference: found.reference.clone(),
            blake3: found.blake3.clone(),
            sha256: found.sha256.clone(),
        };
        Self(report.refs.iter().map(locked).collect())
    }

    /// What it holds, by ref.
    #[must_use]
    pub fn entries(&self) -> &[Locked] {
        &self.0
    }

    fn get(&self, reference: &str) -> Option<&Locked> {
        let at = self.0.binary_search_by(|locked| locked.reference.as_str().cmp(reference)).ok()?;
        self.0.get(at)
    }

    /// Reads a lock file, which must be as it was written. `path` is how errors name it.
    ///
    /// # Errors
    /// Failed, naming the line, if it was cut, changed or merged, or comes from a newer program.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let damaged = |line: usize, what: &str| {
            Error::failed(format!("the lock file {} is damaged: line {line} {what}", path.display()))
                .hint(AGAIN)
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            damaged(1 + before.iter().filter(|byte| **byte == b'\n').count(), "is not UTF-8")
        })?;
        let mut lines = text.lines().zip(1..);
        match lines.next() {
            Some((VERSION, _)) => {}
            Some((other, _)) if other.starts_with("promptos-lock ") => {
                let form = format!(
                    "{} has a form that this version does not know: {}",
                    path.display(),
                    quoted(other)
                );
                return Err(Error::failed(format!("the lock file {form}"))
                    .hint("use the version of promptos that wrote it, or a newer one"));
            }
            _ => return Err(damaged(1, &format!("should be `{VERSION}`"))),
        }
        let mut entries: Vec<Locked> = Vec::new();
        for (content, line) in lines {
            let entry = parse_line(content)
                .ok_or_else(|| damaged(line, "is not `<ref> blake3:<64 hex> sha256:<64 hex>`"))?;
            if entries.last().is_some_and(|last| last.reference >= entry.reference) {
                return Err(damaged(line, "is out of order"));
            }
            entries.push(entry);
        }
        if !text.ends_with('\n') {
            return Err(damaged(text.lines().count(), "is cut short"));
        }
        Ok(Self(entries))
    }

    /// What changed since the lock was written: refs that came, that went, or that stand for other bytes.
    #[must_use]
    pub fn drift(&self, path: &Path, report: &Report) -> Vec<Finding> {
        let mut findings = Vec::new();
        for found in &report.refs {
            match self.get(&found.reference) {
                None => findings.push(Finding::new(
                    rules::LOCK_ADDED,
                    &report.path,
                    found.at,
                    format!("{} is not in {}", found.reference, path.display()),
                )),
                Some(locked) if (&locked.blake3, &locked.sha256) != (&found.blake3, &found.sha256) => {
                    let message = format!(
                        "{} is {}, and {} says {}",
                        found.reference,
                        found.blake3,
                        path.display(),
                        locked.blake3
                    );
                    findings.push(Finding::new(rules::LOCK_CHANGED, &report.path, found.at, message));
                }
                Some(_) => {}
            }
        }
        for (locked, line) in self.0.iter().zip(2..) {
            if report.refs.binary_search_by(|found| found.reference.cmp(&locked.reference)).is_err() {
                let message = format!(
                    "{} is locked, but the workflow does not name it, or the catalog does not hold it",
                    locked.reference
                );
                findings.push(Finding::new(rules::LOCK_REMOVED, path, Position { line, column: 1 }, message));
            }
        }
        findings
            .into_iter()
            .map(|finding| finding.hint("when this is meant: promptos workflow check --lock"))
            .collect()
    }

    /// The finding for a workflow that has no lock file.
    #[must_use]
    pub fn missing(path: &Path, report: &Report) -> Finding {
        let message = format!("there is no lock file {}", path.display());
        Finding::new(rules::LOCK_MISSING, &report.path, Position::START, message)
            .hint("write it: promptos workflow check --lock")
    }
}

fn parse_line(line: &str) -> Option<Locked> {
    let mut words = line.split(' ');
    let (reference, blake3, sha256) = (words.next()?, words.next()?, words.next()?);
    let digest = |text: &str, prefix: &str| {
        text.strip_prefix(prefix).is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    };
    let whole = words.next().is_none()
        && split_ref(reference).is_some_and(|(id, _)| is_id(id))
        && digest(blake3, "blake3:")
        && digest(sha256, "sha256:");
    whole.then(|| Locked {
        reference: reference.to_owned(),
        blake3: blake3.to_owned(),
        sha256: sha256.to_owned(),
    })
}

/// The text of the lock file.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{VERSION}")?;
        self.0
            .iter()
            .try_for_each(|Locked { reference, blake3, sha256 }| writeln!(f, "{reference} {blake3} {sha256}"))
    }
}
