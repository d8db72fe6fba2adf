//! Checkpoints beside each other: what extends what, and the proof when two of them cannot be of one history.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use std::fs;
use support::{World, copy_folder, text};

const DEV: &[&str] = &["dev", "--prompts", "P00"];

/// Two copies of one ledger of `common` entries, log key included, that go on by themselves: to `one` and to `other`
/// entries. Checkpoints of every size stand in the first project, as `one-N` and `other-N`.
fn forked(common: u64, one: u64, other: u64) -> (World, World) {
    let (a, b) = (World::new(), World::new());
    let key = a.key();
    let key = key.to_str().unwrap();
    a.ok(&["init"]);
    let keep = |from: &World, name: &str| {
        let note = from.ok(&["checkpoint"]);
        a.write(&format!("{name}-{}", from.verified()), note);
    };
    for _ in 1..common {
        a.ok(DEV);
    }
    keep(&a, "one");
    copy_folder(&a.path(".promptos"), &b.path(".promptos"));
    for _ in common..one {
        a.ok(DEV);
        keep(&a, "one");
    }
    keep(&b, "other");
    for _ in common..other {
        b.ok(&["--key", key, "dev", "--prompts", "P06"]);
        keep(&b, "other");
    }
    (a, b)
}

#[test]
fn consistent_checkpoints_are_proved_so() {
    let (world, _) = forked(2, 5, 2);
    world
        .run(&["checkpoint", "check", "one-2"])
        .expect(0, &["verdict   consistent", "5 entries", "the 2 of", "proof"]);
    world.run(&["checkpoint", "check", "one-5"]).expect(0, &["verdict   same", "both have 5 entries"]);
    // Any two, in either order, as long as the ledger has the larger one.
    world.run(&["checkpoint", "check", "one-3", "one-4"]).expect(0, &["consistent", "the 4 entries"]);
    world.run(&["checkpoint", "check", "one-4", "one-3"]).expect(0, &["consistent", "the 4 entries"]);
    world.run(&["checkpoint", "check", "one-4", "one-4"]).expect(0, &["same"]);
    let report = world.json(&["checkpoint", "check", "one-2"]);
    assert_eq!(
        (text(&report, "/schema"), text(&report, "/verdict")),
        ("promptos.checkpoint-check/1", "consistent")
    );
    assert!(!report["proof"].as_array().unwrap().is_empty(), "{report}");
    // From the standard input, and out of evidence.
    world.ok(&["export", "--artifacts-dir", "out"]);
    world.run(&["checkpoint", "check", "out/prompt_session.evidence.tar"]).expect(0, &["same"]);
    let mut piped = world.promptos(&["checkpoint", "check", "-"]);
    support::finish(piped.stdin(fs::File::open(world.path("one-3")).unwrap())).ok();
    assert!(!world.files().iter().any(|file| file.starts_with("fork-")));
}

#[test]
fn a_fork_is_proved_to_a_stranger() {
    for (old, new) in [("other-3", "one-3"), ("other-3", "one-5"), ("other-4", "one-5")] {
        let (world, _) = forked(2, 5, 4);
        let args = ["checkpoint", "check", old, new, "--out", "proof.txt"];
        let said = world
            .run(&args)
            .failed(3, &["the ledger forked: one key signed two histories", "promptos verify proof.txt"]);
        assert_eq!(said.stdout, "");
        // Somebody who has nothing but the file.
        let stranger = World::new();
        let proof = stranger.write("p", world.read("proof.txt"));
        let verdict = stranger.run(&["verify", "p"]).expect(
            3,
            &["fork      proved", "whose     the ledger's by its genesis", "signed two histories"],
        );
        assert!(verdict.stdout.contains(&format!("{} entries, root", &old[6..])), "{verdict:?}");
        let report = stranger.run(&["--json", "verify", "p"]).expect(3, &[]).json();
        assert_eq!(
            (text(&report, "/schema"), text(&report, "/verdict")),
            ("promptos.verify-fork/1", "forked")
        );
        assert_eq!(report["bound"], true);
        assert!(!stranger.project.join(".promptos").exists());
        // What is changed in it proves nothing any more.
        let good = fs::read_to_string(&proof).unwrap();
        for (from, to) in [("\nroot ", "\nroot A"), ("\npath ", "\npath A"), ("v1\n", "v2\n")] {
            let bad = good.replacen(from, to, 1);
            if bad != good {
                stranger.write("bad", bad);
                stranger.run(&["verify", "bad"]).failed(1, &["proves no fork", "accuses nobody"]);
            }
        }
        let (at, swapped) = (good.find("\n\n").unwrap() + 2, good.replacen("\n3\n", "\n2\n", 1));
        stranger.write("bad", &swapped);
        if swapped[..at] == good[..at] && swapped != good {
            stranger.run(&["verify", "bad"]).failed(1, &["proves no fork", "bad-signature"]);
        }
    }
}

#[test]
fn the_ledger_here_is_compared_whatever_its_pin_says() {
    let (a, b) = forked(2, 5, 4);
    // Every size that both have, beyond what they have in common, forked.
    let name = b.ok(&["checkpoint"]).split('/').next().unwrap().to_owned();
    a.run(&["checkpoint", "check", "other-2"]).expect(0, &["consistent"]);
    a.run(&["checkpoint", "check", "other-3"])
        .failed(3, &["the ledger forked", &format!("fork-{name}-3-5.txt")]);
    a.run(&["verify", &format!("fork-{name}-3-5.txt")]).expect(3, &["proved"]);
    // Again: the same file is there already, and stays.
    a.run(&["checkpoint", "check", "other-3"]).failed(3, &[&format!("verify fork-{name}-3-5.txt")]);
    a.write("in-the-way", "something else\n");
    a.run(&["checkpoint", "check", "other-3", "--out", "in-the-way"])
        .failed(3, &["the proof was not written", "--out FILE"]);
    assert_eq!(a.read("in-the-way"), b"something else\n");
    // The copy of the other branch takes the place of the one that was seen here.
    fs::copy(b.ledger(), a.ledger()).unwrap();
    a.run(&["checkpoint"]).failed(3, &["the ledger went back"]);
    a.run(&["checkpoint", "check", "one-3"]).failed(3, &["the ledger forked"]);
    let report = a.run(&["--json", "checkpoint", "check", "one-4"]).expect(3, &[]).json();
    assert_eq!((text(&report, "/verdict"), &report["old"]["size"]), ("forked", &4.into()));
    a.run(&["verify", text(&report, "/fork")]).expect(3, &["proved"]);
    // An older copy is no fork.
    a.refuses(
        3,
        &["checkpoint", "check", "one-5"],
        &["the ledger went back: it has 4 entries", "proves no fork"],
    );
}

#[test]
fn what_proves_nothing_says_so() {
    let (a, b) = forked(2, 5, 4);
    let vkey = a.ok(&["checkpoint", "--vkey"]);
    let stranger = World::new();
    for name in ["one-3", "one-5", "other-3", "other-4"] {
        stranger.write(name, a.read(name));
    }
    // Two of one size decide by themselves; of two sizes somebody must have a tree.
    let known = ["--vkey", vkey.trim()];
    let check = |files: &[&'static str]| [&["checkpoint", "check"], files, &known].concat().join("\u{0}");
    let run = |files: &[&'static str]| stranger.run(&check(files).split('\u{0}').collect::<Vec<_>>());
    run(&["one-3", "other-4"])
        .failed(1, &["cannot be told from the checkpoints alone", "neither way", "--ledger FILE"]);
    run(&["one-3", "other-3"]).failed(3, &["forked", "verify fork-"]);
    let proof = stranger.files().into_iter().find(|file| file.starts_with("fork-")).unwrap();
    // Without a ledger there is no genesis to say whose key it is.
    stranger.run(&["verify", &proof]).expect(3, &["proved", "for you to know"]);
    stranger.write("promptos.toml", format!("[trust]\nlogs = [\"{}\"]\n", vkey.trim()));
    stranger.run(&["verify", &proof]).expect(3, &["the ledger's by [trust]"]);
    stranger.run(&["checkpoint", "check", "one-3", "one-3"]).expect(0, &["same"]);
    fs::remove_file(stranger.path("promptos.toml")).unwrap();
    // The ledger of the other branch shows that neither of two is its own.
    b.write("one-3", a.read("one-3"));
    b.write("one-5", a.read("one-5"));
    b.run(&["checkpoint", "check", "one-3", "one-5"]).failed(3, &["the ledger forked"]);
}

#[test]
fn bad_input_is_named_and_leaves_nothing() {
    let (a, _) = forked(2, 3, 3);
    let other = World::with_session();
    a.write("stranger", other.ok(&["checkpoint"]));
    a.write("vkey-of-another", other.ok(&["checkpoint", "--vkey"]));
    a.write("text", "hello\n");
    let note = String::from_utf8(a.read("one-3")).unwrap();
    a.write("tampered", note.replacen("\n3\n", "\n2\n", 1));
    a.write("bad.toml", "");
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["stranger"], 1, &["stranger", "no checkpoint key of", "--vkey"]),
        (&["one-3", "stranger"], 1, &["no checkpoint key of"]),
        (&["stranger", "--vkey", "vkey-of-another"], 1, &["two ledgers", "the first", "the second"]),
        (&["one-3", "--vkey", "vkey-of-another"], 1, &["no checkpoint key of"]),
        (&["one-3", "--vkey", "text"], 1, &["--vkey", "name+hash+key"]),
        (&["one-3", "--vkey", "gone"], 1, &["cannot read gone"]),
        (&["one-3", "--vkey", "a+b+c"], 1, &["--vkey"]),
        (&["text"], 1, &["text", "no signed checkpoint"]),
        (&["gone"], 1, &["cannot read gone"]),
        (&["tampered"], 3, &["tampered", "bad-signature"]),
        (&["-", "-"], 2, &["standard input"]),
        (&["-"], 1, &["no signed checkpoint"]),
        (&[], 2, &["OLD"]),
    ];
    for (args, code, essentials) in cases {
        a.refuses(*code, &[&["checkpoint", "check"], *args].concat(), essentials);
    }
    other.write("one", a.read("one-3"));
    other.refuses(1, &["checkpoint", "check", "one"], &["no checkpoint key of"]);
    World::new().refuses(1, &["checkpoint", "check", "one"], &["there is no ledger here"]);
}

#[test]
fn after_a_new_log_key_old_checkpoints_still_count() {
    let world = World::with_session();
    world.write("before", world.ok(&["checkpoint"]));
    world.ok(&["key", "rotate", "--log-key"]);
    world.ok(DEV);
    world.run(&["checkpoint", "check", "before"]).expect(0, &["consistent"]);
}

/// Heads that authors signed prove nothing against the keeper: whoever signs can sign any head.
#[test]
fn contradicting_heads_of_authors_name_both_and_accuse_nobody() {
    let (a, b) = (World::new(), World::new());
    a.ok(&["init"]);
    a.ok(DEV);
    copy_folder(&a.path(".promptos"), &b.path(".promptos"));
    let key = a.key();
    let other = |args: &[&str]| b.ok(&[&["--key", key.to_str().unwrap()], args].concat());
    for _ in 0..2 {
        a.ok(DEV);
        other(&["dev", "--prompts", "P06"]);
    }
    b.ok(&["key", "new", "carol"]);
    other(&["key", "add", "carol.pub", "--identity", "carol", "--role", "user"]);
    a.ok(&["export", "--artifacts-dir", "out"]);
    other(&["export", "--artifacts-dir", "out"]);
    let stranger = World::new();
    stranger.write("a.tar", a.read("out/prompt_session.evidence.tar"));
    stranger.write("b.tar", b.read("out/prompt_session.evidence.tar"));
    for (one, held) in [("a.tar", "b.tar"), ("b.tar", "a.tar")] {
        let said = stranger.refuses(
            3,
            &["verify", one, "--checkpoint", held],
            &["forked-head: two signed heads of 3 entries", "proves nothing against the keeper"],
        );
        assert_eq!(said.stderr.matches("SHA256:").count(), 2, "{said:?}");
    }
    stranger.run(&["verify", "a.tar", "--checkpoint", "a.tar"]).expect(0, &["rung      pinned"]);
    // An author's head against the other keeper's checkpoint.
    other(&["dev", "--prompts", "P06"]);
    other(&["export", "--artifacts-dir", "more"]);
    stranger.write("b.tar", b.read("more/prompt_session.evidence.tar"));
    stranger.refuses(
        3,
        &["verify", "a.tar", "--checkpoint", "b.tar"],
        &["two signed heads of 4 entries", "the ledger's checkpoint key"],
    );
}
