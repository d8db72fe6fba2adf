//! A tlog-proof that is accepted is written again as the same bytes. Proofs of a real tree hold, and no bytes
//! put in their place prove anything else.
#![no_main]

use ledger_format::tree::{self, Head, Leaves};
use ledger_format::{Hash, InclusionProof};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(proof) = InclusionProof::parse(data) {
        assert_eq!(proof.to_bytes(), data);
        let head = Head { size: u64::MAX, root: [1; 32] };
        assert!(proof.verify(&[0; 32], &head).is_err());
    }
    let Some((numbers, hashes)) = data.split_at_checked(16) else { return };
    let hashes: Vec<Hash> = hashes.chunks_exact(32).map(|hash| hash.try_into().unwrap()).collect();
    let number = |at: usize| u64::from_le_bytes(numbers[at..at + 8].try_into().unwrap());

    // Sizes of any magnitude, where nothing can be proved: no hash of these is known.
    let (old, new) = (Head { size: number(0), root: [1; 32] }, Head { size: number(8), root: [2; 32] });
    let proved = tree::verify_consistency(&old, &new, &hashes).is_ok();
    assert!(!proved, "{old} and {new}");
    assert!(tree::verify_inclusion(&[3; 32], number(0), &new, &hashes).is_err());

    // A real tree, and a proof of it in which some hashes were exchanged.
    let size = 1 + number(8) % 40;
    let leaves = Leaves((0..size).map(|n| tree::leaf_hash(&n.to_be_bytes())).collect());
    let head = Head { size, root: tree::root(&leaves, size).unwrap() };
    let index = number(0) % size;
    let exchange = |proof: &[Hash]| -> Vec<Hash> {
        let mut changed = proof.to_vec();
        for (at, hash) in hashes.iter().enumerate() {
            match changed.get_mut(at) {
                Some(there) => *there = *hash,
                None => changed.push(*hash),
            }
        }
        changed
    };
    let path = tree::inclusion_proof(&leaves, index, size).unwrap();
    tree::verify_inclusion(&leaves.0[index as usize], index, &head, &path).unwrap();
    let changed = exchange(&path);
    let proved = tree::verify_inclusion(&leaves.0[index as usize], index, &head, &changed).is_ok();
    assert_eq!(proved, changed == path);
    for other in (0..size).filter(|other| *other != index) {
        assert!(tree::verify_inclusion(&leaves.0[index as usize], other, &head, &changed).is_err());
    }

    let old = Head { size: index, root: tree::root(&leaves, index).unwrap() };
    let path = tree::consistency_proof(&leaves, index, size).unwrap();
    tree::verify_consistency(&old, &head, &path).unwrap();
    let changed = exchange(&path);
    assert_eq!(tree::verify_consistency(&old, &head, &changed).is_ok(), changed == path);
});
