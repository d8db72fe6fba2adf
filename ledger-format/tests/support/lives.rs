//! Sessions that have a life: a start, events, an end; and what is no failure of the format.

use super::Vector;
use super::evidence::{Accept, citing, no, pack};
use super::log::{self, Log, details, enrol, erase};
use super::logs::refused;
use super::raw::{ada, key};
use ledger_format::Class::{BrokenHead, KeyNotAllowed, Malformed, RefRebound, WrongHash};
use ledger_format::*;

const P00: &[(&str, &[u8])] = &[("P00.v1", b"prompt")];

/// Genesis, an agent is enrolled, Ada's start binds a ref, her note, the agent's note, Ada's end.
fn lived() -> Log {
    let mut log = Log::new();
    log.change(&ada(), "ada", enrol("ada's bot", &key(5), &["agent"], Some("ada")));
    let start = log.ada("w-1", log::start(P00));
    let first = log.ada("e-1", log::event(start));
    let second = log.add(&key(5), "ada's bot", "e-2", log::event(start));
    log.ada("s-1", log::ended(start, &[first, second], P00));
    log
}

pub fn add(all: &mut Vec<Vector>) {
    let mut yes = |name: &str, must, what: &str, edit: &dyn Fn(&mut Log)| {
        let mut log = lived();
        edit(&mut log);
        let head = log.head();
        let vector = Vector::accept("log", name, must, what).list("statements", &log.statements);
        all.push(vector.text("origin", log.origin()).number("size", head.size).hex("root", head.root));
    };
    let what = "a start binds its ref, a user and an agent add events, the session ends what began";
    yes("session-life", "RIGHT-4 REF-2 REF-3 HEAD-5 HEAD-6 BODY-13", what, &|_| ());
    yes("start-open", "LIFE-1", "an agent's start that no session ends", &|log| {
        log.add(&key(5), "ada's bot", "w-2", log::start(P00));
    });
    yes("event-late", "LIFE-1", "an event after the session's end", &|log| {
        let start = log.id(2);
        log.ada("e-3", log::event(start));
    });
    yes("session-two-ends", "LIFE-1", "a second session that ends the same start", &|log| {
        let start = log.id(2);
        log.ada("s-2", log::ended(start, &[], P00));
    });
    yes("session-other-event", "LIFE-1", "a session that lists an event of another start", &|log| {
        let (start, event) = (log.ada("w-2", log::start(P00)), log.id(3));
        log.ada("s-2", log::ended(start, &[event], P00));
    });

    let mut no = |class, name: &str, must, what: &str, edit: &dyn Fn(&mut Log)| {
        let mut log = lived();
        edit(&mut log);
        refused(all, class, name, must, what, log);
    };
    no(KeyNotAllowed, "agent-start-binds", "REF-2", "an agent starts with a ref that is not bound", &|log| {
        log.add(&key(5), "ada's bot", "w-2", log::start(&[("P01.v1", b"other")]));
    });
    no(RefRebound, "start-rebinds", "REF-3", "a start names a bound ref with other content", &|log| {
        log.ada("w-2", log::start(&[("P00.v1", b"other")]));
    });
    no(RefRebound, "started-rebound", "REF-3", "a ref that a start bound, with other content", &|log| {
        log.ada("P00.v1", log::prompt(b"other"));
    });
    let nothing = EntryId([1; 32]);
    no(BrokenHead, "event-start-nothing", "HEAD-5", "an event of a start that is not there", &|log| {
        log.ada("e-3", log::event(nothing));
    });
    no(BrokenHead, "session-start-nothing", "HEAD-5", "a session of a start that is not there", &|log| {
        log.ada("s-2", log::ended(nothing, &[], P00));
    });
    no(BrokenHead, "session-event-nothing", "HEAD-5", "a session with an event that is not there", &|log| {
        let (start, event) = (log.id(2), log.id(3));
        log.ada("s-2", log::ended(start, &[event, nothing], P00));
    });
    no(
        BrokenHead,
        "event-above-head",
        "HEAD-5",
        "an event of a start that its head does not cover",
        &|log| {
            let (lag, start) = (log.head(), log.ada("w-2", log::start(P00)));
            log.add_at(lag, &key(5), "ada's bot", "e-3", log::event(start));
        },
    );
    let what = "a session with an event that its head does not cover";
    no(BrokenHead, "session-event-above-head", "HEAD-5", what, &|log| {
        let (start, lag) = (log.id(2), log.head());
        let event = log.ada("e-3", log::event(start));
        log.add_at(lag, &key(5), "ada's bot", "s-2", log::ended(start, &[event], P00));
    });
    no(Malformed, "event-of-session", "HEAD-6", "an event of a session, which is no start", &|log| {
        let session = log.id(5);
        log.ada("e-3", log::event(session));
    });
    no(Malformed, "session-start-event", "HEAD-6", "an event as a session's start", &|log| {
        let event = log.id(3);
        log.ada("s-2", log::ended(event, &[], P00));
    });
    no(Malformed, "session-event-start", "HEAD-6", "a start as a session's event", &|log| {
        let start = log.id(2);
        log.ada("s-2", log::ended(start, &[start], P00));
    });
    no(Malformed, "run-cites-start", "HEAD-6", "a run that cites a start", &|log| {
        let start = log.id(2);
        log.ada("run", log::run(&[start]));
    });
}

pub fn evidence(yes: &mut Accept<'_>) {
    let (log, note, event) = (lived(), details("a note"), details("halfway"));
    let session = pack(&log, 5, &[0, 1, 2, 3, 4], &[b"prompt", &note, &event]);
    let what = "a session with its start, its events and what they describe";
    yes("session-life", "EVID-6 EVID-7 EVID-12", what, &log, session.clone(), &[]);
    let tar = pack(&log, 2, &[0, 1], &[b"prompt", &note]);
    yes("start", "EVID-7", "a start with its prompts", &log, tar, &[]);
    let tar = pack(&log, 4, &[0, 1, 2], &[b"prompt", &note, &event]);
    yes("event", "EVID-6 EVID-7", "an event with its start", &log, tar, &[]);
    let (outer, tar) = citing(&session, "outer");
    let what = "a session with its start and events, in a run's evidence";
    yes("nested-session-life", "EVID-9 EVID-10 EVID-12", what, &outer, tar, &[]);

    let mut ran = lived();
    let id = ran.id(5);
    ran.ada("r-1", log::run(&[id]));
    let tar = pack(&ran, 6, &[0, 1, 5], &[b"prompt", &note, b"{}"]);
    let what = "a run and its session, without the session's start and events";
    yes("run-session-life", "EVID-5 EVID-6", what, &ran, tar, &[]);

    let mut gone = lived();
    let (name, body) = erase(&event);
    gone.ada(&name, body);
    let tar = pack(&gone, 5, &[0, 1, 2, 3, 4, 6], &[b"prompt", &note]);
    yes("session-event-erased", "EVID-7 EVID-12", "what an event said was erased", &gone, tar, &[]);

    let mut under = Log::new();
    let snapshot = under.ada("v1", log::snapshot());
    let Body::Session(session) = log::session_under(snapshot, P00) else { unreachable!() };
    let start = under.ada("w-1", Body::Start(session));
    under.ada("s-1", log::ended(start, &[], P00));
    let tar = pack(&under, 2, &[0, 1], &[b"prompt", &note]);
    let what = "a start and the statement of its snapshot, without the snapshot's manifest";
    yes("start-snapshot", "EVID-6", what, &under, tar, &[]);
    let tar = pack(&under, 3, &[0, 2], &[b"prompt", &note]);
    yes(
        "session-start-snapshot",
        "EVID-5",
        "a session and its start, without the start's snapshot",
        &under,
        tar,
        &[],
    );
}

pub fn evidence_refused(all: &mut Vec<Vector>) {
    let (log, note, event) = (lived(), details("a note"), details("halfway"));
    let tar = pack(&log, 5, &[0, 1, 3, 4], &[b"prompt", &note, &event]);
    no(all, BrokenHead, "session-no-start", "EVID-6", "the start of a session is missing", tar);
    let tar = pack(&log, 5, &[0, 1, 2, 3], &[b"prompt", &note, &event]);
    no(all, BrokenHead, "session-no-event", "EVID-6", "an event of a session is missing", tar);
    let tar = pack(&log, 5, &[0, 1, 2, 3, 4], &[b"prompt", &note]);
    no(all, WrongHash, "session-no-event-details", "EVID-7 EVID-12", "what an event says is missing", tar);
    let tar = pack(&log, 4, &[0, 1], &[&event]);
    no(all, BrokenHead, "event-no-start", "EVID-6", "the start of an event is missing", tar);
}
