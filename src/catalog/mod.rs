//! Prompt files: dialects, lint, resolution.
//!
//! A prompt is a Markdown file with YAML frontmatter in one of several dialects, all read into one model,
//! [`Prompt`]. A [`Catalog`] collects them from its sources (folders, git revisions, ledgers, the gates compiled
//! into this program) and says what a ref or an id stands for. Lint says what is wrong with a file, with a stable
//! code and a place for each [`Finding`]; [`RULES`] is the table of everything it can say, and [`RENDER_RULES`] that of
//! what rendering can. [`secrets`] looks for credentials in prompts, notes and attachments alike. [`Schemas`] has the
//! schemas that contracts name.

mod allow;
mod bounds;
mod builtin;
mod check;
mod compare;
mod contract;
mod convert;
mod dialect;
mod emit;
mod excerpt;
mod fields;
mod filters;
mod finding;
mod fix;
mod inputs;
mod language;
mod lint;
mod parse;
mod paths;
mod policy;
mod prompt;
mod resolve;
mod rules;
mod safety;
mod sarif;
mod schema;
pub mod secrets;
mod source;
mod tags;
mod template;
mod text;
mod tree;
mod version;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use check::in_file;
pub use compare::{Asked, Change, Comparison, Impact, compare};
pub(crate) use contract::leaves;
pub use convert::{Conversion, Converted, Fate, FieldFate, convert};
pub(crate) use dialect::TNH_INPUT;
pub use excerpt::Excerpt;
pub(crate) use excerpt::attach as attach_excerpts;
pub use finding::{Finding, Severity, render};
pub(crate) use finding::{counted, lossy, quoted};
pub use fix::{Fix, Fixed, FixedFile, fix};
pub(crate) use language::unknown;
pub use language::{FILTERS, FUNCTIONS, METHODS, TESTS, environment};
pub use lint::{
    Options, Report, lint_file, lint_file_with, lint_path, lint_path_with, lint_source, lint_source_with,
};
pub(crate) use parse::too_large;
pub use parse::{MAX_PROMPT_BYTES, Parsed, Problem, parse, parse_any};
pub use policy::{Level, Policy, Strictly};
pub use prompt::{Artifact, Contract, Dialect, Duty, Input, Layer, Mode, Places, Prompt, Strictness};
pub use resolve::Catalog;
pub(crate) use rules::{
    RENDER_EXTRA, RENDER_FAILED, RENDER_LIMIT, RENDER_MISSING, RENDER_OUTSIDE, RENDER_SYNTAX, RENDER_TYPE,
    RENDER_UNDEFINED, rules,
};
pub use rules::{RENDER_RULES, RULES, Rule, rule, rules_page, similar_rules};
pub use sarif::sarif;
pub(crate) use schema::DRAFT;
pub use schema::{Home, MAX_SCHEMA_BYTES, SCHEMA_FOLDER, Schema, Schemas};
pub(crate) use source::Content;
pub use source::{Held, Located, Locator, Origin, Source, is_wanted};
pub(crate) use tags::tags;
pub use template::variables as template_variables;
pub(crate) use template::{TemplateError, check as check_template, describe as describe_error};
pub use text::Position;
pub use version::{compare as compare_versions, is_id, is_version, split_ref};
