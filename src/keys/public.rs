//! Public keys: OpenSSH lines, fingerprints, and which encodings of a point are accepted.

use crate::error::{Error, Result};
use ledger_format::Kid;
use std::path::Path;

const ED25519: &str = "ssh-ed25519";

/// An Ed25519 public key as an OpenSSH `.pub` file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The raw key, checked by [`check_key`].
    pub key: [u8; 32],
    /// The comment, without control characters; may be empty.
    pub comment: String,
}

impl PublicKey {
    /// Reads the text of an OpenSSH public key (`ssh-ed25519 BASE64 [comment]`, RFC 8709 and RFC 4253 6.6).
    /// Blank lines and `#` lines around it are skipped.
    ///
    /// # Errors
    /// Anything but exactly one good Ed25519 key; other key types are named.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let line = lines.next().ok_or_else(|| Error::failed("there is no public key here"))?;
        if lines.next().is_some() {
            return Err(Error::failed("there is more than one line here where one public key is wanted"));
        }
        let (kind, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if kind != ED25519 {
            return Err(if looks_like_type(kind) { refuse_type(kind) } else { not_public() });
        }
        let rest = rest.trim_start();
        let (base64, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let parsed = ssh_key::PublicKey::from_openssh(&format!("{kind} {base64}")).map_err(|e| {
            Error::failed("the public key is damaged: its base64 part is not an Ed25519 key").because(e)
        })?;
        let key = parsed.key_data().ed25519().map(|k| k.0).ok_or_else(|| refuse_type(kind))?;
        check_key(&key)?;
        Ok(Self { key, comment: printable(comment.trim().as_bytes()) })
    }

    /// Reads a `.pub` file; see [`PublicKey::parse`].
    ///
    /// # Errors
    /// As [`PublicKey::parse`], and a file that cannot be read or holds a private key.
    pub fn read(path: &Path) -> Result<Self> {
        match super::file::read(path)? {
            super::file::KeyFile::Public(key) => Ok(key),
            super::file::KeyFile::Private(_) => Err(Error::failed(format!(
                "{} is a private key; a public key is wanted here",
                path.display()
            ))
            .hint(format!("name {}.pub, or print it: ssh-keygen -y -f {0}", path.display()))),
        }
    }

    /// The key as one OpenSSH line, without a line end.
    #[must_use]
    pub fn to_openssh(&self) -> String {
        let data = ssh_key::public::KeyData::from(ssh_key::public::Ed25519PublicKey(self.key));
        // The fallible part is the writer's buffer, which ssh-key sizes itself.
        ssh_key::PublicKey::new(data, self.comment.as_str()).to_openssh().unwrap_or_default()
    }

    /// The fingerprint that `ssh-keygen -l` shows.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Kid::of(&self.key).to_string()
    }
}

/// Accepts the 32 bytes only as the ledger does: the one canonical encoding of a point that is not of
/// small order. A small-order key verifies signatures that nobody made, and two encodings of one key
/// would be two identities.
///
/// # Errors
/// Bytes that are not a point, not canonical, or of small order.
pub fn check_key(key: &[u8; 32]) -> Result<ledger_format::PublicKey> {
    ledger_format::PublicKey::new(key).map_err(|failure| Error::failed(failure.detail))
}

/// Reads `SHA256:` and 43 characters of unpadded base64, as `ssh-keygen -l` prints them, to a key id.
///
/// # Errors
/// Another hash, or text of another form.
pub fn parse_fingerprint(text: &str) -> Result<Kid> {
    text.parse().map_err(|_| {
        Error::failed(format!("{} is not a SHA-256 key fingerprint", quote(text)))
            .hint("it is SHA256: and 43 characters, as printed by: ssh-add -l")
    })
}

/// Whether text is meant as a fingerprint, well formed or not.
pub(super) fn looks_like_fingerprint(text: &str) -> bool {
    text.split_once(':').is_some_and(|(hash, _)| {
        ["SHA256", "SHA512", "SHA384", "SHA1", "MD5"].iter().any(|known| hash.eq_ignore_ascii_case(known))
    })
}

/// Whether a word is the name of an SSH key type.
pub(super) fn looks_like_type(word: &str) -> bool {
    ["ssh-", "sk-", "ecdsa-", "rsa-", "webauthn-"].iter().any(|prefix| word.starts_with(prefix))
}

/// The refusal of a key type other than plain Ed25519, by the name people know it by.
pub(super) fn refuse_type(ssh_type: &str) -> Error {
    let name = match ssh_type {
        t if t.contains("-cert-v0") => "an SSH certificate",
        t if t.starts_with("sk-") || t.starts_with("webauthn-") => "a FIDO security key",
        t if t.starts_with("ecdsa-") => "an ECDSA key",
        t if t.starts_with("rsa-") || t == "ssh-rsa" => "an RSA key",
        "ssh-dss" => "a DSA key",
        _ => "a key of another type",
    };
    let refused =
        Error::failed(format!("this is {name} ({}); only plain Ed25519 keys can sign here", quote(ssh_type)));
    if ssh_type.contains("-cert-v0") {
        refused.hint("name the key itself, not its certificate")
    } else {
        refused.hint("make one: ssh-keygen -t ed25519 -f FILE")
    }
}

fn not_public() -> Error {
    Error::failed("this is not an OpenSSH public key (ssh-ed25519 AAAA… comment)")
        .hint("a key exported by another program may convert: ssh-keygen -i -f FILE")
}

/// Text from outside, safe to show on a terminal: control characters become U+FFFD.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Text from outside inside a message: printable and not long.
fn quote(text: &str) -> String {
    printable(text.as_bytes()).chars().take(80).collect()
}
