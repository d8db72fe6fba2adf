use crate::cli::context::Context;
use crate::cli::govern::{Governing, note_snapshot, session_report, settle};
use crate::cli::ui::one_line;
use clap::Args;
use ledger_format::Kid;
use promptos::error::Result;

/// Begin a session: lint, resolve, bind and sign what is settled before the work
///
/// Prints the session's id. Then 'session note' and 'session add' record what happens, and 'session end' ends it. A
/// session that never ends is told by 'session check'.
#[derive(Args)]
pub(crate) struct Start {
    #[command(flatten)]
    what: Governing,
}

impl Start {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let (catalog, commit) = self.what.open(context)?;
        let mut planned = self.what.plan(context, (&catalog, commit))?;
        planned.begin();
        let key = context.key()?;
        let ledger = context.write_or_create(&key)?;
        settle(context, &ledger, &mut planned)?;
        let kid = Kid::of(&key.public);
        for other in ledger.open_sessions()?.iter().filter(|start| start.statement.kid == kid) {
            let name = one_line(&other.statement.name, 120);
            context
                .ui
                .note(&format!("your session {name} is open as well; say which is meant with --session"));
        }
        let entry = context.append(&ledger, &key, &planned.new)?;
        if context.ui.json {
            return context.ui.report("session-start", session_report(&ledger, &entry));
        }
        let statement = &entry.statement;
        note_snapshot(context, &statement.body);
        context.ui.note(&format!(
            "it began with entry {} of '{}', signed by '{}' with {}",
            entry.index,
            ledger.name(),
            one_line(&statement.issuer, 120),
            statement.kid
        ));
        context.ui.note("next: promptos session note, add, end");
        context.ui.line(&statement.name)
    }
}
