//! A ledger of any size, made in bulk: what is not asked here is how fast one appends. Its authors know an older head
//! now and then and cite what lies far back, so that an audit must look behind itself.

use super::{keys, open};
use ed25519_dalek::SigningKey;
use ledger_format::tree::{Frontier, leaf_hash};
use ledger_format::{
    Address, Body, Checkpoint, Cited, Descriptor, Details, Draft, Enrolment, EntryId, Head, KeyChange,
    PublicKey, Roles, Run, Session, Signer as _, Used,
};
use promptos::ledger::{Access, Author, Create, Ledger, New};
use promptos::store::{Batch, NewBlob, Outcome, RedbStore, Store as _};
use std::path::Path;
use std::time::Duration;

/// So many entries go into one commit.
const BATCH: u64 = 10_000;
/// One entry of so many is a run, by a key that signs nothing else and knows no newer head than the last run's.
const RUNS: u64 = 100;

/// Makes a ledger of a founder and a bot who signs runs.
pub(super) fn found(path: &Path) {
    let (signer, log_key) = keys();
    let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
    let create = Create { name: "bulk", identity: "ada", nonce: [7; 16], previous: None };
    assert!(Ledger::create_file(path, &create, &author).unwrap());
    let key = PublicKey::new(&bot().public_key()).unwrap();
    let name = hex::encode(key.kid().0);
    let roles = Roles::from_names(["agent"]).unwrap();
    let who = Enrolment { identity: "bot".to_owned(), key };
    let body = Body::Key(KeyChange::Enrol { who, roles, acting_for: None });
    let new = New { name, body, contents: Vec::new(), next_log_key: None };
    open(path, Access::Write).append(&author, &new).unwrap();
}

/// Lets it grow to so many entries.
pub(super) fn grow(path: &Path, entries: u64) {
    let store = RedbStore::open(path, Access::Write, Duration::ZERO, &mut |_| {}).unwrap();
    let mut growth = Growth::resume(&store);
    while growth.frontier.size() < entries {
        growth.commit(&store, entries.min(growth.frontier.size() + BATCH));
    }
    drop(store);
    let ledger = open(path, Access::Write);
    ledger.rebuild_index().unwrap();
    ledger.rebuild_tree().unwrap();
}

fn bot() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

struct Growth {
    origin: String,
    frontier: Frontier,
    ids: Vec<EntryId>,
    /// The head that the bot will know.
    old: Head,
}

impl Growth {
    fn resume(store: &RedbStore) -> Self {
        let (mut frontier, mut ids, mut old) = (Frontier::default(), Vec::new(), Head::empty());
        let size = store.head().unwrap().unwrap().size;
        store
            .scan(0..size, &mut |at, bytes| {
                ids.push(EntryId(leaf_hash(bytes)));
                frontier.push(leaf_hash(bytes), |_, _, _| {});
                if at < 2 || at % RUNS == 0 {
                    old = frontier.head();
                }
                Ok(true)
            })
            .unwrap();
        Self { origin: ledger_format::origin("bulk", &ids[0]), frontier, ids, old }
    }

    /// Appends up to `size` entries.
    fn commit(&mut self, store: &RedbStore, size: u64) {
        let (signer, log_key) = keys();
        let bot = bot();
        let expect = self.frontier.size();
        let (mut statements, mut blobs) = (Vec::new(), Vec::new());
        for at in expect..size {
            let run = at % RUNS == 0;
            let known = if run && self.old.size > RUNS { self.old } else { self.frontier.head() };
            let (body, contents) = if run { self.run(at, known.size) } else { session(at) };
            blobs.extend(contents);
            let name = format!("e-{at}");
            let (issuer, head) = (if run { "bot" } else { "ada" }, known);
            let draft = Draft { name: &name, issuer, time: 1_700_000_000 + at, head, body: &body };
            let statement = draft.sign(if run { &bot } else { &signer }).unwrap();
            self.frontier.push(statement.id.0, |_, _, _| {});
            self.ids.push(statement.id);
            statements.push(statement.bytes().to_vec());
            if run {
                self.old = self.frontier.head();
            }
        }
        let head = self.frontier.head();
        let checkpoint = Checkpoint { origin: self.origin.clone(), head }.sign(&log_key).unwrap();
        let blob = |bytes: Vec<u8>| NewBlob {
            address: Address::of(&bytes).0,
            size: bytes.len() as u64,
            source: Box::new(std::io::Cursor::new(bytes)),
        };
        let blobs = blobs.into_iter().map(blob).collect();
        let batch = Batch { expect, statements, root: head.root, checkpoint, blobs, ..Batch::default() };
        assert_eq!(store.commit(batch).unwrap(), Outcome::Done);
    }

    /// A run that cites a session anywhere below the head that its author knows.
    fn run(&self, at: u64, known: u64) -> (Body, Vec<Vec<u8>>) {
        let text = format!("{{\"run_id\": \"e-{at}\"}}").into_bytes();
        let far = at.wrapping_mul(2_654_435_761) % known;
        let session = if far % RUNS < 2 { far - far % RUNS + 2 } else { far };
        let entry = self.ids[usize::try_from(session.min(known - 2)).unwrap()];
        let record = Descriptor::of(&text, "application/json");
        (
            Body::Run(Run { record, manifest: None, sessions: vec![Cited { entry, foreign: None }] }),
            vec![text],
        )
    }
}

/// A session that uses two prompts: one of few, and one of two thousand.
fn session(at: u64) -> (Body, Vec<Vec<u8>>) {
    let used = |n: u64| (format!("P{n:05}.v1"), format!("prompt {n}\n").repeat(100).into_bytes());
    let texts = [used(at % 7), used(7 + at / 2 % 2000)];
    let prompts = texts.iter().map(|(reference, text)| Used {
        reference: reference.clone(),
        gate: None,
        content: Descriptor::of(text, "text/markdown"),
    });
    let salt = *at.to_be_bytes().repeat(2).first_chunk().unwrap();
    let details = Details { salt, fields: [("developer".to_owned(), "ada".to_owned())].into() }.to_bytes();
    let body = Body::Session(Session {
        prompts: prompts.collect(),
        details: Descriptor::of(&details, ledger_format::DETAILS_TYPE),
        tool: "0.1.0".to_owned(),
        catalog: "UNRELEASED".to_owned(),
        lint_warnings: 0,
        target: None,
        attachments: None,
        snapshot: None,
        renders: Vec::new(),
        life: None,
    });
    (body, texts.into_iter().map(|(_, text)| text).chain([details]).collect())
}
