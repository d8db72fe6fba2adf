use super::{Given, Limits, Outcome, Policy, render, run};
use crate::catalog::Prompt;
use crate::error::Result;

/// Renders prompts in this process, under one policy: what a service keeps, and shares between threads.
///
/// ```
/// use promptos::render::Given;
/// use promptos::{Catalog, Renderer};
///
/// let catalog = Catalog::load(&[], true)?; // the gates that come with the program
/// let prompt = catalog.resolve("P01")?;
/// let renderer = Renderer::default();
///
/// let outcome = renderer.render(prompt, &[Given::values([("request", "Fix the gear train")])])?;
/// let rendered = outcome.rendered.expect("every required variable has a value");
/// assert!(rendered.system.contains("Fix the gear train"));
/// assert_eq!(outcome.fingerprint.schema_version, "fp-1");
///
/// // What is wrong with the values is said all at once, and then nothing is rendered.
/// let outcome = renderer.render(prompt, &[Given::values([("reqest", "a slip")])])?;
/// assert!(outcome.rendered.is_none());
/// let codes: Vec<_> = outcome.findings.iter().map(|finding| finding.code).collect();
/// assert_eq!(codes, ["render.missing", "render.extra"]);
/// # Ok::<(), promptos::error::Error>(())
/// ```
///
/// Steps, output and recursion are bounded by [`Limits`]; memory is not. Templates of strangers belong into a process
/// with limits, for which [`render`] takes an engine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Renderer {
    policy: Policy,
    limits: Limits,
}

impl Renderer {
    /// A renderer with this policy and these limits.
    #[must_use]
    pub fn new(policy: Policy, limits: Limits) -> Self {
        Self { policy, limits }
    }

    /// Renders a prompt with what the caller gives, highest layer first.
    ///
    /// # Errors
    /// None that a template or values can cause: what is wrong with them is among the findings.
    pub fn render(&self, prompt: &Prompt, given: &[Given]) -> Result<Outcome> {
        render(prompt, given, &self.policy, self.limits, run)
    }
}
