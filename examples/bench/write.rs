//! `append`, `bulk` and `group`: what it costs to record, durably.

use super::made::{self, Plan};
use super::measure::{Answer, Target, median, seconds, turns};
use super::verify::Signed;
use super::world::{Made, PLAN, World};
use ed25519_dalek::Signer as _;
use promptos::ledger::{Access, Author, Ledger, New};
use redb::{Database, Durability, TableDefinition};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The entries that a ledger has before it is appended to.
const BEFORE: u64 = 1000;

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");

/// The same bytes as bare rows.
struct Bare {
    database: Database,
    size: u64,
}

impl Bare {
    fn create(path: &Path) -> Self {
        let mut builder = Database::builder();
        let _ = std::fs::remove_file(path);
        Self { database: builder.set_cache_size(8 << 20).create(path).unwrap(), size: 0 }
    }

    /// Commits each statement's rows: itself, its tile, head and checkpoint, and its content. What the index has beside
    /// them is left out, which makes the target a little harder.
    fn commit(&mut self, statement: &[u8], checkpoint: &[u8], new: &New) {
        let mut transaction = self.database.begin_write().unwrap();
        transaction.set_two_phase_commit(true);
        transaction.set_durability(Durability::Immediate).unwrap();
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            let mut put = |kind: &[u8], key: &[u8], value: &[u8]| {
                table.insert([kind, key].concat().as_slice(), value).unwrap();
            };
            let at = self.size.to_be_bytes();
            put(b"s", &at, statement);
            let in_tile = usize::try_from(self.size % 256).unwrap() + 1;
            put(b"t", &(self.size / 256).to_be_bytes(), &vec![7; 32 * in_tile]);
            put(b"h", &[], &[7; 40]);
            put(b"c", &[], checkpoint);
            for content in &new.contents {
                let promptos::ledger::Content::Bytes(descriptor, bytes) = content else { continue };
                put(b"b", &descriptor.blake3.0, bytes);
            }
        }
        transaction.commit().unwrap();
        self.size += 1;
    }
}

/// One durable append beside one signature and one bare two-phase commit, in turns, and its fsyncs.
pub(super) fn append(world: &World) -> Answer {
    let mut answer = Answer::default();
    let made = world.own("append", BEFORE.min(world.entries));
    let signed = Signed::of(&made);
    let inputs: Vec<&[u8]> = signed.inputs().collect();
    let (signer, log_key) = made::keys();
    let prompts = made.plan.prompts();
    let ledger = made::open(&made.ledger, Access::Write);
    let author = Author { signer: &signer, log_key: &log_key, time: 1_800_000_000 };
    let mut bare = Bare::create(&world.folder.join("bare.redb"));
    let (statement, checkpoint) =
        (ledger.entry(made.plan.first()).unwrap(), ledger.signed_checkpoint().unwrap());
    let statement = statement.unwrap().statement.bytes().to_vec();
    let warm = |n: u64| made.plan.session(n, &prompts);
    (0..BEFORE.min(world.entries)).for_each(|n| bare.commit(&statement, &checkpoint, &warm(n)));
    let mut at = ledger.head().unwrap().size;
    let mut ours = || {
        let new = made.plan.session(at, &prompts);
        at += 1;
        seconds(|| drop(ledger.append(&author, &new).unwrap())) * 1e6
    };
    let mut theirs = || {
        let new = made.plan.session(bare.size, &prompts);
        let input = inputs[usize::try_from(bare.size).unwrap() % inputs.len()];
        seconds(|| {
            std::hint::black_box(signer.sign(input));
            bare.commit(&statement, &checkpoint, &new);
        }) * 1e6
    };
    let figures = turns(world.rounds(501), &mut [&mut ours, &mut theirs]);
    let names = ("one durable append", "one signature and one bare redb two-phase commit of the same bytes");
    answer.cost("ratio", "µs", (names.0, figures[0]), (names.1, figures[1]), 1.3);
    drop(ledger);
    match fsyncs(&made) {
        Ok(each) => answer.limit("fsyncs", "", ("fsyncs of one append", each), 2.0),
        Err(why) => answer.missing("strace, for the fsyncs", why),
    }
    answer
}

/// Appends so many sessions: what the child does whose system calls are counted.
pub(super) fn child(ledger: &Path, count: u64) {
    sessions_on(&made::open(ledger, Access::Write), count, &PLAN);
}

/// Appends so many sessions, one by one.
pub(super) fn sessions_on(ledger: &Ledger, count: u64, plan: &Plan) {
    let (signer, log_key) = made::keys();
    let prompts = plan.prompts();
    for _ in 0..count {
        let at = ledger.head().unwrap().size;
        let author = Author { signer: &signer, log_key: &log_key, time: 1_800_000_000 };
        ledger.append(&author, &plan.session(at, &prompts)).unwrap();
    }
}

/// The fsyncs that an append more makes: of many, less those of few.
fn fsyncs(made: &Made) -> Result<f64, String> {
    let count = |appends: u64| {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        if own.file_stem().is_none_or(|name| name != "bench") {
            return Err("only the example starts itself".to_owned());
        }
        let log = made.home.join("strace");
        let mut command = Command::new("strace");
        command.args(["-f", "-e", "trace=fsync,fdatasync,msync,sync_file_range", "-o"]).arg(&log).arg(own);
        command.arg("append-child").arg(&made.ledger).arg(appends.to_string());
        let output = command.stdin(Stdio::null()).output().map_err(|e| format!("it does not start: {e}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let calls = std::fs::read_to_string(log).map_err(|e| e.to_string())?;
        // A call that another thread interrupts is written in two lines.
        let calls = calls.lines().filter(|line| line.contains("sync") && !line.contains("resumed>"));
        Ok(calls.count() as f64)
    };
    let (few, many) = (count(5)?, count(105)?);
    Ok((many - few) / 100.0)
}

fn sessions(plan: &Plan, first: u64, count: u64) -> Vec<New> {
    let prompts = plan.prompts();
    (first..first + count).map(|at| plan.session(at, &prompts)).collect()
}

/// Many statements in few commits beside their signatures alone, by one thread.
pub(super) fn bulk(world: &World) -> Answer {
    let mut answer = Answer::default();
    let made = world.own("bulk", BEFORE.min(world.entries));
    let count = world.entries.min(20_000);
    let signed = Signed::of(&made);
    let inputs: Vec<&[u8]> = signed.inputs().collect();
    let (signer, log_key) = made::keys();
    let ledger = made::open(&made.ledger, Access::Write);
    let bulk = |plan: Plan| {
        let new = sessions(&plan, ledger.head().unwrap().size, count);
        let author = Author { signer: &signer, log_key: &log_key, time: 1_800_000_000 };
        seconds(|| append_all(&ledger, &author, new.into_iter())) * 1e6 / count as f64
    };
    let alike = Plan { details: false, ..made.plan };
    let mut theirs = || {
        seconds(|| {
            for input in inputs.iter().cycle().take(usize::try_from(count).unwrap()) {
                std::hint::black_box(signer.sign(input));
            }
        }) * 1e6
            / count as f64
    };
    let figures = turns(world.rounds(5), &mut [&mut || bulk(alike), &mut || bulk(made.plan), &mut theirs]);
    let names = (format!("bulk append of {count} sessions, durable"), "signing alone, one thread");
    answer.faster("ratio_to_signing", "µs a statement", (names.0, figures[0]), (names.1, figures[2]), 0.6);
    let names = ("the same with details of their own, which are stored too", names.1);
    let with_details =
        answer.faster("with_details", "µs a statement", (names.0, figures[1]), (names.1, figures[2]), 0.0);
    (with_details.target, with_details.must) = (Target::None, false);
    answer
}

pub(super) fn append_all(ledger: &Ledger, author: &Author<'_>, new: impl Iterator<Item = New>) {
    ledger.append_all(author, &mut new.map(Ok), &mut |_| {}).unwrap();
}

/// Sixteen threads that share a ledger beside one.
pub(super) fn group(world: &World) -> Answer {
    const WRITERS: u64 = 16;
    let mut answer = Answer::default();
    let made = world.own("group", BEFORE.min(world.entries));
    let ledger = made::open(&made.ledger, Access::Write);
    let prompts = made.plan.prompts();
    let each = 25;
    let mut next = 1_000_000_000;
    let mut run = |writers: u64| {
        let first = next;
        next += writers * each;
        let began = Instant::now();
        std::thread::scope(|scope| {
            for writer in 0..writers {
                let (ledger, prompts, plan) = (&ledger, &prompts, made.plan);
                scope.spawn(move || {
                    let (signer, log_key) = made::keys();
                    for n in 0..each {
                        let author = Author { signer: &signer, log_key: &log_key, time: 1_800_000_000 };
                        let new = plan.session(first + writer * each + n, prompts);
                        ledger.append(&author, &new).unwrap();
                    }
                });
            }
        });
        began.elapsed().as_secs_f64() * 1e6 / (writers * each) as f64
    };
    let (mut many, mut one) = (Vec::new(), Vec::new());
    for _ in 0..world.rounds(7) {
        many.push(run(WRITERS));
        one.push(run(1));
    }
    let names = ("an append, 16 threads", "an append, one thread");
    answer.faster("ratio_to_one", "µs", (names.0, median(many)), (names.1, median(one)), 3.0);
    answer
}
