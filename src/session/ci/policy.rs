//! `promptos_policy.json`, the policy of PromptOS: what it demands of the sessions of a change.

use super::{Check, Gathered, Issue};
use crate::catalog::counted;
use crate::catalog::is_version;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::session::files::parse_json;
use ledger_format::{Body, EntryId};
use serde_json::{Map, Value};
use std::path::Path;

const NAME: &str = "policy";

/// Where the policy may lie, relative to the project's root.
pub const POLICY_FILES: [&str; 2] = ["promptos_policy.json", "policy/promptos_policy.json"];

const VERSION: &str = "required_promptos_version";
const HASHES: &str = "enforce_hash_validation";
const DECLARED: &str = "require_prompts_declared";
const CHAIN: &str = "require_chain_validation";
const BINDING: &str = "require_run_binding";
const SETTINGS: [&str; 5] = [VERSION, HASHES, DECLARED, CHAIN, BINDING];

/// Checks the policy files, and what they demand of the sessions. `files` are their paths, as shown, with their
/// bytes; `registry` is the release that the registry names.
///
/// The required version is the oldest that is accepted: sessions do not become invalid because a newer program or
/// catalog is released.
///
/// # Errors
/// When the ledger cannot be read.
pub fn policy(
    files: &[(String, Vec<u8>)],
    registry: Option<&str>,
    gathered: &Gathered,
    ledger: Option<&Ledger>,
) -> Result<Check> {
    let mut issues = Vec::new();
    let mut policies: Vec<(&str, Map<String, Value>)> = Vec::new();
    for (shown, bytes) in files {
        match parse_json(Path::new(shown), bytes) {
            Ok(Value::Object(settings)) => policies.push((shown, settings)),
            Ok(_) => issues.push(Issue::finding("the policy is not a JSON object").at(shown, 1)),
            Err(error) => issues.push(Issue::finding(error.to_string()).at(shown, 1)),
        }
    }
    if let [(first, one), (second, other)] = policies.as_slice() {
        for name in SETTINGS.iter().filter(|name| one.get(**name) != other.get(**name)) {
            let what = format!("'{name}' is not the same in {first} and {second}");
            issues.push(Issue::finding(what).at(*second, 1).hint("keep one of the two files"));
        }
    }
    for (shown, settings) in &policies {
        let mut found = shape(settings);
        if found.is_empty() {
            found.extend(contradictions(settings, registry));
            found.extend(demands(settings, gathered, ledger)?);
        }
        issues.extend(found.into_iter().map(|issue| issue.at(*shown, 1)));
    }
    let sessions = counted(gathered.sessions.len(), "session");
    Ok(Check::made(NAME, format!("{sessions} held against {}", counted(files.len(), "policy file")), issues))
}

fn shape(settings: &Map<String, Value>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (name, value) in settings {
        let known = SETTINGS.contains(&name.as_str());
        match value {
            _ if !known => issues.push(
                Issue::finding(format!("'{name}' is a setting that is not known"))
                    .hint(format!("known are: {}", SETTINGS.join(", "))),
            ),
            Value::String(text) if name == VERSION && number(text).is_some() => {}
            Value::Bool(_) if name != VERSION => {}
            _ if name == VERSION => {
                issues.push(Issue::finding(format!(
                    "'{name}' is {value}, which is no version such as \"v1.0.1\""
                )));
            }
            _ => issues.push(Issue::finding(format!("'{name}' is {value}, which is neither true nor false"))),
        }
    }
    issues
}

/// Settings that cannot all be meant.
fn contradictions(settings: &Map<String, Value>, registry: Option<&str>) -> Vec<Issue> {
    let is = |name: &str, wanted: bool| settings.get(name).and_then(Value::as_bool) == Some(wanted);
    let mut issues = Vec::new();
    if is(CHAIN, true) && is(HASHES, false) {
        issues.push(Issue::finding(format!(
            "'{CHAIN}' is true and '{HASHES}' false, but a chain is made of hashes"
        )));
    }
    if is(BINDING, true) && is(DECLARED, false) {
        let what =
            format!("'{BINDING}' is true and '{DECLARED}' false, but a run is bound to declared prompts");
        issues.push(Issue::finding(what));
    }
    for name in [HASHES, DECLARED, CHAIN].into_iter().filter(|name| is(name, false)) {
        issues.push(Issue::warning(format!("'{name}' is false, and has no effect: this is always checked")));
    }
    let (required, release) = (settings.get(VERSION).and_then(Value::as_str), registry);
    if let (Some(required), Some(release)) = (required, release)
        && older(release, required) == Some(true)
    {
        let what = format!(
            "'{VERSION}' is {required}, but the registry is of {release}: nothing here could meet it"
        );
        issues.push(Issue::finding(what));
    }
    issues
}

fn demands(
    settings: &Map<String, Value>,
    gathered: &Gathered,
    ledger: Option<&Ledger>,
) -> Result<Vec<Issue>> {
    let mut issues = Vec::new();
    if let Some(required) = settings.get(VERSION).and_then(Value::as_str) {
        for session in &gathered.sessions {
            let tool = session.session.tool.as_str();
            match older(tool, required) {
                Some(false) => {}
                Some(true) => issues.push(
                    Issue::finding(format!(
                        "session {} was recorded by {tool}, which is older than {required}",
                        session.name
                    ))
                    .hint("record it with a newer promptos, or accept older sessions in the policy"),
                ),
                None => {
                    let what =
                        format!("session {} was recorded by '{tool}', which is no version", session.name);
                    issues.push(Issue::finding(what));
                }
            }
        }
    }
    if settings.get(BINDING).and_then(Value::as_bool) == Some(true) {
        for session in &gathered.sessions {
            let cited = gathered.runs.iter().any(|run| cites(&run.subject.statement.body, &session.entry));
            if !cited
                && ledger
                    .map(|ledger| ledger.citing(&session.entry))
                    .transpose()?
                    .is_none_or(|runs| runs.is_empty())
            {
                issues.push(
                    Issue::finding(format!(
                        "session {} is bound to no run, which '{BINDING}' demands",
                        session.name
                    ))
                    .hint("bind it: promptos attach --run-record FILE"),
                );
            }
        }
    }
    Ok(issues)
}

fn cites(body: &Body, session: &EntryId) -> bool {
    matches!(body, Body::Run(run) if run.sessions.iter().any(|cited| cited.entry == *session))
}

/// The numbers of a version, comparable: without the `v` before, what follows a hyphen or plus, and zeros that make
/// no difference. `None` for what is no version.
fn number(version: &str) -> Option<Vec<(usize, &str)>> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let numbers = version.split(['-', '+']).next().filter(|numbers| is_version(numbers))?;
    let parts = numbers.split('.').map(|part| part.trim_start_matches('0'));
    let mut parts: Vec<_> = parts.map(|part| (part.len(), part)).collect();
    while parts.pop_if(|(digits, _)| *digits == 0).is_some() {}
    Some(parts)
}

/// Whether one version comes before another; `None` when one of them is none.
fn older(version: &str, than: &str) -> Option<bool> {
    Some(number(version)? < number(than)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_minimum() {
        for (version, than, expected) in [
            ("v1.0.0", "v1.0.1", Some(true)),
            ("v1.0.1", "v1.0.1", Some(false)),
            ("v1.0.2", "v1.0.1", Some(false)),
            ("v2", "v1.9.9", Some(false)),
            ("v1.9", "v1.10", Some(true)),
            ("v1.10", "v1.9", Some(false)),
            ("1.0", "v1", Some(false)),
            ("v1", "1.0.0", Some(false)),
            ("v01.0", "v1", Some(false)),
            ("v1.0.1-3-gabcdef-dirty", "v1.0.1", Some(false)),
            ("v0.9-rc.1", "v1", Some(true)),
            ("UNRELEASED", "v1", None),
            ("v1", "latest", None),
            ("", "v1", None),
        ] {
            assert_eq!(older(version, than), expected, "{version} {than}");
        }
    }
}
