//! Writing: a statement is judged, signed and stored with its content, or nothing happens at all.

use super::index::Documents;
use super::pending::{Pending, Tip};
use super::tiles::Grower;
use super::{Ledger, index};
use crate::error::{Error, Kind, Result};
use crate::store::{Batch, BlobState, Hash, MemoryStore, NewBlob, Outcome};
use ledger_format::evidence;
use ledger_format::rules::{self, KeyRecord};
use ledger_format::{
    Address, Body, Class, Descriptor, Draft, DraftError, Enrolment, Failure, Kid, Manifest, Previous,
    PublicKey, SignError, Signer,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::PathBuf;

/// Other writers can win the race for the next index so often before we give up.
pub(super) const ATTEMPTS: usize = 100;

/// Who writes: the statement's author, the ledger's checkpoint key, and the author's clock.
pub struct Author<'a> {
    /// Signs the statement.
    pub signer: &'a dyn Signer,
    /// Signs the checkpoint.
    pub log_key: &'a dyn Signer,
    /// Seconds since 1970, as the author claims them.
    pub time: u64,
}

/// Content to be stored with a statement; read when it is committed, checked against its descriptor.
#[derive(Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Descriptor, Vec<u8>),
    /// A file, read again when it is stored; it must not have changed since it was described.
    File(Descriptor, PathBuf),
}

impl Content {
    /// What the content is.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Bytes(descriptor, _) | Self::File(descriptor, _) => descriptor,
        }
    }

    /// What a person calls it.
    fn name(&self, body: &Body) -> String {
        let address = self.descriptor().blake3;
        match (self, body) {
            (Self::File(_, path), _) => path.display().to_string(),
            (_, body) => {
                let used = body.used().iter().find(|used| used.content.blake3 == address);
                used.map_or_else(|| address.to_string(), |used| format!("the prompt {}", used.reference))
            }
        }
    }

    pub(super) fn open(self, base: Option<Hash>) -> NewBlob<'static> {
        let descriptor = self.descriptor();
        let (address, size) = (descriptor.blake3.0, descriptor.size);
        let source: Box<dyn Read + Send> = match self {
            Self::Bytes(_, bytes) => Box::new(Cursor::new(bytes)),
            Self::File(_, path) => Box::new(Lazy::Closed(path)),
        };
        NewBlob { address, size, base, source }
    }
}

/// A file that is open only while it is read: a batch may name more files than a process can hold open.
enum Lazy {
    Closed(PathBuf),
    Open(File),
    Done,
}

impl Read for Lazy {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Self::Closed(path) = self {
            *self = Self::Open(File::open(path)?);
        }
        let Self::Open(file) = self else { return Ok(0) };
        let read = file.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            *self = Self::Done;
        }
        Ok(read)
    }
}

/// One statement to append.
pub struct New {
    /// The name within its kind.
    pub name: String,
    /// What it says.
    pub body: Body,
    /// The content to keep; also the manifest or details that the body names.
    pub contents: Vec<Content>,
    /// The key that the body makes the checkpoint key; it signs the first checkpoint that covers it.
    pub next_log_key: Option<Box<dyn Signer + Send>>,
}

impl New {
    /// Whether it changes what others in the same commit stand on: the key that signs the checkpoint, or content.
    pub(super) fn goes_alone(&self) -> bool {
        self.next_log_key.is_some() || matches!(self.body, Body::Erase(_))
    }

    /// The key that signs the checkpoint of the commit that it is in.
    pub(super) fn log_key<'a>(&'a self, author: &Author<'a>) -> &'a dyn Signer {
        match &self.next_log_key {
            Some(key) => key.as_ref(),
            None => author.log_key,
        }
    }
}

/// What a new ledger is to be.
pub struct Create<'a> {
    /// The ledger's name, `[a-z0-9.-]{1,64}`.
    pub name: &'a str,
    /// The founder's identity.
    pub identity: &'a str,
    /// Random.
    pub nonce: [u8; 16],
    /// The ledger that this one follows.
    pub previous: Option<Previous>,
}

/// The first batch of a new ledger.
pub(super) fn genesis(create: &Create<'_>, author: &Author<'_>) -> Result<Batch<'static>> {
    let public = |signer: &dyn Signer| PublicKey::new(&signer.public_key()).map_err(refused);
    let body = Body::Ledger(ledger_format::Ledger {
        name: create.name.to_owned(),
        admins: vec![Enrolment { identity: create.identity.to_owned(), key: public(author.signer)? }],
        checkpoint_key: public(author.log_key)?,
        nonce: create.nonce,
        previous: create.previous.clone(),
    });
    let mut tip = Tip::empty();
    let head = tip.head();
    let draft = Draft { name: create.name, issuer: create.identity, time: author.time, head, body: &body };
    let statement = draft.sign(author.signer).map_err(not_signed)?;
    let Ok(changes) = rules::judge(&rules::State::default(), 0, &statement);
    let (changes, id) = (changes.map_err(refused)?, statement.id);
    let nothing = MemoryStore::default();
    let mut first = Pending::one(&nothing, &mut tip, statement, &changes, &Documents::default())?;
    let sealed = first.seal(&mut tip, author.log_key, (create.name, id))?;
    first.batch(sealed)
}

impl Ledger {
    /// The identity that a key is enrolled for, if it may still sign.
    ///
    /// # Errors
    /// Failed, when the key is not enrolled here or was revoked.
    pub fn identity_of(&self, kid: &Kid) -> Result<String> {
        Ok(self.active(kid, self.key(kid)?)?.identity)
    }

    /// The record of a key that may still sign.
    pub(super) fn active(&self, kid: &Kid, record: Option<KeyRecord>) -> Result<KeyRecord> {
        let record = record.ok_or_else(|| {
            Error::failed(format!("the key {kid} is not enrolled in the ledger '{}'", self.name()))
                .hint("an admin enrols it: promptos key add FILE.pub --identity NAME --role user")
                .hint("or choose an enrolled key with --key; 'promptos key list' shows them")
        })?;
        match record.revoked {
            None => Ok(record),
            Some(entry) => Err(Error::failed(format!("the key {kid} was revoked by entry {entry}"))
                .hint("choose another key with --key; 'promptos key list' shows which are active")),
        }
    }

    /// Refuses refs that are bound to other bytes, before anybody is asked to sign.
    ///
    /// # Errors
    /// Findings, naming both digests and the entry that bound the first.
    pub fn check_bindings<'a>(&self, refs: impl IntoIterator<Item = (&'a str, Address)>) -> Result<()> {
        let refs: BTreeMap<&str, Address> = refs.into_iter().collect();
        let otherwise = self.bound_otherwise(refs.iter().map(|(name, content)| (*name, *content)))?;
        let Some((reference, bound, at)) = otherwise.first() else { return Ok(()) };
        let entry = self.expect_entry(*at)?;
        let statement = &entry.statement;
        let more = match otherwise.len() - 1 {
            0 => String::new(),
            more => format!(", and so are {more} others"),
        };
        Err(Error::findings(format!("{reference} is bound to other bytes{more}"))
            .hint(format!("bound   {bound}"))
            .hint(format!("now     {}", refs.get(reference).unwrap_or(bound)))
            .hint(format!("by      entry {} ({}) {}", entry.index, statement.subject(), statement.id))
            .hint("a prompt's version never changes: give the new text a new version"))
    }

    /// The contents that the store does not have yet. What was erased is never stored again, not inside evidence
    /// either.
    pub(super) fn unknown_contents<'a>(
        &self,
        new: &'a New,
        documents: &Documents,
    ) -> Result<Vec<&'a Content>> {
        let refuse = |address: &Address, name: String| {
            Error::failed(format!(
                "{name} is content that was erased from this ledger, and it is never stored again"
            ))
            .hint(format!("it is {address}"))
            .hint("leave it out; a prompt's text changes with a new version")
        };
        let mut unknown = Vec::new();
        for content in &new.contents {
            let Descriptor { blake3, size, .. } = content.descriptor();
            match self.blob_state(blake3)? {
                BlobState::Erased => return Err(refuse(blake3, content.name(&new.body))),
                BlobState::Present(here) if here == *size => {}
                // The store refuses another size.
                BlobState::Present(_) | BlobState::Missing => unknown.push(content),
            }
        }
        for (tar, evidence) in &documents.evidence {
            for address in evidence.blobs.keys() {
                if self.blob_state(address)? == BlobState::Erased {
                    return Err(refuse(address, format!("a part of the evidence {tar}")));
                }
            }
        }
        Ok(unknown)
    }

    pub(super) fn holds(&self, entry: &super::Entry) -> bool {
        let stored = self.store.statement(entry.index);
        stored.is_ok_and(|stored| stored.as_deref() == Some(entry.statement.bytes()))
    }

    /// The rows that follow from a manifest or from evidence. They go with it: an erased list is not to be
    /// read out of the index, and an index written anew would not have them.
    pub(super) fn rows_of_document(&self, address: &Address) -> Result<Vec<Vec<u8>>> {
        let mut rows = Vec::new();
        for entry in self.naming(address)? {
            let statement = &entry.statement;
            let mut documents = self.documents(statement);
            let all = index::pointers(entry.index, statement, &documents);
            documents.manifest.take_if(|_| index::manifest_of(&statement.body) == Some(*address));
            documents.evidence.retain(|(tar, _)| tar != address);
            let stay = index::pointers(entry.index, statement, &documents);
            rows.extend(all.into_iter().filter(|row| !stay.contains(row)).map(|pointer| pointer.to_vec()));
        }
        Ok(rows)
    }

    /// Writes the derived index anew from the statements.
    ///
    /// # Errors
    /// When the store cannot be read or written, or a statement does not hold.
    pub fn rebuild_index(&self) -> Result<()> {
        let mut rows = super::audit::index_rows(self)?;
        // In their order they fill the pages.
        rows.sort_unstable();
        self.store.replace_index(&mut rows.into_iter().map(Ok))
    }
}

impl Ledger {
    /// Writes the tiles of the tree anew from the statements, which must lead to the stored head.
    ///
    /// # Errors
    /// Integrity, when they do not; when the store cannot be read or written.
    pub fn rebuild_tree(&self) -> Result<()> {
        let head = self.head()?;
        let mut grower = Grower::default();
        self.store.scan(0..head.size, &mut |_, bytes| {
            grower.push(ledger_format::tree::leaf_hash(bytes));
            Ok(true)
        })?;
        if grower.head() != head {
            return Err(Error::integrity(
                "the tree cannot be rebuilt: the entries do not lead to the ledger's head",
            ));
        }
        let (tiles, checkpoint) = (grower.take_tiles(), self.signed_checkpoint()?);
        let batch = Batch { expect: head.size, root: head.root, tiles, checkpoint, ..Batch::default() };
        match self.store.commit(batch)? {
            Outcome::Done => Ok(()),
            Outcome::Conflict(_) => Err(Error::unavailable("another writer was first").hint("try again")),
        }
    }
}

/// The documents that the body names, from the new contents; they must hold before anything is signed.
pub(super) fn new_documents(new: &New) -> Result<Documents> {
    let mut documents = Documents::default();
    let bytes = |address: Address| {
        new.contents.iter().find_map(|content| match content {
            Content::Bytes(descriptor, bytes) if descriptor.blake3 == address => Some(bytes),
            _ => None,
        })
    };
    if let Some(manifest) = index::manifest_of(&new.body).and_then(bytes) {
        documents.manifest = Some(Manifest::parse(manifest).map_err(refused)?);
    }
    if let Body::Run(run) = &new.body {
        for cited in &run.sessions {
            let Some(foreign) = &cited.foreign else { continue };
            let address = foreign.evidence.blake3;
            if let Some(tar) = bytes(address) {
                let evidence = evidence::prove(&cited.entry, &foreign.ledger, tar).map_err(refused)?;
                documents.evidence.push((address, evidence));
            }
        }
    }
    Ok(documents)
}

pub(super) fn others_first() -> Error {
    Error::unavailable("other writers kept appending first; nothing was recorded").hint("try again")
}

/// The store knows content by its address; a person knows the file.
pub(super) fn name_file(error: Error, new: &New) -> Error {
    let said = error.to_string();
    let file = new.contents.iter().find_map(|content| match content {
        Content::File(descriptor, path) if said.contains(&descriptor.blake3.to_string()) => Some(path),
        _ => None,
    });
    match file {
        Some(path) => error.hint(format!("it is the file {}", path.display())),
        None => error,
    }
}

pub(super) fn not_signed(error: DraftError) -> Error {
    match error {
        DraftError::Invalid(failure) => refused(failure),
        DraftError::Signer(SignError(why)) => Error::unavailable(format!("nothing was signed: {why}")),
    }
}

/// A statement that we may not make is a person's mistake and not a damaged ledger.
pub(super) fn refused(failure: Failure) -> Error {
    let kind = if failure.class == Class::RefRebound { Kind::Findings } else { Kind::Failed };
    Error::new(kind, format!("the ledger refuses this: {}", failure.detail))
}
