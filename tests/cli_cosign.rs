//! Witnesses: cosignatures by files that colleagues exchange, policies, and the rung that they reach.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use std::fs;
use support::{Output, World, copy_folder, text};

const DEV: &[&str] = &["dev", "--prompts", "P00"];

fn person(name: &str) -> World {
    let world = World::with_git(name, &format!("{name}@example.org"));
    world.ok(&["init", "--name", name]);
    world
}

/// What one prints becomes a file of the other.
fn hand(text: impl AsRef<[u8]>, to: &World, name: &str) {
    to.write(name, text);
}

/// `witness NAME VKEY`, as a policy has it.
fn witness_line(of: &World, name: &str) -> String {
    format!("witness {name} {}", of.ok(&["cosign", "--witness-vkey"]))
}

/// Cosigns what `from` prints; answers the cosigned checkpoint.
fn cosigned(from: &World, by: &World) -> String {
    hand(from.ok(&["checkpoint"]), by, "note");
    let vkey = from.ok(&["checkpoint", "--vkey"]);
    by.ok(&["cosign", "note", "--vkey", vkey.trim()])
}

#[test]
fn two_colleagues_witness_each_other() {
    let (ada, ben) = (person("ada"), person("ben"));
    for (keeper, witness) in [(&ada, &ben), (&ben, &ada)] {
        keeper.ok(DEV);
        let vkey = keeper.ok(&["checkpoint", "--vkey"]);
        hand(&vkey, witness, "vkey");
        hand(keeper.ok(&["checkpoint"]), witness, "first");
        let first = witness
            .run(&["cosign", "first", "--vkey", "vkey"])
            .expect(0, &["first seen", "cosigned 2 entries"]);
        hand(&first.stdout, keeper, "cosigned");
        keeper
            .run(&["checkpoint", "--add", "cosigned"])
            .expect(0, &["2 new lines for the checkpoint of 2 entries"]);
        keeper.run(&["checkpoint", "--add", "cosigned"]).expect(0, &["0 new lines"]);
        // From now on others get it with the cosignature.
        assert_eq!(keeper.ok(&["checkpoint"]), first.stdout);
        keeper.write("policy", format!("{}quorum w\n", witness_line(witness, "w")));
        let audit = ["verify-chain", "--policy", "policy", "--require", "witnessed"];
        keeper.run(&audit).expect(
            0,
            &["rung      witnessed", "witness", "@example.org at 20", "existed   2 entries by 20"],
        );
        // The ledger grows; the witness needs a proof, which comes with the checkpoint.
        keeper.ok(DEV);
        keeper.run(&audit).expect(0, &["the 1 after them are not witnessed"]);
        hand(keeper.ok(&["checkpoint"]), witness, "bare");
        witness.refuses(
            1,
            &["cosign", "bare", "--vkey", "vkey"],
            &["you saw 2 entries before", "checkpoint --since 2"],
        );
        hand(keeper.ok(&["checkpoint", "--since", "1"]), witness, "wrong");
        witness.refuses(
            1,
            &["cosign", "wrong", "--vkey", "vkey"],
            &["begins at 1 entries, and you saw 2", "--since 2"],
        );
        hand(keeper.ok(&["checkpoint", "--since", "2"]), witness, "second");
        let second = witness.run(&["cosign", "second", "--vkey", "vkey"]).expect(0, &["cosigned 3 entries"]);
        assert!(!second.stderr.contains("first seen"), "{second:?}");
        hand(&second.stdout, keeper, "cosigned");
        keeper.run(&["checkpoint", "--add", "cosigned"]).expect(0, &["2 new lines for the checkpoint of 3"]);
        let report = keeper.json(&audit);
        assert_eq!((text(&report, "/rung"), &report["witnessed"]["size"]), ("witnessed", &3.into()));
        assert_eq!(report["witnessed"]["existed_by"], report["witnessed"]["newest_at"]);
        // The older one is not cosigned again: a larger tree was seen.
        witness.refuses(
            1,
            &["cosign", "first", "--vkey", "vkey"],
            &["it has 2 entries, and 3 were seen already"],
        );
        // The same one may be, at a later time.
        witness.run(&["cosign", "second", "--vkey", "vkey"]).expect(0, &["cosigned 3"]);
        assert_eq!(keeper.verified(), 3);
    }
}

#[test]
fn a_quorum_is_reached_or_not() {
    let (ada, ben, eve) = (person("ada"), person("ben"), person("eve"));
    ada.ok(DEV);
    let log = ada.ok(&["checkpoint", "--vkey"]);
    let both = format!(
        "log {log}{}{}group g all ben eve\nquorum g\n",
        witness_line(&ben, "ben"),
        witness_line(&eve, "eve")
    );
    let policy = |text: &str| {
        ada.write("policy", text);
        ada.write("promptos.toml", "[trust]\npolicy = \"policy\"\n");
    };
    policy(&both);
    let audit = || ada.run(&["verify-chain", "--require", "witnessed"]);
    audit().failed(4, &["'witnessed' is asked for; 'pinned'", "no cosigned checkpoint"]);
    ada.run(&["verify-chain"]).expect(0, &["rung      pinned", "not witnessed: no cosigned"]);
    ada.write("by-eve", cosigned(&ada, &eve));
    ada.write("by-ben", cosigned(&ada, &ben));
    ada.ok(&["checkpoint", "--add", "by-ben"]);
    audit().failed(4, &["1 known witnesses do not make a quorum"]);
    // Lines are put together when they are kept.
    ada.run(&["verify-chain", "--checkpoint", "by-eve", "--require", "witnessed"]).failed(4, &["by-eve"]);
    ada.ok(&["checkpoint", "--add", "by-eve"]);
    audit().expect(0, &["witness   ben@example.org", "witness   eve@example.org", "existed   2 entries by"]);
    ada.run(&["verify-chain", "--require", "pinned,witnessed"]).expect(0, &["witnessed"]);
    ada.run(&["verify-chain", "--require", "witnessed,anchored"]).failed(4, &["'anchored' is asked for"]);
    // Somebody else, with the file of the ledger alone.
    let other = World::new();
    copy_folder(&ada.path(".promptos"), &other.path(".promptos"));
    other.write("policy", &both);
    other.write("both", ada.ok(&["checkpoint"]));
    let args = ["verify-chain", "--policy", "policy", "--checkpoint", "both", "--require", "witnessed"];
    other.run(&args).expect(0, &["witnessed"]);
    fs::remove_dir_all(other.path(".promptos/ledger.cosigned")).unwrap();
    other.run(&args).expect(0, &["witnessed"]);
    // Policies that ask for nobody, for another log, or for a witness that did not sign.
    policy(&both.replace("quorum g", "quorum none"));
    audit().failed(4, &["quorum is 'none'"]);
    policy(&both.replace(log.trim(), ben.ok(&["checkpoint", "--vkey"]).trim()));
    audit().failed(4, &["no log of the policy signed"]);
    policy(&both.replace("quorum g", "quorum gg"));
    ada.run(&["verify-chain"]).failed(1, &["policy, line 5", "not defined above"]);
    policy("quorum w\r\n");
    ada.run(&["verify-chain"]).failed(1, &["policy, line 1", "control character"]);
    fs::remove_file(ada.path("policy")).unwrap();
    ada.run(&["verify-chain"]).failed(1, &["cannot read", "policy"]);
}

#[test]
fn evidence_is_witnessed_by_its_checkpoint() {
    let (ada, ben) = (person("ada"), person("ben"));
    ada.ok(&["dev", "--prompts", "P00", "--artifacts-dir", "before"]);
    ada.write("cosigned", cosigned(&ada, &ben));
    let stranger = World::new();
    stranger.write("policy", format!("{}quorum ben\n", witness_line(&ben, "ben")));
    stranger.write("cosigned", ada.read("cosigned"));
    stranger.write("e.tar", ada.read("before/prompt_session.evidence.tar"));
    let verify = |more: &[&str]| stranger.run(&[&["verify", "e.tar", "--policy", "policy"], more].concat());
    verify(&[]).expect(0, &["rung      consistent"]);
    verify(&["--require", "witnessed"]).expect(4, &["'witnessed' is asked for; 'consistent' was reached"]);
    verify(&["--require", "pinned"]).expect(4, &["'pinned' is asked for"]);
    verify(&["--checkpoint", "cosigned", "--require", "witnessed"])
        .expect(0, &["rung      witnessed", "ben@example.org", "existed   2 entries by"]);
    stranger
        .run(&["verify", "e.tar", "--checkpoint", "cosigned", "--require", "pinned"])
        .expect(0, &["pinned"]);
}

#[test]
fn cosignatures_go_where_they_are_wanted() {
    let (ada, ben) = (person("ada"), person("ben"));
    hand(ada.ok(&["checkpoint"]), &ben, "note");
    hand(ada.ok(&["checkpoint", "--since", "1"]), &ben, "asked");
    ben.write(
        "promptos.toml",
        format!("[trust]\nlogs = [\"{}\"]\n", ada.ok(&["checkpoint", "--vkey"]).trim()),
    );
    let line = ben.ok(&["cosign", "note", "--line"]);
    assert!(line.starts_with("— ben@example.org ") && line.lines().count() == 1, "{line}");
    let before = ben.read("note");
    assert_eq!(ben.ok(&["cosign", "note", "--write"]), "");
    let after = ben.read("note");
    assert!(after.starts_with(&before) && after.len() > before.len());
    assert!(ben.ok(&["cosign", "asked"]).starts_with("ada/"));
    let piped =
        ben.promptos(&["cosign", "-"]).stdin(fs::File::open(ben.path("note")).unwrap()).output().unwrap();
    assert!(piped.status.success() && piped.stdout.starts_with(&after));
    let report = ben.json(&["cosign", "note", "--name", "witness.example/ben"]);
    assert_eq!(text(&report, "/schema"), "promptos.cosign/1");
    assert!(text(&report, "/line").starts_with("— witness.example/ben "));
    assert!(text(&report, "/witness_vkey").starts_with("witness.example/ben+"));
    for (args, code, essentials) in [
        (vec!["cosign", "asked", "--write"], 2, vec!["plain checkpoint"]),
        (vec!["cosign"], 2, vec!["CHECKPOINT"]),
        (vec!["cosign", "note", "--name", "b e n"], 2, vec!["--name"]),
        (vec!["cosign", "note", "--name", "b+n"], 2, vec!["--name"]),
        (vec!["cosign", "note", "--write", "--line"], 2, vec!["--line"]),
        (vec!["cosign", "promptos.toml"], 1, vec!["no signed checkpoint"]),
        (vec!["cosign", "gone"], 1, vec!["cannot read gone"]),
    ] {
        ben.refuses(code, &args, &essentials);
    }
}

/// A keeper who goes on in two ways, and a witness who has seen one of them.
#[test]
fn a_witness_cosigns_one_history_only() {
    let (ada, other, ben) = (World::with_session(), World::new(), person("ben"));
    copy_folder(&ada.path(".promptos"), &other.path(".promptos"));
    let key = ada.key();
    let key = key.to_str().unwrap();
    ada.ok(DEV);
    let vkey = ada.ok(&["checkpoint", "--vkey"]);
    hand(&vkey, &ben, "vkey");
    hand(ada.ok(&["checkpoint"]), &ben, "seen");
    ben.ok(&["cosign", "seen", "--vkey", "vkey"]);
    let refused = |note: String, code, essentials: &[&str]| -> Output {
        hand(note, &ben, "note");
        ben.refuses(code, &["cosign", "note", "--vkey", "vkey"], essentials)
    };
    for size in [3, 4] {
        other.ok(&["--key", key, "dev", "--prompts", "P06"]);
        let note = other.ok(&["checkpoint", "--since", "3"]);
        refused(note, 3, &["does not extend the 3 entries", "seen", "this is", "checkpoint check OLD NEW"]);
        assert_eq!(other.verified(), size);
    }
    // With the ledger at hand.
    let at = other.ledger();
    hand(other.ok(&["checkpoint"]), &ben, "note");
    ben.refuses(3, &["cosign", "note", "--ledger", at.to_str().unwrap()], &["does not extend the 3 entries"]);
    hand(ada.ok(&["checkpoint"]), &ben, "note");
    ben.refuses(3, &["cosign", "note", "--ledger", at.to_str().unwrap()], &["never had this head"]);
    let at = ada.ledger();
    ada.ok(DEV);
    hand(ada.ok(&["checkpoint"]), &ben, "note");
    ben.run(&["cosign", "note", "--ledger", at.to_str().unwrap()]).expect(0, &["cosigned 4 entries"]);
    // What is damaged, or of a key that nobody vouches for.
    let note = ada.ok(&["checkpoint"]);
    refused(note.replacen("\n4\n", "\n5\n", 1), 3, &["bad-signature"]);
    ben.refuses(1, &["cosign", "note"], &["no checkpoint key", "--vkey"]);
    // Cosignatures of the other history are not kept.
    let eve = person("eve");
    hand(other.ok(&["checkpoint"]), &eve, "note");
    let forged = eve.ok(&["cosign", "note", "--vkey", vkey.trim()]);
    ada.write("forged", forged);
    ada.refuses(3, &["checkpoint", "--add", "forged"], &["the ledger forked", "checkpoint check"]);
    ada.write("foreign", eve.ok(&["checkpoint"]));
    ada.refuses(1, &["checkpoint", "--add", "foreign"], &["no checkpoint key of eve/"]);
    // Nor do they count when somebody puts them there.
    fs::create_dir_all(ada.path(".promptos/ledger.cosigned")).unwrap();
    fs::copy(ada.path("forged"), ada.path(".promptos/ledger.cosigned/00000000000000000004.checkpoint"))
        .unwrap();
    ada.write("policy", format!("{}quorum eve\n", witness_line(&eve, "eve")));
    ada.run(&["verify-chain", "--policy", "policy"]).expect(3, &["the ledger forked"]);
    assert_eq!(ada.ok(&["checkpoint"]), note);
    ada.write(".promptos/ledger.cosigned/00000000000000000004.checkpoint", "damaged");
    ada.run(&["verify-chain", "--policy", "policy"]).expect(0, &["rung      pinned", "not witnessed"]);
    // A bad line in the name of a known witness spoils the note, so it is not taken.
    let vkey = eve.ok(&["cosign", "--witness-vkey"]);
    let vkey = ledger_format::WitnessKey::parse(vkey.trim()).unwrap();
    let bad = [vkey.id().as_slice(), &[9; 72]].concat();
    let bad = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bad);
    ada.write("bad", format!("{note}— {} {bad}\n", vkey.name));
    ada.write("promptos.toml", "[trust]\npolicy = \"policy\"\n");
    ada.refuses(3, &["checkpoint", "--add", "bad"], &["bad-signature"]);
    ada.run(&["verify-chain", "--checkpoint", "bad", "--require", "witnessed"]).failed(4, &["bad-signature"]);
}
