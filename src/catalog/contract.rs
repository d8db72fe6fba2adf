//! OA05's output contracts, which depend on the role.

use super::dialect::{text, texts};
use super::finding::{self, Finding};
use super::prompt::{Artifact, Contract, Mode, Prompt};
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

/// Checks `output_contract`. That it is there is checked with the other fields.
pub(crate) fn check(prompt: &Prompt, root: &Node, path: &Path, findings: &mut Vec<Finding>) {
    let Some(contract) = root.get("output_contract") else { return };
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
    for artifact in contract.get("artifacts").and_then(Node::list).unwrap_or_default() {
        if artifact.get("path").and_then(Node::text).is_none()
            || artifact.get("required").and_then(Node::bool).is_none()
        {
            let hint = "an artifact is written: path, and required: true or false";
            report(artifact.at, "an artifact of the contract is incomplete".to_owned(), hint);
        }
    }
    match prompt.role.as_deref() {
        Some("planner") => {
            let reference = contract.get("schema_ref").and_then(Node::text).unwrap_or_default();
            if !reference.starts_with("planner_decision.v") {
                let message = "a planner's contract must have the schema_ref planner_decision.v1";
                report(contract.at, message.to_owned(), "add `schema_ref: planner_decision.v1`");
            }
            if let Some(fields) = contract.get("required_fields")
                && let Some(named) = fields.list()
            {
                let has = |wanted: &&&str| named.iter().any(|field| field.text() == Some(**wanted));
                let missing: Vec<_> = DECISION.iter().filter(|field| !has(field)).copied().collect();
                if !missing.is_empty() {
                    let message = format!("required_fields lacks {}", missing.join(", "));
                    report(fields.at, message, "a planner's decision has all five fields");
                }
            }
        }
        Some("policy" | "triage" | "risk" | "journal") => {
            let shapes = ["schema_ref", "required_fields", "required_sections", "artifacts"];
            if shapes.iter().all(|shape| contract.get(shape).is_none_or(Node::is_empty)) {
                let message = "the contract does not say what the output looks like";
                report(
                    contract.at,
                    message.to_owned(),
                    "add schema_ref, required_fields or required_sections",
                );
            }
        }
        _ => {}
    }
}
