//! Ledger files that are not what they should be: the wrong file, a damaged one, an older copy, a forked one,
//! another one, none.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::json;
use std::fs;
use std::path::Path;
use support::refusal::{CHUNKS, INDEX, META, OLD_SESSION, STATEMENTS, TILES, is_root};
use support::{World, copy_folder};

/// Every command that opens the ledger; the first four write.
const COMMANDS: &[&[&str]] = &[
    &["dev", "--prompts", "P00"],
    &["init"],
    &["key", "rotate", "--log-key"],
    &["session", "import", "old.json"],
    &["verify-chain"],
    &["log"],
    &["show", "0"],
    &["cat", "P00.v1"],
    &["trace", "P00.v1"],
    &["export", "--artifacts-dir", "out"],
    &["key", "list"],
];

/// Every command refuses the file that is in the ledger's place, says so, and changes nothing.
#[track_caller]
fn all_refuse(world: &World, code: i32, essentials: &[&str]) {
    world.write("old.json", OLD_SESSION);
    for command in COMMANDS {
        let output = world.refuses(code, command, essentials);
        assert_eq!(output.stdout, "", "{command:?}");
    }
}

/// A world with a key and no ledger, so that what a refusal would make shows.
fn with_key() -> World {
    let world = World::new();
    world.ok(&["key", "new"]);
    fs::create_dir(world.path(".promptos")).unwrap();
    world
}

#[test]
fn a_text_file_is_no_ledger() {
    let world = with_key();
    fs::write(world.ledger(), "dear diary\n").unwrap();
    all_refuse(&world, 1, &["ledger.redb is not a ledger", "name the ledger file"]);
}

#[test]
fn a_folder_is_no_ledger() {
    let world = with_key();
    fs::create_dir(world.ledger()).unwrap();
    all_refuse(&world, 1, &["is a folder, not a ledger"]);
}

#[test]
fn another_database_is_no_ledger() {
    let world = with_key();
    let db = Database::create(world.ledger()).unwrap();
    let write = db.begin_write().unwrap();
    write.open_table(TableDefinition::<u64, u64>::new("other")).unwrap().insert(1, 1).unwrap();
    write.commit().unwrap();
    drop(db);
    all_refuse(&world, 1, &["is a database, but not a ledger"]);
}

#[test]
fn an_empty_file_is_a_damaged_ledger() {
    let world = with_key();
    fs::write(world.ledger(), "").unwrap();
    all_refuse(&world, 3, &["is damaged: it is empty", "put a backup in its place"]);
}

#[test]
fn a_fifo_is_no_ledger_and_nobody_waits_for_it() {
    let world = with_key();
    if !std::process::Command::new("mkfifo").arg(world.ledger()).status().is_ok_and(|s| s.success()) {
        println!("skipped a_fifo_is_no_ledger: no mkfifo here");
        return;
    }
    world.fails(1, &["verify-chain"], &["ledger.redb", "not a ledger"]);
    world.fails(1, &["dev", "--prompts", "P00"], &["ledger.redb", "not a ledger"]);
}

fn edit_meta(path: &Path, key: &str, value: &[u8]) {
    let db = Database::open(path).unwrap();
    let write = db.begin_write().unwrap();
    write.open_table(META).unwrap().insert(key, value).unwrap();
    write.commit().unwrap();
}

#[test]
fn another_store_format_is_named() {
    let world = World::with_session();
    edit_meta(&world.ledger(), "format", &5_u32.to_be_bytes());
    all_refuse(&world, 1, &["was written by a newer promptos (store format 5", "upgrade promptos"]);
    edit_meta(&world.ledger(), "format", &3_u32.to_be_bytes());
    all_refuse(&world, 1, &["was written by an older promptos (store format 3", "doctor --rescue"]);
    edit_meta(&world.ledger(), "format", &4_u32.to_be_bytes());
    assert_eq!(world.verified(), 2);
}

#[test]
fn a_truncated_ledger_is_damaged() {
    let world = World::with_session();
    let whole = fs::read(world.ledger()).unwrap();
    for length in [1, 9, 100, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        fs::write(world.ledger(), &whole[..length]).unwrap();
        let found = world.run(&["verify-chain"]);
        // The last byte may be one that nothing needs; whatever is needed is missed.
        if length < whole.len() - 1 || found.code != 0 {
            found.failed(3, &["damaged"]);
            world.fails(3, &["dev", "--prompts", "P00"], &["damaged"]);
        }
    }
    fs::write(world.ledger(), &whole).unwrap();
    assert_eq!(world.verified(), 2);
}

#[test]
fn flipped_bits_are_found_or_harmless() {
    let world = World::with_session();
    let whole = fs::read(world.ledger()).unwrap();
    let says = world.json(&["log"]);
    let mut found = 0;
    for step in 0..60 {
        let mut file = whole.clone();
        let at = step * file.len() / 60 + 17;
        file[at] ^= 1 << (step % 8);
        fs::write(world.ledger(), &file).unwrap();
        let output = world.run(&["verify-chain"]);
        match output.code {
            // A byte of a page that nothing uses.
            0 => assert_eq!(world.json(&["log"]), says, "byte {at}"),
            _ => {
                found += 1;
                output.failed(3, &["error:"]);
            }
        }
    }
    assert!(found > 0);
}

#[test]
fn no_ledger_says_how_to_make_one() {
    let world = World::new();
    world.write("old.json", OLD_SESSION);
    for command in &COMMANDS[4..] {
        world.refuses(1, command, &["there is no ledger here", "promptos init"]);
    }
    world.refuses(1, &["--ledger", "nowhere/x.redb", "log"], &["nowhere/x.redb is missing"]);
    world.refuses(1, &["-C", "nowhere", "log"], &["cannot go to nowhere"]);
}

#[test]
fn a_ledger_that_was_seen_is_missed() {
    let world = World::with_session();
    let head = world.json(&["verify-chain"]);
    fs::remove_file(world.ledger()).unwrap();
    let essentials = ["the ledger that was here is gone", "had 2 entries", "init --new", "pin reset"];
    all_refuse(&world, 3, &essentials);

    let made = world.run(&["init", "--new"]);
    assert_eq!(made.code, 0, "{made:?}");
    let shown = world.ok(&["show", "0"]);
    let previous = format!("entry:{} of 2 entries", head["ledger"].as_str().unwrap());
    assert!(shown.contains(&previous), "{shown}");
    assert_eq!(world.verified(), 1);
    world.ok(&["dev", "--prompts", "P00"]);
    world.refuses(1, &["init", "--new"], &["a ledger is there already", "move it away"]);
}

#[test]
fn a_reset_pin_is_no_longer_missed() {
    let world = World::with_session();
    fs::remove_file(world.ledger()).unwrap();
    world.ok(&["pin", "reset"]);
    world.refuses(1, &["verify-chain"], &["there is no ledger here"]);
    world.ok(&["dev", "--prompts", "P00"]);
    assert_eq!(world.verified(), 2);
    world.refuses(2, &["pin", "reset", "xyz"], &["'xyz' is not a ledger id", "pin show"]);
    world.refuses(1, &["pin", "reset", &"0".repeat(64)], &["no pin of ledger 0000"]);
}

#[test]
fn a_damaged_pin_can_be_reset_as_the_message_says() {
    let world = World::with_session();
    let id = world.json(&["verify-chain"])["ledger"].as_str().unwrap().to_owned();
    fs::write(world.config().join(format!("pins/{id}.pin")), "not a pin").unwrap();
    let command = format!("promptos pin reset {id}");
    world.refuses(1, &["dev", "--prompts", "P00"], &["is not a pin", &command]);
    world.refuses(1, &["verify-chain"], &["is not a pin", &command]);
    world.ok(&["pin", "reset", &id]);
    world.ok(&["dev", "--prompts", "P00"]);
    assert_eq!(world.verified(), 3);
}

/// Three sessions, and a copy of the ledger from before the last two.
fn with_older_copy() -> (World, Vec<u8>) {
    let world = World::with_session();
    let old = fs::read(world.ledger()).unwrap();
    world.ok(&["dev", "--prompts", "P01"]);
    world.ok(&["dev", "--prompts", "P05"]);
    (world, old)
}

#[test]
fn an_older_copy_went_back() {
    let (world, old) = with_older_copy();
    let newer = fs::read(world.ledger()).unwrap();
    fs::write(world.ledger(), old).unwrap();
    world.refuses(3, &["verify-chain"], &["the ledger does not hold"]);
    let json = support::finish(world.promptos(&["verify-chain", "--json"]).env("COLUMNS", "80"));
    let report = json.failed(3, &[]).json();
    assert_eq!(report["findings"][0]["code"], "went-back", "{report}");
    assert_eq!(report["schema"], "promptos.verify-chain/1");
    assert_eq!(report["rung"], json!(null));
    world.refuses(
        3,
        &["dev", "--prompts", "P00"],
        &["the ledger went back: it has 2 entries, and had 4", "head now", "head seen", "pin reset"],
    );
    // Who restores the newer file goes on; who resets the pin accepts the loss.
    let older = fs::read(world.ledger()).unwrap();
    fs::write(world.ledger(), newer).unwrap();
    assert_eq!(world.verified(), 4);
    fs::write(world.ledger(), older).unwrap();
    world.ok(&["pin", "reset"]);
    world.ok(&["dev", "--prompts", "P00"]);
    assert_eq!(world.verified(), 3);
}

#[test]
fn a_forked_ledger_is_named_so() {
    for more in [0, 1] {
        let (world, old) = with_older_copy();
        // The same ledger, continued by the same person elsewhere, where its pin is not known.
        let other = World::new();
        copy_folder(&world.path(".promptos"), &other.path(".promptos"));
        fs::write(other.ledger(), old).unwrap();
        let key = world.key();
        for _ in 0..2 + more {
            other.ok(&["--key", key.to_str().unwrap(), "dev", "--prompts", "P06"]);
        }
        assert_eq!(other.verified(), 4 + more);
        fs::copy(other.ledger(), world.ledger()).unwrap();

        world.refuses(
            3,
            &["dev", "--prompts", "P00"],
            &["the ledger forked: it does not extend the 4 entries seen before", "head now", "head seen"],
        );
        let report = support::finish(world.promptos(&["verify-chain"]).arg("--json")).failed(3, &[]).json();
        assert_eq!(report["findings"][0]["code"], "forked", "{report}");
        // Evidence from the other branch, when its head is of the very size that was seen.
        other.ok(&["--key", key.to_str().unwrap(), "export", "--artifacts-dir", "out"]);
        let evidence = other.path("out/prompt_session.evidence.tar");
        let evidence = world.run(&["verify", evidence.to_str().unwrap()]);
        match more {
            0 => drop(evidence.failed(3, &["the ledger forked", "held", "evidence"])),
            _ => drop(evidence.ok()),
        }
        let since =
            support::finish(&mut world.promptos(&["verify-chain", "--since-pin", "--json"])).failed(3, &[]);
        assert_eq!(since.json()["findings"][0]["code"], "forked");
    }
}

#[test]
fn another_ledger_in_its_place_is_a_loss() {
    let world = World::with_session();
    let stranger = World::with_session();
    fs::copy(stranger.ledger(), world.ledger()).unwrap();
    let essentials = ["the ledger that was here is gone", "pin reset"];
    world.refuses(3, &["dev", "--prompts", "P00"], &essentials);
    world.refuses(3, &["verify-chain"], &essentials);
}

#[test]
fn another_ledger_of_ones_own_in_its_place_is_a_loss_too() {
    let world = World::with_session();
    world.ok(&["--ledger", "second.redb", "dev", "--prompts", "P00"]);
    fs::copy(world.path("second.redb"), world.ledger()).unwrap();
    let essentials = ["the ledger that was here is gone", "pin reset"];
    world.refuses(3, &["dev", "--prompts", "P00"], &essentials);
    world.refuses(3, &["verify-chain"], &essentials);
    // The other one is as good as before where it is at home.
    world.ok(&["--ledger", "second.redb", "dev", "--prompts", "P00"]);
}

#[test]
fn a_moved_project_is_still_its_own() {
    let world = World::with_session();
    let moved = world.root().join("moved");
    fs::rename(&world.project, &moved).unwrap();
    fs::create_dir(&world.project).unwrap();
    world.ok(&["-C", moved.to_str().unwrap(), "dev", "--prompts", "P00"]);
    // Nothing is missed where it was.
    world.ok(&["dev", "--prompts", "P00"]);
}

#[test]
fn a_log_key_of_another_ledger_signs_nothing() {
    let world = World::with_session();
    let stranger = World::with_session();
    let own = fs::read(world.path(".promptos/log.key")).unwrap();
    fs::copy(stranger.path(".promptos/log.key"), world.path(".promptos/log.key")).unwrap();
    world.refuses(3, &["dev", "--prompts", "P00"], &["log key", "restore log.key"]);
    fs::remove_file(world.path(".promptos/log.key")).unwrap();
    world.refuses(1, &["dev", "--prompts", "P00"], &["log.key", "restore both"]);
    assert_eq!(world.verified(), 2);
    fs::write(world.path(".promptos/log.key"), own).unwrap();
    world.refuses(1, &["dev", "--prompts", "P00"], &["log.key", "chmod 600"]);
}

#[test]
fn an_unreadable_ledger_says_whose_fault_it_is() {
    if is_root() {
        println!("skipped an_unreadable_ledger_says_whose_fault_it_is: root may read everything");
        return;
    }
    let world = World::with_session();
    let mode = |mode| fs::set_permissions(world.ledger(), std::os::unix::fs::PermissionsExt::from_mode(mode));
    mode(0o000).unwrap();
    world.fails(1, &["log"], &["no permission to use", "ledger.redb"]);
    mode(0o444).unwrap();
    world.fails(1, &["dev", "--prompts", "P00"], &["no permission to use", "ledger.redb"]);
    assert_eq!(world.verified(), 2);
}

#[test]
fn a_statement_beyond_the_head_is_not_read() {
    let world = World::with_session();
    let head = {
        let db = Database::open(world.ledger()).unwrap();
        let read = db.begin_read().unwrap();
        read.open_table(META).unwrap().get("head").unwrap().unwrap().value().to_vec()
    };
    let mut shorter = head;
    shorter[7] = 1;
    edit_meta(&world.ledger(), "head", &shorter);
    // The pin knows of two entries; without it the tree does not fit the head.
    world.refuses(3, &["verify-chain"], &["does not hold"]);
    world.ok(&["pin", "reset"]);
    world.fails(3, &["verify-chain"], &["does not hold"]);
    world.fails(3, &["dev", "--prompts", "P00"], &["error:"]);
}

/// Changes one row of a table of the ledger file.
fn edit<K: redb::Key + 'static>(
    world: &World,
    table: redb::TableDefinition<'_, K, &'static [u8]>,
    change: impl FnOnce(&mut redb::Table<'_, K, &'static [u8]>),
) {
    let db = Database::open(world.sorted_in()).unwrap();
    let write = db.begin_write().unwrap();
    change(&mut write.open_table(table).unwrap());
    write.commit().unwrap();
}

#[test]
fn what_is_changed_in_the_file_is_named_by_its_code() {
    let flip = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
    type Change<'a> = &'a dyn Fn(&World);
    let cases: [(&str, Change<'_>); 7] = [
        ("damaged", &|w| edit(w, STATEMENTS, |t| drop(t.remove(1).unwrap()))),
        ("malformed", &|w| edit(w, STATEMENTS, |t| drop(t.insert(1, &b"forged"[..]).unwrap()))),
        ("bad-signature", &|w| {
            edit(w, STATEMENTS, |t| {
                let mut bytes = t.get(1).unwrap().unwrap().value().to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                t.insert(1, bytes.as_slice()).unwrap();
            });
        }),
        ("tree", &|w| edit(w, TILES, |t| drop(t.insert(255 << 56, &[7; 64][..]).unwrap()))),
        ("checkpoint", &|w| edit_meta(&w.ledger(), "checkpoint", b"not signed\n")),
        ("index", &|w| {
            edit(w, INDEX, |t| {
                let row = t.range::<&[u8]>(&b"r"[..]..).unwrap().next().unwrap().unwrap();
                let (key, value) = (row.0.value().to_vec(), flip(row.1.value()));
                drop(row);
                t.insert(key.as_slice(), value.as_slice()).unwrap();
            });
        }),
        ("altered-content", &|w| {
            edit(w, CHUNKS, |t| {
                let row = t.first().unwrap().unwrap();
                let (key, value) = (row.0.value().to_vec(), flip(row.1.value()));
                drop(row);
                t.insert(key.as_slice(), value.as_slice()).unwrap();
            });
        }),
    ];
    for (code, change) in cases {
        let world = World::with_session();
        change(&world);
        let report = world.run(&["--json", "verify-chain"]).failed(3, &["the ledger does not hold"]).json();
        let codes: Vec<_> =
            report["findings"].as_array().unwrap().iter().map(|f| f["code"].clone()).collect();
        assert!(codes.iter().any(|found| found == code), "{code}: {codes:?}");
        assert_eq!(report["rung"], json!(null), "{code}");
        let shown = world.refuses(3, &["verify-chain"], &["the ledger does not hold"]);
        assert!(shown.stdout.contains(&format!("{code}: ")), "{shown:?}");
        assert!(shown.stdout.contains("rung      none"), "{shown:?}");
    }
}
