//! What an id or a ref stands for, over layers, versions and broken files.

use super::{nine_keys, oa05, write};
use crate::catalog::*;
use crate::error::Kind;
use std::path::Path;

/// Folders for the two upper layers, and the catalog over them.
struct Layers {
    workspace: tempfile::TempDir,
    user: tempfile::TempDir,
}

impl Layers {
    fn new() -> Self {
        Self { workspace: tempfile::tempdir().unwrap(), user: tempfile::tempdir().unwrap() }
    }

    fn workspace(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        write(self.workspace.path(), path, content);
        self
    }

    fn user(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        write(self.user.path(), path, content);
        self
    }

    fn sources(&self) -> [Source; 2] {
        let source = |layer, folder: &tempfile::TempDir| Source::folder(layer, folder.path());
        // Not in the order of precedence: that must not matter.
        [source(Layer::User, &self.user), source(Layer::Workspace, &self.workspace)]
    }

    fn load(&self, built_in: bool) -> Catalog {
        Catalog::load(&self.sources(), built_in).unwrap()
    }
}

fn simple(id: &str, version: &str) -> String {
    oa05(id, version, &[], &format!("{id} {version}"))
}

#[track_caller]
fn assert_refused(catalog: &Catalog, wanted: &str, parts: &[&str]) {
    let error = catalog.resolve(wanted).expect_err(wanted);
    assert_eq!(error.kind(), Kind::Failed);
    let text = format!("{error}\n{}", error.hints().join("\n"));
    for part in parts {
        assert!(text.contains(part), "{wanted}: {text}");
    }
}

#[test]
fn a_bare_id_is_the_newest_version_compared_as_numbers() {
    let layers = Layers::new();
    for version in ["1.9", "1.10", "1.2.3", "1"] {
        write(layers.workspace.path(), &format!("{version}.md"), nine_keys("P05", version, "x"));
    }
    let catalog = layers.load(true);
    assert_eq!(catalog.resolve("P05").unwrap().reference(), "P05.v1.10");
    for version in ["1", "1.9", "1.10", "1.2.3"] {
        assert_eq!(catalog.resolve(&format!("P05.v{version}")).unwrap().version, version);
    }
    // v1 of the built-in gate is hidden by the workspace's v1.
    assert_eq!(catalog.resolve("P05.v1").unwrap().layer, Layer::Workspace);
    assert_eq!(catalog.losers().len(), 1);
    assert_eq!(catalog.losers()[0].layer, Layer::BuiltIn);
    assert_refused(&catalog, "P05.v1.1", &["no version 1.1", "1, 1.2.3, 1.9, 1.10"]);
}

#[test]
fn versions_stay_as_written() {
    let layers = Layers::new();
    for version in ["1", "1.0", "01", "\"1.00\""] {
        let name = version.replace('"', "q");
        write(layers.workspace.path(), &format!("{name}.md"), nine_keys("x", version, version));
    }
    let catalog = layers.load(false);
    assert!(catalog.findings().is_empty());
    for version in ["1", "1.0", "01", "1.00"] {
        assert_eq!(catalog.resolve(&format!("x.v{version}")).unwrap().reference(), format!("x.v{version}"));
    }
    assert_refused(&catalog, "x.v1.0.0", &["no version 1.0.0"]);
}

#[test]
fn the_highest_layer_with_the_id_decides() {
    let layers = Layers::new()
        .workspace("p.md", simple("P00", "1"))
        .user("p.md", simple("P00", "7"))
        .user("q.md", simple("only.user", "2"));
    let catalog = layers.load(true);
    let bare = catalog.resolve("P00").unwrap();
    assert_eq!((bare.layer, bare.version.as_str()), (Layer::Workspace, "1"));
    assert_eq!(catalog.resolve("P00.v7").unwrap().layer, Layer::User);
    assert_eq!(catalog.resolve("only.user").unwrap().layer, Layer::User);
    assert_eq!(catalog.resolve("P01").unwrap().layer, Layer::BuiltIn);
    assert_eq!(catalog.gates().len(), 6, "the workspace's P00 names no gate");
}

#[test]
fn nothing_is_a_pattern() {
    let catalog = Layers::new().workspace("a.md", simple("a.b", "1")).load(true);
    let long = "P".repeat(100_000);
    for wanted in [
        "P..",
        "P*",
        "P0",
        "P0[05]",
        ".*",
        "^P00$",
        "",
        " P00",
        "P00 ",
        "P00,P01",
        "../README",
        "P00.v",
        "P00.vx",
        "P00\n",
        &long,
    ] {
        assert_refused(&catalog, wanted, &["there is no prompt `"]);
        assert!(catalog.resolve(wanted).unwrap_err().to_string().len() < 300);
    }
    assert!(!catalog.resolve("P00\n").unwrap_err().to_string().contains('\n'));
}

#[test]
fn an_unknown_prompt_is_told_of_similar_ones_and_of_the_gates() {
    let catalog = Layers::new().workspace("a.md", simple("planner.evaluate", "1")).load(true);
    assert_refused(&catalog, "planner.evalute", &["did you mean planner.evaluate?", "gates: P00, P01, P03"]);
    assert_refused(&catalog, "p05", &["did you mean P05"]);
    assert_refused(&catalog, "P05.v9", &["P05", "it has: 1"]);
    assert_refused(&Layers::new().load(false), "P00", &["there is no prompt `P00`"]);
}

#[test]
fn refs_split_at_the_last_version_mark() {
    let catalog = Layers::new()
        .workspace("a.md", simple("a", "2"))
        .workspace("b.md", simple("a.v2", "1"))
        .workspace("c.md", simple("c.v3", "1"))
        .load(false);
    assert_eq!(catalog.resolve("a.v2.v1").unwrap().id, "a.v2");
    assert_eq!(catalog.resolve("a.v2").unwrap().id, "a", "an exact ref comes before a bare id");
    assert_eq!(catalog.resolve("c.v3").unwrap().reference(), "c.v3.v1");
}

#[test]
fn status_decides_which_version_a_bare_id_is() {
    let with = |version: &str, status: &str| oa05("x", version, &[&format!("status: {status}")], status);
    let layers = Layers::new()
        .workspace("1.md", with("1", "archived"))
        .workspace("2.md", with("2", "deprecated"))
        .workspace("4.md", with("4", "draft"));
    let catalog = layers.load(false);
    let prompt = catalog.resolve("x").unwrap();
    assert_eq!(prompt.version, "2");
    assert_eq!(catalog.warning(prompt).unwrap(), "x.v2 is deprecated");

    let catalog = layers.workspace("3.md", with("3", "current")).load(false);
    let prompt = catalog.resolve("x").unwrap();
    assert_eq!((prompt.version.as_str(), catalog.warning(prompt)), ("3", None));
    for (wanted, warning) in [("x.v1", "archived"), ("x.v2", "deprecated"), ("x.v4", "a draft")] {
        let prompt = catalog.resolve(wanted).unwrap();
        assert_eq!(catalog.warning(prompt).unwrap(), format!("{wanted} is {warning}; x.v3 is current"));
    }
    let archived = Layers::new().workspace("1.md", with("1", "archived")).load(false);
    assert_refused(&archived, "x", &["every version of `x` is archived"]);
    assert!(archived.resolve("x.v1").is_ok());
}

#[test]
fn a_replacement_is_named_by_what_it_deprecates() {
    let catalog = Layers::new()
        .workspace("old.md", oa05("old", "1", &["status: deprecated"], "x"))
        .workspace("new.md", oa05("new", "1", &["deprecates: old.v1"], "x"))
        .load(false);
    let old = catalog.resolve("old").unwrap();
    assert_eq!(catalog.warning(old).unwrap(), "old.v1 is deprecated; new.v1 is current");
}

#[test]
fn one_ref_with_two_contents_is_an_error_that_names_both_files() {
    let layers = Layers::new()
        .workspace("one/a.md", simple("x", "1"))
        .workspace("two/b.md", oa05("x", "1", &[], "other"))
        .workspace("ok.md", simple("y", "1"))
        .user("u.md", simple("x", "1"));
    let catalog = layers.load(false);
    for wanted in ["x", "x.v1"] {
        assert_refused(&catalog, wanted, &["x.v1 is defined twice", "one/a.md", "two/b.md", "new version"]);
    }
    assert!(catalog.resolve("y").is_ok());
    let findings = catalog.findings();
    assert_eq!((findings.len(), findings[0].code), (1, "catalog.duplicate-ref"));
    assert_eq!(findings[0].path, Path::new("two/b.md"));
    assert!(findings[0].is_error() && findings[0].message.contains("one/a.md"));
}

#[test]
fn identical_copies_and_other_layers_do_not_clash() {
    let catalog = Layers::new()
        .workspace("a.md", simple("x", "1"))
        .workspace("b.md", simple("x", "1"))
        .user("c.md", oa05("x", "1", &[], "other"))
        .load(false);
    assert_eq!(catalog.resolve("x").unwrap().path, Path::new("a.md"));
    assert!(catalog.findings().is_empty());
    let losers: Vec<_> = catalog.losers().iter().map(|prompt| prompt.path.to_str().unwrap()).collect();
    assert_eq!(losers, ["b.md", "c.md"]);
}

#[test]
fn a_broken_file_never_gives_way_to_a_lower_layer() {
    let broken = nine_keys("P05", "2", "x").replace("owner: tests", "owner: [tests");
    let layers = Layers::new().workspace("gates/p05.md", &broken).user("p.md", simple("P05", "3"));
    let catalog = layers.load(true);
    for wanted in ["P05", "P05.v1", "P05.v3", "P05.v2"] {
        assert_refused(&catalog, wanted, &["`P05` is unusable", "gates/p05.md", "repair or remove"]);
    }
    assert!(catalog.resolve("P06").is_ok());
    let [problem] = catalog.problems() else { panic!() };
    assert_eq!(problem.claimed_id.as_deref(), Some("P05"));
    assert_eq!(problem.findings[0].code, "frontmatter.syntax");

    // Even when it is the id itself that is broken.
    let broken_id = nine_keys("P05", "2", "x").replace("prompt_id: P05", "prompt_id: [P05");
    assert!(broken_id.contains("[P05"));
    assert_refused(&Layers::new().workspace("p.md", &broken_id).load(true), "P05", &["unusable", "p.md"]);

    // In a lower layer it concerns nobody above, and an exact version beside it stands.
    let catalog = Layers::new().workspace("p.md", simple("P05", "3")).user("p.md", &broken).load(true);
    assert_eq!(catalog.resolve("P05").unwrap().version, "3");
    let catalog = Layers::new().workspace("p.md", simple("P05", "3")).workspace("q.md", &broken).load(true);
    assert!(catalog.resolve("P05.v3").is_ok());
    assert_refused(&catalog, "P05", &["q.md"]);
}

#[test]
fn documents_are_skipped_and_prompts_that_cannot_be_read_are_problems() {
    let prompt = simple("good", "1");
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(prompt.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let mut latin1 = simple("latin", "1").into_bytes();
    latin1.extend([0xE9, b'\n']);
    let huge = format!("{}{}", simple("huge", "1"), "x".repeat(10 * 1024 * 1024));
    let huge_document = "x".repeat(10 * 1024 * 1024 + 1);
    let files: &[(&str, &[u8], Option<&str>)] = &[
        ("README.md", b"# Readme\n\n---\nprompt_id: x\n---\n", None),
        (
            "adr.md",
            b"---\ntitle: An ADR\nstatus: current\ncreated: 2026-01-01\nowner: me\nversion: 1\n---\ntext\n",
            None,
        ),
        ("agent.md", b"---\nname: helper\ndescription: an agent\nmodel: some\nversion: 2\n---\ntext\n", None),
        ("broken-document.md", b"---\ntitle: a: b\n---\n", None),
        ("list.md", b"---\n- a\n- b\n---\n", None),
        ("empty.md", b"", None),
        ("empty-frontmatter.md", b"---\n---\ntext\n", None),
        ("rule.md", b"---\n\nA thematic break at the top, and no end.\n", None),
        ("binary.md", &[0, 159, 146, 150], None),
        ("notes.txt", b"---\nprompt_id: x\n---\n", None),
        ("huge-document.md", huge_document.as_bytes(), None),
        ("utf16.md", &utf16, Some("file.not-utf8")),
        ("latin1.md", &latin1, Some("file.not-utf8")),
        ("huge.md", huge.as_bytes(), Some("file.too-large")),
        ("open.md", b"---\nprompt_id: open\nversion: 1\n", Some("frontmatter.unterminated")),
        ("twice.md", b"---\nprompt_id: t\nversion: 1\nversion: 2\n---\n", Some("frontmatter.syntax")),
        ("no-version.md", b"---\nprompt_id: n\n---\n", Some("frontmatter.missing-field")),
        ("no-id.md", b"---\nprompt_id:\nversion: 1\n---\n", Some("frontmatter.missing-field")),
        ("bad-id.md", b"---\nprompt_id: ../x\nversion: 1\n---\n", Some("prompt.id")),
        ("bad-version.md", b"---\nprompt_id: v\nversion: latest\n---\n", Some("prompt.version")),
        ("list-version.md", b"---\nprompt_id: w\nversion: [1]\n---\n", Some("prompt.version")),
    ];
    let layers = Layers::new().workspace("good.md", &prompt);
    for (path, content, _) in files {
        write(layers.workspace.path(), path, content);
    }
    for skipped in [".hidden/a.md", "target/a.md", "node_modules/deep/a.md", ".a.md"] {
        write(layers.workspace.path(), skipped, simple("skipped", "1"));
    }
    let catalog = layers.load(false);
    assert_eq!(catalog.prompts().len(), 1, "{:?}", catalog.prompts());
    for (path, _, code) in files {
        let problem = catalog.problems().iter().find(|problem| problem.path == Path::new(path));
        let found = problem.map(|problem| problem.findings[0].code);
        assert_eq!(found, *code, "{path}");
    }
    let expected = files.iter().filter(|(_, _, code)| code.is_some()).count();
    assert_eq!(catalog.problems().len(), expected);
    assert_refused(&catalog, "latin", &["not UTF-8", "latin1.md"]);
    assert_refused(&catalog, "good2", &["did you mean good?"]);
}

#[test]
fn byte_order_marks_and_crlf_are_kept_in_the_bytes_and_absent_from_the_model() {
    let crlf =
        format!("\u{feff}{}", oa05("x", "1.0 # first", &["title: \"Ä\""], "\n\nline one\n---\nline two"))
            .replace('\n', "\r\n");
    let catalog = Layers::new().workspace("x.md", &crlf).load(false);
    let prompt = catalog.resolve("x.v1.0").unwrap();
    assert_eq!(prompt.bytes, crlf.as_bytes());
    assert_eq!(prompt.title, "Ä");
    assert_eq!(prompt.template, "line one\n---\nline two\n");
    // Another line ending is another content.
    let lf = crlf.replace("\r\n", "\n");
    let catalog = Layers::new().workspace("a.md", &crlf).workspace("b.md", &lf).load(false);
    assert_refused(&catalog, "x.v1.0", &["defined twice"]);
}

#[test]
fn each_dialect_maps_to_the_model() {
    let d1 = "---\nkey: d1\nname: One\nversion: 1.0\ndescription: The first\ntask_type: cleaning\nrequired_variables: [lang]\n\
              optional_variables: [style]\ndefault_variables: {style: plain, n: 3}\ntags: [a, b]\n---\n\n  {{ lang }} {{ style }}\n";
    let d2 = "---\nkey: d2\nname: Two\nversion: \"1.0\"\nrole: cleaning\nrequired_variables: [lang]\ninputs:\n  - {name: lang, required: true, strictness: strict}\n\
              output_contract: {mode: json, schema_ref: a.b.v1}\n---\n{{ lang }}\n";
    let d3 = "---\nname: Three\nversion: 1.0.0\nrole: x\nrequired_variables: []\ndefault_variables: {}\n---\nText\n";
    let catalog = Layers::new()
        .workspace("d1.md", d1)
        .workspace("d2.md", d2)
        .workspace("sub/d3.md", d3)
        .workspace(
            "p.md",
            nine_keys(
                "P05",
                "1.0.1",
                "## Purpose\n\n```\nnot this\n```\n\n## Prompt\n\n```text\nDo [it].\n```\n\n## Notes\n",
            ),
        )
        .load(false);
    assert!(catalog.problems().is_empty(), "{:?}", catalog.problems());
    let first = catalog.resolve("d1.v1.0").unwrap();
    assert_eq!(first.summary, "The first");
    assert_eq!((first.title.as_str(), first.role.as_deref()), ("One", Some("cleaning")));
    assert_eq!(first.tags, ["a", "b"]);
    let inputs: Vec<_> = first
        .inputs
        .iter()
        .map(|input| (input.name.as_str(), input.required, input.default.clone()))
        .collect();
    assert_eq!(
        inputs,
        [("lang", true, None), ("style", false, Some("plain".into())), ("n", false, Some(3.into()))]
    );
    assert_eq!(first.template, "{{ lang }} {{ style }}\n");
    let second = catalog.resolve("d2").unwrap();
    assert_eq!(second.inputs.len(), 1, "declared twice, in two ways, and one input");
    let contract = second.output_contract.as_ref().unwrap();
    assert_eq!((contract.mode, contract.schema_ref.as_deref()), (Mode::Json, Some("a.b.v1")));
    assert_eq!(catalog.resolve("sub/d3").unwrap().reference(), "sub/d3.v1.0.0");
    let gate = catalog.resolve("P05").unwrap();
    assert_eq!((gate.gate.as_deref(), gate.duty), (Some("P05"), Some(Duty::Writer)));
    assert_eq!(gate.template, "Do [it].\n");
    assert_eq!(gate.stop_conditions, ["It is unclear"]);
    assert!(!gate.is_template() && first.is_template());
}

#[test]
fn a_duty_may_be_declared_or_denied() {
    let catalog = Layers::new()
        .workspace("a.md", oa05("a", "1", &["duty: reviewer"], "x"))
        .workspace("b.md", oa05("b", "1", &["gate: P05"], "x"))
        .workspace("c.md", oa05("c", "1", &["gate: P05", "duty: none"], "x"))
        .load(false);
    let duties: Vec<_> = catalog.prompts().iter().map(|prompt| prompt.duty).collect();
    assert_eq!(duties, [Some(Duty::Reviewer), Some(Duty::Writer), None]);
    let gates: Vec<_> = catalog.gates().iter().map(|(gate, prompt)| (*gate, prompt.id.as_str())).collect();
    assert_eq!(gates, [("P05", "b"), ("P05", "c")]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_only_inside() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.md", simple("outside", "1"));
    let layers = Layers::new().workspace("real/a.md", simple("a", "1"));
    let root = layers.workspace.path();
    symlink(outside.path().join("secret.md"), root.join("out.md")).unwrap();
    symlink(outside.path(), root.join("outdir")).unwrap();
    symlink(root.join("nowhere.md"), root.join("broken.md")).unwrap();
    symlink(root, root.join("loop")).unwrap();
    symlink(root.join("real/a.md"), root.join("z.md")).unwrap();
    symlink("z.md", root.join("self.md")).unwrap();
    let catalog = layers.load(false);
    assert!(catalog.resolve("outside").is_err());
    assert_eq!(catalog.prompts().len(), 1);
    let problems: Vec<_> = catalog
        .problems()
        .iter()
        .map(|problem| (problem.path.to_str().unwrap(), problem.findings[0].severity))
        .collect();
    assert_eq!(problems, [("broken.md", Severity::Warning), ("out.md", Severity::Warning)]);
    assert_eq!(catalog.losers().len(), 2, "links to a prompt are further copies");

    let linked = Source::folder(Layer::User, root.join("loop"));
    assert_eq!(Catalog::load(&[linked], false).unwrap().prompts().len(), 1, "the root may be a link");
}

#[cfg(target_os = "linux")]
#[test]
fn file_names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let layers = Layers::new();
    let name = std::ffi::OsStr::from_bytes(b"caf\xE9.md");
    std::fs::write(layers.workspace.path().join(name), oa05("x", "1", &["role: z"], "x")).unwrap();
    let catalog = layers.load(false);
    assert!(serde_json::to_string(catalog.resolve("x").unwrap()).unwrap().contains("caf\u{fffd}.md"));
    assert!(serde_json::to_string(&catalog.lint()).unwrap().contains("prompt.role"));
}

#[test]
fn a_folder_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "file.md", "x");
    for (root, part) in [("missing", "does not exist"), ("file.md", "is not a folder")] {
        let source = Source::folder(Layer::Workspace, folder.path().join(root));
        let error = Catalog::load(&[source], true).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn the_order_of_files_on_disk_does_not_matter() {
    let names = ["z.md", "a/b.md", "a-b.md", "a/a.md", "m.md"];
    let load = |order: &[&str]| {
        let mut layers = Layers::new();
        for name in order {
            layers = layers.workspace(name, simple("same", "1"));
        }
        let catalog = layers.load(false);
        let losers: Vec<_> = catalog.losers().iter().map(|prompt| prompt.path.clone()).collect();
        (catalog.prompts()[0].path.clone(), losers)
    };
    let reversed: Vec<_> = names.iter().rev().copied().collect();
    assert_eq!(load(&names), load(&reversed));
}
