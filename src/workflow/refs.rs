//! The prompts that a workflow names, compared with the catalog and with what the ledger binds.

use super::check::{Against, Ref};
use super::graph::Graph;
use super::inputs::{self, Supply};
use super::model::{Opcode, Placed, Step, Workflow};
use super::rules::{self, Findings};
use crate::catalog::{self, Finding, Prompt, Rule, quoted};
use crate::error::Result;
use ledger_format::{Address, Descriptor};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// `[workflow]` of the settings: what a project allows beyond the rules, or does not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The roles besides `task` that a RUN_AGENT may use; `none` stands for prompts without a role.
    pub allow_roles: Vec<String>,
    /// What becomes of a RUN_AGENT's prompt that is written into the workflow.
    pub inline: Inline,
}

/// How a prompt that has no ref is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inline {
    /// An error.
    Error,
    /// A warning.
    #[default]
    Warn,
    /// Nothing is said.
    Allow,
}

/// What a prompt is used for.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Agent,
    Planner,
    Policy,
}

/// What is known of a text that names a prompt, wherever it stands.
struct Known<'a> {
    prompt: Result<&'a Prompt>,
    /// What is wrong with the prompt wherever it is used.
    faults: Vec<(Rule, String, Option<String>)>,
}

/// A place where a workflow names a prompt.
struct Site<'a> {
    text: &'a Placed<String>,
    used: Use,
    place: Option<(usize, &'a Step)>,
}

/// Checks every prompt that the workflow names. Returns those that exist, by ref, and the number of prompts that
/// are written into the workflow.
pub(crate) fn check(
    workflow: &Workflow,
    graph: &Graph<'_>,
    against: &Against<'_>,
    findings: &mut Findings<'_>,
) -> Result<(Vec<Ref>, usize)> {
    let sites = sites(workflow);
    let mut known: HashMap<&str, Known<'_>> = HashMap::new();
    for site in sites.iter().filter(|site| !is_inline(&site.text.value)) {
        if !known.contains_key(site.text.value.as_str()) {
            known.insert(&site.text.value, look_up(&site.text.value, against)?);
        }
    }
    let found = |text: &str| known.get(text).and_then(|known| known.prompt.as_ref().ok().copied());
    let supply = Supply::of(workflow, graph, |step| found(step.prompt.as_ref()?.value.as_str()));
    let mut refs: BTreeMap<String, Ref> = BTreeMap::new();
    let mut written_out = 0;
    for site in &sites {
        let Some(known) = known.get(site.text.value.as_str()) else {
            written_out += 1;
            inline(site, against.policy, findings);
            continue;
        };
        match &known.prompt {
            Ok(prompt) => {
                let step = site.place.and_then(|(_, step)| step.id.as_ref());
                let step = step.map_or("defaults".to_owned(), |id| id.value.clone());
                let reference = prompt.reference();
                let entry = refs.entry(reference).or_insert_with(|| Ref::of(prompt, site.text.at));
                if !entry.used_by.contains(&step) {
                    entry.used_by.push(step);
                }
                judge(site, prompt, &known.faults, against.policy, findings);
                supply.check(prompt, site.place, site.text.at, findings);
                if let (Use::Agent, Some((_, step))) = (site.used, site.place) {
                    inputs::check_passed(prompt, &step.inputs, findings);
                }
            }
            Err(error) => {
                let (at, message) = (site.text.at, error.to_string());
                // Which gates there are helps whoever begins a session.
                let hints = error.hints().iter().filter(|hint| !hint.starts_with("gates:"));
                match hints.map(String::as_str).collect::<Vec<_>>().join("; ") {
                    hint if hint.is_empty() => findings.add(rules::UNRESOLVED, at, message),
                    hint => findings.advise(rules::UNRESOLVED, at, message, hint),
                }
            }
        }
    }
    Ok((refs.into_values().collect(), written_out))
}

/// The names of prompts in a workflow, each with its step; a default policy has none.
pub(crate) fn named(workflow: &Workflow) -> impl Iterator<Item = (&Placed<String>, Option<&Step>)> {
    let named = sites(workflow).into_iter().filter(|site| !is_inline(&site.text.value));
    named.map(|site| (site.text, site.place.map(|(_, step)| step)))
}

/// Every place where a prompt is named, in the order of the file.
fn sites(workflow: &Workflow) -> Vec<Site<'_>> {
    let mut sites = Vec::new();
    sites.extend(workflow.policy.as_ref().map(|text| Site { text, used: Use::Policy, place: None }));
    for (index, step) in workflow.steps.iter().enumerate() {
        let used = match step.opcode {
            Some(Opcode::RunAgent) => Some(Use::Agent),
            Some(Opcode::Evaluate) => Some(Use::Planner),
            _ => None,
        };
        let place = Some((index, step));
        let prompt = step.prompt.as_ref().zip(used).map(|(text, used)| Site { text, used, place });
        let policy =
            step.policy.as_ref().filter(|_| step.opcode.is_some_and(|opcode| opcode != Opcode::Stop));
        sites.extend(prompt);
        sites.extend(policy.map(|text| Site { text, used: Use::Policy, place }));
    }
    sites
}

/// Whether this is a prompt and not the name of one: a name is one word.
fn is_inline(text: &str) -> bool {
    text.trim().contains(char::is_whitespace)
}

fn look_up<'a>(text: &str, against: &Against<'a>) -> Result<Known<'a>> {
    let trimmed = text.trim();
    let prompt = match against.catalog.resolve(trimmed) {
        Ok(prompt) => prompt,
        Err(error) => return Ok(Known { prompt: Err(error), faults: Vec::new() }),
    };
    let reference = prompt.reference();
    let mut faults = Vec::new();
    if text != reference {
        let message = if trimmed == reference {
            format!("the ref {} has blank space around it", quoted(text))
        } else {
            format!("{} is no ref: it has no version", quoted(text))
        };
        faults.push((rules::CANONICAL, message, Some(format!("write {reference}"))));
    }
    if let Some(warning) = against.catalog.warning(prompt) {
        let hint = warning
            .split_once("; ")
            .map(|(_, rest)| format!("write {}", rest.trim_end_matches(" is current")));
        faults.push((rules::NOT_CURRENT, warning, hint));
    }
    let address = Address::of(&prompt.bytes);
    if let Some(bound) = (against.bound)(&reference)?.filter(|bound| *bound != address) {
        let message = format!("{reference} is {address}, and the ledger binds it to {bound}");
        let hint = "restore the file (promptos cat prints what is bound), or give it a new version";
        faults.push((rules::CHANGED, message, Some(hint.to_owned())));
    }
    // An unknown source is named where the input is missed.
    let matters = |finding: &Finding| finding.is_error() && finding.code != "input.source";
    if let Some(first) = catalog::lint_file(&prompt.path, &prompt.bytes).into_iter().find(matters) {
        let message = format!(
            "{reference} has lint errors: {} ({} line {})",
            first.message,
            prompt.path.display(),
            first.line
        );
        faults.push((rules::PROMPT_ERRORS, message, Some("promptos lint shows all of them".to_owned())));
    }
    Ok(Known { prompt: Ok(prompt), faults })
}

/// A prompt that is written into the workflow. Where a contract is needed, there is none.
fn inline(site: &Site<'_>, policy: &Policy, findings: &mut Findings<'_>) {
    let text = &site.text.value;
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let shown = quoted(first);
    let (message, hint) = match site.used {
        Use::Agent => (
            format!("the prompt is written into the workflow: {shown}"),
            "put it into the catalog and name its ref: then its bytes have a version, and are checked and recorded",
        ),
        Use::Planner => (
            format!("the prompt of an EVALUATE is written into the workflow, so it has no contract: {shown}"),
            "put it into the catalog as a planner and name its ref",
        ),
        Use::Policy => (
            format!("the policy is no ref of a prompt: {shown}"),
            "put it into the catalog with the role policy and name its ref",
        ),
    };
    let finding = Finding::new(rules::INLINE, findings.path, site.text.at, message).hint(hint);
    match (site.used, policy.inline) {
        (Use::Agent, Inline::Allow) => {}
        (Use::Agent, Inline::Warn) => findings.list.push(finding.lenient()),
        _ => findings.list.push(finding),
    }
}

/// What is wrong with a prompt where it is used.
fn judge(
    site: &Site<'_>,
    prompt: &Prompt,
    faults: &[(Rule, String, Option<String>)],
    policy: &Policy,
    findings: &mut Findings<'_>,
) {
    let at = site.text.at;
    let reference = prompt.reference();
    let role = prompt.role.as_deref().unwrap_or("none");
    let (fits, user, wanted) = match site.used {
        Use::Agent => {
            (role == "task" || policy.allow_roles.iter().any(|allowed| allowed == role), "RUN_AGENT", "task")
        }
        Use::Planner => (role == "planner", "EVALUATE", "planner"),
        Use::Policy => (role == "policy", "a policy field", "policy"),
    };
    let before = findings.list.len();
    if !fits {
        let has =
            if prompt.role.is_none() { "no role".to_owned() } else { format!("the role {}", quoted(role)) };
        let message = format!("{reference} has {has}, and {user} needs the role `{wanted}`");
        let hint = match site.used {
            Use::Agent => {
                format!("name a prompt of that role; or allow it: [workflow] allow_roles = [\"{role}\"]")
            }
            Use::Planner | Use::Policy => "name a prompt of that role".to_owned(),
        };
        findings.advise(rules::ROLE, at, message, hint);
    } else if site.used == Use::Planner {
        judge_planner(prompt, site, findings);
    }
    // Lint's errors often say the same again.
    let misfit = findings.list.len() > before;
    for (rule, message, hint) in faults.iter().filter(|(rule, ..)| !(misfit && *rule == rules::PROMPT_ERRORS))
    {
        match hint {
            Some(hint) => findings.advise(*rule, at, message, hint),
            None => findings.add(*rule, at, message),
        }
    }
}

fn judge_planner(prompt: &Prompt, site: &Site<'_>, findings: &mut Findings<'_>) {
    let (at, reference) = (site.text.at, prompt.reference());
    let schema = prompt.output_contract.as_ref().and_then(|contract| contract.schema_ref.as_deref());
    if !schema.is_some_and(|schema| schema.starts_with("planner_decision.v")) {
        let has =
            schema.map_or("no schema_ref".to_owned(), |schema| format!("the schema_ref {}", quoted(schema)));
        let message =
            format!("the output_contract of {reference} has {has}, and EVALUATE needs planner_decision.v1");
        findings.add(rules::PLANNER_OUTPUT, at, message);
    }
    let requires = |name: &&&str| !prompt.inputs.iter().any(|input| input.required && input.name == **name);
    let missing: Vec<&str> = ["allowed_next_steps", "evidence"].iter().filter(requires).copied().collect();
    if !missing.is_empty() {
        let message =
            format!("{reference} does not require {}, and EVALUATE's planner must", missing.join(" and "));
        let hint = "declare them as required inputs, in a new version of the prompt";
        findings.advise(rules::PLANNER_INPUT, at, message, hint);
    }
}

impl Ref {
    fn of(prompt: &Prompt, at: crate::yaml::Position) -> Self {
        let content = Descriptor::of(&prompt.bytes, "");
        Self {
            reference: prompt.reference(),
            blake3: content.blake3.to_string(),
            sha256: format!("sha256:{}", hex::encode(content.sha256)),
            role: prompt.role.clone(),
            status: prompt.status.clone(),
            layer: prompt.layer,
            used_by: Vec::new(),
            at,
        }
    }
}
