mod checkout;
mod create;

use super::context::Context;
use super::show::entry_json;
use super::ui::{BAD, BOLD, DIM, GOOD, WARN, one_line, safe, short};
use clap::{Args, Subcommand};
use ledger_format::{Body, ManifestFile};
use promptos::error::{Error, Kind, Result};
use promptos::ledger::rfc3339 as time;
use promptos::ledger::{Entry, Ledger};
use promptos::session::{Difference, FileOf, Held, difference, list_catalog};
use serde_json::{Value, json};

/// Releases of the catalog: take one, compare, check one out byte for byte
#[derive(Subcommand)]
pub(crate) enum Snapshot {
    Create(create::Create),
    /// List the snapshots, oldest first
    List,
    Show(Show),
    Diff(Diff),
    Checkout(checkout::Checkout),
}

/// Show a snapshot and its files
#[derive(Args)]
pub(crate) struct Show {
    /// Its name
    name: String,
}

/// Say what differs between two snapshots, by ref: added, removed, changed, moved
#[derive(Args)]
pub(crate) struct Diff {
    /// The name of a snapshot
    #[arg(value_name = "A")]
    from: String,
    /// The name of another one, or 'now' for the project's catalog as it is
    #[arg(value_name = "B", default_value = "now")]
    to: String,
}

impl Snapshot {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        match self {
            Self::Create(command) => command.run(context),
            Self::List => list(context),
            Self::Show(command) => command.run(context),
            Self::Diff(command) => command.run(context),
            Self::Checkout(command) => command.run(context),
        }
    }
}

/// The snapshot of this name, with its signature and its place checked.
pub(crate) fn find(ledger: &Ledger, name: &str) -> Result<Entry> {
    let Some(entry) = ledger.snapshot(name)? else {
        let shown = one_line(name, 80);
        return Err(Error::failed(format!("the ledger '{}' has no snapshot '{shown}'", ledger.name()))
            .hint("promptos snapshot list names them"));
    };
    ledger.check_entry(&entry)?;
    Ok(entry)
}

/// A snapshot as JSON reports show it.
fn json_of(entry: &Entry) -> Value {
    let (commit, tag, lint) = match &entry.statement.body {
        Body::Snapshot(body) => (
            body.commit.as_deref().map(hex::encode),
            body.tag.clone(),
            json!({"errors": body.lint_errors, "warnings": body.lint_warnings}),
        ),
        _ => (None, None, Value::Null),
    };
    json!({"name": entry.statement.name, "entry": entry_json(entry), "commit": commit, "tag": tag, "lint": lint})
}

fn list(context: &Context<'_>) -> Result<()> {
    let ledger = context.read()?;
    let snapshots = ledger.snapshots()?;
    if context.ui.json {
        let snapshots: Vec<Value> = snapshots.iter().map(json_of).collect();
        return context.ui.report("snapshot.list", json!({"snapshots": snapshots}));
    }
    for entry in &snapshots {
        let Body::Snapshot(body) = &entry.statement.body else { continue };
        let commit = body.commit.as_deref().map(|id| short(&hex::encode(id))).unwrap_or_default();
        context.ui.line(&format!(
            "{:>5}  {}  {BOLD}{}{BOLD:#}  {}  {DIM}{}{DIM:#}",
            entry.index,
            time(entry.statement.time),
            one_line(&entry.statement.name, 80),
            one_line(&entry.statement.issuer, 60),
            [commit, body.tag.clone().unwrap_or_default()].join(" ").trim(),
        ))?;
    }
    Ok(())
}

impl Show {
    fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let entry = find(&ledger, &self.name)?;
        let files = Held::Ledger(&ledger).manifest(&entry.statement)?.files;
        let states =
            files.iter().map(|file| super::show::file_state(&ledger, file)).collect::<Result<Vec<_>>>()?;
        if context.ui.json {
            let mut value = json_of(&entry);
            let files = files.iter().zip(&states).map(|(file, state)| {
                json!({
                    "ref": file.reference, "path": file.path, "blake3": hex::encode(file.content.blake3.0),
                    "sha256": hex::encode(file.content.sha256), "size": file.content.size, "state": state,
                })
            });
            let files = files.collect::<Vec<_>>();
            value.as_object_mut().and_then(|object| object.insert("files".to_owned(), Value::from(files)));
            return context.ui.report("snapshot.show", value);
        }
        print(context, &entry, &format!("{}, {} refs", files.len(), refs(&files)))?;
        for (file, state) in files.iter().zip(states) {
            let erased = if state == "kept" { String::new() } else { format!(" {WARN}{state}{WARN:#}") };
            context.ui.line(&format!(
                "  {}  {}  {DIM}{}, {} bytes{DIM:#}{erased}",
                one_line(file.reference.as_deref().unwrap_or("(no ref)"), 200),
                one_line(&file.path, 200),
                short(&file.content.blake3.to_string()),
                file.content.size,
            ))?;
        }
        Ok(())
    }
}

fn refs(files: &[ManifestFile]) -> usize {
    let mut refs: Vec<&str> = files.iter().filter_map(|file| file.reference.as_deref()).collect();
    refs.sort_unstable();
    refs.dedup();
    refs.len()
}

/// What a snapshot says of itself.
fn print(context: &Context<'_>, entry: &Entry, files: &str) -> Result<()> {
    let line = |label: &str, text: &str| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
    let statement = &entry.statement;
    line("snapshot", &format!("{} (entry {})", one_line(&statement.name, 128), entry.index))?;
    line("entry", &statement.id.to_string())?;
    line("signer", &format!("{} {DIM}{}{DIM:#}", safe(&statement.issuer), statement.kid))?;
    line("time", &format!("{} {DIM}as claimed{DIM:#}", time(statement.time)))?;
    let Body::Snapshot(body) = &statement.body else { return Ok(()) };
    let tag = body.tag.as_ref().map(|tag| format!(" {DIM}tag {tag}{DIM:#}")).unwrap_or_default();
    let commit = body.commit.as_deref().map_or("none that has these files".to_owned(), hex::encode);
    line("commit", &format!("{commit}{tag}"))?;
    line("lint", &format!("{} errors, {} warnings", body.lint_errors, body.lint_warnings))?;
    line("files", files)
}

impl Diff {
    fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let files = |name: &str| Ok(Held::Ledger(&ledger).manifest(&find(&ledger, name)?.statement)?.files);
        let before = files(&self.from)?;
        let after = if self.to == "now" { files_now(context)? } else { files(&self.to)? };
        let found = difference(&before, &after);
        if context.ui.json {
            let mut value =
                serde_json::to_value(&found).map_err(|e| Error::new(Kind::Bug, "no JSON").because(e))?;
            if let Some(object) = value.as_object_mut() {
                object.insert("from".to_owned(), Value::from(self.from));
                object.insert("to".to_owned(), Value::from(self.to));
            }
            return context.ui.report("snapshot.diff", value);
        }
        print_difference(context, &found)
    }
}

/// The files that a snapshot would have if it were taken now.
pub(crate) fn files_now(context: &Context<'_>) -> Result<Vec<ManifestFile>> {
    let (catalog, folder) = context.project_catalog()?;
    Ok(list_catalog(&catalog, folder.as_deref())?.into_iter().map(|listed| listed.file).collect())
}

fn print_difference(context: &Context<'_>, found: &Difference) -> Result<()> {
    let name = |file: &FileOf| match &file.reference {
        Some(reference) => format!("{} {DIM}{}{DIM:#}", one_line(reference, 200), one_line(&file.path, 200)),
        None => one_line(&file.path, 200),
    };
    for file in &found.removed {
        context.ui.line(&format!("{BAD}removed{BAD:#}  {}", name(file)))?;
    }
    for file in &found.added {
        context.ui.line(&format!("{GOOD}added{GOOD:#}    {}", name(file)))?;
    }
    for both in &found.changed {
        let (from, to) = (short(&both.from.blake3), short(&both.to.blake3));
        context.ui.line(&format!("{WARN}changed{WARN:#}  {} {DIM}{from} to {to}{DIM:#}", name(&both.to)))?;
    }
    for both in &found.moved {
        let from = one_line(&both.from.path, 200);
        context.ui.line(&format!("{DIM}moved{DIM:#}    {} {DIM}was {from}{DIM:#}", name(&both.to)))?;
    }
    let Difference { added, removed, changed, moved } = found;
    let counts = [
        (removed.len(), "removed"),
        (added.len(), "added"),
        (changed.len(), "changed"),
        (moved.len(), "moved"),
    ];
    context.ui.line(&counts.map(|(count, what)| format!("{count} {what}")).join(", "))
}
