//! What an audit takes from behind itself: long ledgers whose authors knew old heads and cite old entries, on stores
//! whose tree, index or contents are not what they should be.

use super::super::audit::{Bounds, audit_within};
use super::super::index::{self, Documents, Table};
use super::super::pending::{Pending, Tip};
use super::*;
use crate::store::{Content as Stored, NewBlob};
use ledger_format::rules::Change;
use ledger_format::tree::Frontier;
use ledger_format::{Draft, Prompt};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Where the session stands that runs cite, and how many entries there are before the runs: more than a tile.
const SESSION: u64 = 3;
const LONG: u64 = 264;

impl Book {
    /// Stores a statement, whatever the rules say, by an author who knows this head.
    fn force(&self, signer: &SigningKey, new: &New, known: Head) -> u64 {
        let (store, head) = (&*self.ledger.store, self.head());
        let issuer = self.ledger.identity_of(&kid(signer)).unwrap();
        let draft =
            Draft { name: &new.name, issuer: &issuer, time: 1_700_000_000, head: known, body: &new.body };
        let statement = draft.sign(signer).unwrap();
        let changes = [Change::Signed(kid(signer), head.size)];
        let mut tip = Tip::of(store, head).unwrap();
        let identity = (self.ledger.name(), self.ledger.id());
        let documents = Documents::default();
        let mut pending = Pending::one(store, &mut tip, statement, &changes, &documents).unwrap();
        let sealed = pending.seal(&mut tip, &self.log_key, identity).unwrap();
        let mut batch = pending.batch(sealed).unwrap();
        let blobs = new.contents.iter().map(|content| match content {
            Content::Bytes(described, bytes) => NewBlob {
                address: described.blake3.0,
                size: described.size,
                base: None,
                source: Box::new(bytes.as_slice()),
            },
            Content::File(..) => unreachable!(),
        });
        batch.blobs = blobs.collect();
        assert_eq!(store.commit(batch).unwrap(), Outcome::Done);
        head.size
    }

    /// Lets it grow by prompts that all have the same text.
    fn grow(&self, size: u64) {
        for at in self.head().size..size {
            let text = b"the same prompt".to_vec();
            let content = Descriptor::of(&text, "text/markdown");
            let body = Body::Prompt(Prompt { content: content.clone() });
            let contents = vec![Content::Bytes(content, text)];
            let new = New { name: format!("q{at}.v1"), body, contents, next_log_key: None };
            self.append(&key(FOUNDER), &new).unwrap();
        }
    }

    /// A run that lists no files.
    fn bare_run(&mut self, session: EntryId) -> New {
        let mut new = self.run(&[session]);
        if let Body::Run(run) = &mut new.body {
            run.manifest = None;
        }
        new.contents.remove(0);
        new
    }
}

/// 0 genesis, 1-2 agents, 3 a session, then prompts. With the session and the head right after it.
fn long() -> (Book, EntryId, Head) {
    let mut book = Book::new();
    let founder = key(FOUNDER);
    book.append(&founder, &enrol(2, "bot", &["agent"])).unwrap();
    book.append(&founder, &enrol(3, "late", &["agent"])).unwrap();
    let session = book.session(0, false);
    let session = book.append(&founder, &session).unwrap();
    assert_eq!(session.index, SESSION);
    let known = book.head();
    book.grow(LONG);
    (book, session.statement.id, known)
}

/// And at last two runs that cite the session, by authors who know that old head, and the newest.
fn with_runs() -> (Book, EntryId) {
    let (mut book, session, known) = long();
    let run = book.bare_run(session);
    book.force(&key(3), &run, known);
    let run = book.bare_run(session);
    book.append(&key(2), &run).unwrap();
    (book, session)
}

fn id_row(id: &EntryId, at: u64) -> Vec<u8> {
    index::pointer(Table::Id, &index::tag(&id.0), at).to_vec()
}

fn found(report: &Report) -> Vec<(&'static str, Option<u64>)> {
    report.findings.iter().map(|finding| (finding.code, finding.entry)).collect()
}

#[test]
fn an_author_may_know_any_head_since_the_last_entry() {
    let (mut book, session, _) = long();
    let (mut frontier, mut heads) = (Frontier::default(), Vec::new());
    for statement in book.shared.0.content().statements.values() {
        heads.push(frontier.head());
        frontier.push(ledger_format::tree::leaf_hash(statement), |_, _, _| {});
    }
    for size in [4, 127, 128, 255, 256, 257, 263] {
        let run = book.bare_run(session);
        let book = book.copy();
        book.force(&key(3), &run, heads[size]);
        let report = book.audit(&Options::default());
        assert_eq!((found(&report), report.lagging), (vec![], 1), "{size}");
    }
}

#[test]
fn a_damaged_tile_is_found_as_that() {
    let (book, _) = with_runs();
    let report = book.audit(&Options::default());
    assert_eq!((&report.findings[..], report.lagging, report.judged), (&[][..], 1, LONG + 2));
    let tiles: Vec<TileId> = book.shared.0.content().tiles.into_keys().collect();
    assert_eq!(tiles.iter().map(|id| (id.level, id.index)).collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0)]);
    type Damage = fn(&mut Stored, TileId);
    let damages: [Damage; 3] = [
        |c, id| drop(c.tiles.remove(&id)),
        |c, id| c.tiles.get_mut(&id).unwrap()[0] ^= 1,
        |c, id| c.tiles.get_mut(&id).unwrap().extend([7; 32]),
    ];
    for (id, damage) in tiles.iter().flat_map(|id| damages.map(|damage| (*id, damage))) {
        let book = book.copy();
        book.shared.0.tamper(|content| damage(content, id));
        let report = book.audit(&Options::default());
        let found: Vec<_> = report.findings.iter().map(|f| (f.code, f.message.as_str())).collect();
        let message = format!("tile {}/{} is not the hashes of its entries", id.level, id.index);
        assert_eq!(found, [("tree", message.as_str())]);
        assert_eq!((report.lagging, report.judged), (1, LONG + 2));
    }
}

#[test]
fn a_damaged_index_is_found_as_that() {
    let (book, session) = with_runs();
    let rows: [Option<Vec<u8>>; 5] = [
        None,
        Some(index::key(Table::Id, &[&[0; 7]])),
        Some(id_row(&session, 2)),
        Some(id_row(&session, LONG + 1)),
        Some(id_row(&session, (1 << 40) - 1)),
    ];
    for row in rows {
        let book = book.copy();
        book.shared.0.tamper(|content| {
            content.index.remove(&id_row(&session, SESSION)).unwrap();
            content.index.extend(row.clone().map(|row| (row, Vec::new())));
        });
        let report = book.audit(&Options::default());
        assert_eq!((found(&report), report.judged), (vec![("index", Some(SESSION))], LONG + 2), "{row:?}");
    }
    book.shared.0.tamper(|content| {
        content.index.clear();
        content.tiles.clear();
    });
    assert_eq!(book.findings(), ["index", "tree"]);
    book.ledger.rebuild_index().unwrap();
    assert_eq!(book.findings(), ["tree"]);
    book.ledger.rebuild_tree().unwrap();
    assert_eq!(book.findings(), [""; 0]);
}

#[test]
fn a_fork_and_a_missing_entry_stay_what_they_are() {
    let (mut book, session, known) = long();
    let cases = [
        ("forked-head", session, Head { root: [9; 32], ..known }),
        ("forked-head", session, Head { size: 100, ..known }),
        ("broken-head", EntryId([9; 32]), book.head()),
    ];
    for (code, cited, known) in cases {
        let run = book.bare_run(cited);
        let book = book.copy();
        let at = book.force(&key(2), &run, known);
        let report = book.audit(&Options::default());
        assert_eq!(found(&report), [(code, Some(at))]);
        if code == "forked-head" {
            // Both who signed are named, and nobody is accused.
            let said = &report.findings[0].message;
            assert_eq!(said.matches("SHA256:").count(), 2, "{said}");
            assert!(said.contains("'bot'") && said.contains("nothing against the keeper"), "{said}");
        }
        // What the store says beside the statements changes nothing, wherever it says that the entry is.
        for planted in [SESSION, at, at + 7] {
            book.shared.0.tamper(|content| {
                content.index.insert(id_row(&cited, planted), Vec::new());
            });
            let report = book.audit(&Options::default());
            assert_eq!((report.findings.last().unwrap().code, report.judged), (code, at));
        }
        book.shared.0.tamper(|content| content.tiles.clear());
        assert!(book.findings().contains(&code));
    }
}

#[test]
fn content_erased_later_is_no_loss_and_content_lost_is_named_once() {
    let mut book = Book::new();
    let founder = key(FOUNDER);
    for prompt in [0, 1, 0, 1, 2] {
        let new = book.session(prompt, true);
        book.append(&founder, &new).unwrap();
    }
    let [first, second] = [0, 1].map(|n| Address::of(format!("prompt {n}").as_bytes()));
    book.append(&founder, &erase(first)).unwrap();
    let report = book.audit(&Options::default());
    assert_eq!((&report.findings[..], report.erased), (&[][..], Some(1)));
    assert_eq!(report.contents, Some(book.shared.0.content().blobs.len() as u64));

    let found = |damage: fn(&mut Stored, Address), address: Address| {
        let book = book.copy();
        book.shared.0.tamper(|content| damage(content, address));
        found(&book.audit(&Options::default()))
    };
    let restore: fn(&mut Stored, Address) =
        |c, address| drop(c.blobs.insert(address.0, Some(b"prompt 0".to_vec())));
    assert_eq!(found(restore, first), [("not-erased", None)]);
    assert_eq!(found(|c, address| drop(c.blobs.remove(&address.0)), first), [("missing-content", Some(1))]);
    assert_eq!(found(|c, address| drop(c.blobs.remove(&address.0)), second), [("missing-content", Some(2))]);
    assert_eq!(
        found(|c, address| drop(c.blobs.insert(address.0, None)), second),
        [("missing-content", Some(2))]
    );
    let other: fn(&mut Stored, Address) =
        |c, address| drop(c.blobs.insert(address.0, Some(b"other".to_vec())));
    assert_eq!(found(other, second), [("altered-content", Some(2))]);
}

/// A store that counts what an audit reads of it; it may have pages that cannot be read.
#[derive(Clone, Default)]
struct Counted {
    store: Shared,
    scans: Arc<AtomicUsize>,
    tiles: Arc<AtomicUsize>,
    blobs: Arc<AtomicUsize>,
    rows: Arc<AtomicUsize>,
    torn_tiles: bool,
    torn_rows: bool,
}

fn torn<T>(torn: bool, read: Result<T>) -> Result<T> {
    if torn { Err(crate::error::Error::integrity("a page is torn")) } else { read }
}

impl Store for Counted {
    fn head(&self) -> Result<Option<Head>> {
        self.store.head()
    }
    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.store.checkpoint()
    }
    fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
        self.store.statement(index)
    }
    fn scan(&self, range: std::ops::Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
        self.scans.fetch_add(1, Relaxed);
        self.store.scan(range, visit)
    }
    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
        self.tiles.fetch_add(1, Relaxed);
        torn(self.torn_tiles, self.store.tile(id))
    }
    fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.rows.fetch_add(1, Relaxed);
        torn(self.torn_rows, self.store.index_get(key))
    }
    fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()> {
        torn(self.torn_rows, self.store.index_scan(prefix, reverse, visit))
    }
    fn replace_index(&self, _: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
        unreachable!()
    }
    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        self.store.blob_state(address)
    }
    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        self.blobs.fetch_add(1, Relaxed);
        self.store.read_blob(address, sink)
    }
    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        self.store.blobs(visit)
    }
    fn commit(&self, _: Batch<'_>) -> Result<Outcome> {
        unreachable!()
    }
    fn unscrubbed(&self) -> Result<bool> {
        self.store.unscrubbed()
    }
    fn scrub(&mut self) -> Result<()> {
        unreachable!()
    }
}

#[test]
fn pages_of_tree_and_index_that_cannot_be_read_end_no_audit() {
    let store = with_runs().0.shared;
    for (torn_tiles, torn_rows, codes) in
        [(true, false, vec!["tree"]), (false, true, vec!["index"]), (true, true, vec!["index", "tree"])]
    {
        let counted = Counted { store: store.clone(), torn_tiles, torn_rows, ..Counted::default() };
        let report = audited(&Ledger::open(Box::new(counted)).unwrap(), &Options::default());
        assert_eq!(found(&report).iter().map(|(code, _)| *code).collect::<Vec<_>>(), codes);
        assert_eq!((report.judged, report.lagging), (LONG + 2, 1));
    }
}

#[test]
fn an_audit_reads_little_again() {
    let (mut book, session, _) = long();
    let counts = |book: &Book, hashes: usize| {
        let counted = Counted { store: book.shared.clone(), ..Counted::default() };
        let ledger = Ledger::open(Box::new(counted.clone())).unwrap();
        let bounds = Bounds { contents: 4, pending: 64, hashes, workers: hashes % 3 };
        audit_within(bounds, &ledger, &Options::default(), &mut |_| {}).unwrap();
        [counted.scans, counted.tiles, counted.blobs].map(|count| count.load(Relaxed))
    };
    // The tiles to compare; the prompt of all entries, the session's prompt and its details.
    assert_eq!(counts(&book, 0), [1, 3, 3]);
    for _ in 0..20 {
        let run = book.bare_run(session);
        book.append(&key(2), &run).unwrap();
    }
    // Tiles answer where memory does not reach.
    assert_eq!(counts(&book, 1024), [1, 3, 23]);
    let [scans, tiles, _] = counts(&book, 0);
    assert!(scans == 1 && tiles > 100, "{scans} {tiles}");
    // After a hint that was wrong, the statements are read once more and never again.
    book.shared.0.tamper(|content| content.tiles.clear());
    let [scans, tiles, _] = counts(&book, 0);
    assert!(scans == 2 && tiles <= 3, "{scans} {tiles}");
    // What is to be written anew is not read, not even when it is there.
    let book = with_runs().0;
    let counted = Counted { store: book.shared.clone(), ..Counted::default() };
    let ledger = Ledger::open(Box::new(counted.clone())).unwrap();
    assert_eq!(super::super::audit::index_rows(&ledger).unwrap().len(), book.shared.0.content().index.len());
    assert_eq!([counted.scans, counted.tiles, counted.rows].map(|count| count.load(Relaxed)), [2, 0, 0]);
}
