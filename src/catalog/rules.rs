//! The tables of everything that lint and rendering can say.

use super::finding::Severity;
use super::prompt::Dialect;

/// One thing that lint or rendering looks for. Codes are stable: scripts and editors key on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Stable name, `<area>.<what>`.
    pub code: &'static str,
    /// How bad it is unless the dialect or a setting says otherwise.
    pub severity: Severity,
    /// The dialects that it applies to; empty for rules about files, whatever they hold.
    pub dialects: &'static [Dialect],
    /// What the rule demands.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What `--fix` does about it, where there is but one thing to do.
    pub fix: Option<&'static str>,
    /// What other prompt systems call it.
    pub also: &'static [&'static str],
}

const FILE: &[Dialect] = &[];
const ALL: &[Dialect] = &[Dialect::Oa05, Dialect::PromptOs, Dialect::Tnh];
const OA05: &[Dialect] = &[Dialect::Oa05];
const PROMPTOS: &[Dialect] = &[Dialect::PromptOs];
const INPUTS: &[Dialect] = &[Dialect::Oa05, Dialect::Tnh];
const QUOTED: &[Dialect] = &[Dialect::PromptOs, Dialect::Tnh];

/// A table of rules, and a constant for each of them. Without dialects a rule is for all of them.
macro_rules! rules {
    ($(#[$about:meta])* $table:ident: $($name:ident $code:literal $severity:ident $($dialects:ident)? $what:literal $why:literal
        $(fix $fix:literal)? $(also $($also:literal)+)?;)*) => {
        $(pub(crate) const $name: $crate::catalog::Rule = $crate::catalog::Rule {
            code: $code,
            severity: $crate::catalog::Severity::$severity,
            dialects: [$($dialects,)? &[]][0],
            what: $what,
            why: $why,
            fix: [$(Some($fix),)? None][0],
            also: &[$($($also),+)?],
        };)*
        $(#[$about])*
        pub const $table: &[$crate::catalog::Rule] = &[$($name),*];
    };
}
pub(crate) use rules;

rules! {
    /// Every rule of lint, in the order in which a file is examined.
    RULES:
    FILE_UNREADABLE "file.unreadable" Error FILE
        "every prompt file can be read"
        "a file that cannot be read may be the prompt someone asks for";
    FILE_TOO_LARGE "file.too-large" Error FILE
        "a prompt file holds at most 10 MB"
        "no prompt is that large; something else was saved under its name";
    FILE_NOT_UTF8 "file.not-utf8" Error FILE
        "a prompt file is UTF-8 text"
        "other encodings are read differently by different tools";
    FILE_LINK "file.link" Warning FILE
        "links in a catalog lead to files inside it"
        "a link out of the catalog names bytes that the catalog does not hold, so it is not followed";
    FRONTMATTER_MISSING "frontmatter.missing" Error FILE
        "the file begins with a `---` line and YAML frontmatter"
        "without it nothing says which prompt this is";
    FRONTMATTER_UNTERMINATED "frontmatter.unterminated" Error FILE
        "a second `---` line closes the frontmatter"
        "otherwise the whole file is metadata and the prompt is empty";
    FRONTMATTER_SYNTAX "frontmatter.syntax" Error FILE
        "the frontmatter is valid YAML without duplicate keys"
        "two tools would read two different prompts";
    FRONTMATTER_SHAPE "frontmatter.shape" Error FILE
        "the frontmatter is a mapping of keys to values"
        "a prompt is described by named fields";
    FRONTMATTER_UNRECOGNIZED "frontmatter.unrecognized" Error FILE
        "the frontmatter is that of a prompt"
        "a document that is no prompt cannot govern a session";
    FRONTMATTER_MISSING_FIELD "frontmatter.missing-field" Error ALL
        "every field that the dialect requires is there and not empty"
        "tools and auditors rely on it"
        fix "writes `inputs: []` if the template uses no variables; what other fields should say only a person knows"
        also "MISSING_NAME" "MISSING_ROLE" "MISSING_KEY" "MISSING_VERSION" "MISSING_OUTPUT_CONTRACT";
    FRONTMATTER_FIELD_TYPE "frontmatter.field-type" Error ALL
        "each field has the type that the dialect gives it"
        "a list read as text, or a number as a date, changes what a prompt says about itself"
        fix "puts brackets around a single word where a list is wanted";
    FRONTMATTER_FIELD_VALUE "frontmatter.field-value" Error ALL
        "a field that has a fixed set of values holds one of them"
        "whoever acts on the field knows only these values"
        fix "corrects upper and lower case";
    FRONTMATTER_DATE "frontmatter.date" Warning ALL
        "dates are written 2026-01-31 or 2026-01-31T12:00:00Z, and nothing changed before it was created"
        "other forms are read differently in different countries";
    FRONTMATTER_UNKNOWN_FIELD "frontmatter.unknown-field" Warning ALL
        "no field looks like a misspelling of a known one"
        "a misspelt optional field is silently ignored";
    PROMPT_ID "prompt.id" Error ALL
        "the id is made of letters, digits, `.`, `_`, `-` and `/`"
        "it becomes part of the ref `<id>.v<version>`, which must be unambiguous in any file and shell";
    PROMPT_VERSION "prompt.version" Error ALL
        "the version is digits separated by dots; in OA05 one positive integer, in TNH at most three numbers"
        "versions are compared number by number"
        fix "takes the quotes off an integer"
        also "INVALID_VERSION";
    PROMPT_VERSION_NUMBER "prompt.version-number" Warning QUOTED
        "a version that YAML would take for another number stands in quotes"
        "other tools read 1.10 as 1.1, and so as another version"
        fix "puts quotes around it";
    PROMPT_ROLE "prompt.role" Error OA05
        "the role is task, planner, policy, triage, risk or journal"
        "workflows check that each step gets a prompt of the right role"
        fix "corrects upper and lower case";
    PROMPT_STATUS "prompt.status" Error OA05
        "the status is draft, current, deprecated or archived"
        "it decides which version a bare id stands for"
        fix "corrects upper and lower case";
    PROMPT_DUTY "prompt.duty" Error OA05
        "the duty is writer, verifier, reviewer or none"
        "separation of duties is judged by it"
        fix "corrects upper and lower case";
    PROMPT_DEPRECATES "prompt.deprecates" Error OA05
        "`deprecates` names another prompt by its ref, `<id>.v<version>`"
        "whoever meets the older version is sent to this one";
    INPUT_MALFORMED "input.malformed" Error INPUTS
        "each input has a name, required: true or false, and in OA05 a type"
        "rendering needs to know what must be supplied"
        fix "writes yes, no and quoted words as true and false";
    INPUT_DUPLICATE "input.duplicate" Error INPUTS
        "each input is declared once"
        "two declarations of one name contradict each other";
    INPUT_CONTRADICTION "input.contradiction" Error INPUTS
        "all that is said of an input agrees: required or optional, strict or loose"
        "two tools would ask for two different sets of values";
    INPUT_STRICTNESS "input.strictness" Error INPUTS
        "an input's strictness is strict or loose"
        "it decides whether rendering fails without a value"
        fix "corrects upper and lower case"
        also "INVALID_INPUT_STRICTNESS";
    INPUT_SOURCE "input.source" Error INPUTS
        "an input's source is workflow_input, artifact, provenance or system"
        "a required input from an unknown source can never be satisfied; an optional one is a warning"
        fix "corrects upper and lower case";
    INPUT_PLANNER "input.planner" Warning OA05
        "a planner requires the inputs allowed_next_steps and evidence"
        "a workflow may only evaluate with a planner that is given both";
    INPUT_UNDECLARED "input.undeclared" Error INPUTS
        "every variable of the template is a declared input"
        "strict rendering fails on a variable nobody knows to supply";
    INPUT_UNUSED "input.unused" Warning INPUTS
        "every declared input is used by the template"
        "a value that is asked for and dropped misleads whoever supplies it";
    CONTRACT "contract.malformed" Error INPUTS
        "output_contract says what comes out, in the form that the role demands"
        "whatever consumes the answer is checked against it";
    CONTRACT_SCHEMA "contract.schema-ref" Error INPUTS
        "an answer in JSON names its schema as `<name>.v<version>`"
        "without a schema nothing can check the answer"
        also "MISSING_SCHEMA_REF" "INVALID_SCHEMA_REF";
    CONTRACT_UNRESOLVED "contract.schema-unresolved" Warning INPUTS
        "the schema that a contract names is in `schemas/prompt-contracts/`, the user's or the built-in ones"
        "an answer cannot be checked against a schema that nobody has";
    CONTRACT_ARTIFACTS "contract.artifacts" Error INPUTS
        "an answer in files lists them, by paths that stay below the project"
        "only what is listed can be collected, and no prompt may name files elsewhere"
        also "MISSING_ARTIFACTS";
    SAFETY "safety.contradiction" Warning ALL
        "safety_level, pii_handling and content_flags do not contradict each other"
        "whoever filters by one of them trusts the others to agree";
    TEMPLATE_EMPTY "template.empty" Error ALL
        "there is a prompt below the frontmatter"
        "an empty prompt governs nothing"
        also "MISSING_TEMPLATE";
    TEMPLATE_BLOCK "template.block" Error PROMPTOS
        "the fenced block under `## Prompt` is there and closed"
        "only that block is the prompt; the rest is documentation";
    TEMPLATE_SYNTAX "template.syntax" Error ALL
        "the template is valid Jinja2"
        "it could never be rendered"
        also "INVALID_TEMPLATE";
    TEMPLATE_INCLUDE "template.include" Error ALL
        "a template does not include, import or extend another"
        "a prompt's digest would not cover what it pulls in";
    SECRET "secret.found" Error FILE
        "no file holds a key, token or password"
        "what enters the ledger is kept, copied and shown to others";
    PERSONAL_PATH "path.personal" Error FILE
        "no file names a path in someone's home directory"
        "it works on one machine and names its user";
    DUPLICATE_REF "catalog.duplicate-ref" Error FILE
        "within one layer a ref stands for one content"
        "nobody could say which of the two a session used";
    ALLOW "lint.allow" Error ALL
        "what `lint` in the frontmatter allows is a rule's code, with a reason"
        "an exception that nobody can explain is a fault; without a reason it has no effect";
    ALLOW_UNUSED "lint.unused-allow" Warning ALL
        "what `lint` in the frontmatter allows is there"
        "an exception that outlives its cause hides the next fault";
}

rules! {
    /// Every rule of rendering, which looks at a prompt together with its values.
    RENDER_RULES:
    RENDER_MISSING "render.missing" Error ALL
        "every required input has a value"
        "a prompt that lacks what it asks for says something else; `missing` in `[render]` settles it"
        also "MISSING_REQUIRED_VARS";
    RENDER_EXTRA "render.extra" Error ALL
        "every value that is given belongs to an input or a variable of the prompt"
        "a misspelt name would be dropped in silence; `extra` in `[render]` settles it"
        also "EXTRA_VARIABLES";
    RENDER_TYPE "render.type" Error ALL
        "each value has the type that its input declares"
        "a text where a list is meant is gone through letter by letter";
    RENDER_UNDEFINED "render.undefined" Error ALL
        "every name that the template uses has a value"
        "what has no value would leave a gap that nobody sees; `undefined` in `[render]` settles it";
    RENDER_SYNTAX "render.syntax" Error ALL
        "the template is valid Jinja2"
        "it could never be rendered";
    RENDER_OUTSIDE "render.outside" Error ALL
        "a template does not include, import or extend another"
        "a prompt's digest would not cover what it pulls in";
    RENDER_LIMIT "render.limit" Error ALL
        "a template ends within its limits of steps, time, memory and text"
        "a template from elsewhere must not exhaust the machine that renders it";
    RENDER_FAILED "render.failed" Error ALL
        "the template can be rendered with these values, and calls only what COMPATIBILITY.md lists"
        "a text that stops half way is no prompt";
}

/// The rules of lint, then those of rendering.
fn all() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().chain(RENDER_RULES)
}

/// The rule with this code, or what other systems call so.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.code == code || rule.also.contains(&code))
}

/// At most three codes that resemble this one, nearest first.
#[must_use]
pub fn similar_rules(code: &str) -> Vec<&'static str> {
    let wanted = code.chars().take(64).collect::<String>().to_lowercase();
    let distance = |rule: &&'static Rule| {
        let (area, what) = rule.code.split_once('.').unwrap_or_default();
        let parts = [rule.code, area, what].into_iter().chain(rule.also.iter().copied());
        parts
            .map(|part| strsim::damerau_levenshtein(&part.to_lowercase(), &wanted))
            .min()
            .unwrap_or(usize::MAX)
    };
    let most = (wanted.chars().count() / 3).max(1);
    let mut near: Vec<_> = all().map(|rule| (distance(&rule), rule.code)).collect();
    near.retain(|(distance, _)| *distance <= most);
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, code)| code).collect()
}

impl Rule {
    /// The dialects in words.
    #[must_use]
    pub fn applies_to(&self) -> String {
        let name = |dialect: &Dialect| match dialect {
            Dialect::Oa05 => "OA05",
            Dialect::PromptOs => "PromptOS",
            Dialect::Tnh => "TNH",
            Dialect::Plain => "plain",
        };
        match self.dialects {
            [] => "every file".to_owned(),
            some if some == ALL => "every dialect".to_owned(),
            some => some.iter().map(name).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The page about every rule, as Markdown.
#[must_use]
pub fn rules_page() -> String {
    let mut page = String::from(
        "# Lint rules\n\n\
         What `promptos lint` looks for, and under [render](#render) what `promptos prompt render` does.\n\
         `promptos lint --explain CODE` shows one rule; this page is what `promptos lint --explain` prints, and is\n\
         written by `just rules`.\n\n\
         An error means that the file must not be used as it is. `[lint]` in `promptos.toml` makes warnings fail as\n\
         well (`mode = \"strict\"`) or nothing (`\"permissive\"`), and settles what happens to `missing` inputs\n\
         (`input.source`), `extra` ones (`input.unused`) and `undefined` variables (`input.undeclared`): `\"error\"`,\n\
         `\"warn\"` or `\"allow\"`.\n\n\
         A prompt can allow what one rule forbids, with a reason:\n\n\
         ```yaml\nlint:\n  - allow: input.unused\n    reason: the next version uses it\n```\n",
    );
    let mut area = "";
    for rule in all() {
        let this = rule.code.split('.').next().unwrap_or_default();
        if this != area {
            area = this;
            page.push_str(&format!("\n## {area}\n"));
        }
        page.push_str(&format!("\n### `{}`\n\n{}", rule.code, rule.in_markdown()));
    }
    page
}

impl Rule {
    /// What there is to say about it, as Markdown.
    #[must_use]
    pub fn in_markdown(&self) -> String {
        let mut text = format!("Demands that {}: {}.\n\n", self.what, self.why);
        text.push_str(&format!("- severity: {}\n- applies to: {}\n", self.severity, self.applies_to()));
        if let Some(fix) = self.fix {
            text.push_str(&format!("- `--fix` {fix}\n"));
        }
        if !self.also.is_empty() {
            let names: Vec<_> = self.also.iter().map(|name| format!("`{name}`")).collect();
            text.push_str(&format!("- elsewhere called {}\n", names.join(", ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let names = all().flat_map(|rule| std::iter::once(&rule.code).chain(rule.also));
        let mut codes: Vec<_> = names.collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
        for rule in all() {
            let (area, what) = rule.code.split_once('.').unwrap();
            for part in [area, what] {
                assert!(
                    !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b"-8".contains(&b)),
                    "{}",
                    rule.code
                );
            }
            assert!(!rule.what.is_empty() && !rule.why.is_empty() && !rule.what.ends_with('.'));
            assert_eq!(super::rule(rule.code), Some(rule));
        }
    }

    #[test]
    fn rules_are_found_by_either_name_and_by_what_resembles_one() {
        assert_eq!(rule("INVALID_TEMPLATE").unwrap().code, "template.syntax");
        assert_eq!(rule("template.syntac"), None);
        assert_eq!(similar_rules("template.syntac").first(), Some(&"template.syntax"));
        assert_eq!(similar_rules("undeclared"), ["input.undeclared"]);
        assert_eq!(similar_rules("Secret"), ["secret.found"]);
        assert_eq!(similar_rules("something else altogether").len() + similar_rules("").len(), 0);
        assert_eq!(similar_rules(&"x".repeat(1 << 20)).len(), 0);
    }
}
