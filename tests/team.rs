//! Several people, each with a machine, a repository and a ledger of their own; what they hand each other is files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{World, copy_folder, text};

const SESSION: &str = "run/evidence/prompt_session.json";
const SESSION_TAR: &str = "run/evidence/prompt_session.evidence.tar";
const RECORD: &str = "run/run_record.json";

fn person(name: &str) -> World {
    let world = World::with_git(name, &format!("{name}@example.org"));
    world.run(&["init", "--name", name]).ok();
    world
}

/// A session by this person, as files in `run/<folder>`; the report.
fn session(world: &World, prompts: &str, folder: &str) -> Value {
    world.json(&["dev", "--prompts", prompts, "--artifacts-dir", &format!("run/{folder}")])
}

/// What one person made goes into another's run.
fn hand_over(from: &World, to: &World) {
    copy_folder(&from.project.join("run"), &to.project.join("run"));
}

fn record(world: &World, run_id: &str) {
    world.write(RECORD, json!({"run_id": run_id}).to_string());
}

fn ledger_id(world: &World) -> String {
    text(&world.json(&["log"]), "/ledger").to_owned()
}

fn fingerprint(world: &World) -> String {
    text(&world.json(&["log", "--kind", "ledger"]), "/entries/0/kid").to_owned()
}

/// A policy, and whose ledgers count.
fn set_policy(world: &World, separation: &str, trusted: &[&World]) {
    let ledgers: Vec<String> = trusted.iter().map(|world| ledger_id(world)).collect();
    let settings = format!("[policy]\nseparation = \"{separation}\"\n\n[trust]\nledgers = {ledgers:?}\n");
    world.write("promptos.toml", settings);
}

#[test]
fn an_artifact_leads_across_ledgers_to_the_prompt_bytes() {
    let (ana, bo) = (person("ana"), person("bo"));
    let prompt =
        include_str!("../prompts/P05_constrained_builder.md").replace("version: 1\n", "version: 77\n");
    ana.write("prompts/P05.md", &prompt);
    ana.write("run/patch.diff", "+ one line\n");
    session(&ana, "P05,P00", "evidence");
    hand_over(&ana, &bo);
    record(&bo, "run 7 / nightly");
    bo.run(&["attach", "--run-record", RECORD])
        .expect(0, &["sessions  1 (1 of other ledgers)", "neither its ledger", "is trusted here"]);

    let digest = format!("blake3:{}", blake3::hash(prompt.as_bytes()).to_hex());
    let files = [RECORD, SESSION, SESSION_TAR, "run/patch.diff", "run/run.evidence.tar"];
    for what in files.into_iter().chain(["run 7 / nightly", &digest]) {
        let shown = bo.run(&["trace", what]).ok();
        for wanted in
            ["prompt P05.v77", &digest, "not trusted here", "ana@example.org", &ledger_id(&ana)[..12]]
        {
            assert!(shown.stdout.contains(wanted), "{what}: '{wanted}' is missing: {shown:?}");
        }
        assert_eq!(bo.json(&["trace", what])["holds"], true);
    }
    bo.run(&["trace", "run/patch.diff"]).expect(0, &["listed, its bytes are not kept here", "used by"]);
    // The bytes are there, in the evidence, and Bo never had Ana's catalog. Her ref binds nothing here.
    assert_eq!(bo.run(&["cat", &digest]).ok().bytes, prompt.as_bytes());
    assert_eq!(bo.run(&["cat", &digest[..20]]).ok().bytes, prompt.as_bytes());
    assert_eq!(ana.run(&["cat", "P05.v77"]).ok().bytes, ana.read("prompts/P05.md"));
    bo.run(&["cat", "P05.v77"]).expect(1, &["holds no content 'P05.v77'"]);
    bo.run(&["dev", "--prompts", "P05.v77"]).expect(1, &["has no version 77"]);

    // A later export of the same session stands against a newer head, and is still the same session.
    ana.run(&["dev", "--prompts", "P01"]).ok();
    ana.run(&["export", "--artifacts-dir", "run/evidence", "--session", SESSION]).ok();
    assert_ne!(ana.read(SESSION_TAR), bo.read(SESSION_TAR));
    let newer = ana.project.join(SESSION_TAR);
    bo.run(&["trace", newer.to_str().unwrap()]).expect(0, &["prompt P05.v77", "used by"]);

    // What nobody attached, and what was changed since, leads nowhere.
    bo.write("run/patch.diff", "+ another line\n");
    bo.run(&["trace", "run/patch.diff"]).expect(1, &["knows no file", "changed since"]);
    bo.write(RECORD, r#"{"run_id": "run 7 / nightly", "approved": true}"#);
    bo.run(&["trace", RECORD]).expect(3, &["is not the run record that was attached", "entry 1"]);
    let nothing = format!("blake3:{}", "0".repeat(64));
    for unknown in ["run 8", "P05.v78", &nothing, "20990101-000000-00000000"] {
        bo.run(&["trace", unknown]).expect(1, &["knows nothing of"]);
    }
}

#[test]
fn trust_is_recorded_as_it_was() {
    let (ana, bo) = (person("ana"), person("bo"));
    session(&ana, "P05", "evidence");
    hand_over(&ana, &bo);
    let (id, kid) = (ledger_id(&ana), fingerprint(&ana));
    let settings = [
        (String::new(), false),
        (format!("[trust]\nledgers = [{id:?}]\n"), true),
        (format!("[trust]\nledgers = [\"entry:{id}\"]\n"), true),
        (format!("[trust]\nkeys = [{kid:?}]\n"), true),
        (format!("[trust]\nledgers = [{:?}]\nkeys = [{:?}]\n", ledger_id(&bo), fingerprint(&bo)), false),
    ];
    for (i, (toml, trusted)) in settings.iter().enumerate() {
        bo.write("promptos.toml", toml);
        record(&bo, &format!("r{i}"));
        let output = bo.run(&["attach", "--run-record", RECORD]).ok();
        assert_eq!(output.stderr.contains("is trusted here"), !trusted, "{toml}: {output:?}");
        // Recorded: settings of later change nothing.
        bo.write("promptos.toml", "");
        let run = format!("r{i}");
        let cited = &bo.json(&["show", &run])["sessions"][0];
        assert_eq!((&cited["trusted"], text(cited, "/ledger")), (&json!(trusted), &*id));
        let said = if *trusted { ", trusted when attached" } else { ", not trusted when attached" };
        bo.run(&["show", &run]).expect(0, &[said]);
        let step = &bo.json(&["trace", &run])["to"][0]["steps"][0];
        assert_eq!((&step["entry"]["trusted"], text(step, "/entry/ledger")), (&json!(trusted), &*id));
        let said = if *trusted { ", trusted" } else { ", not trusted here" };
        bo.run(&["trace", &run]).expect(0, &[said]);
        bo.run(&["verify", "run/run.evidence.tar"]).expect(0, &["trusted when attached"]);
    }
    // Attaching again says the same and records nothing; with other trust it is not the same.
    bo.write("promptos.toml", &settings[4].0);
    bo.run(&["attach", "--run-record", RECORD]).expect(0, &["nothing new was recorded"]);
    bo.write("promptos.toml", &settings[1].0);
    bo.run(&["attach", "--run-record", RECORD])
        .expect(1, &["attached already, with other content", "--force"]);
    let report = bo.json(&["attach", "--run-record", RECORD, "--force"]);
    assert_eq!((&report["sessions"][0]["trusted"], &report["recorded"]), (&json!(true), &json!(true)));

    for (toml, place) in [
        ("[trust]\nledgers = [\"ana\"]\n", "[trust]"),
        ("[trust]\nkeys = [\"SHA256:short\"]\n", "[trust]"),
        ("[trust]\nledger = []\n", "promptos.toml:2:1"),
    ] {
        bo.write("promptos.toml", toml);
        bo.run(&["attach", "--run-record", RECORD]).expect(1, &[place]);
    }
}

#[test]
fn attaching_again_is_the_same_only_if_every_artifact_is() {
    let bo = person("bo");
    session(&bo, "P00", "evidence");
    bo.write("run/patch.diff", "one\n");
    bo.write("run-notes/x", "outside\n");
    record(&bo, "r");
    let attach = ["attach", "--run-record", RECORD];
    bo.run(&attach).ok();
    bo.run(&attach).expect(0, &["nothing new was recorded"]);
    for (file, content) in [("run/patch.diff", "two\n"), ("run/a/new.txt", "new\n"), ("run/a.txt", "new\n")] {
        bo.write(file, content);
        bo.run(&attach).expect(1, &["attached already, with other content", "--force"]);
        bo.run(&["attach", "--run-record", RECORD, "--force"]).ok();
        bo.run(&attach).expect(0, &["nothing new was recorded"]);
        bo.run(&["trace", file]).expect(0, &["used by"]);
    }
    fs::remove_file(bo.project.join("run/a.txt")).unwrap();
    bo.run(&attach).expect(1, &["attached already, with other content"]);
}

/// Who did what, what the policy makes of it.
#[test]
fn separation_of_duties_between_people() {
    let (ana, bo, cy, dee) = (person("ana"), person("bo"), person("cy"), person("dee"));
    let people = [&ana, &bo, &cy, &dee];
    let names = ["ana", "bo", "cy", "dee"];
    // Writer, verifier, reviewer, integrator; then who is in conflict.
    let cases: [([usize; 4], &[&str]); 6] = [
        ([0, 1, 2, 3], &[]),
        ([0, 0, 2, 3], &["'ana@example.org' is writer and verifier of this run"]),
        ([0, 1, 0, 3], &["'ana@example.org' is writer and reviewer of this run"]),
        ([3, 1, 2, 3], &["'dee@example.org' is writer and integrator of this run"]),
        (
            [0, 1, 1, 0],
            &["'ana@example.org' is writer and integrator", "'bo@example.org' is verifier and reviewer"],
        ),
        ([2, 2, 2, 2], &["'cy@example.org' is writer and verifier and reviewer and integrator of this run"]),
    ];
    for (i, (who, wanted)) in cases.iter().enumerate() {
        let folder = format!("case{i}");
        let integrator = people[who[3]];
        for (gate, &who) in ["P05", "P06", "P07"].iter().zip(who) {
            let dir = format!("{folder}/{gate}");
            people[who].run(&["dev", "--prompts", gate, "--artifacts-dir", &dir]).ok();
            if people[who].project != integrator.project {
                copy_folder(&people[who].project.join(&dir), &integrator.project.join(&dir));
            }
        }
        let run_record = format!("{folder}/run_record.json");
        let attach = ["attach", "--run-record", &run_record];
        for policy in ["enforce", "warn", "off"] {
            set_policy(integrator, policy, &people);
            integrator.write(&run_record, json!({"run_id": format!("{folder}-{policy}")}).to_string());
            let before = integrator.json(&["log"])["size"].clone();
            let output = integrator.run(&attach);
            let refused = policy == "enforce" && !wanted.is_empty();
            assert_eq!(output.code, if refused { 4 } else { 0 }, "{names:?} {who:?} {policy}: {output:?}");
            for conflict in *wanted {
                assert_eq!(output.stderr.contains(conflict), policy != "off", "{policy}: {output:?}");
            }
            let said = output.text().contains("separation of duties");
            assert_eq!(said, policy != "off" && !wanted.is_empty(), "{policy}: {output:?}");
            if refused {
                assert!(output.stderr.contains("nothing was attached"), "{output:?}");
                assert_eq!(integrator.json(&["log"])["size"], before);
                assert!(!integrator.project.join(&folder).join("run.evidence.tar").exists());
            } else {
                let trace = integrator.json(&["trace", &run_record]);
                let expected = if policy == "off" { 0 } else { wanted.len() };
                assert_eq!(trace["duties"].as_array().unwrap().len(), expected, "{trace:#}");
                // The evidence of the last policy is no artifact of the next.
                fs::remove_file(integrator.project.join(&folder).join("run.evidence.tar")).unwrap();
            }
        }
    }
    set_policy(&dee, "sometimes", &[]);
    dee.run(&["attach", "--run-record", "case0/run_record.json"])
        .expect(1, &["promptos.toml:2:14", "enforce"]);
}

#[test]
fn an_agents_duties_are_those_of_whom_it_acts_for() {
    let (ana, bo) = (person("ana"), person("bo"));
    session(&ana, "P05", "writer");
    hand_over(&ana, &bo);
    for (name, acts_for) in [("for-ana", "ana@example.org"), ("for-cy", "cy@example.org")] {
        bo.run(&["key", "new", name]).ok();
        let public = format!("{name}.pub");
        bo.run(&["key", "add", &public, "--identity", name, "--role", "agent", "--for", acts_for]).ok();
    }
    bo.run(&["key", "list"]).expect(0, &["for-ana  agent for ana@example.org"]);
    // An agent binds nothing; Bo does so once.
    bo.run(&["--key", "for-ana", "dev", "--prompts", "P06"]).expect(1, &["P06.v1 is not bound yet", "user"]);
    bo.run(&["dev", "--prompts", "P06"]).ok();
    set_policy(&bo, "enforce", &[]);
    record(&bo, "of whom nobody knows");
    let unknown = bo.run(&["attach", "--run-record", RECORD]);
    unknown.expect(4, &["is of a ledger that is not trusted here", "anyone can take any name there"]);
    set_policy(&bo, "enforce", &[&ana]);
    for (agent, conflict) in [("for-cy", false), ("for-ana", true)] {
        bo.run(&["--key", agent, "dev", "--prompts", "P06", "--artifacts-dir", "run/verifier", "--force"])
            .ok();
        record(&bo, agent);
        let output = bo.run(&["attach", "--run-record", RECORD]);
        if conflict {
            output
                .expect(4, &["'ana@example.org' is writer and verifier of this run", "nothing was attached"]);
        } else {
            output.ok();
        }
    }
    // The agent of someone else who integrates what Ana wrote, and Ana's own.
    fs::remove_dir_all(bo.project.join("run/verifier")).unwrap();
    record(&bo, "integrated by an agent");
    let output = bo.run(&["--key", "for-ana", "attach", "--run-record", RECORD]);
    output.expect(4, &["'ana@example.org' is writer and integrator of this run"]);
    bo.run(&["--key", "for-cy", "attach", "--run-record", RECORD]).ok();
    bo.json(&["verify-chain", "--require", "pinned"]);
}

#[test]
fn a_third_person_verifies_with_nothing_but_the_files() {
    let (ana, bo) = (person("ana"), person("bo"));
    session(&ana, "P05,P00", "evidence");
    hand_over(&ana, &bo);
    record(&bo, "r1");
    bo.run(&["attach", "--run-record", RECORD]).ok();
    let auditor = World::new();
    hand_over(&bo, &auditor);
    let public =
        |world: &World| world.home.join(".config/promptos/id_ed25519.pub").to_str().unwrap().to_owned();

    // By file: whose ledger it is.
    for (file, whose, other) in
        [(SESSION, &ana, &bo), (SESSION_TAR, &ana, &bo), ("run/run.evidence.tar", &bo, &ana)]
    {
        auditor.run(&["verify", file]).expect(
            0,
            &["consistent", "self-consistent only: anyone could have made this", "revocation is not visible"],
        );
        let strict = auditor.run(&["verify", "--require-trusted", file]);
        strict.expect(4, &["neither the ledger nor the signer", &ledger_id(whose), &fingerprint(whose)]);
        for trust in
            [ledger_id(whose), format!("entry:{}", ledger_id(whose)), fingerprint(whose), public(whose)]
        {
            let output = auditor.run(&["verify", "--require-trusted", "--trust", &trust, file]);
            let output = output.expect(0, &["trusted by --trust"]);
            assert!(!output.text().contains("anyone could"), "{output:?}");
        }
        for trust in [ledger_id(other), fingerprint(other), public(other)] {
            auditor.run(&["verify", "--require-trusted", "--trust", &trust, file]).expect(4, &["neither"]);
        }
        for trust in ["ana", "SHA256:short", "nowhere.pub", ""] {
            let output = auditor.run(&["verify", "--trust", trust, file]);
            assert!(matches!(output.code, 1 | 2), "{trust}: {output:?}");
        }
        let report = auditor.json(&["verify", "--trust", &ledger_id(whose), file]);
        assert_eq!((&report["trusted_ledger"], &report["trusted_key"]), (&json!(true), &json!(false)));
        assert_eq!(text(&report, "/rung"), "consistent");
    }
    // The run's evidence says whose session it stands on and that Bo did not trust it, whoever trusts Bo.
    auditor
        .run(&["verify", "--trust", &ledger_id(&bo), "run/run.evidence.tar"])
        .expect(0, &["by ana@example.org", "not trusted when attached"]);
    // promptos.toml counts as well, and a head that one holds makes it pinned.
    auditor.write("promptos.toml", format!("[trust]\nkeys = [{:?}]\n", fingerprint(&ana)));
    auditor
        .run(&["verify", "--require-trusted", SESSION])
        .expect(0, &["the signer's key is trusted by promptos.toml"]);
    let held = auditor.run(&["verify", "--checkpoint", "run/run.evidence.tar", "run/run.evidence.tar"]);
    held.expect(0, &["pinned", "neither the ledger nor the signer"]);
    auditor
        .run(&["verify", "--checkpoint", SESSION_TAR, "run/run.evidence.tar"])
        .expect(3, &["is of another ledger"]);

    // Every changed byte, and every cut, is noticed; so is a missing half.
    let tar = auditor.read(SESSION_TAR);
    for place in (0..tar.len()).step_by(tar.len() / 40) {
        let mut changed = tar.clone();
        changed[place] ^= 1;
        auditor.write("changed.tar", changed);
        let output = auditor.run(&["verify", "changed.tar"]);
        assert!(matches!(output.code, 1 | 3), "byte {place}: {output:?}");
        auditor.write("cut.tar", &tar[..place]);
        let output = auditor.run(&["verify", "cut.tar"]);
        assert!(matches!(output.code, 1 | 3), "cut at {place}: {output:?}");
    }
    fs::remove_file(auditor.project.join(SESSION_TAR)).unwrap();
    auditor.run(&["verify", SESSION]).expect(1, &["cannot read", "prompt_session.evidence.tar"]);
    // Verifying makes nothing: no key, no ledger, no pin.
    assert_eq!(fs::read_dir(&auditor.home).unwrap().count(), 0);
    assert!(!auditor.project.join(".promptos").exists());
}

#[test]
fn git_tells_who_what_and_where() {
    let ana = World::with_git("Ana Álvarez", "ana@example.org");
    let show = |dir: &Path, args: &[&str]| {
        let mut all = vec!["--json", "dev", "--prompts", "P00"];
        all.extend(args);
        let report = ana.run_in(dir, &all).ok().json();
        let shown = ana.run_in(dir, &["--json", "show", text(&report, "/entry/id")]).ok().json();
        let says: Vec<(String, String)> = serde_json::from_value(shown["says"].clone()).unwrap();
        let commit = says.into_iter().find(|(name, _)| name == "commit").map(|(_, value)| value);
        (shown, commit)
    };
    let head = || ana.git(&["rev-parse", "HEAD"]).ok().stdout.trim().to_owned();

    let (first, commit) = show(&ana.project, &[]);
    assert_eq!(commit, Some(head()));
    assert_eq!(
        (text(&first, "/details/developer"), text(&first, "/details/target")),
        ("Ana Álvarez", "project")
    );
    assert_eq!(text(&first, "/entry/iss"), "ana@example.org");

    // Untracked files and changed ones are uncommitted changes; the ledger itself is none.
    ana.write("new.txt", "new\n");
    assert_eq!(show(&ana.project, &[]).1, Some(format!("{} with uncommitted changes", head())));
    ana.commit("new");
    assert_eq!(show(&ana.project, &[]).1, Some(head()));
    ana.write("README.md", "changed\n");
    assert_eq!(show(&ana.project, &[]).1, Some(format!("{} with uncommitted changes", head())));
    ana.commit("changed");

    for (url, name) in [
        ("https://example.org/team/TrackVaultApp.git", "TrackVaultApp"),
        ("git@example.org:team/vault", "vault"),
        ("ssh://example.org/vault.git/", "vault"),
    ] {
        ana.git(&["remote", "add", "origin", url]).ok();
        assert_eq!(text(&show(&ana.project, &[]).0, "/details/target"), name);
        ana.git(&["remote", "remove", "origin"]).ok();
    }
    let given = show(&ana.project, &["--developer", "agent 7", "--target-repo", "other"]).0;
    assert_eq!((text(&given, "/details/developer"), text(&given, "/details/target")), ("agent 7", "other"));
    // What a person claims to be is not who signed.
    assert_eq!(text(&given, "/entry/iss"), "ana@example.org");

    // Below the root, and in another work tree, it is the same ledger; the commit is that of where one stands.
    let id = ledger_id(&ana);
    fs::create_dir_all(ana.project.join("src/deep")).unwrap();
    show(&ana.project.join("src/deep"), &[]);
    let tree = ana.root().join("tree");
    ana.git(&["worktree", "add", "--quiet", "-b", "side", tree.to_str().unwrap()]).ok();
    fs::write(tree.join("side.txt"), "side\n").unwrap();
    finish_git(&ana, &tree, &["add", "--all"]);
    finish_git(&ana, &tree, &["commit", "--quiet", "--message", "side"]);
    let (side, commit) = show(&tree, &[]);
    let side_head = finish_git(&ana, &tree, &["rev-parse", "HEAD"]);
    assert_eq!(commit, Some(side_head.trim().to_owned()));
    assert_ne!(commit, Some(head()));
    assert!(!tree.join(".promptos").exists());
    let log = ana.json(&["log"]);
    assert_eq!((text(&log, "/ledger"), text(&log, "/entries/0/id")), (&*id, text(&side, "/entry/id")));
    assert_eq!(ana.run_in(&tree, &["--json", "verify-chain"]).ok().json()["ledger"], *id);

    // Nothing of git: nothing is claimed.
    let plain = World::new();
    let report = plain.json(&["dev", "--prompts", "P00"]);
    let shown = plain.run(&["show", text(&report, "/entry/id")]).ok();
    assert!(!shown.stdout.contains("commit"), "{shown:?}");
}

fn finish_git(world: &World, dir: &Path, args: &[&str]) -> String {
    support::finish(world.command("git", dir).args(args)).ok().stdout
}

#[test]
fn the_catalogs_version_is_gits() {
    let ana = World::with_git("ana", "ana@example.org");
    let catalog = || text(&ana.json(&["version"]), "/catalog").to_owned();
    assert_eq!(catalog(), "UNRELEASED");
    for args in [vec!["tag", "v1.2.0"], vec!["tag", "-a", "v1.2.0", "-m", "release"]] {
        ana.git(&args).ok();
        assert_eq!(catalog(), "v1.2.0");
        ana.git(&["tag", "-d", "v1.2.0"]).ok();
    }
    ana.git(&["tag", "v1.2.0"]).ok();
    ana.run(&["version"]).expect(0, &["promptos v", "catalog  v1.2.0"]);
    ana.write("README.md", "changed\n");
    assert_eq!(catalog(), "v1.2.0-dirty");
    ana.commit("more");
    assert!(catalog().starts_with("v1.2.0-1-g"), "{}", catalog());
    // A session keeps it.
    let report = ana.json(&["dev", "--prompts", "P00", "--artifacts-dir", "out"]);
    let file: Value = serde_json::from_slice(&ana.read("out/prompt_session.json")).unwrap();
    assert_eq!(text(&file, "/ledger/catalog_version"), catalog());
    ana.run(&["show", text(&report, "/entry/id")]).expect(0, &[&catalog()]);
    assert_eq!(text(&World::new().json(&["version"]), "/catalog"), "UNRELEASED");
}
