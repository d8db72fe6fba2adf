//! The promptos ledger format as pure functions over bytes: no I/O, no clock, no storage.
//!
//! Everything that happens is a signed [`Statement`] in one append-only log. [`rules::judge`] says
//! whether a statement may stand where it stands, [`Auditor`] does so for a whole log, and
//! [`evidence`] packs what a stranger needs to check one statement offline. `SPEC.md` beside this
//! crate is the normative text.

mod audit;
mod body;
mod cbor;
mod content;
mod digest;
pub mod evidence;
mod failure;
mod key;
mod note;
pub mod rules;
mod sign;
mod statement;
mod tar;
pub mod tree;

pub use audit::{Auditor, History, Located, origin};
pub use body::*;
pub use content::*;
pub use digest::{Address, Descriptor, EntryId, Hash};
pub use failure::{Class, Failure};
pub use key::{Kid, PublicKey};
pub use note::{Checkpoint, InclusionProof, VerifierKey};
pub use sign::{SignError, Signer};
pub use statement::{CONTENT_TYPE, Draft, DraftError, MAX_STATEMENT, Statement};
pub use tree::Head;
