//! What the ledger tells of the sessions that a change is about: something added after the end, an end that contradicts
//! its start.

use super::{Governed, Issue};
use crate::catalog::counted;
use crate::error::Result;
use crate::ledger::Ledger;
use ledger_format::EntryId;
use std::collections::HashSet;

/// What does not fit in the sessions of a change. A ledger only grows, so what does not fit in others is a warning: it
/// would speak against every change from then on. Sessions that are open are nobody's evidence yet.
///
/// # Errors
/// When the ledger cannot be read.
pub fn misfits<'a>(ledger: &Ledger, sessions: impl IntoIterator<Item = &'a Governed>) -> Result<Vec<Issue>> {
    let starts = sessions.into_iter().filter_map(|session| Some(session.session.life.as_ref()?.start));
    let starts: HashSet<EntryId> = starts.collect();
    let mut found = ledger.lives(&mut |_| ())?;
    found.retain(|misfit| misfit.code != "session.open");
    let (own, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|misfit| starts.contains(&misfit.start));
    let mut issues: Vec<Issue> = own
        .iter()
        .map(|misfit| {
            Issue::finding(format!("{}: session {}: {}", misfit.code, misfit.session, misfit.message))
                .hint("record what belongs to the change in a session of its own")
        })
        .collect();
    if !others.is_empty() {
        let what = format!("{} on sessions of other changes", counted(others.len(), "finding"));
        issues.push(Issue::warning(what).hint("promptos session check tells which"));
    }
    Ok(issues)
}
