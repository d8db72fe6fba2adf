//! Where a template's tags are, found without compiling it.
//!
//! The engine's parser recurses once for each `not`, `-`, `elif` or `else` in a row and would overflow the stack
//! on a hostile template, so templates are measured here first. That holds only if both agree on where a tag
//! ends: this follows the engine's lexer with the standard delimiters (strings and brackets hide a closing
//! delimiter, comments and raw blocks hide everything).

/// A `{{ … }}` or `{% … %}` of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    /// Byte offset of [`Tag::content`].
    pub(crate) offset: usize,
    /// The text between the delimiters and whitespace control marks.
    pub(crate) content: &'a str,
    /// Whether it is a statement (`{% … %}`).
    pub(crate) statement: bool,
    /// How many tokens it has.
    pub(crate) tokens: usize,
    /// How many `*` it has beside a literal text or list, which the engine multiplies while it compiles;
    /// `usize::MAX` when one of its numbers has more than four digits.
    pub(crate) repeats: usize,
}

impl Tag<'_> {
    /// The statement's keyword; "" for expressions.
    pub(crate) fn keyword(&self) -> &str {
        if !self.statement {
            return "";
        }
        let content = self.content.trim_start();
        content.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
    }
}

/// The tags of a template in order, up to the first that is not closed (it is included). Linear.
pub(crate) fn tags(source: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut offset = 0;
    // The engine's lexer counts brackets over all tags, so an unbalanced one changes where the next tag ends.
    let mut depth = 0;
    while let Some((at, kind)) = next_open(source, offset) {
        let sign = usize::from(matches!(source.as_bytes().get(at + 2), Some(b'-' | b'+')));
        let start = at + 2 + sign;
        let rest = source.get(start..).unwrap_or_default();
        if kind == b'#' {
            let Some(end) = rest.find("#}") else { break };
            offset = start + end + 2;
        } else if let Some(len) = basic_tag(rest, "raw").filter(|_| kind == b'%') {
            let Some(end) = end_of_raw(rest, len) else { break };
            offset = start + end;
        } else {
            let inside = inside(rest, if kind == b'%' { b"%}" } else { b"}}" }, &mut depth);
            let content = rest.get(..inside.len).unwrap_or_default();
            let repeats = match inside {
                Inside { stars: 0, .. } | Inside { literals: false, .. } => 0,
                Inside { long_number: true, .. } => usize::MAX,
                Inside { stars, .. } => stars,
            };
            tags.push(Tag {
                offset: start,
                content,
                statement: kind == b'%',
                tokens: inside.tokens,
                repeats,
            });
            offset = start + inside.len + inside.close;
        }
    }
    tags
}

/// The next opening delimiter at or after `from`, and its second character.
fn next_open(source: &str, from: usize) -> Option<(usize, u8)> {
    let bytes = source.as_bytes().get(from..)?;
    bytes.windows(2).enumerate().find_map(|(at, pair)| match pair {
        [b'{', kind @ (b'{' | b'%' | b'#')] => Some((from + at, *kind)),
        _ => None,
    })
}

/// The length up to and with `%}` if `rest` is nothing but `name` before it.
fn basic_tag(rest: &str, name: &str) -> Option<usize> {
    let blank = |c: char| c.is_ascii_whitespace();
    let after = rest.trim_start_matches(blank).strip_prefix(name)?.trim_start_matches(blank);
    let after = after.strip_prefix(['-', '+']).unwrap_or(after).strip_prefix("%}")?;
    Some(rest.len() - after.len())
}

/// Where `{% endraw %}` ends, looking from `from`.
fn end_of_raw(rest: &str, from: usize) -> Option<usize> {
    let raw = rest.get(from..)?;
    raw.match_indices("{%").find_map(|(at, _)| {
        let inner = raw.get(at + 2..)?;
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let len = basic_tag(inner, "endraw")?;
        Some(from + raw.len() - inner.len() + len)
    })
}

/// What is found between a tag's delimiters.
#[derive(Default)]
struct Inside {
    /// The length of the content, and that of its end.
    len: usize,
    close: usize,
    tokens: usize,
    stars: usize,
    /// There is a text, a list or something else in brackets.
    literals: bool,
    /// There is a number of more than four digits.
    long_number: bool,
}

/// Goes through a tag's tokens. An unclosed tag reaches to the end of the text.
fn inside(rest: &str, close: &[u8; 2], depth: &mut isize) -> Inside {
    let bytes = rest.as_bytes();
    let mut found = Inside::default();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *depth == 0 {
            let signed = matches!(byte, b'-' | b'+');
            let end = bytes.get(at + usize::from(signed)..).unwrap_or_default();
            if end.starts_with(close) {
                return Inside { len: at, close: 2 + usize::from(signed), ..found };
            }
        }
        at += match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'"' | b'\'' => {
                found.literals = true;
                string(bytes.get(at..).unwrap_or_default())
            }
            byte if is_word(*byte) => {
                let length =
                    bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_word(**byte)).count();
                found.long_number |= byte.is_ascii_digit() && length > 4;
                length
            }
            byte => {
                match byte {
                    b'*' => found.stars += 1,
                    b'(' | b'[' | b'{' => {
                        *depth += 1;
                        found.literals = true;
                    }
                    b')' | b']' | b'}' => *depth -= 1,
                    _ => {}
                }
                1
            }
        };
        found.tokens += 1;
    }
    Inside { len: bytes.len(), ..found }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The length of the string that begins `rest`, with its quotes; an unclosed one reaches to the end.
fn string(rest: &[u8]) -> usize {
    let quote = rest.first();
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        if escaped {
            escaped = false;
        } else if *byte == b'\\' {
            escaped = true;
        } else if Some(byte) == quote {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<(&str, bool)> {
        tags(source).iter().map(|tag| (tag.content.trim(), tag.statement)).collect()
    }

    #[test]
    fn comments_and_raw_text_are_left_out() {
        for (source, expected) in [
            ("{# {{ no }} #}{{- a -}}{%+ if d %}", vec![("a", false), ("if d", true)]),
            ("{% raw %}{{ b }} {% c %}{# {%- endraw -%}{{ d }}", vec![("d", false)]),
            ("{% raw %}{% endrawx %}{{ a }}{% endraw %}{{ b }}", vec![("b", false)]),
            ("{% rawx %}{{ a }}", vec![("rawx", true), ("a", false)]),
            ("{%-- raw %}{{ a }}", vec![("- raw", true), ("a", false)]),
            ("{% raw %} {{ never closed", vec![]),
            ("{# never {{ closed", vec![]),
            ("{#}{{ a }}#}{{ b }}", vec![("b", false)]),
        ] {
            assert_eq!(found(source), expected, "{source}");
        }
    }

    #[test]
    fn strings_and_brackets_hide_a_closing_delimiter() {
        for (source, expected) in [
            ("{{ '}}' ~ a }}b", vec![("'}}' ~ a", false)]),
            (r#"{{ "\"}}" }}{{ c }}"#, vec![(r#""\"}}""#, false), ("c", false)]),
            ("{{ {'a': {}} }}{{ c }}", vec![("{'a': {}}", false), ("c", false)]),
            ("{% set x = '%}' %}{{ c }}", vec![("set x = '%}'", true), ("c", false)]),
            ("{{ 'open }} {{ a }}", vec![("'open }} {{ a }}", false)]),
        ] {
            assert_eq!(found(source), expected, "{source}");
        }
    }

    #[test]
    fn tokens_and_keywords() {
        let tokens = |source| tags(source)[0].tokens;
        assert_eq!(tokens("{{ a.b_c + 'x y' }}"), 5);
        assert_eq!(tokens("{{ not not é }}"), 3);
        assert_eq!(tokens("{{---a }}"), 3, "the first sign belongs to the delimiter");
        assert_eq!(tags("{%elif(a)%}")[0].keyword(), "elif");
        assert_eq!(tags("{{ elif }}")[0].keyword(), "");
    }

    /// On templates that it accepts, the engine sees the same tags as we do: what we call plain text is plain
    /// text, so taking the tags out of the engine's view changes nothing.
    #[test]
    fn the_engine_sees_the_same_tags() {
        for source in [
            "{{ '}}' }}a{% raw %}{{ x }}{% endraw %}b{# {{ y }} #}",
            "{{ {'k': '}}'}.k }}{% set q = \"%}\" %}{{ q }}",
            "{%- raw -%} {%+ endraw +%}{{ 1 }}",
            "{#- -#}{{ (1, 2)[0] }}",
        ] {
            let environment = minijinja::Environment::new();
            assert!(environment.template_from_str(source).is_ok(), "{source}");
            for tag in tags(source).iter().filter(|tag| !tag.statement) {
                assert!(environment.compile_expression(tag.content).is_ok(), "{source}: {tag:?}");
            }
        }
    }
}
