//! Names made of hashes: entry ids, content addresses, content descriptors.

use crate::failure::{Failure, shown};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A 32-byte hash: SHA-256 in the tree, BLAKE3-256 in addresses.
pub type Hash = [u8; 32];

/// A statement's id: its RFC 6962 leaf hash, `SHA-256(0x00 || statement)`. Written `entry:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub Hash);

/// A content address: BLAKE3-256 of the bytes. Written `blake3:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub Hash);

impl Address {
    /// The address of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

macro_rules! written_as {
    ($type:ident, $prefix:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, ":{}"), hex::encode(self.0))
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl std::str::FromStr for $type {
            type Err = Failure;
            /// Reads the written form, with or without its prefix; all 64 lower-case hex digits.
            fn from_str(text: &str) -> Result<Self, Failure> {
                let digits = text.strip_prefix(concat!($prefix, ":")).unwrap_or(text);
                parse_hash(digits).map(Self).ok_or_else(|| {
                    Failure::malformed(format!(
                        concat!("'{}' is not ", $prefix, ":<64 hex digits>"),
                        shown(text)
                    ))
                })
            }
        }
    };
}
written_as!(EntryId, "entry");
written_as!(Address, "blake3");

/// Reads exactly 64 lower-case hex digits.
pub(crate) fn parse_hash(digits: &str) -> Option<Hash> {
    let lower = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut hash = [0; 32];
    (lower && hex::decode_to_slice(digits, &mut hash).is_ok()).then_some(hash)
}

/// What a statement says of content it names: enough to find it, to check it, and to check it with
/// tools that do not know BLAKE3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// BLAKE3-256: the address.
    pub blake3: Address,
    /// SHA-256 of the same bytes.
    pub sha256: Hash,
    /// Length in bytes.
    pub size: u64,
    /// Media type, 1 to 127 visible ASCII characters.
    pub media_type: String,
}

impl Descriptor {
    /// Describes `bytes`.
    pub fn of(bytes: &[u8], media_type: impl Into<String>) -> Self {
        Self {
            blake3: Address::of(bytes),
            sha256: Sha256::digest(bytes).into(),
            size: bytes.len() as u64,
            media_type: media_type.into(),
        }
    }

    /// Whether `bytes` are the described content: length and both digests.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.size == bytes.len() as u64
            && self.blake3 == Address::of(bytes)
            && self.sha256 == <Hash>::from(Sha256::digest(bytes))
    }
}
