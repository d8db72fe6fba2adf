//! `dev`: lint, resolve, and put together what a session's statement will say.

use super::files::describe;
use crate::catalog::{self, Catalog, Finding, Prompt, secrets};
use crate::error::{Error, Result};
use crate::ledger::{Content, Entry, New};
use ledger_format::{
    Body, DETAILS_TYPE, Descriptor, Details, MANIFEST_TYPE, MAX_LIST, Manifest, ManifestFile, Session,
    Target, Used,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Details are meant for a few paragraphs; what is longer belongs in an attachment.
const MAX_DETAIL: usize = 1 << 20;

/// What is to be recorded. Times and random bytes come from the caller.
pub struct SessionRequest<'a> {
    /// The session's id.
    pub id: String,
    /// Ids or refs, as the person named them.
    pub prompts: &'a [String],
    /// Free text of the details: `developer`, `target`, `notes`.
    pub details: BTreeMap<String, String>,
    /// The state of the repository that was worked on.
    pub target: Option<Target>,
    /// Renders that the session used.
    pub renders: &'a [Entry],
    /// Files whose bytes are kept.
    pub attachments: &'a [PathBuf],
    /// Why secrets may be recorded, if they may.
    pub allow_secret: Option<&'a str>,
    /// How strictly lint is meant. Secrets are refused all the same.
    pub lint: catalog::Policy,
    /// This program's version.
    pub tool: String,
    /// The catalog's version, if no snapshot is in force.
    pub catalog_version: String,
    /// Random bytes for the details and for the manifest.
    pub salts: [[u8; 16]; 2],
}

/// A session that passed every check that needs no ledger.
pub struct Planned<'c> {
    /// What to append.
    pub new: New,
    /// The prompts, resolved, in the order they were asked for.
    pub prompts: Vec<&'c Prompt>,
    /// Lint warnings.
    pub warnings: Vec<Finding>,
    /// Other things that a person should know: deprecated prompts, allowed secrets.
    pub remarks: Vec<String>,
}

impl Planned<'_> {
    /// The prompts as the statement will name them.
    #[must_use]
    pub fn used(&self) -> &[Used] {
        match &self.new.body {
            Body::Session(session) => &session.prompts,
            _ => &[],
        }
    }

    /// Puts the session under a snapshot, whose name is then the catalog's version.
    pub fn govern(&mut self, snapshot: &Entry) {
        if let Body::Session(session) = &mut self.new.body {
            session.snapshot = Some(snapshot.statement.id);
            session.catalog.clone_from(&snapshot.statement.name);
        }
    }
}

/// Lints and resolves the prompts, checks texts and attachments, and puts the statement together.
/// Nothing is written.
///
/// # Errors
/// Findings (exit 4) for lint errors and secrets, failed for unknown prompts and unreadable files.
pub fn plan_session<'c>(catalog: &'c Catalog, request: &SessionRequest<'_>) -> Result<Planned<'c>> {
    if request.prompts.len() > MAX_LIST {
        let have = request.prompts.len();
        return Err(Error::failed(format!("a session names at most {MAX_LIST} prompts; these are {have}"))
            .hint("record several sessions; a run can cite them all"));
    }
    let mut remarks = Vec::new();
    let (prompts, warnings) = lint_and_resolve(catalog, request, &mut remarks)?;
    let mut used: Vec<Used> = Vec::new();
    let mut contents = Vec::new();
    for prompt in &prompts {
        let content = Descriptor::of(&prompt.bytes, "text/markdown");
        contents.push(Content::Bytes(content.clone(), prompt.bytes.clone()));
        let reference = ledger_format::reference(prompt.reference())
            .map_err(|f| Error::failed(f.detail).hint("shorten the prompt's id"))?;
        used.push(Used { reference, gate: prompt.gate.clone(), content });
    }

    let mut hits = Vec::new();
    let mut fields = request.details.clone();
    for (name, text) in &fields {
        if text.len() > MAX_DETAIL {
            return Err(Error::failed(format!(
                "the {name} has {} bytes; {MAX_DETAIL} are allowed",
                text.len()
            ))
            .hint("attach a long text as a file: --attach FILE"));
        }
        hits.extend(secrets::scan(text).into_iter().map(|hit| (format!("the {name}"), hit)));
    }
    let mut files: Vec<ManifestFile> = Vec::new();
    for path in request.attachments {
        let (content, found) = describe(path)?;
        hits.extend(found.into_iter().map(|hit| (path.display().to_string(), hit)));
        let name = attachment_name(path)?;
        if files.iter().any(|file| file.path == name) {
            return Err(
                Error::failed(format!("two attachments would be called '{name}'")).hint("rename one of them")
            );
        }
        contents.push(Content::File(content.clone(), path.clone()));
        files.push(ManifestFile { path: name, reference: None, content, kept: true });
    }
    if !hits.is_empty() {
        let listed = hits
            .iter()
            .map(|(place, hit)| format!("{place}:{}:{}: {} ({})", hit.line, hit.column, hit.kind, hit.shown));
        match request.allow_secret {
            None => return Err(secret_error(listed.collect())),
            Some(_) => remarks.extend(listed.map(|line| format!("recorded as allowed: {line}"))),
        }
    }
    if let Some(reason) = request.allow_secret {
        fields.insert("allow-secret".to_owned(), reason.to_owned());
    }

    let [details_salt, manifest_salt] = request.salts;
    let blob = |bytes: Vec<u8>, media_type: &str, contents: &mut Vec<Content>| {
        let descriptor = Descriptor::of(&bytes, media_type);
        contents.push(Content::Bytes(descriptor.clone(), bytes));
        descriptor
    };
    let details = Details { salt: details_salt, fields };
    let details = blob(details.to_bytes(), DETAILS_TYPE, &mut contents);
    let attachments = (!files.is_empty())
        .then(|| blob(Manifest { salt: manifest_salt, files }.to_bytes(), MANIFEST_TYPE, &mut contents));
    let session = Session {
        prompts: used,
        details,
        tool: request.tool.clone(),
        catalog: request.catalog_version.clone(),
        lint_warnings: warnings.len() as u64,
        target: request.target.clone(),
        attachments,
        snapshot: None,
        renders: request.renders.iter().map(|render| render.statement.id).collect(),
        life: None,
    };
    let new = New { name: request.id.clone(), body: Body::Session(session), contents, next_log_key: None };
    Ok(Planned { new, prompts, warnings, remarks })
}

/// Lint comes first: a prompt that is broken is a finding before it is an unknown one.
fn lint_and_resolve<'c>(
    catalog: &'c Catalog,
    request: &SessionRequest<'_>,
    remarks: &mut Vec<String>,
) -> Result<(Vec<&'c Prompt>, Vec<Finding>)> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut prompts: Vec<&Prompt> = Vec::new();
    let mut unknown = None;
    for wanted in request.prompts {
        let id = catalog::split_ref(wanted).map_or(wanted.as_str(), |(id, _)| id);
        let claims = |problem: &&catalog::Problem| {
            problem.claimed_id.as_deref().is_some_and(|claimed| claimed == id || claimed == wanted)
        };
        match catalog.resolve(wanted) {
            Ok(prompt) if prompts.iter().any(|other| other.reference() == prompt.reference()) => {
                return Err(Error::failed(format!("{} is named twice", prompt.reference())));
            }
            Ok(prompt) => {
                findings.extend(catalog::lint_file(&prompt.path, &prompt.bytes));
                remarks.extend(catalog.warning(prompt));
                prompts.push(prompt);
            }
            Err(error) => {
                let problem = catalog.problems().iter().find(claims);
                findings.extend(problem.into_iter().flat_map(|problem| problem.findings.iter().cloned()));
                unknown = unknown.or(Some(error));
            }
        }
    }
    let allowed = |finding: &Finding| finding.is_secret() && request.allow_secret.is_some();
    remarks.extend(findings.iter().filter(|f| allowed(f)).map(|f| format!("recorded as allowed: {f}")));
    findings.retain(|finding| !allowed(finding));
    let findings = passed(findings, &request.lint)?;
    match unknown {
        Some(error) => Err(error),
        None => Ok((prompts, findings)),
    }
}

/// What lint found, when that is no reason to record nothing.
pub(super) fn passed(mut findings: Vec<Finding>, lint: &catalog::Policy) -> Result<Vec<Finding>> {
    lint.apply(&mut findings);
    if lint.fails(&findings) || findings.iter().any(Finding::is_secret) {
        let what = if findings.iter().any(Finding::is_error) { "errors" } else { "warnings" };
        let text = catalog::render(&findings);
        let text = text.trim_end();
        return Err(Error::findings(format!("lint found {what}, so nothing was recorded\n{text}")));
    }
    Ok(findings)
}

fn secret_error(places: Vec<String>) -> Error {
    let error = Error::findings(format!("secrets found, so nothing was recorded\n{}", places.join("\n")));
    error
        .hint("a ledger keeps what it is given: take the secret out, and revoke it if it is real")
        .hint("if it is none, or must be recorded: --allow-secret REASON (the reason is recorded as well)")
}

/// What an attachment is called in the manifest: the path as given when it stays below here, else the
/// file's name.
fn attachment_name(path: &Path) -> Result<String> {
    let not_text = || Error::failed(format!("the name of {} is not UTF-8", path.display()));
    let given = path.to_str().ok_or_else(not_text)?;
    let given = given.strip_prefix("./").unwrap_or(given);
    if ledger_format::is_relative(given) {
        return Ok(given.to_owned());
    }
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| Error::failed(format!("{} has no file name", path.display())))
}
