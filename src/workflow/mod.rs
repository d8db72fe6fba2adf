//! Workflows, checked before they run: do the prompts that they name exist, fit and stay what they are, and does
//! every outcome of every step lead somewhere?
//!
//! A workflow is a YAML document of steps with an opcode each; outcomes are routed to other steps or to `STOP`.
//! [`check`] reads one and compares it with a [`Catalog`](crate::catalog::Catalog); [`RULES`] is the table of
//! everything it can say. A [`Lock`] keeps the digests of the prompts that a workflow names.

mod check;
mod graph;
mod inputs;
mod lock;
mod model;
mod named;
mod read;
mod refs;
mod rules;
mod schema;

pub use check::{Against, MAX_STEPS, MAX_WORKFLOW_BYTES, Ref, Report, check};
pub use lock::{Lock, Locked};
pub use named::{Named, Naming, names};
pub use refs::{Inline, Policy};
pub use rules::RULES;
