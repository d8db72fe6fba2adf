//! What the `git` program says of a folder. No git, or no repository, is an ordinary answer.

use promptos::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The output of a git command, or `None` when it fails or is not there.
fn output(dir: &Path, args: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    // Questions must not be answered by the user's prompts, pagers or hooks, nor touch the index.
    let no_hook = ["-c", "core.fsmonitor=false"];
    command.arg("-C").arg(dir).args(no_hook).args(args).env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// The output without its final line end, when it is text.
fn git(dir: &Path, args: &[&str]) -> Option<String> {
    let text = String::from_utf8(output(dir, args)?).ok()?;
    Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn path(dir: &Path, args: &[&str]) -> Option<PathBuf> {
    git(dir, args).filter(|text| !text.is_empty()).map(PathBuf::from)
}

/// The root of the work tree.
pub(crate) fn toplevel(dir: &Path) -> Option<PathBuf> {
    path(dir, &["rev-parse", "--show-toplevel"])
}

/// The root of the main work tree, which all linked work trees share.
pub(crate) fn main_toplevel(dir: &Path) -> Option<PathBuf> {
    let common = path(dir, &["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    if common.file_name()? == ".git" { common.parent().map(Path::to_owned) } else { toplevel(dir) }
}

/// The user's email address, else name, as git knows it.
pub(crate) fn identity(dir: &Path) -> Option<String> {
    let config = |key| git(dir, &["config", "--get", key]).filter(|value| !value.trim().is_empty());
    config("user.email").or_else(|| config("user.name")).map(|text| text.trim().to_owned())
}

/// The user's name, as git knows it.
pub(crate) fn user_name(dir: &Path) -> Option<String> {
    git(dir, &["config", "--get", "user.name"]).filter(|value| !value.trim().is_empty())
}

/// The commit and whether tracked files differ from it or untracked ones are there.
pub(crate) fn commit(dir: &Path) -> Option<(Vec<u8>, bool)> {
    let id = hex::decode(git(dir, &["rev-parse", "--verify", "HEAD^{commit}"])?).ok()?;
    let status = git(dir, &["status", "--porcelain"])?;
    Some((id, !status.is_empty()))
}

/// How a folder stands to its repository.
pub(crate) struct Tree {
    /// `HEAD`, if there is a commit.
    pub(crate) commit: Option<Vec<u8>>,
    /// The newest tag of that very commit.
    pub(crate) tag: Option<String>,
    /// What of the folder differs from the commit, as `git status` shows it.
    pub(crate) changed: Vec<String>,
    /// The files that git knows, relative to the folder.
    pub(crate) tracked: BTreeSet<String>,
}

/// How a folder stands to the repository that it lies in, if it lies in one.
///
/// # Errors
/// Failed, when it does and git cannot tell.
pub(crate) fn tree(folder: &Path) -> Result<Option<Tree>> {
    if toplevel(folder).is_none() {
        return Ok(None);
    }
    let ask = |args: &[&str]| {
        let answer = output(folder, args).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        answer.ok_or_else(|| {
            let command = args.first().copied().unwrap_or_default();
            Error::failed(format!("git {command} fails in {}", folder.display()))
        })
    };
    let changed = ask(&["status", "--porcelain", "--untracked-files=all", "--", "."])?;
    let tracked = ask(&["ls-files", "-z", "--", "."])?;
    let commit = git(folder, &["rev-parse", "--verify", "HEAD^{commit}"]).and_then(|id| hex::decode(id).ok());
    Ok(Some(Tree {
        commit,
        tag: word(git(folder, &["describe", "--tags", "--exact-match"])),
        changed: changed.lines().map(str::to_owned).collect(),
        tracked: tracked.split('\0').map(str::to_owned).collect(),
    }))
}

/// The last part of the remote's URL, without `.git`.
pub(crate) fn remote_name(dir: &Path) -> Option<String> {
    let remotes = git(dir, &["remote"])?;
    let remote = remotes.lines().find(|name| *name == "origin").or_else(|| remotes.lines().next())?;
    let url = git(dir, &["remote", "get-url", remote])?;
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next()?;
    let name = last.strip_suffix(".git").unwrap_or(last);
    (!name.is_empty()).then(|| name.to_owned())
}

/// `git describe` by annotated or plain tags, marked when the tree is dirty.
pub(crate) fn describe(dir: &Path) -> Option<String> {
    word(git(dir, &["describe", "--tags", "--dirty"]))
}

/// What fits into a statement as a word.
fn word(text: Option<String>) -> Option<String> {
    text.filter(|text| is_version(text))
}

/// Whether a session can name its catalog so.
pub(crate) fn is_version(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
