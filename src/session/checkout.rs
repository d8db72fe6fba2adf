//! Checking a snapshot out: its files in a folder of their own, byte for byte, all of them or none.

use super::files::{describe, kept_files};
use crate::error::{Error, Result};
use crate::files::UNFINISHED;
use crate::ledger::{BlobState, Ledger};
use ledger_format::evidence::Evidence;
use ledger_format::{Address, Body, Class, Descriptor, Manifest, ManifestFile, Statement, is_relative};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Most names in one message.
const MOST: usize = 10;

/// Who holds the files of a snapshot.
pub enum Held<'a> {
    /// The ledger that it is in.
    Ledger(&'a Ledger),
    /// Its evidence.
    Evidence(&'a Evidence),
}

/// What was checked out.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckedOut {
    /// How many files there are.
    pub files: usize,
    /// The paths of those that were left out, since their content was erased.
    pub erased: Vec<String>,
    /// The folder was there before, with these files and no others.
    pub already: bool,
}

impl Held<'_> {
    fn state(&self, address: &Address) -> Result<BlobState> {
        match self {
            Self::Ledger(ledger) => ledger.blob_state(address),
            Self::Evidence(evidence) => Ok(match evidence.blobs.get(address) {
                Some(bytes) => BlobState::Present(bytes.len() as u64),
                None if evidence.erased.contains(address) => BlobState::Erased,
                None => BlobState::Missing,
            }),
        }
    }

    /// Hands the content over and compares it with its description.
    fn read(&self, content: &Descriptor, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let address = &content.blake3;
        let (mut sha256, mut size) = (Sha256::new(), 0);
        let mut piece = |piece: &[u8]| {
            sha256.update(piece);
            size += piece.len() as u64;
            sink(piece)
        };
        let state = match self {
            Self::Ledger(ledger) => ledger.read_blob(address, &mut piece)?,
            Self::Evidence(evidence) => {
                let bytes = evidence.blobs.get(address);
                bytes.map_or(Ok(()), |bytes| piece(bytes))?;
                self.state(address)?
            }
        };
        match state {
            BlobState::Present(_) if size == content.size && content.sha256 == *sha256.finalize() => Ok(()),
            BlobState::Present(_) => {
                Err(Error::integrity(format!("{address} has another length or SHA-256 than stated")))
            }
            BlobState::Erased => Err(Error::failed(format!("{address} was erased"))),
            BlobState::Missing => Err(match self {
                Self::Ledger(ledger) if ledger.is_published() => ledger.not_here(address),
                _ => Error::integrity(format!("{address} is missing"))
                    .hint("promptos doctor tells what else is lost"),
            }),
        }
    }

    /// The list of a snapshot's files.
    ///
    /// # Errors
    /// Failed, when the statement is no snapshot or its list was erased; integrity, when the list is missing
    /// or was changed.
    pub fn manifest(&self, statement: &Statement) -> Result<Manifest> {
        let Body::Snapshot(snapshot) = &statement.body else {
            return Err(Error::failed(format!("{} is a {}, not a snapshot", statement.id, statement.kind)));
        };
        let name = &statement.name;
        if self.state(&snapshot.manifest.blake3)? == BlobState::Erased {
            return Err(Error::failed(format!("the list of files of the snapshot {name} was erased")));
        }
        let mut bytes = Vec::new();
        let mut collect = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        self.read(&snapshot.manifest, &mut collect)
            .map_err(|e| Error::new(e.kind(), format!("the list of files of the snapshot {name}: {e}")))?;
        Manifest::parse(&bytes).map_err(|failure| {
            let message = format!("the list of files of the snapshot {name}: {failure}");
            if failure.class == Class::Unsupported {
                return Error::failed(message).hint("a newer promptos made this snapshot; upgrade to use it");
            }
            Error::integrity(message)
        })
    }
}

/// Writes the files of a snapshot to the folder `to`, which must not exist or be empty, unless it has just these
/// files already. They are written beside it, checked on the way, and the folder takes its place in one step.
///
/// # Errors
/// Integrity, when a file's content was changed or lost; failed, when one was erased (unless `allow_erased` leaves
/// it out) or was never kept, when a path is not safe, when something else is in the place, or when it cannot be
/// written. Then `to` is as it was.
pub fn checkout(held: &Held<'_>, snapshot: &Statement, to: &Path, allow_erased: bool) -> Result<CheckedOut> {
    let manifest = held.manifest(snapshot)?;
    check_paths(manifest.files.iter().map(|file| file.path.as_str()))?;
    let (files, erased) = sort_out(held, manifest.files, allow_erased)?;
    let done = |already| CheckedOut { files: files.len(), erased: erased.clone(), already };
    let Some(to) = free_place(to, &files)? else { return Ok(done(true)) };
    make_folder(&to, |folder| {
        let cannot =
            |what: &Path, e: std::io::Error| Error::failed(format!("cannot write {}: {e}", what.display()));
        let mut made = folder.to_owned();
        for file in &files {
            let path = folder.join(&file.path);
            let shown = to.join(&file.path);
            // Files of one folder follow each other.
            if let Some(inner) = path.parent().filter(|inner| *inner != made) {
                fs::create_dir_all(inner).map_err(|e| cannot(&shown, e))?;
                made = inner.to_owned();
            }
            // Where two names are one to the file system, the second is there already.
            let mut out = File::create_new(&path).map_err(|e| cannot(&shown, e))?;
            held.read(&file.content, &mut |piece| out.write_all(piece).map_err(|e| cannot(&shown, e)))
                .map_err(|e| {
                    e.hint(format!("it is the file {}; nothing was checked out", file.path.escape_debug()))
                })?;
        }
        Ok(())
    })?;
    Ok(done(false))
}

/// Makes the folder `to`, or fills it if it is empty, with what `fill` puts into the one that it is given: that one
/// is beside it and takes its place in one step. After an error `to` is as it was.
pub(super) fn make_folder(to: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let cannot =
        |what: &Path, e: std::io::Error| Error::failed(format!("cannot write {}: {e}", what.display()));
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| cannot(parent, e))?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any folder that a program makes: the user's umask decides who else may read it.
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    let folder = builder.prefix(UNFINISHED).tempdir_in(parent).map_err(|e| cannot(parent, e))?;
    fill(folder.path())?;
    fs::rename(folder.path(), to).map_err(|e| cannot(to, e))?;
    // It is not there any more, under its old name.
    let _ = folder.keep();
    Ok(())
}

/// The files whose content is there, and the paths of those that were erased.
fn sort_out(
    held: &Held<'_>,
    files: Vec<ManifestFile>,
    allow_erased: bool,
) -> Result<(Vec<ManifestFile>, Vec<String>)> {
    let (mut there, mut erased, mut not_kept) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        match held.state(&file.content.blake3)? {
            BlobState::Erased => erased.push(file.path),
            BlobState::Missing if !file.kept => not_kept.push(file.path),
            // What is missing is told by whoever reads it.
            BlobState::Missing | BlobState::Present(_) => there.push(file),
        }
    }
    let name = |error: Error, paths: &[String]| {
        let named = paths.iter().take(MOST).map(|path| path.escape_debug().to_string());
        named.fold(error, Error::hint)
    };
    if !not_kept.is_empty() {
        let error =
            Error::failed(format!("{} files of the snapshot were listed and not kept", not_kept.len()));
        return Err(name(error, &not_kept));
    }
    if !erased.is_empty() && !allow_erased {
        let error =
            Error::failed(format!("{} files of the snapshot were erased from the ledger", erased.len()));
        return Err(name(error, &erased).hint("--allow-erased checks the others out"));
    }
    Ok((there, erased))
}

/// The place where a folder may be put; `None` when it is there already, with these files and no others.
pub(super) fn free_place(to: &Path, files: &[ManifestFile]) -> Result<Option<PathBuf>> {
    let shown = to.display();
    let cannot = |e: std::io::Error| Error::failed(format!("cannot look at {shown}: {e}"));
    let kind = match to.symlink_metadata() {
        Ok(metadata) => metadata.file_type(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some(to.to_owned())),
        Err(e) => return Err(cannot(e)),
    };
    if !kind.is_dir() {
        let what = if kind.is_symlink() { "a symbolic link" } else { "not a folder" };
        return Err(Error::failed(format!("{shown} is {what}")).hint("name a folder that is not there yet"));
    }
    if fs::read_dir(to).map_err(cannot)?.next().is_none() {
        return to.canonicalize().map(Some).map_err(cannot);
    }
    if is_this(to, files) {
        return Ok(None);
    }
    Err(Error::failed(format!("{shown} is there already, with something else in it"))
        .hint("name a folder that is not there yet, or an empty one"))
}

/// Whether a folder has just these files.
fn is_this(folder: &Path, files: &[ManifestFile]) -> bool {
    let Ok(there) = kept_files(folder) else { return false };
    let wanted: BTreeMap<&str, &Descriptor> = files.iter().map(|f| (f.path.as_str(), &f.content)).collect();
    let same = |(relative, path): &(String, PathBuf)| {
        let is = |wanted: &Descriptor, found: &Descriptor| {
            (wanted.blake3, wanted.sha256, wanted.size) == (found.blake3, found.sha256, found.size)
        };
        let wanted = wanted.get(relative.as_str());
        wanted.is_some_and(|wanted| describe(path).is_ok_and(|(found, _)| is(wanted, &found)))
    };
    there.len() == wanted.len() && there.iter().all(same)
}

/// Refuses paths that would not stay what they are in a folder: those that lead out of it, that begin with a dot
/// (programs act on such files), and those that only case tells apart, which are one file on some systems.
///
/// # Errors
/// Failed, naming the path.
pub fn check_paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for path in paths {
        if !is_relative(path) || path.split('/').any(|part| part.starts_with('.')) {
            let shown = path.escape_debug();
            return Err(Error::failed(format!("'{shown}' is no path for a file of a catalog")));
        }
        if let Some(other) = folded.insert(path.to_lowercase(), path) {
            return Err(one_name(other, path));
        }
    }
    for (file, path) in &folded {
        let mut folders = file.match_indices('/').filter_map(|(at, _)| file.get(..at));
        if let Some(other) = folders.find_map(|folder| folded.get(folder)) {
            return Err(one_name(other, path));
        }
    }
    Ok(())
}

fn one_name(one: &str, other: &str) -> Error {
    let (one, other) = (one.escape_debug(), other.escape_debug());
    Error::failed(format!("'{one}' and '{other}' cannot both be there on every file system"))
        .hint("some take upper and lower case for the same; rename one of them")
}
