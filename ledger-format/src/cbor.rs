//! Deterministic CBOR (RFC 8949, section 4.2.1), narrowed to what the format uses: integers, byte and
//! text strings, arrays, maps, booleans. No floats, no null, no indefinite lengths, no duplicate keys.
//!
//! `ciborium` reads and writes; what it is lenient about is refused by writing the value again and
//! comparing bytes. The bytes stay what they are: they are hashed and signed as received.

use crate::digest::{Address, Descriptor, Hash};
use crate::failure::{Class, Failure, shown};
use ciborium::Value;

/// Arrays and maps may stand in each other this deep (a body needs four levels).
const MAX_DEPTH: usize = 16;

/// Encodes deterministically: the keys of every map are sorted by their encoded bytes.
pub(crate) fn encode(mut value: Value) -> Vec<u8> {
    sort(&mut value);
    raw(&value)
}

/// Decodes one item that fills `bytes`, is deterministic and has no tags.
pub(crate) fn decode(bytes: &[u8], what: &str) -> Result<Value, Failure> {
    decode_checked(bytes, what, |value| check(value, what))
}

/// Decodes the parts of a tagged COSE_Sign1. As [`decode`], but for the tag 18 around them, and for the parts
/// themselves, which may be null: a detached payload is.
pub(crate) fn decode_sign1(bytes: &[u8], what: &str) -> Result<Vec<Value>, Failure> {
    let value = decode_checked(bytes, what, |value| {
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

fn decode_checked(
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
        return Err(Failure::new(Class::NonCanonical, format!("{what} is not deterministically encoded")));
    }
    Ok(value)
}

fn raw(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory cannot fail; an empty result would be refused by every reader.
    if ciborium::into_writer(value, &mut out).is_err() {
        out.clear();
    }
    out
}

fn sort(value: &mut Value) {
    match value {
        Value::Map(pairs) => {
            pairs.iter_mut().for_each(|(_, item)| sort(item));
            pairs.sort_by_cached_key(|(key, _)| raw(key));
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Tag(_, inner) => sort(inner),
        _ => {}
    }
}

fn check(value: &Value, what: &str) -> Result<(), Failure> {
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

/// A map with text keys, from pairs; absent options are left out.
pub(crate) fn map<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Value {
    let present = pairs.into_iter().filter_map(|(key, value)| Some((Value::from(key), value?)));
    Value::Map(present.collect())
}

pub(crate) fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

pub(crate) fn descriptor(d: &Descriptor) -> Value {
    map([
        ("blake3", Some(bytes(&d.blake3.0))),
        ("sha256", Some(bytes(&d.sha256))),
        ("size", Some(Value::from(d.size))),
        ("type", Some(Value::from(d.media_type.as_str()))),
    ])
}

/// Takes the fields of a text-keyed map one by one; what is left at the end was not understood.
pub(crate) struct Fields<'a> {
    what: &'a str,
    pairs: Vec<(String, Value)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(value: Value, what: &'a str) -> Result<Self, Failure> {
        let Value::Map(pairs) = value else {
            return Err(Failure::malformed(format!("{what} is not a map")));
        };
        let named = pairs.into_iter().map(|(key, value)| match key {
            Value::Text(key) => Ok((key, value)),
            _ => Err(Failure::malformed(format!("{what} has a key that is not text"))),
        });
        Ok(Self { what, pairs: named.collect::<Result<_, _>>()? })
    }

    /// The names of the fields nobody took.
    pub(crate) fn rest(self) -> Vec<String> {
        self.pairs.into_iter().map(|(key, _)| key).collect()
    }

    /// Ends a map in which nothing else may stand.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => {
                let detail =
                    format!("{} has the field '{}', which this version does not know", self.what, shown(key));
                Err(Failure::new(Class::Unsupported, detail))
            }
        }
    }

    pub(crate) fn wrong(&self, key: &str, want: &str) -> Failure {
        Failure::malformed(format!("field '{key}' of {} is not {want}", self.what))
    }

    pub(crate) fn opt(&mut self, key: &str) -> Option<Value> {
        let at = self.pairs.iter().position(|(k, _)| k == key)?;
        Some(self.pairs.remove(at).1)
    }

    pub(crate) fn take(&mut self, key: &str) -> Result<Value, Failure> {
        let missing = || Failure::malformed(format!("{} has no field '{key}'", self.what));
        let at = self.pairs.iter().position(|(k, _)| k == key).ok_or_else(missing)?;
        Ok(self.pairs.remove(at).1)
    }

    pub(crate) fn uint(&mut self, key: &str) -> Result<u64, Failure> {
        let value = self.take(key)?;
        as_u64(&value).ok_or_else(|| self.wrong(key, "an unsigned integer"))
    }

    pub(crate) fn bool(&mut self, key: &str) -> Result<bool, Failure> {
        self.take(key)?.as_bool().ok_or_else(|| self.wrong(key, "a boolean"))
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<String, Failure> {
        self.take(key)?.into_text().map_err(|_| self.wrong(key, "text"))
    }

    pub(crate) fn opt_text(&mut self, key: &str) -> Result<Option<String>, Failure> {
        self.opt(key).map(|v| v.into_text().map_err(|_| self.wrong(key, "text"))).transpose()
    }

    pub(crate) fn fixed<const N: usize>(&mut self, key: &str) -> Result<[u8; N], Failure> {
        let value = self.take(key)?;
        as_fixed(&value).ok_or_else(|| self.wrong(key, &format!("a string of {N} bytes")))
    }

    pub(crate) fn opt_fixed<const N: usize>(&mut self, key: &str) -> Result<Option<[u8; N]>, Failure> {
        let wrong = |s: &Self| s.wrong(key, &format!("a string of {N} bytes"));
        self.opt(key).map(|v| as_fixed(&v).ok_or_else(|| wrong(self))).transpose()
    }

    pub(crate) fn array(&mut self, key: &str, max: usize) -> Result<Vec<Value>, Failure> {
        let items = self.opt_array(key, max)?;
        items.ok_or_else(|| Failure::malformed(format!("{} has no field '{key}'", self.what)))
    }

    pub(crate) fn opt_array(&mut self, key: &str, max: usize) -> Result<Option<Vec<Value>>, Failure> {
        let Some(value) = self.opt(key) else { return Ok(None) };
        let items = value.into_array().map_err(|_| self.wrong(key, "an array"))?;
        if items.len() > max {
            let detail =
                format!("field '{key}' of {} has {} items; {max} are allowed", self.what, items.len());
            return Err(Failure::new(Class::TooLarge, detail));
        }
        Ok(Some(items))
    }

    pub(crate) fn descriptor(&mut self, key: &str) -> Result<Descriptor, Failure> {
        let value = self.take(key)?;
        as_descriptor(value)
    }

    pub(crate) fn opt_descriptor(&mut self, key: &str) -> Result<Option<Descriptor>, Failure> {
        self.opt(key).map(as_descriptor).transpose()
    }
}

pub(crate) fn as_u64(value: &Value) -> Option<u64> {
    value.as_integer().and_then(|n| u64::try_from(n).ok())
}

pub(crate) fn as_fixed<const N: usize>(value: &Value) -> Option<[u8; N]> {
    value.as_bytes().and_then(|b| b.as_slice().try_into().ok())
}

fn as_descriptor(value: Value) -> Result<Descriptor, Failure> {
    let mut fields = Fields::new(value, "a descriptor")?;
    let descriptor = Descriptor {
        blake3: Address(fields.fixed("blake3")?),
        sha256: fields.fixed::<32>("sha256")? as Hash,
        size: fields.uint("size")?,
        media_type: fields.text("type")?,
    };
    let visible = descriptor.media_type.bytes().all(|b| b.is_ascii_graphic());
    if !visible || !(1..=127).contains(&descriptor.media_type.len()) {
        return Err(fields.wrong("type", "a media type"));
    }
    fields.end()?;
    Ok(descriptor)
}

#[cfg(test)]
#[path = "cbor_tests.rs"]
mod tests;
