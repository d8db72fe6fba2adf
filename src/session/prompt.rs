//! Binding a prompt's ref without a session.

use crate::catalog::{self, Finding, Layer, MAX_PROMPT_BYTES, Parsed, Prompt};
use crate::error::{Error, Result};
use crate::ledger::{Content, Ledger, New};
use ledger_format::{Address, Body, Descriptor};
use std::io::Read as _;
use std::path::Path;

/// A prompt that passed lint, and the statement that binds its ref.
pub struct PlannedPrompt {
    /// What to append.
    pub new: New,
    /// The prompt.
    pub prompt: Prompt,
    /// Its content.
    pub content: Address,
    /// Lint warnings.
    pub warnings: Vec<Finding>,
}

/// Reads and lints a prompt file. `name` is its path in its catalog, which findings show and from which a file
/// without a key has its id.
///
/// # Errors
/// Failed, when the file cannot be read; findings, when lint finds errors.
pub fn plan_prompt(file: &Path, name: &Path) -> Result<PlannedPrompt> {
    let cannot = |e: std::io::Error| Error::failed(format!("cannot read {}: {e}", file.display()));
    // Asked before opening, since opening a pipe would wait for its writer.
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(Error::failed(format!("{} is not a regular file", file.display())));
    }
    let mut bytes = Vec::new();
    // One byte more, so that lint sees what is too large.
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    let findings = catalog::lint_file(name, &bytes);
    if findings.iter().any(Finding::is_error) {
        let text = catalog::render(&findings);
        return Err(Error::findings(format!("lint found errors, so nothing was bound\n{}", text.trim_end())));
    }
    let Parsed::Prompt(prompt) = catalog::parse(Layer::Workspace, name, &bytes) else {
        return Err(Error::bug("lint passed what is no prompt"));
    };
    let reference = ledger_format::reference(prompt.reference())
        .map_err(|f| Error::failed(f.detail).hint("shorten the prompt's id"))?;
    let content = Descriptor::of(&bytes, "text/markdown");
    let address = content.blake3;
    let new = New {
        name: reference,
        body: Body::Prompt(ledger_format::Prompt { content: content.clone() }),
        contents: vec![Content::Bytes(content, bytes)],
        next_log_key: None,
    };
    Ok(PlannedPrompt { new, prompt: *prompt, content: address, warnings: findings })
}

impl PlannedPrompt {
    /// What to append, once; its content is gone then.
    pub fn take(&mut self) -> New {
        let New { name, body, contents, .. } = &mut self.new;
        New { name: name.clone(), body: body.clone(), contents: std::mem::take(contents), next_log_key: None }
    }

    /// The entry that bound the ref to these bytes before, if one did.
    ///
    /// # Errors
    /// Findings, when the ref is bound to other bytes.
    pub fn bound_in(&self, ledger: &Ledger) -> Result<Option<crate::ledger::Entry>> {
        ledger.check_bindings([(self.new.name.as_str(), self.content)])?;
        Ok(ledger.bound(&self.new.name)?.map(|(_, entry)| entry))
    }
}
