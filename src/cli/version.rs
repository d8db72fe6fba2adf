use super::context::Context;
use super::git;
use super::snapshot::files_now;
use super::ui::safe;
use clap::Args;
use promptos::error::Result;
use promptos::session::{Held, difference};
use serde_json::json;

/// The program's version as sessions record it.
pub(crate) const TOOL: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Print the versions of the program and of the catalog
#[derive(Args)]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        // Whoever asks for the version of a program may do so because something is wrong.
        let snapshot = newest_snapshot(context).unwrap_or_else(|error| {
            context.ui.warn(&safe(&format!("the snapshots cannot be read: {error}")));
            None
        });
        let catalog = match &snapshot {
            Some(snapshot) if snapshot.changes == 0 => snapshot.name.clone(),
            _ if context.settings()?.catalog.git.is_some() => {
                context.catalog_version(&context.catalog()?, None)?
            }
            _ => catalog(context)?,
        };
        if context.ui.json {
            let snapshot = snapshot.map(
                |snapshot| json!({"name": snapshot.name, "entry": snapshot.id, "changes": snapshot.changes}),
            );
            return context
                .ui
                .report("version", json!({"promptos": TOOL, "catalog": catalog, "snapshot": snapshot}));
        }
        context.ui.line(&format!("promptos {TOOL}\ncatalog  {catalog}"))?;
        match snapshot {
            Some(Newest { name, changes, .. }) if changes > 0 => context.ui.line(&format!(
                "snapshot {name}, and {changes} changes since: promptos snapshot diff {name}"
            )),
            _ => Ok(()),
        }
    }
}

struct Newest {
    name: String,
    id: String,
    /// How many files of the catalog differ from it.
    changes: usize,
}

/// The newest snapshot of the ledger, if there is one.
fn newest_snapshot(context: &Context<'_>) -> Result<Option<Newest>> {
    if !context.has_ledger()? {
        return Ok(None);
    }
    let ledger = context.read()?;
    let Some(entry) = ledger.snapshots()?.pop() else { return Ok(None) };
    let before = Held::Ledger(&ledger).manifest(&entry.statement)?.files;
    let changes = difference(&before, &files_now(context)?).count();
    Ok(Some(Newest { name: entry.statement.name, id: entry.statement.id.to_string(), changes }))
}

/// The catalog's version by git: its tag, else `UNRELEASED`.
pub(crate) fn catalog(context: &Context<'_>) -> Result<String> {
    let folder = match context.workspace_catalog()? {
        Some(folder) => folder,
        None => context.root()?,
    };
    Ok(git::describe(&folder)?.unwrap_or_else(|| "UNRELEASED".to_owned()))
}
