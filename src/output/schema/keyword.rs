//! What the keywords of a schema demand (Core 2020-12, sections 10 and 11; Validation 2020-12, section 6). Each is read
//! as the meta-schema has it; those that it does not know are annotations.

use super::misfit::of_types;
use super::pattern;
use super::read::{Id, Place, Reader};
use super::value::{Decimal, canonical};
use crate::catalog::quoted;
use regex::Regex;
use serde_json::{Map, Number, Value};
use std::collections::{BTreeSet, HashMap};

/// The names of types.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// A demand of a schema.
pub(super) enum Keyword {
    /// The schema is `false`.
    Never,
    Ref(Id),
    /// Where it leads to at first, and the `$dynamicAnchor` there.
    DynamicRef(Id, String),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        test: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
    DependentSchemas(Vec<(String, Id)>),
    /// `properties`, `patternProperties` and `additionalProperties`, which are about each other.
    Properties {
        named: HashMap<String, Id>,
        patterns: Vec<(Regex, Id)>,
        additional: Option<Id>,
    },
    PropertyNames(Id),
    /// `prefixItems` and `items`.
    Items {
        first: Vec<Id>,
        rest: Option<Id>,
    },
    Contains {
        schema: Id,
        least: Option<u64>,
        most: Option<u64>,
    },
    UnevaluatedItems(Id),
    UnevaluatedProperties(Id),
    UniqueItems,
    Type(Vec<&'static str>),
    Enum(Vec<Constant>),
    Const(Constant),
    MultipleOf(Limit),
    Maximum(Limit),
    ExclusiveMaximum(Limit),
    Minimum(Limit),
    ExclusiveMinimum(Limit),
    MaxLength(u64),
    MinLength(u64),
    /// With the pattern as it is written.
    Pattern(Regex, String),
    MaxItems(u64),
    MinItems(u64),
    MaxProperties(u64),
    MinProperties(u64),
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
}

/// A value to be equal to: as it is written, and [to be compared](canonical).
pub(super) struct Constant {
    pub(super) written: String,
    canonical: String,
}

/// A number to be compared with.
pub(super) struct Limit {
    pub(super) written: Number,
    pub(super) decimal: Decimal,
}

impl Reader<'_> {
    /// Reads the keywords of the schema object at `place`.
    pub(super) fn keywords(
        &mut self,
        id: Id,
        members: &Map<String, Value>,
        place: &Place,
    ) -> Result<Vec<Keyword>, String> {
        let (mut found, mut last) = (Vec::new(), Vec::new());
        let (mut named, mut patterns, mut additional) = (HashMap::new(), Vec::new(), None);
        let (mut first, mut rest) = (Vec::new(), None);
        let (mut contains, mut least, mut most) = (None, None, None);
        let (mut test, mut then, mut otherwise) = (None, None, None);
        for (name, value) in members {
            let at = &place.below(name);
            match name.as_str() {
                "$ref" => self.refer(id, "$ref", text(value, at)?, at)?,
                "$dynamicRef" => self.refer(id, "$dynamicRef", text(value, at)?, at)?,
                "allOf" => found.push(Keyword::AllOf(self.list(value, at)?)),
                "anyOf" => found.push(Keyword::AnyOf(self.list(value, at)?)),
                "oneOf" => found.push(Keyword::OneOf(self.list(value, at)?)),
                "not" => found.push(Keyword::Not(self.schema(value, at)?)),
                "if" => test = Some(self.schema(value, at)?),
                "then" => then = Some(self.schema(value, at)?),
                "else" => otherwise = Some(self.schema(value, at)?),
                "dependentSchemas" => found.push(Keyword::DependentSchemas(self.map(value, at)?)),
                "properties" => named = self.map(value, at)?.into_iter().collect(),
                "patternProperties" => {
                    for (written, schema) in self.map(value, at)? {
                        patterns.push((compiled(&written, &at.below(&written))?, schema));
                    }
                }
                "additionalProperties" => additional = Some(self.schema(value, at)?),
                "propertyNames" => found.push(Keyword::PropertyNames(self.schema(value, at)?)),
                "prefixItems" => first = self.list(value, at)?,
                "items" => rest = Some(self.schema(value, at)?),
                "contains" => contains = Some(self.schema(value, at)?),
                "minContains" => least = Some(count(value, at)?),
                "maxContains" => most = Some(count(value, at)?),
                "unevaluatedItems" => last.push(Keyword::UnevaluatedItems(self.schema(value, at)?)),
                "unevaluatedProperties" => last.push(Keyword::UnevaluatedProperties(self.schema(value, at)?)),
                "uniqueItems" => found.extend(boolean(value, at)?.then_some(Keyword::UniqueItems)),
                "type" => found.push(Keyword::Type(types(value, at)?)),
                "enum" => found.push(Keyword::Enum(array(value, at)?.iter().map(Constant::new).collect())),
                "const" => found.push(Keyword::Const(Constant::new(value))),
                "multipleOf" => {
                    let limit = limit(value, at)?;
                    if !limit.decimal.is_positive() {
                        return Err(format!("{} is less than or equal to the minimum of 0", at.quoted()));
                    }
                    found.push(Keyword::MultipleOf(limit));
                }
                "maximum" => found.push(Keyword::Maximum(limit(value, at)?)),
                "exclusiveMaximum" => found.push(Keyword::ExclusiveMaximum(limit(value, at)?)),
                "minimum" => found.push(Keyword::Minimum(limit(value, at)?)),
                "exclusiveMinimum" => found.push(Keyword::ExclusiveMinimum(limit(value, at)?)),
                "maxLength" => found.push(Keyword::MaxLength(count(value, at)?)),
                "minLength" => found.push(Keyword::MinLength(count(value, at)?)),
                "pattern" => {
                    let written = text(value, at)?;
                    found.push(Keyword::Pattern(compiled(written, at)?, written.to_owned()));
                }
                "maxItems" => found.push(Keyword::MaxItems(count(value, at)?)),
                "minItems" => found.push(Keyword::MinItems(count(value, at)?)),
                "maxProperties" => found.push(Keyword::MaxProperties(count(value, at)?)),
                "minProperties" => found.push(Keyword::MinProperties(count(value, at)?)),
                "required" => found.push(Keyword::Required(names(value, at)?)),
                "dependentRequired" => {
                    let of =
                        |(name, value): (&String, &Value)| Ok((name.clone(), names(value, &at.below(name))?));
                    let all: Result<_, String> = object(value, at)?.iter().map(of).collect();
                    found.push(Keyword::DependentRequired(all?));
                }
                "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" => anchor(value, at)?,
                // What follows demands nothing of a value, and has its form all the same.
                "$defs" | "definitions" => drop(self.map(value, at)?),
                "dependencies" => {
                    for (name, value) in object(value, at)? {
                        match value {
                            Value::Array(_) => drop(names(value, &at.below(name))?),
                            _ => drop(self.schema(value, &at.below(name))?),
                        }
                    }
                }
                "contentSchema" => drop(self.schema(value, at)?),
                "$id" | "$schema" | "$recursiveRef" | "$comment" | "title" | "description" | "format"
                | "contentEncoding" | "contentMediaType" => drop(text(value, at)?),
                "deprecated" | "readOnly" | "writeOnly" => drop(boolean(value, at)?),
                "examples" => drop(array(value, at)?),
                "$vocabulary" => {
                    for (name, value) in object(value, at)? {
                        boolean(value, &at.below(name))?;
                    }
                }
                _ => {}
            }
        }
        if !named.is_empty() || !patterns.is_empty() || additional.is_some() {
            found.push(Keyword::Properties { named, patterns, additional });
        }
        if !first.is_empty() || rest.is_some() {
            found.push(Keyword::Items { first, rest });
        }
        found.extend(contains.map(|schema| Keyword::Contains { schema, least, most }));
        found.extend(test.map(|test| Keyword::If { test, then, otherwise }));
        found.append(&mut last);
        Ok(found)
    }

    /// An array of schemas, of which there is at least one.
    fn list(&mut self, value: &Value, at: &Place) -> Result<Vec<Id>, String> {
        let items = array(value, at)?;
        if items.is_empty() {
            return Err(format!("{} has less than 1 item", at.quoted()));
        }
        items.iter().enumerate().map(|(n, item)| self.schema(item, &at.below(&n.to_string()))).collect()
    }

    /// Schemas by name.
    fn map(&mut self, value: &Value, at: &Place) -> Result<Vec<(String, Id)>, String> {
        let of =
            |(name, schema): (&String, &Value)| Ok((name.clone(), self.schema(schema, &at.below(name))?));
        object(value, at)?.iter().map(of).collect()
    }
}

impl Constant {
    fn new(value: &Value) -> Self {
        Self { written: value.to_string(), canonical: canonical(value) }
    }
}

/// Whether a value fits a keyword that says all by itself: neither has it schemas in it, nor is it about other keywords.
pub(super) fn holds(keyword: &Keyword, value: &Value) -> bool {
    let number = |fits: &dyn Fn(Decimal) -> bool| value.as_number().is_none_or(|n| fits(Decimal::of(n)));
    let at_most = |length: Option<usize>, most: u64| length.is_none_or(|n| n as u64 <= most);
    let at_least = |length: Option<usize>, least: u64| length.is_none_or(|n| n as u64 >= least);
    let characters = || value.as_str().map(|text| text.chars().count());
    let items = || value.as_array().map(Vec::len);
    let properties = || value.as_object().map(Map::len);
    match keyword {
        Keyword::Never => false,
        Keyword::Type(types) => types.iter().any(|name| is_of_type(value, name)),
        Keyword::Enum(options) => {
            let value = canonical(value);
            options.iter().any(|option| option.canonical == value)
        }
        Keyword::Const(constant) => constant.canonical == canonical(value),
        Keyword::MultipleOf(of) => number(&|n| n.is_multiple(of.decimal)),
        Keyword::Maximum(limit) => number(&|n| n <= limit.decimal),
        Keyword::ExclusiveMaximum(limit) => number(&|n| n < limit.decimal),
        Keyword::Minimum(limit) => number(&|n| n >= limit.decimal),
        Keyword::ExclusiveMinimum(limit) => number(&|n| n > limit.decimal),
        Keyword::MaxLength(most) => at_most(characters(), *most),
        Keyword::MinLength(least) => at_least(characters(), *least),
        Keyword::Pattern(pattern, _) => value.as_str().is_none_or(|text| pattern.is_match(text)),
        Keyword::MaxItems(most) => at_most(items(), *most),
        Keyword::MinItems(least) => at_least(items(), *least),
        Keyword::MaxProperties(most) => at_most(properties(), *most),
        Keyword::MinProperties(least) => at_least(properties(), *least),
        Keyword::Required(_) | Keyword::DependentRequired(_) => missing(keyword, value).next().is_none(),
        _ => true,
    }
}

/// The names that `required` or `dependentRequired` misses in a value; of the latter, also because of which other.
pub(super) fn missing<'k>(
    keyword: &'k Keyword,
    value: &'k Value,
) -> impl Iterator<Item = (Option<&'k str>, &'k str)> {
    let object = value.as_object();
    let has = move |name: &str| object.is_none_or(|members| members.contains_key(name));
    let (required, dependent) = match keyword {
        Keyword::Required(names) => (names.as_slice(), [].as_slice()),
        Keyword::DependentRequired(dependent) => ([].as_slice(), dependent.as_slice()),
        _ => ([].as_slice(), [].as_slice()),
    };
    let required = required.iter().map(|name| (None, name.as_str()));
    let dependent = dependent
        .iter()
        .filter(move |(name, _)| has(name))
        .flat_map(|(because, names)| names.iter().map(|name| (Some(because.as_str()), name.as_str())));
    required.chain(dependent).filter(move |(_, name)| !has(name))
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(number) => name == "number" || name == "integer" && Decimal::of(number).is_integer(),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    }
}

/// Says that something is of none of these types.
fn not_of(types: &[&str], at: &Place) -> String {
    format!("{} {}", at.quoted(), of_types(types))
}

fn text<'v>(value: &'v Value, at: &Place) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| not_of(&["string"], at))
}

fn boolean(value: &Value, at: &Place) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| not_of(&["boolean"], at))
}

fn array<'v>(value: &'v Value, at: &Place) -> Result<&'v [Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| not_of(&["array"], at))
}

fn object<'v>(value: &'v Value, at: &Place) -> Result<&'v Map<String, Value>, String> {
    value.as_object().ok_or_else(|| not_of(&["object"], at))
}

fn limit(value: &Value, at: &Place) -> Result<Limit, String> {
    let number = value.as_number().ok_or_else(|| not_of(&["number"], at))?;
    Ok(Limit { written: number.clone(), decimal: Decimal::of(number) })
}

fn anchor(value: &Value, at: &Place) -> Result<(), String> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let goes_on = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name = text(value, at)?;
    let fits = name.starts_with(begins) && name.chars().all(goes_on);
    let message = || format!("{} does not match the pattern `^[A-Za-z_][-A-Za-z0-9._]*$`", at.quoted());
    fits.then_some(()).ok_or_else(message)
}

/// A number of things.
fn count(value: &Value, at: &Place) -> Result<u64, String> {
    let number = value.as_number().map(Decimal::of).filter(|number| number.is_integer());
    let number = number.ok_or_else(|| not_of(&["integer"], at))?;
    number.count().ok_or_else(|| format!("{} is less than the minimum of 0", at.quoted()))
}

/// Names, of which none is there twice.
fn names(value: &Value, at: &Place) -> Result<Vec<String>, String> {
    let of = |(n, item)| text(item, &at.below(&usize::to_string(&n))).map(str::to_owned);
    let names: Vec<_> = array(value, at)?.iter().enumerate().map(of).collect::<Result<_, _>>()?;
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        return Err(format!("the items of {} are not all different", at.quoted()));
    }
    Ok(names)
}

/// One name of a type, or several.
fn types(value: &Value, at: &Place) -> Result<Vec<&'static str>, String> {
    let known = |name: &str, at: &Place| {
        let known = TYPES.into_iter().find(|known| *known == name);
        known.ok_or_else(|| format!("{} is none of {}", at.quoted(), TYPES.map(quoted).join(", ")))
    };
    match value {
        Value::String(name) => Ok(vec![known(name, at)?]),
        Value::Array(items) if items.is_empty() => Err(format!("{} has less than 1 item", at.quoted())),
        Value::Array(_) => {
            let at_item = |(n, name): (usize, &String)| known(name, &at.below(&n.to_string()));
            names(value, at)?.iter().enumerate().map(at_item).collect()
        }
        _ => Err(not_of(&["string", "array"], at)),
    }
}

fn compiled(written: &str, at: &Place) -> Result<Regex, String> {
    let none = || format!("at {}: {} {}", at.quoted(), quoted(written), pattern::REFUSED);
    pattern::compile(written).ok_or_else(none)
}
