//! Which fields each dialect has, and of what type.

use super::finding::{self, Finding, Rule, quoted};
use super::fix::Fix;
use super::parse::Source;
use super::prompt::Dialect;
use super::template;
use crate::yaml::Position;
use crate::yaml::{Node, Scalar, Value};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use std::path::Path;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any scalar.
    Text,
    /// A list; may be empty.
    List,
    /// A list of scalars; may be empty.
    Texts,
    Map,
}

/// A field: name, type, and whether it must be there.
type Field = (&'static str, Kind, bool);

const OA05: &[Field] = &[
    ("prompt_id", Kind::Text, true),
    ("version", Kind::Text, true),
    ("role", Kind::Text, true),
    ("summary", Kind::Text, true),
    ("inputs", Kind::List, true),
    ("output_contract", Kind::Map, true),
    ("owner", Kind::Text, true),
    ("status", Kind::Text, true),
    ("model_hints", Kind::Map, false),
    ("safety_notes", Kind::Texts, false),
    ("deprecates", Kind::Text, false),
    // Ours, beyond OA05.
    ("title", Kind::Text, false),
    ("gate", Kind::Text, false),
    ("phase", Kind::Text, false),
    ("duty", Kind::Text, false),
    ("stop_conditions", Kind::Texts, false),
];

const PROMPTOS: &[Field] = &[
    ("prompt_id", Kind::Text, true),
    ("name", Kind::Text, true),
    ("phase", Kind::Text, true),
    ("maps_to_gate", Kind::Text, true),
    ("version", Kind::Text, true),
    ("owner", Kind::Text, true),
    ("last_updated_utc", Kind::Text, true),
    ("stop_conditions", Kind::Texts, true),
    ("constitution_alignment", Kind::Texts, true),
    ("inputs_required", Kind::Texts, false),
    ("outputs_expected", Kind::Texts, false),
];

const TNH: &[Field] = &[
    ("key", Kind::Text, false),
    ("name", Kind::Text, true),
    ("version", Kind::Text, true),
    ("description", Kind::Text, false),
    ("role", Kind::Text, false),
    ("task_type", Kind::Text, false),
    ("required_variables", Kind::Texts, false),
    ("optional_variables", Kind::Texts, false),
    ("default_variables", Kind::Map, false),
    ("inputs", Kind::List, false),
    ("output_contract", Kind::Map, false),
    ("output_mode", Kind::Text, false),
];

/// What any prompt may have.
const COMMON: &[Field] = &[
    ("owner", Kind::Text, false),
    ("status", Kind::Text, false),
    ("scope", Kind::Text, false),
    ("source", Kind::Text, false),
    ("notes", Kind::Text, false),
    ("tags", Kind::Texts, false),
    ("capabilities", Kind::Texts, false),
    ("default_model", Kind::Text, false),
    ("safety_level", Kind::Text, false),
    ("pii_handling", Kind::Text, false),
    ("content_flags", Kind::Texts, false),
    ("warnings", Kind::Texts, false),
    ("schema_version", Kind::Text, false),
    ("created_at", Kind::Text, false),
    ("updated_at", Kind::Text, false),
    ("input_contract_ref", Kind::Text, false),
    ("output_contract_ref", Kind::Text, false),
    ("lint", Kind::List, false),
];

/// The fields that have a fixed set of values.
const CHOICES: &[(Rule, &str, &[&str], &[Dialect])] = &[
    (
        finding::PROMPT_ROLE,
        "role",
        &["task", "planner", "policy", "triage", "risk", "journal"],
        &[Dialect::Oa05],
    ),
    (finding::PROMPT_STATUS, "status", &["draft", "current", "deprecated", "archived"], &[Dialect::Oa05]),
    (finding::PROMPT_DUTY, "duty", &["writer", "verifier", "reviewer", "none"], &[Dialect::Oa05]),
    (finding::FRONTMATTER_FIELD_VALUE, "scope", &["user", "agent", "global"], &[]),
    (finding::FRONTMATTER_FIELD_VALUE, "safety_level", &["safe", "moderate", "sensitive"], &[]),
    (finding::FRONTMATTER_FIELD_VALUE, "pii_handling", &["none", "anonymize", "explicit_consent"], &[]),
    (finding::FRONTMATTER_FIELD_VALUE, "output_mode", &["text", "json", "structured"], &[Dialect::Tnh]),
];

/// Checks that the fields are there, of the right type, and hold what they may.
pub(crate) fn check(source: &Source<'_>, path: &Path, findings: &mut Vec<Finding>) {
    let (dialect, root) = (source.prompt.dialect, &source.frontmatter);
    let start = Position { line: source.yaml_line, column: 1 };
    let table = match dialect {
        Dialect::Oa05 => OA05,
        Dialect::PromptOs => PROMPTOS,
        Dialect::Tnh => TNH,
        Dialect::Plain => &[],
    };
    let common = COMMON.iter().filter(|(name, ..)| table.iter().all(|(own, ..)| own != name));
    let known: Vec<Field> = table.iter().chain(common).copied().collect();
    for field in &known {
        check_field(source, *field, start, path, findings);
    }
    if dialect == Dialect::Tnh {
        let missing = |text: &str| Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, start, text);
        if root.get("role").is_none() && root.get("task_type").is_none() {
            findings.push(missing("`role` is missing").hint("add `role: …` to the frontmatter"));
        }
        if root.get("description").is_none_or(Node::is_empty) {
            let finding = missing("`description` is missing").lenient();
            findings.push(finding.hint("say what the prompt does, in a sentence"));
        }
        if let Some(entry) = root.entry("key").filter(|entry| entry.node.is_empty()) {
            findings.push(Finding {
                column: entry.at.column,
                line: entry.at.line,
                ..missing("`key` is empty")
            });
        }
    }
    for (rule, name, allowed, dialects) in CHOICES {
        if (dialects.is_empty() || dialects.contains(&dialect))
            && let Some(node) = root.get(name)
        {
            findings.extend(check_choice(source, path, *rule, (name, node), allowed));
        }
    }
    check_version(source, path, findings);
    check_deprecates(source, path, findings);
    check_dates(root, path, findings);
    check_unknown(root, &known, path, findings);
}

fn check_field(source: &Source<'_>, field: Field, start: Position, path: &Path, findings: &mut Vec<Finding>) {
    let (name, kind, required) = field;
    let Some(entry) = source.frontmatter.entry(name) else {
        if required {
            let message = format!("`{name}` is missing");
            let finding = Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, start, message);
            let finding = finding.hint(format!("add `{name}: …` to the frontmatter"));
            // That there is nothing to declare is a fact; all else only a person knows.
            let none = name == "inputs"
                && template::check(&source.prompt.template).is_ok_and(|uses| uses.variables.is_empty());
            findings.push(finding.fix(none.then(|| Fix::line(source, "inputs: []"))));
        }
        return;
    };
    let node = &entry.node;
    let (fits, wanted) = match kind {
        Kind::Text => (node.text().is_some(), "text"),
        Kind::List | Kind::Texts => (node.list().is_some(), "a list"),
        Kind::Map => (matches!(node.value, Value::Map(_)), "a mapping"),
    };
    let blank = node.is_empty() && !(matches!(kind, Kind::List | Kind::Texts) && fits);
    if blank {
        if required {
            let message = format!("`{name}` is empty");
            findings.push(Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, entry.at, message));
        }
    } else if !fits {
        let message = format!("`{name}` is {}, not {wanted}", node.describe());
        let is_word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c));
        let word = node.text().filter(|text| kind == Kind::Texts && is_word(text));
        let fix = word.and_then(|_| Fix::of(source, node, format!("[{}]", source.written(node)?)));
        findings.push(Finding::new(finding::FRONTMATTER_FIELD_TYPE, path, node.at, message).fix(fix));
    } else if kind == Kind::Texts {
        for item in node.list().unwrap_or_default().iter().filter(|item| item.text().is_none()) {
            let message = format!("an item of `{name}` is {}, not text", item.describe());
            findings.push(Finding::new(finding::FRONTMATTER_FIELD_TYPE, path, item.at, message));
        }
    }
}

/// Checks that a scalar is one of the allowed words. What is no scalar is reported with the field's type.
pub(crate) fn check_choice(
    source: &Source<'_>,
    path: &Path,
    rule: Rule,
    (name, node): (&str, &Node),
    allowed: &[&str],
) -> Option<Finding> {
    let text = node.text().filter(|text| !text.trim().is_empty() && !allowed.contains(text))?;
    let lower = text.trim().to_lowercase();
    let fix = allowed.iter().find(|word| **word == lower).and_then(|word| Fix::of(source, node, *word));
    let message = format!("{} is no {name}", quoted(text));
    let hint = format!("use one of: {}", allowed.join(", "));
    Some(Finding::new(rule, path, node.at, message).hint(hint).fix(fix))
}

fn check_version(source: &Source<'_>, path: &Path, findings: &mut Vec<Finding>) {
    let Some(node) = source.frontmatter.get("version") else { return };
    let Some(text) = node.text() else { return };
    let positive = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if source.prompt.dialect == Dialect::Oa05 {
        if !positive || node.scalar() != Some(Scalar::Integer) {
            let hint = if positive { "write it without quotes" } else { "count versions 1, 2, 3, …" };
            let fix = if positive { Fix::of(source, node, text) } else { None };
            let message = "the version is not a positive integer";
            findings.push(Finding::new(finding::PROMPT_VERSION, path, node.at, message).hint(hint).fix(fix));
        }
        return;
    }
    if source.prompt.dialect == Dialect::Tnh && text.split('.').count() > 3 {
        let finding =
            Finding::new(finding::PROMPT_VERSION, path, node.at, "the version has more than three numbers");
        findings.push(finding.lenient());
    }
    // A whole number stays what it is, unless it has leading zeros or the like.
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if node.scalar() == Some(Scalar::Float) || (node.scalar() == Some(Scalar::Integer) && !plain) {
        let message = format!("other tools take the version {} for a number", quoted(text));
        let finding = Finding::new(finding::PROMPT_VERSION_NUMBER, path, node.at, message);
        let fix = Fix::of(source, node, format!("\"{text}\""));
        findings.push(finding.hint("write it in quotes").fix(fix));
    }
}

fn check_deprecates(source: &Source<'_>, path: &Path, findings: &mut Vec<Finding>) {
    let prompt = &source.prompt;
    let Some(node) = source.frontmatter.get("deprecates").filter(|node| !node.is_empty()) else { return };
    let Some(text) = node.text().filter(|_| prompt.dialect == Dialect::Oa05) else { return };
    let message = if text == prompt.reference() {
        "a prompt cannot deprecate itself".to_owned()
    } else if super::split_ref(text).is_some_and(|(id, _)| super::is_id(id)) {
        return;
    } else {
        format!("{} is no ref of a prompt", quoted(text))
    };
    let hint = "name the version that this one replaces, such as `<id>.v1`";
    findings.push(Finding::new(finding::PROMPT_DEPRECATES, path, node.at, message).hint(hint));
}

fn check_dates(root: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let mut days = Vec::new();
    for name in ["created_at", "updated_at", "last_updated_utc"] {
        let Some(node) = root.get(name).filter(|node| !node.is_empty()) else { continue };
        let Some(text) = node.text() else { continue };
        match day(text.trim()) {
            Some(day) => days.push((day, name, node.at)),
            None => findings.push(
                Finding::new(
                    finding::FRONTMATTER_DATE,
                    path,
                    node.at,
                    format!("{} is no date", quoted(text)),
                )
                .hint("write 2026-01-31 or 2026-01-31T12:00:00Z"),
            ),
        }
    }
    if let [(created, "created_at", _), (updated, _, at), ..] = days[..]
        && updated < created
    {
        let message = "it was changed before it was created";
        findings.push(Finding::new(finding::FRONTMATTER_DATE, path, at, message));
    }
}

fn day(text: &str) -> Option<NaiveDate> {
    let local = |form: &str| NaiveDateTime::parse_from_str(text, form).ok().map(|time| time.date());
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| time.date_naive()))
        .or_else(|| local("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| local("%Y-%m-%d %H:%M:%S%.f"))
}

fn check_unknown(root: &Node, known: &[Field], path: &Path, findings: &mut Vec<Finding>) {
    for entry in root.entries() {
        // Short names resemble too much; and comparing long ones would take long.
        let near = |(name, ..): &&Field| {
            let most = if name.len() > 8 { 2 } else { 1 };
            name.len() > 5 && entry.key.len() <= 64 && strsim::damerau_levenshtein(name, &entry.key) <= most
        };
        if known.iter().all(|(name, ..)| *name != entry.key)
            && let Some((near, ..)) = known.iter().find(near)
        {
            let message = format!("{} is no known field", quoted(&entry.key));
            let finding = Finding::new(finding::FRONTMATTER_UNKNOWN_FIELD, path, entry.at, message);
            findings.push(finding.hint(format!("did you mean `{near}`?")));
        }
    }
}
