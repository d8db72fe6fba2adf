//! A receipt or transparent statement that is accepted is written again as the same bytes. Nothing that somebody
//! sends is proved to whoever knows our keys alone, and a receipt of ours is read as it was made.
#![no_main]

use ledger_format::tree::{self, Leaves};
use ledger_format::{Head, PublicKey, Receipt, Signer, Transparent, VerifierKey};
use libfuzzer_sys::fuzz_target;
use promptos::envelope::{Envelope, Keys};
use promptos_fuzz::{founder, log_key};

fuzz_target!(|data: &[u8]| {
    let key = |raw: [u8; 32]| PublicKey::new(&raw).unwrap();
    let (ours, log) = (key(founder().public_key()), key(log_key().public_key()));
    for beside in [false, true] {
        let Ok(Some(envelope)) = Envelope::read(data, beside) else { continue };
        let name = match &envelope {
            Envelope::Receipt(receipt) => receipt.origin.clone(),
            Envelope::Transparent(both) => both.receipt.origin.clone(),
            _ => "fuzz".to_owned(),
        };
        let keys = Keys { keys: vec![ours.clone()], logs: vec![VerifierKey { name, key: log.clone() }] };
        assert!(envelope.verify(None, &keys).is_err(), "a forged signature");
    }
    if let Ok(receipt) = Receipt::decode(data) {
        assert_eq!(receipt.bytes(), data);
    }
    let Ok(both) = Transparent::decode(data) else { return };
    assert_eq!(both.to_bytes().unwrap(), data);

    // A receipt of ours for the same statement, in a tree of as many leaves as fit the memory.
    let statement = both.statement;
    let size = 1 + both.receipt.head.size % 40;
    let index = both.receipt.index % size;
    let mut leaves = Leaves((0..size).map(|n| tree::leaf_hash(&n.to_be_bytes())).collect());
    leaves.0[index as usize] = statement.id.0;
    let head = Head { size, root: tree::root(&leaves, size).unwrap() };
    let path = tree::inclusion_proof(&leaves, index, size).unwrap();
    let receipt = Receipt::sign("fuzz", &statement, head, index, &path, &log_key()).unwrap();
    let both = Transparent { statement, receipt };
    assert_eq!(Transparent::decode(&both.to_bytes().unwrap()).unwrap(), both);
});
