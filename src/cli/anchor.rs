use super::context::Context;
use super::heads::own_note;
use super::ui::{BOLD, DIM, one_line};
use clap::{Args, Subcommand};
use promptos::error::Result;
use promptos::git;
use promptos::ledger::{AnchorSearch, AnchoredHead, Ledger, tag_message, trailer};
use serde_json::json;

/// The tags and commits that are searched for anchors.
const TAGS: usize = 10_000;
const COMMITS: usize = 100_000;

/// Bind the ledger's checkpoint to an outside record
#[derive(Subcommand)]
pub(crate) enum Anchor {
    Git(AnchorGit),
}

/// Put the signed checkpoint into an annotated tag, or print it as the trailer of a commit
///
/// verify-chain --require anchored finds it there. A tag binds others once they have it: git push origin TAG.
#[derive(Args)]
pub(crate) struct AnchorGit {
    /// The name of the tag [default: promptos-checkpoint-<entries>]
    #[arg(long, value_name = "NAME", conflicts_with = "trailer")]
    tag: Option<String>,
    /// Print a trailer instead: git commit --trailer "$(promptos anchor git --trailer)"
    #[arg(long)]
    trailer: bool,
}

impl Anchor {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        match self {
            Self::Git(command) => command.run(context),
        }
    }
}

impl AnchorGit {
    fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let head = ledger.checkpoint()?.head;
        let note = own_note(context, &ledger)?;
        if self.trailer {
            let line = trailer(&note);
            return match context.ui.json {
                true => context.ui.report("anchor-git", json!({"size": head.size, "trailer": line})),
                false => context.ui.line(&line),
            };
        }
        let name = self.tag.unwrap_or_else(|| format!("promptos-checkpoint-{}", head.size));
        let object = git::Git::open(&context.dir)?.tag(&name, &tag_message(&note)?)?;
        if context.ui.json {
            return context
                .ui
                .report("anchor-git", json!({"size": head.size, "tag": name, "object": object}));
        }
        let name = one_line(&name, 120);
        context.ui.line(&format!("{BOLD}tag{BOLD:#}       {name} {DIM}{object}{DIM:#}"))?;
        context.ui.line(&format!(
            "{BOLD}head{BOLD:#}      {} {DIM}{}{DIM:#}",
            head.size,
            hex::encode(head.root)
        ))?;
        context.ui.note(&format!("it binds others once they have it: git push REMOTE {name}"));
        Ok(())
    }
}

/// Searches the repository that we are in; why nothing was found, when nothing was.
pub(crate) fn search(context: &Context<'_>, ledger: &Ledger) -> Result<Result<AnchoredHead, String>> {
    if context.repository()?.is_none() {
        return Ok(Err("there is no git repository here to look for anchors in".to_owned()));
    }
    let mut search = AnchorSearch::new(ledger)?;
    let git = git::Git::open(&context.dir)?;
    let (tags, commits) = git.messages((TAGS, COMMITS), &mut |message| search.look(message))?;
    Ok(search.best.ok_or_else(|| {
        format!(
            "no checkpoint that this ledger signed is in {tags} tags and {commits} commits; promptos anchor git \
             makes one"
        )
    }))
}

/// Where a head is anchored, and what that is worth.
pub(crate) fn print(context: &Context<'_>, anchored: &AnchoredHead, size: u64) -> Result<()> {
    let place = match &anchored.tag {
        Some(tag) => format!("git tag {}", one_line(tag, 120)),
        None => format!("git commit {}", anchored.object),
    };
    let time = anchored.time.as_deref().unwrap_or("an unknown time");
    let after = match size - anchored.size {
        0 => String::new(),
        after => format!("; the {after} after them are not anchored"),
    };
    context.ui.line(&format!(
        "{BOLD}anchor{BOLD:#}    {} entries in {place} {DIM}of {time}, as git claims{after}{DIM:#}",
        anchored.size
    ))
}
