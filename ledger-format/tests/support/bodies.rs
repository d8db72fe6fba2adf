//! Bodies that are not what their kind asks for.

use super::raw::{Raw, ada, bytes, key, kid, map, sorted, with, without};
use super::shapes::*;
use super::{Vector, keys};
use ciborium::Value;
use ledger_format::Class::{Malformed, TooLarge, Unsupported, WeakKey};
use ledger_format::*;

pub fn add(all: &mut Vec<Vector>) {
    closed(all);
    bodies(all);
}

/// The closed kinds and the closed descriptor.
fn closed(all: &mut Vec<Vector>) {
    let enrolled = format!("key/{}", hex::encode(kid(&key(3)).0));
    let admin = with(&admin_pairs(), "email", "ada@example.org".into());
    let previous = map(vec![
        ("ledger", bytes([1; 32])),
        ("size", 1.into()),
        ("root", bytes([2; 32])),
        ("url", "x".into()),
    ]);
    let mut extra = Descriptor::of(b"prompt", "text/markdown");
    extra.size = 6;
    let Value::Map(mut five) = descriptor(&extra) else { unreachable!() };
    five.push(("name".into(), "P00.md".into()));
    for (name, must, what, subject, body) in [
        (
            "ledger-v2",
            "BODY-2",
            "version 2 of ledger",
            "ledger/example",
            with(&ledger_pairs(), "v", 2.into()),
        ),
        (
            "ledger-field",
            "BODY-2",
            "an unknown field of ledger",
            "ledger/example",
            with(&ledger_pairs(), "policy", "x".into()),
        ),
        (
            "ledger-admin-field",
            "BODY-2",
            "an unknown field of an admin",
            "ledger/example",
            with(&ledger_pairs(), "admins", Value::Array(vec![admin])),
        ),
        (
            "ledger-previous-field",
            "BODY-2",
            "an unknown field of previous",
            "ledger/example",
            with(&ledger_pairs(), "previous", previous),
        ),
        ("key-v2", "BODY-2", "version 2 of key", &enrolled, with(&enrol_pairs(), "v", 2.into())),
        (
            "key-field",
            "BODY-2",
            "an unknown field of key",
            &enrolled,
            with(&enrol_pairs(), "until", 5.into()),
        ),
        (
            "key-op",
            "BODY-2",
            "an unknown operation of key",
            &enrolled,
            with(&enrol_pairs(), "op", "suspend".into()),
        ),
        (
            "descriptor-field",
            "BLOB-1",
            "a fifth field of a descriptor, in an open kind",
            "prompt/P00.v1",
            with(&prompt(), "content", sorted(five)),
        ),
    ] {
        let statement = Raw::new(subject, &body).bytes();
        all.push(Vector::reject(Unsupported, "statement", name, must, what).hex("statement", statement));
    }
}

fn bodies(all: &mut Vec<Vector>) {
    let enrolled = format!("key/{}", hex::encode(kid(&key(3)).0));
    let mut no = |class, name: &str, must, what: &str, subject: &str, body: Value| {
        let statement = Raw::new(subject, &body).bytes();
        all.push(Vector::reject(class, "statement", name, must, what).hex("statement", statement));
    };
    // Fields that are missing or of another type.
    let kinds: [(&str, &str, Pairs); 10] = [
        ("ledger", "ledger/example", ledger_pairs()),
        ("key", &enrolled, enrol_pairs()),
        ("prompt", "prompt/P00.v1", prompt()),
        ("session", "session/s", session_pairs()),
        ("start", "start/w", session_pairs()),
        ("event", "event/e", event_pairs()),
        ("render", "render/r", render_pairs()),
        ("run", "run/r", run_pairs()),
        ("snapshot", "snapshot/v1", snapshot_pairs()),
        ("import", "import/i", import_pairs()),
    ];
    for (kind, subject, pairs) in &kinds {
        for (field, _) in pairs.iter().filter(|(field, _)| *field != "v") {
            no(
                Malformed,
                &format!("{kind}-without-{field}"),
                "BODY-1",
                "a field is missing",
                subject,
                without(pairs, field),
            );
            no(
                Malformed,
                &format!("{kind}-wrong-{field}"),
                "BODY-1",
                "a field is of another type",
                subject,
                with(pairs, field, true.into()),
            );
        }
    }
    no(
        Malformed,
        "erase-without-content",
        "BODY-1",
        "a field is missing",
        "erase/x",
        map(vec![("v", 1.into())]),
    );
    no(
        Malformed,
        "ledger-nonce-15",
        "BODY-1",
        "a nonce of 15 bytes",
        "ledger/example",
        with(&ledger_pairs(), "nonce", bytes([0; 15])),
    );
    no(
        Malformed,
        "revoke-kid-31",
        "BODY-1",
        "a kid of 31 bytes",
        &enrolled,
        map(vec![("v", 1.into()), ("op", "revoke".into()), ("kid", bytes([0; 31]))]),
    );
    no(
        Malformed,
        "dirty-number",
        "BODY-1",
        "dirty as a number",
        "session/s",
        with(&session_pairs(), "target", map(vec![("commit", bytes([0; 20])), ("dirty", 1.into())])),
    );
    no(
        Malformed,
        "lint-warnings-negative",
        "BODY-1",
        "a negative number of warnings",
        "session/s",
        with(&session_pairs(), "lint-warnings", (-1).into()),
    );
    no(
        Malformed,
        "lint-errors-negative",
        "BODY-1",
        "a negative number of errors",
        "snapshot/v1",
        with(&snapshot_pairs(), "lint-errors", (-1).into()),
    );
    no(
        Malformed,
        "session-snapshot-31",
        "BODY-1",
        "a snapshot's id of 31 bytes",
        "session/s",
        with(&session_pairs(), "snapshot", bytes([1; 31])),
    );
    no(
        Malformed,
        "session-snapshot-name",
        "BODY-1",
        "a snapshot by its name",
        "session/s",
        with(&session_pairs(), "snapshot", "v1".into()),
    );
    no(
        Malformed,
        "session-start-31",
        "BODY-1",
        "a start's id of 31 bytes",
        "session/s",
        with(&session_pairs(), "start", bytes([1; 31])),
    );
    no(
        Malformed,
        "event-attachments-name",
        "BODY-1",
        "attachments by a name",
        "event/e",
        with(&event_pairs(), "attachments", "files".into()),
    );
    no(
        Malformed,
        "session-events-without-start",
        "BODY-13",
        "a session with an event and no start",
        "session/s",
        with(&session_pairs(), "events", Value::Array(vec![bytes([1; 32])])),
    );
    let events = |items: Vec<Value>| {
        let Value::Map(mut pairs) = with(&session_pairs(), "start", bytes([7; 32])) else { unreachable!() };
        pairs.push(("events".into(), Value::Array(items)));
        sorted(pairs)
    };
    no(
        Malformed,
        "session-events-31",
        "BODY-1",
        "an event's id of 31 bytes",
        "session/s",
        events(vec![bytes([1; 31])]),
    );
    no(Malformed, "session-events-empty", "BODY-5", "a list of no events", "session/s", events(vec![]));
    let twice = vec![bytes([1; 32]), bytes([2; 32]), bytes([1; 32])];
    no(Malformed, "session-events-twice", "BODY-5", "one event twice", "session/s", events(twice));
    let many = (0..1001u64).map(|n| bytes([n.to_be_bytes(); 4].concat())).collect();
    no(TooLarge, "session-events-1001", "BODY-4 LIMIT-1", "1,001 events", "session/s", events(many));
    let ids = |ids: &[Value]| with(&session_pairs(), "renders", Value::Array(ids.to_vec()));
    let id = || bytes([1; 32]);
    no(
        Malformed,
        "session-renders-31",
        "BODY-1",
        "a render's id of 31 bytes",
        "session/s",
        ids(&[bytes([1; 31])]),
    );
    no(Malformed, "session-renders-empty", "BODY-5", "a list of no renders", "session/s", ids(&[]));
    no(Malformed, "session-renders-twice", "BODY-5", "one render twice", "session/s", ids(&[id(), id()]));
    let many: Vec<Value> = (0..65).map(|n| bytes([n; 32])).collect();
    no(TooLarge, "session-renders-65", "BODY-4 LIMIT-1", "65 renders", "session/s", ids(&many));
    let render = |field, value| with(&render_pairs(), field, value);
    no(
        Malformed,
        "render-input-31",
        "BODY-1",
        "a commitment of 31 bytes",
        "render/r",
        render("input", bytes([1; 31])),
    );
    let options =
        |words: &[&str]| render("options", Value::Array(words.iter().map(|word| (*word).into()).collect()));
    let what = "options that do not ascend";
    no(Malformed, "render-options-order", "BODY-12", what, "render/r", options(&["b", "a"]));
    no(Malformed, "render-options-twice", "BODY-12", "an option twice", "render/r", options(&["a", "a"]));
    no(Malformed, "render-options-space", "BODY-6", "an option is not a word", "render/r", options(&["a b"]));
    no(
        Malformed,
        "render-engine-space",
        "BODY-6",
        "engine is not a word",
        "render/r",
        render("engine", "a b".into()),
    );
    let words: Vec<String> = (10..27).map(|n| n.to_string()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    no(TooLarge, "render-options-17", "BODY-4 LIMIT-1", "17 options", "render/r", options(&words));
    let half = map(vec![("entry", bytes([1; 32])), ("ledger", bytes([2; 32]))]);
    no(
        Malformed,
        "foreign-without-evidence",
        "BODY-1",
        "another ledger's session without evidence",
        "run/r",
        with(&run_pairs(), "sessions", Value::Array(vec![half])),
    );
    // Descriptors.
    let d: Pairs = descriptor_pairs();
    for field in ["blake3", "sha256", "size", "type"] {
        no(
            Malformed,
            &format!("descriptor-without-{field}"),
            "BLOB-1",
            "a field of a descriptor is missing",
            "prompt/P00.v1",
            with(&prompt(), "content", without(&d, field)),
        );
    }
    no(
        Malformed,
        "descriptor-short-digest",
        "BLOB-1",
        "a digest of 20 bytes",
        "prompt/P00.v1",
        with(&prompt(), "content", with(&d, "sha256", bytes([1; 20]))),
    );
    no(
        Malformed,
        "descriptor-negative-size",
        "BLOB-1",
        "a negative size",
        "prompt/P00.v1",
        with(&prompt(), "content", with(&d, "size", (-6).into())),
    );
    for (name, media_type) in [
        ("empty", String::new()),
        ("space", "text/plain; charset=utf-8".into()),
        ("newline", "text/plain\n".into()),
        ("128", "x".repeat(128)),
    ] {
        no(
            Malformed,
            &format!("media-type-{name}"),
            "BLOB-2",
            "not a media type",
            "prompt/P00.v1",
            with(&prompt(), "content", with(&d, "type", media_type.into())),
        );
    }
    // Lists.
    let prompts = |n: usize| Value::Array((0..n).map(|n| map(used_owned(&format!("P{n}.v1")))).collect());
    let sessions = |n: u8| Value::Array((0..n).map(|n| map(vec![("entry", bytes([n; 32]))])).collect());
    let admins = Value::Array(
        (100..165).map(|n| with(&admin_pairs(), "key", bytes(key(n).verifying_key().to_bytes()))).collect(),
    );
    no(
        TooLarge,
        "prompts-65",
        "BODY-4 LIMIT-1",
        "a session of 65 prompts",
        "session/s",
        with(&session_pairs(), "prompts", prompts(65)),
    );
    no(
        TooLarge,
        "sessions-65",
        "BODY-4 LIMIT-1",
        "a run of 65 sessions",
        "run/r",
        with(&run_pairs(), "sessions", sessions(65)),
    );
    no(
        TooLarge,
        "admins-65",
        "BODY-4 LIMIT-1",
        "a genesis with 65 admins",
        "ledger/example",
        with(&ledger_pairs(), "admins", admins),
    );
    no(
        TooLarge,
        "checked-17",
        "BODY-4 LIMIT-1",
        "seventeen things checked",
        "import/i",
        with(&import_pairs(), "checked", Value::Array(vec!["x".into(); 17])),
    );
    no(
        Malformed,
        "prompts-0",
        "BODY-5",
        "a session of no prompt",
        "session/s",
        with(&session_pairs(), "prompts", prompts(0)),
    );
    let twice = |item: Value| Value::Array(vec![item.clone(), item]);
    no(
        Malformed,
        "prompts-twice",
        "BODY-5",
        "a session that names a ref twice",
        "session/s",
        with(&session_pairs(), "prompts", twice(map(used("P00.v1")))),
    );
    no(
        Malformed,
        "sessions-twice",
        "BODY-5",
        "a run that names a session twice",
        "run/r",
        with(&run_pairs(), "sessions", twice(map(vec![("entry", bytes([1; 32]))]))),
    );
    no(
        Malformed,
        "admins-twice",
        "BODY-5",
        "a genesis that lists a key twice",
        "ledger/example",
        with(&ledger_pairs(), "admins", twice(map(admin_pairs()))),
    );
    // Words.
    for (name, word) in [
        ("empty", String::new()),
        ("space", "a b".into()),
        ("newline", "a\n".into()),
        ("not-ascii", "é".into()),
        ("129", "x".repeat(129)),
    ] {
        let word = Value::from(word);
        no(
            Malformed,
            &format!("tool-{name}"),
            "BODY-6",
            "tool is not a word",
            "session/s",
            with(&session_pairs(), "tool", word.clone()),
        );
        no(
            Malformed,
            &format!("checked-{name}"),
            "BODY-6",
            "an item of checked is not a word",
            "import/i",
            with(&import_pairs(), "checked", Value::Array(vec![word])),
        );
    }
    no(
        Malformed,
        "catalog-space",
        "BODY-6",
        "catalog is not a word",
        "session/s",
        with(&session_pairs(), "catalog", "a b".into()),
    );
    for (name, tag) in [("empty", String::new()), ("space", "v 1".into()), ("129", "x".repeat(129))] {
        no(
            Malformed,
            &format!("snapshot-tag-{name}"),
            "BODY-6 LIMIT-1",
            "tag is not a word",
            "snapshot/v1",
            with(&snapshot_pairs(), "tag", tag.into()),
        );
    }
    no(
        Malformed,
        "format-space",
        "BODY-6",
        "format is not a word",
        "import/i",
        with(&import_pairs(), "format", "a b".into()),
    );
    let gated = with(&used("P00.v1"), "gate", "".into());
    no(
        Malformed,
        "gate-empty",
        "BODY-6",
        "gate is not a word",
        "session/s",
        with(&session_pairs(), "prompts", Value::Array(vec![gated])),
    );
    for length in [0usize, 19, 21, 33] {
        no(
            Malformed,
            &format!("commit-{length}"),
            "BODY-7",
            "a commit of another length",
            "snapshot/v1",
            with(&snapshot_pairs(), "commit", bytes(vec![1; length])),
        );
    }
    // Roles, names, identities, keys.
    for (name, list) in [
        ("empty", &[][..]),
        ("unsorted", &["user", "admin"]),
        ("twice", &["user", "user"]),
        ("unknown", &["owner"]),
    ] {
        no(
            Malformed,
            &format!("roles-{name}"),
            "BODY-8",
            "not an ascending set of the three roles",
            &enrolled,
            with(&enrol_pairs(), "roles", roles(list)),
        );
    }
    no(
        Malformed,
        "for-without-agent",
        "BODY-8",
        "a user that acts for somebody",
        &enrolled,
        with(&enrol_pairs(), "for", "ada".into()),
    );
    for (name, ledger) in [
        ("empty", String::new()),
        ("upper-case", "Example".into()),
        ("slash", "a/b".into()),
        ("65", "a".repeat(65)),
    ] {
        no(
            Malformed,
            &format!("ledger-name-{name}"),
            "BODY-9",
            "not a ledger's name",
            &format!("ledger/{ledger}"),
            with(&ledger_pairs(), "name", ledger.into()),
        );
    }
    no(
        Malformed,
        "identity-newline",
        "BODY-10",
        "a key enrolled for an identity with a line feed",
        &enrolled,
        with(&enrol_pairs(), "identity", "bob\n".into()),
    );
    let agent = map(vec![
        ("v", 1.into()),
        ("op", "enrol".into()),
        ("identity", "bot".into()),
        ("key", bytes(key(3).verifying_key().to_bytes())),
        ("roles", roles(&["agent"])),
        ("for", " bob".into()),
    ]);
    no(
        Malformed,
        "for-space",
        "BODY-10",
        "an agent for an identity that begins with a space",
        &enrolled,
        agent,
    );
    for (name, bad) in keys::bad_keys() {
        no(
            WeakKey,
            &format!("enrol-{name}"),
            "BODY-10",
            "a key is enrolled that is none",
            &format!("key/{}", hex::encode(Kid::of(&bad).0)),
            with(&enrol_pairs(), "key", bytes(bad)),
        );
    }
    let small = keys::bad_keys()[0].1;
    no(
        WeakKey,
        "checkpoint-key-weak",
        "BODY-10",
        "a genesis with a weak checkpoint key",
        "ledger/example",
        with(&ledger_pairs(), "checkpoint-key", bytes(small)),
    );
    no(
        Malformed,
        "checkpoint-key-of-admin",
        "BODY-11",
        "a genesis whose checkpoint key is an admin's",
        "ledger/example",
        with(&ledger_pairs(), "checkpoint-key", bytes(ada().verifying_key().to_bytes())),
    );
    // Names that the body decides, and refs.
    no(
        Malformed,
        "ledger-other-name",
        "STMT-14",
        "sub names another ledger",
        "ledger/other",
        map(ledger_pairs()),
    );
    no(
        Malformed,
        "key-other-name",
        "STMT-14",
        "sub names another key",
        &format!("key/{}", hex::encode(kid(&ada()).0)),
        map(enrol_pairs()),
    );
    let erase = map(vec![("v", 1.into()), ("content", bytes([1; 32]))]);
    no(
        Malformed,
        "erase-other-name",
        "STMT-14",
        "sub names another address",
        &format!("erase/{}", "02".repeat(32)),
        erase,
    );
    for (name, reference) in [
        ("no-version", "P00".to_owned()),
        ("no-id", ".v1".into()),
        ("no-digit", "P00.vx".into()),
        ("201", format!("{}.v1", "p".repeat(198))),
    ] {
        no(
            Malformed,
            &format!("prompt-ref-{name}"),
            "REF-1 STMT-14",
            "the name is not a prompt ref",
            &format!("prompt/{reference}"),
            map(prompt()),
        );
        no(
            Malformed,
            &format!("session-ref-{name}"),
            "REF-1",
            "not a prompt ref",
            "session/s",
            with(&session_pairs(), "prompts", Value::Array(vec![map(used_owned(&reference))])),
        );
    }
    no(
        Malformed,
        "session-ref-space",
        "REF-1",
        "a prompt ref with a space",
        "session/s",
        with(&session_pairs(), "prompts", Value::Array(vec![map(used("P 00.v1"))])),
    );
}
