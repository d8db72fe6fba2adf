//! What the parts of a ledger cost: `cargo bench --bench parts`. Whole jobs, and what they are promised beside, are in
//! `examples/bench`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a bench may

#[path = "../examples/made/mod.rs"]
mod made;

use criterion::{BatchSize, Criterion, Throughput};
use ledger_format::tree::{self, Frontier, Leaves};
use made::Plan;
use promptos::ledger::{self, Access, Author, Options};
use promptos::store::{RedbStore, Store as _};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

const ENTRIES: u64 = 1000;
const PLAN: Plan = Plan { signers: 1, prompts: 300, used: 1, size: 4096, details: true };

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    made::found(&path);
    made::grow(&path, &PLAN, ENTRIES);
    tree_parts(&mut criterion, &path);
    store_parts(&mut criterion, &path);
    ledger_parts(&mut criterion, &path);
    criterion.final_summary();
}

fn store(path: &Path) -> RedbStore {
    RedbStore::open(path, Access::Read, Duration::ZERO, &mut |_| {}).unwrap()
}

/// Hashing statements, and the tree over them.
fn tree_parts(criterion: &mut Criterion, path: &Path) {
    let statement = store(path).statement(ENTRIES / 2).unwrap().unwrap();
    let mut group = criterion.benchmark_group("tree");
    group.bench_function("leaf hash", |bencher| bencher.iter(|| tree::leaf_hash(black_box(&statement))));
    let leaves = Leaves((0..ENTRIES).map(|n| tree::leaf_hash(&n.to_be_bytes())).collect());
    let (root, at) = (tree::leaf_hash(&statement), ENTRIES / 3);
    let head = leaves.0.iter().fold(Frontier::default(), |mut frontier, leaf| {
        frontier.push(*leaf, |_, _, _| {});
        frontier
    });
    let head = head.head();
    let path = tree::inclusion_proof(&leaves, at, ENTRIES).unwrap();
    group.bench_function("verify an inclusion in 1,000", |bencher| {
        bencher.iter(|| tree::verify_inclusion(&leaves.0[333], at, black_box(&head), &path).unwrap());
    });
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("grow by 1,000", |bencher| {
        bencher.iter(|| {
            let mut frontier = Frontier::default();
            (0..ENTRIES).for_each(|_| frontier.push(black_box(root), |_, _, _| {}));
            frontier.head()
        });
    });
}

/// Reading what the file holds, unchecked.
fn store_parts(criterion: &mut Criterion, path: &Path) {
    let store = store(path);
    let mut group = criterion.benchmark_group("store");
    group.bench_function("a statement", |bencher| bencher.iter(|| store.statement(black_box(333)).unwrap()));
    let prompt = PLAN.prompts().swap_remove(3);
    group.bench_function("4 KiB of content", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            let mut count = |piece: &[u8]| {
                bytes += piece.len();
                Ok(())
            };
            store.read_blob(black_box(&prompt.content.blake3.0), &mut count).unwrap();
            bytes
        });
    });
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("scan 1,000 statements", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            store
                .scan(0..ENTRIES, &mut |_, statement| {
                    bytes += statement.len();
                    Ok(true)
                })
                .unwrap();
            bytes
        });
    });
}

/// Looking up, auditing, and writing.
fn ledger_parts(criterion: &mut Criterion, path: &Path) {
    let mut group = criterion.benchmark_group("ledger");
    {
        let ledger = made::open(path, Access::Read);
        let prompts = PLAN.prompts();
        group.bench_function("what a ref is bound to", |bencher| {
            bencher.iter(|| ledger.bound(black_box(&prompts[3].reference)).unwrap());
        });
        group.bench_function("content, checked", |bencher| {
            bencher.iter(|| ledger.blob(black_box(&prompts[3].content.blake3)).unwrap());
        });
        group.sample_size(20).throughput(Throughput::Elements(ENTRIES));
        group.bench_function("audit 1,000 statements", |bencher| {
            bencher.iter(|| {
                let report = ledger::audit(&ledger, &Options::default(), &mut |_| {}).unwrap();
                assert!(report.findings.is_empty());
            });
        });
    }
    let ledger = made::open(path, Access::Write);
    group.bench_function("index 1,000 statements anew", |bencher| {
        bencher.iter(|| ledger.rebuild_index().unwrap());
    });
    let (signer, log_key) = made::keys();
    let author = Author { signer: &signer, log_key: &log_key, time: 1_800_000_000 };
    let (prompts, mut at) = (PLAN.prompts(), ENTRIES);
    let mut next = || {
        at += 1;
        PLAN.session(at, &prompts)
    };
    group.throughput(Throughput::Elements(1));
    group.bench_function("append one statement, durably", |bencher| {
        bencher.iter_batched(&mut next, |new| ledger.append(&author, &new).unwrap(), BatchSize::SmallInput);
    });
}
