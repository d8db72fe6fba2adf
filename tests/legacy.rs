//! Session logs of PromptOS 0.3 to 1.0: read as what they are, and written for those who still validate them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Map, Value, json};
use support::{Output, World, copy_folder, finish, text, v1};

/// Logs of each version, with what an import must find in them.
fn versions() -> Vec<(&'static str, String, bool, Vec<&'static str>)> {
    let gates = ["P00", "P01", "P03", "P05", "P06", "P07"];
    let plain = |version: &str| v1::log(version, &gates, "ethan", "Work as agreed");
    let chained = |log: Map<String, Value>| v1::jq(&Value::Object(v1::sealed(log)));
    let both = vec!["artifact_hash", "chain_hash"];
    let all = vec!["artifact_hash", "chain_hash", "sidecar"];
    let mut stack = plain("v1.0.1");
    let pas = json!({"stack_id": "STACK-1", "stack_version": "1.1.0", "compiled_hash": "ab".repeat(32)});
    stack.insert("pas".into(), pas);
    let odd = v1::log(
        "v1.0.1",
        &["P00"],
        "Zoë \"Z\" O'Brien \\ \u{1f980}",
        "tab\tline\nreturn\r del\u{7f} bell\u{7} \u{2028} </script>",
    );
    // Up to v0.7 the recorder printed the list of prompts on one line.
    let one_line = |version: &str| {
        let text = v1::jq(&Value::Object(plain(version)));
        let list = format!("[{}]", gates.map(|gate| format!("\"{gate}\"")).join(", "));
        let (start, end) = (text.find('[').unwrap(), text.find(']').unwrap());
        format!("{}{list}{}", &text[..start], &text[end + 1..])
    };
    let mut lint_failed = plain("v0.9.0");
    lint_failed.insert("lint_passed".into(), false.into());
    vec![
        ("v0.3", one_line("v0.3.0"), false, vec![]),
        ("v0.4", one_line("v0.4.0"), false, vec![]),
        ("v0.5", one_line("v0.5.0"), false, vec![]),
        ("v0.6", one_line("v0.6.0"), true, vec!["sidecar"]),
        ("v0.7", one_line("v0.7.0"), true, vec!["sidecar"]),
        ("v0.8", chained(plain("v0.8.0")), true, all.clone()),
        ("v0.9", chained(lint_failed), true, all.clone()),
        ("v1.0", chained(plain("v1.0.0")), false, both),
        ("v1.0.1", chained(plain("v1.0.1")), true, all.clone()),
        ("pas", chained(stack), true, all.clone()),
        ("odd", chained(odd), true, all),
    ]
}

#[test]
fn every_version_is_recorded_with_the_hashes_that_it_carries() {
    let world = World::new();
    let mut entries = 1;
    for (name, log, sidecar, checked) in versions() {
        let file = format!("{name}.json");
        world.write(&file, &log);
        if sidecar {
            // The name inside is the one under which it was recorded, and says nothing.
            world.write(
                &format!("{name}.sha256"),
                v1::sidecar(log.as_bytes(), "session-20260220-031303.json"),
            );
        }
        let report = world.json(&["session", "import", &file]);
        let result = &report["files"][0];
        assert_eq!((text(result, "/result"), &result["checked"]), ("imported", &json!(checked)), "{name}");
        assert_eq!(result["index"], entries, "{name}");
        entries += 1;

        let shown = world.run(&["show", text(result, "/entry")]).ok();
        let said = if checked.is_empty() { "no hashes".to_owned() } else { checked.join(", ") };
        for text in ["integrity only, unsigned by its author", &said, &file] {
            assert!(shown.stdout.contains(text), "{name}: {shown:?}");
        }
        world.run(&["trace", &file]).expect(0, &["unproven: integrity only, unsigned by its author"]);
        let digest = format!("blake3:{}", blake3::hash(log.as_bytes()).to_hex());
        assert_eq!(world.run(&["cat", &digest]).ok().bytes, log.as_bytes());
        // The same bytes again, under whatever name, are known and not recorded twice.
        world.write("again.json", &log);
        world.run(&["session", "import", "again.json"]).expect(0, &["known", "unproven"]);
    }
    assert_eq!(world.json(&["verify-chain", "--require", "pinned"])["size"], entries);
}

/// One step at a time: a field removed, of another type, or with a value that no version writes.
#[test]
fn what_no_version_writes_is_rejected_with_the_reason() {
    let world = World::new();
    let base = v1::log("v1.0.1", &["P00", "P05"], "ethan", "notes");
    let mut cases: Vec<(String, Map<String, Value>, String)> = Vec::new();
    for name in base.keys() {
        let mut log = base.clone();
        log.shift_remove(name);
        cases.push((format!("no-{name}"), log, format!("the field '{name}' is missing")));
        let mut log = base.clone();
        log.insert(name.clone(), json!(7));
        cases.push((format!("number-{name}"), log, format!("'{name}' is not")));
    }
    let bad = [
        ("prompts_used", json!([]), "'prompts_used' is not a list of at least one id"),
        ("prompts_used", json!(["P00", "P.."]), "\"P..\" in 'prompts_used' is no prompt id"),
        ("prompts_used", json!(["P00", 5]), "5 in 'prompts_used' is no prompt id"),
        ("prompts_used", json!("P00"), "'prompts_used' is not a list"),
        ("timestamp_utc", json!("2026-02-30T00:00:00Z"), "'timestamp_utc' is not a UTC time"),
        ("timestamp_utc", json!("2026-02-20T00:00:00+01:00"), "'timestamp_utc' is not a UTC time"),
        ("lint_passed", json!("false"), "'lint_passed' is not true or false"),
        ("approved_by", json!("ethan"), "no version of the log has a field 'approved_by'"),
        ("pas", json!({}), "the field 'pas' does not name a stack"),
        ("pas", json!("STACK-1"), "the field 'pas' does not name a stack"),
        ("ledger", json!({}), "in a ledger already"),
    ];
    for (i, (field, value, reason)) in bad.into_iter().enumerate() {
        let mut log = base.clone();
        log.insert(field.into(), value);
        cases.push((format!("bad-{i}"), log, reason.to_owned()));
    }
    for (name, log, reason) in &cases {
        // Hashes that agree make a malformed log no better.
        let sealed = if log.get("timestamp_utc").is_some_and(Value::is_string) {
            v1::sealed(log.clone())
        } else {
            log.clone()
        };
        let file = format!("{name}.json");
        world.write(&file, v1::jq(&Value::Object(sealed)));
        world.run(&["session", "import", &file]).expect(1, &["rejected", &file, reason]);
    }
    world.run(&["session", "import", "nowhere.json"]).expect(1, &["rejected", "cannot read nowhere.json"]);
    world.run(&["session", "import", "."]).expect(1, &["rejected"]);
    world.run(&["session", "import"]).expect(2, &["FILES"]);
    // Nothing could be recorded, so nothing was made.
    assert!(!world.project.join(".promptos").exists());
    assert_eq!(std::fs::read_dir(&world.home).unwrap().count(), 0);
}

#[test]
fn logs_that_contradict_themselves_are_an_integrity_violation() {
    let world = World::new();
    let sealed = v1::sealed(v1::log("v1.0.1", &["P00", "P05"], "ethan", "as agreed"));
    let good = v1::jq(&Value::Object(sealed.clone()));
    let mut files = vec![world.write("first-good.json", &good)];
    let mut reject = |name: &str, log: &str, sidecar: Option<&[u8]>, reason: &str| {
        let file = world.write(&format!("{name}.json"), log);
        if let Some(bytes) = sidecar {
            world.write(&format!("{name}.sha256"), bytes);
        }
        world.run(&["session", "import", file.to_str().unwrap()]).expect(3, &["rejected", name, reason]);
        files.push(file);
    };
    for (field, value) in [
        ("developer", json!("mallory")),
        ("prompts_used", json!(["P00", "P05", "P08"])),
        ("notes", json!("")),
        ("lint_passed", json!(false)),
        ("prompt_os_version", json!("v1.0.0")),
    ] {
        let mut log = sealed.clone();
        log.insert(field.into(), value);
        reject(field, &v1::jq(&Value::Object(log)), None, "its artifact_hash is");
    }
    let mut time = sealed.clone();
    time.insert("timestamp_utc".into(), json!("2026-02-20T03:13:04Z"));
    let (artifact, _) = v1::hashes(&time);
    time.insert("artifact_hash".into(), json!(artifact));
    reject("time", &v1::jq(&Value::Object(time)), None, "its chain_hash is");
    for hash in ["artifact_hash", "chain_hash"] {
        let mut log = sealed.clone();
        log.shift_remove(hash);
        reject(&format!("without-{hash}"), &v1::jq(&Value::Object(log)), None, "logs have both or none");
        let mut log = sealed.clone();
        log.insert(hash.into(), json!(text(&json!(sealed), &format!("/{hash}")).to_uppercase()));
        reject(&format!("upper-{hash}"), &v1::jq(&Value::Object(log)), None, &format!("its {hash} is"));
    }
    let other = v1::sidecar(b"other bytes", "sidecar.json");
    reject("sidecar", &good, Some(other.as_bytes()), "one of them was changed");
    reject("sidecar-empty", &good, Some(b""), "says nothing");
    reject("sidecar-long", &good, Some(&[b'0'; 1 << 20]), "one of them was changed");

    let last = world.write("last-good.json", v1::jq(&Value::Object(v1::log("v0.5.0", &["P01"], "a", ""))));
    let mut args: Vec<&str> = vec!["session", "import"];
    args.extend(files.iter().chain([&last]).map(|file| file.to_str().unwrap()));
    let output = world.run(&args).expect(3, &["not every file was imported"]);
    assert_eq!(output.stdout.matches("rejected").count(), files.len() - 1, "{output:?}");
    assert_eq!(output.stdout.matches("imported").count(), 2, "{output:?}");
    assert_eq!(world.json(&["verify-chain"])["size"], 3);
}

/// Sessions in the old schema, with what is odd in them.
fn strict_export(world: &World, args: &[&str]) -> (Value, String) {
    let mut dev = vec!["dev", "--target-repo", "TrackVaultApp"];
    dev.extend(args);
    world.run(&dev).ok();
    world.run(&["export", "--strict-v1", "--artifacts-dir", "old", "--force"]).ok();
    let text = String::from_utf8(world.read("old/prompt_session.json")).unwrap();
    (serde_json::from_str(&text).unwrap(), text)
}

#[test]
fn strict_v1_is_what_the_old_validators_accept() {
    let world = World::new();
    let texts = [
        ("ethan", ""),
        ("Zoë \"Z\" O'Brien", "two\nlines\tand \\ del\u{7f} bell\u{7} \u{2028} \u{1f980}"),
        ("a`b$(c)", &"long ".repeat(5000)),
    ];
    for (developer, notes) in texts {
        let args = ["--prompts", "P00,P01,P03,P05,P06,P07,P08", "--developer", developer, "--notes", notes];
        let (log, written) = strict_export(&world, &args);
        assert_eq!(v1::violations(&log), Vec::<String>::new(), "{log:#}");
        assert_eq!((text(&log, "/developer"), text(&log, "/notes")), (developer, notes));
        assert_eq!(text(&log, "/target_repo"), "TrackVaultApp");
        assert_eq!(log["prompts_used"], json!(["P00", "P01", "P03", "P05", "P06", "P07", "P08"]));
        assert_eq!(log["lint_passed"], true);
        // Byte for byte what jq would print, so that the old scripts get the same hashes.
        assert_eq!(written, v1::jq(&log));
        let (artifact, chain) = v1::hashes(log.as_object().unwrap());
        assert_eq!((text(&log, "/artifact_hash"), text(&log, "/chain_hash")), (&*artifact, &*chain));
        let sidecar = String::from_utf8(world.read("old/prompt_session.sha256")).unwrap();
        assert_eq!(sidecar, v1::sidecar(written.as_bytes(), "prompt_session.json"));

        let report = world.json(&["session", "import", "old/prompt_session.json"]);
        assert_eq!(report["files"][0]["checked"], json!(["artifact_hash", "chain_hash", "sidecar"]));
    }
    world.write("twice.json", "{\"notes\": \"a\", \"notes\": \"b\"}");
    world.run(&["session", "import", "twice.json"]).expect(1, &["the field 'notes' is there twice"]);
    // The last one, by the tools of the old scripts, where they are installed.
    let tool = |program: &str, args: &[&str]| -> Option<Output> {
        let dir = world.project.join("old");
        let there = world.command(program, &dir).arg("--version").output().is_ok_and(|o| o.status.success());
        if !there {
            println!("skipped: there is no {program}");
        }
        there.then(|| finish(world.command(program, &dir).args(args)))
    };
    if let Some(output) = tool("sha256sum", &["-c", "prompt_session.sha256"]) {
        output.expect(0, &["prompt_session.json: OK"]);
    }
    if let Some(output) = tool("jq", &["del(.artifact_hash, .chain_hash)", "prompt_session.json"]) {
        let log: Value = serde_json::from_slice(&world.read("old/prompt_session.json")).unwrap();
        assert_eq!(v1::sha256_hex(output.ok().stdout.as_bytes()), text(&log, "/artifact_hash"));
    }
}

/// A strict-v1 file holds no ledger entry; the evidence beside it does, and they are compared.
#[test]
fn strict_v1_files_are_proved_by_the_evidence_beside_them() {
    let world = World::new();
    let (log, _) = strict_export(&world, &["--prompts", "P00,P05", "--developer", "ethan"]);
    world.run(&["verify", "old/prompt_session.json"]).expect(0, &["P05.v1", "ethan"]);
    world.write("old/run_record.json", r#"{"run_id": "r1"}"#);
    world.run(&["attach", "--run-record", "old/run_record.json"]).expect(0, &["sessions  1"]);
    world.run(&["trace", "old/prompt_session.json"]).expect(0, &["session", "P05.v1"]);

    // A plain export in its place leaves no checksum behind that contradicts it.
    world.run(&["export", "--artifacts-dir", "old"]).expect(1, &["is there already and differs"]);
    copy_folder(&world.project.join("old"), &world.project.join("plain"));
    world.run(&["export", "--artifacts-dir", "plain", "--force"]).ok();
    assert!(!world.project.join("plain/prompt_session.sha256").exists());

    // Someone adds a gate and makes both hashes agree.
    let mut forged = log.as_object().unwrap().clone();
    forged.insert("prompts_used".into(), json!(["P00", "P05", "P07"]));
    let forged = v1::jq(&Value::Object(v1::sealed(forged)));
    world.write("old/prompt_session.json", &forged);
    world.write("old/prompt_session.sha256", v1::sidecar(forged.as_bytes(), "prompt_session.json"));
    world.run(&["verify", "old/prompt_session.json"]).expect(4, &["'prompts_used' is not what was signed"]);
    world.write("old/run_record.json", r#"{"run_id": "r2"}"#);
    world
        .run(&["attach", "--run-record", "old/run_record.json"])
        .expect(4, &["'prompts_used' is not what was signed"]);
    // Without evidence it proves nothing.
    std::fs::remove_file(world.project.join("old/prompt_session.evidence.tar")).unwrap();
    world
        .run(&["attach", "--run-record", "old/run_record.json"])
        .expect(1, &["names no ledger entry", "promptos session import"]);
}

#[test]
fn what_the_old_schema_cannot_hold_is_refused() {
    let world = World::new();
    world.write("prompts/deep/own.md", own_prompt("deep.own"));
    for (prompts, id) in [("deep.own", "deep.own"), ("P00,deep.own", "deep.own")] {
        world.run(&["dev", "--prompts", prompts, "--developer", "e"]).ok();
        world
            .run(&["export", "--strict-v1", "--artifacts-dir", "old"])
            .expect(1, &["cannot hold the prompt id", id, "without --strict-v1"]);
    }
    world.run(&["dev", "--prompts", "P00", "--developer", ""]).ok();
    world
        .run(&["export", "--strict-v1", "--artifacts-dir", "old"])
        .expect(1, &["does not allow an empty developer", "--developer NAME"]);
    world.run(&["dev", "--prompts", "P00", "--developer", "e", "--target-repo", ""]).ok();
    world
        .run(&["export", "--strict-v1", "--artifacts-dir", "old"])
        .expect(1, &["does not allow an empty target_repo", "--target-repo NAME"]);
    assert!(!world.project.join("old").exists(), "nothing is left half-written");
}

fn own_prompt(id: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: 1\nrole: task\nsummary: Does one thing\ninputs: []\n\
         output_contract: {{format: text}}\nowner: tests\nstatus: current\n---\nDo it.\n"
    )
}
