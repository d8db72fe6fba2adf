//! The engine: one template, values and limits give a text or a fault, and nothing else matters.

use crate::catalog::{self, TemplateError, check_template, describe_error, tags};
use crate::error::{self, Error as Failure};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io;

/// The engine and its version, for records: what it gives may differ between versions.
pub const ENGINE: &str = "minijinja/3.0.5";

/// Where a template must end. Memory is not bounded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps of the engine; one is some hundred nanoseconds at most.
    pub fuel: u64,
    /// Bytes of text.
    pub output: usize,
    /// Depth of macros and recursive loops.
    pub recursion: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 2_000_000, output: 16 << 20, recursion: 100 }
    }
}

/// What is to be rendered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The template, Jinja2.
    pub template: String,
    /// Every variable that has a value.
    pub values: serde_json::Map<String, Json>,
    /// Whether what has no value counts as empty.
    pub lenient: bool,
    /// Whether the lines of block tags stay, and the last line end.
    pub preserve_whitespace: bool,
    /// Where it must end.
    pub limits: Limits,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The variables that the template takes from outside, if it compiles.
    pub variables: Option<BTreeSet<String>>,
    /// The text.
    pub text: Result<String, Fault>,
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which kind of fault.
    pub cause: Cause,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it, if more is known than the cause.
    pub hint: Option<String>,
    /// Line and column in the template, from 1.
    pub at: Option<(usize, usize)>,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The template is not valid.
    Syntax,
    /// It reaches for another file.
    Outside,
    /// Something has no value.
    Undefined,
    /// It takes too many steps, too much memory or time, or gives too much text.
    Limit,
    /// It fails on these values.
    Failed,
}

impl Fault {
    /// A fault of the whole template.
    #[must_use]
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into(), hint: None, at: None }
    }

    fn at(cause: Cause, error: TemplateError) -> Self {
        Self { cause, message: error.message, hint: None, at: Some((error.at.line, error.at.column)) }
    }
}

/// Renders, within the limits.
///
/// # Errors
/// If the engine refuses its settings, which is a fault of this program.
pub fn run(job: &Job) -> error::Result<Ran> {
    let source = normalized(&job.template);
    let uses = match check_template(&source) {
        Ok(uses) => uses,
        Err(error) => return Ok(Ran { variables: None, text: Err(Fault::at(Cause::Syntax, error)) }),
    };
    let variables = Some(uses.variables);
    let reaching = |keyword: &str| ["include", "import", "from", "extends"].contains(&keyword);
    if let Some(tag) = tags(&source).iter().find(|tag| reaching(tag.keyword())) {
        let at = catalog::Position::of(&source, tag.offset);
        let message = format!("`{{% {} %}}` reaches outside the prompt", tag.keyword());
        let fault = Fault { cause: Cause::Outside, message, hint: None, at: Some((at.line, at.column)) };
        return Ok(Ran { variables, text: Err(fault) });
    }
    let environment =
        environment(job).map_err(|e| Failure::bug("the template engine refuses its settings").because(e))?;
    let text = match environment.template_from_str(&source) {
        Err(error) => Err(Fault::at(Cause::Syntax, describe_error(&error, &source))),
        Ok(template) => {
            let mut text = Bounded { bytes: Vec::new(), most: job.limits.output, full: false };
            let values =
                Value::from_pairs(job.values.iter().map(|(name, json)| (name.as_str(), value(json))));
            let ended = template.render_captured_to(values, &mut text).map(|_| ());
            let Bounded { bytes, full, .. } = text;
            match ended {
                Err(error) => Err(fault(&error, &source, full, &job.limits)),
                // The engine writes whole strings.
                Ok(()) => {
                    String::from_utf8(bytes).map_err(|_| Fault::new(Cause::Failed, "the text is not UTF-8"))
                }
            }
        }
    };
    Ok(Ran { variables, text })
}

/// A template with line feeds for its line ends, as Jinja2 reads it: it must not depend on how its file was checked out.
#[must_use]
pub fn normalized(template: &str) -> String {
    template.replace("\r\n", "\n").replace('\r', "\n")
}

/// The engine as lint knows it, with limits.
fn environment(job: &Job) -> Result<Environment<'static>, Error> {
    let mut environment = catalog::environment()?;
    if job.lenient {
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    }
    if job.preserve_whitespace {
        environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
    }
    environment.set_fuel(Some(job.limits.fuel));
    environment.set_recursion_limit(job.limits.recursion);
    Ok(environment)
}

/// A JSON value as the engine has it, maps in the order written.
#[must_use]
pub fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Json::Object(entries) => {
            Value::from_pairs(entries.iter().map(|(key, item)| (key.as_str(), value(item))))
        }
    }
}

fn fault(error: &Error, source: &str, full: bool, limits: &Limits) -> Fault {
    let cause = match error.kind() {
        _ if full => Cause::Limit,
        ErrorKind::OutOfFuel => Cause::Limit,
        ErrorKind::UndefinedError => Cause::Undefined,
        _ => Cause::Failed,
    };
    let mut found = Fault::at(cause, describe_error(error, source));
    match error.kind() {
        _ if full => found.message = format!("the template gives more than {} bytes", limits.output),
        // A bound of the table says itself what is too much.
        ErrorKind::OutOfFuel if error.detail().is_some() => {}
        ErrorKind::OutOfFuel => found.message = format!("the template takes more than {} steps", limits.fuel),
        ErrorKind::UndefinedError => {
            let expression = error.range().and_then(|range| source.get(range)).map(str::trim);
            if let Some(expression) = expression.filter(|text| !text.is_empty()) {
                found.message = format!("{} has no value", catalog::quoted(expression));
            }
        }
        _ => {
            if let Some((message, hint)) = catalog::unknown(error) {
                found.message = message;
                found.hint = Some(hint);
            }
        }
    }
    found
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.full = true;
            return Err(io::Error::other("the text is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
