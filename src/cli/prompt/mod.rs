//! `prompt …`: the catalog.

mod add;
mod audit;
mod check_output;
pub(super) mod child;
mod diff;
mod export;
mod import;
mod list;
mod refresh;
mod render;
mod show;
mod verify;
mod versions;
mod where_used;

use super::context::Context;
use super::ui::safe;
use clap::Subcommand;
use promptos::catalog::{Catalog, Input, Prompt};
use promptos::error::Result;
use serde_json::{Map, Value, json};

/// Look at the catalog's prompts, compare and render them, check answers, bind them in the ledger, bring them up to
/// date, exchange them, tell and audit their use
#[derive(Subcommand)]
pub(crate) enum PromptCommand {
    List(list::List),
    Show(show::Show),
    Render(render::Render),
    CheckOutput(check_output::CheckOutput),
    Add(add::Add),
    Refresh(refresh::Refresh),
    Audit(audit::Audit),
    Diff(diff::Diff),
    WhereUsed(where_used::WhereUsed),
    Import(import::Import),
    Export(export::Export),
}

impl PromptCommand {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        match self {
            Self::List(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Render(command) => command.run(context),
            Self::CheckOutput(command) => command.run(context),
            Self::Add(command) => command.run(context),
            Self::Refresh(command) => command.run(context),
            Self::Audit(command) => command.run(context),
            Self::Diff(command) => command.run(context),
            Self::WhereUsed(command) => command.run(context),
            Self::Import(command) => command.run(context),
            Self::Export(command) => command.run(context),
        }
    }
}

/// Finds a prompt, and says what a person should know of the choice.
fn find<'c>(context: &Context<'_>, catalog: &'c Catalog, wanted: &str) -> Result<&'c Prompt> {
    let prompt = catalog.resolve(wanted)?;
    if let Some(choice) = Catalog::choice(wanted, prompt) {
        context.ui.note(&safe(&choice));
    }
    if let Some(warning) = catalog.warning(prompt) {
        context.ui.warn(&safe(&warning));
    }
    Ok(prompt)
}

/// A prompt as every report on prompts shows it, with the names that its consumers know.
fn prompt_json(catalog: &Catalog, prompt: &Prompt) -> Value {
    let names = |required: bool| {
        let names =
            prompt.inputs.iter().filter(|input| input.required == required).map(|input| input.name.as_str());
        names.collect::<Vec<_>>()
    };
    let default = |input: &Input| Some((input.name.clone(), input.default.clone()?));
    let warnings = prompt.warnings.iter().cloned().chain(catalog.warning(prompt));
    json!({
        "ref": prompt.reference(),
        "key": prompt.id,
        "prompt_id": prompt.id,
        "version": prompt.version,
        "name": prompt.title,
        "description": prompt.summary,
        "role": prompt.role,
        "gate": prompt.gate,
        "status": status(prompt),
        "scope": prompt.scope,
        "owner": prompt.owner,
        "tags": prompt.tags,
        "capabilities": prompt.capabilities,
        "required_variables": names(true),
        "optional_variables": names(false),
        "default_variables": prompt.inputs.iter().filter_map(default).collect::<Map<_, _>>(),
        "default_model": prompt.default_model,
        "output_mode": prompt.output_contract.as_ref().map(|contract| contract.mode),
        "deprecates": prompt.deprecates,
        "layer": prompt.layer,
        "path": prompt.path.to_string_lossy(),
        "blake3": hex::encode(blake3::hash(&prompt.bytes).as_bytes()),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}

/// The sources, highest first.
fn sources_json(context: &Context<'_>, catalog: &Catalog) -> Value {
    let sources = catalog.located().iter().map(|located| {
        json!({
            "layer": located.layer,
            "location": context.shown_source(located),
            "commit": located.commit,
        })
    });
    sources.collect()
}

/// A prompt that says nothing of its status is current.
fn status(prompt: &Prompt) -> &str {
    prompt.status.as_deref().unwrap_or("current")
}

/// Says that there are files of which nothing else is said.
fn warn_of_problems(context: &Context<'_>, catalog: &Catalog) {
    let files = match catalog.problems().len() + catalog.clashes().len() {
        0 => return,
        1 => "1 file is".to_owned(),
        files => format!("{files} files are"),
    };
    context.ui.warn(&format!("{files} not usable; 'promptos lint' tells why"));
}
