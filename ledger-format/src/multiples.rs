//! Multiples of one point, with which a scalar multiplication is additions only.

use curve25519_dalek::{EdwardsPoint, Scalar};

/// For each digit of a scalar, of so many bits, the multiples of a point that it can stand for: of eight bits, row `i` has
/// 1 to 128 times `2^(8 i) P`. A digit above half is taken as negative, with a carry.
///
/// The digits make up the scalar as an integer, and nothing is reduced by the group order: the result is exact for
/// points with a torsion part too. The time depends on the scalar, so it must not be secret.
#[derive(Debug)]
pub(crate) struct Multiples {
    width: Width,
    points: Vec<EdwardsPoint>,
}

/// How many bits a digit has. More make for fewer additions, and a table that takes longer to be made and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// 32 additions, 640 KiB, some 4,000 additions to be made.
    Eight,
    /// 23 additions, 3.6 MiB, some 24,000 additions to be made.
    Eleven,
}

impl Width {
    const fn bits(self) -> usize {
        match self {
            Self::Eight => 8,
            Self::Eleven => 11,
        }
    }

    /// The multiples in a row.
    const fn row(self) -> usize {
        1 << (self.bits() - 1)
    }

    /// As many as there are digits in the group order, which is `2^252` and a little.
    const fn rows(self) -> usize {
        253_usize.div_ceil(self.bits())
    }

    /// The memory that a table takes.
    pub(crate) const fn bytes(self) -> usize {
        self.rows() * self.row() * size_of::<EdwardsPoint>()
    }
}

impl Multiples {
    pub(crate) fn new(point: &EdwardsPoint, width: Width) -> Self {
        let (rows, row) = (width.rows(), width.row());
        let mut points = Vec::with_capacity(rows * row);
        let mut base = *point;
        for _ in 0..rows {
            points.extend(std::iter::successors(Some(base), |multiple| Some(multiple + base)).take(row));
            base = points.last().map_or(base, |half| half + half);
        }
        Self { width, points }
    }

    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// Picks the points of which the first kind less the second adds up to the multiple by `scalar`, which is reduced:
    /// below the group order, so that its last digit leaves no carry. Copied out one after the other the points come from
    /// memory together, and no branch hangs on a sign, which nobody could predict.
    pub(crate) fn pick(&self, scalar: &Scalar, picked: &mut [Vec<EdwardsPoint>; 2]) {
        let (bits, row) = (self.width.bits(), self.width.row());
        let mut carry = 0;
        for (n, points) in self.points.chunks_exact(row).enumerate() {
            let digit = digit(scalar.as_bytes(), n * bits, bits) + carry;
            carry = usize::from(digit > row);
            let size = if carry == 1 { 2 * row - digit } else { digit };
            if let (Some(point), Some(kind)) = (points.get(size.wrapping_sub(1)), picked.get_mut(carry)) {
                kind.push(*point);
            }
        }
    }
}

/// So many bits of a number, at most 25, from the one at `at` on.
fn digit(number: &[u8; 32], at: usize, bits: usize) -> usize {
    let mut four = [0; 4];
    four.iter_mut().zip(number.iter().skip(at / 8)).for_each(|(to, byte)| *to = *byte);
    u32::from_le_bytes(four) as usize >> (at % 8) & ((1 << bits) - 1)
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
        let tables = [Width::Eight, Width::Eleven].map(|width| Multiples::new(&mixed, width));
        for table in &tables {
            assert_eq!(table.points.capacity() * size_of::<EdwardsPoint>(), table.width().bytes());
        }
        for scalar in edges.into_iter().chain(around) {
            let expected = slow(&mixed, &scalar);
            assert!(tables.iter().all(|table| product(table, &scalar) == expected), "{scalar:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_product_is_that_of_the_integer(bytes in any::<[u8; 64]>(), of in any::<[u8; 32]>(), torsion in 0..8usize) {
            let scalar = Scalar::from_bytes_mod_order_wide(&bytes);
            let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(of)) + EIGHT_TORSION[torsion];
            for width in [Width::Eight, Width::Eleven] {
                prop_assert_eq!(product(&Multiples::new(&point, width), &scalar), slow(&point, &scalar));
            }
        }
    }
}
