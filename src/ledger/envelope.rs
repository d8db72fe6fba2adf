//! What the log says of one entry, in the forms of others: a tlog-proof (C2SP) and a receipt (RFC 9942).

use super::{Entry, Ledger};
use crate::error::{Error, Result};
use ledger_format::{DraftError, InclusionProof, Receipt, Signer};

impl Ledger {
    /// Where an entry stands, proved against the ledger's present checkpoint.
    ///
    /// # Errors
    /// Integrity, when the entry, the checkpoint or the path between them does not hold.
    pub fn tlog_proof(&self, entry: &Entry) -> Result<InclusionProof> {
        self.check_entry(entry)?;
        let head = self.checkpoint()?.head;
        let path = self.inclusion(entry.index, head.size)?;
        Ok(InclusionProof { index: entry.index, path, checkpoint: self.signed_checkpoint()? })
    }

    /// The log's receipt for an entry, signed over the head that the ledger's checkpoint has, once that checkpoint,
    /// the entry and its path are checked: what the log key has signed before is all that it signs.
    ///
    /// # Errors
    /// Failed, when `log_key` is not the ledger's; integrity as [`Self::tlog_proof`].
    pub fn receipt(&self, entry: &Entry, log_key: &dyn Signer) -> Result<Receipt> {
        if log_key.public_key() != self.checkpoint_key()?.to_bytes() {
            return Err(Error::failed(
                "the log key beside the ledger is not the one that signs its checkpoints",
            ));
        }
        let proof = self.tlog_proof(entry)?;
        let checkpoint = self.checkpoint()?;
        let (statement, head) = (&entry.statement, checkpoint.head);
        Receipt::sign(&checkpoint.origin, statement, head, proof.index, &proof.path, log_key).map_err(|e| {
            match e {
                DraftError::Invalid(f) => {
                    Error::integrity(format!("no receipt for entry {}: {f}", entry.index))
                }
                DraftError::Signer(e) => Error::unavailable(format!("nothing was signed: {}", e.0)),
            }
        })
    }
}
