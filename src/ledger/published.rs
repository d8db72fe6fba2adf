//! A published ledger: nothing in it is derived, so what is looked up is derived here, in memory, from statements that
//! were judged one and all.

use super::{BlobState, Ledger, audit, index};
use crate::error::{Error, Result};
use crate::store::{
    Batch, Hash, Head, Outcome, PublishedStore, Source, Store, TileId, VisitRow, VisitStatement, visit_rows,
};
use ledger_format::{Address, Body, Checkpoint, VerifierKey};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A published ledger without and with what is derived.
pub(super) struct Published {
    /// For an audit, which must not look at what it would have to derive first.
    pub(super) bare: Ledger,
    /// How a person names it.
    name: String,
    index: OnceLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Ledger {
    /// Opens a published ledger. Its statements are not judged, until a look-up or an audit does so.
    ///
    /// # Errors
    /// Unavailable, when a file that is needed is not there or cannot be fetched; integrity, when the first statement
    /// is no genesis, does not lead to the checkpoint's root, or is of another ledger than the checkpoint.
    pub fn open_published(source: Box<dyn Source>) -> Result<Self> {
        let store = PublishedStore::open(source)?;
        let (name, claimed) = (store.name(), store.claimed().origin.clone());
        let bare = Self::open(Box::new(store))?;
        if bare.origin() != claimed {
            return Err(Error::integrity(format!("the checkpoint of {name} is of another ledger"))
                .hint(format!("it says          {}", super::shown(&claimed)))
                .hint(format!("the entries are  {}", bare.origin())));
        }
        let (id, ledger) = (bare.id, bare.name.clone());
        let published = Arc::new(Published { bare, name, index: OnceLock::new() });
        let store = Box::new(Derived(Arc::clone(&published)));
        Ok(Self::over(store, id, ledger, Some(published)))
    }

    /// Whether this is a published copy, which need not have all content.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.published.is_some()
    }

    /// Checks who signed a published checkpoint: the key that the ledger began with, or the one that all its
    /// statements, judged one after the other, leave in force. Nothing of other ledgers.
    ///
    /// # Errors
    /// Integrity, when neither did; as [`Self::open_published`].
    pub fn check_published(&self) -> Result<()> {
        let Some(published) = &self.published else { return Ok(()) };
        let genesis = self.expect_entry(0)?;
        if let Body::Ledger(ledger) = &genesis.statement.body {
            let vkey = VerifierKey { name: self.origin(), key: ledger.checkpoint_key.clone() };
            if Checkpoint::open(&self.signed_checkpoint()?, &vkey).is_ok() {
                return Ok(());
            }
        }
        published.index().map(drop)
    }

    /// Says that content is not here: a failure of an owner's ledger, and to be expected of a published one.
    #[must_use]
    pub fn not_here(&self, address: &Address) -> Error {
        match &self.published {
            Some(published) => {
                Error::unavailable(format!("{address} is not published in {}", published.name)).hint(
                    "ask for it where the ledger is kept: promptos publish --blobs all publishes all content",
                )
            }
            None => Error::failed(format!("{address} is not in this ledger's store")),
        }
    }
}

impl Published {
    fn index(&self) -> Result<&BTreeMap<Vec<u8>, Vec<u8>>> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let rows = audit::proven_rows(&self.bare)?;
        Ok(self.index.get_or_init(|| rows.into_iter().collect()))
    }

    fn store(&self) -> &dyn Store {
        &*self.bare.store
    }

    /// What is not here may have been erased: a statement says so.
    fn why_missing(&self, address: &Hash, state: BlobState) -> Result<BlobState> {
        if state != BlobState::Missing {
            return Ok(state);
        }
        let subject = format!("erase/{}", hex::encode(address));
        let tombstones = index::key(index::Table::Subject, &[&index::subject_tag(&subject)]);
        let mut erased = false;
        for (key, _) in self.index()?.range(tombstones.clone()..) {
            if erased || !key.starts_with(&tombstones) {
                break;
            }
            let at = index::pointed(key).ok_or_else(|| index::damaged("a row"))?;
            erased = self.bare.expect_entry(at)?.statement.subject() == subject;
        }
        Ok(if erased { BlobState::Erased } else { BlobState::Missing })
    }
}

struct Derived(Arc<Published>);

impl Store for Derived {
    fn head(&self) -> Result<Option<Head>> {
        self.0.store().head()
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.0.store().checkpoint()
    }

    fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
        self.0.store().statement(index)
    }

    fn scan(&self, range: Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
        self.0.store().scan(range, visit)
    }

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
        self.0.store().tile(id)
    }

    fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0.index()?.get(key).cloned())
    }

    fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()> {
        visit_rows(self.0.index()?, prefix, reverse, visit)
    }

    fn replace_index(&self, rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
        self.0.store().replace_index(rows)
    }

    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        let state = self.0.store().blob_state(address)?;
        self.0.why_missing(address, state)
    }

    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        let state = self.0.store().read_blob(address, sink)?;
        self.0.why_missing(address, state)
    }

    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        self.0.store().blobs(visit)
    }

    fn commit(&self, batch: Batch<'_>) -> Result<Outcome> {
        self.0.store().commit(batch)
    }

    fn unscrubbed(&self) -> Result<bool> {
        Ok(false)
    }

    fn scrub(&mut self) -> Result<()> {
        Ok(())
    }
}
