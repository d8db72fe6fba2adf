//! YAML as a tree in which every node knows where it stands and how it was written.
//!
//! A prompt's version is the scalar's *source text* (`1`, `1.0` and `017` are three versions), so the tree keeps
//! both the text and the type that YAML's core schema infers.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;
use std::ops::Range;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// From 1; LF and CRLF end a line.
    pub line: usize,
    /// In characters, from 1. A byte order mark is none.
    pub column: usize,
}

impl Default for Position {
    fn default() -> Self {
        Self::START
    }
}

impl Position {
    /// The first character of a file.
    pub const START: Position = Position { line: 1, column: 1 };

    /// The place of byte `offset` of `text`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let column = 1 + before.get(line_start..).unwrap_or_default().chars().count();
        Self { line, column }
    }
}

/// What YAML takes a plain scalar for; quoted scalars are always `Text`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text,
    Integer,
    Float,
    Bool,
    Null,
}

/// A value of the document.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// The text as written for plain scalars, the decoded text for quoted and block ones.
    Scalar(Scalar, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A value and where it stands in the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Position,
    /// The bytes of the YAML that a scalar on one line consists of, quotes included. `None` for anything that
    /// cannot be replaced on its own: lists, mappings, block scalars, aliases, what has a tag or an anchor.
    pub(crate) span: Option<Range<usize>>,
}

/// One `key: value` of a mapping. Keys are unique: a duplicate is a syntax error.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) node: Node,
}

/// Why the text is not acceptable YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) at: Position,
}

impl Node {
    /// The value under `key`, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry for `key`, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a mapping; empty for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; `None` for anything else.
    pub(crate) fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text of any scalar but null.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(kind, text) if *kind != Scalar::Null => Some(text),
            _ => None,
        }
    }

    /// What kind of scalar this is; `None` for lists and mappings.
    pub(crate) fn scalar(&self) -> Option<Scalar> {
        match &self.value {
            Value::Scalar(kind, _) => Some(*kind),
            _ => None,
        }
    }

    /// `true` or `false`, written without quotes.
    pub(crate) fn bool(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar(Scalar::Bool, text) => Some(text.eq_ignore_ascii_case("true")),
            _ => None,
        }
    }

    /// Whether there is nothing here: null, blank text, an empty list or mapping.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Scalar(kind, text) => *kind == Scalar::Null || text.trim().is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    /// What a person calls this kind of value.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.value {
            Value::Scalar(Scalar::Text, _) => "text",
            Value::Scalar(Scalar::Integer | Scalar::Float, _) => "a number",
            Value::Scalar(Scalar::Bool, _) => "true or false",
            Value::Scalar(Scalar::Null, _) => "empty",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value as JSON. Numbers that JSON would write differently (`017`, `1.10`, `.inf`) stay text.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Scalar(Scalar::Null, _) => Json::Null,
            Value::Scalar(Scalar::Bool, _) => Json::Bool(self.bool() == Some(true)),
            Value::Scalar(Scalar::Integer | Scalar::Float, text) => match serde_json::from_str(text) {
                Ok(Json::Number(number)) if number.to_string() == *text => Json::Number(number),
                _ => Json::String(text.clone()),
            },
            Value::Scalar(Scalar::Text, text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
            }
        }
    }
}

/// Reads one YAML document. `first_line` is the line of the file (from 1) on which `source` begins.
pub(crate) fn parse(source: &str, first_line: usize) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        // Frontmatter and workflows are small and flat. Anything near these limits is an attack or a mistake.
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_depth: 16,
            flow_nesting_limit: 16,
            max_aliases: 256,
            max_anchors: 256,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 16,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<RawNode>>(source, options) {
        Ok(raw) => Ok(place(raw, source, &Lines::of(source, first_line))),
        Err(error) => Err(syntax_error(&error, &Lines::of(source, first_line))),
    }
}

/// What serde sees, before positions and source text are put in.
enum RawNode {
    Scalar(Scalar, String),
    List(Vec<Spanned<RawNode>>),
    Map(Vec<(Spanned<String>, Spanned<RawNode>)>),
}

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = RawNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true, false, a list or a mapping")
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Bool, value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Integer, value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Integer, value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Integer, value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Integer, value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Float, value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Text, value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Text, value))
    }

    fn visit_unit<E>(self) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Null, String::new()))
    }

    fn visit_none<E>(self) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Null, String::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawNode, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(RawNode::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawNode, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawNode::Map(entries))
    }
}

fn place(raw: Spanned<RawNode>, source: &str, lines: &Lines) -> Node {
    let at = lines.position(raw.referenced);
    let span = match raw.value {
        RawNode::Scalar(..) if raw.defined == raw.referenced => replaceable(raw.defined, source),
        _ => None,
    };
    let value = match raw.value {
        // Quoted and block scalars are what they decode to; plain ones are what was written.
        RawNode::Scalar(kind @ (Scalar::Text | Scalar::Null), text) => Value::Scalar(kind, text),
        RawNode::Scalar(kind, text) => {
            Value::Scalar(kind, written(raw.defined, source).map_or(text, str::to_owned))
        }
        RawNode::List(items) => {
            Value::List(items.into_iter().map(|item| place(item, source, lines)).collect())
        }
        RawNode::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, node)| Entry {
                    at: lines.position(key.referenced),
                    key: key.value,
                    node: place(node, source, lines),
                })
                .collect(),
        ),
    };
    Node { value, at, span }
}

fn bytes(location: Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let len = usize::try_from(location.span().byte_len()?).ok()?;
    Some(start..start.checked_add(len)?)
}

/// The bytes of a plain or quoted scalar on one line.
fn replaceable(location: Location, source: &str) -> Option<Range<usize>> {
    let range = bytes(location)?;
    let text = source.get(range.clone())?;
    let start = range.start + text.len() - text.trim_start().len();
    let text = text.trim();
    // What stands before tells block scalars, tags and anchors from the rest.
    let before = source.get(..start)?.trim_end_matches([' ', '\t']);
    let alone = !text.is_empty() && !text.contains('\n') && before.ends_with([':', '-', ',', '[', '{']);
    alone.then(|| start..start + text.len())
}

/// The characters of `source` that this location covers.
fn written(location: Location, source: &str) -> Option<&str> {
    let text = source.get(bytes(location)?)?.trim();
    // A tagged scalar (`!!int "1"`) may be quoted all the same.
    let unquoted = text.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
    Some(unquoted.unwrap_or(text))
}

/// Where each line of the parser begins in the file. YAML ends a line at a lone carriage return too; editors,
/// and all that is said of a file elsewhere, do not.
struct Lines(Vec<Position>);

impl Lines {
    fn of(source: &str, first_line: usize) -> Self {
        let mut at = Position { line: first_line, column: 1 };
        let mut starts = vec![at];
        let mut chars = source.chars().peekable();
        while let Some(c) = chars.next() {
            at = match c {
                '\n' => Position { line: at.line + 1, column: 1 },
                _ => Position { column: at.column + 1, ..at },
            };
            if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
                starts.push(at);
            }
        }
        Self(starts)
    }

    fn position(&self, location: Location) -> Position {
        let line = usize::try_from(location.line()).unwrap_or(1).max(1);
        let column = usize::try_from(location.column()).unwrap_or(1).max(1);
        let start = self.0.get(line - 1).or(self.0.last()).copied().unwrap_or(Position::START);
        Position { column: start.column + column - 1, ..start }
    }
}

const TOO_MUCH: &str = "the YAML is too large, too deep, or expands too many aliases";

fn syntax_error(error: &serde_saphyr::Error, lines: &Lines) -> SyntaxError {
    use serde_saphyr::Error as Yaml;
    let error = error.without_snippet();
    let at = lines.position(error.location().unwrap_or(Location::UNKNOWN));
    let message = match error {
        Yaml::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{}` appears twice", key.chars().take(80).collect::<String>())
        }
        Yaml::DuplicateMappingKey { key: None, .. } => "a key appears twice".to_owned(),
        Yaml::MultipleDocuments { .. }
        | Yaml::Budget { breach: serde_saphyr::budget::BudgetBreach::Documents { .. }, .. } => {
            "there is more than one YAML document".to_owned()
        }
        Yaml::Budget { .. }
        | Yaml::AliasReplayCounterOverflow { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasExpansionLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => TOO_MUCH.to_owned(),
        Yaml::UnknownAnchor { .. } => "an alias (`*name`) has no anchor (`&name`)".to_owned(),
        Yaml::AliasError { error, .. } => return syntax_error(error, lines),
        other => match tidy(&other.to_string()) {
            // The parser has a limit of its own, below ours.
            message if message.starts_with("recursion limit") => TOO_MUCH.to_owned(),
            message => message,
        },
    };
    SyntaxError { message, at }
}

/// The parser's sentence without the position (we print our own) and without line breaks.
fn tidy(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let cut = line.find(" at line ").or_else(|| line.find(" (line ")).unwrap_or(line.len());
    line.get(..cut).unwrap_or(line).trim_end_matches([',', ':', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> (Scalar, String) {
        match parse(source, 1).unwrap().get("v").unwrap().value.clone() {
            Value::Scalar(kind, text) => (kind, text),
            other => panic!("no scalar: {other:?}"),
        }
    }

    #[test]
    fn scalars_keep_their_source_text() {
        for (yaml, kind, expected) in [
            ("v: 1", Scalar::Integer, "1"),
            ("v: 1.0", Scalar::Float, "1.0"),
            ("v: 1.10 # newest", Scalar::Float, "1.10"),
            ("v: 1.0.1", Scalar::Text, "1.0.1"),
            ("v: 1_000", Scalar::Integer, "1_000"),
            ("v: 0x1F", Scalar::Integer, "0x1F"),
            ("v: '1.0'", Scalar::Text, "1.0"),
            ("v: \"01\"", Scalar::Text, "01"),
            ("v: 1e3", Scalar::Float, "1e3"),
            ("v: True", Scalar::Bool, "True"),
            ("v: no", Scalar::Text, "no"),
            ("v: ~", Scalar::Null, ""),
            ("v:", Scalar::Null, ""),
            ("v:   7   \r\nw: 1\r\n", Scalar::Integer, "7"),
            ("é: ü\nv: 2.50", Scalar::Float, "2.50"),
            ("a: &x 1.20\nv: *x", Scalar::Float, "1.20"),
            ("v: >-\n  two\n  lines\n", Scalar::Text, "two lines"),
        ] {
            assert_eq!(text(yaml), (kind, expected.to_owned()), "{yaml:?}");
        }
        assert_eq!(text("v: 017").1, "017");
        assert_eq!(text("v: 18446744073709551616").1, "18446744073709551616");
    }

    #[test]
    fn nodes_know_where_they_stand() {
        let root = parse("a: 1\nlist:\n  - x\n  - name: é\n    b: 2\n", 10).unwrap();
        assert_eq!(root.entry("list").unwrap().at, Position { line: 11, column: 1 });
        let second = &root.get("list").unwrap().list().unwrap()[1];
        assert_eq!(second.at, Position { line: 13, column: 5 });
        assert_eq!(second.get("b").unwrap().at, Position { line: 14, column: 8 });
    }

    #[test]
    fn a_scalar_on_one_line_can_be_replaced() {
        let source = "é: ü\nv: X\nz: 1\n";
        for (written, expected) in [
            ("1", Some("1")),
            ("'a b'   # why", Some("'a b'")),
            ("\"é \\\" x\"  ", Some("\"é \\\" x\"")),
            ("a b # c", Some("a b")),
            ("yes\r", Some("yes")),
            ("[a]", None),
            ("", None),
            ("|\n  a", None),
            ("!!str 1", None),
            ("a\n  b", None),
        ] {
            let source = source.replace('X', written);
            let root = parse(&source, 1).unwrap();
            let span = root.get("v").unwrap().span.clone();
            assert_eq!(span.map(|span| &source[span]), expected, "{written:?}");
        }
        let aliased = parse("a: &x 1\nv: *x\n", 1).unwrap();
        assert_eq!(aliased.get("v").unwrap().span, None);
    }

    #[test]
    fn a_lone_carriage_return_ends_no_line() {
        let root = parse("a: é\rb: 2\r\nc: 3\n", 2).unwrap();
        let at = |key| root.entry(key).unwrap().at;
        assert_eq!(at("b"), Position { line: 2, column: 6 });
        assert_eq!(at("c"), Position { line: 3, column: 1 });
        let error = parse("a: 1\n\r\r\r\r - b: [\n", 2).unwrap_err();
        assert!(error.at.line <= 4, "{error:?}");
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(Position::of("ab\ncd", 0), Position::START);
        assert_eq!(Position::of("é\nüx", 5), Position { line: 2, column: 2 });
        assert_eq!(Position::of("a\r\nb", 3), Position { line: 2, column: 1 });
        assert_eq!(Position::of("a", 99), Position { line: 1, column: 2 });
    }

    #[test]
    fn bad_yaml_is_an_error_with_a_place() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
        let deep = format!("a: {}{}", "[".repeat(500), "]".repeat(500));
        for (yaml, line, part) in [
            ("a: 1\nb: 2\na: 3\n", 4, "`a` appears twice"),
            (bomb, 0, "too many aliases"),
            (deep.as_str(), 2, ""),
            ("a: [1, 2\nb: 3\n", 0, ""),
            ("a: \"open\n", 0, ""),
            ("a: 1\n\tb: 2\n", 0, ""),
            ("a: *nowhere\n", 2, "no anchor"),
            ("a: 1\n...\n---\nb: 2\n", 0, ""),
            ("key: value: again\n", 2, ""),
            ("? [a]\n: 1\n", 0, ""),
            ("a: &x [*x]\n", 2, ""),
        ] {
            let error = parse(yaml, 2).expect_err(yaml);
            assert!(error.message.contains(part), "{yaml:?}: {error:?}");
            assert!(error.at.line >= 2 && (line == 0 || error.at.line == line), "{yaml:?}: {error:?}");
            for jargon in ["serde", "RawNode", "at line", "u64", "Error", "\n"] {
                assert!(!error.message.contains(jargon), "{error:?}");
            }
        }
    }
}
