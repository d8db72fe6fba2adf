//! What one statement of a session costs: to read, to hash, to judge, to check, to sign.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use criterion::{BatchSize, Criterion, Throughput};
use ed25519_dalek::SigningKey;
use ledger_format::tree::{self, Frontier};
use ledger_format::*;
use std::hint::black_box;

/// Signatures that a worker of an audit takes at once.
const CHUNK: usize = 256;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    parts(&mut criterion);
    signatures(&mut criterion);
    criterion.final_summary();
}

fn ada() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(&key.verifying_key().to_bytes()).unwrap()
}

fn genesis() -> Body {
    Body::Ledger(Ledger {
        name: "example".into(),
        admins: vec![Enrolment { identity: "ada".into(), key: public(&ada()) }],
        checkpoint_key: public(&SigningKey::from_bytes(&[2; 32])),
        nonce: [7; 16],
        previous: None,
    })
}

fn session() -> Body {
    let content = Descriptor::of(b"# P00: plan first", "text/markdown");
    let used = Used { reference: "P00.v1".into(), gate: None, content };
    let details = Descriptor::of(b"details", DETAILS_TYPE);
    Body::Session(Session::new(vec![used], details, "0.1.0", "UNRELEASED"))
}

fn draft<'a>(name: &'a str, head: Head, body: &'a Body) -> Draft<'a> {
    Draft { name, issuer: "ada", time: 1_700_000_000, head, body }
}

/// A ledger of one signer, each of whose statements carries the head before it.
fn log(size: usize) -> Vec<Vec<u8>> {
    let (mut frontier, mut log) = (Frontier::default(), Vec::new());
    for index in 0..size {
        let (name, body) =
            if index == 0 { ("example".to_owned(), genesis()) } else { (format!("s-{index}"), session()) };
        let statement = draft(&name, frontier.head(), &body).sign(&ada()).unwrap();
        frontier.push(statement.id.0, |_, _, _| {});
        log.push(statement.bytes().to_vec());
    }
    log
}

/// Nothing is asked of it where every statement carries the newest head and cites nothing.
struct NoHistory;

impl History for NoHistory {
    type Error = Failure;

    fn consistency(&self, _: &Head, _: &Head) -> Result<Vec<Hash>, Failure> {
        Ok(Vec::new())
    }

    fn locate(&self, _: &EntryId, _: &Head) -> Result<Option<Located>, Failure> {
        Ok(None)
    }
}

fn parts(criterion: &mut Criterion) {
    let log = log(4 * CHUNK);
    let bytes = log.last().unwrap();
    let mut group = criterion.benchmark_group(format!("statement of {} bytes", bytes.len()));
    group.bench_function("leaf hash", |b| b.iter(|| tree::leaf_hash(black_box(bytes))));
    group.bench_function("decode", |b| {
        b.iter_batched(|| bytes.clone(), |bytes| Statement::decode(bytes).unwrap(), BatchSize::SmallInput);
    });
    group.throughput(Throughput::Elements(log.len() as u64));
    group.bench_function("read, hash and judge a log, signatures apart", |b| {
        b.iter(|| {
            let mut auditor = Auditor::default();
            for statement in &log {
                black_box(auditor.push_deferring(statement, &NoHistory).unwrap().unwrap());
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    let (head, body) = (Head { size: 1, root: [3; 32] }, session());
    group.bench_function("draft and sign", |b| {
        b.iter(|| draft("s-1", head, black_box(&body)).sign(&ada()).unwrap());
    });
    let outside = Outside(ada());
    group.bench_function("draft and sign, by a signer to be checked", |b| {
        b.iter(|| draft("s-1", head, black_box(&body)).sign(&outside).unwrap());
    });
}

/// A key that is not in this process, as far as anybody can tell.
struct Outside(SigningKey);

impl Signer for Outside {
    fn public_key(&self) -> [u8; 32] {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.0.sign(message)
    }
}

fn signatures(criterion: &mut Criterion) {
    let key = ada();
    let mut auditor = Auditor::default();
    let check = |statement: &Vec<u8>| auditor.push_deferring(statement, &NoHistory).unwrap().unwrap().1;
    let checks: Vec<_> = log(CHUNK).iter().map(check).collect();
    let mut group = criterion.benchmark_group(format!("{CHUNK} signatures"));
    group.throughput(Throughput::Elements(CHUNK as u64));
    group.bench_function("sign", |b| {
        b.iter(|| {
            for check in &checks {
                black_box(ed25519_dalek::Signer::sign(&key, &check.message));
            }
        });
    });
    group.bench_function("verify_strict", |b| {
        b.iter(|| checks.iter().all(|check| check.key.verify(&check.message, &check.signature).is_ok()));
    });
    let (cold, hot) = (Verifier::new(0), Verifier::default());
    group.bench_function("without tables", |b| b.iter(|| cold.first_bad(black_box(&checks))));
    assert_eq!(hot.first_bad(&checks), None);
    group.bench_function("with tables", |b| b.iter(|| hot.first_bad(black_box(&checks))));
    group.bench_function("with a table made first", |b| {
        b.iter_batched(Verifier::default, |new| new.first_bad(&checks), BatchSize::SmallInput);
    });
}
