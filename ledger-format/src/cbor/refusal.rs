//! Why bytes were refused. `ciborium` reads them as leniently as it can; what it could read is then checked.

use super::MAX_DEPTH;
use crate::failure::{Class, Failure};
use ciborium::Value;

/// Why [`super::decode`] refuses `bytes`.
pub(super) fn refusal(bytes: &[u8], what: &str) -> Failure {
    explained(decode(bytes, what, |value| check(value, what)), what)
}

/// Why [`super::decode_sign1`] refuses `bytes`: their form, but for the tag, which is the caller's to tell.
pub(super) fn refusal_of_sign1(bytes: &[u8], what: &str) -> Failure {
    explained(decode_sign1(bytes, what), what)
}

fn explained<T>(read: Result<T, Failure>, what: &str) -> Failure {
    read.err().unwrap_or_else(|| not_deterministic(what))
}

pub(super) fn decode_sign1(bytes: &[u8], what: &str) -> Result<Vec<Value>, Failure> {
    let value = decode(bytes, what, |value| {
        let item = if let Value::Tag(_, inner) = value { inner } else { value };
        match item {
            Value::Array(parts) => {
                parts.iter().filter(|part| !part.is_null()).try_for_each(|part| check(part, what))
            }
            other => check(other, what),
        }
    })?;
    let parts = if let Value::Tag(18, inner) = value { inner.into_array().ok() } else { None };
    parts.ok_or_else(|| Failure::malformed(format!("{what} is not tag 18 around an array")))
}

pub(super) fn decode(
    bytes: &[u8],
    what: &str,
    check: impl Fn(&Value) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let mut rest = bytes;
    let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|_| Failure::malformed(format!("{what} is not well-formed CBOR")))?;
    check(&value)?;
    if !rest.is_empty() {
        return Err(Failure::new(Class::NonCanonical, format!("{what} has bytes after its end")));
    }
    if raw(&value) != bytes {
        return Err(not_deterministic(what));
    }
    Ok(value)
}

fn not_deterministic(what: &str) -> Failure {
    Failure::new(Class::NonCanonical, format!("{what} is not deterministically encoded"))
}

pub(super) fn raw(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory cannot fail; an empty result would be refused by every reader.
    if ciborium::into_writer(value, &mut out).is_err() {
        out.clear();
    }
    out
}

pub(super) fn check(value: &Value, what: &str) -> Result<(), Failure> {
    match value {
        Value::Integer(_) | Value::Bytes(_) | Value::Text(_) | Value::Bool(_) => Ok(()),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, what)),
        Value::Map(pairs) => {
            let mut last: Option<Vec<u8>> = None;
            for (key, item) in pairs {
                let key = match key {
                    Value::Integer(_) | Value::Text(_) => raw(key),
                    _ => return Err(Failure::malformed(format!("{what} has a map key of a wrong type"))),
                };
                if last.is_some_and(|last| last >= key) {
                    let detail = format!("{what} has duplicate or unsorted map keys");
                    return Err(Failure::new(Class::NonCanonical, detail));
                }
                last = Some(key);
                check(item, what)?;
            }
            Ok(())
        }
        _ => {
            Err(Failure::malformed(format!("{what} has a float, null or tag, which the format does not use")))
        }
    }
}
