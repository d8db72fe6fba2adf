//! Multiples of one point, with which a scalar multiplication is additions only.

use curve25519_dalek::{EdwardsPoint, Scalar};

/// For each byte of a scalar, the multiples of a point that it can stand for: row `i` has 1 to 128 times `2^(8 i) P`. A
/// byte above 128 is taken as negative, with a carry.
///
/// The bytes make up the scalar as an integer, and nothing is reduced by the group order: the result is exact for
/// points with a torsion part too. The time depends on the scalar, so it must not be secret.
#[derive(Debug)]
pub(crate) struct Multiples(Vec<EdwardsPoint>);

const ROWS: usize = 32;
const ROW: usize = 128;

impl Multiples {
    /// The memory that it takes: 640 KiB.
    pub(crate) const BYTES: usize = ROWS * ROW * size_of::<EdwardsPoint>();

    pub(crate) fn new(point: &EdwardsPoint) -> Self {
        let mut points = Vec::with_capacity(ROWS * ROW);
        let mut base = *point;
        for _ in 0..ROWS {
            points.extend(std::iter::successors(Some(base), |multiple| Some(multiple + base)).take(ROW));
            base = points.last().map_or(base, |half| half + half);
        }
        Self(points)
    }

    /// Picks the points of which the first kind less the second adds up to the multiple by `scalar`, which is reduced:
    /// below `2^253`, so that the last byte leaves no carry. Copied out one after the other the points come from
    /// memory together, and no branch hangs on a sign, which nobody could predict.
    pub(crate) fn pick(&self, scalar: &Scalar, picked: &mut [Vec<EdwardsPoint>; 2]) {
        let mut carry = 0;
        for (row, byte) in self.0.chunks_exact(ROW).zip(scalar.as_bytes()) {
            let digit = usize::from(*byte) + carry;
            carry = usize::from(digit > ROW);
            let size = if carry == 1 { 2 * ROW - digit } else { digit };
            if let (Some(point), Some(kind)) = (row.get(size.wrapping_sub(1)), picked.get_mut(carry)) {
                kind.push(*point);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
    use curve25519_dalek::traits::Identity;
    use proptest::prelude::*;

    fn product(table: &Multiples, scalar: &Scalar) -> EdwardsPoint {
        let mut picked = [vec![], vec![]];
        table.pick(scalar, &mut picked);
        let [plus, minus] = picked.map(|points| points.into_iter().sum::<EdwardsPoint>());
        plus - minus
    }

    /// By double and add over the bits of the integer.
    fn slow(point: &EdwardsPoint, scalar: &Scalar) -> EdwardsPoint {
        let bits = (0..256).rev().map(|bit| scalar.as_bytes()[bit / 8] >> (bit % 8) & 1 == 1);
        bits.fold(EdwardsPoint::identity(), |sum, set| {
            let sum = sum + sum;
            if set { sum + point } else { sum }
        })
    }

    #[test]
    fn every_digit_is_taken_at_its_worth() {
        let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2u8)];
        let powers = (0..253).map(|bit| (0..bit).fold(Scalar::ONE, |power, _| power + power));
        let powers: Vec<_> = powers.collect();
        let around = powers.iter().flat_map(|power| [power - Scalar::ONE, *power, power + Scalar::ONE]);
        let mixed = B + EIGHT_TORSION[1];
        let table = Multiples::new(&mixed);
        assert_eq!(table.0.capacity() * size_of::<EdwardsPoint>(), Multiples::BYTES);
        for scalar in edges.into_iter().chain(around) {
            assert_eq!(product(&table, &scalar), slow(&mixed, &scalar), "{scalar:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_product_is_that_of_the_integer(bytes in any::<[u8; 64]>(), of in any::<[u8; 32]>(), torsion in 0..8usize) {
            let scalar = Scalar::from_bytes_mod_order_wide(&bytes);
            let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(of)) + EIGHT_TORSION[torsion];
            prop_assert_eq!(product(&Multiples::new(&point), &scalar), slow(&point, &scalar));
        }
    }
}
