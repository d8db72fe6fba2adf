//! Pins: the heads that this user has seen, kept outside every ledger, so that a ledger that went back
//! or forked is noticed. Like ssh's known_hosts: one file per ledger id, never moved backwards.
//!
//! A pin is the three lines of a checkpoint and, after them, where the ledger was, `place <JSON string>`,
//! and up to which head it was audited, `judged <size> <64 hex of the root>`, with what that audit left behind for the
//! next one, `basis <64 hex> <64 hex>`: the digest of keys, refs and names at that head, and the checkpoint key there.
//! What was seen and what was judged are two things: every writer moves the first, only an audit the second.

use super::{Basis, Ledger};
use crate::error::{Error, Result};
use crate::files::Unfinished;
use ledger_format::{Checkpoint, EntryId, Head};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A head seen earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The checkpoint origin.
    pub origin: String,
    /// The newest head seen.
    pub head: Head,
    /// The newest head that a whole audit found consistent.
    pub judged: Option<Head>,
    /// What that audit left behind.
    pub basis: Option<Basis>,
    /// The ledger file that it was seen in.
    pub place: Option<PathBuf>,
}

impl Pin {
    /// The ledger's id, from the origin.
    #[must_use]
    pub fn ledger(&self) -> Option<EntryId> {
        self.origin.rsplit_once('/')?.1.parse().ok()
    }

    fn parse(text: &str) -> Option<Self> {
        let Checkpoint { origin, head } = Checkpoint::from_text(text).ok()?;
        let line = |name: &str| text.lines().skip(3).find_map(|line| line.strip_prefix(name));
        let place = line("place ").map(serde_json::from_str::<PathBuf>).transpose().ok()?;
        let judged = match line("judged ") {
            None => None,
            Some(judged) => {
                let (size, root) = judged.split_once(' ')?;
                let root = hex::decode(root).ok()?.try_into().ok()?;
                Some(Head { size: size.parse().ok()?, root })
            }
        };
        let basis = match line("basis ") {
            None => None,
            Some(basis) => Some(Basis::parse(basis).filter(|_| judged.is_some())?),
        };
        Some(Self { origin, head, judged, basis, place })
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = Checkpoint { origin: self.origin.clone(), head: self.head }.body();
        if let Some(place) = self.place.as_ref().and_then(|place| serde_json::to_string(place).ok()) {
            text.push_str(&format!("place {place}\n"));
        }
        if let Some(Head { size, root }) = &self.judged {
            text.push_str(&format!("judged {size} {}\n", hex::encode(root)));
        }
        if let Some(basis) = &self.basis {
            text.push_str(&format!("basis {}\n", basis.to_text()));
        }
        text
    }
}

/// The folder of pins.
#[derive(Debug, Clone)]
pub struct Pins {
    dir: PathBuf,
}

impl Pins {
    /// Pins in `dir`, which is made when the first one is written.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn path(&self, ledger: &EntryId) -> PathBuf {
        self.dir.join(format!("{}.pin", hex::encode(ledger.0)))
    }

    /// The pin of a ledger.
    ///
    /// # Errors
    /// Failed, when it cannot be read or is not a pin.
    pub fn get(&self, ledger: &EntryId) -> Result<Option<Pin>> {
        read(&self.path(ledger))
    }

    /// All pins, in the order of their ledger ids.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn all(&self) -> Result<Vec<Pin>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(cannot("read", &self.dir, e)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|e| cannot("read", &self.dir, e))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|e| e == "pin"));
        paths.sort();
        paths.iter().filter_map(|path| read(path).transpose()).collect()
    }

    /// The pin of the ledger that was last seen in this file, other than the ledger `here`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn at_place(&self, place: &Path, here: Option<&EntryId>) -> Result<Option<Pin>> {
        let other = |pin: &Pin| here.is_none_or(|here| pin.ledger().as_ref() != Some(here));
        Ok(self.all()?.into_iter().find(|pin| pin.place.as_deref() == Some(place) && other(pin)))
    }

    /// Pins a head of `ledger`, and what was judged of it; neither ever goes back. Call it after the head is
    /// durable. The pin may have moved since it was looked at, so that here, under the lock, the ledger
    /// must extend it once more: of two forks that are written at the same time one is noticed.
    ///
    /// # Errors
    /// Integrity, when the ledger does not extend the pin, the old or the new one; failed, when the pin cannot be
    /// written.
    pub fn advance(&self, ledger: &Ledger, pin: &Pin) -> Result<()> {
        let _lock = self.lock()?;
        // A pin that claims more than the ledger holds would accuse it for ever.
        pin.judged.iter().chain([&pin.head]).try_for_each(|head| ledger.check_extends(head))?;
        let mut next = pin.clone();
        if let Some(old) = self.get(&ledger.id())? {
            ledger.check_extends(&old.head)?;
            next.head = if old.head.size > pin.head.size { old.head } else { pin.head };
            // The basis goes with the head that it is of.
            let newer = |old: Head| pin.judged.is_some_and(|new| new.size >= old.size);
            if let Some(judged) = old.judged.filter(|judged| !newer(*judged)) {
                (next.judged, next.basis) = (Some(judged), old.basis.clone());
            } else if old.judged == pin.judged {
                next.basis = pin.basis.clone().or_else(|| old.basis.clone());
            }
            if next == old {
                return Ok(());
            }
        }
        self.write(&ledger.id(), &next)
    }

    /// Pins a head that was seen without its ledger. Under the lock, `proves` is asked whether the head extends the one
    /// that is pinned, if one is; what it then says holds of the pin as it is written.
    ///
    /// # Errors
    /// Those of `proves`; failed, when a larger tree is pinned, the origin names no ledger or the pin cannot be written.
    pub fn witness(&self, seen: &Checkpoint, proves: impl FnOnce(Option<&Head>) -> Result<()>) -> Result<()> {
        let Checkpoint { origin, head } = seen.clone();
        let mut next = Pin { origin, head, judged: None, basis: None, place: None };
        let ledger = next.ledger().ok_or_else(|| {
            Error::failed("the checkpoint's origin names no ledger of this format, so there is no pin of it")
        })?;
        let _lock = self.lock()?;
        let old = self.get(&ledger)?;
        if let Some(old) = old.as_ref().filter(|old| old.head.size > head.size) {
            let seen = old.head.size;
            return Err(Error::failed(format!("it has {} entries, and {seen} were seen already", head.size))
                .hint("a witness vouches that nothing larger was seen; ask for the newest checkpoint"));
        }
        proves(old.as_ref().map(|old| &old.head))?;
        if let Some(old) = old {
            next = Pin { head, ..old.clone() };
            if next == old {
                return Ok(());
            }
        }
        self.write(&ledger, &next)
    }

    /// Forgets where a ledger was, once another one has taken its place.
    ///
    /// # Errors
    /// Failed, when the pin cannot be written.
    pub fn forget_place(&self, ledger: &EntryId) -> Result<()> {
        let _lock = self.lock()?;
        match self.get(ledger)? {
            Some(pin) => self.write(ledger, &Pin { place: None, ..pin }),
            None => Ok(()),
        }
    }

    /// Forgets a ledger; answers whether it was pinned.
    ///
    /// # Errors
    /// Failed, when the pin cannot be removed.
    pub fn reset(&self, ledger: &EntryId) -> Result<bool> {
        let path = self.path(ledger);
        let _lock = self.lock()?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(cannot("remove", &path, e)),
        }
    }

    fn write(&self, ledger: &EntryId, pin: &Pin) -> Result<()> {
        let path = self.path(ledger);
        let write = || -> std::io::Result<()> {
            let mut file = Unfinished::new(&path, 0o600)?;
            file.file().write_all(pin.to_text().as_bytes())?;
            file.replace()
        };
        write().map_err(|e| cannot("write", &path, e))
    }

    /// Held while pins are read and written; released when the file is closed.
    fn lock(&self) -> Result<File> {
        let path = self.dir.join("lock");
        let lock = || -> std::io::Result<File> {
            fs::create_dir_all(&self.dir)?;
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|e| cannot("lock", &path, e))
    }
}

fn read(path: &Path) -> Result<Option<Pin>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(cannot("read", path, e)),
    };
    let bad = || {
        let ledger = path.file_stem().unwrap_or_default().display();
        Error::failed(format!("{} is not a pin", path.display()))
            .hint(format!("it was damaged; if you know the ledger to be right: promptos pin reset {ledger}"))
    };
    Pin::parse(&text).map(Some).ok_or_else(bad)
}

fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::failed(format!("cannot {what} the pin {}: {error}", path.display()))
        .hint("pins live in your promptos configuration folder; PROMPTOS_HOME names another")
}
