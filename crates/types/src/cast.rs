//! CAST, and which types turn into which without being asked.

use std::fmt::Write;

use crate::civil::DAY_MS;
use crate::decimal_type::{BIGINT_AS_DECIMAL, INT_AS_DECIMAL, widest_type};
use crate::iso_time::{
    format_iso_date, format_iso_time, format_iso_timestamp, parse_iso_date, parse_iso_time,
    parse_iso_timestamp,
};
use crate::{
    DataType, Decimal, EvalError, Field, Text, Value, bytes_from_base64, bytes_to_base64, double_text,
    parse_double,
};

/// Why a CAST has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CastError {
    /// There is no CAST between these types.
    #[error("cast of {from} to {to} is not supported")]
    Unsupported {
        /// The type the value has.
        from: DataType,
        /// The type asked for.
        to: DataType,
    },
    /// The text does not stand for a value of the type.
    #[error("cannot cast \"{text}\" to {to}")]
    Invalid {
        /// The beginning of the text.
        text: String,
        /// The type asked for.
        to: DataType,
    },
    /// The number has too many digits for the type.
    #[error("numeric field overflow: {number} does not fit {to}")]
    Overflow {
        /// The number.
        number: String,
        /// The type asked for.
        to: DataType,
    },
}

impl From<CastError> for EvalError {
    fn from(error: CastError) -> Self {
        Self::new(error.to_string())
    }
}

/// Returns `value`, which is of type `from`, as `to`; NULL stays NULL.
///
/// Whole numbers wrap and DOUBLEs saturate where the target is too small, as in Java; DECIMALs round half
/// up and do not overflow silently.
pub fn cast(value: &Value, from: &DataType, to: &DataType) -> Result<Value, CastError> {
    use DataType as T;
    if value.is_null() || from == to {
        return Ok(value.clone());
    }
    match (value, to) {
        (_, T::String) => Ok(Value::String(to_text(value, from))),
        (Value::String(text), _) => from_text(text, from, to),
        (Value::Array(items), T::Array(to_item)) => {
            let T::Array(from_item) = from else { return unsupported(from, to) };
            let items: Result<_, _> = items.iter().map(|item| cast(item, from_item, to_item)).collect();
            Ok(Value::array(items?))
        }
        (Value::Map(entries), T::Map(to_key, to_value)) => {
            let T::Map(from_key, from_value) = from else { return unsupported(from, to) };
            let entries: Result<Vec<_>, _> = entries
                .iter()
                .map(|(k, v)| Ok((cast(k, from_key, to_key)?, cast(v, from_value, to_value)?)))
                .collect();
            Ok(Value::map(entries?))
        }
        (Value::Struct(fields), T::Struct(to_fields)) => {
            let T::Struct(from_fields) = from else { return unsupported(from, to) };
            cast_struct(fields, from_fields, to_fields)
        }
        (Value::Timestamp(ms), T::Date) => i32::try_from(ms.div_euclid(DAY_MS))
            .map(Value::Date)
            .map_err(|_| CastError::Overflow { number: ms.to_string(), to: to.clone() }),
        (Value::Timestamp(ms), T::Time) => Ok(Value::Time(ms.rem_euclid(DAY_MS) as i32)),
        (Value::Date(days), T::Timestamp) => Ok(Value::Timestamp(i64::from(*days) * DAY_MS)),
        (_, T::Decimal { precision, scale }) => to_decimal(value, from, *precision, *scale),
        (_, T::Int | T::BigInt | T::Double) => to_number(value, from, to),
        _ => unsupported(from, to),
    }
}

/// Returns whether there is a CAST between the types.
pub fn is_castable(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        _ if from == to => true,
        (_, T::String) => true,
        (T::String, _) => !to.is_nested(),
        (T::Array(a), T::Array(b)) => is_castable(a, b),
        (T::Map(k, v), T::Map(l, w)) => is_castable(k, l) && is_castable(v, w),
        (T::Struct(a), T::Struct(b)) => {
            shared_fields(a, b).all(|(a, b)| is_castable(&a.data_type, &b.data_type))
        }
        (T::Timestamp, T::Date | T::Time) | (T::Date, T::Timestamp) => true,
        _ => from.is_numeric() && to.is_numeric(),
    }
}

/// Returns whether values of `from` become `to` without a CAST: INTEGER, BIGINT, DECIMAL, DOUBLE in this
/// order, a DECIMAL only if no digit is lost.
pub fn implicitly_castable(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        _ if from == to => true,
        (T::Int, T::BigInt) => true,
        (T::Int | T::BigInt | T::Decimal { .. }, T::Double) => true,
        (T::Int | T::BigInt | T::Decimal { .. }, T::Decimal { precision, scale }) => as_decimal(from)
            .is_some_and(|(p, s)| s <= *scale && p.saturating_sub(s) <= precision.saturating_sub(*scale)),
        (T::Array(a), T::Array(b)) => implicitly_castable(a, b),
        (T::Map(k, v), T::Map(l, w)) => implicitly_castable(k, l) && implicitly_castable(v, w),
        (T::Struct(a), T::Struct(b)) => {
            shared_fields(a, b).all(|(a, b)| implicitly_castable(&a.data_type, &b.data_type))
        }
        _ => false,
    }
}

/// Returns the narrowest type all of `types` turn into without a CAST; `None` if there is none, or no
/// type was given.
pub fn common_type(types: &[DataType]) -> Option<DataType> {
    let (first, rest) = types.split_first()?;
    rest.iter().try_fold(first.clone(), |widest, next| wider(&widest, next))
}

fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (T::Double, _) | (_, T::Double) if a.is_numeric() && b.is_numeric() => Some(T::Double),
        (T::Decimal { .. }, _) | (_, T::Decimal { .. }) => {
            let ((p1, s1), (p2, s2)) = (as_decimal(a)?, as_decimal(b)?);
            let (precision, scale) = widest_type(p1, s1, p2, s2);
            Some(T::Decimal { precision, scale })
        }
        (T::Int | T::BigInt, T::Int | T::BigInt) => Some(T::BigInt),
        (T::Array(a), T::Array(b)) => Some(T::array(wider(a, b)?)),
        (T::Map(k, v), T::Map(l, w)) => Some(T::map(wider(k, l)?, wider(v, w)?)),
        (T::Struct(a), T::Struct(b)) => {
            let missing = b.iter().filter(|b| !a.iter().any(|a| a.name == b.name));
            let mut fields = Vec::with_capacity(a.len());
            for field in a.iter() {
                let data_type = match b.iter().find(|b| b.name == field.name) {
                    Some(other) => wider(&field.data_type, &other.data_type)?,
                    None => field.data_type.clone(),
                };
                fields.push(Field { name: field.name.clone(), data_type });
            }
            fields.extend(missing.cloned());
            Some(T::Struct(fields.into()))
        }
        _ => None,
    }
}

fn as_decimal(data_type: &DataType) -> Option<(u8, u8)> {
    match *data_type {
        DataType::Int => Some(INT_AS_DECIMAL),
        DataType::BigInt => Some(BIGINT_AS_DECIMAL),
        DataType::Decimal { precision, scale } => Some((precision, scale)),
        _ => None,
    }
}

fn shared_fields<'a>(from: &'a [Field], to: &'a [Field]) -> impl Iterator<Item = (&'a Field, &'a Field)> {
    from.iter().filter_map(|a| Some((a, to.iter().find(|b| b.name == a.name)?)))
}

/// Fields go by name; those the source lacks are NULL.
fn cast_struct(fields: &[Value], from: &[Field], to: &[Field]) -> Result<Value, CastError> {
    let mut result = Vec::with_capacity(to.len());
    for target in to {
        let source = from.iter().zip(fields).find(|(field, _)| field.name == target.name);
        result.push(match source {
            Some((field, value)) => cast(value, &field.data_type, &target.data_type)?,
            None => Value::Null,
        });
    }
    Ok(Value::structure(result))
}

fn to_number(value: &Value, from: &DataType, to: &DataType) -> Result<Value, CastError> {
    use DataType as T;
    Ok(match (value, to) {
        (Value::Int(v), T::BigInt) => Value::BigInt((*v).into()),
        (Value::Int(v), T::Int) => Value::Int(*v),
        (Value::Int(v), T::Double) => Value::Double((*v).into()),
        (Value::BigInt(v), T::Int) => Value::Int(*v as i32),
        (Value::BigInt(v), T::BigInt) => Value::BigInt(*v),
        (Value::BigInt(v), T::Double) => Value::Double(*v as f64),
        (Value::Double(v), T::Int) => Value::Int(*v as i32),
        (Value::Double(v), T::BigInt) => Value::BigInt(*v as i64),
        (Value::Double(v), T::Double) => Value::Double(*v),
        (Value::Decimal(v), T::Int) => Value::Int(v.whole() as i32),
        (Value::Decimal(v), T::BigInt) => Value::BigInt(v.whole() as i64),
        (Value::Decimal(v), T::Double) => Value::Double(v.to_f64()),
        _ => return unsupported(from, to),
    })
}

fn to_decimal(value: &Value, from: &DataType, precision: u8, scale: u8) -> Result<Value, CastError> {
    let to = || DataType::Decimal { precision, scale };
    let number = match *value {
        Value::Int(v) => Decimal::from(v),
        Value::BigInt(v) => Decimal::from(v),
        Value::Decimal(v) => v,
        Value::Double(v) => double_to_decimal(v, precision)
            .ok_or_else(|| CastError::Overflow { number: double_text(v).into(), to: to() })?,
        _ => return unsupported(from, &to()),
    };
    number
        .fit(precision, scale)
        .map(Value::Decimal)
        .map_err(|_| CastError::Overflow { number: number.to_string(), to: to() })
}

/// The DOUBLE's exact binary value rounded half up to `precision` significant digits, as Java's
/// `new BigDecimal(double, MathContext)`.
fn double_to_decimal(value: f64, precision: u8) -> Option<Decimal> {
    /// More digits than a tie at 38 digits has.
    const DIGITS: usize = 50;
    if !value.is_finite() {
        return None;
    }
    if value == 0.0 {
        return Some(Decimal::ZERO);
    }
    let text = format!("{value:.DIGITS$e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let digits = || mantissa.bytes().filter(u8::is_ascii_digit).map(|b| i128::from(b - b'0'));
    let kept = usize::from(precision.clamp(1, 38));
    let mut unscaled = digits().take(kept).fold(0i128, |n, digit| n * 10 + digit);
    if digits().nth(kept).is_some_and(|digit| digit >= 5) {
        unscaled += 1;
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{unscaled}e{}", exponent - (kept as i32 - 1)).parse().ok()
}

fn from_text(text: &str, from: &DataType, to: &DataType) -> Result<Value, CastError> {
    use DataType as T;
    let trimmed = text.trim();
    let value = match *to {
        T::Boolean => Some(Value::Boolean(text_is_true(trimmed))),
        T::Int => trimmed.parse().ok().map(Value::Int),
        T::BigInt => trimmed.parse().ok().map(Value::BigInt),
        T::Double => parse_double(trimmed).map(Value::Double),
        T::Decimal { precision, scale } => match trimmed.parse::<Decimal>() {
            Ok(number) => {
                return number
                    .fit(precision, scale)
                    .map(Value::Decimal)
                    .map_err(|_| CastError::Overflow { number: excerpt(text), to: to.clone() });
            }
            Err(_) => None,
        },
        T::Date => parse_iso_date(trimmed).map(Value::Date),
        T::Time => parse_iso_time(trimmed).map(Value::Time),
        T::Timestamp => parse_iso_timestamp(trimmed).map(Value::Timestamp),
        // Unlike ksqlDB, which has no CAST of BYTES: base64, as in INSERT VALUES.
        T::Bytes => bytes_from_base64(trimmed).map(Value::bytes),
        T::String => Some(Value::text(text)),
        T::Array(_) | T::Map(..) | T::Struct(_) => return unsupported(from, to),
    };
    value.ok_or_else(|| CastError::Invalid { text: excerpt(text), to: to.clone() })
}

/// `true` and `yes` and what they begin with, in any case, are true; all other text is false.
fn text_is_true(text: &str) -> bool {
    let begins = |word: &str| {
        word.get(..text.len()).is_some_and(|prefix| !text.is_empty() && prefix.eq_ignore_ascii_case(text))
    };
    begins("true") || begins("yes")
}

/// The value as text: `[1, 2]`, `{k=v}`, `Struct{A=1,B=2}` without its NULL fields.
fn to_text(value: &Value, data_type: &DataType) -> Text {
    let mut text = Text::const_new("");
    match value {
        Value::String(value) => return value.clone(),
        Value::Double(value) => return double_text(*value),
        Value::Date(days) => return format_iso_date(*days),
        Value::Time(ms) => return format_iso_time(*ms),
        Value::Timestamp(ms) => return format_iso_timestamp(*ms),
        _ => write_text(&mut text, value, data_type),
    }
    text
}

fn write_text(text: &mut Text, value: &Value, data_type: &DataType) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => text.push_str(itoa::Buffer::new().format(*value)),
        Value::BigInt(value) => text.push_str(itoa::Buffer::new().format(*value)),
        Value::Decimal(value) => write!(text, "{value}").expect("writing to text does not fail"),
        Value::Bytes(bytes) => text.push_str(&bytes_to_base64(bytes)),
        Value::Array(items) => {
            let item_type = if let DataType::Array(item) = data_type { item } else { data_type };
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                write_text(text, item, item_type);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            let (key_type, value_type) = match data_type {
                DataType::Map(key, value) => (&**key, &**value),
                _ => (data_type, data_type),
            };
            text.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                write_text(text, key, key_type);
                text.push('=');
                write_text(text, value, value_type);
            }
            text.push('}');
        }
        Value::Struct(values) => {
            let fields: &[Field] = if let DataType::Struct(fields) = data_type { fields } else { &[] };
            text.push_str("Struct{");
            let present = fields.iter().zip(values.iter()).filter(|(_, value)| !value.is_null());
            for (i, (field, value)) in present.enumerate() {
                text.push_str(if i > 0 { "," } else { "" });
                text.push_str(&field.name);
                text.push('=');
                write_text(text, value, &field.data_type);
            }
            text.push('}');
        }
        Value::String(_) | Value::Double(_) | Value::Date(_) | Value::Time(_) | Value::Timestamp(_) => {
            text.push_str(&to_text(value, data_type));
        }
    }
}

/// The beginning of a text, for messages.
fn excerpt(text: &str) -> String {
    const EXCERPT_CHARS_MAX: usize = 64;
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn unsupported(from: &DataType, to: &DataType) -> Result<Value, CastError> {
    Err(CastError::Unsupported { from: from.clone(), to: to.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType as T;

    fn decimal_type(precision: u8, scale: u8) -> DataType {
        T::Decimal { precision, scale }
    }

    fn text_of(value: Value, from: &DataType) -> String {
        cast(&value, from, &T::String).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn whole_numbers_wrap_and_doubles_saturate() {
        assert_eq!(cast(&Value::BigInt(1 << 31), &T::BigInt, &T::Int), Ok(Value::Int(i32::MIN)));
        assert_eq!(cast(&Value::Double(1e20), &T::Double, &T::Int), Ok(Value::Int(i32::MAX)));
        assert_eq!(cast(&Value::Double(f64::NAN), &T::Double, &T::BigInt), Ok(Value::BigInt(0)));
        assert_eq!(cast(&Value::Double(-1.9), &T::Double, &T::BigInt), Ok(Value::BigInt(-1)));
    }

    #[test]
    fn decimals_round_and_are_checked() {
        let as_text = |value: Value, from: &DataType, p, s| {
            cast(&value, from, &decimal_type(p, s)).map(|v| text_of(v, &decimal_type(p, s)))
        };
        assert_eq!(as_text(Value::Double(0.99), &T::Double, 2, 1), Ok("1.0".into()));
        assert_eq!(as_text(Value::Double(0.01), &T::Double, 2, 1), Ok("0.0".into()));
        assert_eq!(as_text(Value::Double(1.005), &T::Double, 3, 2), Ok("1.00".into()));
        assert_eq!(as_text(Value::Double(0.125), &T::Double, 2, 2), Ok("0.13".into()));
        assert_eq!(as_text(Value::text(" 0.99"), &T::String, 2, 1), Ok("1.0".into()));
        assert_eq!(as_text(Value::Int(5), &T::Int, 3, 2), Ok("5.00".into()));
        assert!(matches!(as_text(Value::Int(50), &T::Int, 3, 2), Err(CastError::Overflow { .. })));
        assert!(matches!(as_text(Value::Double(1e300), &T::Double, 3, 2), Err(CastError::Overflow { .. })));
        assert!(matches!(as_text(Value::text("x"), &T::String, 3, 2), Err(CastError::Invalid { .. })));
    }

    #[test]
    fn nested_values_print_as_in_java() {
        let array = Value::array(vec![Value::Int(1), Value::Null]);
        assert_eq!(text_of(array, &T::array(T::Int)), "[1, null]");
        let map = Value::map([(Value::text("this"), Value::Double(1e10))]);
        assert_eq!(text_of(map, &T::map(T::String, T::Double)), "{this=1.0E10}");
        let fields = T::structure([("A", T::String), ("B", T::Int), ("C", T::Int)]);
        let structure = Value::structure(vec![Value::text("bar"), Value::Null, Value::Int(1)]);
        assert_eq!(text_of(structure, &fields), "Struct{A=bar,C=1}");
    }

    #[test]
    fn struct_fields_go_by_name() {
        let from = T::structure([("F0", T::BigInt), ("F1", T::String)]);
        let to = T::structure([("F3", T::String), ("F0", T::String)]);
        let value = Value::structure(vec![Value::BigInt(1), Value::text("3")]);
        let expect = Value::structure(vec![Value::Null, Value::text("1")]);
        assert_eq!(cast(&value, &from, &to), Ok(expect));
    }

    #[test]
    fn text_becomes_boolean_by_its_beginning() {
        for (text, expect) in
            [("TRUE", true), ("t", true), ("ye", true), ("false", false), ("", false), ("tx", false)]
        {
            assert_eq!(
                cast(&Value::text(text), &T::String, &T::Boolean),
                Ok(Value::Boolean(expect)),
                "{text}"
            );
        }
    }

    #[test]
    fn times_convert() {
        let timestamp = |ms| Value::Timestamp(ms);
        assert_eq!(cast(&timestamp(-2000), &T::Timestamp, &T::Date), Ok(Value::Date(-1)));
        assert_eq!(cast(&timestamp(-1), &T::Timestamp, &T::Time), Ok(Value::Time(86_399_999)));
        assert_eq!(cast(&Value::Date(1), &T::Date, &T::Timestamp), Ok(timestamp(86_400_000)));
        assert_eq!(text_of(timestamp(10), &T::Timestamp), "1970-01-01T00:00:00.010");
        assert!(cast(&timestamp(i64::MAX), &T::Timestamp, &T::Date).is_err());
        assert!(cast(&Value::text("foo"), &T::String, &T::Timestamp).is_err());
    }

    #[test]
    fn text_is_no_array() {
        let error = cast(&Value::text("x"), &T::String, &T::array(T::Int)).unwrap_err();
        assert_eq!(EvalError::from(error).to_string(), "cast of STRING to ARRAY<INTEGER> is not supported");
        assert!(!is_castable(&T::String, &T::array(T::Int)));
    }

    #[test]
    fn common_types_are_the_widest() {
        assert_eq!(common_type(&[T::Int, T::BigInt]), Some(T::BigInt));
        assert_eq!(common_type(&[T::Int, decimal_type(4, 2)]), Some(decimal_type(12, 2)));
        assert_eq!(common_type(&[decimal_type(4, 2), T::Double]), Some(T::Double));
        assert_eq!(common_type(&[T::array(T::Int), T::array(T::BigInt)]), Some(T::array(T::BigInt)));
        assert_eq!(common_type(&[T::Int, T::String]), None);
        assert_eq!(common_type(&[]), None);
        assert!(implicitly_castable(&T::Int, &decimal_type(12, 2)));
        assert!(!implicitly_castable(&T::Int, &decimal_type(4, 2)));
    }
}
