//! Whether a statement may stand where it stands: one judgement for writers, auditors and evidence.

use crate::body::{Body, Enrolment, Foreign, KeyChange, Roles};
use crate::digest::{Address, EntryId};
use crate::failure::{Class, Failure};
use crate::key::{Kid, PublicKey};
use crate::statement::Statement;
use crate::tree::{Head, empty_root};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

/// What a ledger knows of an enrolled key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The identity that it was enrolled for.
    pub identity: String,
    /// The key.
    pub key: PublicKey,
    /// What it may do.
    pub roles: Roles,
    /// The identity that an agent acts for.
    pub acting_for: Option<String>,
    /// The index of the statement that enrolled it.
    pub enrolled: u64,
    /// The index of the statement that ended it.
    pub revoked: Option<u64>,
    /// From this entry on, what it signed is suspect.
    pub suspect_since: Option<EntryId>,
    /// The index of its last statement, or of its enrolment.
    pub last: u64,
}

impl KeyRecord {
    /// Whether it may enrol others.
    #[must_use]
    pub fn is_active_admin(&self) -> bool {
        self.roles.admin && self.revoked.is_none()
    }

    /// Takes in a change of this key.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Revoke(_, at, since) => (self.revoked, self.suspect_since) = (Some(*at), *since),
            Change::Signed(_, at) => self.last = *at,
            _ => {}
        }
    }
}

/// What a ref is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing yet.
    Free,
    /// This content.
    To(Address),
    /// It cannot be told, because only a part of the ledger is here.
    Unknown,
}

/// What the rules need to know of the ledger below the statement that is judged.
pub trait View {
    /// What looking up can fail with.
    type Error;
    /// The record of a key.
    ///
    /// # Errors
    /// When it cannot be looked up; so below.
    fn key(&self, kid: &Kid) -> Result<Option<KeyRecord>, Self::Error>;
    /// What a ref is bound to.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn binding(&self, reference: &str) -> Result<Binding, Self::Error>;
    /// Index and kind of an earlier statement; no kind when that cannot be told.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn cited(&self, id: &EntryId) -> Result<Option<(u64, Option<String>)>, Self::Error>;
    /// Whether an earlier snapshot has this name; `false` too when that cannot be told.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn has_snapshot(&self, name: &str) -> Result<bool, Self::Error>;
    /// How many admin keys are active.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn active_admins(&self) -> Result<u64, Self::Error>;
    /// Whether this key signs checkpoints, or ever did.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn signed_checkpoints(&self, kid: &Kid) -> Result<bool, Self::Error>;
}

/// What an accepted statement changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key was enrolled.
    Enrol(Box<KeyRecord>),
    /// A key ended at this index.
    Revoke(Kid, u64, Option<EntryId>),
    /// A key signed the statement at this index.
    Signed(Kid, u64),
    /// A ref got its content.
    Bind(String, Address),
    /// A snapshot took this name.
    Snapshot(String),
    /// The checkpoint key is now this one.
    CheckpointKey(PublicKey),
    /// Content was erased.
    Erase(Address),
}

/// Judges `statement` for `index`: signature, issuer, order and rights (SPEC, "Judging a statement").
/// Whether its head's root is a root of this ledger is the caller's to check, who has the tree.
///
/// # Errors
/// The outer one is the view's; the inner [`Failure`] says why the statement may not stand here.
pub fn judge<V: View>(
    view: &V,
    index: u64,
    statement: &Statement,
) -> Result<Result<Vec<Change>, Failure>, V::Error> {
    split(judge_parts(view, index, statement, true))
}

/// As [`judge`], but takes the signature for granted: for a statement that was judged before and is
/// known by the tree's hashes to be the same.
///
/// # Errors
/// As [`judge`].
pub fn judge_again<V: View>(
    view: &V,
    index: u64,
    statement: &Statement,
) -> Result<Result<Vec<Change>, Failure>, V::Error> {
    split(judge_parts(view, index, statement, false))
}

/// A session of the ledger itself is cited by its id alone, so that its place can be judged: evidence
/// must not prove what the ledger does not hold.
///
/// # Errors
/// [`Class::Malformed`].
pub fn check_foreign(statement: &Statement, ledger: &EntryId) -> Result<(), Failure> {
    let Body::Run(run) = &statement.body else { return Ok(()) };
    let own = |foreign: &Foreign| foreign.ledger == *ledger;
    match run.sessions.iter().find(|cited| cited.foreign.as_ref().is_some_and(own)) {
        None => Ok(()),
        Some(cited) => {
            let detail = format!("{} is cited as another ledger's, by evidence of this one", cited.entry);
            Err(Failure::malformed(detail))
        }
    }
}

fn split<T, E>(result: Result<T, Refusal<E>>) -> Result<Result<T, Failure>, E> {
    match result {
        Ok(changes) => Ok(Ok(changes)),
        Err(Refusal::Failure(failure)) => Ok(Err(failure)),
        Err(Refusal::View(error)) => Err(error),
    }
}

enum Refusal<E> {
    Failure(Failure),
    View(E),
}

impl<E> Refusal<E> {
    fn new(class: Class, detail: impl Into<String>) -> Self {
        Self::Failure(Failure::new(class, detail))
    }
}

fn judge_parts<V: View>(
    view: &V,
    index: u64,
    s: &Statement,
    verify: bool,
) -> Result<Vec<Change>, Refusal<V::Error>> {
    if index == 0 || matches!(s.body, Body::Ledger(_)) {
        return judge_genesis(index, s).map_err(Refusal::Failure);
    }
    let unknown = || Refusal::new(Class::UnknownKey, format!("{} is not enrolled", s.kid));
    let signer = view.key(&s.kid).map_err(Refusal::View)?.ok_or_else(unknown)?;
    if signer.identity != s.issuer {
        let detail = format!("{} is enrolled for '{}', not for '{}'", s.kid, signer.identity, s.issuer);
        return Err(Refusal::new(Class::WrongIssuer, detail));
    }
    if verify {
        s.verify(&signer.key).map_err(Refusal::Failure)?;
    }
    if let Some(revoked) = signer.revoked.filter(|&revoked| revoked < index) {
        return Err(Refusal::new(Class::KeyNotAllowed, format!("{} was revoked by entry {revoked}", s.kid)));
    }
    judge_order(view, index, s, &signer)?;
    let mut changes = vec![Change::Signed(s.kid, index)];
    changes.extend(judge_rights(view, index, s, &signer)?);
    Ok(changes)
}

fn judge_genesis(index: u64, s: &Statement) -> Result<Vec<Change>, Failure> {
    let Body::Ledger(ledger) = &s.body else {
        return Err(Failure::malformed("entry 0 is not the genesis of a ledger"));
    };
    if index != 0 {
        return Err(Failure::new(
            Class::BrokenHead,
            format!("entry {index} is a genesis; only entry 0 can be"),
        ));
    }
    if s.head != (Head { size: 0, root: empty_root() }) {
        return Err(Failure::new(Class::BrokenHead, "the genesis does not carry the head of the empty tree"));
    }
    let unlisted = || Failure::new(Class::UnknownKey, "the genesis is signed by a key that it does not list");
    let founder = ledger.admins.iter().find(|admin| admin.key.kid() == s.kid).ok_or_else(unlisted)?;
    if founder.identity != s.issuer {
        return Err(Failure::new(Class::WrongIssuer, "the genesis lists its signer under another identity"));
    }
    s.verify(&founder.key)?;
    let enrol = |admin: &Enrolment| {
        let roles = Roles { admin: true, user: admin == founder, agent: false };
        Change::Enrol(Box::new(new_key(admin.clone(), roles, None, 0)))
    };
    let mut changes: Vec<_> = ledger.admins.iter().map(enrol).collect();
    changes.push(Change::CheckpointKey(ledger.checkpoint_key.clone()));
    Ok(changes)
}

fn new_key(who: Enrolment, roles: Roles, acting_for: Option<String>, index: u64) -> KeyRecord {
    let Enrolment { identity, key } = who;
    let (enrolled, last) = (index, index);
    KeyRecord { identity, key, roles, acting_for, enrolled, revoked: None, suspect_since: None, last }
}

/// The order that the signed head proves: after the key's enrolment, after its previous statement,
/// after everything cited, and not after itself.
fn judge_order<V: View>(
    view: &V,
    index: u64,
    s: &Statement,
    signer: &KeyRecord,
) -> Result<(), Refusal<V::Error>> {
    let broken = |detail: String| Err(Refusal::new(Class::BrokenHead, detail));
    let size = s.head.size;
    if size > index {
        return broken(format!("entry {index} carries a head of size {size}, which is yet to come"));
    }
    if size <= signer.enrolled {
        return broken(format!(
            "its head of size {size} is older than its key's enrolment, entry {}",
            signer.enrolled
        ));
    }
    if size <= signer.last {
        return broken(format!("its head of size {size} is older than its key's entry {}", signer.last));
    }
    for (id, want) in s.body.cites() {
        match view.cited(&id).map_err(Refusal::View)? {
            Some((at, kind)) if at < size => {
                if let (Some(want), Some(kind)) = (want, kind)
                    && want != kind
                {
                    let detail = format!("{id} is cited as '{want}' and is of kind '{kind}'");
                    return Err(Refusal::new(Class::Malformed, detail));
                }
            }
            _ => return broken(format!("it cites {id}, which is not below its head of size {size}")),
        }
    }
    Ok(())
}

fn judge_rights<V: View>(
    view: &V,
    index: u64,
    s: &Statement,
    signer: &KeyRecord,
) -> Result<Vec<Change>, Refusal<V::Error>> {
    let roles = signer.roles;
    let require = |has: bool, role: &str| {
        let detail = || format!("'{}' with key {} has no role {role} in this ledger", signer.identity, s.kid);
        if has { Ok(()) } else { Err(Refusal::new(Class::KeyNotAllowed, detail())) }
    };
    match &s.body {
        Body::Ledger(_) | Body::Unknown => Ok(Vec::new()),
        Body::Key(change) => judge_key_change(view, index, s, signer, change),
        Body::Prompt(prompt) => {
            require(roles.user, "user")?;
            bind(view, signer, [(s.name.as_str(), prompt.content.blake3)])
        }
        Body::Start(_) | Body::Session(_) | Body::Render(_) => {
            require(roles.user || roles.agent, "user or agent")?;
            let used = s.body.used().iter();
            bind(view, signer, used.map(|used| (used.reference.as_str(), used.content.blake3)))
        }
        Body::Event(_) | Body::Run(_) => {
            require(roles.user || roles.agent, "user or agent").map(|()| Vec::new())
        }
        Body::Import(_) => require(roles.user, "user").map(|()| Vec::new()),
        Body::Snapshot(_) => {
            require(roles.user, "user")?;
            if view.has_snapshot(&s.name).map_err(Refusal::View)? {
                let detail = format!("there is a snapshot {} already; its name is never used again", s.name);
                return Err(Refusal::new(Class::RefRebound, detail));
            }
            Ok(vec![Change::Snapshot(s.name.clone())])
        }
        Body::Erase(erase) => {
            require(roles.admin, "admin")?;
            Ok(vec![Change::Erase(erase.content)])
        }
    }
}

/// The first statement that names a ref binds it; that needs the user role. Later ones must agree.
fn bind<'a, V: View>(
    view: &V,
    signer: &KeyRecord,
    refs: impl IntoIterator<Item = (&'a str, Address)>,
) -> Result<Vec<Change>, Refusal<V::Error>> {
    let mut changes = Vec::new();
    for (reference, content) in refs {
        match view.binding(reference).map_err(Refusal::View)? {
            Binding::Unknown => {}
            Binding::To(bound) if bound == content => {}
            Binding::To(bound) => {
                let detail = format!("{reference} is bound to {bound}; this names {content}");
                return Err(Refusal::new(Class::RefRebound, detail));
            }
            Binding::Free if signer.roles.user => changes.push(Change::Bind(reference.to_owned(), content)),
            Binding::Free => {
                let detail = format!("{reference} is not bound yet, and binding it needs the role user");
                return Err(Refusal::new(Class::KeyNotAllowed, detail));
            }
        }
    }
    Ok(changes)
}

fn judge_key_change<V: View>(
    view: &V,
    index: u64,
    s: &Statement,
    signer: &KeyRecord,
    change: &KeyChange,
) -> Result<Vec<Change>, Refusal<V::Error>> {
    let not_allowed = |detail: String| Refusal::new(Class::KeyNotAllowed, detail);
    let admin = |what: &str| {
        let detail = || format!("'{}' may not {what}: that needs the role admin", signer.identity);
        if signer.roles.admin { Ok(()) } else { Err(not_allowed(detail())) }
    };
    let fresh = |key: &PublicKey| {
        let kid = key.kid();
        if view.key(&kid).map_err(Refusal::View)?.is_some() {
            return Err(not_allowed(format!("{kid} was enrolled before; a key is enrolled once")));
        }
        if view.signed_checkpoints(&kid).map_err(Refusal::View)? {
            return Err(not_allowed(format!("{kid} is or was a checkpoint key, which is nothing else")));
        }
        Ok(())
    };
    match change {
        KeyChange::Enrol { who, roles, acting_for } => {
            admin("enrol keys")?;
            fresh(&who.key)?;
            let record = new_key(who.clone(), *roles, acting_for.clone(), index);
            Ok(vec![Change::Enrol(Box::new(record))])
        }
        KeyChange::Revoke { kid, since } => {
            if *kid != s.kid {
                admin("revoke another's key")?;
            }
            let missing = || not_allowed(format!("{kid} is not enrolled, so it cannot be revoked"));
            let record = view.key(kid).map_err(Refusal::View)?.ok_or_else(missing)?;
            if record.revoked.is_some() {
                return Err(not_allowed(format!("{kid} is revoked already")));
            }
            if record.roles.admin && view.active_admins().map_err(Refusal::View)? <= 1 {
                return Err(not_allowed(format!("{kid} is the last admin key and cannot be revoked")));
            }
            Ok(vec![Change::Revoke(*kid, index, *since)])
        }
        KeyChange::Rotate { key } => {
            fresh(key)?;
            let who = Enrolment { identity: signer.identity.clone(), key: key.clone() };
            let record = new_key(who, signer.roles, signer.acting_for.clone(), index);
            Ok(vec![Change::Revoke(s.kid, index, None), Change::Enrol(Box::new(record))])
        }
        KeyChange::Checkpoint { key } => {
            admin("change the checkpoint key")?;
            fresh(key)?;
            Ok(vec![Change::CheckpointKey(key.clone())])
        }
    }
}

/// The rights and refs of a ledger, held in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Every key that was ever enrolled.
    pub keys: HashMap<Kid, KeyRecord>,
    /// What each ref is bound to.
    pub refs: HashMap<String, Address>,
    /// The names of the snapshots.
    pub snapshots: HashSet<String>,
    /// The checkpoint key now in force.
    pub checkpoint_key: Option<PublicKey>,
    /// Every key that ever signed checkpoints.
    pub checkpoint_keys: HashSet<Kid>,
}

impl State {
    /// Takes over what an accepted statement changes.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Enrol(record) => {
                self.keys.insert(record.key.kid(), *record);
            }
            Change::Revoke(kid, ..) | Change::Signed(kid, _) => {
                if let Some(record) = self.keys.get_mut(&kid) {
                    record.apply(&change);
                }
            }
            Change::Bind(reference, content) => {
                self.refs.insert(reference, content);
            }
            Change::Snapshot(name) => {
                self.snapshots.insert(name);
            }
            Change::CheckpointKey(key) => {
                self.checkpoint_keys.insert(key.kid());
                self.checkpoint_key = Some(key);
            }
            Change::Erase(_) => {}
        }
    }

    /// What a ref is bound to.
    #[must_use]
    pub fn binding(&self, reference: &str) -> Binding {
        self.refs.get(reference).map_or(Binding::Free, |content| Binding::To(*content))
    }

    /// How many admin keys are active.
    #[must_use]
    pub fn active_admins(&self) -> u64 {
        self.keys.values().filter(|key| key.is_active_admin()).count() as u64
    }
}

/// A state that cites nothing: enough for a ledger without runs and for tests.
impl View for State {
    type Error = Infallible;

    fn key(&self, kid: &Kid) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self.keys.get(kid).cloned())
    }

    fn binding(&self, reference: &str) -> Result<Binding, Infallible> {
        Ok(Self::binding(self, reference))
    }

    fn cited(&self, _: &EntryId) -> Result<Option<(u64, Option<String>)>, Infallible> {
        Ok(None)
    }

    fn has_snapshot(&self, name: &str) -> Result<bool, Infallible> {
        Ok(self.snapshots.contains(name))
    }

    fn active_admins(&self) -> Result<u64, Infallible> {
        Ok(Self::active_admins(self))
    }

    fn signed_checkpoints(&self, kid: &Kid) -> Result<bool, Infallible> {
        Ok(self.checkpoint_keys.contains(kid))
    }
}
