//! Separation of duties, over the sessions of a change and over every run.

use super::{Check, Gathered, Governed, Issue};
use crate::catalog::counted;
use crate::error::{Kind, Result};
use crate::ledger::Ledger;
use crate::session::duties::{self, DutyConflict, Held};
use crate::session::{Separation, run_conflicts};
use ledger_format::Body;

/// Judges who holds which duties: of the change, whose sessions are those in the artifacts and those of the ledger
/// that it names, and of every run that cites one of them. A run has an integrator as well.
///
/// Over a ledger's whole life one person may write here and review there; so all of it is judged only when nothing
/// says which sessions are the change's (`named` is `None`): its runs, and the sessions that no run has cited.
///
/// # Errors
/// When the ledger cannot be read.
pub fn separation(
    policy: Separation,
    gathered: &Gathered,
    named: Option<&[Governed]>,
    ledger: Option<&Ledger>,
) -> Result<Check> {
    const NAME: &str = "separation";
    if policy == Separation::Off {
        return Ok(Check::skipped(NAME, "[policy] separation is off"));
    }
    let mut issues = Vec::new();
    let mut say = |message: String| {
        issues.push(match policy {
            Separation::Enforce => Issue::finding(message)
                .hint("another person must do one of these; [policy] separation in promptos.toml decides"),
            _ => Issue::warning(message),
        });
    };
    let mut held = Held::default();
    let mut judged: Vec<_> = Vec::new();
    for session in gathered.sessions.iter().chain(named.unwrap_or_default()) {
        if judged.contains(&session.entry) {
            continue;
        }
        judged.push(session.entry);
        held.session(&session.key, &session.session);
        if !session.trusted {
            say(format!(
                "session {} is of a ledger that is not trusted; anyone can take any name there",
                session.name
            ));
        }
    }
    let mut sessions = judged.len();
    let mut runs = 0;
    if let Some(ledger) = ledger {
        for entry in ledger.of_kind("session")? {
            let (Body::Session(session), None) = (&entry.statement.body, named) else { continue };
            let key = ledger.key(&entry.statement.kid)?;
            if let (Some(key), true) = (key, ledger.citing(&entry.statement.id)?.is_empty()) {
                sessions += 1;
                held.session(&key, session);
            }
        }
    }
    let said = |conflict: &DutyConflict, of: &str| {
        format!("'{}' is {} of {of}", conflict.identity, conflict.duties.join(" and "))
    };
    held.conflicts().iter().for_each(|conflict| say(said(conflict, "this change")));
    let mut seen = Vec::new();
    for run in &gathered.runs {
        runs += 1;
        seen.push(run.subject.statement.id);
        let of = format!("run {}", run.subject.statement.name);
        duties::evidence_conflicts(run).iter().for_each(|conflict| say(said(conflict, &of)));
    }
    if let Some(ledger) = ledger {
        for entry in ledger.of_kind("run")?.into_iter().filter(|entry| !seen.contains(&entry.statement.id)) {
            let Body::Run(run) = &entry.statement.body else { continue };
            if named.is_some() && !run.sessions.iter().any(|cited| judged.contains(&cited.entry)) {
                continue;
            }
            runs += 1;
            let of = format!("run {} (entry {})", entry.statement.name, entry.index);
            match run_conflicts(ledger, &entry) {
                Ok(found) => found.iter().for_each(|conflict| say(said(conflict, &of))),
                Err(error) if error.kind() == Kind::Integrity => return Err(error),
                Err(error) => say(format!("{of} cannot be judged: {error}")),
            }
        }
    }
    if sessions + runs == 0 {
        return Ok(Check::skipped(NAME, "no session and no run"));
    }
    let word = if policy == Separation::Enforce { "enforced" } else { "warned of" };
    let what = format!("{} and {}, {word}", counted(sessions, "session"), counted(runs, "run"));
    Ok(Check::made(NAME, what, issues))
}
