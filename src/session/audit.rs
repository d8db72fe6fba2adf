//! The audit of the catalog: each ref as the catalog has it, beside what the ledger says of it.

use crate::catalog::{self, Catalog, Layer, Parsed, Prompt};
use crate::error::Result;
use crate::ledger::{Blob, Ledger, RefUses, Uses};
use ledger_format::{Address, split_reference};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What an auditor looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// No session of the ledger used it, ended or open.
    NeverUsed,
    /// A session used it, although the very bytes bound say that it is deprecated or archived.
    UsedThoughDeprecated,
    /// The ledger has not bound it.
    NeverBound,
    /// The ledger knows it, and the catalog has no such prompt.
    Gone,
    /// The catalog has other bytes than the ledger bound.
    OtherBytes,
}

impl Mark {
    /// Every mark.
    pub const ALL: [Self; 5] =
        [Self::NeverUsed, Self::UsedThoughDeprecated, Self::NeverBound, Self::Gone, Self::OtherBytes];

    /// The mark in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NeverUsed => "never used",
            Self::UsedThoughDeprecated => "used though deprecated",
            Self::NeverBound => "never bound",
            Self::Gone => "gone from the catalog",
            Self::OtherBytes => "other bytes than bound",
        }
    }
}

/// One ref, audited.
pub struct Audited<'a> {
    /// `<id>.v<version>`.
    pub reference: String,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The prompt that the ref stands for in the catalog, and its content.
    pub prompt: Option<(&'a Prompt, Address)>,
    /// The status that the bound bytes give, else the catalog's; `None` when neither can be read. A prompt that says
    /// nothing is current.
    pub status: Option<String>,
    /// The scope, from the same bytes.
    pub scope: Option<String>,
    /// What the ledger says.
    pub uses: RefUses,
    /// What there is to see.
    pub marks: Vec<Mark>,
}

/// Audits every ref of the catalog and of the ledger, by id and version.
///
/// # Errors
/// When the ledger cannot be read, or bound bytes were changed (integrity).
pub fn audit<'a>(catalog: &'a Catalog, ledger: Option<&Ledger>, uses: &Uses) -> Result<Vec<Audited<'a>>> {
    let here = catalog.prompts().iter().map(|prompt| (prompt.reference(), &**prompt));
    let mut here: HashMap<String, &Prompt> = here.collect();
    let mut all: BTreeMap<String, (Option<&Prompt>, RefUses)> = BTreeMap::new();
    for (reference, of) in uses.refs() {
        all.insert(reference.clone(), (here.remove(reference), of.clone()));
    }
    all.extend(here.into_iter().map(|(reference, prompt)| (reference, (Some(prompt), RefUses::default()))));
    let audited = all.into_iter().map(|(reference, (prompt, uses))| one(reference, prompt, uses, ledger));
    let mut audited = audited.collect::<Result<Vec<_>>>()?;
    audited.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| catalog::compare_versions(&a.version, &b.version)));
    Ok(audited)
}

fn one<'a>(
    reference: String,
    prompt: Option<&'a Prompt>,
    uses: RefUses,
    ledger: Option<&Ledger>,
) -> Result<Audited<'a>> {
    let prompt = prompt.map(|prompt| (prompt, Address::of(&prompt.bytes)));
    let bound = uses.bound.map(|(content, _)| content);
    let (id, version) = match (prompt, split_reference(&reference)) {
        (Some((prompt, _)), _) => (prompt.id.clone(), prompt.version.clone()),
        (None, Some((id, version))) => (id.to_owned(), version.to_owned()),
        (None, None) => (reference.clone(), String::new()),
    };
    let said = |prompt: &Prompt| {
        let status = prompt.status.clone().unwrap_or_else(|| "current".to_owned());
        (Some(status), prompt.scope.clone())
    };
    let (status, scope) = match (prompt, bound, ledger) {
        (Some((prompt, content)), _, _) if bound.is_none_or(|bound| bound == content) => said(prompt),
        (_, Some(bound), Some(ledger)) => match ledger.blob(&bound)? {
            Blob::Present(bytes) => {
                match catalog::parse(Layer::Workspace, Path::new(&format!("{id}.md")), &bytes) {
                    Parsed::Prompt(prompt) => said(&prompt),
                    _ => (None, None),
                }
            }
            Blob::Erased | Blob::Missing => (None, None),
        },
        _ => (None, None),
    };
    let used = !uses.sessions.is_empty() || !uses.open.is_empty();
    let is = |mark: &Mark| match mark {
        Mark::NeverUsed => !used,
        Mark::UsedThoughDeprecated => used && matches!(status.as_deref(), Some("deprecated" | "archived")),
        Mark::NeverBound => bound.is_none(),
        Mark::Gone => prompt.is_none(),
        Mark::OtherBytes => {
            matches!((prompt, bound), (Some((_, content)), Some(bound)) if content != bound)
        }
    };
    let marks = Mark::ALL.into_iter().filter(is).collect();
    Ok(Audited { reference, id, version, prompt, status, scope, uses, marks })
}
