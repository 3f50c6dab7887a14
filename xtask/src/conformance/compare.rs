//! Whether a value out of a topic is the one expected.
//!
//! The rules are those of ksqlDB's own runner: objects have the same number of fields, each found by its name or
//! by its name in upper case (one that is not there is NULL); DOUBLEs of binary formats are equal within a
//! millionth; texts are compared also as the decimal or the base64 they spell.
//!
//! Unlike there, `1.0` is `1.00` unless asked otherwise: the cases we run against went through a JSON writer that
//! keeps numbers as doubles, so that the scale of their decimals is lost. A number with a point or an exponent is
//! equal if it has the same value, or if it is the same double.

use serde_json::{Number, Value as Json};
use types::{Decimal, Value, bytes_to_base64};

/// A key or value read back from a topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Actual {
    /// The record has none.
    Null,
    /// Of the JSON format.
    Json(Json),
    /// Of a format that is text.
    Text(String),
    /// Of the KAFKA format.
    Value(Value),
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// With their scale; for cases as ksqlDB has them.
    WithScale,
    /// By value alone.
    ByValue,
}

/// Largest difference of DOUBLEs that count as equal.
const DOUBLE_DIFFERENCE_MAX: f64 = 1e-6;

/// Whether the key or value is the expected one.
pub fn is_expected(actual: &Actual, expected: &Json, numbers: Numbers) -> bool {
    match (actual, expected) {
        (Actual::Null, expected) => expected.is_null(),
        (Actual::Json(actual), expected) => json(actual, expected, numbers),
        (Actual::Text(actual), Json::String(expected)) => actual == expected,
        (Actual::Text(actual), expected) => !expected.is_null() && *actual == expected.to_string(),
        (Actual::Value(actual), expected) => typed(actual, expected),
    }
}

fn json(actual: &Json, expected: &Json, numbers: Numbers) -> bool {
    match (actual, expected) {
        (Json::Object(actual), Json::Object(expected)) => {
            actual.len() == expected.len()
                && expected.iter().all(|(name, expected)| {
                    let found = actual.get(name).or_else(|| actual.get(&name.to_uppercase()));
                    json(found.unwrap_or(&Json::Null), expected, numbers)
                })
        }
        (Json::Array(actual), Json::Array(expected)) => {
            actual.len() == expected.len()
                && actual.iter().zip(expected).all(|(actual, expected)| json(actual, expected, numbers))
        }
        (Json::Number(actual), Json::Number(expected)) => number(actual, expected, numbers),
        (Json::Number(actual), Json::String(expected)) => decimal(&actual.to_string()) == decimal(expected),
        (actual, expected) => actual == expected,
    }
}

fn number(actual: &Number, expected: &Number, numbers: Numbers) -> bool {
    let (actual, expected) = (actual.to_string(), expected.to_string());
    if actual == expected {
        return true;
    }
    match (decimal(&actual), decimal(&expected), numbers) {
        (Some(actual), Some(expected), Numbers::WithScale) => actual == expected,
        (Some(exact), Some(written), Numbers::ByValue) => {
            exact.trimmed() == written.trimmed() || (is_double(&expected) && same_double(&actual, &expected))
        }
        _ => false,
    }
}

fn is_double(text: &str) -> bool {
    text.contains(['.', 'e', 'E'])
}

fn same_double(left: &str, right: &str) -> bool {
    matches!((left.parse::<f64>(), right.parse::<f64>()), (Ok(left), Ok(right)) if left == right)
}

fn typed(actual: &Value, expected: &Json) -> bool {
    match (actual, expected) {
        (Value::Null, expected) => expected.is_null(),
        (Value::Boolean(actual), Json::Bool(expected)) => actual == expected,
        (Value::Double(actual), Json::Number(expected)) => {
            let expected = expected.to_string().parse::<f64>();
            expected.is_ok_and(|expected| (actual - expected).abs() < DOUBLE_DIFFERENCE_MAX)
        }
        (Value::Decimal(actual), Json::Number(expected)) => {
            decimal(&expected.to_string()) == Some(written(actual))
        }
        (Value::Decimal(actual), Json::String(expected)) => decimal(expected) == Some(written(actual)),
        (actual, Json::Number(expected)) => actual.as_i64().is_some_and(|a| expected.as_i64() == Some(a)),
        (Value::String(actual), Json::String(expected)) => actual == expected,
        // Test data has BYTES of the KAFKA format as text.
        (Value::Bytes(actual), Json::String(expected)) => {
            **actual == *expected.as_bytes() || bytes_to_base64(actual) == *expected
        }
        _ => false,
    }
}

/// A number as it is written: digits and the place of the point.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    is_negative: bool,
    digits: String,
    scale: i64,
}

impl Written {
    /// Without the zeros that do not change the value.
    fn trimmed(mut self) -> Self {
        while self.digits.ends_with('0') {
            self.digits.pop();
            self.scale -= 1;
        }
        if self.digits.is_empty() {
            return Self { is_negative: false, digits: String::new(), scale: 0 };
        }
        self
    }
}

fn written(decimal: &Decimal) -> Written {
    let unscaled = decimal.unscaled();
    let digits = match unscaled.unsigned_abs() {
        0 => String::new(),
        digits => digits.to_string(),
    };
    Written { is_negative: unscaled < 0, digits, scale: decimal.scale().into() }
}

/// Reads a number as Java's `BigDecimal` does.
fn decimal(text: &str) -> Option<Written> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0').to_owned();
    let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    Some(Written { is_negative: is_negative && !digits.is_empty(), digits, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    fn check_json(actual: &str, expected: &str, expect: bool) {
        let equal = is_expected(&Actual::Json(read(actual)), &read(expected), Numbers::WithScale);
        assert_eq!(equal, expect, "{actual} as {expected}");
    }

    #[test]
    fn numbers_have_a_scale() {
        check_json("1.0", "1.0", true);
        check_json("1.0", "1.00", false);
        check_json("1.0", "1", false);
        check_json("1", "1.0", false);
        check_json("1.0E10", "1.0E10", true);
        check_json("1.0E10", "1.0E+10", true);
        check_json("10000000000.0", "1.0E10", false);
        check_json("12345678901234567890123.45", "\"12345678901234567890123.45\"", true);
        // As a decimal of 19 places comes back from a writer that knows doubles only.
        let relaxed = |a, e| is_expected(&Actual::Json(read(a)), &read(e), Numbers::ByValue);
        assert!(
            relaxed("1.0", "1") && relaxed("1E1", "10.00") && relaxed("0.0", "-0") && !relaxed("1.1", "1")
        );
        assert!(
            relaxed("10.1234512345123451", "10.123451234512345")
                && !relaxed("12345678901234567", "12345678901234568")
        );
    }

    #[test]
    fn fields_are_found_in_upper_case() {
        check_json(r#"{"A":1,"b":[null]}"#, r#"{"a":1,"b":[null]}"#, true);
        check_json(r#"{"a":1}"#, r#"{"A":1}"#, false);
        check_json(r#"{"A":1,"B":null}"#, r#"{"A":1}"#, false);
        check_json("[1,2]", "[1]", false);
        check_json("null", "{}", false);
        check_json(r#"{"X":1}"#, r#"{"Y":null}"#, true);
    }

    #[test]
    fn binary_values_are_compared_by_type() {
        let check = |actual: Value, expected: &str, expect: bool| {
            let equal = is_expected(&Actual::Value(actual.clone()), &read(expected), Numbers::WithScale);
            assert_eq!(equal, expect, "{actual:?} as {expected}");
        };
        check(Value::Double(0.1 + 0.2), "0.3", true);
        check(Value::Double(5.0), "5", true);
        check(Value::BigInt(5), "5", true);
        check(Value::BigInt(5), "5.0", false);
        check(Value::text("5"), "\"5\"", true);
        check(Value::bytes(*b"ab"), "\"ab\"", true);
        check(Value::Decimal(Decimal::new(0, 2)), "0.00", true);
        check(Value::Decimal(Decimal::new(0, 2)), "0", false);
    }

    #[test]
    fn tombstones_and_texts() {
        assert!(is_expected(&Actual::Null, &Json::Null, Numbers::WithScale));
        assert!(!is_expected(&Actual::Null, &read("{}"), Numbers::WithScale));
        assert!(is_expected(&Actual::Text("1,a".into()), &read("\"1,a\""), Numbers::WithScale));
        assert!(is_expected(&Actual::Text("1".into()), &read("1"), Numbers::WithScale));
    }
}
