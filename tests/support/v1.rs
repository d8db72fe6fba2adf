//! Session logs of PromptOS 0.3 to 1.0, made and judged by rules written down here a second time: nothing of the
//! program under test is used.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A log without hashes, as every version begins.
pub(crate) fn log(version: &str, prompts: &[&str], developer: &str, notes: &str) -> Map<String, Value> {
    let value = json!({
        "timestamp_utc": "2026-02-20T03:13:03Z",
        "prompt_os_version": version,
        "prompts_used": prompts,
        "developer": developer,
        "target_repo": "TrackVaultApp",
        "notes": notes,
        "lint_passed": true,
    });
    value.as_object().unwrap().clone()
}

/// What `jq .` prints, final line end included.
pub(crate) fn jq(value: &Value) -> String {
    let mut out = String::new();
    print(value, 0, &mut out);
    out + "\n"
}

fn print(value: &Value, depth: usize, out: &mut String) {
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
    match value {
        Value::String(text) => quote(text, out),
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "[" } else { "," });
                out.push_str(&line(depth + 1));
                print(item, depth + 1, out);
            }
            out.push_str(&(line(depth) + "]"));
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (i, (name, item)) in fields.iter().enumerate() {
                out.push_str(if i == 0 { "{" } else { "," });
                out.push_str(&line(depth + 1));
                quote(name, out);
                out.push_str(": ");
                print(item, depth + 1, out);
            }
            out.push_str(&(line(depth) + "}"));
        }
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
        Value::Number(number) => out.push_str(&number.to_string()),
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `artifact_hash` and `chain_hash` of a log, whatever it says of them itself.
pub(crate) fn hashes(log: &Map<String, Value>) -> (String, String) {
    let base: Map<String, Value> =
        log.iter().filter(|(k, _)| !k.ends_with("_hash")).map(|(k, v)| (k.clone(), v.clone())).collect();
    let time = base["timestamp_utc"].as_str().unwrap().to_owned();
    let artifact = sha256_hex(jq(&Value::Object(base)).as_bytes());
    let chain = sha256_hex(format!("{artifact}{time}").as_bytes());
    (artifact, chain)
}

/// The log with its two hashes, as v0.8 and later write it.
pub(crate) fn sealed(mut log: Map<String, Value>) -> Map<String, Value> {
    let (artifact, chain) = hashes(&log);
    log.insert("artifact_hash".into(), artifact.into());
    log.insert("chain_hash".into(), chain.into());
    log
}

/// The text of a `.sha256` file.
pub(crate) fn sidecar(bytes: &[u8], name: &str) -> String {
    format!("{}  {name}\n", sha256_hex(bytes))
}

/// What the published schema of the log objects to; empty for a log that it accepts.
pub(crate) fn violations(log: &Value) -> Vec<String> {
    let Some(fields) = log.as_object() else { return vec!["not an object".into()] };
    let mut wrong = Vec::new();
    let required = [
        "timestamp_utc",
        "prompt_os_version",
        "prompts_used",
        "developer",
        "target_repo",
        "notes",
        "lint_passed",
    ];
    wrong.extend(required.iter().filter(|n| !fields.contains_key(**n)).map(|n| format!("no {n}")));
    for (name, value) in fields {
        let right = match name.as_str() {
            "timestamp_utc" => value.as_str().is_some_and(|t| shape(t) == "9999-99-99T99:99:99Z"),
            "prompts_used" => value.as_array().is_some_and(|ids| {
                !ids.is_empty() && ids.iter().all(|id| id.as_str().is_some_and(|id| shape(id) == "P99"))
            }),
            "developer" | "target_repo" => value.as_str().is_some_and(|text| !text.is_empty()),
            "prompt_os_version" | "notes" | "artifact_hash" | "chain_hash" => value.is_string(),
            "lint_passed" => value.is_boolean(),
            _ => false,
        };
        if !right {
            wrong.push(format!("{name}: {value}"));
        }
    }
    wrong
}

/// Every digit as 9.
fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect()
}
