//! Items of the subset, read over the bytes that they stand in, and written.

use super::MAX_DEPTH;

/// One item. Texts and byte strings are where they were read, or wherever the writer has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Uint(u64),
    /// `-1 - n`.
    Negative(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Bool(bool),
    Array(Vec<Self>),
    /// Integers and texts as keys.
    Map(Pairs<'a>),
    /// Stands for a detached payload, and nowhere else.
    Null,
}

pub(crate) type Pairs<'a> = Vec<(Item<'a>, Item<'a>)>;

/// Major types of RFC 8949, section 3.1.
const POSITIVE: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// False, true and null, and tag 18, which is a COSE_Sign1, as their only byte.
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const SIGN1: u8 = 0xd2;

impl<'a> Item<'a> {
    /// Reads the one item that fills `bytes`; `None` for what is not its only encoding.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { rest: bytes };
        let item = reader.item(MAX_DEPTH)?;
        reader.rest.is_empty().then_some(item)
    }

    /// Reads tag 18 around an array whose parts may be null.
    pub(crate) fn read_sign1(bytes: &'a [u8]) -> Option<Vec<Self>> {
        let mut reader = Reader { rest: bytes.strip_prefix(&[SIGN1])? };
        let (ARRAY, count) = reader.head()? else { return None };
        let mut parts = Vec::with_capacity(4);
        for _ in 0..count {
            parts.push(match reader.rest.strip_prefix(&[NULL]) {
                Some(rest) => {
                    reader.rest = rest;
                    Self::Null
                }
                // The tag and the array are two levels.
                None => reader.item(MAX_DEPTH - 2)?,
            });
        }
        reader.rest.is_empty().then_some(parts)
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        if let Self::Uint(n) = self { Some(*n) } else { None }
    }

    pub(crate) fn as_fixed<const N: usize>(&self) -> Option<[u8; N]> {
        if let Self::Bytes(bytes) = self { <[u8; N]>::try_from(*bytes).ok() } else { None }
    }

    pub(crate) fn into_array(self) -> Option<Vec<Self>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(crate) fn into_map(self) -> Option<Pairs<'a>> {
        if let Self::Map(pairs) = self { Some(pairs) } else { None }
    }

    /// Writes deterministically: the keys of maps in the order of their encodings.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(n) => head(POSITIVE, *n, out),
            Self::Negative(n) => head(NEGATIVE, *n, out),
            Self::Bytes(bytes) => {
                head(BYTES, bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(TEXT, text.len() as u64, out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Bool(yes) => out.push(if *yes { TRUE } else { FALSE }),
            Self::Null => out.push(NULL),
            Self::Array(items) => {
                head(ARRAY, items.len() as u64, out);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(pairs) => {
                head(MAP, pairs.len() as u64, out);
                let mut sorted: Vec<_> = pairs.iter().collect();
                sorted.sort_by_key(|(key, _)| key.rank());
                for (key, item) in sorted {
                    key.write(out);
                    item.write(out);
                }
            }
        }
    }

    /// Orders keys as their encodings are ordered: a head begins with the major type and orders by its number.
    fn rank(&self) -> (u8, u64, &[u8]) {
        match self {
            Self::Uint(n) => (POSITIVE, *n, &[]),
            Self::Negative(n) => (NEGATIVE, *n, &[]),
            Self::Text(text) => (TEXT, text.len() as u64, text.as_bytes()),
            _ => (u8::MAX, 0, &[]),
        }
    }
}

/// Tag 18 around an array of these parts.
pub(crate) fn write_sign1(parts: Vec<Item<'_>>) -> Vec<u8> {
    let mut out = vec![SIGN1];
    Item::Array(parts).write(&mut out);
    out
}

/// Writes a head: a major type and its number, in the shortest form.
fn head(major: u8, n: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    let wide = n.to_be_bytes();
    let [.., a, b, c, d] = wide;
    match n {
        0..=23 => out.push(major | d),
        24..=0xff => out.extend([major | 24, d]),
        0x100..=0xffff => out.extend([major | 25, c, d]),
        0x1_0000..=0xffff_ffff => out.extend([major | 26, a, b, c, d]),
        _ => {
            out.push(major | 27);
            out.extend(wide);
        }
    }
}

/// Reads nothing but the shortest form, so that what is read has no other encoding.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn item(&mut self, depth: usize) -> Option<Item<'a>> {
        if let [simple @ (FALSE | TRUE), rest @ ..] = self.rest {
            self.rest = rest;
            return Some(Item::Bool(*simple == TRUE));
        }
        let (major, n) = self.head()?;
        Some(match major {
            POSITIVE => Item::Uint(n),
            NEGATIVE => Item::Negative(n),
            BYTES => Item::Bytes(self.take(n)?),
            TEXT => Item::Text(std::str::from_utf8(self.take(n)?).ok()?),
            ARRAY => self.array(n, depth.checked_sub(1)?)?,
            MAP => self.map(n, depth.checked_sub(1)?)?,
            _ => return None,
        })
    }

    fn array(&mut self, count: u64, depth: usize) -> Option<Item<'a>> {
        let mut items = room(count);
        for _ in 0..count {
            items.push(self.item(depth)?);
        }
        Some(Item::Array(items))
    }

    fn map(&mut self, count: u64, depth: usize) -> Option<Item<'a>> {
        let (mut pairs, mut last): (Pairs<'a>, &[u8]) = (room(count), &[]);
        for _ in 0..count {
            let from = self.rest;
            let key = self.item(0)?;
            if !matches!(key, Item::Uint(_) | Item::Negative(_) | Item::Text(_)) {
                return None;
            }
            let encoded = from.get(..from.len() - self.rest.len())?;
            if encoded <= last {
                return None;
            }
            last = encoded;
            pairs.push((key, self.item(depth)?));
        }
        Some(Item::Map(pairs))
    }

    fn head(&mut self) -> Option<(u8, u64)> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let short = first & 0x1f;
        let (n, least) = match short {
            0..=23 => (u64::from(short), 0),
            24 => (u64::from(u8::from_be_bytes(self.fixed()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.fixed()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(self.fixed()?)), 0x1_0000),
            27 => (u64::from_be_bytes(self.fixed()?), 0x1_0000_0000),
            _ => return None,
        };
        (n >= least).then_some((first >> 5, n))
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (fixed, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*fixed)
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }
}

/// Room for as many, if they are few: a head can claim more than there is memory.
fn room<T>(count: u64) -> Vec<T> {
    Vec::with_capacity(count.min(16) as usize)
}

impl From<u64> for Item<'_> {
    fn from(n: u64) -> Self {
        Self::Uint(n)
    }
}

impl From<i64> for Item<'_> {
    fn from(n: i64) -> Self {
        u64::try_from(n).map_or_else(|_| Self::Negative(n.unsigned_abs() - 1), Self::Uint)
    }
}

impl From<i32> for Item<'_> {
    fn from(n: i32) -> Self {
        i64::from(n).into()
    }
}

impl<'a> From<&'a str> for Item<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}
