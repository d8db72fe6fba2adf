use super::context::Context;
use super::export;
use super::ui::{self, one_line};
use clap::Args;
use ledger_format::{Body, Cited, Kid, Run};
use promptos::error::{Error, Result};
use promptos::ledger::{Entry, Ledger};
use promptos::session::{
    AttachRequest, Cite, PlannedRun, RUN_EVIDENCE, Separation, check_run, conflicts, plan_run,
    write_atomically,
};
use serde_json::json;
use std::path::PathBuf;

/// Sign a run of an orchestrator with the sessions that fed it
///
/// The run record, a list of all artifacts and the sessions are recorded. A session counts when this ledger
/// holds it, or when the evidence beside its prompt_session.json proves it.
#[derive(Args)]
pub(crate) struct Attach {
    /// The run record; its bytes are kept
    #[arg(long, value_name = "FILE")]
    run_record: PathBuf,
    /// The folder of artifacts; by default the run record's
    #[arg(long, value_name = "DIR")]
    artifacts_dir: Option<PathBuf>,
    /// A session id, an entry or a prompt_session.json; may be repeated; by default all among the artifacts
    #[arg(long, alias = "session-file", value_name = "SESSION")]
    session: Vec<String>,
    /// The run's id, when the run record has no 'run_id'
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
    /// Keep the bytes of all artifacts
    #[arg(long)]
    store: bool,
    /// Attach a run whose id is attached already
    #[arg(long)]
    force: bool,
}

impl Attach {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let settings = context.settings()?;
        let artifacts = match &self.artifacts_dir {
            Some(dir) => dir.clone(),
            None => match self.run_record.parent().filter(|p| !p.as_os_str().is_empty()) {
                Some(parent) => parent.to_owned(),
                None => PathBuf::from("."),
            },
        };
        // What is wrong with the command is told before a ledger or a key is made.
        check_run(&self.run_record, self.run_id.as_deref(), &artifacts, !self.session.is_empty())?;
        if self.session.iter().any(|wanted| !std::path::Path::new(wanted).is_file()) {
            // A session that is no file can only be in a ledger that is there already.
            drop(context.read()?);
        }
        let key = context.key()?;
        let ledger = context.write_or_create(&key)?;
        let mut sessions = Vec::new();
        for wanted in &self.session {
            let path = PathBuf::from(wanted);
            let cite = if path.is_file() {
                Cite::File(path)
            } else {
                Cite::Local(export::session(&ledger, wanted)?.statement.id)
            };
            sessions.push(cite);
        }
        let mut trusted = settings.trust.parse()?;
        trusted.0.push(ledger.id());
        let request = AttachRequest {
            run_record: &self.run_record,
            run_id: self.run_id.as_deref(),
            artifacts: &artifacts,
            sessions,
            store: self.store,
            trusted,
            salt: context.random()?,
        };
        let planned = plan_run(&ledger, &request)?;
        for (evidence, _) in planned.foreign.iter().filter(|(_, trusted)| !trusted) {
            let statement = &evidence.subject.statement;
            context.ui.warn(&format!(
                "session {} is proved by its evidence, but neither its ledger {} nor its key {} is trusted here",
                statement.name, ui::ledger(&evidence.ledger), statement.kid
            ));
        }
        let duties =
            separation(context, &ledger, &planned, &Kid::of(&key.public), settings.policy.separation)?;

        let before = ledger.by_subject(&format!("run/{}", planned.new.name))?.pop();
        let unchanged = before.as_ref().map(|before| same(&ledger, before, &planned)).transpose()?;
        let (entry, again) = match before {
            Some(before) if unchanged == Some(true) => (before, true),
            Some(before) if !self.force => {
                return Err(Error::failed(format!(
                    "the run '{}' is attached already, with other content",
                    one_line(&planned.run_id, 80)
                ))
                .hint(format!("by entry {} ({})", before.index, before.statement.id))
                .hint("--force attaches it once more; both stay in the ledger"));
            }
            _ => (context.append(&ledger, &key, &planned.new)?, false),
        };
        let tar = artifacts.join(RUN_EVIDENCE);
        let written = ledger.take_evidence(&entry).and_then(|bytes| write_atomically(&tar, &bytes, true));
        written.map_err(|e| {
            e.hint(format!(
                "the run is recorded as {}; only its evidence was not written",
                entry.statement.id
            ))
        })?;
        if again {
            context.ui.note("this run was attached before with the same content; nothing new was recorded");
        }
        if context.ui.json {
            return context.ui.report("attach", json!({
                "entry": super::show::entry_json(&entry), "run_id": planned.run_id, "artifacts": planned.artifacts.len(),
                "sessions": super::show::sessions_json(&entry.statement.body), "duties": duties, "evidence": tar, "recorded": !again,
            }));
        }
        let cited = planned.local.len() + planned.foreign.len();
        context.ui.line(&format!("run       {} (entry {})", one_line(&planned.run_id, 100), entry.index))?;
        context.ui.line(&format!("entry     {}", entry.statement.id))?;
        context.ui.line(&format!("sessions  {cited} ({} of other ledgers)", planned.foreign.len()))?;
        context.ui.line(&format!("artifacts {} listed", planned.artifacts.len()))?;
        context.ui.line(&format!("evidence  {}", context.shown(&tar)))
    }
}

/// Whether a run that is recorded says the same as the one planned: the record, the artifacts, the sessions
/// and whether they are trusted. Salts differ always, and checkpoints in evidence may.
fn same(ledger: &Ledger, before: &Entry, planned: &PlannedRun) -> Result<bool> {
    let run = |body: &Body| match body {
        Body::Run(Run { record, sessions, .. }) => {
            let trust = |cited: &Cited| (cited.entry, cited.foreign.as_ref().map(|foreign| foreign.trusted));
            Some((record.clone(), sessions.iter().map(trust).collect::<Vec<_>>()))
        }
        _ => None,
    };
    let files = ledger.manifest(&before.statement.body)?.map(|manifest| manifest.files);
    // An erased list cannot be compared; then the record decides.
    let same_files = files.is_none_or(|files| files == planned.artifacts);
    Ok(same_files && run(&before.statement.body) == run(&planned.new.body))
}

fn separation(
    context: &Context<'_>,
    ledger: &Ledger,
    planned: &PlannedRun,
    kid: &Kid,
    policy: Separation,
) -> Result<Vec<promptos::session::DutyConflict>> {
    if policy == Separation::Off {
        return Ok(Vec::new());
    }
    ledger.identity_of(kid)?;
    let Some(integrator) = ledger.key(kid)? else { return Ok(Vec::new()) };
    let unknown = planned.foreign.iter().find(|(_, trusted)| !trusted);
    if let Some((evidence, _)) = unknown.filter(|_| policy == Separation::Enforce) {
        let name = one_line(&evidence.subject.statement.name, 80);
        return Err(Error::findings(format!("session {name} is of a ledger that is not trusted here"))
            .hint("anyone can take any name there, so separation of duties cannot be enforced")
            .hint("[trust] in promptos.toml names the ledgers and keys that count"));
    }
    let foreign: Vec<_> = planned.foreign.iter().map(|(evidence, _)| evidence.clone()).collect();
    let found = conflicts(ledger, &integrator, &planned.local, &foreign)?;
    if policy == Separation::Enforce && !found.is_empty() {
        let mut error = Error::findings("separation of duties: nothing was attached");
        for conflict in &found {
            error = error.hint(conflict.to_string());
        }
        return Err(
            error.hint("another person must do one of these; [policy] separation in promptos.toml decides")
        );
    }
    found.iter().for_each(|conflict| context.ui.warn(&format!("separation of duties: {conflict}")));
    Ok(found)
}
