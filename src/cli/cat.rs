use super::context::Context;
use super::lookup;
use super::ui::one_line;
use clap::Args;
use promptos::error::{Error, Result};
use promptos::ledger::BlobState;

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
        let bound = ledger.bound(&self.what)?.map(|(content, _)| content);
        let found = match bound {
            Some(content) => Some(content),
            None => lookup::content(&ledger, &self.what)?,
        };
        let address = found.ok_or_else(|| {
            Error::failed(format!("the ledger holds no content '{}'", one_line(&self.what, 120))).hint(
                "cat takes a digest (blake3:…, 8 digits or more), a ref that a session has bound, or entry:…",
            )
        })?;
        // The whole is checked before the first byte is printed; memory stays flat for any size.
        match ledger.read_blob(&address, &mut |_| Ok(()))? {
            BlobState::Present(_) => {}
            BlobState::Erased => return Err(Error::failed(format!("{address} was erased from this ledger"))),
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
