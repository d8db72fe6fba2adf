//! Any workflow is checked: it is a workflow or there is an error, every finding points into it, and its lock is read
//! back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use promptos::catalog::Catalog;
use promptos::workflow::{Against, Lock, Policy, RULES, check};
use std::path::Path;
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let catalog = CATALOG.get_or_init(|| Catalog::load(&[], true).unwrap());
    let (path, policy) = (Path::new("w.yaml"), Policy::default());
    let report = check(path, data, &Against { catalog, policy: &policy, bound: &|_| Ok(None) }).unwrap();
    assert!(report.has_errors() || report.workflow_id.is_some());
    let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
    for finding in &report.findings {
        assert!((1..=lines).contains(&finding.line) && finding.column >= 1, "{finding:?}");
        assert!(RULES.iter().any(|rule| rule.code == finding.code), "{finding:?}");
    }
    let lock = Lock::of(&report);
    assert_eq!(Lock::parse(path, lock.to_string().as_bytes()).unwrap(), lock);
    // The same bytes as a lock: refused, or read and written alike.
    if let Ok(lock) = Lock::parse(path, data) {
        assert_eq!(lock.to_string(), String::from_utf8_lossy(data).replace("\r\n", "\n"));
    }
});
