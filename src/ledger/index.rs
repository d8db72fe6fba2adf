//! The derived index: what is looked up without reading the whole log. Every row follows from the
//! statements and the manifests they name, so the index can be thrown away and written anew, and an
//! audit compares it row by row.

use crate::error::{Error, Result};
use crate::store::Store;
use ledger_format::evidence::Evidence;
use ledger_format::rules::{Binding, Change, KeyRecord, View};
use ledger_format::{Address, Body, EntryId, Kid, Manifest, PublicKey, Roles, Statement, Used};
use serde::{Deserialize, Serialize};

pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// First byte of a row's key: what the row is about.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Table {
    /// kid -> [`KeyRow`].
    Key = b'k',
    /// nothing -> the checkpoint key in force; kid of every one there ever was -> nothing.
    CheckpointKey = b'h',
    /// ref, 0 -> address, index of the entry that bound it.
    Ref = b'r',
    /// entry id -> index.
    Id = b'i',
    /// kind, '/', name, 0, index -> entry id.
    Subject = b's',
    /// kid, index -> kind.
    SignedBy = b'q',
    /// BLAKE3, index -> nothing: the entry names this content, itself or in its manifest.
    Content = b'c',
    /// ref, 0, index -> nothing: the start, session or render used this ref.
    RefUse = b'u',
    /// entry id, index -> nothing: the run cites this session; or the session this snapshot, render, start or event;
    /// the start this snapshot or render; the event this start.
    CitedBy = b'p',
}

pub(crate) fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![table as u8];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// The index at the end of a key.
pub(crate) fn trailing_index(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A [`KeyRecord`] as stored.
#[derive(Serialize, Deserialize)]
struct KeyRow {
    identity: String,
    key: [u8; 32],
    roles: Vec<String>,
    acting_for: Option<String>,
    enrolled: u64,
    revoked: Option<u64>,
    suspect_since: Option<[u8; 32]>,
    last: u64,
}

pub(crate) fn key_row(record: &KeyRecord) -> Result<Row> {
    let row = KeyRow {
        identity: record.identity.clone(),
        key: record.key.to_bytes(),
        roles: record.roles.names().into_iter().map(str::to_owned).collect(),
        acting_for: record.acting_for.clone(),
        enrolled: record.enrolled,
        revoked: record.revoked,
        suspect_since: record.suspect_since.map(|id| id.0),
        last: record.last,
    };
    let mut value = Vec::new();
    ciborium::into_writer(&row, &mut value)
        .map_err(|e| Error::bug("a key record does not encode").because(e))?;
    Ok((key(Table::Key, &[&record.key.kid().0]), value))
}

pub(crate) fn read_key_row(value: &[u8]) -> Result<KeyRecord> {
    let row: KeyRow = ciborium::from_reader(value).map_err(|_| damaged("a key's row"))?;
    let roles =
        Roles::from_names(row.roles.iter().map(String::as_str)).ok_or_else(|| damaged("a key's roles"))?;
    Ok(KeyRecord {
        identity: row.identity,
        key: PublicKey::new(&row.key).map_err(|_| damaged("a key"))?,
        roles,
        acting_for: row.acting_for,
        enrolled: row.enrolled,
        revoked: row.revoked,
        suspect_since: row.suspect_since.map(EntryId),
        last: row.last,
    })
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::integrity(format!("the ledger's index is damaged: {what} cannot be read")).hint(
        "the index is derived; 'promptos doctor' tells whether the statements are intact, and writes it anew",
    )
}

/// What a statement names and the index looks into, as far as the blobs are here.
#[derive(Default)]
pub(crate) struct Documents {
    pub(crate) manifest: Option<Manifest>,
    /// Evidence of other ledgers' sessions, by the address of its tar.
    pub(crate) evidence: Vec<(Address, Evidence)>,
}

/// The rows that a statement adds, apart from those of [`change_rows`].
pub(crate) fn statement_rows(index: u64, s: &Statement, documents: &Documents) -> Vec<Row> {
    let at = index.to_be_bytes();
    let mut rows = vec![
        (key(Table::Id, &[&s.id.0]), at.to_vec()),
        (key(Table::Subject, &[s.subject().as_bytes(), &[0], &at]), s.id.0.to_vec()),
        (key(Table::SignedBy, &[&s.kid.0, &at]), s.kind.as_bytes().to_vec()),
    ];
    let content = |address: &Address| (key(Table::Content, &[&address.0, &at]), Vec::new());
    let cites = |id: &EntryId| (key(Table::CitedBy, &[&id.0, &at]), Vec::new());
    rows.extend(s.body.contents().into_iter().map(|d| content(&d.blake3)));
    let uses = |used: &Used| (key(Table::RefUse, &[used.reference.as_bytes(), &[0], &at]), Vec::new());
    rows.extend(s.body.used().iter().map(uses));
    match &s.body {
        Body::Start(_) | Body::Event(_) | Body::Session(_) => {
            rows.extend(s.body.cites().iter().map(|(id, _)| cites(id)));
        }
        Body::Render(render) => rows.push(content(&render.output.blake3)),
        Body::Run(run) => rows.extend(run.sessions.iter().map(|cited| cites(&cited.entry))),
        _ => {}
    }
    let files = documents.manifest.iter().flat_map(|manifest| &manifest.files);
    rows.extend(files.map(|file| content(&file.content.blake3)));
    rows.extend(documents.evidence.iter().flat_map(|(_, evidence)| evidence.blobs.keys()).map(content));
    // Content may be named twice; each row counts once, so that an audit can tell how many there must be.
    rows.sort();
    rows.dedup();
    rows
}

/// The manifest that a statement names.
pub(crate) fn manifest_of(body: &Body) -> Option<Address> {
    match body {
        Body::Start(session) | Body::Session(session) => session.attachments.as_ref(),
        Body::Event(event) => event.attachments.as_ref(),
        Body::Run(run) => run.manifest.as_ref(),
        Body::Snapshot(snapshot) => Some(&snapshot.manifest),
        _ => None,
    }
    .map(|descriptor| descriptor.blake3)
}

/// The rows that an accepted statement's changes write, given the records as they stand before it; and the records
/// that it changes, as they stand after it.
pub(crate) fn change_rows<V: View<Error = Error>>(
    view: &V,
    index: u64,
    changes: &[Change],
) -> Result<(Vec<Row>, Vec<KeyRecord>)> {
    // A statement may change one key twice (it signs, and it ends): the records are changed first.
    let mut state = ledger_format::rules::State::default();
    for change in changes {
        if let Change::Signed(kid, _) | Change::Revoke(kid, ..) = change
            && !state.keys.contains_key(kid)
            && let Some(record) = view.key(kid)?
        {
            state.keys.insert(*kid, record);
        }
        state.apply(change.clone());
    }
    let mut rows = state.keys.values().map(key_row).collect::<Result<Vec<_>>>()?;
    for change in changes {
        match change {
            Change::Bind(reference, content) => rows.push(ref_row(reference, content, index)),
            Change::CheckpointKey(public) => {
                rows.extend([checkpoint_key_row(public), past_checkpoint_key_row(&public.kid())]);
            }
            _ => {}
        }
    }
    Ok((rows, state.keys.into_values().collect()))
}

pub(crate) fn ref_row(reference: &str, content: &Address, index: u64) -> Row {
    let value = [content.0.as_slice(), &index.to_be_bytes()].concat();
    (key(Table::Ref, &[reference.as_bytes(), &[0]]), value)
}

/// The checkpoint key in force.
pub(crate) fn checkpoint_key(store: &dyn Store) -> Result<[u8; 32]> {
    let value = store.index_get(&key(Table::CheckpointKey, &[]))?;
    value.and_then(|value| value.try_into().ok()).ok_or_else(|| damaged("the checkpoint key"))
}

pub(crate) fn checkpoint_key_row(public: &PublicKey) -> Row {
    (key(Table::CheckpointKey, &[]), public.to_bytes().to_vec())
}

pub(crate) fn past_checkpoint_key_row(kid: &Kid) -> Row {
    (key(Table::CheckpointKey, &[&kid.0]), Vec::new())
}

/// What a ref is bound to and the entry that bound it.
pub(crate) fn bound(store: &dyn Store, reference: &str) -> Result<Option<(Address, u64)>> {
    let Some(value) = store.index_get(&key(Table::Ref, &[reference.as_bytes(), &[0]]))? else {
        return Ok(None);
    };
    read_binding(&value).map(Some)
}

fn read_binding(value: &[u8]) -> Result<(Address, u64)> {
    let (address, index) = value.split_at_checked(32).ok_or_else(|| damaged("a ref"))?;
    let address = address.try_into().map_err(|_| damaged("a ref"))?;
    Ok((Address(address), trailing_index(index).ok_or_else(|| damaged("a ref"))?))
}

/// A row of [`Table::Ref`]: the ref, what it is bound to, and the index of the entry that bound it.
pub(crate) fn read_ref_row(key: &[u8], value: &[u8]) -> Result<(String, Address, u64)> {
    let reference = key.get(1..).and_then(|rest| rest.strip_suffix(&[0]));
    let reference = reference.and_then(|text| String::from_utf8(text.to_vec()).ok());
    let (address, index) = read_binding(value)?;
    Ok((reference.ok_or_else(|| damaged("a ref"))?, address, index))
}

pub(crate) fn index_of(store: &dyn Store, id: &EntryId) -> Result<Option<u64>> {
    let value = store.index_get(&key(Table::Id, &[&id.0]))?;
    value.map(|value| trailing_index(&value).ok_or_else(|| damaged("an entry id"))).transpose()
}

pub(crate) fn key_record(store: &dyn Store, kid: &Kid) -> Result<Option<KeyRecord>> {
    store.index_get(&key(Table::Key, &[&kid.0]))?.map(|value| read_key_row(&value)).transpose()
}

/// All keys ever enrolled, in the order of their enrolment.
pub(crate) fn key_records(store: &dyn Store) -> Result<Vec<KeyRecord>> {
    let mut records = Vec::new();
    store.index_scan(&[Table::Key as u8], false, &mut |_, value| {
        records.push(read_key_row(value)?);
        Ok(true)
    })?;
    records.sort_by_key(|record| (record.enrolled, record.key.kid()));
    Ok(records)
}

/// The index of the snapshot of this name. A statement of another version takes no name.
pub(crate) fn snapshot(store: &dyn Store, name: &str) -> Result<Option<u64>> {
    let subject = key(Table::Subject, &[b"snapshot/", name.as_bytes(), &[0]]);
    for at in indexes(store, &subject, false, usize::MAX)? {
        let bytes = store.statement(at)?.ok_or_else(|| damaged("a snapshot's name"))?;
        let statement = Statement::decode(bytes).map_err(|_| damaged("a snapshot's name"))?;
        if matches!(statement.body, Body::Snapshot(_)) && statement.name == name {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Visits the indexes at the end of the keys that begin with `prefix`.
pub(crate) fn indexes(store: &dyn Store, prefix: &[u8], reverse: bool, limit: usize) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    store.index_scan(prefix, reverse, &mut |key, _| {
        found.push(trailing_index(key).ok_or_else(|| damaged("a row"))?);
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// The rules' view of a ledger through its index.
pub(crate) struct IndexView<'a>(pub(crate) &'a dyn Store);

impl View for IndexView<'_> {
    type Error = Error;

    fn key(&self, kid: &Kid) -> Result<Option<KeyRecord>> {
        key_record(self.0, kid)
    }

    fn binding(&self, reference: &str) -> Result<Binding> {
        Ok(bound(self.0, reference)?.map_or(Binding::Free, |(content, _)| Binding::To(content)))
    }

    fn cited(&self, id: &EntryId) -> Result<Option<(u64, Option<String>)>> {
        let Some(index) = index_of(self.0, id)? else { return Ok(None) };
        let bytes = self.0.statement(index)?.ok_or_else(|| damaged("an entry id"))?;
        let statement = Statement::decode(bytes).ok().filter(|s| s.id == *id);
        Ok(Some((index, Some(statement.ok_or_else(|| damaged("an entry id"))?.kind))))
    }

    fn has_snapshot(&self, name: &str) -> Result<bool> {
        Ok(snapshot(self.0, name)?.is_some())
    }

    fn active_admins(&self) -> Result<u64> {
        let records = key_records(self.0)?;
        Ok(records.iter().filter(|key| key.roles.admin && key.revoked.is_none()).count() as u64)
    }

    fn signed_checkpoints(&self, kid: &Kid) -> Result<bool> {
        Ok(self.0.index_get(&key(Table::CheckpointKey, &[&kid.0]))?.is_some())
    }
}
