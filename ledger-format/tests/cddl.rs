//! `ledger.cddl` says what the code does: accepted statements satisfy it, and reject vectors that break
//! a shape do not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;
use ciborium::Value;
use ledger_format::*;
use support::{Field, Vector};

/// Whether an item satisfies a rule. The validator does not know tags, so the one tag there is comes off
/// the schema and the item; and it does not anchor regular expressions, as RFC 8610 does.
fn satisfies(rule: &str, bytes: &[u8]) -> Result<(), String> {
    let anchored = |line: &str| match line.split_once(".regexp \"") {
        Some((before, after)) => {
            let (regex, rest) = after.rsplit_once('"').unwrap();
            format!("{before}.regexp \"^({regex})$\"{rest}\n")
        }
        None => format!("{line}\n"),
    };
    let cddl: String = include_str!("../ledger.cddl").lines().map(anchored).collect();
    let cddl = cddl.replace("#6.18(cose-sign1<subject, body>)", "cose-sign1<subject, body>");
    let cddl = cddl.replace("#6.18(receipt-sign1)", "receipt-sign1");
    let cddl = cddl.replace("#6.18(transparent-sign1)", "transparent-sign1");
    // Nor does it take the tag off what is embedded.
    let cddl = cddl.replace("bstr .cbor receipt]", "bstr]");
    let context = BasicContext::new(flatten_from_str(&cddl).unwrap());
    let value: Value = ciborium::from_reader(bytes).map_err(|e| e.to_string())?;
    let value = match value {
        Value::Tag(18, inner) => *inner,
        value if rule.ends_with("statement") || rule == "receipt" => {
            return Err(format!("no tag: {value:?}"));
        }
        value => value,
    };
    validate_cbor(&context.rules[rule], &value, &context).map_err(|e| e.to_string())
}

fn statement_of(vector: &Vector) -> Vec<u8> {
    let (_, Field::Text(hex)) = &vector.fields[0] else { panic!("no statement in {}", vector.name) };
    hex::decode(hex).unwrap()
}

/// MUST: BODY-1 — the types of `ledger.cddl`
#[test]
fn accepted_statements_satisfy_the_cddl() {
    let mut checked = 0;
    for vector in support::all().iter().filter(|v| v.kind == "statement" && v.class.is_none()) {
        let bytes = statement_of(vector);
        let statement = Statement::decode(bytes.clone()).unwrap();
        let kind = statement.body.kind().unwrap_or("unknown");
        satisfies(&format!("{kind}-statement"), &bytes).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        satisfies("statement", &bytes).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}

/// Shapes only: the rules that CDDL cannot say (encoding, order, keys) are not asked of it here.
#[test]
fn rejected_shapes_do_not_satisfy_the_cddl() {
    let shapes = ["STMT-2", "STMT-3", "STMT-4", "STMT-5", "STMT-6", "STMT-7", "STMT-8", "STMT-10", "STMT-11"];
    let bodies = ["BODY-1", "BODY-2", "BODY-4", "BODY-6", "BODY-7", "BODY-9", "BLOB-1", "BLOB-2"];
    let mut checked = 0;
    for vector in support::all().iter().filter(|v| v.kind == "statement" && v.class.is_some()) {
        let bytes = statement_of(vector);
        let kind = vector.name.trim_start_matches("statement-").split('-').next().unwrap();
        let rule = if vector.must.iter().any(|id| shapes.contains(id)) {
            "statement".to_owned()
        } else if vector.must.iter().any(|id| bodies.contains(id)) {
            // The kind is in the name of the vector, or it is the kind that the field belongs to.
            let kind = match kind {
                "ledger" | "key" | "prompt" | "session" | "start" | "event" | "render" | "run"
                | "snapshot" | "import" | "erase" => kind,
                "tool" | "catalog" | "gate" | "prompts" | "dirty" => "session",
                "lint" if vector.name.contains("errors") => "snapshot",
                "lint" => "session",
                "checked" | "format" => "import",
                "descriptor" | "media" => "prompt",
                "sessions" => "run",
                "commit" => "snapshot",
                "admins" => "ledger",
                "revoke" => "key",
                _ => continue,
            };
            format!("{kind}-statement")
        } else {
            continue;
        };
        assert!(satisfies(&rule, &bytes).is_err(), "{} satisfies {rule}", vector.name);
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn content_satisfies_the_cddl() {
    let details = support::log::details("a note");
    satisfies("details", &details).unwrap();
    let manifest = support::log::catalog();
    satisfies("manifest", &manifest).unwrap();
    let files = Manifest::parse(&manifest).unwrap().files;
    assert!(files.iter().any(|file| file.reference.is_some() && file.kept));
    assert!(files.iter().any(|file| file.reference.is_none() && !file.kept));
    assert!(satisfies("manifest", &details).is_err());
    assert!(satisfies("details", &manifest).is_err());
}

#[test]
fn receipts_and_transparent_statements_satisfy_the_cddl() {
    let mut checked = 0;
    for vector in support::all().iter().filter(|v| ["receipt", "transparent-statement"].contains(&v.kind)) {
        let shapes = ["ENV-1", "ENV-2", "ENV-3", "ENV-6"];
        let shape = vector.must.iter().any(|id| shapes.contains(id));
        let verdict = satisfies(vector.kind, &statement_of(vector));
        match vector.class {
            None => verdict.unwrap_or_else(|e| panic!("{}: {e}", vector.name)),
            Some(Class::Malformed) if shape => {
                assert!(verdict.is_err(), "{} satisfies {}", vector.name, vector.kind);
            }
            Some(_) => continue,
        }
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}
