//! A ledger in memory, its people, and what they record.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod append;
mod audit;
mod behind;
mod bulk;
mod faults;
mod group;
mod held;
mod history;
mod http;
mod model;
mod packed;
mod pins;
mod power;
mod published;
mod random;
mod resume;

use super::append::genesis;
use super::*;
use crate::store::{Batch, MemoryStore, TileId, VisitRow, VisitStatement};
use ed25519_dalek::SigningKey;
use ledger_format::{
    Cited, DETAILS_TYPE, Descriptor, Enrolment, Erase, Hash, KeyChange, MANIFEST_TYPE, ManifestFile, Roles,
    Run, Session, Signer as _, Used,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a [`Store`] in a field does, but for commits.
macro_rules! hand_on {
    ($to:tt) => {
        fn head(&self) -> Result<Option<Head>> {
            self.$to.head()
        }
        fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
            self.$to.checkpoint()
        }
        fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
            self.$to.statement(index)
        }
        fn scan(&self, range: std::ops::Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
            self.$to.scan(range, visit)
        }
        fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
            self.$to.tile(id)
        }
        fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
            self.$to.index_get(key)
        }
        fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()> {
            self.$to.index_scan(prefix, reverse, visit)
        }
        fn replace_index(&self, rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
            self.$to.replace_index(rows)
        }
        fn blob_state(&self, address: &Hash) -> Result<BlobState> {
            self.$to.blob_state(address)
        }
        fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
            self.$to.read_blob(address, sink)
        }
        fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
            self.$to.blobs(visit)
        }
        fn unscrubbed(&self) -> Result<bool> {
            self.$to.unscrubbed()
        }
        fn scrub(&mut self) -> Result<()> {
            Ok(())
        }
    };
}

use hand_on;

/// One store for several ledgers, as several processes would have it.
#[derive(Default)]
struct Shared<S: ?Sized = MemoryStore>(Arc<S>);

impl<S: ?Sized> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Store + ?Sized> Store for Shared<S> {
    hand_on!(0);
    fn commit(&self, batch: Batch<'_>) -> Result<Outcome> {
        self.0.commit(batch)
    }
}

/// A key that is the same whenever it is asked for.
fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(&key.public_key()).unwrap()
}

fn kid(key: &SigningKey) -> Kid {
    public(key).kid()
}

const FOUNDER: u8 = 1;
const LOG_KEY: u8 = 200;

/// A ledger in memory with its log key.
struct Book {
    shared: Shared,
    ledger: Ledger,
    log_key: SigningKey,
    /// Makes salts and names differ.
    count: u8,
}

impl Book {
    fn new() -> Self {
        Self::founded(7)
    }

    /// A ledger founded by key 1 as `ada`; another nonce makes another ledger.
    fn founded(nonce: u8) -> Self {
        let shared = Shared::default();
        let (signer, log_key) = (key(FOUNDER), key(LOG_KEY));
        let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
        let create = Create { name: "book", identity: "ada", nonce: [nonce; 16], previous: None };
        assert_eq!(shared.commit(genesis(&create, &author).unwrap()).unwrap(), Outcome::Done);
        Self { ledger: Ledger::open(Box::new(shared.clone())).unwrap(), shared, log_key, count: 0 }
    }

    /// Another store with what this one holds now, and a ledger on it.
    fn copy(&self) -> Self {
        let shared = Shared(Arc::new(MemoryStore::from(self.shared.0.content())));
        let ledger = Ledger::open(Box::new(shared.clone())).unwrap();
        Self { shared, ledger, log_key: self.log_key.clone(), count: self.count }
    }

    fn append(&self, signer: &SigningKey, new: &New) -> Result<Entry> {
        let author = Author { signer, log_key: &self.log_key, time: 1_700_000_000 };
        self.ledger.append(&author, new)
    }

    /// Appends all in commits of so many; what was stored, and the error that ended it.
    fn append_in(&self, at_once: usize, signer: &SigningKey, all: Vec<New>) -> (Vec<Entry>, Option<Error>) {
        let author = Author { signer, log_key: &self.log_key, time: 1_700_000_000 };
        let mut stored = Vec::new();
        let mut told = |entry: &Entry| stored.push(entry.clone());
        let ended = self.ledger.append_in(at_once, &author, &mut all.into_iter().map(Ok), &mut told);
        (stored, ended.err())
    }

    fn head(&self) -> Head {
        self.ledger.head().unwrap()
    }

    fn next(&mut self) -> u8 {
        self.count += 1;
        self.count
    }

    /// A session of one prompt, `p<n>.v1`, whose text is its own name; with an attachment when asked.
    fn session(&mut self, prompt: u8, attach: bool) -> New {
        self.session_saying(prompt, format!("prompt {prompt}").as_bytes(), attach)
    }

    fn session_saying(&mut self, prompt: u8, text: &[u8], attach: bool) -> New {
        let n = self.next();
        let content = Descriptor::of(text, "text/markdown");
        let (details, details_blob) = details(n);
        let mut contents = vec![Content::Bytes(content.clone(), text.to_vec()), details_blob];
        let reference = format!("p{prompt}.v1");
        let attachments = attach.then(|| {
            let (manifest, blobs) = manifest(n, true);
            contents.extend(blobs);
            manifest
        });
        let prompts = vec![Used { reference, gate: None, content }];
        let body = Body::Session(Session { attachments, ..Session::new(prompts, details, "v1", "c1") });
        New { name: format!("s-{n}"), body, contents, next_log_key: None }
    }

    fn run(&mut self, sessions: &[EntryId]) -> New {
        let n = self.next();
        let text = format!("{{\"run_id\":\"r-{n}\"}}").into_bytes();
        let record = Descriptor::of(&text, "application/json");
        let (manifest, mut contents) = manifest(n, false);
        contents.push(Content::Bytes(record.clone(), text));
        let sessions = sessions.iter().map(|entry| Cited { entry: *entry, foreign: None }).collect();
        let body = Body::Run(Run { record, manifest: Some(manifest), sessions });
        New { name: format!("r-{n}"), body, contents, next_log_key: None }
    }

    /// What a whole audit finds, by code.
    fn findings(&self) -> Vec<&'static str> {
        self.audit(&Options::default()).findings.iter().map(|finding| finding.code).collect()
    }

    fn audit(&self, options: &Options) -> Report {
        audited(&self.ledger, options)
    }
}

/// An audit. One that keeps next to nothing in memory must say the same, with threads or without, and so must the
/// plain one, which looks everything up.
fn audited(ledger: &Ledger, options: &Options) -> Report {
    use super::audit::{Bounds, audit_within, plain};
    let report = super::audit(ledger, options, &mut |_| {}).unwrap();
    let bounds = Bounds { contents: 1, pending: 1, hashes: 0, workers: 0 };
    assert_eq!(audit_within(bounds, ledger, options, &mut |_| {}).unwrap(), report);
    let head = ledger.head().unwrap();
    assert_eq!(plain(Bounds::usual(), ledger, head, options, false, &mut |_| {}).unwrap(), report);
    report
}

fn details(n: u8) -> (Descriptor, Content) {
    let fields = BTreeMap::from([("notes".to_owned(), format!("note {n}"))]);
    let bytes = Details { salt: [n; 16], fields }.to_bytes();
    let described = Descriptor::of(&bytes, DETAILS_TYPE);
    (described.clone(), Content::Bytes(described, bytes))
}

/// A manifest of three files, two of which are the same and in every manifest; with the files' bytes when they are kept.
fn manifest(n: u8, kept: bool) -> (Descriptor, Vec<Content>) {
    let same = b"the same everywhere".to_vec();
    let texts = [same.clone(), format!("file {n}").into_bytes(), same];
    let files = texts.iter().zip(["a.txt", "b.txt", "c.txt"]).map(|(text, path)| ManifestFile {
        path: path.into(),
        reference: None,
        content: Descriptor::of(text, "text/plain"),
        kept,
    });
    let bytes = Manifest { salt: [n; 16], files: files.collect() }.to_bytes();
    let described = Descriptor::of(&bytes, MANIFEST_TYPE);
    let mut contents = vec![Content::Bytes(described.clone(), bytes)];
    if kept {
        contents.extend(texts.into_iter().map(|t| Content::Bytes(Descriptor::of(&t, "text/plain"), t)));
    }
    (described, contents)
}

/// The same to be said again; not what brings a key.
fn again(new: &New) -> New {
    assert!(new.next_log_key.is_none());
    let New { name, body, contents, .. } = new;
    New { name: name.clone(), body: body.clone(), contents: contents.clone(), next_log_key: None }
}

fn change(change: KeyChange) -> New {
    let about = match &change {
        KeyChange::Enrol { who, .. } => who.key.kid(),
        KeyChange::Revoke { kid, .. } => *kid,
        KeyChange::Rotate { key } | KeyChange::Checkpoint { key } => key.kid(),
    };
    New { name: hex::encode(about.0), body: Body::Key(change), contents: Vec::new(), next_log_key: None }
}

fn enrol(seed: u8, identity: &str, roles: &[&str]) -> New {
    let who = Enrolment { identity: identity.into(), key: public(&key(seed)) };
    let roles = Roles::from_names(roles.iter().copied()).unwrap();
    change(KeyChange::Enrol { who, roles, acting_for: None })
}

fn revoke(seed: u8) -> New {
    change(KeyChange::Revoke { kid: kid(&key(seed)), since: None })
}

fn new_log_key(seed: u8) -> New {
    New {
        next_log_key: Some(Box::new(key(seed))),
        ..change(KeyChange::Checkpoint { key: public(&key(seed)) })
    }
}

fn erase(content: Address) -> New {
    let body = Body::Erase(Erase { content, details: None });
    New { name: hex::encode(content.0), body, contents: Vec::new(), next_log_key: None }
}
