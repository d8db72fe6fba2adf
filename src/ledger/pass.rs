//! One pass of an audit over statements, and what stands on them.

mod end;
mod hashes;
mod resume;

pub(super) use resume::Resumed;

use super::audit::{Bounds, Finding, Options, Report, Rung};
use super::basis::Basis;
use super::below::{Below, undamaged};
use super::checks::Sender;
use super::contents::Contents;
use super::evidence::foreign_evidence;
use super::heads::Seen;
use super::index::Documents;
use super::life::Lives;
use super::rows::Rows;
use super::{Ledger, index};
use crate::error::{Kind, Result};
use crate::store::{Head, Store};
use ledger_format::evidence::Evidence;
use ledger_format::{Address, Auditor, Body, Class, Failure, Manifest, Statement};
use std::collections::HashMap;

/// One pass over a ledger's statements.
pub(super) struct Pass<'a> {
    /// As it was asked for; `bare` is the same but for a published one, which is read without its index.
    ledger: &'a Ledger,
    bare: &'a Ledger,
    head: Head,
    auditor: Auditor,
    below: Below<'a>,
    /// Heads held from elsewhere, and how they came to be held.
    held: Vec<(Head, &'static str)>,
    report: Report,
    contents: Contents<'a>,
    /// The largest head that an author knew so far, and where that statement stands.
    countersigned: Option<(u64, Head)>,
    /// The entry that bound each ref, which the index names too.
    bound_by: HashMap<String, u64>,
    /// `None`: the older entries are not read, so that what is open cannot be told.
    lives: Option<Lives>,
    /// What an earlier audit has left at the head that it judged, when the index tells something else of it.
    contradicted: Option<Basis>,
    pub(super) rows: Rows,
}

impl<'a> Pass<'a> {
    pub(super) fn new(ledger: &'a Ledger, head: Head, bounds: Bounds) -> Self {
        let (bare, contents, rows) = match &ledger.published {
            // It has no index, and need not have all content.
            Some(published) => {
                let bare = &published.bare;
                (bare, Contents::of_published(bare, bounds.contents), Rows::Unused)
            }
            None => {
                (ledger, Contents::new(ledger, bounds.contents, bounds.pending), Rows::LookUp { count: 0 })
            }
        };
        let report = Report {
            name: ledger.name().to_owned(),
            ledger: hex::encode(ledger.id().0),
            size: head.size,
            root: hex::encode(head.root),
            from: 0,
            judged: 0,
            hashed: 0,
            contents: None,
            erased: None,
            absent: Vec::new(),
            lagging: 0,
            not_understood: 0,
            rung: None,
            rung_withheld: None,
            witnessed: None,
            anchored: None,
            findings: Vec::new(),
            misfits: None,
            basis: None,
        };
        Self {
            ledger,
            bare,
            head,
            auditor: Auditor::default(),
            below: Below::new(&*bare.store, bounds.hashes),
            held: Vec::new(),
            report,
            contents,
            countersigned: None,
            bound_by: HashMap::new(),
            lives: Some(Lives::default()),
            contradicted: None,
            rows,
        }
    }

    /// Reads all statements and collects the rows that follow from them.
    pub(super) fn collecting(ledger: &'a Ledger) -> Result<Self> {
        let mut pass = Self::new(ledger, ledger.head()?, Bounds::usual());
        pass.below = Below::without_hints(pass.store());
        pass.rows = Rows::Collect(Vec::new());
        pass.statements(None, &mut |_| {})?;
        Ok(pass)
    }

    /// The rows that were collected, and those of the state at the end.
    pub(super) fn collected(mut self) -> Result<Vec<index::Row>> {
        let mut rows = match std::mem::replace(&mut self.rows, Rows::Unused) {
            Rows::Collect(rows) => rows,
            _ => Vec::new(),
        };
        rows.extend(self.state_rows()?);
        Ok(rows)
    }

    /// What was found wrong so far.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.report.findings
    }

    /// See [`Report::failure`].
    pub(super) fn failure(&self) -> Option<Kind> {
        self.report.failure()
    }

    /// Whether all statements were read and may stand.
    pub(super) fn is_whole(&self) -> bool {
        self.report.judged == self.head.size
    }

    /// What the pass comes to.
    pub(super) fn report(self, options: &Options) -> Result<Report> {
        let basis = if self.is_whole() && self.report.findings.is_empty() { self.basis()? } else { None };
        let (mut report, contents) = (self.report, self.contents.judge()?);
        (report.contents, report.erased) = contents.known.unzip();
        report.absent = contents.absent.iter().map(Address::to_string).collect();
        report.findings.extend(contents.findings);
        if report.findings.is_empty() {
            let held = options.pinned.is_some() || options.checkpoint.is_some();
            report.rung = Some(if held { Rung::Pinned } else { Rung::Consistent });
            report.misfits = self.lives.map(|lives| lives.end(self.ledger, &mut |_| ())).transpose()?;
            report.basis = basis;
        }
        Ok(report)
    }

    fn store(&self) -> &'a dyn Store {
        &*self.bare.store
    }

    fn find(&mut self, code: &'static str, entry: Option<u64>, message: String, meaning: &'static str) {
        self.report.findings.push(Finding { code, entry, message, meaning });
    }

    fn refused(&mut self, entry: u64, failure: &Failure) {
        let message = format!("entry {entry}: {}", failure.detail);
        self.find(failure.class.code(), Some(entry), message, failure.class.meaning());
    }

    /// A head that contradicts the tree accuses its author or the keeper, and cannot tell which: so it is said who signed
    /// what, and no more.
    fn forked_head(&mut self, entry: u64, bytes: &[u8], failure: &Failure) {
        let class = failure.class;
        let Ok(statement) = Statement::decode(bytes.to_vec()) else { return self.refused(entry, failure) };
        let author = Seen::of(&statement);
        let other = self.countersigned.filter(|(_, known)| known.size >= author.head.size);
        let against = match other.and_then(|(at, _)| self.bare.entry(at).ok()?) {
            Some(other) => {
                let (at, other) = (other.index, Seen::of(&other.statement));
                format!("{} signed the {} entries of this ledger (entry {at})", other.who, other.head.size)
            }
            None => "no other author has signed that much of this ledger".to_owned(),
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
    pub(super) fn hold(&mut self, options: &Options) {
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
        if !self.held.iter().any(|(head, _)| head.size == self.below.size()) {
            return true;
        }
        let here = self.below.head();
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

    /// Judges all statements. With a `sender` their signatures are left to it.
    pub(super) fn statements(
        &mut self,
        mut sender: Option<&mut Sender<'_>>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        self.scan(progress, |pass, at, bytes| pass.statement(at, bytes, sender.as_deref_mut()))
    }

    /// Hands the statements that follow to `take`, which answers whether to go on.
    fn scan(
        &mut self,
        progress: &mut dyn FnMut(u64),
        mut take: impl FnMut(&mut Self, u64, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let (store, size) = (self.store(), self.head.size);
        let scanned = store.scan(self.below.size()..size, &mut |at, bytes| {
            let go_on = take(self, at, bytes)?;
            if at % 128 == 0 {
                progress(at);
            }
            Ok(go_on)
        });
        let done = self.below.size();
        progress(done);
        match scanned {
            Err(error) if error.kind() == Kind::Integrity => {
                self.find("damaged", Some(done), error.to_string(), "the ledger file was damaged");
            }
            // What is not there of a published ledger takes nothing from what was found wrong before it.
            Err(error) if error.kind() == Kind::Unavailable && !self.report.findings.is_empty() => {}
            other => other?,
        }
        if done < size && self.report.findings.is_empty() {
            let message = format!("the ledger claims {size} entries and holds {done}");
            self.find("missing-entry", Some(done), message, "entries were removed");
        }
        Ok(())
    }

    /// Judges one statement; answers whether those after it can be judged.
    fn statement(&mut self, at: u64, bytes: &[u8], sender: Option<&mut Sender<'_>>) -> Result<bool> {
        if !self.in_order(at) {
            return Ok(false);
        }
        let again = at < self.report.from;
        let mut signed = true;
        let judged = match sender {
            _ if again => self.auditor.replay(bytes, &self.below)?,
            None => self.auditor.push(bytes, &self.below)?,
            Some(sender) => self.auditor.push_deferring(bytes, &self.below)?.map(|(statement, check)| {
                signed = sender.push(check);
                statement
            }),
        };
        let statement = match judged {
            Ok(_) if !signed => return Ok(false),
            Ok(statement) => statement,
            Err(failure) if failure.class == Class::ForkedHead => {
                self.forked_head(at, bytes, &failure);
                return Ok(false);
            }
            Err(failure) => {
                self.refused(at, &failure);
                return Ok(false);
            }
        };
        self.report.judged = at + 1;
        self.report.hashed += 1;
        self.below.push(statement.id)?;
        if self.countersigned.is_none_or(|(_, known)| known.size < statement.head.size) {
            self.countersigned = Some((at, statement.head));
        }
        let go_on = self.compare_held();
        self.note_refs(at, &statement);
        if let Some(lives) = &mut self.lives {
            lives.push(at, &statement);
        }
        if let Body::Erase(erase) = &statement.body {
            self.contents.erased(erase.content);
        }
        if again {
            self.compare_basis()?;
            return Ok(go_on);
        }
        self.report.lagging += u64::from(statement.head.size < at);
        self.report.not_understood += u64::from(!statement.not_understood.is_empty());
        let manifest = self.check_contents(at, &statement)?;
        let evidence = self.foreign(at, &statement)?;
        if !matches!(self.rows, Rows::Unused) {
            for pointer in index::pointers(at, &statement, &Documents { manifest, evidence }) {
                self.row(&pointer, &[], at)?;
            }
        }
        Ok(true)
    }

    /// Whether a statement is the next one.
    fn in_order(&mut self, at: u64) -> bool {
        let next = at == self.below.size();
        if !next {
            let message = format!("entry {at} is out of order");
            self.find("missing-entry", Some(at), message, "entries were removed");
        }
        next
    }

    /// Opens the evidence that is kept for other ledgers' sessions: it must prove them.
    fn foreign(&mut self, at: u64, statement: &Statement) -> Result<Vec<(Address, Evidence)>> {
        let mut opened = Vec::new();
        let Body::Run(run) = &statement.body else { return Ok(opened) };
        for cited in &run.sessions {
            match foreign_evidence(self.bare, cited) {
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
        let manifest = match self.bare.manifest(&statement.body) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == Kind::Integrity => {
                let message = format!("entry {at}: {error}");
                self.find("altered-content", Some(at), message, "content was changed after it was recorded");
                None
            }
            Err(error) => return Err(error),
        };
        if !matches!(self.rows, Rows::Collect(_)) {
            let listed = manifest.iter().flat_map(|m| &m.files).filter(|file| file.kept);
            let mut described = statement.body.contents().into_iter().chain(listed.map(|file| &file.content));
            described.try_for_each(|content| self.contents.described(at, content))?;
        }
        Ok(manifest)
    }

    /// Takes one row that follows from the statements.
    fn row(&mut self, key: &[u8], value: &[u8], at: u64) -> Result<()> {
        match &mut self.rows {
            Rows::Unused => return Ok(()),
            Rows::Sum(sum, secret) => {
                sum.add(secret, key, value);
                return Ok(());
            }
            Rows::Collect(rows) => {
                rows.push((key.to_vec(), value.to_vec()));
                return Ok(());
            }
            Rows::LookUp { count } => *count += 1,
        }
        if !self.has("index") && undamaged(self.store().index_get(key))?.flatten().as_deref() != Some(value) {
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
}
