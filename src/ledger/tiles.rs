//! The tiles that an append changes.

use crate::error::{Error, Result};
use crate::store::nodes::{HEIGHT, TILE, Tiles, WIDTH, missing};
use crate::store::{Hash, Head, Store, TileId};
use ledger_format::tree::Frontier;
use std::collections::{BTreeMap, BTreeSet};

/// Grows a tree and collects the tiles that change.
#[derive(Default)]
pub(crate) struct Grower {
    frontier: Frontier,
    /// Those at the right edge, and those that changed.
    tiles: BTreeMap<TileId, Vec<u8>>,
    changed: BTreeSet<TileId>,
}

impl Grower {
    /// Goes on from a store's head, after checking that its tiles lead to that head: a tree must never
    /// be continued from damaged hashes.
    pub(crate) fn resume(store: &dyn Store, head: Head) -> Result<Self> {
        let frontier = Frontier::read(&Tiles(store), head.size)?;
        if frontier.head() != head {
            return Err(Error::integrity("the ledger's tree does not lead to its own head")
                .hint("run 'promptos verify-chain' to see what is damaged"));
        }
        let mut tiles = BTreeMap::new();
        for level in 0..=(63 / HEIGHT) {
            let size = head.size.checked_shr(u32::from(level * HEIGHT)).unwrap_or(0);
            if size % WIDTH != 0 {
                let id = TileId { level, index: size / WIDTH };
                tiles.insert(id, store.tile(id)?.ok_or_else(|| missing(id))?);
            }
        }
        Ok(Self { frontier, tiles, changed: BTreeSet::new() })
    }

    /// Appends a leaf.
    pub(crate) fn push(&mut self, leaf: Hash) {
        let Self { tiles, changed, .. } = self;
        self.frontier.push(leaf, |level, index, hash| {
            if level % HEIGHT == 0 {
                let id = TileId { level: level / HEIGHT, index: index / WIDTH };
                tiles.entry(id).or_default().extend_from_slice(hash);
                changed.insert(id);
            }
        });
    }

    pub(crate) fn head(&self) -> Head {
        self.frontier.head()
    }

    /// The tiles that changed since this was asked, as they are now.
    pub(crate) fn take_tiles(&mut self) -> Vec<(TileId, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        let taken = changed.into_iter().filter_map(|id| {
            let tile = self.tiles.get(&id)?.clone();
            if tile.len() == TILE {
                self.tiles.remove(&id);
            }
            Some((id, tile))
        });
        taken.collect()
    }
}
