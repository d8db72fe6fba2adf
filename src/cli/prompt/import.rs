use super::add::in_catalog;
use crate::cli::context::Context;
use crate::cli::ui::{DIM, WARN, one_line, safe};
use clap::{Args, ValueEnum};
use promptos::catalog::{Conversion, Fate, FieldFate, Finding, Layer, MAX_PROMPT_BYTES, Source};
use promptos::error::{Error, Result};
use promptos::session::{
    Arrival, Found, Import as Wanted, PlannedImport, found_in, plan_catalog_import, write_atomically,
};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Copy prompt files into the project's catalog, as they are or converted to OA05
///
/// Lints first, and writes everything or nothing. A file that is there already is never replaced, and a ref that has
/// other bytes in the catalog or the ledger is refused. Of a folder, the files that are no prompts are left alone.
#[derive(Args)]
pub(crate) struct Import {
    /// Prompt files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Convert every prompt to this dialect, and say what became of each field. A file named outright may be a
    /// template without frontmatter
    #[arg(long)]
    to: Option<To>,
    /// The version of a prompt whose own is no whole number: 1.0 becomes 1, and 1.2 what this says
    #[arg(long, value_name = "N", requires = "to", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    /// The owner of a prompt that names none
    #[arg(long, value_name = "NAME", requires = "to")]
    owner: Option<String>,
    /// Write the account of every field to this file, as JSON
    #[arg(long, value_name = "FILE", requires = "to")]
    report: Option<PathBuf>,
    /// The catalog folder to copy into; by default the project's
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum To {
    Oa05,
}

impl Import {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let into = match &self.into {
            Some(folder) => context.dir.join(folder),
            None => match context.workspace_catalog()? {
                Some(folder) => folder,
                None => context.root()?.join(context.settings()?.catalog.path),
            },
        };
        let mut found = Vec::new();
        for path in &self.paths {
            let full = context.dir.join(path);
            if full.is_dir() {
                found.extend(found_in(&Source::folder(Layer::Workspace, full))?);
            } else {
                found.push(named(context, path, &full)?);
            }
        }
        for file in &mut found {
            file.from = PathBuf::from(context.shown(&file.from));
        }
        let owner = self.owner.as_deref();
        let convert = self.to.map(|To::Oa05| Conversion { version: self.version, owner });
        let ledger = if context.has_ledger()? { Some(context.read()?) } else { None };
        let plan = plan_catalog_import(found, &Wanted { into: &into, convert }, ledger.as_ref())?;
        drop(ledger);
        let report = report(context, &plan, &into);
        if let Some(file) = &self.report {
            // The account of what will be: without it nothing is done.
            let text = serde_json::to_string_pretty(&report).map_err(|e| Error::bug(e.to_string()))? + "\n";
            write_atomically(&context.dir.join(file), text.as_bytes(), true)?;
        }
        plan.write(&into)?;
        if context.ui.json {
            return context.ui.report("prompt-import", report);
        }
        print(context, &plan, &into)
    }
}

fn named(context: &Context<'_>, path: &Path, full: &Path) -> Result<Found> {
    let cannot = |e: std::io::Error| Error::failed(format!("cannot read {}: {e}", path.display()));
    // Asked before opening, since opening a pipe would wait for its writer.
    if !full.metadata().map_err(cannot)?.is_file() {
        return Err(Error::failed(format!("{} is not a regular file", path.display())));
    }
    let mut bytes = Vec::new();
    // One byte more, so that lint sees what is too large.
    let file = std::fs::File::open(full).map_err(cannot)?;
    file.take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(Found { from: full.to_owned(), path: in_catalog(context, path)?, bytes: Ok(bytes), named: true })
}

fn report(context: &Context<'_>, plan: &PlannedImport, into: &Path) -> Value {
    let prompt = |new: &Arrival| {
        json!({
            "ref": new.reference, "from": new.from.to_string_lossy(), "dialect": new.dialect,
            "path": new.path.to_string_lossy(), "blake3": hex::encode(blake3::hash(&new.bytes).as_bytes()),
            "new": new.already.is_none(), "at": new.already.as_deref().unwrap_or(&new.path).to_string_lossy(),
            "fields": new.fields, "warnings": new.warnings,
        })
    };
    json!({
        "into": context.shown(into),
        "prompts": plan.arrivals.iter().map(prompt).collect::<Vec<_>>(),
        "documents": plan.documents.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
    })
}

fn print(context: &Context<'_>, plan: &PlannedImport, into: &Path) -> Result<()> {
    for path in &plan.documents {
        context.ui.note(&format!("{}: no prompt, left alone", safe(&path.to_string_lossy())));
    }
    for new in &plan.arrivals {
        new.warnings.iter().for_each(|w| context.ui.warn(&one_line(&Finding::to_string(w), 2000)));
        let at = context.shown(&into.join(new.already.as_deref().unwrap_or(&new.path)));
        let what = if new.already.is_some() { "is there already, identical" } else { "written" };
        context.ui.line(&format!("{}  {what}: {at}", safe(&new.reference)))?;
        for field in &new.fields {
            context.ui.line(&format!("  {}", told(field)))?;
        }
    }
    let written = plan.arrivals.iter().filter(|new| new.already.is_none()).count();
    let (all, documents) = (plan.arrivals.len(), plan.documents.len());
    context.ui.note(&format!("prompts written: {written} of {all}; documents left alone: {documents}"));
    Ok(())
}

fn told(field: &FieldFate) -> String {
    let name = one_line(&field.field, 60);
    let value = field.value.as_ref().map(|value| one_line(&value.to_string(), 60));
    let mut text = match field.fate {
        Fate::Mapped => {
            format!("{name:<20} {DIM}->{DIM:#} {}", safe(field.to.as_deref().unwrap_or("nothing")))
        }
        Fate::Defaulted => format!("{name:<20} {DIM}defaulted{DIM:#}"),
        Fate::Lost => format!("{name:<20} {WARN}lost{WARN:#}"),
    };
    if let Some(value) = value {
        text.push_str(&format!(" = {value}"));
    }
    if let Some(why) = &field.why {
        text.push_str(&format!("  {DIM}({}){DIM:#}", safe(why)));
    }
    text
}
