//! Any file is read and linted: the two agree on whether it can be used, every finding points into it, and fixing is idempotent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use promptos::catalog::{self, Finding, Layer, Parsed};
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let path = Path::new("tools/p.md");
    let parsed = catalog::parse(Layer::Workspace, path, data);
    let findings = catalog::lint_file(path, data);
    match &parsed {
        Parsed::Prompt(prompt) => {
            assert_eq!(prompt.bytes, data);
            let _ = prompt.reference();
            let _ = catalog::split_ref(&prompt.reference());
        }
        Parsed::Broken(problem) => {
            assert!(problem.findings.iter().any(Finding::is_error));
            assert!(findings.iter().any(Finding::is_error));
        }
        Parsed::Document => assert!(findings.iter().any(Finding::is_error)),
    }
    let lines = String::from_utf8_lossy(data).lines().count() + 1;
    for finding in &findings {
        assert!((1..=lines).contains(&finding.line) && finding.column >= 1, "{finding:?}");
        assert!(!finding.message.is_empty());
    }
    let _ = catalog::render(&findings);
    let fixed = catalog::fix(path, data);
    assert_eq!(catalog::fix(path, &fixed.bytes).bytes, fixed.bytes, "what was put right is right");
});
