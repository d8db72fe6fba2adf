//! What lint says about a file, and the table of everything it can say.

use super::text::Position;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file must not be used as it is.
    Error,
    /// Usable, but worth a look.
    Warning,
}

/// One thing lint looks for. Codes are stable: scripts and editors key on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable name, `<area>.<what>`.
    pub code: &'static str,
    /// How bad it is unless the dialect is more lenient.
    pub severity: Severity,
    /// What the rule demands.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
}

macro_rules! rules {
    ($($name:ident $code:literal $severity:ident $what:literal $why:literal;)*) => {
        $(pub(crate) const $name: Rule =
            Rule { code: $code, severity: Severity::$severity, what: $what, why: $why };)*
        /// Every rule, in the order in which a file is examined.
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

rules! {
    FILE_UNREADABLE "file.unreadable" Error
        "every prompt file can be read"
        "a file that cannot be read may be the prompt someone asks for";
    FILE_TOO_LARGE "file.too-large" Error
        "a prompt file holds at most 10 MB"
        "no prompt is that large; something else was saved under its name";
    FILE_NOT_UTF8 "file.not-utf8" Error
        "a prompt file is UTF-8 text"
        "other encodings are read differently by different tools";
    FILE_LINK "file.link" Warning
        "links in a catalog lead to files inside it"
        "a link out of the catalog names bytes that the catalog does not hold, so it is not followed";
    FRONTMATTER_MISSING "frontmatter.missing" Error
        "the file begins with a `---` line and YAML frontmatter"
        "without it nothing says which prompt this is";
    FRONTMATTER_UNTERMINATED "frontmatter.unterminated" Error
        "a second `---` line closes the frontmatter"
        "otherwise the whole file is metadata and the prompt is empty";
    FRONTMATTER_SYNTAX "frontmatter.syntax" Error
        "the frontmatter is valid YAML without duplicate keys"
        "two tools would read two different prompts";
    FRONTMATTER_SHAPE "frontmatter.shape" Error
        "the frontmatter is a mapping of keys to values"
        "a prompt is described by named fields";
    FRONTMATTER_UNRECOGNIZED "frontmatter.unrecognized" Error
        "the frontmatter is that of a prompt"
        "a document that is no prompt cannot govern a session";
    FRONTMATTER_MISSING_FIELD "frontmatter.missing-field" Error
        "every field that the dialect requires is there and not empty"
        "tools and auditors rely on it";
    FRONTMATTER_FIELD_TYPE "frontmatter.field-type" Error
        "each field has the type that the dialect gives it"
        "a list read as text, or a number as a date, changes what a prompt says about itself";
    FRONTMATTER_UNKNOWN_FIELD "frontmatter.unknown-field" Warning
        "no field looks like a misspelling of a known one"
        "a misspelt optional field is silently ignored";
    PROMPT_ID "prompt.id" Error
        "the id is made of letters, digits, `.`, `_`, `-` and `/`"
        "it becomes part of the ref `<id>.v<version>`, which must be unambiguous in any file and shell";
    PROMPT_VERSION "prompt.version" Error
        "the version is digits separated by dots; in OA05 one positive integer"
        "versions are compared number by number";
    PROMPT_ROLE "prompt.role" Error
        "the role is task, planner, policy, triage, risk or journal"
        "workflows check that each step gets a prompt of the right role";
    PROMPT_STATUS "prompt.status" Error
        "the status is draft, current, deprecated or archived"
        "it decides which version a bare id stands for";
    PROMPT_DUTY "prompt.duty" Error
        "the duty is writer, verifier, reviewer or none"
        "separation of duties is judged by it";
    INPUT_MALFORMED "input.malformed" Error
        "each input has a name, a type and required: true or false"
        "rendering needs to know what must be supplied";
    INPUT_DUPLICATE "input.duplicate" Error
        "each input is declared once"
        "two declarations of one name contradict each other";
    INPUT_SOURCE "input.source" Error
        "an input's source is workflow_input, artifact, provenance or system"
        "an unknown source can never be satisfied";
    INPUT_UNDECLARED "input.undeclared" Error
        "every variable of the template is a declared input"
        "strict rendering fails on a variable nobody knows to supply";
    INPUT_UNUSED "input.unused" Warning
        "every declared input is used by the template"
        "a value that is asked for and dropped misleads whoever supplies it";
    CONTRACT "contract.malformed" Error
        "output_contract says what comes out, in the form that the role demands"
        "whatever consumes the answer is checked against it";
    TEMPLATE_EMPTY "template.empty" Error
        "there is a prompt below the frontmatter"
        "an empty prompt governs nothing";
    TEMPLATE_BLOCK "template.block" Error
        "the fenced block under `## Prompt` is there and closed"
        "only that block is the prompt; the rest is documentation";
    TEMPLATE_SYNTAX "template.syntax" Error
        "the template is valid Jinja2"
        "it could never be rendered";
    TEMPLATE_INCLUDE "template.include" Error
        "a template does not include, import or extend another"
        "a prompt's digest would not cover what it pulls in";
    SECRET "secret.found" Error
        "no file holds a key, token or password"
        "what enters the ledger is kept, copied and shown to others";
    PERSONAL_PATH "path.personal" Error
        "no file names a path in someone's home directory"
        "it works on one machine and names its user";
    DUPLICATE_REF "catalog.duplicate-ref" Error
        "within one layer a ref stands for one content"
        "nobody could say which of the two a session used";
}

/// One place where a file breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the caller named it or relative to the catalog root.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Writes a path even if it is not UTF-8, which serde alone refuses.
pub(crate) fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl Finding {
    /// A finding of `rule` at one place.
    pub(crate) fn new(rule: Rule, path: &Path, at: Position, message: impl Into<String>) -> Self {
        Self {
            code: rule.code,
            severity: rule.severity,
            path: path.to_owned(),
            line: at.line,
            column: at.column,
            message: clipped(&message.into(), 400),
            hint: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(clipped(&hint.into(), 400));
        self
    }

    /// Makes it a warning, where a dialect is more lenient than the rule.
    #[must_use]
    pub(crate) fn lenient(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it is about a credential, which a person may allow.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.code == SECRET.code
    }

    /// Whether the file must not be used as it is.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// `path:line:column: severity[code]: message`, and the hint on a second line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, line, column, message, .. } = self;
        let path = clipped(&self.path.to_string_lossy(), 4096);
        write!(f, "{path}:{line}:{column}: {severity}[{code}]: {message}")?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Text from a file or a command line, between backquotes and short enough for a message.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", clipped(text, 80))
}

/// At most `most` characters of `text`, with control characters made visible: what stands in a file must not
/// steer the terminal on which its faults are shown.
fn clipped(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The findings as a person reads them, one after another, ending with a count; "" when there are none.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    text.push_str(&format!(
        "{}, {}\n",
        counted(errors, "error"),
        counted(findings.len() - errors, "warning")
    ));
    text
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut codes: Vec<_> = RULES.iter().map(|rule| rule.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), RULES.len());
        for rule in RULES {
            let (area, what) = rule.code.split_once('.').unwrap();
            for part in [area, what] {
                assert!(
                    !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b"-8".contains(&b)),
                    "{}",
                    rule.code
                );
            }
            assert!(!rule.what.is_empty() && !rule.why.is_empty() && !rule.what.ends_with('.'));
        }
    }

    #[test]
    fn findings_read_like_a_compiler() {
        let at = Position { line: 3, column: 7 };
        let finding = Finding::new(PROMPT_ROLE, Path::new("a/b.md"), at, "`x` is no role").hint("use task");
        assert_eq!(finding.to_string(), "a/b.md:3:7: error[prompt.role]: `x` is no role\n  hint: use task");
        let all = render(&[finding.clone(), finding.clone().lenient()]);
        assert!(all.ends_with("\n1 error, 1 warning\n"), "{all}");
        assert_eq!(render(&[]), "");
        let hostile =
            Finding::new(PROMPT_ROLE, Path::new("a\nb\u{1b}[2J"), at, "\u{1b}]0;x\u{7}\u{202e}").to_string();
        assert!(!hostile.contains(|c: char| c.is_control() || c == '\u{202e}'), "{hostile:?}");
        assert!(Finding::new(PROMPT_ROLE, Path::new("a"), at, "x".repeat(1 << 20)).message.len() < 1000);
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["code"], "prompt.role");
        assert_eq!(json["severity"], "error");
    }
}
