//! What `verify` says of a fork proof.

use super::context::Context;
use super::heads::known_keys;
use super::ui::{BAD, BOLD, DIM, WARN, one_line};
use ledger_format::{EntryId, ForkProof, Head};
use promptos::error::{Error, Result};
use serde_json::json;
use std::path::Path;

/// Checks a fork proof. One that holds is an integrity violation, by whoever keeps the ledger, and so an error; one that
/// does not is a failure, since it proves nothing.
pub(crate) fn verify(context: &Context<'_>, path: &Path, bytes: &[u8], trusted: &[EntryId]) -> Result<()> {
    let none = |f: ledger_format::Failure| {
        Error::failed(format!("{} proves no fork: {f}", path.display())).hint("it accuses nobody")
    };
    let proof = ForkProof::parse(bytes).map_err(none)?;
    let fork = proof.verify().map_err(none)?;
    let known = known_keys(context, None, &[])?.contains(&proof.vkey);
    let ledger = fork.origin.rsplit_once('/').and_then(|(_, id)| id.parse::<EntryId>().ok());
    let by_ledger = fork.bound && ledger.is_some_and(|id| trusted.contains(&id));
    if context.ui.json {
        let head = |Head { size, root }: Head| json!({"size": size, "root": hex::encode(root)});
        context.ui.report("verify-fork", json!({
            "verdict": "forked", "origin": fork.origin, "old": head(fork.old), "new": head(fork.new),
            "vkey": proof.vkey.to_string(), "bound": fork.bound, "known_key": known, "trusted_ledger": by_ledger,
        }))?;
    } else {
        let line = |label: &str, text: String| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
        line(
            "fork",
            format!("{BAD}proved{BAD:#} {DIM}one key signed both heads, and no history has both{DIM:#}"),
        )?;
        line("ledger", one_line(&fork.origin, 200))?;
        line("one", fork.old.to_string())?;
        line("other", fork.new.to_string())?;
        if fork.old.size < fork.new.size {
            let its_own = Head { root: proof.root, ..fork.old };
            line("", format!("{DIM}which begins with {its_own}{DIM:#}"))?;
        }
        line("key", one_line(&proof.vkey.to_string(), 300))?;
        line(
            "whose",
            match (fork.bound, known) {
                (true, _) => {
                    format!("the ledger's {DIM}by its genesis, whose hash the ledger's id is{DIM:#}")
                }
                (_, true) => format!("the ledger's {DIM}by [trust] in promptos.toml{DIM:#}"),
                _ => format!("{WARN}for you to know: the file does not say whose key this is{WARN:#}"),
            },
        )?;
    }
    let name = fork.origin.rsplit_once('/').map_or(fork.origin.as_str(), |(name, _)| name);
    Err(Error::integrity(format!("whoever keeps '{}' signed two histories of it", one_line(name, 80)))
        .hint("trust neither until its keeper has explained; authors' statements in both stay what they are"))
}
