//! Snapshots of the catalog as the ledger has them.

use super::{Entry, Ledger, index};
use crate::error::Result;
use ledger_format::{Address, Body};

impl Ledger {
    /// The snapshot of this name.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn snapshot(&self, name: &str) -> Result<Option<Entry>> {
        index::snapshot(&*self.store, name)?.map(|at| self.expect_entry(at)).transpose()
    }

    /// All snapshots, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn snapshots(&self) -> Result<Vec<Entry>> {
        let mut entries = self.of_kind("snapshot")?;
        entries.retain(|entry| matches!(entry.statement.body, Body::Snapshot(_)));
        Ok(entries)
    }

    /// Those of the refs that are bound to another content, with that content and the index of the entry that
    /// bound them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn bound_otherwise<'a>(
        &self,
        refs: impl IntoIterator<Item = (&'a str, Address)>,
    ) -> Result<Vec<(&'a str, Address, u64)>> {
        let mut otherwise = Vec::new();
        for (reference, content) in refs {
            let bound = index::bound(&*self.store, reference)?;
            let other = bound.filter(|(bound, _)| *bound != content);
            otherwise.extend(other.map(|(bound, at)| (reference, bound, at)));
        }
        Ok(otherwise)
    }
}
