//! The dialects: how each is recognised, and where each keeps what the model wants.

use super::finding::{self, Finding, quoted};
use super::prompt::{Dialect, Duty, Layer, Places, Prompt};
use super::text::Position;
use super::version;
use super::{contract, inputs};
use crate::yaml::Node;
use std::ops::Range;
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

/// Recognises the dialect of a prompt by its keys. `None`: this is some other document.
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

/// What the frontmatter does not say about a prompt.
pub(crate) struct Origin<'a> {
    pub(crate) layer: Layer,
    pub(crate) path: &'a Path,
    pub(crate) bytes: &'a [u8],
    /// The first place of the frontmatter, for what is missing in it.
    pub(crate) start: Position,
    pub(crate) template: String,
    pub(crate) template_at: Position,
}

impl<'a> Origin<'a> {
    /// A prompt whose template is this `range` of the file's `text`.
    pub(crate) fn new(
        (layer, path, bytes): (Layer, &'a Path, &'a [u8]),
        start: Position,
        text: &str,
        range: Range<usize>,
    ) -> Self {
        let template_at = Position::of(text, range.start);
        let template = text.get(range).unwrap_or_default().replace("\r\n", "\n");
        Self { layer, path, bytes, start, template, template_at }
    }
}

/// Maps a file to the model. Only an unusable id or version is an error here: everything else that may be wrong is
/// lint's business, and read as far as it goes.
pub(crate) fn read(dialect: Dialect, root: &Node, origin: Origin<'_>) -> Result<Prompt, Vec<Finding>> {
    let id = read_id(dialect, root, origin.start, origin.path);
    let version = read_version(dialect, root, origin.start, origin.path);
    let (id, version) = match (id, version) {
        (Ok(id), Ok(version)) => (id, version),
        (id, version) => return Err([id.err(), version.err()].into_iter().flatten().collect()),
    };
    let text = |key| text(root, key);
    let texts = |key| texts(root, key);
    let either = |native, foreign| text(native).or_else(|| text(foreign));
    let title = either("title", "name").unwrap_or_else(|| id.clone());
    let gate = either("gate", "maps_to_gate").map(gate_name);
    let mut places = Places { template: origin.template_at, ..Places::default() };
    places.fields.extend(root.entries().iter().map(|entry| (entry.key.clone(), entry.at)));
    let inputs = match dialect {
        Dialect::PromptOs => Vec::new(),
        Dialect::Oa05 | Dialect::Tnh => inputs::declared(dialect, root, &mut places),
        Dialect::Plain => inputs::used(root, &origin.template, &mut places),
    };
    Ok(Prompt {
        summary: either("summary", "description").unwrap_or_else(|| title.clone()),
        title,
        dialect,
        role: either("role", "task_type"),
        phase: text("phase"),
        duty: match text("duty").as_deref() {
            Some("writer") => Some(Duty::Writer),
            Some("verifier") => Some(Duty::Verifier),
            Some("reviewer") => Some(Duty::Reviewer),
            Some(_) => None,
            None => gate.as_deref().and_then(Duty::of_gate),
        },
        gate,
        status: text("status"),
        owner: text("owner"),
        scope: text("scope"),
        source: text("source"),
        notes: text("notes"),
        tags: texts("tags"),
        capabilities: texts("capabilities"),
        default_model: text("default_model")
            .or_else(|| root.get("model_hints").and_then(|hints| self::text(hints, "default_model"))),
        model_hints: root.get("model_hints").filter(|node| !node.is_empty()).map(Node::to_json),
        safety_notes: texts("safety_notes"),
        safety_level: text("safety_level"),
        pii_handling: text("pii_handling"),
        content_flags: texts("content_flags"),
        deprecates: text("deprecates"),
        stop_conditions: texts("stop_conditions"),
        constitution_alignment: texts("constitution_alignment"),
        inputs_required: texts("inputs_required"),
        outputs_expected: texts("outputs_expected"),
        schema_version: text("schema_version"),
        created_at: text("created_at"),
        updated_at: either("updated_at", "last_updated_utc"),
        warnings: texts("warnings"),
        inputs,
        input_contract_ref: text("input_contract_ref"),
        output_contract: contract::read(root),
        output_contract_ref: text("output_contract_ref"),
        frontmatter: root.entries().iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect(),
        places,
        template: origin.template,
        layer: origin.layer,
        path: origin.path.to_owned(),
        bytes: origin.bytes.to_vec(),
        id,
        version,
    })
}

fn read_id(dialect: Dialect, root: &Node, start: Position, path: &Path) -> Result<String, Finding> {
    let named = match dialect {
        Dialect::Oa05 | Dialect::PromptOs => root.get("prompt_id"),
        Dialect::Tnh => root.get("key"),
        Dialect::Plain => None,
    };
    let (id, at) = match named {
        Some(node) if !node.is_empty() => (node.text().unwrap_or_default().to_owned(), node.at),
        _ if matches!(dialect, Dialect::Tnh | Dialect::Plain) => (path_id(path), start),
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

fn read_version(dialect: Dialect, root: &Node, start: Position, path: &Path) -> Result<String, Finding> {
    if dialect == Dialect::Plain {
        return Ok("1".to_owned());
    }
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

/// The text under `key`, without surrounding space; `None` if absent, blank or no scalar.
pub(crate) fn text(root: &Node, key: &str) -> Option<String> {
    let text = root.get(key)?.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The scalars of the list under `key`.
pub(crate) fn texts(root: &Node, key: &str) -> Vec<String> {
    let items = root.get(key).and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}
