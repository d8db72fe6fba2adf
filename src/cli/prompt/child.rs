//! Rendering, and checking values, in a process of its own, so that no template or schema can hang or exhaust the
//! machine: this program runs itself with limits on memory and time, and without the environment.

use crate::cli::ui::Ui;
use clap::Args;
use promptos::error::{Error, Result};
use promptos::output;
use promptos::render::{self, Cause, Fault, Job, Ran};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Address space of such a process, in bytes.
const MEMORY: u64 = 512 << 20;

/// Reads a job from stdin and writes what came of it to stdout, both JSON. For `prompt render` only
#[derive(Args)]
pub(crate) struct RenderTemplate {
    /// Most seconds of processor time
    #[arg(long)]
    seconds: u64,
}

/// The same for `prompt check-output`
#[derive(Args)]
pub(crate) struct CheckValue {
    /// Most seconds of processor time
    #[arg(long)]
    seconds: u64,
}

impl RenderTemplate {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        serve(ui, self.seconds, render::run)
    }
}

impl CheckValue {
    pub(crate) fn run(&self, ui: &Ui) -> Result<()> {
        serve(ui, self.seconds, output::run)
    }
}

/// Does one job within limits.
fn serve<J: DeserializeOwned, A: Serialize>(
    ui: &Ui,
    seconds: u64,
    work: impl FnOnce(&J) -> Result<A>,
) -> Result<()> {
    limit(seconds)?;
    let cannot = |e: serde_json::Error| Error::bug("this is no job").because(e);
    let mut job = String::new();
    std::io::stdin()
        .read_to_string(&mut job)
        .map_err(|e| Error::failed(format!("cannot read the job: {e}")))?;
    let parsed = serde_json::from_str(&job).map_err(cannot)?;
    drop(job); // it counts as well
    let mut answer = serde_json::to_vec(&work(&parsed)?).map_err(cannot)?;
    answer.push(b'\n'); // says that it is whole
    ui.bytes(&answer)?;
    ui.flush()
}

/// What this process may use from now on.
#[cfg(unix)]
fn limit(seconds: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limits = [
        (Resource::As, MEMORY),
        (Resource::Cpu, seconds),
        (Resource::Core, 0), // it would hold the values
        (Resource::Fsize, 0),
    ];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|e| Error::failed(format!("the system sets no limits: {e}")))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn limit(_: u64) -> Result<()> {
    Ok(()) // the parent's timeout remains
}

/// A process that is going to render. It starts while the prompt is still being looked for: a start takes as long as
/// all else.
pub(super) struct Renderer(Worker);

impl Renderer {
    /// Starts it; it ends after so many seconds of work.
    pub(super) fn start(seconds: u64) -> Result<Self> {
        Worker::start("render-template", seconds).map(Self)
    }

    /// Renders, with a fault when that takes too much of anything.
    pub(super) fn render(self, job: &Job) -> Result<Ran> {
        let seconds = self.0.seconds;
        let fault = |ended| Fault::new(Cause::Limit, too_much("the template", ended, seconds));
        Ok(self.0.ask(job)?.unwrap_or_else(|ended| Ran { variables: None, text: Err(fault(ended)) }))
    }
}

/// Compares a value with its schema in a process that ends after so many seconds.
pub(super) fn check_value(job: &output::Job, seconds: u64) -> Result<output::Ran> {
    Worker::start("check-value", seconds)?.ask(job)?.map_err(|ended| {
        let error = Error::failed(too_much("comparing the answer with its schema", ended, seconds))
            .hint("look for references in the schema that multiply");
        match ended {
            Ended::Time => error.hint("or give it longer: --timeout"),
            Ended::Memory | Ended::Stack => error.hint("or for an answer of a great many small values"),
        }
    })
}

/// What a process took too much of.
#[derive(Clone, Copy)]
enum Ended {
    Time,
    Memory,
    Stack,
}

fn too_much(what: &str, ended: Ended, seconds: u64) -> String {
    match ended {
        Ended::Time => format!("{what} takes more than {seconds} seconds"),
        Ended::Memory => format!("{what} takes more than {} MB of memory", MEMORY >> 20),
        Ended::Stack => format!("{what} nests too deeply"),
    }
}

/// This program in a process of its own, waiting for a job. Dropped, it ends.
struct Worker {
    child: Child,
    command: &'static str,
    seconds: u64,
    answered: bool,
}

impl Worker {
    fn start(command: &'static str, seconds: u64) -> Result<Self> {
        let cannot =
            |e: std::io::Error| Error::failed(format!("cannot start the process for {command}: {e}"));
        let child = Command::new(std::env::current_exe().map_err(cannot)?)
            .args([command, "--seconds", &(seconds + 1).to_string()])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        Ok(Self { child, command, seconds, answered: false })
    }

    fn ask<J: Serialize, A: DeserializeOwned>(mut self, job: &J) -> Result<Result<A, Ended>> {
        let Self { child, command, seconds, .. } = &mut self;
        let job = serde_json::to_vec(job).map_err(|e| Error::bug("a job is not JSON").because(e))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends early closes the pipe; how it ended is told below.
            std::thread::spawn(move || drop(stdin.write_all(&job)));
        }
        // An answer is one line, and need not wait for the process to end.
        let stdout = drain(child.stdout.take(), |mut stream, bytes| stream.read_until(b'\n', bytes));
        let stderr = drain(child.stderr.take(), |mut stream, bytes| stream.read_to_end(bytes));
        let Ok(answer) = stdout.recv_timeout(Duration::from_secs(*seconds)) else {
            return Ok(Err(Ended::Time));
        };
        if answer.ends_with(b"\n")
            && let Ok(answer) = serde_json::from_slice(&answer)
        {
            self.answered = true;
            return Ok(Ok(answer));
        }
        let lost = |e| Error::failed(format!("cannot wait for the process for {command}: {e}"));
        let status = child.wait().map_err(lost)?;
        let talk = stderr.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let talk = String::from_utf8_lossy(&talk);
        if talk.contains("memory allocation") {
            return Ok(Err(Ended::Memory));
        }
        if talk.contains("overflowed its stack") {
            return Ok(Err(Ended::Stack));
        }
        let first = talk.lines().next().unwrap_or_default().to_owned();
        Err(Error::bug(format!("the process for {command} ended without an answer ({status})")).hint(first))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends by itself; to wait for that takes longer than many a job, and our own end is near.
        if self.answered {
            return;
        }
        // It may have ended meanwhile; then both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes in what a stream says, as `read` does, while others wait for it.
fn drain<S: Read + Send + 'static>(
    stream: Option<S>,
    read: impl FnOnce(BufReader<S>, &mut Vec<u8>) -> std::io::Result<usize> + Send + 'static,
) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            let _ = read(BufReader::new(stream), &mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}
