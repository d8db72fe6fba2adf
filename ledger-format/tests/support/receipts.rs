//! Receipts and transparent statements.

use super::Vector;
use super::log::{Log, erase, public};
use super::raw::{ada, bytes, enc, key, kid, map, signing_input, sorted};
use ciborium::Value;
use ed25519_dalek::{Signer as _, SigningKey};
use ledger_format::Class::{BadProof, BadSignature, Malformed, NonCanonical, TooLarge, UnknownKey};
use ledger_format::tree::{self, Head};
use ledger_format::{Hash, Receipt, Statement, Transparent, VerifierKey};

/// The entry that the receipts are for.
const INDEX: usize = 2;

/// A ledger of five entries.
fn log() -> Log {
    let mut log = Log::new();
    for content in ["a", "b", "c", "d"] {
        let (name, body) = erase(content.as_bytes());
        log.ada(&name, body);
    }
    log
}

fn statement(log: &Log, index: usize) -> Statement {
    Statement::decode(log.statements[index].clone()).unwrap()
}

fn path(log: &Log, index: usize) -> Vec<Hash> {
    tree::inclusion_proof(&log.leaves(), index as u64, log.head().size).unwrap()
}

/// A receipt as the crate makes it.
pub fn receipt(log: &Log, index: usize) -> Receipt {
    let (statement, path) = (statement(log, index), path(log, index));
    Receipt::sign(&log.origin(), &statement, log.head(), index as u64, &path, &log.log_key).unwrap()
}

/// A receipt before it is put together, written by hand. Everything in it is right to begin with.
#[derive(Clone)]
struct Raw {
    key: SigningKey,
    protected: Vec<(Value, Value)>,
    proof: Value,
    unprotected: Option<Value>,
    payload: Value,
    /// What is signed in place of the head's root.
    root: Hash,
}

fn head(head: Head) -> Value {
    Value::Array(vec![head.size.into(), bytes(head.root)])
}

fn proof(size: u64, index: u64, path: &[Hash]) -> Value {
    Value::Array(vec![size.into(), index.into(), Value::Array(path.iter().map(bytes).collect())])
}

impl Raw {
    fn new(log: &Log) -> Self {
        let claims =
            vec![(1.into(), log.origin().into()), (2.into(), statement(log, INDEX).subject().into())];
        Self {
            key: log.log_key.clone(),
            protected: vec![
                (1.into(), (-8).into()),
                (4.into(), bytes(kid(&log.log_key).0)),
                (15.into(), sorted(claims)),
                (395.into(), 1.into()),
                (Value::from(-65_537), head(log.head())),
            ],
            proof: proof(log.head().size, INDEX as u64, &path(log, INDEX)),
            unprotected: None,
            payload: Value::Null,
            root: log.head().root,
        }
    }

    fn edit(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Sets a label of the protected header; `None` takes it away.
    fn label(self, label: i64, value: Option<Value>) -> Self {
        self.edit(|raw| {
            raw.protected.retain(|(key, _)| *key != Value::from(label));
            raw.protected.extend(value.map(|value| (label.into(), value)));
        })
    }

    fn vdp(proofs: Vec<Value>) -> Value {
        sorted(vec![(396.into(), sorted(vec![(Value::from(-1), Value::Array(proofs))]))])
    }

    fn bytes(&self) -> Vec<u8> {
        let protected = enc(&sorted(self.protected.clone()));
        let signature = self.key.sign(&signing_input(&protected, &self.root)).to_bytes();
        let unprotected = self.unprotected.clone();
        let parts = vec![
            bytes(protected),
            unprotected.unwrap_or_else(|| Self::vdp(vec![bytes(enc(&self.proof))])),
            self.payload.clone(),
            bytes(signature),
        ];
        enc(&Value::Tag(18, Box::new(Value::Array(parts))))
    }
}

pub fn add(all: &mut Vec<Vector>) {
    let log = log();
    let vkey = VerifierKey { name: log.origin(), key: public(&log.log_key) };
    receipts(all, &log, &vkey);
    transparent(all, &log, &vkey);
}

fn receipts(all: &mut Vec<Vector>, log: &Log, vkey: &VerifierKey) {
    let fill = |vector: Vector, receipt: &[u8], index: usize| {
        vector.hex("receipt", receipt).hex("statement", &log.statements[index]).text("vkey", vkey.to_string())
    };
    let mut yes = |name: &str, what: &str, receipt: &[u8], log: &Log, index: usize| {
        let vkey = VerifierKey { name: log.origin(), key: public(&log.log_key) };
        let vector = Vector::accept("receipt", name, "ENV-1 ENV-2 ENV-3 ENV-4 ENV-5", what)
            .hex("receipt", receipt)
            .hex("statement", &log.statements[index])
            .text("vkey", vkey.to_string());
        let vector = vector.text("origin", log.origin()).number("index", index as u64);
        all.push(vector.number("size", log.head().size).hex("root", log.head().root));
    };
    let good = receipt(log, INDEX).bytes().to_vec();
    assert_eq!(good, Raw::new(log).bytes(), "written by hand");
    yes("", "a receipt", &good, log, INDEX);
    yes(
        "genesis",
        "a receipt for the only entry, with an empty path",
        receipt(&Log::new(), 0).bytes(),
        &Log::new(),
        0,
    );
    yes("last", "a receipt for the newest entry", receipt(log, 4).bytes(), log, 4);
    let ed25519 = Raw::new(log).label(1, Some((-19).into())).bytes();
    yes("alg-19", "the algorithm Ed25519 in place of EdDSA", &ed25519, log, INDEX);

    let raw = || Raw::new(log);
    let edited = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let (size, root) = (log.head().size, log.head().root);
    let at = INDEX as u64;
    let other_root = Head { size, root: [9; 32] };
    let claims = |iss: &str, sub: &str| sorted(vec![(1.into(), iss.into()), (2.into(), sub.into())]);
    let (origin, subject) = (log.origin(), statement(log, INDEX).subject());
    let elsewhere = format!("example/{}", "00".repeat(32));
    let timed = sorted(vec![
        (1.into(), origin.as_str().into()),
        (2.into(), subject.as_str().into()),
        (6.into(), 1.into()),
    ]);
    let padded = |n: usize| {
        let long = |n: usize| raw().label(15, Some(claims(&"x".repeat(n), &subject))).bytes();
        let empty = long(60_000).len() - 60_000;
        long(n - empty)
    };
    assert_eq!(padded(65_536).len(), 65_536);
    let swapped = {
        let mut path = path(log, INDEX);
        path.swap(0, 1);
        path
    };
    for (class, name, must, what, bytes) in [
        (TooLarge, "too-large", "ENV-1 LIMIT-1", "a receipt of 65,536 bytes", padded(65_536)),
        (
            UnknownKey,
            "largest",
            "ENV-4 LIMIT-1",
            "a receipt of 65,535 bytes is read, and is of another log",
            padded(65_535),
        ),
        (Malformed, "empty", "ENV-1", "nothing", vec![]),
        (Malformed, "no-tag", "ENV-1", "no tag", good[1..].to_vec()),
        (Malformed, "other-tag", "ENV-1", "tag 17 (COSE_Mac0)", edited(|b| b[0] = 0xd1)),
        (NonCanonical, "after", "ENV-1", "a byte after its end", edited(|b| b.push(0))),
        (Malformed, "cut", "ENV-1", "the last byte is missing", good[..good.len() - 1].to_vec()),
        (Malformed, "statement", "ENV-1", "a statement in place of a receipt", log.statements[INDEX].clone()),
        (
            Malformed,
            "attached",
            "ENV-1",
            "the root as a payload that is not detached",
            raw().edit(|r| r.payload = bytes(root)).bytes(),
        ),
        (
            Malformed,
            "payload-true",
            "ENV-1",
            "a payload that is neither bytes nor null",
            raw().edit(|r| r.payload = true.into()).bytes(),
        ),
        (Malformed, "alg", "ENV-2", "another algorithm", raw().label(1, Some((-7).into())).bytes()),
        (Malformed, "no-kid", "ENV-2", "no kid", raw().label(4, None).bytes()),
        (Malformed, "kid-short", "ENV-2", "a kid of four bytes", raw().label(4, Some(bytes([1; 4]))).bytes()),
        (Malformed, "no-claims", "ENV-2", "no CWT claims", raw().label(15, None).bytes()),
        (Malformed, "iat", "ENV-2", "a claimed time", raw().label(15, Some(timed)).bytes()),
        (Malformed, "no-vds", "ENV-2", "no verifiable data structure", raw().label(395, None).bytes()),
        (
            Malformed,
            "vds-text",
            "ENV-2",
            "a verifiable data structure that is text",
            raw().label(395, Some("1".into())).bytes(),
        ),
        (
            Malformed,
            "vds-2",
            "ENV-2",
            "the verifiable data structure of CCF",
            raw().label(395, Some(2.into())).bytes(),
        ),
        (Malformed, "no-head", "ENV-2", "no head", raw().label(-65_537, None).bytes()),
        (
            Malformed,
            "head-short",
            "ENV-2",
            "a head without a root",
            raw().label(-65_537, Some(Value::Array(vec![5.into()]))).bytes(),
        ),
        (
            Malformed,
            "crit",
            "ENV-2",
            "a label more",
            raw().label(2, Some(Value::Array(vec![395.into()]))).bytes(),
        ),
        (
            Malformed,
            "no-proofs",
            "ENV-3",
            "an empty unprotected header",
            raw().edit(|r| r.unprotected = Some(map(vec![]))).bytes(),
        ),
        (
            Malformed,
            "two-proofs",
            "ENV-3",
            "two inclusion proofs",
            raw()
                .edit(|r| {
                    let proof = bytes(enc(&r.proof));
                    r.unprotected = Some(Raw::vdp(vec![proof.clone(), proof]));
                })
                .bytes(),
        ),
        (
            Malformed,
            "consistency",
            "ENV-3",
            "a consistency proof",
            raw()
                .edit(|r| {
                    let proofs = Value::Array(vec![bytes(enc(&r.proof))]);
                    r.unprotected = Some(sorted(vec![(396.into(), sorted(vec![(Value::from(-2), proofs)]))]));
                })
                .bytes(),
        ),
        (
            Malformed,
            "proof-array",
            "ENV-3",
            "a proof that is not wrapped in bytes",
            raw().edit(|r| r.unprotected = Some(Raw::vdp(vec![r.proof.clone()]))).bytes(),
        ),
        (
            Malformed,
            "proof-negative",
            "ENV-3",
            "a negative index",
            raw()
                .edit(|r| r.proof = Value::Array(vec![size.into(), (-1).into(), Value::Array(vec![])]))
                .bytes(),
        ),
        (
            Malformed,
            "path-short",
            "ENV-3",
            "a hash of 31 bytes",
            raw()
                .edit(|r| {
                    r.proof = Value::Array(vec![size.into(), at.into(), Value::Array(vec![bytes([0; 31])])])
                })
                .bytes(),
        ),
        (
            TooLarge,
            "64-hashes",
            "ENV-3 LIMIT-1",
            "64 hashes",
            raw().edit(|r| r.proof = proof(size, at, &[[0; 32]; 64])).bytes(),
        ),
        (
            BadProof,
            "63-hashes",
            "ENV-5 LIMIT-1",
            "63 hashes are read and prove nothing here",
            raw().edit(|r| r.proof = proof(size, at, &[[0; 32]; 63])).bytes(),
        ),
        (
            BadProof,
            "other-size",
            "ENV-3",
            "a proof of another size than the head",
            raw().edit(|r| r.proof = proof(size + 1, at, &path(log, INDEX))).bytes(),
        ),
        (
            BadProof,
            "other-index",
            "ENV-5",
            "another index",
            raw().edit(|r| r.proof = proof(size, at + 1, &path(log, INDEX))).bytes(),
        ),
        (
            BadProof,
            "outside",
            "ENV-5",
            "an index outside the tree",
            raw().edit(|r| r.proof = proof(size, size, &path(log, INDEX))).bytes(),
        ),
        (
            BadProof,
            "swapped",
            "ENV-5",
            "two hashes changed places",
            raw().edit(|r| r.proof = proof(size, at, &swapped)).bytes(),
        ),
        (
            BadProof,
            "empty-path",
            "ENV-5",
            "no hash at all",
            raw().edit(|r| r.proof = proof(size, at, &[])).bytes(),
        ),
        (
            BadProof,
            "other-root",
            "ENV-5",
            "the log signed a root that the path does not lead to",
            raw().label(-65_537, Some(head(other_root))).edit(|r| r.root = [9; 32]).bytes(),
        ),
        (
            BadProof,
            "other-subject",
            "ENV-5",
            "about another subject",
            raw().label(15, Some(claims(&origin, "session/x"))).bytes(),
        ),
        (
            UnknownKey,
            "other-log",
            "ENV-4",
            "of another log by the same key",
            raw().label(15, Some(claims(&elsewhere, &subject))).bytes(),
        ),
        (
            UnknownKey,
            "other-key",
            "ENV-4",
            "signed by another key, which it names",
            raw().edit(|r| r.key = key(7)).label(4, Some(bytes(kid(&key(7)).0))).bytes(),
        ),
        (
            BadSignature,
            "impostor",
            "ENV-4",
            "signed by another key than it names",
            raw().edit(|r| r.key = key(7)).bytes(),
        ),
        (
            BadSignature,
            "signed-other-root",
            "ENV-4",
            "the signature is over another root than the head's",
            raw().edit(|r| r.root = [9; 32]).bytes(),
        ),
        (
            BadSignature,
            "changed",
            "ENV-4",
            "the last bit of the signature is changed",
            edited(|b| *b.last_mut().unwrap() ^= 1),
        ),
    ] {
        all.push(fill(Vector::reject(class, "receipt", name, must, what), &bytes, INDEX));
    }
    let other = Vector::reject(
        BadProof,
        "receipt",
        "other-statement",
        "ENV-5",
        "for another statement than it is shown with",
    );
    all.push(fill(other, &good, INDEX + 1));
}

fn transparent(all: &mut Vec<Vector>, log: &Log, vkey: &VerifierKey) {
    let fill = |vector: Vector, bytes: &[u8]| {
        let vector = vector.hex("transparent-statement", bytes);
        vector.hex("public-key", ada().verifying_key().to_bytes()).text("vkey", vkey.to_string())
    };
    let (statement, receipt) = (statement(log, INDEX), receipt(log, INDEX));
    let good = Transparent { statement: statement.clone(), receipt: receipt.clone() }.to_bytes().unwrap();
    /// The statement's parts with another unprotected header.
    fn with(statement: &[u8], unprotected: Value) -> Vec<u8> {
        let Value::Tag(18, inner) = ciborium::from_reader(statement).unwrap() else { panic!("no tag") };
        let mut parts = inner.into_array().unwrap();
        parts[1] = unprotected;
        enc(&Value::Tag(18, Box::new(Value::Array(parts))))
    }
    let receipts = |list: Vec<Value>| sorted(vec![(394.into(), Value::Array(list))]);
    let ours = bytes(receipt.bytes());
    assert_eq!(good, with(statement.bytes(), receipts(vec![ours.clone()])), "written by hand");
    let vector = Vector::accept("transparent-statement", "", "ENV-6", "a statement with its receipt");
    all.push(fill(vector, &good).text("id", statement.id.to_string()).number("size", log.head().size));

    let other_receipt = self::receipt(log, INDEX + 1);
    let with = |unprotected| with(statement.bytes(), unprotected);
    let mut changed_time = good.clone();
    let at = good.windows(5).position(|w| w == [0x1a, 0x65, 0x53, 0xf1, 0x00]).unwrap();
    changed_time[at + 4] ^= 1;
    let mut changed_signature = good.clone();
    *changed_signature.last_mut().unwrap() ^= 1;
    let mut changed_receipt = receipt.bytes().to_vec();
    *changed_receipt.last_mut().unwrap() ^= 1;
    let large = Raw::new(log).label(4, Some(bytes(vec![0; 131_072]))).bytes();
    for (class, name, must, what, bytes) in [
        (Malformed, "no-receipt", "ENV-6", "a statement without a receipt", statement.bytes().to_vec()),
        (Malformed, "empty-list", "ENV-6", "an empty list of receipts", with(receipts(vec![]))),
        (
            Malformed,
            "two-receipts",
            "ENV-6",
            "two receipts",
            with(receipts(vec![ours.clone(), ours.clone()])),
        ),
        (
            Malformed,
            "receipt-text",
            "ENV-6",
            "a receipt that is text",
            with(receipts(vec!["receipt".into()])),
        ),
        (
            Malformed,
            "more",
            "ENV-6",
            "another unprotected label beside the receipts",
            with(sorted(vec![(394.into(), Value::Array(vec![ours.clone()])), (4.into(), bytes([1]))])),
        ),
        (
            Malformed,
            "proofs-inside",
            "ENV-6",
            "the proofs of a receipt in place of receipts",
            with(sorted(vec![(396.into(), sorted(vec![]))])),
        ),
        (
            Malformed,
            "detached",
            "ENV-6",
            "a receipt in place of a transparent statement",
            receipt.bytes().to_vec(),
        ),
        (NonCanonical, "after", "ENV-6", "a byte after its end", [good.as_slice(), &[0]].concat()),
        (
            TooLarge,
            "too-large",
            "ENV-6 LIMIT-1",
            "more than 131,072 bytes",
            with(receipts(vec![bytes(large)])),
        ),
        (
            BadProof,
            "receipt-of-another",
            "ENV-5 ENV-6",
            "the receipt of another statement",
            with(receipts(vec![bytes(other_receipt.bytes())])),
        ),
        (
            BadSignature,
            "statement-changed",
            "ENV-6",
            "a bit of the statement's claimed time is changed",
            changed_time,
        ),
        (
            BadSignature,
            "signature-changed",
            "ENV-6",
            "a bit of the statement's signature is changed",
            changed_signature,
        ),
        (
            BadSignature,
            "receipt-changed",
            "ENV-4 ENV-6",
            "a bit of the receipt's signature is changed",
            with(receipts(vec![bytes(changed_receipt)])),
        ),
    ] {
        all.push(fill(Vector::reject(class, "transparent-statement", name, must, what), &bytes));
    }
}
