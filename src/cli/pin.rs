use super::context::Context;
use super::ui::{DIM, one_line};
use clap::Subcommand;
use ledger_format::EntryId;
use promptos::error::{Error, Result};
use serde_json::json;

/// The heads that you have seen, kept outside every ledger
#[derive(Subcommand)]
pub(crate) enum Pin {
    /// Show the pins
    Show,
    /// Forget a pin, after a ledger was restored or given up on purpose
    Reset {
        /// The ledger id; by default the ledger that is here, or was here
        #[arg(value_name = "LEDGER_ID")]
        id: Option<String>,
    },
}

impl Pin {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let pins =
            context.pins().ok_or_else(|| Error::failed("there is no home folder, so there are no pins"))?;
        match self {
            Self::Show => {
                let all = pins.all()?;
                if context.ui.json {
                    let listed = all.iter().map(|pin| {
                        json!({"origin": pin.origin, "size": pin.head.size, "root": hex::encode(pin.head.root), "place": pin.place})
                    });
                    return context.ui.report("pin-show", json!({"pins": listed.collect::<Vec<_>>()}));
                }
                if all.is_empty() {
                    context.ui.note("no ledger was seen yet");
                }
                for pin in all {
                    let place = pin.place.map_or("no place".to_owned(), |place| place.display().to_string());
                    context.ui.line(&format!(
                        "{}\n  {DIM}{} entries, root {}\n  {}{DIM:#}",
                        one_line(&pin.origin, 200),
                        pin.head.size,
                        hex::encode(pin.head.root),
                        one_line(&place, 300)
                    ))?;
                }
                Ok(())
            }
            Self::Reset { id } => {
                let id = match id {
                    Some(text) => text.parse::<EntryId>().map_err(|_| {
                        Error::usage(format!("'{}' is not a ledger id of 64 hex digits", one_line(&text, 80)))
                            .hint("promptos pin show lists them")
                    })?,
                    None => match context.lost_here()?.and_then(|pin| pin.ledger()) {
                        Some(id) => id,
                        None => context.read_unchecked()?.id(),
                    },
                };
                if !pins.reset(&id)? {
                    return Err(Error::failed(format!("no pin of ledger {}", hex::encode(id.0))));
                }
                if context.ui.json {
                    return context.ui.report("pin-reset", json!({"ledger": hex::encode(id.0)}));
                }
                context.ui.note(&format!("forgotten: {}", hex::encode(id.0)));
                Ok(())
            }
        }
    }
}
