//! Several processes on one ledger, and processes that are killed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::World;

fn start(world: &World, args: &[&str]) -> Child {
    world.promptos(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Eight sessions at once; all of them are recorded, each by its own entry.
fn eight(world: &World, before: u64) {
    let notes: Vec<String> = (0..8).map(|n| format!("writer {n}")).collect();
    let running: Vec<Child> = notes
        .iter()
        .map(|notes| {
            start(world, &["--lock-timeout", "60", "--json", "dev", "--prompts", "P00,P01", "--notes", notes])
        })
        .collect();
    let mut entries = BTreeSet::new();
    for child in running {
        let output = support::wait(child);
        assert_eq!(output.code, 0, "{output:?}");
        entries.insert(output.json()["entry"]["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(entries.len(), 8);
    assert_eq!(world.verified(), before + 8);
    let log = world.json(&["log", "--kind", "session"]);
    let mut found = BTreeSet::new();
    for entry in log["entries"].as_array().unwrap() {
        if entries.contains(entry["id"].as_str().unwrap()) {
            let shown = world.json(&["show", &entry["index"].to_string()]);
            found.insert(shown["details"]["notes"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(found, notes.into_iter().collect());
}

#[test]
fn eight_writers_on_bare_ground() {
    let world = World::new();
    eight(&world, 1);
    // One key, one ledger, one log key; and nothing half-made.
    let names = |folder: std::path::PathBuf| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(world.path(".promptos")), [".gitignore", "ledger.redb", "log.key"]);
    assert_eq!(names(world.config()), ["id_ed25519", "id_ed25519.pub", "pins"]);
    assert_eq!(names(world.config().join("pins")).len(), 2);
}

#[test]
fn eight_writers_on_a_ledger() {
    let world = World::with_session();
    eight(&world, 2);
}

#[test]
fn eight_founders_make_one_ledger() {
    let world = World::new();
    let running: Vec<Child> =
        (0..8).map(|_| start(&world, &["--lock-timeout", "60", "init", "--json"])).collect();
    let mut ids = BTreeSet::new();
    for child in running {
        let output = support::wait(child);
        assert_eq!(output.code, 0, "{output:?}");
        ids.insert(output.json()["ledger"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(world.verified(), 1);
    let settings = fs::read_to_string(world.path("promptos.toml")).unwrap();
    assert!(settings.contains(ids.first().unwrap()), "{settings}");
}

#[test]
fn readers_and_writers_together() {
    let world = World::with_session();
    let commands: [&[&str]; 6] = [
        &["dev", "--prompts", "P00"],
        &["verify-chain"],
        &["log"],
        &["export", "--artifacts-dir", "out"],
        &["dev", "--prompts", "P01"],
        &["show", "1"],
    ];
    let running: Vec<Child> = commands
        .iter()
        .chain(&commands)
        .map(|args| start(&world, &[&["--lock-timeout", "60"], *args].concat()))
        .collect();
    for (number, child) in running.into_iter().enumerate() {
        let output = support::wait(child);
        // Two exports into one folder may be of two sessions.
        if number % 6 == 3 && output.code == 1 {
            output.failed(1, &["is there already and differs"]);
        } else {
            assert_eq!(output.code, 0, "{number}: {output:?}");
        }
    }
    assert_eq!(world.verified(), 6);
}

#[test]
fn who_does_not_get_the_lock_says_so() {
    let world = World::with_session();
    let held = redb::Database::open(world.ledger()).unwrap();
    for command in [
        vec!["dev", "--prompts", "P00"],
        vec!["verify-chain"],
        vec!["log"],
        vec!["key", "rotate", "--log-key"],
        vec!["export", "--artifacts-dir", "out"],
    ] {
        let began = Instant::now();
        let args = [&["--lock-timeout", "0.2"], command.as_slice()].concat();
        let output = support::finish(&mut world.promptos(&args));
        assert!(began.elapsed() >= Duration::from_millis(200));
        let output = output.failed(5, &["is in use by another process", "--lock-timeout"]);
        assert!(output.stderr.contains("waiting for another process"), "{output:?}");
        assert_eq!(output.stdout, "");
    }
    let at_once = support::finish(&mut world.promptos(&["--lock-timeout", "0", "-q", "log"]));
    let at_once = at_once.failed(5, &["is in use"]);
    assert!(!at_once.stderr.contains("waiting"), "{at_once:?}");
    drop(held);
    assert_eq!(world.verified(), 2);
    for timeout in ["-1", "NaN", "inf", "1e9", "soon"] {
        let arg = format!("--lock-timeout={timeout}");
        world.refuses(2, &[&arg, "log"], &["--lock-timeout"]);
    }
}

#[test]
fn a_writer_that_waits_gets_its_turn() {
    let world = World::with_session();
    let held = redb::Database::open(world.ledger()).unwrap();
    let mut child = start(&world, &["--lock-timeout", "60", "dev", "--prompts", "P00.v1"]);
    // It says that it waits, and only then the lock is given up.
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("waiting for another process"), "{line}");
    drop(held);
    let output = support::wait(child);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(world.verified(), 3);
}

/// A small sequence of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// How long one session takes here and now, as a measure for when to kill.
fn pace(args: &[&str]) -> Duration {
    let world = World::new();
    let began = Instant::now();
    world.ok(args);
    began.elapsed()
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let world = World::new();
    let dev = ["dev", "--prompts", "P00,P01,P05", "--json"];
    let pace = pace(&dev).as_micros().try_into().unwrap_or(u64::MAX);
    let mut dice = Dice(7);
    let mut acknowledged = BTreeSet::new();
    let mut killed = 0;
    for _ in 0..40 {
        let mut child = start(&world, &dev);
        // Killed at some moment, from its first breath to after its end: no event to wait for is meant here.
        std::thread::sleep(Duration::from_micros(dice.roll(pace.saturating_mul(5) / 4)));
        let _ = child.kill();
        let output = support::wait(child);
        killed += u32::from(output.code == -1);
        assert!([-1, 0].contains(&output.code), "{output:?}");
        if let Ok(report) = serde_json::from_str::<serde_json::Value>(&output.stdout) {
            acknowledged.insert(report["entry"]["id"].as_str().unwrap().to_owned());
        }
    }
    println!("{killed} of 40 were killed, {} sessions acknowledged", acknowledged.len());
    assert!(killed > 0);
    world.ok(&["dev", "--prompts", "P00"]);
    assert!(world.verified() > acknowledged.len() as u64);
    let log = world.json(&["log"]);
    let there: BTreeSet<String> =
        log["entries"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect();
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert_eq!(lost, Vec::<&String>::new());
    // The key is whole, or there never was one.
    world.ok(&["export", "--artifacts-dir", "out"]);
    world.ok(&["verify", "out/prompt_session.json"]);
}

#[test]
fn a_killed_export_leaves_whole_files() {
    let world = World::with_session();
    let export = ["export", "--artifacts-dir", "out"];
    let began = Instant::now();
    world.ok(&export);
    let pace: u64 = began.elapsed().as_micros().try_into().unwrap();
    let whole = fs::read(world.path("out/prompt_session.json")).unwrap();
    let mut dice = Dice(3);
    for _ in 0..20 {
        fs::remove_dir_all(world.path("out")).unwrap();
        fs::create_dir(world.path("out")).unwrap();
        let mut child = start(&world, &export);
        std::thread::sleep(Duration::from_micros(dice.roll(pace.saturating_mul(5) / 4)));
        let _ = child.kill();
        support::wait(child);
        for name in ["prompt_session.json", "prompt_session.evidence.tar"] {
            let path = world.path("out").join(name);
            match fs::read(&path) {
                Err(_) => {}
                Ok(text) if name.ends_with("json") => assert_eq!(text, whole),
                Ok(_) => drop(world.ok(&["verify", path.to_str().unwrap()])),
            }
        }
    }
    assert_eq!(world.verified(), 2);
}
