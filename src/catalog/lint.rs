//! Lint over a file, a folder or any other source of files.

use super::allow::{self, Judged};
use super::check;
use super::contract;
use super::excerpt;
use super::finding::{self, Finding};
use super::fix::{self, FixedFile};
use super::parse::{self, Parsed, Refusal};
use super::prompt::Layer;
use super::resolve;
use super::schema::Schemas;
use super::secrets;
use super::source::{Content, Origin, Source as Files};
use super::text;
use super::walk;
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What came of looking at files.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many files were prompts, or meant as prompts.
    pub prompts: usize,
    /// How many Markdown files were something else and were left alone.
    pub documents: usize,
    /// Everything found, by path and place.
    pub findings: Vec<Finding>,
    /// What was found and is allowed by the file itself, with the reason.
    pub allowed: Vec<Finding>,
    /// The files that were changed. What was put right in them is not among the findings.
    pub fixed: Vec<FixedFile>,
}

impl Report {
    /// Whether there is an error among the findings.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }

    /// Takes over what another report says.
    pub fn append(&mut self, other: Self) {
        self.prompts += other.prompts;
        self.documents += other.documents;
        self.findings.extend(other.findings);
        self.allowed.extend(other.allowed);
        self.fixed.extend(other.fixed);
    }
}

/// How to go about it.
pub struct Options<'a> {
    /// Put right in the files what can be: see [`super::fix()`].
    pub fix: bool,
    /// Is told how many files are done, and of how many, if that is known.
    pub progress: &'a mut dyn FnMut(usize, Option<usize>),
    /// Where the schemas are that prompts name; `None` if that does not matter.
    pub schemas: Option<&'a Schemas>,
}

/// Lints one file that is meant as a prompt. `path` is how findings name it and, for a TNH prompt without a `key`,
/// its id. Findings come ordered by place; those that the file allows are left out.
#[must_use]
pub fn lint_file(path: &Path, bytes: &[u8]) -> Vec<Finding> {
    examine(path, bytes, None).judged.open
}

/// The same, and whether the schemas that it names are there.
#[must_use]
pub fn lint_file_with(path: &Path, bytes: &[u8], schemas: &Schemas) -> Vec<Finding> {
    examine(path, bytes, Some(schemas)).judged.open
}

/// Lints one file, or every prompt below a folder. In a folder, Markdown files that are no prompts are counted and
/// left alone; a file named outright must be a prompt.
///
/// # Errors
/// If `path` does not exist or cannot be read.
pub fn lint_path(path: &Path) -> Result<Report> {
    lint_path_with(path, &mut Options { fix: false, progress: &mut |_, _| {}, schemas: None })
}

/// [`lint_path`] with options.
///
/// # Errors
/// As [`lint_path`], and if a file that was put right cannot be written.
pub fn lint_path_with(path: &Path, options: &mut Options<'_>) -> Result<Report> {
    if path.is_dir() {
        return lint_source_with(&Files::folder(Layer::Workspace, path), options);
    }
    let mut report = Report { prompts: 1, ..Report::default() };
    match walk::read(path, path) {
        Content::Bytes(mut bytes) => {
            if options.fix {
                report.fixed.extend(fix::fix_file(path, &mut bytes)?);
            }
            let judged = examine(path, &bytes, options.schemas).judged;
            (report.findings, report.allowed) = (judged.open, judged.allowed);
        }
        Content::TooLarge(_) => report.findings.push(parse::too_large(path)),
        Content::Not(finding) => {
            return Err(Error::failed(format!("{}: {}", path.display(), finding.message)));
        }
    }
    Ok(report)
}

/// Lints every prompt of a source, as [`lint_path`] does for a folder.
///
/// # Errors
/// If the source does not exist or cannot be read.
pub fn lint_source(source: &Files) -> Result<Report> {
    lint_source_with(source, &mut Options { fix: false, progress: &mut |_, _| {}, schemas: None })
}

/// [`lint_source`] with options. Only files of folders are put right. One file at a time is held.
///
/// # Errors
/// As [`lint_source`], and if a file that was put right cannot be written.
pub fn lint_source_with(source: &Files, options: &mut Options<'_>) -> Result<Report> {
    let folder = match &source.origin {
        Origin::Folder(root) => Some(root),
        _ => None,
    };
    let total = folder.and_then(|root| walk::count(root));
    let mut report = Report::default();
    let mut refs = Refs::default();
    let mut failure = None;
    let mut done = 0;
    source.visit(&mut |mut file| {
        let shown = source.shown(&file.path);
        let problem = match file.parse(source.layer) {
            Parsed::Document => {
                report.documents += 1;
                None
            }
            Parsed::Prompt(_) => Some(Vec::new()),
            Parsed::Broken(problem) => Some(problem.findings),
        };
        if let Some(findings) = problem {
            report.prompts += 1;
            let mut judged = Judged { open: findings, allowed: Vec::new() };
            if let Content::Bytes(bytes) = &mut file.content {
                if let Some(root) = folder.filter(|_| options.fix) {
                    match fix::fix_file(&root.join(&file.path), bytes) {
                        Ok(fixed) => report.fixed.extend(fixed),
                        Err(error) => failure = failure.take().or(Some(error)),
                    }
                }
                let mut examined = examine(&file.path, bytes, options.schemas);
                // What the source itself objects to, no look at the bytes can find.
                let known = |finding: &Finding| {
                    let found = examined.judged.open.iter();
                    found.clone().any(|other| (other.code, other.line) == (finding.code, finding.line))
                };
                judged.open.retain(|finding| !known(finding));
                if !examined.document {
                    judged.open.append(&mut examined.judged.open);
                    judged.allowed = examined.judged.allowed;
                }
                judged.open.extend(
                    examined.reference.and_then(|reference| refs.clash(reference, bytes, &file.path)),
                );
            }
            for finding in judged.open.iter_mut().chain(&mut judged.allowed) {
                finding.path.clone_from(&shown);
            }
            report.findings.append(&mut judged.open);
            report.allowed.append(&mut judged.allowed);
        }
        done += 1;
        (options.progress)(done, total);
    })?;
    match failure {
        Some(error) => Err(error),
        None => Ok(report),
    }
}

/// What each ref of a source stands for, without keeping the bytes.
#[derive(Default)]
struct Refs(HashMap<String, (blake3::Hash, PathBuf)>);

impl Refs {
    /// The finding for a file whose ref an earlier one has with other bytes.
    fn clash(&mut self, reference: String, bytes: &[u8], path: &Path) -> Option<Finding> {
        let digest = blake3::hash(bytes);
        match self.0.get(&reference) {
            Some((first, _)) if *first == digest => None,
            Some((_, first)) => Some(resolve::clash(&reference, first, path)),
            None => {
                self.0.insert(reference, (digest, path.to_owned()));
                None
            }
        }
    }
}

/// One file, looked at.
struct Examined {
    /// The prompt's ref, if it is a prompt.
    reference: Option<String>,
    /// Nothing says that it was meant as a prompt.
    document: bool,
    judged: Judged,
}

fn examine(path: &Path, bytes: &[u8], schemas: Option<&Schemas>) -> Examined {
    let text = String::from_utf8_lossy(bytes);
    let (mut judged, mut reference, mut document) = (Judged::default(), None, false);
    let mut hits = Vec::new();
    if bytes.len() as u64 > parse::MAX_PROMPT_BYTES {
        judged.open.push(parse::too_large(path));
    } else {
        hits = secrets::scan(&text);
        let mut findings = Vec::new();
        check::text(path, &text, &hits, &mut findings);
        match parse::examine(Layer::Workspace, path, bytes) {
            Ok(source) => {
                findings.extend(check::prompt(path, &source));
                let mut skipped: &[&str] = &[finding::CONTRACT_UNRESOLVED.code];
                if let Some(schemas) = schemas {
                    contract::check_schemas(&source.frontmatter, path, schemas, &mut findings);
                    skipped = &[];
                }
                judged = allow::judge(path, &source.frontmatter, findings, skipped);
                reference = Some(source.prompt.reference());
            }
            Err(Refusal::Broken(problem)) => {
                findings.extend(problem.findings);
                judged.open = findings;
            }
            Err(Refusal::Document(finding)) => {
                findings.push(finding);
                (judged.open, document) = (findings, true);
            }
        }
    }
    for findings in [&mut judged.open, &mut judged.allowed] {
        findings.sort_by(|a, b| (a.line, a.column, a.code).cmp(&(b.line, b.column, b.code)));
        excerpt::attach(text::without_bom(&text), &hits, findings);
    }
    Examined { reference, document, judged }
}
