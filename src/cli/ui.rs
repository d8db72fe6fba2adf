//! What a person sees: data on stdout, talk on stderr, colour where it helps.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use promptos::error::{Error, Result};
use promptos::session::plain;
pub(crate) use promptos::session::{one_line, safe};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// When to colour.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
pub(crate) const WARN: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
pub(crate) const BAD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));

/// The two streams.
pub(crate) struct Ui {
    color: ColorChoice,
    pub(crate) json: bool,
    quiet: bool,
    /// Nobody reads stdout any more.
    closed: Cell<bool>,
    /// A report went to stdout, which holds one JSON document and no more.
    reported: Cell<bool>,
}

impl Ui {
    pub(crate) fn new(color: Color, json: bool, quiet: bool) -> Self {
        let color = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { color, json, quiet, closed: Cell::new(false), reported: Cell::new(false) }
    }

    /// A line of results.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        let mut out = AutoStream::new(io::stdout().lock(), self.color);
        self.write(|| writeln!(out, "{text}"))
    }

    /// Results as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        self.write(|| io::stdout().lock().write_all(bytes))
    }

    pub(crate) fn flush(&self) -> Result<()> {
        self.write(|| io::stdout().lock().flush())
    }

    /// A reader who has seen enough is no failure of ours, and neither ends the work nor changes its outcome.
    fn write(&self, write: impl FnOnce() -> io::Result<()>) -> Result<()> {
        if self.closed.get() {
            return Ok(());
        }
        match write() {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            other => other.map_err(|e| Error::failed(format!("cannot write the output: {e}"))),
        }
    }

    /// A report as JSON, with its schema first.
    pub(crate) fn report(&self, command: &str, report: Value) -> Result<()> {
        let mut all = Map::new();
        all.insert("schema".to_owned(), Value::from(format!("promptos.{command}/1")));
        match report {
            Value::Object(fields) => all.extend(fields),
            other => {
                all.insert("report".to_owned(), other);
            }
        }
        self.document(Value::Object(all))
    }

    /// One JSON document, whose form somebody else has settled.
    pub(crate) fn document(&self, document: Value) -> Result<()> {
        let mut text = serde_json::to_string_pretty(&document)
            .map_err(|e| Error::bug("a report is not JSON").because(e))?;
        drop(document); // a report on a large catalog is large itself
        if text.contains(hidden) {
            text = escaped(&text);
        }
        text.push('\n');
        self.reported.set(true);
        // Past the stream that takes out colours: it takes out what it holds for part of a colour, too.
        self.bytes(text.as_bytes())?;
        self.flush()
    }

    /// Something the person may want to know.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.talk(&format!("{DIM}{text}{DIM:#}"));
        }
    }

    /// A line for whoever reads the talk.
    pub(crate) fn say(&self, text: &str) {
        self.talk(text);
    }

    /// Something the person should know.
    pub(crate) fn warn(&self, text: &str) {
        self.talk(&format!("{WARN}warning:{WARN:#} {text}"));
    }

    /// A failure as JSON.
    pub(crate) fn error_report(&self, error: &Error) {
        let mut causes = Vec::new();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        let report = json!({
            "error": error.to_string(), "causes": causes, "hints": error.hints(), "exit": error.kind() as u8
        });
        // Nothing can be done when stdout is gone as well.
        let _ = self.report("error", report);
    }

    pub(crate) fn error(&self, error: &Error) {
        if self.json && !self.reported.get() {
            self.error_report(error);
        }
        let mut text = format!("{BAD}error:{BAD:#} {}", safe(&plain(&error.to_string())));
        for hint in error.hints() {
            text.push_str(&format!("\n  {DIM}{}{DIM:#}", safe(hint)));
        }
        self.talk(&text);
    }

    /// A line that shows how far some work is, once it takes a while and while someone watches. It is gone when this
    /// value is.
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let shown = able && !self.quiet && !self.json && io::stderr().is_terminal();
        Progress { what, shown, done: 0, began: Instant::now(), drawn: None }
    }

    /// Whether results are for eyes that like colour.
    pub(crate) fn colored(&self) -> bool {
        let choice = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            fixed => fixed,
        };
        choice != ColorChoice::Never
    }

    fn talk(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr().lock(), self.color);
        // There is nowhere to say that this failed.
        let _ = writeln!(err, "{text}");
    }
}

/// Work that is done sooner shows no line.
const PATIENCE: Duration = Duration::from_millis(500);
/// A line is not drawn again sooner than that.
const PAUSE: Duration = Duration::from_millis(100);

/// See [`Ui::progress`].
pub(crate) struct Progress {
    what: &'static str,
    shown: bool,
    done: usize,
    /// When the work began, or began again.
    began: Instant,
    /// When it was drawn last.
    drawn: Option<Instant>,
}

impl Progress {
    /// So much is done, of so much, if that is known.
    pub(crate) fn set(&mut self, done: usize, total: Option<usize>) {
        if !self.shown {
            return;
        }
        let now = Instant::now();
        if done < self.done {
            self.began = now;
        }
        self.done = done;
        let since = |earlier: Instant| now.saturating_duration_since(earlier);
        if self.drawn.map_or(since(self.began) < PATIENCE, |drawn| since(drawn) < PAUSE) {
            return;
        }
        self.drawn = Some(now);
        let width = width_of(io::stderr()).unwrap_or(100);
        // There is nowhere to say that this failed.
        let _ =
            write!(io::stderr().lock(), "\r\x1b[2K{}", bar(self.what, done, total, since(self.began), width));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
        }
    }
}

/// `what [####    ] 40% 12/30 6/s 3 s left`, in less than `width` columns: what does not fit is left out, the bar and
/// the rate first.
fn bar(what: &str, done: usize, total: Option<usize>, elapsed: Duration, width: usize) -> String {
    let Some(total) = total.filter(|total| *total > 0) else { return cut(&format!("{what} {done}"), width) };
    let done = done.min(total);
    let (millis, hundredths) = (elapsed.as_millis().max(1), done as u128 * 100 / total as u128);
    let rate = done as u128 * 1000 / millis;
    let rate = if rate < 10_000 { format!("{rate}/s") } else { format!("{}k/s", rate / 1000) };
    let left = (total - done) as u128 * millis / (done.max(1) as u128 * 1000);
    let left = match left {
        0..100 => format!("{left} s left"),
        100..6000 => format!("{} min left", left.div_ceil(60)),
        _ => format!("{} h left", left.div_ceil(3600)),
    };
    let (percent, count) = (format!("{hundredths}%"), format!("{done}/{total}"));
    // Before anything is done, nothing tells how long it takes.
    let begun = done > 0;
    let parts = [(&percent, true), (&count, true), (&left, begun), (&rate, begun)];
    let mut room = width.saturating_sub(what.len() + 1);
    let [percent, count, left, rate] = parts.map(|(part, known)| {
        let fits = known && part.len() < room;
        room -= if fits { part.len() + 1 } else { 0 };
        if fits { format!(" {part}") } else { String::new() }
    });
    let room = room.saturating_sub(3).min(40);
    let filled = room * done / total;
    let bar = match room {
        0..4 => String::new(),
        _ => format!(" [{}{}]", "#".repeat(filled), " ".repeat(room - filled)),
    };
    cut(&format!("{what}{bar}{percent}{count}{rate}{left}"), width)
}

/// What of a line fits in less than `width` columns.
fn cut(line: &str, width: usize) -> String {
    line.chars().take(width.saturating_sub(1)).collect()
}

/// What a terminal must not get as it is, but for line ends.
fn hidden(c: char) -> bool {
    c != '\n' && ledger_format::is_hidden(c)
}

/// The same JSON with what is [`hidden`] as escapes: JSON leaves some of it as it is.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if hidden(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

/// How many characters fit into a line of results. `None` where nobody looks.
pub(crate) fn width() -> Option<usize> {
    width_of(io::stdout())
}

/// As [`width`], of either stream: `COLUMNS`, else what the terminal says.
fn width_of(stream: impl AsFd) -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let terminal = || terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0));
    columns.or_else(terminal).filter(|width| *width > 0)
}

/// Lines of at most `width` characters, broken between words; a longer word stays whole.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

/// The first digits of a ledger's id.
pub(crate) fn ledger(id: &ledger_format::EntryId) -> String {
    short(&hex::encode(id.0))
}

/// The first digits of a written hash, `entry:0123456789ab…`.
pub(crate) fn short(written: &str) -> String {
    let keep = written.find(':').map_or(0, |at| at + 1) + 12;
    written.get(..keep).map_or_else(|| written.to_owned(), |start| format!("{start}…"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bar_fills_and_fits() {
        let bar = |done, total, seconds, width| bar("lint", done, total, Duration::from_secs(seconds), width);
        assert_eq!(bar(0, Some(4), 0, 26), "lint [           ] 0% 0/4");
        assert_eq!(bar(2, Some(4), 2, 41), "lint [######      ] 50% 2/4 1/s 2 s left");
        assert_eq!(bar(9, Some(4), 4, 41), "lint [###########] 100% 4/4 1/s 0 s left");
        assert_eq!(bar(7, None, 1, 20), "lint 7");
        assert_eq!(bar(7, Some(0), 1, 20), "lint 7");
        let million = |width| bar(450_000, Some(1_000_000), 5, width);
        assert_eq!(million(20), "lint 45% 6 s left");
        assert_eq!(million(40), "lint 45% 450000/1000000 90k/s 6 s left");
        assert_eq!(million(60), "lint [########          ] 45% 450000/1000000 90k/s 6 s left");
        assert!(bar(1, Some(1000), 1, 80).ends_with(" 1/s 17 min left"));
        assert!(bar(1, Some(1000), 100, 80).ends_with(" 0/s 28 h left"));
        for width in 0..200 {
            let length = million(width).len();
            assert!(length < width.max(1), "{width}: {length}");
        }
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("one two three", 100), ["one two three"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrap("", 10), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_wider(text in "[a-zé]{1,9}( [a-zé]{1,9}){0,9}", width in 9usize..40) {
            let lines = wrap(&text, width);
            prop_assert_eq!(lines.join(" "), text);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
        }
    }
}
