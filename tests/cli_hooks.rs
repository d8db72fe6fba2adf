//! `promptos hooks` and `promptos lint --staged`, in real git repositories.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use support::{Output, World, finish, text};

const HOOK: &str = ".git/hooks/pre-commit";
const BEFORE: &str = ".git/hooks/pre-commit.before-promptos";

fn prompt(id: &str) -> String {
    format!(
        "---\nprompt_id: {id}\nversion: 1\nrole: policy\nsummary: It is what it is.\ninputs: []\noutput_contract:\n  format: markdown\n  required_sections: [Answer]\nowner: tests\nstatus: current\n---\nDo it.\n"
    )
}

fn bad(id: &str) -> String {
    prompt(id).replace("owner: tests\n", "")
}

/// Git with `promptos` on the PATH, as a developer has it.
fn git_in(world: &World, dir: &Path, args: &[&str]) -> Output {
    let ours = Path::new(env!("CARGO_BIN_EXE_promptos")).parent().unwrap();
    let path = format!("{}:{}", ours.display(), std::env::var("PATH").unwrap());
    finish(world.command("git", dir).args(args).env("PATH", path))
}

fn git(world: &World, args: &[&str]) -> Output {
    git_in(world, &world.project, args)
}

fn ada() -> World {
    let world = World::with_git("ada", "ada@example.org");
    world.write("prompts/good.md", prompt("good"));
    world.commit("a catalog");
    world
}

fn stage(world: &World, path: &str, content: &str) {
    world.write(path, content);
    git(world, &["add", "--all"]).ok();
}

fn script(world: &World, path: &str, text: &str, mode: u32) -> PathBuf {
    let file = world.write(path, text);
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

#[test]
fn the_lint_is_of_what_is_staged() {
    let world = ada();
    let lint = |code: i32, texts: &[&str]| {
        world.run(&["lint", "--staged"]).expect(code, texts);
    };
    lint(0, &["0 prompts"]);
    stage(&world, "prompts/new.md", &bad("new"));
    lint(4, &["prompts/new.md:2:", "owner", "1 prompt"]);
    // The work tree is another matter, and stays as it is.
    world.write("prompts/new.md", prompt("new"));
    lint(4, &["prompts/new.md:2:"]);
    stage(&world, "prompts/new.md", &prompt("new"));
    world.write("prompts/new.md", bad("new"));
    fs::remove_file(world.project.join("prompts/good.md")).unwrap();
    lint(0, &["1 prompt", "0 errors"]);
    assert_eq!(world.read("prompts/new.md"), bad("new").into_bytes());
    git(&world, &["commit", "--quiet", "--message", "new"]).ok();
    lint(0, &["0 prompts"]);
    // What was committed before is not this commit's doing; what lies elsewhere or is no prompt is none.
    git(&world, &["add", "--all"]).ok();
    git(&world, &["commit", "--quiet", "--message", "bad, and one gone"]).ok();
    stage(&world, "prompts/README.md", "# About these prompts\n");
    stage(&world, "docs/x.md", &bad("x"));
    stage(&world, "prompts/.hidden/x.md", &bad("x"));
    stage(&world, "prompts/node_modules/x.md", &bad("x"));
    stage(&world, "prompts/x.txt", &bad("x"));
    symlink("new.md", world.project.join("prompts/link.md")).unwrap();
    git(&world, &["add", "--all"]).ok();
    lint(0, &["0 prompts, 1 document skipped"]);
    // Names that a shell or git would quote.
    for name in ["a b", "it's \"one\"", "tab\there", "größe", "-n", "*"] {
        stage(&world, &format!("prompts/{name}.md"), &bad("odd"));
    }
    lint(4, &["6 prompts", "prompts/it's \"one\".md:", "prompts/größe.md:", "prompts/a b.md:"]);
    world.run(&["lint", "--staged", "prompts"]).expect(2, &["--staged"]);
    // From a folder below, and with another catalog folder.
    let below = world.run_in(&world.project.join("docs"), &["lint", "--staged"]);
    below.expect(4, &["prompts/a b.md:", "6 prompts"]);
    world.write("promptos.toml", "[catalog]\npath = \"docs\"\n");
    lint(4, &["docs/x.md:2:", "1 prompt,"]);
    world.write("promptos.toml", "[catalog]\npath = \"../outside\"\n");
    lint(1, &["is not in this repository"]);
    let json = world.run(&["--json", "lint", "--staged"]);
    assert_eq!(text(&json.json(), "/schema"), "promptos.error/1");
}

#[test]
fn without_a_commit_or_a_repository() {
    let world = World::new();
    world.run(&["lint", "--staged"]).expect(1, &["no git repository"]);
    for command in ["install", "uninstall", "status"] {
        world.run(&["hooks", command]).expect(1, &["no git repository", "git init"]);
    }
    world.git(&["init", "--quiet"]).ok();
    stage(&world, "prompts/first.md", &bad("first"));
    world.run(&["lint", "--staged"]).expect(4, &["prompts/first.md:2:"]);
    world.git(&["init", "--quiet", "--bare", "bare"]).ok();
    world.run_in(&world.project.join("bare"), &["hooks", "install"]).expect(1, &["no git repository"]);
}

#[test]
fn the_hook_stops_a_bad_commit() {
    let world = ada();
    world.run(&["hooks", "status"]).expect(0, &["not installed"]);
    world.run(&["hooks", "install"]).expect(0, &["installed", HOOK]);
    let installed = world.read(HOOK);
    world.run(&["hooks", "install"]).expect(0, &["installed already"]);
    assert_eq!(world.read(HOOK), installed);
    let status = world.json(&["hooks", "status"]);
    assert_eq!((text(&status, "/schema"), text(&status, "/state")), ("promptos.hooks/1", "installed"));

    stage(&world, "prompts/new.md", &bad("new"));
    world.write("prompts/new.md", prompt("new"));
    let refused = git(&world, &["commit", "--quiet", "--message", "bad"]);
    refused.expect(1, &["prompts/new.md:2:", "lint found errors"]);
    git(&world, &["commit", "--quiet", "--message", "good, by another index", "--", "prompts/new.md"]).ok();
    world.write("prompts/new.md", bad("new"));
    git(&world, &["commit", "--quiet", "--all", "--message", "bad, by another index"])
        .expect(1, &["lint found"]);
    git(&world, &["commit", "--quiet", "--all", "--message", "bad", "--no-verify"]).ok();
    // From a folder below.
    stage(&world, "deep/er/x.txt", "x");
    stage(&world, "prompts/new.md", &bad("new").replace("Do it.", "Do that."));
    git_in(&world, &world.project.join("deep/er"), &["commit", "--quiet", "--message", "bad"])
        .expect(1, &["new.md"]);
    // An older hook folder may have lost the bit; git would pass over it.
    fs::set_permissions(world.project.join(HOOK), fs::Permissions::from_mode(0o644)).unwrap();
    world.run(&["hooks", "install"]).ok();
    git(&world, &["commit", "--quiet", "--message", "bad"]).expect(1, &["lint found"]);

    world.run(&["hooks", "uninstall"]).expect(0, &["removed"]);
    assert!(!world.project.join(HOOK).exists());
    world.run(&["hooks", "uninstall"]).expect(0, &["not installed", "there was no hook"]);
    git(&world, &["commit", "--quiet", "--message", "bad"]).ok();
}

#[test]
fn without_promptos_the_commit_is_refused_and_says_how_to_go_on() {
    let world = ada();
    world.run(&["hooks", "install"]).ok();
    stage(&world, "prompts/new.md", &prompt("new"));
    let tools = world.root().join("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["git", "sh", "dirname", "env"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join(tool))
            .find(|file| file.exists());
        symlink(found.unwrap(), tools.join(tool)).unwrap();
    }
    let mut command = world.command("git", &world.project);
    let output = finish(command.args(["commit", "--message", "x"]).env("PATH", &tools));
    output.expect(1, &["promptos is not on the PATH", "git commit --no-verify"]);
}

#[test]
fn a_hook_that_was_there_runs_first_and_comes_back() {
    let world = ada();
    stage(&world, "prompts/new.md", &bad("new"));
    // It sees the arguments and its own folder, and its exit code counts.
    let text = "#!/bin/sh\necho \"first $# $(basename \"$(dirname \"$0\")\")\"\nexit \"${OTHER:-0}\"\n\n\n# no line end";
    let own = script(&world, HOOK, text, 0o750);
    let run = |other: &str| {
        let ours = Path::new(env!("CARGO_BIN_EXE_promptos")).parent().unwrap();
        let path = format!("{}:{}", ours.display(), std::env::var("PATH").unwrap());
        let mut command = world.command("git", &world.project);
        finish(command.args(["commit", "--message", "x"]).env("PATH", path).env("OTHER", other))
    };
    world.run(&["hooks", "status"]).expect(0, &["another hook"]);
    world.run(&["hooks", "uninstall"]).expect(0, &["is not ours"]);
    for _ in 0..2 {
        world.run(&["hooks", "install"]).expect(0, &["installed", "runs first", BEFORE]);
    }
    run("0").expect(1, &["first 0 hooks", "lint found errors"]);
    let stopped = run("3").expect(1, &["first 0 hooks"]);
    assert!(!stopped.text().contains("lint"), "{stopped:?}");
    world.run(&["hooks", "uninstall"]).expect(0, &["removed", "is back"]);
    assert_eq!(world.read(HOOK), text.as_bytes());
    assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert!(!world.project.join(BEFORE).exists());
    run("0").expect(0, &["first 0 hooks"]);
}

#[test]
fn hooks_that_are_no_scripts() {
    let world = ada();
    fs::create_dir_all(world.project.join(".git/hooks")).unwrap();
    let hook = world.project.join(HOOK);
    let program = |name: &str| {
        let places = ["/bin", "/usr/bin"].map(|dir| Path::new(dir).join(name));
        places.into_iter().find(|file| file.exists()).unwrap()
    };
    let attempt = |other: i32| {
        stage(&world, "prompts/new.md", &bad("new"));
        let output = git(&world, &["commit", "--message", "x"]).expect(1, &[]);
        assert_eq!(output.text().contains("lint found errors"), other == 0, "{output:?}");
    };
    // A binary.
    for (name, code) in [("true", 0), ("false", 1)] {
        fs::copy(program(name), &hook).unwrap();
        world.run(&["hooks", "install"]).ok();
        attempt(code);
        world.run(&["hooks", "uninstall"]).ok();
        assert_eq!(fs::read(&hook).unwrap(), fs::read(program(name)).unwrap());
        fs::remove_file(&hook).unwrap();
    }
    // A link to a file of the project; it stays a link.
    script(&world, "tools/check.sh", "#!/bin/sh\necho linked\n", 0o755);
    symlink("../../tools/check.sh", &hook).unwrap();
    world.run(&["hooks", "install"]).ok();
    stage(&world, "prompts/new.md", &bad("new"));
    git(&world, &["commit", "--message", "x"]).expect(1, &["linked", "lint found errors"]);
    world.run(&["hooks", "uninstall"]).ok();
    assert_eq!(fs::read_link(&hook).unwrap(), Path::new("../../tools/check.sh"));
    fs::remove_file(&hook).unwrap();
    // One that git would pass over is passed over, and kept.
    script(&world, HOOK, "#!/bin/sh\nexit 9\n", 0o644);
    world.run(&["hooks", "install"]).ok();
    attempt(0);
    world.run(&["hooks", "uninstall"]).ok();
    assert_eq!(hook.metadata().unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn nothing_of_anybody_elses_is_overwritten() {
    let world = ada();
    world.run(&["hooks", "install"]).ok();
    let ours = String::from_utf8(world.read(HOOK)).unwrap();
    // Ours, and then changed.
    let changed = format!("{ours}\necho more\n");
    script(&world, HOOK, &changed, 0o755);
    world.run(&["hooks", "status"]).expect(0, &["changed"]);
    for command in ["install", "uninstall"] {
        world.run(&["hooks", command]).expect(1, &["somebody has changed it", "nothing was changed now"]);
    }
    assert_eq!(world.read(HOOK), changed.as_bytes());
    // Another one, and a kept one beside it.
    script(&world, HOOK, "#!/bin/sh\n# another\n", 0o755);
    script(&world, BEFORE, "#!/bin/sh\n# kept\n", 0o755);
    world.run(&["hooks", "install"]).expect(1, &["is not ours", "nothing was changed"]);
    world.run(&["hooks", "uninstall"]).expect(0, &["it stays"]);
    assert_eq!(world.read(HOOK), b"#!/bin/sh\n# another\n");
    assert_eq!(world.read(BEFORE), b"#!/bin/sh\n# kept\n");
    // What a stopped installation has left is finished: the kept one waits for ours.
    fs::remove_file(world.project.join(HOOK)).unwrap();
    world.run(&["hooks", "install"]).expect(0, &["runs first"]);
    world.run(&["hooks", "uninstall"]).ok();
    assert_eq!(world.read(HOOK), b"#!/bin/sh\n# kept\n");
    // A folder that cannot be written to.
    fs::remove_file(world.project.join(HOOK)).unwrap();
    fs::create_dir(world.project.join(HOOK)).unwrap();
    fs::create_dir(world.project.join(BEFORE)).unwrap();
    world.run(&["hooks", "install"]).expect(1, &["is not ours"]);
}

#[test]
fn where_git_looks_for_hooks() {
    let world = World::new();
    // Blanks and quotes in every name on the way.
    let project = world.root().join("it's a \"project\" $HOME `x`");
    fs::create_dir(&project).unwrap();
    let git = |args: &[&str]| git_in(&world, &project, args);
    for (name, value) in
        [("user.name", "ada"), ("user.email", "ada@example.org"), ("init.defaultBranch", "main")]
    {
        git(&["config", "--global", name, value]).ok();
    }
    git(&["init", "--quiet"]).ok();
    git(&["commit", "--quiet", "--allow-empty", "--message", "first"]).ok();
    let commit = |dir: &Path| {
        fs::create_dir_all(dir.join("prompts")).unwrap();
        fs::write(dir.join("prompts/new.md"), bad("new")).unwrap();
        git_in(&world, dir, &["add", "--all"]).ok();
        git_in(&world, dir, &["commit", "--message", "x"])
    };
    let hooks = |dir: &Path, command: &str| world.run_in(dir, &["hooks", command]);

    // All work trees of a repository have its hooks.
    let tree = world.root().join("another 'tree'");
    git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "-b", "other"]).ok();
    let installed = hooks(&tree, "install").expect(0, &["installed"]);
    assert!(!installed.text().contains("warning"), "{installed:?}");
    assert!(project.join(HOOK).is_file());
    commit(&tree).expect(1, &["lint found errors"]);
    commit(&project).expect(1, &["lint found errors"]);
    let below = project.join("a b");
    fs::create_dir(&below).unwrap();
    hooks(&below, "status").expect(0, &["installed"]);
    hooks(&below, "uninstall").expect(0, &["removed"]);

    // A relative folder is the work tree's, whoever stands where.
    git(&["config", "core.hooksPath", "my 'hooks'"]).ok();
    let relative = hooks(&below, "install").expect(0, &["installed"]);
    assert!(!relative.text().contains("warning"), "{relative:?}");
    assert!(project.join("my 'hooks'/pre-commit").is_file() && !below.join("my 'hooks'").exists());
    commit(&project).expect(1, &["lint found errors"]);
    hooks(&project, "uninstall").ok();

    // An absolute one may be anybody's.
    let shared = world.root().join("shared \"hooks\"");
    git(&["config", "core.hooksPath", shared.to_str().unwrap()]).ok();
    for command in ["install", "status"] {
        hooks(&project, command)
            .expect(0, &["warning", "is not this repository's", "wherever that folder is used"]);
    }
    commit(&project).expect(1, &["lint found errors"]);
    // In another repository that looks there, without prompts, it is content.
    let other = world.root().join("other");
    fs::create_dir(&other).unwrap();
    git_in(&world, &other, &["init", "--quiet"]).ok();
    git_in(&world, &other, &["config", "core.hooksPath", shared.to_str().unwrap()]).ok();
    git_in(&world, &other, &["commit", "--quiet", "--allow-empty", "--message", "x"]).ok();
    hooks(&project, "uninstall").ok();

    git(&["config", "core.hooksPath", "~/hooks of mine"]).ok();
    hooks(&project, "install").expect(0, &["warning"]);
    assert!(world.home.join("hooks of mine/pre-commit").is_file());
    git(&["config", "core.hooksPath", "/dev/null"]).ok();
    hooks(&project, "install").expect(1, &["hooks are turned off here", "core.hooksPath"]);
}
