//! From the bytes of a file to a [`Workflow`], with a finding for everything that is not as it should be.

use super::check::{MAX_STEPS, MAX_WORKFLOW_BYTES};
use super::model::{Opcode, Placed, Route, Step, Workflow};
use super::rules::{self, Findings, did_you_mean};
use super::schema;
use crate::catalog::quoted;
use crate::yaml::{self, Entry, Node, Position, Value};
use std::collections::HashSet;

/// Reads a workflow; `None` if it cannot be told what its parts are.
pub(crate) fn read(bytes: &[u8], findings: &mut Findings<'_>) -> Option<Workflow> {
    if bytes.len() as u64 > MAX_WORKFLOW_BYTES {
        findings.add(rules::TOO_LARGE, Position::START, "the file is larger than 10 MB");
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let before = String::from_utf8_lossy(valid);
            let message = format!("byte {} is not UTF-8", valid.len());
            findings.advise(
                rules::NOT_UTF8,
                Position::of(&before, before.len()),
                message,
                "save the file as UTF-8",
            );
            return None;
        }
    };
    let root = match yaml::parse(text, 1) {
        Ok(root) => root,
        Err(error) => {
            findings.add(rules::SYNTAX, error.at, error.message);
            return None;
        }
    };
    if !matches!(root.value, Value::Map(_)) {
        findings.advise(
            rules::SHAPE,
            root.at,
            format!("the workflow is {}, not a mapping", root.describe()),
            "a workflow has the fields workflow_id, version, description, entry_step and steps",
        );
        return None;
    }
    schema::check(&root, schema::WORKFLOW, "the workflow", Position::START, findings);
    schema::check_unknown(&root, schema::WORKFLOW, "a workflow", findings);
    let mut workflow = Workflow {
        id: text_of(&root, "workflow_id").map(|id| id.value),
        version: text_of(&root, "version").map(|version| version.value),
        entry: text_of(&root, "entry_step"),
        ..Workflow::default()
    };
    if let Some(defaults) = root.entry("defaults").filter(|entry| matches!(entry.node.value, Value::Map(_))) {
        schema::check(&defaults.node, schema::DEFAULTS, "defaults", defaults.at, findings);
        schema::check_unknown(&defaults.node, schema::DEFAULTS, "`defaults`", findings);
        let given = defaults.node.entries().iter().filter(|entry| !entry.node.is_empty());
        workflow.defaults = given.map(|entry| entry.key.clone()).collect();
        workflow.policy = text_of(&defaults.node, "policy");
    }
    let steps = root.get("steps").and_then(Node::list).unwrap_or_default();
    if steps.len() > MAX_STEPS {
        let at = root.entry("steps").map_or(Position::START, |entry| entry.at);
        findings.add(rules::TOO_LARGE, at, format!("there are {} steps, more than {MAX_STEPS}", steps.len()));
        return None;
    }
    workflow.steps = steps.iter().filter_map(|node| read_step(node, findings)).collect();
    Some(workflow)
}

fn read_step(node: &Node, findings: &mut Findings<'_>) -> Option<Step> {
    if !matches!(node.value, Value::Map(_)) {
        findings.add(rules::SHAPE, node.at, format!("a step is {}, not a mapping", node.describe()));
        return None;
    }
    let id = text_of(node, "id");
    let what = match &id {
        Some(id) => format!("the step {}", quoted(&id.value)),
        None => "a step".to_owned(),
    };
    let written = text_of(node, "opcode");
    let opcode = written.as_ref().and_then(|written| read_opcode(written, findings));
    let fields = schema::step(opcode);
    schema::check(node, &fields, &what, node.at, findings);
    if let Some(opcode) = opcode {
        schema::check_unknown(node, &fields, &opcode.a(), findings);
    }
    let mut step = Step {
        id,
        opcode,
        prompt: text_of(node, "prompt"),
        policy: text_of(node, "policy"),
        inputs: texts_of(node, "inputs").map(|inputs| inputs.value).unwrap_or_default(),
        routes: read_routes(node, &what, findings),
        allowed: texts_of(node, "allowed_next_steps"),
        allow_unreachable: node.get("allow_unreachable").and_then(Node::bool) == Some(true),
        has_timeout: ["timeout", "timeout_seconds"]
            .iter()
            .any(|field| node.get(field).is_some_and(|value| !value.is_empty())),
        target: text_of(node, "target"),
        produces: Vec::new(),
        proposes_goldens: None,
    };
    if opcode == Some(Opcode::RunValidation) {
        read_validators(node, &what, &mut step, findings);
    }
    Some(step)
}

fn read_opcode(written: &Placed<String>, findings: &mut Findings<'_>) -> Option<Opcode> {
    let found = Opcode::ALL.iter().find(|opcode| opcode.name() == written.value);
    if found.is_none() {
        let names = || Opcode::ALL.iter().map(|opcode| opcode.name());
        let hint = did_you_mean(&written.value, names())
            .unwrap_or_else(|| format!("use one of: {}", names().collect::<Vec<_>>().join(", ")));
        let message = format!("{} is no opcode", quoted(&written.value));
        findings.advise(rules::OPCODE, written.at, message, hint);
    }
    found.copied()
}

/// Reads routes in either form: `outcome: target`, or a list of `outcome` and `target`.
fn read_routes(step: &Node, what: &str, findings: &mut Findings<'_>) -> Option<Placed<Vec<Route>>> {
    let entry = step.entry("routes").filter(|entry| !entry.node.is_empty())?;
    let mut routes = Vec::new();
    let mut whole = true;
    match &entry.node.value {
        Value::Scalar(..) => return None,
        Value::Map(entries) => {
            for Entry { key, at, node } in entries {
                match placed(node) {
                    Some(target) => {
                        routes.push(Route { outcome: Placed { value: key.clone(), at: *at }, target });
                    }
                    None => {
                        let message = format!("the route of {} is {}", quoted(key), node.describe());
                        findings.advise(rules::FIELD_TYPE, *at, message, "write the id of a step, or STOP");
                        whole = false;
                    }
                }
            }
        }
        Value::List(items) => {
            for item in items {
                if matches!(item.value, Value::Map(_)) {
                    schema::check(item, schema::ROUTE, &format!("a route of {what}"), item.at, findings);
                    schema::check_unknown(item, schema::ROUTE, "a route", findings);
                } else {
                    let message = format!("a route is {}, not a mapping", item.describe());
                    findings.advise(
                        rules::FIELD_TYPE,
                        item.at,
                        message,
                        "write `outcome: …` and `target: …`",
                    );
                }
                match (text_of(item, "outcome"), text_of(item, "target")) {
                    (Some(outcome), Some(target)) => routes.push(Route { outcome, target }),
                    _ => whole = false,
                }
            }
        }
    }
    whole.then_some(Placed { value: routes, at: entry.at })
}

/// Reads what a RUN_VALIDATION runs: names of validators, or validators described in place.
fn read_validators(node: &Node, what: &str, step: &mut Step, findings: &mut Findings<'_>) {
    let mut ids = HashSet::new();
    for validator in node.get("run").and_then(Node::list).unwrap_or_default() {
        if !matches!(validator.value, Value::Map(_)) && (validator.is_empty() || validator.text().is_none()) {
            let message =
                format!("a validator of {what} is {}, not a name or a mapping", validator.describe());
            findings.add(rules::FIELD_TYPE, validator.at, message);
            continue;
        }
        let id = match validator.text() {
            Some(_) => placed(validator),
            None => read_validator(validator, step, findings),
        };
        if let Some(id) = id
            && !ids.insert(id.value.clone())
        {
            let message = format!("{what} has two validators {}", quoted(&id.value));
            findings.add(rules::DUPLICATE_ID, id.at, message);
        }
    }
}

fn read_validator(node: &Node, step: &mut Step, findings: &mut Findings<'_>) -> Option<Placed<String>> {
    let id = text_of(node, "id").or_else(|| text_of(node, "name"));
    let what = match &id {
        Some(id) => format!("the validator {}", quoted(&id.value)),
        None => "a validator".to_owned(),
    };
    schema::check(node, schema::VALIDATOR, &what, node.at, findings);
    schema::check_unknown(node, schema::VALIDATOR, "a validator", findings);
    if id.is_none() {
        findings.add(rules::MISSING_FIELD, node.at, "a validator has no `id`");
    }
    let kind = text_of(node, "kind").map(|kind| kind.value);
    if kind.as_deref() == Some("script") && text_of(node, "entrypoint").is_none() {
        let message = format!("{what} is a script and has no `entrypoint`");
        findings.advise(rules::MISSING_FIELD, node.at, message, "name the command or file to execute");
    }
    if kind.as_deref() == Some("harness") {
        step.produces.push("harness_report.json".to_owned());
    }
    let artifacts = texts_of(node, "artifacts").map(|list| list.value).unwrap_or_default();
    step.produces.extend(artifacts.into_iter().map(|artifact| artifact.value));
    if let Some(entry) = node.entry("may_propose_goldens").filter(|entry| entry.node.bool() == Some(true)) {
        step.proposes_goldens.get_or_insert(entry.at);
    }
    id
}

/// The text of a scalar that is not blank.
fn placed(node: &Node) -> Option<Placed<String>> {
    let value = node.text().filter(|text| !text.trim().is_empty())?;
    Some(Placed { value: value.to_owned(), at: node.at })
}

fn text_of(node: &Node, key: &str) -> Option<Placed<String>> {
    placed(node.get(key)?)
}

/// The texts of a list, placed at its key.
fn texts_of(node: &Node, key: &str) -> Option<Placed<Vec<Placed<String>>>> {
    let entry = node.entry(key)?;
    let value = entry.node.list()?.iter().filter_map(placed).collect();
    Some(Placed { value, at: entry.at })
}
