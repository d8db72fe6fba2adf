//! Who signs: the [`Signer`] trait and the names that a public key has.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// A holder of one Ed25519 key (RFC 8032) that signs bytes: a key file, an ssh-agent, a test key.
pub trait Signer {
    /// The 32-byte raw Ed25519 public key.
    fn public_key(&self) -> [u8; 32];

    /// The 64-byte Ed25519 signature over exactly `message`.
    ///
    /// # Errors
    /// [`SignError`] when the holder cannot or will not sign (agent gone, user refused).
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// Why a [`Signer`] did not sign, as one sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignError(pub String);

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SignError {}

impl Signer for ed25519_dalek::SigningKey {
    fn public_key(&self) -> [u8; 32] {
        self.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(ed25519_dalek::Signer::sign(self, message).to_bytes())
    }
}

/// The key id of a raw Ed25519 public key: SHA-256 over its SSH wire encoding
/// (RFC 8709: `string "ssh-ed25519"`, `string key`), the same 32 bytes whose base64
/// `ssh-keygen -l` prints.
#[must_use]
pub fn kid(public_key: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(11u32.to_be_bytes());
    hash.update(b"ssh-ed25519");
    hash.update(32u32.to_be_bytes());
    hash.update(public_key);
    hash.finalize().into()
}

/// A key id as `ssh-keygen -l` writes it: `SHA256:` and unpadded base64.
#[must_use]
pub fn fingerprint(kid: &[u8; 32]) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    format!("SHA256:{}", engine.encode(kid))
}
