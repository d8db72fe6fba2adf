//! `render --record` and `render verify`: what was rendered is on record, and the values stay with whoever has them.

use super::record::passed;
use crate::catalog::{self, Finding, Layer, Parsed, Prompt};
use crate::error::{Error, Result};
use crate::json;
use crate::ledger::{Blob, Content, Entry, Ledger, New};
use crate::render::{self, ENGINE, Form, INPUT_TEXT, Inputs, Job, Limits, Ran};
use ledger_format::{Body, Committed, Descriptor, Hash, Render, Used};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

const SCHEMA: &str = "promptos.disclosure/1";
const LENIENT: &str = "lenient";
const PRESERVE_WHITESPACE: &str = "preserve-whitespace";

/// What was rendered and is to be recorded. Random bytes come from the caller.
pub struct RenderRequest<'a> {
    /// The render's id.
    pub id: String,
    /// The prompt.
    pub prompt: &'a Prompt,
    /// The values and the options.
    pub inputs: &'a Inputs,
    /// The result as written.
    pub output: &'a [u8],
    /// How it is written.
    pub form: Form,
    /// How strictly lint is meant. Secrets are refused all the same.
    pub lint: catalog::Policy,
    /// This program's version.
    pub tool: String,
    /// Random bytes for the two commitments.
    pub salts: [[u8; 32]; 2],
}

/// What opens the commitments of a render: its values with the salts. Whoever has it can show what was rendered, and
/// nobody else can. A part may be left out, to show only the other one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    schema: String,
    /// The render's id.
    pub render: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables_salt: Option<Salt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_salt: Option<Salt>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Salt([u8; 32]);

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        hex::encode(salt.0)
    }
}

impl TryFrom<String> for Salt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut salt = [0; 32];
        hex::decode_to_slice(text, &mut salt).map_err(|_| "a salt is 64 hex digits")?;
        Ok(Self(salt))
    }
}

/// What the commitment is to: the values in their order, without blanks.
fn text_of(variables: &Map<String, Value>) -> Result<Vec<u8>> {
    serde_json::to_vec(variables).map_err(|e| Error::bug("variables are not JSON").because(e))
}

/// Lints the prompt and puts the statement together, with what opens its commitments. Nothing is written.
///
/// # Errors
/// Findings, for lint errors and secrets in the prompt.
pub fn plan_render(request: &RenderRequest<'_>) -> Result<(New, Disclosure, Vec<Finding>)> {
    let RenderRequest { prompt, inputs, salts: [variables_salt, input_salt], .. } = request;
    let warnings = passed(catalog::lint_file(&prompt.path, &prompt.bytes), &request.lint)?;
    let reference = ledger_format::reference(prompt.reference())
        .map_err(|f| Error::failed(f.detail).hint("shorten the prompt's id"))?;
    let mut variables = inputs.values.clone();
    let input = match variables.shift_remove(INPUT_TEXT) {
        Some(Value::String(text)) => Some(text),
        // Given as something else, it is a variable like any other.
        Some(other) => {
            variables.insert(INPUT_TEXT.to_owned(), other);
            None
        }
        None => None,
    };
    let options = [(inputs.lenient, LENIENT), (inputs.preserve_whitespace, PRESERVE_WHITESPACE)];
    let content = Descriptor::of(&prompt.bytes, "text/markdown");
    let body = Render {
        prompt: Used { reference, gate: prompt.gate.clone(), content: content.clone() },
        engine: ENGINE.to_owned(),
        tool: request.tool.clone(),
        options: options.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned()).collect(),
        variables: Committed::Variables.commit(variables_salt, &text_of(&variables)?),
        input: input.as_ref().map(|text| Committed::Input.commit(input_salt, text.as_bytes())),
        output: Descriptor::of(request.output, request.form.media_type()),
    };
    let disclosure = Disclosure {
        schema: SCHEMA.to_owned(),
        render: request.id.clone(),
        variables: Some(variables),
        variables_salt: Some(Salt(*variables_salt)),
        input_salt: input.is_some().then_some(Salt(*input_salt)),
        input,
    };
    let new = New {
        name: request.id.clone(),
        body: Body::Render(body),
        contents: vec![Content::Bytes(content, prompt.bytes.clone())],
        next_log_key: None,
    };
    Ok((new, disclosure, warnings))
}

impl Disclosure {
    /// Reads a disclosure.
    ///
    /// # Errors
    /// Failed, when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let none = |e: serde_json::Error| Error::failed(format!("this is no disclosure of a render: {e}"));
        let read: Self = serde_json::from_value(json::parse(bytes).map_err(none)?).map_err(none)?;
        if read.schema != SCHEMA {
            return Err(Error::failed(format!(
                "this is no disclosure of a render: its schema is not {SCHEMA}"
            )));
        }
        Ok(read)
    }

    /// The file.
    ///
    /// # Errors
    /// None that input can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let text = serde_json::to_string_pretty(self);
        Ok((text.map_err(|e| Error::bug("a disclosure is not JSON").because(e))? + "\n").into_bytes())
    }
}

/// What a disclosure shows. The commitments that it opens hold; that is said by there being an answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Whether the variables are shown.
    pub variables: bool,
    /// Whether what the user gave is shown, or there was nothing.
    pub input: bool,
    /// Whether the prompt with these values gives the recorded output; `None` when something of them is not shown.
    pub output: Option<bool>,
    /// Whether this program has the engine of the record. With another one, another output says nothing.
    pub same_engine: bool,
}

/// Opens a render's commitments, and renders its prompt again with the values when all of them are shown. `engine` is
/// as for [`render::render`].
///
/// # Errors
/// Failed, when the entry is no render, the disclosure is another one's, or the prompt is not here; integrity, when a
/// commitment is to something else.
pub fn verify_render(
    ledger: &Ledger,
    entry: &Entry,
    disclosure: &Disclosure,
    engine: impl FnOnce(&Job) -> Result<Ran>,
) -> Result<Shown> {
    let Body::Render(body) = &entry.statement.body else {
        return Err(Error::failed(format!(
            "entry {} is {}, no render",
            entry.index,
            entry.statement.subject()
        )));
    };
    if disclosure.render != entry.statement.name {
        let (of, is) = (&disclosure.render, &entry.statement.name);
        return Err(Error::failed(format!("this discloses the render {of}; the entry is {is}")));
    }
    let open = |what: Committed, commitment: &Hash, salt: Option<&Salt>, bytes: &[u8]| {
        let salt = salt.ok_or_else(|| Error::failed("the disclosure has values without their salt"))?;
        what.open(commitment, &salt.0, bytes).map_err(|f| Error::integrity(f.to_string()))
    };
    if let Some(variables) = &disclosure.variables {
        let bytes = text_of(variables)?;
        open(Committed::Variables, &body.variables, disclosure.variables_salt.as_ref(), &bytes)?;
    }
    match (&disclosure.input, &body.input) {
        (Some(input), Some(commitment)) => {
            open(Committed::Input, commitment, disclosure.input_salt.as_ref(), input.as_bytes())?;
        }
        (Some(_), None) => return Err(Error::integrity("an input is shown, and the render had none")),
        (None, _) => {}
    }
    let mut shown = Shown {
        variables: disclosure.variables.is_some(),
        input: disclosure.input.is_some() || body.input.is_none(),
        output: None,
        same_engine: body.engine == ENGINE,
    };
    if let Some(mut values) = disclosure.variables.clone().filter(|_| shown.input) {
        values
            .extend(disclosure.input.iter().map(|text| (INPUT_TEXT.to_owned(), Value::from(text.as_str()))));
        shown.output = Some(gives(ledger, body, values, engine)?);
    }
    Ok(shown)
}

/// Whether the recorded prompt with these values gives the recorded output.
fn gives(
    ledger: &Ledger,
    body: &Render,
    values: Map<String, Value>,
    engine: impl FnOnce(&Job) -> Result<Ran>,
) -> Result<bool> {
    let Used { reference, content, .. } = &body.prompt;
    let bytes = match ledger.blob(&content.blake3)? {
        Blob::Present(bytes) => bytes,
        Blob::Erased => {
            return Err(Error::failed(format!("{reference} was erased; its output cannot be shown")));
        }
        Blob::Missing => return Err(ledger.not_here(&content.blake3).hint(format!("it is {reference}"))),
    };
    let Parsed::Prompt(prompt) = catalog::parse_any(Layer::Workspace, Path::new("prompt.md"), &bytes) else {
        return Err(Error::failed(format!("this program cannot read {reference} as a prompt")));
    };
    let known = [LENIENT, PRESERVE_WHITESPACE];
    if let Some(option) = body.options.iter().find(|option| !known.contains(&option.as_str())) {
        return Err(Error::failed(format!("a newer promptos rendered this, with the option '{option}'")));
    }
    let Some(form) = Form::of(&body.output.media_type) else {
        let form = &body.output.media_type;
        return Err(Error::failed(format!("a newer promptos rendered this, as {form}")));
    };
    let has = |name: &str| body.options.iter().any(|option| option == name);
    let inputs = Inputs { values, lenient: has(LENIENT), preserve_whitespace: has(PRESERVE_WHITESPACE) };
    match render::again(&prompt, &inputs, Limits::default(), engine)? {
        Ok(rendered) => Ok(body.output.matches(&rendered.to_bytes(form)?)),
        Err(_) => Ok(false),
    }
}
