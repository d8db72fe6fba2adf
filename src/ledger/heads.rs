//! Signed heads beside each other: what somebody holds, whether one extends another, and the proof when it does not.

use super::{Ledger, rfc3339};
use crate::error::{Error, Result};
use crate::store::nodes::Tiles;
use ledger_format::evidence::Evidence;
use ledger_format::tree::{self, Leaves, Nodes};
use ledger_format::{
    Body, Checkpoint, Class, ForkProof, Hash, Head, InclusionProof, KeyChange, Policy, Statement,
    VerifierKey, Witnessed,
};
use serde::Serialize;

/// The signed checkpoint in what somebody brought: a checkpoint, a tlog-proof or an evidence tar. No signature is
/// checked.
///
/// # Errors
/// Failed, when it is none of them.
pub fn held_note(bytes: &[u8]) -> Result<Vec<u8>> {
    if Checkpoint::parse(bytes).is_ok() {
        return Ok(bytes.to_vec());
    }
    let note = match InclusionProof::parse(bytes) {
        Ok(proof) => Some(proof.checkpoint),
        Err(_) => Evidence::open(bytes).ok().map(|evidence| evidence.subject.proof.checkpoint),
    };
    note.filter(|note| Checkpoint::parse(note).is_ok())
        .ok_or_else(|| Error::failed("this is no signed checkpoint, no tlog-proof and no evidence tar"))
}

/// The head in what an auditor brought, as [`held_note`]. Its signature is not the point: it is a head that the
/// auditor holds.
///
/// # Errors
/// As [`held_note`].
pub fn held_checkpoint(bytes: &[u8]) -> Result<Checkpoint> {
    Checkpoint::parse(&held_note(bytes)?).map_err(|f| Error::failed(f.detail))
}

/// A checkpoint with a good signature.
#[derive(Debug, Clone)]
pub struct SignedHead {
    /// The signed note, verbatim.
    pub note: Vec<u8>,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Whose signature was checked.
    pub vkey: VerifierKey,
}

impl SignedHead {
    /// Checks a note by the first of the keys that signed it.
    ///
    /// # Errors
    /// Integrity, when a line of such a key is not good; failed, when none of the keys signed, or it is no checkpoint.
    pub fn open(note: Vec<u8>, keys: &[VerifierKey]) -> Result<Self> {
        let origin = Checkpoint::parse(&note).map_err(|f| Error::failed(f.detail))?.origin;
        for vkey in keys {
            match Checkpoint::open(&note, vkey) {
                Ok(checkpoint) => return Ok(Self { note, checkpoint, vkey: vkey.clone() }),
                Err(failure) if failure.class == Class::UnknownKey => {}
                Err(failure) => return Err(Error::integrity(failure.to_string())),
            }
        }
        // Whoever made the note chose the origin.
        let shown: String = origin.chars().take(200).collect();
        Err(match keys.iter().filter(|key| key.name == origin).count() {
            0 => Error::failed(format!("no checkpoint key of {shown} is known here"))
                .hint("name it with --vkey, as 'promptos checkpoint --vkey' prints it where the ledger is"),
            known => Error::failed(format!("none of the {known} known checkpoint keys of {shown} signed it")),
        })
    }
}

/// A head that somebody signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The head.
    pub head: Head,
    /// Who signed it, for a message.
    pub who: String,
}

impl Seen {
    /// The head that the author of a statement signed with it.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        Self { head: statement.head, who: format!("'{}' {}", statement.issuer, statement.kid) }
    }
}

/// A head that an author signed in the one evidence, and one of the same size that somebody signed in the other, when they
/// are not the same: one of the two saw, or claims, another history. It proves nothing against the keeper.
#[must_use]
pub fn contradiction(one: &Evidence, other: &Evidence) -> Option<(Seen, Seen)> {
    let authors = |evidence: &Evidence| -> Vec<Seen> {
        let items = evidence.entries.iter().chain([&evidence.subject]);
        items.map(|item| Seen::of(&item.statement)).collect()
    };
    let keeper = |evidence: &Evidence| {
        vec![Seen { head: evidence.checkpoint.head, who: "the ledger's checkpoint key".to_owned() }]
    };
    let find = |ones: Vec<Seen>, others: Vec<Seen>| {
        ones.into_iter().find_map(|one| {
            let differs =
                |other: &&Seen| one.head.size == other.head.size && one.head.root != other.head.root;
            others.iter().find(differs).cloned().map(|other| (one, other))
        })
    };
    find(authors(one), authors(other))
        .or_else(|| find(authors(one), keeper(other)))
        .or_else(|| find(authors(other), keeper(one)))
}

/// How two signed heads of one origin stand to each other.
#[derive(Debug, Clone)]
pub enum Compared {
    /// They are one head.
    Same,
    /// The larger tree extends the smaller one, by this consistency proof.
    Extends(Vec<Hash>),
    /// They cannot be of one history. The proof accuses the one key that signed both; when two keys did, there is none.
    Forked(Option<Box<ForkProof>>),
    /// The larger tree is not here, so that nothing is shown either way.
    Unknown,
}

/// Compares two signed heads of one origin, the smaller one first. The ledger, if it is of that origin, shows what the
/// heads alone do not.
///
/// # Errors
/// When the ledger cannot be read.
pub fn compare(old: &SignedHead, new: &SignedHead, ledger: Option<&Ledger>) -> Result<Compared> {
    let (a, b) = (old.checkpoint.head, new.checkpoint.head);
    if a == b {
        return Ok(Compared::Same);
    }
    let shown = match ledger {
        _ if a.size == b.size => Some((b, Vec::new())),
        Some(ledger) => ledger.prefix(a.size, &b)?,
        None => None,
    };
    let Some((prefix, path)) = shown else { return Ok(Compared::Unknown) };
    if prefix == a {
        return Ok(Compared::Extends(path));
    }
    if old.vkey != new.vkey {
        return Ok(Compared::Forked(None));
    }
    let mut proof = ForkProof {
        vkey: old.vkey.clone(),
        genesis: ledger.map(Ledger::genesis).transpose()?,
        root: prefix.root,
        path,
        old: old.note.clone(),
        new: new.note.clone(),
    };
    // After a change of the checkpoint key the genesis names another one, and has no place in the proof.
    if proof.verify().is_err() {
        proof.genesis = None;
    }
    proof.verify().map_err(|f| Error::bug(format!("a fork proof does not hold: {f}")))?;
    Ok(Compared::Forked(Some(Box::new(proof))))
}

/// A head of the ledger that a quorum of witnesses has cosigned. Times are those of the witnesses' clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WitnessedHead {
    /// How many entries it has; those after them are not witnessed.
    pub size: u64,
    /// Who cosigned it, of those that the policy knows.
    pub by: Vec<Cosigner>,
    /// It existed by then: a quorum had cosigned it.
    pub existed_by: String,
    /// A quorum cosigned it then or later, and so knew no larger one.
    pub newest_at: String,
}

/// One witness, and when it cosigned first and last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosigner {
    /// The witness's key name.
    pub name: String,
    /// The first time.
    pub first: String,
    /// The last time.
    pub last: String,
}

impl WitnessedHead {
    /// What a policy's quorum says of a head of this size.
    #[must_use]
    pub fn new(size: u64, witnessed: Witnessed) -> Self {
        let cosigner = |(name, first, last)| Cosigner { name, first: rfc3339(first), last: rfc3339(last) };
        Self {
            size,
            by: witnessed.by.into_iter().map(cosigner).collect(),
            existed_by: rfc3339(witnessed.existed_by),
            newest_at: rfc3339(witnessed.newest_at),
        }
    }
}

impl Ledger {
    /// Judges a note by a policy: it must be a checkpoint of this ledger, signed by a key of it, that the ledger extends,
    /// and have the cosignatures of a quorum.
    ///
    /// # Errors
    /// Integrity, when the ledger does not extend it; findings, when it is no witnessed checkpoint of this ledger, with a bad
    /// signature or without a quorum; when the store cannot be read.
    pub fn witnessed(&self, note: &[u8], policy: &Policy) -> Result<WitnessedHead> {
        let none = |e: Error| Error::findings(e.to_string());
        let head = SignedHead::open(note.to_vec(), &self.checkpoint_keys()?).map_err(none)?.checkpoint.head;
        self.check_extends(&head)?;
        let judged = policy.judge(note).map_err(|f| match f.class {
            Class::UnknownKey => Error::findings(f.detail),
            _ => Error::findings(f.to_string()),
        })?;
        Ok(WitnessedHead::new(head.size, judged))
    }

    /// Every checkpoint key that this ledger has had, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn checkpoint_keys(&self) -> Result<Vec<VerifierKey>> {
        let mut keys = vec![self.checkpoint_key()?];
        for entry in self.of_kind("key")?.into_iter().rev() {
            if let Body::Key(KeyChange::Checkpoint { key }) = entry.statement.body {
                keys.push(key);
            }
        }
        if let Body::Ledger(genesis) = self.expect_entry(0)?.statement.body {
            keys.push(genesis.checkpoint_key);
        }
        keys.dedup();
        Ok(keys.into_iter().map(|key| VerifierKey { name: self.origin(), key }).collect())
    }

    /// The genesis as it is stored.
    fn genesis(&self) -> Result<Vec<u8>> {
        Ok(self.expect_entry(0)?.statement.bytes().to_vec())
    }

    /// The head of the first `size` entries, with the consistency proof from there to `to`. `None` when `to` is no
    /// head of this ledger.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn prefix(&self, size: u64, to: &Head) -> Result<Option<(Head, Vec<Hash>)>> {
        if size > to.size || to.size > self.head()?.size {
            return Ok(None);
        }
        let tiles = Tiles(&*self.store);
        if let Ok(Some(shown)) = shown(&tiles, size, to) {
            return Ok(Some(shown));
        }
        // Damaged tiles must not look like a fork: the statements themselves decide.
        let mut leaves = Leaves::default();
        self.store.scan(0..to.size, &mut |_, bytes| {
            leaves.0.push(tree::leaf_hash(bytes));
            Ok(true)
        })?;
        shown(&leaves, size, to).map_err(|f| Error::integrity(f.detail))
    }
}

/// The head of the first `size` leaves with the proof from there to `to`, when the tree has that head.
fn shown<N: Nodes>(nodes: &N, size: u64, to: &Head) -> Result<Option<(Head, Vec<Hash>)>, N::Error> {
    if tree::root(nodes, to.size)? != to.root {
        return Ok(None);
    }
    let from = Head { size, root: tree::root(nodes, size)? };
    let path = tree::consistency_proof(nodes, size, to.size)?;
    Ok(Some((from, path)).filter(|(from, path)| tree::verify_consistency(from, to, path).is_ok()))
}
