//! Look-ups through pointers: each entry that one leads to is asked whether it is what was looked for, since others may
//! begin with the same bytes.

use super::index::{self, Documents, Table, Tag};
use super::{Entry, Ledger};
use crate::error::{Error, Result};
use ledger_format::{Address, Body, EntryId, Kid};
use std::collections::BTreeSet;

impl Ledger {
    /// Statements whose id begins with these hex digits, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn by_id_prefix(&self, digits: &str, limit: usize) -> Result<Vec<Entry>> {
        let found = self.by_prefix(Table::Id, digits, limit, |at| {
            Ok(vec![(self.expect_entry(at)?.statement.id.0, at)])
        })?;
        found.into_iter().map(|(_, at)| self.expect_entry(at)).collect()
    }

    /// Addresses of content named by any statement, that begin with these hex digits, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn contents_by_prefix(&self, digits: &str, limit: usize) -> Result<Vec<Address>> {
        let whole = whole_bytes(digits)?;
        if let Ok(hash) = whole.as_slice().try_into() {
            let named = limit > 0 && self.is_named(&Address(hash))?;
            return Ok(named.then_some(Address(hash)).into_iter().collect());
        }
        let mut found: BTreeSet<([u8; 32], u64)> = self
            .by_prefix(Table::Content, digits, limit, |at| {
                let statement = self.expect_entry(at)?.statement;
                let documents = self.documents(&statement);
                Ok(index::named(&statement.body, &documents).map(|address| (address.0, 0)).collect())
            })?
            .into_iter()
            .collect();
        self.store.index_scan(&index::key(Table::BoundTo, &[&whole]), false, &mut |key, _| {
            let hash = key.get(1..).and_then(<[u8]>::first_chunk::<32>);
            found.extend(hash.filter(|hash| hex::encode(hash).starts_with(digits)).map(|hash| (*hash, 0)));
            Ok(true)
        })?;
        Ok(found.into_iter().take(limit).map(|(hash, _)| Address(hash)).collect())
    }

    /// What the pointers of a table lead to whose tag begins as the digits do: those hashes of it that begin so, in
    /// their order, at most `limit`.
    fn by_prefix(
        &self,
        table: Table,
        digits: &str,
        limit: usize,
        hashes: impl Fn(u64) -> Result<Vec<([u8; 32], u64)>>,
    ) -> Result<Vec<([u8; 32], u64)>> {
        let whole = whole_bytes(digits)?;
        let prefix = whole.get(..whole.len().min(index::TAG)).unwrap_or_default();
        let mut found = BTreeSet::new();
        let mut last: Option<Vec<u8>> = None;
        self.store.index_scan(&index::key(table, &[prefix]), false, &mut |key, _| {
            let tag = key.get(..1 + size_of::<Tag>()).unwrap_or_default();
            if last.as_deref() != Some(tag) {
                // Those with one tag are in no order.
                if found.len() >= limit {
                    return Ok(false);
                }
                last = Some(tag.to_vec());
            }
            let at = index::pointed(key).ok_or_else(|| index::damaged("a row"))?;
            let fits = |(hash, _): &([u8; 32], u64)| hex::encode(hash).starts_with(digits);
            found.extend(hashes(at)?.into_iter().filter(fits));
            Ok(true)
        })?;
        Ok(found.into_iter().take(limit).collect())
    }

    /// The statements with this `<kind>/<name>`, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn by_subject(&self, subject: &str) -> Result<Vec<Entry>> {
        self.pointed(Table::Subject, &index::subject_tag(subject), |entry| {
            entry.statement.subject() == subject
        })
    }

    /// The statements of one kind, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of_kind(&self, kind: &str) -> Result<Vec<Entry>> {
        let number = [index::kind_number(kind)];
        self.pointed(Table::Subject, &number, |entry| entry.statement.kind == kind)
    }

    /// The newest session that this key signed.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn latest_session(&self, kid: &Kid) -> Result<Option<Entry>> {
        let signed = index::key(Table::SignedBy, &[&index::signer_tag(kid, "session")]);
        let mut found = None;
        self.store.index_scan(&signed, true, &mut |key, _| {
            let at = index::pointed(key).ok_or_else(|| index::damaged("a row"))?;
            let entry = self.expect_entry(at)?;
            found = Some(entry).filter(|e| e.statement.kid == *kid && e.statement.kind == "session");
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// The newest entry below `size` that this key signed, without a look at the older ones.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub(super) fn last_signed_below(&self, kid: &Kid, size: u64) -> Result<Option<u64>> {
        let mut last = None;
        for tag in index::signer_tags(kid) {
            self.store.index_scan(&index::key(Table::SignedBy, &[&tag]), true, &mut |key, _| {
                let at = index::pointed(key).ok_or_else(|| index::damaged("a row"))?;
                if at >= size {
                    return Ok(true);
                }
                if Some(at) > last && self.expect_entry(at)?.statement.kid == *kid {
                    last = Some(at);
                }
                Ok(Some(at) > last)
            })?;
        }
        Ok(last)
    }

    /// What this key signed from an entry on, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub(super) fn signed_from(&self, kid: &Kid, since: u64) -> Result<Vec<Entry>> {
        let [of_any_kind @ .., _] = index::signer_tag(kid, "");
        let mut signed = index::candidates(&*self.store, Table::SignedBy, &of_any_kind)?;
        signed.retain(|at| *at >= since);
        let entries = signed.into_iter().map(|at| self.expect_entry(at)).collect::<Result<Vec<_>>>()?;
        Ok(entries.into_iter().filter(|entry| entry.statement.kid == *kid).collect())
    }

    /// The statements that name this content, themselves or in their manifests, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn naming(&self, content: &Address) -> Result<Vec<Entry>> {
        let mut entries =
            self.pointed(Table::Content, &index::tag(&content.0), |entry| self.names(entry, content))?;
        for reference in index::refs_bound_to(&*self.store, content)? {
            entries.extend(self.using(&reference)?);
        }
        entries.sort_by_key(|entry| entry.index);
        entries.dedup_by_key(|entry| entry.index);
        Ok(entries)
    }

    /// Whether any statement names this content.
    pub(super) fn is_named(&self, content: &Address) -> Result<bool> {
        if !index::refs_bound_to(&*self.store, content)?.is_empty() {
            return Ok(true);
        }
        let mut found = false;
        let pointers = index::key(Table::Content, &[&index::tag(&content.0)]);
        self.store.index_scan(&pointers, false, &mut |key, _| {
            let at = index::pointed(key).ok_or_else(|| index::damaged("a row"))?;
            found = self.names(&self.expect_entry(at)?, content);
            Ok(!found)
        })?;
        Ok(found)
    }

    /// Whether a statement names content that is no prompt which it uses.
    fn names(&self, entry: &Entry, content: &Address) -> bool {
        let statement = &entry.statement;
        let own = index::named(&statement.body, &Documents::default()).any(|address| address == *content);
        own || index::named(&statement.body, &self.documents(statement)).any(|address| address == *content)
    }

    /// The starts, sessions and renders that used this ref, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn using(&self, reference: &str) -> Result<Vec<Entry>> {
        let uses = |body: &Body| body.used().iter().any(|used| used.reference == reference);
        self.pointed(Table::RefUse, &index::ref_tag(reference), |entry| uses(&entry.statement.body))
    }

    /// The runs that cite this session, or the starts, events and sessions that cite this entry, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn citing(&self, cited: &EntryId) -> Result<Vec<Entry>> {
        self.pointed(Table::CitedBy, &index::tag(&cited.0), |entry| {
            index::cited(&entry.statement.body).any(|id| id == *cited)
        })
    }

    /// The entries that the pointers lead to, if they are what was looked for, oldest first.
    fn pointed(&self, table: Table, tag: &[u8], is: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for at in index::candidates(&*self.store, table, tag)? {
            let entry = self.expect_entry(at)?;
            if is(&entry) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }
}

/// The bytes that hex digits begin with; an odd last digit is left out.
fn whole_bytes(digits: &str) -> Result<Vec<u8>> {
    let whole = digits.get(..digits.len() & !1).and_then(|even| hex::decode(even).ok());
    whole.ok_or_else(|| Error::failed(format!("'{digits}' is not hexadecimal")))
}
