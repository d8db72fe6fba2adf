//! COSE_Sign1 (RFC 9052, section 4.2), which statements, transparent statements and receipts are.

use crate::cbor::{self, as_fixed};
use crate::failure::Failure;
use ciborium::Value;

/// COSE algorithm EdDSA (RFC 9053), which is written, and Ed25519 (RFC 9864), which is accepted too.
pub(crate) const EDDSA: i64 = -8;
const ED25519: i64 = -19;
/// The private header label of a tree head `[size, root]`.
pub(crate) const HEAD: i64 = -65_537;

/// The four parts of a tagged COSE_Sign1.
pub(crate) struct Sign1 {
    /// The encoded map that is signed.
    pub(crate) protected: Vec<u8>,
    /// The pairs that nobody signed.
    pub(crate) unprotected: Vec<(Value, Value)>,
    /// What is signed; `None` when it is detached.
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) signature: [u8; 64],
}

impl Sign1 {
    /// Takes apart what is deterministically encoded; the protected header and the payload are not looked into.
    ///
    /// # Errors
    /// [`crate::Class::Malformed`], [`crate::Class::NonCanonical`].
    pub(crate) fn decode(bytes: &[u8], what: &str) -> Result<Self, Failure> {
        let form = || Failure::malformed(format!("{what} is not a COSE_Sign1"));
        let parts: [Value; 4] = cbor::decode_sign1(bytes, what)?.try_into().map_err(|_| form())?;
        let [Value::Bytes(protected), Value::Map(unprotected), payload, signature] = parts else {
            return Err(form());
        };
        let payload = match payload {
            Value::Null => None,
            Value::Bytes(payload) => Some(payload),
            _ => return Err(form()),
        };
        let signature = as_fixed(&signature).ok_or_else(|| {
            Failure::malformed(format!("the signature of {what} is not a string of 64 bytes"))
        })?;
        Ok(Self { protected, unprotected, payload, signature })
    }

    /// The parts put together, deterministically.
    pub(crate) fn encode(self) -> Vec<u8> {
        let parts = vec![
            Value::Bytes(self.protected),
            Value::Map(self.unprotected),
            self.payload.map_or(Value::Null, Value::Bytes),
            cbor::bytes(&self.signature),
        ];
        cbor::encode(Value::Tag(18, Box::new(Value::Array(parts))))
    }
}

/// RFC 9052, 4.4: `Sig_structure` with an empty `external_aad`.
pub(crate) fn signing_input(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    cbor::encode(Value::Array(vec![
        Value::from("Signature1"),
        cbor::bytes(protected),
        cbor::bytes(&[]),
        cbor::bytes(payload),
    ]))
}

/// Whether a header names one of the two algorithms, which mean the same here.
pub(crate) fn is_ed25519(alg: &Value) -> bool {
    *alg == Value::from(EDDSA) || *alg == Value::from(ED25519)
}

/// The values of exactly these integer labels, which are given in their deterministic order.
pub(crate) fn labelled<const N: usize>(pairs: Vec<(Value, Value)>, labels: [i64; N]) -> Option<[Value; N]> {
    if pairs.len() != N || pairs.iter().zip(labels).any(|((key, _), label)| *key != Value::from(label)) {
        return None;
    }
    pairs.into_iter().map(|(_, value)| value).collect::<Vec<_>>().try_into().ok()
}
