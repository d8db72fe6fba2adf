use super::context::Context;
use super::lookup;
use super::ui::{BOLD, DIM, WARN, one_line, safe};
use clap::Args;
use ledger_format::{Body, Descriptor, KeyChange, ManifestFile, Statement};
use promptos::error::Result;
use promptos::ledger::rfc3339 as time;
use promptos::ledger::{BlobState, Entry, Ledger};
use serde_json::{Value, json};

/// Show one entry with everything it says
#[derive(Args)]
pub(crate) struct Show {
    /// An index, an entry id (8 digits or more), or a session or run id
    entry: String,
}

impl Show {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let ledger = context.read()?;
        let entry = lookup::entry(&ledger, &self.entry)?;
        ledger.check_entry(&entry)?;
        let statement = &entry.statement;
        let details = ledger.details(&statement.body)?;
        let manifest = ledger.manifest(&statement.body)?;
        let contents = contents(&ledger, statement)?;
        let files = manifest.iter().flat_map(|m| &m.files).map(|file| Ok((file, file_state(&ledger, file)?)));
        let files = files.collect::<Result<Vec<_>>>()?;
        if context.ui.json {
            let files = files.iter().map(|(file, state)| {
                json!({"path": file.path, "ref": file.reference, "blake3": hex::encode(file.content.blake3.0), "size": file.content.size, "kept": file.kept, "state": state})
            });
            return context.ui.report("show", json!({
                "entry": entry_json(&entry),
                "says": says(&statement.body).into_iter().map(|(name, text)| json!([name, text])).collect::<Vec<_>>(),
                "sessions": sessions_json(&entry.statement.body),
                "details": details.map(|details| details.fields),
                "files": files.collect::<Vec<_>>(),
                "contents": contents.iter().map(|(name, state)| json!({"content": name, "state": state})).collect::<Vec<_>>(),
                "not_understood": statement.not_understood,
            }));
        }
        let line = |label: &str, text: &str| {
            context.ui.line(&format!("{BOLD}{:<10}{BOLD:#} {text}", one_line(label, 24)))
        };
        line("entry", &format!("{} {DIM}{}{DIM:#}", entry.index, statement.id))?;
        line("subject", &one_line(&statement.subject(), 300))?;
        line("signer", &format!("{} {DIM}{}{DIM:#}", safe(&statement.issuer), statement.kid))?;
        line("time", &format!("{} {DIM}as claimed{DIM:#}", time(statement.time)))?;
        line("head", &format!("{} {DIM}{}{DIM:#}", statement.head.size, hex::encode(statement.head.root)))?;
        for (name, text) in says(&statement.body) {
            line(name, &one_line(&text, 300))?;
        }
        for (name, text) in details.iter().flat_map(|details| &details.fields) {
            line(name, &safe(text).replace('\n', "\n           "))?;
        }
        for (name, state) in &contents {
            line("content", &format!("{} {DIM}{state}{DIM:#}", one_line(name, 300)))?;
        }
        for (file, state) in &files {
            line(
                "file",
                &format!(
                    "{} {DIM}{}, {} bytes, {state}{DIM:#}",
                    one_line(&file.path, 200),
                    file.content.blake3,
                    file.content.size
                ),
            )?;
        }
        for what in &statement.not_understood {
            context.ui.line(&format!("{WARN}not understood{WARN:#} {}", safe(what)))?;
        }
        Ok(())
    }
}

/// The contents that a statement names, and what became of them.
fn contents(ledger: &Ledger, statement: &Statement) -> Result<Vec<(String, &'static str)>> {
    let mut listed = Vec::new();
    for descriptor in statement.body.contents() {
        let state = match ledger.blob_state(&descriptor.blake3)? {
            BlobState::Present(_) => "present",
            BlobState::Erased => "erased",
            BlobState::Missing if ledger.is_published() => "unpublished",
            BlobState::Missing => "missing",
        };
        listed.push((
            format!("{} {} {} bytes", descriptor.blake3, descriptor.media_type, descriptor.size),
            state,
        ));
    }
    Ok(listed)
}

/// What became of a file in a manifest: `kept`, `listed` when only its digest was recorded, `erased`, `missing`,
/// or `unpublished` when a published copy does not have it.
pub(crate) fn file_state(ledger: &Ledger, file: &ManifestFile) -> Result<&'static str> {
    Ok(match ledger.blob_state(&file.content.blake3)? {
        BlobState::Erased => "erased",
        BlobState::Present(_) if file.kept => "kept",
        BlobState::Missing if file.kept && ledger.is_published() => "unpublished",
        BlobState::Missing if file.kept => "missing",
        _ => "listed",
    })
}

/// What a body says beside its contents, line by line.
fn says(body: &Body) -> Vec<(&'static str, String)> {
    match body {
        Body::Ledger(ledger) => {
            let mut lines = vec![("name", ledger.name.clone())];
            lines.extend(ledger.admins.iter().map(|a| ("admin", format!("{} {}", a.identity, a.key.kid()))));
            lines.push(("log key", ledger.checkpoint_key.kid().to_string()));
            lines.extend(
                ledger
                    .previous
                    .iter()
                    .map(|p| ("previous", format!("{} of {} entries", p.ledger, p.head.size))),
            );
            lines
        }
        Body::Key(KeyChange::Enrol { who, roles, acting_for }) => {
            let mut lines = vec![
                ("enrols", format!("{} {}", who.identity, who.key.kid())),
                ("roles", roles.names().join(", ")),
            ];
            lines.extend(acting_for.iter().map(|who| ("acts for", who.clone())));
            lines
        }
        Body::Key(KeyChange::Revoke { kid, since }) => {
            let mut lines = vec![("revokes", kid.to_string())];
            lines.extend(since.iter().map(|id| ("suspect", format!("since {id}"))));
            lines
        }
        Body::Key(KeyChange::Rotate { key }) => vec![("new key", key.kid().to_string())],
        Body::Key(KeyChange::Checkpoint { key }) => vec![("log key", key.kid().to_string())],
        Body::Event(event) => vec![("start", event.start.to_string())],
        Body::Start(session) | Body::Session(session) => {
            let used = session
                .prompts
                .iter()
                .map(|used| ("prompt", format!("{} {}", used.reference, used.content.blake3)));
            let mut lines: Vec<_> = used.collect();
            lines.push(("versions", format!("promptos {}, catalog {}", session.tool, session.catalog)));
            lines.extend(session.snapshot.iter().map(|id| ("snapshot", id.to_string())));
            lines.extend(session.renders.iter().map(|id| ("render", id.to_string())));
            if let Some(life) = &session.life {
                lines.push(("start", life.start.to_string()));
                lines.extend(life.events.iter().map(|id| ("event", id.to_string())));
            }
            lines.push(("lint", format!("passed, {} warnings", session.lint_warnings)));
            lines.extend(session.target.iter().map(|target| {
                (
                    "commit",
                    format!(
                        "{}{}",
                        hex::encode(&target.commit),
                        if target.dirty { " with uncommitted changes" } else { "" }
                    ),
                )
            }));
            lines
        }
        Body::Render(render) => {
            let Descriptor { blake3, media_type, size, .. } = &render.output;
            let mut lines = vec![
                ("prompt", format!("{} {}", render.prompt.reference, render.prompt.content.blake3)),
                ("output", format!("{blake3} {media_type} {size} bytes")),
                ("sha256", hex::encode(render.output.sha256)),
                ("engine", format!("{}, promptos {}", render.engine, render.tool)),
            ];
            lines.extend(render.options.iter().map(|option| ("option", option.clone())));
            lines.push(("variables", format!("committed to as {}", hex::encode(render.variables))));
            lines.extend(
                render.input.iter().map(|c| ("input", format!("committed to as {}", hex::encode(c)))),
            );
            lines
        }
        Body::Run(run) => {
            let cited = run.sessions.iter().map(|cited| match &cited.foreign {
                None => ("session", cited.entry.to_string()),
                Some(foreign) => {
                    let trust = if foreign.trusted { "trusted" } else { "not trusted" };
                    (
                        "session",
                        format!(
                            "{} of ledger {}, {trust} when attached",
                            cited.entry,
                            hex::encode(foreign.ledger.0)
                        ),
                    )
                }
            });
            cited.collect()
        }
        Body::Import(import) => {
            let checked =
                if import.checked.is_empty() { "no hashes".to_owned() } else { import.checked.join(", ") };
            vec![
                ("format", import.format.clone()),
                ("assurance", "integrity only, unsigned by its author".to_owned()),
                ("checked", checked),
            ]
        }
        Body::Erase(erase) => vec![("erased", erase.content.to_string())],
        Body::Snapshot(snapshot) => {
            let commit = snapshot.commit.iter().map(|commit| ("commit", hex::encode(commit)));
            let tag = snapshot.tag.iter().map(|tag| ("tag", tag.clone()));
            let lint = format!("{} errors, {} warnings", snapshot.lint_errors, snapshot.lint_warnings);
            commit.chain(tag).chain([("lint", lint)]).collect()
        }
        Body::Prompt(_) | Body::Unknown => Vec::new(),
    }
}

/// An entry as every JSON report shows it.
pub(crate) fn entry_json(entry: &Entry) -> Value {
    statement_json(entry.index, &entry.statement)
}

pub(crate) fn statement_json(index: u64, statement: &Statement) -> Value {
    json!({
        "index": index,
        "id": statement.id.to_string(),
        "kind": statement.kind,
        "sub": statement.subject(),
        "iss": statement.issuer,
        "kid": statement.kid.to_string(),
        "time": time(statement.time),
        "head": { "size": statement.head.size, "root": hex::encode(statement.head.root) },
    })
}

/// The sessions that a run cites.
pub(crate) fn sessions_json(body: &Body) -> Vec<Value> {
    let Body::Run(run) = body else { return Vec::new() };
    let cited = run.sessions.iter().map(|cited| {
        json!({
            "entry": cited.entry.to_string(),
            "ledger": cited.foreign.as_ref().map(|f| hex::encode(f.ledger.0)),
            "trusted": cited.foreign.as_ref().map(|f| f.trusted),
        })
    });
    cited.collect()
}
