//! Evidence: one tar with a statement and all that a stranger needs to check it offline.
//!
//! In this order: `subject.cose` and `subject.tlog-proof`; `entries/<20-digit index>.cose` and
//! `.tlog-proof`, ascending, for the genesis, every `key` statement below the checkpoint, the statements
//! cited and the tombstones of erased content; `blobs/<64 hex BLAKE3>`, ascending: see [`carried`]. All proofs
//! lead to one checkpoint. A verifier writes the tar anew from its parts and compares bytes.

use crate::audit::origin;
use crate::body::{Body, KeyChange};
use crate::content::Manifest;
use crate::digest::{Address, Descriptor, EntryId, parse_hash};
use crate::failure::{Class, Failure, shown};
use crate::key::Kid;
use crate::note::{Checkpoint, InclusionProof, VerifierKey};
use crate::rules::{self, Binding, KeyRecord, State, View};
use crate::statement::Statement;
use crate::tar;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// The media type of an evidence tar.
pub const MEDIA_TYPE: &str = "application/vnd.promptos.evidence+tar";

/// A statement with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The statement.
    pub statement: Statement,
    /// Where it stands and the checkpoint that says so.
    pub proof: InclusionProof,
}

/// Packs evidence. `others` and `blobs` may come in any order and with repetitions.
#[must_use]
pub fn pack(subject: &Item, others: &[Item], blobs: &[&[u8]]) -> Vec<u8> {
    let mut tar = tar::Writer::default();
    tar.file("subject.cose", subject.statement.bytes());
    tar.file("subject.tlog-proof", &subject.proof.to_bytes());
    let others: BTreeMap<u64, &Item> = others.iter().map(|item| (item.proof.index, item)).collect();
    for (index, item) in others.iter().filter(|(index, _)| **index != subject.proof.index) {
        tar.file(&format!("entries/{index:020}.cose"), item.statement.bytes());
        tar.file(&format!("entries/{index:020}.tlog-proof"), &item.proof.to_bytes());
    }
    let blobs: BTreeMap<Address, &[u8]> = blobs.iter().map(|blob| (Address::of(blob), *blob)).collect();
    for (address, blob) in blobs {
        tar.file(&format!("blobs/{}", hex::encode(address.0)), blob);
    }
    tar.finish()
}

/// The content that evidence for `subject` carries: what it describes, what the statements that it cites describe,
/// and the kept files of a snapshot. Of the snapshot and the renders of a session, or of its start, there is the
/// statement alone: a snapshot's manifest names prompts that are no part of the session. `blob` finds content that is
/// there.
///
/// # Errors
/// Those of `blob`; the inner one when a snapshot's manifest is none.
pub fn carried<'a, B: AsRef<[u8]>, E>(
    subject: &'a Statement,
    cited: impl IntoIterator<Item = &'a Statement>,
    blob: impl FnOnce(&Address) -> Result<Option<B>, E>,
) -> Result<Result<Vec<Descriptor>, Failure>, E> {
    let whole = |cited: &&Statement| match subject.body {
        Body::Start(_) | Body::Session(_) => matches!(cited.body, Body::Start(_) | Body::Event(_)),
        _ => cited.id != subject.id,
    };
    let statements = [subject].into_iter().chain(cited.into_iter().filter(whole));
    let mut all: Vec<Descriptor> = statements.flat_map(|s| s.body.contents()).cloned().collect();
    if let Body::Snapshot(snapshot) = &subject.body
        && let Some(manifest) = blob(&snapshot.manifest.blake3)?
    {
        match Manifest::parse(manifest.as_ref()) {
            Ok(manifest) => all.extend(manifest.files.into_iter().filter(|f| f.kept).map(|f| f.content)),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(all))
}

/// Evidence that holds together: every signature, proof, right and digest in it agrees. Whether anyone
/// trusts its ledger or its keys is another question.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The ledger's genesis id.
    pub ledger: EntryId,
    /// The checkpoint that everything is proved against.
    pub checkpoint: Checkpoint,
    /// The checkpoint as signed.
    pub signed_checkpoint: Vec<u8>,
    /// The statement that this is about.
    pub subject: Item,
    /// The other statements, ascending.
    pub entries: Vec<Item>,
    /// The contents, by address.
    pub blobs: BTreeMap<Address, Vec<u8>>,
    /// Contents that were erased, by their tombstones in `entries`.
    pub erased: BTreeSet<Address>,
    /// The keys as of the checkpoint.
    pub keys: Vec<KeyRecord>,
    /// Evidence of other ledgers' sessions that the subject cites.
    pub nested: Vec<Evidence>,
    /// Parts that nothing calls for, by their names, fit to be shown.
    pub unexpected: Vec<String>,
}

impl Evidence {
    /// Opens evidence and checks all of it.
    ///
    /// # Errors
    /// Any [`Class`]: the first thing that does not hold.
    pub fn open(bytes: &[u8]) -> Result<Self, Failure> {
        Self::check(Parts::read(bytes)?, bytes)
    }

    fn check(parts: Parts, bytes: &[u8]) -> Result<Self, Failure> {
        let Parts { subject, entries, blobs, mut unexpected } = parts;
        let signed_checkpoint = subject.proof.checkpoint.clone();
        if entries.values().any(|item| item.proof.checkpoint != signed_checkpoint) {
            return Err(Failure::new(Class::BadProof, "the proofs lead to different checkpoints"));
        }
        let all: BTreeMap<u64, &Item> = entries
            .iter()
            .map(|(index, item)| (*index, item))
            .chain([(subject.proof.index, &subject)])
            .collect();
        let (ledger, checkpoint) = check_checkpoint(&all, &signed_checkpoint)?;
        let mut view = Partial::default();
        for (index, item) in &all {
            let other = *index != subject.proof.index;
            view.elsewhere = other;
            item.proof.verify(&item.statement.id.0, &checkpoint.head)?;
            let Ok(changes) = rules::judge(&view, *index, &item.statement);
            changes?.into_iter().for_each(|change| view.state.apply(change));
            view.entries.insert(item.statement.id, (*index, item.statement.kind.clone()));
        }

        let tombstone = |item: &&Item| match &item.statement.body {
            Body::Erase(erase) => Some(erase.content),
            _ => None,
        };
        let erased: BTreeSet<Address> = all.values().filter_map(tombstone).collect();
        let cited: BTreeSet<EntryId> = subject.statement.body.cites().into_iter().map(|(id, _)| id).collect();
        let statements = all.values().map(|item| &item.statement).filter(|s| cited.contains(&s.id));
        let Ok(carried) =
            carried(&subject.statement, statements, |address| Ok::<_, Infallible>(blobs.get(address)));
        let mut wanted = BTreeSet::new();
        for descriptor in carried? {
            wanted.insert(descriptor.blake3);
            match blobs.get(&descriptor.blake3) {
                Some(blob) if descriptor.matches(blob) => {}
                Some(_) => {
                    let detail = format!("{} has another SHA-256 or length than stated", descriptor.blake3);
                    return Err(Failure::new(Class::WrongHash, detail));
                }
                None if erased.contains(&descriptor.blake3) => {}
                None => {
                    let detail = format!("{} is not in the evidence", descriptor.blake3);
                    return Err(Failure::new(Class::WrongHash, detail));
                }
            }
        }
        for (index, item) in &entries {
            let called_for = match &item.statement.body {
                Body::Ledger(_) | Body::Key(_) => true,
                _ if cited.contains(&item.statement.id) => true,
                Body::Erase(erase) => wanted.contains(&erase.content) && !blobs.contains_key(&erase.content),
                _ => false,
            };
            if !called_for {
                unexpected.push(format!("entries/{index:020}.cose"));
            }
        }
        let extra = blobs.keys().filter(|address| !wanted.contains(address));
        unexpected.extend(extra.map(|address| format!("blobs/{}", hex::encode(address.0))));

        rules::check_foreign(&subject.statement, &ledger)?;
        let nested = nested(&subject.statement, &blobs)?;
        for inner in &nested {
            let name = |part: &String| format!("in the evidence for {}: {part}", inner.subject.statement.id);
            unexpected.extend(inner.unexpected.iter().map(name));
        }
        let mut keys: Vec<_> = view.state.keys.into_values().collect();
        keys.sort_by_key(|key| (key.enrolled, key.key.kid()));
        let entries: Vec<Item> = entries.into_values().collect();
        if unexpected.is_empty() {
            let blobs: Vec<&[u8]> = blobs.values().map(Vec::as_slice).collect();
            if pack(&subject, &entries, &blobs) != bytes {
                let detail = "the evidence tar has another order, names or metadata than the format's";
                return Err(Failure::new(Class::NonCanonical, detail));
            }
        }
        Ok(Self {
            ledger,
            checkpoint,
            signed_checkpoint,
            subject,
            entries,
            blobs,
            erased,
            keys,
            nested,
            unexpected,
        })
    }

    /// The record of a key, as of the checkpoint.
    #[must_use]
    pub fn key(&self, kid: &Kid) -> Option<&KeyRecord> {
        self.keys.iter().find(|record| record.key.kid() == *kid)
    }
}

/// The tar's files by what they are.
struct Parts {
    subject: Item,
    entries: BTreeMap<u64, Item>,
    blobs: BTreeMap<Address, Vec<u8>>,
    unexpected: Vec<String>,
}

impl Parts {
    fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        for (name, content) in tar::read(bytes)? {
            if files.contains_key(&name) {
                return Err(Failure::malformed(format!("evidence tar: {} is there twice", shown(&name))));
            }
            files.insert(name, content);
        }
        let mut item = |stem: &str| -> Result<Item, Failure> {
            let mut file = |suffix: &str| {
                let missing = || Failure::malformed(format!("evidence tar: {stem}.{suffix} is missing"));
                files.remove(&format!("{stem}.{suffix}")).ok_or_else(missing)
            };
            let statement = Statement::decode(file("cose")?.to_vec())?;
            Ok(Item { statement, proof: InclusionProof::parse(file("tlog-proof")?)? })
        };
        let subject = item("subject")?;
        let mut entries = BTreeMap::new();
        let mut blobs = BTreeMap::new();
        let mut unexpected = Vec::new();
        while let Some((name, content)) = files.pop_first() {
            if let Some(index) = name.strip_prefix("entries/").and_then(|rest| entry_index(rest, ".cose")) {
                let proof = format!("entries/{index:020}.tlog-proof");
                let missing = || Failure::malformed(format!("evidence tar: {proof} is missing"));
                let proof = InclusionProof::parse(files.remove(&proof).ok_or_else(missing)?)?;
                let statement = Statement::decode(content.to_vec())?;
                if proof.index != index {
                    let detail = format!("{name} is proved for index {}", proof.index);
                    return Err(Failure::new(Class::BadProof, detail));
                }
                entries.insert(index, Item { statement, proof });
            } else if let Some(hash) = name.strip_prefix("blobs/").and_then(parse_hash) {
                let address = Address(hash);
                if Address::of(content) != address {
                    return Err(Failure::new(Class::WrongHash, format!("{name} does not hash to its name")));
                }
                blobs.insert(address, content.to_vec());
            } else {
                unexpected.push(shown(&name));
            }
        }
        if entries.contains_key(&subject.proof.index) {
            return Err(Failure::malformed("evidence tar: the subject is there twice"));
        }
        Ok(Self { subject, entries, blobs, unexpected })
    }
}

fn entry_index(rest: &str, suffix: &str) -> Option<u64> {
    let digits = rest.strip_suffix(suffix)?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The ledger that the evidence is of, and its checkpoint, signed by the checkpoint key in force.
fn check_checkpoint(all: &BTreeMap<u64, &Item>, signed: &[u8]) -> Result<(EntryId, Checkpoint), Failure> {
    let genesis = all.get(&0).map(|item| &item.statement);
    let Some((genesis, Body::Ledger(ledger))) = genesis.map(|s| (s, &s.body)) else {
        return Err(Failure::malformed("the evidence has no genesis"));
    };
    let mut key = ledger.checkpoint_key.clone();
    for item in all.values() {
        if let Body::Key(KeyChange::Checkpoint { key: next }) = &item.statement.body {
            key = next.clone();
        }
    }
    let vkey = VerifierKey { name: origin(&ledger.name, &genesis.id), key };
    Ok((genesis.id, Checkpoint::open(signed, &vkey)?))
}

/// Opens the evidence of foreign sessions that a run carries.
fn nested(subject: &Statement, blobs: &BTreeMap<Address, Vec<u8>>) -> Result<Vec<Evidence>, Failure> {
    let Body::Run(run) = &subject.body else { return Ok(Vec::new()) };
    let carried = run.sessions.iter().filter_map(|cited| {
        let foreign = cited.foreign.as_ref()?;
        blobs.get(&foreign.evidence.blake3).map(|tar| prove(&cited.entry, &foreign.ledger, tar))
    });
    carried.collect()
}

/// Opens the evidence that a run brings for a session of another ledger, and checks that it is about
/// just that session. Sessions cite no sessions, so evidence within evidence goes one level deep.
///
/// # Errors
/// As [`Evidence::open`]; [`Class::Malformed`] when it is not about a session, [`Class::BadProof`] when
/// it is about another entry or ledger.
pub fn prove(session: &EntryId, ledger: &EntryId, tar: &[u8]) -> Result<Evidence, Failure> {
    let parts = Parts::read(tar)?;
    if !matches!(parts.subject.statement.body, Body::Session(_)) {
        let kind = &parts.subject.statement.kind;
        return Err(Failure::malformed(format!("{session} is cited as a session and is of kind '{kind}'")));
    }
    let evidence = Evidence::check(parts, tar)?;
    if evidence.ledger != *ledger || evidence.subject.statement.id != *session {
        let detail = format!("the evidence for {session} is about another entry or ledger");
        return Err(Failure::new(Class::BadProof, detail));
    }
    Ok(evidence)
}

/// What evidence shows of its ledger: all keys, some entries, no bindings.
#[derive(Default)]
struct Partial {
    state: State,
    entries: BTreeMap<EntryId, (u64, String)>,
    /// While judging another statement than the subject: only what the subject cites has to be here, so what a
    /// revocation names in `since`, or a run or session in turn, counts as found. The checkpoint's keeper judged it.
    elsewhere: bool,
}

impl View for Partial {
    type Error = Infallible;

    fn key(&self, kid: &Kid) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self.state.keys.get(kid).cloned())
    }

    fn binding(&self, _: &str) -> Result<Binding, Infallible> {
        Ok(Binding::Unknown)
    }

    fn cited(&self, id: &EntryId) -> Result<Option<(u64, Option<String>)>, Infallible> {
        let here = self.entries.get(id).map(|(at, kind)| (*at, Some(kind.clone())));
        Ok(here.or_else(|| self.elsewhere.then_some((0, None))))
    }

    fn has_snapshot(&self, _: &str) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn active_admins(&self) -> Result<u64, Infallible> {
        Ok(self.state.active_admins())
    }

    fn signed_checkpoints(&self, kid: &Kid) -> Result<bool, Infallible> {
        Ok(self.state.checkpoint_keys.contains(kid))
    }
}
