//! The table of everything that the check can say, and the list to which it says it.

use crate::catalog::{Finding, Rule, rules};
use crate::yaml::Position;
use std::path::Path;

rules! {
    /// Every rule, in the order in which a workflow is examined.
    RULES:
    TOO_LARGE "workflow.too-large" Error
        "a workflow holds at most 10 MB and 1000 steps"
        "no workflow is that large; something else was saved under its name";
    NOT_UTF8 "workflow.not-utf8" Error
        "a workflow is UTF-8 text"
        "other encodings are read differently by different tools";
    SYNTAX "workflow.syntax" Error
        "a workflow is one valid YAML document without duplicate keys"
        "two tools would run two different workflows";
    SHAPE "workflow.shape" Error
        "a workflow is a mapping of fields, its steps a list of mappings"
        "a workflow is described by named fields";
    MISSING_FIELD "workflow.missing-field" Error
        "every required field is there and not empty"
        "the workflow would stop in the middle of a run";
    FIELD_TYPE "workflow.field-type" Error
        "each field has its type, and a value that is known"
        "a list read as text, or a kind that nobody knows, fails in the middle of a run";
    UNKNOWN_FIELD "workflow.unknown-field" Error
        "there are no fields but those of the opcode"
        "a misspelt policy or timeout is silently ignored";
    ENTRY "workflow.entry" Error
        "entry_step is the id of a step"
        "the run could not begin";
    ENDLESS "workflow.endless" Warning
        "from every step some route leads to STOP"
        "loops are legal, but one without a way out runs until somebody kills it";
    GOLDEN_GATE "workflow.golden-gate" Error
        "where a validation may propose goldens, a GATE can be reached from it"
        "expected results that nobody approved hide regressions";
    OPCODE "step.opcode" Error
        "the opcode is RUN_AGENT, RUN_VALIDATION, EVALUATE, GATE, ROLLBACK or STOP"
        "nothing else can be run";
    DUPLICATE_ID "step.duplicate-id" Error
        "each step has an id of its own, and so has each validator of a step"
        "a route to it would be ambiguous";
    RESERVED_ID "step.reserved-id" Error
        "only a step with the opcode STOP may have the id STOP"
        "a route to STOP would end the run and not reach the step";
    UNREACHABLE "step.unreachable" Error
        "every step can be reached from entry_step, or says `allow_unreachable: true`"
        "a step that never runs was meant to run";
    ROLLBACK_TARGET "step.rollback-target" Error
        "a ROLLBACK goes to pre_run, pre_step or checkpoint:<id>"
        "there is nothing else to go back to";
    MISSING_OUTCOME "route.missing-outcome" Error
        "every outcome of the opcode has a route"
        "the run would halt at the one that was forgotten";
    UNKNOWN_OUTCOME "route.unknown-outcome" Error
        "routes name outcomes of the opcode"
        "a misspelt outcome is never taken";
    DUPLICATE_OUTCOME "route.duplicate-outcome" Error
        "each outcome has one route"
        "which of two is taken depends on the tool";
    UNKNOWN_TARGET "route.unknown-target" Error
        "every target is the id of a step, or STOP"
        "the run would halt there";
    NOT_ALLOWED "route.not-allowed" Error
        "EVALUATE routes to its allowed_next_steps or to STOP"
        "the planner may choose among those only";
    ALLOWED_UNUSED "route.allowed-unused" Warning
        "each of the allowed_next_steps has a route to it"
        "the planner is offered a step that its decision can never reach";
    UNSAFE "route.unsafe" Error
        "`unsafe` leads to a ROLLBACK or to STOP"
        "no work may be done on an unsafe state";
    NEEDS_HUMAN "route.needs-human" Error
        "`needs_human` leads to a GATE or to STOP"
        "nothing may decide in the human's place";
    INLINE "ref.inline" Error
        "prompts are named by their refs and not written into the workflow; a warning, unless the policy is strict"
        "a text in a workflow has no version, no contract and no digest of its own";
    CANONICAL "ref.canonical" Error
        "a prompt is named by its ref, `<id>.v<version>`"
        "a bare id stands for other bytes as soon as there is a newer version";
    UNRESOLVED "ref.unresolved" Error
        "every ref stands for one usable prompt of the catalog"
        "the run would fail when it gets there";
    NOT_CURRENT "ref.not-current" Warning
        "no ref names a draft, a deprecated or an archived prompt"
        "its owner wants another one to be used";
    CHANGED "ref.changed" Error
        "a prompt has the bytes to which the ledger binds its ref"
        "a version that was used never changes";
    PROMPT_ERRORS "ref.prompt-errors" Error
        "the prompts that are named have no lint errors"
        "a session with such a prompt is not recorded";
    ROLE "ref.role" Error
        "RUN_AGENT gets a task, or a role that the policy allows; EVALUATE a planner; policy fields a policy"
        "a prompt of another role does not do what the step needs";
    PLANNER_OUTPUT "ref.planner-output" Error
        "the prompt of an EVALUATE has the schema_ref planner_decision.v1, or a later one"
        "the decision is read by a program";
    PLANNER_INPUT "ref.planner-input" Error
        "the prompt of an EVALUATE requires the inputs allowed_next_steps and evidence"
        "a planner that does not see them decides blindly";
    UNSATISFIED "input.unsatisfied" Error
        "the workflow supplies every required input of its prompts"
        "strict rendering would fail in the middle of a run";
    UNDECLARED "input.undeclared-by-prompt" Warning
        "a step passes only inputs that its prompt declares"
        "a value that is dropped misleads whoever supplies it";
    LOCK_MISSING "lock.missing" Error
        "with --locked, there is a lock file beside the workflow"
        "without it nothing says which bytes were approved";
    LOCK_ADDED "lock.added" Error
        "with --locked, the lock file holds every ref of the workflow"
        "its bytes were not there when the workflow was locked";
    LOCK_REMOVED "lock.removed" Error
        "with --locked, the workflow names every ref of its lock file"
        "the workflow was changed since it was locked";
    LOCK_CHANGED "lock.changed" Error
        "with --locked, each prompt has the digests of the lock file"
        "the prompt was changed since the workflow was locked";
}

/// The findings on one file.
pub(crate) struct Findings<'a> {
    pub(crate) path: &'a Path,
    pub(crate) list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        Self { path, list: Vec::new() }
    }

    /// `rule` is broken at this place.
    pub(crate) fn add(&mut self, rule: Rule, at: Position, message: impl Into<String>) {
        self.list.push(Finding::new(rule, self.path, at, message));
    }

    /// The same, and what to do about it.
    pub(crate) fn advise(
        &mut self,
        rule: Rule,
        at: Position,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.list.push(Finding::new(rule, self.path, at, message).hint(hint));
    }
}

/// "did you mean `x`?" for the one candidate that `wanted` looks like.
pub(crate) fn did_you_mean<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    if wanted.len() > 64 {
        return None; // nobody misspells that, and comparing long ones would take long
    }
    let wanted = wanted.to_lowercase();
    let most = (wanted.chars().count() / 3).max(1);
    candidates
        .filter(|candidate| candidate.len() <= 64)
        .map(|candidate| (strsim::damerau_levenshtein(&candidate.to_lowercase(), &wanted), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}
