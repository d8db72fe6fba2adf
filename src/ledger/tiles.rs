//! The Merkle tree in a store: reading nodes out of tiles, and writing the tiles that an append changes.
//!
//! A tile holds 256 hashes of one level in steps of eight, as in C2SP tlog-tiles; the nodes between are
//! computed. Tiles are not trusted: proofs made from wrong ones do not verify.

use crate::error::{Error, Result};
use crate::store::{Hash, Head, Store, TileId};
use ledger_format::tree::{Frontier, Nodes, node_hash};
use std::collections::BTreeMap;

/// The tree levels from one tile level to the next.
pub(super) const HEIGHT: u8 = 8;
/// Hashes in a full tile.
const WIDTH: u64 = 1 << HEIGHT;
const HASH: usize = 32;
/// Bytes in a full tile.
pub(super) const TILE: usize = WIDTH as usize * HASH;

/// A store's tiles as a source of tree nodes.
pub(crate) struct Tiles<'a>(pub(crate) &'a dyn Store);

impl Nodes for Tiles<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        // The node covers `span` hashes of one tile, whose level lies at or below it.
        let (tile_level, above) = (level / HEIGHT, level % HEIGHT);
        let first = index << above;
        let id = TileId { level: tile_level, index: first / WIDTH };
        let (from, span) = ((first % WIDTH) as usize, 1usize << above);
        let tile = self.0.tile(id)?.unwrap_or_default();
        let hashes = tile.get(from * HASH..(from + span) * HASH).ok_or_else(|| missing(id))?;
        let mut row: Vec<Hash> = hashes.as_chunks().0.to_vec();
        while row.len() > 1 {
            row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        }
        row.first().copied().ok_or_else(|| missing(id))
    }
}

fn missing(id: TileId) -> Error {
    let TileId { level, index } = id;
    Error::integrity(format!("the ledger's tree is damaged: tile {level}/{index} lacks hashes"))
        .hint("run 'promptos verify-chain' to see whether the statements themselves are intact")
}

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

    /// The tiles at the right edge, as they are now.
    pub(crate) fn into_tiles(self) -> Vec<(TileId, Vec<u8>)> {
        self.tiles.into_iter().collect()
    }
}
