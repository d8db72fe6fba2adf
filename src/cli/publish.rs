use super::context::Context;
use super::ui::{BOLD, DIM, safe};
use clap::{Args, ValueEnum};
use promptos::error::Result;
use promptos::ledger::Blobs;
use serde_json::json;
use std::path::PathBuf;

/// Write the ledger to a folder of plain files, for others to read with --ledger
///
/// The files are C2SP tlog-tiles and, below blob/, contents. Any web server can serve the folder, and every command
/// that reads takes the folder or its URL as --ledger. Publish again after recording: only what is new is written, and
/// the checkpoint last. All statements become public: who, when, which prompt refs. Contents are as --blobs says, and
/// what was erased is removed.
#[derive(Args)]
pub(crate) struct Publish {
    /// The folder; it is made when it is not there
    directory: PathBuf,
    /// Which contents: prompts (and snapshots of the catalog), all (also details, lists, records and evidence) or none.
    /// Others that were published before are removed
    #[arg(long, value_name = "WHICH", default_value = "prompts", hide_possible_values = true)]
    blobs: Which,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Prompts,
    All,
    None,
}

impl Publish {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let blobs = match self.blobs {
            Which::Prompts => Blobs::Prompts,
            Which::All => Blobs::All,
            Which::None => Blobs::None,
        };
        let done = context.publish(&ledger, &self.directory, blobs)?;
        if context.ui.json {
            return context.ui.report(
                "publish",
                json!({
                    "directory": self.directory, "ledger": hex::encode(ledger.id().0), "name": ledger.name(),
                    "size": done.head.size, "root": hex::encode(done.head.root), "contents": done.contents,
                    "written": done.written, "unchanged": done.unchanged, "removed": done.removed,
                }),
            );
        }
        let line = |label: &str, text: String| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
        line("published", safe(&self.directory.display().to_string()))?;
        line("head", format!("{} {DIM}{}{DIM:#}", done.head.size, hex::encode(done.head.root)))?;
        line("contents", done.contents.to_string())?;
        let removed = if done.removed > 0 { format!(", {} removed", done.removed) } else { String::new() };
        line("files", format!("{} written, {} unchanged{removed}", done.written, done.unchanged))
    }
}
