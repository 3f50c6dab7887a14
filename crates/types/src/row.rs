//! Rows as bytes: the compact codec of state, changelogs and keys.
//!
//! A row is its values one after the other; nothing says how many, the reader knows. Every value starts
//! with a tag, so no schema is needed:
//!
//! ```text
//! 80..FF   STRING of 0..127 bytes, then the bytes
//! 00       NULL                       01 02    BOOLEAN false, true
//! 03 04    INTEGER, BIGINT: zigzag varint
//! 05       DOUBLE: 8 bytes, little endian
//! 06       DECIMAL: scale (1 byte), unscaled zigzag varint
//! 07 08    STRING, BYTES: length, bytes
//! 09 0A 0B DATE, TIME, TIMESTAMP: zigzag varint
//! 0C 0E    ARRAY, STRUCT: count, values
//! 0D       MAP: count, then key and value in turn
//! ```
//!
//! Bytes from outside give an error, never a panic. For keys that are scanned in order there is
//! [`encode_ordered`].

use std::sync::Arc;

pub use crate::ordered_row::{decode_ordered, encode_ordered};
use crate::{Decimal, Map, Text, Value};

/// Levels of ARRAY, MAP and STRUCT a row may have when read.
pub const NESTING_MAX: u32 = 100;

/// Values reserved for at once, so that a forged count reserves little.
pub(crate) const RESERVE_MAX: usize = 64;

/// Why bytes are not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The bytes end within a value.
    #[error("row ends within a value")]
    Truncated,
    /// Bytes follow the last value.
    #[error("row has bytes after its last value")]
    Trailing,
    /// There is no such tag.
    #[error("row has unknown tag {0}")]
    Tag(u8),
    /// A number is longer or larger than its type.
    #[error("row has a number out of range")]
    Number,
    /// A STRING is not UTF-8.
    #[error("row has a string that is not utf-8")]
    Utf8,
    /// More than [`NESTING_MAX`] levels.
    #[error("row is nested too deeply")]
    Depth,
}

mod tag {
    pub(super) const NULL: u8 = 0x00;
    pub(super) const FALSE: u8 = 0x01;
    pub(super) const TRUE: u8 = 0x02;
    pub(super) const INT: u8 = 0x03;
    pub(super) const BIGINT: u8 = 0x04;
    pub(super) const DOUBLE: u8 = 0x05;
    pub(super) const DECIMAL: u8 = 0x06;
    pub(super) const STRING: u8 = 0x07;
    pub(super) const BYTES: u8 = 0x08;
    pub(super) const DATE: u8 = 0x09;
    pub(super) const TIME: u8 = 0x0A;
    pub(super) const TIMESTAMP: u8 = 0x0B;
    pub(super) const ARRAY: u8 = 0x0C;
    pub(super) const MAP: u8 = 0x0D;
    pub(super) const STRUCT: u8 = 0x0E;
    /// With the length in the low seven bits.
    pub(super) const SHORT_STRING: u8 = 0x80;
}

/// Appends the values to `out`.
pub fn encode(values: &[Value], out: &mut Vec<u8>) {
    for value in values {
        encode_value(value, out);
    }
}

/// Returns the `arity` values `bytes` consist of.
pub fn decode(bytes: &[u8], arity: usize) -> Result<Vec<Value>, RowError> {
    let mut values = Vec::with_capacity(arity.min(bytes.len()));
    decode_into(bytes, &mut values)?;
    match values.len() {
        count if count == arity => Ok(values),
        count if count < arity => Err(RowError::Truncated),
        _ => Err(RowError::Trailing),
    }
}

/// Appends all values `bytes` consist of to `values`; on an error those before it stay.
pub fn decode_into(bytes: &[u8], values: &mut Vec<Value>) -> Result<(), RowError> {
    let mut reader = Reader { bytes };
    loop {
        // The frequent ones are made where they stay.
        match *reader.bytes {
            [] => return Ok(()),
            [tag::NULL, ref rest @ ..] => {
                values.push(Value::Null);
                reader.bytes = rest;
            }
            [tag::BIGINT, low, ref rest @ ..] if low < 0x80 => {
                values.push(Value::BigInt(unzigzag(low.into())));
                reader.bytes = rest;
            }
            [tag::BIGINT, low, high, ref rest @ ..] if high < 0x80 => {
                values.push(Value::BigInt(unzigzag(u64::from(low & 0x7f) | u64::from(high) << 7)));
                reader.bytes = rest;
            }
            _ => values.push(reader.value(NESTING_MAX)?),
        }
    }
}

/// Appends a STRING value, given as UTF-8.
#[inline]
pub fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(text.len()) {
        Ok(len) if len < tag::SHORT_STRING => {
            out.push(tag::SHORT_STRING | len);
            out.extend_from_slice(text);
        }
        _ => put_bytes(tag::STRING, text, out),
    }
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(tag::NULL),
        Value::Boolean(false) => out.push(tag::FALSE),
        Value::Boolean(true) => out.push(tag::TRUE),
        Value::Int(v) => put_number(tag::INT, (*v).into(), out),
        Value::BigInt(v) => put_number(tag::BIGINT, *v, out),
        Value::Double(v) => {
            out.push(tag::DOUBLE);
            out.extend_from_slice(&v.to_bits().to_le_bytes());
        }
        Value::Decimal(v) => put_decimal(v, out),
        Value::String(text) => encode_text(text.as_bytes(), out),
        Value::Bytes(bytes) => put_bytes(tag::BYTES, bytes, out),
        Value::Date(v) => put_number(tag::DATE, (*v).into(), out),
        Value::Time(v) => put_number(tag::TIME, (*v).into(), out),
        Value::Timestamp(v) => put_number(tag::TIMESTAMP, *v, out),
        Value::Array(items) => put_list(tag::ARRAY, items, out),
        Value::Struct(fields) => put_list(tag::STRUCT, fields, out),
        Value::Map(entries) => {
            out.push(tag::MAP);
            put_varint(entries.len() as u64, out);
            for (key, value) in entries.iter() {
                encode_value(key, out);
                encode_value(value, out);
            }
        }
    }
}

fn put_number(tag: u8, value: i64, out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(((value << 1) ^ (value >> 63)) as u64, out);
}

fn put_decimal(value: &Decimal, out: &mut Vec<u8>) {
    let unscaled = value.unscaled();
    let mut zigzag = ((unscaled << 1) ^ (unscaled >> 127)) as u128;
    out.extend_from_slice(&[tag::DECIMAL, value.scale()]);
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

fn put_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_list(tag: u8, values: &[Value], out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(values.len() as u64, out);
    encode(values, out);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn unzigzag(zigzag: u64) -> i64 {
    (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u32) -> Result<Value, RowError> {
        let tag = self.byte()?;
        if tag >= tag::SHORT_STRING {
            return self.text(usize::from(tag & !tag::SHORT_STRING));
        }
        Ok(match tag {
            tag::NULL => Value::Null,
            tag::FALSE => Value::Boolean(false),
            tag::TRUE => Value::Boolean(true),
            tag::INT => Value::Int(self.small()?),
            tag::BIGINT => Value::BigInt(self.number()?),
            tag::DOUBLE => {
                let bytes = self.bytes.first_chunk().ok_or(RowError::Truncated)?;
                self.bytes = &self.bytes[bytes.len()..];
                Value::Double(f64::from_bits(u64::from_le_bytes(*bytes)))
            }
            tag::DECIMAL => Value::Decimal(self.decimal()?),
            tag::STRING => {
                let len = self.count()?;
                return self.text(len);
            }
            tag::BYTES => {
                let len = self.count()?;
                Value::Bytes(Arc::from(self.take(len)?))
            }
            tag::DATE => Value::Date(self.small()?),
            tag::TIME => Value::Time(self.small()?),
            tag::TIMESTAMP => Value::Timestamp(self.number()?),
            tag::ARRAY => Value::array(self.list(depth)?),
            tag::STRUCT => Value::structure(self.list(depth)?),
            tag::MAP => self.map(depth)?,
            _ => return Err(RowError::Tag(tag)),
        })
    }

    fn byte(&mut self) -> Result<u8, RowError> {
        let (&first, rest) = self.bytes.split_first().ok_or(RowError::Truncated)?;
        self.bytes = rest;
        Ok(first)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RowError> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(RowError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn text(&mut self, len: usize) -> Result<Value, RowError> {
        let text = Text::from_utf8(self.take(len)?).map_err(|_| RowError::Utf8)?;
        Ok(Value::String(text))
    }

    fn varint(&mut self) -> Result<u64, RowError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let mut value = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if (bits << shift) >> shift != bits {
                return Err(RowError::Number);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RowError::Number)
    }

    fn number(&mut self) -> Result<i64, RowError> {
        Ok(unzigzag(self.varint()?))
    }

    fn small(&mut self) -> Result<i32, RowError> {
        i32::try_from(self.number()?).map_err(|_| RowError::Number)
    }

    fn decimal(&mut self) -> Result<Decimal, RowError> {
        let scale = self.byte()?;
        let mut zigzag = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if (bits << shift) >> shift != bits {
                return Err(RowError::Number);
            }
            zigzag |= bits << shift;
            if byte < 0x80 {
                return Ok(Decimal::new((zigzag >> 1) as i128 ^ -((zigzag & 1) as i128), scale));
            }
        }
        Err(RowError::Number)
    }

    /// A count of things of at least one byte each.
    fn count(&mut self) -> Result<usize, RowError> {
        let count = self.varint()?;
        usize::try_from(count).ok().filter(|&c| c <= self.bytes.len()).ok_or(RowError::Truncated)
    }

    fn list(&mut self, depth: u32) -> Result<Vec<Value>, RowError> {
        let depth = depth.checked_sub(1).ok_or(RowError::Depth)?;
        let count = self.count()?;
        let mut values = Vec::with_capacity(count.min(RESERVE_MAX));
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    fn map(&mut self, depth: u32) -> Result<Value, RowError> {
        let depth = depth.checked_sub(1).ok_or(RowError::Depth)?;
        let mut entries = Map::new();
        for _ in 0..self.count()? {
            let key = self.value(depth)?;
            entries.insert(key, self.value(depth)?);
        }
        Ok(Value::Map(Arc::new(entries)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    /// Any value, nested up to three levels.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i32>().prop_map(Value::Int),
            any::<i64>().prop_map(Value::BigInt),
            any::<f64>().prop_map(Value::Double),
            (any::<i128>(), any::<u8>()).prop_map(|(u, s)| Value::Decimal(Decimal::new(u, s))),
            (-2000i128..2000, 0u8..4).prop_map(|(u, s)| Value::Decimal(Decimal::new(u, s))),
            "[a\\x00é]{0,4}|.{0,200}".prop_map(Value::text),
            vec(any::<u8>(), 0..20).prop_map(Value::bytes),
            any::<i32>().prop_map(Value::Date),
            any::<i32>().prop_map(Value::Time),
            any::<i64>().prop_map(Value::Timestamp),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::array),
                vec(inner.clone(), 0..4).prop_map(Value::structure),
                btree_map(inner.clone(), inner, 0..4).prop_map(|m| Value::Map(Arc::new(m))),
            ]
        })
    }

    #[test]
    fn rows_are_compact() {
        let mut bytes = Vec::new();
        encode(&[Value::BigInt(-1), Value::text("10.0.0.1"), Value::Null], &mut bytes);
        assert_eq!(bytes, b"\x04\x01\x8810.0.0.1\x00");
    }

    #[test]
    fn wrong_arity_is_refused() {
        assert_eq!(decode(&[0, 0], 1), Err(RowError::Trailing));
        assert_eq!(decode(&[0], 2), Err(RowError::Truncated));
        assert_eq!(decode(&[], usize::MAX), Err(RowError::Truncated));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        assert_eq!(decode(&[tag::ARRAY; 1000], 1), Err(RowError::Depth));
        assert_eq!(decode(&[0x7F], 1), Err(RowError::Tag(0x7F)));
        assert_eq!(decode(&[0x81, 0xFF], 1), Err(RowError::Utf8));
        assert_eq!(decode(&[tag::INT, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], 1), Err(RowError::Number));
        assert_eq!(decode(&[&[tag::BIGINT][..], &[0xFF; 10]].concat(), 1), Err(RowError::Number));
        let huge = [tag::ARRAY, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        assert_eq!(decode(&huge, 1), Err(RowError::Truncated));
    }

    proptest! {
        #[test]
        fn rows_round_trip(values in vec(any_value(), 0..6)) {
            let mut bytes = Vec::new();
            encode(&values, &mut bytes);
            prop_assert_eq!(decode(&bytes, values.len()).unwrap(), values);
        }

        #[test]
        fn decoding_never_panics(bytes in vec(prop_oneof![0u8..16, any::<u8>()], 0..200)) {
            let _ = decode(&bytes, 3);
            let _ = decode_ordered(&bytes, 3);
        }
    }
}
