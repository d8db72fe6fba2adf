//! What an audit must notice, and what it must not mistake for something else.

use super::*;
use crate::store::Content as Stored;
use crate::store::NewBlob;

/// A ledger with some of everything: 0 genesis, 1-2 enrolments, 3-4 sessions, 5 a run, 6 a new log key.
fn book() -> Book {
    book_of(7)
}

fn book_of(nonce: u8) -> Book {
    let mut book = Book::founded(nonce);
    let ada = key(FOUNDER);
    book.append(&ada, &enrol(2, "eve", &["user"])).unwrap();
    book.append(&ada, &enrol(3, "bot", &["agent"])).unwrap();
    let plans = [book.session(0, false), book.session(1, true)];
    let sessions = plans.map(|new| book.append(&key(2), &new).unwrap().statement.id);
    let run = book.run(&sessions);
    book.append(&key(3), &run).unwrap();
    book.append(&ada, &new_log_key(201)).unwrap();
    book.log_key = key(201);
    book
}

#[test]
fn every_kind_of_tampering_is_found_under_its_name() {
    type Damage = fn(&mut Stored);
    let cases: [(&str, &str, Damage); 12] = [
        ("a changed statement", "bad-signature", |c| {
            let bytes = c.statements.get_mut(&3).unwrap();
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
        }),
        ("a removed statement", "damaged", |c| drop(c.statements.remove(&4))),
        ("two statements in another order", "broken-head", |c| {
            let (a, b) = (c.statements[&3].clone(), c.statements[&4].clone());
            c.statements.extend([(3, b), (4, a)]);
        }),
        ("a statement recorded twice", "broken-head", |c| {
            let again = c.statements[&3].clone();
            c.statements.insert(4, again);
        }),
        ("another root", "tree", |c| c.head.as_mut().unwrap().root[0] ^= 1),
        ("another tile", "tree", |c| c.tiles.values_mut().next().unwrap()[40] ^= 1),
        ("a checkpoint of another origin", "checkpoint", |c| c.checkpoint[0] ^= 1),
        ("other content", "altered-content", |c| {
            c.blobs.values_mut().for_each(|blob| blob.as_mut().unwrap()[0] ^= 1)
        }),
        ("lost content", "missing-content", |c| drop(c.blobs.remove(&Address::of(b"prompt 0").0))),
        ("content made to look erased", "missing-content", |c| {
            drop(c.blobs.insert(Address::of(b"prompt 0").0, None))
        }),
        ("a missing index row", "index", |c| drop(c.index.pop_first())),
        ("a row too many", "index", |c| drop(c.index.insert(b"c-nothing".to_vec(), Vec::new()))),
    ];
    for (what, code, damage) in cases {
        let book = book();
        assert_eq!(book.findings(), [""; 0]);
        book.shared.0.tamper(damage);
        let report = book.audit(&Options::default());
        let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
        assert!(codes.contains(&code), "{what}: {codes:?}");
        assert_eq!(report.rung, None, "{what}");
    }
}

#[test]
fn a_keeper_who_forges_rights_in_the_index_does_not_pass_as_seen_before() {
    let book = book();
    let seen = book.head();
    // Mallory can write the file and the log key beside it, and enrols himself where nobody looks again.
    let mallory = key(66);
    let forged = ledger_format::rules::KeyRecord {
        identity: "mallory".into(),
        key: public(&mallory),
        roles: Roles::from_names(["admin", "user"]).unwrap(),
        acting_for: None,
        enrolled: 1,
        revoked: None,
        suspect_since: None,
        last: 1,
    };
    let (row, value) = index::key_row(&forged).unwrap();
    book.shared.0.tamper(|content| drop(content.index.insert(row, value)));
    book.append(&mallory, &enrol(67, "trent", &["admin"])).unwrap();
    for judged in [None, Some(seen)] {
        let report = book.audit(&Options { pinned: Some(seen), judged, ..Options::default() });
        assert_eq!(report.rung, None);
        assert_eq!(report.findings[0].code, "unknown-key");
        assert_eq!(report.judged, seen.size);
    }
}

#[test]
fn a_judged_prefix_that_was_replaced_is_a_fork() {
    let (one, mut other) = (book(), Book::new());
    for n in 0..7 {
        let new = other.session(n, false);
        other.append(&key(FOUNDER), &new).unwrap();
    }
    let (judged, size) = (one.head(), other.head().size);
    for options in [
        Options { judged: Some(judged), ..Options::default() },
        Options { pinned: Some(judged), ..Options::default() },
        Options { checkpoint: Some(judged), ..Options::default() },
    ] {
        let report = other.audit(&options);
        assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["forked"]);
        assert_eq!(report.judged, if options.judged.is_some() { 0 } else { size });
        let gone = Head { size: size + 1, root: [0; 32] };
        let report = other.audit(&Options { pinned: Some(gone), ..options });
        assert_eq!(report.findings[0].code, "went-back");
    }
    let empty = Head { size: 0, root: [0; 32] };
    let report = one.audit(&Options { checkpoint: Some(empty), ..Options::default() });
    assert_eq!(report.findings[0].code, "forked");
}

#[test]
fn a_damaged_tree_is_no_fork() {
    let book = book();
    let old = book.head();
    book.append(&key(FOUNDER), &revoke(3)).unwrap();
    book.shared.0.tamper(|content| content.tiles.values_mut().next().unwrap()[40] ^= 1);
    book.ledger.check_extends(&old).unwrap();
    let report = book.audit(&Options { pinned: Some(old), ..Options::default() });
    assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["tree"]);
    let other = Head { root: [1; 32], ..old };
    assert_eq!(book.ledger.check_extends(&other).unwrap_err().kind(), crate::error::Kind::Integrity);
}

#[test]
fn each_description_of_content_is_checked() {
    let mut book = Book::new();
    let first = book.session(0, false);
    book.append(&key(FOUNDER), &first).unwrap();
    // The right address and the wrong SHA-256, of content that another entry described rightly.
    let mut lying = book.session(0, false);
    if let Body::Session(session) = &mut lying.body {
        session.prompts[0].content.sha256[0] ^= 1;
    }
    let entry = book.append(&key(FOUNDER), &lying).unwrap();
    let report = book.audit(&Options::default());
    assert_eq!(
        report.findings.iter().map(|f| (f.code, f.entry)).collect::<Vec<_>>(),
        [("wrong-hash", Some(2))]
    );
    assert!(!book.ledger.trace_entry(&entry).unwrap().holds());
}

#[test]
fn evidence_of_other_ledgers_must_prove_what_it_is_kept_for() {
    let theirs = book_of(8);
    let evidence = |at| {
        let entry = theirs.ledger.entry(at).unwrap().unwrap();
        (entry.statement.id, theirs.ledger.take_evidence(&entry).unwrap())
    };
    let ((session, tar), (run, run_tar)) = (evidence(3), evidence(5));
    for (what, id, tar, ledger, findings) in [
        ("as it is", session, tar.clone(), theirs.ledger.id(), vec![]),
        ("of another entry", EntryId([3; 32]), tar.clone(), theirs.ledger.id(), vec!["foreign-evidence"]),
        ("of another ledger", session, tar.clone(), EntryId([3; 32]), vec!["foreign-evidence"]),
        ("cut short", session, tar[..tar.len() - 600].to_vec(), theirs.ledger.id(), vec!["foreign-evidence"]),
        ("of a run", run, run_tar, theirs.ledger.id(), vec!["foreign-evidence"]),
    ] {
        let mut ours = Book::new();
        let mut new = ours.run(&[id]);
        let evidence = Descriptor::of(&tar, ledger_format::evidence::MEDIA_TYPE);
        if let Body::Run(run) = &mut new.body {
            let evidence = evidence.clone();
            run.sessions[0].foreign = Some(ledger_format::Foreign { ledger, evidence, trusted: true });
        }
        let address = evidence.blake3.0;
        new.contents.push(Content::Bytes(evidence, tar.clone()));
        if !findings.is_empty() {
            ours.append(&key(FOUNDER), &new).unwrap_err();
            // Another program may be less careful: the statement first, and the tar brought in later.
            new.contents.pop();
        }
        let entry = ours.append(&key(FOUNDER), &new).unwrap();
        let head = ours.ledger.head().unwrap();
        let blob = NewBlob { address, size: tar.len() as u64, base: None, source: Box::new(tar.as_slice()) };
        let checkpoint = ours.ledger.signed_checkpoint().unwrap();
        let batch =
            Batch { expect: head.size, root: head.root, checkpoint, blobs: vec![blob], ..Batch::default() };
        assert_eq!(ours.ledger.store.commit(batch).unwrap(), Outcome::Done);
        assert_eq!(ours.findings(), findings, "{what}");
        assert_eq!(ours.ledger.trace_entry(&entry).unwrap().holds(), findings.is_empty(), "{what}");
        assert_eq!(ours.ledger.take_evidence(&entry).is_ok(), findings.is_empty(), "{what}");
    }
}
