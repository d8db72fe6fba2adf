//! Answers against contracts, and values against schemas, in this process.

use super::*;
use crate::catalog::{Layer, Parsed, parse};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;

/// A prompt with this contract.
fn prompt(role: &str, fields: &str) -> Prompt {
    let file = format!(
        "---\nprompt_id: t\nversion: 1\nrole: {role}\nsummary: s\ninputs: []\n{fields}\nowner: o\nstatus: current\n---\nx\n"
    );
    match parse(Layer::Workspace, Path::new("t.md"), file.as_bytes()) {
        Parsed::Prompt(prompt) => *prompt,
        other => panic!("{other:?}"),
    }
}

fn checked(prompt: &Prompt, answer: &[u8], schemas: &Schemas) -> Result<Outcome> {
    check(prompt, Path::new("answer"), Given::Bytes(answer), &BTreeMap::new(), schemas, run)
}

/// Code, line and column of what is wrong with an answer.
fn codes(contract: &str, answer: &str) -> Vec<(&'static str, usize, usize)> {
    let prompt = prompt("task", &format!("output_contract: {contract}"));
    let outcome = checked(&prompt, answer.as_bytes(), &Schemas::default()).unwrap();
    let place = |violation: &Violation| {
        let finding = &violation.finding;
        (finding.code, finding.line, finding.column)
    };
    outcome.findings.iter().map(place).collect()
}

/// A folder of schemas.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, Value)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, schema) in files {
            let file = folder.0.path().join("schemas").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, schema.to_string()).unwrap();
        }
        folder
    }

    fn check(&self, value: &Value) -> Result<Outcome> {
        let schemas = Schemas::new(Some(self.0.path().join("schemas")), None);
        let prompt = prompt("task", "output_contract: {mode: json, schema_ref: s.v1}");
        checked(&prompt, value.to_string().as_bytes(), &schemas)
    }

    /// Pointers and messages.
    fn faults(&self, value: &Value) -> Vec<(String, String)> {
        let outcome = self.check(value).unwrap();
        let said = |v: Violation| (v.pointer.unwrap_or_default(), v.finding.message);
        outcome.findings.into_iter().map(said).collect()
    }
}

/// What one schema says of a value.
pub(super) fn against(schema: Value, value: &Value) -> Vec<(String, String)> {
    Folder::new(&[("s/v1.schema.json", schema)]).faults(value)
}

/// Why a schema is none.
pub(super) fn refused(schema: Value) -> String {
    refused_of(schema, &json!(1))
}

/// Why a schema is none for this value.
pub(super) fn refused_of(schema: Value, value: &Value) -> String {
    Folder::new(&[("s/v1.schema.json", schema)]).check(value).unwrap_err().to_string()
}

#[test]
fn a_text_has_its_sections_as_a_reader_sees_them() {
    let sections = "{mode: text, required_sections: [Open questions, '## Next']}";
    let both: &[_] = &[("output.section", 1, 1), ("output.section", 1, 1)];
    let fits = [
        "# open   Questions\n\n### Next",
        "Open questions\n====\n\n> ## *Next* ##\n",
        "- # Open `questions`\n\nNext\n---\n",
        "---\ntitle: x\n---\n# Open questions\n# [Next](x)\n",
        "\u{feff}# Open questions\r\n\r\n# Next\r\n",
    ];
    for text in fits {
        assert_eq!(codes(sections, text), [], "{text}");
    }
    let fails = [
        "Open questions and Next",
        "```\n# Open questions\n# Next\n```\n",
        "    # Open questions\n    # Next\n",
        "<!--\n# Open questions\n# Next\n-->\n",
        "#Open questions\n\n#Next\n",
        "**Open questions**\n\n**Next**\n",
        "# Open questions?\n# Nextly\n",
        "x[^1]\n\n[^1]: y\n    # Open questions\n    # Next\n",
        "---\n# Open questions\n# Next\n---\ntext\n",
    ];
    for text in fails {
        assert_eq!(codes(sections, text), both, "{text}");
    }
    let prompt = prompt("task", &format!("output_contract: {sections}"));
    let outcome = checked(&prompt, b"# Next steps\n# Open questions", &Schemas::default()).unwrap();
    let hint = outcome.findings[0].finding.hint.as_deref().unwrap();
    assert!(hint.contains("there is `next steps`"), "{hint}");
}

#[test]
fn a_text_has_its_fields_at_the_beginning_of_lines() {
    let fields = "{mode: text, required_fields: [Risk level]}";
    for text in [
        "risk level: high",
        "**Risk level:** high",
        "- __Risk level__ : high\n",
        "one\ntwo\nRisk level: x",
        "---\nrisk level: 1\n---\ntext",
        "# Risk level: high",
        "> 1. `Risk level`: x",
    ] {
        assert_eq!(codes(fields, text), [], "{text}");
    }
    for text in [
        "the risk level: high",
        "Risk level high",
        "```\nRisk level: x\n```",
        "Risk levels: x",
        "<b>\nRisk level: x\n</b>",
    ] {
        assert_eq!(codes(fields, text), [("output.field", 1, 1)], "{text}");
    }
}

#[test]
fn what_is_no_text_or_no_json_is_said_with_its_place() {
    let text = "{mode: text}";
    let json = "{mode: json, required_fields: [a]}";
    assert_eq!(codes(text, "anything"), []);
    for (contract, answer, expected) in [
        (text, "", ("output.empty", 1, 1)),
        (json, " \n\t\u{feff}", ("output.empty", 1, 1)),
        (json, "a: 1", ("output.json", 1, 1)),
        (json, "{\"a\": 1} {}", ("output.json", 1, 10)),
        (json, "{\"a\": 1,}", ("output.json", 1, 9)),
        (json, "{\"a\": NaN}", ("output.json", 1, 7)),
        (json, "{\"a\": \"\\ud800\"}", ("output.json", 1, 14)),
        (json, "```json\n{\"a\": 1}\n```\n", ("output.fenced", 1, 1)),
        (json, "Sure!\n\n```\n{\"a\": 1}\n```", ("output.fenced", 3, 1)),
        (json, "{\"a\": 1,\n  \"a\": 2}", ("output.duplicate-key", 2, 3)),
        (json, "\n [1]", ("output.field", 2, 2)),
        (json, "{\"A\": 1}", ("output.field", 1, 1)),
    ] {
        assert_eq!(codes(contract, answer), [expected], "{answer}");
    }
    assert_eq!(codes(json, "\u{feff}{\"a\": \"```\"}"), []);
    let prompt = prompt("task", "output_contract: {mode: text}");
    let outcome = checked(&prompt, b"\xc3\xbc\nab\xff", &Schemas::default()).unwrap();
    let finding = &outcome.findings[0].finding;
    assert_eq!((finding.code, finding.line, finding.column), ("output.not-utf8", 2, 3));
}

#[test]
fn what_a_contract_demands_in_vain_is_a_warning() {
    for (contract, answer, said) in [
        ("{mode: json}", "1", "names no schema"),
        ("{mode: text, schema_ref: x.v1}", "x", "nothing was checked of its schema_ref"),
        (
            "{mode: json, schema_ref: planner_decision.v1, required_sections: [A]}",
            "",
            "its required_sections",
        ),
        ("{mode: text, artifacts: [{path: a, required: true}]}", "x", "its artifacts"),
    ] {
        let prompt = prompt("task", &format!("output_contract: {contract}"));
        let outcome = checked(&prompt, answer.as_bytes(), &Schemas::default()).unwrap();
        let last = &outcome.findings.last().unwrap().finding;
        assert!(last.code == "output.unchecked" && !last.is_error() && last.message.contains(said), "{last}");
        assert_eq!((last.path.as_path(), last.line), (Path::new("t.md"), 7));
    }
}

#[test]
fn a_planner_answers_with_a_decision_whatever_its_contract_leaves_out() {
    let good = json!({
        "status": "partial", "next_step": "fix", "blockers": [
            {"code": "c", "summary": "s", "evidence_ref": "run.log", "severity": "low"}
        ],
        "fix_instructions": {
            "objective": "o", "constraints": ["c"], "edits": [{"target": "t", "action": "a", "rationale": "r"}],
            "verification": [{"command": "c", "expected_signal": "s"}],
        },
        "risk_flags": ["network"],
    });
    let contracts = [
        "",
        "output_contract: {}",
        "output_contract: {required_fields: [status]}",
        "output_contract: {mode: text}",
        "output_contract: {schema_ref: planner_decision.v1}",
        "output_contract_ref: planner_decision.v1",
    ];
    for contract in contracts {
        let prompt = prompt("planner", contract);
        let of = |value: &Value| checked(&prompt, value.to_string().as_bytes(), &Schemas::default()).unwrap();
        let outcome = of(&good);
        assert_eq!(
            (outcome.mode, outcome.findings.len()),
            (Mode::Json, 0),
            "{contract}: {:?}",
            outcome.findings
        );
        assert_eq!(outcome.schema.as_ref().unwrap().name, DECISION);
        let mut wrong = vec![json!([]), json!(null)];
        for (pointer, value) in [
            ("/status", json!("done")),
            ("/next_step", json!("")),
            ("/next_step", json!(["a"])),
            ("/fix_instructions", json!("do it")),
            ("/fix_instructions/edits/0", json!({"target": "t", "action": "a"})),
            ("/fix_instructions/verification", json!(null)),
            ("/blockers", json!(["text"])),
            ("/blockers/0/severity", json!("critical")),
            ("/risk_flags", json!("network")),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            wrong.push(bad);
        }
        for field in ["status", "next_step", "fix_instructions", "blockers", "risk_flags"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(field);
            wrong.push(bad);
        }
        for bad in wrong {
            assert!(of(&bad).findings.iter().any(|v| v.finding.is_error()), "{contract}: {bad}");
        }
    }
    let other = prompt("planner", "output_contract: {schema_ref: planner_decision.v2}");
    let error = checked(&other, b"{}", &Schemas::default()).unwrap_err();
    assert!(error.to_string().contains("no schema `planner_decision.v2`"), "{error}");
    let none = checked(&prompt("task", ""), b"x", &Schemas::default()).unwrap_err();
    assert!(none.to_string().contains("has no output contract"), "{none}");
}

#[test]
fn misfits_have_pointers_places_and_words() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["q"],
        "properties": {
            "a~/b": {"type": "integer", "minimum": 3}, "c": {"enum": [1, "x"]}, "d": {"pattern": "^a+$"},
            "e": {"anyOf": [{"required": ["z"]}, {"type": "array"}]}, "f": {"uniqueItems": true}, "g": false,
            "h": {"prefixItems": [true, {"const": null}], "items": false},
        },
    });
    let value = json!({
        "a~/b": 1, "c": "y", "d": "b", "e": {}, "f": [1, 1], "g": 0, "h": [0, 0, 0], "more": "ghp_x"
    });
    let faults = against(schema, &value);
    let of = |pointer: &str| {
        let said: Vec<_> =
            faults.iter().filter(|(at, _)| at == pointer).map(|(_, said)| said.as_str()).collect();
        said.join("; ")
    };
    assert_eq!(of(""), "the answer has no `q`");
    assert_eq!(of("/more"), "the answer has `more`, which the schema does not allow");
    assert_eq!(of("/a~0~1b"), "`/a~0~1b` is less than the minimum of 3");
    assert_eq!(of("/c"), "`/c` is none of 1, \"x\"");
    assert_eq!(of("/d"), "`/d` does not match the pattern `^a+$`");
    assert_eq!(of("/e"), "`/e` fits none of 2 alternatives");
    assert_eq!(of("/f"), "the items of `/f` are not all different");
    assert_eq!(of("/g"), "`/g` is not allowed");
    assert!(of("/h/1").contains("null"), "{}", of("/h/1"));
    assert!(faults.iter().any(|(at, _)| at == "/h/2" || at == "/h"), "{faults:?}");
    // No value is ever quoted in a message: an answer may hold what no log should.
    assert!(faults.iter().all(|(_, said)| !said.contains("ghp_x")));
}

#[test]
fn a_misfit_stands_where_its_name_or_value_does_and_is_said_once() {
    let schema =
        json!({"required": ["a"], "properties": {"c": {"type": "null"}}, "additionalProperties": false});
    let folder = Folder::new(&[("s/v1.schema.json", schema)]);
    let schemas = Schemas::new(Some(folder.0.path().join("schemas")), None);
    let prompt = prompt("task", "output_contract: {mode: json, schema_ref: s.v1, required_fields: [a]}");
    let outcome = checked(&prompt, b"{\n  \"b\":   1,\n  \"c\":   2\n}", &schemas).unwrap();
    let place = |v: &Violation| (v.finding.code, v.finding.line, v.finding.column);
    let expected = [("output.field", 1, 1), ("output.schema", 2, 3), ("output.schema", 3, 10)];
    assert_eq!(outcome.findings.iter().map(place).collect::<Vec<_>>(), expected);
}

#[test]
fn references_stay_in_the_folder() {
    let part = json!({"$defs": {"n": {"type": "integer"}}, "type": "string"});
    let files = |reference: &str| {
        Folder::new(&[
            ("s/v1.schema.json", json!({"$ref": reference})),
            ("s/part.json", part.clone()),
            ("other/v2.schema.json", json!({"$ref": "../s/part.json#/$defs/n"})),
            ("s/.hidden.json", json!({})),
            ("../outside.json", json!({})),
            ("../schemas.json", json!({})),
        ])
    };
    for reference in ["part.json#/$defs/n", "../other/v2.schema.json", "/other/v2.schema.json"] {
        let folder = files(reference);
        assert_eq!(folder.faults(&json!(1)), [], "{reference}");
        assert_eq!(folder.faults(&json!("x")).len(), 1, "{reference}");
    }
    for (reference, why) in [
        ("https://example.com/s.json", "nothing is fetched"),
        ("http://127.0.0.1/s.json", "nothing is fetched"),
        ("file:///etc/passwd", "nothing is fetched"),
        ("//example.com/s.json", "nothing is fetched"),
        ("/etc/passwd", "no file of the folder"),
        ("../../../../etc/passwd", "no file of the folder"),
        ("../../outside.json", "not there"),
        ("%2e%2e/%2e%2e/outside.json", ""),
        ("..%2f..%2foutside.json", "no file of the folder"),
        ("missing.json", "not there"),
        (".hidden.json", "no file of the folder"),
        ("part.json#/$defs/missing", "does not exist"),
        ("#/nowhere", "does not exist"),
        ("::", ""),
    ] {
        let error = files(reference).check(&json!(1)).unwrap_err().to_string();
        assert!(error.contains("is not usable") && error.contains(why), "{reference}: {error}");
    }
    // A schema that says it is elsewhere takes its references there.
    let elsewhere = refused(json!({"$id": "https://example.com/a/s.json", "$ref": "part.json"}));
    assert!(elsewhere.contains("`https://example.com/a/part.json`: nothing is fetched"), "{elsewhere}");
    let own =
        json!({"$id": "https://example.com/a/s.json", "$ref": "#/$defs/n", "$defs": {"n": {"type": "null"}}});
    assert_eq!(against(own, &json!(1)).len(), 1);
}

#[test]
fn what_is_no_schema_is_said_to_be_none() {
    for (schema, why) in [
        (json!({"type": "strnig"}), "`/type`"),
        (json!({"properties": []}), "`/properties`"),
        (json!({"minimum": "3"}), "`/minimum`"),
        (json!({"required": ["a", "a"]}), "`/required`"),
        (json!({"pattern": "("}), "`(` is no pattern"),
        (json!({"pattern": "(?=a)b"}), "looks around or back"),
        (json!({"pattern": "(a)\\1"}), "looks around or back"),
        (json!({"patternProperties": {"((a{1000}){1000}){1000}": true}}), "too large"),
        (json!({"pattern": "((a{1000}){1000}){1000}"}), "too large"),
        (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "only JSON Schema Draft 2020-12"),
    ] {
        let error = refused(schema);
        assert!(error.contains("s.v1") && error.contains(why), "{error}");
    }
}

/// References in a circle and patterns that are slow elsewhere end at once.
#[test]
fn what_could_go_on_for_ever_does_not() {
    assert_eq!(against(json!({"$ref": "#"}), &json!(1)), []);
    let circle = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"});
    against(circle, &json!(1));
    let tree =
        json!({"$dynamicAnchor": "n", "additionalProperties": {"$dynamicRef": "#n"}, "type": "object"});
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"n": deep});
    }
    assert_eq!(against(tree, &deep), []);
    let start = std::time::Instant::now();
    for pattern in ["^(a+)+$", "^(a|aa)+$", "(x+x+)+y", "^([a-zA-Z]+)*$"] {
        let text = format!("{}!", "a".repeat(100_000));
        assert_eq!(against(json!({"pattern": pattern}), &json!(text)).len(), 1);
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn so_many_faults_are_told_and_no_more() {
    let schema = json!({"items": {"type": "null"}});
    let of = |count: usize| {
        let folder = Folder::new(&[("s/v1.schema.json", schema.clone())]);
        let outcome = folder.check(&Value::from(vec![1; count])).unwrap();
        (outcome.findings.len(), outcome.more)
    };
    assert_eq!(of(schema::MOST), (schema::MOST, false));
    assert_eq!(of(schema::MOST + 1), (schema::MOST, true));
}

#[test]
fn an_excerpt_shows_the_place_and_no_secret() {
    let prompt = prompt("planner", "");
    let token = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let answer = format!("{{\n  \"status\": \"{token}\"\n}}");
    let outcome = checked(&prompt, answer.as_bytes(), &Schemas::default()).unwrap();
    let status = outcome.findings.iter().find(|v| v.pointer.as_deref() == Some("/status")).unwrap();
    let excerpt = status.finding.excerpt.as_ref().unwrap();
    assert_eq!(excerpt.before, "  \"status\": ");
    assert!(!serde_json::to_string(&outcome).unwrap().contains(&token));
}

#[test]
fn artifacts_are_files_below_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("run");
    for path in ["r-1/a.py", "r-2/b.py", "r-2/a.py", "plain.txt", "other.txt"] {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    fs::create_dir(folder.join("dir")).unwrap();
    fs::write(temp.path().join("secret"), "").unwrap();
    let of = |path: &str, required: bool, values: &[(&str, &str)]| {
        let contract = format!("output_contract: {{artifacts: [{{path: '{path}', required: {required}}}]}}");
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let given = Given::Folder(&folder);
        let outcome =
            check(&prompt("task", &contract), Path::new("run"), given, &values, &Schemas::default(), run)
                .unwrap();
        assert_eq!(outcome.mode, Mode::Artifacts);
        let codes: Vec<_> = outcome.findings.iter().map(|v| v.finding.code).collect();
        (outcome.artifacts[0].files.join(" "), codes.join(" "))
    };
    let good = |files: &str| (files.to_owned(), String::new());
    let bad = |code: &str| (String::new(), code.to_owned());
    assert_eq!(of("plain.txt", true, &[]), good("plain.txt"));
    assert_eq!(of("./r-1//a.py", true, &[]), good("r-1/a.py"));
    assert_eq!(of("r-${id}/a.py", true, &[]), good("r-1/a.py r-2/a.py"));
    assert_eq!(of("r-${id}/a.py", true, &[("id", "2")]), good("r-2/a.py"));
    assert_eq!(of("${id}/${name}.py", true, &[]), good("r-1/a.py r-2/a.py r-2/b.py"));
    assert_eq!(of("r-${id}/a.py", true, &[("id", "3")]), bad("output.artifact"));
    assert_eq!(of("missing.txt", true, &[]), bad("output.artifact"));
    assert_eq!(of("missing.txt", false, &[]), good(""));
    assert_eq!(of("dir", false, &[]), bad("output.artifact-kind"));
    for outside in ["../secret", "/etc/passwd", "a/../../secret", "C:/x", "~/x"] {
        assert_eq!(of(outside, true, &[]), bad("output.artifact-outside"), "{outside}");
    }
    // What a placeholder stands for leads nowhere else either.
    assert_eq!(of("${id}/secret", true, &[("id", "..")]), bad("output.artifact-outside"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("../secret", folder.join("out")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink("plain.txt", folder.join("in")).unwrap();
        symlink("nowhere", folder.join("dangling")).unwrap();
        assert_eq!(of("out", true, &[]), bad("output.artifact-outside"));
        assert_eq!(of("up/secret", true, &[]), bad("output.artifact-outside"));
        assert_eq!(of("in", true, &[]), good("in"));
        assert_eq!(of("dangling", false, &[]), bad("output.artifact-kind"));
        assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
        assert_eq!(of("pipe", true, &[]), bad("output.artifact-kind"));
    }
}

#[test]
fn the_form_of_what_is_given_must_be_that_of_the_contract() {
    let temp = tempfile::tempdir().unwrap();
    let text = prompt("task", "output_contract: {mode: text}");
    let given = Given::Folder(temp.path());
    let error = check(&text, Path::new("d"), given, &BTreeMap::new(), &Schemas::default(), run).unwrap_err();
    assert!(error.to_string().contains("d is a folder"), "{error}");
    let files = prompt("task", "output_contract: {artifacts: [{path: a, required: true}]}");
    let error = checked(&files, b"x", &Schemas::default()).unwrap_err();
    assert!(error.to_string().contains("answer is no folder"), "{error}");
}

proptest! {
    #[test]
    fn nothing_that_a_model_writes_panics(answer in prop::collection::vec(any::<u8>(), 0..60), mode in 0..3) {
        let contract = ["{mode: text, required_sections: [a], required_fields: [b]}",
            "{mode: json, required_fields: [a]}", "{mode: json, schema_ref: planner_decision.v1}"][mode as usize];
        let prompt = prompt("task", &format!("output_contract: {contract}"));
        checked(&prompt, &answer, &Schemas::default()).unwrap();
    }

    #[test]
    fn an_objects_shape_is_judged_like_its_pretty_text(names in prop::collection::btree_set("[a-d]", 0..4)) {
        let value: Value = names.iter().map(|name| (name.clone(), json!([1]))).collect::<serde_json::Map<_, _>>().into();
        let prompt = prompt("task", "output_contract: {mode: json, required_fields: [a, b]}");
        for text in [value.to_string(), format!("{value:#}")] {
            let outcome = checked(&prompt, text.as_bytes(), &Schemas::default()).unwrap();
            let missing = ["a", "b"].iter().filter(|name| !names.contains(**name)).count();
            prop_assert_eq!(outcome.findings.len(), missing);
        }
    }
}
