use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::ui::one_line;
use clap::Args;
use promptos::catalog::{Catalog, Locator, Prompt, render};
use promptos::error::{Error, Result};
use promptos::session::{Exported, export_catalog};
use serde_json::json;
use std::path::PathBuf;

/// Copy prompts out of a catalog into a folder of their own, byte for byte, all of them or none
///
/// With --catalog the files come from a revision of git, from what the ledger holds, from a snapshot or from this
/// program, so that a catalog can be had back without its folder.
#[derive(Args)]
pub(crate) struct Export {
    /// The folder, which is not there yet or is empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Ids or refs
    #[arg(required_unless_present = "all", value_name = "REF")]
    prompts: Vec<String>,
    /// Every prompt of the project's catalog, or of the one that --catalog names
    #[arg(long, conflicts_with = "prompts")]
    all: bool,
    /// Write into a folder that is not empty, and replace files that are there and differ
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    catalog: CatalogOption,
}

impl Export {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let locator = self.catalog.locator()?;
        let catalog = match self.all {
            true => alone(context, locator.as_ref())?,
            false => context.catalog_from(locator.as_ref())?,
        };
        let mut chosen: Vec<&Prompt> = Vec::new();
        for wanted in &self.prompts {
            chosen.push(super::find(context, &catalog, wanted)?);
        }
        if self.all {
            chosen.extend(catalog.prompts().iter().chain(catalog.losers()).map(|prompt| &**prompt));
        }
        let to = context.dir.join(&self.folder);
        let Exported { files, already } = export_catalog(&chosen, &to, self.force)?;
        if context.ui.json {
            let files = files.iter().map(|file| {
                let (path, blake3) = (&file.path, hex::encode(file.content.blake3.0));
                json!({"path": path, "ref": file.reference, "blake3": blake3, "size": file.content.size})
            });
            return context.ui.report(
                "prompt-export",
                json!({"to": self.folder, "files": files.collect::<Vec<_>>(), "already": already}),
            );
        }
        let what = if already { "has these files already" } else { "written" };
        let to = one_line(&self.folder.to_string_lossy(), 4096);
        let prompts = if files.len() == 1 { "prompt" } else { "prompts" };
        context.ui.line(&format!("{to} {what}: {} {prompts}", files.len()))
    }
}

/// The named catalog and nothing below it. One that has files which cannot be used cannot be had whole.
fn alone(context: &Context<'_>, locator: Option<&Locator>) -> Result<Catalog> {
    let source = context.workspace(locator)?.ok_or_else(|| {
        Error::failed("the project has no catalog folder")
            .hint("name another catalog, such as --catalog ledger or --catalog built-in")
    })?;
    let catalog = Catalog::load(&[source], false)?;
    let findings = catalog.findings();
    if findings.is_empty() {
        return Ok(catalog);
    }
    let text = render(&findings);
    Err(Error::findings(format!(
        "not every prompt can be used, so nothing was exported\n{}",
        text.trim_end()
    ))
    .hint("put them right, or name the prompts that you want"))
}
