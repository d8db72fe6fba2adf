//! The engine: one template, values and limits give a text or a fault, and nothing else matters.

use crate::catalog::{self, TemplateError, check_template, describe_error, tags};
use crate::error::{self, Error as Failure};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, filters};
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

/// Largest width, precision or count that a filter takes: a number of a few digits must not make gigabytes.
const MOST: u64 = 1000;

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
        Self { cause, message: message.into(), at: None }
    }

    fn at(cause: Cause, error: TemplateError) -> Self {
        Self { cause, message: error.message, at: Some((error.at.line, error.at.column)) }
    }
}

/// Renders, within the limits.
///
/// # Errors
/// If the engine refuses its settings, which is a fault of this program.
pub fn run(job: &Job) -> error::Result<Ran> {
    // As Jinja2 does; a template must not depend on how its file was checked out.
    let source = job.template.replace("\r\n", "\n").replace('\r', "\n");
    let uses = match check_template(&source) {
        Ok(uses) => uses,
        Err(error) => return Ok(Ran { variables: None, text: Err(Fault::at(Cause::Syntax, error)) }),
    };
    let variables = Some(uses.variables);
    let reaching = |keyword: &str| ["include", "import", "from", "extends"].contains(&keyword);
    if let Some(tag) = tags(&source).iter().find(|tag| reaching(tag.keyword())) {
        let at = catalog::Position::of(&source, tag.offset);
        let message = format!("`{{% {} %}}` reaches outside the prompt", tag.keyword());
        let fault = Fault { cause: Cause::Outside, message, at: Some((at.line, at.column)) };
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

/// The engine as lint knows it, with limits, and without what could reach the host or multiply without bound.
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
    environment.remove_global("debug"); // shows what the engine holds, in no settled order
    bound(&mut environment, "indent", Value::from_function(filters::indent), 1);
    bound(&mut environment, "slice", Value::from_function(filters::slice), 1);
    bound(&mut environment, "batch", Value::from_function(filters::batch), 1);
    bound(&mut environment, "tojson", Value::from_function(filters::tojson), 1);
    bound(&mut environment, "round", Value::from_function(filters::round), 1);
    let format = Value::from_function(filters::format);
    environment.add_filter("format", move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        let directives = args.first().and_then(Value::as_str).unwrap_or_default();
        if wide(directives) {
            return Err(too_large("format"));
        }
        format.call(state, &args)
    });
    Ok(environment)
}

/// Replaces a filter by itself with its numbers bounded, from argument `from` on.
fn bound(environment: &mut Environment<'_>, name: &'static str, filter: Value, from: usize) {
    environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        let is_large = |value: &Value| {
            value.is_number() && value.as_i64().is_none_or(|number| number.unsigned_abs() > MOST)
        };
        for arg in args.iter().skip(from) {
            let keyword = arg.is_kwargs().then(|| arg.try_iter().ok()).flatten();
            let inside =
                keyword.into_iter().flatten().any(|key| arg.get_item(&key).is_ok_and(|v| is_large(&v)));
            if inside || is_large(arg) {
                return Err(too_large(name));
            }
        }
        filter.call(state, &args)
    });
}

fn too_large(filter: &str) -> Error {
    let message = format!("the filter `{filter}` takes no number above {MOST}");
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Whether a printf-style text asks for a width or precision beyond bounds, or takes one from a value.
fn wide(directives: &str) -> bool {
    directives.split('%').skip(1).any(|directive| {
        let named = directive.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let rest = named.map_or(directive, |(_, rest)| rest);
        let end = rest.find(|c: char| !c.is_ascii_digit() && !"#-+. *".contains(c)).unwrap_or(rest.len());
        let spec = rest.get(..end).unwrap_or_default();
        let mut numbers = spec.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
        // Digits that no number holds are beyond bounds as well.
        spec.contains('*') || !numbers.all(|number| number.parse::<u64>().is_ok_and(|number| number <= MOST))
    })
}

/// A JSON value as the engine has it, maps in the order written.
fn value(json: &Json) -> Value {
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
        ErrorKind::OutOfFuel => found.message = format!("the template takes more than {} steps", limits.fuel),
        ErrorKind::UndefinedError => {
            let expression = error.range().and_then(|range| source.get(range)).map(str::trim);
            if let Some(expression) = expression.filter(|text| !text.is_empty()) {
                found.message = format!("{} has no value", catalog::quoted(expression));
            }
        }
        _ => {}
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
