//! Contents in their tables. One is whole, cut into pieces; or it is packed on an earlier version of the same text, in a
//! chain with that and others.
//!
//! A chain is a tree in truth. A version stands on the one before it, and each 48th on the one 48 before it: so any of
//! them is reached in few steps, and nearly all differ little from what they stand on. After some 500 versions another
//! chain begins. The first version of a text is whole until there is a second one, since most texts have only one.

use super::super::NewBlob;
use super::super::batch::{erased, other_size, pour};
use super::super::contain::outside;
use super::fault::fault;
use super::frame::{self, Frame};
use super::recent::{Row, is_small};
use super::*;
use ::redb::{AccessGuard, ReadableTable, Table};
use std::io::{self, Read};

/// A chain, and a place in it.
pub(super) type Place = (u32, u32);

/// How many versions apart those are that others are reached by. Steps are small, and these are not: of 32 or 64, texts
/// that change little or much at a time take more.
const STRIDE: u32 = 48;

/// No content is more steps from one that stands on none. Steps across many versions are slow: of 8 KiB, what is 64 steps
/// away takes eleven times as long to read as what stands on none.
pub(super) const DEEPEST: usize = 56;

/// How a content is stored: a row of the table of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Erased,
    /// In pieces, of so many bytes.
    Whole(u64),
    /// In a frame, of so many bytes when it is unpacked.
    Packed(Place, u32),
}

/// In the place of a chain; then the length follows as two halves.
const WHOLE: u32 = u32::MAX;
/// In the place of a chain.
const ERASED: u32 = WHOLE - 1;

impl Stored {
    pub(super) fn read((chain, a, b): (u32, u32, u32)) -> Self {
        match chain {
            WHOLE => Self::Whole(u64::from(a) << 32 | u64::from(b)),
            ERASED => Self::Erased,
            chain => Self::Packed((chain, a), b),
        }
    }

    pub(super) fn row(self) -> (u32, u32, u32) {
        match self {
            Self::Whole(size) => (WHOLE, (size >> 32) as u32, size as u32),
            Self::Erased => (ERASED, 0, 0),
            Self::Packed((chain, at), size) => (chain, at, size),
        }
    }

    pub(super) fn state(self) -> BlobState {
        match self {
            Self::Erased => BlobState::Erased,
            Self::Whole(size) => BlobState::Present(size),
            Self::Packed(_, size) => BlobState::Present(size.into()),
        }
    }
}

/// The bytes of a piece's key.
pub(super) const CHUNK_KEY: usize = 36;

/// The key of a piece of a whole content.
pub(super) fn chunk(address: &Hash, number: u32) -> [u8; CHUNK_KEY] {
    let mut key = [0; CHUNK_KEY];
    let bytes = address.iter().copied().chain(number.to_be_bytes());
    key.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    key
}

/// Of which content a piece is, and its number.
pub(super) fn chunk_of(key: &[u8; CHUNK_KEY]) -> Option<(Hash, u32)> {
    let (address, number) = key.split_first_chunk()?;
    Some((*address, u32::from_be_bytes(number.try_into().ok()?)))
}

/// The keys of all pieces.
fn chunks(address: &Hash) -> [[u8; CHUNK_KEY]; 2] {
    [chunk(address, 0), chunk(address, u32::MAX)]
}

/// The key of a frame.
pub(super) fn frame_key((chain, at): Place) -> u64 {
    u64::from(chain) << 32 | u64::from(at)
}

/// Chain and place.
pub(super) fn frame_place(key: u64) -> Place {
    ((key >> 32) as u32, key as u32)
}

/// The frames from a place on to one that stands on none, each with its place.
type Line<'a> = Vec<(u32, AccessGuard<'a, &'static [u8]>)>;

/// Follows a content to what it stands on. `None`: a frame is missing or malformed, or there are too many.
fn line<'a>(
    frames: &'a impl ReadableTable<u64, &'static [u8]>,
    path: &Path,
    (chain, mut at): Place,
) -> Result<Option<Line<'a>>> {
    let mut line = Line::new();
    while line.len() <= DEEPEST {
        let Some(row) = frames.get(frame_key((chain, at))).map_err(fault(path))? else { return Ok(None) };
        let back = Frame::parse(row.value()).map(|frame| frame.back);
        line.push((at, row));
        match back {
            None => return Ok(None),
            Some(0) => return Ok(Some(line)),
            Some(back) => match at.checked_sub(back) {
                None => return Ok(None),
                Some(base) => at = base,
            },
        }
    }
    Ok(None)
}

/// The content that a line leads to; `None` when a frame does not decode.
fn decode(line: &[(u32, AccessGuard<'_, &'static [u8]>)]) -> Option<Vec<u8>> {
    let (mut base, mut content) = (Vec::new(), Vec::new());
    for (_, row) in line.iter().rev() {
        Frame::parse(row.value())?.decode(&base, &mut content)?;
        std::mem::swap(&mut base, &mut content);
    }
    Some(base)
}

/// A packed content; `None` when the frames on the way to it are damaged.
pub(super) fn unpack(
    frames: &impl ReadableTable<u64, &'static [u8]>,
    path: &Path,
    place: Place,
) -> Result<Option<Vec<u8>>> {
    Ok(line(frames, path, place)?.and_then(|line| decode(&line)))
}

/// The tables of contents, being changed.
pub(super) struct Contents<'a> {
    path: &'a Path,
    contents: Table<'a, &'static Hash, (u32, u32, u32)>,
    chunks: Table<'a, &'static [u8], &'static [u8]>,
    frames: Table<'a, u64, &'static [u8]>,
}

impl<'a> Contents<'a> {
    pub(super) fn open(change: &'a Change<'_>) -> Result<Self> {
        Ok(Self {
            path: change.path,
            contents: change.table(CONTENTS)?,
            chunks: change.table(CHUNKS)?,
            frames: change.table(FRAMES)?,
        })
    }

    /// The pages of what goes become free, but free pages keep their old bytes until something overwrites them.
    pub(super) fn erase(&mut self, address: &Hash) -> Result<()> {
        self.drop_chunks(address)?;
        if let Some(Stored::Packed((chain, at), _)) = self.stored(address)? {
            self.drop_frame(chain, at)?;
        }
        self.note(address, Stored::Erased)
    }

    fn stored(&self, address: &Hash) -> Result<Option<Stored>> {
        let row = self.contents.get(address).map_err(fault(self.path))?;
        Ok(row.map(|row| Stored::read(row.value())))
    }

    fn note(&mut self, address: &Hash, stored: Stored) -> Result<()> {
        self.contents.insert(address, stored.row()).map_err(fault(self.path)).map(drop)
    }

    fn drop_chunks(&mut self, address: &Hash) -> Result<()> {
        let [first, last] = &chunks(address);
        self.chunks.retain_in::<&[u8], _>(&first[..]..=&last[..], |_, _| false).map_err(fault(self.path))
    }

    /// Removes a frame. What stands on it is packed anew, on what that stood on itself, or else on the first of them.
    fn drop_frame(&mut self, chain: u32, gone: u32) -> Result<()> {
        let mut standing = Vec::new();
        let after = frame_key((chain, gone))..=frame_key((chain, u32::MAX));
        for row in self.frames.range(after).map_err(fault(self.path))? {
            let (key, row) = row.map_err(fault(self.path))?;
            let ((_, at), frame) = (frame_place(key.value()), Frame::parse(row.value()));
            standing.extend(frame.map(|frame| (at, frame.back, frame.generation)));
        }
        let below = standing.iter().find(|(at, back, _)| *at == gone && *back > 0);
        let mut base = match below.and_then(|(at, back, _)| at.checked_sub(*back)) {
            Some(below) => unpack(&self.frames, self.path, (chain, below))?.map(|content| (below, content)),
            None => None,
        };
        standing.retain(|(at, back, _)| *at != gone && at.checked_sub(*back) == Some(gone));
        for (at, _, generation) in standing {
            // What does not decode is lost already, and its frame holds nothing of the one that goes.
            let Some(content) = unpack(&self.frames, self.path, (chain, at))? else { continue };
            let row = match &base {
                Some((base, prefix)) => frame::encode(&content, prefix, at.saturating_sub(*base), generation),
                None => frame::encode(&content, b"", 0, generation),
            };
            let row = row.ok_or_else(|| Error::bug("a content cannot be packed anew"))?;
            self.frames.insert(frame_key((chain, at)), row.as_slice()).map_err(fault(self.path))?;
            base.get_or_insert((at, content));
        }
        self.frames.remove(frame_key((chain, gone))).map_err(fault(self.path))?;
        Ok(())
    }

    fn state(&self, address: &Hash) -> Result<BlobState> {
        Ok(self.stored(address)?.map_or(BlobState::Missing, Stored::state))
    }

    /// Whether a content is not here yet, and may be.
    fn is_new(&self, NewBlob { address, size, .. }: &NewBlob<'_>, recent: &Recent) -> Result<bool> {
        let state = match recent.contents.get(address) {
            Some(content) => BlobState::Present(content.len() as u64),
            None => self.state(address)?,
        };
        match state {
            BlobState::Present(here) if here == *size => Ok(false),
            BlobState::Present(here) => Err(other_size(address, here, *size)),
            BlobState::Erased => Err(erased(address)),
            BlobState::Missing => Ok(true),
        }
    }

    /// Stores a content that is not here yet: into `row`, if it is small.
    pub(super) fn store_beside(
        &mut self,
        blob: NewBlob<'_>,
        recent: &mut Recent,
        row: &mut Row,
    ) -> Result<()> {
        if !self.is_new(&blob, recent)? {
            return Ok(());
        }
        if !is_small(blob.size) {
            return self.store_new(blob);
        }
        let address = blob.address;
        let content = in_memory(&mut outside_source(blob), frame::SMALLEST)?;
        row.content(&address, &content);
        recent.contents.insert(address, content);
        Ok(())
    }

    /// A small content as it was stored, right or wrong.
    pub(super) fn put_small(&mut self, address: &Hash, content: &[u8]) -> Result<()> {
        if !content.is_empty() {
            self.chunks.insert(&chunk(address, 0)[..], content).map_err(fault(self.path))?;
        }
        self.note(address, Stored::Whole(content.len() as u64))
    }

    /// Stores a content that is not here yet.
    pub(super) fn store(&mut self, blob: NewBlob<'_>) -> Result<()> {
        match self.is_new(&blob, &Recent::default())? {
            true => self.store_new(blob),
            false => Ok(()),
        }
    }

    fn store_new(&mut self, blob: NewBlob<'_>) -> Result<()> {
        let address = blob.address;
        let mut blob = outside_source(blob);
        let base = blob.base.filter(|base| *base != address && blob.size <= frame::LARGEST as u64);
        let Some(base) = base else { return self.store_whole(&mut blob) };
        let content = in_memory(&mut blob, frame::LARGEST)?;
        if self.pack(&address, &content, &base)? {
            return Ok(());
        }
        self.store_whole(&mut NewBlob { source: Box::new(content.as_slice()), ..blob })
    }

    fn store_whole(&mut self, blob: &mut NewBlob<'_>) -> Result<()> {
        let (address, mut number) = (blob.address, 0_u32);
        pour(blob, CHUNK, |piece| {
            self.chunks.insert(&chunk(&address, number)[..], piece).map_err(fault(self.path))?;
            number =
                number.checked_add(1).ok_or_else(|| Error::failed("a blob is too large to be stored"))?;
            Ok(())
        })?;
        self.note(&address, Stored::Whole(blob.size))
    }

    /// Packs a content in the chain of `base`; `false` when there is none, or when it is not like it.
    fn pack(&mut self, address: &Hash, content: &[u8], base: &Hash) -> Result<bool> {
        if !frame::packable(content) {
            return Ok(false);
        }
        // Less is saved where this does not hold than reading becomes slower.
        let worth = |row: &Vec<u8>| row.len() < content.len() / 4;
        if let Some(Stored::Packed((chain, at), _)) = self.stored(base)? {
            let Some((base, prefix, generation)) = self.ancestor((chain, at))? else { return Ok(false) };
            let all = frame_key((chain, 0))..=frame_key((chain, u32::MAX));
            let last = self.frames.range(all).map_err(fault(self.path))?.next_back();
            let last = last.transpose().map_err(fault(self.path))?.map(|(key, _)| frame_place(key.value()).1);
            let Some(at) = last.and_then(|last| last.checked_add(1)) else { return Ok(false) };
            let row = at.checked_sub(base).and_then(|back| frame::encode(content, &prefix, back, generation));
            let Some(row) = row.filter(worth) else { return Ok(false) };
            self.put(address, content, (chain, at), &row)?;
            return Ok(true);
        }
        let Some(first) = self.whole(base)? else { return Ok(false) };
        let rows = frame::encode(&first, b"", 0, 0).zip(frame::encode(content, &first, 1, 1).filter(worth));
        let last = self.frames.last().map_err(fault(self.path))?.map(|(key, _)| frame_place(key.value()).0);
        let chain = last.map_or(Some(0), |last| last.checked_add(1)).filter(|chain| *chain < ERASED);
        let (Some((before, row)), Some(chain)) = (rows, chain) else { return Ok(false) };
        self.drop_chunks(base)?;
        self.put(base, &first, (chain, 0), &before)?;
        self.put(address, content, (chain, 1), &row)?;
        Ok(true)
    }

    /// What the version after the one at a place is to stand on: its place, its content, and the new one's generation.
    fn ancestor(&self, (chain, at): Place) -> Result<Option<(u32, Vec<u8>, u32)>> {
        let Some(mut line) = line(&self.frames, self.path, (chain, at))? else { return Ok(None) };
        let generation = |row: &AccessGuard<'_, &'static [u8]>| {
            Frame::parse(row.value()).map_or(0, |frame| frame.generation)
        };
        let Some(new) = line.first().and_then(|(_, row)| generation(row).checked_add(1)) else {
            return Ok(None);
        };
        let step = if new % STRIDE == 0 { STRIDE } else { 1 };
        let oldest = line.len() - 1;
        let from = line.iter().position(|(_, row)| generation(row) <= new - step).unwrap_or(oldest);
        line.drain(..from);
        if line.len() > DEEPEST {
            return Ok(None);
        }
        let base = line.first().map(|(at, _)| *at);
        Ok(base.zip(decode(&line)).map(|(base, content)| (base, content, new)))
    }

    /// A content that is stored whole, if it may be the base of others.
    fn whole(&self, address: &Hash) -> Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        let [first, last] = &chunks(address);
        for row in self.chunks.range::<&[u8]>(&first[..]..=&last[..]).map_err(fault(self.path))? {
            let (_, piece) = row.map_err(fault(self.path))?;
            content.extend_from_slice(piece.value());
            if content.len() > frame::LARGEST {
                return Ok(None);
            }
        }
        Ok(Some(content).filter(|content| frame::packable(content) && blake3::hash(content) == *address))
    }

    fn put(&mut self, address: &Hash, content: &[u8], place: Place, row: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len()).map_err(|_| Error::bug("a packed content is too large"))?;
        self.frames.insert(frame_key(place), row).map_err(fault(self.path))?;
        self.note(address, Stored::Packed(place, size))
    }
}

fn outside_source(blob: NewBlob<'_>) -> NewBlob<'_> {
    NewBlob { source: Box::new(Outside(blob.source)), ..blob }
}

/// The bytes of a content that has at most so many.
fn in_memory(blob: &mut NewBlob<'_>, most: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    pour(blob, most, |piece| {
        content.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(content)
}

/// A source is the caller's code, so its panics are not the engine's.
struct Outside<'a>(Box<dyn Read + Send + 'a>);

impl Read for Outside<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        outside(|| self.0.read(buffer))
    }
}

#[cfg(test)]
mod tests;
