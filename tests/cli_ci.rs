//! `promptos ci`: every check red and green, at home with a ledger and on a runner that has only the clone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use support::{Output, World, copy_folder, finish, text, wait};

const SESSION: &str = "artifacts/ada/prompt_session.json";
const TAR: &str = "artifacts/ada/prompt_session.evidence.tar";
const CHECKS: [&str; 9] = [
    "lint",
    "bindings",
    "snapshot",
    "ledger",
    "evidence",
    "pull-request",
    "separation",
    "registry",
    "policy",
];

fn prompt(id: &str, version: &str, gate: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nname: A gate\nphase: \"05\"\nmaps_to_gate: \"{gate}\"\nversion: {version}\n\
         owner: tests\nlast_updated_utc: \"2026-01-01T00:00:00Z\"\nstop_conditions:\n  - \"It is unclear\"\n\
         constitution_alignment:\n  - \"None\"\n---\n\n## Prompt\n\n```text\nDo it.\n```\n"
    )
}

/// Ada's change: a prompt, a session under it, its evidence, and the description of her pull request.
struct Change {
    ada: World,
    /// What 'dev' has printed.
    block: String,
}

impl Change {
    fn new() -> Self {
        let ada = World::with_git("ada", "ada@example.org");
        ada.run(&["init"]).ok();
        ada.write("prompts/g05.md", prompt("G05", "1.0.0", "05"));
        let block = ada.run(&["dev", "--prompts", "P00,G05", "--artifacts-dir", "artifacts/ada"]).ok().stdout;
        ada.write("pr.md", format!("# A change\n\n{block}\nThat is all.\n"));
        ada.commit("the change");
        Self { ada, block }
    }

    /// A machine that has nothing but the clone.
    fn runner(&self) -> Runner {
        let world = World::new();
        world.git(&["clone", "--quiet", self.ada.project.to_str().unwrap(), "clone"]).ok();
        let clone = world.project.join("clone");
        Runner { world, clone }
    }
}

struct Runner {
    world: World,
    clone: PathBuf,
}

const ALL: [&str; 5] = ["ci", "--artifacts-dir", "artifacts", "--pr-body", "pr.md"];

impl Runner {
    fn run(&self, args: &[&str]) -> Output {
        self.world.run_in(&self.clone, args)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.clone.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.clone.join(path)).unwrap()
    }

    /// The report of a run of all checks, and its exit code.
    fn report(&self) -> (i32, Value) {
        let output = self.run(&[&["--json"], &ALL[..]].concat());
        (output.code, output.json())
    }

    /// Runs all checks; exactly these do not pass.
    #[track_caller]
    fn fails(&self, exit: i32, check: &str, verdict: &str, texts: &[&str]) {
        let (code, report) = self.report();
        fails(code, &report, exit, check, verdict, texts);
    }
}

#[track_caller]
fn fails(code: i32, report: &Value, exit: i32, check: &str, verdict: &str, texts: &[&str]) {
    let bad: Vec<_> =
        CHECKS.iter().filter(|name| !["passed", "skipped"].contains(&self::verdict(report, name))).collect();
    assert_eq!(bad, [&check], "{report:#}");
    assert_eq!((code, self::verdict(report, check)), (exit, verdict), "{report:#}");
    let found = find(report, check);
    assert_eq!((&found["exit"], &report["exit"]), (&json!(exit), &json!(exit)), "{report:#}");
    let said = found.to_string();
    for text in texts {
        assert!(said.contains(text), "'{text}' is missing: {report:#}");
    }
}

fn find<'a>(report: &'a Value, check: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|found| found["name"] == *check).unwrap()
}

fn verdict<'a>(report: &'a Value, check: &str) -> &'a str {
    text(find(report, check), "/verdict")
}

#[test]
fn a_change_in_order_passes_at_home_and_on_a_runner() {
    let change = Change::new();
    let all = change.ada.json(&ALL);
    assert_eq!(
        (text(&all, "/schema"), &all["passed"], &all["exit"]),
        ("promptos.ci/1", &json!(true), &json!(0))
    );
    let names: Vec<&str> =
        all["checks"].as_array().unwrap().iter().map(|check| text(check, "/name")).collect();
    assert_eq!(names, CHECKS);
    for check in ["lint", "bindings", "ledger", "evidence", "pull-request", "separation"] {
        assert_eq!(verdict(&all, check), "passed", "{all:#}");
    }
    for check in ["snapshot", "registry", "policy"] {
        assert_eq!(verdict(&all, check), "skipped", "{all:#}");
    }
    let runner = change.runner();
    let (code, report) = runner.report();
    assert_eq!((code, verdict(&report, "ledger")), (0, "skipped"), "{report:#}");
    for check in ["lint", "bindings", "evidence", "pull-request", "separation"] {
        assert_eq!(verdict(&report, check), "passed", "{report:#}");
    }
    assert!(fs::read_dir(&runner.world.home).unwrap().next().is_none(), "ci leaves nothing behind");
    // The same from within, and with everything named by the environment and on standard input.
    let sub = runner.clone.join("artifacts");
    runner
        .world
        .run_in(&sub, &["ci", "--artifacts-dir", ".", "--pr-body", "../pr.md"])
        .expect(0, &["5 passed"]);
    let mut command = runner.world.command(env!("CARGO_BIN_EXE_promptos"), &runner.clone);
    command.args(["ci", "--pr-body", "-"]).env("PROMPTOS_ARTIFACTS_DIR", "artifacts");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(change.block.as_bytes()).unwrap();
    wait(child).expect(0, &["1 governed-session block", "1 session and 0 runs proved"]);
}

#[test]
fn where_there_is_nothing_to_check_nothing_has_passed() {
    let world = World::new();
    world.run(&["ci"]).expect(1, &["there is nothing here to check", "--artifacts-dir"]);
    world.run(&["ci", "--artifacts-dir", ""]).expect(2, &["--artifacts-dir"]);
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    finish(command.arg("ci").env("PROMPTOS_ARTIFACTS_DIR", "")).expect(2, &["--artifacts-dir"]);
    let change = Change::new();
    let runner = change.runner();
    let require = |check: &str| runner.run(&["ci", "--require", check]);
    require("lint").ok();
    for check in
        ["evidence", "pull-request", "ledger", "snapshot", "bindings", "separation", "registry", "policy"]
    {
        require(check).expect(4, &["this check is required, and was not made", check]);
    }
    require("evidence,pull-request").expect(4, &["2 of 3 checks did not pass"]);
    require("nonsense").expect(2, &["nonsense"]);
}

#[test]
fn lint_of_the_whole_catalog() {
    let change = Change::new();
    let runner = change.runner();
    runner.write("prompts/deep/bad.md", prompt("B", "1", "05").replace("owner: tests\n", ""));
    runner.fails(
        4,
        "lint",
        "failed",
        &["frontmatter.missing-field", "owner", "\"path\":\"prompts/deep/bad.md\""],
    );
    // Paths are the repository's, wherever one stands.
    let sub = runner.clone.join("artifacts/ada");
    let output = runner.world.run_in(&sub, &["ci"]).expect(4, &["- prompts/deep/bad.md:"]);
    assert!(!output.text().contains(runner.world.root().to_str().unwrap()), "{output:?}");
    runner.write("promptos.toml", "[catalog]\npath = \"nowhere\"\n");
    let (code, report) = runner.report();
    assert_eq!((code, verdict(&report, "lint")), (1, "unable"), "{report:#}");
    assert!(verdict(&report, "bindings") != "passed", "{report:#}");
    runner.write("promptos.toml", "[policy]\nsnapshots = \"current\"\n");
    runner.run(&ALL).expect(1, &["promptos.toml:2", "snapshots"]);
}

#[test]
fn other_bytes_under_a_bound_ref() {
    let change = Change::new();
    let edited = prompt("G05", "1.0.0", "05").replace("Do it.", "Do it well.");
    let runner = change.runner();
    runner.write("prompts/g05.md", &edited);
    runner.fails(
        4,
        "bindings",
        "failed",
        &["G05.v1.0.0 is bound to other bytes", "\"path\":\"prompts/g05.md\"", "session "],
    );
    runner.write("prompts/g05.md", edited.replace("1.0.0", "1.0.1"));
    assert_eq!(runner.report().0, 0);
    // By the ledger alone.
    change.ada.write("prompts/g05.md", &edited);
    change.ada.run(&["ci"]).expect(4, &["G05.v1.0.0 is bound to other bytes", "entry 1"]);
    // A gate of the program is bound like any other.
    change.ada.write("prompts/g05.md", prompt("G05", "1.0.0", "05"));
    change.ada.write("prompts/p00.md", prompt("P00", "1", "00"));
    change.ada.run(&["ci"]).expect(4, &["P00.v1 is bound to other bytes"]);
}

#[test]
fn the_newest_snapshot_is_the_catalog() {
    let change = Change::new();
    let ada = &change.ada;
    let settings = String::from_utf8(ada.read("promptos.toml")).unwrap();
    ada.write("promptos.toml", settings.replace("snapshot = \"off\"", "snapshot = \"current\""));
    ada.commit("policy");
    ada.run(&["ci"]).expect(4, &["there is none", "promptos snapshot create"]);
    // What is asked for and cannot be checked has not passed.
    change.runner().fails(1, "snapshot", "unable", &["neither a ledger nor evidence of a snapshot"]);
    ada.run(&["snapshot", "create", "v1"]).ok();
    ada.run(&["ci"]).expect(0, &["0 changes, since v1"]);
    ada.run(&["export", "--snapshot", "v1", "--artifacts-dir", "artifacts/release"]).ok();
    ada.commit("release");
    let runner = change.runner();
    assert_eq!(runner.report().0, 0, "{:#}", runner.report().1);

    runner.write("prompts/g05.md", prompt("G05", "1.0.1", "05"));
    runner.fails(
        4,
        "snapshot",
        "failed",
        &["G05.v1.0.1 was added after the snapshot v1", "G05.v1.0.0 was removed"],
    );
    ada.write("prompts/new.md", prompt("NEW", "1", "05"));
    ada.run(&["ci"]).expect(4, &["- prompts/new.md:1: NEW.v1 was added after the snapshot v1"]);
    ada.commit("more");
    ada.run(&["snapshot", "create", "v2"]).ok();
    ada.run(&["ci"]).ok();
}

#[test]
fn a_ledger_that_does_not_hold() {
    let change = Change::new();
    let ledger = change.ada.project.join(".promptos/ledger.redb");
    let bytes = fs::read(&ledger).unwrap();
    fs::write(&ledger, &bytes[..bytes.len() / 2]).unwrap();
    let output = change.ada.run(&[&["--json"], &ALL[..]].concat());
    assert_eq!((output.code, verdict(&output.json(), "ledger")), (3, "failed"), "{output:?}");
    fs::remove_file(&ledger).unwrap();
    change.ada.run(&ALL).expect(3, &["the ledger that was here is gone"]);
    // One that is named must be there.
    let runner = change.runner();
    runner.run(&["--ledger", "nowhere.redb", "ci"]).expect(1, &["unable", "there is no ledger here"]);
}

#[test]
fn evidence_that_does_not_prove_the_session() {
    let change = Change::new();
    let case = |break_it: &dyn Fn(&Runner), exit: i32, verdict: &str, texts: &[&str]| {
        let runner = change.runner();
        // The description is another check's.
        break_it(&runner);
        let output = runner.run(&["--json", "ci", "--artifacts-dir", "artifacts"]);
        fails(output.code, &output.json(), exit, "evidence", verdict, texts);
    };
    let at = |runner: &Runner, path: &str| runner.clone.join(path);
    let flip = |runner: &Runner| {
        let mut tar = runner.read(TAR);
        let middle = tar.len() / 2;
        tar[middle] ^= 1;
        runner.write(TAR, tar);
    };
    case(&flip, 3, "failed", &["does not hold", "\"path\":\"artifacts/ada/prompt_session.evidence.tar\""]);
    let edit = |runner: &Runner| {
        let text = String::from_utf8(runner.read(SESSION)).unwrap();
        runner.write(SESSION, text.replace("\"developer\": \"ada\"", "\"developer\": \"bob\""));
    };
    case(&edit, 4, "failed", &["the field 'developer' is not what was signed", SESSION]);
    case(
        &|runner| fs::remove_file(at(runner, SESSION)).unwrap(),
        4,
        "failed",
        &["is not there, and its evidence is"],
    );
    case(
        &|runner| fs::remove_file(at(runner, TAR)).unwrap(),
        4,
        "failed",
        &["nothing proves", "put its evidence beside it"],
    );
    case(&|runner| runner.write(SESSION, "{"), 1, "unable", &["this is not JSON"]);
    case(&|runner| runner.write(TAR, "no tar"), 1, "unable", &["is not an evidence tar"]);
    let nobody = "[trust]\nledgers = []\n";
    case(
        &|runner| runner.write("promptos.toml", nobody),
        4,
        "failed",
        &["self-consistent only", "[trust] ledgers"],
    );
    let empty = |runner: &Runner| {
        fs::remove_dir_all(at(runner, "artifacts")).unwrap();
        fs::create_dir(at(runner, "artifacts")).unwrap();
    };
    case(&empty, 4, "failed", &["no session in artifacts"]);
    case(
        &|runner| fs::remove_dir_all(at(runner, "artifacts")).unwrap(),
        1,
        "unable",
        &["cannot list", "PROMPTOS_ARTIFACTS_DIR"],
    );
    let old = r#"{"timestamp_utc": "2026-01-01T00:00:00Z", "developer": "ada", "artifact_hash": "00"}"#;
    case(
        &|runner| runner.write("artifacts/old/prompt_session.json", old),
        4,
        "failed",
        &["nothing proves artifacts/old/"],
    );

    // Trust that is named takes the place of the project's.
    let runner = change.runner();
    let ledger = change.ada.json(&["init"]);
    runner.write("promptos.toml", nobody);
    runner.run(&["ci", "--artifacts-dir", "artifacts", "--trust", text(&ledger, "/ledger")]).ok();
    runner.run(&["ci", "--artifacts-dir", "artifacts", "--trust", text(&ledger, "/key")]).ok();
    runner
        .run(&["ci", "--artifacts-dir", "artifacts", "--trust", &"0".repeat(64)])
        .expect(4, &["self-consistent only"]);
    // A session that the ledger holds needs no evidence, and must still say what was signed.
    fs::remove_file(change.ada.project.join(TAR)).unwrap();
    change.ada.run(&ALL).ok();
    let text = String::from_utf8(change.ada.read(SESSION)).unwrap();
    change.ada.write(SESSION, text.replace("\"developer\": \"ada\"", "\"developer\": \"bob\""));
    change.ada.run(&ALL).expect(4, &["'developer' is not what was signed"]);
}

#[test]
fn evidence_of_another_history_of_the_ledger() {
    let change = Change::new();
    let folder = change.ada.project.join(".promptos");
    let copy = change.ada.root().join("copy");
    copy_folder(&folder, &copy);
    change.ada.run(&["dev", "--prompts", "P01", "--artifacts-dir", "artifacts/other"]).ok();
    fs::remove_dir_all(&folder).unwrap();
    copy_folder(&copy, &folder);
    change.ada.run(&["pin", "reset"]).ok();
    change.ada.run(&["dev", "--prompts", "P03"]).ok();
    change.ada.run(&ALL).expect(3, &["evidence of this ledger from another history", "artifacts/other/"]);
}

#[test]
fn the_description_must_be_that_of_the_sessions() {
    let change = Change::new();
    let runner = change.runner();
    let other = change.ada.run(&["dev", "--prompts", "P00", "--developer", "ada"]).ok().stdout;
    let block = change.block.as_str();
    let fenced = format!("```\n{block}```\n");
    let comment = format!("<!--\n{block}-->\n");
    let cases: [(String, &[&str]); 10] = [
        (String::new(), &["has no governed-session block", "promptos dev"]),
        (fenced, &["has no governed-session block", "in code, in a comment"]),
        (comment, &["has no governed-session block"]),
        (block.replace("P00, G05", "P00, G05, P07"), &["'Prompts Used' says 'P00, G05, P07'"]),
        (block.replace("`ada`", "`\u{430}da`"), &["'Developer'", "u{430}da"]),
        (other.clone(), &["nothing proves the session entry:"]),
        (format!("{block}\n\n{other}"), &["nothing proves the session entry:"]),
        (block.replace("entry:", "entry"), &["names no ledger entry"]),
        (format!("{block}\n\n{block}"), &["has a block already"]),
        (block.replace("artifacts/ada", "artifacts/ben"), &["'Session Artifact' says 'artifacts/ben/"]),
    ];
    for (body, texts) in cases {
        runner.write("pr.md", body);
        runner.fails(4, "pull-request", "failed", texts);
    }
    runner.write("pr.md", format!("{}\r\n", change.block.replace('\n', "\r\n")));
    assert_eq!(runner.report().0, 0);
    runner.write("pr.md", [0xff, 0xfe]);
    runner.fails(1, "pull-request", "unable", &["is not UTF-8"]);
    fs::remove_file(runner.clone.join("pr.md")).unwrap();
    runner.fails(1, "pull-request", "unable", &["cannot read the description from pr.md"]);
    // Ada's own ledger proves the other session as well.
    change.ada.write("pr.md", format!("{block}\n\n{other}"));
    change.ada.run(&ALL).expect(0, &["2 governed-session blocks"]);
    // A description alone, against the ledger alone.
    change.ada.write("pr.md", &other);
    change.ada.run(&["ci", "--pr-body", "pr.md"]).ok();
}

#[test]
fn separation_of_duties() {
    let change = Change::new();
    let ada = &change.ada;
    let policy = |policy: &str| {
        let settings = String::from_utf8(ada.read("promptos.toml")).unwrap();
        let lines = settings.lines().map(|line| match line.starts_with("separation") {
            true => format!("separation = \"{policy}\"\n"),
            false => format!("{line}\n"),
        });
        ada.write("promptos.toml", lines.collect::<String>());
    };
    let two = "'ada@example.org' is writer and reviewer of this change";
    ada.run(&["dev", "--prompts", "P05", "--artifacts-dir", "artifacts/p05"]).ok();
    ada.run(&["dev", "--prompts", "P07", "--artifacts-dir", "artifacts/p07"]).ok();
    let report = ada.json(&ALL);
    assert_eq!(find(&report, "separation")["issues"][0]["severity"], "warning");
    assert_eq!(text(find(&report, "separation"), "/issues/0/message"), two);
    policy("enforce");
    ada.commit("enforce");
    change.runner().fails(4, "separation", "failed", &[two, "[policy] separation"]);
    // Which sessions are the change's is said by the artifacts; one of the two is in order.
    ada.run(&["ci", "--artifacts-dir", "artifacts/p05"]).ok();
    // Without them, by the description; without that, all of the ledger that no run has cited.
    ada.run(&["ci", "--pr-body", "pr.md"]).ok();
    ada.run(&["ci"]).expect(4, &[two]);
    // What anyone could have made cannot be judged.
    let runner = change.runner();
    runner.write("promptos.toml", "[policy]\nseparation = \"enforce\"\n");
    let (code, report) = runner.report();
    assert_eq!((code, verdict(&report, "separation")), (4, "failed"));
    assert!(find(&report, "separation").to_string().contains("anyone can take any name"), "{report:#}");
    policy("off");
    ada.run(&ALL).expect(0, &["[policy] separation is off"]);
    // A run has an integrator, and is judged by its evidence and by the ledger.
    policy("warn");
    ada.write("artifacts/p05/run_record.json", r#"{"run_id": "R-1"}"#);
    ada.run(&["attach", "--run-record", "artifacts/p05/run_record.json"]).ok();
    policy("enforce");
    let integrator = "'ada@example.org' is writer and integrator of run R-1";
    ada.run(&["ci", "--artifacts-dir", "artifacts/p05"]).expect(4, &[integrator]);
    // The ledger knows of it without its evidence; and it is no matter of a change with other sessions.
    let evidence = ada.read("artifacts/p05/run.evidence.tar");
    fs::remove_file(ada.project.join("artifacts/p05/run.evidence.tar")).unwrap();
    ada.run(&["ci", "--artifacts-dir", "artifacts/p05"]).expect(4, &[integrator, "(entry "]);
    ada.run(&["ci", "--artifacts-dir", "artifacts/ada"]).ok();
    ada.run(&["ci"]).expect(4, &[integrator, "(entry "]);
    ada.write("artifacts/p05/run.evidence.tar", evidence);
    ada.commit("a run");
    let runner = change.runner();
    runner.run(&["ci", "--artifacts-dir", "artifacts/p05"]).expect(4, &[integrator]);
}

#[test]
fn the_most_severe_decides() {
    let change = Change::new();
    let runner = change.runner();
    runner.write("pr.md", "nothing");
    runner.write("prompts/bad.md", "---\nprompt_id: B\nversion: 1\n---\n");
    runner.run(&ALL).expect(4, &["2 of 5 checks did not pass: lint, pull-request"]);
    fs::remove_file(runner.clone.join("pr.md")).unwrap();
    runner.run(&ALL).expect(1, &["unable", "failed"]);
    let mut tar = runner.read(TAR);
    let middle = tar.len() / 2;
    tar[middle] ^= 1;
    runner.write(TAR, tar);
    runner.run(&ALL).expect(3, &[]);
}

#[test]
fn the_summary_fits_narrow_and_wide_terminals() {
    let change = Change::new();
    let runner = change.runner();
    runner.write("pr.md", change.block.replace("`ada`", "`bob`"));
    let lines = |columns: &str| -> Vec<String> {
        let mut command = runner.world.command(env!("CARGO_BIN_EXE_promptos"), &runner.clone);
        let output =
            finish(command.args(ALL).env("COLUMNS", columns)).expect(4, &["4 passed, 1 failed, 4 skipped"]);
        output.stdout.lines().map(str::to_owned).collect()
    };
    let narrow = lines("40");
    assert!(narrow.iter().all(|line| line.chars().count() <= 40), "{narrow:#?}");
    let wide = lines("200");
    assert!(wide.len() < narrow.len(), "{wide:#?}");
    assert!(wide.contains(&"passed   evidence      1 session and 0 runs proved".to_owned()), "{wide:#?}");
    assert!(wide.contains(&"failed   pull-request  1 governed-session block".to_owned()), "{wide:#?}");
}

#[test]
fn in_github_actions_findings_are_annotations() {
    let change = Change::new();
    let runner = change.runner();
    let summary = runner.world.root().join("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let run = |args: &[&str], summary: &str| {
        let mut command = runner.world.command(env!("CARGO_BIN_EXE_promptos"), &runner.clone);
        finish(command.args(args).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", summary))
    };
    let to = summary.to_str().unwrap();
    let output = run(&ALL, to).ok();
    assert!(!output.stdout.contains("::error") && !output.stdout.contains("::warning"), "{output:?}");

    // A name that tries to be a command of its own.
    runner.write("prompts/::error::x,y:z%0A|.md", prompt("B", "1", "05").replace("owner: tests\n", ""));
    let output = run(&ALL, to).expect(4, &[]);
    let lines: Vec<&str> = output.stdout.lines().collect();
    let (first, rest) = lines.split_first().unwrap();
    let token = first.strip_prefix("::stop-commands::").unwrap();
    let end = rest.iter().position(|line| *line == format!("::{token}::")).unwrap();
    let annotations = &rest[end + 1..];
    assert_eq!(annotations.len(), 1, "{output:?}");
    let start = "::error file=prompts/%3A%3Aerror%3A%3Ax%2Cy%3Az%250A|.md,line=";
    assert!(annotations[0].starts_with(start), "{annotations:?}");
    assert!(annotations[0].contains(",title=promptos lint::frontmatter.missing-field: "), "{annotations:?}");
    let again = run(&ALL, to).stdout;
    assert!(!again.contains(token), "the token cannot be known before");

    let written = fs::read_to_string(&summary).unwrap();
    assert!(
        written.starts_with(
            "before\n### promptos ci\n\n| check | verdict | |\n|---|---|---|\n| lint | passed | "
        )
    );
    assert_eq!(written.matches("### promptos ci").count(), 3);
    assert!(written.contains(r"prompts\/\:\:error\:\:x\,y\:z\%0A\|\.md\:"), "{written}");
    // One document on stdout stays one.
    let json = run(&[&["--json"], &ALL[..]].concat(), to);
    assert!(json.json()["checks"].is_array() && json.stderr.contains("::error file="), "{json:?}");
    // The verdict does not depend on a summary that cannot be written.
    run(&["ci"], "/nowhere/summary").expect(4, &["the job's summary was not written"]);
    // Elsewhere there are no such lines.
    assert!(!runner.run(&ALL).text().contains("::stop-commands"));
}
