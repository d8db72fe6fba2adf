//! Evidence tars.

use super::log::{self, Log, details, erase, markdown, public, run, session};
use super::raw::{ada, key, kid};
use super::{Vector, lives, renders, snapshots};
use ledger_format::Class::{
    BadProof, BadSignature, BrokenHead, KeyNotAllowed, Malformed, NonCanonical, UnknownKey, WrongHash,
    WrongIssuer,
};
use ledger_format::evidence::{self, Item};
use ledger_format::*;

type Files = Vec<(String, Vec<u8>)>;
/// Takes name, rules, what it is, the log, the tar, and the parts that nothing calls for.
pub type Accept<'a> = dyn FnMut(&str, &'static str, &str, &Log, Vec<u8>, &[&str]) + 'a;

/// The files of a tar that `evidence::pack` wrote.
pub fn files(tar: &[u8]) -> Files {
    let (mut files, mut at) = (Vec::new(), 0);
    while tar[at] != 0 {
        let text = |from: usize, to: usize| {
            String::from_utf8(tar[at + from..at + to].split(|&b| b == 0).next().unwrap().to_vec()).unwrap()
        };
        let (name, size) = (text(0, 100), usize::from_str_radix(&text(124, 136), 8).unwrap());
        files.push((name, tar[at + 512..at + 512 + size].to_vec()));
        at += 512 + size.next_multiple_of(512);
    }
    files
}

/// The same tar from its files, by a second hand.
pub fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = Vec::new();
        let mut field = |text: &str, width: usize| {
            header.extend_from_slice(text.as_bytes());
            header.resize(header.len() + width - text.len(), 0);
        };
        for (text, width) in [(name.as_str(), 100), ("0000644", 8), ("0000000", 8), ("0000000", 8)] {
            field(text, width);
        }
        field(&format!("{:011o}", content.len()), 12);
        for (text, width) in
            [("00000000000", 12), ("        ", 8), ("0", 1), ("", 100), ("ustar", 6), ("00", 2), ("", 247)]
        {
            field(text, width);
        }
        fix(&mut header);
        tar.extend(header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Puts the checksum of the header at the beginning of `tar`.
fn fix(tar: &mut [u8]) {
    tar[148..156].copy_from_slice(b"        ");
    let sum: u32 = tar[..512].iter().map(|&b| u32::from(b)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

pub fn pack(log: &Log, subject: usize, others: &[usize], blobs: &[&[u8]]) -> Vec<u8> {
    let others: Vec<Item> = others.iter().map(|&index| log.item(index)).collect();
    evidence::pack(&log.item(subject), &others, blobs)
}

/// Genesis, bob is enrolled, bob's session, bob's run.
pub fn story() -> Log {
    let mut log = Log::new();
    log.enrol("bob", &key(3), &["user"]);
    let id = log.add(&key(3), "bob", "s-1", session(&[("P00.v1", b"prompt")]));
    log.add(&key(3), "bob", "r-1", run(&[id]));
    log
}

/// A run of another ledger that cites the subject of `tar`.
pub fn citing(tar: &[u8], name: &str) -> (Log, Vec<u8>) {
    let inner = Evidence::of(tar);
    let mut log = Log::found(Ledger { name: name.into(), ..log::genesis() });
    let evidence = Descriptor::of(tar, evidence::MEDIA_TYPE);
    let foreign = Foreign { ledger: inner.ledger, evidence, trusted: true };
    let sessions = vec![Cited { entry: inner.subject, foreign: Some(foreign) }];
    log.ada(
        "r-1",
        Body::Run(Run { record: Descriptor::of(b"{}", "application/json"), manifest: None, sessions }),
    );
    let tar = pack(&log, 1, &[0], &[b"{}", tar]);
    (log, tar)
}

struct Evidence {
    ledger: EntryId,
    subject: EntryId,
}

impl Evidence {
    fn of(tar: &[u8]) -> Self {
        let files = files(tar);
        let id = |name: &str| EntryId(tree::leaf_hash(&files.iter().find(|(n, _)| n == name).unwrap().1));
        Self { ledger: id("entries/00000000000000000000.cose"), subject: id("subject.cose") }
    }
}

pub fn add(all: &mut Vec<Vector>) {
    accepted(all);
    parts(all);
    archives(all);
    statements(all);
    snapshots::refused(all);
    renders::evidence_refused(all);
    lives::evidence_refused(all);
}

fn accepted(all: &mut Vec<Vector>) {
    let note = details("a note");
    let mut yes = |name: &str, must, what: &str, log: &Log, tar: Vec<u8>, unexpected: &[&str]| {
        if unexpected.is_empty() {
            assert_eq!(hex::encode(self::tar(&files(&tar))), hex::encode(&tar), "two writers disagree");
        }
        let unexpected: Vec<_> = unexpected.iter().map(|part| (*part).to_owned()).collect();
        let subject = EntryId(tree::leaf_hash(&files(&tar)[0].1));
        let vector = Vector::accept("evidence", name, must, what).text("ledger", log.id(0).to_string());
        let vector = vector.text("subject", subject.to_string()).number("size", log.head().size);
        all.push(vector.texts("unexpected", &unexpected).hex("tar", tar));
    };
    let log = story();
    yes(
        "session",
        "EVID-1 EVID-2 EVID-3 EVID-4 EVID-5 EVID-7 BLOB-3",
        "evidence for a session",
        &log,
        pack(&log, 2, &[0, 1], &[b"prompt", &note]),
        &[],
    );
    yes(
        "run",
        "EVID-6",
        "evidence for a run and the session that it cites",
        &log,
        pack(&log, 3, &[0, 1, 2], &[b"prompt", &note, b"{}"]),
        &[],
    );
    yes("key", "EVID-2", "evidence for a key statement", &log, pack(&log, 1, &[0], &[]), &[]);
    let alone = Log::new();
    yes("genesis", "EVID-2", "evidence for a genesis", &alone, pack(&alone, 0, &[], &[]), &[]);
    let mut more = files(&pack(&log, 2, &[0, 1], &[b"prompt", &note, b"more"]));
    more.insert(2, ("entries/00000000000000000003.cose".into(), log.statements[3].clone()));
    more.retain(|(name, _)| !name.contains("3.cose"));
    more.push(("README".into(), b"hello".to_vec()));
    let blob = format!("blobs/{}", hex::encode(Address::of(b"more").0));
    yes(
        "unexpected",
        "EVID-8",
        "parts that nothing calls for are named",
        &log,
        tar(&more),
        &["README", &blob],
    );

    let mut log = story();
    let (name, body) = erase(b"prompt");
    log.ada(&name, body);
    yes(
        "erased",
        "EVID-7",
        "the prompt was erased; its tombstone takes its place",
        &log,
        pack(&log, 2, &[0, 1, 4], &[&note]),
        &[],
    );
    yes(
        "tombstone-unexpected",
        "EVID-8",
        "a tombstone beside the content",
        &log,
        pack(&log, 2, &[0, 1, 4], &[b"prompt", &note]),
        &["entries/00000000000000000004.cose"],
    );

    let mut log = story();
    log.change(&ada(), "ada", KeyChange::Checkpoint { key: public(&key(6)) });
    log.log_key = key(6);
    yes(
        "checkpoint-key",
        "EVID-4",
        "the checkpoint key has changed",
        &log,
        pack(&log, 2, &[0, 1, 4], &[b"prompt", &note]),
        &[],
    );

    let mut log = story();
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&key(3)), since: Some(log.id(3)) });
    yes(
        "revoked-since",
        "EVID-5 RIGHT-3",
        "a later revocation names an entry that is not here",
        &log,
        pack(&log, 2, &[0, 1, 4], &[b"prompt", &note]),
        &[],
    );

    let log = story();
    let stray = ["entries/00000000000000000003.cose"];
    let tar = pack(&log, 1, &[0, 3], &[]);
    yes("stray-run", "EVID-5 EVID-8", "a run that nothing calls for, without its session", &log, tar, &stray);

    let mut log = story();
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&key(3)), since: Some(log.id(3)) });
    let tar = pack(&log, 4, &[0, 1, 3], &[b"{}"]);
    yes("since-run", "EVID-5 EVID-6", "a revocation since a run, without the run's session", &log, tar, &[]);

    let log = story();
    let inner = pack(&log, 2, &[0, 1], &[b"prompt", &note]);
    let (outer, tar) = citing(&inner, "outer");
    yes("nested", "EVID-9", "a run and the evidence of the session that it cites", &outer, tar, &[]);
    let mut stuffed = files(&inner);
    stuffed.push(("README".into(), b"hello".to_vec()));
    let (outer, tar) = citing(&self::tar(&stuffed), "outer");
    let part = format!("in the evidence for {}: README", log.id(2));
    yes(
        "nested-unexpected",
        "EVID-8 EVID-9",
        "a part too many in the evidence inside",
        &outer,
        tar,
        &[&part],
    );
    snapshots::accepted(&mut yes);
    renders::evidence(&mut yes);
    lives::evidence(&mut yes);
}

pub fn no(all: &mut Vec<Vector>, class: Class, name: &str, must: &'static str, what: &str, tar: Vec<u8>) {
    all.push(Vector::reject(class, "evidence", name, must, what).hex("tar", tar));
}

/// Parts that are missing or others.
fn parts(all: &mut Vec<Vector>) {
    let (log, note) = (story(), details("a note"));
    let good = pack(&log, 2, &[0, 1], &[b"prompt", &note]);
    let edit = |change: &dyn Fn(&mut Files)| {
        let mut files = files(&good);
        change(&mut files);
        tar(&files)
    };
    let without = |part: &str| edit(&|files| files.retain(|(name, _)| !name.starts_with(part)));
    let blob = |content: &[u8]| format!("blobs/{}", hex::encode(Address::of(content).0));
    no(all, Malformed, "no-subject", "EVID-2", "the subject is missing", without("subject.cose"));
    no(
        all,
        Malformed,
        "no-subject-proof",
        "EVID-2",
        "the subject's proof is missing",
        without("subject.tlog"),
    );
    no(
        all,
        Malformed,
        "no-genesis",
        "EVID-2",
        "the genesis is missing",
        without("entries/00000000000000000000"),
    );
    no(
        all,
        Malformed,
        "no-entry-proof",
        "EVID-2",
        "an entry's proof is missing",
        without("entries/00000000000000000001.tlog"),
    );
    no(
        all,
        Malformed,
        "subject-twice",
        "EVID-1",
        "the subject among the entries too",
        edit(&|files| {
            let again: Vec<_> = files[..2]
                .iter()
                .map(|(name, content)| {
                    (name.replace("subject", "entries/00000000000000000002"), content.clone())
                })
                .collect();
            files.splice(6..6, again);
        }),
    );
    no(
        all,
        UnknownKey,
        "no-enrolment",
        "EVID-5 RIGHT-1",
        "the enrolment of the signer is missing",
        without("entries/00000000000000000001"),
    );
    no(all, WrongHash, "no-prompt", "EVID-7", "the prompt is missing", without(&blob(b"prompt")));
    no(all, WrongHash, "no-details", "EVID-7", "the details are missing", without(&blob(&note)));
    no(
        all,
        WrongHash,
        "prompt-changed",
        "EVID-7",
        "a byte of the prompt is changed",
        edit(&|files| {
            for (name, content) in files {
                if *name == blob(b"prompt") {
                    content[0] ^= 1;
                }
            }
        }),
    );
    no(
        all,
        WrongHash,
        "prompt-other",
        "EVID-7",
        "another prompt under its own name",
        edit(&|files| {
            for file in files {
                if file.0 == blob(b"prompt") {
                    *file = (blob(b"other"), b"other".to_vec());
                }
            }
        }),
    );
    let renamed = |from: &str, to: &str| {
        edit(&|files| {
            for (name, _) in files {
                *name = name.replace(from, to);
            }
        })
    };
    no(
        all,
        BadProof,
        "other-index",
        "EVID-2",
        "an entry under another index",
        renamed("00000000000000000001", "00000000000000000003"),
    );
    let older = Log { statements: log.statements[..3].to_vec(), ..log.clone() };
    let mixed = evidence::pack(&log.item(2), &[log.item(0), older.item(1)], &[b"prompt", &note]);
    no(all, BadProof, "two-checkpoints", "EVID-3", "two checkpoints", mixed);
    let run = pack(&log, 3, &[0, 1], &[b"{}"]);
    no(all, BrokenHead, "no-cited-session", "EVID-6", "the session that a run cites is missing", run);
    let run = pack(&log, 3, &[0, 1, 2], &[b"{}", &note]);
    no(
        all,
        WrongHash,
        "no-cited-prompt",
        "EVID-7",
        "the prompt of the session that a run cites is missing",
        run,
    );
    let forged = Log { log_key: key(7), ..log.clone() };
    no(
        all,
        UnknownKey,
        "other-checkpoint-key",
        "EVID-4 NOTE-6",
        "a checkpoint by another key",
        pack(&forged, 2, &[0, 1], &[b"prompt", &note]),
    );
    let mut renamed = Log::found(Ledger { name: "renamed".into(), ..log::genesis() });
    renamed.statements = log.statements.clone();
    no(
        all,
        UnknownKey,
        "other-origin",
        "EVID-4 NOTE-6",
        "a checkpoint of another origin",
        pack(&renamed, 2, &[0, 1], &[b"prompt", &note]),
    );
    let mut changed = log.clone();
    changed.change(&ada(), "ada", KeyChange::Checkpoint { key: public(&key(6)) });
    no(
        all,
        UnknownKey,
        "old-checkpoint-key",
        "EVID-4",
        "a checkpoint by the key before the present one",
        pack(&changed, 2, &[0, 1, 4], &[b"prompt", &note]),
    );
    let tampered = edit(&|files| {
        for (name, content) in files {
            if name.ends_with("tlog-proof") {
                let text = String::from_utf8(content.clone()).unwrap();
                *content = text.replacen("\n4\n", "\n5\n", 1).into_bytes();
            }
        }
    });
    no(
        all,
        BadSignature,
        "checkpoint-changed",
        "EVID-4 NOTE-3",
        "the checkpoint's size is changed",
        tampered,
    );
    let swapped = edit(&|files| {
        let statement = log.statements[3].clone();
        for (name, content) in files {
            if name == "subject.cose" {
                *content = statement.clone();
            }
        }
    });
    no(all, BadProof, "other-subject", "EVID-5 PROOF-1", "another statement than the proof is for", swapped);
    let stray = edit(&|files| files.push((format!("blobs/{}", "ff".repeat(32)), b"stray".to_vec())));
    no(all, WrongHash, "stray-blob", "EVID-7", "content that nothing asks for under a wrong name", stray);
    let mut revoked = story();
    let since = Some(revoked.id(2));
    revoked.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&key(3)), since });
    let revocation = pack(&revoked, 4, &[0, 1], &[]);
    no(all, BrokenHead, "no-since", "EVID-6", "the entry that a revocation names is missing", revocation);
    // Another ledger's session inside a run.
    let (_, outer) = citing(&good, "outer");
    let inner = |inner: &[u8]| {
        let mut files = files(&outer);
        files.retain(|(name, _)| *name != blob(&good));
        files.push((blob(inner), inner.to_vec()));
        files.sort_by_key(|(name, _)| name.starts_with("blobs/").then(|| name.clone()));
        tar(&files)
    };
    no(all, WrongHash, "nested-missing", "EVID-7", "the evidence of another ledger's session is missing", {
        let mut files = files(&outer);
        files.retain(|(name, _)| *name != blob(&good));
        tar(&files)
    });
    no(
        all,
        WrongHash,
        "nested-other",
        "EVID-7",
        "other evidence than the run names",
        inner(&without(&blob(&note))),
    );
    let mut liar = Log::found(Ledger { name: "liar".into(), ..log::genesis() });
    let cite = |entry, ledger, tar: &[u8]| {
        let foreign = Foreign { ledger, evidence: Descriptor::of(tar, evidence::MEDIA_TYPE), trusted: true };
        Body::Run(Run {
            record: Descriptor::of(b"{}", "application/json"),
            manifest: None,
            sessions: vec![Cited { entry, foreign: Some(foreign) }],
        })
    };
    liar.ada("r-1", cite(log.id(3), log.id(0), &good));
    no(
        all,
        BadProof,
        "nested-other-entry",
        "EVID-9",
        "evidence for another entry than the run cites",
        pack(&liar, 1, &[0], &[b"{}", &good]),
    );
    liar.statements.pop();
    liar.ada("r-1", cite(log.id(2), EntryId([9; 32]), &good));
    no(
        all,
        BadProof,
        "nested-other-ledger",
        "EVID-9",
        "evidence of another ledger than the run cites",
        pack(&liar, 1, &[0], &[b"{}", &good]),
    );
    liar.statements.pop();
    liar.ada("r-1", cite(log.id(2), liar.id(0), &good));
    no(
        all,
        Malformed,
        "nested-own-ledger",
        "HEAD-9",
        "a session cited as another ledger's, of this very one",
        pack(&liar, 1, &[0], &[b"{}", &good]),
    );
    let broken = without(&blob(&note));
    liar.statements.pop();
    liar.ada("r-1", cite(log.id(2), log.id(0), &broken));
    no(
        all,
        WrongHash,
        "nested-broken",
        "EVID-9",
        "evidence inside that does not hold",
        pack(&liar, 1, &[0], &[b"{}", &broken]),
    );
}

/// The tar itself. The evidence for a genesis is small.
fn archives(all: &mut Vec<Vector>) {
    let log = Log::new();
    let good = pack(&log, 0, &[], &[]);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut tar = good.clone();
        change(&mut tar);
        tar
    };
    let header = |at: usize, text: &'static [u8]| {
        with(&|tar| {
            tar[at..at + text.len()].copy_from_slice(text);
            fix(tar);
        })
    };
    let second = good.len() - 1024 - 1024;
    no(all, NonCanonical, "mtime", "EVID-1", "a time", header(136, b"14451325200"));
    no(all, NonCanonical, "mode", "EVID-1", "another mode", header(100, b"0000755"));
    no(all, NonCanonical, "uid", "EVID-1", "an owner", header(108, b"0001750"));
    no(all, NonCanonical, "uname", "EVID-1", "an owner's name", header(265, b"ada"));
    no(all, NonCanonical, "type-nul", "EVID-1", "the old type of a plain file", header(156, b"\0"));
    no(
        all,
        NonCanonical,
        "size-spaces",
        "EVID-1",
        "a size with spaces in front",
        with(&|tar| {
            let at = (124..135).take_while(|&at| tar[at] == b'0').count();
            tar[124..124 + at].fill(b' ');
            fix(tar);
        }),
    );
    no(all, NonCanonical, "checksum", "EVID-1", "a wrong checksum", with(&|tar| tar[150] ^= 1));
    no(all, NonCanonical, "padding", "EVID-1", "padding that is not NUL", with(&|tar| tar[second - 1] = 1));
    no(
        all,
        NonCanonical,
        "trailing",
        "EVID-1",
        "a third block of NUL",
        with(&|tar| tar.resize(tar.len() + 512, 0)),
    );
    no(
        all,
        NonCanonical,
        "one-block",
        "EVID-1",
        "one block of NUL at the end",
        with(&|tar| tar.truncate(tar.len() - 512)),
    );
    no(all, NonCanonical, "hidden", "EVID-1", "bytes behind the end", with(&|tar| tar.extend(b"hidden")));
    let mut reordered = files(&good);
    reordered.swap(0, 1);
    no(all, NonCanonical, "reordered", "EVID-1", "the files in another order", tar(&reordered));
    no(
        all,
        Malformed,
        "cut",
        "EVID-1",
        "no block of NUL at the end",
        with(&|tar| tar.truncate(tar.len() - 1024)),
    );
    no(all, Malformed, "directory", "EVID-1", "a folder", header(156, b"5"));
    no(all, Malformed, "link", "EVID-1", "a symbolic link", header(156, b"2"));
    no(all, Malformed, "magic", "EVID-1", "another magic", header(257, b"ustaz"));
    no(all, Malformed, "size-huge", "EVID-1", "a size beyond the file", header(124, b"77777777777"));
    no(all, Malformed, "size-binary", "EVID-1", "a size in base 256", header(124, b"\x80"));
    no(all, Malformed, "twice", "EVID-1", "a file twice", {
        let mut files = files(&good);
        files.push(files[1].clone());
        tar(&files)
    });
    no(all, Malformed, "empty", "EVID-1", "nothing", Vec::new());
    no(all, Malformed, "no-files", "EVID-2", "a tar without files", vec![0; 1024]);
}

/// What is in the log is refused, though the checkpoint covers it.
fn statements(all: &mut Vec<Vector>) {
    let note = details("a note");
    let bob = key(3);
    let body = || session(&[("P00.v1", b"prompt")]);
    let enrolled = || {
        let mut log = Log::new();
        log.enrol("bob", &bob, &["user"]);
        log
    };
    let blobs: [&[u8]; 2] = [b"prompt", &note];

    let mut log = enrolled();
    log.add_at(log.head_at(1), &bob, "bob", "s", body());
    no(
        all,
        BrokenHead,
        "enrolled-after-head",
        "EVID-5 HEAD-3",
        "a head from before the key's enrolment",
        pack(&log, 2, &[0, 1], &blobs),
    );
    let mut log = Log::new();
    log.add(&bob, "bob", "s", body());
    log.enrol("bob", &bob, &["user"]);
    no(
        all,
        UnknownKey,
        "enrolled-later",
        "EVID-5 RIGHT-1",
        "the key was enrolled later",
        pack(&log, 1, &[0, 2], &blobs),
    );
    let mut log = enrolled();
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&bob), since: None });
    log.add(&bob, "bob", "s", body());
    no(
        all,
        KeyNotAllowed,
        "revoked",
        "EVID-5 RIGHT-3",
        "the key was revoked earlier",
        pack(&log, 3, &[0, 1, 2], &blobs),
    );
    let mut log = enrolled();
    log.add(&bob, "ada", "s", body());
    no(all, WrongIssuer, "issuer", "EVID-5 RIGHT-2", "another's name", pack(&log, 2, &[0, 1], &blobs));
    let mut log = enrolled();
    log.enrol("bot", &key(4), &["agent"]);
    log.add(&key(4), "bot", "P00.v1", log::prompt(b"prompt"));
    no(
        all,
        KeyNotAllowed,
        "agent-prompt",
        "EVID-5 RIGHT-4",
        "an agent's prompt statement",
        pack(&log, 3, &[0, 1, 2], &[b"prompt"]),
    );
    let mut log = enrolled();
    log.add(&bob, "bob", "s", body());
    *log.statements[2].last_mut().unwrap() ^= 1;
    no(
        all,
        BadSignature,
        "signature",
        "EVID-5 STMT-13",
        "a signature that does not verify",
        pack(&log, 2, &[0, 1], &blobs),
    );
    for (name, what, edit) in [
        (
            "other-sha256",
            "the statement gives another SHA-256",
            (|d: &mut Descriptor| d.sha256[0] ^= 1) as fn(&mut Descriptor),
        ),
        ("other-size", "the statement gives another size", |d| d.size += 1),
    ] {
        let mut log = enrolled();
        let mut content = markdown(b"prompt");
        edit(&mut content);
        log.add(&bob, "bob", "P00.v1", Body::Prompt(Prompt { content }));
        no(all, WrongHash, name, "BLOB-3", what, pack(&log, 2, &[0, 1], &[b"prompt"]));
    }
}
