//! Signing keys of people, and the log key of a store.
//!
//! A person's key is Ed25519 (RFC 8032) and lives where ssh keys live: in an OpenSSH private key file,
//! or in an ssh-agent that signs on request. [`KeySource`] is what the person named; [`KeySource::open`]
//! turns it into a [`Key`] that signs. Nothing here reads the environment: the agent's socket and the way
//! to ask for a passphrase are arguments.

mod agent;
mod file;
pub mod logkey;
mod public;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use ledger_format::{Kid, Signer};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

pub use agent::{Agent, Identity};
pub use file::{Encryption, create, load};
pub use public::{PublicKey, check_key, parse_fingerprint};

/// Asks a person for a passphrase, given the prompt to show. `Ok(None)` means that there is nobody to ask:
/// no terminal. A passphrase never comes from the environment or the command line, where others can see it.
pub type AskPassphrase<'a> = dyn FnMut(&str) -> Result<Option<Zeroizing<String>>> + 'a;

/// Where a [`Key`] signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In this process, with the private key from this file.
    File(PathBuf),
    /// In the ssh-agent.
    Agent,
}

/// A key that signs, and what is public about it.
pub struct Key {
    /// Signs with it.
    pub signer: Box<dyn Signer>,
    /// The raw Ed25519 public key.
    pub public: [u8; 32],
    /// The comment stored with the key, without control characters; may be empty. Says nothing reliable.
    pub comment: String,
    /// Where it signs.
    pub origin: Origin,
    /// The named file lies directly in a `.ssh` directory, so this key probably also opens servers; a key of
    /// its own is better. Always false for a key named by fingerprint: nothing is known of its file.
    pub login_key: bool,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("fingerprint", &Kid::of(&self.public))
            .field("comment", &self.comment)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// How a person named a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// `SHA256:…`, as `ssh-add -l` prints it: a key that the agent holds.
    Fingerprint(Kid),
    /// A private key file; or a public key file (`.pub`), which stands for the same key in the agent.
    File(PathBuf),
}

impl KeySource {
    /// Reads what a person typed. Anything with the form of a fingerprint is one; a file of such a name
    /// can still be written `./SHA256:…`.
    ///
    /// # Errors
    /// A malformed fingerprint, or one of another hash.
    pub fn parse(text: &OsStr) -> Result<Self> {
        match text.to_str() {
            Some(text) if public::looks_like_fingerprint(text) => {
                parse_fingerprint(text).map(Self::Fingerprint)
            }
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// Finds the key. `agent` is the agent's socket, if there is one. A private key file under a passphrase
    /// is left alone when the agent holds its key; otherwise `ask` is called.
    ///
    /// # Errors
    /// A file that is not a usable Ed25519 key, a key that the agent does not hold, a wrong passphrase; or
    /// *unavailable* when there is no agent, or nobody to ask for the passphrase.
    pub fn open(&self, agent: Option<&Path>, ask: &mut AskPassphrase<'_>) -> Result<Key> {
        match self {
            Self::Fingerprint(kid) => {
                let agent = agent.map(Agent::new).ok_or_else(no_agent)?;
                let identity = agent.find(kid)?;
                agent_key(agent, &identity, false)
            }
            Self::File(path) => open_file(path, agent.map(Agent::new), ask),
        }
    }
}

fn open_file(path: &Path, agent: Option<Agent>, ask: &mut AskPassphrase<'_>) -> Result<Key> {
    let login_key = in_dot_ssh(path);
    match file::read(path)? {
        file::KeyFile::Public(public) => {
            let found = agent.ok_or_else(no_agent).and_then(|agent| {
                let identity = agent.find(&Kid::of(&public.key))?;
                agent_key(agent, &identity, login_key)
            });
            let private = path.with_extension("");
            found.map_err(|e| match path.extension() {
                Some(end) if end == "pub" && private.is_file() => {
                    e.hint(format!("or name the private key file itself: {}", private.display()))
                }
                _ => e,
            })
        }
        file::KeyFile::Private(private) => {
            if private.is_encrypted()
                && let Some(agent) = agent
                // An agent that fails is no obstacle here: the passphrase opens the key as well.
                && let Ok(identity) = agent.find(&Kid::of(&private.public()))
            {
                return agent_key(agent, &identity, login_key);
            }
            let (signing, comment) = private.unlock(ask)?;
            Ok(Key {
                public: signing.public_key(),
                signer: Box::new(signing),
                comment,
                origin: Origin::File(path.to_owned()),
                login_key,
            })
        }
    }
}

fn agent_key(agent: Agent, identity: &Identity, login_key: bool) -> Result<Key> {
    let public = identity.ed25519()?;
    let signer = Box::new(agent::AgentSigner { agent, public });
    Ok(Key { signer, public, comment: identity.comment.clone(), origin: Origin::Agent, login_key })
}

fn no_agent() -> Error {
    Error::unavailable("this key is in an ssh-agent, and no agent is known here (SSH_AUTH_SOCK is not set)")
        .hint("start one and add the key: eval \"$(ssh-agent)\" && ssh-add FILE")
}

/// Whether the file lies directly in a `.ssh` directory, by the name given or through links.
fn in_dot_ssh(path: &Path) -> bool {
    let inside = |path: &Path| path.parent().and_then(Path::file_name).is_some_and(|name| name == ".ssh");
    inside(path) || path.canonicalize().is_ok_and(|real| inside(&real))
}
