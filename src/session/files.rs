//! Files on their way into and out of the ledger.

use crate::catalog::secrets::{Scanner, SecretHit};
use crate::error::{Error, Result};
use crate::files::{UNFINISHED, Unfinished, folder};
use ledger_format::{Address, Descriptor, is_relative};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Describes a file of any size in flat memory, and looks for secrets in it.
///
/// # Errors
/// Failed, when it cannot be read or is no regular file.
pub fn describe(path: &Path) -> Result<(Descriptor, Vec<SecretHit>)> {
    let cannot = |e: std::io::Error| Error::failed(format!("cannot read {}: {e}", path.display()));
    // Asked before opening, since opening a pipe would wait for its writer.
    if !path.metadata().map_err(cannot)?.is_file() {
        return Err(Error::failed(format!("{} is not a regular file", path.display())));
    }
    let mut file = File::open(path).map_err(cannot)?;
    let (mut blake3, mut sha256, mut secrets) = (blake3::Hasher::new(), Sha256::new(), Scanner::new());
    let (mut size, mut buffer) = (0u64, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).map_err(cannot)?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        size += piece.len() as u64;
        blake3.update(piece);
        sha256.update(piece);
        secrets.feed(piece);
    }
    let descriptor = Descriptor {
        blake3: Address(*blake3.finalize().as_bytes()),
        sha256: sha256.finalize().into(),
        size,
        media_type: media_type(path).to_owned(),
    };
    Ok((descriptor, secrets.finish()))
}

/// A file's bytes and the JSON that they are.
///
/// # Errors
/// Failed, when it cannot be read, is not JSON or has a name twice, with line and column.
pub(super) fn read_json(path: &Path) -> Result<(Vec<u8>, serde_json::Value)> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|e| Error::failed(format!("cannot read {shown}: {e}")))?;
    let parsed = parse_json(path, &bytes)?;
    Ok((bytes, parsed))
}

/// The JSON in a file's bytes.
///
/// # Errors
/// As [`read_json`].
pub(super) fn parse_json(path: &Path, bytes: &[u8]) -> Result<serde_json::Value> {
    crate::json::parse(bytes).map_err(|e| {
        let what = if e.is_data() { "this is ambiguous" } else { "this is not JSON" };
        Error::failed(format!("{}: {what}: {e}", path.display()))
    })
}

/// The media type that a file's name suggests.
#[must_use]
pub fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("md") => "text/markdown",
        Some("txt" | "log") => "text/plain",
        Some("patch" | "diff") => "text/x-diff",
        Some("json") => "application/json",
        Some("jsonl" | "ndjson") => "application/x-ndjson",
        Some("yaml" | "yml") => "application/yaml",
        Some("toml") => "application/toml",
        Some("html") => "text/html",
        Some("csv") => "text/csv",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("pdf") => "application/pdf",
        Some("tar") => "application/x-tar",
        _ => "application/octet-stream",
    }
}

/// What a file is: by its name, or by how it begins when the name says nothing. `head` is its beginning.
pub(super) fn content_type(name: &Path, head: &[u8]) -> &'static str {
    const UNKNOWN: &str = "application/octet-stream";
    match media_type(name) {
        UNKNOWN => {}
        known => return known,
    }
    if head.starts_with(b"%PDF-") {
        return "application/pdf";
    }
    // What is cut within a character is text up to there.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(head.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) if head.starts_with(b"\x89PNG\r\n") => return "image/png",
        Err(_) if head.starts_with(b"\xff\xd8\xff") => return "image/jpeg",
        Err(_) => return UNKNOWN,
    };
    if text.contains('\0') || (text.is_empty() && !head.is_empty()) {
        return UNKNOWN;
    }
    let is_json = |text: &str| {
        text.trim_start().starts_with(['{', '['])
            && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    };
    match text.trim().split_once('\n') {
        _ if is_json(text) => "application/json",
        Some((first, _)) if is_json(first) => "application/x-ndjson",
        _ => "text/plain",
    }
}

/// Every file below `root`, but for what a killed export left unfinished, with its `/`-separated relative path, in order.
///
/// # Errors
/// Failed for what cannot be listed, for links and other things that are neither file nor folder, and
/// for names that are not UTF-8: what cannot be named exactly cannot be vouched for.
pub fn kept_files(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), root.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let cannot = |e: std::io::Error| Error::failed(format!("cannot list {}: {e}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let path = entry.path();
            let name = entry.file_name().into_string().map_err(|name| {
                Error::failed(format!("the name {} in {} is not UTF-8", name.display(), folder.display()))
            })?;
            if name.starts_with(UNFINISHED) {
                continue;
            }
            let relative = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let kind = entry.file_type().map_err(cannot)?;
            if kind.is_dir() {
                folders.push((relative, path));
            } else if kind.is_file() && is_relative(&relative) {
                files.push((relative, path));
            } else {
                let what = if kind.is_symlink() { "a symbolic link" } else { "neither a file nor a folder" };
                return Err(Error::failed(format!("{} is {what}", path.display()))
                    .hint("artifacts are recorded as the files they are: copy it, or move it elsewhere"));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a file whole or not at all. An existing file with the same bytes is left alone; with other
/// bytes it is replaced only when `force`.
///
/// # Errors
/// Failed, when another file is there or it cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    let cannot = |e: std::io::Error| Error::failed(format!("cannot write {}: {e}", path.display()));
    match fs::read(path) {
        Ok(there) if there == bytes => return Ok(()),
        Ok(_) if !force => {
            return Err(Error::failed(format!("{} is there already and differs", path.display()))
                .hint("--force replaces it"));
        }
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(cannot(e)),
    }
    fs::create_dir_all(folder(path)).map_err(cannot)?;
    // As any file that a program makes: the user's umask decides who else may read it.
    let mut file = Unfinished::new(path, 0o666).map_err(cannot)?;
    file.file().write_all(bytes).map_err(cannot)?;
    file.replace().map_err(cannot)
}
