//! What can only be judged once all statements are read: head, checkpoint, tree and index.

use super::super::index::{self, Table};
use super::super::rows::Rows;
use super::{Pass, undamaged};
use crate::error::{Kind, Result};
use ledger_format::{Checkpoint, Failure, VerifierKey};
use std::collections::BTreeMap;

/// What it means that the index is wrong.
pub(super) const INDEX: &str = "look-ups may miss or misplace entries; the index can be rebuilt";

impl Pass<'_> {
    pub(super) fn tiles(&mut self) -> Result<()> {
        let wrong = match self.below.wrong_tile() {
            Err(error) if error.kind() == Kind::Unavailable && !self.report.findings.is_empty() => None,
            wrong => wrong?,
        };
        if let Some(id) = wrong {
            let message = format!("tile {}/{} is not the hashes of its entries", id.level, id.index);
            self.find("tree", None, message, "the stored tree was damaged; proofs made from it would fail");
        }
        Ok(())
    }

    /// What can only be judged at the end: head, checkpoint, tree, index, contents.
    pub(in super::super) fn end(&mut self) -> Result<()> {
        if self.is_whole() {
            self.head()?;
            self.tiles()?;
            let rows = self.state_rows()?;
            if self.report.from > 0 {
                return self.compare_state(rows);
            }
            for (key, value) in rows {
                self.row(&key, &value, self.head.size)?;
            }
            if let Rows::LookUp { count } = self.rows {
                self.count_rows(count)?;
            }
        }
        Ok(())
    }

    /// The statements lead to the head, and its checkpoint is signed by the key that they leave in force.
    pub(in super::super) fn head(&mut self) -> Result<()> {
        self.leads_to_head();
        self.checkpoint()
    }

    pub(super) fn leads_to_head(&mut self) {
        let here = self.below.head();
        if here != self.head {
            let message = format!("the ledger says it has {}; its entries give {here}", self.head);
            self.find("tree", None, message, "the stored head was changed");
        }
    }

    fn checkpoint(&mut self) -> Result<()> {
        let Some(origin) = self.auditor.origin() else { return Ok(()) };
        let Some(key) = self.auditor.state().checkpoint_key.clone() else { return Ok(()) };
        let vkey = VerifierKey { name: origin, key };
        let opened = Checkpoint::open(&self.bare.signed_checkpoint()?, &vkey);
        self.vouched(opened.map_err(|failure| does_not_hold(&failure)));
        Ok(())
    }

    /// The checkpoint, or what is wrong with it: it must be of the head.
    pub(super) fn vouched(&mut self, checkpoint: Result<Checkpoint, String>) {
        let problem = match checkpoint {
            Ok(checkpoint) if checkpoint.head == self.head => return,
            Ok(checkpoint) => format!("the checkpoint is of {}", checkpoint.head),
            Err(problem) => problem,
        };
        self.find("checkpoint", None, problem, "the store's keeper did not vouch for this order");
    }

    /// Compares the tables of keys and refs with what the statements leave behind, row by row: of the older entries'
    /// rows nothing else is looked at.
    fn compare_state(&mut self, rows: Vec<index::Row>) -> Result<()> {
        if matches!(self.rows, Rows::Unused) || self.has("index") {
            return Ok(());
        }
        let mut implied: BTreeMap<_, _> = rows.into_iter().collect();
        let mut other = false;
        for table in [Table::Key, Table::CheckpointKey, Table::Ref, Table::BoundTo] {
            let read = self.store().index_scan(&index::key(table, &[]), false, &mut |key, value| {
                other |= implied.remove(key).as_deref() != Some(value);
                Ok(!other)
            });
            other |= undamaged(read)?.is_none();
        }
        if other || !implied.is_empty() {
            let message = "the derived index has other keys or refs than the entries leave behind".to_owned();
            self.find("index", None, message, INDEX);
        }
        Ok(())
    }

    fn count_rows(&mut self, implied: u64) -> Result<()> {
        let mut stored = 0u64;
        let read = self.store().index_scan(&[], false, &mut |_, _| {
            stored += 1;
            Ok(true)
        });
        let read = undamaged(read)?.is_some();
        if (!read || stored != implied) && !self.has("index") {
            let message = format!("the derived index has {stored} rows where {implied} follow");
            self.find(
                "index",
                None,
                message,
                "look-ups may find what is not there; the index can be rebuilt",
            );
        }
        Ok(())
    }
}

/// Why a checkpoint is none.
pub(super) fn does_not_hold(failure: &Failure) -> String {
    format!("the checkpoint does not hold: {}", failure.detail)
}
