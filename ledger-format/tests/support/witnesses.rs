//! Cosignatures, the policies that ask for them, and fork proofs.

use super::log::{Log, genesis, public};
use super::raw::key;
use super::{Vector, keys};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer as _;
use ledger_format::Class::{BadProof, BadSignature, Malformed, TooLarge, UnknownKey, Unsupported, WeakKey};
use ledger_format::tree::{self, Head};
use ledger_format::{Checkpoint, Class, ForkProof, Ledger, Submission, VerifierKey, WitnessKey};

const TIME: u64 = 1_700_000_000;

pub fn witness(name: &str, seed: u8) -> WitnessKey {
    WitnessKey::new(name, public(&key(seed))).unwrap()
}

/// A line of whatever bytes under a witness's name and id.
fn line(witness: &WitnessKey, rest: &[u8]) -> String {
    format!("— {} {}\n", witness.name, BASE64.encode([witness.id().as_slice(), rest].concat()))
}

/// A cosignature written by hand: what is signed and what is stated are the caller's.
fn by_hand(witness: &WitnessKey, seed: u8, signed: &str, time: u64) -> String {
    line(witness, &[time.to_be_bytes().as_slice(), &key(seed).sign(signed.as_bytes()).to_bytes()].concat())
}

pub fn add(all: &mut Vec<Vector>) {
    cosignatures(all);
    vkeys(all);
    policies(all);
    policy_files(all);
    forks(all);
    submissions(all);
}

fn cosignatures(all: &mut Vec<Vector>) {
    let log = Log::new();
    let good = String::from_utf8(log.checkpoint()).unwrap();
    let text = &good[..good.find("\n\n").unwrap() + 1];
    let w = witness("witness.example/w1", 21);
    let cosigned = |time: u64| w.cosign(good.as_bytes(), time, &key(21)).unwrap();
    let message = |time: &str| format!("cosignature/v1\ntime {time}\n{text}");
    let hand = by_hand(&w, 21, &message(&TIME.to_string()), TIME);
    assert_eq!(hand, cosigned(TIME));

    let mut yes = |name: &str, what: &str, note: String, times: &[u64]| {
        let times: Vec<String> = times.iter().map(ToString::to_string).collect();
        let vector = Vector::accept("cosignature", name, "NOTE-7", what).text("note", note);
        all.push(vector.text("vkey", w.to_string()).texts("times", &times));
    };
    yes("", "a cosigned checkpoint", format!("{good}{hand}"), &[TIME]);
    yes(
        "before",
        "the cosignature before the log's signature",
        format!("{text}\n{hand}{}", &good[text.len() + 1..]),
        &[TIME],
    );
    yes("alone", "the log's own signature is another key's", format!("{text}\n{hand}"), &[TIME]);
    yes(
        "twice",
        "two times of one witness",
        format!("{good}{}{hand}", cosigned(TIME + 5)),
        &[TIME, TIME + 5],
    );
    yes("time-0", "time 0", format!("{good}{}", cosigned(0)), &[0]);
    let last = i64::MAX as u64;
    yes("time-last", "the last time", format!("{good}{}", cosigned(last)), &[last]);
    let other = witness("witness.example/w2", 22);
    let others = line(&other, &[9; 72]);
    yes("other", "a bad line of another witness is ignored", format!("{good}{others}{hand}"), &[TIME]);
    let plain = VerifierKey { name: w.name.clone(), key: w.key.clone() };
    let as_log = format!("— {} {}\n", w.name, BASE64.encode([plain.id().as_slice(), &[9; 64]].concat()));
    yes(
        "other-type",
        "the same name and key under the key id of another type is another key",
        format!("{good}{as_log}{hand}"),
        &[TIME],
    );
    let extended = {
        let text = format!("{text}extension\n");
        let hand = by_hand(&w, 21, &format!("cosignature/v1\ntime {TIME}\n{text}"), TIME);
        format!("{text}\n{}{hand}", &good[text.len() - "extension\n".len() + 1..])
    };
    yes("extension", "extension lines are signed too", extended, &[TIME]);

    let mut no = |class: Class, name: &str, what: &str, note: String| {
        let vector = Vector::reject(class, "cosignature", name, "NOTE-7", what).text("note", note);
        all.push(vector.text("vkey", w.to_string()));
    };
    no(UnknownKey, "none", "no cosignature", good.clone());
    no(
        UnknownKey,
        "of-another",
        "a cosignature of another witness",
        format!("{good}{}", other.cosign(good.as_bytes(), TIME, &key(22)).unwrap()),
    );
    let renamed = WitnessKey { name: "witness.example/w3".into(), ..w.clone() };
    no(
        UnknownKey,
        "renamed",
        "the same key under another name",
        format!("{good}{}", by_hand(&renamed, 21, &message(&TIME.to_string()), TIME)),
    );
    for (name, what, bad) in [
        (
            "other-time",
            "another time than was signed",
            by_hand(&w, 21, &message(&TIME.to_string()), TIME + 1),
        ),
        (
            "little-endian",
            "a little-endian time",
            by_hand(&w, 21, &message(&TIME.to_string()), TIME.swap_bytes()),
        ),
        ("time-too-late", "a time of 2^63", by_hand(&w, 21, &message("9223372036854775808"), 1 << 63)),
        ("time-zeros", "a time signed with a leading zero", by_hand(&w, 21, &message("01700000000"), TIME)),
        (
            "no-header",
            "signed without the header line",
            by_hand(&w, 21, &format!("time {TIME}\n{text}"), TIME),
        ),
        (
            "other-version",
            "signed as cosignature/v2",
            by_hand(&w, 21, &message(&TIME.to_string()).replace("v1", "v2"), TIME),
        ),
        ("as-a-log", "signed as a log signs", by_hand(&w, 21, text, TIME)),
        (
            "without-newline",
            "signed without the last line feed",
            by_hand(&w, 21, message(&TIME.to_string()).trim_end(), TIME),
        ),
        ("other-key", "signed by another key", by_hand(&w, 22, &message(&TIME.to_string()), TIME)),
        ("short", "71 bytes", line(&w, &[9; 71])),
        ("long", "73 bytes", line(&w, &[9; 73])),
        (
            "no-time",
            "a signature without a time",
            line(&w, &key(21).sign(message(&TIME.to_string()).as_bytes()).to_bytes()),
        ),
        ("no-signature", "a time alone", line(&w, &TIME.to_be_bytes())),
        ("good-and-bad", "a good line and then a bad one", format!("{hand}{}", line(&w, &[9; 72]))),
    ] {
        no(BadSignature, name, what, format!("{good}{bad}"));
    }
    let tampered = good.replacen("\n1\n", "\n2\n", 1);
    no(
        BadSignature,
        "other-checkpoint",
        "the cosignature of another checkpoint",
        format!("{tampered}{hand}"),
    );
    no(Malformed, "no-checkpoint", "a cosigned note that is no checkpoint", format!("a\nb\n\n{hand}"));
}

fn vkeys(all: &mut Vec<Vector>) {
    let w = witness("witness.example/w1", 21);
    let text = w.to_string();
    all.push(
        Vector::accept("witness-vkey", "", "NOTE-8", "the vkey of a witness")
            .text("vkey", &text)
            .hex("public-key", w.key.to_bytes()),
    );
    let of = |kind: u8, raw: &[u8]| super::notes::vkey(&w.name, kind, raw);
    assert_eq!(of(4, &w.key.to_bytes()), text);
    for (class, name, what, bad) in [
        (Unsupported, "log", "the type of a log's key", of(1, &w.key.to_bytes())),
        (Unsupported, "ml-dsa", "the type of ML-DSA-44", of(6, &[1; 32])),
        (Malformed, "other-id", "the key id of the log's type", {
            let log = VerifierKey { name: w.name.clone(), key: w.key.clone() };
            text.replace(&hex::encode(w.id()), &hex::encode(log.id()))
        }),
        (Malformed, "short-key", "a key of 31 bytes", of(4, &[1; 31])),
        (Malformed, "no-name", "no name", text.replacen(&w.name, "", 1)),
        (WeakKey, "weak", "a key of small order", of(4, &keys::bad_keys()[1].1)),
    ] {
        all.push(Vector::reject(class, "witness-vkey", name, "NOTE-8", what).text("vkey", bad));
    }
}

/// A checkpoint and its cosignatures by the witnesses of seeds 21, 22, 23 at the times given.
fn cosigned_by(log: &Log, times: &[(u8, u64)]) -> String {
    let good = String::from_utf8(log.checkpoint()).unwrap();
    let lines =
        times.iter().map(|(seed, time)| w(*seed).cosign(good.as_bytes(), *time, &key(*seed)).unwrap());
    format!("{good}{}", lines.collect::<String>())
}

fn w(seed: u8) -> WitnessKey {
    witness(&format!("w{}.example", seed - 20), seed)
}

fn witnesses() -> String {
    (21..=23).map(|seed| format!("witness w{} {}\n", seed - 20, w(seed))).collect()
}

fn policies(all: &mut Vec<Vector>) {
    let log = Log::new();
    let vkey = VerifierKey { name: log.origin(), key: public(&key(2)) };
    let two = format!("{}group two 2 w1 w2 w3\nquorum two\n", witnesses());
    let nested = format!("{}group g any w1 w2\ngroup all-of all g w3\nquorum all-of\n", witnesses());
    let mut yes = |name: &str, must, what: &str, policy: &str, note: String, (by, newest): (u64, u64)| {
        let vector = Vector::accept("policy", name, must, what).text("policy", policy).text("note", note);
        all.push(vector.number("existed-by", by).number("newest-at", newest));
    };
    let note = |times: &[(u8, u64)]| cosigned_by(&log, times);
    let single = format!("{}quorum w1\n", witnesses());
    yes("", "POLICY-1 POLICY-4", "one witness is the quorum", &single, note(&[(21, 7)]), (7, 7));
    yes(
        "two-of-three",
        "POLICY-3 POLICY-4",
        "by the second of two; the first of them is the last since which both signed",
        &two,
        note(&[(21, 7), (23, 9)]),
        (9, 7),
    );
    yes(
        "three-of-three",
        "POLICY-4",
        "two had signed by 8, and two signed since 8",
        &two,
        note(&[(23, 9), (22, 8), (21, 7)]),
        (8, 8),
    );
    yes(
        "again",
        "POLICY-4",
        "witnesses that cosigned again",
        &two,
        note(&[(21, 7), (22, 8), (21, 20), (22, 30)]),
        (8, 20),
    );
    yes("nested", "POLICY-3", "groups of groups", &nested, note(&[(22, 5), (23, 6)]), (6, 5));
    yes(
        "late-quorum",
        "POLICY-4",
        "times beside the quorum's do not count",
        &single,
        note(&[(22, 1), (21, 7), (23, 99)]),
        (7, 7),
    );
    let commented = format!(
        "# ours\n\n\t log {vkey}\thttps://log.example/ \n{}quorum w1",
        witnesses().replace(' ', "\t \t")
    );
    yes(
        "written-freely",
        "POLICY-1 POLICY-2",
        "comments, tabs, a URL, no last line feed, and the log",
        &commented,
        note(&[(21, 7)]),
        (7, 7),
    );
    let other_log = VerifierKey { name: log.origin(), key: public(&key(9)) };
    yes(
        "two-logs",
        "POLICY-2",
        "one of two logs of the name has signed",
        &format!("log {other_log}\nlog {vkey}\n{single}"),
        note(&[(21, 7)]),
        (7, 7),
    );

    let mut no = |class, name: &str, must, what: &str, policy: &str, note: String| {
        all.push(Vector::reject(class, "policy", name, must, what).text("policy", policy).text("note", note));
    };
    no(UnknownKey, "not-reached", "POLICY-4", "one of two", &two, note(&[(21, 7)]));
    no(
        UnknownKey,
        "one-witness-twice",
        "POLICY-4",
        "one witness twice is one witness",
        &two,
        note(&[(21, 7), (21, 8)]),
    );
    no(
        UnknownKey,
        "nested-not-reached",
        "POLICY-3",
        "only one of both groups",
        &nested,
        note(&[(21, 5), (22, 6)]),
    );
    no(
        UnknownKey,
        "quorum-none",
        "POLICY-4",
        "a policy that asks for no witness",
        &format!("{}quorum none\n", witnesses()),
        note(&[(21, 7)]),
    );
    no(
        UnknownKey,
        "other-log",
        "POLICY-2",
        "signed by none of the logs",
        &format!("log {other_log}\n{single}"),
        note(&[(21, 7)]),
    );
    no(
        BadSignature,
        "bad-line",
        "NOTE-7 POLICY-4",
        "a bad line of a known witness, which the quorum does not need",
        &single,
        format!("{}{}", note(&[(21, 7)]), line(&w(22), &[9; 72])),
    );
    let bad_log = format!("— {} {}\n", vkey.name, BASE64.encode([vkey.id().as_slice(), &[9; 64]].concat()));
    no(
        BadSignature,
        "bad-log-line",
        "POLICY-2",
        "a bad line of a known log",
        &format!("log {vkey}\n{single}"),
        format!("{}{bad_log}", note(&[(21, 7)])),
    );
}

fn policy_files(all: &mut Vec<Vector>) {
    let note = cosigned_by(&Log::new(), &[(21, 7), (22, 7), (23, 7)]);
    let (w1, three) = (w(21), witnesses());
    let log = VerifierKey { name: "log.example".into(), key: public(&key(2)) };
    let renamed = VerifierKey { name: "log2.example".into(), ..log.clone() };
    let again = witness("again.example", 21);
    for (class, name, must, what, policy) in [
        (Malformed, "empty", "POLICY-1", "nothing", String::new()),
        (Malformed, "no-quorum", "POLICY-1", "no quorum line", three.clone()),
        (Malformed, "two-quorums", "POLICY-1", "two quorum lines", format!("{three}quorum w1\nquorum w1\n")),
        (
            Malformed,
            "carriage-return",
            "POLICY-1",
            "lines that end with CR LF",
            format!("{three}quorum w1\n").replace('\n', "\r\n"),
        ),
        (Malformed, "unknown-word", "POLICY-1", "another word", format!("{three}quorums w1\n")),
        (Malformed, "upper-case", "POLICY-1", "a word in upper case", format!("{three}QUORUM w1\n")),
        (Malformed, "too-many-words", "POLICY-1", "a quorum of two words", format!("{three}quorum w1 w2\n")),
        (
            Malformed,
            "too-few-words",
            "POLICY-1",
            "a witness without a key",
            format!("{three}witness w4\nquorum w1\n"),
        ),
        (
            Malformed,
            "late-comment",
            "POLICY-1",
            "a comment behind a line",
            format!("{three}quorum w1 # ours\n"),
        ),
        (
            Malformed,
            "no-break-space",
            "POLICY-1",
            "a no-break space is no white space",
            format!("{three}quorum\u{a0}w1\n"),
        ),
        (
            TooLarge,
            "too-large",
            "POLICY-1 LIMIT-1",
            "65,537 bytes",
            format!("{three}quorum w1\n#{}", "x".repeat(65_537 - 11 - three.len())),
        ),
        (
            Malformed,
            "log-twice",
            "POLICY-2",
            "the key of a log twice",
            format!("log {log}\nlog {renamed}\n{three}quorum w1\n"),
        ),
        (
            Malformed,
            "witness-twice",
            "POLICY-2",
            "the key of a witness twice",
            format!("{three}witness w4 {again}\nquorum w1\n"),
        ),
        (
            Unsupported,
            "log-as-witness",
            "POLICY-2",
            "a log's vkey for a witness",
            format!("witness w4 {log}\n{three}quorum w1\n"),
        ),
        (
            Unsupported,
            "witness-as-log",
            "POLICY-2",
            "a witness's vkey for a log",
            format!("log {w1}\n{three}quorum w1\n"),
        ),
        (Malformed, "name-twice", "POLICY-3", "a name twice", format!("{three}group w1 any w2\nquorum w1\n")),
        (
            Malformed,
            "name-none",
            "POLICY-3",
            "a witness named none",
            format!("witness none {w1}\nquorum none\n"),
        ),
        (Malformed, "later", "POLICY-3", "a quorum that is defined below", format!("quorum w1\n{three}")),
        (
            Malformed,
            "undefined",
            "POLICY-3",
            "a member that is not defined",
            format!("{three}group g any w1 w4\nquorum g\n"),
        ),
        (
            Malformed,
            "none-as-member",
            "POLICY-3",
            "none as a member",
            format!("{three}group g any w1 none\nquorum g\n"),
        ),
        (
            Malformed,
            "member-twice",
            "POLICY-3",
            "a member twice",
            format!("{three}group g 2 w1 w1\nquorum g\n"),
        ),
        (
            Malformed,
            "member-of-two",
            "POLICY-3",
            "a member of two groups",
            format!("{three}group g any w1\ngroup h any w1\nquorum g\n"),
        ),
        (
            Malformed,
            "no-members",
            "POLICY-3",
            "a group without members",
            format!("{three}group g all\nquorum g\n"),
        ),
        (
            Malformed,
            "zero-of",
            "POLICY-3",
            "a group that asks for none",
            format!("{three}group g 0 w1\nquorum g\n"),
        ),
        (
            Malformed,
            "more-than-all",
            "POLICY-3",
            "a group that asks for more than it has",
            format!("{three}group g 3 w1 w2\nquorum g\n"),
        ),
        (
            Malformed,
            "number-zeros",
            "POLICY-3",
            "a number with a leading zero",
            format!("{three}group g 01 w1\nquorum g\n"),
        ),
        (
            Malformed,
            "number-sign",
            "POLICY-3",
            "a number with a sign",
            format!("{three}group g +1 w1\nquorum g\n"),
        ),
        (
            Malformed,
            "number-huge",
            "POLICY-3",
            "a number beyond 64 bits",
            format!("{three}group g 18446744073709551617 w1\nquorum g\n"),
        ),
    ] {
        all.push(
            Vector::reject(class, "policy", name, must, what).text("policy", policy).text("note", &note),
        );
    }
}

/// The proof that `new` is not an extension of `old`, at the sizes given; `old` only has its checkpoint.
pub fn fork(old: &Log, m: usize, new: &Log, n: usize) -> ForkProof {
    let sign = |log: &Log, size: usize| {
        Checkpoint { origin: log.origin(), head: log.head_at(size) }.sign(&log.log_key).unwrap()
    };
    ForkProof {
        vkey: VerifierKey { name: old.origin(), key: public(&old.log_key) },
        genesis: Some(old.statements[0].clone()),
        root: new.head_at(m).root,
        path: tree::consistency_proof(&new.leaves(), m as u64, n as u64).unwrap(),
        old: sign(old, m),
        new: sign(new, n),
    }
}

/// One ledger that goes on in two ways after its second entry, seven entries each.
pub fn forked() -> (Log, Log) {
    let mut one = Log::new();
    one.ada(&super::log::erase(b"0").0, super::log::erase(b"0").1);
    let mut other = one.clone();
    for at in 2..7u8 {
        let (name, body) = super::log::erase(&[at]);
        one.ada(&name, body);
        let (name, body) = super::log::erase(&[at, at]);
        other.ada(&name, body);
    }
    (one, other)
}

fn forks(all: &mut Vec<Vector>) {
    let (one, other) = forked();
    let mut yes = |name: &str, what: &str, proof: &ForkProof, (old, new): (u64, u64)| {
        let vector = Vector::accept("fork", name, "FORK-1 FORK-2 FORK-3", what);
        let vector =
            vector.text("proof", String::from_utf8(proof.to_bytes()).unwrap()).text("origin", one.origin());
        let bound = if proof.genesis.is_some() { "genesis" } else { "none" };
        all.push(vector.number("old-size", old).number("new-size", new).text("bound", bound));
    };
    for m in 3..=7usize {
        for n in m..=7 {
            let what = format!("the tree of {n} does not extend that of {m}");
            yes(&format!("{m}-to-{n}"), &what, &fork(&one, m, &other, n), (m as u64, n as u64));
        }
    }
    let good = fork(&one, 3, &other, 6);
    yes("no-genesis", "without the genesis", &ForkProof { genesis: None, ..good.clone() }, (3, 6));
    let extra = String::from_utf8(good.new.clone()).unwrap() + &line(&w(21), &[9; 72]);
    yes("cosigned", "a cosigned checkpoint", &ForkProof { new: extra.into_bytes(), ..good.clone() }, (3, 6));
    let wrong_empty = Head { size: 0, root: [7; 32] };
    let wrong_empty = Checkpoint { origin: one.origin(), head: wrong_empty }.sign(&one.log_key).unwrap();
    let empty = ForkProof { old: wrong_empty, root: tree::empty_root(), path: vec![], ..good.clone() };
    yes("empty", "another root of the empty tree", &empty, (0, 6));

    let mut no = |class, name: &str, must, what: &str, proof: &[u8]| {
        let text = String::from_utf8(proof.to_vec()).unwrap();
        all.push(Vector::reject(class, "fork", name, must, what).text("proof", text));
    };
    let mut edited = |class, name: &str, must, what: &str, edit: &dyn Fn(&mut ForkProof)| {
        let mut proof = good.clone();
        edit(&mut proof);
        no(class, name, must, what, &proof.to_bytes());
    };
    edited(BadProof, "consistent", "FORK-2", "one tree extends the other", &|p| *p = fork(&one, 3, &one, 6));
    edited(BadProof, "same", "FORK-2", "one checkpoint twice", &|p| *p = fork(&one, 6, &one, 6));
    edited(BadProof, "common", "FORK-2", "the trees agree that far", &|p| *p = fork(&one, 2, &other, 6));
    edited(BadProof, "larger-first", "FORK-2", "the larger checkpoint first", &|p| {
        std::mem::swap(&mut p.old, &mut p.new)
    });
    edited(BadProof, "other-root", "FORK-2", "a root that the path does not lead from", &|p| {
        p.root = [3; 32]
    });
    edited(BadProof, "no-path", "FORK-2", "no path", &|p| p.path.clear());
    edited(BadProof, "path-too-long", "FORK-2", "a hash too many", &|p| p.path.push([0; 32]));
    edited(BadProof, "path-changed", "FORK-2", "another hash", &|p| p.path[0][0] ^= 1);
    edited(BadSignature, "tampered-old", "FORK-2", "a changed checkpoint", &|p| {
        p.old = String::from_utf8(p.old.clone()).unwrap().replacen("\n3\n", "\n4\n", 1).into_bytes();
    });
    edited(UnknownKey, "other-key", "FORK-2", "one checkpoint by another key", &|p| {
        p.new = Checkpoint { origin: other.origin(), head: other.head_at(6) }.sign(&key(9)).unwrap();
    });
    edited(UnknownKey, "other-origin", "FORK-2", "one checkpoint of another origin", &|p| {
        let origin = format!("example/{}", "00".repeat(32));
        p.new = Checkpoint { origin, head: other.head_at(6) }.sign(&other.log_key).unwrap();
    });
    edited(UnknownKey, "other-vkey", "FORK-2", "the vkey of another key", &|p| p.vkey.key = public(&key(9)));
    edited(UnknownKey, "other-genesis", "FORK-3", "the genesis of another ledger", &|p| {
        p.genesis = Some(Log::found(Ledger { nonce: [1; 16], ..genesis() }).statements[0].clone());
    });
    edited(UnknownKey, "no-genesis-statement", "FORK-3", "another statement for the genesis", &|p| {
        p.genesis = Some(one.statements[1].clone())
    });
    edited(Malformed, "genesis-damaged", "FORK-3", "a genesis that is no statement", &|p| {
        p.genesis = Some(vec![0xd2, 0x80])
    });
    edited(UnknownKey, "rotated", "FORK-3", "the genesis names another checkpoint key", &|p| {
        let rotated = |log: &Log| Log { log_key: key(9), ..log.clone() };
        *p = fork(&rotated(&one), 3, &rotated(&other), 6);
    });
    let text = String::from_utf8(good.to_bytes()).unwrap();
    let root = format!("root {}\n", BASE64.encode(good.root));
    for (name, what, bad) in [
        ("nothing", "nothing", String::new()),
        ("version", "another version", text.replacen("v1", "v2", 1)),
        ("no-vkey", "no vkey", text.replacen("\nvkey ", "\nkey ", 1)),
        ("no-root", "no root", text.replacen(&root, "", 1)),
        ("root-twice", "the root twice", text.replacen(&root, &format!("{root}{root}"), 1)),
        ("more", "a line that has no place", text.replacen(&root, &format!("{root}note a\n"), 1)),
        ("cut", "the last line does not end", text.trim_end().to_owned()),
        ("crlf", "lines that end with CR LF", text.replace('\n', "\r\n")),
        ("one-checkpoint", "one checkpoint", text[..text.len() - good.new.len() - 1].to_owned()),
        ("three-checkpoints", "three checkpoints", format!("{text}\n{}", String::from_utf8_lossy(&good.new))),
        (
            "blank-lines",
            "two empty lines before the second checkpoint",
            text.replacen(&format!("\n\n{}", one.origin()), &format!("\n\n\n{}", one.origin()), 1),
        ),
        ("genesis-not-base64", "a genesis that is not base64", text.replacen("\ngenesis ", "\ngenesis *", 1)),
    ] {
        assert_ne!(bad, text, "{name}");
        no(Malformed, name, "FORK-1", what, bad.as_bytes());
    }
    let long = ForkProof { path: vec![[0; 32]; 64], ..good.clone() };
    no(TooLarge, "64-hashes", "FORK-1 LIMIT-1", "64 hashes", &long.to_bytes());
}

fn submissions(all: &mut Vec<Vector>) {
    let (log, _) = forked();
    let vkey = VerifierKey { name: log.origin(), key: public(&log.log_key) };
    let of = |old: usize| Submission {
        old: old as u64,
        path: tree::consistency_proof(&log.leaves(), old as u64, 7).unwrap(),
        checkpoint: log.checkpoint(),
    };
    let vector = |vector: Vector, text: String, old: usize| {
        vector.text("submission", text).hex("old-root", log.head_at(old).root).text("vkey", vkey.to_string())
    };
    let text = |submission: Submission| String::from_utf8(submission.to_bytes()).unwrap();
    for old in [0, 3, 7] {
        let what = format!("from size {old} to 7");
        let accepted = Vector::accept("submission", &format!("from-{old}"), "PROOF-4 PROOF-2", &what);
        all.push(vector(accepted, text(of(old)), old).number("old-size", old as u64));
    }
    let good = text(of(3));
    for (class, name, what, bad) in [
        (Malformed, "empty", "nothing", String::new()),
        (Malformed, "no-old", "no size", good.replacen("old 3\n", "", 1)),
        (Malformed, "old-zeros", "a size with a leading zero", good.replacen("old 3", "old 03", 1)),
        (Malformed, "not-a-hash", "a line that is no hash", good.replacen("old 3\n", "old 3\nnote\n", 1)),
        (Malformed, "no-checkpoint", "no checkpoint", good[..good.find("\n\n").unwrap() + 2].to_owned()),
        (BadProof, "other-size", "the proof from another size", good.replacen("old 3", "old 4", 1)),
        (BadProof, "no-proof", "no proof", text(Submission { path: vec![], ..of(3) })),
        (TooLarge, "64-hashes", "64 hashes", text(Submission { path: vec![[0; 32]; 64], ..of(3) })),
    ] {
        let rejected = Vector::reject(class, "submission", name, "PROOF-4", what);
        all.push(vector(rejected, bad, 3));
    }
}
