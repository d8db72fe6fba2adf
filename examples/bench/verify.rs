//! `verify`: a whole audit, as `verify-chain` does it, beside nothing but the signatures; and `since-pin`.

use super::made;
use super::measure::{Answer, seconds, turns};
use super::peers::{self, Postgres};
use super::world::{Made, World};
use super::write::sessions_on;
use ed25519_dalek::{Signature, VerifyingKey};
use promptos::ledger::{self, Access, Ledger, Options};
use promptos::store::{RedbStore, Store as _};
use std::collections::HashMap;
use std::time::Duration;

/// What `verify-chain` does with a ledger that it has opened.
fn verify_chain(ledger: &Ledger) {
    let report = ledger::audit(ledger, &Options::default(), &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.misfits.as_deref().map(<[_]>::len), Some(0));
    assert!(ledger.suspects().unwrap().is_empty());
}

/// The bytes that were signed, in memory, with their signatures and keys.
pub(super) struct Signed {
    bytes: Vec<u8>,
    /// Where one ends, whose it is, and its signature.
    all: Vec<(usize, usize, Signature)>,
    keys: Vec<VerifyingKey>,
}

impl Signed {
    pub(super) fn of(made: &Made) -> Self {
        let records = made::open(&made.ledger, Access::Read).keys().unwrap();
        let keys = records.iter().map(|record| VerifyingKey::from_bytes(&record.key.to_bytes()).unwrap());
        let places: HashMap<[u8; 32], usize> =
            records.iter().enumerate().map(|(at, record)| (record.key.kid().0, at)).collect();
        let mut signed = Self { bytes: Vec::new(), all: Vec::new(), keys: keys.collect() };
        let store = RedbStore::open(&made.ledger, Access::Read, Duration::ZERO, &mut |_| {}).unwrap();
        store
            .scan(0..u64::MAX, &mut |_, bytes| {
                let (kid, input, signature) = signing_input(bytes);
                signed.bytes.extend(input);
                signed.all.push((signed.bytes.len(), places[&kid], signature));
                Ok(true)
            })
            .unwrap();
        signed
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What was signed, one after the other.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.all.iter().map(|(end, ..)| *end));
        starts.zip(&self.all).map(|(start, (end, ..))| &self.bytes[start..*end])
    }

    /// Nothing but `verify_strict`, by so many threads.
    fn verify_strict(&self, threads: usize) {
        let each = self.all.len().div_ceil(threads);
        std::thread::scope(|scope| {
            for (thread, part) in self.all.chunks(each).enumerate() {
                let mut start = if thread == 0 { 0 } else { self.all[thread * each - 1].0 };
                scope.spawn(move || {
                    for (end, key, signature) in part {
                        self.keys[*key].verify_strict(&self.bytes[start..*end], signature).unwrap();
                        start = *end;
                    }
                });
            }
        });
    }
}

/// The key id, the `Sig_structure` (RFC 9052, 4.4) and the signature of a statement, taken apart by hand.
fn signing_input(statement: &[u8]) -> ([u8; 32], Vec<u8>, Signature) {
    // Tag 18, an array of four; an empty map between the protected header and the payload.
    let rest = statement.strip_prefix(&[0xd2, 0x84]).unwrap();
    let (protected, rest) = byte_string(rest);
    let (payload, rest) = byte_string(rest.strip_prefix(&[0xa0]).unwrap());
    let (signature, rest) = byte_string(rest);
    assert!(rest.is_empty());
    let mut input = b"\x84\x6aSignature1".to_vec();
    input.extend_from_slice(protected.0);
    input.push(0x40);
    input.extend_from_slice(payload.0);
    // Label 4 and a string of 32 bytes; what comes before it has none of the three.
    let at = protected.1.windows(3).position(|bytes| bytes == [0x04, 0x58, 0x20]).unwrap() + 3;
    let kid = protected.1[at..].first_chunk().unwrap();
    (*kid, input, Signature::from_slice(signature.1).unwrap())
}

/// A byte string of CBOR, with its head and without, and what follows.
#[allow(clippy::type_complexity)]
fn byte_string(bytes: &[u8]) -> ((&[u8], &[u8]), &[u8]) {
    let (head, length) = match bytes[0] {
        short @ 0x40..0x58 => (1, usize::from(short - 0x40)),
        0x58 => (2, usize::from(bytes[1])),
        0x59 => (3, usize::from(u16::from_be_bytes([bytes[1], bytes[2]]))),
        other => panic!("{other:#x} begins no byte string"),
    };
    let (all, rest) = bytes.split_at(head + length);
    ((all, &all[head..]), rest)
}

pub(super) fn verify(world: &World) -> Answer {
    let mut answer = Answer::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut ours = None;
    for (signers, id, least) in [(1, "ratio_to_strict", 1.3), (1000, "ratio_to_strict_1000", 0.9)] {
        let fits = signers < world.entries / 2;
        if world.signers.is_some_and(|only| only != signers) || !fits {
            continue;
        }
        let made = world.ledger(world.entries, signers);
        answer.note(world.describe(&made));
        let ledger = made::open(&made.ledger, Access::Read);
        let signed = Signed::of(&made);
        let each = 1e6 / signed.len() as f64;
        let figures = turns(
            world.rounds(3),
            &mut [&mut || seconds(|| verify_chain(&ledger)) * each, &mut || {
                seconds(|| signed.verify_strict(threads)) * each
            }],
        );
        let name = format!("the whole audit, {signers} signer{}", if signers == 1 { "" } else { "s" });
        let strict = (format!("verify_strict alone, {threads} threads"), figures[1]);
        answer.faster(id, "µs a statement", (name.clone(), figures[0]), strict.clone(), least);
        if signers == 1 {
            answer.faster("goal_ratio_to_strict", "µs a statement", (name, figures[0]), strict, 1.6).must =
                false;
            ours = Some(figures[0]);
        }
    }
    if world.signers.is_none_or(|only| only == 1) {
        memory(world, &mut answer);
        let hash_only = hash_only(world, &mut answer);
        if world.peers {
            beside(world, &mut answer, ours.unwrap_or(f64::NAN), hash_only);
        }
    }
    answer
}

/// The peak memory of `verify-chain` at each size; it is flat once its caches are full.
fn memory(world: &World, answer: &mut Answer) {
    let sizes = [(10_000, "memory_10k"), (100_000, "memory_100k"), (u64::MAX, "memory_n")];
    let mut peaks = Vec::new();
    for (size, id) in sizes {
        let size = size.min(world.entries);
        if id != "memory_n" && size == world.entries {
            continue;
        }
        let peak = world.ledger(size, 1).peak(&["verify-chain"]);
        answer.limit(id, "MiB", (format!("peak memory of verify-chain at {size}"), peak), 48.0);
        peaks.push((size, peak));
    }
    if let [.., small, large] = peaks.as_slice() {
        let [small, large] = [small, large].map(|(size, peak)| (format!("peak memory at {size}"), *peak));
        answer.cost("memory_flat", "MiB", large, small, 1.25);
    }
}

/// `verify-chain --no-signatures`, as a process.
fn hash_only(world: &World, answer: &mut Answer) -> Option<f64> {
    let made = world.ledger(world.entries, 1);
    let args = ["verify-chain", "--no-signatures"];
    let knows = made.command(&world.program).args(["verify-chain", "--help"]).output().unwrap();
    if !String::from_utf8_lossy(&knows.stdout).contains(args[1]) {
        answer.missing(args.join(" "), "this promptos does not have it");
        return None;
    }
    let each = 1e6 / world.entries as f64;
    let figures = turns(
        world.rounds(3),
        &mut [&mut || made.promptos(&args) * each, &mut || made.promptos(&["verify-chain"]) * each],
    );
    let names = ["verify-chain --no-signatures, the process", "verify-chain, the process"];
    answer.plain("hash_only", "µs a statement", (names[0], figures[0]), (names[1], figures[1]));
    Some(figures[0])
}

fn beside(world: &World, answer: &mut Answer, ours: f64, hash_only: Option<f64>) {
    let name = "the whole audit, 1 signer";
    let git = peers::signed_commits(world, 300);
    answer.faster(
        "ratio_to_git",
        "µs a statement",
        (name, ours),
        ("git log --show-signature, a commit", git),
        1000.0,
    );
    match peers::p2panda(world, world.entries.min(100_000), world.rounds(3)) {
        Ok(theirs) => {
            let theirs = ("p2panda-store on SQLite, read and validated by 2 tasks", theirs);
            answer.faster("ratio_to_p2panda", "µs a statement", (name, ours), theirs, 3.0);
        }
        Err(why) => answer.missing("p2panda-store", why),
    }
    match Postgres::start().and_then(|postgres| postgres.chain(world.entries, world.rounds(3))) {
        Ok(theirs) => {
            let theirs = ("PostgreSQL, a SHA-256 chain, unsigned", theirs);
            match hash_only {
                Some(ours) => {
                    let name = "verify-chain --no-signatures, the process";
                    answer.faster("hash_only_to_postgres", "µs a statement", (name, ours), theirs, 1.5);
                }
                None => answer.plain("audit_to_postgres", "µs a statement", (name, ours), theirs),
            }
        }
        Err(why) => answer.missing("PostgreSQL", why),
    }
}

/// `verify-chain --since-pin` with ten new entries, as a process: the size must not matter much.
pub(super) fn since_pin(world: &World) -> Answer {
    let mut answer = Answer::default();
    let (small, large) = (world.small(10_000), world.entries);
    let ledgers = [small, large].map(|size| world.ledger(size, 1));
    for made in &ledgers {
        made.promptos(&["verify-chain"]);
    }
    let one = |made: &Made| {
        sessions_on(&made::open(&made.ledger, Access::Write), 10, &made.plan);
        made.promptos(&["verify-chain", "--since-pin"]) * 1e3
    };
    let figures = turns(world.rounds(11), &mut [&mut || one(&ledgers[0]), &mut || one(&ledgers[1])]);
    let name = |size| format!("verify-chain --since-pin, 10 new, at {size}");
    answer.cost("ratio", "ms", (name(large), figures[1]), (name(small), figures[0]), 2.0);
    answer
}
