//! What prompts' templates do as Jinja2 does, and what not: the cases recorded from Jinja2's own tests, run by the
//! engine that renders prompts. `COMPATIBILITY.md` is written here (`just compatibility`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

#[path = "compatibility/causes.rs"]
mod causes;
mod support;

use causes::{CAUSES, Cause};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, UndefinedBehavior, context};
use promptos::catalog::{FILTERS, FUNCTIONS, METHODS, TESTS, environment, template_variables};
use promptos::render::{self, ENGINE, Limits};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use support::corpora;

/// Fewer must not agree.
const AT_LEAST: usize = 437;

/// A case's settings, in the engine's terms.
fn syntax(options: &Json) -> SyntaxConfig {
    let text = |name: &str| options[name].as_str().map(str::to_owned);
    let pair = |name: &str| {
        (text(&format!("{name}_start_string")).unwrap(), text(&format!("{name}_end_string")).unwrap())
    };
    let (block, variable, comment) = (pair("block"), pair("variable"), pair("comment"));
    let mut syntax = SyntaxConfig::builder();
    syntax.block_delimiters(block.0, block.1);
    syntax.variable_delimiters(variable.0, variable.1);
    syntax.comment_delimiters(comment.0, comment.1);
    if let Some(prefix) = text("line_statement_prefix") {
        syntax.line_statement_prefix(prefix);
    }
    if let Some(prefix) = text("line_comment_prefix") {
        syntax.line_comment_prefix(prefix);
    }
    let is = |name: &str| options[name] == true;
    syntax.trim_blocks(is("trim_blocks")).lstrip_blocks(is("lstrip_blocks"));
    syntax.keep_trailing_newline(is("keep_trailing_newline"));
    syntax.build().unwrap()
}

/// Whether our engine does with a case as Jinja2 did: the same text, or an error from both.
fn agrees(case: &Json) -> bool {
    let mut environment = environment().unwrap();
    environment.set_syntax(syntax(&case["opts"]));
    environment.set_undefined_behavior(match case["opts"]["undefined"].as_str().unwrap() {
        "strict" => UndefinedBehavior::Strict,
        "chainable" => UndefinedBehavior::Chainable,
        _ => UndefinedBehavior::Lenient,
    });
    environment.set_fuel(Some(Limits::default().fuel));
    environment.set_recursion_limit(Limits::default().recursion);
    if case["opts"]["autoescape"] == true {
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
    }
    let templates: BTreeMap<String, String> = serde_json::from_value(case["loader"].clone()).unwrap();
    environment.set_loader(move |name| Ok(templates.get(name).map(|text| render::normalized(text))));
    let source = render::normalized(case["source"].as_str().unwrap());
    // What is measured before a prompt is compiled knows the standard delimiters only, which are a prompt's.
    let syntax = environment.syntax();
    let delimiters = (syntax.block_delimiters(), syntax.variable_delimiters(), syntax.comment_delimiters());
    if delimiters == (("{%", "%}"), ("{{", "}}"), ("{#", "#}")) && template_variables(&source).is_err() {
        return case["expect"]["ok"] == false;
    }
    match environment.render_str(&source, render::value(&case["ctx"])) {
        Ok(text) => case["expect"]["ok"] == true && case["expect"]["out"] == *text,
        Err(_) => case["expect"]["ok"] == false,
    }
}

/// `test_filters`, and `TestFilter.test_int` without its parameters.
fn name(case: &Json) -> (String, String) {
    let full = case["test"].as_str().unwrap();
    let (file, test) = full.split_once(".py::").unwrap();
    let test = test.split('[').next().unwrap().replace("::", ".");
    (file.rsplit('/').next().unwrap().to_owned(), test)
}

/// What became of the recorded cases.
struct Outcome {
    /// By area: how many agree, of how many.
    areas: BTreeMap<String, (usize, usize)>,
    /// The names of those that do not agree, and how many of each.
    differing: BTreeMap<String, usize>,
}

fn recorded(corpora: &Path) -> Outcome {
    let text = fs::read(corpora.join("jinja2/jinja2-recorded-cases.json")).unwrap();
    let cases: Vec<Json> = serde_json::from_slice(&text).unwrap();
    let mut outcome = Outcome { areas: BTreeMap::new(), differing: BTreeMap::new() };
    for case in &cases {
        let (area, test) = name(case);
        let (agree, all) = outcome.areas.entry(area).or_default();
        *all += 1;
        if agrees(case) {
            *agree += 1;
        } else {
            *outcome.differing.entry(test).or_default() += 1;
        }
    }
    outcome
}

/// What a template of ours gives here: a text, or the kind of error.
fn here(template: &str) -> String {
    let mut environment = environment().unwrap();
    environment.set_fuel(Some(Limits::default().fuel));
    match environment.render_str(&render::normalized(template), context! {}) {
        Ok(text) => text,
        Err(_) => "an error".to_owned(),
    }
}

fn code(text: &str) -> String {
    match text {
        "an error" => text.to_owned(),
        "" => "nothing".to_owned(),
        text => {
            let shown = text.replace('\n', "⏎");
            if shown.contains('`') { format!("`` {shown} ``") } else { format!("`{shown}`") }
        }
    }
}

/// What the page says of a cause that does not depend on the recorded cases.
fn describe(cause: &Cause) -> String {
    let mut text = format!("{}\n\n", cause.why);
    for (template, jinja2) in cause.examples {
        let (here, jinja2) = (code(&here(template)), code(jinja2));
        let template = code(template);
        writeln!(text, "- {template} gives {here} here, and {jinja2} in Jinja2").unwrap();
    }
    text
}

/// The names that a template may use.
fn vocabulary() -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!(
        "- filters: {}\n- tests: {}\n- functions: {}\n- methods: {}\n",
        list(FILTERS),
        list(TESTS),
        list(FUNCTIONS),
        list(METHODS)
    )
}

fn page(outcome: &Outcome) -> String {
    let (agree, all) = outcome.areas.values().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    let mut page = format!(
        "# Compatibility with Jinja2\n\n\
         Templates of prompts are Jinja2, rendered by {ENGINE}. Of {all} cases recorded from the tests of Jinja2 itself,\n\
         {agree} agree: the same text, or an error from both. This page is written by `just compatibility`, which runs\n\
         them; a test holds it to what they give, and holds each example to what it says of us.\n\n\
         The cases run in the environment that renders prompts, with the filters, tests, functions, methods and bounds\n\
         that a prompt has, and after the same checks. Each brings its own settings (delimiters, white space, escaping, undefined values), and\n\
         those about inheritance and inclusion bring their templates. **A prompt cannot reach another template**:\n\
         `extends`, `include`, `import` and `from` are refused, because its digest would not cover what they pull in.\n\
         Prompts are rendered with `trim_blocks` and `lstrip_blocks`, without escaping, and undefined values are errors\n\
         unless `[render]` in `promptos.toml` says otherwise; the examples below are rendered so on both sides.\n\n\
         ## By area\n\n| Jinja2's tests | agree | of |\n|---|--:|--:|\n"
    );
    for (area, (agree, all)) in &outcome.areas {
        writeln!(page, "| `{area}` | {agree} | {all} |").unwrap();
    }
    writeln!(
        page,
        "\n## What a template may use\n\nWhat is not in this list is not there.\n\n{}",
        vocabulary()
    )
    .unwrap();
    writeln!(page, "## Differences\n\nEvery case that does not agree, by its cause.").unwrap();
    for cause in CAUSES.iter().filter(|cause| !cause.cases.is_empty()) {
        let cases: Vec<String> = cause
            .cases
            .iter()
            .map(|case| match outcome.differing.get(*case) {
                Some(1) | None => format!("`{case}`"),
                Some(count) => format!("`{case}` ({count})"),
            })
            .collect();
        write!(page, "\n### {}\n\n{}- cases: {}\n", cause.title, describe(cause), cases.join(", ")).unwrap();
    }
    writeln!(page, "\n## Differences that no recorded case shows").unwrap();
    for cause in CAUSES.iter().filter(|cause| cause.cases.is_empty()) {
        write!(page, "\n### {}\n\n{}", cause.title, describe(cause)).unwrap();
    }
    page
}

/// Engines recurse over what they compile, and unoptimised code takes much of a stack for it.
fn with_a_large_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(64 << 20).spawn(test).unwrap().join().unwrap();
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("COMPATIBILITY.md")
}

#[test]
fn the_page_says_what_the_recorded_cases_give() {
    let Some(corpora) = corpora() else { return };
    with_a_large_stack(move || {
        let outcome = recorded(&corpora);
        let explained: Vec<&str> = CAUSES.iter().flat_map(|cause| cause.cases.iter().copied()).collect();
        let unique: BTreeSet<&str> = explained.iter().copied().collect();
        assert_eq!(unique.len(), explained.len(), "a case has two causes");
        let differing: BTreeSet<&str> = outcome.differing.keys().map(String::as_str).collect();
        let (missing, gone) = (&differing - &unique, &unique - &differing);
        assert!(missing.is_empty() && gone.is_empty(), "no cause: {missing:?}; agree by now: {gone:?}");
        let agree: usize = outcome.areas.values().map(|(agree, _)| agree).sum();
        assert!(agree >= AT_LEAST, "{agree} agree");
        let page = page(&outcome);
        if std::env::var_os("PROMPTOS_COMPATIBILITY").is_some() {
            return fs::write(path(), &page).unwrap();
        }
        assert!(fs::read_to_string(path()).unwrap() == page, "run: just compatibility");
    });
}

/// Also without the recorded cases.
#[test]
fn the_page_says_what_a_template_may_use_and_what_its_examples_give() {
    if std::env::var_os("PROMPTOS_COMPATIBILITY").is_some() {
        return println!("skipped: the page is being written");
    }
    let page = fs::read_to_string(path()).unwrap();
    assert!(page.contains(&vocabulary()), "run: just compatibility");
    assert!(page.contains(&format!("rendered by {ENGINE}.")));
    for cause in CAUSES {
        assert!(page.contains(&format!("### {}\n\n{}", cause.title, describe(cause))), "{}", cause.title);
        assert!(!cause.examples.is_empty() || !cause.cases.is_empty());
        for (template, jinja2) in cause.examples {
            assert_ne!(here(template), *jinja2, "{template}");
        }
    }
}
