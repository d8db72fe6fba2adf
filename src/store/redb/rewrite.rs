//! Writing the ledger anew into a file beside it, which then takes its place: to scrub, since what was erased leaves
//! free pages behind and copies that the engine no longer knows; and to get rid of pages that are damaged.
//!
//! Stopped anywhere, the ledger is whole: it is the old file until the renaming and the new one after it. What a
//! stop leaves beside it is removed by the next writer. The old file is locked until the end; who waited for it
//! notices that the path names another one.

use super::super::contain::contain;
use super::fault::fault;
use super::*;
use ::redb::{ReadableTable, ReadableTableMetadata, StorageError};

/// A row of the `meta` table that is there while erased bytes may be left in the file.
pub(super) const UNSCRUBBED: &str = "unscrubbed";

/// How much of a ledger is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// What the rest follows from: head, checkpoint, statements and contents, but neither tree nor index.
    Recorded,
}

impl RedbStore {
    /// Makes the ledger one that holds no erased bytes, and goes on with it.
    pub(super) fn rewrite(&mut self) -> Result<()> {
        let new = self.copy_beside(Part::All)?;
        self.put_in_place()?;
        self.forget();
        // From here on the old file has no name, and closing it does not matter.
        let old = self.handle.replace(Handle::Writer(new));
        let _ = contain(|| drop(old));
        self.put.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Rewrites the ledger with all that was recorded, and lets `derive` write tree and index anew. When `derive`
    /// fails, and when anything that was recorded cannot be copied, nothing has changed. With `keep`, the old file
    /// stays beside the new one; the answer says where.
    pub fn renew(
        self,
        keep: bool,
        derive: impl FnOnce(Box<dyn Store>) -> Result<()>,
    ) -> Result<Option<PathBuf>> {
        let new = self.copy_beside(Part::Recorded)?;
        let new = Self::new(&self.path, Arc::clone(&self.place), Handle::Writer(new));
        let cannot = |cause| fault::io(&self.path, cause);
        derive(Box::new(new)).inspect_err(|_| self.discard())?;
        let kept = match keep {
            // Its name is durable before another file has its place.
            true => {
                let kept = self.place.keep().and_then(|kept| self.place.settle().map(|()| kept));
                Some(kept.map_err(cannot).inspect_err(|_| self.discard())?)
            }
            false => None,
        };
        self.put_in_place()?;
        Ok(kept)
    }

    fn copy_beside(&self, part: Part) -> Result<Database> {
        if self.torn.load(Ordering::Acquire) {
            return Err(fault::broken(&self.path));
        }
        let copied = self.guard(|handle| {
            let (Handle::Writer(old) | Handle::Held(old)) = handle else {
                return Err(Error::bug("a ledger opened for reading is written anew"));
            };
            let transaction = old.begin_read().map_err(fault(&self.path))?;
            let old = Snapshot::new(&self.path, transaction, Arc::clone(&self.memo));
            let mut new = self.place.make()?;
            let (memo, unsure) = (Memo::default(), AtomicBool::new(false));
            let outcome =
                write::transact(&new, &self.path, &memo, |change| change.copy(&old, part), &unsure)?;
            debug_assert_eq!(outcome, Outcome::Done);
            // The engine makes a file twice as long when it is full. It does not commit in two phases here, which
            // matters to nobody: this file is no ledger yet.
            new.compact().map_err(fault(&self.path))?;
            Ok(new)
        });
        copied.inspect_err(|_| self.discard())
    }

    /// Puts the new file in the place of the old one. When that fails it may have happened all the same, or the next
    /// power cut undoes it: through neither file anything is written any more then.
    fn put_in_place(&self) -> Result<()> {
        self.place.replace().and_then(|()| self.place.settle()).map_err(|cause| {
            self.unsure.store(true, Ordering::Release);
            self.discard();
            fault::io(&self.path, cause)
        })
    }

    /// Removes what is beside the ledger file; if that fails, the next writer tries again.
    pub(super) fn discard(&self) {
        let _ = self.place.clear();
    }

    pub(super) fn is_unscrubbed(&self) -> Result<bool> {
        self.read(|snapshot| Ok(snapshot.meta(UNSCRUBBED)?.is_some()))
    }
}

impl Change<'_> {
    /// Copies a ledger into this empty file. What cannot be copied to the last row is not copied at all.
    fn copy(&self, old: &Snapshot, part: Part) -> Result<Outcome> {
        self.copy_table(old, META, |key| key != UNSCRUBBED)?;
        let statements = self.copy_table(old, STATEMENTS, |_| true)?;
        if statements != old.head()?.size {
            return Err(old.damaged("it has not as many statements as its head says"));
        }
        let mut recent = old.recent()?.clone();
        match part {
            Part::All => {
                self.copy_table(old, TILES, |_| true)?;
                self.copy_table(old, INDEX, |_| true)?;
                self.copy_table(old, POINTERS, |_| true)?;
            }
            Part::Recorded => recent.keep_contents(),
        }
        self.copy_table(old, CONTENTS, |_| true)?;
        self.copy_table(old, CHUNKS, |_| true)?;
        self.copy_table(old, FRAMES, |_| true)?;
        self.sort_in(&recent)?;
        Ok(Outcome::Done)
    }

    /// Copies the rows that `keep` wants; answers how many there were.
    fn copy_table<K: Key + 'static, V: Value + 'static>(
        &self,
        old: &Snapshot,
        definition: TableDefinition<'_, K, V>,
        keep: fn(K::SelfType<'_>) -> bool,
    ) -> Result<u64> {
        let (from, mut to) = (old.table(definition)?, self.table(definition)?);
        let mut last: Option<Vec<u8>> = None;
        let mut rows = 0_u64;
        for row in from.iter().map_err(fault(&old.path))? {
            let (key, value) = row.map_err(fault::<StorageError>(&old.path))?;
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
        if from.len().map_err(fault(&old.path))? != rows {
            return Err(old.damaged("rows of it are gone"));
        }
        Ok(rows)
    }
}
