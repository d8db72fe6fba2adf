//! Receipts (RFC 9942) and transparent statements (RFC 9943): what the log says of a statement, in the envelope that
//! other people's tools read. The statement's signed bytes are the same; only what nobody signed is added.

use crate::cbor::{self, Item, Pairs};
use crate::digest::Hash;
use crate::failure::{Class, Failure, shown};
use crate::key::{Kid, PublicKey};
use crate::note::VerifierKey;
use crate::sign::Signer;
use crate::sign1::{EDDSA, HEAD, Sign1, is_ed25519, labelled, signing_input};
use crate::statement::{DraftError, Statement};
use crate::tree::{self, Head};

/// No receipt is larger. Ours have a few hundred bytes and 34 for each level of the tree.
pub const MAX_RECEIPT: usize = 65_535;
/// No transparent statement is larger: a statement, a receipt, and what holds them together.
pub const MAX_TRANSPARENT: usize = 131_072;
/// A path in a tree of 2^64 leaves.
const MAX_PATH: usize = 63;

/// Header labels of RFC 9942: receipts, verifiable data structure, verifiable data proofs.
const RECEIPTS: i64 = 394;
const VDS: i64 = 395;
const VDP: i64 = 396;
/// The verifiable data structure RFC9162_SHA256, and its inclusion proofs among the proofs.
const RFC9162_SHA256: i64 = 1;
const INCLUSION: i64 = -1;

/// The log's signature on a tree head, with the path that leads from one statement to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    bytes: Vec<u8>,
    /// The log: its origin, as a checkpoint names it (`iss`).
    pub origin: String,
    /// What the statement is about: its own `sub`.
    pub subject: String,
    /// The checkpoint key that signed.
    pub kid: Kid,
    /// The head that was signed.
    pub head: Head,
    /// Where the statement stands.
    pub index: u64,
    /// The path to the head's root, sibling of the leaf first.
    pub path: Vec<Hash>,
    signing_input: Vec<u8>,
    signature: [u8; 64],
}

impl Receipt {
    /// Signs, with the log's checkpoint key, that `statement` is leaf `index` of the tree with this head. The path is
    /// checked before anybody is asked to sign; that the head is the log's is the caller's to know.
    ///
    /// # Errors
    /// [`Class::BadProof`] when the path does not lead to the head; what the signer answers.
    pub fn sign(
        origin: &str,
        statement: &Statement,
        head: Head,
        index: u64,
        path: &[Hash],
        log_key: &dyn Signer,
    ) -> Result<Self, DraftError> {
        tree::verify_inclusion(&statement.id.0, index, &head, path)?;
        let key = PublicKey::new(&log_key.public_key())?;
        let (kid, subject) = (key.kid(), statement.subject());
        let protected = cbor::encode(&Item::Map(vec![
            (1.into(), EDDSA.into()),
            (4.into(), Item::Bytes(&kid.0)),
            (15.into(), Item::Map(vec![(1.into(), origin.into()), (2.into(), subject.as_str().into())])),
            (VDS.into(), RFC9162_SHA256.into()),
            (HEAD.into(), Item::Array(vec![head.size.into(), Item::Bytes(&head.root)])),
        ]));
        let path = path.iter().map(|hash| Item::Bytes(hash)).collect();
        let proof = cbor::encode(&Item::Array(vec![head.size.into(), index.into(), Item::Array(path)]));
        let proofs = Item::Map(vec![(INCLUSION.into(), Item::Array(vec![Item::Bytes(&proof)]))]);
        let signature = log_key.sign(&signing_input(&protected, &head.root)).map_err(DraftError::Signer)?;
        let unprotected = vec![(VDP.into(), proofs)];
        let receipt =
            Self::decode(&Sign1 { protected: &protected, unprotected, payload: None, signature }.encode())?;
        receipt.verify(statement, &VerifierKey { name: origin.to_owned(), key })?;
        Ok(receipt)
    }

    /// Reads a receipt strictly; nothing is verified yet.
    ///
    /// # Errors
    /// [`Class::TooLarge`], [`Class::Malformed`], [`Class::NonCanonical`]; [`Class::BadProof`] when the proof is of
    /// another size than the head.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::malformed(format!("receipt: {why}"));
        if bytes.len() > MAX_RECEIPT {
            let detail = format!("a receipt of {} bytes; {MAX_RECEIPT} are allowed", bytes.len());
            return Err(Failure::new(Class::TooLarge, detail));
        }
        let Sign1 { protected, unprotected, payload, signature } = Sign1::decode(bytes, "the receipt")?;
        if payload.is_some() {
            return Err(bad("its payload is not detached"));
        }
        let Item::Map(pairs) = cbor::decode(protected, "the receipt's protected header")? else {
            return Err(bad("its protected header is not a map"));
        };
        let [alg, kid, claims, vds, head] = labelled(pairs, [1, 4, 15, VDS, HEAD]).ok_or_else(|| {
            bad("the labels of its protected header are not exactly 1, 4, 15, 395 and -65537")
        })?;
        if !is_ed25519(&alg) {
            return Err(bad("its algorithm is neither -8 (EdDSA) nor -19 (Ed25519)"));
        }
        let kid = kid.as_fixed().map(Kid).ok_or_else(|| bad("its kid is not a string of 32 bytes"))?;
        let claims = claims.into_map().and_then(|pairs| labelled(pairs, [1, 2]));
        let Some([Item::Text(origin), Item::Text(subject)]) = claims else {
            return Err(bad("its CWT claims are not exactly iss and sub"));
        };
        if vds != RFC9162_SHA256.into() {
            return Err(bad("its verifiable data structure is not RFC9162_SHA256 (1)"));
        }
        let head = head.into_array().and_then(|parts| <[Item<'_>; 2]>::try_from(parts).ok());
        let head = head.and_then(|[size, root]| size.as_u64().zip(root.as_fixed()));
        let (size, root) = head.ok_or_else(|| bad("its head is not [size, root]"))?;
        let (proved, index, path) = inclusion(unprotected)?;
        if proved != size {
            let detail = format!("receipt: its proof is of {proved} entries, its head of {size}");
            return Err(Failure::new(Class::BadProof, detail));
        }
        let signing_input = signing_input(protected, &root);
        let (origin, subject) = (origin.to_owned(), subject.to_owned());
        let (bytes, head) = (bytes.to_vec(), Head { size, root });
        Ok(Self { bytes, origin, subject, kid, head, index, path, signing_input, signature })
    }

    /// The receipt as it was read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks that the log with this key says that it holds the statement. The statement's own signature is another
    /// question: [`Statement::verify`].
    ///
    /// # Errors
    /// [`Class::UnknownKey`] when another log or key is named, [`Class::BadSignature`], [`Class::BadProof`].
    pub fn verify(&self, statement: &Statement, vkey: &VerifierKey) -> Result<(), Failure> {
        let unknown = |detail| Failure::new(Class::UnknownKey, detail);
        if self.origin != vkey.name {
            return Err(unknown(format!("receipt of {}, not of {}", shown(&self.origin), shown(&vkey.name))));
        }
        if self.kid != vkey.key.kid() {
            return Err(unknown(format!("the receipt is signed by {}, not by {}", self.kid, vkey.key.kid())));
        }
        vkey.key.verify(&self.signing_input, &self.signature)?;
        if self.subject != statement.subject() {
            let detail = format!("the receipt is about {}, the statement is not", shown(&self.subject));
            return Err(Failure::new(Class::BadProof, detail));
        }
        tree::verify_inclusion(&statement.id.0, self.index, &self.head, &self.path)
    }
}

/// Size, index and path of the one inclusion proof.
fn inclusion(unprotected: Pairs<'_>) -> Result<(u64, u64, Vec<Hash>), Failure> {
    let bad = |why: &str| Failure::malformed(format!("receipt: {why}"));
    let proofs = labelled(unprotected, [VDP]).and_then(|[proofs]| labelled(proofs.into_map()?, [INCLUSION]));
    let proofs = proofs.and_then(|[proofs]| <[Item<'_>; 1]>::try_from(proofs.into_array()?).ok());
    let Some([Item::Bytes(proof)]) = proofs else {
        return Err(bad("its unprotected header is not exactly one inclusion proof"));
    };
    let proof = cbor::decode(proof, "the receipt's proof")?;
    let parts = proof.into_array().and_then(|parts| <[Item<'_>; 3]>::try_from(parts).ok());
    let parts =
        parts.and_then(|[size, index, path]| size.as_u64().zip(index.as_u64()).zip(path.into_array()));
    let ((size, index), path) = parts.ok_or_else(|| bad("its proof is not [size, index, [hashes]]"))?;
    if path.len() > MAX_PATH {
        return Err(Failure::new(Class::TooLarge, format!("a receipt with a path of {} hashes", path.len())));
    }
    let path = path.iter().map(Item::as_fixed).collect::<Option<Vec<_>>>();
    Ok((size, index, path.ok_or_else(|| bad("its path is not of hashes"))?))
}

/// A statement with the receipt that a log gave for it, in one COSE_Sign1. Taking the receipt out leaves the
/// statement as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transparent {
    /// The statement.
    pub statement: Statement,
    /// The receipt.
    pub receipt: Receipt,
}

impl Transparent {
    /// The statement's parts with the receipt in the unprotected header.
    ///
    /// # Errors
    /// None for a statement that was decoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut parts = Sign1::decode(self.statement.bytes(), "the statement")?;
        let receipts = Item::Array(vec![Item::Bytes(self.receipt.bytes())]);
        parts.unprotected = vec![(RECEIPTS.into(), receipts)];
        Ok(parts.encode())
    }

    /// Reads a transparent statement strictly; nothing is verified yet.
    ///
    /// # Errors
    /// As [`Statement::decode`] and [`Receipt::decode`]; [`Class::Malformed`] unless there is exactly one receipt.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.len() > MAX_TRANSPARENT {
            let detail =
                format!("a transparent statement of {} bytes; {MAX_TRANSPARENT} are allowed", bytes.len());
            return Err(Failure::new(Class::TooLarge, detail));
        }
        let mut parts = Sign1::decode(bytes, "the transparent statement")?;
        let receipts = labelled(std::mem::take(&mut parts.unprotected), [RECEIPTS]);
        let receipts = receipts.and_then(|[list]| <[Item<'_>; 1]>::try_from(list.into_array()?).ok());
        let Some([Item::Bytes(receipt)]) = receipts else {
            return Err(Failure::malformed("the unprotected header is not exactly one receipt"));
        };
        Ok(Self { statement: Statement::decode(parts.encode())?, receipt: Receipt::decode(receipt)? })
    }

    /// Checks the author's signature and the log's.
    ///
    /// # Errors
    /// As [`Statement::verify`] and [`Receipt::verify`].
    pub fn verify(&self, author: &PublicKey, log: &VerifierKey) -> Result<(), Failure> {
        self.statement.verify(author)?;
        self.receipt.verify(&self.statement, log)
    }
}
