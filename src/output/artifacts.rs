//! The files of an answer in a folder.

use super::{Fault, rules};
use crate::catalog::{Artifact, Position, leaves, quoted};
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// So many files are looked at for one artifact with placeholders.
const MOST: usize = 10_000;

/// One artifact of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its path as the contract has it.
    pub path: String,
    /// Whether it must be there.
    pub required: bool,
    /// The files that are there for it, relative to the folder.
    pub files: Vec<String>,
}

/// Looks for the artifacts of a contract below `folder`. `${name}` in a path stands for the value of that name; without
/// one, for any text that holds no `/`. Other files are allowed.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn check(
    folder: &Path,
    artifacts: &[Artifact],
    values: &BTreeMap<String, String>,
) -> Result<(Vec<Found>, Vec<Fault>)> {
    let cannot = |e| Error::failed(format!("cannot read the folder {}: {e}", folder.display()));
    let root = folder.canonicalize().map_err(cannot)?;
    fs::read_dir(&root).map_err(cannot)?;
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for artifact in artifacts {
        let mut found = Found { path: artifact.path.clone(), required: artifact.required, files: Vec::new() };
        let before = faults.len();
        if leaves(&artifact.path) {
            let message = format!("the contract's {} leads out of the folder", quoted(&artifact.path));
            let hint = "write a path relative to the folder, without `..`";
            faults.push(Fault::new(rules::OUTSIDE, Position::START, message).hint(hint).whole());
        } else {
            for path in candidates(&root, &artifact.path, values) {
                match judge(&root, &path) {
                    None => found.files.push(path),
                    Some(fault) => faults.push(Fault { file: Some(path.into()), ..fault.whole() }),
                }
            }
        }
        if artifact.required && found.files.is_empty() && faults.len() == before {
            let message = format!("there is no {}", quoted(&artifact.path));
            let hint = "the paths of the contract are relative to the folder that is checked";
            faults.push(Fault::new(rules::ARTIFACT, Position::START, message).hint(hint).whole());
        }
        all.push(found);
    }
    Ok((all, faults))
}

/// What is wrong with the file at this path below `root`, which has no links in it.
fn judge(root: &Path, path: &str) -> Option<Fault> {
    let kind = |message: String| Some(Fault::new(rules::ARTIFACT_KIND, Position::START, message));
    match root.join(path).canonicalize() {
        Ok(target) if !target.starts_with(root) => {
            let message = format!("{} is a link out of the folder", quoted(path));
            let fault = Fault::new(rules::OUTSIDE, Position::START, message);
            Some(fault.hint("put the file itself into the folder"))
        }
        Ok(target) if target.is_file() => None,
        Ok(target) if target.is_dir() => kind(format!("{} is a folder, not a file", quoted(path))),
        Ok(_) => kind(format!("{} is no regular file", quoted(path))),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            kind(format!("{} is a link that leads nowhere", quoted(path)))
        }
        Err(e) => kind(format!("{} cannot be read: {e}", quoted(path))),
    }
}

/// The paths below `folder` that a path with placeholders stands for and that are there, in order.
fn candidates(folder: &Path, path: &str, values: &BTreeMap<String, String>) -> Vec<String> {
    let mut paths = vec![String::new()];
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let pieces = pieces(part, values);
        let mut next = Vec::new();
        for before in &paths {
            let join =
                |name: &str| if before.is_empty() { name.to_owned() } else { format!("{before}/{name}") };
            match pieces.as_slice() {
                [name] => next.push(join(name)),
                pieces => {
                    let entries = fs::read_dir(folder.join(before)).into_iter().flatten().flatten();
                    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
                    next.extend(names.filter(|name| fits(name, pieces)).map(|name| join(&name)).take(MOST));
                }
            }
        }
        next.sort();
        next.truncate(MOST);
        paths = next;
    }
    paths.retain(|path| folder.join(path).symlink_metadata().is_ok());
    paths
}

/// What stands between the placeholders that have no value; one piece if there are none.
fn pieces(part: &str, values: &BTreeMap<String, String>) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = part;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        if let Some(last) = pieces.last_mut() {
            last.push_str(before);
            last.push_str(values.get(name).map_or("", String::as_str));
        }
        if !values.contains_key(name) {
            pieces.push(String::new());
        }
        rest = after;
    }
    if let Some(last) = pieces.last_mut() {
        last.push_str(rest);
    }
    pieces
}

/// Whether a name is these pieces with something between each two.
fn fits(name: &str, pieces: &[String]) -> bool {
    let [first, between @ .., last] = pieces else { return false };
    let Some(mut rest) = name.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()))
    else {
        return false;
    };
    // Each placeholder stands for at least one character; the earliest place of a piece leaves most for what follows.
    for piece in between {
        let second = rest.chars().next().map_or(0, char::len_utf8);
        let Some(at) = rest.get(second..).filter(|_| second > 0).and_then(|rest| rest.find(piece.as_str()))
        else {
            return false;
        };
        rest = rest.get(second + at + piece.len()..).unwrap_or_default();
    }
    !rest.is_empty()
}
