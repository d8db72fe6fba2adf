//! `verify-chain`: judges every statement again from its bytes, and everything that stands on them.

use super::evidence::foreign_evidence;
use super::index::Documents;
use super::tiles::{Grower, Tiles};
use super::{Ledger, index};
use crate::error::{Error, Kind, Result};
use crate::store::{BlobState, Head, Store};
use ledger_format::evidence::Evidence;
use ledger_format::tree::Frontier;
use ledger_format::{
    Address, Auditor, Body, Checkpoint, Class, Descriptor, EntryId, Failure, Hash, History, Located,
    Statement, VerifierKey, tree,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How much an audit shows, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// Everything in the ledger agrees with everything else in it.
    Consistent,
    /// And it extends a head that this auditor already held.
    Pinned,
    /// And it is cosigned by a quorum of witnesses.
    Witnessed,
    /// And it is bound to an outside record.
    Anchored,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable code: a failure class of the format, or one of ours.
    pub code: &'static str,
    /// The entry that it is about.
    pub entry: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What it means for the reader.
    pub meaning: &'static str,
}

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The ledger's name.
    pub name: String,
    /// The ledger id, as hex.
    pub ledger: String,
    /// How many entries the ledger claims.
    pub size: u64,
    /// Its root as hex.
    pub root: String,
    /// From which entry on this audit judged; 0 for all.
    pub from: u64,
    /// How long a prefix of the ledger was found consistent.
    pub judged: u64,
    /// How many pieces of content were hashed again, and how many of them are erased.
    pub contents: u64,
    /// Contents known as erased.
    pub erased: u64,
    /// Statements whose author did not know the newest head, which is legal.
    pub lagging: u64,
    /// Statements that this version does not fully understand.
    pub not_understood: u64,
    /// The highest rung reached; `None` when something is wrong.
    pub rung: Option<Rung>,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The exit class that the findings call for: integrity, or failed when all that is wrong is that a
    /// newer version is needed. `None` without findings.
    #[must_use]
    pub fn failure(&self) -> Option<Kind> {
        if self.findings.is_empty() {
            return None;
        }
        let unsupported = |finding: &Finding| finding.code == Class::Unsupported.code();
        Some(if self.findings.iter().all(unsupported) { Kind::Failed } else { Kind::Integrity })
    }
}

/// What the auditor brings.
#[derive(Default)]
pub struct Options {
    /// The head pinned for this ledger.
    pub pinned: Option<Head>,
    /// A head from elsewhere that the ledger must extend.
    pub checkpoint: Option<Head>,
    /// Judge only what lies beyond the pin.
    pub since_pin: bool,
}

/// Audits a ledger. `progress` is told how many entries are done.
///
/// # Errors
/// When the store cannot be read at all; what is wrong with the ledger is in the report.
pub fn audit(ledger: &Ledger, options: &Options, progress: &mut dyn FnMut(u64)) -> Result<Report> {
    let head = ledger.head()?;
    let mut audit = Audit::new(ledger, head);
    let extends = audit.heads_agree(options);
    if extends || !options.since_pin {
        if let Some(pin) = options.pinned.filter(|_| options.since_pin) {
            audit.resume(pin)?;
        }
        audit.statements(progress)?;
        audit.end()?;
    }
    let mut report = audit.report;
    if report.findings.is_empty() {
        let held = options.pinned.is_some() || options.checkpoint.is_some();
        report.rung = Some(if held { Rung::Pinned } else { Rung::Consistent });
    }
    Ok(report)
}

/// All index rows that follow from a ledger's statements, for rebuilding.
pub(super) fn index_rows(ledger: &Ledger) -> Result<Vec<index::Row>> {
    let mut audit = Audit::new(ledger, ledger.head()?);
    audit.collect = Some(Vec::new());
    audit.statements(&mut |_| {})?;
    if let Some(finding) = audit.report.findings.first() {
        return Err(Error::integrity(format!("the index cannot be rebuilt: {}", finding.message)));
    }
    let mut rows = audit.collect.take().unwrap_or_default();
    rows.extend(audit.state_rows()?);
    Ok(rows)
}

struct Audit<'a> {
    ledger: &'a Ledger,
    head: Head,
    auditor: Auditor,
    grower: Grower,
    report: Report,
    /// Contents to look at, with the entry that names them first.
    contents: BTreeMap<Address, (u64, Descriptor)>,
    tombstones: BTreeSet<Address>,
    /// The entry that bound each ref, which the index names too.
    bound_by: HashMap<String, u64>,
    collect: Option<Vec<index::Row>>,
    rows: u64,
}

impl<'a> Audit<'a> {
    fn new(ledger: &'a Ledger, head: Head) -> Self {
        let report = Report {
            name: ledger.name().to_owned(),
            ledger: hex::encode(ledger.id().0),
            size: head.size,
            root: hex::encode(head.root),
            from: 0,
            judged: 0,
            contents: 0,
            erased: 0,
            lagging: 0,
            not_understood: 0,
            rung: None,
            findings: Vec::new(),
        };
        Self {
            ledger,
            head,
            auditor: Auditor::default(),
            grower: Grower::default(),
            report,
            contents: BTreeMap::new(),
            tombstones: BTreeSet::new(),
            bound_by: HashMap::new(),
            collect: None,
            rows: 0,
        }
    }

    /// Takes over what was judged before the pin, which [`Self::heads_agree`] found to be extended. The
    /// tree must lead to the pin; keys and refs come from the index, as of the pin.
    fn resume(&mut self, pin: Head) -> Result<()> {
        let (store, from) = (self.store(), pin.size);
        let mut state = ledger_format::rules::State::default();
        for mut record in index::key_records(store)? {
            if record.enrolled >= from {
                continue;
            }
            record.revoked = record.revoked.filter(|at| *at < from);
            let kid = record.key.kid();
            if record.last >= from {
                let signed =
                    index::indexes(store, &index::key(index::Table::SignedBy, &[&kid.0]), true, usize::MAX)?;
                record.last = signed.into_iter().find(|at| *at < from).unwrap_or(record.enrolled);
            }
            state.keys.insert(kid, record);
        }
        let mut damage = false;
        store.index_scan(&[index::Table::Ref as u8], false, &mut |key, value| {
            let reference = key.get(1..key.len().saturating_sub(1)).and_then(|r| std::str::from_utf8(r).ok());
            let content = value.first_chunk::<32>().map(|hash| Address(*hash));
            match (reference, content, index::trailing_index(value)) {
                (Some(reference), Some(content), Some(at)) if at < from => {
                    state.refs.insert(reference.to_owned(), content);
                    self.bound_by.insert(reference.to_owned(), at);
                }
                (Some(_), Some(_), Some(_)) => {}
                _ => damage = true,
            }
            Ok(true)
        })?;
        if damage {
            return Err(index::damaged("a ref"));
        }
        // The checkpoint key as of the pin does not matter: only the one at the end signs the checkpoint.
        state.checkpoint_key = Some(self.ledger.checkpoint_key()?);
        self.grower = Grower::resume(store, pin)?;
        let frontier = Frontier::read(&Tiles(store), from)?;
        let name = self.ledger.name().to_owned();
        self.report.from = from;
        self.auditor = Auditor::resume(frontier, state, self.ledger.id(), name);
        self.report.judged = from;
        Ok(())
    }

    fn store(&self) -> &'a dyn Store {
        &*self.ledger.store
    }

    fn find(&mut self, code: &'static str, entry: Option<u64>, message: String, meaning: &'static str) {
        self.report.findings.push(Finding { code, entry, message, meaning });
    }

    fn failure(&mut self, entry: u64, failure: &Failure) {
        let message = format!("entry {entry}: {}", failure.detail);
        self.find(failure.class.code(), Some(entry), message, failure.class.meaning());
    }

    /// Heads held from elsewhere: the ledger must extend each of them.
    fn heads_agree(&mut self, options: &Options) -> bool {
        for (old, what) in [(options.pinned, "pinned"), (options.checkpoint, "given")] {
            let Some(old) = old else { continue };
            if self.ledger.check_extends(&old).is_ok() {
                continue;
            }
            let (code, how) =
                if old.size > self.head.size { ("went-back", "went back") } else { ("forked", "forked") };
            let message = format!("the ledger {how}: it has {}; the head {what} has {old}", self.head);
            self.find(code, None, message, "entries that were seen before are gone or were replaced");
            return false;
        }
        true
    }

    fn statements(&mut self, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let (store, from, size) = (self.store(), self.report.from, self.head.size);
        let scanned = store.scan(from..size, &mut |at, bytes| {
            let go_on = self.statement(at, bytes)?;
            if at % 1024 == 0 {
                progress(at);
            }
            Ok(go_on)
        });
        progress(self.report.judged);
        match scanned {
            Err(error) if error.kind() == Kind::Integrity => {
                let message = error.to_string();
                self.find("damaged", Some(self.report.judged), message, "the ledger file was damaged");
            }
            other => other?,
        }
        if self.report.judged < size && self.report.findings.is_empty() {
            let message = format!("the ledger claims {size} entries and holds {}", self.report.judged);
            self.find("missing-entry", Some(self.report.judged), message, "entries were removed");
        }
        Ok(())
    }

    /// Judges one statement; answers whether those after it can be judged.
    fn statement(&mut self, at: u64, bytes: &[u8]) -> Result<bool> {
        if at != self.auditor.head().size {
            self.find(
                "missing-entry",
                Some(at),
                format!("entry {at} is out of order"),
                "entries were removed",
            );
            return Ok(false);
        }
        let statement = match self.auditor.push(bytes, &Below(self.ledger))? {
            Ok(statement) => statement,
            Err(failure) => {
                self.failure(at, &failure);
                return Ok(false);
            }
        };
        self.report.judged = at + 1;
        self.report.lagging += u64::from(statement.head.size < at);
        self.report.not_understood += u64::from(!statement.not_understood.is_empty());
        self.grower.push(statement.id.0);
        self.compare_tiles(false)?;
        let documents = self.note_contents(at, &statement)?;
        self.note_refs(at, &statement);
        for row in index::statement_rows(at, &statement, &documents) {
            self.row(row, at)?;
        }
        Ok(true)
    }

    fn note_refs(&mut self, at: u64, statement: &Statement) {
        let refs: Vec<&str> = match &statement.body {
            Body::Prompt(_) => vec![&statement.name],
            Body::Session(session) => session.prompts.iter().map(|used| used.reference.as_str()).collect(),
            _ => Vec::new(),
        };
        for reference in refs {
            if !self.bound_by.contains_key(reference) {
                self.bound_by.insert(reference.to_owned(), at);
            }
        }
    }

    /// Remembers the contents that a statement names; answers the documents among them.
    fn note_contents(&mut self, at: u64, statement: &Statement) -> Result<Documents> {
        for descriptor in statement.body.contents() {
            self.contents.entry(descriptor.blake3).or_insert_with(|| (at, descriptor.clone()));
        }
        if let Body::Erase(erase) = &statement.body {
            self.tombstones.insert(erase.content);
        }
        let manifest = match self.ledger.manifest(&statement.body) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == Kind::Integrity => {
                let message = format!("entry {at}: {error}");
                self.find("altered-content", Some(at), message, "content was changed after it was recorded");
                None
            }
            Err(error) => return Err(error),
        };
        let evidence = self.note_evidence(at, statement)?;
        for file in manifest.iter().flat_map(|m| &m.files).filter(|file| file.kept) {
            self.contents.entry(file.content.blake3).or_insert_with(|| (at, file.content.clone()));
        }
        Ok(Documents { manifest, evidence })
    }

    /// Opens the evidence of other ledgers' sessions: it must still prove what it was attached for.
    fn note_evidence(&mut self, at: u64, statement: &Statement) -> Result<Vec<Evidence>> {
        let mut opened = Vec::new();
        let Body::Run(run) = &statement.body else { return Ok(opened) };
        for cited in &run.sessions {
            match foreign_evidence(self.ledger, &statement.body, &cited.entry) {
                Ok(evidence) => opened.extend(evidence),
                Err(error) if error.kind() == Kind::Integrity => {
                    let message = format!("entry {at}: {error}");
                    self.find("bad-evidence", Some(at), message, "a session of another ledger is not proved");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }

    /// Compares one derived row with the store's, or collects it.
    fn row(&mut self, row: index::Row, at: u64) -> Result<()> {
        if let Some(rows) = &mut self.collect {
            rows.push(row);
            return Ok(());
        }
        self.rows += 1;
        if self.store().index_get(&row.0)?.as_deref() != Some(&row.1) && !self.has("index") {
            let message = format!("entry {at}: the derived index does not agree with the statement");
            self.find(
                "index",
                Some(at),
                message,
                "look-ups may miss or misplace entries; the index can be rebuilt",
            );
        }
        Ok(())
    }

    fn has(&self, code: &str) -> bool {
        self.report.findings.iter().any(|finding| finding.code == code)
    }

    fn compare_tiles(&mut self, all: bool) -> Result<()> {
        if self.collect.is_some() {
            return Ok(());
        }
        let tiles = if all { self.grower.take_tiles() } else { self.grower.take_full_tiles() };
        for (id, hashes) in tiles {
            if self.store().tile(id)?.as_deref() != Some(&hashes) && !self.has("tree") {
                let message = format!("tile {}/{} is not the hashes of its entries", id.level, id.index);
                self.find(
                    "tree",
                    None,
                    message,
                    "the stored tree was damaged; proofs made from it would fail",
                );
            }
        }
        Ok(())
    }

    /// The rows that the state at the end implies.
    fn state_rows(&self) -> Result<Vec<index::Row>> {
        let state = self.auditor.state();
        let mut rows = state.keys.values().map(index::key_row).collect::<Result<Vec<_>>>()?;
        for (reference, content) in &state.refs {
            let at = self.bound_by.get(reference).copied().unwrap_or_default();
            rows.push(index::ref_row(reference, content, at));
        }
        rows.extend(state.checkpoint_key.as_ref().map(index::checkpoint_key_row));
        Ok(rows)
    }

    /// What can only be judged at the end: head, checkpoint, tree, index, contents.
    fn end(&mut self) -> Result<()> {
        if self.report.judged == self.head.size {
            if self.auditor.head() != self.head {
                let message =
                    format!("the ledger says it has {}; its entries give {}", self.head, self.auditor.head());
                self.find("tree", None, message, "the stored head was changed");
            }
            self.checkpoint()?;
            self.compare_tiles(true)?;
            for row in self.state_rows()? {
                self.row(row, self.head.size)?;
            }
            if self.report.from == 0 {
                self.count_rows()?;
            }
        }
        self.check_contents()
    }

    fn checkpoint(&mut self) -> Result<()> {
        let Some(origin) = self.auditor.origin() else { return Ok(()) };
        let Some(key) = self.auditor.state().checkpoint_key.clone() else { return Ok(()) };
        let vkey = VerifierKey { name: origin, key };
        let opened = Checkpoint::open(&self.ledger.signed_checkpoint()?, &vkey);
        let problem = match opened {
            Ok(checkpoint) if checkpoint.head == self.head => return Ok(()),
            Ok(checkpoint) => format!("the checkpoint is of {}", checkpoint.head),
            Err(failure) => format!("the checkpoint does not hold: {}", failure.detail),
        };
        self.find("checkpoint", None, problem, "the store's keeper did not vouch for this order");
        Ok(())
    }

    fn count_rows(&mut self) -> Result<()> {
        // Rows that are derived twice (content named by two ways) are stored once.
        let mut stored = 0u64;
        self.store().index_scan(&[], false, &mut |_, _| {
            stored += 1;
            Ok(true)
        })?;
        if stored > self.rows && !self.has("index") {
            let message = format!("the derived index has {stored} rows where at most {} follow", self.rows);
            self.find(
                "index",
                None,
                message,
                "look-ups may find what is not there; the index can be rebuilt",
            );
        }
        Ok(())
    }

    fn check_contents(&mut self) -> Result<()> {
        for (address, (at, descriptor)) in std::mem::take(&mut self.contents) {
            self.report.contents += 1;
            let mut hash = descriptor_hasher();
            let state = self.ledger.read_blob(&address, &mut |piece| {
                sha2::Digest::update(&mut hash, piece);
                Ok(())
            });
            match state {
                Ok(BlobState::Present(size)) => {
                    let sha256: Hash = sha2::Digest::finalize(hash).into();
                    if size != descriptor.size || sha256 != descriptor.sha256 {
                        let message =
                            format!("entry {at}: {address} has another length or SHA-256 than stated");
                        self.find("wrong-hash", Some(at), message, Class::WrongHash.meaning());
                    }
                }
                Ok(BlobState::Erased) if self.tombstones.contains(&address) || self.report.from > 0 => {
                    self.report.erased += 1;
                }
                Ok(BlobState::Erased) => {
                    let message = format!("entry {at}: {address} is gone as if erased, but no entry says so");
                    self.find("missing-content", Some(at), message, "content was removed outside the rules");
                }
                Ok(BlobState::Missing) => {
                    let message = format!("entry {at}: {address} ({} bytes) is not here", descriptor.size);
                    self.find("missing-content", Some(at), message, "content was lost or removed");
                }
                Err(error) if error.kind() == Kind::Integrity => {
                    let message = format!("entry {at}: {error}");
                    self.find(
                        "altered-content",
                        Some(at),
                        message,
                        "content was changed after it was recorded",
                    );
                }
                Err(error) => return Err(error),
            }
        }
        let tombstones = &self.tombstones;
        let mut kept = Vec::new();
        self.store().blobs(&mut |hash, state| {
            if matches!(state, BlobState::Present(_)) && tombstones.contains(&Address(hash)) {
                kept.push(Address(hash));
            }
            Ok(true)
        })?;
        for address in kept {
            let message = format!("{address} is still here although an entry says it was erased");
            self.find("not-erased", None, message, "content that was to be erased can still be read");
        }
        Ok(())
    }
}

fn descriptor_hasher() -> sha2::Sha256 {
    sha2::Digest::new()
}

/// What an audit asks of the ledger below the current entry.
struct Below<'a>(&'a Ledger);

impl History for Below<'_> {
    type Error = Error;

    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>> {
        let store = &*self.0.store;
        match tree::consistency_proof(&Tiles(store), old.size, new.size) {
            Ok(proof) if tree::verify_consistency(old, new, &proof).is_ok() => Ok(proof),
            // Wrong tiles must not look like a fork: the statements themselves decide.
            _ => leaves(store, new.size).and_then(|leaves| {
                tree::consistency_proof(&leaves, old.size, new.size).map_err(|f| Error::integrity(f.detail))
            }),
        }
    }

    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>> {
        let store = &*self.0.store;
        if let Some(index) = index::index_of(store, id)?.filter(|at| *at < head.size)
            && let Some(statement) = store.statement(index)?
            && tree::leaf_hash(&statement) == id.0
            && let Ok(path) = self.0.inclusion(index, head.size)
            && tree::verify_inclusion(&id.0, index, head, &path).is_ok()
        {
            return Ok(Some(Located { index, statement, path }));
        }
        // A wrong index or wrong tiles must not look like a wrong citation.
        let leaves = leaves(store, head.size)?;
        let Some(at) = leaves.0.iter().position(|leaf| *leaf == id.0) else { return Ok(None) };
        let index = at as u64;
        let Some(statement) = store.statement(index)? else { return Ok(None) };
        let path =
            tree::inclusion_proof(&leaves, index, head.size).map_err(|f| Error::integrity(f.detail))?;
        Ok(Some(Located { index, statement, path }))
    }
}

/// The leaf hashes of the first `size` statements, from their bytes.
fn leaves(store: &dyn Store, size: u64) -> Result<tree::Leaves> {
    let mut leaves = tree::Leaves::default();
    store.scan(0..size, &mut |_, bytes| {
        leaves.0.push(tree::leaf_hash(bytes));
        Ok(true)
    })?;
    Ok(leaves)
}
