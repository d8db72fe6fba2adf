//! Erasing content: what it is before it goes, the tombstone, and the scrub that makes its bytes go.

use super::evidence::foreign_evidence;
use super::{BlobState, Content, Entry, Ledger, New};
use crate::error::Result;
use ledger_format::{Address, Body, DETAILS_TYPE, Descriptor, Details, Erase};
use std::collections::BTreeSet;

/// Content that somebody wants erased.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// Its address.
    pub content: Address,
    /// What the store knows of it.
    pub state: BlobState,
    /// The entries that name it, themselves or in their manifests, oldest first.
    pub named_by: Vec<Entry>,
    /// The refs that are bound to it.
    pub refs: BTreeSet<String>,
    /// Evidence tars of other ledgers' sessions, kept here, that hold the same bytes.
    pub inside: BTreeSet<Address>,
    /// Contents that are kept here and that only this one, a manifest, tells the names of.
    pub lists: Vec<Address>,
    /// The tombstone, when it was erased already.
    pub tombstone: Option<Entry>,
}

impl Erasure {
    /// The statement that erases it; the reason goes into a details blob with this random salt.
    #[must_use]
    pub fn statement(&self, reason: &str, salt: [u8; 16]) -> New {
        let fields = [("reason".to_owned(), reason.to_owned())].into();
        let details = Details { salt, fields }.to_bytes();
        let described = Descriptor::of(&details, DETAILS_TYPE);
        New {
            name: hex::encode(self.content.0),
            body: Body::Erase(Erase { content: self.content, details: Some(described.clone()) }),
            contents: vec![Content::Bytes(described, details)],
            next_log_key: None,
        }
    }
}

impl Ledger {
    /// What erasing this content would mean.
    ///
    /// # Errors
    /// When the store cannot be read, or an entry does not hold.
    pub fn erasure(&self, content: &Address) -> Result<Erasure> {
        let named_by = self.naming(content)?;
        let (mut refs, mut inside, mut lists) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for entry in &named_by {
            match &entry.statement.body {
                Body::Prompt(prompt) if prompt.content.blake3 == *content => {
                    refs.insert(entry.statement.name.clone());
                }
                body @ (Body::Start(_) | Body::Session(_) | Body::Render(_)) => {
                    let used = body.used().iter().filter(|used| used.content.blake3 == *content);
                    refs.extend(used.map(|used| used.reference.clone()));
                }
                Body::Run(run) => {
                    for cited in &run.sessions {
                        // Evidence that does not hold is an audit's to find.
                        if let Ok(Some((tar, evidence))) = foreign_evidence(self, cited)
                            && evidence.blobs.contains_key(content)
                        {
                            inside.insert(tar);
                        }
                    }
                }
                _ => {}
            }
            if super::index::manifest_of(&entry.statement.body) == Some(*content) {
                let manifest = self.manifest(&entry.statement.body)?;
                let kept = manifest.into_iter().flat_map(|manifest| manifest.files).filter(|file| file.kept);
                lists.extend(kept.map(|file| file.content.blake3));
            }
        }
        lists.sort();
        lists.dedup();
        let state = self.blob_state(content)?;
        let tombstone = match state {
            BlobState::Erased => self.by_subject(&format!("erase/{}", hex::encode(content.0)))?.pop(),
            _ => None,
        };
        Ok(Erasure { content: *content, state, named_by, refs, inside, lists, tombstone })
    }

    /// Addresses of content in the store, present or erased, that begin with these hex digits, at most `limit`.
    /// Some of it no statement names any more, since the list that named it was erased.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stored_by_prefix(&self, digits: &str, limit: usize) -> Result<Vec<Address>> {
        let mut found = Vec::new();
        self.store.blobs(&mut |hash, _| {
            if hex::encode(hash).starts_with(digits) {
                found.push(Address(hash));
            }
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// Whether bytes of erased content may be left in the ledger file, out of every reader's reach.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn unscrubbed(&self) -> Result<bool> {
        self.store.unscrubbed()
    }

    /// Makes those bytes go: the ledger file is written anew and put in the place of the old one.
    ///
    /// # Errors
    /// When that cannot be done; the ledger is whole, and to scrub again finishes it.
    pub fn scrub(&mut self) -> Result<()> {
        self.store.scrub()
    }
}
