//! Details and manifests, and the limits that are too large for vectors.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ciborium::Value;
use ledger_format::Class::{Malformed, NonCanonical, TooLarge, Unsupported};
use ledger_format::evidence::Evidence;
use ledger_format::*;
use support::evidence::{citing, pack, story};
use support::log::{details, markdown};
use support::raw::{Raw, bytes, content, enc, map, with};

type Pairs = Vec<(&'static str, Value)>;

fn salted(field: &'static str, value: Value) -> Pairs {
    vec![("v", 1.into()), ("salt", bytes([7; 16])), (field, value)]
}

/// MUST: BLOB-4
#[test]
fn details_are_read_strictly() {
    let good = salted("fields", map(vec![("notes", "a note".into()), ("developer", "ada".into())]));
    let read = Details::parse(&enc(&map(good.clone()))).unwrap();
    assert_eq!((read.salt, read.fields["notes"].as_str(), read.fields.len()), ([7; 16], "a note", 2));
    assert_eq!(read.to_bytes(), enc(&map(good.clone())));
    let mut reversed = good.clone();
    reversed.reverse();
    let unsorted = reversed.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
    for (class, what, blob) in [
        (Unsupported, "version 2", with(&good, "v", 2.into())),
        (Unsupported, "another field", with(&good, "more", 1.into())),
        (Malformed, "no v", support::raw::without(&good, "v")),
        (Malformed, "no salt", support::raw::without(&good, "salt")),
        (Malformed, "no fields", support::raw::without(&good, "fields")),
        (Malformed, "a short salt", with(&good, "salt", bytes([7; 15]))),
        (Malformed, "a text salt", with(&good, "salt", "7".repeat(16).into())),
        (Malformed, "a number in a field", with(&good, "fields", map(vec![("notes", 1.into())]))),
        (Malformed, "an integer key", with(&good, "fields", Value::Map(vec![(1.into(), "x".into())]))),
        (Malformed, "a list of fields", with(&good, "fields", Value::Array(vec![]))),
        (Malformed, "a list", Value::Array(vec![])),
        (NonCanonical, "unsorted", Value::Map(unsorted)),
    ] {
        assert_eq!(Details::parse(&enc(&blob)).unwrap_err().class, class, "{what}");
    }
    assert_eq!(Details::parse(&[enc(&map(good)), vec![0]].concat()).unwrap_err().class, NonCanonical);
}

fn file(path: &str) -> Value {
    map(vec![("path", path.into()), ("content", content(b"x")), ("kept", true.into())])
}

fn manifest(files: Vec<Value>) -> Result<Manifest, Failure> {
    Manifest::parse(&enc(&map(salted("files", Value::Array(files)))))
}

/// MUST: BLOB-5
#[test]
fn manifests_are_read_strictly() {
    let good = salted("files", Value::Array(vec![file("a"), file("a/b"), file("b")]));
    let read = Manifest::parse(&enc(&map(good.clone()))).unwrap();
    assert_eq!(read.files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a", "a/b", "b"]);
    assert_eq!(read.to_bytes(), enc(&map(good.clone())));
    let mut shuffled = read.clone();
    shuffled.files.reverse();
    assert_eq!(shuffled.to_bytes(), read.to_bytes(), "the writer puts files in order");
    let item: Pairs = vec![("path", "a".into()), ("content", content(b"x")), ("kept", true.into())];
    let of = |item: Value| with(&good, "files", Value::Array(vec![item]));
    for (class, what, blob) in [
        (Unsupported, "version 2", with(&good, "v", 2.into())),
        (Unsupported, "another field", with(&good, "more", 1.into())),
        (Unsupported, "another field of a file", of(with(&item, "mode", 0o644.into()))),
        (Malformed, "no salt", support::raw::without(&good, "salt")),
        (Malformed, "no files", support::raw::without(&good, "files")),
        (Malformed, "no path", of(support::raw::without(&item, "path"))),
        (Malformed, "no content", of(support::raw::without(&item, "content"))),
        (Malformed, "not said whether kept", of(support::raw::without(&item, "kept"))),
        (Malformed, "kept as a number", of(with(&item, "kept", 1.into()))),
        (Malformed, "a path as bytes", of(with(&item, "path", bytes(b"a")))),
    ] {
        assert_eq!(Manifest::parse(&enc(&blob)).unwrap_err().class, class, "{what}");
    }
}

/// MUST: BLOB-6
#[test]
fn paths_stay_below_where_they_are_unpacked() {
    for path in ["a", "a/b.md", "..a", "a..", "...", "a b", "é", "a\\b", ".git"] {
        assert!(manifest(vec![file(path)]).is_ok(), "{path:?}");
    }
    for path in ["", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/../b", "../a", "a/..", "a\0b"] {
        assert_eq!(manifest(vec![file(path)]).unwrap_err().class, Malformed, "{path:?}");
        assert!(!is_relative(path));
    }
}

/// MUST: BLOB-7
#[test]
fn paths_ascend() {
    assert_eq!(manifest(vec![file("b"), file("a")]).unwrap_err().class, NonCanonical);
    assert_eq!(manifest(vec![file("a"), file("a")]).unwrap_err().class, NonCanonical);
    assert_eq!(manifest(vec![file("a/b"), file("a-b")]).unwrap_err().class, NonCanonical, "bytewise");
    assert!(manifest(vec![file("B"), file("a"), file("é")]).is_ok());
}

/// MUST: BLOB-8
#[test]
fn a_ref_has_one_content() {
    let of = |path: &str, reference: Value, bytes: &[u8]| {
        let pairs = [("path", path.into()), ("ref", reference), ("content", content(bytes))];
        map(pairs.into_iter().chain([("kept", true.into())]).collect::<Pairs>())
    };
    let same = vec![of("a", "P00.v1".into(), b"x"), of("b", "P00.v1".into(), b"x"), file("c")];
    let read = manifest(same).unwrap();
    assert_eq!(read.files.iter().filter(|f| f.reference.as_deref() == Some("P00.v1")).count(), 2);
    let other = vec![of("a", "P00.v1".into(), b"x"), of("b", "P00.v1".into(), b"y")];
    assert_eq!(manifest(other).unwrap_err().class, Malformed);
    for bad in ["", "P00", ".v1", "P00.vx", "P 0.v1", "P00.v1\n"] {
        assert_eq!(manifest(vec![of("a", bad.into(), b"x")]).unwrap_err().class, Malformed, "{bad:?}");
    }
    assert_eq!(manifest(vec![of("a", 1.into(), b"x")]).unwrap_err().class, Malformed);
}

/// MUST: LIMIT-1
#[test]
fn a_manifest_of_too_many_files_is_refused() {
    let many = |n: usize| Value::Array(vec![0.into(); n]);
    let read = |n| Manifest::parse(&enc(&map(salted("files", many(n))))).unwrap_err().class;
    assert_eq!(read(100_001), TooLarge);
    assert_eq!(read(100_000), Malformed, "within the limit, the items are looked at");
}

/// MUST: STMT-1 LIMIT-1
#[test]
fn a_statement_has_at_most_65535_bytes() {
    let of = |padding: usize| {
        Raw::new("thing/one", &map(vec![("v", 1.into()), ("x", bytes(vec![0; padding]))])).bytes()
    };
    let padding = MAX_STATEMENT - (of(60_000).len() - 60_000);
    assert_eq!(of(padding).len(), 65_535);
    assert!(Statement::decode(of(padding)).is_ok());
    assert_eq!(Statement::decode(of(padding + 1)).unwrap_err().class, TooLarge);
    assert_eq!(Statement::decode(vec![0; 65_536]).unwrap_err().class, TooLarge);
}

/// MUST: PROOF-3 LIMIT-1
#[test]
fn a_tlog_proof_has_at_most_131072_bytes() {
    let of = |length: usize| {
        let proof = InclusionProof { index: 0, path: vec![[0; 32]; 63], checkpoint: Vec::new() };
        let checkpoint = vec![b'x'; length - proof.to_bytes().len()];
        InclusionProof::parse(&InclusionProof { checkpoint, ..proof }.to_bytes())
    };
    assert!(of(131_072).is_ok());
    assert_eq!(of(131_073).unwrap_err().class, TooLarge);
}

/// MUST: EVID-9 EVID-10
#[test]
fn evidence_nests_once() {
    let session = pack(&story(), 2, &[0, 1], &[b"prompt", &details("a note")]);
    let run = citing(&session, "second").1;
    let opened = Evidence::open(&run).unwrap();
    assert!(matches!(opened.nested.as_slice(), [inner] if inner.nested.is_empty()));
    // A run is no session, so nothing nests deeper.
    assert_eq!(Evidence::open(&citing(&run, "third").1).unwrap_err().class, Malformed);
}

/// MUST: EVID-8 EVID-10
#[test]
fn parts_too_many_are_named_through_the_nesting() {
    let session = pack(&story(), 2, &[0, 1], &[b"prompt", &details("a note"), b"smuggled"]);
    let outer = Evidence::open(&citing(&session, "second").1).unwrap();
    assert_eq!((outer.nested.len(), outer.unexpected.len()), (1, 1));
    assert!(outer.unexpected[0].contains("blobs/"), "{:?}", outer.unexpected);
}

#[test]
fn a_descriptor_matches_only_its_content() {
    let good = markdown(b"prompt");
    assert!(good.matches(b"prompt"));
    assert!(!good.matches(b"Prompt"));
    assert!(!Descriptor { size: 5, ..good.clone() }.matches(b"prompt"));
    assert!(!Descriptor { sha256: [0; 32], ..good.clone() }.matches(b"prompt"));
    assert!(!Descriptor { blake3: Address([0; 32]), ..good }.matches(b"prompt"));
}

/// What a stranger wrote reaches a terminal in messages: escaped, and not at any length.
#[test]
fn foreign_text_is_shown_escaped_and_short() {
    const HOSTILE: &str = "\u{1b}[2J\u{202e}\r\n\u{9b}";
    let long = HOSTILE.repeat(2000);
    let body = |pairs: Vec<(&str, Value)>| map([vec![("v", 1.into())], pairs].concat());
    let mut said: Vec<String> = Vec::new();
    let known = vec![("content", content(b"x")), (long.as_str(), 1.into())];
    said.extend(Statement::decode(Raw::new("prompt/P.v1", &body(known)).bytes()).unwrap().not_understood);
    let refused = [
        Raw::new("key/x", &body(vec![("op", long.as_str().into())])),
        Raw::new(
            "key/x",
            &body(vec![
                ("op", "rotate".into()),
                ("key", bytes(support::raw::ada().verifying_key().to_bytes())),
                (&long, 1.into()),
            ]),
        ),
        Raw::erase().claim(1, long.as_str()),
        Raw::new("thing/x", &body(vec![])).claim(2, long.as_str()),
    ];
    said.extend(refused.map(|raw| Statement::decode(raw.bytes()).unwrap_err().to_string()));
    said.push(reference(long.clone()).unwrap_err().to_string());
    said.push(identity(long.clone()).unwrap_err().to_string());
    said.push(VerifierKey::parse(&long).unwrap_err().to_string());
    said.push(long.parse::<EntryId>().unwrap_err().to_string());
    said.push(long.parse::<Kid>().unwrap_err().to_string());
    let path = manifest(vec![file(&format!("../{HOSTILE}"))]);
    said.push(path.unwrap_err().to_string());
    let mut files = support::evidence::files(&pack(&story(), 1, &[0], &[]));
    files.push((HOSTILE.into(), Vec::new()));
    said.extend(Evidence::open(&support::evidence::tar(&files)).unwrap().unexpected);
    files.push((HOSTILE.into(), Vec::new()));
    said.push(Evidence::open(&support::evidence::tar(&files)).unwrap_err().to_string());
    for said in said {
        assert!(said.chars().count() < 1000, "{} characters", said.chars().count());
        assert!(!said.contains(['\u{1b}', '\u{202e}', '\r', '\n', '\u{9b}']), "{said:?}");
    }
}
