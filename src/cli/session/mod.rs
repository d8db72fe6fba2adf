//! Sessions: recorded while they happen, looked at, and taken over from elsewhere.

mod end;
mod event;
mod import;
mod list;
mod start;

use super::context::Context;
use super::lookup;
use super::ui::one_line;
use clap::Subcommand;
use ledger_format::{Body, Kid};
use promptos::error::{Error, Result};
use promptos::ledger::{Entry, Ledger, rfc3339};

/// Sessions: record one while it happens, list them, find what does not fit, import old records
#[derive(Subcommand)]
pub(crate) enum Session {
    Start(start::Start),
    Note(event::Note),
    Add(event::Add),
    End(end::End),
    List(list::List),
    Check(list::Check),
    Import(import::Import),
}

impl Session {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        match self {
            Self::Start(command) => command.run(context),
            Self::Note(command) => command.run(context),
            Self::Add(command) => command.run(context),
            Self::End(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Import(command) => command.run(context),
        }
    }
}

/// The start that a person means: by session id or entry; without a name the one open session of the key.
fn open_session(ledger: &Ledger, wanted: Option<&str>, kid: &Kid) -> Result<Entry> {
    if let Some(wanted) = wanted {
        let start = start_of(ledger, wanted)?;
        check_open(ledger, &start)?;
        return Ok(start);
    }
    let all = ledger.open_sessions()?;
    let own: Vec<&Entry> = all.iter().filter(|start| start.statement.kid == *kid).collect();
    let list = |error: Error, open: &[&Entry]| {
        open.iter().rev().take(9).fold(error, |error, start| {
            let Entry { index, statement } = start;
            error.hint(format!(
                "open: {} (entry {index} by '{}' at {})",
                one_line(&statement.name, 80),
                one_line(&statement.issuer, 60),
                rfc3339(statement.time)
            ))
        })
    };
    match own.as_slice() {
        [one] => Ok((*one).clone()),
        [] if all.is_empty() => Err(Error::failed("no session is open")
            .hint("start one: promptos session start --prompts A,B")
            .hint("a session that is over is recorded at once: promptos dev")),
        [] => {
            let error = Error::failed(format!("the key {kid} has no open session"))
                .hint("start one: promptos session start --prompts A,B; or name one: --session ID");
            Err(list(error, &all.iter().collect::<Vec<_>>()))
        }
        several => {
            let error = Error::failed(format!("{} sessions of the key {kid} are open", several.len()));
            Err(list(error.hint("name one: --session ID"), several))
        }
    }
}

/// The start of the session that a person named, open or not.
fn start_of(ledger: &Ledger, wanted: &str) -> Result<Entry> {
    let entry = match ledger.by_subject(&format!("start/{wanted}"))?.pop() {
        Some(start) => start,
        None => lookup::entry(ledger, wanted)?,
    };
    let start = match &entry.statement.body {
        Body::Start(_) => return Ok(entry),
        Body::Event(event) => Some(event.start),
        Body::Session(session) => session.life.as_ref().map(|life| life.start),
        _ => None,
    };
    let start = start.map(|id| ledger.by_id(&id)).transpose()?.flatten();
    start.ok_or_else(|| {
        let what = one_line(&entry.statement.subject(), 120);
        Error::failed(format!("entry {} is {what}, which has no start", entry.index))
            .hint("promptos session list shows the sessions")
    })
}

/// A session that ended takes nothing more.
fn check_open(ledger: &Ledger, start: &Entry) -> Result<()> {
    let name = one_line(&start.statement.name, 80);
    match ledger.ends(&start.statement.id)?.first() {
        None => Ok(()),
        Some(end) => Err(Error::failed(format!("the session {name} ended with entry {}", end.index))
            .hint("what comes after it belongs to another session: promptos session start")),
    }
}

/// How long ago something was, in words; the times are claimed, so it may be none.
fn age(now: u64, then: u64) -> String {
    let seconds = now.saturating_sub(then);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(count, unit)
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
