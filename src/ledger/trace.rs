//! Tracing: from a run to its sessions to the exact prompt bytes, and back from a prompt to what it
//! governed.

use super::evidence::foreign_evidence;
use super::{Entry, Ledger};
use crate::error::{Kind, Result};
use crate::store::BlobState;
use ledger_format::{Address, Body, Cited, Descriptor, EntryId, Kid, Statement, Used};
use serde::Serialize;
use sha2::Digest as _;
use std::collections::BTreeMap;

/// One link of a trace, with what it leads to.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// `run`, `session`, `prompt`, `import`, `snapshot` or another kind.
    pub what: String,
    /// The run id, session id, ref or other name.
    pub name: String,
    /// The statement, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<Signed>,
    /// The content, when the step is about content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Found>,
    /// `ok`, or what does not hold.
    pub verdict: String,
    /// What nobody may overlook although it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    /// What this step leads to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// The statement behind a step.
#[derive(Debug, Clone, Serialize)]
pub struct Signed {
    /// The ledger id, as hex, when it is another ledger than the one traced in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    /// Whether a statement of another ledger was trusted when it was attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<bool>,
    /// Its index.
    pub index: u64,
    /// `entry:<hex>`.
    pub id: String,
    /// The identity that signed.
    pub iss: String,
    /// The key that signed.
    pub kid: String,
    /// The claimed time, RFC 3339.
    pub time: String,
}

/// Content behind a step.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// `blake3:<hex>`.
    pub address: String,
    /// As hex.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// `present`, `erased`, `missing`, `listed` when the ledger was not given the bytes to keep, or `unpublished` when
    /// a published copy does not have them.
    pub state: &'static str,
}

/// What is said of a session of another ledger whose evidence a published copy does not have.
const UNPUBLISHED: &str = "its evidence is not published";

/// A trace: the thing itself with what it leads to, and what led to it.
#[derive(Debug, Clone, Serialize)]
pub struct Traced {
    /// Downwards: to the prompt bytes.
    pub to: Vec<Step>,
    /// Upwards: which sessions and runs stand on it.
    pub used_by: Vec<Step>,
}

impl Traced {
    /// Whether every step holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        fn all(steps: &[Step]) -> bool {
            steps.iter().all(|step| step.verdict == "ok" && all(&step.steps))
        }
        all(&self.to) && all(&self.used_by)
    }

    /// How many steps of the way down end because a published copy does not have what they lead to.
    #[must_use]
    pub fn unpublished(&self) -> usize {
        fn count(steps: &[Step]) -> usize {
            let here = |step: &Step| {
                let content = step.content.as_ref().is_some_and(|content| content.state == "unpublished");
                usize::from(content || step.note == Some(UNPUBLISHED))
            };
            steps.iter().map(|step| here(step) + count(&step.steps)).sum()
        }
        count(&self.to) + count(&self.used_by)
    }

    /// Notes at each entry of this ledger that is in doubt why it is: see [`super::doubts`].
    pub fn note_doubts(&mut self, doubts: &BTreeMap<u64, &'static str>) {
        fn note(steps: &mut [Step], doubts: &BTreeMap<u64, &'static str>) {
            for step in steps {
                let here = step.entry.as_ref().filter(|entry| entry.ledger.is_none());
                if let Some(doubt) = here.and_then(|entry| doubts.get(&entry.index)) {
                    step.note = Some(doubt);
                }
                note(&mut step.steps, doubts);
            }
        }
        note(&mut self.to, doubts);
        note(&mut self.used_by, doubts);
    }
}

impl Ledger {
    /// Traces one entry.
    ///
    /// # Errors
    /// When the store cannot be read; what does not hold is a step's verdict.
    pub fn trace_entry(&self, entry: &Entry) -> Result<Traced> {
        let used_by = match &entry.statement.body {
            body if is_cited(body) => self.users(&entry.statement.id)?,
            Body::Prompt(prompt) => self.users_of(&entry.statement.name, &prompt.content.blake3)?,
            _ => Vec::new(),
        };
        Ok(Traced { to: vec![self.step(entry)?], used_by })
    }

    /// Traces a session of another ledger that a run of this one cites.
    ///
    /// # Errors
    /// As [`Self::trace_entry`].
    pub fn trace_foreign(&self, id: &EntryId) -> Result<Option<Traced>> {
        let runs = self.citing(id)?;
        let Some(run) = runs.first() else { return Ok(None) };
        let Body::Run(body) = &run.statement.body else { return Ok(None) };
        let Some(cited) = body.sessions.iter().find(|cited| cited.entry == *id) else { return Ok(None) };
        let used_by = runs.iter().map(|run| self.bare_step(run)).collect::<Result<_>>()?;
        Ok(Some(Traced { to: vec![self.cited_step(cited)?], used_by }))
    }

    /// Traces a bound ref.
    ///
    /// # Errors
    /// As [`Self::trace_entry`].
    pub fn trace_ref(&self, reference: &str) -> Result<Option<Traced>> {
        let Some((content, binder)) = self.bound(reference)? else { return Ok(None) };
        let described = binder.statement.body.contents().into_iter().find(|d| d.blake3 == content).cloned();
        let Some(descriptor) = described else { return Ok(None) };
        let mut step = self.content_step("prompt", reference, &descriptor)?;
        step.entry = Some(signed(binder.index, &binder.statement));
        Ok(Some(Traced { to: vec![step], used_by: self.users_of(reference, &content)? }))
    }

    /// Traces content: every statement that names it, with what it leads to.
    ///
    /// # Errors
    /// As [`Self::trace_entry`].
    pub fn trace_content(&self, address: &Address) -> Result<Option<Traced>> {
        let entries = self.naming(address)?;
        let Some(first) = entries.first() else { return Ok(None) };
        let manifest = self.manifest(&first.statement.body)?;
        let foreign = self.foreign_sessions(first)?;
        let listed = manifest.iter().flat_map(|m| &m.files).find(|file| file.content.blake3 == *address);
        // The statement that names it: this one, or one of another ledger that it brought here.
        let statements = foreign.iter().map(|evidence| &evidence.subject.statement);
        let mut bodies = std::iter::once(&first.statement).chain(statements).map(|s| &s.body);
        let named = bodies.clone().flat_map(Body::contents).find(|d| d.blake3 == *address);
        let prompt = bodies.find_map(|body| body.used().iter().find(|used| used.content.blake3 == *address));
        let output = match &first.statement.body {
            Body::Render(render) => Some(&render.output).filter(|output| output.blake3 == *address),
            _ => None,
        };
        let in_catalog = listed.and_then(|file| file.reference.clone());
        let (what, name) = match (&first.statement.body, prompt, listed) {
            (_, Some(used), _) => ("prompt", used.reference.clone()),
            (Body::Prompt(_), ..) => ("prompt", first.statement.name.clone()),
            (.., Some(file)) => in_catalog.map_or(("file", file.path.clone()), |name| ("prompt", name)),
            (Body::Render(_), ..) => ("output", first.statement.name.clone()),
            _ => ("content", first.statement.subject()),
        };
        let mut to = Vec::new();
        if let Some(descriptor) = named.or(listed.map(|file| &file.content)).or(output) {
            let mut step = self.content_step(what, &name, descriptor)?;
            if (output.is_some() || listed.is_some_and(|file| !file.kept))
                && let Some(content) = step
                    .content
                    .as_mut()
                    .filter(|content| ["missing", "unpublished"].contains(&content.state))
            {
                content.state = "listed";
                step.verdict = "ok".to_owned();
            }
            to.push(step);
        }
        let mut used_by = Vec::new();
        for entry in &entries {
            let mut step = self.step(entry)?;
            // An output comes from its renders; nothing uses it.
            if output.is_some()
                && let Some(to) = to.first_mut()
            {
                used_by.extend(self.users(&entry.statement.id)?);
                to.steps.push(step);
                continue;
            }
            if is_cited(&entry.statement.body) {
                step.steps = self.users(&entry.statement.id)?;
            }
            used_by.push(step);
        }
        Ok(Some(Traced { to, used_by }))
    }

    /// The runs that cite a session; the starts, events and sessions that cite anything else, sessions with their runs.
    fn users(&self, cited: &EntryId) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for entry in self.citing(cited)? {
            let mut step = self.bare_step(&entry)?;
            if matches!(entry.statement.body, Body::Session(_)) {
                step.steps = self.users(&entry.statement.id)?;
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// The starts, sessions and renders that used a ref with this content, each with what cites it.
    fn users_of(&self, reference: &str, content: &Address) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for entry in self.using(reference)? {
            let same = |used: &&Used| used.reference == reference;
            let used = entry.statement.body.used().iter().find(same);
            if used.is_some_and(|used| used.content.blake3 == *content) {
                let mut step = self.bare_step(&entry)?;
                step.steps = self.users(&entry.statement.id)?;
                steps.push(step);
            }
        }
        Ok(steps)
    }

    /// An entry by itself.
    fn bare_step(&self, entry: &Entry) -> Result<Step> {
        let statement = &entry.statement;
        let verdict = match self.check_entry(entry) {
            Ok(()) => "ok".to_owned(),
            Err(error) if error.kind() == Kind::Integrity => error.to_string(),
            Err(error) => return Err(error),
        };
        Ok(Step {
            what: statement.kind.clone(),
            name: statement.name.clone(),
            entry: Some(signed(entry.index, statement)),
            content: None,
            verdict,
            note: self.is_open(entry)?.then_some("open: no session ended it"),
            steps: Vec::new(),
        })
    }

    /// An entry with all it leads to.
    fn step(&self, entry: &Entry) -> Result<Step> {
        let mut step = self.bare_step(entry)?;
        match &entry.statement.body {
            Body::Run(run) => {
                for cited in &run.sessions {
                    step.steps.push(self.cited_step(cited)?);
                }
            }
            Body::Start(_) | Body::Event(_) | Body::Session(_) => {
                for (id, kind) in entry.statement.body.cites() {
                    step.steps.push(match self.by_id(&id)? {
                        Some(cited) => self.bare_step(&cited)?,
                        None => unknown_entry(kind.unwrap_or("entry"), &id, "it is not in this ledger"),
                    });
                }
            }
            Body::Prompt(prompt) => {
                step.steps.push(self.content_step("prompt", &entry.statement.name, &prompt.content)?);
            }
            Body::Snapshot(snapshot) => {
                step.steps.push(self.content_step("manifest", &entry.statement.name, &snapshot.manifest)?);
            }
            Body::Import(import) => {
                // Whoever imported it vouches for having seen it, not for what it says.
                step.note = Some("unproven: integrity only, unsigned by its author");
                step.steps.push(self.content_step("record", &import.format, &import.content)?);
            }
            _ => {}
        }
        for used in entry.statement.body.used() {
            step.steps.push(self.content_step("prompt", &used.reference, &used.content)?);
        }
        Ok(step)
    }

    fn cited_step(&self, cited: &Cited) -> Result<Step> {
        let Some(foreign) = &cited.foreign else {
            return match self.by_id(&cited.entry)? {
                Some(session) => self.step(&session),
                None => Ok(unknown_entry("session", &cited.entry, "it is not in this ledger")),
            };
        };
        let evidence = match foreign_evidence(self, cited) {
            Ok(Some((_, evidence))) => evidence,
            Ok(None) if self.is_published() => {
                let step = unknown_entry("session", &cited.entry, "ok");
                return Ok(Step { note: Some(UNPUBLISHED), ..step });
            }
            Ok(None) => return Ok(unknown_entry("session", &cited.entry, "its evidence is not here")),
            Err(error) if error.kind() == Kind::Integrity => {
                return Ok(unknown_entry("session", &cited.entry, &error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let statement = &evidence.subject.statement;
        let mut entry = signed(evidence.subject.proof.index, statement);
        entry.ledger = Some(hex::encode(foreign.ledger.0));
        entry.trusted = Some(foreign.trusted);
        let cites: Vec<EntryId> = statement.body.cites().into_iter().map(|(id, _)| id).collect();
        // Opening the evidence has checked these statements too.
        let cited = evidence.entries.iter().filter(|item| cites.contains(&item.statement.id)).map(|item| {
            let mut entry = signed(item.proof.index, &item.statement);
            entry.ledger = Some(hex::encode(foreign.ledger.0));
            let (what, name) = (item.statement.kind.clone(), item.statement.name.clone());
            let verdict = "ok".to_owned();
            Step { what, name, entry: Some(entry), content: None, verdict, note: None, steps: Vec::new() }
        });
        let step = |used: &Used| {
            // Opening the evidence has checked every content in it.
            let erased = evidence.erased.contains(&used.content.blake3);
            let content = Some(found(&used.content, if erased { "erased" } else { "present" }));
            let (what, name) = ("prompt".to_owned(), used.reference.clone());
            Step { what, name, entry: None, content, verdict: "ok".to_owned(), note: None, steps: Vec::new() }
        };
        Ok(Step {
            what: statement.kind.clone(),
            name: statement.name.clone(),
            entry: Some(entry),
            content: None,
            verdict: "ok".to_owned(),
            note: None,
            steps: cited.chain(statement.body.used().iter().map(step)).collect(),
        })
    }

    fn content_step(&self, what: &str, name: &str, descriptor: &Descriptor) -> Result<Step> {
        let mut sha256 = sha2::Sha256::new();
        let state = self.read_blob(&descriptor.blake3, &mut |piece| {
            sha256.update(piece);
            Ok(())
        });
        let right = |size| size == descriptor.size && descriptor.sha256 == *sha256.finalize();
        let (state, verdict) = match state {
            Ok(BlobState::Present(size)) if right(size) => ("present", "ok".to_owned()),
            Ok(BlobState::Present(_)) => {
                ("present", "it has another length or SHA-256 than stated".to_owned())
            }
            Ok(BlobState::Erased) => ("erased", "ok".to_owned()),
            Ok(BlobState::Missing) if self.is_published() => ("unpublished", "ok".to_owned()),
            Ok(BlobState::Missing) => {
                ("missing", "its bytes are not in this ledger, which should have them".to_owned())
            }
            Err(error) if error.kind() == Kind::Integrity => ("present", error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(Step {
            what: what.to_owned(),
            name: name.to_owned(),
            entry: None,
            content: Some(found(descriptor, state)),
            verdict,
            note: None,
            steps: Vec::new(),
        })
    }
}

/// What other statements build on.
fn is_cited(body: &Body) -> bool {
    matches!(body, Body::Start(_) | Body::Event(_) | Body::Session(_) | Body::Snapshot(_) | Body::Render(_))
}

fn unknown_entry(what: &str, id: &EntryId, why: &str) -> Step {
    let (what, name) = (what.to_owned(), id.to_string());
    Step { what, name, entry: None, content: None, verdict: why.to_owned(), note: None, steps: Vec::new() }
}

fn signed(index: u64, statement: &Statement) -> Signed {
    let Statement { id, issuer, kid, time, .. } = statement;
    let kid: &Kid = kid;
    Signed {
        ledger: None,
        trusted: None,
        index,
        id: id.to_string(),
        iss: issuer.clone(),
        kid: kid.to_string(),
        time: super::rfc3339(*time),
    }
}

fn found(descriptor: &Descriptor, state: &'static str) -> Found {
    Found {
        address: descriptor.blake3.to_string(),
        sha256: hex::encode(descriptor.sha256),
        size: descriptor.size,
        state,
    }
}
