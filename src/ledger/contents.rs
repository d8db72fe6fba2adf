//! Whether content is what entries say of it, in memory that does not grow with the ledger.

use super::{Finding, Ledger};
use crate::error::{Error, Kind, Result};
use crate::store::BlobState;
use ledger_format::{Address, Class, Descriptor, Hash};
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an entry says of content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Said {
    content: Address,
    size: u64,
    sha256: Hash,
}

/// The contents that entries describe. They are hashed many at a time, in the order in which a store has them, and again
/// when an entry describes one that was forgotten: what many entries describe is known, what few do costs little. What
/// does not hold is kept for the end, since an entry to come may say that it was erased.
pub(super) struct Contents<'a> {
    ledger: &'a Ledger,
    recent: Recent,
    /// Not looked at yet, with the entry that says so.
    pending: Vec<(u64, Said)>,
    /// So many of them are looked at at once, and so many later on.
    at_once: usize,
    most: usize,
    /// What did not hold when it was looked at, by address, with the first entry that says so: two descriptions of
    /// one address may differ.
    open: BTreeMap<Address, Vec<(u64, Said)>>,
    tombstones: BTreeSet<Address>,
    copy: Option<Copied>,
    /// Whether all entries are read: only then is it known what was erased, and all that is stored is looked at.
    whole: bool,
}

/// What is known of a published copy. It need not have all content and may be far away, so that many contents are asked
/// for at once; and it grows with the ledger, as the index in memory of such a ledger does.
#[derive(Default)]
struct Copied {
    present: BTreeSet<Address>,
    missing: BTreeSet<Address>,
}

/// So many contents of a published copy are asked for at once, by so many threads; and with so many an audit begins,
/// which soon shows what many entries describe.
const PENDING: usize = 256;
const THREADS: usize = 16;

/// What [`Contents`] come to.
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    /// Contents in the store, present or erased, and those that are erased. `None` when they were not counted.
    pub(super) known: Option<(u64, u64)>,
    /// What a published copy does not have.
    pub(super) absent: Vec<Address>,
}

impl<'a> Contents<'a> {
    /// Remembers between `remember` and twice as many descriptions that hold, and looks at up to `most` at once.
    pub(super) fn new(ledger: &'a Ledger, remember: usize, most: usize) -> Self {
        let (open, tombstones, at_once) = (BTreeMap::new(), BTreeSet::new(), PENDING.min(most));
        let (recent, pending) = (Recent::new(remember), Vec::new());
        Self { ledger, recent, pending, at_once, most, open, tombstones, copy: None, whole: true }
    }

    /// Content that is not in a published copy was erased, or not published: neither is wrong.
    pub(super) fn of_published(ledger: &'a Ledger, remember: usize) -> Self {
        Self { copy: Some(Copied::default()), ..Self::new(ledger, remember, PENDING) }
    }

    /// Of new entries only, without those before them.
    pub(super) fn of_new(ledger: &'a Ledger, remember: usize, most: usize) -> Self {
        Self { whole: false, ..Self::new(ledger, remember, most) }
    }

    /// An entry describes content.
    pub(super) fn described(&mut self, at: u64, content: &Descriptor) -> Result<()> {
        let said = Said { content: content.blake3, size: content.size, sha256: content.sha256 };
        let known = |said: &Said, open: &BTreeMap<Address, Vec<(u64, Said)>>| {
            open.get(&said.content).is_some_and(|open| open.iter().any(|(_, other)| other == said))
        };
        if self.recent.has(&said) || known(&said, &self.open) {
            return Ok(());
        }
        if self.copy.as_ref().is_some_and(|copy| copy.missing.contains(&said.content)) {
            return Ok(());
        }
        self.pending.push((at, said));
        if self.pending.len() < self.at_once { Ok(()) } else { self.look() }
    }

    /// Looks at what is pending.
    fn look(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_unstable_by_key(|(at, said)| (said.content, said.size, said.sha256, *at));
        if self.copy.is_some() {
            pending.dedup_by_key(|(_, said)| *said);
            self.ask(&pending)?;
        } else {
            for alike in pending.chunk_by(|(_, one), (_, other)| one == other) {
                let Some((at, said)) = alike.first() else { continue };
                self.answered(*at, *said, read(self.ledger, &said.content), alike.len() > 1)?;
            }
        }
        pending.clear();
        self.pending = pending;
        self.at_once = self.most.min(self.at_once * 2);
        Ok(())
    }

    /// Asks for contents of a copy.
    fn ask(&mut self, pending: &[(u64, Said)]) -> Result<()> {
        let ledger = self.ledger;
        let next = AtomicUsize::new(0);
        let work = || {
            let next = || pending.get(next.fetch_add(1, Ordering::Relaxed));
            let asked = std::iter::from_fn(next).map(|(at, said)| (*at, *said, read(ledger, &said.content)));
            asked.collect::<Vec<_>>()
        };
        let mut answers = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS.min(pending.len())).map(|_| scope.spawn(work)).collect();
            let answers =
                threads.into_iter().map(|thread| thread.join().map_err(|_| Error::bug("a reader failed")));
            answers.collect::<Result<Vec<_>>>()
        })?;
        // In the order of the entries, so that every audit says the same.
        let mut answers: Vec<_> = answers.drain(..).flatten().collect();
        answers.sort_by_key(|(at, said, _)| (*at, said.content));
        answers.into_iter().try_for_each(|(at, said, answer)| self.answered(at, said, answer, true))
    }

    /// What an entry says of content is held against it, and remembered where others say the same.
    fn answered(
        &mut self,
        at: u64,
        said: Said,
        answer: (Result<BlobState>, Hash),
        again: bool,
    ) -> Result<()> {
        match answer {
            (Ok(BlobState::Present(size)), sha256) if (size, sha256) == (said.size, said.sha256) => {
                if again {
                    self.recent.add(said);
                }
                if let Some(copy) = &mut self.copy {
                    copy.present.insert(said.content);
                }
            }
            (Err(error), _) if error.kind() != Kind::Integrity => return Err(error),
            (Ok(BlobState::Missing), _) if self.copy.is_some() => {
                if let Some(copy) = &mut self.copy {
                    copy.missing.insert(said.content);
                }
            }
            _ => self.open.entry(said.content).or_default().push((at, said)),
        }
        Ok(())
    }

    /// An entry erases content.
    pub(super) fn erased(&mut self, content: Address) {
        self.tombstones.insert(content);
    }

    /// Judges what was left open, once all entries are read.
    pub(super) fn judge(mut self) -> Result<Judged> {
        self.look()?;
        let mut judged = Judged { findings: Vec::new(), known: None, absent: Vec::new() };
        for (address, said) in &self.open {
            let (state, sha256) = read(self.ledger, address);
            let erased = self.tombstones.contains(address);
            for (at, said) in said {
                let (code, what, meaning) = match &state {
                    Ok(BlobState::Present(size)) if (*size, sha256) == (said.size, said.sha256) => continue,
                    Ok(BlobState::Erased) if erased => continue,
                    Ok(BlobState::Present(_)) => (
                        "wrong-hash",
                        format!("{address} has another length or SHA-256 than stated"),
                        Class::WrongHash.meaning(),
                    ),
                    Ok(BlobState::Erased) => (
                        "missing-content",
                        format!("{address} is gone as if erased, but no entry says so"),
                        "content was removed outside the rules",
                    ),
                    Ok(BlobState::Missing) => (
                        "missing-content",
                        format!("{address} ({} bytes) is not here", said.size),
                        "content was lost or removed",
                    ),
                    Err(error) if error.kind() == Kind::Integrity => {
                        ("altered-content", error.to_string(), "content was changed after it was recorded")
                    }
                    Err(_) => return state.map(|_| judged),
                };
                let message = format!("entry {at}: {what}");
                judged.findings.push(Finding { code, entry: Some(*at), message, meaning });
            }
        }
        if !self.whole {
            for address in &self.tombstones {
                if matches!(self.ledger.blob_state(address)?, BlobState::Present(_)) {
                    judged.findings.push(not_erased(address));
                }
            }
            return Ok(judged);
        }
        let mut stored = BTreeSet::new();
        let (mut known, mut erased) = (0, 0);
        self.ledger.store.blobs(&mut |hash, state| {
            let address = Address(hash);
            known += 1;
            erased += u64::from(state == BlobState::Erased);
            if matches!(state, BlobState::Present(_)) && self.tombstones.contains(&address) {
                judged.findings.push(not_erased(&address));
            }
            if self.copy.is_some() {
                stored.insert(address);
            }
            Ok(true)
        })?;
        judged.known = Some((known, erased));
        if let Some(copy) = &self.copy {
            self.judge_copy(copy, &stored, &mut judged)?;
        }
        Ok(judged)
    }

    /// What can be listed of a published copy is hashed, described or not. What cannot be listed is known as far as it
    /// is described.
    fn judge_copy(&self, copy: &Copied, stored: &BTreeSet<Address>, judged: &mut Judged) -> Result<()> {
        for address in stored.iter().filter(|address| !copy.present.contains(address)) {
            match read(self.ledger, address).0 {
                Err(error) if error.kind() == Kind::Integrity => {
                    if !self.open.contains_key(address) {
                        let (message, meaning) =
                            (error.to_string(), "a file was put where other content belongs");
                        judged.findings.push(Finding {
                            code: "altered-content",
                            entry: None,
                            message,
                            meaning,
                        });
                    }
                }
                other => drop(other?),
            }
        }
        let (mut known, mut gone) = judged.known.unwrap_or_default();
        for address in copy.present.difference(stored) {
            known += 1;
            if self.tombstones.contains(address) {
                judged.findings.push(not_erased(address));
            }
        }
        let (erased, absent): (Vec<_>, Vec<_>) =
            copy.missing.iter().partition(|address| self.tombstones.contains(address));
        (known, gone) = (known + erased.len() as u64, gone + erased.len() as u64);
        (judged.known, judged.absent) = (Some((known, gone)), absent);
        Ok(())
    }
}

/// The content's state, with the SHA-256 of its bytes.
fn read(ledger: &Ledger, address: &Address) -> (Result<BlobState>, Hash) {
    let mut hash = sha2::Sha256::new();
    let state = ledger.read_blob(address, &mut |piece| {
        hash.update(piece);
        Ok(())
    });
    (state, hash.finalize().into())
}

fn not_erased(address: &Address) -> Finding {
    let message = format!("{address} is still here although an entry says it was erased");
    let meaning = "content that was to be erased can still be read";
    Finding { code: "not-erased", entry: None, message, meaning }
}

/// A set that forgets what was not asked for lately.
struct Recent {
    bound: usize,
    young: HashSet<Said>,
    old: HashSet<Said>,
}

impl Recent {
    fn new(bound: usize) -> Self {
        Self { bound, young: HashSet::new(), old: HashSet::new() }
    }

    fn has(&mut self, said: &Said) -> bool {
        if self.young.contains(said) {
            return true;
        }
        let old = self.old.remove(said);
        if old {
            self.add(*said);
        }
        old
    }

    fn add(&mut self, said: Said) {
        if self.young.len() >= self.bound {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_again_is_not_forgotten() {
        let said = |n: u64| Said { content: Address([0; 32]), size: n, sha256: [0; 32] };
        let mut recent = Recent::new(3);
        for n in 1..100 {
            assert!(!recent.has(&said(n)));
            recent.add(said(n));
            assert!(recent.has(&said(1)), "{n}");
            assert!(recent.has(&said(n)), "{n}");
            assert!(recent.young.len() <= 3 && recent.old.len() <= 3);
        }
        assert!(!recent.has(&said(50)));
    }
}
