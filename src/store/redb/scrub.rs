//! Scrubbing: what was erased leaves free pages behind, and copies of it that the engine no longer knows. So the
//! ledger is written anew into a file beside it, which then takes its place.
//!
//! Stopped anywhere, the ledger is whole: it is the old file until the rename and the new one after it. What a
//! stop leaves beside it is removed by the next scrub. Both files are locked until the end, so that nobody gets
//! the new one before it is durable; who waited for the old one notices that the path names another file.

use super::super::contain::contain;
use super::fault::fault;
use super::file::engine;
use super::*;
use ::redb::{ReadableTable, ReadableTableMetadata, StorageError};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;

/// A row of the `meta` table that is there while erased bytes may be left in the file.
pub(super) const UNSCRUBBED: &str = "unscrubbed";

impl RedbStore {
    /// Rewrites the file and puts the new one in place.
    pub(super) fn rewrite(&mut self) -> Result<()> {
        // Not the link but the file that it names holds the bytes.
        let target = self.path.canonicalize().map_err(|cause| fault::io(&self.path, cause))?;
        let beside = beside(&target);
        let made = self.rewrite_beside(&target, &beside);
        if made.is_err() {
            // The error counts; what is left is removed by the next scrub.
            let _ = std::fs::remove_file(&beside);
        }
        let new = made?;
        let renamed = std::fs::rename(&beside, &target);
        if let Err(cause) = renamed {
            drop(new);
            let _ = std::fs::remove_file(&beside);
            return Err(fault::io(&self.path, cause));
        }
        let folder = target.parent().unwrap_or(Path::new("/"));
        let durable = File::open(folder).and_then(|folder| folder.sync_all());
        // From here on the old file has no name, and closing it does not matter.
        let old = self.handle.replace(Handle::Writer(new));
        let _ = contain(|| drop(old));
        self.torn.store(false, Ordering::Release);
        durable.map_err(|cause| fault::io(&self.path, cause))
    }

    fn rewrite_beside(&self, target: &Path, beside: &Path) -> Result<Database> {
        if self.torn.load(Ordering::Acquire) {
            return Err(fault::broken(&self.path));
        }
        self.guard(|handle| {
            let Handle::Writer(old) = handle else {
                return Err(Error::bug("a ledger opened for reading is scrubbed"));
            };
            let old =
                Snapshot { path: &self.path, transaction: old.begin_read().map_err(fault(&self.path))? };
            let file = like(target, beside).map_err(|cause| fault::io(beside, cause))?;
            let io = |cause| fault::io(beside, cause);
            let new = engine().create_file(file.try_clone().map_err(io)?).map_err(fault(beside))?;
            let unsure = AtomicBool::new(false);
            let copied = write::transact(&new, beside, |change| change.copy(&old), &unsure)?;
            debug_assert_eq!(copied, Outcome::Done);
            file.sync_all().map_err(io)?;
            Ok(new)
        })
    }

    pub(super) fn is_unscrubbed(&self) -> Result<bool> {
        self.read(|snapshot| Ok(snapshot.meta(UNSCRUBBED)?.is_some()))
    }
}

/// Where the new file is made: one fixed name, since whoever scrubs has the ledger alone.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".scrub");
    target.with_file_name(name)
}

/// Makes an empty file with the permissions and owner of another one.
fn like(target: &Path, beside: &Path) -> std::io::Result<File> {
    match std::fs::remove_file(beside) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let old = target.metadata()?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(beside)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.set_permissions(old.permissions())?;
    Ok(file)
}

impl Change<'_> {
    /// Copies a whole ledger into this empty file. What cannot be copied to the last row is not copied at all.
    fn copy(&self, old: &Snapshot<'_>) -> Result<Outcome> {
        self.copy_table(old, META, |key| key != UNSCRUBBED)?;
        let statements = self.copy_table(old, STATEMENTS, |_| true)?;
        if statements != old.head()?.size {
            return Err(old.damaged("it has not as many statements as its head says"));
        }
        self.copy_table(old, TILES, |_| true)?;
        self.copy_table(old, INDEX, |_| true)?;
        self.copy_table(old, BLOBS, |_| true)?;
        self.copy_table(old, CHUNKS, |_| true)?;
        Ok(Outcome::Done)
    }

    /// Copies the rows that `keep` wants; answers how many there were.
    fn copy_table<K: Key + 'static, V: Value + 'static>(
        &self,
        old: &Snapshot<'_>,
        definition: TableDefinition<'_, K, V>,
        keep: impl Fn(K::SelfType<'_>) -> bool,
    ) -> Result<u64> {
        let from = old.table(definition)?;
        let mut to = self.transaction.open_table(definition).map_err(fault(self.path))?;
        let mut last: Option<Vec<u8>> = None;
        let mut rows = 0_u64;
        for row in from.iter().map_err(fault(old.path))? {
            let (key, value) = row.map_err(fault::<StorageError>(old.path))?;
            let bytes = K::as_bytes(&key.value()).as_ref().to_vec();
            // Pages of a damaged file may form a loop.
            if last.as_ref().is_some_and(|last| K::compare(last, &bytes).is_ge()) {
                return Err(old.damaged("its rows are out of order"));
            }
            last = Some(bytes);
            rows += 1;
            if keep(key.value()) {
                to.insert(key.value(), value.value()).map_err(fault(self.path))?;
            }
        }
        if from.len().map_err(fault(old.path))? != rows {
            return Err(old.damaged("rows of it are gone"));
        }
        Ok(rows)
    }
}
