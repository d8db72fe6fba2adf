//! Renders: commitments, sessions that cite renders, evidence.

use super::Vector;
use super::evidence::{Accept, no, pack};
use super::log::{self, Log, details, enrol};
use super::logs::refused;
use super::raw::{ada, key};
use ledger_format::Class::{BrokenHead, KeyNotAllowed, Malformed, RefRebound, WrongHash};
use ledger_format::*;

const P00: &[(&str, &[u8])] = &[("P00.v1", b"prompt")];

/// Genesis, an agent is enrolled, Ada's render binds a ref, the agent renders it too, its session used both.
fn rendered() -> Log {
    let mut log = Log::new();
    log.change(&ada(), "ada", enrol("ada's bot", &key(5), &["agent"], Some("ada")));
    let first = log.ada("r-1", log::render("P00.v1", b"prompt"));
    let second = log.add(&key(5), "ada's bot", "r-2", log::render("P00.v1", b"prompt"));
    log.add(&key(5), "ada's bot", "s-1", log::session_with(&[first, second], P00));
    log
}

pub fn add(all: &mut Vec<Vector>) {
    commitments(all);
    let log = rendered();
    let head = log.head();
    let what = "a user's render binds its ref, an agent's names it, a session used both";
    let vector = Vector::accept("log", "renders", "RIGHT-4 REF-2 REF-3 HEAD-5 HEAD-6", what);
    let vector = vector.list("statements", &log.statements);
    all.push(vector.text("origin", log.origin()).number("size", head.size).hex("root", head.root));

    let mut no = |class, name: &str, must, what: &str, edit: &dyn Fn(&mut Log)| {
        let mut log = rendered();
        edit(&mut log);
        refused(all, class, name, must, what, log);
    };
    no(KeyNotAllowed, "agent-render-binds", "REF-2", "an agent renders a ref that is not bound", &|log| {
        log.add(&key(5), "ada's bot", "r-3", log::render("P01.v1", b"other"));
    });
    no(RefRebound, "render-rebinds", "REF-3", "a render of a bound ref with other content", &|log| {
        log.ada("r-3", log::render("P00.v1", b"other"));
    });
    no(RefRebound, "rendered-rebound", "REF-3", "a ref that a render bound, with other content", &|log| {
        log.ada("P00.v1", log::prompt(b"other"));
    });
    no(BrokenHead, "session-render-nothing", "HEAD-5", "a session with a render that is not there", &|log| {
        log.ada("s-2", log::session_with(&[EntryId([1; 32])], P00));
    });
    let what = "a session with a render that its head does not cover";
    no(BrokenHead, "session-render-above-head", "HEAD-5", what, &|log| {
        let (lag, later) = (log.head(), log.ada("r-3", log::render("P00.v1", b"prompt")));
        log.add_at(lag, &key(5), "ada's bot", "s-2", log::session_with(&[later], P00));
    });
    no(Malformed, "session-render-session", "HEAD-6", "a session as a session's render", &|log| {
        let session = log.id(4);
        log.ada("s-2", log::session_with(&[session], P00));
    });
    no(Malformed, "session-snapshot-render", "HEAD-6", "a render as a session's snapshot", &|log| {
        let render = log.id(2);
        log.ada("s-2", log::session_under(render, P00));
    });
    no(Malformed, "run-cites-render", "HEAD-6", "a run that cites a render", &|log| {
        let render = log.id(2);
        log.ada("run", log::run(&[render]));
    });
}

fn commitments(all: &mut Vec<Vector>) {
    let (salt, variables) = ([1; 32], br#"{"name":"Ada"}"#.as_slice());
    let fill = |vector: Vector, of: &str, salt: [u8; 32], bytes: &[u8], commitment: Hash| {
        vector.text("of", of).hex("salt", salt).hex("bytes", bytes).hex("commitment", commitment)
    };
    let kinds = [("variables", Committed::Variables), ("input", Committed::Input)];
    for (name, of) in kinds {
        let vector = Vector::accept("commitment", name, "RENDER-1", "a commitment with its bytes and salt");
        all.push(fill(vector, name, salt, variables, of.commit(&salt, variables)));
        let vector =
            Vector::accept("commitment", &format!("{name}-empty"), "RENDER-1", "a commitment to no bytes");
        all.push(fill(vector, name, salt, b"", of.commit(&salt, b"")));
    }
    let commitment = Committed::Variables.commit(&salt, variables);
    for (name, what, of, salt, bytes) in [
        ("bytes", "other bytes", "variables", salt, br#"{"name":"Eve"}"#.as_slice()),
        ("salt", "another salt", "variables", [2; 32], variables),
        ("label", "variables shown as input", "input", salt, variables),
    ] {
        let vector = Vector::reject(WrongHash, "commitment", name, "RENDER-1", what);
        all.push(fill(vector, of, salt, bytes, commitment));
    }
}

pub fn evidence(yes: &mut Accept<'_>) {
    let (log, note) = (rendered(), details("a note"));
    let tar = pack(&log, 4, &[0, 1, 2, 3], &[b"prompt", &note]);
    yes("session-renders", "EVID-6", "a session and the statements of its renders", &log, tar, &[]);
    let tar = pack(&log, 2, &[0, 1], &[b"prompt"]);
    yes(
        "render",
        "EVID-7",
        "a render with its prompt; the output is described and not there",
        &log,
        tar,
        &[],
    );
}

pub fn evidence_refused(all: &mut Vec<Vector>) {
    let (log, note) = (rendered(), details("a note"));
    let tar = pack(&log, 4, &[0, 1, 2], &[b"prompt", &note]);
    no(all, BrokenHead, "session-no-render", "EVID-6", "a render of a session is missing", tar);
    let tar = pack(&log, 2, &[0, 1], &[]);
    no(all, WrongHash, "render-no-prompt", "EVID-7", "the prompt of a render is missing", tar);
}
