//! How strictly a project takes what lint finds.

use super::finding::{self, Finding, Severity};
use serde::Deserialize;

/// What lets lint fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strictly {
    /// Errors and warnings.
    Strict,
    /// Errors.
    #[default]
    Warn,
    /// Nothing.
    Permissive,
}

/// What happens to one class of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// They are errors.
    Error,
    /// They are warnings.
    Warn,
    /// They are not reported.
    Allow,
}

/// `[lint]` of `promptos.toml`. What is not settled is as the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What lets lint fail.
    pub mode: Strictly,
    /// Inputs that no source can supply.
    pub missing: Option<Level>,
    /// Inputs that the template does not use.
    pub extra: Option<Level>,
    /// Variables of the template that are no inputs.
    pub undefined: Option<Level>,
}

impl Policy {
    /// Gives findings the severity that the project wants, and drops those that it does not want.
    pub fn apply(&self, findings: &mut Vec<Finding>) {
        let levels = [
            (finding::INPUT_SOURCE, self.missing),
            (finding::INPUT_UNUSED, self.extra),
            (finding::INPUT_UNDECLARED, self.undefined),
        ];
        let level = |finding: &Finding| levels.iter().find(|(rule, _)| rule.code == finding.code)?.1;
        findings.retain_mut(|finding| {
            match level(finding) {
                Some(Level::Error) => finding.severity = Severity::Error,
                Some(Level::Warn) => finding.severity = Severity::Warning,
                Some(Level::Allow) => return false,
                None => {}
            }
            true
        });
    }

    /// Whether these findings are a failure.
    #[must_use]
    pub fn fails(&self, findings: &[Finding]) -> bool {
        match self.mode {
            Strictly::Strict => !findings.is_empty(),
            Strictly::Warn => findings.iter().any(Finding::is_error),
            Strictly::Permissive => false,
        }
    }
}
