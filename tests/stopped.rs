//! What was stopped halfway, or goes on with a ledger of another time.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["home", "project"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("promptos-home")
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_promptos"));
        command.args(args).current_dir(self.path("project")).env_clear();
        command.env("HOME", self.path("home")).env("PROMPTOS_HOME", self.config()).output().unwrap()
    }

    /// Runs what must exit with `code`; answers what it said.
    fn exits(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }
}

#[test]
fn evidence_of_a_lost_history_is_no_other_ledgers() {
    let world = World::new();
    let (ledger, backup) = (world.path("project/.promptos/ledger.redb"), world.path("backup"));
    world.exits(0, &["dev", "--prompts", "P00"]);
    fs::copy(&ledger, &backup).unwrap();
    world.exits(0, &["dev", "--prompts", "P01", "--artifacts-dir", "run"]);
    fs::write(world.path("project/run/run_record.json"), r#"{"run_id":"r-1"}"#).unwrap();
    world.exits(0, &["attach", "--run-record", "run/run_record.json"]);

    // The ledger goes back to its backup, and its owner says that this is right.
    fs::copy(&backup, &ledger).unwrap();
    world.exits(3, &["attach", "--run-record", "run/run_record.json"]);
    world.exits(0, &["pin", "reset"]);
    let said = world.exits(3, &["attach", "--run-record", "run/run_record.json"]);
    assert!(said.contains("went back"), "{said}");
    // And goes on from there, beyond the size that the evidence is of.
    for _ in 0..3 {
        world.exits(0, &["dev", "--prompts", "P01"]);
    }
    let said = world.exits(3, &["attach", "--run-record", "run/run_record.json"]);
    assert!(said.contains("forked"), "{said}");
    world.exits(0, &["verify-chain"]);
}

#[test]
fn evidence_with_smuggled_parts_is_not_attached() {
    let (ours, theirs) = (World::new(), World::new());
    theirs.exits(0, &["dev", "--prompts", "P00", "--artifacts-dir", "run"]);
    let run = ours.path("project/run");
    fs::create_dir(&run).unwrap();
    for name in ["prompt_session.json", "prompt_session.evidence.tar"] {
        fs::copy(theirs.path("project/run").join(name), run.join(name)).unwrap();
    }
    fs::write(run.join("run_record.json"), r#"{"run_id":"r-1"}"#).unwrap();
    let tar = run.join("prompt_session.evidence.tar");
    let good = fs::read(&tar).unwrap();
    // One more file, a copy of the first under another name, before the two zero blocks.
    let mut bad = good.clone();
    let mut header = good.get(..512).unwrap().to_vec();
    header.splice(..12, *b"smuggled.txt");
    header.splice(124..135, *b"00000000000");
    bad.splice(good.len() - 1024..good.len() - 1024, header);
    fs::write(&tar, bad).unwrap();
    let said = ours.exits(4, &["attach", "--run-record", "run/run_record.json"]);
    assert!(said.contains("smuggled.txt"), "{said}");
    fs::write(&tar, good).unwrap();
    ours.exits(0, &["attach", "--run-record", "run/run_record.json"]);
}

#[test]
fn a_key_rotation_that_was_stopped_anywhere_is_finished_by_the_next() {
    let world = World::new();
    let file = |name: &str| world.config().join(name);
    let names = ["id_ed25519", "id_ed25519.pub", "id_ed25519.next", "id_ed25519.next.pub"];
    world.exits(0, &["dev", "--prompts", "P00"]);
    let old: Vec<_> = names.iter().take(2).map(|name| fs::read(file(name)).unwrap()).collect();
    world.exits(0, &["key", "rotate"]);
    let new: Vec<_> = names.iter().take(2).map(|name| fs::read(file(name)).unwrap()).collect();
    let kept = fs::read_dir(world.config()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.to_string_lossy().contains(".old-")).collect();
    assert_eq!(kept.len(), 2);
    let mut keep = kept.clone();
    keep.sort();

    // After so many of its four renamings.
    let moved = [(1, keep.last().unwrap().clone()), (3, file(names[1])), (0, keep.first().unwrap().clone())];
    for stopped in 0..=moved.len() {
        for path in names.iter().map(|name| file(name)).chain(kept.clone()) {
            let _ = fs::remove_file(path);
        }
        for (name, bytes) in names.iter().zip(old.iter().chain(&new)) {
            fs::write(file(name), bytes).unwrap();
        }
        for (from, to) in moved.iter().take(stopped) {
            fs::rename(file(names[*from]), to).unwrap();
        }
        for name in ["id_ed25519", "id_ed25519.next"] {
            private(&file(name));
        }
        keep.iter().for_each(|path| private(path));
        world.exits(0, &["key", "rotate"]);
        let now: Vec<_> = names.iter().take(2).map(|name| fs::read(file(name)).unwrap()).collect();
        assert_eq!(now, new, "stopped after {stopped}");
        let still: Vec<_> = keep.iter().map(|path| fs::read(path).unwrap()).collect();
        assert_eq!(still, old, "stopped after {stopped}");
        assert!(!file(names[2]).exists() && !file(names[3]).exists());
        world.exits(0, &["dev", "--prompts", "P00"]);
    }
}

/// Key files that others may read are refused.
fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if path.exists() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_log_key_rotation_that_was_stopped_is_finished_by_the_next() {
    let world = World::new();
    let file = |name: &str| world.path("project/.promptos").join(name);
    world.exits(0, &["dev", "--prompts", "P00"]);
    let old = fs::read(file("log.key")).unwrap();
    world.exits(0, &["key", "rotate", "--log-key"]);
    // As if it was stopped before its renaming.
    fs::rename(file("log.key"), file("log.key.next")).unwrap();
    fs::write(file("log.key"), old).unwrap();
    private(&file("log.key"));
    world.exits(0, &["key", "rotate", "--log-key"]);
    assert!(!file("log.key.next").exists());
    world.exits(0, &["dev", "--prompts", "P00"]);
    world.exits(0, &["verify-chain"]);
}

#[test]
fn what_was_seen_is_not_taken_for_judged() {
    let world = World::new();
    for _ in 0..3 {
        world.exits(0, &["dev", "--prompts", "P00"]);
    }
    world.exits(1, &["-C", world.path("home").to_str().unwrap(), "verify-chain", "--since-pin"]);
    let judged = |args: &[&str]| {
        let said: serde_json::Value = serde_json::from_slice(&world.run(args).stdout).unwrap();
        (said["from"].clone(), said["judged"].clone(), said["rung"].clone())
    };
    let since = ["verify-chain", "--since-pin", "--json"];
    assert_eq!(judged(&since), (0.into(), 4.into(), "pinned".into()), "nothing was judged before");
    assert_eq!(judged(&since), (4.into(), 4.into(), "pinned".into()));
    world.exits(0, &["dev", "--prompts", "P00"]);
    assert_eq!(judged(&since), (4.into(), 5.into(), "pinned".into()));
    assert_eq!(judged(&["verify-chain", "--json"]), (0.into(), 5.into(), "pinned".into()));
}
