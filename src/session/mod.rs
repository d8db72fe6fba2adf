//! The governed workflow on top of the ledger: recording sessions, handing them on as files, attaching
//! them to runs, importing old ones, the duties that one person may not combine, releases of the catalog, and
//! what a change is asked before it is merged.

mod artifact;
mod attach;
mod audit;
mod checkout;
pub mod ci;
mod cosigned;
mod duties;
mod enclosed;
mod exchange;
mod files;
mod import;
mod life;
mod prompt;
mod record;
mod render;
mod settings;
mod shown;
mod snapshot;

pub use artifact::{SessionFile, check_session_file, find_session, open_evidence, session_json, strict_v1};
pub use attach::{AttachRequest, Cite, PlannedRun, check_run, plan_run, run_name};
pub use audit::{Audited, Mark, audit};
pub use checkout::{CheckedOut, Held, check_paths, checkout};
pub use cosigned::Cosigned;
pub use duties::{DutyConflict, conflicts, run_conflicts};
pub use enclosed::{Given, Source};
pub use exchange::{
    Arrival, Exported, Found, Import, PlannedImport, export_catalog, found_in, plan_catalog_import,
};
pub use files::{describe, kept_files, media_type, write_atomically};
pub use import::{OldLog, parse_old_log, plan_import, read_old_log};
pub use life::{EventRequest, PlannedEvent, check_room, plan_event};
pub use prompt::{PlannedPrompt, plan_prompt};
pub use record::{Planned, SessionRequest, plan_session};
pub use render::{Disclosure, RenderRequest, Shown, plan_render, verify_render};
pub use settings::{Separation, Settings, SnapshotPolicy};
pub use shown::{one_line, plain, safe};
pub use snapshot::{
    Changed, Difference, FileOf, Listed, PlannedSnapshot, SnapshotRequest, difference, in_force,
    list_catalog, plan_snapshot,
};

/// The evidence tar that stands beside a `prompt_session.json`.
pub const SESSION_FILE: &str = "prompt_session.json";
/// See [`SESSION_FILE`].
pub const SESSION_EVIDENCE: &str = "prompt_session.evidence.tar";
/// The evidence of a snapshot.
pub const SNAPSHOT_EVIDENCE: &str = "snapshot.evidence.tar";
/// The evidence of a run.
pub const RUN_EVIDENCE: &str = "run.evidence.tar";
