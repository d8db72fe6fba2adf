//! Separation of duties: who wrote a change should not be who verifies, reviews or integrates it.
//! Judged per run, by enrolled identity.

use crate::catalog::Duty;
use crate::error::Result;
use crate::ledger::{Entry, Ledger};
use ledger_format::evidence::Evidence;
use ledger_format::rules::KeyRecord;
use ledger_format::{Body, EntryId, Session, Statement};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One identity with two or more duties in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DutyConflict {
    /// Who.
    pub identity: String,
    /// Which duties, in the order of the work.
    pub duties: Vec<&'static str>,
}

impl std::fmt::Display for DutyConflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}' is {} of this run", self.identity, self.duties.join(" and "))
    }
}

/// Who holds which duties: everybody's sessions, as far as they were noted.
#[derive(Default)]
pub(super) struct Held(BTreeMap<String, BTreeSet<usize>>);

impl Held {
    /// Notes the duties of a session that this key signed.
    pub(super) fn session(&mut self, key: &KeyRecord, session: &Session) {
        duties(session).for_each(|duty| self.hold(key, duty));
    }

    /// Notes that this key attached the run.
    pub(super) fn integrator(&mut self, key: &KeyRecord) {
        self.hold(key, NAMES.len() - 1);
    }

    fn hold(&mut self, key: &KeyRecord, duty: usize) {
        // An agent's work counts as that of the one it acts for.
        let who = key.acting_for.as_ref().unwrap_or(&key.identity);
        self.0.entry(who.clone()).or_default().insert(duty);
    }

    /// Those who hold more than one.
    pub(super) fn conflicts(self) -> Vec<DutyConflict> {
        let several = self.0.into_iter().filter(|(_, duties)| duties.len() > 1);
        let names = |duties: BTreeSet<usize>| {
            duties.into_iter().filter_map(|duty| NAMES.get(duty).copied()).collect()
        };
        several.map(|(identity, duties)| DutyConflict { identity, duties: names(duties) }).collect()
    }
}

/// Who holds more than one duty, given the run's sessions and the one who attaches it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn conflicts(
    ledger: &Ledger,
    integrator: &KeyRecord,
    local: &[EntryId],
    foreign: &[Evidence],
) -> Result<Vec<DutyConflict>> {
    let mut held = Held::default();
    for id in local {
        let Some(entry) = ledger.by_id(id)? else { continue };
        if let (Body::Session(session), Some(key)) =
            (&entry.statement.body, ledger.key(&entry.statement.kid)?)
        {
            held.session(&key, session);
        }
    }
    foreign.iter().for_each(|evidence| evidence_session(evidence, &evidence.subject.statement, &mut held));
    held.integrator(integrator);
    Ok(held.conflicts())
}

fn evidence_session(evidence: &Evidence, statement: &Statement, held: &mut Held) {
    if let (Body::Session(session), Some(key)) = (&statement.body, evidence.key(&statement.kid)) {
        held.session(key, session);
    }
}

/// The conflicts of a run, judged by its evidence alone.
pub(super) fn evidence_conflicts(run: &Evidence) -> Vec<DutyConflict> {
    let mut held = Held::default();
    run.entries.iter().for_each(|item| evidence_session(run, &item.statement, &mut held));
    run.nested.iter().for_each(|inner| evidence_session(inner, &inner.subject.statement, &mut held));
    if let Some(key) = run.key(&run.subject.statement.kid) {
        held.integrator(key);
    }
    held.conflicts()
}

/// The conflicts of a run that is recorded, judged by what the ledger says now.
///
/// # Errors
/// When the ledger cannot be read.
pub fn run_conflicts(ledger: &Ledger, run: &Entry) -> Result<Vec<DutyConflict>> {
    let (Body::Run(body), Some(integrator)) = (&run.statement.body, ledger.key(&run.statement.kid)?) else {
        return Ok(Vec::new());
    };
    let local: Vec<_> = body.sessions.iter().filter(|c| c.foreign.is_none()).map(|c| c.entry).collect();
    let foreign = ledger.foreign_sessions(run)?;
    conflicts(ledger, &integrator, &local, &foreign)
}

const NAMES: [&str; 4] = ["writer", "verifier", "reviewer", "integrator"];

fn duties(session: &Session) -> impl Iterator<Item = usize> {
    let gates = session.prompts.iter().filter_map(|used| used.gate.as_deref());
    gates.filter_map(Duty::of_gate).map(|duty| match duty {
        Duty::Writer => 0,
        Duty::Verifier => 1,
        Duty::Reviewer => 2,
    })
}
