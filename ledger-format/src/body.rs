//! What statements say: one body per kind, as deterministic CBOR maps with text keys and a version `v`.

use crate::cbor::{self, Fields, as_fixed, map};
use crate::digest::{Address, Descriptor, EntryId};
use crate::failure::{Class, Failure, shown};
use crate::key::{Kid, PublicKey};
use crate::tree::Head;
use crate::word::{identity, reference, token};
use ciborium::Value;

/// The version that every body written here carries.
const VERSION: u64 = 1;

/// At most so many prompts in a session, sessions in a run, admins in a genesis.
pub const MAX_LIST: usize = 64;

/// The body of a statement, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `ledger`: the genesis.
    Ledger(Ledger),
    /// `key`: a change of keys or rights.
    Key(KeyChange),
    /// `prompt`: binds the ref that the statement's name gives to its content.
    Prompt(Prompt),
    /// `session`: an AI session and the prompts that governed it.
    Session(Session),
    /// `render`: a prompt rendered with values that only commitments name.
    Render(Render),
    /// `run`: a run of an orchestrator and the sessions that fed it.
    Run(Run),
    /// `snapshot`: a release of the catalog.
    Snapshot(Snapshot),
    /// `import`: a record of another system, as what it is.
    Import(Import),
    /// `erase`: the tombstone of content that was removed.
    Erase(Erase),
    /// A kind or version that this version of the format does not know. It is kept and changes nothing.
    Unknown,
}

/// The genesis: what the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// `[a-z0-9.-]{1,64}`.
    pub name: String,
    /// The first admins; the signer must be among them and is also a user.
    pub admins: Vec<Enrolment>,
    /// The key that signs checkpoints.
    pub checkpoint_key: PublicKey,
    /// Makes equal beginnings different ledgers.
    pub nonce: [u8; 16],
    /// The ledger that this one follows after a loss.
    pub previous: Option<Previous>,
}

/// The ledger that another one follows, and the last head known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its genesis id.
    pub ledger: EntryId,
    /// Its last known head.
    pub head: Head,
}

/// A key and the identity that it speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Who, as every statement of the key must say in `iss`.
    pub identity: String,
    /// The key.
    pub key: PublicKey,
}

/// What a key may do. A set; see SPEC "Rights".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// Manages keys and erases content.
    pub admin: bool,
    /// Records prompts, sessions, renders, runs, snapshots and imports.
    pub user: bool,
    /// Records sessions, renders and runs that cite bound refs only.
    pub agent: bool,
}

impl Roles {
    /// The roles' names, in the order of the format.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let all = [(self.admin, "admin"), (self.agent, "agent"), (self.user, "user")];
        all.into_iter().filter_map(|(has, name)| has.then_some(name)).collect()
    }

    /// Reads role names; `None` for an unknown, repeated or missing one.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut roles = Self::default();
        for name in names {
            let role = match name {
                "admin" => &mut roles.admin,
                "user" => &mut roles.user,
                "agent" => &mut roles.agent,
                _ => return None,
            };
            if std::mem::replace(role, true) {
                return None;
            }
        }
        (roles != Self::default()).then_some(roles)
    }
}

/// A change of keys or rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// A new key gets roles.
    Enrol {
        /// The key and its identity.
        who: Enrolment,
        /// What it may do.
        roles: Roles,
        /// The identity that an agent acts for.
        acting_for: Option<String>,
    },
    /// A key ends, for ever.
    Revoke {
        /// Which key.
        kid: Kid,
        /// From this entry on, what the key signed is suspect.
        since: Option<EntryId>,
    },
    /// The signer's key ends and this one takes over its identity and roles.
    Rotate {
        /// The new key.
        key: PublicKey,
    },
    /// The store's checkpoint key changes.
    Checkpoint {
        /// The new checkpoint key.
        key: PublicKey,
    },
}

/// A prompt's content; its ref is the statement's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The exact file.
    pub content: Descriptor,
}

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
}

/// A prompt rendered with values. Nothing of the values is here: whoever has them shows them with the salt, see
/// [`crate::commitment`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// What was rendered.
    pub prompt: Used,
    /// The template engine and its version.
    pub engine: String,
    /// The version of the program that rendered.
    pub tool: String,
    /// What changed the result beside the values: ascending tokens.
    pub options: Vec<String>,
    /// Commitment to the variables.
    pub variables: [u8; 32],
    /// Commitment to what the user gave, if anything.
    pub input: Option<[u8; 32]>,
    /// The result, which is not stored.
    pub output: Descriptor,
}

/// The state of the repository that a session worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// SHA-1 or SHA-256 object id.
    pub commit: Vec<u8>,
    /// Whether there were uncommitted changes.
    pub dirty: bool,
}

/// A session that fed a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cited {
    /// The session's statement.
    pub entry: EntryId,
    /// Where it stands when not in this ledger.
    pub foreign: Option<Foreign>,
}

/// A statement of another ledger, and the evidence that was verified for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The other ledger's genesis id.
    pub ledger: EntryId,
    /// The evidence tar, whose bytes are kept.
    pub evidence: Descriptor,
    /// Whether the other ledger or the session's key was trusted here.
    pub trusted: bool,
}

/// A run of an orchestrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The run record, whose bytes are kept.
    pub record: Descriptor,
    /// A salted manifest of the files in the artifacts directory.
    pub manifest: Option<Descriptor>,
    /// The sessions that fed the run.
    pub sessions: Vec<Cited>,
}

/// A release of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// A salted manifest: refs, descriptors, paths; the bytes of its files are kept.
    pub manifest: Descriptor,
    /// The git commit (20 or 32 bytes) that has the catalog as it is here.
    pub commit: Option<Vec<u8>>,
    /// The git tag of that commit.
    pub tag: Option<String>,
    /// How many errors lint found in the catalog.
    pub lint_errors: u64,
    /// How many warnings.
    pub lint_warnings: u64,
}

/// A record of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What kind of record: a token such as `promptos-session`.
    pub format: String,
    /// The record, byte for byte.
    pub content: Descriptor,
    /// Which of the hashes that the record carries were there and agreed.
    pub checked: Vec<String>,
    /// Salted: where it came from.
    pub details: Option<Descriptor>,
}

/// The tombstone of erased content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// What was erased.
    pub content: Address,
    /// Salted: why.
    pub details: Option<Descriptor>,
}

impl Body {
    /// The kind's name; `None` for [`Body::Unknown`].
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Ledger(_) => "ledger",
            Self::Key(_) => "key",
            Self::Prompt(_) => "prompt",
            Self::Session(_) => "session",
            Self::Render(_) => "render",
            Self::Run(_) => "run",
            Self::Snapshot(_) => "snapshot",
            Self::Import(_) => "import",
            Self::Erase(_) => "erase",
            Self::Unknown => return None,
        })
    }

    /// The content that this statement describes, in order, each once. Evidence carries it, and for a snapshot
    /// the files of its manifest as well.
    #[must_use]
    pub fn contents(&self) -> Vec<&Descriptor> {
        let mut all: Vec<&Descriptor> = match self {
            Self::Prompt(prompt) => vec![&prompt.content],
            Self::Render(render) => vec![&render.prompt.content],
            Self::Session(session) => {
                let prompts = session.prompts.iter().map(|used| &used.content);
                prompts.chain([&session.details]).chain(&session.attachments).collect()
            }
            Self::Run(run) => {
                let foreign = run.sessions.iter().filter_map(|cited| cited.foreign.as_ref());
                [&run.record].into_iter().chain(&run.manifest).chain(foreign.map(|f| &f.evidence)).collect()
            }
            Self::Snapshot(snapshot) => vec![&snapshot.manifest],
            Self::Import(import) => [&import.content].into_iter().chain(&import.details).collect(),
            Self::Erase(erase) => erase.details.iter().collect(),
            Self::Ledger(_) | Self::Key(_) | Self::Unknown => Vec::new(),
        };
        let mut seen = std::collections::HashSet::new();
        all.retain(|descriptor| seen.insert(descriptor.blake3));
        all
    }

    /// The statements of this ledger that this one cites, each with the kind that it must be of; `None` when any
    /// will do.
    #[must_use]
    pub fn cites(&self) -> Vec<(EntryId, Option<&'static str>)> {
        match self {
            Self::Run(run) => {
                let here = run.sessions.iter().filter(|cited| cited.foreign.is_none());
                here.map(|cited| (cited.entry, Some("session"))).collect()
            }
            Self::Session(session) => {
                let snapshot = session.snapshot.iter().map(|id| (*id, Some("snapshot")));
                snapshot.chain(session.renders.iter().map(|id| (*id, Some("render")))).collect()
            }
            Self::Key(KeyChange::Revoke { since, .. }) => since.iter().map(|id| (*id, None)).collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let v = Some(Value::from(VERSION));
        let some = |d: &Descriptor| Some(cbor::descriptor(d));
        let opt = |d: &Option<Descriptor>| d.as_ref().map(cbor::descriptor);
        let value = match self {
            Self::Ledger(l) => map([
                ("v", v),
                ("name", Some(Value::from(l.name.as_str()))),
                ("admins", Some(Value::Array(l.admins.iter().map(enrolment).collect()))),
                ("checkpoint-key", Some(cbor::bytes(&l.checkpoint_key.to_bytes()))),
                ("nonce", Some(cbor::bytes(&l.nonce))),
                ("previous", l.previous.as_ref().map(previous)),
            ]),
            Self::Key(change) => key_change(change),
            Self::Prompt(p) => map([("v", v), ("content", some(&p.content))]),
            Self::Session(s) => map([
                ("v", v),
                ("prompts", Some(Value::Array(s.prompts.iter().map(used).collect()))),
                ("details", some(&s.details)),
                ("tool", Some(Value::from(s.tool.as_str()))),
                ("catalog", Some(Value::from(s.catalog.as_str()))),
                ("lint-warnings", Some(Value::from(s.lint_warnings))),
                ("target", s.target.as_ref().map(target)),
                ("attachments", opt(&s.attachments)),
                ("snapshot", s.snapshot.map(|id| cbor::bytes(&id.0))),
                ("renders", (!s.renders.is_empty()).then(|| ids(&s.renders))),
            ]),
            Self::Render(r) => map([
                ("v", v),
                ("prompt", Some(used(&r.prompt))),
                ("engine", Some(Value::from(r.engine.as_str()))),
                ("tool", Some(Value::from(r.tool.as_str()))),
                ("options", Some(words(&r.options))),
                ("variables", Some(cbor::bytes(&r.variables))),
                ("input", r.input.as_ref().map(|input| cbor::bytes(input))),
                ("output", some(&r.output)),
            ]),
            Self::Run(r) => map([
                ("v", v),
                ("record", some(&r.record)),
                ("manifest", opt(&r.manifest)),
                ("sessions", Some(Value::Array(r.sessions.iter().map(cited).collect()))),
            ]),
            Self::Snapshot(s) => map([
                ("v", v),
                ("manifest", some(&s.manifest)),
                ("commit", s.commit.as_deref().map(cbor::bytes)),
                ("tag", s.tag.as_deref().map(Value::from)),
                ("lint-errors", Some(Value::from(s.lint_errors))),
                ("lint-warnings", Some(Value::from(s.lint_warnings))),
            ]),
            Self::Import(i) => map([
                ("v", v),
                ("format", Some(Value::from(i.format.as_str()))),
                ("content", some(&i.content)),
                ("checked", Some(words(&i.checked))),
                ("details", opt(&i.details)),
            ]),
            Self::Erase(e) => {
                map([("v", v), ("content", Some(cbor::bytes(&e.content.0))), ("details", opt(&e.details))])
            }
            Self::Unknown => return None,
        };
        Some(cbor::encode(value))
    }

    /// Reads the payload of a statement of `kind`. The second part names what was not understood.
    pub(crate) fn decode(kind: &str, payload: &[u8]) -> Result<(Self, Vec<String>), Failure> {
        let what = format!("the body of a {kind} statement");
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
            "session" => Self::Session(read_session(&mut fields, &mut nested)?),
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
        let rest = fields.rest().into_iter().map(|field| format!("field '{}'", shown(&field)));
        Ok((body, rest.chain(nested).collect()))
    }
}

fn enrolment(e: &Enrolment) -> Value {
    map([("identity", Some(Value::from(e.identity.as_str()))), ("key", Some(cbor::bytes(&e.key.to_bytes())))])
}

fn ids(ids: &[EntryId]) -> Value {
    Value::Array(ids.iter().map(|id| cbor::bytes(&id.0)).collect())
}

fn words(words: &[String]) -> Value {
    Value::Array(words.iter().map(|word| Value::from(word.as_str())).collect())
}

fn previous(p: &Previous) -> Value {
    map([
        ("ledger", Some(cbor::bytes(&p.ledger.0))),
        ("size", Some(Value::from(p.head.size))),
        ("root", Some(cbor::bytes(&p.head.root))),
    ])
}

fn key_change(change: &KeyChange) -> Value {
    let op = |name: &str| Some(Value::from(name));
    let v = Some(Value::from(VERSION));
    match change {
        KeyChange::Enrol { who, roles, acting_for } => map([
            ("v", v),
            ("op", op("enrol")),
            ("identity", Some(Value::from(who.identity.as_str()))),
            ("key", Some(cbor::bytes(&who.key.to_bytes()))),
            ("roles", Some(Value::Array(roles.names().into_iter().map(Value::from).collect()))),
            ("for", acting_for.as_deref().map(Value::from)),
        ]),
        KeyChange::Revoke { kid, since } => map([
            ("v", v),
            ("op", op("revoke")),
            ("kid", Some(cbor::bytes(&kid.0))),
            ("since", since.map(|id| cbor::bytes(&id.0))),
        ]),
        KeyChange::Rotate { key } => {
            map([("v", v), ("op", op("rotate")), ("key", Some(cbor::bytes(&key.to_bytes())))])
        }
        KeyChange::Checkpoint { key } => {
            map([("v", v), ("op", op("checkpoint")), ("key", Some(cbor::bytes(&key.to_bytes())))])
        }
    }
}

fn used(u: &Used) -> Value {
    map([
        ("ref", Some(Value::from(u.reference.as_str()))),
        ("gate", u.gate.as_deref().map(Value::from)),
        ("content", Some(cbor::descriptor(&u.content))),
    ])
}

fn target(t: &Target) -> Value {
    map([("commit", Some(cbor::bytes(&t.commit))), ("dirty", Some(Value::Bool(t.dirty)))])
}

fn cited(c: &Cited) -> Value {
    map([
        ("entry", Some(cbor::bytes(&c.entry.0))),
        ("ledger", c.foreign.as_ref().map(|f| cbor::bytes(&f.ledger.0))),
        ("evidence", c.foreign.as_ref().map(|f| cbor::descriptor(&f.evidence))),
        ("trusted", c.foreign.as_ref().map(|f| Value::Bool(f.trusted))),
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

fn read_session(fields: &mut Fields<'_>, unknown: &mut Vec<String>) -> Result<Session, Failure> {
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
    let mut renders: Vec<EntryId> = Vec::new();
    if let Some(items) = fields.opt_array("renders", MAX_LIST)? {
        for item in items {
            let id = as_fixed(&item).map(EntryId).ok_or_else(|| fields.wrong("renders", "a list of ids"))?;
            if renders.contains(&id) {
                return Err(Failure::malformed(format!("the session names {id} twice")));
            }
            renders.push(id);
        }
        if renders.is_empty() {
            return Err(fields.wrong("renders", "a list of at least one render"));
        }
    }
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
    })
}

fn read_used(item: Value, what: &str, unknown: &mut Vec<String>) -> Result<Used, Failure> {
    let mut item = Fields::new(item, what)?;
    let used = Used {
        reference: reference(item.text("ref")?)?,
        gate: item.opt_text("gate")?.map(|gate| token(gate, "gate")).transpose()?,
        content: item.descriptor("content")?,
    };
    unknown.extend(left_over(item, "a prompt"));
    Ok(used)
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

fn left_over(fields: Fields<'_>, of: &str) -> Vec<String> {
    fields.rest().into_iter().map(|field| format!("field '{}' of {of}", shown(&field))).collect()
}

fn texts(fields: &mut Fields<'_>, key: &str, max: usize) -> Result<Vec<String>, Failure> {
    let items = fields.array(key, max)?;
    let text = |value: Value| value.into_text().map_err(|_| fields.wrong(key, "a list of texts"));
    items.into_iter().map(text).collect()
}

fn tokens(fields: &mut Fields<'_>, key: &str, max: usize) -> Result<Vec<String>, Failure> {
    texts(fields, key, max)?.into_iter().map(|text| token(text, key)).collect()
}

fn commit(value: &Value) -> Result<Vec<u8>, Failure> {
    let id = as_fixed::<20>(value).map(Vec::from).or_else(|| as_fixed::<32>(value).map(Vec::from));
    id.ok_or_else(|| Failure::malformed("a commit is not a string of 20 or 32 bytes"))
}

/// The name that a statement with this body must carry, where the body decides it.
pub(crate) fn required_name(body: &Body) -> Option<String> {
    match body {
        Body::Ledger(ledger) => Some(ledger.name.clone()),
        Body::Key(change) => Some(match change {
            KeyChange::Enrol { who, .. } => hex::encode(who.key.kid().0),
            KeyChange::Revoke { kid, .. } => hex::encode(kid.0),
            KeyChange::Rotate { key } | KeyChange::Checkpoint { key } => hex::encode(key.kid().0),
        }),
        Body::Erase(erase) => Some(hex::encode(erase.content.0)),
        _ => None,
    }
}
