//! What commands over a catalog cost per prompt, at 1,000 and at 10,000 prompts:
//! `cargo build --release && cargo run --release --example catalog [-- --rounds 9] [--only "prompt list"]`.
//! Generates the prompts, runs the program that lies beside this one, sizes and commands in turn, and prints the
//! ratio of the medians and the peak memory. Exits 1 where a prompt costs more than 1.5 times as much among 10,000
//! as among 1,000, or a command takes more than 300 MiB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a failure here is to be loud
#![allow(clippy::cast_precision_loss)] // figures for people

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const SMALL: usize = 1_000;
const LARGE: usize = 10_000;
const RATIO: f64 = 1.5;
const MEMORY: u64 = 300 * 1024;

/// What is measured: a command over the project's catalog that may be repeated; `{round}` makes names differ.
const COMMANDS: &[&str] = &[
    "lint",
    "prompt list",
    "--json prompt list --all",
    "prompt list --tag tag-7 word",
    "prompt list --catalog git:HEAD",
    "prompt show area-1.task-1",
    "prompt show area-1.tsk-1",
    "prompt audit",
    "--json prompt audit",
    "snapshot create round-{round}",
];
/// Ids are spread over so many areas, each a folder.
const AREAS: usize = 40;
/// A session has no more prompts.
const SESSION: usize = 64;

/// A valid prompt. Ids have four versions, of which older ones are deprecated, and templates of a page.
fn prompt(n: usize) -> (String, String) {
    let (id, version) = (n / 4, n % 4 + 1);
    let (area, status) = (id % AREAS, if version == 4 { "current" } else { "deprecated" });
    let deprecates = if version == 1 {
        String::new()
    } else {
        format!("deprecates: area-{area}.task-{id}.v{}\n", version - 1)
    };
    let lines = |n: usize| {
        format!(
            "{n}. Look at {{{{ subject }}}} as a reader of kind {} would, and say what is missing.\n",
            n % 7
        )
    };
    let body: String = (1..=16 + n % 9).map(lines).collect();
    let text = format!(
        "---\nprompt_id: area-{area}.task-{id}\nversion: {version}\nrole: task\ntitle: Task {id} of area {area}\n\
         summary: Reviews one subject of area {area} in the manner of version {version}\nowner: measurements\n\
         status: {status}\ntags: [tag-{}, area-{area}]\ncapabilities: [review]\n{deprecates}inputs:\n  - name: subject\n    \
         type: string\n    required: true\n    description: What is reviewed\n  - name: style\n    type: string\n    \
         required: false\n    default: plain\noutput_contract:\n  mode: text\n---\n\nWrite in a {{{{ style }}}} style.\n\n{body}",
        n % 10
    );
    (format!("area-{area}/task-{id}.{version}.md"), text)
}

/// A project with so many prompts, in a commit.
fn project(root: &Path, prompts: usize) -> PathBuf {
    let project = root.join(format!("project-{prompts}"));
    fs::create_dir_all(project.join("prompts")).unwrap();
    for (path, text) in (0..prompts).map(prompt) {
        let file = project.join("prompts").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    for args in [
        &["init", "--quiet"][..],
        &["add", "--all"],
        &[
            "-c",
            "user.name=m",
            "-c",
            "user.email=m@example.org",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "all",
        ],
    ] {
        let done = Command::new("git").arg("-C").arg(&project).args(args).status().expect("git is there");
        assert!(done.success());
    }
    project
}

/// Binds every prompt in the project's ledger: sessions of one area each, and a snapshot.
fn record(program: &Path, project: &Path, home: &Path, prompts: usize) {
    let quiet = |args: &[&str]| {
        let mut process = Command::new(program);
        process.current_dir(project).args(args).env("PROMPTOS_HOME", home);
        assert!(process.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(), "{args:?}");
    };
    quiet(&["init", "--as", "measurements"]);
    for area in 0..AREAS {
        let refs = (0..prompts).filter(|n| (n / 4) % AREAS == area);
        let refs: Vec<String> = refs.map(|n| format!("area-{area}.task-{}.v{}", n / 4, n % 4 + 1)).collect();
        for refs in refs.chunks(SESSION) {
            let catalog = format!("prompts/area-{area}");
            quiet(&["dev", "--prompts", &refs.join(","), "--developer", "m", "--catalog", &catalog]);
        }
    }
    quiet(&["snapshot", "create", "first"]);
}

/// How long a command took, and its peak memory in KiB as far as it was seen (0 where nobody tells).
fn run(program: &Path, project: &Path, home: &Path, command: &str) -> (f64, u64) {
    let mut process = Command::new(program);
    process.current_dir(project).args(command.split(' ')).env("PROMPTOS_HOME", home).env("COLUMNS", "100");
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = process.spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    // The peak only grows, so the last look before the end is as good as the end.
    while child.try_wait().expect("the program can be waited for").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        memory = memory.max(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_micros(500));
    }
    (began.elapsed().as_secs_f64() * 1e3, memory)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option =
        |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1).cloned());
    let rounds: usize = option("--rounds").and_then(|text| text.parse().ok()).unwrap_or(9);
    let only = option("--only");
    let program = std::env::current_exe().unwrap();
    let program = program.parent().and_then(Path::parent).unwrap().join("promptos");
    assert!(program.is_file(), "{} is not there: cargo build --release", program.display());
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    // An empty catalog tells what a process costs that does nothing.
    let projects = [0, SMALL, LARGE].map(|size| {
        let project = project(folder.path(), size);
        record(&program, &project, &home, size);
        project
    });
    let commands: Vec<&str> =
        COMMANDS.iter().copied().filter(|command| only.as_ref().is_none_or(|only| command == only)).collect();

    let mut times = vec![[Vec::new(), Vec::new(), Vec::new()]; commands.len()];
    let mut peaks = vec![0u64; commands.len()];
    for round in 0..rounds {
        for ((command, times), peak) in commands.iter().zip(&mut times).zip(&mut peaks) {
            for (project, times) in projects.iter().zip(times) {
                let (time, memory) =
                    run(&program, project, &home, &command.replace("{round}", &round.to_string()));
                times.push(time);
                *peak = memory.max(*peak);
            }
        }
    }
    let mut good = true;
    println!(
        "{:<32} {:>8} {:>9} {:>9}  {:>17} {:>6}  peak",
        "ms, median of the rounds", "0", SMALL, LARGE, "µs a prompt", "ratio"
    );
    for ((command, times), peak) in commands.iter().zip(times).zip(peaks) {
        let [none, small, large] = times.map(median);
        let each = |time: f64, size: usize| (time - none).max(0.0) * 1e3 / size as f64;
        let (at_small, at_large) = (each(small, SMALL), each(large, LARGE));
        let ratio = at_large / at_small.max(0.001);
        let fits = ratio <= RATIO && peak <= MEMORY;
        good &= fits;
        println!(
            "{command:<32} {none:>8.1} {small:>9.1} {large:>9.1}  {at_small:>7.1} -> {at_large:>6.1} {ratio:>6.2}  \
             {:.0} MiB{}",
            peak as f64 / 1024.0,
            if fits { "" } else { "  TOO MUCH" }
        );
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
