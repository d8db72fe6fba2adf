//! The GitHub Action and the hook for the pre-commit framework: that they are well-formed, and do what they say.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // a test may

mod support;

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Output, World, finish, text};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(repository(path)).unwrap()).unwrap()
}

fn steps(action: &Value) -> &Vec<Value> {
    action["runs"]["steps"].as_array().unwrap()
}

/// What stands between `${{` and `}}`.
fn expressions(text: &str) -> Vec<&str> {
    text.split("${{").skip(1).map(|rest| rest.split("}}").next().unwrap().trim()).collect()
}

#[test]
fn the_action_is_well_formed() {
    let action = yaml("action.yml");
    assert_eq!(text(&action, "/runs/using"), "composite");
    let declared: BTreeSet<&str> = action["inputs"].as_object().unwrap().keys().map(String::as_str).collect();
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(input["description"].is_string() && input["default"].is_string(), "{name}: {input}");
    }
    let mut used = BTreeSet::new();
    for step in steps(&action) {
        assert_eq!(text(step, "/shell"), "bash", "{step}");
        let script = text(step, "/run");
        // An expression in a script would be run as part of it.
        assert_eq!(expressions(script), Vec::<&str>::new(), "{script}");
        assert!(script.starts_with("set -euo pipefail\n"), "{script}");
        let bash = Command::new("bash").args(["-n", "-c", script]).output().unwrap();
        assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
        let environment = step["env"].as_object().unwrap();
        for (name, value) in environment {
            assert!(script.contains(&format!("${name}")), "{name} is not used");
            for expression in expressions(value.as_str().unwrap()) {
                match expression.strip_prefix("inputs.") {
                    Some(input) => assert!(used.insert(input.to_owned()), "{input} twice"),
                    None => assert_eq!(expression, "github.action_path"),
                }
            }
        }
    }
    assert_eq!(used.iter().map(String::as_str).collect::<BTreeSet<_>>(), declared);
}

/// A runner with a clone of a change, on which the action's steps are run.
struct Runner {
    world: World,
    temp: PathBuf,
    tools: PathBuf,
}

impl Runner {
    fn new() -> Self {
        let world = World::with_git("ada", "ada@example.org");
        world.run(&["init"]).ok();
        let dev = ["dev", "--prompts", "P00,P05", "--artifacts-dir", "artifacts/a b"];
        let block = world.run(&dev).ok().stdout;
        let (temp, tools) = (world.root().join("temp dir"), world.root().join("tools"));
        fs::create_dir(&temp).unwrap();
        fs::create_dir(&tools).unwrap();
        let event = json!({"pull_request": {"body": format!("$(touch owned)\r\n\r\n{}", block.replace('\n', "\r\n"))}});
        fs::write(temp.join("event.json"), event.to_string()).unwrap();
        // Builds what is built already.
        let cargo = format!(
            "#!/bin/sh\necho \"$@\" >> '{log}'\nmkdir -p \"$7/bin\" && ln -sf '{promptos}' \"$7/bin/promptos\"\n",
            log = temp.join("cargo.log").display(),
            promptos = env!("CARGO_BIN_EXE_promptos")
        );
        fs::write(tools.join("cargo"), cargo).unwrap();
        fs::set_permissions(tools.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { world, temp, tools }
    }

    /// Runs the steps as a runner does, until one fails.
    fn run(&self, inputs: &[(&str, &str)]) -> Output {
        let action = yaml("action.yml");
        let mut values: Map<String, Value> = Map::new();
        for (name, input) in action["inputs"].as_object().unwrap() {
            values.insert(name.clone(), input["default"].clone());
        }
        values.extend(inputs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        let path_file = self.temp.join("path");
        fs::write(&path_file, "").unwrap();
        let mut last = None;
        for step in steps(&action) {
            let added = fs::read_to_string(&path_file).unwrap();
            let added: Vec<&str> = added.lines().rev().collect();
            let path = [added.join(":"), self.tools.display().to_string(), std::env::var("PATH").unwrap()];
            let mut command = self.world.command("bash", &self.world.project);
            command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", text(step, "/run")]);
            command.env("PATH", path.join(":").trim_start_matches(':')).env("GITHUB_PATH", &path_file);
            command.env("RUNNER_TEMP", &self.temp).env("GITHUB_ACTIONS", "true");
            command.env("GITHUB_EVENT_PATH", self.temp.join("event.json"));
            command.env("GITHUB_STEP_SUMMARY", self.temp.join("summary.md"));
            for (name, value) in step["env"].as_object().unwrap() {
                let value = match expressions(value.as_str().unwrap())[0].strip_prefix("inputs.") {
                    Some(input) => values[input].as_str().unwrap(),
                    None => env!("CARGO_MANIFEST_DIR"),
                };
                command.env(name, value);
            }
            let output = finish(&mut command);
            let code = output.code;
            last = Some(output);
            if code != 0 {
                break;
            }
        }
        last.unwrap()
    }
}

#[test]
fn the_action_checks_a_pull_request() {
    if Command::new("jq").arg("--version").output().is_err() {
        println!("skipped: there is no jq");
        return;
    }
    let runner = Runner::new();
    let dir = ("artifacts-dir", "artifacts/a b");
    let required = ("require", "evidence,pull-request,lint");
    runner
        .run(&[dir])
        .expect(0, &["1 governed-session block", "1 session and 0 runs proved", "::stop-commands::"]);
    let cargo = fs::read_to_string(runner.temp.join("cargo.log")).unwrap();
    assert!(cargo.starts_with("install --locked --quiet --path "), "{cargo}");
    assert!(fs::read_to_string(runner.temp.join("summary.md")).unwrap().contains("| evidence | passed |"));
    assert!(!runner.world.project.join("owned").exists(), "a description is no script");
    runner
        .run(&[dir, required])
        .expect(4, &["lint", "this check is required", "::error title=promptos lint::"]);
    runner
        .run(&[("artifacts-dir", "nowhere")])
        .expect(1, &["::error title=promptos evidence::cannot list nowhere: "]);
    runner.run(&[dir, ("pr-body", "none")]).expect(0, &["no description was given"]);
    runner.world.write("pr body.md", "none");
    runner.run(&[dir, ("pr-body", "pr body.md")]).expect(4, &["has no governed-session block"]);
    runner.run(&[dir, ("version", concat!("v", env!("CARGO_PKG_VERSION")))]).ok();
    runner.run(&[dir, ("version", "v99.0.0")]).expect(1, &["::error title=promptos::this is promptos v"]);
    // Trust that is named in the workflow takes the place of the change's.
    let other = format!("SHA256:{}\n{}", "A".repeat(43), "0".repeat(64));
    fs::rename(runner.world.project.join(".promptos"), runner.world.root().join("away")).unwrap();
    runner.world.run(&["pin", "reset"]).ok();
    runner.run(&[dir]).ok();
    runner.run(&[dir, ("trust", &other)]).expect(4, &["self-consistent only"]);
    // Another event has no description, and one without a text has none either.
    fs::write(runner.temp.join("event.json"), "{\"pull_request\": {\"body\": null}}").unwrap();
    runner.run(&[dir]).expect(4, &["has no governed-session block"]);
    fs::write(runner.temp.join("event.json"), "{\"ref\": \"refs/heads/main\"}").unwrap();
    runner.run(&[dir]).expect(0, &["no description was given"]);
}

/// The real pre-commit, with a repository that holds our hook file and the program that is tested.
#[test]
fn the_hook_for_pre_commit() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hook = &hooks.as_array().unwrap()[0];
    assert_eq!((text(hook, "/id"), text(hook, "/entry")), ("promptos-lint", "promptos lint"));
    if Command::new("pre-commit").arg("--version").output().is_err() {
        let required = std::env::var_os("PROMPTOS_INTEROP").is_some_and(|value| value == "require");
        assert!(!required, "pre-commit is not on the PATH");
        println!("skipped: there is no pre-commit");
        return;
    }
    let world = World::with_git("ada", "ada@example.org");
    let source = world.root().join("source");
    fs::create_dir(&source).unwrap();
    fs::copy(repository(".pre-commit-hooks.yaml"), source.join(".pre-commit-hooks.yaml")).unwrap();
    let git = |args: &[&str]| finish(world.command("git", &source).args(args)).ok().stdout;
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "hooks"]);
    let rev = git(&["rev-parse", "HEAD"]);
    // Built already, so that nothing is built here.
    world.write(
        ".pre-commit-config.yaml",
        format!(
            "repos:\n  - repo: {}\n    rev: {rev}    hooks:\n      - id: promptos-lint\n        language: system\n",
            source.display()
        ),
    );
    let good = fs::read_to_string(repository("prompts/P05_constrained_builder.md")).unwrap();
    world.write("prompts/P05.md", &good);
    world.git(&["add", "--all"]).ok();
    let ours = Path::new(env!("CARGO_BIN_EXE_promptos")).parent().unwrap();
    let path = format!("{}:{}", ours.display(), std::env::var("PATH").unwrap());
    let run = |program: &str, args: &[&str]| {
        finish(
            world
                .command(program, &world.project)
                .args(args)
                .env("PATH", &path)
                .env("PRE_COMMIT_COLOR", "never"),
        )
    };
    run("pre-commit", &["run", "--all-files"]).expect(0, &["promptos lint", "Passed"]);
    run("pre-commit", &["install"]).ok();
    run("git", &["commit", "--quiet", "--message", "a catalog"]).ok();
    world.write("prompts/P05.md", good.replace("owner:", "owned:"));
    world.git(&["add", "--all"]).ok();
    // What is staged counts, and the work tree comes back as it was.
    world.write("prompts/P05.md", &good);
    run("git", &["commit", "--message", "bad"]).expect(1, &["promptos lint", "Failed", "prompts/P05.md:"]);
    assert_eq!(world.read("prompts/P05.md"), good.into_bytes());
    world.git(&["add", "--all"]).ok();
    world.write("docs/x.md", "# No prompt\n");
    world.git(&["add", "--all"]).ok();
    run("git", &["commit", "--message", "good"]).expect(0, &["Skipped"]);
}
