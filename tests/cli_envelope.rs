//! One entry in the envelopes of others: made, read back, refused when changed, and refused for want of a key.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use std::fs;
use support::{Output, World, text};

const FORMS: [&str; 4] = ["tlog-proof", "receipt", "transparent-statement", "in-toto"];

/// A ledger with a session (entry 1), a render (2), a run (3) and a snapshot (4), and what a stranger was given: the
/// files of entry 1, `founder.pub`, and the vkey.
struct Given {
    world: World,
    vkey: String,
}

impl Given {
    fn new() -> Self {
        let world = World::new();
        world.run(&["dev", "--prompts", "P00,P05", "--artifacts-dir", "art"]).ok();
        world.run(&["prompt", "render", "P01", "--var", "request=x", "--record", "--out", "plan.txt"]).ok();
        world.write("art/run_record.json", r#"{"run_id": "R-1"}"#);
        world.run(&["attach", "--run-record", "art/run_record.json", "--artifacts-dir", "art"]).ok();
        world.run(&["snapshot", "create", "v1"]).ok();
        let vkey = world.run(&["checkpoint", "--vkey"]).ok().stdout.trim().to_owned();
        for form in FORMS {
            world.run(&["envelope", "1", "--as", form, "--out", form]).ok();
        }
        let id = text(&world.json(&["show", "1"]), "/entry/id").to_owned();
        let statement = world.run(&["cat", &id]).ok().bytes;
        world.write("statement.cose", statement);
        let public = fs::read(world.home.join(".config/promptos/id_ed25519.pub")).unwrap();
        world.write("founder.pub", public);
        Self { world, vkey }
    }

    /// `verify` of a file as a form, by somebody who has never seen the ledger.
    fn verify(&self, file: &str, form: &str, more: &[&str]) -> Output {
        let mut args = vec!["verify", file, "--trust", "founder.pub", "--trust", &self.vkey];
        if ["tlog-proof", "receipt"].contains(&form) {
            args.extend(["--statement", "statement.cose"]);
        }
        args.extend(more);
        self.stranger(&args)
    }

    fn stranger(&self, args: &[&str]) -> Output {
        let mut command = self.world.command(env!("CARGO_BIN_EXE_promptos"), &self.world.project);
        support::finish(command.env("PROMPTOS_HOME", self.world.root().join("nowhere")).args(args))
    }

    fn payload(&self, file: &str) -> (Value, Vec<u8>) {
        let envelope: Value = serde_json::from_slice(&self.world.read(file)).unwrap();
        let payload = base64(text(&envelope, "/payload"));
        (envelope, payload)
    }
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn to_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn each_form_is_read_back() {
    let given = Given::new();
    let entry = given.world.json(&["show", "1"])["entry"].clone();
    for form in FORMS {
        let verdict = given.verify(form, form, &["--json"]).ok().json();
        assert_eq!((text(&verdict, "/form"), text(&verdict, "/rung")), (form, "consistent"));
        assert_eq!(verdict["entry"], entry, "{form}");
        assert_eq!((&verdict["size"], verdict["exporter"].is_string()), (&5.into(), form == "in-toto"));
        let said = given.verify(form, form, &[]).ok();
        for part in [text(&entry, "/id"), "P05.v1", "as of 5 entries", "later revocation is not visible"] {
            assert!(said.stdout.contains(part), "{form}: {said:?}");
        }
        // Made again, it is the same, and it is printed as it is written.
        let again = given.world.run(&["envelope", "1", "--as", form]).ok();
        assert_eq!(again.bytes, given.world.read(form), "{form}");
    }
}

#[test]
fn a_head_that_one_holds_is_compared() {
    let given = Given::new();
    let note = given.world.run(&["checkpoint"]).ok().bytes;
    given.world.write("held", note);
    let other = World::new();
    other.run(&["init"]).ok();
    given.world.write("other", other.run(&["checkpoint"]).ok().bytes);
    given.world.run(&["dev", "--prompts", "P00"]).ok();
    let newer = given.world.run(&["checkpoint"]).ok().stdout;
    given.world.write("newer", &newer);
    // The same size, another root: what a ledger that forked would hand out.
    let root = newer.lines().nth(2).unwrap().to_owned();
    let size = newer.replacen("\n6\n", "\n5\n", 1);
    given.world.write("fork", size.replacen(&root, &to_base64(&[7; 32]), 1));
    for form in FORMS {
        let held = |file: &str| given.verify(form, form, &["--checkpoint", file]);
        held("held").expect(0, &["pinned"]);
        held("newer").expect(0, &["consistent"]);
        held("other").expect(3, &["is of another ledger"]);
        held("fork").expect(3, &["forked"]);
    }
}

#[test]
fn what_was_changed_does_not_hold() {
    let given = Given::new();
    for form in FORMS {
        let bytes = given.world.read(form);
        // Every part is hit; all bits of a small file would take minutes.
        for at in (0..bytes.len()).step_by(bytes.len() / 60) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            given.world.write("changed", changed);
            let verdict = given.verify("changed", form, &[]);
            // A change may hit the name of the key or of the log, which is then one that was not given.
            let missing = verdict.code == 1 && verdict.stderr.contains("is not given, so nothing is proved");
            assert!(verdict.code == 3 || missing, "{form}, byte {at}: {verdict:?}");
            assert!(verdict.stdout.is_empty(), "{form}, byte {at}: {verdict:?}");
        }
        let mut cut = bytes.clone();
        cut.truncate(bytes.len() - 2);
        given.world.write("changed", cut);
        given.verify("changed", form, &[]).expect(3, &["the file is changed"]);
    }
}

#[test]
fn an_envelope_of_one_entry_is_not_that_of_another() {
    let given = Given::new();
    let id = text(&given.world.json(&["show", "2"]), "/entry/id").to_owned();
    given.world.write("statement.cose", given.world.run(&["cat", &id]).ok().bytes);
    given.verify("receipt", "receipt", &[]).expect(3, &["bad-proof"]);
    given.verify("tlog-proof", "tlog-proof", &[]).expect(3, &["bad-proof"]);
}

#[test]
fn without_the_keys_nothing_is_proved() {
    let given = Given::new();
    let other = World::new();
    other.run(&["init"]).ok();
    let foreign = other.run(&["checkpoint", "--vkey"]).ok().stdout.trim().to_owned();
    let stranger = given.world.root().join("stranger");
    given.world.run(&["key", "new", stranger.to_str().unwrap()]).ok();
    let stranger = format!("{}.pub", stranger.display());
    // Another key under the ledger's own name: an impostor, or a log key that was replaced.
    let name = given.vkey.split('+').next().unwrap().to_owned();
    let raw = SigningKey::from_bytes(&[5; 32]).verifying_key().to_bytes();
    let key = ledger_format::PublicKey::new(&raw).unwrap();
    let impostor = ledger_format::VerifierKey { name, key }.to_string();
    for form in FORMS {
        let beside: &[&str] =
            if ["tlog-proof", "receipt"].contains(&form) { &["--statement", "statement.cose"] } else { &[] };
        let verify = |trust: &[&str]| {
            let trust = trust.iter().flat_map(|what| ["--trust", what]);
            let all: Vec<&str> =
                ["verify", form].into_iter().chain(trust).chain(beside.iter().copied()).collect();
            given.stranger(&all)
        };
        let vkey = given.vkey.as_str();
        verify(&[]).expect(1, &["that key is not given", "--trust FILE.pub"]);
        verify(&[vkey]).expect(1, &["that key is not given"]);
        verify(&[vkey, &stranger]).expect(1, &["that key is not given"]);
        verify(&["founder.pub"]).expect(1, &["the key of the log", "--trust VKEY"]);
        verify(&["founder.pub", &foreign]).expect(1, &["the key of the log"]);
        verify(&["founder.pub", &impostor]).expect(3, &["unknown-key"]);
        verify(&["founder.pub", &impostor, vkey]).ok();
        verify(&["founder.pub", "SHA256:x"]).expect(2, &["the keys themselves"]);
        verify(&["founder.pub", "nowhere.pub"]).expect(1, &["nowhere.pub"]);
    }
}

#[test]
fn the_statement_is_named_where_it_is_wanted() {
    let given = Given::new();
    for form in ["tlog-proof", "receipt"] {
        let args = ["verify", form, "--trust", "founder.pub", "--trust", &given.vkey];
        given.stranger(&args).expect(2, &["--statement FILE"]);
    }
    for form in ["transparent-statement", "in-toto"] {
        given.verify(form, form, &["--statement", "statement.cose"]).expect(2, &["leave --statement out"]);
    }
    given.stranger(&["verify", "statement.cose"]).expect(1, &["a statement alone"]);
    given.stranger(&["verify", "founder.pub", "--statement", "statement.cose"]).expect(2, &["neither"]);
    given.verify("receipt", "receipt", &["--statement", "founder.pub"]).expect(2, &["--statement"]);
}

#[test]
fn an_in_toto_statement_says_what_the_signed_one_says() {
    let given = Given::new();
    let (envelope, payload) = given.payload("in-toto");
    let said: Value = serde_json::from_slice(&payload).unwrap();
    let show = given.world.json(&["show", "1"]);
    assert_eq!(text(&envelope, "/payloadType"), "application/vnd.in-toto+json");
    assert_eq!(text(&said, "/_type"), "https://in-toto.io/Statement/v1");
    assert_eq!(text(&said, "/predicateType"), promptos::envelope::PREDICATE_TYPE);
    for (field, shown) in [("entry", "id"), ("iss", "iss"), ("sub", "sub"), ("kid", "kid")] {
        assert_eq!(said["predicate"][field], show["entry"][shown], "{field}");
    }
    let names: Vec<_> = said["subject"].as_array().unwrap().iter().map(|s| text(s, "/name")).collect();
    assert_eq!(names, ["P00.v1", "P05.v1", "details"]);
    let p05 = &said["subject"][1]["digest"];
    assert_eq!(p05["blake3"], said["predicate"]["body"]["prompts"][1]["content"]["blake3"]);
    let bytes = given.world.run(&["cat", "P05.v1"]).ok().bytes;
    assert_eq!(text(p05, "/blake3"), blake3::hash(&bytes).to_hex().as_str());

    for (entry, names) in
        [("2", &["P01.v1", "output"][..]), ("3", &["record", "manifest"]), ("4", &["manifest"])]
    {
        given.world.run(&["envelope", entry, "--as", "in-toto", "--out", "other", "--force"]).ok();
        let said: Value = serde_json::from_slice(&given.payload("other").1).unwrap();
        let there: Vec<_> = said["subject"].as_array().unwrap().iter().map(|s| text(s, "/name")).collect();
        assert_eq!(there, names, "entry {entry}");
        given.verify("other", "in-toto", &[]).ok();
    }
    given.world.run(&["envelope", "0", "--as", "in-toto"]).expect(1, &["names no content"]);
}

/// Whoever signs the envelope vouches for it, and still cannot make it say what the author did not sign.
#[test]
fn a_forged_in_toto_statement_is_told_from_a_true_one() {
    let given = Given::new();
    let forger = SigningKey::from_bytes(&[6; 32]);
    let line = promptos::keys::PublicKey { key: forger.verifying_key().to_bytes(), comment: String::new() };
    given.world.write("forger.pub", line.to_openssh());
    let keyid = line.fingerprint();
    let (_, payload) = given.payload("in-toto");
    let payload = String::from_utf8(payload).unwrap();
    let forge = |kind: &str, payload: &str| {
        let pae = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let sig = to_base64(&forger.sign(pae.as_bytes()).to_bytes());
        let envelope = serde_json::json!({"payload": to_base64(payload.as_bytes()), "payloadType": kind,
            "signatures": [{"keyid": keyid, "sig": sig}]});
        given.world.write("forged", envelope.to_string());
        given.verify("forged", "in-toto", &["--trust", "forger.pub"])
    };
    let kind = "application/vnd.in-toto+json";
    forge(kind, &payload).expect(0, &[&keyid]);
    forge(kind, &payload.replacen("P05.v1", "P06.v1", 1)).expect(3, &["says something else"]);
    forge(kind, &payload.replacen("\"index\":1", "\"index\":2", 1)).expect(3, &["says something else"]);
    forge(kind, &payload.replacen(",", ", ", 1)).expect(3, &["says something else"]);
    forge(kind, &payload.replacen("entry:v1", "entry:v2", 1)).expect(1, &["urn:promptos:entry:v2"]);
    forge(kind, "{}").expect(1, &["its predicate is of type ''"]);
    forge(kind, "no json").expect(3, &["no in-toto Statement"]);
    forge("text/plain", &payload).expect(3, &["not an in-toto Statement"]);
}

#[test]
fn only_the_keeper_makes_receipts() {
    let given = Given::new();
    let log_key = given.world.project.join(".promptos/log.key");
    let kept = fs::read(&log_key).unwrap();
    fs::remove_file(&log_key).unwrap();
    for form in ["receipt", "transparent-statement"] {
        let refused = given.world.run(&["envelope", "1", "--as", form, "--out", "new"]);
        refused.expect(1, &["log.key", "only who keeps the ledger"]);
    }
    // Another key in its place signs nothing.
    let other = World::new();
    other.run(&["init"]).ok();
    fs::copy(other.project.join(".promptos/log.key"), &log_key).unwrap();
    let refused = given.world.run(&["envelope", "1", "--as", "receipt", "--out", "new"]);
    refused.expect(1, &["not the one that signs its checkpoints", "only who keeps the ledger"]);
    assert!(!given.world.project.join("new").exists());
    // The others need no log key.
    given.world.run(&["envelope", "1", "--as", "tlog-proof"]).ok();
    given.world.run(&["envelope", "1", "--as", "in-toto"]).ok();
    fs::write(&log_key, kept).unwrap();
    given.world.run(&["envelope", "1", "--as", "receipt"]).ok();
}

#[test]
fn files_and_reports() {
    let given = Given::new();
    let run = |args: &[&str]| given.world.run(args);
    run(&["envelope", "1", "--as", "receipt", "--json"]).expect(2, &["--out FILE"]);
    run(&["envelope", "1", "--as", "jwt"]).expect(2, &["transparent-statement"]);
    run(&["envelope", "1"]).expect(2, &["--as"]);
    run(&["envelope", "99", "--as", "receipt"]).expect(1, &["there is no entry '99'"]);
    run(&["envelope", "2", "--as", "receipt", "--out", "receipt"])
        .expect(1, &["is there already and differs"]);
    given.verify("receipt", "receipt", &[]).ok();
    let report = given.world.json(&["envelope", "2", "--as", "receipt", "--out", "receipt", "--force"]);
    assert_eq!((text(&report, "/schema"), text(&report, "/as")), ("promptos.envelope/1", "receipt"));
    assert_eq!(report["bytes"], given.world.read("receipt").len());
}

#[test]
fn an_older_envelope_holds_with_the_key_of_its_time() {
    let given = Given::new();
    given.world.run(&["key", "rotate", "--log-key"]).ok();
    let new = given.world.run(&["checkpoint", "--vkey"]).ok().stdout.trim().to_owned();
    for form in FORMS {
        given.verify(form, form, &["--trust", &new]).ok();
        given.world.run(&["envelope", "1", "--as", form, "--out", "newer", "--force"]).ok();
        given.verify("newer", form, &["--trust", &new]).ok();
        given.verify("newer", form, &[]).expect(3, &["unknown-key"]);
    }
}
