use super::context::Context;
use clap::Args;
use ledger_format::VerifierKey;
use promptos::error::Result;
use serde_json::json;

/// Print the ledger's signed checkpoint, for others to hold
///
/// It is a C2SP signed note. Whoever keeps it can later check that the ledger still extends it:
/// promptos verify-chain --checkpoint FILE.
#[derive(Args)]
pub(crate) struct Checkpoint {
    /// Print the verifier key (vkey) that checks the signature instead
    #[arg(long)]
    vkey: bool,
}

impl Checkpoint {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let checkpoint = ledger.checkpoint()?;
        let vkey = VerifierKey { name: ledger.origin(), key: ledger.checkpoint_key()? }.to_string();
        let note = ledger.signed_checkpoint()?;
        if context.ui.json {
            return context.ui.report("checkpoint", json!({
                "origin": checkpoint.origin, "size": checkpoint.head.size, "root": hex::encode(checkpoint.head.root),
                "note": String::from_utf8_lossy(&note), "vkey": vkey,
            }));
        }
        if self.vkey {
            return context.ui.line(&vkey);
        }
        context.ui.bytes(&note)?;
        context.ui.flush()
    }
}
