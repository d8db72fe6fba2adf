//! `promptos.toml`: the committed settings of a project.

use crate::error::{Error, Result};
use ledger_format::{EntryId, Kid, VerifierKey};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a project has settled. Everything is optional; unknown keys are refused, since a misspelt
/// policy must not be silently ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[catalog]`.
    pub catalog: CatalogSettings,
    /// `[policy]`.
    pub policy: Policy,
    /// `[trust]`.
    pub trust: Trust,
    /// `[lint]`.
    pub lint: crate::catalog::Policy,
    /// `[workflow]`.
    pub workflow: crate::workflow::Policy,
    /// `[render]`.
    pub render: crate::render::Policy,
}

/// Where prompts come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogSettings {
    /// The workspace catalog, relative to `promptos.toml`, or to the root of the repository `git`.
    pub path: PathBuf,
    /// A clone of a git repository, relative to `promptos.toml`, of which the catalog is a revision.
    pub git: Option<PathBuf>,
    /// The branch, tag or commit of it; `HEAD` when nothing is said.
    pub revision: Option<String>,
    /// Whether the gates that come with the program are there too.
    pub builtin: bool,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self { path: PathBuf::from("prompts"), git: None, revision: None, builtin: true }
    }
}

/// What is enforced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Separation of duties, judged per run.
    pub separation: Separation,
    /// Whether the catalog must be the newest snapshot.
    pub snapshot: SnapshotPolicy,
}

/// What `ci` asks of the newest snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotPolicy {
    /// It has the very files that the catalog has.
    Current,
    /// Nothing.
    #[default]
    Off,
}

/// What happens when one person holds two duties of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Separation {
    /// The run is not attached.
    Enforce,
    /// The run is attached, with a warning.
    #[default]
    Warn,
    /// Nothing is said.
    Off,
}

/// Whom evidence may come from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// Ledger ids: 64 hex digits, with or without `entry:`.
    pub ledgers: Vec<String>,
    /// Key fingerprints `SHA256:…`.
    pub keys: Vec<String>,
    /// Checkpoint keys of ledgers, as vkeys.
    pub logs: Vec<String>,
    /// Whose cosignatures make a checkpoint witnessed: a C2SP tlog-policy file, relative to `promptos.toml`.
    pub policy: Option<PathBuf>,
}

impl Trust {
    /// The trusted ledgers and keys.
    ///
    /// # Errors
    /// Failed, naming the item that is neither.
    pub fn parse(&self) -> Result<(Vec<EntryId>, Vec<Kid>)> {
        let ledgers = self.ledgers.iter().map(|text| text.parse::<EntryId>());
        let keys = self.keys.iter().map(|text| text.parse::<Kid>());
        let bad = |f: ledger_format::Failure| Error::failed(format!("[trust]: {}", f.detail));
        let ledgers = ledgers.collect::<Result<_, _>>().map_err(bad)?;
        Ok((ledgers, keys.collect::<Result<_, _>>().map_err(bad)?))
    }

    /// The checkpoint keys that the project knows.
    ///
    /// # Errors
    /// Failed, naming the item that is no vkey.
    pub fn checkpoint_keys(&self) -> Result<Vec<VerifierKey>> {
        let bad = |f: ledger_format::Failure| Error::failed(format!("[trust] logs: {}", f.detail));
        self.logs.iter().map(|text| VerifierKey::parse(text).map_err(bad)).collect()
    }
}

impl Settings {
    /// The file's name.
    pub const FILE: &str = "promptos.toml";

    /// Reads `promptos.toml`; the defaults when there is none.
    ///
    /// # Errors
    /// Failed, when it cannot be read, is not TOML or has an unknown key, with line and column.
    pub fn load(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(Error::failed(format!("cannot read {}: {e}", path.display()))),
        };
        toml::from_str(&text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            Error::failed(format!("{}:{line}:{column}: {}", path.display(), e.message()))
        })
    }

    /// What `init` writes.
    #[must_use]
    pub fn template(ledger: &EntryId) -> String {
        format!(
            "# Settings of promptos for this project; commit this file.\n\
             \n\
             [catalog]\n\
             path = \"prompts\"     # the project's own prompts\n\
             builtin = true       # and the gates that come with promptos\n\
             \n\
             [policy]\n\
             separation = \"warn\"  # enforce | warn | off: may one person write, verify, review and attach?\n\
             snapshot = \"off\"     # current | off: must the newest snapshot be the catalog?\n\
             \n\
             [lint]\n\
             mode = \"warn\"        # strict | warn | permissive: whether warnings, errors or nothing fails\n\
             \n\
             [trust]              # whose evidence counts as trusted\n\
             ledgers = [\"{}\"]\n\
             keys = []            # \"SHA256:…\", as ssh-keygen -l prints them\n\
             logs = []            # checkpoint keys, as promptos checkpoint --vkey prints them\n",
            hex::encode(ledger.0)
        )
    }
}
