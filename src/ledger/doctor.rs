//! What is lost of a damaged ledger and what is not, copying out what is not, and writing a ledger anew of which nothing
//! is lost. Nothing here changes a ledger file; a rebuilt one takes its place.
//!
//! The engine is asked first, key by key, so that one damaged page does not hide the others. Where it fails, the
//! file is searched byte by byte: statements prove themselves by their signature and their place in the tree,
//! contents by their address.

use super::{BlobState, Event, Finding, Ledger, Options, audit};
use crate::error::{Error, Kind, Result};
use crate::store::{Carved, Hash, Head, RedbStore, Store, TileId};
use ledger_format::tree::Frontier;
use ledger_format::{Address, Body, EntryId, KeyChange, Kid, Manifest, PublicKey, Statement};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No statement is shorter, so that a damaged head cannot claim more than the file can hold.
const SHORTEST: u64 = 128;

/// What a doctor finds.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// The ledger file.
    pub path: PathBuf,
    /// The ledger's name, if its genesis was found.
    pub name: Option<String>,
    /// Its id as hex.
    pub ledger: Option<String>,
    /// How many entries the ledger claims, or must have had by what is left of it.
    pub size: u64,
    /// How many of them are intact.
    pub intact: u64,
    /// The indexes of those that are not.
    pub lost: Vec<u64>,
    /// Intact statements whose place nothing tells; some may be of other ledgers, kept as evidence.
    pub unplaced: Vec<String>,
    /// How many contents are intact.
    pub contents: u64,
    /// How many were erased, as an entry says.
    pub erased: u64,
    /// Contents that the ledger should have and that are damaged or not here.
    pub lost_contents: Vec<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// A ledger file after its examination, with what was found in it.
pub struct Examined {
    /// What is wrong with it.
    pub diagnosis: Diagnosis,
    store: Option<RedbStore>,
    carved: Option<Carved>,
    entries: BTreeMap<u64, Statement>,
    unplaced: Vec<Statement>,
    contents: BTreeSet<Address>,
    /// Contents that the store lists or an entry names. Others were left behind in free pages.
    members: BTreeSet<Address>,
}

/// Examines a ledger file, however damaged. `expected` is the ledger that was last seen here, with its head.
///
/// # Errors
/// When there is no ledger file, it is no ledger, or it cannot be read: not when it is damaged.
pub fn examine(
    path: &Path,
    expected: Option<(EntryId, Head)>,
    lock_timeout: Duration,
    events: &mut dyn FnMut(Event),
) -> Result<Examined> {
    let mut findings = Vec::new();
    let store = match RedbStore::examine(path, lock_timeout, events) {
        Ok(store) => Some(store),
        Err(error) if error.kind() == Kind::Integrity => {
            let meaning = "the database cannot be opened; what follows was found by searching the file";
            findings.push(Finding { code: "damaged", entry: None, message: error.to_string(), meaning });
            None
        }
        Err(error) => return Err(error),
    };
    if store.is_some() {
        findings.extend(audited(path, expected, lock_timeout)?);
    }
    let mut pool = Pool::default();
    let claimed = store.as_ref().and_then(|store| store.head().ok().flatten()).map_or(0, |head| head.size);
    let possible = path.metadata().map_or(0, |file| file.len() / SHORTEST);
    let size = claimed.min(possible);
    for (store, at) in store.iter().flat_map(|store| (0..size).map(move |at| (store, at))) {
        if let Ok(Some(bytes)) = store.statement(at) {
            pool.add(&bytes, Some(at));
        }
    }
    let whole = findings.is_empty() && pool.all.len() as u64 == claimed;
    let carved = match whole {
        true => None,
        false => Some(Carved::read(path, &envelope, &mut |bytes| pool.add(bytes, None))?),
    };
    let leaves = store.as_ref().map(leaves).unwrap_or_default();
    let seen = expected.map_or(0, |(_, head)| head.size).min(possible);
    let (entries, unplaced) =
        pool.place(size.max(leaves.len() as u64).max(seen), &leaves, expected.map(|(id, _)| id));
    let size = size.max(entries.keys().next_back().map_or(0, |last| last + 1)).max(seen);
    let lost: Vec<u64> = (0..size).filter(|at| !entries.contains_key(at)).collect();
    let genesis = entries.get(&0);
    let name = genesis.and_then(|genesis| match &genesis.body {
        Body::Ledger(ledger) => Some(ledger.name.clone()),
        _ => None,
    });
    let diagnosis = Diagnosis {
        path: path.to_owned(),
        name,
        ledger: genesis.map(|genesis| hex::encode(genesis.id.0)),
        size,
        intact: entries.len() as u64,
        lost,
        unplaced: unplaced.iter().map(|statement| statement.id.to_string()).collect(),
        contents: 0,
        erased: 0,
        lost_contents: Vec::new(),
        findings,
    };
    let (contents, members) = (BTreeSet::new(), BTreeSet::new());
    let mut examined = Examined { diagnosis, store, carved, entries, unplaced, contents, members };
    examined.find_contents(path)?;
    examined.conclude(expected);
    Ok(examined)
}

/// What `verify-chain` would find, and whether erased bytes are left.
fn audited(path: &Path, expected: Option<(EntryId, Head)>, lock_timeout: Duration) -> Result<Vec<Finding>> {
    let damaged = |error: Error| match error.kind() {
        Kind::Unavailable => Err(error),
        _ => {
            let meaning = "the ledger cannot be audited to its end";
            Ok(vec![Finding { code: "damaged", entry: None, message: error.to_string(), meaning }])
        }
    };
    let store = match RedbStore::examine(path, lock_timeout, &mut |_| {}) {
        Ok(store) => store,
        Err(error) => return damaged(error),
    };
    let unscrubbed = store.unscrubbed();
    let ledger = match Ledger::open(Box::new(store)) {
        Ok(ledger) => ledger,
        Err(error) => return damaged(error),
    };
    let pinned = expected.filter(|(id, _)| *id == ledger.id()).map(|(_, head)| head);
    let mut findings = match audit(&ledger, &Options { pinned, ..Options::default() }, &mut |_| {}) {
        Ok(report) => report.findings,
        Err(error) => damaged(error)?,
    };
    if unscrubbed.is_ok_and(|unscrubbed| unscrubbed) {
        findings.push(Finding {
            code: "unscrubbed",
            entry: None,
            message: "an erasure was stopped before the ledger file was written anew".to_owned(),
            meaning: "nothing is lost; bytes that were to go are still in the file: run the same erase again",
        });
    }
    Ok(findings)
}

/// The leaf hashes that the stored tree remembers.
fn leaves(store: &RedbStore) -> Vec<Hash> {
    let mut leaves = Vec::new();
    for index in 0.. {
        let Ok(Some(tile)) = store.tile(TileId { level: 0, index }) else { break };
        leaves.extend_from_slice(tile.as_chunks::<32>().0);
        if tile.len() < 256 * 32 {
            break;
        }
    }
    leaves
}

/// The length of the COSE_Sign1 envelope that these bytes begin with, if they do.
fn envelope(bytes: &[u8]) -> Option<usize> {
    let string = |at: usize| -> Option<usize> {
        let rest = bytes.get(at..)?;
        Some(match *rest.first()? {
            short @ 0x40..=0x57 => at + 1 + usize::from(short - 0x40),
            0x58 => at + 2 + usize::from(*rest.get(1)?),
            0x59 => at + 3 + usize::from(u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?])),
            _ => return None,
        })
    };
    if !bytes.starts_with(&[0xd2, 0x84]) {
        return None;
    }
    let unprotected = string(2)?;
    (bytes.get(unprotected) == Some(&0xa0)).then_some(())?;
    let end = string(string(unprotected + 1)?)?;
    (end <= 65_535 && end <= bytes.len()).then_some(end)
}

/// Statements that decode, with the indexes under which the store has them.
#[derive(Default)]
struct Pool {
    all: HashMap<EntryId, (Statement, BTreeSet<u64>)>,
}

impl Pool {
    fn add(&mut self, bytes: &[u8], at: Option<u64>) {
        let Ok(statement) = Statement::decode(bytes.to_vec()) else { return };
        self.all.entry(statement.id).or_insert_with(|| (statement, BTreeSet::new())).1.extend(at);
    }

    /// Every key that any of the statements enrols.
    fn keys(&self) -> HashMap<Kid, PublicKey> {
        let enrolled = self.all.values().flat_map(|(statement, _)| match &statement.body {
            Body::Ledger(ledger) => ledger.admins.iter().map(|admin| admin.key.clone()).collect(),
            Body::Key(KeyChange::Enrol { who, .. }) => vec![who.key.clone()],
            Body::Key(KeyChange::Rotate { key }) => vec![key.clone()],
            _ => Vec::new(),
        });
        enrolled.map(|key| (key.kid(), key)).collect()
    }

    /// Finds each intact statement's place: where the signed head of the statement itself fits the history
    /// before it, else where the stored tree or the store has it, else where its own head says: but not beyond
    /// the size that is `known`, since evidence of other ledgers holds statements of the same people.
    fn place(
        mut self,
        size: u64,
        leaves: &[Hash],
        id: Option<EntryId>,
    ) -> (BTreeMap<u64, Statement>, Vec<Statement>) {
        let keys = self.keys();
        self.all.retain(|id, (statement, _)| match keys.get(&statement.kid) {
            Some(key) => statement.verify(key).is_ok(),
            // Its enrolment is lost: the tree alone can vouch for it.
            None => leaves.contains(&id.0),
        });
        let mut by_head: BTreeMap<u64, Vec<EntryId>> = BTreeMap::new();
        let mut by_store: HashMap<u64, Vec<EntryId>> = HashMap::new();
        for (id, (statement, places)) in &self.all {
            by_head.entry(statement.head.size).or_default().push(*id);
            places.iter().for_each(|at| by_store.entry(*at).or_default().push(*id));
        }
        let known = size;
        let size = size
            .max(by_head.keys().next_back().map_or(0, |last| last.saturating_add(1)).min(size + 1_000_000));
        let mut placed = BTreeMap::new();
        let mut history = Some(Frontier::default());
        for at in 0..size {
            let leaf = usize::try_from(at).ok().and_then(|at| leaves.get(at)).map(|leaf| EntryId(*leaf));
            let own = by_head.get(&at).map(Vec::as_slice).unwrap_or_default();
            let root = history.as_ref().map(|history| history.head().root);
            let fits = |id: &&EntryId| {
                self.all.get(*id).is_some_and(|(statement, _)| Some(statement.head.root) == root)
            };
            let stored = by_store.get(&at).map(Vec::as_slice).unwrap_or_default();
            let lagging = |id: &&EntryId| self.all.get(*id).is_some_and(|(s, _)| s.head.size <= at);
            let genesis = |id: &EntryId| {
                at > 0 || matches!(self.all.get(id), Some((s, _)) if matches!(s.body, Body::Ledger(_)))
            };
            let choice = [
                id.filter(|_| at == 0),
                leaf,
                stored.iter().filter(lagging).find(fits).copied(),
                own.iter().find(fits).copied().filter(|_| at > 0),
                stored.iter().find(lagging).copied(),
                own.first()
                    .copied()
                    .filter(|_| own.len() == 1 && leaf.is_none() && (known == 0 || at < known)),
            ];
            let chosen = choice.into_iter().flatten().find(|id| self.all.contains_key(id) && genesis(id));
            if let Some((statement, _)) = chosen.and_then(|id| self.all.remove(&id)) {
                history.iter_mut().for_each(|history| history.push(statement.id.0, |_, _, _| {}));
                placed.insert(at, statement);
            } else {
                // What is lost still has its hash in the tree, so that what follows can be judged.
                history = history.zip(leaf).map(|(mut history, leaf)| {
                    history.push(leaf.0, |_, _, _| {});
                    history
                });
            }
        }
        let mut rest: Vec<Statement> = self.all.into_values().map(|(statement, _)| statement).collect();
        rest.sort_by_key(|statement| (statement.head.size, statement.id));
        (placed, rest)
    }
}

impl Examined {
    /// Hands intact content to `sink`; `false` when it is not intact.
    fn content(&self, address: &Address, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        if let Some(store) = &self.store {
            let mut hash = blake3::Hasher::new();
            let state = store.read_blob(&address.0, &mut |piece| {
                hash.update(piece);
                Ok(())
            });
            if matches!(state, Ok(BlobState::Present(_))) && hash.finalize() == address.0 {
                store.read_blob(&address.0, sink)?;
                return Ok(true);
            }
        }
        self.carved.as_ref().map_or(Ok(false), |carved| carved.blob(&address.0, sink))
    }

    fn bytes(&self, address: &Address) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let found = self.content(address, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(found.then_some(bytes))
    }

    /// Looks at every content that is named, stored or found.
    fn find_contents(&mut self, path: &Path) -> Result<()> {
        let mut known = BTreeSet::new();
        let mut erased: BTreeSet<Address> = BTreeSet::new();
        if let Some(store) = &self.store {
            // A listing that breaks off is made up for by what the statements name.
            let _ = store.blobs(&mut |hash, state| {
                match state {
                    BlobState::Erased => erased.insert(Address(hash)),
                    _ => known.insert(Address(hash)),
                };
                Ok(true)
            });
        }
        for statement in self.entries.values().chain(&self.unplaced) {
            if let Body::Erase(erase) = &statement.body {
                erased.insert(erase.content);
            }
        }
        for statement in self.entries.values() {
            known.extend(statement.body.contents().into_iter().map(|descriptor| descriptor.blake3));
        }
        let intact = |known: &BTreeSet<Address>, this: &Self| -> Result<BTreeSet<Address>> {
            let mut lost = BTreeSet::new();
            for address in known.difference(&erased) {
                if !this.content(address, &mut |_| Ok(()))? {
                    lost.insert(*address);
                }
            }
            Ok(lost)
        };
        if self.carved.is_none() && !intact(&known, self)?.is_empty() {
            self.carved = Some(Carved::read(path, &|_| None, &mut |_| {})?);
        }
        self.members.clone_from(&known);
        known.extend(
            self.carved
                .iter()
                .flat_map(Carved::addresses)
                .map(Address)
                .filter(|a| {
                    // What was only left behind in a free page is not missed when it is torn.
                    known.contains(a) || self.bytes(a).is_ok_and(|bytes| bytes.is_some())
                })
                .collect::<Vec<_>>(),
        );
        for statement in self.entries.values() {
            let Some(list) = super::index::manifest_of(&statement.body).filter(|list| !erased.contains(list))
            else {
                continue;
            };
            let manifest = self.bytes(&list)?.and_then(|bytes| Manifest::parse(&bytes).ok());
            let files = manifest.into_iter().flat_map(|manifest| manifest.files).filter(|file| file.kept);
            let files: Vec<_> = files.map(|file| file.content.blake3).collect();
            self.members.extend(&files);
            known.extend(files);
        }
        let lost = intact(&known, self)?;
        self.contents = known.into_iter().filter(|a| !erased.contains(a) && !lost.contains(a)).collect();
        self.diagnosis.contents = self.contents.len() as u64;
        self.diagnosis.erased = erased.len() as u64;
        self.diagnosis.lost_contents = lost.iter().map(Address::to_string).collect();
        Ok(())
    }

    /// Says what no audit of an opened ledger has said.
    fn conclude(&mut self, expected: Option<(EntryId, Head)>) {
        let found = &mut self.diagnosis;
        if !found.lost.is_empty() {
            let message = format!("{} of {} entries are lost", found.lost.len(), found.size);
            let meaning =
                "who signed what there is gone from this file; the entries after them still prove themselves";
            found.findings.push(Finding {
                code: "lost-entries",
                entry: found.lost.first().copied(),
                message,
                meaning,
            });
        }
        if !found.lost_contents.is_empty() {
            let message = format!("{} contents are damaged or not here", found.lost_contents.len());
            let meaning =
                "their bytes are gone from this file; the statements still tell which bytes they were";
            found.findings.push(Finding { code: "lost-contents", entry: None, message, meaning });
        }
        if let (Some((id, _)), Some(ledger)) = (expected, &found.ledger)
            && hex::encode(id.0) != *ledger
        {
            let message = "another ledger than the one last seen here is in its place".to_owned();
            found.findings.push(Finding {
                code: "other-ledger",
                entry: None,
                message,
                meaning: "restore the ledger from a copy",
            });
        }
    }

    /// The checkpoint key in force, as the last intact statements say it.
    #[must_use]
    pub fn checkpoint_key(&self) -> Option<PublicKey> {
        self.entries.values().rev().find_map(|statement| match &statement.body {
            Body::Ledger(ledger) => Some(ledger.checkpoint_key.clone()),
            Body::Key(KeyChange::Checkpoint { key }) => Some(key.clone()),
            _ => None,
        })
    }

    /// Copies every intact statement and content into a new folder: `entries/<20-digit index>.cose`,
    /// `unplaced/<hex id>.cose`, `blobs/<hex address>`, and last of all `report.json`.
    ///
    /// # Errors
    /// Failed, when something is in the folder already or it cannot be written.
    pub fn rescue(&self, folder: &Path) -> Result<()> {
        let cannot = |e: std::io::Error| Error::failed(format!("cannot write to {}: {e}", folder.display()));
        if folder.read_dir().map_or_else(|_| folder.exists(), |mut entries| entries.next().is_some()) {
            return Err(Error::failed(format!(
                "{} is there already, and not an empty folder",
                folder.display()
            ))
            .hint("name a new folder"));
        }
        for inner in ["entries", "blobs"] {
            std::fs::create_dir_all(folder.join(inner)).map_err(cannot)?;
        }
        for (at, statement) in &self.entries {
            write(&folder.join(format!("entries/{at:020}.cose")), |file| file.write_all(statement.bytes()))
                .map_err(cannot)?;
        }
        if !self.unplaced.is_empty() {
            std::fs::create_dir_all(folder.join("unplaced")).map_err(cannot)?;
        }
        for statement in &self.unplaced {
            let name = format!("unplaced/{}.cose", hex::encode(statement.id.0));
            write(&folder.join(name), |file| file.write_all(statement.bytes())).map_err(cannot)?;
        }
        for address in &self.contents {
            let name = folder.join("blobs").join(hex::encode(address.0));
            let copied = write(&name, |file| {
                self.content(address, &mut |piece| file.write_all(piece).map_err(cannot))
                    .map_err(std::io::Error::other)
            });
            if !copied.map_err(cannot)? {
                return Err(Error::failed(format!("{address} changed while it was copied")));
            }
        }
        let report = serde_json::to_vec_pretty(&self.diagnosis)
            .map_err(|e| Error::bug("a report is not JSON").because(e))?;
        write(&folder.join("report.json"), |file| file.write_all(&report)).map_err(cannot)
    }
}

fn write<T>(path: &Path, fill: impl FnOnce(&mut std::fs::File) -> std::io::Result<T>) -> std::io::Result<T> {
    let mut file = std::fs::File::create_new(path)?;
    let filled = fill(&mut file)?;
    file.sync_all()?;
    Ok(filled)
}

/// Writes a ledger file with all its statements and contents anew, and derives index and tree from them. Answers
/// where the old file is kept, which it is when anything was wrong with it.
///
/// # Errors
/// When the ledger cannot be opened for writing, a statement does not hold, or a statement or content that the old
/// file still has would not be in the new one; nothing is changed then.
pub fn rebuild(
    path: &Path,
    lock_timeout: Duration,
    events: &mut dyn FnMut(Event),
) -> Result<Option<PathBuf>> {
    let mut old = examine(path, None, lock_timeout, events)?;
    // Whoever waits for the lock to write must not wait for what was found.
    old.store = None;
    let store = RedbStore::hold(path, lock_timeout, events)?;
    let well = old.diagnosis.findings.iter().all(|finding| finding.code == "unscrubbed");
    renew(store, !well, &|ledger| old.is_in(ledger))
}

/// Lets `check` see the new ledger before it takes the place of the old one.
pub(super) fn renew(
    store: RedbStore,
    keep: bool,
    check: &dyn Fn(&Ledger) -> Result<()>,
) -> Result<Option<PathBuf>> {
    store.renew(keep, |new| {
        let ledger = Ledger::open(new)?;
        ledger.rebuild_index()?;
        ledger.rebuild_tree()?;
        check(&ledger)
    })
}

impl Examined {
    /// Whether a ledger has every entry and content that was found intact here.
    fn is_in(&self, ledger: &Ledger) -> Result<()> {
        let cannot = |why: String| Err(Error::integrity(format!("the ledger cannot be written anew: {why}")));
        let lost = |what: &str| cannot(format!("{what} would be lost"));
        if let Some(at) = self.diagnosis.lost.first() {
            return cannot(format!("entry {at} is damaged"));
        }
        for (at, statement) in &self.entries {
            if ledger.store.statement(*at)?.as_deref() != Some(statement.bytes()) {
                return lost(&format!("entry {at}"));
            }
        }
        let mut stored = Vec::new();
        ledger.store.blobs(&mut |hash, _| {
            stored.push(Address(hash));
            Ok(true)
        })?;
        for address in self.contents.iter().filter(|address| self.members.contains(address)).chain(&stored) {
            let mut hash = blake3::Hasher::new();
            let state = ledger.store.read_blob(&address.0, &mut |piece| {
                hash.update(piece);
                Ok(())
            })?;
            let intact = match state {
                BlobState::Present(_) => hash.finalize() == address.0,
                BlobState::Erased => true,
                BlobState::Missing => false,
            };
            if !intact {
                return lost(&address.to_string());
            }
        }
        Ok(())
    }
}
