//! What a ledger file still holds when the engine cannot be relied on: every byte of it is looked at. Whatever is
//! found is a guess until its hash or signature says otherwise.

use super::fault;
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
/// Address and number of a piece.
const KEY: usize = 36;
/// So many ways of putting pieces together are followed at once; more than one only where pages were left behind.
const WAYS: usize = 16;

/// The pieces of blobs in a ledger file, by address and number: where each copy begins and how long it is.
pub struct Carved {
    path: PathBuf,
    pieces: BTreeMap<(Hash, u32), Vec<(u64, usize)>>,
}

impl Carved {
    /// Looks at a whole file. `envelope` tells how long the statement is that these bytes begin with, if they
    /// do, and `found` gets each one.
    pub fn read(
        path: &Path,
        envelope: &dyn Fn(&[u8]) -> Option<usize>,
        found: &mut dyn FnMut(&[u8]),
    ) -> Result<Self> {
        let mut carved = Self { path: path.to_owned(), pieces: BTreeMap::new() };
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
                return Ok(carved);
            }
            window.drain(..until);
            at += until as u64;
        }
    }

    /// Takes the pieces from what may be a leaf page of their table: type, count, ends of values, keys, values.
    fn leaf(&mut self, at: u64, page: &[u8]) {
        let Some([1, _, low, high]) = page.first_chunk().copied() else { return };
        let count = usize::from(u16::from_le_bytes([low, high]));
        let ends: Option<Vec<usize>> = (0..count)
            .map(|n| page.get(4 + 4 * n..)?.first_chunk().map(|end| u32::from_le_bytes(*end) as usize))
            .collect();
        let keys = 4 + 4 * count;
        let mut from = keys + KEY * count;
        for (n, end) in ends.into_iter().flatten().enumerate() {
            let key = page.get(keys + KEY * n..).and_then(|rest| rest.split_first_chunk::<32>());
            let number = key.and_then(|(_, rest)| rest.first_chunk::<4>());
            let (Some((address, _)), Some(number)) = (key, number) else { return };
            if end <= from || end > page.len() || end - from > CHUNK {
                return;
            }
            let piece = (at + from as u64, end - from);
            self.pieces.entry((*address, u32::from_le_bytes(*number))).or_default().push(piece);
            from = end;
        }
    }

    /// The addresses of which there is a first piece.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<Hash> {
        self.pieces.keys().filter(|(_, number)| *number == 0).map(|(address, _)| *address).collect()
    }

    /// Hands the blob to `sink`, if all its pieces are intact; `false` when they are not.
    pub fn blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let mut file = File::open(&self.path).map_err(|cause| fault::io(&self.path, cause))?;
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

    fn piece(&self, file: &mut File, (at, length): (u64, usize)) -> Result<Vec<u8>> {
        let io = |cause| fault::io(&self.path, cause);
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        file.read_exact(&mut bytes).map_err(|cause| {
            Error::failed(format!("{} changed while it was read", self.path.display())).because(cause)
        })?;
        Ok(bytes)
    }
}
