use super::child;
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::ui::{BOLD, DIM, one_line, safe};
use clap::{Args, ValueEnum};
use promptos::catalog::{Catalog, Finding};
use promptos::error::{Error, Result};
use promptos::render::{self, Explained, Given, INPUT_TEXT, Limits, Merge, Origin, Outcome, Rendered};
use promptos::session::write_atomically;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest file of variables or input.
const MOST: u64 = 16 << 20;

/// Render a prompt with values: what a model is to be given
///
/// A variable is taken from the first of: --var, --vars, --input-file (as `input_text`), the prompt's own default,
/// [render.defaults] in promptos.toml. An optional one that nobody gives is empty. Every value that is missing,
/// unknown or of another type is said at once (exit 4). Values are data and never rendered themselves. The template
/// is rendered in a process with limits on memory and time.
#[derive(Args)]
pub(crate) struct Render {
    /// An id such as P00, or a ref such as P00.v1
    prompt: String,
    /// A variable's value: text, or JSON where the prompt declares another type
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// A JSON file with an object of variables
    #[arg(long, value_name = "FILE")]
    vars: Option<PathBuf>,
    /// A file whose text is the variable `input_text`; - is stdin. Unless the template uses it, it is the user's message
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,
    /// Whether a mapping hides one of a lower layer, or merges with it
    #[arg(long)]
    merge: Option<MergeArg>,
    /// Keep the lines of block tags, and the last line end
    #[arg(long)]
    preserve_whitespace: bool,
    /// How to write the result
    #[arg(long, default_value = "text")]
    format: Format,
    /// Write the result to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show for each variable where its value comes from and what that hides, instead of the result
    #[arg(long)]
    explain: bool,
    /// Show the digests by which provenance names the prompt and its values (fp-1), instead of the result
    #[arg(long, conflicts_with = "explain")]
    fingerprint: bool,
    /// Seconds after which rendering is given up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    #[command(flatten)]
    catalog: CatalogOption,
}

#[derive(Clone, Copy, ValueEnum)]
enum MergeArg {
    Override,
    Deep,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Render {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let given = self.given(context)?;
        let mut policy = context.settings()?.render;
        match self.merge {
            Some(MergeArg::Override) => policy.merge = Merge::Override,
            Some(MergeArg::Deep) => policy.merge = Merge::Deep,
            None => {}
        }
        policy.preserve_whitespace |= self.preserve_whitespace;
        let catalog = context.catalog_from(self.catalog.locator()?.as_ref())?;
        let prompt = catalog.resolve(&self.prompt)?;
        if let Some(choice) = Catalog::choice(&self.prompt, prompt) {
            context.ui.note(&safe(&choice));
        }
        if let Some(warning) = catalog.warning(prompt) {
            context.ui.warn(&safe(&warning));
        }
        let engine = |job: &render::Job| child::run(job, self.timeout);
        let outcome = render::render(prompt, &given, &policy, Limits::default(), engine)?;
        for finding in &outcome.findings {
            context.ui.say(&finding.to_string());
        }
        let written = outcome.rendered.as_ref().map(|rendered| self.write(rendered)).transpose()?;
        if let (Some(out), Some(written)) = (&self.out, &written) {
            write_atomically(&context.dir.join(out), written, true)?;
        }
        let Outcome { rendered, fingerprint, variables, findings } = &outcome;
        if context.ui.json {
            context.ui.report(
                "prompt-render",
                json!({
                    "ref": prompt.reference(), "rendered": rendered, "variables": variables, "findings": findings,
                    "fingerprint": fingerprint,
                    "out": self.out.as_ref().filter(|_| rendered.is_some()).map(|out| out.to_string_lossy()),
                }),
            )?;
        } else if self.explain {
            variables.iter().try_for_each(|variable| explain(context, variable))?;
        } else if self.fingerprint {
            let written = serde_json::to_value(fingerprint);
            context.ui.document(written.map_err(|e| Error::bug("a fingerprint is not JSON").because(e))?)?;
        } else if self.out.is_none()
            && let Some(written) = &written
        {
            context.ui.bytes(written)?;
            context.ui.flush()?;
        }
        let errors = findings.iter().filter(|finding| Finding::is_error(finding)).count();
        match errors {
            0 => Ok(()),
            1 => Err(Error::findings(format!("{} was not rendered", prompt.reference()))),
            errors => {
                Err(Error::findings(format!("{} was not rendered: {errors} findings", prompt.reference())))
            }
        }
    }

    fn write(&self, rendered: &Rendered) -> Result<Vec<u8>> {
        match self.format {
            Format::Text => Ok(rendered.to_text().into_bytes()),
            Format::Json => {
                let text = serde_json::to_string_pretty(rendered);
                let text = text.map_err(|e| Error::bug("a rendered prompt is not JSON").because(e))?;
                Ok(format!("{text}\n").into_bytes())
            }
        }
    }

    /// The caller's layers.
    fn given(&self, context: &Context<'_>) -> Result<Vec<Given>> {
        let mut given = Vec::new();
        let mut values = Map::new();
        for pair in &self.variables {
            let (name, value) =
                pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                    Error::usage(format!("'{}' is no variable with a value", one_line(pair, 80)))
                        .hint("write --var NAME=VALUE")
                })?;
            if values.insert(name.to_owned(), Value::from(value)).is_some() {
                return Err(Error::usage(format!("--var gives '{}' twice", one_line(name, 80))));
            }
        }
        given.push(Given { origin: Origin::Var, values });
        if let Some(path) = &self.vars {
            let text = read(&context.dir.join(path), context)?;
            let values = serde_json::from_str(&text).map_err(|e| {
                Error::failed(format!("{} is no JSON object of variables: {e}", context.shown(path)))
            })?;
            given.push(Given { origin: Origin::Vars, values });
        }
        if let Some(path) = &self.input_file {
            let path = if path.as_os_str() == "-" { path.clone() } else { context.dir.join(path) };
            let values = [(INPUT_TEXT.to_owned(), Value::from(read(&path, context)?))].into_iter().collect();
            given.push(Given { origin: Origin::InputFile, values });
        }
        Ok(given)
    }
}

/// A file's text, or that of stdin.
fn read(path: &Path, context: &Context<'_>) -> Result<String> {
    let cannot = |e| Error::failed(format!("cannot read {}: {e}", context.shown(path)));
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(MOST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    }
    if bytes.len() as u64 > MOST {
        return Err(Error::failed(format!("{} is larger than {} MB", context.shown(path), MOST >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Error::failed(format!("{} is not UTF-8 text", context.shown(path))))
}

fn explain(context: &Context<'_>, variable: &Explained) -> Result<()> {
    let Explained { name, origin, value, merged, hidden } = variable;
    let merged = if *merged { ", merged with what is below" } else { "" };
    let shown = |value: &Value| one_line(&value.to_string(), 200);
    context.ui.line(&format!(
        "{BOLD}{}{BOLD:#} = {}  {DIM}({origin}{merged}){DIM:#}",
        safe(name),
        shown(value)
    ))?;
    hidden.iter().try_for_each(|hidden| {
        context.ui.line(&format!("  {DIM}above {} ({}){DIM:#}", shown(&hidden.value), hidden.origin))
    })
}
