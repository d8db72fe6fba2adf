//! `prompt import` and `prompt export`: catalogs on their way in and out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use serde_json::Value;
use std::fs;
use support::{World, text};

fn native(id: &str, version: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: {version}\nrole: task\nsummary: Does {id}\nowner: tests\nstatus: current\n\
         inputs: []\noutput_contract: {{mode: text}}\n---\n{body}\n"
    )
}

fn old(key: &str, version: &str, body: &str) -> String {
    format!(
        "---\nkey: {key}\nname: {key}\nversion: \"{version}\"\ndescription: d\nrole: cleaning\n\
         required_variables: [x]\n---\n{{{{ x }}}} {body}\n"
    )
}

#[test]
fn import_copies_bytes_and_never_replaces_any() {
    let world = World::new();
    let crlf = native("b.c", "2", "two").replace('\n', "\r\n");
    world.write("in/a.md", native("a", "1", "one"));
    world.write("in/deep/b.md", format!("\u{feff}{crlf}"));
    world.write("in/README.md", "# no prompt\n");
    world.run(&["prompt", "import", "in"]).expect(
        0,
        &[
            "in/README.md: no prompt",
            "a.v1  written: prompts/a.md",
            "b.c.v2  written: prompts/deep/b.md",
            "2 of 2",
        ],
    );
    for path in ["a.md", "deep/b.md"] {
        assert_eq!(world.read(&format!("in/{path}")), world.read(&format!("prompts/{path}")));
    }
    assert!(!world.project.join("prompts/README.md").exists());

    // Again: nothing to do, even under another name.
    world.write("other/z.md", native("a", "1", "one"));
    world.run(&["prompt", "import", "in", "other"]).expect(0, &["identical: prompts/a.md", "0 of 3"]);
    assert!(!world.project.join("prompts/z.md").exists());

    // A ref with other bytes, and a file that is in the way; nothing of either is written.
    world.write("new/a.md", native("n", "1", "new"));
    world.write("new/n2.md", native("n2", "1", "new"));
    world.run(&["prompt", "import", "new"]).expect(4, &["the catalog has a.md already", "--into"]);
    world.write("new/a.md", native("a", "1", "changed"));
    world
        .run(&["prompt", "import", "new"])
        .expect(4, &["a.v1 is in the catalog already, as a.md", "new version"]);
    assert!(!world.project.join("prompts/n2.md").exists());
    world.run(&["prompt", "import", "new", "--into", "fresh"]).expect(0, &["written: fresh/n2.md"]);
}

#[test]
fn what_cannot_be_imported_is_told_and_nothing_is_written() {
    let world = World::new();
    world.write("good.md", native("good", "1", "x"));
    world.write("bad.md", native("bad", "1.2", "{{ undeclared }}"));
    world.write("plain.md", "Hello {{ NAME }}\n");
    world.write("x/same.md", native("same", "1", "x"));
    world.write("y/same.md", native("same", "1", "y"));
    world.write("y/good.md", native("other", "1", "y"));
    let cases: &[(&[&str], i32, &[&str])] = &[
        (
            &["good.md", "bad.md"],
            4,
            &["bad.md:3:10", "prompt.version", "input.undeclared", "nothing was imported"],
        ),
        (&["good.md", "plain.md"], 4, &["plain.md", "frontmatter.missing", "--to oa05"]),
        (&["good.md", "gone.md"], 1, &["cannot read gone.md"]),
        (&["x", "y"], 4, &["x/same.md and y/same.md both become same.v1"]),
        (&["good.md", "y/good.md"], 4, &["both become good.md"]),
        (&["good.md", "--version", "2"], 2, &["--to"]),
        (&["--to", "tnh", "good.md"], 2, &["oa05"]),
        (&["good.md", "--to", "oa05", "--version", "0"], 2, &["0"]),
        (&[], 2, &["PATH"]),
    ];
    for (args, code, texts) in cases {
        world.run(&[&["prompt", "import"], *args].concat()).expect(*code, texts);
        assert!(!world.project.join("prompts").exists(), "{args:?}");
    }
    // Bound to other bytes by the ledger.
    world.run(&["prompt", "add", "good.md"]).ok();
    world.write("good.md", native("good", "1", "changed"));
    world.run(&["prompt", "import", "good.md"]).expect(4, &["good.v1 is bound to other bytes"]);
    assert!(!world.project.join("prompts").exists());
    // A folder that is a link, and one that cannot be written to.
    #[cfg(unix)]
    {
        world.write("deep/sub/d.md", native("d", "1", "x"));
        fs::create_dir_all(world.project.join("prompts")).unwrap();
        fs::create_dir(world.project.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", world.project.join("prompts/sub")).unwrap();
        world.run(&["prompt", "import", "deep"]).expect(1, &["sub is not a folder, or a link"]);
        assert_eq!(fs::read_dir(world.project.join("elsewhere")).unwrap().count(), 0);
        world.write("file", "");
        world.run(&["prompt", "import", "deep", "--into", "file"]).expect(1, &["file"]);
    }
}

#[test]
fn conversion_accounts_for_every_field() {
    let world = World::new();
    world.write("tnh/a.md", old("a", "1.0", "one"));
    world.write("tnh/b.md", old("b", "1.2", "two"));
    world.write("tnh/readme.md", "no prompt");
    world
        .run(&["prompt", "import", "--to", "oa05", "tnh"])
        .expect(4, &["tnh/b.md:4:1", "the version `1.2` is no whole number", "--version 1"]);
    assert!(!world.project.join("prompts").exists());

    let args =
        ["prompt", "import", "--to", "oa05", "tnh", "--version", "3", "--owner", "ada", "--report", "r.json"];
    world.run(&args).expect(0, &["a.v1  written: prompts/a.md", "b.v3", "defaulted = \"ada\"", "-> tags"]);
    let report: Value = serde_json::from_slice(&world.read("r.json")).unwrap();
    assert_eq!(report["documents"], serde_json::json!(["tnh/readme.md"]));
    assert_eq!(text(&report, "/prompts/0/dialect"), "tnh");
    let fields = report["prompts"][0]["fields"].as_array().unwrap();
    let role = fields.iter().find(|field| field["field"] == "role").unwrap();
    assert_eq!((text(role, "/fate"), text(role, "/to")), ("mapped", "tags"));
    world.run(&["lint"]).expect(0, &["2 prompts", "0 errors, 0 warnings"]);
    // The same again is identical; another source for the same ref is refused.
    let again = world.json(&args);
    assert_eq!(
        (text(&again, "/schema"), &again["prompts"][0]["new"]),
        ("promptos.prompt-import/1", &false.into())
    );
    world.write("tnh2/c.md", old("a", "1.0.0", "another"));
    world
        .run(&["prompt", "import", "--to", "oa05", "tnh2"])
        .expect(4, &["a.v1 is in the catalog already, as a.md"]);
    world.write("tnh2/d.md", old("z", "1", "x"));
    world.write("tnh2/c.md", old("z", "1.0", "y"));
    world.run(&["prompt", "import", "--to", "oa05", "tnh2"]).expect(4, &["both become z.v1"]);

    // A template without frontmatter, when it is named.
    world.write("OLD.md", "Hello {{ NAME }}\n");
    world
        .run(&["prompt", "import", "--to", "oa05", "OLD.md"])
        .expect(0, &["OLD.v1  written", "inputs.NAME.type"]);
    assert!(String::from_utf8(world.read("prompts/OLD.md")).unwrap().ends_with("---\n\nHello {{ NAME }}\n"));
}
