use super::{prompt_json, sources_json};
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::show::entry_json;
use crate::cli::ui::{BOLD, DIM, one_line};
use clap::Args;
use ledger_format::Address;
use promptos::catalog::Prompt;
use promptos::error::{Error, Result};
use promptos::ledger::Entry;
use serde_json::{Value, json};

/// Show what an id or ref stands for: what the prompt says of itself, where it comes from, what binds it
#[derive(Args)]
pub(crate) struct Show {
    /// An id such as P00, or a ref such as P00.v1
    prompt: String,
    /// Print the file's exact bytes and nothing else
    #[arg(long)]
    bytes: bool,
    #[command(flatten)]
    catalog: CatalogOption,
}

impl Show {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let catalog = context.catalog_from(self.catalog.locator()?.as_ref())?;
        let prompt = super::find(context, &catalog, &self.prompt)?;
        if self.bytes {
            if context.ui.json {
                return Err(Error::usage("--bytes prints the file as it is; it has no JSON form"));
            }
            context.ui.bytes(&prompt.bytes)?;
            return context.ui.flush();
        }
        let reference = prompt.reference();
        let now = Address(*blake3::hash(&prompt.bytes).as_bytes());
        let bound = bound(context, &reference)?;
        let is_same = |other: &Prompt| other.id == prompt.id && other.version == prompt.version;
        let hidden: Vec<&Prompt> = catalog.losers().iter().map(|p| &**p).filter(|p| is_same(p)).collect();
        let versions: Vec<&str> = catalog.versions(&prompt.id).iter().map(|p| p.version.as_str()).collect();

        if context.ui.json {
            let same = |other: &Prompt| other.bytes == prompt.bytes;
            return context.ui.report("prompt-show", json!({
                "prompt": prompt_json(&catalog, prompt),
                "metadata": prompt.frontmatter,
                "inputs": prompt.inputs,
                "output_contract": prompt.output_contract,
                "dialect": prompt.dialect,
                "size": prompt.bytes.len(),
                "versions": versions,
                "hidden": hidden.iter().map(|other| json!({
                    "layer": other.layer, "path": other.path.to_string_lossy(), "same_bytes": same(other),
                })).collect::<Vec<_>>(),
                "bound": bound.as_ref().map(|(content, entry)| json!({
                    "blake3": hex::encode(content.0), "same_bytes": *content == now, "entry": entry_json(entry),
                })),
                "sources": sources_json(context, &catalog),
            }));
        }
        let line = |label: &str, text: &str| {
            if text.is_empty() {
                return Ok(());
            }
            context.ui.line(&format!("{BOLD}{label:<11}{BOLD:#} {}", one_line(text, 2000)))
        };
        line("ref", &reference)?;
        line("name", &prompt.title)?;
        if prompt.summary != prompt.title {
            line("summary", &prompt.summary)?;
        }
        let fields = [
            ("status", Some(super::status(prompt))),
            ("role", prompt.role.as_deref()),
            ("gate", prompt.gate.as_deref()),
            ("scope", prompt.scope.as_deref()),
            ("owner", prompt.owner.as_deref()),
            ("replaces", prompt.deprecates.as_deref()),
            ("model", prompt.default_model.as_deref()),
        ];
        for (label, text) in fields {
            line(label, text.unwrap_or_default())?;
        }
        line("tags", &prompt.tags.join(", "))?;
        line("can", &prompt.capabilities.join(", "))?;
        for input in &prompt.inputs {
            line("input", &input_line(input))?;
        }
        for (label, texts) in [
            ("stops when", &prompt.stop_conditions),
            ("safety", &prompt.safety_notes),
            ("warning", &prompt.warnings),
        ] {
            texts.iter().try_for_each(|text| line(label, text))?;
        }
        let located = catalog.located().iter().find(|located| located.layer == prompt.layer);
        let place = located.map(|located| context.shown_source(located)).unwrap_or_default();
        line("from", &format!("{} ({place}): {}", prompt.layer, prompt.path.display()))?;
        for other in &hidden {
            let same = if other.bytes == prompt.bytes { "the same bytes" } else { "other bytes" };
            line("hides", &format!("{} ({same}): {}", other.layer, other.path.display()))?;
        }
        line("versions", &versions.join(", "))?;
        context.ui.line(&format!(
            "{BOLD}{:<11}{BOLD:#} {now}{DIM}, {} bytes{DIM:#}",
            "content",
            prompt.bytes.len()
        ))?;
        match &bound {
            None => line("bound", "not in this ledger"),
            Some((content, entry)) => {
                let by = format!("entry {} ({})", entry.index, entry.statement.subject());
                match *content == now {
                    true => line("bound", &format!("to these bytes, by {by}")),
                    false => line("bound", &format!("to OTHER bytes, {content}, by {by}")),
                }
            }
        }
    }
}

fn input_line(input: &promptos::catalog::Input) -> String {
    let mut text = input.name.clone();
    text.extend(input.kind.iter().map(|kind| format!(": {kind}")));
    text.push_str(if input.required { ", required" } else { ", optional" });
    if let Some(default) = &input.default {
        let default = match default {
            Value::String(text) => format!("{text:?}"),
            other => other.to_string(),
        };
        text.push_str(&format!(", default {default}"));
    }
    text.extend(input.description.iter().map(|description| format!(" ({description})")));
    text
}

/// What the ledger has bound the ref to. Where there is no ledger, nothing is bound.
fn bound(context: &Context<'_>, reference: &str) -> Result<Option<(Address, Entry)>> {
    if !context.has_ledger()? {
        return Ok(None);
    }
    context.read()?.bound(reference)
}
