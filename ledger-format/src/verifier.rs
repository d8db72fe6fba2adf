//! Many signatures, each judged alone and exactly as `verify_strict` does.

use crate::key::PublicKey;

/// A signature that is still to be checked: see [`crate::Auditor::push_deferring`].
#[derive(Debug, Clone)]
pub struct Check {
    /// The key that is said to have signed.
    pub key: PublicKey,
    /// The exact bytes that were signed.
    pub message: Vec<u8>,
    /// The signature (RFC 8032): R and s, 32 bytes each.
    pub signature: [u8; 64],
}

/// Checks signatures; one verifier serves all threads.
#[derive(Debug, Default)]
pub struct Verifier {}

impl Verifier {
    /// The default of [`Self::new`]: 12 MiB.
    pub const TABLE_BYTES: usize = 12 << 20;

    /// A verifier that keeps at most `table_bytes` bytes of tables for the keys that it meets often.
    #[must_use]
    pub fn new(_table_bytes: usize) -> Self {
        Self {}
    }

    /// The index of the first signature that does not hold. Each is judged alone: the answer is the same as
    /// that of [`PublicKey::verify`] one by one.
    #[must_use]
    pub fn first_bad(&self, checks: &[Check]) -> Option<usize> {
        checks.iter().position(|check| check.key.verify(&check.message, &check.signature).is_err())
    }
}
