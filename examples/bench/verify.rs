//! `verify`: a whole audit, as `verify-chain` does it, beside nothing but the signatures; and `since-pin`.

use super::made;
use super::measure::{Answer, seconds, turns};
use super::peers::{self, P2panda, Postgres, SignedCommits};
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

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
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

    /// What was signed, one after the other.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.all.iter().map(|(end, ..)| *end));
        starts.zip(&self.all).map(|(start, (end, ..))| &self.bytes[start..*end])
    }

    fn described(&self) -> String {
        format!("verify_strict alone, {} threads", threads())
    }

    /// Microseconds for each with nothing but `verify_strict`, by as many threads as there are cores.
    fn alone(&self) -> f64 {
        each(self, || self.verify_strict(threads()))
    }

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

/// What `verify-chain --no-signatures` does.
fn verify_hashes(ledger: &Ledger) {
    let report = ledger::audit_hashes(ledger, &Options::default(), &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// The unit of all that audits, which is held against the same of others.
const UNIT: &str = "µs a statement";

pub(super) fn verify(world: &World) -> Answer {
    let mut answer = Answer::default();
    for signers in [1, 1000].into_iter().filter(|signers| *signers < world.entries / 2) {
        if world.signers.is_some_and(|only| only != signers) {
            continue;
        }
        let made = world.ledger(world.entries, signers);
        answer.note(world.describe(&made));
        let ledger = made::open(&made.ledger, Access::Read);
        let signed = Signed::of(&made);
        if signers == 1 {
            of_one_signer(world, &mut answer, &ledger, &signed);
            memory(world, &mut answer);
        } else {
            let figures = turns(
                world.rounds(3),
                &mut [&mut || each(&signed, || verify_chain(&ledger)), &mut || signed.alone()],
            );
            let ours = ("the whole audit, 1000 signers", figures[0]);
            answer.faster("ratio_to_strict_1000", UNIT, ours, (signed.described(), figures[1]), 0.9);
        }
    }
    answer
}

/// Microseconds for each statement.
fn each(signed: &Signed, work: impl FnOnce()) -> f64 {
    seconds(work) * 1e6 / signed.all.len() as f64
}

/// The audit, the audit of hashes, the signatures alone, and the peers, all in turns.
fn of_one_signer(world: &World, answer: &mut Answer, ledger: &Ledger, signed: &Signed) {
    let git = world.peers.then(|| SignedCommits::make(world, 300));
    let p2panda = peers::wanted(world, answer, "p2panda-store", || {
        P2panda::make(&world.folder, world.entries.min(100_000))
    });
    let postgres = peers::wanted(world, answer, "PostgreSQL", || {
        Postgres::start().and_then(|postgres| postgres.hold_chain(world.entries).map(|()| postgres))
    });
    let figures = turns(
        world.rounds(3),
        &mut [
            &mut || each(signed, || verify_chain(ledger)),
            &mut || signed.alone(),
            &mut || each(signed, || verify_hashes(ledger)),
            &mut || git.as_ref().map_or(f64::NAN, SignedCommits::verify),
            &mut || p2panda.as_ref().map_or(f64::NAN, |p2panda| p2panda.verify().unwrap()),
            &mut || postgres.as_ref().map_or(f64::NAN, |postgres| postgres.chain(world.entries).unwrap()),
        ],
    );
    let ours = ("the whole audit, 1 signer", figures[0]);
    let hashes = ("an audit of hashes (--no-signatures)", figures[2]);
    answer.faster("ratio_to_strict", UNIT, ours, (signed.described(), figures[1]), 1.3);
    answer.faster("goal_ratio_to_strict", UNIT, ours, (signed.described(), figures[1]), 1.6).must = false;
    answer.plain("hash_only", UNIT, hashes, ours);
    if git.is_some() {
        let theirs = ("git log --show-signature, ssh, a commit", figures[3]);
        answer.faster("ratio_to_git", UNIT, ours, theirs, 1000.0);
    }
    if p2panda.is_some() {
        let theirs = ("p2panda-store on SQLite, read and validated by 2 tasks", figures[4]);
        answer.faster("ratio_to_p2panda", UNIT, ours, theirs, 3.0);
    }
    if postgres.is_some() {
        let theirs = ("PostgreSQL, a SHA-256 chain in SQL, unsigned", figures[5]);
        answer.faster("hash_only_to_postgres", UNIT, hashes, theirs, 1.5);
    }
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
