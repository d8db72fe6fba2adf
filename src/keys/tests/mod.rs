mod agent;
mod file;
mod open;
mod public;

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// Whether OpenSSH's programs are here; says so when a test has to do without.
fn openssh() -> bool {
    let there = ["ssh-keygen", "ssh-agent", "ssh-add"]
        .iter()
        .all(|name| Command::new(name).arg("-?").stderr(Stdio::null()).stdin(Stdio::null()).status().is_ok());
    if !there {
        println!("skipped: no ssh-keygen, ssh-agent and ssh-add on this machine");
    }
    there
}

/// Runs a program of OpenSSH to success and returns its output.
fn run(name: &str, args: &[&str], agent: Option<&Path>) -> String {
    let output = try_run(name, args, agent);
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn try_run(name: &str, args: &[&str], agent: Option<&Path>) -> std::process::Output {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null()).env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY");
    if let Some(socket) = agent {
        command.env("SSH_AUTH_SOCK", socket);
    }
    command.output().unwrap()
}

/// A key made by ssh-keygen: its path.
fn keygen(dir: &TempDir, name: &str, kind: &str, passphrase: &str) -> PathBuf {
    let path = dir.path().join(name);
    run("ssh-keygen", &["-q", "-t", kind, "-N", passphrase, "-C", "made by ssh", "-f", utf8(&path)], None);
    path
}

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Everything that a person would see of an error.
fn seen(error: &Error) -> String {
    format!("{error} | {}", error.hints().join(" | "))
}

/// Asserts that the failure says each of `parts`, and no Rust type.
fn says(error: &Error, parts: &[&str]) {
    let text = seen(error);
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    for word in ["Error", "Err(", "Some(", "None", "::", "{"] {
        assert!(!text.contains(word), "{word:?} is in: {text}");
    }
}

/// A passphrase callback that must not be called.
fn never(_: &str) -> Result<Option<Zeroizing<String>>> {
    panic!("nobody should be asked for a passphrase")
}

/// A passphrase callback without a terminal.
fn nobody(_: &str) -> Result<Option<Zeroizing<String>>> {
    Ok(None)
}

fn typed(text: &str) -> Result<Option<Zeroizing<String>>> {
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// A real ssh-agent, ended with the test.
struct RealAgent {
    child: Child,
    socket: PathBuf,
}

impl RealAgent {
    /// `confirm` is the program that it asks for consent.
    fn start(dir: &TempDir, confirm: &str) -> Self {
        let socket = dir.path().join("agent");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a", utf8(&socket)])
            .env("SSH_ASKPASS", confirm)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", ":none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, socket };
        for _ in 0..500 {
            if std::os::unix::net::UnixStream::connect(&agent.socket).is_ok() {
                return agent;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("ssh-agent did not start");
    }

    fn add(&self, args: &[&str]) {
        run("ssh-add", &[&["-q"], args].concat(), Some(&self.socket));
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
