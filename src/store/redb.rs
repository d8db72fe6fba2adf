//! The ledger as one redb file.
//!
//! Every commit is durable before it returns and made in two phases: the file is then never believed on the
//! strength of a checksum that is not cryptographic. The engine panics on damaged pages; here that is an error.

mod carve;
mod contents;
mod fault;
mod file;
mod frame;
mod held;
#[cfg(test)]
mod over;
mod place;
mod read;
mod recent;
mod rewrite;
mod snapshot;
mod write;

pub use carve::Carved;
pub use file::{Access, Event};

use super::contain::contain;
use super::{Batch, BlobState, Hash, Head, Outcome, POINTER, Store, TileId, VisitRow, VisitStatement};
use crate::error::{Error, Result};
use ::redb::{
    Database, Key, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition,
    Value, WriteTransaction,
};
use fault::fault;
use place::Place;
use recent::{Memo, Recent};
use snapshot::Snapshot;
use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the tables below mean. A file with another number is refused.
const FORMAT: u32 = 4;

// The engine is compiled anew for each kind of row, some 50 KB of program a time, so there are five kinds for nine tables.

/// `format` (u32), `head` (u64 size, 32-byte root), `checkpoint`, and `unscrubbed` while erased bytes may be left;
/// numbers are big-endian.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const STATEMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("statements");
/// A tile's pieces of [`PIECE`] bytes (the last may be shorter), by their [`pieces`].
const TILES: TableDefinition<u64, &[u8]> = TableDefinition::new("tiles");
/// What of the index is no pointer.
const INDEX: TableDefinition<&[u8], &[u8]> = TableDefinition::new("index");
/// Keys of the index that begin with a byte of 128 or more.
const POINTERS: TableDefinition<&[u8; POINTER], ()> = TableDefinition::new("pointers");
/// How a content is stored (`contents.rs`).
const CONTENTS: TableDefinition<&Hash, (u32, u32, u32)> = TableDefinition::new("contents");
/// A whole content's pieces of [`CHUNK`] bytes (the last may be shorter), by address and number (u32, big-endian).
const CHUNKS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("chunks");
/// By chain and place, 32 bits each: what a packed content does not share with an earlier version (`frame.rs`).
const FRAMES: TableDefinition<u64, &[u8]> = TableDefinition::new("frames");

/// By the number of its first statement: what a commit put into none of the tables above yet (`recent.rs`).
const RECENT: TableDefinition<u64, &[u8]> = TableDefinition::new("recent");

/// The engine gives a row pages of a power of two; a full piece with its key and lengths (48 bytes) fills one of
/// 64 KiB, and 64 bytes more would take twice that. A blob of 64 MiB makes a file of 64.3 MiB.
const CHUNK: usize = 65_536 - 64;

/// Seven pieces fill a page; a whole tile would take one of 16 KiB, to be written anew with every statement.
const PIECE: usize = 16 * 32;

/// The keys of a tile's pieces, of which the first is the first piece's: 255 less the level in eight bits, the tile's
/// place in 48, the piece's number in eight. The engine fills pages only where a table ends, and there the lowest level
/// grows. `None` for a tile that no ledger is large enough to have.
fn pieces(TileId { level, index }: TileId) -> Option<RangeInclusive<u64>> {
    let row = u64::from(u8::MAX - level) << 56 | index.checked_mul(256).filter(|index| index >> 56 == 0)?;
    Some(row..=row | 255)
}

/// The engine's default of 1 GiB makes a scan of a large ledger both slower and 40 times heavier.
const CACHE: usize = 8 << 20;

/// For writers. Half of it holds pages that a commit has changed; what has no place there is written, and read again,
/// before the commit ends.
const WRITER_CACHE: usize = 64 << 20;

/// Below so many bytes written, a file is closed as it is; above, when they are an eighth of it, it is written anew.
const LOOSE: u64 = 256 << 10;

/// One ledger in one redb file. Dropping it closes the file and lets other processes in; who wrote much has it written
/// anew first, without free space.
pub struct RedbStore {
    path: PathBuf,
    place: Arc<dyn Place>,
    handle: Option<Handle>,
    /// The newest state of the file, for all reads until the next write.
    newest: Mutex<Option<Arc<Snapshot>>>,
    memo: Arc<Memo>,
    /// The engine panicked: what it holds in memory may be half done and must not be written.
    torn: AtomicBool,
    /// A commit failed on its way to the disk. Only opening the file anew tells whether it is there.
    unsure: AtomicBool,
    /// So many bytes were put into the file since it was opened, or written anew.
    put: AtomicU64,
}

enum Handle {
    /// Excludes every other process.
    Writer(Database),
    /// Shares the file with other readers.
    Reader(ReadOnlyDatabase),
    /// A repaired copy of a file that could not be written to.
    Copy(Database),
    /// Excludes every other process, and writes nothing to the file.
    Held(Database),
}

/// Tables that are being changed.
struct Change<'a> {
    path: &'a Path,
    transaction: WriteTransaction,
    memo: &'a Memo,
    /// What is in the table of what was written last, once this is committed.
    recent: RefCell<Option<Recent>>,
}

impl RedbStore {
    /// Where the ledger is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(path: &Path, place: Arc<dyn Place>, handle: Handle) -> Self {
        let (torn, unsure, put) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
        let (newest, memo) = (Mutex::default(), Arc::default());
        Self { path: path.to_owned(), place, handle: Some(handle), newest, memo, torn, unsure, put }
    }

    /// Whether so much was written that it is worth writing the file anew.
    fn is_loose(&self) -> bool {
        let put = self.put.load(Ordering::Relaxed);
        let broken = self.torn.load(Ordering::Acquire) || self.unsure.load(Ordering::Acquire);
        put >= LOOSE && !broken && self.place.length().is_ok_and(|length| put >= length / 8)
    }

    /// Runs `work` on a snapshot, containing the engine's panics.
    fn read<T>(&self, work: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        self.guard(|handle| {
            let snapshot = self.snapshot(handle)?;
            work(&snapshot)
        })
    }

    /// To begin a snapshot and to open its tables costs more than most reads do.
    fn snapshot(&self, handle: &Handle) -> Result<Arc<Snapshot>> {
        // It is begun under the lock: one from before a commit is never put here after that has returned.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = &*newest {
            return Ok(Arc::clone(snapshot));
        }
        let transaction = match handle {
            Handle::Writer(db) | Handle::Copy(db) | Handle::Held(db) => db.begin_read(),
            Handle::Reader(db) => db.begin_read(),
        };
        let transaction = transaction.map_err(fault(&self.path))?;
        let snapshot = Arc::new(Snapshot::new(&self.path, transaction, Arc::clone(&self.memo)));
        *newest = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Ends the snapshot, unless somebody is reading from it.
    fn forget(&self) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = contain(|| drop(newest));
    }

    /// Runs `change` on a transaction and commits unless it answers with a conflict.
    fn write(&self, change: impl FnOnce(&Change<'_>) -> Result<Outcome>) -> Result<Outcome> {
        if self.torn.load(Ordering::Acquire) {
            return Err(fault::broken(&self.path));
        }
        // As long as it lasts, no page that it shows is used again.
        self.forget();
        let result = self.guard(|handle| match handle {
            Handle::Writer(db) => write::transact(db, &self.path, &self.memo, change, &self.unsure),
            Handle::Reader(_) | Handle::Copy(_) | Handle::Held(_) => {
                Err(Error::bug("a ledger opened for reading is written"))
            }
        });
        self.forget();
        // A panic may have come in the midst of a commit.
        if self.torn.load(Ordering::Acquire) {
            self.unsure.store(true, Ordering::Release);
        }
        result
    }

    fn guard<T>(&self, work: impl FnOnce(&Handle) -> Result<T>) -> Result<T> {
        let Some(handle) = &self.handle else { return Err(Error::bug("the ledger is closed already")) };
        if self.unsure.load(Ordering::Acquire) {
            return Err(fault::broken(&self.path));
        }
        contain(|| work(handle)).unwrap_or_else(|panic| {
            self.torn.store(true, Ordering::Release);
            self.forget();
            Err(fault::panicked(&self.path, &panic))
        })
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.forget();
        // Whoever wrote a large part of the file leaves about as much of it free, and pages half full. When this fails
        // the file is as it was.
        if self.is_loose() && !std::thread::panicking() {
            let _ = contain(|| self.rewrite());
        }
        let handle = self.handle.take();
        let pointless = matches!(handle, Some(Handle::Copy(_) | Handle::Held(_)));
        // Closing writes the free-page map, which may panic on a damaged file; the next opener repairs.
        let _ = contain(|| {
            let _closed = handle;
            // Nobody gets to see that map of a copy, and a writing panic may end the process (RELIABILITY.md); the
            // engine does not write when it is dropped by a panic.
            if pointless && !std::thread::panicking() {
                resume_unwind(Box::new(()));
            }
        });
    }
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store for RedbStore {
    fn head(&self) -> Result<Option<Head>> {
        self.read(|snapshot| snapshot.head().map(Some))
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.read(|snapshot| snapshot.meta("checkpoint"))
    }

    fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
        self.read(|snapshot| snapshot.statement(index))
    }

    fn scan(&self, range: Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
        self.read(|snapshot| snapshot.scan(range, visit))
    }

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
        self.read(|snapshot| snapshot.tile(id))
    }

    fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|snapshot| snapshot.index_get(key))
    }

    fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()> {
        self.read(|snapshot| snapshot.index_scan(prefix, reverse, visit))
    }

    fn replace_index(&self, rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
        // It has no head to conflict with.
        self.write(|change| change.replace_index(rows)).map(drop)
    }

    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        self.read(|snapshot| snapshot.blob_state(address))
    }

    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        self.read(|snapshot| snapshot.read_blob(address, sink))
    }

    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        self.read(|snapshot| snapshot.blobs(visit))
    }

    fn commit(&self, batch: Batch<'_>) -> Result<Outcome> {
        let size = batch.size();
        let outcome = self.write(|change| change.apply(batch))?;
        if outcome == Outcome::Done {
            self.put.fetch_add(size, Ordering::Relaxed);
        }
        Ok(outcome)
    }

    fn unscrubbed(&self) -> Result<bool> {
        self.is_unscrubbed()
    }

    fn scrub(&mut self) -> Result<()> {
        self.rewrite()
    }
}

#[cfg(test)]
mod tests;
