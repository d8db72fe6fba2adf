//! What is asked of the catalog: that lint has nothing against it, that no bound ref has other bytes, and that it is
//! the newest snapshot.

use super::{Check, Governed, Issue, Place};
use crate::catalog::counted;
use crate::catalog::{Catalog, Finding, Layer, Policy, Report};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::session::{Difference, FileOf, difference};
use ledger_format::{Address, ManifestFile};
use std::path::Path;

/// Lint of the whole workspace catalog, as strictly as the project wants it. `name` shows a path as the repository has it.
#[must_use]
pub fn lint(mut report: Report, policy: &Policy, name: &dyn Fn(&Path) -> String) -> Check {
    policy.apply(&mut report.findings);
    let issues = report.findings.iter().map(|finding| issue(finding, policy, name)).collect();
    let errors = report.findings.iter().filter(|finding| finding.is_error()).count();
    let summary = format!(
        "{}, {}, {}",
        counted(report.prompts, "prompt"),
        counted(errors, "error"),
        counted(report.findings.len() - errors, "warning")
    );
    Check::made("lint", summary, issues)
}

fn issue(finding: &Finding, policy: &Policy, name: &dyn Fn(&Path) -> String) -> Issue {
    let message = format!("{}: {}", finding.code, finding.message);
    let fails = policy.fails(std::slice::from_ref(finding));
    let issue = if fails { Issue::finding(message) } else { Issue::warning(message) };
    let place = Place { path: name(&finding.path), line: finding.line, column: finding.column };
    let issue = Issue { place: Some(place), ..issue };
    finding.hint.iter().fold(issue, |issue, hint| issue.hint(hint))
}

/// No ref that the ledger or a session has bound may have other bytes in the catalog. `name` shows the path of a
/// workspace prompt.
///
/// # Errors
/// When the ledger cannot be read.
pub fn bindings(
    catalog: &Catalog,
    ledger: Option<&Ledger>,
    sessions: &[Governed],
    name: &dyn Fn(&Path) -> String,
) -> Result<Check> {
    if ledger.is_none() && sessions.is_empty() {
        return Ok(Check::skipped("bindings", "neither a ledger nor a session says what is bound"));
    }
    let mut issues = Vec::new();
    let mut bound = 0;
    for prompt in catalog.prompts() {
        let (reference, content) = (prompt.reference(), Address::of(&prompt.bytes));
        let mut said: Vec<(Address, String)> = Vec::new();
        if let Some((address, entry)) = ledger.map(|ledger| ledger.bound(&reference)).transpose()?.flatten() {
            said.push((address, format!("entry {} ({})", entry.index, entry.statement.id)));
        }
        for session in sessions {
            let used = session.session.prompts.iter().filter(|used| used.reference == reference);
            said.extend(used.map(|used| (used.content.blake3, format!("session {}", session.name))));
        }
        bound += usize::from(!said.is_empty());
        if let Some((address, by)) = said.into_iter().find(|(address, _)| *address != content) {
            let mut issue = Issue::finding(format!("{reference} is bound to other bytes"))
                .hint(format!("bound   {address}"))
                .hint(format!("now     {content}"))
                .hint(format!("by      {by}"));
            if prompt.layer == Layer::Workspace {
                issue = issue.at(name(&prompt.path), 1);
            }
            issues.push(issue.hint("a prompt's version never changes: give the new text a new version"));
        }
    }
    let refs = counted(bound, "bound ref");
    Ok(Check::made("bindings", format!("{refs} in the catalog, {} with other bytes", issues.len()), issues))
}

/// The newest snapshot must have the files that the catalog has. `newest` is its name with its list of files; `path`
/// shows the path of a file of the catalog that is there.
#[must_use]
pub fn snapshot(
    newest: Option<(&str, &[ManifestFile])>,
    now: &[ManifestFile],
    path: &dyn Fn(&Path) -> Option<String>,
) -> Check {
    let take = "take one: promptos snapshot create NAME";
    let Some((name, files)) = newest else {
        let issue =
            Issue::finding("[policy] asks for a snapshot of the catalog, and there is none").hint(take);
        return Check::made("snapshot", "there is no snapshot", vec![issue]);
    };
    let found: Difference = difference(files, now);
    let issue = |file: &FileOf, what: &str| {
        let called = file.reference.as_ref().unwrap_or(&file.path);
        let issue = Issue::finding(format!("{called} {what} the snapshot {name}"));
        match path(Path::new(&file.path)) {
            Some(path) => issue.at(path, 1),
            None => issue,
        }
    };
    let mut issues: Vec<Issue> = Vec::new();
    issues.extend(found.added.iter().map(|file| issue(file, "was added after")));
    issues.extend(found.removed.iter().map(|file| issue(file, "was removed after")));
    issues.extend(found.changed.iter().map(|file| issue(&file.to, "was changed after")));
    issues.extend(found.moved.iter().map(|file| issue(&file.to, "was moved after")));
    if let Some(last) = issues.last_mut() {
        last.hints.push(take.to_owned());
    }
    Check::made("snapshot", format!("{}, since {name}", counted(found.count(), "change")), issues)
}
