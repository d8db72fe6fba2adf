//! What each dialect says, in terms of the one model, and where it says it.

use super::{nine_keys, oa05};
use crate::catalog::*;
use serde_json::json;
use std::path::Path;

fn read(text: impl AsRef<[u8]>) -> Prompt {
    match parse(Layer::User, Path::new("dir/file.md"), text.as_ref()) {
        Parsed::Prompt(prompt) => *prompt,
        other => panic!("{other:?}"),
    }
}

fn any(path: &str, text: impl AsRef<[u8]>) -> Result<Prompt, Vec<&'static str>> {
    match parse_any(Layer::User, Path::new(path), text.as_ref()) {
        Parsed::Prompt(prompt) => Ok(*prompt),
        Parsed::Broken(problem) => Err(problem.findings.iter().map(|finding| finding.code).collect()),
        Parsed::Document => panic!("nothing is a document here"),
    }
}

fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

#[test]
fn the_native_form_has_every_field() {
    let text = "---
prompt_id: planner.next
version: 3
role: planner
summary: Decides
title: Next step
scope: agent
source: human
notes: First try
owner: me
status: deprecated
tags: [a, b]
capabilities: [c]
model_hints: {default_model: m1, temperature: 0.20}
safety_notes: [careful]
safety_level: moderate
pii_handling: anonymize
content_flags: [health]
deprecates: planner.next.v2
created_at: 2026-01-02
updated_at: 2026-01-03T04:05:06Z
input_contract_ref: in.v1
output_contract_ref: out.v1
inputs:
  - name: evidence
    type: planner_evidence.v1
    required: true
    source: artifact
    description: What happened
    strictness: strict
  - {name: tone, type: string, required: false, default: 1.10}
output_contract:
  schema_ref: planner_decision.v1
  required_fields: [status]
---

{{ evidence }} {{ tone }}
";
    let prompt = read(text);
    assert_eq!(prompt.reference(), "planner.next.v3");
    assert_eq!((prompt.title.as_str(), prompt.summary.as_str()), ("Next step", "Decides"));
    let some = |text: &'static str| Some(text.to_owned());
    assert_eq!(
        [&prompt.role, &prompt.scope, &prompt.source, &prompt.notes, &prompt.owner, &prompt.status],
        [
            &some("planner"),
            &some("agent"),
            &some("human"),
            &some("First try"),
            &some("me"),
            &some("deprecated")
        ]
    );
    assert_eq!(
        [&prompt.safety_level, &prompt.pii_handling, &prompt.deprecates, &prompt.default_model],
        [&some("moderate"), &some("anonymize"), &some("planner.next.v2"), &some("m1")]
    );
    assert_eq!(
        [&prompt.created_at, &prompt.updated_at, &prompt.input_contract_ref, &prompt.output_contract_ref],
        [&some("2026-01-02"), &some("2026-01-03T04:05:06Z"), &some("in.v1"), &some("out.v1")]
    );
    assert_eq!(
        [&prompt.tags, &prompt.capabilities, &prompt.safety_notes, &prompt.content_flags],
        [
            &vec!["a".to_owned(), "b".to_owned()],
            &vec!["c".into()],
            &vec!["careful".into()],
            &vec!["health".into()]
        ]
    );
    // A number that JSON would shorten is the text that was written.
    assert_eq!(prompt.model_hints, Some(json!({"default_model": "m1", "temperature": "0.20"})));
    let [evidence, tone] = &prompt.inputs[..] else { panic!() };
    assert_eq!(evidence.kind.as_deref(), Some("planner_evidence.v1"));
    assert_eq!((evidence.required, evidence.strictness), (true, Some(Strictness::Strict)));
    assert_eq!(
        (evidence.source.as_deref(), evidence.description.as_deref()),
        (Some("artifact"), Some("What happened"))
    );
    assert_eq!((tone.required, tone.default.clone()), (false, Some("1.10".into())));
    let contract = prompt.output_contract.as_ref().unwrap();
    assert_eq!((contract.mode, contract.schema_ref.as_deref()), (Mode::Json, Some("planner_decision.v1")));
    assert_eq!(contract.required_fields, ["status"]);

    assert_eq!(prompt.places.fields["role"], at(4, 1));
    assert_eq!(prompt.places.fields["output_contract"], at(32, 1));
    assert_eq!(prompt.places.inputs["evidence"], at(25, 11));
    assert_eq!(prompt.places.inputs["tone"], at(31, 12));
    assert_eq!(prompt.places.template, at(37, 1));
    let names: Vec<_> = prompt.frontmatter.keys().take(3).map(String::as_str).collect();
    assert_eq!(names, ["prompt_id", "version", "role"], "as written");
    assert_eq!(prompt.frontmatter["created_at"], json!("2026-01-02"));
}

/// The decision record of the older system, and each generation of what was built from it.
#[test]
fn the_older_dialects_say_the_same_in_their_own_names() {
    let as_decided = "---\nkey: t\nname: T\nversion: 1.0.2\ndescription: D\ntask_type: translation\n\
        required_variables: [a]\noptional_variables: [b]\ntags: [x]\ndefault_model: m\noutput_mode: structured\n\
        safety_level: safe\npii_handling: none\ncontent_flags: [f]\nschema_version: 1.0\ncreated_at: 2026-01-02\n\
        updated_at: 2026-01-03\n---\n{{ a }}{{ b }}\n";
    let prompt = read(as_decided);
    assert_eq!((prompt.dialect, prompt.reference()), (Dialect::Tnh, "t.v1.0.2".to_owned()));
    assert_eq!((prompt.title.as_str(), prompt.summary.as_str()), ("T", "D"));
    assert_eq!(
        (prompt.role.as_deref(), prompt.schema_version.as_deref()),
        (Some("translation"), Some("1.0"))
    );
    assert_eq!(prompt.output_contract.as_ref().unwrap().mode, Mode::Json, "`structured` is JSON");
    let inputs: Vec<_> = prompt.inputs.iter().map(|i| (i.name.as_str(), i.required)).collect();
    assert_eq!(inputs, [("a", true), ("b", false)]);
    assert_eq!(prompt.places.inputs["b"].line, 8);

    let built = "---\nkey: t\nname: T\nversion: \"1.0\"\nrole: r\nrequired_variables: [a]\ndefault_variables: {a: x, c: 017}\n\
        inputs:\n  - {name: a, required: true, strictness: strict}\n  - {name: b, required: false, strictness: loose}\n\
        output_contract:\n  mode: artifacts\n  artifacts:\n    - {path: out/a.md, required: true}\nwarnings: [old]\n---\nx\n";
    let prompt = read(built);
    let inputs: Vec<_> = prompt
        .inputs
        .iter()
        .map(|i| (i.name.as_str(), i.required, i.strictness, i.default.clone()))
        .collect();
    assert_eq!(
        inputs,
        [
            ("a", true, Some(Strictness::Strict), Some(json!("x"))),
            ("b", false, Some(Strictness::Loose), None),
            ("c", false, None, Some(json!("017"))),
        ]
    );
    let contract = prompt.output_contract.as_ref().unwrap();
    assert_eq!(contract.artifacts, [Artifact { path: "out/a.md".into(), required: true }]);
    assert_eq!((contract.mode, &prompt.warnings[..]), (Mode::Artifacts, &["old".to_owned()][..]));

    let minimal = "---\nkey: m\nname: M\nversion: \"1.0.0\"\nrole: r\ndefault_variables: {}\n---\nx\n";
    assert_eq!((read(minimal).inputs, read(minimal).output_contract), (vec![], None));
}

#[test]
fn the_nine_keys_and_their_two_companions() {
    let fields = "inputs_required:\n  - \"A plan\"\noutputs_expected:\n  - \"Code\"\n";
    let text = nine_keys("P05", "1.0.1", "## Purpose\n\n## Prompt\n```text\nDo [it].\n```\n");
    let prompt = read(text.replacen("owner:", &format!("{fields}owner:"), 1));
    assert_eq!(
        (prompt.title.as_str(), prompt.updated_at.as_deref()),
        ("A gate", Some("2026-01-01T00:00:00Z"))
    );
    assert_eq!(
        (&prompt.inputs_required[..], &prompt.outputs_expected[..]),
        (&["A plan".into()][..], &["Code".into()][..])
    );
    assert_eq!(prompt.constitution_alignment, ["None"]);
    assert_eq!((prompt.gate.as_deref(), prompt.inputs.len()), (Some("P05"), 0));
}

/// YAML's own opinions do not change what was written, and neither do byte order marks and line ends.
#[test]
fn what_was_written_is_what_is_read() {
    for (written, read_as) in
        [("no", "no"), ("017", "017"), ("1.0", "1.0"), ("2026-01-02", "2026-01-02"), ("on", "on")]
    {
        let text =
            oa05("x", "1", &[&format!("owner: {written}"), &format!("tags: [{written}]")], "a\n---\nb");
        for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
            let prompt = read(&text);
            assert_eq!(
                (prompt.owner.as_deref(), &prompt.tags[..]),
                (Some(read_as), &[read_as.to_owned()][..])
            );
            assert_eq!((prompt.template.as_str(), prompt.bytes), ("a\n---\nb\n", text.into_bytes()));
        }
    }
    let without_end = oa05("x", "017", &[], "a");
    let without_end = without_end.trim_end();
    assert_eq!((read(without_end).template.as_str(), read(without_end).version.as_str()), ("a", "017"));
}

#[test]
fn what_is_no_prompt_can_be_imported_and_nothing_else() {
    let plain =
        any("old/summarize.md", "\u{feff}Say {{ what }} in {{ LANGUAGE }}.\r\n{% if tone %}x{% endif %}\r\n")
            .unwrap();
    assert_eq!((plain.reference(), plain.dialect), ("old/summarize.v1".to_owned(), Dialect::Plain));
    assert_eq!(plain.template, "Say {{ what }} in {{ LANGUAGE }}.\n{% if tone %}x{% endif %}\n");
    let inputs: Vec<_> = plain.inputs.iter().map(|i| (i.name.as_str(), i.required)).collect();
    assert_eq!(inputs, [("LANGUAGE", true), ("tone", true), ("what", true)]);

    let text = "---\nsource_language: English\nunused: 1\ntitle: Sum\n---\n\n{{ source_language }} {{ x }}";
    let defaults = any("a.md", text).unwrap();
    let inputs: Vec<_> =
        defaults.inputs.iter().map(|i| (i.name.as_str(), i.required, i.default.clone())).collect();
    assert_eq!(inputs, [("source_language", false, Some(json!("English"))), ("x", true, None)]);
    assert_eq!((defaults.title.as_str(), defaults.frontmatter.len()), ("Sum", 3));
    assert_eq!(defaults.places.inputs["source_language"], at(2, 1));

    for empty in ["---\n---\nx\n", "---\n\n---\nx\n", "x\n"] {
        assert_eq!(any("a.md", empty).unwrap().template, "x\n", "{empty:?}");
        assert!(matches!(parse(Layer::User, Path::new("a.md"), empty.as_bytes()), Parsed::Document));
    }
    assert_eq!(any("a.md", "---\nA rule on top.\n").unwrap().template, "---\nA rule on top.\n");
    // What a catalog takes for a prompt is one here as well, and what it refuses is refused.
    assert_eq!(any("a.md", oa05("x", "2", &[], "t")).unwrap().dialect, Dialect::Oa05);
    assert_eq!(any("a.md", "---\nprompt_id: x\nversion: [\n---\n").unwrap_err(), ["frontmatter.syntax"]);
    assert_eq!(any("a.md", b"\xff").unwrap_err(), ["file.not-utf8"]);
    assert_eq!(any("a.md", vec![b'a'; 10 * 1024 * 1024 + 1]).unwrap_err(), ["file.too-large"]);
    assert_eq!(any("a b.md", "x").unwrap_err(), ["prompt.id"]);
    assert_eq!(any("a.md", "---\n- x\n---\n").unwrap_err(), ["frontmatter.shape"]);
    assert_eq!(any("a.md", "---\ntitle: [\n---\n").unwrap_err(), ["frontmatter.syntax"]);
}
