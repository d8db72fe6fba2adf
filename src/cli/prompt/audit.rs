use super::{sources_json, warn_of_problems};
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::ui::{BAD, BOLD, DIM, WARN, one_line, safe};
use clap::Args;
use ledger_format::Address;
use promptos::error::{Error, Result};
use promptos::ledger::rfc3339 as time;
use promptos::ledger::{Stated, Uses};
use promptos::session::{Audited, Mark, audit};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// So many refs are named in an error.
const NAMED: usize = 3;
/// So many versions fit on a line.
const VERSIONS: usize = 80;

/// Compare the catalog with the ledger: who bound each ref, which snapshots have it, what used it
#[derive(Args)]
pub(crate) struct Audit {
    /// Only this ref, such as P00.v1, or every version of this id; with all that used it
    prompt: Option<String>,
    /// Only prompts of this scope
    #[arg(long, value_parser = ["user", "agent", "global"])]
    scope: Option<String>,
    #[command(flatten)]
    catalog: CatalogOption,
}

impl Audit {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let catalog = context.catalog_from(self.catalog.locator()?.as_ref())?;
        let ledger = context.read_if_there()?;
        if let Some(ledger) = &ledger {
            context.check_pin(ledger)?;
        }
        let uses = ledger.as_ref().map(promptos::ledger::Ledger::uses).transpose()?.unwrap_or_default();
        let all = audit(&catalog, ledger.as_ref(), &uses)?;
        let named = |of: &&Audited<'_>| {
            self.prompt.as_ref().is_none_or(|wanted| *wanted == of.reference || *wanted == of.id)
        };
        let mut shown: Vec<&Audited<'_>> = all.iter().filter(named).collect();
        if let (Some(wanted), []) = (&self.prompt, shown.as_slice()) {
            // The catalog knows what similar prompts there are.
            return catalog.resolve(wanted).and_then(|_| Err(Error::bug("a prompt was left out")));
        }
        let ids: BTreeSet<&str> = shown.iter().map(|of| of.id.as_str()).collect();
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for of in all.iter().filter(|of| ids.contains(of.id.as_str())) {
            versions.entry(&of.id).or_default().push(&of.version);
        }
        shown.retain(|of| self.scope.is_none() || self.scope == of.scope);
        let count = |mark: Mark| shown.iter().filter(|of| of.marks.contains(&mark)).count();

        if context.ui.json {
            let prompts = shown.iter().map(|of| row_json(of, &uses, self.prompt.is_some()));
            let counts =
                Mark::ALL.into_iter().map(|mark| (mark.words().replace(' ', "_"), json!(count(mark))));
            context.ui.report(
                "prompt-audit",
                json!({
                    "ledger": ledger.as_ref().map(|ledger| hex::encode(ledger.id().0)),
                    "prompts": prompts.collect::<Vec<_>>(),
                    "versions": versions,
                "count": shown.len(),
                    "counts": counts.collect::<Map<_, _>>(),
                    "snapshots_unlisted": uses.unlisted().map(said_json).collect::<Vec<_>>(),
                    "sources": sources_json(context, &catalog),
                }),
            )?;
        } else {
            match &self.prompt {
                Some(_) => shown
                    .iter()
                    .try_for_each(|of| print_one(context, of, versions.get(of.id.as_str()), &uses))?,
                None => print_table(context, &shown, &uses)?,
            }
            let counts = Mark::ALL.map(|mark| format!("{} {}", count(mark), mark.words()));
            context.ui.line(&format!("{}: {}", counted(shown.len(), "ref"), counts.join(", ")))?;
        }
        if ledger.is_none() {
            context.ui.note("there is no ledger here, so nothing is bound or used");
        }
        for snapshot in uses.unlisted() {
            let name = one_line(snapshot.name(), 80);
            context
                .ui
                .warn(&format!("what the snapshot {name} had cannot be told: its list of files is gone"));
        }
        warn_of_problems(context, &catalog);
        other_bytes(&shown)
    }
}

/// The answer is no when the catalog is not what was bound.
fn other_bytes(shown: &[&Audited<'_>]) -> Result<()> {
    let others: Vec<&str> = shown
        .iter()
        .filter(|of| of.marks.contains(&Mark::OtherBytes))
        .map(|of| of.reference.as_str())
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let more = match others.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first = others.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let have = if others.len() == 1 { "has" } else { "have" };
    Err(Error::findings(format!("{first}{more} {have} other bytes than the ledger bound"))
        .hint("a prompt's version never changes: restore the file, or give the new text a new version"))
}

pub(super) fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn marks(of: &Audited<'_>) -> String {
    let open = (!of.uses.open.is_empty()).then(|| counted(of.uses.open.len(), "open session"));
    let marks = of.marks.iter().map(|mark| mark.words().to_owned());
    marks.chain(open).collect::<Vec<_>>().join(", ")
}

fn print_table(context: &Context<'_>, shown: &[&Audited<'_>], uses: &Uses) -> Result<()> {
    let refs: Vec<String> = shown.iter().map(|of| one_line(&of.reference, 240)).collect();
    let column = refs.iter().map(|text| text.chars().count()).max().unwrap_or_default().clamp(3, 48);
    if !shown.is_empty() {
        context.ui.line(&format!("{DIM}{:<column$}  sessions  runs  snapshots  bound{DIM:#}", "ref"))?;
    }
    for (of, reference) in shown.iter().zip(refs) {
        let bound = of.uses.bound.and_then(|(_, at)| uses.said(at));
        let bound = bound.map_or_else(
            || "-".to_owned(),
            |said| format!("entry {} by '{}' at {}", said.index, one_line(&said.issuer, 60), time(said.time)),
        );
        let color = if of.marks.contains(&Mark::OtherBytes) { BAD } else { WARN };
        let line = format!(
            "{BOLD}{reference:<column$}{BOLD:#}  {:>8}  {:>4}  {:>9}  {bound}  {color}{}{color:#}",
            of.uses.sessions.len(),
            uses.runs(&of.uses).len(),
            of.uses.snapshots.len(),
            marks(of),
        );
        context.ui.line(line.trim_end())?;
    }
    Ok(())
}

fn print_one(
    context: &Context<'_>,
    of: &Audited<'_>,
    versions: Option<&Vec<&str>>,
    uses: &Uses,
) -> Result<()> {
    let line = |label: &str, text: &str| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
    let said = |at: u64| match uses.said(at) {
        None => format!("entry {at}"),
        Some(said) => format!(
            "{} {DIM}(entry {} by '{}' at {}){DIM:#}{}",
            one_line(&said.subject, 120),
            said.index,
            one_line(&said.issuer, 60),
            time(said.time),
            said.doubt.map_or(String::new(), |doubt| format!("  {WARN}{doubt}{WARN:#}"))
        ),
    };
    let against = |content: Address| match of.uses.bound {
        Some((bound, _)) if bound != content => format!(", {BAD}OTHER bytes{BAD:#}"),
        _ => String::new(),
    };
    line("ref", &safe(&of.reference))?;
    let versions: Vec<&str> = versions.into_iter().flatten().take(VERSIONS).copied().collect();
    line("versions", &one_line(&versions.join(", "), 240))?;
    line("status", &one_line(of.status.as_deref().unwrap_or("cannot be told"), 40))?;
    match &of.prompt {
        None => line("catalog", "has no such prompt")?,
        Some((prompt, content)) => {
            let path = one_line(&prompt.path.display().to_string(), 240);
            line("catalog", &format!("{} {path}, {content}{}", prompt.layer, against(*content)))?;
        }
    }
    match of.uses.bound {
        None => line("bound", "not in this ledger")?,
        Some((content, at)) => line("bound", &format!("{content} by {}", said(at)))?,
    }
    for (at, content) in &of.uses.snapshots {
        line("in", &format!("{}{}", said(*at), against(*content)))?;
    }
    for at in &of.uses.open {
        line("open in", &said(*at))?;
    }
    for at in of.uses.sessions.iter().chain(&of.uses.renders).chain(&uses.runs(&of.uses)) {
        line("used by", &said(*at))?;
    }
    if !marks(of).is_empty() {
        line("mark", &marks(of))?;
    }
    context.ui.line("")
}

pub(super) fn said_json(said: &Stated) -> Value {
    let mut value = json!({
        "index": said.index,
        "id": said.id.to_string(),
        "sub": said.subject,
        "iss": said.issuer,
        "kid": said.kid.to_string(),
        "time": time(said.time),
    });
    if let (Some(doubt), Value::Object(fields)) = (said.doubt, &mut value) {
        fields.insert("doubt".to_owned(), json!(doubt));
    }
    value
}

/// `each`: not only the first and last of what used it.
fn row_json(of: &Audited<'_>, uses: &Uses, each: bool) -> Value {
    let entry = |at: &u64| uses.said(*at).map(said_json);
    let users = |entries: &[u64]| {
        let mut users = json!({
            "count": entries.len(),
            "first": entries.first().and_then(entry),
            "last": entries.last().and_then(entry),
        });
        if let (true, Value::Object(fields)) = (each, &mut users) {
            fields.insert("entries".to_owned(), entries.iter().filter_map(entry).collect());
        }
        users
    };
    let snapshots = of.uses.snapshots.iter().map(|(at, content)| {
        json!({
            "name": uses.said(*at).map(Stated::name), "index": at, "blake3": hex::encode(content.0),
        })
    });
    json!({
        "ref": of.reference,
        "prompt_id": of.id,
        "version": of.version,
        "status": of.status,
        "scope": of.scope,
        "catalog": of.prompt.as_ref().map(|(prompt, content)| json!({
            "layer": prompt.layer, "path": prompt.path.to_string_lossy(), "blake3": hex::encode(content.0),
        })),
        "bound": of.uses.bound.as_ref().map(|(content, at)| json!({
            "blake3": hex::encode(content.0), "entry": entry(at),
        })),
        "snapshots": snapshots.collect::<Vec<_>>(),
        "sessions": users(&of.uses.sessions),
        "open": users(&of.uses.open),
        "renders": users(&of.uses.renders),
        "runs": users(&uses.runs(&of.uses)),
        "marks": of.marks,
    })
}
