//! Whether content is what entries say of it, in memory that does not grow with the ledger.

use super::{Finding, Ledger};
use crate::error::{Kind, Result};
use crate::store::BlobState;
use ledger_format::{Address, Class, Descriptor, Hash};
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What an entry says of content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Said {
    content: Address,
    size: u64,
    sha256: Hash,
}

/// The contents that entries describe. Each is hashed when an entry describes it and again when one does after it was
/// forgotten: what many entries describe is known, what few do costs little. What does not hold is kept for the end,
/// since an entry to come may say that it was erased.
pub(super) struct Contents<'a> {
    ledger: &'a Ledger,
    recent: Recent,
    /// What did not hold when it was looked at, by address, with the first entry that says so: two descriptions of
    /// one address may differ.
    open: BTreeMap<Address, Vec<(u64, Said)>>,
    tombstones: BTreeSet<Address>,
    /// Of a published ledger, whose index in memory grows with it as well: what is here.
    present: Option<BTreeSet<Address>>,
}

/// What [`Contents`] come to.
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    /// Contents in the store, present or erased.
    pub(super) known: u64,
    pub(super) erased: u64,
    /// What a published copy does not have.
    pub(super) absent: Vec<Address>,
}

impl<'a> Contents<'a> {
    /// Remembers between `remember` and twice as many descriptions that hold.
    pub(super) fn new(ledger: &'a Ledger, remember: usize) -> Self {
        let (open, tombstones) = (BTreeMap::new(), BTreeSet::new());
        Self { ledger, recent: Recent::new(remember), open, tombstones, present: None }
    }

    /// Content that is not in a published copy was erased, or not published: neither is wrong.
    pub(super) fn of_published(ledger: &'a Ledger, remember: usize) -> Self {
        Self { present: Some(BTreeSet::new()), ..Self::new(ledger, remember) }
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
        match self.read(&said.content) {
            (Ok(BlobState::Present(size)), sha256) if (size, sha256) == (said.size, said.sha256) => {
                self.recent.add(said);
                if let Some(present) = &mut self.present {
                    present.insert(said.content);
                }
            }
            (Err(error), _) if error.kind() != Kind::Integrity => return Err(error),
            _ => self.open.entry(said.content).or_default().push((at, said)),
        }
        Ok(())
    }

    /// An entry erases content.
    pub(super) fn erased(&mut self, content: Address) {
        self.tombstones.insert(content);
    }

    /// The content's state, with the SHA-256 of its bytes.
    fn read(&self, address: &Address) -> (Result<BlobState>, Hash) {
        let mut hash = sha2::Sha256::new();
        let state = self.ledger.read_blob(address, &mut |piece| {
            hash.update(piece);
            Ok(())
        });
        (state, hash.finalize().into())
    }

    /// Judges what was left open, once all entries are read.
    pub(super) fn judge(self) -> Result<Judged> {
        let mut judged = Judged { findings: Vec::new(), known: 0, erased: 0, absent: Vec::new() };
        let published = self.present.is_some();
        for (address, said) in &self.open {
            let (state, sha256) = self.read(address);
            let erased = self.tombstones.contains(address);
            if published && matches!(state, Ok(BlobState::Missing)) {
                if erased {
                    judged.erased += 1;
                } else {
                    judged.absent.push(*address);
                }
                continue;
            }
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
        // What can be listed of a published ledger is hashed, described or not; what cannot is known as far as it is.
        let mut unlisted = self.present.clone().unwrap_or_default();
        let mut stored = Vec::new();
        self.ledger.store.blobs(&mut |hash, state| {
            let address = Address(hash);
            if !unlisted.remove(&address) && published {
                stored.push(address);
            }
            judged.known += 1;
            judged.erased += u64::from(state == BlobState::Erased);
            if matches!(state, BlobState::Present(_)) && self.tombstones.contains(&address) {
                judged.findings.push(not_erased(&address));
            }
            Ok(true)
        })?;
        for address in stored {
            match self.read(&address).0 {
                Err(error) if error.kind() == Kind::Integrity => {
                    if !self.open.contains_key(&address) {
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
        for address in &unlisted {
            judged.known += 1;
            if self.tombstones.contains(address) {
                judged.findings.push(not_erased(address));
            }
        }
        judged.known += if published { judged.erased } else { 0 };
        Ok(judged)
    }
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
