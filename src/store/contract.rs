//! What every store must do, as one suite over every backend.

mod bases;
mod blobs;
mod random;

use super::*;
use crate::error::{Error, Kind};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A batch of statements alone, with a made-up root and checkpoint.
pub(crate) fn batch<'a>(expect: u64, statements: &[&[u8]]) -> Batch<'a> {
    let statements: Vec<Vec<u8>> = statements.iter().map(|s| s.to_vec()).collect();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&expect.to_le_bytes());
    for statement in &statements {
        hasher.update(statement);
    }
    let root = *hasher.finalize().as_bytes();
    Batch { expect, statements, root, checkpoint: format!("after {expect}").into_bytes(), ..Batch::default() }
}

/// The empty batch that fits on top of `store`.
fn more<'a>(store: &dyn Store) -> Batch<'a> {
    let head = store.head().unwrap().unwrap();
    Batch { expect: head.size, root: head.root, checkpoint: b"again".to_vec(), ..Batch::default() }
}

fn address(content: &[u8]) -> Hash {
    *blake3::hash(content).as_bytes()
}

fn blob(content: &[u8]) -> NewBlob<'_> {
    NewBlob { address: address(content), size: content.len() as u64, base: None, source: Box::new(content) }
}

/// A blob that must not be read.
fn untouchable<'a>(address: Hash, size: u64) -> NewBlob<'a> {
    struct Untouchable;
    impl Read for Untouchable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the source was read")
        }
    }
    NewBlob { address, size, base: None, source: Box::new(Untouchable) }
}

fn bytes_of(store: &dyn Store, address: &Hash) -> (BlobState, Vec<u8>) {
    let mut bytes = Vec::new();
    let state = store.read_blob(address, &mut |piece| {
        assert!(!piece.is_empty() && piece.len() <= 1 << 20);
        bytes.extend_from_slice(piece);
        Ok(())
    });
    (state.unwrap(), bytes)
}

fn rows(store: &dyn Store, prefix: &[u8], reverse: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let visited = store.index_scan(prefix, reverse, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        Ok(true)
    });
    visited.unwrap();
    rows
}

fn statements(store: &dyn Store, range: std::ops::Range<u64>) -> Vec<(u64, Vec<u8>)> {
    let mut seen = Vec::new();
    let visited = store.scan(range, &mut |index, statement| {
        seen.push((index, statement.to_vec()));
        Ok(true)
    });
    visited.unwrap();
    seen
}

/// Everything that can be read through the trait, with the tiles of the first four places of three levels.
pub(crate) fn dump(store: &dyn Store) -> Result<Content> {
    let mut content = Content { head: store.head()?, ..Content::default() };
    content.checkpoint = store.checkpoint()?.unwrap_or_default();
    store.scan(0..u64::MAX, &mut |index, statement| {
        content.statements.insert(index, statement.to_vec());
        Ok(true)
    })?;
    for id in (0..3).flat_map(|level| (0..4).map(move |index| TileId { level, index })) {
        content.tiles.extend(store.tile(id)?.map(|hashes| (id, hashes)));
    }
    store.index_scan(b"", false, &mut |key, value| {
        content.index.insert(key.to_vec(), value.to_vec());
        Ok(true)
    })?;
    let mut known = Vec::new();
    store.blobs(&mut |address, state| {
        known.push((address, state));
        Ok(true)
    })?;
    for (address, state) in known {
        let mut bytes = Vec::new();
        let read = store.read_blob(&address, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        assert_eq!(read, state);
        assert_eq!(store.blob_state(&address)?, state);
        content.blobs.insert(address, (state != BlobState::Erased).then_some(bytes));
    }
    Ok(content)
}

/// The suite. `make` returns a new store that holds the given first batch; `piece` is the size in which the
/// store cuts blobs, if it does.
pub(crate) fn check(make: &dyn Fn(Batch<'_>) -> Box<dyn Store>, piece: usize) {
    let fresh = || make(batch(0, &[b"genesis"]));
    head_and_conflict(fresh().as_ref());
    statements_and_scans(fresh().as_ref());
    tiles(fresh().as_ref());
    index(fresh().as_ref());
    index_replacement(fresh().as_ref());
    blobs::blob_sizes(fresh().as_ref(), piece);
    blobs::sources_are_read_one_after_the_other(fresh().as_ref());
    blobs::bad_blobs_spoil_the_batch(fresh().as_ref());
    blobs::erasure(fresh().as_ref());
    blobs::scrubbing(fresh().as_mut());
    bases::long_histories(fresh().as_mut());
    bases::bad_hints(fresh().as_ref());
    batches_without_statements(fresh().as_ref());
    malformed_batches(fresh().as_ref());
    visitors_decide(fresh().as_ref());
    one_of_many_wins(fresh().as_ref());
    readers_see_one_moment(fresh().as_ref());
    random::batches(make);
    bases::trees(make);
}

/// For stores that can be empty.
pub(crate) fn check_empty(store: &dyn Store) {
    assert_eq!(store.head().unwrap(), None);
    assert_eq!(store.checkpoint().unwrap(), None);
    assert_eq!(store.statement(0).unwrap(), None);
    assert_eq!(dump(store).unwrap(), Content::default());
    assert_eq!(store.commit(batch(1, &[b"x"])).unwrap(), Outcome::Conflict(None));
    assert_eq!(store.commit(batch(0, &[])).unwrap_err().kind(), Kind::Bug);
    assert_eq!(dump(store).unwrap(), Content::default());
    assert_eq!(store.commit(batch(0, &[b"x"])).unwrap(), Outcome::Done);
    assert_eq!(store.head().unwrap().map(|head| head.size), Some(1));
}

fn head_and_conflict(store: &dyn Store) {
    let first = batch(0, &[b"genesis"]);
    let head = Head { size: 1, root: first.root };
    assert_eq!(store.head().unwrap(), Some(head));
    assert_eq!(store.checkpoint().unwrap().as_deref(), Some(&b"after 0"[..]));
    // The same batch again, one from the future, one from the past: a value, and nothing changes.
    let before = dump(store).unwrap();
    for expect in [0, 2, u64::MAX] {
        let mut stale = batch(expect, &[b"other"]);
        stale.index = vec![(b"k".to_vec(), Some(b"v".to_vec()))];
        stale.blobs = vec![untouchable([9; 32], 4)];
        assert_eq!(store.commit(stale).unwrap(), Outcome::Conflict(Some(head)), "{expect}");
    }
    assert_eq!(dump(store).unwrap(), before);

    assert_eq!(store.commit(batch(1, &[b"a", b"b"])).unwrap(), Outcome::Done);
    let now = Head { size: 3, root: batch(1, &[b"a", b"b"]).root };
    assert_eq!(store.head().unwrap(), Some(now));
    assert_eq!(store.checkpoint().unwrap().as_deref(), Some(&b"after 1"[..]));
    assert_eq!(store.commit(batch(1, &[b"a", b"b"])).unwrap(), Outcome::Conflict(Some(now)));
}

fn statements_and_scans(store: &dyn Store) {
    let large = vec![7_u8; 65_535];
    assert_eq!(store.commit(batch(1, &[b"", b"two", &large, b"four"])).unwrap(), Outcome::Done);
    let all: Vec<(u64, Vec<u8>)> =
        (0..).zip([b"genesis".to_vec(), vec![], b"two".to_vec(), large, b"four".to_vec()]).collect();
    for (index, statement) in &all {
        assert_eq!(store.statement(*index).unwrap().as_ref(), Some(statement));
    }
    for index in [5, 6, u64::MAX] {
        assert_eq!(store.statement(index).unwrap(), None);
    }
    for (start, end) in [(0, 5), (0, u64::MAX), (1, 3), (4, 5), (2, 2), (0, 0)] {
        let expected: Vec<_> = all.iter().filter(|(i, _)| (start..end).contains(i)).cloned().collect();
        assert_eq!(statements(store, start..end), expected, "{start}..{end}");
    }
    for (start, end) in [(5, 9), (u64::MAX, u64::MAX), (4, 1), (u64::MAX, 0)] {
        assert_eq!(statements(store, start..end), [], "{start}..{end}");
    }
}

fn tiles(store: &dyn Store) {
    let partial = TileId { level: 0, index: 0 };
    let far = TileId { level: 7, index: (1 << 48) - 1 };
    let mut next = batch(1, &[b"a"]);
    next.tiles = vec![(partial, vec![1; 32]), (far, vec![2; 256 * 32])];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    let mut next = batch(2, &[b"b"]);
    next.tiles = vec![(partial, vec![3; 64])];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    assert_eq!(store.tile(partial).unwrap(), Some(vec![3; 64]));
    assert_eq!(store.tile(far).unwrap(), Some(vec![2; 256 * 32]));
    for (level, index) in [(1, 0), (0, 1), (255, 0), (7, 1 << 48), (0, u64::MAX)] {
        let id = TileId { level, index };
        assert_eq!(store.tile(id).unwrap(), None);
    }
}

fn index(store: &dyn Store) {
    let keys: [&[u8]; 12] = [
        b"",
        b"a",
        b"a\0",
        b"a\xff",
        b"a\xff\xff",
        b"b",
        b"\x7f",
        b"\x7f\xff",
        b"\x7f\xff\0",
        b"\x80pointer-00001",
        b"\x80pointer-00002",
        &[0xff; POINTER],
    ];
    let value = |key: &[u8]| if key.len() == POINTER { Vec::new() } else { [b"=", key].concat() };
    let mut next = batch(1, &[b"a"]);
    next.index = keys.iter().map(|key| (key.to_vec(), Some(value(key)))).collect();
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    for key in keys {
        assert_eq!(store.index_get(key).unwrap(), Some(value(key)));
    }
    for none in [&b"none"[..], b"\x80pointer-00003", b"\x80pointer", b"\x80pointer-00001-"] {
        assert_eq!(store.index_get(none).unwrap(), None);
    }
    let prefixes: [&[u8]; 15] = [
        b"",
        b"a",
        b"a\0",
        b"a\xff",
        b"b",
        b"c",
        b"\x7f",
        b"\x7f\xff",
        b"\x7f\xff\xff",
        b"\xfe",
        b"\x80",
        b"\x80pointer-00002",
        b"\x80pointer-00002-",
        b"\xff",
        &[0xff; POINTER],
    ];
    for prefix in prefixes {
        let mut expected: Vec<_> =
            keys.iter().filter(|key| key.starts_with(prefix)).map(|key| (key.to_vec(), value(key))).collect();
        expected.sort();
        assert_eq!(rows(store, prefix, false), expected, "{prefix:?}");
        expected.reverse();
        assert_eq!(rows(store, prefix, true), expected, "{prefix:?} reversed");
    }
    // Put over, delete, delete what is not there; the last word on a key counts.
    let mut next = batch(2, &[b"b"]);
    next.index = vec![
        (b"a".to_vec(), Some(b"new".to_vec())),
        (b"b".to_vec(), None),
        (b"never".to_vec(), None),
        (b"twice".to_vec(), Some(b"1".to_vec())),
        (b"twice".to_vec(), None),
        (b"back".to_vec(), None),
        (b"back".to_vec(), Some(vec![])),
        (b"\x80pointer-00001".to_vec(), None),
        (b"\x80pointer-00002".to_vec(), Some(vec![])),
    ];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    assert_eq!(store.index_get(b"a").unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(store.index_get(b"back").unwrap(), Some(vec![]));
    assert_eq!(rows(store, b"\x80", false), [(b"\x80pointer-00002".to_vec(), vec![])]);
    for key in [&b"b"[..], b"never", b"twice"] {
        assert_eq!(store.index_get(key).unwrap(), None);
    }
}

fn index_replacement(store: &dyn Store) {
    let row = |key: &[u8]| (key.to_vec(), b"v".to_vec());
    let mut next = batch(1, &[b"a"]);
    next.index = vec![(b"old".to_vec(), Some(b"v".to_vec()))];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);

    let mut broken = vec![Ok(row(b"new")), Err(Error::failed("stop"))].into_iter();
    assert_eq!(store.replace_index(&mut broken).unwrap_err().to_string(), "stop");
    assert_eq!(rows(store, b"", false), [row(b"old")]);

    let pointer = || (vec![0x90; POINTER], Vec::new());
    store.replace_index(&mut vec![Ok(row(b"z")), Ok(pointer()), Ok(row(b"y"))].into_iter()).unwrap();
    assert_eq!(rows(store, b"", false), [row(b"y"), row(b"z"), pointer()]);
    assert_eq!(rows(store, b"", true), [pointer(), row(b"z"), row(b"y")]);
    for bad in [(vec![0x90; POINTER - 1], vec![]), (vec![0x90; POINTER], vec![1]), (vec![0x80], vec![])] {
        let refused = store.replace_index(&mut [Ok(bad.clone())].into_iter());
        assert_eq!(refused.unwrap_err().kind(), Kind::Bug);
        let mut next = batch(2, &[b"b"]);
        next.index = vec![(bad.0, Some(bad.1))];
        assert_eq!(store.commit(next).unwrap_err().kind(), Kind::Bug);
    }
    assert_eq!(rows(store, b"", false), [row(b"y"), row(b"z"), pointer()]);
    assert_eq!(statements(store, 0..9).len(), 2);

    store.replace_index(&mut std::iter::empty()).unwrap();
    assert_eq!(rows(store, b"", false), []);
    assert_eq!(store.index_get(b"y").unwrap(), None);
}

fn batches_without_statements(store: &dyn Store) {
    for _ in 0..2 {
        let mut next = more(store);
        next.blobs = vec![blob(b"found again")];
        next.index = vec![(b"k".to_vec(), Some(b"v".to_vec()))];
        assert_eq!(store.commit(next).unwrap(), Outcome::Done);
        assert_eq!(store.head().unwrap().unwrap().size, 1);
        assert_eq!(store.checkpoint().unwrap().as_deref(), Some(&b"again"[..]));
    }
    let other_root = Batch { root: [9; 32], ..more(store) };
    assert_eq!(store.commit(other_root).unwrap_err().kind(), Kind::Bug);
    let stale = Batch { expect: 0, ..more(store) };
    assert!(matches!(store.commit(stale).unwrap(), Outcome::Conflict(Some(_))));
}

fn malformed_batches(store: &dyn Store) {
    let before = dump(store).unwrap();
    for size in [0, 1, 31, 33, 257 * 32] {
        let mut next = batch(1, &[b"a"]);
        next.tiles = vec![(TileId { level: 0, index: 0 }, vec![0; size])];
        assert_eq!(store.commit(next).unwrap_err().kind(), Kind::Bug, "{size}");
    }
    assert_eq!(dump(store).unwrap(), before);
}

fn visitors_decide(store: &dyn Store) {
    let mut next = batch(1, &[b"a", b"b"]);
    next.index = vec![(b"1".to_vec(), Some(vec![])), (b"2".to_vec(), Some(vec![]))];
    next.blobs = vec![blob(b"x"), blob(b"y")];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    for stop in [Ok(false), Err("enough")] {
        let mut calls = 0;
        let mut answer = || {
            calls += 1;
            stop.map_err(Error::failed)
        };
        let results = [
            store.scan(0..3, &mut |_, _| answer()),
            store.index_scan(b"", false, &mut |_, _| answer()),
            store.index_scan(b"", true, &mut |_, _| answer()),
            store.blobs(&mut |_, _| answer()),
        ];
        for result in results {
            assert_eq!(result.err().map(|e| e.to_string()), stop.err().map(str::to_owned));
        }
        assert_eq!(calls, 4);
    }
    let error = store.read_blob(&address(b"x"), &mut |_| Err(Error::failed("enough"))).unwrap_err();
    assert_eq!(error.to_string(), "enough");
    // A visitor's own panic is not the store's, and the store goes on.
    let panicking = std::panic::AssertUnwindSafe(|| store.scan(0..1, &mut |_, _| panic!("mine")));
    let payload = std::panic::catch_unwind(panicking).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"mine"));
    assert_eq!(store.commit(batch(3, &[b"c"])).unwrap(), Outcome::Done);
}

fn one_of_many_wins(store: &dyn Store) {
    const ROUNDS: u64 = 20;
    let wins = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let wins = &wins;
            scope.spawn(move || {
                for size in 1..=ROUNDS {
                    let statement = [thread, size as u8];
                    let mut next = batch(size, &[&statement]);
                    next.index = vec![(statement.to_vec(), Some(vec![]))];
                    match store.commit(next).unwrap() {
                        Outcome::Done => drop(wins.fetch_add(1, Ordering::Relaxed)),
                        Outcome::Conflict(head) => assert!(head.unwrap().size > size),
                    }
                }
            });
        }
    });
    assert_eq!(wins.load(Ordering::Relaxed) as u64, ROUNDS);
    // What the winners wrote, and nothing of the losers, is there.
    let mut winners: Vec<Vec<u8>> =
        statements(store, 1..99).into_iter().map(|(_, statement)| statement).collect();
    assert_eq!(winners.len() as u64, ROUNDS);
    winners.sort();
    assert_eq!(rows(store, b"", false).into_iter().map(|(key, _)| key).collect::<Vec<_>>(), winners);
}

fn readers_see_one_moment(store: &dyn Store) {
    assert_eq!(store.commit(batch(1, &[b"a"])).unwrap(), Outcome::Done);
    let mut seen = 0;
    let scanned = store.scan(0..u64::MAX, &mut |_, _| {
        seen += 1;
        let size = store.head()?.unwrap().size;
        assert_eq!(store.commit(batch(size, &[b"meanwhile"]))?, Outcome::Done);
        Ok(true)
    });
    scanned.unwrap();
    assert_eq!(seen, 2);
    assert_eq!(store.head().unwrap().unwrap().size, 4);
}
