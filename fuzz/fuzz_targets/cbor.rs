//! Whatever the CBOR readers accept is written again as the same bytes.
#![no_main]

use ledger_format::{Details, Manifest, Statement};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(details) = Details::parse(data) {
        assert_eq!(details.to_bytes(), data);
    }
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.to_bytes(), data);
    }
    if let Ok(statement) = Statement::decode(data.to_vec()) {
        assert_eq!(statement.bytes(), data);
    }
});
