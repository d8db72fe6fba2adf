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

/// A message without the system's error numbers, which say nothing that the words before them do not.
#[must_use]
pub fn plain(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_go_and_all_else_stays() {
        assert_eq!(plain("cannot read x: No such file (os error 2)"), "cannot read x: No such file");
        assert_eq!(plain("a (os error 2): b (os error 13), c"), "a: b, c");
        for same in ["plain", "", "an (os error", "(os error 2"] {
            assert_eq!(plain(same).trim(), same.split(" (os error ").next().unwrap_or_default().trim());
        }
    }

    #[test]
    fn what_a_terminal_obeys_becomes_visible() {
        assert_eq!(safe("a\u{1b}[31m\u{202e}b\nc"), "a\\u{1b}[31m\\u{202e}b\nc");
        assert_eq!(one_line("a\nb", 10), "a⏎b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
