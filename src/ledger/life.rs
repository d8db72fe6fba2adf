//! Sessions as the ledger tells them: how each began, what happened in it, how it ended, and what does not fit.
//!
//! None of this is a fault of the ledger (SPEC \[LIFE-1\]): it says something about the work.

use super::{Entry, Ledger, Stated, index};
use crate::error::Result;
use ledger_format::{Body, EntryId, Life, Session, Statement};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A session from its start to its end.
#[derive(Debug, Clone)]
pub struct Lived {
    /// The session's id: the name of its end, else of its start.
    pub name: String,
    /// How it began; `None` for a session that was told at once.
    pub start: Option<Stated>,
    /// How many events there are: those that the end lists, or all so far.
    pub events: usize,
    /// How it ended; `None` while it is open.
    pub end: Option<Stated>,
}

/// What does not fit in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// A stable code such as `session.late-event`.
    pub code: &'static str,
    /// The session's id, as its start has it.
    pub session: String,
    /// The session's start.
    #[serde(skip)]
    pub start: EntryId,
    /// The entry that it is about.
    pub entry: u64,
    /// What is the matter.
    pub message: String,
}

/// A start that no session ended yet, or until now.
pub(super) struct Begun {
    at: u64,
    start: Statement,
    events: BTreeMap<u64, EntryId>,
}

/// An entry that names a start which had ended before.
struct Late {
    at: u64,
    start: EntryId,
    code: &'static str,
}

/// Sessions, put together from a ledger's statements in their order. Only open sessions are held in memory.
#[derive(Default)]
pub(super) struct Lives {
    open: HashMap<EntryId, Begun>,
    late: Vec<Late>,
    misfits: Vec<Misfit>,
}

impl Lives {
    /// Takes the next statement. One that ends a session gives how that began; `None` within for one told at once.
    pub(super) fn push(&mut self, at: u64, s: &Statement) -> Option<Option<Begun>> {
        match &s.body {
            Body::Start(_) => {
                self.open.insert(s.id, Begun { at, start: s.clone(), events: BTreeMap::new() });
            }
            Body::Event(event) => match self.open.get_mut(&event.start) {
                Some(of) => drop(of.events.insert(at, s.id)),
                None => self.late.push(Late { at, start: event.start, code: "session.late-event" }),
            },
            Body::Session(Session { life: Some(life), .. }) => {
                let begun = self.open.remove(&life.start);
                match &begun {
                    Some(begun) => self.misfits.extend(misfits_of(begun, at, s, life)),
                    None => self.late.push(Late { at, start: life.start, code: "session.ended-twice" }),
                }
                return Some(begun);
            }
            Body::Session(_) => return Some(None),
            _ => {}
        }
        None
    }

    /// What does not fit, by entry, once all statements are taken. `each` gets the sessions that are open.
    pub(super) fn end(self, ledger: &Ledger, each: &mut dyn FnMut(Lived)) -> Result<Vec<Misfit>> {
        let Self { open, late, mut misfits } = self;
        // Not while scanning: a store may hold its lock meanwhile.
        for late in late {
            misfits.push(ledger.late(&late)?);
        }
        let mut open: Vec<Begun> = open.into_values().collect();
        open.sort_by_key(|open| open.at);
        for Begun { at, start, events } in open {
            let message = format!("it has not ended; it began with entry {at}");
            misfits.push(Misfit {
                code: "session.open",
                session: start.name.clone(),
                start: start.id,
                entry: at,
                message,
            });
            let (name, start) = (start.name.clone(), Some(Stated::new(at, &start)));
            each(Lived { name, start, events: events.len(), end: None });
        }
        misfits.sort_by_key(|misfit| misfit.entry);
        Ok(misfits)
    }
}

impl Ledger {
    /// Reads every statement once. `each` gets the sessions in the order in which they ended, then those that are
    /// open; answered is what does not fit in them, by entry. Only open sessions are held in memory.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn lives(&self, each: &mut dyn FnMut(Lived)) -> Result<Vec<Misfit>> {
        let mut lives = Lives::default();
        self.store.scan(0..u64::MAX, &mut |at, bytes| {
            let s = super::decode(at, bytes.to_vec())?;
            if let Some(begun) = lives.push(at, &s) {
                let events = match &s.body {
                    Body::Session(Session { life: Some(life), .. }) => life.events.len(),
                    _ => 0,
                };
                let start = begun.map(|begun| Stated::new(begun.at, &begun.start));
                each(Lived { name: s.name.clone(), start, events, end: Some(Stated::new(at, &s)) });
            }
            Ok(true)
        })?;
        lives.end(self, each)
    }

    fn late(&self, late: &Late) -> Result<Misfit> {
        let start = self.by_id(&late.start)?.ok_or_else(|| index::damaged("a session's start"))?;
        let ended = self.ends(&late.start)?.into_iter().next().map_or(late.at, |end| end.index);
        let message = match late.code {
            "session.ended-twice" => format!("entry {} ends it, and entry {ended} had ended it", late.at),
            _ => format!("entry {} was added to it after its end, entry {ended}", late.at),
        };
        let session = start.statement.name;
        Ok(Misfit { code: late.code, session, start: late.start, entry: late.at, message })
    }

    /// The sessions that end a start, oldest first; there should be one at most.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn ends(&self, start: &EntryId) -> Result<Vec<Entry>> {
        let mut citing = self.citing(start)?;
        citing.retain(|entry| matches!(entry.statement.body, Body::Session(_)));
        Ok(citing)
    }

    /// The events of a start, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn events(&self, start: &EntryId) -> Result<Vec<Entry>> {
        let mut citing = self.citing(start)?;
        citing.retain(|entry| matches!(entry.statement.body, Body::Event(_)));
        Ok(citing)
    }

    /// Whether an entry is a start that no session ended.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn is_open(&self, entry: &Entry) -> Result<bool> {
        let is_start = matches!(entry.statement.body, Body::Start(_));
        Ok(is_start && self.ends(&entry.statement.id)?.is_empty())
    }

    /// The starts that no session ended, oldest first.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn open_sessions(&self) -> Result<Vec<Entry>> {
        let mut open = Vec::new();
        for entry in self.of_kind("start")? {
            if self.is_open(&entry)? {
                open.push(entry);
            }
        }
        Ok(open)
    }
}

fn misfits_of(begun: &Begun, at: u64, end: &Statement, life: &Life) -> Vec<Misfit> {
    let (session, start) = (begun.start.name.as_str(), begun.start.id);
    let misfit = |code, message| Misfit { code, session: session.to_owned(), start, entry: at, message };
    let own = |id: &EntryId| begun.events.values().any(|event| event == id).then_some(begun.start.id);
    let mut misfits: Vec<Misfit> = mismatches(&begun.start, end, &own)
        .into_iter()
        .map(|(code, message)| misfit(code, format!("its end, entry {at}, {message}")))
        .collect();
    for (event, id) in begun.events.iter().filter(|(_, id)| !life.events.contains(id)) {
        // What stands above its head its author could not know.
        let (code, entry, message) = if *event < end.head.size {
            let message = format!("its end, entry {at}, does not list entry {event} ({id})");
            ("session.unlisted-event", at, message)
        } else {
            let message = format!("entry {event} was added to it while entry {at} ended it");
            ("session.late-event", *event, message)
        };
        misfits.push(Misfit { entry, ..misfit(code, message) });
    }
    misfits
}

/// Where a session's end contradicts its start: a code and the rest of a sentence about the end. `of` tells which start
/// an event is of; `None` for an event of another one or an unknown one.
#[must_use]
pub fn mismatches(
    start: &Statement,
    end: &Statement,
    of: &dyn Fn(&EntryId) -> Option<EntryId>,
) -> Vec<(&'static str, String)> {
    let Body::Session(Session { life: Some(life), .. }) = &end.body else { return Vec::new() };
    let mut found = Vec::new();
    for event in life.events.iter().filter(|id| of(id) != Some(start.id)) {
        found.push(("session.other-event", format!("lists {event}, which is an event of another session")));
    }
    let named = |s: &Statement| -> BTreeMap<String, _> {
        s.body.used().iter().map(|used| (used.reference.clone(), used.content.blake3)).collect()
    };
    let (began, ended) = (named(start), named(end));
    if began != ended {
        let text = |refs: &BTreeMap<String, _>| refs.keys().cloned().collect::<Vec<_>>().join(", ");
        let message = format!("names the prompts {}; it began with {}", text(&ended), text(&began));
        found.push(("session.other-prompts", message));
    }
    if start.issuer != end.issuer {
        let message = format!("is signed by '{}'; '{}' began it", end.issuer, start.issuer);
        found.push(("session.other-signer", message));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use ledger_format::{Descriptor, Draft, Event, Head, Used};

    fn say(size: u64, body: &Body) -> Statement {
        let head = Head { size, root: [0; 32] };
        let draft = Draft { name: "s", issuer: "ada", time: 0, head, body };
        draft.sign(&SigningKey::from_bytes(&[1; 32])).unwrap()
    }

    /// Another writer may record an event after the end's author has looked and before the end is recorded.
    #[test]
    fn what_the_author_of_an_end_could_not_know_is_late_and_not_left_out() {
        let content = Descriptor::of(b"", "text/plain");
        let used = Used { reference: "p.v1".into(), gate: None, content: content.clone() };
        let session = Session::new(vec![used], content.clone(), "t", "c");
        let start = say(1, &Body::Start(session.clone()));
        let event = |at| {
            say(at, &Body::Event(Event { start: start.id, details: content.clone(), attachments: None })).id
        };
        let events = BTreeMap::from([(2, event(2)), (3, event(3)), (4, event(4))]);
        let listed = Life { start: start.id, events: vec![event(2)] };
        let end = say(4, &Body::Session(Session { life: Some(listed.clone()), ..session }));
        let found = misfits_of(&Begun { at: 1, start, events }, 5, &end, &listed);
        let found: Vec<_> = found.iter().map(|misfit| (misfit.code, misfit.entry)).collect();
        assert_eq!(found, [("session.unlisted-event", 5), ("session.late-event", 4)]);
    }
}
