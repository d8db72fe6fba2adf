use super::*;
use proptest::prelude::*;

/// RFC 8032 7.1, test 1.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

fn bytes(hex: &str) -> [u8; 32] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

#[test]
fn a_known_key_reads_and_prints() {
    assert_eq!(ed25519_dalek::SigningKey::from_bytes(&bytes(SEED)).public_key(), bytes(KEY));
    let key = PublicKey { key: bytes(KEY), comment: String::new() };
    assert_eq!(key.to_openssh(), LINE);
    for text in [
        LINE.to_owned(),
        format!("{LINE}\n"),
        format!("\r\n# mine\r\n  {LINE}  \r\n"),
        LINE.replace(' ', " \t "),
    ] {
        assert_eq!(PublicKey::parse(&text).unwrap(), key, "{text:?}");
    }
}

#[test]
fn comments_are_kept_and_cannot_move_the_cursor() {
    let parse = |comment: &str| PublicKey::parse(&format!("{LINE} {comment}")).unwrap().comment;
    assert_eq!(parse("  ada  lovelace@example.org "), "ada  lovelace@example.org");
    assert_eq!(parse("\u{1b}[2Jboo"), "\u{fffd}[2Jboo");
}

#[test]
fn what_is_not_one_ed25519_key_is_refused() {
    let body = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    let cases: &[(&str, &str)] = &[
        ("", "no public key"),
        ("# only a comment\n\n", "no public key"),
        ("hello", "not an OpenSSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "not an OpenSSH public key"),
        (&format!("{LINE}\n{LINE}"), "more than one line"),
        (&format!("restrict {LINE}"), "not an OpenSSH public key"),
        ("ssh-ed25519", "damaged"),
        ("ssh-ed25519 AAAA", "damaged"),
        (&format!("ssh-ed25519 {}", &body[..60]), "damaged"),
        (&format!("ssh-ed25519 {body}AAAA"), "damaged"),
        (&format!("ssh-ed25519 {body}===="), "damaged"),
        ("ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAAQC1", "damaged"), // an RSA key inside
        (&format!("ssh-rsa {body}"), "an RSA key (ssh-rsa)"),
        (&format!("rsa-sha2-512 {body}"), "an RSA key"),
        (&format!("ecdsa-sha2-nistp256 {body}"), "an ECDSA key"),
        (&format!("ssh-dss {body}"), "a DSA key"),
        (&format!("ssh-ed448 {body}"), "another type (ssh-ed448)"),
        (&format!("sk-ssh-ed25519@openssh.com {body}"), "a FIDO security key"),
        (&format!("sk-ecdsa-sha2-nistp256@openssh.com {body}"), "a FIDO security key"),
        (&format!("ssh-ed25519-cert-v01@openssh.com {body}"), "an SSH certificate"),
        (&format!("sk-ssh-ed25519-cert-v01@openssh.com {body}"), "an SSH certificate"),
    ];
    for (text, part) in cases {
        let error = PublicKey::parse(text).expect_err(text);
        says(&error, &[part]);
    }
}

/// The points of small order, in every encoding that decodes to one.
const WEAK: [&str; 14] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
];

#[test]
fn weak_keys_are_refused() {
    for hex in WEAK {
        assert!(check_key(&bytes(hex)).is_err(), "{hex}");
        let line = PublicKey { key: bytes(hex), comment: String::new() }.to_openssh();
        assert!(PublicKey::parse(&line).is_err(), "{line}");
    }
    says(&check_key(&bytes(WEAK[10])).unwrap_err(), &["weak"]);
}

#[test]
fn a_key_has_one_encoding() {
    let mut found = 0;
    for small in 2..19u8 {
        // y = small, and the same point written as y + p.
        let mut canonical = [0; 32];
        canonical[0] = small;
        let mut other = [0xff; 32];
        (other[0], other[31]) = (0xed + small, 0x7f);
        if check_key(&canonical).is_ok() {
            says(&check_key(&other).unwrap_err(), &["not canonically encoded"]);
            found += 1;
        } else {
            assert!(check_key(&other).is_err());
        }
    }
    assert!(found > 3, "{found}");
    let mut off = [0; 32];
    off[0] = 2;
    says(&check_key(&off).unwrap_err(), &["not a point"]);
}

#[test]
fn fingerprints_read_back() {
    let text = Kid::of(&bytes(KEY)).to_string();
    assert_eq!(parse_fingerprint(&text).unwrap(), Kid::of(&bytes(KEY)));
    for bad in [
        "SHA256:",
        "SHA256:short",
        &text[..49],
        &format!("{text}="),
        &format!("{text}A"),
        &format!("{text} "),
        &text.to_lowercase(),
        "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "SHA512:AAAA",
        "\u{1b}[2J",
    ] {
        let error = parse_fingerprint(bad).expect_err(bad);
        assert!(seen(&error).contains("ssh-add -l") && !seen(&error).contains('\u{1b}'), "{}", seen(&error));
    }
}

proptest! {
    #[test]
    fn lines_round_trip(seed: [u8; 32], comment in "[!-~]{0,20}( [!-~]{1,20})?") {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed).public_key();
        let public = PublicKey { key, comment: comment.trim().to_owned() };
        prop_assert_eq!(PublicKey::parse(&public.to_openssh()).unwrap(), public.clone());
        prop_assert_eq!(parse_fingerprint(&public.fingerprint()).unwrap(), Kid::of(&key));
    }

    #[test]
    fn any_text_is_read_or_refused(text: String, tail in "[ -~]{0,100}") {
        let _ = PublicKey::parse(&text);
        let _ = PublicKey::parse(&format!("ssh-ed25519 {tail}"));
        let _ = parse_fingerprint(&text);
    }
}
