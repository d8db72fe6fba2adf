//! Several processes on one ledger: writers that are killed, and writers that take turns. The other processes
//! are this test program itself, started with one test and told by the environment what to do.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may

use promptos::store::{Access, Batch, Event, NewBlob, Outcome, RedbStore, Store};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LEDGER: &str = "PROMPTOS_TEST_LEDGER";
const WRITER: &str = "PROMPTOS_TEST_WRITER";

fn open(path: &Path, access: Access, events: &mut Vec<Event>) -> RedbStore {
    RedbStore::open(path, access, Duration::from_secs(60), &mut |event| events.push(event)).unwrap()
}

/// Statement, root, checkpoint, index row and blob of one append all name its index.
fn append(expect: u64, writer: &str) -> (Batch<'static>, [u8; 32]) {
    let content = vec![u8::try_from(expect % 251).unwrap(); usize::try_from(expect % 7).unwrap() * 30_000];
    let address = *blake3::hash(&content).as_bytes();
    let batch = Batch {
        expect,
        statements: vec![format!("{expect} by {writer}").into_bytes()],
        root: root(expect),
        checkpoint: expect.to_string().into_bytes(),
        index: vec![(expect.to_be_bytes().to_vec(), Some(address.to_vec()))],
        blobs: vec![NewBlob {
            address,
            size: content.len() as u64,
            base: None,
            source: Box::new(std::io::Cursor::new(content)),
        }],
        ..Batch::default()
    };
    (batch, address)
}

fn root(index: u64) -> [u8; 32] {
    *blake3::hash(&index.to_be_bytes()).as_bytes()
}

/// Everything of every append is there and nothing else; returns the statements.
fn check(store: &dyn Store) -> Vec<String> {
    let head = store.head().unwrap().unwrap();
    let last = head.size - 1;
    assert_eq!(head.root, root(last));
    assert_eq!(store.checkpoint().unwrap(), Some(last.to_string().into_bytes()));
    let mut statements = Vec::new();
    let mut keep = |_, statement: &[u8]| {
        statements.push(String::from_utf8(statement.to_vec()).unwrap());
        Ok(true)
    };
    store.scan(0..u64::MAX, &mut keep).unwrap();
    assert_eq!(statements.len() as u64, head.size);
    for (index, statement) in (0..).zip(&statements) {
        assert!(statement.starts_with(&format!("{index} by ")), "{index}: {statement}");
        let (_, address) = append(index, "");
        assert_eq!(store.index_get(&u64::to_be_bytes(index)).unwrap(), Some(address.to_vec()));
        let mut hasher = blake3::Hasher::new();
        let mut sink = |piece: &[u8]| {
            hasher.update(piece);
            Ok(())
        };
        let _ = store.read_blob(&address, &mut sink).unwrap();
        assert_eq!(hasher.finalize(), address);
    }
    let mut rows = 0;
    let mut count = |_: &[u8], _: &[u8]| {
        rows += 1;
        Ok(true)
    };
    store.index_scan(b"", false, &mut count).unwrap();
    assert_eq!(rows, head.size);
    statements
}

fn start(ledger: &Path, test: &str, writer: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(LEDGER, ledger)
        .env(WRITER, writer)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: appends in one opening until it is killed, and says what is stored.
#[test]
fn child_that_appends_for_ever() {
    let Some(path) = std::env::var_os(LEDGER) else { return };
    let store = open(Path::new(&path), Access::Write, &mut Vec::new());
    loop {
        let size = store.head().unwrap().unwrap().size;
        assert_eq!(store.commit(append(size, "killed").0).unwrap(), Outcome::Done);
        println!("\nstored {}", size + 1);
    }
}

/// Not a test of its own: appends fifteen times, opening and closing each time.
#[test]
fn child_that_takes_turns() {
    let Some(path) = std::env::var_os(LEDGER) else { return };
    for n in 0..15 {
        let store = open(Path::new(&path), Access::Write, &mut Vec::new());
        let size = store.head().unwrap().unwrap().size;
        let name = format!("{}.{n}", std::env::var(WRITER).unwrap());
        assert_eq!(store.commit(append(size, &name).0).unwrap(), Outcome::Done);
    }
}

/// Not a test of its own: appends until the file may not grow any more, and says what it heard.
#[test]
fn child_on_a_full_disk() {
    let Some(path) = std::env::var_os(LEDGER) else { return };
    let store = open(Path::new(&path), Access::Write, &mut Vec::new());
    let mut size = store.head().unwrap().unwrap().size;
    let error = loop {
        match store.commit(append(size, "greedy").0) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Done),
            Err(error) => break error,
        }
        size += 1;
    };
    println!("\nstored {size}");
    println!("error {error}");
    // Nothing can be written any more, and what is read is true.
    store.commit(append(size, "greedy").0).unwrap_err();
    assert!(store.head().map_or(true, |head| head.unwrap().size == size));
}

#[test]
fn what_a_killed_writer_stored_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    assert_eq!(RedbStore::create(&path, append(0, "founder").0).unwrap(), Outcome::Done);
    let mut repairs = 0;
    for round in 0..16_u64 {
        let mut child = start(&path, "child_that_appends_for_ever", "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let enough = 1 + usize::try_from(round * 5 % 11).unwrap();
        let mut stored: Vec<u64> = Vec::new();
        let parse = |line: String| line.strip_prefix("stored ").map(|size| size.parse::<u64>().unwrap());
        stored.extend(lines.by_ref().filter_map(parse).take(enough));
        // Somewhere in the midst of the next append.
        std::thread::sleep(Duration::from_micros(round * 97));
        child.kill().unwrap();
        child.wait().unwrap();
        stored.extend(lines.filter_map(parse));
        assert!(stored.len() >= enough);

        let mut events = Vec::new();
        let access = if round % 2 == 0 { Access::Read } else { Access::Write };
        let store = open(&path, access, &mut events);
        repairs += events.iter().filter(|event| **event == Event::Repaired).count();
        let size = check(&store).len() as u64;
        let last = *stored.last().unwrap();
        assert!(size == last || size == last + 1, "{size} statements after {last} were confirmed");
    }
    assert_eq!(repairs, 16);
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_costs_nothing_that_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    assert_eq!(RedbStore::create(&path, append(0, "founder").0).unwrap(), Outcome::Done);
    // A limit on the file's size, at several places within an append, stands in for the disk's end.
    for limit in [4_000, 4_100, 7_777, 9_001, 13_013] {
        let script = "trap '' XFSZ; ulimit -f $0; exec \"$@\"";
        let output = Command::new("sh")
            .args(["-c", script, &limit.to_string()])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child_on_a_full_disk", "--nocapture"])
            .env(LEDGER, &path)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let find = |prefix: &str| said.lines().find_map(|line| line.strip_prefix(prefix).map(str::to_owned));
        let error = find("error ").unwrap();
        assert!(error.contains("may not grow any further") && error.contains("ledger.redb"), "{error}");
        let stored: u64 = find("stored ").unwrap().parse().unwrap();
        let statements = check(&open(&path, Access::Write, &mut Vec::new()));
        assert!([stored, stored + 1].contains(&(statements.len() as u64)), "{stored} {}", statements.len());
    }
}

#[test]
fn writers_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    assert_eq!(RedbStore::create(&path, append(0, "founder").0).unwrap(), Outcome::Done);
    let children: Vec<Child> = ["a", "b", "c", "d"]
        .map(|writer| start(&path, "child_that_takes_turns", writer))
        .into_iter()
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let statements = check(&open(&path, Access::Read, &mut Vec::new()));
    assert_eq!(statements.len(), 1 + 4 * 15);
    for writer in ["a", "b", "c", "d"] {
        let numbers: Vec<String> = statements
            .iter()
            .filter_map(|statement| statement.split_once(&format!("by {writer}.")))
            .map(|(_, number)| number.to_owned())
            .collect();
        assert_eq!(numbers, (0..15).map(|n: u8| n.to_string()).collect::<Vec<_>>());
    }
}
