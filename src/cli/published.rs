//! Published ledgers on the command line: which `--ledger` is one, and what is done with it.

use super::context::{Context, FOLDER, LEDGER, place};
use etcetera::BaseStrategy as _;
use promptos::error::{Error, Result};
use promptos::ledger::{Blobs, Directory, Http, Ledger, Limits, Publication, publish};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What keeps readers of web servers from fetching twice, below the user's cache folder.
const CACHE: &str = "ledgers";

/// Where a published ledger is.
pub(super) enum Published {
    Folder(PathBuf),
    Url(String),
}

impl Context<'_> {
    /// The published ledger that was named, if it is one.
    pub(super) fn published(&self) -> Result<Option<Published>> {
        let Some(named) = &self.global.ledger else { return Ok(None) };
        if let Some(url) = named.to_str().filter(|text| text.contains("://")) {
            return Ok(Some(Published::Url(url.to_owned())));
        }
        let path = self.dir.join(named);
        let has = |name: &str| path.join(name).symlink_metadata().is_ok();
        // A clone's folder may have files of any name in it.
        let published = !has(FOLDER) && !has(LEDGER) && (has("checkpoint") || has("tile"));
        Ok(published.then_some(Published::Folder(path)))
    }

    /// What needs the ledger itself.
    pub(super) fn refuse_published(&self) -> Result<()> {
        match self.published()? {
            None => Ok(()),
            Some(_) => Err(Error::failed("--ledger names a published ledger, which is only read").hint(
                "this command needs the ledger that it was published from; of a published one there are verify-chain, \
                 trace, log, show, cat, export, checkpoint",
            )),
        }
    }

    pub(super) fn open_published(&self, published: Published) -> Result<Ledger> {
        Ledger::open_published(match published {
            Published::Folder(path) => Box::new(Directory::new(path)),
            Published::Url(url) => Box::new(Http::new(&url, self.cache(), Limits::default())?),
        })
    }

    /// Where fetched files are kept, if there is a home to keep them in.
    fn cache(&self) -> Option<PathBuf> {
        let folder = match std::env::var_os("PROMPTOS_HOME").filter(|home| !home.is_empty()) {
            Some(_) => self.home.as_ref()?.join("cache"),
            None => etcetera::choose_base_strategy().ok()?.cache_dir().join("promptos"),
        };
        Some(folder.join(CACHE))
    }

    /// Publishes a ledger.
    pub(crate) fn publish(&self, ledger: &Ledger, directory: &Path, blobs: Blobs) -> Result<Publication> {
        let wait = Duration::from_secs_f64(self.global.lock_timeout);
        publish(ledger, &self.dir.join(directory), blobs, wait, &mut |_| {
            self.ui.note("waiting for another process that publishes there…");
        })
    }

    /// Where the ledger is, by a name that stays the same wherever one stands.
    pub(super) fn ledger_place(&self) -> Result<PathBuf> {
        Ok(match self.published()? {
            Some(Published::Folder(path)) => place(&path.join("checkpoint")),
            Some(Published::Url(url)) => PathBuf::from(url.trim_end_matches('/')),
            None => place(&self.ledger_path()?),
        })
    }
}
