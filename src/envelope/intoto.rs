//! An in-toto Statement v1 about the contents that one entry names. `docs/envelopes.md` says what each field is.

use super::dsse::Dsse;
use super::{refused, shown};
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ciborium::Value as Cbor;
use ledger_format::{Body, Checkpoint, Descriptor, InclusionProof, Signer, Statement};
use serde_json::{Map, Value, json};

/// The DSSE payload type of in-toto Statements.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What the predicate is; `docs/envelopes.md` has its fields.
pub const PREDICATE_TYPE: &str = "urn:promptos:entry:v1";

/// An in-toto Statement about an entry in DSSE, signed by the exporter. The same entry, proof and key give the same
/// bytes.
///
/// # Errors
/// Failed, when the entry names no content; unavailable, when the signer does not sign.
pub fn attest(statement: &Statement, proof: &InclusionProof, signer: &dyn Signer) -> Result<Vec<u8>> {
    Dsse::sign(PAYLOAD_TYPE, text(statement, proof)?.as_bytes(), signer)
}

/// Takes the statement and its proof out of a payload, which must say of them exactly what we would.
pub(super) fn open(payload: &[u8]) -> Result<(Statement, InclusionProof)> {
    let bad = |why: String| Error::integrity(format!("this is no in-toto Statement of promptos: {why}"));
    let value = crate::json::parse(payload).map_err(|e| bad(e.to_string()))?;
    let kind = value.get("predicateType").and_then(Value::as_str).unwrap_or_default();
    if kind != PREDICATE_TYPE {
        let what = format!("its predicate is of type '{}'", shown(kind));
        return Err(Error::failed(what).hint(format!("this version knows {PREDICATE_TYPE}")));
    }
    let part = |name: &str| {
        let part = value.pointer(&format!("/predicate/{name}")).and_then(Value::as_str);
        part.ok_or_else(|| bad(format!("its predicate has no text '{name}'")))
    };
    let statement =
        BASE64.decode(part("statement")?).map_err(|_| bad("its statement is not base64".to_owned()))?;
    let statement = Statement::decode(statement).map_err(refused)?;
    let proof = InclusionProof::parse(part("proof")?.as_bytes()).map_err(refused)?;
    if text(&statement, &proof)?.as_bytes() != payload {
        return Err(Error::integrity(
            "the in-toto Statement says something else than the signed statement in it",
        )
        .hint("it was changed after it was made, or made by another program"));
    }
    Ok((statement, proof))
}

/// The JSON, without blanks and in this order of fields.
fn text(statement: &Statement, proof: &InclusionProof) -> Result<String> {
    let subject: Vec<_> = named(statement).into_iter().map(subject).collect();
    if subject.is_empty() {
        let what = format!("entry {} is {} and names no content", proof.index, shown(&statement.subject()));
        return Err(Error::failed(what).hint(
            "an in-toto Statement is about contents; of any entry there is: --as transparent-statement",
        ));
    }
    let checkpoint = Checkpoint::parse(&proof.checkpoint).map_err(refused)?;
    let note =
        String::from_utf8(proof.to_bytes()).map_err(|e| Error::bug("a tlog-proof is not text").because(e))?;
    let head = |head: ledger_format::Head| json!({"size": head.size, "root": hex::encode(head.root)});
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "entry": statement.id.to_string(),
            "index": proof.index,
            "origin": checkpoint.origin,
            "checkpoint": head(checkpoint.head),
            "iss": statement.issuer,
            "sub": statement.subject(),
            "kid": statement.kid.to_string(),
            "iat": statement.time,
            "head": head(statement.head),
            "body": body(statement)?,
            "statement": BASE64.encode(statement.bytes()),
            "proof": note,
        },
    });
    Ok(statement.to_string())
}

fn subject((name, content): (String, &Descriptor)) -> Value {
    let digest = json!({"sha256": hex::encode(content.sha256), "blake3": hex::encode(content.blake3.0)});
    json!({"name": name, "digest": digest, "mediaType": content.media_type})
}

/// The contents that a statement names, each by what it is there: a prompt by its ref, another ledger's evidence by
/// the session, the others by their fields.
fn named(statement: &Statement) -> Vec<(String, &Descriptor)> {
    let body = &statement.body;
    let mut all: Vec<_> = body.used().iter().map(|used| (used.reference.clone(), &used.content)).collect();
    let mut add = |name: &str, content| all.push((name.to_owned(), content));
    match body {
        Body::Prompt(prompt) => add(&statement.name, &prompt.content),
        Body::Event(event) => {
            add("details", &event.details);
            event.attachments.iter().for_each(|content| add("attachments", content));
        }
        Body::Start(session) | Body::Session(session) => {
            add("details", &session.details);
            session.attachments.iter().for_each(|content| add("attachments", content));
        }
        Body::Render(render) => add("output", &render.output),
        Body::Run(run) => {
            add("record", &run.record);
            run.manifest.iter().for_each(|content| add("manifest", content));
            for (session, foreign) in run.sessions.iter().filter_map(|s| Some((s.entry, s.foreign.as_ref()?)))
            {
                add(&format!("evidence of {session}"), &foreign.evidence);
            }
        }
        Body::Snapshot(snapshot) => add("manifest", &snapshot.manifest),
        Body::Import(import) => {
            add("content", &import.content);
            import.details.iter().for_each(|content| add("details", content));
        }
        Body::Erase(erase) => erase.details.iter().for_each(|content| add("details", content)),
        Body::Ledger(_) | Body::Key(_) | Body::Unknown => {}
    }
    all
}

/// The payload as JSON: byte strings in hex, all else as it is.
fn body(statement: &Statement) -> Result<Value> {
    let unreadable = || Error::bug("a statement that was read cannot be read again");
    let outer: Cbor = ciborium::from_reader(statement.bytes()).map_err(|_| unreadable())?;
    let parts = match outer {
        Cbor::Tag(_, inner) => inner.into_array().map_err(|_| unreadable())?,
        _ => return Err(unreadable()),
    };
    let payload = parts.get(2).and_then(Cbor::as_bytes).ok_or_else(unreadable)?;
    let payload: Cbor = ciborium::from_reader(payload.as_slice()).map_err(|_| unreadable())?;
    Ok(to_json(&payload))
}

fn to_json(value: &Cbor) -> Value {
    match value {
        Cbor::Integer(n) => {
            let n = i128::from(*n);
            let number = u64::try_from(n).map(Value::from).or_else(|_| i64::try_from(n).map(Value::from));
            number.unwrap_or_else(|_| Value::from(n.to_string()))
        }
        Cbor::Bytes(bytes) => Value::from(hex::encode(bytes)),
        Cbor::Text(text) => Value::from(text.as_str()),
        Cbor::Bool(yes) => Value::from(*yes),
        Cbor::Array(items) => items.iter().map(to_json).collect(),
        Cbor::Map(pairs) => {
            let key = |key: &Cbor| match key {
                Cbor::Text(text) => text.clone(),
                other => to_json(other).to_string(),
            };
            Value::Object(pairs.iter().map(|(k, v)| (key(k), to_json(v))).collect::<Map<_, _>>())
        }
        // The format has nothing else.
        _ => Value::Null,
    }
}
