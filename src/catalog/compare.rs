//! What changed from one version of a prompt to another, and what that means for those who use it.
//!
//! Each [`Change`] has an [`Impact`], judged for somebody who moves from the one to the other without doing anything
//! else: who gives its inputs, who reads its answers, the workflow step that names it.
//!
//! - **Breaking**: what was accepted is refused, or what was promised is not there any more. A new input that needs a
//!   value, an input that needs one now or is gone, a narrower type; a promise of the output contract that is gone or
//!   different; another role, gate or duty; deprecated or archived; new lint errors.
//! - **Compatible**: all that was accepted and promised still is, but the model is told something else or answers
//!   otherwise. The template's text, defaults, models, safety fields; new optional inputs and new promises; every
//!   field that this program does not know.
//! - **Editorial**: no rendering and no check can tell the two apart. Names, summaries, tags, owners, notes, dates,
//!   comments and blank space.
//!
//! What cannot be judged is taken for the worse of what it may be.

mod asks;
mod interface;

use super::lint::lint_file;
use super::prompt::Prompt;
use super::template;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a change means for those who use the prompt. The greater, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// No rendering and no check can tell.
    Editorial,
    /// What was accepted and promised still is; what the model is told or does may be different.
    Compatible,
    /// What was accepted is refused, or what was promised is gone.
    Breaking,
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Editorial => "editorial",
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
        })
    }
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Which field, such as `role`, `inputs.scope.type` or `output_contract.required_fields`.
    pub field: String,
    /// What it was; `None` if it was not there. Long texts (the template) are left to the text's own comparison.
    pub from: Option<Value>,
    /// What it is; `None` if it is gone.
    pub to: Option<Value>,
    /// What it means.
    pub impact: Impact,
    /// Why, in a sentence.
    pub why: &'static str,
}

/// The version that a comparison asks of the newer prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The least version that will do.
    pub version: String,
    /// Whether the newer one has it, or a higher one.
    pub enough: bool,
}

/// All that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Worst first.
    pub changes: Vec<Change>,
    /// The worst of them; `None` if the bytes are the same.
    pub verdict: Option<Impact>,
    /// `None` if the bytes are the same, or if the two are versions of different prompts.
    pub asks: Option<Asked>,
}

type Field = (&'static str, fn(&Prompt) -> Value, Impact, &'static str);

const WORDS: &str = "it is for people who look for or at the prompt";
const ANSWERS: &str = "the model may answer otherwise; what is given to it and comes back has the same form";
const CARE: &str = "what to beware of changes; what is given to it and comes back does not";

/// The fields of which any change means the same.
const FIELDS: &[Field] = &[
    (
        "id",
        |p| json!(p.id),
        Impact::Breaking,
        "it is another prompt: who names the one does not get the other",
    ),
    (
        "dialect",
        |p| json!(p.dialect),
        Impact::Breaking,
        "other tools read the fields of the one form and do not find them in the other",
    ),
    (
        "role",
        |p| json!(p.role),
        Impact::Breaking,
        "a workflow's step takes prompts of certain roles, and refuses it where it accepted it",
    ),
    ("gate", |p| json!(p.gate), Impact::Breaking, "who goes through the gate does not find it there"),
    (
        "duty",
        |p| json!(p.duty),
        Impact::Breaking,
        "separation of duties judges the same people by another duty, and may refuse them",
    ),
    ("default_model", |p| json!(p.default_model), Impact::Compatible, ANSWERS),
    ("model_hints", |p| json!(p.model_hints), Impact::Compatible, ANSWERS),
    (
        "stop_conditions",
        |p| json!(p.stop_conditions),
        Impact::Compatible,
        "who follows it stops at other times; what is given to it and comes back has the same form",
    ),
    ("constitution_alignment", |p| json!(p.constitution_alignment), Impact::Compatible, CARE),
    ("safety_notes", |p| json!(p.safety_notes), Impact::Compatible, CARE),
    ("safety_level", |p| json!(p.safety_level), Impact::Compatible, CARE),
    ("pii_handling", |p| json!(p.pii_handling), Impact::Compatible, CARE),
    ("content_flags", |p| json!(p.content_flags), Impact::Compatible, CARE),
    (
        "capabilities",
        |p| json!(p.capabilities),
        Impact::Compatible,
        "who selects prompts by what they can do finds others; who names it is not concerned",
    ),
    (
        "scope",
        |p| json!(p.scope),
        Impact::Compatible,
        "it is listed for others; who names it is not concerned",
    ),
    ("phase", |p| json!(p.phase), Impact::Compatible, "a registry that lists its phase must follow"),
    (
        "deprecates",
        |p| json!(p.deprecates),
        Impact::Compatible,
        "it is named as the replacement of another prompt",
    ),
    (
        "schema_version",
        |p| json!(p.schema_version),
        Impact::Compatible,
        "other tools may read its fields anew",
    ),
    ("title", |p| json!(p.title), Impact::Editorial, WORDS),
    ("summary", |p| json!(p.summary), Impact::Editorial, WORDS),
    ("owner", |p| json!(p.owner), Impact::Editorial, "somebody else answers for it"),
    ("tags", |p| json!(p.tags), Impact::Editorial, WORDS),
    ("notes", |p| json!(p.notes), Impact::Editorial, WORDS),
    ("warnings", |p| json!(p.warnings), Impact::Editorial, WORDS),
    ("source", |p| json!(p.source), Impact::Editorial, WORDS),
    ("created_at", |p| json!(p.created_at), Impact::Editorial, WORDS),
    ("updated_at", |p| json!(p.updated_at), Impact::Editorial, WORDS),
];

/// The fields under which the frontmatter's keys are compared, where the names are different. The keys of `inputs`
/// and `output_contract` begin the names of many fields.
const KEYS: &[(&str, &str)] = &[
    ("prompt_id", "id"),
    ("key", "id"),
    ("name", "title"),
    ("description", "summary"),
    ("task_type", "role"),
    ("maps_to_gate", "gate"),
    ("last_updated_utc", "updated_at"),
    ("required_variables", "inputs"),
    ("optional_variables", "inputs"),
    ("default_variables", "inputs"),
    ("output_mode", "output_contract"),
];

/// Compares two prompts, the older one first.
#[must_use]
pub fn compare(from: &Prompt, to: &Prompt) -> Comparison {
    if from.bytes == to.bytes {
        return Comparison { changes: Vec::new(), verdict: None, asks: None };
    }
    let mut changes = Vec::new();
    for (field, get, impact, why) in FIELDS {
        // An empty list says what none says.
        let of = |prompt| if get(prompt) == json!([]) { Value::Null } else { get(prompt) };
        push(&mut changes, *field, (of(from), of(to)), *impact, why);
    }
    status(from, to, &mut changes);
    let (before, after) = (uses(from), uses(to));
    interface::inputs((from, &before), (to, &after), &mut changes);
    interface::in_words(from, to, &mut changes);
    interface::contract(from, to, &mut changes);
    text((from, &before), (to, &after), &mut changes);
    lint(from, to, &mut changes);
    others(from, to, &mut changes);
    if changes.is_empty() {
        let why = "only the version, comments, the order of fields or blank space differ";
        changes.push(Change { field: "bytes".into(), from: None, to: None, impact: Impact::Editorial, why });
    }
    changes.sort_by_key(|change| std::cmp::Reverse(change.impact)); // stable
    let verdict = changes.first().map(|change| change.impact);
    let same_prompt = from.id == to.id;
    let asks = verdict.filter(|_| same_prompt).map(|worst| {
        let version = asks::next(&from.version, &to.version, worst);
        let enough = asks::is_enough(&to.version, &version);
        Asked { version, enough }
    });
    Comparison { changes, verdict, asks }
}

/// Adds a change, if it is one. A null is nothing.
fn push(
    changes: &mut Vec<Change>,
    field: impl Into<String>,
    (from, to): (Value, Value),
    impact: Impact,
    why: &'static str,
) {
    if from != to {
        let there = |value: Value| Some(value).filter(|value| !value.is_null());
        changes.push(Change { field: field.into(), from: there(from), to: there(to), impact, why });
    }
}

/// Who names an id without a version gets a current prompt; who names a version that is not current is warned.
fn status(from: &Prompt, to: &Prompt, changes: &mut Vec<Change>) {
    let word = |prompt: &Prompt| prompt.status.clone().unwrap_or_else(|| "current".to_owned());
    let (was, is) = (word(from), word(to));
    let (impact, why) = match (was.as_str(), is.as_str()) {
        (_, "current") => (Impact::Compatible, "an id without a version may stand for it now"),
        // A version that is being written takes nothing from those who use the one before it.
        (_, "draft") if from.version != to.version => {
            (Impact::Compatible, "an id without a version goes on standing for a current version")
        }
        ("archived", "deprecated" | "draft") => {
            (Impact::Compatible, "an id without a version may stand for it, when no version is current")
        }
        (_, "archived") => (Impact::Breaking, "an id without a version never stands for it any more"),
        _ => {
            (Impact::Breaking, "an id without a version stands for a current one instead, and workflows warn")
        }
    };
    push(changes, "status", (json!(was), json!(is)), impact, why);
}

/// The variables that a template takes from outside. What does not compile is an error of lint's.
fn uses(prompt: &Prompt) -> BTreeSet<String> {
    if !prompt.is_template() {
        return BTreeSet::new();
    }
    template::check(&prompt.template).map(|uses| uses.variables).unwrap_or_default()
}

/// The template, and the variables that it takes, declared or not.
fn text(
    (from, before): (&Prompt, &BTreeSet<String>),
    (to, after): (&Prompt, &BTreeSet<String>),
    changes: &mut Vec<Change>,
) {
    if from.template == to.template {
        return;
    }
    let why = "the model is told something else; what is given to it and comes back has the same form";
    let (field, impact) = ("template".to_owned(), Impact::Compatible);
    changes.push(Change { field, from: None, to: None, impact, why });
    let declares = |prompt: &Prompt, name: &str| prompt.inputs.iter().any(|input| input.name == name);
    for name in before.symmetric_difference(after) {
        let (impact, why) = match after.contains(name) {
            true if declares(to, name) => (Impact::Compatible, "the template uses what is declared"),
            true => (Impact::Breaking, "without a value the template fails, and it was not asked for before"),
            false if declares(to, name) || name == super::TNH_INPUT => {
                (Impact::Compatible, "its value no longer changes what the model is told")
            }
            // That the declaration is gone is told of the input.
            false if declares(from, name) => continue,
            false => (Impact::Breaking, "who gives it is refused: there is no such variable any more"),
        };
        let of = |uses: &BTreeSet<String>| uses.get(name).map_or(Value::Null, |name| json!(name));
        push(changes, "template.variables", (of(before), of(after)), impact, why);
    }
}

/// What lint finds in the one and not in the other. Sessions and workflows refuse a prompt with errors.
fn lint(from: &Prompt, to: &Prompt, changes: &mut Vec<Change>) {
    let count = |prompt: &Prompt| {
        let mut found: BTreeMap<(bool, &str), usize> = BTreeMap::new();
        for finding in lint_file(&prompt.path, &prompt.bytes) {
            *found.entry((finding.is_error(), finding.code)).or_default() += 1;
        }
        found
    };
    let (before, after) = (count(from), count(to));
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (error, code) = *key;
        let of = |found: &BTreeMap<(bool, &str), usize>| found.get(key).copied().unwrap_or_default();
        let value = |count: usize| if count == 0 { Value::Null } else { json!(count) };
        let (was, is) = (of(&before), of(&after));
        let (impact, why) = match (error, was < is) {
            (true, true) => (Impact::Breaking, "sessions and workflows refuse a prompt with lint errors"),
            (true, false) => (Impact::Compatible, "lint has fewer errors"),
            (false, true) => (Impact::Compatible, "lint warns more, which counts where it is strict"),
            (false, false) => (Impact::Compatible, "lint warns less"),
        };
        push(changes, format!("lint.{code}"), (value(was), value(is)), impact, why);
    }
}

/// What else differs in the frontmatter: fields that this program does not know, and known ones written in a way
/// that another program may read otherwise.
fn others(from: &Prompt, to: &Prompt, changes: &mut Vec<Change>) {
    let known = |key: &str| {
        KEYS.iter().find(|(other, _)| *other == key).map_or(key.to_owned(), |(_, f)| (*f).to_owned())
    };
    let editorial = |field: &str| {
        FIELDS.iter().any(|(name, _, impact, _)| *name == field && *impact == Impact::Editorial)
    };
    let keys: BTreeSet<&String> = from.frontmatter.keys().chain(to.frontmatter.keys()).collect();
    for key in keys.into_iter().filter(|key| *key != "version") {
        let field = known(key);
        let told = changes.iter().any(|change| {
            let rest = change.field.strip_prefix(&field);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if told || editorial(&field) {
            continue;
        }
        let known =
            FIELDS.iter().any(|(name, ..)| *name == field) || interface::FIELDS.contains(&field.as_str());
        let why = match (known, key.as_str()) {
            (true, _) => "it means the same here; another program may read it otherwise",
            (false, "lint") => "lint is told to allow other things",
            (false, _) => "promptos does not know what it means",
        };
        let of = |prompt: &Prompt| prompt.frontmatter.get(key).cloned().unwrap_or_default();
        push(changes, key.clone(), (of(from), of(to)), Impact::Compatible, why);
    }
}
