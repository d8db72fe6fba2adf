//! OpenSSH private key files (`openssh-key-v1`, OpenSSH's PROTOCOL.key): read, unlock, create.

use super::AskPassphrase;
use super::public::{PublicKey, looks_like_type, printable, refuse_type};
use crate::error::{Error, Result};
use crate::files::{self, Unfinished};
use ed25519_dalek::SigningKey;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{Cipher, Kdf, LineEnding, PrivateKey};
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest file read; any sensible key file is far shorter.
const MAX_FILE: u64 = 64 * 1024;
/// Cost of the key derivation for new files, as in recent releases of ssh-keygen.
const BCRYPT_ROUNDS: u32 = 24;
/// The file names its own rounds, and each costs milliseconds: more than this is a hang, not a defence.
const MAX_BCRYPT_ROUNDS: u32 = 10_000;
/// How often a person may mistype, as with ssh.
const PASSPHRASE_ATTEMPTS: usize = 3;

/// What to do about a damaged file: another reader of the format tells whose fault it is.
const COMPARE: &str = "see whether OpenSSH reads it: ssh-keygen -y -f FILE";

/// What a key file turned out to hold.
pub(super) enum KeyFile {
    Private(Box<PrivateFile>),
    Public(PublicKey),
}

/// An Ed25519 private key file, perhaps still under its passphrase.
pub(super) struct PrivateFile {
    path: PathBuf,
    key: PrivateKey,
    public: [u8; 32],
}

/// How to protect a new private key: the passphrase, and 16 random bytes that salt it.
pub struct Encryption {
    /// The passphrase; not empty.
    pub passphrase: Zeroizing<String>,
    /// Fresh random bytes.
    pub salt: [u8; 16],
}

/// Loads an OpenSSH Ed25519 private key; returns it with its comment. `ask` is called when it is encrypted.
///
/// # Errors
/// A file that is missing, unreadable, open to others, not a private key or not Ed25519; a wrong passphrase;
/// *unavailable* when a passphrase is needed and there is nobody to ask.
pub fn load(path: &Path, ask: &mut AskPassphrase<'_>) -> Result<(SigningKey, String)> {
    match read(path)? {
        KeyFile::Private(private) => private.unlock(ask),
        KeyFile::Public(_) => {
            let private = path.with_extension("");
            Err(Error::failed(format!("{} is a public key; a private key is needed here", path.display()))
                .hint(format!("name the private key file, usually {}", private.display())))
        }
    }
}

/// Creates a private key file from 32 random bytes: mode 0600, with `<path>.pub` (0644) beside it. Either
/// both files appear, complete, or neither; an existing file is never touched.
///
/// # Errors
/// Either file exists, the directory is missing or not writable, a comment with control characters, an
/// empty passphrase.
pub fn create(path: &Path, seed: &[u8; 32], comment: &str, lock: Option<&Encryption>) -> Result<PublicKey> {
    let public_path = with_pub(path);
    if public_path.symlink_metadata().is_ok() {
        return Err(exists(&public_path));
    }
    let key = create_private(path, seed, comment, lock)?;
    let public = PublicKey { key: key.verifying_key().to_bytes(), comment: comment.to_owned() };
    let line = format!("{}\n", public.to_openssh());
    if let Err(e) = write_new(&public_path, line.as_bytes(), 0o644) {
        // Ours, made a moment ago, and nobody has been told of it.
        let _ = fs::remove_file(path);
        return Err(e);
    }
    Ok(public)
}

/// As [`create`], without the `.pub` file.
pub(super) fn create_private(
    path: &Path,
    seed: &[u8; 32],
    comment: &str,
    lock: Option<&Encryption>,
) -> Result<SigningKey> {
    if comment.chars().any(char::is_control) {
        return Err(Error::failed("a key's comment is one line without control characters"));
    }
    // Before the slow key derivation; what decides is `write_new`.
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let encoded = encode(seed, comment, lock)?;
    write_new(path, encoded.as_bytes(), 0o600)?;
    Ok(SigningKey::from_bytes(seed))
}

fn encode(seed: &[u8; 32], comment: &str, lock: Option<&Encryption>) -> Result<Zeroizing<String>> {
    let failed = |e: ssh_key::Error| Error::bug("the new private key could not be encoded").because(e);
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(seed));
    let mut key = PrivateKey::new(pair, comment).map_err(failed)?;
    if let Some(lock) = lock {
        if lock.passphrase.is_empty() {
            return Err(Error::failed("the passphrase is empty"));
        }
        let kdf = Kdf::Bcrypt { salt: lock.salt.to_vec(), rounds: BCRYPT_ROUNDS };
        // The check number only has to repeat itself after decryption; it need not be secret.
        let [a, b, c, d, ..] = lock.salt;
        let check = u32::from_be_bytes([a, b, c, d]);
        key = key.encrypt_with(Cipher::Aes256Ctr, kdf, check, lock.passphrase.as_bytes()).map_err(failed)?;
    }
    key.to_openssh(LineEnding::LF).map_err(failed)
}

/// Puts a new file of exactly this mode and content in place, durably, unless the name is taken.
fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let failed = |e: std::io::Error| {
        let error = Error::failed(format!("cannot create {}: {e}", path.display()));
        if e.kind() == ErrorKind::NotFound {
            error.hint("its directory does not exist; create that first")
        } else {
            error
        }
    };
    // It starts with mode 0600: the key is never open to others, not even for a moment.
    let mut file = Unfinished::new(path, 0o600).map_err(failed)?;
    file.file().write_all(content).map_err(failed)?;
    file.file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    match file.name() {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(exists(path)),
        named => {
            named.map_err(failed)?;
            // The name is in place; a folder that cannot be synced does not undo that.
            let _ = files::sync(files::folder(path));
            Ok(())
        }
    }
}

fn exists(path: &Path) -> Error {
    Error::failed(format!("{} already exists, and a key file is never overwritten", path.display()))
        .hint("choose another name, or move the old file away")
}

fn with_pub(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// Reads a key file and finds out what it holds, by content rather than by name.
pub(super) fn read(path: &Path) -> Result<KeyFile> {
    let (content, mode) = slurp(path)?;
    let at = |e: Error| prefix(path, e);
    let text = std::str::from_utf8(&content).map_err(|_| at(not_a_key()))?;
    let start = text.trim_start();
    if start.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        refuse_open_mode(path, mode)?;
        return private(path, start).map(|key| KeyFile::Private(Box::new(key))).map_err(at);
    }
    if let Some(error) = other_format(start) {
        return Err(at(error));
    }
    let first =
        start.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or_default();
    if !looks_like_type(first) {
        return Err(at(not_a_key()));
    }
    PublicKey::parse(text).map(KeyFile::Public).map_err(at)
}

fn private(path: &Path, pem: &str) -> Result<PrivateFile> {
    let key = PrivateKey::from_openssh(pem).map_err(|_| {
        Error::failed("the private key is damaged, or of a kind that is not known here").hint(COMPARE)
    })?;
    let public = match key.public_key().key_data() {
        ssh_key::public::KeyData::Ed25519(public) => public.0,
        other => return Err(refuse_type(other.algorithm().as_str())),
    };
    super::public::check_key(&public)?;
    Ok(PrivateFile { path: path.to_owned(), key, public })
}

impl PrivateFile {
    /// The raw public key. Of an encrypted file, nothing vouches for it before [`PrivateFile::unlock`].
    pub(super) fn public(&self) -> [u8; 32] {
        self.public
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.key.is_encrypted()
    }

    /// The private key and its comment.
    pub(super) fn unlock(&self, ask: &mut AskPassphrase<'_>) -> Result<(SigningKey, String)> {
        if !self.is_encrypted() {
            return self.signing(&self.key);
        }
        self.refuse_bad_encryption().map_err(|e| prefix(&self.path, e))?;
        let mut prompt = format!("Passphrase for {}: ", self.path.display());
        for _ in 0..PASSPHRASE_ATTEMPTS {
            let Some(passphrase) = ask(&prompt)? else {
                return Err(Error::unavailable(format!(
                    "{} is protected by a passphrase, and there is no terminal to ask for it",
                    self.path.display()
                ))
                .hint(format!("load it into ssh-agent: ssh-add {}", self.path.display()))
                .hint("or run this in a terminal"));
            };
            if passphrase.is_empty() {
                return Err(Error::failed(format!("no passphrase was given for {}", self.path.display())));
            }
            match self.key.decrypt(passphrase.as_bytes()) {
                Ok(key) => return self.signing(&key),
                Err(ssh_key::Error::Crypto) => {
                    prompt = format!("Wrong passphrase, try again for {}: ", self.path.display());
                }
                Err(e) => return Err(self.damaged(e)),
            }
        }
        Err(Error::failed(format!("wrong passphrase for {}", self.path.display()))
            .hint("without it the key cannot be used; a new one can be enrolled in its place"))
    }

    fn refuse_bad_encryption(&self) -> Result<()> {
        let again = format!("encrypt it anew: ssh-keygen -p -f {}", self.path.display());
        if matches!(self.key.cipher(), Cipher::TdesCbc) {
            return Err(
                Error::failed("the private key is encrypted with 3DES, which is not supported").hint(again)
            );
        }
        match self.key.kdf() {
            Kdf::Bcrypt { rounds, .. } if *rounds > MAX_BCRYPT_ROUNDS => Err(Error::failed(format!(
                "the private key asks for {rounds} rounds of key derivation; {MAX_BCRYPT_ROUNDS} is the most accepted"
            ))
            .hint(again)),
            Kdf::Bcrypt { rounds: 1.., salt } if !salt.is_empty() => Ok(()),
            _ => Err(Error::failed("the private key is damaged: it is encrypted without key derivation").hint(COMPARE)),
        }
    }

    fn signing(&self, key: &PrivateKey) -> Result<(SigningKey, String)> {
        let pair = key.key_data().ed25519().ok_or_else(|| self.damaged(ssh_key::Error::PublicKey))?;
        let signing = SigningKey::from_bytes(pair.private.as_ref());
        if signing.verifying_key().to_bytes() != self.public {
            return Err(self.damaged(ssh_key::Error::PublicKey));
        }
        Ok((signing, printable(key.comment().as_bytes())))
    }

    fn damaged(&self, cause: ssh_key::Error) -> Error {
        Error::failed(format!("{}: the private key is damaged", self.path.display()))
            .hint(COMPARE)
            .because(cause)
    }
}

/// The file's bytes and mode; bounded, and only of a regular file.
fn slurp(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32)> {
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => missing(path),
        ErrorKind::PermissionDenied => {
            Error::failed(format!("{} may not be read by this user", path.display()))
                .hint(format!("see whose it is: ls -l {}", path.display()))
        }
        _ => Error::failed(format!("cannot read {}: {e}", path.display())),
    };
    // Asked before opening, since opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(
            Error::failed(format!("{} is not a file", path.display())).hint("name the key file itself")
        );
    }
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    // Room for all of it from the start: growing would leave copies of the secret behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 64));
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        return Err(prefix(path, not_a_key()));
    }
    Ok((content, mode))
}

fn missing(path: &Path) -> Error {
    let public = with_pub(path);
    let error = Error::failed(format!("there is no key file {}", path.display()));
    if public.is_file() {
        error.hint(format!("its public key is there: to sign through ssh-agent, name {}", public.display()))
    } else {
        error.hint("check the path, or make a key: ssh-keygen -t ed25519 -f FILE")
    }
}

fn refuse_open_mode(path: &Path, mode: u32) -> Result<()> {
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let (path, mode) = (path.display(), mode & 0o7777);
    Err(Error::failed(format!("the private key {path} is open to other users (mode {mode:04o})"))
        .hint(format!("chmod 600 {path}")))
}

/// Key files of other programs and older formats, refused by name.
fn other_format(text: &str) -> Option<Error> {
    let convert = "rewrite it in OpenSSH's format: ssh-keygen -p -f FILE";
    let known = [
        ("-----BEGIN RSA PRIVATE KEY-----", "ssh-rsa", ""),
        ("-----BEGIN EC PRIVATE KEY-----", "ecdsa-sha2", ""),
        ("-----BEGIN DSA PRIVATE KEY-----", "ssh-dss", ""),
        ("-----BEGIN PRIVATE KEY-----", "a PKCS #8 private key", convert),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "a PKCS #8 private key", convert),
        ("-----BEGIN PUBLIC KEY-----", "a PKCS #8 public key", "convert it: ssh-keygen -i -m PKCS8 -f FILE"),
        ("---- BEGIN SSH2", "an SSH2 (RFC 4716) key", "convert it: ssh-keygen -i -f FILE"),
        ("PuTTY-User-Key-File-", "a PuTTY key", "export it from PuTTYgen in OpenSSH's format"),
    ];
    let (_, what, hint) = known.into_iter().find(|(start, ..)| text.starts_with(start))?;
    Some(match hint {
        "" => refuse_type(what),
        hint => Error::failed(format!("this is {what}; a key in OpenSSH's format is needed")).hint(hint),
    })
}

fn not_a_key() -> Error {
    Error::failed("this is not an OpenSSH key file").hint("make one: ssh-keygen -t ed25519 -f FILE")
}

/// The same failure, saying in which file.
fn prefix(path: &Path, error: Error) -> Error {
    let named = Error::new(error.kind(), format!("{}: {error}", path.display()));
    error.hints().iter().fold(named, |e, hint| e.hint(hint.as_str()))
}
