//! The derived index: what is looked up without reading the whole log. Every row follows from the
//! statements and the manifests they name, so the index can be thrown away and written anew, and an
//! audit compares it row by row.
//!
//! Most rows are pointers: eight bytes of what is looked up, and the index of an entry where it may be found. Others may
//! begin with the same eight bytes, so whoever follows a pointer asks the entry itself.

use crate::error::{Error, Result};
use crate::store::{POINTER, Store};
use ledger_format::evidence::Evidence;
use ledger_format::rules::{Binding, Change, KeyRecord, View};
use ledger_format::tree::leaf_hash;
use ledger_format::{Address, Body, EntryId, Kid, Manifest, PublicKey, Roles, Statement};
use serde::{Deserialize, Serialize};

pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// The key of a row without a value: table, tag, and index of an entry.
pub(crate) type Pointer = [u8; POINTER];

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
    /// BLAKE3, ref -> nothing: the ref is bound to this content.
    BoundTo = b'b',
    // Pointers, which a store knows by their highest bit.
    /// Entry id.
    Id = 0x80 | b'i',
    /// Number of the kind, hash of kind, '/', name.
    Subject = 0x80 | b's',
    /// kid, number of the kind.
    SignedBy = 0x80 | b'q',
    /// BLAKE3: the entry names this content, itself or in its manifest. Prompts that it uses are found by their refs.
    Content = 0x80 | b'c',
    /// Hash of a ref: the start, session or render used it.
    RefUse = 0x80 | b'u',
    /// Entry id: the run cites this session; or the session this snapshot, render, start or event;
    /// the start this snapshot or render; the event this start.
    CitedBy = 0x80 | b'p',
}

pub(crate) fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![table as u8];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// So many bytes of what is looked up stand in a pointer. The tests of this crate have one, so that what is looked up
/// collides all the time.
pub(crate) const TAG: usize = if cfg!(test) { 1 } else { 8 };

/// What a pointer begins with, after its table.
pub(crate) type Tag = [u8; 8];

pub(crate) fn tag(hash: &[u8; 32]) -> Tag {
    let mut tag = [0; 8];
    tag.iter_mut().zip(hash).take(TAG).for_each(|(to, from)| *to = *from);
    tag
}

const KINDS: [&str; 11] =
    ["ledger", "key", "prompt", "session", "run", "import", "erase", "snapshot", "render", "start", "event"];

/// 0 for kinds that this version does not know.
pub(crate) fn kind_number(kind: &str) -> u8 {
    KINDS.iter().zip(1..).find(|(known, _)| **known == kind).map_or(0, |(_, number)| number)
}

pub(crate) fn subject_tag(subject: &str) -> Tag {
    let kind = subject.split_once('/').map_or(subject, |(kind, _)| kind);
    let [a, b, c, d, e, f, g, _] = tag(blake3::hash(subject.as_bytes()).as_bytes());
    [kind_number(kind), a, b, c, d, e, f, g]
}

pub(crate) fn signer_tag(kid: &Kid, kind: &str) -> Tag {
    let [a, b, c, d, e, f, g, _] = tag(&kid.0);
    [a, b, c, d, e, f, g, kind_number(kind)]
}

/// Those of all kinds.
pub(crate) fn signer_tags(kid: &Kid) -> impl Iterator<Item = Tag> {
    let kinds = std::iter::once("").chain(KINDS);
    kinds.map(|kind| signer_tag(kid, kind))
}

pub(crate) fn ref_tag(reference: &str) -> Tag {
    tag(blake3::hash(reference.as_bytes()).as_bytes())
}

/// A pointer to an entry.
pub(crate) fn pointer(table: Table, tag: &Tag, index: u64) -> Pointer {
    let ([a, b, c, d, e, f, g, h], [_, _, _, i, j, k, l, m]) = (*tag, index.to_be_bytes());
    [table as u8, a, b, c, d, e, f, g, h, i, j, k, l, m]
}

/// Where a pointer leads to.
pub(crate) fn pointed(key: &[u8]) -> Option<u64> {
    let at: &[u8; 5] = key.last_chunk()?;
    Some(at.iter().fold(0, |index, byte| index << 8 | u64::from(*byte)))
}

/// Where the pointers lead to that begin with `prefix`, in order.
pub(crate) fn candidates(store: &dyn Store, table: Table, prefix: &[u8]) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    store.index_scan(&key(table, &[prefix]), false, &mut |key, _| {
        found.push(pointed(key).ok_or_else(|| damaged("a row"))?);
        Ok(true)
    })?;
    found.sort_unstable();
    Ok(found)
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

/// The rows that a statement adds, apart from those of [`change_rows`]: their keys, since they have no values.
pub(crate) fn pointers(index: u64, s: &Statement, documents: &Documents) -> Vec<Pointer> {
    let row = |table, tag: &Tag| pointer(table, tag, index);
    let mut rows = Vec::with_capacity(8);
    rows.extend([
        row(Table::Id, &tag(&s.id.0)),
        row(Table::Subject, &subject_tag(&s.subject())),
        row(Table::SignedBy, &signer_tag(&s.kid, &s.kind)),
    ]);
    rows.extend(named(&s.body, documents).map(|address| row(Table::Content, &tag(&address.0))));
    rows.extend(s.body.used().iter().map(|used| row(Table::RefUse, &ref_tag(&used.reference))));
    rows.extend(cited(&s.body).map(|id| row(Table::CitedBy, &tag(&id.0))));
    // Content may be named twice; each row counts once, so that an audit can tell how many there must be.
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The content that a statement names, itself or in its documents, but for the prompts that it uses.
pub(crate) fn named<'a>(body: &'a Body, documents: &'a Documents) -> impl Iterator<Item = Address> + 'a {
    let output = match body {
        Body::Render(render) => Some(render.output.blake3),
        _ => None,
    };
    let own = body.contents().into_iter().map(|described| described.blake3).chain(output);
    let listed =
        documents.manifest.iter().flat_map(|manifest| &manifest.files).map(|file| file.content.blake3);
    let inside = documents.evidence.iter().flat_map(|(_, evidence)| evidence.blobs.keys().copied());
    let uses = |address: &Address| body.used().iter().any(|used| used.content.blake3 == *address);
    own.chain(listed).chain(inside).filter(move |address| !uses(address))
}

/// The entries by which a statement is found, since it cites them.
pub(crate) fn cited(body: &Body) -> impl Iterator<Item = EntryId> + '_ {
    let (own, sessions) = match body {
        Body::Start(_) | Body::Event(_) | Body::Session(_) => (body.cites(), &[][..]),
        Body::Run(run) => (Vec::new(), run.sessions.as_slice()),
        _ => (Vec::new(), &[][..]),
    };
    own.into_iter().map(|(id, _)| id).chain(sessions.iter().map(|session| session.entry))
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

/// The rows that an accepted statement's changes write, but for those of keys.
pub(crate) fn change_rows(index: u64, changes: &[Change]) -> Vec<Row> {
    let mut rows = Vec::new();
    for change in changes {
        match change {
            Change::Bind(reference, content) => rows.extend(ref_rows(reference, content, index)),
            Change::CheckpointKey(public) => {
                rows.extend([checkpoint_key_row(public), past_checkpoint_key_row(&public.kid())]);
            }
            _ => {}
        }
    }
    rows
}

/// The records of the keys that an accepted statement changes, as they stand after it, given those before it.
pub(crate) fn changed_keys<V: View<Error = Error>>(
    view: &V,
    changes: &[Change],
) -> Result<Vec<(Kid, KeyRecord)>> {
    let mut keys: Vec<(Kid, KeyRecord)> = Vec::new();
    for change in changes {
        match change {
            Change::Enrol(record) => keys.push((record.key.kid(), KeyRecord::clone(record))),
            // A statement may change one key twice: it signs, and it ends.
            Change::Signed(kid, _) | Change::Revoke(kid, ..) => {
                if !keys.iter().any(|(known, _)| known == kid) {
                    keys.extend(view.key(kid)?.map(|record| (*kid, record)));
                }
                let changed = keys.iter_mut().filter(|(known, _)| known == kid);
                changed.for_each(|(_, record)| record.apply(change));
            }
            _ => {}
        }
    }
    Ok(keys)
}

pub(crate) fn ref_rows(reference: &str, content: &Address, index: u64) -> [Row; 2] {
    let value = [content.0.as_slice(), &index.to_be_bytes()].concat();
    [
        (key(Table::Ref, &[reference.as_bytes(), &[0]]), value),
        (key(Table::BoundTo, &[&content.0, reference.as_bytes()]), Vec::new()),
    ]
}

/// The refs that are bound to this content.
pub(crate) fn refs_bound_to(store: &dyn Store, content: &Address) -> Result<Vec<String>> {
    let mut refs = Vec::new();
    store.index_scan(&key(Table::BoundTo, &[&content.0]), false, &mut |key, _| {
        let reference = key.get(33..).and_then(|reference| String::from_utf8(reference.to_vec()).ok());
        refs.push(reference.ok_or_else(|| damaged("a ref"))?);
        Ok(true)
    })?;
    Ok(refs)
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
    let (address, index) = value.split_first_chunk().ok_or_else(|| damaged("a ref"))?;
    let index = index.try_into().map_err(|_| damaged("a ref"))?;
    Ok((Address(*address), u64::from_be_bytes(index)))
}

/// A row of [`Table::Ref`]: the ref, what it is bound to, and the index of the entry that bound it.
pub(crate) fn read_ref_row(key: &[u8], value: &[u8]) -> Result<(String, Address, u64)> {
    let reference = key.get(1..).and_then(|rest| rest.strip_suffix(&[0]));
    let reference = reference.and_then(|text| String::from_utf8(text.to_vec()).ok());
    let (address, index) = read_binding(value)?;
    Ok((reference.ok_or_else(|| damaged("a ref"))?, address, index))
}

/// The statement with this id, and its index.
pub(crate) fn located(store: &dyn Store, id: &EntryId) -> Result<Option<(u64, Vec<u8>)>> {
    for at in candidates(store, Table::Id, &tag(&id.0))? {
        let bytes = store.statement(at)?.ok_or_else(|| damaged("an entry id"))?;
        if leaf_hash(&bytes) == id.0 {
            return Ok(Some((at, bytes)));
        }
    }
    Ok(None)
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
    for at in candidates(store, Table::Subject, &subject_tag(&format!("snapshot/{name}")))? {
        let bytes = store.statement(at)?.ok_or_else(|| damaged("a snapshot's name"))?;
        let statement = Statement::decode(bytes).map_err(|_| damaged("a snapshot's name"))?;
        if matches!(statement.body, Body::Snapshot(_)) && statement.name == name {
            return Ok(Some(at));
        }
    }
    Ok(None)
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
        let Some((index, bytes)) = located(self.0, id)? else { return Ok(None) };
        let statement = Statement::decode(bytes).map_err(|_| damaged("an entry id"))?;
        Ok(Some((index, Some(statement.kind))))
    }

    fn has_snapshot(&self, name: &str) -> Result<bool> {
        Ok(snapshot(self.0, name)?.is_some())
    }

    fn active_admins(&self) -> Result<u64> {
        Ok(key_records(self.0)?.iter().filter(|key| key.is_active_admin()).count() as u64)
    }

    fn signed_checkpoints(&self, kid: &Kid) -> Result<bool> {
        Ok(self.0.index_get(&key(Table::CheckpointKey, &[&kid.0]))?.is_some())
    }
}
