//! Patterns of schemas, which are of ECMA-262, for the engine that matches them in linear time.

use regex::{Regex, RegexBuilder};

/// Most bytes of a compiled pattern.
const LARGEST: usize = 1 << 20;
/// What is wrong with a pattern that is not taken.
pub(super) const REFUSED: &str =
    "is no pattern, too large, or looks around or back, which takes no bounded time";
/// White space and line terminators, ECMA-262 section 12.
const SPACE: &str = "\\t-\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff";

/// The pattern, ready to be matched; `None` if it [is none](REFUSED).
pub(super) fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&as_read(pattern)).size_limit(LARGEST).build().ok()
}

/// The same pattern in the engine's words: its `\d`, `\w` and `\s` are all of Unicode's, and within brackets it knows
/// sets of sets.
fn as_read(pattern: &str) -> String {
    let mut read = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    // Within brackets, whether a `-` would make a range with what stands before it.
    let mut set: Option<bool> = None;
    let mut ends_range = false;
    while let Some(c) = rest.next() {
        let mut single = true;
        match (c, set) {
            ('\\', _) => match rest.next() {
                Some(class @ ('d' | 'D' | 'w' | 'W' | 's' | 'S')) => {
                    let negated = if class.is_ascii_uppercase() { "^" } else { "" };
                    let within = match class.to_ascii_lowercase() {
                        'd' => "0-9",
                        'w' => "A-Za-z0-9_",
                        _ => SPACE,
                    };
                    read.push_str(&format!("[{negated}{within}]"));
                    single = false;
                }
                escaped => {
                    read.push('\\');
                    read.extend(escaped);
                    // What braces hold belongs to it: \p{L}, \u{e9}.
                    single = !matches!(escaped, Some('p' | 'P'));
                    if matches!(escaped, Some('p' | 'P' | 'u' | 'x')) && rest.peek() == Some(&'{') {
                        for c in rest.by_ref() {
                            read.push(c);
                            if c == '}' {
                                break;
                            }
                        }
                    } else if let Some(digits) =
                        escaped.and_then(|c| [('u', 4), ('x', 2)].iter().find(|(e, _)| *e == c))
                    {
                        read.extend(rest.by_ref().take(digits.1));
                    }
                }
            },
            ('[', None) => {
                read.push('[');
                set = Some(false);
                ends_range = false;
                for first in ['^', ']'] {
                    read.extend(rest.next_if_eq(&first));
                }
                continue;
            }
            (']', Some(_)) => {
                read.push(']');
                set = None;
                continue;
            }
            ('-', Some(true)) if rest.peek() != Some(&']') => {
                read.push('-');
                ends_range = true;
                set = Some(false);
                continue;
            }
            ('[' | '&' | '~' | '-', Some(_)) => read.extend(['\\', c]),
            _ => read.push(c),
        }
        if set.is_some() {
            set = Some(single && !ends_range);
            ends_range = false;
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_ecma_262() {
        for (pattern, fits, does_not) in [
            (r"^\d+$", "09", "٣"),
            (r"^\D$", "٣", "3"),
            (r"^\w+$", "aZ_0", "é"),
            (r"^\s+$", " \t\n\u{2028}\u{3000}\u{feff}", "\u{85}"),
            (r"^\S$", "\u{85}", "\u{a0}"),
            (r"^[\w.-]+$", "a-b.c", "a+b"),
            (r"^[\w-.]+$", "a-b.c", "a,b"),
            (r"^[^\s]+$", "ab", "a b"),
            (r"^[+--]$", ",", "."),
            (r"^[--9]$", "/", ":"),
            (r"^[a-]$", "-", "b"),
            (r"^[a-c-e]$", "-", "d"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[a~~b]$", "~", "c"),
            (r"^[^[\]]+$", "ab", "a]"),
            (r"^[[]$", "[", "a"),
            (r"^\[[^[]*\]$", "[a]", "[["),
            (r"^[\]-a]$", "_", "b"),
            (r"^[\u0041-\u0043]$", "B", "D"),
            (r"^[\x41-C]$", "B", "D"),
            (r"^[\u{41}-C]$", "B", "D"),
            (r"^[\p{Lu}-]$", "-", "a"),
            (r"^\p{Lu}$", "É", "e"),
            (r"^\u00e9$", "é", "e"),
            (r"^\/\-\.$", "/-.", "a"),
            (r"^(?<n>a|b)$", "b", "c"),
            (r"^[\d-x]$", "-", "a"),
        ] {
            let built = compile(pattern).unwrap_or_else(|| panic!("{pattern} {}", as_read(pattern)));
            assert!(built.is_match(fits), "{pattern} {} {fits}", as_read(pattern));
            assert!(!built.is_match(does_not), "{pattern} {} {does_not}", as_read(pattern));
        }
    }

    #[test]
    fn what_takes_no_bounded_time_or_space_is_no_pattern() {
        assert!(compile(r"^[\w\s]{1,1000}$").is_some());
        for pattern in ["(", "[", r"\p{Foo}", "(?=a)", "(?<!a)", r"(a)\1", r"\k<a>", "(a{1000}){1000}"] {
            assert!(compile(pattern).is_none(), "{pattern}");
        }
    }
}
