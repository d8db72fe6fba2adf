//! Writing: one transaction, durable when it returns.

use super::super::batch::advance;
use super::super::contain::outside;
use super::contents::Contents;
use super::fault::fault;
use super::read::{decode_head, encode_head};
use super::*;
use ::redb::{ReadableTable, Table};

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
        let mut contents = Contents::open(self)?;
        batch.erase.iter().try_for_each(|address| contents.erase(address))?;
        let mut packed = false;
        for blob in batch.blobs {
            packed |= contents.store(blob)?;
        }
        if packed {
            // An older promptos would miss what it does not find whole.
            meta.insert("format", &FORMAT.to_be_bytes()[..]).map_err(fault(path))?;
        }
        Ok(Outcome::Done)
    }
}
