//! What is told of a key that fell into wrong hands, and of a ledger whose only admin key is lost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::Value;
use std::fs;
use support::{World, text};

/// A founder, and Bob, whose key is `bob` beside the project. Bob's sessions are entries 2 and 3 (the second binds
/// P05.v1), the founder's is 4; run 5 cites 3 and 4, run 6 cites 2.
fn team() -> (World, String) {
    let world = World::new();
    let bob = world.root().join("bob").to_str().unwrap().to_owned();
    world.run(&["init", "--as", "ada"]).ok();
    world.run(&["key", "new", &bob]).ok();
    let public = format!("{bob}.pub");
    world.run(&["key", "add", &public, "--identity", "bob", "--role", "user,admin"]).ok();
    world.run(&["--key", &bob, "dev", "--prompts", "P00", "--artifacts-dir", "early"]).ok();
    world.run(&["--key", &bob, "dev", "--prompts", "P00,P05", "--artifacts-dir", "late/bob"]).ok();
    world.run(&["dev", "--prompts", "P00,P05", "--artifacts-dir", "late/ada"]).ok();
    for (folder, run) in [("late", "R-late"), ("early", "R-early")] {
        world.run(&["--key", &bob, "export", "--session", "2", "--artifacts-dir", "early"]).ok();
        if folder == "late" {
            world.run(&["export", "--session", "3", "--artifacts-dir", "late/bob"]).ok();
            world.run(&["export", "--session", "4", "--artifacts-dir", "late/ada"]).ok();
        }
        world.write(&format!("{folder}/run_record.json"), format!(r#"{{"run_id": "{run}"}}"#));
        let record = format!("{folder}/run_record.json");
        world.run(&["attach", "--run-record", &record, "--artifacts-dir", folder]).ok();
    }
    (world, bob)
}

fn indexes(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|entry| entry["index"].as_u64().unwrap()).collect()
}

#[test]
fn a_compromised_key_is_told_with_all_that_stands_on_it() {
    let (world, bob) = team();
    let public = format!("{bob}.pub");
    assert_eq!(world.json(&["verify-chain"])["suspects"], Value::Array(vec![]));
    world.run(&["key", "revoke", &public, "--compromised-since", "3"]).ok();
    let report = world.json(&["verify-chain", "--require", "pinned"]);
    let [suspect] = report["suspects"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!(
        (text(suspect, "/identity"), &suspect["since"], &suspect["revoked"]),
        ("bob", &3.into(), &7.into())
    );
    assert_eq!((indexes(&suspect["signed"]), indexes(&suspect["standing"])), (vec![3], vec![5]));
    assert_eq!(suspect["binds"], serde_json::json!(["P05.v1"]));
    // No verdict depends on it, and a person is shown the same.
    let said = world.run(&["verify-chain"]).ok();
    for line in [
        "suspect   bob SHA256:",
        "from entry 3 on (revoked by entry 7)",
        "  bound   P05.v1",
        "  stands  run/R-late (entry 5 by 'ada')",
    ] {
        assert!(said.stdout.contains(line), "{line}: {said:?}");
    }
    assert!(!said.stdout.contains("R-early"), "{said:?}");

    let trace = world.run(&["trace", "R-late"]).ok().stdout;
    assert!(trace.starts_with("run R-late  stands on a suspect key\n"), "{trace}");
    assert_eq!(trace.matches("signed by a suspect key").count(), 1, "{trace}");
    let early = world.run(&["trace", "R-early"]).ok().stdout;
    assert!(!early.contains("suspect"), "{early}");

    let audit = world.run(&["prompt", "audit", "P05"]).ok().stdout;
    let marked: Vec<_> = audit.lines().filter(|line| line.contains("suspect key")).collect();
    assert_eq!(marked.len(), 3, "bound, used by the session, and the run: {audit}");
    let audit = world.json(&["prompt", "audit", "P05.v1"]);
    assert_eq!(audit["prompts"][0]["bound"]["entry"]["doubt"], "signed by a suspect key");
    assert_eq!(audit["prompts"][0]["runs"]["first"]["doubt"], "stands on a suspect key");
    assert_eq!(audit["prompts"][0]["sessions"]["last"].get("doubt"), None, "ada's session");
}

/// A snapshot, a session that stands under it, and a run of that session.
#[test]
fn what_stands_on_it_is_followed_to_its_end() {
    let world = World::new();
    let bob = world.root().join("bob").to_str().unwrap().to_owned();
    world.run(&["init", "--as", "ada"]).ok();
    world.run(&["key", "new", &bob]).ok();
    world.run(&["key", "add", &format!("{bob}.pub"), "--identity", "bob", "--role", "user"]).ok();
    world.run(&["--key", &bob, "snapshot", "create", "v1"]).ok(); // 2
    world.run(&["dev", "--prompts", "P00", "--artifacts-dir", "art"]).ok(); // 3
    world.run(&["export", "--artifacts-dir", "art"]).ok();
    world.write("art/run_record.json", r#"{"run_id": "R"}"#);
    world.run(&["attach", "--run-record", "art/run_record.json", "--artifacts-dir", "art"]).ok(); // 4
    world.run(&["key", "revoke", &format!("{bob}.pub"), "--compromised-since", "2"]).ok();
    let report = world.json(&["verify-chain"]);
    let suspect = &report["suspects"][0];
    assert_eq!((indexes(&suspect["signed"]), indexes(&suspect["standing"])), (vec![2], vec![3, 4]));
    assert_eq!(suspect["binds"], serde_json::json!([]), "a snapshot binds no refs");
}

#[test]
fn a_key_that_a_thief_brought_in_is_suspect_too() {
    let (world, bob) = team();
    let mallory = world.root().join("mallory").to_str().unwrap().to_owned();
    let next = world.root().join("next").to_str().unwrap().to_owned();
    for key in [&mallory, &next] {
        world.run(&["key", "new", key]).ok();
    }
    let add = ["key", "add", &format!("{mallory}.pub"), "--identity", "mallory", "--role", "user"];
    world.run(&[&["--key", bob.as_str()], add.as_slice()].concat()).ok(); // 7
    world.run(&["--key", &mallory, "dev", "--prompts", "P01"]).ok(); // 8
    world.run(&["--key", &bob, "key", "rotate", "--to", &next]).ok(); // 9
    // Bob's old key has ended; what it signed since entry 3 is marked by revoking the one that took its place.
    world.run(&["key", "revoke", &format!("{next}.pub"), "--compromised-since", "3"]).ok(); // 10
    let report = world.json(&["verify-chain"]);
    let suspects = report["suspects"].as_array().unwrap();
    let told: Vec<_> = suspects
        .iter()
        .map(|s| {
            (text(s, "/identity"), s["since"].as_u64().unwrap(), s["revoked"].as_u64(), indexes(&s["signed"]))
        })
        .collect();
    assert!(told.contains(&("bob", 3, Some(9), vec![3, 7, 9])), "{told:?}");
    assert!(told.contains(&("bob", 3, Some(10), vec![])), "{told:?}");
    assert!(told.contains(&("mallory", 7, None, vec![8])), "{told:?}");
    assert_eq!(told.len(), 3);
    world.run(&["verify-chain"]).expect(0, &["brought in by a suspect key, entry 7, and not revoked"]);
}

#[test]
fn evidence_says_what_it_knows_of_its_key() {
    let (world, bob) = team();
    let evidence = |entry: &str| {
        let folder = format!("out-{entry}");
        world.run(&["export", "--session", entry, "--artifacts-dir", &folder, "--force"]).ok();
        world.run(&["verify", &format!("{folder}/prompt_session.evidence.tar")]).ok()
    };
    let before = evidence("3");
    assert!(!before.stdout.contains("key  "), "{before:?}");
    before.expect(0, &["later revocation is not visible"]);
    let old = world.read("out-3/prompt_session.evidence.tar");
    world.run(&["key", "revoke", &format!("{bob}.pub"), "--compromised-since", "3"]).ok();
    evidence("3").expect(0, &["key       ended by entry 7; suspect from entry 3 on, and so is this one"]);
    evidence("2")
        .expect(0, &["key       ended by entry 7; suspect from entry:", "the evidence does not show"]);
    assert!(!evidence("4").stdout.contains("ended by"), "ada's key has not ended");
    let json = world.json(&["verify", "out-3/prompt_session.evidence.tar"]);
    assert_eq!(
        (&json["key_ended"], json["suspect_since"].as_str()),
        (&7.into(), json["entry"]["id"].as_str())
    );
    // What was handed out before knows nothing of it.
    fs::write(world.project.join("old.tar"), old).unwrap();
    let old = world.run(&["verify", "old.tar"]).ok();
    assert!(!old.stdout.contains("ended by"), "{old:?}");
}

#[test]
fn a_ledger_without_an_admin_key_is_followed_by_one_that_cites_it() {
    let (world, _) = team();
    let head = world.json(&["checkpoint"]);
    // The only key that could enrol another is gone.
    fs::remove_file(world.home.join(".config/promptos/id_ed25519")).unwrap();
    fs::remove_file(world.home.join(".config/promptos/id_ed25519.pub")).unwrap();
    world.run(&["init", "--new", "--as", "ada"]).expect(1, &["a ledger is there already", "move it away"]);
    fs::rename(world.project.join(".promptos"), world.project.join("ledger-1")).unwrap();
    world.run(&["dev", "--prompts", "P00"]).expect(3, &["is gone", "init --new"]);
    world.run(&["init", "--new", "--as", "ada"]).ok();
    let old = text(&head, "/origin").rsplit_once('/').unwrap().1;
    world.run(&["show", "0"]).expect(0, &["previous", old, "of 7 entries"]);
    world.run(&["dev", "--prompts", "P00"]).ok();
    world.run(&["verify-chain", "--require", "pinned"]).ok();
    // The old one stays what it was, for whoever reads it.
    let audit = world.run(&["--ledger", "ledger-1", "verify-chain"]).ok();
    assert!(audit.stdout.contains(text(&head, "/root")), "{audit:?}");
}
