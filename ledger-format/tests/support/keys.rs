//! Public keys and signatures, with the verdict of ed25519-dalek's `verify_strict`.

use super::Vector;
use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE as B, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::SigningKey;
use ledger_format::Class::{BadSignature, WeakKey};
use ledger_format::PublicKey;
use sha2::{Digest as _, Sha512};

/// RFC 8032, section 7.1: secret key, public key, message, signature.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

/// The group order, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The field's p plus a small number, little-endian.
fn p_plus(n: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xed + n, 0x7f);
    bytes
}

/// Public keys that must be refused.
pub fn bad_keys() -> Vec<(String, [u8; 32])> {
    let mut bad: Vec<(String, [u8; 32])> = Vec::new();
    for (order, point) in
        [(1, 0), (8, 1), (4, 2), (8, 3), (2, 4)].map(|(order, at)| (order, EIGHT_TORSION[at]))
    {
        let name = format!("small-order-{order}");
        let name = if bad.iter().any(|(other, _)| *other == name) { name + "-b" } else { name };
        bad.push((name, point.compress().to_bytes()));
    }
    let mut negative_one = bad[0].1;
    negative_one[31] |= 0x80;
    let mut minus = bad[4].1;
    minus[31] |= 0x80;
    bad.push(("sign-of-zero".into(), negative_one));
    bad.push(("sign-of-zero-b".into(), minus));
    bad.push(("p".into(), p_plus(0)));
    bad.push(("p-plus-1".into(), p_plus(1)));
    // y = 3 is on the curve, so only its encoding is wrong.
    bad.push(("p-plus-3".into(), p_plus(3)));
    let mut two = [0; 32];
    two[0] = 2;
    bad.push(("no-point".into(), two));
    bad
}

fn k(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    let hash: [u8; 64] =
        Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize().into();
    Scalar::from_bytes_mod_order_wide(&hash)
}

/// The secret scalar of a seed of one repeated byte.
fn scalar(seed: u8) -> Scalar {
    SigningKey::from_bytes(&[seed; 32]).to_scalar()
}

/// A signature by the textbook, over any A and R that the caller makes up from `secret` and `nonce`.
fn sign(secret: Scalar, nonce: Scalar, r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let s = nonce + k(r, a, message) * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(r);
    signature[32..].copy_from_slice(s.as_bytes());
    signature
}

pub fn add(all: &mut Vec<Vector>) {
    for (index, [secret, public, message, _]) in RFC_8032.iter().enumerate() {
        let secret: [u8; 32] = hex::decode(secret).unwrap().try_into().unwrap();
        assert_eq!(hex::encode(SigningKey::from_bytes(&secret).verifying_key().to_bytes()), *public);
        let what = "a key of RFC 8032";
        all.push(
            Vector::accept("public-key", &format!("rfc8032-{}", index + 1), "KEY-1 KEY-2 KEY-3", what)
                .text("public-key", *public)
                .text(
                    "kid",
                    PublicKey::new(&hex::decode(public).unwrap().try_into().unwrap())
                        .unwrap()
                        .kid()
                        .to_string(),
                ),
        );
        let _ = message;
    }
    for (name, key) in bad_keys() {
        let must = if name.starts_with("small") { "KEY-2" } else { "KEY-1" };
        all.push(
            Vector::reject(WeakKey, "public-key", &name, must, "not a public key").hex("public-key", key),
        );
    }
    signatures(all);
}

fn signatures(all: &mut Vec<Vector>) {
    let mut push = |verdict: Result<(), ledger_format::Class>,
                    name: &str,
                    what: &str,
                    a: &[u8],
                    message: &[u8],
                    signature: &[u8]| {
        let vector = match verdict {
            Ok(()) => Vector::accept("signature", name, "SIG-1", what),
            Err(class) => Vector::reject(class, "signature", name, "SIG-1", what),
        };
        all.push(vector.hex("public-key", a).hex("message", message).hex("signature", signature));
    };
    for (index, [_, public, message, signature]) in RFC_8032.iter().enumerate() {
        let [public, message, signature] = [public, message, signature].map(|hex| hex::decode(hex).unwrap());
        push(
            Ok(()),
            &format!("rfc8032-{}", index + 1),
            "a signature of RFC 8032",
            &public,
            &message,
            &signature,
        );
    }
    let key = SigningKey::from_bytes(&[1; 32]);
    let (secret, nonce) = (scalar(1), scalar(9));
    let a = key.verifying_key().to_bytes();
    let r_point = B * &nonce;
    let r = r_point.compress().to_bytes();
    let message = b"message";
    let good = sign(secret, nonce, &r, &a, message);
    push(Ok(()), "any-nonce", "a nonce that RFC 8032 would not choose", &a, message, &good);
    push(Err(BadSignature), "other-message", "another message", &a, b"massage", &good);
    let mut flipped = good;
    flipped[40] ^= 4;
    push(Err(BadSignature), "flipped-s", "a bit of S is flipped", &a, message, &flipped);
    flipped = good;
    flipped[4] ^= 4;
    push(Err(BadSignature), "flipped-r", "a bit of R is flipped", &a, message, &flipped);
    push(Err(BadSignature), "zero", "all zero", &a, message, &[0; 64]);

    // S is not reduced: the same group element, another encoding.
    let mut carry = 0u16;
    let mut long = good;
    for (byte, add) in long[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    push(Err(BadSignature), "s-plus-l", "S + L instead of S", &a, message, &long);
    for bit in [0x20u8, 0x40, 0x80] {
        let mut high = good;
        high[63] |= bit;
        push(Err(BadSignature), &format!("s-high-{bit:02x}"), "a high bit of S is set", &a, message, &high);
    }

    // R of small order, with the S that fits: the equation holds, and nothing was signed by a nonce.
    for (order, at) in [(1usize, 0usize), (2, 4), (4, 2), (8, 1)] {
        let t = EIGHT_TORSION[at].compress().to_bytes();
        let signature = sign(secret, Scalar::ZERO, &t, &a, message);
        push(
            Err(BadSignature),
            &format!("r-small-order-{order}"),
            "R of small order",
            &a,
            message,
            &signature,
        );
    }
    for (name, r) in [
        ("p-plus-1", p_plus(1)),
        ("sign-of-zero", {
            let mut r = [0; 32];
            r[0] = 1;
            r[31] = 0x80;
            r
        }),
    ] {
        let signature = sign(secret, Scalar::ZERO, &r, &a, message);
        push(
            Err(BadSignature),
            &format!("r-{name}"),
            "R is the neutral point in another encoding",
            &a,
            message,
            &signature,
        );
    }
    let mut no_point = good;
    no_point[..32].copy_from_slice(&{
        let mut two = [0; 32];
        two[0] = 2;
        two
    });
    push(Err(BadSignature), "r-no-point", "R is no point", &a, message, &no_point);

    // R with a torsion component: the equation with the cofactor holds, ours does not.
    for (at, torsion) in EIGHT_TORSION.iter().enumerate().skip(1) {
        let mixed = (r_point + torsion).compress().to_bytes();
        let signature = sign(secret, nonce, &mixed, &a, message);
        push(
            Err(BadSignature),
            &format!("r-mixed-{at}"),
            "R with a torsion component",
            &a,
            message,
            &signature,
        );
    }

    // A of small order: refused as a key, so no signature is looked at.
    let a_small = EIGHT_TORSION[1].compress().to_bytes();
    push(
        Err(WeakKey),
        "a-small-order",
        "A of small order",
        &a_small,
        message,
        &sign(Scalar::ZERO, nonce, &r, &a_small, message),
    );
    push(
        Err(WeakKey),
        "a-and-r-small-order",
        "A and R of small order and S of 0",
        &a_small,
        message,
        &sign(Scalar::ZERO, Scalar::ZERO, &EIGHT_TORSION[0].compress().to_bytes(), &a_small, message),
    );
    push(Err(WeakKey), "a-not-canonical", "A in another encoding", &p_plus(3), message, &good);

    // A with a torsion component: canonical and not weak. S·B − k·A is R − k·T, which is R when the
    // order of T divides k, so the verdict depends on the message.
    for (order, at) in [(2u64, 4usize), (4, 2), (8, 1)] {
        let a_point: EdwardsPoint = B * &secret + EIGHT_TORSION[at];
        let a = a_point.compress().to_bytes();
        let divides = |message: &[u8]| u64::from(k(&r, &a, message).as_bytes()[0]) % order == 0;
        let find = |want: bool| (0u8..=255).map(|n| [n]).find(|m| divides(m) == want).unwrap();
        let (yes, no) = (find(true), find(false));
        push(
            Ok(()),
            &format!("a-mixed-{order}"),
            "A with a torsion component, and a message for which it vanishes",
            &a,
            &yes,
            &sign(secret, nonce, &r, &a, &yes),
        );
        push(
            Err(BadSignature),
            &format!("a-mixed-{order}"),
            "A with a torsion component",
            &a,
            &no,
            &sign(secret, nonce, &r, &a, &no),
        );
        // R with the torsion that cancels: the equation holds byte for byte.
        let wanted = (0u8..=255).map(|n| [n]).find_map(|message| {
            (1..8).find_map(|t| {
                let r = (r_point + EIGHT_TORSION[t]).compress().to_bytes();
                let k = k(&r, &a, &message);
                let signature = sign(secret, nonce, &r, &a, &message);
                let s = nonce + k * secret;
                ((B * &s - k * a_point).compress().to_bytes() == r).then_some((message, signature))
            })
        });
        let (message, signature) = wanted.unwrap();
        push(
            Ok(()),
            &format!("a-and-r-mixed-{order}"),
            "A and R with torsion components that cancel",
            &a,
            &message,
            &signature,
        );
    }
}
