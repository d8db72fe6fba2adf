use super::super::context::Context;
use super::super::ui::{one_line, safe};
use clap::Args;
use promptos::error::{Error, Result};
use promptos::session::{CheckedOut, Held, checkout, open_evidence};
use serde_json::json;
use std::path::PathBuf;

/// Write a snapshot's files to a folder of their own, byte for byte, all of them or none
#[derive(Args)]
pub(crate) struct Checkout {
    /// The snapshot's name; with --evidence it may be left out
    #[arg(required_unless_present = "evidence")]
    name: Option<String>,
    /// The folder, which is not there yet or is empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Take the files from the snapshot's evidence; no ledger is needed
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Leave out files whose content was erased
    #[arg(long)]
    allow_erased: bool,
}

impl Checkout {
    pub(super) fn run(self, context: &Context<'_>) -> Result<()> {
        let (name, done) = match &self.evidence {
            Some(file) => self.by_evidence(context, file)?,
            None => {
                let ledger = context.read()?;
                let entry = super::find(&ledger, self.name.as_deref().unwrap_or_default())?;
                let done = checkout(&Held::Ledger(&ledger), &entry.statement, &self.to, self.allow_erased)?;
                (entry.statement.name, done)
            }
        };
        let CheckedOut { files, erased, already } = done;
        if context.ui.json {
            return context.ui.report(
                "snapshot.checkout",
                json!({
                    "name": name, "to": self.to, "files": files, "erased": erased, "already": already,
                }),
            );
        }
        for path in &erased {
            context.ui.warn(&format!("{} was erased and left out", safe(path)));
        }
        let what = if already { "has these files already" } else { "checked out" };
        let to = one_line(&self.to.to_string_lossy(), 4096);
        context.ui.line(&format!("{to} {what}: {files} files of {}", one_line(&name, 128)))
    }

    fn by_evidence(&self, context: &Context<'_>, file: &PathBuf) -> Result<(String, CheckedOut)> {
        let bytes =
            std::fs::read(file).map_err(|e| Error::failed(format!("cannot read {}: {e}", file.display())))?;
        let evidence = open_evidence(file, &bytes)?;
        drop(bytes);
        let statement = &evidence.subject.statement;
        if let Some(name) = self.name.as_ref().filter(|name| **name != statement.name) {
            let (name, is) = (one_line(name, 120), one_line(&statement.subject(), 120));
            return Err(Error::failed(format!("{} is evidence of {is}, not of '{name}'", file.display())));
        }
        let done = checkout(&Held::Evidence(&evidence), statement, &self.to, self.allow_erased)?;
        context.ui.note(&format!(
            "as '{}' signed it in {}; who may be trusted is another question: promptos verify {}",
            safe(&statement.issuer),
            one_line(&evidence.checkpoint.origin, 200),
            one_line(&file.to_string_lossy(), 1000)
        ));
        Ok((statement.name.clone(), done))
    }
}
