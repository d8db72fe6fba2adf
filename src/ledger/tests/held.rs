//! A ledger as a source of prompts.

use super::*;
use crate::error::Kind;
use ledger_format::Snapshot;

fn shown(book: &Book, size: u64) -> Vec<(String, String)> {
    let held = book.ledger.bound_prompts(size).unwrap();
    let text = |content: Result<Vec<u8>, String>| match content {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(why) => format!("({why})"),
    };
    held.into_iter().map(|held| (held.reference.unwrap(), text(held.content))).collect()
}

/// A ledger in which entry 1 binds p1.v1 and p3.v1, and entry 3 binds p2.v1 without a session.
fn book() -> Book {
    let mut book = Book::new();
    let mut both = book.session(1, false);
    let third = book.session(3, false);
    let (Body::Session(session), Body::Session(other)) = (&mut both.body, &third.body) else { panic!() };
    session.prompts.extend(other.prompts.clone());
    both.contents.extend(third.contents);
    book.append(&key(FOUNDER), &both).unwrap();
    let again = book.session(1, false);
    book.append(&key(FOUNDER), &again).unwrap();
    let content = Descriptor::of(b"prompt 2", "text/markdown");
    let body = Body::Prompt(ledger_format::Prompt { content: content.clone() });
    let contents = vec![Content::Bytes(content, b"prompt 2".to_vec())];
    let new = New { name: "p2.v1".into(), body, contents, next_log_key: None };
    book.append(&key(FOUNDER), &new).unwrap();
    book
}

#[test]
fn what_was_bound_at_any_time() {
    let book = book();
    let all = ["1", "2", "3"].map(|n| (format!("p{n}.v1"), format!("prompt {n}")));
    assert_eq!(shown(&book, 0), []);
    assert_eq!(shown(&book, 1), []);
    for size in [2, 3] {
        assert_eq!(shown(&book, size), [all[0].clone(), all[2].clone()]);
    }
    for size in [4, 5, u64::MAX] {
        assert_eq!(shown(&book, size), all);
    }
    let held = book.ledger.bound_prompts(4).unwrap();
    assert_eq!(held[0].path, "p1.md");
}

#[test]
fn erased_content_is_told_and_changed_content_is_an_integrity_error() {
    let book = book();
    let address = Address(*blake3::hash(b"prompt 1").as_bytes());
    let copy = book.copy();
    copy.append(&key(FOUNDER), &erase(address)).unwrap();
    assert_eq!(shown(&copy, 5)[0], ("p1.v1".into(), "(it was erased from the ledger)".into()));

    let mut content = book.shared.0.content();
    content.blobs.insert(address.0, Some(b"prompt l".to_vec()));
    let changed = Ledger::open(Box::new(MemoryStore::from(content))).unwrap();
    assert_eq!(changed.bound_prompts(4).unwrap_err().kind(), Kind::Integrity);
}

#[test]
fn an_index_that_binds_what_no_entry_binds_is_an_integrity_error() {
    let book = book();
    let other = Address(*blake3::hash(b"prompt 2").as_bytes());
    for (reference, at) in [("p1.v1", 1), ("p9.v1", 1), ("p2.v1", 2), ("p1.v1", 3)] {
        let mut content = book.shared.0.content();
        content.index.extend(index::ref_rows(reference, &other, at));
        let damaged = Ledger::open(Box::new(MemoryStore::from(content))).unwrap();
        assert_eq!(damaged.bound_prompts(4).unwrap_err().kind(), Kind::Integrity, "{reference} {at}");
    }
}

#[test]
fn the_files_of_a_snapshot() {
    let book = book();
    let (manifest, contents) = manifest(9, true);
    let body =
        Body::Snapshot(Snapshot { manifest, commit: None, tag: None, lint_errors: 0, lint_warnings: 0 });
    let new = New { name: "v1".into(), body, contents, next_log_key: None };
    let entry = book.append(&key(FOUNDER), &new).unwrap();
    let held = book.ledger.snapshot_prompts(&entry).unwrap();
    let paths: Vec<_> = held.iter().map(|held| held.path.as_str()).collect();
    assert_eq!(paths, ["a.txt", "b.txt", "c.txt"]);
    assert_eq!(held[1].content.as_deref(), Ok(b"file 9".as_slice()));
    let session = book.ledger.entry(1).unwrap().unwrap();
    assert!(book.ledger.snapshot_prompts(&session).unwrap_err().to_string().contains("is no snapshot"));

    let Body::Snapshot(snapshot) = &entry.statement.body else { panic!() };
    book.append(&key(FOUNDER), &erase(snapshot.manifest.blake3)).unwrap();
    assert!(book.ledger.snapshot_prompts(&entry).unwrap_err().to_string().contains("was erased"));
}
