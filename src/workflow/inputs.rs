//! Is there a value for every input that a prompt requires?

use super::graph::Graph;
use super::model::{Opcode, Placed, Step, Workflow};
use super::rules::{self, Findings};
use crate::catalog::{Dialect, Input, Prompt, quoted};
use crate::yaml::Position;
use std::cell::RefCell;
use std::collections::HashMap;

/// Where a value can come from.
const SOURCES: &[&str] = &["workflow_input", "artifact", "provenance", "system"];
/// What a run always knows.
const ALWAYS: &[&str] = &["run_id", "workflow_id", "workflow_version", "step_id"];
/// What EVALUATE gives its planner besides.
const ENVELOPE: &[&str] = &["evaluate_prompt", "allowed_next_steps", "provenance_window", "evidence"];
/// What a planner's decision holds for the steps after it.
const DECISION: &[&str] = &["status", "next_step", "fix_instructions", "blockers", "risk_flags"];
/// What a run writes down of its steps, whatever they do.
const RECORDED: &[&str] = &[
    "runner_transcript",
    "runner_final_response",
    "runner_metadata",
    "policy_summary",
    "validation_report",
    "validation_stdout",
    "validation_stderr",
    "planner_decision",
    "gate_request",
    "gate_outcome",
    "workspace_diff",
    "workspace_status",
];

/// What is there when a prompt is rendered.
pub(crate) struct Supply<'a> {
    workflow: &'a Workflow,
    graph: &'a Graph<'a>,
    /// What each step leaves behind, by path or pattern: its validators' artifacts and its prompt's contract.
    produces: Vec<Vec<String>>,
    /// By name: whether a step leaves something of it behind, and which steps can run after one that does.
    after: RefCell<HashMap<String, (bool, Vec<bool>)>>,
}

impl<'a> Supply<'a> {
    /// `prompt_of` knows the prompt of a step.
    pub(crate) fn of(
        workflow: &'a Workflow,
        graph: &'a Graph<'a>,
        prompt_of: impl Fn(&'a Step) -> Option<&'a Prompt>,
    ) -> Self {
        let produces = |step: &'a Step| {
            let contract = prompt_of(step).and_then(|prompt| prompt.output_contract.as_ref());
            let paths = contract.into_iter().flat_map(|contract| &contract.artifacts);
            step.produces.iter().cloned().chain(paths.map(|artifact| artifact.path.clone())).collect()
        };
        let produces = workflow.steps.iter().map(produces).collect();
        Self { workflow, graph, produces, after: RefCell::default() }
    }

    /// Whether some step leaves `name` behind, and this one can run after it, as far as that is known.
    fn left_behind(&self, name: &str, index: usize) -> bool {
        let mut known = self.after.borrow_mut();
        let (made, after) = known.entry(name.to_owned()).or_insert_with(|| {
            let decides = |step: &Step| step.opcode == Some(Opcode::Evaluate) && DECISION.contains(&name);
            let steps = self.workflow.steps.iter().zip(&self.produces).enumerate();
            let makers = steps
                .filter(|(_, (step, paths))| decides(step) || paths.iter().any(|path| named(path, name)))
                .map(|(index, _)| index)
                .collect::<Vec<_>>();
            (!makers.is_empty(), self.graph.after(makers))
        });
        *made && (!self.graph.is_reached(index) || after.get(index) == Some(&true))
    }

    /// Compares what a prompt requires with what there is at a step, or, for a default policy, at any step.
    /// `at` is where the prompt is named.
    pub(crate) fn check(
        &self,
        prompt: &Prompt,
        place: Option<(usize, &Step)>,
        at: Position,
        findings: &mut Findings<'_>,
    ) {
        for input in prompt.inputs.iter().filter(|input| input.required && input.default.is_none()) {
            if !self.supplies(input, place) {
                let (message, hint) = unsatisfied(prompt, input, place.map(|(_, step)| step));
                findings.advise(rules::UNSATISFIED, at, message, hint);
            }
        }
    }

    fn supplies(&self, input: &Input, place: Option<(usize, &Step)>) -> bool {
        let name = input.name.as_str();
        let passed = place.is_some_and(|(_, step)| step.inputs.iter().any(|passed| passed.value == name));
        let planning = place.is_some_and(|(_, step)| step.opcode == Some(Opcode::Evaluate));
        let known = passed
            || ALWAYS.contains(&name)
            || (planning && ENVELOPE.contains(&name))
            || self.workflow.defaults.iter().any(|default| default == name);
        let left =
            || RECORDED.contains(&name) || place.is_some_and(|(index, _)| self.left_behind(name, index));
        match input.source.as_deref() {
            Some("system" | "provenance") => true,
            Some("workflow_input") => known,
            Some("artifact") | None => known || left(),
            Some(_) => false,
        }
    }
}

fn unsatisfied(prompt: &Prompt, input: &Input, step: Option<&Step>) -> (String, String) {
    let (reference, name) = (prompt.reference(), quoted(&input.name));
    let message = match input.source.as_deref() {
        Some("artifact") => {
            format!("{reference} requires the artifact {name}, which no step before leaves behind")
        }
        Some(source) if !SOURCES.contains(&source) => {
            format!("{reference} requires {name} from {}, which is no source of inputs", quoted(source))
        }
        _ => format!("{reference} requires the input {name}, which nothing supplies"),
    };
    let hint = match (input.source.as_deref(), step.and_then(|step| step.opcode)) {
        (Some(source), _) if !SOURCES.contains(&source) => format!("use one of: {}", SOURCES.join(", ")),
        (_, Some(Opcode::RunAgent)) => format!("add {name} to the `inputs` of the step"),
        _ => "declare its source in the prompt (system, provenance), or give it a default".to_owned(),
    };
    (message, hint)
}

/// Names the inputs that a step passes and its prompt does not know.
pub(crate) fn check_passed(prompt: &Prompt, inputs: &[Placed<String>], findings: &mut Findings<'_>) {
    if prompt.dialect == Dialect::PromptOs {
        return; // nothing is declared by name
    }
    let declared = |name: &str| prompt.inputs.iter().any(|input| input.name == name);
    for passed in inputs.iter().filter(|passed| !declared(&passed.value)) {
        let message = format!("{} declares no input {}", prompt.reference(), quoted(&passed.value));
        let known: Vec<_> = prompt.inputs.iter().map(|input| input.name.as_str()).collect();
        let hint = rules::did_you_mean(&passed.value, known.iter().copied()).unwrap_or_else(|| {
            format!("it declares: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })
        });
        findings.advise(rules::UNDECLARED, passed.at, message, hint);
    }
}

/// Whether a path or pattern stands for an artifact of this name: one of its parts has it, with or without what
/// follows the first dot.
fn named(path: &str, name: &str) -> bool {
    path == name || path.split('/').any(|part| part == name || part.split('.').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn artifacts_are_called_by_the_parts_of_their_paths() {
        for path in
            ["harness_report", "harness_report.json", "a/b/harness_report.v1.json", "harness_report/**"]
        {
            assert!(named(path, "harness_report"), "{path}");
        }
        for path in ["", "report.json", "harness_reports.json", "x.harness_report", "**/*.json"] {
            assert!(!named(path, "harness_report"), "{path}");
        }
    }
}
