//! Exceptions that a prompt's frontmatter makes for itself, each with its reason.

use super::dialect::text;
use super::finding::{self, Finding, quoted};
use crate::yaml::Node;
use std::path::Path;

/// Findings that count, and those that the file allows, each with the reason.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) open: Vec<Finding>,
    pub(crate) allowed: Vec<Finding>,
}

/// Applies `lint: [{allow: code, reason: text}]`. An exception without a reason, for no rule or for nothing is a
/// finding itself and has no effect. Rules that were `skipped` may find nothing.
pub(crate) fn judge(path: &Path, root: &Node, mut findings: Vec<Finding>, skipped: &[&str]) -> Judged {
    let mut allowed = Vec::new();
    let mut faults = Vec::new();
    for item in root.get("lint").and_then(Node::list).unwrap_or_default() {
        match exception(path, item) {
            Ok((rule, reason)) => {
                let hit: Vec<_> = findings.extract_if(.., |finding| finding.code == rule).collect();
                if hit.is_empty() && !skipped.contains(&rule) {
                    let message = format!("nothing here breaks the rule {}", quoted(rule));
                    let finding = Finding::new(finding::ALLOW_UNUSED, path, item.at, message);
                    faults.push(finding.hint("remove this exception"));
                }
                allowed.extend(
                    hit.into_iter().map(|finding| Finding { allowed: Some(reason.clone()), ..finding }),
                );
            }
            Err(fault) => faults.push(*fault),
        }
    }
    findings.append(&mut faults);
    Judged { open: findings, allowed }
}

/// The rule and the reason.
fn exception(path: &Path, item: &Node) -> Result<(&'static str, String), Box<Finding>> {
    let fault = |at, message: String, hint: String| {
        Err(Box::new(Finding::new(finding::ALLOW, path, at, message).hint(hint)))
    };
    let form = "an exception is written: allow, with a rule's code, and reason";
    let Some(code) = text(item, "allow") else {
        return fault(item.at, "an exception names no rule".to_owned(), form.to_owned());
    };
    let at = item.get("allow").map_or(item.at, |node| node.at);
    let Some(rule) = finding::rule(&code) else {
        let near = finding::similar_rules(&code);
        let hint =
            if near.is_empty() { form.to_owned() } else { format!("did you mean {}?", near.join(", ")) };
        return fault(at, format!("{} is no rule", quoted(&code)), hint);
    };
    if rule.code.starts_with("lint.") {
        return fault(at, format!("{} cannot be allowed", quoted(rule.code)), form.to_owned());
    }
    match text(item, "reason") {
        Some(reason) => Ok((rule.code, reason)),
        None => {
            let message = format!("no reason is given for allowing {}", quoted(rule.code));
            fault(at, message, "say why, as `reason: …`; without it the exception has no effect".to_owned())
        }
    }
}
