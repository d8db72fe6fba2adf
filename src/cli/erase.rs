use super::context::Context;
use super::lookup;
use super::show::entry_json;
use super::ui::{BOLD, DIM, one_line};
use clap::Args;
use ledger_format::{Address, Kid};
use promptos::error::{Error, Result};
use promptos::ledger::{BlobState, Entry, Erasure, Ledger};
use serde_json::json;

/// Erase content for ever, with a signed tombstone in its place (admins only)
///
/// The statements that name the content stay, and so do all proofs; its bytes go, and the ledger file is
/// written anew so that nothing of them is left in it. They can never be recorded in this ledger again. A
/// command that was stopped is finished by running it again. Copies elsewhere (backups, exported files,
/// evidence tars) are yours to find.
#[derive(Args)]
pub(crate) struct Erase {
    /// The content's digest (blake3:…, 8 digits or more)
    digest: String,
    /// Why, kept with the tombstone
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Erase {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let reason = self.reason.trim();
        if reason.is_empty() {
            return Err(Error::usage("--reason says why, in a few words; it is empty"));
        }
        let key = context.existing_key()?;
        let mut ledger = context.write()?;
        let content = find(&ledger, &self.digest)?;
        let erasure = ledger.erasure(&content)?;
        check(&ledger, &erasure, &Kid::of(&key.public))?;
        let entry = match &erasure.tombstone {
            Some(tombstone) => {
                context.ui.note(&format!("{content} was erased by entry {} already", tombstone.index));
                tombstone.clone()
            }
            None => {
                warn(context, &erasure);
                context.append(&ledger, &key, &erasure.statement(reason, context.random()?))?
            }
        };
        let scrub = ledger.unscrubbed()?;
        if scrub {
            warn_of_links(context);
            ledger.scrub().map_err(|e| {
                e.hint(format!(
                    "{content} is erased and no command shows it any more (entry {})",
                    entry.index
                ))
                .hint("but its bytes are still in the ledger file: run this command again")
            })?;
        }
        report(context, &erasure, &entry, scrub)
    }
}

/// The content that is meant.
fn find(ledger: &Ledger, wanted: &str) -> Result<Address> {
    if let Some(content) = lookup::content(ledger, wanted)? {
        return Ok(content);
    }
    // What was named by an erased list alone is still here.
    let digits = wanted.strip_prefix("blake3:").unwrap_or(wanted);
    let mut found = match lookup::is_prefix(digits) {
        true => ledger.stored_by_prefix(digits, 2)?,
        false => Vec::new(),
    };
    match (found.pop(), found.pop()) {
        (Some(content), None) => Ok(content),
        (Some(_), Some(_)) => {
            Err(Error::failed(format!("more than one content begins with {digits}")).hint("give more digits"))
        }
        _ => Err(Error::failed(format!("the ledger holds no content '{}'", one_line(wanted, 120)))
            .hint("erase takes a digest (blake3:…, 8 digits or more); promptos show ENTRY lists them")),
    }
}

/// Refuses what cannot or may not be erased, before anybody is asked to sign.
fn check(ledger: &Ledger, erasure: &Erasure, kid: &Kid) -> Result<()> {
    let content = erasure.content;
    if erasure.state == BlobState::Erased {
        if erasure.tombstone.is_some() {
            return Ok(());
        }
        return Err(Error::integrity(format!("{content} is gone as if erased, but no entry says so"))
            .hint("promptos doctor tells what else is wrong"));
    }
    let identity = ledger.identity_of(kid)?;
    if !ledger.key(kid)?.is_some_and(|record| record.roles.admin) {
        return Err(Error::failed(format!("'{identity}' may not erase content: that needs the role admin"))
            .hint("choose an admin's key with --key; 'promptos key list' shows who is one"));
    }
    if let Some(tar) = erasure.inside.first() {
        return Err(Error::failed(format!("{content} is also inside the evidence of another ledger, {tar}"))
            .hint(format!("erase that first: promptos erase {tar} --reason …")));
    }
    if erasure.state == BlobState::Missing {
        return Err(Error::failed(format!("{content} is listed, but its bytes are not in this ledger"))
            .hint("there is nothing to erase; to have its name forgotten, erase the list that names it"));
    }
    Ok(())
}

fn warn(context: &Context<'_>, erasure: &Erasure) {
    for reference in &erasure.refs {
        context.ui.warn(&format!(
            "{} is bound to this content for ever: nobody can show its text any more, or record a session with it",
            one_line(reference, 200)
        ));
    }
    if !erasure.lists.is_empty() {
        let count = erasure.lists.len();
        context.ui.warn(&format!(
            "the contents that this list names stay in the ledger ({count}); erase each that is to go as well:"
        ));
        erasure.lists.iter().for_each(|content| context.ui.warn(&format!("  {content}")));
    }
}

/// Another name of the same file goes on holding what this one loses.
fn warn_of_links(context: &Context<'_>) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if context.ledger_path().is_ok_and(|path| path.metadata().is_ok_and(|file| file.nlink() > 1)) {
            context.ui.warn("the ledger file has another name (a hard link), and under it the bytes stay");
        }
    }
}

fn report(context: &Context<'_>, erasure: &Erasure, entry: &Entry, scrubbed: bool) -> Result<()> {
    let Erasure { content, named_by, refs, .. } = erasure;
    let size = match erasure.state {
        BlobState::Present(size) => Some(size),
        _ => None,
    };
    if context.ui.json {
        return context.ui.report(
            "erase",
            json!({
                "content": content.to_string(), "size": size, "entry": entry_json(entry),
                "already": erasure.tombstone.is_some(), "rewritten": scrubbed, "refs": refs,
                "named_by": named_by.iter().map(|entry| entry.index).collect::<Vec<_>>(),
                "lists": erasure.lists.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
        );
    }
    let line = |label: &str, text: &str| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
    let bytes = size.map_or(String::new(), |size| format!(" {DIM}{size} bytes{DIM:#}"));
    line("erased", &format!("{content}{bytes}"))?;
    line("entry", &format!("{} {DIM}{}{DIM:#}", entry.index, entry.statement.id))?;
    let file = context.shown(&context.ledger_path()?);
    match scrubbed {
        true => line("file", &format!("{file} was written anew; the bytes are not in it any more")),
        false => line("file", &format!("{file} held none of the bytes any more")),
    }
}
