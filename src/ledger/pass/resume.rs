//! A pass that goes on from the head that an earlier audit judged, without reading the entries below it.

use super::super::basis::{self, Basis, Known};
use super::super::contents::Contents;
use super::super::index;
use super::super::{Ledger, audit::Bounds, audit::Options, below::Below};
use super::{Pass, undamaged};
use crate::error::Result;
use crate::store::Head;
use crate::store::nodes::Tiles;
use ledger_format::Auditor;
use ledger_format::tree::{self, Frontier};

/// Whether a pass can go on from a head.
pub(in super::super) enum Resumed<'a> {
    /// It stands there.
    Ready(Box<Pass<'a>>),
    /// The index says something else of the entries below than the earlier audit did.
    Contradicted,
    /// There is nothing to go on from, or it is not as it was.
    No,
}

impl<'a> Pass<'a> {
    /// Stands at the head that was judged: the stored tiles must lead to it and to the heads held below it, and the
    /// index must give the state that the earlier audit left behind.
    pub(in super::super) fn resume(
        ledger: &'a Ledger,
        head: Head,
        bounds: Bounds,
        options: &Options,
    ) -> Result<Resumed<'a>> {
        let (Some(judged), Some(basis)) = (options.judged, &options.basis) else { return Ok(Resumed::No) };
        // A published ledger has no index of its own.
        if ledger.published.is_some() || judged.size == 0 || judged.size > head.size {
            return Ok(Resumed::No);
        }
        let store = &*ledger.store;
        let edge = || {
            let frontier = Frontier::read(&Tiles(store), judged.size)?;
            Below::resume(store, bounds.hashes, frontier)
        };
        let Some(below) = undamaged(edge())?.filter(|below| below.head() == judged) else {
            return Ok(Resumed::No);
        };
        for old in
            [options.pinned, options.checkpoint].into_iter().flatten().filter(|old| old.size < judged.size)
        {
            let proof = undamaged(tree::consistency_proof(&Tiles(store), old.size, judged.size))?;
            if proof.is_none_or(|proof| tree::verify_consistency(&old, &judged, &proof).is_err()) {
                return Ok(Resumed::No);
            }
        }
        let Some(known) = undamaged(Known::read(ledger, judged.size, &basis.checkpoint_key))? else {
            return Ok(Resumed::Contradicted);
        };
        if Known::digest(&known.state, &known.bound_by, ledger)? != basis.digest {
            return Ok(Resumed::Contradicted);
        }
        let mut pass = Self::new(ledger, head, bounds);
        let identity = (ledger.id(), ledger.name().to_owned());
        pass.auditor = Auditor::resume(below.frontier().clone(), known.state, identity);
        pass.below = below;
        pass.bound_by = known.bound_by;
        pass.contents = Contents::of_new(ledger, bounds.contents, bounds.pending);
        pass.lives = None;
        pass.report.judged = judged.size;
        Ok(Resumed::Ready(Box::new(pass)))
    }

    /// What the next audit needs to go on from here.
    pub(super) fn basis(&self) -> Result<Option<Basis>> {
        let state = self.auditor.state();
        let Some(checkpoint_key) = state.checkpoint_key.clone() else { return Ok(None) };
        let digest = Known::digest(state, &self.bound_by, self.ledger)?;
        Ok(Some(Basis { digest, checkpoint_key }))
    }

    /// The index contradicts an earlier audit. Once the older entries are read again they tell which of them is wrong:
    /// the index, or the digest that was kept.
    pub(in super::super) fn contradict(&mut self, options: &Options) {
        self.contradicted = options.basis.clone();
    }

    pub(super) fn compare_basis(&mut self) -> Result<()> {
        if self.below.size() != self.report.from || self.contradicted.is_none() {
            return Ok(());
        }
        if self.contradicted.take() == self.basis()? {
            let message = format!(
                "the derived index has other keys, refs or snapshots than the first {} entries leave behind",
                self.report.from
            );
            self.find("index", None, message, super::end::INDEX);
        }
        Ok(())
    }

    /// The rows that the state at the end implies.
    pub(super) fn state_rows(&self) -> Result<Vec<index::Row>> {
        basis::rows(self.auditor.state(), &self.bound_by)
    }
}
