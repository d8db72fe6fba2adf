//! The promptos ledger format as pure functions over bytes: no I/O, no clock, no storage.
//!
//! Everything that happens is a signed [`Statement`] in one append-only log. [`rules::judge`] says
//! whether a statement may stand where it stands, [`Auditor`] does so for a whole log, and
//! [`evidence`] packs what a stranger needs to check one statement offline. `SPEC.md` beside this
//! crate is the normative text, `ledger.cddl` has the shapes, and `vectors/` what must be accepted and
//! what refused, with the [`Class`] of each refusal.
//!
//! # Example
//!
//! Ada founds a ledger and records a session that the prompt `P00.v1` governed; the store signs the head;
//! a stranger checks the session with nothing but the evidence.
//!
//! ```
//! use ed25519_dalek::SigningKey;
//! use ledger_format::evidence::{self, Evidence, Item};
//! use ledger_format::tree::{self, Leaves};
//! use ledger_format::*;
//!
//! # struct Log(Vec<Statement>);
//! # impl History for Log {
//! #     type Error = Failure;
//! #     fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>, Failure> {
//! #         tree::consistency_proof(&self.leaves(), old.size, new.size)
//! #     }
//! #     fn locate(&self, _: &EntryId, _: &Head) -> Result<Option<Located>, Failure> {
//! #         Ok(None)
//! #     }
//! # }
//! # impl Log {
//! #     fn leaves(&self) -> Leaves {
//! #         Leaves(self.0.iter().map(|statement| statement.id.0).collect())
//! #     }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any `Signer` will do: a key file, an agent.
//! let (ada, log_key) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
//! let public = |key: &SigningKey| PublicKey::new(&key.verifying_key().to_bytes());
//!
//! // Sign: the genesis carries the head of the empty tree, every other statement the newest head.
//! let genesis = Body::Ledger(Ledger {
//!     name: "example".into(),
//!     admins: vec![Enrolment { identity: "ada".into(), key: public(&ada)? }],
//!     checkpoint_key: public(&log_key)?,
//!     nonce: [7; 16], // random, in earnest
//!     previous: None,
//! });
//! let draft = Draft { name: "example", issuer: "ada", time: 1_700_000_000, head: Head::empty(), body: &genesis };
//! let genesis = draft.sign(&ada)?;
//!
//! let prompt = b"# P00: plan first";
//! let details = Details { salt: [9; 16], fields: [("developer".into(), "Ada".into())].into() }.to_bytes();
//! let content = Descriptor::of(prompt, "text/markdown");
//! let used = Used { reference: "P00.v1".into(), gate: None, content };
//! let described = Descriptor::of(&details, DETAILS_TYPE);
//! let session = Body::Session(Session::new(vec![used], described, "0.1.0", "UNRELEASED"));
//! let head = Head { size: 1, root: genesis.id.0 }; // the root of one leaf is its hash
//! let draft = Draft { name: "s-1", issuer: "ada", time: 1_700_000_060, head, body: &session };
//! let session = draft.sign(&ada)?;
//!
//! // Append: the auditor judges each statement at its index. `log` answers what it asks of the store.
//! let log = Log(vec![genesis, session]);
//! let mut auditor = Auditor::default();
//! for statement in &log.0 {
//!     auditor.push(statement.bytes(), &log)??;
//! }
//! let origin = auditor.origin().ok_or("no genesis")?;
//!
//! // Prove: a signed checkpoint, a path for each statement, and the exact content.
//! let checkpoint = Checkpoint { origin, head: auditor.head() }.sign(&log_key)?;
//! let item = |index: u64, statement: &Statement| -> Result<Item, Failure> {
//!     let path = tree::inclusion_proof(&log.leaves(), index, 2)?;
//!     let proof = InclusionProof { index, path, checkpoint: checkpoint.clone() };
//!     Ok(Item { statement: statement.clone(), proof })
//! };
//! let (genesis, session) = (item(0, &log.0[0])?, item(1, &log.0[1])?);
//! let tar = evidence::pack(&session, &[genesis], &[prompt, &details]);
//!
//! // Verify: everything in the file agrees, or this is an error that names its class.
//! let evidence = Evidence::open(&tar)?;
//! assert_eq!(Some(evidence.ledger), auditor.ledger());
//! assert_eq!(evidence.subject.statement.issuer, "ada");
//! assert_eq!(evidence.blobs[&Address::of(prompt)], prompt);
//!
//! let mut changed = tar.clone();
//! let at = changed.windows(4).position(|bytes| bytes == b"plan").ok_or("no prompt")?;
//! changed[at] = b'P';
//! assert_eq!(Evidence::open(&changed).map(|_| ()).unwrap_err().class, Class::WrongHash);
//! # Ok(())
//! # }
//! ```

mod audit;
mod body;
mod cbor;
mod commitment;
mod content;
mod cosignature;
mod digest;
pub mod evidence;
mod failure;
mod fork;
mod key;
mod multiples;
mod note;
mod policy;
mod receipt;
pub mod rules;
mod sign;
mod sign1;
mod statement;
mod tar;
pub mod tree;
mod verifier;
mod word;

pub use audit::{Auditor, History, Located, origin};
pub use body::*;
pub use commitment::Committed;
pub use content::*;
pub use cosignature::{Submission, WitnessKey};
pub use digest::{Address, Descriptor, EntryId, Hash};
pub use failure::{Class, Failure};
pub use fork::{Fork, ForkProof};
pub use key::{Kid, PublicKey};
pub use note::{Checkpoint, InclusionProof, VerifierKey};
pub use policy::{Policy, Witnessed};
pub use receipt::{MAX_RECEIPT, MAX_TRANSPARENT, Receipt, Transparent};
pub use sign::{SignError, Signer};
pub use statement::{CONTENT_TYPE, Draft, DraftError, MAX_STATEMENT, Statement};
pub use tree::Head;
pub use verifier::{Check, Verifier};
pub use word::{identity, is_hidden, reference, split_reference};
