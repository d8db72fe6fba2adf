//! What the ledger says of every ref, from one pass over its statements: who bound it, and what used it.

use super::{Ledger, doubts};
use crate::error::Result;
use ledger_format::{Address, Body, EntryId, Kid, Statement};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the ledger says of every ref that it knows.
#[derive(Debug, Default)]
pub struct Uses {
    refs: BTreeMap<String, RefUses>,
    said: HashMap<u64, Stated>,
    /// The runs that cite a session, by the session's index.
    runs: HashMap<u64, Vec<u64>>,
    unlisted: Vec<u64>,
}

/// What the ledger says of one ref. Entries are named by their indexes, oldest first; [`Uses::said`] has them.
#[derive(Debug, Clone, Default)]
pub struct RefUses {
    /// The content, and the entry that bound the ref to it.
    pub bound: Option<(Address, u64)>,
    /// The snapshots that have the ref, with its content there.
    pub snapshots: Vec<(u64, Address)>,
    /// The sessions that used it.
    pub sessions: Vec<u64>,
    /// The sessions that began with it and have not ended, by their starts.
    pub open: Vec<u64>,
    /// Its renders.
    pub renders: Vec<u64>,
}

/// Who said something, and when.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The entry's index.
    pub index: u64,
    /// Its id.
    pub id: EntryId,
    /// `<kind>/<name>`.
    pub subject: String,
    /// The identity that signed.
    pub issuer: String,
    /// The key that signed.
    pub kid: Kid,
    /// The claimed time, in seconds since 1970.
    pub time: u64,
    /// Why it is in doubt, where that was looked into.
    pub doubt: Option<&'static str>,
}

impl Stated {
    pub(super) fn new(index: u64, s: &Statement) -> Self {
        let (subject, issuer) = (s.subject(), s.issuer.clone());
        Self { index, id: s.id, subject, issuer, kid: s.kid, time: s.time, doubt: None }
    }

    /// The name within the kind: a session's or run's id, a snapshot's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.subject.split_once('/').map_or(self.subject.as_str(), |(_, name)| name)
    }
}

impl Uses {
    /// Every ref that was bound, used or listed in a snapshot.
    #[must_use]
    pub fn refs(&self) -> &BTreeMap<String, RefUses> {
        &self.refs
    }

    /// An entry that [`RefUses`] or [`Self::runs`] names.
    #[must_use]
    pub fn said(&self, index: u64) -> Option<&Stated> {
        self.said.get(&index)
    }

    /// The runs that cite a session that used the ref, oldest first, each once.
    #[must_use]
    pub fn runs(&self, of: &RefUses) -> Vec<u64> {
        let cited = of.sessions.iter().filter_map(|session| self.runs.get(session));
        let mut runs: Vec<u64> = cited.flatten().copied().collect();
        runs.sort_unstable();
        runs.dedup();
        runs
    }

    /// The snapshots whose list of files was erased or lost, so that what they had cannot be told.
    pub fn unlisted(&self) -> impl Iterator<Item = &Stated> {
        self.unlisted.iter().filter_map(|at| self.said.get(at))
    }
}

impl Ledger {
    /// Reads every statement once and tells what was said of each ref. Sessions of other ledgers are not counted:
    /// their refs are bound there, perhaps to other bytes.
    ///
    /// # Errors
    /// As [`Self::entry`]; when a snapshot's list of files was changed (integrity).
    pub fn uses(&self) -> Result<Uses> {
        let mut uses = Uses::default();
        let mut sessions: HashMap<EntryId, u64> = HashMap::new();
        let (mut open, mut ended): (HashMap<EntryId, u64>, HashSet<u64>) = Default::default();
        let mut snapshots = Vec::new();
        self.store.scan(0..u64::MAX, &mut |at, bytes| {
            let s = super::decode(at, bytes.to_vec())?;
            match &s.body {
                // Whoever names a ref first binds it.
                Body::Prompt(prompt) => {
                    let of = uses.refs.entry(s.name.clone()).or_default();
                    of.bound.get_or_insert((prompt.content.blake3, at));
                }
                Body::Start(start) => {
                    open.insert(s.id, at);
                    for used in &start.prompts {
                        let of = uses.refs.entry(used.reference.clone()).or_default();
                        of.bound.get_or_insert((used.content.blake3, at));
                        of.open.push(at);
                    }
                }
                Body::Session(session) => {
                    sessions.insert(s.id, at);
                    ended.extend(session.life.iter().filter_map(|life| open.get(&life.start)));
                    for used in &session.prompts {
                        let of = uses.refs.entry(used.reference.clone()).or_default();
                        of.bound.get_or_insert((used.content.blake3, at));
                        of.sessions.push(at);
                    }
                }
                Body::Render(render) => {
                    let of = uses.refs.entry(render.prompt.reference.clone()).or_default();
                    of.bound.get_or_insert((render.prompt.content.blake3, at));
                    of.renders.push(at);
                }
                Body::Run(run) => {
                    let cited = run.sessions.iter().filter(|cited| cited.foreign.is_none());
                    for session in cited.filter_map(|cited| sessions.get(&cited.entry)) {
                        uses.runs.entry(*session).or_default().push(at);
                    }
                }
                Body::Snapshot(_) => snapshots.push((at, s.body.clone())),
                _ => return Ok(true),
            }
            uses.said.insert(at, Stated::new(at, &s));
            Ok(true)
        })?;
        uses.refs.values_mut().for_each(|of| of.open.retain(|start| !ended.contains(start)));
        // Not while scanning: a store may hold its lock meanwhile.
        for (at, body) in snapshots {
            let Some(manifest) = self.manifest(&body)? else {
                uses.unlisted.push(at);
                continue;
            };
            let mut named: BTreeMap<String, Address> = BTreeMap::new();
            for file in manifest.files {
                named.extend(file.reference.map(|reference| (reference, file.content.blake3)));
            }
            for (reference, content) in named {
                uses.refs.entry(reference).or_default().snapshots.push((at, content));
            }
        }
        for (at, doubt) in doubts(&self.suspects()?) {
            if let Some(said) = uses.said.get_mut(&at) {
                said.doubt = Some(doubt);
            }
        }
        Ok(uses)
    }
}
