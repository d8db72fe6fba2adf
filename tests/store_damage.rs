//! A damaged ledger file gives data or an error: never a panic or an endless loop, and an abort only of a writer, which
//! then has changed nothing. That the data is right is for whoever re-hashes it; a store is not trusted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

use promptos::error::{Error, Kind, Result};
use promptos::store::{Access, Batch, NewBlob, Outcome, RedbStore, Store, TileId};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
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
fn ledger() -> Vec<u8> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return std::fs::read(Path::new(&folder).join("whole.redb")).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("whole.redb");
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
                .map(|c| NewBlob {
                    address: address(c),
                    size: c.len() as u64,
                    base: None,
                    source: Box::new(&c[..]),
                })
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
fn read_everything(store: &dyn Store) -> Vec<Error> {
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
fn write_something(store: &dyn Store) -> Vec<Error> {
    let mut errors = Vec::new();
    let size = store.head().ok().flatten().map_or(0, |head| head.size);
    let batch = Batch {
        expect: size,
        statements: vec![vec![1; 460]],
        tiles: vec![(TileId { level: 0, index: 0 }, vec![1; 64])],
        root: [2; 32],
        index: vec![(b"i/7/2".to_vec(), None), (b"i/new".to_vec(), Some(vec![]))],
        erase: vec![address(&[19_u8; 400 + 3_700 * 19])],
        blobs: vec![NewBlob { address: address(b"new"), size: 3, base: None, source: Box::new(&b"new"[..]) }],
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

/// What a child process is told by its environment: where `whole` is, and the first case to run.
const FOLDER: &str = "PROMPTOS_TEST_FOLDER";
const FROM: &str = "PROMPTOS_TEST_FROM";

/// A command that reads and one that writes, on a damaged copy of `whole`. `at` hears of every step before it is taken.
fn use_damaged(path: &Path, bytes: &[u8], at: impl Fn(&str)) -> Vec<Error> {
    let mut errors = Vec::new();
    for access in [Access::Read, Access::Write] {
        std::fs::write(path, bytes).unwrap();
        at("open");
        match open(path, access) {
            Err(error) => errors.push(error),
            Ok(store) => {
                at("read");
                errors.extend(read_everything(&store));
                if access == Access::Write {
                    at("write");
                    errors.extend(write_something(&store));
                    at("read again");
                    errors.extend(read_everything(&store));
                }
                at("close");
            }
        }
    }
    errors
}

/// What a parent process hears of a case: a step that begins, or at the end whether there were errors.
fn tell(case: usize, what: &str) {
    println!("=> {case} {what}");
}

/// Runs the cases from a number on, and ends this process.
fn suffer_here(folder: &Path, whole: &[u8], cases: &[Damage]) -> ! {
    promptos::store::install_quiet_panic_hook();
    let from = std::env::var(FROM).unwrap().parse().unwrap();
    for (n, case) in cases.iter().enumerate().skip(from) {
        let errors = use_damaged(&folder.join("ledger.redb"), &case.apply(whole), |step| tell(n, step));
        for error in &errors {
            let (kind, text) = (error.kind(), error.to_string());
            assert!(matches!(kind, Kind::Integrity | Kind::Failed), "{case:?}: {kind:?} {text}");
            assert!(!text.contains("::") && !text.contains("Err("), "{case:?}: {text}");
        }
        tell(n, if errors.is_empty() { "served" } else { "failed" });
    }
    std::process::exit(0)
}

/// How many cases ended in an error, how many in data alone, and in how many the engine ended the process.
#[derive(Default)]
struct Suffered {
    failed: usize,
    served: usize,
    died: usize,
}

/// Runs every case of the test called `name` in processes of their own: where the engine panics while it cleans up
/// after a panic, nothing can keep the process alive.
fn suffer(name: &str, whole: &[u8], cases: &[Damage]) -> Suffered {
    if let Some(folder) = std::env::var_os(FOLDER) {
        suffer_here(folder.as_ref(), whole, cases);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("whole.redb"), whole).unwrap();
    let mut all = Suffered::default();
    let mut from = 0;
    while from < cases.len() {
        let said = folder.path().join("stderr");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(FOLDER, folder.path())
            .env(FROM, from.to_string())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(|line| line.ok()).try_for_each(|l| sender.send(l))
        });
        let mut last = String::new();
        loop {
            match lines.recv_timeout(PATIENCE) {
                // The test harness says something before it on the same line.
                Ok(line) => match line.split_once("=> ").and_then(|(_, told)| told.split_once(' ')) {
                    Some((case, what)) => {
                        from = case.parse().unwrap();
                        all.failed += usize::from(what == "failed");
                        all.served += usize::from(what == "served");
                        what.clone_into(&mut last);
                    }
                    None => continue,
                },
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill().unwrap();
                    panic!("{name}: {:?} does not end: {last}", cases[from]);
                }
            }
        }
        let (ended, case) = (child.wait().unwrap(), cases[from]);
        let said = std::fs::read_to_string(&said).unwrap();
        if !ended.success() {
            assert!(aborted(ended), "{name}: {case:?}: {last}: {ended}\n{said}");
            assert_eq!(last, "write", "{name}: {case:?}: {ended}\n{said}");
            println!("{name}: {case:?}: the engine ended the process");
            nothing_changed(&case.apply(whole), &folder.path().join("ledger.redb"));
            all.died += 1;
        }
        from += 1;
    }
    assert_eq!(all.failed + all.served + all.died, cases.len());
    println!("{name}: {} failed, {} served, {} died", all.failed, all.served, all.died);
    all
}

#[cfg(unix)]
fn aborted(status: ExitStatus) -> bool {
    const SIGABRT: i32 = 6;
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGABRT)
}

#[cfg(not(unix))]
fn aborted(status: ExitStatus) -> bool {
    status.code() != Some(101)
}

/// After a writer died, the ledger holds what it held: that is, what could be read of the damaged file before. And all
/// of it can be written anew.
fn nothing_changed(damaged: &[u8], path: &Path) {
    let before = path.with_file_name("before.redb");
    std::fs::write(&before, damaged).unwrap();
    let read = |path: &Path| contents(&RedbStore::examine(path, Duration::ZERO, &mut |_| {}).unwrap());
    let before = read(&before);
    assert_eq!(read(path), before);
    // Written anew, it is free of the damage.
    let held = RedbStore::hold(path, Duration::ZERO, &mut |_| {}).unwrap();
    held.renew(false, |_| Ok(())).unwrap();
    let store = open(path, Access::Write).unwrap();
    assert_eq!(contents(&store), before);
    let errors = write_something(&store);
    assert!(errors.is_empty(), "{errors:?}");
}

/// All that can be read of a ledger.
fn contents(store: &dyn Store) -> Vec<Option<Vec<u8>>> {
    let mut all = vec![store.checkpoint().ok().flatten()];
    all.extend((0..81).map(|index| store.statement(index).ok().flatten()));
    for n in 0..20_u8 {
        let mut bytes = Vec::new();
        let sink = &mut |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        let state = store.read_blob(&address(&vec![n; 400 + 3_700 * usize::from(n)]), sink);
        all.push(state.is_ok().then_some(bytes));
    }
    all
}

/// The places of all pages but the first that hold anything.
fn pages(whole: &[u8]) -> Vec<usize> {
    let used = |page: &usize| whole[*page..][..PAGE].iter().any(|byte| *byte != 0);
    (PAGE..whole.len()).step_by(PAGE).filter(used).collect()
}

#[test]
fn flipped_bytes() {
    let whole = ledger();
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
    let Suffered { failed, served, died } = suffer("flipped_bytes", &whole, &cases);
    assert!(failed > 100 && served > 100, "both must occur, or the test tests nothing");
    assert!(died < cases.len() / 50, "{died} of {}", cases.len());
}

#[test]
fn lost_and_misplaced_pages() {
    let whole = ledger();
    let mut dice = Dice(2);
    let pages = pages(&whole);
    let mut cases = vec![Damage::Zero(0)];
    for &to in &pages {
        cases.push(Damage::Zero(to));
        cases.push(Damage::Copy { from: pages[dice.roll(pages.len())], to });
    }
    let Suffered { failed, died, .. } = suffer("lost_and_misplaced_pages", &whole, &cases);
    assert!(failed > 20 && died < cases.len() / 10, "{failed} failed, {died} died");
}

#[test]
fn cut() {
    let whole = ledger();
    let mut dice = Dice(3);
    let mut lengths =
        vec![0, 1, 9, 63, 64, 319, 320, 321, PAGE - 1, PAGE, PAGE + 1, whole.len() - PAGE, whole.len() - 1];
    lengths.extend((0..60).map(|_| dice.roll(whole.len())));
    lengths.extend((0..30).map(|_| dice.roll(whole.len() / PAGE) * PAGE));
    let cases: Vec<Damage> = lengths.into_iter().map(Damage::Cut).collect();
    let Suffered { failed, .. } = suffer("cut", &whole, &cases);
    assert_eq!(failed, cases.len(), "a file that is too short is never a ledger");
}

#[test]
fn grown() {
    let whole = ledger();
    let cases = [1, 100, PAGE, 16 * PAGE, whole.len(), 1 << 24].map(Damage::Grow);
    assert_eq!(suffer("grown", &whole, &cases).died, 0);
}
