//! One ledger: appending to it, looking things up in it, auditing it, and taking evidence from it.

mod anchor;
mod append;
mod audit;
mod basis;
mod below;
mod bulk;
mod checks;
mod contents;
pub mod doctor;
mod envelope;
mod erase;
mod evidence;
mod heads;
mod held;
mod index;
mod life;
mod lookup;
mod pass;
mod pending;
mod pin;
mod publish;
mod published;
mod queue;
mod rows;
mod snapshot;
mod suspect;
#[cfg(test)]
mod tests;
mod tiles;
mod trace;
mod uses;
mod versions;
mod where_used;

pub use anchor::{AnchorSearch, AnchoredHead, TRAILER, tag_message, trailer};
pub use append::{Author, Content, Create, New};
pub use audit::{Finding, Options, Report, Rung, audit, audit_hashes};
pub use basis::Basis;
pub use erase::Erasure;
pub use heads::{
    Compared, Cosigner, Seen, SignedHead, WitnessedHead, compare, contradiction, held_checkpoint, held_note,
};
pub use life::{Lived, Misfit, mismatches};
pub use pin::{Pin, Pins};
pub use publish::{Blobs, Publication, publish};
pub use suspect::{Cause, Suspect, doubts};
pub use trace::{Found, Signed, Step, Traced};
pub use uses::{RefUses, Stated, Uses};
pub use where_used::{User, Users, Wanted};

pub use crate::store::{Access, BlobState, Directory, Event, Http, Limits, Source, install_quiet_panic_hook};

use crate::error::{Error, Result};
use crate::store::nodes::Tiles;
use crate::store::{Head, Outcome, RedbStore, Store};
use ledger_format::rules::KeyRecord;
use ledger_format::{
    Address, Body, Checkpoint, Class, Details, EntryId, Kid, Manifest, PublicKey, Statement, tree,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An open ledger.
pub struct Ledger {
    store: Box<dyn Store>,
    id: EntryId,
    name: String,
    queue: queue::Queue,
    /// When it is a published copy and no ledger file.
    published: Option<Arc<published::Published>>,
}

/// A statement and where it stands.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// The statement.
    pub statement: Statement,
}

/// Content as a reader finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    /// The bytes, checked against their address.
    Present(Vec<u8>),
    /// Erased, with a tombstone.
    Erased,
    /// Not in this store.
    Missing,
}

impl Ledger {
    /// Opens a ledger file; see [`RedbStore::open`] for waiting and repair.
    ///
    /// # Errors
    /// As [`RedbStore::open`] and [`Self::open`].
    pub fn open_file(
        path: &Path,
        access: Access,
        lock_timeout: Duration,
        events: &mut dyn FnMut(Event),
    ) -> Result<Self> {
        Self::open(Box::new(RedbStore::open(path, access, lock_timeout, events)?))
    }

    /// Makes a new ledger file, complete or not at all. `false`: something is at `path` already, perhaps
    /// since a moment ago, and nothing was changed.
    ///
    /// # Errors
    /// When a name or identity is not allowed, a key does not sign, or the file cannot be made.
    pub fn create_file(path: &Path, create: &Create<'_>, author: &Author<'_>) -> Result<bool> {
        Ok(RedbStore::create(path, append::genesis(create, author)?)? == Outcome::Done)
    }

    /// Opens the ledger that a store holds.
    ///
    /// # Errors
    /// When the store is empty (failed) or its first entry is no genesis (integrity).
    pub fn open(store: Box<dyn Store>) -> Result<Self> {
        let bytes = store.statement(0)?.ok_or_else(|| Error::failed("the ledger file holds no ledger"))?;
        let genesis = Statement::decode(bytes).map_err(|f| bad_entry(0, &f.to_string()))?;
        let Body::Ledger(ledger) = &genesis.body else {
            return Err(bad_entry(0, "it is not a genesis"));
        };
        Ok(Self::over(store, genesis.id, ledger.name.clone(), None))
    }

    fn over(
        store: Box<dyn Store>,
        id: EntryId,
        name: String,
        published: Option<Arc<published::Published>>,
    ) -> Self {
        Self { store, id, name, queue: queue::Queue::default(), published }
    }

    /// The ledger id: its genesis id.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// The name in the genesis.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The checkpoint origin.
    #[must_use]
    pub fn origin(&self) -> String {
        ledger_format::origin(&self.name, &self.id)
    }

    /// The head as the store says it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn head(&self) -> Result<Head> {
        self.store.head()?.ok_or_else(|| Error::integrity("the ledger has no head"))
    }

    /// The signed checkpoint of the head.
    ///
    /// # Errors
    /// When the store cannot be read or has none.
    pub fn signed_checkpoint(&self) -> Result<Vec<u8>> {
        self.store.checkpoint()?.ok_or_else(|| Error::integrity("the ledger has no checkpoint"))
    }

    /// The checkpoint key in force, as the index says it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn checkpoint_key(&self) -> Result<PublicKey> {
        PublicKey::new(&index::checkpoint_key(&*self.store)?)
            .map_err(|_| index::damaged("the checkpoint key"))
    }

    /// The statement at `index`, `None` beyond the head.
    ///
    /// # Errors
    /// When the store cannot be read or holds something else than a statement there.
    pub fn entry(&self, index: u64) -> Result<Option<Entry>> {
        let Some(bytes) = self.store.statement(index)? else { return Ok(None) };
        Ok(Some(Entry { index, statement: decode(index, bytes)? }))
    }

    /// The statement at an index that the store itself named.
    fn expect_entry(&self, index: u64) -> Result<Entry> {
        self.entry(index)?.ok_or_else(|| bad_entry(index, "it is missing"))
    }

    /// The statement with this id.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn by_id(&self, id: &EntryId) -> Result<Option<Entry>> {
        let Some((index, bytes)) = index::located(&*self.store, id)? else { return Ok(None) };
        Ok(Some(Entry { index, statement: decode(index, bytes)? }))
    }

    /// What a ref is bound to, and the entry that bound it.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn bound(&self, reference: &str) -> Result<Option<(Address, Entry)>> {
        match index::bound(&*self.store, reference)? {
            None => Ok(None),
            Some((content, at)) => Ok(Some((content, self.expect_entry(at)?))),
        }
    }

    /// All keys ever enrolled, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn keys(&self) -> Result<Vec<KeyRecord>> {
        index::key_records(&*self.store)
    }

    /// The record of one key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn key(&self, kid: &Kid) -> Result<Option<KeyRecord>> {
        index::key_record(&*self.store, kid)
    }

    /// What the store knows of content.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn blob_state(&self, address: &Address) -> Result<BlobState> {
        self.store.blob_state(&address.0)
    }

    /// Content, whole, checked against its address. For what is known to be small.
    ///
    /// # Errors
    /// When the store cannot be read, or the bytes were changed (integrity).
    pub fn blob(&self, address: &Address) -> Result<Blob> {
        let mut bytes = Vec::new();
        let state = self.store.read_blob(&address.0, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(match state {
            BlobState::Present(_) if blake3::hash(&bytes) == address.0 => Blob::Present(bytes),
            BlobState::Present(_) => return Err(altered(address)),
            BlobState::Erased => Blob::Erased,
            BlobState::Missing => self.blob_in_evidence(address)?.map_or(Blob::Missing, Blob::Present),
        })
    }

    /// What a ref is bound to, with its bytes: [`Self::bound`] and [`Self::blob`], without the entry.
    ///
    /// # Errors
    /// As [`Self::blob`].
    pub fn prompt(&self, reference: &str) -> Result<Option<(Address, Blob)>> {
        let Some((content, _)) = index::bound(&*self.store, reference)? else { return Ok(None) };
        Ok(Some((content, self.blob(&content)?)))
    }

    /// Streams content to `sink`; an error after the last piece when the bytes are not the address's.
    ///
    /// # Errors
    /// The sink's; when the store cannot be read, or the bytes were changed (integrity).
    pub fn read_blob(
        &self,
        address: &Address,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<BlobState> {
        let mut hash = blake3::Hasher::new();
        let state = self.store.read_blob(&address.0, &mut |piece| {
            hash.update(piece);
            sink(piece)
        })?;
        if state == BlobState::Missing
            && let Some(bytes) = self.blob_in_evidence(address)?
        {
            sink(&bytes)?;
            return Ok(BlobState::Present(bytes.len() as u64));
        }
        if matches!(state, BlobState::Present(_)) && hash.finalize().as_bytes() != &address.0 {
            return Err(altered(address));
        }
        Ok(state)
    }

    /// Content of another ledger, from the evidence that a run brought here.
    fn blob_in_evidence(&self, address: &Address) -> Result<Option<Vec<u8>>> {
        for entry in self.naming(address)? {
            for mut evidence in self.foreign_sessions(&entry)? {
                if let Some(bytes) = evidence.blobs.remove(address) {
                    return Ok(Some(bytes));
                }
            }
        }
        Ok(None)
    }

    /// The details that a statement names; `None` when they were erased or are not here.
    ///
    /// # Errors
    /// As [`Self::blob`]; when the blob is no details blob.
    pub fn details(&self, body: &Body) -> Result<Option<Details>> {
        let descriptor = match body {
            Body::Start(session) | Body::Session(session) => Some(&session.details),
            Body::Event(event) => Some(&event.details),
            Body::Import(import) => import.details.as_ref(),
            Body::Erase(erase) => erase.details.as_ref(),
            _ => None,
        };
        let Some(descriptor) = descriptor else { return Ok(None) };
        let Blob::Present(bytes) = self.blob(&descriptor.blake3)? else { return Ok(None) };
        Details::parse(&bytes).map(Some).map_err(|f| Error::integrity(f.to_string()))
    }

    /// The manifest that a statement names; `None` when there is none or it is not here.
    ///
    /// # Errors
    /// As [`Self::blob`]; when the blob is no manifest.
    pub fn manifest(&self, body: &Body) -> Result<Option<Manifest>> {
        let Some(address) = index::manifest_of(body) else { return Ok(None) };
        let Blob::Present(bytes) = self.blob(&address)? else { return Ok(None) };
        Manifest::parse(&bytes).map(Some).map_err(|f| Error::integrity(f.to_string()))
    }

    /// The inclusion path of an entry in the tree of `size`.
    fn inclusion(&self, at: u64, size: u64) -> Result<Vec<ledger_format::Hash>> {
        tree::inclusion_proof(&Tiles(&*self.store), at, size)
    }

    /// Checks one entry by itself: its signature by its enrolled key, and its place in the head's tree.
    ///
    /// # Errors
    /// Integrity, when either does not hold.
    pub fn check_entry(&self, entry: &Entry) -> Result<()> {
        let head = self.head()?;
        let statement = &entry.statement;
        let bad = |f: &ledger_format::Failure| bad_entry(entry.index, &f.to_string());
        let record =
            self.key(&statement.kid)?.ok_or_else(|| bad_entry(entry.index, "its key is not enrolled"))?;
        statement.verify(&record.key).map_err(|f| bad(&f))?;
        let path = self.inclusion(entry.index, head.size)?;
        tree::verify_inclusion(&statement.id.0, entry.index, &head, &path).map_err(|f| bad(&f))
    }

    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<ledger_format::Hash>> {
        let store = &*self.store;
        match tree::consistency_proof(&Tiles(store), old.size, new.size) {
            Ok(proof) if tree::verify_consistency(old, new, &proof).is_ok() => Ok(proof),
            // Damaged tiles must not look like a fork: the statements themselves decide.
            _ => {
                let mut leaves = tree::Leaves::default();
                store.scan(0..new.size, &mut |_, bytes| {
                    leaves.0.push(tree::leaf_hash(bytes));
                    Ok(true)
                })?;
                tree::consistency_proof(&leaves, old.size, new.size).map_err(|f| Error::integrity(f.detail))
            }
        }
    }

    /// Whether this ledger extends an earlier head of it, proved by O(log n) hashes.
    ///
    /// # Errors
    /// When the store cannot be read; integrity when it does not, with both heads named.
    pub fn check_extends(&self, old: &Head) -> Result<()> {
        let now = self.head()?;
        if now.size < old.size {
            return Err(Error::integrity(format!(
                "the ledger went back: it has {} entries, and had {}",
                now.size, old.size
            ))
            .hint(format!("head now  {now}"))
            .hint(format!("head seen {old}")));
        }
        let proof = self.consistency(old, &now)?;
        tree::verify_consistency(old, &now, &proof).map_err(|_| {
            Error::integrity(format!(
                "the ledger forked: it does not extend the {} entries seen before",
                old.size
            ))
            .hint(format!("head now  {now}"))
            .hint(format!("head seen {old}"))
        })
    }

    /// The checkpoint as the store has it, with its signature checked by the key that the index names.
    ///
    /// # Errors
    /// Integrity, when it is not of this ledger, not of its head, or not signed by its key.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let vkey = ledger_format::VerifierKey { name: self.origin(), key: self.checkpoint_key()? };
        let checkpoint = Checkpoint::open(&self.signed_checkpoint()?, &vkey)
            .map_err(|f| Error::integrity(format!("the ledger's checkpoint does not hold: {f}")))?;
        if checkpoint.head != self.head()? {
            return Err(Error::integrity("the ledger's checkpoint is of another head than the ledger"));
        }
        Ok(checkpoint)
    }
}

/// Seconds since 1970 as people and JSON see them; `@<seconds>` beyond what a calendar holds.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|s| chrono::DateTime::from_timestamp(s, 0));
    time.map_or_else(|| format!("@{seconds}"), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn decode(index: u64, bytes: Vec<u8>) -> Result<Statement> {
    Statement::decode(bytes).map_err(|failure| match failure.class {
        Class::Unsupported => Error::failed(format!("entry {index}: {}", failure.detail))
            .hint("a newer promptos wrote this ledger; upgrade to use it"),
        _ => bad_entry(index, &failure.to_string()),
    })
}

/// Text from elsewhere, on one line and not too long.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !ledger_format::is_hidden(*c)).take(200).collect()
}

fn altered(address: &Address) -> Error {
    Error::integrity(format!("the content stored as {address} is not that content"))
        .hint("it was changed after it was recorded; restore the ledger from a copy")
}

fn bad_entry(index: u64, why: &str) -> Error {
    Error::integrity(format!("entry {index} of the ledger is damaged: {why}"))
}
