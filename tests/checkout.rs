//! Checking out whatever a ledger holds: any bytes come back, and no list of files leads out of its folder.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use ed25519_dalek::SigningKey;
use ledger_format::{Body, Descriptor, MANIFEST_TYPE, Manifest, ManifestFile, Snapshot, Statement};
use promptos::catalog::{Catalog, Layer, Policy, Source};
use promptos::error::Kind;
use promptos::ledger::{Access, Author, Content, Create, Ledger, New};
use promptos::session::{
    CheckedOut, Held, SnapshotRequest, check_paths, checkout, difference, list_catalog, plan_snapshot,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::tree;

const TIME: u64 = 1_700_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// A new ledger in `folder`.
fn found(folder: &Path) -> Ledger {
    let path = folder.join("ledger.redb");
    let create = Create { name: "book", identity: "ada", nonce: [7; 16], previous: None };
    let author = Author { signer: &key(1), log_key: &key(2), time: TIME };
    assert!(Ledger::create_file(&path, &create, &author).unwrap());
    Ledger::open_file(&path, Access::Write, Duration::ZERO, &mut |_| {}).unwrap()
}

fn append(ledger: &Ledger, new: &New) -> Statement {
    ledger.append(&Author { signer: &key(1), log_key: &key(2), time: TIME }, new).unwrap().statement
}

/// Some prompt file, or what somebody took for one.
fn file(n: usize) -> impl Strategy<Value = Vec<u8>> {
    let head = format!(
        "---\nprompt_id: p{n}\nversion: 1\ntitle: t\nrole: task\nsummary: s\nowner: o\nstatus: current\n\
         inputs: []\noutput_contract: {{type: text}}\n---\n"
    );
    let body = prop_oneof![
        "[ -~é\n\r\t\u{2028}]{0,200}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..2000),
        Just(Vec::new()),
    ];
    (body, any::<bool>(), any::<bool>()).prop_map(move |(body, bom, crlf)| {
        let head = if crlf { head.replace('\n', "\r\n") } else { head.clone() };
        [if bom { "\u{feff}".as_bytes() } else { &[] }, head.as_bytes(), &body].concat()
    })
}

fn catalog() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let files = (0..12usize).map(|n| {
        let path = ["[a-z]{1,8}", "[a-z]{1,3}/[a-zA-Z ü]{1,8}", "x/y/[0-9]{1,3}"][n % 3];
        (path.prop_map(move |path| format!("{n}{path}.md")), file(n))
    });
    files.collect::<Vec<_>>().prop_map(|files| files.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_come_back(files in catalog(), later in btree_map("[a-z]{1,4}\\.md", vec(any::<u8>(), 0..99), 0..4)) {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("prompts");
        for (path, bytes) in &files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let sources = [Source::folder(Layer::Workspace, folder.clone())];
        let load = || Catalog::load(&sources, false).unwrap();
        let ledger = found(temp.path());
        let request = SnapshotRequest { name: "v1", commit: None, lint: Policy::default(), allow_findings: true, salt: [3; 16] };
        let planned = plan_snapshot(&load(), Some(&folder), request).unwrap();
        let snapshot = append(&ledger, &planned.new);
        prop_assert_eq!(planned.files, files.len(), "unusable prompts are a part of the catalog");
        let manifest = Held::Ledger(&ledger).manifest(&snapshot).unwrap();

        // Everything changes, and the ledger does not.
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        for (path, bytes) in &later {
            fs::write(folder.join(path), bytes).unwrap();
        }
        let now: Vec<_> = list_catalog(&load(), Some(&folder)).unwrap().into_iter().map(|l| l.file).collect();
        prop_assert_eq!(difference(&manifest.files, &manifest.files).count(), 0);
        prop_assert!(difference(&manifest.files, &now).count() >= files.len());

        let out = temp.path().join("out");
        let done = checkout(&Held::Ledger(&ledger), &snapshot, &out, false).unwrap();
        prop_assert_eq!(done, CheckedOut { files: files.len(), erased: Vec::new(), already: false });
        prop_assert_eq!(tree(&out), files);
    }
}

/// A snapshot that lists these files, whatever they are; their content is their path.
fn listing(files: &[&str]) -> Option<New> {
    let mut contents = Vec::new();
    let mut files: Vec<ManifestFile> = files
        .iter()
        .map(|path| {
            let content = Descriptor::of(path.as_bytes(), "text/markdown");
            contents.push(Content::Bytes(content.clone(), path.as_bytes().to_vec()));
            ManifestFile { path: (*path).to_owned(), reference: None, content, kept: true }
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = Manifest { salt: [3; 16], files }.to_bytes();
    Manifest::parse(&manifest).ok()?;
    let described = Descriptor::of(&manifest, MANIFEST_TYPE);
    contents.push(Content::Bytes(described.clone(), manifest));
    let body = Snapshot { manifest: described, commit: None, tag: None, lint_errors: 0, lint_warnings: 0 };
    Some(New { name: "v1".to_owned(), body: Body::Snapshot(body), contents, next_log_key: None })
}

#[test]
fn no_list_leads_out_of_its_folder_or_hides_in_it() {
    let long = format!("{}/x", "d".repeat(300));
    let cases: [&[&str]; 12] = [
        &["../out.md"],
        &["/etc/passwd"],
        &["a/../../b"],
        &[".git/hooks/post-checkout"],
        &["a/.git/config"],
        &[".promptos/ledger.redb"],
        &["A.md", "a.md"],
        &["Deep/x", "deep/X"],
        &["a", "a/b"],
        &["A", "a/b/c"],
        &["ÜBER.md", "über.md"],
        &[&long],
    ];
    for files in cases {
        let temp = tempfile::tempdir().unwrap();
        // What the format refuses outright is no manifest; the rest is for the checkout to refuse.
        let Some(new) = listing(files) else { continue };
        let ledger = found(temp.path());
        let snapshot = append(&ledger, &new);
        let before = tree(temp.path());
        let place = temp.path().join("deep/out");
        let error = checkout(&Held::Ledger(&ledger), &snapshot, &place, false).unwrap_err();
        assert_eq!(error.kind(), Kind::Failed, "{files:?}: {error}");
        assert_eq!(tree(temp.path()), before, "{files:?}");
        assert!(!place.exists());
    }
}

#[test]
fn names_that_are_only_strange_are_names() {
    let files = ["a b", "..a", "a..", "back\\slash", "new\nline", "ü", "-rf", "CON", "deep/Deep/dEEp"];
    let temp = tempfile::tempdir().unwrap();
    let ledger = found(temp.path());
    assert!(check_paths(["..a"]).is_err(), "it begins with a dot");
    let files: Vec<&str> = files.into_iter().filter(|path| !path.starts_with('.')).collect();
    let snapshot = append(&ledger, &listing(&files).unwrap());
    let out = temp.path().join("out");
    checkout(&Held::Ledger(&ledger), &snapshot, &out, false).unwrap();
    let found = tree(&out);
    assert_eq!(found.len(), files.len());
    assert!(files.iter().all(|path| found[*path] == path.as_bytes()));
}

#[test]
fn a_file_that_changes_while_it_is_taken_spoils_the_snapshot() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("prompts");
    fs::create_dir(&folder).unwrap();
    let text = |version: &str| {
        format!(
            "---\nprompt_id: p\nversion: 1\ntitle: t\nrole: task\nsummary: s\nowner: o\nstatus: current\n\
             inputs: []\noutput_contract: {{type: text}}\n---\n{version}"
        )
    };
    fs::write(folder.join("p.md"), text("one")).unwrap();
    let catalog = Catalog::load(&[Source::folder(Layer::Workspace, folder.clone())], true).unwrap();
    let request = SnapshotRequest {
        name: "v1",
        commit: None,
        lint: Policy::default(),
        allow_findings: false,
        salt: [3; 16],
    };
    let planned = plan_snapshot(&catalog, Some(&folder), request).unwrap();
    let ledger = found(temp.path());
    let author = Author { signer: &key(1), log_key: &key(2), time: TIME };
    for change in ["two", "longer than it was"] {
        fs::write(folder.join("p.md"), text(change)).unwrap();
        let error = ledger.append(&author, &planned.new).unwrap_err();
        assert!(error.to_string().contains("changed while it was read"), "{error}");
        assert!(error.hints().iter().any(|hint| hint.contains("p.md")), "{:?}", error.hints());
    }
    fs::remove_file(folder.join("p.md")).unwrap();
    assert!(ledger.append(&author, &planned.new).is_err());
    assert_eq!((ledger.head().unwrap().size, ledger.snapshots().unwrap().len()), (1, 0));
    fs::write(folder.join("p.md"), text("one")).unwrap();
    ledger.append(&author, &planned.new).unwrap();
}
