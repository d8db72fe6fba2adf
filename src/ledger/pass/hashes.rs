//! A pass that only hashes: whether the statements are those that the head, the tree and the heads held are of.

use super::super::audit::{Options, Report};
use super::Pass;
use super::end::does_not_hold;
use crate::error::Result;
use ledger_format::tree::leaf_hash;
use ledger_format::{Checkpoint, EntryId};

/// Why no rung is reached.
const WITHHELD: &str = "no signature, right or content was judged";

impl Pass<'_> {
    /// Hashes all statements.
    pub(in super::super) fn hashes(
        mut self,
        options: &Options,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Report> {
        self.report.rung_withheld = Some(WITHHELD);
        self.hold(&Options { judged: None, basis: None, ..options.clone() });
        self.scan(progress, |pass, at, bytes| {
            if !pass.in_order(at) {
                return Ok(false);
            }
            pass.report.hashed += 1;
            pass.below.push(EntryId(leaf_hash(bytes)))?;
            pass.compare_held();
            Ok(true)
        })?;
        if self.below.size() == self.head.size {
            self.leads_to_head();
            self.checkpoint_says_so()?;
            self.tiles()?;
        }
        Ok(self.report)
    }

    /// The stored checkpoint is of the head; who signed it is not asked.
    fn checkpoint_says_so(&mut self) -> Result<()> {
        let read = Checkpoint::parse(&self.bare.signed_checkpoint()?);
        let ours = |checkpoint: Checkpoint| match checkpoint.origin == self.bare.origin() {
            true => Ok(checkpoint),
            false => Err("the checkpoint is of another ledger".to_owned()),
        };
        let checkpoint = read.map_err(|failure| does_not_hold(&failure)).and_then(ours);
        self.vouched(checkpoint);
        Ok(())
    }
}
