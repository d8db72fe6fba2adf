//! JSON in which no object has a name twice, and where in its text a value stands. Readers disagree about which of
//! two counts, so what one of them compares with a statement another would show with other values.

use crate::yaml::Position;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Parses one JSON document.
///
/// # Errors
/// For what is not JSON, and for a name that stands twice in one object, each with its place.
pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice::<Unique>(bytes).map(|unique| unique.0)
}

/// How the message begins about a name that is there twice.
const TWICE: &str = "the field";

/// Whether this is about a name that stands twice.
pub(crate) fn is_twice(error: &serde_json::Error) -> bool {
    error.is_data() && error.to_string().starts_with(TWICE)
}

/// The message without the place, and the place in characters: of a name that stands twice, its beginning.
pub(crate) fn describe(error: &serde_json::Error, text: &str) -> (String, Position) {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    let line_start =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let mut offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    if is_twice(error) {
        // What has just been read is the name, up to its closing quote.
        let quote = |before: &str| before.rfind('"').unwrap_or_default();
        let mut start = quote(text.get(..offset).unwrap_or_default());
        let escaped = |at: usize| {
            let before = text.as_bytes().get(..at).unwrap_or_default();
            before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
        };
        while start > 0 && escaped(start) {
            start = quote(text.get(..start).unwrap_or_default());
        }
        offset = start;
    }
    (message, Position::of(text, offset))
}

/// Where a value stands: the places of its name, if it is a member of an object, and of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: Option<Position>,
    pub(crate) value: Position,
}

/// Where the values stand to which these JSON Pointers (RFC 6901) lead. `text` is a document that [`parse`] accepts.
pub(crate) fn places(text: &str, wanted: &BTreeSet<String>) -> BTreeMap<String, Place> {
    let known = (0, Position::START);
    let mut scan = Scan { text, at: 0, known, pointer: String::new(), wanted, found: BTreeMap::new() };
    scan.value(None);
    scan.found
}

/// A name as part of a JSON Pointer.
pub(crate) fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// A byte offset that was passed, and its place: many places on one long line must not cost its length each.
    known: (usize, Position),
    pointer: String,
    wanted: &'a BTreeSet<String>,
    found: BTreeMap<String, Place>,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// The place of an offset behind all those that were asked for before.
    fn position(&mut self, offset: usize) -> Position {
        let (before, Position { line, column }) = self.known;
        let passed = Position::of(self.text.get(before..offset).unwrap_or_default(), usize::MAX);
        let column = if passed.line == 1 { column + passed.column - 1 } else { passed.column };
        self.known = (offset, Position { line: line + passed.line - 1, column });
        self.known.1
    }

    /// Passes one value; documents nest no deeper than [`parse`] allows.
    fn value(&mut self, name: Option<usize>) {
        let first = self.next();
        if self.wanted.contains(&self.pointer) {
            let name = name.map(|at| self.position(at));
            let place = Place { name, value: self.position(self.at) };
            self.found.insert(self.pointer.clone(), place);
        }
        match first {
            Some(b'{') => {
                self.at += 1;
                while let Some(byte) = self.next() {
                    match byte {
                        b'"' => self.member(),
                        b'}' => {
                            self.at += 1;
                            break;
                        }
                        _ => self.at += 1,
                    }
                }
            }
            Some(b'[') => {
                self.at += 1;
                let mut index = 0usize;
                while let Some(byte) = self.next() {
                    match byte {
                        b']' => {
                            self.at += 1;
                            break;
                        }
                        b',' => self.at += 1,
                        _ => {
                            self.below(&index.to_string(), None);
                            index += 1;
                        }
                    }
                }
            }
            Some(b'"') => drop(self.string()),
            _ => {
                let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                    .count();
                self.at += length.max(1);
            }
        }
    }

    fn member(&mut self) {
        let start = self.at;
        let name = self.string();
        if self.next() == Some(b':') {
            self.at += 1;
        }
        self.below(&pointer_part(&name), Some(start));
    }

    fn below(&mut self, part: &str, name: Option<usize>) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(part);
        self.value(name);
        self.pointer.truncate(length);
    }

    fn string(&mut self) -> String {
        let start = self.at;
        let mut escaped = false;
        for byte in self.text.as_bytes().get(start + 1..).unwrap_or_default() {
            self.at += 1;
            match byte {
                b'"' if !escaped => break,
                b'\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        self.at += 1;
        self.text.get(start..self.at).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder).map(Unique)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{TWICE} '{name}' is there twice")));
            }
            let Unique(value) = map.next_value()?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> (String, usize, usize) {
        let error = parse(text.as_bytes()).unwrap_err();
        let (message, at) = describe(&error, text);
        (message, at.line, at.column)
    }

    #[test]
    fn what_is_wrong_has_its_place_in_characters() {
        for (text, message, line, column) in [
            ("{\"a\": 1,\n \"ü\": 2, \"a\": 3}", "the field 'a' is there twice", 2, 10),
            ("[{\"x\\\"\\\\\": 1, \"x\\\"\\\\\": 2}]", "the field 'x\"\\' is there twice", 1, 15),
            ("{\"\": 1, \"\": {}}", "the field '' is there twice", 1, 9),
            ("[\"üü\", x]", "expected value", 1, 8),
            ("{} {}", "trailing characters", 1, 4),
            ("", "EOF while parsing a value", 1, 1),
            ("[1,\n", "EOF while parsing a value", 2, 1),
        ] {
            assert_eq!(refused(text), (message.to_owned(), line, column), "{text}");
        }
        assert!(parse("[".repeat(1000).as_bytes()).is_err());
    }

    #[test]
    fn places_are_those_of_names_and_values() {
        let text = " {\"a\": [10, {\"b/~\\u0063\": \"}\\\"]\"}, []], \"\": null}";
        let wanted = |pointers: &[&str]| pointers.iter().map(|p| (*p).to_owned()).collect::<BTreeSet<_>>();
        let found = places(text, &wanted(&["", "/a", "/a/0", "/a/1/b~1~0c", "/a/2", "/", "/x"]));
        let at = |pointer: &str| {
            let Place { name, value } = found[pointer];
            let two = |at: Position| &text[at.column - 1..at.column + 1]; // one line of ASCII
            (name.map(two), two(value))
        };
        assert_eq!(at(""), (None, "{\""));
        assert_eq!(at("/a"), (Some("\"a"), "[1"));
        assert_eq!(at("/a/0"), (None, "10"));
        assert_eq!(at("/a/1/b~1~0c"), (Some("\"b"), "\"}"));
        assert_eq!(at("/a/2"), (None, "[]"));
        assert_eq!(at("/"), (Some("\"\""), "nu"));
        assert_eq!(found.len(), 6);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a\"\\\\/~ü{\\[]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| pointers(item, format!("{at}/{n}"), all));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(name, v)| pointers(v, format!("{at}/{}", pointer_part(name)), all));
            }
            _ => {}
        }
        all.push(at);
    }

    proptest! {
        #[test]
        fn every_pointer_leads_to_its_value(document in json(), pretty in any::<bool>()) {
            let text = if pretty { format!("{document:#}") } else { document.to_string() };
            prop_assert_eq!(&parse(text.as_bytes()).unwrap(), &document);
            let mut all = Vec::new();
            pointers(&document, String::new(), &mut all);
            let found = places(&text, &all.iter().cloned().collect());
            prop_assert_eq!(found.len(), all.len());
            for (pointer, place) in found {
                let line: usize = text.split_inclusive('\n').take(place.value.line - 1).map(str::len).sum();
                let rest: String = text[line..].chars().skip(place.value.column - 1).collect();
                let mut read = serde_json::Deserializer::from_str(&rest).into_iter::<Value>();
                prop_assert_eq!(&read.next().unwrap().unwrap(), document.pointer(&pointer).unwrap());
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = places(&text, &BTreeSet::from([String::new()]));
            if let Err(error) = parse(text.as_bytes()) {
                let _ = describe(&error, &text);
            }
        }
    }
}
