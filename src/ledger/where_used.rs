//! What in a ledger uses a ref, every version of an id, or some content: looked up in the index, in memory that grows
//! with what is found and not with the ledger.

use super::uses::Stated;
use super::{Entry, Ledger, index};
use crate::error::Result;
use ledger_format::{Address, Body, Statement, split_reference};
use std::collections::BTreeMap;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// One ref, `<id>.v<version>`.
    Ref(String),
    /// Every version of an id.
    Id(String),
    /// Every ref with this content.
    Content(Address),
}

impl Wanted {
    /// Whether a ref with this content is looked for.
    #[must_use]
    pub fn is(&self, reference: &str, content: &Address) -> bool {
        match self {
            Self::Ref(wanted) => wanted == reference,
            Self::Id(wanted) => split_reference(reference).is_some_and(|(id, _)| id == wanted),
            Self::Content(wanted) => wanted == content,
        }
    }
}

/// Something that uses a prompt.
#[derive(Debug, Clone)]
pub struct User {
    /// Who said so, and when.
    pub said: Stated,
    /// The prompt's content there.
    pub content: Address,
    /// A later entry takes its place: a newer snapshot, or the same run attached again.
    pub superseded: bool,
}

/// What uses one ref, each list oldest first.
#[derive(Debug, Clone, Default)]
pub struct Users {
    /// The content that the ref is bound to, and the entry that bound it.
    pub bound: Option<(Address, Stated)>,
    /// The sessions that were recorded with it.
    pub sessions: Vec<User>,
    /// Its recorded renders.
    pub renders: Vec<User>,
    /// The runs that cite such a session.
    pub runs: Vec<User>,
    /// The snapshots that have it.
    pub snapshots: Vec<User>,
}

impl Ledger {
    /// What uses the refs that are looked for, by ref, and the snapshots that cannot tell, since their lists are gone.
    /// Sessions of other ledgers are not counted: their refs are bound there, perhaps to other bytes.
    ///
    /// # Errors
    /// As [`Self::entry`]; when a snapshot's list of files was changed (integrity).
    pub fn where_used(&self, wanted: &Wanted) -> Result<(BTreeMap<String, Users>, Vec<Stated>)> {
        let mut found: BTreeMap<String, Users> = BTreeMap::new();
        for (reference, content, at) in self.bound_refs(wanted)? {
            let mut users = Users { bound: Some((content, self.stated(at)?)), ..Users::default() };
            self.add_uses(&reference, content, &mut users)?;
            found.insert(reference, users);
        }
        let mut unlisted = Vec::new();
        let mut rest = self.of_kind("snapshot")?.into_iter().peekable();
        while let Some(Entry { index: at, statement }) = rest.next() {
            let Body::Snapshot(_) = &statement.body else { continue };
            let said = Stated::new(at, &statement);
            let Some(manifest) = self.manifest(&statement.body)? else {
                unlisted.push(said);
                continue;
            };
            let superseded = rest.peek().is_some();
            let files = manifest.files.into_iter();
            let files = files.filter_map(|file| Some((file.reference?, file.content.blake3)));
            // The same file may lie in it twice.
            let fitting: BTreeMap<String, Address> =
                files.filter(|(reference, content)| wanted.is(reference, content)).collect();
            for (reference, content) in fitting {
                let users = found.entry(reference).or_default();
                users.snapshots.push(User { said: said.clone(), content, superseded });
            }
        }
        Ok((found, unlisted))
    }

    /// The refs that are looked for and bound: content, and the index of the entry that bound it.
    fn bound_refs(&self, wanted: &Wanted) -> Result<Vec<(String, Address, u64)>> {
        let prefix = match wanted {
            Wanted::Ref(reference) => reference.as_bytes(),
            Wanted::Id(id) => id.as_bytes(),
            Wanted::Content(_) => &[],
        };
        let mut rows = Vec::new();
        self.store.index_scan(&index::key(index::Table::Ref, &[prefix]), false, &mut |key, value| {
            let row = index::read_ref_row(key, value)?;
            rows.extend(Some(row).filter(|(reference, content, _)| wanted.is(reference, content)));
            Ok(true)
        })?;
        Ok(rows)
    }

    /// The sessions and renders that used a ref, and the runs that cite such sessions.
    fn add_uses(&self, reference: &str, content: Address, users: &mut Users) -> Result<()> {
        let mut runs = BTreeMap::new();
        for Entry { index: at, statement } in self.using(reference)? {
            let user = User { said: Stated::new(at, &statement), content, superseded: false };
            if let Body::Render(_) = statement.body {
                users.renders.push(user);
                continue;
            }
            let cited = self.citing(&statement.id)?;
            runs.extend(cited.into_iter().map(|entry| (entry.index, entry.statement)));
            users.sessions.push(user);
        }
        for (at, statement) in runs {
            if let Body::Run(_) = &statement.body {
                let superseded = self.is_superseded(at, &statement)?;
                users.runs.push(User { said: Stated::new(at, &statement), content, superseded });
            }
        }
        Ok(())
    }

    /// Whether a later entry has the same subject.
    fn is_superseded(&self, at: u64, statement: &Statement) -> Result<bool> {
        Ok(self.by_subject(&statement.subject())?.last().is_some_and(|last| last.index > at))
    }

    fn stated(&self, at: u64) -> Result<Stated> {
        Ok(Stated::new(at, &self.expect_entry(at)?.statement))
    }
}
