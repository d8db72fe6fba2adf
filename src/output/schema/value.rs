//! Numbers and values as JSON Schema compares them: by what they are, and not by how they are written (Core 2020-12,
//! section 4.2.2).

use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::fmt::Write as _;

/// A number by its decimal digits: `digits` times ten to the power of `power`. Of the ways to write it this is the one
/// without a zero at the end, so that numbers are equal if they are the same here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: u64,
    power: i32,
}

impl Decimal {
    /// The number as `serde_json` keeps it: an integer of 64 bits exactly, all else by the shortest digits that stand
    /// for the same IEEE 754 double. What was written as 19.99 is 19.99.
    pub(super) fn of(number: &Number) -> Self {
        let (negative, mut digits, mut power) = if let Some(digits) = number.as_u64() {
            (false, digits, 0)
        } else if let Some(integer) = number.as_i64() {
            (true, integer.unsigned_abs(), 0)
        } else {
            let text = format!("{:e}", number.as_f64().unwrap_or_default());
            let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
            let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let digits = format!("{}{part}", whole.trim_start_matches('-')).parse().unwrap_or_default();
            // At most 17 digits and an exponent of three.
            let places = i32::try_from(part.len()).unwrap_or_default();
            (text.starts_with('-'), digits, power.parse::<i32>().unwrap_or_default() - places)
        };
        if digits == 0 {
            return Self { negative: false, digits: 0, power: 0 };
        }
        while digits % 10 == 0 {
            digits /= 10;
            power += 1;
        }
        Self { negative, digits, power }
    }

    /// Whether it has no fraction: 1.0 has none.
    pub(super) fn is_integer(self) -> bool {
        self.power >= 0
    }

    pub(super) fn is_positive(self) -> bool {
        !self.negative && self.digits > 0
    }

    /// The number of things that it stands for, if it can; more than there can be are as many as there can be.
    pub(super) fn count(self) -> Option<u64> {
        let power = u32::try_from(self.power).ok().filter(|_| !self.negative)?;
        let scaled = || self.digits.checked_mul(10u64.checked_pow(power)?);
        Some(scaled().unwrap_or(u64::MAX))
    }

    /// Whether it is an integer times `of`, which is positive.
    pub(super) fn is_multiple(self, of: Self) -> bool {
        // With fewer powers of ten it would have to have a zero at the end.
        let Ok(powers) = u32::try_from(self.power - of.power) else { return self.digits == 0 };
        let modulus = u128::from(of.digits.max(1));
        (0..powers).fold(u128::from(self.digits) % modulus, |rest, _| rest * 10 % modulus) == 0
    }

    /// As [`Ord::cmp`], of numbers without their signs.
    fn magnitude(self, other: Self) -> Ordering {
        let width = |number: Self| number.digits.checked_ilog10().unwrap_or_default();
        let order = |number: Self| i64::from(number.power) + i64::from(width(number));
        let widest = width(self).max(width(other));
        let aligned = |number: Self| u128::from(number.digits) * 10u128.pow(widest - width(number));
        order(self).cmp(&order(other)).then(aligned(self).cmp(&aligned(other)))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| i8::from(number.digits > 0) * if number.negative { -1 } else { 1 };
        match sign(self).cmp(&sign(other)) {
            Ordering::Equal if sign(self) == 0 => Ordering::Equal,
            Ordering::Equal if self.negative => other.magnitude(*self),
            Ordering::Equal => self.magnitude(*other),
            unequal => unequal,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A text that values have in common if, and only if, they are equal: numbers by their digits, objects whatever the
/// order of their members.
pub(super) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, out: &mut String) {
    // Before each text stands its length, so that no text can look like what follows it. A `String` takes all.
    match value {
        Value::Null => out.push('n'),
        Value::Bool(true) => out.push('t'),
        Value::Bool(false) => out.push('f'),
        Value::Number(number) => {
            let Decimal { negative, digits, power } = Decimal::of(number);
            let _ = write!(out, "{}{digits}e{power}", if negative { "-" } else { "" });
        }
        Value::String(text) => {
            let _ = write!(out, "\"{}:{text}", text.len());
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in members {
                let _ = write!(out, "{}:{name}", name.len());
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn decimal(text: &str) -> Decimal {
        Decimal::of(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn numbers_are_their_digits() {
        for (same, other) in [
            ("1", "1.0"),
            ("1e2", "100"),
            ("-0.0", "0"),
            ("1e22", "10000000000000000000000"),
            ("0.10", "1e-1"),
        ] {
            assert_eq!(decimal(same), decimal(other), "{same} {other}");
        }
        let rising = [
            "-1e308",
            "-9223372036854775808",
            "-9223372036854775807",
            "-10",
            "-9.5",
            "-1e-300",
            "0",
            "5e-324",
            "0.07",
            "0.1",
            "1",
            "1.5",
            "9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551614",
            "18446744073709551615",
            "1e20",
            "1.5e20",
            "1e308",
        ];
        for (n, one) in rising.iter().enumerate() {
            for (m, other) in rising.iter().enumerate() {
                assert_eq!(decimal(one).cmp(&decimal(other)), n.cmp(&m), "{one} {other}");
            }
        }
        for (number, of, is) in [
            ("19.99", "0.01", true),
            ("0.3", "0.1", true),
            ("1e308", "0.123456789", false),
            ("1e308", "0.5", true),
            ("9007199254740993", "2", false),
            ("18446744073709551615", "5", true),
            ("0", "7", true),
            ("1e-9", "1e-8", false),
            ("-4.35", "0.01", true),
            ("1", "1e300", false),
            ("1e300", "3", false),
        ] {
            assert_eq!(decimal(number).is_multiple(decimal(of)), is, "{number} {of}");
        }
        let counts = ["2.0", "1e30", "-1", "1.5"].map(|text| decimal(text).count());
        assert_eq!(counts, [Some(2), Some(u64::MAX), None, None]);
    }

    #[test]
    fn values_are_equal_if_their_canonical_texts_are() {
        for (same, other) in
            [(json!({"a": 1, "b": [1.0]}), json!({"b": [1], "a": 1.0})), (json!([[], {}]), json!([[], {}]))]
        {
            assert_eq!(canonical(&same), canonical(&other));
        }
        let all = [
            json!(null),
            json!("n"),
            json!(true),
            json!(1),
            json!("1"),
            json!(""),
            json!([]),
            json!([[]]),
            json!(["", ""]),
            json!(["\"0:"]),
            json!(["a,\"1:b"]),
            json!(["a", "b"]),
            json!({"a": 1}),
            json!({"a1": 1}),
            json!({"a": null, "b": null}),
            json!({"a": "n,1:bn"}),
            json!([1, 2]),
            json!([12]),
            json!([2, 1]),
        ];
        for (n, one) in all.iter().enumerate() {
            for (m, other) in all.iter().enumerate() {
                assert_eq!(canonical(one) == canonical(other), n == m, "{one} {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn integers_are_compared_as_integers(a in any::<i64>(), b in any::<u64>(), of in 1u64..1000) {
            let (one, other) = (Decimal::of(&a.into()), Decimal::of(&b.into()));
            prop_assert_eq!(one.cmp(&other), i128::from(a).cmp(&i128::from(b)));
            prop_assert_eq!(one.is_multiple(Decimal::of(&of.into())), i128::from(a) % i128::from(of) == 0);
        }

        #[test]
        fn doubles_are_compared_as_doubles(a in any::<f64>(), b in any::<f64>()) {
            let number = |n: f64| Number::from_f64(n).map(|n| Decimal::of(&n));
            if let (Some(one), Some(other)) = (number(a), number(b)) {
                prop_assert_eq!(Some(one.cmp(&other)), a.partial_cmp(&b));
            }
        }
    }
}
