use super::audit::{counted, said_json};
use super::warn_of_problems;
use crate::cli::catalog::CatalogOption;
use crate::cli::context::{Context, exists};
use crate::cli::lookup::{content, is_prefix};
use crate::cli::ui::{BOLD, DIM, WARN, one_line, safe, short, width};
use crate::cli::workflow::{read, yaml_files};
use clap::Args;
use ledger_format::Address;
use promptos::catalog::{Catalog, split_ref};
use promptos::error::{Error, Result};
use promptos::ledger::rfc3339 as time;
use promptos::ledger::{Ledger, User, Users, Wanted};
use promptos::workflow::{Lock, MAX_WORKFLOW_BYTES, names};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Say what uses a prompt: workflows, snapshots, sessions, renders and runs
///
/// Workflows are the YAML files of the project that are some, or the files named. The rest is what the ledger says.
#[derive(Args)]
pub(crate) struct WhereUsed {
    /// A ref such as P00.v1, an id such as P00 (every version), or the digest of a content (blake3:…)
    #[arg(value_name = "REF")]
    wanted: String,
    /// Workflow files, in the place of those of the project
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    catalog: CatalogOption,
}

/// No content has it: the address of what is not known.
const NOTHING: Address = Address([0; 32]);

/// A workflow that names a ref.
struct Caller {
    path: String,
    workflow: Option<String>,
    version: Option<String>,
    /// What stands there: the ref, or an id that stands for it now.
    text: String,
    steps: Vec<String>,
    line: usize,
    /// Whether its lock has the ref with the content of the catalog; `None` without a lock.
    locked: Option<bool>,
}

/// What uses one ref.
#[derive(Default)]
struct Row {
    callers: Vec<Caller>,
    users: Users,
}

impl WhereUsed {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let catalog = context.catalog_from(self.catalog.locator()?.as_ref())?;
        let ledger = context.read_if_there()?;
        if let Some(ledger) = &ledger {
            context.check_pin(ledger)?;
        }
        let wanted = wanted(&self.wanted, &catalog, ledger.as_ref())?;
        let (used, unlisted) = match &ledger {
            Some(ledger) => ledger.where_used(&wanted)?,
            None => Default::default(),
        };
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for prompt in catalog.prompts() {
            let reference = prompt.reference();
            if wanted.is(&reference, &Address::of(&prompt.bytes)) {
                rows.entry(reference).or_default();
            }
        }
        for (reference, users) in used {
            rows.entry(reference).or_default().users = users;
        }
        let looked_at = self.add_callers(context, &catalog, ledger.as_ref(), &wanted, &mut rows)?;
        if rows.is_empty() && !matches!(wanted, Wanted::Content(_)) {
            // The catalog knows what similar prompts there are.
            catalog.resolve(&self.wanted)?;
        }
        let mut rows: Vec<(String, Row)> = rows.into_iter().collect();
        let parts =
            |reference: &str| split_ref(reference).map(|(id, version)| (id.to_owned(), version.to_owned()));
        rows.sort_by(|(a, _), (b, _)| match (parts(a), parts(b)) {
            (Some((a, v)), Some((b, w))) => {
                a.cmp(&b).then_with(|| promptos::catalog::compare_versions(&v, &w))
            }
            _ => a.cmp(b),
        });
        if context.ui.json {
            context.ui.report(
                "prompt-where-used",
                json!({
                    "wanted": match &wanted {
                        Wanted::Ref(reference) => json!({"ref": reference}),
                        Wanted::Id(id) => json!({"prompt_id": id}),
                        Wanted::Content(content) => json!({"blake3": hex::encode(content.0)}),
                    },
                    "ledger": ledger.as_ref().map(|ledger| hex::encode(ledger.id().0)),
                    "prompts": rows.iter().map(|(r, row)| row_json(&catalog, r, row)).collect::<Vec<_>>(),
                    "snapshots_unlisted": unlisted.iter().map(said_json).collect::<Vec<_>>(),
                    "workflows": looked_at,
                }),
            )?;
        } else {
            for (reference, row) in &rows {
                print(context, &catalog, reference, row)?;
            }
            let total = |list: fn(&Users) -> &Vec<User>| {
                let entries = rows.iter().flat_map(|(_, row)| list(&row.users));
                entries.map(|user| user.said.index).collect::<BTreeSet<_>>().len()
            };
            let callers: BTreeSet<&str> =
                rows.iter().flat_map(|(_, row)| &row.callers).map(|caller| caller.path.as_str()).collect();
            context.ui.line(&format!(
                "{}: {}, {}, {}, {}, {}",
                counted(rows.len(), "ref"),
                counted(callers.len(), "workflow"),
                counted(total(|users| &users.snapshots), "snapshot"),
                counted(total(|users| &users.sessions), "session"),
                counted(total(|users| &users.renders), "render"),
                counted(total(|users| &users.runs), "run"),
            ))?;
            context.ui.note(&format!("{} looked at", counted(looked_at, "workflow")));
        }
        if ledger.is_none() {
            context.ui.note(
                "there is no ledger here, so nothing is known of snapshots, sessions, renders and runs",
            );
        }
        for snapshot in &unlisted {
            let name = one_line(snapshot.name(), 80);
            context
                .ui
                .warn(&format!("what the snapshot {name} had cannot be told: its list of files is gone"));
        }
        warn_of_problems(context, &catalog);
        Ok(())
    }

    /// Finds the workflows that name what is wanted. Answers how many workflows were looked at.
    fn add_callers(
        &self,
        context: &Context<'_>,
        catalog: &Catalog,
        ledger: Option<&Ledger>,
        wanted: &Wanted,
        rows: &mut BTreeMap<String, Row>,
    ) -> Result<usize> {
        let found = if self.files.is_empty() { yaml_files(context)? } else { Vec::new() };
        let named = self.files.iter().map(|file| context.dir.join(file));
        let mut looked_at = 0;
        for path in found.into_iter().chain(named) {
            let bytes = match read(&path, MAX_WORKFLOW_BYTES) {
                Ok(bytes) => bytes,
                Err(error) if !self.files.is_empty() => return Err(error),
                Err(error) => {
                    context.ui.warn(&safe(&error.to_string()));
                    continue;
                }
            };
            let shown = context.shown(&path);
            let Some(naming) = names(&bytes).filter(|_| bytes.len() as u64 <= MAX_WORKFLOW_BYTES) else {
                let seems = bytes.split(|b| *b == b'\n').any(|line| line.starts_with(b"workflow_id:"));
                if !self.files.is_empty() {
                    return Err(Error::failed(format!("{shown} is no workflow that can be read"))
                        .hint("promptos workflow check FILE tells what is wrong"));
                }
                if seems {
                    context.ui.warn(&format!("{shown} cannot be read; 'promptos workflow check' tells why"));
                }
                continue;
            };
            looked_at += 1;
            let lock = lock_of(context, &path)?;
            for named in naming.named {
                let prompt = catalog.resolve(&named.text).ok();
                let reference = prompt.map_or_else(|| named.text.clone(), |prompt| prompt.reference());
                let here = match prompt {
                    Some(prompt) => Some(Address::of(&prompt.bytes)),
                    None => match ledger {
                        Some(ledger) => ledger.bound(&reference)?.map(|(content, _)| content),
                        None => None,
                    },
                };
                let entry = lock.iter().flat_map(Lock::entries).find(|entry| entry.reference == reference);
                let in_lock: Option<Address> = entry.and_then(|entry| entry.blake3.parse().ok());
                // Its lock says which content it means, whatever the catalog has now.
                let content = in_lock.filter(|_| matches!(wanted, Wanted::Content(_))).or(here);
                let fits = match wanted {
                    Wanted::Ref(wanted) => *wanted == reference,
                    Wanted::Id(id) if *id == named.text => true,
                    wanted => wanted.is(&reference, &content.unwrap_or(NOTHING)),
                };
                if !fits {
                    continue;
                }
                let callers = &mut rows.entry(reference).or_default().callers;
                let step = named.step.unwrap_or_else(|| "defaults".to_owned());
                match callers.iter_mut().find(|caller| caller.path == shown && caller.text == named.text) {
                    Some(caller) if caller.steps.contains(&step) => {}
                    Some(caller) => caller.steps.push(step),
                    None => callers.push(Caller {
                        path: shown.clone(),
                        workflow: naming.workflow_id.clone(),
                        version: naming.version.clone(),
                        text: named.text,
                        steps: vec![step],
                        line: named.line,
                        locked: lock.as_ref().map(|_| in_lock.is_some() && in_lock == here),
                    }),
                }
            }
        }
        Ok(looked_at)
    }
}

/// What a person means by a ref, an id or a digest.
fn wanted(text: &str, catalog: &Catalog, ledger: Option<&Ledger>) -> Result<Wanted> {
    let digits = text.strip_prefix("blake3:").unwrap_or(text);
    let is_digest = is_prefix(digits) && (digits != text || catalog.versions(text).is_empty());
    if !is_digest {
        if digits != text {
            return Err(Error::usage(format!("'{}' is no digest", one_line(text, 80)))
                .hint("a digest is blake3: and 64 hex digits, or the first 8 or more of them"));
        }
        let is_ref = split_ref(text).is_some() && catalog.versions(text).is_empty();
        return Ok(if is_ref { Wanted::Ref(text.to_owned()) } else { Wanted::Id(text.to_owned()) });
    }
    let here = catalog.prompts().iter().map(|prompt| Address::of(&prompt.bytes));
    let mut found: BTreeSet<[u8; 32]> =
        here.filter(|address| hex::encode(address.0).starts_with(digits)).map(|address| address.0).collect();
    if let Some(ledger) = ledger {
        found.extend(content(ledger, digits)?.map(|address| address.0));
    }
    match (found.pop_first(), found.is_empty()) {
        (Some(address), true) => Ok(Wanted::Content(Address(address))),
        (Some(_), false) => {
            Err(Error::failed(format!("more than one content begins with {digits}")).hint("give more digits"))
        }
        (None, _) => digits.parse().map(Wanted::Content).map_err(|_| {
            Error::failed(format!("no content of the catalog or the ledger begins with {digits}"))
                .hint("a digest is blake3: and 64 hex digits, or the first 8 or more of them")
        }),
    }
}

/// The lock beside a workflow. One that cannot be read is as none, and said.
fn lock_of(context: &Context<'_>, workflow: &Path) -> Result<Option<Lock>> {
    let path = Lock::path_of(workflow);
    if !exists(&path)? {
        return Ok(None);
    }
    match read(&path, MAX_WORKFLOW_BYTES).and_then(|bytes| Lock::parse(&path, &bytes)) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) => {
            context.ui.warn(&safe(&error.to_string()));
            Ok(None)
        }
    }
}

/// How a ref stands in the catalog: whether it is what its id stands for, or what is.
fn standing(catalog: &Catalog, reference: &str) -> (&'static str, Option<String>) {
    let Ok(prompt) = catalog.resolve(reference) else { return ("gone", None) };
    let newest = catalog.resolve(&prompt.id).ok().filter(|newest| newest.is_current());
    let by = newest.map(|newest| newest.reference()).filter(|newest| *newest != prompt.reference());
    match (prompt.status.as_deref(), &by) {
        (None | Some("current"), None) => ("current", None),
        (Some("draft"), _) => ("draft", by),
        (None | Some("current"), Some(_)) => ("superseded", by),
        (Some("deprecated"), _) => ("deprecated", by),
        (Some(_), _) => ("archived", by),
    }
}

fn row_json(catalog: &Catalog, reference: &str, row: &Row) -> Value {
    let user = |user: &User| {
        let mut value = said_json(&user.said);
        if let Value::Object(fields) = &mut value {
            fields.insert("blake3".to_owned(), json!(hex::encode(user.content.0)));
            fields.insert("superseded".to_owned(), json!(user.superseded));
        }
        value
    };
    let users = |users: &[User]| users.iter().map(user).collect::<Vec<_>>();
    let (standing, current) = standing(catalog, reference);
    let callers = row.callers.iter().map(|caller| {
        json!({
            "path": caller.path, "workflow_id": caller.workflow, "version": caller.version, "line": caller.line,
            "steps": caller.steps, "named": caller.text, "locked": caller.locked,
        })
    });
    json!({
        "ref": reference,
        "standing": standing,
        "current": current,
        "bound": row.users.bound.as_ref().map(|(content, said)| json!({
            "blake3": hex::encode(content.0), "entry": said_json(said),
        })),
        "workflows": callers.collect::<Vec<_>>(),
        "snapshots": users(&row.users.snapshots),
        "sessions": users(&row.users.sessions),
        "renders": users(&row.users.renders),
        "runs": users(&row.users.runs),
    })
}

fn print(context: &Context<'_>, catalog: &Catalog, reference: &str, row: &Row) -> Result<()> {
    let how = match standing(catalog, reference) {
        ("gone", _) => "not in the catalog".to_owned(),
        ("superseded", Some(by)) => format!("superseded by {by}"),
        (word, Some(by)) => format!("{word}; {by} is current"),
        (word, None) => word.to_owned(),
    };
    context.ui.line(&format!("{BOLD}{}{BOLD:#}  {}", one_line(reference, 240), one_line(&how, 240)))?;
    for caller in &row.callers {
        let workflow = caller.workflow.as_deref().unwrap_or("(no id)");
        let version = caller.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let steps = if caller.steps.len() == 1 { "step" } else { "steps" };
        let mut marks = Vec::new();
        if caller.text != reference {
            marks.push(format!("as {}, which stands for it now", caller.text));
        }
        if caller.locked == Some(false) {
            marks.push("its lock has other bytes, or none".to_owned());
        }
        let name = format!("{}:{}", caller.path, caller.line);
        let more = format!("{workflow}{version}, {steps} {}", caller.steps.join(", "));
        line(context, "workflow", &name, &more, &marks.join("; "))?;
    }
    let Users { bound, sessions, renders, runs, snapshots } = &row.users;
    for (what, users) in [("snapshot", snapshots), ("session", sessions), ("render", renders), ("run", runs)]
    {
        for user in users {
            let said = &user.said;
            let id = short(&said.id.to_string());
            let more = format!("entry {} by '{}' at {}, {id}", said.index, said.issuer, time(said.time));
            let other = bound.as_ref().is_some_and(|(content, _)| *content != user.content);
            let marks = [(user.superseded, "superseded"), (other, "other bytes than bound")];
            let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            line(context, what, said.name(), &more, &marks.join("; "))?;
        }
    }
    if row.callers.is_empty() && [snapshots, sessions, renders, runs].iter().all(|users| users.is_empty()) {
        context.ui.line("  nothing uses it")?;
    }
    Ok(())
}

/// What uses the ref, on one line or, where that is too narrow, on several.
fn line(context: &Context<'_>, what: &str, name: &str, more: &str, mark: &str) -> Result<()> {
    let (name, more, mark) = (one_line(name, 240), one_line(more, 240), one_line(mark, 240));
    let length = 14 + name.chars().count() + more.chars().count() + mark.chars().count();
    let gap = if length <= width().unwrap_or(usize::MAX) { "  " } else { "\n    " };
    let mark = if mark.is_empty() { mark } else { format!("{gap}{WARN}{mark}{WARN:#}") };
    context.ui.line(&format!("  {what:<8}  {name}{gap}{DIM}{more}{DIM:#}{mark}"))
}
