//! The promptos ledger format as pure functions over bytes: no I/O, no clock, no storage.
mod sign;
pub use sign::{SignError, Signer, fingerprint, kid};
