//! A session that is recorded while it happens: what was settled at its start, what happens in it, and its end.

use super::enclosed::{Enclosed, Enclosing, Given};
use super::record::Planned;
use crate::error::{Error, Result};
use crate::ledger::{Entry, Ledger, New};
use ledger_format::{Body, EntryId, Event, Life, MAX_EVENTS, ManifestFile};
use std::collections::BTreeMap;

/// Something to be put on record in an open session.
pub struct EventRequest<'a> {
    /// The session's start.
    pub start: &'a Entry,
    /// What is to be said; may be empty when there are files.
    pub notes: &'a str,
    /// Files whose bytes are kept.
    pub files: &'a [Given],
    /// Why secrets may be recorded, if they may.
    pub allow_secret: Option<&'a str>,
    /// Random bytes for the details and for the manifest.
    pub salts: [[u8; 16]; 2],
}

/// An event that passed every check that needs no ledger.
pub struct PlannedEvent {
    /// What to append.
    pub new: New,
    /// The files, as the manifest has them.
    pub files: Vec<ManifestFile>,
    /// Secrets that are recorded as allowed.
    pub remarks: Vec<String>,
}

/// Puts an event together. It is called as its session. Nothing is written.
///
/// # Errors
/// Findings (exit 4) for secrets; failed for what cannot be read or named.
pub fn plan_event(request: &EventRequest<'_>) -> Result<PlannedEvent> {
    let notes = (!request.notes.is_empty()).then(|| ("notes".to_owned(), request.notes.to_owned()));
    let fields: BTreeMap<String, String> = notes.into_iter().collect();
    let enclosing = Enclosing {
        fields: &fields,
        files: request.files,
        allow_secret: request.allow_secret,
        salts: request.salts,
    };
    let Enclosed { details, attachments, files, contents, remarks } = enclosing.enclose()?;
    let start = &request.start.statement;
    let body = Body::Event(Event { start: start.id, details, attachments });
    let new = New { name: start.name.clone(), body, contents, next_log_key: None };
    Ok(PlannedEvent { new, files, remarks })
}

/// Refuses an event that the session's end could not list.
///
/// # Errors
/// Failed; when the ledger cannot be read.
pub fn check_room(ledger: &Ledger, start: &Entry) -> Result<()> {
    let have = ledger.events(&start.statement.id)?.len();
    if have < MAX_EVENTS {
        return Ok(());
    }
    let name = &start.statement.name;
    Err(Error::failed(format!("the session {name} has {have} events, and a session holds {MAX_EVENTS}"))
        .hint("end it and start another: promptos session end"))
}

impl Planned<'_> {
    /// Makes it the start of a session instead of a session.
    pub fn begin(&mut self) {
        if let Body::Session(session) = &self.new.body {
            self.new.body = Body::Start(session.clone());
        }
    }

    /// Makes it the end of the session that began so, with the events that the ledger has.
    ///
    /// # Errors
    /// Failed, when it names other prompts than the start, or the start has more events than a session can list.
    pub fn end(&mut self, ledger: &Ledger, start: &Entry) -> Result<()> {
        let began = &start.statement;
        if let Some(other) = self.used().iter().find(|used| !names(began.body.used(), &used.reference)) {
            return Err(Error::failed(format!(
                "{} is not one of the prompts that the session {} began with",
                other.reference, began.name
            ))
            .hint("a session ends with the prompts of its start; another session can name others"));
        }
        let events: Vec<EntryId> =
            ledger.events(&began.id)?.into_iter().map(|event| event.statement.id).collect();
        if events.len() > MAX_EVENTS {
            return Err(Error::failed(format!(
                "the session {} has {} events, and an end lists at most {MAX_EVENTS}",
                began.name,
                events.len()
            )));
        }
        self.new.name.clone_from(&began.name);
        if let Body::Session(session) = &mut self.new.body {
            session.life = Some(Life { start: began.id, events });
        }
        Ok(())
    }
}

fn names(used: &[ledger_format::Used], reference: &str) -> bool {
    used.iter().any(|used| used.reference == reference)
}
