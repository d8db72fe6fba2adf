//! How many bytes a call in a template may write, judged from its arguments before it is made.
//!
//! A number of a few digits or a short loop must not make gigabytes. Each function here gives an upper bound for one
//! kind of call; what all calls of one rendering write together ends at [`MOST_WRITTEN`]. Operators (`~`, `+`, `*`)
//! are not calls: a template that nobody has read belongs into a process with limits.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use std::fmt::{self, Write as _};

/// Largest width, precision or count that a call takes.
pub(crate) const MOST_NUMBER: u64 = 1000;
/// Most bytes that the calls of one rendering write together; steps have a limit of their own.
pub(crate) const MOST_WRITTEN: usize = 128 << 20;
/// Most pieces that a list or mapping is written in to see how long it is: what holds itself twice, many times over,
/// is written for minutes.
const MOST_PIECES: usize = 1 << 20;
/// What the engine needs for one item of a list.
const ITEM: usize = 32;

/// An upper bound for what a call with these arguments (its subject first) writes, in bytes; `None` when a number is
/// larger than [`MOST_NUMBER`].
pub(super) type Bound = fn(&[Value]) -> Option<usize>;

/// What the calls of a rendering have written so far.
struct Written(usize);

/// Refuses a call when it would write too much, and else adds it to what was written.
pub(super) fn charge(
    state: &mut State<'_, '_>,
    kind: &str,
    name: &str,
    bound: Bound,
    args: &[Value],
) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::new(ErrorKind::OutOfFuel, format!("the {kind} `{name}` {why}")));
    let Some(bytes) = bound(args) else {
        return refuse(format!("takes no number above {MOST_NUMBER}"));
    };
    let written = state.get_or_insert_extension(Written(0));
    written.0 = written.0.saturating_add(bytes);
    if written.0 > MOST_WRITTEN {
        return refuse(format!("would make, with the calls before it, more than {} MB", MOST_WRITTEN >> 20));
    }
    Ok(())
}

/// Answers, looks at or hands on what it is given.
pub(super) fn free(_: &[Value]) -> Option<usize> {
    Some(0)
}

/// Writes at most what it is given.
pub(super) fn copied(args: &[Value]) -> Option<usize> {
    Some(all(args))
}

/// Writes at most six bytes for each that it is given, as escapes such as `\u003c` do.
pub(super) fn rewritten(args: &[Value]) -> Option<usize> {
    Some(all(args).saturating_mul(6))
}

/// Makes a list of what it goes through.
pub(super) fn listed(args: &[Value]) -> Option<usize> {
    let items = |value: &Value| match value.len() {
        Some(length) => length,
        None => value.try_iter().map_or(0, |items| items.take(MOST_WRITTEN / ITEM + 1).count()),
    };
    Some(args.first().map_or(0, items).saturating_mul(ITEM))
}

/// Makes lists of as many items as its numbers say.
pub(super) fn dealt(args: &[Value]) -> Option<usize> {
    Some(listed(args)?.saturating_add(largest(args)?.saturating_mul(ITEM)))
}

/// Cuts a text at the separator it is given, or at its white space.
pub(super) fn cut(args: &[Value]) -> Option<usize> {
    let text = args.first().and_then(Value::as_str).unwrap_or_default();
    let pieces = match args.get(1).and_then(Value::as_str).filter(|separator| !separator.is_empty()) {
        Some(separator) => text.matches(separator).count(),
        None => text.matches(char::is_whitespace).count(),
    };
    Some((pieces + 1).saturating_mul(ITEM).saturating_add(text.len()))
}

/// Adds as many blanks as its numbers say.
pub(super) fn widened(args: &[Value]) -> Option<usize> {
    Some(all(args).saturating_add(largest(args)?))
}

/// Begins each line with a text, or with as many blanks as its numbers say.
pub(super) fn indented(args: &[Value]) -> Option<usize> {
    let (whole, width) = (args.first().map_or(0, written), largest(args)?.max(4));
    let lines = match args.first().and_then(Value::as_str) {
        Some(text) => text.matches('\n').count() + 1,
        None => whole + 1,
    };
    let texts = args.get(1..).map_or(0, all);
    Some(whole.saturating_add(lines.saturating_mul(width.saturating_add(texts))))
}

/// Writes a value over lines, those inside brackets deeper by as many blanks as its numbers say.
pub(super) fn pretty(args: &[Value]) -> Option<usize> {
    let Some(value) = args.first() else { return Some(0) };
    let counted = count(value);
    let blanks = largest(args)?.max(4).saturating_mul(counted.deepest);
    Some(counted.bytes.saturating_mul(blanks.saturating_add(6)))
}

/// Goes through it from its end.
pub(super) fn reversed(args: &[Value]) -> Option<usize> {
    match args.first().and_then(Value::as_str) {
        Some(text) => Some(text.len()),
        None => listed(args),
    }
}

/// Takes its numbers for digits or places: no large ones.
pub(super) fn numbered(args: &[Value]) -> Option<usize> {
    largest(args)
}

/// Puts the third before, between or in the place of what it finds in the first.
pub(super) fn replaced(args: &[Value]) -> Option<usize> {
    let text = |at: usize| args.get(at).map(ToString::to_string).unwrap_or_default();
    let bytes = all(args);
    if bytes > MOST_WRITTEN {
        return Some(bytes);
    }
    let (whole, old, new) = (text(0), text(1), text(2));
    Some(whole.matches(old.as_str()).count().saturating_mul(new.len()).saturating_add(whole.len()))
}

/// Puts the second between the items of the first.
pub(super) fn joined(args: &[Value]) -> Option<usize> {
    let items = listed(args)? / ITEM;
    Some(items.saturating_mul(args.get(1).map_or(0, written)).saturating_add(all(args)))
}

/// Puts the first between the items of the second, as `', '.join(items)`.
pub(super) fn joined_by(args: &[Value]) -> Option<usize> {
    match args {
        [separator, items, ..] => joined(&[items.clone(), separator.clone()]),
        _ => Some(0),
    }
}

/// Adds its items up, which may be texts or lists when it is told where to start.
pub(super) fn added(args: &[Value]) -> Option<usize> {
    Some(if args.len() < 2 { 0 } else { all(args).saturating_mul(ITEM) })
}

/// Fills a text with directives such as `%5d`.
pub(super) fn printed(args: &[Value]) -> Option<usize> {
    let directives = args.first().and_then(Value::as_str).unwrap_or_default();
    filled(
        args,
        directives.split('%').skip(1).map(|directive| {
            let named = directive.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            let rest = named.map_or(directive, |(_, rest)| rest);
            let end = rest.find(|c: char| !c.is_ascii_digit() && !"#-+. *".contains(c)).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default()
        }),
    )
}

/// Fills a text with fields such as `{0:>5}`.
pub(super) fn braced(args: &[Value]) -> Option<usize> {
    let text = args.first().and_then(Value::as_str).unwrap_or_default().replace("{{", "");
    filled(args, text.split('{').skip(1).map(|field| field.split('}').next().unwrap_or_default()))
}

/// A text with so many places for what it is given; `*` would take a width from a value.
fn filled<'a>(args: &[Value], places: impl Iterator<Item = &'a str>) -> Option<usize> {
    let (mut bytes, each) = (all(args), all(args));
    for place in places {
        if place.contains('*') {
            return None;
        }
        let mut widest = 0;
        for number in place.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()) {
            // Digits that no number holds are too large as well.
            widest = widest.max(number.parse::<u64>().ok().filter(|number| *number <= MOST_NUMBER)?);
        }
        // No number has more than 400 digits before its point.
        bytes = bytes.saturating_add(each).saturating_add(usize::try_from(widest).ok()? + 400);
    }
    Some(bytes)
}

/// Counts what lies between its numbers.
pub(super) fn ranged(args: &[Value]) -> Option<usize> {
    const FAR: i64 = 1 << 40; // the engine subtracts them; it counts to 100,000 at most
    let is_near = |value: &Value| value.as_i64().is_some_and(|number| number.abs() < FAR);
    args.iter().all(|value| !value.is_number() || is_near(value)).then_some(0)
}

/// The largest number after the subject, by position or by name.
fn largest(args: &[Value]) -> Option<usize> {
    let mut most = 0;
    let mut see = |value: &Value| {
        if value.is_number() {
            let number = value.as_i64().map(i64::unsigned_abs).filter(|number| *number <= MOST_NUMBER)?;
            most = most.max(usize::try_from(number).ok()?);
        }
        Some(())
    };
    for arg in args.iter().skip(1) {
        if arg.is_kwargs() {
            for key in arg.try_iter().ok()? {
                see(&arg.get_item(&key).unwrap_or_default())?;
            }
        }
        see(arg)?;
    }
    Some(most)
}

fn all(args: &[Value]) -> usize {
    args.iter().map(written).fold(0, usize::saturating_add)
}

/// The bytes of a value as text; more than [`MOST_WRITTEN`] when it is longer, which lists of lists may be by far.
fn written(value: &Value) -> usize {
    match value.kind() {
        ValueKind::String => value.as_str().map_or(0, str::len),
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool => 5,
        _ => count(value).bytes,
    }
}

/// A value's bytes as text, and how deep its brackets nest.
#[derive(Default)]
struct Counted {
    bytes: usize,
    pieces: usize,
    deep: usize,
    deepest: usize,
}

fn count(value: &Value) -> Counted {
    let mut counted = Counted::default();
    // It ends with an error when there is too much to count.
    let _ = write!(counted, "{value}");
    counted
}

impl fmt::Write for Counted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        self.pieces += 1;
        for byte in text.bytes() {
            match byte {
                b'[' | b'{' | b'(' => self.deep += 1,
                b']' | b'}' | b')' => self.deep = self.deep.saturating_sub(1),
                _ => {}
            }
            self.deepest = self.deepest.max(self.deep);
        }
        if self.pieces > MOST_PIECES {
            self.bytes = MOST_WRITTEN + 1;
        }
        if self.bytes > MOST_WRITTEN { Err(fmt::Error) } else { Ok(()) }
    }
}
