//! Many signatures, each judged alone and exactly as `verify_strict` does.
//!
//! `verify_strict` accepts (R, s) when s is below the group order, neither R nor the key A is of small order, and
//! `sB - kA`, encoded, is R byte for byte, where k is the hash of R, A and the message. An encoding that is computed is
//! canonical and of a point of the curve, so that R, which equals it, need not be decoded. What is shared between
//! signatures is tables of multiples and one inversion, never an equation: no verdict depends on another signature.
//!
//! Everything here is public, so time and memory access may depend on it.

use crate::key::PublicKey;
use crate::multiples::{Multiples, Width};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::Identity;
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha512};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

/// A signature that is still to be checked: see [`crate::Auditor::push_deferring`].
#[derive(Debug, Clone)]
pub struct Check {
    /// The key that is said to have signed.
    pub key: PublicKey,
    /// The exact bytes that were signed.
    pub message: Vec<u8>,
    /// The signature (RFC 8032): R and s, 32 bytes each.
    pub signature: [u8; 64],
}

/// Checks signatures. Keys that it meets often get tables, with which a check takes less than half of what
/// `verify_strict` does, and those that it meets very often larger ones; one verifier serves all threads.
pub struct Verifier {
    /// Of the base point: for keys with a table, and for those with a wide one.
    base: [OnceLock<Multiples>; 2],
    hot: Mutex<Hot>,
}

struct Hot {
    /// How many bytes more tables may take.
    room: usize,
    /// The keys' tables, and how often they were used.
    tables: HashMap<[u8; 32], (Arc<Multiples>, u32)>,
    /// How often keys without a table were met, by [`slot`].
    met: Vec<u8>,
}

/// A key that was met so often gets a table, while there is room; it costs as much as twenty checks. Tables stay:
/// however many keys take turns, none is made twice.
const OFTEN: u8 = 32;
/// A table that was used so often gives way to a wide one, while there is room; that costs as much as 2,500 times what it
/// saves in a check.
const VERY_OFTEN: u32 = if cfg!(test) { 64 } else { 4096 };
/// Signatures that share an inversion.
const TOGETHER: usize = 256;

/// What keys are counted under. Two that share a number are counted as one, and may get a table early.
fn slot(key: &[u8; 32]) -> usize {
    let [low, high, ..] = *key;
    usize::from(u16::from_le_bytes([low, high]))
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new(Self::TABLE_BYTES)
    }
}

impl Verifier {
    /// The memory for tables by default: 16 MiB, for 18 keys.
    pub const TABLE_BYTES: usize = 16 << 20;

    /// A verifier that keeps at most `table_bytes` bytes of tables; 0 for none.
    #[must_use]
    pub fn new(table_bytes: usize) -> Self {
        let room = table_bytes.saturating_sub(Width::Eight.bytes() + Width::Eleven.bytes());
        let hot = Hot { room, tables: HashMap::new(), met: vec![0; slot(&[u8::MAX; 32]) + 1] };
        Self { base: Default::default(), hot: Mutex::new(hot) }
    }

    /// The index of the first signature that does not hold: the first that [`PublicKey::verify`] refuses.
    #[must_use]
    pub fn first_bad(&self, checks: &[Check]) -> Option<usize> {
        let parts = checks.chunks(TOGETHER).enumerate();
        parts.filter_map(|(part, checks)| Some(part * TOGETHER + self.first_bad_of(checks)?)).next()
    }

    /// A program that is built for size must not take this into a function of its own, and build it so too.
    #[inline(never)]
    fn first_bad_of(&self, checks: &[Check]) -> Option<usize> {
        let tables = self.tables(checks);
        let mut picked = [Vec::with_capacity(64), Vec::with_capacity(64)]; // used again and again
        let points =
            checks.iter().zip(tables).map(|(check, table)| self.point(check, table.as_deref(), &mut picked));
        let encoded = EdwardsPoint::compress_batch_alloc(&points.collect::<Vec<_>>());
        checks.iter().zip(encoded).position(|(check, encoded)| {
            !check.signature.starts_with(encoded.as_bytes()) || SMALL_ORDER.contains(&encoded)
        })
    }

    /// The tables of the checks' keys. Making one holds up the other threads, which would want it next.
    fn tables(&self, checks: &[Check]) -> Vec<Option<Arc<Multiples>>> {
        let mut hot = self.hot.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().map(|check| hot.table(&check.key)).collect()
    }

    /// `sB - kA`: what R must be. When s is too large it is the identity, which no R may be. `picked` is room for the
    /// points of tables.
    fn point(
        &self,
        check: &Check,
        table: Option<&Multiples>,
        picked: &mut [Vec<EdwardsPoint>; 2],
    ) -> EdwardsPoint {
        let (r, s) = check.signature.split_at(32);
        let s = s.try_into().ok().and_then(|s| Scalar::from_canonical_bytes(s).into_option());
        let Some(s) = s else { return EdwardsPoint::identity() };
        let hash = Sha512::new().chain_update(r).chain_update(check.key.to_bytes());
        let hash = hash.chain_update(&check.message).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        let Some(table) = table else {
            let minus_a = -check.key.point();
            return EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &minus_a, &s);
        };
        let [narrow, wide] = &self.base;
        let base = if table.width() == Width::Eight { narrow } else { wide };
        let base = base.get_or_init(|| Multiples::new(&ED25519_BASEPOINT_POINT, table.width()));
        picked.iter_mut().for_each(Vec::clear);
        base.pick(&s, picked);
        table.pick(&k, picked);
        let [plus, minus] = picked;
        sum(plus) - sum(minus)
    }
}

/// Their sum, without an addition to the identity, which takes as long as any other.
fn sum(points: &[EdwardsPoint]) -> EdwardsPoint {
    points.iter().copied().reduce(|sum, point| sum + point).unwrap_or_default()
}

impl Hot {
    fn table(&mut self, key: &PublicKey) -> Option<Arc<Multiples>> {
        let raw = key.to_bytes();
        if let Some((table, used)) = self.tables.get_mut(&raw) {
            *used = used.saturating_add(1);
            let more = Width::Eleven.bytes() - Width::Eight.bytes();
            if *used == VERY_OFTEN && self.room >= more {
                self.room -= more;
                *table = Arc::new(Multiples::new(&-key.point(), Width::Eleven));
            }
            return Some(table.clone());
        }
        let met = self.met.get_mut(slot(&raw)).filter(|_| self.room >= Width::Eight.bytes())?;
        *met = met.saturating_add(1);
        if *met < OFTEN {
            return None;
        }
        self.room -= Width::Eight.bytes();
        let table = Arc::new(Multiples::new(&-key.point(), Width::Eight));
        self.tables.insert(raw, (table.clone(), 0));
        Some(table)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// The encodings of the eight points of small order.
static SMALL_ORDER: LazyLock<[CompressedEdwardsY; 8]> =
    LazyLock::new(|| EdwardsPoint::compress_batch(&EIGHT_TORSION));

#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
