//! Signed checkpoints and verifier keys.

use super::log::{Log, public};
use super::raw::key;
use super::{Vector, keys};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use ledger_format::Class::{BadSignature, Malformed, TooLarge, UnknownKey, Unsupported, WeakKey};
use ledger_format::VerifierKey;
use sha2::{Digest as _, Sha256};

fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!("— {name} {}\n", BASE64.encode([&id, signature].concat()))
}

/// `text`, a blank line, and the line of `key` under `name`.
fn note(text: &str, name: &str, key: &SigningKey) -> String {
    let vkey = VerifierKey { name: name.to_owned(), key: public(key) };
    format!("{text}\n{}", line(name, vkey.id(), &key.sign(text.as_bytes()).to_bytes()))
}

pub fn add(all: &mut Vec<Vector>) {
    let log = Log::new();
    let (origin, log_key) = (log.origin(), key(2));
    let vkey = VerifierKey { name: origin.clone(), key: public(&log_key) };
    let good = String::from_utf8(log.checkpoint()).unwrap();
    let text = &good[..good.find("\n\n").unwrap() + 1];
    let signed = |text: &str| note(text, &origin, &log_key);
    let other = line("witness.example", [1, 2, 3, 4], &[9; 72]);
    let root = BASE64.encode(log.head().root);

    let mut yes = |name: &str, must, what: &str, note: &str| {
        let vector =
            Vector::accept("checkpoint", name, must, what).text("note", note).text("vkey", vkey.to_string());
        all.push(vector.text("origin", &origin).number("size", 1).hex("root", log.head().root));
    };
    yes("", "NOTE-1 NOTE-3 NOTE-5 NOTE-6", "a checkpoint", &good);
    yes(
        "cosigned",
        "NOTE-3",
        "lines of other keys are ignored, before and after",
        &format!("{text}\n{other}{}{other}", &good[text.len() + 1..]),
    );
    yes("many-signatures", "NOTE-1", "forty lines", &format!("{good}{}", other.repeat(39)));
    let same_name = line(&origin, [1, 2, 3, 4], &[9; 64]);
    yes(
        "same-name-other-id",
        "NOTE-3",
        "a line of the same name and another key id is another key's",
        &format!("{good}{same_name}"),
    );
    let other_name = line("example.org", vkey.id(), &[9; 64]);
    yes(
        "same-id-other-name",
        "NOTE-3",
        "a line of the same key id and another name is another key's",
        &format!("{good}{other_name}"),
    );
    yes("extension", "NOTE-5", "an extension line", &signed(&format!("{text}extension\n")));
    let padded = |n: usize| {
        let empty = signed(&format!("{text}\n").replace("\n\n", "\n")).len();
        signed(&format!("{text}{}\n", "x".repeat(n - empty - 1)))
    };
    assert_eq!(padded(65_536).len(), 65_536);
    yes("largest", "NOTE-1 LIMIT-1", "a note of 65,536 bytes", &padded(65_536));

    let mut no = |class, name: &str, must, what: &str, note: &str| {
        all.push(
            Vector::reject(class, "checkpoint", name, must, what)
                .text("note", note)
                .text("vkey", vkey.to_string()),
        );
    };
    no(TooLarge, "too-large", "NOTE-1 LIMIT-1", "a note of 65,537 bytes", &padded(65_537));
    no(Malformed, "empty", "NOTE-1", "nothing", "");
    no(Malformed, "unsigned", "NOTE-1", "the three lines alone", text);
    no(Malformed, "no-line", "NOTE-1", "a blank line and no signature", &format!("{text}\n"));
    no(Malformed, "no-blank-line", "NOTE-1", "no blank line", &good.replacen("\n\n", "\n", 1));
    no(Malformed, "cut", "NOTE-1", "the last line does not end", good.trim_end());
    no(Malformed, "crlf", "NOTE-1", "lines that end with CR LF", &good.replace('\n', "\r\n"));
    no(Malformed, "tab", "NOTE-1", "a tab", &signed(&format!("{text}a\tb\n")));
    no(Malformed, "hyphen", "NOTE-1", "a hyphen in place of the dash", &good.replace('—', "-"));
    no(Malformed, "not-base64", "NOTE-1", "a signature that is not base64", &good.replace('=', "*"));
    no(Malformed, "no-signature", "NOTE-1", "a line with a key id alone", &format!("{good}— x AQIDBA==\n"));
    no(Malformed, "text-after", "NOTE-1", "text after the signatures", &format!("{good}more\n"));
    no(
        Malformed,
        "name-plus",
        "NOTE-2",
        "a name with a plus",
        &format!("{good}{}", line("a+b", [1; 4], &[9; 64])),
    );
    no(Malformed, "name-empty", "NOTE-2", "an empty name", &format!("{good}{}", line("", [1; 4], &[9; 64])));
    no(
        Malformed,
        "name-space",
        "NOTE-2",
        "a name with a no-break space",
        &format!("{good}{}", line("a\u{a0}b", [1; 4], &[9; 64])),
    );
    no(BadSignature, "tampered-size", "NOTE-3", "another size", &good.replacen("\n1\n", "\n2\n", 1));
    let changed = BASE64.encode([3; 32]);
    no(BadSignature, "tampered-root", "NOTE-3", "another root", &good.replacen(&root, &changed, 1));
    let short = line(&origin, vkey.id(), &[9; 63]);
    no(BadSignature, "short-signature", "NOTE-3", "a signature of 63 bytes", &format!("{text}\n{short}"));
    let second = line(&origin, vkey.id(), &[9; 64]);
    no(
        BadSignature,
        "good-and-bad",
        "NOTE-3",
        "a good line of the key and then a bad one",
        &format!("{good}{second}"),
    );
    let without_newline = line(&origin, vkey.id(), &log_key.sign(text.trim_end().as_bytes()).to_bytes());
    no(
        BadSignature,
        "signed-without-newline",
        "NOTE-3",
        "a signature over the text without its last line feed",
        &format!("{text}\n{without_newline}"),
    );
    no(UnknownKey, "other-key", "NOTE-3", "signed by another key", &note(text, &origin, &key(7)));
    no(
        UnknownKey,
        "other-name",
        "NOTE-3 NOTE-6",
        "signed under another name",
        &note(text, "example.org", &log_key),
    );
    no(UnknownKey, "other-origin", "NOTE-6", "a checkpoint of another ledger by the same key", &{
        let origin = format!("example/{}", "00".repeat(32));
        note(&format!("{origin}\n1\n{root}\n"), &origin, &log_key)
    });
    no(
        UnknownKey,
        "origin-of-another",
        "NOTE-6",
        "a good signature of the name under another ledger's origin",
        &signed(&format!("example/{}\n1\n{root}\n", "00".repeat(32))),
    );
    for (name, what, bad) in [
        ("no-origin", "no origin", format!("\n1\n{root}\n")),
        ("size-zeros", "a size with a leading zero", format!("{origin}\n01\n{root}\n")),
        ("size-sign", "a size with a sign", format!("{origin}\n+1\n{root}\n")),
        ("size-hex", "a size in hex", format!("{origin}\n0x1\n{root}\n")),
        ("size-huge", "a size of more than 64 bits", format!("{origin}\n18446744073709551616\n{root}\n")),
        ("root-hex", "a root in hex", format!("{origin}\n1\n{}\n", hex::encode(log.head().root))),
        ("root-short", "a root of 31 bytes", format!("{origin}\n1\n{}\n", BASE64.encode([1; 31]))),
        ("root-unpadded", "a root without padding", format!("{origin}\n1\n{}\n", root.trim_end_matches('='))),
        ("two-lines", "no root", format!("{origin}\n1\n")),
        ("empty-extension", "an empty extension line", format!("{text}\nextension\n")),
    ] {
        no(Malformed, name, "NOTE-5", what, &signed(&bad));
    }
    vkeys(all, &vkey);
}

/// A vkey of any type and any key.
pub fn vkey(name: &str, kind: u8, raw: &[u8]) -> String {
    let data = [&[kind], raw].concat();
    let hash: [u8; 32] =
        Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&data).finalize().into();
    format!("{name}+{}+{}", hex::encode(&hash[..4]), BASE64.encode(data))
}

fn vkeys(all: &mut Vec<Vector>, vkey: &VerifierKey) {
    let text = vkey.to_string();
    let of = self::vkey;
    let raw = vkey.key.to_bytes();
    assert_eq!(of(&vkey.name, 1, &raw), text);
    // A key whose base64 has a plus, which is no separator.
    let plus = (0..=255u8)
        .map(|seed| of("example.org", 1, &key(seed).verifying_key().to_bytes()))
        .find(|v| v.matches('+').count() > 2);
    all.push(
        Vector::accept("vkey", "", "NOTE-4", "the vkey of a ledger")
            .text("vkey", &text)
            .hex("public-key", raw),
    );
    let plus = plus.unwrap();
    let public = VerifierKey::parse(&plus).unwrap().key.to_bytes();
    all.push(
        Vector::accept("vkey", "plus", "NOTE-4", "base64 with a plus")
            .text("vkey", plus)
            .hex("public-key", public),
    );
    let (name, rest) = text.split_once('+').unwrap();
    for (class, file, what, bad) in [
        (Malformed, "no-parts", "one part", "example.org".to_owned()),
        (Malformed, "two-parts", "two parts", format!("{name}+{}", &rest[..8])),
        (Malformed, "no-name", "no name", format!("+{rest}")),
        (Malformed, "name-space", "a name with a space", of("a b", 1, &raw)),
        (Malformed, "other-name", "the key id of another name", format!("x{text}")),
        (Malformed, "other-id", "another key id", format!("{name}+00000000+{}", &rest[9..])),
        (
            Malformed,
            "upper-case-id",
            "a key id in upper case",
            format!("{name}+{}{}", rest[..8].to_uppercase(), &rest[8..]),
        ),
        (Malformed, "not-base64", "a key that is not base64", format!("{text}*")),
        (Malformed, "empty-key", "an empty key", format!("{name}+{}+", &rest[..8])),
        (Malformed, "short-key", "a key of 31 bytes", of(name, 1, &raw[..31])),
        (Unsupported, "cosignature", "the type of a cosignature", of(name, 4, &raw)),
        (Unsupported, "ml-dsa", "the type of ML-DSA-44", of(name, 6, &[1; 32])),
        (WeakKey, "weak", "a key of small order", of(name, 1, &keys::bad_keys()[1].1)),
        (WeakKey, "not-canonical", "a key in another encoding", of(name, 1, &keys::bad_keys()[9].1)),
    ] {
        all.push(Vector::reject(class, "vkey", file, "NOTE-4", what).text("vkey", bad));
    }
}
