use super::context::Context;
use super::lookup;
use super::ui::one_line;
use clap::{Args, ValueEnum};
use ledger_format::{PublicKey, Transparent, VerifierKey};
use promptos::envelope::{self, Keys};
use promptos::error::{Error, Result};
use promptos::keys::check_key;
use promptos::ledger::{Entry, Ledger};
use promptos::session::write_atomically;
use serde_json::json;
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// Write one entry in an envelope that other people's tools read
///
/// tlog-proof: where the entry stands, with the signed checkpoint (C2SP), as text. receipt: the same, signed by the
/// log in COSE (RFC 9942). transparent-statement: the entry's statement with its receipt (RFC 9943). in-toto: an
/// in-toto Statement about the contents that the entry names, in DSSE, signed with your key. The log signs receipts:
/// who has no log key cannot make them. promptos verify reads each of them back.
#[derive(Args)]
pub(crate) struct Envelope {
    /// An index, an entry id (8 digits or more), or a session or run id
    entry: String,
    /// The form
    #[arg(long = "as", value_name = "FORM")]
    form: Form,
    /// The file to write; by default it is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that is there and differs
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    TlogProof,
    Receipt,
    TransparentStatement,
    InToto,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::TlogProof => "tlog-proof",
            Self::Receipt => "receipt",
            Self::TransparentStatement => "transparent-statement",
            Self::InToto => "in-toto",
        }
    }

    fn is_binary(self) -> bool {
        matches!(self, Self::Receipt | Self::TransparentStatement)
    }
}

impl Envelope {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if self.out.is_none() {
            let name = self.form.name();
            if context.ui.json {
                return Err(Error::usage(format!("a {name} is printed as it is and has no JSON report"))
                    .hint("with --out FILE there is one"));
            }
            if self.form.is_binary() && std::io::stdout().is_terminal() {
                return Err(Error::usage(format!("a {name} is binary and nothing for a terminal"))
                    .hint("name a file: --out FILE"));
            }
        }
        let ledger = context.read()?;
        let entry = lookup::entry(&ledger, &self.entry)?;
        let bytes = self.make(context, &ledger, &entry)?;
        let Some(out) = &self.out else {
            context.ui.bytes(&bytes)?;
            return context.ui.flush();
        };
        write_atomically(out, &bytes, self.force)?;
        if context.ui.json {
            return context.ui.report("envelope", json!({
                "entry": super::show::entry_json(&entry), "as": self.form.name(), "file": out, "bytes": bytes.len(),
            }));
        }
        context.ui.line(&one_line(&out.to_string_lossy(), 4096))
    }

    fn make(&self, context: &Context<'_>, ledger: &Ledger, entry: &Entry) -> Result<Vec<u8>> {
        let statement = entry.statement.clone();
        let mut keys = known(ledger, entry)?;
        let bytes = match self.form {
            Form::TlogProof => ledger.tlog_proof(entry)?.to_bytes(),
            Form::Receipt => receipt(context, ledger, entry)?.bytes().to_vec(),
            Form::TransparentStatement => {
                let receipt = receipt(context, ledger, entry)?;
                let both = Transparent { statement, receipt };
                both.to_bytes().map_err(|f| Error::bug(f.to_string()))?
            }
            Form::InToto => {
                let key = context.existing_key()?;
                keys.keys.push(check_key(&key.public)?);
                envelope::attest(&statement, &ledger.tlog_proof(entry)?, &*key.signer)?
            }
        };
        // What we would refuse ourselves is not handed out.
        let beside = matches!(self.form, Form::TlogProof | Form::Receipt);
        let read = envelope::Envelope::read(&bytes, beside)?
            .ok_or_else(|| Error::bug(format!("a {} that was made is not read", self.form.name())))?;
        read.verify(beside.then(|| entry.statement.bytes().to_vec()), &keys)?;
        Ok(bytes)
    }
}

/// The keys that the ledger knows for this entry.
fn known(ledger: &Ledger, entry: &Entry) -> Result<Keys> {
    let author = ledger.key(&entry.statement.kid)?.map(|record| record.key);
    let log = VerifierKey { name: ledger.origin(), key: ledger.checkpoint_key()? };
    Ok(Keys { keys: author.into_iter().collect::<Vec<PublicKey>>(), logs: vec![log] })
}

fn receipt(context: &Context<'_>, ledger: &Ledger, entry: &Entry) -> Result<ledger_format::Receipt> {
    let only = "receipts are signed with the ledger's log key: only who keeps the ledger can make them";
    let log_key = context.log_key(ledger).map_err(|e| e.hint(only))?;
    ledger.receipt(entry, &log_key).map_err(|e| e.hint(only))
}
