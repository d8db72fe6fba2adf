//! A content-addressed, append-only, signed ledger for prompts and AI-session records.
pub mod catalog;
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
pub mod workflow;
mod yaml;
