//! Where a value does not fit its schema, in words without the value itself: it may hold what no terminal or log should.

use super::keyword::{Keyword, missing};
use crate::catalog::{counted, quoted};
use crate::json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// A JSON Pointer (RFC 6901) to it.
    pub pointer: String,
    /// The name that must not be there, if that is what is wrong.
    pub member: Option<String>,
    /// A JSON Pointer into the schema.
    pub keyword: String,
    /// What is wrong.
    pub message: String,
    /// Something that may help.
    pub hint: Option<String>,
}

/// Where in an answer a value is.
pub(super) enum At<'a> {
    Answer,
    Member(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
    /// The name of a member, which has no pointer.
    Name,
}

impl At<'_> {
    pub(super) fn pointer(&self) -> String {
        match self {
            At::Answer | At::Name => String::new(),
            At::Member(owner, name) => format!("{}/{}", owner.pointer(), json::pointer_part(name)),
            At::Item(owner, n) => format!("{}/{n}", owner.pointer()),
        }
    }

    /// As the beginning of a sentence.
    pub(super) fn subject(&self) -> String {
        match self {
            At::Answer => "the answer".to_owned(),
            At::Name => "the name".to_owned(),
            _ => quoted(&self.pointer()),
        }
    }
}

/// The name of a keyword that a value does not [fit](super::keyword::holds), and what is wrong, as the ends of
/// sentences about the value.
pub(super) fn said(keyword: &Keyword, value: &Value) -> (&'static str, Vec<String>) {
    let (name, said) = match keyword {
        Keyword::Type(types) => ("type", of_types(types)),
        Keyword::Enum(options) => {
            let options: Vec<_> = options.iter().map(|option| option.written.as_str()).collect();
            ("enum", format!("is none of {}", options.join(", ")))
        }
        Keyword::Const(constant) => ("const", format!("is not {}", constant.written)),
        Keyword::MultipleOf(of) => ("multipleOf", format!("is not a multiple of {}", of.written)),
        Keyword::Maximum(limit) => ("maximum", format!("is greater than the maximum of {}", limit.written)),
        Keyword::ExclusiveMaximum(limit) => {
            ("exclusiveMaximum", format!("is greater than or equal to the maximum of {}", limit.written))
        }
        Keyword::Minimum(limit) => ("minimum", format!("is less than the minimum of {}", limit.written)),
        Keyword::ExclusiveMinimum(limit) => {
            ("exclusiveMinimum", format!("is less than or equal to the minimum of {}", limit.written))
        }
        Keyword::MaxLength(most) => ("maxLength", format!("is longer than {}", counted(*most, "character"))),
        Keyword::MinLength(least) => {
            ("minLength", format!("is shorter than {}", counted(*least, "character")))
        }
        Keyword::Pattern(_, written) => {
            ("pattern", format!("does not match the pattern {}", quoted(written)))
        }
        Keyword::MaxItems(most) => ("maxItems", format!("has more than {}", counted(*most, "item"))),
        Keyword::MinItems(least) => ("minItems", format!("has less than {}", counted(*least, "item"))),
        Keyword::MaxProperties(most) => {
            ("maxProperties", format!("has more than {}", counted(*most, "property")))
        }
        Keyword::MinProperties(least) => {
            ("minProperties", format!("has less than {}", counted(*least, "property")))
        }
        Keyword::Required(_) => {
            return (
                "required",
                missing(keyword, value).map(|(_, name)| format!("has no {}", quoted(name))).collect(),
            );
        }
        Keyword::DependentRequired(_) => {
            let said = |(because, name): (Option<&str>, &str)| {
                format!("has {} and no {}", quoted(because.unwrap_or_default()), quoted(name))
            };
            return ("dependentRequired", missing(keyword, value).map(said).collect());
        }
        // The schema is `false`; all others are told where they are compared.
        _ => ("", "is not allowed".to_owned()),
    };
    (name, vec![said])
}

/// That something has none of these types.
pub(super) fn of_types(types: &[&str]) -> String {
    let names: Vec<_> = types.iter().map(|name| format!("\"{name}\"")).collect();
    format!("is not of type{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}
