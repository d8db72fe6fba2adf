//! Multiples of one point, with which a scalar multiplication is additions only.

use curve25519_dalek::{EdwardsPoint, Scalar};

/// For each digit of `W` bits of a scalar, the multiples of a point that the digit can stand for:
/// row `i` has `1..=2^(W-1)` times `2^(W i) P`. A digit above half is taken as negative, with a carry.
///
/// The digits make up the scalar as an integer, and nothing is reduced by the group order: the result is exact for
/// points with a torsion part too. The time depends on the scalar, so it must not be secret.
#[derive(Debug)]
pub(crate) struct Multiples<const W: usize>(Vec<EdwardsPoint>);

impl<const W: usize> Multiples<W> {
    const HALF: usize = 1 << (W - 1);
    /// Reduced scalars are below `2^253`; the highest row is never left with a carry.
    const ROWS: usize = 254usize.div_ceil(W);
    /// The memory it takes.
    pub(crate) const BYTES: usize = Self::ROWS * Self::HALF * size_of::<EdwardsPoint>();

    pub(crate) fn new(point: &EdwardsPoint) -> Self {
        let mut points = Vec::with_capacity(Self::ROWS * Self::HALF);
        let mut base = *point;
        for _ in 0..Self::ROWS {
            points
                .extend(std::iter::successors(Some(base), |multiple| Some(multiple + base)).take(Self::HALF));
            base = points.last().map_or(base, |half| half + half);
        }
        Self(points)
    }

    /// Adds the multiple by `scalar` to the first of two sums less the second. What is negative is added to the
    /// second: no branch hangs on a sign, which nobody could predict.
    pub(crate) fn add(&self, scalar: &Scalar, sums: &mut [EdwardsPoint; 2]) {
        let mut bytes = scalar.as_bytes().iter();
        let (mut bits, mut held, mut carry) = (0usize, 0, 0);
        for row in self.0.chunks_exact(Self::HALF) {
            while held < W {
                bits |= bytes.next().map_or(0, |&byte| usize::from(byte)) << held;
                held += 8;
            }
            let digit = (bits & (2 * Self::HALF - 1)) + carry;
            (bits, held) = (bits >> W, held - W);
            carry = usize::from(digit > Self::HALF);
            let size = if carry == 1 { 2 * Self::HALF - digit } else { digit };
            if let (Some(point), Some(sum)) = (row.get(size.wrapping_sub(1)), sums.get_mut(carry)) {
                *sum += point;
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

    fn product<const W: usize>(point: &EdwardsPoint, scalar: &Scalar) -> EdwardsPoint {
        let mut sums = [EdwardsPoint::identity(); 2];
        Multiples::<W>::new(point).add(scalar, &mut sums);
        sums[0] - sums[1]
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
        let (six, eight) = (Multiples::<6>::new(&mixed), Multiples::<8>::new(&mixed));
        for scalar in edges.into_iter().chain(around) {
            let (mut by_six, mut by_eight) = ([EdwardsPoint::identity(); 2], [EdwardsPoint::identity(); 2]);
            six.add(&scalar, &mut by_six);
            eight.add(&scalar, &mut by_eight);
            let want = slow(&mixed, &scalar);
            assert_eq!((by_six[0] - by_six[1], by_eight[0] - by_eight[1]), (want, want), "{scalar:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_product_is_that_of_the_integer(bytes in any::<[u8; 64]>(), of in any::<[u8; 32]>(), torsion in 0..8usize) {
            let scalar = Scalar::from_bytes_mod_order_wide(&bytes);
            let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(of)) + EIGHT_TORSION[torsion];
            let want = slow(&point, &scalar);
            prop_assert_eq!(product::<6>(&point, &scalar), want);
            prop_assert_eq!(product::<8>(&point, &scalar), want);
        }
    }
}
