//! What becomes of blobs.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) fn blob_sizes(store: &dyn Store, piece: usize) {
    let sizes = [0, 1, piece - 1, piece, piece + 1, 2 * piece, 5 * piece + 17];
    // Contents differ from their first byte, so that pieces put under a wrong address show.
    let contents: Vec<Vec<u8>> =
        (1_u8..).zip(sizes).map(|(n, size)| (0..size).map(|i| (i / 251) as u8 ^ n).collect()).collect();
    for (expect, content) in (1..).zip(&contents) {
        assert_eq!(bytes_of(store, &address(content)), (BlobState::Missing, vec![]));
        let mut next = batch(expect, &[b"s"]);
        // Twice in one batch is once.
        next.blobs = vec![blob(content), untouchable(address(content), content.len() as u64)];
        assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    }
    for content in &contents {
        let state = BlobState::Present(content.len() as u64);
        assert_eq!(store.blob_state(&address(content)).unwrap(), state);
        let (read, bytes) = bytes_of(store, &address(content));
        assert!(read == state && bytes == *content, "{} bytes", content.len());
    }
    let mut next = more(store);
    next.blobs = contents.iter().map(|c| untouchable(address(c), c.len() as u64)).collect();
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);

    let mut seen = Vec::new();
    store
        .blobs(&mut |address, state| {
            seen.push((address, state));
            Ok(true)
        })
        .unwrap();
    let mut expected: Vec<_> =
        contents.iter().map(|c| (address(c), BlobState::Present(c.len() as u64))).collect();
    expected.sort_by_key(|(address, _)| *address);
    assert_eq!(seen, expected);
}

/// A source that is read once, to its end, and not before those in front of it: who gives many files need
/// not have them open all at once.
struct InTurn<'a> {
    content: &'a [u8],
    place: usize,
    turn: &'a AtomicUsize,
}

impl Read for InTurn<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(
            (self.place..=self.place + 1).contains(&self.turn.load(Ordering::Relaxed)),
            "source {} out of turn",
            self.place
        );
        let read = self.content.read(buffer)?;
        if read == 0 {
            self.turn.store(self.place + 1, Ordering::Relaxed);
        }
        Ok(read)
    }
}

pub(super) fn sources_are_read_one_after_the_other(store: &dyn Store) {
    let turn = AtomicUsize::new(0);
    let contents: Vec<Vec<u8>> = (0..300_u32).map(|n| n.to_be_bytes().repeat(n as usize)).collect();
    let mut next = more(store);
    for (place, content) in contents.iter().enumerate() {
        let source = Box::new(InTurn { content, place, turn: &turn });
        next.blobs.push(NewBlob {
            address: address(content),
            size: content.len() as u64,
            base: None,
            source,
        });
    }
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    assert_eq!(turn.into_inner(), contents.len());
    assert!(contents.iter().all(|content| bytes_of(store, &address(content)).1 == *content));
}

/// A source that fails in the midst.
struct Torn(usize);

impl Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0 {
            0 => Err(io::Error::other("the cable is out")),
            left => {
                let n = left.min(buffer.len());
                buffer[..n].fill(1);
                self.0 -= n;
                Ok(n)
            }
        }
    }
}

pub(super) fn bad_blobs_spoil_the_batch(store: &dyn Store) {
    let good = vec![5_u8; 200_000];
    let here = b"here";
    let mut next = more(store);
    next.blobs = vec![blob(here)];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    let before = dump(store).unwrap();

    let with = |address: Hash, size: u64, source: Box<dyn Read + Send>| NewBlob {
        address,
        size,
        base: None,
        source,
    };
    let size = good.len() as u64;
    let source = || Box::new(io::Cursor::new(good.clone()));
    let cases: Vec<(&str, NewBlob<'_>, &str)> = vec![
        ("too short", with(address(&good), size + 1, source()), "changed while it was read"),
        ("too long", with(address(&good), size - 1, source()), "changed while it was read"),
        ("endless", with(address(&good), size, Box::new(io::repeat(5))), "changed while it was read"),
        ("empty", with(address(&good), size, Box::new(io::empty())), "changed while it was read"),
        ("not empty", with(address(b""), 0, source()), "changed while it was read"),
        ("other bytes", with(address(b"other"), size, source()), "changed while it was read"),
        ("unreadable", with(address(&good), size, Box::new(Torn(100_000))), "the cable is out"),
        ("here with another size", with(address(here), 9, source()), "stored with 4 bytes, not with 9"),
    ];
    for (case, bad, message) in cases {
        let mut next = batch(1, &[b"spoiled"]);
        next.tiles = vec![(TileId { level: 0, index: 0 }, vec![1; 32])];
        next.index = vec![(b"k".to_vec(), Some(b"v".to_vec()))];
        next.erase = vec![[3; 32]];
        let name = hex::encode(bad.address);
        next.blobs = vec![blob(b"innocent"), bad, blob(b"after")];
        let error = store.commit(next).unwrap_err();
        assert_eq!(error.kind(), Kind::Failed, "{case}");
        assert!(error.to_string().contains(message), "{case}: {error}");
        assert!(error.to_string().contains(&name), "{case}: {error}");
        assert_eq!(dump(store).unwrap(), before, "{case}");
    }
    // The store is none the worse for it.
    assert_eq!(store.commit(batch(1, &[b"fine"])).unwrap(), Outcome::Done);
}

pub(super) fn erasure(store: &dyn Store) {
    let (gone, kept) = (vec![1_u8; 150_000], vec![2_u8; 150_000]);
    let mut next = batch(1, &[b"a"]);
    next.blobs = vec![blob(&gone), blob(&kept)];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    let mut next = batch(2, &[b"b"]);
    // Erasing what was never here keeps it out for ever; erasing twice is erasing once.
    next.erase = vec![address(&gone), address(b"never here"), address(&gone)];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    for address in [address(&gone), address(b"never here")] {
        assert_eq!(store.blob_state(&address).unwrap(), BlobState::Erased);
        assert_eq!(bytes_of(store, &address), (BlobState::Erased, vec![]));
    }
    assert!(bytes_of(store, &address(&kept)).1 == kept);

    let before = dump(store).unwrap();
    for content in [&gone[..], b"never here"] {
        let mut next = batch(3, &[b"c"]);
        next.blobs = vec![blob(b"innocent"), blob(content)];
        let error = store.commit(next).unwrap_err();
        assert_eq!(error.kind(), Kind::Failed);
        assert!(error.to_string().contains(&hex::encode(address(content))), "{error}");
    }
    let mut next = batch(3, &[b"c"]);
    (next.blobs, next.erase) = (vec![blob(b"at once")], vec![address(b"at once")]);
    store.commit(next).unwrap_err();
    assert_eq!(dump(store).unwrap(), before);

    let mut next = batch(3, &[b"c"]);
    next.erase = vec![address(&gone)];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    assert_eq!(store.blob_state(&address(&gone)).unwrap(), BlobState::Erased);
}

/// A scrub changes nothing that can be read, may be repeated, and the store goes on after it.
pub(super) fn scrubbing(store: &mut dyn Store) {
    let (gone, kept) = (vec![3_u8; 150_000], vec![4_u8; 150_000]);
    let mut next = batch(1, &[b"a", b""]);
    next.blobs = vec![blob(&gone), blob(&kept), blob(b"")];
    next.tiles = vec![(TileId { level: 0, index: 0 }, vec![1; 96])];
    next.index = vec![(b"k".to_vec(), Some(b"v".to_vec())), (b"".to_vec(), Some(vec![]))];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    assert!(!store.unscrubbed().unwrap());
    let mut next = batch(3, &[b"b"]);
    next.erase = vec![address(&gone)];
    assert_eq!(store.commit(next).unwrap(), Outcome::Done);
    let before = dump(store).unwrap();
    for _ in 0..2 {
        store.scrub().unwrap();
        assert!(!store.unscrubbed().unwrap());
        assert_eq!(dump(store).unwrap(), before);
    }
    let mut next = batch(4, &[b"c"]);
    next.blobs = vec![blob(&gone)];
    store.commit(next).unwrap_err();
    assert_eq!(store.commit(batch(4, &[b"d"])).unwrap(), Outcome::Done);
}
