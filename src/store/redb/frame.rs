//! One packed content: a zstd frame (RFC 8878) of what it does not share with an earlier version of the same text.
//!
//! The base serves as a dictionary of raw content. Nothing here is trusted: a frame of a damaged file gives other bytes
//! or none, and never more than [`LARGEST`].

use std::cell::RefCell;
use zstd_safe::{CCtx, DCtx, compress_bound, get_frame_content_size};

/// Larger contents are not packed: reading one takes it and its base into memory whole.
pub(super) const LARGEST: usize = 1 << 20;

/// Nor smaller ones: a row has its price.
pub(super) const SMALLEST: usize = 256;

/// From 11 on another byte or two in 100 is saved, and storing takes six times as long.
const LEVEL: i32 = 9;

/// With this a dictionary of zstd's own begins, which is more than raw content.
const DICTIONARY: &[u8] = &[0x37, 0xa4, 0x30, 0xec];

thread_local! {
    // Making one costs more than a small frame does.
    static DECODER: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// A row of the table of frames: `back` and `generation` as LEB128, then the zstd frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// How many places before this one its base stands; 0 when it has none.
    pub(super) back: u32,
    /// How many versions lie between it and the first one of its chain.
    pub(super) generation: u32,
    zstd: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(super) fn parse(row: &'a [u8]) -> Option<Self> {
        let (back, rest) = number(row)?;
        let (generation, zstd) = number(rest)?;
        Some(Self { back, generation, zstd })
    }

    pub(super) fn starts_with(&self, zstd: &[u8]) -> bool {
        self.zstd.starts_with(zstd)
    }

    /// The bytes into `out`, given those of its base (none: empty).
    pub(super) fn decode(&self, base: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let size = get_frame_content_size(self.zstd).ok().flatten()?;
        let size = usize::try_from(size).ok().filter(|size| *size <= LARGEST)?;
        out.clear();
        out.reserve_exact(size);
        DECODER.with_borrow_mut(|decoder| {
            let decoder = match decoder {
                Some(decoder) => decoder,
                None => decoder.insert(DCtx::try_create()?),
            };
            decoder.decompress_using_dict(out, self.zstd, base).ok()
        })?;
        (out.len() == size).then_some(())
    }
}

/// Whether a content of this kind is packed, and may be the base of others.
pub(super) fn packable(content: &[u8]) -> bool {
    (SMALLEST..=LARGEST).contains(&content.len()) && !content.starts_with(DICTIONARY)
}

/// The row of a content that stands on `base` (none: empty), `back` places before it; `None` when it cannot be made
/// or does not give the content back.
pub(super) fn encode(content: &[u8], base: &[u8], back: u32, generation: u32) -> Option<Vec<u8>> {
    let mut zstd = Vec::with_capacity(compress_bound(content.len()));
    CCtx::try_create()?.compress_using_dict(&mut zstd, content, base, LEVEL).ok()?;
    let mut row = Vec::with_capacity(zstd.len() + 4);
    for mut number in [back, generation] {
        while number >= 0x80 {
            row.push(number as u8 | 0x80);
            number >>= 7;
        }
        row.push(number as u8);
    }
    row.extend_from_slice(&zstd);
    // What is stored so is stored nowhere else.
    let mut again = Vec::new();
    Frame::parse(&row)?.decode(base, &mut again)?;
    (again == content).then_some(row)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u32;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        number |= u32::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(seed: u64, size: usize) -> Vec<u8> {
        let mut dice = crate::store::disk::Dice(seed);
        (0..size).map(|_| b"etaoin shrdlu"[dice.below(13)]).collect()
    }

    #[test]
    fn what_it_shares_with_its_base_is_not_in_it() {
        let base = text(1, 8_000);
        let mut content = base.clone();
        content.splice(4_000..4_010, *b"something else");
        let row = encode(&content, &base, 3, 300).unwrap();
        assert!(row.len() < 60, "{}", row.len());
        let frame = Frame::parse(&row).unwrap();
        assert_eq!((frame.back, frame.generation), (3, 300));
        let mut out = Vec::new();
        frame.decode(&base, &mut out).unwrap();
        assert_eq!(out, content);
        assert_eq!(frame.decode(b"", &mut out), None, "it needs its base");
    }

    #[test]
    fn no_frame_gives_more_than_the_largest_content() {
        for (size, decodes) in [(LARGEST, true), (LARGEST + 1, false)] {
            let row = encode(&vec![7; size], b"", 0, 0);
            assert_eq!(row.is_some(), decodes, "{size}");
        }
        let bomb = [&[0_u8, 0][..], &zeroes(1 << 30)].concat();
        assert!(bomb.len() < 100_000);
        let mut out = Vec::new();
        assert_eq!(Frame::parse(&bomb).unwrap().decode(b"", &mut out), None);
        assert_eq!(out.capacity(), 0);
    }

    /// A frame of so many zeroes, by hand: one block of 128 KiB that repeats a byte, again and again.
    fn zeroes(size: u32) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
        frame.extend(size.to_le_bytes());
        let blocks = size >> 17;
        for n in 1..=blocks {
            let header = u32::from(n == blocks) | 1 << 1 | (1 << 17) << 3;
            frame.extend(&header.to_le_bytes()[..3]);
            frame.push(0);
        }
        frame
    }

    proptest! {
        #[test]
        fn rows_come_back(back: u32, generation: u32, content in prop::collection::vec(0..4_u8, 0..2_000), base in prop::collection::vec(0..4_u8, 0..2_000)) {
            let row = encode(&content, &base, back, generation).unwrap();
            let frame = Frame::parse(&row).unwrap();
            prop_assert_eq!((frame.back, frame.generation), (back, generation));
            let mut out = Vec::new();
            frame.decode(&base, &mut out).unwrap();
            prop_assert_eq!(out, content);
        }

        #[test]
        fn any_bytes_may_be_parsed_and_decoded(row: Vec<u8>, base: Vec<u8>, flip: u16) {
            let mut out = Vec::new();
            if let Some(frame) = Frame::parse(&row) {
                frame.decode(&base, &mut out);
            }
            let mut row = encode(&row, &base, 1, 1).unwrap();
            let at = usize::from(flip) % row.len();
            row[at] ^= 1 << (flip >> 13);
            if let Some(frame) = Frame::parse(&row) {
                frame.decode(&base, &mut out);
            }
        }
    }
}
