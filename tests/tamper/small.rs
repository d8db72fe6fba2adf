//! One small ledger with every kind of entry, and all that it holds.

use ed25519_dalek::SigningKey;
use ledger_format::{
    Address, Body, Cited, DETAILS_TYPE, Descriptor, Details, Enrolment, Erase, Import, KeyChange,
    MANIFEST_TYPE, Manifest, ManifestFile, PublicKey, Roles, Run, Session, Signer, Snapshot, Used,
};
use promptos::ledger::{Author, Content as Blob, Create, Entry, Ledger, New};
use promptos::store::{Access, BlobState, Content, RedbStore, Store, TileId};
use std::path::Path;
use std::time::Duration;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(&Signer::public_key(key)).unwrap()
}

pub(crate) const FOUNDER: u8 = 1;
pub(crate) const USER: u8 = 2;
pub(crate) const LOG: u8 = 3;
pub(crate) const NEXT_LOG: u8 = 4;
pub(crate) const PROMPT: &[u8] = b"---\nprompt_id: P\nversion: 1\n---\nDo it.\n";
/// Where things stand in the ledger.
pub(crate) const SESSION: u64 = 2;
pub(crate) const RUN: u64 = 3;
/// The session under the snapshot.
pub(crate) const UNDER: u64 = 8;
pub(crate) const LAST: u64 = 9;

pub(crate) fn session(prompt: &[u8], notes: &str) -> New {
    let details =
        Details { salt: [5; 16], fields: [("notes".to_owned(), notes.to_owned())].into() }.to_bytes();
    let file = Descriptor::of(b"attached", "text/plain");
    // The same content as prompt and as attachment: two reasons for one row of the index.
    let twice = Descriptor::of(prompt, "text/markdown");
    let files = vec![
        ManifestFile { path: "a".to_owned(), reference: None, content: file.clone(), kept: true },
        ManifestFile { path: "b".to_owned(), reference: None, content: twice.clone(), kept: true },
    ];
    let manifest = Manifest { salt: [6; 16], files }.to_bytes();
    let (about_details, about_manifest) =
        (Descriptor::of(&details, DETAILS_TYPE), Descriptor::of(&manifest, MANIFEST_TYPE));
    let used = Used { reference: "P.v1".to_owned(), gate: None, content: twice.clone() };
    let body = Session {
        attachments: Some(about_manifest.clone()),
        ..Session::new(vec![used], about_details.clone(), "v1", "UNRELEASED")
    };
    let contents = vec![
        Blob::Bytes(twice, prompt.to_vec()),
        Blob::Bytes(file, b"attached".to_vec()),
        Blob::Bytes(about_details, details),
        Blob::Bytes(about_manifest, manifest),
    ];
    New { name: format!("s-{notes}"), body: Body::Session(body), contents, next_log_key: None }
}

pub(crate) fn run(cited: &Entry) -> New {
    let record = b"{\"run_id\": \"r\"}";
    let about = Descriptor::of(record, "application/json");
    let files = vec![ManifestFile {
        path: "record.json".to_owned(),
        reference: None,
        content: about.clone(),
        kept: true,
    }];
    let manifest = Manifest { salt: [7; 16], files }.to_bytes();
    let about_manifest = Descriptor::of(&manifest, MANIFEST_TYPE);
    let body = Run {
        record: about.clone(),
        manifest: Some(about_manifest.clone()),
        sessions: vec![Cited { entry: cited.statement.id, foreign: None }],
    };
    let contents = vec![Blob::Bytes(about, record.to_vec()), Blob::Bytes(about_manifest, manifest)];
    New { name: "r".to_owned(), body: Body::Run(body), contents, next_log_key: None }
}

pub(crate) fn key_change(about: &SigningKey, change: KeyChange, next: Option<SigningKey>) -> New {
    let next_log_key = next.map(|key| Box::new(key) as Box<dyn Signer + Send>);
    New {
        name: hex::encode(public(about).kid().0),
        body: Body::Key(change),
        contents: Vec::new(),
        next_log_key,
    }
}

pub(crate) fn import(text: &[u8]) -> New {
    let content = Descriptor::of(text, "application/json");
    let body = Import {
        format: "promptos-session".to_owned(),
        content: content.clone(),
        checked: Vec::new(),
        details: None,
    };
    let contents = vec![Blob::Bytes(content, text.to_vec())];
    New { name: "old".to_owned(), body: Body::Import(body), contents, next_log_key: None }
}

pub(crate) fn append(ledger: &Ledger, who: u8, log: u8, new: &New) -> Entry {
    ledger.append(&Author { signer: &key(who), log_key: &key(log), time: 1_700_000_000 }, new).unwrap()
}

/// A snapshot of a catalog of one prompt.
pub(crate) fn snapshot(name: &str) -> New {
    let content = Descriptor::of(PROMPT, "text/markdown");
    let reference = Some("P.v1".to_owned());
    let files =
        vec![ManifestFile { path: "P.md".to_owned(), reference, content: content.clone(), kept: true }];
    let manifest = Manifest { salt: [8; 16], files }.to_bytes();
    let described = Descriptor::of(&manifest, MANIFEST_TYPE);
    let body = Snapshot {
        manifest: described.clone(),
        commit: Some(vec![9; 20]),
        tag: Some("v1".to_owned()),
        lint_errors: 0,
        lint_warnings: 0,
    };
    let contents = vec![Blob::Bytes(content, PROMPT.to_vec()), Blob::Bytes(described, manifest)];
    New { name: name.to_owned(), body: Body::Snapshot(body), contents, next_log_key: None }
}

/// Ten entries: genesis, enrolment, session, run, import, erasure, snapshot, new log key, session by the user under
/// the snapshot, revocation of the user.
pub(crate) fn build(nonce: u8, last_notes: &str) -> Content {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let create = Create { name: "small", identity: "f", nonce: [nonce; 16], previous: None };
    let author = Author { signer: &key(FOUNDER), log_key: &key(LOG), time: 1_700_000_000 };
    assert!(Ledger::create_file(&path, &create, &author).unwrap());
    let ledger = Ledger::open_file(&path, Access::Write, Duration::ZERO, &mut |_| {}).unwrap();
    let enrol = KeyChange::Enrol {
        who: Enrolment { identity: "u".to_owned(), key: public(&key(USER)) },
        roles: Roles { user: true, ..Roles::default() },
        acting_for: None,
    };
    append(&ledger, FOUNDER, LOG, &key_change(&key(USER), enrol, None));
    let first = append(&ledger, FOUNDER, LOG, &session(PROMPT, "one"));
    append(&ledger, FOUNDER, LOG, &run(&first));
    append(&ledger, USER, LOG, &import(b"{}"));
    let content = Address::of(b"{}");
    let erase = New {
        name: hex::encode(content.0),
        body: Body::Erase(Erase { content, details: None }),
        contents: Vec::new(),
        next_log_key: None,
    };
    append(&ledger, FOUNDER, LOG, &erase);
    let release = append(&ledger, FOUNDER, LOG, &snapshot("v1"));
    let change = KeyChange::Checkpoint { key: public(&key(NEXT_LOG)) };
    append(&ledger, FOUNDER, LOG, &key_change(&key(NEXT_LOG), change, Some(key(NEXT_LOG))));
    let mut under = session(PROMPT, last_notes);
    if let Body::Session(session) = &mut under.body {
        session.snapshot = Some(release.statement.id);
    }
    append(&ledger, USER, NEXT_LOG, &under);
    let revoke = KeyChange::Revoke { kid: public(&key(USER)).kid(), since: None };
    append(&ledger, FOUNDER, NEXT_LOG, &key_change(&key(USER), revoke, None));
    drop(ledger);
    read(&path)
}

/// Everything that a ledger file holds.
pub(crate) fn read(path: &Path) -> Content {
    let store = RedbStore::open(path, Access::Read, Duration::ZERO, &mut |_| {}).unwrap();
    let mut content = Content {
        head: store.head().unwrap(),
        checkpoint: store.checkpoint().unwrap().unwrap(),
        ..Content::default()
    };
    store
        .scan(0..u64::MAX, &mut |at, bytes| {
            content.statements.insert(at, bytes.to_vec());
            Ok(true)
        })
        .unwrap();
    let tile = TileId { level: 0, index: 0 };
    content.tiles.insert(tile, store.tile(tile).unwrap().unwrap());
    store
        .index_scan(&[], false, &mut |key, value| {
            content.index.insert(key.to_vec(), value.to_vec());
            Ok(true)
        })
        .unwrap();
    let mut addresses = Vec::new();
    store
        .blobs(&mut |address, state| {
            addresses.push((address, state));
            Ok(true)
        })
        .unwrap();
    for (address, state) in addresses {
        let mut bytes = Vec::new();
        let mut sink = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        let _ = store.read_blob(&address, &mut sink).unwrap();
        content.blobs.insert(address, matches!(state, BlobState::Present(_)).then_some(bytes));
    }
    content
}
