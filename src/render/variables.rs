//! Which value each variable has, where it comes from, and whether it may.

use super::INPUT_TEXT;
use crate::catalog::{
    Finding, Input, Level, Prompt, RENDER_EXTRA, RENDER_MISSING, RENDER_TYPE, Rule, quoted,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// `[render]` of `promptos.toml`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Required variables without a value; an error when nothing is said.
    pub missing: Option<Level>,
    /// Values that the prompt neither declares nor uses; an error when nothing is said.
    pub extra: Option<Level>,
    /// Names without a value that the template uses; an error when nothing is said. Else they are empty.
    pub undefined: Option<Level>,
    /// What happens when two layers have a mapping for one variable.
    pub merge: Merge,
    /// Whether the lines of block tags stay, and the last line end.
    pub preserve_whitespace: bool,
    /// Values for every prompt, below a prompt's own defaults.
    pub defaults: Map<String, Value>,
}

/// What happens to a mapping that a lower layer has as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Merge {
    /// It hides the lower one.
    #[default]
    Override,
    /// It hides entry by entry, at every depth; lists and texts are hidden whole.
    Deep,
}

/// The layers, highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// One variable on the command line.
    Var,
    /// A file of variables.
    Vars,
    /// The text of a file, as `input_text`.
    InputFile,
    /// The prompt's own default.
    Frontmatter,
    /// The project's default.
    Settings,
    /// No layer: the variable is empty.
    Empty,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Var => "--var",
            Self::Vars => "--vars",
            Self::InputFile => "--input-file",
            Self::Frontmatter => "the prompt's default",
            Self::Settings => "the project's default",
            Self::Empty => "not given, so empty",
        })
    }
}

/// What one layer gives. A null is no value.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Which layer it is.
    pub origin: Origin,
    /// The values by name.
    pub values: Map<String, Value>,
}

impl Given {
    /// What a caller gives by name, in the highest layer.
    pub fn values<N: Into<String>, V: Into<Value>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { origin: Origin::Var, values }
    }
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The variable.
    pub name: String,
    /// The highest layer that has it.
    pub origin: Origin,
    /// Its value.
    pub value: Value,
    /// Whether entries of the lower layers are part of it.
    pub merged: bool,
    /// What the lower layers have, highest first.
    pub hidden: Vec<Hidden>,
}

/// A value that a higher layer hides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hidden {
    /// Its layer.
    pub origin: Origin,
    /// The value.
    pub value: Value,
}

/// Every variable's value.
pub(super) struct Resolved {
    pub(super) values: Map<String, Value>,
    pub(super) explained: Vec<Explained>,
    pub(super) findings: Vec<Finding>,
}

/// Takes each variable from the highest layer that has it, and says what is missing or of another type.
pub(super) fn resolve(prompt: &Prompt, given: &[Given], policy: &Policy) -> Resolved {
    let default = |input: &Input| Some((input.name.clone(), input.default.clone()?));
    let own =
        Given { origin: Origin::Frontmatter, values: prompt.inputs.iter().filter_map(default).collect() };
    let project = Given { origin: Origin::Settings, values: policy.defaults.clone() };
    let mut layers: Vec<&Given> = given.iter().chain([&own, &project]).collect();
    layers.sort_by_key(|layer| layer.origin); // stable, and the caller need not know the order
    let mut names: Vec<&str> = prompt.inputs.iter().map(|input| input.name.as_str()).collect();
    for name in layers.iter().flat_map(|layer| layer.values.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut resolved = Resolved { values: Map::new(), explained: Vec::new(), findings: Vec::new() };
    for name in names {
        let input = prompt.inputs.iter().find(|input| input.name == name);
        let kind = input.and_then(|input| input.kind.as_deref());
        let mut found = layers.iter().filter_map(|layer| {
            let value = layer.values.get(name).filter(|value| !value.is_null())?;
            Some(Hidden { origin: layer.origin, value: read(layer.origin, kind, value) })
        });
        let Some(Hidden { origin, mut value }) = found.next() else {
            let Some(input) = input else { continue };
            if input.required {
                report(prompt, RENDER_MISSING, policy.missing, name, &mut resolved.findings, || {
                    (format!("{} has no value, and is required", quoted(name)), hint_for(input))
                });
            }
            let value = empty(kind);
            resolved.values.insert(name.to_owned(), value.clone());
            let explained = Explained {
                name: name.to_owned(),
                origin: Origin::Empty,
                value,
                merged: false,
                hidden: vec![],
            };
            resolved.explained.push(explained);
            continue;
        };
        let hidden: Vec<Hidden> = found.collect();
        let mut merged = false;
        if policy.merge == Merge::Deep && value.is_object() {
            // A layer that is no mapping ends what shows through.
            for lower in hidden.iter().take_while(|lower| lower.value.is_object()) {
                merge(&mut value, &lower.value);
                merged = true;
            }
        }
        if kind.is_some_and(|kind| fits(kind, &value) == Some(false)) {
            let kind = kind.unwrap_or_default();
            report(prompt, RENDER_TYPE, None, name, &mut resolved.findings, || {
                let what =
                    format!("{} is declared as {}, and is {}", quoted(name), quoted(kind), noun(&value));
                (what, format!("the value comes from {origin}"))
            });
        }
        resolved.values.insert(name.to_owned(), value.clone());
        resolved.explained.push(Explained { name: name.to_owned(), origin, value, merged, hidden });
    }
    resolved
}

/// Says which of the caller's values the prompt neither declares nor uses.
pub(super) fn check_extra(
    prompt: &Prompt,
    given: &[Given],
    used: &BTreeSet<String>,
    policy: &Policy,
    findings: &mut Vec<Finding>,
) {
    let mut seen = BTreeSet::new();
    for name in given.iter().flat_map(|layer| layer.values.keys()) {
        let declared = prompt.inputs.iter().any(|input| input.name == *name);
        if declared || used.contains(name) || name == INPUT_TEXT || !seen.insert(name) {
            continue;
        }
        report(prompt, RENDER_EXTRA, policy.extra, name, findings, || {
            let near = |known: &&str| {
                name.len().max(known.len()) <= 64
                    && strsim::damerau_levenshtein(known, name) <= known.len() / 3
            };
            let mut known: Vec<&str> = prompt.inputs.iter().map(|input| input.name.as_str()).collect();
            known.extend(
                used.iter().map(String::as_str).filter(|name| !prompt.inputs.iter().any(|i| i.name == *name)),
            );
            let hint = match (known.iter().copied().find(|known| near(known)), &known[..]) {
                (Some(meant), _) => format!("did you mean {}?", quoted(meant)),
                (None, []) => "the prompt takes no variables".to_owned(),
                (None, known) => format!("the prompt takes {}", known.join(", ")),
            };
            (format!("the prompt has no variable {}", quoted(name)), hint)
        });
    }
}

fn report(
    prompt: &Prompt,
    rule: Rule,
    level: Option<Level>,
    name: &str,
    findings: &mut Vec<Finding>,
    text: impl FnOnce() -> (String, String),
) {
    let at = prompt.places.inputs.get(name).copied().unwrap_or(prompt.places.template);
    let (message, hint) = text();
    let finding = Finding::new(rule, &prompt.path, at, message).hint(hint);
    match level {
        None | Some(Level::Error) => findings.push(finding),
        Some(Level::Warn) => findings.push(finding.lenient()),
        Some(Level::Allow) => {}
    }
}

fn hint_for(input: &Input) -> String {
    let name = &input.name;
    let means = input.description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
    format!("give it: --var {name}=VALUE{means}")
}

/// What stands on a command line is text, and JSON where the prompt declares another type.
fn read(origin: Origin, kind: Option<&str>, value: &Value) -> Value {
    match (origin, kind, value) {
        (Origin::Var, Some(kind), Value::String(text)) if fits(kind, value) == Some(false) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        _ => value.clone(),
    }
}

/// Adds to a mapping what only the lower one has.
fn merge(higher: &mut Value, lower: &Value) {
    let (Value::Object(higher), Value::Object(lower)) = (higher, lower) else { return };
    for (key, value) in lower {
        match higher.get_mut(key) {
            Some(own) => merge(own, value),
            None => {
                higher.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A type's name and the type of its items: `list[string]` is `list` and `string`.
fn parts(kind: &str) -> (String, Option<&str>) {
    let kind = kind.trim();
    let inner =
        kind.split_once(['[', '<']).and_then(|(outer, rest)| Some((outer, rest.strip_suffix([']', '>'])?)));
    let (outer, inner) = inner.map_or((kind, None), |(outer, inner)| (outer, Some(inner)));
    (outer.trim().to_lowercase(), inner)
}

/// Whether a value is of a declared type; `None` when the type's name says nothing to us.
fn fits(kind: &str, value: &Value) -> Option<bool> {
    let (outer, inner) = parts(kind);
    Some(match outer.as_str() {
        "string" | "str" | "text" => value.is_string(),
        "integer" | "int" => value.is_i64() || value.is_u64(),
        "number" | "float" => value.is_number(),
        "boolean" | "bool" => value.is_boolean(),
        "object" | "dict" | "map" | "mapping" => value.is_object(),
        "list" | "array" => {
            let all_fit = |items: &Vec<Value>| {
                inner.is_none_or(|kind| items.iter().all(|item| fits(kind, item) != Some(false)))
            };
            value.as_array().is_some_and(all_fit)
        }
        _ => return None,
    })
}

/// The empty value of a type, which prints as nothing or is gone through without a step.
fn empty(kind: Option<&str>) -> Value {
    match kind.map(parts).unwrap_or_default().0.as_str() {
        "list" | "array" => Value::Array(vec![]),
        "object" | "dict" | "map" | "mapping" => Value::Object(Map::new()),
        "boolean" | "bool" => Value::Bool(false),
        _ => Value::String(String::new()),
    }
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
