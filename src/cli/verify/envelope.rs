//! Verifying an envelope: a tlog-proof, a receipt, a transparent statement, an in-toto Statement.

use super::super::context::Context;
use super::super::ui::{BOLD, DIM, GOOD, one_line, safe, short};
use super::super::verify_chain::print_witnessed;
use super::{Require, Verify, name, read};
use ledger_format::VerifierKey;
use promptos::envelope::{Envelope, Keys, Proved};
use promptos::error::{Error, Result};
use promptos::keys::{PublicKey, check_key};
use promptos::ledger::{WitnessedHead, rfc3339 as time};
use serde_json::json;
use std::path::Path;

/// Verifies the envelope with the keys that were given, all of which are trusted by that.
pub(super) fn verify(args: &Verify, context: &Context<'_>, envelope: &Envelope) -> Result<()> {
    let keys = keys(&args.trust)?;
    let beside = args.statement.as_ref().map(|path| read(path)).transpose()?;
    let proved = envelope.verify(beside, &keys)?;
    let own = match envelope {
        Envelope::TlogProof(proof) => Some(proof.checkpoint.clone()),
        _ => None,
    };
    let (rung, witnessed) = args.rung(context, &proved.ledger, &proved.checkpoint, own)?;
    let reached = (rung, witnessed.as_ref());
    match context.ui.json {
        true => report(context, envelope.form(), &proved, reached)?,
        false => print(context, envelope.form(), &proved, reached)?,
    }
    args.demand(rung)
}

type Reached<'a> = (Require, Option<&'a WitnessedHead>);

/// The keys themselves: an envelope has fingerprints of them only.
fn keys(named: &[String]) -> Result<Keys> {
    let mut keys = Keys::default();
    for text in named {
        if let Ok(vkey) = VerifierKey::parse(text) {
            keys.logs.push(vkey);
        } else if text.starts_with("SHA256:") || text.parse::<ledger_format::EntryId>().is_ok() {
            return Err(Error::usage(format!("'{}' names a key and is none", one_line(text, 80))).hint(
                "an envelope is verified with the keys themselves: --trust FILE.pub and --trust VKEY",
            ));
        } else {
            let public = PublicKey::read(Path::new(text))
                .map_err(|e| e.hint("for an envelope --trust takes a .pub file, or a vkey: name+hash+key"))?;
            keys.keys.push(check_key(&public.key)?);
        }
    }
    Ok(keys)
}

fn report(context: &Context<'_>, form: &str, proved: &Proved, (rung, witnessed): Reached<'_>) -> Result<()> {
    let statement = &proved.statement;
    let contents = statement.body.contents();
    let contents = contents.iter().map(|content| {
        json!({"blake3": content.blake3.to_string(), "sha256": hex::encode(content.sha256), "size": content.size})
    });
    context.ui.report(
        "verify",
        json!({
            "form": form,
            "ledger": hex::encode(proved.ledger.0),
            "origin": proved.checkpoint.origin,
            "size": proved.checkpoint.head.size,
            "root": hex::encode(proved.checkpoint.head.root),
            "rung": name(rung),
            "witnessed": witnessed,
            "trusted_ledger": true,
            "trusted_key": true,
            "entry": super::super::show::statement_json(proved.index, statement),
            "exporter": proved.exporter.map(|kid| kid.to_string()),
            "describes": contents.collect::<Vec<_>>(),
        }),
    )
}

fn print(context: &Context<'_>, form: &str, proved: &Proved, (rung, witnessed): Reached<'_>) -> Result<()> {
    let line = |label: &str, text: String| context.ui.line(&format!("{BOLD}{label:<9}{BOLD:#} {text}"));
    let (statement, head) = (&proved.statement, proved.checkpoint.head);
    line("form", form.to_owned())?;
    line("entry", format!("{} {DIM}({}){DIM:#}", statement.id, one_line(&statement.subject(), 120)))?;
    line("signer", format!("{} {DIM}{}{DIM:#}", safe(&statement.issuer), statement.kid))?;
    line("time", format!("{} {DIM}as claimed{DIM:#}", time(statement.time)))?;
    line("ledger", format!("{} {DIM}as of {} entries{DIM:#}", safe(&proved.checkpoint.origin), head.size))?;
    for used in statement.body.used() {
        let address = used.content.blake3.to_string();
        line(
            "prompt",
            format!(
                "{} {DIM}{}, {} bytes, which are not in here{DIM:#}",
                safe(&used.reference),
                short(&address),
                used.content.size
            ),
        )?;
    }
    if let Some(exporter) = proved.exporter {
        line("exporter", format!("{exporter} {DIM}signed the in-toto Statement{DIM:#}"))?;
    }
    if let Some(witnessed) = witnessed {
        print_witnessed(context, witnessed, head.size)?;
    }
    let rung = name(rung);
    line("rung", format!("{GOOD}{rung}{GOOD:#} {DIM}{}{DIM:#}", super::as_of(head.size)))?;
    line("trust", format!("the log's key and the signer's are those that you gave {DIM}by --trust{DIM:#}"))
}
