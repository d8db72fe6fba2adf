//! The rules, applied to one prompt.

use super::finding::{self, Finding, quoted};
use super::parse::Source;
use super::prompt::{Dialect, Input, Prompt};
use super::secrets::SecretHit;
use super::tags::{Tag, tags};
use super::text::{Fenced, Position};
use super::{contract, dialect, fields, inputs, paths, safety, template};
use std::path::Path;

/// Most findings of one rule in one file. More tell nobody anything, and placing each takes time.
const MOST: usize = 100;

/// What is wrong with a prompt, but for what must not stand in any file.
pub(crate) fn prompt(path: &Path, source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    fields::check(source, path, &mut findings);
    if matches!(source.prompt.dialect, Dialect::Oa05 | Dialect::Tnh) {
        inputs::check(source, path, &mut findings);
        contract::check(source, path, &mut findings);
    }
    safety::check(&source.prompt, path, &mut findings);
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
    let tags = tags(&prompt.template);
    let reaching = |tag: &&Tag<'_>| ["include", "import", "from", "extends"].contains(&tag.keyword());
    for tag in tags.iter().filter(reaching).take(MOST) {
        let at = in_file(template_at, Position::of(&prompt.template, tag.offset));
        let message = format!("`{{% {} %}}` reaches outside the prompt", tag.keyword());
        findings.push(
            Finding::new(finding::TEMPLATE_INCLUDE, path, at, message)
                .hint("put the text into this file, or pass it as an input"),
        );
    }
    match template::check(&prompt.template) {
        Ok(uses) => check_inputs(path, prompt, &tags, &uses, findings),
        Err(error) => {
            let at = in_file(template_at, error.at);
            findings.push(Finding::new(finding::TEMPLATE_SYNTAX, path, at, error.message));
        }
    }
}

/// Compares the declared inputs with those that the template uses.
fn check_inputs(
    path: &Path,
    prompt: &Prompt,
    tags: &[Tag<'_>],
    uses: &template::Uses,
    findings: &mut Vec<Finding>,
) {
    if prompt.dialect == Dialect::PromptOs {
        return; // nothing is declared by name
    }
    let template_at = prompt.places.template;
    let tnh = prompt.dialect == Dialect::Tnh;
    let declared = |name: &str| {
        prompt.inputs.iter().any(|input| input.name == name) || (tnh && name == dialect::TNH_INPUT)
    };
    for name in uses.variables.iter().filter(|name| !declared(name)).take(MOST) {
        let at = in_file(template_at, template::place_of(&prompt.template, tags, name));
        let message = format!("the template uses {}, which is no declared input", quoted(name));
        let near = |input: &&Input| {
            name.len().max(input.name.len()) <= 64
                && strsim::damerau_levenshtein(&input.name, name) <= name.len() / 4
        };
        let hint = match prompt.inputs.iter().find(near) {
            Some(input) => format!("did you mean {}? else declare it under `inputs`", quoted(&input.name)),
            None => format!("declare {} under `inputs`", quoted(name)),
        };
        let finding = Finding::new(finding::INPUT_UNDECLARED, path, at, message).hint(hint);
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
pub(crate) fn in_file(template_at: Position, at: Position) -> Position {
    let column = if at.line == 1 { template_at.column + at.column - 1 } else { at.column };
    Position { line: template_at.line + at.line - 1, column }
}

/// What must not stand anywhere in a file.
pub(crate) fn text(path: &Path, text: &str, secrets: &[SecretHit], findings: &mut Vec<Finding>) {
    for hit in secrets {
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
