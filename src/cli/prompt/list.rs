use super::{prompt_json, sources_json, status, warn_of_problems};
use crate::cli::catalog::CatalogOption;
use crate::cli::context::Context;
use crate::cli::ui::{BOLD, DIM, WARN, one_line, width};
use clap::Args;
use promptos::catalog::Prompt;
use promptos::error::Result;
use serde_json::{Value, json};

/// A summary of less is no help.
const SUMMARY: usize = 30;

/// List the prompts that refs stand for
#[derive(Args)]
pub(crate) struct List {
    /// Only prompts with all of these words in their id, name, summary or tags
    text: Vec<String>,
    /// Only prompts with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only prompts of this role: task, planner, policy, …
    #[arg(long)]
    role: Option<String>,
    /// Only prompts with this capability; may be repeated
    #[arg(long, value_name = "CAPABILITY")]
    capability: Vec<String>,
    /// Only prompts of this status: draft, current, deprecated or archived
    #[arg(long)]
    status: Option<String>,
    /// Only prompts of this scope: user, agent or global
    #[arg(long)]
    scope: Option<String>,
    /// Also those that another file with the same ref hides
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    catalog: CatalogOption,
}

impl List {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<()> {
        let catalog = context.catalog_from(self.catalog.locator()?.as_ref())?;
        let words: Vec<String> = self.text.iter().map(|word| word.to_lowercase()).collect();
        let wanted = |prompt: &Prompt| self.fits(prompt) && has_words(prompt, &words);
        let hidden = catalog.losers().iter().filter(|_| self.all).map(|prompt| (prompt, true));
        let shown = catalog.prompts().iter().map(|prompt| (prompt, false));
        let mut listed: Vec<(&Prompt, bool)> = shown
            .chain(hidden)
            .map(|(prompt, hidden)| (&**prompt, hidden))
            .filter(|(p, _)| wanted(p))
            .collect();
        // Stable: who hides stands before who is hidden, and those by layer.
        listed.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id).then_with(|| a.cmp_version(b)));

        if context.ui.json {
            let prompts = listed.iter().map(|(prompt, hidden)| {
                let mut shown = prompt_json(&catalog, prompt);
                if self.all
                    && let Value::Object(fields) = &mut shown
                {
                    fields.insert("hidden".to_owned(), Value::Bool(*hidden));
                }
                shown
            });
            let broken = catalog.problems().iter().flat_map(|problem| {
                let claimed = problem.claimed_id.as_deref();
                problem.findings.iter().map(move |finding| (problem.layer, claimed, finding.clone()))
            });
            let clashes = catalog.clashes().into_iter().map(|(layer, claimed, f)| (layer, Some(claimed), f));
            let errors = broken.chain(clashes).map(
                |(layer, claimed, finding)| json!({"layer": layer, "prompt_id": claimed, "finding": finding}),
            );
            return context.ui.report(
                "prompt-list",
                json!({
                    "prompts": prompts.collect::<Vec<_>>(),
                    "count": listed.len(),
                    "sources": sources_json(context, &catalog),
                    "catalog_errors": errors.collect::<Vec<_>>(),
                }),
            );
        }
        if !listed.is_empty() {
            context.ui.line(&table(&listed, width()))?;
        }
        let from = catalog.located().iter().map(|located| match context.shown_source(located) {
            place if place == located.layer.to_string() => place,
            place => format!("{} {place}", located.layer),
        });
        let standing = listed.iter().filter(|(_, hidden)| !hidden).count();
        let mut note = format!("{standing} of {} prompts from: ", catalog.prompts().len());
        note.push_str(&from.collect::<Vec<_>>().join(", "));
        if !catalog.losers().is_empty() {
            let how = if self.all { "" } else { " (--all shows them)" };
            note.push_str(&format!("; {} hidden by these{how}", catalog.losers().len()));
        }
        context.ui.note(&note);
        warn_of_problems(context, &catalog);
        Ok(())
    }

    fn fits(&self, prompt: &Prompt) -> bool {
        let is =
            |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
        let has = |wanted: &[String], values: &[String]| wanted.iter().all(|value| values.contains(value));
        is(&self.role, prompt.role.as_deref())
            && is(&self.status, Some(status(prompt)))
            && is(&self.scope, prompt.scope.as_deref())
            && has(&self.tag, &prompt.tags)
            && has(&self.capability, &prompt.capabilities)
    }
}

fn has_words(prompt: &Prompt, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let texts = [&prompt.id, &prompt.title, &prompt.summary].into_iter().chain(&prompt.tags);
    let text = texts.map(|text| text.to_lowercase()).collect::<Vec<_>>().join("\n");
    words.iter().all(|word| text.contains(word))
}

/// The columns: ref, layer, role, name. A ref is never cut, since it is there to be copied; one that is too long
/// has a line of its own. Narrow terminals lose the columns in the middle.
fn table(listed: &[(&Prompt, bool)], width: Option<usize>) -> String {
    let refs: Vec<String> = listed.iter().map(|(prompt, _)| one_line(&prompt.reference(), 240)).collect();
    let widest = refs.iter().map(String::len).max().unwrap_or_default();
    let column = width.map_or(widest.min(48), |width| widest.min(width * 2 / 5).max(8));
    let middle = width.is_none_or(|width| width >= 80);
    let role_width =
        listed.iter().filter_map(|(p, _)| p.role.as_ref()).map(|role| role.chars().count()).max();
    let role_width = role_width.unwrap_or(0).min(12);
    let mut lines = Vec::with_capacity(refs.len());
    for ((prompt, hidden), reference) in listed.iter().zip(refs) {
        let mut start = match reference.len() <= column {
            true => format!("{BOLD}{reference:<column$}{BOLD:#}  "),
            false => format!("{BOLD}{reference}{BOLD:#}\n{:<column$}  ", ""),
        };
        let mut used = column + 2;
        if middle {
            start.push_str(&format!("{DIM}{:<9}{DIM:#}  ", prompt.layer.to_string()));
            used += 11;
            if role_width > 0 {
                let role = one_line(prompt.role.as_deref().unwrap_or("-"), role_width);
                start.push_str(&format!("{role:<role_width$}  "));
                used += role_width + 2;
            }
        }
        let mark = match (hidden, status(prompt)) {
            (true, _) => "hidden".to_owned(),
            (false, "current") => String::new(),
            (false, status) => one_line(status, 12),
        };
        if !mark.is_empty() {
            start.push_str(&format!("{WARN}{mark}{WARN:#} "));
            used += mark.chars().count() + 1;
        }
        let room = width.map_or(200, |width| width.saturating_sub(used).max(10));
        let title = one_line(&prompt.title, room);
        let left = room.saturating_sub(title.chars().count() + 2);
        start.push_str(&title);
        if width.is_some() && left >= SUMMARY && prompt.summary != prompt.title {
            start.push_str(&format!("  {DIM}{}{DIM:#}", one_line(&prompt.summary, left)));
        }
        lines.push(start.trim_end().to_owned());
    }
    lines.join("\n")
}
