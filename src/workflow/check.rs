//! The whole check of one workflow.

use super::graph::{self, Graph};
use super::read;
use super::refs::{self, Policy};
use super::rules::Findings;
use crate::catalog::{Catalog, Finding, Layer};
use crate::error::Result;
use crate::yaml::Position;
use ledger_format::Address;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The largest workflow file, in bytes.
pub const MAX_WORKFLOW_BYTES: u64 = 10 * 1024 * 1024;

/// The most steps of a workflow.
pub const MAX_STEPS: usize = 1000;

/// What a workflow is compared with.
pub struct Against<'a> {
    /// Where its refs are looked up.
    pub catalog: &'a Catalog,
    /// What the project allows.
    pub policy: &'a Policy,
    /// The address of the content to which the ledger binds a ref; `None` if it binds none, or if there is no
    /// ledger.
    pub bound: &'a dyn Fn(&str) -> Result<Option<Address>>,
}

/// What came of checking one workflow.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file, as the caller named it.
    #[serde(serialize_with = "crate::catalog::lossy")]
    pub path: PathBuf,
    /// Its `workflow_id`, as far as it could be read.
    pub workflow_id: Option<String>,
    /// Its version, as written.
    pub version: Option<String>,
    /// The number of its steps.
    pub steps: usize,
    /// The prompts that it names and that exist, ordered by ref.
    pub refs: Vec<Ref>,
    /// The number of prompts that are written into it.
    pub inline: usize,
    /// Everything found, by place.
    pub findings: Vec<Finding>,
}

/// One prompt that a workflow names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ref {
    /// The canonical ref, `<id>.v<version>`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// `blake3:` and the digest of the file's bytes.
    pub blake3: String,
    /// `sha256:` and the other digest of them.
    pub sha256: String,
    /// The prompt's role.
    pub role: Option<String>,
    /// The prompt's status.
    pub status: Option<String>,
    /// Which layer of the catalog it comes from.
    pub layer: Layer,
    /// The ids of the steps that name it; `defaults` for the default policy.
    pub used_by: Vec<String>,
    /// Where it is named first.
    #[serde(skip)]
    pub(crate) at: Position,
}

impl Report {
    /// Whether the workflow must not be run as it is.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }

    /// Adds findings that came later, in their places.
    pub fn add(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
        sort(&mut self.findings);
    }
}

/// Checks one workflow. `path` is how findings name it; nothing is read from there.
///
/// # Errors
/// Only if the ledger cannot be asked; whatever is wrong with the workflow is a finding.
pub fn check(path: &Path, bytes: &[u8], against: &Against<'_>) -> Result<Report> {
    let mut findings = Findings::new(path);
    let workflow = read::read(bytes, &mut findings).unwrap_or_default();
    let graph = Graph::of(&workflow);
    graph::check(&workflow, &graph, &mut findings);
    let (refs, inline) = refs::check(&workflow, &graph, against, &mut findings)?;
    let mut findings = findings.list;
    sort(&mut findings);
    Ok(Report {
        path: path.to_owned(),
        steps: workflow.steps.len(),
        workflow_id: workflow.id,
        version: workflow.version,
        refs,
        inline,
        findings,
    })
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        // Findings on the workflow itself stand before those on its lock file, which is named after it.
        (&a.path, a.line, a.column, a.code).cmp(&(&b.path, b.line, b.column, b.code))
    });
}
