//! Writing: each function is one transaction, durable when it returns.

use super::super::NewBlob;
use super::super::batch::{advance, erased, other_size, pour};
use super::super::contain::outside;
use super::fault::fault;
use super::read::{decode_head, encode_head, state};
use super::*;
use ::redb::{ReadableTable, WriteTransaction};
use std::io::{self, Read};

/// Makes the tables and stores the first batch.
pub(super) fn initialise(db: &Database, path: &Path, batch: Batch<'_>) -> Result<Outcome> {
    let transaction = begin(db, path)?;
    {
        let mut meta = transaction.open_table(META).map_err(fault(path))?;
        meta.insert("format", &FORMAT.to_be_bytes()[..]).map_err(fault(path))?;
        // A table comes to be when it is opened for writing; readers rely on all of them.
        transaction.open_table(INDEX).map_err(fault(path))?;
    }
    finish(transaction, path, batch)
}

/// Stores a batch.
pub(super) fn commit(db: &Database, path: &Path, batch: Batch<'_>) -> Result<Outcome> {
    finish(begin(db, path)?, path, batch)
}

/// Replaces the whole index.
pub(super) fn replace_index(
    db: &Database,
    path: &Path,
    rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>,
) -> Result<()> {
    let transaction = begin(db, path)?;
    transaction.delete_table(INDEX).map_err(fault(path))?;
    {
        let mut index = transaction.open_table(INDEX).map_err(fault(path))?;
        while let Some(row) = outside(|| rows.next()) {
            let (key, value) = row?;
            index.insert(key.as_slice(), value.as_slice()).map_err(fault(path))?;
        }
    }
    transaction.commit().map_err(fault(path))
}

fn begin(db: &Database, path: &Path) -> Result<WriteTransaction> {
    let mut transaction = db.begin_write().map_err(fault(path))?;
    // Durability is immediate by default.
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Applies the batch and commits. A transaction that is dropped instead leaves nothing behind.
fn finish(transaction: WriteTransaction, path: &Path, batch: Batch<'_>) -> Result<Outcome> {
    let outcome = apply(&transaction, path, batch)?;
    match outcome {
        Outcome::Done => transaction.commit().map_err(fault(path))?,
        Outcome::Conflict(_) => transaction.abort().map_err(fault(path))?,
    }
    Ok(outcome)
}

fn apply(transaction: &WriteTransaction, path: &Path, batch: Batch<'_>) -> Result<Outcome> {
    let mut meta = transaction.open_table(META).map_err(fault(path))?;
    let current = match meta.get("head").map_err(fault(path))? {
        Some(row) => {
            Some(decode_head(row.value()).ok_or_else(|| fault::damaged(path, "its head is malformed"))?)
        }
        None => None,
    };
    let head = match advance(current, &batch)? {
        Ok(head) => head,
        Err(conflict) => return Ok(conflict),
    };
    meta.insert("head", encode_head(&head).as_slice()).map_err(fault(path))?;
    meta.insert("checkpoint", batch.checkpoint.as_slice()).map_err(fault(path))?;

    let mut statements = transaction.open_table(STATEMENTS).map_err(fault(path))?;
    for (index, statement) in (batch.expect..).zip(&batch.statements) {
        statements.insert(index, statement.as_slice()).map_err(fault(path))?;
    }
    let mut tiles = transaction.open_table(TILES).map_err(fault(path))?;
    for (id, hashes) in &batch.tiles {
        tiles.insert((id.level, id.index), hashes.as_slice()).map_err(fault(path))?;
    }
    let mut index = transaction.open_table(INDEX).map_err(fault(path))?;
    for (key, value) in &batch.index {
        match value {
            Some(value) => index.insert(key.as_slice(), value.as_slice()).map_err(fault(path))?,
            None => index.remove(key.as_slice()).map_err(fault(path))?,
        };
    }
    erase(transaction, path, &batch.erase)?;
    store_blobs(transaction, path, batch.blobs)?;
    Ok(Outcome::Done)
}

/// The pieces' pages become free, but free pages keep their old bytes until something overwrites them.
fn erase(transaction: &WriteTransaction, path: &Path, addresses: &[Hash]) -> Result<()> {
    let mut blobs = transaction.open_table(BLOBS).map_err(fault(path))?;
    let mut chunks = transaction.open_table(CHUNKS).map_err(fault(path))?;
    for address in addresses {
        chunks.retain_in((address, 0)..=(address, u32::MAX), |_, _| false).map_err(fault(path))?;
        blobs.insert(address, None).map_err(fault(path))?;
    }
    Ok(())
}

fn store_blobs(transaction: &WriteTransaction, path: &Path, new: Vec<NewBlob<'_>>) -> Result<()> {
    let mut blobs = transaction.open_table(BLOBS).map_err(fault(path))?;
    let mut chunks = transaction.open_table(CHUNKS).map_err(fault(path))?;
    for mut blob in new {
        let address = blob.address;
        let known = blobs.get(&address).map_err(fault(path))?.map(|row| state(row.value()));
        match known.unwrap_or(BlobState::Missing) {
            BlobState::Present(size) if size == blob.size => continue,
            BlobState::Present(size) => return Err(other_size(&address, size, blob.size)),
            BlobState::Erased => return Err(erased(&address)),
            BlobState::Missing => {}
        }
        blob.source = Box::new(Outside(blob.source));
        let mut number = 0_u32;
        pour(&mut blob, CHUNK, |piece| {
            chunks.insert((&address, number), piece).map_err(fault(path))?;
            number =
                number.checked_add(1).ok_or_else(|| Error::failed("a blob is too large to be stored"))?;
            Ok(())
        })?;
        blobs.insert(&address, Some(blob.size)).map_err(fault(path))?;
    }
    Ok(())
}

/// A source is the caller's code, so its panics are not the engine's.
struct Outside<'a>(Box<dyn Read + 'a>);

impl Read for Outside<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        outside(|| self.0.read(buffer))
    }
}
