use super::context::Context;
use super::heads::{at, known_keys, read};
use super::ui::one_line;
use clap::Args;
use ledger_format::{Checkpoint, Head, Submission, WitnessKey, tree};
use promptos::error::{Error, Result};
use promptos::keys::{self, Key};
use promptos::ledger::{Ledger, SignedHead, held_note, rfc3339};
use promptos::session::write_atomically;
use serde_json::json;
use std::cell::Cell;
use std::path::PathBuf;

/// Cosign somebody's checkpoint, as a witness that their ledger only grows
///
/// Your cosignature says: at this time, this was the largest tree of the ledger that I have seen, and it extends all that I
/// saw before. So the checkpoint is compared with your pin, and is your pin before the signature is made. The proof comes
/// from the file (promptos checkpoint --since SIZE, where the ledger is) or from the ledger itself with --ledger. The
/// cosigned checkpoint is printed.
#[derive(Args)]
pub(crate) struct Cosign {
    /// A signed checkpoint, with or without the proof that it extends an earlier one; '-' is the standard input
    #[arg(required_unless_present = "witness_vkey")]
    checkpoint: Option<PathBuf>,
    /// The ledger's checkpoint key, as a vkey or a file that holds it; may be repeated. Without it, those of the ledger
    /// here and of [trust] in promptos.toml
    #[arg(long, value_name = "VKEY")]
    vkey: Vec<String>,
    /// The name to cosign under, without blanks and '+' [default: your email address, as git knows it]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Add the cosignature to the file, which must be a plain checkpoint, instead of printing
    #[arg(long)]
    write: bool,
    /// Print the line of the cosignature alone
    #[arg(long, conflicts_with = "write")]
    line: bool,
    /// Print the vkey by which others check your cosignatures, for their policy, and cosign nothing
    #[arg(long, conflicts_with_all = ["checkpoint", "write", "line"])]
    witness_vkey: bool,
}

impl Cosign {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let Some(path) = &self.checkpoint else {
            let (_, witness) = self.witness(context)?;
            return match context.ui.json {
                true => context.ui.report("cosign", json!({"witness_vkey": witness.to_string()})),
                false => context.ui.line(&witness.to_string()),
            };
        };
        let bytes = read(path)?;
        let submission = Submission::parse(&bytes).ok();
        let note = match &submission {
            Some(submission) => submission.checkpoint.clone(),
            None => held_note(&bytes).map_err(|e| at(path, e))?,
        };
        if self.write && (note != bytes || path.as_os_str() == "-") {
            return Err(Error::usage("--write is for the file of a plain checkpoint; this one is printed"));
        }
        let origin = Checkpoint::parse(&note).map_err(|f| at(path, Error::failed(f.detail)))?.origin;
        let ledger = context.read_if_there()?.filter(|ledger| ledger.origin() == origin);
        let keys = known_keys(context, ledger.as_ref(), &self.vkey)?;
        let head = SignedHead::open(note, &keys).map_err(|e| at(path, e))?;
        let (key, witness) = self.witness(context)?;
        let time = pin(context, &head, submission.as_ref(), ledger.as_ref())?;
        let line = witness
            .cosign(&head.note, time, &*key.signer)
            .map_err(|e| Error::unavailable(format!("the key did not sign: {e}")))?;
        let cosigned = [head.note.as_slice(), line.as_bytes()].concat();
        // Whoever knows this witness refuses a note with a bad line of it, and one that is too large.
        witness.times(&cosigned).map_err(|f| at(path, Error::failed(f.to_string())))?;
        if self.write {
            write_atomically(path, &cosigned, true)?;
        }
        self.say(context, &head.checkpoint, &witness, time, &line, &cosigned)
    }

    /// The key that signs, and who that is as a witness.
    fn witness(&self, context: &Context<'_>) -> Result<(Key, WitnessKey)> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => context.default_identity()?,
        };
        let key = context.own_key()?;
        let public = keys::check_key(&key.public)?;
        let witness = WitnessKey::new(&name, public).map_err(|_| {
            Error::usage(format!(
                "'{}' cannot name a witness: blanks and '+' are not allowed",
                one_line(&name, 80)
            ))
            .hint("name yourself with --name NAME, such as a host name or an email address")
        })?;
        Ok((key, witness))
    }

    fn say(
        &self,
        context: &Context<'_>,
        checkpoint: &Checkpoint,
        witness: &WitnessKey,
        time: u64,
        line: &str,
        cosigned: &[u8],
    ) -> Result<()> {
        let Checkpoint { origin, head } = checkpoint;
        if context.ui.json {
            return context.ui.report("cosign", json!({
                "origin": origin, "size": head.size, "root": hex::encode(head.root), "time": rfc3339(time),
                "line": line.trim_end(), "note": String::from_utf8_lossy(cosigned), "witness_vkey": witness.to_string(),
            }));
        }
        let said = format!("cosigned {} entries of {} as {}", head.size, one_line(origin, 120), witness.name);
        context.ui.note(&said);
        match (self.write, self.line) {
            (true, _) => Ok(()),
            (_, true) => context.ui.bytes(line.as_bytes()),
            _ => context.ui.bytes(cosigned),
        }?;
        context.ui.flush()
    }
}

/// Pins the head, once it is shown to extend the one that is pinned; answers the time at which that was so.
fn pin(
    context: &Context<'_>,
    new: &SignedHead,
    submission: Option<&Submission>,
    ledger: Option<&Ledger>,
) -> Result<u64> {
    let pins = context.pins().ok_or_else(|| {
        Error::failed("there is no home folder, so there is no pin to check the checkpoint with")
            .hint("PROMPTOS_HOME names a folder for keys and pins")
    })?;
    let time = Cell::new(0);
    pins.witness(&new.checkpoint, |pinned| {
        if let Some(ledger) = ledger
            && ledger.prefix(0, &new.checkpoint.head)?.is_none()
        {
            return Err(Error::integrity("the ledger here never had this head")
                .hint("promptos checkpoint check tells more, and writes the proof when it is a fork"));
        }
        match pinned {
            None => context.ui.note("first seen: your cosignature vouches for what comes from now on"),
            Some(pinned) => extends(pinned, &new.checkpoint.head, submission, ledger)?,
        }
        time.set(context.now()?);
        Ok(())
    })?;
    Ok(time.get())
}

/// Whether the head extends the one seen before, by whatever shows it.
fn extends(old: &Head, new: &Head, submission: Option<&Submission>, ledger: Option<&Ledger>) -> Result<()> {
    let forked = || {
        Error::integrity(format!("it does not extend the {} entries that you saw before", old.size))
            .hint(format!("seen     {old}"))
            .hint(format!("this is  {new}"))
            .hint("with the checkpoint that you saw: promptos checkpoint check OLD NEW")
    };
    if old.size == new.size {
        return if old == new { Ok(()) } else { Err(forked()) };
    }
    if let Some(ledger) = ledger {
        let shown = ledger.prefix(old.size, new)?;
        return if shown.is_some_and(|(prefix, _)| prefix == *old) { Ok(()) } else { Err(forked()) };
    }
    let ask = |what: String| {
        Error::failed(what)
            .hint(format!("ask for it where the ledger is: promptos checkpoint --since {}", old.size))
            .hint("or name a copy of the ledger: --ledger FILE")
    };
    match submission {
        None => Err(ask(format!(
            "you saw {} entries before; nothing here shows that these {} extend them",
            old.size, new.size
        ))),
        Some(submission) if submission.old != old.size => {
            Err(ask(format!("its proof begins at {} entries, and you saw {}", submission.old, old.size)))
        }
        Some(submission) => tree::verify_consistency(old, new, &submission.path).map_err(|_| forked()),
    }
}
