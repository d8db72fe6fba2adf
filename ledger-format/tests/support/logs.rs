//! Whole logs: order, rights, refs. In a rejected one, the last statement is the one that is refused.

use super::Vector;
use super::log::{self, Log, enrol, enrolment, erase, genesis, public, session};
use super::raw::{Raw, ada, bytes, key, kid, map};
use ed25519_dalek::SigningKey;
use ledger_format::Class::{
    BadSignature, BrokenHead, ForkedHead, KeyNotAllowed, Malformed, RefRebound, TooLarge, UnknownKey,
    Unsupported, WrongIssuer,
};
use ledger_format::*;

/// Ada (admin and user) founds, and enrols bob (user), carol (admin) and bot (agent).
struct Cast {
    log: Log,
    bob: SigningKey,
    carol: SigningKey,
    bot: SigningKey,
}

fn cast() -> Cast {
    let (mut log, bob, carol, bot) = (Log::new(), key(3), key(4), key(5));
    log.enrol("bob", &bob, &["user"]);
    log.enrol("carol", &carol, &["admin"]);
    log.change(&ada(), "ada", enrol("bob's bot", &bot, &["agent"], Some("bob")));
    Cast { log, bob, carol, bot }
}

fn p00() -> Body {
    session(&[("P00.v1", b"prompt")])
}

pub fn add(all: &mut Vec<Vector>) {
    accepted(all);
    order(all);
    rights(all);
    refs(all);
    genesis_faults(all);
}

fn accepted(all: &mut Vec<Vector>) {
    let mut yes = |name: &str, must, what: &str, log: Log| {
        let head = log.head();
        let vector = Vector::accept("log", name, must, what).list("statements", &log.statements);
        all.push(vector.text("origin", log.origin()).number("size", head.size).hex("root", head.root));
    };
    let mut log = Log::new();
    yes("genesis", "LOG-1 HEAD-1 TREE-1", "a genesis alone", log.clone());
    let (name, body) = erase(b"gone");
    log.ada(&name, body);
    yes("worked-example", "STMT-13 HEAD-7", "the example of the specification", log);

    let Cast { mut log, bob, carol, bot } = cast();
    log.add(&bob, "bob", "P00.v1", log::prompt(b"prompt"));
    let first = log.add(&bob, "bob", "s-1", session(&[("P00.v1", b"prompt"), ("P01.v1", b"other")]));
    let second = log.add(&bot, "bob's bot", "s-2", session(&[("P01.v1", b"other")]));
    log.add(&bot, "bob's bot", "r-1", log::run(&[first, second]));
    log.add(&bob, "bob", "v1", log::snapshot());
    log.add(&bob, "bob", "old", log::import());
    let (name, body) = erase(b"gone");
    log.add(&carol, "carol", &name, body);
    log.change(&carol, "carol", KeyChange::Checkpoint { key: public(&key(6)) });
    yes("all-roles", "RIGHT-4 RIGHT-5 REF-2 REF-3 BODY-8", "each role makes what it may", log);

    let Cast { mut log, bob, .. } = cast();
    let old = log.head();
    log.ada("s-1", p00());
    log.ada("s-2", p00());
    log.add_at(old, &bob, "bob", "s-3", p00());
    yes("lag", "HEAD-8", "an author who knew an older head", log);

    let mut log = Log::new();
    let thing = |name: &str, v: u8| {
        Raw::new(&format!("thing/{name}"), &map(vec![("v", v.into()), ("x", bytes([1]))]))
    };
    log.raw(thing("one", 1));
    log.raw(Raw::new("session/s", &map(vec![("v", 2.into()), ("prompts", "another shape".into())])));
    log.raw(Raw::new("prompt/P00.v1", &map(vec![("v", 9.into())])));
    log.ada("P00.v1", log::prompt(b"prompt"));
    yes("unknown", "BODY-3", "unknown kinds and versions are kept and bind nothing", log);

    let Cast { mut log, bot, .. } = cast();
    let body = map(vec![("v", 1.into())]);
    log.raw(Raw::new("thing/one", &body).claim(1, "bob's bot").edit(|r| {
        r.key = bot.clone();
        r.kid = bytes(kid(&bot).0);
    }));
    yes("unknown-by-agent", "BODY-3 RIGHT-4", "any role may state an unknown kind", log);

    let mut log = Log::new();
    log.raw(Raw::erase().edit(|r| r.alg = (-19).into()));
    log.ada("s-1", p00());
    yes("alg-19", "STMT-5", "algorithms -19 and -8 in one log", log);

    let Cast { mut log, bob, .. } = cast();
    let id = log.add(&bob, "bob", "s-1", p00());
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&bob), since: Some(id) });
    log.ada("r-1", log::run(&[id]));
    yes(
        "revoked-later",
        "RIGHT-3 RIGHT-7 HEAD-5",
        "what a key signed before its revocation stays valid",
        log,
    );

    let Cast { mut log, bob, carol, .. } = cast();
    log.change(&bob, "bob", KeyChange::Revoke { kid: kid(&bob), since: None });
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&ada()), since: None });
    log.enrol_by(&carol, "carol", "bob", &key(8), &["user"]);
    yes(
        "revoke-self",
        "RIGHT-4 RIGHT-8",
        "a user revokes the own key, and so does an admin when another one is left",
        log,
    );

    let mut log = Log::new();
    log.change(&ada(), "ada", KeyChange::Rotate { key: public(&key(7)) });
    log.add(&key(7), "ada", "s-1", p00());
    log.enrol_by(&key(7), "ada", "bob", &key(3), &["user"]);
    log.change(&key(3), "bob", KeyChange::Rotate { key: public(&key(8)) });
    log.add(&key(8), "bob", "s-2", p00());
    yes("rotate", "RIGHT-9", "the last admin and a user rotate their keys", log);

    let Cast { mut log, bot, .. } = cast();
    log.ada("s-1", p00());
    log.change(&bot, "bob's bot", KeyChange::Rotate { key: public(&key(8)) });
    log.add(&key(8), "bob's bot", "s-2", p00());
    yes("rotate-agent", "RIGHT-9", "an agent rotates its key and stays an agent", log);

    let two = || {
        Log::found(Ledger {
            admins: vec![enrolment("ada", &ada()), enrolment("carol", &key(4))],
            ..genesis()
        })
    };
    let mut log = two();
    log.enrol_by(&key(4), "carol", "bob", &key(3), &["user"]);
    yes("two-admins", "RIGHT-5", "another admin of the genesis enrols a key", log);

    let Cast { mut log, bob, bot, .. } = cast();
    log.raw(Raw::new("snapshot/v1", &map(vec![("v", 2.into())])));
    let first = log.ada("v1", log::snapshot());
    log.add(&bob, "bob", "v2", log::snapshot());
    log.ada("s-1", log::session_under(first, &[("P00.v1", b"prompt")]));
    log.add(&bot, "bob's bot", "s-2", log::session_under(first, &[("P00.v1", b"prompt")]));
    yes(
        "snapshots",
        "REF-4 HEAD-5 HEAD-6 BODY-3",
        "snapshots, sessions under them, and a name that a statement of another version did not take",
        log,
    );

    let mut log = Log::new();
    log.ada("r-1", foreign_run(EntryId([9; 32]), EntryId([8; 32])));
    yes("run-foreign", "HEAD-5", "what a run cites of another ledger is not looked for in this one", log);

    let mut log = two();
    log.ada("P00.v1", log::prompt(b"prompt"));
    log.ada("P00.v1", log::prompt(b"prompt"));
    log.ada("s-1", session(&[("P00.v1", b"prompt"), ("P00.v2", b"another")]));
    yes("ref-again", "REF-3", "a ref is named again with the same content", log);
}

/// A run that cites `entry` of `ledger` as another ledger's.
fn foreign_run(ledger: EntryId, entry: EntryId) -> Body {
    let foreign = Foreign { ledger, evidence: log::markdown(b"tar"), trusted: true };
    let sessions = vec![Cited { entry, foreign: Some(foreign) }];
    Body::Run(Run { record: log::markdown(b"{}"), manifest: None, sessions })
}

impl Log {
    fn enrol_by(&mut self, by: &SigningKey, issuer: &str, identity: &str, key: &SigningKey, roles: &[&str]) {
        self.change(by, issuer, enrol(identity, key, roles, None));
    }
}

pub fn refused(all: &mut Vec<Vector>, class: Class, name: &str, must: &'static str, what: &str, log: Log) {
    let vector = Vector::reject(class, "log", name, must, what);
    all.push(vector.number("at", log.statements.len() as u64 - 1).list("statements", &log.statements));
}

fn order(all: &mut Vec<Vector>) {
    let mut no = |class, name: &str, must, what: &str, log: Log| refused(all, class, name, must, what, log);
    let base = || {
        let mut log = Log::new();
        log.enrol("bob", &key(3), &["user"]);
        log.ada("s-1", p00());
        log.ada("s-2", p00());
        log
    };
    let bob = key(3);
    let at = |size: usize, edit: fn(&mut Head)| {
        let mut log = base();
        let mut head = log.head_at(size.min(4));
        edit(&mut head);
        log.add_at(head, &key(3), "bob", "s-3", p00());
        log
    };
    no(BrokenHead, "head-ahead", "HEAD-2", "a head that is yet to come", at(4, |h| h.size = 5));
    no(BrokenHead, "head-far-ahead", "HEAD-2", "the largest size there is", at(4, |h| h.size = u64::MAX));
    no(BrokenHead, "head-before-enrolment", "HEAD-3", "a head below the enrolment of the key", at(1, |_| ()));
    no(BrokenHead, "head-at-enrolment", "HEAD-3", "size 0 after the genesis", at(0, |_| ()));
    no(ForkedHead, "head-forked", "HEAD-7", "another root at the newest size", at(4, |h| h.root[0] ^= 1));
    no(ForkedHead, "head-forked-lag", "HEAD-7", "another root at an older size", at(3, |h| h.root[0] ^= 1));
    no(ForkedHead, "head-root-of-other-size", "HEAD-7", "the root of another size", at(4, |h| h.size = 3));
    let mut log = base();
    let head = log.head_at(3);
    log.add_at(head, &ada(), "ada", "s-3", p00());
    no(BrokenHead, "head-before-own", "HEAD-4", "a head below the key's previous statement", log);
    let mut log = base();
    log.push(log.statements[2].clone());
    no(BrokenHead, "replay", "HEAD-4", "a statement a second time", log);
    let mut log = base();
    let mut other = Log::found(Ledger { nonce: [0; 16], ..genesis() });
    other.enrol("bob", &bob, &["user"]);
    other.ada("s-1", p00());
    other.ada("s-2", p00());
    other.add(&bob, "bob", "s-3", p00());
    log.push(other.statements[4].clone());
    no(ForkedHead, "other-ledger", "HEAD-7", "a statement of another ledger with the same keys", log);
    let mut log = base();
    let mut fork = base();
    fork.ada("s-x", p00());
    fork.add(&bob, "bob", "s-4", p00());
    log.ada("s-y", p00());
    log.push(fork.statements[5].clone());
    no(
        ForkedHead,
        "other-branch",
        "HEAD-7",
        "a statement that was signed on another branch of the ledger",
        log,
    );
    let mut log = base();
    log.statements.swap(2, 3);
    log.statements.truncate(3);
    no(BrokenHead, "swapped", "HEAD-2", "two statements changed places", log);
    let mut log = base();
    log.statements.remove(2);
    no(BrokenHead, "left-out", "HEAD-2", "a statement was left out", log);
    let mut log = base();
    log.statements[2] = {
        let mut other = Log { statements: log.statements[..2].to_vec(), ..Log::new() };
        other.ada("s-other", p00());
        other.statements.remove(2)
    };
    no(ForkedHead, "replaced", "HEAD-7 LOG-3", "a statement was replaced by another one of its author", log);
    let mut log = base();
    log.ada("r-1", foreign_run(log.id(0), log.id(2)));
    no(
        Malformed,
        "cites-own-as-foreign",
        "HEAD-9",
        "a run that cites this ledger's session as another's",
        log,
    );
    let mut log = base();
    log.ada("r-1", log::run(&[EntryId([1; 32])]));
    no(BrokenHead, "cites-nothing", "HEAD-5", "a run that cites what is not there", log);
    let mut log = base();
    let (lag, later) = (log.head(), log.ada("s-3", p00()));
    log.add_at(lag, &bob, "bob", "r-1", log::run(&[later]));
    no(BrokenHead, "cites-above-head", "HEAD-5", "a run that cites what its head does not cover", log);
    let mut log = base();
    let enrolment = log.id(1);
    log.ada("r-1", log::run(&[enrolment]));
    no(Malformed, "cites-no-session", "HEAD-6", "a run that cites a key statement", log);
    let under = |snapshot| log::session_under(snapshot, &[("P00.v1", b"prompt")]);
    let mut log = base();
    log.ada("s-3", under(EntryId([1; 32])));
    no(BrokenHead, "session-cites-nothing", "HEAD-5", "a session under a snapshot that is not there", log);
    let mut log = base();
    let (lag, later) = (log.head(), log.ada("v1", log::snapshot()));
    log.add_at(lag, &bob, "bob", "s-3", under(later));
    no(
        BrokenHead,
        "session-cites-above-head",
        "HEAD-5",
        "a session under a snapshot that its head does not cover",
        log,
    );
    let mut log = base();
    let session = log.id(2);
    log.ada("s-3", under(session));
    no(Malformed, "session-cites-session", "HEAD-6", "a session under what is no snapshot", log);
    let mut log = base();
    let snapshot = log.ada("v1", log::snapshot());
    log.ada("r-1", log::run(&[snapshot]));
    no(Malformed, "run-cites-snapshot", "HEAD-6", "a run that cites a snapshot", log);
    let mut log = base();
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&bob), since: Some(EntryId([1; 32])) });
    no(BrokenHead, "since-nothing", "HEAD-5 RIGHT-7", "a revocation since an entry that is not there", log);
    let mut log = base();
    let mut bytes = log.statements[3].clone();
    *bytes.last_mut().unwrap() ^= 1;
    log.statements[3] = bytes;
    no(BadSignature, "signature", "STMT-13 LOG-3", "the last signature does not verify", log);
    let mut log = base();
    log.raw(Raw::new("key/x", &map(vec![("v", 2.into())])));
    no(Unsupported, "unsupported", "BODY-2 LOG-3", "a key statement of version 2", log);
    let mut log = base();
    log.push(vec![0x40]);
    no(Malformed, "garbage", "STMT-2 LOG-3", "an entry that is no statement", log);
    let mut log = base();
    let list: Vec<_> = (0..65u8).map(|n| map(vec![("entry", super::raw::bytes([n; 32]))])).collect();
    log.raw(Raw::new(
        "run/r",
        &map(vec![
            ("v", 1.into()),
            ("record", super::raw::content(b"{}")),
            ("sessions", ciborium::Value::Array(list)),
        ]),
    ));
    no(TooLarge, "too-large", "BODY-4 LOG-3", "a run of 65 sessions", log);
}

fn rights(all: &mut Vec<Vector>) {
    let mut no = |class, name: &str, must, what: &str, edit: &dyn Fn(&mut Log, &Cast)| {
        let c = cast();
        let mut log = c.log.clone();
        edit(&mut log, &c);
        refused(all, class, name, must, what, log);
    };
    let eve = key(9);
    no(UnknownKey, "not-enrolled", "RIGHT-1", "a key that nobody enrolled", &|log, _| {
        log.add(&eve, "eve", "s", p00());
    });
    no(UnknownKey, "log-key", "RIGHT-1", "the checkpoint key signs a statement", &|log, _| {
        log.add(&log.log_key.clone(), "ada", "s", p00());
    });
    no(WrongIssuer, "issuer-other", "RIGHT-2", "another's name", &|log, c| {
        log.add(&c.bob, "ada", "s", p00());
    });
    no(WrongIssuer, "issuer-case", "RIGHT-2", "the name in another case", &|log, c| {
        log.add(&c.bob, "Bob", "s", p00());
    });
    no(WrongIssuer, "issuer-normal-form", "RIGHT-2", "the name in another Unicode normal form", &|log, _| {
        log.enrol("Zo\u{eb}", &key(8), &["user"]);
        log.add(&key(8), "Zoe\u{308}", "s", p00());
    });
    no(WrongIssuer, "issuer-principal", "RIGHT-2", "an agent signs as the one it acts for", &|log, c| {
        log.ada("s", p00());
        log.add(&c.bot, "bob", "s-2", p00());
    });
    no(
        BadSignature,
        "signed-by-other",
        "STMT-13",
        "a statement that another enrolled key signed",
        &|log, c| {
            let head = log.head();
            log.push(Raw::erase().at(head).edit(|r| r.key = c.carol.clone()).bytes());
        },
    );
    no(KeyNotAllowed, "revoked", "RIGHT-3", "a key after its revocation", &|log, c| {
        log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&c.bob), since: None });
        log.add(&c.bob, "bob", "s", p00());
    });
    no(
        KeyNotAllowed,
        "revoked-lag",
        "RIGHT-3",
        "a key after its revocation, with a head from before it",
        &|log, c| {
            let head = log.head();
            log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&c.bob), since: None });
            log.add_at(head, &c.bob, "bob", "s", p00());
        },
    );
    no(KeyNotAllowed, "rotated", "RIGHT-3 RIGHT-9", "a key after its rotation", &|log, c| {
        log.change(&c.bob, "bob", KeyChange::Rotate { key: public(&key(8)) });
        log.add(&c.bob, "bob", "s", p00());
    });
    no(KeyNotAllowed, "revoked-unknown-kind", "RIGHT-3", "an unknown kind by a revoked key", &|log, _| {
        log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&ada()), since: None });
        log.raw(Raw::new("thing/one", &map(vec![("v", 1.into())])));
    });
    // What each role may not do.
    type Act = (&'static str, fn(&mut Log, &SigningKey, &str) -> EntryId);
    let acts: [Act; 12] = [
        ("enrols", |log, key, who| log.change(key, who, enrol("eve", &super::raw::key(9), &["user"], None))),
        ("revokes-other", |log, key, who| {
            log.change(key, who, KeyChange::Revoke { kid: kid(&ada()), since: None })
        }),
        ("changes-checkpoint-key", |log, key, who| {
            log.change(key, who, KeyChange::Checkpoint { key: public(&super::raw::key(9)) })
        }),
        ("erases", |log, key, who| {
            let (name, body) = erase(b"gone");
            log.add(key, who, &name, body)
        }),
        ("records-prompt", |log, key, who| log.add(key, who, "P00.v1", log::prompt(b"prompt"))),
        ("records-session", |log, key, who| log.add(key, who, "s", p00())),
        ("records-run", |log, key, who| log.add(key, who, "r", log::run(&[]))),
        ("takes-snapshot", |log, key, who| log.add(key, who, "v1", log::snapshot())),
        ("imports", |log, key, who| log.add(key, who, "i", log::import())),
        ("renders", |log, key, who| log.add(key, who, "r", log::render("P00.v1", b"prompt"))),
        ("starts", |log, key, who| log.add(key, who, "w", log::start(&[("P00.v1", b"prompt")]))),
        ("adds-event", |log, key, who| {
            let start = log.ada("w", log::start(&[("P00.v1", b"prompt")]));
            log.add(key, who, "e", log::event(start))
        }),
    ];
    for (role, may_not) in [
        ("user", &acts[..4]),
        ("agent", &[acts[0], acts[1], acts[2], acts[3], acts[4], acts[7], acts[8]]),
        ("admin", &acts[4..]),
    ] {
        for (act, make) in may_not {
            no(
                KeyNotAllowed,
                &format!("{role}-{act}"),
                "RIGHT-4",
                &format!("a key with the role {role} alone: {act}"),
                &|log, c| {
                    log.ada("s-0", p00());
                    let (key, who) = match role {
                        "user" => (&c.bob, "bob"),
                        "agent" => (&c.bot, "bob's bot"),
                        _ => (&c.carol, "carol"),
                    };
                    make(log, key, who);
                },
            );
        }
    }
    no(KeyNotAllowed, "enrolled-twice", "RIGHT-6", "a key is enrolled again", &|log, c| {
        log.enrol("bob", &c.bob, &["admin"]);
    });
    no(
        KeyNotAllowed,
        "enrolled-other-identity",
        "RIGHT-6",
        "a key is enrolled for another identity too",
        &|log, c| {
            log.enrol("robert", &c.bob, &["user"]);
        },
    );
    no(
        KeyNotAllowed,
        "enrolled-after-revocation",
        "RIGHT-6",
        "a revoked key is enrolled again",
        &|log, c| {
            log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&c.bob), since: None });
            log.enrol("bob", &c.bob, &["user"]);
        },
    );
    no(KeyNotAllowed, "rotated-to-enrolled", "RIGHT-6", "a rotation to a key that is enrolled", &|log, c| {
        log.change(&c.bob, "bob", KeyChange::Rotate { key: public(&c.carol) });
    });
    no(KeyNotAllowed, "rotated-to-itself", "RIGHT-6", "a rotation to the same key", &|log, c| {
        log.change(&c.bob, "bob", KeyChange::Rotate { key: public(&c.bob) });
    });
    no(
        KeyNotAllowed,
        "checkpoint-key-enrolled",
        "RIGHT-6",
        "a statement key becomes the checkpoint key",
        &|log, c| {
            log.change(&ada(), "ada", KeyChange::Checkpoint { key: public(&c.bob) });
        },
    );
    no(
        KeyNotAllowed,
        "log-key-enrolled",
        "RIGHT-6",
        "the checkpoint key becomes a statement key",
        &|log, _| {
            log.enrol("keeper", &log.log_key.clone(), &["user"]);
        },
    );
    let log_key = log::Log::new().log_key;
    no(KeyNotAllowed, "rotated-to-log-key", "RIGHT-6", "a rotation to the checkpoint key", &|log, c| {
        log.change(&c.bob, "bob", KeyChange::Rotate { key: public(&log_key) });
    });
    no(
        KeyNotAllowed,
        "former-log-key-enrolled",
        "RIGHT-6",
        "a former checkpoint key is enrolled",
        &|log, _| {
            log.change(&ada(), "ada", KeyChange::Checkpoint { key: public(&key(8)) });
            log.enrol("keeper", &log_key, &["user"]);
        },
    );
    no(KeyNotAllowed, "log-key-again", "RIGHT-6", "a former checkpoint key becomes it again", &|log, _| {
        log.change(&ada(), "ada", KeyChange::Checkpoint { key: public(&key(8)) });
        log.change(&ada(), "ada", KeyChange::Checkpoint { key: public(&log_key) });
    });
    no(KeyNotAllowed, "revoke-unknown", "RIGHT-7", "a key that is not enrolled is revoked", &|log, _| {
        log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&eve), since: None });
    });
    no(KeyNotAllowed, "revoke-twice", "RIGHT-7", "a key is revoked again", &|log, c| {
        for _ in 0..2 {
            log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&c.bob), since: None });
        }
    });
    no(KeyNotAllowed, "last-admin", "RIGHT-8", "the last admin revokes the own key", &|log, c| {
        log.change(&c.carol, "carol", KeyChange::Revoke { kid: kid(&ada()), since: None });
        log.change(&c.carol, "carol", KeyChange::Revoke { kid: kid(&c.carol), since: None });
    });
    no(
        KeyNotAllowed,
        "last-admin-rotated",
        "RIGHT-8 RIGHT-9",
        "a rotation does not add an admin",
        &|log, c| {
            log.change(&c.carol, "carol", KeyChange::Revoke { kid: kid(&ada()), since: None });
            log.change(&c.carol, "carol", KeyChange::Rotate { key: public(&key(8)) });
            log.change(&key(8), "carol", KeyChange::Revoke { kid: kid(&key(8)), since: None });
        },
    );
    no(
        KeyNotAllowed,
        "rotated-agent-binds",
        "RIGHT-9 REF-2",
        "a rotated agent is an agent still",
        &|log, c| {
            log.change(&c.bot, "bob's bot", KeyChange::Rotate { key: public(&key(8)) });
            log.add(&key(8), "bob's bot", "s", p00());
        },
    );
    no(
        WrongIssuer,
        "rotated-other-identity",
        "RIGHT-9 RIGHT-2",
        "a rotated key keeps its identity",
        &|log, c| {
            log.change(&c.bob, "bob", KeyChange::Rotate { key: public(&key(8)) });
            log.add(&key(8), "robert", "s", p00());
        },
    );
    no(
        BrokenHead,
        "rotated-head",
        "HEAD-3 RIGHT-9",
        "a rotated key with a head below the rotation",
        &|log, c| {
            let head = log.head();
            log.change(&c.bob, "bob", KeyChange::Rotate { key: public(&key(8)) });
            log.add_at(head, &key(8), "bob", "s", p00());
        },
    );
}

fn refs(all: &mut Vec<Vector>) {
    let mut no = |class, name: &str, must, what: &str, edit: &dyn Fn(&mut Log, &Cast)| {
        let c = cast();
        let mut log = c.log.clone();
        edit(&mut log, &c);
        refused(all, class, name, must, what, log);
    };
    let (prompt, other) = (log::prompt(b"prompt"), log::prompt(b"another"));
    no(KeyNotAllowed, "agent-binds", "REF-2", "an agent names a ref that is not bound", &|log, c| {
        log.add(&c.bot, "bob's bot", "s", p00());
    });
    no(
        KeyNotAllowed,
        "agent-binds-second",
        "REF-2",
        "an agent names one ref that is bound and one that is not",
        &|log, c| {
            log.ada("s-0", p00());
            log.add(&c.bot, "bob's bot", "s", session(&[("P00.v1", b"prompt"), ("P01.v1", b"other")]));
        },
    );
    no(RefRebound, "rebound-session", "REF-3", "a session names other content for a ref", &|log, c| {
        log.ada("s-0", p00());
        log.add(&c.bob, "bob", "s", session(&[("P00.v1", b"another")]));
    });
    no(
        RefRebound,
        "rebound-prompt",
        "REF-3",
        "a prompt statement names other content for a ref",
        &|log, _| {
            log.ada("s-0", p00());
            log.ada("P00.v1", other.clone());
        },
    );
    no(
        RefRebound,
        "rebound-by-founder",
        "REF-3",
        "the author of the binding names other content",
        &|log, _| {
            log.ada("P00.v1", prompt.clone());
            log.ada("P00.v1", other.clone());
        },
    );
    no(RefRebound, "rebound-after-erase", "REF-3", "erasing content does not free its ref", &|log, _| {
        log.ada("P00.v1", prompt.clone());
        let (name, body) = erase(b"prompt");
        log.ada(&name, body);
        log.ada("P00.v1", other.clone());
    });
    no(RefRebound, "snapshot-again", "REF-4", "a snapshot of the same name and content", &|log, _| {
        log.ada("v1", log::snapshot());
        log.ada("v1", log::snapshot());
    });
    no(RefRebound, "snapshot-again-by-other", "REF-4", "another's snapshot of the same name", &|log, c| {
        log.ada("v1", log::snapshot());
        log.add(&c.bob, "bob", "v1", log::snapshot_of(b"another manifest"));
    });
    no(RefRebound, "snapshot-again-lag", "REF-4", "a name that was taken above the head", &|log, c| {
        let head = log.head();
        log.ada("v1", log::snapshot());
        log.add_at(head, &c.bob, "bob", "v1", log::snapshot());
    });
    no(RefRebound, "rebound-by-agent", "REF-3", "an agent names other content for a ref", &|log, c| {
        log.ada("s-0", p00());
        log.add(&c.bot, "bob's bot", "s", session(&[("P00.v1", b"another")]));
    });
}

fn genesis_faults(all: &mut Vec<Vector>) {
    let mut no = |class, name: &str, must, what: &str, log: Log| refused(all, class, name, must, what, log);
    let founded = |ledger: Ledger, by: &SigningKey, issuer: &str, head: Head| {
        let mut log = Log::empty();
        log.add_at(head, by, issuer, &ledger.name.clone(), Body::Ledger(ledger));
        log
    };
    let mut log = Log::empty();
    log.add_at(Head::empty(), &ada(), "ada", "s", p00());
    no(Malformed, "genesis-missing", "LOG-1", "a log that begins with a session", log);
    let mut log = Log::empty();
    log.push(Raw::new("thing/one", &map(vec![("v", 1.into())])).at(Head::empty()).bytes());
    no(Malformed, "genesis-unknown-kind", "LOG-1", "a log that begins with an unknown kind", log);
    let mut log = Log::new();
    log.ada("example", Body::Ledger(genesis()));
    no(BrokenHead, "genesis-twice", "LOG-2", "a second genesis", log);
    no(
        BrokenHead,
        "genesis-head-size",
        "HEAD-1",
        "a genesis with a head of size 1",
        founded(genesis(), &ada(), "ada", Head { size: 1, ..Head::empty() }),
    );
    no(
        BrokenHead,
        "genesis-head-root",
        "HEAD-1",
        "a genesis with another root",
        founded(genesis(), &ada(), "ada", Head { size: 0, root: [0; 32] }),
    );
    no(
        UnknownKey,
        "genesis-unlisted",
        "RIGHT-1",
        "a genesis that is signed by a key it does not list",
        founded(genesis(), &key(9), "ada", Head::empty()),
    );
    no(
        UnknownKey,
        "genesis-by-log-key",
        "RIGHT-1",
        "a genesis that the checkpoint key signed",
        founded(genesis(), &key(2), "ada", Head::empty()),
    );
    no(
        UnknownKey,
        "genesis-no-admin",
        "RIGHT-1",
        "a genesis without an admin",
        founded(Ledger { admins: vec![], ..genesis() }, &ada(), "ada", Head::empty()),
    );
    no(
        WrongIssuer,
        "genesis-issuer",
        "RIGHT-2",
        "a genesis whose signer is listed under another name",
        founded(genesis(), &ada(), "bob", Head::empty()),
    );
    let mut log = Log::new();
    *log.statements[0].last_mut().unwrap() ^= 1;
    no(BadSignature, "genesis-signature", "STMT-13", "a genesis whose signature does not verify", log);
    let two = Ledger { admins: vec![enrolment("ada", &ada()), enrolment("carol", &key(4))], ..genesis() };
    let mut log = Log::found(two.clone());
    log.add(&key(4), "carol", "s", p00());
    no(
        KeyNotAllowed,
        "genesis-admin-is-no-user",
        "RIGHT-5",
        "another admin of the genesis records a session",
        log,
    );
    let mut log = Log::found(two);
    log.enrol("carol", &key(4), &["user"]);
    no(KeyNotAllowed, "genesis-admin-again", "RIGHT-6", "an admin of the genesis is enrolled again", log);
}
