//! Writing: a statement is judged, signed and stored with its content, or nothing happens at all.

use super::index::Documents;
use super::tiles::Grower;
use super::{Ledger, index};
use crate::error::{Error, Kind, Result};
use crate::store::{Batch, BlobState, Hash, Head, NewBlob, Outcome, Store};
use ledger_format::evidence;
use ledger_format::rules::{self, Change};
use ledger_format::{
    Address, Body, Checkpoint, Class, Descriptor, Draft, DraftError, Enrolment, EntryId, Failure, Kid,
    Manifest, Previous, PublicKey, SignError, Signer, Statement,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// Other writers can win the race for the next index so often before we give up.
const ATTEMPTS: usize = 100;

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

    fn open(&self) -> NewBlob<'_> {
        let source: Box<dyn Read + '_> = match self {
            Self::Bytes(_, bytes) => Box::new(Cursor::new(bytes)),
            Self::File(_, path) => Box::new(Lazy::Closed(path)),
        };
        let descriptor = self.descriptor();
        NewBlob { address: descriptor.blake3.0, size: descriptor.size, source }
    }
}

/// A file that is open only while it is read: a batch may name more files than a process can hold open.
enum Lazy<'a> {
    Closed(&'a Path),
    Open(File),
    Done,
}

impl Read for Lazy<'_> {
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
    pub next_log_key: Option<Box<dyn Signer>>,
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
    let head = Head::empty();
    let draft = Draft { name: create.name, issuer: create.identity, time: author.time, head, body: &body };
    let statement = draft.sign(author.signer).map_err(not_signed)?;
    let Ok(changes) = rules::judge(&rules::State::default(), 0, &statement);
    let changes = changes.map_err(refused)?;
    let empty = crate::store::MemoryStore::default();
    let ledger = (create.name, statement.id);
    batch(&empty, Grower::default(), &statement, &changes, &Documents::default(), author.log_key, ledger)
}

impl Ledger {
    /// The identity that a key is enrolled for, if it may still sign.
    ///
    /// # Errors
    /// Failed, when the key is not enrolled here or was revoked.
    pub fn identity_of(&self, kid: &Kid) -> Result<String> {
        let record = self.key(kid)?.ok_or_else(|| {
            Error::failed(format!("the key {kid} is not enrolled in the ledger '{}'", self.name()))
                .hint("an admin enrols it: promptos key add FILE.pub --identity NAME --role user")
                .hint("or choose an enrolled key with --key; 'promptos key list' shows them")
        })?;
        match record.revoked {
            None => Ok(record.identity),
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

    /// Appends one statement: judged, signed, stored with its content in one commit.
    ///
    /// # Errors
    /// Failed when the signer may not say this, findings for a rebound ref, unavailable when the key
    /// holder does not sign, integrity when the store's tree is damaged; nothing is stored then.
    pub fn append(&self, author: &Author<'_>, new: &New) -> Result<super::Entry> {
        let documents = new_documents(new)?;
        self.refuse_erased(new, &documents)?;
        for _ in 0..ATTEMPTS {
            let head = self.head()?;
            match self.try_append(author, new, &documents, head) {
                Ok(Some(entry)) => return Ok(entry),
                Ok(None) => {}
                // What was read while another writer stored may not fit together; only with an unmoved head
                // is the failure ours.
                Err(error) => match self.head() {
                    Ok(now) if now != head => {}
                    _ => return Err(error),
                },
            }
        }
        Err(Error::unavailable("other writers kept appending first; nothing was recorded").hint("try again"))
    }

    /// What was erased is never stored again, not inside evidence either.
    fn refuse_erased(&self, new: &New, documents: &Documents) -> Result<()> {
        let own = new.contents.iter().map(|content| (content.descriptor().blake3, content.name(&new.body)));
        let inside = documents.evidence.iter().flat_map(|(tar, evidence)| {
            evidence.blobs.keys().map(move |address| (*address, format!("a part of the evidence {tar}")))
        });
        for (address, name) in own.chain(inside) {
            if self.blob_state(&address)? == BlobState::Erased {
                return Err(Error::failed(format!(
                    "{name} is content that was erased from this ledger, and it is never stored again"
                ))
                .hint(format!("it is {address}"))
                .hint("leave it out; a prompt's text changes with a new version"));
            }
        }
        Ok(())
    }

    /// One attempt on top of `head`; `None` when another writer was first.
    fn try_append(
        &self,
        author: &Author<'_>,
        new: &New,
        documents: &Documents,
        head: Head,
    ) -> Result<Option<super::Entry>> {
        let issuer = self.identity_of(&Kid::of(&author.signer.public_key()))?;
        let grower = Grower::resume(&*self.store, head)?;
        let log_key = PublicKey::new(&author.log_key.public_key()).map_err(refused)?;
        if log_key != self.checkpoint_key()? {
            return Err(Error::integrity("the log key beside the ledger is not the ledger's checkpoint key")
                .hint("restore log.key from the copy that belongs to this ledger"));
        }
        let draft = Draft { name: &new.name, issuer: &issuer, time: author.time, head, body: &new.body };
        let statement = draft.sign(author.signer).map_err(not_signed)?;
        let view = index::IndexView(&*self.store);
        let changes = rules::judge(&view, head.size, &statement)?.map_err(refused)?;
        rules::check_foreign(&statement, &self.id()).map_err(refused)?;
        let identity = (self.name(), self.id());
        let log_key = new.next_log_key.as_deref().unwrap_or(author.log_key);
        let mut batch = batch(&*self.store, grower, &statement, &changes, documents, log_key, identity)?;
        for address in &batch.erase {
            batch.index.extend(self.rows_of_document(&Address(*address))?.into_iter().map(|row| (row, None)));
        }
        batch.blobs = new.contents.iter().map(Content::open).collect();
        let stored = self.store.commit(batch);
        let entry = super::Entry { index: head.size, statement };
        match stored {
            Ok(Outcome::Done) => Ok(Some(entry)),
            Ok(Outcome::Conflict(_)) => Ok(None),
            // The answer may have been lost and the statement not: then saying "failed" would have it
            // recorded twice.
            Err(_) if self.holds(&entry) => Ok(Some(entry)),
            Err(error) => Err(name_file(error, new)),
        }
    }

    fn holds(&self, entry: &super::Entry) -> bool {
        let stored = self.store.statement(entry.index);
        stored.is_ok_and(|stored| stored.as_deref() == Some(entry.statement.bytes()))
    }

    /// The rows that follow from a manifest or from evidence. They go with it: an erased list is not to be
    /// read out of the index, and an index written anew would not have them.
    fn rows_of_document(&self, address: &Address) -> Result<Vec<Vec<u8>>> {
        let mut rows = Vec::new();
        for entry in self.naming(address)? {
            let statement = &entry.statement;
            let mut documents = self.documents(statement);
            let all = index::statement_rows(entry.index, statement, &documents);
            documents.manifest.take_if(|_| index::manifest_of(&statement.body) == Some(*address));
            documents.evidence.retain(|(tar, _)| tar != address);
            let stay = index::statement_rows(entry.index, statement, &documents);
            rows.extend(all.into_iter().filter(|row| !stay.contains(row)).map(|(key, _)| key));
        }
        Ok(rows)
    }

    /// Writes the derived index anew from the statements.
    ///
    /// # Errors
    /// When the store cannot be read or written, or a statement does not hold.
    pub fn rebuild_index(&self) -> Result<()> {
        let rows = super::audit::index_rows(self)?;
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
        let (tiles, checkpoint) = (grower.into_tiles(), self.signed_checkpoint()?);
        let batch = Batch { expect: head.size, root: head.root, tiles, checkpoint, ..Batch::default() };
        match self.store.commit(batch)? {
            Outcome::Done => Ok(()),
            Outcome::Conflict(_) => Err(Error::unavailable("another writer was first").hint("try again")),
        }
    }
}

/// The documents that the body names, from the new contents; they must hold before anything is signed.
fn new_documents(new: &New) -> Result<Documents> {
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

/// Everything that appending `statement` changes, but for blobs.
pub(super) fn batch(
    store: &dyn Store,
    mut grower: Grower,
    statement: &Statement,
    changes: &[Change],
    documents: &Documents,
    log_key: &dyn Signer,
    (name, ledger): (&str, EntryId),
) -> Result<Batch<'static>> {
    let at = grower.head().size;
    grower.push(statement.id.0);
    let head = grower.head();
    let checkpoint = Checkpoint { origin: ledger_format::origin(name, &ledger), head };
    let mut rows = index::statement_rows(at, statement, documents);
    rows.extend(index::change_rows(&index::IndexView(store), at, changes)?);
    let erase = changes.iter().filter_map(|change| match change {
        Change::Erase(address) => Some(address.0),
        _ => None,
    });
    Ok(Batch {
        expect: at,
        statements: vec![statement.bytes().to_vec()],
        tiles: grower.into_tiles(),
        root: head.root,
        checkpoint: checkpoint.sign(log_key).map_err(|e| not_signed(DraftError::Signer(e)))?,
        index: rows.into_iter().map(|(key, value)| (key, Some(value))).collect(),
        blobs: Vec::new(),
        erase: erase.collect::<Vec<Hash>>(),
    })
}

/// The store knows content by its address; a person knows the file.
fn name_file(error: Error, new: &New) -> Error {
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

fn not_signed(error: DraftError) -> Error {
    match error {
        DraftError::Invalid(failure) => refused(failure),
        DraftError::Signer(SignError(why)) => Error::unavailable(format!("nothing was signed: {why}")),
    }
}

/// A statement that we may not make is a person's mistake and not a damaged ledger.
fn refused(failure: Failure) -> Error {
    let kind = if failure.class == Class::RefRebound { Kind::Findings } else { Kind::Failed };
    Error::new(kind, format!("the ledger refuses this: {}", failure.detail))
}
