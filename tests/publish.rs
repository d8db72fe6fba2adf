//! `promptos publish`, and every reading command on what it wrote.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{World, copy_folder, text, tree};

/// A project with two sessions, a run and an artifact, published to `published` beside it.
fn published(blobs: &str) -> (World, PathBuf) {
    let world = World::new();
    world.write("notes.txt", "to keep\n");
    world.ok(&["dev", "--prompts", "P00,P05", "--developer", "Ada", "--attach", "notes.txt"]);
    world.ok(&["dev", "--prompts", "P01", "--artifacts-dir", "artifacts/evidence"]);
    world.write("artifacts/run_record.json", "{\"run_id\": \"R-17\"}\n");
    world.write("artifacts/review.md", "the review\n");
    world.ok(&["attach", "--run-record", "artifacts/run_record.json"]);
    let folder = world.root().join("published");
    world.ok(&["publish", folder.to_str().unwrap(), "--blobs", blobs]);
    (world, folder)
}

/// Someone elsewhere, who has never seen the ledger.
fn stranger(folder: &Path) -> (World, String) {
    (World::new(), folder.to_str().unwrap().to_owned())
}

#[test]
fn a_stranger_reads_all_of_it_as_the_owner_does() {
    let (world, folder) = published("all");
    let (stranger, at) = stranger(&folder);
    for args in [
        &["verify-chain"][..],
        &["log"],
        &["log", "--reverse", "-n", "2"],
        &["show", "1"],
        &["show", "R-17"],
        &["trace", "R-17"],
        &["trace", "P05.v1"],
        &["checkpoint"],
        &["snapshot", "list"],
        &["prompt", "audit", "P05"],
    ] {
        let own = world.json(args);
        let mut published = stranger.json(&[&["--ledger", &at], args].concat());
        if args == ["verify-chain"] {
            assert_eq!(published["rung"], "consistent");
            for (key, value) in [("rung", "pinned".into()), ("first_seen", false.into())] {
                published[key] = value;
            }
            published["pinned"] = own["pinned"].clone();
        }
        assert_eq!(published, own, "{args:?}");
    }
    for args in [&["cat", "P05.v1"][..], &["cat", "entry:"]] {
        let id = text(&world.json(&["show", "2"]), "/entry/id").to_owned();
        let what = if args[1] == "entry:" { &id } else { args[1] };
        assert_eq!(
            stranger.run(&["--ledger", &at, "cat", what]).ok().bytes,
            world.run(&["cat", what]).ok().bytes
        );
    }
    // The artifact leads to the prompt bytes, and the evidence is good evidence anywhere.
    stranger.write("review.md", "the review\n");
    stranger.run(&["--ledger", &at, "trace", "review.md"]).expect(0, &["prompt P01.v1  ok", "present"]);
    stranger.ok(&["--ledger", &at, "export", "--session", "1", "--artifacts-dir", "out"]);
    stranger.ok(&["verify", "out/prompt_session.evidence.tar"]);
}

#[test]
fn only_files_of_the_format_are_published_and_nothing_private() {
    let (world, folder) = published("prompts");
    let published = tree(&folder);
    for (name, bytes) in &published {
        let known = ["checkpoint", "tile/0/000.p/4", "tile/entries/000.p/4"].contains(&name.as_str());
        assert!(known || name.starts_with("blob/"), "{name}");
        // Neither the developer's name, which details hold, nor an attachment or its name.
        for private in ["Ada", "to keep", "notes.txt"] {
            let found = bytes.windows(private.len()).any(|window| window == private.as_bytes());
            assert!(!found, "'{private}' in {name}");
        }
    }
    assert_eq!(published.len(), 3 + 3);
    let (stranger, at) = stranger(&folder);
    stranger.run(&["--ledger", &at, "trace", "R-17"]).expect(0, &["prompt P01.v1  ok", "present"]);
    let report = stranger.json(&["--ledger", &at, "verify-chain"]);
    assert_eq!(report["rung"], "consistent", "{report}");
    assert!(!report["absent"].as_array().unwrap().is_empty());
    stranger.fails(
        5,
        &["--ledger", &at, "export", "--session", "1", "--artifacts-dir", "x"],
        &["not published"],
    );
    // Without the prompts, the trace ends before it gets to them.
    world.ok(&["publish", &at, "--blobs", "none"]);
    assert_eq!(tree(&folder).len(), 3);
    let output = stranger.fails(5, &["--ledger", &at, "trace", "R-17"], &["as far as it goes", "1 content"]);
    assert!(output.stdout.contains("not published"), "{output:?}");
    stranger.fails(5, &["--ledger", &at, "cat", "P05.v1"], &["not published"]);
    stranger.ok(&["--ledger", &at, "verify-chain"]);
}

#[test]
fn a_published_ledger_is_not_written_to() {
    let (_world, folder) = published("prompts");
    let (stranger, at) = stranger(&folder);
    let before = tree(&folder);
    for args in [
        &["dev", "--prompts", "P00"][..],
        &["init"],
        &["attach", "--run-record", "x.json"],
        &["key", "rotate"],
        &["erase", "blake3:0123456789", "--reason", "x"],
        &["doctor"],
        &["doctor", "--rebuild-index"],
        &["snapshot", "create", "v1"],
        &["prompt", "add", "x.md"],
        &["session", "import", "x.json"],
    ] {
        let output = stranger.run(&[&["--ledger", &at], args].concat());
        assert!([1, 2].contains(&output.code), "{args:?}: {output:?}");
    }
    stranger.fails(1, &["--ledger", &at, "dev", "--prompts", "P00"], &["only read"]);
    assert_eq!(tree(&folder), before);
    assert!(!stranger.home.join(".config/promptos/id_ed25519").exists(), "no key is made in vain");
}

#[test]
fn an_older_checkpoint_is_noticed_by_whoever_saw_the_newer_one() {
    let (world, folder) = published("prompts");
    let older = world.root().join("older");
    copy_folder(&folder, &older);
    world.ok(&["dev", "--prompts", "P07"]);
    world.ok(&["publish", folder.to_str().unwrap()]);
    let (stranger, at) = stranger(&folder);
    let report = stranger.json(&["--ledger", &at, "verify-chain"]);
    assert_eq!(report["size"], 5);
    // The newer files under the older checkpoint, and a whole older copy.
    fs::copy(older.join("checkpoint"), folder.join("checkpoint")).unwrap();
    for at in [&at, older.to_str().unwrap()] {
        for args in [&["verify-chain"][..], &["log"], &["trace", "R-17"], &["show", "1"], &["cat", "P05.v1"]]
        {
            stranger.fails(3, &[&["--ledger", at], args].concat(), &[]);
        }
        let other = World::new();
        let report = other.json(&["--ledger", at, "verify-chain"]);
        assert_eq!((&report["size"], &report["rung"]), (&4.into(), &"consistent".into()));
    }
    // The owner's own pin, too; and the owner goes on finding the ledger where it is.
    world.fails(3, &["--ledger", older.to_str().unwrap(), "verify-chain"], &[]);
    world.ok(&["verify-chain"]);
    fs::remove_dir_all(world.path(".promptos")).unwrap();
    world.fails(3, &["log"], &["is gone"]);
}

#[test]
fn another_ledger_in_its_place_is_noticed() {
    let (_world, folder) = published("prompts");
    let (stranger, at) = stranger(&folder);
    stranger.ok(&["--ledger", &at, "verify-chain"]);
    let (_other, elsewhere) = published("prompts");
    fs::remove_dir_all(&folder).unwrap();
    copy_folder(&elsewhere, &folder);
    stranger.fails(3, &["--ledger", &at, "verify-chain"], &["is gone", "in its place"]);
    stranger.ok(&["--ledger", &at, "pin", "reset"]);
    stranger.ok(&["--ledger", &at, "verify-chain"]);
}

/// Every file altered, cut, replaced: exit 3. Absent: 5; a prompt that is absent ends its trace.
#[test]
fn every_reader_notices_what_was_changed() {
    let (_world, folder) = published("prompts");
    let (stranger, at) = stranger(&folder);
    let good = tree(&folder);
    let run = |args: &[&str]| stranger.run(&[&["--ledger", &at], args].concat()).code;
    for (name, bytes) in &good {
        let path = folder.join(name);
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 4;
        let other = good.values().find(|other| *other != bytes).unwrap().clone();
        for damage in [flipped, bytes[..bytes.len() / 2].to_vec(), Vec::new(), other] {
            fs::write(&path, &damage).unwrap();
            assert_eq!(run(&["verify-chain"]), 3, "{name}");
            let codes = [run(&["trace", "R-17"]), run(&["trace", "P00.v1"]), run(&["trace", "P05.v1"])];
            assert!(codes.contains(&3), "{name}: {codes:?}");
        }
        fs::remove_file(&path).unwrap();
        let content = name.starts_with("blob/");
        assert_eq!(run(&["verify-chain"]), if content { 0 } else { 5 }, "{name}");
        let codes = [run(&["trace", "R-17"]), run(&["trace", "P00.v1"]), run(&["trace", "P05.v1"])];
        assert!(codes.contains(&5), "{name}: {codes:?}");
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(run(&["verify-chain"]), 0);
}

#[test]
fn what_was_erased_is_gone_from_the_folder_too() {
    let (world, folder) = published("all");
    let at = folder.to_str().unwrap();
    let shown = world.json(&["show", "1"]);
    let digest = format!("blake3:{}", text(&shown, "/files/0/blake3"));
    world.ok(&["erase", &digest, "--reason", "not ours"]);
    world.ok(&["publish", at, "--blobs", "all"]);
    for (name, bytes) in tree(&folder) {
        assert!(!bytes.windows(7).any(|window| window == b"to keep"), "{name}");
    }
    let (stranger, at) = stranger(&folder);
    let report = stranger.json(&["--ledger", &at, "verify-chain"]);
    assert_eq!((&report["erased"], &report["absent"]), (&1.into(), &serde_json::json!([])));
    stranger.fails(1, &["--ledger", &at, "cat", &digest], &["erased"]);
    let shown = stranger.json(&["--ledger", &at, "show", "1"]);
    assert_eq!(shown["files"][0]["state"], "erased");
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_as_it_was() {
    let (world, folder) = published("prompts");
    world.write("other/thesis.tex", "x");
    world.refuses(1, &["publish", "other"], &["other files"]);
    world.refuses(1, &["publish", "other/thesis.tex"], &["no folder"]);
    world.refuses(1, &["publish", ".promptos"], &["other files"]);
    world.refuses(2, &["publish", "new", "--blobs", "some"], &[]);
    assert!(!world.path("new").exists());
    // A copy of the ledger that fell behind.
    let copy = world.root().join("copy.redb");
    fs::copy(world.ledger(), &copy).unwrap();
    world.ok(&["dev", "--prompts", "P07"]);
    world.ok(&["publish", folder.to_str().unwrap()]);
    let other = World::new();
    let args = ["--ledger", copy.to_str().unwrap(), "publish", folder.to_str().unwrap()];
    other.refuses(3, &args, &["went back", "nothing was changed there"]);
    let (stranger, _) = published("none");
    stranger.refuses(1, &["publish", folder.to_str().unwrap()], &["another ledger"]);
}

/// Killed at any moment, the folder is what was published before or what is published now; and whoever publishes next
/// finishes it.
#[test]
fn a_publisher_that_is_killed_leaves_a_published_ledger() {
    let wanted: u32 = std::env::var("PROMPTOS_KILLS").map_or(12, |text| text.parse().unwrap());
    let (world, folder) = published("all");
    let at = folder.to_str().unwrap();
    let (reader, _) = stranger(&folder);
    let (mut kills, mut behind, mut usual) = (0, 0, Duration::from_millis(60));
    let mut round = 0;
    while kills < wanted {
        round += 1;
        let prompts = if round % 2 == 0 { "P00" } else { "P05,P07" };
        world.ok(&["dev", "--prompts", prompts, "--notes", &format!("round {round}")]);
        let size = world.verified();
        let blobs = ["all", "prompts", "none"][round % 3];
        let mut command = world.promptos(&["publish", at, "--blobs", blobs]);
        let began = Instant::now();
        let mut child =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let end = usual * (round as u32 * 37 % 110) / 100;
        while began.elapsed() < end && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let _ = child.kill();
        let status = child.wait().unwrap();
        if status.code() == Some(0) {
            usual = (usual * 3 + began.elapsed()) / 4;
        } else {
            kills += 1;
        }
        // The reader's pin notices a checkpoint that goes back.
        let report = reader.json(&["--ledger", at, "verify-chain"]);
        let found = report["size"].as_u64().unwrap();
        assert!(found == size || (status.code().is_none() && found < size), "{report}");
        behind += u32::from(found < size);
    }
    world.ok(&["publish", at, "--blobs", "all"]);
    let clean = world.root().join("clean");
    world.ok(&["publish", clean.to_str().unwrap(), "--blobs", "all"]);
    let (all, clean) = (tree(&folder), tree(&clean));
    for (name, bytes) in &all {
        assert!(clean.get(name).map_or(name.contains(".p/"), |clean| clean == bytes), "{name}");
    }
    assert!(clean.keys().all(|name| all.contains_key(name)));
    println!("{kills} kills in {round} rounds, {behind} of them before the checkpoint");
}

#[test]
fn two_publishers_take_turns() {
    let (world, folder) = published("all");
    world.ok(&["dev", "--prompts", "P07"]);
    let at = folder.to_str().unwrap();
    let started: Vec<_> = ["all", "prompts", "none", "all"]
        .into_iter()
        .map(|blobs| {
            let mut command = world.promptos(&["publish", at, "--blobs", blobs]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in started {
        support::wait(child).ok();
    }
    world.ok(&["--ledger", at, "verify-chain"]);
    // Whoever holds the lock for long keeps the others out.
    let lock = fs::File::open(&folder).unwrap();
    lock.lock().unwrap();
    world.fails(5, &["--lock-timeout", "0.1", "publish", at], &["another process publishes"]);
}
