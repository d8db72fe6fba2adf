use super::context::{Context, exists};
use super::ui::safe;
use clap::{Args, Subcommand};
use promptos::catalog::Finding;
use promptos::error::{Error, Kind, Result};
use promptos::workflow::{Against, Lock, MAX_WORKFLOW_BYTES, Report, check};
use serde_json::json;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Check workflows before they run
#[derive(Subcommand)]
pub(crate) enum Workflow {
    Check(Check),
}

/// Check that a workflow's prompts exist, fit and are what they were, and that its routes are whole
#[derive(Args)]
pub(crate) struct Check {
    /// Workflow files (YAML)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the digests of each workflow's prompts to FILE.lock, if there are no errors
    #[arg(long)]
    lock: bool,
    /// Refuse prompts that are not those of FILE.lock
    #[arg(long, conflicts_with = "lock")]
    locked: bool,
}

impl Workflow {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        match self {
            Self::Check(command) => command.run(context),
        }
    }
}

impl Check {
    fn run(self, context: &Context<'_>) -> Result<()> {
        let files = self.files.iter().map(|file| read(file, MAX_WORKFLOW_BYTES));
        let files = files.collect::<Result<Vec<_>>>()?;
        let (catalog, policy) = (context.catalog()?, context.settings()?.workflow);
        let ledger = context.read_if_there()?;
        if let Some(ledger) = &ledger {
            context.check_pin(ledger)?;
        }
        let bound = |reference: &str| match &ledger {
            Some(ledger) => Ok(ledger.bound(reference)?.map(|(address, _)| address)),
            None => Ok(None),
        };
        let against = Against { catalog: &catalog, policy: &policy, bound: &bound };
        let mut reports = Vec::new();
        for (path, bytes) in self.files.iter().zip(&files) {
            let mut report = check(path, bytes, &against)?;
            if self.locked {
                compare(&mut report)?;
            }
            reports.push(report);
        }
        let findings = || reports.iter().flat_map(|report| &report.findings);
        let errors = findings().filter(|finding| finding.is_error()).count();
        let mut locks = Vec::new();
        if self.lock && errors == 0 {
            for report in &reports {
                let path = Lock::path_of(&report.path);
                promptos::session::write_atomically(&path, Lock::of(report).to_string().as_bytes(), true)?;
                locks.push(path);
            }
        }
        if context.ui.json {
            let locks: Vec<_> = locks.iter().map(|path| path.to_string_lossy()).collect();
            let warnings = findings().count() - errors;
            context.ui.report(
                "workflow-check",
                json!({"workflows": reports, "errors": errors, "warnings": warnings, "locks": locks}),
            )?;
        } else {
            show(context, &reports, errors)?;
            for path in &locks {
                context.ui.note(&format!("wrote {}", context.shown(path)));
            }
        }
        if errors == 0 {
            return Ok(());
        }
        let error = Error::findings("the workflow check found errors");
        Err(if self.lock { error.hint("no lock file was written") } else { error })
    }
}

fn show(context: &Context<'_>, reports: &[Report], errors: usize) -> Result<()> {
    for finding in reports.iter().flat_map(|report| &report.findings) {
        context.ui.line(&safe(&Finding::to_string(finding)))?;
    }
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    context.ui.line(&format!(
        "{}, {}, {}, {}: {}, {}",
        plural(reports.len(), "workflow"),
        plural(sum(|report| report.steps), "step"),
        plural(sum(|report| report.refs.len()), "ref"),
        plural(sum(|report| report.inline), "inline prompt"),
        plural(errors, "error"),
        plural(sum(|report| report.findings.len()) - errors, "warning"),
    ))
}

/// Adds to a report what changed since its workflow was locked.
fn compare(report: &mut Report) -> Result<()> {
    let path = Lock::path_of(&report.path);
    let drift = if exists(&path)? {
        Lock::parse(&path, &read(&path, MAX_WORKFLOW_BYTES)?)?.drift(&path, report)
    } else {
        vec![Lock::missing(&path, report)]
    };
    report.add(drift);
    Ok(())
}

/// The YAML files below the project's folder that git does not ignore, in no hidden folder, by path. Without git, all
/// that lie in no folder that is hidden or never holds workflows.
pub(crate) fn yaml_files(context: &Context<'_>) -> Result<Vec<PathBuf>> {
    let root = context.root()?;
    let is_yaml = |path: &Path| {
        path.extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml"))
    };
    let hidden = |path: &Path| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."];
    let in_git = match context.repository()? {
        Some(_) => promptos::git::output(&root, &list)?,
        None => None,
    };
    let mut files: Vec<PathBuf> = match in_git {
        Some(listed) => {
            let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            names.map(|name| PathBuf::from(OsStr::from_bytes(name))).filter(|path| !hidden(path)).collect()
        }
        None => walk(&root)?,
    };
    files.retain(|path| is_yaml(path));
    files.sort();
    files.dedup();
    // What git lists may be gone, or a link to anywhere.
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.is_file());
    Ok(files.into_iter().map(|path| root.join(path)).filter(is_file).collect())
}

/// The files below a folder, relative to it, without what is hidden, built or installed. A folder that cannot be read
/// is an error: what lies in it might be what is asked for.
fn walk(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let full = root.join(&folder);
        let cannot = |e: std::io::Error| Error::failed(format!("cannot read {}: {e}", full.display()));
        for entry in std::fs::read_dir(&full).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name();
            let skipped =
                name.as_encoded_bytes().starts_with(b".") || name == "target" || name == "node_modules";
            let kind = entry.file_type().map_err(cannot)?;
            if kind.is_dir() && !skipped {
                folders.push(folder.join(name));
            } else if kind.is_file() && !skipped {
                files.push(folder.join(name));
            }
        }
    }
    Ok(files)
}

/// Reads a file of at most `most` bytes, and one byte more of a larger one.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)) {
        Ok(_) => Ok(bytes),
        Err(e) => Err(Error::new(Kind::Failed, format!("cannot read {}: {e}", path.display()))
            .hint("name a workflow file: promptos workflow check FILE")),
    }
}
