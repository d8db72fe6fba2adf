//! Where a command takes its prompts from.

use super::context::Context;
use super::{git, lookup};
use clap::Args;
use promptos::catalog::{Catalog, Layer, Located, Locator, Origin, Source};
use promptos::error::{Error, Result};
use promptos::git::Git;
use promptos::session::Settings;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The option of every command that takes its prompts from a catalog.
#[derive(Args)]
pub(crate) struct CatalogOption {
    /// The catalog in the place of the project's: a folder, git:REV[:PATH], ledger[:ENTRY], snapshot:NAME, built-in
    #[arg(long = "catalog", value_name = "LOCATOR")]
    locator: Option<OsString>,
}

impl CatalogOption {
    pub(crate) fn locator(&self) -> Result<Option<Locator>> {
        self.locator.as_deref().map(Locator::parse).transpose()
    }
}

impl Context<'_> {
    /// Every prompt: the project's or the named catalog's, the user's, the built-in ones.
    pub(crate) fn catalog_from(&self, locator: Option<&Locator>) -> Result<Catalog> {
        let (sources, built_in) = self.sources(locator)?;
        Catalog::load(&sources, built_in)
    }

    /// The catalog that everybody who works on the project has, without the user's own prompts, and its folder,
    /// unless it is a revision of a git repository.
    pub(crate) fn project_catalog(&self) -> Result<(Catalog, Option<PathBuf>)> {
        let source = self.workspace(None)?;
        let folder = source.as_ref().and_then(|source| match &source.origin {
            Origin::Folder(folder) => Some(folder.clone()),
            _ => None,
        });
        Ok((Catalog::load(source.as_slice(), self.settings()?.catalog.builtin)?, folder))
    }

    /// The sources above the built-in gates, and whether those come last.
    pub(crate) fn sources(&self, locator: Option<&Locator>) -> Result<(Vec<Source>, bool)> {
        let workspace = self.workspace(locator)?;
        let user = self.user_catalog().map(|root| Source::folder(Layer::User, root));
        let built_in = self.settings()?.catalog.builtin && locator != Some(&Locator::BuiltIn);
        Ok((workspace.into_iter().chain(user).collect(), built_in))
    }

    /// The highest layer: the project's own prompts, or what a locator names. `None` when the default folder is
    /// not there.
    pub(crate) fn workspace(&self, locator: Option<&Locator>) -> Result<Option<Source>> {
        let held = |name, files| Ok(Origin::Held { name, files });
        let origin = match locator {
            None => match self.git_catalog()? {
                Some(origin) => Ok(origin),
                None => {
                    let folder = self.workspace_catalog()?;
                    return Ok(folder.map(|root| Source::folder(Layer::Workspace, root)));
                }
            },
            Some(Locator::Folder(folder)) => Ok(Origin::Folder(self.dir.join(folder))),
            Some(Locator::Git { revision, folder }) => self.revision(revision, folder.as_deref()),
            Some(Locator::Ledger(None)) => {
                let ledger = self.read()?;
                let size = ledger.head()?.size;
                held(format!("ledger:{}", size.saturating_sub(1)), ledger.bound_prompts(size)?)
            }
            Some(Locator::Ledger(Some(entry))) => {
                let ledger = self.read()?;
                let entry = lookup::entry(&ledger, entry)?;
                held(format!("ledger:{}", entry.index), ledger.bound_prompts(entry.index + 1)?)
            }
            Some(Locator::Snapshot(name)) => {
                let ledger = self.read()?;
                let entry = ledger.by_subject(&format!("snapshot/{name}"))?.into_iter().next();
                let entry = entry.ok_or_else(|| {
                    let shown = super::ui::one_line(name, 80);
                    Error::failed(format!("there is no snapshot '{shown}' in the ledger '{}'", ledger.name()))
                        .hint("promptos log --kind snapshot lists them")
                })?;
                held(format!("snapshot:{name}"), ledger.snapshot_prompts(&entry)?)
            }
            Some(Locator::BuiltIn) => Ok(Origin::BuiltIn),
        };
        Ok(Some(Source { layer: Layer::Workspace, origin: origin? }))
    }

    /// The project's catalog, when the settings say that it is a revision of a git repository.
    fn git_catalog(&self) -> Result<Option<Origin>> {
        let settings = self.settings()?.catalog;
        let Some(clone) = settings.git else {
            return match settings.revision {
                None => Ok(None),
                Some(_) => Err(Error::failed("[catalog] revision says which, but not of what")
                    .hint(format!("add git = \"CLONE\" to [catalog] in {}", Settings::FILE))),
            };
        };
        let revision = settings.revision.unwrap_or_else(|| "HEAD".to_owned());
        Ok(Some(Origin::Git { repository: self.root()?.join(clone), revision, folder: settings.path }))
    }

    /// A revision of the configured repository, else of the one that the project is in.
    fn revision(&self, revision: &str, folder: Option<&Path>) -> Result<Origin> {
        let revision = revision.to_owned();
        if let Some(Origin::Git { repository, folder: configured, .. }) = self.git_catalog()? {
            return Ok(Origin::Git {
                repository,
                revision,
                folder: folder.map_or(configured, Path::to_owned),
            });
        }
        let repository = git::toplevel(&self.dir)?.ok_or_else(|| {
            Error::failed(format!("{} is in no work tree of git, so it has no revisions", self.dir.display()))
        })?;
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => {
                let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
                let default = real(self.root()?).join(self.settings()?.catalog.path);
                let inside = default.strip_prefix(real(repository.clone())).map(Path::to_owned);
                inside.map_err(|_| {
                    Error::failed(format!("the catalog {} is not in the repository", default.display()))
                        .hint("name the folder: git:REV:PATH, relative to the root of the repository")
                })?
            }
        };
        Ok(Origin::Git { repository, revision, folder })
    }

    /// What a session says of the catalog that it took its prompts from.
    pub(crate) fn catalog_version(&self, catalog: &Catalog, locator: Option<&Locator>) -> Result<String> {
        let workspace = catalog.located().iter().find(|located| located.layer == Layer::Workspace);
        let name = match (workspace, locator) {
            (Some(Located { commit: Some(commit), .. }), _) => {
                let tag = match self.workspace(locator)? {
                    Some(Source { origin: Origin::Git { repository, .. }, .. }) => {
                        Git::open(&repository)?.describe(commit)?.filter(|tag| git::is_version(tag))
                    }
                    _ => None,
                };
                tag.or_else(|| Some(format!("git:{commit}")))
            }
            (Some(located), Some(Locator::Ledger(_) | Locator::Snapshot(_) | Locator::BuiltIn)) => {
                Some(located.name.clone())
            }
            (_, Some(Locator::Folder(folder))) => git::describe(&self.dir.join(folder))?,
            _ => return super::version::catalog(self),
        };
        Ok(name.filter(|name| git::is_version(name)).unwrap_or_else(|| "UNRELEASED".to_owned()))
    }

    /// The place of a source as a person would write it from here.
    pub(crate) fn shown_source(&self, located: &Located) -> String {
        let path = Path::new(&located.name);
        if path.is_absolute() { self.shown(path) } else { super::ui::safe(&located.name) }
    }
}
