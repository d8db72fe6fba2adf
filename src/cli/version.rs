use super::context::Context;
use super::git;
use clap::Args;
use promptos::error::Result;
use serde_json::json;

/// The program's version as sessions record it.
pub(crate) const TOOL: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Print the versions of the program and of the catalog
#[derive(Args)]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let catalog = catalog(context)?;
        if context.ui.json {
            return context.ui.report("version", json!({"promptos": TOOL, "catalog": catalog}));
        }
        context.ui.line(&format!("promptos {TOOL}\ncatalog  {catalog}"))
    }
}

/// The catalog's version: its git tag, else `UNRELEASED`.
pub(crate) fn catalog(context: &Context<'_>) -> Result<String> {
    let folder = context.workspace_catalog()?.unwrap_or_else(|| context.root());
    Ok(git::describe(&folder).unwrap_or_else(|| "UNRELEASED".to_owned()))
}
