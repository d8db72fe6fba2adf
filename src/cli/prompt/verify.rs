use super::child;
use super::render::{Timeout, disclosures, read, read_bytes};
use crate::cli::context::Context;
use crate::cli::lookup;
use crate::cli::show::entry_json;
use crate::cli::ui::safe;
use clap::Args;
use ledger_format::{Address, Body};
use promptos::error::{Error, Result};
use promptos::ledger::{Entry, Ledger};
use promptos::session::{Disclosure, Shown, verify_render};
use serde_json::json;
use std::path::PathBuf;

/// Show that a recorded render had these values and gave this output
///
/// Opens the commitments with the disclosure, renders the recorded prompt again with the disclosed values, and compares
/// the output with the recorded one. A disclosure from which somebody took a part out shows the other part only; then
/// the output is not shown (exit 4).
#[derive(Args)]
pub(crate) struct Verify {
    /// The render: an index, an entry id (8 digits or more), a render id, or the file with its output
    render: String,
    /// What opens its commitments; by default .promptos/disclosures/<render>.json
    disclosure: Option<PathBuf>,
    /// A file that is said to be the output: compare it, too
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    timeout: Timeout,
}

impl Verify {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let entry = self.find(context, &ledger)?;
        ledger.check_entry(&entry)?;
        let Body::Render(body) = &entry.statement.body else {
            let what = safe(&entry.statement.subject());
            return Err(Error::failed(format!("entry {} is {what}, no render", entry.index))
                .hint("promptos log --kind render lists them"));
        };
        let file = match &self.disclosure {
            Some(file) => context.dir.join(file),
            None => disclosures(context)?.join(format!("{}.json", entry.statement.name)),
        };
        if self.disclosure.is_none() && !file.exists() {
            return Err(Error::failed(format!(
                "what opens this render is not here: no {}",
                context.shown(&file)
            ))
            .hint(
                "give the file that 'prompt render --record' wrote: promptos prompt render verify RENDER FILE",
            ));
        }
        let disclosure = Disclosure::parse(read(&file, context)?.as_bytes())?;
        let shown = verify_render(&ledger, &entry, &disclosure, |job| {
            child::Renderer::start(self.timeout.timeout)?.render(job)
        })?;
        let same_file = match &self.output {
            None => None,
            Some(file) => Some(body.output.matches(&read_bytes(&context.dir.join(file), context)?)),
        };
        if context.ui.json {
            context.ui.report(
                "render-verify",
                json!({"entry": entry_json(&entry), "shown": shown, "file": same_file}),
            )?;
        } else {
            self.print(context, &entry, shown)?;
        }
        judge(&entry, shown, same_file)
    }

    fn find(&self, context: &Context<'_>, ledger: &Ledger) -> Result<Entry> {
        let file = context.dir.join(&self.render);
        if !file.is_file() {
            return lookup::entry(ledger, &self.render);
        }
        let output = Address::of(&read_bytes(&file, context)?);
        let gave = |entry: &Entry| match &entry.statement.body {
            Body::Render(render) => render.output.blake3 == output,
            _ => false,
        };
        ledger.naming(&output)?.into_iter().rfind(gave).ok_or_else(|| {
            Error::findings(format!("{} is the output of no recorded render", context.shown(&file)))
        })
    }

    fn print(&self, context: &Context<'_>, entry: &Entry, shown: Shown) -> Result<()> {
        let Body::Render(body) = &entry.statement.body else { return Ok(()) };
        let line = |what: &str, text: &str| context.ui.line(&format!("{what:<10} {text}"));
        line("prompt", &format!("{} {}", body.prompt.reference, body.prompt.content.blake3))?;
        line("signed by", &format!("{} {}", safe(&entry.statement.issuer), entry.statement.kid))?;
        line("variables", if shown.variables { "as committed" } else { "not disclosed" })?;
        let input = match (body.input.is_some(), shown.input) {
            (false, _) => "none",
            (true, true) => "as committed",
            (true, false) => "not disclosed",
        };
        line("input", input)?;
        line(
            "output",
            match shown.output {
                Some(true) => "as recorded",
                Some(false) => "not as recorded",
                None => "not shown",
            },
        )
    }
}

fn judge(entry: &Entry, shown: Shown, same_file: Option<bool>) -> Result<()> {
    let Body::Render(body) = &entry.statement.body else { return Ok(()) };
    match (shown.output, shown.same_engine) {
        (Some(true), _) => {}
        (Some(false), true) => {
            return Err(Error::integrity("this prompt with these values does not give the recorded output"));
        }
        (Some(false), false) => {
            let engine = safe(&body.engine);
            return Err(Error::findings(format!(
                "the values are as committed; that they give the output cannot be shown, since {engine} made it"
            ))
            .hint("verify with a promptos that has this engine"));
        }
        (None, _) => {
            return Err(Error::findings("the output is not shown: the disclosure lacks values"));
        }
    }
    match same_file {
        Some(false) => Err(Error::integrity("the file given with --output is not the recorded output")),
        _ => Ok(()),
    }
}
