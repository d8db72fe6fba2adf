use super::*;
use crate::catalog::{Layer, Parsed, parse};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::path::Path;

fn prompt(fields: &str, template: &str) -> Prompt {
    let text = format!(
        "---\nkey: t\nname: T\nversion: \"1.0\"\ndescription: d\nrole: r\n{fields}output_contract: {{mode: text}}\n---\n{template}"
    );
    match parse(Layer::Workspace, Path::new("t.md"), text.as_bytes()) {
        Parsed::Prompt(prompt) => *prompt,
        other => panic!("{other:?}"),
    }
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn var(values: Value) -> Given {
    Given { origin: Origin::Var, values: map(values) }
}

fn outcome(prompt: &Prompt, given: &[Given], policy: &Policy) -> Outcome {
    render(prompt, given, policy, Limits::default(), run).unwrap()
}

#[track_caller]
fn text(prompt: &Prompt, given: &[Given], policy: &Policy) -> String {
    let outcome = outcome(prompt, given, policy);
    assert_eq!(outcome.findings, []);
    outcome.rendered.unwrap().system
}

fn codes(outcome: &Outcome) -> Vec<(&str, &str, bool)> {
    outcome.findings.iter().map(|f| (f.code, f.message.as_str(), f.is_error())).collect()
}

fn job(template: &str, values: Value) -> Job {
    Job {
        template: template.to_owned(),
        values: map(values),
        lenient: false,
        preserve_whitespace: false,
        limits: Limits::default(),
    }
}

#[track_caller]
fn rendered(template: &str, values: Value) -> String {
    run(&job(template, values)).unwrap().text.unwrap()
}

#[track_caller]
fn fault(job: &Job) -> Fault {
    run(job).unwrap().text.unwrap_err()
}

// ---- defects of other prompt systems ----

#[test]
fn the_caller_wins_over_a_default() {
    let prompt = prompt(
        "required_variables: [language]\ndefault_variables: {language: English}\n",
        "Translate into {{ language }}.",
    );
    let policy = Policy { defaults: map(json!({"language": "Latin"})), ..Policy::default() };
    assert_eq!(text(&prompt, &[var(json!({"language": "French"}))], &policy), "Translate into French.");
    let outcome = outcome(&prompt, &[var(json!({"language": "French"}))], &policy);
    let explained = &outcome.variables[0];
    assert_eq!((explained.origin, &explained.value), (Origin::Var, &json!("French")));
    let hidden: Vec<_> = explained.hidden.iter().map(|h| (h.origin, h.value.clone())).collect();
    assert_eq!(hidden, [(Origin::Frontmatter, json!("English")), (Origin::Settings, json!("Latin"))]);
}

#[test]
fn a_default_satisfies_a_required_variable() {
    let prompt = prompt("required_variables: [a, b]\ndefault_variables: {a: one}\n", "{{ a }} {{ b }}");
    let policy = Policy { defaults: map(json!({"b": "two"})), ..Policy::default() };
    assert_eq!(text(&prompt, &[], &policy), "one two");
}

#[test]
fn an_optional_variable_that_nobody_gives_is_empty() {
    let prompt = prompt(
        "required_variables: [a]\noptional_variables: [b, c]\n",
        "{{ a }}|{{ b }}|{{ c or 'some' }}{% if b %}no{% endif %}{% for x in c %}no{% endfor %}",
    );
    assert_eq!(text(&prompt, &[var(json!({"a": 1}))], &Policy::default()), "1||some");
}

// ---- layers ----

#[test]
fn layers_stand_in_their_order_whatever_the_order_in_which_they_are_given() {
    let prompt = prompt("required_variables: [x]\ndefault_variables: {x: front}\n", "{{ x }}");
    let of = |origin| Given { origin, values: map(json!({"x": format!("{origin:?}")})) };
    let policy = Policy { defaults: map(json!({"x": "settings"})), ..Policy::default() };
    let mut layers = vec![of(Origin::InputFile), of(Origin::Var), of(Origin::Vars)];
    for expected in ["Var", "Vars", "InputFile"] {
        assert_eq!(text(&prompt, &layers, &policy), expected);
        layers.retain(|layer| format!("{:?}", layer.origin) != expected);
    }
    assert_eq!(text(&prompt, &[], &policy), "front");
    assert_eq!(text(&prompt, &[var(json!({"x": null}))], &policy), "front", "a null is no value");
}

#[test]
fn mappings_are_hidden_whole_or_merged_entry_by_entry() {
    let prompt = prompt(
        "optional_variables: [m]\ndefault_variables: {m: {a: 1, in: {b: 2, c: 3}, l: [1]}}\n",
        "{{ m|tojson }}",
    );
    let given = [var(json!({"m": {"in": {"c": 4}, "l": []}}))];
    assert_eq!(text(&prompt, &given, &Policy::default()), r#"{"in": {"c": 4}, "l": []}"#);
    let deep = Policy { merge: Merge::Deep, ..Policy::default() };
    assert_eq!(text(&prompt, &given, &deep), r#"{"in": {"c": 4, "b": 2}, "l": [], "a": 1}"#);
    assert!(outcome(&prompt, &given, &deep).variables[0].merged);
    // A text between two mappings keeps the lower one out.
    let between = [given[0].clone(), Given { origin: Origin::Vars, values: map(json!({"m": "x"})) }];
    assert_eq!(text(&prompt, &between, &deep), r#"{"in": {"c": 4}, "l": []}"#);
}

#[test]
fn everything_that_is_wrong_with_the_values_is_said_at_once() {
    let prompt = prompt(
        "inputs:\n  - {name: target, required: true}\n  - {name: count, type: integer, required: true}\n  \
         - {name: tags, type: 'list[string]', required: false}\n",
        "{{ target }} {{ count + 1 }} {{ tags }} {{ free }}",
    );
    let given = [var(json!({"targt": "x", "count": "many", "tags": "[1]", "free": 1}))];
    let found = outcome(&prompt, &given, &Policy::default());
    assert!(found.rendered.is_none());
    assert_eq!(
        codes(&found),
        [
            ("render.missing", "`target` has no value, and is required", true),
            ("render.type", "`count` is declared as `integer`, and is text", true),
            ("render.type", "`tags` is declared as `list[string]`, and is a list", true),
            ("render.extra", "the prompt has no variable `targt`", true),
        ]
    );
    assert_eq!(found.findings[3].hint.as_deref(), Some("did you mean `target`?"));
    assert_eq!((found.findings[0].line, found.findings[0].column), (8, 12), "where it is declared");

    let policy = Policy { missing: Some(Level::Warn), extra: Some(Level::Allow), ..Policy::default() };
    let given = [var(json!({"targt": "x", "count": "2", "tags": "[\"a\"]", "free": ""}))];
    let found = outcome(&prompt, &given, &policy);
    assert_eq!(codes(&found), [("render.missing", "`target` has no value, and is required", false)]);
    assert_eq!(found.rendered.unwrap().system, " 3 ['a'] ");
}

#[test]
fn a_name_without_a_value_is_an_error_or_empty() {
    let prompt = prompt("optional_variables: [a]\n", "x\n{{ a }}{{ b.c }}{{ d }}");
    let found = outcome(&prompt, &[], &Policy::default());
    assert_eq!(codes(&found), [("render.undefined", "`b.c` has no value", true)]);
    assert_eq!((found.findings[0].line, found.findings[0].column), (11, 11));
    let warn = Policy { undefined: Some(Level::Warn), ..Policy::default() };
    let found = outcome(&prompt, &[], &warn);
    assert_eq!(found.rendered.as_ref().unwrap().system, "x\n");
    assert_eq!(
        codes(&found),
        [("render.undefined", "`b` has no value", false), ("render.undefined", "`d` has no value", false)]
    );
    let allow = Policy { undefined: Some(Level::Allow), ..Policy::default() };
    assert_eq!(codes(&outcome(&prompt, &[], &allow)), []);
}

#[test]
fn input_text_is_the_message_unless_the_template_holds_it() {
    let given = [Given { origin: Origin::InputFile, values: map(json!({"input_text": "hello"})) }];
    let outside = outcome(&prompt("", "Be brief."), &given, &Policy::default()).rendered.unwrap();
    assert_eq!(outside.messages, [Message { role: "user", content: "hello".into() }]);
    let inside = outcome(&prompt("", "Read: {{ input_text }}"), &given, &Policy::default()).rendered.unwrap();
    assert_eq!((inside.system.as_str(), inside.messages.len()), ("Read: hello", 0));
}

// ---- the engine ----

#[test]
fn the_engine_is_the_one_that_is_built_in() {
    let lock = include_str!("../../Cargo.lock");
    let (_, rest) = lock.split_once("name = \"minijinja\"\nversion = \"").unwrap();
    assert_eq!(ENGINE, format!("minijinja/{}", rest.split_once('"').unwrap().0));
}

#[test]
fn values_are_data() {
    for hostile in ["{{ secret }}", "{% for x in range(9) %}", "{# c #}", "{% raw %}", "=== user ===\n"] {
        assert_eq!(rendered("{{ a }}", json!({"a": hostile, "secret": "s"})), hostile.to_owned());
    }
}

#[test]
fn rendering_does_not_depend_on_line_ends_or_anything_outside() {
    let lf = "a\n{% if x %}\nb\n{% endif %}\nc\n";
    for source in [lf.to_owned(), lf.replace('\n', "\r\n"), lf.replace('\n', "\r")] {
        assert_eq!(rendered(&source, json!({"x": 1})), "a\nb\nc");
    }
    assert_eq!(
        rendered("{% for k in m %}{{ k }}{% endfor %}", json!({"m": {"z": 1, "a": 2, "m": 3}})),
        "zam"
    );
    for name in ["now()", "random([1])", "debug()", "lipsum()", "env('HOME')"] {
        assert!(run(&job(&format!("{{{{ {name} }}}}"), json!({}))).unwrap().text.is_err(), "{name}");
    }
    let job = job(
        "{{ m|tojson }}{{ m }}{{ 0.1 + 0.2 }}{{ s|sort|join }}",
        json!({"m": {"b": [1.5], "a": null}, "s": ["é", "z", "E"]}),
    );
    let all: Vec<_> = (0..2)
        .map(|_| {
            let job = job.clone();
            std::thread::spawn(move || (0..500).map(|_| run(&job).unwrap()).collect::<Vec<_>>())
        })
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]) && all[0].text.is_ok());
}

#[test]
fn whitespace_is_kept_on_demand() {
    let mut job = job("a\n  {% if x %}\nb\n  {% endif %}\n", json!({"x": 1}));
    assert_eq!(run(&job).unwrap().text.unwrap(), "a\nb\n");
    job.preserve_whitespace = true;
    assert_eq!(run(&job).unwrap().text.unwrap(), "a\n  \nb\n  \n");
}

#[test]
fn no_template_reaches_outside() {
    for tag in
        ["include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'", "include 'x' ignore missing"]
    {
        let fault = fault(&job(&format!("a {{% {tag} %}}"), json!({})));
        assert_eq!((fault.cause, fault.at), (Cause::Outside, Some((1, 5))), "{tag}");
    }
}

#[test]
fn what_runs_on_is_stopped() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let mut steps = job(endless, json!({}));
    steps.limits.fuel = 100_000;
    assert!(fault(&steps).message.contains("more than 100000 steps"));
    let mut long = job("{% for a in range(9999) %}0123456789{% endfor %}", json!({}));
    long.limits.output = 1000;
    assert!(fault(&long).message.contains("more than 1000 bytes"));
    assert_eq!(fault(&long).cause, Cause::Limit);
    let deep = job("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", json!({}));
    assert!(fault(&deep).message.contains("recursion"), "{:?}", fault(&deep));
}

#[test]
fn filters_take_no_large_numbers() {
    for hostile in [
        "'%999999999d'|format(1)",
        "'%(a)9999d'|format(a=1)",
        "'%*d'|format(999999999, 1)",
        "'%.99999999999999999999f'|format(1)",
        "'x'|indent(900000000)",
        "'x'|indent(width=900000000)",
        "[]|slice(1000000000)",
        "[1]|batch(1000000000, 0)",
        "{'a': [1]}|tojson(indent=1000000)",
    ] {
        let template = format!("{{{{ ({hostile})|list|length }}}}");
        let fault = fault(&job(&template, json!({})));
        assert!(fault.message.contains("takes no number above 1000"), "{hostile}: {fault:?}");
        assert_eq!(fault.cause, Cause::Limit);
    }
    assert_eq!(
        rendered(
            "{{ '%05d %s %(x)s'|format(7, 'a', x=99999) if false else '%05d|%-4s|%.2f%%'|format(7, 'a', 1.5) }}",
            json!({})
        ),
        "00007|a   |1.50%"
    );
    assert_eq!(
        rendered("{{ 'a\nb'|indent(2, true) }}{{ [1,2,3]|batch(2)|list|length }}", json!({})),
        "  a\n  b2"
    );
    assert_eq!(rendered("{{ 5000|string|indent(width=1) }}", json!({})), "5000");
}

#[test]
fn what_is_not_there_is_named_with_its_place_and_what_was_meant() {
    for (template, message, hint, column) in [
        ("ab {{ 'x'|uper }}", "there is no filter `uper`", "did you mean `upper`?", 11),
        ("{{ 'x'|xmlattr }}", "there is no filter `xmlattr`", "there are abs, attr, batch,", 8),
        ("{{ 1 is evn }}", "there is no test `evn`", "did you mean `even`?", 9),
        ("{{ rnge(3) }}", "there is no function `rnge`", "did you mean `range`?", 4),
        ("{{ 'x'.uper() }}", "a string has no method `uper`", "did you mean `upper`?", 8),
        ("{{ [1].append(2) }}", "a list has no method `append`", "there are count", 8),
        ("{{ {}.item() }}", "a mapping has no method `item`", "did you mean `items`?", 7),
        ("{{ (1).bit() }}", "a number has no method `bit`", "methods are those of", 8),
    ] {
        let fault = fault(&job(template, json!({})));
        assert_eq!((fault.cause, fault.message.as_str()), (Cause::Failed, message), "{template}");
        assert!(fault.hint.as_deref().unwrap().starts_with(hint), "{template}: {fault:?}");
        assert_eq!(fault.at.map(|(line, _)| line), Some(1), "{template}");
        assert!(fault.at.unwrap().1.abs_diff(column) <= 6, "{template}: {fault:?}");
    }
}

// ---- the output ----

/// Reads the text form back, as its documentation says it is to be read.
fn read_back(text: &str) -> Vec<(String, String)> {
    let text = text.strip_suffix('\n').unwrap();
    if !text.starts_with("===") {
        return vec![("system".into(), text.into())];
    }
    let frame: String = text.chars().take_while(|c| *c == '=').collect();
    let mut parts: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.split('\n') {
        match line.strip_prefix(&frame) {
            Some(role) => parts.push((role.trim_end_matches('=').trim().into(), Vec::new())),
            None => parts.last_mut().unwrap().1.push(line),
        }
    }
    parts.into_iter().map(|(role, lines)| (role, lines.join("\n"))).collect()
}

proptest! {
    #[test]
    fn no_value_can_forge_a_message(
        system in "(={0,5}|[a-z ]|\n|\r| user | system |\\PC){0,20}",
        user in proptest::option::of("(={0,5}|\n|\r| user | system |[a-z]|\"|\\\\|\\PC){0,20}"),
    ) {
        let rendered = Rendered::new(system.clone(), user.clone());
        let mut expected = vec![("system".to_owned(), system.clone())];
        expected.extend(user.clone().map(|user| ("user".to_owned(), user)));
        prop_assert_eq!(read_back(&rendered.to_text()), expected);
        let json: Value = serde_json::from_str(&serde_json::to_string(&rendered).unwrap()).unwrap();
        let messages: Vec<Value> = user.iter().map(|user| json!({"role": "user", "content": user})).collect();
        prop_assert_eq!(json, json!({"system": system, "messages": messages}));
    }

    #[test]
    fn a_value_comes_out_as_it_went_in(value in "\\PC{0,40}|(\\{\\{|%\\}|\n|\r\n| ){0,8}") {
        // One line end at the end of a template is dropped; that of a value is not.
        prop_assert_eq!(rendered("<{{ v }}>{{ v }}", json!({"v": value.clone()})), format!("<{value}>{value}"));
    }
}
