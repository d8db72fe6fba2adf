//! The lines that findings are about, without the secrets in them.

use super::finding::{self, Finding};
use super::secrets::SecretHit;
use serde::Serialize;

/// Part of a line, divided at what a finding is about. Long lines are cut, with `…` where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// What stands before.
    pub before: String,
    /// What the finding is about: a word, a quoted text or a single character; empty at the end of a line.
    pub marked: String,
    /// What stands behind.
    pub after: String,
}

/// Most characters before, of, and behind the marked part.
const BEFORE: usize = 120;
const MARKED: usize = 60;
const AFTER: usize = 160;

/// Findings about a file as a whole.
const WHOLE: &[finding::Rule] = &[
    finding::FILE_UNREADABLE,
    finding::FILE_TOO_LARGE,
    finding::FILE_NOT_UTF8,
    finding::FILE_LINK,
    finding::FRONTMATTER_MISSING,
    finding::FRONTMATTER_UNRECOGNIZED,
    finding::DUPLICATE_REF,
];

/// Gives each finding its excerpt, and takes out of excerpts and messages what looks like a secret. `text` has no
/// byte order mark; findings and hits are ordered by place.
pub(crate) fn attach(text: &str, hits: &[SecretHit], findings: &mut [Finding]) {
    let mut hits = hits.iter().peekable();
    let mut secrets: Vec<(String, &str)> = Vec::new();
    let mut next = 0;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let here: Vec<&SecretHit> =
            std::iter::from_fn(|| hits.next_if(|hit| hit.line == index + 1)).collect();
        let masked = (!here.is_empty()).then(|| mask(line, &here, &mut secrets));
        let line = masked.as_deref().unwrap_or(line);
        let (mut rest, mut column) = (0, 1);
        while let Some(finding) = findings.get_mut(next).filter(|finding| finding.line == index + 1) {
            next += 1;
            let ahead = line.get(rest..).unwrap_or_default();
            let step = finding.column.saturating_sub(column);
            rest += ahead.char_indices().nth(step).map_or(ahead.len(), |(at, _)| at);
            column = finding.column.max(column);
            // What is not there stands nowhere.
            let missing = finding.code == finding::FRONTMATTER_MISSING_FIELD.code
                && finding.message.ends_with("is missing");
            if !missing && WHOLE.iter().all(|rule| rule.code != finding.code) {
                finding.excerpt = Some(Box::new(around(line, rest)));
            }
        }
    }
    for finding in findings {
        for (secret, shown) in &secrets {
            hide(&mut finding.message, secret, shown);
            if let Some(hint) = &mut finding.hint {
                hide(hint, secret, shown);
            }
        }
    }
}

/// The line with all but the first characters of each secret as dots; the secrets, and what to show of them, are
/// added to `secrets`. One pass, however many there are.
fn mask<'a>(line: &str, hits: &[&'a SecretHit], secrets: &mut Vec<(String, &'a str)>) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut chars = line.chars().enumerate().peekable();
    for hit in hits {
        let start = hit.column - 1;
        let dots = start + hit.shown.chars().count() - 1;
        masked.extend(std::iter::from_fn(|| chars.next_if(|(at, _)| *at < start)).map(|(_, c)| c));
        let mut secret = String::new();
        while let Some((at, c)) = chars.next_if(|(at, _)| *at < start + hit.length) {
            masked.push(if at < dots { c } else { '•' });
            secret.push(c);
        }
        secrets.push((secret, &hit.shown));
    }
    masked.extend(chars.map(|(_, c)| c));
    masked
}

/// Takes a secret, which may have been cut short, out of a sentence that quotes it.
fn hide(sentence: &mut String, secret: &str, shown: &str) {
    let start: String = secret.chars().take(8).collect();
    if start.chars().count() < 8 {
        return;
    }
    while let Some(at) = sentence.find(&start) {
        let quoted = sentence.get(at..).unwrap_or_default();
        let end = at + quoted.find('`').unwrap_or(quoted.len());
        sentence.replace_range(at..end, shown);
    }
}

/// The part of a line around a byte offset.
fn around(line: &str, at: usize) -> Excerpt {
    let (before, rest) = line.split_at_checked(at).unwrap_or((line, ""));
    let (marked, after) = rest.split_at_checked(extent(rest)).unwrap_or((rest, ""));
    let cut = before.char_indices().rev().nth(BEFORE).map(|(at, c)| at + c.len_utf8());
    let start = before.get(cut.unwrap_or(0)..).unwrap_or_default();
    let end = if after.chars().nth(AFTER).is_some() { "…" } else { "" };
    Excerpt {
        before: if cut.is_some() { format!("…{start}") } else { start.to_owned() },
        marked: marked.to_owned(),
        after: after.chars().take(AFTER).collect::<String>() + end,
    }
}

/// How many bytes of `rest` belong together at its beginning.
fn extent(rest: &str) -> usize {
    let Some(first) = rest.chars().next() else { return 0 };
    let limit = rest.char_indices().nth(MARKED).map_or(rest.len(), |(at, _)| at);
    let within = rest.get(..limit).unwrap_or(rest);
    if matches!(first, '"' | '\'') {
        let end = within.get(1..).and_then(|inner| inner.find(first));
        return end.map_or(1, |end| end + 2);
    }
    let ends = |(at, c): (usize, char)| {
        let colon = c == ':'
            && !within.get(at + 1..).is_some_and(|next| next.starts_with(|c: char| !c.is_whitespace()));
        (c.is_whitespace() || ",[]{}`".contains(c) || colon).then_some(at)
    };
    within.char_indices().find_map(ends).unwrap_or(within.len()).max(first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_belongs_together_is_marked() {
        for (line, at, marked) in [
            ("role: harness # why", 6, "harness"),
            ("prompt_id: x", 0, "prompt_id"),
            ("at: 2026-01-01T00:00:00Z", 4, "2026-01-01T00:00:00Z"),
            ("v: \"a b\" c", 3, "\"a b\""),
            ("v: 'open", 3, "'"),
            ("[a, b]", 1, "a"),
            ("{{ ü }}", 3, "ü"),
            ("key:", 0, "key"),
            (", x", 0, ","),
            ("", 0, ""),
            ("abc", 3, ""),
            ("é", 1, ""),
        ] {
            let excerpt = around(line, at);
            assert_eq!(excerpt.marked, marked, "{line}");
        }
        let long = around(&format!("{}HERE {}", "é".repeat(500), "ü".repeat(500)), 1000);
        assert_eq!((long.before.chars().count(), long.after.chars().count()), (BEFORE + 1, AFTER + 1));
        assert_eq!(long.marked, "HERE");
    }

    proptest! {
        #[test]
        fn an_excerpt_is_the_line(line in "\\PC{0,60}", at in 0usize..70) {
            let Excerpt { before, marked, after } = around(&line, at);
            prop_assert_eq!(format!("{before}{marked}{after}"), line);
        }
    }
}
