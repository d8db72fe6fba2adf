//! What a model answered, against the contract of the prompt that it was given.
//!
//! A text has its sections and fields; a JSON answer is one value that fits its schema; artifacts are files in a folder.
//! Whether they are is said all at once, as [`Violation`]s with codes `output.…` and, for JSON, a pointer. [`run`]
//! compares a value with a schema, and is bounded neither in time nor in memory: what others wrote belongs into a
//! process with limits, which is what the command line does.

mod artifacts;
mod rules;
mod schema;
mod text;

#[cfg(test)]
mod tests;

pub use artifacts::Found;
pub use rules::RULES;
pub use schema::{Job, Misfit, Ran, run};

use crate::catalog::{
    Contract, Dialect, Finding, Mode, Position, Prompt, Rule, Schema, Schemas, attach_excerpts, quoted,
    secrets,
};
use crate::error::{Error, Result};
use crate::json;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The schema of what every OA05 planner answers, unless its contract names another.
pub const DECISION: &str = "planner_decision.v1";

/// An answer.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// Text or JSON.
    Bytes(&'a [u8]),
    /// A folder with files.
    Folder(&'a Path),
}

/// What the comparison came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// In what form the answer was expected.
    pub mode: Mode,
    /// The schema that it was compared with.
    pub schema: Option<Schema>,
    /// The artifacts of the contract.
    pub artifacts: Vec<Found>,
    /// What is wrong, by place.
    pub findings: Vec<Violation>,
    /// Whether more is wrong than is said.
    pub more: bool,
}

/// Something that an answer must not be, or should have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Violation {
    /// What and where.
    #[serde(flatten)]
    pub finding: Finding,
    /// A JSON Pointer (RFC 6901) into the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// A JSON Pointer into the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
}

/// A violation in the making.
struct Fault {
    rule: Rule,
    at: Position,
    message: String,
    hint: Option<String>,
    pointer: Option<String>,
    keyword: Option<String>,
    /// Whether it is about no line in particular.
    whole: bool,
    /// The file below the folder.
    file: Option<PathBuf>,
}

impl Fault {
    fn new(rule: Rule, at: Position, message: String) -> Self {
        Self { rule, at, message, hint: None, pointer: None, keyword: None, whole: false, file: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn whole(mut self) -> Self {
        self.whole = true;
        self
    }
}

/// Compares an answer with the contract of `prompt`. `name` is how findings call the answer; `values` stand for the
/// `${placeholders}` in paths of artifacts; `engine` is [`run`], or something that runs it elsewhere.
///
/// # Errors
/// If the prompt has no contract, the answer has not the form that can be compared with it (a file, a folder), the
/// schema is not there or is none; and those of `engine`.
pub fn check(
    prompt: &Prompt,
    name: &Path,
    given: Given<'_>,
    values: &BTreeMap<String, String>,
    schemas: &Schemas,
    engine: impl FnOnce(&Job) -> Result<Ran>,
) -> Result<Outcome> {
    let contract = contract(prompt)?;
    let mode = contract.mode;
    let mut outcome =
        Outcome { mode, schema: None, artifacts: Vec::new(), findings: Vec::new(), more: false };
    let named = contract.schema_ref.as_deref().filter(|_| mode == Mode::Json);
    // That there is a schema does not depend on the answer.
    outcome.schema = named.map(|name| schemas.resolve(name)).transpose()?;
    let faults = match (mode, given) {
        (Mode::Artifacts, Given::Folder(folder)) => {
            let (found, faults) = artifacts::check(folder, &contract.artifacts, values)?;
            outcome.artifacts = found;
            faults
        }
        (Mode::Artifacts, Given::Bytes(_)) => {
            let what =
                format!("the answer to {} is files, and {} is no folder", prompt.reference(), name.display());
            return Err(Error::failed(what).hint("name the folder that the contract's paths are relative to"));
        }
        (_, Given::Folder(_)) => {
            let what = format!(
                "the answer to {} is one file, and {} is a folder",
                prompt.reference(),
                name.display()
            );
            return Err(Error::failed(what).hint("name the file that holds the answer"));
        }
        (_, Given::Bytes(bytes)) => {
            let (text, mut faults) = readable(bytes);
            if faults.is_empty() && mode == Mode::Text {
                faults = text::check(&text, &contract);
            } else if faults.is_empty() {
                (faults, outcome.more) = check_json(&text, &contract, outcome.schema.as_ref(), engine)?;
            }
            outcome.findings = violations(name, &text, faults);
            Vec::new()
        }
    };
    outcome.findings.extend(violations(name, "", faults));
    outcome.findings.extend(unchecked(prompt, &contract));
    Ok(outcome)
}

/// What a prompt demands of an answer: what it says, and what OA05 says of its role.
fn contract(prompt: &Prompt) -> Result<Contract> {
    let planner = prompt.dialect == Dialect::Oa05 && prompt.role.as_deref() == Some("planner");
    let beside = prompt.output_contract_ref.as_ref();
    let mut contract = match &prompt.output_contract {
        Some(contract) => contract.clone(),
        None if planner || beside.is_some() => Contract { mode: Mode::Json, ..Contract::default() },
        None => {
            let what = format!("{} has no output contract, so there is nothing to check", prompt.reference());
            return Err(Error::failed(what).hint("say in its frontmatter what comes out: output_contract"));
        }
    };
    if planner {
        contract.mode = Mode::Json;
    }
    if contract.mode == Mode::Json && contract.schema_ref.is_none() {
        contract.schema_ref = beside.cloned().or_else(|| planner.then(|| DECISION.to_owned()));
    }
    Ok(contract)
}

/// The text of an answer, and what is wrong with it whatever it is to be.
fn readable(bytes: &[u8]) -> (String, Vec<Fault>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let at = Position::of(&String::from_utf8_lossy(valid), valid.len());
            let fault =
                Fault::new(rules::NOT_UTF8, at, "the answer is not UTF-8 text from here on".to_owned());
            return (String::new(), vec![fault.whole()]);
        }
    };
    if text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
        let fault = Fault::new(rules::EMPTY, Position::START, "the answer is empty".to_owned());
        return (String::new(), vec![fault.whole()]);
    }
    (text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(), Vec::new())
}

fn check_json(
    text: &str,
    contract: &Contract,
    schema: Option<&Schema>,
    engine: impl FnOnce(&Job) -> Result<Ran>,
) -> Result<(Vec<Fault>, bool)> {
    let value = match json::parse(text.as_bytes()) {
        Ok(value) => value,
        Err(error) => return Ok((vec![no_json(text, &error)], false)),
    };
    let mut faults = Vec::new();
    let mut said = BTreeSet::new();
    match value.as_object() {
        None if contract.required_fields.is_empty() => {}
        None => {
            let message = "the answer is no object, and the contract demands fields".to_owned();
            faults.push((String::new(), false, Fault::new(rules::FIELD, Position::START, message)));
        }
        Some(object) => {
            for name in contract.required_fields.iter().filter(|name| !object.contains_key(*name)) {
                let message = format!("the answer has no {}", quoted(name));
                said.insert(message.clone());
                faults.push((String::new(), false, Fault::new(rules::FIELD, Position::START, message)));
            }
        }
    }
    let mut more = false;
    if let Some(schema) = schema {
        let ran = engine(&Job::new(schema, text))?;
        more = ran.more;
        let misfits = ran.misfits.map_err(|why| {
            Error::failed(format!(
                "the schema {} ({}) is not usable: {why}",
                schema.name,
                schema.path.display()
            ))
        })?;
        for misfit in misfits.into_iter().filter(|misfit| !said.contains(&misfit.message)) {
            let mut fault = Fault::new(rules::SCHEMA, Position::START, misfit.message);
            (fault.hint, fault.keyword) = (misfit.hint, Some(misfit.keyword));
            let pointer = match &misfit.member {
                Some(name) => format!("{}/{}", misfit.pointer, json::pointer_part(name)),
                None => misfit.pointer,
            };
            faults.push((pointer, misfit.member.is_some(), fault));
        }
    }
    let places = json::places(text, &faults.iter().map(|(pointer, ..)| pointer.clone()).collect());
    let placed = faults.into_iter().map(|(pointer, is_name, mut fault)| {
        if let Some(place) = places.get(&pointer) {
            fault.at = place.name.filter(|_| is_name).unwrap_or(place.value);
        }
        fault.pointer = Some(pointer);
        fault
    });
    Ok((placed.collect(), more))
}

fn no_json(text: &str, error: &serde_json::Error) -> Fault {
    let (message, at) = json::describe(error, text);
    if json::is_twice(error) {
        return Fault::new(rules::DUPLICATE, at, message)
            .hint("readers disagree about which of the two counts");
    }
    let fence = text.lines().position(|line| line.trim_start().starts_with("```"));
    if let Some(line) = fence {
        let message = "the JSON stands in a Markdown code block".to_owned();
        let at = Position { line: line + 1, column: 1 };
        return Fault::new(rules::FENCED, at, message)
            .hint("the answer is the JSON value alone, without ``` lines or talk");
    }
    Fault::new(rules::JSON, at, format!("the answer is not one JSON value: {message}"))
}

/// The parts of a contract that its mode has no use for.
fn unchecked(prompt: &Prompt, contract: &Contract) -> Option<Violation> {
    let Contract { mode, schema_ref, required_fields, required_sections, artifacts } = contract;
    let parts = [
        ("schema_ref", schema_ref.is_some() && *mode != Mode::Json),
        ("required_fields", !required_fields.is_empty() && *mode == Mode::Artifacts),
        ("required_sections", !required_sections.is_empty() && *mode != Mode::Text),
        ("artifacts", !artifacts.is_empty() && *mode != Mode::Artifacts),
    ];
    let ignored: Vec<_> = parts.iter().filter(|(_, ignored)| *ignored).map(|(name, _)| *name).collect();
    let word = match mode {
        Mode::Text => "text",
        Mode::Json => "json",
        Mode::Artifacts => "artifacts",
    };
    let message = if !ignored.is_empty() {
        format!("the contract's mode is {word}, so nothing was checked of its {}", ignored.join(", "))
    } else if *mode == Mode::Json && schema_ref.is_none() && required_fields.is_empty() {
        "the contract names no schema, so only that the answer is JSON was checked".to_owned()
    } else if *mode == Mode::Artifacts && artifacts.is_empty() {
        "the contract lists no artifacts, so nothing was checked".to_owned()
    } else {
        return None;
    };
    let fields = &prompt.places.fields;
    let at = fields.get("output_contract").or_else(|| fields.get("output_mode")).copied().unwrap_or_default();
    let finding = Finding::new(rules::UNCHECKED, &prompt.path, at, message);
    Some(Violation { finding, pointer: None, keyword: None })
}

/// Faults of a text as violations, by place and with the lines that they are about.
fn violations(name: &Path, text: &str, mut faults: Vec<Fault>) -> Vec<Violation> {
    faults.sort_by_key(|fault| (!fault.whole, fault.at));
    let finding = |fault: &Fault| {
        let path = fault.file.as_ref().map_or_else(|| name.to_owned(), |file| name.join(file));
        let finding = Finding::new(fault.rule, &path, fault.at, fault.message.clone());
        match &fault.hint {
            Some(hint) => finding.hint(hint.clone()),
            None => finding,
        }
    };
    let mut findings: Vec<_> = faults.iter().map(finding).collect();
    let first = faults.iter().take_while(|fault| fault.whole).count();
    if let Some(placed) = findings.get_mut(first..).filter(|placed| !placed.is_empty()) {
        attach_excerpts(text, &secrets::scan(text), placed);
    }
    let violation = |(finding, fault): (Finding, Fault)| Violation {
        finding,
        pointer: fault.pointer,
        keyword: fault.keyword,
    };
    findings.into_iter().zip(faults).map(violation).collect()
}
