//! Writing: one transaction, durable when it returns.

use super::super::batch::{advance, check_row, is_pointer};
use super::super::contain::outside;
use super::contents::Contents;
use super::fault::fault;
use super::read::{decode_head, encode_head};
use super::*;
use ::redb::{ReadableTable, StorageError, Table};

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
        self.transaction.delete_table(POINTERS).map_err(fault(self.path))?;
        let mut index = self.index()?;
        while let Some(row) = outside(|| rows.next()) {
            let (key, value) = row?;
            check_row(&key, &value)?;
            index.put(&key, Some(&value)).map_err(fault(self.path))?;
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
            store_tile(&mut tiles, *id, hashes).map_err(fault(path))?;
        }
        let mut index = self.index()?;
        for (key, value) in &batch.index {
            index.put(key, value.as_deref()).map_err(fault(path))?;
        }
        let mut contents = Contents::open(self)?;
        batch.erase.iter().try_for_each(|address| contents.erase(address))?;
        batch.blobs.into_iter().try_for_each(|blob| contents.store(blob))?;
        Ok(Outcome::Done)
    }

    fn index(&self) -> Result<Index<'_>> {
        Ok(Index { rows: self.table(INDEX)?, pointers: self.table(POINTERS)? })
    }
}

/// The tables of the index.
struct Index<'a> {
    rows: Table<'a, &'static [u8], &'static [u8]>,
    pointers: Table<'a, &'static [u8; POINTER], ()>,
}

impl Index<'_> {
    /// Puts a row that was checked, or deletes it.
    fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StorageError> {
        match (<&[u8; POINTER]>::try_from(key), value) {
            (Ok(pointer), Some(_)) if is_pointer(key) => self.pointers.insert(pointer, ()).map(drop),
            (Ok(pointer), None) if is_pointer(key) => self.pointers.remove(pointer).map(drop),
            (_, Some(value)) => self.rows.insert(key, value).map(drop),
            (_, None) => self.rows.remove(key).map(drop),
        }
    }
}

/// Writes the pieces of a tile that are not there as they are; all but the last few are, as a rule.
fn store_tile(
    table: &mut Table<'_, (u8, u64, u8), &'static [u8]>,
    TileId { level, index }: TileId,
    hashes: &[u8],
) -> Result<(), StorageError> {
    let level = u8::MAX - level;
    let mut there = Vec::new();
    for row in table.range((level, index, 0)..=(level, index, u8::MAX))? {
        let (key, piece) = row?;
        there.push((key.value().2, piece.value().to_vec()));
    }
    let pieces: Vec<(u8, &[u8])> = (0..).zip(hashes.chunks(PIECE)).collect();
    for (number, piece) in &pieces {
        if !there.iter().any(|(n, old)| n == number && old == piece) {
            table.insert((level, index, *number), *piece)?;
        }
    }
    for (number, _) in there.iter().filter(|(number, _)| usize::from(*number) >= pieces.len()) {
        table.remove((level, index, *number))?;
    }
    Ok(())
}
