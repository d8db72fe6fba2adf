//! Loosened envelopes, headers that say something else, and encodings that are not the one allowed.

use super::Vector;
use super::raw::{Raw, ada, bytes, enc, kid, map, sorted};
use ciborium::Value;
use ledger_format::Class::{Malformed, NonCanonical};

pub fn add(all: &mut Vec<Vector>) {
    envelopes(all);
    headers(all);
    encodings(all);
}

fn envelopes(all: &mut Vec<Vector>) {
    let base = Raw::erase;
    let mut no = |class, name: &str, must, what: &str, bytes: Vec<u8>| {
        all.push(Vector::reject(class, "statement", name, must, what).hex("statement", bytes));
    };
    let p = || base().pieces();
    no(
        NonCanonical,
        "array-indefinite",
        "CBOR-1",
        "an envelope of indefinite length",
        p().edit(|p| {
            p.array = vec![0x9f];
            p.after = vec![0xff];
        })
        .bytes(),
    );
    no(
        NonCanonical,
        "array-long",
        "CBOR-1",
        "the envelope's length in two bytes",
        p().edit(|p| p.array = vec![0x98, 4]).bytes(),
    );
    no(
        NonCanonical,
        "tag-long",
        "CBOR-1",
        "the tag in two bytes",
        p().edit(|p| p.tag = vec![0xd8, 18]).bytes(),
    );
    no(
        NonCanonical,
        "unprotected-indefinite",
        "CBOR-1",
        "an empty map of indefinite length",
        p().edit(|p| p.unprotected = vec![0xbf, 0xff]).bytes(),
    );
    no(
        NonCanonical,
        "payload-indefinite",
        "CBOR-1",
        "a payload of indefinite length",
        p().edit(|p| {
            p.payload.insert(0, 0x5f);
            p.payload.push(0xff);
        })
        .bytes(),
    );
    no(
        NonCanonical,
        "payload-long",
        "CBOR-1",
        "the payload's length in three bytes",
        p().edit(|p| {
            p.payload[0] = 0x59;
            p.payload.insert(1, 0);
        })
        .bytes(),
    );
    no(NonCanonical, "signature-chunked", "CBOR-1", "a signature in two chunks", {
        let p = p();
        let (a, b) = p.signature[2..].split_at(32);
        let chunked = [&[0x5f, 0x58, 32], a, &[0x58, 32], b, &[0xff]].concat();
        p.edit(|p| p.signature = chunked).bytes()
    });
    no(
        NonCanonical,
        "trailing",
        "CBOR-5",
        "a byte after the envelope",
        p().edit(|p| p.after = vec![0]).bytes(),
    );
    no(Malformed, "empty", "CBOR-6", "no bytes at all", Vec::new());
    let mut cut = base().bytes();
    cut.pop();
    no(Malformed, "cut", "CBOR-6", "the last byte is missing", cut);
    no(Malformed, "untagged", "STMT-2", "no tag", p().edit(|p| p.tag.clear()).bytes());
    no(Malformed, "tag-17", "STMT-2", "another tag (COSE_Mac0)", p().edit(|p| p.tag = vec![0xd1]).bytes());
    no(
        Malformed,
        "tag-twice",
        "STMT-2 CBOR-3",
        "the tag twice",
        p().edit(|p| p.tag = vec![0xd2, 0xd2]).bytes(),
    );
    no(
        Malformed,
        "tag-cwt",
        "STMT-2 CBOR-3",
        "the CWT tag around the tag",
        p().edit(|p| p.tag = vec![0xd8, 61, 0xd2]).bytes(),
    );
    no(
        Malformed,
        "array-of-5",
        "STMT-2",
        "five items",
        p().edit(|p| {
            p.array = vec![0x85];
            p.after = vec![0x40];
        })
        .bytes(),
    );
    no(
        Malformed,
        "array-of-3",
        "STMT-2",
        "three items",
        p().edit(|p| {
            p.array = vec![0x83];
            p.signature.clear();
        })
        .bytes(),
    );
    no(
        Malformed,
        "detached",
        "STMT-2 CBOR-3",
        "a detached payload",
        p().edit(|p| p.payload = vec![0xf6]).bytes(),
    );
    no(
        Malformed,
        "payload-map",
        "STMT-2",
        "a payload that is not wrapped in a byte string",
        p().edit(|p| p.payload.drain(..2).for_each(drop)).bytes(),
    );
    no(
        Malformed,
        "protected-map",
        "STMT-2",
        "a protected header that is not wrapped in a byte string",
        p().edit(|p| p.protected = base().protected()).bytes(),
    );
    no(
        Malformed,
        "protected-empty",
        "STMT-4 CBOR-6",
        "an empty protected header",
        p().edit(|p| p.protected = vec![0x40]).bytes(),
    );
    for length in [63usize, 65] {
        let name = format!("signature-{length}");
        no(
            Malformed,
            &name,
            "STMT-2",
            "a signature of another length",
            p().edit(|p| p.signature = enc(&bytes(vec![7; length]))).bytes(),
        );
    }
    let alg = enc(&sorted(vec![(1.into(), (-8).into())]));
    no(
        Malformed,
        "alg-in-both",
        "STMT-3",
        "the algorithm in both headers",
        p().edit(|p| p.unprotected = alg).bytes(),
    );
    let kid = enc(&sorted(vec![(4.into(), bytes(kid(&ada()).0))]));
    no(
        Malformed,
        "kid-unprotected",
        "STMT-3",
        "a kid in the unprotected header",
        p().edit(|p| p.unprotected = kid).bytes(),
    );
    let mut receipts = vec![0xa1, 0x19, 0x01, 0x8a];
    receipts.push(0x80);
    no(
        Malformed,
        "receipts",
        "STMT-3",
        "receipts (394) in the unprotected header",
        p().edit(|p| p.unprotected = receipts).bytes(),
    );
}

fn headers(all: &mut Vec<Vector>) {
    let mut no = |class, name: &str, must, what: &str, bytes: Vec<u8>| {
        all.push(Vector::reject(class, "statement", name, must, what).hex("statement", bytes));
    };
    let base = Raw::erase;
    // How the header is encoded.
    let header = |bytes: Vec<u8>| base().pieces_with(&bytes).bytes();
    let mut pairs = base().protected_pairs();
    no(
        NonCanonical,
        "header-indefinite",
        "CBOR-1",
        "a header of indefinite length",
        header({
            let mut bytes = base().protected();
            bytes[0] = 0xbf;
            bytes.push(0xff);
            bytes
        }),
    );
    no(
        NonCanonical,
        "header-long-label",
        "CBOR-1",
        "label 1 in two bytes",
        header({
            let mut bytes = base().protected();
            bytes.splice(1..2, [0x18, 1]);
            bytes
        }),
    );
    no(
        NonCanonical,
        "header-trailing",
        "CBOR-5",
        "a byte after the header's map",
        header([base().protected(), vec![0]].concat()),
    );
    pairs.swap(0, 1);
    no(
        NonCanonical,
        "header-unsorted",
        "CBOR-2",
        "labels that do not ascend",
        header(enc(&Value::Map(pairs.clone()))),
    );
    pairs.swap(0, 1);
    pairs.insert(1, pairs[0].clone());
    no(NonCanonical, "header-duplicate", "CBOR-2", "label 1 twice", header(enc(&Value::Map(pairs.clone()))));
    pairs.remove(1);
    pairs.rotate_right(1);
    no(
        NonCanonical,
        "header-by-value",
        "CBOR-2",
        "labels by value instead of by encoded bytes",
        header(enc(&Value::Map(pairs))),
    );
    no(Malformed, "header-array", "STMT-4", "a header that is not a map", header(enc(&Value::Array(vec![]))));

    // Which labels it has.
    for (label, name) in [(1, "alg"), (3, "content-type"), (4, "kid"), (15, "claims"), (-65_537, "head")] {
        let mut pairs = base().protected_pairs();
        pairs.retain(|(key, _)| *key != Value::from(label));
        no(
            Malformed,
            &format!("without-{name}"),
            "STMT-4",
            "a label is missing",
            header(enc(&sorted(pairs))),
        );
    }
    let mut pairs = base().protected_pairs();
    let head = pairs.iter_mut().find(|(key, _)| *key == Value::from(-65_537)).unwrap();
    head.0 = Value::from(-65_538);
    no(Malformed, "other-label", "STMT-4", "the head under another label", header(enc(&sorted(pairs))));
    let crit = (2.into(), Value::Array(vec![Value::from(-65_537)]));
    no(Malformed, "crit", "STMT-4", "label 2 (crit) too", base().edit(|r| r.more.push(crit)).bytes());
    no(
        Malformed,
        "extra-label",
        "STMT-4",
        "an unknown label too",
        base().edit(|r| r.more.push((Value::from(-70_000), true.into()))).bytes(),
    );
    no(
        Malformed,
        "text-label",
        "STMT-4",
        "a text label too",
        base().edit(|r| r.more.push(("x".into(), true.into()))).bytes(),
    );

    // What the labels say.
    let mut say = |name: &str, must, what: &str, raw: Raw| no(Malformed, name, must, what, raw.bytes());
    say("alg-es256", "STMT-5", "algorithm -7 (ES256)", base().edit(|r| r.alg = (-7).into()));
    say("alg-text", "STMT-5", "an algorithm as text", base().edit(|r| r.alg = "EdDSA".into()));
    say(
        "content-type-other",
        "STMT-6",
        "another content type",
        base().edit(|r| r.content_type = "application/cbor".into()),
    );
    say(
        "content-type-number",
        "STMT-6",
        "a content type as a number (CoAP)",
        base().edit(|r| r.content_type = 60.into()),
    );
    say("kid-text", "STMT-7", "a kid as text", base().edit(|r| r.kid = kid(&ada()).to_string().into()));
    say("kid-31", "STMT-7", "a kid of 31 bytes", base().edit(|r| r.kid = bytes([1; 31])));
    say(
        "claims-without-iat",
        "STMT-8",
        "no iat",
        base().edit(|r| {
            r.claims.pop();
        }),
    );
    say("claims-exp-for-iat", "STMT-8", "exp in the place of iat", base().edit(|r| r.claims[2].0 = 4.into()));
    say("claims-exp", "STMT-8", "exp too", base().claim(4, super::raw::TIME));
    say("iat-negative", "STMT-8", "a negative time", base().claim(6, -1));
    say("iat-float", "STMT-8 CBOR-3", "a time as a float", base().claim(6, 1.5));
    say("iat-text", "STMT-8", "a time as text", base().claim(6, "2023-11-14"));
    say("iat-null", "STMT-8 CBOR-3", "no time", base().claim(6, Value::Null));
    say("iss-bytes", "STMT-8", "iss as bytes", base().claim(1, bytes(b"ada")));
    for (name, identity) in [
        ("empty", String::new()),
        ("space-before", " ada".into()),
        ("space-after", "ada\u{a0}".into()),
        ("newline", "ada\nbob".into()),
        ("escape", "ada\u{1b}[2K".into()),
        ("bidi", "ada\u{202e}bob".into()),
        ("zero-width", "ada\u{200b}".into()),
        ("line-separator", "ada\u{2028}bob".into()),
        ("long", format!("{}x", "é".repeat(64))),
    ] {
        say(&format!("iss-{name}"), "STMT-9", "iss is not an identity", base().claim(1, identity));
    }
    for (name, subject) in [
        ("no-slash", "erase".into()),
        ("no-kind", "/name".into()),
        ("no-name", "thing/".into()),
        ("upper-case", "Thing/one".into()),
        ("digit-first", "1thing/one".into()),
        ("dash-first", "-thing/one".into()),
        ("space", "thing/one two".into()),
        ("not-ascii", "thing/één".into()),
        ("control", "thing/one\u{7f}".into()),
        ("kind-33", format!("{}/n", "k".repeat(33))),
        ("name-257", format!("thing/{}", "n".repeat(257))),
    ] {
        let body = map(vec![("v", 1.into())]);
        say(
            &format!("sub-{name}"),
            "STMT-10",
            "sub is not <kind>/<name>",
            Raw::new("x/y", &body).claim(2, subject),
        );
    }
    let root = bytes([5; 32]);
    for (name, head) in [
        ("negative", Value::Array(vec![(-1).into(), root.clone()])),
        ("short-root", Value::Array(vec![1.into(), bytes([5; 31])])),
        ("text-root", Value::Array(vec![1.into(), "5".repeat(32).into()])),
        ("three", Value::Array(vec![1.into(), root.clone(), 0.into()])),
        ("one", Value::Array(vec![1.into()])),
        ("map", map(vec![("size", 1.into()), ("root", root)])),
    ] {
        say(
            &format!("head-{name}"),
            "STMT-11",
            "the head is not [size, root]",
            base().edit(|r| r.head = head),
        );
    }
}

/// How the body is encoded. An open kind shows that the rules hold for what is not understood too.
fn encodings(all: &mut Vec<Vector>) {
    let body = |bytes: Vec<u8>| Raw::new("thing/one", &map(vec![])).edit(|r| r.payload = bytes).bytes();
    let v = (Value::from("v"), Value::from(1));
    let of = |pairs: Vec<(Value, Value)>| enc(&Value::Map([vec![v.clone()], pairs].concat()));
    let x = |value: Value| of(vec![("zz".into(), value)]);
    let plain = enc(&map(vec![("v", 1.into())]));
    let mut no = |class, name: &str, must, what: &str, payload: Vec<u8>| {
        all.push(Vector::reject(class, "statement", name, must, what).hex("statement", body(payload)));
    };
    no(
        NonCanonical,
        "body-indefinite",
        "CBOR-1",
        "a body of indefinite length",
        [&[0xbf], &plain[1..], &[0xff]].concat(),
    );
    no(NonCanonical, "body-long-integer", "CBOR-1", "v in two bytes", [&plain[..3], &[0x18, 1]].concat());
    no(
        NonCanonical,
        "body-long-key",
        "CBOR-1",
        "the length of a key in two bytes",
        [&[0xa1, 0x78], &plain[1..2].iter().map(|_| 1).collect::<Vec<u8>>()[..], &plain[2..]].concat(),
    );
    no(
        NonCanonical,
        "body-indefinite-text",
        "CBOR-1",
        "a text of indefinite length",
        [&[0xa2], &plain[1..], &[0x62, b'z', b'z', 0x7f, 0x61, b'a', 0xff]].concat(),
    );
    no(
        NonCanonical,
        "body-bignum-small",
        "CBOR-1",
        "a small integer as a bignum",
        [&[0xa2], &plain[1..], &[0x62, b'z', b'z', 0xc2, 0x41, 5]].concat(),
    );
    no(NonCanonical, "body-trailing", "CBOR-5", "a byte after the body", [&plain[..], &[0]].concat());
    no(
        NonCanonical,
        "body-unsorted",
        "CBOR-2",
        "keys that do not ascend",
        enc(&Value::Map(vec![v.clone(), ("a".into(), 1.into())])),
    );
    no(
        NonCanonical,
        "body-sorted-as-text",
        "CBOR-2",
        "keys sorted as text, where the shorter one comes first",
        enc(&Value::Map(vec![("aa".into(), 1.into()), v.clone()])),
    );
    no(NonCanonical, "body-duplicate", "CBOR-2", "a key twice", enc(&Value::Map(vec![v.clone(), v.clone()])));
    no(
        NonCanonical,
        "body-unsorted-inside",
        "CBOR-2",
        "keys inside that do not ascend",
        x(Value::Map(vec![(2.into(), 0.into()), (1.into(), 0.into())])),
    );
    no(Malformed, "body-float", "CBOR-3", "a float", x(1.5.into()));
    no(Malformed, "body-nan", "CBOR-3", "not a number", x(f64::NAN.into()));
    no(Malformed, "body-null", "CBOR-3", "null", x(Value::Null));
    no(
        Malformed,
        "body-undefined",
        "CBOR-3",
        "undefined",
        [&[0xa2], &plain[1..], &[0x62, b'z', b'z', 0xf7]].concat(),
    );
    no(
        Malformed,
        "body-simple",
        "CBOR-3 CBOR-6",
        "a simple value",
        [&[0xa2], &plain[1..], &[0x62, b'z', b'z', 0xe5]].concat(),
    );
    no(Malformed, "body-tag", "CBOR-3", "a tag", x(Value::Tag(0, Box::new("2023-11-14".into()))));
    no(
        Malformed,
        "body-tag-18",
        "CBOR-3",
        "the envelope's tag inside",
        x(Value::Tag(18, Box::new(0.into()))),
    );
    no(
        Malformed,
        "body-tagged",
        "CBOR-3",
        "a tag around the body",
        enc(&Value::Tag(18, Box::new(map(vec![("v", 1.into())])))),
    );
    no(Malformed, "body-bignum", "CBOR-3", "a bignum", x(Value::Tag(2, Box::new(bytes([1; 9])))));
    no(Malformed, "body-bytes-key", "CBOR-4", "a key of bytes", x(Value::Map(vec![(bytes(b"a"), 0.into())])));
    no(
        Malformed,
        "body-boolean-key",
        "CBOR-4",
        "a boolean key",
        x(Value::Map(vec![(true.into(), 0.into())])),
    );
    no(
        Malformed,
        "body-not-utf8",
        "CBOR-6",
        "text that is not UTF-8",
        [&[0xa2], &plain[1..], &[0x62, b'z', b'z', 0x61, 0xff]].concat(),
    );
    no(Malformed, "body-cut", "CBOR-6", "a body that is cut short", plain[..plain.len() - 1].to_vec());
    no(Malformed, "body-empty", "CBOR-6", "an empty payload", Vec::new());
    no(
        Malformed,
        "body-depth-17",
        "CBOR-6 LIMIT-1",
        "arrays and maps 17 deep",
        x((0..16).fold(Value::from(0), |inner, _| Value::Array(vec![inner]))),
    );
    no(Malformed, "body-array", "BODY-1", "a body that is not a map", enc(&Value::Array(vec![1.into()])));
    no(
        Malformed,
        "body-integer-key",
        "BODY-1",
        "a body with an integer key",
        enc(&Value::Map(vec![(1.into(), 0.into()), v.clone()])),
    );
    no(Malformed, "body-without-v", "BODY-1", "no v", enc(&map(vec![])));
    no(Malformed, "body-v-text", "BODY-1", "v as text", enc(&map(vec![("v", "1".into())])));
    no(Malformed, "body-v-negative", "BODY-1", "a negative v", enc(&map(vec![("v", (-1).into())])));
}
