//! `verify-chain`: judges every statement again from its bytes, and everything that stands on them.

use super::below::{Below, undamaged};
use super::contents::Contents;
use super::evidence::foreign_evidence;
use super::heads::Seen;
use super::index::Documents;
use super::{Ledger, index};
use crate::error::{Error, Kind, Result};
use crate::store::{Head, Store};
use ledger_format::evidence::Evidence;
use ledger_format::{Address, Auditor, Body, Checkpoint, Class, Failure, Manifest, Statement, VerifierKey};
use serde::Serialize;
use std::collections::HashMap;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// How many pieces of content the store knows, present or erased. Those that the judged entries describe were
    /// hashed again.
    pub contents: u64,
    /// How many of them are erased.
    pub erased: u64,
    /// Contents that entries describe and that a published copy does not have, which need not have them.
    pub absent: Vec<String>,
    /// Statements whose author did not know the newest head, which is legal.
    pub lagging: u64,
    /// Statements that this version does not fully understand.
    pub not_understood: u64,
    /// The highest rung reached; `None` when something is wrong.
    pub rung: Option<Rung>,
    /// What witnesses say of it; the audit itself does not ask them.
    pub witnessed: Option<super::WitnessedHead>,
    /// Where a head of it is anchored, when that was looked for.
    pub anchored: Option<super::AnchoredHead>,
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
    /// A head that an earlier audit of this auditor found consistent. The statements below it are only
    /// hashed again, to see that they are the same, and read, for the keys and refs that they leave behind.
    pub judged: Option<Head>,
}

/// How much an audit keeps in memory, whatever the size of the ledger. Beside it grow what rights and refs need
/// (every key and every ref), the tombstones, and what is found wrong.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Descriptions of content that hold: about 300 bytes each.
    pub(super) contents: usize,
    /// Hashes of each level of the tree, 32 bytes each: an entry whose author knew a head no further back, or that
    /// cites nothing further back, is judged without the store's tiles.
    pub(super) hashes: usize,
}

const BOUNDS: Bounds = Bounds { contents: 4096, hashes: 1024 };

/// Audits a ledger in flat memory. `progress` is told how many entries are done.
///
/// # Errors
/// When the store cannot be read at all; what is wrong with the ledger is in the report.
pub fn audit(ledger: &Ledger, options: &Options, progress: &mut dyn FnMut(u64)) -> Result<Report> {
    audit_within(BOUNDS, ledger, options, progress)
}

/// An audit whose memory is bounded as one likes; the report is the same.
pub(super) fn audit_within(
    bounds: Bounds,
    ledger: &Ledger,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Report> {
    let head = ledger.head()?;
    let mut audit = match &ledger.published {
        Some(published) => Audit::of_published(&published.bare, head, bounds),
        None => Audit::new(ledger, head, bounds),
    };
    audit.hold(options);
    audit.statements(progress)?;
    audit.end()?;
    let (mut report, contents) = (audit.report, audit.contents.judge()?);
    (report.contents, report.erased) = (contents.known, contents.erased);
    report.absent = contents.absent.iter().map(Address::to_string).collect();
    report.findings.extend(contents.findings);
    if report.findings.is_empty() {
        let held = options.pinned.is_some() || options.checkpoint.is_some();
        report.rung = Some(if held { Rung::Pinned } else { Rung::Consistent });
    }
    Ok(report)
}

/// All index rows that follow from a ledger's statements, for rebuilding.
pub(super) fn index_rows(ledger: &Ledger) -> Result<Vec<index::Row>> {
    let audit = Audit::collecting(ledger)?;
    if let Some(finding) = audit.report.findings.first() {
        return Err(Error::integrity(format!("the index cannot be rebuilt: {}", finding.message)));
    }
    audit.rows()
}

/// The same of a published ledger, whose statements must also lead to a checkpoint signed by the key in force.
pub(super) fn proven_rows(bare: &Ledger) -> Result<Vec<index::Row>> {
    let mut audit = Audit::collecting(bare)?;
    audit.head()?;
    let (failure, report) = (audit.report.failure(), &audit.report);
    if let (Some(kind), Some(finding)) = (failure, report.findings.first()) {
        return Err(Error::new(kind, format!("the published ledger does not hold: {}", finding.message))
            .hint("promptos verify-chain tells all that is wrong"));
    }
    audit.rows()
}

struct Audit<'a> {
    ledger: &'a Ledger,
    head: Head,
    auditor: Auditor,
    below: Below<'a>,
    /// Heads held from elsewhere, and how they came to be held.
    held: Vec<(Head, &'static str)>,
    report: Report,
    contents: Contents<'a>,
    /// The statement whose author knew the largest head so far, and where it stands.
    countersigned: Option<(u64, Seen)>,
    /// The entry that bound each ref, which the index names too.
    bound_by: HashMap<String, u64>,
    collect: Option<Vec<index::Row>>,
    /// Whether the store has an index to compare.
    indexed: bool,
    rows: u64,
}

impl<'a> Audit<'a> {
    fn new(ledger: &'a Ledger, head: Head, bounds: Bounds) -> Self {
        let report = Report {
            name: ledger.name().to_owned(),
            ledger: hex::encode(ledger.id().0),
            size: head.size,
            root: hex::encode(head.root),
            from: 0,
            judged: 0,
            contents: 0,
            erased: 0,
            absent: Vec::new(),
            lagging: 0,
            not_understood: 0,
            rung: None,
            witnessed: None,
            anchored: None,
            findings: Vec::new(),
        };
        Self {
            ledger,
            head,
            auditor: Auditor::default(),
            below: Below::new(&*ledger.store, bounds.hashes),
            held: Vec::new(),
            report,
            contents: Contents::new(ledger, bounds.contents),
            countersigned: None,
            bound_by: HashMap::new(),
            collect: None,
            indexed: true,
            rows: 0,
        }
    }

    /// Of a published ledger: it has no index, and need not have all content.
    fn of_published(bare: &'a Ledger, head: Head, bounds: Bounds) -> Self {
        let contents = Contents::of_published(bare, bounds.contents);
        Self { indexed: false, contents, ..Self::new(bare, head, bounds) }
    }

    /// Reads all statements and collects the rows that follow from them.
    fn collecting(ledger: &'a Ledger) -> Result<Self> {
        let mut audit = Self::new(ledger, ledger.head()?, BOUNDS);
        audit.below = Below::without_hints(audit.store());
        audit.collect = Some(Vec::new());
        audit.statements(&mut |_| {})?;
        Ok(audit)
    }

    fn rows(mut self) -> Result<Vec<index::Row>> {
        let mut rows = self.collect.take().unwrap_or_default();
        rows.extend(self.state_rows()?);
        Ok(rows)
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

    /// A head that contradicts the tree accuses its author or the keeper, and cannot tell which: so it is said who signed
    /// what, and no more.
    fn forked_head(&mut self, entry: u64, bytes: &[u8], failure: &Failure) {
        let class = failure.class;
        let Ok(statement) = Statement::decode(bytes.to_vec()) else { return self.failure(entry, failure) };
        let author = Seen::of(&statement);
        let against = match &self.countersigned {
            Some((at, other)) if other.head.size >= author.head.size => {
                format!("{} signed the {} entries of this ledger (entry {at})", other.who, other.head.size)
            }
            _ => "no other author has signed that much of this ledger".to_owned(),
        };
        let message = format!(
            "entry {entry}: {} signed a head of {}, which this ledger never had; {against}. This proves nothing against \
             the keeper, since an author can sign any head",
            author.who, author.head
        );
        self.find(class.code(), Some(entry), message, class.meaning());
    }

    /// Takes the heads that the ledger must extend. They are compared when the audit reaches their size,
    /// with the root that the statements themselves give.
    fn hold(&mut self, options: &Options) {
        let held = [(options.pinned, "pinned"), (options.checkpoint, "given"), (options.judged, "judged")];
        for (head, what) in held.into_iter().filter_map(|(head, what)| Some((head?, what))) {
            if head.size > self.head.size {
                let message =
                    format!("the ledger went back: it has {}; the head {what} has {head}", self.head);
                self.find("went-back", None, message, "entries that were seen before are gone");
            }
            self.held.push((head, what));
        }
        let judged = options.judged.filter(|head| head.size <= self.head.size);
        self.report.from = judged.map_or(0, |head| head.size);
        self.compare_held();
    }

    /// Compares the head of what was read with those held; answers whether what follows can be judged.
    fn compare_held(&mut self) -> bool {
        let here = self.auditor.head();
        let wrong = |(head, _): &&(Head, _)| head.size == here.size && head.root != here.root;
        let Some((head, what)) = self.held.iter().find(wrong) else { return true };
        let message = format!("the ledger forked: it had {here}; the head {what} has {head}");
        self.find("forked", None, message, "entries that were seen before were replaced");
        if here.size > 0 && here.size == self.report.from {
            // What was taken for judged is another history, so nothing was judged.
            self.report.judged = 0;
            return false;
        }
        true
    }

    fn statements(&mut self, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let (store, size) = (self.store(), self.head.size);
        let scanned = store.scan(0..size, &mut |at, bytes| {
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
            // What is not there of a published ledger takes nothing from what was found wrong before it.
            Err(error) if error.kind() == Kind::Unavailable && !self.report.findings.is_empty() => {}
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
        let again = at < self.report.from;
        let judged = if again {
            self.auditor.replay(bytes, &self.below)?
        } else {
            self.auditor.push(bytes, &self.below)?
        };
        let statement = match judged {
            Ok(statement) => statement,
            Err(failure) if failure.class == Class::ForkedHead => {
                self.forked_head(at, bytes, &failure);
                return Ok(false);
            }
            Err(failure) => {
                self.failure(at, &failure);
                return Ok(false);
            }
        };
        self.report.judged = at + 1;
        self.below.push(statement.id)?;
        if self.countersigned.as_ref().is_none_or(|(_, seen)| seen.head.size < statement.head.size) {
            self.countersigned = Some((at, Seen::of(&statement)));
        }
        let go_on = self.compare_held();
        self.note_refs(at, &statement);
        if let Body::Erase(erase) = &statement.body {
            self.contents.erased(erase.content);
        }
        if again {
            return Ok(go_on);
        }
        self.report.lagging += u64::from(statement.head.size < at);
        self.report.not_understood += u64::from(!statement.not_understood.is_empty());
        let manifest = self.check_contents(at, &statement)?;
        let evidence = self.foreign(at, &statement)?;
        for row in index::statement_rows(at, &statement, &Documents { manifest, evidence }) {
            self.row(row, at)?;
        }
        Ok(true)
    }

    /// Opens the evidence that is kept for other ledgers' sessions: it must prove them.
    fn foreign(&mut self, at: u64, statement: &Statement) -> Result<Vec<(Address, Evidence)>> {
        let mut opened = Vec::new();
        let Body::Run(run) = &statement.body else { return Ok(opened) };
        for cited in &run.sessions {
            match foreign_evidence(self.ledger, cited) {
                Err(error) if error.kind() == Kind::Integrity => {
                    let message = format!("entry {at}: the evidence for {}: {error}", cited.entry);
                    let meaning = "a session of another ledger is claimed and not proved";
                    self.find("foreign-evidence", Some(at), message, meaning);
                }
                evidence => opened.extend(evidence?),
            }
        }
        Ok(opened)
    }

    fn note_refs(&mut self, at: u64, statement: &Statement) {
        let refs: Vec<&str> = match &statement.body {
            Body::Prompt(_) => vec![&statement.name],
            body => body.used().iter().map(|used| used.reference.as_str()).collect(),
        };
        for reference in refs {
            if !self.bound_by.contains_key(reference) {
                self.bound_by.insert(reference.to_owned(), at);
            }
        }
    }

    /// Checks the contents that a statement names; answers its manifest.
    fn check_contents(&mut self, at: u64, statement: &Statement) -> Result<Option<Manifest>> {
        let manifest = match self.ledger.manifest(&statement.body) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == Kind::Integrity => {
                let message = format!("entry {at}: {error}");
                self.find("altered-content", Some(at), message, "content was changed after it was recorded");
                None
            }
            Err(error) => return Err(error),
        };
        if self.collect.is_none() {
            let listed = manifest.iter().flat_map(|m| &m.files).filter(|file| file.kept);
            let mut described = statement.body.contents().into_iter().chain(listed.map(|file| &file.content));
            described.try_for_each(|content| self.contents.described(at, content))?;
        }
        Ok(manifest)
    }

    /// Compares one derived row with the store's, or collects it.
    fn row(&mut self, row: index::Row, at: u64) -> Result<()> {
        if let Some(rows) = &mut self.collect {
            rows.push(row);
            return Ok(());
        }
        self.rows += 1;
        if self.indexed
            && !self.has("index")
            && undamaged(self.store().index_get(&row.0))?.flatten().as_ref() != Some(&row.1)
        {
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

    fn tiles(&mut self) -> Result<()> {
        let wrong = match self.below.wrong_tile() {
            Err(error) if error.kind() == Kind::Unavailable && !self.report.findings.is_empty() => None,
            wrong => wrong?,
        };
        if let Some(id) = wrong {
            let message = format!("tile {}/{} is not the hashes of its entries", id.level, id.index);
            self.find("tree", None, message, "the stored tree was damaged; proofs made from it would fail");
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
        rows.extend(state.checkpoint_keys.iter().map(index::past_checkpoint_key_row));
        Ok(rows)
    }

    /// What can only be judged at the end: head, checkpoint, tree, index, contents.
    fn end(&mut self) -> Result<()> {
        if self.report.judged == self.head.size {
            self.head()?;
            self.tiles()?;
            for row in self.state_rows()? {
                self.row(row, self.head.size)?;
            }
            if self.report.from == 0 && self.indexed {
                self.count_rows()?;
            }
        }
        Ok(())
    }

    /// The statements lead to the head, and its checkpoint is signed by the key that they leave in force.
    fn head(&mut self) -> Result<()> {
        if self.auditor.head() != self.head {
            let message =
                format!("the ledger says it has {}; its entries give {}", self.head, self.auditor.head());
            self.find("tree", None, message, "the stored head was changed");
        }
        self.checkpoint()
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
        let mut stored = 0u64;
        let read = self.store().index_scan(&[], false, &mut |_, _| {
            stored += 1;
            Ok(true)
        });
        let read = undamaged(read)?.is_some();
        if (!read || stored != self.rows) && !self.has("index") {
            let message = format!("the derived index has {stored} rows where {} follow", self.rows);
            self.find(
                "index",
                None,
                message,
                "look-ups may find what is not there; the index can be rebuilt",
            );
        }
        Ok(())
    }
}
