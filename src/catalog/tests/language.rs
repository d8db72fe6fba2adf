//! What a template may call.

use super::super::language::{FILTERS, FUNCTIONS, METHODS, TESTS, environment};
use minijinja::{Environment, context};

/// The names in a list of the environment's own description.
fn listed(description: &str, field: &str) -> Vec<String> {
    let (_, rest) = description.split_once(&format!("{field}: ")).unwrap();
    let (names, _) = rest.split_once([']', '}']).unwrap();
    let quoted = names.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

#[test]
fn the_environment_has_what_the_table_has_and_nothing_else() {
    let environment = environment().unwrap();
    let description = format!("{environment:?}");
    assert_eq!(listed(&description, "filters"), FILTERS);
    assert_eq!(listed(&description, "tests"), TESTS);
    let globals: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
    assert_eq!(globals, FUNCTIONS);
    assert!(METHODS.is_sorted());
    // What the engine brings along and a prompt does not get; a name that is new here needs a decision.
    let engine = Environment::new();
    let description = format!("{engine:?}");
    let missing = |field, known: &[&str]| -> Vec<String> {
        listed(&description, field).into_iter().filter(|name| !known.contains(&name.as_str())).collect()
    };
    assert_eq!(missing("filters", FILTERS), Vec::<String>::new());
    assert_eq!(missing("tests", TESTS), ["int"]);
    let globals = engine.globals().map(|(name, _)| name).filter(|name| !FUNCTIONS.contains(name));
    assert_eq!(globals.collect::<Vec<_>>(), ["debug"]);
}

fn text(template: &str) -> String {
    environment().unwrap().render_str(template, context! {}).unwrap()
}

#[test]
fn a_clone_is_another_engine() {
    let mut changed = environment().unwrap();
    changed.remove_filter("upper");
    assert!(changed.render_str("{{ 'a'|upper }}", context! {}).is_err());
    assert_eq!(text("{{ 'a'|upper }}"), "A");
}

/// By Jinja2 3.1.6.
#[test]
fn filters_of_our_own_do_as_those_of_jinja2() {
    for (template, expected) in [
        (
            "{{ 'a'|center(4) }}|{{ 'ab'|center(5) }}|{{ 'abc'|center(2) }}|{{ 5|center(width=3) }}",
            " a  |  ab |abc| 5 ",
        ),
        ("{{ 'a\n\nb\n'|indent }}|", "a\n\n    b\n|"),
        ("{{ 'a\n\nb'|indent('> ', true, true) }}", "> a\n> \n> b"),
        ("{{ 'a\nb'|indent(width=2, first=true) }}", "  a\n  b"),
        ("{{ ''|indent(2) }}{{ ''|indent(2, true) }}|", "  |"),
        ("{{ 'one two three'|truncate(9, leeway=0) }}", "one..."),
        ("{{ 'one two three'|truncate(9, true, '>', 0) }}", "one two >"),
        ("{{ 'one two three'|truncate(9) }}", "one two three"),
        ("{{ 'onetwothree'|truncate(5, end='', leeway=0) }}", "onetw"),
        ("{{ 'a_b c-d é, 1'|wordcount }}", "5"),
        ("{{ 'x'|int }} {{ 'x'|int(7) }} {{ '0x1f'|int(base=16) }} {{ '4.7'|int }}", "0 7 31 4"),
        ("{{ 'x'|float }} {{ 'x'|float(default=1.5) }} {{ '2'|float }}", "0.0 1.5 2.0"),
        ("{{ '<a b=\"1\">\\'&/'|e }}", "&lt;a b=&#34;1&#34;&gt;&#39;&amp;/"),
        ("{{ '<'|e|e }}{{ 5|e }}", "&lt;5"),
        ("{% autoescape true %}{{ '\"/' }}{{ '<'|safe }}{{ '<'|e }}{% endautoescape %}", "&#34;/<&lt;"),
        ("{{ [2, 3, 1]|sort(true) }}{{ ['b', 'A']|sort(false, true) }}", "[3, 2, 1]['A', 'b']"),
        ("{{ {'b': 1, 'A': 2}|dictsort(true) }}", "[('A', 2), ('b', 1)]"),
        ("{{ {'b': 1, 'a': 2}|dictsort(false, 'value', reverse=true) }}", "[('a', 2), ('b', 1)]"),
        ("{{ ['a', 'A']|unique(true)|list }}{{ ['a', 'A']|unique|list }}", "['a', 'A']['a']"),
        ("{{ 'a b/é?'|urlencode }} {{ {'k': 'a b/', 'l': 1}|urlencode }}", "a%20b/%C3%A9%3F k=a+b%2F&l=1"),
        ("{{ [('a', '&')]|urlencode }}", "a=%26"),
        ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}", "aba"),
    ] {
        assert_eq!(text(template), expected, "{template}");
    }
    for wrong in [
        "{{ 'abc'|truncate(2) }}",
        "{{ 'a'|indent(wide=2) }}",
        "{{ 'a'|indent(-1) }}",
        "{{ 'a'|center('x') }}",
        "{{ [1]|sort(true, true, 'a', 'b') }}",
        "{{ [1]|sort(revers=true) }}",
        "{{ nothing|e }}",
        "{{ nothing|tojson }}",
        "{{ [1, nothing]|tojson }}",
        "{{ nothing|join }}",
        "{{ ['a', nothing]|join('-') }}",
        "{{ nothing|truncate }}",
        "{{ nothing|wordcount }}",
        "{{ nothing|urlencode }}",
        "{{ ['a']|urlencode }}",
        "{{ 'x'|int(defalt=1) }}",
    ] {
        assert!(environment().unwrap().render_str(wrong, context! {}).is_err(), "{wrong}");
    }
}

#[test]
fn methods_are_those_of_the_table() {
    assert_eq!(
        text("{{ ' a '.strip().upper() }}{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}"),
        "Aa1"
    );
    assert_eq!(text("{{ {'a': 1}.get('b', 2) }}{{ '{0:>5}|{x}'.format('ab', x=1) }}"), "2   ab|1");
    for wrong in
        ["{{ 'a'.center(9) }}", "{{ [1].append(2) }}", "{{ {'a': 1}.pop('a') }}", "{{ 'a'.__class__ }}"]
    {
        assert!(environment().unwrap().render_str(wrong, context! {}).is_err(), "{wrong}");
    }
}
