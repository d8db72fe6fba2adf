//! `prompt import` and `prompt export`: catalogs on their way in and out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use promptos::catalog::{Catalog, Layer, Prompt, Source};
use promptos::session::{Import, export_catalog, found_in, plan_catalog_import};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
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
            "written: 2 of 2",
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

/// Every file below a folder of the project, with its bytes.
fn tree(world: &World, folder: &str) -> Vec<(String, Vec<u8>)> {
    let prefix = format!("{folder}/");
    let mut files: Vec<_> = world.files().into_iter().filter(|path| path.starts_with(&prefix)).collect();
    files.sort();
    files.into_iter().map(|path| (path[prefix.len()..].to_owned(), world.read(&path))).collect()
}

#[test]
fn a_catalog_comes_back_byte_for_byte_from_wherever_it_is() {
    let world = World::with_git("Ada", "ada@example.org");
    world.write("prompts/a.md", native("a", "1", "one"));
    world.write("prompts/deep/b.md", format!("\u{feff}{}", native("b.c", "2", "two").replace('\n', "\r\n")));
    world.write(
        "prompts/deep/b-again.md",
        format!("\u{feff}{}", native("b.c", "2", "two").replace('\n', "\r\n")),
    );
    world.write("prompts/no/key.md", old("x", "1.0", "z").replace("key: x\n", ""));
    let before = tree(&world, "prompts");
    assert_eq!(before.len(), 4);
    world.commit("prompts");
    world.run(&["init"]).ok();
    world.run(&["snapshot", "create", "v1"]).ok();
    world.run(&["prompt", "export", "--all", "out"]).expect(0, &["out written: 4 prompts"]);
    assert_eq!(tree(&world, "out"), before);
    world.run(&["prompt", "export", "out", "--all"]).expect(0, &["out has these files already"]);

    // The folder is gone.
    fs::remove_dir_all(world.project.join("prompts")).unwrap();
    world.run(&["prompt", "export", "--all", "by-git", "--catalog", "git:HEAD:prompts"]).ok();
    assert_eq!(tree(&world, "by-git"), before);
    world.run(&["prompt", "import", "by-git"]).expect(0, &["4 of 4", "no/key.v1.0"]);
    world.run(&["prompt", "list", "--catalog", "snapshot:v1"]).ok();
    world.run(&["prompt", "export", "--all", "by-snapshot", "--catalog", "snapshot:v1"]).ok();
    let by_snapshot = tree(&world, "by-snapshot");
    assert!(before.iter().all(|file| by_snapshot.contains(file)), "{by_snapshot:?}");
    let built_in = world.json(&["prompt", "export", "--all", "built-in", "--catalog", "built-in"]);
    assert_eq!(built_in["files"].as_array().unwrap().len(), 7);
    assert_eq!(text(&built_in, "/schema"), "promptos.prompt-export/1");
}

#[test]
fn a_ledger_alone_gives_every_version_back() {
    let world = World::new();
    let versions = [native("a.b", "1", "one"), native("a.b", "2", "two"), native("c", "1", "three")];
    for (at, bytes) in versions.iter().enumerate() {
        world.write(&format!("{at}.md"), bytes);
        world.run(&["prompt", "add", &format!("{at}.md")]).ok();
        fs::remove_file(world.project.join(format!("{at}.md"))).unwrap();
    }
    world.run(&["prompt", "export", "--all", "out", "--catalog", "ledger"]).ok();
    let names = ["a.b.v1.md", "a.b.v2.md", "c.md"];
    let expected: Vec<_> = names
        .iter()
        .zip(&versions)
        .map(|(name, text)| ((*name).to_owned(), text.clone().into_bytes()))
        .collect();
    assert_eq!(tree(&world, "out"), expected);
    world.run(&["prompt", "import", "out"]).expect(0, &["3 of 3"]);
    assert_eq!(tree(&world, "prompts"), expected);
    world
        .run(&["prompt", "export", "one", "a.b", "--catalog", "ledger"])
        .expect(0, &["a.b is a.b.v2", "one written: 1 prompt"]);
    assert_eq!(tree(&world, "one"), [("a.b.md".to_owned(), versions[1].clone().into_bytes())]);
}

#[test]
fn what_cannot_be_exported_is_told_and_the_folder_stays() {
    let world = World::new();
    world.run(&["prompt", "export", "--all", "out"]).expect(1, &["no catalog folder", "--catalog built-in"]);
    world.write("prompts/a.md", native("a", "1", "one"));
    world.write("full/other.txt", "mine");
    world.write("full/a.md", "mine too");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--all", "full"], 1, "with something else in it"),
        (&["--all", "full/a.md"], 1, "is not a folder"),
        (&["out", "nobody"], 1, "nobody"),
        (&["out"], 2, "REF"),
        (&["out", "a", "--all"], 2, "--all"),
        (&["--all", "out", "--catalog", "snapshot:none"], 1, "no ledger"),
    ];
    for (args, code, message) in cases {
        world.run(&[&["prompt", "export"], *args].concat()).expect(*code, &[message]);
        assert!(!world.project.join("out").exists(), "{args:?}");
    }
    world.write("prompts/broken.md", "---\nprompt_id: broken\nversion: x\n---\n");
    world.run(&["prompt", "export", "--all", "out"]).expect(4, &["broken.md", "nothing was exported"]);
    world.run(&["prompt", "export", "out", "a"]).ok();
    fs::remove_file(world.project.join("prompts/broken.md")).unwrap();
    assert_eq!(world.read("full/a.md"), b"mine too");
    // By force, what is of this name and no more.
    world.run(&["prompt", "export", "--all", "full", "--force"]).ok();
    assert_eq!(world.read("full/a.md"), world.read("prompts/a.md"));
    assert_eq!(world.read("full/other.txt"), b"mine");
    #[cfg(unix)]
    {
        world.write("prompts/sub/b.md", native("b", "1", "x"));
        world.write("outside/keep.txt", "x");
        std::os::unix::fs::symlink("../outside", world.project.join("full/sub")).unwrap();
        world.run(&["prompt", "export", "--all", "full", "--force"]).expect(1, &["sub is not a folder"]);
        assert!(!world.project.join("outside/b.md").exists());
    }
}

/// Someone else's file appears between the look and the writing: it stays, and what was written before goes.
#[test]
fn an_import_that_fails_midway_leaves_nothing() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.write(&format!("in/{name}.md"), native(name, "1", "x"));
    }
    let into = world.project.join("prompts");
    let source = Source::folder(Layer::Workspace, world.project.join("in"));
    let wanted = Import { into: &into, convert: None };
    let plan = plan_catalog_import(found_in(&source).unwrap(), &wanted, None).unwrap();
    world.write("prompts/b.md", "mine");
    let error = plan.write(&into).unwrap_err();
    assert!(error.to_string().contains("has just appeared"), "{error}");
    assert_eq!(tree(&world, "prompts"), [("b.md".to_owned(), b"mine".to_vec())]);
}

/// What a killed import leaves is no part of the catalog, and the next one goes on from it.
#[test]
fn an_import_goes_on_after_a_kill() {
    let world = World::new();
    world.write("in/a.md", native("a", "1", "x"));
    world.write("in/b.md", native("b", "1", "x"));
    world.write("prompts/a.md", native("a", "1", "x"));
    world.write("prompts/.promptos-unfinished-1", "half");
    world
        .run(&["prompt", "import", "in"])
        .expect(0, &["a.v1  is there already, identical", "b.v1  written", "1 of 2"]);
    assert_eq!(tree(&world, "prompts"), tree(&world, "in"));
}

fn below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let found = found_in(&Source::folder(Layer::Workspace, root)).unwrap();
    found.into_iter().map(|file| (file.path.to_str().unwrap().to_owned(), file.bytes.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever a catalog holds goes out and comes in as it is.
    #[test]
    fn out_and_in_again(files in prop::collection::btree_map("([a-c]{1,2}/){0,2}[d-f]{1,3}", "[a-zé\r\n\t #-]{0,20}", 1..5)) {
        let world = World::new();
        for (at, (path, body)) in files.iter().enumerate() {
            world.write(&format!("from/{path}.md"), native(&format!("p{at}"), "1", &format!("x{body}")));
        }
        let root = world.project.join("from");
        let before = below(&root);
        prop_assert_eq!(before.len(), files.len());
        let catalog = Catalog::load(&[Source::folder(Layer::Workspace, &root)], false).unwrap();
        let prompts: Vec<&Prompt> = catalog.prompts().iter().map(|prompt| &**prompt).collect();
        let out = world.project.join("out");
        export_catalog(&prompts, &out, false).unwrap();
        prop_assert_eq!(&below(&out), &before);
        let into = world.project.join("into");
        let wanted = Import { into: &into, convert: None };
        let found = found_in(&Source::folder(Layer::Workspace, &out)).unwrap();
        plan_catalog_import(found, &wanted, None).unwrap().write(&into).unwrap();
        prop_assert_eq!(&below(&into), &before);
    }
}
