use super::context::Context;
use super::lookup;
use super::ui::one_line;
use clap::Args;
use ledger_format::Address;
use promptos::error::{Error, Result};
use promptos::ledger::{BlobState, Ledger};

/// Print content or a statement byte for byte, checked against its digest
#[derive(Args)]
pub(crate) struct Cat {
    /// A digest (blake3:…, 8 digits or more), a bound prompt ref such as P00.v1, or entry:… for the
    /// statement itself
    what: String,
}

impl Cat {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if context.ui.json {
            return Err(Error::usage("cat prints content as it is; it has no JSON form")
                .hint("promptos show ENTRY --json and promptos trace DIGEST --json describe content"));
        }
        let ledger = context.read()?;
        if self.what.starts_with("entry:") {
            let entry = lookup::entry(&ledger, &self.what)?;
            ledger.check_entry(&entry)?;
            context.ui.bytes(entry.statement.bytes())?;
            return context.ui.flush();
        }
        let found = find(&ledger, &self.what)?;
        let address = found.ok_or_else(|| {
            Error::failed(format!("the ledger holds no content '{}'", one_line(&self.what, 120))).hint(
                "cat takes a digest (blake3:…, 8 digits or more), a ref that a session has bound, or entry:…",
            )
        })?;
        // The whole is checked before the first byte is printed; memory stays flat for any size.
        match ledger.read_blob(&address, &mut |_| Ok(()))? {
            BlobState::Present(_) => {}
            BlobState::Erased => return Err(Error::failed(format!("{address} was erased from this ledger"))),
            BlobState::Missing if ledger.is_published() => return Err(ledger.not_here(&address)),
            BlobState::Missing => {
                return Err(Error::failed(format!(
                    "{address} is listed, but its bytes are not in this ledger"
                ))
                .hint("artifacts are kept only with: promptos attach --store"));
            }
        }
        ledger.read_blob(&address, &mut |piece| context.ui.bytes(piece))?;
        context.ui.flush()
    }
}

/// The content that is meant.
fn find(ledger: &Ledger, what: &str) -> Result<Option<Address>> {
    // The digest says all there is to say of bytes; to ask who names them, all of a published ledger would be read.
    if ledger.is_published()
        && let Ok(address) = what.parse::<Address>()
        && let BlobState::Present(_) = ledger.blob_state(&address)?
    {
        return Ok(Some(address));
    }
    if what.starts_with("blake3:") {
        return lookup::content(ledger, what);
    }
    match ledger.bound(what)? {
        Some((content, _)) => Ok(Some(content)),
        None => lookup::content(ledger, what),
    }
}
