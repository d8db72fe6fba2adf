//! Strictness of the CBOR subset against `ciborium`, which is lenient.

use super::refusal::{self, raw};
use super::*;
use crate::failure::Class;
use ciborium::Value;
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

/// Bytes as another encoder could write them: heads wider than needed, indefinite lengths, and what the format has no
/// use for. Mostly it is all right.
fn loose() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = || proptest::collection::vec(any::<u8>(), 0..30);
    let leaf = prop_oneof![
        4 => (0..2u8, any::<u64>(), 0..64u32, wide()).prop_map(|(major, n, less, wide)| head(major, n >> less, wide)),
        3 => (any_bytes(), wide()).prop_map(|(bytes, wide)| [head(2, bytes.len() as u64, wide), bytes].concat()),
        3 => ("\\PC{0,12}", wide()).prop_map(|(text, wide)| [head(3, text.len() as u64, wide), text.into()].concat()),
        1 => any_bytes().prop_map(|bytes| [head(3, bytes.len() as u64, 0), bytes].concat()),
        2 => prop_oneof![Just(vec![0xf4u8]), Just(vec![0xf5])],
        1 => any::<u8>().prop_map(|low| vec![0xe0 | low]),
        1 => any::<u16>().prop_map(|bits| [vec![0xf9], bits.to_be_bytes().to_vec()].concat()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..6);
        let pairs = proptest::collection::btree_map(inner.clone(), inner.clone(), 0..5);
        let indefinite = |major: u8, items: Vec<Vec<u8>>| [vec![major << 5 | 31], items.concat(), vec![0xff]].concat();
        prop_oneof![
            4 => (items.clone(), wide()).prop_map(|(items, wide)| [head(4, items.len() as u64, wide), items.concat()].concat()),
            4 => (pairs, wide()).prop_map(|(pairs, wide)| {
                let items = pairs.iter().flat_map(|(key, item)| [key.clone(), item.clone()]).collect::<Vec<_>>();
                [head(5, pairs.len() as u64, wide), items.concat()].concat()
            }),
            1 => (2..6u8, items).prop_map(move |(major, items)| indefinite(major, items)),
            1 => (0..30u64, inner).prop_map(|(tag, inner)| [head(6, tag, 0), inner].concat()),
        ]
    })
}

/// How many sizes wider than needed a head is.
fn wide() -> impl Strategy<Value = usize> {
    prop_oneof![15 => Just(0usize), 1 => 1..4usize]
}

fn head(major: u8, n: u64, wider: usize) -> Vec<u8> {
    let least = [24, 0x100, 0x1_0000, 0x1_0000_0000].iter().filter(|&&limit| n >= limit).count();
    let size = (least + wider).min(4);
    let low = if size == 0 { n as u8 } else { 23 + size as u8 };
    let bytes = n.to_be_bytes();
    let tail = if size == 0 { &[] } else { &bytes[8 - (1 << (size - 1))..] };
    [&[major << 5 | low], tail].concat()
}

/// The item that a lenient reader's value is.
fn item(value: &Value) -> Item<'_> {
    match value {
        Value::Integer(n) => match i128::from(*n) {
            n @ 0.. => Item::Uint(n as u64),
            n => Item::Negative((-1 - n) as u64),
        },
        Value::Bytes(bytes) => Item::Bytes(bytes),
        Value::Text(text) => Item::Text(text),
        Value::Bool(yes) => Item::Bool(*yes),
        Value::Null => Item::Null,
        Value::Array(items) => Item::Array(items.iter().map(item).collect()),
        Value::Map(pairs) => Item::Map(pairs.iter().map(|(key, value)| (item(key), item(value))).collect()),
        other => panic!("{other:?} is not of the format"),
    }
}

/// With the keys of every map in order.
fn sorted(mut value: Value) -> Value {
    fn sort(value: &mut Value) {
        match value {
            Value::Map(pairs) => {
                pairs.iter_mut().for_each(|(_, item)| sort(item));
                pairs.sort_by_cached_key(|(key, _)| raw(key));
            }
            Value::Array(items) => items.iter_mut().for_each(sort),
            _ => {}
        }
    }
    sort(&mut value);
    value
}

/// The strict reader and the lenient one with its checks accept the same, and read the same.
fn both_agree(bytes: &[u8]) {
    let lenient = refusal::decode(bytes, "it", |value| refusal::check(value, "it"));
    assert_eq!(Item::read(bytes), lenient.as_ref().ok().map(item), "{}: {lenient:?}", hex::encode(bytes));
    let lenient = refusal::decode_sign1(bytes, "it");
    let parts = lenient.as_ref().ok().map(|parts| parts.iter().map(item).collect::<Vec<_>>());
    assert_eq!(Item::read_sign1(bytes), parts, "{}: {lenient:?}", hex::encode(bytes));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(value in value()) {
        let bytes = encode(&item(&value));
        let sorted = sorted(value);
        prop_assert_eq!(&bytes, &raw(&sorted));
        prop_assert_eq!(decode(&bytes, "it").unwrap(), item(&sorted));
    }

    #[test]
    fn both_readers_agree_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
        both_agree(&bytes);
        both_agree(&[&[0xd2, 0x84], bytes.as_slice()].concat());
    }

    #[test]
    fn both_readers_agree_on_loose_encodings(parts in proptest::collection::vec(prop_oneof![8 => loose(), 1 => Just(vec![0xf6u8])], 1..6), tag in 17..19u8) {
        both_agree(&parts[0]);
        both_agree(&parts.concat());
        both_agree(&[vec![0xc0 | tag], vec![0x80 | parts.len() as u8], parts.concat()].concat());
    }

    /// Near-valid bytes reach further into a reader than random ones.
    #[test]
    fn both_readers_agree_on_changed_bytes(value in value(), at in any::<prop::sample::Index>(), by in 1..=255u8) {
        let good = raw(&sorted(value));
        let at = at.index(good.len());
        let mut bytes = good.clone();
        bytes[at] ^= by;
        both_agree(&bytes);
        prop_assert_ne!(Item::read(&bytes), Item::read(&good));
        both_agree(&good[..at]);
        both_agree(&[&good[..at], &[by], &good[at..]].concat());
        both_agree(&[&[0xd2], bytes.as_slice()].concat());
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
        let bytes = hex::decode(hex).unwrap();
        both_agree(&bytes);
        let failure = decode(&bytes, "it").expect_err(what);
        assert_eq!(failure.class, class, "{what}: {failure}");
    }
}

#[test]
fn nesting_is_bounded() {
    let leaves = [Item::Uint(0), Item::Text("a"), Item::Bytes(b"a"), Item::Bool(true), Item::Array(vec![])];
    for (leaf, own) in leaves.iter().zip([0, 0, 0, 0, 1]) {
        let array = |depth| (0..depth).fold(leaf.clone(), |inner, _| Item::Array(vec![inner]));
        let map = |depth| (0..depth).fold(leaf.clone(), |inner, _| Item::Map(vec![(0.into(), inner)]));
        for depth in 0..40 {
            for nested in [array(depth), map(depth)] {
                let bytes = encode(&nested);
                assert_eq!(decode(&bytes, "it").is_ok(), depth + own <= MAX_DEPTH, "{depth}");
                both_agree(&bytes);
                let sign1 = write_sign1(vec![nested]);
                assert_eq!(decode_sign1(&sign1, "it").is_ok(), depth + own + 2 <= MAX_DEPTH, "{depth}");
                both_agree(&sign1);
            }
        }
    }
    assert!(decode(&[0x81; 1_000_000], "it").is_err());
}
