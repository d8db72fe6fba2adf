//! A Markdown file with YAML frontmatter, taken apart without losing a byte or a line number.

pub use crate::yaml::Position;
use std::ops::Range;

/// How a file divides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Split {
    /// It does not begin with a `---` line.
    NoFrontmatter,
    /// It begins with a `---` line, on this line, that is never closed.
    Unterminated { open_line: usize },
    /// Byte ranges of the YAML and of all that follows its closing line, and the line on which the YAML begins.
    Parts { yaml: Range<usize>, yaml_line: usize, body: Range<usize> },
}

/// The text without a leading byte order mark.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Finds the frontmatter of `text` (which has no byte order mark). LF and CRLF both end a line; blank lines may
/// stand before the opening `---`; later `---` lines belong to the body.
pub(crate) fn split(text: &str) -> Split {
    let mut offset = 0;
    let mut opened: Option<(usize, usize)> = None; // where the YAML begins, and the line of the opening fence
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        match opened {
            None if line.trim().is_empty() => {}
            None if is_fence(line) => opened = Some((end, index + 1)),
            None => return Split::NoFrontmatter,
            Some((start, open_line)) if is_fence(line) => {
                return Split::Parts { yaml: start..offset, yaml_line: open_line + 1, body: end..text.len() };
            }
            Some(_) => {}
        }
        offset = end;
    }
    match opened {
        Some((_, open_line)) => Split::Unterminated { open_line },
        None => Split::NoFrontmatter,
    }
}

fn is_fence(line: &str) -> bool {
    line.trim_end() == "---"
}

/// What stands under a heading of the body: see [`fenced_under`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fenced {
    /// No such heading, or no code fence under it.
    Missing,
    /// The fence opened at this byte offset is never closed.
    Unterminated(usize),
    /// The byte range between the fences.
    Block(Range<usize>),
}

/// Finds the first fenced code block (CommonMark backticks or tildes) under the `## <heading>` of `text`, looking
/// only at `range`.
pub(crate) fn fenced_under(text: &str, range: Range<usize>, heading: &str) -> Fenced {
    let mut offset = range.start;
    let mut under = false;
    let mut fence: Option<(&str, usize, usize, bool)> = None; // marker, its offset, content start, wanted
    for line in text.get(range).unwrap_or_default().split_inclusive('\n') {
        let trimmed = line.trim();
        let marker = fence_marker(line);
        let start = offset;
        offset += line.len();
        match fence {
            Some((open, _, content, wanted)) => {
                // CommonMark: the closing fence is at least as long, of the same character, and bare.
                if marker.starts_with(open) && trimmed == marker {
                    if wanted {
                        return Fenced::Block(content..start);
                    }
                    fence = None;
                }
            }
            None if !marker.is_empty() => fence = Some((marker, start, offset, under)),
            None => {
                if let Some(title) = trimmed.strip_prefix("## ") {
                    under = title.trim().eq_ignore_ascii_case(heading);
                }
            }
        }
    }
    match fence {
        Some((_, at, _, true)) => Fenced::Unterminated(at),
        _ => Fenced::Missing,
    }
}

/// The run of three or more backticks or tildes that begins `line` (up to three spaces in), or "".
fn fence_marker(line: &str) -> &str {
    let content = line.trim_start_matches(' ');
    if line.len() - content.len() > 3 {
        return "";
    }
    for mark in ['`', '~'] {
        let length = content.len() - content.trim_start_matches(mark).len();
        if length >= 3 {
            return content.get(..length).unwrap_or_default();
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (&str, usize, &str) {
        match split(text) {
            Split::Parts { yaml, yaml_line, body } => (&text[yaml], yaml_line, &text[body]),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn frontmatter_is_found_whatever_the_line_ends() {
        assert_eq!(parts("---\na: 1\n---\nbody\n---\nmore"), ("a: 1\n", 2, "body\n---\nmore"));
        assert_eq!(parts("---\r\na: 1\r\n---\r\nbody\r\n"), ("a: 1\r\n", 2, "body\r\n"));
        assert_eq!(parts("\n\n---  \na: 1\n--- \n"), ("a: 1\n", 4, ""));
        assert_eq!(parts("---\n---"), ("", 2, ""));
        assert_eq!(parts("---\na: |\n  ---\n  x\n---\nb"), ("a: |\n  ---\n  x\n", 2, "b"));
    }

    #[test]
    fn what_is_no_frontmatter() {
        for text in [
            "",
            "\n \n",
            "# Title\n---\na: 1\n---\n",
            "----\na: 1\n----\n",
            " ---\na: 1\n---\n",
            "--- a\n---",
        ] {
            assert_eq!(split(text), Split::NoFrontmatter, "{text:?}");
        }
        for (text, line) in [("---\na: 1\n", 1), ("\n---", 2), ("---\na: 1\n ---\n", 1)] {
            assert_eq!(split(text), Split::Unterminated { open_line: line }, "{text:?}");
        }
    }

    #[test]
    fn the_fence_under_a_heading() {
        let find = |text: &'static str| match fenced_under(text, 0..text.len(), "Prompt") {
            Fenced::Block(range) => Ok(&text[range]),
            other => Err(other),
        };
        assert_eq!(find("## Prompt\n\n```text\nhello\n```\n"), Ok("hello\n"));
        assert_eq!(
            find("```\n## Prompt\n```\n## prompt\r\n~~~~\r\n```\r\nx\r\n~~~~\r\n"),
            Ok("```\r\nx\r\n")
        );
        assert_eq!(find("## Other\n```\nno\n```\n## Prompt \n```\nyes\n```"), Ok("yes\n"));
        assert_eq!(find("## Prompt\n```\n```text\nin\n```\n"), Ok("```text\nin\n"));
        assert_eq!(find("## Prompt\n```\n```\n"), Ok(""));
        assert_eq!(find("## Prompt\nno fence\n## Notes\n```\nx\n```\n"), Err(Fenced::Missing));
        assert_eq!(find("## Prompted\n```\nx\n```\n"), Err(Fenced::Missing));
        assert_eq!(find("## Prompt\n```\nopen\n"), Err(Fenced::Unterminated(10)));
        assert_eq!(find("## Prompt\n    ```\nindented code\n"), Err(Fenced::Missing));
    }
}
