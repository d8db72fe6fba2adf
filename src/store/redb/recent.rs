//! What the last commits brought, in one row for each, until there is so much of it that it is worth being sorted into
//! the tables where it belongs. The index rows, the piece of a tile and the small content of one statement lie on a
//! dozen pages, most of them at random places, and each page that a commit changes is copied, hashed and written.
//!
//! Readers see what is here before what is there. Larger contents are never here.

use super::frame::SMALLEST;
use super::*;
use ::redb::ReadableTable;
use std::collections::BTreeMap;

/// So many bytes wait at most. All of them are read when a file is opened. In the tests of this crate they are sorted in
/// all the time.
const FULL: usize = if cfg!(test) { 2 << 10 } else { 32 << 10 };

/// A commit that brings more is sorted in at once.
const LARGEST: usize = 8 << 10;

/// Lengths of key and value, and what they are.
const HEADER: usize = 5;

const PIECE_OF_TILE: u8 = b't';
const INDEX_ROW: u8 = b'i';
const NO_INDEX_ROW: u8 = b'd';
const CONTENT: u8 = b'c';

/// What is in the rows, put together.
#[derive(Default, Clone)]
pub(super) struct Recent {
    /// How many rows there are, and the key of the last one. Keys only grow, so these two tell one state of a file from
    /// all others.
    rows: u64,
    last: Option<u64>,
    bytes: usize,
    /// Of tiles, by their keys.
    pub(super) pieces: BTreeMap<u64, Vec<u8>>,
    pub(super) index: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pub(super) contents: BTreeMap<Hash, Vec<u8>>,
}

/// The newest state that was read or written, kept from one commit to the next.
#[derive(Default)]
pub(super) struct Memo(Mutex<Option<Arc<Recent>>>);

impl Memo {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Recent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, recent: Arc<Recent>) {
        *self.lock() = Some(recent);
    }

    /// What a table holds. What is kept is given away, to be changed.
    pub(super) fn take(
        &self,
        table: &impl ReadableTable<u64, &'static [u8]>,
        path: &Path,
    ) -> Result<Arc<Recent>> {
        let kept = self.lock().take();
        Recent::of(kept, table, path)
    }

    /// What a table holds, and is kept.
    pub(super) fn get(
        &self,
        table: &impl ReadableTable<u64, &'static [u8]>,
        path: &Path,
    ) -> Result<Arc<Recent>> {
        let recent = self.take(table, path)?;
        self.keep(Arc::clone(&recent));
        Ok(recent)
    }
}

impl Recent {
    fn of(
        kept: Option<Arc<Self>>,
        table: &impl ReadableTable<u64, &'static [u8]>,
        path: &Path,
    ) -> Result<Arc<Self>> {
        let rows = table.len().map_err(fault(path))?;
        let last = table.last().map_err(fault(path))?.map(|(key, _)| key.value());
        if let Some(kept) = kept.filter(|kept| (kept.rows, kept.last) == (rows, last)) {
            return Ok(kept);
        }
        let mut recent = Self::default();
        for row in table.iter().map_err(fault(path))? {
            let (key, row) = row.map_err(fault(path))?;
            let added = recent.add(key.value(), row.value());
            added.ok_or_else(|| fault::damaged(path, "what was written last cannot be read"))?;
        }
        if (recent.rows, recent.last) != (rows, last) {
            return Err(fault::damaged(path, "what was written last is gone"));
        }
        Ok(Arc::new(recent))
    }

    /// Takes in one row more; `None` when it is malformed, or not above the others.
    pub(super) fn add(&mut self, key: u64, row: &[u8]) -> Option<()> {
        if self.last.is_some_and(|last| last >= key) || self.bytes > FULL {
            return None;
        }
        let mut at = 0;
        while at < row.len() {
            let item = Item::read(row, &mut at)?;
            match item.kind {
                PIECE_OF_TILE => {
                    let key = u64::from_be_bytes(item.key.try_into().ok()?);
                    self.pieces.insert(key, item.value.to_vec());
                }
                INDEX_ROW => drop(self.index.insert(item.key.to_vec(), Some(item.value.to_vec()))),
                NO_INDEX_ROW => drop(self.index.insert(item.key.to_vec(), None)),
                CONTENT => drop(self.contents.insert(item.key.try_into().ok()?, item.value.to_vec())),
                _ => return None,
            }
        }
        self.rows += 1;
        self.last = Some(key);
        self.bytes += row.len();
        Some(())
    }

    /// Leaves out what follows from the statements.
    pub(super) fn keep_contents(&mut self) {
        self.pieces.clear();
        self.index.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether so many bytes more may wait here.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        bytes <= LARGEST && self.bytes + bytes <= FULL
    }
}

/// Whether a content of this size waits here, once there is nothing of it anywhere.
pub(super) fn is_small(size: u64) -> bool {
    size < SMALLEST as u64
}

/// So many bytes of a row such a content takes.
pub(super) fn space(size: u64) -> usize {
    HEADER + size_of::<Hash>() + usize::try_from(size).unwrap_or(usize::MAX / 2)
}

/// One row: kind, length of the key, length of the value (u16, little-endian), key and value, again and again.
#[derive(Default)]
pub(super) struct Row(pub(super) Vec<u8>);

impl Row {
    pub(super) fn piece(&mut self, key: u64, piece: &[u8]) {
        self.push(PIECE_OF_TILE, &key.to_be_bytes(), piece);
    }

    pub(super) fn index(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.push(INDEX_ROW, key, value),
            None => self.push(NO_INDEX_ROW, key, &[]),
        }
    }

    pub(super) fn content(&mut self, address: &Hash, content: &[u8]) {
        self.push(CONTENT, address, content);
    }

    /// Lengths that do not fit make a row that is too long for all that waits here.
    fn push(&mut self, kind: u8, key: &[u8], value: &[u8]) {
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes();
        self.0.push(kind);
        self.0.extend_from_slice(&length(key));
        self.0.extend_from_slice(&length(value));
        self.0.extend_from_slice(key);
        self.0.extend_from_slice(value);
    }
}

struct Item<'a> {
    kind: u8,
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Item<'a> {
    /// That which begins at `at`, which is moved behind it.
    fn read(row: &'a [u8], at: &mut usize) -> Option<Self> {
        let ([kind, a, b, c, d], rest) = row.get(*at..)?.split_first_chunk::<HEADER>()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes([*a, *b]).into())?;
        let value = rest.get(..u16::from_le_bytes([*c, *d]).into())?;
        *at += HEADER + key.len() + value.len();
        Some(Self { kind: *kind, key, value })
    }
}

/// The contents in what may be a row: their addresses, where in it they are, and their lengths.
pub(super) fn contents(row: &[u8]) -> impl Iterator<Item = (Hash, usize, usize)> {
    let mut at = 0;
    let items = std::iter::from_fn(move || Item::read(row, &mut at).map(|item| (item, at)));
    items.filter_map(|(item, end)| {
        let address = item.key.try_into().ok().filter(|_| item.kind == CONTENT)?;
        Some((address, end - item.value.len(), item.value.len()))
    })
}

#[cfg(test)]
mod tests;
