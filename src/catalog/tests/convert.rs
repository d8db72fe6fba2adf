//! Conversion to OA05.

use super::{corpora, nine_keys, oa05, tnh};
use crate::catalog::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

const ONE: Conversion<'_> = Conversion { version: Some(1), owner: None };

fn read(path: &str, bytes: &[u8]) -> Prompt {
    match parse_any(Layer::Workspace, Path::new(path), bytes) {
        Parsed::Prompt(prompt) => *prompt,
        other => panic!("{other:?}\n{}", String::from_utf8_lossy(bytes)),
    }
}

/// Converts, and checks what holds of every conversion.
fn converted(path: &str, bytes: &[u8]) -> (Prompt, Converted) {
    let old = read(path, bytes);
    let done = convert(&old, ONE).unwrap_or_else(|findings| panic!("{}", render(&findings)));
    let findings = lint_file(Path::new(path), &done.bytes);
    assert!(!findings.iter().any(Finding::is_error), "{}", render(&findings));
    let new = read(path, &done.bytes);
    assert_eq!((new.dialect, &new.id), (Dialect::Oa05, &old.id));
    assert_eq!(new.reference(), done.reference);
    if old.is_template() {
        assert_eq!(new.template, old.template);
    }
    for input in &old.inputs {
        let same = new.inputs.iter().find(|other| other.name == input.name).unwrap();
        assert_eq!((same.required, &same.default), (input.required, &input.default));
    }
    // Every field of the old file is accounted for, once.
    if old.dialect != Dialect::Oa05 {
        for name in old.frontmatter.keys() {
            let fates = done.fields.iter().filter(|f| f.field == *name && f.fate != Fate::Defaulted);
            assert_eq!(fates.count(), 1, "{name}: {:?}", done.fields);
        }
    }
    (new, done)
}

fn fate_of<'a>(done: &'a Converted, field: &str) -> &'a FieldFate {
    done.fields
        .iter()
        .find(|fate| fate.field == field)
        .unwrap_or_else(|| panic!("{field}: {:?}", done.fields))
}

#[test]
fn the_real_prompts() {
    let Some(corpora) = corpora() else { return };
    let mut count = 0;
    for folder in ["tnh/prompts", "tnh/runtime-prompts", "promptos/prompts"] {
        let catalog =
            Catalog::load(&[Source::folder(Layer::Workspace, corpora.join(folder))], false).unwrap();
        for old in catalog.prompts() {
            let (new, done) = converted(old.path.to_str().unwrap(), &old.bytes);
            assert_eq!(render(&lint_file(&new.path, &new.bytes)), "", "{}", old.path.display());
            assert_eq!((new.version.as_str(), &new.template), ("1", &old.template));
            let lost: Vec<_> =
                done.fields.iter().filter(|f| f.fate == Fate::Lost).map(|f| &f.field).collect();
            assert!(lost.iter().all(|name| *name == "schema_version"), "{lost:?}");
            count += 1;
        }
    }
    assert_eq!(count, 43);
}

#[test]
fn an_older_prompt_keeps_what_it_says() {
    let text = tnh(
        &[
            "required_variables: [source]",
            "inputs: [{name: source, required: true, strictness: strict, colour: red}, {name: style, required: false}]",
            "tags: [x]",
            "default_model: m",
            "output_mode: json",
            "schema_version: \"1.0\"",
            "own: {no: [1, 1.50, no]}",
            "updated_at: 2026-01-31",
        ],
        "{{ source }} {{ style }} {{ input_text }}",
    );
    let (new, done) = converted("k.md", text.as_bytes());
    assert_eq!(done.reference, "k.v1");
    assert_eq!((new.title.as_str(), new.summary.as_str()), ("K", "d"));
    assert_eq!((new.role.as_deref(), &new.tags[..]), (Some("task"), &["x".to_owned(), "r".to_owned()][..]));
    assert_eq!((new.owner.as_deref(), new.status.as_deref()), (Some("unknown"), Some("current")));
    let names: Vec<_> = new.inputs.iter().map(|input| (input.name.as_str(), input.required)).collect();
    assert_eq!(names, [("source", true), ("style", false), ("input_text", true)]);
    assert_eq!(new.inputs[0].strictness, Some(Strictness::Strict));
    assert_eq!(new.frontmatter["own"], json!({"no": [1, "1.50", "no"]}));
    assert_eq!(new.updated_at.as_deref(), Some("2026-01-31"));
    let expected = [
        ("key", Fate::Mapped, Some("prompt_id"), None),
        ("name", Fate::Mapped, Some("title"), None),
        ("version", Fate::Mapped, Some("version"), Some(json!(1))),
        ("role", Fate::Mapped, Some("tags"), None),
        ("required_variables", Fate::Mapped, Some("inputs"), None),
        ("default_variables", Fate::Mapped, None, None),
        ("output_mode", Fate::Mapped, Some("output_contract.mode"), Some(json!("text"))),
        ("schema_version", Fate::Lost, None, None),
        ("inputs.source.colour", Fate::Lost, None, None),
        ("inputs.source.type", Fate::Defaulted, None, Some(json!("string"))),
        ("owner", Fate::Defaulted, None, Some(json!("unknown"))),
        ("status", Fate::Defaulted, None, Some(json!("current"))),
        ("own", Fate::Mapped, Some("own"), None),
    ];
    for (field, fate, to, value) in expected {
        let found = fate_of(&done, field);
        assert_eq!((found.fate, found.to.as_deref(), &found.value), (fate, to, &value), "{field}");
    }
}

#[test]
fn a_template_without_a_prompts_frontmatter() {
    let (new, done) =
        converted("old/SUM.md", b"---\nLANG: no\ntitle: x\nrole: y\n---\nIn {{ LANG }}: {{ TEXT or 1 }}\n");
    assert_eq!(done.reference, "old/SUM.v1");
    assert_eq!(new.inputs[0].default, Some(Value::from("no")));
    assert_eq!((new.inputs[0].required, new.inputs[1].required), (false, true));
    assert_eq!(fate_of(&done, "title").fate, Fate::Lost);
    assert_eq!(fate_of(&done, "LANG").to.as_deref(), Some("inputs.LANG.default"));
    assert_eq!(fate_of(&done, "summary").value, Some("old/SUM".into()));
    converted("plain.md", b"Just text.\r\nMore.");
}

#[test]
fn a_gate_keeps_its_document_as_notes() {
    let body = "\n## Purpose\n\nWhy: it is so.\n\n## Prompt\n\n```text\nDo [this] {# now #}\n```\n\n## Notes\n\n- one\n";
    let (new, done) = converted("P05.md", nine_keys("P05", "1.0.1", body).as_bytes());
    assert_eq!(new.notes.as_deref(), Some("## Purpose\n\nWhy: it is so.\n\n## Notes\n\n- one"));
    assert_eq!(
        (new.gate.as_deref(), new.phase.as_deref(), new.duty),
        (Some("P05"), Some("05"), Some(Duty::Writer))
    );
    assert_eq!(new.constitution_alignment, ["None"]);
    assert_eq!(new.updated_at.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(fate_of(&done, "document").to.as_deref(), Some("notes"));
    // What is text there must not be taken for a comment here.
    let shown = environment().unwrap().render_str(&new.template, ()).unwrap();
    assert_eq!(shown.trim_end(), "Do [this] {# now #}");
    // Blank space before the first word cannot be kept, and that is said.
    let (_, done) = converted("P05.md", nine_keys("P05", "1", "## Prompt\n```\n  in\n```\n").as_bytes());
    assert_eq!(fate_of(&done, "template").fate, Fate::Lost);
}

#[test]
fn roles_need_a_contract_that_suits_them() {
    let planner = |contract: &str| {
        let text = tnh(&["output_contract:", contract], "x").replace("role: r", "role: Planner");
        converted("k.md", text.as_bytes()).0
    };
    let new = planner("  {mode: json, schema_ref: planner_decision.v1}");
    assert_eq!((new.role.as_deref(), new.tags.len()), (Some("planner"), 0));
    let new = planner("  {mode: text}");
    assert_eq!((new.role.as_deref(), &new.tags[..]), (Some("task"), &["Planner".to_owned()][..]));
}

#[test]
fn versions_and_their_rule() {
    let at = |version: &str, given: Option<u32>| {
        let text = tnh(&[], "x").replace("\"1.0\"", &format!("\"{version}\""));
        let options = Conversion { version: given, owner: Some("ada") };
        convert(&read("k.md", text.as_bytes()), options).map(|done| done.reference)
    };
    for (version, given, expected) in [
        ("1", None, "k.v1"),
        ("1.0", None, "k.v1"),
        ("12.0.0", Some(5), "k.v12"),
        ("017", None, "k.v17"),
        ("1.2", Some(5), "k.v5"),
        ("0.9", Some(1), "k.v1"),
    ] {
        assert_eq!(at(version, given).unwrap(), expected);
    }
    for (version, given) in
        [("1.2", None), ("0", None), ("0.0", Some(0)), ("99999999999", None), ("1.01", None)]
    {
        let findings = at(version, given).unwrap_err();
        assert_eq!((findings[0].code, findings[0].line), ("prompt.version", 4), "{version}");
        assert!(findings[0].to_string().contains("--version"), "{}", findings[0]);
    }
}

#[test]
fn what_is_native_stays_and_what_is_wrong_is_refused() {
    let native = oa05("a", "3", &[], "x");
    let (_, done) = converted("a.md", native.as_bytes());
    assert_eq!((done.bytes, done.fields), (native.into_bytes(), Vec::new()));
    let refused = |text: String| {
        let findings = convert(&read("a.md", text.as_bytes()), ONE).unwrap_err();
        findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(refused(tnh(&[], "{% if %}")), ["template.syntax"]);
    assert_eq!(refused(tnh(&["tags: x"], "x")), ["frontmatter.field-type"]);
    assert_eq!(refused(tnh(&["deprecates: nothing"], "x")), ["prompt.deprecates"]);
    assert_eq!(refused("password = hunter2hunter2\n".to_owned()), ["secret.found"]);
    assert_eq!(refused("---\na: 1\n---\n{{ b".to_owned()), ["template.syntax"]);
}

fn word() -> impl Strategy<Value = String> {
    "[A-Za-z_][A-Za-z0-9_]{0,6}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an older prompt says, its conversion lints clean and has the same template.
    #[test]
    fn generated_prompts(
        names in prop::collection::btree_set(word(), 0..4), words in prop::collection::vec("[^\r{}\u{0}-\u{1f}]{0,12}", 4),
        role in "(task|planner|journal|[a-z]{3,8})", version in "[1-9][0-9]?(\\.0){0,2}",
        body in "[a-z][^{}\r]{0,40}", d0 in any::<bool>(),
    ) {
        let names: Vec<_> = names.into_iter().filter(|name| !["in", "is", "or", "if", "and", "not", "else",
            "loop", "self", "true", "false", "none", "True", "False", "None"].contains(&name.as_str())).collect();
        let uses: String = names.iter().map(|name| format!("{{{{ {name} }}}} ")).collect();
        let quoted = |text: &String| serde_json::to_string(&text.replace('\u{7f}', "")).unwrap();
        let defaults: String = names.iter().map(|name| format!("{name}: {}\n", quoted(&words[0]))).collect();
        let text = if d0 {
            format!("---\n{defaults}x: 1\n---\n{body} {uses}")
        } else {
            let indented: String = defaults.lines().map(|line| format!("  {line}\n")).collect();
            let map = if indented.is_empty() { "{}\n".to_owned() } else { format!("\n{indented}") };
            format!("---\nkey: k\nname: {}x\"\nversion: \"{version}\"\nrole: {role}\ndescription: {}\ndefault_variables: {map}\
                     required_variables: {names:?}\nwarnings: [{}]\n---\n{body} {uses}",
                    quoted(&words[1]).trim_end_matches('"'), quoted(&words[2]), quoted(&words[3]))
        };
        let old = match parse_any(Layer::Workspace, Path::new("k.md"), text.as_bytes()) {
            Parsed::Prompt(prompt) => *prompt,
            _ => return Err(TestCaseError::reject("not read")),
        };
        let errors = lint_file(Path::new("k.md"), text.as_bytes()).into_iter().any(|f| f.is_error());
        prop_assume!(d0 || !errors);
        prop_assume!(old.dialect == Dialect::Plain || !d0);
        converted("k.md", text.as_bytes());
    }
}
