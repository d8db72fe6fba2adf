//! `ci`: what a change is asked before it is merged. Each check is a function of what it is given and answers with a
//! verdict, what was found and what to do; nothing is printed here.

mod artifacts;
mod catalog;
mod lives;
mod policy;
mod pull_request;
mod registry;
mod separation;

pub use artifacts::{Gathered, Governed, gather};
pub use catalog::{bindings, lint, snapshot};
pub use lives::misfits;
pub use policy::{POLICY_FILES, policy};
pub use pull_request::{block, pull_request};
pub use registry::{REGISTRY_FILE, Registry, read_registry, registry};
pub use separation::separation;

use crate::catalog::Severity;
use crate::error::{Error, Kind};
use crate::session::plain;
use serde::{Serialize, Serializer};
use std::fmt;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was made, and nothing speaks against the change.
    Passed,
    /// There is nothing here that it is about.
    Skipped,
    /// It was made, and something does.
    Failed,
    /// It should have been made, and could not.
    Unable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unable => "unable",
        })
    }
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// The exit code that it calls for; `null` when there is nothing to complain about.
    #[serde(rename = "exit", serialize_with = "code")]
    pub failure: Option<Kind>,
    /// What was looked at, in a line.
    pub summary: String,
    /// What was found.
    pub issues: Vec<Issue>,
}

/// One thing that a check has to say.
#[derive(Debug, Clone, Serialize)]
pub struct Issue {
    /// Whether it speaks against the change.
    pub severity: Severity,
    /// The exit code that it calls for; `null` for warnings.
    #[serde(rename = "exit", serialize_with = "code")]
    failure: Option<Kind>,
    /// The file that it is about.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}

/// A place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Relative to the repository's root, where the file is below it.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

fn code<S: Serializer>(kind: &Option<Kind>, serializer: S) -> Result<S::Ok, S::Error> {
    kind.map(|kind| kind as u8).serialize(serializer)
}

impl Issue {
    /// What speaks against the change.
    pub fn error(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            failure: Some(kind),
            place: None,
            message: plain(&message.into()),
            hints: Vec::new(),
        }
    }

    fn finding(message: impl Into<String>) -> Self {
        Self::error(Kind::Findings, message)
    }

    fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, failure: None, ..Self::finding(message) }
    }

    /// Says where.
    #[must_use]
    pub fn at(self, path: impl Into<String>, line: usize) -> Self {
        Self { place: Some(Place { path: path.into(), line, column: 1 }), ..self }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<&Error> for Issue {
    fn from(error: &Error) -> Self {
        Self { hints: error.hints().to_vec(), ..Self::error(error.kind(), error.to_string()) }
    }
}

impl Check {
    /// A check that was made, as far as it could be.
    #[must_use]
    pub fn made(name: &'static str, summary: impl Into<String>, issues: Vec<Issue>) -> Self {
        let says_no = |issue: &Issue| matches!(issue.failure, Some(Kind::Findings | Kind::Integrity));
        let failure = worst(issues.iter().filter_map(|issue| issue.failure));
        let verdict = match failure {
            None => Verdict::Passed,
            Some(_) if issues.iter().any(says_no) => Verdict::Failed,
            Some(_) => Verdict::Unable,
        };
        Self { name, verdict, failure, summary: summary.into(), issues }
    }

    /// A check that there is no occasion for.
    #[must_use]
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::made(name, why, Vec::new()) }
    }

    /// A check that ended early.
    #[must_use]
    pub fn stopped(name: &'static str, error: &Error) -> Self {
        Self::made(name, "could not be completed", vec![error.into()])
    }

    /// The same, where being skipped is not good enough.
    #[must_use]
    pub fn required(self) -> Self {
        if self.verdict != Verdict::Skipped {
            return self;
        }
        let issue = Issue::finding(format!("this check is required, and was not made: {}", self.summary));
        Self::made(self.name, "not made", vec![issue])
    }
}

/// The failure that decides the exit code, when there are several. First what was forged, damaged or lost; then what
/// could not be checked, which may hide anything; last what was found.
#[must_use]
pub fn worst(kinds: impl IntoIterator<Item = Kind>) -> Option<Kind> {
    kinds.into_iter().map(|kind| if kind == Kind::Usage { Kind::Failed } else { kind }).min_by_key(|kind| {
        match kind {
            Kind::Integrity => 0,
            Kind::Bug => 1,
            Kind::Failed | Kind::Usage => 2,
            Kind::Unavailable => 3,
            Kind::Findings => 4,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_severe_decides() {
        use Kind::{Bug, Failed, Findings, Integrity, Unavailable, Usage};
        assert_eq!(worst([]), None);
        assert_eq!(worst([Findings, Unavailable, Failed, Bug, Integrity]), Some(Integrity));
        assert_eq!(worst([Findings, Unavailable, Usage]), Some(Failed));
        assert_eq!(worst([Findings, Unavailable]), Some(Unavailable));
        assert_eq!(worst([Findings]), Some(Findings));
    }

    #[test]
    fn what_could_not_be_checked_is_never_passed() {
        let verdict = |issues| Check::made("x", "", issues).verdict;
        assert_eq!(verdict(vec![]), Verdict::Passed);
        assert_eq!(verdict(vec![Issue::warning("w")]), Verdict::Passed);
        for kind in [Kind::Failed, Kind::Unavailable, Kind::Usage, Kind::Bug] {
            assert_eq!(verdict(vec![Issue::error(kind, "e")]), Verdict::Unable, "{kind:?}");
            assert_eq!(verdict(vec![Issue::error(kind, "e"), Issue::finding("f")]), Verdict::Failed);
        }
        let skipped = Check::skipped("x", "no ledger here");
        assert_eq!((skipped.verdict, skipped.failure), (Verdict::Skipped, None));
        let required = skipped.required();
        assert_eq!((required.verdict, required.failure), (Verdict::Failed, Some(Kind::Findings)));
        assert_eq!(Check::made("x", "", Vec::new()).required().verdict, Verdict::Passed);
    }
}
