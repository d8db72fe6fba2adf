//! Which version a change asks for.
//!
//! OA05 counts versions 1, 2, 3, …: whatever changes the bytes of a version that is in use asks for the next one.
//! Dotted versions (PT04) tell more: the first number rises when something breaks, the second when something is added
//! or behaves otherwise, the third for the rest.

use super::Impact;
use crate::catalog::version;

/// The least version after `from` for a change of this impact. `to`, the version that the newer prompt has, only tells
/// whether its author writes dots.
pub(super) fn next(from: &str, to: &str, worst: Impact) -> String {
    if !from.contains('.') && !to.contains('.') {
        return plus_one(from);
    }
    let rises = match worst {
        Impact::Breaking => 0,
        Impact::Compatible => 1,
        Impact::Editorial => 2,
    };
    let parts: Vec<&str> = from.split('.').collect();
    let length = parts.len().max(rises + 1);
    let part = |at: usize| {
        let part = parts.get(at).copied().unwrap_or("0");
        match at.cmp(&rises) {
            std::cmp::Ordering::Less => part.to_owned(),
            std::cmp::Ordering::Equal => plus_one(part),
            std::cmp::Ordering::Greater => "0".to_owned(),
        }
    };
    (0..length).map(part).collect::<Vec<_>>().join(".")
}

/// Whether a version is the one that is asked for, or higher.
pub(super) fn is_enough(has: &str, asked: &str) -> bool {
    version::same_number(has, asked) || version::compare(has, asked).is_gt()
}

/// The number after this one, which may have any number of digits.
fn plus_one(digits: &str) -> String {
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('9');
    let nines = digits.len() - kept.len();
    let (start, last) = kept.split_at(kept.len().saturating_sub(1));
    let raised = last.parse::<u8>().unwrap_or(0) + 1;
    format!("{start}{raised}{}", "0".repeat(nines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Impact::{Breaking, Compatible, Editorial};
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_count_and_dots_tell_how_much() {
        for (from, to, worst, asked) in [
            ("1", "2", Editorial, "2"),
            ("1", "1", Breaking, "2"),
            ("9", "10", Compatible, "10"),
            ("017", "18", Compatible, "18"),
            ("0", "1", Breaking, "1"),
            ("99999999999999999999", "1", Breaking, "100000000000000000000"),
            ("1.0", "1.0", Editorial, "1.0.1"),
            ("1.0", "1.1", Compatible, "1.1"),
            ("1.9", "1.9", Compatible, "1.10"),
            ("1.0", "1.0", Breaking, "2.0"),
            ("1.4.2", "1.4.2", Breaking, "2.0.0"),
            ("1.4.2", "1.4.2", Compatible, "1.5.0"),
            ("1.4.2", "1.4.2", Editorial, "1.4.3"),
            ("1.2.3.4", "1.2.3.4", Editorial, "1.2.4.0"),
            // Who begins to write dots means them.
            ("1", "1.1", Compatible, "1.1"),
            ("1", "1.1", Breaking, "2"),
        ] {
            assert_eq!(next(from, to, worst), asked, "{from} {to} {worst}");
        }
    }

    #[test]
    fn more_than_asked_is_enough() {
        for (has, asked, enough) in [
            ("2", "2", true),
            ("3", "2", true),
            ("1", "2", false),
            ("2", "2.0", true),
            ("1.9", "2.0", false),
            ("1.10", "1.9.1", true),
        ] {
            assert_eq!(is_enough(has, asked), enough, "{has} {asked}");
        }
    }

    proptest! {
        #[test]
        fn what_is_asked_for_is_higher(from in "[0-9]{1,9}(\\.[0-9]{1,3}){0,3}", to in "[0-9](\\.[0-9])?", worst in 0..3) {
            let worst = [Editorial, Compatible, Breaking][worst as usize];
            let asked = next(&from, &to, worst);
            prop_assert!(version::is_version(&asked));
            prop_assert!(version::compare(&asked, &from).is_gt());
            prop_assert!(!version::same_number(&asked, &from));
            prop_assert!(is_enough(&asked, &asked) && !is_enough(&from, &asked));
        }
    }
}
