use super::context::Context;
use super::lookup;
use super::ui::{BAD, BOLD, DIM, GOOD, WARN, one_line, safe, short};
use clap::Args;
use ledger_format::evidence::Evidence;
use ledger_format::{Body, Descriptor};
use promptos::error::{Error, Result};
use promptos::ledger::{Entry, Ledger, Step, Traced, doubts};
use promptos::session::{DutyConflict, Separation, describe, find_session, run_conflicts};
use serde_json::json;
use std::path::Path;

/// Trace a run record, an artifact, a session, a digest or a prompt ref to the exact prompt bytes, and back
#[derive(Args)]
pub(crate) struct Trace {
    /// A file; or a run id, session id, entry, digest (blake3:…) or prompt ref
    what: String,
}

impl Trace {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let path = Path::new(&self.what);
        let (mut traced, run) =
            if path.is_file() { trace_file(&ledger, path)? } else { trace_name(&ledger, &self.what)? };
        traced.note_doubts(&doubts(&ledger.suspects()?));
        let policy = context.settings()?.policy.separation;
        let duties = match run.filter(|_| policy != Separation::Off) {
            Some(run) => run_conflicts(&ledger, &run)?,
            None => Vec::new(),
        };
        if context.ui.json {
            let mut value = serde_json::to_value(&traced).map_err(|e| Error::bug("no JSON").because(e))?;
            if let Some(object) = value.as_object_mut() {
                object.insert("holds".to_owned(), json!(traced.holds()));
                object.insert("duties".to_owned(), json!(duties));
            }
            context.ui.report("trace", value)?;
        } else {
            print(context, &traced, &duties)?;
        }
        if traced.holds() {
            return complete(&ledger, &traced);
        }
        Err(Error::integrity("the trace does not hold").hint("promptos verify-chain tells what is damaged"))
    }
}

/// A trace is to lead to bytes.
fn complete(ledger: &Ledger, traced: &Traced) -> Result<()> {
    let ends = match traced.unpublished() {
        0 => return Ok(()),
        1 => "1 content that it leads to is".to_owned(),
        more => format!("{more} contents that it leads to are"),
    };
    let what = format!("the trace holds as far as it goes, and {ends} not published");
    Err(Error::unavailable(what).hint(format!(
        "ask for it where the ledger '{}' is kept (promptos publish --blobs all)",
        ledger.name()
    )))
}

fn unknown(what: &str) -> Error {
    Error::failed(format!("the ledger knows nothing of '{}'", one_line(what, 120)))
        .hint("trace takes a file, a run id, a session id, an entry, a digest or a prompt ref")
}

/// By what a person typed.
fn trace_name(ledger: &Ledger, what: &str) -> Result<(Traced, Option<Entry>)> {
    if !what.starts_with("blake3:") {
        if let Some(traced) = ledger.trace_ref(what)? {
            return Ok((traced, None));
        }
        if let Some(entry) = lookup::find_entry(ledger, what)? {
            return trace_entry(ledger, entry);
        }
        if let Some(id) = lookup::entry_id(what)
            && let Some(traced) = ledger.trace_foreign(&id)?
        {
            return Ok((traced, None));
        }
    }
    let content = lookup::content(ledger, what)?;
    let traced = content.map(|address| ledger.trace_content(&address)).transpose()?.flatten();
    traced.map(|traced| (traced, None)).ok_or_else(|| unknown(what))
}

fn trace_entry(ledger: &Ledger, entry: Entry) -> Result<(Traced, Option<Entry>)> {
    let traced = ledger.trace_entry(&entry)?;
    let is_run = matches!(entry.statement.body, Body::Run(_));
    Ok((traced, is_run.then_some(entry)))
}

/// By a file's content: what the ledger was told of these very bytes; else the statement that evidence
/// proves or a prompt_session.json names.
fn trace_file(ledger: &Ledger, path: &Path) -> Result<(Traced, Option<Entry>)> {
    let (Descriptor { blake3, .. }, _) = describe(path)?;
    let naming = ledger.naming(&blake3)?;
    let records = |entry: &&Entry| match &entry.statement.body {
        Body::Run(run) => run.record.blake3 == blake3,
        _ => false,
    };
    if let Some(run) = naming.iter().rfind(records) {
        return trace_entry(ledger, run.clone());
    }
    if let Some(traced) = ledger.trace_content(&blake3)? {
        return Ok((traced, None));
    }
    let bytes =
        std::fs::read(path).map_err(|e| Error::failed(format!("cannot read {}: {e}", path.display())))?;
    let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let text = |pointer: &str| json.as_ref()?.pointer(pointer)?.as_str();
    let about = if text("/ledger/entry").is_some() {
        Some(find_session(ledger, path)?.entry)
    } else {
        Evidence::open(&bytes).ok().map(|evidence| evidence.subject.statement.id)
    };
    if let Some(id) = about {
        if let Some(entry) = ledger.by_id(&id)? {
            return trace_entry(ledger, entry);
        }
        if let Some(traced) = ledger.trace_foreign(&id)? {
            return Ok((traced, None));
        }
    }
    if let Some(id) = text("/run_id")
        && let Some(entry) = ledger.by_subject(&format!("run/{}", promptos::session::run_name(id)?))?.pop()
    {
        return Err(Error::integrity(format!("{} is not the run record that was attached", path.display()))
            .hint(format!(
                "run '{}' is entry {} ({}), with other bytes",
                one_line(id, 80),
                entry.index,
                entry.statement.id
            )));
    }
    Err(Error::failed(format!("the ledger knows no file with the content of {}", path.display()))
        .hint(format!("its digest is {blake3}"))
        .hint("it was never attached, or was changed since"))
}

fn print(context: &Context<'_>, traced: &Traced, duties: &[DutyConflict]) -> Result<()> {
    for step in &traced.to {
        print_step(context, step, 0)?;
    }
    if !traced.used_by.is_empty() {
        context.ui.line(&format!("{BOLD}used by{BOLD:#}"))?;
        for step in &traced.used_by {
            print_step(context, step, 1)?;
        }
    }
    for conflict in duties {
        context.ui.line(&format!("{WARN}separation of duties:{WARN:#} {}", safe(&conflict.to_string())))?;
    }
    Ok(())
}

/// A step on one line and its particulars on the next, indented by depth.
fn print_step(context: &Context<'_>, step: &Step, depth: usize) -> Result<()> {
    let indent = "  ".repeat(depth);
    let verdict = match (step.verdict.as_str(), step.note) {
        ("ok", None) => format!("{GOOD}ok{GOOD:#}"),
        ("ok", Some(note)) => format!("{WARN}{note}{WARN:#}"),
        (wrong, _) => format!("{BAD}{}{BAD:#}", safe(wrong)),
    };
    context.ui.line(&format!(
        "{indent}{BOLD}{}{BOLD:#} {}  {verdict}",
        step.what,
        one_line(&step.name, 120)
    ))?;
    if let Some(entry) = &step.entry {
        let place = match &entry.ledger {
            None => format!("entry {}", entry.index),
            Some(ledger) => format!(
                "entry {} of ledger {}{}",
                entry.index,
                short(ledger),
                if entry.trusted == Some(true) { ", trusted" } else { ", not trusted here" }
            ),
        };
        context.ui.line(&format!("{indent}  {DIM}{place}, {}{DIM:#}", entry.id))?;
        context.ui.line(&format!(
            "{indent}  {DIM}by '{}' {} at {}{DIM:#}",
            safe(&entry.iss),
            entry.kid,
            entry.time
        ))?;
    }
    if let Some(content) = &step.content {
        let state = match content.state {
            "listed" => "listed, its bytes are not kept here",
            "unpublished" => "not published",
            state => state,
        };
        context
            .ui
            .line(&format!("{indent}  {DIM}{}, {} bytes, {}{DIM:#}", content.address, content.size, state))?;
    }
    step.steps.iter().try_for_each(|inner| print_step(context, inner, depth + 1))
}
