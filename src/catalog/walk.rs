//! Which files of a folder may be prompts, and their bytes.

use super::finding::Finding;
use super::parse::MAX_PROMPT_BYTES;
use super::source::{Content, File, content, is_markdown, is_skipped, not_followed, unreadable};
use crate::error::{Error, Result};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What the walk found, before anything of it is read.
enum Found {
    File,
    Link,
    Unreadable(Finding),
}

/// Hands over every Markdown file below `root`, ordered by path. Hidden files and folders, `target` and
/// `node_modules` are left out. A link is followed only if it is one to a file that lies below the root.
///
/// # Errors
/// If `root` is no folder that can be read. Trouble below it is in the files.
pub(crate) fn files(root: &Path, take: &mut dyn FnMut(File)) -> Result<()> {
    let no_folder = |error: io::Error| {
        let what = match error.kind() {
            io::ErrorKind::NotFound => "does not exist",
            io::ErrorKind::NotADirectory => "is not a folder",
            _ => "cannot be read",
        };
        Error::failed(format!("the catalog folder {} {what}", root.display()))
            .hint("name a folder that holds prompt files")
            .because(error)
    };
    let real_root = fs::canonicalize(root).map_err(no_folder)?;
    fs::read_dir(&real_root).map_err(no_folder)?;
    for (path, found) in list(&real_root) {
        let content = match found {
            Found::File => read(&real_root.join(&path), &path),
            Found::Link => follow(&real_root, &path),
            Found::Unreadable(finding) => Content::Not(finding),
        };
        take(File { path, reference: None, content });
    }
    Ok(())
}

/// How many files [`files`] hands over.
pub(crate) fn count(root: &Path) -> Option<usize> {
    fs::canonicalize(root).ok().map(|root| list(&root).len())
}

fn list(real_root: &Path) -> Vec<(PathBuf, Found)> {
    let mut listed = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(real_root.join(&folder)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                listed.push((folder.clone(), Found::Unreadable(cannot_read(&folder, &error))));
                continue;
            }
        };
        for entry in entries {
            let name = entry.file_name();
            let path = folder.join(&name);
            let name = name.as_encoded_bytes();
            if name.starts_with(b".") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_skipped(name) => folders.push(path),
                Ok(kind) if kind.is_file() && is_markdown(name) => listed.push((path, Found::File)),
                Ok(kind) if kind.is_symlink() && is_markdown(name) => listed.push((path, Found::Link)),
                Ok(_) => {}
                Err(error) => {
                    let finding = cannot_read(&path, &error);
                    listed.push((path, Found::Unreadable(finding)));
                }
            }
        }
    }
    listed.sort_by(|(a, _), (b, _)| a.cmp(b));
    listed
}

/// Reads `file`; findings name `path`.
pub(crate) fn read(file: &Path, path: &Path) -> Content {
    let attempt = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(file)?.take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match attempt() {
        Ok(bytes) => content(bytes),
        Err(error) => Content::Not(cannot_read(path, &error)),
    }
}

fn follow(real_root: &Path, path: &Path) -> Content {
    let refuse = |why: &str| Content::Not(not_followed(path, why));
    match fs::canonicalize(real_root.join(path)) {
        Ok(real) if !real.starts_with(real_root) => refuse("the link leads out of the catalog"),
        Ok(real) if real.is_file() => read(&real, path),
        Ok(_) => refuse("the link leads to no file"),
        Err(_) => refuse("the link leads nowhere"),
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> Finding {
    match error.kind() {
        io::ErrorKind::PermissionDenied => unreadable(path, "permission denied"),
        io::ErrorKind::NotFound => unreadable(path, "it is gone"),
        _ => unreadable(path, &error.to_string()),
    }
}
