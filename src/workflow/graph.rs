//! Steps and the routes between them.

use super::model::{Opcode, Placed, STOP, Step, TIMED_OUT, Workflow};
use super::rules::{self, Findings, did_you_mean};
use crate::catalog::quoted;
use crate::yaml::Position;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Which step leads to which. Steps are named by their place in the list.
pub(crate) struct Graph<'a> {
    steps: &'a [Step],
    by_id: HashMap<&'a str, usize>,
    next: Vec<Vec<usize>>,
    /// Which steps can run. `None` if nothing can be said of ways, since an id is not clear or a route leads nowhere.
    reached: Option<Vec<bool>>,
}

impl<'a> Graph<'a> {
    pub(crate) fn of(workflow: &'a Workflow) -> Self {
        let steps = &workflow.steps;
        let mut by_id = HashMap::new();
        let mut whole = true;
        for (index, step) in steps.iter().enumerate() {
            if let Some(id) = &step.id {
                whole &= id.value != STOP || step.opcode == Some(Opcode::Stop);
                whole &= *by_id.entry(id.value.as_str()).or_insert(index) == index;
            }
        }
        let mut next = Vec::new();
        for step in steps {
            whole &= step.opcode.is_some() && (step.opcode == Some(Opcode::Stop) || step.routes.is_some());
            let targets =
                step.routes.iter().flat_map(|routes| &routes.value).map(|route| &route.target.value);
            let known: BTreeSet<usize> = targets
                .filter_map(|target| {
                    let found = by_id.get(target.as_str()).copied();
                    whole &= found.is_some() || target == STOP;
                    found
                })
                .collect();
            next.push(if step.opcode == Some(Opcode::Stop) {
                Vec::new()
            } else {
                known.into_iter().collect()
            });
        }
        let entry = workflow.entry.as_ref().and_then(|entry| by_id.get(entry.value.as_str()).copied());
        let reached = entry.filter(|_| whole).map(|entry| {
            let mut reached = spread(&next, [entry]);
            mark(&mut reached, entry);
            reached
        });
        Self { steps, by_id, next, reached }
    }

    fn step(&self, id: &str) -> Option<&'a Step> {
        self.steps.get(*self.by_id.get(id)?)
    }

    /// Whether a target is the end of the run: STOP itself, or a step that stops.
    fn ends(&self, target: &str) -> bool {
        self.step(target).map_or(target == STOP, |step| step.opcode == Some(Opcode::Stop))
    }

    fn opcode_of(&self, target: &str) -> Option<Opcode> {
        self.step(target)?.opcode
    }

    /// Which steps can run after one of these, by at least one route.
    pub(crate) fn after(&self, starts: impl IntoIterator<Item = usize>) -> Vec<bool> {
        spread(&self.next, starts)
    }

    /// Whether a run comes to this step on ways that are known.
    pub(crate) fn is_reached(&self, index: usize) -> bool {
        self.reached.as_ref().and_then(|reached| reached.get(index).copied()) == Some(true)
    }
}

/// Which nodes can be reached from `starts` by at least one edge.
fn spread(edges: &[Vec<usize>], starts: impl IntoIterator<Item = usize>) -> Vec<bool> {
    let mut found = vec![false; edges.len()];
    let mut open: Vec<usize> = starts.into_iter().collect();
    while let Some(node) = open.pop() {
        for next in edges.get(node).into_iter().flatten() {
            if found.get(*next) == Some(&false) {
                mark(&mut found, *next);
                open.push(*next);
            }
        }
    }
    found
}

fn mark(flags: &mut [bool], index: usize) {
    if let Some(flag) = flags.get_mut(index) {
        *flag = true;
    }
}

/// Checks ids, routes and ways.
pub(crate) fn check(workflow: &Workflow, graph: &Graph<'_>, findings: &mut Findings<'_>) {
    check_ids(workflow, findings);
    if let Some(entry) = workflow.entry.as_ref().filter(|entry| graph.step(&entry.value).is_none()) {
        no_step(rules::ENTRY, entry, graph, false, findings);
    }
    for step in &workflow.steps {
        check_routes(step, graph, findings);
        check_targets(step, graph, findings);
        if step.opcode == Some(Opcode::Evaluate) {
            check_decision(step, graph, findings);
        }
        if step.opcode == Some(Opcode::Rollback) {
            check_rollback(step, findings);
        }
    }
    if let Some(reached) = &graph.reached {
        check_ways(workflow, graph, reached, findings);
    }
}

fn check_ids(workflow: &Workflow, findings: &mut Findings<'_>) {
    let mut seen: HashMap<&str, Position> = HashMap::new();
    for step in &workflow.steps {
        let Some(id) = &step.id else { continue };
        if let Some(first) = seen.get(id.value.as_str()) {
            let message = format!("there is already a step {}, in line {}", quoted(&id.value), first.line);
            findings.advise(rules::DUPLICATE_ID, id.at, message, "give one of them another id");
        } else {
            seen.insert(&id.value, id.at);
        }
        if id.value == STOP && step.opcode.is_some_and(|opcode| opcode != Opcode::Stop) {
            let message = "a step that does not stop has the id `STOP`";
            findings.advise(rules::RESERVED_ID, id.at, message, "give it another id");
        }
    }
}

/// There is no step of this name.
fn no_step(
    rule: crate::catalog::Rule,
    wanted: &Placed<String>,
    graph: &Graph<'_>,
    or_stop: bool,
    findings: &mut Findings<'_>,
) {
    let ids = graph.steps.iter().filter_map(|step| step.id.as_ref()).map(|id| id.value.as_str());
    let hint = did_you_mean(&wanted.value, ids.chain(or_stop.then_some(STOP)))
        .unwrap_or_else(|| "add the step, or name another one".to_owned());
    findings.advise(rule, wanted.at, format!("there is no step {}", quoted(&wanted.value)), hint);
}

/// Are the routes those of the opcode?
fn check_routes(step: &Step, graph: &Graph<'_>, findings: &mut Findings<'_>) {
    let Some(opcode) = step.opcode.filter(|opcode| *opcode != Opcode::Stop) else { return };
    let Some(routes) = &step.routes else { return };
    let (needed, further) = (opcode.outcomes(), opcode.further_outcomes());
    let mut seen = HashSet::new();
    for route in &routes.value {
        let outcome = route.outcome.value.as_str();
        if !needed.contains(&outcome) && !further.contains(&outcome) {
            let message = format!("{} is no outcome of {}", quoted(outcome), opcode.name());
            let hint = did_you_mean(outcome, needed.iter().chain(further).copied())
                .unwrap_or_else(|| format!("its outcomes are: {}", needed.join(", ")));
            findings.advise(rules::UNKNOWN_OUTCOME, route.outcome.at, message, hint);
        } else if !seen.insert(outcome) {
            let message = format!("there are two routes for {}", quoted(outcome));
            findings.add(rules::DUPLICATE_OUTCOME, route.outcome.at, message);
        }
        if graph.step(&route.target.value).is_none() && route.target.value != STOP {
            no_step(rules::UNKNOWN_TARGET, &route.target, graph, true, findings);
        }
    }
    let mut missing: Vec<&str> = needed.iter().filter(|outcome| !seen.contains(*outcome)).copied().collect();
    if opcode == Opcode::Gate && step.has_timeout && !TIMED_OUT.iter().any(|outcome| seen.contains(outcome)) {
        missing.extend(TIMED_OUT.first());
    }
    if !missing.is_empty() {
        let message = format!("{} has no route for {}", step.name(), missing.join(", "));
        findings.advise(rules::MISSING_OUTCOME, routes.at, message, "add one, to a step or to STOP");
    }
}

/// Do the steps exist that are named outside of routes?
fn check_targets(step: &Step, graph: &Graph<'_>, findings: &mut Findings<'_>) {
    for allowed in step.allowed.iter().flat_map(|allowed| &allowed.value) {
        if graph.step(&allowed.value).is_none() && allowed.value != STOP {
            no_step(rules::UNKNOWN_TARGET, allowed, graph, true, findings);
        }
    }
}

/// May a planner's decision lead where it leads?
fn check_decision(step: &Step, graph: &Graph<'_>, findings: &mut Findings<'_>) {
    let routes = step.routes.iter().flat_map(|routes| &routes.value);
    for route in routes.clone() {
        let target = route.target.value.as_str();
        let Some(opcode) = graph.opcode_of(target).filter(|_| !graph.ends(target)) else { continue };
        let only = match route.outcome.value.as_str() {
            "unsafe" => Some((rules::UNSAFE, Opcode::Rollback)),
            "needs_human" => Some((rules::NEEDS_HUMAN, Opcode::Gate)),
            _ => None,
        };
        if let Some((rule, wanted)) = only.filter(|(_, wanted)| *wanted != opcode) {
            let message = format!(
                "{} leads to {}, which is {}",
                quoted(&route.outcome.value),
                quoted(target),
                opcode.a()
            );
            let hint = format!("route it to {} or to STOP", wanted.a());
            findings.advise(rule, route.target.at, message, hint);
        }
    }
    let Some(allowed) = &step.allowed else { return };
    let is_allowed = |target: &str| allowed.value.iter().any(|step| step.value == target);
    for route in routes.clone() {
        let target = route.target.value.as_str();
        if target != STOP && graph.step(target).is_some() && !is_allowed(target) {
            let message = format!("{} is not among the allowed_next_steps", quoted(target));
            let hint = "add it there, or route to one of them or to STOP";
            findings.advise(rules::NOT_ALLOWED, route.target.at, message, hint);
        }
    }
    let routed: HashSet<&str> = routes.map(|route| route.target.value.as_str()).collect();
    if step.routes.is_some() {
        let known = |id: &str| id == STOP || graph.step(id).is_some();
        let unused = |id: &str| known(id) && !routed.contains(id);
        for unused in allowed.value.iter().filter(|step| unused(&step.value)) {
            let message = format!("no route leads to {}, which is allowed", quoted(&unused.value));
            findings.add(rules::ALLOWED_UNUSED, unused.at, message);
        }
    }
}

fn check_rollback(step: &Step, findings: &mut Findings<'_>) {
    let Some(target) = &step.target else { return };
    let named = |id: &str| !id.is_empty() && !id.contains(char::is_whitespace);
    let legal = ["pre_run", "pre_step"].contains(&target.value.as_str())
        || target.value.strip_prefix("checkpoint:").is_some_and(named);
    if !legal {
        let message = format!("nothing can be rolled back to {}", quoted(&target.value));
        let hint = did_you_mean(&target.value, ["pre_run", "pre_step"].into_iter())
            .unwrap_or_else(|| "use pre_run, pre_step or checkpoint:<id>".to_owned());
        findings.advise(rules::ROLLBACK_TARGET, target.at, message, hint);
    }
}

/// Does everything run that should, and does it end?
fn check_ways(workflow: &Workflow, graph: &Graph<'_>, reached: &[bool], findings: &mut Findings<'_>) {
    let steps = || workflow.steps.iter().zip(reached).enumerate();
    for (_, (step, reached)) in steps() {
        if let Some(id) = &step.id
            && !reached
            && !step.allow_unreachable
        {
            let message = format!("no route leads to {}", step.name());
            let hint = "add a route to it, remove it, or write `allow_unreachable: true`";
            findings.advise(rules::UNREACHABLE, id.at, message, hint);
        }
    }
    let mut before = vec![Vec::new(); graph.next.len()];
    for (from, targets) in graph.next.iter().enumerate() {
        for to in targets {
            if let Some(list) = before.get_mut(*to) {
                list.push(from);
            }
        }
    }
    let stops = |step: &Step| {
        let routes = step.routes.iter().flat_map(|routes| &routes.value);
        step.opcode == Some(Opcode::Stop) || routes.into_iter().any(|route| graph.ends(&route.target.value))
    };
    let last: Vec<usize> = steps().filter(|(_, (step, _))| stops(step)).map(|(index, _)| index).collect();
    let mut can_end = spread(&before, last.iter().copied());
    last.into_iter().for_each(|index| mark(&mut can_end, index));
    let endless = steps().find(|(index, (_, reached))| **reached && can_end.get(*index) == Some(&false));
    if let Some((_, (step, _))) = endless
        && let Some(id) = &step.id
    {
        let message = format!("from {} no route ever leads to STOP", step.name());
        findings.advise(rules::ENDLESS, id.at, message, "route some outcome of the loop to STOP");
    }
    for (index, (step, reached)) in steps() {
        let Some(at) = step.proposes_goldens.filter(|_| *reached) else { continue };
        let gate = |(step, after): (&Step, bool)| after && step.opcode == Some(Opcode::Gate);
        if !workflow.steps.iter().zip(graph.after([index])).any(gate) {
            let message = format!("{} may propose goldens, and no GATE can be reached from it", step.name());
            findings.advise(rules::GOLDEN_GATE, at, message, "route needs_human of its EVALUATE to a GATE");
        }
    }
}
