//! `prompt check-output`, as a program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Output, World, copy_folder, corpora, text, wait};

fn prompt(id: &str, role: &str, contract: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: 1\nrole: {role}\nsummary: s\ninputs: []\noutput_contract: {contract}\n\
         owner: tests\nstatus: current\n---\nDo it.\n"
    )
}

/// A project with a prompt for each form of answer.
fn world() -> World {
    let world = World::new();
    world.write("prompts/text.md", prompt("text", "task", "{mode: text, required_sections: [Summary]}"));
    world.write("prompts/json.md", prompt("json", "task", "{mode: json, schema_ref: team.answer.v1}"));
    world.write("prompts/plan.md", prompt("plan", "planner", "{format: json}"));
    let artifacts =
        "{artifacts: [{path: 'run/${run_id}/a.py', required: true}, {path: b.txt, required: false}]}";
    world.write("prompts/files.md", prompt("files", "task", artifacts));
    world.write(
        "schemas/prompt-contracts/team/answer/v1.schema.json",
        r#"{"type": "object", "required": ["a"]}"#,
    );
    world
}

fn check(world: &World, args: &[&str]) -> Output {
    world.run(&[&["prompt", "check-output"], args].concat())
}

const DECISION: &str =
    r#"{"status": "blocked", "next_step": null, "fix_instructions": null, "blockers": [], "risk_flags": []}"#;

#[test]
fn an_answer_that_fits_is_said_to_fit() {
    let world = world();
    world.write("out/a.md", "## Summary\n\nAll is well.\n");
    world.write("out/a.json", "{\"a\": 1}\n");
    world.write("out/d.json", DECISION);
    world.write("r/run/7/a.py", "");
    for (args, line) in [
        (["text", "out/a.md"], "out/a.md fits the contract of text.v1 (text)"),
        (["json.v1", "out/a.json"], "out/a.json fits the contract of json.v1 (json, team.answer.v1)"),
        (["plan", "out/d.json"], "out/d.json fits the contract of plan.v1 (json, planner_decision.v1)"),
        (["files", "r"], "r fits the contract of files.v1 (1 of 2 artifacts)"),
    ] {
        let output = check(&world, &args).ok();
        assert_eq!(output.stdout, format!("{line}\n"));
    }
    // The whole project and its commands know where the schema is from any folder of it.
    world.git(&["init", "--quiet"]).ok();
    world.run_in(&world.project.join("out"), &["prompt", "check-output", "json", "a.json"]).ok();
}

#[test]
fn what_does_not_fit_is_shown_line_by_line() {
    let world = world();
    world.write("d.json", DECISION.replace("\"blocked\"", "\"stuck\"").replace(", \"risk_flags\": []", ""));
    let output = check(&world, &["plan", "d.json"]);
    let expected = [
        "error[output.schema]: the answer has no `risk_flags`",
        "--> d.json:1:1",
        "error[output.schema]: `/status` is none of \"success\", \"partial\"",
        "--> d.json:1:12",
        "schema planner_decision.v1 (built-in)",
        "d.json does not fit the contract of plan.v1: 2 errors",
    ];
    let output = output.expect(4, &expected);
    let carets: Vec<_> = output.stdout.lines().filter(|line| line.contains('^')).collect();
    assert_eq!(carets.len(), 2);
    let place =
        output.stdout.lines().find(|line| line.contains("\"stuck\"")).unwrap().find("\"stuck\"").unwrap();
    assert_eq!(carets[1].find('^').unwrap(), place);

    let report = world.run(&["--json", "prompt", "check-output", "plan", "d.json"]).expect(4, &[]).json();
    assert_eq!(text(&report, "/schema"), "promptos.prompt-check-output/1");
    assert_eq!(text(&report, "/contract/schema/layer"), "built-in");
    assert_eq!((&report["fits"], &report["errors"]), (&json!(false), &json!(2)));
    let finding = &report["findings"][1];
    assert_eq!(text(finding, "/pointer"), "/status");
    assert_eq!(text(finding, "/keyword"), "/properties/status/enum");
    assert_eq!((&finding["line"], &finding["column"]), (&json!(1), &json!(12)));
    assert_eq!(text(finding, "/code"), "output.schema");

    world.write("a.md", "Summary\n");
    check(&world, &["text", "a.md"]).expect(4, &["error[output.section]", "## Summary", ": 1 error"]);
    world.write("a.json", "```json\n{\"a\": 1}\n```\n");
    check(&world, &["json", "a.json"]).expect(4, &["a.json:1:1", "output.fenced", "without ``` lines"]);
    world.write("r/other.py", "");
    check(&world, &["files", "r"]).expect(4, &["there is no `run/${run_id}/a.py`"]);
    // Narrow and wide, every line is whole.
    for columns in ["30", "300"] {
        let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
        command.args(["prompt", "check-output", "plan", "d.json"]).env("COLUMNS", columns);
        support::finish(&mut command).expect(4, &["d.json:1:12", "^"]);
    }
}

#[test]
fn stdin_is_read_and_placeholders_get_values() {
    let world = world();
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    command.args(["prompt", "check-output", "plan", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{").unwrap();
    wait(child).expect(4, &["stdin:1:1", "output.json"]);
    check(&world, &["files", "-"]).expect(1, &["the answer to files.v1 is files, and stdin is no folder"]);

    world.write("run/1/a.py", "");
    check(&world, &["files", ".", "--var", "run_id=1"]).ok();
    check(&world, &["files", ".", "--var", "run_id=2"]).expect(4, &["output.artifact"]);
    check(&world, &["files", ".", "--var", "run_id"]).expect(2, &["NAME=VALUE"]);
    check(&world, &["files", ".", "--var", "a=1", "--var", "a=2"]).expect(2, &["twice"]);
    for value in ["run_id=..", "run_id=../..", "run_id=a/b"] {
        check(&world, &["files", ".", "--var", value]).expect(2, &["not for a path"]);
    }
    let report = world.json(&["prompt", "check-output", "files", "."]);
    assert_eq!(report["contract"]["artifacts"][0]["files"], json!(["run/1/a.py"]));
    assert_eq!(report["contract"]["artifacts"][1]["files"], json!([]));
}

#[test]
fn schemas_come_from_the_project_then_the_user_then_the_program() {
    let world = world();
    world.write("d.json", DECISION);
    let layer = || {
        let report = world.json(&["prompt", "check-output", "plan", "d.json"]);
        let schema = &report["contract"]["schema"];
        (schema["layer"].clone(), schema["hides"].clone())
    };
    assert_eq!(layer(), (json!("built-in"), json!([])));
    let file = "schemas/prompt-contracts/planner_decision/v1.schema.json";
    let user = world.home.join(".config/promptos").join(file);
    fs::create_dir_all(user.parent().unwrap()).unwrap();
    fs::write(&user, "true").unwrap();
    assert_eq!(layer(), (json!("user"), json!(["built-in"])));
    world.write(file, "{\"maxProperties\": 1}");
    check(&world, &["plan", "d.json"]).expect(
        4,
        &["has more than 1 property", "(workspace: schemas/", "hides the user and the built-in one"],
    );
    world.write(file, "{\"maxProperties\": -1}");
    check(&world, &["plan", "d.json"]).expect(1, &[file, "not usable", "/maxProperties"]);
    world.write(file, "{\n\"maxProperties\" 1}");
    check(&world, &["plan", "d.json"]).expect(1, &[file, "line 2 column 17"]);
}

#[test]
fn what_cannot_be_checked_is_an_error_and_no_verdict() {
    let world = world();
    world.write("a.json", "{}");
    check(&world, &["nothing", "a.json"]).expect(1, &["there is no prompt"]);
    check(&world, &["json", "none.json"]).expect(1, &["cannot read none.json"]);
    check(&world, &["json", "prompts"]).expect(1, &["prompts is a folder", "name the file"]);
    check(&world, &["files", "a.json"]).expect(1, &["a.json is no folder"]);
    check(&world, &["json"]).expect(2, &["FILE"]);
    check(&world, &["json", "a.json", "--timeout", "0"]).expect(2, &[]);
    fs::remove_dir_all(world.project.join("schemas")).unwrap();
    check(&world, &["json", "a.json"]).expect(
        1,
        &["there is no schema `team.answer.v1`", "schemas/prompt-contracts/team/answer/v1.schema.json"],
    );
    // In JSON as well there is one report, of an error.
    let report = world.run(&["--json", "prompt", "check-output", "json", "a.json"]).expect(1, &[]).json();
    assert_eq!(text(&report, "/schema"), "promptos.error/1");
    world.write("large.json", vec![b' '; (16 << 20) + 1]);
    check(&world, &["text", "large.json"]).expect(1, &["larger than 16 MB"]);
    let bare = "---\nkey: b\nname: B\nversion: \"1.0\"\ndescription: d\nrole: r\ninputs: []\n---\nx";
    world.write("prompts/b.md", bare);
    check(&world, &["b", "a.json"]).expect(1, &["b.v1.0 has no output contract"]);
}

/// A schema whose references multiply ends soon and in bounded memory, whether or not it finds faults on its way.
#[test]
fn hostile_schemas_end_in_bounded_time_and_memory() {
    let world = world();
    world.write("a.json", "1");
    let doubled = |last: &str| {
        let mut definitions: serde_json::Map<String, Value> = (0..40)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
                (format!("d{n}"), json!({"allOf": [next.clone(), next]}))
            })
            .collect();
        definitions.insert("d40".to_owned(), json!({"type": last}));
        let schema = json!({"$defs": definitions, "$ref": "#/$defs/d0"}).to_string();
        world.write("schemas/prompt-contracts/team/answer/v1.schema.json", schema);
        let start = Instant::now();
        let output = check(&world, &["json", "a.json", "--timeout", "2"]);
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        output
    };
    let error =
        ["comparing the answer with its schema takes more than 2 seconds", "references in the schema"];
    doubled("number").expect(1, &error);
    // One that finds a fault on every way has soon found enough.
    doubled("string").expect(4, &["a.json:1:1", ": 100 or more errors"]);
    // An answer nests no deeper than what reads it.
    world.write("a.json", "[".repeat(100_000));
    check(&world, &["json", "a.json"]).expect(4, &["output.json", "recursion limit"]);
    world.run(&["check-value", "--seconds", "1"]).expect(70, &["no job"]);
    assert!(!world.run(&["help"]).ok().stdout.contains("check-value"));
}

/// As large as an answer may be, and wrong throughout, is still told of; references in a long row are too deep.
#[test]
fn large_answers_and_long_ways_end() {
    let world = world();
    let schema = "schemas/prompt-contracts/team/answer/v1.schema.json";
    world.write(schema, r#"{"items": {"type": "null"}}"#);
    let items = vec![format!("\"{}\"", "x".repeat(90)); 170_000];
    world.write("a.json", format!("[{}]", items.join(",")));
    check(&world, &["json", "a.json", "--timeout", "60"]).expect(4, &["a.json:1:2", ": 100 or more errors"]);
    let mut definitions: serde_json::Map<String, Value> =
        (0..7000).map(|n| (format!("d{n}"), json!({"$ref": format!("#/$defs/d{}", n + 1)}))).collect();
    definitions.insert("d7000".to_owned(), json!(true));
    world.write(schema, json!({"$defs": definitions, "$ref": "#/$defs/d0"}).to_string());
    world.write("a.json", "1");
    check(&world, &["json", "a.json", "--timeout", "60"]).expect(1, &["nests too deeply"]);
}

/// Nothing is asked of the network, also not when a schema says so: this listens where the schema points.
#[test]
fn no_reference_is_fetched() {
    let world = world();
    world.write("a.json", "1");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let there = format!("http://{}/s.json", listener.local_addr().unwrap());
    world.write("schemas/prompt-contracts/team/answer/v1.schema.json", json!({"$ref": there}).to_string());
    check(&world, &["json", "a.json"]).expect(1, &["nothing is fetched"]);
    assert!(listener.accept().is_err());
}

#[test]
fn lint_misses_schemas_that_are_nowhere() {
    let world = world();
    fs::remove_file(world.project.join("prompts/plan.md")).unwrap();
    world.run(&["lint"]).expect(0, &["0 errors, 0 warnings"]);
    world.write(
        "prompts/more.md",
        prompt("more", "task", "{mode: json, schema_ref: no.such.v1}\ninput_contract_ref: nor.this.v2"),
    );
    let output =
        world.run(&["lint"]).expect(0, &["2 warnings", "schemas/prompt-contracts/no/such/v1.schema.json"]);
    assert_eq!(output.stdout.matches("warning[contract.schema-unresolved]").count(), 2);
    world.run(&["lint", "--mode", "strict"]).expect(4, &[]);
    world.run(&["lint", "prompts/more.md"]).expect(0, &["there is no schema `no.such.v1`"]);
    world.write("schemas/prompt-contracts/no/such/v1.schema.json", "{}");
    world.write("schemas/prompt-contracts/nor/this/v2.schema.json", "{}");
    world.run(&["lint"]).expect(0, &["0 errors, 0 warnings"]);
    // A name that leads elsewhere is none.
    world.write("prompts/more.md", prompt("more", "task", "{mode: json, schema_ref: ../no/such.v1}"));
    world.run(&["lint"]).expect(4, &["error[contract.schema-ref]: `../no/such.v1` is no name of a schema"]);
}

#[test]
fn the_page_has_every_code() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/output-contracts.md")).unwrap();
    for rule in promptos::output::RULES {
        let warning = if rule.severity == promptos::catalog::Severity::Warning { " (a warning)" } else { "" };
        let row = format!("| `{}`{warning} | {} |", rule.code, rule.what);
        assert!(page.contains(&row), "{row}");
    }
}

/// Real schemas are found by the names that real prompts have for them, and compile.
#[test]
fn real_prompts_find_their_schemas() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    copy_folder(&corpora.join("tnh/prompts"), &world.project.join("prompts"));
    copy_folder(&corpora.join("tnh/schemas"), &world.project.join("schemas"));
    world.run(&["lint"]).expect(0, &["33 prompts", "0 errors, 0 warnings"]);
    let list = world.json(&["prompt", "list"]);
    let json_prompts: Vec<_> =
        list["prompts"].as_array().unwrap().iter().filter(|prompt| prompt["output_mode"] == "json").collect();
    assert_eq!(json_prompts.len(), 4);
    world.write("empty.json", "{}");
    for prompt in json_prompts {
        let args = ["--json", "prompt", "check-output", text(prompt, "/ref"), "empty.json"];
        let report = world.run(&args).expect(4, &[]).json();
        assert_eq!(text(&report, "/contract/schema/layer"), "workspace");
        assert_eq!(text(&report, "/findings/0/code"), "output.schema");
    }
    // The others are named by nobody here.
    for (n, path) in ["translation/translate_json", "testing/echo"].iter().enumerate() {
        let name = format!("tnh.{}.v1", path.replace('/', "."));
        world.write(
            &format!("prompts/x{n}.md"),
            prompt(&format!("x{n}"), "task", &format!("{{schema_ref: {name}}}")),
        );
        world.write("echo.json", r#"{"message": "hello"}"#);
        check(&world, &[&format!("x{n}"), "echo.json"]).expect(0, &[&name]);
    }
}
