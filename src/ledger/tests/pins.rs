//! Pins under many hands.

use super::*;
use crate::error::Kind;

fn pin(book: &Book, head: Head) -> Pin {
    Pin { origin: book.ledger.origin(), head, judged: None, basis: None, place: None }
}

/// A ledger and all heads that it had.
fn grown(entries: u64) -> (Book, Vec<Head>) {
    let mut book = Book::new();
    let mut heads = vec![book.head()];
    for _ in 0..entries {
        let new = book.session(0, false);
        book.append(&key(FOUNDER), &new).unwrap();
        heads.push(book.head());
    }
    (book, heads)
}

#[test]
fn a_pin_never_goes_back_under_eight_writers() {
    let (book, heads) = grown(16);
    let dir = tempfile::tempdir().unwrap();
    let pins = Pins::new(dir.path().join("pins"));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (book, heads, pins) = (&book, &heads, &pins);
            scope.spawn(move || {
                let mut last = 0;
                for step in 0..heads.len() {
                    // Each in an order of its own; 5 and 17 have no common factor.
                    let head = heads[(step * 5 + n) % heads.len()];
                    let judged = (n % 2 == 0).then_some(head);
                    pins.advance(&book.ledger, &Pin { judged, ..pin(book, head) }).unwrap();
                    let now = pins.get(&book.ledger.id()).unwrap().unwrap();
                    assert!(now.head.size >= last.max(head.size), "the pin went back");
                    assert!(judged.is_none_or(|judged| now.judged.unwrap().size >= judged.size));
                    last = now.head.size;
                }
            });
        }
    });
    let end = pins.get(&book.ledger.id()).unwrap().unwrap();
    assert_eq!((end.head, end.judged), (book.head(), Some(book.head())));
}

#[test]
fn what_was_pinned_is_read_again() {
    let (book, heads) = grown(2);
    let dir = tempfile::tempdir().unwrap();
    let pins = Pins::new(dir.path().to_owned());
    assert_eq!(pins.get(&book.ledger.id()).unwrap(), None);
    for (judged, place) in [
        (None, None),
        (None, Some("/with \"quotes\"\nand lines".into())),
        (Some(heads[1]), Some("/p".into())),
    ] {
        let pin = Pin { judged, place, ..pin(&book, heads[2]) };
        pins.advance(&book.ledger, &pin).unwrap();
        assert_eq!(pins.all().unwrap(), [pin]);
    }
    pins.forget_place(&book.ledger.id()).unwrap();
    let kept = pins.get(&book.ledger.id()).unwrap().unwrap();
    assert_eq!((kept.judged, kept.place), (Some(heads[1]), None));
    assert!(pins.reset(&book.ledger.id()).unwrap());
    assert!(!pins.reset(&book.ledger.id()).unwrap());
}

#[test]
fn a_fork_cannot_take_over_the_pin() {
    let (mut ours, _) = grown(3);
    let mut theirs = ours.copy();
    let dir = tempfile::tempdir().unwrap();
    let pins = Pins::new(dir.path().to_owned());
    for (book, entries) in [(&mut ours, 1), (&mut theirs, 2)] {
        for n in 0..entries {
            let new = book.session(n + 5 + entries, false);
            book.append(&key(FOUNDER), &new).unwrap();
        }
    }
    pins.advance(&ours.ledger, &pin(&ours, ours.head())).unwrap();
    // Both looked at the same pin before either wrote.
    let error = pins.advance(&theirs.ledger, &pin(&theirs, theirs.head())).unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity, "{error}");
    assert_eq!(pins.get(&ours.ledger.id()).unwrap().unwrap().head, ours.head());
}

#[test]
fn what_is_no_pin_says_so() {
    let (book, _) = grown(0);
    let good = pin(&book, book.head());
    for (what, text) in [
        ("empty", String::new()),
        ("two lines", format!("{}\n1\n", good.origin)),
        ("a place that is no text", format!("{}place 7\n", good.to_text())),
        ("a judged head without root", format!("{}judged 7\n", good.to_text())),
        ("a judged head of short root", format!("{}judged 7 00\n", good.to_text())),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::new(dir.path().to_owned());
        std::fs::write(dir.path().join(format!("{}.pin", hex::encode(book.ledger.id().0))), text).unwrap();
        assert_eq!(pins.get(&book.ledger.id()).unwrap_err().kind(), Kind::Failed, "{what}");
        assert!(pins.advance(&book.ledger, &good).is_err(), "{what} was overwritten");
    }
}

#[test]
fn what_the_ledger_does_not_hold_is_never_pinned() {
    let (book, heads) = grown(2);
    let more = Head { size: heads[2].size + 1, root: [1; 32] };
    let other = Head { root: [1; 32], ..heads[1] };
    for before in [None, Some(heads[0]), Some(heads[2])] {
        for wrong in [more, other] {
            let dir = tempfile::tempdir().unwrap();
            let pins = Pins::new(dir.path().to_owned());
            let before = before.map(|head| pin(&book, head));
            before.iter().for_each(|pin| pins.advance(&book.ledger, pin).unwrap());
            for new in [pin(&book, wrong), Pin { judged: Some(wrong), ..pin(&book, heads[2]) }] {
                let error = pins.advance(&book.ledger, &new).unwrap_err();
                assert_eq!(error.kind(), Kind::Integrity, "{error}");
                assert_eq!(pins.get(&book.ledger.id()).unwrap(), before);
            }
        }
    }
}
