//! What went wrong in the first PromptOS, a set of shell scripts, and must not go wrong here. One test for each
//! of its eleven known defects; what the defect was stands above the test.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use promptos::catalog::Catalog;
use promptos::keys::{KeySource, logkey};
use promptos::ledger::{Author, Ledger};
use promptos::session::{SessionRequest, plan_session};
use promptos::store::{Access, RedbStore};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;
use std::time::Duration;
use support::{World, copy_folder, text, v1};

fn prompt(id: &str, version: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nname: A gate\nphase: \"05\"\nmaps_to_gate: \"05\"\nversion: {version}\n\
         owner: tests\nlast_updated_utc: \"2026-01-01T00:00:00Z\"\nstop_conditions:\n  - \"It is unclear\"\n\
         constitution_alignment:\n  - \"None\"\n---\n\n## Prompt\n\n```text\n{body}\n```\n"
    )
}

/// Edits a JSON file of the project.
fn edit(world: &World, path: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&world.read(path)).unwrap();
    change(&mut value);
    world.write(path, serde_json::to_string_pretty(&value).unwrap());
}

/// Defect 1: the export looked for the newest session with an option of BSD's `stat`; on Linux the documented
/// call without a session failed.
#[test]
fn d01_export_without_naming_a_session_works() {
    let world = World::new();
    world.run(&["export", "--artifacts-dir", "out"]).expect(1, &["there is no ledger here"]);
    world.run(&["dev", "--prompts", "P00", "--notes", "first"]).ok();
    let latest = world.json(&["dev", "--prompts", "P01", "--notes", "second"]);
    let id = text(&latest, "/session");
    world.run(&["export", "--artifacts-dir", "out"]).expect(0, &["your latest session", id]);
    let file: Value = serde_json::from_slice(&world.read("out/prompt_session.json")).unwrap();
    assert_eq!((text(&file, "/ledger/session"), text(&file, "/notes")), (id, "second"));
    world.run(&["verify", "out/prompt_session.json"]).ok();

    // Another key's latest session is its own, and it has none.
    world.run(&["key", "new", "other"]).ok();
    world
        .run(&["--key", "other", "export", "--artifacts-dir", "out2"])
        .expect(1, &["has recorded no session here", "--session ID"]);
    // Naming one works too, by id, entry and file.
    let entry = text(&latest, "/entry/id");
    for (i, name) in [id, entry, "2", "out/prompt_session.json"].into_iter().enumerate() {
        let dir = format!("named{i}");
        world.run(&["--key", "other", "export", "--artifacts-dir", &dir, "--session", name]).ok();
        assert_eq!(world.read(&format!("{dir}/prompt_session.json")), world.read("out/prompt_session.json"));
    }
}

/// Defect 2: hashes without a key prove nothing. Whoever added a gate or another developer to a session and
/// computed the hashes again passed every check.
#[test]
fn d02_a_forged_session_is_caught_and_a_forged_log_proves_nothing() {
    let world = World::new();
    let dev = ["dev", "--prompts", "P00,P05", "--developer", "ethan", "--artifacts-dir", "out"];
    world.run(&dev).ok();
    world.write("out/run_record.json", r#"{"run_id": "r"}"#);
    let honest = world.read("out/prompt_session.json");
    type Change = fn(&mut Value);
    let forgeries: [(&str, Change); 9] = [
        ("prompts_used", |file| file["prompts_used"].as_array_mut().unwrap().push(json!("P07"))),
        ("developer", |file| file["developer"] = json!("mallory")),
        ("target_repo", |file| file["target_repo"] = json!("other")),
        ("notes", |file| file["notes"] = json!("approved")),
        ("timestamp_utc", |file| file["timestamp_utc"] = json!("2020-01-01T00:00:00Z")),
        ("iss", |file| file["ledger"]["signer"]["iss"] = json!("mallory")),
        ("prompts", |file| file["ledger"]["prompts"][1]["sha256"] = json!("00".repeat(32))),
        ("approved_by", |file| file["approved_by"] = json!("ethan")),
        ("lint_passed", |file| drop(file.as_object_mut().unwrap().shift_remove("lint_passed"))),
    ];
    for (field, forge) in forgeries {
        world.write("out/prompt_session.json", &honest);
        edit(&world, "out/prompt_session.json", forge);
        let named = format!("the field '{field}' is not what was signed");
        for command in [
            vec!["verify", "out/prompt_session.json"],
            vec!["attach", "--run-record", "out/run_record.json"],
            vec!["trace", "out/prompt_session.json"],
            vec!["export", "--artifacts-dir", "again", "--session", "out/prompt_session.json"],
        ] {
            world.run(&command).expect(4, &[&named, "the file says", "the statement says"]);
        }
    }
    // A name that stands twice: readers disagree about which counts.
    let twice = String::from_utf8(honest.clone()).unwrap();
    for (from, to, name) in [
        ("\"notes\":", "\"developer\": \"mallory\", \"notes\":", "developer"),
        ("\"index\":", "\"entry\": \"\", \"index\":", "entry"),
        ("\"gate\":", "\"ref\": \"P07.v1\", \"gate\":", "ref"),
    ] {
        world.write("out/prompt_session.json", twice.replace(from, to));
        for command in
            [vec!["verify", "out/prompt_session.json"], vec!["attach", "--run-record", "out/run_record.json"]]
        {
            world.run(&command).expect(1, &[&format!("the field '{name}' is there twice at line")]);
        }
    }
    // Without any reference to the ledger it is not a session of ours.
    world.write("out/prompt_session.json", &honest);
    edit(&world, "out/prompt_session.json", |file| drop(file.as_object_mut().unwrap().remove("ledger")));
    world.run(&["attach", "--run-record", "out/run_record.json"]).expect(1, &["names no ledger entry"]);
    assert_eq!(world.json(&["log"])["size"], 2, "no forgery was attached");

    // A log of the old kind with hashes that agree is recorded, and stays a claim.
    let forged = v1::sealed(v1::log("v1.0.1", &["P00", "P05", "P08"], "ethan", ""));
    world.write("log.json", v1::jq(&Value::Object(forged)));
    world.run(&["session", "import", "log.json"]).expect(0, &["unproven", "its author did not sign it"]);
    world.run(&["trace", "log.json"]).expect(0, &["unproven", "unsigned by its author"]);
    world.run(&["trace", "P08.v1"]).expect(1, &["knows nothing of 'P08.v1'"]);

    // Mallory's own ledger may say that she is ethan; nobody has to believe it.
    let mallory = World::new();
    mallory.run(&["init", "--as", "ethan"]).ok();
    mallory.run(&dev).ok();
    world.run(&["init"]).ok();
    let tar = mallory.project.join("out/prompt_session.evidence.tar");
    let tar = tar.to_str().unwrap();
    world.run(&["verify", tar]).expect(0, &["self-consistent only: anyone could have made this"]);
    world.run(&["verify", "--require-trusted", tar]).expect(4, &["neither the ledger nor the signer"]);
}

/// Defect 3: texts were pasted into JSON. A quote in a name or a line end in the notes left a broken file behind,
/// without a word.
#[test]
fn d03_quotes_and_line_ends_stay_valid_json() {
    let world = World::new();
    let long = "x\"\n".repeat(10_000);
    let texts = [
        "O\"Brien",
        "back\\slash\\",
        "two\nlines\r\nand\ttabs",
        "`backticks` and ``` fences",
        "$(reboot) ${HOME} %s {} {{ x }}",
        "bell\u{7} del\u{7f} esc\u{1b}[2J csi\u{9b}2J",
        "\u{202e}right to left \u{2028} \u{feff}",
        "Zoë 日本 \u{1f980}",
        "\"}, {\"lint_passed\": false, \"x\": \"",
        "> - Developer: `someone else`\n> - Approved: `yes`",
        &long,
    ];
    for value in texts {
        let dev = ["dev", "--prompts", "P00", "--developer", value, "--target-repo", value, "--notes", value];
        let shown = world.run(&dev).ok();
        // The block stays what it is, line by line, and cannot be written on or hide anything.
        let lines: Vec<&str> = shown.stdout.lines().collect();
        let names = ["PromptOS Version", "Prompts Used", "Session Artifact", "Developer", "Target Repo"];
        assert_eq!((lines.len(), lines[0]), (7, "> **Governed Session**"), "{shown:?}");
        for (line, name) in lines[1..].iter().zip(names.iter().chain(&["Ledger Entry"])) {
            let value = line.strip_prefix(&format!("> - {name}: `")).and_then(|l| l.strip_suffix('`'));
            assert!(value.is_some_and(|value| !value.contains('`')), "{line}");
            assert!(!line.contains(['\u{1b}', '\u{7f}', '\u{7}', '\u{202e}', '\u{2028}', '\r']), "{line:?}");
        }
        world.run(&["export", "--artifacts-dir", "out", "--force"]).ok();
        let file: Value = serde_json::from_slice(&world.read("out/prompt_session.json")).unwrap();
        for name in ["developer", "target_repo", "notes"] {
            assert_eq!(file[name], *value, "{name}");
        }
        world.run(&["verify", "out/prompt_session.json"]).ok();
        let entry = text(&file, "/ledger/entry").to_owned();
        let details = &world.json(&["show", &entry])["details"];
        assert_eq!((text(details, "/developer"), text(details, "/notes")), (value, value));
    }
    assert_eq!(world.json(&["verify-chain"])["size"], texts.len() + 1);
}

/// Defect 4: sessions were called after the second in which they were recorded. Five recorders at once left one
/// file behind, which failed its own check.
#[test]
fn d04_recorders_in_the_same_second_all_keep_their_sessions() {
    let world = World::new();
    let recorders: Vec<_> = (0..6)
        .map(|i| {
            let notes = format!("recorder {i}");
            // Nothing is there yet: they also race for the key and the ledger.
            world
                .command(env!("CARGO_BIN_EXE_promptos"), &world.project)
                .args(["--json", "--lock-timeout", "120", "dev", "--prompts", "P00", "--notes", &notes])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut sessions = BTreeSet::new();
    for recorder in recorders {
        let output = recorder.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        sessions.insert(text(&report, "/session").to_owned());
    }
    assert_eq!(sessions.len(), 6);
    let notes: BTreeSet<String> =
        sessions.iter().map(|id| text(&world.json(&["show", id]), "/details/notes").to_owned()).collect();
    assert_eq!(notes, (0..6).map(|i| format!("recorder {i}")).collect());
    assert_eq!(world.json(&["verify-chain", "--require", "pinned"])["size"], 7);
}

/// Defect 5: prompt ids went into a search pattern, so `P..` was a known prompt and was recorded.
#[test]
fn d05_a_pattern_is_no_prompt() {
    let world = World::new();
    for id in
        ["P..", "P0[05]", ".*", "P0?", "P00|P05", "^P00$", "P0", "p00", "P00.v*", "P00.v1.0", "*", "P00 P01"]
    {
        world.run(&["dev", "--prompts", id]).expect(1, &["P00"]);
        world.run(&["dev", "--prompts", &format!("P00,{id}")]).expect(1, &[]);
        world.run(&["prompt", "show", id]).expect(1, &["P00"]);
    }
    world.run(&["dev", "--prompts", "P.."]).expect(1, &["there is no prompt `P..`", "gates: P00, P01"]);
    assert_eq!(world.files(), Vec::<String>::new());
    assert!(!world.project.join(".promptos").exists() && fs::read_dir(&world.home).unwrap().count() == 0);
}

/// Defect 6: `lint_passed: false` was told to be a missing field, since the check asked for a true value.
#[test]
fn d06_false_is_a_value() {
    let world = World::new();
    let mut log = v1::log("v0.9.0", &["P00"], "ethan", "");
    log.insert("lint_passed".into(), json!(false));
    world.write("false.json", v1::jq(&Value::Object(v1::sealed(log.clone()))));
    world.run(&["session", "import", "false.json"]).expect(0, &["imported"]);
    log.shift_remove("lint_passed");
    world.write("none.json", v1::jq(&Value::Object(v1::sealed(log))));
    world.run(&["session", "import", "none.json"]).expect(1, &["the field 'lint_passed' is missing"]);

    // In a session of ours it is a lie, and called one.
    world.run(&["dev", "--prompts", "P00", "--artifacts-dir", "out"]).ok();
    edit(&world, "out/prompt_session.json", |file| file["lint_passed"] = json!(false));
    let output = world.run(&["verify", "out/prompt_session.json"]);
    let output = output.expect(4, &["'lint_passed' is not what was signed", "the file says false"]);
    assert!(!output.text().contains("missing"), "{output:?}");
}

/// A session that an older version of this program recorded.
fn record_with_older_tool(world: &World, tool: &str) {
    let folder = world.project.join(".promptos");
    let key = KeySource::File(world.home.join(".config/promptos/id_ed25519"));
    let key = key.open(None, &mut |_| Ok(None)).unwrap();
    let log_key = logkey::load(&folder.join("log.key")).unwrap();
    let path = folder.join("ledger.redb");
    let store = RedbStore::open(&path, Access::Write, Duration::from_secs(60), &mut |_| {}).unwrap();
    let ledger = Ledger::open(Box::new(store)).unwrap();
    let catalog = Catalog::load(&[], true).unwrap();
    let request = SessionRequest {
        id: format!("by-{tool}"),
        prompts: &["P00".to_owned()],
        details: BTreeMap::from([("developer".to_owned(), "ethan".to_owned())]),
        target: None,
        renders: &[],
        attachments: &[],
        allow_secret: None,
        lint: promptos::catalog::Policy::default(),
        tool: tool.to_owned(),
        catalog_version: "v0.8.0".to_owned(),
        salts: [[1; 16], [2; 16]],
    };
    let planned = plan_session(&catalog, &request).unwrap();
    let author = Author { signer: &*key.signer, log_key: &log_key, time: 1_700_000_000 };
    ledger.append(&author, &planned.new).unwrap();
}

/// Defect 7: every check wanted the version of today, so that each release turned all earlier sessions into
/// invalid ones; one release refused the sessions that it had recorded itself.
#[test]
fn d07_sessions_of_an_older_version_keep_verifying() {
    let world = World::with_git("ethan", "ethan@example.org");
    world.write("prompts/own.md", prompt("G05", "1.0.0", "Build what was agreed."));
    world.commit("catalog");
    world.git(&["tag", "v1.0.0"]).ok();
    world.run(&["dev", "--prompts", "G05", "--artifacts-dir", "one"]).ok();
    record_with_older_tool(&world, "v0.0.1");
    world.run(&["export", "--artifacts-dir", "two"]).ok();
    let file: Value = serde_json::from_slice(&world.read("two/prompt_session.json")).unwrap();
    assert_eq!(text(&file, "/prompt_os_version"), "v0.0.1");

    // Catalog, policy and settings move on; the old prompt is gone.
    let old_prompt = world.read("prompts/own.md");
    world.write("prompts/own.md", prompt("G05", "2.0.0", "Build what was agreed, and test it."));
    world.write("promptos.toml", "[policy]\nseparation = \"enforce\"\n");
    world.commit("next");
    world.git(&["tag", "v2.0.0"]).ok();
    world.run(&["dev", "--prompts", "G05", "--artifacts-dir", "three"]).ok();
    for (dir, catalog) in [("one", "v1.0.0"), ("two", "v0.8.0"), ("three", "v2.0.0")] {
        let session = format!("{dir}/prompt_session.json");
        world.run(&["verify", &session]).ok();
        world.run(&["trace", &session]).expect(0, &["ok"]);
        world.run(&["export", "--artifacts-dir", dir, "--session", &session]).ok();
        let file: Value = serde_json::from_slice(&world.read(&session)).unwrap();
        assert!(text(&file, "/ledger/catalog_version").starts_with(catalog), "{file:#}");
    }
    // A policy's version is the oldest that is accepted, and not the only one.
    for (required, code) in [("v0.0.1", 0), ("v0.1.0", 4), ("v0.0.2", 4)] {
        world.write("promptos_policy.json", json!({"required_promptos_version": required}).to_string());
        world.run(&["ci", "--artifacts-dir", "one"]).ok();
        world.run(&["ci", "--artifacts-dir", "two"]).expect(code, &[]);
    }
    // The old prompt still governs whoever asks for the old catalog, and binds nothing anew.
    for catalog in ["git:v1.0.0", "ledger"] {
        world.run(&["dev", "--prompts", "G05.v1.0.0", "--catalog", catalog]).ok();
    }
    assert_eq!(
        world.json(&["prompt", "show", "G05.v1.0.0", "--catalog", "ledger"])["bound"]["entry"]["index"],
        1
    );
    assert_eq!(world.run(&["cat", "G05.v1.0.0"]).ok().bytes, old_prompt);
    assert_eq!(world.run(&["cat", "G05.v2.0.0"]).ok().bytes, world.read("prompts/own.md"));
    world.json(&["verify-chain", "--require", "pinned"]);
}

/// Defect 8: lint said "passed" below its own failures, took frontmatter that is no YAML, took `risk-free` for a
/// key and `max_token=5` for a token, and found no frontmatter in files with CRLF.
#[test]
fn d08_lint_means_what_it_says() {
    let world = World::new();
    let good = prompt("G05", "1.0.0", "A risk-free task with max_token=5, then desk-top publishing.");
    world.write("prompts/good.md", &good);
    world.write("prompts/crlf.md", prompt("G06", "1.0.0", "Same.").replace('\n', "\r\n"));
    world.write("prompts/bom.md", format!("\u{feff}{}", prompt("G07", "1.0.0", "Same.")));
    world.run(&["lint"]).expect(0, &["3 prompts", "0 errors, 0 warnings"]);
    let ids = "G05,G06,G07";
    world.run(&["dev", "--prompts", ids, "--notes", "risk-free, max_token=5"]).ok();
    assert_eq!(world.run(&["cat", "G06.v1.0.0"]).ok().bytes, world.read("prompts/crlf.md"));

    let secret = ["sk-", "ant-api03-", &"aB3dE5fG7h".repeat(9), "AA"].concat();
    let cases = [
        ("missing", good.replace("owner: tests\n", ""), "owner"),
        ("yaml", good.replace("name: A gate", "name: \"A gate"), "frontmatter.syntax"),
        ("tab", good.replace("  - \"None\"", "\t- \"None\""), "frontmatter.syntax"),
        ("twice", good.replace("name: A gate", "name: A\nname: B"), "frontmatter.syntax"),
        ("open", good.replacen("---\n", "", 1).replace("---\n", ""), "frontmatter"),
        ("secret", good.replace("A risk-free", &format!("Use {secret}. A risk-free")), "secret"),
        ("home", good.replace("A risk-free", "See /Users/ethan/notes. A risk-free"), "home directory"),
    ];
    for (name, content, finding) in cases {
        let file = world.write(&format!("bad/{name}.md"), content);
        let output = world.run(&["lint", file.to_str().unwrap()]).expect(4, &[finding, "error"]);
        let said = output.text().to_lowercase();
        assert!(!said.contains("passed") && !said.contains("0 errors"), "{output:?}");
        assert!(!output.text().contains(&secret[..20]), "a secret is not repeated: {output:?}");
    }
    // All of it at once, and no session over any of it.
    let output = world.run(&["lint", "prompts", "bad"]).expect(4, &["lint found errors"]);
    assert!(!output.text().to_lowercase().contains("passed"), "{output:?}");
    fs::remove_dir_all(world.project.join("prompts")).unwrap();
    copy_folder(&world.project.join("bad"), &world.project.join("prompts"));
    world.run(&["dev", "--prompts", "G05"]).expect(4, &["nothing was recorded"]);
    assert_eq!(world.json(&["log", "--kind", "session"])["entries"].as_array().unwrap().len(), 1);
}

/// Defect 9: the block for the pull request named the artifact by its absolute path, which the same tool's lint
/// forbids.
#[test]
fn d09_paths_in_the_pr_block_are_the_projects() {
    let world = World::with_git("ethan", "ethan@example.org");
    fs::create_dir(world.project.join("sub")).unwrap();
    let absolute = world.project.join("c/evidence");
    let outside = world.root().join("elsewhere");
    let cases = [
        (world.project.clone(), Some("a/evidence"), "a/evidence/prompt_session.json"),
        (world.project.join("sub"), Some("../b/evidence"), "b/evidence/prompt_session.json"),
        (world.project.join("sub"), Some("x/./../evidence"), "sub/evidence/prompt_session.json"),
        (world.project.clone(), absolute.to_str(), "c/evidence/prompt_session.json"),
        (world.project.clone(), outside.to_str(), "prompt_session.json"),
        (world.project.clone(), None, "artifacts/evidence/prompt_session.json"),
    ];
    for (dir, artifacts, shown) in cases {
        let mut args = vec!["dev", "--prompts", "P00,P05"];
        args.extend(artifacts.iter().flat_map(|folder| ["--artifacts-dir", folder]));
        let output = world.run_in(&dir, &args).ok();
        assert!(output.stdout.contains(&format!("> - Session Artifact: `{shown}`")), "{output:?}");
        for private in [&world.project, &world.home] {
            assert!(!output.stdout.contains(private.to_str().unwrap()), "{output:?}");
        }
        match artifacts {
            None => assert!(output.stderr.contains("not written yet"), "{output:?}"),
            Some(folder) => {
                let file = fs::read_to_string(dir.join(folder).join("prompt_session.json")).unwrap();
                assert!(!file.contains(world.root().to_str().unwrap()), "{file}");
            }
        }
    }
    // Nor does the check of a change say where the project lies on this machine.
    world.write("prompts/bad.md", "---\nprompt_id: B\nversion: 1\n---\n");
    let checked = world.run_in(&world.project.join("sub"), &["ci", "--artifacts-dir", "../a"]);
    let checked = checked.expect(4, &["- prompts/bad.md:"]);
    assert!(!checked.text().contains(world.root().to_str().unwrap()), "{checked:?}");
    fs::remove_file(world.project.join("prompts/bad.md")).unwrap();
    // Someone else's session is not replaced, and none is recorded that could not be handed on.
    let size = world.json(&["log"])["size"].clone();
    let again = world.run(&["dev", "--prompts", "P00", "--artifacts-dir", "a/evidence"]);
    again.expect(1, &["a/evidence/prompt_session.json is there already", "nothing was recorded", "--force"]);
    assert_eq!(world.json(&["log"])["size"], size);
    // However many prompts there are, all of them are named.
    let mut ids: Vec<String> = (0..64).map(|i| format!("a-prompt-with-a-long-name-{i}")).collect();
    for id in &ids {
        world.write(&format!("prompts/{id}.md"), prompt(id, "1", "Do it."));
    }
    let all = world.run(&["dev", "--prompts", &ids.join(",")]).ok();
    assert!(all.stdout.contains(&format!("> - Prompts Used: `{}`\n", ids.join(", "))), "{all:?}");
    ids.push("P00".to_owned());
    world.run(&["dev", "--prompts", &ids.join(",")]).expect(1, &["at most 64 prompts; these are 65"]);
    // Our own lint has nothing against the block.
    let block =
        world.run(&["dev", "--prompts", "P00", "--artifacts-dir", absolute.to_str().unwrap(), "--force"]);
    let mut file = prompt("G05", "1", "Do it.");
    file.push_str(&block.ok().stdout);
    world.write("prompts/block.md", file);
    world.run(&["lint"]).expect(0, &["0 errors, 0 warnings"]);
}

/// Defect 10: a session held prompt ids and no digests. An edited prompt under the same version, committed or
/// not, could not be seen.
#[test]
fn d10_an_edited_prompt_under_the_same_version_is_refused() {
    let world = World::with_git("ethan", "ethan@example.org");
    let first = prompt("G05", "1.0.0", "Build only what was agreed.");
    let second = prompt("G05", "1.0.0", "Build whatever you like.");
    world.write("prompts/g05.md", &first);
    world.commit("catalog");
    let session = world.json(&["dev", "--prompts", "G05", "--artifacts-dir", "out"]);
    let digests = [&first, &second].map(|text| blake3::hash(text.as_bytes()).to_hex().to_string());
    assert_eq!(text(&session, "/prompts/0/blake3"), digests[0]);
    let file: Value = serde_json::from_slice(&world.read("out/prompt_session.json")).unwrap();
    assert_eq!(text(&file, "/ledger/prompts/0/sha256"), v1::sha256_hex(first.as_bytes()));

    world.write("prompts/g05.md", &second);
    for id in ["G05", "G05.v1.0.0", "P00,G05"] {
        world.run(&["dev", "--prompts", id, "--artifacts-dir", "new"]).expect(
            4,
            &[
                "G05.v1.0.0 is bound to other bytes",
                &digests[0],
                &digests[1],
                "give the new text a new version",
            ],
        );
    }
    world.commit("an edit in silence");
    world.run(&["dev", "--prompts", "G05"]).expect(4, &[&digests[0], &digests[1]]);
    assert!(!world.project.join("new").exists());
    assert_eq!(world.json(&["log"])["size"], 2);
    // One more space is another prompt; the first text and a new version are fine.
    world.write("prompts/g05.md", format!("{first} "));
    world.run(&["dev", "--prompts", "G05"]).expect(4, &[&digests[0]]);
    world.write("prompts/g05.md", &first);
    world.run(&["dev", "--prompts", "G05"]).ok();
    world.write("prompts/g05.md", second.replace("1.0.0", "1.0.1"));
    world.run(&["dev", "--prompts", "G05"]).ok();
    assert_eq!(world.run(&["cat", "G05.v1.0.0"]).ok().bytes, first.as_bytes());
}

/// Defect 11: session logs were ignored by git, and a few orphaned `.sha256` files were all that a clone held.
#[test]
fn d11_what_a_team_commits_proves_the_session_anywhere() {
    let world = World::with_git("ethan", "ethan@example.org");
    world.run(&["init"]).ok();
    world.run(&["dev", "--prompts", "P00,P05", "--artifacts-dir", "artifacts/evidence"]).ok();
    world.write("artifacts/run_record.json", r#"{"run_id": "r1"}"#);
    world.run(&["attach", "--run-record", "artifacts/run_record.json"]).ok();
    world.commit("the work and its evidence");
    let committed = world.git(&["ls-files"]).ok().stdout;
    let wanted = [
        "artifacts/evidence/prompt_session.json",
        "artifacts/evidence/prompt_session.evidence.tar",
        "artifacts/run.evidence.tar",
        "promptos.toml",
    ];
    for file in wanted {
        assert!(committed.lines().any(|line| line == file), "{file} is not committed: {committed}");
    }
    // The ledger and above all its key stay at home.
    assert!(!committed.contains(".promptos/") && !committed.contains("id_ed25519"), "{committed}");

    let other = World::new();
    other.git(&["clone", "--quiet", world.project.to_str().unwrap(), "clone"]).ok();
    fs::remove_dir_all(&world.project).unwrap();
    let clone = other.project.join("clone");
    for file in ["artifacts/evidence/prompt_session.json", "artifacts/run.evidence.tar"] {
        // promptos.toml came along and says that this ledger is trusted.
        let output = other.run_in(&clone, &["verify", "--require-trusted", file]);
        output.expect(0, &["the ledger is trusted by", "consistent"]);
    }
    // The session's log and its digest are not needed for it; the bytes of the prompt are in the tar.
    let tar = fs::read(clone.join("artifacts/evidence/prompt_session.evidence.tar")).unwrap();
    let prompt = include_bytes!("../prompts/P05_constrained_builder.md");
    assert!(tar.windows(prompt.len()).any(|window| window == prompt));
    assert!(fs::read_dir(&other.home).unwrap().next().is_none(), "verify leaves nothing behind");
}
