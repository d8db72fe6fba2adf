//! Making and opening the ledger file: the lock, the repair after a crash, and files that are no ledger.

use super::held::Held;
use super::place::Folder;
use super::*;
use crate::files::{self, Unfinished, is_at};
use ::redb::{Builder, DatabaseError, StorageError};
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

/// Every redb file begins with this.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// How often a ledger may be replaced while it is opened.
const ROUNDS: usize = 100;

/// What a ledger is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading beside other readers. It excludes writers while it is open.
    Read,
    /// Reading and writing, alone.
    Write,
}

/// What happens while a ledger is opened, for a person to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Another process uses the ledger; waiting for it begins.
    Waiting,
    /// The last writer did not close the ledger; it was checked and repaired.
    Repaired,
}

/// What one attempt to open came to.
enum Attempt<T> {
    Opened(T),
    Locked,
    NeedsRepair,
    /// It needs a repair and cannot be written to.
    NotWritable(std::io::Error),
}

impl RedbStore {
    /// Makes a ledger file that holds the first batch, complete or not at all. `Conflict(None)` says that
    /// something is at `path` already, even when it came there just now; nothing was changed then.
    pub fn create(path: &Path, batch: Batch<'_>) -> Result<Outcome> {
        if path.symlink_metadata().is_ok() {
            return Ok(Outcome::Conflict(None));
        }
        // As any file that a program makes: the user's umask decides who else may read it.
        let mut file = Unfinished::new(path, 0o666).map_err(|cause| match cause.kind() {
            ErrorKind::NotFound => {
                Error::failed(format!("there is no folder {}", files::folder(path).display()))
            }
            _ => fault::io(path, cause),
        })?;
        let io = |cause| fault::io(path, cause);
        contain(|| {
            let db = engine().create_file(file.file().try_clone().map_err(io)?).map_err(fault(path))?;
            let (memo, unsure) = (Memo::default(), AtomicBool::new(false));
            let outcome = write::transact(&db, path, &memo, |change| change.found(batch), &unsure)?;
            if outcome != Outcome::Done {
                return Ok(outcome);
            }
            // It is still open, since closing it gives up the lock that says that it is in use.
            match file.name() {
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Ok(Outcome::Conflict(None)),
                named => named.map_err(io)?,
            }
            files::sync(files::folder(path)).map_err(io)?;
            Ok(Outcome::Done)
        })
        .unwrap_or_else(|panic| Err(Error::bug(format!("the ledger file could not be made: {panic}"))))
    }

    /// Opens the ledger at `path`. While another process has it, waits up to `lock_timeout`. `events` hears of
    /// what a person should know.
    pub fn open(
        path: &Path,
        access: Access,
        lock_timeout: Duration,
        events: &mut dyn FnMut(Event),
    ) -> Result<Self> {
        let mut opening =
            Opening { path, timeout: lock_timeout, began: Instant::now(), waited: false, events };
        // A scrub puts another file in its place, and what was locked then is nobody's any more. Each round more takes
        // somebody who scrubs the ledger in just that moment.
        for _ in 0..ROUNDS {
            let named = recognise(path)?;
            let handle = match access {
                Access::Write => Handle::Writer(opening.writer()?),
                Access::Read => opening.reader()?,
            };
            let store = Self::new(path, Arc::new(Folder(path.to_owned())), handle);
            if is_at(&named, path).map_err(|cause| fault::io(path, cause))? {
                store.check_format()?;
                if access == Access::Write {
                    store.settle()?;
                }
                return Ok(store);
            }
        }
        Err(replaced(path))
    }

    /// Opens for reading what may be badly damaged, without changing a byte of it: what needs a repair is repaired
    /// in a temporary copy.
    pub fn examine(path: &Path, lock_timeout: Duration, events: &mut dyn FnMut(Event)) -> Result<Self> {
        let mut opening =
            Opening { path, timeout: lock_timeout, began: Instant::now(), waited: false, events };
        for _ in 0..ROUNDS {
            let named = recognise(path)?;
            let handle = opening.untouched()?;
            if is_at(&named, path).map_err(|cause| fault::io(path, cause))? {
                return Ok(Self::new(path, Arc::new(Folder(path.to_owned())), handle));
            }
        }
        Err(replaced(path))
    }

    /// Opens the ledger to be written anew, alone, without changing a byte of its file, damaged or not.
    pub fn hold(path: &Path, lock_timeout: Duration, events: &mut dyn FnMut(Event)) -> Result<Self> {
        let mut opening =
            Opening { path, timeout: lock_timeout, began: Instant::now(), waited: false, events };
        for _ in 0..ROUNDS {
            recognise(path)?;
            let io = |cause| fault::io(path, cause);
            let file = opening.alone()?;
            if is_at(&file, path).map_err(io)? {
                let held = Held::new(file).map_err(io)?;
                let Attempt::Opened(db) = attempt(path, || engine().create_with_backend(held))? else {
                    return Err(fault::damaged(path, "it cannot be repaired"));
                };
                let store = Self::new(path, Arc::new(Folder(path.to_owned())), Handle::Held(db));
                store.check_format()?;
                store.settle()?;
                return Ok(store);
            }
        }
        Err(replaced(path))
    }

    /// For a writer to begin with. Who gave the file its name may have died before that was durable, and with the
    /// name everything would be lost that is written now; or before removing what was beside it.
    pub(super) fn settle(&self) -> Result<()> {
        self.discard();
        self.place.settle().map_err(|cause| fault::io(&self.path, cause))
    }

    pub(super) fn check_format(&self) -> Result<()> {
        let path = self.path.display();
        let format = self.guard(|handle| {
            let transaction = match handle {
                Handle::Writer(db) | Handle::Copy(db) | Handle::Held(db) => db.begin_read(),
                Handle::Reader(db) => db.begin_read(),
            }
            .map_err(fault(&self.path))?;
            match transaction.open_table(META) {
                Ok(meta) => {
                    let row = meta.get("format").map_err(fault(&self.path))?;
                    Ok(row.and_then(|row| row.value().try_into().ok()).map(u32::from_be_bytes))
                }
                Err(::redb::TableError::Storage(error)) => Err(fault(&self.path)(error)),
                Err(_) => Ok(None),
            }
        })?;
        match format {
            Some(FORMAT) => Ok(()),
            Some(newer) if newer > FORMAT => Err(Error::failed(format!(
                "{path} was written by a newer promptos (store format {newer}, this one reads {FORMAT})"
            ))
            .hint("upgrade promptos to use this ledger")),
            Some(older @ 1..FORMAT) => Err(Error::failed(format!(
                "{path} was written by an older promptos (store format {older}, this one reads {FORMAT})"
            ))
            .hint(
                "use the promptos that wrote it; its 'promptos doctor --rescue DIR' copies out what is in it",
            )),
            Some(other) => Err(Error::failed(format!("{path} has an unknown store format ({other})"))),
            None => Err(Error::failed(format!("{path} is a database, but not a ledger"))),
        }
    }
}

fn replaced(path: &Path) -> Error {
    Error::unavailable(format!("the ledger {} is replaced again and again", path.display()))
        .hint("try again when the other command has finished")
}

struct Opening<'a> {
    path: &'a Path,
    timeout: Duration,
    began: Instant,
    waited: bool,
    events: &'a mut dyn FnMut(Event),
}

impl Opening<'_> {
    fn writer(&mut self) -> Result<Database> {
        loop {
            match attempt(self.path, || open_writer(self.path))? {
                Attempt::Opened((db, repaired)) => {
                    if repaired {
                        (self.events)(Event::Repaired);
                    }
                    return Ok(db);
                }
                Attempt::Locked => self.wait()?,
                Attempt::NotWritable(cause) => return Err(fault::io(self.path, cause)),
                Attempt::NeedsRepair => return Err(fault::damaged(self.path, "it cannot be repaired")),
            }
        }
    }

    /// A file that was not closed can be opened for reading only after somebody opened it for writing.
    fn reader(&mut self) -> Result<Handle> {
        loop {
            match attempt(self.path, || engine().open_read_only(self.path))? {
                Attempt::Opened(db) => return Ok(Handle::Reader(db)),
                Attempt::Locked => self.wait()?,
                Attempt::NotWritable(cause) => return Err(fault::io(self.path, cause)),
                Attempt::NeedsRepair => {
                    if let Some(handle) = self.repair()? {
                        return Ok(handle);
                    }
                }
            }
        }
    }

    fn untouched(&mut self) -> Result<Handle> {
        loop {
            match attempt(self.path, || engine().open_read_only(self.path))? {
                Attempt::Opened(db) => return Ok(Handle::Reader(db)),
                Attempt::NotWritable(cause) => return Err(fault::io(self.path, cause)),
                Attempt::Locked => self.wait()?,
                Attempt::NeedsRepair => match open_copy(self.path)? {
                    Some(db) => {
                        (self.events)(Event::Repaired);
                        return Ok(Handle::Copy(db));
                    }
                    None => self.wait()?,
                },
            }
        }
    }

    /// The file under the lock that the engine's writers take (on Linux).
    fn alone(&mut self) -> Result<File> {
        let io = |cause| fault::io(self.path, cause);
        loop {
            let file = OpenOptions::new().read(true).write(true).open(self.path).map_err(io)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => self.wait()?,
                // As the engine does on a file system without locks.
                Err(TryLockError::Error(cause)) if cause.kind() != ErrorKind::Unsupported => {
                    return Err(io(cause));
                }
                _ => return Ok(file),
            }
        }
    }

    fn repair(&mut self) -> Result<Option<Handle>> {
        match attempt(self.path, || open_writer(self.path))? {
            Attempt::Opened((db, repaired)) => {
                // Another process may have been faster.
                if repaired {
                    (self.events)(Event::Repaired);
                }
                contain(|| drop(db)).map_err(|panic| fault::panicked(self.path, &panic))?;
                // Closing tells nothing of its failures; but a file that is still not clean would send us
                // round and round.
                match attempt(self.path, || engine().open_read_only(self.path))? {
                    Attempt::Opened(db) => Ok(Some(Handle::Reader(db))),
                    Attempt::Locked => Ok(None),
                    Attempt::NeedsRepair | Attempt::NotWritable(_) => {
                        Err(fault::damaged(self.path, "it cannot be repaired"))
                    }
                }
            }
            Attempt::Locked => self.wait().map(|()| None),
            Attempt::NeedsRepair | Attempt::NotWritable(_) => match open_copy(self.path)? {
                Some(db) => {
                    (self.events)(Event::Repaired);
                    Ok(Some(Handle::Copy(db)))
                }
                None => self.wait().map(|()| None),
            },
        }
    }

    /// Waits a little for whoever has the file, or gives up.
    fn wait(&mut self) -> Result<()> {
        let elapsed = self.began.elapsed();
        let Some(left) = self.timeout.checked_sub(elapsed).filter(|left| !left.is_zero()) else {
            return Err(Error::unavailable(format!(
                "the ledger {} is in use by another process (waited {} s)",
                self.path.display(),
                self.timeout.as_secs_f32()
            ))
            .hint("wait until the other command has finished, or allow more time with --lock-timeout"));
        };
        if !self.waited {
            self.waited = true;
            (self.events)(Event::Waiting);
        }
        // Between 1 and 32 ms, at random so that those who wait do not knock in step.
        let jitter = Duration::from_micros(1_000 + RandomState::new().build_hasher().finish() % 31_000);
        std::thread::sleep(jitter.min(left));
        Ok(())
    }
}

pub(super) fn engine() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

/// Tries to open; panics of the engine are damage.
fn attempt<T>(path: &Path, open: impl FnOnce() -> Result<T, DatabaseError>) -> Result<Attempt<T>> {
    match contain(open).map_err(|panic| fault::panicked(path, &panic))? {
        Ok(opened) => Ok(Attempt::Opened(opened)),
        Err(DatabaseError::DatabaseAlreadyOpen) => Ok(Attempt::Locked),
        Err(DatabaseError::RepairAborted) => Ok(Attempt::NeedsRepair),
        Err(DatabaseError::Storage(StorageError::Io(cause))) if not_writable(&cause) => {
            Ok(Attempt::NotWritable(cause))
        }
        Err(error) => Err(fault(path)(error)),
    }
}

fn not_writable(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// Opens for writing, and says whether that took a repair.
fn open_writer(path: &Path) -> Result<(Database, bool), DatabaseError> {
    let repaired = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&repaired);
    let mut engine = engine();
    engine.set_cache_size(WRITER_CACHE);
    let db = engine.set_repair_callback(move |_| flag.store(true, Ordering::Release)).open(path)?;
    Ok((db, repaired.load(Ordering::Acquire)))
}

/// Repairs a temporary copy of a file that cannot be written to; `None` while somebody else writes it.
pub(super) fn open_copy(path: &Path) -> Result<Option<Database>> {
    let io = |cause| fault::io(path, cause);
    let mut source = File::open(path).map_err(io)?;
    // The engine's writers take this lock too (on Linux), so what is copied stands still.
    if let Err(TryLockError::WouldBlock) = source.try_lock_shared() {
        return Ok(None);
    }
    // It has no name, so that no end of this process leaves it behind.
    let mut copy = tempfile::tempfile().map_err(io)?;
    std::io::copy(&mut source, &mut copy).map_err(|cause| {
        Error::failed(format!(
            "{} needs a repair, cannot be written to, and cannot be copied to {}: {cause}",
            path.display(),
            std::env::temp_dir().display()
        ))
        .because(cause)
    })?;
    match attempt(path, || engine().create_file(copy))? {
        Attempt::Opened(db) => Ok(Some(db)),
        _ => Err(fault::damaged(path, "it cannot be repaired")),
    }
}

/// Tells what is plainly no ledger from what is a damaged one; the file, opened.
fn recognise(path: &Path) -> Result<File> {
    // Asked before opening, since opening a pipe would wait for its writer.
    let kind = path.metadata().map_err(|cause| fault::io(path, cause))?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "a folder" } else { "no regular file" };
        return Err(Error::failed(format!("{} is {what}, not a ledger", path.display())));
    }
    let mut file = File::open(path).map_err(|cause| fault::io(path, cause))?;
    let mut start = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start).map_err(|cause| fault::io(path, cause))?;
    if start.is_empty() {
        return Err(fault::damaged(path, "it is empty"));
    }
    if !MAGIC.starts_with(&start) {
        return Err(Error::failed(format!("{} is not a ledger", path.display()))
            .hint("name the ledger file, usually .promptos/ledger.redb"));
    }
    Ok(file)
}
