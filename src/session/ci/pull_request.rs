//! The governed-session block: what `dev` prints for the pull request, and whether a pull request has it as readers
//! see it.

use super::{Check, Governed, Issue};
use crate::catalog::counted;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::session::one_line;
use ledger_format::{EntryId, is_relative};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Map, Value};
use std::path::Path;

const NAME: &str = "pull-request";
const HEADING: &str = "Governed Session";
const ARTIFACT: &str = "Session Artifact";
const ENTRY: &str = "Ledger Entry";

/// The block for a session, by its `prompt_session.json` and the path at which that file is found in the project.
#[must_use]
pub fn block(document: &Map<String, Value>, artifact: &str) -> String {
    let text = |value: Option<&Value>| match value {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        value => value.and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    let of = |name: &str| text(document.get(name));
    let entry = text(document.get("ledger").and_then(|ledger| ledger.get("entry")));
    let lines = [
        format!("> **{HEADING}**"),
        field("PromptOS Version", &of("prompt_os_version"), 200),
        field("Prompts Used", &of("prompts_used"), usize::MAX),
        field(ARTIFACT, artifact, 1000),
        field("Developer", &of("developer"), 200),
        field("Target Repo", &of("target_repo"), 200),
        field(ENTRY, &entry, 200),
    ];
    lines.join("\n")
}

/// One line of the block; what stands in it cannot leave its code span.
fn field(name: &str, value: &str, max: usize) -> String {
    let value = one_line(value, max).replace('`', "'");
    // Two backticks with nothing between them begin a span instead of being one.
    format!("> - {name}: `{}`", if value.trim().is_empty() { "(none)" } else { &value })
}

/// A block as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Where it begins, from 1.
    line: usize,
    fields: Vec<(String, String)>,
    /// List items that are not a name with a value.
    odd: Vec<String>,
}

impl Found {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// The blocks that a reader sees: quotes that begin with the heading. What stands in code, in a comment or in other
/// HTML is none.
fn find(body: &str) -> Vec<Found> {
    let options = Options::ENABLE_GFM
        | Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES;
    let mut found = Vec::new();
    // Quotes may lie in each other to any depth.
    let mut open: Vec<(usize, Vec<Event<'_>>)> = Vec::new();
    // A footnote that nobody refers to is not shown.
    let mut footnotes = 0usize;
    for (event, range) in Parser::new_ext(body, options).into_offset_iter() {
        match event {
            Event::Start(Tag::FootnoteDefinition(_)) => footnotes += 1,
            Event::End(TagEnd::FootnoteDefinition) => footnotes = footnotes.saturating_sub(1),
            Event::Start(Tag::BlockQuote(_)) => open.push((range.start, Vec::new())),
            Event::End(TagEnd::BlockQuote(_)) => {
                let Some((start, events)) = open.pop() else { continue };
                if footnotes == 0
                    && let Some((fields, odd)) = read(&events)
                {
                    let before = body.get(..start).unwrap_or_default();
                    found.push(Found { line: before.matches('\n').count() + 1, fields, odd });
                }
            }
            event => open.last_mut().into_iter().for_each(|(_, events)| events.push(event.clone())),
        }
    }
    found.sort_by_key(|block| block.line);
    found
}

type Fields = (Vec<(String, String)>, Vec<String>);

/// The fields of a quote, if it begins with the heading.
fn read(events: &[Event<'_>]) -> Option<Fields> {
    use Event::{Code, End, Start, Text};
    let [
        Start(Tag::Paragraph),
        Start(Tag::Strong),
        Text(heading),
        End(TagEnd::Strong),
        End(TagEnd::Paragraph),
        rest @ ..,
    ] = events
    else {
        return None;
    };
    if &**heading != HEADING {
        return None;
    }
    let (mut fields, mut odd) = (Vec::new(), Vec::new());
    let (mut depth, mut item) = (0usize, Vec::new());
    for event in rest {
        match event {
            Start(Tag::Item) => depth += 1,
            End(TagEnd::Item) => depth = depth.saturating_sub(1),
            // In a list whose items stand apart, each is a paragraph.
            Start(Tag::Paragraph) | End(TagEnd::Paragraph) => continue,
            _ => {}
        }
        if depth > 0 {
            item.push(event);
        } else if matches!(event, End(TagEnd::Item)) {
            let mut name = String::new();
            let mut pieces = item.iter().skip(1).peekable();
            while let Some(Text(text)) = pieces.next_if(|piece| matches!(piece, Text(_))) {
                name.push_str(text);
            }
            match (name.strip_suffix(": "), pieces.next(), pieces.next()) {
                (Some(name), Some(Code(value)), None) => fields.push((name.to_owned(), value.to_string())),
                _ => odd.push(one_line(&text_of(&item), 80)),
            }
            item.clear();
        }
    }
    Some((fields, odd))
}

fn text_of(events: &[&Event<'_>]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) | Event::Html(text) => Some(&**text),
        Event::SoftBreak | Event::HardBreak => Some(" "),
        _ => None,
    });
    texts.collect()
}

/// Compares the blocks of a pull request's description with the sessions that are proved, by evidence or in the
/// ledger. `in_project` is a file's path relative to the project, if it lies there. Answers with the sessions of the
/// ledger that the blocks name.
///
/// # Errors
/// When the ledger cannot be read.
pub fn pull_request(
    body: &str,
    sessions: &[Governed],
    ledger: Option<&Ledger>,
    in_project: &dyn Fn(&Path) -> Option<String>,
) -> Result<(Check, Vec<Governed>)> {
    let blocks = find(body);
    let mut issues = Vec::new();
    let mut named: Vec<Governed> = Vec::new();
    if blocks.is_empty() {
        let issue = Issue::finding("the description has no governed-session block")
            .hint("paste what 'promptos dev' has printed, as it is");
        issues.push(if body.contains(HEADING) {
            issue.hint(format!(
                "'{HEADING}' stands in it, but not as a quote that begins with the heading alone; in code, in a \
                 comment or in HTML it does not count"
            ))
        } else {
            issue
        });
    }
    for found in &blocks {
        let mut say = |what: String| issues.push(Issue::finding(format!("line {}: {what}", found.line)));
        let Some(entry) = found.values(ENTRY).next().and_then(|text| text.parse::<EntryId>().ok()) else {
            say("the block names no ledger entry".to_owned());
            continue;
        };
        let held = |ledger: &Ledger| -> Result<Option<Governed>> {
            let entry = ledger.by_id(&entry)?;
            entry.map(|entry| Governed::of(ledger, &entry)).transpose()
        };
        let proved = match sessions.iter().find(|session| session.entry == entry) {
            Some(session) => session.clone(),
            None => match ledger.map(held).transpose()?.flatten() {
                Some(session) => {
                    named.push(session.clone());
                    session
                }
                None => {
                    say(format!("nothing proves the session {entry}"));
                    continue;
                }
            },
        };
        match &proved.document {
            Some(document) => {
                let files: Vec<String> = proved.files.iter().filter_map(|file| in_project(file)).collect();
                compare(found, document, &files, &mut say);
            }
            None => say(format!("the details of session {} were erased", proved.name)),
        }
        if blocks.iter().take_while(|other| other.line != found.line).any(|other| {
            other.values(ENTRY).next().and_then(|text| text.parse::<EntryId>().ok()) == Some(entry)
        }) {
            say(format!("the session {} has a block already", proved.name));
        }
    }
    Ok((Check::made(NAME, counted(blocks.len(), "governed-session block"), issues), named))
}

/// Says in what a block differs from the one that the session gives. `here` are the files of the project that name
/// the session.
fn compare(found: &Found, document: &Map<String, Value>, here: &[String], say: &mut dyn FnMut(String)) {
    let artifact = found.values(ARTIFACT).next().unwrap_or_default();
    // A session that only the ledger holds, or whose files came from elsewhere, may be at any place of the project.
    let placed = if here.is_empty() {
        is_relative(artifact)
    } else {
        here.iter().any(|path| shown_as(path) == artifact)
    };
    let expected = if placed { artifact } else { here.first().map_or("prompt_session.json", String::as_str) };
    let expected = find(&block(document, expected)).into_iter().next();
    let Some(expected) = expected else { return };
    for (name, value) in &expected.fields {
        let said: Vec<&str> = found.values(name).collect();
        match said.as_slice() {
            [said] if said == value => {}
            [said] => {
                say(format!("the field '{name}' says {}, and the evidence {}", spelled(said), spelled(value)))
            }
            [] => say(format!("the field '{name}' is missing; the evidence says {}", spelled(value))),
            several => say(format!("the field '{name}' is there {} times", several.len())),
        }
    }
    for (name, _) in found.fields.iter().filter(|(name, _)| expected.values(name).next().is_none()) {
        say(format!("the field {} is none that evidence can confirm", spelled(name)));
    }
    for odd in &found.odd {
        say(format!(
            "the line {} is not a name and a value alone, as 'promptos dev' prints them",
            spelled(odd)
        ));
    }
}

/// A value as it comes back from the block.
fn shown_as(value: &str) -> String {
    let block = find(&format!("> **{HEADING}**\n{}", field(ARTIFACT, value, 1000)));
    let value = block.first().and_then(|block| block.values(ARTIFACT).next().map(str::to_owned));
    value.unwrap_or_default()
}

/// A value in which no character can pass for another.
fn spelled(value: &str) -> String {
    let value = one_line(value, 200);
    if value.is_ascii() {
        return format!("'{value}'");
    }
    let plain: String = value
        .chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() })
        .collect();
    format!("'{value}' ({plain})")
}

#[cfg(test)]
mod tests;
