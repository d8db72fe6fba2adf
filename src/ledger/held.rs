//! A ledger as a source of prompts: what it had bound at some time, or what a snapshot lists.

use super::{Blob, Entry, Ledger, index};
use crate::catalog::Held;
use crate::error::{Error, Result};
use ledger_format::{Address, Body};

impl Ledger {
    /// The prompts whose refs the entries below `size` bound, by ref, with their bytes. The paths are made from the
    /// ids. Content that was erased is listed as unreadable.
    ///
    /// # Errors
    /// When the store cannot be read; integrity, when bytes were changed or the index names an entry that binds
    /// no such ref.
    pub fn bound_prompts(&self, size: u64) -> Result<Vec<Held>> {
        let mut rows = Vec::new();
        self.store.index_scan(&index::key(index::Table::Ref, &[]), false, &mut |key, value| {
            rows.extend(Some(index::read_ref_row(key, value)?).filter(|(.., at)| *at < size));
            Ok(true)
        })?;
        // One entry may bind many refs.
        let mut last: Option<Entry> = None;
        let mut held = Vec::with_capacity(rows.len());
        for (reference, content, at) in rows {
            let entry = match last.take().filter(|entry| entry.index == at) {
                Some(entry) => entry,
                None => self.expect_entry(at)?,
            };
            if !binds(&entry, &reference, &content) {
                return Err(index::damaged("a ref"));
            }
            last = Some(entry);
            let id = ledger_format::split_reference(&reference).map_or(reference.as_str(), |(id, _)| id);
            held.push(self.held(format!("{id}.md"), Some(reference.clone()), &content)?);
        }
        Ok(held)
    }

    /// The files that a snapshot lists, by path, with their bytes.
    ///
    /// # Errors
    /// Failed, when the entry is no snapshot or its list was erased; as [`Self::bound_prompts`] otherwise.
    pub fn snapshot_prompts(&self, entry: &Entry) -> Result<Vec<Held>> {
        let Body::Snapshot(_) = &entry.statement.body else {
            return Err(Error::failed(format!("{} is no snapshot", entry.statement.subject())));
        };
        let manifest = self.manifest(&entry.statement.body)?.ok_or_else(|| {
            Error::failed(format!("the list of the {} was erased or lost", entry.statement.subject()))
        })?;
        let files = manifest.files.into_iter();
        files.map(|file| self.held(file.path, file.reference, &file.content.blake3)).collect()
    }

    /// Content as a file of a catalog.
    fn held(&self, path: String, reference: Option<String>, content: &Address) -> Result<Held> {
        let content = match self.blob(content)? {
            Blob::Present(bytes) => Ok(bytes),
            Blob::Erased => Err("it was erased from the ledger".to_owned()),
            Blob::Missing => Err("its bytes are not in this ledger".to_owned()),
        };
        Ok(Held { path, reference, content })
    }
}

/// Whether an entry names this ref with this content.
fn binds(entry: &Entry, reference: &str, content: &Address) -> bool {
    match &entry.statement.body {
        Body::Prompt(prompt) => entry.statement.name == reference && prompt.content.blake3 == *content,
        body => body.used().iter().any(|used| used.reference == reference && used.content.blake3 == *content),
    }
}
