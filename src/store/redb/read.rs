//! Reading from one snapshot. Rows must come in strictly rising order: pages of a damaged file may form a loop.
//! A row's value is taken before the visitor is called, since taking it is where a torn page panics.

use super::super::batch::{is_pointer, name};
use super::super::contain::outside;
use super::super::visit_over;
use super::contents::{Stored, chunk, unpack};
use super::fault::fault;
use super::*;
use ::redb::AccessGuard;
use std::borrow::Borrow;
use std::ops::Bound;

impl Snapshot {
    fn get<'k, K: Key>(
        &self,
        table: &ReadOnlyTable<K, &'static [u8]>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<Vec<u8>>> {
        let row = table.get(key).map_err(fault(&self.path))?;
        Ok(row.map(|value| value.value().to_vec()))
    }

    pub(super) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.get(self.meta_rows()?, key)
    }

    pub(super) fn head(&self) -> Result<Head> {
        let row = self.meta("head")?.ok_or_else(|| self.damaged("it has no head"))?;
        decode_head(&row).ok_or_else(|| self.damaged("its head is malformed"))
    }

    pub(super) fn statement(&self, index: u64) -> Result<Option<Vec<u8>>> {
        if index >= self.head()?.size {
            return Ok(None);
        }
        self.get(self.statements()?, index)?.map(Some).ok_or_else(|| self.gone(index))
    }

    pub(super) fn scan(&self, range: Range<u64>, visit: VisitStatement<'_>) -> Result<()> {
        let end = range.end.min(self.head()?.size);
        if range.start >= end {
            return Ok(());
        }
        let mut rows = self.statements()?.range(range.start..end).map_err(fault(&self.path))?;
        for expected in range.start..end {
            let (index, statement) =
                rows.next().ok_or_else(|| self.gone(expected))?.map_err(fault(&self.path))?;
            if index.value() != expected {
                return Err(self.gone(expected));
            }
            let statement = statement.value();
            if !outside(|| visit(expected, statement))? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>> {
        let Some(pieces) = pieces(id) else { return Ok(None) };
        let torn = || self.damaged(&format!("pieces of tile {}/{} are missing", id.level, id.index));
        let mut found = Vec::new();
        let rows = self.tiles()?.range(pieces.clone()).map_err(fault(&self.path))?;
        for (piece, expected) in rows.zip(pieces.clone()) {
            let (key, piece) = piece.map_err(fault(&self.path))?;
            if key.value() != expected {
                return Err(torn());
            }
            found.push(piece.value().to_vec());
        }
        for (key, piece) in self.recent()?.pieces.range(pieces) {
            let number = usize::from(*key as u8);
            if number == found.len() {
                found.push(Vec::new());
            }
            *found.get_mut(number).ok_or_else(torn)? = piece.to_vec();
        }
        // All pieces but the last are whole.
        let all_but_last = found.iter().rev().skip(1);
        if all_but_last.into_iter().any(|piece| piece.len() != PIECE) {
            return Err(torn());
        }
        Ok(Some(found.concat()).filter(|tile| !tile.is_empty()))
    }

    pub(super) fn index_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(newer) = self.recent()?.index.get(key) {
            return Ok(newer.clone());
        }
        match <&[u8; POINTER]>::try_from(key) {
            Ok(pointer) if is_pointer(key) => {
                let row = self.pointers()?.get(pointer).map_err(fault(&self.path))?;
                Ok(row.map(|_| Vec::new()))
            }
            _ => self.get(self.index()?, key),
        }
    }

    pub(super) fn index_scan(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<()> {
        let newer = self.recent()?.index.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let newer = newer.take_while(|(key, _)| key.starts_with(prefix));
        let newer = newer.map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        let mut visit = |key: &[u8], value: &[u8]| outside(|| visit(key, value));
        visit_over(newer, reverse, &mut visit, |visit| {
            // Pointers come after all other rows.
            for pointers in [reverse, !reverse] {
                if prefix.is_empty() || pointers == is_pointer(prefix) {
                    let go_on = match pointers {
                        true => self.scan_pointers(prefix, reverse, visit)?,
                        false => self.scan_rows(prefix, reverse, visit)?,
                    };
                    if !go_on {
                        break;
                    }
                }
            }
            Ok(())
        })
    }

    /// Answers whether to go on, as does the next.
    fn scan_rows(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<bool> {
        let table = self.index()?;
        let end = prefix_end(prefix);
        let upper = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = table.range::<&[u8]>((Bound::Included(prefix), upper)).map_err(fault(&self.path))?;
        let mut last: Option<Vec<u8>> = None;
        while let Some(row) = if reverse { rows.next_back() } else { rows.next() } {
            let (key, value): (AccessGuard<'_, &[u8]>, AccessGuard<'_, &[u8]>) =
                row.map_err(fault(&self.path))?;
            let (key, value) = (key.value(), value.value());
            let ordered = last.as_deref().is_none_or(|last| if reverse { key < last } else { key > last });
            if !ordered || !key.starts_with(prefix) {
                return Err(self.damaged("its index is out of order"));
            }
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            if !visit(key, value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn scan_pointers(&self, prefix: &[u8], reverse: bool, visit: VisitRow<'_>) -> Result<bool> {
        let (mut from, mut to) = ([0; POINTER], [u8::MAX; POINTER]);
        if prefix.len() > POINTER {
            return Ok(true);
        }
        from.iter_mut().zip(&mut to).zip(prefix).for_each(|((from, to), byte)| (*from, *to) = (*byte, *byte));
        let table = self.pointers()?;
        let mut rows = table.range::<&[u8; POINTER]>(&from..=&to).map_err(fault(&self.path))?;
        let mut last: Option<[u8; POINTER]> = None;
        while let Some(row) = if reverse { rows.next_back() } else { rows.next() } {
            let key = *row.map_err(fault(&self.path))?.0.value();
            let ordered = last.is_none_or(|last| if reverse { key < last } else { key > last });
            if !ordered || !(from..=to).contains(&key) {
                return Err(self.damaged("its index is out of order"));
            }
            last = Some(key);
            if !visit(&key, &[])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        if let Some(content) = self.recent()?.contents.get(address) {
            return Ok(BlobState::Present(content.len() as u64));
        }
        Ok(self.stored(address)?.map_or(BlobState::Missing, |stored| stored.state()))
    }

    /// How a content is stored that does not wait.
    pub(super) fn stored(&self, address: &Hash) -> Result<Option<Stored>> {
        Ok(self.contents()?.get(address).map_err(fault(&self.path))?.map(|row| Stored::read(row.value())))
    }

    pub(super) fn read_blob(
        &self,
        address: &Hash,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<BlobState> {
        if let Some(content) = self.recent()?.contents.get(address) {
            if !content.is_empty() {
                outside(|| sink(content))?;
            }
            return Ok(BlobState::Present(content.len() as u64));
        }
        let mut left = match self.stored(address)? {
            None => return Ok(BlobState::Missing),
            Some(Stored::Erased) => return Ok(BlobState::Erased),
            Some(Stored::Packed(place, size)) => return self.read_packed(address, place, size, sink),
            Some(Stored::Whole(size)) => size,
        };
        let (state, chunks) = (BlobState::Present(left), self.chunks()?);
        let mut number = 0_u32;
        while left > 0 {
            let torn = || self.damaged(&format!("pieces of {} are missing", name(address)));
            let row = chunks.get(&chunk(address, number)[..]).map_err(fault(&self.path))?.ok_or_else(torn)?;
            let piece = row.value();
            let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if size > left || size == 0 {
                return Err(torn());
            }
            left -= size;
            outside(|| sink(piece))?;
            number = number.checked_add(1).ok_or_else(torn)?;
        }
        Ok(state)
    }

    fn read_packed(
        &self,
        address: &Hash,
        place: contents::Place,
        size: u32,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<BlobState> {
        let content = unpack(self.frames()?, &self.path, place)?;
        match content.filter(|content| content.len() as u64 == u64::from(size)) {
            Some(content) => outside(|| sink(&content))?,
            None => return Err(self.damaged(&format!("{} cannot be unpacked", name(address)))),
        }
        Ok(BlobState::Present(size.into()))
    }

    pub(super) fn blobs(&self, visit: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        let mut rows = self.contents()?.range::<&Hash>(..).map_err(fault(&self.path))?;
        let mut take = || -> Result<Option<(Hash, BlobState)>> {
            let row = rows.next().transpose().map_err(fault(&self.path))?;
            Ok(row.map(|(address, row)| (*address.value(), Stored::read(row.value()).state())))
        };
        let newer = self.recent()?.contents.iter();
        let mut newer = newer.map(|(address, content)| (*address, BlobState::Present(content.len() as u64)));
        // Each in its order.
        let mut next = (take()?, newer.next());
        let mut last: Option<Hash> = None;
        loop {
            let (address, state) = match next {
                (Some(row), other) if other.is_none_or(|other| row.0 <= other.0) => {
                    next.0 = take()?;
                    row
                }
                (_, Some(row)) => {
                    next.1 = newer.next();
                    row
                }
                (_, None) => return Ok(()),
            };
            if last.is_some_and(|last| last >= address) {
                return Err(self.damaged("its blobs are out of order"));
            }
            last = Some(address);
            if !outside(|| visit(address, state))? {
                return Ok(());
            }
        }
    }

    fn gone(&self, index: u64) -> Error {
        self.damaged(&format!("statement {index} is gone"))
    }
}

pub(super) fn encode_head(head: &Head) -> Vec<u8> {
    [&head.size.to_be_bytes()[..], &head.root].concat()
}

pub(super) fn decode_head(row: &[u8]) -> Option<Head> {
    let (size, root) = row.split_first_chunk()?;
    Some(Head { size: u64::from_be_bytes(*size), root: root.try_into().ok()? })
}

/// The first key after all those that begin with `prefix`; `None` when there is none.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}
