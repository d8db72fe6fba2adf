//! Runs every vector in `vectors/`, and checks that the files are what the generator makes and that
//! together with the tests they name every rule of SPEC.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ledger_format::evidence::Evidence;
use ledger_format::tree::{self, Head};
use ledger_format::*;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, str};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Every file below `vectors/`, by its path there.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for verdict in ["accept", "reject"] {
        for file in fs::read_dir(folder().join(verdict)).unwrap() {
            let file = file.unwrap();
            let name = format!("{verdict}/{}", file.file_name().into_string().unwrap());
            files.insert(name, fs::read_to_string(file.path()).unwrap());
        }
    }
    files
}

/// A parsed vector. Reading a field that is missing panics and so fails the test.
struct Vector(Json);

impl Vector {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("no text '{key}'"))
    }

    fn hex(&self, key: &str) -> Vec<u8> {
        hex::decode(self.text(key)).unwrap()
    }

    fn hash<const N: usize>(&self, key: &str) -> [u8; N] {
        self.hex(key).try_into().unwrap()
    }

    fn number(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or_else(|| panic!("no number '{key}'"))
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        let items = self.0[key].as_array().unwrap_or_else(|| panic!("no list '{key}'"));
        items.iter().map(|item| item.as_str().unwrap()).collect()
    }

    fn path(&self) -> Vec<Hash> {
        let hash = |hex| hex::decode(hex).unwrap().try_into().unwrap();
        self.texts("path").into_iter().map(hash).collect()
    }

    fn head(&self, prefix: &str) -> Head {
        Head { size: self.number(&format!("{prefix}size")), root: self.hash(&format!("{prefix}root")) }
    }
}

/// The verdict of the code. What an accepted vector expects beyond its acceptance is checked here.
fn run(v: &Vector) -> Result<(), Failure> {
    match v.text("kind") {
        "statement" => statement(v),
        "log" => log(v),
        "checkpoint" => {
            let read = Checkpoint::open(v.text("note").as_bytes(), &VerifierKey::parse(v.text("vkey"))?)?;
            assert_eq!(read, Checkpoint { origin: v.text("origin").into(), head: v.head("") });
            Ok(())
        }
        "vkey" => {
            let vkey = VerifierKey::parse(v.text("vkey"))?;
            assert_eq!(vkey.to_string(), v.text("vkey"));
            assert_eq!(vkey.key.to_bytes(), v.hash("public-key"));
            Ok(())
        }
        "witness-vkey" => {
            let vkey = WitnessKey::parse(v.text("vkey"))?;
            assert_eq!(vkey.to_string(), v.text("vkey"));
            assert_eq!(vkey.key.to_bytes(), v.hash("public-key"));
            Ok(())
        }
        "cosignature" => {
            let times = WitnessKey::parse(v.text("vkey"))?.times(v.text("note").as_bytes())?;
            assert_eq!(times.iter().map(ToString::to_string).collect::<Vec<_>>(), v.texts("times"));
            Ok(())
        }
        "submission" => {
            let submission = Submission::parse(v.text("submission").as_bytes())?;
            let new = Checkpoint::open(&submission.checkpoint, &VerifierKey::parse(v.text("vkey"))?)?.head;
            let old = Head { size: submission.old, root: v.hash("old-root") };
            tree::verify_consistency(&old, &new, &submission.path)?;
            assert_eq!(submission.to_bytes(), v.text("submission").as_bytes());
            assert_eq!(old.size, v.number("old-size"));
            Ok(())
        }
        "policy" => {
            let witnessed = Policy::parse(v.text("policy").as_bytes())?.judge(v.text("note").as_bytes())?;
            assert_eq!(witnessed.existed_by, v.number("existed-by"));
            assert_eq!(witnessed.newest_at, v.number("newest-at"));
            Ok(())
        }
        "fork" => {
            let proof = ForkProof::parse(v.text("proof").as_bytes())?;
            let fork = proof.verify()?;
            assert_eq!(proof.to_bytes(), v.text("proof").as_bytes());
            assert_eq!(fork.origin, v.text("origin"));
            assert_eq!((fork.old.size, fork.new.size), (v.number("old-size"), v.number("new-size")));
            assert_eq!(if fork.bound { "genesis" } else { "none" }, v.text("bound"));
            Ok(())
        }
        "proof-inclusion" => {
            tree::verify_inclusion(&v.hash("leaf"), v.number("index"), &v.head(""), &v.path())
        }
        "proof-consistency" => tree::verify_consistency(&v.head("old-"), &v.head("new-"), &v.path()),
        "tlog-proof" => {
            let proof = InclusionProof::parse(v.text("proof").as_bytes())?;
            let checkpoint = Checkpoint::open(&proof.checkpoint, &VerifierKey::parse(v.text("vkey"))?)?;
            proof.verify(&v.hash("leaf"), &checkpoint.head)?;
            assert_eq!(proof.to_bytes(), v.text("proof").as_bytes());
            Ok(())
        }
        "receipt" => {
            let receipt = Receipt::decode(&v.hex("receipt"))?;
            let statement = Statement::decode(v.hex("statement"))?;
            receipt.verify(&statement, &VerifierKey::parse(v.text("vkey"))?)?;
            assert_eq!(receipt.bytes(), v.hex("receipt"));
            assert_eq!((receipt.origin.as_str(), receipt.head), (v.text("origin"), v.head("")));
            assert_eq!(receipt.index, v.number("index"));
            Ok(())
        }
        "transparent-statement" => {
            let transparent = Transparent::decode(&v.hex("transparent-statement"))?;
            let author = PublicKey::new(&v.hash("public-key"))?;
            transparent.verify(&author, &VerifierKey::parse(v.text("vkey"))?)?;
            assert_eq!(transparent.to_bytes()?, v.hex("transparent-statement"));
            assert_eq!(transparent.statement.id.to_string(), v.text("id"));
            assert_eq!(transparent.receipt.head.size, v.number("size"));
            Ok(())
        }
        "evidence" => {
            let evidence = Evidence::open(&v.hex("tar"))?;
            assert_eq!(evidence.ledger.to_string(), v.text("ledger"));
            assert_eq!(evidence.subject.statement.id.to_string(), v.text("subject"));
            assert_eq!(evidence.checkpoint.head.size, v.number("size"));
            assert_eq!(evidence.unexpected, v.texts("unexpected"));
            Ok(())
        }
        "public-key" => {
            let key = PublicKey::new(&v.hash("public-key"))?;
            assert_eq!(key.kid().to_string(), v.text("kid"));
            assert_eq!(key.kid(), v.text("kid").parse().unwrap());
            Ok(())
        }
        "commitment" => {
            let of = if v.text("of") == "input" { Committed::Input } else { Committed::Variables };
            of.open(&v.hash("commitment"), &v.hash("salt"), &v.hex("bytes"))
        }
        "signature" => PublicKey::new(&v.hash("public-key"))?.verify(&v.hex("message"), &v.hash("signature")),
        other => panic!("unknown kind of vector: {other}"),
    }
}

fn statement(v: &Vector) -> Result<(), Failure> {
    let statement = Statement::decode(v.hex("statement"))?;
    statement.verify(&PublicKey::new(&v.hash("public-key"))?)?;
    assert_eq!(statement.id.to_string(), v.text("id"));
    assert_eq!(statement.not_understood, v.texts("not-understood"));
    Ok(())
}

fn log(v: &Vector) -> Result<(), Failure> {
    let statements = v.texts("statements").into_iter().map(|hex| hex::decode(hex).unwrap()).collect();
    let log = support::log::Log { statements, ..support::log::Log::empty() };
    let (audited, replayed) = (log.audit(), log.replay());
    // A replay takes signatures and heads for granted, except the genesis's, and refuses nothing else less.
    let granted = |(at, failure): &(usize, Failure)| {
        *at > 0 && matches!(failure.class, Class::BadSignature | Class::ForkedHead)
    };
    match (&audited, &replayed) {
        (Ok(audited), Ok(replayed)) => assert_eq!(audited.state(), replayed.state()),
        (Err(refused), Ok(_)) => assert!(granted(refused), "a replay accepts it"),
        (Err(refused), Err(again)) => assert_eq!((refused, granted(refused)), (again, false)),
        (Ok(_), Err(again)) => panic!("a replay refuses it: {again:?}"),
    }
    // Deferring the signatures changes neither what is refused nor why.
    match (&audited, &log.audit_deferring()) {
        (Ok(audited), Ok(deferred)) => assert_eq!(audited.state(), deferred.state()),
        (audited, deferred) => assert_eq!(audited.as_ref().err(), deferred.as_ref().err()),
    }
    match audited {
        Ok(auditor) => {
            assert_eq!(auditor.head(), v.head(""));
            assert_eq!(auditor.origin().unwrap(), v.text("origin"));
            Ok(())
        }
        Err((at, failure)) => {
            assert_eq!(at as u64, v.number("at"), "another statement was refused: {failure}");
            Err(failure)
        }
    }
}

/// MUST: CLASS-1
#[test]
fn every_vector_has_its_verdict() {
    let mut wrong = Vec::new();
    for (path, json) in files() {
        let vector = Vector(serde_json::from_str(&json).unwrap());
        let want = path.starts_with("reject/").then(|| vector.text("class").to_owned());
        let verdict = std::panic::catch_unwind(|| run(&vector));
        let got = verdict.map(|verdict| verdict.err());
        match got {
            Ok(got) if got.as_ref().map(|f| f.class.code().to_owned()) == want => {}
            Ok(got) => wrong.push(format!("{path}: want {want:?}, got {got:?}")),
            Err(_) => wrong.push(format!("{path}: a panic, see above")),
        }
    }
    assert!(wrong.is_empty(), "{} of the vectors:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_files_are_what_the_generator_makes() {
    let made: BTreeMap<_, _> = support::all().iter().map(|v| (v.path(), v.json())).collect();
    let there = files();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&there), names(&made), "run: cargo run -p ledger-format --example vectors");
    let differ: Vec<_> =
        made.iter().filter(|(path, json)| there[*path] != **json).map(|(path, _)| path).collect();
    assert!(differ.is_empty(), "run: cargo run -p ledger-format --example vectors; {differ:?}");
}

#[test]
fn every_class_has_a_reject_vector() {
    let named: BTreeSet<_> = support::all().iter().filter_map(|v| v.class).collect();
    assert_eq!(named, BTreeSet::from(Class::ALL));
}
