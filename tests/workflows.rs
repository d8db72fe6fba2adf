//! Workflows that are right and wrong, and what `promptos workflow check` says of them.
//!
//! Beside each file of `tests/workflows/reject` stands what the check says of it. After a change that is meant,
//! `PROMPTOS_BLESS=1 cargo test --test workflows` writes those files anew; the difference is for review.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use promptos::catalog::{Catalog, Finding, Layer, Source};
use promptos::workflow::{Against, Inline, Lock, MAX_STEPS, Policy, RULES, Report, check};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use support::{World, copy_folder, corpora};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflows").join(name)
}

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG
        .get_or_init(|| Catalog::load(&[Source::folder(Layer::Workspace, folder("prompts"))], true).unwrap())
}

fn examine_with(policy: &Policy, path: &str, bytes: &[u8]) -> Report {
    check(Path::new(path), bytes, &Against { catalog: catalog(), policy, bound: &|_| Ok(None) }).unwrap()
}

fn examine(path: &str, text: &str) -> Report {
    examine_with(&Policy::default(), path, text.as_bytes())
}

fn said(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn accepted(name: &str) -> String {
    fs::read_to_string(folder("accept").join(name)).unwrap()
}

#[test]
fn what_is_right_is_accepted() {
    for (name, bytes) in files("accept") {
        let report = examine_with(&Policy::default(), &name, &bytes);
        assert_eq!(said(&report.findings), "", "{name}");
    }
    let report = examine("generative.yaml", &accepted("generative.yaml"));
    assert_eq!((report.workflow_id.as_deref(), report.version.as_deref()), (Some("generative"), Some("1")));
    assert_eq!((report.steps, report.inline), (8, 0));
    let used: Vec<_> =
        report.refs.iter().map(|found| (found.reference.as_str(), found.used_by.join(" "))).collect();
    let expected = [
        ("planner.evaluate_harness_report.v1", "judge"),
        ("policy.careful.v1", "defaults judge"),
        ("task.fix_from_harness_report.v1", "fix"),
        ("task.synthesize_harness.v1", "write"),
    ];
    assert_eq!(used, expected.map(|(reference, steps)| (reference, steps.to_owned())));
}

#[test]
fn what_is_wrong_is_named_with_its_code_and_place() {
    let mut wrong = Vec::new();
    for (name, bytes) in files("reject") {
        let report = examine_with(&Policy::default(), &name, &bytes);
        assert!(report.findings.iter().any(Finding::is_error), "{name} is accepted");
        let golden = folder("reject").join(&name).with_extension("txt");
        let found = said(&report.findings);
        if std::env::var_os("PROMPTOS_BLESS").is_some() {
            fs::write(&golden, &found).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{name}: expected\n{expected}found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_is_broken_by_some_file() {
    let mut broken: BTreeSet<String> = BTreeSet::new();
    for (name, _) in files("reject") {
        let golden = fs::read_to_string(folder("reject").join(name).with_extension("txt")).unwrap();
        let codes = golden.lines().filter_map(|line| line.split_once('[')?.1.split_once("]: "));
        broken.extend(codes.map(|(code, _)| code.to_owned()));
    }
    // These need a large file, a ledger or a lock file; tests below break them.
    for code in
        ["workflow.too-large", "ref.changed", "lock.missing", "lock.added", "lock.removed", "lock.changed"]
    {
        assert!(broken.insert(code.to_owned()), "{code}");
    }
    let all: BTreeSet<String> = RULES.iter().map(|rule| rule.code.to_owned()).collect();
    assert_eq!(all.len(), RULES.len(), "a code stands twice");
    assert_eq!(all.difference(&broken).collect::<Vec<_>>(), Vec::<&String>::new());
    let lint: BTreeSet<&str> = promptos::catalog::RULES.iter().map(|rule| rule.code).collect();
    assert!(RULES.iter().all(|rule| !lint.contains(rule.code)), "a code of lint has two meanings");
}

/// A workflow of one step with this prompt.
fn one_step(prompt: &str) -> String {
    format!(
        "workflow_id: w\nversion: 1\ndescription: d\nentry_step: a\nsteps:\n  - id: a\n    opcode: RUN_AGENT\n    \
         agent: x\n    prompt: {prompt}\n    routes: {{completed: STOP, error: STOP, killed_timeout: STOP, \
         killed_idle: STOP, killed_policy: STOP}}\n"
    )
}

fn codes(report: &Report) -> Vec<(&str, bool)> {
    report.findings.iter().map(|finding| (finding.code, finding.is_error())).collect()
}

#[test]
fn a_policy_allows_roles_and_forbids_prompts_without_a_ref() {
    let judge = |policy: &Policy, prompt: &str| {
        let report = examine_with(policy, "w.yaml", one_step(prompt).as_bytes());
        codes(&report).iter().map(|(code, error)| format!("{code} {error}")).collect::<Vec<_>>()
    };
    let allowing = |roles: &[&str]| Policy {
        allow_roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Policy::default()
    };
    assert_eq!(judge(&allowing(&["risk"]), "triage.sort.v1"), ["ref.role true"]);
    assert_eq!(judge(&allowing(&["risk", "triage"]), "triage.sort.v1"), [""; 0]);
    assert_eq!(judge(&allowing(&["triage"]), "task.plain.v1"), [""; 0], "a task is always allowed");
    for (inline, expected) in [
        (Inline::Warn, vec!["ref.inline false"]),
        (Inline::Error, vec!["ref.inline true"]),
        (Inline::Allow, vec![]),
    ] {
        let policy = Policy { inline, ..Policy::default() };
        assert_eq!(judge(&policy, "Mend it well."), expected);
        // A planner's and a policy's text is never enough.
        let text = accepted("generative.yaml").replace("planner.evaluate_harness_report.v1", "Judge it.");
        let text = text.replacen("policy.careful.v1", "Be careful.", 1);
        let report = examine_with(&policy, "w.yaml", text.as_bytes());
        assert_eq!(codes(&report), [("ref.inline", true), ("ref.inline", true)], "{inline:?}");
    }
}

#[test]
fn the_built_in_gates_can_be_named() {
    let text = one_step("P05.v1\n    inputs: [scope, design]");
    assert_eq!(said(&examine("w.yaml", &text).findings), "");
    let report = examine("w.yaml", &one_step("P05\n    inputs: [scope]"));
    let found = said(&report.findings);
    assert!(found.contains("write P05.v1") && found.contains("requires the artifact `design`"), "{found}");
}

#[test]
fn an_artifact_counts_only_for_the_steps_after_it() {
    let text = accepted("generative.yaml");
    // Harness reports come from `run`, so `write` cannot have one; `fix` can, by way of `judge`.
    let early = text
        .replace("task.synthesize_harness.v1\n    inputs: [diff]", "task.reads_report.v1\n    inputs: []");
    let report = examine("w.yaml", &early);
    // The loop of `fix` comes back to `run` and not to `write`.
    assert_eq!(codes(&report), [("input.unsatisfied", true)], "{}", said(&report.findings));
    let looped =
        early.replace("blocked: failed", "blocked: write").replace("back, failed, STOP]", "back, write]");
    let report = examine("w.yaml", &looped);
    assert_eq!(said(&report.findings), "");
}

#[test]
fn every_route_is_needed_and_every_target_is_looked_up() {
    let text = accepted("generative.yaml");
    let mut tried = 0;
    for (line_number, line) in text.lines().enumerate().filter(|(_, line)| line.contains("routes: {")) {
        let (before, pairs) = line.split_once('{').unwrap();
        let pairs: Vec<&str> = pairs.trim_end_matches('}').split(", ").collect();
        for (at, pair) in pairs.iter().enumerate() {
            let with = |pairs: &[&str]| {
                let lines = text.lines().enumerate().map(|(number, old)| {
                    let new = format!("{before}{{{}}}", pairs.join(", "));
                    if number == line_number { new } else { old.to_owned() }
                });
                lines.map(|line| line + "\n").collect::<String>()
            };
            let (outcome, _) = pair.split_once(": ").unwrap();
            let further = outcome == "killed_timeout"
                && line.contains("completed: STOP, error: STOP, killed_timeout: STOP}");
            let mut fewer = pairs.clone();
            fewer.remove(at);
            let found = said(&examine("w.yaml", &with(&fewer)).findings);
            assert_eq!(found.contains("[route.missing-outcome]"), !further, "without {pair}: {found}");
            let lost = format!("{outcome}: nobody");
            let mut other = pairs.clone();
            other[at] = &lost;
            let found = said(&examine("w.yaml", &with(&other)).findings);
            assert!(found.contains("[route.unknown-target]: there is no step `nobody`"), "{found}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn large_files_are_refused_or_read_in_time() {
    let step = |n: usize| format!("  - {{id: s{n}, opcode: STOP, allow_unreachable: true}}\n");
    let many = |count| {
        let steps: String = (0..count).map(step).collect();
        format!("workflow_id: w\nversion: 1\ndescription: d\nentry_step: s0\nsteps:\n{steps}")
    };
    assert_eq!(said(&examine("w.yaml", &many(MAX_STEPS)).findings), "");
    let found = said(&examine("w.yaml", &many(MAX_STEPS + 1)).findings);
    assert_eq!(found, "w.yaml:5:1: error[workflow.too-large]: there are 1001 steps, more than 1000\n");
    let long = |bytes: usize| one_step(&format!("|\n      {}", "do this \n      ".repeat(bytes / 15)));
    let report = examine("w.yaml", &long(9 << 20));
    assert_eq!((codes(&report), report.inline), (vec![("ref.inline", false)], 1));
    let found = said(&examine("w.yaml", &long(11 << 20)).findings);
    assert_eq!(found, "w.yaml:1:1: error[workflow.too-large]: the file is larger than 10 MB\n");
}

#[test]
fn byte_order_marks_and_line_ends_change_no_place() {
    let text = one_step("task.plain").replace("entry_step", "# é\nentry_step");
    let expected = said(&examine("w.yaml", &text).findings);
    assert!(expected.starts_with("w.yaml:10:13: error[ref.canonical]"), "{expected}");
    for other in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), text.trim_end().to_owned()] {
        assert_eq!(said(&examine("w.yaml", &other).findings), expected);
    }
}

/// Whatever is found stands in the file, and nothing steers a terminal.
fn check_sane(bytes: &[u8]) {
    let report = examine_with(&Policy::default(), "w.yaml", bytes);
    let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    for finding in &report.findings {
        assert!((1..=lines).contains(&finding.line) && finding.column >= 1, "{finding}");
        assert!(
            !finding.message.is_empty() && !finding.message.contains(|c: char| c.is_control()),
            "{finding}"
        );
        assert!(RULES.iter().any(|rule| rule.code == finding.code));
    }
    assert!(report.has_errors() || report.workflow_id.is_some(), "neither a workflow nor an error");
    let lock = Lock::of(&report);
    assert_eq!(Lock::parse(Path::new("w.lock"), lock.to_string().as_bytes()).unwrap(), lock);
    assert_eq!(lock.drift(Path::new("w.lock"), &report), []);
}

fn yaml_value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "STOP",
        "RUN_AGENT",
        "RUN_VALIDATION",
        "EVALUATE",
        "GATE",
        "ROLLBACK",
        "a",
        "b",
        "1",
        "-1",
        "true",
        "~",
        "[]",
        "{}",
        "task.plain.v1",
        "\"\\e[31m\"",
        "*x",
        "&x y",
        "!!int z",
        "'",
        ": ",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    let key = prop::sample::select(vec![
        "workflow_id",
        "version",
        "description",
        "entry_step",
        "steps",
        "id",
        "opcode",
        "prompt",
        "routes",
        "run",
        "target",
        "outcome",
        "completed",
        "policy",
        "<<",
        "defaults",
        "inputs",
        "kind",
        "allowed_next_steps",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let pair = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("{key}: {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(pair, 0..6).prop_map(|pairs| format!("{{{}}}", pairs.join(", "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_yaml_makes_it_stumble(value in yaml_value(), text in "\\PC{0,200}") {
        check_sane(value.as_bytes());
        check_sane(text.as_bytes());
        check_sane(format!("workflow_id: w\nsteps: [{value}]\n{text}").as_bytes());
    }

    #[test]
    fn no_damage_makes_it_stumble(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..8)) {
        let mut bytes = accepted("generative.yaml").into_bytes();
        for (at, byte, how) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.truncate(at),
            }
        }
        check_sane(&bytes);
    }

    #[test]
    fn no_damage_to_a_lock_is_overlooked(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        static REPORT: OnceLock<Report> = OnceLock::new();
        let report = REPORT.get_or_init(|| examine("w.yaml", &accepted("generative.yaml")));
        let lock = Lock::of(report);
        let mut bytes = lock.to_string().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at); } else { bytes[at] = byte; }
        prop_assume!(bytes != lock.to_string().as_bytes());
        // Refused, or seen to be another one.
        if let Ok(read) = Lock::parse(Path::new("w.lock"), &bytes) {
            prop_assert!(!read.drift(Path::new("w.lock"), report).is_empty());
        }
    }
}

#[test]
fn a_damaged_lock_is_refused_by_its_line() {
    let lock = Lock::of(&examine("w.yaml", &accepted("generative.yaml"))).to_string();
    assert_eq!(lock.lines().count(), 5, "{lock}");
    let lines: Vec<&str> = lock.lines().collect();
    let swapped = [lines[0], lines[2], lines[1], lines[3], lines[4], ""].join("\n");
    let twice = [lines[0], lines[1], lines[1], ""].join("\n");
    for (text, part) in [
        (String::new(), "line 1 should be `promptos-lock 1`"),
        ("{}\n".to_owned(), "line 1 should be"),
        (lock.replace("lock 1", "lock 2"), "a form that this version does not know: `promptos-lock 2`"),
        (lock.replace("blake3:", "blake2:"), "line 2 is not `<ref> blake3:"),
        (lock.replace("task.fix", "task fix"), "line 4 is not"),
        (lock.replace(" sha256", "  sha256"), "line 2 is not"),
        (lock.replace("\ntask", "\n<<<<<<< HEAD\ntask"), "line 4 is not"),
        (lock.replace("\ntask", "\n\ntask"), "line 4 is not"),
        (lock.to_uppercase().replace("PROMPTOS-LOCK", "promptos-lock"), "line 2 is not"),
        (swapped, "line 3 is out of order"),
        (twice, "line 3 is out of order"),
        (lock.trim_end().to_owned(), "line 5 is cut short"),
    ] {
        let error = Lock::parse(Path::new("w.lock"), text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(part) && error.to_string().contains("w.lock"), "{error}\n{text}");
        assert_eq!(error.hints().len(), 1);
    }
    let error = Lock::parse(Path::new("w.lock"), b"promptos-lock 1\n\xff\n").unwrap_err();
    assert!(error.to_string().contains("line 2 is not UTF-8"), "{error}");
    // As a checkout with other line ends leaves it.
    assert!(Lock::parse(Path::new("w.lock"), lock.replace('\n', "\r\n").as_bytes()).is_ok());
}

// ---- the command ----

/// A project with our prompts and one workflow.
fn world(workflow: &str) -> World {
    let world = World::new();
    copy_folder(&folder("prompts"), &world.project.join("prompts"));
    world.write("w.yaml", workflow);
    world
}

#[test]
fn the_command_reports_and_exits_by_what_it_found() {
    let world = world(&accepted("generative.yaml"));
    world
        .run(&["workflow", "check", "w.yaml"])
        .expect(0, &["1 workflow, 8 steps, 4 refs, 0 inline prompts: 0 errors, 0 warnings"]);
    let report = world.json(&["workflow", "check", "w.yaml"]);
    assert_eq!(report["schema"], "promptos.workflow-check/1");
    let workflow = &report["workflows"][0];
    assert_eq!(workflow["workflow_id"], "generative");
    assert_eq!(workflow["refs"][3]["ref"], "task.synthesize_harness.v1");
    let bytes = world.read("prompts/task.synthesize_harness.v1.md");
    assert_eq!(workflow["refs"][3]["blake3"], format!("blake3:{}", blake3::hash(&bytes).to_hex()));
    assert_eq!(workflow["refs"][3]["layer"], "workspace");

    // Warnings fail nothing; errors do, in any of the files.
    world.write("inline.yaml", one_step("Mend it well."));
    world
        .run(&["workflow", "check", "inline.yaml"])
        .expect(0, &["warning[ref.inline]", "1 inline prompt: 0 errors, 1 warning"]);
    world.write("bad.yaml", one_step("task.plain"));
    let output = world.run(&["workflow", "check", "w.yaml", "bad.yaml", "inline.yaml"]);
    let output = output
        .expect(4, &["bad.yaml:9:13: error[ref.canonical]", "write task.plain.v1", "3 workflows, 10 steps"]);
    assert!(output.stdout.contains("error[ref.canonical]") && !output.stderr.contains("ref.canonical"));
    let output = world.run(&["--json", "workflow", "check", "bad.yaml"]);
    assert_eq!(
        (output.code, &output.json()["workflows"][0]["findings"][0]["code"]),
        (4, &json!("ref.canonical"))
    );

    for (args, code, part) in [
        (&["workflow", "check"][..], 2, "FILE"),
        (&["workflow", "check", "--lock", "--locked", "w.yaml"], 2, "cannot be used with"),
        (&["workflow", "check", "nowhere.yaml"], 1, "cannot read nowhere.yaml"),
        (&["workflow", "check", "prompts"], 1, "cannot read prompts"),
        (&["--ledger", "nowhere.redb", "workflow", "check", "w.yaml"], 1, "there is no ledger"),
    ] {
        world.run(args).expect(code, &[part]);
    }
}

#[test]
fn the_settings_hold_the_policy() {
    let world = world(&one_step("Mend it well."));
    for (settings, code, part) in [
        ("[workflow]\ninline = \"error\"\n", 4, "error[ref.inline]"),
        ("[workflow]\ninline = \"allow\"\n", 0, "0 errors, 0 warnings"),
        ("[workflow]\ninline = \"maybe\"\n", 1, "promptos.toml:2:10"),
        ("[workflow]\nallow_role = []\n", 1, "promptos.toml:2:1"),
    ] {
        world.write("promptos.toml", settings);
        world.run(&["workflow", "check", "w.yaml"]).expect(code, &[part]);
    }
    world.write("w.yaml", one_step("triage.sort.v1"));
    world.write("promptos.toml", "[workflow]\nallow_roles = [\"triage\"]\n");
    world.run(&["workflow", "check", "w.yaml"]).ok();
}

#[test]
fn bytes_that_the_ledger_binds_do_not_change() {
    let world = world(&one_step("task.plain.v1"));
    world.run(&["dev", "--prompts", "task.plain.v1"]).ok();
    world.run(&["workflow", "check", "w.yaml"]).ok();
    let mut bytes = world.read("prompts/task.plain.v1.md");
    bytes.extend(b"And more.\n");
    world.write("prompts/task.plain.v1.md", &bytes);
    let bound = "the ledger binds it to blake3:";
    world
        .run(&["workflow", "check", "w.yaml"])
        .expect(4, &["w.yaml:9:13: error[ref.changed]", bound, "new version"]);
    // Another ref is not bound, and without a ledger nothing is.
    world.write("w.yaml", one_step("task.new.v1"));
    world.run(&["workflow", "check", "w.yaml"]).ok();
}

#[test]
fn a_locked_workflow_refuses_drift() {
    let world = world(&accepted("generative.yaml"));
    let check = |flag: &str| world.run(&["workflow", "check", flag, "w.yaml"]);
    check("--locked").expect(4, &["w.yaml:1:1: error[lock.missing]: there is no lock file w.yaml.lock"]);
    check("--lock").expect(0, &["wrote w.yaml.lock"]);
    check("--locked").ok();
    let lock = world.read("w.yaml.lock");
    let text = String::from_utf8(lock.clone()).unwrap();
    assert!(text.starts_with("promptos-lock 1\nplanner.evaluate_harness_report.v1 blake3:"), "{text}");
    check("--lock").ok();
    assert_eq!(world.read("w.yaml.lock"), lock, "the same prompts give the same lock");

    // Other bytes.
    let prompt = world.read("prompts/policy.careful.v1.md");
    world.write("prompts/policy.careful.v1.md", [&prompt[..], b"x"].concat());
    let drift =
        check("--locked").expect(4, &["w.yaml:7:11: error[lock.changed]: policy.careful.v1 is blake3:"]);
    assert_eq!(drift.stdout.matches("error[").count(), 1);
    world.write("prompts/policy.careful.v1.md", &prompt);
    check("--locked").ok();

    // One prompt for another.
    world.write(
        "w.yaml",
        accepted("generative.yaml").replace("task.fix_from_harness_report.v1", "task.plain.v1"),
    );
    check("--locked").expect(
        4,
        &[
            "error[lock.added]: task.plain.v1 is not in w.yaml.lock",
            "w.yaml.lock:4:1: error[lock.removed]: task.fix_from_harness_report.v1 is locked",
        ],
    );
    world.write("w.yaml", accepted("generative.yaml"));

    // A damaged lock is no lock, and none is written over errors.
    world.write("w.yaml.lock", &lock[..lock.len() - 1]);
    check("--locked").expect(1, &["the lock file w.yaml.lock is damaged: line 5 is cut short", "--lock"]);
    world.write("w.yaml.lock", &lock);
    world.write("w.yaml", accepted("generative.yaml").replace("entry_step: write", "entry_step: wirte"));
    check("--lock").expect(4, &["no lock file was written"]);
    assert_eq!(world.read("w.yaml.lock"), lock);
}

// ---- workflows of others ----

fn real_workflows(corpora: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = corpora.join("tnh/workflows");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn real_workflows_have_one_thing_to_mend() {
    let Some(corpora) = corpora() else { return };
    let real = real_workflows(&corpora);
    assert_eq!(real.len(), 5);
    for (name, bytes) in real {
        let report = examine_with(&Policy::default(), &name, &bytes);
        if name.starts_with("adr-oa04") {
            // Its validator is a script, and its prompts are those that our catalog defines.
            assert_eq!(said(&report.findings), "", "{name}");
            assert_eq!((report.refs.len(), report.inline), (3, 0));
        } else {
            assert_eq!(codes(&report), [("ref.inline", false)], "{name}: {}", said(&report.findings));
            assert_eq!((report.refs.len(), report.inline), (0, 1), "{name}");
        }
    }
}

#[test]
fn the_canonical_example_fails_without_its_prompts_and_for_nothing_else() {
    let Some(corpora) = corpora() else { return };
    let (name, bytes) = real_workflows(&corpora).remove(0);
    let (catalog, policy) = (Catalog::load(&[], true).unwrap(), Policy::default());
    let against = Against { catalog: &catalog, policy: &policy, bound: &|_| Ok(None) };
    let report = check(Path::new(&name), &bytes, &against).unwrap();
    assert_eq!(codes(&report), [("ref.unresolved", true); 3]);
}
