//! One face for everything that is checked about a prompt: its file, and what a model answered to it.

use crate::catalog::{self, Finding, Policy, Prompt, Schemas};
use crate::error::Result;
use crate::output::{self, Given, Outcome};
use std::collections::BTreeMap;
use std::path::Path;

/// Checks prompts and answers in this process: what a service keeps, and shares between threads.
///
/// ```
/// use promptos::{Catalog, Validator};
///
/// let catalog = Catalog::load(&[], true)?;
/// let prompt = catalog.resolve("P00")?;
/// let validator = Validator::default();
/// assert!(validator.prompt(prompt).is_empty());
///
/// // An answer that lacks what the prompt's output contract demands.
/// let outcome = validator.answer(prompt, b"# Context\nNone was given.\n")?;
/// assert!(outcome.findings.iter().any(|violation| violation.finding.code == "output.section"));
/// # Ok::<(), promptos::error::Error>(())
/// ```
///
/// Schemas and answers of strangers can take time and memory without bound; they belong into a process with limits,
/// for which [`output::check`] takes an engine.
#[derive(Debug, Clone, Default)]
pub struct Validator {
    lint: Policy,
    schemas: Schemas,
}

impl Validator {
    /// A validator that is as strict as `lint` says, and takes the schemas of contracts from `schemas`.
    #[must_use]
    pub fn new(lint: Policy, schemas: Schemas) -> Self {
        Self { lint, schemas }
    }

    /// What is wrong with a prompt's file.
    #[must_use]
    pub fn prompt(&self, prompt: &Prompt) -> Vec<Finding> {
        let mut findings = catalog::lint_file(&prompt.path, &prompt.bytes);
        self.lint.apply(&mut findings);
        findings
    }

    /// Whether findings of [`Self::prompt`] are a reason not to use it.
    #[must_use]
    pub fn fails(&self, findings: &[Finding]) -> bool {
        self.lint.fails(findings)
    }

    /// What is wrong with a model's answer: text or JSON. Files that a model wrote are compared by [`output::check`].
    ///
    /// # Errors
    /// As [`output::check`]: the prompt has no contract, or its schema is not there.
    pub fn answer(&self, prompt: &Prompt, answer: &[u8]) -> Result<Outcome> {
        let name = Path::new("answer");
        output::check(prompt, name, Given::Bytes(answer), &BTreeMap::new(), &self.schemas, output::run)
    }
}
