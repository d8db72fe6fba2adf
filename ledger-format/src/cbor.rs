//! Deterministic CBOR (RFC 8949, section 4.2.1), narrowed to what the format uses: integers, byte and
//! text strings, arrays, maps, booleans. No floats, no null, no indefinite lengths, no duplicate keys.
//!
//! [`Item`] reads nothing but the one encoding that an item has. What it refuses, `ciborium` reads once more, to say
//! what is wrong with it. The bytes stay what they are: they are hashed and signed as received.

mod fields;
mod item;
mod refusal;

use crate::digest::Descriptor;
use crate::failure::Failure;

pub(crate) use fields::Fields;
pub(crate) use item::{Item, Pairs, write_sign1};

/// Arrays and maps may stand in each other this deep (a body needs four levels).
const MAX_DEPTH: usize = 16;

/// Encodes deterministically: the keys of every map are sorted by their encoded bytes.
pub(crate) fn encode(item: &Item<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    item.write(&mut out);
    out
}

/// Decodes one item that fills `bytes`, is deterministic and has no tags.
pub(crate) fn decode<'a>(bytes: &'a [u8], what: &str) -> Result<Item<'a>, Failure> {
    Item::read(bytes).ok_or_else(|| refusal::refusal(bytes, what))
}

/// Decodes the parts of a tagged COSE_Sign1. As [`decode`], but for the tag 18 around them, and for the parts
/// themselves, which may be null: a detached payload is.
pub(crate) fn decode_sign1<'a>(bytes: &'a [u8], what: &str) -> Result<Vec<Item<'a>>, Failure> {
    Item::read_sign1(bytes).ok_or_else(|| refusal::refusal_of_sign1(bytes, what))
}

/// A map with text keys, from pairs; absent options are left out.
pub(crate) fn map<'a, const N: usize>(pairs: [(&'a str, Option<Item<'a>>); N]) -> Item<'a> {
    let mut present = Vec::with_capacity(N);
    present.extend(pairs.into_iter().filter_map(|(key, value)| Some((Item::Text(key), value?))));
    Item::Map(present)
}

pub(crate) fn descriptor(d: &Descriptor) -> Item<'_> {
    map([
        ("blake3", Some(Item::Bytes(&d.blake3.0))),
        ("sha256", Some(Item::Bytes(&d.sha256))),
        ("size", Some(d.size.into())),
        ("type", Some(Item::Text(&d.media_type))),
    ])
}

#[cfg(test)]
mod tests;
