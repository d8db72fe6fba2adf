//! The rules, applied to one file or to a folder of them.

use super::dialect;
use super::finding::{self, Finding, quoted};
use super::parse::{self, Parsed, Refusal, Source};
use super::prompt::{Dialect, Input, Layer, Prompt};
use super::resolve::Catalog;
use super::secrets;
use super::source::{Content, Source as Files};
use super::text::{Fenced, Position};
use super::walk;
use super::{contract, fields, paths};
use super::{tags, template};
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::Path;

/// Most findings of one rule in one file. More tell nobody anything, and placing each takes time.
const MOST: usize = 100;

/// What came of looking at a file or folder.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many files were prompts, or meant as prompts.
    pub prompts: usize,
    /// How many Markdown files were something else and were left alone.
    pub documents: usize,
    /// Everything found, by path and place.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether there is an error among the findings.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Lints one file that is meant as a prompt. `path` is how findings name it and, for a TNH prompt without a `key`,
/// its id. Findings come ordered by place.
#[must_use]
pub fn lint_file(path: &Path, bytes: &[u8]) -> Vec<Finding> {
    let mut findings = match parse::examine(Layer::Workspace, path, bytes) {
        Ok(source) => lint_prompt(path, &source),
        Err(Refusal::Broken(problem)) => problem.findings,
        Err(Refusal::Document(finding)) => vec![finding],
    };
    if findings.iter().all(|finding| finding.code != finding::FILE_TOO_LARGE.code) {
        check_text(path, &String::from_utf8_lossy(bytes), &mut findings);
    }
    sort(&mut findings);
    findings
}

/// Lints one file, or every prompt below a folder. In a folder, Markdown files that are no prompts are counted and
/// left alone; a file named outright must be a prompt.
///
/// # Errors
/// If `path` does not exist or cannot be read.
pub fn lint_path(path: &Path) -> Result<Report> {
    if path.is_dir() {
        return lint_source(&Files::folder(Layer::Workspace, path));
    }
    let findings = match walk::read(path, path) {
        Content::Bytes(bytes) => lint_file(path, &bytes),
        Content::TooLarge(_) => vec![parse::too_large(path)],
        Content::Not(finding) => {
            return Err(Error::failed(format!("{}: {}", path.display(), finding.message)));
        }
    };
    Ok(Report { prompts: 1, documents: 0, findings })
}

/// Lints every prompt of a source, as [`lint_path`] does for a folder.
///
/// # Errors
/// If the source does not exist or cannot be read.
pub fn lint_source(source: &Files) -> Result<Report> {
    let mut report = Report::default();
    let mut prompts = Vec::new();
    source.visit(&mut |file| {
        let findings = match file.parse(source.layer) {
            Parsed::Document => {
                report.documents += 1;
                return;
            }
            Parsed::Prompt(prompt) => {
                let findings = lint_file(&file.path, &prompt.bytes);
                prompts.push(*prompt);
                findings
            }
            Parsed::Broken(problem) => {
                let mut findings = problem.findings;
                if let Content::Bytes(bytes) = &file.content {
                    check_text(&file.path, &String::from_utf8_lossy(bytes), &mut findings);
                    sort(&mut findings);
                }
                findings
            }
        };
        report.prompts += 1;
        report.findings.extend(findings);
    })?;
    report.findings.extend(Catalog::of(prompts).findings());
    for finding in &mut report.findings {
        finding.path = source.shown(&finding.path);
    }
    report.findings.sort_by(|a, b| a.path.cmp(&b.path)); // stable: places stay in order
    Ok(report)
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (a.line, a.column, a.code).cmp(&(b.line, b.column, b.code)));
}

fn lint_prompt(path: &Path, source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let start = Position { line: source.yaml_line, column: 1 };
    fields::check(source.prompt.dialect, &source.frontmatter, start, path, &mut findings);
    if source.prompt.dialect == Dialect::Oa05 {
        contract::check(&source.prompt, &source.frontmatter, path, &mut findings);
    }
    check_block(path, source, &mut findings);
    check_template(path, source, &mut findings);
    findings
}

fn check_block(path: &Path, source: &Source<'_>, findings: &mut Vec<Finding>) {
    match &source.block {
        Some(Fenced::Unterminated(offset)) => findings.push(
            Finding::new(
                finding::TEMPLATE_BLOCK,
                path,
                Position::of(source.text, *offset),
                "the fenced block under `## Prompt` is never closed",
            )
            .hint("close it with a line of backticks as long as the opening one"),
        ),
        Some(_) => findings.push(
            Finding::new(
                finding::TEMPLATE_BLOCK,
                path,
                source.prompt.places.template,
                "there is no fenced block under a `## Prompt` heading; the whole body is taken as the prompt",
            )
            .lenient(),
        ),
        None => {}
    }
}

fn check_template(path: &Path, source: &Source<'_>, findings: &mut Vec<Finding>) {
    let prompt = &source.prompt;
    let template_at = prompt.places.template;
    if prompt.template.trim().is_empty() {
        findings.push(
            Finding::new(finding::TEMPLATE_EMPTY, path, template_at, "there is no prompt text")
                .hint("write the prompt below the frontmatter"),
        );
        return;
    }
    if !prompt.is_template() {
        return;
    }
    let reaching = |tag: &&tags::Tag<'_>| ["include", "import", "from", "extends"].contains(&tag.keyword());
    for tag in tags::tags(&prompt.template).iter().filter(reaching).take(MOST) {
        let at = in_file(template_at, Position::of(&prompt.template, tag.offset));
        let message = format!("`{{% {} %}}` reaches outside the prompt", tag.keyword());
        findings.push(
            Finding::new(finding::TEMPLATE_INCLUDE, path, at, message)
                .hint("put the text into this file, or pass it as an input"),
        );
    }
    match template::check(&prompt.template) {
        Ok(uses) => check_inputs(path, prompt, &uses, findings),
        Err(error) => {
            let at = in_file(template_at, error.at);
            findings.push(Finding::new(finding::TEMPLATE_SYNTAX, path, at, error.message));
        }
    }
}

/// Compares the declared inputs with those that the template uses.
fn check_inputs(path: &Path, prompt: &Prompt, uses: &template::Uses, findings: &mut Vec<Finding>) {
    if prompt.dialect == Dialect::PromptOs {
        return; // nothing is declared by name
    }
    let template_at = prompt.places.template;
    let tnh = prompt.dialect == Dialect::Tnh;
    let declared = |name: &str| {
        prompt.inputs.iter().any(|input| input.name == name) || (tnh && name == dialect::TNH_INPUT)
    };
    for name in uses.variables.iter().filter(|name| !declared(name)).take(MOST) {
        let at = in_file(template_at, template::place_of(&prompt.template, name));
        let message = format!("the template uses {}, which is no declared input", quoted(name));
        let finding = Finding::new(finding::INPUT_UNDECLARED, path, at, message)
            .hint(format!("declare {} under `inputs`", quoted(name)));
        findings.push(if tnh { finding.lenient() } else { finding });
    }
    let unused = |input: &&Input| !uses.variables.contains(&input.name);
    for input in prompt.inputs.iter().filter(unused).take(MOST) {
        let at = prompt.places.inputs.get(&input.name).copied().unwrap_or(template_at);
        let message = format!("the input {} is not used by the template", quoted(&input.name));
        findings.push(Finding::new(finding::INPUT_UNUSED, path, at, message));
    }
}

/// A place in the template as a place in the file.
fn in_file(template_at: Position, at: Position) -> Position {
    let column = if at.line == 1 { template_at.column + at.column - 1 } else { at.column };
    Position { line: template_at.line + at.line - 1, column }
}

/// What must not stand anywhere in a file.
fn check_text(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    for hit in secrets::scan(text) {
        let at = Position { line: hit.line, column: hit.column };
        let message = format!("this looks like {}: {}", hit.kind, hit.shown);
        findings.push(
            Finding::new(finding::SECRET, path, at, message)
                .hint("remove it and revoke it; pass it at run time, outside the prompt"),
        );
    }
    for (at, shown) in paths::personal(text).take(MOST) {
        let message = format!("{} is a path in someone's home directory", quoted(shown));
        findings.push(
            Finding::new(finding::PERSONAL_PATH, path, at, message)
                .hint("use a path relative to the repository, or an input"),
        );
    }
}
