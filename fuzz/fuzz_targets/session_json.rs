//! Session files, old and new: one that passes for a session's says what the session says, and nothing else.
#![no_main]

use ledger_format::evidence::Evidence;
use libfuzzer_sys::fuzz_target;
use promptos::session::{check_session_file, parse_old_log};
use promptos_fuzz::Sample;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::LazyLock;

static SAMPLE: LazyLock<(Evidence, Map<String, Value>)> = LazyLock::new(|| {
    let sample = Sample::make();
    (Evidence::open(&sample.evidence).unwrap(), serde_json::from_slice(&sample.session).unwrap())
});

fuzz_target!(|data: &[u8]| {
    let path = Path::new("session.json");
    if let Ok(log) = parse_old_log(path, data.to_vec()) {
        assert!(!log.prompts.is_empty());
        let parsed: Value = serde_json::from_slice(data).unwrap();
        assert_eq!(log.checked.len(), if parsed.get("artifact_hash").is_some() { 2 } else { 0 });
    }
    let (evidence, session) = &*SAMPLE;
    if check_session_file(path, data, evidence).is_ok() {
        let said: Map<String, Value> = serde_json::from_slice(data).unwrap();
        // The old schema has the two hashes besides, and no ledger.
        for (name, value) in &said {
            assert!(name.ends_with("_hash") || session.get(name) == Some(value), "{name}");
        }
        assert!(session.keys().all(|name| said.contains_key(name) || said.contains_key("artifact_hash")));
    }
});
