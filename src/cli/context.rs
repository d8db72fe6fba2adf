//! Where things are, for one run of the program: the ledger, the settings, the catalog, the user's keys
//! and pins.

use super::ui::{Ui, ledger as ledger_id, safe};
use super::{Global, git};
use etcetera::BaseStrategy as _;
use ledger_format::{Body, Head, Kid, Previous, Signer};
use promptos::catalog::{Catalog, SCHEMA_FOLDER, Schemas};
use promptos::error::{Error, Kind, Result};
use promptos::files;
use promptos::keys::{self, Key, KeySource, Origin, logkey};
use promptos::ledger::{
    Access, Author, Basis, Create, Entry, Event, Finding, Ledger, New, Pin, Pins, doctor,
};
use promptos::session::Settings;
use std::cell::OnceCell;
use std::io::{ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// The folder of a clone's ledger.
pub(super) const FOLDER: &str = ".promptos";
pub(super) const LEDGER: &str = "ledger.redb";
const LOG_KEY: &str = "log.key";
/// A new log key between its statement and its renaming.
const NEXT_LOG_KEY: &str = "log.key.next";

pub(crate) struct Context<'a> {
    pub(crate) ui: &'a Ui,
    pub(super) global: Global,
    /// Where we are, absolute.
    pub(crate) dir: PathBuf,
    /// The user's configuration folder, if there is a home.
    pub(super) home: Option<PathBuf>,
    /// The root of the git work tree, once asked for.
    repository: OnceCell<Option<PathBuf>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(global: Global, ui: &'a Ui) -> Result<Self> {
        let dir =
            std::env::current_dir().map_err(|e| Error::failed(format!("there is no current folder: {e}")))?;
        let home = match std::env::var_os("PROMPTOS_HOME").filter(|home| !home.is_empty()) {
            Some(home) => Some(dir.join(home)),
            None => etcetera::choose_base_strategy().ok().map(|base| base.config_dir().join("promptos")),
        };
        Ok(Self { ui, global, dir, home, repository: OnceCell::new() })
    }

    // ---- places ----

    /// The ledger file, there or not.
    ///
    /// # Errors
    /// Failed, when a published ledger was named: it has no file, and is only read.
    pub(crate) fn ledger_path(&self) -> Result<PathBuf> {
        self.refuse_published()?;
        if let Some(locator) = &self.global.ledger {
            let path = self.dir.join(locator);
            if !path.is_dir() {
                return Ok(path);
            }
            let inner = path.join(FOLDER);
            return Ok(if inner.is_dir() { inner.join(LEDGER) } else { path.join(LEDGER) });
        }
        let here = self.folders()?.map(|dir| dir.join(FOLDER)).find(|folder| folder.is_dir());
        let folder = match here {
            Some(folder) => folder,
            None => git::main_toplevel(&self.dir)?.unwrap_or_else(|| self.dir.clone()).join(FOLDER),
        };
        Ok(folder.join(LEDGER))
    }

    /// Where this program looks for its own: here and above, but not beyond the repository. What lies
    /// further up may belong to somebody else.
    fn folders(&self) -> Result<impl Iterator<Item = &Path>> {
        let top = self.repository()?;
        let mut beyond = false;
        Ok(self.dir.ancestors().take_while(move |dir| {
            let within = !beyond;
            beyond = top.is_some_and(|top| top == *dir);
            within
        }))
    }

    /// The root of the git work tree that we are in.
    pub(crate) fn repository(&self) -> Result<Option<&Path>> {
        if self.repository.get().is_none() {
            let found = git::toplevel(&self.dir)?;
            self.repository.get_or_init(|| found);
        }
        Ok(self.repository.get().and_then(Option::as_deref))
    }

    /// Where `promptos.toml` and the catalog are looked for.
    pub(crate) fn root(&self) -> Result<PathBuf> {
        let with_settings = self.folders()?.find(|dir| dir.join(Settings::FILE).is_file());
        let with_ledger = self.folders()?.find(|dir| dir.join(FOLDER).is_dir());
        let root = with_settings.or(self.repository()?).or(with_ledger);
        Ok(root.unwrap_or(&self.dir).to_owned())
    }

    pub(crate) fn settings(&self) -> Result<Settings> {
        Settings::load(&self.root()?.join(Settings::FILE))
    }

    /// The workspace catalog's folder, if it is there.
    pub(crate) fn workspace_catalog(&self) -> Result<Option<PathBuf>> {
        let (root, settings) = (self.root()?, self.settings()?);
        if let Some(clone) = &settings.catalog.git {
            let what = format!("the project's catalog is a revision of {} and no folder", clone.display());
            return Err(Error::failed(what).hint(format!("[catalog] git in {} says so", Settings::FILE)));
        }
        let folder = root.join(&settings.catalog.path);
        if folder.is_dir() {
            return Ok(Some(folder));
        }
        // The default folder may be missing; one that somebody wrote down may not.
        if settings.catalog.path != Settings::default().catalog.path {
            return Err(Error::failed(format!("the catalog folder {} is not there", folder.display()))
                .hint(format!("[catalog] path in {} names it", root.join(Settings::FILE).display())));
        }
        Ok(None)
    }

    pub(crate) fn catalog(&self) -> Result<Catalog> {
        self.catalog_from(None)
    }

    /// The folder of the user's own prompts, if it is there.
    pub(crate) fn user_catalog(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join("prompts")).filter(|user| user.is_dir())
    }

    /// Where the schemas are that contracts name.
    pub(crate) fn schemas(&self) -> Result<Schemas> {
        let user = self.home.as_ref().map(|home| home.join(SCHEMA_FOLDER));
        Ok(Schemas::new(Some(self.root()?.join(SCHEMA_FOLDER)), user))
    }

    /// A path as everybody who has the project would write it, if it lies in it. Where the project lies on this machine
    /// is nobody's business.
    pub(crate) fn in_project(&self, path: &Path) -> Option<PathBuf> {
        below(&self.root().ok()?, &self.dir.join(path))
    }

    /// The same for the repository that the project is part of, or is.
    pub(crate) fn in_repository(&self, path: &Path) -> Option<PathBuf> {
        let top = match self.repository().ok()? {
            Some(top) => top.to_owned(),
            None => self.root().ok()?,
        };
        below(&top, &self.dir.join(path))
    }

    /// A path as a person would type it from here.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.dir).ok().filter(|path| !path.as_os_str().is_empty());
        super::ui::safe(&relative.unwrap_or(path).display().to_string())
    }

    // ---- the ledger ----

    fn open(&self, path: &Path, access: Access) -> Result<Ledger> {
        let timeout = Duration::from_secs_f64(self.global.lock_timeout);
        Ledger::open_file(path, access, timeout, &mut |event| self.tell(event))
    }

    fn tell(&self, event: Event) {
        match event {
            Event::Waiting => self.ui.note("waiting for another process that uses the ledger…"),
            Event::Repaired => {
                self.ui.warn(
                    "the ledger was not closed properly (a killed process?); it was checked and repaired",
                );
            }
        }
    }

    /// Examines the ledger file without changing it; what needs a repair is repaired in a copy. Adds what is
    /// wrong with the log key.
    pub(crate) fn examine_ledger(&self) -> Result<doctor::Examined> {
        let path = self.ledger_path()?;
        if !exists(&path)? {
            self.check_not_lost(&path)?;
        }
        let timeout = Duration::from_secs_f64(self.global.lock_timeout);
        let pin = self.lost_pin(&path)?;
        let expected = pin.and_then(|pin| Some((pin.ledger()?, pin.head)));
        let mut examined = doctor::examine(&path, expected, timeout, &mut |event| {
            if event == Event::Waiting {
                self.tell(event);
            }
        })?;
        let wanted = examined.checkpoint_key();
        let found = logkey::load(&path.with_file_name(LOG_KEY));
        let next = logkey::load(&path.with_file_name(NEXT_LOG_KEY));
        let is = |key: &Result<_>| matches!((key, &wanted), (Ok(key), Some(wanted)) if Signer::public_key(key) == wanted.to_bytes());
        if wanted.is_some() && !is(&found) && !is(&next) {
            let message = match found {
                Ok(_) => "the log key beside the ledger is not the ledger's".to_owned(),
                Err(error) => format!("the log key is missing or unreadable: {error}"),
            };
            let meaning = "nothing is lost, and all of it can be read and verified; nothing can be appended";
            examined.diagnosis.findings.push(Finding { code: "log-key", entry: None, message, meaning });
        }
        Ok(examined)
    }

    /// Writes the ledger file with what is derived in it anew; answers where the old one is kept, if it is.
    pub(crate) fn rebuild_ledger(&self) -> Result<Option<PathBuf>> {
        let timeout = Duration::from_secs_f64(self.global.lock_timeout);
        doctor::rebuild(&self.ledger_path()?, timeout, &mut |event| self.tell(event))
    }

    /// Whether there is a ledger to read.
    pub(crate) fn has_ledger(&self) -> Result<bool> {
        Ok(self.published()?.is_some() || exists(&self.ledger_path()?)?)
    }

    /// Opens the ledger for reading, if there is one; the caller compares it with the pin. One that was named, or
    /// seen here before, must be there.
    pub(crate) fn read_if_there(&self) -> Result<Option<Ledger>> {
        if self.published()?.is_some() {
            return self.read_unchecked().map(Some);
        }
        let path = self.ledger_path()?;
        if self.global.ledger.is_none() && !exists(&path)? {
            return self.check_not_lost(&path).map(|()| None);
        }
        self.read_unchecked().map(Some)
    }

    /// Opens the ledger for reading; the caller compares it with the pin.
    pub(crate) fn read_unchecked(&self) -> Result<Ledger> {
        if let Some(published) = self.published()? {
            return self.open_published(published);
        }
        let path = self.ledger_path()?;
        if !exists(&path)? {
            self.check_not_lost(&path)?;
            return Err(Error::failed(format!("there is no ledger here ({} is missing)", self.shown(&path)))
                .hint("make one: promptos init")
                .hint("or name one: --ledger FILE"));
        }
        self.open(&path, Access::Read)
    }

    /// Opens the ledger for reading, after checking it against this user's pin.
    pub(crate) fn read(&self) -> Result<Ledger> {
        let ledger = self.read_unchecked()?;
        self.check_pin(&ledger)?;
        Ok(ledger)
    }

    /// What was seen before must still be there.
    pub(crate) fn check_pin(&self, ledger: &Ledger) -> Result<()> {
        self.check_place(ledger)?;
        ledger.check_published()?;
        let Some(pin) = self.pin_of(ledger)? else { return Ok(()) };
        ledger.check_extends(&pin.head).map_err(|e| {
            e.hint("restore the newer ledger file; or, if this one is right: promptos pin reset")
        })
    }

    /// Opens the ledger for writing, after checking it against this user's pin.
    pub(crate) fn write(&self) -> Result<Ledger> {
        let path = self.ledger_path()?;
        if !exists(&path)? {
            self.check_not_lost(&path)?;
            return Err(Error::failed(format!("there is no ledger here ({} is missing)", self.shown(&path)))
                .hint("make one: promptos init"));
        }
        self.open_for_writing(&path)
    }

    fn open_for_writing(&self, path: &Path) -> Result<Ledger> {
        let ledger = self.open(path, Access::Write)?;
        self.check_pin(&ledger)?;
        Ok(ledger)
    }

    /// Opens the ledger for writing; makes one when there is none, and says so.
    pub(crate) fn write_or_create(&self, key: &Key) -> Result<Ledger> {
        let path = self.ledger_path()?;
        if !exists(&path)? {
            match self.check_not_lost(&path) {
                Ok(()) => return self.create(key, None, None, None),
                // Not lost, but made and pinned by another process just now.
                Err(_) if exists(&path)? => {}
                Err(error) => return Err(error),
            }
        }
        self.open_for_writing(&path)
    }

    /// Makes a new ledger at the ledger's place, unless one appears there at the same time.
    pub(crate) fn create(
        &self,
        key: &Key,
        name: Option<&str>,
        identity: Option<&str>,
        previous: Option<Previous>,
    ) -> Result<Ledger> {
        let path = self.ledger_path()?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let cannot =
            |what: &Path, e: std::io::Error| Error::failed(format!("cannot make {}: {e}", what.display()));
        std::fs::create_dir_all(&folder).map_err(|e| cannot(&folder, e))?;
        if folder.file_name().is_some_and(|name| name == FOLDER) {
            promptos::session::write_atomically(&folder.join(".gitignore"), b"*\n", true)?;
        }
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.default_name(&folder),
        };
        let identity = match identity {
            Some(identity) => identity.to_owned(),
            None => self.default_identity()?,
        };
        let log_key_path = folder.join(LOG_KEY);
        let log_key = match logkey::create(&log_key_path, &self.random()?, &name) {
            // Left by a process that was stopped, or made by one that creates the ledger right now.
            Err(_) if exists(&log_key_path)? => logkey::load(&log_key_path)?,
            made => made?,
        };
        let author = Author { signer: &*key.signer, log_key: &log_key, time: self.now()? };
        let nonce = self.random()?;
        let create = Create { name: &name, identity: &identity, nonce, previous };
        let made = Ledger::create_file(&path, &create, &author)?;
        let ledger = self.open(&path, Access::Write)?;
        if made {
            self.ui.note(&format!(
                "new ledger '{name}' in {} (id {}), founded by '{identity}'",
                self.shown(&folder),
                ledger_id(&ledger.id())
            ));
            self.pin(&ledger)?;
        }
        Ok(ledger)
    }

    fn default_name(&self, folder: &Path) -> String {
        let project = if folder.file_name().is_some_and(|name| name == FOLDER) {
            folder.parent()
        } else {
            Some(folder)
        };
        let name = project.and_then(Path::file_name).map(|name| name.to_string_lossy().to_lowercase());
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
        let name: String =
            name.unwrap_or_default().chars().map(|c| if allowed(c) { c } else { '-' }).take(64).collect();
        if name.trim_matches(['-', '.']).is_empty() { "ledger".to_owned() } else { name }
    }

    /// The founder's identity when none is given: what git knows, else the login name.
    pub(crate) fn default_identity(&self) -> Result<String> {
        let login = || ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        let found = git::identity(&self.dir)?.or_else(login);
        Ok(found.and_then(|text| ledger_format::identity(text).ok()).unwrap_or_else(|| "founder".to_owned()))
    }

    /// A ledger that this user has seen here must not be replaced in silence.
    fn check_not_lost(&self, path: &Path) -> Result<()> {
        let Some(pin) = self.lost_pin(path)? else { return Ok(()) };
        Err(Error::integrity(format!("the ledger that was here is gone: {}", last_seen(&pin)))
            .hint(format!("it belongs at {}", self.shown(path)))
            .hint("restore it from a copy; or start a new one that cites its last head: promptos init --new")
            .hint("or, if it never mattered: promptos pin reset"))
    }

    /// The pin of a ledger that was last seen at this path.
    pub(crate) fn lost_pin(&self, path: &Path) -> Result<Option<Pin>> {
        self.pins().map_or(Ok(None), |pins| pins.at_place(&place(path), None))
    }

    /// The pin of a ledger that was last seen where the ledger is looked for.
    pub(crate) fn lost_here(&self) -> Result<Option<Pin>> {
        let place = self.ledger_place()?;
        self.pins().map_or(Ok(None), |pins| pins.at_place(&place, None))
    }

    /// Another ledger where ours was is no less a loss than none, even when we know the other one too.
    pub(crate) fn check_place(&self, ledger: &Ledger) -> Result<()> {
        let path = self.ledger_place()?;
        let lost = self.pins().map_or(Ok(None), |pins| pins.at_place(&path, Some(&ledger.id())))?;
        let Some(pin) = lost else { return Ok(()) };
        Err(Error::integrity(format!(
            "the ledger that was here is gone, and '{}' is in its place: {}",
            ledger.name(),
            last_seen(&pin)
        ))
        .hint(format!("restore it from a copy to {}", self.shown(&path)))
        .hint("or, if it never mattered: promptos pin reset"))
    }

    // ---- pins ----

    pub(crate) fn pins(&self) -> Option<Pins> {
        self.home.as_ref().map(|home| Pins::new(home.join("pins")))
    }

    pub(crate) fn pin_of(&self, ledger: &Ledger) -> Result<Option<Pin>> {
        self.pins().map_or(Ok(None), |pins| pins.get(&ledger.id()))
    }

    /// Pins the ledger's head as it is now. Call it when the head is durable and was checked.
    pub(crate) fn pin(&self, ledger: &Ledger) -> Result<()> {
        self.pin_head(ledger, ledger.head()?, None)
    }

    /// Pins a head, and the head that an audit has judged with what it left behind there. What was recorded or found stands whatever
    /// becomes of the pin, so a pin that cannot be kept is a warning.
    ///
    /// # Errors
    /// Integrity, when the ledger does not extend what is pinned.
    pub(crate) fn pin_head(
        &self,
        ledger: &Ledger,
        head: Head,
        judged: Option<(Head, Option<Basis>)>,
    ) -> Result<()> {
        let Some(pins) = self.pins() else {
            self.ui.warn("no home folder, so no pin is kept: a ledger that goes back will not be noticed");
            return Ok(());
        };
        // Who has the ledger itself goes on looking for it where it is.
        let known = match ledger.is_published() {
            true => pins.get(&ledger.id()).ok().flatten().and_then(|pin| pin.place),
            false => None,
        };
        let place = Some(known.map_or_else(|| self.ledger_place(), Ok)?);
        let (judged, basis) = judged.unzip();
        let pin = Pin { origin: ledger.origin(), head, judged, basis: basis.flatten(), place };
        match pins.advance(ledger, &pin) {
            Err(error) if error.kind() != Kind::Integrity => {
                let what = "the pin was not moved, so a ledger that goes back may not be noticed";
                self.ui.warn(&safe(&format!("{what}: {error}")));
                Ok(())
            }
            other => other,
        }
    }

    // ---- keys, time, randomness ----

    fn default_key(&self) -> Result<PathBuf> {
        let home = self.home.as_ref().ok_or_else(|| {
            Error::usage("there is no home folder to keep a signing key in")
                .hint("name a key with --key FILE or PROMPTOS_KEY, or a folder with PROMPTOS_HOME")
        })?;
        Ok(home.join("id_ed25519"))
    }

    /// The path of the default signing key, when it is the one in use.
    pub(crate) fn default_key_in_use(&self) -> Result<Option<PathBuf>> {
        if self.global.key.is_some() { Ok(None) } else { self.default_key().map(Some) }
    }

    /// The user's configuration folder, made when it is not there.
    pub(crate) fn home(&self) -> Result<&Path> {
        let home =
            self.home.as_deref().ok_or_else(|| Error::usage("there is no home folder; set PROMPTOS_HOME"))?;
        make_private(home)?;
        Ok(home)
    }

    /// The signing key; the default one is made on first use, and said so.
    pub(crate) fn key(&self) -> Result<Key> {
        // Whoever signs is about to write, which not every ledger is for.
        self.ledger_path()?;
        self.own_key()
    }

    /// As [`Self::key`], for what is signed and not written to the ledger.
    pub(crate) fn own_key(&self) -> Result<Key> {
        if self.global.key.is_none() {
            let path = self.default_key()?;
            if !exists(&path)? {
                self.make_key(&path)?;
            }
        }
        self.existing_key()
    }

    /// The signing key; nothing is made.
    pub(crate) fn existing_key(&self) -> Result<Key> {
        let source = match &self.global.key {
            Some(named) => KeySource::parse(named)?,
            None => {
                let path = self.default_key()?;
                // Of processes that were killed while they made keys.
                files::remove_unfinished(files::folder(&path));
                KeySource::File(path)
            }
        };
        let key = self.open_key(&source)?;
        if key.login_key {
            self.ui
                .warn("this key seems to be a login key; a key of its own is safer (promptos key new FILE)");
        }
        Ok(key)
    }

    pub(crate) fn open_key(&self, source: &KeySource) -> Result<Key> {
        let agent = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from);
        source.open(agent.as_deref(), &mut ask_passphrase)
    }

    pub(crate) fn ask_passphrase(&self, prompt: &str) -> Result<Zeroizing<String>> {
        ask_passphrase(prompt)?
            .ok_or_else(|| Error::unavailable("a passphrase is asked for on a terminal; there is none"))
    }

    fn make_key(&self, path: &Path) -> Result<()> {
        self.home()?;
        let user = std::env::var("USER").unwrap_or_else(|_| "user".to_owned());
        let comment: String = format!("promptos {user}").chars().filter(|c| !c.is_control()).collect();
        match keys::create(path, &self.random()?, &comment, None) {
            Ok(public) => {
                let fingerprint = public.fingerprint();
                self.ui.note(&format!(
                    "new signing key {} ({fingerprint}), without a passphrase",
                    self.shown(path)
                ));
                Ok(())
            }
            // Another process was faster.
            Err(_) if exists(path)? => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The log key beside the ledger.
    pub(crate) fn log_key(&self, ledger: &Ledger) -> Result<impl Signer + use<>> {
        let path = self.ledger_path()?.with_file_name(LOG_KEY);
        let next = path.with_file_name(NEXT_LOG_KEY);
        let wanted = ledger.checkpoint_key()?.to_bytes();
        let key = logkey::load(&path);
        if key.as_ref().is_ok_and(|key| key.public_key() == wanted) {
            return key;
        }
        // A rotation that was stopped between its statement and the renaming is finished here.
        if exists(&next)?
            && let Ok(found) = logkey::load(&next)
            && found.public_key() == wanted
        {
            std::fs::rename(&next, &path)
                .map_err(|e| Error::failed(format!("cannot rename {}: {e}", next.display())))?;
            return Ok(found);
        }
        key.map_err(|e| {
            e.hint("the log key belongs to the ledger and is kept beside it; restore both from the same copy")
        })
    }

    /// A new log key that waits for its statement.
    pub(crate) fn next_log_key(&self, name: &str) -> Result<impl Signer + Send + use<>> {
        let next = self.ledger_path()?.with_file_name(NEXT_LOG_KEY);
        if exists(&next)? { logkey::load(&next) } else { logkey::create(&next, &self.random()?, name) }
    }

    /// Appends one statement and pins the head that it made.
    pub(crate) fn append(&self, ledger: &Ledger, key: &Key, new: &New) -> Result<Entry> {
        let log_key = self.log_key(ledger)?;
        let author = Author { signer: &*key.signer, log_key: &log_key, time: self.now()? };
        let entry = ledger.append(&author, new)?;
        self.pin(ledger).map_err(|e| e.hint(format!("it was recorded as {}", entry.statement.id)))?;
        Ok(entry)
    }

    /// Appends many statements, as far as they go into one commit all of them or none, and pins the head.
    pub(crate) fn append_all(&self, ledger: &Ledger, key: &Key, new: Vec<New>) -> Result<Vec<Entry>> {
        let log_key = self.log_key(ledger)?;
        let author = Author { signer: &*key.signer, log_key: &log_key, time: self.now()? };
        let mut entries = Vec::with_capacity(new.len());
        ledger.append_all(&author, &mut new.into_iter().map(Ok), &mut |entry| entries.push(entry.clone()))?;
        self.pin(ledger).map_err(|e| e.hint(format!("{} entries were recorded", entries.len())))?;
        Ok(entries)
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> Result<u64> {
        seconds(SystemTime::now())
    }

    /// The name of a new session or render: its time, and something that nobody else has.
    pub(crate) fn new_id(&self, now: u64) -> Result<String> {
        let time = promptos::ledger::rfc3339(now).replace(['-', ':'], "").replace('T', "-");
        Ok(format!("{}-{}", time.trim_end_matches('Z'), hex::encode(self.random::<4>()?)))
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes)
            .map_err(|e| Error::unavailable(format!("the system gives no random bytes: {e}")))?;
        Ok(bytes)
    }

    /// Who the key is, for a message.
    pub(crate) fn describe_key(&self, key: &Key) -> String {
        let place = match &key.origin {
            Origin::File(path) => self.shown(path),
            Origin::Agent => "ssh-agent".to_owned(),
        };
        format!("{} ({place})", Kid::of(&key.public))
    }
}

fn seconds(time: SystemTime) -> Result<u64> {
    time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).map_err(|_| {
        Error::failed("this machine's clock shows a time before 1970").hint("set the clock and try again")
    })
}

/// The statement's body for a new checkpoint key.
pub(crate) fn checkpoint_change(public: &[u8; 32]) -> Result<Body> {
    let key = ledger_format::PublicKey::new(public).map_err(|f| Error::bug(f.detail))?;
    Ok(Body::Key(ledger_format::KeyChange::Checkpoint { key }))
}

/// What a pin says of its ledger, for a message.
fn last_seen(pin: &Pin) -> String {
    let name = pin.origin.split('/').next().unwrap_or_default();
    format!("'{name}' had {} entries when last seen", pin.head.size)
}

/// A path relative to a folder that it lies in, wherever links lead to.
fn below(folder: &Path, path: &Path) -> Option<PathBuf> {
    let real = |path: &Path| match path.canonicalize() {
        Ok(real) => real,
        // A file that is not there lies where its folder does.
        Err(_) => place(path),
    };
    real(path).strip_prefix(real(folder)).ok().map(Path::to_owned)
}

/// The ledger file by a path that stays the same wherever one stands.
pub(super) fn place(path: &Path) -> PathBuf {
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Whether something is there; what cannot be told is an error and not a no.
pub(crate) fn exists(path: &Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(Error::failed(format!("cannot look at {}: {e}", path.display()))),
    }
}

fn make_private(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| {
        Error::failed(format!("cannot make the folder {}: {e}", folder.display()))
            .hint("PROMPTOS_HOME names another place for keys and pins")
    })
}

fn ask_passphrase(prompt: &str) -> Result<Option<Zeroizing<String>>> {
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    match rpassword::prompt_password(prompt) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(e) => Err(Error::unavailable(format!("no passphrase could be read: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_is_named() {
        assert_eq!(seconds(UNIX_EPOCH).unwrap(), 0);
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(1_999)).unwrap(), 1);
        for before in [Duration::from_nanos(1), Duration::from_secs(1 << 31)] {
            let error = seconds(UNIX_EPOCH - before).unwrap_err();
            assert_eq!(error.kind(), promptos::error::Kind::Failed);
            assert!(error.to_string().contains("a time before 1970"), "{error}");
            assert_eq!(error.hints(), ["set the clock and try again"]);
        }
    }
}
