use super::super::super::NewBlob;
use super::super::super::contract::{batch, dump};
use super::*;
use crate::error::Kind;
use ::redb::ReadableTableMetadata;
use proptest::prelude::*;
use std::time::Duration;

fn open(path: &Path) -> RedbStore {
    RedbStore::open(path, Access::Write, Duration::ZERO, &mut |_| {}).unwrap()
}

/// A ledger with one statement.
fn ledger(folder: &Path) -> PathBuf {
    let path = folder.join("ledger.redb");
    assert_eq!(RedbStore::create(&path, small(0, b"genesis")).unwrap(), Outcome::Done);
    path
}

/// A batch of one statement, one row and one small content.
fn small(expect: u64, text: &'static [u8]) -> Batch<'static> {
    let mut next = batch(expect, &[text]);
    next.index = vec![(text.to_vec(), Some(b"row".to_vec()))];
    let (address, size) = (*blake3::hash(text).as_bytes(), text.len() as u64);
    next.blobs = vec![NewBlob { address, size, base: None, source: Box::new(text) }];
    next
}

fn waiting(store: &RedbStore) -> u64 {
    store.read(|snapshot| Ok(snapshot.table(RECENT)?.len().unwrap())).unwrap()
}

#[test]
fn commits_wait_until_there_is_much_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = ledger(folder.path());
    let (mut most, mut sorted) = (0, 0);
    for n in 1..200 {
        let store = open(&path);
        let before = waiting(&store);
        assert_eq!(store.commit(small(n, format!("number {n}").leak().as_bytes())).unwrap(), Outcome::Done);
        let after = waiting(&store);
        assert!(after == before + 1 || after == 0, "{before} {after}");
        (most, sorted) = (most.max(after), sorted + u64::from(after == 0));
    }
    assert!(most > 10 && sorted > 3, "{most} {sorted}");
    let content = dump(&open(&path)).unwrap();
    assert_eq!((content.statements.len(), content.index.len(), content.blobs.len()), (200, 200, 200));
}

#[test]
fn what_was_not_stored_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&ledger(folder.path()));
    assert_eq!(store.commit(small(1, b"first")).unwrap(), Outcome::Done);
    let before = dump(&store).unwrap();
    let mut bad = small(2, b"second");
    let (address, source) = ([7; 32], Box::new(&b"other"[..]));
    bad.blobs.push(NewBlob { address, size: 5, base: None, source });
    assert_eq!(store.commit(bad).unwrap_err().kind(), Kind::Failed);
    assert_eq!(dump(&store).unwrap(), before);
    assert_eq!(store.commit(small(2, b"another")).unwrap(), Outcome::Done);
    assert_eq!(store.index_get(b"second").unwrap(), None);
    assert_eq!(store.index_get(b"another").unwrap().as_deref(), Some(&b"row"[..]));
}

#[test]
fn an_erased_content_waits_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&ledger(folder.path()));
    assert_eq!(store.commit(small(1, b"first")).unwrap(), Outcome::Done);
    assert_eq!(waiting(&store), 2);
    let mut next = batch(2, &[b"second"]);
    next.erase = vec![*blake3::hash(b"first").as_bytes()];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    assert_eq!(waiting(&store), 0);
    assert_eq!(store.blob_state(blake3::hash(b"first").as_bytes()).unwrap(), BlobState::Erased);
}

#[test]
fn a_row_that_makes_no_sense_is_damage_and_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = ledger(folder.path());
    assert_eq!(open(&path).commit(small(1, b"first")).unwrap(), Outcome::Done);
    let database = Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    let row = {
        let mut table = write.open_table(RECENT).unwrap();
        let row = table.last().unwrap().unwrap().1.value().to_vec();
        table.insert(1, &row[..row.len() - 1]).unwrap();
        row
    };
    write.commit().unwrap();
    drop(database);
    let store = open(&path);
    assert_eq!(store.statement(1).unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(store.index_get(b"first").unwrap_err().kind(), Kind::Integrity);
    assert_eq!(store.commit(small(2, b"second")).unwrap_err().kind(), Kind::Integrity);
    let (address, from, length) = contents(&row).next().unwrap();
    assert_eq!((address, &row[from..from + length]), (*blake3::hash(b"first").as_bytes(), &b"first"[..]));
}

#[test]
fn a_content_that_waits_is_found_in_a_file_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = ledger(folder.path());
    assert_eq!(open(&path).commit(small(1, b"first")).unwrap(), Outcome::Done);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..4096].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let carved = Carved::read(&path, &|_| None, &mut |_| {}).unwrap();
    let mut found = Vec::new();
    let address = *blake3::hash(b"first").as_bytes();
    let mut sink = |piece: &[u8]| {
        found.extend_from_slice(piece);
        Ok(())
    };
    assert!(carved.blob(&address, &mut sink).unwrap());
    assert_eq!(found, b"first");
}

proptest! {
    #[test]
    fn what_is_put_into_a_row_is_read_from_it(
        pieces in prop::collection::btree_map(any::<u64>(), any::<Vec<u8>>(), 0..4),
        index in prop::collection::btree_map(any::<Vec<u8>>(), any::<Option<Vec<u8>>>(), 0..4),
        contents in prop::collection::btree_map(any::<Hash>(), any::<Vec<u8>>(), 0..4),
        cut: prop::sample::Index,
    ) {
        let mut row = Row::default();
        pieces.iter().for_each(|(key, piece)| row.piece(*key, piece));
        index.iter().for_each(|(key, value)| row.index(key, value.as_deref()));
        contents.iter().for_each(|(address, content)| row.content(address, content));
        let mut recent = Recent::default();
        prop_assert_eq!(recent.add(3, &row.0), Some(()));
        prop_assert_eq!((&recent.pieces, &recent.index, &recent.contents), (&pieces, &index, &contents));
        prop_assert_eq!(recent.add(3, &[]), None, "not above the others");
        let found = super::contents(&row.0).map(|(address, from, length)| (address, row.0[from..from + length].to_vec()));
        prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), contents);
        // No part of it is taken for something else.
        let part = &row.0[..cut.index(row.0.len() + 1)];
        if let Some(()) = Recent::default().add(0, part) {
            let mut whole = Row::default();
            let mut at = 0;
            while let Some(item) = Item::read(part, &mut at) {
                whole.push(item.kind, item.key, item.value);
            }
            prop_assert_eq!(&whole.0, part);
        }
    }

    #[test]
    fn any_bytes_may_be_in_a_row(row: Vec<u8>) {
        let _ = Recent::default().add(0, &row);
        prop_assert!(contents(&row).all(|(_, from, length)| row.len() >= from + length));
    }
}
