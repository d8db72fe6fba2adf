//! The staged prompts: what the next commit will hold, whatever the work tree looks like.

use super::context::Context;
use super::git;
use promptos::catalog::{self, Layer, Parsed, Report};
use promptos::error::{Error, Result};
use promptos::session::Settings;
use std::path::Path;

/// Lints the prompt files of the catalog folder that are staged and differ from the last commit. Paths are relative to
/// the repository's root.
pub(crate) fn lint(context: &Context<'_>) -> Result<Report> {
    let top = context.repository()?.ok_or_else(|| {
        Error::failed("this is no git repository with a work tree, so nothing is staged")
            .hint("name files or folders: promptos lint PATH")
    })?;
    let Settings { catalog: settings, .. } = context.settings()?;
    let folder = context.root()?.join(&settings.path);
    let Some(folder) = context.in_repository(&folder) else {
        return Err(Error::failed(format!(
            "the catalog folder {} is not in this repository",
            folder.display()
        ))
        .hint(format!("[catalog] path in {} names it", Settings::FILE)));
    };
    let schemas = context.schemas()?;
    let mut report = Report::default();
    for (path, bytes) in git::staged(top, &folder, &|path| is_wanted(path, &folder))? {
        match catalog::parse(Layer::Workspace, &path, &bytes) {
            Parsed::Document => report.documents += 1,
            Parsed::Prompt(_) | Parsed::Broken(_) => {
                report.prompts += 1;
                report.findings.extend(catalog::lint_file_with(&path, &bytes, &schemas));
            }
        }
    }
    Ok(report)
}

/// Whether a catalog in `folder` would look at the file.
fn is_wanted(path: &Path, folder: &Path) -> bool {
    path.strip_prefix(folder).is_ok_and(|below| catalog::is_wanted(below.as_os_str().as_encoded_bytes()))
}
