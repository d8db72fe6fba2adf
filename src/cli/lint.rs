use super::context::Context;
use super::staged;
use super::ui::{Ui, safe, width};
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use clap::{Args, ValueEnum};
use promptos::catalog::{self, Finding, Options, Policy, Report, Strictly};
use promptos::error::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

/// Check prompt files: syntax, fields, inputs, contracts, secrets, personal paths
#[derive(Args)]
pub(crate) struct Lint {
    /// Files or folders; by default the project's catalog
    #[arg(conflicts_with = "locator")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    catalog: super::catalog::CatalogOption,
    /// The staged prompts instead, as they will be committed
    #[arg(long, conflicts_with_all = ["paths", "locator", "fix"])]
    staged: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Put right in the files what can only be put right in one way
    #[arg(long)]
    fix: bool,
    /// What fails: strict, also warnings; warn, only errors; permissive, nothing [default: [lint] in promptos.toml]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Explain a rule; all of them, as a Markdown page, without CODE
    #[arg(long, value_name = "CODE", num_args = 0..=1, conflicts_with_all = ["paths", "fix", "mode", "format", "locator", "staged"])]
    explain: Option<Option<String>>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Strict,
    Warn,
    Permissive,
}

impl Lint {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if let Some(code) = &self.explain {
            return explain(context.ui, code.as_deref());
        }
        let policy = self.policy(context)?;
        let mut report = if self.staged { staged::lint(context)? } else { Report::default() };
        let mut bar = context.ui.progress("checking");
        let mut progress = |done, total| bar.set(done, total);
        let schemas = context.schemas()?;
        let mut options = Options { fix: self.fix, progress: &mut progress, schemas: Some(&schemas) };
        if !self.staged && self.paths.is_empty() {
            let source = context.workspace(self.catalog.locator()?.as_ref())?.ok_or_else(|| {
                Error::failed("there is no catalog folder 'prompts' here")
                    .hint("name files or folders: promptos lint PATH")
            })?;
            if self.fix && !matches!(source.origin, catalog::Origin::Folder(_)) {
                return Err(Error::usage("--fix changes files of folders only")
                    .hint("check the revision out, or name its files"));
            }
            report = catalog::lint_source_with(&source.relative_to(&context.dir), &mut options)?;
        }
        for path in &self.paths {
            report.append(catalog::lint_path_with(path, &mut options)?);
        }
        drop(bar);
        policy.apply(&mut report.findings);
        warn_of_bound(context, &report)?;
        let errors = report.findings.iter().filter(|finding| finding.is_error()).count();
        let warnings = report.findings.len() - errors;
        match self.format {
            Format::Sarif => {
                let log = catalog::sarif(&report, super::version::TOOL);
                context.ui.document(log)?;
            }
            Format::Human if !context.ui.json => human(context.ui, &report, errors)?,
            Format::Human | Format::Json => context.ui.report(
                "lint",
                json!({
                    "prompts": report.prompts, "documents": report.documents, "errors": errors,
                    "warnings": warnings, "findings": report.findings, "allowed": report.allowed,
                    "fixed": report.fixed,
                }),
            )?,
        }
        if !policy.fails(&report.findings) {
            return Ok(());
        }
        Err(Error::findings(if errors > 0 {
            "lint found errors"
        } else {
            "lint found warnings, and the mode is strict"
        }))
    }

    fn policy(&self, context: &Context<'_>) -> Result<Policy> {
        let policy = context.settings()?.lint;
        let mode = match self.mode {
            Some(Mode::Strict) => Strictly::Strict,
            Some(Mode::Warn) => Strictly::Warn,
            Some(Mode::Permissive) => Strictly::Permissive,
            None => policy.mode,
        };
        Ok(Policy { mode, ..policy })
    }
}

/// A version of a prompt that the ledger has bound to other bytes is not that version any more.
fn warn_of_bound(context: &Context<'_>, report: &Report) -> Result<()> {
    let changed: Vec<_> =
        report.fixed.iter().filter_map(|file| Some((file.reference.as_deref()?, file.content))).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let Some(ledger) = context.read_if_there()? else { return Ok(()) };
    for (reference, content) in changed {
        if ledger.check_bindings([(reference, content)]).is_err() {
            context.ui.warn(&format!(
                "{reference} is bound in the ledger to the bytes from before: give the changed file a new version"
            ));
        }
    }
    Ok(())
}

fn human(ui: &Ui, report: &Report, errors: usize) -> Result<()> {
    for file in &report.fixed {
        for finding in &file.applied {
            ui.line(&safe(&format!(
                "{}:{}:{}: fixed[{}]: {}",
                file.path.display(),
                finding.line,
                finding.column,
                finding.code,
                finding.message
            )))?;
        }
    }
    let renderer = if ui.colored() { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(width().unwrap_or(100));
    for finding in &report.findings {
        ui.line(&format!("{}\n", show(&renderer, finding)))?;
    }
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let fixed: usize = report.fixed.iter().map(|file| file.applied.len()).sum();
    let mut last = format!(
        "{}, {} skipped: {}, {}",
        plural(report.prompts, "prompt"),
        plural(report.documents, "document"),
        plural(errors, "error"),
        plural(report.findings.len() - errors, "warning"),
    );
    for (count, word) in [(report.allowed.len(), "allowed"), (fixed, "fixed")] {
        if count > 0 {
            last.push_str(&format!(", {count} {word}"));
        }
    }
    let fixable = report.findings.iter().filter(|finding| finding.fix.is_some()).count();
    if fixable > 0 {
        ui.note(&format!("{} can be put right by --fix", plural(fixable, "finding")));
    }
    ui.line(&last)
}

/// A finding with the line that it is about.
pub(super) fn show(renderer: &Renderer, finding: &Finding) -> String {
    let level = if finding.is_error() { Level::ERROR } else { Level::WARNING };
    let path = safe(&finding.path.display().to_string());
    let message = safe(&finding.message);
    let title = level.primary_title(message).id(finding.code);
    let origin = Origin::path(path.clone()).line(finding.line).char_column(finding.column);
    let mut group = match &finding.excerpt {
        None => title.element(origin),
        Some(excerpt) => {
            let (before, marked) = (visible(&excerpt.before), visible(&excerpt.marked));
            let primary = AnnotationKind::Primary.span(before.len()..before.len() + marked.len());
            let source = format!("{before}{marked}{}", visible(&excerpt.after));
            let snippet = Snippet::source(source).line_start(finding.line).annotation(primary);
            // Of a line that is cut short, only we know the column.
            if before.chars().count() + 1 == finding.column {
                title.element(snippet.path(path))
            } else {
                title.element(origin).element(snippet)
            }
        }
    };
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(safe(hint)));
    }
    renderer.render(&[group])
}

/// [`safe`], but for tabs: what draws the line knows them.
fn visible(text: &str) -> String {
    text.split('\t').map(safe).collect::<Vec<_>>().join("\t")
}

fn explain(ui: &Ui, code: Option<&str>) -> Result<()> {
    let Some(code) = code else { return ui.line(catalog::rules_page().trim_end()) };
    let Some(rule) = catalog::rule(code) else {
        let near = catalog::similar_rules(code);
        let error = Error::failed(format!("there is no rule '{}'", super::ui::one_line(code, 80)));
        return Err(match near[..] {
            [] => error.hint("all rules: promptos lint --explain"),
            _ => error.hint(format!("did you mean {}?", near.join(", "))),
        });
    };
    if ui.json {
        return ui.report(
            "lint-rule",
            json!({
                "code": rule.code, "severity": rule.severity, "applies_to": rule.applies_to(), "demands": rule.what,
                "why": rule.why, "fix": rule.fix, "also": rule.also,
            }),
        );
    }
    ui.line(&format!("{}\n\n{}", rule.code, rule.in_markdown().trim_end()))
}
