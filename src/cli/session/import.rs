use crate::cli::context::Context;
use crate::cli::ui::{BAD, BOLD, DIM, WARN, safe};
use clap::Args;
use promptos::error::{Error, Kind, Result};
use promptos::keys::Key;
use promptos::ledger::Ledger;
use promptos::session::{OldLog, plan_import, read_old_log};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Record session logs of PromptOS as what they are: integrity only, unsigned by their author
#[derive(Args)]
pub(crate) struct Import {
    /// Session logs (JSON); a .sha256 file beside one is checked too
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Import {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let Self { files } = self;
        let logs: Vec<_> = files.iter().map(|path| (path, read_old_log(path))).collect();
        // A ledger and a key are made only for something that can be recorded.
        let open = || {
            let key = context.key()?;
            Ok((context.write_or_create(&key)?, key))
        };
        let open = logs.iter().any(|(_, log)| log.is_ok()).then(open).transpose()?;
        let mut worst: Option<Kind> = None;
        let mut results = Vec::new();
        for (path, log) in logs {
            let result = match (log, &open) {
                (Ok(log), Some((ledger, key))) => one(context, ledger, key, path, log),
                (Ok(_), None) => Err(Error::bug("a log without a ledger")),
                (Err(error), _) => Err(error),
            };
            let result = match result {
                Ok(result) => result,
                Err(error) if matches!(error.kind(), Kind::Failed | Kind::Integrity) => {
                    // An integrity violation outweighs bad input.
                    worst = worst.filter(|kind| *kind == Kind::Integrity).or(Some(error.kind()));
                    if !context.ui.json {
                        context.ui.line(&format!("{BAD}rejected{BAD:#}  {}", safe(&error.to_string())))?;
                    }
                    json!({"file": path, "result": "rejected", "reason": error.to_string()})
                }
                Err(error) => return Err(error),
            };
            results.push(result);
        }
        if context.ui.json {
            context.ui.report("session-import", json!({"files": results}))?;
        }
        match worst {
            Some(kind) => Err(Error::new(kind, "not every file was imported; the reasons are given above")),
            None => Ok(()),
        }
    }
}

fn one(context: &Context<'_>, ledger: &Ledger, key: &Key, path: &Path, log: OldLog) -> Result<Value> {
    let (checked, prompts) = (log.checked.clone(), log.prompts.clone());
    let agree = match &*checked {
        [] => "unproven: it carries no hashes and its author did not sign it".to_owned(),
        [one] => format!("unproven: integrity only ({one} agrees), its author did not sign it"),
        more => format!("unproven: integrity only ({} agree), its author did not sign it", more.join(", ")),
    };
    let (index, id, label) = match plan_import(ledger, log, context.random()?)? {
        Err(index) => (index, None, "known"),
        Ok(new) => {
            let entry = context.append(ledger, key, &new)?;
            (entry.index, Some(entry.statement.id.to_string()), "imported")
        }
    };
    if !context.ui.json {
        let shown = safe(&path.display().to_string());
        context.ui.line(&format!(
            "{BOLD}{label:<8}{BOLD:#}  {shown} {DIM}entry {index}, {}{DIM:#}\n          {WARN}{agree}{WARN:#}",
            prompts.join(", ")
        ))?;
    }
    Ok(json!({
        "file": path, "result": label, "index": index, "entry": id, "prompts": prompts,
        "checked": checked, "assurance": "integrity only, unsigned by its author",
    }))
}
