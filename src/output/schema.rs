//! A JSON value against a schema of Draft 2020-12.
//!
//! Nothing is fetched: a `$ref` leads into the schema's own file, or to files of the folder that it came from.
//! Patterns are matched in linear time (look-around and back references are refused, and so are patterns that compile
//! to more than [`PATTERN`]). References can still multiply the work without bound, so a schema belongs into a
//! process with limits, as a template does.

use crate::catalog::{Home, Schema, quoted};
use crate::error::{Error, Result};
use crate::json;
use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Draft, PatternOptions, ReferencingError, Retrieve, Uri, ValidationError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::error::Error as StdError;

/// Most bytes of a compiled pattern.
const PATTERN: usize = 1 << 20;
/// So many faults are told.
pub(crate) const MOST: usize = 100;
/// What a schema's own path is relative to; nothing is ever at such an address.
const BASE: &str = "promptos-schemas:///";

/// What is to be checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Where the schema and those that it refers to are.
    home: Home,
    /// Its path below that.
    path: String,
    /// The value, JSON.
    value: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Where the value does not fit, at most 100; else why the schema is none.
    pub misfits: Result<Vec<Misfit>, String>,
    /// Whether there are more.
    pub more: bool,
}

/// Where a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// A JSON Pointer (RFC 6901) to it.
    pub pointer: String,
    /// The name that must not be there, if that is what is wrong.
    pub member: Option<String>,
    /// A JSON Pointer into the schema.
    pub keyword: String,
    /// What is wrong.
    pub message: String,
    /// Something that may help.
    pub hint: Option<String>,
}

impl Job {
    pub(crate) fn new(schema: &Schema, value: &str) -> Self {
        Self { home: schema.home.clone(), path: schema.file.clone(), value: value.to_owned() }
    }
}

/// Checks a value. Bounded neither in time nor in memory: see above.
///
/// # Errors
/// A bug, when the job's value is no JSON.
pub fn run(job: &Job) -> Result<Ran> {
    let value =
        json::parse(job.value.as_bytes()).map_err(|e| Error::bug("the value is no JSON").because(e))?;
    let none = |why| Ok(Ran { misfits: Err(why), more: false });
    let document = match job.home.read(&job.path) {
        Ok(document) => document,
        Err(why) => return none(why),
    };
    let built = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_base_uri(format!("{BASE}{}", job.path))
        .with_retriever(Files(job.home.clone()))
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN).dfa_size_limit(PATTERN))
        .build(&document);
    let validator = match built {
        Ok(validator) => validator,
        Err(error) => return none(refusal(&error)),
    };
    let mut misfits = Vec::new();
    for error in validator.iter_errors(&value) {
        describe(&error, &mut misfits);
        if misfits.len() > MOST {
            break;
        }
    }
    let more = misfits.len() > MOST;
    misfits.truncate(MOST);
    Ok(Ran { misfits: Ok(misfits), more })
}

/// The files that a schema may refer to.
struct Files(Home);

impl Retrieve for Files {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn StdError + Send + Sync>> {
        let Some(path) = uri.as_str().strip_prefix(BASE) else {
            return Err(
                "nothing is fetched; name a file of the same folder of schemas, relative to this one".into(),
            );
        };
        Ok(self.0.read(path)?)
    }
}

/// Why the library takes this for no schema.
fn refusal(error: &ValidationError<'_>) -> String {
    let at = error.instance_path().as_str();
    let at = if at.is_empty() { String::new() } else { format!("at {}: ", quoted(at)) };
    match error.kind() {
        Kind::Referencing(ReferencingError::Unretrievable { uri, source }) => {
            let uri = uri.strip_prefix(BASE).unwrap_or(uri);
            format!("its `$ref` leads to {}: {source}", quoted(uri))
        }
        Kind::Format { format } if format == "regex" => {
            let why = "is no pattern, too large, or looks around or back, which takes no bounded time";
            format!("{at}{} {why}", quoted(error.instance().as_str().unwrap_or_default()))
        }
        _ => {
            let mut faults = Vec::new();
            describe(error, &mut faults);
            let said = faults.into_iter().next().map(|fault| match fault.hint {
                Some(hint) => format!("{} ({hint})", fault.message),
                None => fault.message,
            });
            said.unwrap_or_else(|| error.to_string())
        }
    }
}

/// Adds what is wrong, without the value itself: it may hold what no terminal or log should.
fn describe(error: &ValidationError<'_>, misfits: &mut Vec<Misfit>) {
    let pointer = error.instance_path().as_str();
    let subject = if pointer.is_empty() { "the answer".to_owned() } else { quoted(pointer) };
    let mut add = |what: String, member: Option<&str>, hint| {
        misfits.push(Misfit {
            pointer: pointer.to_owned(),
            member: member.map(str::to_owned),
            keyword: error.schema_path().as_str().to_owned(),
            message: what,
            hint,
        });
    };
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            add(format!("{subject} has no {}", quoted(name)), None, None);
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for name in unexpected {
                add(
                    format!("{subject} has {}, which the schema does not allow", quoted(name)),
                    Some(name),
                    None,
                );
            }
        }
        Kind::FalseSchema => add(format!("{subject} is not allowed"), None, None),
        Kind::Enum { options } => {
            let options: Vec<_> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
            add(format!("{subject} is none of {}", options.join(", ")), None, None);
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            add(
                format!("{subject} fits none of {} alternatives", context.len()),
                None,
                alternatives(context),
            );
        }
        Kind::OneOfMultipleValid { .. } => {
            add(format!("{subject} fits more than one of the alternatives"), None, None);
        }
        Kind::Pattern { pattern } => {
            add(format!("{subject} does not match the pattern {}", quoted(pattern)), None, None)
        }
        Kind::Not { .. } => add(format!("{subject} is what the schema excludes"), None, None),
        Kind::UniqueItems => add(format!("the items of {subject} are not all different"), None, None),
        _ => add(error.masked_with(subject.as_str()).to_string(), None, None),
    }
}

/// What is wrong with each alternative, as far as a line holds it.
fn alternatives(context: &[Vec<ValidationError<'_>>]) -> Option<String> {
    let first = |(n, errors): (usize, &Vec<ValidationError<'_>>)| {
        let mut misfits = Vec::new();
        describe(errors.first()?, &mut misfits);
        Some(format!("{}: {}", n + 1, misfits.into_iter().next()?.message))
    };
    let said: Vec<_> = context.iter().enumerate().take(4).filter_map(first).collect();
    (!said.is_empty()).then(|| said.join("; "))
}
