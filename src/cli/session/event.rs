use super::{check_open, open_session};
use crate::cli::context::Context;
use crate::cli::show::entry_json;
use crate::cli::ui::{DIM, one_line};
use clap::Args;
use ledger_format::Kid;
use promptos::error::{Error, Result};
use promptos::ledger::Entry;
use promptos::session::{EventRequest, Given, PlannedEvent, Source, check_room, plan_event};
use serde_json::json;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What is piped in is held in memory.
const MAX_STDIN: u64 = 64 << 20;

/// Put a note on record in an open session
#[derive(Args)]
pub(crate) struct Note {
    /// What there is to say
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// The session; by default the one that your key has open
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Record although a secret was found; the reason is recorded too
    #[arg(long, value_name = "REASON")]
    allow_secret: Option<String>,
}

/// Put files on record in an open session, as what they are: transcripts, outputs
///
/// The bytes are kept, with media type and size. '-' is what is piped in.
#[derive(Args)]
pub(crate) struct Add {
    /// The files; '-' for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The media type of the one file, such as text/x-diff; by default as its name and content suggest
    #[arg(long = "type", value_name = "MEDIA")]
    media_type: Option<String>,
    /// What the one file is to be called
    #[arg(long)]
    name: Option<String>,
    /// What there is to say about them
    #[arg(long, default_value = "", hide_default_value = true)]
    notes: String,
    /// The session; by default the one that your key has open
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Record although a secret was found; the reason is recorded too
    #[arg(long, value_name = "REASON")]
    allow_secret: Option<String>,
}

impl Note {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if self.text.trim().is_empty() {
            return Err(Error::usage("the note is empty"));
        }
        let event = Happened {
            command: "session-note",
            notes: &self.text,
            files: &[],
            session: self.session.as_deref(),
            allow_secret: self.allow_secret.as_deref(),
        };
        event.record(context)
    }
}

impl Add {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        if self.files.len() > 1 && (self.name.is_some() || self.media_type.is_some()) {
            return Err(Error::usage("--name and --type are of one file; these are several"));
        }
        if self.files.iter().filter(|path| is_stdin(path)).count() > 1 {
            return Err(Error::usage("standard input can be read once"));
        }
        let mut files = Vec::new();
        for path in &self.files {
            let source = if is_stdin(path) { Source::Bytes(stdin()?) } else { Source::File(path.clone()) };
            files.push(Given { source, name: self.name.clone(), media_type: self.media_type.clone() });
        }
        let event = Happened {
            command: "session-add",
            notes: &self.notes,
            files: &files,
            session: self.session.as_deref(),
            allow_secret: self.allow_secret.as_deref(),
        };
        event.record(context)
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_STDIN + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::failed(format!("cannot read standard input: {e}")))?;
    if bytes.len() as u64 > MAX_STDIN {
        return Err(Error::failed(format!("more than {MAX_STDIN} bytes were piped in"))
            .hint("write them to a file, and add that; a file may have any size"));
    }
    Ok(bytes)
}

/// What is to be recorded.
struct Happened<'a> {
    command: &'static str,
    notes: &'a str,
    files: &'a [Given],
    session: Option<&'a str>,
    allow_secret: Option<&'a str>,
}

impl Happened<'_> {
    fn record(&self, context: &Context<'_>) -> Result<()> {
        let reader = context.read()?;
        let key = context.existing_key()?;
        let start = open_session(&reader, self.session, &Kid::of(&key.public))?;
        // Nobody waits for us while large files are read.
        drop(reader);
        let request = EventRequest {
            start: &start,
            notes: self.notes,
            files: self.files,
            allow_secret: self.allow_secret,
            salts: [context.random()?, context.random()?],
        };
        let planned = plan_event(&request)?;
        planned.remarks.iter().for_each(|remark| context.ui.warn(&one_line(remark, 2000)));
        let ledger = context.write()?;
        check_open(&ledger, &start)?;
        check_room(&ledger, &start)?;
        let entry = context.append(&ledger, &key, &planned.new)?;
        self.tell(context, &entry, &planned)
    }

    fn tell(&self, context: &Context<'_>, entry: &Entry, planned: &PlannedEvent) -> Result<()> {
        if context.ui.json {
            let files = planned.files.iter().map(|file| {
                json!({
                    "path": file.path, "type": file.content.media_type, "size": file.content.size,
                    "blake3": hex::encode(file.content.blake3.0),
                })
            });
            return context.ui.report(
                self.command,
                json!({
                    "entry": entry_json(entry), "session": entry.statement.name, "files": files.collect::<Vec<_>>(),
                }),
            );
        }
        for file in &planned.files {
            context.ui.line(&format!(
                "added     {} {DIM}{}, {} bytes{DIM:#}",
                one_line(&file.path, 200),
                file.content.media_type,
                file.content.size
            ))?;
        }
        let session = one_line(&entry.statement.name, 120);
        context.ui.line(&format!("session   {session} {DIM}entry {}{DIM:#}", entry.index))?;
        context.ui.line(&format!("entry     {}", entry.statement.id))
    }
}
