//! The variables of a template: those that the frontmatter declares.

use super::dialect::text;
use super::prompt::{Dialect, Input, Places, Strictness};
use super::template;
use super::text::Position;
use crate::yaml::Node;

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
