//! Evidence that is accepted is the only way to write what it holds, and holds what it says.
#![no_main]

use ledger_format::Address;
use ledger_format::evidence::{self, Evidence};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = promptos::ledger::held_checkpoint(data);
    let Ok(evidence) = Evidence::open(data) else { return };
    assert!(evidence.blobs.iter().all(|(address, bytes)| Address::of(bytes) == *address));
    assert!(evidence.subject.proof.index < evidence.checkpoint.head.size);
    let _ = evidence.key(&evidence.subject.statement.kid);
    let blobs: Vec<&[u8]> = evidence.blobs.values().map(Vec::as_slice).collect();
    let again = evidence::pack(&evidence.subject, &evidence.entries, &blobs);
    if evidence.unexpected.is_empty() {
        assert_eq!(again, data);
    }
    let _ = promptos::session::check_session_file("prompt_session.json".as_ref(), b"{}", &evidence);
});
