//! JSON compared by value: numbers as numbers, fields in any order.

use serde_json::Value;

/// Whether two values are the same.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.to_string(), b.to_string());
            a == b || normal(&a) == normal(&b)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| equal(value, other)))
        }
        _ => a == b,
    }
}

/// A number's sign, digits without zeros around, and exponent of ten.
fn normal(text: &str) -> (bool, String, i64) {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let mut exponent = exponent.parse::<i64>().unwrap_or(i64::MAX).saturating_sub(fraction.len() as i64);
    while digits.ends_with('0') {
        digits.pop();
        exponent = exponent.saturating_add(1);
    }
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() { (false, digits, 0) } else { (is_negative, digits, exponent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, expected: bool) {
        let parse = |text| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(equal(&parse(a), &parse(b)), expected, "{a} {b}");
    }

    #[test]
    fn numbers_are_compared_by_value() {
        check("1", "1.0", true);
        check("-0", "0.0", true);
        check("1e2", "100", true);
        check("0.10", "1E-1", true);
        check("9007199254740993", "9007199254740992", false);
        check("1", "\"1\"", false);
    }

    #[test]
    fn fields_may_come_in_any_order_but_must_all_be_there() {
        check(r#"{"a":1,"b":[1,2]}"#, r#"{"b":[1.0,2],"a":1}"#, true);
        check(r#"{"a":1,"b":null}"#, r#"{"a":1}"#, false);
        check("[1,2]", "[2,1]", false);
    }
}
