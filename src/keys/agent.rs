//! A client of ssh-agent (draft-ietf-sshm-ssh-agent) over its Unix socket: list keys, sign with one.
//!
//! The agent signs exactly the bytes it is sent, so an Ed25519 key in it can sign anything. OpenSSH's agent
//! has limits that show here only as a bare "failure": a locked agent lists no keys and signs nothing; a key
//! added with `ssh-add -c` needs a person's consent; a key restricted to destinations (`ssh-add -h`) is listed
//! on a local connection but signs only for ssh itself, and is not even listed by a forwarded agent.

use super::public::{check_key, printable, refuse_type};
use crate::error::{Error, Result};
use ledger_format::{Kid, SignError, Signer};
use sha2::{Digest as _, Sha256};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The longest message that OpenSSH's agent sends or takes.
const MAX_MESSAGE: usize = 256 * 1024;

/// An ssh-agent. Every call is a connection of its own.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
    pub(super) list_limit: Duration,
    /// Long, for a person may have to confirm.
    pub(super) sign_limit: Duration,
}

/// A key that an agent says it holds, of any type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The public key's SSH wire encoding (RFC 4253 6.6).
    pub blob: Vec<u8>,
    /// The comment, without control characters; may be empty.
    pub comment: String,
}

impl Identity {
    /// The SSH name of the key's type, such as `ssh-ed25519`.
    #[must_use]
    pub fn key_type(&self) -> String {
        printable(Wire(&self.blob).string().unwrap_or_default())
    }

    /// SHA-256 of the wire encoding; of an Ed25519 key, the key id.
    #[must_use]
    pub fn kid(&self) -> Kid {
        Kid(Sha256::digest(&self.blob).into())
    }

    /// The raw Ed25519 public key.
    ///
    /// # Errors
    /// A key of another type, which is named, or a malformed or weak one.
    pub fn ed25519(&self) -> Result<[u8; 32]> {
        let mut wire = Wire(&self.blob);
        if wire.string() != Some(b"ssh-ed25519") {
            return Err(refuse_type(&self.key_type()));
        }
        let key = wire.string().and_then(|key| <[u8; 32]>::try_from(key).ok()).filter(|_| wire.0.is_empty());
        let key = key.ok_or_else(|| Error::failed("the ssh-agent lists a malformed Ed25519 key"))?;
        check_key(&key)?;
        Ok(key)
    }
}

impl Agent {
    /// The agent that listens at this Unix socket. Nothing is contacted yet.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        let (list_limit, sign_limit) = (Duration::from_secs(10), Duration::from_secs(120));
        Self { socket: socket.to_owned(), list_limit, sign_limit }
    }

    /// The keys that the agent holds and shows.
    ///
    /// # Errors
    /// *Unavailable* when there is no agent there, or it does not answer within 10 seconds.
    pub fn identities(&self) -> Result<Vec<Identity>> {
        let reply = self.exchange(&[REQUEST_IDENTITIES], self.list_limit)?;
        match reply.split_first() {
            Some((&IDENTITIES_ANSWER, rest)) => {
                parse_identities(rest).ok_or_else(|| self.confused("its list of keys is malformed"))
            }
            Some((&FAILURE, _)) => Err(Error::unavailable(format!(
                "the ssh-agent at {} refused to list its keys",
                self.socket.display()
            ))),
            _ => Err(self.confused("it did not list its keys when asked")),
        }
    }

    /// The key with this fingerprint (SHA-256 of the wire encoding).
    ///
    /// # Errors
    /// As [`Agent::identities`]; and when the agent does not hold it, with the keys that it does hold.
    pub fn find(&self, kid: &Kid) -> Result<Identity> {
        let all = self.identities()?;
        if let Some(found) = all.iter().find(|identity| identity.kid() == *kid) {
            return Ok(found.clone());
        }
        let error = Error::failed(format!("the ssh-agent does not hold the key {kid}")).hint(
            "add it: ssh-add FILE (keys restricted with ssh-add -h are not shown by a forwarded agent)",
        );
        Err(if all.is_empty() {
            error.hint("it shows no keys at all: it is empty, or locked (unlock it with ssh-add -X)")
        } else {
            let held = all.iter().take(20).map(|i| format!("{} {} ({})", i.kid(), i.comment, i.key_type()));
            error.hint(format!("it holds: {}", held.collect::<Vec<_>>().join(", ")))
        })
    }

    /// The agent's Ed25519 signature over exactly `message`, verified before it is returned.
    ///
    /// # Errors
    /// *Unavailable* when there is no agent, it does not answer within two minutes, or it refuses; else a
    /// reply that is malformed or not a signature of this key.
    pub fn sign(&self, public: &[u8; 32], message: &[u8]) -> Result<[u8; 64]> {
        let key = check_key(public)?;
        let mut blob = Vec::new();
        put_string(&mut blob, b"ssh-ed25519");
        put_string(&mut blob, public);
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, &blob);
        put_string(&mut request, message);
        request.extend_from_slice(&0u32.to_be_bytes()); // flags: none exist for Ed25519
        if request.len() > MAX_MESSAGE {
            return Err(Error::failed("there is too much to sign at once for an ssh-agent (256 KiB)"));
        }
        let reply = self.exchange(&request, self.sign_limit)?;
        let signature = match reply.split_first() {
            Some((&SIGN_RESPONSE, rest)) => {
                parse_signature(rest).ok_or_else(|| self.confused("its signature is malformed"))?
            }
            Some((&FAILURE, _)) => {
                return Err(Error::unavailable(
                    "the ssh-agent refused to sign: it may be locked, the user may have declined, \
                     or the key may be destination-constrained (ssh-add -h) and so sign only ssh logins",
                )
                .hint("unlock it with ssh-add -X, confirm when it asks, or add the key without -h"));
            }
            _ => return Err(self.confused("it did not sign when asked")),
        };
        key.verify(message, &signature).map_err(|e| {
            Error::failed("the ssh-agent returned a signature that does not verify").because(e)
        })?;
        Ok(signature)
    }

    /// Sends one message and reads the one reply, each a string with a length before it, all within `limit`.
    fn exchange(&self, request: &[u8], limit: Duration) -> Result<Vec<u8>> {
        let deadline = Instant::now() + limit;
        let mut stream = UnixStream::connect(&self.socket).map_err(|e| {
            Error::unavailable(format!("no ssh-agent answers at {}: {e}", self.socket.display()))
                .hint("start one and add the key: eval \"$(ssh-agent)\" && ssh-add FILE")
        })?;
        let failed = |e: std::io::Error| match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::unavailable(format!(
                "the ssh-agent at {} did not answer within {limit:?}",
                self.socket.display()
            ))
            .hint("it may be waiting for someone to confirm"),
            ErrorKind::UnexpectedEof => self.confused("it closed the connection in mid-reply"),
            _ => Error::unavailable(format!(
                "talking to the ssh-agent at {} failed: {e}",
                self.socket.display()
            )),
        };
        let mut framed = Vec::with_capacity(request.len() + 4);
        put_string(&mut framed, request);
        stream.set_write_timeout(Some(limit)).map_err(failed)?;
        stream.write_all(&framed).map_err(failed)?;
        let mut length = [0; 4];
        read_until(&mut stream, &mut length, deadline).map_err(failed)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_MESSAGE {
            return Err(self.confused("its reply is too long"));
        }
        let mut reply = vec![0; length];
        read_until(&mut stream, &mut reply, deadline).map_err(failed)?;
        Ok(reply)
    }

    fn confused(&self, what: &str) -> Error {
        Error::failed(format!(
            "the program at {} does not behave like an ssh-agent: {what}",
            self.socket.display()
        ))
        .hint("check that SSH_AUTH_SOCK names the agent's socket")
    }
}

/// Fills `buffer` before `deadline`, however slowly the bytes drip.
fn read_until(stream: &mut UnixStream, mut buffer: &mut [u8], deadline: Instant) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => buffer = buffer.get_mut(n..).unwrap_or_default(),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn parse_identities(body: &[u8]) -> Option<Vec<Identity>> {
    let mut wire = Wire(body);
    let count = wire.u32()?;
    let mut all = Vec::new();
    for _ in 0..count {
        let blob = wire.string()?.to_vec();
        all.push(Identity { blob, comment: printable(wire.string()?) });
    }
    wire.0.is_empty().then_some(all)
}

fn parse_signature(body: &[u8]) -> Option<[u8; 64]> {
    let mut outer = Wire(body);
    let mut inner = Wire(outer.string()?);
    let good = inner.string()? == b"ssh-ed25519";
    let signature = inner.string()?.try_into().ok()?;
    (good && inner.0.is_empty() && outer.0.is_empty()).then_some(signature)
}

/// What is left to read of an SSH message (RFC 4251 5); `None` once it is too short.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}

/// Appends a string with its length. Everything sent is far below 4 GiB, and `sign` bounds it.
fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    out.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(string);
}

/// One Ed25519 key of an agent.
pub(super) struct AgentSigner {
    pub(super) agent: Agent,
    pub(super) public: [u8; 32],
}

impl Signer for AgentSigner {
    fn public_key(&self) -> [u8; 32] {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.agent.sign(&self.public, message).map_err(|e| {
            let hint = e.hints().first().map(|hint| format!(" ({hint})")).unwrap_or_default();
            SignError(format!("{e}{hint}"))
        })
    }
}
