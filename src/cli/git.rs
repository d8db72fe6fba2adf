//! What the `git` program says of a folder. No git, or no repository, is an ordinary answer; an answer that cannot
//! be read is an error.

use promptos::error::{Error, Result};
use promptos::git::{Question, ask as git, output};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn path(dir: &Path, args: &[&str]) -> Result<Option<PathBuf>> {
    Ok(git(dir, args)?.filter(|text| !text.is_empty()).map(PathBuf::from))
}

/// Where a folder is, as git finds it.
enum Place {
    /// In no repository.
    Outside,
    /// In a work tree whose repository is the folder `.git` at its root.
    WorkTree(PathBuf),
    /// In a linked work tree or a submodule, whose `.git` names the repository.
    Linked(PathBuf),
    /// In a repository itself, which has no work tree.
    Repository,
}

/// Where a folder is, found without starting git: half of a short command's time. `None` when the environment speaks of
/// other places; then only git can tell.
fn place(dir: &Path) -> Option<Place> {
    if ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"].iter().any(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    let Ok(dir) = dir.canonicalize() else { return Some(Place::Outside) };
    let ceilings = std::env::var_os("GIT_CEILING_DIRECTORIES").unwrap_or_default();
    let ceilings: Vec<PathBuf> = std::env::split_paths(&ceilings).collect();
    let is_repository =
        |folder: &Path| ["HEAD", "objects", "refs"].iter().all(|name| folder.join(name).exists());
    for folder in dir.ancestors().take_while(|folder| *folder == dir || !ceilings.iter().any(|c| c == folder))
    {
        let git = folder.join(".git");
        if git.is_file() || is_repository(&git) {
            let own = git.symlink_metadata().is_ok_and(|git| git.is_dir()) && !git.join("commondir").exists();
            let root = folder.to_owned();
            return Some(if own { Place::WorkTree(root) } else { Place::Linked(root) });
        }
        if is_repository(folder) {
            return Some(Place::Repository);
        }
    }
    Some(Place::Outside)
}

/// The root of the work tree.
pub(crate) fn toplevel(dir: &Path) -> Result<Option<PathBuf>> {
    match place(dir) {
        None => path(dir, &["rev-parse", "--show-toplevel"]),
        Some(Place::WorkTree(root) | Place::Linked(root)) => Ok(Some(root)),
        Some(Place::Repository | Place::Outside) => Ok(None),
    }
}

/// The root of the main work tree, which all linked work trees share.
pub(crate) fn main_toplevel(dir: &Path) -> Result<Option<PathBuf>> {
    match place(dir) {
        Some(Place::WorkTree(root)) => return Ok(Some(root)),
        Some(Place::Outside) => return Ok(None),
        _ => {}
    }
    match common_folder(dir)? {
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

/// The folder that the repository keeps for itself and all its work trees.
pub(crate) fn common_folder(dir: &Path) -> Result<Option<PathBuf>> {
    path(dir, &["rev-parse", "--path-format=absolute", "--git-common-dir"])
}

/// Where git looks for hooks. `top` is the root of the work tree, where it starts them.
pub(crate) fn hooks_folder(top: &Path) -> Result<Option<PathBuf>> {
    path(top, &["rev-parse", "--path-format=absolute", "--git-path", "hooks"])
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

/// What git is being asked of a folder's commit.
pub(crate) struct Commit(Option<Question>);

impl Commit {
    /// Asks of the commit that the folder's repository is at.
    pub(crate) fn begin(dir: &Path) -> Result<Self> {
        if matches!(place(dir), Some(Place::Outside)) {
            return Ok(Self(None));
        }
        let status = ["status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--no-renames"];
        Question::begin(dir, &status).map(|question| Self(Some(question)))
    }

    /// The commit, and whether tracked files differ from it or untracked ones are there.
    pub(crate) fn answer(self) -> Result<Option<(Vec<u8>, bool)>> {
        let Some(status) = self.0.map_or(Ok(None), Question::output)? else { return Ok(None) };
        let status = String::from_utf8_lossy(&status);
        let (headers, changes): (Vec<&str>, Vec<&str>) =
            status.lines().partition(|line| line.starts_with("# "));
        // `(initial)` where there is no commit yet.
        let id = headers.iter().find_map(|line| hex::decode(line.strip_prefix("# branch.oid ")?).ok());
        Ok(id.map(|id| (id, !changes.is_empty())))
    }
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
        let answer = output(folder, args)?;
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

/// The files below `folder` that are staged, differ from the last commit and are `wanted`, with the bytes that are
/// staged. Paths are relative to `top`, the root of the work tree.
///
/// # Errors
/// Failed, when git cannot tell.
pub(crate) fn staged(
    top: &Path,
    folder: &Path,
    wanted: &dyn Fn(&Path) -> bool,
) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    use std::os::unix::ffi::OsStrExt as _;
    let cannot = |what: &str| Error::failed(format!("git cannot tell what is staged: {what}"));
    let below = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = below.to_str().ok_or_else(|| cannot("the catalog folder's name is not UTF-8"))?;
    let list = ["--literal-pathspecs", "diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames"];
    let list = [&list[..], &["--no-ext-diff", "--no-relative", "--diff-filter=d", "--", folder]].concat();
    let listed = output(top, &list)?.ok_or_else(|| cannot("git diff --cached fails"))?;
    let mut files = Vec::new();
    let mut parts = listed.split(|byte| *byte == 0);
    while let (Some(head), Some(name)) = (parts.next(), parts.next()) {
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(name));
        let head = std::str::from_utf8(head).map_err(|_| cannot("its answer is not text"))?;
        // `:<old mode> <new mode> <old object> <new object> <status>`; a mode of another kind is a link or a repository.
        let fields: Vec<&str> = head.split(' ').collect();
        let [_, mode, _, object, _] = fields.as_slice() else {
            return Err(cannot("its answer has another form than expected"));
        };
        if mode.starts_with("100") && wanted(&path) {
            let bytes = output(top, &["cat-file", "blob", object])?;
            files.push((path, bytes.ok_or_else(|| cannot(&format!("the object {object} cannot be read")))?));
        }
    }
    Ok(files)
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
    let tags = match place(dir) {
        Some(Place::Outside) => false,
        Some(Place::WorkTree(root)) => may_have_tags(&root.join(".git")),
        _ => true,
    };
    // Without tags there is nothing that git could answer, and most folders have none.
    match tags {
        true => Ok(git(dir, &["describe", "--tags", "--dirty"])?.filter(|text| is_version(text))),
        false => Ok(None),
    }
}

/// Whether a repository may have tags: no only where references are kept in files and none of these is a tag.
fn may_have_tags(repository: &Path) -> bool {
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    let may_hold = |name: &str, what: &str| match std::fs::read(repository.join(name)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).to_ascii_lowercase().contains(what),
        Err(e) => !gone(&e),
    };
    let loose = match std::fs::read_dir(repository.join("refs/tags")) {
        Ok(mut tags) => tags.next().is_some(),
        Err(e) => !gone(&e),
    };
    // The setting `extensions.refStorage` says that they are kept in another way.
    loose || may_hold("packed-refs", " refs/tags/") || may_hold("config", "refstorage")
}

/// Whether a statement can hold it as a word, so that a session can name its catalog so.
pub(crate) fn is_version(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_root_is_where_git_says() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let run = |dir: &str, args: &[&str]| {
            let user = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"];
            let mut git = Command::new("git");
            let done = git.args(user).args(args).current_dir(root.join(dir)).output().unwrap();
            assert!(done.status.success(), "{args:?}: {done:?}");
        };
        for dir in ["one/in/side", "plain/in/side", "inner"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        run("one", &["init", "--quiet"]);
        run("one", &["commit", "--quiet", "--allow-empty", "--message", "first"]);
        run("one", &["worktree", "add", "--quiet", "../linked"]);
        run("inner", &["init", "--quiet"]);
        run("inner", &["commit", "--quiet", "--allow-empty", "--message", "first"]);
        run("one", &["submodule", "--quiet", "add", "../inner", "module"]);
        run("one", &["init", "--quiet", "--bare", "bare"]);
        std::os::unix::fs::symlink(root.join("one/in"), root.join("link")).unwrap();
        for dir in [
            "one",
            "one/in",
            "one/in/side",
            "linked",
            "inner",
            "one/module",
            "link/side",
            "plain/in",
            "one/bare",
            "one/.git",
        ] {
            let dir = root.join(dir);
            let by_git = path(&dir, &["rev-parse", "--show-toplevel"]).unwrap();
            assert_eq!(toplevel(&dir).unwrap(), by_git, "{}", dir.display());
            let common = common_folder(&dir).unwrap();
            let main = match common.as_ref().and_then(|common| common.file_name()) {
                Some(name) if name == ".git" => common.as_ref().and_then(|common| common.parent()),
                _ => by_git.as_deref(),
            };
            assert_eq!(main_toplevel(&dir).unwrap().as_deref(), main, "{}", dir.display());
        }
        assert_eq!(toplevel(&root.join("gone")).unwrap(), None);
    }

    #[test]
    fn a_commit_and_a_tag_are_what_git_says() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let commit = |dir: &Path| Commit::begin(dir).unwrap().answer().unwrap();
        for format in ["files", "reftable"] {
            let dir = root.join(format);
            let run = |args: &[&str]| {
                let user = ["-c", "user.name=a", "-c", "user.email=a@b"];
                let mut git = Command::new("git");
                git.args(user).args(args).current_dir(&dir).output().unwrap().status.success()
            };
            let agree = |tag: Option<&str>, dirty: bool| {
                for dir in
                    [&dir, &root.join(format!("{format}-linked"))].into_iter().filter(|dir| dir.exists())
                {
                    let by_git = git(dir, &["describe", "--tags", "--dirty"]).unwrap();
                    assert_eq!(by_git.as_deref(), tag);
                    assert_eq!(describe(dir).unwrap(), by_git, "{}", dir.display());
                }
                let id = git(&dir, &["rev-parse", "--verify", "HEAD^{commit}"]).unwrap();
                let id = id.map(|id| (hex::decode(id).unwrap(), dirty));
                assert_eq!(commit(&dir), id);
            };
            std::fs::create_dir(&dir).unwrap();
            assert_eq!((commit(&dir), describe(&dir).unwrap()), (None, None));
            // An older git knows no other format than files.
            let init = ["init", "--quiet", "--ref-format", format];
            if !run(if format == "files" { &init[..2] } else { &init }) {
                continue;
            }
            std::fs::write(dir.join("file"), "1").unwrap();
            agree(None, true);
            assert!(run(&["add", "file"]) && run(&["commit", "--quiet", "--message", "first"]));
            agree(None, false);
            assert!(run(&["worktree", "add", "--quiet", "--detach", &format!("../{format}-linked")]));
            for tag in [&["tag", "v1"][..], &["tag", "v1", "--annotate", "--message", "first"]] {
                assert!(run(tag));
                agree(Some("v1"), false);
                assert!(run(&["pack-refs", "--all"]));
                agree(Some("v1"), false);
                assert!(run(&["tag", "--delete", "v1"]));
                agree(None, false);
            }
            std::fs::write(dir.join("other"), "1").unwrap();
            agree(None, true);
        }
    }
}
