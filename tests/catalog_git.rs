//! Catalogs in git: any revision without a checkout, and `prompt refresh`; what stands in a repository or its
//! configuration runs no code.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use promptos::catalog::{Catalog, Layer, Origin, Source};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;
use support::{World, finish, text};

fn prompt(id: &str, version: &str, body: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: {version}\nrole: task\nsummary: S\nowner: tests\nstatus: current\n\
         inputs: []\noutput_contract: {{mode: text}}\n---\n{body}\n"
    )
}

fn world() -> World {
    World::with_git("ada", "ada@example.org")
}

fn at(world: &World, revision: &str, folder: &str) -> Source {
    let (repository, revision) = (world.project.clone(), revision.to_owned());
    let origin = Origin::Git { repository, revision, folder: folder.into() };
    Source { layer: Layer::Workspace, origin }
}

/// Feeds git's stdin and answers with its stdout.
fn git_with(world: &World, args: &[&str], input: &[u8]) -> String {
    let mut command = world.command("git", &world.project);
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A folder and the commit of it are the same catalog: prompts, hidden files, links, odd names and all.
#[test]
fn a_commit_reads_as_its_checkout() {
    let world = world();
    let at_root = "linked file";
    world.write("prompts/a.md", prompt("a", "1", "one"));
    world.write("prompts/crlf.md", format!("\u{feff}{}", prompt("b", "1", "two").replace('\n', "\r\n")));
    world.write("prompts/deep/er/c.md", prompt("c", "1", "three"));
    world.write("prompts/deep/target/t.md", prompt("t", "1", "x"));
    world.write("prompts/.hidden/h.md", prompt("h", "1", "x"));
    world.write("prompts/UPPER.MD", prompt("upper", "1", "x"));
    world.write("prompts/README.md", "# a document\n");
    world.write("prompts/broken.md", "---\nprompt_id: broken\nversion: [\n---\n");
    world.write("prompts/latin.md", b"---\nprompt_id: latin\nversion: 1\n---\ncaf\xE9\n");
    world.write("prompts/lfs.md", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    world.write("prompts/large.md", format!("{}{}", prompt("large", "1", ""), "x".repeat(10 << 20)));
    world.write("outside.md", prompt("outside", "1", at_root));
    let link = |target: &str, name: &str| symlink(target, world.project.join("prompts").join(name)).unwrap();
    link("a.md", "link.md");
    link("link.md", "twice.md");
    link("../prompts/a.md", "around.md");
    link("deep/er/../er/c.md", "winding.md");
    link("deep", "folder");
    link("folder/er/c.md", "through.md");
    link("../outside.md", "out.md");
    link("../../../../../../../../etc/passwd", "far.md");
    link("/etc/passwd", "absolute.md");
    link("nowhere.md", "dangling.md");
    link("self.md", "self.md");
    link("deep", "tofolder.md");
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let name = Path::new(std::ffi::OsStr::from_bytes(b"prompts/n\xE9e\n\"x.md"));
        fs::write(world.project.join(name), prompt("odd", "1", "x")).unwrap();
    }
    world.commit("all");
    let folder =
        Catalog::load(&[Source::folder(Layer::Workspace, world.project.join("prompts"))], false).unwrap();
    for revision in ["HEAD", "main", "HEAD^{commit}"] {
        let commit = Catalog::load(&[at(&world, revision, "prompts")], false).unwrap();
        let prompts = |catalog: &Catalog| {
            let all = catalog.prompts().iter().chain(catalog.losers());
            all.map(|p| (p.reference(), p.path.clone(), p.bytes.clone())).collect::<Vec<_>>()
        };
        let paths =
            |catalog: &Catalog| prompts(catalog).into_iter().map(|(_, path, _)| path).collect::<Vec<_>>();
        assert!(prompts(&commit) == prompts(&folder), "{:?} {:?}", paths(&commit), paths(&folder));
        let problems = |catalog: &Catalog| {
            let all =
                catalog.problems().iter().map(|p| (p.path.clone(), p.findings[0].code, p.claimed_id.clone()));
            let mut all: Vec<(PathBuf, &str, Option<String>)> = all.collect();
            all.sort();
            all
        };
        assert_eq!(problems(&commit), problems(&folder));
        assert_eq!(problems(&commit).len(), 10, "{:?}", problems(&commit));
        assert!(
            commit.resolve("outside").is_err()
                && commit.resolve("h").is_err()
                && commit.resolve("t").is_err()
        );
        assert!(commit.located()[0].commit.as_ref().is_some_and(|id| id.len() == 40));
    }
    // What is not committed is not there, and what was is.
    fs::remove_dir_all(world.project.join("prompts")).unwrap();
    assert!(Catalog::load(&[at(&world, "HEAD", "prompts")], false).unwrap().resolve("a").is_ok());
    assert!(Catalog::load(&[at(&world, "HEAD", "")], false).unwrap().resolve("outside").is_ok());
}

/// A tree that no honest git writes.
#[test]
fn names_in_a_tree_never_lead_out_of_it() {
    let world = world();
    let blob = git_with(&world, &["hash-object", "-w", "--stdin"], prompt("evil", "1", "x").as_bytes());
    let entry = |mode: &str, name: &str, id: &str| {
        [format!("{mode} {name}\0").as_bytes(), &hex::decode(id).unwrap()].concat()
    };
    let write = |bytes: &[u8]| {
        git_with(&world, &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], bytes)
    };
    let inner = write(&entry("100644", "x.md", &blob));
    for name in ["..", ".", ".git", "a/../..", "/etc"] {
        let tree = write(&entry("40000", name, &inner));
        let commit = git_with(&world, &["commit-tree", &tree, "-m", "evil"], b"");
        let catalog = Catalog::load(&[at(&world, &commit, "")], false).unwrap();
        assert!(
            catalog.prompts().is_empty() && catalog.problems().is_empty(),
            "{name}: {:?}",
            catalog.prompts()
        );
    }
    let tree = write(&entry("100644", "../x.md", &blob));
    let commit = git_with(&world, &["commit-tree", &tree, "-m", "evil"], b"");
    assert!(Catalog::load(&[at(&world, &commit, "")], false).unwrap().prompts().is_empty());
    let tree = write(&entry("100644", "good.md", &blob));
    let commit = git_with(&world, &["commit-tree", &tree, "-m", "good"], b"");
    assert_eq!(
        Catalog::load(&[at(&world, &commit, "")], false).unwrap().prompts().len(),
        1,
        "the test can fail"
    );
}

#[test]
fn a_submodule_is_told_and_not_read() {
    let world = world();
    let head = world.git(&["rev-parse", "HEAD"]).ok().stdout;
    world.write("prompts/a.md", prompt("a", "1", "x"));
    world
        .git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},prompts/vendor", head.trim())])
        .ok();
    world.git(&["add", "prompts/a.md"]).ok();
    world.git(&["commit", "--quiet", "-m", "submodule"]).ok();
    let catalog = Catalog::load(&[at(&world, "HEAD", "prompts")], false).unwrap();
    assert_eq!(catalog.prompts().len(), 1);
    assert!(catalog.problems()[0].findings[0].message.contains("submodule"));
    world.run(&["prompt", "list", "--catalog", "git:HEAD:prompts/vendor"]).expect(1, &["vendor"]);
}

#[test]
fn what_is_missing_is_named() {
    let world = World::new();
    world.run(&["prompt", "list", "--catalog", "git:HEAD"]).expect(1, &["in no work tree of git"]);
    world.write("promptos.toml", "[catalog]\ngit = \"clone\"\n");
    world.run(&["prompt", "list"]).expect(1, &["clone is no folder", "git clone"]);
    fs::create_dir(world.project.join("clone")).unwrap();
    world.run(&["prompt", "list"]).expect(1, &["in no usable git repository", "not a git repository"]);
    world.run(&["prompt", "refresh"]).expect(1, &["in no usable git repository"]);
    world.write("promptos.toml", "[catalog]\nrevision = \"main\"\n");
    world.run(&["prompt", "list"]).expect(1, &["revision says which, but not of what"]);
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    world.write("promptos.toml", "[catalog]\ngit = \"clone\"\n");
    let output = finish(command.env("PATH", "/nonexistent").args(["prompt", "list"]));
    output.expect(1, &["'git' is not installed"]);
}

/// A remote, the project as its clone with a catalog, and somebody else's clone.
fn team() -> (World, PathBuf) {
    let world = world();
    world.write("prompts/a.md", prompt("a", "1", "one"));
    world.write("prompts/b.md", prompt("b", "1", "one"));
    world.write(".gitignore", "/.promptos\n");
    world.commit("catalog");
    let (remote, other) = (world.root().join("remote.git"), world.root().join("other"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    world.git(&["clone", "--quiet", "--bare", ".", &path(&remote)]).ok();
    world.git(&["remote", "add", "origin", &path(&remote)]).ok();
    world.git(&["fetch", "--quiet"]).ok();
    world.git(&["branch", "--quiet", "--set-upstream-to=origin/main"]).ok();
    world.git(&["clone", "--quiet", &path(&remote), &path(&other)]).ok();
    (world, other)
}

fn git_in(world: &World, dir: &Path, args: &[&str]) {
    finish(world.command("git", dir).args(args)).ok();
}

/// Somebody else changes the catalog and pushes.
fn push(world: &World, other: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let file = other.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        match content.is_empty() {
            true => fs::remove_file(file).unwrap(),
            false => fs::write(file, content).unwrap(),
        }
    }
    git_in(world, other, &["add", "--all"]);
    git_in(world, other, &["commit", "--quiet", "--message", "theirs"]);
    git_in(world, other, &["push", "--quiet"]);
}

#[test]
fn refresh_moves_a_folder_forward_and_says_what_changed() {
    let (world, other) = team();
    world.run(&["prompt", "refresh"]).expect(0, &["origin/main is up to date", "0 prompts changed"]);
    let (b, c) = (prompt("b", "1", "two"), prompt("c", "1", "new"));
    push(
        &world,
        &other,
        &[("prompts/a.md", ""), ("prompts/b.md", &b), ("prompts/c.md", &c), ("notes.txt", "x")],
    );
    let report = world.json(&["prompt", "refresh"]);
    let changes: Vec<_> =
        report["prompts"].as_array().unwrap().iter().map(|p| (text(p, "/ref"), text(p, "/change"))).collect();
    assert_eq!(changes, [("a.v1", "removed"), ("b.v1", "changed"), ("c.v1", "added")]);
    assert_eq!(report["read"], 2, "what has not changed is not read again");
    assert_ne!(report["from"], report["to"]);
    assert_eq!(world.read("prompts/c.md"), c.as_bytes());
    world.run(&["prompt", "refresh"]).expect(0, &["up to date"]);
    // Commits of one's own are no obstacle while the other side has none.
    world.write("prompts/mine.md", prompt("mine", "1", "x"));
    world.commit("mine");
    world.run(&["prompt", "refresh"]).expect(0, &["up to date"]);
}

#[test]
fn refresh_refuses_and_changes_nothing() {
    let (world, other) = team();
    push(&world, &other, &[("prompts/c.md", &prompt("c", "1", "theirs"))]);
    let head = || world.git(&["rev-parse", "HEAD"]).ok().stdout;
    let before = head();
    let refused = |words: &[&str]| {
        world.run(&["prompt", "refresh"]).expect(1, words);
        assert_eq!(head(), before);
    };
    world.write("prompts/a.md", prompt("a", "1", "edited"));
    refused(&["not committed: prompts/a.md", "commit or stash"]);
    assert_eq!(world.read("prompts/a.md"), prompt("a", "1", "edited").as_bytes());
    world.git(&["checkout", "--quiet", "prompts/a.md"]).ok();

    world.write("prompts/c.md", "mine, and not committed");
    refused(&["cannot be moved forward", "overwritten", "prompts/c.md"]);
    assert_eq!(world.read("prompts/c.md"), b"mine, and not committed");
    fs::remove_file(world.project.join("prompts/c.md")).unwrap();

    world.git(&["checkout", "--quiet", "--detach"]).ok();
    refused(&["on no branch"]);
    world.git(&["checkout", "--quiet", "-b", "lonely"]).ok();
    refused(&["'lonely'", "follows no other"]);
    world.git(&["checkout", "--quiet", "main"]).ok();
    world.write("prompts/mine.md", prompt("mine", "1", "x"));
    world.commit("mine");
    let before = head();
    world.run(&["prompt", "refresh"]).expect(1, &["have diverged", "merge or rebase"]);
    assert_eq!(head(), before);
    world.run(&["prompt", "refresh", "--timeout", "0"]).expect(2, &["--timeout"]);
    fs::rename(world.project.join("prompts"), world.project.join("gone")).unwrap();
    world.run(&["prompt", "refresh"]).expect(1, &["no catalog folder"]);
}

#[test]
fn a_configured_clone_is_read_at_its_revision_and_fetched() {
    let (world, other) = team();
    // Its own work tree does not matter.
    let clone = world.root().join("clone");
    world
        .git(&[
            "clone",
            "--quiet",
            world.root().join("remote.git").to_str().unwrap(),
            clone.to_str().unwrap(),
        ])
        .ok();
    fs::remove_dir_all(clone.join("prompts")).unwrap();
    fs::remove_dir_all(world.project.join("prompts")).unwrap();
    world.write("promptos.toml", "[catalog]\ngit = \"../clone\"\nrevision = \"origin/main\"\n");
    world.run(&["prompt", "list"]).expect(0, &["a.v1", "git:origin/main:prompts"]);
    world.run(&["lint"]).expect(0, &["2 prompts"]);
    push(&world, &other, &[("prompts/c.md", &prompt("c", "1", "x"))]);
    world.run(&["prompt", "show", "c"]).expect(1, &["there is no prompt `c`"]);
    world.run(&["prompt", "refresh"]).expect(0, &["added    c.v1", "origin/main: "]);
    world.run(&["prompt", "show", "c"]).expect(0, &["git:origin/main:prompts"]);
    assert!(!clone.join("prompts").exists());
    world.run(&["dev", "--prompts", "c"]).ok();
    world.run(&["version"]).expect(0, &["catalog  git:"]);

    // A branch of the clone itself does not move, and that is said.
    world.write("promptos.toml", "[catalog]\ngit = \"../clone\"\nrevision = \"main\"\n");
    world.run(&["prompt", "refresh"]).expect(0, &["1 behind origin/main", "0 prompts changed"]);
    world.write(
        "promptos.toml",
        "[catalog]\ngit = \"../clone\"\nrevision = \"origin/main\"\npath = \"elsewhere\"\n",
    );
    world.run(&["prompt", "list"]).expect(1, &["'elsewhere' is not in the tree"]);

    // A tag that the remote has moved is not taken over.
    world.write("promptos.toml", "[catalog]\ngit = \"../clone\"\nrevision = \"v1\"\n");
    git_in(&world, &clone, &["tag", "v1", "HEAD"]);
    git_in(&world, &other, &["tag", "v1", "HEAD"]);
    git_in(&world, &other, &["push", "--quiet", "origin", "v1"]);
    world.run(&["prompt", "refresh"]).expect(1, &["a tag was moved at the remote"]);
    // A remote that is not there, and one that never answers.
    git_in(&world, &clone, &["remote", "set-url", "origin", "/nonexistent/repository"]);
    world.run(&["prompt", "refresh"]).expect(5, &["was not reached"]);
    git_in(&world, &clone, &["remote", "set-url", "origin", "ssh://host.invalid/repository"]);
    let mut command = world.command(env!("CARGO_BIN_EXE_promptos"), &world.project);
    command.env("GIT_SSH_COMMAND", "sleep 3; :").args(["prompt", "refresh", "--timeout", "0.5"]);
    let began = Instant::now();
    finish(&mut command).expect(5, &["not done after 0.5 seconds"]);
    assert!(began.elapsed().as_secs_f64() < 2.9, "{:?}", began.elapsed());
}

/// Programs that a configuration or attributes name, each of which leaves a mark.
fn booby_trap(world: &World) -> PathBuf {
    let mark = world.root().join("mark");
    let script = world.root().join("trap");
    fs::write(&script, format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", mark.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let hooks = world.root().join("hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in ["post-merge", "post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change"] {
        symlink(&script, hooks.join(hook)).unwrap();
        symlink(&script, world.project.join(".git/hooks").join(hook)).unwrap();
    }
    let trap = script.to_str().unwrap();
    for setting in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "core.sshCommand",
        "diff.external",
        "diff.x.textconv",
        "diff.x.command",
        "merge.x.driver",
        "gpg.program",
        "credential.helper",
        "filter.x.clean",
        "filter.x.smudge",
        "filter.y.process",
        "pager.status",
        "pager.config",
        "remote.origin.uploadpack",
        "alias.status",
        "alias.merge",
        "sequence.editor",
    ] {
        world.git(&["config", "--global", setting, trap]).ok();
    }
    world.git(&["config", "--global", "core.hooksPath", hooks.to_str().unwrap()]).ok();
    world.git(&["config", "--global", "merge.verifySignatures", "true"]).ok();
    world.git(&["config", "--global", "gc.auto", "1"]).ok();
    world.git(&["config", "--global", "filter.x.required", "true"]).ok();
    mark
}

#[test]
fn nothing_that_a_configuration_names_is_run() {
    let (world, other) = team();
    push(&world, &other, &[("prompts/c.md", &prompt("c", "1", "x"))]);
    world.write("prompts/.gitattributes", "*.txt filter=x diff=x merge=x\n");
    world.write("prompts/a.txt", "x");
    world.git(&["add", "--all"]).ok();
    world.git(&["commit", "--quiet", "-m", "attributes"]).ok();
    world.git(&["push", "--quiet", "--force"]).ok();
    git_in(&world, &other, &["fetch", "--quiet"]);
    git_in(&world, &other, &["reset", "--quiet", "--hard", "origin/main"]);
    push(&world, &other, &[("prompts/d.md", &prompt("d", "1", "x"))]);
    let mark = booby_trap(&world);
    let catch = |what: &str| {
        let ran = fs::read_to_string(&mark).unwrap_or_default();
        assert!(ran.is_empty(), "{what}: {ran}");
    };
    // The traps work: an ordinary git steps on them.
    world.git(&["status"]);
    assert!(mark.exists(), "the test can fail");
    fs::remove_file(&mark).unwrap();

    world.run(&["prompt", "list", "--catalog", "git:HEAD"]).expect(0, &["a.v1"]);
    catch("list");
    world.run(&["prompt", "show", "a", "--catalog", "git:origin/main"]).ok();
    catch("show");
    world.run(&["lint", "--catalog", "git:HEAD"]).ok();
    catch("lint");
    // Same size, newer time: git has to look at the bytes, which is where a filter would clean them.
    world.write("prompts/a.txt", "x");
    world.run(&["prompt", "refresh"]).expect(0, &["added    d.v1"]);
    catch("refresh");

    // A file that would have to go through a filter is left to git itself.
    let plain = |dir: &Path, args: &[&str]| {
        let mut command = world.command("git", dir);
        // Somebody else has another configuration.
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").args(["-c", "core.hooksPath=/dev/null"]);
        finish(command.args(["-c", "user.name=bob", "-c", "user.email=bob@example.org"]).args(args)).ok()
    };
    for (path, content) in
        [("prompts/b.txt", "through the filter"), ("deep/.gitattributes", "*.md filter=x\n")]
    {
        let file = other.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        plain(&other, &["add", "--all"]);
        plain(&other, &["commit", "--quiet", "-m", "filtered"]);
        plain(&other, &["push", "--quiet"]);
        let head = || plain(&world.project, &["rev-parse", "HEAD"]).stdout;
        let before = head();
        world
            .run(&["prompt", "refresh"])
            .expect(1, &[path, "a filter of git, which is not run here", "git pull"]);
        catch(path);
        assert_eq!(head(), before);
        plain(&other, &["reset", "--quiet", "--hard", "HEAD~1"]);
        plain(&other, &["push", "--quiet", "--force"]);
    }
}
