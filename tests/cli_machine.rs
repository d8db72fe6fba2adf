//! The machine around the program: disks that are full or read-only, no home, where the ledger is, what stdout
//! is, and JSON for other programs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::refusal::{OLD_SESSION, PROGRAM, STATEMENTS, is_root};
use support::{Output, World, finish, wait};

const DEV: &[&str] = &["dev", "--prompts", "P00"];

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

// ---- disks ----

/// Runs the program with files of at most so many blocks of 512 bytes; a write beyond that fails.
fn limited(world: &World, blocks: u64, args: &[&str]) -> Output {
    let line = format!("trap '' XFSZ; ulimit -f {blocks} || exit 99; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &line, PROGRAM]).args(args).current_dir(&world.project).env_clear();
    let environment = world.promptos(&[]);
    command.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
    finish(command.stdin(Stdio::null()))
}

#[test]
fn a_file_that_may_not_grow_loses_nothing() {
    let bare = World::new();
    bare.ok(&["key", "new"]);
    let refused = limited(&bare, 100, DEV);
    if refused.code == 99 {
        println!("skipped a_file_that_may_not_grow_loses_nothing: no ulimit -f here");
        return;
    }
    refused.failed(1, &["ledger.redb", "may not grow any further", "ulimit -f"]);
    assert!(!bare.ledger().exists(), "half a ledger");
    let left = fs::read_dir(bare.path(".promptos")).unwrap().count();
    assert_eq!(left, 2, "only the log key and .gitignore wait for the next attempt");
    bare.ok(DEV);
    assert_eq!(bare.verified(), 2);

    let world = World::with_session();
    world.write("large", vec![7; 3 << 20]);
    let now = fs::metadata(world.ledger()).unwrap().len() / 512;
    for more in [0, 1_000, 3_000, 5_000] {
        let args = ["dev", "--prompts", "P01", "--attach", "large"];
        limited(&world, now + more, &args).failed(1, &["may not grow", "what was there before is safe"]);
        assert_eq!(world.verified(), 2, "{more}");
    }
    limited(&world, 4, &["export", "--artifacts-dir", "out"]).failed(1, &["cannot write", "out/"]);
    assert!(!world.path("out/prompt_session.evidence.tar").exists());
    world.ok(&["dev", "--prompts", "P01", "--attach", "large"]);
    assert_eq!(world.verified(), 3);
}

/// A tiny disk that lives in a namespace of its own and goes with it.
const TINY_DISK: &str = r#"
mount -t tmpfs -o size=1800k tmpfs "$1" 2>/dev/null || exit 99
mkdir "$1/home" "$1/project" && cd "$1/project" || exit 98
export HOME="$1/home"
head -c 2000000 /dev/zero > /tmp/large.$$ || exit 97
say() { echo "$1=$?"; }
"$0" dev --prompts P00 >/dev/null 2>&1; say first
cp /tmp/large.$$ ../fill 2>/dev/null; rm /tmp/large.$$
"$0" dev --prompts P00,P01,P05,P06,P07 --notes "$(printf '%0100000d' 7)" 2>&1 >/dev/null; say full
"$0" export --artifacts-dir out 2>&1 >/dev/null; say export
rm ../fill
"$0" verify-chain 2>&1; say verify
"$0" dev --prompts P00 >/dev/null 2>&1; say again
"$0" verify-chain 2>&1; say verify
"#;

#[test]
fn a_full_disk_loses_nothing() {
    let world = World::new();
    let disk = world.root().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", TINY_DISK, PROGRAM, disk.to_str().unwrap()]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command.env("GIT_CEILING_DIRECTORIES", world.root()).current_dir(world.root());
    let output = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => wait(child),
        Err(e) => {
            println!("skipped a_full_disk_loses_nothing: {e}");
            return;
        }
    };
    if !output.stdout.contains("first=") {
        println!("skipped a_full_disk_loses_nothing: no disk can be mounted here ({})", output.code);
        return;
    }
    let text = output.stdout;
    assert!(text.contains("first=0"), "{text}");
    assert!(text.contains("full=1") && text.contains("no space is left on the disk"), "{text}");
    assert!(text.contains("what was there before is safe"), "{text}");
    assert!(text.contains("export=1") && text.contains("cannot write"), "{text}");
    assert_eq!(text.matches("verify=0").count(), 2, "{text}");
    assert!(text.contains("again=0") && text.contains("entries   3: "), "{text}");
}

/// Somebody who has no account here, and so no home but by HOME.
const NOBODY: u32 = 54_321;

/// As somebody without rights; `None` when this process may not become somebody else.
fn as_nobody(world: &World, test: &str) -> Option<impl Fn(&[&str]) -> Command> {
    if !is_root() {
        println!("skipped {test}: only root can become somebody else");
        return None;
    }
    let mut can = Command::new(PROGRAM);
    can.arg("--version").uid(NOBODY).gid(NOBODY).current_dir("/").stdout(Stdio::null());
    if !can.status().is_ok_and(|status| status.success()) {
        println!("skipped {test}: the program is not there for others");
        return None;
    }
    for folder in [&world.root(), &world.home, &world.project] {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    Some(|args: &[&str]| {
        let mut command = world.promptos(args);
        command.uid(NOBODY).gid(NOBODY);
        command
    })
}

#[test]
fn folders_that_may_not_be_written_to() {
    let world = World::new();
    let Some(command) = as_nobody(&world, "folders_that_may_not_be_written_to") else { return };
    let call = |args: &[&str]| finish(&mut command(args));
    mode(&world.project, 0o555);
    call(DEV).failed(1, &["cannot make", ".promptos", "ermission denied"]);
    mode(&world.project, 0o755);
    assert_eq!(call(DEV).code, 0);
    assert_eq!(call(&["export", "--artifacts-dir", "out"]).code, 0);
    let entries = || call(&["verify-chain", "--json"]).json()["size"].clone();
    assert_eq!(entries(), 2);

    // A folder, then a file, that may be read only: reading goes on, writing says why not.
    mode(&world.path("out"), 0o555);
    mode(&world.path("out/prompt_session.evidence.tar"), 0o444);
    call(&["export", "--artifacts-dir", "out/new"]).failed(1, &["cannot write out/new", "ermission denied"]);
    mode(&world.ledger(), 0o444);
    mode(&world.path(".promptos"), 0o555);
    call(DEV).failed(1, &["no permission to use", "ledger.redb"]);
    for args in [&["verify-chain"][..], &["log"], &["show", "1"], &["trace", "P00.v1"], &["cat", "P00.v1"]] {
        assert_eq!(call(args).code, 0, "{args:?}");
    }
    mode(&world.ledger(), 0o000);
    call(&["log"]).failed(1, &["no permission to use", "ledger.redb"]);
    mode(&world.ledger(), 0o644);
    mode(&world.path(".promptos"), 0o000);
    call(&["log"]).failed(1, &["cannot look at", ".promptos"]);
    call(DEV).failed(1, &["cannot look at", ".promptos"]);
    mode(&world.path(".promptos"), 0o755);

    // A home that cannot be written to keeps no pin, which is a warning and takes nothing back.
    mode(&world.config().join("pins"), 0o555);
    let output = call(DEV);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("warning: the pin was not moved"), "{output:?}");
    let output = call(&["verify-chain"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("warning: the pin was not moved"), "{output:?}");
    assert!(output.stdout.contains("pinned"), "{output:?}");
    mode(&world.config().join("pins"), 0o755);
    assert_eq!(entries(), 3);

    let key = world.key();
    mode(&key, 0o000);
    call(DEV).failed(1, &["id_ed25519 may not be read by this user", "ls -l"]);
    mode(&key, 0o600);
    let locked = world.write("art/locked", "x");
    world.write("art/run.json", r#"{"run_id": "r"}"#);
    mode(&locked, 0o000);
    let attach = ["attach", "--run-record", "art/run.json", "--session", "1"];
    call(&attach).failed(1, &["cannot read art/locked", "ermission denied"]);
    call(&["dev", "--prompts", "P00", "--attach", "art/locked"]).failed(1, &["cannot read art/locked"]);
    assert_eq!(entries(), 3);
}

#[test]
fn a_home_that_cannot_be_made() {
    let world = World::new();
    let Some(command) = as_nobody(&world, "a_home_that_cannot_be_made") else { return };
    let before = world.snapshot();
    let output = finish(command(DEV).env("HOME", "/proc/nowhere"));
    output.failed(1, &["cannot make the folder /proc/nowhere", "PROMPTOS_HOME"]);
    assert_eq!(support::refusal::changes(&before, &world.snapshot()), Vec::<String>::new());
    let output = finish(command(DEV).env("HOME", "/proc/nowhere").env("PROMPTOS_HOME", &world.home));
    assert_eq!(output.code, 0, "{output:?}");
}

#[test]
fn no_home_at_all() {
    let world = World::new();
    let Some(command) = as_nobody(&world, "no_home_at_all") else { return };
    let homeless = |args: &[&str]| finish(command(args).env_remove("HOME").env_remove("USER"));
    let before = world.snapshot();
    homeless(DEV).failed(2, &["there is no home folder", "--key FILE or PROMPTOS_KEY", "PROMPTOS_HOME"]);
    homeless(&["key", "new"]).failed(2, &["there is no home folder", "PROMPTOS_HOME"]);
    homeless(&["pin", "show"]).failed(1, &["there is no home folder, so there are no pins"]);
    homeless(&["pin", "reset"]).failed(1, &["there is no home folder"]);
    assert_eq!(support::refusal::changes(&before, &world.snapshot()), Vec::<String>::new());
    assert_eq!(homeless(&["version"]).code, 0);

    // With a key that is named it works, and says what is missing.
    assert_eq!(homeless(&["key", "new", "ci.key"]).code, 0);
    let output = homeless(&["--key", "ci.key", "dev", "--prompts", "P00", "--artifacts-dir", "out"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("warning: no home folder, so no pin is kept"), "{output:?}");
    let report = homeless(&["verify-chain", "--json"]).json();
    assert_eq!(report["rung"], "consistent");
    assert_eq!(report["first_seen"], true);
    homeless(&["verify-chain", "--require", "pinned"]).failed(4, &["'pinned' is asked for; 'consistent'"]);
    homeless(&["verify-chain", "--since-pin"]).failed(1, &["there is no pin"]);
    for args in [
        &["--key", "ci.key", "export", "--artifacts-dir", "out"][..],
        &["verify", "out/prompt_session.json"],
        &["log"],
        &["key", "list"],
    ] {
        let output = homeless(args);
        assert_eq!(output.code, 0, "{output:?}");
    }
    // A checkpoint that travelled stands in for the pin.
    let checkpoint =
        ["verify-chain", "--require", "pinned", "--checkpoint", "out/prompt_session.evidence.tar"];
    assert_eq!(homeless(&checkpoint).code, 0);
    let output =
        finish(command(DEV).env_remove("HOME").env("PROMPTOS_HOME", "own").env("PROMPTOS_KEY", "ci.key"));
    assert_eq!(output.code, 0, "{output:?}");
    assert!(world.path("own/pins").is_dir());
}

#[test]
fn an_empty_home_is_no_home() {
    let world = World::new();
    let Some(command) = as_nobody(&world, "an_empty_home_is_no_home") else { return };
    let output = finish(command(DEV).env("HOME", ""));
    output.failed(2, &["there is no home folder"]);
    assert!(!world.path(".config").exists() && !world.path(".promptos").exists());
}

// ---- places ----

#[test]
fn where_the_ledger_is() {
    let world = World::with_session();
    fs::create_dir_all(world.path("deep/er")).unwrap();
    let size = |args: &[&str]| {
        let report = finish(world.promptos(args).args(["verify-chain", "--json"]));
        assert_eq!(report.code, 0, "{report:?}");
        report.json()["size"].clone()
    };
    let project = world.project.clone();
    let project = project.to_str().unwrap();
    assert_eq!(size(&["-C", "deep/er"]), 2);
    assert_eq!(size(&["-C", project]), 2);
    assert_eq!(size(&["--ledger", "."]), 2);
    assert_eq!(size(&["--ledger", ".promptos"]), 2);
    assert_eq!(size(&["--ledger", ".promptos/ledger.redb"]), 2);
    assert_eq!(size(&["-C", "deep", "--ledger", "../.promptos"]), 2);
    assert_eq!(size(&["-C", "/", "--ledger", project]), 2);
    let by_name = |value: &str| finish(world.promptos(&["log", "--json"]).env("PROMPTOS_LEDGER", value));
    assert_eq!(by_name(project).json()["size"], 2);
    // The command line outweighs the environment.
    let both = finish(world.promptos(&["--ledger", ".", "log", "--json"]).env("PROMPTOS_LEDGER", "nowhere"));
    assert_eq!(both.json()["size"], 2);
    by_name("nowhere").failed(1, &["nowhere is missing"]);
    by_name("").failed(2, &["--ledger (or PROMPTOS_LEDGER) is empty"]);
    world.refuses(2, &["--ledger=", "log"], &["is empty", "leave it out"]);
    world.refuses(1, &["-C", "nowhere", "log"], &["cannot go to nowhere"]);
    world.refuses(1, &["-C", ".promptos/log.key", "log"], &["cannot go to .promptos/log.key"]);

    // A ledger elsewhere is another ledger, with its own log key beside it.
    world.ok(&["--ledger", "else/where.redb", "dev", "--prompts", "P00"]);
    assert!(world.path("else/log.key").is_file() && !world.path("else/.gitignore").exists());
    assert_eq!(size(&["--ledger", "else/where.redb"]), 2);
    assert_eq!(size(&[]), 2);
    world.write("file", "");
    world.refuses(1, &["--ledger", "file/below.redb", "dev", "--prompts", "P00"], &["cannot make", "file"]);
}

#[test]
fn where_keys_and_pins_are() {
    let world = World::new();
    let at = |home: &str| finish(world.promptos(DEV).env("PROMPTOS_HOME", home));
    assert_eq!(at("relative").code, 0);
    assert!(world.path("relative/id_ed25519").is_file() && !world.config().exists());
    let own = world.root().join("own");
    // Somebody else by another home, whom this ledger does not know.
    at(own.to_str().unwrap()).failed(1, &["is not enrolled"]);
    world.write("file", "");
    at("file").failed(1, &["file"]);
    let empty = finish(world.promptos(DEV).env("PROMPTOS_HOME", ""));
    empty.failed(1, &["is not enrolled"]);
    assert!(world.config().is_dir());
    assert_eq!(world.verified(), 2);
}

#[test]
fn a_file_where_the_folder_belongs() {
    let world = World::new();
    world.ok(&["key", "new"]);
    world.write(".promptos", "mine");
    world.refuses(1, DEV, &["cannot make", ".promptos"]);
    world.refuses(1, &["init"], &["cannot make", ".promptos"]);
    world.refuses(1, &["log"], &["there is no ledger here"]);
    assert_eq!(fs::read(world.path(".promptos")).unwrap(), b"mine");
}

// ---- stdout ----

/// A run whose stdout nobody reads.
fn unread(world: &World, args: &[&str]) -> Output {
    let mut child = world.promptos(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    wait(child)
}

#[test]
fn a_closed_pipe_is_no_error_and_changes_no_outcome() {
    let world = World::with_session();
    for args in [
        &["log"][..],
        &["log", "--json"],
        &["show", "1"],
        &["cat", "P00.v1"],
        &["verify-chain"],
        &["trace", "P00.v1"],
        &["key", "list"],
        &["version"],
        DEV,
    ] {
        let output = unread(&world, args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        assert!(!output.stderr.contains("error"), "{args:?}: {output:?}");
    }
    assert_eq!(world.verified(), 3);
    // The work goes on to its end.
    for n in ["1", "2", "3"] {
        world.write(&format!("{n}.json"), OLD_SESSION.replace("NUMBER", n));
    }
    assert_eq!(unread(&world, &["session", "import", "1.json", "2.json", "3.json"]).code, 0);
    assert_eq!(world.verified(), 6);
    // And a verdict is a verdict.
    let db = redb::Database::open(world.ledger()).unwrap();
    let write = db.begin_write().unwrap();
    write.open_table(STATEMENTS).unwrap().insert(2, b"forged".as_slice()).unwrap();
    write.commit().unwrap();
    drop(db);
    for args in [&["verify-chain"][..], &["verify-chain", "--json"], &["show", "2"]] {
        assert_eq!(unread(&world, args).code, 3, "{args:?}");
    }
}

#[test]
fn a_stdout_that_takes_nothing_is_an_error() {
    let world = World::with_session();
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped a_stdout_that_takes_nothing_is_an_error: no /dev/full here");
        return;
    };
    for args in [&["log"][..], &["log", "--json"], &["cat", "P00.v1"], DEV] {
        let mut command = world.promptos(args);
        let child = command.stdout(full.try_clone().unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        wait(child).failed(1, &["cannot write the output"]);
    }
    // What could not be told was recorded all the same.
    assert_eq!(world.verified(), 3);
}

// ---- JSON ----

/// Stdout is one JSON document of this schema, and stderr none.
#[track_caller]
fn is_json(output: &Output, schema: &str) {
    let document = output.json();
    assert_eq!(document["schema"], format!("promptos.{schema}/1"), "{output:?}");
    assert!(!output.stderr.contains('{'), "{output:?}");
    if schema == "error" {
        assert_eq!(document["exit"], output.code, "{document}");
        assert!(document["error"].as_str().is_some_and(|text| !text.is_empty()), "{document}");
        assert!(document["hints"].is_array(), "{document}");
    }
}

#[test]
fn every_command_speaks_json() {
    let world = World::new();
    world.write("old.json", OLD_SESSION);
    world.write("art/run.json", r#"{"run_id": "r-1"}"#);
    world.write("prompts/bad.md", "---\nprompt_id: B\nversion: 1\n---\n");
    let call = |args: &[&str], code: i32, schema: &str| {
        let output = finish(world.promptos(&["--json"]).args(args));
        assert_eq!(output.code, code, "{args:?}: {output:?}");
        is_json(&output, schema);
    };
    call(&["version"], 0, "version");
    call(&["lint"], 4, "lint");
    call(&["ci"], 4, "ci");
    call(&["hooks", "status"], 1, "error");
    call(&["log"], 1, "error");
    call(&["init"], 0, "init");
    call(&["dev", "--prompts", "P00", "--artifacts-dir", "art"], 0, "dev");
    call(&["export", "--artifacts-dir", "art"], 0, "export");
    call(&["attach", "--run-record", "art/run.json"], 0, "attach");
    call(&["trace", "r-1"], 0, "trace");
    call(&["verify-chain"], 0, "verify-chain");
    call(&["verify-chain", "--require", "witnessed"], 4, "verify-chain");
    call(&["verify", "art/prompt_session.json"], 0, "verify");
    call(&["verify", "--require-trusted", "art/prompt_session.json"], 0, "verify");
    let nobody = "0".repeat(64);
    call(&["verify", "--require-trusted", "--trust", &nobody, "art/prompt_session.json"], 4, "verify");
    call(&["log"], 0, "log");
    call(&["show", "1"], 0, "show");
    call(&["pin", "show"], 0, "pin-show");
    call(&["key", "list"], 0, "key-list");
    call(&["key", "new", "second"], 0, "key-new");
    call(&["key", "add", "second.pub", "--identity", "s", "--role", "user"], 0, "key");
    call(&["key", "revoke", "second.pub"], 0, "key");
    call(&["key", "rotate"], 0, "key");
    call(&["key", "rotate", "--log-key"], 0, "key");
    call(&["session", "import", "old.json"], 0, "session-import");
    call(&["session", "import", "nowhere.json"], 1, "session-import");
    call(&["pin", "reset"], 0, "pin-reset");

    call(&["cat", "P00.v1"], 2, "error");
    call(&["dev"], 2, "error");
    call(&["dev", "--prompts", "nope"], 1, "error");
    call(&["dev", "--prompts", "B"], 4, "error");
    call(&["show", "99"], 1, "error");
    call(&["trace", "nope"], 1, "error");
    call(&["verify", "nope"], 1, "error");
    call(&["--key", "SHA256:x", "dev", "--prompts", "P00"], 1, "error");
    call(&["bogus"], 2, "error");
    call(&["dev", "--bogus"], 2, "error");
    call(&["attach"], 2, "error");
    call(&["-C", "nowhere", "log"], 1, "error");
    fs::write(world.ledger(), "").unwrap();
    call(&["verify-chain"], 3, "error");
    call(&["dev", "--prompts", "P00"], 3, "error");
}

#[test]
fn data_on_stdout_talk_on_stderr() {
    let world = World::new();
    let output = world.run(DEV);
    assert_eq!(output.code, 0);
    assert!(output.stdout.lines().all(|line| line.starts_with("> ")), "{output:?}");
    assert!(output.stderr.contains("new signing key") && output.stderr.contains("new ledger"), "{output:?}");
    let quiet = world.run(&["-q", "dev", "--prompts", "P00"]);
    assert_eq!(quiet.stderr, "", "{quiet:?}");
    let quiet = world.fails(1, &["-q", "show", "99"], &["there is no entry '99'"]);
    assert_eq!(quiet.stdout, "");
    // Help and version are what was asked for; a wrong command line is not.
    assert!(world.ok(&["--help"]).contains("Exit codes: 0 ok"));
    assert!(world.ok(&["--version"]).starts_with("promptos "));
    let usage = world.fails(2, &["--bogus"], &["--bogus"]);
    assert_eq!(usage.stdout, "");
    // No colours where nobody sees them, unless asked for.
    assert!(!world.ok(&["log"]).contains('\u{1b}'));
    assert!(world.ok(&["--color", "always", "log"]).contains('\u{1b}'));
    assert!(!world.ok(&["--color", "always", "--json", "log"]).contains('\u{1b}'));
}
