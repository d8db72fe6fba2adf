//! What is said of values, keyword by keyword of Draft 2020-12.

use crate::output::tests::{against, refused, refused_of};
use serde_json::{Value, json};

/// A schema fits `fits` and says of `not` what `said` has, each with its pointer.
fn holds(schema: Value, fits: &[Value], not: Value, said: &[(&str, &str)]) {
    for value in fits {
        assert_eq!(against(schema.clone(), value), [], "{schema} {value}");
    }
    let faults = against(schema.clone(), &not);
    let faults: Vec<_> = faults.iter().map(|(pointer, said)| (pointer.as_str(), said.as_str())).collect();
    assert_eq!(faults, said, "{schema} {not}");
}

#[test]
fn of_any_value() {
    holds(
        json!({"type": "integer"}),
        &[json!(1), json!(1.0), json!(-1e20)],
        json!(1.5),
        &[("", "the answer is not of type \"integer\"")],
    );
    holds(
        json!({"type": ["null", "array"]}),
        &[json!(null), json!([])],
        json!({}),
        &[("", "the answer is not of types \"null\", \"array\"")],
    );
    holds(
        json!({"enum": [1, "x", null, [1]]}),
        &[json!(1.0), json!("x"), json!([1])],
        json!("1"),
        &[("", "the answer is none of 1, \"x\", null, [1]")],
    );
    holds(
        json!({"const": {"a": [1, 2]}}),
        &[json!({"a": [1.0, 2]})],
        json!({"a": [2, 1]}),
        &[("", "the answer is not {\"a\":[1,2]}")],
    );
    holds(json!(true), &[json!(1)], json!(1), &[]);
    holds(json!(false), &[], json!(1), &[("", "the answer is not allowed")]);
    // An annotation, as the draft has it.
    holds(json!({"format": "email"}), &[json!("x")], json!(1), &[]);
    holds(
        json!({"contentMediaType": "application/json", "contentSchema": false}),
        &[json!("{")],
        json!(1),
        &[],
    );
}

#[test]
fn of_numbers() {
    holds(
        json!({"minimum": 3}),
        &[json!(3), json!("2")],
        json!(2.9),
        &[("", "the answer is less than the minimum of 3")],
    );
    holds(
        json!({"maximum": 3.5}),
        &[json!(3.5)],
        json!(4),
        &[("", "the answer is greater than the maximum of 3.5")],
    );
    holds(
        json!({"exclusiveMinimum": 3}),
        &[json!(3.1)],
        json!(3),
        &[("", "the answer is less than or equal to the minimum of 3")],
    );
    holds(
        json!({"exclusiveMaximum": 3}),
        &[json!(2)],
        json!(3),
        &[("", "the answer is greater than or equal to the maximum of 3")],
    );
    let cents = [19.99, 0.07, 4.35, 1.1, -0.29, 0.0, 1e22];
    holds(
        json!({"multipleOf": 0.01}),
        &cents.map(|n| json!(n)),
        json!(1.005),
        &[("", "the answer is not a multiple of 0.01")],
    );
    holds(
        json!({"multipleOf": 1e-8}),
        &[json!(12391239123u64)],
        json!(1e-9),
        &[("", "the answer is not a multiple of 1e-8")],
    );
    holds(
        json!({"multipleOf": 0.5}),
        &[json!(1e308)],
        json!(0.7),
        &[("", "the answer is not a multiple of 0.5")],
    );
    // Also where that it is one decides between alternatives.
    let schema = json!({"items": {"anyOf": [{"multipleOf": 0.01}, {"$ref": "#/$defs/text"}]},
        "contains": {"multipleOf": 0.01}, "$defs": {"text": {"type": "string"}}});
    holds(
        schema,
        &[json!([19.99, "x"])],
        json!([19.999]),
        &[
            ("", "the answer has no item that fits what the schema has it contain"),
            ("/0", "`/0` fits none of 2 alternatives"),
        ],
    );
    holds(
        json!({"oneOf": [{"multipleOf": 0.1}, {"multipleOf": 0.07}]}),
        &[json!(0.3)],
        json!(0.11),
        &[("", "the answer fits none of 2 alternatives")],
    );
}

#[test]
fn of_texts() {
    holds(
        json!({"minLength": 2}),
        &[json!("ab"), json!("äö")],
        json!("😀"),
        &[("", "the answer is shorter than 2 characters")],
    );
    holds(
        json!({"maxLength": 1}),
        &[json!("😀")],
        json!("ab"),
        &[("", "the answer is longer than 1 character")],
    );
    // The pattern is told as the schema has it.
    holds(
        json!({"pattern": "^[\\w-]\\d$"}),
        &[json!("-5")],
        json!("-٣"),
        &[("", "the answer does not match the pattern `^[\\w-]\\d$`")],
    );
    let definition = json!({"$defs": {"a b%": {"pattern": "\\d"}}, "$ref": "#/$defs/a%20b%25"});
    holds(definition, &[json!("1")], json!("a"), &[("", "the answer does not match the pattern `\\d`")]);
}

#[test]
fn of_lists() {
    holds(json!({"minItems": 1}), &[json!([1])], json!([]), &[("", "the answer has less than 1 item")]);
    holds(
        json!({"maxItems": 2}),
        &[json!([1])],
        json!([1, 2, 3]),
        &[("", "the answer has more than 2 items")],
    );
    holds(
        json!({"uniqueItems": true}),
        &[json!([1, "1", [1]])],
        json!([[1], [1.0]]),
        &[("", "the items of the answer are not all different")],
    );
    holds(
        json!({"contains": {"const": 1}}),
        &[json!([0, 1])],
        json!([]),
        &[("", "the answer has no item that fits what the schema has it contain")],
    );
    holds(
        json!({"contains": {"const": 1}, "minContains": 2}),
        &[json!([1, 1])],
        json!([1]),
        &[("", "the answer has less than 2 items that fit what the schema has it contain")],
    );
    holds(
        json!({"contains": {"const": 1}, "maxContains": 1}),
        &[json!([1, 0])],
        json!([1, 1]),
        &[("", "the answer has more than 1 item that fit what the schema has it contain")],
    );
    holds(
        json!({"prefixItems": [{"type": "null"}], "items": false}),
        &[json!([null])],
        json!([1, 2, 3]),
        &[
            ("/0", "`/0` is not of type \"null\""),
            ("/1", "`/1` is not allowed"),
            ("/2", "`/2` is not allowed"),
        ],
    );
    holds(
        json!({"prefixItems": [true], "unevaluatedItems": {"type": "null"}}),
        &[json!([1, null])],
        json!([1, 2]),
        &[("/1", "`/1` is not of type \"null\"")],
    );
}

/// Behind first items of their own, others have their places, however the schema comes to them.
#[test]
fn items_are_counted_from_the_first() {
    let row =
        json!({"prefixItems": [true, true], "items": {"properties": {"a/b": {"items": {"type": "null"}}}}});
    let table = json!({
        "$defs": {"row": row}, "prefixItems": [true],
        "items": {"anyOf": [{"allOf": [{"$ref": "#/$defs/row"}, {"minItems": 1}]}]},
    });
    let value = json!([0, [0, 0, {"a/b": [1]}], [0, 0, 0, {"a/b": [null, null, 1]}]]);
    holds(
        table.clone(),
        &[json!([0, [0, 0, {"a/b": [null]}]])],
        value,
        &[
            ("/1/2/a~1b/0", "`/1/2/a~1b/0` is not of type \"null\""),
            ("/2/3/a~1b/2", "`/2/3/a~1b/2` is not of type \"null\""),
        ],
    );
    let named = json!({"prefixItems": [true], "items": {"properties": {"items": {"type": "null"}}}});
    holds(
        json!({"properties": {"items": named}}),
        &[],
        json!({"items": [0, {"items": 1}]}),
        &[("/items/1/items", "`/items/1/items` is not of type \"null\"")],
    );
    let tree =
        json!({"$dynamicAnchor": "n", "prefixItems": [{"type": "string"}], "items": {"$dynamicRef": "#n"}});
    holds(
        tree,
        &[json!(["a", ["b", ["c"]]])],
        json!(["a", ["b"], ["c", ["d"], [1]]]),
        &[("/2/2/0", "`/2/2/0` is not of type \"string\"")],
    );
}

#[test]
fn of_objects() {
    holds(
        json!({"required": ["a", "b"]}),
        &[json!({"a": 1, "b": 1}), json!(1)],
        json!({}),
        &[("", "the answer has no `a`"), ("", "the answer has no `b`")],
    );
    holds(
        json!({"minProperties": 1}),
        &[json!({"a": 1})],
        json!({}),
        &[("", "the answer has less than 1 property")],
    );
    holds(
        json!({"maxProperties": 2}),
        &[json!({})],
        json!({"a": 1, "b": 1, "c": 1}),
        &[("", "the answer has more than 2 properties")],
    );
    let schema = json!({"patternProperties": {"^\\d+$": {"type": "null"}}, "additionalProperties": {"type": "string"}});
    holds(
        schema,
        &[json!({"1": null, "a": "x"})],
        json!({"1": 1, "٣": 1}),
        &[("/1", "`/1` is not of type \"null\""), ("/٣", "`/٣` is not of type \"string\"")],
    );
    holds(
        json!({"dependentRequired": {"a": ["b", "c"]}}),
        &[json!({"b": 1})],
        json!({"a": 1, "b": 1}),
        &[("", "the answer has `a` and no `c`")],
    );
    holds(
        json!({"dependentSchemas": {"a": {"required": ["b"]}}}),
        &[json!({})],
        json!({"a": 1}),
        &[("", "the answer has no `b`")],
    );
    holds(
        json!({"unevaluatedProperties": {"type": "null"}}),
        &[json!({"a": null})],
        json!({"a": 1}),
        &[("/a", "`/a` is not of type \"null\"")],
    );
}

/// A name is told of the object that has it.
#[test]
fn names_have_their_objects() {
    let names = json!({"$defs": {"n": {"propertyNames": {"pattern": "^[a-z]$"}}}, "$ref": "#/$defs/n",
        "additionalProperties": {"prefixItems": [true], "items": {"$ref": "#/$defs/n"}}});
    let value = json!({"x": [0, {"a": 1}, {"A": {"A": 1}}], "y": [0, {"A": 1}], "A": 1});
    holds(
        names,
        &[json!({"x": [0, {"a": 1}]})],
        value,
        &[
            ("/x/2/A", "`/x/2` has `A`, which the schema does not allow"),
            ("/y/1/A", "`/y/1` has `A`, which the schema does not allow"),
            ("/A", "the answer has `A`, which the schema does not allow"),
        ],
    );
}

#[test]
fn of_parts() {
    holds(
        json!({"allOf": [{"minimum": 1}, {"maximum": 0}]}),
        &[],
        json!(0.5),
        &[
            ("", "the answer is less than the minimum of 1"),
            ("", "the answer is greater than the maximum of 0"),
        ],
    );
    holds(
        json!({"anyOf": [{"minimum": 1}, {"type": "null"}]}),
        &[json!(1), json!(null)],
        json!(0),
        &[("", "the answer fits none of 2 alternatives")],
    );
    let one = json!({"oneOf": [{"minimum": 1}, {"maximum": 2}]});
    holds(one, &[json!(0), json!(3)], json!(1), &[("", "the answer fits more than one of the alternatives")]);
    holds(
        json!({"not": {"type": "null"}}),
        &[json!(1)],
        json!(null),
        &[("", "the answer is what the schema excludes")],
    );
    let parts = json!({"if": {"type": "string"}, "then": {"minLength": 1}, "else": {"minimum": 1}});
    holds(
        parts.clone(),
        &[json!("a"), json!(1)],
        json!(""),
        &[("", "the answer is shorter than 1 character")],
    );
    holds(parts, &[], json!(0), &[("", "the answer is less than the minimum of 1")]);
    let base = json!({"$defs": {"base": {"properties": {"a": {"type": "null"}, "b": true}}}, "$ref": "#/$defs/base",
        "properties": {"c": true}, "unevaluatedProperties": false});
    holds(
        base.clone(),
        &[json!({"a": null, "b": 1, "c": 1})],
        json!({"a": null, "d": 1}),
        &[("/d", "the answer has `d`, which the schema does not allow")],
    );
    holds(
        json!({"allOf": [{"additionalProperties": {"type": "null"}}], "unevaluatedProperties": false}),
        &[json!({"a": null})],
        json!({"a": 1}),
        &[("/a", "`/a` is not of type \"null\"")],
    );
    // What an alternative would know is not said to be unknown when none fits.
    holds(
        json!({"anyOf": [{"properties": {"a": true}, "required": ["b"]}, {"type": "null"}], "unevaluatedProperties": false}),
        &[json!(null)],
        json!({"a": 1}),
        &[("", "the answer fits none of 2 alternatives")],
    );
    // What the part knows that failed is not said to be unknown.
    holds(base, &[], json!({"a": 1, "b": 1}), &[("/a", "`/a` is not of type \"null\"")]);
}

/// A reference that comes back to the same value demands nothing more.
#[test]
fn references_may_go_round() {
    let pets = json!({"$ref": "#/$defs/pet", "$defs": {
        "pet": {"anyOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}]},
        "cat": {"allOf": [{"$ref": "#/$defs/pet"}, {"required": ["meow"]}]},
        "dog": {"required": ["bark"]},
    }});
    holds(
        pets,
        &[json!({"meow": 1}), json!({"bark": 1})],
        json!({}),
        &[("", "the answer fits none of 2 alternatives")],
    );
    holds(
        json!({"allOf": [{"$ref": "#"}, {"type": "null"}]}),
        &[json!(null)],
        json!(1),
        &[("", "the answer is not of type \"null\"")],
    );
}

/// A `$dynamicRef` leads to the outermost resource that has the anchor, of those through which evaluation came.
#[test]
fn dynamic_references_go_by_the_way() {
    let tree = json!({"$ref": "strict.json", "$defs": {
        "strict": {"$id": "strict.json", "$dynamicAnchor": "node", "$ref": "tree.json", "unevaluatedProperties": false},
        "tree": {"$id": "tree.json", "$dynamicAnchor": "node",
            "properties": {"data": true, "children": {"items": {"$dynamicRef": "#node"}}}},
    }});
    holds(
        tree,
        &[json!({"children": [{"data": 1}]})],
        json!({"children": [{"daat": 1}]}),
        &[("/children/0/daat", "`/children/0` has `daat`, which the schema does not allow")],
    );
    // A resource that has been left is no more on the way.
    let left = json!({"allOf": [{"$ref": "left.json"}, {"properties": {"x": {"$ref": "list.json"}}}], "$defs": {
        "left": {"$id": "left.json", "$dynamicAnchor": "n", "type": "object"},
        "list": {"$id": "list.json", "$dynamicAnchor": "n", "type": "array", "items": {"$dynamicRef": "#n"}},
    }});
    holds(left, &[json!({"x": [[]]})], json!({"x": [{}]}), &[("/x/0", "`/x/0` is not of type \"array\"")]);
}

/// Below a keyword that is unknown, a schema belongs to the resource around it.
#[test]
fn references_lead_anywhere_in_a_file() {
    let inner = json!({"$id": "inner/s.json", "x": {"a/b%": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "null"}}});
    let schema =
        json!({"$ref": "inner/s.json#/x/a~1b%25", "$defs": {"inner": inner, "n": {"type": "string"}}});
    holds(schema, &[json!(null)], json!("a"), &[("", "the answer is not of type \"null\"")]);
}

/// What nests too deeply for a thread's stack is said to, in whatever way references lead on.
#[test]
fn references_nest_only_so_deep() {
    for way in [
        "{}",
        "{\"allOf\":[{}]}",
        "{\"anyOf\":[{},false]}",
        "{\"not\":{}}",
        "{\"if\":{}}",
        "{\"dependentSchemas\":{\"a\":{}}}",
        "{\"if\":true,\"then\":{\"oneOf\":[false,{}]}}",
    ] {
        let chain = |length: usize| {
            let next = |n| way.replace("{}", &format!("{{\"$ref\":\"#/$defs/{n}\"}}"));
            let mut all: Vec<_> = (0..length).map(|n| format!("\"{n}\":{}", next(n + 1))).collect();
            all.push(format!("\"{length}\":true"));
            let schema = format!("{{\"$ref\":\"#/$defs/0\",\"$defs\":{{{}}}}}", all.join(","));
            serde_json::from_str::<Value>(&schema).unwrap()
        };
        let deep = refused_of(chain(2000), &json!({"a": 1}));
        assert!(deep.contains("nests too deeply"), "{way}: {deep}");
        against(chain(100), &json!({"a": 1}));
    }
    // Values nest no deeper than what reads them, and a schema may take several steps for each level of one.
    let list = json!({"$ref": "#/$defs/list", "$defs": {
        "list": {"anyOf": [{"type": "null"}, {"allOf": [{"$ref": "#/$defs/items"}]}]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/list"}},
    }});
    let mut value = json!(null);
    for _ in 0..120 {
        value = json!([value]);
    }
    assert_eq!(against(list, &value), []);
}

#[test]
fn schemas_are_refused_with_the_place() {
    for (schema, why) in [
        (
            json!({"properties": {"a": {"items": {"minLength": -1}}}}),
            "`/properties/a/items/minLength` is less than",
        ),
        (json!({"minLength": 1.5}), "`/minLength` is not of type \"integer\""),
        (json!({"multipleOf": 0}), "`/multipleOf` is less than or equal to the minimum of 0"),
        (json!({"allOf": []}), "`/allOf` has less than 1 item"),
        (json!({"items": [true]}), "`/items` is not of types"),
        (json!({"if": 3}), "`/if` is not of types"),
        (json!({"patternProperties": {"(": true}}), "at `/patternProperties/(`: `(` is no pattern"),
        (json!({"pattern": "\\p{Foo}"}), "`\\p{Foo}` is no pattern"),
        (json!({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}), "have the same anchor `x`"),
        (json!({"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}}), "have the same `$id`"),
        (json!({"$ref": "#nowhere"}), "its `$ref` leads to `#nowhere`, which does not exist"),
        (json!({"$ref": "#/x/a", "x": {"a": {"type": "nul"}}}), "`/x/a/type` is none of `array`, `boolean`,"),
        (json!({"$ref": "a b.json"}), "`/$ref` is no uri-reference"),
        (json!({"$id": "#a"}), "`/$id` does not match the pattern"),
        (json!({"$anchor": "9"}), "`/$anchor` does not match the pattern"),
        (json!({"type": ["null", "nul"]}), "`/type/1` is none of"),
        (json!({"dependentRequired": {"a": ["b", 1]}}), "`/dependentRequired/a/1` is not of type \"string\""),
        (json!({"$dynamicRef": "#x"}), "its `$dynamicRef` leads to `#x`, which does not exist"),
        (
            json!({"$defs": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}),
            "at `/$defs/a/$schema`: only JSON Schema Draft 2020-12 is read",
        ),
        (
            json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
            "leads to `https://json-schema.org/draft/2020-12/schema`: nothing is fetched",
        ),
    ] {
        let error = refused(schema);
        assert!(error.contains(why), "{why}: {error}");
    }
    // What is no schema is not read as one.
    holds(
        json!({"const": {"pattern": "("}, "x-note": {"pattern": "(?=a)"}}),
        &[json!({"pattern": "("})],
        json!(1),
        &[("", "the answer is not {\"pattern\":\"(\"}")],
    );
}

/// An answer may hold what no log should: its values are in no message, whatever is wrong with them.
#[test]
fn no_message_has_a_value() {
    let (text, number) = (json!("ghp_x"), json!(271_828));
    for schema in [
        json!({"type": "null"}),
        json!({"const": 1}),
        json!({"enum": [1]}),
        json!({"pattern": "^a$", "minimum": 300_000, "maxLength": 1, "multipleOf": 7}),
        json!({"not": true}),
        json!({"anyOf": [{"const": 1}, {"pattern": "^a$", "maximum": 1}]}),
        json!({"oneOf": [true, true]}),
        json!(false),
    ] {
        for value in [&text, &number] {
            let lists = json!({"items": schema, "contains": schema, "uniqueItems": true});
            let object = json!({"unevaluatedProperties": schema, "properties": {"b": lists}});
            let faults = against(object, &json!({"a": value, "b": [value, value]}));
            assert!(faults.len() >= 4, "{faults:?}");
            let said = format!("{faults:?}");
            assert!(!said.contains("ghp_x") && !said.contains("271828"), "{said}");
        }
    }
}
