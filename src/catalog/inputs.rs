//! The variables of a template: those that the frontmatter declares, and whether it does so properly.

use super::dialect::text;
use super::fields::check_choice;
use super::finding::{self, Finding, quoted};
use super::fix::Fix;
use super::parse::Source;
use super::prompt::{Dialect, Input, Places, Strictness};
use super::template;
use crate::yaml::Position;
use crate::yaml::{Node, Value};
use std::path::Path;

/// Whether the engine would take this for the name of a variable.
pub(crate) fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The inputs that the frontmatter declares, each name once, and their places.
pub(crate) fn declared(dialect: Dialect, root: &Node, places: &mut Places) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    let mut add = |input: Input, at: Position| {
        if !places.inputs.contains_key(&input.name) {
            places.inputs.insert(input.name.clone(), at);
            inputs.push(input);
        }
    };
    let defaults = root.get("default_variables").filter(|_| dialect == Dialect::Tnh);
    let default_of = |name: &str| defaults.and_then(|map| map.get(name)).map(Node::to_json);
    for node in root.get("inputs").and_then(Node::list).unwrap_or_default() {
        let Some(name) = text(node, "name") else { continue };
        let input = Input {
            kind: text(node, "type"),
            required: node.get("required").and_then(Node::bool).unwrap_or(false),
            strictness: match text(node, "strictness").as_deref() {
                Some("strict") => Some(Strictness::Strict),
                Some("loose") => Some(Strictness::Loose),
                _ => None,
            },
            description: text(node, "description"),
            source: text(node, "source"),
            default: node.get("default").map(Node::to_json).or_else(|| default_of(&name)),
            name,
        };
        add(input, node.get("name").map_or(node.at, |name| name.at));
    }
    if dialect == Dialect::Tnh {
        for (list, required) in [("required_variables", true), ("optional_variables", false)] {
            for node in root.get(list).and_then(Node::list).unwrap_or_default() {
                let Some(name) = node.text() else { continue };
                add(bare(name, required, default_of(name)), node.at);
            }
        }
        for entry in defaults.map(Node::entries).unwrap_or_default() {
            add(bare(&entry.key, false, Some(entry.node.to_json())), entry.at);
        }
    }
    inputs
}

/// The inputs of a template whose frontmatter, if any, holds default values: what it uses, by name. What has no
/// default is required.
pub(crate) fn used(root: &Node, source: &str, places: &mut Places) -> Vec<Input> {
    let names = template::check(source).map(|uses| uses.variables).unwrap_or_default();
    let input = |name: String| {
        let entry = root.entry(&name);
        let at = entry.map_or(places.template, |entry| entry.at);
        places.inputs.insert(name.clone(), at);
        bare(&name, entry.is_none(), entry.map(|entry| entry.node.to_json()))
    };
    names.into_iter().map(input).collect()
}

fn bare(name: &str, required: bool, default: Option<serde_json::Value>) -> Input {
    Input {
        name: name.to_owned(),
        kind: None,
        required,
        strictness: None,
        description: None,
        source: None,
        default,
    }
}

const SOURCES: &[&str] = &["workflow_input", "artifact", "provenance", "system"];

/// What a planner is given by the step that evaluates with it.
const OF_PLANNER: &[&str] = &["allowed_next_steps", "evidence"];

/// Checks the declarations. That the template uses them is checked with the template.
pub(crate) fn check(source: &Source<'_>, path: &Path, findings: &mut Vec<Finding>) {
    let root = &source.frontmatter;
    let mut names: Vec<&str> = Vec::new();
    for node in root.get("inputs").and_then(Node::list).unwrap_or_default() {
        if !matches!(node.value, Value::Map(_)) {
            findings.push(malformed(
                path,
                node.at,
                format!("an input is {}, not a mapping", node.describe()),
            ));
            continue;
        }
        check_input(source, node, path, findings);
        if let Some(name) = node.get("name").filter(|node| !node.is_empty()) {
            match name.text() {
                Some(text) if names.contains(&text) => findings.push(twice(path, name.at, text)),
                Some(text) => {
                    check_name(path, name.at, text, findings);
                    names.push(text);
                }
                None => findings.push(malformed(
                    path,
                    name.at,
                    format!("an input's name is {}, not text", name.describe()),
                )),
            }
        }
    }
    match source.prompt.dialect {
        Dialect::Tnh => check_lists(root, path, findings),
        _ if source.prompt.role.as_deref() == Some("planner") => check_planner(source, path, findings),
        _ => {}
    }
}

fn malformed(path: &Path, at: Position, message: String) -> Finding {
    Finding::new(finding::INPUT_MALFORMED, path, at, message)
        .hint("an input is written: name, type, and required: true or false")
}

fn twice(path: &Path, at: Position, name: &str) -> Finding {
    Finding::new(finding::INPUT_DUPLICATE, path, at, format!("the input {} is declared twice", quoted(name)))
}

fn check_name(path: &Path, at: Position, name: &str, findings: &mut Vec<Finding>) {
    if !is_variable(name) {
        findings.push(malformed(path, at, format!("{} cannot be the name of a variable", quoted(name))));
    }
}

fn check_input(source: &Source<'_>, node: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let oa05 = source.prompt.dialect == Dialect::Oa05;
    for field in ["name", "type", "required"] {
        if node.get(field).is_none_or(Node::is_empty) && (oa05 || field != "type") {
            findings.push(malformed(path, node.at, format!("an input has no `{field}`")));
        }
    }
    if let Some(required) = node.get("required").filter(|node| !node.is_empty())
        && required.bool().is_none()
    {
        let meant = match required.text().unwrap_or_default().to_lowercase().as_str() {
            "true" | "yes" | "on" => Some("true"),
            "false" | "no" | "off" => Some("false"),
            _ => None,
        };
        let fix = meant.and_then(|meant| Fix::of(source, required, meant));
        let message = "`required` is neither true nor false".to_owned();
        findings.push(malformed(path, required.at, message).fix(fix));
    }
    if let Some(strictness) = node.get("strictness") {
        let named = ("strictness", strictness);
        let rule = finding::INPUT_STRICTNESS;
        findings.extend(check_choice(source, path, rule, named, &["strict", "loose"]));
        if strictness.text() == Some("loose") && node.get("required").and_then(Node::bool) == Some(true) {
            let message = "the input is required, and loose enough to be left out";
            let finding = Finding::new(finding::INPUT_CONTRADICTION, path, strictness.at, message);
            findings.push(finding.lenient().hint("write `strictness: strict`, or `required: false`"));
        }
    }
    if let Some(from) = node.get("source") {
        let needed =
            node.get("required").and_then(Node::bool) != Some(false) && node.get("default").is_none();
        let finding = match from.text() {
            Some(_) => check_choice(source, path, finding::INPUT_SOURCE, ("source of inputs", from), SOURCES),
            None => {
                let message = format!("{} is no source of inputs", quoted(from.describe()));
                let hint = format!("use one of: {}", SOURCES.join(", "));
                Some(Finding::new(finding::INPUT_SOURCE, path, from.at, message).hint(hint))
            }
        };
        findings.extend(finding.map(|finding| if needed { finding } else { finding.lenient() }));
    }
}

/// The older lists of names, which stand beside `inputs` or instead of them.
fn check_lists(root: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let list = |key: &str| root.get(key).and_then(Node::list).unwrap_or_default();
    let names =
        |key: &str| list(key).iter().filter_map(|node| Some((node.text()?, node.at))).collect::<Vec<_>>();
    let (required, optional) = (names("required_variables"), names("optional_variables"));
    for names in [&required, &optional] {
        for (index, (name, at)) in names.iter().enumerate() {
            check_name(path, *at, name, findings);
            if names.iter().take(index).any(|(earlier, _)| earlier == name) {
                findings.push(twice(path, *at, name));
            }
        }
    }
    let contradiction = |at, message: String| Finding::new(finding::INPUT_CONTRADICTION, path, at, message);
    for (name, at) in &optional {
        if required.iter().any(|(other, _)| other == name) {
            let message = format!("{} is both required and optional", quoted(name));
            findings.push(contradiction(*at, message));
        }
    }
    for node in list("inputs") {
        let declared = text(node, "name").zip(node.get("required").and_then(Node::bool));
        let Some((name, is_required)) = declared else { continue };
        let (listed, other) =
            if is_required { (&optional, "optional_variables") } else { (&required, "required_variables") };
        if let Some((_, at)) = listed.iter().find(|(other, _)| *other == name) {
            let says = if is_required { "required" } else { "optional" };
            let message = format!("{} is {says} in `inputs`, and stands in `{other}`", quoted(&name));
            findings.push(contradiction(*at, message));
        }
    }
}

fn check_planner(source: &Source<'_>, path: &Path, findings: &mut Vec<Finding>) {
    let has =
        |wanted: &&&str| source.prompt.inputs.iter().any(|input| input.name == **wanted && input.required);
    let missing: Vec<_> = OF_PLANNER.iter().filter(|wanted| !has(wanted)).copied().collect();
    if let Some(at) = source.prompt.places.fields.get("inputs").filter(|_| !missing.is_empty()) {
        let message = format!("a planner requires the input {}", missing.join(" and "));
        let hint = "declare it with required: true; a workflow evaluates only with a planner that takes both";
        findings.push(Finding::new(finding::INPUT_PLANNER, path, *at, message).hint(hint));
    }
}
