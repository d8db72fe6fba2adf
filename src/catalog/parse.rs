//! From the bytes of a file to a [`Prompt`], or to the reason why it is none.

use super::dialect;
use super::finding::{self, Finding};
use super::prompt::{Dialect, Layer, Prompt};
use super::text::{self, Fenced, Position, Split};
use crate::yaml::{self, Node};
use std::path::{Path, PathBuf};

/// The largest prompt file, in bytes.
pub const MAX_PROMPT_BYTES: u64 = 10 * 1024 * 1024;

/// What a Markdown file turned out to be.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// A prompt. It may still have lint findings.
    Prompt(Box<Prompt>),
    /// No prompt and not meant as one: no frontmatter, or that of another kind of document.
    Document,
    /// Meant as a prompt, but unusable.
    Broken(Problem),
}

/// A file that looks like a prompt and cannot be used as one.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which layer holds it.
    pub layer: Layer,
    /// Its path relative to the root of its catalog.
    pub path: PathBuf,
    /// The id that it seems to claim. Resolving that id must not fall back to a lower layer.
    pub claimed_id: Option<String>,
    /// Why it is unusable; never empty.
    pub findings: Vec<Finding>,
}

/// Reads one file. `path` is relative to the root of its catalog; it appears in findings, and without its suffix
/// it is the id of a TNH prompt that has no `key`.
#[must_use]
pub fn parse(layer: Layer, path: &Path, bytes: &[u8]) -> Parsed {
    match examine(layer, path, bytes) {
        Ok(source) => Parsed::Prompt(Box::new(source.prompt)),
        Err(Refusal::Document(_)) => Parsed::Document,
        Err(Refusal::Broken(problem)) => Parsed::Broken(problem),
    }
}

/// Reads a file that someone says is a prompt: as [`parse`] does, and one without a prompt's frontmatter as
/// [`Dialect::Plain`]. Its id is its path without the suffix, its version 1, its inputs are what the template uses,
/// and the fields of its frontmatter that bear their names are defaults.
#[must_use]
pub fn parse_any(layer: Layer, path: &Path, bytes: &[u8]) -> Parsed {
    match examine(layer, path, bytes) {
        Err(Refusal::Document(finding)) => match examine_plain(layer, path, bytes) {
            Ok(prompt) => Parsed::Prompt(Box::new(prompt)),
            Err(findings) => {
                let findings = if findings.is_empty() { vec![finding] } else { findings };
                Parsed::Broken(Problem { layer, path: path.to_owned(), claimed_id: None, findings })
            }
        },
        Ok(source) => Parsed::Prompt(Box::new(source.prompt)),
        Err(Refusal::Broken(problem)) => Parsed::Broken(problem),
    }
}

/// Reads what is no prompt by its frontmatter. No findings: the reason that [`examine`] gave stands.
fn examine_plain(layer: Layer, path: &Path, bytes: &[u8]) -> Result<Prompt, Vec<Finding>> {
    let unusable = |_| Vec::new();
    if bytes.len() as u64 > MAX_PROMPT_BYTES {
        return Err(Vec::new());
    }
    let text = text::without_bom(std::str::from_utf8(bytes).map_err(|_| Vec::new())?);
    let nothing = Node { value: yaml::Value::Map(Vec::new()), at: Position::START, span: None };
    let (root, start, body) = match text::split(text) {
        Split::Parts { yaml, yaml_line, body } => {
            let root = yaml::parse(text.get(yaml).unwrap_or_default(), yaml_line).map_err(unusable)?;
            let root = match root.value {
                yaml::Value::Map(_) => root,
                _ if root.is_empty() => nothing,
                _ => return Err(Vec::new()),
            };
            (root, Position { line: yaml_line, column: 1 }, body)
        }
        // A rule at the top of a text.
        Split::NoFrontmatter | Split::Unterminated { .. } => (nothing, Position::START, 0..text.len()),
    };
    let origin = dialect::Origin::new((layer, path, bytes), start, text, skip_blank(text, body));
    dialect::read(Dialect::Plain, &root, origin)
}

/// A prompt together with what lint needs to point at its parts.
pub(crate) struct Source<'a> {
    pub(crate) prompt: Prompt,
    /// The file without its byte order mark.
    pub(crate) text: &'a str,
    pub(crate) frontmatter: Node,
    pub(crate) yaml: &'a str,
    /// Where the YAML begins: in bytes from the beginning of the file, and on which line.
    pub(crate) yaml_start: usize,
    pub(crate) yaml_line: usize,
    /// What is wrong with the fenced block of a PromptOS prompt.
    pub(crate) block: Option<Fenced>,
}

impl Source<'_> {
    /// A scalar as it is written, quotes included.
    pub(crate) fn written(&self, node: &Node) -> Option<&str> {
        self.yaml.get(node.span.clone()?)
    }
}

/// Why a file is not a prompt.
pub(crate) enum Refusal {
    /// Nothing says that it was meant as one; the finding is for someone who said so by naming the file.
    Document(Finding),
    Broken(Problem),
}

pub(crate) fn examine<'a>(layer: Layer, path: &Path, bytes: &'a [u8]) -> Result<Source<'a>, Refusal> {
    let refuse = |guess: Guess, finding: Finding| match guess {
        Guess::Document => Refusal::Document(finding),
        Guess::Prompt(claimed_id) => {
            Refusal::Broken(Problem { layer, path: path.to_owned(), claimed_id, findings: vec![finding] })
        }
    };
    if bytes.len() as u64 > MAX_PROMPT_BYTES {
        return Err(refuse(guess(bytes), too_large(path)));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text::without_bom(text),
        Err(error) => return Err(refuse(guess(bytes), not_utf8(path, bytes, error.valid_up_to()))),
    };
    let (yaml_range, yaml_line, body) = match text::split(text) {
        Split::Parts { yaml, yaml_line, body } => (yaml, yaml_line, body),
        Split::NoFrontmatter => {
            let finding = Finding::new(
                finding::FRONTMATTER_MISSING,
                path,
                Position::START,
                "the file has no frontmatter",
            )
            .hint("begin the file with a `---` line, the prompt's fields, and another `---` line");
            return Err(Refusal::Document(finding));
        }
        Split::Unterminated { open_line } => {
            let at = Position { line: open_line, column: 1 };
            let finding =
                Finding::new(finding::FRONTMATTER_UNTERMINATED, path, at, "the frontmatter is never closed")
                    .hint("add a line that is exactly `---` after the last field");
            return Err(refuse(guess(bytes), finding));
        }
    };
    let yaml_start = bytes.len() - text.len() + yaml_range.start;
    let yaml = text.get(yaml_range).unwrap_or_default();
    let frontmatter = yaml::parse(yaml, yaml_line).map_err(|error| {
        refuse(guess(bytes), Finding::new(finding::FRONTMATTER_SYNTAX, path, error.at, error.message))
    })?;
    if !matches!(frontmatter.value, yaml::Value::Map(_)) && !frontmatter.is_empty() {
        let message = format!("the frontmatter is {}, not a mapping", frontmatter.describe());
        let finding = Finding::new(finding::FRONTMATTER_SHAPE, path, frontmatter.at, message)
            .hint("write one `key: value` per line");
        return Err(refuse(guess(bytes), finding));
    }
    let start = Position { line: yaml_line, column: 1 };
    let Some(dialect) = dialect::detect(|key| frontmatter.get(key).is_some()) else {
        let finding = Finding::new(
            finding::FRONTMATTER_UNRECOGNIZED,
            path,
            start,
            "the frontmatter is not that of a prompt",
        )
        .hint("a prompt has at least `prompt_id` and `version`");
        return Err(Refusal::Document(finding));
    };
    let (block, range) = match dialect {
        Dialect::PromptOs => match text::fenced_under(text, body.clone(), "Prompt") {
            Fenced::Block(range) => (None, range),
            missing => (Some(missing), skip_blank(text, body)),
        },
        Dialect::Oa05 | Dialect::Tnh | Dialect::Plain => (None, skip_blank(text, body)),
    };
    let origin = dialect::Origin::new((layer, path, bytes), start, text, range);
    match dialect::read(dialect, &frontmatter, origin) {
        Ok(prompt) => Ok(Source { prompt, text, frontmatter, yaml, yaml_start, yaml_line, block }),
        Err(findings) => {
            let claimed_id = dialect::claimed_id(&frontmatter);
            Err(Refusal::Broken(Problem { layer, path: path.to_owned(), claimed_id, findings }))
        }
    }
}

fn skip_blank(text: &str, body: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let content = text.get(body.clone()).unwrap_or_default();
    body.start + content.len() - content.trim_start().len()..body.end
}

/// Whether unusable bytes were meant as a prompt.
pub(crate) enum Guess {
    Document,
    /// With the id that they seem to claim.
    Prompt(Option<String>),
}

/// Looks for the keys of a prompt line by line, for files that no YAML parser can read.
pub(crate) fn guess(bytes: &[u8]) -> Guess {
    // Frontmatter stands at the beginning, and UTF-16 is ASCII with zeros in between.
    let start: Vec<u8> = bytes.iter().take(64 * 1024).copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&start);
    let text = text.trim_start_matches(['\u{feff}', '\u{fffd}']);
    let yaml = match text::split(text) {
        Split::Parts { yaml, .. } => text.get(yaml).unwrap_or_default(),
        Split::Unterminated { .. } => text,
        Split::NoFrontmatter => return Guess::Document,
    };
    let fields: Vec<(&str, &str)> = yaml
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '-']))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    if dialect::detect(|wanted| fields.iter().any(|(key, _)| *key == wanted)).is_none() {
        return Guess::Document;
    }
    let value_of = |wanted| fields.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
    let id = value_of("prompt_id").or_else(|| value_of("key")).map(|value| {
        let value = value.split(" #").next().unwrap_or_default();
        // Whatever broke the YAML may stand around the id.
        value.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
    });
    Guess::Prompt(id.filter(|id| !id.is_empty()))
}

/// The finding for a file above [`MAX_PROMPT_BYTES`].
pub(crate) fn too_large(path: &Path) -> Finding {
    Finding::new(finding::FILE_TOO_LARGE, path, Position::START, "the file is larger than 10 MB")
        .hint("split it, or move it out of the catalog")
}

fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Finding {
    let before = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let message = if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        "the file is UTF-16, not UTF-8".to_owned()
    } else {
        format!("byte {valid} is not UTF-8")
    };
    let before = text::without_bom(&before);
    Finding::new(finding::FILE_NOT_UTF8, path, Position::of(before, before.len()), message)
        .hint("save the file as UTF-8")
}
