//! Many statements in few commits: as one after the other, and each commit as a whole.

use super::*;
use crate::error::Kind;
use crate::store::FailMode;

/// Sessions, a run of two of them, keys that come and act, and a key that goes.
fn many(book: &mut Book, ids: [EntryId; 2]) -> Vec<New> {
    let mut all = vec![book.session(0, true), book.session(1, false), enrol(2, "eve", &["user"])];
    all.extend([book.run(&ids), book.session(0, false), enrol(3, "bot", &["agent"]), revoke(3)]);
    all.extend((0..6).map(|n| book.session(n, n == 4)));
    all
}

#[test]
fn in_commits_of_any_size_the_ledger_is_the_same_as_one_by_one() {
    let mut model = Book::new();
    let founder = key(FOUNDER);
    let first = [model.session(5, false), model.session(6, true)];
    let ids = [0, 1].map(|n| model.append(&founder, &first[n]).unwrap().statement.id);
    let start = model.copy();
    let all = many(&mut model, ids);
    for new in &all {
        model.append(&founder, new).unwrap();
    }
    for at_once in [1, 2, 3, 5, 12, 13, 99] {
        let book = start.copy();
        let (stored, error) = book.append_in(at_once, &founder, all.iter().map(again).collect());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(book.shared.0.content(), model.shared.0.content(), "{at_once} at once");
        let told: Vec<_> = stored.iter().map(|entry| (entry.index, entry.statement.id)).collect();
        let there = (3..).zip(0..all.len()).map(|(at, _)| book.ledger.entry(at).unwrap().unwrap());
        assert_eq!(told, there.map(|entry| (entry.index, entry.statement.id)).collect::<Vec<_>>());
        assert_eq!(book.findings(), [""; 0]);
    }
    let (stored, error) = start.append_in(4, &founder, Vec::new());
    assert!(stored.is_empty() && error.is_none());
}

/// A statement stands on those before it in the same commit: it cites them, uses their refs, is signed by their keys.
#[test]
fn what_comes_first_in_a_commit_counts() {
    let mut book = Book::new();
    let eve = key(2);
    let rebound = book.session_saying(4, b"other", false);
    let cases = [
        (vec![book.session(4, false), rebound], Kind::Findings, "bound to"),
        (vec![revoke(FOUNDER)], Kind::Failed, "admin"),
        (vec![enrol(2, "eve", &["admin"]), revoke(FOUNDER), book.session(1, false)], Kind::Failed, "revoked"),
        (vec![enrol(2, "eve", &["user"]), enrol(2, "eve", &["user"])], Kind::Failed, "enrolled"),
    ];
    for (all, kind, why) in cases {
        let before = book.shared.0.content();
        let (stored, error) = book.append_in(9, &key(FOUNDER), all);
        let error = error.unwrap();
        assert!(error.kind() == kind && error.to_string().contains(why), "{error}");
        assert!(stored.is_empty());
        assert_eq!(book.shared.0.content(), before, "a refused statement left others of its commit: {error}");
    }
    assert_eq!(book.append(&eve, &book.copy().session(7, false)).unwrap_err().kind(), Kind::Failed);
}

#[test]
fn a_refusal_leaves_the_commits_before_it() {
    for at_once in 1..=6 {
        let mut book = Book::new();
        let mut all: Vec<New> = (0..6).map(|n| book.session(n, false)).collect();
        all[4] = book.session_saying(1, b"other", false);
        let (stored, error) = book.append_in(at_once, &key(FOUNDER), all);
        assert_eq!(error.unwrap().kind(), Kind::Findings);
        assert_eq!(stored.len(), 4 / at_once * at_once);
        assert_eq!(book.head().size, 1 + stored.len() as u64);
        assert_eq!(book.findings(), [""; 0]);
    }
    // What gives the statements may fail too.
    let mut book = Book::new();
    let author = Author { signer: &key(FOUNDER), log_key: &key(LOG_KEY), time: 1_700_000_000 };
    let mut all = vec![Ok(book.session(0, false)), Err(Error::failed("no more")), Ok(book.session(1, false))];
    let mut stored = 0;
    let error =
        book.ledger.append_in(1, &author, &mut all.drain(..), &mut |_| stored += 1).unwrap_err().to_string();
    assert_eq!((error.as_str(), stored, book.head().size), ("no more", 1, 2));
}

#[test]
fn a_failing_store_loses_nothing_that_was_told_and_keeps_nothing_else() {
    for mode in [FailMode::NotPersisted, FailMode::Persisted] {
        for n in 1..=4 {
            let mut book = Book::new();
            let all: Vec<New> = (0..8).map(|n| book.session(n, n == 2)).collect();
            book.shared.0.fail_at(n, mode);
            let (stored, error) = book.append_in(2, &key(FOUNDER), all.iter().map(again).collect());
            assert_eq!(
                error.map(|e| e.kind()),
                (mode == FailMode::NotPersisted).then_some(Kind::Unavailable)
            );
            assert_eq!(book.head().size, 1 + stored.len() as u64);
            let done = if mode == FailMode::Persisted { 8 } else { (n as usize - 1) * 2 };
            assert_eq!(stored.len(), done);
            let (rest, error) = book.append_in(2, &key(FOUNDER), all[done..].iter().map(again).collect());
            assert!(error.is_none() && rest.len() == 8 - done);
            assert_eq!((book.findings(), book.head().size), (vec![], 9));
        }
    }
}

/// Erasing content and changing the log key take a commit of their own, wherever they come.
#[test]
fn what_others_stand_on_is_changed_alone() {
    let mut book = Book::new();
    let gone = book.session(3, true);
    let mut all: Vec<New> = vec![gone, erase(Address::of(b"prompt 3")), book.session(1, false)];
    all.extend([book.session(2, false), erase(Address::of(b"never here")), book.session(0, false)]);
    let (stored, error) = book.append_in(99, &key(FOUNDER), all);
    assert!(error.is_none() && stored.len() == 6, "{error:?}");
    assert_eq!(book.ledger.blob_state(&Address::of(b"prompt 3")).unwrap(), BlobState::Erased);
    let again = vec![book.session(1, false), book.session(3, false)];
    let (stored, error) = book.append_in(99, &key(FOUNDER), again);
    assert!(stored.is_empty() && error.unwrap().to_string().contains("erased"));

    let all = vec![book.session(4, false), new_log_key(201), book.session(5, false)];
    let (stored, error) = book.append_in(99, &key(FOUNDER), all);
    assert_eq!((stored.len(), error.unwrap().kind()), (2, Kind::Integrity));
    assert_eq!(book.findings(), [""; 0]);
}

#[test]
fn several_who_append_many_all_get_their_places() {
    let book = Book::new();
    let shared = &book.shared;
    let stored: Vec<Entry> = std::thread::scope(|scope| {
        let write = |n: u8| {
            let ledger = Ledger::open(Box::new(shared.clone())).unwrap();
            let mut book = Book { shared: shared.clone(), ledger, log_key: key(LOG_KEY), count: n * 20 };
            let all = (0..10).map(|m| book.session(m % 3, m == 2)).collect();
            let (stored, error) = book.append_in(1 + usize::from(n), &key(FOUNDER), all);
            assert!(error.is_none(), "{error:?}");
            let names: Vec<_> = stored.iter().map(|entry| entry.statement.name.clone()).collect();
            assert_eq!(names, (1..=10).map(|m| format!("s-{}", n * 20 + m)).collect::<Vec<_>>());
            stored
        };
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || write(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((stored.len(), book.head().size), (40, 41));
    for entry in stored {
        assert_eq!(book.ledger.entry(entry.index).unwrap().unwrap().statement, entry.statement);
    }
    assert_eq!(book.findings(), [""; 0]);
}
