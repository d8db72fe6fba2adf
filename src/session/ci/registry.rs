//! `prompts.index.json`, the registry of PromptOS: its shape, and whether it says what the prompt files say.

use super::{Check, Issue};
use crate::catalog::counted;
use crate::catalog::{self, Catalog, Layer, Parsed};
use crate::session::files::parse_json;
use ledger_format::is_relative;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

const NAME: &str = "registry";

/// The registry's name, in the project's root.
pub const REGISTRY_FILE: &str = "prompts.index.json";

/// A registry as read.
pub struct Registry {
    /// Its path, as shown.
    shown: String,
    text: String,
    fields: Map<String, Value>,
}

impl Registry {
    /// The release that it says it is of.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.fields.get("prompt_os_version").and_then(Value::as_str)
    }

    /// The line on which a text stands in quotes.
    fn line(&self, text: &str) -> usize {
        let quoted = Value::from(text).to_string();
        self.text.lines().position(|line| line.contains(&quoted)).map_or(1, |at| at + 1)
    }
}

/// Reads a registry. `shown` is its path, for messages.
///
/// # Errors
/// The finished check, when it is no JSON object.
pub fn read_registry(shown: &str, bytes: &[u8]) -> Result<Registry, Box<Check>> {
    match parse_json(Path::new(shown), bytes) {
        Ok(Value::Object(fields)) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            Ok(Registry { shown: shown.to_owned(), text, fields })
        }
        Ok(_) => {
            let issue = Issue::finding("the registry is not a JSON object").at(shown, 1);
            Err(Box::new(Check::made(NAME, "no registry", vec![issue])))
        }
        Err(error) => {
            let issue = Issue::finding(error.to_string()).at(shown, 1);
            Err(Box::new(Check::made(NAME, "no registry", vec![issue])))
        }
    }
}

/// The fields of the registry itself.
const FIELDS: [&str; 4] = ["schema_version", "prompt_os_version", "last_updated_utc", "prompts"];
/// The fields of each of its prompts.
const PROMPT_FIELDS: [&str; 8] =
    ["prompt_id", "name", "version", "phase", "maps_to_gate", "path", "owner", "last_updated_utc"];
const SCHEMA: &str = "1.0";

/// Checks a registry that lies in `root`: every registered file exists and is the prompt that the registry says, and
/// every prompt of the workspace catalog, whose files lie in `folder`, is registered.
#[must_use]
pub fn registry(registry: &Registry, root: &Path, catalog: &Catalog, folder: Option<&Path>) -> Check {
    let shown = registry.shown.as_str();
    let mut issues = Vec::new();
    for name in FIELDS.iter().filter(|name| !registry.fields.contains_key(**name)) {
        issues.push(Issue::finding(format!("the field '{name}' is missing")).at(shown, 1));
    }
    for name in registry.fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        issues.push(
            Issue::warning(format!("'{name}' is no field of a registry")).at(shown, registry.line(name)),
        );
    }
    for name in &FIELDS[..3] {
        if registry.fields.get(*name).is_some_and(|value| value.as_str().is_none_or(str::is_empty)) {
            issues.push(Issue::finding(format!("'{name}' is not a text")).at(shown, registry.line(name)));
        }
    }
    if let Some(schema) =
        registry.fields.get("schema_version").and_then(Value::as_str).filter(|s| *s != SCHEMA)
    {
        let issue = Issue::finding(format!("the schema version {schema} is not known; {SCHEMA} is"));
        issues.push(issue.at(shown, registry.line("schema_version")));
    }
    let none = Vec::new();
    let listed = match registry.fields.get("prompts") {
        Some(Value::Array(listed)) => listed,
        Some(_) => {
            issues.push(Issue::finding("'prompts' is not a list").at(shown, registry.line("prompts")));
            &none
        }
        None => &none,
    };
    let mut paths = BTreeSet::new();
    let mut refs = BTreeSet::new();
    for (at, entry) in listed.iter().enumerate() {
        match Entry::read(entry) {
            Err(what) => issues.push(
                Issue::finding(format!("prompt {}: {what}", at + 1)).at(shown, registry.line("prompts")),
            ),
            Ok(entry) => {
                let line = registry.line(entry.path);
                if !refs.insert((entry.id, entry.version)) {
                    let what = format!("{} {} is registered twice", entry.id, entry.version);
                    issues.push(Issue::finding(what).at(shown, line));
                }
                if !paths.insert(entry.path) {
                    issues
                        .push(Issue::finding(format!("{} is registered twice", entry.path)).at(shown, line));
                }
                issues.extend(entry.compare(root).into_iter().map(|issue| issue.at(shown, line)));
            }
        }
    }
    let own =
        catalog.prompts().iter().chain(catalog.losers()).filter(|prompt| prompt.layer == Layer::Workspace);
    let within = folder.and_then(|folder| folder.strip_prefix(root).ok());
    for prompt in own {
        let path = within.unwrap_or(Path::new("")).join(&prompt.path);
        let path = path.to_string_lossy();
        if !paths.contains(&*path) {
            let what = format!("the prompt {} is not registered in {shown}", prompt.reference());
            issues.push(Issue::finding(what).at(path, 1).hint("add it to the registry, or remove the file"));
        }
    }
    Check::made(NAME, format!("{} registered", counted(listed.len(), "prompt")), issues)
}

/// One registered prompt.
struct Entry<'a> {
    id: &'a str,
    version: &'a str,
    path: &'a str,
    name: &'a str,
    phase: &'a str,
    owner: &'a str,
}

impl<'a> Entry<'a> {
    fn read(value: &'a Value) -> Result<Self, String> {
        let Value::Object(fields) = value else { return Err("it is not an object".to_owned()) };
        let text = |name: &str| {
            let text = fields.get(name).ok_or_else(|| format!("the field '{name}' is missing"))?;
            text.as_str().filter(|text| !text.is_empty()).ok_or_else(|| format!("'{name}' is not a text"))
        };
        for name in PROMPT_FIELDS {
            text(name)?;
        }
        let path = text("path")?;
        if !is_relative(path) {
            return Err(format!("'{path}' is not a path within the project"));
        }
        Ok(Self {
            id: text("prompt_id")?,
            version: text("version")?,
            path,
            name: text("name")?,
            phase: text("phase")?,
            owner: text("owner")?,
        })
    }

    /// Says in what the file differs.
    fn compare(&self, root: &Path) -> Vec<Issue> {
        let path = self.path;
        let bytes = match std::fs::read(root.join(path)) {
            Ok(bytes) => bytes,
            Err(e) => return vec![Issue::finding(format!("{path} is registered and cannot be read: {e}"))],
        };
        let prompt = match catalog::parse(Layer::Workspace, Path::new(path), &bytes) {
            Parsed::Prompt(prompt) => prompt,
            Parsed::Broken(_) => {
                return vec![Issue::finding(format!("{path} cannot be used: 'promptos lint' tells why"))];
            }
            Parsed::Document => {
                return vec![Issue::finding(format!("{path} is registered and is no prompt"))];
            }
        };
        let mut issues = Vec::new();
        for (what, registered, file) in
            [("id", self.id, &prompt.id), ("version", self.version, &prompt.version)]
        {
            if registered != file {
                let what = format!("{path}: its {what} is {file}, and {registered} in the registry");
                issues.push(Issue::finding(what).hint("make both the same"));
            }
        }
        let others = [
            ("name", self.name, Some(&prompt.title)),
            ("phase", self.phase, prompt.phase.as_ref()),
            ("owner", self.owner, prompt.owner.as_ref()),
        ];
        for (what, registered, file) in others {
            if let Some(file) = file.filter(|file| *file != registered) {
                issues.push(Issue::warning(format!(
                    "{path}: its {what} is '{file}', and '{registered}' in the registry"
                )));
            }
        }
        issues
    }
}
