//! A store in memory, for tests and for embedding without a file.

use super::batch::{advance, check_row, erased, other_size, pour};
use super::{Batch, BlobState, Hash, Head, Outcome, Store, TileId, VisitRow, VisitStatement};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything that a [`MemoryStore`] holds. The fields are open so that a test can damage them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The head, `None` before the first commit.
    pub head: Option<Head>,
    /// The checkpoint of `head`.
    pub checkpoint: Vec<u8>,
    /// The statements by index.
    pub statements: BTreeMap<u64, Vec<u8>>,
    /// The tiles.
    pub tiles: BTreeMap<TileId, Vec<u8>>,
    /// The derived index.
    pub index: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The blobs; `None` is an erased one.
    pub blobs: BTreeMap<Hash, Option<Vec<u8>>>,
}

/// Whether a write that fails on demand takes effect first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailMode {
    /// It fails and nothing is stored.
    NotPersisted,
    /// It is stored and then fails, like an answer that is lost on its way.
    Persisted,
}

/// A [`Store`] in memory. Reads see the content of the moment at which they began.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    // Readers hold a clone of the `Arc`, so a write leaves what they see alone.
    content: Arc<Content>,
    failure: Option<(u64, FailMode)>,
}

impl From<Content> for MemoryStore {
    fn from(content: Content) -> Self {
        Self { state: Mutex::new(State { content: Arc::new(content), failure: None }) }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the `n`-th write from now (1 is the next; [`Store::commit`] and [`Store::replace_index`] count)
    /// fail once. A later call replaces an earlier one that has not fired yet.
    pub fn fail_at(&self, n: u64, mode: FailMode) {
        self.state().failure = Some((n.max(1), mode));
    }

    /// A copy of what the store holds now.
    #[must_use]
    pub fn content(&self) -> Content {
        Content::clone(&self.snapshot())
    }

    /// Changes what the store holds, past every rule: for tests of whoever must notice.
    pub fn tamper(&self, change: impl FnOnce(&mut Content)) {
        change(Arc::make_mut(&mut self.state().content));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code below panics halfway through a change, so a poisoned lock guards whole content.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Arc<Content> {
        Arc::clone(&self.state().content)
    }
}

impl State {
    /// Applies a change, before or after failing if this is the write that shall fail.
    fn write(&mut self, change: impl FnOnce(&mut Content)) -> Result<()> {
        let fails = match &mut self.failure {
            Some((1, mode)) => Some(*mode),
            Some((n, _)) => {
                *n -= 1;
                None
            }
            None => None,
        };
        if fails.is_some() {
            self.failure = None;
        }
        if fails != Some(FailMode::NotPersisted) {
            change(Arc::make_mut(&mut self.content));
        }
        match fails {
            Some(_) => Err(Error::unavailable("the store failed, as it was told to")),
            None => Ok(()),
        }
    }
}

impl Content {
    fn blob_state(&self, address: &Hash) -> BlobState {
        match self.blobs.get(address) {
            Some(Some(bytes)) => BlobState::Present(length(bytes)),
            Some(None) => BlobState::Erased,
            None => BlobState::Missing,
        }
    }

    fn size(&self) -> u64 {
        self.head.map_or(0, |head| head.size)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn gone(index: u64) -> Error {
    Error::integrity(format!("statement {index} is gone from the store"))
}

impl Store for MemoryStore {
    fn head(&self) -> Result<Option<Head>> {
        Ok(self.snapshot().head)
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        let content = self.snapshot();
        Ok(content.head.map(|_| content.checkpoint.clone()))
    }

    fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
        let content = self.snapshot();
        if index >= content.size() {
            return Ok(None);
        }
        content.statements.get(&index).cloned().map(Some).ok_or_else(|| gone(index))
    }

    fn scan(&self, range: Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
        let content = self.snapshot();
        for index in range.start..range.end.min(content.size()) {
            let statement = content.statements.get(&index).ok_or_else(|| gone(index))?;
            if !visit(index, statement)? {
                break;
            }
        }
        Ok(())
    }

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
        Ok(self.snapshot().tiles.get(&id).cloned())
    }

    fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.snapshot().index.get(key).cloned())
    }

    fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()> {
        visit_rows(&self.snapshot().index, prefix, reverse, visit)
    }

    fn replace_index(&self, rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>) -> Result<()> {
        let index = rows.collect::<Result<BTreeMap<_, _>>>()?;
        index.iter().try_for_each(|(key, value)| check_row(key, value))?;
        self.state().write(|content| content.index = index)
    }

    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        Ok(self.snapshot().blob_state(address))
    }

    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        let content = self.snapshot();
        if let Some(Some(bytes)) = content.blobs.get(address) {
            bytes.chunks(1 << 20).try_for_each(sink)?;
        }
        Ok(content.blob_state(address))
    }

    fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        let content = self.snapshot();
        for address in content.blobs.keys() {
            if !visit(*address, content.blob_state(address))? {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, mut batch: Batch<'_>) -> Result<Outcome> {
        // Sources are read without the lock: they may be slow, or read from this very store.
        let before = self.snapshot();
        if let Err(conflict) = advance(before.head, &batch)? {
            return Ok(conflict);
        }
        let mut read: BTreeMap<Hash, Vec<u8>> = BTreeMap::new();
        for blob in &mut batch.blobs {
            let state = match read.get(&blob.address) {
                Some(bytes) => BlobState::Present(length(bytes)),
                None if batch.erase.contains(&blob.address) => BlobState::Erased,
                None => before.blob_state(&blob.address),
            };
            match state {
                BlobState::Present(size) if size == blob.size => {}
                BlobState::Present(size) => return Err(other_size(&blob.address, size, blob.size)),
                BlobState::Erased => return Err(erased(&blob.address)),
                BlobState::Missing => {
                    let mut bytes = Vec::new();
                    pour(blob, 1 << 16, |piece| {
                        bytes.extend_from_slice(piece);
                        Ok(())
                    })?;
                    read.insert(blob.address, bytes);
                }
            }
        }
        drop(before);

        let mut state = self.state();
        let head = match advance(state.content.head, &batch)? {
            Ok(head) => head,
            Err(conflict) => return Ok(conflict),
        };
        // Another batch without statements may have erased one of ours in the meantime.
        if let Some(address) = read.keys().find(|a| state.content.blob_state(a) == BlobState::Erased) {
            return Err(erased(address));
        }
        state.write(|content| {
            content.head = Some(head);
            content.checkpoint = batch.checkpoint;
            content.statements.extend((batch.expect..).zip(batch.statements));
            content.tiles.extend(batch.tiles);
            for (key, value) in batch.index {
                match value {
                    Some(value) => content.index.insert(key, value),
                    None => content.index.remove(&key),
                };
            }
            content.blobs.extend(batch.erase.into_iter().map(|address| (address, None)));
            content.blobs.extend(read.into_iter().map(|(address, bytes)| (address, Some(bytes))));
        })?;
        Ok(Outcome::Done)
    }

    /// What is freed in memory is nobody's to find.
    fn unscrubbed(&self) -> Result<bool> {
        Ok(false)
    }

    fn scrub(&mut self) -> Result<()> {
        Ok(())
    }
}

/// [`Store::index_scan`] of an index that is held in memory.
pub(crate) fn visit_rows(
    index: &BTreeMap<Vec<u8>, Vec<u8>>,
    prefix: &[u8],
    reverse: bool,
    visit: VisitRow<'_>,
) -> Result<()> {
    let rows = index.range::<[u8], _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
    let mut rows: Vec<_> = rows.take_while(|(key, _)| key.starts_with(prefix)).collect();
    if reverse {
        rows.reverse();
    }
    for (key, value) in rows {
        if !visit(key, value)? {
            break;
        }
    }
    Ok(())
}

/// [`Store::index_scan`] of rows with newer ones on top of them, which are in their order; `None` deletes. `scan` visits
/// the older rows.
pub(crate) fn visit_over(
    mut newer: Vec<(&[u8], Option<&[u8]>)>,
    reverse: bool,
    visit: VisitRow<'_>,
    scan: impl FnOnce(VisitRow<'_>) -> Result<()>,
) -> Result<()> {
    if reverse {
        newer.reverse();
    }
    let mut newer = newer.into_iter().peekable();
    let mut go_on = true;
    scan(&mut |key, value| {
        while let Some((key, value)) = newer.next_if(|(new, _)| if reverse { *new > key } else { *new < key })
        {
            go_on = value.map_or(Ok(true), |value| visit(key, value))?;
            if !go_on {
                return Ok(false);
            }
        }
        go_on = match newer.next_if(|(new, _)| *new == key) {
            Some((_, None)) => true,
            Some((_, Some(value))) => visit(key, value)?,
            None => visit(key, value)?,
        };
        Ok(go_on)
    })?;
    while go_on && let Some((key, value)) = newer.next() {
        go_on = value.map_or(Ok(true), |value| visit(key, value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::NewBlob;
    use super::super::contract::{self, batch};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_the_contract() {
        let make = |first: Batch<'_>| -> Box<dyn Store> {
            let store = MemoryStore::new();
            assert_eq!(store.commit(first).unwrap(), Outcome::Done);
            Box::new(store)
        };
        contract::check(&make, 1 << 16);
        contract::check_empty(&MemoryStore::new());
    }

    proptest! {
        #[test]
        fn newer_rows_stand_before_older_ones(
            older in prop::collection::btree_map(prop::collection::vec(0..4_u8, 1..3), 0..9_u8, 0..12),
            newer in prop::collection::btree_map(prop::collection::vec(0..4_u8, 1..3), any::<Option<u8>>(), 0..12),
            reverse: bool,
            at_most in 1..20_usize,
        ) {
            let older: BTreeMap<_, _> = older.into_iter().map(|(key, value)| (key, vec![value])).collect();
            let newer: BTreeMap<_, _> = newer.into_iter().map(|(key, value)| (key, value.map(|value| vec![value]))).collect();
            let mut expected = older.clone();
            for (key, value) in &newer {
                match value {
                    Some(value) => expected.insert(key.clone(), value.clone()),
                    None => expected.remove(key),
                };
            }
            let mut seen = Vec::new();
            let rows = newer.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
            let mut visit = |key: &[u8], value: &[u8]| {
                seen.push((key.to_vec(), value.to_vec()));
                Ok(seen.len() < at_most)
            };
            visit_over(rows, reverse, &mut visit, |visit| visit_rows(&older, b"", reverse, visit)).unwrap();
            let mut expected: Vec<_> = expected.into_iter().collect();
            if reverse {
                expected.reverse();
            }
            expected.truncate(at_most);
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn fails_once_where_it_was_told_to() {
        for (mode, stored) in [(FailMode::NotPersisted, 1), (FailMode::Persisted, 2)] {
            let store = MemoryStore::new();
            store.fail_at(2, mode);
            assert_eq!(store.commit(batch(0, &[b"a"])).unwrap(), Outcome::Done);
            store.commit(batch(1, &[b"b"])).unwrap_err();
            assert_eq!(store.head().unwrap().unwrap().size, stored);
            assert_eq!(store.commit(batch(stored, &[b"c"])).unwrap(), Outcome::Done);
        }
    }

    #[test]
    fn a_failed_index_replacement_counts_and_keeps_the_old_rows() {
        let store = MemoryStore::new();
        let rows = || vec![Ok((b"k".to_vec(), b"v".to_vec()))];
        store.replace_index(&mut rows().into_iter()).unwrap();
        store.fail_at(1, FailMode::NotPersisted);
        store.replace_index(&mut std::iter::empty()).unwrap_err();
        assert_eq!(store.index_get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    }

    #[test]
    fn a_blob_erased_while_it_is_read_stays_erased() {
        struct Erases<'a>(&'a MemoryStore, Hash);
        impl std::io::Read for Erases<'_> {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                let head = self.0.head().unwrap().unwrap();
                let batch = Batch { expect: 1, root: head.root, erase: vec![self.1], ..Batch::default() };
                assert_eq!(self.0.commit(batch).unwrap(), Outcome::Done);
                Ok(0)
            }
        }
        let store = MemoryStore::new();
        assert_eq!(store.commit(batch(0, &[b"a"])).unwrap(), Outcome::Done);
        let address = *blake3::hash(b"").as_bytes();
        let mut next = batch(1, &[b"b"]);
        next.blobs =
            vec![NewBlob { address, size: 0, base: None, source: Box::new(Erases(&store, address)) }];
        store.commit(next).unwrap_err();
        assert_eq!(store.blob_state(&address).unwrap(), BlobState::Erased);
        assert_eq!(store.head().unwrap().unwrap().size, 1);
    }

    #[test]
    fn a_statement_that_went_missing_is_an_integrity_error() {
        let store = MemoryStore::new();
        assert_eq!(store.commit(batch(0, &[b"a", b"b"])).unwrap(), Outcome::Done);
        store.tamper(|content| {
            content.statements.remove(&0);
        });
        assert_eq!(store.statement(0).unwrap_err().kind(), crate::error::Kind::Integrity);
        let error = store.scan(0..2, &mut |_, _| Ok(true)).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Integrity);
        assert_eq!(store.statement(2).unwrap(), None);
    }
}
