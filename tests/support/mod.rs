//! One person at a machine of their own: a home, a project folder, and the `promptos` program.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // each test file uses what it needs

pub(crate) mod refusal;
pub(crate) mod v1;

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, fs};

/// What a run of a program left behind.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Stdout as it is, for `cat`.
    pub(crate) bytes: Vec<u8>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Output {
    /// Everything that a person reads.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    /// Asserts the exit code and that the output holds each of the texts.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        let all = self.text();
        for text in texts {
            assert!(all.contains(text), "'{text}' is missing: {self:?}");
        }
        for leak in ["panicked", "RUST_BACKTRACE", "Some(", "Err(", "Error {"] {
            assert!(!all.contains(leak), "no person wants to read '{leak}': {self:?}");
        }
        self
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.expect(0, &[])
    }
}

/// A temporary folder with `home/` and `project/`, gone when dropped.
pub(crate) struct World {
    temp: tempfile::TempDir,
    pub(crate) home: PathBuf,
    pub(crate) project: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        // The real path, so that what programs print can be compared.
        let root = temp.path().canonicalize().unwrap();
        let (home, project) = (root.join("home"), root.join("project"));
        fs::create_dir(&home).unwrap();
        fs::create_dir(&project).unwrap();
        Self { temp, home, project }
    }

    /// Someone whom git knows, with a repository of one commit.
    pub(crate) fn with_git(name: &str, email: &str) -> Self {
        let world = Self::new();
        world.git(&["config", "--global", "user.name", name]).ok();
        world.git(&["config", "--global", "user.email", email]).ok();
        world.git(&["config", "--global", "init.defaultBranch", "main"]).ok();
        world.git(&["init", "--quiet"]).ok();
        world.write("README.md", "a project\n");
        world.commit("first");
        world
    }

    /// The folder of all this.
    pub(crate) fn root(&self) -> PathBuf {
        self.temp.path().canonicalize().unwrap()
    }

    /// `promptos` in the project folder.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.run_in(&self.project, args)
    }

    /// `promptos` in another folder.
    pub(crate) fn run_in(&self, dir: &Path, args: &[&str]) -> Output {
        finish(self.command(env!("CARGO_BIN_EXE_promptos"), dir).args(args))
    }

    /// The report of `promptos --json …`, which must succeed.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let all: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
        self.run(&all).ok().json()
    }

    /// A program that knows nothing of the machine that the test runs on but the PATH.
    pub(crate) fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(dir).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &self.home);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CEILING_DIRECTORIES", self.root());
        command
    }

    pub(crate) fn git(&self, args: &[&str]) -> Output {
        finish(self.command("git", &self.project).args(args))
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "--all"]).ok();
        self.git(&["commit", "--quiet", "--message", message]).ok();
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.project.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// Reads a file of the project.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.project.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Every file of the project but the ledger's own, by relative path.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.project.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let name = entry.file_name();
                match entry.file_type().unwrap().is_dir() {
                    true if name == ".promptos" || name == ".git" => {}
                    true => folders.push(entry.path()),
                    false => files
                        .push(entry.path().strip_prefix(&self.project).unwrap().to_str().unwrap().to_owned()),
                }
            }
        }
        files.sort();
        files
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn finish(command: &mut Command) -> Output {
    wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Far more than any program takes here, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a process whose output is piped. One that waits for what never comes fails the test.
#[track_caller]
pub(crate) fn wait(mut child: Child) -> Output {
    fn drain(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut bytes);
            }
            let _ = send.send(bytes);
        });
        receive
    }
    let streams = [drain(child.stdout.take()), drain(child.stderr.take())];
    let [bytes, stderr] = streams.map(|stream| {
        stream.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("the program hangs");
        })
    });
    Output {
        code: child.wait().unwrap().code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&bytes).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        bytes,
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder, by its path there, with its bytes.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(entry).unwrap());
            }
        }
    }
    found
}

/// `$PROMPTOS_CORPORA`, if it is set.
pub(crate) fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("PROMPTOS_CORPORA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: PROMPTOS_CORPORA is not set");
    }
    folder
}

/// A JSON text, which must be there.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text {pointer} in {value:#}"))
}
