//! A content-addressed, append-only, signed ledger for prompts and AI-session records.
//!
//! A program that uses prompts embeds three things, each of which is made once and shared between threads: a
//! [`Catalog`] finds prompts, a [`Validator`] says what is wrong with them and with what models answer, a [`Renderer`]
//! makes of a prompt and values what a model is given. `examples/service.rs` puts them together with the ledger.
pub mod catalog;
pub mod envelope;
pub mod error;
pub mod files;
pub mod git;
mod json;
pub mod keys;
pub mod ledger;
pub mod output;
pub mod render;
pub mod session;
pub mod store;
pub mod validator;
pub mod workflow;
mod yaml;

pub use catalog::Catalog;
pub use render::Renderer;
pub use validator::Validator;
