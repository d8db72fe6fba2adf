//! Which files of a folder may be prompts, and their bytes.

use super::finding::{self, Finding};
use super::parse::{self, Guess, MAX_PROMPT_BYTES, Parsed, Problem};
use super::prompt::Layer;
use super::text::Position;
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Folders that never hold prompts but often a great many Markdown files.
const SKIPPED: &[&str] = &["target", "node_modules"];

/// A Markdown file below a root, or why it cannot be read.
pub(crate) struct File {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Larger than any prompt; only its beginning.
    TooLarge(Vec<u8>),
    /// Not read, for this reason.
    Not(Finding),
}

impl File {
    /// What the file turned out to be.
    pub(crate) fn parse(&self, layer: Layer) -> Parsed {
        let broken = |claimed_id, finding: Finding| {
            Parsed::Broken(Problem { layer, path: self.path.clone(), claimed_id, findings: vec![finding] })
        };
        match &self.content {
            Content::Bytes(bytes) => parse::parse(layer, &self.path, bytes),
            Content::TooLarge(start) => match parse::guess(start) {
                Guess::Document => Parsed::Document,
                Guess::Prompt(claimed_id) => broken(claimed_id, parse::too_large(&self.path)),
            },
            Content::Not(finding) => broken(None, finding.clone()),
        }
    }
}

/// Every Markdown file below `root`, ordered by path. Hidden files and folders, `target` and `node_modules` are
/// left out. A link is followed only if it is one to a file that lies below the root.
///
/// # Errors
/// If `root` is no folder that can be read. Trouble below it is in the files.
pub(crate) fn files(root: &Path) -> Result<Vec<File>> {
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
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(real_root.join(&folder)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                files.push(File { content: unreadable(&folder, &error), path: folder });
                continue;
            }
        };
        for entry in entries {
            let name = entry.file_name();
            let path = folder.join(&name);
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if !SKIPPED.iter().any(|skipped| name == *skipped) {
                        folders.push(path);
                    }
                }
                Ok(kind) if kind.is_file() && is_markdown(&path) => {
                    files.push(File { content: read(&real_root.join(&path), &path), path });
                }
                Ok(kind) if kind.is_symlink() && is_markdown(&path) => {
                    files.push(File { content: follow(&real_root, &path), path });
                }
                Ok(_) => {}
                Err(error) => files.push(File { content: unreadable(&path, &error), path }),
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_markdown(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|suffix| suffix.eq_ignore_ascii_case("md"))
}

/// Reads `file`; findings name `path`.
pub(crate) fn read(file: &Path, path: &Path) -> Content {
    let attempt = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(file)?.take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match attempt() {
        Ok(mut bytes) if bytes.len() as u64 > MAX_PROMPT_BYTES => {
            bytes.truncate(64 * 1024);
            Content::TooLarge(bytes)
        }
        Ok(bytes) => Content::Bytes(bytes),
        Err(error) => unreadable(path, &error),
    }
}

fn follow(real_root: &Path, path: &Path) -> Content {
    let finding = |message: &str| {
        Content::Not(
            Finding::new(finding::FILE_LINK, path, Position::START, message)
                .hint("put the file itself into the catalog"),
        )
    };
    match fs::canonicalize(real_root.join(path)) {
        Ok(real) if !real.starts_with(real_root) => finding("the link leads out of the catalog"),
        Ok(real) if real.is_file() => read(&real, path),
        Ok(_) => finding("the link leads to no file"),
        Err(_) => finding("the link leads nowhere"),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Content {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "it is gone".to_owned(),
        _ => error.to_string(),
    };
    Content::Not(Finding::new(
        finding::FILE_UNREADABLE,
        path,
        Position::START,
        format!("the file cannot be read: {reason}"),
    ))
}
