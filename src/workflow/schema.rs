//! Which fields there are, and what may stand in them.

use super::model::Opcode;
use super::rules::{self, Findings, did_you_mean};
use crate::catalog::quoted;
use crate::yaml::{Node, Position, Value};

/// What may stand in a field.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Texts,
    /// A whole number above zero.
    Count,
    Flag,
    Map,
    List,
    /// A map, or a list of maps.
    Routes,
    OneOf(&'static [&'static str]),
}

/// Name, shape, and whether it must be there and not be empty.
pub(crate) type Field = (&'static str, Shape, bool);

use Shape::{Count, Flag, List, Map, OneOf, Routes, Text, Texts};

pub(crate) const WORKFLOW: &[Field] = &[
    ("workflow_id", Text, true),
    ("version", Count, true),
    ("description", Text, true),
    ("entry_step", Text, true),
    ("defaults", Map, false),
    ("steps", List, true),
];

pub(crate) const DEFAULTS: &[Field] = &[
    ("policy", Text, false),
    ("limits", Map, false),
    ("artifacts_dir", Text, false),
    ("component_kind", OneOf(&["docs", "cli", "web", "vscode_ui", "library"]), false),
    ("eval_profile", OneOf(&["smoke", "overnight", "release_candidate"]), false),
];

pub(crate) const VALIDATOR: &[Field] = &[
    ("id", Text, false),
    ("name", Text, false), // what the maintained loader calls the id
    ("kind", OneOf(&["script", "harness", "builtin"]), true),
    ("entrypoint", Text, false),
    ("args", Texts, false),
    ("cwd", Text, false),
    ("artifacts", Texts, false),
    ("timeout", Text, false),
    ("timeout_seconds", Count, false),
    ("may_propose_goldens", Flag, false),
];

pub(crate) const ROUTE: &[Field] = &[("outcome", Text, true), ("target", Text, true)];

/// What every step may have, whatever its opcode.
const STEP: &[Field] = &[("id", Text, true), ("opcode", Text, true), ("allow_unreachable", Flag, false)];

/// The fields of a step.
pub(crate) fn step(opcode: Option<Opcode>) -> Vec<Field> {
    let own: &[Field] = match opcode {
        Some(Opcode::RunAgent) => &[("agent", Text, true), ("prompt", Text, true), ("inputs", Texts, false)],
        Some(Opcode::RunValidation) => &[("run", List, true)],
        Some(Opcode::Evaluate) => &[("prompt", Text, true), ("allowed_next_steps", Texts, true)],
        Some(Opcode::Gate) => &[
            ("gate", Text, true),
            ("approvers", Texts, false),
            ("timeout", Text, false),
            ("timeout_seconds", Count, false),
        ],
        Some(Opcode::Rollback) => &[("target", Text, true)],
        Some(Opcode::Stop) => return [STEP, &[("reason", Text, false)]].concat(),
        None => return STEP.to_vec(),
    };
    let executable: &[Field] = &[("routes", Routes, true), ("policy", Text, false), ("limits", Map, false)];
    [STEP, own, executable].concat()
}

/// Compares a mapping with its fields. `what` names it in messages; `at` is where a missing field is missed.
pub(crate) fn check(node: &Node, fields: &[Field], what: &str, at: Position, findings: &mut Findings<'_>) {
    for (name, shape, required) in fields {
        match node.get(name).filter(|value| !value.is_empty()) {
            Some(value) => check_value(name, *shape, value, findings),
            None if *required => {
                let at = node.entry(name).map_or(at, |entry| entry.at);
                findings.add(rules::MISSING_FIELD, at, format!("{what} has no `{name}`"));
            }
            None => {}
        }
    }
}

/// Names the fields that are none.
pub(crate) fn check_unknown(node: &Node, fields: &[Field], what: &str, findings: &mut Findings<'_>) {
    let known = |key: &str| fields.iter().any(|(name, ..)| *name == key);
    for entry in node.entries().iter().filter(|entry| !known(&entry.key)) {
        let message = format!("{} is no field of {what}", quoted(&entry.key));
        let hint = did_you_mean(&entry.key, fields.iter().map(|(name, ..)| *name)).unwrap_or_else(|| {
            let all: Vec<_> = fields.iter().map(|(name, ..)| *name).collect();
            format!("its fields are: {}", all.join(", "))
        });
        findings.advise(rules::UNKNOWN_FIELD, entry.at, message, hint);
    }
}

fn check_value(name: &str, shape: Shape, node: &Node, findings: &mut Findings<'_>) {
    let mut wrong = |node: &Node, wanted: &str| {
        let message = format!("`{name}` is {}, not {wanted}", node.describe());
        findings.add(rules::FIELD_TYPE, node.at, message);
    };
    match shape {
        Text if node.text().is_none() => wrong(node, "text"),
        Flag if node.bool().is_none() => wrong(node, "true or false"),
        Map if !matches!(node.value, Value::Map(_)) => wrong(node, "a mapping"),
        List if node.list().is_none() => wrong(node, "a list"),
        Routes if node.text().is_some() => wrong(node, "a mapping of outcomes to steps"),
        Texts => match node.list() {
            None => wrong(node, "a list"),
            Some(items) => {
                for item in items.iter().filter(|item| item.is_empty() || item.text().is_none()) {
                    let message = format!("an item of `{name}` is {}, not text", item.describe());
                    findings.add(rules::FIELD_TYPE, item.at, message);
                }
            }
        },
        Count => match node.text() {
            None => wrong(node, "a whole number"),
            Some(text) if text.parse::<u32>().is_ok_and(|number| number > 0) => {}
            Some(text) => {
                let message = format!("`{name}` is {}, not a whole number above 0", quoted(text));
                findings.add(rules::FIELD_TYPE, node.at, message);
            }
        },
        OneOf(values) => match node.text() {
            Some(text) if values.contains(&text) => {}
            Some(text) => {
                let message = format!("{} is no `{name}`", quoted(text));
                let hint = format!("use one of: {}", values.join(", "));
                findings.advise(rules::FIELD_TYPE, node.at, message, hint);
            }
            None => wrong(node, "text"),
        },
        Text | Flag | Map | List | Routes => {}
    }
}
