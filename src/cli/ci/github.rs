//! What GitHub Actions is told besides: annotations at the places of findings, and the job's summary.
//!
//! A runner takes every line of output that begins with `::` for a command, so that a name or a message must neither
//! end a line nor begin one.

use super::super::context::Context;
use super::super::ui::one_line;
use promptos::catalog::Severity;
use promptos::error::Result;
use promptos::session::ci::{Check, Issue};
use std::io::Write as _;
use std::path::Path;

/// The summary's limit is one megabyte for a step.
const MOST_ROWS: usize = 200;

fn here() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Prints what may hold anything; in GitHub Actions as text in which no command is looked for.
pub(crate) fn quoted(context: &Context<'_>, print: impl FnOnce() -> Result<()>) -> Result<()> {
    if !here() {
        return print();
    }
    let token = hex::encode(context.random::<16>()?);
    context.ui.line(&format!("::stop-commands::{token}"))?;
    let printed = print();
    context.ui.line(&format!("::{token}::"))?;
    printed
}

/// Annotates the findings and appends the summary, in GitHub Actions.
pub(crate) fn report(context: &Context<'_>, checks: &[Check]) -> Result<()> {
    if !here() {
        return Ok(());
    }
    for check in checks {
        for issue in &check.issues {
            let line = annotation(check.name, issue);
            // Stdout holds one JSON document then; a runner reads both streams.
            if context.ui.json { context.ui.say(&line) } else { context.ui.line(&line)? }
        }
    }
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else {
        return Ok(());
    };
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(Path::new(&file));
    if let Err(e) = opened.and_then(|mut file| file.write_all(summary(checks).as_bytes())) {
        // The verdict does not depend on it.
        context.ui.warn(&format!("the job's summary was not written: {e}"));
    }
    Ok(())
}

/// One finding as a workflow command.
fn annotation(check: &str, issue: &Issue) -> String {
    let command = if issue.severity == Severity::Error { "error" } else { "warning" };
    let mut properties: Vec<String> = Vec::new();
    if let Some(place) = &issue.place {
        properties.push(format!("file={}", property(&place.path)));
        properties.push(format!("line={},col={}", place.line, place.column));
    }
    properties.push(format!("title={}", property(&format!("promptos {check}"))));
    let text: Vec<&str> =
        [issue.message.as_str()].into_iter().chain(issue.hints.iter().map(String::as_str)).collect();
    format!("::{command} {}::{}", properties.join(","), data(&text.join("\n")))
}

/// Text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The summary in Markdown.
fn summary(checks: &[Check]) -> String {
    let mut text = "### promptos ci\n\n| check | verdict | |\n|---|---|---|\n".to_owned();
    for check in checks {
        text.push_str(&format!("| {} | {} | {} |\n", check.name, check.verdict, markdown(&check.summary)));
    }
    let issues: Vec<_> =
        checks.iter().flat_map(|check| check.issues.iter().map(move |issue| (check, issue))).collect();
    for (check, issue) in issues.iter().take(MOST_ROWS) {
        let place =
            issue.place.as_ref().map(|place| format!(" {}:{}", place.path, place.line)).unwrap_or_default();
        let hints: Vec<String> = issue.hints.iter().map(|hint| format!("\n  - {}", markdown(hint))).collect();
        let head = format!("{} {}{place}", issue.severity, check.name);
        text.push_str(&format!("\n- **{}** {}{}", markdown(&head), markdown(&issue.message), hints.concat()));
    }
    if issues.len() > MOST_ROWS {
        text.push_str(&format!("\n- and {} more", issues.len() - MOST_ROWS));
    }
    text + "\n\n"
}

/// Text as Markdown that shows it, whatever it holds.
fn markdown(text: &str) -> String {
    let mut shown = String::new();
    for c in one_line(text, 1000).chars() {
        if c.is_ascii_punctuation() {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use promptos::error::Kind;
    use proptest::prelude::*;

    /// As the runner reads a command: `::name key=value,…::data`, with its escapes taken back.
    fn read(line: &str) -> (String, Vec<(String, String)>, String) {
        let back = |text: &str| {
            text.replace("%2C", ",")
                .replace("%3A", ":")
                .replace("%0A", "\n")
                .replace("%0D", "\r")
                .replace("%25", "%")
        };
        let (head, data) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (name, properties) = head.split_once(' ').unwrap();
        let pair = |text: &str| text.split_once('=').map(|(a, b)| (a.to_owned(), back(b))).unwrap();
        let data = data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
        (name.to_owned(), properties.split(',').map(pair).collect(), data)
    }

    proptest! {
        #[test]
        fn an_annotation_says_what_was_meant(path in "[ -~\r\né%:,]{1,20}", message in "[ -~\r\né%:,]{0,40}",
                                             line in 1usize..999) {
            let line_of = annotation("lint", &Issue::error(Kind::Findings, &*message).at(path.clone(), line));
            prop_assert!(!line_of.contains(['\r', '\n']), "{line_of:?}");
            let (name, properties, data) = read(&line_of);
            prop_assert_eq!(name, "error");
            prop_assert_eq!(data, message);
            let expected = [("file", path), ("line", line.to_string()), ("col", "1".to_owned()), ("title", "promptos lint".to_owned())];
            let expected: Vec<_> = expected.into_iter().map(|(a, b)| (a.to_owned(), b)).collect();
            prop_assert_eq!(properties, expected);
        }

        #[test]
        fn a_summary_shows_its_text_as_it_is(text in "[ -~é]{1,60}") {
            let body = format!("x{}x", markdown(&text));
            let mut shown = String::new();
            for event in pulldown_cmark::Parser::new_ext(&body, pulldown_cmark::Options::ENABLE_GFM) {
                match event {
                    pulldown_cmark::Event::Text(text) => shown.push_str(&text),
                    pulldown_cmark::Event::Start(pulldown_cmark::Tag::Paragraph)
                    | pulldown_cmark::Event::End(pulldown_cmark::TagEnd::Paragraph) => {}
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                }
            }
            prop_assert_eq!(shown, format!("x{text}x"));
        }
    }

    #[test]
    fn escapes_as_documented() {
        assert_eq!(data("100%\r\n:,"), "100%25%0D%0A:,");
        assert_eq!(property("100%\r\n:,"), "100%25%0D%0A%3A%2C");
    }
}
