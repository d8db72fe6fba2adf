//! Bodies as bytes: deterministic CBOR maps with text keys and a version `v`.

use super::session::{self, read_used, write_used};
use super::{
    Body, Cited, Enrolment, Erase, Foreign, Import, KeyChange, Ledger, MAX_LIST, Previous, Prompt, Render,
    Roles, Run, Snapshot,
};
use crate::cbor::{self, Fields, Item, map};
use crate::digest::{Address, EntryId};
use crate::failure::{Class, Failure, shown};
use crate::key::{Kid, PublicKey};
use crate::tree::Head;
use crate::word::{identity, token};

/// The version that every body written here carries.
pub(super) const VERSION: u64 = 1;

impl Body {
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let v = Some(VERSION.into());
        let value = match self {
            Self::Ledger(l) => map([
                ("v", v),
                ("name", Some(Item::Text(&l.name))),
                ("admins", Some(Item::Array(l.admins.iter().map(enrolment).collect()))),
                ("checkpoint-key", Some(Item::Bytes(l.checkpoint_key.as_bytes()))),
                ("nonce", Some(Item::Bytes(&l.nonce))),
                ("previous", l.previous.as_ref().map(previous)),
            ]),
            Self::Key(change) => key_change(change),
            Self::Prompt(p) => map([("v", v), ("content", Some(cbor::descriptor(&p.content)))]),
            Self::Start(s) | Self::Session(s) => session::write(s),
            Self::Event(e) => session::write_event(e),
            Self::Render(r) => map([
                ("v", v),
                ("prompt", Some(write_used(&r.prompt))),
                ("engine", Some(Item::Text(&r.engine))),
                ("tool", Some(Item::Text(&r.tool))),
                ("options", Some(words(&r.options))),
                ("variables", Some(Item::Bytes(&r.variables))),
                ("input", r.input.as_ref().map(|input| Item::Bytes(input))),
                ("output", Some(cbor::descriptor(&r.output))),
            ]),
            Self::Run(r) => map([
                ("v", v),
                ("record", Some(cbor::descriptor(&r.record))),
                ("manifest", r.manifest.as_ref().map(cbor::descriptor)),
                ("sessions", Some(Item::Array(r.sessions.iter().map(cited).collect()))),
            ]),
            Self::Snapshot(s) => map([
                ("v", v),
                ("manifest", Some(cbor::descriptor(&s.manifest))),
                ("commit", s.commit.as_deref().map(Item::Bytes)),
                ("tag", s.tag.as_deref().map(Item::Text)),
                ("lint-errors", Some(s.lint_errors.into())),
                ("lint-warnings", Some(s.lint_warnings.into())),
            ]),
            Self::Import(i) => map([
                ("v", v),
                ("format", Some(Item::Text(&i.format))),
                ("content", Some(cbor::descriptor(&i.content))),
                ("checked", Some(words(&i.checked))),
                ("details", i.details.as_ref().map(cbor::descriptor)),
            ]),
            Self::Erase(e) => map([
                ("v", v),
                ("content", Some(Item::Bytes(&e.content.0))),
                ("details", e.details.as_ref().map(cbor::descriptor)),
            ]),
            Self::Unknown => return None,
        };
        Some(cbor::encode(&value))
    }

    /// Reads the payload of a statement of `kind`. The second part names what was not understood.
    pub(crate) fn decode(kind: &str, payload: &[u8]) -> Result<(Self, Vec<String>), Failure> {
        let what = ["the body of a ", kind, " statement"].concat();
        let mut fields = Fields::new(cbor::decode(payload, &what)?, &what)?;
        let version = fields.uint("v")?;
        let closed = matches!(kind, "ledger" | "key");
        if version != VERSION {
            let what = format!("version {version} of kind '{kind}'");
            if closed {
                return Err(Failure::new(Class::Unsupported, what));
            }
            return Ok((Self::Unknown, vec![what]));
        }
        let mut nested = Vec::new();
        let body = match kind {
            "ledger" => Self::Ledger(read_ledger(&mut fields)?),
            "key" => Self::Key(read_key_change(&mut fields)?),
            "prompt" => Self::Prompt(Prompt { content: fields.descriptor("content")? }),
            "start" => Self::Start(session::read(&mut fields, &mut nested)?),
            "event" => Self::Event(session::read_event(&mut fields)?),
            "session" => Self::Session(session::read_ended(&mut fields, &mut nested)?),
            "render" => Self::Render(read_render(&mut fields, &mut nested)?),
            "run" => Self::Run(read_run(&mut fields, &mut nested)?),
            "snapshot" => Self::Snapshot(Snapshot {
                manifest: fields.descriptor("manifest")?,
                commit: fields.opt("commit").map(|c| commit(&c)).transpose()?,
                tag: fields.opt_text("tag")?.map(|tag| token(tag, "tag")).transpose()?,
                lint_errors: fields.uint("lint-errors")?,
                lint_warnings: fields.uint("lint-warnings")?,
            }),
            "import" => Self::Import(Import {
                format: token(fields.text("format")?, "format")?,
                content: fields.descriptor("content")?,
                checked: tokens(&mut fields, "checked", 16)?,
                details: fields.opt_descriptor("details")?,
            }),
            "erase" => Self::Erase(Erase {
                content: Address(fields.fixed("content")?),
                details: fields.opt_descriptor("details")?,
            }),
            _ => return Ok((Self::Unknown, vec![format!("kind '{kind}'")])),
        };
        if closed {
            fields.end()?;
            return Ok((body, Vec::new()));
        }
        let rest = fields.rest().map(|field| format!("field '{}'", shown(field)));
        Ok((body, rest.chain(nested).collect()))
    }
}

fn enrolment(e: &Enrolment) -> Item<'_> {
    map([("identity", Some(Item::Text(&e.identity))), ("key", Some(Item::Bytes(e.key.as_bytes())))])
}

fn words(words: &[String]) -> Item<'_> {
    Item::Array(words.iter().map(|word| Item::Text(word)).collect())
}

fn previous(p: &Previous) -> Item<'_> {
    map([
        ("ledger", Some(Item::Bytes(&p.ledger.0))),
        ("size", Some(p.head.size.into())),
        ("root", Some(Item::Bytes(&p.head.root))),
    ])
}

fn key_change(change: &KeyChange) -> Item<'_> {
    let v = Some(VERSION.into());
    match change {
        KeyChange::Enrol { who, roles, acting_for } => map([
            ("v", v),
            ("op", Some(Item::Text("enrol"))),
            ("identity", Some(Item::Text(&who.identity))),
            ("key", Some(Item::Bytes(who.key.as_bytes()))),
            ("roles", Some(Item::Array(roles.names().into_iter().map(Item::Text).collect()))),
            ("for", acting_for.as_deref().map(Item::Text)),
        ]),
        KeyChange::Revoke { kid, since } => map([
            ("v", v),
            ("op", Some(Item::Text("revoke"))),
            ("kid", Some(Item::Bytes(&kid.0))),
            ("since", since.as_ref().map(|id| Item::Bytes(&id.0))),
        ]),
        KeyChange::Rotate { key } => {
            map([("v", v), ("op", Some(Item::Text("rotate"))), ("key", Some(Item::Bytes(key.as_bytes())))])
        }
        KeyChange::Checkpoint { key } => map([
            ("v", v),
            ("op", Some(Item::Text("checkpoint"))),
            ("key", Some(Item::Bytes(key.as_bytes()))),
        ]),
    }
}

fn cited(c: &Cited) -> Item<'_> {
    map([
        ("entry", Some(Item::Bytes(&c.entry.0))),
        ("ledger", c.foreign.as_ref().map(|f| Item::Bytes(&f.ledger.0))),
        ("evidence", c.foreign.as_ref().map(|f| cbor::descriptor(&f.evidence))),
        ("trusted", c.foreign.as_ref().map(|f| Item::Bool(f.trusted))),
    ])
}

fn read_ledger(fields: &mut Fields<'_>) -> Result<Ledger, Failure> {
    let name = fields.text("name")?;
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(fields.wrong("name", "1 to 64 of a-z, 0-9, '.' and '-'"));
    }
    let mut admins = Vec::new();
    for item in fields.array("admins", MAX_LIST)? {
        let mut item = Fields::new(item, "an admin")?;
        let who = Enrolment {
            identity: identity(item.text("identity")?)?,
            key: PublicKey::new(&item.fixed::<32>("key")?)?,
        };
        item.end()?;
        if admins.iter().any(|other: &Enrolment| other.key == who.key) {
            return Err(Failure::malformed("the genesis lists one admin key twice"));
        }
        admins.push(who);
    }
    let previous = fields.opt("previous").map(|value| {
        let mut fields = Fields::new(value, "'previous'")?;
        let ledger = EntryId(fields.fixed("ledger")?);
        let head = Head { size: fields.uint("size")?, root: fields.fixed("root")? };
        fields.end()?;
        Ok::<_, Failure>(Previous { ledger, head })
    });
    let checkpoint_key = PublicKey::new(&fields.fixed::<32>("checkpoint-key")?)?;
    if admins.iter().any(|admin| admin.key == checkpoint_key) {
        return Err(Failure::malformed(
            "the checkpoint key is an admin's key; it belongs to the store alone",
        ));
    }
    Ok(Ledger {
        name,
        admins,
        checkpoint_key,
        nonce: fields.fixed("nonce")?,
        previous: previous.transpose()?,
    })
}

fn read_key_change(fields: &mut Fields<'_>) -> Result<KeyChange, Failure> {
    let op = fields.text("op")?;
    Ok(match op.as_str() {
        "enrol" => {
            let names = texts(fields, "roles", 3)?;
            let roles = Roles::from_names(names.iter().map(String::as_str));
            let roles = roles.filter(|roles| roles.names() == names);
            let who = Enrolment {
                identity: identity(fields.text("identity")?)?,
                key: PublicKey::new(&fields.fixed::<32>("key")?)?,
            };
            let acting_for = fields.opt_text("for")?.map(identity).transpose()?;
            let sorted = "a sorted set of 'admin', 'agent' and 'user'";
            let roles = roles.ok_or_else(|| fields.wrong("roles", sorted))?;
            if acting_for.is_some() && !roles.agent {
                return Err(Failure::malformed("only an agent can act for somebody"));
            }
            KeyChange::Enrol { who, roles, acting_for }
        }
        "revoke" => KeyChange::Revoke {
            kid: Kid(fields.fixed("kid")?),
            since: fields.opt_fixed::<32>("since")?.map(EntryId),
        },
        "rotate" => KeyChange::Rotate { key: PublicKey::new(&fields.fixed::<32>("key")?)? },
        "checkpoint" => KeyChange::Checkpoint { key: PublicKey::new(&fields.fixed::<32>("key")?)? },
        other => return Err(Failure::new(Class::Unsupported, format!("key operation '{}'", shown(other)))),
    })
}

fn read_render(fields: &mut Fields<'_>, unknown: &mut Vec<String>) -> Result<Render, Failure> {
    let options = tokens(fields, "options", 16)?;
    if !options.is_sorted_by(|a, b| a < b) {
        return Err(fields.wrong("options", "an ascending list"));
    }
    Ok(Render {
        prompt: read_used(fields.take("prompt")?, "the prompt of a render", unknown)?,
        engine: token(fields.text("engine")?, "engine")?,
        tool: token(fields.text("tool")?, "tool")?,
        options,
        variables: fields.fixed("variables")?,
        input: fields.opt_fixed("input")?,
        output: fields.descriptor("output")?,
    })
}

fn read_run(fields: &mut Fields<'_>, unknown: &mut Vec<String>) -> Result<Run, Failure> {
    let mut sessions: Vec<Cited> = Vec::new();
    for item in fields.array("sessions", MAX_LIST)? {
        let mut item = Fields::new(item, "a session of a run")?;
        let entry = EntryId(item.fixed("entry")?);
        let foreign = match item.opt_fixed::<32>("ledger")? {
            None => None,
            Some(ledger) => Some(Foreign {
                ledger: EntryId(ledger),
                evidence: item.descriptor("evidence")?,
                trusted: item.bool("trusted")?,
            }),
        };
        unknown.extend(left_over(item, "a session"));
        if sessions.iter().any(|other| other.entry == entry) {
            return Err(Failure::malformed(format!("the run names {entry} twice")));
        }
        sessions.push(Cited { entry, foreign });
    }
    Ok(Run { record: fields.descriptor("record")?, manifest: fields.opt_descriptor("manifest")?, sessions })
}

fn texts(fields: &mut Fields<'_>, key: &str, max: usize) -> Result<Vec<String>, Failure> {
    let items = fields.array(key, max)?;
    let text = |item| match item {
        Item::Text(text) => Ok(text.to_owned()),
        _ => Err(fields.wrong(key, "a list of texts")),
    };
    items.into_iter().map(text).collect()
}

fn tokens(fields: &mut Fields<'_>, key: &str, max: usize) -> Result<Vec<String>, Failure> {
    texts(fields, key, max)?.into_iter().map(|text| token(text, key)).collect()
}

pub(super) fn left_over(fields: Fields<'_>, of: &str) -> Vec<String> {
    fields.rest().map(|field| format!("field '{}' of {of}", shown(field))).collect()
}

pub(super) fn commit(item: &Item<'_>) -> Result<Vec<u8>, Failure> {
    let id = item.as_fixed::<20>().map(Vec::from).or_else(|| item.as_fixed::<32>().map(Vec::from));
    id.ok_or_else(|| Failure::malformed("a commit is not a string of 20 or 32 bytes"))
}
