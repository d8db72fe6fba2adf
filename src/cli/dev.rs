use super::context::Context;
use super::govern::{Governing, Out, settle};
use clap::Args;
use promptos::error::Result;

/// Record a governed session: lint, resolve, bind, sign, append, print the PR block
///
/// For a session that is over, told at once. One that is recorded while it happens begins with 'session start'.
#[derive(Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    what: Governing,
    #[command(flatten)]
    out: Out,
}

impl Dev {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let (catalog, commit) = self.what.open(context)?;
        let mut planned = self.what.plan(context, (&catalog, commit))?;
        self.out.check()?;
        let key = context.key()?;
        let ledger = context.write_or_create(&key)?;
        settle(context, &ledger, &mut planned)?;
        let entry = context.append(&ledger, &key, &planned.new)?;
        self.out.tell(context, &ledger, &entry, "dev")
    }
}
