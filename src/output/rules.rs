//! The table of everything that the check can say.

use crate::catalog::rules;

rules! {
    /// Every rule, in the order in which an answer is examined.
    RULES:
    NOT_UTF8 "output.not-utf8" Error
        "an answer is UTF-8 text"
        "other encodings are read differently by different tools";
    EMPTY "output.empty" Error
        "an answer is not empty"
        "a model that said nothing has not answered";
    SECTION "output.section" Error
        "a text has a heading for each of the contract's required_sections"
        "whoever reads the answer looks for them";
    FIELD "output.field" Error
        "the contract's required_fields are there: lines `name: …` of a text, members of a JSON object"
        "whatever consumes the answer reads them";
    FENCED "output.fenced" Error
        "a JSON answer stands alone, in no Markdown code block"
        "a JSON parser reads no Markdown";
    JSON "output.json" Error
        "a JSON answer is one JSON value (RFC 8259) and nothing else"
        "a program could not read it";
    DUPLICATE "output.duplicate-key" Error
        "no object has a name twice"
        "two programs would read two different answers";
    SCHEMA "output.schema" Error
        "a JSON answer fits the schema that the contract names"
        "whatever consumes the answer relies on it";
    ARTIFACT "output.artifact" Error
        "every required artifact is there"
        "a later step would look for it in vain";
    ARTIFACT_KIND "output.artifact-kind" Error
        "an artifact is a file that can be read"
        "nothing else has bytes to collect";
    OUTSIDE "output.artifact-outside" Error
        "no artifact is outside the folder, also by no link"
        "an answer must not pass off files that it did not make";
    UNCHECKED "output.unchecked" Warning
        "everything that the contract demands can be checked"
        "what is written down and never checked misleads whoever relies on it";
}
