//! What an audit knows at its end, and what the rules ask of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use ledger_format::rules::{self, Binding, Change, KeyRecord, State, View};
use ledger_format::*;
use support::log::{self, Log, enrol, public, session};
use support::raw::{ada, key, kid};

/// Ada founds, enrols Bob and his agent, revokes Bob's key from his session on, rotates her own and changes the
/// checkpoint key.
fn story() -> Log {
    let (mut log, bob, bot) = (Log::new(), key(3), key(5));
    log.enrol("bob", &bob, &["user"]);
    log.change(&ada(), "ada", enrol("bot", &bot, &["agent"], Some("bob")));
    let id = log.add(&bob, "bob", "s-1", session(&[("P00.v1", b"prompt")]));
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&bob), since: Some(id) });
    log.change(&ada(), "ada", KeyChange::Rotate { key: public(&key(7)) });
    log.change(&key(7), "ada", KeyChange::Checkpoint { key: public(&key(8)) });
    log
}

fn record(
    identity: &str,
    of: &ed25519_dalek::SigningKey,
    roles: &[&str],
    enrolled: u64,
    last: u64,
) -> KeyRecord {
    KeyRecord {
        identity: identity.into(),
        key: public(of),
        roles: Roles::from_names(roles.iter().copied()).unwrap(),
        acting_for: None,
        enrolled,
        revoked: None,
        suspect_since: None,
        last,
    }
}

#[test]
fn an_audit_knows_keys_refs_and_checkpoint_keys() {
    let log = story();
    let auditor = log.audit().unwrap();
    assert_eq!((auditor.ledger(), auditor.origin()), (Some(log.id(0)), Some(log.origin())));
    let records = [
        KeyRecord { revoked: Some(5), ..record("ada", &ada(), &["admin", "user"], 0, 5) },
        KeyRecord {
            revoked: Some(4),
            suspect_since: Some(log.id(3)),
            ..record("bob", &key(3), &["user"], 1, 3)
        },
        KeyRecord { acting_for: Some("bob".into()), ..record("bot", &key(5), &["agent"], 2, 2) },
        record("ada", &key(7), &["admin", "user"], 5, 6),
    ];
    let expected = State {
        keys: records.map(|record| (record.key.kid(), record)).into(),
        refs: [("P00.v1".to_owned(), Address::of(b"prompt"))].into(),
        snapshots: [].into(),
        checkpoint_key: Some(public(&key(8))),
        checkpoint_keys: [kid(&key(2)), kid(&key(8))].into(),
    };
    assert_eq!(*auditor.state(), expected);

    let nothing = Auditor::default();
    assert_eq!((nothing.ledger(), nothing.origin()), (None, None));
    assert_eq!((nothing.state(), nothing.head()), (&State::default(), Head::empty()));
}

/// What `view` answers of a key, a ref and an entry, in the order of its questions.
fn ask<V: View>(
    view: &V,
    of: &Kid,
    reference: &str,
    id: &EntryId,
) -> (Option<String>, Binding, bool, u64, bool) {
    let answers = || {
        let identity = view.key(of)?.map(|record| record.identity);
        let cited = view.cited(id)?.is_some();
        Ok::<_, V::Error>((
            identity,
            view.binding(reference)?,
            cited,
            view.active_admins()?,
            view.signed_checkpoints(of)?,
        ))
    };
    answers().ok().unwrap()
}

#[test]
fn a_state_answers_as_a_view_that_cites_nothing() {
    let log = story();
    let state = log.audit().unwrap().state().clone();
    let bound = Binding::To(Address::of(b"prompt"));
    assert_eq!(
        ask(&state, &kid(&key(3)), "P00.v1", &log.id(3)),
        (Some("bob".into()), bound, false, 1, false)
    );
    assert_eq!(ask(&state, &kid(&key(8)), "P01.v1", &log.id(0)), (None, Binding::Free, false, 1, true));
    assert_eq!(ask(&State::default(), &kid(&ada()), "P", &log.id(0)), (None, Binding::Free, false, 0, false));
}

/// A view may know of a revocation that stands at or above the statement that is judged.
/// MUST: RIGHT-3
#[test]
fn a_revocation_ends_what_stands_above_it() {
    let log = story();
    let session = Statement::decode(log.statements[3].clone()).unwrap();
    let mut state = Log { statements: log.statements[..3].to_vec(), ..log }.audit().unwrap().state().clone();
    let mut verdict = |revoked| {
        state.apply(Change::Revoke(kid(&key(3)), revoked, None));
        let Ok(verdict) = rules::judge(&state, 3, &session);
        verdict.err().map(|failure| failure.class)
    };
    assert_eq!([2, 3, 4].map(&mut verdict), [Some(Class::KeyNotAllowed), None, None]);
}

/// A replay takes signatures for granted, and no other key's.
#[test]
fn a_replay_does_not_check_signatures() {
    let mut log = story();
    let last = log.statements.len() - 1;
    *log.statements[last].last_mut().unwrap() ^= 1;
    assert_eq!(log.audit().unwrap_err().1.class, Class::BadSignature);
    assert_eq!(log.replay().unwrap().state(), story().audit().unwrap().state());
    log.add(&key(3), "bob", "P01.v1", log::prompt(b"prompt"));
    assert_eq!(log.replay().unwrap_err().1.class, Class::KeyNotAllowed);
}

/// A store that lies about what it is asked for, in the way that `bend` says.
struct Liar<'a> {
    log: &'a Log,
    bend: fn(&Log, &mut Located),
}

impl History for Liar<'_> {
    type Error = Failure;

    fn consistency(&self, old: &Head, new: &Head) -> Result<Vec<Hash>, Failure> {
        self.log.consistency(old, new)
    }

    fn locate(&self, id: &EntryId, head: &Head) -> Result<Option<Located>, Failure> {
        let mut found = self.log.locate(id, head)?.unwrap();
        (self.bend)(self.log, &mut found);
        Ok(Some(found))
    }
}

/// The place of what is cited is proved, and it is what was asked for.
#[test]
fn a_lying_store_proves_no_citation() {
    let mut log = Log::new();
    let first = log.ada("s-1", session(&[("P00.v1", b"prompt")]));
    let second = log.ada("s-2", session(&[("P00.v1", b"prompt")]));
    log.ada("r-1", log::run(&[first, second]));
    let before = Log { statements: log.statements[..3].to_vec(), ..log.clone() };
    let verdict = |bend| {
        let mut auditor = before.audit().unwrap();
        let verdict = auditor.push(&log.statements[3], &Liar { log: &before, bend }).unwrap();
        verdict.err().map(|failure| failure.class)
    };
    assert_eq!(verdict(|_, _| ()), None);
    assert_eq!(verdict(|_, found| found.path[0][0] ^= 1), Some(Class::BrokenHead));
    assert_eq!(verdict(|_, found| found.index ^= 1), Some(Class::BrokenHead));
    let other = |log: &Log, found: &mut Located| {
        *found = log.locate(&log.id(1), &log.head()).unwrap().unwrap();
    };
    assert_eq!(verdict(other), Some(Class::BrokenHead));
}

/// What is wrong with a statement is told in the same order, whenever its signature is checked.
#[test]
fn a_bad_signature_is_told_before_a_missing_right() {
    let mut log = Log::new();
    log.enrol("bob", &key(3), &["user"]);
    let (name, body) = support::log::erase(b"gone"); // needs the role admin
    let draft = Draft { name: &name, issuer: "bob", time: 1, head: log.head(), body: &body };
    let mut bytes = draft.sign(&key(3)).unwrap().bytes().to_vec();
    log.push(bytes.clone());
    assert_eq!(log.audit_deferring().unwrap_err().1.class, Class::KeyNotAllowed);
    *bytes.last_mut().unwrap() ^= 1;
    *log.statements.last_mut().unwrap() = bytes;
    assert_eq!(log.audit_deferring().unwrap_err(), log.audit().unwrap_err());
    assert_eq!(log.audit_deferring().unwrap_err().1.class, Class::BadSignature);
}

/// A holder of Bob's key, elsewhere, that errs in one bit when it is told to.
struct Elsewhere {
    err: bool,
}

impl Signer for Elsewhere {
    fn public_key(&self) -> [u8; 32] {
        key(3).public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let mut signature = key(3).sign(message)?;
        signature[40] ^= u8::from(self.err);
        Ok(signature)
    }
}

#[test]
fn who_signs_elsewhere_is_not_believed() {
    let head = Log::new().head();
    let body = session(&[("P00.v1", b"prompt")]);
    let draft = Draft { name: "s-1", issuer: "bob", time: 1, head, body: &body };
    let here = draft.sign(&key(3)).unwrap();
    assert_eq!(draft.sign(&Elsewhere { err: false }).unwrap(), here);
    assert_eq!(Statement::decode(here.bytes().to_vec()).unwrap(), here);
    here.verify(&public(&key(3))).unwrap();
    match draft.sign(&Elsewhere { err: true }).unwrap_err() {
        DraftError::Invalid(failure) => assert_eq!(failure.class, Class::BadSignature),
        DraftError::Signer(error) => unreachable!("{error}"),
    }
}
