//! What governs a session and where it is told: the options that 'dev' and 'session' share.

use super::context::Context;
use super::ui::{one_line, safe};
use super::{export, git, lookup};
use clap::Args;
use ledger_format::{Address, Body, Target};
use promptos::catalog::{Catalog, Finding};
use promptos::error::{Error, Kind, Result};
use promptos::ledger::{Entry, Ledger};
use promptos::session::{Planned, SESSION_FILE, SessionRequest, ci, in_force, plan_session, session_json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the PR block says that the artifact will be, unless it is written elsewhere.
const EVIDENCE_FOLDER: &str = "artifacts/evidence";

/// What governs a session.
#[derive(Args)]
pub(crate) struct Governing {
    /// The prompts that govern the session, by id or ref: P00,P01 or P00.v1
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) prompts: Vec<String>,
    #[command(flatten)]
    pub(crate) catalog: super::catalog::CatalogOption,
    /// Who runs the session, as claimed; by default git's user
    #[arg(long)]
    pub(crate) developer: Option<String>,
    /// The repository that is worked on; by default git's remote, else the folder's name
    #[arg(long, value_name = "NAME")]
    pub(crate) target_repo: Option<String>,
    /// What the session is about
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) notes: String,
    #[command(flatten)]
    pub(crate) more: More,
}

/// What a session used, beside its prompts.
#[derive(Args)]
pub(crate) struct More {
    /// A recorded render that the session used; its prompt counts as named. May be repeated
    #[arg(long, value_name = "ENTRY")]
    pub(crate) render: Vec<String>,
    /// A file to keep with the session; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) attach: Vec<PathBuf>,
    /// Record although a secret was found; the reason is recorded too
    #[arg(long, value_name = "REASON")]
    pub(crate) allow_secret: Option<String>,
}

/// Where a session goes as a file.
#[derive(Args)]
pub(crate) struct Out {
    /// Export the session there as well (see 'export')
    #[arg(long, value_name = "DIR")]
    artifacts_dir: Option<PathBuf>,
    /// Replace exported files that differ
    #[arg(long, requires = "artifacts_dir")]
    force: bool,
}

impl Governing {
    /// The catalog that `--catalog` or the project names; meanwhile git is asked what is worked on.
    pub(crate) fn open(&self, context: &Context<'_>) -> Result<(Catalog, git::Commit)> {
        let commit = git::Commit::begin(&context.dir)?;
        Ok((context.catalog_from(self.catalog.locator()?.as_ref())?, commit))
    }

    /// Lints, resolves and puts together; says what there is to know. No ledger is written.
    pub(crate) fn plan<'c>(
        &self,
        context: &Context<'_>,
        (catalog, commit): (&'c Catalog, git::Commit),
    ) -> Result<Planned<'c>> {
        let renders = self.renders(context)?;
        let prompts = self.prompts(catalog, &renders)?;
        if prompts.is_empty() {
            return Err(no_prompts(catalog));
        }
        let now = context.now()?;
        let developer = match &self.developer {
            None => git::user_name(&context.dir)?.or_else(|| std::env::var("USER").ok()),
            given => given.clone(),
        };
        let root = context.root()?;
        let folder = || root.file_name().map(|name| name.to_string_lossy().into_owned());
        let target_repo = match &self.target_repo {
            None => git::remote_name(&context.dir)?.or_else(folder),
            given => given.clone(),
        };
        let details = [
            ("developer", developer.unwrap_or_default()),
            ("target", target_repo.unwrap_or_default()),
            ("notes", self.notes.clone()),
        ];
        let details: BTreeMap<String, String> =
            details.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let request = SessionRequest {
            id: context.new_id(now)?,
            prompts: &prompts,
            renders: &renders,
            details,
            catalog_version: context.catalog_version(catalog, self.catalog.locator()?.as_ref())?,
            // Asked last, since git is still at it.
            target: commit.answer()?.map(|(commit, dirty)| Target { commit, dirty }),
            attachments: &self.more.attach,
            allow_secret: self.more.allow_secret.as_deref(),
            lint: context.settings()?.lint,
            tool: super::version::TOOL.to_owned(),
            salts: [context.random()?, context.random()?],
        };
        let planned = plan_session(catalog, &request)?;
        planned
            .warnings
            .iter()
            .map(Finding::to_string)
            .chain(planned.remarks.iter().cloned())
            .for_each(|text| context.ui.warn(&one_line(&text, 2000)));
        let named = prompts.iter().zip(&planned.prompts);
        let choices = named.filter_map(|(wanted, prompt)| Catalog::choice(wanted, prompt));
        choices.for_each(|choice| context.ui.note(&one_line(&choice, 300)));
        Ok(planned)
    }

    fn renders(&self, context: &Context<'_>) -> Result<Vec<Entry>> {
        if self.more.render.is_empty() {
            return Ok(Vec::new());
        }
        let ledger = context.read()?;
        let render = |wanted: &String| {
            let entry = lookup::entry(&ledger, wanted)?;
            if matches!(entry.statement.body, Body::Render(_)) {
                return Ok(entry);
            }
            let what = one_line(&entry.statement.subject(), 80);
            Err(Error::failed(format!("entry {} is {what}, no render", entry.index))
                .hint("promptos prompt render --record records one; promptos log --kind render lists them"))
        };
        self.more.render.iter().map(render).collect()
    }

    /// The prompts as named, and those of the renders.
    fn prompts(&self, catalog: &Catalog, renders: &[Entry]) -> Result<Vec<String>> {
        let named = self.prompts.iter().map(|id| id.trim()).filter(|id| !id.is_empty());
        let mut prompts: Vec<String> = named.map(str::to_owned).collect();
        let mut refs: Vec<String> = Vec::new();
        refs.extend(prompts.iter().filter_map(|id| Some(catalog.resolve(id).ok()?.reference())));
        for render in renders {
            let Body::Render(body) = &render.statement.body else { continue };
            let reference = &body.prompt.reference;
            let found = catalog.resolve(reference)?;
            if Address::of(&found.bytes) != body.prompt.content.blake3 {
                return Err(Error::findings(format!(
                    "{reference} is not in the catalog as it was rendered in entry {}",
                    render.index
                )));
            }
            if !refs.contains(reference) {
                prompts.push(reference.clone());
                refs.push(reference.clone());
            }
        }
        Ok(prompts)
    }
}

fn no_prompts(catalog: &Catalog) -> Error {
    let mut error =
        Error::new(Kind::Usage, "no prompts: name those that govern the session with --prompts A,B");
    for (gate, prompt) in catalog.gates() {
        error = error.hint(format!("{gate:<5} {} ({})", prompt.title, prompt.reference()));
    }
    error
}

/// Refuses refs that are bound to other bytes, and puts the session under the snapshot that is in force.
pub(crate) fn settle(context: &Context<'_>, ledger: &Ledger, planned: &mut Planned<'_>) -> Result<()> {
    let refs = planned.used().iter().map(|used| (used.reference.as_str(), used.content.blake3));
    ledger.check_bindings(refs)?;
    match in_force(ledger, planned.used())? {
        Ok(snapshot) => {
            planned.govern(&snapshot);
        }
        Err(why) => why.iter().for_each(|why| context.ui.note(&safe(why))),
    }
    Ok(())
}

/// Says under which snapshot a session or its start stands.
pub(crate) fn note_snapshot(context: &Context<'_>, body: &Body) {
    if let Body::Start(session) | Body::Session(session) = body
        && session.snapshot.is_some()
    {
        // The snapshot's name is then the catalog's version.
        context.ui.note(&format!("under the snapshot {}", one_line(&session.catalog, 200)));
    }
}

/// What every report on a session or its start says.
pub(crate) fn session_report(ledger: &Ledger, entry: &Entry) -> Value {
    let (Body::Start(session) | Body::Session(session)) = &entry.statement.body else { return Value::Null };
    let prompts = session.prompts.iter().map(|used| {
        json!({
            "ref": used.reference, "gate": used.gate, "blake3": hex::encode(used.content.blake3.0),
        })
    });
    json!({
        "entry": super::show::entry_json(entry),
        "session": entry.statement.name,
        "ledger": hex::encode(ledger.id().0),
        "prompts": prompts.collect::<Vec<_>>(),
        "catalog": session.catalog,
        "snapshot": session.snapshot.map(|id| id.to_string()),
        "renders": session.renders.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

impl Out {
    /// A new session's files never equal those that are there.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(dir) = &self.artifacts_dir else { return Ok(()) };
        if dir.exists() && !dir.is_dir() {
            return Err(Error::failed(format!("{} is not a folder", dir.display())));
        }
        let file = dir.join(SESSION_FILE);
        if file.exists() && !self.force {
            return Err(Error::failed(format!("{} is there already; nothing was recorded", file.display()))
                .hint("--force replaces it, and the session that it names stays in the ledger"));
        }
        Ok(())
    }

    /// Exports a session that was just recorded, when that was asked for, and prints its block or the report `name`.
    pub(crate) fn tell(
        &self,
        context: &Context<'_>,
        ledger: &Ledger,
        entry: &Entry,
        name: &str,
    ) -> Result<()> {
        let mut artifact = None;
        if let Some(dir) = &self.artifacts_dir {
            let written = export::write(ledger, entry, dir, self.force, false);
            let written = written.map_err(|e| {
                e.hint(format!(
                    "the session is recorded as {}; only its export failed: promptos export",
                    entry.statement.id
                ))
            })?;
            artifact = Some(written);
        }
        if context.ui.json {
            let mut report = session_report(ledger, entry);
            if let (Some(fields), Body::Session(session)) = (report.as_object_mut(), &entry.statement.body) {
                fields.insert("artifact".to_owned(), json!(artifact));
                if let Some(life) = &session.life {
                    let events: Vec<String> = life.events.iter().map(ToString::to_string).collect();
                    fields.insert("start".to_owned(), json!(life.start.to_string()));
                    fields.insert("events".to_owned(), json!(events));
                }
            }
            return context.ui.report(name, report);
        }
        let statement = &entry.statement;
        note_snapshot(context, &statement.body);
        context.ui.note(&format!(
            "session {} is entry {} of '{}', signed by '{}' with {}",
            statement.name,
            entry.index,
            ledger.name(),
            statement.issuer,
            statement.kid
        ));
        let shown = match &artifact {
            Some(path) => {
                let name = || path.file_name().map(PathBuf::from).unwrap_or_default();
                context.in_project(path).unwrap_or_else(name)
            }
            None => {
                context.ui.note(&format!(
                    "its artifact is not written yet: promptos export --artifacts-dir {EVIDENCE_FOLDER}"
                ));
                Path::new(EVIDENCE_FOLDER).join(SESSION_FILE)
            }
        };
        let document = session_json(ledger, entry)?;
        context.ui.line(&ci::block(&document, &shown.to_string_lossy()))
    }
}
