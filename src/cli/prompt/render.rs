use super::child;
use super::verify::Verify;
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::show::entry_json;
use crate::cli::ui::{BOLD, DIM, one_line, safe};
use crate::cli::version::TOOL;
use clap::{Args, Subcommand, ValueEnum};
use ledger_format::Address;
use promptos::catalog::{Finding, Prompt};
use promptos::error::{Error, Result};
use promptos::files::Unfinished;
use promptos::ledger::Entry;
use promptos::render::{self, Explained, Form, Given, INPUT_TEXT, Inputs, Limits, Merge, Origin, Outcome};
use promptos::session::{RenderRequest, plan_render, write_atomically};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Largest file of variables or input.
const MOST: u64 = 16 << 20;

/// Render a prompt with values: what a model is to be given
///
/// A variable is taken from the first of: --var, --vars, --input-file (as `input_text`), the prompt's own default,
/// [render.defaults] in promptos.toml. An optional one that nobody gives is empty. Every value that is missing,
/// unknown or of another type is said at once (exit 4). Values are data and never rendered themselves. The template
/// is rendered in a process with limits on memory and time.
///
/// With --record, the ledger says which prompt gave this output; of the values it has commitments only. What opens
/// them is written to a file of the person's own, with which 'prompt render verify' shows later what was rendered.
#[derive(Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Render {
    #[command(subcommand)]
    verify: Option<RenderCommand>,
    /// An id such as P00, or a ref such as P00.v1
    #[arg(required = true)]
    prompt: Option<String>,
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
    /// Record the render in the ledger
    #[arg(long, conflicts_with_all = ["explain", "fingerprint"])]
    record: bool,
    /// Where to write what opens the commitments; by default .promptos/disclosures/<render>.json
    #[arg(long, value_name = "FILE", requires = "record")]
    disclosure: Option<PathBuf>,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    catalog: CatalogOption,
}

#[derive(Subcommand)]
enum RenderCommand {
    Verify(Verify),
}

#[derive(Args)]
pub(super) struct Timeout {
    /// Seconds after which rendering is given up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) timeout: u64,
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
        if let Some(RenderCommand::Verify(verify)) = self.verify {
            return verify.run(context);
        }
        let renderer = child::Renderer::start(self.timeout.timeout)?;
        let given = self.given(context)?;
        let mut policy = context.settings()?.render;
        match self.merge {
            Some(MergeArg::Override) => policy.merge = Merge::Override,
            Some(MergeArg::Deep) => policy.merge = Merge::Deep,
            None => {}
        }
        policy.preserve_whitespace |= self.preserve_whitespace;
        let catalog = context.catalog_from(self.catalog.locator()?.as_ref())?;
        let prompt = super::find(context, &catalog, self.prompt.as_deref().unwrap_or_default())?;
        let engine = |job: &render::Job| renderer.render(job);
        let outcome = render::render(prompt, &given, &policy, Limits::default(), engine)?;
        for finding in &outcome.findings {
            context.ui.say(&finding.to_string());
        }
        let form = match self.format {
            Format::Text => Form::Text,
            Format::Json => Form::Json,
        };
        let written = outcome.rendered.as_ref().map(|rendered| rendered.to_bytes(form)).transpose()?;
        let recorded = match &written {
            Some(output) if self.record => {
                Some(self.record(context, prompt, &outcome.inputs, output, form)?)
            }
            _ => None,
        };
        if let (Some(out), Some(written)) = (&self.out, &written) {
            write_atomically(&context.dir.join(out), written, true)?;
        }
        let Outcome { rendered, fingerprint, variables, findings, .. } = &outcome;
        if context.ui.json {
            context.ui.report(
                "prompt-render",
                json!({
                    "ref": prompt.reference(), "rendered": rendered, "variables": variables, "findings": findings,
                    "fingerprint": fingerprint,
                    "record": recorded.as_ref().map(|(entry, disclosure)| json!({
                        "entry": entry_json(entry), "disclosure": disclosure.to_string_lossy(),
                    })),
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

    /// Records the render. What opens it is written first: lost, it could not be made again.
    fn record(
        &self,
        context: &Context<'_>,
        prompt: &Prompt,
        inputs: &Inputs,
        output: &[u8],
        form: Form,
    ) -> Result<(Entry, PathBuf)> {
        let id = context.new_id(context.now()?)?;
        let (new, disclosure, warnings) = plan_render(&RenderRequest {
            id: id.clone(),
            prompt,
            inputs,
            output,
            form,
            lint: context.settings()?.lint,
            tool: TOOL.to_owned(),
            salts: [context.random()?, context.random()?],
        })?;
        warnings.iter().for_each(|warning| context.ui.warn(&one_line(&Finding::to_string(warning), 2000)));
        let key = context.key()?;
        let ledger = context.write_or_create(&key)?;
        ledger.check_bindings([(prompt.reference().as_str(), Address::of(&prompt.bytes))])?;
        let file = match &self.disclosure {
            Some(file) => context.dir.join(file),
            None => disclosures(context)?.join(format!("{id}.json")),
        };
        write_private(&file, &disclosure.to_bytes()?)
            .map_err(|e| Error::failed(format!("cannot write {}: {e}", context.shown(&file))))?;
        let entry = context.append(&ledger, &key, &new).inspect_err(|_| {
            // It opens nothing.
            let _ = std::fs::remove_file(&file);
        })?;
        context.ui.note(&format!(
            "render {id} is entry {} of '{}', signed by '{}'",
            entry.index,
            ledger.name(),
            safe(&entry.statement.issuer)
        ));
        context.ui.note(&format!("keep {}: it alone can show the values", context.shown(&file)));
        Ok((entry, file))
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

/// Where disclosures are looked for.
pub(super) fn disclosures(context: &Context<'_>) -> Result<PathBuf> {
    let ledger = context.ledger_path()?;
    Ok(ledger.parent().unwrap_or(Path::new(".")).join("disclosures"))
}

/// A new file for this user's eyes.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = Unfinished::new(path, 0o600)?;
    file.file().write_all(bytes)?;
    // What is there may open another render.
    file.name()?;
    promptos::files::sync(promptos::files::folder(path))
}

/// A file's text, or that of stdin.
pub(super) fn read(path: &Path, context: &Context<'_>) -> Result<String> {
    String::from_utf8(read_bytes(path, context)?)
        .map_err(|_| Error::failed(format!("{} is not UTF-8 text", context.shown(path))))
}

/// A file's bytes, or those of stdin.
pub(super) fn read_bytes(path: &Path, context: &Context<'_>) -> Result<Vec<u8>> {
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
    Ok(bytes)
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
