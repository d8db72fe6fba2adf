//! `prompt where-used`: workflows, snapshots, sessions and runs that use a prompt.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::{Value, json};
use support::{World, finish, text};

fn prompt(id: &str, version: u32, status: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: {version}\nrole: task\nsummary: Does {id}\nowner: tests\nstatus: {status}\n\
         inputs: []\noutput_contract: {{mode: text}}\n---\n{id} does {version}\n"
    )
}

fn workflow(id: &str, prompts: &[&str]) -> String {
    let routes =
        "{completed: STOP, error: STOP, killed_timeout: STOP, killed_idle: STOP, killed_policy: STOP}";
    let step = |(at, prompt): (usize, &&str)| {
        format!("- {{id: s{at}, opcode: RUN_AGENT, agent: x, prompt: {prompt}, routes: {routes}}}\n")
    };
    let steps: String = prompts.iter().enumerate().map(step).collect();
    format!("workflow_id: {id}\nversion: 1\ndescription: d\nentry_step: s0\nsteps:\n{steps}")
}

/// `a` in two versions: the first used by two sessions, a run that was attached twice, two snapshots and a workflow;
/// the second by nothing but a snapshot and an id without a version. `b` is used by nothing.
fn history() -> World {
    let world = World::with_git("Ada", "ada@example.org");
    world.write("promptos.toml", "[catalog]\nbuiltin = false\n[policy]\nseparation = \"off\"\n");
    world.write("prompts/a1.md", prompt("a", 1, "current"));
    world.write(".gitignore", "/ignored\n");
    world.commit("a");
    world.run(&["init", "--as", "ada"]).ok();
    world.run(&["snapshot", "create", "one"]).ok();
    let dev = |folder: &str| {
        world.run(&["dev", "--prompts", "a.v1", "--developer", "ada", "--artifacts-dir", folder]).ok();
    };
    dev("artifacts");
    let record = world.write("artifacts/run_record.json", r#"{"run_id": "R-1"}"#);
    world.run(&["attach", "--run-record", record.to_str().unwrap()]).ok();
    world.write("artifacts/more.md", "more");
    world.run(&["attach", "--force", "--run-record", record.to_str().unwrap()]).ok();
    dev("later");
    world.write("prompts/a2.md", prompt("a", 2, "current"));
    world.commit("a2");
    world.run(&["snapshot", "create", "two"]).ok();
    world.write("flows/build.yaml", workflow("build", &["a.v1", "a", "a.v1"]));
    world.write("ignored/build.yml", workflow("ignored", &["a.v1"]));
    world.write(".hidden/build.yml", workflow("hidden", &["a.v1"]));
    world.write("other.yaml", "kind: Pod\nprompt: a.v1\n");
    world.write("prompts/b.md", prompt("b", 1, "draft"));
    world
}

fn indexes(users: &Value) -> Vec<(u64, bool)> {
    let users = users.as_array().unwrap().iter();
    users.map(|user| (user["index"].as_u64().unwrap(), user["superseded"].as_bool().unwrap())).collect()
}

#[test]
fn everything_that_uses_a_ref_is_told() {
    let world = history();
    let report = world.json(&["prompt", "where-used", "a.v1"]);
    assert_eq!(report["schema"], "promptos.prompt-where-used/1");
    assert_eq!((&report["wanted"], &report["workflows"]), (&json!({"ref": "a.v1"}), &json!(1)));
    let [row] = report["prompts"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(
        (&row["ref"], &row["standing"], &row["current"]),
        (&json!("a.v1"), &json!("superseded"), &json!("a.v2"))
    );
    assert_eq!(
        row["workflows"],
        json!([{"path": "flows/build.yaml", "workflow_id": "build", "version": "1", "line": 6,
            "steps": ["s0", "s2"], "named": "a.v1", "locked": null}])
    );
    assert_eq!(indexes(&row["snapshots"]), [(1, true), (6, false)]);
    assert_eq!(indexes(&row["sessions"]), [(2, false), (5, false)]);
    assert_eq!(indexes(&row["runs"]), [(3, true), (4, false)]);
    assert_eq!(row["runs"][1]["sub"], "run/R-1");
    assert!(text(row, "/runs/0/id").starts_with("entry:") && text(row, "/runs/0/time").ends_with('Z'));
    assert_eq!(
        (&row["bound"]["blake3"], &row["bound"]["entry"]["index"]),
        (&row["sessions"][0]["blake3"], &json!(2))
    );
    // From elsewhere in the project it is the same project.
    let report = support::World::run_in(
        &world,
        &world.project.join("flows"),
        &["--json", "prompt", "where-used", "a.v1"],
    );
    assert_eq!(report.ok().json()["prompts"][0]["workflows"].as_array().unwrap().len(), 1);
}

#[test]
fn an_id_is_all_its_versions() {
    let world = history();
    let report = world.json(&["prompt", "where-used", "a"]);
    let [one, two] = report["prompts"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(
        (&one["ref"], &two["ref"], &two["standing"]),
        (&json!("a.v1"), &json!("a.v2"), &json!("current"))
    );
    assert_eq!(two["workflows"][0]["named"], "a");
    assert_eq!(indexes(&two["snapshots"]), [(6, false)]);
    assert_eq!((&two["sessions"], &two["runs"], &two["bound"]), (&json!([]), &json!([]), &Value::Null));
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    let shown = finish(command.env("COLUMNS", "120").args(["prompt", "where-used", "a"])).ok();
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines[0], "a.v1  superseded by a.v2");
    assert_eq!(lines[1], "  workflow  flows/build.yaml:6  build 1, steps s0, s2");
    assert!(
        lines[2].starts_with("  snapshot  one  entry 1 by 'ada' at ") && lines[2].ends_with("  superseded"),
        "{shown:?}"
    );
    assert!(lines.contains(&"a.v2  current"), "{shown:?}");
    assert!(
        lines.contains(&"  workflow  flows/build.yaml:7  build 1, step s1  as a, which stands for it now"),
        "{shown:?}"
    );
    assert_eq!(lines.last(), Some(&"2 refs: 1 workflow, 2 snapshots, 2 sessions, 0 renders, 2 runs"));
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    let narrow = finish(command.env("COLUMNS", "40").args(["prompt", "where-used", "a"])).ok();
    assert!(narrow.stdout.contains("\n  snapshot  one\n    entry 1 by 'ada' at "), "{narrow:?}");
}

#[test]
fn a_digest_is_found_under_every_ref() {
    let world = history();
    let digest = text(&world.json(&["prompt", "where-used", "a.v1"]), "/prompts/0/bound/blake3").to_owned();
    let same = |wanted: &str| {
        let report = world.json(&["prompt", "where-used", wanted]);
        assert_eq!(report["wanted"], json!({"blake3": digest}));
        let [row] = report["prompts"].as_array().unwrap().as_slice() else { panic!("{report}") };
        assert_eq!(row["ref"], "a.v1");
        assert_eq!(indexes(&row["sessions"]), [(2, false), (5, false)]);
        assert_eq!(row["workflows"].as_array().unwrap().len(), 1);
    };
    same(&digest);
    same(&format!("blake3:{digest}"));
    same(&digest[..12]);
    // Other bytes under the same ref are another content.
    world.write("prompts/a1.md", prompt("a", 1, "deprecated"));
    let report = world.json(&["prompt", "where-used", &digest]);
    assert_eq!(report["prompts"][0]["workflows"], json!([]));
    assert_eq!(indexes(&report["prompts"][0]["sessions"]), [(2, false), (5, false)]);
    world.run(&["prompt", "where-used", &"0".repeat(64)]).expect(0, &["0 refs: 0 workflows"]);
    world
        .run(&["prompt", "where-used", "blake3:00000000"])
        .expect(1, &["no content of the catalog or the ledger begins"]);
    world.run(&["prompt", "where-used", "blake3:xyz"]).expect(2, &["is no digest"]);
}

#[test]
fn a_lock_says_which_content() {
    let world = history();
    world.write("flows/build.yaml", workflow("build", &["a.v1"]));
    world.run(&["workflow", "check", "--lock", "flows/build.yaml"]).ok();
    let locked = |report: &Value| report["prompts"][0]["workflows"][0]["locked"].clone();
    assert_eq!(locked(&world.json(&["prompt", "where-used", "a.v1"])), true);
    let digest = text(&world.json(&["prompt", "where-used", "a.v1"]), "/prompts/0/bound/blake3").to_owned();
    world.write("prompts/a1.md", prompt("a", 1, "deprecated"));
    assert_eq!(locked(&world.json(&["prompt", "where-used", "a.v1"])), false);
    world.run(&["prompt", "where-used", "a.v1"]).expect(0, &["its lock has other bytes"]);
    // The workflow goes on meaning what it is locked to.
    let report = world.json(&["prompt", "where-used", &digest]);
    assert_eq!(report["prompts"][0]["workflows"].as_array().unwrap().len(), 1);
    world.write("flows/build.yaml.lock", "not a lock\n");
    world.run(&["prompt", "where-used", "a.v1"]).expect(0, &["build.yaml.lock", "1 workflow"]);
}

#[test]
fn what_nothing_uses_is_said() {
    let world = history();
    world.run(&["prompt", "where-used", "b"]).expect(
        0,
        &[
            "b.v1  draft",
            "  nothing uses it",
            "1 ref: 0 workflows, 0 snapshots, 0 sessions, 0 renders, 0 runs",
        ],
    );
    world.run(&["prompt", "where-used", "c"]).expect(1, &["there is no prompt `c`"]);
    world.run(&["prompt", "where-used", "a.v7"]).expect(1, &["no version 7"]);
    world.run(&["prompt", "where-used"]).expect(2, &[]);
    // What is gone from the catalog is still used.
    std::fs::remove_file(world.project.join("prompts/a1.md")).unwrap();
    world
        .run(&["prompt", "where-used", "a.v1"])
        .expect(0, &["a.v1  not in the catalog", "flows/build.yaml:6", "2 sessions"]);
    // A workflow alone may know of it, too.
    world.write("flows/other.yml", workflow("other", &["c.v1"]));
    world.run(&["prompt", "where-used", "c"]).expect(0, &["c.v1  not in the catalog", "flows/other.yml:6"]);
}

#[test]
fn files_may_be_named_and_must_be_workflows() {
    let world = history();
    world.write("ignored/two.yml", workflow("two", &["a.v2"]));
    let report = world.json(&["prompt", "where-used", "a", "ignored/build.yml", "ignored/two.yml"]);
    assert_eq!(report["workflows"], 2);
    assert_eq!(report["prompts"][0]["workflows"][0]["workflow_id"], "ignored");
    assert_eq!(report["prompts"][1]["workflows"][0]["workflow_id"], "two");
    world.run(&["prompt", "where-used", "a", "other.yaml"]).expect(1, &["other.yaml is no workflow"]);
    world.run(&["prompt", "where-used", "a", "none.yaml"]).expect(1, &["cannot read"]);
    // One that was found and cannot be read is not passed over in silence.
    world.write("flows/broken.yaml", "workflow_id: broken\nsteps: [\n");
    world
        .run(&["prompt", "where-used", "a"])
        .expect(0, &["flows/broken.yaml cannot be read", "flows/build.yaml:6"]);
    // Nor is what a snapshot had guessed at.
    let snapshot = world.json(&["show", "1"]);
    let manifest = text(&snapshot, "/contents/0/content")
        .split([' ', ','])
        .find(|word| word.starts_with("blake3:"))
        .unwrap()
        .to_owned();
    world.run(&["erase", &manifest, "--reason", "a mistake"]).ok();
    world.run(&["prompt", "where-used", "a"]).expect(0, &["what the snapshot one had cannot be told"]);
}

#[test]
fn without_git_and_without_a_ledger() {
    let world = World::new();
    world.write("promptos.toml", "[catalog]\nbuiltin = false\n");
    world.write("prompts/a.md", prompt("a", 1, "current"));
    world.write("flows/build.YAML", workflow("build", &["a.v1"]));
    for skipped in ["node_modules/x.yaml", "target/x.yaml", ".x/x.yaml", ".x.yaml", "flows/x.txt"] {
        world.write(skipped, workflow("skipped", &["a.v1"]));
    }
    world
        .run(&["prompt", "where-used", "a"])
        .expect(0, &["flows/build.YAML:6", "there is no ledger here", "1 ref: 1 workflow, 0 snapshots"]);
    assert!(!world.project.join(".promptos").exists());
    assert_eq!(world.json(&["prompt", "where-used", "a"])["ledger"], Value::Null);
    world.run(&["--ledger", "none.redb", "prompt", "where-used", "a"]).expect(1, &["none.redb"]);
    // A ledger that was seen and is gone is no ledger without entries.
    world.run(&["init"]).ok();
    std::fs::remove_file(world.project.join(".promptos/ledger.redb")).unwrap();
    world.run(&["prompt", "where-used", "a"]).expect(3, &["gone"]);
}
