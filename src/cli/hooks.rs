use super::context::Context;
use super::git;
use super::ui::one_line;
use clap::Subcommand;
use promptos::error::{Error, Result};
use serde_json::json;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The pre-commit hook: lint of the staged prompts
#[derive(Subcommand)]
pub(crate) enum Hooks {
    /// Install the hook; one that is there already is kept, and runs first
    Install,
    /// Remove the hook; one that was there before is put back as it was
    Uninstall,
    /// Say whether the hook is installed
    Status,
}

/// The hook, as git calls it.
const NAME: &str = "pre-commit";
/// Where a hook is kept that was there before. It stays in its folder, so that links and neighbours are found.
const BEFORE: &str = "pre-commit.before-promptos";
/// How our hook is told from others.
const MARK: &[u8] = b"# made by 'promptos hooks install'";

/// The exit code of the hook that was there before counts; ours comes after it.
const SCRIPT: &str = r#"#!/bin/sh
# made by 'promptos hooks install'; 'promptos hooks uninstall' removes it
before="$(dirname -- "$0")/pre-commit.before-promptos"
if [ -x "$before" ]; then
    "$before" "$@" || exit
fi
if ! command -v promptos >/dev/null 2>&1; then
    echo "promptos is not on the PATH, so the staged prompts were not checked" >&2
    echo "  install it, or commit without any check: git commit --no-verify" >&2
    exit 1
fi
exec promptos lint --staged
"#;

impl Hooks {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let hooks = Folder::find(context)?;
        let (done, note) = match self {
            Self::Install => hooks.install()?,
            Self::Uninstall => hooks.uninstall()?,
            Self::Status => (hooks.state()?.name(), None),
        };
        let state = hooks.state()?;
        let chained = hooks.before().symlink_metadata().is_ok();
        if let Self::Install | Self::Status = self
            && hooks.shared
        {
            context.ui.warn(&format!(
                "core.hooksPath leads to {}, which is not this repository's: the hook runs wherever that folder is used",
                context.shown(&hooks.path)
            ));
        }
        note.iter().for_each(|note| context.ui.note(note));
        if context.ui.json {
            return context.ui.report("hooks", json!({
                "done": done, "state": state.name(), "hook": hooks.hook(), "chained": chained, "shared": hooks.shared,
            }));
        }
        context.ui.line(&format!("{done:<13} {}", one_line(&context.shown(&hooks.hook()), 4096)))?;
        if chained && matches!(state, State::Ours) {
            context.ui.line(&format!(
                "{:<13} {}",
                "runs first",
                one_line(&context.shown(&hooks.before()), 4096)
            ))?;
        }
        Ok(())
    }
}

/// What is in the hook's place.
enum State {
    Nothing,
    Ours,
    /// Ours, and then somebody's.
    Changed,
    Other,
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "not installed",
            Self::Ours => "installed",
            Self::Changed => "changed",
            Self::Other => "another hook",
        }
    }
}

/// The folder in which git looks for hooks.
struct Folder {
    path: PathBuf,
    /// Whether other repositories look there too.
    shared: bool,
}

impl Folder {
    fn find(context: &Context<'_>) -> Result<Self> {
        let none = || {
            Error::failed("this is no git repository with a work tree, so there are no commits to check")
                .hint("make one: git init")
        };
        let top = context.repository()?.ok_or_else(none)?;
        let path = git::hooks_folder(top)?.ok_or_else(none)?;
        if path.exists() && !path.is_dir() {
            return Err(Error::failed(format!("hooks are turned off here: {} is no folder", path.display()))
                .hint("git config core.hooksPath says where hooks are"));
        }
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let own = [Some(top.to_owned()), git::main_toplevel(top)?, git::common_folder(top)?];
        let folder = real(&path);
        let shared = !own.into_iter().flatten().any(|own| folder.starts_with(real(&own)));
        Ok(Self { path, shared })
    }

    fn hook(&self) -> PathBuf {
        self.path.join(NAME)
    }

    fn before(&self) -> PathBuf {
        self.path.join(BEFORE)
    }

    fn state(&self) -> Result<State> {
        let hook = self.hook();
        let cannot = |e: std::io::Error| Error::failed(format!("cannot read {}: {e}", hook.display()));
        match hook.symlink_metadata() {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(State::Nothing),
            Err(e) => return Err(cannot(e)),
            // Whatever a link leads to, it is not what we have made.
            Ok(found) if !found.is_file() => return Ok(State::Other),
            Ok(_) => {}
        }
        let bytes = fs::read(&hook).map_err(cannot)?;
        Ok(match bytes {
            bytes if bytes == SCRIPT.as_bytes() => State::Ours,
            bytes if bytes.windows(MARK.len()).any(|window| window == MARK) => State::Changed,
            _ => State::Other,
        })
    }

    fn install(&self) -> Result<(&'static str, Option<String>)> {
        match self.state()? {
            State::Ours => {
                make_executable(&self.hook())?;
                return Ok(("installed", Some("the hook was installed already".to_owned())));
            }
            State::Changed => return Err(self.changed()),
            State::Other => {
                if self.before().symlink_metadata().is_ok() {
                    return Err(Error::failed(format!(
                        "{} is not ours, and there is a {BEFORE} beside it already",
                        self.hook().display()
                    ))
                    .hint("one of the two has to go: nothing was changed"));
                }
                fs::rename(self.hook(), self.before()).map_err(|e| cannot_write(&self.hook(), &e))?;
            }
            // One that is kept from before waits for ours.
            State::Nothing => {}
        }
        self.write().inspect_err(|_| {
            // The other hook goes on working.
            if self.hook().symlink_metadata().is_err() {
                let _ = fs::rename(self.before(), self.hook());
            }
        })?;
        Ok(("installed", None))
    }

    fn write(&self) -> Result<()> {
        let hook = self.hook();
        let cannot = |e: std::io::Error| cannot_write(&hook, &e);
        fs::create_dir_all(&self.path).map_err(cannot)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let mut file = builder.prefix(".promptos-").tempfile_in(&self.path).map_err(cannot)?;
        file.write_all(SCRIPT.as_bytes()).map_err(cannot)?;
        file.as_file().sync_all().map_err(cannot)?;
        file.persist_noclobber(&hook).map_err(|e| cannot(e.error))?;
        Ok(())
    }

    fn uninstall(&self) -> Result<(&'static str, Option<String>)> {
        match self.state()? {
            State::Nothing => return Ok(("not installed", Some("there was no hook".to_owned()))),
            State::Other => return Ok(("another hook", Some("this hook is not ours; it stays".to_owned()))),
            State::Changed => return Err(self.changed()),
            State::Ours => {}
        }
        let cannot = |e: std::io::Error| cannot_write(&self.hook(), &e);
        if self.before().symlink_metadata().is_ok() {
            fs::rename(self.before(), self.hook()).map_err(cannot)?;
            return Ok(("removed", Some("the hook that was there before is back".to_owned())));
        }
        fs::remove_file(self.hook()).map_err(cannot)?;
        Ok(("removed", None))
    }

    fn changed(&self) -> Error {
        Error::failed(format!("{} was ours, and somebody has changed it", self.hook().display()))
            .hint("move what was added elsewhere and delete the file; nothing was changed now")
    }
}

fn cannot_write(path: &Path, e: &std::io::Error) -> Error {
    Error::failed(format!("cannot change {}: {e}", path.display()))
}

/// Git passes over a hook that may not be executed.
fn make_executable(hook: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let cannot = |e: std::io::Error| cannot_write(hook, &e);
        let mode = hook.metadata().map_err(cannot)?.permissions().mode();
        if mode & 0o100 == 0 {
            fs::set_permissions(hook, fs::Permissions::from_mode(mode | 0o111)).map_err(cannot)?;
        }
    }
    Ok(())
}
