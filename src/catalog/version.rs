//! Versions and refs: `<id>.v<version>`.

use std::cmp::Ordering;

/// Whether this is a version: groups of ASCII digits separated by single dots.
#[must_use]
pub fn is_version(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Compares two versions number by number; a missing part counts as 0. Versions that are equal as numbers but
/// written differently (`1`, `1.0`, `01`) are ordered by their text, so that the order is total.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    numbers(a, b).then_with(|| a.cmp(b))
}

/// Whether two versions differ only in how they are written.
pub(crate) fn same_number(a: &str, b: &str) -> bool {
    numbers(a, b).is_eq()
}

fn numbers(a: &str, b: &str) -> Ordering {
    let mut left = a.split('.');
    let mut right = b.split('.');
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) => match number(x.unwrap_or("0"), y.unwrap_or("0")) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// Compares two digit strings of any length as numbers.
fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Splits a ref at its last `.v<digit>` into id and version. `None` if there is none, or if either part is empty
/// or the rest is no version.
#[must_use]
pub fn split_ref(text: &str) -> Option<(&str, &str)> {
    ledger_format::split_reference(text).filter(|(_, version)| is_version(version))
}

/// Whether this can be a prompt id: 1 to 200 of ASCII letters, digits, `.`, `_`, `-` and `/`, where every `/` and
/// `.` stands between two other characters.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() <= 200
        && text.split(['/', '.']).all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        })
        && !text.starts_with('-') // would read as an option
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_compare_as_numbers() {
        let ordered =
            ["0", "0.9", "1", "1.0", "1.0.1", "1.2", "1.10", "2", "9", "10", "99999999999999999999999"];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_is_a_version() {
        for good in ["1", "1.0", "017", "1.0.1", "0"] {
            assert!(is_version(good), "{good}");
        }
        for bad in
            ["", ".", "1.", ".1", "1..0", "v1", "1.0-rc1", "latest", "1 ", "-1", "+1", "١", "1e3", "0x1"]
        {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn refs_split_at_the_last_version() {
        for (text, parts) in [
            ("P00.v1.0.1", Some(("P00", "1.0.1"))),
            ("a.b.v1", Some(("a.b", "1"))),
            ("a.v2.v1", Some(("a.v2", "1"))),
            ("a.vx.v017", Some(("a.vx", "017"))),
            ("a.v1.vx", None),
            ("P00", None),
            ("P00.v", None),
            ("P00.vlatest", None),
            (".v1", None),
            ("P00.v1-beta", None),
            ("P00.v1.", None),
            ("", None),
        ] {
            assert_eq!(split_ref(text), parts, "{text}");
        }
    }

    #[test]
    fn what_is_an_id() {
        for good in ["P00", "planner.evaluate_harness_report", "a/b-c/d_1", "x", "_x"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "..", "../x", "a/../b", "/a", "a/", "a//b", ".a", "a.", "a b", "P*", "-x", "é", "a\n"]
        {
            assert!(!is_id(bad), "{bad}");
        }
        assert!(!is_id(&"a".repeat(201)));
    }

    proptest! {
        #[test]
        fn every_ref_splits_back(id in "[a-z][a-zA-Z0-9_-]{0,6}([./][a-z0-9]{1,4}){0,3}",
                                 version in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}") {
            prop_assume!(is_id(&id));
            let reference = format!("{id}.v{version}");
            prop_assert_eq!(split_ref(&reference), Some((id.as_str(), version.as_str())));
        }

        #[test]
        fn comparing_is_a_total_order(a in "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}", b in "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}",
                                      c in "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &b) == Ordering::Equal, a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,20}") {
            let _ = (split_ref(&text), is_id(&text), is_version(&text), compare(&text, "1"));
        }
    }
}
