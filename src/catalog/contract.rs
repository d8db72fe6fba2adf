//! What an answer looks like. OA05's contracts depend on the role, TNH's on the mode.

use super::dialect::{text, texts};
use super::fields::check_choice;
use super::finding::{self, Finding, quoted};
use super::parse::Source;
use super::prompt::{Artifact, Contract, Dialect, Mode, Prompt};
use super::schema::{self, Schemas};
use crate::yaml::{Node, Value};
use std::path::Path;

/// What a planner's decision consists of.
const DECISION: &[&str] = &["status", "next_step", "fix_instructions", "blockers", "risk_flags"];

/// What the frontmatter says about the answer; `None` if it says nothing.
pub(crate) fn read(root: &Node) -> Option<Contract> {
    let node = root.get("output_contract").filter(|node| !node.entries().is_empty());
    let mode = |text: Option<String>| match text.as_deref() {
        Some("text") => Some(Mode::Text),
        Some("json" | "structured") => Some(Mode::Json),
        Some("artifacts") => Some(Mode::Artifacts),
        _ => None,
    };
    let legacy = mode(text(root, "output_mode"));
    let Some(node) = node else {
        return legacy.map(|mode| Contract { mode, ..Contract::default() });
    };
    let artifact = |node: &Node| {
        let required = node.get("required").and_then(Node::bool).unwrap_or(false);
        Some(Artifact { path: text(node, "path")?, required })
    };
    let artifacts = node.get("artifacts").and_then(Node::list).unwrap_or_default();
    let mut contract = Contract {
        mode: Mode::Text,
        schema_ref: text(node, "schema_ref"),
        required_fields: texts(node, "required_fields"),
        required_sections: texts(node, "required_sections"),
        artifacts: artifacts.iter().filter_map(artifact).collect(),
    };
    let apparent = if !contract.artifacts.is_empty() {
        Mode::Artifacts
    } else if contract.schema_ref.is_some() || !contract.required_fields.is_empty() {
        Mode::Json
    } else {
        Mode::Text
    };
    contract.mode = mode(text(node, "mode")).or(legacy).unwrap_or(apparent);
    Some(contract)
}

/// Checks `output_contract` and what refers to schemas. That it is there is checked with the other fields.
pub(crate) fn check(source: &Source<'_>, path: &Path, findings: &mut Vec<Finding>) {
    let (prompt, root) = (&source.prompt, &source.frontmatter);
    for field in ["input_contract_ref", "output_contract_ref"] {
        findings.extend(root.get(field).and_then(|node| check_reference(path, node)));
    }
    let Some(contract) = root.get("output_contract") else {
        check_mode_alone(prompt, root, path, findings);
        return;
    };
    if !matches!(contract.value, Value::Map(_)) || contract.is_empty() {
        return;
    }
    let mut report = |at, message: String, hint: &str| {
        findings.push(Finding::new(finding::CONTRACT, path, at, message).hint(hint));
    };
    for (field, is_list) in [("schema_ref", false), ("required_fields", true), ("artifacts", true)] {
        if let Some(node) = contract.get(field)
            && (if is_list { node.list().is_none() } else { node.text().is_none() })
        {
            let wanted = if is_list { "a list" } else { "text" };
            report(node.at, format!("`{field}` is {}, not {wanted}", node.describe()), "see output_contract");
        }
    }
    if prompt.dialect == Dialect::Tnh && contract.get("mode").is_none() {
        let hint = "add mode: text, json or artifacts";
        report(contract.at, "the contract has no `mode`".to_owned(), hint);
    }
    for artifact in contract.get("artifacts").and_then(Node::list).unwrap_or_default() {
        if artifact.get("path").and_then(Node::text).is_none()
            || artifact.get("required").and_then(Node::bool).is_none()
        {
            let hint = "an artifact is written: path, and required: true or false";
            report(artifact.at, "an artifact of the contract is incomplete".to_owned(), hint);
        }
    }
    match prompt.role.as_deref().filter(|_| prompt.dialect == Dialect::Oa05) {
        Some("planner") => check_planner(contract, path, findings),
        Some("policy" | "triage" | "risk" | "journal") => {
            let shapes = ["schema_ref", "required_fields", "required_sections", "artifacts"];
            if shapes.iter().all(|shape| contract.get(shape).is_none_or(Node::is_empty)) {
                let message = "the contract does not say what the output looks like";
                let hint = "add schema_ref, required_fields or required_sections";
                report(contract.at, message.to_owned(), hint);
            }
        }
        _ => {}
    }
    check_mode(source, contract, path, findings);
}

/// Checks what the mode demands.
fn check_mode(source: &Source<'_>, contract: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let root = &source.frontmatter;
    let mode = contract.get("mode");
    if let Some(mode) = mode {
        let known = &["text", "json", "artifacts"];
        findings.extend(check_choice(source, path, finding::CONTRACT, ("mode of output", mode), known));
    }
    let named = mode.and_then(Node::text);
    let at = mode.map_or(contract.at, |mode| mode.at);
    match contract.get("schema_ref").filter(|node| !node.is_empty()) {
        Some(reference) => findings.extend(check_reference(path, reference)),
        None if named == Some("json") && root.get("output_contract_ref").is_none() => findings.push(
            Finding::new(finding::CONTRACT_SCHEMA, path, at, "a JSON answer has no `schema_ref`")
                .hint("add `schema_ref: <name>.v1`"),
        ),
        None => {}
    }
    let artifacts = contract.get("artifacts").and_then(Node::list).unwrap_or_default();
    if named == Some("artifacts") && artifacts.is_empty() {
        let message = "the answer is files, and none is listed";
        let finding = Finding::new(finding::CONTRACT_ARTIFACTS, path, at, message);
        findings.push(finding.hint("add artifacts: a list of path and required"));
    }
    for node in artifacts.iter().filter_map(|artifact| artifact.get("path")) {
        if let Some(text) = node.text().filter(|text| leaves(text)) {
            let message = format!("{} does not stay below the project", quoted(text));
            let finding = Finding::new(finding::CONTRACT_ARTIFACTS, path, node.at, message);
            findings.push(finding.hint("write a path relative to the project, without `..`"));
        }
    }
    let legacy = root.get("output_mode").and_then(Node::text).map(|text| text.replace("structured", "json"));
    if let (Some(legacy), Some(named)) = (legacy, named)
        && legacy != named
        && let Some(node) = root.get("output_mode")
    {
        let message =
            format!("output_mode is {}, and the contract's mode {}", quoted(&legacy), quoted(named));
        findings.push(Finding::new(finding::CONTRACT, path, node.at, message).lenient());
    }
}

/// The oldest prompts name a mode and nothing else.
fn check_mode_alone(prompt: &Prompt, root: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let json = prompt.output_contract.as_ref().is_some_and(|contract| contract.mode == Mode::Json);
    if let Some(node) = root.get("output_mode").filter(|_| json && prompt.output_contract_ref.is_none()) {
        let finding = Finding::new(finding::CONTRACT_SCHEMA, path, node.at, "a JSON answer has no schema");
        findings.push(finding.lenient().hint("add output_contract: {mode: json, schema_ref: <name>.v1}"));
    }
}

fn check_planner(contract: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let report =
        |at, message: String, hint: &str| Finding::new(finding::CONTRACT, path, at, message).hint(hint);
    let reference = contract.get("schema_ref").and_then(Node::text).unwrap_or_default();
    if !reference.starts_with("planner_decision.v") {
        let message = "a planner's contract must have the schema_ref planner_decision.v1";
        findings.push(report(contract.at, message.to_owned(), "add `schema_ref: planner_decision.v1`"));
    }
    let hint = "a planner's decision has all five fields";
    match contract.get("required_fields") {
        Some(fields) => {
            let named = fields.list().unwrap_or_default();
            let has = |wanted: &&&str| named.iter().any(|field| field.text() == Some(**wanted));
            let missing: Vec<_> = DECISION.iter().filter(|field| !has(field)).copied().collect();
            if !missing.is_empty() && fields.list().is_some() {
                let message = format!("required_fields lacks {}", missing.join(", "));
                findings.push(report(fields.at, message, hint));
            }
        }
        // The schema demands them all the same.
        None if reference.starts_with("planner_decision.v") => {
            let message = format!("the contract has no required_fields: {}", DECISION.join(", "));
            findings.push(report(contract.at, message, hint).lenient());
        }
        None => {}
    }
}

/// The name of a schema, `<name>.v<version>`.
fn check_reference(path: &Path, node: &Node) -> Option<Finding> {
    let text = node.text().filter(|text| !text.trim().is_empty())?;
    let fits = schema::path_of(text).is_some();
    let finding = || {
        let message = format!("{} is no name of a schema", quoted(text));
        Finding::new(finding::CONTRACT_SCHEMA, path, node.at, message).hint("write `<name>.v<version>`")
    };
    (!fits).then(finding)
}

/// Names the schemas that are nowhere to be found.
pub(crate) fn check_schemas(root: &Node, path: &Path, schemas: &Schemas, findings: &mut Vec<Finding>) {
    let contract = root.get("output_contract").and_then(|contract| contract.get("schema_ref"));
    let beside = ["input_contract_ref", "output_contract_ref"].map(|field| root.get(field));
    for node in [contract].into_iter().chain(beside).flatten() {
        if let Some(name) = node.text()
            && let Some(file) = schema::path_of(name)
            && !schemas.has(name)
        {
            let message = format!("there is no schema {}", quoted(name));
            let finding = Finding::new(finding::CONTRACT_UNRESOLVED, path, node.at, message);
            findings.push(finding.hint(format!("write {}/{file}", schema::SCHEMA_FOLDER)));
        }
    }
}

/// Whether a path may lead out of the folder that it is relative to.
pub(crate) fn leaves(path: &str) -> bool {
    let absolute =
        path.starts_with(['/', '\\', '~']) || path.get(1..).is_some_and(|rest| rest.starts_with(':'));
    absolute || path.split(['/', '\\']).any(|part| part == "..")
}
