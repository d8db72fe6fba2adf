//! The files of a folder at a revision of a git repository, without a checkout.

use super::parse::MAX_PROMPT_BYTES;
use super::source::{Content, File, content, is_wanted, not_followed, unreadable};
use crate::error::Result;
use crate::git::{Blob, Blobs, Git, Kind, TreeEntry};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// So many links may lead from one to the next, as in a file system.
const MAX_LINKS: usize = 40;
/// The longest path that a link may name.
const MAX_TARGET: u64 = 4096;

/// Hands over every Markdown file of the folder, ordered by path, as [`super::walk::files`] would if the commit were
/// checked out. A link is followed inside the folder only; a submodule is another repository and is not read.
/// Answers with the commit.
pub(crate) fn files(
    repository: &Path,
    revision: &str,
    folder: &Path,
    take: &mut dyn FnMut(File),
) -> Result<String> {
    let git = Git::open(repository)?;
    let commit = git.commit(revision)?;
    let entries = git.tree(&commit, folder)?;
    let mut wanted: Vec<(PathBuf, &TreeEntry)> = entries
        .iter()
        .filter(|entry| match entry.kind {
            Kind::File | Kind::Link => is_wanted(&entry.path),
            Kind::Submodule => is_wanted([entry.path.as_slice(), b"/any.md"].concat()),
        })
        .map(|entry| (path(&entry.path), entry))
        .collect();
    wanted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut tree = Tree {
        folder: folder.components().filter_map(normal).collect(),
        entries: entries.iter().map(|entry| (entry.path.as_slice(), entry)).collect(),
        blobs: git.blobs()?,
    };
    for (path, entry) in wanted {
        let content = tree.read(&path, entry)?;
        take(File { path, reference: None, content });
    }
    Ok(commit)
}

struct Tree<'a> {
    /// Where the entries are in the commit, part by part.
    folder: Vec<&'a [u8]>,
    /// By path below the folder.
    entries: HashMap<&'a [u8], &'a TreeEntry>,
    blobs: Blobs,
}

impl Tree<'_> {
    fn read(&mut self, path: &Path, entry: &TreeEntry) -> Result<Content> {
        let object = match entry.kind {
            Kind::File => entry.object.clone(),
            Kind::Submodule => {
                let why = "a submodule's files are in another repository and are not read";
                return Ok(Content::Not(not_followed(path, why)));
            }
            Kind::Link => match self.follow(&entry.path)? {
                Ok(object) => object,
                Err(why) => return Ok(Content::Not(not_followed(path, why))),
            },
        };
        Ok(match self.blobs.read(&object, MAX_PROMPT_BYTES)? {
            Blob::Bytes(bytes) => content(bytes),
            Blob::TooLarge(mut start) => {
                start.truncate(64 * 1024);
                Content::TooLarge(start)
            }
            Blob::Missing => Content::Not(unreadable(path, "this clone of the repository does not have it")),
        })
    }

    /// The object that a link leads to in the end, or why it leads to none.
    fn follow(&mut self, link: &[u8]) -> Result<Result<String, &'static str>> {
        let parts =
            |path: &[u8]| path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect::<Vec<_>>();
        // From the root of the commit, so that a link may leave the folder and come back.
        let mut here: Vec<Vec<u8>> = self.folder.iter().map(|part| part.to_vec()).collect();
        let (mut ahead, mut links) = (parts(link), 0);
        while let Some(part) = ahead.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." if here.pop().is_none() => return Ok(Err("the link leads out of the catalog")),
                b".." => continue,
                _ => here.push(part),
            }
            let Some(entry) = self.at(&here).filter(|entry| entry.kind == Kind::Link) else { continue };
            links += 1;
            match self.blobs.read(&entry.object.clone(), MAX_TARGET)? {
                Blob::Bytes(target) if target.starts_with(b"/") => {
                    return Ok(Err("the link leads out of the catalog"));
                }
                Blob::Bytes(target) if links <= MAX_LINKS => ahead.extend(parts(&target)),
                _ => return Ok(Err("the link leads nowhere")),
            }
            here.pop();
        }
        let inside = self.folder.iter().zip(&here).filter(|(part, here)| *part == here).count();
        Ok(match self.at(&here) {
            _ if inside < self.folder.len() => Err("the link leads out of the catalog"),
            Some(entry) if entry.kind == Kind::File => Ok(entry.object.clone()),
            _ => Err("the link leads to no file"),
        })
    }

    /// The entry at a path from the root of the commit.
    fn at(&self, path: &[Vec<u8>]) -> Option<&TreeEntry> {
        let mut path = path.iter();
        let below = self.folder.iter().all(|part| path.next().is_some_and(|here| here == part));
        let path: Vec<&[u8]> = path.map(Vec::as_slice).collect();
        self.entries.get(path.join(&b'/').as_slice()).copied().filter(|_| below)
    }
}

/// A part of a path that is a name.
fn normal(part: Component<'_>) -> Option<&[u8]> {
    match part {
        Component::Normal(name) => Some(name.as_encoded_bytes()),
        _ => None,
    }
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> PathBuf {
    let name: OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    name.into()
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> PathBuf {
    OsString::from(String::from_utf8_lossy(bytes).into_owned()).into()
}
