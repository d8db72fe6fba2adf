//! `promptos ci` on the files of the first PromptOS: its registry of prompts and its policy.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::{Value, json};
use support::{World, copy_folder, corpora, text};

fn prompt(id: &str, version: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nname: Gate {id}\nphase: \"05\"\nmaps_to_gate: \"05\"\nversion: {version}\n\
         owner: tests\nlast_updated_utc: \"2026-01-01T00:00:00Z\"\nstop_conditions:\n  - \"It is unclear\"\n\
         constitution_alignment:\n  - \"None\"\n---\n\n## Prompt\n\n```text\nDo it.\n```\n"
    )
}

fn entry(id: &str, version: &str) -> Value {
    json!({
        "prompt_id": id, "name": format!("Gate {id}"), "version": version, "phase": "05", "maps_to_gate": "05",
        "path": format!("prompts/{id}.md"), "owner": "tests", "last_updated_utc": "2026-01-01T00:00:00Z",
    })
}

fn registry(prompts: &[Value]) -> Value {
    json!({
        "schema_version": "1.0", "prompt_os_version": "v0.1.0", "last_updated_utc": "2026-01-01T00:00:00Z",
        "prompts": prompts,
    })
}

/// Two prompts, both registered.
fn project() -> World {
    let world = World::new();
    for id in ["G05", "G06"] {
        world.write(&format!("prompts/{id}.md"), prompt(id, "1.0.1"));
    }
    write(&world, "prompts.index.json", &registry(&[entry("G05", "1.0.1"), entry("G06", "1.0.1")]));
    world
}

fn write(world: &World, path: &str, value: &Value) {
    world.write(path, serde_json::to_string_pretty(value).unwrap());
}

/// Runs `ci`; the check has this verdict, says all of the texts, and the program ends with this code.
#[track_caller]
fn check(world: &World, args: &[&str], name: &str, verdict: &str, exit: i32, texts: &[&str]) -> Value {
    let output = world.run(&[&["--json", "ci"], args].concat());
    let report = output.json();
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name).unwrap().clone();
    assert_eq!((output.code, text(&found, "/verdict")), (exit, verdict), "{report:#}");
    for text in texts {
        assert!(found.to_string().contains(text), "'{text}' is missing: {found:#}");
    }
    found
}

#[test]
fn a_registry_says_what_the_files_say() {
    let world = project();
    let passed = check(&world, &[], "registry", "passed", 0, &["2 prompts registered"]);
    assert_eq!(passed["issues"], json!([]));
    let cases: [(&str, Value, &str); 17] = [
        (
            "/prompts/0/version",
            json!("1.0.0"),
            "prompts/G05.md: its version is 1.0.1, and 1.0.0 in the registry",
        ),
        ("/prompts/0/prompt_id", json!("G55"), "prompts/G05.md: its id is G05, and G55 in the registry"),
        ("/prompts/0/path", json!("prompts/none.md"), "prompts/none.md is registered and cannot be read"),
        ("/prompts/0/path", json!("../elsewhere.md"), "is not a path within the project"),
        ("/prompts/0/path", json!("/etc/passwd"), "is not a path within the project"),
        ("/prompts/0/path", json!("prompts.index.json"), "is registered and is no prompt"),
        ("/prompts/0/path", json!("prompts/G06.md"), "prompts/G06.md is registered twice"),
        ("/prompts/0/owner", json!(""), "prompt 1: 'owner' is not a text"),
        ("/prompts/0/version", json!(1), "prompt 1: 'version' is not a text"),
        ("/prompts/0", json!("G05"), "prompt 1: it is not an object"),
        ("/prompts/0", json!({"prompt_id": "G05"}), "prompt 1: the field 'name' is missing"),
        ("/prompts/0", entry("G06", "1.0.1"), "G06 1.0.1 is registered twice"),
        ("/prompts", json!({}), "'prompts' is not a list"),
        ("/prompts", json!([]), "the prompt G05.v1.0.1 is not registered"),
        ("/schema_version", json!("2.0"), "the schema version 2.0 is not known"),
        ("/schema_version", json!(1.0), "'schema_version' is not a text"),
        ("", json!([]), "not a JSON object"),
    ];
    for (pointer, value, expected) in cases {
        let mut changed = registry(&[entry("G05", "1.0.1"), entry("G06", "1.0.1")]);
        *changed.pointer_mut(pointer).unwrap() = value;
        write(&world, "prompts.index.json", &changed);
        check(&world, &[], "registry", "failed", 4, &[expected]);
    }
    world.write("prompts.index.json", "{\"prompts\": [], \"prompts\": []}");
    check(&world, &[], "registry", "failed", 4, &["'prompts' is there twice"]);
    write(&world, "prompts.index.json", &json!({}));
    check(&world, &[], "registry", "failed", 4, &["'schema_version' is missing", "'prompts' is missing"]);
    // What differs and decides nothing is a warning, with its line.
    let mut named = entry("G06", "1.0.1");
    named["name"] = json!("Another name");
    write(&world, "prompts.index.json", &registry(&[entry("G05", "1.0.1"), named]));
    let warned = check(&world, &[], "registry", "passed", 0, &["its name is 'Gate G06', and 'Another name'"]);
    assert_eq!(
        (&warned["issues"][0]["severity"], &warned["issues"][0]["path"]),
        (&json!("warning"), &json!("prompts.index.json"))
    );
    let text = String::from_utf8(world.read("prompts.index.json")).unwrap();
    let line = text.lines().position(|line| line.contains("prompts/G06.md")).unwrap() + 1;
    assert_eq!(warned["issues"][0]["line"], line);
    // A new prompt must be registered.
    world.write("prompts/new.md", prompt("NEW", "1"));
    let failed = check(
        &world,
        &[],
        "registry",
        "failed",
        4,
        &["the prompt NEW.v1 is not registered in prompts.index.json"],
    );
    assert!(
        failed["issues"].as_array().unwrap().iter().any(|issue| issue["path"] == "prompts/new.md"),
        "{failed:#}"
    );
}

#[test]
fn a_policy_is_understood_or_refused() {
    let world = project();
    let good = json!({
        "required_promptos_version": "v0.1.0", "enforce_hash_validation": true, "require_prompts_declared": true,
        "require_chain_validation": true, "require_run_binding": true,
    });
    write(&world, "policy/promptos_policy.json", &good);
    check(&world, &[], "policy", "passed", 0, &["0 sessions held against 1 policy file"]);
    let cases: [(&str, Value, &str); 8] = [
        ("required_promptos_version", json!("latest"), "which is no version"),
        ("required_promptos_version", json!(1), "which is no version"),
        ("required_promptos_version", json!("v0.2.0"), "but the registry is of v0.1.0"),
        ("enforce_hash_validation", json!("yes"), "neither true nor false"),
        ("enforce_hash_validation", json!(false), "but a chain is made of hashes"),
        ("require_prompts_declared", json!(false), "but a run is bound to declared prompts"),
        ("require_everything", json!(true), "'require_everything' is a setting that is not known"),
        ("required_promptos_versions", json!("v0.1.0"), "known are: required_promptos_version"),
    ];
    for (name, value, expected) in cases {
        let mut changed = good.clone();
        changed[name] = value;
        write(&world, "policy/promptos_policy.json", &changed);
        check(&world, &[], "policy", "failed", 4, &[expected, "policy/promptos_policy.json"]);
    }
    world.write("policy/promptos_policy.json", "[]");
    check(&world, &[], "policy", "failed", 4, &["not a JSON object"]);
    world.write("policy/promptos_policy.json", "{");
    check(&world, &[], "policy", "failed", 4, &["this is not JSON"]);
    // What cannot be turned off is said to be on.
    write(&world, "policy/promptos_policy.json", &json!({"enforce_hash_validation": false}));
    check(&world, &[], "policy", "passed", 0, &["has no effect: this is always checked", "warning"]);
    // Two files must not disagree.
    write(&world, "policy/promptos_policy.json", &good);
    write(&world, "promptos_policy.json", &good);
    check(&world, &[], "policy", "passed", 0, &["2 policy files"]);
    write(&world, "promptos_policy.json", &json!({"required_promptos_version": "v0.1.0"}));
    check(&world, &[], "policy", "failed", 4, &["is not the same in promptos_policy.json and policy/"]);
}

/// The required version is a minimum: what is released later makes no earlier session invalid.
#[test]
fn a_policy_is_held_against_the_sessions() {
    let world = project();
    world.run(&["dev", "--prompts", "G05", "--artifacts-dir", "art"]).ok();
    let args = ["--artifacts-dir", "art"];
    for (required, accepted) in
        [("v0.0.9", true), ("v0.1.0", true), ("0.1", true), ("v0.1.1", false), ("v99", false)]
    {
        std::fs::remove_file(world.project.join("prompts.index.json")).ok();
        write(&world, "promptos_policy.json", &json!({"required_promptos_version": required}));
        match accepted {
            true => check(&world, &args, "policy", "passed", 0, &["1 session held"]),
            false => check(&world, &args, "policy", "failed", 4, &["which is older than", required]),
        };
    }
    write(&world, "promptos_policy.json", &json!({"require_run_binding": true}));
    check(&world, &args, "policy", "failed", 4, &["is bound to no run", "promptos attach"]);
    world.write("art/run_record.json", r#"{"run_id": "R-1"}"#);
    world.run(&["attach", "--run-record", "art/run_record.json"]).ok();
    check(&world, &args, "policy", "passed", 0, &[]);
    // The run's evidence says so too, where there is no ledger.
    std::fs::rename(world.project.join(".promptos"), world.root().join("away")).unwrap();
    world.run(&["pin", "reset"]).ok();
    check(&world, &args, "policy", "passed", 4, &[]);
    std::fs::remove_file(world.project.join("art/run.evidence.tar")).unwrap();
    check(&world, &args, "policy", "failed", 4, &["is bound to no run"]);
}

/// The files of the original are in order.
#[test]
fn the_originals_files_pass() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    let from = corpora.join("promptos");
    copy_folder(&from.join("prompts"), &world.project.join("prompts"));
    copy_folder(&from.join("policy"), &world.project.join("policy"));
    std::fs::copy(from.join("prompts.index.json"), world.project.join("prompts.index.json")).unwrap();
    let report = world.json(&["ci"]);
    for (name, says) in
        [("lint", "7 prompts, 0 errors"), ("registry", "7 prompts registered"), ("policy", "1 policy file")]
    {
        let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap();
        assert_eq!((text(check, "/verdict"), &check["issues"]), ("passed", &json!([])), "{report:#}");
        assert!(text(check, "/summary").contains(says), "{report:#}");
    }
    // Its session logs prove nothing, and are not taken for proof.
    copy_folder(&from.join("sessions/exported"), &world.project.join("artifacts"));
    let output = world.run(&["ci", "--artifacts-dir", "artifacts"]);
    output
        .expect(4, &["nothing proves artifacts/evidence/prompt_session.json", "put its evidence beside it"]);
}
