use super::{sources_json, warn_of_problems};
use crate::cli::context::Context;
use crate::cli::ui::{DIM, safe};
use clap::Args;
use promptos::catalog::{Catalog, Layer, Origin, Prompt};
use promptos::error::{Error, Result};
use promptos::git::Git;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Bring the project's catalog up to date from its git remote, and say what changed
///
/// A catalog folder is moved forward with the branch that it is on, as 'git pull --ff-only' does. For a catalog that
/// promptos.toml names as a revision of a clone ([catalog] git, revision), the clone fetches. Hooks and filters of
/// git do not run.
#[derive(Args)]
pub(crate) struct Refresh {
    /// How long the remote may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    timeout: f64,
}

impl Refresh {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if !(0.1..=86_400.0).contains(&self.timeout) {
            return Err(Error::usage("--timeout is a number of seconds between 0.1 and 86400"));
        }
        let limit = Duration::from_secs_f64(self.timeout);
        let (sources, built_in) = context.sources(None)?;
        let workspace = sources.iter().find(|source| source.layer == Layer::Workspace).ok_or_else(|| {
            Error::failed("the project has no catalog folder that could be brought up to date")
        })?;
        let before = Catalog::load(&sources, built_in)?;
        let (from, to, upstream) = match &workspace.origin {
            Origin::Folder(root) => {
                let update = Git::open(root)?.fast_forward(limit)?;
                (update.from, update.to, update.upstream)
            }
            Origin::Git { repository, revision, .. } => {
                let git = Git::open(repository)?;
                let from = git.commit(revision)?;
                git.fetch(limit)?;
                if let Some(behind) = git.behind(revision)? {
                    context.ui.warn(&safe(&format!(
                        "{revision} is a branch of the clone itself, {} behind {}; revision = \"{}\" follows that",
                        behind.commits, behind.upstream, behind.upstream
                    )));
                }
                (from, git.commit(revision)?, revision.clone())
            }
            Origin::Held { .. } | Origin::BuiltIn => {
                return Err(Error::bug("a project's catalog is neither a folder nor a revision"));
            }
        };
        let after = before.reload(&sources, built_in)?;
        let changes = changes(&before, &after);
        if context.ui.json {
            let listed =
                changes.iter().map(|(reference, change)| json!({"ref": reference, "change": change}));
            return context.ui.report(
                "prompt-refresh",
                json!({
                    "followed": upstream, "from": from, "to": to,
                    "prompts": listed.collect::<Vec<_>>(),
                    "read": after.parsed(),
                    "sources": sources_json(context, &after),
                }),
            );
        }
        for (reference, change) in &changes {
            context.ui.line(&format!("{change:<8} {}", safe(reference)))?;
        }
        let commit = |id: &str| id.get(..12).unwrap_or(id).to_owned();
        let moved = match from == to {
            true => format!("{upstream} is up to date at {}", commit(&to)),
            false => format!("{upstream}: {} -> {}", commit(&from), commit(&to)),
        };
        context.ui.line(&format!("{DIM}{}, {} prompts changed{DIM:#}", safe(&moved), changes.len()))?;
        warn_of_problems(context, &after);
        Ok(())
    }
}

/// The refs that are new, gone, or stand for other bytes than before.
fn changes(before: &Catalog, after: &Catalog) -> BTreeMap<String, &'static str> {
    let refs = |catalog: &Catalog| -> BTreeMap<String, Arc<Prompt>> {
        catalog.prompts().iter().map(|prompt| (prompt.reference(), Arc::clone(prompt))).collect()
    };
    let (before, after) = (refs(before), refs(after));
    let gone = before.keys().filter(|reference| !after.contains_key(*reference));
    let mut changes: BTreeMap<String, &'static str> =
        gone.map(|reference| (reference.clone(), "removed")).collect();
    for (reference, prompt) in after {
        match before.get(&reference) {
            None => drop(changes.insert(reference, "added")),
            Some(old) if old.bytes != prompt.bytes => drop(changes.insert(reference, "changed")),
            Some(_) => {}
        }
    }
    changes
}
