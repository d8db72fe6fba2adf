//! What promptos promises of its speed and size, measured beside what it is promised against, in turns and in one run:
//! `cargo run --release --example bench -- JOB… [--entries N] [--rounds R] [--signers 1|1000] [--peers] [--json]
//! [--keep DIR] [--history FILE]…`. Without a job it lists them; `all` stands for every one. Exits 1 where a promise is
//! not kept. `-- report FILE…` makes BENCHMARKS.md of what `--json` printed.
//!
//! Every figure is the median of its rounds, and only ratios of what was measured in turns mean something elsewhere.
//! Build the program first (`cargo build --release`): jobs that speak of a process run it. `--keep` keeps the ledgers for
//! the next time; `--history` names files whose history in git is real (the README of this repository else).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)] // a failure here is to be loud
#![allow(clippy::cast_precision_loss)] // figures for people

mod disk;
#[path = "../made/mod.rs"]
mod made;
mod measure;
mod peers;
mod process;
mod read;
mod report;
mod verify;
mod world;
mod write;

use measure::{Answer, Claim, Target, figure, quantity};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use world::World;

type Job = fn(&World) -> Answer;

/// Every job with what it is about.
const JOBS: &[(&str, &str, Job)] = &[
    ("verify", "Auditing a whole ledger", verify::verify),
    ("since-pin", "Auditing what is new", verify::since_pin),
    ("append", "Recording one statement", write::append),
    ("bulk", "Recording many statements at once", write::bulk),
    ("group", "Recording from many threads", write::group),
    ("dev", "Recording a session, the whole process", process::dev),
    ("read", "Reading a prompt's exact bytes", read::read),
    ("trace", "Tracing a run to the prompt bytes", process::trace),
    ("disk", "Bytes on disk for each statement", disk::disk),
    ("versions", "Bytes on disk for each version of a prompt", disk::versions),
    ("startup", "The program itself", process::startup),
];

/// The jobs' names and what each is about.
pub(crate) fn listed() -> impl Iterator<Item = (&'static str, &'static str)> {
    JOBS.iter().map(|(name, about, _)| (*name, *about))
}

/// BENCHMARKS.md of what was found.
pub(crate) fn page(runs: &[Value]) -> String {
    report::page(runs)
}

fn option(args: &[String], name: &str) -> Option<String> {
    args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1).cloned())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let program = std::env::current_exe().unwrap();
    let program = program.parent().and_then(std::path::Path::parent).unwrap().join("promptos");
    match args.first().map(String::as_str) {
        Some("append-child") => {
            let count = args[2].parse().unwrap();
            write::child(args[1].as_ref(), count);
            return ExitCode::SUCCESS;
        }
        Some("report") => {
            let runs = args[1..].iter().map(|file| {
                let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"))
            });
            print!("{}", page(&runs.collect::<Vec<Value>>()));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    match run(&args, program) {
        Ok((found, kept)) => {
            if args.iter().any(|arg| arg == "--json") {
                println!("{}", serde_json::to_string_pretty(&found).unwrap());
            }
            if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Does the jobs that are asked for, by this program; answers what they found, and whether every promise was kept.
///
/// # Errors
/// What is wrong with the arguments.
pub(crate) fn run(args: &[String], program: PathBuf) -> Result<(Value, bool), String> {
    let jobs = jobs(args)?;
    if !program.is_file() {
        return Err(format!("{} is not there: cargo build --release", program.display()));
    }
    let world = World::new(args, program)?;
    let quiet = args.iter().any(|arg| arg == "--json");
    let mut found = Map::new();
    found.insert(
        "command".to_owned(),
        json!(format!("cargo run --release --example bench -- {}", args.join(" "))),
    );
    found.insert("date".to_owned(), json!(chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string()));
    found.insert("entries".to_owned(), json!(world.entries));
    found.insert("machine".to_owned(), measure::machine(&world.folder));
    found.insert("software".to_owned(), measure::software());
    let mut kept = true;
    for (name, about, job) in jobs {
        if quiet {
            eprintln!("{name} …");
        } else {
            println!("{name}: {about}");
        }
        let answer = job(&world);
        kept &= answer.claims.iter().all(|claim| !claim.must || claim.met() != Some(false));
        if !quiet {
            print(&answer);
        }
        found.insert(name.to_owned(), answer.to_json());
    }
    Ok((Value::Object(found), kept))
}

/// The jobs that are named.
fn jobs(args: &[String]) -> Result<Vec<(&'static str, &'static str, Job)>, String> {
    let with_value = ["--entries", "--rounds", "--signers", "--keep", "--history"];
    let mut named = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if with_value.contains(&arg.as_str()) {
            rest.next().ok_or_else(|| format!("{arg} needs a value"))?;
        } else if arg == "all" {
            named.extend(JOBS);
        } else if let Some(job) = JOBS.iter().find(|(name, ..)| name == arg) {
            named.push(job);
        } else if !["--peers", "--json"].contains(&arg.as_str()) {
            return Err(format!("there is no job '{arg}'; without arguments all are listed"));
        }
    }
    if named.is_empty() {
        let list = listed().map(|(name, about)| format!("\n  {name:<10} {about}")).collect::<String>();
        return Err(format!(
            "bench JOB… [--entries N] [--rounds R] [--signers 1|1000] [--peers] [--json] [--keep DIR] [--history FILE]…\n\
             bench report FILE…\n\njobs, or 'all':{list}"
        ));
    }
    Ok(named.into_iter().copied().collect())
}

fn print(answer: &Answer) {
    for note in &answer.notes {
        println!("  {note}");
    }
    for claim in &answer.claims {
        let Claim { ours, theirs, unit, ratio, target, must, .. } = claim;
        println!("  {:<60} {:>8}", ours.0, quantity(ours.1, unit));
        if let Some(theirs) = theirs {
            println!("    {:<58} {:>8}", theirs.0, quantity(theirs.1, unit));
        }
        let bound = match target {
            Target::AtLeast(bound) => format!("at least {bound}"),
            Target::AtMost(bound) => format!("at most {bound}"),
            Target::None => String::new(),
        };
        let verdict = match (claim.met(), must) {
            (None, _) => "",
            (Some(true), _) => "met",
            (Some(false), true) => "MISSED",
            (Some(false), false) => "not reached (a goal)",
        };
        let ratio = if theirs.is_some() { format!("ratio {}", figure(*ratio)) } else { figure(*ratio) };
        println!("    {:<58} {:>8}", format!("{ratio}; {bound}").trim_end_matches("; "), verdict);
    }
    for (peer, why) in &answer.missing {
        println!("  missing: {peer}: {why}");
    }
    println!();
}
