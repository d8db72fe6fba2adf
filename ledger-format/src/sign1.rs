//! COSE_Sign1 (RFC 9052, section 4.2), which statements, transparent statements and receipts are.

use crate::cbor::{self, Item, Pairs};
use crate::failure::Failure;

/// COSE algorithm EdDSA (RFC 9053), which is written, and Ed25519 (RFC 9864), which is accepted too.
pub(crate) const EDDSA: i64 = -8;
const ED25519: i64 = -19;
/// The private header label of a tree head `[size, root]`.
pub(crate) const HEAD: i64 = -65_537;

/// The four parts of a tagged COSE_Sign1, where they stand in its bytes.
pub(crate) struct Sign1<'a> {
    /// The encoded map that is signed.
    pub(crate) protected: &'a [u8],
    /// The pairs that nobody signed.
    pub(crate) unprotected: Pairs<'a>,
    /// What is signed; `None` when it is detached.
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) signature: [u8; 64],
}

impl<'a> Sign1<'a> {
    /// Takes apart what is deterministically encoded; the protected header and the payload are not looked into.
    ///
    /// # Errors
    /// [`crate::Class::Malformed`], [`crate::Class::NonCanonical`].
    pub(crate) fn decode(bytes: &'a [u8], what: &str) -> Result<Self, Failure> {
        let form = || Failure::malformed(format!("{what} is not a COSE_Sign1"));
        let parts: [Item<'_>; 4] = cbor::decode_sign1(bytes, what)?.try_into().map_err(|_| form())?;
        let [Item::Bytes(protected), Item::Map(unprotected), payload, signature] = parts else {
            return Err(form());
        };
        let payload = match payload {
            Item::Null => None,
            Item::Bytes(payload) => Some(payload),
            _ => return Err(form()),
        };
        let signature = signature.as_fixed().ok_or_else(|| {
            Failure::malformed(format!("the signature of {what} is not a string of 64 bytes"))
        })?;
        Ok(Self { protected, unprotected, payload, signature })
    }

    /// The parts put together, deterministically.
    pub(crate) fn encode(self) -> Vec<u8> {
        cbor::write_sign1(vec![
            Item::Bytes(self.protected),
            Item::Map(self.unprotected),
            self.payload.map_or(Item::Null, Item::Bytes),
            Item::Bytes(&self.signature),
        ])
    }
}

/// RFC 9052, 4.4: `Sig_structure` with an empty `external_aad`.
pub(crate) fn signing_input(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let parts = [Item::Text("Signature1"), Item::Bytes(protected), Item::Bytes(&[]), Item::Bytes(payload)];
    let mut out = Vec::with_capacity(protected.len() + payload.len() + 24);
    Item::Array(parts.into()).write(&mut out);
    out
}

/// Whether a header names one of the two algorithms, which mean the same here.
pub(crate) fn is_ed25519(alg: &Item<'_>) -> bool {
    *alg == EDDSA.into() || *alg == ED25519.into()
}

/// The values of exactly these integer labels, which are given in their deterministic order.
pub(crate) fn labelled<'a, const N: usize>(pairs: Pairs<'a>, labels: [i64; N]) -> Option<[Item<'a>; N]> {
    if pairs.len() != N || pairs.iter().zip(labels).any(|((key, _), label)| *key != label.into()) {
        return None;
    }
    pairs.into_iter().map(|(_, item)| item).collect::<Vec<_>>().try_into().ok()
}
