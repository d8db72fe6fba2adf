mod check;

use super::context::Context;
use super::heads;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, Subcommand};
use ledger_format::{Class, Hash, Head, Submission, VerifierKey};
use promptos::error::{Error, Result};
use promptos::ledger::{Ledger, SignedHead};
use promptos::session::Cosigned;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Print the ledger's signed checkpoint, for others to hold; or compare two of them
///
/// It is a C2SP signed note. Whoever keeps it can later check that the ledger still extends it:
/// promptos verify-chain --checkpoint FILE.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Checkpoint {
    /// Print the verifier key (vkey) that checks the signature instead
    #[arg(long)]
    vkey: bool,
    /// Before it the proof that it extends the first SIZE entries, for a witness who has seen these: the request
    /// body of C2SP tlog-witness
    #[arg(long, value_name = "SIZE", conflicts_with = "vkey")]
    since: Option<u64>,
    /// Keep the cosignatures of a checkpoint beside the ledger, where verify-chain finds them
    #[arg(long, value_name = "COSIGNED", conflicts_with_all = ["vkey", "since"])]
    add: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
}

impl Checkpoint {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if let Some(Command::Check(check)) = self.command {
            return check.run(context);
        }
        let ledger = context.read()?;
        if let Some(path) = &self.add {
            return add(context, &ledger, path);
        }
        let checkpoint = ledger.checkpoint()?;
        let vkey = VerifierKey { name: ledger.origin(), key: ledger.checkpoint_key()? }.to_string();
        let note = heads::own_note(context, &ledger)?;
        let proof = self.since.map(|since| extension(&ledger, since, &checkpoint.head)).transpose()?;
        if context.ui.json {
            let mut report = json!({
                "origin": checkpoint.origin, "size": checkpoint.head.size, "root": hex::encode(checkpoint.head.root),
                "note": String::from_utf8_lossy(&note), "vkey": vkey,
            });
            if let (Some(proof), Some(report)) = (&proof, report.as_object_mut()) {
                report.insert("since".to_owned(), json!(self.since));
                report.insert("proof".to_owned(), json!(base64_lines(proof)));
            }
            return context.ui.report("checkpoint", report);
        }
        if self.vkey {
            return context.ui.line(&vkey);
        }
        let text = match (self.since, proof) {
            (Some(old), Some(path)) => Submission { old, path, checkpoint: note }.to_bytes(),
            _ => note,
        };
        context.ui.bytes(&text)?;
        context.ui.flush()
    }
}

/// Keeps the lines of a cosigned checkpoint that the ledger signed and extends.
fn add(context: &Context<'_>, ledger: &Ledger, path: &Path) -> Result<()> {
    let note = heads::note(path)?;
    let head = SignedHead::open(note, &ledger.checkpoint_keys()?).map_err(|e| heads::at(path, e))?;
    let size = head.checkpoint.head.size;
    if head.checkpoint.origin != ledger.origin() {
        return Err(heads::at(path, Error::failed("it is of another ledger")));
    }
    ledger.check_extends(&head.checkpoint.head).map_err(|e| {
        heads::at(path, e)
            .hint("promptos checkpoint check tells more, and writes the proof when it is a fork")
    })?;
    // A bad line of a known witness would spoil all the others.
    if let Some((_, policy)) = heads::policy(context, None)?
        && let Err(failure) = policy.judge(&head.note)
        && failure.class == Class::BadSignature
    {
        return Err(heads::at(path, Error::integrity(failure.to_string())));
    }
    let new = Cosigned::beside(&context.ledger_path()?).add(&head.note)?;
    if context.ui.json {
        return context.ui.report("checkpoint-add", json!({"size": size, "new": new}));
    }
    let lines = if new == 1 { "line" } else { "lines" };
    context.ui.line(&format!("{new} new {lines} for the checkpoint of {size} entries"))
}

/// The consistency proof from the first entries on.
fn extension(ledger: &Ledger, since: u64, head: &Head) -> Result<Vec<Hash>> {
    let shown = ledger.prefix(since, head)?.ok_or_else(|| {
        Error::failed(format!("the ledger has {} entries, which do not extend {since}", head.size))
    })?;
    Ok(shown.1)
}

fn base64_lines(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| BASE64.encode(hash)).collect()
}
