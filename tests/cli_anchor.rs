//! Anchors in git: checkpoints in tags and in trailers of commits, and what is found of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use std::fs;
use support::{World, copy_folder, text};

const DEV: &[&str] = &["dev", "--prompts", "P00"];
const AUDIT: &[&str] = &["verify-chain", "--require", "anchored"];

fn project() -> World {
    let world = World::with_git("ada", "ada@example.org");
    world.write(".gitignore", ".promptos\n");
    world.ok(&["init"]);
    world.commit("settings");
    world
}

#[test]
fn a_tag_anchors_what_it_has() {
    let world = project();
    world
        .run(AUDIT)
        .failed(4, &["'anchored' is asked for", "in 0 tags and 2 commits", "promptos anchor git"]);
    world.run(&["anchor", "git"]).expect(0, &["promptos-checkpoint-1", "git push"]);
    let kind = world.git(&["cat-file", "-t", "promptos-checkpoint-1"]).ok();
    assert_eq!(kind.stdout, "tag\n");
    world
        .run(AUDIT)
        .expect(0, &["rung      anchored", "1 entries in git tag promptos-checkpoint-1", "as git claims"]);
    // Neither stands for the other, and without being asked nobody looks.
    world.run(&["verify-chain", "--require", "anchored,witnessed"]).failed(4, &["'witnessed' is asked for"]);
    world.run(&["verify-chain"]).expect(0, &["rung      pinned"]);
    world.ok(DEV);
    world.run(AUDIT).expect(0, &["the 1 after them are not anchored"]);
    world.run(&["anchor", "git", "--tag", "ledger/now"]).expect(0, &["ledger/now"]);
    let report = world.json(AUDIT);
    assert_eq!((text(&report, "/rung"), text(&report, "/anchored/tag")), ("anchored", "ledger/now"));
    assert_eq!(report["anchored"]["size"], 2);
    let tag = world.git(&["rev-parse", "ledger/now"]).ok();
    assert_eq!(text(&report, "/anchored/object"), tag.stdout.trim());
    // Of several records of one head the oldest counts. When that was, is what whoever made it says.
    let mut early = world.promptos(&["anchor", "git", "--tag", "early"]);
    support::finish(early.env("GIT_COMMITTER_DATE", "2001-02-03T04:05:06Z")).ok();
    world.ok(&["anchor", "git", "--tag", "later"]);
    let report = world.json(AUDIT);
    assert_eq!(
        (text(&report, "/anchored/tag"), text(&report, "/anchored/time")),
        ("early", "2001-02-03T04:05:06Z")
    );
    // What is in the way, or no name, is git's to say.
    for name in ["ledger/now", "a..b", "", "-f", "--delete"] {
        let said = world.run(&["anchor", "git", &format!("--tag={name}")]);
        said.failed(1, &["tag"]);
    }
    assert_eq!(world.git(&["tag"]).ok().stdout, "early\nlater\nledger/now\npromptos-checkpoint-1\n");
}

#[test]
fn a_trailer_anchors_what_it_has() {
    let world = project();
    world.ok(DEV);
    let line = world.ok(&["anchor", "git", "--trailer"]);
    assert!(line.starts_with("Promptos-Checkpoint: ") && line.lines().count() == 1);
    assert_eq!(text(&world.json(&["anchor", "git", "--trailer"]), "/trailer"), line.trim());
    let commit = |message: &str| world.git(&["commit", "--quiet", "--allow-empty", "-m", message]).ok();
    commit(&format!("Fix the gear train\n\nIt turned.\n\n{line}Signed-off-by: ada"));
    let anchored = world.git(&["rev-parse", "HEAD"]).ok().stdout;
    commit("another");
    let report = world.json(AUDIT);
    assert_eq!(
        (text(&report, "/anchored/object"), &report["anchored"]["tag"]),
        (anchored.trim(), &().into())
    );
    // The checkpoint as it is counts as well; of what is merged in, only first parents.
    commit(&format!("checkpoint\n\n{}", world.ok(&["checkpoint"])));
    world.git(&["reset", "--quiet", "--hard", "HEAD~3"]).ok();
    commit(&format!("checkpoint\n\n{}", world.ok(&["checkpoint"])));
    world.run(AUDIT).expect(0, &["git commit"]);
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    world.run(AUDIT).failed(4, &["no checkpoint"]);
    world.git(&["checkout", "--quiet", "-b", "side"]).ok();
    commit(&line);
    world.git(&["checkout", "--quiet", "main"]).ok();
    commit("on main");
    world.git(&["merge", "--quiet", "--no-ff", "-m", "merged", "side"]).ok();
    world.run(AUDIT).failed(4, &["no checkpoint"]);
}

#[test]
fn only_what_the_ledger_signed_is_an_anchor() {
    let (world, other) = (project(), World::with_session());
    let note = world.ok(&["checkpoint"]);
    let tag = |name: &str, message: &str| {
        world.git(&["tag", "-a", "--cleanup=verbatim", "-m", message, name]).ok();
    };
    tag("foreign", &other.ok(&["checkpoint"]));
    tag("tampered", &note.replacen("\n1\n", "\n9\n", 1));
    tag("unsigned", note.split("\n\n").next().unwrap());
    tag("damaged", "Promptos-Checkpoint: AAAA\nPromptos-Checkpoint: *\n");
    world.run(AUDIT).failed(4, &["in 4 tags and 2 commits"]);
    world.git(&["tag", "light"]).ok();
    world.run(AUDIT).failed(4, &["in 4 tags"]);
}

#[test]
fn an_anchor_shows_that_a_ledger_went_back_or_forked() {
    let world = project();
    let older = fs::read(world.ledger()).unwrap();
    let other = World::new();
    copy_folder(&world.path(".promptos"), &other.path(".promptos"));
    world.ok(DEV);
    world.ok(&["anchor", "git"]);
    fs::write(world.ledger(), older).unwrap();
    world.ok(&["pin", "reset"]);
    world.run(AUDIT).failed(3, &["the ledger went back", "the git tag promptos-checkpoint-2"]);
    let key = world.key();
    other.ok(&["--key", key.to_str().unwrap(), "dev", "--prompts", "P06"]);
    fs::copy(other.ledger(), world.ledger()).unwrap();
    world.ok(&["pin", "reset"]);
    world
        .run(AUDIT)
        .failed(3, &["the ledger forked", "the git tag promptos-checkpoint-2", "checkpoint check"]);
    // The tag itself has what proves it.
    let message = world.git(&["tag", "-l", "--format=%(contents:body)", "promptos-checkpoint-2"]).ok().stdout;
    world.write("seen", format!("{}\n", message.trim()));
    world
        .run(&["checkpoint", "check", "seen", "--out", "proof"])
        .failed(3, &["one key signed two histories"]);
    world.run(&["verify", "proof"]).expect(3, &["proved"]);
}

#[test]
fn no_repository_and_no_foreign_code() {
    let bare = World::with_session();
    bare.refuses(1, &["anchor", "git"], &["no usable git repository"]);
    bare.run(AUDIT).failed(4, &["there is no git repository here"]);
    bare.ok(&["anchor", "git", "--trailer"]);
    // Before the first commit there is nothing to tag.
    bare.git(&["init", "--quiet"]).ok();
    bare.refuses(1, &["anchor", "git"], &["git made no tag"]);
    bare.run(AUDIT).failed(4, &["0 tags and 0 commits"]);

    // What a configuration names is not run: signing programs, hooks, editors.
    let world = project();
    let trap = world.write("trap.sh", "#!/bin/sh\ntouch \"$(dirname \"$0\")/sprung\"\nexit 1\n");
    fs::set_permissions(&trap, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let trap = trap.to_str().unwrap();
    for (name, value) in [
        ("tag.gpgSign", "true"),
        ("tag.forceSignAnnotated", "true"),
        ("gpg.program", trap),
        ("core.editor", trap),
        ("core.fsmonitor", trap),
        ("core.pager", trap),
        ("log.showSignature", "true"),
    ] {
        world.git(&["config", name, value]).ok();
    }
    fs::copy(trap, world.path(".git/hooks/reference-transaction")).unwrap();
    world.ok(&["anchor", "git"]);
    world.run(AUDIT).expect(0, &["anchored"]);
    assert!(!world.path("sprung").exists() && !world.path(".git/hooks/sprung").exists());
}
