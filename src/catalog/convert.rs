//! Conversion: any dialect's prompt as a file of the native one, with an account of what became of each field.
//!
//! The rules:
//! - The id stays what it is. A version stays if it is a positive number, perhaps with `.0` behind it (`1.0` is 1);
//!   for any other the caller names one.
//! - A role that OA05 knows stays if the output contract suits it. Any other becomes `task`, and its text a tag.
//! - The template stays as it is. What else a PromptOS document says goes to `notes`.
//! - What no field of OA05 takes stays under its own name, unless it speaks of the old frontmatter itself.

use super::dialect::TNH_INPUT;
use super::finding::{self, Finding, quoted};
use super::prompt::{Contract, Dialect, Input, Mode, Prompt};
use super::text::{self, Fenced, Position, Split};
use super::{Layer, Parsed, emit, lint_file, parse, template};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What the file to convert does not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conversion<'a> {
    /// The version of a prompt whose own is no whole number.
    pub version: Option<u32>,
    /// The owner of a prompt that names none; `unknown` by default.
    pub owner: Option<&'a str>,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Its value stands in the new file.
    Mapped,
    /// The old file had none, and the new one needs one.
    Defaulted,
    /// It is not in the new file.
    Lost,
}

/// A field, or a part of one such as `inputs.source`, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldFate {
    /// Its name: of the old file's field, for one that was defaulted of the new file's.
    pub field: String,
    /// What became of it.
    pub fate: Fate,
    /// Where it stands in the new file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Its value in the new file, if that is not the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Why, if it did not just move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A prompt in the native dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// What it says, and its bytes.
    pub reference: String,
    /// The new file.
    pub bytes: Vec<u8>,
    /// What became of each field of the old one. Empty for one that was OA05: it is the same file.
    pub fields: Vec<FieldFate>,
}

/// Fields of the older dialects and what OA05 calls them.
const NAMES: &[(&str, &str)] = &[
    ("key", "prompt_id"),
    ("name", "title"),
    ("description", "summary"),
    ("task_type", "role"),
    ("maps_to_gate", "gate"),
    ("last_updated_utc", "updated_at"),
];

const ROLES: &[&str] = &["task", "planner", "policy", "triage", "risk", "journal"];

/// Converts one prompt. The result has no lint errors, the same id and the same template.
///
/// # Errors
/// The lint errors of the file, at least one, if it has any in its own dialect; else of the file that it would become.
pub fn convert(prompt: &Prompt, options: Conversion<'_>) -> Result<Converted, Vec<Finding>> {
    let errors = |path: &Path, bytes: &[u8]| {
        let findings = lint_file(path, bytes).into_iter();
        findings.filter(Finding::is_error).collect::<Vec<_>>()
    };
    if prompt.dialect != Dialect::Plain {
        let errors = errors(&prompt.path, &prompt.bytes);
        if !errors.is_empty() {
            return Err(errors);
        }
    }
    if prompt.dialect == Dialect::Oa05 {
        let (reference, bytes) = (prompt.reference(), prompt.bytes.clone());
        return Ok(Converted { reference, bytes, fields: Vec::new() });
    }
    let version = version(prompt, options.version).map_err(|finding| vec![finding])?;
    let bare;
    let prompt = match prompt.dialect {
        Dialect::Plain => {
            bare = without_fields(prompt);
            &bare
        }
        _ => prompt,
    };
    let write = |role| {
        let mut draft = Draft { prompt, fields: Map::new(), fates: Vec::new() };
        draft.fill(&version, role, options.owner);
        let bytes = format!("---\n{}---\n\n{}", emit::yaml(&draft.fields), literal(prompt)).into_bytes();
        let errors = errors(&prompt.path, &bytes);
        (bytes, draft.fates, errors)
    };
    let own = prompt.role.as_deref().map(str::to_lowercase).filter(|role| ROLES.contains(&role.as_str()));
    let (mut bytes, mut fates, mut errors) = write(own.as_deref().unwrap_or("task"));
    if errors.iter().any(|finding| finding.code == finding::CONTRACT.code) {
        (bytes, fates, errors) = write("task");
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    match parse(Layer::Workspace, &prompt.path, &bytes) {
        Parsed::Prompt(new) => {
            if new.template != literal(prompt) {
                let why = "blank space before its first word: no template begins with any";
                fates.push(fate("template", Fate::Lost).because(why));
            }
            Ok(Converted { reference: new.reference(), bytes, fields: fates })
        }
        _ => Err(vec![refusal(prompt, "it cannot be written as OA05".to_owned())]),
    }
}

fn refusal(prompt: &Prompt, message: String) -> Finding {
    let at = prompt.places.fields.get("version").copied().unwrap_or(Position::START);
    Finding::new(finding::PROMPT_VERSION, &prompt.path, at, message)
}

/// A template whose frontmatter holds default values, and nothing that speaks of the prompt even if it looks so.
fn without_fields(prompt: &Prompt) -> Prompt {
    Prompt {
        title: prompt.id.clone(),
        summary: prompt.id.clone(),
        role: None,
        status: None,
        owner: None,
        notes: None,
        tags: Vec::new(),
        output_contract: None,
        ..prompt.clone()
    }
}

/// The prompt's version as a positive integer.
fn version(prompt: &Prompt, given: Option<u32>) -> Result<Value, Finding> {
    let (whole, rest) = prompt.version.split_once('.').unwrap_or((&prompt.version, "0"));
    let zeros = rest.bytes().all(|byte| b"0.".contains(&byte));
    match whole.parse::<u32>() {
        Ok(number) if zeros && number > 0 => Ok(number.into()),
        _ => given.filter(|version| *version > 0).map(Value::from).ok_or_else(|| {
            let message = format!("the version {} is no whole number", quoted(&prompt.version));
            refusal(prompt, message).hint("name the one that it becomes: --version 1")
        }),
    }
}

/// The template as OA05 renders it: the text of a prompt that is no template must not be taken for one.
fn literal(prompt: &Prompt) -> String {
    if prompt.is_template() { prompt.template.clone() } else { prompt.template.replace("{#", "{{ '{#' }}") }
}

fn fate(field: impl Into<String>, fate: Fate) -> FieldFate {
    FieldFate { field: field.into(), fate, to: None, value: None, why: None }
}

impl FieldFate {
    fn to(mut self, to: impl Into<String>) -> Self {
        self.to = Some(to.into());
        self
    }

    fn value(mut self, value: impl Into<Value>) -> Self {
        self.value = Some(value.into());
        self
    }

    fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
}

/// The new frontmatter while it is written.
struct Draft<'a> {
    prompt: &'a Prompt,
    fields: Map<String, Value>,
    fates: Vec<FieldFate>,
}

impl Draft<'_> {
    fn fill(&mut self, version: &Value, role: &str, owner: Option<&str>) {
        let prompt = self.prompt;
        // The order in which a person reads them; the rest follows in the order of the old file.
        self.set("prompt_id", prompt.id.as_str());
        self.set("version", version.clone());
        self.set("role", role);
        self.set("summary", prompt.summary.as_str());
        self.default(&["prompt_id", "key"], "prompt_id", prompt.id.as_str(), "the file's path names it");
        self.default(&["version"], "version", version.clone(), "the file names none");
        self.default(&["role", "task_type"], "role", role, "the file names none");
        self.default(
            &["summary", "description"],
            "summary",
            prompt.summary.as_str(),
            "its title or id stands in",
        );
        self.set("owner", prompt.owner.as_deref().or(owner).unwrap_or("unknown"));
        self.default(&["owner"], "owner", owner.unwrap_or("unknown"), "the file names none");
        self.status();
        let mut tags: Vec<String> = prompt.tags.clone();
        for (name, value) in &prompt.frontmatter {
            if prompt.dialect == Dialect::Plain {
                let used = prompt.inputs.iter().any(|input| input.name == *name);
                self.fates.push(match used {
                    true => fate(name, Fate::Mapped).to(format!("inputs.{name}.default")),
                    false => fate(name, Fate::Lost).because("it is no variable of the template"),
                });
            } else {
                self.take(name, value, version, role, &mut tags);
            }
        }
        if !tags.is_empty() {
            self.set("tags", tags);
        }
        self.inputs();
        self.contract();
        self.notes();
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Tells of a value that none of these fields of the old file gave.
    fn default(&mut self, from: &[&str], name: &str, value: impl Into<Value>, why: &str) {
        if self.prompt.dialect == Dialect::Plain || from.iter().all(|field| !self.has(field)) {
            self.fates.push(fate(name, Fate::Defaulted).value(value).because(why));
        }
    }

    fn has(&self, field: &str) -> bool {
        self.prompt.frontmatter.get(field).is_some_and(|value| !is_blank(value))
    }

    fn status(&mut self) {
        const KNOWN: &[&str] = &["draft", "current", "deprecated", "archived"];
        let own = self.prompt.status.as_deref();
        let status = own.map_or("current", |own| {
            let lower = own.to_lowercase();
            KNOWN.iter().find(|known| **known == lower).copied().unwrap_or("draft")
        });
        self.set("status", status);
        self.default(&["status"], "status", status, "a file that names none counts as current");
    }

    /// A field of the old file.
    fn take(&mut self, name: &str, value: &Value, version: &Value, role: &str, tags: &mut Vec<String>) {
        if is_blank(value) {
            self.fates.push(fate(name, Fate::Mapped).because("it is empty, and left out"));
            return;
        }
        let native = NAMES.iter().find(|(foreign, _)| *foreign == name).map_or(name, |(_, native)| native);
        let moved = fate(name, Fate::Mapped).to(native);
        let number = version.to_string();
        let done = match native {
            "version" if self.prompt.version == number => moved,
            "version" => moved.value(version.clone()).because("OA05 counts versions 1, 2, 3, …"),
            "role" => {
                let text = value.as_str().unwrap_or_default().trim().to_owned();
                if text.to_lowercase() == role {
                    moved
                } else {
                    let why = match ROLES.contains(&text.to_lowercase().as_str()) {
                        true => "its output contract is not one of that role; the text is a tag",
                        false => "OA05 has no such role; the text is a tag",
                    };
                    if !tags.contains(&text) && !text.is_empty() {
                        tags.push(text);
                    }
                    fate(name, Fate::Mapped).to("tags").because(why)
                }
            }
            "status" => {
                let status = self.fields.get("status").cloned().unwrap_or_default();
                let same = value.as_str().is_some_and(|text| Some(text) == status.as_str());
                if same { moved } else { moved.value(status).because("OA05 has no such status") }
            }
            "prompt_id" if value.as_str().is_some_and(|text| text.trim() != self.prompt.id) => {
                fate(name, Fate::Lost).because("the file has `key` as well")
            }
            // What these say is read from the model.
            "prompt_id" | "tags" | "owner" | "inputs" | "output_contract" | "notes" => moved,
            "required_variables" | "optional_variables" | "default_variables" => moved.to("inputs"),
            "output_mode" if self.mode() == self.prompt.output_contract.as_ref().map(|c| c.mode) => {
                moved.to("output_contract.mode")
            }
            "output_mode" => moved.to("output_contract.mode").value(json!(self.mode())).because(
                "OA05 wants the name of a schema for JSON and a list for artifacts, and there is none",
            ),
            "schema_version" => fate(name, Fate::Lost).because("it is the version of the old frontmatter"),
            native if native != name && self.has(native) => {
                fate(name, Fate::Lost).because(format!("the file has `{native}` as well"))
            }
            "summary" => moved,
            "gate" => {
                let gate = self.prompt.gate.clone().unwrap_or_default();
                self.set("gate", gate.as_str());
                if value.as_str() == Some(&gate) { moved } else { moved.value(gate) }
            }
            native => {
                self.set(native, value.clone());
                moved
            }
        };
        self.fates.push(done);
    }

    fn inputs(&mut self) {
        let prompt = self.prompt;
        let mut inputs: Vec<Value> = Vec::new();
        for input in &prompt.inputs {
            if input.kind.is_none() {
                let name = format!("inputs.{}.type", input.name);
                let why = "the file names none";
                self.fates.push(fate(name, Fate::Defaulted).value(kind(input)).because(why));
            }
            inputs.push(declaration(input));
        }
        let uses = if prompt.is_template() { template::check(&prompt.template).ok() } else { None };
        for name in uses.map(|uses| uses.variables).unwrap_or_default() {
            if prompt.inputs.iter().all(|input| input.name != name) {
                let why = match name == TNH_INPUT {
                    true => "every TNH prompt is given it",
                    false => "the template uses it, and nothing declares it",
                };
                let value = json!({"name": name, "type": "string", "required": true});
                let field = format!("inputs.{name}");
                self.fates.push(fate(field, Fate::Defaulted).value(value.clone()).because(why));
                inputs.push(value);
            }
        }
        const PARTS: &[&str] =
            &["name", "type", "required", "strictness", "description", "source", "default"];
        for item in self.prompt.frontmatter.get("inputs").and_then(Value::as_array).into_iter().flatten() {
            let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
            for part in item.as_object().into_iter().flat_map(Map::keys) {
                if !PARTS.contains(&part.as_str()) && prompt.dialect == Dialect::Tnh {
                    let field = format!("inputs.{name}.{part}");
                    self.fates.push(fate(field, Fate::Lost).because("an input of OA05 has no such part"));
                }
            }
        }
        self.set("inputs", inputs);
    }

    /// In what form the answer comes, as far as OA05 can say it.
    fn mode(&self) -> Option<Mode> {
        let contract = self.prompt.output_contract.as_ref()?;
        let schema = contract.schema_ref.is_some() || self.has("output_contract_ref");
        Some(match contract.mode {
            Mode::Json if !schema => Mode::Text,
            Mode::Artifacts if contract.artifacts.is_empty() => Mode::Text,
            mode => mode,
        })
    }

    fn contract(&mut self) {
        let mut contract = Map::from_iter([("mode".to_owned(), json!(self.mode().unwrap_or_default()))]);
        match &self.prompt.output_contract {
            Some(Contract { schema_ref, required_fields, required_sections, artifacts, .. }) => {
                if let Some(reference) = schema_ref {
                    contract.insert("schema_ref".to_owned(), json!(reference));
                }
                for (name, list) in
                    [("required_fields", required_fields), ("required_sections", required_sections)]
                {
                    if !list.is_empty() {
                        contract.insert(name.to_owned(), json!(list));
                    }
                }
                if !artifacts.is_empty() {
                    contract.insert("artifacts".to_owned(), json!(artifacts));
                }
                // What else the contract says, nobody here knows; it stays.
                let own = self.prompt.frontmatter.get("output_contract").and_then(Value::as_object);
                for (name, value) in own.into_iter().flatten().filter(|(_, value)| !is_blank(value)) {
                    contract.entry(name).or_insert_with(|| value.clone());
                }
            }
            None => {
                let why = "the file says nothing of the answer";
                let value = Value::Object(contract.clone());
                self.fates.push(fate("output_contract", Fate::Defaulted).value(value).because(why));
            }
        }
        self.set("output_contract", contract);
    }

    /// What a PromptOS document says around the prompt, beside its own notes.
    fn notes(&mut self) {
        let document = around(self.prompt);
        if document.is_some() {
            let why = "OA05's body is the prompt alone";
            self.fates.push(fate("document", Fate::Mapped).to("notes").because(why));
        }
        let notes: Vec<String> = self.prompt.notes.clone().into_iter().chain(document).collect();
        if !notes.is_empty() {
            self.set("notes", notes.join("\n\n"));
        }
        if std::str::from_utf8(&self.prompt.bytes).is_ok_and(|text| text.contains("\r\n")) {
            self.fates
                .push(fate("line ends", Fate::Lost).because("CRLF is written as LF, as templates are read"));
        }
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The type of an input that names none: that of its default value, else text.
fn kind(input: &Input) -> String {
    input.kind.clone().unwrap_or_else(|| {
        let kind = match &input.default {
            Some(Value::Bool(_)) => "boolean",
            Some(Value::Number(_)) => "number",
            Some(Value::Array(_)) => "list",
            Some(Value::Object(_)) => "object",
            _ => "string",
        };
        kind.to_owned()
    })
}

fn declaration(input: &Input) -> Value {
    let mut declared = json!({"name": input.name, "type": kind(input), "required": input.required});
    let others = [
        ("strictness", input.strictness.map(|strictness| json!(strictness))),
        ("description", input.description.as_ref().map(|text| json!(text))),
        ("source", input.source.as_ref().map(|text| json!(text))),
        ("default", input.default.clone()),
    ];
    if let Value::Object(fields) = &mut declared {
        fields.extend(others.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    declared
}

/// The document around the fenced block of a PromptOS prompt.
fn around(prompt: &Prompt) -> Option<String> {
    if prompt.dialect != Dialect::PromptOs {
        return None;
    }
    let file = text::without_bom(std::str::from_utf8(&prompt.bytes).ok()?);
    let Split::Parts { body, .. } = text::split(file) else { return None };
    let Fenced::Block(block) = text::fenced_under(file, body.clone(), "Prompt") else { return None };
    // The block stands between its fences, and under its heading.
    let before = file.get(body.start..block.start)?.trim_end();
    let before = before.rsplit_once('\n')?.0.trim_end();
    let (rest, heading) = before.rsplit_once('\n').unwrap_or(("", before));
    let is_heading =
        heading.trim().strip_prefix("## ").is_some_and(|t| t.trim().eq_ignore_ascii_case("Prompt"));
    let before = if is_heading { rest } else { before };
    let after = file.get(block.end..body.end)?.split_once('\n').map_or("", |(_, after)| after);
    let parts: Vec<&str> =
        [before.trim(), after.trim()].into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n").replace("\r\n", "\n"))
}
