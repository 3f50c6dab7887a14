//! A slot becomes a value of the column's type, with ksqlDB's coercions.
//!
//! | column | from |
//! |---|---|
//! | BOOLEAN | boolean |
//! | INTEGER, BIGINT, DATE, TIME, TIMESTAMP | number (cut to its whole part), string that is an integer |
//! | DOUBLE, DECIMAL | number, string that is a number; DECIMAL only if it fits exactly |
//! | STRING | string, the text of anything else |
//! | BYTES | string in base64 |
//! | ARRAY, MAP, STRUCT | array, object, object |
//!
//! Missing and `null` are NULL of any type. Unlike ksqlDB, a number out of the type's range is an error
//! instead of its low bits or infinity.

use std::borrow::Cow;
use std::fmt;

use types::{DataType, Field, Map, Text, Value};

use super::lexer::{Child, Children};
use super::number::{self, NumberError};
use super::scan::{Kind, Slot};
use super::text::{container_text, unescape};

/// Why a field has no value of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", PathText(.path))]
pub struct DecodeError {
    /// Where inside the column: `.FIELD`, `[0]`, `.key`; empty for the column itself.
    pub path: String,
    /// What is wrong there.
    pub reason: DecodeReason,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeReason {
    /// The type cannot be made from this kind of JSON value.
    #[error("cannot convert JSON {found} to {wanted}")]
    Conversion {
        /// What the record has.
        found: &'static str,
        /// The type of the column or field.
        wanted: DataType,
    },
    /// The string is not the text of such a value.
    #[error("cannot convert the text of a JSON string to {0}")]
    Text(DataType),
    /// The number has too many digits.
    #[error("number out of range for {0}")]
    OutOfRange(DataType),
    /// The number has too many digits after the point.
    #[error("number does not fit {0} without rounding")]
    NeedsRounding(DataType),
    /// JSON keys are strings.
    #[error("JSON only supports MAP types with STRING keys")]
    MapKey,
}

/// Bytes of a path shown; keys of maps come from outside.
const PATH_BYTES_MAX: usize = 200;

struct PathText<'a>(&'a str);

impl fmt::Display for PathText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let shown = &self.0[..self.0.floor_char_boundary(PATH_BYTES_MAX)];
        write!(f, " at \"${}\"", shown.escape_debug())
    }
}

impl DecodeError {
    fn inside(mut self, step: impl fmt::Display) -> Self {
        self.path.insert_str(0, &step.to_string());
        self
    }
}

impl From<DecodeReason> for DecodeError {
    fn from(reason: DecodeReason) -> Self {
        Self { path: String::new(), reason }
    }
}

/// Returns the value of a slot in the type of its column.
pub fn decode(record: &[u8], slot: Slot, data_type: &DataType) -> Result<Value, DecodeError> {
    token(slot.raw(record), slot.kind, data_type)
}

/// Appends the value of a slot; nothing is appended on an error.
///
/// The frequent types are made where they stay: moving a value made in pieces waits for the pieces.
#[inline]
pub fn decode_onto(
    record: &[u8],
    slot: &Slot,
    data_type: &DataType,
    values: &mut Vec<Value>,
) -> Result<(), DecodeError> {
    match (slot.kind, data_type) {
        (Kind::Missing | Kind::Null, _) => values.push(Value::Null),
        (Kind::String, DataType::String) => {
            values.push(Value::String(Text::new(utf8(content(slot.raw(record))))));
        }
        (Kind::Integer, DataType::Int) if slot.len <= 9 => {
            values.push(Value::Int(short_integer(slot.raw(record)) as i32));
        }
        (Kind::Integer, DataType::BigInt) if slot.len as usize <= DIGITS_FAST_MAX => {
            values.push(Value::BigInt(short_integer(slot.raw(record))));
        }
        (Kind::True, DataType::Boolean) => values.push(Value::Boolean(true)),
        (Kind::False, DataType::Boolean) => values.push(Value::Boolean(false)),
        _ => values.push(decode(record, *slot, data_type)?),
    }
    Ok(())
}

/// Returns a string without escapes as it is in the record; `None` for anything else.
#[inline]
pub fn slot_str<'a>(record: &'a [u8], slot: &Slot) -> Option<&'a str> {
    match slot.kind {
        Kind::String => simdutf8::basic::from_utf8(content(slot.raw(record))).ok(),
        _ => None,
    }
}

/// Returns what a STRING column has for the slot; `None` for NULL.
pub fn slot_text<'a>(record: &'a [u8], slot: &Slot) -> Option<Cow<'a, str>> {
    string(slot.raw(record), slot.kind)
}

/// Returns what a BIGINT column has for the slot; `None` for NULL and for what cannot be converted.
#[inline]
pub fn slot_i64(record: &[u8], slot: &Slot) -> Option<i64> {
    whole(slot.raw(record), slot.kind)?.ok()
}

/// Returns what a DOUBLE column has for the slot; `None` for NULL and for what cannot be converted.
#[inline]
pub fn slot_f64(record: &[u8], slot: &Slot) -> Option<f64> {
    double(slot.raw(record), slot.kind)?.ok()
}

/// Returns what a BOOLEAN column has for the slot; `None` for NULL and for what cannot be converted.
#[inline]
pub fn slot_bool(slot: &Slot) -> Option<bool> {
    match slot.kind {
        Kind::True => Some(true),
        Kind::False => Some(false),
        _ => None,
    }
}

/// A string token without its quotes.
fn content(token: &[u8]) -> &[u8] {
    token.get(1..token.len().saturating_sub(1)).unwrap_or_default()
}

fn utf8(bytes: &[u8]) -> &str {
    // Scanned records are UTF-8; a slot of another record is not worth a panic.
    simdutf8::basic::from_utf8(bytes).unwrap_or_default()
}

fn string(token: &[u8], kind: Kind) -> Option<Cow<'_, str>> {
    Some(match kind {
        Kind::Missing | Kind::Null => return None,
        Kind::String => Cow::Borrowed(utf8(content(token))),
        Kind::EscapedString => unescape(utf8(content(token))),
        Kind::Integer if token == b"-0" => Cow::Borrowed("0"),
        Kind::Integer | Kind::True | Kind::False => Cow::Borrowed(utf8(token)),
        Kind::Number | Kind::Exponent => Cow::Owned(number::java_text(utf8(token))),
        Kind::Object | Kind::Array => Cow::Owned(container_text(utf8(token))),
    })
}

/// The whole number of a number or of a string, `None` for other kinds.
fn whole(token: &[u8], kind: Kind) -> Option<Result<i64, NumberError>> {
    match kind {
        Kind::Integer if token.len() <= DIGITS_FAST_MAX => Some(Ok(short_integer(token))),
        Kind::Integer | Kind::Number | Kind::Exponent => Some(number::whole(utf8(token))),
        Kind::String | Kind::EscapedString => {
            let text = string(token, kind)?;
            Some(text.parse().map_err(|_| NumberError::Invalid))
        }
        _ => None,
    }
}

/// Digits, or a sign and digits, that fit an `i64` whatever they are.
const DIGITS_FAST_MAX: usize = 18;

/// The number of a short integer token, which was scanned before.
#[inline]
fn short_integer(token: &[u8]) -> i64 {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let number = digits.iter().fold(0i64, |number, digit| number * 10 + i64::from(digit & 15));
    if digits.len() < token.len() { -number } else { number }
}

/// The DOUBLE of a number or of a string, `None` for other kinds.
fn double(token: &[u8], kind: Kind) -> Option<Result<f64, NumberError>> {
    match kind {
        Kind::Integer | Kind::Number | Kind::Exponent => Some(match fast_float2::parse::<f64, _>(token) {
            // Adding it takes a zero's sign away, also that of what is too small for a number.
            Ok(number) if number.is_finite() => Ok(number + 0.0),
            Ok(_) => Err(NumberError::OutOfRange),
            Err(_) => Err(NumberError::Invalid),
        }),
        Kind::String | Kind::EscapedString => {
            // Adding it takes a zero's sign away.
            Some(
                types::parse_double(&string(token, kind)?)
                    .map(|number| number + 0.0)
                    .ok_or(NumberError::Invalid),
            )
        }
        _ => None,
    }
}

fn found(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing | Kind::Null => "null",
        Kind::True | Kind::False => "boolean",
        Kind::Integer | Kind::Number | Kind::Exponent => "number",
        Kind::String | Kind::EscapedString => "string",
        Kind::Object => "object",
        Kind::Array => "array",
    }
}

fn number_error(error: NumberError, data_type: &DataType) -> DecodeReason {
    match error {
        NumberError::Invalid => DecodeReason::Text(data_type.clone()),
        NumberError::OutOfRange => DecodeReason::OutOfRange(data_type.clone()),
        NumberError::NeedsRounding => DecodeReason::NeedsRounding(data_type.clone()),
    }
}

/// Decodes one token; recursion is as deep as the type, not as the record.
pub(crate) fn token(token: &[u8], kind: Kind, data_type: &DataType) -> Result<Value, DecodeError> {
    if matches!(kind, Kind::Missing | Kind::Null) {
        return Ok(Value::Null);
    }
    let conversion = || DecodeReason::Conversion { found: found(kind), wanted: data_type.clone() };
    let value = match data_type {
        DataType::Boolean => match kind {
            Kind::True => Value::Boolean(true),
            Kind::False => Value::Boolean(false),
            _ => return Err(conversion().into()),
        },
        DataType::Int | DataType::BigInt | DataType::Date | DataType::Time | DataType::Timestamp => {
            let number =
                whole(token, kind).ok_or_else(conversion)?.map_err(|error| number_error(error, data_type))?;
            integer(number, data_type).ok_or_else(|| DecodeReason::OutOfRange(data_type.clone()))?
        }
        DataType::Double => {
            let number = double(token, kind).ok_or_else(conversion)?;
            Value::Double(number.map_err(|error| number_error(error, data_type))?)
        }
        &DataType::Decimal { precision, scale } => {
            let text = match kind {
                Kind::Integer | Kind::Number | Kind::Exponent => Cow::Borrowed(utf8(token)),
                Kind::String | Kind::EscapedString => string(token, kind).unwrap_or_default(),
                _ => return Err(conversion().into()),
            };
            let number = number::decimal(&text, precision, scale);
            Value::Decimal(number.map_err(|error| number_error(error, data_type))?)
        }
        DataType::String => match string(token, kind) {
            Some(text) => Value::String(Text::from(text)),
            None => Value::Null,
        },
        DataType::Bytes => {
            if !matches!(kind, Kind::String | Kind::EscapedString) {
                return Err(conversion().into());
            }
            let text = string(token, kind).unwrap_or_default();
            let bytes = types::bytes_from_base64(&text);
            Value::bytes(bytes.ok_or_else(|| DecodeReason::Text(data_type.clone()))?)
        }
        DataType::Array(item) if kind == Kind::Array => array(token, item)?,
        DataType::Map(key, _) if kind == Kind::Object && **key != DataType::String => {
            return Err(DecodeReason::MapKey.into());
        }
        DataType::Map(_, value) if kind == Kind::Object => map(token, value)?,
        DataType::Struct(fields) if kind == Kind::Object => Value::structure(structure(token, fields)?),
        DataType::Array(_) | DataType::Map(..) | DataType::Struct(_) => return Err(conversion().into()),
    };
    Ok(value)
}

/// The value of a whole-number type, `None` if out of its range.
fn integer(number: i64, data_type: &DataType) -> Option<Value> {
    Some(match data_type {
        DataType::Int => Value::Int(i32::try_from(number).ok()?),
        DataType::Date => Value::Date(i32::try_from(number).ok()?),
        DataType::Time => Value::Time(i32::try_from(number).ok()?),
        DataType::Timestamp => Value::Timestamp(number),
        _ => Value::BigInt(number),
    })
}

fn array(container: &[u8], item: &DataType) -> Result<Value, DecodeError> {
    let mut items = Vec::new();
    for (i, child) in Children::new(container).enumerate() {
        let value = token(child.value, child.kind, item);
        items.push(value.map_err(|error| error.inside(format_args!("[{i}]")))?);
    }
    Ok(Value::array(items))
}

fn map(container: &[u8], value_type: &DataType) -> Result<Value, DecodeError> {
    let mut entries = Map::new();
    for child in Children::new(container) {
        let key = unescape(utf8(content(child.key)));
        let value = token(child.value, child.kind, value_type)
            .map_err(|error| error.inside(format_args!(".{key}")))?;
        entries.insert(Value::text(key), value);
    }
    Ok(Value::Map(entries.into()))
}

/// Decodes the fields of an object; for one that is there twice the last wins, and one of exactly the
/// field's name wins over others.
pub(crate) fn structure(container: &[u8], fields: &[Field]) -> Result<Vec<Value>, DecodeError> {
    let mut found: Vec<Option<(Child<'_>, bool)>> = fields.iter().map(|_| None).collect();
    for child in Children::new(container) {
        let key = unescape(utf8(content(child.key)));
        let upper = if key.is_ascii() { None } else { Some(key.to_uppercase()) };
        for (field, place) in fields.iter().zip(&mut found) {
            let exact = *field.name == *key;
            let wins = exact || !matches!(place, Some((_, true)));
            if wins && (exact || is_upper_of(&field.name, &key, upper.as_deref())) {
                *place = Some((child, exact));
            }
        }
    }
    let mut values = Vec::with_capacity(fields.len());
    for (field, place) in fields.iter().zip(found) {
        values.push(match place {
            Some((child, _)) => token(child.value, child.kind, &field.data_type)
                .map_err(|error| error.inside(format_args!(".{}", field.name)))?,
            None => Value::Null,
        });
    }
    Ok(values)
}

/// Whether `name` is `key` in upper case, which is given if it cannot be told byte by byte.
fn is_upper_of(name: &str, key: &str, upper: Option<&str>) -> bool {
    match upper {
        Some(upper) => name == upper,
        None => {
            name.len() == key.len() && name.bytes().zip(key.bytes()).all(|(n, k)| n == k.to_ascii_uppercase())
        }
    }
}
