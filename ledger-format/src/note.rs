//! Signed tree heads as text: C2SP signed-note, tlog-checkpoint and tlog-proof.

use crate::digest::Hash;
use crate::failure::{Class, Failure, shown};
use crate::key::PublicKey;
use crate::sign::{SignError, Signer};
use crate::tree::{self, Head};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The signature type of plain Ed25519 in a signed note.
const ED25519: u8 = 0x01;
/// What a note may hold at most; ours have about 300 bytes, cosigned ones a few kilobytes.
pub(crate) const MAX_NOTE: usize = 64 * 1024;
const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A path in a tree of 2^64 leaves.
pub(crate) const MAX_PROOF: usize = 63;

/// A verifier key: the name that signs, and the Ed25519 key it signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// The key name: for a ledger's checkpoint key, its origin.
    pub name: String,
    /// The public key.
    pub key: PublicKey,
}

impl VerifierKey {
    /// The key id of signed-note: `SHA-256(name || 0x0A || 0x01 || key)`, first four bytes.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.name, ED25519, &self.key)
    }

    /// Reads `<name>+<8 hex>+<base64>`.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::WeakKey`], or [`Class::Unsupported`] for another signature type.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        parse_vkey(text, ED25519).map(|(name, key)| Self { name, key })
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_vkey(f, &self.name, ED25519, &self.key)
    }
}

/// The key id of signed-note: `SHA-256(name || 0x0A || type || key)`, first four bytes.
pub(crate) fn key_id(name: &str, kind: u8, key: &PublicKey) -> [u8; 4] {
    let hash: Hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(key.to_bytes())
        .finalize()
        .into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// Reads a vkey of one signature type, whose keys are Ed25519's.
pub(crate) fn parse_vkey(text: &str, wanted: u8) -> Result<(String, PublicKey), Failure> {
    let bad = |why: &str| Failure::malformed(format!("'{}' is not a vkey: {why}", shown(text)));
    // Base64 has '+' too, so only the first two separate.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad("it should read name+hash+key"));
    };
    check_name(name).map_err(|_| bad("its name is empty or has a space or '+'"))?;
    let key = BASE64.decode(key).map_err(|_| bad("its key is not base64"))?;
    let raw: [u8; 32] = match key.split_first() {
        Some((kind, raw)) if *kind == wanted => raw.try_into().map_err(|_| bad("its key is not 32 bytes"))?,
        Some((kind, _)) => {
            let detail = format!("vkey of signature type {kind:#04x} where {wanted:#04x} is wanted");
            return Err(Failure::new(Class::Unsupported, detail));
        }
        None => return Err(bad("its key is empty")),
    };
    let key = PublicKey::new(&raw)?;
    if hex::encode(key_id(name, wanted, &key)) != id {
        return Err(bad("its hash is of another key or name"));
    }
    Ok((name.to_owned(), key))
}

pub(crate) fn write_vkey(
    f: &mut std::fmt::Formatter<'_>,
    name: &str,
    kind: u8,
    key: &PublicKey,
) -> std::fmt::Result {
    let raw = [&[kind], key.to_bytes().as_slice()].concat();
    write!(f, "{name}+{}+{}", hex::encode(key_id(name, kind, key)), BASE64.encode(raw))
}

pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        return Err(Failure::malformed("a key name is empty or has a space or '+'"));
    }
    Ok(())
}

/// A signed note taken apart; the signatures are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    /// The signed text, with its final newline.
    pub(crate) text: &'a str,
    /// Names, and what is behind the base64: a key id and a signature.
    signatures: Vec<(&'a str, Vec<u8>)>,
}

impl<'a> Note<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::malformed(format!("signed note: {why}"));
        if bytes.len() > MAX_NOTE {
            return Err(Failure::new(Class::TooLarge, format!("signed note of {} bytes", bytes.len())));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(bad("it has control characters"));
        }
        let split = note.rfind("\n\n").ok_or_else(|| bad("it has no blank line before its signatures"))?;
        let (text, block) = (note.get(..=split), note.get(split + 2..));
        let (Some(text), Some(block)) = (text, block) else { return Err(bad("it is cut short")) };
        let lines = block.strip_suffix('\n').ok_or_else(|| bad("its last line does not end"))?;
        let signature = |line: &'a str| {
            let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
            let bytes = BASE64.decode(base64).ok().filter(|bytes| bytes.len() > 4)?;
            check_name(name).ok().map(|()| (name, bytes))
        };
        let signatures = lines.split('\n').map(signature).collect::<Option<Vec<_>>>();
        Ok(Self { text, signatures: signatures.ok_or_else(|| bad("a signature line is malformed"))? })
    }

    /// The signatures of one name and key id, without the id.
    pub(crate) fn lines(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let own = move |(other, bytes): &&(&str, Vec<u8>)| *other == name && bytes.starts_with(&id);
        self.signatures.iter().filter(own).filter_map(|(_, bytes)| bytes.get(4..))
    }

    /// Requires a good signature of `vkey`; lines of other keys are ignored.
    fn verify(&self, vkey: &VerifierKey) -> Result<(), Failure> {
        let mut found = false;
        for signature in self.lines(&vkey.name, vkey.id()) {
            let signature = signature.try_into().map_err(|_| {
                let detail = format!("the signature of {} has a wrong length", vkey.name);
                Failure::new(Class::BadSignature, detail)
            })?;
            vkey.key.verify(self.text.as_bytes(), signature)?;
            found = true;
        }
        if found {
            return Ok(());
        }
        Err(Failure::new(Class::UnknownKey, format!("the note has no signature of {vkey}")))
    }
}

/// A checkpoint (C2SP tlog-checkpoint): the head of the ledger named `origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// `<name>/<64 hex of the genesis id>`.
    pub origin: String,
    /// The head.
    pub head: Head,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.head.size, BASE64.encode(self.head.root))
    }

    /// Signs with the ledger's checkpoint key; the key's name is the origin.
    ///
    /// # Errors
    /// What the signer answers.
    pub fn sign(&self, log_key: &dyn Signer) -> Result<Vec<u8>, SignError> {
        let body = self.body();
        let key = PublicKey::new(&log_key.public_key()).map_err(|e| SignError(e.to_string()))?;
        let vkey = VerifierKey { name: self.origin.clone(), key };
        let signature = log_key.sign(body.as_bytes())?;
        let line = BASE64.encode([vkey.id().as_slice(), &signature].concat());
        Ok(format!("{body}\n— {} {line}\n", self.origin).into_bytes())
    }

    /// Reads a signed checkpoint **without** checking any signature.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::TooLarge`].
    pub fn parse(note: &[u8]) -> Result<Self, Failure> {
        Self::from_text(Note::parse(note)?.text)
    }

    /// Reads a checkpoint and requires a good signature of `vkey`, whose name must be the origin.
    ///
    /// # Errors
    /// As [`Self::parse`]; [`Class::UnknownKey`] without a signature of `vkey`; [`Class::BadSignature`].
    pub fn open(note: &[u8], vkey: &VerifierKey) -> Result<Self, Failure> {
        let note = Note::parse(note)?;
        let checkpoint = Self::from_text(note.text)?;
        if checkpoint.origin != vkey.name {
            let detail = format!("checkpoint of {}, not of {}", shown(&checkpoint.origin), shown(&vkey.name));
            return Err(Failure::new(Class::UnknownKey, detail));
        }
        note.verify(vkey)?;
        Ok(checkpoint)
    }

    /// Reads the unsigned three lines; extension lines, which are not empty, may follow and are ignored.
    ///
    /// # Errors
    /// [`Class::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::malformed(format!("checkpoint: {why}"));
        let mut lines = text.strip_suffix('\n').ok_or_else(|| bad("its last line does not end"))?.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or_else(|| bad("it has no origin"))?;
        let size = lines.next().and_then(decimal).ok_or_else(|| bad("its size is not a decimal number"))?;
        let root = lines.next().and_then(base64_hash).ok_or_else(|| bad("its root is not a hash"))?;
        if lines.any(str::is_empty) {
            return Err(bad("it has an empty line"));
        }
        Ok(Self { origin: origin.to_owned(), head: Head { size, root } })
    }
}

/// A decimal number without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    plain.then(|| text.parse().ok())?
}

pub(crate) fn base64_hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// A C2SP tlog-proof: where a leaf stands, its path, and the signed checkpoint it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The leaf's index.
    pub index: u64,
    /// The path, sibling of the leaf first.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: Vec<u8>,
}

impl InclusionProof {
    /// The text form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{PROOF_HEADER}\nindex {}\n", self.index);
        for hash in &self.path {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", BASE64.encode(hash));
        }
        text.push('\n');
        [text.as_bytes(), &self.checkpoint].concat()
    }

    /// Reads the text form; an `extra` line is refused, since ours never have one.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::malformed(format!("tlog-proof: {why}"));
        if bytes.len() > 2 * MAX_NOTE {
            return Err(Failure::new(Class::TooLarge, format!("tlog-proof of {} bytes", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| bad("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(PROOF_HEADER) {
            return Err(bad("it does not begin with c2sp.org/tlog-proof@v1"));
        }
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or_else(|| bad("its second line is not 'index N'"))?;
        let path = lines.map(base64_hash).collect::<Option<Vec<_>>>();
        let path = path.ok_or_else(|| bad("a line of its path is not a hash"))?;
        if path.len() > MAX_PROOF {
            return Err(Failure::new(Class::TooLarge, format!("tlog-proof of {} hashes", path.len())));
        }
        Ok(Self { index, path, checkpoint: checkpoint.as_bytes().to_vec() })
    }

    /// Checks the path of `leaf` up to `head`, which the caller has taken from the verified checkpoint.
    ///
    /// # Errors
    /// [`Class::BadProof`].
    pub fn verify(&self, leaf: &Hash, head: &Head) -> Result<(), Failure> {
        tree::verify_inclusion(leaf, self.index, head, &self.path)
    }
}
