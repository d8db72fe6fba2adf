use super::super::contract::{self, batch, dump};
use super::*;
use crate::error::Kind;
use crate::store::{Content, NewBlob};
use std::cell::Cell;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn open(path: &Path, access: Access) -> Result<RedbStore> {
    RedbStore::open(path, access, Duration::ZERO, &mut |_| {})
}

/// Opens and says what was told meanwhile.
fn open_told(path: &Path, access: Access, timeout: u64) -> (Result<RedbStore>, Vec<Event>) {
    let mut events = Vec::new();
    let store = RedbStore::open(path, access, Duration::from_millis(timeout), &mut |e| events.push(e));
    (store, events)
}

/// A closed ledger with some of everything.
fn ledger(folder: &Path) -> (PathBuf, Content) {
    let path = folder.join("ledger.redb");
    let content = vec![4_u8; 70_000];
    let mut first = batch(0, &[b"genesis", b"second"]);
    first.tiles = vec![(TileId { level: 0, index: 0 }, vec![1; 64])];
    first.index = vec![(b"k".to_vec(), Some(b"v".to_vec()))];
    let address = *blake3::hash(&content).as_bytes();
    first.blobs = vec![NewBlob { address, size: 70_000, base: None, source: Box::new(&content[..]) }];
    first.erase = vec![[8; 32]];
    assert_eq!(RedbStore::create(&path, first).unwrap(), Outcome::Done);
    let content = dump(&open(&path, Access::Read).unwrap()).unwrap();
    assert_eq!((content.statements.len(), content.tiles.len(), content.blobs.len()), (2, 1, 2));
    (path, content)
}

/// The same ledger as a killed writer leaves it: a copy of the file made while it is open.
fn unclean(folder: &Path) -> (PathBuf, Content) {
    let (path, _) = ledger(folder);
    let store = open(&path, Access::Write).unwrap();
    assert_eq!(store.commit(batch(2, &[b"third"])).unwrap(), Outcome::Done);
    let killed = folder.join("killed.redb");
    fs::copy(&path, &killed).unwrap();
    (killed, dump(&store).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
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

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut expected) = ledger(folder.path());
    for size in 2..6 {
        let (store, events) = open_told(&path, Access::Write, 0);
        let store = store.unwrap();
        assert_eq!(events, []);
        assert_eq!(dump(&store).unwrap(), expected);
        assert_eq!(store.commit(batch(size, &[b"more"])).unwrap(), Outcome::Done);
        expected = dump(&store).unwrap();
        drop(store);
        assert_eq!(dump(&open(&path, Access::Read).unwrap()).unwrap(), expected);
    }
}

#[test]
fn creation_touches_nothing_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    fs::write(&path, "mine").unwrap();
    assert_eq!(RedbStore::create(&path, batch(0, &[b"x"])).unwrap(), Outcome::Conflict(None));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(RedbStore::create(folder.path(), batch(0, &[b"x"])).unwrap(), Outcome::Conflict(None));
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert_eq!(RedbStore::create(&path, batch(0, &[b"x"])).unwrap(), Outcome::Conflict(None));
    assert_eq!(names(folder.path()), ["ledger.redb"]);
}

#[test]
fn a_failed_creation_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let mut bad = batch(0, &[b"x"]);
    bad.blobs = vec![NewBlob { address: [1; 32], size: 70_000, base: None, source: Box::new(io::repeat(1)) }];
    assert_eq!(RedbStore::create(&path, bad).unwrap_err().kind(), Kind::Failed);
    assert_eq!(RedbStore::create(&path, batch(0, &[])).unwrap_err().kind(), Kind::Bug);
    assert_eq!(RedbStore::create(&path, batch(1, &[b"x"])).unwrap(), Outcome::Conflict(None));
    let mut panics = batch(0, &[b"x"]);
    struct Panics;
    impl io::Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("mine")
        }
    }
    panics.blobs = vec![NewBlob { address: [1; 32], size: 1, base: None, source: Box::new(Panics) }];
    let creating = std::panic::AssertUnwindSafe(|| RedbStore::create(&path, panics));
    assert_eq!(std::panic::catch_unwind(creating).unwrap_err().downcast_ref(), Some(&"mine"));
    assert_eq!(names(folder.path()), [""; 0]);

    let lost = folder.path().join("no/such/folder/ledger.redb");
    let error = RedbStore::create(&lost, batch(0, &[b"x"])).unwrap_err();
    assert!(error.to_string().starts_with("there is no folder"), "{error}");
}

#[test]
fn of_many_creators_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let winners: Vec<u8> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|n| {
                let path = &path;
                scope.spawn(move || (n, RedbStore::create(path, batch(0, &[&[n]])).unwrap()))
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes.filter(|(_, outcome)| *outcome == Outcome::Done).map(|(n, _)| n).collect()
    });
    assert_eq!(winners.len(), 1);
    let store = open(&path, Access::Read).unwrap();
    assert_eq!(store.statement(0).unwrap(), Some(winners));
    assert_eq!(names(folder.path()), ["ledger.redb"]);
}

#[test]
fn what_is_no_ledger_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = ledger(folder.path());
    let whole = fs::read(&path).unwrap();
    let other = folder.path().join("other");
    let alien = folder.path().join("alien");
    {
        let db = Database::create(&alien).unwrap();
        let transaction = db.begin_write().unwrap();
        transaction.open_table(TableDefinition::<u64, u64>::new("meta")).unwrap();
        transaction.commit().unwrap();
    }
    let alien = fs::read(alien).unwrap();
    let blank = folder.path().join("blank");
    drop(Database::create(&blank).unwrap());
    let blank = fs::read(blank).unwrap();

    let cases: [(&[u8], Kind, &str); 9] = [
        (b"", Kind::Integrity, "it is empty"),
        (b"redb", Kind::Integrity, "is damaged"),
        (MAGIC_AND_MORE, Kind::Integrity, "is damaged"),
        (b"SQLite format 3\0", Kind::Failed, "is not a ledger"),
        (b"{}", Kind::Failed, "is not a ledger"),
        (&whole[..whole.len() / 2], Kind::Integrity, "is damaged"),
        (&whole[..whole.len() - 1], Kind::Integrity, "is damaged"),
        (&alien, Kind::Failed, "is a database, but not a ledger"),
        (&blank, Kind::Failed, "is a database, but not a ledger"),
    ];
    for (bytes, kind, message) in cases {
        for access in [Access::Read, Access::Write] {
            fs::write(&other, bytes).unwrap();
            let error = open(&other, access).unwrap_err();
            assert!(error.to_string().contains(message), "{message:?}, {access:?}: {error}");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(other.to_str().unwrap()), "{error}");
        }
    }
    let missing = open(&folder.path().join("missing"), Access::Write).unwrap_err();
    assert_eq!((missing.kind(), missing.hints().len()), (Kind::Failed, 1));
    assert!(missing.to_string().starts_with("there is no ledger at"), "{missing}");
    let error = open(folder.path(), Access::Read).unwrap_err();
    assert!(error.to_string().contains("is a folder"), "{error}");
    assert!(open(Path::new("/dev/null"), Access::Read).unwrap_err().to_string().contains("no regular file"));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

const MAGIC_AND_MORE: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a and then nothing that makes sense";

/// Changes a ledger's meta table behind its back.
fn meta(path: &Path, key: &str, value: Option<&[u8]>) {
    let db = Database::open(path).unwrap();
    let transaction = db.begin_write().unwrap();
    {
        let mut table = transaction.open_table(META).unwrap();
        match value {
            Some(value) => drop(table.insert(key, value).unwrap()),
            None => drop(table.remove(key).unwrap()),
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn other_store_formats_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = ledger(folder.path());
    let cases: [(Option<&[u8]>, &str); 6] = [
        (Some(&[0, 0, 0, 5]), "was written by a newer promptos (store format 5, this one reads 4)"),
        (Some(&[0, 0, 0, 3]), "was written by an older promptos (store format 3, this one reads 4)"),
        (Some(&[255; 4]), "(store format 4294967295, this one reads 4)"),
        (Some(&[0; 4]), "unknown store format (0)"),
        (Some(&[1]), "not a ledger"),
        (None, "not a ledger"),
    ];
    for (format, message) in cases {
        meta(&path, "format", format);
        for access in [Access::Read, Access::Write] {
            let error = open(&path, access).unwrap_err();
            assert_eq!(error.kind(), Kind::Failed);
            assert!(error.to_string().contains(message), "{error}");
        }
    }
    meta(&path, "format", Some(&[0, 0, 0, 4]));
    assert_eq!(dump(&open(&path, Access::Read).unwrap()).unwrap(), content);
}

#[test]
fn a_head_that_is_gone_or_malformed_is_an_integrity_error() {
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = ledger(folder.path());
    let far = [&9_u64.to_be_bytes()[..], &[0; 32]].concat();
    let cases: [Option<&[u8]>; 4] = [None, Some(b""), Some(&[0; 41]), Some(&far)];
    for head in cases {
        meta(&path, "head", head);
        let store = open(&path, Access::Write).unwrap();
        let error = dump(&store).unwrap_err();
        assert_eq!(error.kind(), Kind::Integrity, "{error}");
        assert_eq!(dump(&store).unwrap_err().hints().len(), 1);
        if head.is_some() && head != Some(&far) {
            assert_eq!(store.commit(batch(2, &[b"x"])).unwrap_err().kind(), Kind::Integrity);
        }
    }
    assert_eq!(content.head.unwrap().size, 2);
}

#[test]
fn a_head_that_went_back_does_not_let_statements_be_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = ledger(folder.path());
    meta(&path, "head", Some(&[&1_u64.to_be_bytes()[..], &[0; 32]].concat()));
    let store = open(&path, Access::Write).unwrap();
    let error = store.commit(batch(1, &[b"other"])).unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(error.to_string().ends_with("it has statements above its head"), "{error}");
    assert_eq!(store.statement(1).unwrap(), None);
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = ledger(folder.path());
    let readers = [open(&path, Access::Read).unwrap(), open(&path, Access::Read).unwrap()];
    readers.iter().for_each(|reader| assert_eq!(dump(reader).unwrap(), content));
    for (timeout, waited) in [(0, vec![]), (60, vec![Event::Waiting])] {
        let began = Instant::now();
        let (refused, events) = open_told(&path, Access::Write, timeout);
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        let message = format!("in use by another process (waited {} s)", timeout as f32 / 1000.0);
        assert!(error.to_string().ends_with(&message), "{error}");
        assert_eq!(events, waited);
        assert!(began.elapsed() >= Duration::from_millis(timeout));
    }
    drop(readers);
    let writer = open(&path, Access::Write).unwrap();
    for access in [Access::Read, Access::Write] {
        assert_eq!(open(&path, access).unwrap_err().kind(), Kind::Unavailable);
    }
    drop(writer);
    open(&path, Access::Read).unwrap();
}

#[test]
fn whoever_waits_comes_in_when_the_other_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = ledger(folder.path());
    for access in [Access::Read, Access::Write] {
        let writer = open(&path, Access::Write).unwrap();
        let (told, waiting) = mpsc::channel();
        std::thread::scope(|scope| {
            let path = &path;
            let other = scope.spawn(move || {
                RedbStore::open(path, access, Duration::from_secs(60), &mut |event| told.send(event).unwrap())
            });
            assert_eq!(waiting.recv(), Ok(Event::Waiting));
            drop(writer);
            other.join().unwrap().unwrap();
        });
        assert_eq!(waiting.try_iter().count(), 0);
    }
}

#[test]
fn a_reader_does_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = ledger(folder.path());
    let reader = open(&path, Access::Read).unwrap();
    assert_eq!(reader.commit(batch(2, &[b"x"])).unwrap_err().kind(), Kind::Bug);
    assert_eq!(reader.replace_index(&mut std::iter::empty()).unwrap_err().kind(), Kind::Bug);
    assert_eq!(dump(&reader).unwrap(), content);
}

#[test]
fn a_file_that_was_not_closed_is_repaired_once() {
    for access in [Access::Read, Access::Write] {
        let folder = tempfile::tempdir().unwrap();
        let (path, content) = unclean(folder.path());
        let (store, events) = open_told(&path, access, 0);
        assert_eq!(events, [Event::Repaired]);
        assert_eq!(dump(&store.unwrap()).unwrap(), content);
        let (store, events) = open_told(&path, Access::Read, 0);
        assert_eq!(events, []);
        // The repaired file is shared like any other.
        assert_eq!(dump(&open(&path, Access::Read).unwrap()).unwrap(), content);
        drop(store);
    }
}

#[test]
fn a_file_that_cannot_be_repaired_in_its_place_is_read_from_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = unclean(folder.path());
    let before = fs::read(&path).unwrap();
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    assert!(file::open_copy(&path).unwrap().is_none());
    drop(lock);
    let store = RedbStore::new(
        &path,
        Arc::new(place::Folder(path.clone())),
        Handle::Copy(file::open_copy(&path).unwrap().unwrap()),
    );
    assert_eq!(dump(&store).unwrap(), content);
    assert_eq!(store.commit(batch(3, &[b"x"])).unwrap_err().kind(), Kind::Bug);
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn without_permission_to_write_reading_still_works() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = unclean(folder.path());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        println!("skipped: this user may write to everything");
        return;
    }
    let (store, events) = open_told(&path, Access::Read, 0);
    assert_eq!(events, [Event::Repaired]);
    assert_eq!(dump(&store.unwrap()).unwrap(), content);
    assert!(open(&path, Access::Write).unwrap_err().to_string().starts_with("no permission"));
}

#[test]
fn after_a_panic_of_the_engine_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = ledger(folder.path());
    let store = open(&path, Access::Write).unwrap();
    let error = store.guard::<()>(|_| panic!("a page is torn")).unwrap_err();
    assert_eq!((error.kind(), error.hints().len()), (Kind::Integrity, 1));
    assert!(!error.to_string().contains("torn"), "a panic's text is for programmers: {error}");
    assert_eq!(store.commit(batch(2, &[b"x"])).unwrap_err().kind(), Kind::Failed);
    assert_eq!(store.replace_index(&mut std::iter::empty()).unwrap_err().kind(), Kind::Failed);
    assert_eq!(dump(&store).unwrap(), content);
    drop(store);
    assert_eq!(dump(&open(&path, Access::Read).unwrap()).unwrap(), content);
}

#[test]
fn failures_of_the_file_system_are_told_in_words() {
    use io::ErrorKind as E;
    let cases = [
        (E::StorageFull, Kind::Failed, "no space is left on the disk for /l"),
        (E::QuotaExceeded, Kind::Failed, "no space is left on the disk for /l"),
        (E::PermissionDenied, Kind::Failed, "no permission to use /l"),
        (E::ReadOnlyFilesystem, Kind::Failed, "no permission to use /l"),
        (E::NotFound, Kind::Failed, "there is no ledger at /l"),
        (E::UnexpectedEof, Kind::Integrity, "the ledger file /l is damaged: it ends too early"),
        (E::Other, Kind::Failed, "cannot read or write /l"),
    ];
    for (cause, kind, message) in cases {
        let error = fault(Path::new("/l"))(::redb::StorageError::Io(cause.into()));
        assert_eq!(error.kind(), kind, "{cause:?}");
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

/// A file that was replaced while somebody waited for its lock is not the ledger any more.
#[test]
fn who_waits_for_a_file_that_is_scrubbed_gets_the_new_one() {
    for access in [Access::Read, Access::Write] {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = ledger(folder.path());
        let mut store = open(&path, Access::Write).unwrap();
        let (told, waiting) = mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let store = RedbStore::open(&path, access, Duration::from_secs(60), &mut |event| {
                    told.send(event).unwrap();
                });
                store.unwrap().head().unwrap().unwrap().size
            });
            assert_eq!(waiting.recv().unwrap(), Event::Waiting);
            store.scrub().unwrap();
            // What is stored after it is in the new file, and who waited sees it.
            assert_eq!(store.commit(batch(2, &[b"third"])).unwrap(), Outcome::Done);
            drop(store);
            assert_eq!(waiter.join().unwrap(), 3);
        });
        assert_eq!(names(folder.path()), ["ledger.redb"]);
    }
}

/// Between finding a file by its name and locking it there is time for another to get the name.
#[test]
fn who_opens_while_the_file_is_replaced_never_gets_the_old_one() {
    const ROUNDS: usize = 500;
    // Where nothing waits for a disk.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let (path, _) = ledger(folder.path());
    let (stored, rounds) = (AtomicU64::new(2), AtomicUsize::new(0));
    let busy = |error: Error| assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    let began = Instant::now();
    let over = || rounds.load(Ordering::SeqCst) >= ROUNDS || began.elapsed() > Duration::from_secs(10);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over() {
                match open(&path, Access::Write) {
                    Ok(mut store) => {
                        store.scrub().unwrap();
                        rounds.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => busy(error),
                }
            }
        });
        for access in [Access::Write, Access::Write, Access::Read] {
            let (path, stored, over) = (&path, &stored, &over);
            scope.spawn(move || {
                while !over() {
                    let before = stored.load(Ordering::SeqCst);
                    let store = match open(path, access) {
                        Ok(store) => store,
                        Err(error) => {
                            busy(error);
                            continue;
                        }
                    };
                    let size = store.head().unwrap().unwrap().size;
                    assert!(size >= before, "{access:?} of {size} entries, of which {before} were stored");
                    if access == Access::Write {
                        assert_eq!(store.commit(batch(size, &[b"more"])).unwrap(), Outcome::Done);
                        stored.store(size + 1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let stored = stored.into_inner();
    println!("{} scrubs, {stored} entries", rounds.into_inner());
    assert_eq!(open(&path, Access::Read).unwrap().head().unwrap().unwrap().size, stored);
    assert_eq!(names(folder.path()), ["ledger.redb"]);
}

#[test]
fn a_scrub_that_fails_leaves_the_ledger_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (path, content) = ledger(folder.path());
    let mut store = open(&path, Access::Write).unwrap();
    let before = fs::metadata(&path).unwrap().len();
    fs::create_dir(folder.path().join("ledger.redb.scrub")).unwrap();
    assert_eq!(store.scrub().unwrap_err().kind(), Kind::Failed);
    assert!(store.unscrubbed().unwrap());
    assert_eq!(dump(&store).unwrap(), content);
    fs::remove_dir(folder.path().join("ledger.redb.scrub")).unwrap();
    store.scrub().unwrap();
    assert!(!store.unscrubbed().unwrap());
    assert_eq!(dump(&store).unwrap(), content);
    assert!(fs::metadata(&path).unwrap().len() <= before);
    // A reader cannot.
    drop(store);
    assert_eq!(open(&path, Access::Read).unwrap().scrub().unwrap_err().kind(), Kind::Bug);
}

/// Commits thousands of statements.
fn fill(store: &RedbStore, thousands: u8) {
    for n in 0..thousands {
        let at = store.head().unwrap().unwrap().size;
        let statements = vec![[n; 450]; 1000];
        let statements: Vec<&[u8]> = statements.iter().map(<[u8; 450]>::as_slice).collect();
        assert_eq!(store.commit(batch(at, &statements)).unwrap(), Outcome::Done);
    }
}

#[test]
fn who_wrote_much_leaves_a_file_without_free_space() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = ledger(folder.path());
    let number = || fs::metadata(&path).unwrap().ino();
    let first = number();
    let store = open(&path, Access::Write).unwrap();
    fill(&store, 4);
    drop(store);
    let length = fs::metadata(&path).unwrap().len();
    assert!(length < 4000 * 450 * 13 / 10, "{length}");
    assert_ne!(number(), first);
    assert_eq!(names(folder.path()), ["ledger.redb"]);
    // Who writes little after it leaves the file in its place,
    let second = number();
    let store = open(&path, Access::Write).unwrap();
    fill(&store, 1);
    drop(store);
    assert_eq!(number(), second);
    // and when it cannot be written anew it is closed as it is.
    fs::create_dir(folder.path().join("ledger.redb.scrub")).unwrap();
    let store = open(&path, Access::Write).unwrap();
    fill(&store, 3);
    let content = dump(&store).unwrap();
    drop(store);
    assert_eq!(number(), second);
    let (store, events) = open_told(&path, Access::Read, 0);
    assert_eq!((dump(&store.unwrap()).unwrap(), events), (content, vec![]));
}

/// What is durable costs two syncs, and one more when the file grows.
#[test]
fn a_commit_syncs_twice() {
    use crate::store::disk::{Call, Disk, Image};
    let disk = Disk::new(Image::new());
    assert_eq!(RedbStore::create_over(disk.clone(), batch(0, &[b"genesis"])).unwrap(), Outcome::Done);
    let (store, _) = RedbStore::open_over(disk.reopened(), 8 << 20).unwrap();
    let count = |call: Call| disk.calls()[call as usize];
    let (mut least, mut grown) = (usize::MAX, 0);
    for at in 1..200 {
        let (syncs, resizes) = (count(Call::Sync), count(Call::Resize));
        let mut next = batch(at, &[&[7; 465]]);
        next.tiles = vec![(TileId { level: 0, index: 0 }, vec![1; 32 * (at as usize + 1)])];
        next.index =
            (0..5).map(|n| ([&[0x80 + n][..], &[at as u8; 13]].concat(), Some(Vec::new()))).collect();
        next.blobs = vec![NewBlob {
            address: *blake3::hash(&[at as u8; 80]).as_bytes(),
            size: 80,
            base: None,
            source: Box::new(io::Cursor::new([at as u8; 80])),
        }];
        assert_eq!(store.commit(next).unwrap(), Outcome::Done);
        let (syncs, resizes) = (count(Call::Sync) - syncs, count(Call::Resize) - resizes);
        assert!(syncs <= 2 + resizes, "{syncs} syncs, {resizes} changes of length");
        least = least.min(syncs);
        grown += resizes;
    }
    assert!(least == 2 && grown < 20, "{least}, {grown}");
}
