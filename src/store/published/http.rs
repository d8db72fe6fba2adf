//! A published ledger behind a web server. Nothing that the server says is believed: sizes and times are bounded here,
//! and what the bytes are is checked by whoever asked for them.

use super::Source;
use super::cache::Cache;
use crate::error::{Error, Result};
use crate::store::layout::{self, CHECKPOINT};
use crate::store::{BlobState, Hash};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// So often a request is made that fails in a way that may pass.
const ATTEMPTS: u32 = 3;
/// So long is waited before the second attempt, and four times as long before the next.
const PAUSE: Duration = Duration::from_millis(200);
/// Redirects within one request.
const REDIRECTS: u32 = 4;
/// What a server answers that has only `GET`.
const NO_HEAD: [StatusCode; 2] = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED];
/// The most that is read of a page that says what is wrong.
const PAGE: u64 = 1 << 16;
/// So many connections wait for the next request.
const IDLE: usize = 16;
/// What is handed on at once of content.
const PIECE: usize = 1 << 18;

/// How long a server is waited for, and how much is taken from it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes of an answer.
    pub stalled: Duration,
    /// For a tile, a bundle or the checkpoint, whole; they have at most 16 MiB.
    pub file: Duration,
    /// For content, whole.
    pub content: Duration,
    /// The most bytes of content.
    pub size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            stalled: seconds(20),
            file: seconds(60),
            content: seconds(600),
            size: 1 << 30,
        }
    }
}

/// The directory that a ledger was published to, by its URL.
pub struct Http {
    /// Without a slash at its end.
    base: String,
    agent: Agent,
    limits: Limits,
    cache: Cache,
    /// Cached content that the server still has, as it said a moment ago.
    confirmed: Mutex<HashSet<Hash>>,
}

/// Why an attempt failed.
enum Failed {
    /// It may go better the next time.
    ForNow(Error),
    /// It will not.
    ForGood(Error),
}

impl Http {
    /// A published ledger by `http://` or `https://` URL; what never changes is kept below `cache`, if there is such a
    /// folder. Nothing is fetched yet. Proxies are those that the environment names.
    ///
    /// # Errors
    /// Usage, when it is no such URL.
    pub fn new(url: &str, cache: Option<PathBuf>, limits: Limits) -> Result<Self> {
        let bad = |why: &str| {
            let shown: String = url.chars().filter(|c| !ledger_format::is_hidden(*c)).take(200).collect();
            Error::usage(format!("'{shown}' is not the URL of a published ledger: {why}"))
                .hint("it is like https://example.org/ledger, the folder that has the file 'checkpoint'")
        };
        let base = url.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| bad("it is no URL"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it begins with neither https:// nor http://")),
        };
        if base.contains(['?', '#']) {
            return Err(bad("file names are added to its end, so it has no '?' and no '#'"));
        }
        // It would be written into pins and messages.
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(bad("it names no host, or a user or password"));
        }
        // Somebody else in this process may have chosen one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let agent = Agent::config_builder()
            // Who asked for an encrypted connection is not led to another.
            .https_only(https)
            .http_status_as_error(false)
            .max_redirects(REDIRECTS)
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE)
            .user_agent(concat!("promptos/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(limits.connect))
            .timeout_per_read(Some(limits.stalled))
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build()
            .new_agent();
        let cache = Cache::new(cache);
        Ok(Self { base: base.to_owned(), agent, limits, cache, confirmed: Mutex::default() })
    }

    /// Asks for a file until there is an answer; `None` when the server has no such file.
    fn ask<T>(
        &self,
        head: bool,
        path: &str,
        within: Duration,
        mut take: impl FnMut(Response<Body>) -> Result<T, Failed>,
    ) -> Result<Option<T>> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let answer = self.once(head, path, within).and_then(|found| found.map(&mut take).transpose());
            match answer {
                Ok(found) => return Ok(found),
                Err(Failed::ForNow(_)) if attempt < ATTEMPTS => {}
                Err(Failed::ForNow(error) | Failed::ForGood(error)) => return Err(error),
            }
            std::thread::sleep(pause);
            pause *= 4;
        }
        Ok(None)
    }

    fn once(&self, head: bool, path: &str, within: Duration) -> Result<Option<Response<Body>>, Failed> {
        let url = format!("{}/{path}", self.base);
        let request = if head { self.agent.head(&url) } else { self.agent.get(&url) };
        // The bytes as they are; and no checkpoint out of some proxy's memory.
        let mut request = request.header(header::ACCEPT_ENCODING, "identity");
        if path == CHECKPOINT {
            request = request.header(header::CACHE_CONTROL, "no-cache");
        }
        let answer = request.config().timeout_global(Some(within)).build().call();
        let mut answer = answer.map_err(|error| self.failed(path, error))?;
        if !head && !answer.status().is_success() {
            // With its page read to the end, the connection serves for the next file.
            let _ = answer.body_mut().with_config().limit(PAGE).read_to_vec();
        }
        let unavailable = |status: StatusCode| {
            Error::unavailable(format!("the server answers {status} for {path} of {}", self.base))
        };
        match answer.status() {
            status if status.is_success() => Ok(Some(answer)),
            status if head && NO_HEAD.contains(&status) => Ok(Some(answer)),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            // So object stores answer for what they do not have.
            StatusCode::FORBIDDEN if path != CHECKPOINT => Ok(None),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failed::ForNow(unavailable(status)))
            }
            status => Err(Failed::ForGood(unavailable(status))),
        }
    }

    fn failed(&self, path: &str, error: ureq::Error) -> Failed {
        use ureq::Error as E;
        let what = |why: &str| Error::unavailable(format!("cannot fetch {path} of {}: {why}", self.base));
        let error = match error {
            E::HostNotFound => {
                what("its host is not known").hint("is the name right, and the network there?")
            }
            E::Timeout(_) | E::BodyStalled => what("the server takes too long"),
            E::RequireHttpsOnly(_) => what("the server leads from https:// to an unencrypted address"),
            E::TooManyRedirects | E::RedirectFailed => what("the server leads from address to address"),
            E::Rustls(error) => what(&format!("the connection is not safe: {error}"))
                .hint("certificates are checked against those that this system trusts"),
            E::Io(error) if is_tls(&error) => what(&format!("the connection is not safe: {error}"))
                .hint("certificates are checked against those that this system trusts"),
            E::Io(error) => return Failed::ForNow(what(&error.to_string()).because(error)),
            E::ConnectionFailed => return Failed::ForNow(what("the server does not answer")),
            error => what(&error.to_string()).because(error),
        };
        Failed::ForGood(error)
    }

    /// Hands over a body, of which at most `limit` bytes are taken.
    fn read(
        &self,
        path: &str,
        answer: Response<Body>,
        limit: u64,
        too_large: fn(String) -> Error,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Failed> {
        let mut body = answer.into_body().into_reader();
        let (mut piece, mut length) = (vec![0; PIECE], 0);
        loop {
            let read = match body.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.get_ref().is_some_and(|inner| inner.is::<ureq::Error>()) => {
                    return Err(self.failed(path, ureq::Error::from(e)));
                }
                Err(e) => return Err(self.failed(path, ureq::Error::Io(e))),
            };
            length += read as u64;
            if length > limit {
                let what = format!("{path} of {} has more than {limit} bytes", self.base);
                return Err(Failed::ForGood(too_large(what)));
            }
            sink(piece.get(..read).unwrap_or_default()).map_err(|e| {
                let what = format!("cannot keep {path} of {}: {e}", self.base);
                Failed::ForGood(Error::failed(what).because(e))
            })?;
        }
    }

    /// Fetches content into a file, and checks it.
    fn fetch(&self, address: &Hash) -> Result<Option<File>> {
        let path = layout::blob(address);
        let fetched = self.ask(false, &path, self.limits.content, |answer| {
            let mut file = tempfile::tempfile().map_err(|e| {
                Failed::ForGood(Error::failed(format!("cannot make a temporary file: {e}")).because(e))
            })?;
            let mut hash = blake3::Hasher::new();
            self.read(&path, answer, self.limits.size, more_than_is_fetched, &mut |piece| {
                hash.update(piece);
                file.write_all(piece)
            })?;
            if hash.finalize() == *address {
                return Ok(file);
            }
            let what = format!("{path} of {} is other content than its name says", self.base);
            Err(Failed::ForGood(
                Error::integrity(what)
                    .hint("it was changed, or the server answers for files that it does not have"),
            ))
        })?;
        if let Some(file) = &fetched {
            self.cache.put_content(address, file);
        }
        Ok(fetched)
    }

    /// The cached content, if the server still has it: it may have been erased there.
    fn cached(&self, address: &Hash) -> Result<Option<File>> {
        let Some(file) = self.cache.content(address) else { return Ok(None) };
        let confirmed = || self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        if confirmed().contains(address) {
            return Ok(Some(file));
        }
        match self.blob_state(address)? {
            BlobState::Present(_) => {
                confirmed().insert(*address);
                Ok(Some(file))
            }
            _ => {
                self.cache.forget_content(address);
                Ok(None)
            }
        }
    }
}

/// No rule of the format says how large content may be, so that this says nothing against the ledger.
fn more_than_is_fetched(what: String) -> Error {
    Error::failed(what).hint("so much is not fetched; copy the published folder, and name the copy")
}

/// An error of the encryption arrives as one of reading.
fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

impl Source for Http {
    fn name(&self) -> String {
        self.base.clone()
    }

    fn of(&mut self, origin: &str) {
        self.cache.of(origin);
    }

    fn file(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        self.ask(false, path, self.limits.file, |answer| {
            let mut bytes = Vec::new();
            self.read(path, answer, limit as u64, Error::integrity, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            Ok(bytes)
        })
    }

    fn blob_state(&self, address: &Hash) -> Result<BlobState> {
        let found = self.ask(true, &layout::blob(address), self.limits.file, |answer| {
            let length =
                answer.headers().get(header::CONTENT_LENGTH).filter(|_| answer.status().is_success());
            Ok(length.and_then(|length| length.to_str().ok()?.parse().ok()))
        })?;
        match found {
            None => Ok(BlobState::Missing),
            Some(Some(length)) => Ok(BlobState::Present(length)),
            // A server that does not say.
            Some(None) => {
                let length = self.fetch(address)?.map(|file| file.metadata().map(|found| found.len()));
                let length =
                    length.transpose().map_err(|e| Error::failed(format!("cannot read: {e}")).because(e))?;
                Ok(length.map_or(BlobState::Missing, BlobState::Present))
            }
        }
    }

    fn read_blob(&self, address: &Hash, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<BlobState> {
        let file = match self.cached(address)? {
            Some(file) => Some(file),
            None => self.fetch(address)?,
        };
        let Some(mut file) = file else { return Ok(BlobState::Missing) };
        let cannot = |e: io::Error| Error::failed(format!("cannot read what was fetched: {e}")).because(e);
        file.rewind().map_err(cannot)?;
        let (mut piece, mut length) = (vec![0; PIECE], 0);
        loop {
            let read = file.read(&mut piece).map_err(cannot)?;
            if read == 0 {
                return Ok(BlobState::Present(length));
            }
            length += read as u64;
            sink(piece.get(..read).unwrap_or_default())?;
        }
    }

    /// A web server lists nothing that could be relied on.
    fn blobs(&self, _: &mut dyn FnMut(Hash, BlobState) -> Result<bool>) -> Result<()> {
        Ok(())
    }

    fn remembers(&self) -> bool {
        self.cache.is_there()
    }

    fn remembered(&self, path: &str, limit: usize) -> Option<Vec<u8>> {
        self.cache.file(path, limit)
    }

    fn remember(&self, path: &str, bytes: &[u8]) {
        self.cache.put_file(path, bytes);
    }
}
