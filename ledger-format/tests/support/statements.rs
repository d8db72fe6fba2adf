//! Statements alone that are accepted, and signatures that are not.

use super::Vector;
use super::log::{self, Log, enrol, public};
use super::raw::{Raw, ada, bytes, enc, key, kid, map, sorted, with};
use super::shapes::*;
use ciborium::Value;
use ed25519_dalek::SigningKey;
use ledger_format::Class::{BadSignature, UnknownKey};
use ledger_format::*;

pub fn add(all: &mut Vec<Vector>) {
    accepted(all);
    signatures(all);
}

fn good(name: &str, must: &'static str, what: &str, statement: Vec<u8>, signer: &SigningKey) -> Vector {
    let decoded = Statement::decode(statement.clone()).unwrap_or_else(|f| panic!("{name}: {f}"));
    Vector::accept("statement", name, must, what)
        .hex("statement", &statement)
        .hex("public-key", signer.verifying_key().to_bytes())
        .text("id", decoded.id.to_string())
        .texts("not-understood", &decoded.not_understood)
}

fn accepted(all: &mut Vec<Vector>) {
    let mut log = Log::new();
    let (bob, agent) = (key(3), key(4));
    log.ada("P00.v1", log::prompt(b"prompt"));
    let session = log.ada("s-1", log::session(&[("P00.v1", b"prompt")]));
    log.ada("s/2 is:not.a+path".replace(' ', "_").as_str(), full_session());
    log.ada("w-1", full_start());
    log.ada("e-1", full_event());
    log.ada("r-0", log::render("P00.v1", b"prompt"));
    log.ada("r-1", log::run(&[session]));
    log.ada("r-2", foreign_run(session));
    log.ada("v1.0.0", log::snapshot());
    log.ada("old-1", log::import());
    let (name, body) = log::erase(b"gone");
    log.ada(&name, body);
    log.enrol("bob", &bob, &["user"]);
    log.change(&ada(), "ada", enrol("bob's agent", &agent, &["agent"], Some("bob")));
    log.change(&ada(), "ada", KeyChange::Revoke { kid: kid(&bob), since: Some(session) });
    log.change(&ada(), "ada", KeyChange::Rotate { key: public(&key(5)) });
    log.change(&ada(), "ada", KeyChange::Checkpoint { key: public(&key(6)) });
    let names = [
        ("genesis", "a genesis"),
        ("prompt", "a prompt"),
        ("session", "a session"),
        ("session-full", "a session with every optional field and a name with a slash"),
        ("start", "a start with every optional field"),
        ("event", "an event with every optional field"),
        ("render", "a render with every optional field"),
        ("run", "a run that cites a session of its ledger"),
        ("run-foreign", "a run that cites a session of another ledger"),
        ("snapshot", "a snapshot"),
        ("import", "an import"),
        ("erase", "the tombstone of content"),
        ("enrol", "a user is enrolled"),
        ("enrol-agent", "an agent is enrolled that acts for somebody"),
        ("revoke", "a key is revoked, suspect since an entry"),
        ("rotate", "a key is rotated"),
        ("checkpoint-key", "the checkpoint key changes"),
    ];
    assert_eq!(names.len(), log.statements.len());
    for (statement, (name, what)) in log.statements.iter().zip(names) {
        let must = "CBOR-1 STMT-2 STMT-4 STMT-12 STMT-13 BODY-1";
        all.push(good(name, must, what, statement.clone(), &ada()));
    }
    let genesis = Ledger {
        admins: vec![log::enrolment("ada", &ada()), log::enrolment("bob", &bob)],
        previous: Some(Previous { ledger: session, head: log.head() }),
        ..log::genesis()
    };
    let statement = Log::found(genesis).statements.remove(0);
    all.push(good("genesis-previous", "BODY-1", "a genesis that follows another ledger", statement, &ada()));

    let mut raw =
        |name: &str, must, what: &str, raw: Raw| all.push(good(name, must, what, raw.bytes(), &ada()));
    raw("alg-19", "STMT-5", "algorithm -19 is accepted", Raw::erase().edit(|r| r.alg = (-19).into()));
    raw("time-0", "STMT-8", "the claimed time may be anything", Raw::erase().claim(6, 0));
    raw("time-max", "STMT-8", "the claimed time may be anything", Raw::erase().claim(6, u64::MAX));
    raw(
        "identity",
        "STMT-9",
        "an identity may have spaces inside and any script",
        Raw::erase().claim(1, "Ада Лавлейс <ada@example.org>"),
    );
    raw("identity-long", "STMT-9 LIMIT-1", "an identity of 128 bytes", Raw::erase().claim(1, "é".repeat(64)));
    let unknown = |subject: &str| Raw::new(subject, &map(vec![("v", 1.into()), ("anything", true.into())]));
    raw(
        "name-long",
        "STMT-10 LIMIT-1",
        "a name of 256 characters",
        unknown(&format!("thing/{}", "n".repeat(256))),
    );
    raw("kind-long", "STMT-10 LIMIT-1", "a kind of 32 characters", unknown(&format!("{}/n", "k".repeat(32))));
    raw("unknown-kind", "BODY-3", "an unknown kind is kept", unknown("thing/one"));
    let body = map(vec![("v", 2.into()), ("content", "quite another thing".into())]);
    raw(
        "unknown-version",
        "BODY-3",
        "an unknown version of an open kind is kept",
        Raw::new("prompt/any name?".replace(' ', "_").as_str(), &body),
    );
    raw(
        "unknown-field",
        "BODY-3 CBOR-4",
        "an unknown field of an open kind is kept",
        Raw::new("prompt/P00.v1", &with(&prompt(), "future", sorted(vec![((-1).into(), true.into())]))),
    );
    let nested = |key, field: Pairs, value| {
        with(
            &session_pairs(),
            key,
            if key == "prompts" {
                Value::Array(vec![with(&field, "future", value)])
            } else {
                with(&field, "future", value)
            },
        )
    };
    raw(
        "unknown-field-in-list",
        "BODY-3",
        "an unknown field of an item of an open kind is kept",
        Raw::new("session/s", &nested("prompts", used("P00.v1"), 1.into())),
    );
    let target = vec![("commit", bytes([1; 20])), ("dirty", false.into())];
    raw(
        "unknown-field-in-map",
        "BODY-3",
        "an unknown field of a map of an open kind is kept",
        Raw::new("session/s", &nested("target", target, 1.into())),
    );
    let deep = |levels: usize| (0..levels).fold(Value::from(0), |inner, _| Value::Array(vec![inner]));
    raw(
        "depth-16",
        "CBOR-6 LIMIT-1",
        "arrays and maps 16 deep",
        Raw::new("thing/one", &map(vec![("v", 1.into()), ("deep", deep(15))])),
    );
    let prompts: Vec<Value> = (0..64).map(|n| map(used_owned(&format!("P{n}.v1")))).collect();
    raw(
        "prompts-64",
        "BODY-4 LIMIT-1",
        "a session of 64 prompts",
        Raw::new("session/s", &with(&session_pairs(), "prompts", Value::Array(prompts))),
    );
    let ids = |n: u64| -> Vec<Value> { (0..n).map(|n| [n.to_be_bytes(); 4].concat()).map(bytes).collect() };
    let with_start = with(&session_pairs(), "start", bytes([7; 32]));
    raw(
        "session-no-event",
        "BODY-13",
        "the end of a session without events",
        Raw::new("session/s", &with_start),
    );
    let Value::Map(mut pairs) = with_start else { unreachable!() };
    pairs.push(("events".into(), Value::Array(ids(1000))));
    raw("events-1000", "BODY-4 LIMIT-1", "a session of 1,000 events", Raw::new("session/s", &sorted(pairs)));
    raw(
        "start-with-start",
        "BODY-3",
        "a start that names a start, which means nothing",
        Raw::new("start/w", &with(&session_pairs(), "start", bytes([7; 32]))),
    );
    raw(
        "sessions-0",
        "BODY-4",
        "a run of no session",
        Raw::new("run/r", &with(&run_pairs(), "sessions", Value::Array(vec![]))),
    );
    let checked = Value::Array(vec!["x".repeat(128).into(); 16]);
    raw(
        "checked-16",
        "BODY-4 BODY-6 LIMIT-1",
        "sixteen things checked, each a word of 128 characters",
        Raw::new("import/i", &with(&import_pairs(), "checked", checked)),
    );
    let long = format!("{}.v1", "p".repeat(197));
    raw(
        "ref-long",
        "REF-1 LIMIT-1",
        "a ref of 200 characters",
        Raw::new(&format!("prompt/{long}"), &map(prompt())),
    );
    raw(
        "ref-split",
        "REF-1",
        "a ref is split at the last .v before a digit",
        Raw::new("prompt/a.v2.vision.v1.0.vx", &map(prompt())),
    );
    raw(
        "commit-32",
        "BODY-7",
        "a commit of 32 bytes",
        Raw::new("snapshot/v1", &with(&snapshot_pairs(), "commit", bytes([9; 32]))),
    );
    raw(
        "roles-all",
        "BODY-8",
        "all three roles",
        Raw::new(
            &format!("key/{}", hex::encode(kid(&key(3)).0)),
            &with(&enrol_pairs(), "roles", roles(&["admin", "agent", "user"])),
        ),
    );
    raw(
        "ledger-name-long",
        "BODY-9 LIMIT-1",
        "a ledger's name of 64 characters",
        Raw::new(
            &format!("ledger/{}", "a.-0".repeat(16)),
            &with(&ledger_pairs(), "name", "a.-0".repeat(16).into()),
        ),
    );
    let media = |n: usize| {
        let mut d = Descriptor::of(b"prompt", "x".repeat(n));
        d.size = 6;
        descriptor(&d)
    };
    raw(
        "media-type-long",
        "BLOB-2 LIMIT-1",
        "a media type of 127 characters",
        Raw::new("prompt/P00.v1", &map(vec![("v", 1.into()), ("content", media(127))])),
    );
}

fn signatures(all: &mut Vec<Vector>) {
    let raw = Raw::erase();
    let (protected, payload) = (raw.protected(), raw.payload.clone());
    let signed = |message: Vec<u8>| {
        raw.pieces()
            .edit(|p| p.signature = enc(&bytes(ed25519_dalek::Signer::sign(&ada(), &message).to_bytes())))
            .bytes()
    };
    let aad = Value::Array(vec!["Signature1".into(), bytes(&protected), bytes(b"x"), bytes(&payload)]);
    let counter =
        Value::Array(vec!["CounterSignature".into(), bytes(&protected), bytes([]), bytes(&payload)]);
    let mut flipped = raw.bytes();
    *flipped.last_mut().unwrap() ^= 1;
    let other = Raw::erase().claim(6, 1).pieces().signature;
    for (name, what, statement) in [
        ("flipped", "one bit of the signature is flipped", flipped),
        (
            "other-statement",
            "the signature of another statement",
            raw.pieces().edit(|p| p.signature = other).bytes(),
        ),
        ("payload-only", "a signature over the payload alone", signed(payload.clone())),
        ("external-aad", "a signature with external data", signed(enc(&aad))),
        ("context", "a signature of another context", signed(enc(&counter))),
        (
            "other-key",
            "signed with another key than the kid names",
            Raw::erase().edit(|r| r.key = key(3)).bytes(),
        ),
    ] {
        let vector = Vector::reject(BadSignature, "statement", &format!("signature-{name}"), "STMT-13", what);
        all.push(vector.hex("statement", statement).hex("public-key", ada().verifying_key().to_bytes()));
    }
    let vector = Vector::reject(
        UnknownKey,
        "statement",
        "kid-of-another-key",
        "KEY-3",
        "the kid names another key than the one at hand",
    );
    all.push(vector.hex("statement", raw.bytes()).hex("public-key", key(3).verifying_key().to_bytes()));
}
