//! Rendering: a prompt's template with values becomes what a model is given.
//!
//! Values come in layers ([`Given`], highest first, then the prompt's own defaults, then the project's); one
//! variable is taken from the highest layer that has it. Values are data: they are never rendered themselves, and
//! can forge no message ([`Rendered`]). Whether the values fit is said all at once, as [`Finding`]s with codes
//! `render.…`.
//!
//! The same prompt and values give the same bytes everywhere: a template sees no clock, no chance, no environment
//! and no file, and maps keep their order. [`run`] is the engine, bounded in steps, output and recursion, but not in
//! memory: a template that nobody has read belongs into a process with limits, which is what the command line does.

mod engine;
mod fingerprint;
mod output;
mod renderer;
mod variables;

#[cfg(test)]
mod tests;

pub use engine::{Cause, ENGINE, Fault, Job, Limits, Ran, normalized, run, value};
pub use fingerprint::Fingerprint;
pub use output::{Form, Message, Rendered};
pub use renderer::Renderer;
pub use variables::{Explained, Given, Hidden, Merge, Origin, Policy};

use crate::catalog::{Finding, Level, Position, Prompt, in_file};
use crate::catalog::{
    RENDER_FAILED, RENDER_LIMIT, RENDER_MISSING, RENDER_OUTSIDE, RENDER_SYNTAX, RENDER_UNDEFINED,
};
use crate::error::Result;

/// The variable that holds what a person gives to a prompt. It is always allowed.
pub const INPUT_TEXT: &str = crate::catalog::TNH_INPUT;

/// All that a result depends on beside the prompt and the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Every variable that has a value, `input_text` among them.
    pub values: serde_json::Map<String, serde_json::Value>,
    /// Whether what has no value counts as empty.
    pub lenient: bool,
    /// Whether the lines of block tags stay, and the last line end.
    pub preserve_whitespace: bool,
}

/// What rendering came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the result was made from.
    pub inputs: Inputs,
    /// What a model is to be given; `None` when a finding is an error.
    pub rendered: Option<Rendered>,
    /// By what others know this prompt with these values.
    pub fingerprint: Fingerprint,
    /// Every variable: those the prompt declares, then the others that were given.
    pub variables: Vec<Explained>,
    /// What is wrong with the values or the template.
    pub findings: Vec<Finding>,
}

/// Renders a prompt. `given` is what the caller gives, highest layer first; `engine` is [`run`], or something that
/// runs it elsewhere.
///
/// # Errors
/// Only those of `engine`: what is wrong with the values or the template is among the findings.
pub fn render(
    prompt: &Prompt,
    given: &[Given],
    policy: &Policy,
    limits: Limits,
    engine: impl FnOnce(&Job) -> Result<Ran>,
) -> Result<Outcome> {
    let variables::Resolved { values, explained, mut findings } = variables::resolve(prompt, given, policy);
    let fingerprint = Fingerprint::new(prompt, &values);
    let lenient = policy.undefined.is_some_and(|level| level != Level::Error);
    let inputs = Inputs { values, lenient, preserve_whitespace: policy.preserve_whitespace };
    let ran = apply(prompt, &inputs, limits, engine)?;
    if let Some(used) = &ran.variables {
        variables::check_extra(prompt, given, used, policy, &mut findings);
        if policy.undefined == Some(Level::Warn) {
            let unset = used.iter().filter(|name| !explained.iter().any(|known| known.name == **name));
            findings.extend(unset.map(|name| {
                let message = format!("{} has no value", crate::catalog::quoted(name));
                Finding::new(RENDER_UNDEFINED, &prompt.path, prompt.places.template, message).lenient()
            }));
        }
    }
    let rendered = match put_together(ran, &inputs) {
        Ok(rendered) => Some(rendered),
        Err(fault) => {
            findings.push(describe(prompt, &fault));
            None
        }
    };
    // Without a value, everything that the template makes of it is a consequence.
    if findings.iter().any(|finding| finding.code == RENDER_MISSING.code && finding.is_error()) {
        findings
            .retain(|finding| finding.code != RENDER_FAILED.code && finding.code != RENDER_UNDEFINED.code);
    }
    let failed = findings.iter().any(Finding::is_error);
    let rendered = rendered.filter(|_| !failed);
    Ok(Outcome { inputs, rendered, fingerprint, variables: explained, findings })
}

/// Renders again what was rendered before, from the same inputs; the inner error is the engine's.
///
/// # Errors
/// Those of `engine`.
pub fn again(
    prompt: &Prompt,
    inputs: &Inputs,
    limits: Limits,
    engine: impl FnOnce(&Job) -> Result<Ran>,
) -> Result<Result<Rendered, Fault>> {
    Ok(put_together(apply(prompt, inputs, limits, engine)?, inputs))
}

fn apply(
    prompt: &Prompt,
    inputs: &Inputs,
    limits: Limits,
    engine: impl FnOnce(&Job) -> Result<Ran>,
) -> Result<Ran> {
    let template = prompt.template.clone();
    if !prompt.is_template() {
        return Ok(Ran { variables: Some(std::collections::BTreeSet::new()), text: Ok(template) });
    }
    let Inputs { values, lenient, preserve_whitespace } = inputs.clone();
    engine(&Job { template, values, lenient, preserve_whitespace, limits })
}

/// What the template already holds is not said twice.
fn put_together(ran: Ran, inputs: &Inputs) -> Result<Rendered, Fault> {
    let is_used = ran.variables.is_some_and(|used| used.contains(INPUT_TEXT));
    let input = inputs.values.get(INPUT_TEXT).and_then(|value| value.as_str());
    Ok(Rendered::new(ran.text?, input.filter(|_| !is_used).map(str::to_owned)))
}

/// A fault of the engine as a finding in the prompt's file.
fn describe(prompt: &Prompt, fault: &Fault) -> Finding {
    let (rule, hint) = match fault.cause {
        Cause::Syntax => (RENDER_SYNTAX, None),
        Cause::Outside => (RENDER_OUTSIDE, Some("put the text into this file, or pass it as an input")),
        Cause::Undefined => {
            (RENDER_UNDEFINED, Some("declare it under `inputs`, or give it: --var NAME=VALUE"))
        }
        Cause::Limit => {
            (RENDER_LIMIT, Some("a prompt needs far less: look for loops and repetitions that multiply"))
        }
        Cause::Failed => (RENDER_FAILED, None),
    };
    let at = fault.at.map_or(prompt.places.template, |(line, column)| {
        in_file(prompt.places.template, Position { line, column })
    });
    let finding = Finding::new(rule, &prompt.path, at, fault.message.clone());
    match fault.hint.as_deref().or(hint) {
        Some(hint) => finding.hint(hint),
        None => finding,
    }
}
