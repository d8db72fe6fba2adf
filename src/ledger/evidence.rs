//! Taking evidence out of a ledger.

use super::index::Documents;
use super::{Blob, Entry, Ledger, index};
use crate::error::{Error, Kind, Result};
use ledger_format::evidence::{self, Evidence, Item};
use ledger_format::{Address, Body, Cited, InclusionProof, Statement};
use std::collections::BTreeSet;

impl Ledger {
    /// The evidence tar for one entry, against the ledger's present checkpoint.
    ///
    /// # Errors
    /// Failed, when content that it must carry is not in this store; integrity, when the result would
    /// not verify.
    pub fn take_evidence(&self, entry: &Entry) -> Result<Vec<u8>> {
        let head = self.checkpoint()?.head;
        let checkpoint = self.signed_checkpoint()?;
        let item = |entry: &Entry| -> Result<Item> {
            let path = self.inclusion(entry.index, head.size)?;
            let proof = InclusionProof { index: entry.index, path, checkpoint: checkpoint.clone() };
            Ok(Item { statement: entry.statement.clone(), proof })
        };
        let mut others = vec![item(&self.expect_entry(0)?)?];
        for entry in self.of_kind("key")? {
            others.push(item(&entry)?);
        }
        let mut cited = Vec::new();
        for (id, _) in entry.statement.body.cites() {
            let entry = self.by_id(&id)?.ok_or_else(|| index::damaged("a cited entry"))?;
            others.push(item(&entry)?);
            cited.push(entry.statement);
        }
        let present = |address: &Address| match self.blob(address)? {
            Blob::Present(bytes) => Ok::<_, Error>(Some(bytes)),
            _ => Ok(None),
        };
        let carried = evidence::carried(&entry.statement, &cited, present)?;
        let carried = carried.map_err(|f| Error::integrity(f.to_string()))?;
        let mut blobs = Vec::new();
        for address in carried.iter().map(|descriptor| descriptor.blake3).collect::<BTreeSet<_>>() {
            match self.blob(&address)? {
                Blob::Present(bytes) => blobs.push(bytes),
                Blob::Erased => {
                    let tombstones = self.by_subject(&format!("erase/{}", hex::encode(address.0)))?;
                    let tombstone = tombstones.first().ok_or_else(|| {
                        Error::integrity(format!("{address} is erased, but no entry says so"))
                    })?;
                    others.push(item(tombstone)?);
                }
                Blob::Missing => {
                    return Err(self
                        .not_here(&address)
                        .hint("evidence carries the exact content; take it from a complete copy"));
                }
            }
        }
        let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
        let tar = evidence::pack(&item(entry)?, &others, &blobs);
        Evidence::open(&tar).map_err(|f| {
            Error::integrity(format!("the evidence for entry {} would not verify: {f}", entry.index))
        })?;
        Ok(tar)
    }

    /// The evidence of other ledgers' sessions that a run cites, as far as it is here and holds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn foreign_sessions(&self, run: &Entry) -> Result<Vec<Evidence>> {
        let Body::Run(body) = &run.statement.body else { return Ok(Vec::new()) };
        let mut usable = Vec::new();
        for cited in &body.sessions {
            match foreign_evidence(self, cited) {
                Err(error) if error.kind() == Kind::Integrity => {}
                found => usable.extend(found?.map(|(_, evidence)| evidence)),
            }
        }
        Ok(usable)
    }

    /// What the index looks into, as far as it is here and holds; damage is an audit's to find.
    pub(super) fn documents(&self, statement: &Statement) -> Documents {
        let sessions = match &statement.body {
            Body::Run(run) => run.sessions.as_slice(),
            _ => &[],
        };
        let evidence = sessions.iter().filter_map(|cited| foreign_evidence(self, cited).ok().flatten());
        Documents { manifest: self.manifest(&statement.body).ok().flatten(), evidence: evidence.collect() }
    }
}

/// The evidence kept for a cited session of another ledger, with the address of its tar; `None` when the
/// session is of this ledger or the tar is not here.
///
/// # Errors
/// Integrity, when it does not prove what it is cited for.
pub(super) fn foreign_evidence(ledger: &Ledger, cited: &Cited) -> Result<Option<(Address, Evidence)>> {
    let Some(foreign) = &cited.foreign else { return Ok(None) };
    let address = foreign.evidence.blake3;
    let Blob::Present(tar) = ledger.blob(&address)? else { return Ok(None) };
    let evidence = evidence::prove(&cited.entry, &foreign.ledger, &tar)
        .map_err(|failure| Error::integrity(failure.to_string()))?;
    Ok(Some((address, evidence)))
}
