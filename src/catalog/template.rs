//! Jinja2 as lint sees it: syntax, variables, and the tags that reach outside.

use super::text::Position;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use std::collections::BTreeSet;

/// The engine as prompts are written for it: undefined variables are errors, nothing is HTML-escaped, and a block
/// tag leaves no blank line behind. There is no loader, so no template can reach another.
///
/// An optional input that is not supplied is to be passed as none: `{% if x %}` is an error for an undefined `x`.
///
/// # Errors
/// If the engine refuses these settings, which is a fault of this program.
pub fn environment<'source>() -> Result<Environment<'source>, Error> {
    let mut environment = Environment::new();
    environment.set_debug(true); // else a release build leaves names and places out of its errors
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(environment)
}

/// What a template that compiles refers to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Names that must come from outside, sorted.
    pub(crate) variables: BTreeSet<String>,
}

/// Why a template does not compile, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateError {
    pub(crate) message: String,
    pub(crate) at: Position,
}

/// Compiles `source` without running it.
pub(crate) fn check(source: &str) -> Result<Uses, TemplateError> {
    let environment = environment().map_err(|error| describe(&error, source))?;
    let template = environment.template_from_str(source).map_err(|error| describe(&error, source))?;
    let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    let variables = template.undeclared_variables(false);
    let variables = variables.into_iter().filter(|name| !globals.contains(name.as_str())).collect();
    Ok(Uses { variables })
}

fn describe(error: &Error, source: &str) -> TemplateError {
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let at = match (error.range(), error.line()) {
        (Some(range), Some(line)) => {
            let at = Position::of(source, range.start);
            // The engine's line is authoritative; the range only refines it.
            if at.line == line { at } else { Position { line, column: 1 } }
        }
        (_, line) => Position { line: line.unwrap_or(1), column: 1 },
    };
    TemplateError { message, at }
}

/// A `{{ … }}` or `{% … %}` of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    /// Byte offset of the text between the delimiters.
    pub(crate) offset: usize,
    /// That text, without whitespace control marks.
    pub(crate) content: &'a str,
    /// Whether it is a statement (`{% … %}`).
    pub(crate) statement: bool,
}

/// The tags of a template, leaving out comments and raw blocks. Linear in the length of `source`.
pub(crate) fn tags(source: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut offset = 0;
    while let Some((at, close)) = next_open(source, offset) {
        let start = at + 2;
        let rest = source.get(start..).unwrap_or_default();
        let Some(len) = rest.find(close) else { break };
        offset = start + len + close.len();
        let inner = rest.get(..len).unwrap_or_default();
        let content = inner.trim_start_matches(['-', '+']);
        let tag = Tag {
            offset: start + inner.len() - content.len(),
            content: content.trim_end_matches(['-', '+']),
            statement: close == "%}",
        };
        if tag.statement && tag.content.trim() == "raw" {
            offset = after_raw(source, offset);
        } else if close != "#}" {
            tags.push(tag);
        }
    }
    tags
}

/// Where the raw block that begins at `from` is over.
fn after_raw(source: &str, from: usize) -> usize {
    let rest = source.get(from..).unwrap_or_default();
    let end = rest.match_indices("{%").find(|(at, _)| {
        let tag = rest.get(at + 2..).unwrap_or_default().trim_start_matches(['-', '+']);
        tag.trim_start().starts_with("endraw")
    });
    end.map_or(source.len(), |(at, _)| from + at + 2)
}

/// The next opening delimiter at or after `from`, and what closes it.
fn next_open(source: &str, from: usize) -> Option<(usize, &'static str)> {
    let bytes = source.as_bytes().get(from..)?;
    bytes.windows(2).enumerate().find_map(|(at, pair)| {
        let close = match pair {
            b"{{" => "}}",
            b"{%" => "%}",
            b"{#" => "#}",
            _ => return None,
        };
        Some((from + at, close))
    })
}

/// Where a template first names this variable.
pub(crate) fn place_of(source: &str, variable: &str) -> Position {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for tag in tags(source) {
        for (at, _) in tag.content.match_indices(variable) {
            let before = tag.content.get(..at).unwrap_or_default().chars().next_back();
            let after = tag.content.get(at + variable.len()..).unwrap_or_default().chars().next();
            if !before.is_some_and(|c| is_word(c) || c == '.') && !after.is_some_and(is_word) {
                return Position::of(source, tag.offset + at);
            }
        }
    }
    Position::START
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_those_that_come_from_outside() {
        let source = "{% set a = b %}{{ a }}{% for x in xs %}{{ x.y }}{{ loop.index }}{% endfor %}{{ range(3) }}{{ c or 'd' }}";
        let expected = ["b", "c", "xs"].map(str::to_owned).into();
        assert_eq!(check(source).unwrap().variables, expected);
    }

    #[test]
    fn syntax_errors_have_a_place() {
        for (source, line) in [
            ("a\nb {{ c\n", 2),
            ("{% if a %}\n", 0),
            ("x\ny\n{% nonsense %}", 3),
            ("{{ a b }}", 1),
            ("{% endif %}", 1),
            ("ok\n{{ 'open }}", 2),
        ] {
            let error = check(source).unwrap_err();
            assert!(line == 0 || error.at.line == line, "{source:?}: {error:?}");
            assert!(!error.message.is_empty());
        }
        assert_eq!(check("é {{ a b }}").unwrap_err().at, Position { line: 1, column: 8 });
    }

    #[test]
    fn tags_leave_out_comments_and_raw_text() {
        let source = "{# {{ no }} #}{{- a -}}{% raw %}{{ b }} {% c %}{% endraw %}{%+ if d %}{{ unclosed";
        let found: Vec<_> = tags(source).iter().map(|tag| (tag.content.trim(), tag.statement)).collect();
        assert_eq!(found, [("a", false), ("if d", true)]);
    }

    #[test]
    fn a_variable_is_found_as_a_whole_word() {
        let source = "name\n{{ names }} {{ x.name }}\n  {{ name }}";
        assert_eq!(place_of(source, "name"), Position { line: 3, column: 6 });
    }
}
