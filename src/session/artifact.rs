//! `prompt_session.json`: a session as a file that an orchestrator carries, and back.

use super::SESSION_EVIDENCE;
use super::files::{parse_json, read_json};
use crate::error::{Error, Kind, Result};
use crate::ledger::{BlobState, Entry, Ledger, rfc3339};
use ledger_format::evidence::Evidence;
use ledger_format::{Body, Class, Details, EntryId, Statement, split_reference};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

const SCHEMA: &str = "promptos.prompt_session/1";

/// A statement as the files of this module need it.
struct Source<'a> {
    ledger: EntryId,
    index: u64,
    statement: &'a Statement,
    details: Option<Details>,
}

/// A session named by a file: what the file says was compared with the statement.
#[derive(Debug)]
pub struct SessionFile {
    /// The session's statement id.
    pub entry: EntryId,
    /// The evidence beside the file, with the tar's bytes, when there is one.
    pub evidence: Option<(Evidence, Vec<u8>)>,
}

/// The `prompt_session.json` of a session in this ledger.
///
/// # Errors
/// Failed, when the entry is no session or its details were erased.
pub fn session_json(ledger: &Ledger, entry: &Entry) -> Result<Map<String, Value>> {
    let details = ledger.details(&entry.statement.body)?;
    if let (None, Body::Session(session)) = (&details, &entry.statement.body) {
        let name = &entry.statement.name;
        return Err(match ledger.blob_state(&session.details.blake3)? {
            BlobState::Erased => Error::failed(format!("the details of session {name} were erased")),
            _ if ledger.is_published() => {
                ledger.not_here(&session.details.blake3).hint(format!("it has the details of session {name}"))
            }
            _ => Error::integrity(format!("the details of session {name} are missing from this ledger"))
                .hint("promptos doctor tells what else is lost"),
        });
    }
    document(&Source { ledger: ledger.id(), index: entry.index, statement: &entry.statement, details })
}

fn document(source: &Source<'_>) -> Result<Map<String, Value>> {
    let statement = source.statement;
    let Body::Session(session) = &statement.body else {
        return Err(Error::failed(format!("{} is a {}, not a session", statement.id, statement.kind)));
    };
    let details = source
        .details
        .as_ref()
        .ok_or_else(|| Error::failed(format!("the details of session {} were erased", statement.name)))?;
    let text = |name: &str| details.fields.get(name).cloned().unwrap_or_default();
    let prompt_id = |reference: &str| split_reference(reference).map_or(reference, |(id, _)| id).to_owned();
    let prompts = session.prompts.iter().map(|used| {
        json!({
            "ref": used.reference,
            "gate": used.gate,
            "blake3": hex::encode(used.content.blake3.0),
            "sha256": hex::encode(used.content.sha256),
            "size": used.content.size,
            "type": used.content.media_type,
        })
    });
    let document = json!({
        "schema": SCHEMA,
        "timestamp_utc": rfc3339(statement.time),
        "prompt_os_version": session.tool,
        "prompts_used": session.prompts.iter().map(|used| prompt_id(&used.reference)).collect::<Vec<_>>(),
        "developer": text("developer"),
        "target_repo": text("target"),
        "notes": text("notes"),
        "lint_passed": true,
        "ledger": {
            "id": hex::encode(source.ledger.0),
            "entry": statement.id.to_string(),
            "index": source.index,
            "session": statement.name,
            "head": { "size": statement.head.size, "root": hex::encode(statement.head.root) },
            "catalog_version": session.catalog,
            "snapshot": session.snapshot.map(|id| id.to_string()),
            "prompts": prompts.collect::<Vec<_>>(),
            "signer": { "iss": statement.issuer, "kid": statement.kid.to_string() },
        },
    });
    let Value::Object(mut map) = document else {
        return Err(Error::bug("a session document is not an object"));
    };
    // Only where there is a life: files of other sessions are compared with this field by field.
    if let (Some(life), Some(ledger)) = (&session.life, map.get_mut("ledger").and_then(Value::as_object_mut))
    {
        let events: Vec<String> = life.events.iter().map(ToString::to_string).collect();
        ledger.insert("start".to_owned(), Value::from(life.start.to_string()));
        ledger.insert("events".to_owned(), Value::from(events));
    }
    Ok(map)
}

/// The session in the schema of PromptOS 1.0, for old validators: the JSON with its two hashes, and the
/// text of the `.sha256` file.
///
/// # Errors
/// Failed, for prompt ids that the schema cannot hold (it knows `P` and two digits only).
pub fn strict_v1(document: &Map<String, Value>) -> Result<(String, String)> {
    let text = pretty_v1(&document_v1(document)?);
    let sum = hex::encode(Sha256::digest(text.as_bytes()));
    Ok((text, format!("{sum}  {}\n", super::SESSION_FILE)))
}

/// The fields that every session log of PromptOS has, in their order.
pub(super) const FIELDS_V1: [&str; 7] = [
    "timestamp_utc",
    "prompt_os_version",
    "prompts_used",
    "developer",
    "target_repo",
    "notes",
    "lint_passed",
];

/// Whether PromptOS can hold this prompt id: `P` and two digits.
pub(super) fn is_gate_v1(id: &str) -> bool {
    matches!(id.as_bytes(), [b'P', a, b] if a.is_ascii_digit() && b.is_ascii_digit())
}

fn document_v1(document: &Map<String, Value>) -> Result<Map<String, Value>> {
    let mut old: Map<String, Value> = FIELDS_V1
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), document.get(*name)?.clone())))
        .collect();
    for id in old.get("prompts_used").and_then(Value::as_array).into_iter().flatten() {
        let id = id.as_str().unwrap_or_default();
        if !is_gate_v1(id) {
            return Err(Error::failed(format!(
                "the old schema cannot hold the prompt id '{id}': it wants P and two digits"
            ))
            .hint("export without --strict-v1"));
        }
    }
    for (name, option) in [("developer", "--developer"), ("target_repo", "--target-repo")] {
        if old.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Error::failed(format!("the old schema does not allow an empty {name}"))
                .hint(format!("record a session with {option} NAME, or export without --strict-v1")));
        }
    }
    let (artifact, chain) = hashes_v1(&old);
    old.insert("artifact_hash".to_owned(), Value::from(artifact));
    old.insert("chain_hash".to_owned(), Value::from(chain));
    Ok(old)
}

/// A strict export says nothing of a ledger; only the evidence beside it does.
fn is_v1(file: &Map<String, Value>) -> bool {
    file.contains_key("artifact_hash") && !file.contains_key("ledger")
}

/// The two hashes of a PromptOS session without them: over its pretty-printed text, and over that hash
/// followed by the time stamp.
pub(super) fn hashes_v1(base: &Map<String, Value>) -> (String, String) {
    let artifact = hex::encode(Sha256::digest(pretty_v1(base).as_bytes()));
    let time = base.get("timestamp_utc").and_then(Value::as_str).unwrap_or_default();
    let chain = hex::encode(Sha256::digest(format!("{artifact}{time}").as_bytes()));
    (artifact, chain)
}

/// JSON as `jq .` prints it: two spaces, keys in their order, DEL escaped, a final newline.
fn pretty_v1(map: &Map<String, Value>) -> String {
    let text = serde_json::to_string_pretty(map).unwrap_or_default();
    text.replace('\u{7f}', "\\u007f") + "\n"
}

/// Reads a `prompt_session.json` and compares it with the statement that it names: one of this ledger,
/// or the one that the evidence tar beside the file proves.
///
/// # Errors
/// Failed, when the file is not one or nothing proves it; integrity, when the evidence does not hold;
/// findings, naming the field, when the file disagrees with its statement.
pub fn find_session(ledger: &Ledger, path: &Path) -> Result<SessionFile> {
    let shown = path.display();
    let (_, parsed) = read_json(path)?;
    let stated =
        parsed.pointer("/ledger/entry").and_then(Value::as_str).and_then(|id| id.parse::<EntryId>().ok());
    let tar_path = evidence_beside(path);
    let evidence = match std::fs::read(&tar_path) {
        Ok(tar) => {
            let bad = |f| Error::integrity(format!("{}: {f}", tar_path.display()));
            Some((Evidence::open(&tar).map_err(bad)?, tar))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(Error::failed(format!("cannot read {}: {e}", tar_path.display()))),
    };
    let proved = evidence.as_ref().map(|(evidence, _)| evidence.subject.statement.id);
    let entry = stated.or(parsed.as_object().filter(|file| is_v1(file)).and(proved));
    let (Some(entry), Value::Object(file)) = (entry, &parsed) else {
        return Err(Error::failed(format!("{shown} names no ledger entry"))
            .hint("sessions of PromptOS 1.0 are imported: promptos session import FILE"));
    };
    if let Some((evidence, _)) = &evidence
        && evidence.subject.statement.id != entry
    {
        return Err(Error::integrity(format!(
            "{} proves {}, while {shown} names {entry}",
            tar_path.display(),
            evidence.subject.statement.id
        )));
    }
    if let Some((evidence, _)) = &evidence {
        check_evidence(Some(ledger), evidence, &tar_path)?;
    }
    if let Some(found) = ledger.by_id(&entry)? {
        compare(file, &session_json(ledger, &found)?, path)?;
        return Ok(SessionFile { entry, evidence: None });
    }
    let Some((evidence, tar)) = evidence else {
        return Err(Error::failed(format!("{shown} names {entry}, which is not in this ledger"))
            .hint(format!("put the evidence beside it: {}", tar_path.display())));
    };
    compare(file, &evidence_document(&evidence)?, path)?;
    Ok(SessionFile { entry, evidence: Some((evidence, tar)) })
}

/// Evidence is taken over as the format has it, and evidence of this very ledger must be of its history:
/// what it proves and this ledger does not hold would otherwise pass for another ledger's.
pub(super) fn check_evidence(ledger: Option<&Ledger>, evidence: &Evidence, path: &Path) -> Result<()> {
    let shown = path.display();
    if let Some(part) = evidence.unexpected.first() {
        let part = part.escape_debug();
        return Err(Error::findings(format!("{shown} holds '{part}', which nothing calls for"))
            .hint("take the evidence anew from its ledger: promptos export"));
    }
    let Some(ledger) = ledger.filter(|ledger| ledger.id() == evidence.ledger) else { return Ok(()) };
    ledger.check_extends(&evidence.checkpoint.head).map_err(|e| {
        e.hint(format!("{shown} is evidence of this ledger from another history of it"))
            .hint("restore the newer ledger file, or record the session again")
    })
}

/// Opens evidence. What is no evidence at all is a mistake; what claims to be and does not hold is a violation.
///
/// # Errors
/// Failed for what is no evidence or needs a newer version; integrity for what does not hold.
pub fn open_evidence(path: &Path, bytes: &[u8]) -> Result<Evidence> {
    Evidence::open(bytes).map_err(|failure| {
        // Both, so that no single change makes evidence look like a mere mistake.
        if !bytes.starts_with(b"subject.cose\0") && bytes.get(257..262) != Some(b"ustar") {
            return Error::failed(format!("{} is not an evidence tar", path.display()))
                .hint("evidence is an .evidence.tar, which stands beside its prompt_session.json");
        }
        let kind = if failure.class == Class::Unsupported { Kind::Failed } else { Kind::Integrity };
        Error::new(kind, format!("{} does not hold: {failure}", path.display())).hint(failure.class.meaning())
    })
}

/// Compares a `prompt_session.json` with the statement that evidence proves.
///
/// # Errors
/// Failed when the file is not one; findings, naming the field, when it disagrees.
pub fn check_session_file(path: &Path, bytes: &[u8], evidence: &Evidence) -> Result<()> {
    match parse_json(path, bytes)? {
        Value::Object(file) => compare(&file, &evidence_document(evidence)?, path),
        _ => Err(Error::failed(format!("{} is not a JSON object", path.display()))),
    }
}

/// The `prompt_session.json` of the session that evidence proves.
pub(super) fn evidence_document(evidence: &Evidence) -> Result<Map<String, Value>> {
    let statement = &evidence.subject.statement;
    let blob = match &statement.body {
        Body::Session(session) => evidence.blobs.get(&session.details.blake3),
        _ => None,
    };
    let details = blob.map(|blob| Details::parse(blob)).transpose();
    let details = details.map_err(|f| Error::integrity(f.to_string()))?;
    document(&Source { ledger: evidence.ledger, index: evidence.subject.proof.index, statement, details })
}

/// `x.json` has its evidence in `x.evidence.tar`.
pub(super) fn evidence_beside(path: &Path) -> PathBuf {
    match path.file_name().and_then(|name| name.to_str()) {
        Some(super::SESSION_FILE) | None => path.with_file_name(SESSION_EVIDENCE),
        Some(_) => path.with_extension("evidence.tar"),
    }
}

/// Names the first field in which the file differs from what its statement says.
pub(super) fn compare(file: &Map<String, Value>, statement: &Map<String, Value>, path: &Path) -> Result<()> {
    if is_v1(file) {
        return differ(file, &document_v1(statement)?, path);
    }
    differ(file, statement, path)
}

fn differ(file: &Map<String, Value>, statement: &Map<String, Value>, path: &Path) -> Result<()> {
    let names = statement.keys().chain(file.keys());
    for name in names {
        let (said, signed) = (file.get(name), statement.get(name));
        if said == signed {
            continue;
        }
        if let (Some(Value::Object(said)), Some(Value::Object(signed))) = (said, signed) {
            return differ(said, signed, path);
        }
        let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
        return Err(Error::findings(format!(
            "{}: the field '{name}' is not what was signed",
            path.display()
        ))
        .hint(format!("the file says {}", show(said)))
        .hint(format!("the statement says {}", show(signed)))
        .hint("export the session again: promptos export --force"));
    }
    Ok(())
}
