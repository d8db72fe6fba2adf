use super::context::Context;
use super::staged;
use super::ui::safe;
use clap::{Args, ValueEnum};
use promptos::catalog::{self, Finding, Report};
use promptos::error::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

/// Check prompt files: syntax, required fields, secrets, personal paths
#[derive(Args)]
pub(crate) struct Lint {
    /// Files or folders; by default the project's catalog
    #[arg(conflicts_with = "locator")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    catalog: super::catalog::CatalogOption,
    /// The staged prompts instead, as they will be committed
    #[arg(long, conflicts_with_all = ["paths", "locator"])]
    staged: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Human,
    Json,
}

impl Lint {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let mut all = if self.staged { staged::lint(context)? } else { Report::default() };
        if !self.staged && self.paths.is_empty() {
            let source = context.workspace(self.catalog.locator()?.as_ref())?.ok_or_else(|| {
                Error::failed("there is no catalog folder 'prompts' here")
                    .hint("name files or folders: promptos lint PATH")
            })?;
            all = catalog::lint_source(&source.relative_to(&context.dir))?;
        }
        for path in &self.paths {
            let report = catalog::lint_path(path)?;
            all.prompts += report.prompts;
            all.documents += report.documents;
            all.findings.extend(report.findings);
        }
        let errors = all.findings.iter().filter(|finding| finding.is_error()).count();
        if context.ui.json || self.format == Format::Json {
            context.ui.report(
                "lint",
                json!({
                    "prompts": all.prompts, "documents": all.documents, "errors": errors,
                    "warnings": all.findings.len() - errors, "findings": all.findings,
                }),
            )?;
        } else {
            for finding in &all.findings {
                context.ui.line(&safe(&Finding::to_string(finding)))?;
            }
            let plural =
                |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
            context.ui.line(&format!(
                "{}, {} skipped: {}, {}",
                plural(all.prompts, "prompt"),
                plural(all.documents, "document"),
                plural(errors, "error"),
                plural(all.findings.len() - errors, "warning"),
            ))?;
        }
        if errors > 0 { Err(Error::findings("lint found errors")) } else { Ok(()) }
    }
}
