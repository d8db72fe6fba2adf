//! A blob of 1 GiB goes in and comes out in flat memory. Takes some seconds and 2 GiB of disk, so it runs only
//! with `PROMPTOS_LARGE_TESTS=1`. It is alone in its file because it measures its own process.

#![cfg(target_os = "linux")] // where a process can read its own peak
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may

use promptos::store::{Access, Batch, NewBlob, Outcome, RedbStore, Store};
use std::io::{self, Read};
use std::time::{Duration, Instant};

const SIZE: u64 = 1 << 30;

/// Bytes that nobody can compress or deduplicate, and that cost nothing to make.
struct Noise {
    state: u64,
    left: u64,
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(usize::try_from(self.left).unwrap());
        for byte in &mut buffer[..n] {
            self.state =
                self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = self.state.to_le_bytes()[7];
        }
        self.left -= n as u64;
        Ok(n)
    }
}

fn noise() -> Noise {
    Noise { state: 7, left: SIZE }
}

/// The most memory that this process ever used, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_blob_of_one_gib_in_flat_memory() {
    if std::env::var_os("PROMPTOS_LARGE_TESTS").is_none() {
        println!("skipped: set PROMPTOS_LARGE_TESTS=1 to run it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut noise(), &mut hasher).unwrap();
    let address = *hasher.finalize().as_bytes();

    let began = Instant::now();
    let batch = Batch {
        statements: vec![b"genesis".to_vec()],
        root: [1; 32],
        blobs: vec![NewBlob { address, size: SIZE, base: None, source: Box::new(noise()) }],
        ..Batch::default()
    };
    assert_eq!(RedbStore::create(&path, batch).unwrap(), Outcome::Done);
    let (written, after_write) = (began.elapsed(), peak());

    let began = Instant::now();
    let store = RedbStore::open(&path, Access::Read, Duration::ZERO, &mut |_| {}).unwrap();
    let mut hasher = blake3::Hasher::new();
    let _ = store
        .read_blob(&address, &mut |piece| {
            hasher.update(piece);
            Ok(())
        })
        .unwrap();
    assert_eq!(hasher.finalize(), address);
    let file = std::fs::metadata(&path).unwrap().len();
    println!("in {written:?}, out {:?}, file {} KiB", began.elapsed(), file >> 10);
    println!("peak memory {after_write} MiB after writing, {} MiB after reading", peak());
    assert!(peak() < 100, "peak memory {} MiB", peak());
}
