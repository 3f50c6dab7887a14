//! SQL comparison: NULL compares with nothing, numbers compare by value whatever their type.

use std::cmp::Ordering;

use crate::{DataType, Decimal, Value};

/// Milliseconds of a day, to compare DATE with TIMESTAMP.
const DAY_MS: i64 = 86_400_000;

/// Returns how `left` compares with `right`; `None` if either is NULL or NaN, or if the types do not
/// compare.
///
/// DECIMAL meets DOUBLE by the DOUBLE's shortest text, as in ksqlDB; BIGINT meets DOUBLE as DOUBLE.
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    use Value as V;
    match (left, right) {
        (V::String(a), V::String(b)) => Some(a.cmp(b)),
        (V::Int(a), V::Int(b)) | (V::Date(a), V::Date(b)) | (V::Time(a), V::Time(b)) => Some(a.cmp(b)),
        (V::BigInt(a), V::BigInt(b)) | (V::Timestamp(a), V::Timestamp(b)) => Some(a.cmp(b)),
        (V::Int(a), V::BigInt(b)) => Some(i64::from(*a).cmp(b)),
        (V::BigInt(a), V::Int(b)) => Some(a.cmp(&i64::from(*b))),
        (V::Double(a), V::Double(b)) => a.partial_cmp(b),
        (V::Decimal(a), V::Decimal(b)) => Some(a.cmp(b)),
        (V::Decimal(a), V::Double(b)) => decimal_with_double(a, *b),
        (V::Double(a), V::Decimal(b)) => decimal_with_double(b, *a).map(Ordering::reverse),
        (V::Decimal(a), V::Int(_) | V::BigInt(_)) => Some(a.cmp(&Decimal::from(right.as_i64()?))),
        (V::Int(_) | V::BigInt(_), V::Decimal(b)) => Some(Decimal::from(left.as_i64()?).cmp(b)),
        (V::Double(a), V::Int(_) | V::BigInt(_)) => a.partial_cmp(&right.as_f64()?),
        (V::Int(_) | V::BigInt(_), V::Double(b)) => left.as_f64()?.partial_cmp(b),
        (V::Boolean(a), V::Boolean(b)) => Some(a.cmp(b)),
        (V::Bytes(a), V::Bytes(b)) => Some(a.cmp(b)),
        (V::Date(a), V::Timestamp(b)) => Some((i64::from(*a) * DAY_MS).cmp(b)),
        (V::Timestamp(a), V::Date(b)) => Some(a.cmp(&(i64::from(*b) * DAY_MS))),
        _ => None,
    }
}

/// Returns whether two values are equal, nested ones deeply; `None` if either is NULL.
///
/// Inside nested values NULL equals NULL and NaN equals NaN, as in Java's `equals`.
pub fn equal(left: &Value, right: &Value) -> Option<bool> {
    use Value as V;
    match (left, right) {
        (V::Null, _) | (_, V::Null) => None,
        (V::Array(a), V::Array(b)) | (V::Struct(a), V::Struct(b)) => Some(all_same(a, b)),
        (V::Map(a), V::Map(b)) => {
            let same = |((k, v), (l, w))| same(k, l) && same(v, w);
            Some(a.len() == b.len() && a.iter().zip(b.iter()).all(same))
        }
        _ => Some(order(left, right) == Some(Ordering::Equal)),
    }
}

/// Returns whether values of the two types compare: with `=` and its kin if `is_equality`, else with `<`
/// and its kin.
pub fn is_comparable(left: &DataType, right: &DataType, is_equality: bool) -> bool {
    use DataType as T;
    match (left, right) {
        _ if left.is_numeric() && right.is_numeric() => true,
        (T::String, T::String) | (T::Bytes, T::Bytes) => true,
        (T::Boolean, T::Boolean) => is_equality,
        (T::Time, T::Time | T::String) | (T::String, T::Time) => true,
        (T::Date | T::Timestamp, T::Date | T::Timestamp | T::String) => true,
        (T::String, T::Date | T::Timestamp) => true,
        (T::Array(a), T::Array(b)) => is_equality && is_comparable(a, b, true),
        (T::Map(k, v), T::Map(l, w)) => is_equality && is_comparable(k, l, true) && is_comparable(v, w, true),
        (T::Struct(a), T::Struct(b)) => {
            let same = |(a, b): (&crate::Field, &crate::Field)| {
                a.name == b.name && is_comparable(&a.data_type, &b.data_type, true)
            };
            is_equality && a.len() == b.len() && a.iter().zip(b.iter()).all(same)
        }
        _ => false,
    }
}

fn all_same(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
}

fn same(left: &Value, right: &Value) -> bool {
    match equal(left, right) {
        Some(true) => true,
        Some(false) => {
            matches!((left, right), (Value::Double(a), Value::Double(b)) if a.is_nan() && b.is_nan())
        }
        None => left.is_null() && right.is_null(),
    }
}

fn decimal_with_double(left: &Decimal, right: f64) -> Option<Ordering> {
    if right.is_nan() {
        return None;
    }
    match Decimal::from_f64(right) {
        Ok(right) => Some(left.cmp(&right)),
        // Infinite, or beyond any DECIMAL.
        Err(_) => Some(if right > 0.0 { Ordering::Less } else { Ordering::Greater }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    #[test]
    fn numbers_compare_across_types() {
        use Ordering::*;
        let big = i64::MAX;
        for (left, right, expect) in [
            (Value::Int(1), Value::BigInt(2), Some(Less)),
            (Value::BigInt(big), decimal("9223372036854775807.0"), Some(Equal)),
            (decimal("9223372036854775807.1"), Value::BigInt(big), Some(Greater)),
            (decimal("1.1"), Value::Double(1.1), Some(Equal)),
            (Value::Double(1e300), decimal("1"), Some(Greater)),
            (Value::Double(f64::NEG_INFINITY), decimal("1"), Some(Less)),
            (Value::Double(0.0), Value::Double(-0.0), Some(Equal)),
            (Value::Double(f64::NAN), Value::Int(1), None),
            (Value::Null, Value::Int(1), None),
            (Value::Timestamp(DAY_MS), Value::Date(1), Some(Equal)),
        ] {
            assert_eq!(order(&left, &right), expect, "{left:?} {right:?}");
            assert_eq!(order(&right, &left), expect.map(Ordering::reverse), "{right:?} {left:?}");
        }
    }

    #[test]
    fn nested_values_are_equal_deeply() {
        let array = |items: &[Value]| Value::array(items.to_vec());
        assert_eq!(equal(&array(&[Value::Int(1)]), &array(&[Value::BigInt(1)])), Some(true));
        assert_eq!(equal(&array(&[Value::Null]), &array(&[Value::Null])), Some(true));
        assert_eq!(equal(&array(&[Value::Null]), &array(&[Value::Int(1)])), Some(false));
        assert_eq!(equal(&array(&[]), &Value::Null), None);
        let map = |n| Value::map([(Value::text("a"), Value::Int(n))]);
        assert_eq!(equal(&map(1), &map(1)), Some(true));
        assert_eq!(equal(&map(1), &map(2)), Some(false));
    }

    #[test]
    fn nested_types_compare_for_equality_only() {
        let array = DataType::array(DataType::Int);
        assert!(is_comparable(&array, &array, true));
        assert!(!is_comparable(&array, &array, false));
        assert!(!is_comparable(&DataType::Boolean, &DataType::Boolean, false));
        assert!(!is_comparable(&DataType::Int, &DataType::String, true));
        assert!(is_comparable(&DataType::Timestamp, &DataType::String, false));
    }
}
