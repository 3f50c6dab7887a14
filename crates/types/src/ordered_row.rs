//! Rows as bytes that sort as the rows do, for keys that are scanned in order.
//!
//! Byte order equals the order of `Value`, NULL first. A value is its type's rank, then:
//!
//! ```text
//! BOOLEAN          0 or 1
//! INTEGER … DATE   big endian, sign bit flipped
//! DOUBLE           big endian; all bits flipped if negative, else the sign bit
//! DECIMAL          sign 0..2, exponent, digits + 1 in half bytes ending in 0 (inverted if negative), scale
//! STRING, BYTES    00 written as 00 FF, ended by 00 00
//! ARRAY, STRUCT    01 before each value, ended by 00
//! MAP              01 before each entry, ended by 00
//! ```

use crate::row::{NESTING_MAX, RowError};
use crate::{Decimal, Map, Value};
use std::sync::Arc;

const NULL: u8 = 0;
const BOOLEAN: u8 = 1;
const INT: u8 = 2;
const BIGINT: u8 = 3;
const DOUBLE: u8 = 4;
const DECIMAL: u8 = 5;
const STRING: u8 = 6;
const BYTES: u8 = 7;
const DATE: u8 = 8;
const TIME: u8 = 9;
const TIMESTAMP: u8 = 10;
const ARRAY: u8 = 11;
const MAP: u8 = 12;
const STRUCT: u8 = 13;

const END: u8 = 0;
const MORE: u8 = 1;

/// Added to a decimal exponent, which is within -255..=39, so that it is not negative.
const EXPONENT_BIAS: i32 = 512;

/// Appends the values to `out` such that byte order is the order of the values.
pub fn encode_ordered(values: &[Value], out: &mut Vec<u8>) {
    for value in values {
        put(value, out);
    }
}

/// Returns the `arity` values `bytes` consist of.
pub fn decode_ordered(bytes: &[u8], arity: usize) -> Result<Vec<Value>, RowError> {
    let mut reader = Reader { bytes };
    let mut values = Vec::with_capacity(arity.min(bytes.len()));
    for _ in 0..arity {
        values.push(reader.value(NESTING_MAX)?);
    }
    if reader.bytes.is_empty() { Ok(values) } else { Err(RowError::Trailing) }
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Boolean(v) => out.extend_from_slice(&[BOOLEAN, (*v).into()]),
        Value::Int(v) => put_i32(INT, *v, out),
        Value::BigInt(v) => put_i64(BIGINT, *v, out),
        Value::Double(v) => {
            let bits = v.to_bits();
            let flipped = if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) };
            out.push(DOUBLE);
            out.extend_from_slice(&flipped.to_be_bytes());
        }
        Value::Decimal(v) => {
            out.push(DECIMAL);
            put_decimal(v, out);
        }
        Value::String(text) => put_escaped(STRING, text.as_bytes(), out),
        Value::Bytes(bytes) => put_escaped(BYTES, bytes, out),
        Value::Date(v) => put_i32(DATE, *v, out),
        Value::Time(v) => put_i32(TIME, *v, out),
        Value::Timestamp(v) => put_i64(TIMESTAMP, *v, out),
        Value::Array(items) => put_list(ARRAY, items, out),
        Value::Struct(fields) => put_list(STRUCT, fields, out),
        Value::Map(entries) => {
            out.push(MAP);
            for (key, value) in entries.iter() {
                out.push(MORE);
                put(key, out);
                put(value, out);
            }
            out.push(END);
        }
    }
}

fn put_i32(rank: u8, value: i32, out: &mut Vec<u8>) {
    out.push(rank);
    out.extend_from_slice(&(value ^ i32::MIN).to_be_bytes());
}

fn put_i64(rank: u8, value: i64, out: &mut Vec<u8>) {
    out.push(rank);
    out.extend_from_slice(&(value ^ i64::MIN).to_be_bytes());
}

fn put_escaped(rank: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(rank);
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn put_list(rank: u8, values: &[Value], out: &mut Vec<u8>) {
    out.push(rank);
    for value in values {
        out.push(MORE);
        put(value, out);
    }
    out.push(END);
}

fn put_decimal(value: &Decimal, out: &mut Vec<u8>) {
    let unscaled = value.unscaled();
    out.push((unscaled.signum() + 1) as u8);
    if unscaled != 0 {
        let start = out.len();
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(unscaled.unsigned_abs());
        let exponent = digits.len() as i32 - i32::from(value.scale());
        out.extend_from_slice(&((exponent + EXPONENT_BIAS) as u16).to_be_bytes());
        for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
            let low = pair.get(1).map_or(0, |digit| digit - b'0' + 1);
            out.push((pair[0] - b'0' + 1) << 4 | low);
        }
        // After an odd count the last half byte ended the digits already.
        if out[out.len() - 1] & 0x0F != 0 {
            out.push(0);
        }
        if unscaled < 0 {
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
    out.push(value.scale());
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, depth: u32) -> Result<Value, RowError> {
        let rank = self.byte()?;
        Ok(match rank {
            NULL => Value::Null,
            BOOLEAN => match self.byte()? {
                0 => Value::Boolean(false),
                1 => Value::Boolean(true),
                other => return Err(RowError::Tag(other)),
            },
            INT => Value::Int(self.i32()?),
            BIGINT => Value::BigInt(self.i64()?),
            DOUBLE => {
                let flipped = u64::from_be_bytes(self.array()?);
                let bits = if flipped >> 63 == 0 { !flipped } else { flipped ^ (1 << 63) };
                Value::Double(f64::from_bits(bits))
            }
            DECIMAL => Value::Decimal(self.decimal()?),
            STRING => {
                let text = String::from_utf8(self.escaped()?).map_err(|_| RowError::Utf8)?;
                Value::text(text)
            }
            BYTES => Value::bytes(self.escaped()?),
            DATE => Value::Date(self.i32()?),
            TIME => Value::Time(self.i32()?),
            TIMESTAMP => Value::Timestamp(self.i64()?),
            ARRAY => Value::array(self.list(depth)?),
            STRUCT => Value::structure(self.list(depth)?),
            MAP => {
                let depth = depth.checked_sub(1).ok_or(RowError::Depth)?;
                let mut entries = Map::new();
                while self.more()? {
                    let key = self.value(depth)?;
                    entries.insert(key, self.value(depth)?);
                }
                Value::Map(Arc::new(entries))
            }
            _ => return Err(RowError::Tag(rank)),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RowError> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(RowError::Truncated)?;
        self.bytes = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, RowError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn i32(&mut self) -> Result<i32, RowError> {
        Ok(i32::from_be_bytes(self.array()?) ^ i32::MIN)
    }

    fn i64(&mut self) -> Result<i64, RowError> {
        Ok(i64::from_be_bytes(self.array()?) ^ i64::MIN)
    }

    fn escaped(&mut self) -> Result<Vec<u8>, RowError> {
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                0 => match self.byte()? {
                    0 => return Ok(bytes),
                    0xFF => bytes.push(0),
                    other => return Err(RowError::Tag(other)),
                },
                byte => bytes.push(byte),
            }
        }
    }

    fn more(&mut self) -> Result<bool, RowError> {
        match self.byte()? {
            MORE => Ok(true),
            END => Ok(false),
            other => Err(RowError::Tag(other)),
        }
    }

    fn list(&mut self, depth: u32) -> Result<Vec<Value>, RowError> {
        let depth = depth.checked_sub(1).ok_or(RowError::Depth)?;
        let mut values = Vec::new();
        while self.more()? {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    fn decimal(&mut self) -> Result<Decimal, RowError> {
        let sign = self.byte()?;
        let invert = match sign {
            0 => 0xFF,
            1 => return Ok(Decimal::new(0, self.byte()?)),
            2 => 0x00,
            _ => return Err(RowError::Tag(sign)),
        };
        let [high, low] = self.array()?;
        let exponent = i32::from(u16::from_be_bytes([high ^ invert, low ^ invert])) - EXPONENT_BIAS;
        // Collected as a negative number, whose range is the larger.
        let mut unscaled = 0i128;
        let mut count = 0;
        'digits: loop {
            let pair = self.byte()? ^ invert;
            for half in [pair >> 4, pair & 0x0F] {
                match half {
                    0 => break 'digits,
                    1..=10 => unscaled = push_digit(unscaled, half - 1)?,
                    _ => return Err(RowError::Number),
                }
                count += 1;
            }
        }
        let scale = self.byte()?;
        let zeros = exponent + i32::from(scale) - count;
        if !(0..=39).contains(&zeros) {
            return Err(RowError::Number);
        }
        for _ in 0..zeros {
            unscaled = push_digit(unscaled, 0)?;
        }
        let unscaled = if sign == 0 { Some(unscaled) } else { unscaled.checked_neg() };
        Ok(Decimal::new(unscaled.ok_or(RowError::Number)?, scale))
    }
}

fn push_digit(unscaled: i128, digit: u8) -> Result<i128, RowError> {
    unscaled.checked_mul(10).and_then(|n| n.checked_sub(digit.into())).ok_or(RowError::Number)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::row::tests::any_value;

    fn bytes(values: &[Value]) -> Vec<u8> {
        let mut out = Vec::new();
        encode_ordered(values, &mut out);
        out
    }

    #[test]
    fn decimals_sort_by_number_then_scale() {
        let sorted =
            ["-100", "-10.5", "-10.49", "-0.001", "0", "0.0", "0.01", "1", "1.0", "1.05", "10", "99"];
        let keys: Vec<_> =
            sorted.iter().map(|text| bytes(&[Value::Decimal(text.parse().unwrap())])).collect();
        assert!(keys.is_sorted());
    }

    #[test]
    fn a_text_sorts_before_its_extensions() {
        assert!(bytes(&[Value::text("a"), Value::Int(9)]) < bytes(&[Value::text("a\0"), Value::Int(1)]));
        assert!(bytes(&[Value::Null]) < bytes(&[Value::text("")]));
    }

    /// Two values of one type, close enough that every byte of the key gets to decide.
    fn pair() -> impl Strategy<Value = (Value, Value)> {
        let decimal = |(unscaled, scale)| Value::Decimal(Decimal::new(unscaled, scale));
        let leaf = move |case: u8| match case {
            0 => any::<i32>().prop_map(Value::Int).boxed(),
            1 => any::<i64>().prop_map(Value::BigInt).boxed(),
            2 => any::<f64>().prop_map(Value::Double).boxed(),
            3 => (-1200i128..1200, 0u8..4).prop_map(decimal).boxed(),
            4 => (any::<i128>(), any::<u8>()).prop_map(decimal).boxed(),
            5 => "[ab\\x00]{0,4}".prop_map(Value::text).boxed(),
            6 => vec(prop_oneof![Just(0u8), Just(1), Just(0xFF)], 0..4).prop_map(Value::bytes).boxed(),
            7 => any::<i32>().prop_map(Value::Date).boxed(),
            8 => any::<i64>().prop_map(Value::Timestamp).boxed(),
            9 => vec((-2i32..2).prop_map(Value::Int), 0..4).prop_map(Value::array).boxed(),
            _ => vec((0i32..3, -2i32..2), 0..4)
                .prop_map(|m| Value::map(m.into_iter().map(|(k, v)| (Value::Int(k), Value::Int(v)))))
                .boxed(),
        };
        (0u8..11).prop_flat_map(move |case| (leaf(case), leaf(case)))
    }

    proptest! {
        #[test]
        fn byte_order_within_a_type_is_value_order((a, b) in pair()) {
            prop_assert_eq!(bytes(std::slice::from_ref(&a)).cmp(&bytes(std::slice::from_ref(&b))), a.cmp(&b));
        }

        #[test]
        fn keys_round_trip(values in vec(any_value(), 0..4)) {
            prop_assert_eq!(decode_ordered(&bytes(&values), values.len()).unwrap(), values);
        }

        #[test]
        fn byte_order_is_value_order(a in vec(any_value(), 2), b in vec(any_value(), 2)) {
            prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
        }
    }
}
