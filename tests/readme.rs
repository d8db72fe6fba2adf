//! The README proves itself, and so do guides: their console sessions are run, and what they print is compared.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may

use std::path::Path;
use std::process::Command;

/// A command and the lines shown under it.
struct Shown {
    command: String,
    output: Vec<String>,
}

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

fn console_blocks(text: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => shown.push(Shown { command: command.to_owned(), output: Vec::new() }),
                None => shown.last_mut().unwrap().output.push(line.to_owned()),
            },
            _ => {}
        }
    }
    shown
}

/// `…` stands for anything within a line; a line of `…` alone for any number of lines.
fn matches(shown: &[String], real: &[&str]) -> bool {
    match (shown.split_first(), real.split_first()) {
        (None, None) => true,
        (Some((dots, rest)), _) if dots == "…" => (0..=real.len()).any(|skip| matches(rest, &real[skip..])),
        (Some((line, rest)), Some((first, more))) => line_matches(line, first) && matches(rest, more),
        _ => false,
    }
}

fn line_matches(shown: &str, real: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return shown == real };
    let Some(mut rest) = real.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    middle.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn the_sessions_shown_in_the_readme_happen() {
    let shown = console_blocks(&readme());
    assert!(shown.len() >= 8, "only {} commands found", shown.len());
    happen(shown);
}

/// Runs what a guide in `docs/` shows, which is at least so many commands.
fn guide(name: &str, commands: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let shown = console_blocks(&std::fs::read_to_string(path).unwrap());
    assert!(shown.len() >= commands, "{name}: only {} commands found", shown.len());
    happen(shown);
}

#[test]
fn the_sessions_shown_about_envelopes_happen() {
    guide("envelopes.md", 10);
}

#[test]
fn the_sessions_shown_about_keys_happen() {
    guide("keys.md", 20);
}

/// From nothing to checks that pass, with a release of the catalog on the way, for somebody who starts there.
#[test]
fn a_project_of_ones_own_begins_in_fewer_than_ten_commands() {
    let text = readme();
    let section = text.split("\n## ").find(|section| section.starts_with("In a pull request\n")).unwrap();
    let shown = console_blocks(section);
    let is = |at: usize, start: &str| assert!(shown[at].command.starts_with(start), "{}", shown[at].command);
    is(0, "promptos init");
    is(shown.len() - 1, "promptos ci ");
    assert!(shown.iter().any(|shown| shown.command.starts_with("promptos snapshot create ")));
    assert!(shown.len() < 10, "{} commands", shown.len());
    happen(shown);
}

/// Runs the commands one after the other in a new project, and compares what they print.
fn happen(shown: Vec<Shown>) {
    let world = tempfile::tempdir().unwrap();
    let (home, project) = (world.path().join("home"), world.path().join("engine"));
    std::fs::create_dir_all(&home).unwrap();
    std::fs::create_dir_all(&project).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_promptos")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    for Shown { command, output } in shown {
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(&project).env_clear().env("HOME", &home).env("PATH", &path);
        let ran = shell.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "$ {command}\n{out}{err}");
        let real: Vec<&str> = out.lines().collect();
        assert!(matches(&output, &real), "$ {command}\nshown:\n{}\nreal:\n{out}", output.join("\n"));
    }
}

/// The first command of the README, with the program that is tested in place of `cargo run`.
#[test]
fn the_first_command_works_in_a_bare_folder() {
    let text = readme();
    let command = text.lines().find(|line| line.starts_with("cargo run --release -- ")).unwrap();
    let program = env!("CARGO_BIN_EXE_promptos");
    let command = command.replace("cargo run --release --", &format!("'{program}'"));
    let world = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(world.path()).env_clear().env("HOME", world.path());
        shell.env("PATH", std::env::var("PATH").unwrap()).output().unwrap()
    };
    let first = run(&command);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let audit = run(&format!("'{program}' verify-chain --require pinned"));
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

#[test]
fn the_second_command_is_this_very_test_run() {
    assert_eq!(readme().lines().filter(|line| *line == "cargo test --workspace").count(), 1);
}

#[test]
fn dots_match_as_they_should() {
    let lines = |text: &[&str]| text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(matches(&lines(&["a", "…", "z"]), &["a", "b", "c", "z"]));
    assert!(!matches(&lines(&["a", "…", "z"]), &["a", "b", "c"]));
    assert!(line_matches("x … y … z", "x 1 y 2 z") && !line_matches("x … y", "x y z"));
    assert!(!matches(&lines(&["a"]), &["a", "b"]) && line_matches("same", "same"));
}
