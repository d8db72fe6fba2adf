//! Verdicts against those of another implementation, over schemas and values that are made up.

use super::{evaluate, read};
use crate::catalog::Home;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fs;
use std::panic::{self, AssertUnwindSafe};

const NAMES: [&str; 3] = ["a", "b", "ab"];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

/// A small value, so that it has a chance to fit.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-1i32..4).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, 1.5, 2.0, -0.0, 1e20]).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "ab", "ä", "😀b"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// Keywords without schemas in them.
fn plain() -> impl Strategy<Value = (&'static str, Value)> {
    let types = vec!["array", "boolean", "integer", "null", "number", "object", "string"];
    let number =
        || prop::sample::select(vec![json!(0), json!(1), json!(1.0), json!(1.5), json!(2), json!(3)]);
    let count = || prop::sample::select(vec![json!(0), json!(1), json!(2.0), json!(3)]);
    let names = || prop::collection::btree_set(name(), 0..3).prop_map(|names| json!(names));
    let named = prop::sample::select(vec!["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]);
    let counted = prop::sample::select(vec![
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
    ]);
    prop_oneof![
        2 => prop::sample::select(types.clone()).prop_map(|name| ("type", json!(name))),
        2 => prop::sample::subsequence(types, 1..5).prop_map(|names| ("type", json!(names))),
        1 => prop::collection::vec(value(), 0..4).prop_map(|options| ("enum", json!(options))),
        1 => value().prop_map(|value| ("const", value)),
        2 => (named, number()),
        1 => prop::sample::select(vec![json!(0.5), json!(1), json!(2)]).prop_map(|of| ("multipleOf", of)),
        3 => (counted, count()),
        1 => prop::sample::select(vec!["^a", "b$", "^.$", "^[^b]*$", ""]).prop_map(|p| ("pattern", json!(p))),
        1 => any::<bool>().prop_map(|is| ("uniqueItems", json!(is))),
        2 => names().prop_map(|names| ("required", names)),
        1 => prop::collection::btree_map(name(), names(), 0..3).prop_map(|all| ("dependentRequired", json!(all))),
        1 => Just(("format", json!("email"))),
    ]
}

/// References to the definitions behind `level`, so that none goes round on one value: that is left to the standard.
fn references(level: usize) -> Vec<(&'static str, Value)> {
    // The first two are parts of the file, and the others have names of their own. No `$ref` leads to a
    // `$dynamicAnchor` by its name, which the other implementation takes for a `$dynamicRef`.
    let ways = |n: usize| match n {
        0 | 1 => [format!("/s.json#/$defs/d{n}"), format!("/s.json#anchor{n}")],
        _ => [format!("/s.json#/$defs/d{n}"), format!("d{n}.json")],
    };
    (level..4).flat_map(ways).map(|to| ("$ref", json!(to))).collect()
}

/// A schema whose references lead behind `level`.
fn schema(level: usize) -> BoxedStrategy<Value> {
    let some = |pairs: Vec<(&'static str, Value)>| {
        Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    };
    let first = prop_oneof![
        1 => any::<bool>().prop_map(Value::from),
        5 => prop::collection::vec(plain(), 0..4).prop_map(some),
        1 => prop::collection::vec(plain(), 0..2).prop_map(some),
    ];
    let references = references(level);
    // Back to the whole, or to whatever the dynamic scope has, where the value is smaller.
    let back = prop::sample::select(vec![
        json!({"$ref": "/s.json"}),
        json!({"$dynamicRef": "#n"}),
        json!({"$dynamicRef": "/s.json#n"}),
        json!({"$ref": "/d3.json#/$defs/in"}),
        json!({"$dynamicRef": "/d3.json#/$defs/in"}),
        json!(false),
    ]);
    first
        .prop_recursive(3, 20, 3, move |inner| {
            let below = || prop_oneof![4 => inner.clone(), 1 => back.clone()];
            let list = || prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from);
            let whole = prop::sample::select(vec!["allOf", "anyOf", "oneOf"]);
            let one = prop::sample::select(vec!["not", "if", "then", "else"]);
            let child = prop::sample::select(vec![
                "additionalProperties",
                "unevaluatedProperties",
                "items",
                "contains",
                "unevaluatedItems",
                "propertyNames",
                "contentSchema",
            ]);
            let map = |inner| prop::collection::btree_map(name(), inner, 0..3).prop_map(|all| json!(all));
            let pattern = prop::sample::select(vec!["^a", "b$", "."]).prop_map(str::to_owned);
            let mut keywords = vec![
                plain().boxed(),
                (whole, list()).boxed(),
                (one, inner.clone()).boxed(),
                (child, below()).boxed(),
                map(below().boxed()).prop_map(|all| ("properties", all)).boxed(),
                map(inner.clone()).prop_map(|all| ("dependentSchemas", all)).boxed(),
                prop::collection::btree_map(pattern, below(), 0..3)
                    .prop_map(|all| ("patternProperties", json!(all)))
                    .boxed(),
                prop::collection::vec(below(), 1..4).prop_map(|all| ("prefixItems", json!(all))).boxed(),
                prop::sample::select(vec!["unevaluatedProperties", "unevaluatedItems"])
                    .prop_map(|name| (name, json!(false)))
                    .boxed(),
            ];
            if !references.is_empty() {
                keywords.push(prop::sample::select(references.clone()).boxed());
            }
            prop::collection::vec(prop::strategy::Union::new(keywords), 1..5).prop_map(some)
        })
        .boxed()
}

/// A file with definitions: two are parts of it, two have names of their own.
fn file() -> impl Strategy<Value = Value> {
    let definitions = (schema(1), schema(2), schema(3), schema(4), schema(4), any::<[bool; 4]>());
    (schema(0), definitions).prop_map(|(mut whole, (d0, d1, d2, d3, within, dynamic))| {
        let mut definitions = Map::new();
        for (n, mut definition) in [d0, d1, d2, d3].into_iter().enumerate() {
            if !definition.is_object() {
                definition = json!({"allOf": [definition]});
            }
            if n < 2 {
                definition["$anchor"] = json!(format!("anchor{n}"));
            } else {
                definition["$id"] = json!(format!("/d{n}.json"));
                definition[if dynamic[n] { "$dynamicAnchor" } else { "$anchor" }] = json!("n");
            }
            if n == 3 {
                definition["$defs"] = json!({"in": within});
            }
            definitions.insert(format!("d{n}"), definition);
        }
        if !whole.is_object() {
            whole = json!({"allOf": [whole]});
        }
        whole["$defs"] = Value::Object(definitions);
        whole[if dynamic[0] { "$dynamicAnchor" } else { "$anchor" }] = json!("n");
        whole
    })
}

/// What the other implementation says.
fn oracle(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_base_uri("promptos-schemas:///s.json")
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .unwrap()
}

/// What is a schema and what is none is what the meta-schema says, keyword by keyword.
#[test]
fn schemas_are_those_of_the_meta_schema() {
    let keywords = "$id $schema $ref $anchor $dynamicRef $dynamicAnchor $vocabulary $comment $defs allOf anyOf oneOf not if \
        then else dependentSchemas properties patternProperties additionalProperties propertyNames prefixItems items \
        contains unevaluatedItems unevaluatedProperties type enum const multipleOf maximum exclusiveMaximum minimum \
        exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems maxContains minContains maxProperties \
        minProperties required dependentRequired title description default deprecated readOnly writeOnly examples format \
        contentEncoding contentMediaType contentSchema definitions dependencies $recursiveRef $recursiveAnchor unknown";
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(2.0),
        json!("a"),
        json!("null"),
        json!("9 "),
        json!([]),
        json!(["a"]),
        json!(["null", "array"]),
        json!(["a", "a"]),
        json!([{}]),
        json!([true, 1]),
        json!({}),
        json!({"a": true}),
        json!({"a": ["b"]}),
        json!({"a": ["b", "b"]}),
        json!({"a": {"minItems": -1}}),
        json!({"minItems": -1}),
        json!({"type": "nul"}),
        json!({"a": "b"}),
        json!([{"required": 1}]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let home = Home::Folder(folder.path().to_owned());
    for keyword in keywords.split_whitespace() {
        for value in &values {
            // These say something that no meta-schema looks into: there is no such file, or draft, or that is no URI.
            let names = ["$id", "$schema", "$ref", "$dynamicRef", "$recursiveRef"].contains(&keyword);
            if names && value.is_string() {
                continue;
            }
            let schema = json!({"properties": {"p": {keyword: value}}});
            fs::write(folder.path().join("s.json"), schema.to_string()).unwrap();
            let read = read::Schemas::read(&home, "s.json").err();
            assert_eq!(read.is_none(), jsonschema::draft202012::meta::is_valid(&schema), "{schema} {read:?}");
            assert!(read.is_none_or(|why| why.contains(&format!("`/properties/p/{keyword}"))), "{schema}");
        }
    }
}

proptest! {
    #[test]
    fn verdicts_are_those_of_another_implementation(text in file().prop_map(Text), values in prop::collection::vec(value().prop_map(Text), 12)) {
        let Text(schema) = &text;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("s.json"), schema.to_string()).unwrap();
        let home = Home::Folder(folder.path().to_owned());
        let schemas = read::Schemas::read(&home, "s.json").map_err(TestCaseError::fail)?;
        let other = oracle(schema);
        for Text(value) in &values {
            // It panics where references go round in some ways.
            let Ok(fits) = panic::catch_unwind(AssertUnwindSafe(|| other.is_valid(value))) else { continue };
            let misfits = evaluate::misfits(&schemas, value, usize::MAX).map_err(TestCaseError::fail)?;
            prop_assert_eq!(misfits.is_empty(), fits, "{} {:?}", value, misfits);
            let first = evaluate::misfits(&schemas, value, 1).map_err(TestCaseError::fail)?;
            prop_assert_eq!(first.is_empty(), misfits.is_empty());
            for misfit in misfits {
                let owner = value.pointer(&misfit.pointer);
                let is_there = |name: &String| owner.and_then(|owner| owner.get(name)).is_some();
                prop_assert!(owner.is_some() && misfit.member.as_ref().is_none_or(is_there), "{:?}", misfit);
                prop_assert!(schema.pointer(&misfit.keyword).is_some(), "{:?}", misfit);
            }
        }
    }
}

/// A value that is shown as JSON when a test fails.
struct Text(Value);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
