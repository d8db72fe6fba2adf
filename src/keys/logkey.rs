//! The log key: signs a store's checkpoints. It belongs to the store, not to a person, and so is kept
//! unencrypted beside it; in the same OpenSSH format, so that the usual tools can look at it.

use super::file;
use crate::error::{Error, Result};
use ed25519_dalek::SigningKey;
use std::path::Path;

/// Creates a log key file (mode 0600) from 32 random bytes. `name` is the ledger's name, for the comment.
///
/// # Errors
/// The file exists, or cannot be created there.
pub fn create(path: &Path, seed: &[u8; 32], name: &str) -> Result<SigningKey> {
    file::create_private(path, seed, &format!("promptos log key {name}"), None)
}

/// Loads a log key.
///
/// # Errors
/// As [`super::load`]; and an encrypted key, since a store signs with nobody there to ask.
pub fn load(path: &Path) -> Result<SigningKey> {
    file::load(path, &mut |_| {
        Err(Error::failed(format!("the log key {} is under a passphrase", path.display()))
            .hint(format!("a log key has none; remove it: ssh-keygen -p -f {}", path.display())))
    })
    .map(|(key, _)| key)
}
