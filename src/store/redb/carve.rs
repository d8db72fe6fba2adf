//! What a ledger file still holds when the engine cannot be relied on: every byte of it is looked at. Whatever is
//! found is a guess until its hash or signature says otherwise.

use super::contents::{CHUNK_KEY, DEEPEST, Place, chunk_of, frame_place};
use super::fault;
use super::frame::Frame;
use super::recent;
use super::{CHUNK, Hash};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The engine's pages begin at multiples of this.
const PAGE: usize = 4096;
/// No statement and no leaf page with pieces of blobs is larger.
const LARGEST: usize = 65_536;
/// So much is looked at at once.
const WINDOW: usize = 1 << 20;
/// Chain and place of a frame, or the number of a row of what was written last.
const FRAME_KEY: usize = 8;
/// What every zstd frame begins with.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// So many ways of putting pieces together are followed at once; more than one only where pages were left behind.
const WAYS: usize = 16;

/// Where a row's value begins in the file, and how long it is.
type Spot = (u64, usize);

/// The pieces of blobs in a ledger file, by address and number, and the frames of packed ones, by place: where each copy
/// is. A frame does not say whose it is: that is the address of what it unpacks to.
pub struct Carved {
    path: PathBuf,
    pieces: BTreeMap<(Hash, u32), Vec<Spot>>,
    frames: BTreeMap<Place, Vec<Spot>>,
    unpacked: Vec<Unpacked>,
    packed: BTreeMap<Hash, usize>,
}

/// A frame that unpacks.
struct Unpacked {
    spot: Spot,
    /// What it stands on, by its number among these.
    base: Option<usize>,
    /// How many steps from one that stands on none.
    depth: usize,
}

impl Carved {
    /// Looks at a whole file. `envelope` tells how long the statement is that these bytes begin with, if they
    /// do, and `found` gets each one.
    pub fn read(
        path: &Path,
        envelope: &dyn Fn(&[u8]) -> Option<usize>,
        found: &mut dyn FnMut(&[u8]),
    ) -> Result<Self> {
        let mut carved = Self {
            path: path.to_owned(),
            pieces: BTreeMap::new(),
            frames: BTreeMap::new(),
            unpacked: Vec::new(),
            packed: BTreeMap::new(),
        };
        let io = |cause| fault::io(path, cause);
        let mut file = File::open(path).map_err(io)?;
        let (mut window, mut at) = (Vec::new(), 0_u64);
        loop {
            let want = (WINDOW + LARGEST).saturating_sub(window.len()) as u64;
            file.by_ref().take(want).read_to_end(&mut window).map_err(io)?;
            let last = window.len() < WINDOW + LARGEST;
            let until = if last { window.len() } else { WINDOW };
            for start in 0..until {
                let bytes = window.get(start..).unwrap_or_default();
                if let Some(statement) = envelope(bytes).and_then(|length| bytes.get(..length)) {
                    found(statement);
                }
                if start % PAGE == 0 {
                    carved.leaf(at + start as u64, bytes);
                }
            }
            if last {
                break;
            }
            window.drain(..until);
            at += until as u64;
        }
        carved.unpack(&mut file)?;
        Ok(carved)
    }

    /// Takes the rows from what may be a leaf page of a table of contents.
    fn leaf(&mut self, at: u64, page: &[u8]) {
        for (key, spot, _) in rows::<CHUNK_KEY>(page, true).take_while(|(_, (_, size), _)| *size <= CHUNK) {
            if let Some(piece) = chunk_of(key) {
                self.pieces.entry(piece).or_default().push((at + spot.0, spot.1));
            }
        }
        // Frames, or what was written last: keys of both have as many bytes.
        for (key, spot, value) in rows::<FRAME_KEY>(page, false) {
            for (address, from, length) in recent::contents(value) {
                self.pieces.entry((address, 0)).or_default().push((at + spot.0 + from as u64, length));
            }
            if Frame::parse(value).is_some_and(|frame| frame.starts_with(ZSTD)) {
                self.frames
                    .entry(frame_place(u64::from_le_bytes(*key)))
                    .or_default()
                    .push((at + spot.0, spot.1));
            }
        }
    }

    /// Finds out what the frames are.
    fn unpack(&mut self, file: &mut File) -> Result<()> {
        let mut found: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
        for ((chain, at), copies) in std::mem::take(&mut self.frames) {
            let mut seen = BTreeSet::new();
            for spot in copies {
                let row = self.piece(file, spot)?;
                let Some(frame) = Frame::parse(&row).filter(|_| seen.insert(*blake3::hash(&row).as_bytes()))
                else {
                    continue;
                };
                let bases = match at.checked_sub(frame.back) {
                    _ if frame.back == 0 => vec![None],
                    Some(base) => {
                        found.get(&(chain, base)).into_iter().flatten().copied().map(Some).collect()
                    }
                    None => Vec::new(),
                };
                let ways = found.entry((chain, at)).or_default();
                for base in bases {
                    let depth =
                        base.and_then(|base| self.unpacked.get(base)).map_or(0, |base| base.depth + 1);
                    if ways.len() == WAYS || depth > DEEPEST {
                        break;
                    }
                    let below = base.map_or(Ok(Some(Vec::new())), |base| self.content(file, base))?;
                    let mut content = Vec::new();
                    if below.is_some_and(|below| frame.decode(&below, &mut content).is_some()) {
                        self.packed.entry(*blake3::hash(&content).as_bytes()).or_insert(self.unpacked.len());
                        ways.push(self.unpacked.len());
                        self.unpacked.push(Unpacked { spot, base, depth });
                    }
                }
            }
        }
        Ok(())
    }

    /// What a frame unpacks to.
    fn content(&self, file: &mut File, number: usize) -> Result<Option<Vec<u8>>> {
        let line = std::iter::successors(self.unpacked.get(number), |frame| self.unpacked.get(frame.base?));
        let spots: Vec<Spot> = line.map(|frame| frame.spot).collect();
        let (mut base, mut content) = (Vec::new(), Vec::new());
        for spot in spots.into_iter().rev() {
            let row = self.piece(file, spot)?;
            if Frame::parse(&row).and_then(|frame| frame.decode(&base, &mut content)).is_none() {
                return Ok(None);
            }
            std::mem::swap(&mut base, &mut content);
        }
        Ok(Some(base))
    }

    /// The addresses of which there is a first piece, or a frame.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<Hash> {
        let whole = self.pieces.keys().filter(|(_, number)| *number == 0).map(|(address, _)| *address);
        whole.chain(self.packed.keys().copied()).collect()
    }

    /// Hands the blob to `sink`, if all its pieces are intact; `false` when they are not.
    pub fn blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let mut file = File::open(&self.path).map_err(|cause| fault::io(&self.path, cause))?;
        if let Some(number) = self.packed.get(address)
            && let Some(content) = self.content(&mut file, *number)?
            && blake3::hash(&content) == *address
        {
            return sink(&content).map(|()| true);
        }
        let mut ways = vec![(blake3::Hasher::new(), Vec::new())];
        for number in 0_u32.. {
            if let Some((_, way)) = ways.iter().find(|(hash, _)| hash.finalize() == *address) {
                for place in way {
                    sink(&self.piece(&mut file, *place)?)?;
                }
                return Ok(true);
            }
            let Some(copies) = self.pieces.get(&(*address, number)) else { break };
            let mut distinct = BTreeMap::new();
            for place in copies {
                let bytes = self.piece(&mut file, *place)?;
                distinct.entry(*blake3::hash(&bytes).as_bytes()).or_insert((*place, bytes));
            }
            let mut longer = Vec::new();
            for (hash, way) in &ways {
                for (place, bytes) in distinct.values().take(WAYS.saturating_sub(longer.len())) {
                    let mut hash = hash.clone();
                    hash.update(bytes);
                    longer.push((hash, way.iter().copied().chain([*place]).collect::<Vec<_>>()));
                }
            }
            ways = longer;
        }
        Ok(false)
    }

    fn piece(&self, file: &mut File, (at, length): Spot) -> Result<Vec<u8>> {
        let io = |cause| fault::io(&self.path, cause);
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        file.read_exact(&mut bytes).map_err(|cause| {
            Error::failed(format!("{} changed while it was read", self.path.display())).because(cause)
        })?;
        Ok(bytes)
    }
}

/// The rows of what may be a leaf page with keys of `KEY` bytes: type, count, ends of keys if the page has them, ends of
/// values, keys, values. Each with where in the page its value is. It ends where the page does not go on as such a page
/// would.
fn rows<const KEY: usize>(
    page: &[u8],
    ends_of_keys: bool,
) -> impl Iterator<Item = (&[u8; KEY], Spot, &[u8])> {
    let count = match page.first_chunk() {
        Some([1, _, low, high]) => usize::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    };
    let ends = if ends_of_keys { 4 + 4 * count } else { 4 };
    let keys = ends + 4 * count;
    let mut from = keys + KEY * count;
    let end = |at: usize| Some(u32::from_le_bytes(*page.get(at..)?.first_chunk()?) as usize);
    (0..count).map_while(move |n| {
        let key = keys + KEY * n;
        if ends_of_keys && end(4 + 4 * n) != Some(key + KEY) {
            return None;
        }
        let end = end(ends + 4 * n)?;
        let key = page.get(key..)?.first_chunk()?;
        let value = page.get(from..end).filter(|value| !value.is_empty())?;
        let spot = (from as u64, value.len());
        from = end;
        Some((key, spot, value))
    })
}
