//! Bodies as lists of fields, all of them right, to be changed one by one.

use super::log;
use super::raw::{ada, bytes, content, key, map, with};
use ciborium::Value;
use ledger_format::*;

pub type Pairs = Vec<(&'static str, Value)>;

pub fn roles(names: &[&str]) -> Value {
    Value::Array(names.iter().map(|name| Value::from(*name)).collect())
}

pub fn descriptor_pairs() -> Pairs {
    let d = Descriptor::of(b"prompt", "text/markdown");
    vec![
        ("blake3", bytes(d.blake3.0)),
        ("sha256", bytes(d.sha256)),
        ("size", d.size.into()),
        ("type", d.media_type.into()),
    ]
}

pub fn descriptor(d: &Descriptor) -> Value {
    with(&descriptor_pairs(), "type", d.media_type.as_str().into())
}

pub fn prompt() -> Pairs {
    vec![("v", 1.into()), ("content", content(b"prompt"))]
}

pub fn used(reference: &'static str) -> Pairs {
    used_owned(reference)
}

pub fn used_owned(reference: &str) -> Pairs {
    vec![("ref", reference.into()), ("content", content(b"prompt"))]
}

pub fn session_pairs() -> Pairs {
    vec![
        ("v", 1.into()),
        ("prompts", Value::Array(vec![map(used("P00.v1"))])),
        ("details", content(b"details")),
        ("tool", "0.1.0".into()),
        ("catalog", "UNRELEASED".into()),
        ("lint-warnings", 0.into()),
    ]
}

pub fn event_pairs() -> Pairs {
    vec![("v", 1.into()), ("start", bytes([7; 32])), ("details", content(b"details"))]
}

pub fn render_pairs() -> Pairs {
    vec![
        ("v", 1.into()),
        ("prompt", map(used("P00.v1"))),
        ("engine", "minijinja/3.0.5".into()),
        ("tool", "0.1.0".into()),
        ("options", Value::Array(vec![])),
        ("variables", bytes([3; 32])),
        ("output", content(b"output")),
    ]
}

pub fn run_pairs() -> Pairs {
    vec![
        ("v", 1.into()),
        ("record", content(b"{}")),
        ("sessions", Value::Array(vec![map(vec![("entry", bytes([1; 32]))])])),
    ]
}

pub fn snapshot_pairs() -> Pairs {
    vec![
        ("v", 1.into()),
        ("manifest", content(b"manifest")),
        ("lint-errors", 0.into()),
        ("lint-warnings", 1.into()),
    ]
}

pub fn import_pairs() -> Pairs {
    vec![
        ("v", 1.into()),
        ("format", "x".into()),
        ("content", content(b"{}")),
        ("checked", Value::Array(vec![])),
    ]
}

pub fn admin_pairs() -> Pairs {
    vec![("identity", "ada".into()), ("key", bytes(ada().verifying_key().to_bytes()))]
}

pub fn ledger_pairs() -> Pairs {
    vec![
        ("v", 1.into()),
        ("name", "example".into()),
        ("admins", Value::Array(vec![map(admin_pairs())])),
        ("checkpoint-key", bytes(key(2).verifying_key().to_bytes())),
        ("nonce", bytes([7; 16])),
    ]
}

pub fn enrol_pairs() -> Pairs {
    vec![
        ("v", 1.into()),
        ("op", "enrol".into()),
        ("identity", "bob".into()),
        ("key", bytes(key(3).verifying_key().to_bytes())),
        ("roles", roles(&["user"])),
    ]
}

pub fn full_session() -> Body {
    let Body::Session(session) = log::session(&[("P00.v1", b"prompt"), ("P01.v1.2", b"other")]) else {
        unreachable!()
    };
    let mut prompts = session.prompts.clone();
    prompts[0].gate = Some("P00".into());
    let target = Some(Target { commit: vec![0xc0; 20], dirty: true });
    let attachments = Some(Descriptor::of(b"manifest", MANIFEST_TYPE));
    let snapshot = Some(EntryId([5; 32]));
    let renders = vec![EntryId([6; 32]), EntryId([4; 32])];
    let life = Some(Life { start: EntryId([7; 32]), events: vec![EntryId([9; 32]), EntryId([8; 32])] });
    Body::Session(Session {
        prompts,
        lint_warnings: 3,
        target,
        attachments,
        snapshot,
        renders,
        life,
        ..session
    })
}

pub fn full_start() -> Body {
    let Body::Session(session) = full_session() else { unreachable!() };
    Body::Start(Session { life: None, ..session })
}

pub fn full_event() -> Body {
    let attachments = Some(Descriptor::of(b"manifest", MANIFEST_TYPE));
    let Body::Event(event) = log::event(EntryId([7; 32])) else { unreachable!() };
    Body::Event(Event { attachments, ..event })
}

pub fn foreign_run(entry: EntryId) -> Body {
    let evidence = Descriptor::of(b"a tar", evidence::MEDIA_TYPE);
    let foreign = Some(Foreign { ledger: EntryId([9; 32]), evidence, trusted: false });
    Body::Run(Run {
        record: Descriptor::of(b"{}", "application/json"),
        manifest: Some(Descriptor::of(b"manifest", MANIFEST_TYPE)),
        sessions: vec![Cited { entry, foreign }],
    })
}
