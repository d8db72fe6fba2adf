//! What a compromised key leaves in doubt: what it signed from the entry on that its revocation names, the keys that it
//! brought in, and all that stands on those statements. No verdict depends on it.

use super::uses::Stated;
use super::{Entry, Ledger, index};
use crate::error::Result;
use ledger_format::rules::KeyRecord;
use ledger_format::{Body, KeyChange, Kid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A key that is suspect, and what stands on it.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// The key.
    pub kid: Kid,
    /// Whose it is.
    pub identity: String,
    /// From this entry on, what it signed is suspect.
    pub since: u64,
    /// The entry that ended it; `None` for one that a suspect key brought in and that nobody has revoked yet.
    pub revoked: Option<u64>,
    /// How it came to be suspect.
    pub cause: Cause,
    /// What it signed from `since` on, oldest first.
    pub signed: Vec<Stated>,
    /// The refs that those statements bound.
    pub refs: Vec<String>,
    /// What others said that cites those statements, directly or through others; oldest first.
    pub standing: Vec<Stated>,
}

/// How a key came to be suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its revocation, at this entry, says so.
    Revoked(u64),
    /// A suspect key enrolled it, or was rotated to it, at this entry.
    BroughtIn(u64),
    /// It was rotated, at this entry, to a key that is suspect from an earlier entry on.
    RotatedOut(u64),
}

impl Suspect {
    /// Whether a statement is this key's, and suspect.
    #[must_use]
    pub fn covers(&self, entry: u64, kid: &Kid) -> bool {
        self.kid == *kid && entry >= self.since
    }
}

/// Of a statement that a suspect key signed.
const SIGNED: &str = "signed by a suspect key";
/// Of a statement that stands on one, directly or through others.
const STANDING: &str = "stands on a suspect key";

/// The entries that are in doubt, each with why.
#[must_use]
pub fn doubts(suspects: &[Suspect]) -> BTreeMap<u64, &'static str> {
    let standing = suspects.iter().flat_map(|s| &s.standing).map(|said| (said.index, STANDING));
    let signed = suspects.iter().flat_map(|s| &s.signed).map(|said| (said.index, SIGNED));
    standing.chain(signed).collect()
}

impl Ledger {
    /// The suspect keys with what stands on them, in the order in which their statements become suspect.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn suspects(&self) -> Result<Vec<Suspect>> {
        let found = self.suspect_keys()?;
        let mut suspects = Vec::new();
        for (record, since, cause) in found.values() {
            let kid = record.key.kid();
            let mut suspect = Suspect {
                kid,
                identity: record.identity.clone(),
                since: *since,
                revoked: record.revoked,
                cause: *cause,
                signed: Vec::new(),
                refs: Vec::new(),
                standing: Vec::new(),
            };
            let mut standing = BTreeMap::new();
            for entry in self.signed_from(&kid, *since)? {
                suspect.refs.extend(self.bound_by(&entry)?);
                self.add_standing(&entry, &mut standing)?;
                suspect.signed.push(Stated::new(entry.index, &entry.statement));
            }
            suspect.standing =
                standing.into_values().filter(|said| !suspect.covers(said.index, &said.kid)).collect();
            suspects.push(suspect);
        }
        suspects.sort_by_key(|suspect| (suspect.since, suspect.kid));
        Ok(suspects)
    }

    /// Every suspect key once, from the earliest entry on that makes it so.
    fn suspect_keys(&self) -> Result<BTreeMap<Kid, (KeyRecord, u64, Cause)>> {
        let mut found: BTreeMap<Kid, (KeyRecord, u64, Cause)> = BTreeMap::new();
        let mut next = VecDeque::new();
        for record in self.keys()? {
            let (Some(since), Some(revoked)) = (record.suspect_since, record.revoked) else { continue };
            let since = self.by_id(&since)?.ok_or_else(|| index::damaged("a cited entry"))?.index;
            next.push_back((record.key.kid(), since, Cause::Revoked(revoked)));
        }
        while let Some((kid, since, cause)) = next.pop_front() {
            let Some(record) = self.key(&kid)? else { continue };
            if found.get(&kid).is_some_and(|(_, known, _)| *known <= since) {
                continue;
            }
            // A thief who is rotated out, or rotates, acts under one name with two keys.
            let enrolment = self.expect_entry(record.enrolled)?;
            if since < record.enrolled
                && matches!(enrolment.statement.body, Body::Key(KeyChange::Rotate { .. }))
            {
                next.push_back((enrolment.statement.kid, since, Cause::RotatedOut(record.enrolled)));
            }
            for entry in self.signed_from(&kid, since)? {
                let brought = match &entry.statement.body {
                    Body::Key(KeyChange::Enrol { who, .. }) => who.key.kid(),
                    Body::Key(KeyChange::Rotate { key }) => key.kid(),
                    _ => continue,
                };
                next.push_back((brought, entry.index, Cause::BroughtIn(entry.index)));
            }
            found.insert(kid, (record, since, cause));
        }
        Ok(found)
    }

    /// The refs that an entry was the first to name.
    fn bound_by(&self, entry: &Entry) -> Result<Vec<String>> {
        let body = &entry.statement.body;
        let prompt = matches!(body, Body::Prompt(_)).then_some(entry.statement.name.as_str());
        let named: BTreeSet<&str> =
            body.used().iter().map(|used| used.reference.as_str()).chain(prompt).collect();
        let mut refs = Vec::new();
        for reference in named {
            if index::bound(&*self.store, reference)?.is_some_and(|(_, at)| at == entry.index) {
                refs.push(reference.to_owned());
            }
        }
        Ok(refs)
    }

    /// Adds what cites an entry, and what cites that.
    fn add_standing(&self, entry: &Entry, standing: &mut BTreeMap<u64, Stated>) -> Result<()> {
        let mut next = vec![entry.statement.id];
        while let Some(id) = next.pop() {
            for user in self.citing(&id)? {
                if standing.insert(user.index, Stated::new(user.index, &user.statement)).is_none() {
                    next.push(user.statement.id);
                }
            }
        }
        Ok(())
    }
}
