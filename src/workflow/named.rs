//! Which prompts a workflow names, without a catalog to compare it with.

use super::read;
use super::refs;
use super::rules::Findings;
use crate::yaml::{self, Node};
use serde::Serialize;
use std::path::Path;

/// A workflow and the prompts that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Naming {
    /// Its `workflow_id`, as far as it could be read.
    pub workflow_id: Option<String>,
    /// Its version, as written.
    pub version: Option<String>,
    /// Every place where it names a prompt, in the order of the file. Prompts that are written into it are none.
    pub named: Vec<Named>,
}

/// A place where a workflow names a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// What stands there, without blank space around it: a ref, or an id without a version.
    pub text: String,
    /// The id of the step; `None` for the default policy, or if the step has none.
    pub step: Option<String>,
    /// On which line, from 1.
    pub line: usize,
}

/// Reads the names of prompts from a workflow, however much else is wrong with it. `None` if this is something else:
/// a workflow is a YAML mapping with a `workflow_id`, or with an `entry_step` and `steps`.
#[must_use]
pub fn names(bytes: &[u8]) -> Option<Naming> {
    let text = std::str::from_utf8(bytes).ok()?;
    let root = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text), 1).ok()?;
    let has = |key: &str| root.get(key).is_some_and(|node: &Node| !node.is_empty());
    let is_workflow = has("workflow_id") || (has("entry_step") && has("steps"));
    if !is_workflow {
        return None;
    }
    // What is wrong with it is for `workflow check` to say.
    let workflow = read::read(bytes, &mut Findings::new(Path::new("")))?;
    let named = refs::named(&workflow).map(|(text, step)| Named {
        text: text.value.trim().to_owned(),
        step: step.and_then(|step| step.id.as_ref()).map(|id| id.value.clone()),
        line: text.at.line,
    });
    let named = named.collect();
    Some(Naming { workflow_id: workflow.id, version: workflow.version, named })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_ids_and_policies_are_named_and_inline_prompts_are_not() {
        let text = "workflow_id: w\nversion: 2\nentry_step: a\ndefaults:\n  policy: rules.v1\nsteps:\n\
            - {id: a, opcode: RUN_AGENT, prompt: ' P05.v1 ', policy: P06}\n\
            - {id: b, opcode: RUN_AGENT, prompt: do it well}\n\
            - {opcode: EVALUATE, prompt: plan.v3}\n- {id: c, opcode: GATE, prompt: P07.v1}\n";
        let found = names(text.as_bytes()).unwrap();
        let named: Vec<_> =
            found.named.iter().map(|n| (n.text.as_str(), n.step.as_deref(), n.line)).collect();
        assert_eq!(
            named,
            [("rules.v1", None, 5), ("P05.v1", Some("a"), 7), ("P06", Some("a"), 7), ("plan.v3", None, 9)]
        );
        assert_eq!((found.workflow_id.as_deref(), found.version.as_deref()), (Some("w"), Some("2")));
        for text in [
            "",
            "a: b",
            "- x",
            "steps: [a]",
            "kind: Pod\nsteps: []\nentry_step: x",
            "workflow_id: [",
            "\u{0}",
        ] {
            assert_eq!(names(text.as_bytes()), None, "{text}");
        }
        assert_eq!(names(b"workflow_id: w\n\xff"), None);
        assert_eq!(names(b"workflow_id: w").unwrap().named, []);
    }
}
