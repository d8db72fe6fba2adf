//! Faults on the built program: every file system call fails once, the disk is full, a file may not grow.
//!
//! After each fault the same holds: no file is half written, what was acknowledged is there, the ledger
//! verifies, the failure is said in words, and the same command succeeds when it is run again.
//!
//! The default run takes a sample; `PROMPTOS_SYSCALL_FAULTS=all cargo test --test faults_binary` takes all, and
//! the name of a call in place of `all` those of that call.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use support::{Output, World, copy_folder, finish, text};

const BIN: &str = env!("CARGO_BIN_EXE_promptos");

/// What is made to fail, and how; strace leaves out what a machine does not have. `retval=0` is a write that
/// stores nothing and says so.
const FAULTS: [(&str, &[&str]); 21] = [
    ("openat", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("read", &["error=EIO", "error=EINTR"]),
    ("pread64", &["error=EIO", "error=EINTR"]),
    ("write", &["error=EIO", "error=ENOSPC", "error=EINTR", "retval=0"]),
    ("pwrite64", &["error=EIO", "error=ENOSPC", "error=EINTR", "retval=0"]),
    ("fsync", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("fdatasync", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("ftruncate", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("?rename", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("renameat", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("renameat2", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("?link", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("linkat", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("?unlink", &["error=EIO", "error=EINTR"]),
    ("unlinkat", &["error=EIO", "error=EINTR"]),
    ("?mkdir", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("mkdirat", &["error=EIO", "error=ENOSPC", "error=EINTR"]),
    ("flock", &["error=EIO", "error=EINTR"]),
    ("fchmod", &["error=EIO", "error=EINTR"]),
    ("getdents64", &["error=EIO"]),
    ("statx", &["error=EIO"]),
];

/// One command on one state of the world.
struct Scenario {
    name: &'static str,
    prepare: fn(&World),
    args: &'static [&'static str],
    /// Files that it writes, beside ledger, pins and keys.
    writes: &'static [&'static str],
    /// How many statements it adds to a ledger that is there.
    adds: u64,
}

const SESSION: &str = "art/prompt_session.json";
const SESSION_TAR: &str = "art/prompt_session.evidence.tar";
/// The first and the last file of a snapshot of the built-in gates.
const GATES: [(&str, &[u8]); 2] = [
    ("out/built-in/P00.v1.md", include_bytes!("../prompts/P00_context_lock.md")),
    ("out/built-in/P08.v1.md", include_bytes!("../prompts/P08_governance_escalation.md")),
];
const RUN_TAR: &str = "art/run.evidence.tar";

const SECRET: &str = "what nobody should have written down\n";
const SECRET_DIGEST: &str = "blake3:dbc9c15de5b627d9842746d80495cac8fc3d6766971661b9a521eb4042ac1a77";

const SCENARIOS: [Scenario; 9] = [
    Scenario {
        name: "dev, bare",
        prepare: |_| {},
        args: &["--json", "dev", "--prompts", "P00,P01", "--artifacts-dir", "art", "--force"],
        writes: &[SESSION, SESSION_TAR],
        adds: 2,
    },
    Scenario {
        name: "dev",
        prepare: |world| {
            world.write("notes.txt", "what was done\n".repeat(9_000));
            world.run(&["dev", "--prompts", "P00", "--artifacts-dir", "art"]).ok();
        },
        args: &[
            "--json",
            "dev",
            "--prompts",
            "P00,P01",
            "--attach",
            "notes.txt",
            "--artifacts-dir",
            "art",
            "--force",
        ],
        writes: &[SESSION, SESSION_TAR],
        adds: 1,
    },
    Scenario {
        name: "export",
        prepare: |world| {
            world.run(&["dev", "--prompts", "P00"]).ok();
            world.run(&["dev", "--prompts", "P01", "--artifacts-dir", "art"]).ok();
            world.run(&["dev", "--prompts", "P03"]).ok();
        },
        args: &["--json", "export", "--artifacts-dir", "art", "--force"],
        writes: &[SESSION, SESSION_TAR],
        adds: 0,
    },
    Scenario {
        name: "attach",
        prepare: |world| {
            world.run(&["dev", "--prompts", "P00", "--artifacts-dir", "art"]).ok();
            world.write("art/run_record.json", r#"{"run_id":"r-1"}"#);
            world.run(&["attach", "--run-record", "art/run_record.json"]).ok();
            world.write("art/run_record.json", r#"{"run_id":"r-2"}"#);
        },
        args: &["--json", "attach", "--run-record", "art/run_record.json", "--store"],
        writes: &[RUN_TAR],
        adds: 1,
    },
    Scenario {
        name: "attach, bare",
        prepare: |world| {
            let other = World::new();
            other.run(&["dev", "--prompts", "P00", "--artifacts-dir", "art"]).ok();
            copy_folder(&other.project.join("art"), &world.project.join("art"));
            world.write("art/run_record.json", r#"{"run_id":"r-1"}"#);
        },
        args: &["--json", "attach", "--run-record", "art/run_record.json"],
        writes: &[RUN_TAR],
        adds: 2,
    },
    Scenario {
        name: "init, bare",
        prepare: |_| {},
        args: &["--json", "init"],
        writes: &["promptos.toml"],
        adds: 1,
    },
    Scenario {
        name: "erase",
        prepare: |world| {
            world.write("secret.txt", SECRET);
            world.run(&["dev", "--prompts", "P00", "--attach", "secret.txt"]).ok();
        },
        args: &["--json", "erase", SECRET_DIGEST, "--reason", "a slip"],
        writes: &[],
        adds: 1,
    },
    Scenario {
        name: "snapshot checkout",
        prepare: |world| drop(world.run(&["snapshot", "create", "v1"]).ok()),
        args: &["--json", "snapshot", "checkout", "v1", "--to", "out"],
        writes: &[GATES[0].0, GATES[1].0],
        adds: 0,
    },
    Scenario {
        name: "key rotate",
        prepare: |world| drop(world.run(&["dev", "--prompts", "P00"]).ok()),
        args: &["--json", "key", "rotate"],
        writes: &[],
        adds: 1,
    },
];

/// A scenario with its world as it was before, to which it can go back.
struct Stage {
    scenario: &'static Scenario,
    world: World,
    before: PathBuf,
    /// Entries before.
    size: u64,
    old: BTreeMap<&'static str, Option<Vec<u8>>>,
}

impl Stage {
    fn new(scenario: &'static Scenario) -> Self {
        let world = World::new();
        (scenario.prepare)(&world);
        let before = world.root().join("before");
        copy_folder(&world.home, &before.join("home"));
        copy_folder(&world.project, &before.join("project"));
        let size = size(&world).unwrap_or(0);
        let old = scenario.writes.iter().map(|name| (*name, fs::read(world.project.join(name)).ok()));
        let old = old.collect();
        let stage = Self { scenario, world, before, size, old };
        stage.restore();
        stage
    }

    fn restore(&self) {
        for (name, folder) in [("home", &self.world.home), ("project", &self.world.project)] {
            fs::remove_dir_all(folder).unwrap();
            copy_folder(&self.before.join(name), folder);
        }
    }

    /// The program as it runs in this world, started by another one.
    fn through(&self, program: &str, args: &[&str]) -> Output {
        let mut command = self.world.command(program, &self.world.project);
        finish(command.args(args).arg(BIN).args(self.scenario.args))
    }

    /// What must hold after anything went wrong. `muted`: what failed was saying so.
    fn check(&self, output: Output, muted: bool, litter: bool) -> Result<(), String> {
        let (world, scenario) = (&self.world, self.scenario);
        let fail = |what: &str| Err(format!("{what}: {output:?}"));
        if ![0, 1, 3, 5].contains(&output.code) {
            return fail("exit code");
        }
        let said = output.text();
        if ["panicked", "RUST_BACKTRACE", "Some(", "Err(", "Error {"].iter().any(|leak| said.contains(leak)) {
            return fail("not for a person");
        }
        if output.code != 0 && !muted && !output.stderr.contains("error:") {
            return fail("no error is said");
        }
        if output.code == 3 {
            return fail("nothing was violated");
        }

        let verified = size(world);
        match (&verified, output.code) {
            (Err(_), 0) => return fail("success, and no ledger"),
            (Err(_), _) if self.size == 0 && !world.project.join(".promptos/ledger.redb").exists() => {}
            (Err(why), _) => return fail(&format!("the ledger does not verify: {why}")),
            (Ok(size), 0) if *size != self.size + scenario.adds => return fail(&format!("{size} entries")),
            (Ok(size), _) if !(self.size..=self.size + scenario.adds).contains(size) => {
                return fail(&format!("{size} entries"));
            }
            _ => {}
        }
        let now = |name: &str| fs::read(world.project.join(name)).ok();
        for (name, old) in &self.old {
            let now = now(name);
            if now == *old && output.code != 0 {
                continue;
            }
            let whole = match now {
                None => false,
                Some(bytes) if name.ends_with(".json") => {
                    serde_json::from_slice::<serde_json::Value>(&bytes).is_ok()
                }
                Some(bytes) if name.ends_with(".toml") => std::str::from_utf8(&bytes)
                    .is_ok_and(|t| t.ends_with('\n') && t.parse::<toml::Table>().is_ok()),
                Some(bytes) if name.ends_with(".md") => GATES.contains(&(*name, &bytes)),
                Some(_) => world.run(&["verify", name]).code == 0,
            };
            if !whole {
                return fail(&format!("{name} is not whole"));
            }
        }
        if output.code == 0 && scenario.adds > 0 && scenario.args[1] != "init" && scenario.args[1] != "key" {
            let Ok(report) = serde_json::from_str::<serde_json::Value>(&output.stdout) else {
                return fail("no report");
            };
            let id = text(&report, "/entry/id").to_owned();
            if world.run(&["trace", &id]).code != 0 {
                return fail("acknowledged, and not there");
            }
            if scenario.args[1] == "dev" {
                let file: serde_json::Value = serde_json::from_slice(&now(SESSION).unwrap()).unwrap();
                if text(&file, "/ledger/entry") != id || world.run(&["trace", SESSION]).code != 0 {
                    return fail("the session file is of another session");
                }
            }
        }
        if world.run(&["pin", "show"]).code != 0 {
            return fail("the pins cannot be read");
        }
        let left = left_behind(&world.root().join("project")) + &left_behind(&world.home);
        if !litter && !left.is_empty() {
            return fail(&format!("left behind: {left}"));
        }
        let again = world.run(scenario.args);
        if again.code != 0 {
            return fail(&format!("it does not work again: {again:?}"));
        }
        for name in scenario.writes.iter().filter(|name| name.ends_with(".tar")) {
            if world.run(&["verify", name]).code != 0 {
                return fail(&format!("{name} is not whole after it was run again"));
            }
        }
        size(world).map(drop).or_else(|why| fail(&why))
    }
}

/// The entries of the ledger, which must verify.
fn size(world: &World) -> Result<u64, String> {
    let output = world.run(&["--json", "verify-chain"]);
    let report = serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap_or_default();
    let rung = report["rung"].as_str().unwrap_or_default();
    match report["size"].as_u64() {
        Some(size) if output.code == 0 && ["consistent", "pinned"].contains(&rung) => Ok(size),
        _ => Err(format!("{output:?}")),
    }
}

/// Temporary files.
fn left_behind(folder: &Path) -> String {
    let mut found = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let unfinished = [".promptos-", ".tmp"].iter().any(|start| name.starts_with(start));
        if unfinished || name.ends_with(".scrub") {
            writeln!(found, "{}", entry.path().display()).unwrap();
        } else if entry.file_type().unwrap().is_dir() {
            found += &left_behind(&entry.path());
        }
    }
    found
}

fn wanted() -> Option<String> {
    std::env::var("PROMPTOS_SYSCALL_FAULTS").ok()
}

/// All of them, or so many spread over the whole.
fn sample<T>(jobs: Vec<T>, most: usize) -> Vec<T> {
    if wanted().is_some() || jobs.len() <= most {
        return jobs;
    }
    let step = jobs.len().div_ceil(most);
    jobs.into_iter().step_by(step).collect()
}

/// Does the jobs on two threads, each with stages of its own; answers what failed.
fn on_stages<T: Send>(
    jobs: Vec<(usize, T)>,
    one: impl Fn(&Stage, &T) -> Result<(), String> + Sync,
) -> Vec<String> {
    let total = jobs.len();
    let (queue, failed) = (Mutex::new(jobs.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut stages: BTreeMap<usize, Stage> = BTreeMap::new();
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((at, job)) = next else { break };
                    let stage = stages.entry(at).or_insert_with(|| Stage::new(&SCENARIOS[at]));
                    stage.restore();
                    if let Err(why) = one(stage, &job) {
                        failed.lock().unwrap().push(format!("{}, {why}", stage.scenario.name));
                    }
                }
            });
        }
    });
    println!("{total} faults");
    failed.into_inner().unwrap()
}

fn may_trace() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-qq", "-o", "/dev/null", "-e", "inject=chdir:error=EIO:when=9", "true"]);
    probe.output().is_ok_and(|output| output.status.success())
}

/// A process that is killed leaves its unfinished files, some of them with keys, to whoever writes next.
#[test]
fn what_a_killed_process_leaves_the_next_one_removes() {
    if !may_trace() {
        println!(
            "skipped: what_a_killed_process_leaves_the_next_one_removes: strace is missing or may not trace"
        );
        return;
    }
    let every = if wanted().is_some() { 1 } else { 3 };
    let (mut kills, mut left) = (0, BTreeMap::<&str, usize>::new());
    for name in ["dev, bare", "init, bare", "erase", "key rotate"] {
        let stage = Stage::new(SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap());
        let counted = calls(&stage);
        for call in ["fsync", "fdatasync", "renameat2", "rename"] {
            let (first, last) = counted.get(call).copied().unwrap_or_default();
            for n in (first + 1..=last).rev().step_by(if call == "fdatasync" { 2 * every } else { every }) {
                stage.restore();
                let inject = format!("inject={call}:signal=SIGKILL:when={n}");
                let only = format!("trace={call}");
                let killed = stage.through("strace", &["-qq", "-o", "/dev/null", "-e", &only, "-e", &inject]);
                assert_ne!(killed.code, 0, "{name}: {inject}");
                kills += 1;
                let litter =
                    || left_behind(&stage.world.root().join("project")) + &left_behind(&stage.world.home);
                *left.entry(name).or_default() += litter().lines().count();
                // An unfinished file goes when somebody writes in its folder again: settings with the next `init`.
                if name != "erase" {
                    stage.world.run(stage.scenario.args).ok();
                }
                stage.world.run(&["dev", "--prompts", "P03"]).ok();
                assert_eq!(litter(), "", "{name}: {inject}");
                stage.world.run(&["verify-chain", "--require", "pinned"]).ok();
            }
        }
    }
    println!("{kills} kills left {left:?} files");
    assert!(left["dev, bare"] > 2 && left["erase"] > 0 && left["key rotate"] > 0, "{left:?}");
}

#[test]
fn any_file_system_call_may_fail_once() {
    if !may_trace() {
        println!("skipped: any_file_system_call_may_fail_once: strace is missing or may not trace");
        return;
    }
    let (mut jobs, mut always) = (Vec::new(), Vec::new());
    for (at, scenario) in SCENARIOS.iter().enumerate() {
        let counted = calls(&Stage::new(scenario));
        let all = |call: &str| wanted().is_none_or(|wanted| wanted == "all" || wanted == call);
        for (call, ways) in FAULTS.into_iter().filter(|(call, _)| all(call)) {
            let (first, last) = counted.get(call.trim_start_matches('?')).copied().unwrap_or_default();
            for n in first + 1..=last {
                // A key whose file could not be looked at was taken for missing and replaced, with no copy kept.
                let known = scenario.name == "key rotate" && call == "statx" && n + 10 > last;
                let kept = if known { &mut always } else { &mut jobs };
                kept.extend(ways.iter().map(|how| (at, (call, *how, n))));
            }
        }
    }
    always.extend(sample(jobs, 36));
    let failed = on_stages(always, |stage, (call, how, n)| {
        let trace = stage.world.root().join("trace");
        let inject = format!("inject={call}:{how}:when={n}");
        let only = format!("trace={call}");
        let output = stage
            .through("strace", &["-qq", "-y", "-o", trace.to_str().unwrap(), "-e", &only, "-e", &inject]);
        let trace = fs::read_to_string(trace).unwrap();
        let hit = trace.lines().find(|line| line.contains("(INJECTED)"));
        let Some(hit) = hit else { return Ok(()) };
        if wanted().is_some() && output.code != 0 {
            println!(
                "{}: {inject}: exit {} {}",
                stage.scenario.name,
                output.code,
                output.stderr.lines().last().unwrap_or_default()
            );
        }
        let muted = hit.starts_with("write(2<");
        stage
            .check(output, muted, call.contains("unlink"))
            .map_err(|why| format!("{inject} at\n{hit}\n{why}"))
    });
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

/// How often each call is made before the program's own code begins (it asks for its folder first), and in all.
fn calls(stage: &Stage) -> BTreeMap<String, (usize, usize)> {
    let trace = stage.world.root().join("trace");
    let names = FAULTS.map(|(call, _)| call).join(",");
    let only = format!("trace=getcwd,{names}");
    stage.through("strace", &["-qq", "-o", trace.to_str().unwrap(), "-e", &only]).ok();
    let (mut counted, mut begun) = (BTreeMap::<String, (usize, usize)>::new(), false);
    for line in fs::read_to_string(trace).unwrap().lines() {
        let Some((name, _)) = line.split_once('(') else { continue };
        begun |= name == "getcwd";
        let (before, all) = counted.entry(name.to_owned()).or_default();
        *before += usize::from(!begun);
        *all += 1;
    }
    assert!(begun);
    counted
}

#[test]
fn a_file_may_not_grow() {
    // Blocks of 512 bytes; what is written across the limit is written in part.
    let limits = (0..36).chain((40..2_200).step_by(8));
    let limits: Vec<u32> = limits.chain([2_063, 2_064, 2_065, 4_000]).collect();
    let jobs = (0..SCENARIOS.len()).flat_map(|at| limits.iter().map(move |limit| (at, *limit))).collect();
    let failed = on_stages(sample(jobs, 20), |stage, blocks| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let output = stage.through("sh", &["-c", &script]);
        stage.check(output, false, false).map_err(|why| format!("{blocks} blocks: {why}"))
    });
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_full_disk() {
    // A namespace of its own takes the mount away with it.
    let mount = |script: &str| Command::new("unshare").args(["--mount", "sh", "-c", script]).output();
    if !mount("mount -t tmpfs tmpfs /mnt").is_ok_and(|output| output.status.success()) {
        println!("skipped: a_full_disk: no privilege to mount a tmpfs");
        return;
    }
    // Pages that are free when the program starts.
    let free: Vec<u32> = (0..48).chain((48..320).step_by(8)).collect();
    let jobs = (0..SCENARIOS.len()).flat_map(|at| free.iter().map(move |pages| (at, *pages))).collect();
    let failed = on_stages(sample(jobs, 10), |stage, pages| {
        let out = stage.world.root().join("out");
        let _ = fs::remove_dir_all(&out);
        // Home and project move to a small disk; what became of them comes back.
        let script = format!(
            r#"set -e
            mkdir "$OUT" && cd "$ROOT" && mkdir disk && mount -t tmpfs -o size=64m tmpfs disk
            cp -a home project disk/ && mount --bind disk/home home && mount --bind disk/project project
            sync; used=$(df -k disk | awk 'NR==2 {{print $3}}')
            mount -o remount,size=$((used + {pages} * 4))k disk
            cd project; code=0; "$0" "$@" || code=$?
            cd "$ROOT"; cp -a disk/home disk/project "$OUT/"; exit $code"#
        );
        let mut command = stage.world.command("unshare", &stage.world.root());
        command.env("ROOT", stage.world.root()).env("OUT", &out);
        let output =
            finish(command.args(["--mount", "sh", "-c", &script]).arg(BIN).args(stage.scenario.args));
        fs::remove_dir(stage.world.root().join("disk")).unwrap();
        for name in ["home", "project"] {
            fs::remove_dir_all(stage.world.root().join(name)).unwrap();
            fs::rename(out.join(name), stage.world.root().join(name)).unwrap();
        }
        if wanted().is_some() && output.code != 0 {
            println!(
                "{}: {pages} pages: exit {} {}",
                stage.scenario.name,
                output.code,
                output.stderr.lines().last().unwrap_or_default()
            );
        }
        stage.check(output, false, false).map_err(|why| format!("{pages} pages free: {why}"))
    });
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}
