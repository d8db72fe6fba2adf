//! Values as YAML that every parser reads alike: text is always in quotes or a block, so that neither `no` nor `017`
//! nor a date becomes something else.

use serde_json::{Map, Value};

/// The entries of a mapping, one or more lines each. Reading them back gives the same values; numbers must be written
/// as [`crate::yaml`] takes them over.
pub(crate) fn yaml(map: &Map<String, Value>) -> String {
    let mut text = String::new();
    entries(map, 0, &mut text);
    text
}

fn entries(map: &Map<String, Value>, indent: usize, text: &mut String) {
    for (index, (key, item)) in map.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        if is_plain_key(key) {
            text.push_str(key);
        } else {
            text.push_str(&in_quotes(key));
        }
        text.push(':');
        match item {
            Value::Object(inner) if !inner.is_empty() => {
                text.push_str(&format!("\n{}", " ".repeat(indent + 2)));
                entries(inner, indent + 2, text);
            }
            Value::Array(inner) if !inner.is_empty() => {
                text.push_str(&format!("\n{}", " ".repeat(indent + 2)));
                items(inner, indent + 2, text);
            }
            item => {
                text.push(' ');
                scalar(item, indent + 2, text);
            }
        }
    }
}

fn items(list: &[Value], indent: usize, text: &mut String) {
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => entries(inner, indent + 2, text),
            Value::Array(inner) if !inner.is_empty() => items(inner, indent + 2, text),
            item => scalar(item, indent + 2, text),
        }
    }
}

/// Anything that fits on a line, and text of several lines as a block where that is safe.
fn scalar(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::String(string) if is_block(string) => {
            text.push_str("|-\n");
            for line in string.split('\n') {
                let margin = if line.is_empty() { 0 } else { indent };
                text.push_str(&format!("{:margin$}{line}\n", ""));
            }
        }
        Value::String(string) => text.push_str(&format!("{}\n", in_quotes(string))),
        Value::Array(_) => text.push_str("[]\n"),
        Value::Object(_) => text.push_str("{}\n"),
        other => text.push_str(&format!("{other}\n")),
    }
}

/// Whether a block keeps the text: it neither begins nor ends with space, and has no line that looks blank and is not.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(char::is_whitespace)
        && !text.ends_with(char::is_whitespace)
        && text.split('\n').all(|line| line.is_empty() || !line.trim().is_empty())
        && !text.chars().any(|c| c != '\n' && is_escaped(c))
}

/// A key that nobody takes for anything but text.
fn is_plain_key(key: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(word)
        && !WORDS.contains(&key.to_lowercase().as_str())
}

/// Whether a character stands in YAML only as an escape: what is not printable, or a line end to some.
fn is_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn in_quotes(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_escaped(c) => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use proptest::prelude::*;
    use serde_json::json;

    fn round_trip(value: &Value) -> Value {
        let text = super::yaml(value.as_object().unwrap());
        yaml::parse(&text, 1).unwrap_or_else(|e| panic!("{e:?}\n{text}")).to_json()
    }

    #[test]
    fn what_looks_like_something_else_stays_text() {
        let texts = [
            "no",
            "Yes",
            "017",
            "1.0",
            "1e3",
            "0x1f",
            "2026-01-31",
            "12:30:00",
            "~",
            "null",
            "",
            " ",
            "- a",
            "a: b",
            "a #b",
            "#",
            "&a",
            "*a",
            "!t",
            "%",
            "@",
            "`",
            "{a",
            "[",
            "'",
            "\"",
            "\\",
            "|",
            ">",
            "---",
            "...",
            "---\n...",
            "é 日本 🎉",
            "\u{85}",
            "\u{2028}x",
            "\u{feff}",
            "\u{7f}",
            "a\tb",
            "a\r\nb",
            "a\nb",
            "a\n\nb\n",
            "\na",
            "a\n  b\n---\nc",
            "a\n \nb",
            "\u{0}",
            "\ta\nb",
            "a\n\tb",
        ];
        for text in texts {
            let value = json!({ "a": text, "l": [text, [text], {"k": text}], text: {text: text} });
            assert_eq!(round_trip(&value), value, "{text:?}");
        }
    }

    #[test]
    fn it_reads_as_a_person_would_write_it() {
        let value = json!({
            "prompt_id": "a.b", "version": 3, "inputs": [{"name": "x", "required": true, "default": null}],
            "none": [], "map": {"on": {}}, "notes": "One.\n\n  Two: x",
        });
        let text = "prompt_id: \"a.b\"\nversion: 3\ninputs:\n  - name: \"x\"\n    required: true\n    default: null\n\
                    none: []\nmap:\n  \"on\": {}\nnotes: |-\n  One.\n\n    Two: x\n";
        assert_eq!(super::yaml(value.as_object().unwrap()), text);
        assert_eq!(round_trip(&value), value);
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[ \\n\\t#:a-c'\"-]{0,12}",
            "[0-9a-fx.:_+-]{1,8}",
            "(yes|No|on|null|true|~|nan)"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-999i32..999).prop_map(|n| Value::from(f64::from(n) / 8.0)),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(a in value(), b in value()) {
            let value = json!({ "a": a, "b": b });
            prop_assert_eq!(round_trip(&value), value);
        }
    }
}
