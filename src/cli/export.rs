use super::context::Context;
use super::lookup;
use super::ui::one_line;
use clap::Args;
use ledger_format::evidence::Evidence;
use ledger_format::{Body, Kid};
use promptos::error::{Error, Result};
use promptos::ledger::{Entry, Ledger};
use promptos::session::{
    SESSION_EVIDENCE, SESSION_FILE, SNAPSHOT_EVIDENCE, find_session, session_json, strict_v1,
    write_atomically,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The checksum file of a strict export.
const OLD_SUM: &str = "prompt_session.sha256";

/// Write a session as prompt_session.json with its evidence beside it, or the evidence of a snapshot
#[derive(Args)]
pub(crate) struct Export {
    /// The folder to write to; it is made when it is not there
    #[arg(long, value_name = "DIR")]
    artifacts_dir: PathBuf,
    /// A session id, an entry, or a prompt_session.json; by default your latest session
    #[arg(long, alias = "session-file", value_name = "SESSION")]
    session: Option<String>,
    /// Write the evidence of a snapshot instead: its statement and every file
    #[arg(long, value_name = "NAME", conflicts_with_all = ["session", "strict_v1"])]
    snapshot: Option<String>,
    /// Replace files that are there and differ
    #[arg(long)]
    force: bool,
    /// Write exactly the schema of PromptOS 1.0, hashes included, for old validators
    #[arg(long)]
    strict_v1: bool,
}

impl Export {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        if let Some(name) = &self.snapshot {
            return self.export_snapshot(context, &ledger, name);
        }
        let entry = match &self.session {
            Some(wanted) => session(&ledger, wanted)?,
            None => {
                let kid = Kid::of(&context.existing_key()?.public);
                let latest = ledger.latest_session(&kid)?.ok_or_else(|| {
                    Error::failed(format!("the key {kid} has recorded no session here"))
                        .hint("record one: promptos dev --prompts A,B; or name one: --session ID")
                })?;
                context.ui.note(&format!(
                    "your latest session: {} (entry {})",
                    latest.statement.name, latest.index
                ));
                latest
            }
        };
        let file = write(&ledger, &entry, &self.artifacts_dir, self.force, self.strict_v1)?;
        let evidence = self.artifacts_dir.join(SESSION_EVIDENCE);
        if context.ui.json {
            return context.ui.report("export", json!({
                "entry": super::show::entry_json(&entry), "session": entry.statement.name, "file": file, "evidence": evidence,
            }));
        }
        context.ui.line(&one_line(&file.to_string_lossy(), 4096))?;
        context.ui.line(&one_line(&evidence.to_string_lossy(), 4096))
    }
}

impl Export {
    fn export_snapshot(&self, context: &Context<'_>, ledger: &Ledger, name: &str) -> Result<()> {
        let entry = super::snapshot::find(ledger, name)?;
        let path = self.artifacts_dir.join(SNAPSHOT_EVIDENCE);
        let tar = ledger.take_evidence(&entry)?;
        // Evidence of the same snapshot against a newer checkpoint is as good as the one that may be there.
        let same = |tar: &[u8]| {
            Evidence::open(tar).is_ok_and(|there| there.subject.statement.id == entry.statement.id)
        };
        let force = self.force || std::fs::read(&path).is_ok_and(|there| same(&there));
        write_atomically(&path, &tar, force)?;
        if context.ui.json {
            return context.ui.report(
                "export",
                json!({
                    "entry": super::show::entry_json(&entry), "snapshot": entry.statement.name, "evidence": path,
                }),
            );
        }
        context.ui.line(&one_line(&path.to_string_lossy(), 4096))
    }
}

/// The session that a person named: by id, entry or file.
pub(crate) fn session(ledger: &Ledger, wanted: &str) -> Result<Entry> {
    let path = Path::new(wanted);
    let entry = if path.is_file() {
        let found = find_session(ledger, path)?;
        ledger.by_id(&found.entry)?.ok_or_else(|| {
            Error::failed(format!("{} is of another ledger", path.display()))
                .hint("name that one with --ledger")
        })?
    } else {
        lookup::entry(ledger, wanted)?
    };
    if let Body::Start(_) = entry.statement.body {
        let name = one_line(&entry.statement.name, 120);
        return Err(Error::failed(format!(
            "entry {} is the start of the session {name}, not its end",
            entry.index
        ))
        .hint("while it is open there is nothing to hand on: promptos session end")
        .hint("one that has ended is named by its id"));
    }
    if !matches!(entry.statement.body, Body::Session(_)) {
        return Err(Error::failed(format!(
            "entry {} is {}, not a session",
            entry.index,
            one_line(&entry.statement.subject(), 120)
        ))
        .hint("promptos log --kind session lists the sessions"));
    }
    Ok(entry)
}

/// Writes the session's files and answers where the JSON is.
pub(crate) fn write(ledger: &Ledger, entry: &Entry, dir: &Path, force: bool, old: bool) -> Result<PathBuf> {
    let document = session_json(ledger, entry)?;
    let evidence = ledger.take_evidence(entry)?;
    let file = dir.join(SESSION_FILE);
    if old {
        let (text, sum) = strict_v1(&document)?;
        write_atomically(&file, text.as_bytes(), force)?;
        write_atomically(&dir.join(OLD_SUM), sum.as_bytes(), force)?;
    } else {
        let text = serde_json::to_string_pretty(&document).map_err(|e| Error::bug("no JSON").because(e))?;
        write_atomically(&file, format!("{text}\n").as_bytes(), force)?;
        let sum = dir.join(OLD_SUM);
        if force && sum.exists() {
            // That of a strict export which was here, and would contradict the file now.
            std::fs::remove_file(&sum)
                .map_err(|e| Error::failed(format!("cannot remove {}: {e}", sum.display())))?;
        }
    }
    // Evidence of the same session against a newer checkpoint is as good as the one that may be there.
    write_atomically(&dir.join(SESSION_EVIDENCE), &evidence, true)?;
    Ok(file)
}
