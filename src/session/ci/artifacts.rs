//! What the folder of artifacts proves: sessions, runs and snapshots, each by its evidence alone or with the ledger.

use super::{Check, Issue};
use crate::catalog::counted;
use crate::error::{Error, Result};
use crate::ledger::{Entry, Ledger, mismatches};
use crate::session::artifact::{check_evidence, compare, evidence_beside, evidence_document, open_evidence};
use crate::session::files::{kept_files, parse_json, read_json};
use crate::session::{SESSION_FILE, check_session_file, session_json};
use ledger_format::evidence::Evidence;
use ledger_format::rules::KeyRecord;
use ledger_format::{Body, EntryId, Kid, Session};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

const NAME: &str = "evidence";
const TAR: &str = ".evidence.tar";

/// A session that is proved.
#[derive(Debug, Clone)]
pub struct Governed {
    /// Its statement's id.
    pub entry: EntryId,
    /// The session's id.
    pub name: String,
    /// What its statement says.
    pub session: Session,
    /// The key that signed it.
    pub key: KeyRecord,
    /// Its `prompt_session.json`; `None` when the details were erased.
    pub document: Option<Map<String, Value>>,
    /// Whether its ledger or its key is trusted.
    pub trusted: bool,
    /// The session files that name it.
    pub files: Vec<PathBuf>,
}

impl Governed {
    /// A session of this ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read or the entry is no session.
    pub fn of(ledger: &Ledger, entry: &Entry) -> Result<Self> {
        let statement = &entry.statement;
        let (Body::Session(session), Some(key)) = (&statement.body, ledger.key(&statement.kid)?) else {
            return Err(Error::failed(format!("{} is a {}, not a session", statement.id, statement.kind)));
        };
        let document = match session_json(ledger, entry) {
            Err(error) if error.kind() == crate::error::Kind::Failed => None,
            document => Some(document?),
        };
        Ok(Self {
            entry: statement.id,
            name: statement.name.clone(),
            session: session.clone(),
            key,
            document,
            trusted: true,
            files: Vec::new(),
        })
    }
}

/// Everything that the artifacts prove.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The sessions, each once.
    pub sessions: Vec<Governed>,
    /// Evidence of runs.
    pub runs: Vec<Evidence>,
    /// Evidence of snapshots of trusted ledgers.
    pub snapshots: Vec<Evidence>,
}

/// Verifies all evidence below `dir`, and compares it with the session files beside it. With a ledger, evidence of it
/// must be of its history, and a session that it holds needs no evidence. `name` shows a path as the repository has it.
#[must_use]
pub fn gather(
    dir: &Path,
    ledger: Option<&Ledger>,
    trusted: &(Vec<EntryId>, Vec<Kid>),
    name: &dyn Fn(&Path) -> String,
) -> (Gathered, Check) {
    let mut gatherer = Gatherer { ledger, trusted, name, found: Gathered::default(), issues: Vec::new() };
    let files = match kept_files(dir) {
        Ok(files) => files,
        Err(error) => {
            let error = error.hint("--artifacts-dir or PROMPTOS_ARTIFACTS_DIR names the folder");
            return (gatherer.found, Check::stopped(NAME, &error));
        }
    };
    for (relative, path) in &files {
        let is_session = relative.rsplit('/').next() == Some(SESSION_FILE);
        let done = if relative.ends_with(TAR) {
            gatherer.tar(path)
        } else if is_session && !evidence_beside(path).exists() {
            gatherer.bare(path)
        } else {
            continue;
        };
        if let Err(error) = done {
            gatherer.issues.push(Issue::from(&error).at(name(path), 1));
        }
    }
    let Gatherer { found, mut issues, .. } = gatherer;
    if found.sessions.is_empty() && issues.is_empty() {
        issues.push(
            Issue::finding(format!("no session in {}", name(dir)))
                .hint("record one there: promptos dev --prompts A,B --artifacts-dir DIR"),
        );
    }
    let (sessions, runs) = (counted(found.sessions.len(), "session"), counted(found.runs.len(), "run"));
    (found, Check::made(NAME, format!("{sessions} and {runs} proved"), issues))
}

struct Gatherer<'a> {
    ledger: Option<&'a Ledger>,
    trusted: &'a (Vec<EntryId>, Vec<Kid>),
    name: &'a dyn Fn(&Path) -> String,
    found: Gathered,
    issues: Vec<Issue>,
}

impl Gatherer<'_> {
    /// An evidence tar, and the session file that it stands beside.
    fn tar(&mut self, path: &Path) -> Result<()> {
        let shown = PathBuf::from((self.name)(path));
        let bytes = std::fs::read(path)
            .map_err(|e| Error::failed(format!("cannot read {}: {e}", shown.display())))?;
        let evidence = open_evidence(&shown, &bytes)?;
        drop(bytes);
        check_evidence(self.ledger, &evidence, &shown)?;
        let statement = &evidence.subject.statement;
        let own = self.ledger.is_some_and(|ledger| ledger.id() == evidence.ledger);
        let trusted =
            own || self.trusted.0.contains(&evidence.ledger) || self.trusted.1.contains(&statement.kid);
        if !trusted {
            let what = format!("{} is self-consistent only: anyone could have made this", shown.display());
            self.issues.push(
                Issue::finding(what)
                    .at((self.name)(path), 1)
                    .hint(format!(
                        "trust its ledger: [trust] ledgers = [\"{}\"] in promptos.toml",
                        hex::encode(evidence.ledger.0)
                    ))
                    .hint(format!("or its signer: [trust] keys = [\"{}\"]", statement.kid)),
            );
        }
        match &statement.body {
            Body::Run(_) => self.found.runs.push(evidence),
            Body::Snapshot(_) if trusted => self.found.snapshots.push(evidence),
            Body::Session(session) => {
                let key = evidence.key(&statement.kid).cloned();
                let key = key.ok_or_else(|| Error::bug("evidence without the key of its subject"))?;
                // Of its own sessions the ledger tells more.
                self.issues.extend(
                    (!own)
                        .then(|| misfits(&evidence))
                        .into_iter()
                        .flatten()
                        .map(|issue| issue.at((self.name)(path), 1)),
                );
                let session = Governed {
                    entry: statement.id,
                    name: statement.name.clone(),
                    session: session.clone(),
                    key,
                    document: evidence_document(&evidence).ok(),
                    trusted,
                    files: Vec::new(),
                };
                let file = beside(path);
                self.keep(session, &file);
                self.compare(&file, &evidence)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn compare(&self, file: &Path, evidence: &Evidence) -> Result<()> {
        let shown = PathBuf::from((self.name)(file));
        match std::fs::read(file) {
            Ok(bytes) => check_session_file(&shown, &bytes, evidence),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::findings(format!("{} is not there, and its evidence is", shown.display()))
                    .hint("export the session again: promptos export"))
            }
            Err(e) => Err(Error::failed(format!("cannot read {}: {e}", shown.display()))),
        }
    }

    /// A session file without evidence: the ledger has to hold the session.
    fn bare(&mut self, path: &Path) -> Result<()> {
        let shown = PathBuf::from((self.name)(path));
        let (bytes, _) = read_json(path)?;
        let parsed = parse_json(&shown, &bytes)?;
        let stated = parsed.pointer("/ledger/entry").and_then(Value::as_str);
        let entry = stated.and_then(|id| id.parse::<EntryId>().ok());
        let entry = match (entry, self.ledger) {
            (Some(id), Some(ledger)) => ledger.by_id(&id)?.map(|entry| (ledger, entry)),
            _ => None,
        };
        let (Some((ledger, entry)), Value::Object(file)) = (entry, &parsed) else {
            return Err(Error::findings(format!("nothing proves {}", shown.display()))
                .hint(format!("put its evidence beside it: {}", (self.name)(&evidence_beside(path)))));
        };
        let session = Governed::of(ledger, &entry)?;
        let document = session.document.clone();
        self.keep(session, path);
        match document {
            Some(document) => compare(file, &document, &shown),
            None => Err(Error::failed(format!("the details of {} were erased", shown.display()))),
        }
    }

    fn keep(&mut self, session: Governed, file: &Path) {
        let known = self.found.sessions.iter_mut().find(|known| known.entry == session.entry);
        match known {
            Some(known) => known.files.push(file.to_owned()),
            None => self.found.sessions.push(Governed { files: vec![file.to_owned()], ..session }),
        }
    }
}

/// Where a session's end contradicts the start and the events that its evidence has.
fn misfits(evidence: &Evidence) -> impl Iterator<Item = Issue> {
    let end = &evidence.subject.statement;
    let statement = |id: &EntryId| {
        evidence.entries.iter().map(|item| &item.statement).find(|statement| statement.id == *id)
    };
    let of = |id: &EntryId| match &statement(id)?.body {
        Body::Event(event) => Some(event.start),
        _ => None,
    };
    let start = match &end.body {
        Body::Session(Session { life: Some(life), .. }) => statement(&life.start),
        _ => None,
    };
    let found = start.map(|start| mismatches(start, end, &of)).unwrap_or_default();
    let name = end.name.clone();
    found
        .into_iter()
        .map(move |(code, message)| Issue::finding(format!("{code}: the end of session {name} {message}")))
}

/// `x.evidence.tar` is the evidence of `x.json`.
fn beside(tar: &Path) -> PathBuf {
    tar.with_extension("").with_extension("json")
}
