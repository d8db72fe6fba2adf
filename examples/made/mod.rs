//! A ledger of any size, made in bulk for the examples that measure: sessions that use prompts, and runs that cite
//! sessions far back by an author who knows an older head now and then, so that an audit must look behind itself.

#![allow(dead_code)] // each example uses what it needs

#[path = "../../tests/support/edits.rs"]
pub(crate) mod edits;

use ed25519_dalek::SigningKey;
use ledger_format::tree::{Frontier, leaf_hash};
use ledger_format::{
    Address, Body, Checkpoint, Cited, Descriptor, Details, Draft, Enrolment, EntryId, Head, KeyChange,
    PublicKey, Roles, Run, Session, Signer as _, Used,
};
use promptos::ledger::{Access, Author, Content, Create, Ledger, New};
use promptos::store::{Batch, NewBlob, Outcome, RedbStore, Store as _};
use std::path::Path;
use std::time::Duration;

/// So many entries go into one commit.
const BATCH: u64 = 10_000;
/// One entry of so many is a run, by a key that signs nothing else and knows no newer head than the last run's.
const RUNS: u64 = 100;
/// So long a writer may take that somebody waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a ledger holds beside its genesis, the bot who signs its runs, and a run for every hundred entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Plan {
    /// So many keys sign the sessions, in turns; all but the founder's are enrolled first.
    pub(crate) signers: u64,
    /// So many prompts are used, seven of them often.
    pub(crate) prompts: u64,
    /// A session uses so many, one or two.
    pub(crate) used: u64,
    /// A prompt has about so many bytes.
    pub(crate) size: usize,
    /// Whether each session has details of its own; else all have the same.
    pub(crate) details: bool,
}

/// The founder's key, and the log key.
pub(crate) fn keys() -> (SigningKey, SigningKey) {
    (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]))
}

pub(crate) fn open(path: &Path, access: Access) -> Ledger {
    Ledger::open_file(path, access, PATIENCE, &mut |_| {}).expect("the ledger opens")
}

/// Makes a ledger of a founder and a bot who signs runs.
pub(crate) fn found(path: &Path) {
    let (signer, log_key) = keys();
    let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
    let create = Create { name: "bulk", identity: "ada", nonce: [7; 16], previous: None };
    assert!(Ledger::create_file(path, &create, &author).unwrap());
    let (name, body) = enrol("bot", &bot(), "agent");
    let new = New { name, body, contents: Vec::new(), next_log_key: None };
    open(path, Access::Write).append(&author, &new).unwrap();
}

/// Lets it grow to so many entries.
pub(crate) fn grow(path: &Path, plan: &Plan, entries: u64) {
    let store = RedbStore::open(path, Access::Write, Duration::ZERO, &mut |_| {}).unwrap();
    let mut growth = Growth::resume(&store, plan);
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

/// The key of everybody but the founder.
fn key_of(signer: u64) -> SigningKey {
    SigningKey::from_bytes(blake3::hash(&signer.to_be_bytes()).as_bytes())
}

fn enrol(identity: &str, key: &SigningKey, role: &str) -> (String, Body) {
    let key = PublicKey::new(&key.public_key()).unwrap();
    let roles = Roles::from_names([role]).unwrap();
    let name = hex::encode(key.kid().0);
    let who = Enrolment { identity: identity.to_owned(), key };
    (name, Body::Key(KeyChange::Enrol { who, roles, acting_for: None }))
}

/// A prompt that sessions use.
pub(crate) struct Prompt {
    pub(crate) reference: String,
    pub(crate) content: Descriptor,
    pub(crate) text: Vec<u8>,
}

impl Plan {
    /// The index of the first session; below are the genesis and the keys.
    pub(crate) fn first(&self) -> u64 {
        1 + self.signers
    }

    fn is_run(&self, at: u64) -> bool {
        at >= self.first() && at.is_multiple_of(RUNS)
    }

    /// The newest run of a ledger of so many entries: its name.
    pub(crate) fn newest_run(&self, entries: u64) -> Option<String> {
        let at = entries.checked_sub(1)? / RUNS * RUNS;
        self.is_run(at).then(|| format!("e-{at}"))
    }

    pub(crate) fn prompts(&self) -> Vec<Prompt> {
        let prompt = |n: u64| {
            let text = edits::Prompt::new(n, self.size).text().into_bytes();
            let content = Descriptor::of(&text, "text/markdown");
            Prompt { reference: format!("P{n:05}.v1"), content, text }
        };
        (0..self.prompts).map(prompt).collect()
    }

    /// The session of an index: a prompt of seven and one of all others, or in turns.
    pub(crate) fn session(&self, at: u64, prompts: &[Prompt]) -> New {
        let place = |n: u64| usize::try_from(n).unwrap();
        let mut used = vec![&prompts[place(at % 7)], &prompts[place(7 + at / 2 % (self.prompts - 7))]];
        if self.used == 1 {
            used.remove(place(at % 2));
        }
        let own = if self.details { at } else { 0 };
        let salt = *own.to_be_bytes().repeat(2).first_chunk().unwrap();
        let details =
            Details { salt, fields: [("developer".to_owned(), "ada".to_owned())].into() }.to_bytes();
        let described = Descriptor::of(&details, ledger_format::DETAILS_TYPE);
        let prompts = used.into_iter().map(|prompt| Used {
            reference: prompt.reference.clone(),
            gate: None,
            content: prompt.content.clone(),
        });
        let session = Session::new(prompts.collect(), described.clone(), "0.1.0", "UNRELEASED");
        let body = Body::Session(session);
        let contents = vec![Content::Bytes(described, details)];
        New { name: format!("e-{at}"), body, contents, next_log_key: None }
    }
}

struct Growth<'a> {
    plan: &'a Plan,
    prompts: Vec<Prompt>,
    /// Whether the prompts were handed to the store.
    stored: bool,
    signers: Vec<(String, SigningKey)>,
    origin: String,
    frontier: Frontier,
    ids: Vec<EntryId>,
    /// The head that the bot will know.
    old: Head,
}

impl<'a> Growth<'a> {
    fn resume(store: &RedbStore, plan: &'a Plan) -> Self {
        assert!(!plan.first().is_multiple_of(RUNS), "a run would come before the first session");
        let (mut frontier, mut ids, mut old) = (Frontier::default(), Vec::new(), Head::empty());
        let size = store.head().unwrap().unwrap().size;
        store
            .scan(0..size, &mut |at, bytes| {
                ids.push(EntryId(leaf_hash(bytes)));
                frontier.push(leaf_hash(bytes), |_, _, _| {});
                if at < 2 || plan.is_run(at) {
                    old = frontier.head();
                }
                Ok(true)
            })
            .unwrap();
        let others = (1..plan.signers).map(|n| (format!("dev-{n}"), key_of(n)));
        let signers = std::iter::once(("ada".to_owned(), keys().0)).chain(others).collect();
        let origin = ledger_format::origin("bulk", &ids[0]);
        Self { plan, prompts: plan.prompts(), stored: false, signers, origin, frontier, ids, old }
    }

    /// Appends up to `size` entries.
    fn commit(&mut self, store: &RedbStore, size: u64) {
        let (_, log_key) = keys();
        let bot = ("bot".to_owned(), bot());
        let expect = self.frontier.size();
        let (mut statements, mut blobs) = (Vec::new(), Vec::new());
        if !self.stored {
            blobs.extend(self.prompts.iter().map(|prompt| prompt.text.clone()));
            self.stored = true;
        }
        let mut shared = None;
        for at in expect..size {
            let run = self.plan.is_run(at);
            let lags = run && self.old.size > self.plan.first() + 1;
            let known = if lags { self.old } else { self.frontier.head() };
            let by = usize::try_from(at % self.plan.signers).unwrap();
            let (new, signer) = match at.checked_sub(self.plan.first()) {
                _ if run => (self.run(at, known.size), &bot),
                None => {
                    let (identity, key) = &self.signers[usize::try_from(at - 1).unwrap()];
                    let (name, body) = enrol(identity, key, "user");
                    (New { name, body, contents: Vec::new(), next_log_key: None }, &self.signers[0])
                }
                Some(_) => (self.plan.session(at, &self.prompts), &self.signers[by]),
            };
            for content in new.contents {
                let Content::Bytes(descriptor, bytes) = content else { continue };
                if run || self.plan.details || shared.replace(descriptor.blake3) != Some(descriptor.blake3) {
                    blobs.push(bytes);
                }
            }
            let (issuer, key) = signer;
            let draft =
                Draft { name: &new.name, issuer, time: 1_700_000_000 + at, head: known, body: &new.body };
            let statement = draft.sign(key).unwrap();
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
            base: None,
            source: Box::new(std::io::Cursor::new(bytes)),
        };
        let blobs = blobs.into_iter().map(blob).collect();
        let batch = Batch { expect, statements, root: head.root, checkpoint, blobs, ..Batch::default() };
        assert_eq!(store.commit(batch).unwrap(), Outcome::Done);
    }

    /// A run that cites a session anywhere below the head that its author knows.
    fn run(&self, at: u64, known: u64) -> New {
        let text = format!("{{\"run_id\": \"e-{at}\"}}").into_bytes();
        let first = self.plan.first();
        let far = first + at.wrapping_mul(2_654_435_761) % (known - first);
        let session = if self.plan.is_run(far) { far - 1 } else { far };
        let entry = self.ids[usize::try_from(session).unwrap()];
        let record = Descriptor::of(&text, "application/json");
        let body = Body::Run(Run {
            record: record.clone(),
            manifest: None,
            sessions: vec![Cited { entry, foreign: None }],
        });
        let contents = vec![Content::Bytes(record, text)];
        New { name: format!("e-{at}"), body, contents, next_log_key: None }
    }
}
