//! The governed workflow on top of the ledger: recording sessions, handing them on as files, attaching
//! them to runs, importing old ones, and the duties that one person may not combine.

mod artifact;
mod attach;
mod duties;
mod files;
mod import;
mod json;
mod record;
mod settings;

pub use artifact::{SessionFile, check_session_file, find_session, session_json, strict_v1};
pub use attach::{AttachRequest, Cite, PlannedRun, check_run, plan_run, run_name};
pub use duties::{DutyConflict, conflicts, run_conflicts};
pub use files::{describe, kept_files, media_type, write_atomically};
pub use import::{OldLog, parse_old_log, plan_import, read_old_log};
pub use record::{Planned, SessionRequest, plan_session};
pub use settings::{Separation, Settings};

/// The evidence tar that stands beside a `prompt_session.json`.
pub const SESSION_FILE: &str = "prompt_session.json";
/// See [`SESSION_FILE`].
pub const SESSION_EVIDENCE: &str = "prompt_session.evidence.tar";
/// The evidence of a run.
pub const RUN_EVIDENCE: &str = "run.evidence.tar";
