//! Putting right what has but one way to be put right.

use super::finding::Finding;
use super::lint;
use super::parse::Source;
use super::{parse, prompt::Layer};
use crate::error::{Error, Result};
use crate::yaml::Node;
use ledger_format::Address;
use serde::Serialize;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A change of a file: these bytes become this text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// Where it begins, in bytes from the beginning of the file.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// What stands there afterwards.
    pub text: String,
}

impl Fix {
    /// Another text for a scalar, if that can be replaced on its own.
    pub(crate) fn of(source: &Source<'_>, node: &Node, text: impl Into<String>) -> Option<Self> {
        let span = node.span.clone()?;
        let start = source.yaml_start;
        Some(Self { start: start + span.start, end: start + span.end, text: text.into() })
    }

    /// One more line at the end of the frontmatter.
    pub(crate) fn line(source: &Source<'_>, line: &str) -> Self {
        let at = source.yaml_start + source.yaml.len();
        let end = if source.yaml.contains("\r\n") { "\r\n" } else { "\n" };
        Self { start: at, end: at, text: format!("{line}{end}") }
    }
}

/// A file as it should be.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// Its bytes; those that were given, if there was nothing to do.
    pub bytes: Vec<u8>,
    /// What was put right, with the places of the moment at which it was found.
    pub applied: Vec<Finding>,
}

/// A fix may uncover another, but not for ever.
const MOST_ROUNDS: usize = 8;

/// Applies every fix, until there are none. All other bytes stay as they are, and the file stays the same prompt:
/// its id and version do not change. What the file allows is left alone.
#[must_use]
pub fn fix(path: &Path, bytes: &[u8]) -> Fixed {
    let mut fixed = Fixed { bytes: bytes.to_vec(), applied: Vec::new() };
    for _ in 0..MOST_ROUNDS {
        let found = lint::lint_file(path, &fixed.bytes).into_iter().filter(|finding| finding.fix.is_some());
        let mut applied: Vec<Finding> = Vec::new();
        for finding in found {
            // Two that touch one place wait for the next round.
            let Some(fix) = &finding.fix else { continue };
            let apart = |other: &Finding| {
                other.fix.as_ref().is_none_or(|other| other.end < fix.start || fix.end < other.start)
            };
            if applied.iter().all(apart) {
                applied.push(finding);
            }
        }
        if applied.is_empty() {
            break;
        }
        let mut fixes: Vec<_> = applied.iter().filter_map(|finding| finding.fix.as_ref()).collect();
        fixes.sort_by_key(|fix| fix.start);
        for fix in fixes.into_iter().rev() {
            if fix.start <= fix.end && fix.end <= fixed.bytes.len() {
                fixed.bytes.splice(fix.start..fix.end, fix.text.bytes());
            }
        }
        fixed.applied.append(&mut applied);
    }
    fixed
}

/// A file that was changed.
#[derive(Debug, Clone, Serialize)]
pub struct FixedFile {
    /// The file, as findings name it.
    #[serde(serialize_with = "super::finding::lossy")]
    pub path: PathBuf,
    /// The prompt's ref. If it is bound to the bytes from before, what is there now needs a new version.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The address of its bytes now.
    #[serde(skip)]
    pub content: Address,
    /// What was put right.
    pub applied: Vec<Finding>,
}

/// Puts right a file on disk, whose bytes these are and become. `None` if there was nothing to do.
pub(crate) fn fix_file(path: &Path, bytes: &mut Vec<u8>) -> Result<Option<FixedFile>> {
    let fixed = fix(path, bytes);
    if fixed.bytes == *bytes {
        return Ok(None);
    }
    replace(path, bytes, &fixed.bytes).map_err(|error| {
        Error::failed(format!("cannot write {}: {error}", path.display())).hint("nothing of it was changed")
    })?;
    *bytes = fixed.bytes;
    let reference = match parse::parse(Layer::Workspace, path, bytes) {
        parse::Parsed::Prompt(prompt) => Some(prompt.reference()),
        _ => None,
    };
    let content = Address::of(bytes);
    Ok(Some(FixedFile { path: path.to_owned(), reference, content, applied: fixed.applied }))
}

/// Replaces a file whole or not at all; a link's target, not the link.
fn replace(path: &Path, before: &[u8], after: &[u8]) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    let folder = real.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(after)?;
    file.as_file().set_permissions(fs::metadata(&real)?.permissions())?;
    file.as_file().sync_all()?;
    if fs::read(&real)? != before {
        return Err(io::Error::other("somebody else changed it just now"));
    }
    file.persist(&real).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}
