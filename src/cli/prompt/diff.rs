use super::versions::{Catalogs, Side};
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::ui::{BAD, BOLD, DIM, GOOD, WARN, one_line, safe, width, wrap};
use clap::Args;
use promptos::catalog::{Change, Comparison, Impact, Locator, compare};
use promptos::error::Result;
use promptos::ledger::Entry;
use serde_json::{Value, json};
use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{ChangeTag, DiffableStr as _, group_diff_ops};
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// Unchanged lines around changed ones.
const AROUND: usize = 3;
/// After so long the lines are compared coarsely: what was a small change may show as a large one.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many characters of a line are shown.
const LINE: usize = 2000;
/// Below this many columns the text stands under the impact instead of beside it.
const NARROW: usize = 60;
/// The columns of the impact.
const IMPACT: usize = 12;

/// Say what changed from one version of a prompt to another, and whether that breaks its users
///
/// The text is compared line by line; inputs, output contract, role, status, models and the template's variables by
/// what they mean. Every change is breaking, compatible or editorial, and the worst of them asks for a version. One
/// argument is compared with the version before it; if there is none, with what the ledger bound or the last commit
/// has.
#[derive(Args)]
pub(crate) struct Diff {
    /// The older one: an id such as P00, a ref such as P00.v1, or a file (./P00.md)
    #[arg(value_name = "A")]
    from: String,
    /// The newer one
    #[arg(value_name = "B")]
    to: Option<String>,
    /// The catalog of the older one, when it is another: git:v1.0, snapshot:NAME, … as for --catalog
    #[arg(long, value_name = "LOCATOR")]
    against: Option<OsString>,
    #[command(flatten)]
    catalog: CatalogOption,
}

impl Diff {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let against = self.against.as_deref().map(Locator::parse).transpose()?;
        let catalogs = Catalogs { context, against, catalog: self.catalog.locator()? };
        let (from, to) = match &self.to {
            Some(to) => catalogs.two(&self.from, to)?,
            None => catalogs.one(&self.from)?,
        };
        let found = compare(&from.prompt, &to.prompt);
        let same_ref = from.prompt.reference() == to.prompt.reference();
        let bound = if same_ref { binds(context, &from)? } else { None };
        if context.ui.json {
            return context.ui.report(
                "prompt-diff",
                json!({
                    "from": side_json(&from),
                    "to": side_json(&to),
                    "same_bytes": found.verdict.is_none(),
                    "verdict": found.verdict,
                    "changes": found.changes,
                    "asks": found.asks.as_ref().map(|asks| json!({
                        "ref": format!("{}.v{}", to.prompt.id, asks.version),
                        "version": asks.version,
                        "enough": asks.enough,
                        "bound": bound.as_ref().map(crate::cli::show::entry_json),
                    })),
                    "text": unified(&from, &to).join(""),
                }),
            );
        }
        print(context, &from, &to, &found, bound.as_ref())
    }
}

/// The entry that binds the older prompt's ref, in a ledger that is there.
fn binds(context: &Context<'_>, from: &Side) -> Result<Option<Entry>> {
    let Some(ledger) = context.read_if_there()? else { return Ok(None) };
    context.check_pin(&ledger)?;
    Ok(ledger.bound(&from.prompt.reference())?.map(|(_, entry)| entry))
}

fn side_json(side: &Side) -> Value {
    json!({
        "ref": side.prompt.reference(),
        "prompt_id": side.prompt.id,
        "version": side.prompt.version,
        "layer": side.prompt.layer,
        "path": side.prompt.path.to_string_lossy(),
        "place": side.place,
        "blake3": hex::encode(blake3::hash(&side.prompt.bytes).as_bytes()),
    })
}

fn print(
    context: &Context<'_>,
    from: &Side,
    to: &Side,
    found: &Comparison,
    bound: Option<&Entry>,
) -> Result<()> {
    let Some(verdict) = found.verdict else {
        let (a, b) = (safe(&from.prompt.reference()), safe(&to.prompt.reference()));
        let both = if a == b { a } else { format!("{a} and {b}") };
        let places = format!("{DIM}{}; {}{DIM:#}", safe(&from.place), safe(&to.place));
        return context.ui.line(&format!("{both}: the same bytes  {places}"));
    };
    let lines = unified(from, to);
    for (at, line) in lines.iter().enumerate() {
        let style = match line.chars().next() {
            _ if at < 2 => BOLD,
            Some('-') => BAD,
            Some('+') => GOOD,
            Some('@' | '\\') => DIM,
            _ => anstyle::Style::new(),
        };
        context.ui.line(&format!("{style}{}{style:#}", cut(&lines, at)))?;
    }
    context.ui.line("")?;
    for change in &found.changes {
        print_change(context, change)?;
    }
    let style = color(verdict);
    let asks = match &found.asks {
        None => "these are two prompts, and neither is a version of the other".to_owned(),
        Some(asks) => {
            let id = one_line(&to.prompt.id, 240);
            let has = one_line(&to.prompt.version, 64);
            let ends = match (asks.enough, bound) {
                (true, _) => format!("it says v{has}: enough"),
                (false, Some(bound)) => {
                    format!("it says v{has}: too low, since entry {} binds other bytes to that", bound.index)
                }
                (false, None) if from.prompt.version == to.prompt.version => {
                    format!("it says v{has}: too low, unless nobody has used v{has} yet")
                }
                (false, None) => format!("it says v{has}: too low"),
            };
            format!("asks for {id}.v{}; {ends}", asks.version)
        }
    };
    let text = wrap(&format!("{verdict}: {asks}"), width().unwrap_or(usize::MAX)).join("\n");
    let rest = text.strip_prefix(&verdict.to_string()).unwrap_or_default().to_owned();
    context.ui.line(&format!("{style}{verdict}{style:#}{rest}"))
}

fn color(impact: Impact) -> anstyle::Style {
    match impact {
        Impact::Breaking => BAD,
        Impact::Compatible => WARN,
        Impact::Editorial => GOOD,
    }
}

fn print_change(context: &Context<'_>, change: &Change) -> Result<()> {
    let style = color(change.impact);
    let what = match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{}: {} to {}", change.field, shown(from), shown(to)),
        (Some(from), None) => format!("{}: {} is gone", change.field, shown(from)),
        (None, Some(to)) => format!("{}: {} is new", change.field, shown(to)),
        (None, None) => change.field.clone(),
    };
    let width = width().unwrap_or(usize::MAX);
    let (indent, beside) = if width < NARROW { (2, false) } else { (IMPACT, true) };
    let room = width.saturating_sub(indent);
    let mut lines = wrap(&one_line(&what, 400), room).into_iter();
    match beside {
        true => {
            let first = lines.next().unwrap_or_default();
            context.ui.line(&format!("{style}{:<IMPACT$}{style:#}{first}", change.impact))?;
        }
        false => context.ui.line(&format!("{style}{}{style:#}", change.impact))?,
    }
    for line in lines {
        context.ui.line(&format!("{:indent$}{line}", ""))?;
    }
    for line in wrap(change.why, room) {
        context.ui.line(&format!("{:indent$}{DIM}{line}{DIM:#}", ""))?;
    }
    Ok(())
}

/// A value as a person reads it.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    };
    one_line(&text, 120)
}

/// The unified diff of the two files, line by line.
fn unified(from: &Side, to: &Side) -> Vec<String> {
    let text = |side: &Side| String::from_utf8_lossy(&side.prompt.bytes).into_owned();
    let (before, after) = (text(from), text(to));
    let (before, after) = (before.tokenize_lines(), after.tokenize_lines());
    // The crate's own way to texts brings all of its algorithms, for every kind of text.
    let mut found = Compact::new(Replace::new(Capture::new()), &before, &after);
    let (all, deadline) = ((0..before.len(), 0..after.len()), Instant::now() + PATIENCE);
    let Ok(()) = myers::diff_deadline(&mut found, &before, all.0, &after, all.1, Some(deadline));
    let mut lines = Vec::new();
    for hunk in group_diff_ops(found.into_inner().into_inner().into_ops(), AROUND) {
        if lines.is_empty() {
            let name = |side: &Side| {
                format!("{} ({})\n", one_line(&side.prompt.reference(), 240), safe(&side.place))
            };
            lines.extend([format!("--- {}", name(from)), format!("+++ {}", name(to))]);
        }
        lines.push(format!("{}\n", UnifiedHunkHeader::new(&hunk)));
        for change in hunk.iter().flat_map(|op| op.iter_changes(&before, &after)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line: &str = change.value();
            lines.push(format!("{sign}{}\n", line.strip_suffix('\n').unwrap_or(line)));
            if !line.ends_with(['\n', '\r']) {
                lines.push("\\ No newline at end of file\n".to_owned());
            }
        }
    }
    lines
}

/// A line as a terminal may show it. Of a long one that is there because it changed, the part that did is shown.
fn cut(lines: &[String], at: usize) -> String {
    let line = lines.get(at).map(|line| line.trim_end_matches('\n')).unwrap_or_default();
    let length = line.chars().count();
    if length <= LINE {
        return safe(line);
    }
    let (sign, rest) = line.split_at(1); // ASCII in every line
    let other = counterpart(lines, at).and_then(|other| other.get(1..)).unwrap_or_default();
    let same = rest.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let skipped = if same > LINE / 2 { same - LINE / 4 } else { 0 };
    let start = if skipped > 0 { format!("({skipped} characters the same) …") } else { String::new() };
    let shown: String = rest.chars().skip(skipped).take(LINE).collect();
    let end = match (length - 1).saturating_sub(skipped + LINE) {
        0 => String::new(),
        more => format!("… ({more} characters more; --json has them)"),
    };
    format!("{sign}{start}{}{end}", safe(&shown))
}

/// The line in whose place this one is, or that is in its place: of a block of removed lines followed by one of added
/// lines, the one at the same place in the other block.
fn counterpart(lines: &[String], at: usize) -> Option<&str> {
    let is = |at: usize, sign: char| lines.get(at).is_some_and(|line| line.starts_with([sign, '\\']));
    let sign = lines.get(at)?.chars().next()?;
    let before = |end: usize, sign: char| (0..end).rev().take_while(|at| is(*at, sign)).count();
    let other = match sign {
        '-' => at + (at..lines.len()).take_while(|at| is(*at, '-')).count() + before(at, '-'),
        '+' => {
            let own = (0..at).rev().take_while(|at| lines.get(*at).is_some_and(|line| line.starts_with('+')));
            let added = at - own.count();
            // Where the removed lines begin, and as far in.
            added.checked_sub(before(added, '-'))? + (at - added)
        }
        _ => return None,
    };
    let other = lines.get(other).map(String::as_str)?;
    other.starts_with(if sign == '-' { '+' } else { '-' }).then_some(other)
}
