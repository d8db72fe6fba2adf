//! The nodes of a Merkle tree, read out of a store's tiles.
//!
//! A tile holds 256 hashes of one level in steps of eight, as in C2SP tlog-tiles; the nodes between are
//! computed. Tiles are not trusted: proofs made from wrong ones do not verify.

use super::{Hash, Store, TileId};
use crate::error::{Error, Result};
use ledger_format::tree::{Nodes, node_hash};

/// The tree levels from one tile level to the next.
pub(crate) const HEIGHT: u8 = 8;
/// Hashes in a full tile, and statements in a full bundle.
pub(crate) const WIDTH: u64 = 1 << HEIGHT;
/// Bytes of a hash.
pub(crate) const HASH: usize = 32;
/// Bytes in a full tile.
pub(crate) const TILE: usize = WIDTH as usize * HASH;

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
        combine(hashes.as_chunks().0).ok_or_else(|| missing(id))
    }
}

/// The root of a complete subtree, from its hashes at one level, which are a power of two.
pub(super) fn combine(hashes: &[Hash]) -> Option<Hash> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first().copied()
}

pub(crate) fn missing(id: TileId) -> Error {
    let TileId { level, index } = id;
    Error::integrity(format!("the ledger's tree is damaged: tile {level}/{index} lacks hashes"))
        .hint("run 'promptos verify-chain' to see whether the statements themselves are intact")
}
