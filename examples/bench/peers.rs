//! Other people's programs that do a like job, driven by the scripts of `benches/peers/`. One that is not here is named
//! with the reason.

use super::measure::Answer;
use super::world::{Made, World, finish};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)
}

/// What a program prints, or why it failed: its last line.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("it does not start: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("no reason").to_owned();
    Err(why)
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("'{text}' is no figure"))
}

/// A peer, where peers are wanted and it is here.
pub(super) fn wanted<T>(
    world: &World,
    answer: &mut Answer,
    name: &str,
    start: impl FnOnce() -> Result<T, String>,
) -> Option<T> {
    if !world.peers {
        return None;
    }
    start().map_err(|why| answer.missing(name, why)).ok()
}

/// Commits signed with an ssh key; git starts `ssh-keygen` for each.
pub(super) struct SignedCommits {
    made: Made,
    count: u32,
}

impl SignedCommits {
    pub(super) fn make(world: &World, count: u32) -> Self {
        let made = world.project("signed-commits");
        for n in 0..count {
            made.git(&["commit", "--quiet", "--allow-empty", "-S", "--message", &format!("commit {n}")]);
        }
        let look =
            made.command(Path::new("git")).args(["log", "--show-signature", "-n", "1"]).output().unwrap();
        assert!(String::from_utf8_lossy(&look.stdout).contains("Good \"git\" signature"));
        Self { made, count }
    }

    /// Microseconds a commit.
    pub(super) fn verify(&self) -> f64 {
        let count = self.count.to_string();
        self.made.git(&["log", "--show-signature", "-n", &count]) * 1e6 / f64::from(self.count)
    }
}

/// Signed operations in p2panda-store.
pub(super) struct P2panda {
    program: PathBuf,
    file: PathBuf,
}

impl P2panda {
    pub(super) fn make(folder: &Path, count: u64) -> Result<Self, String> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(here, PathBuf::from);
        let program = target.join("peers/release/p2panda-peer");
        if !program.is_file() {
            return Err(format!("{} is not there; just peers builds it", program.display()));
        }
        let file = folder.join(format!("p2panda-{count}.db"));
        if !file.exists() {
            said(Command::new(&program).arg("make").arg(&file).arg(count.to_string()))?;
        }
        Ok(Self { program, file })
    }

    /// Microseconds an operation.
    pub(super) fn verify(&self) -> Result<f64, String> {
        number(&said(Command::new(&self.program).arg("verify").arg(&self.file))?)
    }
}

/// A server of its own, until it is dropped.
pub(super) struct Postgres {
    folder: String,
}

impl Postgres {
    pub(super) fn start() -> Result<Self, String> {
        said(Command::new(script("postgres.sh")).arg("start")).map(|folder| Self { folder })
    }

    fn run(&self, command: &str, args: &[&str]) -> Result<String, String> {
        said(Command::new(script("postgres.sh")).arg(command).arg(&self.folder).args(args))
    }

    pub(super) fn hold_chain(&self, rows: u64) -> Result<(), String> {
        self.run("chain-make", &[&rows.to_string()]).map(drop)
    }

    /// Microseconds a row of the chain.
    pub(super) fn chain(&self, rows: u64) -> Result<f64, String> {
        Ok(number(&self.run("chain", &[])?)? * 1e3 / rows as f64)
    }

    pub(super) fn hold_prompts(&self, count: u64, size: usize) -> Result<(), String> {
        self.run("read-make", &[&count.to_string(), &size.to_string()]).map(drop)
    }

    /// Microseconds for a prompt by its primary key.
    pub(super) fn read(&self, count: u64) -> Result<f64, String> {
        Ok(number(&self.run("read", &[&count.to_string(), "2"])?)? * 1e3)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.run("stop", &[]);
    }
}

/// MLflow's prompt registry in a process that stays.
pub(super) struct Mlflow {
    child: Child,
    answers: BufReader<ChildStdout>,
    pub(super) version: String,
    round: u64,
    _folder: tempfile::TempDir,
}

impl Mlflow {
    /// By the Python of `PROMPTOS_PYTHON`, which `just peers` makes.
    pub(super) fn start(count: u64, size: usize) -> Result<Self, String> {
        let python = std::env::var("PROMPTOS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        said(Command::new(&python).args(["-c", "import mlflow, sqlalchemy"]))
            .map_err(|why| format!("{python}: {why}; just peers installs it"))?;
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut command = Command::new(&python);
        command.arg(script("mlflow_load.py")).arg(folder.path()).args([count.to_string(), size.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut mlflow = Self { child, answers, version: String::new(), round: 0, _folder: folder };
        mlflow.version = mlflow.line()?;
        Ok(mlflow)
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(1..) => Ok(line.trim().to_owned()),
            _ => Err("the script ended".to_owned()),
        }
    }

    /// Microseconds for a prompt that no cache answers.
    pub(super) fn read(&mut self) -> Result<f64, String> {
        let round = self.round;
        self.round += 1;
        writeln!(self.child.stdin.as_mut().unwrap(), "{round}").map_err(|e| e.to_string())?;
        Ok(number(&self.line()?)? * 1e3)
    }
}

impl Drop for Mlflow {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // it ends with its input
        let _ = self.child.wait();
    }
}

/// A history packed by git as tightly as it can.
pub(super) struct Packed {
    /// Of the versions, in the pack.
    pub(super) blobs: f64,
    /// What the pack's index has to find these by: id, CRC and offset (gitformat-pack, version 2).
    pub(super) entries: f64,
    /// The pack with all that is in it, without its index.
    pub(super) pack: f64,
}

/// Packs histories, each as commits that change one file.
pub(super) fn pack(folder: &Path, histories: &[Vec<Vec<u8>>]) -> Packed {
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(args).env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
        command
    };
    std::fs::create_dir_all(folder).unwrap();
    finish(&mut git(&["init", "--quiet", "--bare"]));
    let mut stream = Vec::new();
    for (place, history) in histories.iter().enumerate() {
        for version in history {
            stream.extend(b"commit refs/heads/main\ncommitter bench <bench@localhost> 1700000000 +0000\n");
            stream.extend(
                format!("data 4\nedit\nM 100644 inline p{place}.md\ndata {}\n", version.len()).bytes(),
            );
            stream.extend(version);
            stream.push(b'\n');
        }
    }
    let mut child = git(&["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&stream).unwrap();
    assert!(child.wait().unwrap().success());
    finish(&mut git(&["gc", "--quiet", "--aggressive", "--prune=now"]));
    let packs = std::fs::read_dir(folder.join("objects/pack")).unwrap();
    let packs: Vec<PathBuf> = packs.map(|entry| entry.unwrap().path()).collect();
    let of =
        |extension: &str| packs.iter().find(|path| path.extension().is_some_and(|e| e == extension)).unwrap();
    let listed = git(&["verify-pack", "-v", &of("idx").display().to_string()]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    // Id, type, size, size in the pack, …
    let blobs = listed.lines().filter(|line| line.split_whitespace().nth(1) == Some("blob"));
    let sizes = blobs.map(|line| line.split_whitespace().nth(3).unwrap().parse::<f64>().unwrap());
    let sizes: Vec<f64> = sizes.collect();
    let entries = (20 + 4 + 4) as f64 * sizes.len() as f64;
    Packed { blobs: sizes.iter().sum(), entries, pack: std::fs::metadata(of("pack")).unwrap().len() as f64 }
}
