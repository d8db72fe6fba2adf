//! What the `git` program says of a folder. No git, or no repository, is an ordinary answer; an answer that cannot
//! be read is an error.

use promptos::error::{Error, Result};
use promptos::git::ask as git;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn path(dir: &Path, args: &[&str]) -> Result<Option<PathBuf>> {
    Ok(git(dir, args)?.filter(|text| !text.is_empty()).map(PathBuf::from))
}

/// The root of the work tree.
pub(crate) fn toplevel(dir: &Path) -> Result<Option<PathBuf>> {
    path(dir, &["rev-parse", "--show-toplevel"])
}

/// The root of the main work tree, which all linked work trees share.
pub(crate) fn main_toplevel(dir: &Path) -> Result<Option<PathBuf>> {
    let common = path(dir, &["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    match common {
        Some(common) if common.file_name().is_some_and(|name| name == ".git") => {
            Ok(common.parent().map(Path::to_owned))
        }
        Some(_) => toplevel(dir),
        None => Ok(None),
    }
}

/// A setting of the user's that says something.
fn config(dir: &Path, key: &str) -> Result<Option<String>> {
    Ok(git(dir, &["config", "--get", key])?.filter(|value| !value.trim().is_empty()))
}

/// The user's email address, else name, as git knows it.
pub(crate) fn identity(dir: &Path) -> Result<Option<String>> {
    let found = match config(dir, "user.email")? {
        None => config(dir, "user.name")?,
        email => email,
    };
    Ok(found.map(|text| text.trim().to_owned()))
}

/// The user's name, as git knows it.
pub(crate) fn user_name(dir: &Path) -> Result<Option<String>> {
    config(dir, "user.name")
}

/// The commit and whether tracked files differ from it or untracked ones are there.
pub(crate) fn commit(dir: &Path) -> Result<Option<(Vec<u8>, bool)>> {
    let id = git(dir, &["rev-parse", "--verify", "HEAD^{commit}"])?.and_then(|id| hex::decode(id).ok());
    let Some(id) = id else { return Ok(None) };
    Ok(git(dir, &["status", "--porcelain"])?.map(|status| (id, !status.is_empty())))
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
    if toplevel(folder)?.is_none() {
        return Ok(None);
    }
    let ask = |args: &[&str]| {
        let answer = promptos::git::output(folder, args)?;
        answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).ok_or_else(|| {
            let command = args.first().copied().unwrap_or_default();
            Error::failed(format!("git {command} fails in {}", folder.display()))
        })
    };
    let changed = ask(&["status", "--porcelain", "--untracked-files=all", "--", "."])?;
    let tracked = ask(&["ls-files", "-z", "--", "."])?;
    let commit =
        git(folder, &["rev-parse", "--verify", "HEAD^{commit}"])?.and_then(|id| hex::decode(id).ok());
    Ok(Some(Tree {
        commit,
        tag: git(folder, &["describe", "--tags", "--exact-match"])?.filter(|tag| is_version(tag)),
        changed: changed.lines().map(str::to_owned).collect(),
        tracked: tracked.split('\0').map(str::to_owned).collect(),
    }))
}

/// The last part of the remote's URL, without `.git`.
pub(crate) fn remote_name(dir: &Path) -> Result<Option<String>> {
    let remotes = git(dir, &["remote"])?.unwrap_or_default();
    let remote = remotes.lines().find(|name| *name == "origin").or_else(|| remotes.lines().next());
    let Some(remote) = remote else { return Ok(None) };
    let url = git(dir, &["remote", "get-url", remote])?.unwrap_or_default();
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name = last.strip_suffix(".git").unwrap_or(last);
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// `git describe` by annotated or plain tags, marked when the tree is dirty.
pub(crate) fn describe(dir: &Path) -> Result<Option<String>> {
    Ok(git(dir, &["describe", "--tags", "--dirty"])?.filter(|text| is_version(text)))
}

/// Whether a statement can hold it as a word, so that a session can name its catalog so.
pub(crate) fn is_version(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
