//! The parts of a text, as GitHub would show them.

use super::{Fault, rules};
use crate::catalog::{Contract, Position, quoted};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// What a reader sees of a text: its headings, and the beginnings of its lines.
#[derive(Debug, Default)]
struct Seen {
    headings: Vec<String>,
    lines: Vec<String>,
}

/// Checks that a text has the sections and fields of the contract.
///
/// A section is a heading of any level; a field is a line that begins with its name and a colon, plain or emphasized,
/// in a list or in the frontmatter. Upper and lower case are the same, as in the addresses that GitHub gives
/// headings. What stands in code, HTML and footnotes is neither.
pub(crate) fn check(text: &str, contract: &Contract) -> Vec<Fault> {
    let seen = Seen::of(text);
    let mut faults = Vec::new();
    for wanted in &contract.required_sections {
        let name = normal(wanted.trim_start_matches('#'));
        if !seen.headings.contains(&name) {
            let mut fault = Fault::new(
                rules::SECTION,
                Position::START,
                format!("there is no section {}", quoted(wanted)),
            );
            fault.whole = true;
            let near =
                seen.headings.iter().find(|heading| heading.contains(&name) || name.contains(*heading));
            fault.hint = Some(match near.filter(|near| !near.is_empty()) {
                Some(near) => format!("write a heading `## {}`; there is {}", wanted.trim(), quoted(near)),
                None => format!("write a heading: ## {}", wanted.trim_start_matches('#').trim()),
            });
            faults.push(fault);
        }
    }
    for wanted in &contract.required_fields {
        let name = normal(wanted);
        let has =
            |line: &String| line.strip_prefix(&name).is_some_and(|rest| rest.trim_start().starts_with(':'));
        if !seen.lines.iter().any(has) {
            let message = format!("there is no field {}", quoted(wanted));
            let mut fault = Fault::new(rules::FIELD, Position::START, message);
            fault.whole = true;
            fault.hint = Some(format!("write a line: {}: …", wanted.trim()));
            faults.push(fault);
        }
    }
    faults
}

impl Seen {
    fn of(text: &str) -> Self {
        let options = Options::ENABLE_GFM
            | Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
        let mut seen = Self::default();
        let mut line = String::new();
        // How deep in what is no text of the document: code, HTML, footnotes, alternatives to images.
        let mut hidden = 0usize;
        for event in Parser::new_ext(text, options) {
            match event {
                Event::Start(tag) if is_hidden(&tag) => hidden += 1,
                Event::End(tag) if is_hidden_end(tag) => hidden = hidden.saturating_sub(1),
                Event::Start(tag) if is_block(&tag) => seen.end_line(&mut line),
                Event::End(TagEnd::Heading(_)) => {
                    seen.headings.push(normal(&line));
                    seen.end_line(&mut line);
                }
                // In the frontmatter lines are not taken apart.
                Event::Text(text) | Event::Code(text) if hidden == 0 => {
                    for (n, part) in text.split('\n').enumerate() {
                        if n > 0 {
                            seen.end_line(&mut line);
                        }
                        line.push_str(part);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    // A heading may go over several lines, and each may begin a field.
                    seen.lines.extend(Some(normal(&line)).filter(|line| !line.is_empty()));
                    line.push('\n');
                }
                _ => {}
            }
        }
        seen.end_line(&mut line);
        seen
    }

    fn end_line(&mut self, line: &mut String) {
        let last = line.rsplit('\n').next().unwrap_or_default();
        self.lines.extend(Some(normal(last)).filter(|line| !line.is_empty()));
        line.clear();
    }
}

/// For comparing: lower case, blank space as single spaces.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn is_hidden(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::FootnoteDefinition(_) | Tag::Image { .. })
}

fn is_hidden_end(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::FootnoteDefinition | TagEnd::Image)
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(
        tag,
        Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Link { .. }
            | Tag::Superscript
            | Tag::Subscript
    )
}
