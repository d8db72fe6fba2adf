//! Snapshots of the catalog, from the command line: taken, refused, compared, checked out, and named by sessions.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use redb::ReadableTable as _;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::refusal::CHUNKS;
use support::{World, finish, text, tree};

fn prompt(id: &str, version: u32, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: {version}\ntitle: {id}\nrole: task\nsummary: what it does\nowner: tests\n\
         status: current\ninputs: []\noutput_contract: {{type: text}}\n---\n{body}\n"
    )
}

/// A committed catalog of two prompts and a document.
fn catalog() -> World {
    let world = World::with_git("Ada", "ada@example.org");
    world.write("prompts/a.md", prompt("a", 1, "do a"));
    world.write("prompts/deep/b.md", prompt("b", 1, "do b"));
    world.write("prompts/README.md", "no prompt");
    world.commit("prompts");
    world
}

/// How many entries the ledger has; none without a ledger.
fn size(world: &World) -> usize {
    match world.project.join(".promptos/ledger.redb").exists() {
        true => world.json(&["log"])["entries"].as_array().unwrap().len(),
        false => 0,
    }
}

#[test]
fn the_catalog_of_then_comes_back_byte_for_byte() {
    let world = catalog();
    let odd = [
        ("crlf.md", prompt("crlf", 1, "one\r\ntwo").replace('\n', "\r\n").into_bytes()),
        ("bom.md", format!("\u{feff}{}", prompt("bom", 2, "x")).into_bytes()),
        ("with space/ünï\u{2028} code.md", prompt("odd", 3, "no line end").trim_end().as_bytes().to_vec()),
        ("UPPER.MD", prompt("upper", 1, "\u{0} NUL and \u{7f}").into_bytes()),
        // The same prompt again, in another file.
        ("copy.md", prompt("a", 1, "do a").into_bytes()),
    ];
    for (name, bytes) in &odd {
        world.write(&format!("prompts/{name}"), bytes);
    }
    world.commit("odd prompts");
    world.git(&["tag", "release-1"]).ok();
    let report = world.json(&["snapshot", "create", "v1"]);
    let head = world.git(&["rev-parse", "HEAD"]).ok().stdout;
    assert_eq!((text(&report, "/commit"), text(&report, "/tag")), (head.trim(), "release-1"));
    assert_eq!(report["lint"]["errors"], 0, "{report:#}");
    assert_eq!((&report["files"], &report["refs"]), (&json!(14), &json!(13)));
    let mut before = tree(&world.project.join("prompts"));
    before.remove("README.md");

    for name in before.keys() {
        world.write(&format!("prompts/{name}"), prompt("changed", 9, name));
    }
    world.run(&["snapshot", "checkout", "v1", "--to", "out"]).expect(0, &["14 files of v1"]);
    let mut after = tree(&world.project.join("out"));
    let gates: Vec<String> = after.keys().filter(|name| name.starts_with("built-in/")).cloned().collect();
    assert_eq!(gates.len(), 7, "the gates that were in force");
    let gate = include_bytes!("../prompts/P05_constrained_builder.md");
    assert_eq!(after["built-in/P05.v1.md"], gate);
    gates.iter().for_each(|name| drop(after.remove(name)));
    assert_eq!(after, before);
    // Taken as a catalog it stands for the same prompts, whatever a later program brings.
    world.write("promptos.toml", "[catalog]\npath = \"out\"\nbuiltin = false\n");
    world.run(&["snapshot", "diff", "v1"]).expect(0, &["0 removed, 0 added, 0 changed, 0 moved"]);
    world.run(&["verify-chain"]).ok();
}

#[test]
fn a_catalog_that_is_not_what_the_commit_has_is_refused() {
    type Change<'a> = &'a dyn Fn(&World);
    let cases: [(&str, &str, Change<'_>); 4] = [
        ("changed", " M prompts/a.md", &|w| drop(w.write("prompts/a.md", prompt("a", 1, "other")))),
        ("untracked", "?? prompts/new.md", &|w| drop(w.write("prompts/new.md", prompt("new", 1, "x")))),
        ("removed", " D prompts/deep/b.md", &|w| {
            fs::remove_file(w.project.join("prompts/deep/b.md")).unwrap()
        }),
        ("ignored", "!! private.md", &|w| {
            w.write(".git/info/exclude", "private.md\n");
            w.write("prompts/private.md", prompt("private", 1, "x"));
        }),
    ];
    for (what, shown, change) in cases {
        let world = catalog();
        change(&world);
        world
            .run(&["snapshot", "create", "v1"])
            .expect(4, &["differs from the git commit", shown, "--allow-dirty"]);
        assert_eq!(size(&world), 0, "{what}: nothing is made before everything was checked");
        let report = world.json(&["snapshot", "create", "v1", "--allow-dirty"]);
        assert_eq!((&report["commit"], &report["tag"]), (&Value::Null, &Value::Null), "{what}");
    }
    // What lies elsewhere in the repository is no part of the catalog.
    let world = catalog();
    world.write("elsewhere.txt", "x");
    assert!(world.json(&["snapshot", "create", "v1"])["commit"].is_string());
    // And a catalog in no repository has no commit.
    let world = World::new();
    world.write("prompts/a.md", prompt("a", 1, "do a"));
    world
        .run(&["snapshot", "create", "v1"])
        .expect(0, &["in no git repository", "none that has these files"]);
}

#[test]
fn a_catalog_with_errors_is_refused() {
    let world = catalog();
    world.write("prompts/broken.md", b"---\nprompt_id: broken\nversion: 1\n---\n\xff\xfe not UTF-8");
    world.commit("broken");
    world
        .run(&["snapshot", "create", "v1"])
        .expect(4, &["lint found errors", "broken.md", "--allow-findings"]);
    assert_eq!(size(&world), 0);
    world.run(&["snapshot", "create", "v1", "--allow-findings"]).expect(0, &["recorded as allowed"]);
    let shown = world.json(&["snapshot", "show", "v1"]);
    assert_eq!(shown["lint"]["errors"], 1, "{shown:#}");
    let files = shown["files"].as_array().unwrap();
    let broken = files.iter().find(|file| file["path"] == "broken.md").unwrap();
    assert_eq!(broken["ref"], Value::Null, "it stands for nothing");
    world.run(&["snapshot", "checkout", "v1", "--to", "out"]).ok();
    assert_eq!(world.read("out/broken.md"), world.read("prompts/broken.md"));

    // Two files with one ref: lint refuses them, and one of them has it.
    let world = catalog();
    world.write("prompts/z.md", prompt("a", 1, "something else"));
    world.commit("twice");
    world.run(&["snapshot", "create", "v1"]).expect(4, &["a.v1", "also defined"]);
    world.run(&["snapshot", "create", "v1", "--allow-findings"]).ok();
    let shown = world.json(&["snapshot", "show", "v1"]);
    let refs = shown["files"].as_array().unwrap().iter().filter(|file| file["ref"] == "a.v1").count();
    assert_eq!(refs, 1, "{shown:#}");
}

#[test]
fn a_ref_that_is_bound_to_other_bytes_is_refused() {
    let world = catalog();
    world.run(&["dev", "--prompts", "a,b"]).ok();
    world.write("prompts/a.md", prompt("a", 1, "changed under its version"));
    world.write("prompts/deep/b.md", prompt("b", 1, "changed too"));
    world.commit("edited");
    world
        .run(&["snapshot", "create", "v1"])
        .expect(4, &["a.v1 is bound to other bytes, and so are 1 others", "session/"]);
    assert_eq!(size(&world), 2);
    world
        .run(&["snapshot", "create", "v1", "--allow-findings"])
        .expect(0, &["a.v1 is bound", "b.v1 is bound"]);
    // A session cannot use it all the same.
    world.run(&["dev", "--prompts", "a"]).expect(4, &["a.v1 is bound to other bytes"]);
}

#[test]
fn a_name_is_used_once_and_is_a_name() {
    let world = catalog();
    world.run(&["snapshot", "create", "v1"]).ok();
    world
        .run(&["snapshot", "create", "v1"])
        .expect(4, &["there is a snapshot v1 already", "entry 1", "choose another"]);
    assert_eq!(size(&world), 2);
    let long = "v".repeat(129);
    for bad in ["", "now", "with space", "é", &long] {
        world.run(&["snapshot", "create", bad]).expect(2, &["cannot be the name of a snapshot"]);
    }
    for good in ["v1.0/rc-1", &"v".repeat(128), "NOW"] {
        world.run(&["snapshot", "create", good]).ok();
        world.run(&["snapshot", "show", good]).ok();
    }
    let names = world.json(&["snapshot", "list"]);
    let names: Vec<_> =
        names["snapshots"].as_array().unwrap().iter().map(|s| text(s, "/name").len()).collect();
    assert_eq!(names, [2, 9, 128, 3]);
    world.run(&["snapshot", "show", "v2"]).expect(1, &["no snapshot 'v2'", "snapshot list"]);
    world.run(&["snapshot", "diff", "v1", "v2"]).expect(1, &["no snapshot 'v2'"]);
    world.run(&["snapshot", "checkout", "v2", "--to", "out"]).expect(1, &["no snapshot 'v2'"]);
}

#[test]
fn what_cannot_be_checked_out_everywhere_is_not_taken() {
    let world = World::new();
    world.run(&["snapshot", "create", "v0"]).ok(); // the gates alone
    world.write("promptos.toml", "[catalog]\nbuiltin = false\n");
    world.run(&["snapshot", "create", "v1"]).expect(1, &["no prompts to take a snapshot of"]);
    world.write("prompts/a.md", prompt("a", 1, "a"));
    world.write("prompts/A.md", prompt("b", 1, "b"));
    world.run(&["snapshot", "create", "v1"]).expect(1, &["'A.md' and 'a.md' cannot both be there"]);
    fs::remove_file(world.project.join("prompts/A.md")).unwrap();
    {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"\xff.md");
        let file = world.project.join("prompts").join(name);
        fs::write(&file, prompt("c", 1, "c")).unwrap();
        world.run(&["snapshot", "create", "v1"]).expect(1, &["is not UTF-8", "rename it"]);
        fs::remove_file(file).unwrap();
    }
    // A link out of the catalog, even when errors are allowed.
    world.write("secret.md", prompt("s", 1, "s"));
    symlink("../secret.md", world.project.join("prompts/link.md")).unwrap();
    world.run(&["snapshot", "create", "v1"]).expect(1, &["leads out of the catalog"]);
    world.run(&["snapshot", "create", "v1", "--allow-findings"]).expect(1, &["leads out of the catalog"]);
    assert_eq!(size(&world), 2);
}

#[test]
fn a_difference_is_told_by_ref() {
    let world = catalog();
    world.run(&["snapshot", "create", "v1"]).ok();
    assert_eq!(
        world.run(&["snapshot", "diff", "v1"]).ok().stdout,
        "0 removed, 0 added, 0 changed, 0 moved\n"
    );
    fs::rename(world.project.join("prompts/a.md"), world.project.join("prompts/moved.md")).unwrap();
    world.write("prompts/deep/b.md", prompt("b", 1, "changed"));
    world.write("prompts/c.md", prompt("c", 1, "new"));
    world.write("prompts/P05.md", prompt("P05", 1, "our own gate"));
    let expected = |report: &Value| {
        let names = |key: &str| -> Vec<String> {
            let items = report[key].as_array().unwrap().iter();
            items
                .map(|i| i.get("ref").or_else(|| i["to"].get("ref")).unwrap().as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("added"), ["c.v1"]);
        assert_eq!(names("removed"), [""; 0]);
        assert_eq!(names("changed"), ["P05.v1", "b.v1"]);
        assert_eq!(names("moved"), ["a.v1"]);
    };
    expected(&world.json(&["snapshot", "diff", "v1"]));
    world.run(&["snapshot", "create", "v2", "--allow-dirty"]).ok();
    expected(&world.json(&["snapshot", "diff", "v1", "v2"]));
    let back = world.json(&["snapshot", "diff", "v2", "v1"]);
    assert_eq!((&back["removed"][0]["ref"], back["added"].as_array().unwrap().len()), (&json!("c.v1"), 0));
    world.run(&["snapshot", "diff", "v1", "v2"]).expect(
        0,
        &["added    c.v1 c.md", "moved    a.v1 moved.md was a.md", "0 removed, 1 added, 2 changed, 1 moved"],
    );
}

#[test]
fn a_session_names_the_snapshot_in_force() {
    let world = catalog();
    let before = world.json(&["dev", "--prompts", "P00,a"]);
    assert_eq!((&before["snapshot"], text(&before, "/catalog")), (&Value::Null, "UNRELEASED"));
    world.git(&["tag", "git-1"]).ok();
    assert_eq!(text(&world.json(&["version"]), "/catalog"), "git-1");
    let made = world.json(&["snapshot", "create", "v1"]);
    let id = text(&made, "/entry/id");
    world.run(&["version"]).expect(0, &["catalog  v1"]);
    let under = world.json(&["dev", "--prompts", "P00,a", "--artifacts-dir", "art"]);
    assert_eq!((text(&under, "/snapshot"), text(&under, "/catalog")), (id, "v1"));
    let session: Value = serde_json::from_slice(&world.read("art/prompt_session.json")).unwrap();
    assert_eq!((text(&session, "/ledger/snapshot"), text(&session, "/ledger/catalog_version")), (id, "v1"));

    // In the ledger and in the evidence alike.
    world.run(&["show", text(&under, "/session")]).expect(0, &["snapshot", id, "catalog v1"]);
    let traced = world.json(&["trace", text(&under, "/session")]);
    assert_eq!(traced["to"][0]["steps"][0]["name"], "v1", "{traced:#}");
    let back = world.json(&["trace", "v1"]);
    assert_eq!(back["used_by"][0]["name"], under["session"], "{back:#}");
    world
        .run(&["verify", "art/prompt_session.json"])
        .expect(0, &["snapshot  v1 entry:", "as its signer says"]);
    assert_eq!(world.json(&["verify", "art/prompt_session.json"])["snapshot"]["entry"], id);
    world.write("art/run_record.json", r#"{"run_id": "r"}"#);
    world.run(&["attach", "--run-record", "art/run_record.json"]).ok();
    world.run(&["verify", "art/run.evidence.tar"]).ok();

    // A prompt that is newer than the snapshot, and one that is the user's own.
    world.write("prompts/c.md", prompt("c", 1, "new"));
    world.run(&["dev", "--prompts", "a,c"]).expect(0, &["v1 is not in force: c.v1 is not in it"]);
    fs::create_dir_all(world.home.join(".config/promptos/prompts")).unwrap();
    fs::write(world.home.join(".config/promptos/prompts/mine.md"), prompt("mine", 1, "mine")).unwrap();
    world.run(&["dev", "--prompts", "mine"]).expect(0, &["mine.v1 is not in it"]);
    world.run(&["version"]).expect(0, &["catalog  git-1", "snapshot v1, and 1 changes since"]);
    // The newest counts, and it alone.
    world.run(&["snapshot", "create", "v2", "--allow-dirty"]).expect(0, &["no commit is recorded"]);
    assert_eq!(text(&world.json(&["dev", "--prompts", "a,c"]), "/catalog"), "v2");
    fs::remove_file(world.project.join("prompts/c.md")).unwrap();
    world.run(&["snapshot", "create", "v3"]).ok();
    world.write("prompts/c.md", prompt("c", 1, "new"));
    world.run(&["dev", "--prompts", "c"]).expect(0, &["v3 is not in force"]);
    world.write("prompts/deep/b.md", prompt("b", 1, "not bound yet, and not as it was released"));
    let other =
        world.run(&["--json", "dev", "--prompts", "a,b"]).expect(0, &["b.v1 has other bytes there"]).json();
    assert_eq!((&other["snapshot"], text(&other, "/catalog")), (&Value::Null, "git-1-dirty"));
    world.run(&["verify-chain", "--require", "pinned"]).ok();
}

#[test]
fn a_changed_byte_in_the_ledger_checks_nothing_out() {
    let world = catalog();
    world.run(&["snapshot", "create", "v1"]).ok();
    let whole = fs::read(world.sorted_in()).unwrap();
    let shown = world.json(&["snapshot", "show", "v1"]);
    let files: Vec<String> =
        shown["files"].as_array().unwrap().iter().map(|file| text(file, "/blake3").to_owned()).collect();
    let manifest = world.json(&["show", "v1"]);
    let manifest = text(&manifest, "/contents/0/content")["blake3:".len()..][..64].to_owned();
    assert_eq!(files.len(), 9);
    for digest in files.iter().chain([&manifest]) {
        fs::write(world.ledger(), &whole).unwrap();
        let first_piece = [hex::decode(digest).unwrap(), vec![0; 4]].concat();
        let db = redb::Database::open(world.ledger()).unwrap();
        let write = db.begin_write().unwrap();
        {
            let mut chunks = write.open_table(CHUNKS).unwrap();
            let mut bytes = chunks.get(first_piece.as_slice()).unwrap().unwrap().value().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            chunks.insert(first_piece.as_slice(), bytes.as_slice()).unwrap();
        }
        write.commit().unwrap();
        drop(db);
        world.run(&["snapshot", "checkout", "v1", "--to", "out"]).expect(3, &["not that content"]);
        assert!(!world.project.join("out").exists(), "{digest}");
        world.run(&["verify-chain"]).expect(3, &["altered-content"]);
    }
    assert_eq!(world.files().len(), 4, "and nothing beside it: {:?}", world.files());
}

#[test]
fn what_is_in_the_place_stays() {
    let world = catalog();
    world.run(&["snapshot", "create", "v1"]).ok();
    let to = |place: &str| world.run(&["snapshot", "checkout", "v1", "--to", place]);
    // An empty folder is free, and the same again is no offence.
    fs::create_dir(world.project.join("empty")).unwrap();
    to("empty").expect(0, &["checked out"]);
    to("empty").expect(0, &["has these files already"]);
    to("deep/er/out").expect(0, &["checked out"]);
    assert_eq!(tree(&world.project.join("empty")), tree(&world.project.join("deep/er/out")));
    // One byte, one file or one name more or less.
    type Change<'a> = &'a dyn Fn(&Path);
    let cases: [Change<'_>; 4] = [
        &|out| fs::write(out.join("a.md"), "changed").unwrap(),
        &|out| fs::write(out.join("more.txt"), "").unwrap(),
        &|out| fs::remove_file(out.join("deep/b.md")).unwrap(),
        &|out| symlink("a.md", out.join("link.md")).unwrap(),
    ];
    for (n, change) in cases.iter().enumerate() {
        let name = format!("out{n}");
        to(&name).ok();
        let out = world.project.join(&name);
        change(&out);
        let before = tree(&out);
        to(&name).expect(1, &["is there already, with something else in it"]);
        assert_eq!(tree(&out), before);
    }
    world.write("file", "x");
    to("file").expect(1, &["file is not a folder"]);
    symlink("elsewhere", world.project.join("dangling")).unwrap();
    symlink("empty", world.project.join("linked")).unwrap();
    to("dangling").expect(1, &["is a symbolic link"]);
    to("linked").expect(1, &["is a symbolic link"]);
    to("file/out").expect(1, &["cannot"]);
    assert!(!world.project.join("elsewhere").exists());
}

#[test]
fn what_was_erased_is_told_and_can_be_left_out() {
    let world = catalog();
    let made = world.json(&["snapshot", "create", "v1"]);
    let shown = world.json(&["snapshot", "show", "v1"]);
    let file = shown["files"].as_array().unwrap().iter().find(|file| file["path"] == "a.md").unwrap();
    let digest = format!("blake3:{}", text(file, "/blake3"));
    world.run(&["export", "--snapshot", "v1", "--artifacts-dir", "before"]).ok();
    world.run(&["erase", &digest, "--reason", "private"]).ok();
    world
        .run(&["snapshot", "checkout", "v1", "--to", "out"])
        .expect(1, &["1 files of the snapshot were erased", "a.md", "--allow-erased"]);
    assert!(!world.project.join("out").exists());
    let left = world.json(&["snapshot", "checkout", "v1", "--to", "out", "--allow-erased"]);
    assert_eq!((&left["files"], &left["erased"]), (&json!(8), &json!(["a.md"])));
    assert!(!world.project.join("out/a.md").exists());
    world.run(&["snapshot", "show", "v1"]).expect(0, &["a.md", "erased"]);
    world.run(&["snapshot", "create", "v2"]).expect(1, &["erased from this ledger", "a.md"]);
    // From evidence taken since, too.
    world.run(&["export", "--snapshot", "v1", "--artifacts-dir", "art"]).ok();
    let evidence = ["snapshot", "checkout", "--evidence", "art/snapshot.evidence.tar", "--to", "from-tar"];
    world.run(&evidence).expect(1, &["were erased"]);
    world.run(&[&evidence[..], &["--allow-erased"]].concat()).expect(0, &["8 files"]);
    assert_eq!(tree(&world.project.join("out")), tree(&world.project.join("from-tar")));
    // The list itself, and then nothing tells the names of the others.
    let manifest =
        text(&world.json(&["show", text(&made, "/entry/id")]), "/contents/0/content")[..71].to_owned();
    world.run(&["erase", &manifest, "--reason", "private"]).ok();
    world
        .run(&["snapshot", "checkout", "v1", "--to", "out2"])
        .expect(1, &["the list of files", "was erased"]);
    world.run(&["snapshot", "show", "v1"]).expect(1, &["was erased"]);
    world.run(&["dev", "--prompts", "P00"]).expect(0, &["the list of files of the snapshot v1 is gone"]);
    world.run(&["version"]).expect(0, &["UNRELEASED"]);
    world.run(&["verify-chain"]).ok();
}

#[test]
fn evidence_alone_gives_the_catalog_back() {
    let world = catalog();
    let made = world.json(&["snapshot", "create", "v1"]);
    world.run(&["snapshot", "create", "v2"]).ok();
    let exported = world.json(&["export", "--snapshot", "v1", "--artifacts-dir", "art"]);
    assert_eq!(exported["entry"], made["entry"]);
    world.run(&["snapshot", "checkout", "v1", "--to", "out"]).ok();
    // A newer checkpoint takes the place of an older one, another snapshot does not.
    world.run(&["dev", "--prompts", "P00"]).ok();
    world.run(&["export", "--snapshot", "v1", "--artifacts-dir", "art"]).ok();
    world
        .run(&["export", "--snapshot", "v2", "--artifacts-dir", "art"])
        .expect(1, &["is there already", "--force"]);
    world
        .run(&["export", "--snapshot", "v1", "--session", "3", "--artifacts-dir", "x"])
        .expect(2, &["--session"]);

    let away = World::new();
    let tar = away.write("s.tar", world.read("art/snapshot.evidence.tar"));
    away.run(&["verify", "s.tar"])
        .expect(0, &["snapshot/v1", "9 the exact bytes are here", "anyone could have made this"]);
    let checkout =
        |args: &[&str]| away.run(&[&["snapshot", "checkout", "--to", "out", "--evidence"], args].concat());
    checkout(&["s.tar", "v2"]).expect(1, &["evidence of snapshot/v1, not of 'v2'"]);
    checkout(&["s.tar"]).expect(0, &["who may be trusted is another question"]);
    assert_eq!(tree(&away.project.join("out")), tree(&world.project.join("out")));
    assert!(
        !away.project.join(".promptos").exists() && !away.home.join(".config").exists(),
        "it needs no ledger"
    );
    let whole = fs::read(&tar).unwrap();
    let at = whole.windows(4).position(|bytes| bytes == b"do b").unwrap();
    let mut changed = whole.clone();
    changed[at] = b'D';
    away.write("changed.tar", changed);
    away.run(&["snapshot", "checkout", "--to", "out2", "--evidence", "changed.tar"])
        .expect(3, &["wrong-hash"]);
    away.run(&["snapshot", "checkout", "--to", "out2", "--evidence", "out/a.md"])
        .expect(1, &["not an evidence tar"]);
    world.run(&["export", "--artifacts-dir", "art"]).ok();
    away.write("session.tar", world.read("art/prompt_session.evidence.tar"));
    away.run(&["snapshot", "checkout", "--to", "out2", "--evidence", "session.tar"])
        .expect(1, &["not a snapshot"]);
    away.run(&["snapshot", "checkout", "--to", "out2"]).expect(2, &["NAME"]);
    assert!(!away.project.join("out2").exists());
}

#[test]
fn a_catalog_may_have_more_files_than_can_be_open() {
    let world = World::new();
    for n in 0..200 {
        world.write(&format!("prompts/p{n}.md"), prompt(&format!("p{n}"), 1, "x"));
    }
    let mut command = world.command("sh", &world.project);
    let program = env!("CARGO_BIN_EXE_promptos");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" snapshot create v1", program]);
    finish(&mut command).expect(0, &["207, 207 refs"]);
}

/// `PROMPTOS_KILLS=500 cargo test --test snapshot killed` for the long form.
#[test]
fn killed_at_any_moment_a_checkout_is_whole_or_not_there() {
    let kills: u64 = std::env::var("PROMPTOS_KILLS").map_or(25, |text| text.parse().unwrap());
    let world = World::new();
    for n in 0..300 {
        world
            .write(&format!("prompts/{}/p{n}.md", n % 7), prompt(&format!("p{n}"), 1, &"line\n".repeat(200)));
    }
    world.run(&["snapshot", "create", "v1"]).ok();
    let began = Instant::now();
    world.run(&["snapshot", "checkout", "v1", "--to", "whole"]).ok();
    let (takes, whole) = (began.elapsed(), tree(&world.project.join("whole")));
    let (mut there, mut unfinished) = (0, 0);
    for kill in 0..kills {
        let out: PathBuf = world.project.join(format!("kills/{kill}/out"));
        let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
        command.args(["snapshot", "checkout", "v1", "--to"]).arg(&out);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let beside = out.parent().unwrap();
        let begun = || fs::read_dir(beside).is_ok_and(|mut entries| entries.next().is_some());
        while !begun() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        // It has begun to write: from now on any moment will do.
        std::thread::sleep(takes.mul_f64((kill * 7 % kills) as f64 / kills as f64 / 2.0));
        child.kill().unwrap();
        child.wait().unwrap();
        if out.exists() {
            there += 1;
            assert_eq!(tree(&out), whole, "kill {kill}");
            continue;
        }
        let left = if beside.exists() { fs::read_dir(beside).unwrap().count() } else { 0 };
        unfinished += u32::from(left > 0);
        world.run(&["snapshot", "checkout", "v1", "--to", out.to_str().unwrap()]).ok();
        assert_eq!(tree(&out), whole, "after kill {kill}");
    }
    println!("{kills} kills within {takes:?}: {there} too late, {unfinished} in the midst");
    assert!(unfinished > 0, "no kill came in the midst");
}
