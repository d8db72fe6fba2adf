//! The one model to which every dialect maps.

use super::version;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Which kind of frontmatter a prompt file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// The native form: `prompt_id`, integer `version`, `role`, `inputs`, `output_contract`, …
    Oa05,
    /// Nine keys, among them `maps_to_gate`; the prompt is the fenced block under `## Prompt`.
    PromptOs,
    /// `key` and `version` with `required_variables` or `inputs`, in several generations.
    Tnh,
}

/// Where a prompt comes from, highest precedence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The project's own catalog.
    Workspace,
    /// The user's catalog.
    User,
    /// The gates that come with this program.
    BuiltIn,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Workspace => "workspace",
            Layer::User => "user",
            Layer::BuiltIn => "built-in",
        })
    }
}

/// The duties that no one person may hold together: who wrote it may neither verify nor review it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Duty {
    /// Produces the work (gate P05).
    Writer,
    /// Checks the work against scope and design (gate P06).
    Verifier,
    /// Attacks the work (gate P07).
    Reviewer,
}

impl Duty {
    /// The duty that goes with a gate.
    #[must_use]
    pub fn of_gate(gate: &str) -> Option<Self> {
        match gate {
            "P05" => Some(Self::Writer),
            "P06" => Some(Self::Verifier),
            "P07" => Some(Self::Reviewer),
            _ => None,
        }
    }
}

/// One variable of a template.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Input {
    /// The variable's name.
    pub name: String,
    /// Its declared type, free text such as `string` or `list[string]`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether rendering needs a value. A default satisfies this.
    pub required: bool,
    /// What to supply.
    pub description: Option<String>,
    /// `workflow_input`, `artifact`, `provenance` or `system`.
    pub source: Option<String>,
    /// The value when the caller gives none.
    pub default: Option<serde_json::Value>,
}

/// One prompt: the exact bytes of its file and what they say.
#[derive(Debug, Clone, Serialize)]
pub struct Prompt {
    /// Unversioned identifier.
    pub id: String,
    /// The version as written in the file: `1`, `1.0` and `1.0.1` stay what they are.
    pub version: String,
    /// A short name for people; the id if the file gives none.
    pub title: String,
    /// What it does, in a sentence; the title if the file gives none.
    pub summary: String,
    /// Which frontmatter it was read from.
    pub dialect: Dialect,
    /// `task`, `planner`, `policy`, `triage`, `risk` or `journal` in OA05; free text elsewhere.
    pub role: Option<String>,
    /// The gate it implements, such as `P05`.
    pub gate: Option<String>,
    /// The phase it belongs to, such as `05`.
    pub phase: Option<String>,
    /// Its duty, declared or by gate.
    pub duty: Option<Duty>,
    /// `draft`, `current`, `deprecated` or `archived`; `None` counts as current.
    pub status: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Labels for searching.
    pub tags: Vec<String>,
    /// What it can do, for selection.
    pub capabilities: Vec<String>,
    /// The ref of the prompt that this one replaces.
    pub deprecates: Option<String>,
    /// When whoever follows it must stop.
    pub stop_conditions: Vec<String>,
    /// The template's variables. Empty for PromptOS, whose placeholders are for people.
    pub inputs: Vec<Input>,
    /// What the answer looks like, as declared.
    pub output_contract: Option<serde_json::Value>,
    /// The text to render, with LF line ends and no leading blank space. Only [`Prompt::bytes`] is ever hashed
    /// or stored.
    #[serde(skip)]
    pub template: String,
    /// Which layer it came from.
    pub layer: Layer,
    /// Its path relative to the root of its catalog.
    #[serde(serialize_with = "super::finding::lossy")]
    pub path: PathBuf,
    /// The exact bytes of the file, byte order mark and line ends included.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Prompt {
    /// The canonical ref, `<id>.v<version>`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}.v{}", self.id, self.version)
    }

    /// Whether the template is Jinja2. A PromptOS prompt is plain text with `[placeholders]` unless it holds
    /// Jinja2 delimiters.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.dialect != Dialect::PromptOs || ["{{", "{%"].iter().any(|open| self.template.contains(open))
    }

    /// Whether a bare id may stand for it without a warning.
    #[must_use]
    pub fn is_current(&self) -> bool {
        matches!(self.status.as_deref(), None | Some("current"))
    }

    /// Orders prompts of one id by version, oldest first.
    #[must_use]
    pub fn cmp_version(&self, other: &Self) -> std::cmp::Ordering {
        version::compare(&self.version, &other.version)
    }
}
