//! Comparing two versions: what each change means, and that the verdict can be relied upon.

use super::{corpora, nine_keys, oa05, tnh};
use crate::catalog::{Comparison, Impact, Layer, Parsed, Prompt, compare, parse};
use crate::render::{self, Given, Limits, Origin, Outcome, Policy};
use Impact::{Breaking, Compatible, Editorial};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::path::Path;

fn read(text: &str) -> Prompt {
    match parse(Layer::Workspace, Path::new("p.md"), text.as_bytes()) {
        Parsed::Prompt(prompt) => *prompt,
        other => panic!("{other:?}\n{text}"),
    }
}

fn compared(from: &str, to: &str) -> Comparison {
    compare(&read(from), &read(to))
}

/// The fields that changed with what each means, worst first.
fn changes(found: &Comparison) -> Vec<(&str, Impact)> {
    found.changes.iter().map(|change| (change.field.as_str(), change.impact)).collect()
}

/// Two versions of one prompt, each with fields of its own, one a line.
#[track_caller]
fn check(body: &str, before: &[&str], after: &[&str], expected: &[(&str, Impact)]) {
    let found = compared(&oa05("p", "1", before, body), &oa05("p", "2", after, body));
    assert_eq!(changes(&found), expected, "{before:?} {after:?}: {found:#?}");
    assert_eq!(found.verdict, expected.iter().map(|(_, impact)| *impact).max());
    assert!(found.changes.iter().all(|change| !change.why.is_empty()));
}

const A: &str = "inputs: [{name: a, type: string, required: true}]";

#[test]
fn what_is_about_the_prompt() {
    for (before, after, field, impact) in [
        ("role: task", "role: other", "role", Breaking),
        ("gate: P05", "gate: P06", "gate", Breaking),
        ("tags: [a]", "tags: [a, b]", "tags", Editorial),
        ("title: A", "title: B", "title", Editorial),
        ("summary: A", "summary: B", "summary", Editorial),
        ("owner: a", "owner: b", "owner", Editorial),
        ("notes: a", "notes!", "notes", Editorial),
        ("created_at: 2026-01-01", "created_at: 2026-01-02", "created_at", Editorial),
        ("default_model: a", "default_model: b", "default_model", Compatible),
        ("model_hints: {temperature: 0}", "model_hints: {temperature: 1}", "model_hints", Compatible),
        ("safety_notes: [a]", "safety_notes!", "safety_notes", Compatible),
        ("stop_conditions: [a]", "stop_conditions: [b]", "stop_conditions", Compatible),
        ("capabilities: [a]", "capabilities: [b]", "capabilities", Compatible),
        ("scope: user", "scope: agent", "scope", Compatible),
        ("phase: a", "phase: b", "phase", Compatible),
        ("deprecates!", "deprecates: q.v1", "deprecates", Compatible),
        ("duty: writer", "duty: reviewer", "duty", Breaking),
        // Nobody here knows what it means.
        ("color: red", "color: blue", "color", Compatible),
        ("color!", "color: red", "color", Compatible),
        ("status: draft", "status: current", "status", Compatible),
        ("status: current", "status: draft", "status", Compatible),
        ("status: current", "status: deprecated", "status", Breaking),
        ("status: current", "status: archived", "status", Breaking),
        ("status: deprecated", "status: archived", "status", Breaking),
        ("status: archived", "status: deprecated", "status", Compatible),
        ("input_contract_ref!", "input_contract_ref: x.v1", "input_contract_ref", Breaking),
        ("input_contract_ref: x.v1", "input_contract_ref: x.v2", "input_contract_ref", Breaking),
        ("input_contract_ref: x.v1", "input_contract_ref!", "input_contract_ref", Compatible),
        ("output_contract_ref!", "output_contract_ref: x.v1", "output_contract_ref", Compatible),
        ("output_contract_ref: x.v1", "output_contract_ref: x.v2", "output_contract_ref", Breaking),
        ("output_contract_ref: x.v1", "output_contract_ref!", "output_contract_ref", Breaking),
    ] {
        let mut expected = vec![(field, impact)];
        if field == "gate" {
            expected.push(("duty", Breaking)); // P05 writes, P06 verifies
        }
        if field == "role" {
            expected.push(("lint.prompt.role", Breaking)); // a role that nobody knows
        }
        check("x", &[before], &[after], &expected);
    }
    // What was in use may not become a draft under the same version.
    let found = compared(&oa05("p", "1", &[], "x"), &oa05("p", "1", &["status: draft"], "x"));
    assert_eq!(changes(&found), [("status", Breaking)]);
}

#[test]
fn what_the_prompt_takes() {
    let input = |rest: &str| format!("inputs: [{{name: a, {rest}}}]");
    for (before, after, field, impact) in [
        ("type: string, required: false", "type: string, required: true", "required", Breaking),
        ("type: string, required: true", "type: string, required: false", "required", Compatible),
        (
            "type: string, required: true, default: x",
            "type: string, required: false, default: x",
            "required",
            Compatible,
        ),
        ("type: string, required: false", "type: string, required: false, default: x", "default", Compatible),
        (
            "type: string, required: false, default: y",
            "type: string, required: false, default: x",
            "default",
            Compatible,
        ),
        ("type: string, required: true, default: x", "type: string, required: true", "default", Breaking),
        // A null is no value.
        (
            "type: string, required: true, default: x",
            "type: string, required: true, default: null",
            "default",
            Breaking,
        ),
        ("type: string, required: true", "type: string, required: true, default: x", "default", Compatible),
        ("type: number, required: true", "type: integer, required: true", "type", Breaking),
        ("type: integer, required: true", "type: number, required: true", "type", Compatible),
        ("type: string, required: true", "type: str, required: true", "type", Editorial),
        ("type: string, required: true", "type: integer, required: true", "type", Breaking),
        ("type: list, required: true", "type: 'list[string]', required: true", "type", Breaking),
        ("type: 'list[string]', required: true", "type: list, required: true", "type", Compatible),
        ("type: 'list[int]', required: true", "type: 'list[number]', required: true", "type", Compatible),
        ("type: x.v1, required: true", "type: x.v2, required: true", "type", Breaking),
        (
            "type: string, required: true",
            "type: string, required: true, description: d",
            "description",
            Editorial,
        ),
        (
            "type: string, required: true, source: system",
            "type: string, required: true, source: workflow_input",
            "source",
            Breaking,
        ),
        (
            "type: string, required: true, source: workflow_input",
            "type: string, required: true, source: artifact",
            "source",
            Compatible,
        ),
        (
            "type: string, required: false, source: system",
            "type: string, required: false, source: workflow_input",
            "source",
            Compatible,
        ),
        (
            "type: string, required: false, strictness: loose",
            "type: string, required: false, strictness: strict",
            "strictness",
            Breaking,
        ),
        (
            "type: string, required: false, strictness: strict",
            "type: string, required: false, strictness: loose",
            "strictness",
            Compatible,
        ),
        (
            "type: string, required: true",
            "type: string, required: true, strictness: strict",
            "strictness",
            Compatible,
        ),
    ] {
        check("{{ a }}", &[&input(before)], &[&input(after)], &[(&format!("inputs.a.{field}"), impact)]);
    }
    let more =
        |rest: &str| format!("inputs: [{{name: a, type: string, required: true}}, {{name: b, {rest}}}]");
    let unused = ("lint.input.unused", Compatible);
    let b = "{{ a }}{{ b }}";
    check("{{ a }}", &[A], &[&more("type: string, required: true")], &[("inputs.b", Breaking), unused]);
    check("{{ a }}", &[A], &[&more("type: string, required: false")], &[("inputs.b", Compatible), unused]);
    check(
        "{{ a }}",
        &[A],
        &[&more("type: string, required: true, default: x")],
        &[("inputs.b", Compatible), unused],
    );
    check("{{ a }}", &[&more("type: string, required: false")], &[A], &[("inputs.b", Breaking), unused]);
    // It fails without what it uses, whether that is declared or not.
    let undeclared = ("lint.input.undeclared", Breaking);
    check(b, &[&more("type: string, required: false")], &[A], &[("inputs.b", Breaking), undeclared]);
    check(b, &[&more("type: string, required: true")], &[A], &[undeclared, ("inputs.b", Compatible)]);
    let declared = ("lint.input.undeclared", Compatible);
    check(b, &[A], &[&more("type: string, required: true")], &[("inputs.b", Breaking), declared]);
    let misfit = more("type: integer, required: false, default: x");
    check("{{ a }}", &[A], &[&misfit], &[("inputs.b", Breaking), unused]);
    let (fit, misfit) = (
        input("type: integer, required: false, default: 1"),
        input("type: integer, required: false, default: x"),
    );
    check("{{ a }}", &[&fit], &[&misfit], &[("inputs.a.default", Breaking)]);
    // What the model does not have, and the order of what it has.
    let pattern = |p: &str| input(&format!("type: string, required: true, pattern: {p}"));
    check("{{ a }}", &[&pattern("x")], &[&pattern("y")], &[("inputs.a", Compatible)]);
    let one = "{name: a, type: string, required: true}";
    let two = "{name: b, type: string, required: true}";
    let orders = (format!("inputs: [{one}, {two}]"), format!("inputs: [{two}, {one}]"));
    check(b, &[&orders.0], &[&orders.1], &[("inputs", Compatible)]);
}

#[test]
fn what_the_prompt_promises() {
    let contract = |rest: &str| format!("output_contract: {{{rest}}}");
    for (before, after, field, impact) in [
        ("mode: text", "mode: json, schema_ref: x.v1", "mode", Breaking),
        ("mode: json, schema_ref: x.v1", "mode: json, schema_ref: x.v2", "schema_ref", Breaking),
        (
            "mode: text, required_sections: [A]",
            "mode: text, required_sections: [A, B]",
            "required_sections",
            Compatible,
        ),
        (
            "mode: text, required_sections: [A, B]",
            "mode: text, required_sections: [A]",
            "required_sections",
            Breaking,
        ),
        (
            "mode: json, schema_ref: x.v1, required_fields: [a]",
            "mode: json, schema_ref: x.v1",
            "required_fields",
            Breaking,
        ),
        (
            "mode: json, schema_ref: x.v1",
            "mode: json, schema_ref: x.v1, required_fields: [a]",
            "required_fields",
            Compatible,
        ),
        ("mode: text", "mode: text, style: terse", "style", Compatible),
        ("mode: text, style: terse", "mode: text, style: long", "style", Breaking),
        ("mode: text, style: terse", "mode: text", "style", Breaking),
    ] {
        let found =
            compared(&oa05("p", "1", &[&contract(before)], "x"), &oa05("p", "2", &[&contract(after)], "x"));
        let field = format!("output_contract.{field}");
        assert!(changes(&found).contains(&(field.as_str(), impact)), "{before} {after}: {found:#?}");
        assert_eq!(found.verdict, Some(impact), "{before} {after}: {found:#?}");
    }
    let file = |required: &str| {
        contract(&format!("mode: artifacts, artifacts: [{{path: a.md, required: true}}{required}]"))
    };
    let b = "output_contract.artifacts.b.md";
    let (must, may) = (", {path: b.md, required: true}", ", {path: b.md, required: false}");
    for (before, after, impact) in [
        ("", must, Compatible),
        (may, must, Compatible),
        (must, may, Breaking),
        (must, "", Breaking),
        (may, "", Breaking),
    ] {
        check("x", &[&file(before)], &[&file(after)], &[(b, impact)]);
    }
    // A promise in general. Lint demands one of OA05, but not of every dialect.
    let promise = "output_contract: {mode: text}";
    let (with, without) = (nine_keys("p", "1", "x"), nine_keys("p", "2", "x"));
    let with = with.replacen("version: 1", &format!("version: 1\n{promise}"), 1);
    assert!(changes(&compared(&with, &without)).contains(&("output_contract", Breaking)));
    assert!(changes(&compared(&without, &with)).contains(&("output_contract", Compatible)));
    // In words, for people.
    let words = |version, fields: &str| {
        nine_keys("p", version, "x").replacen("version:", &format!("{fields}\nversion:"), 1)
    };
    let of = |before, after| {
        let found = compared(&words("1", before), &words("2", after));
        found.changes.iter().map(|change| (change.field.clone(), change.impact)).collect::<Vec<_>>()
    };
    let (one, two) = ("inputs_required: [a]", "inputs_required: [a, b]");
    assert_eq!(of(one, two), [("inputs_required".to_owned(), Breaking)]);
    assert_eq!(of(two, one), [("inputs_required".to_owned(), Compatible)]);
    let (one, two) = ("outputs_expected: [a]", "outputs_expected: [a, b]");
    assert_eq!(of(one, two), [("outputs_expected".to_owned(), Compatible)]);
    assert_eq!(of(two, one), [("outputs_expected".to_owned(), Breaking)]);
}

#[test]
fn what_the_model_is_told() {
    let of = |before: &str, after: &str| {
        let found = compared(&oa05("p", "1", &[A], before), &oa05("p", "2", &[A], after));
        found.changes.iter().map(|change| (change.field.clone(), change.impact)).collect::<Vec<_>>()
    };
    let told = |more: &[(&str, Impact)]| {
        more.iter().map(|(field, impact)| ((*field).to_owned(), *impact)).collect::<Vec<_>>()
    };
    let text = ("template", Compatible);
    assert_eq!(of("{{ a }} one", "{{ a }} two"), told(&[text]));
    // Blank space at the end is told to the model, at the beginning not.
    assert_eq!(of("{{ a }}", "{{ a }} "), told(&[text]));
    assert_eq!(of("{{ a }}", "\n\n{{ a }}"), told(&[("bytes", Editorial)]));
    let variables = |impact| ("template.variables", impact);
    let unused = ("lint.input.unused", Compatible);
    assert_eq!(of("{{ a }}", "nothing"), told(&[text, variables(Compatible), unused]));
    let undeclared = ("lint.input.undeclared", Breaking);
    assert_eq!(of("{{ a }}", "{{ a }}{{ b }}"), told(&[variables(Breaking), undeclared, text]));
    let found = of("{{ a }}{{ b }}", "{{ a }}");
    assert_eq!(found[0], ("template.variables".to_owned(), Breaking));
    // What cannot be compiled takes nothing from nobody, and is refused.
    assert_eq!(of("{{ a }}", "{{ a ")[0], ("lint.template.syntax".to_owned(), Breaking));
    // The text to work on may be given to any prompt of this dialect.
    let (with, without) = (tnh(&[], "{{ input_text }}"), tnh(&[], "x"));
    assert!(changes(&compared(&with, &without)).contains(&("template.variables", Compatible)));
    assert!(changes(&compared(&without, &with)).contains(&("template.variables", Breaking)));
}

#[test]
fn another_prompt_and_another_dialect() {
    let found = compared(&oa05("p", "1", &[], "x"), &oa05("q", "2", &[], "x"));
    assert_eq!(changes(&found), [("id", Breaking), ("title", Editorial)]); // without a title it is called by its id
    assert_eq!(found.asks, None);
    let found = compared(&nine_keys("p", "1", "x"), &oa05("p", "2", &[], "x"));
    assert!(changes(&found).contains(&("dialect", Breaking)));
    assert_eq!(found.verdict, Some(Breaking));
}

#[test]
fn the_version_is_asked_for_by_the_verdict() {
    let (one, two) = (oa05("p", "1", &[], "x"), oa05("p", "2", &["owner: o"], "x"));
    let asks = |from: &str, to: &str| compared(from, to).asks.map(|asks| (asks.version, asks.enough));
    assert_eq!(asks(&one, &two), Some(("2".to_owned(), true)));
    assert_eq!(asks(&two, &one), Some(("3".to_owned(), false)));
    assert_eq!(asks(&one, &oa05("p", "1", &["owner: o"], "x")), Some(("2".to_owned(), false)));
    assert_eq!(asks(&one, &oa05("p", "7", &["role: risk"], "x")), Some(("2".to_owned(), true)));
    let same = compared(&one, &one);
    assert_eq!((same.verdict, same.asks, same.changes), (None, None, vec![]));
    let dotted = |version: &str, description: &str, body: &str| {
        tnh(&[], body)
            .replace("version: \"1.0\"", &format!("version: \"{version}\""))
            .replace("description: d", description)
    };
    let from = dotted("1.0", "description: d", "x");
    assert_eq!(asks(&from, &dotted("1.0.1", "description: e", "x")), Some(("1.0.1".to_owned(), true)));
    assert_eq!(asks(&from, &dotted("1.0.1", "description: e", "y")), Some(("1.1".to_owned(), false)));
    assert_eq!(asks(&from, &dotted("1.9", "description: e", "{{ new }}")), Some(("2.0".to_owned(), false)));
}

#[test]
fn comments_order_and_line_ends_are_editorial() {
    let text = oa05("p", "1", &[A], "{{ a }}\nb");
    let crlf = text.replace('\n', "\r\n");
    let comment = text.replacen("version: 1", "version: 1 # one", 1);
    let swapped = text.replace("prompt_id: p\nversion: 1\n", "version: 1\nprompt_id: p\n");
    let quoted = text.replace("owner: tests", "owner: \"tests\"");
    for other in [crlf, comment, swapped, quoted, format!("\u{feff}{text}")] {
        let found = compared(&text, &other);
        assert_eq!(changes(&found), [("bytes", Editorial)], "{other}");
        assert_eq!(found.asks.unwrap().version, "2");
    }
}

// ---- the verdict can be relied upon ----

/// Type, whether it is required, default, whether it is described.
type AnInput = (&'static str, bool, Option<&'static str>, bool);

/// What a prompt is made of, so that one can be made that is a little different.
#[derive(Debug, Clone)]
struct Parts {
    inputs: [Option<AnInput>; 3],
    template: Vec<&'static str>,
    fields: Vec<&'static str>,
    crlf: bool,
}

impl Parts {
    fn text(&self) -> String {
        let input = |(name, input): (&&str, &Option<AnInput>)| {
            let (kind, required, default, described) = (*input)?;
            let kind = if kind.is_empty() { String::new() } else { format!(", type: '{kind}'") };
            let default = default.map(|default| format!(", default: {default}")).unwrap_or_default();
            let description = if described { ", description: d" } else { "" };
            Some(format!("{{name: {name}{kind}, required: {required}{default}{description}}}"))
        };
        let inputs =
            ["a", "b", "c"].iter().zip(&self.inputs).filter_map(input).collect::<Vec<_>>().join(", ");
        let inputs = format!("inputs: [{inputs}]");
        let fields: Vec<&str> = self.fields.iter().copied().chain([inputs.as_str()]).collect();
        let text = oa05("p", "1", &fields, &self.template.concat());
        if self.crlf { text.replace('\n', "\r\n") } else { text }
    }
}

fn any_parts() -> impl Strategy<Value = Parts> {
    let kinds = ["", "string", "str", "integer", "number", "list[string]", "list", "dict", "x.v1"];
    let defaults = ["x", "5", "[]", "null"];
    let input = (
        prop::sample::select(kinds.to_vec()),
        any::<bool>(),
        prop::option::of(prop::sample::select(defaults.to_vec())),
        any::<bool>(),
    );
    let template = ["{{ a }}", "{{ b }}", "{% if c %}c{% endif %}", "text", "\n"];
    let fields =
        ["title: T", "tags: [t]", "owner: other", "color: red", "status: draft", "# comment", "notes: n"];
    (
        prop::array::uniform3(prop::option::weighted(0.8, input)),
        prop::sample::subsequence(template.to_vec(), 0..5),
        prop::sample::subsequence(fields.to_vec(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(inputs, template, fields, crlf)| Parts { inputs, template, fields, crlf })
}

/// Two prompts that have most parts in common.
fn any_two() -> impl Strategy<Value = (String, String)> {
    (any_parts(), any_parts(), prop::collection::vec(0..5_u8, 6)).prop_map(|(from, other, take)| {
        let mut to = from.clone();
        for ((own, other), take) in to.inputs.iter_mut().zip(other.inputs).zip(&take) {
            match (own, other, take) {
                (own, other, 0) => *own = other,
                (Some(own), Some(other), 1) => own.0 = other.0,
                (Some(own), Some(other), 2) => own.1 = other.1,
                (Some(own), Some(other), 3) => own.2 = other.2,
                (Some(own), Some(other), _) => own.3 = other.3,
                _ => {}
            }
        }
        to.template = if take[3] == 0 { other.template } else { to.template };
        to.fields = if take[4] == 0 { other.fields } else { to.fields };
        to.crlf = (take[5] == 0) != to.crlf;
        (from.text(), to.text())
    })
}

fn rendered(prompt: &Prompt, values: &Map<String, Value>) -> Outcome {
    let given = Given { origin: Origin::Vars, values: values.clone() };
    render::render(prompt, &[given], &Policy::default(), Limits::default(), render::run).unwrap()
}

fn any_values() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop::sample::select(vec![
        json!("v"),
        json!(1),
        json!(1.5),
        json!(["i"]),
        json!([1]),
        json!({"k": 1}),
    ]);
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), value, 0..4)
        .prop_map(|values| values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever is given, an editorial change is not seen in what is rendered or found.
    #[test]
    fn editorial_changes_render_alike((a, b) in any_two(), values in any_values()) {
        let (a, b) = (read(&a), read(&b));
        let found = compare(&a, &b);
        prop_assert_eq!(found.verdict.is_none(), a.bytes == b.bytes);
        if found.verdict.is_none_or(|verdict| verdict == Editorial) {
            let (before, after) = (rendered(&a, &values), rendered(&b, &values));
            prop_assert_eq!(before.rendered, after.rendered, "{:?}", found);
            prop_assert_eq!(before.findings.len(), after.findings.len(), "{:?}", found);
        }
    }

    /// What was accepted still is, unless the change is breaking.
    #[test]
    fn compatible_changes_accept_what_was_accepted((a, b) in any_two(), values in any_values()) {
        let (a, b) = (read(&a), read(&b));
        let found = compare(&a, &b);
        if found.verdict != Some(Breaking) && rendered(&a, &values).rendered.is_some() {
            let after = rendered(&b, &values);
            prop_assert!(after.rendered.is_some(), "{:?}\n{:?}", found, after.findings);
        }
    }

    /// What is only written otherwise is editorial.
    #[test]
    fn another_writing_is_editorial(parts in any_parts(), change in 0..4) {
        let text = parts.text();
        let other = match change {
            0 => text.replacen("owner: tests", "owner: somebody", 1),
            1 => text.replacen("summary: Does one thing", "summary: Does one thing # well", 1),
            2 => text.replace("description: d", "description: e"),
            _ => text.replace("type: 'string'", "type: 'str'"),
        };
        let found = compared(&text, &other);
        prop_assert!(found.verdict.is_none_or(|verdict| verdict == Editorial), "{:?}", found);
    }
}

#[test]
fn corpora_compare_with_themselves_and_each_other() {
    let Some(folder) = corpora() else { return };
    let catalog =
        crate::catalog::Catalog::load(&[crate::catalog::Source::folder(Layer::Workspace, folder)], true)
            .unwrap();
    let prompts = catalog.prompts();
    assert!(prompts.len() > 20);
    for pair in prompts.windows(2) {
        assert_eq!(compare(&pair[0], &pair[0]).verdict, None);
        let found = compare(&pair[0], &pair[1]);
        assert!(found.verdict.is_some() && !found.changes.is_empty());
    }
}
