//! Putting right what has but one way to be put right.

use super::{nine_keys, oa05, tnh, write};
use crate::catalog::*;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn fixed(text: &str) -> String {
    String::from_utf8(fix(Path::new("p.md"), text.as_bytes()).bytes).unwrap()
}

/// `before` and `after` are all that differs.
fn cases() -> Vec<(String, &'static str, &'static str)> {
    let inputs =
        |required: &str| format!("inputs:\n  - name: a\n    type: t\n    required: {required}  # why");
    let with = |field: &str| oa05("x", "1", &[field], "Text");
    vec![
        (oa05("x", "\"7\"", &[], "x"), "version: \"7\"", "version: 7"),
        (oa05("x", "'12' # first", &[], "x"), "version: '12' # first", "version: 12 # first"),
        (with("status: Current"), "status: Current", "status: current"),
        (with("role: \"TASK\""), "role: \"TASK\"", "role: task"),
        (with("scope: Agent # all"), "scope: Agent # all", "scope: agent # all"),
        (with("tags: gate"), "tags: gate", "tags: [gate]"),
        (with("tags: 'gate'"), "tags: 'gate'", "tags: ['gate']"),
        (with("inputs!"), "status: current\n", "status: current\ninputs: []\n"),
        (oa05("x", "1", &[&inputs("yes")], "{{ a }}"), "required: yes", "required: true"),
        (oa05("x", "1", &[&inputs("\"False\"")], "{{ a }}"), "required: \"False\"", "required: false"),
        (tnh(&["safety_level: Safe"], "x"), "Safe", "safe"),
        (tnh(&[], "x").replace("\"1.0\"", "1.10"), "version: 1.10", "version: \"1.10\""),
        (
            tnh(&["inputs: [{name: a, required: true, strictness: STRICT}]"], "{{ a }}"),
            "strictness: STRICT}",
            "strictness: strict}",
        ),
        (nine_keys("P05", "1.0", "## Prompt\n```\nx\n```\n"), "version: 1.0", "version: \"1.0\""),
    ]
}

#[test]
fn a_fix_changes_what_it_is_for_and_no_other_byte() {
    for (text, before, after) in cases() {
        assert_eq!(text.matches(before).count(), 1, "{before}");
        let expected = text.replace(before, after);
        for (text, expected) in [
            (text.clone(), expected.clone()),
            (text.replace('\n', "\r\n"), expected.replace('\n', "\r\n")),
            (format!("\u{feff}{text}"), format!("\u{feff}{expected}")),
            (text.trim_end().to_owned(), expected.trim_end().to_owned()),
        ] {
            assert_eq!(fixed(&text), expected);
            let left = lint_file(Path::new("p.md"), expected.as_bytes());
            assert_eq!(left, [], "{expected}");
        }
    }
}

#[test]
fn what_needs_a_decision_is_left_alone() {
    for text in [
        oa05("x", "017", &[], "x"),
        oa05("x", "1.0", &[], "x"),
        oa05("x", "1", &["role: harness"], "x"),
        oa05("x", "1", &["tags: two words"], "x"),
        oa05("x", "1", &["tags: \"a, b\""], "x"),
        oa05("x", "1", &["tags: {a: b}"], "x"),
        oa05("x", "1", &["inputs!"], "{{ a }}"),
        oa05("x", "1", &["inputs!"], "{{ a b }}"),
        oa05("x", "1", &["status: &s Current", "owner: *s"], "x"),
        oa05("x", "1", &["status: !!str Current"], "x"),
        oa05("x", "1", &["status: >-\n  Current"], "x"),
        oa05("x", "1", &["status: Current", "lint: [{allow: prompt.status, reason: ours}]"], "x"),
        "# No prompt\nstatus: Current\n".to_owned(),
        "---\nprompt_id: x\nversion: \"1\"\nrole: [\n---\n".to_owned(),
    ] {
        let result = fix(Path::new("p.md"), text.as_bytes());
        assert_eq!((result.bytes, result.applied.len()), (text.clone().into_bytes(), 0), "{text}");
    }
}

#[test]
fn a_folder_is_put_right_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("prompts"), folder.path().join("outside.md"));
    let wrong = oa05("x", "\"2\"", &["status: CURRENT", "role: boss"], "x");
    write(&root, "sub/a.md", &wrong);
    write(&root, "good.md", oa05("y", "1", &[], "y"));
    write(&root, "README.md", "# status: Current\n");
    fs::write(&outside, oa05("z", "\"1\"", &[], "z")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        fs::set_permissions(root.join("sub/a.md"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&outside, root.join("link.md")).unwrap();
    }
    let mut seen = Vec::new();
    let mut progress = |done, total| seen.push((done, total));
    let report =
        lint_path_with(&root, &mut Options { fix: true, progress: &mut progress, schemas: None }).unwrap();
    let [only] = &report.fixed[..] else { panic!("{:?}", report.fixed) };
    assert_eq!(
        (only.path.as_path(), only.reference.as_deref()),
        (root.join("sub/a.md").as_path(), Some("x.v2"))
    );
    let codes: Vec<_> = only.applied.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["prompt.version", "prompt.status"]);
    let expected = wrong.replace("\"2\"", "2").replace("CURRENT", "current");
    assert_eq!(fs::read_to_string(root.join("sub/a.md")).unwrap(), expected);
    let left: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    assert!(left.contains(&"prompt.role") && !left.contains(&"prompt.status"), "{left:?}");
    assert_eq!(
        fs::read_to_string(outside).unwrap(),
        oa05("z", "\"1\"", &[], "z"),
        "a link out is not followed"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(root.join("sub/a.md")).unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert_eq!(seen.last(), Some(&(seen.len(), Some(seen.len()))), "each file is told of, of a known number");
    assert_eq!(fs::read_dir(root.join("sub")).unwrap().count(), 1, "nothing is left behind");
    let again =
        lint_path_with(&root, &mut Options { fix: true, progress: &mut |_, _| {}, schemas: None }).unwrap();
    assert!(again.fixed.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What was put right once is right, and it is the same prompt.
    #[test]
    fn fixing_twice_changes_nothing(
        fields in proptest::collection::vec(
            prop_oneof![
                Just("status: Current"), Just("status: \"DRAFT\""), Just("role: Task"), Just("tags: a"),
                Just("tags: a b"), Just("inputs!"), Just("inputs: x"), Just("scope: GLOBAL"), Just("duty: Writer # w"),
                Just("inputs:\n  - {name: a, type: t, required: yes, source: Artifact, strictness: Loose}"),
                Just("content_flags: \"Gore\""), Just("safety_level: Safe"), Just("lint: x"),
            ],
            0..6,
        ),
        version in prop_oneof![Just("1"), Just("\"3\""), Just("'4'"), Just("017"), Just("1.0")],
        old in any::<bool>(), crlf in any::<bool>(), bom in any::<bool>(),
    ) {
        let text = if old { tnh(&fields, "{{ a }}").replace("\"1.0\"", version) } else { oa05("x", version, &fields, "{{ a }}") };
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let text = if bom { format!("\u{feff}{text}") } else { text };
        let once = fix(Path::new("p.md"), text.as_bytes());
        let twice = fix(Path::new("p.md"), &once.bytes);
        prop_assert_eq!(&twice.bytes, &once.bytes);
        prop_assert!(twice.applied.is_empty());
        prop_assert_eq!(once.applied.is_empty(), once.bytes == text.as_bytes());
        let identity = |bytes: &[u8]| match parse(Layer::User, Path::new("p.md"), bytes) {
            Parsed::Prompt(prompt) => Some((prompt.reference(), prompt.template)),
            _ => None,
        };
        prop_assert_eq!(identity(&once.bytes), identity(text.as_bytes()));
    }
}
