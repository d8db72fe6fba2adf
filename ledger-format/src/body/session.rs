//! Sessions: what governed them, how they began, and what happened in them.

use super::MAX_LIST;
use super::wire::{VERSION, commit, left_over};
use crate::cbor::{self, Fields, Item, map};
use crate::digest::{Descriptor, EntryId};
use crate::failure::Failure;
use crate::word::{reference, token};
use std::collections::HashSet;

/// At most so many events in a session.
pub const MAX_EVENTS: usize = 1000;

/// A prompt as a session names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// `<prompt_id>.v<version>`.
    pub reference: String,
    /// The gate that it stands for.
    pub gate: Option<String>,
    /// The exact file.
    pub content: Descriptor,
}

/// An AI session and the prompts that governed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// At least one, no ref twice.
    pub prompts: Vec<Used>,
    /// Salted: developer, target repository, notes, file names.
    pub details: Descriptor,
    /// The version of the program that recorded this.
    pub tool: String,
    /// The version of the catalog that the prompts came from.
    pub catalog: String,
    /// How many lint warnings the prompts had; with errors there is no session.
    pub lint_warnings: u64,
    /// The target's git commit (20 or 32 bytes) and whether its work tree had changes.
    pub target: Option<Target>,
    /// A salted manifest of attached files, whose bytes are kept.
    pub attachments: Option<Descriptor>,
    /// The snapshot of this ledger that has every one of the prompts, under its ref and with its content.
    pub snapshot: Option<EntryId>,
    /// The renders of this ledger that the session used, no one twice.
    pub renders: Vec<EntryId>,
    /// The start that this session ends, and what happened between; `None` for a session told at once.
    pub life: Option<Life>,
}

impl Session {
    /// A session that says no more than it must: what `tool`, with this catalog, recorded of these prompts.
    #[must_use]
    pub fn new(prompts: Vec<Used>, details: Descriptor, tool: &str, catalog: &str) -> Self {
        Self {
            prompts,
            details,
            tool: tool.to_owned(),
            catalog: catalog.to_owned(),
            lint_warnings: 0,
            target: None,
            attachments: None,
            snapshot: None,
            renders: Vec::new(),
            life: None,
        }
    }
}

/// What a session that ends says of its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The session's start.
    pub start: EntryId,
    /// Its events, at most [`MAX_EVENTS`], no one twice.
    pub events: Vec<EntryId>,
}

/// Something that happened in a session between its start and its end: a note, or files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The session's start.
    pub start: EntryId,
    /// Salted: notes.
    pub details: Descriptor,
    /// A salted manifest of files, whose bytes are kept.
    pub attachments: Option<Descriptor>,
}

/// The state of the repository that a session worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// SHA-1 or SHA-256 object id.
    pub commit: Vec<u8>,
    /// Whether there were uncommitted changes.
    pub dirty: bool,
}

pub(super) fn write(s: &Session) -> Item<'_> {
    map([
        ("v", Some(VERSION.into())),
        ("prompts", Some(Item::Array(s.prompts.iter().map(write_used).collect()))),
        ("details", Some(cbor::descriptor(&s.details))),
        ("tool", Some(Item::Text(&s.tool))),
        ("catalog", Some(Item::Text(&s.catalog))),
        ("lint-warnings", Some(s.lint_warnings.into())),
        ("target", s.target.as_ref().map(target)),
        ("attachments", s.attachments.as_ref().map(cbor::descriptor)),
        ("snapshot", s.snapshot.as_ref().map(|id| Item::Bytes(&id.0))),
        ("renders", list(&s.renders)),
        ("start", s.life.as_ref().map(|life| Item::Bytes(&life.start.0))),
        ("events", s.life.as_ref().and_then(|life| list(&life.events))),
    ])
}

pub(super) fn write_event(e: &Event) -> Item<'_> {
    map([
        ("v", Some(VERSION.into())),
        ("start", Some(Item::Bytes(&e.start.0))),
        ("details", Some(cbor::descriptor(&e.details))),
        ("attachments", e.attachments.as_ref().map(cbor::descriptor)),
    ])
}

/// A list that is left out when it is empty.
fn list(ids: &[EntryId]) -> Option<Item<'_>> {
    (!ids.is_empty()).then(|| Item::Array(ids.iter().map(|id| Item::Bytes(&id.0)).collect()))
}

pub(super) fn write_used(u: &Used) -> Item<'_> {
    map([
        ("ref", Some(Item::Text(&u.reference))),
        ("gate", u.gate.as_deref().map(Item::Text)),
        ("content", Some(cbor::descriptor(&u.content))),
    ])
}

fn target(t: &Target) -> Item<'_> {
    map([("commit", Some(Item::Bytes(&t.commit))), ("dirty", Some(Item::Bool(t.dirty)))])
}

/// The fields that a start has too.
pub(super) fn read(fields: &mut Fields<'_>, unknown: &mut Vec<String>) -> Result<Session, Failure> {
    let mut prompts: Vec<Used> = Vec::new();
    for item in fields.array("prompts", MAX_LIST)? {
        let used = read_used(item, "a prompt of a session", unknown)?;
        if prompts.iter().any(|other| other.reference == used.reference) {
            return Err(Failure::malformed(format!("the session names {} twice", used.reference)));
        }
        prompts.push(used);
    }
    if prompts.is_empty() {
        return Err(fields.wrong("prompts", "a list of at least one prompt"));
    }
    let target = fields.opt("target").map(|value| {
        let mut fields = Fields::new(value, "'target'")?;
        let target = Target { commit: commit(&fields.take("commit")?)?, dirty: fields.bool("dirty")? };
        unknown.extend(left_over(fields, "'target'"));
        Ok::<_, Failure>(target)
    });
    let renders = read_list(fields, "renders", MAX_LIST)?;
    Ok(Session {
        prompts,
        details: fields.descriptor("details")?,
        tool: token(fields.text("tool")?, "tool")?,
        catalog: token(fields.text("catalog")?, "catalog")?,
        lint_warnings: fields.uint("lint-warnings")?,
        target: target.transpose()?,
        attachments: fields.opt_descriptor("attachments")?,
        snapshot: fields.opt_fixed("snapshot")?.map(EntryId),
        renders,
        life: None,
    })
}

/// A session with its end.
pub(super) fn read_ended(fields: &mut Fields<'_>, unknown: &mut Vec<String>) -> Result<Session, Failure> {
    let life = read_life(fields)?;
    Ok(Session { life, ..read(fields, unknown)? })
}

pub(super) fn read_event(fields: &mut Fields<'_>) -> Result<Event, Failure> {
    Ok(Event {
        start: EntryId(fields.fixed("start")?),
        details: fields.descriptor("details")?,
        attachments: fields.opt_descriptor("attachments")?,
    })
}

fn read_life(fields: &mut Fields<'_>) -> Result<Option<Life>, Failure> {
    let start = fields.opt_fixed("start")?.map(EntryId);
    let events = read_list(fields, "events", MAX_EVENTS)?;
    match start {
        None if !events.is_empty() => Err(Failure::malformed("the session has events and no start")),
        start => Ok(start.map(|start| Life { start, events })),
    }
}

/// Ids, each once; empty only when there is no such field.
fn read_list(fields: &mut Fields<'_>, key: &str, max: usize) -> Result<Vec<EntryId>, Failure> {
    let Some(items) = fields.opt_array(key, max)? else { return Ok(Vec::new()) };
    let id = |item: &Item<'_>| item.as_fixed().map(EntryId);
    let ids: Option<Vec<_>> = items.iter().map(id).collect();
    let ids = ids.filter(|ids| !ids.is_empty());
    let ids = ids.ok_or_else(|| fields.wrong(key, "a list of at least one id"))?;
    let mut seen = HashSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(id) => Err(Failure::malformed(format!("the session names {id} twice"))),
        None => Ok(ids),
    }
}

pub(super) fn read_used(item: Item<'_>, what: &str, unknown: &mut Vec<String>) -> Result<Used, Failure> {
    let mut item = Fields::new(item, what)?;
    let used = Used {
        reference: reference(item.text("ref")?)?,
        gate: item.opt_text("gate")?.map(|gate| token(gate, "gate")).transpose()?,
        content: item.descriptor("content")?,
    };
    unknown.extend(left_over(item, "a prompt"));
    Ok(used)
}
