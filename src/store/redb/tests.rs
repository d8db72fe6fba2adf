use super::super::contract::{self, batch};
use super::*;
use std::cell::Cell;
use std::time::Duration;

fn open(path: &Path, access: Access) -> Result<RedbStore> {
    RedbStore::open(path, access, Duration::ZERO, &mut |_| {})
}

/// A closed ledger with some of everything.
fn ledger(folder: &Path) -> PathBuf {
    let path = folder.join("ledger.redb");
    assert_eq!(RedbStore::create(&path, batch(0, &[b"genesis"])).unwrap(), Outcome::Done);
    path
}

#[test]
fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let count = Cell::new(0);
    let make = |first: Batch<'_>| -> Box<dyn Store> {
        count.set(count.get() + 1);
        let path = folder.path().join(format!("{}.redb", count.get()));
        assert_eq!(RedbStore::create(&path, first).unwrap(), Outcome::Done);
        Box::new(open(&path, Access::Write).unwrap())
    };
    contract::check(&make, CHUNK);
}
