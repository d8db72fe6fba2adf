//! `prompt render`, as a program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use support::{World, copy_folder, corpora, text};

fn prompt(fields: &str, template: &str) -> String {
    format!(
        "---\nkey: t\nname: T\nversion: \"1.0\"\ndescription: d\nrole: r\n{fields}output_contract: {{mode: text}}\n---\n{template}"
    )
}

#[test]
fn a_prompt_is_rendered_with_the_values_of_every_layer() {
    let world = World::new();
    let fields =
        "required_variables: [a, b, c]\noptional_variables: [d, e]\ndefault_variables: {b: own, c: own}\n";
    world.write("prompts/t.md", prompt(fields, "{{ a }} {{ b }} {{ c }} {{ d }}{{ e }}!\n"));
    world.write("promptos.toml", "[render.defaults]\nd = \"project\"\nc = \"project\"\n");
    world.write("v.json", r#"{"a": "file", "b": "file"}"#);
    let args = ["prompt", "render", "t", "--var", "a=mine=x", "--vars", "v.json"];
    let output = world.run(&args).ok();
    assert_eq!(output.stdout, "mine=x file own project!\n");
    assert!(output.stderr.contains("t is t.v1.0"), "{output:?}");

    let explained = world.run(&[&args[..], &["--explain"]].concat()).ok().stdout;
    let expected = "a = \"mine=x\"  (--var)\n  above \"file\" (--vars)\nb = \"file\"  (--vars)\n  \
                    above \"own\" (the prompt's default)\nc = \"own\"  (the prompt's default)\n  \
                    above \"project\" (the project's default)\nd = \"project\"  (the project's default)\n\
                    e = \"\"  (not given, so empty)\n";
    assert_eq!(explained, expected);

    world.write("in.txt", "the text\n");
    let with_input = [&args[..], &["--input-file", "in.txt"]].concat();
    let framed = world.run(&with_input).ok().stdout;
    assert_eq!(framed, "=== system ===\nmine=x file own project!\n=== user ===\nthe text\n\n");
    let written = world.run(&[&with_input[..], &["--format", "json", "--out", "out/r.json"]].concat()).ok();
    assert_eq!(written.stdout, "");
    let file: Value = serde_json::from_slice(&world.read("out/r.json")).unwrap();
    let rendered = json!({
        "system": "mine=x file own project!", "messages": [{"role": "user", "content": "the text\n"}],
    });
    assert_eq!(file, rendered);
    let report = world.json(&with_input);
    assert_eq!(text(&report, "/schema"), "promptos.prompt-render/1");
    assert_eq!(report["rendered"], rendered);
    assert_eq!(report["variables"][1]["hidden"], json!([{"origin": "frontmatter", "value": "own"}]));
}

#[test]
fn a_fingerprint_is_the_same_by_every_name_and_names_no_place() {
    let world = World::new();
    let file = prompt("required_variables: [b, z]\n", "{{ b }}{{ z }}");
    world.write("prompts/in/t.md", &file);
    world.write("in.txt", "the text");
    world.write("v.json", r#"{"z": "ü", "b": [1.5, null]}"#);
    let given = ["--vars", "v.json", "--input-file", "in.txt", "--fingerprint"];
    let of = |name: &str| world.run(&[&["prompt", "render", name], &given[..]].concat()).ok().json();
    let sha256 =
        |bytes: &[u8]| format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes)));
    let expected = json!({
        "schema_version": "fp-1", "prompt_key": "t", "prompt_name": "T", "prompt_base_path": "in/t.md",
        "prompt_content_hash": sha256(file.as_bytes()),
        "variables_hash": sha256("{\"b\":[1.5,null],\"input_text\":\"the text\",\"z\":\"ü\"}".as_bytes()),
        "user_string_hash": sha256(b"the text"),
    });
    assert_eq!(of("t"), expected);
    assert_eq!(of("t.v1.0"), expected);
    assert_eq!(world.json(&[&["prompt", "render", "t"], &given[..4]].concat())["fingerprint"], expected);
}

#[test]
fn what_is_wrong_is_said_at_once_and_nothing_is_written() {
    let world = World::new();
    let fields = "inputs:\n  - {name: a, required: true, description: the first}\n  - {name: n, type: integer, required: true}\n";
    world.write("prompts/t.md", prompt(fields, "{{ a }}{{ n }}"));
    let run = |args: &[&str]| world.run(&[&["prompt", "render", "t"], args].concat());
    let wrong = ["--var", "n=x", "--var", "b=1", "--out", "o.txt"];
    run(&wrong).expect(
        4,
        &[
            "t.md:8:12: error[render.missing]: `a` has no value",
            "--var a=VALUE (the first)",
            "error[render.type]: `n` is declared as `integer`",
            "error[render.extra]: the prompt has no variable `b`",
            "t.v1.0 was not rendered: 3 findings",
        ],
    );
    assert!(!world.project.join("o.txt").exists());
    let report =
        world.run(&[&["--json", "prompt", "render", "t"], &wrong[..]].concat()).expect(4, &[]).json();
    let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| text(f, "/code")).collect();
    assert_eq!(codes, ["render.missing", "render.type", "render.extra"]);
    assert_eq!((&report["rendered"], &report["out"]), (&Value::Null, &Value::Null));

    run(&["--var", "a"]).expect(2, &["NAME=VALUE"]);
    run(&["--var", "a=1", "--var", "a=2"]).expect(2, &["twice"]);
    run(&["--vars", "none.json"]).expect(1, &["cannot read none.json"]);
    world.write("bad.json", "[1]");
    run(&["--vars", "bad.json"]).expect(1, &["bad.json is no JSON object"]);
    world.write("bad.txt", b"\xff");
    run(&["--input-file", "bad.txt"]).expect(1, &["not UTF-8"]);
    world.write("promptos.toml", "[render]\nmising = \"warn\"\n");
    run(&[]).expect(1, &["promptos.toml:2:1", "mising"]);
    world.write("promptos.toml", "[render]\nmissing = \"allow\"\nextra = \"warn\"\n");
    assert_eq!(run(&["--var", "b=1"]).expect(0, &["warning[render.extra]"]).stdout, "\n");
}

/// No template exhausts the machine: each of these ends soon, with a clear error, and never in more memory than it is
/// given.
#[test]
fn hostile_templates_end_in_bounded_time_and_memory() {
    let world = World::new();
    for (name, template, expected) in [
        (
            "double",
            "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "512 MB of memory",
        ),
        (
            "list",
            "{% set ns = namespace(s=[1,2,3,4]) %}{% for i in range(60) %}{% set ns.s = (ns.s + ns.s)|list %}{% endfor %}{{ ns.s|length }}",
            "error[render.limit]: the filter `list` would make, with the calls before it, more than 128 MB",
        ),
        (
            "clock",
            "{% set ns = namespace(s=[1,2,3,4]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ 5 in ns.s }}",
            "the template takes more than 2 seconds",
        ),
        ("format", "{{ '%999999999d'|format(1) }}", "takes no number above 1000"),
        ("indent", "{{ 'a\nb'|indent(900000000) }}", "takes no number above 1000"),
        ("repeat", "{% set n = 90000000 %}{% set a = 'x' * n %}{{ a }}{{ a }}", "more than 16777216 bytes"),
        (
            "replace",
            "{% set n = 1000000 %}{% set a = 'x' * n %}{{ a|replace('x', a) }}",
            "the filter `replace` would make",
        ),
        (
            "fold",
            "{{ (('x' * 90000000) + ('y' * 90000000)) * 1 + ('x' * 90000000) + ('y' * 90000000) + ('z' * 90000000) + ('w' * 90000000) }}",
            "multiplied too often",
        ),
        (
            "loop",
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "the template takes more than 2000000 steps",
        ),
        ("macro", "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
    ] {
        world.write("prompts/t.md", prompt("", template));
        let start = Instant::now();
        // Only this one is ended by the clock; the others must meet their own limit, on a busy machine too.
        let timeout = if name == "clock" { "2" } else { "40" };
        let output = world.run(&["prompt", "render", "t", "--timeout", timeout]);
        assert!(start.elapsed() < Duration::from_secs(45), "{name} took {:?}", start.elapsed());
        println!("{name}: {:?} {}", start.elapsed(), output.stderr.lines().nth(1).unwrap_or_default());
        output.expect(4, &[expected, "t.v1.0 was not rendered"]);
    }
}

#[test]
fn place_and_language_do_not_change_a_rendering() {
    let world = World::new();
    world.write(
        "prompts/t.md",
        prompt("optional_variables: [m]\n", "{{ m|upper|title }}{{ 1234.5 }}{{ m|sort }}"),
    );
    let run = |locale: &str, zone: &str| {
        let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
        command.args(["prompt", "render", "t.v1.0", "--var", "m=iİıß"]).env("LC_ALL", locale).env("TZ", zone);
        support::finish(&mut command).ok().stdout
    };
    assert_eq!(run("C", "UTC"), run("tr_TR.UTF-8", "Asia/Kathmandu"));
}

#[test]
fn the_hidden_command_takes_only_jobs() {
    let world = World::new();
    world.run(&["render-template", "--seconds", "1"]).expect(70, &["no job"]);
    assert!(!world.run(&["help"]).ok().stdout.contains("render-template"));
}

/// Every real prompt renders when it is given what it requires, and no more.
#[test]
fn real_prompts_render_with_their_required_variables_only() {
    let Some(corpora) = corpora() else { return };
    let world = World::new();
    copy_folder(&corpora.join("tnh/prompts"), &world.project.join("prompts"));
    copy_folder(&corpora.join("tnh/runtime-prompts"), &world.project.join("prompts/runtime"));
    let list = world.json(&["prompt", "list"]);
    let prompts = list["prompts"].as_array().unwrap();
    let mut rendered = 0;
    for prompt in prompts.iter().filter(|prompt| prompt["layer"] == "workspace") {
        let defaults = prompt["default_variables"].as_object().unwrap();
        let names =
            prompt["required_variables"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let given: Vec<String> = names
            .filter(|name| !defaults.contains_key(*name))
            .map(|name| format!("{name}=<{name}>"))
            .collect();
        let mut args = vec!["prompt", "render", text(prompt, "/ref")];
        given.iter().for_each(|pair| args.extend(["--var", pair.as_str()]));
        let output = world.run(&args).ok();
        let template = fs::read_to_string(world.project.join("prompts").join(text(prompt, "/path"))).unwrap();
        for pair in &given {
            let (name, value) = pair.split_once('=').unwrap();
            let used = template.contains(&format!("{{{{ {name} }}}}"));
            assert!(!used || output.stdout.contains(value), "{args:?}");
        }
        assert!(output.stdout.len() > 20 && !output.stdout.contains("{{"), "{args:?}");
        rendered += 1;
    }
    assert_eq!(rendered, 36);
    // What three files of provenance say of the prompt that made them.
    for entry in fs::read_dir(corpora.join("tnh/provenance")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "yaml") {
            let sidecar = fs::read_to_string(entry).unwrap();
            let recorded = sidecar.lines().find_map(|line| line.strip_prefix("fingerprint: ")).unwrap();
            let given =
                ["--var", "source_language=Vietnamese", "--var", "document_metadata=x", "--fingerprint"];
            let now = world.run(&[&["prompt", "render", "default_section"], &given[..]].concat()).ok().json();
            assert_eq!(text(&now, "/prompt_content_hash"), recorded);
        }
    }
    // The caller's language, and not the default that the file has.
    let french = ["prompt", "render", "translate_metadata.v1.0", "--var", "target_language=French"];
    assert!(world.run(&french).ok().stdout.contains("into French"));
}
