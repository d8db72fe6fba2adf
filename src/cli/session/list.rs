use super::{age, counted, start_of};
use crate::cli::context::Context;
use crate::cli::show::statement_json;
use crate::cli::ui::{BAD, BOLD, DIM, WARN, one_line};
use clap::Args;
use promptos::error::{Error, Result};
use promptos::ledger::rfc3339 as time;
use promptos::ledger::{Lived, Stated};
use serde_json::{Value, json};

/// List the sessions as they ended, then those that are open
#[derive(Args)]
pub(crate) struct List {
    /// Only those that have not ended
    #[arg(long)]
    open: bool,
}

/// Tell what does not fit in sessions: one that never ended, something added after the end (exit 4)
///
/// None of this is a fault of the ledger: it says something about the work.
#[derive(Args)]
pub(crate) struct Check {
    /// Only this session, by id or entry; by default all
    session: Option<String>,
}

impl List {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let now = context.now()?;
        let mut all = Vec::new();
        ledger.lives(&mut |lived| {
            if lived.end.is_none() || !self.open {
                all.push(lived);
            }
        })?;
        if context.ui.json {
            let sessions: Vec<Value> = all.iter().map(lived_json).collect();
            let open = all.iter().filter(|lived| lived.end.is_none()).count();
            return context.ui.report("session-list", json!({"sessions": sessions, "open": open}));
        }
        all.iter().try_for_each(|lived| context.ui.line(&line(lived, now)))
    }
}

fn line(lived: &Lived, now: u64) -> String {
    let name = one_line(&lived.name, 80);
    let by = |said: &Stated| format!("'{}'", one_line(&said.issuer, 60));
    let events = counted(lived.events as u64, "event");
    match (&lived.start, &lived.end) {
        (Some(start), None) => format!(
            "{WARN}open{WARN:#}   {BOLD}{name}{BOLD:#}  {DIM}since{DIM:#} {} ({}), {events}, by {}",
            time(start.time),
            age(now, start.time),
            by(start)
        ),
        (Some(start), Some(end)) => format!(
            "ended  {BOLD}{name}{BOLD:#}  {} {DIM}to{DIM:#} {}, {events}, by {}",
            time(start.time),
            time(end.time),
            by(end)
        ),
        (None, Some(end)) => {
            format!("ended  {BOLD}{name}{BOLD:#}  {}, told at once, by {}", time(end.time), by(end))
        }
        (None, None) => name,
    }
}

fn lived_json(lived: &Lived) -> Value {
    let said = |said: &Stated| {
        json!({
            "index": said.index, "id": said.id.to_string(), "iss": said.issuer, "kid": said.kid.to_string(),
            "time": time(said.time),
        })
    };
    json!({
        "session": lived.name,
        "open": lived.end.is_none(),
        "start": lived.start.as_ref().map(said),
        "events": lived.events,
        "end": lived.end.as_ref().map(said),
    })
}

impl Check {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let now = context.now()?;
        let only = self.session.as_ref().map(|wanted| start_of(&ledger, wanted)).transpose()?;
        let (mut count, mut ages) = (0u64, std::collections::HashMap::new());
        let mut misfits = ledger.lives(&mut |lived| {
            count += 1;
            if let (Some(start), None) = (&lived.start, &lived.end) {
                ages.insert(start.index, start.time);
            }
        })?;
        if let Some(start) = &only {
            misfits.retain(|misfit| misfit.start == start.statement.id);
            count = 1;
        }
        if context.ui.json {
            let start = only.as_ref().map(|start| statement_json(start.index, &start.statement));
            let findings: Vec<Value> = misfits
                .iter()
                .map(|misfit| {
                    let mut value = json!(misfit);
                    let since = ages.get(&misfit.entry).map(|then| now.saturating_sub(*then));
                    if let (Some(fields), Some(since)) = (value.as_object_mut(), since) {
                        fields.insert("seconds".to_owned(), json!(since));
                    }
                    value
                })
                .collect();
            context
                .ui
                .report("session-check", json!({"sessions": count, "start": start, "findings": findings}))?;
        } else {
            for misfit in &misfits {
                let age = ages.get(&misfit.entry).map(|then| format!(", {} ago", age(now, *then)));
                context.ui.line(&format!(
                    "{BAD}{}{BAD:#}: {BOLD}{}{BOLD:#}: {}{}",
                    misfit.code,
                    one_line(&misfit.session, 80),
                    one_line(&misfit.message, 600),
                    age.unwrap_or_default()
                ))?;
            }
            let found = counted(misfits.len() as u64, "finding");
            context.ui.line(&format!("{}: {found}", counted(count, "session")))?;
        }
        if misfits.is_empty() {
            return Ok(());
        }
        let open = misfits.iter().filter(|misfit| misfit.code == "session.open").count();
        let mut error = Error::findings(format!("sessions: {}", counted(misfits.len() as u64, "finding")));
        if open > 0 {
            error = error.hint("a session that is open ends with: promptos session end --session ID");
        }
        if misfits.len() > open {
            error = error.hint("what came late stays in the ledger; another session can tell of it");
        }
        Err(error)
    }
}
