//! For tests: the same store over a disk of theirs.

use super::*;
use crate::store::disk::{Disk, LEDGER};
use std::io;

const BESIDE: &str = "beside";
const KEPT: &str = "kept";

impl Place for Disk {
    fn make(&self) -> Result<Database> {
        let io = |cause| fault::io(Path::new(BESIDE), cause);
        match self.remove(BESIDE) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(io(cause)),
            _ => {}
        }
        let file = Disk::make(self, BESIDE).map_err(io)?;
        file::engine().create_with_backend(file).map_err(fault(Path::new(BESIDE)))
    }

    fn length(&self) -> io::Result<u64> {
        use ::redb::StorageBackend as _;
        self.reopened().len()
    }

    fn keep(&self) -> io::Result<PathBuf> {
        self.link(LEDGER, KEPT).map(|()| KEPT.into())
    }

    fn replace(&self) -> io::Result<()> {
        use ::redb::StorageBackend as _;
        self.named(BESIDE).ok_or(io::ErrorKind::NotFound)?.sync_data()?;
        self.rename(BESIDE, LEDGER)
    }

    fn settle(&self) -> io::Result<()> {
        self.sync_names()
    }

    fn clear(&self) -> io::Result<()> {
        self.remove(BESIDE)
    }
}

impl RedbStore {
    /// Makes a ledger and closes it. There is no renaming, so it is complete only when this returns.
    pub(crate) fn create_over(disk: Disk, batch: Batch<'_>) -> Result<Outcome> {
        let path = Path::new("disk");
        let db = file::engine().create_with_backend(disk).map_err(fault(path))?;
        write::transact(&db, path, &Memo::default(), |change| change.found(batch), &AtomicBool::new(false))
    }

    /// Opens a ledger for writing with a cache of `cache` bytes, and says whether it was repaired.
    pub(crate) fn open_over(disk: Disk, cache: usize) -> Result<(Self, bool)> {
        let path = Path::new("disk");
        let repaired = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&repaired);
        let mut builder = file::engine();
        builder.set_cache_size(cache).set_repair_callback(move |_| flag.store(true, Ordering::Release));
        let db = contain(|| builder.create_with_backend(disk.clone()))
            .map_err(|panic| fault::panicked(path, &panic))?
            .map_err(fault(path))?;
        let store = Self::new(path, Arc::new(disk), Handle::Writer(db));
        store.check_format()?;
        store.settle()?;
        Ok((store, repaired.load(Ordering::Acquire)))
    }
}
