//! `attach`: a run of an orchestrator, its record, its artifacts and the sessions that fed it.

use super::files::{describe, kept_files};
use super::{RUN_EVIDENCE, SESSION_EVIDENCE, SESSION_FILE, SessionFile, find_session};
use crate::error::{Error, Result};
use crate::ledger::{Content, Ledger, New};
use ledger_format::evidence::{Evidence, MEDIA_TYPE};
use ledger_format::{
    Body, Cited, Descriptor, EntryId, Foreign, Kid, MANIFEST_TYPE, Manifest, ManifestFile, Run,
};
use std::path::{Path, PathBuf};

/// What is to be attached.
pub struct AttachRequest<'a> {
    /// The run record.
    pub run_record: &'a Path,
    /// The run's id, when the record does not say it.
    pub run_id: Option<&'a str>,
    /// The folder whose files are listed.
    pub artifacts: &'a Path,
    /// Sessions named by the person; when empty, every `prompt_session.json` among the artifacts.
    pub sessions: Vec<Cite>,
    /// Whether the artifacts' bytes are kept too.
    pub store: bool,
    /// Ledgers and keys whose evidence is trusted.
    pub trusted: (Vec<EntryId>, Vec<Kid>),
    /// Random bytes for the manifest.
    pub salt: [u8; 16],
}

/// A session that a run cites.
pub enum Cite {
    /// An entry of this ledger.
    Local(EntryId),
    /// A session file with what proves it.
    File(PathBuf),
}

/// A run ready to be signed.
pub struct PlannedRun {
    /// What to append.
    pub new: New,
    /// The run's id as the orchestrator says it.
    pub run_id: String,
    /// Sessions of this ledger.
    pub local: Vec<EntryId>,
    /// Sessions of other ledgers, and whether they are trusted.
    pub foreign: Vec<(Evidence, bool)>,
    /// The artifacts.
    pub artifacts: Vec<ManifestFile>,
}

/// Checks what can be checked of a run without a ledger: that the record can be read and has an id, that the
/// artifacts can be listed, and that a session is among them unless one is `named`.
///
/// # Errors
/// As [`plan_run`].
pub fn check_run(record: &Path, id: Option<&str>, artifacts: &Path, named: bool) -> Result<()> {
    describe(record)?;
    let id = id.map_or_else(|| run_id(record), |id| Ok(id.to_owned()))?;
    run_name(&id)?;
    let files = kept_files(artifacts)?;
    if named || files.iter().any(|(relative, _)| is_session(relative)) {
        Ok(())
    } else {
        Err(no_session(artifacts))
    }
}

fn is_session(relative: &str) -> bool {
    relative.rsplit('/').next() == Some(SESSION_FILE)
}

fn no_session(artifacts: &Path) -> Error {
    Error::failed(format!("no session: there is no {SESSION_FILE} in {}", artifacts.display()))
        .hint("export one there first: promptos export --artifacts-dir DIR")
        .hint("or name one: --session ID")
}

/// Reads run record, artifacts and sessions and puts the statement together. Nothing is written.
///
/// # Errors
/// Failed for what cannot be read or found, findings or integrity for sessions that do not hold.
pub fn plan_run(ledger: &Ledger, request: &AttachRequest<'_>) -> Result<PlannedRun> {
    let (record, _) = describe(request.run_record)?;
    let run_id = match request.run_id {
        Some(id) => id.to_owned(),
        None => run_id(request.run_record)?,
    };
    let mut contents = vec![Content::File(record.clone(), request.run_record.to_owned())];

    let files = kept_files(request.artifacts)?;
    let mut cites: Vec<SessionFile> = Vec::new();
    let mut local = Vec::new();
    for cite in &request.sessions {
        match cite {
            Cite::Local(entry) => local.push(*entry),
            Cite::File(path) => cites.push(find_session(ledger, path)?),
        }
    }
    if request.sessions.is_empty() {
        for (relative, path) in &files {
            if is_session(relative) {
                cites.push(find_session(ledger, path)?);
            }
        }
    }
    let mut sessions: Vec<Cited> = Vec::new();
    let mut foreign = Vec::new();
    for cite in cites {
        let Some((evidence, tar)) = cite.evidence else {
            local.push(cite.entry);
            continue;
        };
        let kid = evidence.subject.statement.kid;
        let trusted = request.trusted.0.contains(&evidence.ledger) || request.trusted.1.contains(&kid);
        let content = Descriptor::of(&tar, MEDIA_TYPE);
        contents.push(Content::Bytes(content.clone(), tar));
        let foreign_session = Foreign { ledger: evidence.ledger, evidence: content, trusted };
        sessions.push(Cited { entry: cite.entry, foreign: Some(foreign_session) });
        foreign.push((evidence, trusted));
    }
    local.sort_unstable();
    local.dedup();
    sessions.extend(local.iter().map(|entry| Cited { entry: *entry, foreign: None }));
    sessions.sort_by_key(|cited| cited.entry);
    sessions.dedup_by_key(|cited| cited.entry);
    if sessions.is_empty() {
        return Err(no_session(request.artifacts));
    }
    if sessions.len() > ledger_format::MAX_LIST {
        let (have, max) = (sessions.len(), ledger_format::MAX_LIST);
        return Err(Error::failed(format!("a run cites at most {max} sessions; these are {have}")));
    }

    let mut listed = Vec::new();
    // What this very command writes cannot be part of what it vouches for.
    for (relative, path) in files.into_iter().filter(|(relative, _)| relative != RUN_EVIDENCE) {
        let (content, _) = describe(&path)?;
        let kept = request.store || content.blake3 == record.blake3;
        let media_type = if relative.ends_with(SESSION_EVIDENCE) { MEDIA_TYPE } else { &content.media_type };
        let content = Descriptor { media_type: media_type.to_owned(), ..content };
        if request.store {
            contents.push(Content::File(content.clone(), path));
        }
        listed.push(ManifestFile { path: relative, reference: None, content, kept });
    }
    let artifacts = listed.clone();
    let manifest = Manifest { salt: request.salt, files: listed }.to_bytes();
    let manifest_descriptor = Descriptor::of(&manifest, MANIFEST_TYPE);
    contents.push(Content::Bytes(manifest_descriptor.clone(), manifest));
    let body = Body::Run(Run { record, manifest: Some(manifest_descriptor), sessions });
    let new = New { name: run_name(&run_id)?, body, contents, next_log_key: None };
    Ok(PlannedRun { new, run_id, local, foreign, artifacts })
}

/// The `run_id` of a run record.
fn run_id(path: &Path) -> Result<String> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|e| Error::failed(format!("cannot read {shown}: {e}")))?;
    let record: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let id = record.as_ref().and_then(|record| record.get("run_id")).and_then(|id| id.as_str());
    id.filter(|id| !id.is_empty()).map(str::to_owned).ok_or_else(|| {
        Error::failed(format!("{shown} has no text field 'run_id'")).hint("name the run: --run-id ID")
    })
}

/// A run id as the name of a statement: bytes that are not visible ASCII, and `%`, are percent-encoded.
///
/// # Errors
/// Failed for an empty or a very long id.
pub fn run_name(id: &str) -> Result<String> {
    let encode = |b: u8| {
        if b.is_ascii_graphic() && b != b'%' { char::from(b).to_string() } else { format!("%{b:02X}") }
    };
    let name: String = id.bytes().map(encode).collect();
    if !(1..=256).contains(&name.len()) {
        return Err(Error::failed("a run id has 1 to 256 characters"));
    }
    Ok(name)
}
