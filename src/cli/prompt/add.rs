use crate::cli::context::{Context, exists};
use crate::cli::show::entry_json;
use crate::cli::ui::{DIM, one_line, safe};
use clap::Args;
use promptos::catalog::Finding;
use promptos::error::{Error, Result};
use promptos::ledger::{Entry, New};
use promptos::session::{PlannedPrompt, plan_prompt};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Bind a prompt's ref to its file's bytes in the ledger, without a session
///
/// Lints first. A ref that is bound to the same bytes already stays as it is; one that is bound to other bytes is
/// refused, since a version never changes.
#[derive(Args)]
pub(crate) struct Add {
    /// Prompt files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Add {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        // Everything is judged before anything is made or recorded.
        let mut planned: Vec<PlannedPrompt> = Vec::new();
        for file in &self.files {
            let found = plan_prompt(&context.dir.join(file), &in_catalog(context, file)?)?;
            if planned.iter().any(|other| other.new.name == found.new.name && other.content == found.content)
            {
                continue;
            }
            if planned.iter().any(|other| other.new.name == found.new.name) {
                let reference = safe(&found.new.name);
                return Err(Error::findings(format!("two of the files are {reference}, with other bytes"))
                    .hint("a prompt's version never changes: give the new text a new version"));
            }
            found.warnings.iter().for_each(|w| context.ui.warn(&one_line(&Finding::to_string(w), 2000)));
            planned.push(found);
        }
        if exists(&context.ledger_path()?)? {
            let ledger = context.read()?;
            for prompt in &planned {
                prompt.bound_in(&ledger)?;
            }
        }
        let key = context.key()?;
        let ledger = context.write_or_create(&key)?;
        let mut bound = planned.iter().map(|prompt| prompt.bound_in(&ledger)).collect::<Result<Vec<_>>>()?;
        let unbound = planned.iter_mut().zip(&bound).filter(|(_, bound)| bound.is_none());
        let new: Vec<New> = unbound.map(|(prompt, _)| prompt.take()).collect();
        let mut entries = context.append_all(&ledger, &key, new)?.into_iter();
        let mut done: Vec<(&PlannedPrompt, Entry, bool)> = Vec::new();
        for (prompt, bound) in planned.iter().zip(&mut bound) {
            let new = bound.is_none();
            done.extend(bound.take().or_else(|| entries.next()).map(|entry| (prompt, entry, new)));
        }
        if context.ui.json {
            let prompts = done.iter().map(|(prompt, entry, new)| {
                json!({
                    "ref": prompt.new.name, "blake3": hex::encode(prompt.content.0), "new": new,
                    "entry": entry_json(entry),
                })
            });
            return context.ui.report(
                "prompt-add",
                json!({
                    "ledger": hex::encode(ledger.id().0),
                    "prompts": prompts.collect::<Vec<_>>(),
                }),
            );
        }
        for (prompt, entry, new) in &done {
            let what = if *new { "bound by" } else { "was bound to these bytes already by" };
            context.ui.line(&format!(
                "{}  {what} entry {} ({})  {DIM}{}{DIM:#}",
                safe(&prompt.new.name),
                entry.index,
                safe(&entry.statement.subject()),
                prompt.content
            ))?;
        }
        Ok(())
    }
}

/// A file's path in the project's catalog; its name, when it is elsewhere.
pub(super) fn in_catalog(context: &Context<'_>, file: &Path) -> Result<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = match context.settings()?.catalog.git {
        Some(_) => None,
        None => context.workspace_catalog()?,
    };
    let full = real(&context.dir.join(file));
    let below = folder.and_then(|folder| full.strip_prefix(real(&folder)).map(Path::to_owned).ok());
    Ok(below.unwrap_or_else(|| file.file_name().map(PathBuf::from).unwrap_or_default()))
}
