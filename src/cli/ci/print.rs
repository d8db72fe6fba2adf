//! The summary that a person reads.

use super::super::context::Context;
use super::super::ui::{BAD, BOLD, DIM, GOOD, WARN, one_line, safe, width, wrap};
use promptos::catalog::Severity;
use promptos::error::Result;
use promptos::session::ci::{Check, Issue, Verdict};

/// Below this many columns the text stands under the name instead of beside it.
const NARROW: usize = 60;

pub(crate) fn summary(context: &Context<'_>, checks: &[Check]) -> Result<()> {
    let width = width().unwrap_or(usize::MAX);
    let beside = checks.iter().map(|check| check.name.len()).max().unwrap_or_default() + 11;
    let indent = if width < NARROW { 2 } else { beside };
    for check in checks {
        let colour = match check.verdict {
            Verdict::Passed => GOOD,
            Verdict::Skipped => DIM,
            Verdict::Failed | Verdict::Unable => BAD,
        };
        let head = format!("{colour}{:<7}{colour:#}  {BOLD}{}{BOLD:#}", check.verdict, check.name);
        let mut lines = wrap(&safe(&check.summary), width.saturating_sub(indent)).into_iter();
        if width < NARROW {
            context.ui.line(&head)?;
        } else {
            let gap = " ".repeat(beside - 9 - check.name.len());
            context.ui.line(&format!("{head}{gap}{}", lines.next().unwrap_or_default()))?;
        }
        for line in lines {
            context.ui.line(&format!("{:indent$}{line}", ""))?;
        }
        for issue in &check.issues {
            print(context, issue, indent, width)?;
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let all = [Verdict::Passed, Verdict::Failed, Verdict::Unable, Verdict::Skipped].map(|v| (count(v), v));
    let all = all.iter().filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}"));
    context.ui.line(&all.collect::<Vec<_>>().join(", "))
}

fn print(context: &Context<'_>, issue: &Issue, indent: usize, width: usize) -> Result<()> {
    let place = issue.place.as_ref().map(|place| format!("{}:{}: ", place.path, place.line));
    let text = format!("{}{}", place.unwrap_or_default(), issue.message);
    // Lines of their own within a message stay lines.
    let lines =
        safe(&text).lines().flat_map(|line| wrap(line, width.saturating_sub(indent + 2))).collect::<Vec<_>>();
    let colour = if issue.severity == Severity::Error { BAD } else { WARN };
    for (at, line) in lines.iter().enumerate() {
        let mark = if at == 0 { format!("{colour}-{colour:#}") } else { " ".to_owned() };
        context.ui.line(&format!("{:indent$}{mark} {line}", ""))?;
    }
    for hint in &issue.hints {
        for line in wrap(&one_line(hint, 1000), width.saturating_sub(indent + 4)) {
            context.ui.line(&format!("{:indent$}    {DIM}{line}{DIM:#}", ""))?;
        }
    }
    Ok(())
}
