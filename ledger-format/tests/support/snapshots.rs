//! Evidence of snapshots, and of sessions under them.

use super::Vector;
use super::evidence::{Accept, citing, no, pack};
use super::log::{self, Log, details, erase, markdown, run};
use super::raw::key;
use ledger_format::Class::{BrokenHead, Malformed, WrongHash};
use ledger_format::*;

/// Genesis, bob is enrolled, Ada's snapshot, bob's session under it, bob's run.
fn released() -> Log {
    let mut log = Log::new();
    log.enrol("bob", &key(3), &["user"]);
    let snapshot = log.ada("v1", log::snapshot());
    let session = log::session_under(snapshot, &[("P00.v1", b"prompt")]);
    let id = log.add(&key(3), "bob", "s-1", session);
    log.add(&key(3), "bob", "r-1", run(&[id]));
    log
}

pub fn accepted(yes: &mut Accept<'_>) {
    let (log, note, catalog) = (released(), details("a note"), log::catalog());
    yes(
        "snapshot",
        "EVID-11",
        "evidence for a snapshot: its manifest and the files that are kept",
        &log,
        pack(&log, 2, &[0, 1], &[&catalog, b"prompt", b"other"]),
        &[],
    );
    let session = pack(&log, 3, &[0, 1, 2], &[b"prompt", &note]);
    yes(
        "session-snapshot",
        "EVID-6",
        "a session and the statement of its snapshot",
        &log,
        session.clone(),
        &[],
    );
    yes(
        "run-snapshot",
        "EVID-5 EVID-6",
        "a run and its session, without the session's snapshot",
        &log,
        pack(&log, 4, &[0, 1, 3], &[b"prompt", &note, b"{}"]),
        &[],
    );
    let (outer, tar) = citing(&session, "outer");
    yes(
        "nested-snapshot",
        "EVID-9 EVID-10",
        "a session under a snapshot, in a run's evidence",
        &outer,
        tar,
        &[],
    );
    let blob = |content: &[u8]| format!("blobs/{}", hex::encode(Address::of(content).0));
    yes(
        "session-snapshot-manifest",
        "EVID-8",
        "a session and the manifest of its snapshot, which nothing calls for",
        &log,
        pack(&log, 3, &[0, 1, 2], &[b"prompt", &note, &catalog]),
        &[&blob(&catalog)],
    );
    yes(
        "snapshot-not-kept",
        "EVID-8 EVID-11",
        "a file of a snapshot whose bytes were not kept",
        &log,
        pack(&log, 2, &[0, 1], &[&catalog, b"prompt", b"other", b"read me"]),
        &[&blob(b"read me")],
    );
    for (name, what, content, left) in [
        ("file", "a file", b"other".as_slice(), vec![catalog.as_slice(), b"prompt"]),
        ("manifest", "the manifest", catalog.as_slice(), vec![]),
    ] {
        let mut log = released();
        let (erased, body) = erase(content);
        log.ada(&erased, body);
        yes(
            &format!("snapshot-{name}-erased"),
            "EVID-7 EVID-11",
            &format!("{what} of a snapshot was erased; the tombstone takes its place"),
            &log,
            pack(&log, 2, &[0, 1, 5], &left),
            &[],
        );
    }
}

pub fn refused(all: &mut Vec<Vector>) {
    let (log, note, catalog) = (released(), details("a note"), log::catalog());
    let files = pack(&log, 2, &[0, 1], &[&catalog, b"prompt"]);
    no(all, WrongHash, "snapshot-no-file", "EVID-11 EVID-7", "a kept file of a snapshot is missing", files);
    let manifest = pack(&log, 2, &[0, 1], &[b"prompt", b"other"]);
    no(all, WrongHash, "snapshot-no-manifest", "EVID-7", "the manifest of a snapshot is missing", manifest);
    let session = pack(&log, 3, &[0, 1], &[b"prompt", &note]);
    no(all, BrokenHead, "session-no-snapshot", "EVID-6", "the snapshot of a session is missing", session);
    let of = |manifest: &[u8]| {
        let mut log = Log::new();
        log.ada("v1", log::snapshot_of(manifest));
        pack(&log, 1, &[0], &[manifest, b"prompt"])
    };
    no(
        all,
        Malformed,
        "snapshot-bad-manifest",
        "EVID-11",
        "a snapshot of what is no manifest",
        of(b"prompts"),
    );
    let mut two = Manifest::parse(&catalog).unwrap();
    two.files.truncate(2);
    two.files[1].content = markdown(b"prompt");
    two.files[1].content.sha256[0] ^= 1;
    let other = of(&two.to_bytes());
    no(all, WrongHash, "snapshot-file-other", "EVID-11 BLOB-3", "the manifest gives another SHA-256", other);
    two.files[1].reference = Some("P00.v1".into());
    two.files[1].content = markdown(b"other");
    let twice = of(&two.to_bytes());
    no(all, Malformed, "snapshot-ref-twice", "EVID-11 BLOB-8", "one ref with two contents", twice);
}
