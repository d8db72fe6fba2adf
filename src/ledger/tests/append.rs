//! Appending: races, failing stores, and what is refused.

use super::*;
use crate::error::Kind;
use crate::store::FailMode;
use ledger_format::Foreign;
use std::collections::HashSet;

#[test]
fn nothing_is_lost_and_nothing_recorded_twice_at_any_fail_point() {
    for mode in [FailMode::NotPersisted, FailMode::Persisted] {
        for n in 1..=5 {
            let mut book = Book::new();
            book.shared.0.fail_at(n, mode);
            let mut failures = 0;
            for step in 0..5 {
                let new = if step == 3 { new_log_key(201) } else { book.session(step, step == 1) };
                let before = book.head();
                let signer = key(FOUNDER);
                let entry = book.append(&signer, &new).unwrap_or_else(|error| {
                    assert_eq!((mode, error.kind()), (FailMode::NotPersisted, Kind::Unavailable));
                    assert_eq!(book.head(), before, "a failed append left something behind");
                    failures += 1;
                    book.append(&signer, &new).unwrap()
                });
                assert_eq!((entry.index, book.head().size), (before.size, before.size + 1));
                if new.next_log_key.is_some() {
                    book.log_key = key(201);
                }
                // As another process finds it.
                let reopened = book.copy();
                assert_eq!(reopened.findings(), [""; 0]);
                assert_eq!(reopened.ledger.entry(entry.index).unwrap().unwrap().statement, entry.statement);
            }
            assert_eq!(failures, u64::from(mode == FailMode::NotPersisted));
            assert_eq!(book.head().size, 6);
        }
    }
}

#[test]
fn eight_writers_with_one_key_all_get_their_place() {
    let book = Book::new();
    let shared = &book.shared;
    let ids: HashSet<EntryId> = std::thread::scope(|scope| {
        let write = |n: u8| {
            let ledger = Ledger::open(Box::new(shared.clone())).unwrap();
            let mut book = Book { shared: shared.clone(), ledger, log_key: key(LOG_KEY), count: n * 10 };
            let one = |m| {
                let new = book.session(n % 3, m == 2);
                book.append(&key(FOUNDER), &new).unwrap().statement.id
            };
            (0..4).map(one).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || write(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((ids.len(), book.head().size), (32, 33));
    assert_eq!(book.findings(), [""; 0]);
}

#[test]
fn what_may_not_be_said_is_refused_and_leaves_nothing() {
    let mut book = Book::new();
    let [ada, eve, bot] = [FOUNDER, 2, 3].map(key);
    book.append(&ada, &enrol(2, "eve", &["user"])).unwrap();
    book.append(&ada, &enrol(3, "bot", &["agent"])).unwrap();
    let session = book.session(0, false);
    let session = book.append(&eve, &session).unwrap().statement.id;
    book.append(&ada, &new_log_key(201)).unwrap();
    book.log_key = key(201);
    book.append(&ada, &erase(Address::of(b"never here"))).unwrap();

    let own = book.ledger.id();
    let mut own_as_foreign = book.run(&[session]);
    if let Body::Run(run) = &mut own_as_foreign.body {
        let evidence = Descriptor::of(b"", "application/x-tar");
        run.sessions[0].foreign = Some(Foreign { ledger: own, evidence, trusted: true });
    }
    let cases = [
        ("another's text under a bound ref", &ada, book.session_saying(0, b"other", false), Kind::Findings),
        ("an unbound ref by an agent", &bot, book.session(9, false), Kind::Failed),
        ("keys by a user", &eve, enrol(4, "mallory", &["user"]), Kind::Failed),
        ("another's key revoked by a user", &eve, revoke(3), Kind::Failed),
        ("erasing by a user", &eve, erase(Address::of(b"prompt 0")), Kind::Failed),
        ("the last admin revoked", &ada, revoke(FOUNDER), Kind::Failed),
        ("the log key enrolled", &ada, enrol(201, "mallory", &["user"]), Kind::Failed),
        ("a former log key enrolled", &ada, enrol(LOG_KEY, "mallory", &["user"]), Kind::Failed),
        (
            "the log key made a person's",
            &ada,
            change(KeyChange::Rotate { key: public(&key(201)) }),
            Kind::Failed,
        ),
        ("a former log key again", &ada, new_log_key(LOG_KEY), Kind::Failed),
        ("a person's key as log key", &ada, new_log_key(2), Kind::Failed),
        ("a run of unknown sessions", &bot, book.run(&[EntryId([9; 32])]), Kind::Failed),
        ("a run of no session", &bot, book.run(&[own]), Kind::Failed),
        ("an own session as foreign", &bot, own_as_foreign, Kind::Failed),
        ("a key that is not enrolled", &key(77), book.session(0, false), Kind::Failed),
        ("content that was erased", &ada, book.session_saying(8, b"never here", false), Kind::Failed),
    ];
    let before = book.shared.0.content();
    for (what, signer, new, kind) in cases {
        let error = book.append(signer, &new).map(|_| panic!("{what} was accepted")).unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
    }
    assert_eq!(book.shared.0.content(), before);
    let wrong_log_key = Book { log_key: key(LOG_KEY), ..book.copy() };
    let new = book.session(0, false);
    assert_eq!(wrong_log_key.append(&ada, &new).unwrap_err().kind(), Kind::Integrity);
    assert_eq!(book.findings(), [""; 0]);
}

#[test]
fn a_rotated_key_ends_and_its_successor_has_its_rights() {
    let mut book = Book::new();
    let (old, new) = (key(FOUNDER), key(2));
    let first = book.session(0, false);
    book.append(&old, &first).unwrap();
    book.append(&old, &change(KeyChange::Rotate { key: public(&new) })).unwrap();
    let by_old = book.session(0, false);
    assert_eq!(book.append(&old, &by_old).unwrap_err().kind(), Kind::Failed);
    assert_eq!(book.append(&new, &by_old).unwrap().statement.issuer, "ada");
    book.append(&new, &enrol(3, "eve", &["admin"])).unwrap();
    // Oneself, now that there is another admin; and then never again.
    book.append(&new, &revoke(2)).unwrap();
    assert_eq!(book.append(&new, &by_old).unwrap_err().kind(), Kind::Failed);
    assert_eq!(book.append(&key(3), &enrol(2, "ada", &["user"])).unwrap_err().kind(), Kind::Failed);
    assert_eq!(book.findings(), [""; 0]);
}

#[test]
fn a_damaged_tree_is_never_continued() {
    let mut book = Book::new();
    let new = book.session(0, false);
    book.shared.0.tamper(|content| {
        content.tiles.values_mut().for_each(|tile| tile[0] ^= 1);
    });
    assert_eq!(book.append(&key(FOUNDER), &new).unwrap_err().kind(), Kind::Integrity);
    assert_eq!(book.head().size, 1);
}
