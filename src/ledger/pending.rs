//! Statements that are signed and not yet stored: each is judged on top of those before it, and all of them go into
//! one commit.

use super::append::{Author, Content, New, not_signed, refused};
use super::index::{self, Documents, IndexView, Pointer};
use super::tiles::Grower;
use super::versions::bases;
use super::{Entry, Ledger};
use crate::error::{Error, Result};
use crate::store::{
    Batch, BlobState, Hash, Head, Outcome, Store, TileId, VisitRow, VisitStatement, is_pointer, visit_over,
};
use ledger_format::rules::{self, Binding, Change, KeyRecord, View};
use ledger_format::{Address, Checkpoint, Draft, DraftError, EntryId, Kid, Signer, Statement};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

/// Of so many keys and refs it is known what the index has of them.
const KNOWN: usize = 1024;

/// Where the next statement goes: the head that its author knows, and the keys as they stand there.
pub(super) struct Tip {
    grower: Grower,
    /// Of those that were asked for.
    keys: BTreeMap<Kid, KeyRecord>,
    /// What refs are bound to, of those that were asked for. It never changes.
    refs: RefCell<BTreeMap<String, Address>>,
    /// The one in force, once it was asked for.
    checkpoint_key: Option<[u8; 32]>,
}

impl Tip {
    /// That of a store at this head.
    pub(super) fn of(store: &dyn Store, head: Head) -> Result<Self> {
        Ok(Self { grower: Grower::resume(store, head)?, ..Self::empty() })
    }

    /// That of a ledger without entries.
    pub(super) fn empty() -> Self {
        let (keys, refs) = (BTreeMap::new(), RefCell::default());
        Self { grower: Grower::default(), keys, refs, checkpoint_key: None }
    }

    pub(super) fn head(&self) -> Head {
        self.grower.head()
    }

    /// So that memory does not grow with all who ever signed, and all that was used.
    fn forget(&mut self) {
        if self.keys.len() > KNOWN {
            self.keys.clear();
        }
        if self.refs.borrow().len() > KNOWN {
            self.refs.take();
        }
    }
}

/// What waits to be stored.
#[derive(Default)]
pub(super) struct Pending {
    /// The index of the first of `statements`.
    from: u64,
    statements: Vec<Vec<u8>>,
    index: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Rows of the index that are new, in no order: few statements look for one of them.
    pointers: Vec<Pointer>,
    /// Those that changed. Nearly each statement changes one, so their rows are written only once all are there.
    keys: BTreeMap<Kid, KeyRecord>,
    /// In the order in which they came, each with what it is likely to be like: a base comes first.
    contents: Vec<(Content, Option<Hash>)>,
    brought: BTreeSet<Hash>,
    erase: Vec<Hash>,
}

impl Pending {
    /// Nothing yet, on top of this head.
    pub(super) fn on(head: Head) -> Self {
        Self { from: head.size, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.statements.len()
    }

    /// Signs and judges one more statement. Nothing is changed when it is refused.
    pub(super) fn add(
        &mut self,
        ledger: &Ledger,
        below: Option<&Pending>,
        tip: &mut Tip,
        author: &Author<'_>,
        new: &New,
        documents: &Documents,
    ) -> Result<Entry> {
        tip.forget();
        let head = tip.head();
        let unknown = ledger.unknown_contents(new, documents)?;
        let view = Sight {
            store: Staged { base: &*ledger.store, below, top: self },
            keys: &tip.keys,
            refs: &tip.refs,
        };
        let kid = Kid::of(&author.signer.public_key());
        let issuer = ledger.active(&kid, view.key(&kid)?)?.identity;
        let checkpoint_key = match tip.checkpoint_key {
            Some(key) => key,
            None => index::checkpoint_key(&view.store)?,
        };
        if author.log_key.public_key() != checkpoint_key {
            return Err(Error::integrity("the log key beside the ledger is not the ledger's checkpoint key")
                .hint("restore log.key from the copy that belongs to this ledger"));
        }
        let draft = Draft { name: &new.name, issuer: &issuer, time: author.time, head, body: &new.body };
        let statement = draft.sign(author.signer).map_err(not_signed)?;
        // The signature was checked when it was made, unless the key is in this process and signs as it must; its
        // head is that of the tip.
        let changes = rules::judge_again(&view, head.size, &statement)?.map_err(refused)?;
        rules::check_foreign(&statement, &ledger.id()).map_err(refused)?;
        let entry = Entry { index: head.size, statement };
        let derived = Derived::of(&view, &entry, &changes, documents)?;
        let gone = changes.iter().filter_map(erased).map(|address| ledger.rows_of_document(&address));
        let gone = gone.collect::<Result<Vec<_>>>()?;
        let bases = bases(&view.store, &changes, documents.manifest.as_ref())?;
        tip.checkpoint_key = Some(checkpoint_key);
        self.put(tip, &entry, &changes, derived);
        self.index.extend(gone.into_iter().flatten().map(|row| (row, None)));
        for content in unknown {
            let address = content.descriptor().blake3;
            if self.brought.insert(address.0) {
                self.contents.push((content.clone(), bases.get(&address).copied()));
            }
        }
        Ok(entry)
    }

    /// Takes in a statement that was judged.
    fn put(&mut self, tip: &mut Tip, entry: &Entry, changes: &[Change], derived: Derived) {
        self.statements.push(entry.statement.bytes().to_vec());
        self.index.extend(derived.rows.into_iter().map(|(key, value)| (key, Some(value))));
        self.pointers.extend(derived.pointers);
        self.erase.extend(changes.iter().filter_map(erased).map(|address| address.0));
        for (kid, record) in derived.keys {
            tip.keys.insert(kid, record.clone());
            self.keys.insert(kid, record);
        }
        if changes.iter().any(|change| matches!(change, Change::CheckpointKey(_))) {
            tip.checkpoint_key = None;
        }
        tip.grower.push(entry.statement.id.0);
    }

    /// One statement that was judged already, or whose place nobody judges.
    pub(super) fn one(
        store: &dyn Store,
        tip: &mut Tip,
        statement: Statement,
        changes: &[Change],
        documents: &Documents,
    ) -> Result<Self> {
        let entry = Entry { index: tip.head().size, statement };
        let derived = Derived::of(&IndexView(store), &entry, changes, documents)?;
        let mut pending = Self::on(tip.head());
        pending.put(tip, &entry, changes, derived);
        Ok(pending)
    }

    /// The end of what can be added: the checkpoint of the head that it leads to. The contents are taken out.
    pub(super) fn seal(
        &mut self,
        tip: &mut Tip,
        log_key: &dyn Signer,
        (name, ledger): (&str, EntryId),
    ) -> Result<Sealed> {
        let head = tip.head();
        let checkpoint = Checkpoint { origin: ledger_format::origin(name, &ledger), head };
        Ok(Sealed {
            tiles: tip.grower.take_tiles(),
            root: head.root,
            checkpoint: checkpoint.sign(log_key).map_err(|e| not_signed(DraftError::Signer(e)))?,
            contents: std::mem::take(&mut self.contents),
        })
    }

    /// Everything as one batch.
    pub(super) fn batch(&self, sealed: Sealed) -> Result<Batch<'static>> {
        let Sealed { tiles, root, checkpoint, contents } = sealed;
        let keys = self.keys.values().map(|record| index::key_row(record).map(|(key, row)| (key, Some(row))));
        let rows = self.index.iter().map(|(key, value)| Ok((key.clone(), value.clone())));
        // A store takes rows faster that are in their order.
        let mut pointers = self.pointers.clone();
        pointers.sort_unstable();
        let pointers = pointers.iter().map(|pointer| Ok((pointer.to_vec(), Some(Vec::new()))));
        Ok(Batch {
            expect: self.from,
            statements: self.statements.clone(),
            tiles,
            root,
            checkpoint,
            index: keys.chain(rows).chain(pointers).collect::<Result<_>>()?,
            blobs: contents.into_iter().map(|(new, base)| new.open(base)).collect(),
            erase: self.erase.clone(),
        })
    }
}

/// What a batch needs beside that which is pending.
pub(super) struct Sealed {
    tiles: Vec<(TileId, Vec<u8>)>,
    root: Hash,
    checkpoint: Vec<u8>,
    contents: Vec<(Content, Option<Hash>)>,
}

fn erased(change: &Change) -> Option<Address> {
    match change {
        Change::Erase(address) => Some(*address),
        _ => None,
    }
}

/// What follows from one statement.
struct Derived {
    rows: Vec<index::Row>,
    pointers: Vec<Pointer>,
    keys: Vec<(Kid, KeyRecord)>,
}

impl Derived {
    fn of<V: View<Error = Error>>(
        view: &V,
        entry: &Entry,
        changes: &[Change],
        documents: &Documents,
    ) -> Result<Self> {
        let pointers = index::pointers(entry.index, &entry.statement, documents);
        let (rows, keys) = (index::change_rows(entry.index, changes), index::changed_keys(view, changes)?);
        Ok(Self { rows, pointers, keys })
    }
}

/// What the rules see.
struct Sight<'a> {
    store: Staged<'a>,
    keys: &'a BTreeMap<Kid, KeyRecord>,
    refs: &'a RefCell<BTreeMap<String, Address>>,
}

impl View for Sight<'_> {
    type Error = Error;

    fn key(&self, kid: &Kid) -> Result<Option<KeyRecord>> {
        let pending = || self.store.layers().find_map(|layer| layer.keys.get(kid));
        match self.keys.get(kid).or_else(pending) {
            Some(record) => Ok(Some(record.clone())),
            None => IndexView(self.store.base).key(kid),
        }
    }

    fn binding(&self, reference: &str) -> Result<Binding> {
        if let Some(content) = self.refs.borrow().get(reference) {
            return Ok(Binding::To(*content));
        }
        let binding = IndexView(&self.store).binding(reference)?;
        if let Binding::To(content) = binding {
            self.refs.borrow_mut().insert(reference.to_owned(), content);
        }
        Ok(binding)
    }

    fn cited(&self, id: &EntryId) -> Result<Option<(u64, Option<String>)>> {
        IndexView(&self.store).cited(id)
    }

    fn has_snapshot(&self, name: &str) -> Result<bool> {
        IndexView(&self.store).has_snapshot(name)
    }

    fn active_admins(&self) -> Result<u64> {
        let mut records = index::key_records(self.store.base)?;
        for layer in [self.store.below, Some(self.store.top)].into_iter().flatten() {
            records.retain(|record| !layer.keys.contains_key(&record.key.kid()));
            records.extend(layer.keys.values().cloned());
        }
        Ok(records.iter().filter(|key| key.is_active_admin()).count() as u64)
    }

    fn signed_checkpoints(&self, kid: &Kid) -> Result<bool> {
        IndexView(&self.store).signed_checkpoints(kid)
    }
}

/// A store with what is pending on top of it, but for keys. What `below` holds may be in the store already.
struct Staged<'a> {
    base: &'a dyn Store,
    below: Option<&'a Pending>,
    top: &'a Pending,
}

impl Staged<'_> {
    /// The newest first.
    fn layers(&self) -> impl Iterator<Item = &Pending> {
        std::iter::once(self.top).chain(self.below)
    }
}

impl Store for Staged<'_> {
    fn head(&self) -> Result<Option<Head>> {
        self.base.head()
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.base.checkpoint()
    }

    fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
        for layer in self.layers() {
            let at = index.checked_sub(layer.from).and_then(|at| usize::try_from(at).ok());
            if let Some(statement) = at.and_then(|at| layer.statements.get(at)) {
                return Ok(Some(statement.clone()));
            }
        }
        self.base.statement(index)
    }

    fn scan(&self, range: Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
        self.base.scan(range, visit)
    }

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
        self.base.tile(id)
    }

    fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let pointed = || self.layers().any(|layer| layer.pointers.iter().any(|pointer| pointer == key));
        match self.layers().find_map(|layer| layer.index.get(key)) {
            Some(value) => Ok(value.clone()),
            None if is_pointer(key) && pointed() => Ok(Some(Vec::new())),
            None => self.base.index_get(key),
        }
    }

    fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()> {
        let mut changed: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for layer in self.layers() {
            let rows = layer.index.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
            for (key, value) in rows.take_while(|(key, _)| key.starts_with(prefix)) {
                changed.entry(key).or_insert(value.as_deref());
            }
            if is_pointer(prefix) || prefix.is_empty() {
                let found = layer.pointers.iter().filter(|pointer| pointer.starts_with(prefix));
                for pointer in found {
                    changed.entry(pointer).or_insert(Some(&[]));
                }
            }
        }
        let base = self.base;
        visit_over(changed.into_iter().collect(), reverse, visit, |visit| {
            base.index_scan(prefix, reverse, visit)
        })
    }

    fn replace_index(&self, _: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
        Err(read_only())
    }

    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        self.base.blob_state(address)
    }

    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        self.base.read_blob(address, sink)
    }

    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        self.base.blobs(visit)
    }

    fn commit(&self, _: Batch<'_>) -> Result<Outcome> {
        Err(read_only())
    }

    fn unscrubbed(&self) -> Result<bool> {
        self.base.unscrubbed()
    }

    fn scrub(&mut self) -> Result<()> {
        Err(read_only())
    }
}

fn read_only() -> Error {
    Error::bug("what is pending is only looked into")
}
