//! What a prompt takes and what it promises.

use super::{Change, Impact, push};
use crate::catalog::prompt::{Contract, Input, Prompt, Strictness};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The fields of the frontmatter that are compared here.
pub(super) const FIELDS: &[&str] = &[
    "inputs",
    "inputs_required",
    "outputs_expected",
    "input_contract_ref",
    "output_contract",
    "output_contract_ref",
];

/// The parts of an input, and of a contract, that the model has.
const INPUT: &[&str] = &["name", "type", "required", "strictness", "description", "source", "default"];
const CONTRACT: &[&str] = &["mode", "schema_ref", "required_fields", "required_sections", "artifacts"];

const MISFIT: &str = "the default is of another type than declared: who leaves the input out is refused";

/// Compares the inputs. Beside each prompt stand the variables that its template uses, declared or not.
pub(super) fn inputs(
    (from, used_before): (&Prompt, &BTreeSet<String>),
    (to, used_after): (&Prompt, &BTreeSet<String>),
    changes: &mut Vec<Change>,
) {
    let find =
        |prompt: &'_ Prompt, name: &str| prompt.inputs.iter().find(|input| input.name == name).cloned();
    let mut names: Vec<&str> = from.inputs.iter().map(|input| input.name.as_str()).collect();
    names.extend(to.inputs.iter().map(|input| input.name.as_str()).filter(|name| find(from, name).is_none()));
    for name in names {
        let field = format!("inputs.{name}");
        match (find(from, name), find(to, name)) {
            (Some(before), Some(after)) => {
                one_input(&field, &before, &after, changes);
                let rest = (rest_of_input(from, name), rest_of_input(to, name));
                let why = "promptos does not know what it means";
                push(changes, field, rest, Impact::Compatible, why);
            }
            (Some(before), None) => {
                let (impact, why) = match (used_after.contains(name), needs(&before)) {
                    (false, _) => {
                        (Impact::Breaking, "who gives it is refused: there is no such input any more")
                    }
                    (true, false) => {
                        (Impact::Breaking, "the template uses it all the same, and fails without it")
                    }
                    (true, true) => (Impact::Compatible, "the template uses it all the same"),
                };
                push(changes, field, (json!(said(&before)), Value::Null), impact, why);
            }
            (None, Some(after)) => {
                let kind = Kind::of(after.kind.as_deref());
                let (impact, why) = match (used_before.contains(name), needs(&after)) {
                    _ if has_default(&after) && !kind.holds(&json!(after.default)) => {
                        (Impact::Breaking, MISFIT)
                    }
                    (true, _) if kind != Kind::Any => {
                        (Impact::Breaking, "the template used it before, with values of any type")
                    }
                    (true, _) => (Impact::Compatible, "the template used it before, without declaring it"),
                    (false, true) => {
                        (Impact::Breaking, "who does not know of it is refused: it needs a value")
                    }
                    (false, false) => (Impact::Compatible, "who does not know of it need not give it"),
                };
                push(changes, field, (Value::Null, json!(said(&after))), impact, why);
            }
            (None, None) => {}
        }
    }
    reference("input_contract_ref", &from.input_contract_ref, &to.input_contract_ref, Side::Takes, changes);
}

/// An input as a person reads it.
fn said(input: &Input) -> String {
    let kind = input.kind.as_deref().unwrap_or("any type");
    let default = if has_default(input) { ", with a default" } else { "" };
    format!("{kind}, {}{default}", if input.required { "required" } else { "optional" })
}

/// A null is no value.
fn has_default(input: &Input) -> bool {
    input.default.as_ref().is_some_and(|default| !default.is_null())
}

/// Whether rendering fails when nobody gives it.
fn needs(input: &Input) -> bool {
    input.required && !has_default(input)
}

fn one_input(field: &str, from: &Input, to: &Input, changes: &mut Vec<Change>) {
    let mut add = |part: &str, values: (Value, Value), impact, why| {
        push(changes, format!("{field}.{part}"), values, impact, why);
    };
    let (impact, why) = match (needs(from), needs(to)) {
        (false, true) => (Impact::Breaking, "who left it out is refused: it needs a value"),
        (true, false) => (Impact::Compatible, "it may be left out now"),
        _ => (Impact::Compatible, "a default makes up for it either way"),
    };
    add("required", (json!(from.required), json!(to.required)), impact, why);
    let default = |input: &Input| json!(input.default);
    let fits = Kind::of(to.kind.as_deref()).holds(&default(to));
    let (impact, why) = match (needs(from), needs(to)) {
        _ if has_default(to) && !fits => (Impact::Breaking, MISFIT),
        (false, true) => (Impact::Breaking, "who relied on it is refused: a value is needed"),
        (true, false) => (Impact::Compatible, "it may be left out now"),
        _ => (Impact::Compatible, "who leaves it out has the model told something else"),
    };
    add("default", (default(from), default(to)), impact, why);

    let (before, after) = (Kind::of(from.kind.as_deref()), Kind::of(to.kind.as_deref()));
    let (impact, why) = if before == after {
        (Impact::Editorial, "the two names stand for one type")
    } else if after.takes(&before) {
        (Impact::Compatible, "every value that was accepted still is")
    } else {
        (Impact::Breaking, "values that were accepted are not any more")
    };
    add("type", (json!(from.kind), json!(to.kind)), impact, why);

    let refuses = to.strictness == Some(Strictness::Strict) && !needs(from) && !has_default(to);
    let (impact, why) = match refuses {
        true => (Impact::Breaking, "who leaves it out may be refused"),
        false => (Impact::Compatible, "nobody who left it out is refused"),
    };
    add("strictness", (json!(from.strictness), json!(to.strictness)), impact, why);

    let (impact, why) = match supply(to.source.as_deref()) >= supply(from.source.as_deref()) || !needs(to) {
        true => (Impact::Compatible, "where it came from before will still do, or it need not come"),
        false => (Impact::Breaking, "a workflow that supplied it so far may not supply it any more"),
    };
    add("source", (json!(from.source), json!(to.source)), impact, why);
    let why = "it is for people who fill it in";
    add("description", (json!(from.description), json!(to.description)), Impact::Editorial, why);
}

/// How much a workflow takes for a supply of this source; see `workflow check`.
fn supply(source: Option<&str>) -> u8 {
    match source {
        Some("system" | "provenance") => 3,
        None | Some("artifact") => 2,
        Some("workflow_input") => 1,
        Some(_) => 0,
    }
}

/// A declared type, as far as its name says something.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// None declared.
    Any,
    Text,
    Integer,
    Number,
    Boolean,
    Object,
    List(Box<Kind>),
    /// A name that says something to others.
    Other(String),
}

impl Kind {
    /// Reads a type as rendering does.
    pub(crate) fn of(written: Option<&str>) -> Self {
        let Some(written) = written.map(str::trim) else { return Self::Any };
        let inner = written
            .split_once(['[', '<'])
            .and_then(|(outer, rest)| Some((outer, rest.strip_suffix([']', '>'])?)));
        let (outer, inner) = inner.map_or((written, None), |(outer, inner)| (outer, Some(inner)));
        match outer.trim().to_lowercase().as_str() {
            "string" | "str" | "text" => Self::Text,
            "integer" | "int" => Self::Integer,
            "number" | "float" => Self::Number,
            "boolean" | "bool" => Self::Boolean,
            "object" | "dict" | "map" | "mapping" => Self::Object,
            // So deep no type goes, and every level costs stack.
            "list" | "array" if written.len() <= 200 => Self::List(Box::new(Self::of(inner))),
            _ => Self::Other(written.to_owned()),
        }
    }

    /// Whether rendering takes this value for one of the type. What says something to others is not judged.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Any | Self::Other(_) => true,
            Self::Text => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::List(kind) => {
                value.as_array().is_some_and(|items| items.iter().all(|item| kind.holds(item)))
            }
        }
    }

    /// Whether every value of the other type is one of this.
    pub(crate) fn takes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (Self::Number, Self::Integer) => true,
            (Self::List(own), Self::List(other)) => own.takes(other),
            _ => self == other,
        }
    }
}

/// What an input says that the model does not have.
fn rest_of_input(prompt: &Prompt, name: &str) -> Value {
    let inputs = prompt.frontmatter.get("inputs").and_then(Value::as_array);
    let is_it = |input: &&Value| input.get("name").and_then(Value::as_str).map(str::trim) == Some(name);
    rest(inputs.into_iter().flatten().find(is_it), INPUT)
}

/// A mapping without these keys.
fn rest(value: Option<&Value>, known: &[&str]) -> Value {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    let unknown = entries.filter(|(key, _)| !known.contains(&key.as_str()));
    let unknown: Map<String, Value> = unknown.map(|(key, value)| (key.clone(), value.clone())).collect();
    if unknown.is_empty() { Value::Null } else { Value::Object(unknown) }
}

/// What PromptOS says in words of what a person must have, and of what must come out.
pub(super) fn in_words(from: &Prompt, to: &Prompt, changes: &mut Vec<Change>) {
    items("inputs_required", &from.inputs_required, &to.inputs_required, Side::Takes, changes);
    items("outputs_expected", &from.outputs_expected, &to.outputs_expected, Side::Promises, changes);
}

/// Whether more of it asks more of people, or gives them more.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Takes,
    Promises,
}

/// Each item that is in one of the lists only.
fn items(field: &str, from: &[String], to: &[String], side: Side, changes: &mut Vec<Change>) {
    let (before, after): (BTreeSet<&String>, BTreeSet<&String>) =
        (from.iter().collect(), to.iter().collect());
    for item in before.symmetric_difference(&after) {
        let (impact, why) = match (side, after.contains(*item)) {
            (Side::Takes, true) => (Impact::Breaking, "it is asked for, and was not before"),
            (Side::Takes, false) => (Impact::Compatible, "it is not asked for any more"),
            (Side::Promises, true) => (Impact::Compatible, "what was promised still is, and this as well"),
            (Side::Promises, false) => (Impact::Breaking, "who reads the answer may not find it there"),
        };
        let of = |items: &BTreeSet<&String>| items.get(*item).map_or(Value::Null, |item| json!(item));
        push(changes, field, (of(&before), of(&after)), impact, why);
    }
}

/// The name of a schema.
fn reference(field: &str, from: &Option<String>, to: &Option<String>, side: Side, changes: &mut Vec<Change>) {
    let (impact, why) = match (side, from.is_some(), to.is_some()) {
        (Side::Takes, true, false) => (Impact::Compatible, "what is given need not fit a schema any more"),
        (Side::Takes, ..) => (Impact::Breaking, "what was given may not fit this schema"),
        (Side::Promises, false, true) => {
            (Impact::Compatible, "the answer has the same form, and fits a schema")
        }
        (Side::Promises, ..) => (Impact::Breaking, "who reads the answer by the schema may not be able to"),
    };
    push(changes, field, (json!(from), json!(to)), impact, why);
}

/// Who reads the answer relies on what is promised: less of it breaks, more does not.
pub(super) fn contract(from: &Prompt, to: &Prompt, changes: &mut Vec<Change>) {
    let refs = (&from.output_contract_ref, &to.output_contract_ref);
    reference("output_contract_ref", refs.0, refs.1, Side::Promises, changes);
    let none = Contract::default();
    let of = |prompt: &'_ Prompt| prompt.output_contract.clone().unwrap_or_else(|| none.clone());
    let (before, after) = (of(from), of(to));
    let field = |part: &str| format!("output_contract.{part}");
    let modes = (json!(before.mode), json!(after.mode));
    push(changes, field("mode"), modes, Impact::Breaking, "the answer comes in another form");
    reference(&field("schema_ref"), &before.schema_ref, &after.schema_ref, Side::Promises, changes);
    for (part, before, after) in [
        ("required_fields", &before.required_fields, &after.required_fields),
        ("required_sections", &before.required_sections, &after.required_sections),
    ] {
        items(&field(part), before, after, Side::Promises, changes);
    }
    artifacts(&before, &after, changes);
    match (&from.output_contract, &to.output_contract) {
        (Some(_), None) => {
            let why = "nothing is promised of the answer any more";
            push(changes, "output_contract", (json!(before.mode), Value::Null), Impact::Breaking, why);
        }
        (None, Some(_)) if before.mode == after.mode => {
            let why = "something is promised of the answer, and nothing was before";
            push(changes, "output_contract", (Value::Null, json!(after.mode)), Impact::Compatible, why);
        }
        _ => {}
    }
    rest_of_contract(from, to, changes);
}

fn artifacts(from: &Contract, to: &Contract, changes: &mut Vec<Change>) {
    let word = |contract: &Contract, path: &str| {
        let artifact = contract.artifacts.iter().find(|artifact| artifact.path == path);
        artifact.map(|artifact| if artifact.required { "required" } else { "optional" })
    };
    let paths: BTreeSet<&str> =
        from.artifacts.iter().chain(&to.artifacts).map(|artifact| artifact.path.as_str()).collect();
    for path in paths {
        let (before, after) = (word(from, path), word(to, path));
        let (impact, why) = match (before, after) {
            (_, None) => (Impact::Breaking, "who reads the file may not find it"),
            (Some("required"), _) => {
                (Impact::Breaking, "who reads the file may not find it: it is optional now")
            }
            _ => (Impact::Compatible, "what was promised still is, and this as well"),
        };
        push(
            changes,
            format!("output_contract.artifacts.{path}"),
            (json!(before), json!(after)),
            impact,
            why,
        );
    }
}

/// Promises that the model does not have.
fn rest_of_contract(from: &Prompt, to: &Prompt, changes: &mut Vec<Change>) {
    let of = |prompt: &Prompt| rest(prompt.frontmatter.get("output_contract"), CONTRACT);
    let (before, after) = (of(from), of(to));
    let get = |rest: &Value, key: &str| rest.get(key).cloned().unwrap_or_default();
    let keys = [&before, &after].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    for key in keys.collect::<BTreeSet<_>>() {
        let values = (get(&before, key), get(&after, key));
        let (impact, why) = match values.0.is_null() {
            true => (Impact::Compatible, "promptos does not know what is promised by it; it was not before"),
            false => {
                (Impact::Breaking, "promptos does not know what was promised by it, and it is not the same")
            }
        };
        push(changes, format!("output_contract.{key}"), values, impact, why);
    }
}
