//! The audit of a whole log, statement by statement, trusting nothing but the statements' bytes.

use crate::body::Body;
use crate::digest::{EntryId, Hash};
use crate::failure::{Class, Failure};
use crate::key::Kid;
use crate::rules::{self, Binding, Change, KeyRecord, State, View};
use crate::statement::Statement;
use crate::tree::{self, Frontier, Head};
use crate::verifier::Check;

/// What an audit asks of the store below the current entry. None of it is trusted: a wrong answer fails
/// to verify.
pub trait History {
    /// What reading can fail with.
    type Error;
    /// The consistency proof between two sizes of this ledger.
    ///
    /// # Errors
    /// When it cannot be read.
    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>, Self::Error>;
    /// The statement with this id, when it stands below `head`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>, Self::Error>;
}

/// Where a statement stands, with what proves it.
#[derive(Debug, Clone)]
pub struct Located {
    /// Its index.
    pub index: u64,
    /// Its bytes.
    pub statement: Vec<u8>,
    /// Its inclusion proof for the head asked about.
    pub path: Vec<Hash>,
}

/// Audits a log from its genesis.
#[derive(Debug, Clone, Default)]
pub struct Auditor {
    frontier: Frontier,
    state: State,
    ledger: Option<(EntryId, String)>,
}

impl Auditor {
    /// Goes on behind statements that were judged before. Whoever calls this vouches that the tree with this right
    /// edge is theirs, and that they leave this state behind in the ledger of this id and name.
    #[must_use]
    pub fn resume(frontier: Frontier, state: State, ledger: (EntryId, String)) -> Self {
        Self { frontier, state, ledger: Some(ledger) }
    }

    /// Judges the next statement and, when it may stand, takes it over. After a failure the auditor stays
    /// where it was: what was accepted so far is a consistent prefix.
    ///
    /// # Errors
    /// The outer one is the history's; the inner one says why the statement may not stand here.
    pub fn push<H: History>(
        &mut self,
        bytes: &[u8],
        history: &H,
    ) -> Result<Result<Statement, Failure>, H::Error> {
        self.next(bytes, history, Signature::Checked)
    }

    /// As [`Self::push`], but leaves the check of the signature to the caller: what it accepts stands only once a
    /// [`crate::Verifier`] has found nothing wrong with the [`Check`]s of it and of all before it. When one is bad, a
    /// new audit with [`Self::push`] says what exactly is wrong and where. A failure is the one that
    /// [`Self::push`] would have given here.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_deferring<H: History>(
        &mut self,
        bytes: &[u8],
        history: &H,
    ) -> Result<Result<(Statement, Check), Failure>, H::Error> {
        let statement = match self.next(bytes, history, Signature::Deferred)? {
            Ok(statement) => statement,
            // Nothing was taken over, and a bad signature would have been found before most other faults.
            Err(_) => match self.push(bytes, history)? {
                Ok(statement) => statement,
                Err(failure) => return Ok(Err(failure)),
            },
        };
        Ok(self.check(statement))
    }

    /// What is left to check of the statement that was taken over last.
    fn check(&self, statement: Statement) -> Result<(Statement, Check), Failure> {
        let unknown = || Failure::new(Class::UnknownKey, format!("{} is not enrolled", statement.kid));
        let key = self.state.keys.get(&statement.kid).ok_or_else(unknown)?.key.clone();
        let check = statement.check(key);
        Ok((statement, check))
    }

    /// Takes over a statement that was judged before, without its costly checks (signature and head).
    /// Whoever calls this must compare [`Self::head`] with the head that was judged, when it is reached:
    /// until then nothing shows that the statements are the same.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn replay<H: History>(
        &mut self,
        bytes: &[u8],
        history: &H,
    ) -> Result<Result<Statement, Failure>, H::Error> {
        self.next(bytes, history, Signature::JudgedBefore)
    }

    fn next<H: History>(
        &mut self,
        bytes: &[u8],
        history: &H,
        signature: Signature,
    ) -> Result<Result<Statement, Failure>, H::Error> {
        let statement = match Statement::decode(bytes.to_vec()) {
            Ok(statement) => statement,
            Err(failure) => return Ok(Err(failure)),
        };
        let index = self.frontier.size();
        let view = Below { state: &self.state, history, frontier: &self.frontier };
        let judged = match signature {
            Signature::Checked => rules::judge(&view, index, &statement)?,
            Signature::Deferred | Signature::JudgedBefore => rules::judge_again(&view, index, &statement)?,
        };
        let changes = match judged {
            Ok(changes) => changes,
            Err(failure) => return Ok(Err(failure)),
        };
        let foreign = self.ledger().map_or(Ok(()), |ledger| rules::check_foreign(&statement, &ledger));
        if let Err(failure) = foreign {
            return Ok(Err(failure));
        }
        if signature != Signature::JudgedBefore
            && let Err(failure) = check_head(&statement, &self.frontier.head(), history)?
        {
            return Ok(Err(failure));
        }
        if let Body::Ledger(ledger) = &statement.body {
            self.ledger = Some((statement.id, ledger.name.clone()));
        }
        changes.into_iter().for_each(|change: Change| self.state.apply(change));
        self.frontier.push(statement.id.0, |_, _, _| {});
        Ok(Ok(statement))
    }

    /// The head of what was accepted so far.
    #[must_use]
    pub fn head(&self) -> Head {
        self.frontier.head()
    }

    /// Rights and refs after what was accepted so far.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The ledger's id; `None` before its genesis.
    #[must_use]
    pub fn ledger(&self) -> Option<EntryId> {
        self.ledger.as_ref().map(|(id, _)| *id)
    }

    /// The checkpoint origin `<name>/<64 hex>`; `None` before the genesis.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.ledger.as_ref().map(|(id, name)| origin(name, id))
    }
}

/// What an audit does about the signature of a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signature {
    Checked,
    Deferred,
    /// With the whole statement, which is known to be the same; its head need not be judged again either.
    JudgedBefore,
}

/// The checkpoint origin of a ledger: `<name>/<64 hex of the genesis id>`.
#[must_use]
pub fn origin(name: &str, genesis: &EntryId) -> String {
    format!("{name}/{}", hex::encode(genesis.0))
}

/// Whether the head that the author signed is a head of this very ledger.
fn check_head<H: History>(
    statement: &Statement,
    head: &Head,
    history: &H,
) -> Result<Result<(), Failure>, H::Error> {
    let forked = || {
        let detail = format!("its author signed a head of {}, which this ledger never had", statement.head);
        Failure::new(Class::ForkedHead, detail)
    };
    if statement.head.size == head.size {
        return Ok(if statement.head.root == head.root { Ok(()) } else { Err(forked()) });
    }
    let proof = history.consistency(&statement.head, head)?;
    Ok(tree::verify_consistency(&statement.head, head, &proof).map_err(|_| forked()))
}

struct Below<'a, H> {
    state: &'a State,
    history: &'a H,
    frontier: &'a Frontier,
}

impl<H: History> View for Below<'_, H> {
    type Error = H::Error;

    fn key(&self, kid: &Kid) -> Result<Option<KeyRecord>, H::Error> {
        Ok(self.state.keys.get(kid).cloned())
    }

    fn binding(&self, reference: &str) -> Result<Binding, H::Error> {
        Ok(self.state.binding(reference))
    }

    fn cited(&self, id: &EntryId) -> Result<Option<(u64, Option<String>)>, H::Error> {
        let head = self.frontier.head();
        let Some(found) = self.history.locate(id, &head)? else { return Ok(None) };
        let leaf = tree::leaf_hash(&found.statement);
        let proven = tree::verify_inclusion(&leaf, found.index, &head, &found.path).is_ok();
        let statement = Statement::decode(found.statement).ok().filter(|s| proven && s.id == *id);
        Ok(statement.map(|s| (found.index, Some(s.kind))))
    }

    fn has_snapshot(&self, name: &str) -> Result<bool, H::Error> {
        Ok(self.state.snapshots.contains(name))
    }

    fn active_admins(&self) -> Result<u64, H::Error> {
        Ok(self.state.active_admins())
    }

    fn signed_checkpoints(&self, kid: &Kid) -> Result<bool, H::Error> {
        Ok(self.state.checkpoint_keys.contains(kid))
    }
}
