//! Whatever a template may call, with large arguments: it ends soon, in bounded memory. In a program of its own, since
//! it takes the memory away from itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may
#![cfg(unix)]

use promptos::catalog::{FILTERS, FUNCTIONS, METHODS};
use promptos::render::{Cause, Job, Limits, run};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::time::{Duration, Instant};

/// What the process that renders has, and as much again for the inputs and unoptimised code.
const MEMORY: u64 = 1 << 30;

fn job(template: String) -> Job {
    let text = "x %s {0}\n".repeat(50_000);
    let values = serde_json::json!({
        "t": text, "f": "%s{0}%d".repeat(20_000), "m": {"a": text, "b": [1, 2]}, "w": "y".repeat(100_000),
    });
    Job {
        template,
        values: serde_json::from_value(values).unwrap(),
        lenient: true,
        preserve_whitespace: false,
        limits: Limits::default(),
    }
}

/// Subjects: texts, a list that holds one text 200 times, a list that doubles thirty times, a mapping, a number.
const SUBJECTS: &str = "{% set l = [w] * 200 %}{% set ns = namespace(s=['x']) %}\
    {% for i in range(30) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{% set n = ns.s %}{% set big = 1000000000 %}";

const ARGUMENTS: &[&str] = &[
    "",
    "big",
    "1000",
    "w",
    "'x', w",
    "1000, w",
    "big, 'x', big",
    "w, w, big",
    "width=big",
    "indent=big",
    "n",
    "l",
];

#[test]
fn whatever_a_template_may_call_is_bounded() {
    let limit = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    setrlimit(Resource::As, limit).unwrap();
    let mut calls = Vec::new();
    for arguments in ARGUMENTS {
        for subject in ["t", "f", "l", "n", "m", "big"] {
            calls.extend(FILTERS.iter().map(|filter| format!("{subject}|{filter}({arguments})")));
            calls.extend(["upper", "indent", "replace", "center", "join", "tojson"].map(|filter| {
                format!(
                    "{subject}|map('{filter}'{}{arguments})",
                    if arguments.is_empty() { "" } else { ", " }
                )
            }));
        }
        for method in METHODS {
            let (kind, name) = method.split_once('.').unwrap();
            let subjects: &[&str] = match kind {
                "string" => &["t", "f", "w"],
                "list" => &["l", "n"],
                _ => &["m"],
            };
            calls.extend(subjects.iter().map(|subject| format!("{subject}.{name}({arguments})")));
        }
        calls.extend(FUNCTIONS.iter().map(|function| format!("{function}({arguments})")));
    }
    calls.extend(["'%1000d' * 9999", "'{:>1000}' * 9999"].map(|text| format!("(({text}) * 1000)|format(1)")));
    // Some of them, unless all are asked for.
    let step = if std::env::var_os("PROMPTOS_BOUNDS").is_some() { 1 } else { 61 };
    let calls: Vec<String> = calls.into_iter().step_by(step).collect();
    let (mut refused, mut slowest) = (0, (Duration::ZERO, String::new()));
    for call in &calls {
        let template =
            format!("{SUBJECTS}{{% set r = {call} %}}{{% for x in [r] %}}{{{{ x }}}}{{% endfor %}}");
        let start = Instant::now();
        let ran = run(&job(template)).unwrap();
        let took = start.elapsed();
        if took > slowest.0 {
            slowest = (took, call.clone());
        }
        assert!(took < Duration::from_secs(30), "{call} took {took:?}");
        refused += usize::from(matches!(&ran.text, Err(fault) if fault.cause == Cause::Limit));
    }
    println!("{} calls, {refused} refused for their size; the slowest took {slowest:?}", calls.len());
    assert!(refused > calls.len() / 20, "{refused}");
}

/// Calls that are small add up.
#[test]
fn all_calls_of_a_rendering_share_one_bound() {
    for body in ["ns.s + [t|upper]", "ns.s + [t.replace('x', 'yy')]", "ns.s + [range(9999)|list]"] {
        let template = format!(
            "{{% set ns = namespace(s=[]) %}}{{% for i in range(9999) %}}{{% set ns.s = {body} %}}{{% endfor %}}"
        );
        let fault = run(&job(template)).unwrap().text.unwrap_err();
        assert!(
            fault.cause == Cause::Limit && fault.message.contains("with the calls before it"),
            "{fault:?}"
        );
    }
}
