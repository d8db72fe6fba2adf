//! Publishing: the ledger as plain files that anybody can serve (SPEC.md, section 14).
//!
//! The checkpoint is written last, so that a process killed at any moment leaves what was published before, with files
//! beside it that nobody asks for yet. A file that is there with the right bytes is left as it is.

use super::tiles::Grower;
use super::{BlobState, Ledger, index, shown};
use crate::error::{Error, Result};
use crate::files::{self, UNFINISHED, Unfinished};
use crate::store::layout::{self, BLOBS, CHECKPOINT, Row, TILES};
use crate::store::nodes::WIDTH;
use crate::store::published::{entries, listed};
use crate::store::{Event, Head};
use ledger_format::{Address, Body, Checkpoint, tree};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Which contents are published beside the statements. What was erased never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blobs {
    /// All that statements and their lists name and that is here.
    All,
    /// Every prompt that a ref is bound to, and the lists and files of snapshots.
    Prompts,
    /// None.
    None,
}

/// What was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The head that the directory has now.
    pub head: Head,
    /// How many contents are published.
    pub contents: u64,
    /// Files that were written.
    pub written: u64,
    /// Files that were there with the right bytes.
    pub unchanged: u64,
    /// Files that were removed: contents that were erased or are not asked for any more, and incomplete tiles in whose
    /// place there is a complete one.
    pub removed: u64,
}

/// Publishes a ledger to a directory, which is made when it is not there; waits so long for another publisher.
///
/// # Errors
/// Integrity, when the ledger does not lead to its own head, or does not extend what is published there; failed, when
/// the directory is something else or another ledger's, or cannot be written; unavailable, when another process
/// publishes there for too long. The directory then has what it had, and perhaps files that nobody asks for.
pub fn publish(
    ledger: &Ledger,
    directory: &Path,
    blobs: Blobs,
    wait: Duration,
    events: &mut dyn FnMut(Event),
) -> Result<Publication> {
    let head = ledger.checkpoint()?.head;
    let note = ledger.signed_checkpoint()?;
    let wanted = ledger.to_publish(blobs)?;
    let tiles = tree_of(ledger, head)?;
    check_place(ledger, directory)?;
    make(directory)?;
    let _lock = lock(directory, wait, events)?;
    // Another publisher may have been there meanwhile.
    check_place(ledger, directory)?;
    let mut to = Writer { directory, written: 0, unchanged: 0, removed: 0, folders: BTreeSet::new() };
    to.remove_unfinished()?;
    for address in &wanted {
        to.blob(ledger, address)?;
    }
    to.bundles(ledger, head.size)?;
    for (id, hashes) in tiles {
        let width = layout::width(Row::Hashes(id.level), id.index, head.size);
        to.file(&layout::tile(Row::Hashes(id.level), id.index, width), &hashes)?;
    }
    to.remove_blobs_but(&wanted)?;
    to.sync()?;
    to.file(CHECKPOINT, &note)?;
    to.sync()?;
    to.remove_incomplete(head.size)?;
    let Writer { written, unchanged, removed, .. } = to;
    Ok(Publication { head, contents: wanted.len() as u64, written, unchanged, removed })
}

impl Ledger {
    /// The contents that are here and are to be published.
    fn to_publish(&self, blobs: Blobs) -> Result<BTreeSet<Address>> {
        let mut found = BTreeSet::new();
        match blobs {
            Blobs::None => {}
            Blobs::All => {
                let mut here = Vec::new();
                self.store.blobs(&mut |hash, _| {
                    here.push(Address(hash));
                    Ok(true)
                })?;
                for address in here {
                    // What only an erased list named is nobody's to publish.
                    if self.is_named(&address)? {
                        found.insert(address);
                    }
                }
            }
            Blobs::Prompts => {
                self.store.index_scan(&index::key(index::Table::Ref, &[]), false, &mut |key, value| {
                    found.insert(index::read_ref_row(key, value)?.1);
                    Ok(true)
                })?;
                for entry in self.snapshots()? {
                    let Body::Snapshot(snapshot) = &entry.statement.body else { continue };
                    found.insert(snapshot.manifest.blake3);
                    let files =
                        self.manifest(&entry.statement.body)?.map_or(Vec::new(), |manifest| manifest.files);
                    found.extend(files.into_iter().filter(|file| file.kept).map(|file| file.content.blake3));
                }
            }
        }
        let mut here = BTreeSet::new();
        for address in found {
            if matches!(self.blob_state(&address)?, BlobState::Present(_)) {
                here.insert(address);
            }
        }
        Ok(here)
    }
}

/// The tiles of the tree, from the statements: nothing is published that does not lead to the head.
fn tree_of(ledger: &Ledger, head: Head) -> Result<Vec<(crate::store::TileId, Vec<u8>)>> {
    let mut grower = Grower::default();
    ledger.store.scan(0..head.size, &mut |_, bytes| {
        grower.push(tree::leaf_hash(bytes));
        Ok(true)
    })?;
    if grower.head() != head {
        return Err(Error::integrity("the ledger's entries do not lead to its head; nothing was published")
            .hint("promptos verify-chain tells what is damaged"));
    }
    Ok(grower.take_tiles())
}

/// A directory that is new, empty, or has an earlier state of the same ledger.
fn check_place(ledger: &Ledger, directory: &Path) -> Result<()> {
    let cannot = |e: io::Error| Error::failed(format!("cannot read {}: {e}", directory.display()));
    if directory.metadata().is_ok_and(|found| !found.is_dir()) {
        return Err(Error::failed(format!("{} is no folder", directory.display())));
    }
    let there = directory.join(CHECKPOINT);
    let note = match fs::read(&there) {
        Ok(note) => note,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            // What a killed publisher left, and nothing else.
            let ours = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                [TILES, BLOBS].contains(&name.as_str()) || name.starts_with(UNFINISHED)
            };
            return match entries(directory).map_err(cannot)?.iter().find(|path| !ours(path)) {
                None => Ok(()),
                Some(other) => Err(Error::failed(format!(
                    "{} holds other files, and no published ledger",
                    directory.display()
                ))
                .hint(format!("one of them is {}", other.display()))
                .hint("name a folder that is empty or not there yet")),
            };
        }
        Err(e) => return Err(cannot(e)),
    };
    let published = Checkpoint::parse(&note).map_err(|f| {
        Error::failed(format!("{} is no checkpoint: {f}", there.display()))
            .hint("choose another folder, or remove what is there")
    })?;
    if published.origin != ledger.origin() {
        return Err(Error::failed(format!("{} holds another ledger", directory.display()))
            .hint(format!("published there  {}", shown(&published.origin)))
            .hint(format!("this one is      {}", ledger.origin())));
    }
    ledger.check_extends(&published.head).map_err(|e| {
        e.hint(format!("the head seen is that of {}, and nothing was changed there", there.display()))
    })
}

fn make(directory: &Path) -> Result<()> {
    let made = fs::create_dir_all(directory).and_then(|()| files::sync(files::folder(directory)));
    made.map_err(|e| Error::failed(format!("cannot make {}: {e}", directory.display())))
}

/// The directory itself is locked: a file to lock would be published with the others.
fn lock(directory: &Path, wait: Duration, events: &mut dyn FnMut(Event)) -> Result<File> {
    let cannot = |e: io::Error| Error::failed(format!("cannot lock {}: {e}", directory.display()));
    let file = File::open(directory).map_err(cannot)?;
    let (began, mut told) = (Instant::now(), false);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < wait => {
                if !std::mem::replace(&mut told, true) {
                    events(Event::Waiting);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let what = format!("another process publishes to {}", directory.display());
                return Err(
                    Error::unavailable(what).hint("try again, or wait longer: --lock-timeout SECONDS")
                );
            }
            // A file system without locks.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(cannot(e)),
        }
    }
}

/// Writes what is not there yet.
struct Writer<'a> {
    directory: &'a Path,
    written: u64,
    unchanged: u64,
    removed: u64,
    /// Folders whose names are not durable yet.
    folders: BTreeSet<PathBuf>,
}

impl Writer<'_> {
    fn bundles(&mut self, ledger: &Ledger, size: u64) -> Result<()> {
        let mut statements = Vec::new();
        ledger.store.scan(0..size, &mut |at, bytes| {
            statements.push(bytes.to_vec());
            if statements.len() as u64 == WIDTH || at + 1 == size {
                let bundle = layout::bundle(&statements)
                    .ok_or_else(|| Error::integrity(format!("a statement up to {at} is too long")))?;
                self.file(&layout::tile(Row::Entries, at / WIDTH, statements.len() as u64), &bundle)?;
                statements.clear();
            }
            Ok(true)
        })
    }

    /// A file of these bytes.
    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let target = self.directory.join(path);
        if has(&target, bytes.len() as u64, |file| Ok(read(file)? == bytes)) {
            self.unchanged += 1;
            return Ok(());
        }
        self.write(&target, &mut |file| file.write_all(bytes).map_err(|e| cannot("write", &target, &e)))
    }

    /// Content under its address.
    fn blob(&mut self, ledger: &Ledger, address: &Address) -> Result<()> {
        let BlobState::Present(size) = ledger.blob_state(address)? else {
            return Err(ledger.not_here(address));
        };
        let target = self.directory.join(layout::blob(&address.0));
        let same = |file: File| {
            let mut hash = blake3::Hasher::new();
            hash.update_reader(file)?;
            Ok(hash.finalize() == address.0)
        };
        if has(&target, size, same) {
            self.unchanged += 1;
            return Ok(());
        }
        self.write(&target, &mut |file| {
            let state = ledger.read_blob(address, &mut |piece| {
                file.write_all(piece).map_err(|e| cannot("write", &target, &e))
            })?;
            if matches!(state, BlobState::Present(_)) { Ok(()) } else { Err(ledger.not_here(address)) }
        })
    }

    fn write(&mut self, target: &Path, content: &mut dyn FnMut(&mut File) -> Result<()>) -> Result<()> {
        let folder = files::folder(target);
        fs::create_dir_all(folder).map_err(|e| cannot("make", folder, &e))?;
        let mut file = Unfinished::new(target, 0o666).map_err(|e| cannot("write", target, &e))?;
        content(file.file())?;
        file.put().map_err(|e| cannot("write", target, &e))?;
        let above = folder.ancestors().take_while(|above| above.starts_with(self.directory));
        self.folders.extend(above.map(Path::to_owned));
        self.written += 1;
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| cannot("remove", path, &e))?;
        self.folders.insert(files::folder(path).to_owned());
        self.removed += 1;
        Ok(())
    }

    /// What was erased since, and what is not asked for.
    fn remove_blobs_but(&mut self, wanted: &BTreeSet<Address>) -> Result<()> {
        let listed = listed(self.directory).map_err(|e| cannot("list", self.directory, &e))?;
        listed
            .into_iter()
            .filter(|(address, _)| !wanted.contains(&Address(*address)))
            .try_for_each(|(_, path)| self.remove(&path))
    }

    /// Incomplete tiles that there is a complete one for.
    fn remove_incomplete(&mut self, size: u64) -> Result<()> {
        let hashes = layout::all(size).map(|(id, width)| (Row::Hashes(id.level), id.index, width));
        let bundles =
            layout::all(size).filter(|(id, _)| id.level == 0).map(|(id, w)| (Row::Entries, id.index, w));
        for (row, index, width) in hashes.chain(bundles) {
            let folder = self.directory.join(layout::tile(row, index, WIDTH) + ".p");
            if width < WIDTH || !folder.is_dir() {
                continue;
            }
            for file in entries(&folder).map_err(|e| cannot("list", &folder, &e))? {
                self.remove(&file)?;
            }
            self.folders.remove(&folder);
            fs::remove_dir(&folder).map_err(|e| cannot("remove", &folder, &e))?;
        }
        Ok(())
    }

    /// What killed publishers left, which may be content that was erased since.
    fn remove_unfinished(&self) -> Result<()> {
        let mut folders = vec![self.directory.to_owned()];
        for top in [TILES, BLOBS] {
            let mut below = vec![self.directory.join(top)];
            while let Some(folder) = below.pop() {
                let found = entries(&folder).map_err(|e| cannot("list", &folder, &e))?;
                below.extend(found.into_iter().filter(|path| path.is_dir()));
                folders.push(folder);
            }
        }
        folders.iter().for_each(|folder| files::remove_unfinished(folder));
        Ok(())
    }

    /// Makes the names in all folders that were changed durable.
    fn sync(&mut self) -> Result<()> {
        for folder in std::mem::take(&mut self.folders) {
            files::sync(&folder).map_err(|e| cannot("sync", &folder, &e))?;
        }
        Ok(())
    }
}

/// Whether a file of this length is there, and is right. One that cannot be read is written anew.
fn has(path: &Path, length: u64, right: impl FnOnce(File) -> io::Result<bool>) -> bool {
    let same = path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == length);
    same && File::open(path).and_then(right).unwrap_or(false)
}

fn read(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot {what} {}: {error}", path.display()))
        .hint("what was published before is as it was; publish again when this is settled")
}
