use super::base64_lines;
use crate::cli::context::Context;
use crate::cli::heads::{file_part, known_keys, note, signed};
use crate::cli::ui::{BOLD, DIM, GOOD, one_line};
use clap::Args;
use ledger_format::{Checkpoint, ForkProof, Head};
use promptos::error::{Error, Result};
use promptos::ledger::{Compared, Ledger, SignedHead, compare};
use promptos::session::write_atomically;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Compare two signed checkpoints: prove that one extends the other, or write the proof of a fork
///
/// Without NEW the ledger here is the new one. Exit 0 when they are consistent; 3 when they cannot be of one history, with
/// the proof in a file that anyone checks with promptos verify; 1 when neither can be shown.
#[derive(Args)]
pub(crate) struct Check {
    /// A checkpoint, a tlog-proof or an evidence tar; '-' is the standard input
    old: PathBuf,
    /// Another one of the same ledger
    new: Option<PathBuf>,
    /// The checkpoint key that signed them, as a vkey or a file that holds it; may be repeated. Without it, those of
    /// the ledger here and of [trust] in promptos.toml
    #[arg(long, value_name = "VKEY")]
    vkey: Vec<String>,
    /// Where to write the proof of a fork [default: fork-<ledger>-<sizes>.txt]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if self.old.as_os_str() == "-" && self.new.as_ref().is_some_and(|new| new.as_os_str() == "-") {
            return Err(Error::usage("only one of OLD and NEW can be the standard input"));
        }
        // The pin may be what another history is found with, so the ledger is opened whatever it says.
        let ledger = match &self.new {
            None => Some(context.read_unchecked()?),
            Some(_) => context.read_if_there()?,
        };
        let old = note(&self.old)?;
        let origin = Checkpoint::parse(&old).map_err(|f| Error::failed(f.detail))?.origin;
        // One that is of another ledger has nothing to say.
        let ledger = ledger.filter(|ledger| self.new.is_none() || ledger.origin() == origin);
        let keys = known_keys(context, ledger.as_ref(), &self.vkey)?;
        let old = SignedHead::open(old, &keys).map_err(|e| crate::cli::heads::at(&self.old, e))?;
        let new = match &self.new {
            Some(path) => signed(path, &keys)?,
            None => own(ledger.as_ref())?,
        };
        if old.checkpoint.origin != new.checkpoint.origin {
            return Err(Error::failed("the two checkpoints are of two ledgers")
                .hint(format!("the first   {}", one_line(&old.checkpoint.origin, 200)))
                .hint(format!("the second  {}", one_line(&new.checkpoint.origin, 200))));
        }
        let (a, b) = (old.checkpoint.head, new.checkpoint.head);
        if self.new.is_none() && a.size > b.size {
            return Err(Error::integrity(format!(
                "the ledger went back: it has {} entries; the checkpoint has {}",
                b.size, a.size
            ))
            .hint("this may be an older copy, and proves no fork; only the ledger of that checkpoint could show one"));
        }
        let (old, new) = if a.size > b.size { (new, old) } else { (old, new) };
        self.verdict(context, &old, &new, ledger.as_ref())
    }

    fn verdict(
        &self,
        context: &Context<'_>,
        old: &SignedHead,
        new: &SignedHead,
        ledger: Option<&Ledger>,
    ) -> Result<()> {
        let (a, b) = (old.checkpoint.head, new.checkpoint.head);
        match compare(old, new, ledger)? {
            Compared::Same => report(context, "same", old, new, &[], None, &format!("both have {a}")),
            Compared::Extends(path) => {
                let text =
                    format!("the {} entries of the newer one extend the {} of the older", b.size, a.size);
                report(context, "consistent", old, new, &base64_lines(&path), None, &text)
            }
            Compared::Forked(proof) => self.forked(context, old, new, proof.as_deref()),
            Compared::Unknown => {
                // Of each by itself the ledger here may show more.
                if let Some(ledger) = ledger {
                    let here = own(Some(ledger))?;
                    for given in [old, new]
                        .into_iter()
                        .filter(|given| given.checkpoint.head.size <= here.checkpoint.head.size)
                    {
                        if let Compared::Forked(proof) = compare(given, &here, Some(ledger))? {
                            return self.forked(context, given, &here, proof.as_deref());
                        }
                    }
                }
                Err(Error::failed(format!(
                    "whether {} entries extend {} cannot be told from the checkpoints alone: this proves nothing, neither way",
                    b.size, a.size
                ))
                .hint(format!("what would tell: the ledger that has the {} entries, with --ledger FILE", b.size)))
            }
        }
    }

    fn forked(
        &self,
        context: &Context<'_>,
        old: &SignedHead,
        new: &SignedHead,
        proof: Option<&ForkProof>,
    ) -> Result<()> {
        let (a, b) = (old.checkpoint.head, new.checkpoint.head);
        let error = Error::integrity(match proof {
            Some(_) => "the ledger forked: one key signed two histories of it",
            None => "the ledger forked: two of its keys signed two histories",
        });
        let error = error.hint(format!("one    {a}")).hint(format!("other  {b}"));
        let Some(proof) = proof else {
            report(context, "forked", old, new, &[], None, "the two cannot be of one history")?;
            return Err(error.hint("two keys signed them, so that no proof accuses the holder of one"));
        };
        let name =
            || format!("fork-{}-{}-{}.txt", file_part(ledger_name(&old.checkpoint.origin)), a.size, b.size);
        let path = self.out.clone().unwrap_or_else(|| PathBuf::from(name()));
        let error = match write_atomically(&path, &proof.to_bytes(), false) {
            Ok(()) => error
                .hint(format!("the proof is in {}", path.display()))
                .hint(format!("anyone can check it: promptos verify {}", path.display())),
            Err(unwritten) => error
                .hint(format!("the proof was not written: {unwritten}"))
                .hint("--out FILE names another place"),
        };
        report(context, "forked", old, new, &[], Some(json!(path)), "the two cannot be of one history")?;
        Err(error)
    }
}

/// The ledger's own head, signed.
fn own(ledger: Option<&Ledger>) -> Result<SignedHead> {
    let ledger = ledger.ok_or_else(|| Error::bug("there is no ledger to compare with"))?;
    SignedHead::open(ledger.signed_checkpoint()?, &ledger.checkpoint_keys()?)
        .map_err(|e| Error::integrity(format!("the ledger's checkpoint does not hold: {e}")))
}

fn ledger_name(origin: &str) -> &str {
    origin.rsplit_once('/').map_or(origin, |(name, _)| name)
}

fn report(
    context: &Context<'_>,
    verdict: &str,
    old: &SignedHead,
    new: &SignedHead,
    path: &[String],
    file: Option<Value>,
    text: &str,
) -> Result<()> {
    if context.ui.json {
        let head = |Head { size, root }: Head| json!({"size": size, "root": hex::encode(root)});
        return context.ui.report(
            "checkpoint-check",
            json!({
                "verdict": verdict, "origin": old.checkpoint.origin, "old": head(old.checkpoint.head),
                "new": head(new.checkpoint.head), "proof": path, "fork": file,
            }),
        );
    }
    if verdict == "forked" {
        return Ok(()); // said by the error
    }
    context.ui.line(&format!("{BOLD}ledger  {BOLD:#}  {}", one_line(&old.checkpoint.origin, 200)))?;
    context.ui.line(&format!("{BOLD}verdict {BOLD:#}  {GOOD}{verdict}{GOOD:#} {DIM}({text}){DIM:#}"))?;
    for hash in path {
        context.ui.line(&format!("{BOLD}proof   {BOLD:#}  {hash}"))?;
    }
    Ok(())
}
