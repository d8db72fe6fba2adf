//! Catalogs from bytes that are no files, reloading, and catalogs of many versions.

use super::{oa05, write};
use crate::catalog::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn held(files: &[(&str, &str, &str)]) -> Source {
    let file = |(path, reference, text): &(&str, &str, &str)| Held {
        path: (*path).to_owned(),
        reference: (!reference.is_empty()).then(|| (*reference).to_owned()),
        content: match text.strip_prefix("missing: ") {
            Some(why) => Err(why.to_owned()),
            None => Ok(text.as_bytes().to_vec()),
        },
    };
    let origin = Origin::Held { name: "held".to_owned(), files: files.iter().map(file).collect() };
    Source { layer: Layer::Workspace, origin }
}

#[test]
fn what_is_held_is_a_catalog_and_a_ref_is_what_it_is_bound_to() {
    let (one, two) = (oa05("a", "1", &[], "one"), oa05("a", "2", &[], "two"));
    let tnh = "---\nname: T\nversion: \"1.0\"\nrole: x\nrequired_variables: []\n---\nText\n";
    let source = held(&[
        ("a.md", "a.v1", &one),
        ("a.md", "a.v2", &two),
        ("b.md", "b.v1", "missing: it was erased from the ledger"),
        ("b.md", "b.v2", &oa05("b", "2", &[], "x")),
        ("c.md", "c.v1", &oa05("other", "1", &[], "x")),
        ("sub/d.md", "sub/d.v1.0", tnh),
        ("../e.md", "", &oa05("e", "1", &[], "x")),
        ("/f.md", "", &oa05("f", "1", &[], "x")),
    ]);
    let catalog = Catalog::load(std::slice::from_ref(&source), true).unwrap();
    assert_eq!(catalog.resolve("a").unwrap().bytes, two.as_bytes());
    assert_eq!(catalog.resolve("a.v1").unwrap().bytes, one.as_bytes());
    assert_eq!(catalog.resolve("sub/d").unwrap().reference(), "sub/d.v1.0");
    assert!(catalog.resolve("b.v1").unwrap_err().to_string().contains("was erased"));
    assert_eq!(catalog.resolve("b").unwrap().version, "2", "another version is not concerned");
    let error = catalog.resolve("c.v1").unwrap_err().to_string();
    assert!(error.contains("bound to c.v1, and say other.v1"), "{error}");
    for outside in ["other", "e", "f"] {
        assert!(catalog.resolve(outside).is_err(), "{outside}");
    }
    assert_eq!(catalog.problems().len(), 2);
    let names: Vec<_> = catalog.located().iter().map(|located| located.name.as_str()).collect();
    assert_eq!(names, ["held", "built-in"]);
    let report = lint_source(&source).unwrap();
    let codes: BTreeSet<_> = report.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains("file.unreadable") && codes.contains("prompt.id"), "{codes:?}");
}

#[test]
fn a_pointer_of_git_lfs_is_no_document() {
    let folder = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    write(folder.path(), "p.md", pointer);
    let source = Source::folder(Layer::Workspace, folder.path());
    let catalog = Catalog::load(std::slice::from_ref(&source), false).unwrap();
    assert_eq!(catalog.problems()[0].findings[0].code, "file.unreadable");
    let report = lint_source(&source).unwrap();
    assert!(report.has_errors() && report.findings[0].message.contains("Git LFS"), "{report:?}");
}

#[test]
fn reloading_takes_over_what_has_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let sources = [Source::folder(Layer::Workspace, folder.path())];
    for n in 0..50 {
        write(folder.path(), &format!("{n}.md"), oa05(&format!("p{n}"), "1", &[], "x"));
    }
    write(folder.path(), "README.md", "# no prompt\n");
    let first = Catalog::load(&sources, true).unwrap();
    assert_eq!(first.parsed(), 51 + 7);
    let second = first.reload(&sources, true).unwrap();
    assert_eq!((second.parsed(), second.prompts().len()), (0, 57));
    let same = |a: &Catalog, b: &Catalog| {
        let pairs = a.prompts().iter().zip(b.prompts());
        pairs.filter(|(a, b)| std::sync::Arc::ptr_eq(a, b)).count()
    };
    assert_eq!(same(&first, &second), 57, "one copy of the bytes, whoever holds the catalog");

    // The same length and, where the clock is coarse, the same time: only the bytes tell.
    write(folder.path(), "7.md", oa05("p7", "1", &[], "y"));
    std::fs::remove_file(folder.path().join("8.md")).unwrap();
    let third = second.reload(&sources, true).unwrap();
    assert_eq!((third.parsed(), third.prompts().len()), (1, 56));
    assert_eq!(third.resolve("p7").unwrap().template, "y\n");
    assert!(third.resolve("p8").is_err());
    // What was forgotten in between is read again.
    write(folder.path(), "8.md", oa05("p8", "1", &[], "x"));
    assert_eq!(third.reload(&sources, true).unwrap().parsed(), 1);
}

/// A file's text by number: prompts in several versions, some broken, some documents.
fn text(n: u8) -> String {
    match n % 8 {
        0 => "# a document\n".to_owned(),
        1 => "---\nprompt_id: p1\nversion: [1\n---\n".to_owned(),
        kind => oa05(&format!("p{}", kind % 3), &format!("{}", n / 8 % 3), &[], &format!("{n}")),
    }
}

fn source(files: &BTreeMap<u8, u8>) -> Source {
    let listed = files.iter().map(|(path, n)| (format!("f{path}.md"), text(*n))).collect::<Vec<_>>();
    let listed: Vec<_> = listed.iter().map(|(path, text)| (path.as_str(), "", text.as_str())).collect();
    held(&listed)
}

fn state(catalog: &Catalog) -> String {
    let prompts = catalog.prompts().iter().chain(catalog.losers());
    let prompts = prompts.map(|p| (p.reference(), p.path.clone(), p.bytes.clone())).collect::<Vec<_>>();
    let resolved = ["p0", "p1", "p2", "p1.v0"].map(|id| match catalog.resolve(id) {
        Ok(prompt) => prompt.path.display().to_string(),
        Err(error) => error.to_string(),
    });
    format!("{prompts:?} {:?} {:?} {resolved:?}", catalog.findings(), catalog.losers().len())
}

proptest! {
    #[test]
    fn a_reloaded_catalog_is_the_one_that_a_fresh_program_reads(
        steps in prop::collection::vec(prop::collection::btree_map(0u8..6, 0u8..40, 0..6), 1..8)
    ) {
        let mut catalog = Catalog::default();
        let mut before = BTreeMap::new();
        for files in steps {
            let sources = [source(&files)];
            catalog = catalog.reload(&sources, false).unwrap();
            prop_assert_eq!(state(&catalog), state(&Catalog::load(&sources, false).unwrap()));
            // A cache that forgets too much is seen here, and so is one that never forgets.
            let unknown = files.iter().filter(|(path, n)| before.get(*path).map(|n| text(*n)) != Some(text(**n)));
            prop_assert_eq!(catalog.parsed(), unknown.count());
            before = files;
        }
    }
}

#[test]
fn a_version_that_is_not_there_is_told_of_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    for version in (1..=40).filter(|version| *version != 20) {
        write(folder.path(), &format!("{version}.md"), oa05("many", &version.to_string(), &[], "x"));
    }
    let catalog = Catalog::load(&[Source::folder(Layer::Workspace, folder.path())], false).unwrap();
    let hints = |wanted: &str| catalog.resolve(wanted).unwrap_err().hints().join("\n");
    assert!(
        hints("many.v20").contains("it has: 16, 17, 18, 19, 21, 22, 23, 24 and 31 more"),
        "{}",
        hints("many.v20")
    );
    assert!(
        hints("many.v99").contains("it has: 33, 34, 35, 36, 37, 38, 39, 40 and"),
        "{}",
        hints("many.v99")
    );
    assert!(hints("many.v0").contains("it has: 1, 2, 3"), "{}", hints("many.v0"));
    assert!(hints("many.v7.0").contains("did you mean many.v7?"), "{}", hints("many.v7.0"));
    assert!(hints("mny.v7").contains("did you mean many?"));
    assert_eq!(catalog.versions("many").len(), 39);
    assert!(
        catalog.versions("man").is_empty()
            && catalog.versions("").is_empty()
            && catalog.versions("z").is_empty()
    );
    assert_eq!(
        Catalog::choice("many", catalog.resolve("many").unwrap()).unwrap(),
        "many is many.v40 (workspace)"
    );
    assert_eq!(Catalog::choice("many.v3", catalog.resolve("many.v3").unwrap()), None);
}

#[test]
fn no_id_or_ref_is_a_path() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "README.md", "---\nprompt_id: outside\nversion: 1\nrole: task\n---\nx\n");
    write(folder.path(), "catalog/sub/in.md", oa05("sub/in", "1", &[], "x"));
    let catalog =
        Catalog::load(&[Source::folder(Layer::Workspace, folder.path().join("catalog"))], false).unwrap();
    let absolute = folder.path().join("README").display().to_string();
    for wanted in [
        "../README",
        "../README.md",
        "sub/../../README",
        "./sub/in",
        "sub//in",
        "/sub/in",
        &absolute,
        "sub/in.md",
    ] {
        let error = catalog.resolve(wanted).unwrap_err().to_string();
        assert!(error.contains("there is no prompt"), "{wanted}: {error}");
    }
    assert_eq!(catalog.resolve("sub/in").unwrap().path, Path::new("sub/in.md"));
}
