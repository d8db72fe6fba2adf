//! The gates that we ship.

use crate::catalog::*;
use std::collections::BTreeMap;
use std::path::Path;

fn built_in() -> Catalog {
    Catalog::load(&[], true).unwrap()
}

#[test]
fn every_file_of_the_folder_is_compiled_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    let on_disk: BTreeMap<String, Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    let compiled: BTreeMap<String, Vec<u8>> = super::super::builtin::FILES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect();
    assert_eq!(on_disk.keys().collect::<Vec<_>>(), compiled.keys().collect::<Vec<_>>());
    assert_eq!(on_disk, compiled);
}

#[test]
fn the_gates_pass_our_own_lint_without_a_warning() {
    for (name, text) in super::super::builtin::FILES {
        assert_eq!(lint_file(Path::new(name), text.as_bytes()), [], "{name}");
    }
    let catalog = built_in();
    assert!(catalog.problems().is_empty() && catalog.losers().is_empty() && catalog.findings().is_empty());
}

#[test]
fn each_gate_is_where_people_look_for_it() {
    let catalog = built_in();
    let gates: Vec<_> = catalog.gates().iter().map(|(gate, prompt)| (*gate, prompt.reference())).collect();
    let expected = ["P00", "P01", "P03", "P05", "P06", "P07", "P08"].map(|gate| (gate, format!("{gate}.v1")));
    assert_eq!(gates, expected);
    for (id, duty) in [
        ("P00", None),
        ("P01", None),
        ("P03", None),
        ("P05", Some(Duty::Writer)),
        ("P06", Some(Duty::Verifier)),
        ("P07", Some(Duty::Reviewer)),
        ("P08", None),
    ] {
        let prompt = catalog.resolve(id).unwrap();
        assert_eq!(prompt.duty, duty, "{id}");
        assert_eq!((prompt.layer, prompt.dialect), (Layer::BuiltIn, Dialect::Oa05));
        assert_eq!(prompt.phase.as_deref(), id.strip_prefix('P'));
        assert!(prompt.path.to_string_lossy().starts_with(&format!("{id}_")), "{id}");
        assert!(!prompt.stop_conditions.is_empty() && !prompt.summary.is_empty());
        assert_eq!(catalog.warning(prompt), None);
    }
}

/// Strict rendering works with the required inputs alone (the others being none) and with all, and shows each value.
#[test]
fn the_gates_render_with_and_without_their_optional_inputs() {
    let environment = environment().unwrap();
    for prompt in built_in().prompts() {
        for with_optional in [false, true] {
            let supplied = |input: &&Input| input.required || with_optional;
            let value = |input: &Input| match input.kind.as_deref() {
                _ if !supplied(&input) => minijinja::Value::from(()),
                Some("list[string]") => vec![format!("<{}>", input.name)].into(),
                _ => format!("<{}>", input.name).into(),
            };
            let values: BTreeMap<_, _> =
                prompt.inputs.iter().map(|input| (input.name.as_str(), value(input))).collect();
            let text = environment.render_str(&prompt.template, minijinja::Value::from(values)).unwrap();
            for input in prompt.inputs.iter().filter(supplied) {
                assert!(text.contains(&format!("<{}>", input.name)), "{} {}", prompt.id, input.name);
            }
            assert!(!text.contains("{%") && !text.contains("\n\n\n"), "{}:\n{text}", prompt.id);
        }
        let missing = environment.render_str(&prompt.template, minijinja::context! {});
        assert!(missing.is_err(), "{} renders without its required inputs", prompt.id);
    }
}

/// The sections that a contract promises are those that the prompt asks for, in order.
#[test]
fn the_contracts_name_the_sections_that_the_prompts_ask_for() {
    for prompt in built_in().prompts() {
        let asked: Vec<_> = prompt.template.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let contract = prompt.output_contract.as_ref().unwrap();
        assert_eq!(contract.required_sections, asked, "{}", prompt.id);
    }
}
