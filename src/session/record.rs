//! `dev` and `session`: lint, resolve, and put together what a session's statement will say.

use super::enclosed::{Enclosed, Enclosing, Given};
use crate::catalog::{self, Catalog, Finding, Prompt};
use crate::error::{Error, Result};
use crate::ledger::{Content, Entry, New};
use ledger_format::{Body, Descriptor, MAX_LIST, Session, Target, Used};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
        self.new.body.used()
    }

    /// Puts the session under a snapshot, whose name is then the catalog's version.
    pub fn govern(&mut self, snapshot: &Entry) {
        if let Body::Start(session) | Body::Session(session) = &mut self.new.body {
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

    let files: Vec<Given> = request.attachments.iter().map(|path| Given::file(path)).collect();
    let enclosing = Enclosing {
        fields: &request.details,
        files: &files,
        allow_secret: request.allow_secret,
        salts: request.salts,
    };
    let Enclosed { details, attachments, contents: enclosed, remarks: allowed, .. } = enclosing.enclose()?;
    contents.extend(enclosed);
    remarks.extend(allowed);
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
