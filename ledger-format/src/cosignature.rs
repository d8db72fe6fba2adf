//! Cosignatures of witnesses: C2SP tlog-cosignature v1.0.1, the Ed25519 type; and how a witness is asked for one.

use crate::digest::Hash;
use crate::failure::{Class, Failure};
use crate::key::PublicKey;
use crate::note::{
    Checkpoint, MAX_NOTE, MAX_PROOF, Note, base64_hash, check_name, decimal, key_id, parse_vkey, write_vkey,
};
use crate::sign::{SignError, Signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The signature type of a timestamped Ed25519 cosignature.
const COSIGNATURE: u8 = 0x04;

/// A witness: the name that cosigns, and the Ed25519 key it cosigns with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    /// The key name.
    pub name: String,
    /// The public key.
    pub key: PublicKey,
}

impl WitnessKey {
    /// A witness of this name; names have no white space and no `+`.
    ///
    /// # Errors
    /// [`Class::Malformed`].
    pub fn new(name: &str, key: PublicKey) -> Result<Self, Failure> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key })
    }

    /// The key id: `SHA-256(name || 0x0A || 0x04 || key)`, first four bytes.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.name, COSIGNATURE, &self.key)
    }

    /// Reads `<name>+<8 hex>+<base64 of 0x04 || key>`.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::WeakKey`], or [`Class::Unsupported`] for another signature type.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        parse_vkey(text, COSIGNATURE).map(|(name, key)| Self { name, key })
    }

    /// The line that cosigns a checkpoint at `time`, seconds since 1970, ended by a line feed. Whoever calls this has
    /// checked that the checkpoint extends all that this key cosigned before, and keeps it.
    ///
    /// # Errors
    /// [`SignError`]: the note is no signed checkpoint, the key is another one, or what the signer answers.
    pub fn cosign(&self, note: &[u8], time: u64, signer: &dyn Signer) -> Result<String, SignError> {
        let refused = |f: Failure| SignError(f.to_string());
        Checkpoint::parse(note).map_err(refused)?;
        let text = Note::parse(note).map_err(refused)?.text;
        if signer.public_key() != self.key.to_bytes() {
            return Err(SignError("the signer has another key than the witness".to_owned()));
        }
        let signature = signer.sign(message(text, time).as_bytes())?;
        let line = [self.id().as_slice(), &time.to_be_bytes(), &signature].concat();
        Ok(format!("— {} {}\n", self.name, BASE64.encode(line)))
    }

    /// When this witness cosigned a checkpoint: seconds since 1970, ascending. Lines of other keys are ignored.
    ///
    /// # Errors
    /// [`Class::UnknownKey`] without a line of this witness; [`Class::BadSignature`] when any line of it is not good; as
    /// [`Checkpoint::parse`].
    pub fn times(&self, note: &[u8]) -> Result<Vec<u64>, Failure> {
        Checkpoint::parse(note)?;
        let note = Note::parse(note)?;
        let mut times = note
            .lines(&self.name, self.id())
            .map(|line| self.time(note.text, line))
            .collect::<Result<Vec<_>, _>>()?;
        if times.is_empty() {
            return Err(Failure::new(Class::UnknownKey, format!("the note has no cosignature of {self}")));
        }
        times.sort_unstable();
        Ok(times)
    }

    /// The time of one line, whose signature must be good.
    fn time(&self, text: &str, line: &[u8]) -> Result<u64, Failure> {
        let bad =
            |why: &str| Failure::new(Class::BadSignature, format!("the cosignature of {} {why}", self.name));
        let (time, signature) = line.split_first_chunk::<8>().ok_or_else(|| bad("has a wrong length"))?;
        let signature = signature.try_into().map_err(|_| bad("has a wrong length"))?;
        let time = u64::from_be_bytes(*time);
        if i64::try_from(time).is_err() {
            return Err(bad("has a time beyond 2^63 - 1"));
        }
        self.key.verify(message(text, time).as_bytes(), signature).map_err(|_| bad("is not good"))?;
        Ok(time)
    }
}

impl std::fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_vkey(f, &self.name, COSIGNATURE, &self.key)
    }
}

/// What a witness signs: two lines before the note's text.
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// What asks a witness for a cosignature, the body of an `add-checkpoint` request of C2SP tlog-witness: a checkpoint, and
/// the consistency proof to it from the size that the witness knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size that the proof begins at.
    pub old: u64,
    /// The consistency proof (RFC 6962, 2.1.2).
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: Vec<u8>,
}

impl Submission {
    /// The text form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines = self.path.iter().map(|hash| BASE64.encode(hash) + "\n");
        [
            format!("old {}\n", self.old).as_bytes(),
            lines.collect::<String>().as_bytes(),
            b"\n",
            &self.checkpoint,
        ]
        .concat()
    }

    /// Reads the text form; nothing is checked yet.
    ///
    /// # Errors
    /// [`Class::Malformed`], [`Class::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::malformed(format!("submission: {why}"));
        if bytes.len() > 2 * MAX_NOTE {
            return Err(Failure::new(Class::TooLarge, format!("submission of {} bytes", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| bad("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old = old.ok_or_else(|| bad("its first line is not 'old N'"))?;
        let path = lines.map(base64_hash).collect::<Option<Vec<_>>>();
        let path = path.ok_or_else(|| bad("a line of its proof is not a hash"))?;
        if path.len() > MAX_PROOF {
            return Err(Failure::new(Class::TooLarge, format!("submission of {} hashes", path.len())));
        }
        Ok(Self { old, path, checkpoint: checkpoint.as_bytes().to_vec() })
    }
}
