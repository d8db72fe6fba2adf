//! Jinja2 as lint sees it: syntax, variables, and the tags that reach outside.

use super::language::environment;
use super::tags::{Tag, tags};
use super::text::Position;
use crate::error;
use minijinja::Error;
use std::collections::BTreeSet;

/// What a template that compiles refers to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Names that must come from outside, sorted.
    pub(crate) variables: BTreeSet<String>,
}

/// Why a template does not compile, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateError {
    pub(crate) message: String,
    pub(crate) at: Position,
}

/// The names that a template takes from outside, sorted. Compiles it without running it, and refuses templates
/// whose compilation would overflow the stack: call this before giving an engine a template from outside.
///
/// # Errors
/// If the template is not valid Jinja2, or too large to compile safely.
pub fn variables(source: &str) -> error::Result<BTreeSet<String>> {
    let describe = |TemplateError { message, at }| {
        error::Error::failed(format!(
            "the template is not valid: {message} (line {} column {})",
            at.line, at.column
        ))
    };
    check(source).map(|uses| uses.variables).map_err(describe)
}

/// Most tokens in one tag, and most `elif` in one template: far above what people write, and low enough that the
/// engine's recursion fits into the 2 MB stack of a thread.
const MAX_TOKENS: usize = 400;
const MAX_ELIF: usize = 100;
/// Most `*` beside literal texts and lists: the engine multiplies them while it compiles, up to 100 MB each.
const MAX_REPEATS: usize = 8;

/// Refuses what would make the engine recurse without bound. Nested blocks and brackets it limits itself.
fn measure(source: &str) -> Result<(), TemplateError> {
    let refuse = |message: &str, offset| {
        Err(TemplateError { message: message.to_owned(), at: Position::of(source, offset) })
    };
    let (mut elif, mut repeats) = (0, 0_usize);
    for tag in tags(source) {
        repeats = repeats.saturating_add(tag.repeats);
        if repeats > MAX_REPEATS {
            let message =
                "literal texts or lists are multiplied too often, or by too much (8 times, by up to 9999)";
            return refuse(message, tag.offset);
        }
        if tag.tokens > MAX_TOKENS {
            return refuse("this expression is too long", tag.offset);
        }
        elif += usize::from(tag.keyword() == "elif");
        if elif > MAX_ELIF {
            return refuse("the template has too many `elif`", tag.offset);
        }
    }
    Ok(())
}

/// Compiles `source` without running it.
pub(crate) fn check(source: &str) -> Result<Uses, TemplateError> {
    measure(source)?;
    let environment = environment().map_err(|error| describe(&error, source))?;
    let template = environment.template_from_str(source).map_err(|error| describe(&error, source))?;
    let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    let variables = template.undeclared_variables(false);
    let variables = variables.into_iter().filter(|name| !globals.contains(name.as_str())).collect();
    Ok(Uses { variables })
}

pub(crate) fn describe(error: &Error, source: &str) -> TemplateError {
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let at = match error.range() {
        // The engine's own line numbers end at 65,535.
        Some(range) => Position::of(source, range.start),
        None => Position { line: error.line().unwrap_or(1), column: 1 },
    };
    TemplateError { message, at }
}

/// Where a template, which has these tags, first names this variable.
pub(crate) fn place_of(source: &str, tags: &[Tag<'_>], variable: &str) -> Position {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for tag in tags {
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
    fn templates_that_would_overflow_the_stack_are_refused() {
        let long = 100_000;
        for (open, close) in [
            ("not ", "a }}"),
            ("-", "a }}"),
            ("a+", "a }}"),
            ("a if b else ", "a }}"),
            ("a and ", "a }}"),
            ("a.b|f|", "g }}"),
            ("a.", "a }}"),
            ("a[0]", " }}"),
            ("(", "a }}"),
            ("[", "a }}"),
            ("{", "a }}"),
            ("a(", " }}"),
            ("a is f ", " }}"),
            ("'}}' and not ", "a }}"),
        ] {
            let source = format!("{{{{ 0 or {}{close}", open.repeat(long));
            assert!(check(&source).is_err(), "{open}");
        }
        let elif = format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(long));
        assert!(check(&elif).is_err());
        assert!(check(&"{% if a %}".repeat(long)).is_err());
        assert!(
            check(&format!("{}{}", "{% for a in b %}".repeat(long), "{% endfor %}".repeat(long))).is_err()
        );
        assert!(variables(&elif).unwrap_err().to_string().contains("too many `elif` (line 1 column"));
    }

    #[test]
    fn templates_that_would_fill_the_memory_are_refused() {
        let huge = ["('x'*90000000)"; 30].join(" ~ ");
        for source in [
            format!("{{{{ {huge} }}}}"),
            "{{ 'x' * 9999 * 9999 }}".repeat(5),
            "{{ [1] * 9_999_999 }}".to_owned(),
            "{{ 'x' * 0xfffffff }}".to_owned(),
            "{{ 'x' * 9**9**9**9**9 }}".to_owned(),
        ] {
            let error = check(&source).unwrap_err();
            assert!(error.message.contains("multiplied"), "{source}: {error:?}");
        }
        for source in
            ["{{ '-' * 40 }}", "{{ x * 100000 }}", "{{ y or '**bold** 123456' }}", "{{ f(1000000) }}"]
        {
            check(source).unwrap();
        }
    }

    /// The worst that is let through, on a test thread's stack of 2 MB and without optimisation.
    #[test]
    fn templates_at_the_limits_compile() {
        let nots = "not ".repeat(MAX_TOKENS - 10);
        let blocks = 60;
        let source = format!(
            "{}{{% if {nots}a %}}{}{{% endif %}}{}",
            "{% if a %}".repeat(blocks),
            format!("{{% elif {nots}a %}}").repeat(MAX_ELIF),
            "{% endif %}".repeat(blocks),
        );
        assert_eq!(check(&source).unwrap().variables, ["a".to_owned()].into());
        let sum = format!("{{{{ a{} }}}}", "+a".repeat(MAX_TOKENS / 2 - 1));
        assert!(check(&sum).is_ok());
        let brackets = format!("{{{{ {}a{} }}}}", "(not ".repeat(70), ")".repeat(70));
        assert!(check(&brackets).is_ok());
    }

    #[test]
    fn a_variable_is_found_as_a_whole_word() {
        let source = "name\n{{ names }} {{ x.name }}\n  {{ name }}";
        assert_eq!(place_of(source, &tags(source), "name"), Position { line: 3, column: 6 });
    }
}
