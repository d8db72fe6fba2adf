//! Writing: one transaction, durable when it returns.

use super::super::NewBlob;
use super::super::batch::{advance, erased, other_size, pour};
use super::super::contain::outside;
use super::fault::fault;
use super::read::{decode_head, encode_head, state};
use super::*;
use ::redb::{ReadableTable, Table};
use std::io::{self, Read};

/// Runs `change` in a transaction and commits it when it answers `Done`. Sets `unsure` when it is unknown
/// whether the commit took place. A transaction that is dropped leaves nothing behind.
pub(super) fn transact(
    db: &Database,
    path: &Path,
    change: impl FnOnce(&Change<'_>) -> Result<Outcome>,
    unsure: &AtomicBool,
) -> Result<Outcome> {
    let mut transaction = db.begin_write().map_err(fault(path))?;
    // Durability is immediate by default.
    transaction.set_two_phase_commit(true);
    let open = Change { path, transaction };
    let outcome = change(&open)?;
    match outcome {
        Outcome::Done => open.transaction.commit().map_err(|error| {
            unsure.store(true, Ordering::Release);
            fault(path)(error)
        })?,
        Outcome::Conflict(_) => open.transaction.abort().map_err(fault(path))?,
    }
    Ok(outcome)
}

impl Change<'_> {
    pub(super) fn table<'a, K: Key, V: Value>(
        &'a self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Table<'a, K, V>> {
        self.transaction.open_table(table).map_err(fault(self.path))
    }

    /// Makes the tables and stores the first batch.
    pub(super) fn found(&self, batch: Batch<'_>) -> Result<Outcome> {
        self.table(META)?.insert("format", &FORMAT.to_be_bytes()[..]).map_err(fault(self.path))?;
        self.apply(batch)
    }

    /// Replaces the whole index.
    pub(super) fn replace_index(
        &self,
        rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>,
    ) -> Result<Outcome> {
        self.transaction.delete_table(INDEX).map_err(fault(self.path))?;
        let mut index = self.table(INDEX)?;
        while let Some(row) = outside(|| rows.next()) {
            let (key, value) = row?;
            index.insert(key.as_slice(), value.as_slice()).map_err(fault(self.path))?;
        }
        Ok(Outcome::Done)
    }

    /// Puts a batch into every table, or answers with the conflict. Opening a table makes it, so all of them
    /// are opened whatever the batch holds: readers rely on them.
    pub(super) fn apply(&self, batch: Batch<'_>) -> Result<Outcome> {
        let path = self.path;
        let mut meta = self.table(META)?;
        if !batch.erase.is_empty() {
            meta.insert(super::rewrite::UNSCRUBBED, &[][..]).map_err(fault(path))?;
        }
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

        let mut statements = self.table(STATEMENTS)?;
        for (index, statement) in (batch.expect..).zip(&batch.statements) {
            if statements.insert(index, statement.as_slice()).map_err(fault(path))?.is_some() {
                return Err(fault::damaged(path, "it has statements above its head"));
            }
        }
        let mut tiles = self.table(TILES)?;
        for (id, hashes) in &batch.tiles {
            tiles.insert((id.level, id.index), hashes.as_slice()).map_err(fault(path))?;
        }
        let mut index = self.table(INDEX)?;
        for (key, value) in &batch.index {
            match value {
                Some(value) => index.insert(key.as_slice(), value.as_slice()).map_err(fault(path))?,
                None => index.remove(key.as_slice()).map_err(fault(path))?,
            };
        }
        self.erase(&batch.erase)?;
        self.store_blobs(batch.blobs)?;
        Ok(Outcome::Done)
    }

    /// The pieces' pages become free, but free pages keep their old bytes until something overwrites them.
    fn erase(&self, addresses: &[Hash]) -> Result<()> {
        let (mut blobs, mut chunks) = (self.table(BLOBS)?, self.table(CHUNKS)?);
        for address in addresses {
            chunks.retain_in((address, 0)..=(address, u32::MAX), |_, _| false).map_err(fault(self.path))?;
            blobs.insert(address, None).map_err(fault(self.path))?;
        }
        Ok(())
    }

    fn store_blobs(&self, new: Vec<NewBlob<'_>>) -> Result<()> {
        let (mut blobs, mut chunks) = (self.table(BLOBS)?, self.table(CHUNKS)?);
        for mut blob in new {
            let address = blob.address;
            let known = blobs.get(&address).map_err(fault(self.path))?.map(|row| state(row.value()));
            match known.unwrap_or(BlobState::Missing) {
                BlobState::Present(size) if size == blob.size => continue,
                BlobState::Present(size) => return Err(other_size(&address, size, blob.size)),
                BlobState::Erased => return Err(erased(&address)),
                BlobState::Missing => {}
            }
            blob.source = Box::new(Outside(blob.source));
            let mut number = 0_u32;
            pour(&mut blob, CHUNK, |piece| {
                chunks.insert((&address, number), piece).map_err(fault(self.path))?;
                number =
                    number.checked_add(1).ok_or_else(|| Error::failed("a blob is too large to be stored"))?;
                Ok(())
            })?;
            blobs.insert(&address, Some(blob.size)).map_err(fault(self.path))?;
        }
        Ok(())
    }
}

/// A source is the caller's code, so its panics are not the engine's.
struct Outside<'a>(Box<dyn Read + Send + 'a>);

impl Read for Outside<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        outside(|| self.0.read(buffer))
    }
}
