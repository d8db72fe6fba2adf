//! Writing: one transaction, durable when it returns.

use super::super::batch::{advance, check_row, is_pointer};
use super::super::contain::outside;
use super::contents::Contents;
use super::fault::fault;
use super::read::{decode_head, encode_head};
use super::recent::{Row, is_small, space};
use super::*;
use ::redb::{ReadableTable, StorageError, Table};
use std::collections::BTreeMap;

/// Runs `change` in a transaction and commits it when it answers `Done`. Sets `unsure` when it is unknown
/// whether the commit took place. A transaction that is dropped leaves nothing behind.
pub(super) fn transact(
    db: &Database,
    path: &Path,
    memo: &Memo,
    change: impl FnOnce(&Change<'_>) -> Result<Outcome>,
    unsure: &AtomicBool,
) -> Result<Outcome> {
    let mut transaction = db.begin_write().map_err(fault(path))?;
    // Durability is immediate by default.
    transaction.set_two_phase_commit(true);
    let open = Change { path, transaction, memo, recent: RefCell::default() };
    let outcome = change(&open)?;
    match outcome {
        Outcome::Done => {
            open.transaction.commit().map_err(|error| {
                unsure.store(true, Ordering::Release);
                fault(path)(error)
            })?;
            open.recent.take().map(Arc::new).into_iter().for_each(|recent| memo.keep(recent));
        }
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
        self.sort_in(&Recent::default())?;
        self.apply(batch)
    }

    /// Replaces the whole index.
    pub(super) fn replace_index(
        &self,
        rows: &mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>,
    ) -> Result<Outcome> {
        let mut recent = self.take_recent()?;
        recent.index.clear();
        self.sort_in(&recent)?;
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

    /// Stores a batch, or answers with the conflict.
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
        let mut recent = self.take_recent()?;
        let Some(mut row) = self.row(&batch, &recent)? else {
            self.sort_in(&recent)?;
            return self.put(batch);
        };
        if !batch.blobs.is_empty() {
            let mut contents = Contents::open(self)?;
            for blob in batch.blobs {
                contents.store_beside(blob, &mut recent, &mut row)?;
            }
        }
        self.table(RECENT)?.insert(batch.expect, row.0.as_slice()).map_err(fault(path))?;
        let added = recent.add(batch.expect, &row.0);
        added.ok_or_else(|| Error::bug("a row of what was written last cannot be read"))?;
        *self.recent.borrow_mut() = Some(recent);
        Ok(Outcome::Done)
    }

    fn take_recent(&self) -> Result<Recent> {
        self.memo.take(&self.table(RECENT)?, self.path).map(Arc::unwrap_or_clone)
    }

    /// What a small batch puts into the row of its own, but for contents; `None` when it is to be sorted in at once.
    fn row(&self, batch: &Batch<'_>, recent: &Recent) -> Result<Option<Row>> {
        // What is erased does not wait, and without statements there is no key for a row.
        if batch.statements.is_empty() || !batch.erase.is_empty() {
            return Ok(None);
        }
        let small = batch.blobs.iter().filter(|blob| is_small(blob.size)).map(|blob| space(blob.size));
        let contents: usize = small.sum();
        let rows = batch.index.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len));
        if !recent.has_room(contents + rows.sum::<usize>()) {
            return Ok(None);
        }
        let mut row = Row::default();
        for (key, value) in &batch.index {
            row.index(key, value.as_deref());
        }
        let tiles = self.table(TILES)?;
        let there = |piece: u64| match recent.pieces.get(&piece) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None => Ok(tiles.get(piece).map_err(fault(self.path))?.map(|row| row.value().to_vec())),
        };
        for (id, hashes) in &batch.tiles {
            let Some(mut keys) = pieces(*id) else { return Ok(None) };
            for (piece, key) in hashes.chunks(PIECE).zip(&mut keys) {
                if there(key)?.as_deref() != Some(piece) {
                    row.piece(key, piece);
                }
            }
            // A tile that becomes shorter is not worth a way to say so.
            if keys.next().map(there).transpose()?.flatten().is_some() {
                return Ok(None);
            }
        }
        Ok(Some(row).filter(|row| recent.has_room(contents + row.0.len())))
    }

    /// Puts a batch into every table.
    fn put(&self, batch: Batch<'_>) -> Result<Outcome> {
        let (mut tiles, mut index) = (self.table(TILES)?, self.index()?);
        for (id, hashes) in &batch.tiles {
            let keys = pieces(*id);
            let keys = keys.ok_or_else(|| Error::bug("a tile lies beyond what a ledger can hold"))?;
            store_tile(&mut tiles, keys, hashes).map_err(fault(self.path))?;
        }
        for (key, value) in &batch.index {
            index.put(key, value.as_deref()).map_err(fault(self.path))?;
        }
        let mut contents = Contents::open(self)?;
        batch.erase.iter().try_for_each(|address| contents.erase(address))?;
        batch.blobs.into_iter().try_for_each(|blob| contents.store(blob))?;
        Ok(Outcome::Done)
    }

    /// Puts what was written last where it belongs. Opening a table makes it, so all of them are opened whatever there
    /// is to do: readers rely on them.
    pub(super) fn sort_in(&self, recent: &Recent) -> Result<()> {
        let path = self.path;
        let (mut tiles, mut index) = (self.table(TILES)?, self.index()?);
        for (key, piece) in &recent.pieces {
            tiles.insert(*key, piece.as_slice()).map_err(fault(path))?;
        }
        for (key, value) in &recent.index {
            index.put(key, value.as_deref()).map_err(fault(path))?;
        }
        let mut contents = Contents::open(self)?;
        for (address, content) in &recent.contents {
            contents.put_small(address, content)?;
        }
        if !recent.is_empty() {
            self.transaction.delete_table(RECENT).map_err(fault(path))?;
        }
        drop(self.table(RECENT)?);
        *self.recent.borrow_mut() = Some(Recent::default());
        Ok(())
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
    table: &mut Table<'_, u64, &'static [u8]>,
    keys: RangeInclusive<u64>,
    hashes: &[u8],
) -> Result<(), StorageError> {
    let mut there = BTreeMap::new();
    for row in table.range(keys.clone())? {
        let (key, piece) = row?;
        there.insert(key.value(), piece.value().to_vec());
    }
    for (key, piece) in keys.zip(hashes.chunks(PIECE)) {
        if there.remove(&key).is_none_or(|old| old != piece) {
            table.insert(key, piece)?;
        }
    }
    for key in there.into_keys() {
        table.remove(key)?;
    }
    Ok(())
}
