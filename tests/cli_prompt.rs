//! `prompt list`, `show` and `add`, and catalogs named by a locator.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::Value;
use std::fs;
use support::{World, text};

/// A prompt with a few fields more.
fn prompt(id: &str, version: &str, fields: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: {version}\nrole: task\nsummary: Does {id}\nowner: tests\nstatus: current\n\
         inputs: []\noutput_contract: {{mode: text}}\n{fields}---\n{body}\n"
    )
}

fn deprecated(id: &str, version: &str) -> String {
    prompt(id, version, "", "old").replace("status: current", "status: deprecated")
}

fn refs(list: &Value) -> Vec<&str> {
    list["prompts"].as_array().unwrap().iter().map(|prompt| text(prompt, "/ref")).collect()
}

#[test]
fn list_shows_what_stands_with_the_names_that_consumers_know() {
    let world = World::new();
    let tnh = "---\nkey: clean\nname: Clean\nversion: \"1.0\"\ndescription: Cleans text\nrole: cleaning\n\
               required_variables: [source]\noptional_variables: [style]\ndefault_variables: {style: plain}\n\
               tags: [ocr, text]\ndefault_model: m-1\noutput_mode: text\n---\n{{ source }} {{ style }}\n";
    world.write("prompts/clean.md", tnh);
    world.write(
        "prompts/a.md",
        prompt("plan.a", "1", "tags: [text]\ncapabilities: [review]\nscope: agent\n", "x"),
    );
    world.write("prompts/b.md", deprecated("plan.b", "1"));
    world.write("prompts/P00.md", prompt("P00", "1", "", "mine"));
    world.write("prompts/broken.md", "---\nprompt_id: broken\nversion: x\n---\n");
    world.write("prompts/README.md", "# not a prompt\n");
    world.write("home-prompts.md", "x");
    fs::create_dir_all(world.home.join(".config/promptos/prompts")).unwrap();
    fs::write(world.home.join(".config/promptos/prompts/u.md"), prompt("only.user", "3", "", "x")).unwrap();

    let list = world.json(&["prompt", "list"]);
    let all = [
        "P00.v1",
        "P01.v1",
        "P03.v1",
        "P05.v1",
        "P06.v1",
        "P07.v1",
        "P08.v1",
        "clean.v1.0",
        "only.user.v3",
        "plan.a.v1",
        "plan.b.v1",
    ];
    assert_eq!(refs(&list), all);
    assert_eq!(list["count"], 11);
    assert_eq!(list["schema"], "promptos.prompt-list/1");
    let clean = &list["prompts"][7];
    let expected = serde_json::json!({
        "key": "clean", "prompt_id": "clean", "version": "1.0", "name": "Clean", "description": "Cleans text",
        "role": "cleaning", "status": "current", "tags": ["ocr", "text"], "required_variables": ["source"],
        "optional_variables": ["style"], "default_variables": {"style": "plain"}, "default_model": "m-1",
        "output_mode": "text", "layer": "workspace", "path": "clean.md", "warnings": [],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(clean[name], *value, "{name}");
    }
    assert_eq!(list["prompts"][10]["warnings"][0], "plan.b.v1 is deprecated");
    let layers: Vec<_> = list["sources"].as_array().unwrap().iter().map(|s| text(s, "/layer")).collect();
    assert_eq!(layers, ["workspace", "user", "built-in"]);
    assert_eq!(list["sources"][0]["location"], "prompts");
    assert_eq!(list["catalog_errors"][0]["prompt_id"], "broken");
    assert_eq!(list["catalog_errors"][0]["finding"]["code"], "prompt.version");

    // Losers on request, after what hides them.
    let list = world.json(&["prompt", "list", "--all", "P00"]);
    assert_eq!(refs(&list), ["P00.v1", "P00.v1"]);
    assert_eq!(
        (&list["prompts"][0]["layer"], &list["prompts"][0]["hidden"]),
        (&"workspace".into(), &false.into())
    );
    assert_eq!(
        (&list["prompts"][1]["layer"], &list["prompts"][1]["hidden"]),
        (&"built-in".into(), &true.into())
    );

    let cases: &[(&[&str], &[&str])] = &[
        (&["--tag", "text"], &["clean.v1.0", "plan.a.v1"]),
        (&["--tag", "text", "--tag", "ocr"], &["clean.v1.0"]),
        (&["--role", "cleaning"], &["clean.v1.0"]),
        (&["--role", "clean"], &[]),
        (&["--capability", "review"], &["plan.a.v1"]),
        (&["--status", "deprecated"], &["plan.b.v1"]),
        (&["--scope", "agent"], &["plan.a.v1"]),
        (&["PLAN"], &["plan.a.v1", "plan.b.v1"]),
        (&["cleans", "ocr"], &["clean.v1.0"]),
        (&["no such words"], &[]),
    ];
    for (args, expected) in cases {
        let args = [&["prompt", "list"], *args].concat();
        assert_eq!(refs(&world.json(&args)), *expected, "{args:?}");
    }
    world
        .run(&["prompt", "list"])
        .expect(0, &["plan.a.v1", "1 hidden by these (--all", "1 file is not usable"]);
}

#[test]
fn the_table_fits_the_terminal_and_never_cuts_a_ref() {
    let world = World::new();
    let long = format!("a.{}", "very_long_name_".repeat(6));
    world.write("prompts/long.md", prompt(&long, "1", "title: The long one\n", "x"));
    world.write("prompts/s.md", prompt("s", "1", &format!("title: {}\n", "Many words ".repeat(40)), "x"));
    for columns in [20, 40, 60, 79, 80, 120, 200] {
        let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
        command.env("COLUMNS", columns.to_string()).args(["prompt", "list"]);
        let output = support::finish(&mut command).ok();
        assert!(output.stdout.contains(&format!("{long}.v1")), "{output:?}");
        for line in output.stdout.lines().filter(|line| !line.contains(&long)) {
            let wide = line.chars().count();
            // Refs are whole, and a name is worth ten characters anywhere.
            assert!(wide <= columns.max(26), "{columns}: {wide}: {line}");
        }
        assert_eq!(output.stdout.contains("workspace"), columns >= 80, "{output:?}");
    }
}

#[test]
fn show_says_which_where_and_what_binds_it() {
    let world = World::new();
    world.write("prompts/1.md", deprecated("plan", "1"));
    world.write("prompts/2.md", prompt("plan", "2", "deprecates: plan.v1\n", "two"));
    world.write("prompts/P05.md", prompt("P05", "1", "", "mine"));
    world
        .run(&["prompt", "show", "plan"])
        .expect(0, &["plan is plan.v2 (workspace)", "1, 2", "not in this ledger"]);
    world.run(&["prompt", "show", "plan.v1"]).expect(0, &["plan.v1 is deprecated; plan.v2 is current"]);
    world.run(&["prompt", "show", "P05"]).expect(0, &["hides", "built-in (other bytes)"]);
    assert!(!world.project.join(".promptos").exists(), "looking makes no ledger");
    let dev = world.run(&["dev", "--prompts", "plan,P01"]);
    dev.expect(0, &["plan is plan.v2 (workspace)", "P01 is P01.v1 (built-in)"]);
    world.run(&["dev", "--prompts", "plan.v1"]).expect(0, &["plan.v1 is deprecated; plan.v2 is current"]);

    // Defect of the earlier library: `get("default_clean.v99")` gave version 1.0.
    world.run(&["prompt", "show", "plan.v99"]).expect(1, &["`plan` has no version 99", "it has: 1, 2"]);
    world.run(&["prompt", "show", "plna"]).expect(1, &["there is no prompt `plna`", "did you mean plan?"]);
    // And `get("../README")` read a file outside the catalog.
    world.write("README.md", prompt("outside", "1", "", "x"));
    for wanted in ["../README", "../README.md", "outside", "/etc/passwd", "sub/../../README"] {
        world.run(&["prompt", "show", wanted]).expect(1, &["there is no prompt"]);
        world.run(&["dev", "--prompts", wanted]).expect(1, &["there is no prompt"]);
    }

    let two = world.read("prompts/2.md");
    assert_eq!(world.run(&["prompt", "show", "plan.v2", "--bytes"]).ok().bytes, two);
    world.write("prompts/4.md", prompt("plan", "4", "", "four"));
    world.run(&["prompt", "add", "prompts/4.md"]).ok();
    let show = world.json(&["prompt", "show", "plan"]);
    assert_eq!(show["bound"]["same_bytes"], true);
    assert_eq!(show["bound"]["entry"]["sub"], "prompt/plan.v4");
    assert_eq!(show["prompt"]["ref"], "plan.v4");
    assert_eq!(world.json(&["prompt", "show", "plan.v2"])["metadata"]["deprecates"], "plan.v1");
    world.write("prompts/4.md", prompt("plan", "4", "", "changed"));
    world.run(&["prompt", "show", "plan"]).expect(0, &["to OTHER bytes", "entry 3 (prompt/plan.v4)"]);
}

#[test]
fn add_binds_once_and_refuses_what_it_must() {
    let world = World::new();
    world.write("prompts/a.md", prompt("a", "1", "", "one"));
    world.write("prompts/b.md", prompt("b", "1", "", "one"));
    world.write("prompts/bad.md", prompt("c", "1", "", "{{ undeclared }}"));
    // Nothing is made for what is refused.
    world
        .run(&["prompt", "add", "prompts/a.md", "prompts/bad.md"])
        .expect(4, &["nothing was bound", "undeclared"]);
    world.run(&["prompt", "add", "prompts/none.md"]).expect(1, &["cannot read"]);
    world.run(&["prompt", "add", "prompts"]).expect(1, &["not a regular file"]);
    world.run(&["prompt", "add"]).expect(2, &[]);
    world.write("notes.md", "# notes\n");
    world.run(&["prompt", "add", "notes.md"]).expect(4, &["frontmatter"]);
    assert!(!world.project.join(".promptos").exists() && fs::read_dir(&world.home).unwrap().count() == 0);

    world
        .run(&["prompt", "add", "prompts/a.md", "prompts/b.md"])
        .expect(0, &["a.v1  bound by entry 1", "b.v1"]);
    assert_eq!(world.run(&["cat", "a.v1"]).ok().bytes, world.read("prompts/a.md"));
    let again = world.json(&["prompt", "add", "prompts/a.md", "prompts/a.md"]);
    assert_eq!(again["prompts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&again["prompts"][0]["new"], &again["prompts"][0]["entry"]["index"]),
        (&false.into(), &1.into())
    );
    world.run(&["prompt", "add", "prompts/a.md"]).expect(0, &["was bound to these bytes already by entry 1"]);

    world.write("prompts/a.md", prompt("a", "1", "", "two"));
    world.write("prompts/d.md", prompt("d", "1", "", "d"));
    world
        .run(&["prompt", "add", "prompts/d.md", "prompts/a.md"])
        .expect(4, &["a.v1 is bound to other bytes", "entry 1"]);
    // Two files of one ref cannot both have it.
    world.write("prompts/e.md", prompt("d", "1", "", "e"));
    world
        .run(&["prompt", "add", "prompts/d.md", "prompts/e.md"])
        .expect(4, &["two of the files are d.v1, with other bytes"]);
    world.run(&["prompt", "add", "prompts/d.md"]).expect(0, &["d.v1  bound by entry"]);
    // A session binds as well, and what it bound is bound.
    world.run(&["dev", "--prompts", "b,P00"]).ok();
    assert_eq!(world.json(&["prompt", "show", "P00"])["bound"]["same_bytes"], true);
    // A prompt without a key has its path in the catalog as its id.
    let keyless = "---\nname: K\nversion: \"1.0\"\nrole: x\nrequired_variables: []\ninputs: []\n\
                   output_contract: {mode: text}\n---\nText\n";
    world.write("prompts/sub/k.md", keyless);
    world
        .run_in(&world.project.join("prompts/sub"), &["prompt", "add", "k.md"])
        .expect(0, &["sub/k.v1.0  bound"]);
    // An agent may use bound refs, and binds none.
    world.run(&["key", "new", "robot"]).ok();
    world.run(&["key", "add", "robot.pub", "--identity", "robot", "--role", "agent"]).ok();
    world.write("prompts/f.md", prompt("f", "1", "", "f"));
    world.run(&["--key", "robot", "prompt", "add", "prompts/f.md"]).expect(1, &["has no role user"]);
    world.json(&["verify-chain", "--require", "pinned"]);
}

#[test]
fn a_locator_takes_the_place_of_the_project() {
    let world = World::with_git("ada", "ada@example.org");
    world.write("prompts/a.md", prompt("a", "1", "", "one"));
    world.commit("one");
    world.git(&["tag", "v1"]).ok();
    world.run(&["prompt", "add", "prompts/a.md"]).ok();
    world.write("prompts/a.md", prompt("a", "2", "", "two"));
    world.commit("two");
    world.run(&["prompt", "add", "prompts/a.md"]).ok();
    world.write("prompts/a.md", prompt("a", "3", "", "three"));
    world.write("other/a.md", prompt("a", "9", "", "nine"));

    let version = |locator: &str| {
        let list = world.json(&[
            "prompt",
            "list",
            "--catalog",
            locator,
            "a",
            "--role",
            "task",
            "--status",
            "current",
        ]);
        let own = list["prompts"].as_array().unwrap().iter().filter(|p| p["key"] == "a").cloned();
        own.map(|prompt| text(&prompt, "/version").to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (locator, expected) in [
        ("prompts", "3"),
        ("other", "9"),
        ("./other", "9"),
        ("git:HEAD", "2"),
        ("git:v1", "1"),
        ("git:HEAD~1:prompts", "1"),
        ("git:main:", "2"),
        ("ledger", "1 2"),
        ("ledger:1", "1"),
        ("ledger:0", ""),
        ("ledger:prompt/a.v2", "1 2"),
        ("built-in", ""),
    ] {
        assert_eq!(version(locator), expected, "{locator}");
    }
    for (locator, code, words) in [
        ("", 2, "it is empty"),
        ("git:", 2, "no revision"),
        ("snapshot", 2, "names no snapshot"),
        ("nowhere", 1, "does not exist"),
        ("git:nope", 1, "no revision 'nope'"),
        ("git:--all", 1, "no revision"),
        ("git:HEAD:nope", 1, "not in the tree"),
        ("git:HEAD:../project", 1, "does not stay below"),
        ("git:HEAD:/etc", 1, "does not stay below"),
        ("git:HEAD:README.md", 1, "is no folder"),
        ("ledger:99", 1, "no entry '99'"),
        ("snapshot:nope", 1, "no snapshot 'nope'"),
    ] {
        for command in [["prompt", "list"], ["prompt", "show"]] {
            let mut args = command.to_vec();
            args.extend(if command[1] == "show" { vec!["a"] } else { vec![] });
            args.extend(["--catalog", locator]);
            world.run(&args).expect(code, &[words]);
        }
    }
    // Lint and sessions take one, too, and a session says which.
    world.run(&["lint", "--catalog", "git:v1"]).expect(0, &["1 prompt,"]);
    world.run(&["lint", "--catalog", "ledger"]).expect(0, &["2 prompts,"]);
    world.run(&["lint", "--catalog", "git:v1", "prompts"]).expect(2, &[]);
    for (locator, expected) in [("git:v1", "v1"), ("ledger", "ledger:3"), ("built-in", "built-in")] {
        let args =
            ["dev", "--prompts", if locator == "built-in" { "P00" } else { "a.v1" }, "--catalog", locator];
        let session = world.json(&args);
        let entry = text(&session, "/entry/id").to_owned();
        let said = world.run(&["show", &entry]).ok();
        assert!(said.stdout.contains(&format!("catalog {expected}")), "{said:?}");
    }
}
