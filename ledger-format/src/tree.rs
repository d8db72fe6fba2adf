//! The Merkle tree of RFC 6962, section 2.1 (SHA-256): roots, inclusion and consistency proofs.

use crate::digest::Hash;
use crate::failure::{Class, Failure};
use sha2::{Digest as _, Sha256};
use std::sync::OnceLock;

/// The hash of a leaf: `SHA-256(0x00 || data)`.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the empty tree: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A tree head: how many leaves, and their root.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// The number of leaves.
    pub size: u64,
    /// The Merkle tree hash over them.
    pub root: Hash,
}

impl Head {
    /// The head of the empty tree.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// `<size> entries, root <hex>`.
impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries, root {}", self.size, hex::encode(self.root))
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Where the hashes of complete subtrees are read: `node(level, index)` covers the leaves
/// `index << level .. (index + 1) << level`. The source need not be trusted: proofs made from wrong
/// hashes do not verify.
pub trait Nodes {
    /// What reading can fail with.
    type Error;
    /// The hash of one complete subtree.
    ///
    /// # Errors
    /// When the hash cannot be read.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the first `size` leaves.
///
/// # Errors
/// What `nodes` fails with.
pub fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(empty_root()) } else { range_hash(nodes, 0, size) }
}

/// The inclusion proof (RFC 6962, 2.1.1) of leaf `index` in the first `size` leaves, sibling of the
/// leaf first. `index` must lie below `size`; otherwise the proof is empty and proves nothing.
///
/// # Errors
/// What `nodes` fails with.
pub fn inclusion_proof<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut start, mut end, mut proof) = (0, size, Vec::new());
    if index >= size {
        return Ok(proof);
    }
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_hash(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The consistency proof (RFC 6962, 2.1.2) from the first `old` leaves to the first `new`. Empty when
/// `old` is 0 or not below `new`.
///
/// # Errors
/// What `nodes` fails with.
pub fn consistency_proof<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut start, mut end, mut proof) = (0, new, Vec::new());
    if old == 0 || old >= new {
        return Ok(proof);
    }
    // `whole` while the old tree is still the complete left part that the verifier knows the root of.
    let mut whole = true;
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_hash(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(nodes, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(range_hash(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that `leaf` is leaf `index` of the tree with this head (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`Class::BadProof`].
pub fn verify_inclusion(leaf: &Hash, index: u64, head: &Head, proof: &[Hash]) -> Result<(), Failure> {
    let bad = |why: &str| Failure::new(Class::BadProof, format!("inclusion proof of leaf {index}: {why}"));
    if index >= head.size {
        return Err(bad("the leaf lies outside the tree"));
    }
    let (mut at, mut last, mut hash) = (index, head.size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(bad("it is too long"));
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(bad("it is too short"));
    }
    if hash != head.root {
        return Err(bad("it leads to another root"));
    }
    Ok(())
}

/// Checks that the tree of `new` extends the tree of `old` (RFC 9162, 2.1.4.2).
///
/// # Errors
/// [`Class::BadProof`].
pub fn verify_consistency(old: &Head, new: &Head, proof: &[Hash]) -> Result<(), Failure> {
    let bad = |why: &str| {
        let detail = format!("consistency proof from size {} to {}: {why}", old.size, new.size);
        Failure::new(Class::BadProof, detail)
    };
    if old.size > new.size {
        return Err(bad("the old tree is the larger one"));
    }
    if old.size == new.size || old.size == 0 {
        let old_right = if old.size == 0 { old.root == empty_root() } else { old.root == new.root };
        return match (proof.is_empty(), old_right) {
            (false, _) => Err(bad("it is too long")),
            (true, false) => Err(bad("the roots differ")),
            (true, true) => Ok(()),
        };
    }
    // A complete old tree is itself the first node of the path.
    let mut path = proof.iter();
    let first = if old.size.is_power_of_two() { Some(&old.root) } else { path.next() };
    let Some(first) = first else { return Err(bad("it is too short")) };
    let (mut at, mut last) = (old.size - 1, new.size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return Err(bad("it is too long"));
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(bad("it is too short"));
    }
    if old_hash != old.root {
        return Err(bad("it does not lead to the old root"));
    }
    if new_hash != new.root {
        return Err(bad("it does not lead to the new root"));
    }
    Ok(())
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first. Enough to
/// append and to compute the root, in O(log n) memory.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
    /// The head, once somebody asked for it: it takes as many hashes as the size has bits.
    head: OnceLock<Head>,
}

impl Frontier {
    /// The frontier of the first `size` leaves.
    ///
    /// # Errors
    /// What `nodes` fails with.
    pub fn read<N: Nodes>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let (mut subtrees, mut start) = (Vec::new(), 0u64);
        for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
            subtrees.push(nodes.node(level, start >> level)?);
            start += 1 << level;
        }
        Ok(Self { size, subtrees, head: OnceLock::new() })
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash and tells each subtree that it completes as `(level, index, hash)`, the
    /// leaf itself first.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(u8, u64, &Hash)) {
        let (mut hash, mut level) = (leaf, 0u8);
        completed(0, self.size, &hash);
        while self.size >> level & 1 == 1 {
            let Some(left) = self.subtrees.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            completed(level, self.size >> level, &hash);
        }
        self.subtrees.push(hash);
        self.size += 1;
        self.head = OnceLock::new();
    }

    /// The head of the tree so far.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.head.get_or_init(|| {
            let root = self.subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
            Head { size: self.size, root: root.unwrap_or_else(empty_root) }
        })
    }
}

/// The largest power of two below `n`, for `n` of at least 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The hash over the leaves `start..end`, where `start` is a multiple of the size of every subtree
/// that the range needs, as in all recursions of RFC 6962.
fn range_hash<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let length = end - start;
    if length.is_power_of_two() {
        let level = length.trailing_zeros() as u8;
        return nodes.node(level, start >> level);
    }
    let middle = start + split(length);
    Ok(node_hash(&range_hash(nodes, start, middle)?, &range_hash(nodes, middle, end)?))
}

/// All leaf hashes of a small tree in memory: for tests, vectors and evidence.
#[derive(Debug, Clone, Default)]
pub struct Leaves(pub Vec<Hash>);

impl Nodes for Leaves {
    type Error = Failure;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Failure> {
        let outside = || Failure::new(Class::BadProof, "a node outside the tree was asked for");
        if level == 0 {
            let at = usize::try_from(index).map_err(|_| outside())?;
            return self.0.get(at).copied().ok_or_else(outside);
        }
        Ok(node_hash(&self.node(level - 1, index * 2)?, &self.node(level - 1, index * 2 + 1)?))
    }
}
