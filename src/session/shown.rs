//! Text from outside, as a person may be shown it.

/// Text as a terminal may show it: what steers one, or is not seen, becomes a visible escape. Line ends stay.
#[must_use]
pub fn safe(text: &str) -> String {
    let hidden = |c: char| c != '\n' && ledger_format::is_hidden(c);
    if !text.contains(hidden) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// [`safe`] text on one line, of at most `max` characters.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let shown = safe(text).replace('\n', "⏎");
    if shown.chars().count() <= max {
        return shown;
    }
    shown.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_becomes_visible() {
        assert_eq!(safe("a\u{1b}[31m\u{202e}b\nc"), "a\\u{1b}[31m\\u{202e}b\nc");
        assert_eq!(one_line("a\nb", 10), "a⏎b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
