//! Keys and names in text: what is accepted is written again as it was.
#![no_main]

use ledger_format::{Address, Checkpoint, EntryId, Kid, PublicKey, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(raw) = <[u8; 32]>::try_from(data)
        && let Ok(key) = PublicKey::new(&raw)
    {
        assert_eq!(key.to_bytes(), raw);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(vkey) = VerifierKey::parse(text) {
        assert_eq!(vkey.to_string(), text);
        assert!(Checkpoint::open(data, &vkey).is_err());
    }
    if let Ok(key) = promptos::keys::PublicKey::parse(text) {
        assert_eq!(
            promptos::keys::PublicKey::parse(&key.to_openssh()).unwrap().to_openssh(),
            key.to_openssh()
        );
    }
    let bare = |text: &str, prefix: &str| text.strip_prefix(prefix).unwrap_or(text).to_owned();
    if let Ok(kid) = text.parse::<Kid>() {
        assert_eq!(kid.to_string(), text);
    }
    if let Ok(id) = text.parse::<EntryId>() {
        assert_eq!(bare(&id.to_string(), "entry:"), bare(text, "entry:"));
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(bare(&address.to_string(), "blake3:"), bare(text, "blake3:"));
    }
    if let Ok(identity) = ledger_format::identity(text.to_owned()) {
        assert!(!identity.is_empty() && identity == text);
    }
    if let Ok(reference) = ledger_format::reference(text.to_owned()) {
        let (id, version) = ledger_format::split_reference(&reference).unwrap();
        assert_eq!(format!("{id}.v{version}"), text);
    }
});
