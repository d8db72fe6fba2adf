//! For tests: the same store over a disk of theirs.

use super::*;
use ::redb::StorageBackend;
use std::sync::Arc;

impl RedbStore {
    /// Makes a ledger and closes it. There is no renaming, so it is complete only when this returns.
    pub(crate) fn create_over(disk: impl StorageBackend, batch: Batch<'_>) -> Result<Outcome> {
        let path = Path::new("disk");
        let db = file::engine().create_with_backend(disk).map_err(fault(path))?;
        write::transact(&db, path, |change| change.found(batch), &AtomicBool::new(false))
    }

    /// Opens a ledger for writing with a cache of `cache` bytes, and says whether it was repaired.
    pub(crate) fn open_over(disk: impl StorageBackend, cache: usize) -> Result<(Self, bool)> {
        let path = Path::new("disk");
        let repaired = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&repaired);
        let mut builder = file::engine();
        builder.set_cache_size(cache).set_repair_callback(move |_| flag.store(true, Ordering::Release));
        let db = contain(|| builder.create_with_backend(disk))
            .map_err(|panic| fault::panicked(path, &panic))?
            .map_err(fault(path))?;
        let store = Self::new(path, Handle::Writer(db));
        store.check_format()?;
        Ok((store, repaired.load(Ordering::Acquire)))
    }
}
