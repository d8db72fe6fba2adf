//! `fp-1`: the fingerprint by which TNH Scholar's provenance names a prompt and its values (ADR-A12). It is printed
//! for those who compare, and never recorded: digests of short values can be guessed.

use super::INPUT_TEXT;
use crate::catalog::Prompt;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What went into a rendering, by digests `sha256:<64 hex digits>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fingerprint {
    /// `fp-1`.
    pub schema_version: &'static str,
    /// The prompt's id, without a version: the same whatever it was asked for by.
    pub prompt_key: String,
    /// Its name.
    pub prompt_name: String,
    /// Its path in its catalog, never one of this machine.
    pub prompt_base_path: String,
    /// Of the file's bytes, frontmatter included.
    pub prompt_content_hash: String,
    /// Of the variables as JSON: keys sorted, no blanks, UTF-8.
    pub variables_hash: String,
    /// Of `input_text` in UTF-8; of the empty text when there is none.
    pub user_string_hash: String,
}

impl Fingerprint {
    /// The fingerprint of a prompt with these variables.
    #[must_use]
    pub fn new(prompt: &Prompt, variables: &Map<String, Value>) -> Self {
        let user = variables.get(INPUT_TEXT).and_then(Value::as_str).unwrap_or_default();
        let mut canonical = String::new();
        object(variables, &mut canonical);
        let path: Vec<_> = prompt.path.iter().map(|part| part.to_string_lossy()).collect();
        Self {
            schema_version: "fp-1",
            prompt_key: prompt.id.clone(),
            prompt_name: prompt.title.clone(),
            prompt_base_path: path.join("/"),
            prompt_content_hash: sha256(&prompt.bytes),
            variables_hash: sha256(canonical.as_bytes()),
            user_string_hash: sha256(user.as_bytes()),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// What Python writes with `sort_keys=True, separators=(",", ":"), ensure_ascii=False`.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(entries) => object(entries, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                canonical(item, out);
            }
            out.push(']');
        }
        Value::String(text) => string(text, out),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
    }
}

fn object(entries: &Map<String, Value>, out: &mut String) {
    // Python sorts by code points, as UTF-8 does.
    let mut keys: Vec<_> = entries.iter().collect();
    keys.sort_unstable_by_key(|(key, _)| key.as_str());
    out.push('{');
    for (at, (key, value)) in keys.into_iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        string(key, out);
        out.push(':');
        canonical(value, out);
    }
    out.push('}');
}

/// JSON escapes as Python does here: only what must be.
fn string(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

/// Integers as they are; other numbers as Python's `repr`, which turns to exponents below 1e-4 and from 1e16.
fn number_text(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = float.abs();
    if float == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{float:?}");
    }
    // The shortest digits that read back as the same number, in both languages.
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if exponent.starts_with('-') => {
            format!("{digits}e-{:0>2}", exponent.trim_start_matches('-'))
        }
        Some((digits, exponent)) => format!("{digits}e+{exponent:0>2}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = json!({"é": 1, "z": [true, null, "ü\u{1F600}\u{2028}\u{7f}"], "a": {"b": "\"\\\n\t\u{1}\u{8}", "B": -0.0}});
        let mut text = String::new();
        canonical(&value, &mut text);
        assert_eq!(
            text,
            "{\"a\":{\"B\":-0.0,\"b\":\"\\\"\\\\\\n\\t\\u0001\\b\"},\"z\":[true,null,\"ü\u{1F600}\u{2028}\u{7f}\"],\"é\":1}"
        );
        for (number, python) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (-1e-300, "-1e-300"),
            (123_456_789.123, "123456789.123"),
        ] {
            assert_eq!(number_text(&serde_json::Number::from_f64(number).unwrap()), python);
        }
        assert_eq!(number_text(&serde_json::Number::from(u64::MAX)), "18446744073709551615");
    }
}
