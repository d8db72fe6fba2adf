//! The tiles that an append changes.

use crate::error::{Error, Result};
use crate::store::nodes::{HEIGHT, TILE, Tiles, WIDTH, missing};
use crate::store::{Hash, Head, Store, TileId};
use ledger_format::tree::Frontier;
use std::collections::BTreeMap;

/// Grows a tree and collects the tiles that change.
#[derive(Default)]
pub(crate) struct Grower {
    frontier: Frontier,
    tiles: BTreeMap<TileId, Vec<u8>>,
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
        Ok(Self { frontier, tiles })
    }

    /// Appends a leaf.
    pub(crate) fn push(&mut self, leaf: Hash) {
        let tiles = &mut self.tiles;
        self.frontier.push(leaf, |level, index, hash| {
            if level % HEIGHT == 0 {
                let id = TileId { level: level / HEIGHT, index: index / WIDTH };
                tiles.entry(id).or_default().extend_from_slice(hash);
            }
        });
    }

    pub(crate) fn head(&self) -> Head {
        self.frontier.head()
    }

    /// The tiles that changed, and those at the right edge, as they are now.
    pub(crate) fn take_tiles(&mut self) -> Vec<(TileId, Vec<u8>)> {
        let tiles = std::mem::take(&mut self.tiles);
        self.tiles = tiles
            .iter()
            .filter(|(_, hashes)| hashes.len() < TILE)
            .map(|(id, hashes)| (*id, hashes.clone()))
            .collect();
        tiles.into_iter().collect()
    }
}
