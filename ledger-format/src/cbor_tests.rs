//! Strictness of the CBOR subset against `ciborium`, which is lenient.

use super::*;
use proptest::prelude::*;

/// Any value of the subset, maps in any order.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        "\\PC{0,30}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = prop_oneof![any::<i64>().prop_map(Value::from), "[a-z]{0,9}".prop_map(Value::Text)];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((key, inner), 0..6).prop_map(|mut pairs| {
                pairs.sort_by_key(|(key, _)| raw(key));
                pairs.dedup_by_key(|(key, _)| raw(key));
                pairs.reverse();
                Value::Map(pairs)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(value in value()) {
        let bytes = encode(value.clone());
        let mut sorted = value;
        sort(&mut sorted);
        prop_assert_eq!(decode(&bytes, "it").unwrap(), sorted);
    }

    #[test]
    fn what_is_accepted_is_the_only_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
        if let Ok(value) = decode(&bytes, "it") {
            prop_assert_eq!(encode(value), bytes);
        }
    }

    /// Near-valid bytes reach further into the decoder than random ones.
    #[test]
    fn a_changed_byte_is_refused_or_another_value(value in value(), at in any::<prop::sample::Index>(), by in 1..=255u8) {
        let good = encode(value);
        let mut bytes = good.clone();
        bytes[at.index(good.len())] ^= by;
        if let Ok(other) = decode(&bytes, "it") {
            prop_assert_eq!(&encode(other.clone()), &bytes);
            prop_assert_ne!(other, decode(&good, "it").unwrap());
        }
    }
}

#[test]
fn loosened_encodings_are_refused_with_their_class() {
    use Class::{Malformed, NonCanonical};
    let table = [
        ("", Malformed, "nothing"),
        ("1800", NonCanonical, "an integer in two bytes that fits in one"),
        ("190001", NonCanonical, "an integer in three bytes"),
        ("1b0000000000000001", NonCanonical, "an integer in nine bytes"),
        ("5801ff", NonCanonical, "a long length of a byte string"),
        ("780161", NonCanonical, "a long length of a text string"),
        ("9801f5", NonCanonical, "a long length of an array"),
        ("b801616100", NonCanonical, "a long length of a map"),
        ("9fff", NonCanonical, "an indefinite array"),
        ("bfff", NonCanonical, "an indefinite map"),
        ("5f4101ff", NonCanonical, "an indefinite byte string"),
        ("7f6161ff", NonCanonical, "an indefinite text string"),
        ("a2616200616100", NonCanonical, "unsorted keys"),
        ("a2616100616100", NonCanonical, "a key twice"),
        ("a262616100616200", NonCanonical, "keys sorted by bytes where the shorter comes first"),
        ("0000", NonCanonical, "bytes after the end"),
        ("c24105", NonCanonical, "a small integer as a bignum"),
        ("c249010000000000000000", Malformed, "a bignum"),
        ("f93c00", Malformed, "a float"),
        ("fb3ff0000000000000", Malformed, "a wide float"),
        ("f97e00", Malformed, "not a number"),
        ("f6", Malformed, "null"),
        ("f7", Malformed, "undefined"),
        ("e0", Malformed, "a simple value"),
        ("c100", Malformed, "a tag"),
        ("81d2a0", Malformed, "tag 18 inside"),
        ("a1f500", Malformed, "a boolean key"),
        ("a1410000", Malformed, "a byte string as key"),
        ("61ff", Malformed, "text that is not UTF-8"),
        ("4201", Malformed, "a byte string that is cut short"),
        ("5bffffffffffffffff", Malformed, "a byte string longer than memory"),
        ("9bffffffffffffffff", Malformed, "an array longer than memory"),
        ("ff", Malformed, "a lone break"),
        ("1c", Malformed, "a reserved length"),
    ];
    for (hex, class, what) in table {
        let failure = decode(&hex::decode(hex).unwrap(), "it").expect_err(what);
        assert_eq!(failure.class, class, "{what}: {failure}");
    }
}

#[test]
fn nesting_is_bounded() {
    for leaf in [Value::from(0), Value::from("a"), bytes(b"a"), Value::from(true)] {
        let array = |depth| (0..depth).fold(leaf.clone(), |inner, _| Value::Array(vec![inner]));
        let map = |depth| (0..depth).fold(leaf.clone(), |inner, _| Value::Map(vec![(0.into(), inner)]));
        for depth in 0..40 {
            assert_eq!(decode(&encode(array(depth)), "it").is_ok(), depth <= MAX_DEPTH, "{depth}");
            assert_eq!(decode(&encode(map(depth)), "it").is_ok(), depth <= MAX_DEPTH, "{depth}");
        }
    }
    assert!(decode(&[0x81; 1_000_000], "it").is_err());
}
