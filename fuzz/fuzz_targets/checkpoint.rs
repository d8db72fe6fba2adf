//! A checkpoint that is accepted can be signed and read again; a signature of ours opens only what we signed.
#![no_main]

use ledger_format::{Checkpoint, PublicKey, Signer, VerifierKey};
use libfuzzer_sys::fuzz_target;
use promptos_fuzz::log_key;

fuzz_target!(|data: &[u8]| {
    let _ = promptos::ledger::held_checkpoint(data);
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(checkpoint) = Checkpoint::from_text(text)
    {
        assert!(text.starts_with(&checkpoint.body()));
    }
    let Ok(checkpoint) = Checkpoint::parse(data) else { return };
    assert!(data.starts_with(checkpoint.body().as_bytes()));
    let vkey = VerifierKey {
        name: checkpoint.origin.clone(),
        key: PublicKey::new(&log_key().public_key()).unwrap(),
    };
    assert!(Checkpoint::open(data, &vkey).is_err(), "a forged signature");
    let signed = checkpoint.sign(&log_key()).unwrap();
    if VerifierKey::parse(&vkey.to_string()).is_ok() {
        assert_eq!(Checkpoint::open(&signed, &vkey).unwrap(), checkpoint);
    }
});
