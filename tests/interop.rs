//! What the program writes, checked by tools that its authors did not write: GNU tar, sha256sum, OpenSSH,
//! three COSE libraries, two Merkle tree libraries, a DSSE library, Go's checksum database client; and by the verifier
//! that was written from the specification alone.
//!
//! A stranger gets files, an empty home and no `promptos`. A tool that is not there skips its test by name;
//! with `PROMPTOS_INTEROP=require` that fails. Only Go stays optional. The Python packages stand in
//! `tests/interop/requirements.txt`; put the interpreter that has them first on the PATH.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Output, World, finish, text};

/// The index of a run's entry in the ledger of [`Exchange`], which is its last.
const RUN: usize = 7;
/// That of the founder's second session.
const SESSION: &str = "6";

/// What `promptos envelope` makes.
const FORMS: [&str; 4] = ["tlog-proof", "receipt", "transparent-statement", "in-toto"];

/// A ledger with two signers and two log keys, and what a stranger was given of it.
struct Exchange {
    world: World,
    /// The stranger's folder: `session.tar`, `bot.tar`, `run.tar`, `snapshot.tar`, `session.json`,
    /// `founder.pub`, `bot.pub`, `entries/` with every statement, `session.receipt` and so on for every form of the
    /// session's envelopes, the in-toto one signed by the bot's key, and an empty `home`.
    away: PathBuf,
}

impl Exchange {
    fn new() -> Self {
        let world = World::new();
        // Bytes that a careless tool would change: no line end, not ASCII, a separator that is no line end.
        let gate = fs::read_to_string(repository("prompts/P01_scope_declaration.md")).unwrap();
        let ours = format!("{}\nGröße: naïve \u{2028} no end", gate.replace("P01", "Q7"));
        world.write("prompts/Q7_ours.md", ours);
        world.write("art/run_record.json", r#"{"run_id": "nightly 42"}"#);
        world.write("art/report/out.bin", [0, 255, 10, 13]);

        let agent = world.root().join("agent");
        let agent = agent.to_str().unwrap();
        world.run(&["dev", "--prompts", "P00,Q7", "--developer", "Ada", "--notes", "first"]).ok();
        world.run(&["key", "new", agent]).ok();
        let public = format!("{agent}.pub");
        world.run(&["key", "add", &public, "--identity", "bot", "--role", "agent", "--for", "founder"]).ok();
        world
            .run(&["--key", agent, "dev", "--prompts", "Q7", "--artifacts-dir", "../agent-art", "--quiet"])
            .ok();
        world.run(&["key", "rotate", "--log-key"]).ok();
        world.run(&["snapshot", "create", "v1"]).ok();
        world.run(&["dev", "--prompts", "P00,Q7,P05", "--notes", "ü"]).ok();
        world.run(&["export", "--artifacts-dir", "art"]).ok();
        world.run(&["attach", "--run-record", "art/run_record.json", "--artifacts-dir", "art"]).ok();
        world.run(&["export", "--snapshot", "v1", "--artifacts-dir", "release"]).ok();

        let away = world.root().join("away");
        fs::create_dir_all(away.join("home")).unwrap();
        fs::create_dir(away.join("entries")).unwrap();
        let give = |from: &str, to: &str| fs::copy(world.root().join(from), away.join(to)).unwrap();
        give("project/art/prompt_session.evidence.tar", "session.tar");
        give("project/art/prompt_session.json", "session.json");
        give("project/art/run.evidence.tar", "run.tar");
        give("project/release/snapshot.evidence.tar", "snapshot.tar");
        give("agent-art/prompt_session.evidence.tar", "bot.tar");
        give("home/.config/promptos/id_ed25519.pub", "founder.pub");
        give("agent.pub", "bot.pub");
        for form in FORMS {
            let out = away.join(format!("session.{form}"));
            let out = out.to_str().unwrap();
            world.run(&["--key", agent, "envelope", SESSION, "--as", form, "--out", out]).ok();
        }
        for index in 0..=RUN {
            let shown = world.json(&["show", &index.to_string()]);
            let statement = world.run(&["cat", text(&shown, "/entry/id")]).ok().bytes;
            fs::write(away.join(format!("entries/{index:020}.cose")), statement).unwrap();
        }
        Self { world, away }
    }

    /// A tool in the stranger's folder, with the stranger's home.
    fn tool(&self, program: &str) -> Command {
        let mut command = self.world.command(program, &self.away);
        command.env("HOME", self.away.join("home"));
        command
    }

    fn stranger(&self, program: &str, args: &[&str]) -> Output {
        finish(self.tool(program).args(args)).ok()
    }

    /// Unpacks `<name>.tar` into the folder `<name>` with GNU tar.
    fn unpack(&self, name: &str) -> PathBuf {
        let folder = self.away.join(name);
        fs::create_dir(&folder).unwrap();
        self.stranger("tar", &["--extract", "--file", &format!("{name}.tar"), "--directory", name]);
        folder
    }

    /// One of our scripts.
    fn script(&self, name: &str, args: &[&str]) -> Output {
        finish(self.tool("python3").args(["-E", "-s", "-B"]).arg(script(name)).args(args)).ok()
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.away.join(path)).unwrap()
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn script(name: &str) -> PathBuf {
    repository("tests/interop").join(name)
}

/// Whether a test must be skipped, having said so, since a tool does not answer to these arguments.
fn skip(test: &str, tools: &[(&str, &[&str])]) -> bool {
    for (program, args) in tools {
        let answer = Command::new(program).args(*args).output();
        if !answer.is_ok_and(|answer| answer.status.success()) {
            let what = format!("{test}: there is no `{program} {}`", args.join(" "));
            assert!(std::env::var_os("PROMPTOS_INTEROP").is_none_or(|v| v != "require"), "{what}");
            println!("skipped: {what}");
            return true;
        }
    }
    false
}

const TAR: (&str, &[&str]) = ("tar", &["--utc", "--version"]);

#[test]
fn cat_prints_the_statement_that_an_id_names() {
    let exchange = Exchange::new();
    for index in 0..=RUN {
        let statement = exchange.read(&format!("entries/{index:020}.cose"));
        let id = Sha256::new().chain_update([0]).chain_update(&statement).finalize();
        let id = format!("entry:{}", hex::encode(id));
        assert_eq!(id, text(&exchange.world.json(&["show", &index.to_string()]), "/entry/id"));
        assert_eq!(exchange.world.run(&["cat", &id[..14]]).ok().bytes, statement, "by a prefix of 8 digits");
    }
    let other = format!("entry:{}", "0".repeat(64));
    for unknown in [other.as_str(), "entry:", "entry:0", "entry:1", "entry:0123456", "entry:zzzzzzzzz"] {
        let refused = exchange.world.run(&["cat", unknown]).expect(1, &["there is no entry", "promptos log"]);
        assert!(refused.bytes.is_empty(), "{unknown}: {refused:?}");
    }
    exchange.world.run(&["cat", "00000000"]).expect(1, &["holds no content", "entry:"]);
}

#[test]
fn gnu_tar_and_sha256sum_find_the_exact_prompts() {
    if skip("gnu_tar_and_sha256sum", &[TAR, ("sha256sum", &["--version"])]) {
        return;
    }
    let exchange = Exchange::new();
    let listing = exchange.stranger("tar", &["--list", "--verbose", "--utc", "--file", "session.tar"]).stdout;
    assert!(
        listing.lines().all(|l| l.starts_with("-rw-r--r-- 0/0 ") && l.contains(" 1970-01-01 00:00 ")),
        "{listing}"
    );
    // Session; genesis, the agent's enrolment, the new log key, the snapshot; three prompts and the details.
    assert_eq!(listing.lines().count(), 2 + 4 * 2 + 4, "{listing}");
    let folder = exchange.unpack("session");

    let session: Value = serde_json::from_slice(&exchange.read("session.json")).unwrap();
    let sources = [
        ("P00.v1", repository("prompts/P00_context_lock.md")),
        ("Q7.v1", exchange.world.project.join("prompts/Q7_ours.md")),
        ("P05.v1", repository("prompts/P05_constrained_builder.md")),
    ];
    for (at, (reference, source)) in sources.iter().enumerate() {
        let field = |name: &str| text(&session, &format!("/ledger/prompts/{at}/{name}"));
        assert_eq!(field("ref"), *reference);
        let blob = folder.join("blobs").join(field("blake3"));
        assert_eq!(fs::read(&blob).unwrap(), fs::read(source).unwrap(), "{reference}");
        let sum = exchange.stranger("sha256sum", &["--binary", blob.to_str().unwrap()]).stdout;
        assert!(sum.starts_with(&format!("{} ", field("sha256"))), "{reference}: {sum}");
    }
}

#[test]
fn python_rebuilds_the_tar_and_recomputes_every_digest() {
    let python = ("python3", ["-c", "import blake3, cbor2, cryptography"].as_slice());
    if skip("rebuild.py and contents.py", &[TAR, python]) {
        return;
    }
    let exchange = Exchange::new();
    for (name, blobs) in [("session", 4), ("bot", 2), ("run", 6), ("snapshot", 9)] {
        let folder = exchange.unpack(name);
        let names = exchange.script("rebuild.py", &[&format!("{name}.tar")]).stdout;
        assert!(names.starts_with("subject.cose\nsubject.tlog-proof\nentries/"), "{names}");
        let described = exchange.script("contents.py", &[name]).json();
        assert_eq!(described.as_object().unwrap().len(), blobs, "{name}: {described}");
        assert_eq!(fs::read_dir(folder.join("blobs")).unwrap().count(), blobs);
    }
}

#[test]
fn cose_libraries_accept_statements_and_refuse_every_flipped_bit() {
    let python = ("python3", ["-c", "import cwt, pycose, scitt_cose"].as_slice());
    if skip("cose.py", &[TAR, python]) {
        return;
    }
    let exchange = Exchange::new();
    let subjects =
        [("session", "founder.pub", 6, 6), ("bot", "bot.pub", 3, 3), ("run", "founder.pub", RUN, 7)];
    for (name, key, index, head) in subjects {
        let folder = exchange.unpack(name);
        let says = exchange.script("cose.py", &[&format!("{name}/subject.cose"), key]).json();
        for library in ["cwt", "pycose", "scitt-cose"] {
            assert_eq!(says["refused"][library], says["bits"], "{library}: {says}");
        }
        let shown = exchange.world.json(&["show", &index.to_string()]);
        for field in ["id", "iss", "sub"] {
            assert_eq!(says[field], shown["entry"][field], "{name}: {field}");
        }
        assert_eq!((&says["alg"], &says["head"]), (&Value::from(-8), &shown["entry"]["head"]));
        assert_eq!(says["head"]["size"], head);
        assert_eq!(says["type"], "application/vnd.promptos.statement+cbor");
        assert_eq!(says["kid"], says["key"], "the kid is the fingerprint of the public key");
        let cat = exchange.world.run(&["cat", text(&says, "/id")]).ok().bytes;
        assert_eq!(cat, fs::read(folder.join("subject.cose")).unwrap());

        // What the libraries refuse, the program refuses as well; the subject is the tar's first file.
        for (part, at) in says["parts"].as_object().unwrap() {
            let mut tar = exchange.read(&format!("{name}.tar"));
            tar[512 + usize::try_from(at.as_u64().unwrap()).unwrap() + 40] ^= 1;
            let changed = exchange.world.write("changed.tar", tar);
            let verdict = exchange.world.run(&["verify", changed.to_str().unwrap()]);
            assert_eq!(verdict.code, 3, "{part} changed: {verdict:#?}");
        }
    }
}

/// The layout of a published ledger, read by paths as C2SP tlog-tiles has them.
#[test]
fn pymerkle_builds_the_tree_of_what_was_published() {
    let python = ("python3", &["-c", "import pymerkle"] as &[&str]);
    if skip("published.py", &[python]) {
        return;
    }
    let exchange = Exchange::new();
    let folder = exchange.away.join("published");
    let done = exchange.world.json(&["publish", folder.to_str().unwrap(), "--blobs", "none"]);
    let read = exchange.script("published.py", &["published"]).json();
    assert_eq!((&read["size"], &read["root"]), (&done["size"], &done["root"]));
}

#[test]
fn receipts_are_what_scitt_tools_read() {
    let python = ("python3", ["-c", "import cwt, pymerkle, scitt_cose"].as_slice());
    if skip("receipts.py", &[python]) {
        return;
    }
    let exchange = Exchange::new();
    let vkey = exchange.world.run(&["checkpoint", "--vkey"]).ok().stdout;
    let statement = format!("entries/{SESSION:0>20}.cose");
    let args = [
        "session.tlog-proof",
        "session.receipt",
        "session.transparent-statement",
        "founder.pub",
        vkey.trim(),
    ];
    let says = exchange.script("receipts.py", &[&[statement.as_str()], args.as_slice()].concat()).json();
    let shown = exchange.world.json(&["show", SESSION]);
    assert_eq!((&says["id"], &says["index"]), (&shown["entry"]["id"], &shown["entry"]["index"]));
    let checkpoint = exchange.world.json(&["checkpoint"]);
    assert_eq!((&says["size"], &says["root"]), (&checkpoint["size"], &checkpoint["root"]));
    assert_eq!(says["refused"]["scitt-cose"], says["bits"]);
    assert!(says["refused"]["cwt"].as_u64() > Some(1_000), "{says}");
}

#[test]
fn securesystemslib_verifies_the_in_toto_statement() {
    let python = ("python3", ["-c", "import cbor2, cryptography, securesystemslib"].as_slice());
    if skip("dsse.py", &[python]) {
        return;
    }
    let exchange = Exchange::new();
    let statement = format!("entries/{SESSION:0>20}.cose");
    let says = exchange.script("dsse.py", &["session.in-toto", "bot.pub", &statement]).json();
    let subjects = says["subjects"].as_object().unwrap();
    let names: Vec<_> = subjects.keys().map(String::as_str).collect();
    assert_eq!(names, ["P00.v1", "Q7.v1", "P05.v1", "details"]);
    let session: Value = serde_json::from_slice(&exchange.read("session.json")).unwrap();
    for (at, name) in ["P00.v1", "Q7.v1", "P05.v1"].iter().enumerate() {
        for digest in ["sha256", "blake3"] {
            assert_eq!(subjects[*name][digest], session["ledger"]["prompts"][at][digest], "{name}");
        }
    }
    // The author's key is not the one that signed the envelope.
    let mut other = exchange.tool("python3");
    let other = other.args(["-E", "-s", "-B"]).arg(script("dsse.py"));
    finish(other.args(["session.in-toto", "founder.pub", &statement])).expect(1, &["VerificationError"]);
}

#[test]
fn tree_libraries_compute_the_same_roots_and_accept_the_proofs() {
    let python = ("python3", ["-c", "import cbor2, cryptography, pymerkle, scitt_cose"].as_slice());
    if skip("tree.py", &[TAR, python]) {
        return;
    }
    let exchange = Exchange::new();
    // The agent's evidence was taken when the ledger had four entries.
    for (name, size, proofs) in [("session", 7, 5), ("bot", 4, 3), ("run", 8, 5), ("snapshot", 8, 4)] {
        exchange.unpack(name);
        let head = exchange.script("tree.py", &["entries", name]).json();
        let wrong = 2 * 6 * proofs;
        assert_eq!(
            (&head["size"], &head["leaves"], &head["proofs"], &head["refused"]),
            (&size.into(), &8.into(), &proofs.into(), &wrong.into()),
            "{name}"
        );
        if name == "run" {
            let audit = exchange.world.json(&["verify-chain"]);
            assert!(audit.to_string().contains(text(&head, "/root")), "{audit:#}");
        }
    }
}

#[test]
fn a_checkpoint_is_a_signed_note_to_others() {
    let python = ("python3", ["-c", "import cbor2, cryptography"].as_slice());
    if skip("note.py", &[TAR, python]) {
        return;
    }
    let exchange = Exchange::new();
    let vkeys = ["session", "bot", "run"].map(|name| {
        exchange.unpack(name);
        exchange.script("note.py", &[name]).stdout
    });
    assert_eq!(vkeys[0], vkeys[2]);
    assert_ne!(vkeys[0], vkeys[1], "the log key was replaced after the agent's session");

    // Go, with the Debian packages golang-go and golang-golang-x-mod-dev.
    let gopath = std::env::var("GOPATH").unwrap_or_else(|_| "/usr/share/gocode".to_owned());
    let source = Path::new(&gopath).join("src/golang.org/x/mod/sumdb/note/note.go");
    let go = Command::new("go").arg("version").output();
    if !source.exists() || !go.is_ok_and(|answer| answer.status.success()) {
        println!("skipped: interop/note/main.go: there is no go, or no golang.org/x/mod in GOPATH");
        return;
    }
    let mut build = exchange.tool("go");
    build.args(["build", "-o"]).arg(exchange.away.join("note")).arg(script("note/main.go"));
    let goroot = std::env::var_os("GOROOT").map(|root| ("GOROOT", root));
    build.env("GO111MODULE", "off").env("GOPROXY", "off").env("GOPATH", &gopath).envs(goroot);
    finish(&mut build).ok();
    let note = exchange.away.join("note");
    for (name, vkey, index, size) in [("session", &vkeys[0], 6, 7), ("bot", &vkeys[1], 3, 4)] {
        let (subject, proof) = (format!("{name}/subject.cose"), format!("{name}/subject.tlog-proof"));
        let answer = exchange.stranger(note.to_str().unwrap(), &[vkey.trim(), &subject, &proof]).stdout;
        let origin = vkey.split('+').next().unwrap();
        assert_eq!(answer, format!("{origin} {size} {index}\n"));
        let other =
            exchange.tool(note.to_str().unwrap()).args([vkey.trim(), "session.json", &proof]).output();
        assert!(!other.unwrap().status.success(), "Go accepts a proof of another leaf");
    }
    let subject = format!("entries/{SESSION:0>20}.cose");
    let args = [vkeys[0].trim(), subject.as_str(), "session.tlog-proof"];
    let answer = exchange.stranger(note.to_str().unwrap(), &args).stdout;
    assert_eq!(answer, format!("{} {} {SESSION}\n", vkeys[0].split('+').next().unwrap(), RUN + 1));
}

#[test]
fn a_kid_is_the_fingerprint_that_openssh_shows() {
    if skip("ssh-keygen", &[("ssh", &["-V"])]) {
        return;
    }
    let exchange = Exchange::new();
    let keys = exchange.world.json(&["key", "list"]);
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let file = format!("{}.pub", text(key, "/identity"));
        let line = exchange.stranger("ssh-keygen", &["-l", "-f", &file]).stdout;
        assert_eq!(line.split(' ').nth(1), Some(text(key, "/kid")), "{line}");
        assert!(line.starts_with("256 ") && line.ends_with("(ED25519)\n"), "{line}");
    }
}

#[test]
fn evidence_in_another_ledger_is_the_same_bytes() {
    let python = ("python3", ["-c", "import blake3, cbor2, cryptography"].as_slice());
    if skip("nested evidence", &[TAR, python]) {
        return;
    }
    let exchange = Exchange::new();
    let keeper = World::new();
    for (from, to) in
        [("session.json", "prompt_session.json"), ("session.tar", "prompt_session.evidence.tar")]
    {
        keeper.write(&format!("art/{to}"), exchange.read(from));
    }
    keeper.write("art/run_record.json", r#"{"run_id": "r2"}"#);
    keeper.run(&["init"]).ok();
    keeper.run(&["attach", "--run-record", "art/run_record.json", "--artifacts-dir", "art"]).ok();
    fs::write(exchange.away.join("keeper.tar"), keeper.read("art/run.evidence.tar")).unwrap();

    let folder = exchange.unpack("keeper");
    exchange.script("rebuild.py", &["keeper.tar"]);
    exchange.script("note.py", &["keeper"]);
    let described = exchange.script("contents.py", &["keeper"]).json();
    let (blob, _) = described
        .as_object()
        .unwrap()
        .iter()
        .find(|(_, by)| by.to_string().contains("/evidence"))
        .unwrap_or_else(|| panic!("no evidence in {described:#}"));
    assert_eq!(fs::read(folder.join("blobs").join(blob)).unwrap(), exchange.read("session.tar"));
}

#[test]
fn python_decodes_every_statement() {
    let python = ("python3", ["-c", "import cbor2, cryptography, cwt"].as_slice());
    if skip("decode.py", &[python]) {
        return;
    }
    let exchange = Exchange::new();
    let counts = exchange.script("decode.py", &["entries"]).json();
    assert_eq!(counts["statements"], RUN + 1, "{counts}");

    // The script can fail: a changed statement, another key's statement, nothing at all.
    let changed = exchange.away.join("changed");
    fs::create_dir(&changed).unwrap();
    let refused = |expected: &str| {
        let mut command = exchange.tool("python3");
        let output = finish(command.args(["-E", "-s", "-B"]).arg(script("decode.py")).arg(&changed));
        output.expect(1, &[expected]);
    };
    refused("there is no statement");
    let mut statement = exchange.read("entries/00000000000000000001.cose");
    fs::write(changed.join("1.cose"), &statement).unwrap();
    refused("no key has the kid");
    fs::write(changed.join("0.cose"), exchange.read("entries/00000000000000000000.cose")).unwrap();
    *statement.last_mut().unwrap() ^= 1;
    fs::write(changed.join("1.cose"), &statement).unwrap();
    refused("InvalidSignature");
}

#[test]
fn python_agrees_with_the_vectors() {
    let python = ("python3", ["-c", "import cbor2, cryptography, cwt, pymerkle, scitt_cose"].as_slice());
    let vectors = repository("ledger-format/vectors");
    if skip("decode.py and vectors.py", &[python]) {
        return;
    }
    if !vectors.is_dir() {
        println!("skipped: decode.py and vectors.py: there is no {}", vectors.display());
        return;
    }
    let python = |name: &str, folder: PathBuf| {
        let mut command = Command::new("python3");
        finish(command.args(["-E", "-s", "-B"]).arg(script(name)).arg(folder)).ok().json()
    };
    let counts = python("decode.py", vectors.join("accept"));
    assert!(counts["statements"].as_u64() > Some(50) && counts["ids"].as_u64() > Some(20), "{counts}");
    let judged = python("vectors.py", vectors);
    let kinds = ["checkpoint", "proof-consistency", "proof-inclusion", "receipt", "signature", "tlog-proof"];
    for kind in kinds.into_iter().chain(["transparent-statement"]) {
        for verdict in ["accept", "reject"] {
            assert!(judged[verdict][kind].as_u64() > Some(0), "no {kind} to {verdict}: {judged}");
        }
    }
}

#[test]
fn the_second_verifier_agrees_with_the_vectors() {
    let python = ("python3", ["-c", "import blake3, cbor2, cryptography"].as_slice());
    if skip("verifier_test.py", &[python]) {
        return;
    }
    let verifier = repository("ledger-format/verifier.py");
    let vectors = repository("ledger-format/vectors");
    if !verifier.is_file() || !vectors.is_dir() {
        println!("skipped: verifier_test.py: there is no {}", verifier.display());
        return;
    }
    let mut command = Command::new("python3");
    let done =
        finish(command.args(["-E", "-s", "-B"]).arg(script("verifier_test.py")).args([verifier, vectors]));
    let done = done.ok().json();
    assert!(done["vectors"].as_u64() > Some(700), "{done}");
    assert!(done["rules-broken"].as_u64() > Some(7), "{done}");
}

#[test]
fn the_second_verifier_accepts_our_evidence() {
    let python = ("python3", ["-c", "import blake3, cryptography"].as_slice());
    let verifier = repository("ledger-format/verifier.py");
    if skip("verifier.py", &[python]) || !verifier.is_file() {
        return;
    }
    let exchange = Exchange::new();
    let verify = |args: &[&str]| {
        let mut command = exchange.tool("python3");
        finish(command.args(["-E", "-s", "-B"]).arg(&verifier).args(["--json", "evidence"]).args(args))
    };
    let genesis = exchange.world.json(&["show", "0"]);
    let ledger = text(&genesis, "/entry/id");
    for (name, index, size) in [("session", 6, 7), ("bot", 3, 4), ("run", RUN, 8), ("snapshot", 5, 8)] {
        let archive = format!("{name}.tar");
        let report = verify(&[&archive, "--ledger", ledger]).ok().json();
        let shown = exchange.world.json(&["show", &index.to_string()]);
        assert_eq!(report["verdict"], "verified", "{report:#}");
        assert_eq!((&report["index"], &report["size"]), (&index.into(), &size.into()), "{name}");
        assert_eq!(
            (&report["subject"], &report["ledger"]),
            (&shown["entry"]["id"], &ledger.into()),
            "{name}"
        );
        assert_eq!((&report["unexpected"], &report["not-understood"]), (&json!([]), &json!([])), "{name}");
        let other = format!("entry:{}", "0".repeat(64));
        verify(&[&archive, "--ledger", &other]).expect(3, &[]);

        // Wherever a byte is changed, both refuse, with the same class.
        let bytes = exchange.read(&archive);
        for at in (0..bytes.len()).step_by(bytes.len() / 7) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(exchange.away.join("changed.tar"), &changed).unwrap();
            let path = exchange.away.join("changed.tar");
            let ours = exchange.world.run(&["verify", "--json", path.to_str().unwrap()]).expect(3, &[]);
            let theirs = verify(&["changed.tar"]).expect(3, &[]).json();
            let class = text(&theirs, "/class");
            assert!(ours.stdout.contains(class), "{name}, byte {at}: {theirs:#} and {}", ours.stdout);
        }
    }
}

#[test]
fn the_second_verifier_judges_our_published_ledger_as_we_do() {
    let python = ("python3", ["-c", "import blake3, cryptography"].as_slice());
    let verifier = repository("ledger-format/verifier.py");
    if skip("verifier.py", &[python]) {
        return;
    }
    let exchange = Exchange::new();
    let folder = exchange.away.join("published");
    let at = folder.to_str().unwrap();
    exchange.world.run(&["publish", at, "--blobs", "all"]).ok();
    let stranger = World::new();
    let theirs = || {
        let mut command = exchange.tool("python3");
        finish(command.args(["-E", "-s", "-B"]).arg(&verifier).args(["--json", "directory", at]))
    };
    let ours = || stranger.run(&["--json", "verify-chain", "--ledger", at]);
    let (first, again) = (ours().ok().json(), theirs().ok().json());
    assert_eq!((&again["size"], &again["root"]), (&first["size"], &first["root"]), "{again:#}");

    // Whichever file is changed, shortened or taken away, both come to the same exit code.
    let files = support::tree(&folder);
    for (name, bytes) in &files {
        let file = folder.join(name);
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        for changed in [Some(flipped), Some(bytes[..bytes.len() - 1].to_vec()), None] {
            match &changed {
                Some(bytes) => fs::write(&file, bytes).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let (ours, theirs) = (ours(), theirs());
            let what = format!("{name}, {} bytes: {ours:?} and {theirs:?}", changed.map_or(0, |b| b.len()));
            assert_eq!(ours.code, theirs.code, "{what}");
        }
        fs::write(&file, bytes).unwrap();
    }
    assert!(files.len() > 10, "{}", files.len());
}
