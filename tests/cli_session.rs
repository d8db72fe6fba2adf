//! `session start | note | add | end | list | check`, as a program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use ledger_format::{Body, Descriptor, EntryId, Life, MAX_EVENTS, Session};
use promptos::keys::{KeySource, logkey};
use promptos::ledger::{Access, Author, Ledger, New};
use promptos::session::{EventRequest, plan_event};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;
use support::{Output, World, text, wait};

const START: &[&str] =
    &["session", "start", "--prompts", "P00,P05", "--developer", "ada", "--target-repo", "engine"];
const SESSION: &str = "out/prompt_session.json";

/// A world with an open session, and the session's id.
fn started() -> (World, String) {
    let world = World::new();
    let report = world.json(&[START, &["--notes", "gear train"]].concat());
    let id = text(&report, "/session").to_owned();
    (world, id)
}

fn pipe(world: &World, args: &[&str], input: &[u8]) -> Output {
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who refuses the options does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    wait(child)
}

fn entries(world: &World) -> u64 {
    world.json(&["log"])["size"].as_u64().unwrap()
}

fn codes(world: &World) -> Vec<String> {
    let report = world.run(&["--json", "session", "check"]).json();
    let found = report["findings"].as_array().unwrap();
    found.iter().map(|finding| text(finding, "/code").to_owned()).collect()
}

/// What another program may append, which this one refuses.
fn append(world: &World, make: impl FnOnce(&Ledger) -> New) -> EntryId {
    with_ledger(world, |ledger, author| ledger.append(author, &make(ledger)).unwrap().statement.id)
}

/// The ledger, and its keys.
fn with_ledger<T>(world: &World, work: impl FnOnce(&Ledger, &Author<'_>) -> T) -> T {
    let folder = world.project.join(".promptos");
    let key = KeySource::File(world.home.join(".config/promptos/id_ed25519"));
    let key = key.open(None, &mut |_| Ok(None)).unwrap();
    let log_key = logkey::load(&folder.join("log.key")).unwrap();
    let path = folder.join("ledger.redb");
    let ledger = Ledger::open_file(&path, Access::Write, Duration::from_secs(60), &mut |_| {}).unwrap();
    let author = Author { signer: &*key.signer, log_key: &log_key, time: 1_700_000_000 };
    work(&ledger, &author)
}

/// An event of the start at index 1.
fn event(ledger: &Ledger) -> New {
    let start = ledger.entry(1).unwrap().unwrap();
    let salts = [[1; 16], [2; 16]];
    let request = EventRequest { start: &start, notes: "later", files: &[], allow_secret: None, salts };
    plan_event(&request).unwrap().new
}

/// The end of the start at index 1, edited.
fn end(ledger: &Ledger, edit: impl FnOnce(&mut Session)) -> New {
    let start = ledger.entry(1).unwrap().unwrap().statement;
    let Body::Start(mut session) = start.body else { panic!() };
    session.life = Some(Life { start: start.id, events: Vec::new() });
    edit(&mut session);
    New { name: start.name, body: Body::Session(session), contents: Vec::new(), next_log_key: None }
}

#[test]
fn a_session_is_recorded_while_it_happens_and_proved_with_all_of_it() {
    let (world, id) = started();
    world.run(&["session", "list"]).expect(0, &["open", &id, "0 events", "seconds"]);
    world.run(&["session", "note", "the gears mesh"]).expect(0, &["entry 2", &id]);
    world.write("out.diff", "+ a tooth\n");
    world.write("notes.bin", [0u8, 1, 2, 255]);
    let args = ["session", "add", "out.diff", "notes.bin", "--notes", "the patch"];
    let added = world.json(&args);
    assert_eq!(text(&added, "/files/0/type"), "text/x-diff");
    assert_eq!(
        (text(&added, "/files/1/type"), &added["files"][1]["size"]),
        ("application/octet-stream", &json!(4))
    );
    let transcript = b"{\"role\": \"user\"}\n{\"role\": \"assistant\"}\n";
    let piped = pipe(&world, &["session", "add", "-", "--name", "transcript"], transcript);
    piped.expect(0, &["transcript", "application/x-ndjson", "39 bytes"]);
    world.run(&["session", "check"]).expect(4, &["session.open", &id, "entry 1", "1 finding", "session end"]);
    world.run(&["verify-chain"]).expect(0, &["open sessions: 1"]);
    assert_eq!(world.json(&["verify-chain"])["open_sessions"], 1);
    world.run(&["prompt", "audit", "P05"]).expect(0, &["open in", "1 open session", "0 never used"]);
    world.run(&["show", &id]).expect(0, &["start/", "P05.v1", "gear train"]);
    world.run(&["trace", "P05.v1"]).expect(0, &["open: no session ended it"]);

    let ended = world.run(&["session", "end", "--artifacts-dir", "out"]);
    let block =
        "> - Prompts Used: `P00, P05`\n> - Session Artifact: `out/prompt_session.json`\n> - Developer: `ada`";
    let ended = ended.expect(0, &["> **Governed Session**", block, "> - Target Repo: `engine`", "3 events"]);
    world.write("pr.md", &ended.stdout);
    world.run(&["session", "check"]).expect(0, &["1 session: 0 findings"]);
    world.run(&["session", "check", &id]).expect(0, &["0 findings"]);
    world.run(&["verify-chain"]).ok();
    world.run(&["show", &id]).expect(0, &["session/", "start", "event"]);
    world.run(&["prompt", "audit", "P05"]).expect(0, &["used by", "session/"]);

    // The files say it, and the evidence proves it without the ledger.
    let file: Value = serde_json::from_slice(&world.read(SESSION)).unwrap();
    assert_eq!(text(&file, "/notes"), "gear train");
    let log = world.json(&["log", "--reverse"]);
    assert_eq!(file["ledger"]["start"], log["entries"][1]["id"]);
    let events: Vec<&Value> = (2..5).map(|at| &log["entries"][at]["id"]).collect();
    assert_eq!(file["ledger"]["events"], json!(events));
    let elsewhere = World::new();
    support::copy_folder(&world.project.join("out"), &elsewhere.project.join("out"));
    let verified = elsewhere.run(&["verify", SESSION]);
    verified
        .expect(0, &["started", "3 events, ended", "the gears mesh", "the patch", "out.diff", "transcript"]);
    let verified = elsewhere.json(&["verify", SESSION]);
    assert_eq!(verified["start"]["entry"], file["ledger"]["start"]);
    assert_eq!(verified["events"][1]["files"], json!(["notes.bin", "out.diff"]));
    let ci = ["ci", "--artifacts-dir", "out", "--pr-body", "pr.md"];
    world.run(&ci).expect(0, &["passed   ledger", "1 session and 0 runs proved"]);

    // The bytes are kept, and lead to the session.
    let traced = world.json(&["trace", "out.diff"]);
    assert_eq!(text(&traced, "/used_by/0/what"), "event");
    assert_eq!(text(&traced, "/used_by/0/steps/0/what"), "session");
    let kept = text(&added, "/files/1/blake3");
    assert_eq!(world.run(&["cat", &format!("blake3:{kept}")]).ok().bytes, [0, 1, 2, 255]);

    // A run cites the session as any other.
    world.write("out/run_record.json", "{\"run_id\": \"R-1\"}");
    world
        .run(&["attach", "--run-record", "out/run_record.json"])
        .expect(0, &["sessions  1 (0 of other ledgers)"]);
    world.run(&["trace", "out/run_record.json"]).expect(0, &["session", "start", "event", "P00.v1"]);
    let traced = world.json(&["trace", "out.diff"]);
    assert_eq!(text(&traced, "/used_by/0/steps/0/steps/0/name"), "R-1");
    world.run(&["verify", "out/run.evidence.tar"]).ok();

    // Another ledger's run carries all of it.
    elsewhere.write("out/run_record.json", "{\"run_id\": \"R-2\"}");
    elsewhere
        .run(&["attach", "--run-record", "out/run_record.json"])
        .expect(0, &["sessions  1 (1 of other ledgers)"]);
    let traced = elsewhere.json(&["trace", "out/run_record.json"]);
    let steps = traced.pointer("/to/0/steps/0/steps").unwrap().as_array().unwrap();
    let what: Vec<&str> = steps.iter().map(|step| text(step, "/what")).collect();
    assert_eq!(what, ["start", "event", "event", "event", "prompt", "prompt"]);
    elsewhere.run(&["verify-chain"]).ok();
}

/// Whoever is killed while files are added has added all of them or none.
#[test]
fn a_kill_leaves_a_session_that_can_go_on() {
    let (world, _) = started();
    world.write("large.bin", vec![7; 24 << 20]);
    for wait in [0, 5, 20, 60, 150] {
        let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
        let command = command.args(["session", "add", "large.bin", "--notes", &wait.to_string()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let added = entries(&world) - 2;
    assert!(added < 5, "none was killed in time");
    world.run(&["session", "note", "going on"]).ok();
    let end = world.json(&["session", "end"]);
    assert_eq!(end["events"].as_array().unwrap().len() as u64, added + 1);
    world.run(&["session", "check"]).ok();
    world.run(&["verify-chain"]).ok();
    world.run(&["doctor"]).ok();
}

/// As many events as an end can list, and not one more.
#[test]
fn a_session_holds_a_thousand_events() {
    let (world, _) = started();
    with_ledger(&world, |ledger, author| {
        for _ in 1..MAX_EVENTS {
            ledger.append(author, &event(ledger)).unwrap();
        }
    });
    world.run(&["session", "note", "the last"]).ok();
    world.run(&["session", "note", "too much"]).expect(1, &["has 1000 events", "session end"]);
    world.run(&["session", "end", "--artifacts-dir", "out"]).expect(0, &["1000 events"]);
    world.run(&["verify", SESSION]).expect(0, &["1000 events, ended", "and 980 more"]);
    world.run(&["session", "check"]).ok();
    world.run(&["verify-chain"]).ok();
}

#[test]
fn which_session_is_meant_is_said_when_it_cannot_be_told() {
    let world = World::new();
    world.run(&["session", "note", "hi"]).expect(1, &["there is no ledger", "promptos init"]);
    world.run(&["init"]).ok();
    world.run(&["session", "note", "hi"]).expect(1, &["no session is open", "session start", "promptos dev"]);
    world.run(&["session", "end"]).expect(1, &["no session is open"]);
    let first = text(&world.json(START), "/session").to_owned();
    let both = world.run(&[&["--json"], START].concat()).expect(0, &[&first, "is open as well", "--session"]);
    let second = text(&both.json(), "/session").to_owned();
    let several = ["2 sessions of the key", "--session ID", &first, &second];
    world.run(&["session", "note", "hi"]).expect(1, &several);
    world.run(&["session", "end"]).expect(1, &several);
    world.run(&["session", "note", "hi", "--session", &first]).expect(0, &[&first]);
    world.run(&["session", "end", "--session", "2"]).expect(0, &["Governed Session"]);
    world.run(&["session", "note", "hi"]).expect(0, &[&first]);
    world.run(&["session", "note", "--session", &first, "- a list"]).expect(0, &["entry 6"]);
    world.run(&["show", "6"]).expect(0, &["- a list"]);
    // What ended takes nothing more.
    let ended = ["ended with entry 4", "another session"];
    world.run(&["session", "note", "hi", "--session", &second]).expect(1, &ended);
    world.run(&["session", "add", "x", "--session", &second]).expect(1, &ended);
    world.run(&["session", "end", "--session", &second]).expect(1, &ended);
    world.run(&["session", "note", "hi", "--session", "nobody"]).expect(1, &["no entry 'nobody'"]);
    world.run(&["session", "note", "hi", "--session", "0"]).expect(1, &["ledger/project", "no start"]);
    world.run(&["dev", "--prompts", "P00"]).ok();
    world.run(&["session", "check", "7"]).expect(1, &["session/", "no start"]);
    let listed = world.json(&["session", "list"]);
    let ends: Vec<&Value> = listed["sessions"].as_array().unwrap().iter().map(|s| &s["open"]).collect();
    assert_eq!((ends, &listed["open"]), (vec![&json!(false), &json!(false), &json!(true)], &json!(1)));
    let open = world.run(&["session", "list", "--open"]).ok().stdout;
    assert!(open.contains(&first) && !open.contains(&second) && open.lines().count() == 1, "{open}");
    world.run(&["session", "list"]).expect(0, &["told at once", "open", "ended"]);

    // Another's session is nobody's by default, and can be named: who signs an event is seen.
    world.run(&["key", "new", "bob"]).ok();
    world.run(&["key", "add", "bob.pub", "--identity", "bob", "--role", "user"]).ok();
    world
        .run(&["--key", "bob", "session", "note", "hi"])
        .expect(1, &["has no open session", "open: ", &first]);
    world.run(&["--key", "bob", "session", "note", "seen", "--session", &first]).expect(0, &["entry 9"]);
    world.run(&["session", "end", "--artifacts-dir", "out"]).expect(0, &["4 events"]);
    world.run(&["verify", SESSION]).expect(0, &["by 'bob' seen"]);
    world.run(&["session", "check"]).expect(0, &["0 findings"]);
    // Whoever ends another's session is found out.
    let third = text(&world.json(START), "/session").to_owned();
    world.run(&["--key", "bob", "session", "end", "--session", &third]).ok();
    let found = ["session.other-signer", "is signed by 'bob'", "began it"];
    world.run(&["session", "check"]).expect(4, &found);
}

#[test]
fn what_is_refused_records_nothing() {
    let (world, _) = started();
    let before = entries(&world);
    let refused = |args: &[&str], code: i32, texts: &[&str]| {
        world.run(args).expect(code, texts);
        assert_eq!(entries(&world), before, "{args:?}");
    };
    world.write("a/x.txt", "one");
    world.write("b/x.txt", "two");
    let key = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
    world.write("secret.log", format!("key {key}\n"));
    refused(&["session", "note", " "], 2, &["the note is empty"]);
    refused(&["session", "note"], 2, &["TEXT"]);
    refused(&["session", "note", &format!("use {key}")], 4, &["secrets found", "--allow-secret"]);
    refused(&["session", "add", "secret.log"], 4, &["secret.log:1:5", "--allow-secret"]);
    refused(&["session", "end", "--notes", &key], 4, &["secrets found"]);
    refused(&["session", "add"], 2, &["FILES"]);
    refused(&["session", "add", "missing"], 1, &["cannot read missing"]);
    refused(&["session", "add", "a"], 1, &["not a regular file"]);
    refused(&["session", "add", "a/x.txt", "./a/x.txt"], 1, &["two attachments"]);
    refused(
        &["session", "add", "a/x.txt", "b/x.txt", "--name", "x"],
        2,
        &["--name and --type are of one file"],
    );
    refused(&["session", "add", "-", "-"], 2, &["can be read once"]);
    for name in ["", "..", "/x", "a//b", "a/../b"] {
        refused(&["session", "add", "a/x.txt", "--name", name], 1, &["is no name for an attachment"]);
    }
    for media in ["", "text", "text/", "/plain", "text/plain; charset=utf-8", "text/pl\tain"] {
        refused(&["session", "add", "a/x.txt", "--type", media], 1, &["is no media type"]);
    }
    refused(&["session", "end", "--render", "1"], 1, &["no render"]);
    world.write("out/prompt_session.json", "{}");
    refused(&["session", "end", "--artifacts-dir", "out"], 1, &["is there already", "nothing was recorded"]);
    let open = ["start of the session", "session end"];
    refused(&["export", "--artifacts-dir", "new", "--session", "1"], 1, &open);
    refused(&["export", "--artifacts-dir", "new"], 1, &["has recorded no session"]);
    world.write("run/run_record.json", "{\"run_id\": \"R\"}");
    refused(&["attach", "--run-record", "run/run_record.json", "--session", "1"], 1, &open);
    refused(&["session", "start"], 2, &["no prompts"]);
    refused(&["session", "start", "--prompts", "P99"], 1, &["P99"]);
    refused(&["session", "end", "--prompts", "P00"], 2, &["--prompts"]);

    // Allowed with a reason, which is recorded.
    let args = [
        "session",
        "add",
        "secret.log",
        "--allow-secret",
        "a test key",
        "--type",
        "text/x-log",
        "--name",
        "l",
    ];
    world.run(&args).expect(0, &["recorded as allowed", "l text/x-log"]);
    world.run(&["show", "2"]).expect(0, &["allow-secret a test key"]);
}

#[test]
fn what_is_piped_in_is_what_it_is() {
    let (world, _) = started();
    let add = |name: &str, input: &[u8]| {
        pipe(&world, &["--json", "session", "add", "-", "--name", name], input).ok().json()["files"][0]
            .clone()
    };
    for (input, media) in [
        (&b"hello\n"[..], "text/plain"),
        (b"", "text/plain"),
        (b"[note] not JSON\n", "text/plain"),
        (b"{\"a\": [1]}", "application/json"),
        (b"{\n  \"a\": 1\n}\n", "application/json"),
        (b"{\"a\": 1}\n{\"b\": 2}\n", "application/x-ndjson"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"a\0b", "application/octet-stream"),
        (b"caf\xe9 latin", "application/octet-stream"),
    ] {
        let file = add("piped", input);
        assert_eq!((text(&file, "/type"), file["size"].as_u64()), (media, Some(input.len() as u64)));
        assert_eq!(
            text(&file, "/blake3"),
            Descriptor::of(input, "").blake3.to_string().replace("blake3:", "")
        );
    }
    assert_eq!(text(&add("x.csv", b"{}"), "/type"), "text/csv", "the name says more than the content");
    let unnamed = pipe(&world, &["session", "add", "-"], b"x").expect(0, &["stdin"]);
    assert!(unnamed.stdout.contains("text/plain"));
}

#[test]
fn a_prompt_that_changed_meanwhile_does_not_end_the_session() {
    let world = World::new();
    let prompt = |text: &str| {
        format!(
            "---\nkey: t\nname: T\nversion: \"1.0\"\ndescription: d\nrole: r\nrequired_variables: []\n\
             output_contract: {{mode: text}}\n---\n{text}\n"
        )
    };
    world.write("prompts/t.md", prompt("Before."));
    world.run(&["session", "start", "--prompts", "t", "--developer", "ada"]).ok();
    world.write("prompts/t.md", prompt("After."));
    let hints = ["t.v1.0 is bound to other bytes", "stays open", "--catalog ledger"];
    world.run(&["session", "end"]).expect(4, &hints);
    std::fs::remove_file(world.project.join("prompts/t.md")).unwrap();
    world.run(&["session", "end"]).expect(1, &["t.v1.0", "stays open", "--catalog ledger"]);
    assert_eq!(codes(&world), ["session.open"]);
    world.run(&["session", "end", "--catalog", "ledger"]).expect(0, &["Prompts Used: `t`"]);
    assert!(codes(&world).is_empty());
}

#[test]
fn an_end_cites_the_renders_of_its_start_and_none_of_other_prompts() {
    let world = World::new();
    let render = |prompt: &str, vars: &[&str], out: &str| {
        let args = ["prompt", "render", prompt, "--record", "--out", out];
        let vars = vars.iter().flat_map(|var| ["--var", var]);
        let args: Vec<&str> = args.into_iter().chain(vars).collect();
        text(&world.json(&args), "/record/entry/id").to_owned()
    };
    let (one, two) = (render("P01", &["request=x"], "1.txt"), render("P01", &["request=y"], "2.txt"));
    let other = render("P05", &["scope=x", "design=y"], "3.txt");
    let start = world.json(&["session", "start", "--render", &one]);
    assert_eq!((text(&start, "/prompts/0/ref"), &start["renders"]), ("P01.v1", &json!([one])));
    world.run(&["session", "end", "--render", &other]).expect(1, &["P05.v1", "began with"]);
    let end = world.json(&["session", "end", "--render", &two, "--render", "1", "--notes", "done"]);
    assert_eq!(end["renders"], json!([one, two]));
    assert_eq!(end["start"], start["entry"]["id"]);
}

#[test]
fn what_does_not_fit_is_found_and_is_no_damage() {
    // Added after the end, and ended twice.
    let (world, id) = started();
    world.run(&["session", "end", "--artifacts-dir", "out"]).ok();
    append(&world, event);
    append(&world, |ledger| end(ledger, |_| ()));
    assert_eq!(codes(&world), ["session.late-event", "session.ended-twice"]);
    let found =
        ["session.late-event", "entry 3", "after its end, entry 2", "session.ended-twice", "entry 4 ends it"];
    world.run(&["session", "check", &id]).expect(4, &found);
    world.run(&["verify-chain"]).expect(0, &["open sessions: 0", "other findings on sessions: 2"]);
    world.run(&["ci", "--artifacts-dir", "out"]).expect(4, &["failed", "session.late-event", &id]);
    // A later change is not held back by it.
    world.run(&["dev", "--prompts", "P00", "--artifacts-dir", "two"]).ok();
    world.run(&["ci", "--artifacts-dir", "two"]).expect(0, &["2 findings on sessions of other changes"]);

    // An end that leaves an event out, names another prompt and an event of another session.
    let (world, _) = started();
    let args = ["session", "start", "--prompts", "P00"];
    let second = text(&world.json(&args), "/session").to_owned();
    world.run(&["session", "note", "of the second", "--session", &second]).ok();
    let first = append(&world, event);
    let log = world.json(&["log", "--reverse"]);
    let other: EntryId = text(&log, "/entries/3/id").parse().unwrap();
    append(&world, |ledger| {
        end(ledger, |session| {
            session.prompts.pop();
            session.life.as_mut().unwrap().events = vec![other];
        })
    });
    let mut expected =
        vec!["session.open", "session.other-event", "session.other-prompts", "session.unlisted-event"];
    let mut found = codes(&world);
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let texts =
        [&*first.to_string(), &*other.to_string(), "names the prompts P00.v1; it began with P00.v1, P05.v1"];
    world.run(&["session", "check"]).expect(4, &texts);
    world.run(&["verify-chain"]).expect(0, &["open sessions: 1"]);
    world.run(&["export", "--artifacts-dir", "out"]).ok();

    // A runner sees what the evidence shows.
    let runner = World::new();
    support::copy_folder(&world.project.join("out"), &runner.project.join("out"));
    let ledger = text(&world.json(&["log"]), "/ledger").to_owned();
    let ci = ["ci", "--artifacts-dir", "out", "--trust", &ledger];
    runner.run(&ci).expect(4, &["session.other-event", "session.other-prompts"]);
}
