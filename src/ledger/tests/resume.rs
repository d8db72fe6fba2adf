//! Audits that go on from the head that an earlier one judged.

use super::random::{play, tries};
use super::*;
use crate::store::Content as Stored;
use index::Table;
use ledger_format::Snapshot;
use proptest::prelude::*;

/// What an audit found consistent, for the next one to go on from.
fn judged(book: &Book) -> Options {
    let report = book.audit(&Options::default());
    assert_eq!(report.findings, []);
    Options { pinned: Some(book.head()), judged: Some(book.head()), basis: report.basis, checkpoint: None }
}

fn since(book: &Book, options: &Options) -> Report {
    super::super::audit(&book.ledger, options, &mut |_| {}).unwrap()
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code).collect()
}

fn snapshot(name: &str) -> New {
    let (described, contents) = manifest(99, true);
    let body = Body::Snapshot(Snapshot {
        manifest: described,
        commit: None,
        tag: None,
        lint_errors: 0,
        lint_warnings: 0,
    });
    New { name: name.into(), body, contents, next_log_key: None }
}

/// 0 genesis, 1-3 enrolments, 4 a session, 5 a revocation, 6 a snapshot, 7 a new log key.
fn book() -> Book {
    let mut book = Book::new();
    let ada = key(FOUNDER);
    for (seed, name, roles) in [(2, "eve", "user"), (3, "bot", "agent"), (4, "mallory", "admin")] {
        book.append(&ada, &enrol(seed, name, &[roles])).unwrap();
    }
    let session = book.session(0, true);
    book.append(&key(2), &session).unwrap();
    book.append(&ada, &revoke(4)).unwrap();
    book.append(&ada, &snapshot("one")).unwrap();
    book.append(&ada, &new_log_key(201)).unwrap();
    book.log_key = key(201);
    book
}

/// And a session more.
fn grown() -> (Book, Options) {
    let mut book = book();
    let options = judged(&book);
    let session = book.session(1, false);
    book.append(&key(2), &session).unwrap();
    (book, options)
}

#[test]
fn only_what_is_new_is_read() {
    let (mut book, options) = grown();
    let report = since(&book, &options);
    assert_eq!((codes(&report), report.rung), (vec![], Some(Rung::Pinned)));
    assert_eq!((report.from, report.judged, report.hashed), (8, 9, 1));
    assert_eq!((report.contents, report.misfits.is_none()), (None, true));
    assert_eq!(report.basis, book.audit(&Options::default()).basis);
    // With nothing new, nothing is read.
    let again = Options { judged: Some(book.head()), basis: report.basis, ..options.clone() };
    assert_eq!(since(&book, &again).hashed, 0);
    // What the index says of the time since is no hindrance: a key that ended, one that came, another log key.
    book.append(&key(2), &change(KeyChange::Rotate { key: public(&key(5)) })).unwrap();
    book.append(&key(FOUNDER), &enrol(6, "carol", &["user"])).unwrap();
    book.append(&key(FOUNDER), &snapshot("two")).unwrap();
    book.append(&key(FOUNDER), &new_log_key(202)).unwrap();
    book.log_key = key(202);
    for options in [options, again] {
        let report = since(&book, &options);
        assert_eq!((codes(&report), report.hashed), (vec![], 13 - report.from));
        assert_eq!(report.basis, book.audit(&Options::default()).basis);
    }
}

#[test]
fn what_was_damaged_below_is_for_a_whole_audit_to_find() {
    let (book, options) = grown();
    book.shared.0.tamper(|content| {
        let bytes = content.statements.get_mut(&4).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
    });
    assert_eq!(since(&book, &options).findings, []);
    assert_eq!(codes(&book.audit(&Options::default())), ["bad-signature"]);
    // What is new and wrong is told after a look at everything.
    book.shared.0.tamper(|content| *content.statements.get_mut(&8).unwrap().last_mut().unwrap() ^= 1);
    assert_eq!(codes(&since(&book, &options)), ["forked"]);
}

#[test]
fn a_forged_index_is_found() {
    let row_of = |content: &Stored, table: Table, text: &[u8]| {
        let found = content.index.iter().find(|(key, value)| {
            key[0] == table as u8
                && (key.windows(text.len()).any(|part| part == text)
                    || value.windows(text.len()).any(|part| part == text))
        });
        found.map(|(key, value)| (key.clone(), value.clone())).unwrap()
    };
    let change_key = |content: &mut Stored, identity: &str, change: fn(&mut KeyRecord)| {
        let (at, value) = row_of(content, Table::Key, identity.as_bytes());
        let mut record = index::read_key_row(&value).unwrap();
        change(&mut record);
        content.index.insert(at, index::key_row(&record).unwrap().1);
    };
    type Forge<'a> = &'a dyn Fn(&mut Stored);
    let cases: [(&str, Forge<'_>); 9] = [
        ("rights for a key", &|c| change_key(c, "bot", |r| r.roles = Roles::from_names(["admin"]).unwrap())),
        ("a revocation hidden", &|c| change_key(c, "mallory", |r| r.revoked = None)),
        ("a revocation put off", &|c| change_key(c, "mallory", |r| r.revoked = Some(100))),
        ("an older last statement", &|c| change_key(c, "ada", |r| r.last = 1)),
        ("a ref bound to other content", &|c| {
            let (at, mut value) = row_of(c, Table::Ref, b"p0.v1");
            value[0] ^= 1;
            c.index.insert(at, value);
        }),
        ("a ref hidden", &|c| drop(c.index.remove(&row_of(c, Table::Ref, b"p0.v1").0))),
        ("a snapshot's name hidden", &|c| {
            drop(c.index.remove(&row_of(c, Table::Subject, &index::subject_tag("snapshot/one")).0))
        }),
        ("a checkpoint key hidden", &|c| {
            drop(c.index.remove(&row_of(c, Table::CheckpointKey, &kid(&key(LOG_KEY)).0).0))
        }),
        ("a key that nobody enrolled", &|c| {
            let (_, value) = row_of(c, Table::Key, b"ada");
            let record = KeyRecord {
                key: public(&key(66)),
                enrolled: 8,
                last: 8,
                ..index::read_key_row(&value).unwrap()
            };
            c.index.extend([index::key_row(&record).unwrap()]);
        }),
    ];
    for (what, forge) in cases {
        let (book, options) = grown();
        book.shared.0.tamper(forge);
        let report = since(&book, &options);
        assert_eq!((codes(&report), report.rung), (vec!["index"], None), "{what}");
        // And with nothing new.
        let book = self::book();
        let options = judged(&book);
        book.shared.0.tamper(forge);
        assert_eq!(codes(&since(&book, &options)), ["index"], "{what}");
    }
}

#[test]
fn a_basis_that_is_not_that_of_the_head_means_reading_all_again() {
    let (book, options) = grown();
    let mut basis = options.basis.clone().unwrap();
    basis.digest[0] ^= 1;
    let mut other = options.basis.clone().unwrap();
    other.checkpoint_key = public(&key(202));
    for basis in [None, Some(basis), Some(other)] {
        let report = since(&book, &Options { basis, ..options.clone() });
        assert_eq!((codes(&report), report.from, report.hashed), (vec![], 8, 9));
        assert_eq!(report.basis, book.audit(&Options::default()).basis);
    }
}

#[test]
fn the_heads_held_below_count() {
    let (book, options) = grown();
    let earlier = Head { size: 3, root: root_of(&book, 3) };
    let report = since(&book, &Options { checkpoint: Some(earlier), ..options.clone() });
    assert_eq!((codes(&report), report.hashed), (vec![], 1));
    let never = Head { root: [1; 32], ..earlier };
    let report = since(&book, &Options { checkpoint: Some(never), ..options.clone() });
    assert_eq!(codes(&report), ["forked"]);
    // What was judged is of another history, or the tree is damaged.
    let never = Head { root: [1; 32], ..options.judged.unwrap() };
    assert_eq!(codes(&since(&book, &Options { judged: Some(never), ..options.clone() })), ["forked"]);
    book.shared.0.tamper(|content| content.tiles.values_mut().for_each(|tile| tile[40] ^= 1));
    assert_eq!(codes(&since(&book, &options)), ["tree"]);
}

#[test]
fn content_erased_before_is_no_loss_for_whoever_names_it_again() {
    let mut book = Book::new();
    let session = book.session(0, false);
    book.append(&key(FOUNDER), &session).unwrap();
    book.append(&key(FOUNDER), &erase(Address::of(b"prompt 0"))).unwrap();
    let options = judged(&book);
    let mut session = book.session(0, false);
    session.contents.remove(0);
    book.append(&key(FOUNDER), &session).unwrap();
    assert_eq!(codes(&since(&book, &options)), [""; 0]);
    // What is erased since is gone.
    let options = judged(&book);
    let details = session.body.contents()[1].clone();
    book.append(&key(FOUNDER), &erase(details.blake3)).unwrap();
    let report = since(&book, &options);
    assert_eq!((codes(&report), report.hashed), (vec![], 1));
    book.shared
        .0
        .tamper(|content| drop(content.blobs.insert(details.blake3.0, Some(b"still here".to_vec()))));
    assert!(codes(&since(&book, &options)).contains(&"not-erased"));
}

#[test]
fn hashes_alone_see_changed_bytes_and_say_no_more() {
    let hashes = |book: &Book, options: &Options| {
        super::super::audit_hashes(&book.ledger, options, &mut |_| {}).unwrap()
    };
    let (book, options) = grown();
    let report = hashes(&book, &options);
    assert_eq!((codes(&report), report.rung, report.judged, report.hashed), (vec![], None, 0, 9));
    assert!(report.rung_withheld.is_some() && report.basis.is_none());
    let never = Head { root: [1; 32], ..book.head() };
    let ahead = Head { size: 10, root: [1; 32] };
    assert_eq!(codes(&hashes(&book, &Options { pinned: Some(never), ..Options::default() })), ["forked"]);
    assert_eq!(
        codes(&hashes(&book, &Options { checkpoint: Some(ahead), ..Options::default() })),
        ["went-back"]
    );
    type Damage = fn(&mut Stored);
    let cases: [(&[&str], Damage); 6] = [
        (&["forked", "tree"], |c| c.statements.get_mut(&4).unwrap()[30] ^= 1),
        (&["damaged"], |c| drop(c.statements.remove(&4))),
        (&["tree"], |c| c.tiles.values_mut().next().unwrap()[40] ^= 1),
        (&["tree", "checkpoint"], |c| c.head.as_mut().unwrap().root[0] ^= 1),
        (&["checkpoint"], |c| c.checkpoint[0] ^= 1),
        // The index, contents and signatures are for an audit.
        (&[], |c| c.index.clear()),
    ];
    for (expected, damage) in cases {
        let book = book.copy();
        book.shared.0.tamper(damage);
        let report = hashes(&book, &options);
        assert_eq!(codes(&report)[..expected.len()], *expected, "{:?}", report.findings);
        assert_eq!(report.failure().is_some(), !expected.is_empty());
    }
}

/// The root of a book's first entries.
fn root_of(book: &Book, size: u64) -> Hash {
    let statements = book.shared.0.content().statements;
    let leaves = statements.values().map(|bytes| tree::leaf_hash(bytes)).collect();
    tree::root(&tree::Leaves(leaves), size).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_wherever_it_goes_on_an_audit_comes_to_the_same(before in tries(), after in tries()) {
        let mut book = Book::new();
        play(&mut book, &before);
        let options = judged(&book);
        play(&mut book, &after);
        let whole = book.audit(&Options::default());
        let rest = since(&book, &options);
        prop_assert_eq!(&rest.findings, &whole.findings);
        prop_assert_eq!((rest.judged, &rest.basis), (whole.judged, &whole.basis));
        // What was erased before is not known without the entries that say so.
        let erased = !book.ledger.of_kind("erase").unwrap().is_empty();
        prop_assert!(rest.hashed == rest.judged - rest.from || erased, "{rest:?}");
    }
}
