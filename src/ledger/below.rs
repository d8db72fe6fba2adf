//! The part of a ledger that an audit has read.

use super::tiles::HEIGHT;
use crate::error::{Error, Result};
use crate::store::{Store, TileId};
use ledger_format::tree::{self, Frontier, Nodes};
use ledger_format::{EntryId, Hash, Head, History, Located};
use std::collections::HashMap;

/// What an audit asks of the ledger below the current entry, from the entries that it has read: a store
/// with a damaged tree or index must not look like a fork, nor make the audit slow.
pub(super) struct Below<'a> {
    store: &'a dyn Store,
    frontier: Frontier,
    /// The hashes of complete subtrees, by level.
    levels: Vec<Vec<Hash>>,
    indexes: HashMap<EntryId, u64>,
}

impl<'a> Below<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store, frontier: Frontier::default(), levels: Vec::new(), indexes: HashMap::new() }
    }

    pub(super) fn push(&mut self, id: EntryId) {
        self.indexes.insert(id, self.frontier.size());
        let levels = &mut self.levels;
        self.frontier.push(id.0, |level, _, hash| {
            let level = usize::from(level);
            if levels.len() <= level {
                levels.resize_with(level + 1, Vec::new);
            }
            levels.get_mut(level).into_iter().for_each(|hashes| hashes.push(*hash));
        });
    }

    /// The tiles that a store of these entries must hold.
    pub(super) fn tiles(&self) -> Vec<(TileId, Vec<u8>)> {
        let levels = self.levels.iter().step_by(usize::from(HEIGHT)).zip(0u8..);
        let tiles = levels.flat_map(|(hashes, level)| {
            let tiles = hashes.chunks(1 << HEIGHT).zip(0u64..);
            tiles.map(move |(tile, index)| (TileId { level, index }, tile.concat()))
        });
        tiles.collect()
    }
}

impl Nodes for Below<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        let hashes = self.levels.get(usize::from(level));
        let hash = usize::try_from(index).ok().and_then(|index| hashes?.get(index));
        hash.copied().ok_or_else(|| Error::bug("an audit asked for a part of the tree that it has not read"))
    }
}

impl History for Below<'_> {
    type Error = Error;

    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>> {
        tree::consistency_proof(self, old.size, new.size)
    }

    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>> {
        let Some(index) = self.indexes.get(id).copied() else { return Ok(None) };
        let Some(statement) = self.store.statement(index)? else { return Ok(None) };
        let path = tree::inclusion_proof(self, index, head.size)?;
        Ok(Some(Located { index, statement, path }))
    }
}
