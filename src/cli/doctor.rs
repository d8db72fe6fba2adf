use super::context::Context;
use super::ui::{BAD, BOLD, DIM, GOOD, one_line, safe};
use clap::Args;
use promptos::error::{Error, Result};
use promptos::ledger::doctor::{Diagnosis, Examined};
use std::path::PathBuf;

/// Say what is wrong with the ledger, what is lost and what is not
///
/// Works where verify-chain cannot: on damaged pages, missing ends and unreadable databases. Changes nothing
/// unless asked. Exit 0 when nothing is wrong, 3 when something is, 1 when it could not be told.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Write the ledger file anew, with index and tree derived from its entries, when none of them is lost
    #[arg(long)]
    rebuild_index: bool,
    /// Copy every intact statement and content into this new folder
    #[arg(long, value_name = "DIR")]
    rescue: Option<PathBuf>,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let rebuilt = if self.rebuild_index { Some(context.rebuild_ledger()) } else { None };
        let examined = context.examine_ledger()?;
        if let Some(folder) = &self.rescue {
            examined.rescue(&context.dir.join(folder))?;
        }
        let found = &examined.diagnosis;
        let kept = rebuilt.as_ref().and_then(|rebuilt| rebuilt.as_ref().ok()).and_then(Option::as_ref);
        if let Some(kept) = kept {
            context.ui.warn(&format!(
                "something was wrong with the old ledger file, so it is kept as {}",
                context.shown(kept)
            ));
            context.ui.warn(
                "nobody reads it; delete it when you are content, since 'promptos erase' leaves it as it is",
            );
        }
        if context.ui.json {
            let mut value = serde_json::to_value(found).map_err(|e| Error::bug("no JSON").because(e))?;
            if let (Some(kept), Some(report)) = (kept, value.as_object_mut()) {
                report.insert("kept".to_owned(), kept.display().to_string().into());
            }
            context.ui.report("doctor", value)?;
        } else {
            self.print(context, &examined)?;
        }
        if let Some(error) = rebuilt.and_then(Result::err) {
            return Err(error
                .hint("the ledger file was left as it is")
                .hint("promptos doctor --rescue DIR copies out all that is intact"));
        }
        verdict(found)
    }

    fn print(&self, context: &Context<'_>, examined: &Examined) -> Result<()> {
        let found = &examined.diagnosis;
        let line = |label: &str, text: &str| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
        let name = found.name.as_deref().map_or("not to be told: its first entry is lost".to_owned(), safe);
        line("ledger", &name)?;
        line("entries", &format!("{} of {} intact", found.intact, found.size))?;
        if !found.lost.is_empty() {
            line("", &format!("lost: {}", ranges(&found.lost)))?;
        }
        if !found.unplaced.is_empty() {
            line("", &format!("{} more that nothing tells the place of", found.unplaced.len()))?;
        }
        line(
            "contents",
            &format!(
                "{} intact, {} erased, {} lost",
                found.contents,
                found.erased,
                found.lost_contents.len()
            ),
        )?;
        for content in &found.lost_contents {
            line("", &format!("lost: {content}"))?;
        }
        for finding in &found.findings {
            let (message, meaning) = (one_line(&finding.message, 500), finding.meaning);
            context
                .ui
                .line(&format!("{BAD}{}{BAD:#}: {message}\n          {DIM}{meaning}{DIM:#}", finding.code))?;
        }
        if let Some(folder) = &self.rescue {
            line("rescued", &safe(&folder.display().to_string()))?;
        }
        if found.findings.is_empty() {
            line("verdict", &format!("{GOOD}nothing is wrong{GOOD:#}"))?;
        }
        Ok(())
    }
}

fn verdict(found: &Diagnosis) -> Result<()> {
    if found.findings.is_empty() {
        return Ok(());
    }
    let derived = ["index", "tree"];
    let mut error = Error::integrity("the ledger is not well");
    if found.findings.iter().all(|finding| derived.contains(&finding.code)) {
        error = error.hint("all entries are intact: promptos doctor --rebuild-index writes the rest anew");
    } else if found.lost.is_empty() && found.lost_contents.is_empty() {
        error = error.hint("every entry and every content is intact");
    } else {
        error = error.hint("best is a backup from after the last entry, put in the ledger's place");
    }
    Err(error.hint("promptos doctor --rescue DIR copies out all that is intact; with the ledger moved away, promptos init --new starts one that cites it"))
}

/// Indexes, with runs of them as `first-last`.
fn ranges(indexes: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for at in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *at => *last = *at,
            _ => runs.push((*at, *at)),
        }
    }
    let shown = runs.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    shown.collect::<Vec<_>>().join(", ")
}
