//! What statements say: one body per kind.

mod session;
mod wire;

use crate::digest::{Address, Descriptor, EntryId};
use crate::key::{Kid, PublicKey};
use crate::tree::Head;

pub use session::{Event, Life, MAX_EVENTS, Session, Target, Used};

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
    /// `start`: a session begins; what was settled before the work. It has no [`Session::life`].
    Start(Session),
    /// `event`: something that happened in a session that has a start.
    Event(Event),
    /// `session`: an AI session and the prompts that governed it; with a start it is the session's end.
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
    /// Records prompts, sessions with their starts and events, renders, runs, snapshots and imports.
    pub user: bool,
    /// Records sessions with their starts and events, renders and runs that cite bound refs only.
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

/// A prompt rendered with values. Nothing of the values is here: whoever has them shows them with the salt, see
/// [`crate::Committed`].
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
            Self::Start(_) => "start",
            Self::Event(_) => "event",
            Self::Session(_) => "session",
            Self::Render(_) => "render",
            Self::Run(_) => "run",
            Self::Snapshot(_) => "snapshot",
            Self::Import(_) => "import",
            Self::Erase(_) => "erase",
            Self::Unknown => return None,
        })
    }

    /// The prompts that this statement names under their refs: those of a session or its start, that of a
    /// render.
    #[must_use]
    pub fn used(&self) -> &[Used] {
        match self {
            Self::Start(session) | Self::Session(session) => &session.prompts,
            Self::Render(render) => std::slice::from_ref(&render.prompt),
            _ => &[],
        }
    }

    /// The content that this statement describes, in order, each once. Evidence carries it, and for a snapshot
    /// the files of its manifest as well.
    #[must_use]
    pub fn contents(&self) -> Vec<&Descriptor> {
        let mut all: Vec<&Descriptor> = match self {
            Self::Prompt(prompt) => vec![&prompt.content],
            Self::Render(render) => vec![&render.prompt.content],
            Self::Event(event) => [&event.details].into_iter().chain(&event.attachments).collect(),
            Self::Start(session) | Self::Session(session) => {
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
            Self::Start(session) | Self::Session(session) => {
                let snapshot = session.snapshot.iter().map(|id| (*id, Some("snapshot")));
                let renders = session.renders.iter().map(|id| (*id, Some("render")));
                let life = session.life.iter().flat_map(|life| {
                    let events = life.events.iter().map(|id| (*id, Some("event")));
                    [(life.start, Some("start"))].into_iter().chain(events)
                });
                snapshot.chain(renders).chain(life).collect()
            }
            Self::Event(event) => vec![(event.start, Some("start"))],
            Self::Key(KeyChange::Revoke { since, .. }) => since.iter().map(|id| (*id, None)).collect(),
            _ => Vec::new(),
        }
    }
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
