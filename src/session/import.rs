//! `session import`: session logs of PromptOS, recorded as what they are: integrity only at best, and
//! never signed by their author.

use super::artifact::{FIELDS_V1, hashes_v1, is_gate_v1};
use super::files::parse_json;
use crate::error::{Error, Result};
use crate::ledger::{Content, Ledger, New};
use ledger_format::{Body, DETAILS_TYPE, Descriptor, Details, Import};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// An old session log that agrees with itself.
pub struct OldLog {
    bytes: Vec<u8>,
    /// The file's name.
    name: String,
    /// Which of its hashes were there and agreed.
    pub checked: Vec<String>,
    /// Which prompts it claims.
    pub prompts: Vec<String>,
}

/// Reads one session log and checks the hashes that it carries, and the `.sha256` file beside it.
///
/// # Errors
/// Failed for what is no such log; integrity for one whose own hashes disagree.
pub fn read_old_log(path: &Path) -> Result<OldLog> {
    let bytes =
        std::fs::read(path).map_err(|e| Error::failed(format!("cannot read {}: {e}", path.display())))?;
    let mut log = parse_old_log(path, bytes)?;
    if check_sidecar(path, &log.bytes)? {
        log.checked.push("sidecar".to_owned());
    }
    Ok(log)
}

/// Checks the bytes of one session log, without a look at the `.sha256` file beside it. `path` is how
/// errors name it.
///
/// # Errors
/// As [`read_old_log`].
pub fn parse_old_log(path: &Path, bytes: Vec<u8>) -> Result<OldLog> {
    let shown = path.display();
    let parsed = parse_json(path, &bytes)?;
    let Value::Object(log) = parsed else {
        return Err(Error::failed(format!("{shown} is not a session log: it is not an object")));
    };
    if log.contains_key("ledger") {
        return Err(Error::failed(format!(
            "{shown} is no old session log: its session is in a ledger already"
        ))
        .hint("its evidence proves it: promptos verify FILE"));
    }
    let prompts =
        check_fields(&log).map_err(|why| Error::failed(format!("{shown} is not a session log: {why}")))?;
    let checked = check_hashes(&log).map_err(|why| Error::integrity(format!("{shown}: {why}")))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(OldLog { bytes, name, checked, prompts })
}

/// Puts the statement together; `Err` with the entry's index when the same bytes were imported before.
///
/// # Errors
/// When the ledger cannot be read.
pub fn plan_import(ledger: &Ledger, log: OldLog, salt: [u8; 16]) -> Result<std::result::Result<New, u64>> {
    let content = Descriptor::of(&log.bytes, "application/json");
    let before = ledger.naming(&content.blake3)?;
    if let Some(entry) = before.iter().find(|entry| matches!(entry.statement.body, Body::Import(_))) {
        return Ok(Err(entry.index));
    }
    let details = Details { salt, fields: BTreeMap::from([("file".to_owned(), log.name)]) }.to_bytes();
    let described = Descriptor::of(&details, DETAILS_TYPE);
    let body = Body::Import(Import {
        format: "promptos-session".to_owned(),
        content: content.clone(),
        checked: log.checked,
        details: Some(described.clone()),
    });
    let name = format!("promptos-session.{}", hex::encode(content.blake3.0.get(..8).unwrap_or_default()));
    let contents = vec![Content::Bytes(content, log.bytes), Content::Bytes(described, details)];
    Ok(Ok(New { name, body, contents, next_log_key: None }))
}

/// The fields that every version of the log has, and none that no version has; the prompts it names.
fn check_fields(log: &Map<String, Value>) -> std::result::Result<Vec<String>, String> {
    let text = |name: &str| match log.get(name) {
        None => Err(format!("the field '{name}' is missing")),
        Some(value) => value.as_str().ok_or_else(|| format!("the field '{name}' is not text")),
    };
    for name in ["prompt_os_version", "developer", "target_repo", "notes"] {
        text(name)?;
    }
    let time = text("timestamp_utc")?;
    if chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%SZ").is_err() {
        return Err(format!("the field 'timestamp_utc' is not a UTC time: '{}'", time.escape_debug()));
    }
    match log.get("lint_passed") {
        Some(Value::Bool(_)) => {}
        Some(_) => return Err("the field 'lint_passed' is not true or false".to_owned()),
        None => return Err("the field 'lint_passed' is missing".to_owned()),
    }
    let known =
        |name: &str| FIELDS_V1.contains(&name) || ["pas", "artifact_hash", "chain_hash"].contains(&name);
    if let Some(name) = log.keys().find(|name| !known(name)) {
        return Err(format!("no version of the log has a field '{}'", name.escape_debug()));
    }
    if let Some(pas) = log.get("pas") {
        let text = |name| pas.get(name).is_some_and(Value::is_string);
        let known = ["stack_id", "stack_version", "compiled_hash"];
        if !known.into_iter().all(text) || pas.as_object().is_none_or(|pas| pas.len() != known.len()) {
            return Err("the field 'pas' does not name a stack, its version and its hash".to_owned());
        }
    }
    let prompts = log.get("prompts_used").ok_or("the field 'prompts_used' is missing")?;
    let prompts = prompts.as_array().filter(|prompts| !prompts.is_empty());
    let prompts = prompts.ok_or("the field 'prompts_used' is not a list of at least one id")?;
    let id = |prompt: &Value| match prompt.as_str() {
        Some(id) if is_gate_v1(id) => Ok(id.to_owned()),
        _ => Err(format!("{prompt} in 'prompts_used' is no prompt id")),
    };
    prompts.iter().map(id).collect()
}

/// Checks `artifact_hash` and `chain_hash`, which stand over the log without them.
fn check_hashes(log: &Map<String, Value>) -> std::result::Result<Vec<String>, String> {
    let mut base = log.clone();
    base.shift_remove("artifact_hash");
    base.shift_remove("chain_hash");
    let (artifact, chain) = hashes_v1(&base);
    if log.contains_key("artifact_hash") != log.contains_key("chain_hash") {
        return Err(
            "it has one of artifact_hash and chain_hash; logs have both or none: it was changed".to_owned()
        );
    }
    let mut checked = Vec::new();
    for (name, right) in [("artifact_hash", artifact), ("chain_hash", chain)] {
        match log.get(name) {
            None => {}
            Some(Value::String(stated)) if *stated == right => checked.push(name.to_owned()),
            Some(stated) => {
                return Err(format!("its {name} is {stated}, its content gives {right}: it was changed"));
            }
        }
    }
    Ok(checked)
}

/// Checks the `.sha256` file beside the log; `false` when there is none.
fn check_sidecar(path: &Path, bytes: &[u8]) -> Result<bool> {
    let sidecar = path.with_extension("sha256");
    let text = match std::fs::read_to_string(&sidecar) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(Error::failed(format!("cannot read {}: {e}", sidecar.display()))),
    };
    let right = hex::encode(Sha256::digest(bytes));
    let stated = text.split_whitespace().next().unwrap_or_default();
    if stated != right {
        let name = sidecar.file_name().unwrap_or_default().display();
        // As much as a hash has, since anything may stand there.
        let stated: String = stated.chars().take(64).collect();
        let stated = if stated.is_empty() { "nothing" } else { &stated };
        return Err(Error::integrity(format!(
            "{}: {name} beside it says {stated}, the file has {right}: one of them was changed",
            path.display()
        )));
    }
    Ok(true)
}
