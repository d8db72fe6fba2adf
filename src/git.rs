//! The `git` program, run so that it obeys the person who asked and nothing else.
//!
//! Reading a repository ([`Git`]) runs no code that a configuration names: no hook, file system monitor, filter,
//! text conversion, pager or editor, and no transport, so that a partial clone fetches nothing on the side.
//! [`Git::fetch`] and [`Git::fast_forward`] allow the transports `file`, `https`, `http` and `ssh` with the ssh
//! command and the credential helpers that the user configured, since without them nobody could log in.
//!
//! Pipes are read here and not by [`Command::output`], which panics when reading fails.

mod blobs;
mod messages;
mod update;

pub use blobs::{Blob, Blobs};
pub use messages::Message;
pub use update::{Behind, Update};

use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// What no configuration decides.
const SETTINGS: &[&str] = &[
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.alternateRefsCommand=true",
    "core.askPass=",
    "core.pager=cat",
    "core.editor=false",
    "core.quotePath=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "merge.autoStash=false",
    "merge.verifySignatures=false",
    // Not for ever on a server that says nothing: the part of git that talks to it outlives a killed git.
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=30",
];

/// By which a caller, such as a hook, says that it means another repository than the folder's.
const OTHER_REPOSITORY: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
];

/// A repository, by a folder in it.
#[derive(Debug, Clone)]
pub struct Git {
    dir: PathBuf,
}

/// What is at a path of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A symbolic link; its content is where it leads.
    Link,
    /// A commit of another repository.
    Submodule,
}

/// One entry of a tree and all its subtrees.
#[derive(Debug, Clone)]
pub struct TreeEntry {
    /// As the tree has it, `/`-separated, relative to where the listing began. Any bytes but NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The name of its content.
    pub object: String,
}

/// What a finished git said.
struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

impl Output {
    /// Stdout without its line end; `None` if git failed.
    fn line(self) -> Option<String> {
        let text = String::from_utf8(self.stdout).ok().filter(|_| self.status.success())?;
        Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// Git's own words, as far as a message needs them.
    fn complaint(&self) -> String {
        let complains =
            |line: &str| ["fatal: ", "error: ", " ! "].iter().any(|start| line.starts_with(start));
        let all = || self.stderr.lines().filter(|line| !line.starts_with("hint:"));
        let first = all().position(complains).unwrap_or(0);
        let words = |line: &str| {
            let line =
                ["fatal: ", "error: "].iter().find_map(|start| line.strip_prefix(start)).unwrap_or(line);
            line.trim().to_owned()
        };
        let said: Vec<String> =
            all().skip(first).map(words).filter(|line| !line.is_empty()).take(6).collect();
        let said: String =
            said.join("; ").chars().filter(|c| !ledger_format::is_hidden(*c)).take(600).collect();
        if said.is_empty() { format!("git ended with {}", self.status) } else { said }
    }
}

impl Git {
    /// The repository that `dir` is in.
    ///
    /// # Errors
    /// Failed: git is not installed, or `dir` is in no repository that it may read.
    pub fn open(dir: &Path) -> Result<Self> {
        let git = Self { dir: dir.to_owned() };
        if !dir.is_dir() {
            return Err(Error::failed(format!("{} is no folder, and so no git repository", dir.display()))
                .hint("clone the repository first: git clone URL FOLDER"));
        }
        let output = git.run(git.reading(["rev-parse", "--git-dir"]), &[], None)?;
        match output.status.success() {
            true => Ok(git),
            false => Err(Error::failed(format!(
                "{} is in no usable git repository: {}",
                dir.display(),
                output.complaint()
            ))),
        }
    }

    /// The full name of the commit that a revision stands for.
    ///
    /// # Errors
    /// Failed, when the repository has no such commit.
    pub fn commit(&self, revision: &str) -> Result<String> {
        // A revision that looks like an option is none.
        let named = (!revision.starts_with('-')).then(|| format!("{revision}^{{commit}}"));
        let found = match named {
            Some(named) if !revision.is_empty() => self.ask(["rev-parse", "--verify", "--quiet", &named])?,
            _ => None,
        };
        found.ok_or_else(|| {
            let revision: String = revision.escape_debug().take(120).collect();
            Error::failed(format!("there is no revision '{revision}' in {}", self.dir.display()))
                .hint("name a branch, tag or commit that 'git log' knows; 'git fetch --tags' brings those of a remote")
        })
    }

    /// Everything below a folder of a commit, by path. `folder` is relative to the root of the tree.
    ///
    /// # Errors
    /// Failed, when the commit has no such folder.
    pub fn tree(&self, commit: &str, folder: &Path) -> Result<Vec<TreeEntry>> {
        let no_folder = |what: &str| {
            Error::failed(format!("'{}' {what} ({commit} of {})", folder.display(), self.dir.display()))
                .hint("the path is relative to the root of the repository: git:REV:PATH")
        };
        let mut parts = Vec::new();
        for part in folder.components() {
            match part {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                _ => return Err(no_folder("does not stay below the root of the repository")),
            }
        }
        let mut named = OsString::from(format!("{commit}:"));
        named.push(parts.join(OsStr::new("/")));
        let args = [OsStr::new("rev-parse"), OsStr::new("--verify"), OsStr::new("--quiet"), &named];
        let tree = self.ask(args)?.ok_or_else(|| no_folder("is not in the tree"))?;
        if self.ask(["cat-file", "-t", &tree])?.is_none_or(|kind| kind != "tree") {
            return Err(no_folder("is no folder"));
        }
        let listing = self.run(self.reading(["ls-tree", "-r", "-z", "--full-tree", &tree]), &[], None)?;
        if !listing.status.success() {
            let said = listing.complaint();
            return Err(Error::failed(format!("git cannot list {tree} of {}: {said}", self.dir.display())));
        }
        let lines = listing.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let entries: Option<Vec<TreeEntry>> = lines.map(tree_entry).collect();
        entries.ok_or_else(|| Error::failed("git lists a tree in a form that promptos does not know"))
    }

    /// Opens the repository's contents for reading.
    ///
    /// # Errors
    /// Failed, when git does not start.
    pub fn blobs(&self) -> Result<Blobs> {
        Blobs::open(self.reading(["cat-file", "--batch"]))
    }

    /// What `git describe` calls a commit by its tags.
    ///
    /// # Errors
    /// Failed, when git does not start or its answer cannot be read.
    pub fn describe(&self, commit: &str) -> Result<Option<String>> {
        self.ask(["describe", "--tags", commit])
    }

    /// The answer to a question without its line end; `None` when git's answer is a failure.
    fn ask<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<Option<String>> {
        Ok(self.run(self.reading(args), &[], None)?.line())
    }

    /// A command that reads.
    fn reading<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(args);
        // A missing object is not worth a connection, which could run what a configuration names.
        command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "");
        command
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new("git");
        command.arg("--no-pager").arg("-C").arg(&self.dir);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        for name in OTHER_REPOSITORY {
            command.env_remove(name);
        }
        // Objects are what their names say, and nobody is asked anything.
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_OPTIONAL_LOCKS", "0");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command.args(args);
        command
    }

    fn run(&self, command: Command, input: &[u8], limit: Option<Duration>) -> Result<Output> {
        run(command, input, limit)?.ok_or_else(|| {
            let seconds = limit.unwrap_or_default().as_secs_f64();
            Error::unavailable(format!(
                "git was not done after {seconds} seconds and was stopped (in {})",
                self.dir.display()
            ))
            .hint("--timeout SECONDS allows more; nothing was changed")
        })
    }
}

/// `<mode> <type> <object>\t<path>`.
fn tree_entry(line: &[u8]) -> Option<TreeEntry> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (head, path) = line.split_at_checked(tab)?;
    let mut head = std::str::from_utf8(head).ok()?.split(' ');
    let (mode, _, object) = (head.next()?, head.next()?, head.next()?);
    let kind = match mode {
        "120000" => Kind::Link,
        "160000" => Kind::Submodule,
        _ => Kind::File,
    };
    Some(TreeEntry { path: path.get(1..)?.to_vec(), kind, object: object.to_owned() })
}

/// What a git that is asked about a folder writes, without its final line end; `None` when it fails, is not there
/// or writes no text. As [`output`].
///
/// # Errors
/// As [`output`].
pub fn ask(dir: &Path, args: &[&str]) -> Result<Option<String>> {
    let text = output(dir, args)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.map(|text| text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)))
}

/// What a git that is asked about a folder writes; `None` when it fails or is not there. The variables that name a
/// repository count, as for any git that the person runs.
///
/// # Errors
/// When the answer cannot be read: half of one must not be taken for one, since it may say where the ledger is.
pub fn output(dir: &Path, args: &[&str]) -> Result<Option<Vec<u8>>> {
    Question::begin(dir, args)?.output()
}

/// A question that a git of its own answers while something else is done.
#[derive(Debug)]
pub struct Question(Option<Child>);

impl Question {
    /// Asks a git about a folder, as [`output`].
    ///
    /// # Errors
    /// When git is there and does not start.
    pub fn begin(dir: &Path, args: &[&str]) -> Result<Self> {
        let mut command = Command::new("git");
        // Questions must not be answered by the user's prompts, pagers or hooks, nor touch the index.
        command.arg("-C").arg(dir).args(["-c", "core.fsmonitor=false"]).args(args);
        command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        match command.spawn() {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                Ok(Self(None))
            }
            spawned => spawned.map(|child| Self(Some(child))).map_err(cannot_read),
        }
    }

    /// Waits for the answer, as [`output`].
    ///
    /// # Errors
    /// As [`output`].
    pub fn output(self) -> Result<Option<Vec<u8>>> {
        let Some(mut child) = self.0 else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = child.stdout.take().map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        // With its pipe closed it ends by itself.
        let status = child.wait();
        read.map_err(cannot_read)?;
        Ok(status.map_err(cannot_read)?.success().then_some(bytes))
    }
}

/// Runs a command to its end; `None` when the time was up, and it was killed.
fn run(mut command: Command, input: &[u8], limit: Option<Duration>) -> Result<Option<Output>> {
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command)?;
    let deadline = limit.map(|limit| Instant::now() + limit);
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    if let Some(mut pipe) = child.stdin.take() {
        let input = input.to_vec();
        // It may stop reading early; what it makes of that, its exit status says.
        thread::spawn(move || drop(pipe.write_all(&input)));
    }
    let (Some(stdout), Some(stderr)) = (receive(&stdout, deadline)?, receive(&stderr, deadline)?) else {
        // What it started ends by itself, when nobody listens any more.
        let _ = child.kill();
        let _ = child.wait();
        return Ok(None);
    };
    let status = child.wait().map_err(cannot_read)?;
    Ok(Some(Output { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() }))
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::failed("the program 'git' is not installed, or not on the PATH"),
        _ => Error::failed(format!("git does not start: {e}")),
    })
}

fn cannot_read(error: io::Error) -> Error {
    Error::failed(format!("what git says cannot be read: {error}"))
}

/// Reads a pipe to its end, beside whoever asked.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        // Nobody may be there any more.
        let _ = send.send(read.map(|_| bytes));
    });
    receive
}

fn receive(from: &Receiver<io::Result<Vec<u8>>>, deadline: Option<Instant>) -> Result<Option<Vec<u8>>> {
    let received = match deadline {
        None => from.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(deadline) => from.recv_timeout(deadline.saturating_duration_since(Instant::now())),
    };
    match received {
        Ok(read) => read.map(Some).map_err(cannot_read),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(Error::bug("a pipe's reader is gone")),
    }
}
