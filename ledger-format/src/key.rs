//! Ed25519 public keys as the format accepts them, and their names.

use crate::digest::Hash;
use crate::failure::{Class, Failure, shown};
use base64::Engine as _;
use curve25519_dalek::EdwardsPoint;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A public key that a signature can be judged by: canonically encoded and not of small order.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    kid: Kid,
}

impl PublicKey {
    /// Accepts a raw 32-byte Ed25519 public key (RFC 8032).
    ///
    /// # Errors
    /// [`Class::WeakKey`] for what is no curve point, a non-canonical encoding or a point of small order.
    pub fn new(raw: &[u8; 32]) -> Result<Self, Failure> {
        let weak = |why| Failure::new(Class::WeakKey, format!("public key {} {why}", hex::encode(raw)));
        let key = VerifyingKey::from_bytes(raw).map_err(|_| weak("is not a point of the curve"))?;
        // `from_bytes` keeps the bytes as given; only compressing the point again shows their canonical form.
        if key.to_edwards().compress().as_bytes() != raw {
            return Err(weak("is not canonically encoded"));
        }
        if key.is_weak() {
            return Err(weak("is weak: a point of small order, for which anyone can sign"));
        }
        Ok(Self { key, kid: Kid::of(raw) })
    }

    /// The raw 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key id: see [`Kid::of`].
    #[must_use]
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// Judges a signature by the one rule of the format: that of ed25519-dalek's `verify_strict`
    /// (cofactorless equation, canonical S, no small-order R or A).
    ///
    /// # Errors
    /// [`Class::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), Failure> {
        self.key
            .verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| Failure::new(Class::BadSignature, format!("no valid signature of key {}", self.kid)))
    }

    /// The key as a point of the curve, which may have a torsion part.
    pub(crate) fn point(&self) -> EdwardsPoint {
        self.key.to_edwards()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid)
    }
}

/// A key id: SHA-256 over the key's SSH wire encoding (RFC 8709: `string "ssh-ed25519"`, `string key`).
/// Written `SHA256:` and unpadded base64, as `ssh-keygen -l` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid(pub Hash);

impl Kid {
    /// The key id of a raw public key.
    #[must_use]
    pub fn of(public_key: &[u8; 32]) -> Self {
        let hash = Sha256::new()
            .chain_update(11u32.to_be_bytes())
            .chain_update(b"ssh-ed25519")
            .chain_update(32u32.to_be_bytes())
            .chain_update(public_key);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        write!(f, "SHA256:{}", engine.encode(self.0))
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Kid {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        let digest = text.strip_prefix("SHA256:").and_then(|b64| engine.decode(b64).ok());
        let hash = digest.and_then(|bytes| bytes.try_into().ok());
        hash.map(Self)
            .ok_or_else(|| Failure::malformed(format!("'{}' is not a SHA256:… fingerprint", shown(text))))
    }
}
