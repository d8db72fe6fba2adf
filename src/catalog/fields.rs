//! Which fields each dialect has, and of what type.

use super::finding::{self, Finding, quoted};
use super::inputs::is_variable;
use super::prompt::Dialect;
use super::text::Position;
use crate::yaml::{Node, Scalar};
use std::path::Path;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any scalar.
    Text,
    /// A list; may be empty.
    List,
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
    ("capabilities", Kind::List, false),
    ("model_hints", Kind::Map, false),
    ("safety_notes", Kind::List, false),
    ("deprecates", Kind::Text, false),
    // Ours, beyond OA05.
    ("title", Kind::Text, false),
    ("gate", Kind::Text, false),
    ("phase", Kind::Text, false),
    ("duty", Kind::Text, false),
    ("stop_conditions", Kind::List, false),
    ("tags", Kind::List, false),
];

const PROMPTOS: &[Field] = &[
    ("prompt_id", Kind::Text, true),
    ("name", Kind::Text, true),
    ("phase", Kind::Text, true),
    ("maps_to_gate", Kind::Text, true),
    ("version", Kind::Text, true),
    ("owner", Kind::Text, true),
    ("last_updated_utc", Kind::Text, true),
    ("stop_conditions", Kind::List, true),
    ("constitution_alignment", Kind::List, true),
    ("inputs_required", Kind::List, false),
    ("outputs_expected", Kind::List, false),
];

const TNH: &[Field] = &[
    ("key", Kind::Text, false),
    ("name", Kind::Text, true),
    ("version", Kind::Text, true),
    ("description", Kind::Text, false),
    ("role", Kind::Text, false),
    ("task_type", Kind::Text, false),
    ("required_variables", Kind::List, false),
    ("optional_variables", Kind::List, false),
    ("default_variables", Kind::Map, false),
    ("tags", Kind::List, false),
    ("inputs", Kind::List, false),
    ("output_contract", Kind::Map, false),
    ("default_model", Kind::Text, false),
    ("output_mode", Kind::Text, false),
    ("safety_level", Kind::Text, false),
    ("schema_version", Kind::Text, false),
];

/// Checks that the fields are there and of the right type, and that OA05's hold what they may.
pub(crate) fn check(
    dialect: Dialect,
    root: &Node,
    start: Position,
    path: &Path,
    findings: &mut Vec<Finding>,
) {
    let table = match dialect {
        Dialect::Oa05 => OA05,
        Dialect::PromptOs => PROMPTOS,
        Dialect::Tnh => TNH,
        Dialect::Plain => &[],
    };
    for (name, kind, required) in table {
        check_field(root, (name, *kind, *required), start, path, findings);
    }
    match dialect {
        Dialect::Oa05 => check_oa05(root, path, findings),
        Dialect::Tnh if root.get("role").is_none() && root.get("task_type").is_none() => {
            findings.push(Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, start, "`role` is missing"));
        }
        Dialect::Tnh | Dialect::PromptOs | Dialect::Plain => {}
    }
}

fn check_field(root: &Node, field: Field, start: Position, path: &Path, findings: &mut Vec<Finding>) {
    let (name, kind, required) = field;
    let Some(entry) = root.entry(name) else {
        if required {
            let message = format!("`{name}` is missing");
            findings.push(
                Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, start, message)
                    .hint(format!("add `{name}: …` to the frontmatter")),
            );
        }
        return;
    };
    let node = &entry.node;
    let (fits, wanted) = match kind {
        Kind::Text => (node.text().is_some(), "text"),
        Kind::List => (node.list().is_some(), "a list"),
        Kind::Map => (matches!(node.value, crate::yaml::Value::Map(_)), "a mapping"),
    };
    let blank = node.is_empty() && !(kind == Kind::List && fits);
    if blank {
        if required {
            let message = format!("`{name}` is empty");
            findings.push(Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, entry.at, message));
        }
    } else if !fits {
        let message = format!("`{name}` is {}, not {wanted}", node.describe());
        findings.push(Finding::new(finding::FRONTMATTER_FIELD_TYPE, path, node.at, message));
    }
}

fn check_oa05(root: &Node, path: &Path, findings: &mut Vec<Finding>) {
    if let Some(node) = root.get("version") {
        let text = node.text().unwrap_or_default();
        let positive = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if !positive || node.scalar() != Some(Scalar::Integer) {
            let hint = if positive { "write it without quotes" } else { "count versions 1, 2, 3, …" };
            findings.push(
                Finding::new(finding::PROMPT_VERSION, path, node.at, "the version is not a positive integer")
                    .hint(hint),
            );
        }
    }
    let enums = [
        (finding::PROMPT_ROLE, "role", &["task", "planner", "policy", "triage", "risk", "journal"][..]),
        (finding::PROMPT_STATUS, "status", &["draft", "current", "deprecated", "archived"][..]),
        (finding::PROMPT_DUTY, "duty", &["writer", "verifier", "reviewer", "none"][..]),
    ];
    for (rule, name, allowed) in enums {
        if let Some(node) = root.get(name)
            && let Some(text) = node.text()
            && !allowed.contains(&text)
        {
            let message = format!("{} is no {name}", quoted(text));
            findings.push(Finding::new(rule, path, node.at, message).hint(one_of(allowed)));
        }
    }
    for entry in root.entries() {
        // The shortest names resemble too much; and comparing long ones would take long.
        let near = |(known, ..): &&Field| {
            known.len() > 4 && entry.key.len() <= 64 && strsim::damerau_levenshtein(known, &entry.key) <= 2
        };
        if !OA05.iter().any(|(known, ..)| *known == entry.key)
            && let Some((near, ..)) = OA05.iter().find(near)
        {
            let message = format!("{} is no known field", quoted(&entry.key));
            findings.push(
                Finding::new(finding::FRONTMATTER_UNKNOWN_FIELD, path, entry.at, message)
                    .hint(format!("did you mean `{near}`?")),
            );
        }
    }
    check_inputs(root, path, findings);
}

fn check_inputs(root: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let mut names: Vec<&str> = Vec::new();
    for node in root.get("inputs").and_then(Node::list).unwrap_or_default() {
        let mut malformed = |at, message: String| {
            findings.push(
                Finding::new(finding::INPUT_MALFORMED, path, at, message)
                    .hint("an input is written: name, type, and required: true or false"),
            );
        };
        if !matches!(node.value, crate::yaml::Value::Map(_)) {
            malformed(node.at, format!("an input is {}, not a mapping", node.describe()));
            continue;
        }
        for field in ["name", "type", "required"] {
            if node.get(field).is_none_or(Node::is_empty) {
                malformed(node.at, format!("an input has no `{field}`"));
            }
        }
        if let Some(required) = node.get("required").filter(|node| !node.is_empty())
            && required.bool().is_none()
        {
            malformed(required.at, "`required` is neither true nor false".to_owned());
        }
        if let Some(name) = node.get("name").filter(|node| !node.is_empty()) {
            match name.text() {
                Some(text) if !is_variable(text) => {
                    malformed(name.at, format!("{} cannot be the name of a variable", quoted(text)));
                }
                Some(text) if names.contains(&text) => {
                    let message = format!("the input {} is declared twice", quoted(text));
                    findings.push(Finding::new(finding::INPUT_DUPLICATE, path, name.at, message));
                }
                Some(text) => names.push(text),
                None => malformed(name.at, format!("an input's name is {}, not text", name.describe())),
            }
        }
        let sources = ["workflow_input", "artifact", "provenance", "system"];
        if let Some(source) = node.get("source")
            && !source.text().is_some_and(|text| sources.contains(&text))
        {
            let message =
                format!("{} is no source of inputs", quoted(source.text().unwrap_or(source.describe())));
            findings
                .push(Finding::new(finding::INPUT_SOURCE, path, source.at, message).hint(one_of(&sources)));
        }
    }
}

fn one_of(allowed: &[&str]) -> String {
    format!("use one of: {}", allowed.join(", "))
}
