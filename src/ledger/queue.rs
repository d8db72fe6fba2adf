//! Group commit: several threads write through one ledger. Each signs its statement on top of those that wait, and one
//! of them stores all that wait in one commit, while the others sign for the next.

use super::append::{ATTEMPTS, Author, New, name_file, new_documents, others_first};
use super::index::Documents;
use super::pending::{Pending, Tip};
use super::{Entry, Ledger};
use crate::error::Result;
use crate::store::{Head, Outcome};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Who writes, and on top of what.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the next statement goes, on top of all that waits; `None` when that must be read from the store.
    tip: Option<Tip>,
    /// What is being stored.
    flying: Option<Group>,
    /// What is stored after it.
    waiting: Option<Group>,
    /// Somebody writes alone, and what it does is not seen here.
    closed: bool,
    /// So many wait to write alone; nobody gets in before them.
    wanted: usize,
}

/// Statements of one commit, and what became of it.
#[derive(Default)]
struct Group {
    pending: Pending,
    fate: Arc<OnceLock<Fate>>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    /// Another writer was first.
    Again,
    /// Something failed, perhaps what another statement in it brought. Each looks for itself what was stored.
    Failed,
}

/// An entry that is stored, or why it is not.
type Attempt = std::result::Result<Entry, Fate>;

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panics while it signs has changed nothing yet.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.moved.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps everybody else from writing, once nothing waits any more, until the answer is dropped.
    pub(super) fn alone(&self) -> Alone<'_> {
        let mut state = self.lock();
        state.wanted += 1;
        while !state.is_idle() {
            state = self.wait(state);
        }
        state.wanted -= 1;
        state.closed = true;
        Alone(self)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        !self.closed && self.flying.is_none() && self.waiting.is_none()
    }

    /// The group that everything said so far depends on.
    fn last(&self) -> Option<&Group> {
        self.waiting.as_ref().or(self.flying.as_ref())
    }
}

pub(super) struct Alone<'a>(&'a Queue);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = false;
        self.0.moved.notify_all();
    }
}

/// The end of a commit, also when it panics.
struct Flight<'a> {
    queue: &'a Queue,
    fate: Fate,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if let Some(group) = state.flying.take() {
            let _ = group.fate.set(self.fate);
        }
        if self.fate != Fate::Stored {
            // What was signed on top of it stands on nothing.
            state.tip = None;
            if let Some(group) = state.waiting.take() {
                let _ = group.fate.set(Fate::Again);
            }
        }
        drop(state);
        self.queue.moved.notify_all();
    }
}

impl Ledger {
    /// Appends one statement: judged, signed, stored with its content in one commit. Threads that append through the
    /// same ledger at the same time share commits; each waits for its own, and its key signs while it is its turn.
    ///
    /// # Errors
    /// Failed when the signer may not say this, findings for a rebound ref, unavailable when the key
    /// holder does not sign, integrity when the store's tree is damaged; nothing is stored then.
    pub fn append(&self, author: &Author<'_>, new: &New) -> Result<Entry> {
        let documents = new_documents(new)?;
        let mut alone = new.goes_alone();
        for _ in 0..ATTEMPTS {
            let attempt = match alone {
                true => self.append_alone(author, new, &documents)?,
                false => self.append_in_turn(author, new, &documents)?,
            };
            match attempt {
                Ok(entry) => return Ok(entry),
                Err(fate) => alone |= fate == Fate::Failed,
            }
        }
        Err(others_first())
    }

    /// In a commit of its own.
    fn append_alone(&self, author: &Author<'_>, new: &New, documents: &Documents) -> Result<Attempt> {
        let _alone = self.queue.alone();
        let head = self.head()?;
        match self.try_append(author, new, documents, head) {
            Ok(Some(entry)) => Ok(Ok(entry)),
            Ok(None) => Ok(Err(Fate::Again)),
            // What was read while another process stored may not fit together; only with an unmoved head is the
            // failure ours.
            Err(error) => match self.head() {
                Ok(now) if now != head => Ok(Err(Fate::Again)),
                _ => Err(error),
            },
        }
    }

    fn append_in_turn(&self, author: &Author<'_>, new: &New, documents: &Documents) -> Result<Attempt> {
        let queue = &self.queue;
        let mut state = queue.lock();
        while state.closed || state.wanted > 0 {
            state = queue.wait(state);
        }
        let head = self.head()?;
        let stands_on = state.last().map(|group| Arc::clone(&group.fate));
        let (entry, fate) = match self.add(&mut state, head, author, new, documents) {
            Ok(added) => added,
            Err(error) => {
                // It is a refusal only if what it was judged by is stored.
                let moved = match stands_on {
                    None => self.head().is_ok_and(|now| now != head),
                    Some(fate) => {
                        while fate.get().is_none() {
                            state = queue.wait(state);
                        }
                        fate.get() != Some(&Fate::Stored)
                    }
                };
                return if moved { Ok(Err(Fate::Again)) } else { Err(error) };
            }
        };
        let mut failure = None;
        loop {
            match fate.get() {
                Some(Fate::Stored) => return Ok(Ok(entry)),
                Some(Fate::Again) => return Ok(Err(Fate::Again)),
                Some(Fate::Failed) => break,
                // It is among those that wait, and somebody has to store them.
                None if state.flying.is_none() => {
                    let others = state.waiting.as_ref().is_some_and(|group| group.pending.len() > 1);
                    failure = self.store_waiting(state, author).err().map(|error| (error, others));
                    state = queue.lock();
                }
                None => state = queue.wait(state),
            }
        }
        drop(state);
        match (self.store.statement(entry.index), failure) {
            // The answer may have been lost and the statement not: then saying "failed" would have it
            // recorded twice.
            (Ok(Some(stored)), _) if stored == entry.statement.bytes() => Ok(Ok(entry)),
            (Ok(None), Some((error, false))) => Err(name_file(error, new)),
            (Ok(_), _) => Ok(Err(Fate::Failed)),
            (Err(_), Some((error, _))) => Err(name_file(error, new)),
            (Err(error), None) => Err(error),
        }
    }

    /// Signs a statement and puts it to those that wait.
    fn add(
        &self,
        state: &mut State,
        head: Head,
        author: &Author<'_>,
        new: &New,
        documents: &Documents,
    ) -> Result<(Entry, Arc<OnceLock<Fate>>)> {
        if state.is_idle() {
            // Another process may have written.
            state.tip.take_if(|tip| tip.head() != head);
        }
        let State { tip, flying, waiting, .. } = state;
        let tip = match tip {
            Some(tip) => tip,
            None => tip.insert(Tip::of(&*self.store, head)?),
        };
        let mut first = Group { pending: Pending::on(tip.head()), ..Group::default() };
        let group = waiting.as_mut().unwrap_or(&mut first);
        let below = flying.as_ref().map(|group| &group.pending);
        let entry = group.pending.add(self, below, tip, author, new, documents)?;
        let fate = Arc::clone(&group.fate);
        waiting.get_or_insert(first);
        Ok((entry, fate))
    }

    /// Stores all that waits, and tells everybody.
    fn store_waiting(&self, state: MutexGuard<'_, State>, author: &Author<'_>) -> Result<()> {
        let mut flight = Flight { queue: &self.queue, fate: Fate::Failed };
        // Given back before the flight ends, also when a signer panics.
        let mut state = state;
        state.flying = state.waiting.take();
        let State { tip: Some(tip), flying: Some(group), .. } = &mut *state else { return Ok(()) };
        let sealed = group.pending.seal(tip, author.log_key, (self.name(), self.id()))?;
        let batch = group.pending.batch(sealed)?;
        drop(state);
        flight.fate = match self.store.commit(batch)? {
            Outcome::Done => Fate::Stored,
            Outcome::Conflict(_) => Fate::Again,
        };
        Ok(())
    }

    /// Appends on top of `head`; `None` when another writer was first.
    fn try_append(
        &self,
        author: &Author<'_>,
        new: &New,
        documents: &Documents,
        head: Head,
    ) -> Result<Option<Entry>> {
        let mut tip = Tip::of(&*self.store, head)?;
        let mut pending = Pending::on(head);
        let entry = pending.add(self, None, &mut tip, author, new, documents)?;
        let sealed = pending.seal(&mut tip, new.log_key(author), (self.name(), self.id()))?;
        let batch = pending.batch(sealed)?;
        match self.store.commit(batch) {
            Ok(Outcome::Done) => Ok(Some(entry)),
            Ok(Outcome::Conflict(_)) => Ok(None),
            // The answer may have been lost and the statement not: then saying "failed" would have it
            // recorded twice.
            Err(_) if self.holds(&entry) => Ok(Some(entry)),
            Err(error) => Err(name_file(error, new)),
        }
    }
}
