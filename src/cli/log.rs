use super::context::Context;
use super::show::entry_json;
use super::ui::{BOLD, DIM, one_line, short};
use clap::Args;
use promptos::error::Result;
use promptos::ledger::rfc3339 as time;
use serde_json::json;

/// List the entries, newest first
#[derive(Args)]
pub(crate) struct Log {
    /// At most so many
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,
    /// Only entries of this kind: session, run, prompt, key, import, …
    #[arg(long)]
    kind: Option<String>,
    /// Oldest first
    #[arg(long)]
    reverse: bool,
}

impl Log {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let size = ledger.head()?.size;
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut listed = Vec::new();
        for step in 0..size {
            if left == 0 {
                break;
            }
            let index = if self.reverse { step } else { size - 1 - step };
            let Some(entry) = ledger.entry(index)? else { break };
            let statement = &entry.statement;
            if self.kind.as_ref().is_some_and(|kind| *kind != statement.kind) {
                continue;
            }
            left -= 1;
            if context.ui.json {
                listed.push(entry_json(&entry));
                continue;
            }
            let unknown = if statement.not_understood.is_empty() { "" } else { "  (not fully understood)" };
            context.ui.line(&format!(
                "{BOLD}{index:>5}{BOLD:#}  {}  {DIM}{}{DIM:#}  {}  {}{unknown}",
                time(statement.time),
                short(&statement.id.to_string()),
                one_line(&statement.subject(), 80),
                one_line(&statement.issuer, 60),
            ))?;
        }
        if context.ui.json {
            let (ledger, name) = (hex::encode(ledger.id().0), ledger.name());
            return context
                .ui
                .report("log", json!({"ledger": ledger, "name": name, "size": size, "entries": listed}));
        }
        Ok(())
    }
}
