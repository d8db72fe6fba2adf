//! Which two prompts a person means to compare.

use super::add::in_catalog;
use crate::cli::context::Context;
use crate::cli::ui::{one_line, safe};
use ledger_format::Address;
use promptos::catalog::{
    Catalog, Finding, Layer, Locator, MAX_PROMPT_BYTES, Parsed, Prompt, compare_versions, parse, parse_any,
    split_ref,
};
use promptos::error::{Error, Result};
use promptos::git::Git;
use promptos::ledger::Blob;
use std::io::Read as _;
use std::path::Path;

/// One side of a comparison.
pub(super) struct Side {
    pub(super) prompt: Prompt,
    /// Where it is from, as a person would write it.
    pub(super) place: String,
}

/// Where the two sides are looked for. A catalog that no argument needs is not read.
pub(super) struct Catalogs<'a> {
    pub(super) context: &'a Context<'a>,
    /// Of the older one, when it is another.
    pub(super) against: Option<Locator>,
    /// `None` is the project's.
    pub(super) catalog: Option<Locator>,
}

impl Catalogs<'_> {
    fn newer(&self) -> Result<Catalog> {
        self.context.catalog_from(self.catalog.as_ref())
    }

    /// The older and the newer of two that were named.
    pub(super) fn two(&self, from: &str, to: &str) -> Result<(Side, Side)> {
        if is_file(from) && is_file(to) {
            return Ok((self.file(from)?, self.file(to)?));
        }
        let catalog = self.newer()?;
        let from = match &self.against {
            _ if is_file(from) => self.file(from)?,
            Some(against) => self.older(against, from)?,
            None => self.named(&catalog, from)?,
        };
        let to = if is_file(to) { self.file(to)? } else { self.named(&catalog, to)? };
        super::warn_of_problems(self.context, &catalog);
        Ok((from, to))
    }

    /// One that was named, and what came before it: as another catalog has it, the version before it, or the same
    /// version as it was bound or committed.
    pub(super) fn one(&self, wanted: &str) -> Result<(Side, Side)> {
        if let Some(against) = &self.against {
            if is_file(wanted) {
                let to = self.file(wanted)?;
                return Ok((self.older(against, &to.prompt.id)?, to));
            }
            return Ok((self.older(against, wanted)?, self.named(&self.newer()?, wanted)?));
        }
        let catalog = self.newer()?;
        super::warn_of_problems(self.context, &catalog);
        let to = if is_file(wanted) {
            self.file(wanted)?
        } else {
            // An id stands for its newest version here, whatever its status: a draft is what one wants to compare.
            let newest = catalog.versions(wanted).last().map(|prompt| prompt.reference());
            // What claims the id and cannot be read might be newer.
            catalog.resolve(wanted)?;
            let reference = newest.unwrap_or_else(|| wanted.to_owned());
            Side::of(self.context, &catalog, catalog.resolve(&reference)?)
        };
        let before = catalog.versions(&to.prompt.id).iter().rev();
        let mut before = before.filter(|other| compare_versions(&other.version, &to.prompt.version).is_lt());
        if let Some(before) = before.next() {
            let before = Side::of(self.context, &catalog, catalog.resolve(&before.reference())?);
            return Ok((before, to));
        }
        let reference = safe(&to.prompt.reference());
        let found = match self.bound(&to.prompt)? {
            Some(bound) => Some((bound, "as the ledger bound it")),
            None => self.committed(&to.prompt)?.map(|committed| (committed, "as the last commit has it")),
        };
        let Some((from, how)) = found else {
            let what = format!("there is no version before {reference}, and nothing else to compare it with");
            return Err(Error::failed(format!("{what}: no ledger here has its bytes, and no commit has it"))
                .hint("name two prompts or files: promptos prompt diff A B")
                .hint("or another catalog: --against LOCATOR, such as git:HEAD~1 or snapshot:NAME"));
        };
        self.context.ui.note(&format!("there is no version before {reference}, so it is compared {how}"));
        Ok((from, to))
    }

    /// From the catalog of the older one.
    fn older(&self, against: &Locator, wanted: &str) -> Result<Side> {
        let catalog = self.context.catalog_from(Some(against))?;
        self.named(&catalog, wanted)
            .map_err(|error| error.hint("--against names the catalog of the older one"))
    }

    fn named(&self, catalog: &Catalog, wanted: &str) -> Result<Side> {
        let prompt = catalog.resolve(wanted)?;
        if let Some(choice) = Catalog::choice(wanted, prompt) {
            self.context.ui.note(&safe(&choice));
        }
        Ok(Side::of(self.context, catalog, prompt))
    }

    fn file(&self, path: &str) -> Result<Side> {
        let full = self.context.dir.join(path);
        let shown = one_line(path, 240);
        let cannot = |e: std::io::Error| Error::failed(format!("cannot read {shown}: {e}"));
        // Asked before opening, since opening a pipe would wait for its writer.
        if !full.metadata().map_err(cannot)?.is_file() {
            return Err(Error::failed(format!("{shown} is not a regular file")));
        }
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(&full).map_err(cannot)?;
        opened.take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
        let name = in_catalog(self.context, Path::new(path))?;
        let prompt = read(&name, &bytes, &shown)?;
        Ok(Side { prompt, place: shown })
    }

    /// The bytes to which the ledger has bound the prompt's ref.
    fn bound(&self, prompt: &Prompt) -> Result<Option<Side>> {
        let Some(ledger) = self.context.read_if_there()? else { return Ok(None) };
        self.context.check_pin(&ledger)?;
        let Some((content, entry)) = ledger.bound(&prompt.reference())? else { return Ok(None) };
        let place = format!("bound by entry {} ({})", entry.index, entry.statement.subject());
        match ledger.blob(&content)? {
            Blob::Present(bytes) => {
                let prompt = read(&prompt.path, &bytes, &place)?;
                Ok(Some(Side { prompt, place }))
            }
            // The digest alone may still tell that nothing changed.
            Blob::Erased | Blob::Missing if content == Address::of(&prompt.bytes) => {
                Ok(Some(Side { prompt: prompt.clone(), place }))
            }
            Blob::Erased | Blob::Missing => Ok(None),
        }
    }

    /// The same file in the last commit of the repository that the project's catalog is in.
    fn committed(&self, prompt: &Prompt) -> Result<Option<Side>> {
        let of_project = self.catalog.is_none() && prompt.layer == Layer::Workspace;
        let in_git = of_project
            && self.context.settings()?.catalog.git.is_none()
            && self
                .context
                .repository()?
                .is_some_and(|top| Git::open(top).and_then(|git| git.commit("HEAD")).is_ok());
        if !in_git {
            return Ok(None);
        }
        let head = Locator::Git { revision: "HEAD".to_owned(), folder: None };
        let Ok(catalog) = self.context.catalog_from(Some(&head)) else { return Ok(None) };
        let reference = prompt.reference();
        let found = catalog.resolve(&reference).ok().filter(|found| found.layer == Layer::Workspace);
        Ok(found.map(|found| Side::of(self.context, &catalog, found)))
    }
}

impl Side {
    fn of(context: &Context<'_>, catalog: &Catalog, prompt: &Prompt) -> Self {
        let located = catalog.located().iter().find(|located| located.layer == prompt.layer);
        let place = located.map(|located| context.shown_source(located)).unwrap_or_default();
        let path = one_line(&prompt.path.display().to_string(), 240);
        Self { prompt: prompt.clone(), place: format!("{place}: {path}") }
    }
}

/// Whether this is a path. What a prompt's id looks like as well is an id, unless it ends as prompt files do.
fn is_file(text: &str) -> bool {
    let is_markdown = text.to_ascii_lowercase().ends_with(".md");
    text.starts_with(['.', '/']) || (is_markdown && split_ref(text).is_none())
}

fn read(name: &Path, bytes: &[u8], place: &str) -> Result<Prompt> {
    let parsed = match parse(Layer::Workspace, name, bytes) {
        // A template without a prompt's frontmatter, since somebody says that it is a prompt.
        Parsed::Document => parse_any(Layer::Workspace, name, bytes),
        parsed => parsed,
    };
    match parsed {
        Parsed::Prompt(prompt) => Ok(*prompt),
        Parsed::Document => Err(Error::failed(format!("{place} is no prompt"))),
        Parsed::Broken(problem) => {
            let why = problem.findings.first().map(Finding::to_string).unwrap_or_default();
            Err(Error::failed(format!("{place} is no prompt that can be read: {}", one_line(&why, 400)))
                .hint("promptos lint FILE tells more"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_file;

    #[test]
    fn what_is_taken_for_a_path() {
        for path in ["./P00.md", "../x", "/tmp/x", "prompts/a.md", "A.MD", ".hidden.md"] {
            assert!(is_file(path), "{path}");
        }
        for name in ["P00", "P00.v1", "a/b", "a/b.v1.0", "x.md.v1"] {
            assert!(!is_file(name), "{name}");
        }
    }
}
