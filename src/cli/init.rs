use super::context::Context;
use super::ui;
use clap::Args;
use ledger_format::Previous;
use promptos::error::{Error, Result};
use promptos::session::{Settings, write_atomically};
use serde_json::json;

/// Make a ledger and its settings; safe to repeat
///
/// Makes .promptos/ (the ledger and its log key, ignored by git), promptos.toml (to be committed) and, when
/// you have none yet, a signing key. What is there already is left alone.
#[derive(Args)]
pub(crate) struct Init {
    /// The ledger's name; by default the folder's
    #[arg(long)]
    name: Option<String>,
    /// Your identity in the ledger, recorded for ever; by default git's user.email
    #[arg(long = "as", value_name = "IDENTITY")]
    identity: Option<String>,
    /// Start a new ledger that cites the last head of the one that was lost here
    #[arg(long)]
    new: bool,
}

impl Init {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if let Some(name) = &self.name {
            let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
            if !(1..=64).contains(&name.len()) || !name.bytes().all(allowed) {
                return Err(Error::usage("a ledger's name is 1 to 64 of a-z, 0-9, '.' and '-'"));
            }
        }
        let path = context.ledger_path()?;
        // Whatever is there, it is not for us to put a ledger beside it.
        let there = path.symlink_metadata().is_ok();
        let key = context.key()?;
        let ledger = if there && !self.new {
            if self.name.is_some() || self.identity.is_some() {
                context.ui.note("the ledger is there already; --name and --as change nothing");
            }
            context.write()?
        } else if self.new {
            if there {
                return Err(Error::failed(format!("a ledger is there already: {}", context.shown(&path)))
                    .hint("move it away first; 'init --new' never replaces one"));
            }
            let lost = context.lost_pin(&path)?;
            let previous =
                lost.as_ref().and_then(|pin| Some(Previous { ledger: pin.ledger()?, head: pin.head }));
            if previous.is_none() {
                context.ui.note("no earlier ledger was seen here, so the new one cites none");
            }
            let ledger =
                context.create(&key, self.name.as_deref(), self.identity.as_deref(), previous.clone())?;
            if let (Some(previous), Some(pins)) = (previous, context.pins()) {
                pins.forget_place(&previous.ledger)?;
            }
            ledger
        } else if context.lost_pin(&path)?.is_some() {
            context.write()?
        } else {
            context.create(&key, self.name.as_deref(), self.identity.as_deref(), None)?
        };
        let settings = context.root()?.join(Settings::FILE);
        if !settings.exists() {
            write_atomically(&settings, Settings::template(&ledger.id()).as_bytes(), false)?;
            context.ui.note(&format!("new settings {}; commit them", context.shown(&settings)));
        }
        if context.ui.json {
            return context.ui.report("init", json!({
                "ledger": hex::encode(ledger.id().0), "name": ledger.name(), "path": path, "size": ledger.head()?.size,
                "key": ledger_format::Kid::of(&key.public).to_string(),
            }));
        }
        context.ui.line(&format!("ledger  {} ({})", ledger.name(), ui::ledger(&ledger.id())))?;
        context.ui.line(&format!("file    {}", context.shown(&path)))?;
        context.ui.line(&format!("key     {}", context.describe_key(&key)))
    }
}
