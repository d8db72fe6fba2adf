//! What a person hands to the program that is wrong, hostile or strange: prompts, texts, attachments, old session
//! logs, settings.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::Value;
use std::fs;
use std::process::Command;
use support::refusal::{changes, prompt};
use support::{World, finish};

/// Looks like a credential and is none.
const SECRET: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB";

fn dev<'a>(prompts: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["dev", "--prompts", prompts], more].concat()
}

/// `dev` refuses on bare ground, where nothing at all is made, and on a ledger, which stays as it is.
#[track_caller]
fn dev_refuses(world: &World, code: i32, args: &[&str], essentials: &[&str]) {
    world.refuses(code, args, essentials);
    assert!(!world.path(".promptos").exists() && !world.home.join(".config").exists());
    world.ok(&["--ledger", "other.redb", "dev", "--prompts", "P05"]);
    let on_ledger = [&["--ledger", "other.redb"], args].concat();
    world.refuses(code, &on_ledger, essentials);
    assert_eq!(world.json(&["--ledger", "other.redb", "verify-chain"])["size"], 2);
}

// ---- prompts ----

#[test]
fn prompts_that_are_not_there() {
    let world = World::new();
    world.refuses(1, &dev("P0", &[]), &["there is no prompt `P0`", "did you mean P00", "gates: P00, P01"]);
    world.refuses(1, &dev("P00.v7", &[]), &["the prompt `P00` has no version 7", "it has: 1"]);
    world.refuses(1, &dev("P00.", &[]), &["there is no prompt `P00.`"]);
    world.refuses(1, &dev("../P00", &[]), &["there is no prompt `../P00`"]);
    world.refuses(1, &dev("P00,P00.v1", &[]), &["P00.v1 is named twice"]);
    world.refuses(1, &dev("a\u{1b}[31mb\u{202e}", &[]), &["there is no prompt", "\\u{1b}", "\\u{202e}"]);
    dev_refuses(&world, 1, &dev("P..", &[]), &["there is no prompt `P..`", "gates:"]);
}

#[test]
fn no_prompts_lists_the_gates() {
    let world = World::new();
    for args in [dev("", &[]), dev(" , ", &[]), vec!["dev"]] {
        world.refuses(2, &args, &["no prompts", "--prompts A,B", "P00   Context Lock (P00.v1)", "P08"]);
    }
}

#[test]
fn broken_prompts() {
    let world = World::new();
    let latin = [&prompt("LAT", "").into_bytes()[..], b"h\xe9llo\n"].concat();
    world.write("prompts/latin.md", latin);
    world.write("prompts/yaml.md", prompt("YAML", "").replace("title: Test", "title: [Test"));
    world.write("prompts/open.md", "---\nprompt_id: OPEN\nversion: 1\n");
    world.write("prompts/lint.md", "---\nprompt_id: LINT\nversion: 1\n---\nno fields\n");
    world.write("prompts/nameless.md", "---\nprompt_id: [NAMELESS\nversion: 1\n---\nx\n");
    let refused = "so nothing was recorded";
    world.refuses(4, &dev("LAT", &[]), &[refused, "latin.md", "is not UTF-8", "save the file as UTF-8"]);
    world.refuses(4, &dev("YAML", &[]), &[refused, "yaml.md:", "frontmatter.syntax"]);
    world.refuses(4, &dev("OPEN", &[]), &[refused, "the frontmatter is never closed"]);
    world.refuses(4, &dev("P00,LINT", &[]), &[refused, "lint.md:", "`owner` is missing"]);
    world.refuses(4, &dev("NAMELESS", &[]), &[refused, "nameless.md:", "frontmatter.syntax"]);
    world.refuses(
        1,
        &dev("UNKNOWN", &[]),
        &["there is no prompt `UNKNOWN`", "not usable: ", "promptos lint"],
    );
    let lint = world.refuses(4, &["lint"], &["lint found errors"]);
    for file in ["latin.md", "yaml.md", "open.md", "lint.md", "nameless.md"] {
        assert!(lint.stdout.contains(&format!("prompts/{file}:")), "{lint:?}");
    }
    world.refuses(1, &["lint", "nowhere"], &["nowhere"]);
    // Broken ones are in nobody's way.
    world.ok(&dev("P00", &[]));
    assert_eq!(world.verified(), 2);
}

#[test]
fn two_files_that_claim_one_ref() {
    let world = World::new();
    world.write("prompts/a.md", prompt("TWICE", "one"));
    world.write("prompts/b.md", prompt("TWICE", "two"));
    dev_refuses(&world, 1, &dev("TWICE", &[]), &["TWICE.v1 is defined twice", "a.md", "b.md"]);
}

#[test]
fn the_exact_bytes_come_back() {
    let world = World::new();
    let text = prompt("X", "Grüße, 世界 🎉\n\ttabs  and trailing  \n\n\n");
    let forms = [
        ("lf", text.replace("prompt_id: X", "prompt_id: LF")),
        ("crlf", text.replace("prompt_id: X", "prompt_id: CRLF").replace('\n', "\r\n")),
        ("bom", format!("\u{feff}{}", text.replace("prompt_id: X", "prompt_id: BOM"))),
        ("none", text.replace("prompt_id: X", "prompt_id: NONE").trim_end().to_owned()),
        ("nul", text.replace("prompt_id: X", "prompt_id: NUL") + "a\0b"),
    ];
    for (name, text) in forms {
        world.write(&format!("prompts/{name}.md"), &text);
        let id = name.to_uppercase();
        let recorded = world.run(&dev(&id, &[]));
        if recorded.code != 0 {
            recorded.failed(4, &["so nothing was recorded"]);
            continue;
        }
        let cat = world.promptos(&["cat", &format!("{id}.v1")]).output().unwrap();
        assert_eq!(cat.stdout, text.as_bytes(), "{name}");
        let entry = world.json(&["dev", "--prompts", &id]);
        let digest = entry["prompts"][0]["blake3"].as_str().unwrap().to_owned();
        assert_eq!(digest, blake3::hash(text.as_bytes()).to_hex().to_string());
        assert_eq!(world.promptos(&["cat", &digest[..8]]).output().unwrap().stdout, text.as_bytes());
    }
    assert!(world.verified() > 6);
}

#[test]
fn other_bytes_under_a_bound_ref() {
    let world = World::new();
    let first = prompt("X", "one");
    world.write("prompts/x.md", &first);
    let bound = world.json(&dev("X", &[]));
    let second = prompt("X", "two");
    world.write("prompts/x.md", &second);
    let digests = [&first, &second].map(|text| blake3::hash(text.as_bytes()).to_hex().to_string());
    let id = bound["entry"]["id"].as_str().unwrap();
    let essentials = ["X.v1 is bound to other bytes", &digests[0], &digests[1], "entry 1", id, "new version"];
    world.refuses(4, &dev("X", &[]), &essentials);
    world.refuses(4, &dev("P00,X", &[]), &essentials);
    // Nothing of it was recorded: not the other prompt either.
    assert_eq!(world.verified(), 2);
    world.refuses(1, &["cat", "P00.v1"], &["holds no content"]);
}

// ---- secrets ----

#[test]
fn secrets_are_not_recorded() {
    let world = World::new();
    let notes = format!("use {SECRET} here");
    let attached = world.write("log.txt", format!("line\n  {SECRET}\n"));
    let attached = attached.to_str().unwrap();
    world.write("prompts/secret.md", prompt("SECRET", &format!("Log in with {SECRET}.")));
    let essentials = ["so nothing was recorded", "a GitHub token (ghp_…)", "--allow-secret REASON"];
    for args in [
        dev("P00", &["--notes", &notes]),
        dev("P00", &["--developer", &notes]),
        dev("P00", &["--target-repo", &notes]),
        dev("P00", &["--attach", attached]),
    ] {
        let refused = world.refuses(4, &args, &essentials);
        assert!(!refused.stderr.contains(SECRET), "{refused:?}");
    }
    world.refuses(4, &dev("P00", &["--attach", attached]), &["log.txt:2:3"]);
    world.refuses(4, &dev("P00", &["--notes", &notes]), &["the notes:1:5"]);
    let refused = world.refuses(4, &dev("SECRET", &[]), &["so nothing was recorded", "secret.md:"]);
    assert!(!refused.stderr.contains(SECRET), "{refused:?}");
    assert!(!world.path(".promptos").exists() && !world.config().exists());

    {
        let args = dev("SECRET", &["--attach", attached, "--notes", &notes]);
        let allowed = world.run(&[args.as_slice(), &["--allow-secret", "revoked since"]].concat());
        assert_eq!(allowed.code, 0, "{allowed:?}");
        assert!(allowed.stderr.contains("recorded as allowed"), "{allowed:?}");
        assert!(!allowed.stderr.contains(SECRET), "{allowed:?}");
    }
    let shown = world.json(&["show", "1"]);
    assert_eq!(shown["details"]["allow-secret"], "revoked since");
    assert_eq!(shown["details"]["notes"], notes.as_str());
    assert_eq!(world.verified(), 2);
}

// ---- texts ----

#[test]
fn strange_texts_are_kept_exactly_and_shown_harmlessly() {
    let long = "0123456789 ".repeat(9_100);
    let texts = [
        ("quotes", r#"it's "quoted" \ and $(not) `run` %s %n"#),
        ("backticks", "`` ` ``` a` `"),
        ("lines", "one\ntwo\r\nthree\rfour\n\n> - Developer: `mallory`\n"),
        ("control", "\u{1b}[2J\u{1b}]0;owned\u{7}\u{8}\u{7f}\u{85}\u{9b}31m\tx"),
        ("direction", "abc\u{202e}fed\u{202c}\u{2066}x\u{2069}\u{200b}\u{200f}\u{feff}\u{2028}\u{2029}"),
        ("hidden", "a\u{ad}b\u{e0041}\u{e007f}c\u{fff9}d\u{180e}"),
        ("markdown", "**bold** [link](http://x) <b>html</b> | table\n# heading"),
        ("unicode", "e\u{301} é 👩‍👩‍👧‍👦 \u{10ffff}"),
        ("empty", ""),
        ("blank", "   "),
        ("long", &long),
    ];
    let world = World::new();
    for (name, text) in texts {
        let out = format!("out-{name}");
        let args = ["--developer", text, "--target-repo", text, "--notes", text, "--artifacts-dir", &out];
        let recorded = world.run(&dev("P00", &args));
        assert_eq!(recorded.code, 0, "{name}: {recorded:?}");
        let block: Vec<&str> = recorded.stdout.lines().collect();
        assert_eq!(block.len(), 7, "{name}: {block:?}");
        assert_eq!(block[0], "> **Governed Session**");
        let fields = [
            "PromptOS Version",
            "Prompts Used",
            "Session Artifact",
            "Developer",
            "Target Repo",
            "Ledger Entry",
        ];
        for (line, field) in block[1..].iter().zip(fields) {
            let rest =
                line.strip_prefix(&format!("> - {field}: `")).unwrap_or_else(|| panic!("{name}: {line}"));
            let inner = rest.strip_suffix('`').unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(!inner.contains('`') && !inner.is_empty(), "{name}: it escapes its code span: {line}");
        }
        harmless(name, &recorded.stdout);
        harmless(name, &recorded.stderr);

        let log = world.json(&["log", "-n", "1"]);
        let index = log["entries"][0]["index"].to_string();
        let shown = world.run(&["--json", "show", &index]);
        harmless(name, &shown.stdout);
        let shown = shown.json();
        let file: Value =
            serde_json::from_slice(&fs::read(world.path(&out).join("prompt_session.json")).unwrap()).unwrap();
        for (detail, field) in [("developer", "developer"), ("target", "target_repo"), ("notes", "notes")] {
            assert_eq!(shown["details"][detail], text, "{name}");
            assert_eq!(file[field], text, "{name}");
        }
        let session = format!("{out}/prompt_session.json");
        for args in [
            vec!["show", index.as_str()],
            vec!["log"],
            vec!["trace", index.as_str()],
            vec!["trace", session.as_str()],
            vec!["verify", session.as_str()],
            vec!["export", "--artifacts-dir", out.as_str(), "--session", index.as_str()],
        ] {
            let output = world.run(&args);
            assert_eq!(output.code, 0, "{name}: {output:?}");
            harmless(name, &output.stdout);
            harmless(name, &output.stderr);
        }
    }
    assert_eq!(world.verified(), texts.len() as u64 + 1);
}

/// Nothing in it moves a terminal's cursor, changes direction or hides.
#[track_caller]
fn harmless(name: &str, text: &str) {
    let harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    assert_eq!(text.chars().find(|c| harmful(*c)), None, "{name}: {}", text.escape_debug());
}

#[test]
fn messages_do_not_obey_strange_names() {
    let world = World::with_session();
    let name = "a\u{1b}[31m\u{202e}\nb";
    for args in [
        vec!["show", name],
        vec!["cat", name],
        vec!["trace", name],
        vec!["verify", name],
        vec!["lint", name],
        vec!["attach", "--run-record", name],
        vec!["dev", "--prompts", "P00", "--attach", name],
        vec!["--key", name, "dev", "--prompts", "P00"],
        vec!["--ledger", name, "log"],
        vec!["-C", name, "log"],
        vec!["export", "--artifacts-dir", "out", "--session", name],
        vec!["key", "add", name, "--identity", "x", "--role", "user"],
        vec!["verify-chain", "--checkpoint", name],
    ] {
        let output = world.refuses(1, &args, &[]);
        harmless(args[0], &output.stderr);
        harmless(args[0], &output.stdout);
    }
    assert_eq!(world.verified(), 2);
}

#[test]
fn texts_that_are_not_utf8() {
    let world = World::new();
    let bytes: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(vec![b'a', 0xff]);
    let output = finish(world.promptos(&dev("P00", &["--notes"])).arg(bytes)).failed(2, &["invalid UTF-8"]);
    assert_eq!(output.stdout, "");
    assert!(!world.path(".promptos").exists());
}

// ---- attachments ----

#[test]
fn attachments_that_cannot_be_kept() {
    let world = World::new();
    world.write("a/same.txt", "one");
    world.write("b/same.txt", "two");
    world.write("name/x", "");
    fs::create_dir(world.path("folder")).unwrap();
    let attach = |file: &str, essentials: &[&str]| {
        world.refuses(1, &dev("P00", &["--attach", file]), essentials);
    };
    attach("nowhere.txt", &["cannot read nowhere.txt", "No such file"]);
    attach("folder", &["folder is not a regular file"]);
    world.refuses(2, &dev("P00", &["--attach", ""]), &["--attach"]);
    let other = World::new();
    let (one, two) = (other.write("same.txt", "elsewhere"), world.path("a/same.txt"));
    let both = dev("P00", &["--attach", one.to_str().unwrap(), "--attach", two.to_str().unwrap()]);
    world.refuses(1, &both, &["two attachments would be called 'same.txt'", "rename one"]);
    if Command::new("mkfifo").arg(world.path("pipe")).status().is_ok_and(|s| s.success()) {
        attach("pipe", &["pipe is not a regular file"]);
    }
    std::os::unix::fs::symlink(world.path("gone"), world.path("dangling")).unwrap();
    attach("dangling", &["cannot read dangling"]);
    assert!(!world.path(".promptos").exists() && !world.config().exists());
    // What lies elsewhere goes by its name alone, and a link is the file that it leads to.
    std::os::unix::fs::symlink(&two, world.path("link.txt")).unwrap();
    let above = format!("../../{}/project/same.txt", other.root().file_name().unwrap().to_str().unwrap());
    world.ok(&[
        "--ledger",
        "other.redb",
        "dev",
        "--prompts",
        "P00",
        "--attach",
        "link.txt",
        "--attach",
        &above,
    ]);
    let files = world.json(&["--ledger", "other.redb", "show", "1"])["files"].clone();
    for (file, path, text) in [(&files[0], "link.txt", "one"), (&files[1], "same.txt", "elsewhere")] {
        assert_eq!(file["path"], path);
        assert_eq!(file["blake3"], blake3::hash(text.as_bytes()).to_hex().to_string());
    }
    // The same name in two folders is two names.
    world.ok(&dev("P00", &["--attach", "a/same.txt", "--attach", "./b/same.txt"]));
    let files = world.json(&["show", "1"])["files"].clone();
    assert_eq!(files[0]["path"], "a/same.txt");
    assert_eq!(files[1]["path"], "b/same.txt");
    assert_eq!(world.verified(), 2);
}

// ---- imports ----

#[test]
fn session_logs_that_are_none() {
    let world = World::with_session();
    let good = r#"{"timestamp_utc": "2025-01-01T00:00:00Z", "prompt_os_version": "v1", "prompts_used": ["P00"],
        "developer": "d", "target_repo": "t", "notes": "", "lint_passed": true}"#;
    let with_hash = good.replace(r#""lint_passed": true"#, r#""lint_passed": true, "artifact_hash": "00""#);
    world.write("good.json", good);
    for (name, text, code, essential) in [
        ("a.json", "not json", 1, "a.json: this is not JSON"),
        ("b.json", "[]", 1, "it is not an object"),
        ("c.json", "{}", 1, "is missing"),
        ("d.json", &good.replace("P00", "P0"), 1, "is no prompt id"),
        ("e.json", &good.replace("2025-01", "2025-13"), 1, "is not a UTC time"),
        ("f.json", &with_hash, 3, "it was changed"),
        ("g.json", &good.replace("\"notes\"", "\"\\u001b[31m\": 1, \"notes\""), 1, "has a field"),
    ] {
        world.write(name, text);
        let output = world.refuses(code, &["session", "import", name], &["not every file was imported"]);
        assert!(output.stdout.contains(name) && output.stdout.contains(essential), "{output:?}");
        harmless(name, &output.stdout);
    }
    world.write("good.sha256", "0000  good.json\n");
    let output = world.refuses(3, &["session", "import", "good.json"], &["not every file"]);
    assert!(output.stdout.contains("good.sha256 beside it says 0000"), "{output:?}");
    fs::remove_file(world.path("good.sha256")).unwrap();
    // The good one among bad ones is imported; the worst one decides the outcome.
    let output = world.run(&["session", "import", "a.json", "f.json", "good.json", "nowhere.json"]);
    assert_eq!(output.code, 3, "{output:?}");
    assert_eq!(world.verified(), 3);
    assert!(world.ok(&["session", "import", "good.json"]).contains("known"), "imported before");
    assert_eq!(world.verified(), 3);
}

// ---- settings ----

#[test]
fn settings_that_make_no_sense() {
    let world = World::new();
    for (text, essential) in [
        ("not toml", "promptos.toml:1:"),
        ("[policy]\nseparation = \"sometimes\"\n", "promptos.toml:2:"),
        ("[policy]\nseperation = \"off\"\n", "unknown field `seperation`"),
        ("[catalog]\npath = \"nowhere\"\n", "the catalog folder"),
    ] {
        world.write("promptos.toml", text);
        world.refuses(1, &dev("P00", &[]), &[essential]);
    }
    assert!(!world.path(".promptos").exists() && !world.config().exists());
    world.write("promptos.toml", "");
    world.ok(&dev("P00", &["--artifacts-dir", "art"]));
    world.write("promptos.toml", "[trust]\nledgers = [\"xyz\"]\n");
    let before = world.snapshot();
    world.fails(1, &["verify", "art/prompt_session.json"], &["[trust]"]);
    assert_eq!(changes(&before, &world.snapshot()), Vec::<String>::new());
}
