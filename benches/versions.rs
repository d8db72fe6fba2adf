//! What it costs to keep a prompt's next version, and to read one: `cargo bench --bench versions`. Beside it the same
//! content as a zstd frame of its own, looked up and checked in the same way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)] // a bench may

#[path = "../tests/support/edits.rs"]
mod edits;

use criterion::{BatchSize, Criterion};
use edits::Prompt;
use promptos::store::{Access, Batch, Hash, NewBlob, Outcome, RedbStore, Store as _};
use redb::{Database, ReadableDatabase as _, TableDefinition};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

/// Enough for the deepest: 64 steps.
const VERSIONS: usize = 870;
const PLAIN: TableDefinition<&Hash, &[u8]> = TableDefinition::new("plain");

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // No disk is measured here.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    for size in [2_048, 8_192, 65_536] {
        measure(&mut criterion, folder.path(), size);
    }
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, folder: &Path, size: usize) {
    let versions = Prompt::history(1, size, VERSIONS);
    let path = folder.join(format!("{size}.redb"));
    let genesis = Batch { statements: vec![b"genesis".to_vec()], ..Batch::default() };
    assert_eq!(RedbStore::create(&path, genesis).unwrap(), Outcome::Done);
    let store = RedbStore::open(&path, Access::Write, Duration::ZERO, &mut |_| {}).unwrap();
    let lone = Prompt::new(2, size).text();
    add(&store, vec![blob(&lone, None)]);
    for (n, version) in versions.iter().enumerate() {
        add(&store, vec![blob(version, n.checked_sub(1).map(|n| versions[n].as_str()))]);
    }
    let plain = plain(&folder.join(format!("{size}.plain")), &versions);

    let mut group = criterion.benchmark_group(format!("{size} bytes"));
    group.bench_function("read a lone version", |bencher| bencher.iter(|| read(&store, black_box(&lone))));
    for (depth, version) in [(0, 0), (1, 1), (12, 12), (24, 24), (47, 47), (64, 863)] {
        group.bench_function(format!("read at depth {depth}"), |bencher| {
            bencher.iter(|| read(&store, black_box(&versions[version])));
        });
    }
    let mut decoder = zstd_safe::DCtx::create();
    group.bench_function("read plain zstd", |bencher| {
        bencher.iter(|| {
            let address = address(black_box(&versions[47]));
            let row = plain.begin_read().unwrap().open_table(PLAIN).unwrap().get(&address).unwrap().unwrap();
            let mut bytes = Vec::with_capacity(versions[47].len());
            decoder.decompress(&mut bytes, row.value()).unwrap();
            assert_eq!(blake3::hash(&bytes), address);
            bytes
        });
    });
    let mut next = Prompt::new(3, size);
    let mut last = next.text();
    add(&store, vec![blob(&last, None)]);
    group.sample_size(20);
    group.bench_function("keep the next version", |bencher| {
        let versions = || {
            let base = std::mem::replace(&mut last, next.edit());
            (base, last.clone())
        };
        bencher.iter_batched(
            versions,
            |(base, version)| add(&store, vec![blob(&version, Some(&base))]),
            BatchSize::PerIteration,
        );
    });
    let mut other = Prompt::new(4, size);
    group.bench_function("keep another text", |bencher| {
        bencher.iter_batched(
            || other.edit(),
            |text| add(&store, vec![blob(&text, None)]),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn address(text: &str) -> Hash {
    *blake3::hash(text.as_bytes()).as_bytes()
}

fn blob<'a>(text: &'a str, base: Option<&str>) -> NewBlob<'a> {
    let base = base.map(address);
    NewBlob { address: address(text), size: text.len() as u64, base, source: Box::new(text.as_bytes()) }
}

fn add(store: &RedbStore, blobs: Vec<NewBlob<'_>>) {
    let head = store.head().unwrap().unwrap();
    let batch = Batch { expect: head.size, root: head.root, blobs, ..Batch::default() };
    assert_eq!(store.commit(batch).unwrap(), Outcome::Done);
}

/// Whole, and checked; as a ledger does.
fn read(store: &RedbStore, text: &str) -> Vec<u8> {
    let (address, mut bytes) = (address(text), Vec::new());
    store
        .read_blob(&address, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
    assert_eq!(blake3::hash(&bytes), address);
    bytes
}

/// Each version by itself.
fn plain(path: &Path, versions: &[String]) -> Database {
    let db = Database::create(path).unwrap();
    let transaction = db.begin_write().unwrap();
    {
        let mut table = transaction.open_table(PLAIN).unwrap();
        for version in versions {
            let mut frame = Vec::with_capacity(zstd_safe::compress_bound(version.len()));
            zstd_safe::compress(&mut frame, version.as_bytes(), 6).unwrap();
            table.insert(&address(version), frame.as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
    db
}
