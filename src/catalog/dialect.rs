//! The three dialects: how each is recognised, and where each keeps what the model wants.

use super::finding::{self, Finding, quoted};
use super::prompt::{Dialect, Duty, Input, Layer, Prompt};
use super::text::Position;
use super::version;
use crate::yaml::Node;
use std::path::Path;

/// Keys that only a prompt has, beside `prompt_id` or `key`.
const PROMPTOS_MARKS: &[&str] = &["maps_to_gate", "last_updated_utc", "constitution_alignment"];
const OA05_MARKS: &[&str] = &["summary", "inputs", "output_contract", "role", "status"];
const TNH_MARKS: &[&str] = &[
    "required_variables",
    "optional_variables",
    "default_variables",
    "task_type",
    "output_mode",
    "safety_level",
    "inputs",
    "output_contract",
];

/// Recognises the dialect by its keys. `None`: this is some other document.
///
/// A catalog may be a whole repository, so the keys that any document may have (`title`, `status`, `name`,
/// `version`, …) prove nothing.
pub(crate) fn detect(has: impl Fn(&str) -> bool) -> Option<Dialect> {
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    if has("key") && has("version") && any(TNH_MARKS) {
        return Some(Dialect::Tnh);
    }
    if has("prompt_id") {
        let nine_keys = any(PROMPTOS_MARKS) && !any(OA05_MARKS);
        return Some(if nine_keys { Dialect::PromptOs } else { Dialect::Oa05 });
    }
    // The earliest TNH files have no key: their id is their path.
    (has("name") && has("version") && any(&["required_variables", "task_type"])).then_some(Dialect::Tnh)
}

/// The text to work on, which the caller of any TNH prompt may pass.
pub(crate) const TNH_INPUT: &str = "input_text";

/// The id that the frontmatter names, even if it is not acceptable.
pub(crate) fn claimed_id(root: &Node) -> Option<String> {
    ["prompt_id", "key"].iter().find_map(|key| text(root, key))
}

/// The frontmatter in terms of the model.
pub(crate) struct Fields {
    dialect: Dialect,
    id: String,
    version: String,
    title: Option<String>,
    summary: Option<String>,
    role: Option<String>,
    gate: Option<String>,
    phase: Option<String>,
    duty: Option<Duty>,
    status: Option<String>,
    owner: Option<String>,
    tags: Vec<String>,
    capabilities: Vec<String>,
    deprecates: Option<String>,
    stop_conditions: Vec<String>,
    inputs: Vec<Input>,
    output_contract: Option<serde_json::Value>,
}

/// Maps the frontmatter to the model. Only an unusable id or version is an error here: everything else that may
/// be wrong is lint's business, and read as far as it goes.
pub(crate) fn read(
    dialect: Dialect,
    root: &Node,
    start: Position,
    path: &Path,
) -> Result<Fields, Vec<Finding>> {
    let id = read_id(dialect, root, start, path);
    let version = read_version(root, start, path);
    let (id, version) = match (id, version) {
        (Ok(id), Ok(version)) => (id, version),
        (id, version) => return Err([id.err(), version.err()].into_iter().flatten().collect()),
    };
    let (title, summary, role, gate) = match dialect {
        Dialect::Oa05 => ("title", "summary", "role", "gate"),
        Dialect::PromptOs => ("name", "", "", "maps_to_gate"),
        Dialect::Tnh => ("name", "description", "role", ""),
    };
    let gate = text(root, gate).map(gate_name);
    let duty = match text(root, "duty").as_deref() {
        Some("writer") => Some(Duty::Writer),
        Some("verifier") => Some(Duty::Verifier),
        Some("reviewer") => Some(Duty::Reviewer),
        Some(_) => None,
        None => gate.as_deref().and_then(Duty::of_gate),
    };
    Ok(Fields {
        dialect,
        title: text(root, title),
        summary: text(root, summary),
        role: text(root, role).or_else(|| text(root, "task_type")),
        phase: text(root, "phase"),
        duty,
        gate,
        status: text(root, "status"),
        owner: text(root, "owner"),
        tags: texts(root, "tags"),
        capabilities: texts(root, "capabilities"),
        deprecates: text(root, "deprecates"),
        stop_conditions: texts(root, "stop_conditions"),
        inputs: read_inputs(dialect, root),
        output_contract: root.get("output_contract").map(Node::to_json),
        id,
        version,
    })
}

impl Fields {
    pub(crate) fn into_prompt(self, layer: Layer, path: &Path, template: String, bytes: &[u8]) -> Prompt {
        let title = self.title.unwrap_or_else(|| self.id.clone());
        Prompt {
            summary: self.summary.unwrap_or_else(|| title.clone()),
            title,
            id: self.id,
            version: self.version,
            dialect: self.dialect,
            role: self.role,
            gate: self.gate,
            phase: self.phase,
            duty: self.duty,
            status: self.status,
            owner: self.owner,
            tags: self.tags,
            capabilities: self.capabilities,
            deprecates: self.deprecates,
            stop_conditions: self.stop_conditions,
            inputs: self.inputs,
            output_contract: self.output_contract,
            template,
            layer,
            path: path.to_owned(),
            bytes: bytes.to_vec(),
        }
    }
}

fn read_id(dialect: Dialect, root: &Node, start: Position, path: &Path) -> Result<String, Finding> {
    let key = if dialect == Dialect::Tnh { "key" } else { "prompt_id" };
    let named = root.get(key);
    let (id, at) = match named {
        Some(node) if !node.is_empty() => (node.text().unwrap_or_default().to_owned(), node.at),
        _ if dialect == Dialect::Tnh => (path_id(path), start),
        _ => {
            let at = named.map_or(start, |node| node.at);
            return Err(Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, at, "`prompt_id` is missing"));
        }
    };
    if version::is_id(&id) {
        return Ok(id);
    }
    Err(Finding::new(finding::PROMPT_ID, path, at, format!("{} cannot be a prompt id", quoted(&id)))
        .hint("use letters, digits, `_` and `-`, in parts separated by `.` or `/`"))
}

/// The path without its suffix, with `/` between the parts.
fn path_id(path: &Path) -> String {
    let parts: Vec<_> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.join("/")
}

fn read_version(root: &Node, start: Position, path: &Path) -> Result<String, Finding> {
    let node = root.get("version").filter(|node| !node.is_empty());
    let Some(node) = node else {
        return Err(Finding::new(finding::FRONTMATTER_MISSING_FIELD, path, start, "`version` is missing")
            .hint("add `version: 1`"));
    };
    match node.text() {
        Some(text) if version::is_version(text) => Ok(text.to_owned()),
        Some(text) => Err(Finding::new(
            finding::PROMPT_VERSION,
            path,
            node.at,
            format!("{} is not a version", quoted(text)),
        )
        .hint("write digits separated by dots, such as 1 or 1.2")),
        None => Err(Finding::new(
            finding::PROMPT_VERSION,
            path,
            node.at,
            format!("the version is {}, not digits separated by dots", node.describe()),
        )),
    }
}

/// PromptOS writes the gate P05 as "05".
fn gate_name(gate: String) -> String {
    if !gate.is_empty() && gate.bytes().all(|byte| byte.is_ascii_digit()) { format!("P{gate}") } else { gate }
}

fn read_inputs(dialect: Dialect, root: &Node) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    let mut add = |input: Input| {
        if !inputs.iter().any(|known| known.name == input.name) {
            inputs.push(input);
        }
    };
    let defaults = root.get("default_variables").filter(|_| dialect == Dialect::Tnh);
    let default_of = |name: &str| defaults.and_then(|map| map.get(name)).map(Node::to_json);
    if dialect != Dialect::PromptOs {
        for node in root.get("inputs").and_then(Node::list).unwrap_or_default() {
            let Some(name) = text(node, "name") else { continue };
            add(Input {
                kind: text(node, "type"),
                required: node.get("required").and_then(Node::bool).unwrap_or(false),
                description: text(node, "description"),
                source: text(node, "source"),
                default: node.get("default").map(Node::to_json).or_else(|| default_of(&name)),
                name,
            });
        }
    }
    if dialect == Dialect::Tnh {
        for (list, required) in [("required_variables", true), ("optional_variables", false)] {
            for name in texts(root, list) {
                let default = default_of(&name);
                add(Input { name, kind: None, required, description: None, source: None, default });
            }
        }
        for entry in defaults.map(Node::entries).unwrap_or_default() {
            let (name, default) = (entry.key.clone(), Some(entry.node.to_json()));
            add(Input { name, kind: None, required: false, description: None, source: None, default });
        }
    }
    inputs
}

/// The text under `key`, without surrounding space; `None` if absent, blank or no scalar.
fn text(root: &Node, key: &str) -> Option<String> {
    let text = root.get(key)?.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The scalars of the list under `key`.
fn texts(root: &Node, key: &str) -> Vec<String> {
    let items = root.get(key).and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}
