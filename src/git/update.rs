//! Bringing a repository up to date with its remote: fetch, and fast-forward.

use super::{Blob, Git, Output};
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

/// The largest file of attributes that git itself reads.
const MAX_ATTRIBUTES: u64 = 100 << 20;

/// What a fast-forward did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The commit before.
    pub from: String,
    /// The commit now.
    pub to: String,
    /// The branch that was followed, such as `origin/main`.
    pub upstream: String,
}

/// A local branch beside the one that it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The branch that it follows.
    pub upstream: String,
    /// How many commits it lacks.
    pub commits: u64,
}

impl Git {
    /// Brings the commits and tags of the default remote. Branches of this repository stay where they are.
    ///
    /// # Errors
    /// Unavailable, when the remote is not reached in time; failed, when it has moved a tag.
    pub fn fetch(&self, limit: Duration) -> Result<()> {
        let mut command = self.command(["fetch", "--no-progress", "--tags", "--no-recurse-submodules"]);
        command.args(["--upload-pack", "git-upload-pack"]).env("GIT_ALLOW_PROTOCOL", "file:https:http:ssh");
        let output = self.run(command, &[], Some(limit))?;
        if output.status.success() {
            return Ok(());
        }
        let said = output.complaint();
        if said.contains("would clobber existing tag") {
            return Err(Error::failed(format!(
                "a tag was moved at the remote, and is kept here as it was: {said}"
            ))
            .hint("find out who moved it and why; 'git fetch --tags --force' takes it over"));
        }
        Err(Error::unavailable(format!("the remote of {} was not reached: {said}", self.dir.display()))
            .hint("'git fetch' there must work without a question"))
    }

    /// Fetches, and moves the work tree's branch forward to the one that it follows.
    ///
    /// # Errors
    /// Failed, and nothing is changed: changes are not committed, the branches have diverged, a file would be
    /// overwritten, or a filter would have to run. Unavailable as for [`Git::fetch`].
    pub fn fast_forward(&self, limit: Duration) -> Result<Update> {
        let place = self.dir.display();
        if self.ask(["rev-parse", "--is-inside-work-tree"])?.as_deref() != Some("true") {
            return Err(Error::failed(format!("{place} is in no work tree of git")));
        }
        let branch = self.ask(["symbolic-ref", "--quiet", "--short", "HEAD"])?.ok_or_else(|| {
            Error::failed(format!("{place} is on no branch, so there is none to follow"))
                .hint("git switch BRANCH")
        })?;
        let upstream = self.upstream("HEAD")?.ok_or_else(|| {
            Error::failed(format!("the branch '{branch}' of {place} follows no other"))
                .hint("git branch --set-upstream-to=origin/BRANCH")
        })?;
        let unfiltered = self.without_filters()?;
        let mut status = self.reading(unfiltered.iter());
        status.args(["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"]);
        let status = self.run(status, &[], None)?;
        let changed = String::from_utf8_lossy(&status.stdout).lines().map(str::to_owned).collect::<Vec<_>>();
        if !status.status.success() || !changed.is_empty() {
            let listed =
                changed.iter().take(5).filter_map(|line| line.get(3..)).collect::<Vec<_>>().join(", ");
            let what = if changed.is_empty() { status.complaint() } else { listed };
            return Err(Error::failed(format!("{place} has changes that are not committed: {what}"))
                .hint("commit or stash them first; nothing was changed"));
        }
        self.fetch(limit)?;
        let (from, to) = (self.commit("HEAD")?, self.commit("@{upstream}")?);
        let update = Update { from: from.clone(), to: to.clone(), upstream };
        let ancestor = |a: &str, b: &str| -> Result<bool> {
            Ok(self.ask(["merge-base", "--is-ancestor", a, b])?.is_some())
        };
        if ancestor(&to, &from)? {
            return Ok(Update { to: from, ..update });
        }
        if !ancestor(&from, &to)? {
            return Err(Error::failed(format!(
                "'{branch}' of {place} and {} have diverged: each has commits that the other lacks",
                update.upstream
            ))
            .hint("merge or rebase with git, then try again; nothing was changed"));
        }
        if !unfiltered.is_empty() {
            self.check_filters(&from, &to)?;
        }
        let mut merge = self.command(unfiltered.iter());
        merge.args(["merge", "--ff-only", "--quiet", "--no-stat", &to]).env("GIT_ALLOW_PROTOCOL", "");
        let merged = self.run(merge, &[], None)?;
        if !merged.status.success() {
            return Err(Error::failed(format!("{place} cannot be moved forward: {}", merged.complaint()))
                .hint("nothing was changed"));
        }
        Ok(update)
    }

    /// How far a local branch is behind the one that it follows; `None` when it follows none or is not behind.
    ///
    /// # Errors
    /// Failed, when git does not start or its answer cannot be read.
    pub fn behind(&self, branch: &str) -> Result<Option<Behind>> {
        let Some(upstream) = self.upstream(branch)? else { return Ok(None) };
        let range = format!("{branch}..{upstream}");
        let commits = self.ask(["rev-list", "--count", &range, "--"])?;
        let commits = commits.and_then(|count| count.parse().ok()).unwrap_or(0);
        Ok((commits > 0).then_some(Behind { upstream, commits }))
    }

    fn upstream(&self, branch: &str) -> Result<Option<String>> {
        let named = format!("{branch}@{{upstream}}");
        let found = self.ask(["rev-parse", "--abbrev-ref", "--symbolic-full-name", &named])?;
        Ok(found.filter(|name| !name.is_empty() && *name != named && !branch.starts_with('-')))
    }

    /// The options that switch off every filter that a configuration names.
    fn without_filters(&self) -> Result<Vec<OsString>> {
        let output = self.run(
            self.reading(["config", "--null", "--name-only", "--get-regexp", "^filter\\."]),
            &[],
            None,
        )?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut options = Vec::new();
        for key in text.split('\0').filter(|key| !key.is_empty()) {
            if key.contains('=') {
                return Err(Error::failed(format!("git's setting '{key}' cannot be switched off"))
                    .hint("use git itself to bring the catalog up to date"));
            }
            let value = if key.ends_with(".required") { "false" } else { "" };
            options.extend(["-c".into(), format!("{key}={value}").into()]);
        }
        Ok(options)
    }

    /// Refuses a fast-forward that would write files through a filter, which is a program that a configuration
    /// names; without it they would become others than git wants them to be.
    fn check_filters(&self, from: &str, to: &str) -> Result<()> {
        let checked = |output: Output| match output.status.success() {
            true => Ok(output.stdout),
            false => {
                Err(Error::failed(format!("git cannot compare {from} and {to}: {}", output.complaint())))
            }
        };
        let diff: Command = self.reading(["diff-tree", "-r", "-z", "--name-only", "--no-renames", from, to]);
        let changed = checked(self.run(diff, &[], None)?)?;
        let refuse = |path: &[u8]| {
            let path = String::from_utf8_lossy(path);
            Err(Error::failed(format!(
                "'{}' goes through a filter of git, which is not run here",
                path.escape_debug()
            ))
            .hint("bring the catalog up to date with git itself: git pull --ff-only"))
        };
        if changed.is_empty() {
            return Ok(());
        }
        let attributes =
            checked(self.run(self.reading(["check-attr", "-z", "--stdin", "filter"]), &changed, None)?)?;
        let fields: Vec<&[u8]> = attributes.split(|byte| *byte == 0).collect();
        for found in fields.chunks_exact(3) {
            if let [path, _, value] = found
                && !matches!(*value, b"unspecified" | b"unset")
            {
                return refuse(path);
            }
        }
        // New attributes would count at once.
        let mut blobs = self.blobs()?;
        let is_attributes =
            |path: &&[u8]| path.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes");
        for entry in self.tree(to, "".as_ref())? {
            let new = changed.split(|byte| *byte == 0).filter(is_attributes).any(|path| *path == entry.path);
            if new
                && let Blob::Bytes(text) | Blob::TooLarge(text) = blobs.read(&entry.object, MAX_ATTRIBUTES)?
                && String::from_utf8_lossy(&text).contains("filter=")
            {
                return refuse(&entry.path);
            }
        }
        Ok(())
    }
}
