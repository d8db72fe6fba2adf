//! Commitments: what a statement says of values that it does not show.

use crate::digest::Hash;
use crate::failure::{Class, Failure};
use sha2::{Digest as _, Sha256};

/// What is committed to. Commitments to different things are never equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// A render's variables: JSON text.
    Variables,
    /// What the user gave to a render: UTF-8 text.
    Input,
}

impl Committed {
    /// `SHA-256(label || 0x00 || salt || bytes)` (SPEC \[RENDER-1\]): binds whoever made it to `bytes`, and tells
    /// nothing of them while the salt is secret.
    #[must_use]
    pub fn commit(self, salt: &[u8; 32], bytes: &[u8]) -> Hash {
        let label: &[u8] = match self {
            Self::Variables => b"promptos render variables v1",
            Self::Input => b"promptos render input v1",
        };
        let parts = [label, &[0], salt, bytes];
        parts.into_iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
    }

    /// Checks that these are the bytes and the salt of a commitment.
    ///
    /// # Errors
    /// [`Class::WrongHash`].
    pub fn open(self, commitment: &Hash, salt: &[u8; 32], bytes: &[u8]) -> Result<(), Failure> {
        if self.commit(salt, bytes) == *commitment {
            return Ok(());
        }
        let what = match self {
            Self::Variables => "variables",
            Self::Input => "input",
        };
        Err(Failure::new(
            Class::WrongHash,
            format!("the {what}, with their salt, are not what was committed to"),
        ))
    }
}
