//! `prompt render --record`, `prompt render verify`, `dev --render`, as a program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Value, json};
use std::fs;
use support::{World, text};

const PROMPT: &str = "---\nkey: t\nname: T\nversion: \"1.0\"\ndescription: d\nrole: r\nrequired_variables: [a]\n\
                      optional_variables: [b]\noutput_contract: {mode: text}\n---\n{{ a }} and {{ b }}\n";

/// A prompt that was rendered, recorded as entry 1, and written to `out.txt`.
fn recorded(more: &[&str]) -> (World, Value) {
    let world = World::new();
    world.write("prompts/t.md", PROMPT);
    world.write("in.txt", "the question\n");
    let args = ["prompt", "render", "t", "--var", "a=secret", "--record", "--out", "out.txt"];
    let report = world.json(&[&args[..], more].concat());
    (world, report)
}

fn disclosure(world: &World, report: &Value) -> (String, Value) {
    let path = text(report, "/record/disclosure").to_owned();
    let read = serde_json::from_slice(&fs::read(world.project.join(&path)).unwrap()).unwrap();
    (path, read)
}

#[test]
fn a_recorded_render_is_verified_and_traced_from_its_output_to_the_prompt() {
    let (world, report) = recorded(&["--input-file", "in.txt"]);
    assert_eq!(text(&report, "/record/entry/id").len(), "entry:".len() + 64);
    let (path, opens) = disclosure(&world, &report);
    assert_eq!(opens["variables"], json!({"a": "secret", "b": ""}));
    assert_eq!(opens["input"], "the question\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(world.project.join(&path)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // By its place, and by its file elsewhere.
    let shown = ["as committed", "as recorded", "t.v1.0"];
    world.run(&["prompt", "render", "verify", "1", "--output", "out.txt"]).expect(0, &shown);
    world.run(&["prompt", "render", "verify", "out.txt"]).expect(0, &shown);
    world.run(&["prompt", "render", "verify", "in.txt"]).expect(4, &["in.txt", "of no recorded render"]);
    fs::copy(world.project.join(&path), world.project.join("opens.json")).unwrap();
    let id = text(&opens, "/render");
    world.run(&["prompt", "render", "verify", id, "opens.json"]).expect(0, &shown);
    let report = world.json(&["prompt", "render", "verify", "1"]);
    assert_eq!(
        report["shown"],
        json!({"variables": true, "input": true, "output": true, "same_engine": true})
    );

    // Nothing of the values is in the ledger.
    let ledger = fs::read(world.project.join(".promptos/ledger.redb")).unwrap();
    for value in ["secret", "the question"] {
        assert!(!ledger.windows(value.len()).any(|window| window == value.as_bytes()), "{value}");
    }
    let traced = world.json(&["trace", "out.txt"]);
    assert_eq!(text(&traced, "/to/0/what"), "output");
    assert_eq!(text(&traced, "/to/0/steps/0/what"), "render");
    assert_eq!(text(&traced, "/to/0/steps/0/steps/0/name"), "t.v1.0");
    world.run(&["verify-chain"]).ok();
    let users = world.json(&["trace", "t.v1.0"]);
    assert_eq!(text(&users, "/used_by/0/what"), "render");
    world.run(&["show", "1"]).expect(0, &["minijinja/", "committed to as", "t.v1.0"]);
    world.run(&["log"]).expect(0, &["render"]);
    world.run(&["prompt", "where-used", "t"]).expect(0, &["  render ", "0 sessions, 1 render, 0 runs"]);
    let used = world.json(&["prompt", "where-used", "t.v1.0"]);
    assert_eq!(text(&used, "/prompts/0/renders/0/sub"), format!("render/{id}"));
}

#[test]
fn what_was_not_rendered_is_not_shown_to_have_been() {
    let (world, report) = recorded(&["--input-file", "in.txt"]);
    let (_, opens) = disclosure(&world, &report);
    let id = text(&opens, "/render").to_owned();
    let verify = |edit: &dyn Fn(&mut Value), code: i32, essentials: &[&str]| {
        let mut edited = opens.clone();
        edit(&mut edited);
        world.write("edited.json", edited.to_string());
        world.run(&["prompt", "render", "verify", "1", "edited.json"]).expect(code, essentials);
    };
    verify(&|_| (), 0, &["as recorded"]);
    verify(&|d| d["variables"]["a"] = "other".into(), 3, &["variables", "not what was committed to"]);
    verify(&|d| d["variables"]["c"] = "more".into(), 3, &["not what was committed to"]);
    verify(&|d| d["variables"] = json!({"b": "", "a": "secret"}), 3, &["not what was committed to"]);
    verify(&|d| d["input"] = "another".into(), 3, &["input", "not what was committed to"]);
    verify(&|d| d["variables_salt"] = "0".repeat(64).into(), 3, &["not what was committed to"]);
    verify(&|d| d["variables_salt"] = "0".repeat(63).into(), 1, &["64 hex digits"]);
    verify(&|d| d["schema"] = "promptos.disclosure/9".into(), 1, &["no disclosure", "promptos.disclosure/1"]);
    verify(&|d| d["more"] = 1.into(), 1, &["no disclosure", "more"]);
    verify(&|d| d["render"] = "another".into(), 1, &["another", &id]);
    // One part without the other says what it says, and no more.
    let part = |field: &'static str| {
        move |d: &mut Value| {
            d.as_object_mut().unwrap().remove(field);
        }
    };
    verify(&part("input"), 4, &["not disclosed", "as committed", "the disclosure lacks values"]);
    verify(&part("variables"), 4, &["not disclosed", "as committed", "the disclosure lacks values"]);
    verify(&part("input_salt"), 1, &["without their salt"]);

    world.write("bad.json", "{\"schema\": \"promptos.disclosure/1\", \"schema\": 1}");
    world.run(&["prompt", "render", "verify", "1", "bad.json"]).expect(1, &["no disclosure", "twice"]);
    world.write("out.txt", "another output");
    world.run(&["prompt", "render", "verify", "1", "--output", "out.txt"]).expect(3, &["--output", "not"]);
    world.run(&["prompt", "render", "verify", "0"]).expect(1, &["no render"]);
    world.run(&["prompt", "render", "verify", "7"]).expect(1, &["no entry"]);
    fs::remove_dir_all(world.project.join(".promptos/disclosures")).unwrap();
    world.run(&["prompt", "render", "verify", "1"]).expect(1, &["is not here", "render verify RENDER FILE"]);
}

#[test]
fn an_erased_prompt_leaves_the_commitments() {
    let (world, report) = recorded(&[]);
    let prompt = blake3::hash(PROMPT.as_bytes());
    world.run(&["erase", &format!("blake3:{prompt}"), "--reason", "gone"]).ok();
    world.run(&["prompt", "render", "verify", "1"]).expect(1, &["t.v1.0 was erased"]);
    assert!(!report["record"].is_null());
}

#[test]
fn the_options_and_the_form_are_part_of_the_record() {
    for more in [
        &["--format", "json"][..],
        &["--preserve-whitespace"],
        &["--format", "json", "--input-file", "in.txt"],
    ] {
        let (world, _) = recorded(more);
        world.run(&["prompt", "render", "verify", "1", "--output", "out.txt"]).expect(0, &["as recorded"]);
    }
    let (world, _) = recorded(&["--preserve-whitespace"]);
    world.run(&["show", "1"]).expect(0, &["preserve-whitespace", "text/plain"]);
    let (world, _) = recorded(&["--format", "json"]);
    world.run(&["show", "1"]).expect(0, &["application/json"]);
}

#[test]
fn nothing_is_recorded_when_something_is_wrong() {
    let world = World::new();
    world.write("prompts/t.md", PROMPT);
    let render = |more: &[&str]| world.run(&[&["prompt", "render", "t", "--record"], more].concat());
    render(&[]).expect(4, &["render.missing"]);
    render(&["--var", "a=b", "--explain"]).expect(2, &["--explain"]);
    world.run(&["prompt", "render", "t", "--var", "a=b", "--disclosure", "x"]).expect(2, &["--record"]);
    assert!(!world.project.join(".promptos").exists());
    // What another render is opened by is not written over, and then nothing is recorded.
    world.write("opens.json", "mine");
    render(&["--var", "a=b", "--disclosure", "opens.json"]).expect(1, &["opens.json", "exists"]);
    assert_eq!(world.read("opens.json"), b"mine");
    assert_eq!(world.json(&["log"])["entries"].as_array().unwrap().len(), 1);
    // A version that is bound to other bytes is not rendered into the ledger.
    render(&["--var", "a=b"]).ok();
    world.write("prompts/t.md", format!("{PROMPT}more\n"));
    render(&["--var", "a=b"]).expect(4, &["t.v1.0", "bound"]);
    world.write("prompts/t.md", format!("{PROMPT}AKIAIOSFODNN7EXAMPLQ\n"));
    render(&["--var", "a=b"]).expect(4, &["nothing was recorded"]);
    assert_eq!(fs::read_dir(world.project.join(".promptos/disclosures")).unwrap().count(), 1);
    world.run(&["verify-chain"]).ok();
}

#[test]
fn a_session_cites_its_renders() {
    let (world, report) = recorded(&[]);
    let render = text(&report, "/record/entry/id").to_owned();
    // The render's prompt counts as named, and is not named twice.
    let session = world.json(&["dev", "--render", "1"]);
    assert_eq!(session["renders"], json!([render]));
    assert_eq!(session["prompts"].as_array().unwrap().len(), 1);
    let session = world.json(&["dev", "--prompts", "P00,t", "--render", "1", "--artifacts-dir", "ev"]);
    assert_eq!(session["prompts"].as_array().unwrap().len(), 2);
    world.run(&["verify", "ev/prompt_session.json"]).expect(0, &["render", "as its signer says"]);
    let verified = world.json(&["verify", "ev/prompt_session.json"]);
    assert_eq!(text(&verified, "/renders/0/entry"), render);
    let id = text(&session, "/session");
    let traced = world.json(&["trace", id]);
    assert_eq!(text(&traced, "/to/0/steps/0/what"), "render");
    let back = world.json(&["trace", "out.txt"]);
    assert_eq!(back["used_by"].as_array().unwrap().len(), 2);
    world.run(&["verify-chain"]).ok();

    world.run(&["dev", "--render", "2"]).expect(1, &["session", "no render"]);
    world.run(&["dev", "--render", "99"]).expect(1, &["no entry"]);
    world.run(&["dev", "--render", "1", "--render", "1"]).expect(1, &["twice"]);
    world.write("prompts/t.md", format!("{PROMPT}more\n"));
    world.run(&["dev", "--render", "1"]).expect(4, &["t.v1.0", "not in the catalog as it was rendered"]);
    fs::remove_file(world.project.join("prompts/t.md")).unwrap();
    world.run(&["dev", "--render", "1"]).expect(1, &["t.v1.0"]);
}
