//! `erase`: the bytes are gone from the file, every proof stands, and every reader tells erased from missing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};
use support::{World, text};

const LEDGER: &str = ".promptos/ledger.redb";

/// 64 letters that nothing compresses and nothing else holds.
fn token(seed: u8) -> String {
    let hash = [blake3::hash(&[seed, 1]), blake3::hash(&[seed, 2])];
    let bytes = hash.iter().flat_map(|hash| *hash.as_bytes());
    bytes.map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// How often bytes stand in the raw ledger file.
fn count(world: &World, bytes: &[u8]) -> usize {
    let file = world.read(LEDGER);
    file.windows(bytes.len()).filter(|window| *window == bytes).count()
}

fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(world.project.join(".promptos"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The digest of the content of an entry whose description holds `what`.
#[track_caller]
fn digest(world: &World, entry: &str, what: &str) -> String {
    let shown = world.json(&["show", entry]);
    let contents = shown["contents"].as_array().unwrap().iter().map(|c| text(c, "/content"));
    let found = contents.into_iter().find(|content| content.contains(what));
    found.unwrap_or_else(|| panic!("{shown:#}")).split(' ').next().unwrap().to_owned()
}

fn file_digest(shown: &Value, path: &str) -> String {
    let files = shown["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("{shown:#}"));
    format!("blake3:{}", text(file, "/blake3"))
}

const BESIDE: [&str; 3] = [".gitignore", "ledger.redb", "log.key"];

#[test]
fn the_bytes_of_an_attachment_are_gone_from_the_file_and_every_proof_stands() {
    let world = World::new();
    let token = token(1);
    let file = world.write("secret.txt", format!("{token}\n"));
    world.run(&["dev", "--prompts", "P00", "--attach", "secret.txt", "--artifacts-dir", "run"]).ok();
    world.run(&["dev", "--prompts", "P01"]).ok();
    world.run(&["verify-chain"]).ok();
    let before = fs::read(world.project.join("run/prompt_session.evidence.tar")).unwrap();
    assert!(count(&world, token.as_bytes()) > 0);
    let attached = file_digest(&world.json(&["show", "1"]), "secret.txt");

    let report = world.json(&["erase", &attached[..20], "--reason", "it should not have been here"]);
    assert_eq!(text(&report, "/content"), attached);
    assert_eq!(
        (&report["size"], &report["rewritten"], &report["already"]),
        (&65.into(), &true.into(), &false.into())
    );
    assert_eq!(text(&report, "/entry/kind"), "erase");
    assert_eq!(count(&world, token.as_bytes()), 0);
    assert_eq!(names(&world), BESIDE);

    // The history is what it was, and the audit says so.
    let audit = world.json(&["verify-chain", "--require", "pinned"]);
    assert_eq!((&audit["size"], &audit["erased"]), (&4.into(), &1.into()));
    world.run(&["verify", "run/prompt_session.evidence.tar"]).ok();
    world.run(&["export", "--artifacts-dir", "again", "--session", "1"]).ok();
    world.run(&["verify", "again/prompt_session.evidence.tar"]).ok();
    assert_eq!(fs::read(world.project.join("run/prompt_session.evidence.tar")).unwrap(), before);

    // Every reader tells it from what is missing.
    world.run(&["cat", &attached]).expect(1, &["was erased"]);
    world.run(&["show", "1"]).expect(0, &["secret.txt", "erased"]);
    assert_eq!(world.json(&["show", "1"])["files"][0]["state"], "erased");
    world.run(&["show", "3"]).expect(0, &["it should not have been here"]);
    world.run(&["trace", &attached]).expect(0, &["erased"]);
    assert_eq!(text(&world.json(&["trace", &attached]), "/to/0/content/state"), "erased");

    // It is never stored again, under whatever name.
    fs::copy(&file, world.project.join("other.txt")).unwrap();
    let refused = world.run(&["dev", "--prompts", "P00", "--attach", "other.txt"]);
    refused.expect(1, &["other.txt", "erased from this ledger", "never stored again", &attached]);
    assert_eq!(count(&world, token.as_bytes()), 0);

    // Again is no harm and no second tombstone.
    let again = world.json(&["erase", &attached, "--reason", "again"]);
    assert_eq!((&again["already"], &again["rewritten"]), (&true.into(), &false.into()));
    assert_eq!(world.json(&["verify-chain"])["size"], 4);
}

#[test]
fn notes_and_the_names_in_a_manifest_are_gone_too() {
    let world = World::new();
    let (notes, name, inside) = (token(2), token(3), token(4));
    let path = format!("{name}.txt");
    world.write(&path, &inside);
    world.run(&["dev", "--prompts", "P00", "--attach", &path, "--notes", &notes]).ok();
    let kept = file_digest(&world.json(&["show", "1"]), &path);
    for token in [&notes, &name, &inside] {
        assert_eq!(count(&world, token.as_bytes()), 1);
    }
    let details = digest(&world, "1", "details+cbor");
    world.run(&["erase", &details, "--reason", "names a customer"]).expect(0, &["written anew"]);
    assert_eq!(count(&world, notes.as_bytes()), 0);
    world.run(&["show", "1"]).expect(0, &["details+cbor", "erased"]);
    world.run(&["export", "--artifacts-dir", "run"]).expect(1, &["details", "were erased"]);

    let manifest = digest(&world, "1", "manifest+cbor");
    let erased = world.run(&["erase", &manifest, "--reason", "names a customer"]);
    erased.expect(0, &["warning:", "stay in the ledger (1)", &kept]);
    assert_eq!(count(&world, name.as_bytes()), 0);
    // The file that it listed is not to be found by it any more: no row of the index names it.
    world.run(&["trace", &kept]).expect(1, &["knows nothing of"]);
    let raw: Vec<u8> = [b"c".as_slice(), &hex::decode(&kept[7..]).unwrap()].concat();
    assert_eq!(count(&world, &raw), 0);
    world.run(&["verify-chain", "--require", "pinned"]).expect(0, &["2 erased"]);

    // But it is here, and can be erased by itself.
    assert_eq!(count(&world, inside.as_bytes()), 1);
    world.run(&["erase", &kept[..19], "--reason", "as its name"]).ok();
    assert_eq!(count(&world, inside.as_bytes()), 0);
    world.run(&["verify-chain", "--require", "pinned"]).ok();
}

#[test]
fn the_list_of_a_run_goes_with_the_rows_that_follow_from_it() {
    let world = World::new();
    let name = token(5);
    world.run(&["dev", "--prompts", "P00", "--artifacts-dir", "run"]).ok();
    let listed = world.write(&format!("run/{name}.txt"), "listed and not kept");
    world.write("run/run_record.json", r#"{"run_id":"r-1"}"#);
    world.run(&["attach", "--run-record", "run/run_record.json"]).ok();
    let shown = world.json(&["show", "2"]);
    let content = file_digest(&shown, &format!("{name}.txt"));
    let raw = hex::decode(&content[7..]).unwrap();
    assert!(count(&world, name.as_bytes()) > 0 && count(&world, &raw) > 0);
    world.run(&["cat", &content]).expect(1, &["listed, but its bytes are not"]);
    world.run(&["erase", &content, "--reason", "x"]).expect(1, &["listed, but its bytes are not"]);

    let manifest = digest(&world, "2", "manifest+cbor");
    world.run(&["erase", &manifest, "--reason", "x"]).ok();
    assert_eq!((count(&world, name.as_bytes()), count(&world, &raw)), (0, 0));
    world.run(&["cat", &content]).expect(1, &["holds no content"]);
    world.run(&["trace", listed.to_str().unwrap()]).expect(1, &["knows no file"]);
    world.run(&["verify-chain"]).ok();
    world.run(&["trace", "r-1"]).ok();
}

#[test]
fn a_bound_prompts_text_can_go_with_a_warning_and_its_sessions_stand() {
    let world = World::new();
    world.run(&["dev", "--prompts", "P00,P01", "--artifacts-dir", "run"]).ok();
    let prompt = digest(&world, "1", "markdown");
    let erased = world.run(&["erase", &prompt, "--reason", "it quotes a contract"]);
    erased.expect(0, &["warning:", "P00.v1 is bound to this content for ever"]);
    world.run(&["verify-chain", "--require", "pinned"]).ok();
    world.run(&["cat", "P00.v1"]).expect(1, &["was erased"]);
    world.run(&["trace", "P00.v1"]).expect(0, &["erased"]);
    world.run(&["show", "1"]).expect(0, &["erased", "present"]);
    // The ref stays bound, and its text is not recorded again.
    let refused = world.run(&["dev", "--prompts", "P00"]);
    refused.expect(1, &["the prompt P00.v1", "erased from this ledger", "new version"]);
    world.run(&["dev", "--prompts", "P01"]).ok();
    // Evidence made before holds, and evidence made now says erased.
    world.run(&["verify", "run/prompt_session.evidence.tar"]).ok();
    world.run(&["export", "--artifacts-dir", "after", "--session", "1"]).ok();
    world.run(&["verify", "after/prompt_session.evidence.tar"]).expect(0, &["erased"]);
}

#[test]
fn what_another_ledgers_evidence_holds_goes_with_it_and_does_not_come_back_in_one() {
    let (ours, theirs) = (World::new(), World::new());
    let token = token(6);
    let gate =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/P01_scope_declaration.md")).unwrap();
    theirs.write(
        "prompts/T1.md",
        gate.replace("prompt_id: \"P01\"", "prompt_id: \"T1\"").replace("gate: \"P01\"\n", "") + &token,
    );
    theirs.write("promptos.toml", "[catalog]\npath = \"prompts\"\n");
    theirs.run(&["dev", "--prompts", "T1", "--artifacts-dir", "run"]).ok();
    support::copy_folder(&theirs.project.join("run"), &ours.project.join("run"));
    support::copy_folder(&theirs.project.join("run"), &ours.project.join("run2"));
    ours.write("run/run_record.json", r#"{"run_id":"r-1"}"#);
    ours.write("run2/run_record.json", r#"{"run_id":"r-2"}"#);
    ours.run(&["dev", "--prompts", "P00"]).ok();
    ours.run(&["attach", "--run-record", "run/run_record.json"]).ok();
    assert!(count(&ours, token.as_bytes()) > 0);
    let prompt = digest(&theirs, "1", "markdown");
    let tar = digest(&ours, "2", "tar");
    let refused = ours.run(&["erase", &prompt, "--reason", "x"]);
    refused.expect(1, &["inside the evidence of another ledger", &tar]);
    ours.run(&["erase", &tar, "--reason", "x"]).ok();
    assert_eq!(count(&ours, token.as_bytes()), 0);
    ours.run(&["verify-chain", "--require", "pinned"]).ok();
    let refused = ours.run(&["attach", "--run-record", "run2/run_record.json"]);
    refused.expect(1, &["erased from this ledger"]);
    assert_eq!(count(&ours, token.as_bytes()), 0);
}

#[test]
fn what_cannot_or_may_not_be_erased_is_refused_and_nothing_changes() {
    let world = World::new();
    world.write("a.txt", "kept");
    world.run(&["erase", "0123456789", "--reason", "x"]).expect(1, &[]);
    world.run(&["dev", "--prompts", "P00", "--attach", "a.txt"]).ok();
    let attached = file_digest(&world.json(&["show", "1"]), "a.txt");
    // A user's key, and an unknown one.
    world.run(&["key", "new", "eve"]).ok();
    let eve = ["--key", "eve", "erase", &attached, "--reason", "x"];
    world.run(&eve).expect(1, &["is not enrolled"]);
    world.run(&["key", "add", "eve.pub", "--identity", "eve", "--role", "user"]).ok();
    world.run(&eve).expect(1, &["'eve' may not erase content", "admin"]);
    let shorter = &attached[7..14];
    let unknown = format!("blake3:{}", "0".repeat(64));
    let cases: [(&[&str], i32, &str); 6] = [
        (&["erase", shorter, "--reason", "x"], 1, "8 digits or more"),
        (&["erase", &unknown, "--reason", "x"], 1, "holds no content"),
        (&["erase", "P00.v1", "--reason", "x"], 1, "holds no content"),
        (&["erase", &attached, "--reason", "  "], 2, "--reason"),
        (&["erase", &attached], 2, "--reason"),
        (&["erase", "--reason", "x"], 2, "DIGEST"),
    ];
    for (args, code, message) in cases {
        world.run(args).expect(code, &[message]);
    }
    assert_eq!(world.json(&["verify-chain"])["size"], 3);
    assert_eq!(names(&world), BESIDE);
}

#[test]
fn a_stop_before_the_scrub_is_finished_by_the_next_run() {
    let world = World::new();
    let token = token(7);
    world.write("a.txt", &token);
    world.run(&["dev", "--prompts", "P00", "--attach", "a.txt"]).ok();
    let attached = file_digest(&world.json(&["show", "1"]), "a.txt");
    // Something stands where the new file is to be made: it cannot be written.
    let beside = world.project.join(".promptos/ledger.redb.scrub");
    fs::create_dir(&beside).unwrap();
    let stopped = world.run(&["erase", &attached, "--reason", "x"]);
    stopped.expect(1, &["is erased and no command shows it", "run this command again"]);
    assert!(count(&world, token.as_bytes()) > 0);
    world.run(&["cat", &attached]).expect(1, &["was erased"]);
    world.run(&["verify-chain", "--require", "pinned"]).ok();
    fs::remove_dir(&beside).unwrap();
    // A half-written file of a run that was killed.
    fs::write(&beside, "half").unwrap();
    let again = world.json(&["erase", &attached, "--reason", "x"]);
    assert_eq!((&again["already"], &again["rewritten"]), (&true.into(), &true.into()));
    assert_eq!(count(&world, token.as_bytes()), 0);
    assert_eq!(names(&world), BESIDE);
    world.run(&["verify-chain", "--require", "pinned"]).ok();
}

#[cfg(unix)]
#[test]
fn links_and_permissions_are_those_of_the_ledger() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let world = World::new();
    let token = token(8);
    world.write("a.txt", &token);
    world.run(&["dev", "--prompts", "P00", "--attach", "a.txt"]).ok();
    let attached = file_digest(&world.json(&["show", "1"]), "a.txt");
    let (ledger, real) = (world.project.join(LEDGER), world.project.join(".promptos/real.redb"));
    fs::rename(&ledger, &real).unwrap();
    symlink("real.redb", &ledger).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(&real, world.project.join("second.redb")).unwrap();
    world.run(&["erase", &attached, "--reason", "x"]).expect(0, &["warning:", "hard link"]);
    assert!(ledger.is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(count(&world, token.as_bytes()), 0);
    world.run(&["verify-chain", "--require", "pinned"]).ok();
}

/// Writers and readers that wait while the file is replaced under its name lose nothing.
#[test]
fn who_waits_while_the_ledger_is_rewritten_gets_the_new_one() {
    let world = World::new();
    for n in 0..6 {
        world.write(&format!("{n}.txt"), token(20 + n));
    }
    world
        .run(&["dev", "--prompts", "P00", "--attach", "0.txt", "--attach", "1.txt", "--attach", "2.txt"])
        .ok();
    let shown = world.json(&["show", "1"]);
    let program = env!("CARGO_BIN_EXE_promptos");
    for n in 0..3 {
        let attached = file_digest(&shown, &format!("{n}.txt"));
        let commands: Vec<Vec<&str>> = vec![
            vec!["erase", &attached, "--reason", "x"],
            vec!["dev", "--prompts", "P01"],
            vec!["verify-chain"],
            vec!["dev", "--prompts", "P03"],
        ];
        let children: Vec<_> = commands
            .iter()
            .map(|args| {
                let mut command = world.command(program, &world.project);
                command.args(["--lock-timeout", "60"]).args(args);
                command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        for (child, args) in children.into_iter().zip(&commands) {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{args:?}: {said}");
        }
        assert_eq!(count(&world, token(20 + n).as_bytes()), 0);
    }
    assert_eq!(world.json(&["verify-chain"])["size"], 2 + 3 * 3);
}

/// `PROMPTOS_KILLS=500 cargo test --test erase killed` for the long form.
#[test]
fn killed_at_any_moment_the_ledger_is_good_and_the_next_run_finishes() {
    let kills = std::env::var("PROMPTOS_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_u32);
    let world = World::new();
    let mut args = vec!["dev".to_owned(), "--prompts".into(), "P00".into()];
    for n in 0..10_u8 {
        world.write(&format!("{n}.txt"), token(100 + n));
        args.extend(["--attach".into(), format!("{n}.txt")]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    world.run(&args).ok();
    let shown = world.json(&["show", "1"]);
    let whole = world.read(LEDGER);
    let pins = world.root().join("pins");
    let home_pins = world.home.join(".config/promptos/pins");
    support::copy_folder(&home_pins, &pins);
    let began = Instant::now();
    world.run(&["erase", &file_digest(&shown, "0.txt"), "--reason", "x"]).ok();
    let takes = began.elapsed();
    let (mut recorded, mut rewritten) = (0, 0);
    for kill in 0..kills {
        let n = u8::try_from(kill % 10).unwrap();
        if n == 0 {
            // From the beginning, with all of them there.
            fs::write(world.project.join(LEDGER), &whole).unwrap();
            fs::remove_dir_all(&home_pins).unwrap();
            support::copy_folder(&pins, &home_pins);
        }
        let attached = file_digest(&shown, &format!("{n}.txt"));
        let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
        command.args(["erase", &attached, "--reason", "x"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        // Where it is stopped is left to chance, within what it takes.
        let part = u32::from_le_bytes(blake3::hash(&kill.to_le_bytes()).as_bytes()[..4].try_into().unwrap());
        let moment = Instant::now() + takes.mul_f64(f64::from(part) / f64::from(u32::MAX));
        while Instant::now() < moment {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        world.run(&["verify-chain"]).ok();
        let report = world.json(&["erase", &attached, "--reason", "x"]);
        recorded += u32::from(report["already"] == true);
        rewritten += u32::from(report["rewritten"] == false);
        assert_eq!(count(&world, token(100 + n).as_bytes()), 0, "kill {kill}");
        assert_eq!(names(&world), BESIDE, "kill {kill}");
        world.run(&["verify-chain", "--require", "pinned"]).ok();
    }
    println!("{kills} kills in {takes:?}: {recorded} after the tombstone, {rewritten} after the rewrite");
}
