//! The same prompt with the same values gives the same bytes: on every thread, in every locale and time zone, however
//! often. `PROMPTOS_RENDERS=1000000` says how often each of two processes renders; some thousand times when not set.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use promptos::catalog::{FILTERS, FUNCTIONS, METHODS, TESTS};
use promptos::render::{Job, Limits, run};
use serde_json::json;
use std::process::Command;
use support::World;

/// Uses everything that a template may call.
const TEMPLATE: &str = r#"{% set l = [3, 1, 2] %}{% set p = [{"k": "b", "n": 1}, {"k": "a", "n": 2}, {"k": "b", "n": 3}] %}
{{ -3|abs }} {{ m|attr("z") }} {{ l|batch(2, 0)|list }} {{ "yes"|bool }} {{ v|capitalize }} {{ v|center(30) }}
{{ l|chain([4])|list }} {{ l|count }} {{ m.none|d("-") }} {{ m.none|default("d") }} {{ m|dictsort }} {{ "<&>"|e }}
{{ "'\""|escape }} {{ 123456|filesizeformat }} {{ l|first }} {{ "1.50"|float }} {{ "%08.3f|%s"|format(3.14159, v) }}
{% for group, items in p|groupby("k") %}{{ group }}{{ items|length }}{% endfor %} {{ "a\nb"|indent(3) }}
{{ "42"|int }} {{ m|items|list }} {{ l|join("-") }} {{ l|last }} {{ v|length }} {{ "a\nb"|lines|list }} {{ v|list }}
{{ v|lower }} {{ p|map(attribute="n")|list }} {{ l|max }} {{ l|min }} {{ m|pprint }} {{ l|reject("odd")|list }}
{{ p|rejectattr("n", "gt", 2)|list }} {{ v|replace("i", "j") }} {{ l|reverse|list }} {{ 2.675|round(2) }} {{ "<"|safe }}
{{ l|select("odd")|list }} {{ p|selectattr("k", "eq", "b")|list }} {{ l|slice(2)|list }} {{ s|sort }} {{ "a b"|split }}
{{ 0.1|string }} {{ "<b>x</b> &amp;"|striptags }} {{ [0.1, 0.2, 0.3]|sum }} {{ v|title }} {{ m|tojson }} {{ " x "|trim }}
{{ "one two three four"|truncate(9) }} {{ s|unique|list }} {{ v|upper }} {{ m|urlencode }} {{ "a b"|wordcount }}
{{ l|zip(s)|list }}
{{ [1 is boolean, x is defined, 4 is divisibleby(2), v is endingwith("t"), 1 is eq(1), 1 is equalto(1), v is escaped,
2 is even, false is false, "upper" is filter, 1.5 is float, 2 is ge(1), 2 is greaterthan(1), 2 is gt(1), 1 is in([1]),
1 is integer, l is iterable, 1 is le(1), 1 is lessthan(2), v is lower, 1 is lt(2), m is mapping, 1 is ne(2),
none is none, 1 is number, 1 is odd, v is safe, 1 is sameas(1), l is sequence, v is startingwith("i"), v is string,
"odd" is test, true is true, x is undefined, v is upper] }}
{% for sign in ["!=", "<", "<=", "==", ">", ">="] %}{{ l|select(sign, 2)|list }}{% endfor %}
{% set c = cycler("a", "b") %}{{ c.next() ~ c.next() }} {{ dict(a=1) }} {% set j = joiner("; ") %}{{ j() }}{{ j() }}
{% set ns = namespace(n=0) %}{% for i in range(9) %}{% set ns.n = ns.n + i / 7 %}{% endfor %}{{ ns.n }}
{{ l.count(1) }} {{ m.get("a") }} {{ m.items()|list }} {{ m.keys()|list }} {{ m.values()|list }} {{ v.capitalize() }}
{{ v.count("i") }} {{ v.endswith("t") }} {{ v.find("ı") }} {{ "{:>9}|{0}".format(v) if false else "{:>9}".format(v) }}
{{ [v.isalnum(), v.isalpha(), v.isascii(), v.isdigit(), v.islower(), v.isnumeric(), v.isspace(), v.isupper()] }}
{{ ",".join(s) }} {{ v.lower() }} {{ v.lstrip("i") }} {{ v.replace("ß", "ss") }} {{ v.rfind("i") }} {{ v.rstrip("t") }}
{{ v.split("ß") }} {{ "a\nb".splitlines() }} {{ v.startswith("i") }} {{ v.strip("it") }} {{ v.title() }} {{ v.upper() }}
{{ 1e21 }} {{ 0.1 + 0.2 }} {{ 1 / 3 }} {{ 7 // 2 }} {{ 2 ** 0.5 }} {{ m }} {{ s }}"#;

fn job() -> Job {
    let values = json!({
        "v": "iİıß istanbul t", "s": ["é", "z", "E", "ä", "I", "ı"],
        "m": {"z": 1.5, "a": [null, true], "ç": "é\u{2028}", "b": {"y": -0.0, "x": 1e-7}},
    });
    Job {
        template: TEMPLATE.to_owned(),
        values: serde_json::from_value(values).unwrap(),
        lenient: true,
        preserve_whitespace: false,
        limits: Limits::default(),
    }
}

/// How often each process renders.
fn renders() -> usize {
    std::env::var("PROMPTOS_RENDERS").map_or(400, |count| count.parse().unwrap())
}

#[test]
fn the_template_uses_everything_that_one_may_call() {
    let missing = |names: &[&str], used: &dyn Fn(&str) -> bool| -> Vec<String> {
        names.iter().filter(|name| !used(name)).map(|name| (*name).to_owned()).collect()
    };
    let follows = |before: &str, name: &str| {
        TEMPLATE.match_indices(&format!("{before}{name}")).any(|(at, found)| {
            !TEMPLATE[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    let none = Vec::<String>::new();
    assert_eq!(missing(FILTERS, &|name| follows("|", name)), none);
    assert_eq!(
        missing(TESTS, &|name| follows("is ", name) || TEMPLATE.contains(&format!("\"{name}\""))),
        none
    );
    assert_eq!(
        missing(FUNCTIONS, &|name| follows(" ", &format!("{name}("))
            || TEMPLATE.contains(&format!(" {name}("))),
        none
    );
    let method = |name: &str| TEMPLATE.contains(&format!(".{}(", name.split_once('.').unwrap().1));
    assert_eq!(missing(METHODS, &method), none);
    run(&job()).unwrap().text.unwrap();
}

/// Not a test: what each of the processes does.
#[test]
#[ignore = "a part of the test below"]
fn renders_on_two_threads() {
    let first = run(&job()).unwrap().text.unwrap();
    let each = renders().div_ceil(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..each {
                    assert!(run(&job()).unwrap().text.unwrap() == first);
                }
            });
        }
    });
    println!("rendered {} times: {}", 2 * each, blake3::hash(first.as_bytes()));
}

const PLACES: [(&str, &str); 2] = [("C", "UTC"), ("tr_TR.UTF-8", "Asia/Kathmandu")];

#[test]
fn one_output_on_two_threads_in_two_locales_and_time_zones() {
    let children: Vec<_> = PLACES
        .iter()
        .map(|(locale, zone)| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "renders_on_two_threads", "--ignored", "--nocapture"]);
            command.env("LC_ALL", locale).env("TZ", zone).stdout(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let outputs: Vec<String> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{text}");
            text.lines().find_map(|line| Some(line[line.find("rendered ")?..].to_owned())).unwrap()
        })
        .collect();
    println!("{}", outputs.join("\n"));
    assert_eq!(outputs[0], outputs[1]);
}

/// The program gives what the library gives.
#[test]
fn the_program_gives_the_same_in_every_locale_and_time_zone() {
    let world = World::new();
    let fields =
        "key: t\nname: T\nversion: \"1.0\"\ndescription: d\nrole: r\nrequired_variables: [v, s, m]\n";
    world.write("prompts/t.md", format!("---\n{fields}output_contract: {{mode: text}}\n---\n{TEMPLATE}"));
    world.write("promptos.toml", "[render]\nundefined = \"allow\"\n");
    world.write("v.json", serde_json::to_vec(&job().values).unwrap());
    let expected = run(&job()).unwrap().text.unwrap();
    for (locale, zone) in PLACES {
        let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
        command
            .args(["prompt", "render", "t.v1.0", "--vars", "v.json"])
            .env("LC_ALL", locale)
            .env("TZ", zone);
        assert_eq!(support::finish(&mut command).ok().stdout, format!("{expected}\n"));
    }
}
