//! `verify-chain`: judges every statement again from its bytes, and everything that stands on them.
//!
//! An audit is made the fast way first: other threads check the signatures, and the index is compared as a whole. That
//! tells that something is wrong with one of these, and not where. Then the audit is made again the plain way, one thing
//! after the other, whose report names it.

use super::basis::Basis;
use super::checks;
use super::pass::{Pass, Resumed};
use super::rows::{self, Rows, Secret, Sum};
use super::{Ledger, Misfit, index};
use crate::error::{Error, Kind, Result};
use crate::store::Head;
use ledger_format::Class;
use serde::Serialize;

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
    /// How many entries were read and hashed. Below `from` none need be.
    pub hashed: u64,
    /// How many pieces of content the store knows, present or erased; `None` when that was not looked at. Those that
    /// the judged entries describe were hashed again.
    pub contents: Option<u64>,
    /// How many of them are erased.
    pub erased: Option<u64>,
    /// Contents that entries describe and that a published copy does not have, which need not have them.
    pub absent: Vec<String>,
    /// Statements whose author did not know the newest head, which is legal.
    pub lagging: u64,
    /// Statements that this version does not fully understand.
    pub not_understood: u64,
    /// The highest rung reached; `None` when something is wrong, and for what reaches none.
    pub rung: Option<Rung>,
    /// Why there is no rung although nothing is wrong.
    pub rung_withheld: Option<&'static str>,
    /// What witnesses say of it; the audit itself does not ask them.
    pub witnessed: Option<super::WitnessedHead>,
    /// Where a head of it is anchored, when that was looked for.
    pub anchored: Option<super::AnchoredHead>,
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// What does not fit in sessions, as [`Ledger::lives`] tells it. `None` when not all entries are read, and while
    /// there are findings: what does not hold is not told from.
    #[serde(skip)]
    pub misfits: Option<Vec<Misfit>>,
    /// What the next audit can go on from, beside the head; `None` while there are findings.
    #[serde(skip)]
    pub basis: Option<Basis>,
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
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The head pinned for this ledger.
    pub pinned: Option<Head>,
    /// A head from elsewhere that the ledger must extend.
    pub checkpoint: Option<Head>,
    /// A head that an earlier audit of this auditor found consistent. The statements below it are not judged again:
    /// with a basis that the index and the tree still lead to they are not read, and without one they are only hashed,
    /// to see that they are the same, and read, for the keys and refs that they leave behind.
    pub judged: Option<Head>,
    /// What that audit left behind at that head.
    pub basis: Option<Basis>,
}

/// How much an audit keeps in memory, whatever the size of the ledger. Beside it grow what rights and refs need
/// (every key and every ref), the tombstones, the open sessions, and what is found wrong.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Descriptions of content that hold: about 300 bytes each.
    pub(super) contents: usize,
    /// Descriptions that wait to be held against the content, 80 bytes each.
    pub(super) pending: usize,
    /// Hashes of each level of the tree, 32 bytes each: an entry whose author knew a head no further back, or that
    /// cites nothing further back, is judged without the store's tiles.
    pub(super) hashes: usize,
    /// Threads that check signatures, beside the one that reads.
    pub(super) workers: usize,
}

impl Bounds {
    /// What is good for this machine.
    pub(super) fn usual() -> Self {
        let workers = std::thread::available_parallelism().map_or(0, |cores| cores.get() - 1);
        Self { contents: 4096, pending: 1 << 16, hashes: 1024, workers }
    }
}

/// Audits a ledger in flat memory. `progress` is told how many entries are done; it may begin again.
///
/// # Errors
/// When the store cannot be read at all; what is wrong with the ledger is in the report.
pub fn audit(ledger: &Ledger, options: &Options, progress: &mut dyn FnMut(u64)) -> Result<Report> {
    audit_within(Bounds::usual(), ledger, options, progress)
}

/// An audit whose memory is bounded as one likes; the report is the same.
pub(super) fn audit_within(
    bounds: Bounds,
    ledger: &Ledger,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Report> {
    let head = ledger.head()?;
    let contradicted = match Pass::resume(ledger, head, bounds, options)? {
        Resumed::Ready(mut pass) => {
            pass.hold(options);
            pass.statements(None, progress)?;
            pass.end()?;
            let report = pass.report(options)?;
            // What is wrong, the entries below may explain: they are read then.
            if report.findings.is_empty() {
                return Ok(report);
            }
            false
        }
        Resumed::Contradicted => true,
        Resumed::No => false,
    };
    match fast(bounds, ledger, head, options, contradicted, progress)? {
        Some(report) => Ok(report),
        None => plain(bounds, ledger, head, options, contradicted, progress),
    }
}

/// Hashes all statements and compares them with the head, the tree and the heads held; nobody's signature, right or
/// content is judged, so that no rung is reached.
///
/// # Errors
/// As [`audit`].
pub fn audit_hashes(ledger: &Ledger, options: &Options, progress: &mut dyn FnMut(u64)) -> Result<Report> {
    Pass::new(ledger, ledger.head()?, Bounds::usual()).hashes(options, progress)
}

/// The plain way.
pub(super) fn plain(
    bounds: Bounds,
    ledger: &Ledger,
    head: Head,
    options: &Options,
    contradicted: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Report> {
    let mut pass = start(bounds, ledger, head, options, contradicted);
    pass.statements(None, progress)?;
    pass.end()?;
    pass.report(options)
}

/// The fast way. `None`: a signature, the index or the order of the entries is wrong, and the plain way says where.
fn fast(
    bounds: Bounds,
    ledger: &Ledger,
    head: Head,
    options: &Options,
    contradicted: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Report>> {
    let mut pass = start(bounds, ledger, head, options, contradicted);
    let secret = Secret::draw();
    // Of the entries that were judged before, the rows are not looked at.
    let whole = options.judged.is_none() && !matches!(pass.rows, Rows::Unused);
    if whole {
        pass.rows = Rows::Sum(Sum::default(), secret);
    }
    let stored = || if whole { rows::stored(&*ledger.store, &secret) } else { Ok(None) };
    let (read, stored, signed) =
        checks::along(bounds.workers, stored, |sender| pass.statements(Some(sender), progress))?;
    if !signed {
        return Ok(None);
    }
    read?;
    pass.end()?;
    if let Rows::Sum(implied, _) = &pass.rows
        && (!pass.is_whole() || stored?.as_ref() != Some(implied))
    {
        return Ok(None);
    }
    pass.report(options).map(Some)
}

/// A pass over all entries. `contradicted`: the index says something else than an earlier audit did.
fn start<'a>(
    bounds: Bounds,
    ledger: &'a Ledger,
    head: Head,
    options: &Options,
    contradicted: bool,
) -> Pass<'a> {
    let mut pass = Pass::new(ledger, head, bounds);
    pass.hold(options);
    if contradicted {
        pass.contradict(options);
    }
    pass
}

/// All index rows that follow from a ledger's statements, for rebuilding.
pub(super) fn index_rows(ledger: &Ledger) -> Result<Vec<index::Row>> {
    let pass = Pass::collecting(ledger)?;
    if let Some(finding) = pass.findings().first() {
        return Err(Error::integrity(format!("the index cannot be rebuilt: {}", finding.message)));
    }
    pass.collected()
}

/// The same of a published ledger, whose statements must also lead to a checkpoint signed by the key in force.
pub(super) fn proven_rows(bare: &Ledger) -> Result<Vec<index::Row>> {
    let mut pass = Pass::collecting(bare)?;
    pass.head()?;
    if let (Some(kind), Some(finding)) = (pass.failure(), pass.findings().first()) {
        return Err(Error::new(kind, format!("the published ledger does not hold: {}", finding.message))
            .hint("promptos verify-chain tells all that is wrong"));
    }
    pass.collected()
}
