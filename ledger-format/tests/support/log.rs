//! A small ledger in memory, whose next statement may be anything.

use super::raw::{Raw, TIME, ada, key};
use ed25519_dalek::SigningKey;
use ledger_format::evidence::Item;
use ledger_format::tree::{self, Head, Leaves, leaf_hash};
use ledger_format::*;

#[derive(Clone)]
pub struct Log {
    pub name: String,
    pub log_key: SigningKey,
    pub statements: Vec<Vec<u8>>,
}

pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(&key.verifying_key().to_bytes()).unwrap()
}

pub fn enrolment(identity: &str, key: &SigningKey) -> Enrolment {
    Enrolment { identity: identity.into(), key: public(key) }
}

/// The genesis that most vectors stand on: Ada founds, the log key is of seed 2.
pub fn genesis() -> Ledger {
    Ledger {
        name: "example".into(),
        admins: vec![enrolment("ada", &ada())],
        checkpoint_key: public(&key(2)),
        nonce: *b"0123456789abcdef",
        previous: None,
    }
}

/// [`Auditor::push`] or [`Auditor::replay`].
type Next = fn(&mut Auditor, &[u8], &Log) -> Result<Result<Statement, Failure>, Failure>;

impl Log {
    pub fn empty() -> Self {
        Self { name: "example".into(), log_key: key(2), statements: Vec::new() }
    }

    pub fn found(genesis: Ledger) -> Self {
        let mut log = Self { name: genesis.name.clone(), ..Self::empty() };
        log.add(&ada(), "ada", &genesis.name.clone(), Body::Ledger(genesis));
        log
    }

    pub fn new() -> Self {
        Self::found(genesis())
    }

    pub fn id(&self, index: usize) -> EntryId {
        EntryId(leaf_hash(&self.statements[index]))
    }

    pub fn leaves(&self) -> Leaves {
        Leaves(self.statements.iter().map(|s| leaf_hash(s)).collect())
    }

    pub fn head(&self) -> Head {
        self.head_at(self.statements.len())
    }

    pub fn head_at(&self, size: usize) -> Head {
        let root = tree::root(&self.leaves(), size as u64).unwrap();
        Head { size: size as u64, root }
    }

    pub fn push(&mut self, statement: Vec<u8>) -> EntryId {
        self.statements.push(statement);
        self.id(self.statements.len() - 1)
    }

    pub fn add(&mut self, key: &SigningKey, issuer: &str, name: &str, body: Body) -> EntryId {
        self.add_at(self.head(), key, issuer, name, body)
    }

    pub fn add_at(&mut self, head: Head, key: &SigningKey, issuer: &str, name: &str, body: Body) -> EntryId {
        let draft = Draft { name, issuer, time: TIME, head, body: &body };
        self.push(draft.sign(key).unwrap().bytes().to_vec())
    }

    /// Adds what Ada says; the name is what the body asks for.
    pub fn ada(&mut self, name: &str, body: Body) -> EntryId {
        self.add(&ada(), "ada", name, body)
    }

    pub fn raw(&mut self, raw: Raw) -> EntryId {
        let bytes = raw.at(self.head()).bytes();
        self.push(bytes)
    }

    pub fn change(&mut self, key: &SigningKey, issuer: &str, change: KeyChange) -> EntryId {
        let about = match &change {
            KeyChange::Enrol { who, .. } => who.key.kid(),
            KeyChange::Revoke { kid, .. } => *kid,
            KeyChange::Rotate { key } | KeyChange::Checkpoint { key } => key.kid(),
        };
        self.add(key, issuer, &hex::encode(about.0), Body::Key(change))
    }

    /// Ada enrols `key`.
    pub fn enrol(&mut self, identity: &str, key: &SigningKey, roles: &[&str]) -> EntryId {
        self.change(&ada(), "ada", enrol(identity, key, roles, None))
    }

    /// Audits from the genesis; the error comes with the index of the refused statement.
    pub fn audit(&self) -> Result<Auditor, (usize, Failure)> {
        self.each(Auditor::push)
    }

    /// As [`Self::audit`], taking signatures and heads for granted.
    pub fn replay(&self) -> Result<Auditor, (usize, Failure)> {
        self.each(Auditor::replay)
    }

    /// As [`Self::audit`], with the signatures checked together at the end.
    pub fn audit_deferring(&self) -> Result<Auditor, (usize, Failure)> {
        let (mut auditor, mut checks) = (Auditor::default(), Vec::new());
        let mut next = |statement: &Vec<u8>| {
            let (statement, check) = auditor.push_deferring(statement, self).unwrap_or_else(Err)?;
            checks.push(check);
            Ok::<_, Failure>(statement)
        };
        let refused =
            self.statements.iter().map(&mut next).enumerate().find_map(|(at, r)| Some((at, r.err()?)));
        match (Verifier::default().first_bad(&checks), refused) {
            (Some(at), _) => {
                Err((at, checks[at].key.verify(&checks[at].message, &checks[at].signature).unwrap_err()))
            }
            (None, Some(refused)) => Err(refused),
            (None, None) => Ok(auditor),
        }
    }

    fn each(&self, next: Next) -> Result<Auditor, (usize, Failure)> {
        let mut auditor = Auditor::default();
        for (index, statement) in self.statements.iter().enumerate() {
            let before = auditor.head();
            let verdict = next(&mut auditor, statement, self).unwrap_or_else(Err);
            if let Err(failure) = verdict {
                assert_eq!(auditor.head(), before, "a refused statement moved the auditor");
                return Err((index, failure));
            }
        }
        Ok(auditor)
    }

    pub fn origin(&self) -> String {
        origin(&self.name, &self.id(0))
    }

    pub fn checkpoint(&self) -> Vec<u8> {
        Checkpoint { origin: self.origin(), head: self.head() }.sign(&self.log_key).unwrap()
    }

    pub fn item(&self, index: usize) -> Item {
        let path = tree::inclusion_proof(&self.leaves(), index as u64, self.head().size).unwrap();
        let proof = InclusionProof { index: index as u64, path, checkpoint: self.checkpoint() };
        Item { statement: Statement::decode(self.statements[index].clone()).unwrap(), proof }
    }
}

pub fn enrol(identity: &str, key: &SigningKey, roles: &[&str], acting_for: Option<&str>) -> KeyChange {
    let roles = Roles::from_names(roles.iter().copied()).unwrap();
    KeyChange::Enrol { who: enrolment(identity, key), roles, acting_for: acting_for.map(Into::into) }
}

pub fn markdown(content: &[u8]) -> Descriptor {
    Descriptor::of(content, "text/markdown")
}

pub fn details(note: &str) -> Vec<u8> {
    let fields = [("notes".to_owned(), note.to_owned())].into_iter().collect();
    Details { salt: *b"sixteen bytes  .", fields }.to_bytes()
}

/// A session that names these refs with these contents.
pub fn session(prompts: &[(&str, &[u8])]) -> Body {
    let used = |(reference, content): &(&str, &[u8])| Used {
        reference: (*reference).into(),
        gate: None,
        content: markdown(content),
    };
    let details = Descriptor::of(&details("a note"), DETAILS_TYPE);
    Body::Session(Session::new(prompts.iter().map(used).collect(), details, "0.1.0", "UNRELEASED"))
}

/// The start of such a session.
pub fn start(prompts: &[(&str, &[u8])]) -> Body {
    let Body::Session(session) = session(prompts) else { unreachable!() };
    Body::Start(session)
}

/// What happened in a session: a note.
pub fn event(start: EntryId) -> Body {
    Body::Event(Event {
        start,
        details: Descriptor::of(&details("halfway"), DETAILS_TYPE),
        attachments: None,
    })
}

/// The session that ends what began.
pub fn ended(start: EntryId, events: &[EntryId], prompts: &[(&str, &[u8])]) -> Body {
    let Body::Session(session) = session(prompts) else { unreachable!() };
    Body::Session(Session { life: Some(Life { start, events: events.to_vec() }), ..session })
}

/// The session that used renders.
pub fn session_with(renders: &[EntryId], prompts: &[(&str, &[u8])]) -> Body {
    let Body::Session(session) = session(prompts) else { unreachable!() };
    Body::Session(Session { renders: renders.to_vec(), ..session })
}

/// A render of a ref with this content.
pub fn render(reference: &str, content: &[u8]) -> Body {
    Body::Render(Render {
        prompt: Used { reference: reference.into(), gate: None, content: markdown(content) },
        engine: "minijinja/3.0.5".into(),
        tool: "0.1.0".into(),
        options: vec!["preserve-whitespace".into()],
        variables: Committed::Variables.commit(&[1; 32], br#"{"name":"Ada"}"#),
        input: Some(Committed::Input.commit(&[2; 32], b"hello")),
        output: Descriptor::of(b"Be brief, Ada.\n", "text/plain"),
    })
}

/// The session that governed under a snapshot.
pub fn session_under(snapshot: EntryId, prompts: &[(&str, &[u8])]) -> Body {
    let Body::Session(session) = session(prompts) else { unreachable!() };
    Body::Session(Session { snapshot: Some(snapshot), ..session })
}

pub fn run(sessions: &[EntryId]) -> Body {
    let sessions = sessions.iter().map(|entry| Cited { entry: *entry, foreign: None }).collect();
    Body::Run(Run { record: Descriptor::of(b"{}", "application/json"), manifest: None, sessions })
}

pub fn prompt(content: &[u8]) -> Body {
    Body::Prompt(Prompt { content: markdown(content) })
}

/// The manifest of a catalog of two prompts, and a note whose bytes are not kept.
pub fn catalog() -> Vec<u8> {
    let file = |path: &str, reference: Option<&str>, content: &[u8]| ManifestFile {
        path: path.into(),
        reference: reference.map(Into::into),
        content: markdown(content),
        kept: reference.is_some(),
    };
    let files = vec![
        file("P00.md", Some("P00.v1"), b"prompt"),
        file("P01.md", Some("P01.v1"), b"other"),
        file("README.md", None, b"read me"),
    ];
    Manifest { salt: *b"sixteen bytes  .", files }.to_bytes()
}

pub fn snapshot() -> Body {
    snapshot_of(&catalog())
}

pub fn snapshot_of(manifest: &[u8]) -> Body {
    Body::Snapshot(Snapshot {
        manifest: Descriptor::of(manifest, MANIFEST_TYPE),
        commit: Some(vec![0xc0; 20]),
        tag: None,
        lint_errors: 0,
        lint_warnings: 2,
    })
}

pub fn import() -> Body {
    Body::Import(Import {
        format: "promptos-session".into(),
        content: Descriptor::of(b"{}", "application/json"),
        checked: vec!["prompt-hash".into()],
        details: Some(Descriptor::of(&details("found"), DETAILS_TYPE)),
    })
}

pub fn erase(content: &[u8]) -> (String, Body) {
    let content = Address::of(content);
    (hex::encode(content.0), Body::Erase(Erase { content, details: None }))
}

impl History for Log {
    type Error = Failure;

    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>, Failure> {
        tree::consistency_proof(&self.leaves(), old.size, new.size)
    }

    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>, Failure> {
        let index = (0..self.statements.len()).find(|&index| self.id(index) == *id);
        let Some(index) = index.filter(|index| (*index as u64) < head.size) else { return Ok(None) };
        let path = tree::inclusion_proof(&self.leaves(), index as u64, head.size)?;
        Ok(Some(Located { index: index as u64, statement: self.statements[index].clone(), path }))
    }
}
