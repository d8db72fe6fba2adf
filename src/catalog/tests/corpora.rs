//! Real prompts of the systems whose dialects we read.

use super::corpora;
use crate::catalog::*;

fn workspace(root: std::path::PathBuf) -> Catalog {
    Catalog::load(&[Source::folder(Layer::Workspace, root)], false).unwrap()
}

fn assert_clean(root: &std::path::Path, prompts: usize, documents: usize) {
    let report = lint_path(root).unwrap();
    assert_eq!(render(&report.findings), "");
    assert_eq!((report.prompts, report.documents), (prompts, documents));
}

#[test]
fn the_seven_promptos_gates() {
    let Some(corpora) = corpora() else { return };
    let root = corpora.join("promptos/prompts");
    assert_clean(&root, 7, 0);
    let catalog = workspace(root.clone());
    assert_eq!((catalog.prompts().len(), catalog.problems().len()), (7, 0));
    for gate in ["P00", "P01", "P03", "P05", "P06", "P07", "P08"] {
        let prompt = catalog.resolve(gate).unwrap();
        assert_eq!(prompt.version, "1.0.1");
        assert_eq!(prompt.reference(), format!("{gate}.v1.0.1"));
        assert_eq!(catalog.resolve(&prompt.reference()).unwrap().bytes, prompt.bytes);
        assert_eq!(prompt.gate.as_deref(), Some(gate));
        assert_eq!(prompt.duty, Duty::of_gate(gate));
        assert_eq!(prompt.dialect, Dialect::PromptOs);
        assert_eq!(prompt.bytes, std::fs::read(root.join(&prompt.path)).unwrap());
        assert!(!prompt.is_template() && !prompt.template.contains("```"), "{}", prompt.template);
    }
    assert!(catalog.resolve("P00").unwrap().template.starts_with("You are operating"));
    assert!(catalog.resolve("P..").is_err());
    assert!(catalog.resolve("P02").is_err());
}

#[test]
fn the_tnh_prompts() {
    let Some(corpora) = corpora() else { return };
    let root = corpora.join("tnh/prompts");
    // 33 Markdown files with a prompt's frontmatter, and one README that is a document.
    let files = std::fs::read_dir(&root).unwrap().count();
    assert_clean(&root, files - 1, 1);
    let catalog = workspace(root.clone());
    assert_eq!((catalog.prompts().len(), catalog.problems().len()), (files - 1, 0));
    assert!(catalog.resolve("README").is_err());
    assert!(catalog.resolve("../README").is_err());
    assert!(catalog.resolve("default_clean.v99").is_err(), "a ref's version is never ignored");
    for prompt in catalog.prompts() {
        assert_eq!((prompt.version.as_str(), prompt.dialect), ("1.0", Dialect::Tnh));
        assert_eq!(prompt.path.file_stem().unwrap().to_str().unwrap(), prompt.id);
        assert!(prompt.role.is_some() && prompt.output_contract.is_some());
    }
    let translate = catalog.resolve("translate_metadata.v1.0").unwrap();
    let [language] = &translate.inputs[..] else { panic!("{:?}", translate.inputs) };
    assert!(language.required && language.default == Some("English".into()));
}

#[test]
fn the_tnh_runtime_prompts() {
    let Some(corpora) = corpora() else { return };
    let root = corpora.join("tnh/runtime-prompts");
    assert_clean(&root, 3, 0);
    let catalog = workspace(root);
    assert_eq!(catalog.resolve("translate").unwrap().reference(), "translate.v1.0.0");
}

#[test]
fn a_walk_over_everything_finds_the_same_prompts() {
    let Some(corpora) = corpora() else { return };
    let catalog = workspace(corpora);
    assert!(catalog.problems().is_empty(), "{:?}", catalog.problems());
    assert!(catalog.resolve("P00").is_ok() && catalog.resolve("translate").is_ok());
}
