//! A damaged ledger file gives data or an error: never a panic, an abort or an endless loop. That the data is
//! right is for whoever re-hashes it; a store is not trusted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

use promptos::error::{Kind, Result};
use promptos::store::{Access, Batch, NewBlob, Outcome, RedbStore, Store, TileId};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

const PAGE: usize = 4096;

/// Far more than one case takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A small sequence of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

fn address(content: &[u8]) -> [u8; 32] {
    *blake3::hash(content).as_bytes()
}

/// A closed ledger whose tables have several pages each.
fn ledger(path: &Path) -> Vec<u8> {
    let contents: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n; 400 + 3_700 * usize::from(n)]).collect();
    for round in 0..4_u64 {
        let expect = round * 20;
        let part = &contents[usize::try_from(round).unwrap() * 5..][..5];
        let batch = Batch {
            expect,
            statements: (0..20).map(|n| vec![n; 460]).collect(),
            tiles: vec![
                (TileId { level: 0, index: 0 }, vec![1; 32 * 80]),
                (TileId { level: 1, index: round }, vec![1; 32]),
            ],
            root: [1; 32],
            checkpoint: vec![b'c'; 200],
            index: (0..60_u64).map(|n| (format!("i/{n}/{round}").into_bytes(), Some(vec![1; 40]))).collect(),
            blobs: part
                .iter()
                .map(|c| NewBlob { address: address(c), size: c.len() as u64, source: Box::new(&c[..]) })
                .collect(),
            erase: if round == 2 { vec![address(&contents[0]), address(&contents[4])] } else { vec![] },
        };
        let outcome = match round {
            0 => RedbStore::create(path, batch),
            _ => open(path, Access::Write).unwrap().commit(batch),
        };
        assert_eq!(outcome.unwrap(), Outcome::Done);
    }
    std::fs::read(path).unwrap()
}

fn open(path: &Path, access: Access) -> Result<RedbStore> {
    RedbStore::open(path, access, Duration::ZERO, &mut |_| {})
}

/// Reads everything, going on after errors, and returns them.
fn read_everything(store: &dyn Store) -> Vec<promptos::error::Error> {
    let mut errors = Vec::new();
    let mut keep = |result: Result<()>| errors.extend(result.err());
    keep(store.head().map(drop));
    keep(store.checkpoint().map(drop));
    for index in 0..81 {
        keep(store.statement(index).map(drop));
    }
    keep(store.scan(0..u64::MAX, &mut |_, _| Ok(true)));
    keep(store.scan(33..50, &mut |_, _| Ok(true)));
    for (level, index) in [(0, 0), (1, 0), (1, 3), (9, 9)] {
        keep(store.tile(TileId { level, index }).map(drop));
    }
    for reverse in [false, true] {
        keep(store.index_scan(b"", reverse, &mut |_, _| Ok(true)));
        keep(store.index_scan(b"i/3", reverse, &mut |_, _| Ok(true)));
    }
    keep(store.index_get(b"i/7/2").map(drop));
    let mut known: Vec<[u8; 32]> = vec![[7; 32]];
    keep(store.blobs(&mut |address, _| {
        known.push(address);
        Ok(true)
    }));
    for address in known {
        keep(store.blob_state(&address).map(drop));
        keep(store.read_blob(&address, &mut |_| Ok(())).map(drop));
    }
    errors
}

/// Writes what a command could write.
fn write_something(store: &dyn Store) -> Vec<promptos::error::Error> {
    let mut errors = Vec::new();
    let size = store.head().ok().flatten().map_or(0, |head| head.size);
    let batch = Batch {
        expect: size,
        statements: vec![vec![1; 460]],
        tiles: vec![(TileId { level: 0, index: 0 }, vec![1; 64])],
        root: [2; 32],
        index: vec![(b"i/7/2".to_vec(), None), (b"i/new".to_vec(), Some(vec![]))],
        erase: vec![address(&[19_u8; 400 + 3_700 * 19])],
        blobs: vec![NewBlob { address: address(b"new"), size: 3, source: Box::new(&b"new"[..]) }],
        ..Batch::default()
    };
    errors.extend(store.commit(batch).err());
    errors.extend(store.replace_index(&mut (0..90_u8).map(|n| Ok((vec![n], vec![n; 100])))).err());
    errors
}

/// One thing done to the file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// A byte is XORed with a mask.
    Flip(usize, u8),
    /// The file ends here.
    Cut(usize),
    /// So many zeroes come after its end.
    Grow(usize),
    /// A page is all zeroes.
    Zero(usize),
    /// A page holds what another one holds.
    Copy { from: usize, to: usize },
}

impl Damage {
    fn apply(self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        match self {
            Self::Flip(offset, mask) => bytes[offset] ^= mask,
            Self::Cut(length) => bytes.truncate(length),
            Self::Grow(length) => bytes.resize(whole.len() + length, 0),
            Self::Zero(page) => bytes[page..][..PAGE].fill(0),
            Self::Copy { from, to } => bytes.copy_within(from..from + PAGE, to),
        }
        bytes
    }
}

/// A command that reads and one that writes, on a damaged copy of `whole`.
fn use_damaged(path: &Path, bytes: &[u8]) -> Vec<promptos::error::Error> {
    let mut errors = Vec::new();
    for access in [Access::Read, Access::Write] {
        std::fs::write(path, bytes).unwrap();
        match open(path, access) {
            Err(error) => errors.push(error),
            Ok(store) => {
                errors.extend(read_everything(&store));
                if access == Access::Write {
                    errors.extend(write_something(&store));
                    errors.extend(read_everything(&store));
                }
            }
        }
    }
    errors
}

/// Runs every case; returns how many ended in an error, how many in data alone.
fn suffer(name: &str, whole: &[u8], cases: &[Damage]) -> (usize, usize) {
    promptos::store::install_quiet_panic_hook();
    let (report, reports) = mpsc::channel();
    let (work, todo) = (whole.to_vec(), cases.to_vec());
    std::thread::spawn(move || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        for case in todo {
            let survived = std::panic::catch_unwind(|| use_damaged(&path, &case.apply(&work)));
            report.send(survived.map_err(drop)).unwrap();
        }
    });
    let (mut failed, mut served) = (0, 0);
    for label in cases {
        let errors =
            reports.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{name}: {label:?} does not end: {e}"));
        let errors = errors.unwrap_or_else(|()| panic!("{name}: {label:?}: a panic escaped"));
        for error in &errors {
            let text = error.to_string();
            assert!(
                matches!(error.kind(), Kind::Integrity | Kind::Failed),
                "{label:?}: {:?} {text}",
                error.kind()
            );
            assert!(!text.contains("::") && !text.contains("Err("), "{label:?}: {text}");
        }
        if errors.is_empty() {
            served += 1;
        } else {
            failed += 1;
        }
    }
    println!("{name}: {} cases, {failed} with errors, {served} without", cases.len());
    (failed, served)
}

/// The places of all pages but the first that hold anything.
fn pages(whole: &[u8]) -> Vec<usize> {
    let used = |page: &usize| whole[*page..][..PAGE].iter().any(|byte| *byte != 0);
    (PAGE..whole.len()).step_by(PAGE).filter(used).collect()
}

#[test]
fn flipped_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = ledger(&folder.path().join("whole.redb"));
    let mut dice = Dice(1);
    let mut cases = Vec::new();
    // The file's own header, all of it.
    for offset in 0..320 {
        cases.push(Damage::Flip(offset, 1 << dice.roll(8)));
    }
    // Of each page the head, where kind, counts and lengths are, and some of the rest.
    for page in pages(&whole) {
        for offset in [dice.roll(4), 4 + dice.roll(4), 8 + dice.roll(60), dice.roll(400), dice.roll(PAGE)] {
            cases.push(Damage::Flip(page + offset, [0x01, 0x80, 0xff, 0x10][dice.roll(4)]));
        }
    }
    let (failed, served) = suffer("flipped bytes", &whole, &cases);
    assert!(failed > 100 && served > 100, "both must occur, or the test tests nothing");
}

#[test]
fn lost_and_misplaced_pages() {
    let folder = tempfile::tempdir().unwrap();
    let whole = ledger(&folder.path().join("whole.redb"));
    let mut dice = Dice(2);
    let pages = pages(&whole);
    let mut cases = vec![Damage::Zero(0)];
    for &to in &pages {
        cases.push(Damage::Zero(to));
        cases.push(Damage::Copy { from: pages[dice.roll(pages.len())], to });
    }
    let (failed, _) = suffer("lost and misplaced pages", &whole, &cases);
    assert!(failed > 20);
}

#[test]
fn other_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let whole = ledger(&folder.path().join("whole.redb"));
    let mut dice = Dice(3);
    let mut lengths =
        vec![0, 1, 9, 63, 64, 319, 320, 321, PAGE - 1, PAGE, PAGE + 1, whole.len() - PAGE, whole.len() - 1];
    lengths.extend((0..60).map(|_| dice.roll(whole.len())));
    lengths.extend((0..30).map(|_| dice.roll(whole.len() / PAGE) * PAGE));
    let cases: Vec<Damage> = lengths.into_iter().map(Damage::Cut).collect();
    let (failed, _) = suffer("cut", &whole, &cases);
    assert_eq!(failed, cases.len(), "a file that is too short is never a ledger");
    suffer("grown", &whole, &[1, 100, PAGE, 16 * PAGE, whole.len(), 1 << 24].map(Damage::Grow));
}
