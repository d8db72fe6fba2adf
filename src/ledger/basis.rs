//! What an audit leaves behind for the next one: a digest of rights, refs and names at the head that it judged. With it
//! the next audit can take them from the index, which is not trusted, and go on from there.

use super::Ledger;
use super::index::{self, Row, Table};
use crate::error::Result;
use ledger_format::rules::State;
use ledger_format::{Body, Hash, KeyChange, Kid, PublicKey};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What an auditor keeps of the state at a head that he judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// Of the state: SHA-256.
    pub digest: Hash,
    /// The checkpoint key in force there, which no index tells once there is another.
    pub checkpoint_key: PublicKey,
}

impl Basis {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (digest, key) = text.split_once(' ')?;
        let bytes = |text: &str| hex::decode(text).ok()?.try_into().ok();
        let (digest, key): (_, Option<[u8; 32]>) = (bytes(digest)?, bytes(key));
        Some(Self { digest, checkpoint_key: PublicKey::new(&key?).ok()? })
    }

    pub(super) fn to_text(&self) -> String {
        format!("{} {}", hex::encode(self.digest), hex::encode(self.checkpoint_key.to_bytes()))
    }
}

/// Rights, refs and names, and the entry that bound each ref: all that the statements below a head mean for those above
/// it, beside the tree.
#[derive(Default)]
pub(super) struct Known {
    pub(super) state: State,
    pub(super) bound_by: HashMap<String, u64>,
}

impl Known {
    /// What the index says of the first `size` entries of a ledger. `checkpoint_key` is the one in force there.
    ///
    /// # Errors
    /// When the store cannot be read; integrity when the index or a statement is damaged.
    pub(super) fn read(ledger: &Ledger, size: u64, checkpoint_key: &PublicKey) -> Result<Self> {
        let (store, mut known) = (&*ledger.store, Self::default());
        for mut record in index::key_records(store)?.into_iter().filter(|record| record.enrolled < size) {
            if record.revoked.is_some_and(|revoked| revoked >= size) {
                (record.revoked, record.suspect_since) = (None, None);
            }
            if record.last >= size {
                let signed = ledger.last_signed_below(&record.key.kid(), size)?;
                record.last = signed.map_or(record.enrolled, |at| at.max(record.enrolled));
            }
            known.state.keys.insert(record.key.kid(), record);
        }
        store.index_scan(&index::key(Table::Ref, &[]), false, &mut |key, value| {
            let (reference, content, at) = index::read_ref_row(key, value)?;
            if at < size {
                known.bound_by.insert(reference.clone(), at);
                known.state.refs.insert(reference, content);
            }
            Ok(true)
        })?;
        let later = checkpoint_keys_since(ledger, size)?;
        store.index_scan(&index::key(Table::CheckpointKey, &[]), false, &mut |key, _| {
            let kid = key.get(1..).and_then(|kid| kid.try_into().ok()).map(Kid);
            known.state.checkpoint_keys.extend(kid.filter(|kid| !later.contains(kid)));
            Ok(true)
        })?;
        known.state.checkpoint_key = Some(checkpoint_key.clone());
        known.state.snapshots = snapshots_below(ledger, size)?;
        Ok(known)
    }

    /// SHA-256 over the ledger's id and name and, in their order, over all that is known.
    pub(super) fn digest(state: &State, bound_by: &HashMap<String, u64>, ledger: &Ledger) -> Result<Hash> {
        let mut rows = rows(state, bound_by)?;
        rows.extend(
            state.snapshots.iter().map(|name| (index::key(Table::Subject, &[name.as_bytes()]), Vec::new())),
        );
        rows.sort();
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        [b"promptos state 1".as_slice(), &ledger.id().0, ledger.name().as_bytes()]
            .into_iter()
            .for_each(&mut add);
        rows.iter().for_each(|(key, value)| {
            add(key);
            add(value);
        });
        Ok(hash.finalize().into())
    }
}

/// The index rows of keys and refs.
pub(super) fn rows(state: &State, bound_by: &HashMap<String, u64>) -> Result<Vec<Row>> {
    let mut rows = state.keys.values().map(index::key_row).collect::<Result<Vec<_>>>()?;
    for (reference, content) in &state.refs {
        let at = bound_by.get(reference).copied().unwrap_or_default();
        rows.extend(index::ref_rows(reference, content, at));
    }
    rows.extend(state.checkpoint_key.as_ref().map(index::checkpoint_key_row));
    rows.extend(state.checkpoint_keys.iter().map(index::past_checkpoint_key_row));
    Ok(rows)
}

/// The checkpoint keys that entries from `size` on bring in.
fn checkpoint_keys_since(ledger: &Ledger, size: u64) -> Result<BTreeSet<Kid>> {
    let mut keys = BTreeSet::new();
    ledger.store.scan(size..u64::MAX, &mut |at, bytes| {
        if let Body::Key(KeyChange::Checkpoint { key }) = &super::decode(at, bytes.to_vec())?.body {
            keys.insert(key.kid());
        }
        Ok(true)
    })?;
    Ok(keys)
}

/// The names that snapshots below `size` took. A statement of another version takes none.
fn snapshots_below(ledger: &Ledger, size: u64) -> Result<HashSet<String>> {
    let mut names = HashSet::new();
    for entry in ledger.of_kind("snapshot")?.into_iter().filter(|entry| entry.index < size) {
        if matches!(entry.statement.body, Body::Snapshot(_)) {
            names.insert(entry.statement.name);
        }
    }
    Ok(names)
}
