//! Exceptions in the frontmatter, and what a project settles for all its prompts.

use super::{nine_keys, oa05, tnh, write};
use crate::catalog::*;
use std::path::Path;

fn codes(text: impl AsRef<[u8]>) -> Vec<(&'static str, Severity)> {
    let findings = lint_file(Path::new("p.md"), text.as_ref());
    findings.into_iter().map(|finding| (finding.code, finding.severity)).collect()
}

const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

#[test]
fn an_exception_with_a_reason_holds_in_every_dialect() {
    let exception = "lint: [{allow: secret.found, reason: an example}]";
    for text in [
        oa05("x", "1", &[exception], SECRET),
        tnh(&[exception], SECRET),
        nine_keys("P05", "1.0.1", &format!("## Prompt\n```text\n{SECRET}\n```\n")).replacen(
            "owner:",
            &format!("{exception}\nowner:"),
            1,
        ),
    ] {
        assert_eq!(codes(&text), [], "{text}");
        assert_eq!(codes(text.replace(exception, "")), [("secret.found", Severity::Error)], "{text}");
    }
    // By another system's name for the rule, and only that rule.
    let text = oa05(
        "x",
        "1",
        &["lint: [{allow: INVALID_TEMPLATE, reason: broken on purpose}]", "role: boss"],
        "{{ a b }}",
    );
    assert_eq!(codes(text), [("prompt.role", Severity::Error)]);
}

#[test]
fn an_exception_that_says_nothing_does_nothing() {
    for (exception, code) in [
        ("{allow: secret.found}", "lint.allow"),
        ("{allow: secret.found, reason: \"  \"}", "lint.allow"),
        ("{allow: secret.found, reason: [a]}", "lint.allow"),
        ("{reason: because}", "lint.allow"),
        ("secret.found", "lint.allow"),
        ("{allow: secrets.found, reason: r}", "lint.allow"),
        ("{allow: lint.allow, reason: r}", "lint.allow"),
        ("{allow: path.personal, reason: r}", "lint.unused-allow"),
    ] {
        let found = codes(oa05("x", "1", &[&format!("lint: [{exception}]")], SECRET));
        assert_eq!(found.len(), 2, "{exception}: {found:?}");
        assert_eq!((found[0].0, found[1].0), (code, "secret.found"), "{exception}");
        assert_eq!(found[0].1 == Severity::Error, code == "lint.allow", "{exception}");
    }
    let near = lint_file(
        Path::new("p"),
        oa05("x", "1", &["lint: [{allow: secrets.found, reason: r}]"], "x").as_bytes(),
    );
    assert!(near[0].hint.as_ref().unwrap().contains("secret.found"), "{near:?}");
    assert_eq!(codes(oa05("x", "1", &["lint: all"], "x")), [("frontmatter.field-type", Severity::Error)]);
}

#[test]
fn what_is_allowed_is_listed_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let exception =
        "lint:\n  - {allow: input.unused, reason: for later}\n  - {allow: prompt.role, reason: ours}";
    let inputs = "inputs: [{name: a, type: t, required: true}]";
    write(folder.path(), "a.md", oa05("x", "1", &[exception, inputs, "role: boss"], "x"));
    let report = lint_path(folder.path()).unwrap();
    assert_eq!((report.findings.len(), report.allowed.len()), (0, 2), "{report:?}");
    let allowed: Vec<_> = report.allowed.iter().map(|f| (f.code, f.allowed.as_deref().unwrap())).collect();
    assert_eq!(allowed, [("input.unused", "for later"), ("prompt.role", "ours")]);
    assert!(report.allowed.iter().all(|finding| finding.path == folder.path().join("a.md")));
}

#[test]
fn a_project_settles_how_strictly_it_is_meant() {
    let source = |required| {
        format!(
            "inputs: [{{name: a, type: t, required: {required}, source: moon}}, {{name: b, type: t, required: true}}]"
        )
    };
    let findings = |required| {
        lint_file(Path::new("p"), oa05("x", "1", &[&source(required)], "{{ a }} {{ c }}").as_bytes())
    };
    let judged = |settings: &str, required| {
        let policy: Policy = toml::from_str(settings).unwrap();
        let mut findings = findings(required);
        policy.apply(&mut findings);
        let levels: Vec<_> = findings.iter().map(|f| (f.code, f.severity)).collect();
        (levels, policy.fails(&findings))
    };
    use Severity::{Error, Warning};
    let all = |source, unused, undeclared| {
        vec![("input.source", source), ("input.unused", unused), ("input.undeclared", undeclared)]
    };
    assert_eq!(judged("", true), (all(Error, Warning, Error), true));
    assert_eq!(judged("", false), (all(Warning, Warning, Error), true));
    assert_eq!(judged("mode = 'permissive'", true), (all(Error, Warning, Error), false));
    let lenient = "missing = 'warn'\nextra = 'warn'\nundefined = 'warn'";
    assert_eq!(judged(lenient, true), (all(Warning, Warning, Warning), false));
    assert_eq!(judged(&format!("mode = 'strict'\n{lenient}"), true), (all(Warning, Warning, Warning), true));
    let strict = "missing = 'error'\nextra = 'error'\nundefined = 'error'";
    assert_eq!(judged(strict, false), (all(Error, Error, Error), true));
    let nothing = "mode = 'strict'\nmissing = 'allow'\nextra = 'allow'\nundefined = 'allow'";
    assert_eq!(judged(nothing, true), (vec![], false));
    for bad in ["mode = 'lax'", "extra = true", "undefinde = 'warn'"] {
        assert!(toml::from_str::<Policy>(bad).is_err(), "{bad}");
    }
}

/// What is shown of a file shows no secret, wherever one stands.
#[test]
fn excerpts_show_no_secret() {
    let text =
        oa05("x", "1", &[&format!("role: {SECRET}"), &format!("status: \"é {SECRET} {SECRET}\"")], SECRET);
    let findings = lint_file(Path::new("p"), text.as_bytes());
    assert_eq!(findings.len(), 6, "{findings:?}");
    let shown = format!("{}{}", serde_json::to_string(&findings).unwrap(), render(&findings));
    assert!(shown.contains("ghp_••••") && !shown.contains("ghp_0"), "{shown}");
    let role = findings.iter().find(|finding| finding.code == "prompt.role").unwrap();
    assert!(role.message.starts_with("`ghp_…` is no role"), "{}", role.message);
    let marked = &role.excerpt.as_ref().unwrap().marked;
    assert_eq!(marked.chars().count(), SECRET.len(), "{marked}");
}

#[test]
fn an_excerpt_is_the_line_that_a_finding_names() {
    let text = oa05("x", "1", &["role: harness", "owner!"], "é\n\t{{ who }} and more\n");
    for text in [text.clone(), format!("\u{feff}{text}"), text.replace('\n', "\r\n")] {
        let findings = lint_file(Path::new("p"), text.as_bytes());
        let excerpt = |code: &str| findings.iter().find(|f| f.code == code).unwrap().excerpt.clone();
        let of = |code: &str| excerpt(code).map(|e| (e.before, e.marked, e.after)).unwrap();
        assert_eq!(of("prompt.role"), ("role: ".into(), "harness".into(), String::new()));
        assert_eq!(of("input.undeclared"), ("\t{{ ".into(), "who".into(), " }} and more".into()));
    }
    let whole = lint_file(Path::new("p"), b"# Title\n");
    assert_eq!(whole[0].excerpt, None);
    let latin = lint_file(Path::new("p"), b"---\nprompt_id: x\nversion: 1\n---\n/home/alice/\xff\n");
    assert!(latin.iter().any(|finding| finding.code == "path.personal" && finding.excerpt.is_some()));
}
