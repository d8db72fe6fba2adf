use super::child;
use super::render::read_bytes;
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::lint::show;
use crate::cli::ui::{one_line, safe, width};
use annotate_snippets::Renderer;
use clap::Args;
use promptos::catalog::{Layer, Mode, Schema};
use promptos::error::{Error, Result};
use promptos::output::{self, Found, Given, Job, Outcome};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Check what a model answered against the prompt's output contract
///
/// A text has the contract's sections and fields; a JSON answer is one value that fits the schema; artifacts are files
/// in a folder. Schemas are taken from schemas/prompt-contracts/ in the project, from the user's, and from those that
/// come with this program. Everything that is wrong is said at once (exit 4). A JSON answer is compared with its
/// schema in a process with limits on memory and time.
#[derive(Args)]
pub(crate) struct CheckOutput {
    /// An id such as P00, or a ref such as P00.v1
    prompt: String,
    /// The answer: a file, - for stdin, or the folder with the artifacts
    file: PathBuf,
    /// What a ${NAME} in the path of an artifact stands for; without it, any name
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Seconds after which comparing with the schema is given up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    #[command(flatten)]
    catalog: CatalogOption,
}

impl CheckOutput {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let values = self.values()?;
        let catalog = context.catalog_from(self.catalog.locator()?.as_ref())?;
        let prompt = super::find(context, &catalog, &self.prompt)?;
        let is_stdin = self.file.as_os_str() == "-";
        let place = if is_stdin { self.file.clone() } else { context.dir.join(&self.file) };
        let name = if is_stdin { Path::new("stdin") } else { self.file.as_path() };
        let bytes;
        let given = if !is_stdin && place.is_dir() {
            Given::Folder(&place)
        } else {
            bytes = read_bytes(&place, context)?;
            Given::Bytes(&bytes)
        };
        let engine = |job: &Job| child::check_value(job, self.timeout);
        let outcome = output::check(prompt, name, given, &values, &context.schemas()?, engine)?;
        let errors = outcome.findings.iter().filter(|violation| violation.finding.is_error()).count();
        let reference = prompt.reference();
        if context.ui.json {
            let Outcome { mode, schema, artifacts, findings, more } = &outcome;
            let warnings = findings.len() - errors;
            context.ui.report(
                "prompt-check-output",
                json!({
                    "ref": reference, "file": name.to_string_lossy(),
                    "contract": {"mode": mode, "schema": schema, "artifacts": artifacts}, "fits": errors == 0, "errors": errors, "warnings": warnings,
                    "findings": findings, "more": more,
                }),
            )?;
        } else {
            human(context, &reference, name, &outcome, errors)?;
        }
        if errors == 0 {
            return Ok(());
        }
        let more = if outcome.more { " or more" } else { "" };
        let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors}{more} errors") };
        Err(Error::findings(format!("{} does not fit the contract of {reference}: {errors}", name.display())))
    }

    fn values(&self) -> Result<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        for pair in &self.variables {
            let parted = pair.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
            let (name, value) = parted.ok_or_else(|| {
                Error::usage(format!("'{}' is no name with a value", one_line(pair, 80)))
                    .hint("write --var NAME=VALUE")
            })?;
            if value.contains(['/', '\\']) || value == ".." || value == "." {
                let what = format!(
                    "--var {}: a placeholder stands for one name, not for a path",
                    one_line(pair, 80)
                );
                return Err(Error::usage(what));
            }
            if values.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(Error::usage(format!("--var gives '{}' twice", one_line(name, 80))));
            }
        }
        Ok(values)
    }
}

fn human(
    context: &Context<'_>,
    reference: &str,
    name: &Path,
    outcome: &Outcome,
    errors: usize,
) -> Result<()> {
    let ui = context.ui;
    let renderer = if ui.colored() { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(width().unwrap_or(100));
    for violation in &outcome.findings {
        ui.line(&format!("{}\n", show(&renderer, &violation.finding)))?;
    }
    if let Some(schema) = &outcome.schema {
        ui.note(&described(context, schema));
    }
    if errors > 0 {
        return Ok(()); // the last line says so
    }
    let what = match outcome.mode {
        Mode::Text => "text".to_owned(),
        Mode::Json => match &outcome.schema {
            Some(schema) => format!("json, {}", schema.name),
            None => "json".to_owned(),
        },
        Mode::Artifacts => counted(&outcome.artifacts),
    };
    ui.line(&safe(&format!("{} fits the contract of {reference} ({what})", name.display())))
}

fn counted(artifacts: &[Found]) -> String {
    let there = artifacts.iter().filter(|artifact| !artifact.files.is_empty()).count();
    format!("{there} of {} artifacts", artifacts.len())
}

fn described(context: &Context<'_>, schema: &Schema) -> String {
    let place = match schema.layer {
        Layer::BuiltIn => String::new(),
        _ => format!(": {}", context.shown(&schema.path)),
    };
    let hides: Vec<_> = schema.hides.iter().map(ToString::to_string).collect();
    let hides =
        if hides.is_empty() { String::new() } else { format!("; hides the {} one", hides.join(" and the ")) };
    safe(&format!("schema {} ({}{place}{hides})", schema.name, schema.layer))
}
