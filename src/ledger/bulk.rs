//! Many statements in few commits: while one commit is on its way to the disk, the statements of the next are signed
//! on top of it.

use super::append::{ATTEMPTS, Author, New, name_file, new_documents, others_first};
use super::pending::{Pending, Tip};
use super::{Entry, Ledger};
use crate::error::{Error, Result};
use crate::store::Outcome;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

/// At most so many statements go into one commit: in a large ledger each commit changes many pages.
const STATEMENTS: usize = 8192;

/// In a small one fewer do, an n-th of it, but not less than so many: the first are signed while nothing is stored, and
/// the last stored while nothing is signed.
const PART: u64 = 32;
const FEWEST: usize = 2048;

/// And no more do once their contents have so many bytes.
const CONTENTS: u64 = 16 << 20;

/// A commit on its way.
struct Flight<'scope> {
    outcome: ScopedJoinHandle<'scope, Result<Outcome>>,
    pending: Arc<Pending>,
    load: Load,
}

/// What goes into one commit.
#[derive(Default)]
struct Load {
    new: VecDeque<New>,
    entries: Vec<Entry>,
    /// Nothing comes after it.
    last: bool,
}

/// Those that come next: first what has to be tried again.
struct Source<'a> {
    /// So many go into one commit.
    at_once: usize,
    again: VecDeque<New>,
    rest: &'a mut dyn Iterator<Item = Result<New>>,
    failed: Option<Error>,
}

impl Source<'_> {
    /// After a failure there is nothing more.
    fn next(&mut self) -> Option<New> {
        if let Some(new) = self.again.pop_front() {
            return Some(new);
        }
        if self.failed.is_some() {
            return None;
        }
        self.rest.next()?.map_err(|error| self.failed = Some(error)).ok()
    }
}

impl Ledger {
    /// Appends many statements of one author, in their order, in commits of up to 8,192 statements or 16 MiB of
    /// content. Each statement is judged and signed on top of those before it, exactly as [`Self::append`] does;
    /// `stored` hears of it once it is durable. What goes into one commit is stored as a whole or not at all. Other
    /// threads that append through this ledger wait until the end, so neither `all` nor `stored` may do so.
    ///
    /// # Errors
    /// As [`Self::append`], and what `all` fails with. What `stored` heard of is stored then, and nothing else; the
    /// statements that were to share a commit with the refused one are not.
    pub fn append_all(
        &self,
        author: &Author<'_>,
        all: &mut dyn Iterator<Item = Result<New>>,
        stored: &mut dyn FnMut(&Entry),
    ) -> Result<()> {
        self.append_in(STATEMENTS, author, all, stored)
    }

    /// In commits of so many statements at most.
    pub(super) fn append_in(
        &self,
        at_once: usize,
        author: &Author<'_>,
        all: &mut dyn Iterator<Item = Result<New>>,
        stored: &mut dyn FnMut(&Entry),
    ) -> Result<()> {
        let mut source = Source { at_once, again: VecDeque::new(), rest: all, failed: None };
        let _alone = self.queue.alone();
        let mut lost = 0;
        while lost < ATTEMPTS {
            lost += 1;
            let mut told = |entry: &Entry| {
                lost = 0;
                stored(entry);
            };
            if std::thread::scope(|scope| self.fly(scope, author, &mut source, &mut told))? {
                return Ok(());
            }
        }
        Err(others_first())
    }

    /// Goes on from the head until all is stored; `false` when another writer was first.
    fn fly<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        author: &Author<'_>,
        source: &mut Source<'_>,
        stored: &mut dyn FnMut(&Entry),
    ) -> Result<bool> {
        let head = self.head()?;
        let mut tip = match Tip::of(&*self.store, head) {
            Err(_) if self.head()? != head => return Ok(false),
            tip => tip?,
        };
        let mut flight: Option<Flight<'scope>> = None;
        // Of the last commit; to be dropped by a thread that has the time for it.
        let mut landed = None;
        loop {
            let head = tip.head();
            let (mut pending, mut load) = (Pending::on(head), Load::default());
            let below = flight.as_ref().map(|flight| &*flight.pending);
            let added = self.load(author, source, below, &mut tip, &mut pending, &mut load);
            if let Some(flight) = flight.take() {
                let pending = Arc::clone(&flight.pending);
                match self.land(flight, stored)? {
                    Ok(done) => landed = Some((pending, done)),
                    Err(mut again) => {
                        again.append(&mut load.new);
                        again.append(&mut source.again);
                        source.again = again;
                        return Ok(false);
                    }
                }
            }
            if let Err(error) = added {
                // As in `append`: only with an unmoved head is the failure ours.
                if self.head()? == head {
                    return Err(error);
                }
                load.new.append(&mut source.again);
                source.again = load.new;
                return Ok(false);
            }
            if let Some(error) = source.failed.take() {
                return Err(error);
            }
            if !load.entries.is_empty() {
                let log_key = load.new.back().map_or(author.log_key, |new| new.log_key(author));
                let sealed = pending.seal(&mut tip, log_key, (self.name(), self.id()))?;
                let (pending, done) = (Arc::new(pending), landed.take());
                let flying = Arc::clone(&pending);
                let outcome = scope.spawn(move || {
                    drop(done);
                    self.store.commit(flying.batch(sealed)?)
                });
                flight = Some(Flight { outcome, pending, load });
            } else if load.last {
                return Ok(true);
            }
        }
    }

    /// Adds what goes into one commit.
    fn load(
        &self,
        author: &Author<'_>,
        source: &mut Source<'_>,
        below: Option<&Pending>,
        tip: &mut Tip,
        pending: &mut Pending,
        load: &mut Load,
    ) -> Result<()> {
        let part = usize::try_from(tip.head().size / PART).unwrap_or(usize::MAX);
        let (at_once, mut size) = (source.at_once.min(part.max(FEWEST)), 0_u64);
        while load.entries.len() < at_once && size < CONTENTS {
            let Some(new) = source.next() else {
                load.last = true;
                break;
            };
            let alone = new.goes_alone();
            if alone && (below.is_some() || !load.entries.is_empty()) {
                source.again.push_front(new);
                break;
            }
            size += new.contents.iter().map(|content| content.descriptor().size).sum::<u64>();
            let added = new_documents(&new)
                .and_then(|documents| pending.add(self, below, tip, author, &new, &documents));
            load.new.push_back(new);
            load.entries.push(added?);
            if alone {
                break;
            }
        }
        Ok(())
    }

    /// Waits for a commit, and answers with what was stored; the inner error has what another writer was faster than.
    fn land(
        &self,
        flight: Flight<'_>,
        stored: &mut dyn FnMut(&Entry),
    ) -> Result<Result<Load, VecDeque<New>>> {
        let Flight { outcome, load, .. } = flight;
        let outcome = outcome.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match outcome {
            Ok(Outcome::Conflict(_)) => return Ok(Err(load.new)),
            Ok(Outcome::Done) => {}
            // All of them or none: the answer alone may have been lost.
            Err(_) if load.entries.last().is_some_and(|entry| self.holds(entry)) => {}
            Err(error) => return Err(load.new.iter().fold(error, name_file)),
        }
        load.entries.iter().for_each(stored);
        Ok(Ok(load))
    }
}
