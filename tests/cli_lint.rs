//! `promptos lint` as people and machines see it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use promptos::catalog::{RENDER_RULES, RULES};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{World, text};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn fixture(name: &str) -> String {
    repository("tests/fixtures/catalog").join(name).to_str().unwrap().to_owned()
}

/// The report of a lint that fails.
fn findings(world: &World, args: &[&str]) -> Value {
    world.run(&[&["--json"], args].concat()).expect(4, &[]).json()
}

/// A native prompt; `fields` come after the others.
fn prompt(id: &str, fields: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: 1\nrole: task\nsummary: s\ninputs: []\noutput_contract: {{format: text}}\nowner: o\n\
         status: current\n{fields}---\n{body}\n"
    )
}

/// The older system's model refused the planner that its own decision record gives as an example: it wanted a name,
/// a description and a mode, and forbade summary, owner and status.
#[test]
fn the_planner_of_the_decision_record_is_valid() {
    let world = World::new();
    let example = "---\nprompt_id: \"planner.evaluate_harness_report\"\nversion: 1\nrole: \"planner\"\n\
        summary: \"Classify validation evidence into bounded conductor status.\"\nowner: \"tnh-scholar\"\n\
        status: \"current\"\ninputs:\n  - name: \"allowed_next_steps\"\n    type: \"list[string]\"\n    required: true\n  \
        - name: \"evidence\"\n    type: \"planner_evidence.v1\"\n    required: true\noutput_contract:\n  \
        schema_ref: \"planner_decision.v1\"\n  required_fields: [\"status\", \"next_step\", \"fix_instructions\", \
        \"blockers\", \"risk_flags\"]\n---\n{{ evidence }}\n{{ allowed_next_steps }}\n";
    world.write("prompts/planner.md", example);
    world.run(&["lint", "--mode", "strict"]).expect(0, &["1 prompt", "0 errors, 0 warnings"]);
    let session = world.json(&["dev", "--prompts", "planner.evaluate_harness_report"]);
    assert_eq!(text(&session, "/prompts/0/ref"), "planner.evaluate_harness_report.v1");
}

#[test]
fn the_catalog_fixtures_behave_as_they_say() {
    let world = World::new();
    for name in ["planner.md", "harness_synthesis.md", "deprecated_v1.md", "deprecated_v2.md"] {
        world
            .run(&["lint", "--mode", "strict", &fixture(name)])
            .expect(0, &["1 prompt", "0 errors, 0 warnings"]);
    }
    let only = |name: &str, code: &str, part: &str| {
        world.run(&["lint", &fixture(name)]).expect(4, &[part]);
        let report = findings(&world, &["lint", &fixture(name)]);
        let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| text(f, "/code")).collect();
        assert_eq!(codes, [code], "{name}");
    };
    only("planner_incomplete.md", "contract.malformed", "lacks fix_instructions, blockers, risk_flags");
    only("unresolvable_source.md", "input.source", "`barometer` is no source of inputs");

    for name in ["deprecated_v1.md", "deprecated_v2.md", "planner.md"] {
        world.write(&format!("prompts/{name}"), fs::read(fixture(name)).unwrap());
    }
    let newest = world.json(&["dev", "--prompts", "task.greet,planner.evaluate_harness_report"]);
    assert_eq!(text(&newest, "/prompts/0/ref"), "task.greet.v2");
    let old = world.run(&["dev", "--prompts", "task.greet.v1"]);
    old.expect(0, &["task.greet.v1 is deprecated; task.greet.v2 is current"]);
}

/// Where the finding is, with the line and a caret under the place, whatever stands in the line.
#[test]
fn people_see_the_line_and_the_place() {
    let world = World::new();
    world.write("prompts/a.md", prompt("x", "", "é\n\tone 漢字 {{ who }} \u{1b}[2J\u{202e}"));
    let output = world.run(&["lint"]).expect(4, &["1 prompt", "1 error, 0 warnings"]);
    let expected = "error[input.undeclared]: the template uses `who`, which is no declared input
  --> prompts/a.md:12:12
   |
12 |     one 漢字 {{ who }} \\u{1b}[2J\\u{202e}
   |                 ^^^
   |
   = help: declare `who` under `inputs`
";
    assert!(output.stdout.starts_with(expected), "{}", output.stdout);

    // A long line is cut around the place, which keeps its true column.
    world.write(
        "prompts/a.md",
        prompt("x", "", &format!("{}{{{{ who }}}}{}", "x ".repeat(5000), " y".repeat(5000))),
    );
    let output = world.run(&["lint"]).expect(4, &["prompts/a.md:11:10004"]);
    assert!(output.stdout.lines().all(|line| line.chars().count() < 140), "{}", output.stdout);
    let carets = output.stdout.lines().position(|line| line.contains("^^^")).unwrap();
    let (line, caret) =
        (output.stdout.lines().nth(carets - 1).unwrap(), output.stdout.lines().nth(carets).unwrap());
    let column = |text: &str, what: &str| text[..text.find(what).unwrap()].chars().count();
    assert_eq!(column(line, "who"), column(caret, "^^^"), "{}", output.stdout);

    let colored = world.run(&["lint", "--color", "always"]).expect(4, &[]);
    assert!(colored.stdout.contains("\u{1b}["), "{}", colored.stdout);
    assert!(
        !output.stdout.contains('\u{1b}') && !output.stderr.contains("checking"),
        "no terminal: {output:?}"
    );
}

#[test]
fn the_mode_and_the_settings_decide_what_fails() {
    let world = World::new();
    let unused = prompt("x", "", "t").replace("inputs: []", "inputs: [{name: a, type: t, required: true}]");
    world.write("prompts/a.md", &unused);
    let settings = |lint: &str| world.write("promptos.toml", format!("[lint]\n{lint}\n"));
    world.run(&["lint"]).expect(0, &["warning[input.unused]", "0 errors, 1 warning"]);
    world.run(&["lint", "--mode", "strict"]).expect(4, &["the mode is strict"]);
    settings("mode = \"strict\"");
    world.run(&["lint"]).expect(4, &["0 errors, 1 warning"]);
    world.run(&["lint", "--mode", "warn"]).expect(0, &["1 warning"]);
    world.run(&["dev", "--prompts", "x"]).expect(4, &["lint found warnings, so nothing was recorded"]);
    settings("extra = \"allow\"\nmode = \"strict\"");
    world.run(&["lint"]).expect(0, &["0 errors, 0 warnings"]);
    settings("extra = \"error\"");
    world.run(&["lint"]).expect(4, &["error[input.unused]"]);
    world.run(&["dev", "--prompts", "x"]).expect(4, &["lint found errors, so nothing was recorded"]);
    world.run(&["lint", "--mode", "permissive"]).expect(0, &["1 error"]);
    settings("mode = \"permissive\"");
    world.run(&["dev", "--prompts", "x"]).expect(0, &["Governed Session"]);

    // What is broken cannot be resolved however it is meant, and no secret slips through.
    world.write("prompts/b.md", "---\nprompt_id: broken\nversion: [\n---\n");
    world.run(&["dev", "--prompts", "broken"]).expect(1, &["broken"]);
    let secret = ["ghp_", "0123456789abcdefghijABCDEFGHIJ012345"].concat();
    world.write("prompts/c.md", prompt("leak", "", &secret));
    world.run(&["dev", "--prompts", "leak"]).expect(4, &["secret.found"]);

    for (lint, part) in [("mode = \"lax\"", "promptos.toml:2:8"), ("undefinde = \"warn\"", "undefinde")] {
        settings(lint);
        world.run(&["lint"]).expect(1, &[part]);
    }
    world.run(&["lint", "--mode", "lax"]).expect(2, &["strict, warn, permissive"]);
}

#[test]
fn a_fix_is_told_of_and_a_bound_version_is_not_changed_in_silence() {
    let world = World::new();
    let wrong = prompt("x", "scope: Agent\n", "t").replace("version: 1", "version: \"1\"");
    world.write("prompts/a.md", &wrong);
    world.run(&["lint"]).expect(4, &["2 findings can be put right by --fix", "2 errors"]);
    let fixed = world.run(&["lint", "--fix"]).expect(0, &["0 errors, 0 warnings, 2 fixed"]);
    assert!(fixed.stdout.starts_with("prompts/a.md:3:10: fixed[prompt.version]: "), "{}", fixed.stdout);
    let right = wrong.replace("\"1\"", "1").replace("Agent", "agent");
    assert_eq!(world.read("prompts/a.md"), right.as_bytes());
    assert!(!world.project.join(".promptos").exists());

    world.run(&["dev", "--prompts", "x"]).ok();
    let quiet =
        world.run(&["lint", "--fix"]).expect(0, &["1 prompt, 0 documents skipped: 0 errors, 0 warnings"]);
    assert!(!quiet.text().contains("bound"), "{quiet:?}");
    world.write("prompts/a.md", right.replace("scope: agent", "scope: AGENT"));
    let back = world.run(&["lint", "--fix"]).expect(0, &["1 fixed"]);
    assert!(!back.text().contains("bound"), "the bound bytes are there again: {back:?}");
    world.write("prompts/a.md", right.replace("scope: agent", "tags: a"));
    let report =
        world.run(&["--json", "lint", "--fix"]).expect(0, &["x.v1 is bound in the ledger", "new version"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["fixed"][0]["ref"], "x.v1");
    assert_eq!(report["fixed"][0]["applied"][0]["code"], "frontmatter.field-type");
    assert_eq!(report["findings"], json!([]));
}

/// Other sources than folders are linted all the same, and cannot be changed.
#[test]
fn a_revision_is_linted_and_not_changed() {
    let world = World::with_git("ada", "ada@example.org");
    world.write("prompts/a.md", prompt("x", "scope: Agent\n", "t"));
    world.commit("prompts");
    world.write("prompts/a.md", prompt("x", "", "t"));
    world.run(&["lint"]).expect(0, &["0 errors"]);
    world.run(&["lint", "--catalog", "git:HEAD"]).expect(4, &["frontmatter.field-value", "1 error"]);
    world
        .run(&["lint", "--catalog", "git:HEAD", "--fix"])
        .expect(2, &["--fix changes files of folders only"]);
    world.run(&["lint", "--catalog", "prompts", "--fix"]).expect(0, &["0 errors"]);
}

#[test]
fn exceptions_are_counted_and_listed() {
    let world = World::new();
    let fields = "lint:\n  - allow: path.personal\n    reason: an example of what not to write\n";
    world.write("prompts/a.md", prompt("x", fields, "/home/alice/x"));
    world.run(&["lint"]).expect(0, &["0 errors, 0 warnings, 1 allowed"]);
    let report = world.json(&["lint"]);
    assert_eq!((&report["findings"], report["allowed"].as_array().unwrap().len()), (&json!([]), 1));
    assert_eq!(text(&report, "/allowed/0/allowed"), "an example of what not to write");
    world.run(&["dev", "--prompts", "x"]).expect(0, &["Governed Session"]);
    world.write("prompts/a.md", prompt("y", "lint: [{allow: path.personal}]\n", "/home/alice/x"));
    world.run(&["lint"]).expect(4, &["2 errors", "no reason is given for allowing `path.personal`"]);
}

#[test]
fn a_rule_explains_itself() {
    let world = World::new();
    let output =
        world.run(&["lint", "--explain", "input.undeclared"]).expect(0, &["severity: error", "OA05, TNH"]);
    assert!(output.stdout.starts_with("input.undeclared\n"), "{}", output.stdout);
    world.run(&["lint", "--explain", "INVALID_VERSION"]).expect(0, &["prompt.version", "`--fix`"]);
    world.run(&["lint", "--explain", "input.undclared"]).expect(1, &["did you mean input.undeclared"]);
    world.run(&["lint", "--explain", "nothing.like.it"]).expect(1, &["all rules: promptos lint --explain"]);
    let report = world.json(&["lint", "--explain", "secret.found"]);
    assert_eq!((text(&report, "/schema"), text(&report, "/severity")), ("promptos.lint-rule/1", "error"));
    world.run(&["lint", "--explain", "render.missing"]).expect(0, &["every required input has a value"]);
    world.run(&["lint", "--explain", "render.mising"]).expect(1, &["did you mean render.missing"]);
    world.run(&["lint", "--explain", "secret.found", "--fix"]).expect(2, &["cannot be used with"]);
}

/// The page is what the program prints: `just rules` writes it anew.
#[test]
fn the_page_of_rules_is_up_to_date() {
    let page = fs::read_to_string(repository("docs/lint-rules.md")).unwrap();
    assert_eq!(World::new().run(&["lint", "--explain"]).ok().stdout, page, "run: just rules");
    for rule in RULES.iter().chain(RENDER_RULES) {
        assert_eq!(page.matches(&format!("### `{}`\n", rule.code)).count(), 1);
    }
}

/// A world whose lint has errors, warnings, fixes, exceptions and odd names.
fn sarif() -> (World, Value) {
    let world = World::new();
    let inputs = "inputs: [{name: a, type: t, required: yes}]";
    world.write("prompts/a b.md", prompt("x", "role2: é\n", "漢字 {{ who }}").replace("inputs: []", inputs));
    let fields = "lint: [{allow: path.personal, reason: why not}]\n";
    world.write("prompts/é/c#.md", prompt("y", fields, "/home/alice/x"));
    world.write("prompts/latin.md", b"---\nprompt_id: z\nversion: 1\n---\n\xff".as_slice());
    let output = world.run(&["lint", "--format", "sarif"]).expect(4, &["lint found errors"]);
    let log = serde_json::from_str(&output.stdout).unwrap();
    (world, log)
}

#[test]
fn sarif_says_what_the_report_says() {
    let (world, log) = sarif();
    assert_eq!(text(&log, "/version"), "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len());
    let report = findings(&world, &["lint"]);
    let all = report["findings"].as_array().unwrap().iter().chain(report["allowed"].as_array().unwrap());
    let all: Vec<&Value> = all.collect();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), all.len());
    assert!(results.len() >= 5, "{results:?}");
    for (result, finding) in results.iter().zip(all) {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!((&result["ruleId"], &rule["id"]), (&finding["code"], &finding["code"]));
        assert_eq!(result["level"], finding["severity"]);
        assert!(text(result, "/message/text").starts_with(text(finding, "/message")));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["region"]["startLine"], finding["line"]);
        assert_eq!(place["region"]["startColumn"], finding["column"]);
        assert_eq!(result.get("fixes").is_some(), finding.get("fix").is_some());
        assert_eq!(result.pointer("/suppressions/0/justification"), finding.get("allowed"));
    }
    let uris: Vec<_> =
        results.iter().map(|r| text(r, "/locations/0/physicalLocation/artifactLocation/uri")).collect();
    assert!(uris.contains(&"prompts/a%20b.md") && uris.contains(&"prompts/%C3%A9/c%23.md"), "{uris:?}");
    let who = results.iter().find(|r| r["ruleId"] == "input.undeclared").unwrap();
    let region = &who["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        (&region["startColumn"], &region["endColumn"]),
        (&json!(7), &json!(10)),
        "characters, not bytes"
    );
    let fix = results.iter().find(|r| r.get("fixes").is_some()).unwrap();
    let replacement = &fix["fixes"][0]["artifactChanges"][0]["replacements"][0];
    let at = usize::try_from(replacement["deletedRegion"]["byteOffset"].as_u64().unwrap()).unwrap();
    assert_eq!(&world.read("prompts/a b.md")[at..at + 3], b"yes");
    assert_eq!(text(replacement, "/insertedContent/text"), "true");
}

/// With the official schema at hand (the file sarif-schema-2.1.0.json of the OASIS SARIF TC, which comes with the
/// crate serde-sarif as schema.json, and which `PROMPTOS_SARIF_SCHEMA` names) and Python's `jsonschema`, the log is checked against it.
#[test]
fn sarif_satisfies_the_official_schema() {
    let schema = std::env::var_os("PROMPTOS_SARIF_SCHEMA");
    let answers = Command::new("python3").args(["-c", "import jsonschema"]).output();
    let (Some(schema), true) = (schema, answers.is_ok_and(|answer| answer.status.success())) else {
        println!("skipped: PROMPTOS_SARIF_SCHEMA names no schema, or python3 has no jsonschema");
        return;
    };
    let (world, log) = sarif();
    let check = |log: &Value| {
        let file = world.write("log.sarif", log.to_string());
        let script = "import json, sys, jsonschema\n\
                      schema, log = (json.load(open(path)) for path in sys.argv[1:])\n\
                      jsonschema.validate(log, schema, format_checker=jsonschema.FormatChecker())";
        let output = Command::new("python3").args(["-c", script]).arg(&schema).arg(file).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(&log), (true, String::new()));
    let mut wrong = log;
    wrong["runs"][0]["results"][0]["level"] = json!("fatal");
    assert!(!check(&wrong).0, "the check can fail");
}

/// One file at a time is held: 60 files of 2 MB do not fit into what this process may have.
#[test]
#[cfg(target_os = "linux")]
fn a_large_folder_needs_no_large_memory() {
    let world = World::new();
    for index in 0..60 {
        let file = world.write(&format!("many/{index}.md"), "# No prompt\n");
        fs::File::options().write(true).open(file).unwrap().set_len(2 << 20).unwrap();
    }
    world.write("many/a.md", prompt("x", "", "t"));
    let limited = format!("ulimit -v 110000; exec {} lint many", env!("CARGO_BIN_EXE_promptos"));
    let mut command = world.command("sh", &world.project);
    let output = support::finish(command.args(["-c", &limited]));
    output.expect(0, &["1 prompt, 60 documents skipped: 0 errors"]);
}
