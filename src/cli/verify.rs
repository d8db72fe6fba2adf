mod envelope;

use super::context::Context;
use super::heads;
use super::ui::{self, BOLD, DIM, GOOD, WARN, one_line, safe, short};
use clap::{Args, ValueEnum};
use ledger_format::evidence::Evidence;
use ledger_format::{Body, Checkpoint, Class, Details, EntryId, ForkProof, Kid, Manifest, Statement};
use promptos::envelope::Envelope;
use promptos::error::{Error, Result};
use promptos::keys;
use promptos::ledger::{WitnessedHead, contradiction, rfc3339 as time};
use promptos::session::open_evidence;
use serde_json::json;
use std::path::{Path, PathBuf};

/// So many events of a session are printed.
const EVENTS: usize = 20;

/// Check one evidence file, an envelope or the proof of a fork offline; no ledger is needed
///
/// A fork proof that holds is exit 3: whoever keeps the ledger signed two histories. One that does not hold is exit 1.
#[derive(Args)]
pub(crate) struct Verify {
    /// An evidence tar, or a prompt_session.json with its evidence beside it; what promptos envelope made; or a fork
    /// proof
    file: PathBuf,
    /// What you trust: a ledger id, a key fingerprint SHA256:… or a .pub file; may be repeated. Without it,
    /// [trust] in promptos.toml counts. An envelope is verified with the keys named here: the log's vkey, and the
    /// .pub file of everybody who signed
    #[arg(long, value_name = "WHAT")]
    trust: Vec<String>,
    /// A head of the ledger that you hold: a checkpoint, a tlog-proof or an evidence tar
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The statement that a receipt or a tlog-proof is for, as promptos cat entry:… prints it
    #[arg(long, value_name = "FILE")]
    statement: Option<PathBuf>,
    /// Whose cosignatures of the checkpoint are enough: a C2SP tlog-policy file; without it, [trust] policy in promptos.toml
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Fail with exit 4 unless this rung is reached
    #[arg(long, value_name = "RUNG")]
    require: Option<Require>,
    /// Fail with exit 4 unless the ledger or the signer is trusted
    #[arg(long)]
    require_trusted: bool,
}

/// What a lone file can reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Require {
    Consistent,
    Pinned,
    Witnessed,
}

impl Verify {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let named = read(&self.file);
        if let Ok(bytes) = &named
            && let Some(envelope) =
                Envelope::read(bytes, self.statement.is_some()).map_err(|e| self.in_file(e))?
        {
            return envelope::verify(&self, context, &envelope).map_err(|e| self.in_file(e));
        }
        if self.statement.is_some() {
            return Err(Error::usage("--statement is for a receipt or a tlog-proof")
                .hint(format!("{} looks like neither", self.file.display())));
        }
        let (ledgers, keys) = trusted(context, &self.trust)?;
        let path = if self.file.extension().is_some_and(|e| e == "json") {
            self.file.with_extension("evidence.tar")
        } else {
            self.file.clone()
        };
        let bytes = if path == self.file {
            named? // a pipe is read once
        } else {
            read(&path).map_err(|e| e.hint("the evidence of a prompt_session.json stands beside it"))?
        };
        if ForkProof::is_meant(&bytes) {
            return super::fork::verify(context, &path, &bytes, &ledgers);
        }
        let evidence = open_evidence(&path, &bytes)?;
        if path != self.file {
            compare_session(&self.file, &evidence)?;
        }
        let own = Some(evidence.subject.proof.checkpoint.clone());
        let (rung, witnessed) = self.rung(context, &evidence.ledger, &evidence.checkpoint, own)?;
        let contradicted = self.checkpoint.as_ref().map(|path| contradicted(path, &evidence));
        contradicted.transpose()?;
        let statement = &evidence.subject.statement;
        let by_ledger = ledgers.contains(&evidence.ledger);
        let by_key = keys.contains(&statement.kid);
        let trusted = by_ledger || by_key;
        if context.ui.json {
            context.ui.report("verify", json!({
                "ledger": hex::encode(evidence.ledger.0),
                "origin": evidence.checkpoint.origin,
                "size": evidence.checkpoint.head.size,
                "root": hex::encode(evidence.checkpoint.head.root),
                "rung": name(rung),
                "witnessed": witnessed,
                "trusted_ledger": by_ledger,
                "trusted_key": by_key,
                "entry": super::show::statement_json(evidence.subject.proof.index, statement),
                "key_ended": evidence.key(&statement.kid).and_then(|key| key.revoked),
                "suspect_since": evidence.key(&statement.kid).and_then(|key| key.suspect_since).map(|id| id.to_string()),
                "contents": evidence.blobs.len(),
                "erased": evidence.erased.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "sessions": super::show::sessions_json(&statement.body),
                "snapshot": cited(&evidence, "snapshot").map(name_json).next(),
                "renders": cited(&evidence, "render").map(name_json).collect::<Vec<_>>(),
                "start": said(&evidence, "start").next(),
                "events": said(&evidence, "event").collect::<Vec<_>>(),
                "nested": evidence.nested.iter().map(|e| e.subject.statement.id.to_string()).collect::<Vec<_>>(),
                "unexpected": evidence.unexpected,
            }))?;
        } else {
            let by = if self.trust.is_empty() { "promptos.toml" } else { "--trust" };
            print(context, &evidence, (rung, witnessed.as_ref()), (by_ledger, by_key, by))?;
        }
        if !evidence.unexpected.is_empty() {
            let mut error = Error::findings(format!("{} holds parts that nothing calls for", path.display()));
            for part in &evidence.unexpected {
                error = error.hint(one_line(part, 120));
            }
            return Err(error);
        }
        self.demand(rung)?;
        if self.require_trusted && !trusted {
            return Err(Error::findings("neither the ledger nor the signer is trusted")
                .hint(format!("trust the ledger: --trust {}", hex::encode(evidence.ledger.0)))
                .hint(format!("or the signer: --trust {}", statement.kid)));
        }
        Ok(())
    }

    fn in_file(&self, error: Error) -> Error {
        error.hint(format!("the file is {}", self.file.display()))
    }

    /// What the checkpoint of a file reaches: by the head that the auditor holds, by the pin, and by the cosignatures
    /// of the file's own note, if it has one, or of the note that the auditor holds.
    fn rung(
        &self,
        context: &Context<'_>,
        ledger: &EntryId,
        here: &Checkpoint,
        own: Option<Vec<u8>>,
    ) -> Result<(Require, Option<WitnessedHead>)> {
        let held = self.checkpoint.as_ref().map(|path| held(path, here)).transpose()?.flatten();
        let pinned = held.is_some() || pinned(context, ledger, here)?;
        let unwitnessed = if pinned { Require::Pinned } else { Require::Consistent };
        let Some((_, policy)) = heads::policy(context, self.policy.as_deref())? else {
            return Ok((unwitnessed, None));
        };
        for note in held.into_iter().chain(own) {
            match policy.judge(&note) {
                Ok(witnessed) => {
                    let witnessed = WitnessedHead::new(here.head.size, witnessed);
                    return Ok((Require::Witnessed, Some(witnessed)));
                }
                Err(failure) if failure.class == Class::UnknownKey => {}
                Err(failure) => return Err(Error::integrity(failure.to_string())),
            }
        }
        Ok((unwitnessed, None))
    }

    fn demand(&self, rung: Require) -> Result<()> {
        match self.require.filter(|wanted| *wanted > rung) {
            None => Ok(()),
            Some(wanted) => Err(Error::findings(format!(
                "the rung '{}' is asked for; '{}' was reached",
                name(wanted),
                name(rung)
            ))),
        }
    }
}

fn name(rung: Require) -> &'static str {
    match rung {
        Require::Consistent => "consistent",
        Require::Pinned => "pinned",
        Require::Witnessed => "witnessed",
    }
}

/// Whom to trust: what was named, else what the project has settled.
pub(crate) fn trusted(context: &Context<'_>, named: &[String]) -> Result<(Vec<EntryId>, Vec<Kid>)> {
    // Whoever sends a change may send a promptos.toml with it: what is named here takes its place.
    if named.is_empty() {
        return context.settings()?.trust.parse();
    }
    let (mut ledgers, mut keys) = (Vec::new(), Vec::new());
    for text in named {
        if let Ok(ledger) = text.parse::<EntryId>() {
            ledgers.push(ledger);
        } else if text.starts_with("SHA256:") {
            keys.push(keys::parse_fingerprint(text)?);
        } else {
            let public = keys::PublicKey::read(Path::new(text))
                .map_err(|e| e.hint("--trust takes a ledger id (64 hex digits), SHA256:… or a .pub file"))?;
            keys.push(Kid::of(&public.key));
        }
    }
    Ok((ledgers, keys))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::failed(format!("cannot read {}: {e}", path.display())))
}

/// Compares a prompt_session.json with the evidence beside it.
fn compare_session(path: &Path, evidence: &Evidence) -> Result<()> {
    let bytes = read(path)?;
    promptos::session::check_session_file(path, &bytes, evidence)
}

/// What two authors signed, or one and the keeper, in evidence that the auditor holds and in this.
fn contradicted(path: &Path, evidence: &Evidence) -> Result<()> {
    let Ok(other) = Evidence::open(&read(path)?) else { return Ok(()) };
    if other.ledger != evidence.ledger {
        return Ok(());
    }
    let Some((one, other)) = contradiction(evidence, &other) else { return Ok(()) };
    let first = format!("forked-head: two signed heads of {} entries contradict each other", one.head.size);
    Err(Error::integrity(first)
        .hint(format!("{} signed {}", one.who, one.head))
        .hint(format!("{} signed {}", other.who, other.head))
        .hint("one of them saw, or claims, another history; this proves nothing against the keeper"))
}

/// The note that the auditor holds, if it is of this very head. A different head of the same size is a fork.
fn held(path: &Path, here: &Checkpoint) -> Result<Option<Vec<u8>>> {
    let note = heads::note(path)?;
    let checkpoint = Checkpoint::parse(&note).map_err(|f| Error::failed(f.detail))?;
    if checkpoint.origin != here.origin {
        return Err(Error::integrity(format!(
            "{} is of another ledger: {}",
            path.display(),
            one_line(&checkpoint.origin, 200)
        )));
    }
    let same = same_head(&checkpoint.head, here)
        .map_err(|e| e.hint("promptos checkpoint check writes the proof, if one key signed both"))?;
    Ok(same.then_some(note))
}

fn pinned(context: &Context<'_>, ledger: &EntryId, here: &Checkpoint) -> Result<bool> {
    let Some(pins) = context.pins() else { return Ok(false) };
    match pins.get(ledger)? {
        Some(pin) => same_head(&pin.head, here),
        None => Ok(false),
    }
}

/// Only heads of equal size can be compared without the ledger.
fn same_head(head: &ledger_format::Head, here: &Checkpoint) -> Result<bool> {
    if head.size == here.head.size && head.root != here.head.root {
        return Err(Error::integrity("the ledger forked: you hold another head of the same size")
            .hint(format!("held      {head}"))
            .hint(format!("evidence  {}", here.head)));
    }
    Ok(*head == here.head)
}

/// What a verdict without the ledger leaves open.
fn as_of(size: u64) -> String {
    format!(
        "as of size {size}; rights as the checkpoint's keeper judged them; later revocation is not visible"
    )
}

fn print(
    context: &Context<'_>,
    evidence: &Evidence,
    (rung, witnessed): (Require, Option<&WitnessedHead>),
    (by_ledger, by_key, by): (bool, bool, &str),
) -> Result<()> {
    let line = |label: &str, text: String| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
    let statement = &evidence.subject.statement;
    let head = evidence.checkpoint.head;
    line("entry", format!("{} {DIM}({}){DIM:#}", statement.id, one_line(&statement.subject(), 120)))?;
    line("signer", format!("{} {DIM}{}{DIM:#}", safe(&statement.issuer), statement.kid))?;
    line("time", format!("{} {DIM}as claimed{DIM:#}", time(statement.time)))?;
    line("ledger", format!("{} {DIM}as of {} entries{DIM:#}", evidence.checkpoint.origin, head.size))?;
    for kind in ["snapshot", "render"] {
        for cited in cited(evidence, kind) {
            let name = one_line(&cited.name, 120);
            line(kind, format!("{name} {DIM}{}, as its signer says{DIM:#}", cited.id))?;
        }
    }
    if let Some(start) = cited(evidence, "start").next() {
        let events: Vec<&Statement> = cited(evidence, "event").collect();
        let count = match events.len() {
            1 => "1 event".to_owned(),
            count => format!("{count} events"),
        };
        line("life", format!("started {}, {count}, ended {}", time(start.time), time(statement.time)))?;
        for event in events.iter().take(EVENTS) {
            line("event", told(evidence, event))?;
        }
        if let Some(more @ 1..) = events.len().checked_sub(EVENTS) {
            line("event", format!("{DIM}and {more} more; --json has all{DIM:#}"))?;
        }
    }
    if let Body::Snapshot(snapshot) = &statement.body {
        if let Some(commit) = &snapshot.commit {
            line("commit", hex::encode(commit))?;
        }
        // All but the list itself.
        let files = evidence.blobs.keys().filter(|address| **address != snapshot.manifest.blake3).count();
        line("contents", format!("{files} {DIM}the exact bytes are here{DIM:#}"))?;
    }
    for used in statement.body.used() {
        let erased = evidence.erased.contains(&used.content.blake3);
        let state = if erased { "erased" } else { "the exact bytes are here" };
        line(
            "prompt",
            format!(
                "{} {DIM}{}, {} bytes, {state}{DIM:#}",
                safe(&used.reference),
                short(&used.content.blake3.to_string()),
                used.content.size
            ),
        )?;
    }
    if let Body::Render(render) = &statement.body {
        line("output", format!("{} {DIM}{} bytes{DIM:#}", render.output.blake3, render.output.size))?;
    }
    if let Body::Session(session) = &statement.body
        && let Some(blob) = evidence.blobs.get(&session.details.blake3)
        && let Ok(details) = Details::parse(blob)
    {
        for (name, text) in &details.fields {
            line(&one_line(name, 9), one_line(text, 300))?;
        }
    }
    for nested in &evidence.nested {
        let inner = &nested.subject.statement;
        let trust = match trusted_when_attached(&statement.body, &inner.id) {
            true => "trusted when attached".to_owned(),
            false => format!("{WARN}not trusted when attached{WARN:#}"),
        };
        line(
            "session",
            format!(
                "{} by {} {DIM}of ledger {}{DIM:#}, {trust}",
                inner.name,
                safe(&inner.issuer),
                ui::ledger(&nested.ledger)
            ),
        )?;
    }
    if let Some(ended) = ended(evidence) {
        line("key", format!("{WARN}{ended}{WARN:#}"))?;
    }
    if let Some(witnessed) = witnessed {
        super::verify_chain::print_witnessed(context, witnessed, head.size)?;
    }
    let pinned = rung > Require::Consistent;
    let rung = name(rung);
    line(
        "rung",
        format!(
            "{GOOD}{rung}{GOOD:#} {DIM}as of size {}; rights as the checkpoint's keeper judged them; later revocation is not visible{DIM:#}",
            head.size
        ),
    )?;
    match (by_ledger, by_key) {
        (true, _) => line("trust", format!("the ledger is trusted {DIM}by {by}{DIM:#}")),
        (_, true) => line("trust", format!("the signer's key is trusted {DIM}by {by}{DIM:#}")),
        // A head that one holds is this ledger's and no other's, whoever made it.
        _ if pinned => {
            line("trust", format!("{WARN}neither the ledger nor the signer is one that you trust{WARN:#}"))
        }
        _ => line("trust", format!("{WARN}self-consistent only: anyone could have made this{WARN:#}")),
    }
}

/// What the evidence knows of the end of the subject's key: it has every change of keys below its checkpoint, and
/// nothing after it.
fn ended(evidence: &Evidence) -> Option<String> {
    let record = evidence.key(&evidence.subject.statement.kid)?;
    let revoked = record.revoked?;
    let Some(since) = record.suspect_since else {
        return Some(format!("ended by entry {revoked}, after this one"));
    };
    let here = evidence.subject.proof.index;
    let items = evidence.entries.iter().chain([&evidence.subject]);
    let known = items.filter(|item| item.statement.id == since).map(|item| item.proof.index).next();
    Some(match known {
        Some(since) if here < since => {
            format!("ended by entry {revoked}; suspect from entry {since} on, so not this one")
        }
        Some(since) => format!("ended by entry {revoked}; suspect from entry {since} on, and so is this one"),
        None => format!(
            "ended by entry {revoked}; suspect from {since} on, whose place the evidence does not show"
        ),
    })
}

/// The statements of a kind that a session cites: the snapshot that it stands under, the renders that it used, its start
/// and events.
fn cited<'e>(evidence: &'e Evidence, kind: &'static str) -> impl Iterator<Item = &'e Statement> {
    let cites = match &evidence.subject.statement.body {
        body @ Body::Session(_) => body.cites(),
        _ => Vec::new(),
    };
    let statements = evidence.entries.iter().map(|item| &item.statement);
    statements.filter(move |statement| cites.contains(&(statement.id, Some(kind))))
}

/// What a session's start or event is, as JSON.
fn said<'e>(evidence: &'e Evidence, kind: &'static str) -> impl Iterator<Item = serde_json::Value> + 'e {
    cited(evidence, kind).map(|s| {
        json!({
            "name": s.name, "entry": s.id.to_string(), "iss": s.issuer, "kid": s.kid.to_string(),
            "time": time(s.time), "files": files(evidence, &s.body),
        })
    })
}

/// An event in a line: when, what was said, which files.
fn told(evidence: &Evidence, event: &Statement) -> String {
    let mut text = time(event.time);
    if event.issuer != evidence.subject.statement.issuer {
        text.push_str(&format!(" by '{}'", one_line(&event.issuer, 60)));
    }
    if let Body::Event(body) = &event.body
        && let Some(details) = evidence.blobs.get(&body.details.blake3)
        && let Some(notes) =
            Details::parse(details).ok().and_then(|details| details.fields.get("notes").cloned())
    {
        text.push_str(&format!(" {}", one_line(&notes, 200)));
    }
    for file in files(evidence, &event.body) {
        text.push_str(&format!(" {DIM}[{}]{DIM:#}", one_line(&file, 80)));
    }
    text
}

/// The names of the files that a start or an event lists.
fn files(evidence: &Evidence, body: &Body) -> Vec<String> {
    let attachments = match body {
        Body::Start(session) => session.attachments.as_ref(),
        Body::Event(event) => event.attachments.as_ref(),
        _ => None,
    };
    let manifest = attachments.and_then(|manifest| evidence.blobs.get(&manifest.blake3));
    let manifest = manifest.and_then(|bytes| Manifest::parse(bytes).ok());
    manifest.into_iter().flat_map(|manifest| manifest.files).map(|file| file.path).collect()
}

fn name_json(cited: &Statement) -> serde_json::Value {
    json!({"name": cited.name, "entry": cited.id.to_string()})
}

/// What the run's signer said of a session of another ledger.
fn trusted_when_attached(body: &Body, session: &EntryId) -> bool {
    let Body::Run(run) = body else { return false };
    let cited = run.sessions.iter().find(|cited| cited.entry == *session);
    cited.and_then(|cited| cited.foreign.as_ref()).is_some_and(|foreign| foreign.trusted)
}
