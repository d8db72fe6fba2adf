//! The one model to which every dialect maps.

use super::text::Position;
use super::version;
use serde::Serialize;
use std::collections::BTreeMap;
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
    /// A template without a prompt's frontmatter: nothing, or default values of its variables. Only import reads
    /// it; in a catalog such a file is a document.
    Plain,
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

/// What happens when an input has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// Rendering fails.
    Strict,
    /// It counts as empty.
    Loose,
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
    /// What happens without a value, as declared.
    pub strictness: Option<Strictness>,
    /// What to supply.
    pub description: Option<String>,
    /// `workflow_input`, `artifact`, `provenance` or `system`.
    pub source: Option<String>,
    /// The value when the caller gives none.
    pub default: Option<serde_json::Value>,
}

/// In what form the answer comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Text, perhaps with demanded sections.
    #[default]
    Text,
    /// One JSON value that satisfies a schema.
    Json,
    /// Files.
    Artifacts,
}

/// A file that the answer consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// Where it goes; may hold `${placeholders}` of the workflow.
    pub path: String,
    /// Whether it must be there.
    pub required: bool,
}

/// What the answer looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// As declared (also by the older `output_mode`), else as the rest suggests.
    pub mode: Mode,
    /// The JSON schema's name, such as `planner_decision.v1`.
    pub schema_ref: Option<String>,
    /// Fields that a JSON answer must have.
    pub required_fields: Vec<String>,
    /// Headings that a text answer must have.
    pub required_sections: Vec<String>,
    /// The files, for [`Mode::Artifacts`].
    pub artifacts: Vec<Artifact>,
}

/// Where the parts of a prompt stand in its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The key of each field of the frontmatter.
    pub fields: BTreeMap<String, Position>,
    /// The name of each input where it is first declared.
    pub inputs: BTreeMap<String, Position>,
    /// The beginning of the template.
    pub template: Position,
}

/// One prompt: the exact bytes of its file and what they say.
///
/// What a dialect does not have is `None` or empty. Values are as written: that a role or status is none of those
/// allowed is lint's business.
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
    /// Whom it is for: `user`, `agent` or `global`.
    pub scope: Option<String>,
    /// Where it came from, such as `system`, `gen`, `human` or `file`.
    pub source: Option<String>,
    /// Anything worth saying about this version.
    pub notes: Option<String>,
    /// Labels for searching.
    pub tags: Vec<String>,
    /// What it can do, for selection.
    pub capabilities: Vec<String>,
    /// The model that it was written for.
    pub default_model: Option<String>,
    /// Advice on models and their parameters; a mapping.
    pub model_hints: Option<serde_json::Value>,
    /// What to beware of.
    pub safety_notes: Vec<String>,
    /// `safe`, `moderate` or `sensitive`.
    pub safety_level: Option<String>,
    /// `none`, `anonymize` or `explicit_consent`.
    pub pii_handling: Option<String>,
    /// Kinds of sensitive content.
    pub content_flags: Vec<String>,
    /// The ref of the prompt that this one replaces.
    pub deprecates: Option<String>,
    /// When whoever follows it must stop.
    pub stop_conditions: Vec<String>,
    /// The principles that it follows (PromptOS).
    pub constitution_alignment: Vec<String>,
    /// What a person must have before they begin, in words (PromptOS).
    pub inputs_required: Vec<String>,
    /// What must come out, in words (PromptOS).
    pub outputs_expected: Vec<String>,
    /// The version of the frontmatter's own schema, as written.
    pub schema_version: Option<String>,
    /// When it was first written, as written.
    pub created_at: Option<String>,
    /// When it was last changed, as written.
    pub updated_at: Option<String>,
    /// What its authors warn of.
    pub warnings: Vec<String>,
    /// The template's variables. Empty for PromptOS, whose placeholders are for people.
    pub inputs: Vec<Input>,
    /// The name of a schema for the inputs.
    pub input_contract_ref: Option<String>,
    /// What the answer looks like.
    pub output_contract: Option<Contract>,
    /// The name of a schema for the answer, beside `output_contract`.
    pub output_contract_ref: Option<String>,
    /// Every field of the frontmatter, known or not, as JSON under its own name and in the order written. Scalars
    /// that JSON would write differently are text.
    #[serde(skip)]
    pub frontmatter: serde_json::Map<String, serde_json::Value>,
    /// Where its parts stand.
    #[serde(skip)]
    pub places: Places,
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
