//! Where a catalog's files come from: a folder, a revision of a git repository, what the ledger holds, or this
//! program. Whatever yields paths and bytes is a source.

use super::finding::{self, Finding};
use super::parse::{self, Guess, MAX_PROMPT_BYTES, Parsed, Problem};
use super::prompt::Layer;
use super::text::Position;
use super::{builtin, tree, walk};
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its precedence.
    pub layer: Layer,
    /// Where they are.
    pub origin: Origin,
}

/// A place that holds prompt files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A folder; every file below it is looked at.
    Folder(PathBuf),
    /// A folder of a commit. Nothing is checked out.
    Git {
        /// A folder in the repository.
        repository: PathBuf,
        /// A branch, tag or commit.
        revision: String,
        /// The folder, relative to the root of the repository; empty for all of it.
        folder: PathBuf,
    },
    /// What a ledger holds.
    Held {
        /// What it is called, such as `ledger:12`.
        name: String,
        /// The files.
        files: Vec<Held>,
    },
    /// The gates that come with this program.
    BuiltIn,
}

/// A prompt file that a ledger holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Relative, `/`-separated.
    pub path: String,
    /// The ref that the bytes are bound to. Bytes that claim another one are unusable.
    pub reference: Option<String>,
    /// The bytes, checked against their address; else why they are not there, in half a sentence.
    pub content: Result<Vec<u8>, String>,
}

/// What a source turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Its precedence.
    pub layer: Layer,
    /// The place: the folder, `git:<revision>:<folder>`, the name of what is held, or `built-in`.
    pub name: String,
    /// The commit, of a git source.
    pub commit: Option<String>,
}

impl Source {
    /// A folder on disk.
    #[must_use]
    pub fn folder(layer: Layer, root: impl Into<PathBuf>) -> Self {
        Self { layer, origin: Origin::Folder(root.into()) }
    }

    /// The gates that come with this program.
    #[must_use]
    pub fn built_in() -> Self {
        Self { layer: Layer::BuiltIn, origin: Origin::BuiltIn }
    }

    /// The same, with a folder below `dir` written as from there.
    #[must_use]
    pub fn relative_to(mut self, dir: &Path) -> Self {
        if let Origin::Folder(root) = &mut self.origin
            && let Ok(below) = root.strip_prefix(dir)
        {
            *root = if below.as_os_str().is_empty() { PathBuf::from(".") } else { below.to_owned() };
        }
        self
    }

    /// The path of a file of this source as a person would open it.
    #[must_use]
    pub fn shown(&self, path: &Path) -> PathBuf {
        match &self.origin {
            Origin::Folder(root) => root.join(path),
            _ => path.to_owned(),
        }
    }

    /// Hands over every Markdown file, ordered by path, one at a time.
    ///
    /// # Errors
    /// If the place does not exist or cannot be read. Trouble with one file is in the file.
    pub(crate) fn visit(&self, take: &mut dyn FnMut(File)) -> Result<Located> {
        let located = |name: String, commit| Located { layer: self.layer, name, commit };
        match &self.origin {
            Origin::Folder(root) => {
                walk::files(root, take)?;
                Ok(located(root.display().to_string(), None))
            }
            Origin::Git { repository, revision, folder } => {
                let commit = tree::files(repository, revision, folder, take)?;
                Ok(located(format!("git:{revision}:{}", folder.display()), Some(commit)))
            }
            Origin::Held { name, files } => {
                files.iter().filter(|file| is_wanted(&file.path)).for_each(|file| take(file.open()));
                Ok(located(name.clone(), None))
            }
            Origin::BuiltIn => {
                for (path, text) in builtin::FILES {
                    let content = Content::Bytes(text.as_bytes().to_vec());
                    take(File { path: path.into(), reference: None, content });
                }
                Ok(located("built-in".to_owned(), None))
            }
        }
    }
}

impl Held {
    fn open(&self) -> File {
        let path = PathBuf::from(&self.path);
        let content = match &self.content {
            Ok(bytes) => content(bytes.clone()),
            Err(why) => Content::Not(unreadable(&path, why)),
        };
        File { path, reference: self.reference.clone(), content }
    }
}

/// A Markdown file, or why it cannot be read.
pub(crate) struct File {
    /// Relative to the root of the source.
    pub(crate) path: PathBuf,
    /// The ref that the source says it has.
    pub(crate) reference: Option<String>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Larger than any prompt; only its beginning.
    TooLarge(Vec<u8>),
    /// Not read, for this reason.
    Not(Finding),
}

impl File {
    /// What the file turned out to be.
    pub(crate) fn parse(&self, layer: Layer) -> Parsed {
        match &self.content {
            Content::Bytes(bytes) if bytes.starts_with(LFS_POINTER) => {
                let why = "it is a pointer of Git LFS, and the content is elsewhere";
                self.broken(layer, None, unreadable(&self.path, why).hint("keep prompts out of Git LFS"))
            }
            Content::Bytes(bytes) => self.confirm(parse::parse(layer, &self.path, bytes)),
            Content::TooLarge(start) => match parse::guess(start) {
                Guess::Document => Parsed::Document,
                Guess::Prompt(claimed_id) => self.broken(layer, claimed_id, parse::too_large(&self.path)),
            },
            Content::Not(finding) => self.broken(layer, None, finding.clone()),
        }
    }

    /// The same, unless the source says that this is another prompt than the bytes say.
    fn confirm(&self, parsed: Parsed) -> Parsed {
        let Some(reference) = &self.reference else { return parsed };
        let (layer, says) = match &parsed {
            Parsed::Prompt(prompt) if prompt.reference() == *reference => return parsed,
            Parsed::Prompt(prompt) => (prompt.layer, prompt.reference()),
            Parsed::Broken(_) | Parsed::Document => return parsed,
        };
        let message = format!("its bytes are bound to {reference}, and say {says}");
        self.broken(layer, None, Finding::new(finding::PROMPT_ID, &self.path, Position::START, message))
    }

    fn broken(&self, layer: Layer, claimed: Option<String>, finding: Finding) -> Parsed {
        // Who asks for another version of it is not concerned.
        let claimed_id = self.reference.clone().or(claimed);
        Parsed::Broken(Problem { layer, path: self.path.clone(), claimed_id, findings: vec![finding] })
    }
}

/// How the file begins that Git LFS leaves in the place of one that it keeps.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A file of these bytes.
pub(crate) fn content(mut bytes: Vec<u8>) -> Content {
    if bytes.len() as u64 > MAX_PROMPT_BYTES {
        bytes.truncate(64 * 1024);
        return Content::TooLarge(bytes);
    }
    Content::Bytes(bytes)
}

/// The finding for a file whose content is not to be had.
pub(crate) fn unreadable(path: &Path, why: &str) -> Finding {
    Finding::new(finding::FILE_UNREADABLE, path, Position::START, format!("the file cannot be read: {why}"))
}

/// The finding for a link, or what amounts to one, that is not followed.
pub(crate) fn not_followed(path: &Path, why: &str) -> Finding {
    Finding::new(finding::FILE_LINK, path, Position::START, why).hint("put the file itself into the catalog")
}

/// Whether a file of this `/`-separated path may be a prompt: Markdown, in no folder that is hidden or never holds
/// prompts, and below the root.
pub fn is_wanted(path: impl AsRef<[u8]>) -> bool {
    let path = path.as_ref();
    let (folders, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at), path.get(at + 1..).unwrap_or_default()),
        None => (None, path),
    };
    let mut folders = folders.into_iter().flat_map(|folders| folders.split(|byte| *byte == b'/'));
    // `..` is a hidden name as well, and a part that is empty leads to the root of all.
    let visible = |part: &[u8]| !part.is_empty() && !part.starts_with(b".");
    folders.all(|part| visible(part) && !is_skipped(part)) && visible(name) && is_markdown(name)
}

/// Folders that never hold prompts but often a great many Markdown files.
pub(crate) fn is_skipped(name: &[u8]) -> bool {
    matches!(name, b"target" | b"node_modules")
}

pub(crate) fn is_markdown(name: &[u8]) -> bool {
    let suffix = name.len().checked_sub(3).and_then(|at| name.get(at..));
    name.len() > 3 && suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b".md"))
}

/// A place as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// A folder.
    Folder(PathBuf),
    /// `git:REV` or `git:REV:PATH`.
    Git {
        /// A branch, tag or commit.
        revision: String,
        /// The folder, relative to the root of the repository.
        folder: Option<PathBuf>,
    },
    /// `ledger` or `ledger:ENTRY`.
    Ledger(Option<String>),
    /// `snapshot:NAME`.
    Snapshot(String),
    /// `built-in`.
    BuiltIn,
}

impl Locator {
    /// Reads a locator. A folder of one of the other names is written `./ledger`.
    ///
    /// # Errors
    /// Usage, when it is empty or something is missing after its first word.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let bad = |what: &str| {
            Error::usage(format!("--catalog {}: {what}", text.display())).hint(
                "a catalog is FOLDER, git:REV, git:REV:PATH, ledger, ledger:ENTRY, snapshot:NAME or built-in",
            )
        };
        let named =
            text.to_str().map(|text| text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b))));
        match named {
            Some(("", None)) => Err(bad("it is empty")),
            Some(("git", Some(rest))) => {
                let (revision, folder) =
                    rest.split_once(':').map_or((rest, None), |(a, b)| (a, Some(b.into())));
                match revision {
                    "" => Err(bad("it names no revision")),
                    _ => Ok(Self::Git { revision: revision.to_owned(), folder }),
                }
            }
            Some(("git", None)) => Err(bad("it names no revision")),
            Some(("ledger" | "snapshot", Some(""))) => Err(bad("it names nothing after the colon")),
            Some(("ledger", entry)) => Ok(Self::Ledger(entry.map(str::to_owned))),
            Some(("snapshot", Some(name))) => Ok(Self::Snapshot(name.to_owned())),
            Some(("snapshot", None)) => Err(bad("it names no snapshot")),
            Some(("built-in", None)) => Ok(Self::BuiltIn),
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locators() {
        let git = |revision: &str, folder: Option<&str>| Locator::Git {
            revision: revision.to_owned(),
            folder: folder.map(Into::into),
        };
        for (text, locator) in [
            ("prompts", Locator::Folder("prompts".into())),
            ("./ledger", Locator::Folder("./ledger".into())),
            ("C:\\prompts", Locator::Folder("C:\\prompts".into())),
            ("built-in:x", Locator::Folder("built-in:x".into())),
            ("git:v1", git("v1", None)),
            ("git:v1:", git("v1", Some(""))),
            ("git:origin/main:a/b:c", git("origin/main", Some("a/b:c"))),
            ("ledger", Locator::Ledger(None)),
            ("ledger:entry:ab", Locator::Ledger(Some("entry:ab".to_owned()))),
            ("snapshot:v1", Locator::Snapshot("v1".to_owned())),
            ("built-in", Locator::BuiltIn),
        ] {
            assert_eq!(Locator::parse(text.as_ref()).unwrap(), locator, "{text}");
        }
        for text in ["", "git", "git:", "git::x", "ledger:", "snapshot", "snapshot:"] {
            let error = Locator::parse(text.as_ref()).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Usage, "{text}");
            assert!(!error.hints().is_empty());
        }
    }

    #[test]
    fn which_files_are_looked_at() {
        for good in ["a.md", "a/b.MD", "a.b/c.md", "x/target.md", "é.md"] {
            assert!(is_wanted(good), "{good}");
        }
        for bad in [
            "a.txt",
            ".md",
            ".a.md",
            ".git/a.md",
            "a/.b/c.md",
            "../a.md",
            "a/../b.md",
            "./a.md",
            "/a.md",
            "a//b.md",
            "target/a.md",
            "a/node_modules/b.md",
            "",
            "md",
            "a/",
        ] {
            assert!(!is_wanted(bad), "{bad}");
        }
        assert!(is_wanted(b"caf\xE9.md"));
    }
}
