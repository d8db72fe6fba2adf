use super::{age, check_open, counted, open_session};
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::govern::{Governing, More, Out, settle};
use crate::cli::lookup;
use clap::Args;
use ledger_format::{Body, Kid};
use promptos::error::{Error, Result};
use promptos::ledger::Entry;

/// End a session: sign it with its prompts and events, and print the PR block
///
/// Its prompts, developer and repository are those of its start, and so are its notes unless others are given.
#[derive(Args)]
pub(crate) struct End {
    /// The session; by default the one that your key has open
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// What came of the session
    #[arg(long)]
    notes: Option<String>,
    #[command(flatten)]
    catalog: CatalogOption,
    #[command(flatten)]
    more: More,
    #[command(flatten)]
    out: Out,
}

impl End {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let reader = context.read()?;
        let key = context.existing_key()?;
        let start = open_session(&reader, self.session.as_deref(), &Kid::of(&key.public))?;
        let Body::Start(began) = &start.statement.body else {
            return Err(Error::bug("a start without a body"));
        };
        let details = reader.details(&start.statement.body)?;
        let Self { mut more, out, .. } = self;
        let mut renders: Vec<String> = began.renders.iter().map(ToString::to_string).collect();
        for wanted in more.render {
            let id = lookup::entry(&reader, &wanted)?.statement.id;
            renders.extend((!began.renders.contains(&id)).then_some(wanted));
        }
        more.render = renders;
        drop(reader);
        let text = |name: &str| details.as_ref().and_then(|details| details.fields.get(name).cloned());
        let what = Governing {
            prompts: began.prompts.iter().map(|used| used.reference.clone()).collect(),
            catalog: self.catalog,
            developer: text("developer"),
            target_repo: text("target"),
            notes: self.notes.or_else(|| text("notes")).unwrap_or_default(),
            more,
        };
        let (catalog, commit) = what.open(context)?;
        let mut planned = what.plan(context, (&catalog, commit)).map_err(|e| stays_open(e, &start))?;
        out.check()?;
        let ledger = context.write()?;
        check_open(&ledger, &start)?;
        settle(context, &ledger, &mut planned).map_err(|e| stays_open(e, &start))?;
        planned.end(&ledger, &start)?;
        let entry = context.append(&ledger, &key, &planned.new)?;
        if let Body::Session(session) = &entry.statement.body
            && let Some(life) = &session.life
        {
            context.ui.note(&format!(
                "it began with entry {}, {} ago, and has {}",
                start.index,
                age(entry.statement.time, start.statement.time),
                counted(life.events.len() as u64, "event")
            ));
        }
        out.tell(context, &ledger, &entry, "session-end")
    }
}

/// A session ends with the very prompts that it began with.
fn stays_open(error: Error, start: &Entry) -> Error {
    let Entry { index, statement } = start;
    error
        .hint(format!(
            "the session {} began with entry {index} and its prompts, and stays open",
            statement.name
        ))
        .hint(
            "restore what changed meanwhile; or --catalog ledger takes the prompts as the ledger bound them",
        )
}
