//! The verifier against `verify_strict`, in every way that it takes a signature: alone and among others, with tables
//! and without.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use proptest::prelude::*;

/// The order of the base point, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn strict(check: &Check) -> bool {
    let key = VerifyingKey::from_bytes(&check.key.to_bytes()).unwrap();
    key.verify_strict(&check.message, &Signature::from_bytes(&check.signature)).is_ok()
}

/// What is signed and how; the torsion parts are indexes into the eight points of small order.
#[derive(Debug, Clone)]
struct Plan {
    secret: u8,
    nonce: Option<u8>,
    a_torsion: usize,
    r_torsion: usize,
    message: Vec<u8>,
    fault: Fault,
}

#[derive(Debug, Clone)]
enum Fault {
    None,
    Bit(usize),
    OtherMessage,
    PlusOrder,
    ZeroS,
    /// R as these bytes, with the S that fits them.
    R([u8; 32]),
}

/// Encodings of R that are no canonical encoding of a point of large order.
fn odd_points() -> Vec<[u8; 32]> {
    let mut odd: Vec<_> = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    for small in 0..19 {
        let mut p_plus = [0xff; 32];
        (p_plus[0], p_plus[31]) = (0xed + small, 0x7f);
        let mut plain = [0; 32];
        plain[0] = small;
        odd.extend([p_plus, plain]);
    }
    let other_sign = |mut bytes: [u8; 32]| {
        bytes[31] ^= 0x80;
        bytes
    };
    odd.extend(odd.clone().into_iter().map(other_sign));
    odd
}

fn scalar(seed: u8) -> Scalar {
    SigningKey::from_bytes(&[seed; 32]).to_scalar()
}

impl Plan {
    fn check(&self) -> Check {
        let secret = scalar(self.secret);
        let nonce = self.nonce.map_or(Scalar::ZERO, scalar);
        let a = EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[self.a_torsion];
        let r = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[self.r_torsion]).compress().to_bytes();
        let r = if let Fault::R(r) = self.fault { r } else { r };
        let a = a.compress().to_bytes();
        let hash = Sha512::new().chain_update(r).chain_update(a).chain_update(&self.message).finalize();
        let s = nonce + Scalar::from_bytes_mod_order_wide(&hash.into()) * secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(s.as_bytes());
        let mut message = self.message.clone();
        match self.fault {
            Fault::None | Fault::R(_) => {}
            Fault::Bit(bit) => signature[bit / 8] ^= 1 << (bit % 8),
            Fault::OtherMessage => message.push(0),
            Fault::PlusOrder => {
                let mut carry = 0;
                for (byte, add) in signature[32..].iter_mut().zip(L) {
                    let sum = u16::from(*byte) + u16::from(add) + carry;
                    (*byte, carry) = (sum as u8, sum >> 8);
                }
            }
            Fault::ZeroS => signature[32..].fill(0),
        }
        Check { key: PublicKey::new(&a).unwrap(), message, signature }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        2 => (0..512usize).prop_map(Fault::Bit),
        1 => Just(Fault::OtherMessage),
        1 => Just(Fault::PlusOrder),
        1 => Just(Fault::ZeroS),
        2 => proptest::sample::select(odd_points()).prop_map(Fault::R),
    ];
    // Mostly none; where both have one, they cancel in one message of some.
    let torsion = || prop_oneof![2 => Just(0usize), 1 => 0..8usize];
    let nonce = prop_oneof![5 => any::<u8>().prop_map(Some), 1 => Just(None)];
    let message = proptest::collection::vec(any::<u8>(), 0..40);
    // Few keys, so that one check's table serves others.
    (1..4u8, nonce, torsion(), torsion(), message, fault).prop_map(
        |(secret, nonce, a_torsion, r_torsion, message, fault)| Plan {
            secret,
            nonce,
            a_torsion,
            r_torsion,
            message,
            fault,
        },
    )
}

/// Has a table made for the check's key.
fn heat(verifier: &Verifier, check: &Check) {
    if width(verifier, check).is_none() {
        let _ = verifier.first_bad(&vec![check.clone(); usize::from(OFTEN)]);
        assert_eq!(width(verifier, check), Some(Width::Eight), "no table was made");
    }
}

/// Of the table of the check's key.
fn width(verifier: &Verifier, check: &Check) -> Option<Width> {
    let hot = verifier.hot.lock().unwrap();
    hot.tables.get(&check.key.to_bytes()).map(|(table, _)| table.width())
}

/// The verdict of each check, all given at once, and again without those before it.
fn verdicts(verifier: &Verifier, checks: &[Check]) -> Vec<bool> {
    let (mut good, mut rest) = (Vec::new(), checks);
    while let Some(bad) = verifier.first_bad(rest) {
        good.extend(vec![true; bad]);
        good.push(false);
        rest = &rest[bad + 1..];
    }
    good.extend(vec![true; rest.len()]);
    good
}

fn all_agree(checks: &[Check]) {
    let want: Vec<bool> = checks.iter().map(strict).collect();
    let cold = Verifier::new(0);
    let alone: Vec<_> =
        checks.iter().map(|check| cold.first_bad(std::slice::from_ref(check)).is_none()).collect();
    assert_eq!(alone, want, "alone, without tables");
    assert_eq!(verdicts(&cold, checks), want, "together, without tables");
    let hot = Verifier::default();
    assert_eq!(verdicts(&hot, checks), want, "together, while tables are made");
    for (check, want) in checks.iter().zip(&want) {
        heat(&hot, check);
        assert_eq!(hot.first_bad(std::slice::from_ref(check)).is_none(), *want, "alone, with a table");
    }
    assert_eq!(verdicts(&hot, checks), want, "together, with tables");
    let one = Verifier::default();
    heat(&one, &checks[0]);
    assert_eq!(verdicts(&one, checks), want, "together, one key with a table");
    let _ = one.first_bad(&vec![checks[0].clone(); VERY_OFTEN as usize]);
    assert_eq!(width(&one, &checks[0]), Some(Width::Eleven));
    assert_eq!(one.first_bad(&checks[..1]).is_none(), want[0], "alone, with a wide table");
    assert_eq!(verdicts(&one, checks), want, "together, one key with a wide table");
}

/// So many, or as many as PROPTEST_CASES says.
fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn each_verdict_is_that_of_verify_strict(plans in proptest::collection::vec(plan(), 1..24)) {
        all_agree(&plans.iter().map(Plan::check).collect::<Vec<_>>());
    }
}

/// Every pair of torsion parts, with messages enough that those that can cancel do.
#[test]
fn torsion_parts_count_as_they_do_for_verify_strict() {
    let mut checks = Vec::new();
    for (a_torsion, r_torsion) in (0..8).flat_map(|a| (0..8).map(move |r| (a, r))) {
        for message in 0..8u8 {
            let message = vec![message];
            let plan = Plan { secret: 1, nonce: Some(9), a_torsion, r_torsion, message, fault: Fault::None };
            checks.push(plan.check());
        }
    }
    let good = checks.iter().filter(|check| strict(check)).count();
    assert!((20..400).contains(&good), "{good} of {} hold", checks.len());
    checks.chunks(16).for_each(all_agree);
}

#[test]
fn no_odd_encoding_of_r_is_accepted() {
    let mut checks = Vec::new();
    for (r, a_torsion) in odd_points().into_iter().flat_map(|r| [(r, 0), (r, 1), (r, 4)]) {
        for message in 0..4u8 {
            let message = vec![message];
            checks.push(
                Plan { secret: 1, nonce: None, a_torsion, r_torsion: 0, message, fault: Fault::R(r) }.check(),
            );
        }
    }
    // y of 3 to 18 are points of large order or none, whose discrete logarithm nobody knows.
    assert!(!checks.iter().any(strict));
    checks.chunks(16).for_each(all_agree);
}

#[test]
fn a_bad_signature_is_found_wherever_it_stands() {
    let plan = |message: u32, fault| {
        let message = message.to_be_bytes().to_vec();
        Plan { secret: 1, nonce: Some(7), a_torsion: 0, r_torsion: 0, message, fault }.check()
    };
    let good: Vec<_> = (0..600).map(|message| plan(message, Fault::None)).collect();
    let verifier = Verifier::default();
    assert_eq!(verifier.first_bad(&good), None);
    assert_eq!(verifier.first_bad(&[]), None);
    for at in [0, 1, 31, 32, 255, 256, 257, 511, 512, 599] {
        let mut checks = good.clone();
        checks[at] = plan(0, Fault::OtherMessage);
        assert_eq!(verifier.first_bad(&checks), Some(at));
        checks[599] = plan(0, Fault::OtherMessage);
        assert_eq!(verifier.first_bad(&checks), Some(at), "the first of two");
    }
}

#[test]
fn tables_are_few_and_stay() {
    let check = |secret| {
        let plan =
            Plan { secret, nonce: Some(7), a_torsion: 0, r_torsion: 0, message: vec![], fault: Fault::None };
        plan.check()
    };
    const OF_BASE: usize = Width::Eight.bytes() + Width::Eleven.bytes();
    let room_for = |tables: usize| Verifier::new(OF_BASE + tables * Width::Eight.bytes());
    let tables = |verifier: &Verifier| verifier.hot.lock().unwrap().tables.len();
    let verifier = room_for(2);
    let rare = vec![check(1); usize::from(OFTEN) - 1];
    assert_eq!((verifier.first_bad(&rare), tables(&verifier)), (None, 0));
    for secret in 1..6 {
        let often = vec![check(secret); usize::from(OFTEN)];
        assert_eq!((verifier.first_bad(&often), tables(&verifier)), (None, usize::from(secret).min(2)));
    }
    for none in [Verifier::new(0), Verifier::new(OF_BASE + Width::Eight.bytes() - 1)] {
        assert_eq!((none.first_bad(&vec![check(1); 300]), tables(&none)), (None, 0));
    }
    // There is no room for a wide one in the place of one of eleven, but for one in that of one of six.
    for (verifier, wide) in [(room_for(6), true), (room_for(5), false)] {
        let very_often = vec![check(1); usize::from(OFTEN) + VERY_OFTEN as usize];
        assert_eq!(verifier.first_bad(&very_often), None);
        let expected = if wide { Width::Eleven } else { Width::Eight };
        assert_eq!(width(&verifier, &check(1)), Some(expected));
    }
    let verifier = Verifier::default();
    for secret in 1..=30 {
        assert_eq!(verifier.first_bad(&vec![check(secret); usize::from(OFTEN)]), None);
    }
    assert_eq!(tables(&verifier), 18);
}

#[test]
fn threads_share_a_verifier() {
    let plan = |secret: u8, message: u8, fault| {
        Plan { secret, nonce: Some(7), a_torsion: 0, r_torsion: 0, message: vec![message], fault }.check()
    };
    let good: Vec<_> = (0..200).map(|n| plan(n % 5 + 1, n, Fault::None)).collect();
    let mut bad = good.clone();
    bad[150] = plan(1, 1, Fault::Bit(300));
    let verifier = Verifier::new(8 << 20);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(verifier.first_bad(&good), None));
            scope.spawn(|| assert_eq!(verifier.first_bad(&bad), Some(150)));
        }
    });
}
