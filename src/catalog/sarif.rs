//! A lint report as SARIF 2.1.0, which code hosts and editors show beside the source.

use super::finding::{Finding, Severity};
use super::lint::Report;
use super::rules::{RULES, Rule};
use serde_json::{Value, json};
use std::path::{Component, Path};

/// The report as one SARIF log. `version` is this program's. Columns count Unicode code points.
#[must_use]
pub fn sarif(report: &Report, version: &str) -> Value {
    let results: Vec<Value> = report.findings.iter().chain(&report.allowed).map(result).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "promptos",
                "version": version,
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": {"text": sentence(rule.what)},
        "fullDescription": {"text": sentence(rule.why)},
        "help": {"text": rule.in_markdown(), "markdown": rule.in_markdown()},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

fn result(finding: &Finding) -> Value {
    let text = match &finding.hint {
        Some(hint) => format!("{} ({hint})", finding.message),
        None => finding.message.clone(),
    };
    let end = finding.excerpt.as_ref().map(|excerpt| finding.column + excerpt.marked.chars().count());
    let region = json!({"startLine": finding.line, "startColumn": finding.column});
    let region = with(region, "endColumn", end.map(Value::from));
    let file = json!({"uri": uri(&finding.path)});
    let fixes = finding.fix.as_ref().map(|fix| {
        json!([{
            "artifactChanges": [{
                "artifactLocation": file,
                "replacements": [{
                    "deletedRegion": {"byteOffset": fix.start, "byteLength": fix.end - fix.start},
                    "insertedContent": {"text": fix.text},
                }],
            }],
        }])
    });
    let suppressions =
        finding.allowed.as_ref().map(|reason| json!([{"kind": "inSource", "justification": reason}]));
    let result = json!({
        "ruleId": finding.code,
        "ruleIndex": RULES.iter().position(|rule| rule.code == finding.code),
        "level": level(finding.severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": file, "region": region}}],
    });
    with(with(result, "fixes", fixes), "suppressions", suppressions)
}

/// An object with one more member, if there is one.
fn with(mut object: Value, key: &str, member: Option<Value>) -> Value {
    if let (Some(fields), Some(member)) = (object.as_object_mut(), member) {
        fields.insert(key.to_owned(), member);
    }
    object
}

/// A path as a URI reference: relative paths stay relative, all but unreserved characters are percent-encoded.
fn uri(path: &Path) -> String {
    let mut uri = if path.is_absolute() { "file://".to_owned() } else { String::new() };
    let mut parts = path.components().filter(|part| *part != Component::CurDir).peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::RootDir => {}
            part => {
                uri.push_str(if path.is_absolute() { "/" } else { "" });
                for byte in part.as_os_str().as_encoded_bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                        uri.push(char::from(*byte));
                    } else {
                        uri.push_str(&format!("%{byte:02X}"));
                    }
                }
                let more = !path.is_absolute() && parts.peek().is_some();
                uri.push_str(if more { "/" } else { "" });
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        for (path, expected) in [
            ("prompts/a.md", "prompts/a.md"),
            ("./prompts/a b.md", "prompts/a%20b.md"),
            ("../é%:#?.md", "../%C3%A9%25%3A%23%3F.md"),
            ("/srv/x/a.md", "file:///srv/x/a.md"),
        ] {
            assert_eq!(uri(Path::new(path)), expected);
        }
    }
}
