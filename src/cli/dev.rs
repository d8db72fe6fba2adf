use super::context::Context;
use super::ui::{one_line, safe};
use super::{export, git, lookup};
use clap::Args;
use ledger_format::{Address, Body, Kid, Target};
use promptos::catalog::{Catalog, Finding};
use promptos::error::{Error, Kind, Result};
use promptos::ledger::Entry;
use promptos::session::{SESSION_FILE, SessionRequest, ci, in_force, plan_session, session_json};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the PR block says that the artifact will be, unless it is written elsewhere.
const EVIDENCE_FOLDER: &str = "artifacts/evidence";

/// Record a governed session: lint, resolve, bind, sign, append, print the PR block
#[derive(Args)]
pub(crate) struct Dev {
    /// The prompts that govern the session, by id or ref: P00,P01 or P00.v1
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    prompts: Vec<String>,
    #[command(flatten)]
    catalog: super::catalog::CatalogOption,
    /// Who runs the session, as claimed; by default git's user
    #[arg(long)]
    developer: Option<String>,
    /// The repository that is worked on; by default git's remote, else the folder's name
    #[arg(long, value_name = "NAME")]
    target_repo: Option<String>,
    /// What the session is about
    #[arg(long, default_value = "", hide_default_value = true)]
    notes: String,
    /// A recorded render that the session used; its prompt counts as named. May be repeated
    #[arg(long, value_name = "ENTRY")]
    render: Vec<String>,
    /// A file to keep with the session; may be repeated
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Export the session there as well (see 'export')
    #[arg(long, value_name = "DIR")]
    artifacts_dir: Option<PathBuf>,
    /// Replace exported files that differ
    #[arg(long, requires = "artifacts_dir")]
    force: bool,
    /// Record although a secret was found; the reason is recorded too
    #[arg(long, value_name = "REASON")]
    allow_secret: Option<String>,
}

impl Dev {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let locator = self.catalog.locator()?;
        let catalog = context.catalog_from(locator.as_ref())?;
        let renders = self.renders(context)?;
        let prompts = self.prompts(&catalog, &renders)?;
        if prompts.is_empty() {
            return Err(no_prompts(&catalog));
        }
        let now = context.now()?;
        let developer = match self.developer {
            None => git::user_name(&context.dir)?.or_else(|| std::env::var("USER").ok()),
            given => given,
        };
        let root = context.root()?;
        let folder = || root.file_name().map(|name| name.to_string_lossy().into_owned());
        let target_repo = match self.target_repo {
            None => git::remote_name(&context.dir)?.or_else(folder),
            given => given,
        };
        let details = [
            ("developer", developer.unwrap_or_default()),
            ("target", target_repo.unwrap_or_default()),
            ("notes", self.notes),
        ];
        let details: BTreeMap<String, String> =
            details.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let request = SessionRequest {
            id: context.new_id(now)?,
            prompts: &prompts,
            renders: &renders,
            details,
            target: git::commit(&context.dir)?.map(|(commit, dirty)| Target { commit, dirty }),
            attachments: &self.attach,
            allow_secret: self.allow_secret.as_deref(),
            lint: context.settings()?.lint,
            tool: super::version::TOOL.to_owned(),
            catalog_version: context.catalog_version(&catalog, locator.as_ref())?,
            salts: [context.random()?, context.random()?],
        };
        let mut planned = plan_session(&catalog, &request)?;
        planned
            .warnings
            .iter()
            .map(Finding::to_string)
            .chain(planned.remarks.iter().cloned())
            .for_each(|text| context.ui.warn(&one_line(&text, 2000)));
        let named = prompts.iter().zip(&planned.prompts);
        let choices = named.filter_map(|(wanted, prompt)| Catalog::choice(wanted, prompt));
        choices.for_each(|choice| context.ui.note(&one_line(&choice, 300)));
        if let Some(dir) = &self.artifacts_dir {
            check_folder(dir, self.force)?;
        }

        let key = context.key()?;
        let ledger = context.write_or_create(&key)?;
        let refs = planned.used().iter().map(|used| (used.reference.as_str(), used.content.blake3));
        ledger.check_bindings(refs)?;
        let snapshot = match in_force(&ledger, planned.used())? {
            Ok(snapshot) => {
                planned.govern(&snapshot);
                Some(snapshot)
            }
            Err(why) => {
                why.iter().for_each(|why| context.ui.note(&safe(why)));
                None
            }
        };
        let Body::Session(session) = &planned.new.body else {
            return Err(Error::bug("a session without a body"));
        };
        let entry = context.append(&ledger, &key, &planned.new)?;

        let mut artifact = None;
        if let Some(dir) = &self.artifacts_dir {
            let written = export::write(&ledger, &entry, dir, self.force, false);
            let written = written.map_err(|e| {
                e.hint(format!(
                    "the session is recorded as {}; only its export failed: promptos export",
                    entry.statement.id
                ))
            })?;
            artifact = Some(written);
        }
        if context.ui.json {
            return context.ui.report("dev", json!({
                "entry": super::show::entry_json(&entry),
                "session": entry.statement.name,
                "ledger": hex::encode(ledger.id().0),
                "prompts": session.prompts.iter().map(|used| json!({
                    "ref": used.reference, "gate": used.gate, "blake3": hex::encode(used.content.blake3.0),
                })).collect::<Vec<_>>(),
                "catalog": session.catalog,
                "snapshot": snapshot.map(|snapshot| snapshot.statement.id.to_string()),
                "renders": session.renders.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "artifact": artifact,
            }));
        }
        if let Some(snapshot) = &snapshot {
            context.ui.note(&format!("under the snapshot {}", snapshot.statement.name));
        }
        context.ui.note(&format!(
            "session {} is entry {} of '{}', signed by '{}' with {}",
            entry.statement.name,
            entry.index,
            ledger.name(),
            entry.statement.issuer,
            Kid::of(&key.public)
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
        let document = session_json(&ledger, &entry)?;
        context.ui.line(&ci::block(&document, &shown.to_string_lossy()))
    }
}

impl Dev {
    fn renders(&self, context: &Context<'_>) -> Result<Vec<Entry>> {
        if self.render.is_empty() {
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
        self.render.iter().map(render).collect()
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

/// A new session's files never equal those that are there.
fn check_folder(dir: &Path, force: bool) -> Result<()> {
    if dir.exists() && !dir.is_dir() {
        return Err(Error::failed(format!("{} is not a folder", dir.display())));
    }
    let file = dir.join(SESSION_FILE);
    if file.exists() && !force {
        return Err(Error::failed(format!("{} is there already; nothing was recorded", file.display()))
            .hint("--force replaces it, and the session that it names stays in the ledger"));
    }
    Ok(())
}
