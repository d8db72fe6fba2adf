//! A workflow, as far as it could be read. What is missing or wrong is `None` and already a finding.

use crate::yaml::Position;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) at: Position,
}

/// The end of a run, wherever a step could be named.
pub(crate) const STOP: &str = "STOP";

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    RunAgent,
    RunValidation,
    Evaluate,
    Gate,
    Rollback,
    Stop,
}

/// How the work of an agent or a validator can end.
const MECHANICAL: &[&str] = &["completed", "error", "killed_timeout", "killed_idle", "killed_policy"];

impl Opcode {
    pub(crate) const ALL: &[Opcode] = &[
        Opcode::RunAgent,
        Opcode::RunValidation,
        Opcode::Evaluate,
        Opcode::Gate,
        Opcode::Rollback,
        Opcode::Stop,
    ];

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Opcode::RunAgent => "RUN_AGENT",
            Opcode::RunValidation => "RUN_VALIDATION",
            Opcode::Evaluate => "EVALUATE",
            Opcode::Gate => "GATE",
            Opcode::Rollback => "ROLLBACK",
            Opcode::Stop => STOP,
        }
    }

    /// The name with its article.
    pub(crate) fn a(self) -> String {
        format!("{} {}", if self == Opcode::Evaluate { "an" } else { "a" }, self.name())
    }

    /// The outcomes that need a route each.
    pub(crate) fn outcomes(self) -> &'static [&'static str] {
        match self {
            Opcode::RunAgent | Opcode::RunValidation => MECHANICAL,
            Opcode::Evaluate => &["success", "partial", "blocked", "unsafe", "needs_human"],
            Opcode::Gate => &["gate_approved", "gate_rejected"],
            Opcode::Rollback => &["completed", "error"],
            Opcode::Stop => &[],
        }
    }

    /// The outcomes that may have a route besides.
    pub(crate) fn further_outcomes(self) -> &'static [&'static str] {
        match self {
            // Two names are in use for a gate that nobody answered in time.
            Opcode::Gate => TIMED_OUT,
            Opcode::Rollback => MECHANICAL,
            _ => &[],
        }
    }
}

/// A gate that has a timeout needs a route for one of these.
pub(crate) const TIMED_OUT: &[&str] = &["gate_timed_out", "killed_timeout"];

/// A whole workflow.
#[derive(Debug, Default)]
pub(crate) struct Workflow {
    pub(crate) id: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) entry: Option<Placed<String>>,
    /// The names of the defaults that have a value.
    pub(crate) defaults: Vec<String>,
    /// The policy prompt of every step that names none.
    pub(crate) policy: Option<Placed<String>>,
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) id: Option<Placed<String>>,
    pub(crate) opcode: Option<Opcode>,
    pub(crate) prompt: Option<Placed<String>>,
    pub(crate) policy: Option<Placed<String>>,
    /// The names of the inputs that it passes to its prompt.
    pub(crate) inputs: Vec<Placed<String>>,
    /// `None` if there are none, or if one of them could not be read.
    pub(crate) routes: Option<Placed<Vec<Route>>>,
    pub(crate) allowed: Option<Placed<Vec<Placed<String>>>>,
    pub(crate) allow_unreachable: bool,
    pub(crate) has_timeout: bool,
    /// What a ROLLBACK goes back to.
    pub(crate) target: Option<Placed<String>>,
    /// The paths and patterns of what its validators leave behind.
    pub(crate) produces: Vec<String>,
    /// Where a validator says that it may propose goldens.
    pub(crate) proposes_goldens: Option<Position>,
}

impl Step {
    /// How a message names it.
    pub(crate) fn name(&self) -> String {
        match &self.id {
            Some(id) => format!("the step {}", crate::catalog::quoted(&id.value)),
            None => "a step".to_owned(),
        }
    }
}

/// Where an outcome leads.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) outcome: Placed<String>,
    pub(crate) target: Placed<String>,
}
