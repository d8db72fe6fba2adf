//! The statement: a COSE_Sign1 (RFC 9052) in deterministic CBOR. Its bytes are what is stored, hashed,
//! signed and verified; nothing is encoded again to verify it.

use crate::body::{self, Body};
use crate::cbor::{self, Item};
use crate::digest::EntryId;
use crate::failure::{Class, Failure};
use crate::key::{Kid, PublicKey};
use crate::sign::{SignError, Signer};
use crate::sign1::{EDDSA, HEAD, Sign1, is_ed25519, labelled, signing_input};
use crate::tree::{Head, leaf_hash};
use crate::verifier::Check;
use crate::word;

/// No statement is larger (C2SP tlog-tiles bounds entries by a 16-bit length).
pub const MAX_STATEMENT: usize = 65_535;
/// The content type of every statement.
pub const CONTENT_TYPE: &str = "application/vnd.promptos.statement+cbor";

/// What a statement is to say, before it is signed.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// The name within its kind: the second part of `sub`.
    pub name: &'a str,
    /// Who says it: the identity enrolled for the signer's key.
    pub issuer: &'a str,
    /// When the author claims to say it, in seconds since 1970.
    pub time: u64,
    /// The tree head that the author knows.
    pub head: Head,
    /// What it says.
    pub body: &'a Body,
}

/// Why a draft did not become a statement.
#[derive(Debug)]
pub enum DraftError {
    /// It would not be a valid statement.
    Invalid(Failure),
    /// The signer did not sign.
    Signer(SignError),
}

impl From<Failure> for DraftError {
    fn from(failure: Failure) -> Self {
        Self::Invalid(failure)
    }
}

impl std::fmt::Display for DraftError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(failure) => failure.fmt(f),
            Self::Signer(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DraftError {}

impl Draft<'_> {
    /// Signs; the result is what [`Statement::decode`] accepts.
    ///
    /// # Errors
    /// [`DraftError`]; nothing is signed that would not be accepted.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Statement, DraftError> {
        let unknown = || Failure::new(Class::Unsupported, "a body of an unknown kind cannot be written");
        let (kind, payload) =
            (self.body.kind().ok_or_else(unknown)?, self.body.encode().ok_or_else(unknown)?);
        let raw = signer.public_key();
        // The multiple of the base point that a secret key has is never weak.
        let to_check = if signer.in_process() { None } else { Some(PublicKey::new(&raw)?) };
        let (kid, subject) = (Kid::of(&raw), format!("{kind}/{}", self.name));
        let claims = vec![
            (1.into(), self.issuer.into()),
            (2.into(), subject.as_str().into()),
            (6.into(), self.time.into()),
        ];
        let protected = cbor::encode(&Item::Map(vec![
            (1.into(), EDDSA.into()),
            (3.into(), CONTENT_TYPE.into()),
            (4.into(), Item::Bytes(&kid.0)),
            (15.into(), Item::Map(claims)),
            (HEAD.into(), Item::Array(vec![self.head.size.into(), Item::Bytes(&self.head.root)])),
        ]));
        // Everything but the signature is judged before anybody is asked to sign it.
        let draft = Statement::read(envelope(&protected, &payload, &[0; 64]))?;
        let signature = signer.sign(&draft.signing_input).map_err(DraftError::Signer)?;
        let statement = draft.signed(signature);
        if let Some(key) = to_check {
            statement.verify(&key)?;
        }
        Ok(statement)
    }
}

/// A decoded statement with the bytes it was decoded from. Decoding checks form; [`Statement::verify`]
/// checks the signature; [`crate::rules::judge`] checks whether it may stand at its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    bytes: Vec<u8>,
    /// The leaf hash of the bytes.
    pub id: EntryId,
    /// The kind: the first part of `sub`.
    pub kind: String,
    /// The name within the kind.
    pub name: String,
    /// Who is said to say this; it must be the identity enrolled for `kid`.
    pub issuer: String,
    /// The key that signed.
    pub kid: Kid,
    /// The claimed time, in seconds since 1970.
    pub time: u64,
    /// The tree head that the author knew.
    pub head: Head,
    /// What is said.
    pub body: Body,
    /// What of the body this version does not understand; never of kinds `ledger` and `key`.
    pub not_understood: Vec<String>,
    signing_input: Vec<u8>,
    signature: [u8; 64],
}

impl Statement {
    /// Reads a statement strictly.
    ///
    /// # Errors
    /// [`Class::TooLarge`], [`Class::Malformed`], [`Class::NonCanonical`], [`Class::WeakKey`] or
    /// [`Class::Unsupported`].
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Failure> {
        let mut statement = Self::read(bytes)?;
        statement.id = EntryId(leaf_hash(&statement.bytes));
        Ok(statement)
    }

    /// As [`Self::decode`], but for the id.
    fn read(bytes: Vec<u8>) -> Result<Self, Failure> {
        if bytes.len() > MAX_STATEMENT {
            let detail = format!("a statement of {} bytes; {MAX_STATEMENT} are allowed", bytes.len());
            return Err(Failure::new(Class::TooLarge, detail));
        }
        let Sign1 { protected, unprotected, payload, signature } = Sign1::decode(&bytes, "the statement")?;
        if !unprotected.is_empty() {
            return Err(Failure::malformed("the unprotected header is not empty"));
        }
        let payload = payload.ok_or_else(|| Failure::malformed("the statement has no payload of its own"))?;
        let header = Header::decode(protected)?;
        let (body, not_understood) = Body::decode(&header.kind, payload)?;
        if body::required_name(&body).is_some_and(|name| name != header.name) {
            return Err(Failure::malformed(format!("sub names {}, the body something else", header.name)));
        }
        if matches!(body, Body::Prompt(_)) {
            word::reference(header.name.clone())?;
        }
        let signing_input = signing_input(protected, payload);
        let Header { kind, name, issuer, kid, time, head } = header;
        Ok(Self {
            bytes,
            id: EntryId([0; 32]),
            kind,
            name,
            issuer,
            kid,
            time,
            head,
            body,
            not_understood,
            signing_input,
            signature,
        })
    }

    /// The same with another signature, which is the end of the bytes.
    fn signed(mut self, signature: [u8; 64]) -> Self {
        self.bytes.truncate(self.bytes.len() - signature.len());
        self.bytes.extend(signature);
        Self { id: EntryId(leaf_hash(&self.bytes)), signature, ..self }
    }

    /// The stored bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `<kind>/<name>`, as `sub` says it.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Checks that `key` is the key named and signed these bytes.
    ///
    /// # Errors
    /// [`Class::UnknownKey`] for another key, [`Class::BadSignature`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), Failure> {
        if key.kid() != self.kid {
            return Err(Failure::new(
                Class::UnknownKey,
                format!("signed by {}, not by {}", self.kid, key.kid()),
            ));
        }
        key.verify(&self.signing_input, &self.signature)
    }

    /// The check that `key`, which is the key named, signed these bytes.
    pub(crate) fn check(&self, key: PublicKey) -> Check {
        Check { key, message: self.signing_input.clone(), signature: self.signature }
    }
}

struct Header {
    kind: String,
    name: String,
    issuer: String,
    kid: Kid,
    time: u64,
    head: Head,
}

impl Header {
    fn decode(protected: &[u8]) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::malformed(format!("protected header: {why}"));
        let Item::Map(pairs) = cbor::decode(protected, "the protected header")? else {
            return Err(bad("it is not a map"));
        };
        let [alg, content_type, kid, claims, head] = labelled(pairs, [1, 3, 4, 15, HEAD])
            .ok_or_else(|| bad("its labels are not exactly 1, 3, 4, 15 and -65537"))?;
        if !is_ed25519(&alg) {
            return Err(bad("its algorithm is neither -8 (EdDSA) nor -19 (Ed25519)"));
        }
        if content_type != CONTENT_TYPE.into() {
            return Err(bad(&format!("its content type is not {CONTENT_TYPE}")));
        }
        let kid = kid.as_fixed().map(Kid).ok_or_else(|| bad("its kid is not a string of 32 bytes"))?;
        let claims = claims.into_map().and_then(|pairs| labelled(pairs, [1, 2, 6]));
        let Some([Item::Text(issuer), Item::Text(subject), time]) = claims else {
            return Err(bad("its CWT claims are not exactly iss, sub and iat"));
        };
        let time = time.as_u64().ok_or_else(|| bad("iat is not a time since 1970 in whole seconds"))?;
        let (kind, name) = split_subject(subject).ok_or_else(|| bad("sub is not <kind>/<name>"))?;
        let head = head.into_array().and_then(|parts| <[Item<'_>; 2]>::try_from(parts).ok());
        let head = head.and_then(|[size, root]| size.as_u64().zip(root.as_fixed()));
        let (size, root) = head.ok_or_else(|| bad("its head is not [size, root]"))?;
        let (kind, name) = (kind.to_owned(), name.to_owned());
        Ok(Self {
            kind,
            name,
            issuer: word::identity(issuer.to_owned())?,
            kid,
            time,
            head: Head { size, root },
        })
    }
}

/// `<kind>/<name>`: a kind of `[a-z][a-z0-9-]{0,31}`, a name of 1 to 256 visible ASCII characters.
fn split_subject(subject: &str) -> Option<(&str, &str)> {
    let (kind, name) = subject.split_once('/')?;
    let kind_ok = kind.len() <= 32
        && kind.starts_with(|c: char| c.is_ascii_lowercase())
        && kind.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let name_ok = (1..=256).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    (kind_ok && name_ok).then_some((kind, name))
}

fn envelope(protected: &[u8], payload: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    Sign1 { protected, unprotected: Vec::new(), payload: Some(payload), signature: *signature }.encode()
}
