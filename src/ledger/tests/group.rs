//! Threads that append through one ledger at the same time.

use super::*;
use crate::error::Kind;
use crate::store::FailMode;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const THREADS: u8 = 8;

/// A store whose commits are slow, as on a disk, so that others come meanwhile; it counts them.
#[derive(Clone)]
struct Slow(Shared, Arc<AtomicUsize>);

impl Store for Slow {
    hand_on!(0);
    fn commit(&self, batch: Batch<'_>) -> Result<Outcome> {
        self.1.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        self.0.commit(batch)
    }
}

/// What each thread appends through one ledger, by a function of its number and its turn.
fn together(
    book: &Book,
    turns: u8,
    new: impl Fn(&mut Book, u8) -> New + Sync,
) -> (Vec<Result<Entry>>, usize) {
    let slow = Slow(book.shared.clone(), Arc::default());
    let ledger = Ledger::open(Box::new(slow.clone())).unwrap();
    let start = Barrier::new(THREADS.into());
    let results = std::thread::scope(|scope| {
        let write = |n: u8| {
            let mut own = book.copy();
            own.count = n * turns;
            let author = Author { signer: &key(FOUNDER), log_key: &key(LOG_KEY), time: 1_700_000_000 };
            start.wait();
            (0..turns).map(|m| ledger.append(&author, &new(&mut own, m))).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || write(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    (results, slow.1.load(Ordering::Relaxed))
}

/// Each entry is in the ledger where its writer was told, once, and signed on the head before it.
fn check(book: &Book, stored: &[Entry], before: u64) {
    let places: BTreeSet<u64> = stored.iter().map(|entry| entry.index).collect();
    assert_eq!(places, (before..before + stored.len() as u64).collect());
    for entry in stored {
        let found = book.ledger.entry(entry.index).unwrap().unwrap().statement;
        assert_eq!((&found, found.head.size), (&entry.statement, entry.index));
    }
    assert_eq!((book.head().size, book.findings()), (before + stored.len() as u64, vec![]));
}

#[test]
fn writers_share_commits_and_each_gets_its_place() {
    let book = Book::new();
    let (results, commits) = together(&book, 6, |book, turn| match turn {
        3 => enrol(10 + book.count, &format!("u{}", book.next()), &["user"]),
        _ => book.session(turn % 3, turn == 1),
    });
    let stored: Vec<Entry> = results.into_iter().map(Result::unwrap).collect();
    check(&book, &stored, 1);
    assert!(commits < stored.len() / 2, "{commits} commits of {} statements", stored.len());
}

#[test]
fn what_changes_what_others_stand_on_is_stored_alone() {
    let mut book = Book::new();
    let first = book.session(9, true);
    book.append(&key(FOUNDER), &first).unwrap();
    let (results, _) = together(&book, 4, |book, turn| match (book.count, turn) {
        (6, 2) => erase(Address::of(b"prompt 9")),
        (9, 1) => erase(Address::of(b"never here")),
        _ => book.session(turn, false),
    });
    let stored: Vec<Entry> = results.into_iter().map(Result::unwrap).collect();
    check(&book, &stored, 2);
    assert_eq!(book.ledger.blob_state(&Address::of(b"prompt 9")).unwrap(), BlobState::Erased);
}

#[test]
fn a_refusal_is_its_writers_alone() {
    let book = Book::new();
    let (results, _) = together(&book, 6, |book, turn| match turn % 2 {
        0 => book.session(turn, false),
        _ => book.session_saying(turn - 1, b"other", false),
    });
    let (stored, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let errors: Vec<Error> = refused.into_iter().filter_map(Result::err).collect();
    assert_eq!((stored.len(), errors.len()), (usize::from(THREADS) * 3, usize::from(THREADS) * 3));
    assert!(errors.iter().all(|error| error.kind() == Kind::Findings), "{errors:?}");
    check(&book, &stored.into_iter().map(Result::unwrap).collect::<Vec<_>>(), 1);
}

#[test]
fn a_store_that_fails_takes_nobody_with_it() {
    for mode in [FailMode::NotPersisted, FailMode::Persisted] {
        for n in [1, 2, 5] {
            let book = Book::new();
            // The other ledger has a copy of what is not told to fail.
            book.shared.0.fail_at(n, mode);
            let (results, _) = together(&book, 4, |book, turn| book.session(turn % 3, false));
            let (stored, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
            assert!(failed.len() <= usize::from(mode == FailMode::NotPersisted), "{failed:?}");
            check(&book, &stored.into_iter().map(Result::unwrap).collect::<Vec<_>>(), 1);
        }
    }
}

/// One brings a file that is not there: what others wrote with it is stored all the same.
#[test]
fn bad_content_is_its_writers_alone() {
    let book = Book::new();
    let (results, _) = together(&book, 4, |book, turn| {
        let mut new = book.session(turn % 3, false);
        if turn == 2 {
            let described = Descriptor::of(b"gone", "text/plain");
            new.contents.push(Content::File(described, "/nowhere/at/all".into()));
        }
        new
    });
    let (stored, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let failed: Vec<Error> = failed.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), usize::from(THREADS));
    for error in failed {
        assert!(error.hints().iter().any(|hint| hint.contains("/nowhere/at/all")), "{error:?}");
    }
    check(&book, &stored.into_iter().map(Result::unwrap).collect::<Vec<_>>(), 1);
}

/// A key that panics while it signs, before and while others wait.
#[test]
fn a_panic_of_one_does_not_hang_the_others() {
    struct Panics(SigningKey, AtomicBool);
    impl ledger_format::Signer for Panics {
        fn public_key(&self) -> [u8; 32] {
            self.0.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<[u8; 64], ledger_format::SignError> {
            assert!(!self.1.swap(false, Ordering::Relaxed), "the card is gone");
            self.0.sign(message)
        }
    }
    let book = Book::new();
    let slow = Slow(book.shared.clone(), Arc::default());
    let ledger = Ledger::open(Box::new(slow)).unwrap();
    let stored = std::thread::scope(|scope| {
        let write = |n: u8| {
            let mut own = book.copy();
            own.count = n * 10;
            let mut stored = Vec::new();
            for turn in 0..6 {
                // Of half of them the statement's key, of the others the checkpoint's.
                let panics =
                    |yes| Panics(key(if yes { FOUNDER } else { LOG_KEY }), AtomicBool::new(turn == 2));
                let (signer, log_key) = (panics(true), panics(false));
                let author = match n % 2 {
                    0 => Author { signer: &signer, log_key: &log_key.0, time: 1_700_000_000 },
                    _ => Author { signer: &signer.0, log_key: &log_key, time: 1_700_000_000 },
                };
                let new = own.session(turn, false);
                let append = std::panic::AssertUnwindSafe(|| ledger.append(&author, &new));
                match std::panic::catch_unwind(append) {
                    Ok(entry) => stored.push(entry.unwrap()),
                    Err(_) => assert_eq!(turn, 2),
                }
            }
            stored
        };
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || write(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    check(&book, &stored, 1);
    assert!(stored.len() >= usize::from(THREADS) * 5);
}

/// Beside threads that share a ledger, another process writes to the same store.
#[test]
fn another_process_between_them_is_one_more_writer() {
    let book = Book::new();
    let stop = AtomicBool::new(false);
    let (results, others) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let ledger = Ledger::open(Box::new(book.shared.clone())).unwrap();
            let mut own = Book { ledger, shared: book.shared.clone(), log_key: key(LOG_KEY), count: 200 };
            let mut stored = Vec::new();
            while !stop.load(Ordering::Relaxed) && stored.len() < 50 {
                let new = own.session(stored.len() as u8 % 3, false);
                stored.push(own.append(&key(FOUNDER), &new).unwrap());
                std::thread::sleep(Duration::from_millis(3));
            }
            stored
        });
        let (results, _) = together(&book, 5, |book, turn| book.session(turn % 3, false));
        stop.store(true, Ordering::Relaxed);
        (results, other.join().unwrap())
    });
    let stored: Vec<Entry> = results.into_iter().map(Result::unwrap).chain(others).collect();
    check(&book, &stored, 1);
}
