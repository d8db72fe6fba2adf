//! What lint finds, where, and what it leaves alone.

use super::{nine_keys, oa05, tnh, write};
use crate::catalog::*;
use proptest::prelude::*;
use std::path::Path;

fn lint(text: impl AsRef<[u8]>) -> Vec<Finding> {
    lint_file(Path::new("p.md"), text.as_ref())
}

fn codes(text: impl AsRef<[u8]>) -> Vec<(&'static str, usize, usize)> {
    lint(text).into_iter().map(|finding| (finding.code, finding.line, finding.column)).collect()
}

const BLOCK: &str = "## Prompt\n\n```text\nDo it.\n```\n";

#[test]
fn good_prompts_of_each_dialect_have_no_findings() {
    let inputs = "inputs:\n  - name: a\n    type: string\n    required: true\n    source: artifact";
    for text in [
        oa05("x", "1", &[], "Text with max_token=5, risk-free, sk-learn and [brackets]."),
        oa05("x", "12", &[inputs], "{{ a }} {% raw %}{{ b }}{% endraw %} {# {{ c }} #}"),
        oa05("x", "1", &["extra: 1", "role: journal", "output_contract: {schema_ref: a.v1}"], "x"),
        oa05(
            "x",
            "1",
            &[
                "role: planner",
                "inputs: [{name: allowed_next_steps, type: t, required: true}, {name: evidence, type: t, required: true}]",
                "output_contract: {schema_ref: planner_decision.v1, required_fields: [status, next_step, fix_instructions, blockers, risk_flags]}",
            ],
            "{{ evidence }} {{ allowed_next_steps }}",
        ),
        oa05("x", "1", &["output_contract: {artifacts: [{path: a/b.py, required: true}]}"], "x"),
        nine_keys("P05", "1.0.1", BLOCK),
        nine_keys("P05", "1.0.1", BLOCK).replace('\n', "\r\n"),
        format!("\u{feff}{}", nine_keys("P05", "1.0.1", BLOCK)),
        tnh(&["required_variables: [a]"], "{{ a }} {{ input_text }}"),
        tnh(
            &["inputs: [{name: a, required: true, strictness: strict}]", "output_contract: {mode: text}"],
            "{{ a }}",
        ),
        tnh(&["output_contract: {mode: json, schema_ref: a.b.v1}", "output_mode: structured"], "x"),
        tnh(
            &[
                "created_at: 2026-01-01",
                "updated_at: \"2026-01-01T10:00:00+02:00\"",
                "pii_handling: anonymize",
            ],
            "x",
        ),
    ] {
        assert_eq!(lint(&text), [], "{text}");
    }
}

#[test]
fn every_rule_finds_what_it_is_for() {
    let with = |field: &str| oa05("x", "1", &[field], "Text");
    let input = |line: &str| oa05("x", "1", &[&format!("inputs:\n  - {line}")], "{{ a }}");
    type Case = (&'static str, String, &'static [(&'static str, usize, usize)]);
    let cases: &[Case] = &[
        ("no frontmatter", "# Title\n".into(), &[("frontmatter.missing", 1, 1)]),
        ("empty", String::new(), &[("frontmatter.missing", 1, 1)]),
        ("open", "---\ntitle: x\n".into(), &[("frontmatter.unterminated", 1, 1)]),
        ("list", "---\n- a\n---\n".into(), &[("frontmatter.shape", 2, 1)]),
        ("document", "---\ntitle: x\n---\n".into(), &[("frontmatter.unrecognized", 2, 1)]),
        ("syntax", "---\nprompt_id: x\nversion: 1\nrole: [a\n---\n".into(), &[("frontmatter.syntax", 4, 7)]),
        (
            "duplicate key",
            "---\nprompt_id: x\nversion: 1\nversion: 2\n---\nx".into(),
            &[("frontmatter.syntax", 4, 1)],
        ),
        ("missing", with("owner!"), &[("frontmatter.missing-field", 2, 1)]),
        ("blank", with("owner: \"  \""), &[("frontmatter.missing-field", 9, 1)]),
        ("null", with("summary:"), &[("frontmatter.missing-field", 9, 1)]),
        ("list for text", with("owner: [a]"), &[("frontmatter.field-type", 9, 8)]),
        ("text for list", with("tags: a"), &[("frontmatter.field-type", 10, 7)]),
        ("text for map", with("output_contract: text"), &[("frontmatter.field-type", 9, 18)]),
        ("empty contract", with("output_contract: {}"), &[("frontmatter.missing-field", 9, 1)]),
        ("misspelt", with("capabilites: [a]"), &[("frontmatter.unknown-field", 10, 1)]),
        ("version 0", oa05("x", "0", &[], "x"), &[("prompt.version", 3, 10)]),
        ("version text", oa05("x", "\"1\"", &[], "x"), &[("prompt.version", 3, 10)]),
        ("version 1.0", oa05("x", "1.0", &[], "x"), &[("prompt.version", 3, 10)]),
        ("version 017", oa05("x", "017", &[], "x"), &[("prompt.version", 3, 10)]),
        ("version -1", oa05("x", "-1", &[], "x"), &[("prompt.version", 3, 10)]),
        ("role", with("role: harness"), &[("prompt.role", 9, 7)]),
        ("status", with("status: Current"), &[("prompt.status", 9, 9)]),
        ("duty", with("duty: boss"), &[("prompt.duty", 10, 7)]),
        ("input text", oa05("x", "1", &["inputs: [a]"], "x"), &[("input.malformed", 9, 10)]),
        ("no type", input("{name: a, required: true}"), &[("input.malformed", 10, 5)]),
        ("required yes", input("{name: a, type: t, required: yes}"), &[("input.malformed", 10, 34)]),
        (
            "bad name",
            input("{name: \"a b\", type: t, required: true}"),
            &[("input.malformed", 10, 12), ("input.unused", 10, 12), ("input.undeclared", 12, 4)],
        ),
        ("source", input("{name: a, type: t, required: true, source: moon}"), &[("input.source", 10, 48)]),
        (
            "twice",
            input("{name: a, type: t, required: true}\n  - {name: a, type: t, required: false}"),
            &[("input.duplicate", 11, 12)],
        ),
        ("undeclared", oa05("x", "1", &[], "one\n  {{ who }}"), &[("input.undeclared", 12, 6)]),
        (
            "unused",
            oa05("x", "1", &["inputs:\n  - {name: a, type: t, required: true}"], "x"),
            &[("input.unused", 10, 12)],
        ),
        ("planner", with("role: planner"), &[("input.planner", 5, 1), ("contract.malformed", 6, 18)]),
        (
            "planner fields",
            oa05(
                "x",
                "1",
                &[
                    "role: planner",
                    "output_contract: {schema_ref: planner_decision.v1, required_fields: [status]}",
                ],
                "x",
            ),
            &[("input.planner", 5, 1), ("contract.malformed", 9, 69)],
        ),
        ("risk without shape", with("role: risk"), &[("contract.malformed", 6, 18)]),
        ("artifact", with("output_contract: {artifacts: [{path: a}]}"), &[("contract.malformed", 9, 31)]),
        ("no body", oa05("x", "1", &[], ""), &[("template.empty", 12, 1)]),
        ("no block", nine_keys("P05", "1", "Text\n"), &[("template.block", 14, 1)]),
        ("open block", nine_keys("P05", "1", "## Prompt\n```\nText\n"), &[("template.block", 15, 1)]),
        ("template", oa05("x", "1", &[], "one\ntwo {{ a b }}\n"), &[("template.syntax", 12, 10)]),
        ("first line", oa05("x", "1", &[], "   {{ a b }}\n"), &[("template.syntax", 11, 9)]),
        ("unknown tag", oa05("x", "1", &[], "{% nonsense %}"), &[("template.syntax", 11, 4)]),
        ("include", oa05("x", "1", &[], "{% include 'x' %}"), &[("template.include", 11, 3)]),
        ("import", oa05("x", "1", &[], "a\n{%- from 'x' import y %}"), &[("template.include", 12, 4)]),
        (
            "jinja in nine keys",
            nine_keys("P05", "1", "## Prompt\n```\na {{ b c }}\n```\n"),
            &[("template.syntax", 16, 8)],
        ),
        ("home", oa05("x", "1", &[], "see /Users/alice/x"), &[("path.personal", 11, 5)]),
        ("windows", oa05("x", "1", &[], r"é C:\Users\Alice\x"), &[("path.personal", 11, 3)]),
        ("home in field", with("owner: /home/alice/x"), &[("path.personal", 9, 8)]),
        (
            "secret",
            oa05("x", "1", &[], "key: ghp_0123456789abcdefghijABCDEFGHIJ012345"),
            &[("secret.found", 11, 6)],
        ),
        (
            "tnh role",
            tnh(&["required_variables: []"], "x").replace("role: r\n", ""),
            &[("frontmatter.missing-field", 2, 1)],
        ),
        (
            "tnh description",
            tnh(&[], "x").replace("description: d\n", ""),
            &[("frontmatter.missing-field", 2, 1)],
        ),
        ("tnh key", tnh(&[], "x").replace("key: k", "key:"), &[("frontmatter.missing-field", 2, 1)]),
        ("item", with("tags: [a, {b: c}]"), &[("frontmatter.field-type", 10, 11)]),
        ("scope", with("scope: Everyone"), &[("frontmatter.field-value", 10, 8)]),
        ("safety level", tnh(&["safety_level: dangerous"], "x"), &[("frontmatter.field-value", 8, 15)]),
        ("pii", tnh(&["pii_handling: maybe"], "x"), &[("frontmatter.field-value", 8, 15)]),
        ("mode", tnh(&["output_mode: xml"], "x"), &[("frontmatter.field-value", 8, 14)]),
        ("date", with("created_at: 31.1.2026"), &[("frontmatter.date", 10, 13)]),
        (
            "order of dates",
            with("created_at: 2026-02-01\nupdated_at: 2026-01-31"),
            &[("frontmatter.date", 11, 13)],
        ),
        (
            "no such day",
            nine_keys("P05", "1", BLOCK).replace("01-01T", "13-01T"),
            &[("frontmatter.date", 8, 19)],
        ),
        ("float", tnh(&[], "x").replace("\"1.0\"", "1.10"), &[("prompt.version-number", 4, 10)]),
        ("zeros", nine_keys("P05", "017", BLOCK), &[("prompt.version-number", 6, 10)]),
        ("four numbers", tnh(&[], "x").replace("1.0", "1.0.0.0"), &[("prompt.version", 4, 10)]),
        ("no ref", with("deprecates: y"), &[("prompt.deprecates", 10, 13)]),
        ("itself", with("deprecates: x.v1"), &[("prompt.deprecates", 10, 13)]),
        (
            "strictness",
            tnh(&["inputs: [{name: a, required: true, strictness: firm}]"], "{{ a }}"),
            &[("input.strictness", 8, 48)],
        ),
        (
            "loose",
            tnh(&["inputs: [{name: a, required: true, strictness: loose}]"], "{{ a }}"),
            &[("input.contradiction", 8, 48)],
        ),
        (
            "both lists",
            tnh(&["required_variables: [a]", "optional_variables: [b, a]"], "{{ a }}{{ b }}"),
            &[("input.contradiction", 9, 25)],
        ),
        (
            "list against inputs",
            tnh(&["required_variables: [a]", "inputs: [{name: a, required: false}]"], "{{ a }}"),
            &[("input.contradiction", 8, 22)],
        ),
        ("list twice", tnh(&["required_variables: [a, a]"], "{{ a }}"), &[("input.duplicate", 8, 25)]),
        (
            "list name",
            tnh(&["required_variables: [a-b]"], "x"),
            &[("input.malformed", 8, 22), ("input.unused", 8, 22)],
        ),
        ("no mode", tnh(&["output_contract: {schema_ref: a.v1}"], "x"), &[("contract.malformed", 8, 18)]),
        ("bad mode", tnh(&["output_contract: {mode: xml}"], "x"), &[("contract.malformed", 8, 25)]),
        (
            "two modes",
            tnh(&["output_contract: {mode: text}", "output_mode: json"], "x"),
            &[("contract.malformed", 9, 14)],
        ),
        ("no schema", tnh(&["output_contract: {mode: json}"], "x"), &[("contract.schema-ref", 8, 25)]),
        ("legacy json", tnh(&["output_mode: json"], "x"), &[("contract.schema-ref", 8, 14)]),
        (
            "schema without version",
            tnh(&["output_contract: {mode: json, schema_ref: a.b}"], "x"),
            &[("contract.schema-ref", 8, 43)],
        ),
        ("contract ref", with("input_contract_ref: \"a b.v1\""), &[("contract.schema-ref", 10, 21)]),
        ("no artifacts", tnh(&["output_contract: {mode: artifacts}"], "x"), &[("contract.artifacts", 8, 25)]),
        (
            "artifact elsewhere",
            with("output_contract: {artifacts: [{path: ../a, required: true}, {path: /a, required: true}]}"),
            &[("contract.artifacts", 9, 38), ("contract.artifacts", 9, 68)],
        ),
        (
            "safe and flagged",
            with("safety_level: safe\ncontent_flags: [gore]"),
            &[("safety.contradiction", 10, 1)],
        ),
        (
            "safe with consent",
            with("safety_level: safe\npii_handling: explicit_consent"),
            &[("safety.contradiction", 10, 1)],
        ),
        ("sensitive, why", with("safety_level: sensitive"), &[("safety.contradiction", 10, 1)]),
        ("personal", with("content_flags: [pii]"), &[("safety.contradiction", 10, 1)]),
        ("allow", with("lint: [{allow: role.none, reason: r}]"), &[("lint.allow", 10, 16)]),
        ("allow unused", with("lint: [{allow: input.unused, reason: r}]"), &[("lint.unused-allow", 10, 8)]),
    ];
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        if codes(text) != *expected {
            wrong.push(format!("{name}: expected {expected:?}\n{}", render(&lint(text))));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Those that need more than one file, schemas, or a file that is not text, have tests of their own.
    let elsewhere = [
        "file.unreadable",
        "file.too-large",
        "file.not-utf8",
        "file.link",
        "catalog.duplicate-ref",
        "contract.schema-unresolved",
        "prompt.id",
        "contract.schema-unresolved",
    ];
    for rule in RULES {
        let here = cases.iter().any(|(_, _, expected)| expected.iter().any(|(code, ..)| *code == rule.code));
        assert!(here != elsewhere.contains(&rule.code), "{}", rule.code);
    }
}

#[test]
fn schemas_are_missed_by_those_who_say_where_they_are() {
    let contract = "output_contract: {mode: json, schema_ref: no.such.v1}";
    let allow = "lint: [{allow: contract.schema-unresolved, reason: written next}]";
    let plain = oa05("x", "1", &[contract, "input_contract_ref: planner_decision.v1"], "x");
    let allowed = oa05("x", "1", &[contract, allow], "x");
    let good = oa05("x", "1", &["output_contract: {schema_ref: planner_decision.v1}", allow], "x");
    let with = |text: &str| {
        let findings = lint_file_with(Path::new("p.md"), text.as_bytes(), &Schemas::default());
        findings.iter().map(|f| (f.code, f.severity, f.line, f.column)).collect::<Vec<_>>()
    };
    assert_eq!(with(&plain), [("contract.schema-unresolved", Severity::Warning, 9, 43)]);
    assert_eq!(with(&allowed), []);
    assert_eq!(with(&good), [("lint.unused-allow", Severity::Warning, 10, 8)]);
    for text in [&plain, &allowed, &good] {
        assert_eq!(codes(text), []);
    }
}

#[test]
fn positions_survive_byte_order_marks_and_crlf() {
    let text = oa05("x", "1", &["role: harness"], "é\n  {{ who }}\n");
    let expected = codes(&text);
    assert_eq!(expected.len(), 2);
    assert_eq!(codes(text.replace('\n', "\r\n")), expected);
    assert_eq!(codes(format!("\u{feff}{text}")), expected);
}

#[test]
fn several_faults_are_all_reported_and_nothing_is_called_passed() {
    let text =
        oa05("x", "1", &["role: harness", "status: new", "owner!"], "{{ a b }} token = 'aB3dE5fG7hJ9kL1m'");
    let findings = lint(text);
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(
        codes,
        ["frontmatter.missing-field", "prompt.role", "prompt.status", "template.syntax", "secret.found"]
    );
    let text = render(&findings);
    assert!(
        text.contains("p.md:7:7: error[prompt.role]: `harness` is no role\n  hint: use one of: task"),
        "{text}"
    );
    assert!(text.ends_with("5 errors, 0 warnings\n") && !text.to_lowercase().contains("passed"), "{text}");
}

#[test]
fn secrets_are_found_even_where_nothing_else_can_be_read_and_never_shown() {
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    for text in [
        format!("# Notes\n{secret}\n"),
        format!("---\nprompt_id: [\n{secret}\n---\n"),
        format!("---\nprompt_id: x\nversion: 1\n{secret}\n"),
    ] {
        let findings = lint(&text);
        let found = findings.iter().find(|finding| finding.code == "secret.found").unwrap();
        assert!(found.message.ends_with("ghp_…"), "{}", found.message);
        assert!(!render(&findings).contains("0123"), "{}", render(&findings));
    }
    let mut bytes = oa05("x", "1", &[], secret).into_bytes();
    bytes.push(0xFF);
    let codes: Vec<_> = codes(bytes).iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, ["secret.found", "file.not-utf8"]);
}

#[test]
fn personal_paths_are_those_that_name_someone() {
    let found =
        |line: &str| codes(oa05("x", "1", &[], line)).iter().any(|(code, ..)| *code == "path.personal");
    for bad in [
        "/Users/alice/project",
        "(/home/bob/.ssh/id)",
        "file:///home/bob/x",
        "PATH=/home/bob/bin",
        r"C:\Users\Eve\Desktop",
        r"C:\\Users\\Eve\\Desktop",
        "C:/Users/Eve/x",
        "`/Users/j.doe/x`",
    ] {
        assert!(found(bad), "{bad}");
    }
    for good in [
        "/Users/<you>/project",
        "/home/$USER/x",
        "/home/{{ '{{' }}/x",
        "/home/user/x",
        "https://example.org/home/alice/x",
        "src/home/alice/x",
        "/home/",
        "/homes/alice/x",
        "the /home page",
        r"Users\Eve\x",
        "~/x",
        "${ROOT}/home/alice/x",
    ] {
        assert!(!found(good), "{good}");
    }
}

#[test]
fn each_personal_path_is_reported_once() {
    for (line, column) in [("é C:/Users/Eve/x", 5), (r"'C:\\Users\\Eve\\x'", 2), ("/home/bob/x", 1)] {
        let found = codes(oa05("x", "1", &[], &format!("a\n{line}")));
        assert_eq!(found, [("path.personal", 12, column)], "{line}");
    }
}

/// A file of faults and nothing else must not take time or memory out of proportion.
#[test]
fn the_number_of_findings_is_bounded() {
    for fault in ["/home/alice/ ", "{{ v# }}", "{% include 'x' %}"] {
        let body: String = (0..20_000).map(|at| fault.replace('#', &at.to_string())).collect();
        let findings = lint(oa05("x", "1", &[], &body));
        assert_eq!(findings.len(), 100, "{fault}");
    }
}

#[test]
fn a_folder_is_linted_without_its_documents_and_a_file_as_what_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "README.md", "# Readme\nsee /home/alice/x\n");
    write(root, "sub/good.md", oa05("x", "1", &[], "x"));
    write(root, "sub/bad.md", oa05("y", "1", &["role: z"], "x"));
    write(root, "open.md", "---\nprompt_id: z\n");
    let report = lint_path(root).unwrap();
    assert_eq!((report.prompts, report.documents), (3, 1));
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), finding.code))
        .collect();
    assert_eq!(found, [("open.md".into(), "frontmatter.unterminated"), ("sub/bad.md".into(), "prompt.role")]);
    assert!(report.has_errors());

    let readme = lint_path(&root.join("README.md")).unwrap();
    assert!(readme.has_errors(), "a file that is named outright must be a prompt");
    let error = lint_path(&root.join("missing.md")).unwrap_err();
    assert!(error.to_string().contains("missing.md") && error.to_string().contains("gone"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(lint_path(empty.path()).unwrap().prompts, 0);
}

#[test]
fn one_ref_with_two_contents_is_found_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", oa05("x", "1", &[], "one"));
    write(folder.path(), "b.md", oa05("x", "1", &[], "two"));
    write(folder.path(), "c.md", oa05("x", "1", &[], "one"));
    let report = lint_path(folder.path()).unwrap();
    let found: Vec<_> =
        report.findings.iter().map(|finding| (finding.code, finding.path.file_name().unwrap())).collect();
    assert_eq!(found, [("catalog.duplicate-ref", std::ffi::OsStr::new("b.md"))]);
}

#[test]
fn yaml_that_explodes_is_a_finding() {
    let mut bomb = "---\nprompt_id: x\nversion: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(",")));
    }
    bomb.push_str("---\nx\n");
    let findings = lint(bomb);
    assert_eq!(findings[0].code, "frontmatter.syntax");
    assert!(findings[0].line >= 4 && findings[0].column > 1, "{findings:?}");
    let deep = format!("---\nprompt_id: x\nversion: 1\na: {}\n---\n", "{a: ".repeat(100_000));
    assert_eq!(lint(deep)[0].code, "frontmatter.syntax");
    let deep = oa05("x", "1", &[], &"{% if a %}".repeat(100_000));
    assert_eq!(lint(deep)[0].code, "template.syntax");
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = lint(bytes);
    }

    #[test]
    fn no_frontmatter_panics(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("---".to_owned()), Just("prompt_id: x".to_owned()), Just("key: k".to_owned()),
                Just("version: 1".to_owned()), Just("maps_to_gate: \"05\"".to_owned()), Just("inputs:".to_owned()),
                Just("  - name: a".to_owned()), Just("output_contract: {a: *b}".to_owned()), Just("## Prompt".to_owned()),
                Just("```".to_owned()), Just("{{ a }}".to_owned()), Just("{% raw %}".to_owned()), "\\PC{0,12}",
            ],
            0..12,
        ),
        crlf in any::<bool>(),
    ) {
        let text = format!("---\n{}", lines.join("\n"));
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let count = text.lines().count() + 1;
        for finding in lint(&text) {
            prop_assert!(finding.line >= 1 && finding.line <= count && finding.column >= 1, "{:?}", finding);
        }
    }
}
