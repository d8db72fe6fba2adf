//! Several processes append sessions to one ledger while another verifies it, until there are so many:
//! `cargo run --release --example soak -- --sessions 2000 [--writers 3]`. Prints memory and latency of the first
//! and the last quarter, and exits 1 where they are not flat or anything is lost.
//!
//! `-- --audits 10000,100000` audits a ledger made in bulk at each of these sizes, and exits 1 where the audit's memory
//! is not flat from the first of them on; below ten thousand entries its caches still fill.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)] // a failure here is to be loud
#![allow(clippy::cast_precision_loss)] // figures for people

#[path = "../made/mod.rs"]
mod made;

use ledger_format::Head;
use made::{Plan, keys, open};
use promptos::catalog::Catalog;
use promptos::ledger::{self, Access, Author, Create, Ledger, Options, Rung};
use promptos::session::{SessionRequest, plan_session};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

/// What the ledgers hold that are audited.
const PLAN: Plan = Plan { signers: 1, prompts: 2007, used: 2, size: 1100, details: true };
/// The last quarter may be so much slower than the first, and a writer's memory may grow by so much.
const SLOWER: f64 = 2.0;
const LARGER: f64 = 1.25;
/// An audit takes no more, in KiB, however large the ledger: its caches, 12 MiB of tables for the keys that it meets often,
/// and what waits to be held against contents.
const AUDIT: f64 = 40.0 * 1024.0;
/// In a ledger of so many entries all of that is full.
const FULL: u64 = 100_000;

/// Peak memory of this process so far, in KiB; 0 where nobody tells.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Prints `size, entry, microseconds for the wait, microseconds for the work, KiB` of each append.
fn write(path: &Path, name: &str, sessions: usize) {
    let (signer, log_key) = keys();
    let catalog = Catalog::load(&[], true).expect("the built-in prompts");
    let gates = ["P00", "P01", "P03", "P05", "P06", "P07", "P08"];
    for n in 0..sessions {
        let prompts: Vec<String> =
            gates.iter().cycle().skip(n % gates.len()).take(2).map(|id| (*id).to_owned()).collect();
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).expect("random bytes");
        let request = SessionRequest {
            id: format!("{name}-{n}"),
            prompts: &prompts,
            details: [("developer", name), ("target", "soak"), ("notes", "again and again")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
            target: None,
            renders: &[],
            attachments: &[],
            allow_secret: None,
            lint: promptos::catalog::Policy::default(),
            tool: "0.1.0".to_owned(),
            catalog_version: "UNRELEASED".to_owned(),
            salts: [salt, salt],
        };
        let planned = plan_session(&catalog, &request).expect("the gates pass their lint");
        let began = Instant::now();
        let ledger = open(path, Access::Write);
        let waited = began.elapsed();
        let time = 1_700_000_000 + n as u64;
        let author = Author { signer: &signer, log_key: &log_key, time };
        let entry = ledger.append(&author, &planned.new).expect("the session is recorded");
        drop(ledger);
        let worked = began.elapsed() - waited;
        let (waited, worked) = (waited.as_micros(), worked.as_micros());
        println!("{} {} {waited} {worked} {}", entry.index, entry.statement.id, peak_memory());
    }
}

/// Prints `size, entry of the root, microseconds for the wait, microseconds for each 1000 entries, KiB` of
/// each audit, until the ledger has so many entries.
fn verify(path: &Path, entries: u64) {
    let mut pinned: Option<Head> = None;
    loop {
        let began = Instant::now();
        let ledger = open(path, Access::Read);
        let waited = began.elapsed();
        let options = Options { pinned, ..Options::default() };
        let report = ledger::audit(&ledger, &options, &mut |_| {}).expect("the ledger can be read");
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert!(pinned.is_none() || report.rung == Some(Rung::Pinned));
        let head = ledger.head().expect("the ledger has a head");
        drop(ledger);
        let worked = (began.elapsed() - waited).as_micros() * 1000 / u128::from(head.size);
        println!(
            "{} {} {} {worked} {}",
            head.size,
            hex::encode(head.root),
            waited.as_micros(),
            peak_memory()
        );
        pinned = Some(head);
        if head.size >= entries {
            return;
        }
        // The writers' turn: whoever reads keeps them out, and this is no test of that.
        std::thread::sleep(began.elapsed() * 4);
    }
}

/// One line of what a process said of itself.
struct Line {
    entry: String,
    waited: f64,
    worked: f64,
    memory: f64,
}

fn lines(child: &mut Child) -> Vec<Line> {
    let parse = |line: String| {
        let mut parts = line.split(' ').skip(1);
        let entry = parts.next()?.to_owned();
        let mut number = || parts.next()?.parse::<f64>().ok();
        Some(Line { entry, waited: number()?, worked: number()?, memory: number()? })
    };
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(parse).collect()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// Prints the figures of one process; whether they are flat. The memory of an audit need only be small.
fn judge(name: &str, what: &str, lines: &[Line], audit: bool) -> bool {
    let quarter = (lines.len() / 4).max(1);
    let (first, last) = (&lines[..quarter.min(lines.len())], &lines[lines.len().saturating_sub(quarter)..]);
    let figure = |of: fn(&Line) -> f64| {
        let [first, last] = [first, last].map(|part| median(part.iter().map(of).collect()));
        (first / 1000.0, last / 1000.0, last / first.max(1.0))
    };
    let small = |line: &Line| line.memory <= AUDIT;
    let slowest = lines.iter().map(|line| line.worked).fold(0.0, f64::max) / 1000.0;
    let (wait, work, memory) = (figure(|l| l.waited), figure(|l| l.worked), figure(|l| l.memory));
    println!(
        "{name}: {} times; {what} {:.2} -> {:.2} ms (x{:.2}; slowest {slowest:.1}); wait for the lock {:.2} -> \
         {:.2} ms; peak memory {:.1} -> {:.1} MB (x{:.2})",
        lines.len(),
        work.0,
        work.1,
        work.2,
        wait.0,
        wait.1,
        memory.0,
        memory.1,
        memory.2
    );
    work.2 <= SLOWER && if audit { lines.iter().all(small) } else { memory.2 <= LARGER }
}

fn soak(sessions: usize, writers: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let (signer, log_key) = keys();
    let author = Author { signer: &signer, log_key: &log_key, time: 1_700_000_000 };
    let create = Create { name: "soak", identity: "ada", nonce: [7; 16], previous: None };
    assert!(Ledger::create_file(&path, &create, &author).unwrap());

    let each = sessions.div_ceil(writers);
    let began = Instant::now();
    let spawn = |role: &str, name: &str, count: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(role).arg(&path).arg(name).arg(count.to_string());
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut children: Vec<(String, Child)> = (0..writers)
        .map(|n| format!("writer-{n}"))
        .map(|name| (name.clone(), spawn("write", &name, each)))
        .collect();
    children.push(("verifier".to_owned(), spawn("verify", "verifier", 1 + each * writers)));
    let reading: Vec<_> = children
        .into_iter()
        .map(|(name, mut child)| {
            std::thread::spawn(move || {
                let lines = lines(&mut child);
                (name, lines, child.wait().unwrap().success())
            })
        })
        .collect();

    let mut good = true;
    let mut acknowledged = BTreeSet::new();
    for process in reading {
        let (name, lines, succeeded) = process.join().unwrap();
        let verifier = name == "verifier";
        let what = if verifier { "1000 entries in" } else { "append" };
        good &= judge(&name, what, &lines, verifier) && succeeded;
        if !verifier {
            acknowledged.extend(lines.into_iter().map(|line| line.entry));
        }
    }
    let took = began.elapsed().as_secs_f64();
    let ledger = open(&path, Access::Read);
    let size = ledger.head().unwrap().size;
    let there: BTreeSet<String> =
        (1..size).map(|index| ledger.entry(index).unwrap().unwrap().statement.id.to_string()).collect();
    println!(
        "{} sessions in {took:.1} s, {} in the ledger; the file has {:.1} MB",
        acknowledged.len(),
        there.len(),
        path.metadata().unwrap().len() as f64 / 1e6
    );
    good && there == acknowledged && acknowledged.len() == each * writers
}

/// Prints entries, bytes of the ledger file, seconds and peak memory in MiB of an audit at each size; whether the
/// memory is flat and small.
fn audits(sizes: &[u64]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    made::found(&path);
    let mut peaks = Vec::new();
    for &size in sizes {
        let began = Instant::now();
        made::grow(&path, &PLAN, size);
        let built = began.elapsed();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let child = command.arg("verify").arg(&path).arg("auditor").arg("1").stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let began = Instant::now();
        let lines = lines(&mut child);
        assert!(child.wait().unwrap().success());
        let took = began.elapsed().as_secs_f64();
        let peak = lines[0].memory;
        println!(
            "{size} entries in {:.1} MB, made in {:.0} s: audited in {took:.1} s ({:.0} us an entry), peak memory \
             {:.1} MiB",
            path.metadata().unwrap().len() as f64 / 1e6,
            built.as_secs_f64(),
            took * 1e6 / size as f64,
            peak / 1024.0,
        );
        peaks.push(peak);
    }
    let full: Vec<f64> =
        sizes.iter().zip(&peaks).filter(|(size, _)| **size >= FULL).map(|(_, peak)| *peak).collect();
    peaks.iter().all(|peak| *peak <= AUDIT) && full.iter().all(|peak| *peak <= full[0] * LARGER)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let option = |name: &str, default: usize| {
        let at = args.iter().position(|arg| *arg == name);
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    match args.as_slice() {
        ["write", path, name, count] => write(path.as_ref(), name, count.parse().unwrap()),
        ["verify", path, _, count] => verify(path.as_ref(), count.parse().unwrap()),
        ["--audits", sizes] => {
            let sizes: Vec<u64> = sizes.split(',').map(|size| size.parse().unwrap()).collect();
            if !audits(&sizes) {
                println!("NOT flat");
                return ExitCode::FAILURE;
            }
            println!("an audit's memory is flat");
        }
        _ if soak(option("--sessions", 2000), option("--writers", 3).max(1)) => {
            println!("latency and memory are flat, and nothing is lost")
        }
        _ => {
            println!("NOT flat, or something was lost: see above");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
