//! `prompt diff`: what changed from one version to another, and which version that asks for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::{Value, json};
use support::{Output, World, finish, text};

fn prompt(version: &str, fields: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: a\nversion: {version}\nrole: task\nsummary: Does it\nowner: tests\nstatus: current\n\
         output_contract: {{mode: text}}\n{fields}---\n{body}\n"
    )
}

const NONE: &str = "inputs: []\n";
const NEEDED: &str = "inputs: [{name: scope, type: string, required: true}]\n";

/// A project with two versions of `a`, the second of which needs an input.
fn two() -> World {
    let world = World::new();
    world.write("promptos.toml", "[catalog]\nbuiltin = false\n");
    world.write("prompts/a1.md", prompt("1", NONE, "Do it."));
    world.write("prompts/a2.md", prompt("2", NEEDED, "Do {{ scope }}."));
    world
}

fn impacts(report: &Value) -> Vec<(&str, &str)> {
    let changes = report["changes"].as_array().unwrap();
    changes.iter().map(|change| (text(change, "/field"), text(change, "/impact"))).collect()
}

fn in_columns(world: &World, columns: &str, args: &[&str]) -> Output {
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    finish(command.env("COLUMNS", columns).args(args))
}

#[test]
fn an_id_is_its_two_newest_versions() {
    let world = two();
    let wide = in_columns(&world, "80", &["prompt", "diff", "a"]).ok();
    assert_eq!(
        wide.stdout,
        "\
--- a.v1 (prompts: a1.md)
+++ a.v2 (prompts: a2.md)
@@ -1,11 +1,11 @@
 ---
 prompt_id: a
-version: 1
+version: 2
 role: task
 summary: Does it
 owner: tests
 status: current
 output_contract: {mode: text}
-inputs: []
+inputs: [{name: scope, type: string, required: true}]
 ---
-Do it.
+Do {{ scope }}.

breaking    inputs.scope: \"string, required\" is new
            who does not know of it is refused: it needs a value
compatible  template
            the model is told something else; what is given to it and comes back
            has the same form
compatible  template.variables: \"scope\" is new
            the template uses what is declared
breaking: asks for a.v2; it says v2: enough
"
    );
    let narrow = in_columns(&world, "40", &["prompt", "diff", "a.v1", "a.v2"]).ok();
    let meaning = narrow.stdout.split("\n\n").nth(1).unwrap();
    assert_eq!(
        meaning,
        "\
breaking
  inputs.scope: \"string, required\" is
  new
  who does not know of it is refused: it
  needs a value
compatible
  template
  the model is told something else; what
  is given to it and comes back has the
  same form
compatible
  template.variables: \"scope\" is new
  the template uses what is declared
breaking: asks for a.v2; it says v2:
enough
"
    );
    let report = world.json(&["prompt", "diff", "a"]);
    assert_eq!(report["schema"], "promptos.prompt-diff/1");
    assert_eq!((&report["from"]["ref"], &report["to"]["ref"]), (&json!("a.v1"), &json!("a.v2")));
    assert_eq!((&report["verdict"], &report["same_bytes"]), (&json!("breaking"), &json!(false)));
    assert_eq!(report["asks"], json!({"ref": "a.v2", "version": "2", "enough": true, "bound": null}));
    assert_eq!(
        impacts(&report),
        [("inputs.scope", "breaking"), ("template", "compatible"), ("template.variables", "compatible")]
    );
    assert!(text(&report, "/text").contains("\n-Do it.\n+Do {{ scope }}.\n"));
    // The newest two, by number, drafts as well.
    world.write("prompts/a10.md", prompt("10", NEEDED, "Do {{ scope }}.").replace("current", "draft"));
    let report = world.json(&["prompt", "diff", "a"]);
    assert_eq!((&report["from"]["ref"], &report["to"]["ref"]), (&json!("a.v2"), &json!("a.v10")));
    assert_eq!(impacts(&report), [("status", "compatible")]);
    // A version is compared with the one before it.
    let report = world.json(&["prompt", "diff", "a.v2"]);
    assert_eq!((&report["from"]["ref"], &report["to"]["ref"]), (&json!("a.v1"), &json!("a.v2")));
}

#[test]
fn a_version_too_low_is_said() {
    let world = two();
    world
        .run(&["prompt", "diff", "a.v2", "a.v1"])
        .expect(0, &["breaking: asks for a.v3; it says v1: too low"]);
    let changed = world.write("changed.md", prompt("1", NONE, "Do it well."));
    let unused = "asks for a.v2; it says v1: too low, unless nobody has used v1 yet";
    world.run(&["prompt", "diff", "a.v1", "changed.md"]).expect(0, &[unused]);
    world.run(&["init", "--as", "ada"]).ok();
    world.run(&["prompt", "diff", "a.v1", "changed.md"]).expect(0, &[unused]);
    world.run(&["prompt", "add", "prompts/a1.md"]).ok();
    let used = "it says v1: too low, since entry 1 binds other bytes to that";
    world.run(&["prompt", "diff", "a.v1", "changed.md"]).expect(0, &[used]);
    let report = world.json(&["prompt", "diff", "a.v1", changed.to_str().unwrap()]);
    assert_eq!((&report["asks"]["enough"], &report["asks"]["bound"]["index"]), (&json!(false), &json!(1)));
}

#[test]
fn one_version_is_compared_with_what_was_bound() {
    let world = two();
    std::fs::remove_file(world.project.join("prompts/a2.md")).unwrap();
    let nothing = world.run(&["prompt", "diff", "a"]);
    nothing
        .expect(1, &["there is no version before a.v1", "no ledger here has its bytes", "--against LOCATOR"]);
    world.run(&["init", "--as", "ada"]).ok();
    world.run(&["prompt", "add", "prompts/a1.md"]).ok();
    world.run(&["prompt", "diff", "a"]).expect(0, &["a.v1: the same bytes", "as the ledger bound it"]);
    world.write("prompts/a1.md", prompt("1", NONE, "Do it well."));
    world.run(&["prompt", "diff", "a"]).expect(
        0,
        &[
            "--- a.v1 (bound by entry 1 (prompt/a.v1))",
            "+Do it well.",
            "compatible: asks for a.v2",
            "entry 1 binds",
        ],
    );
    // What was bound is gone, and nothing else is there.
    let report = world.run(&["--json", "prompt", "audit", "a"]).expect(4, &[]).json();
    let address = text(&report, "/prompts/0/bound/blake3").to_owned();
    world.run(&["erase", &format!("blake3:{address}"), "--reason", "a mistake"]).ok();
    world.run(&["prompt", "diff", "a"]).expect(1, &["nothing else to compare it with"]);
}

#[test]
fn one_version_is_compared_with_the_last_commit() {
    let world = World::with_git("Ada", "ada@example.org");
    world.write("promptos.toml", "[catalog]\nbuiltin = false\n");
    world.write("prompts/a.md", prompt("1", NONE, "Do it."));
    world.run(&["prompt", "diff", "a"]).expect(1, &["no commit has it"]);
    world.commit("a");
    world.git(&["tag", "v1"]).ok();
    world.write("prompts/a.md", prompt("2", NEEDED, "Do {{ scope }}."));
    // Another version is no version before it that is still there.
    world.run(&["prompt", "diff", "a"]).expect(1, &["there is no version before a.v2"]);
    world.run(&["prompt", "diff", "a", "--against", "git:v1"]).expect(
        0,
        &[
            "--- a.v1 (git:v1:prompts: a.md)",
            "+++ a.v2 (prompts: a.md)",
            "breaking: asks for a.v2; it says v2: enough",
        ],
    );
    world.write("prompts/a.md", prompt("1", NONE, "Do it well."));
    world.run(&["prompt", "diff", "a"]).expect(0, &["as the last commit has it", "-Do it.", "+Do it well."]);
    // Both sides elsewhere, and a file against the tag.
    world.commit("b");
    let report = world.json(&["prompt", "diff", "a", "--against", "git:v1", "--catalog", "git:HEAD"]);
    assert_eq!(text(&report, "/to/place"), "git:HEAD:prompts: a.md");
    assert_eq!(report["verdict"], "compatible");
    let report = world.json(&["prompt", "diff", "./prompts/a.md", "--against", "git:v1"]);
    assert_eq!(report["verdict"], "compatible");
    world
        .run(&["prompt", "diff", "a.v7", "--against", "git:v1"])
        .expect(1, &["has no version 7", "--against names"]);
    world.run(&["prompt", "diff", "a", "--against", "git:nowhere"]).expect(1, &["nowhere"]);
    world.run(&["prompt", "diff", "a", "--against", "git"]).expect(2, &["names no revision"]);
}

#[test]
fn files_are_compared_as_they_are() {
    let world = two();
    let report = world.json(&["prompt", "diff", "prompts/a1.md", "./prompts/a2.md"]);
    assert_eq!(report["verdict"], "breaking");
    let report = world.json(&["prompt", "diff", "./prompts/a2.md"]);
    assert_eq!(report["from"]["ref"], "a.v1");
    // What a terminal obeys is shown, and no line end is no line end.
    world.write("b.md", prompt("3", NONE, "x\u{1b}[31m\u{202e}\r").trim_end());
    let shown = world.run(&["--color", "always", "prompt", "diff", "a.v1", "b.md"]).ok();
    assert!(
        shown.stdout.contains("+x\\u{1b}[31m\\u{202e}") && !shown.stdout.contains("\u{1b}[31m\u{202e}"),
        "{shown:?}"
    );
    assert!(shown.stdout.contains("\\ No newline at end of file"), "{shown:?}");
    assert!(
        shown.stdout.contains("\u{1b}[") && !world.run(&["prompt", "diff", "a"]).stdout.contains('\u{1b}')
    );
    let report = world.json(&["prompt", "diff", "a.v1", "b.md"]);
    assert!(text(&report, "/text").ends_with("\\ No newline at end of file\n"));
    // A long line does not fill the terminal.
    world.write("c.md", prompt("3", NONE, &"é".repeat(1 << 20)));
    let shown =
        world.run(&["prompt", "diff", "a.v1", "c.md"]).expect(0, &["characters more; --json has them"]);
    assert!(shown.stdout.len() < 20_000);
    // What changed of it is shown, wherever it is.
    let long = |word: &str| prompt("3", NONE, &format!("{}{word}{}", "é".repeat(5000), "b".repeat(5000)));
    world.write("d.md", long(" before ").trim_end());
    world.write("e.md", long(" after "));
    world.run(&["prompt", "diff", "d.md", "e.md"]).expect(
        0,
        &[
            "-(4501 characters the same) …éé",
            "+(4501 characters the same) …éé",
            "é before b",
            "é after b",
            "3506 characters more",
        ],
    );

    world.run(&["prompt", "diff", "a.v1", "./none.md"]).expect(1, &["cannot read ./none.md"]);
    world.run(&["prompt", "diff", "a.v1", "./prompts"]).expect(1, &["./prompts is not a regular file"]);
    world.write("broken.md", "---\nprompt_id: a\nversion: [\n---\nx\n");
    world
        .run(&["prompt", "diff", "a.v1", "broken.md"])
        .expect(1, &["broken.md is no prompt that can be read"]);
    world.write("latin.md", b"---\nprompt_id: a\nversion: 1\n---\n\xe9\n");
    world.run(&["prompt", "diff", "a.v1", "latin.md"]).expect(1, &["latin.md", "UTF-8"]);
    world.run(&["prompt", "diff", "b"]).expect(1, &["there is no prompt `b`"]);
    world.run(&["prompt", "diff"]).expect(2, &[]);
    // A newer one that cannot be read is not passed over in silence.
    world.write("prompts/a3.md", "---\nprompt_id: a\nversion: 3\nrole: [\n---\nx\n");
    world.run(&["prompt", "diff", "a"]).expect(1, &["a3.md"]);
    world.run(&["prompt", "diff", "a.v1", "a.v2"]).expect(0, &["1 file is not usable"]);
}
