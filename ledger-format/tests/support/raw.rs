//! Statements written piece by piece, so that each piece can be written wrongly.

use ciborium::Value;
use ed25519_dalek::{Signer as _, SigningKey};
use ledger_format::tree::{Head, leaf_hash};
use ledger_format::{Address, CONTENT_TYPE, Descriptor, Kid};

pub const TIME: u64 = 1_700_000_000;

/// A key from a seed of one repeated byte.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn ada() -> SigningKey {
    key(1)
}

pub fn kid(key: &SigningKey) -> Kid {
    Kid::of(&key.verifying_key().to_bytes())
}

/// Encodes in the order given.
pub fn enc(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

/// A map with its keys in the right order.
pub fn map(pairs: Vec<(&str, Value)>) -> Value {
    sorted(pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}

pub fn sorted(mut pairs: Vec<(Value, Value)>) -> Value {
    pairs.sort_by_key(|(key, _)| enc(key));
    Value::Map(pairs)
}

pub fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytes(bytes.as_ref().to_vec())
}

/// The descriptor of `content`, as CBOR.
pub fn content(content: &[u8]) -> Value {
    let d = Descriptor::of(content, "text/markdown");
    map(vec![
        ("blake3", bytes(d.blake3.0)),
        ("sha256", bytes(d.sha256)),
        ("size", d.size.into()),
        ("type", d.media_type.into()),
    ])
}

/// `pairs` with one replaced or added.
pub fn with(pairs: &[(&'static str, Value)], key: &'static str, value: Value) -> Value {
    let others = pairs.iter().filter(|(other, _)| *other != key).cloned();
    map(others.chain([(key, value)]).collect())
}

pub fn without(pairs: &[(&'static str, Value)], key: &str) -> Value {
    map(pairs.iter().filter(|(other, _)| *other != key).cloned().collect())
}

/// A statement before it is put together. Everything in it is right to begin with.
#[derive(Clone)]
pub struct Raw {
    pub key: SigningKey,
    pub alg: Value,
    pub content_type: Value,
    pub kid: Value,
    pub claims: Vec<(Value, Value)>,
    pub head: Value,
    pub more: Vec<(Value, Value)>,
    pub payload: Vec<u8>,
}

impl Raw {
    pub fn new(subject: &str, body: &Value) -> Self {
        let genesis = Head { size: 1, root: leaf_hash(b"some genesis") };
        Self {
            key: ada(),
            alg: (-8).into(),
            content_type: CONTENT_TYPE.into(),
            kid: bytes(kid(&ada()).0),
            claims: vec![(1.into(), "ada".into()), (2.into(), subject.into()), (6.into(), TIME.into())],
            head: Value::Array(vec![genesis.size.into(), bytes(genesis.root)]),
            more: Vec::new(),
            payload: enc(body),
        }
    }

    /// The smallest one: content is erased.
    pub fn erase() -> Self {
        let address = Address::of(b"gone");
        let body = map(vec![("v", 1.into()), ("content", bytes(address.0))]);
        Self::new(&format!("erase/{}", hex::encode(address.0)), &body)
    }

    pub fn edit(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Sets the claim with this label.
    pub fn claim(self, label: i64, value: impl Into<Value>) -> Self {
        self.edit(|raw| {
            raw.claims.retain(|(key, _)| *key != Value::from(label));
            raw.claims.push((label.into(), value.into()));
        })
    }

    pub fn at(self, head: Head) -> Self {
        self.edit(|raw| raw.head = Value::Array(vec![head.size.into(), bytes(head.root)]))
    }

    pub fn protected_pairs(&self) -> Vec<(Value, Value)> {
        let pairs = vec![
            (1.into(), self.alg.clone()),
            (3.into(), self.content_type.clone()),
            (4.into(), self.kid.clone()),
            (15.into(), sorted(self.claims.clone())),
            (Value::from(-65_537), self.head.clone()),
        ];
        pairs.into_iter().chain(self.more.clone()).collect()
    }

    pub fn protected(&self) -> Vec<u8> {
        enc(&sorted(self.protected_pairs()))
    }

    /// The statement in the bytes that its parts become.
    pub fn pieces(&self) -> Pieces {
        self.pieces_with(&self.protected())
    }

    pub fn pieces_with(&self, protected: &[u8]) -> Pieces {
        let signature = self.key.sign(&signing_input(protected, &self.payload)).to_bytes();
        Pieces {
            tag: vec![0xd2],
            array: vec![0x84],
            protected: enc(&bytes(protected)),
            unprotected: vec![0xa0],
            payload: enc(&bytes(&self.payload)),
            signature: enc(&bytes(signature)),
            after: Vec::new(),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.pieces().bytes()
    }
}

/// The `Sig_structure` of RFC 9052, by hand.
pub fn signing_input(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let parts = vec!["Signature1".into(), bytes(protected), bytes([]), bytes(payload)];
    enc(&Value::Array(parts))
}

/// The encoded parts of an envelope.
pub struct Pieces {
    pub tag: Vec<u8>,
    pub array: Vec<u8>,
    pub protected: Vec<u8>,
    pub unprotected: Vec<u8>,
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
    pub after: Vec<u8>,
}

impl Pieces {
    pub fn edit(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Self { tag, array, protected, unprotected, payload, signature, after } = self;
        [tag, array, protected, unprotected, payload, signature, after]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }
}
