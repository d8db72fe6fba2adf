//! What every store checks of a batch before it writes, so that all of them refuse alike.

use super::{Batch, Hash, Head, NewBlob, Outcome, POINTER, TileId};
use crate::error::{Error, Result};
use std::io::Read;

/// A tile holds at most 256 hashes of 32 bytes.
const MAX_TILE: usize = 256 * 32;

/// The head that `batch` makes on top of `current`, or `Err(Conflict)` in the inner result.
pub(super) fn advance(current: Option<Head>, batch: &Batch<'_>) -> Result<Result<Head, Outcome>> {
    if current.map_or(0, |head| head.size) != batch.expect {
        return Ok(Err(Outcome::Conflict(current)));
    }
    for (id, hashes) in &batch.tiles {
        if hashes.is_empty() || hashes.len() > MAX_TILE || hashes.len() % 32 != 0 {
            let TileId { level, index } = *id;
            return Err(Error::bug(format!("tile {level}/{index} would have {} bytes", hashes.len())));
        }
    }
    batch.index.iter().try_for_each(|(key, value)| check_row(key, value.as_deref().unwrap_or_default()))?;
    if batch.statements.is_empty() && current.map(|head| head.root) != Some(batch.root) {
        return Err(match current {
            None => Error::bug("a ledger begins with its first statement, and this batch has none"),
            Some(_) => Error::bug("a batch without statements would change the root of the tree"),
        });
    }
    let added = u64::try_from(batch.statements.len()).ok();
    match added.and_then(|added| batch.expect.checked_add(added)) {
        Some(size) => Ok(Ok(Head { size, root: batch.root })),
        None => Err(Error::bug("more statements than a ledger can number")),
    }
}

/// Whether the index keeps this key among the pointers.
pub(crate) fn is_pointer(key: &[u8]) -> bool {
    key.first().is_some_and(|first| *first >= 0x80)
}

/// Refuses pointers of another length or with a value.
pub(super) fn check_row(key: &[u8], value: &[u8]) -> Result<()> {
    if is_pointer(key) && (key.len() != POINTER || !value.is_empty()) {
        let bytes = (key.len(), value.len());
        return Err(Error::bug(format!("a pointer of the index would have {bytes:?} bytes")));
    }
    Ok(())
}

/// Reads a blob to its end in pieces of exactly `chunk` bytes (the last may be shorter; none for an empty
/// blob), and fails unless length and hash are the declared ones.
pub(super) fn pour(
    blob: &mut NewBlob<'_>,
    chunk: usize,
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = Vec::with_capacity(chunk);
    let mut total = 0_u64;
    loop {
        piece.clear();
        let limit = u64::try_from(chunk).unwrap_or(u64::MAX);
        let read = blob.source.by_ref().take(limit).read_to_end(&mut piece).map_err(|e| {
            Error::failed(format!("cannot read the content of {}: {e}", name(&blob.address))).because(e)
        })?;
        total = total.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if total > blob.size {
            return Err(changed(blob));
        }
        if read == 0 {
            break;
        }
        hasher.update(&piece);
        sink(&piece)?;
    }
    if total != blob.size || hasher.finalize() != blob.address {
        return Err(changed(blob));
    }
    Ok(())
}

/// An address as people read it.
pub(super) fn name(address: &Hash) -> String {
    format!("blake3:{}", hex::encode(address))
}

/// The refusal of a blob that was erased.
pub(super) fn erased(address: &Hash) -> Error {
    Error::failed(format!("{} was erased from this ledger and is never stored again", name(address)))
        .hint("leave this content out, or change it if it is meant to stay")
}

/// The refusal of a blob that is here already with another length: one of the two is not what it says.
pub(super) fn other_size(address: &Hash, here: u64, declared: u64) -> Error {
    Error::failed(format!("{} is stored with {here} bytes, not with {declared}", name(address)))
}

fn changed(blob: &NewBlob<'_>) -> Error {
    Error::failed(format!("the content of {} changed while it was read", name(&blob.address)))
        .hint("nothing was stored; run the command again when nobody writes to the file")
}
