//! `prompt audit`: the catalog beside what the ledger says of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::{Value, json};
use support::{World, text};

fn prompt(id: &str, version: u32, status: &str, fields: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: {version}\nrole: task\nsummary: Does {id}\nowner: tests\nstatus: {status}\n\
         inputs: []\noutput_contract: {{mode: text}}\n{fields}---\n{id} does {version}\n"
    )
}

/// A ledger with everything that an audit tells apart: `a` used twice and run once, `b` used though deprecated, `c`
/// bound and gone, `d` never bound, `e` in the snapshot only.
fn history() -> World {
    let world = World::new();
    world.write("promptos.toml", "[catalog]\nbuiltin = false\n");
    world.write("prompts/a.md", prompt("a", 1, "current", "scope: agent\n"));
    world.write("prompts/a2.md", prompt("a", 2, "draft", ""));
    world.write("prompts/a10.md", prompt("a", 10, "draft", "scope: user\n"));
    world.write("prompts/b.md", prompt("b", 1, "deprecated", "scope: user\n"));
    let c = world.write("prompts/c.md", prompt("c", 1, "current", "scope: global\n"));
    let e = world.write("prompts/e.md", prompt("e", 1, "current", ""));
    world.run(&["init", "--as", "ada"]).ok();
    world.run(&["snapshot", "create", "one"]).ok();
    let dev = |prompts: &str, folder: &str| {
        world.run(&["dev", "--prompts", prompts, "--developer", "ada", "--artifacts-dir", folder]).ok();
    };
    dev("a.v1,b.v1", "artifacts");
    world.write("artifacts/run_record.json", r#"{"run_id": "R-1"}"#);
    world.run(&["attach", "--run-record", "artifacts/run_record.json"]).ok();
    dev("a.v1", "later");
    world.run(&["prompt", "add", "prompts/c.md"]).ok();
    std::fs::remove_file(c).unwrap();
    std::fs::remove_file(e).unwrap();
    world.write("prompts/d.md", prompt("d", 1, "current", ""));
    world
}

fn row<'a>(report: &'a Value, reference: &str) -> &'a Value {
    let rows = report["prompts"].as_array().unwrap();
    rows.iter().find(|row| row["ref"] == reference).unwrap_or_else(|| panic!("no {reference} in {report}"))
}

fn refs(report: &Value) -> Vec<&str> {
    report["prompts"].as_array().unwrap().iter().map(|row| text(row, "/ref")).collect()
}

#[test]
fn every_ref_is_told_with_who_bound_it_and_what_used_it() {
    let world = history();
    let report = world.json(&["prompt", "audit"]);
    assert_eq!(report["schema"], "promptos.prompt-audit/1");
    // Versions by number, and not by their digits.
    assert_eq!(refs(&report), ["a.v1", "a.v2", "a.v10", "b.v1", "c.v1", "d.v1", "e.v1"]);
    assert_eq!(report["count"], 7);
    assert_eq!(report["versions"]["a"], json!(["1", "2", "10"]));

    let a = row(&report, "a.v1");
    assert_eq!((&a["marks"], &a["status"], &a["scope"]), (&json!([]), &json!("current"), &json!("agent")));
    assert_eq!((&a["sessions"]["count"], &a["runs"]["count"]), (&json!(2), &json!(1)));
    assert_eq!(a["sessions"]["first"]["index"], 2);
    assert_eq!(a["sessions"]["last"]["index"], 4);
    assert_eq!(a["sessions"].get("entries"), None);
    assert_eq!((&a["runs"]["first"], &a["runs"]["last"]["sub"]), (&a["runs"]["last"], &json!("run/R-1")));
    assert_eq!((&a["bound"]["entry"]["iss"], &a["bound"]["entry"]["index"]), (&json!("ada"), &json!(2)));
    assert!(text(a, "/bound/entry/time").ends_with('Z'));
    assert_eq!(a["bound"]["blake3"], a["catalog"]["blake3"]);
    assert_eq!(
        (&a["snapshots"][0]["name"], &a["snapshots"][0]["blake3"]),
        (&json!("one"), &a["bound"]["blake3"])
    );
    assert_eq!(a["snapshots"].as_array().unwrap().len(), 1);

    let marks = |reference: &str| row(&report, reference)["marks"].clone();
    assert_eq!(marks("b.v1"), json!(["used-though-deprecated"]));
    assert_eq!(marks("c.v1"), json!(["never-used", "gone"]));
    assert_eq!(marks("d.v1"), json!(["never-used", "never-bound"]));
    assert_eq!(marks("e.v1"), json!(["never-used", "never-bound", "gone"]));
    let c = row(&report, "c.v1");
    // What is gone from the catalog is judged by the bytes that the ledger has.
    assert_eq!(
        (&c["catalog"], &c["status"], &c["scope"]),
        (&Value::Null, &json!("current"), &json!("global"))
    );
    let counts = json!({"never_used": 5, "used_though_deprecated": 1, "never_bound": 4,
        "gone_from_the_catalog": 2, "other_bytes_than_bound": 0});
    assert_eq!(report["counts"], counts);

    world.run(&["prompt", "audit"]).expect(
        0,
        &[
            "a.v10",
            "entry 2 by 'ada' at ",
            "used though deprecated",
            "7 refs: 5 never used, 1 used though deprecated",
        ],
    );
}

#[test]
fn one_ref_or_id_is_told_with_every_use() {
    let world = history();
    let report = world.json(&["prompt", "audit", "a.v1"]);
    assert_eq!(refs(&report), ["a.v1"]);
    let sessions = report["prompts"][0]["sessions"]["entries"].as_array().unwrap();
    assert_eq!(sessions.iter().map(|entry| entry["index"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(report["prompts"][0]["runs"]["entries"][0]["sub"], "run/R-1");
    assert_eq!(refs(&world.json(&["prompt", "audit", "a"])), ["a.v1", "a.v2", "a.v10"]);
    world.run(&["prompt", "audit", "a.v1"]).expect(
        0,
        &[
            "versions  1, 2, 10",
            "used by   session/",
            "used by   run/R-1 (entry 3 by 'ada' at ",
            "in        snapshot/one",
        ],
    );
    world.run(&["prompt", "audit", "c"]).expect(0, &["has no such prompt", "gone from the catalog"]);

    let of_scope = |scope: &str| world.json(&["prompt", "audit", "--scope", scope]);
    assert_eq!(refs(&of_scope("user")), ["a.v10", "b.v1"]);
    assert_eq!(refs(&of_scope("agent")), ["a.v1"]);
    assert_eq!(refs(&of_scope("global")), ["c.v1"]);
    assert_eq!(refs(&world.json(&["prompt", "audit", "a", "--scope", "user"])), ["a.v10"]);
}

#[test]
fn other_bytes_than_bound_are_found_and_the_bound_ones_are_judged() {
    let world = history();
    // Current now, but what was used was deprecated.
    world.write("prompts/b.md", prompt("b", 1, "current", ""));
    let found =
        world.run(&["--json", "prompt", "audit"]).expect(4, &["b.v1 has other bytes than the ledger bound"]);
    let report = found.json();
    assert_eq!(row(&report, "b.v1")["marks"], json!(["used-though-deprecated", "other-bytes"]));
    assert_eq!(report["counts"]["other_bytes_than_bound"], 1);
    world.run(&["prompt", "audit", "b"]).expect(4, &["OTHER bytes", "status    deprecated", "a new version"]);
    // Of others nothing is wrong.
    world.run(&["prompt", "audit", "a"]).ok();
    // The catalog of the snapshot is what was bound.
    world.run(&["prompt", "audit", "--catalog", "snapshot:one"]).ok();
}

#[test]
fn a_status_is_of_the_time_of_use() {
    let world = history();
    // a.v1 was current when it was used; a deprecated file under its ref is another file.
    world.write("prompts/a.md", prompt("a", 1, "deprecated", ""));
    let report = world.run(&["--json", "prompt", "audit", "a.v1"]).expect(4, &[]).json();
    assert_eq!(report["prompts"][0]["status"], "current");
    assert_eq!(report["prompts"][0]["marks"], json!(["other-bytes"]));
}

#[test]
fn content_that_was_erased_leaves_its_uses() {
    let world = history();
    let report = world.json(&["prompt", "audit", "c"]);
    let address = text(&report["prompts"][0], "/bound/blake3").to_owned();
    world.run(&["erase", &format!("blake3:{address}"), "--reason", "a mistake"]).ok();
    let report = world.json(&["prompt", "audit", "c"]);
    assert_eq!(report["prompts"][0]["status"], Value::Null);
    assert_eq!(report["prompts"][0]["bound"]["blake3"], address);
    world.run(&["prompt", "audit", "c"]).expect(0, &["cannot be told"]);

    // What a snapshot had is not guessed at either.
    let snapshot = world.json(&["show", "1"]);
    let manifest = text(&snapshot, "/contents/0/content").split([' ', ',']);
    let manifest = manifest.into_iter().find(|word| word.starts_with("blake3:")).unwrap().to_owned();
    world.run(&["erase", &manifest, "--reason", "a mistake"]).ok();
    let report = world.json(&["prompt", "audit", "a.v1"]);
    assert_eq!(report["prompts"][0]["snapshots"], json!([]));
    assert_eq!(report["snapshots_unlisted"][0]["sub"], "snapshot/one");
    world.run(&["prompt", "audit", "a"]).expect(0, &["what the snapshot one had cannot be told"]);
}

#[test]
fn what_cannot_be_audited_is_said() {
    let world = World::new();
    world.write("prompts/d.md", prompt("d", 1, "current", ""));
    // Without a ledger nothing is bound, and none is made.
    let report = world.json(&["prompt", "audit", "d"]);
    assert_eq!(report["prompts"][0]["marks"], json!(["never-used", "never-bound"]));
    assert_eq!(report["ledger"], Value::Null);
    assert!(!world.project.join(".promptos").exists());
    world.run(&["prompt", "audit"]).expect(0, &["there is no ledger here", "d.v1"]);
    world.run(&["prompt", "audit", "P99"]).expect(1, &["there is no prompt `P99`"]);
    world.run(&["prompt", "audit", "d.v2"]).expect(1, &["no version 2"]);
    world.run(&["prompt", "audit", "--scope", "team"]).expect(2, &["team", "global"]);
    world.run(&["prompt", "audit", "--catalog", "snapshot:none"]).expect(1, &[]);
    world.run(&["--ledger", "not-there.redb", "prompt", "audit"]).expect(1, &["not-there.redb"]);
    world.write("broken.redb", "this is no ledger");
    let refused = world.run(&["--ledger", "broken.redb", "prompt", "audit"]);
    assert!(matches!(refused.code, 1 | 3), "{refused:?}");
    // A ledger that was seen and is gone is no ledger without entries.
    world.run(&["init"]).ok();
    std::fs::remove_file(world.project.join(".promptos/ledger.redb")).unwrap();
    world.run(&["prompt", "audit"]).expect(3, &["gone"]);
}
