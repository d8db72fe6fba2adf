//! Who signs: the [`Signer`] trait.

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

    /// Whether the key is in this process, and what it signs need not be checked to be its signature. Whoever asks
    /// somebody else to sign leaves it at `false`: an agent or a card may err, or lie.
    fn in_process(&self) -> bool {
        false
    }
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

    fn in_process(&self) -> bool {
        true
    }
}
