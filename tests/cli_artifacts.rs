//! Sessions, runs and evidence as files: exports that would replace something, artifacts that nobody can vouch for,
//! session files and evidence that were changed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use support::refusal::{have, is_root, prompt};
use support::{World, finish};

fn dev<'a>(prompts: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["dev", "--prompts", prompts], more].concat()
}

// ---- export ----

#[test]
fn export_replaces_nothing_unasked() {
    let world = World::with_session();
    world.write("out/prompt_session.json", "mine\n");
    let export = ["export", "--artifacts-dir", "out"];
    world.refuses(1, &export, &["prompt_session.json is there already and differs", "--force"]);
    assert_eq!(fs::read(world.path("out/prompt_session.json")).unwrap(), b"mine\n");
    world.ok(&["export", "--artifacts-dir", "out", "--force"]);
    let first = fs::read(world.path("out/prompt_session.json")).unwrap();
    // Again is no conflict; another session is.
    world.ok(&export);
    assert_eq!(fs::read(world.path("out/prompt_session.json")).unwrap(), first);
    let again = dev("P00", &["--artifacts-dir", "out"]);
    world.refuses(1, &again, &["prompt_session.json is there already; nothing was recorded", "--force"]);
    assert_eq!(world.verified(), 2);
    assert_eq!(fs::read(world.path("out/prompt_session.json")).unwrap(), first);
}

#[test]
fn export_to_where_nothing_can_be_written() {
    let world = World::with_session();
    world.write("file", "x");
    fs::create_dir_all(world.path("out/prompt_session.json")).unwrap();
    for (dir, essential) in
        [("file", "file"), ("file/below", "file/below"), ("out", "out/prompt_session.json")]
    {
        world.refuses(1, &["export", "--artifacts-dir", dir], &["cannot write", essential]);
    }
    world.refuses(1, &dev("P00", &["--artifacts-dir", "file"]), &["file is not a folder"]);
    for session in ["nope", "99", "0", "entry:00000000"] {
        let args = ["export", "--artifacts-dir", "new", "--session", session];
        world.refuses(1, &args, &["session"]);
    }
    assert_eq!(world.verified(), 2);
}

#[test]
fn strict_v1_says_what_it_cannot_hold() {
    let world = World::new();
    world.write("prompts/x.md", prompt("LONG-NAME", "x"));
    world.ok(&dev("LONG-NAME", &[]));
    let args = ["export", "--artifacts-dir", "out", "--strict-v1"];
    world.refuses(1, &args, &["the old schema cannot hold the prompt id 'LONG-NAME'", "without --strict-v1"]);
    world.ok(&dev("P00", &["--developer", ""]));
    world.refuses(1, &args, &["the old schema does not allow an empty developer"]);
}

// ---- runs ----

/// A session exported to `art`, with a run record beside it.
fn with_artifacts() -> World {
    let world = World::new();
    world.ok(&dev("P00", &["--artifacts-dir", "art"]));
    world.write("art/run.json", r#"{"run_id": "r-1"}"#);
    world
}

const ATTACH: &[&str] = &["attach", "--run-record", "art/run.json"];

#[test]
fn run_records_that_are_none() {
    let world = with_artifacts();
    fs::create_dir(world.path("art/folder")).unwrap();
    for (record, text, essential) in [
        ("nowhere.json", None, "cannot read art/nowhere.json"),
        ("folder", None, "art/folder is not a regular file"),
        ("a.json", Some("not json"), "has no text field 'run_id'"),
        ("b.json", Some("{}"), "has no text field 'run_id'"),
        ("c.json", Some(r#"{"run_id": 7}"#), "has no text field 'run_id'"),
        ("d.json", Some(r#"{"run_id": ""}"#), "has no text field 'run_id'"),
        ("e.json", Some("[1]"), "has no text field 'run_id'"),
        ("f.json", Some(""), "has no text field 'run_id'"),
    ] {
        let record = format!("art/{record}");
        if let Some(text) = text {
            world.write(&record, text);
        }
        world.refuses(1, &["attach", "--run-record", &record], &[essential]);
    }
    world.refuses(1, &["attach", "--run-record", "art/a.json"], &["--run-id ID"]);
    let long = "x".repeat(300);
    for id in ["", long.as_str()] {
        let args = ["attach", "--run-record", "art/a.json", "--run-id", id];
        world.refuses(1, &args, &["a run id has 1 to 256 characters"]);
    }
    world.refuses(
        1,
        &["attach", "--run-record", "art/run.json", "--artifacts-dir", "no"],
        &["cannot list no"],
    );
    world.refuses(2, &["attach"], &["--run-record"]);
    assert_eq!(world.verified(), 2);
    // What is not JSON can still be attached by a name, whatever that is.
    world.ok(&["attach", "--run-record", "art/a.json", "--run-id", "ü/%\n x"]);
    assert_eq!(world.verified(), 3);
}

#[test]
fn a_bad_run_makes_no_ledger() {
    let world = World::new();
    world.write("art/run.json", r#"{"run_id": "r-1"}"#);
    world.write("art/none.json", "{}");
    for record in ["art/nowhere.json", "art", "art/none.json"] {
        world.refuses(1, &["attach", "--run-record", record], &["art"]);
    }
    world.refuses(1, ATTACH, &["there is no prompt_session.json in art", "promptos export"]);
    world.refuses(1, &[ATTACH, &["--session", "s"]].concat(), &["there is no ledger here"]);
    assert!(!world.path(".promptos").exists() && !world.config().exists());
}

#[test]
fn artifacts_that_cannot_be_vouched_for() {
    let world = with_artifacts();
    let refused = |essentials: &[&str]| {
        world.refuses(1, ATTACH, essentials);
    };
    std::os::unix::fs::symlink("run.json", world.path("art/link")).unwrap();
    refused(&["art/link is a symbolic link", "copy it, or move it elsewhere"]);
    fs::remove_file(world.path("art/link")).unwrap();
    std::os::unix::fs::symlink("..", world.path("art/up")).unwrap();
    refused(&["art/up is a symbolic link"]);
    fs::remove_file(world.path("art/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", world.path("art/dangling")).unwrap();
    refused(&["art/dangling is a symbolic link"]);
    fs::remove_file(world.path("art/dangling")).unwrap();
    if Command::new("mkfifo").arg(world.path("art/pipe")).status().is_ok_and(|s| s.success()) {
        refused(&["art/pipe is neither a file nor a folder"]);
        fs::remove_file(world.path("art/pipe")).unwrap();
    }
    let odd: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"art/\xff".to_vec());
    if fs::write(world.path(&odd), "x").is_ok() {
        refused(&["is not UTF-8"]);
        fs::remove_file(world.path(&odd)).unwrap();
    }
    let locked = world.write("art/locked", "x");
    fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    if is_root() {
        println!("skipped the unreadable artifact: root may read everything");
    } else {
        refused(&["cannot read", "art/locked"]);
    }
    fs::remove_file(locked).unwrap();
    world.ok(ATTACH);
    assert_eq!(world.verified(), 3);
}

#[test]
fn the_same_run_twice() {
    let world = with_artifacts();
    let first = world.json(ATTACH);
    assert_eq!(first["recorded"], true);
    let again = world.json(ATTACH);
    assert_eq!(again["recorded"], false);
    assert_eq!(again["entry"], first["entry"]);
    assert_eq!(world.verified(), 3);
    world.write("art/run.json", r#"{"run_id": "r-1", "more": true}"#);
    let id = first["entry"]["id"].as_str().unwrap();
    world.refuses(
        1,
        ATTACH,
        &["the run 'r-1' is attached already, with other content", "entry 2", id, "--force"],
    );
    world.refuses(3, &["trace", "art/run.json"], &["is not the run record that was attached", "entry 2", id]);
    world.ok(&[ATTACH, &["--force"]].concat());
    assert_eq!(world.verified(), 4);
}

#[test]
fn a_session_file_that_disagrees_names_the_field() {
    let world = with_artifacts();
    let path = world.path("art/prompt_session.json");
    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    // Every field at every depth, but for the entry's id, which says what the file is about.
    let mut pointers = Vec::new();
    leaves(&file, &mut String::new(), &mut pointers);
    assert!(pointers.len() > 20, "{pointers:?}");
    for pointer in pointers.iter().filter(|pointer| *pointer != "/ledger/entry") {
        let mut changed = file.clone();
        let value = changed.pointer_mut(pointer).unwrap();
        *value = match value.take() {
            Value::String(text) => Value::from(format!("{text}x")),
            Value::Bool(it) => Value::from(!it),
            Value::Number(n) => Value::from(n.as_u64().unwrap() + 1),
            _ => Value::from("x"),
        };
        fs::write(&path, changed.to_string()).unwrap();
        // The name of the field, or of the list that it stands in.
        let names: Vec<&str> =
            pointer.split('/').skip(1).take_while(|part| part.parse::<u8>().is_err()).collect();
        let name = if names.first() == Some(&"ledger") && names.len() > 1 {
            names[names.len() - 1]
        } else {
            names[0]
        };
        let essential = format!("the field '{name}'");
        let refused = finish(&mut world.promptos(ATTACH));
        refused
            .failed(4, &["art/prompt_session.json: ", &essential, "is not what was signed", "the file says"]);
        finish(&mut world.promptos(&["verify", "art/prompt_session.json"])).failed(4, &[&essential]);
        finish(&mut world.promptos(&["trace", "art/prompt_session.json"])).failed(4, &[&essential]);
    }
    let mut more = file.clone();
    more["extra"] = json!(1);
    fs::write(&path, more.to_string()).unwrap();
    world.refuses(4, ATTACH, &["the field 'extra' is not what was signed", "the statement says nothing"]);
    let mut less = file.clone();
    less.as_object_mut().unwrap().remove("notes");
    fs::write(&path, less.to_string()).unwrap();
    world.refuses(4, ATTACH, &["the field 'notes' is not what was signed", "the file says nothing"]);
    for (text, essential) in
        [("{}", "names no ledger entry"), ("nope", "this is not JSON"), ("", "this is not JSON")]
    {
        fs::write(&path, text).unwrap();
        world.refuses(1, ATTACH, &["art/prompt_session.json", essential]);
    }
    // Its own text in another layout is still the same.
    fs::write(&path, file.to_string()).unwrap();
    world.ok(ATTACH);
    assert_eq!(world.verified(), 3);
}

fn leaves(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => return found.push(path.clone()),
    };
    for (name, child) in children {
        let length = path.len();
        path.push_str(&format!("/{name}"));
        leaves(child, path, found);
        path.truncate(length);
    }
}

#[test]
fn a_session_of_another_ledger_needs_its_evidence() {
    let (world, other) = (with_artifacts(), World::new());
    other.ok(&dev("P01", &["--artifacts-dir", "art"]));
    let tar = fs::read(other.path("art/prompt_session.evidence.tar")).unwrap();
    for file in ["prompt_session.json", "prompt_session.evidence.tar"] {
        fs::copy(other.path("art").join(file), world.path("art").join(file)).unwrap();
    }
    fs::remove_file(world.path("art/prompt_session.evidence.tar")).unwrap();
    world.refuses(1, ATTACH, &["which is not in this ledger", "put the evidence beside it"]);
    world.write("art/prompt_session.evidence.tar", &tar[..1000]);
    world.refuses(3, ATTACH, &["prompt_session.evidence.tar"]);
    let mut flipped = tar.clone();
    flipped[600] ^= 1;
    world.write("art/prompt_session.evidence.tar", &flipped);
    world.refuses(3, ATTACH, &["prompt_session.evidence.tar"]);
    // Evidence of something else.
    world.ok(&["export", "--artifacts-dir", "own"]);
    fs::copy(world.path("own/prompt_session.evidence.tar"), world.path("art/prompt_session.evidence.tar"))
        .unwrap();
    world.refuses(3, ATTACH, &["proves entry:", "while art/prompt_session.json names entry:"]);
    world.write("art/prompt_session.evidence.tar", &tar);
    let attached = world.run(ATTACH);
    assert_eq!(attached.code, 0, "{attached:?}");
    assert!(attached.stderr.contains("is trusted here"), "{attached:?}");
    assert_eq!(world.verified(), 3);
}

// ---- evidence ----

#[test]
fn evidence_that_was_changed() {
    let world = with_artifacts();
    let path = "art/prompt_session.evidence.tar";
    let tar = fs::read(world.path(path)).unwrap();
    let step = tar.len() / 97;
    for at in (0..tar.len()).step_by(step.max(1)) {
        let mut changed = tar.clone();
        changed[at] ^= 1 << (at % 8);
        world.write(path, &changed);
        world.fails(3, &["verify", path], &["does not hold"]);
    }
    for length in [0, 100, 511, 512, 1024, tar.len() / 2, tar.len() - 512, tar.len() - 1] {
        world.write(path, &tar[..length]);
        let code = if length < 13 { 1 } else { 3 };
        world.fails(code, &["verify", path], &["prompt_session.evidence.tar"]);
    }
    world.write(path, [&tar[..], &[0; 512]].concat());
    world.fails(3, &["verify", path], &["does not hold: non-canonical"]);
    world.write(path, &tar);
    world.ok(&["verify", path]);
}

#[test]
fn evidence_with_a_part_too_many() {
    let world = with_artifacts();
    let path = "art/prompt_session.evidence.tar";
    let tar = fs::read(world.path(path)).unwrap();
    if !have("tar") {
        println!("skipped evidence_with_a_part_too_many: no tar here");
        return;
    }
    world.write("notes.txt", "trust me\n");
    let status = Command::new("tar")
        .current_dir(&world.project)
        .args(["--format=ustar", "-rf", path, "notes.txt"])
        .status()
        .unwrap();
    assert!(status.success());
    let output = world.fails(4, &["verify", path], &["holds parts that nothing calls for", "notes.txt"]);
    assert!(output.stdout.contains("entry"), "{output:?}");
    let report = finish(world.promptos(&["verify", path]).arg("--json")).failed(4, &[]).json();
    assert_eq!(report["unexpected"], json!(["notes.txt"]));
    world.write(path, tar);
    world.ok(&["verify", path]);
}

#[test]
fn what_is_no_evidence_is_a_mistake() {
    let world = with_artifacts();
    world.write("text.tar", "hello\n");
    world.write("zeros.tar", [0; 2048]);
    for file in ["text.tar", "zeros.tar"] {
        world.refuses(1, &["verify", file], &["is not an evidence tar", "prompt_session.json"]);
    }
    world.refuses(1, &["verify", "nowhere.tar"], &["cannot read nowhere.tar"]);
    world.refuses(1, &["verify", "art"], &["cannot read art"]);
    let json = world.refuses(1, &["verify", "art/run.json"], &["art/run.evidence.tar", "stands beside it"]);
    assert_eq!(json.stdout, "");
    world.refuses(1, &["verify", "--trust", "nobody", "art/prompt_session.json"], &["--trust takes"]);
    let checkpoint = ["verify", "--checkpoint", "text.tar", "art/prompt_session.json"];
    world.refuses(1, &checkpoint, &["no signed checkpoint"]);
    world.refuses(1, &["verify-chain", "--checkpoint", "text.tar"], &["no signed checkpoint"]);
    world.refuses(1, &["verify-chain", "--checkpoint", "nowhere"], &["cannot read nowhere"]);
    let untrusted = ["verify", "--require-trusted", "art/prompt_session.json"];
    world.fails(4, &untrusted, &["neither the ledger nor the signer is trusted", "--trust"]);
    // A head of another ledger is another matter than no head at all.
    let other = with_artifacts();
    let foreign = other.path("art/prompt_session.evidence.tar");
    let foreign = ["verify-chain", "--checkpoint", foreign.to_str().unwrap()];
    world.refuses(3, &foreign, &["is of another ledger", "it says", "this one is"]);
    assert_eq!(world.verified(), 2);
}
