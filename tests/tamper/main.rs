//! What somebody changes in a ledger's content, past every rule, and what the audit says of it.
//!
//! One small ledger with every kind of entry is built once; each case changes a copy of its content.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod small;

use ledger_format::{Address, Checkpoint, Descriptor, Draft, Head, Statement, tree};
use promptos::error::{Kind, Result};
use promptos::ledger::{Author, Content as Blob, Create, Ledger, Options, audit};
use promptos::store::{Access, Content, MemoryStore, TileId};
use small::{FOUNDER, LAST, LOG, NEXT_LOG, PROMPT, RUN, SESSION, UNDER, USER, build, key, session};
use std::path::Path;
use std::time::Duration;

/// The codes of the audit's findings; `None` when nothing was found. What stops the audit is `stopped`, and
/// must say that the ledger is to blame.
fn judge(content: Content) -> Option<Vec<&'static str>> {
    let report = || -> Result<_> {
        let ledger = Ledger::open(Box::new(MemoryStore::from(content)))?;
        audit(&ledger, &Options::default(), &mut |_| {})
    };
    match report() {
        Ok(report) => {
            let kind = report.failure()?;
            assert!(matches!(kind, Kind::Integrity | Kind::Failed), "{report:?}");
            assert_eq!(report.rung, None);
            Some(report.findings.iter().map(|finding| finding.code).collect())
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Integrity, "{error}");
            Some(vec!["stopped"])
        }
    }
}

#[track_caller]
fn finds(base: &Content, code: &str, change: impl FnOnce(&mut Content)) {
    let mut content = base.clone();
    change(&mut content);
    assert_ne!(&content, base, "nothing was changed");
    let found = judge(content).unwrap_or_default();
    assert!(found.contains(&code), "expected {code}, found {found:?}");
}

fn base() -> Content {
    let content = build(9, "two");
    assert_eq!(content.head.unwrap().size, LAST + 1);
    assert_eq!(judge(content.clone()), None);
    content
}

/// One place that holds bytes.
#[derive(Debug, Clone)]
enum Place {
    Statement(u64),
    Blob([u8; 32]),
    Tile(TileId),
    Row(Vec<u8>),
    Checkpoint,
}

impl Place {
    fn reach<'a>(&self, content: &'a mut Content) -> &'a mut Vec<u8> {
        match self {
            Self::Statement(at) => content.statements.get_mut(at).unwrap(),
            Self::Blob(address) => content.blobs.get_mut(address).unwrap().as_mut().unwrap(),
            Self::Tile(id) => content.tiles.get_mut(id).unwrap(),
            Self::Row(key) => content.index.get_mut(key).unwrap(),
            Self::Checkpoint => &mut content.checkpoint,
        }
    }
}

/// Every place that holds bytes as a value.
fn places(content: &Content) -> Vec<Place> {
    let blobs = content.blobs.iter().filter(|(_, bytes)| bytes.is_some());
    let mut places = vec![Place::Checkpoint];
    places.extend(content.statements.keys().copied().map(Place::Statement));
    places.extend(blobs.map(|(address, _)| Place::Blob(*address)));
    places.extend(content.tiles.keys().copied().map(Place::Tile));
    places.extend(content.index.keys().cloned().map(Place::Row));
    places
}

/// Judges many changed copies on all processors; answers those that went unnoticed.
fn unnoticed<T: Sync>(
    base: &Content,
    cases: &[T],
    change: impl Fn(&mut Content, &T) -> String + Sync,
) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let change = &change;
    std::thread::scope(|scope| {
        let part = |part: usize| {
            scope.spawn(move || {
                let mine = cases.iter().skip(part).step_by(threads);
                let judged = mine.filter_map(|case| {
                    let mut content = base.clone();
                    let what = change(&mut content, case);
                    judge(content).is_none().then_some(what)
                });
                judged.collect::<Vec<_>>()
            })
        };
        let running: Vec<_> = (0..threads).map(part).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_changed_byte_is_found() {
    let base = base();
    let length = |place: &Place| place.reach(&mut base.clone()).len();
    let bytes = |place: Place| (0..length(&place)).map(move |at| (place.clone(), at));
    let cases: Vec<(Place, usize)> = places(&base).into_iter().flat_map(bytes).collect();
    assert!(cases.len() > 5000, "{}", cases.len());
    let missed = unnoticed(&base, &cases, |content, (place, at)| {
        place.reach(content)[*at] ^= 1 << (at % 8);
        format!("byte {at} of {place:?}")
    });
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn every_cut_or_longer_value_is_found() {
    let base = base();
    let cases: Vec<(Place, bool)> =
        places(&base).into_iter().flat_map(|place| [(place.clone(), true), (place, false)]).collect();
    let missed = unnoticed(&base, &cases, |content, (place, longer)| {
        let bytes = place.reach(content);
        // Values that are empty already are only made longer.
        if *longer || bytes.pop().is_none() {
            bytes.push(0);
        }
        format!("{place:?}, longer: {longer}")
    });
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn every_changed_byte_of_the_head_is_found() {
    let base = base();
    let cases: Vec<usize> = (0..40).collect();
    let missed = unnoticed(&base, &cases, |content, &at| {
        let head = content.head.as_mut().unwrap();
        match at.checked_sub(8) {
            None => head.size ^= 1 << (8 * at),
            Some(at) => head.root[at] ^= 1,
        }
        format!("byte {at} of the head")
    });
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn every_moved_or_removed_index_row_is_found() {
    let base = base();
    let keys: Vec<Vec<u8>> = base.index.keys().cloned().collect();
    let cases: Vec<(Vec<u8>, Option<usize>)> = keys
        .iter()
        .flat_map(|key| [None].into_iter().chain((0..key.len()).map(Some)).map(|at| (key.clone(), at)))
        .collect();
    let missed = unnoticed(&base, &cases, |content, (key, at)| {
        let value = content.index.remove(key).unwrap();
        if let Some(at) = *at {
            let mut moved = key.clone();
            moved[at] ^= 1 << (at % 8);
            content.index.insert(moved, value);
        }
        format!("index row {} at {at:?}", key.escape_ascii())
    });
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn every_index_row_too_many_is_found() {
    let base = base();
    let keys: Vec<Vec<u8>> = base.index.keys().cloned().collect();
    let missed = unnoticed(&base, &keys, |content, key| {
        let value = content.index[key].clone();
        let mut more = key.clone();
        more.push(1);
        content.index.insert(more, value);
        format!("a row beside {}", key.escape_ascii())
    });
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn removed_statements() {
    let base = base();
    for at in 1..=LAST {
        finds(&base, "damaged", |content| drop(content.statements.remove(&at)));
        // Those behind it moved up, and the head says one less.
        let mut content = base.clone();
        for later in at..LAST {
            let next = content.statements[&(later + 1)].clone();
            content.statements.insert(later, next);
        }
        content.statements.remove(&LAST);
        content.head.as_mut().unwrap().size -= 1;
        assert!(judge(content).is_some(), "{at}");
    }
    finds(&base, "stopped", |content| drop(content.statements.remove(&0)));
    finds(&base, "damaged", |content| {
        content.statements.retain(|at, _| *at == 0);
    });
}

#[test]
fn swapped_and_repeated_statements() {
    let base = base();
    for at in 1..LAST {
        let mut swapped = base.clone();
        let (one, two) = (base.statements[&at].clone(), base.statements[&(at + 1)].clone());
        swapped.statements.insert(at, two);
        swapped.statements.insert(at + 1, one.clone());
        assert!(judge(swapped).is_some(), "{at}");
        // Said once, shown twice.
        finds(&base, "broken-head", |content| drop(content.statements.insert(LAST, one)));
    }
    finds(&base, "broken-head", |content| drop(content.statements.insert(1, base.statements[&0].clone())));
}

fn statement(content: &Content, at: u64) -> Statement {
    Statement::decode(content.statements[&at].clone()).unwrap()
}

/// The statement at `at` with another body, head or signer.
fn again(content: &Content, at: u64, signer: u8, change: impl FnOnce(&mut Statement)) -> Vec<u8> {
    let mut s = statement(content, at);
    change(&mut s);
    let draft = Draft { name: &s.name, issuer: &s.issuer, time: s.time, head: s.head, body: &s.body };
    draft.sign(&key(signer)).unwrap().bytes().to_vec()
}

#[test]
fn an_author_who_signs_something_else_afterwards() {
    let base = base();
    // The later statements countersigned what stood there before.
    finds(&base, "forked-head", |content| {
        let other = again(content, 1, FOUNDER, |s| s.time += 1);
        content.statements.insert(1, other);
    });
    // And the run cited the very session.
    finds(&base, "broken-head", |content| {
        let other = again(content, SESSION, FOUNDER, |s| s.time += 1);
        content.statements.insert(SESSION, other);
    });
    // Nobody countersigned the last one, but the tree knows it.
    finds(&base, "tree", |content| {
        let other = again(content, LAST, FOUNDER, |s| s.time += 1);
        content.statements.insert(LAST, other);
    });
}

#[test]
fn signed_by_another_key() {
    let base = base();
    finds(&base, "unknown-key", |content| {
        let other = again(content, SESSION, 77, |_| {});
        content.statements.insert(SESSION, other);
    });
    finds(&base, "wrong-issuer", |content| {
        let other = again(content, SESSION, USER, |_| {});
        content.statements.insert(SESSION, other);
    });
    // The right name under another's signature.
    finds(&base, "bad-signature", |content| {
        let forged = again(content, SESSION, 77, |_| {});
        let length = forged.len();
        let bytes = content.statements.get_mut(&SESSION).unwrap();
        let from = bytes.len() - 64;
        bytes.truncate(from);
        bytes.extend_from_slice(&forged[length - 64..]);
    });
}

#[test]
fn signed_without_the_right() {
    let base = base();
    let revoked = again(&base, SESSION, USER, |s| {
        s.issuer = "u".to_owned();
        s.head = base.head.unwrap();
    });
    // Put behind the last entry, with the tree grown to match: only the rules object.
    finds(&base, "key-not-allowed", |content| push(content, revoked));
    let admin = again(&base, 1, USER, |s| {
        s.issuer = "u".to_owned();
        s.head = Head { size: LAST, root: root_of(&base, usize::try_from(LAST).unwrap()) };
    });
    finds(&base, "key-not-allowed", |content| drop(content.statements.insert(LAST, admin)));
    let rebound = session(b"other bytes", "three");
    let rebound = again(&base, SESSION, FOUNDER, |s| {
        s.body = rebound.body;
        s.head = base.head.unwrap();
    });
    finds(&base, "ref-rebound", |content| push(content, rebound));
    // The name of a snapshot that was there, for the same files.
    let release = again(&base, SESSION, FOUNDER, |s| {
        let snapshot = small::snapshot("v1");
        (s.kind, s.name, s.body) = ("snapshot".to_owned(), snapshot.name, snapshot.body);
        s.head = base.head.unwrap();
    });
    finds(&base, "ref-rebound", |content| push(content, release));
    // A session under what is no snapshot.
    let under = again(&base, SESSION, FOUNDER, |s| {
        if let ledger_format::Body::Session(session) = &mut s.body {
            session.snapshot = Some(statement(&base, RUN).id);
        }
        s.head = base.head.unwrap();
    });
    finds(&base, "malformed", |content| push(content, under));
    let past = again(&base, SESSION, FOUNDER, |_| {});
    finds(&base, "broken-head", |content| push(content, past));
}

fn root_of(content: &Content, size: usize) -> [u8; 32] {
    let leaves = content.statements.values().take(size).map(|bytes| tree::leaf_hash(bytes)).collect();
    tree::root(&tree::Leaves(leaves), size as u64).unwrap()
}

/// What the keeper of the store can do with the log key alone.
fn push(content: &mut Content, bytes: Vec<u8>) {
    let size = content.head.unwrap().size + 1;
    content.tiles.values_mut().next().unwrap().extend_from_slice(&tree::leaf_hash(&bytes));
    content.statements.insert(size - 1, bytes);
    let head = Head { size, root: root_of(content, usize::try_from(size).unwrap()) };
    content.head = Some(head);
    let genesis = statement(content, 0);
    let origin = ledger_format::origin("small", &genesis.id);
    content.checkpoint = Checkpoint { origin, head }.sign(&key(NEXT_LOG)).unwrap();
}

#[test]
fn the_same_statement_in_a_looser_envelope() {
    let base = base();
    let strict = base.statements[&SESSION].clone();
    assert_eq!(strict[..3], [0xd2, 0x84, 0x58], "tag, array of four, bytes");
    let protected = usize::from(strict[3]);
    assert_eq!(strict[4 + protected], 0xa0, "the empty unprotected header");
    let tail = &strict[4 + protected + 1..];
    let head = &strict[4..4 + protected];
    let length = strict[3];
    let tagged: Vec<(&str, &str, Vec<u8>)> = vec![
        ("untagged", "malformed", strict[1..].to_vec()),
        ("another tag", "malformed", [&[0xd1][..], &strict[1..]].concat()),
        ("a long tag", "non-canonical", [&[0xd8, 18][..], &strict[1..]].concat()),
        ("tagged twice", "malformed", [&[0xd2][..], &strict].concat()),
        ("a long length", "non-canonical", [&[0xd2, 0x84, 0x59, 0, length][..], &strict[4..]].concat()),
        ("an indefinite array", "non-canonical", [&[0xd2, 0x9f][..], &strict[2..], &[0xff]].concat()),
        (
            "an unprotected header",
            "malformed",
            [&[0xd2, 0x84, 0x58, length], head, &[0xa1, 0x18, 0x63, 0x00], tail].concat(),
        ),
        ("a byte behind it", "malformed", [&strict[..], &[0]].concat()),
    ];
    for (name, class, loose) in tagged {
        let mut content = base.clone();
        content.statements.insert(SESSION, loose);
        let found = judge(content).unwrap_or_default();
        assert!(found.contains(&class) || found.contains(&"non-canonical"), "{name}: {found:?}");
    }
}

#[test]
fn statements_of_other_ledgers() {
    let base = base();
    // Another ledger of the same people, with the same history to the byte but for the nonce.
    let stranger = build(10, "two");
    for at in 1..=LAST {
        // They cite a session and a snapshot that are not here at all.
        let code = if [RUN, UNDER].contains(&at) { "broken-head" } else { "forked-head" };
        finds(&base, code, |content| drop(content.statements.insert(at, stranger.statements[&at].clone())));
    }
    finds(&base, "bad-signature", |content| {
        let mut forged = stranger.statements[&SESSION].clone();
        let (from, own) = (forged.len() - 64, &content.statements[&SESSION]);
        forged.truncate(from);
        forged.extend_from_slice(&own[own.len() - 64..]);
        content.statements.insert(SESSION, forged);
    });
    // A copy that went on differently from the second session on: that one would fit, its last entry does not.
    let fork = build(9, "three");
    assert_eq!(fork.statements[&(UNDER - 1)], base.statements[&(UNDER - 1)]);
    assert_ne!(fork.statements[&UNDER], base.statements[&UNDER]);
    finds(&base, "forked-head", |content| {
        content.statements.insert(LAST, fork.statements[&LAST].clone());
    });
    finds(&base, "forked-head", |content| {
        content.statements.insert(UNDER, fork.statements[&UNDER].clone());
    });
}

#[test]
fn checkpoints_that_do_not_fit() {
    let base = base();
    let (stranger, fork) = (build(10, "two"), build(9, "three"));
    finds(&base, "checkpoint", |content| content.checkpoint = stranger.checkpoint);
    finds(&base, "checkpoint", |content| content.checkpoint = fork.checkpoint);
    let head = base.head.unwrap();
    let genesis = statement(&base, 0);
    let origin = ledger_format::origin("small", &genesis.id);
    let sign = |origin: &str, head: Head, by: u8| {
        Checkpoint { origin: origin.to_owned(), head }.sign(&key(by)).unwrap()
    };
    let older = Head { size: 8, root: root_of(&base, 8) };
    finds(&base, "checkpoint", |content| content.checkpoint = sign("small/other", head, NEXT_LOG));
    finds(&base, "checkpoint", |content| content.checkpoint = sign(&origin, head, LOG));
    finds(&base, "checkpoint", |content| content.checkpoint = sign(&origin, head, FOUNDER));
    finds(&base, "checkpoint", |content| content.checkpoint = sign(&origin, older, NEXT_LOG));
    finds(&base, "checkpoint", |content| content.checkpoint = Vec::new());
}

#[test]
fn blobs_that_were_changed_or_taken() {
    let base = base();
    let address = Address::of(PROMPT).0;
    finds(&base, "altered-content", |content| drop(content.blobs.insert(address, Some(b"other".to_vec()))));
    finds(&base, "missing-content", |content| drop(content.blobs.remove(&address)));
    finds(&base, "missing-content", |content| drop(content.blobs.insert(address, None)));
    let erased = Address::of(b"{}").0;
    assert_eq!(base.blobs[&erased], None);
    finds(&base, "not-erased", |content| drop(content.blobs.insert(erased, Some(b"{}".to_vec()))));
    for address in base.blobs.keys().filter(|address| **address != erased) {
        finds(&base, "missing-content", |content| drop(content.blobs.remove(address)));
    }
}

#[test]
fn trees_and_heads_that_do_not_fit() {
    let base = base();
    let tile = TileId { level: 0, index: 0 };
    finds(&base, "tree", |content| drop(content.tiles.remove(&tile)));
    finds(&base, "tree", |content| content.tiles.get_mut(&tile).unwrap()[0] ^= 1);
    finds(&base, "tree", |content| content.head.as_mut().unwrap().root[0] ^= 1);
    finds(&base, "tree", |content| {
        content.head = Some(Head { size: RUN, root: [0; 32] });
    });
    finds(&base, "damaged", |content| content.head.as_mut().unwrap().size += 1);
}

#[test]
fn an_index_that_says_something_else() {
    let base = base();
    let bound = [b"r".as_slice(), b"P.v1", &[0]].concat();
    finds(&base, "index", |content| content.index.get_mut(&bound).unwrap()[0] ^= 1);
    finds(&base, "index", |content| drop(content.index.remove(&bound)));
    // A ref that nobody bound.
    let forged = [b"r".as_slice(), b"P.v2", &[0]].concat();
    let value = base.index[&bound].clone();
    finds(&base, "index", |content| drop(content.index.insert(forged, value)));
    // A key that nobody enrolled, under the row of one that somebody did.
    let mut rows = base.index.iter().filter(|(key, _)| key[0] == b'k');
    let (one, two) = (rows.next().unwrap(), rows.next().unwrap());
    finds(&base, "index", |content| drop(content.index.insert(one.0.clone(), two.1.clone())));
    finds(&base, "index", |content| content.index.clear());
}

#[test]
fn a_rebuilt_index_is_the_same() {
    let base = base();
    let folder = tempfile::tempdir().unwrap();
    drop(folder);
    let store = MemoryStore::from(base.clone());
    store.tamper(|content| content.index.retain(|key, _| key[0] == b'k' || key[0] == b'h'));
    let ledger = Ledger::open(Box::new(store)).unwrap();
    ledger.rebuild_index().unwrap();
    let report = audit(&ledger, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!(report.findings, Vec::new());
    assert_eq!(report.judged, LAST + 1);
}

/// A file that is written to between its description and its storing.
#[test]
fn content_that_changes_while_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("ledger.redb"), folder.path().join("growing.log"));
    let author = Author { signer: &key(FOUNDER), log_key: &key(LOG), time: 1 };
    let create = Create { name: "small", identity: "f", nonce: [0; 16], previous: None };
    assert!(Ledger::create_file(&path, &create, &author).unwrap());
    let ledger = Ledger::open_file(&path, Access::Write, Duration::ZERO, &mut |_| {}).unwrap();
    let large = vec![7; 3 << 20];
    let mut new = session(PROMPT, "one");
    new.contents.push(Blob::File(Descriptor::of(&large, "text/plain"), file.clone()));
    let before = ledger.head().unwrap();
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [Change<'_>; 5] = [
        &|file| std::fs::write(file, [&large[..], b"more"].concat()).unwrap(),
        &|file| std::fs::write(file, &large[1..]).unwrap(),
        &|file| std::fs::write(file, [&large[1..], b"x"].concat()).unwrap(),
        &|file| std::fs::write(file, []).unwrap(),
        &|file| std::fs::remove_file(file).unwrap(),
    ];
    for change in changes {
        change(&file);
        let error = ledger.append(&author, &new).unwrap_err();
        let said = format!("{error} {}", error.hints().join(" "));
        assert_eq!(error.kind(), Kind::Failed, "{said}");
        assert!(said.contains("growing.log"), "it does not say which file: {said}");
        assert_eq!(file.exists(), said.contains("changed while it was read"), "{said}");
        assert_eq!(ledger.head().unwrap(), before);
    }
    std::fs::write(&file, &large).unwrap();
    ledger.append(&author, &new).unwrap();
    let report = audit(&ledger, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!((report.size, report.findings), (2, Vec::new()));
}
