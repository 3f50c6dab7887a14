//! Fields of a record written again as they came.
//!
//! A field whose bytes are what its column is written as is copied; others are decoded and written. Pieces are copied 16
//! bytes at a time, past their end where there is room: most are shorter than that, and a call for each would cost more
//! than the copy.

use types::{DataType, Value};

use super::block::BLOCK_BYTES;
use super::encode::write_value;
use super::scan::{Kind, Slot};
use super::text::write_string;

/// Significant digits that any DOUBLE can be told apart by.
const DOUBLE_DIGITS_MAX: usize = 17;

/// Digits of a whole number that are in range of INTEGER and BIGINT whatever they are.
const DIGITS_IN_RANGE: usize = 9;

/// Room behind what is written, so that whole blocks can be.
const SLACK: usize = 2 * BLOCK_BYTES;

/// Writes objects of the same columns one after the other. Holds the last one.
#[derive(Debug)]
pub struct RecordWriter {
    columns: Vec<Column>,
    /// Always longer than what is written.
    bytes: Vec<u8>,
    len: usize,
    /// A value that does not pass through.
    written: Vec<u8>,
}

#[derive(Debug)]
struct Column {
    /// `,"NAME":`, filled up to whole blocks.
    prefix: Box<[u8]>,
    prefix_len: usize,
    data_type: DataType,
    passes: Passes,
}

/// Which fields pass through at a glance.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Passes {
    Text,
    Boolean,
    Whole,
    Double,
    Nothing,
}

impl RecordWriter {
    /// Makes a writer for columns of these names and types.
    pub fn new<S: AsRef<str>>(columns: &[(S, DataType)]) -> Self {
        let columns = columns.iter().map(|(name, data_type)| {
            let mut prefix = vec![b','];
            write_string(name.as_ref(), &mut prefix);
            prefix.push(b':');
            let prefix_len = prefix.len();
            prefix.resize(prefix_len.next_multiple_of(BLOCK_BYTES), 0);
            let passes = match data_type {
                DataType::String => Passes::Text,
                DataType::Boolean => Passes::Boolean,
                DataType::Int | DataType::BigInt => Passes::Whole,
                DataType::Double => Passes::Double,
                _ => Passes::Nothing,
            };
            Column { prefix: prefix.into(), prefix_len, data_type: data_type.clone(), passes }
        });
        Self { columns: columns.collect(), bytes: vec![], len: 0, written: vec![] }
    }

    /// Begins an object.
    #[inline]
    pub fn begin(&mut self) {
        self.len = 0;
    }

    /// Writes a column as the field of a record that has its type; false if the field has to be decoded for that.
    ///
    /// # Panics
    /// If there is no such column.
    #[inline]
    pub fn push_slot(&mut self, column: usize, slot: &Slot, record: &[u8]) -> bool {
        let Self { columns, bytes, len, .. } = self;
        let column = &columns[column];
        let passes = match (slot.kind, column.passes) {
            (Kind::Missing | Kind::Null, _) => {
                *len = put(bytes, *len, &column.prefix, 0, column.prefix_len);
                *len = put(bytes, *len, b"null", 0, 4);
                return true;
            }
            (Kind::String, Passes::Text) | (Kind::True | Kind::False, Passes::Boolean) => true,
            (Kind::Integer, Passes::Whole)
                if slot.len as usize <= DIGITS_IN_RANGE && slot.raw(record).first() != Some(&b'-') =>
            {
                true
            }
            // It is all digits but for the point.
            (Kind::Number, Passes::Double) if slot.len as usize <= DOUBLE_DIGITS_MAX + 1 => true,
            _ => passes_through(slot, record, &column.data_type),
        };
        if passes {
            *len = put(bytes, *len, &column.prefix, 0, column.prefix_len);
            *len = put(bytes, *len, record, slot.offset as usize, slot.len as usize);
        }
        passes
    }

    /// Writes a column's value.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn push_value(&mut self, column: usize, value: &Value) {
        let Self { columns, bytes, len, written } = self;
        let column = &columns[column];
        written.clear();
        write_value(value, &column.data_type, written);
        *len = put(bytes, *len, &column.prefix, 0, column.prefix_len);
        *len = put(bytes, *len, written, 0, written.len());
    }

    /// Ends the object; it is there until the next one begins.
    #[inline]
    pub fn finish(&mut self) -> &[u8] {
        let Self { bytes, len, .. } = self;
        if *len == 0 {
            *len = put(bytes, 0, b"{", 0, 1);
        }
        *len = put(bytes, *len, b"}", 0, 1);
        // Every column starts with a comma; the first one's place is the brace's.
        bytes[0] = b'{';
        &bytes[..*len]
    }
}

/// Copies `from[start..start + count]` to `bytes` at `at`; gives the place behind it. What `from` has not is left out.
#[inline(always)]
fn put(bytes: &mut Vec<u8>, at: usize, from: &[u8], start: usize, count: usize) -> usize {
    if bytes.len() < at + count + SLACK {
        grow(bytes, at + count + SLACK);
    }
    let mut done = 0;
    while done < count {
        let block = from.get(start + done..).and_then(|rest| rest.first_chunk::<BLOCK_BYTES>());
        let room = bytes.get_mut(at + done..).and_then(|rest| rest.first_chunk_mut::<BLOCK_BYTES>());
        let (Some(block), Some(room)) = (block, room) else {
            return put_rest(bytes, at + done, from.get(start + done..start + count).unwrap_or_default());
        };
        *room = *block;
        done += BLOCK_BYTES;
    }
    at + count
}

/// `put` for what is at the end of its source.
#[inline(never)]
fn put_rest(bytes: &mut [u8], at: usize, rest: &[u8]) -> usize {
    bytes[at..at + rest.len()].copy_from_slice(rest);
    at + rest.len()
}

#[cold]
#[inline(never)]
fn grow(bytes: &mut Vec<u8>, len: usize) {
    bytes.resize(len.next_power_of_two(), 0);
}

/// Returns whether the field's bytes are already what a column of that type is written as, so that they
/// can be copied: the same value, though perhaps in other digits or escapes than ksqlDB chooses.
pub fn passes_through(slot: &Slot, record: &[u8], data_type: &DataType) -> bool {
    let token = slot.raw(record);
    match (slot.kind, data_type) {
        (Kind::Null, _) => true,
        (Kind::String, DataType::String) => true,
        (Kind::EscapedString, DataType::String) => !has_surrogate(token),
        (Kind::True | Kind::False, DataType::Boolean) => true,
        (Kind::Integer, DataType::BigInt) => is_whole(token, i64::MIN, i64::MAX),
        (Kind::Integer, DataType::Int) => is_whole(token, i32::MIN.into(), i32::MAX.into()),
        // Without exponent it is finite: 17 significant digits, and zeros only in front.
        (Kind::Number, DataType::Double) => is_exact(token),
        (Kind::Exponent, DataType::Double) => {
            is_exact(token) && fast_float2::parse::<f64, _>(token).is_ok_and(f64::is_finite)
        }
        _ => false,
    }
}

/// Whether a string has an escaped surrogate: without its other half it is another text when decoded.
fn has_surrogate(token: &[u8]) -> bool {
    token.windows(4).any(|bytes| {
        bytes[..2] == *b"\\u" && bytes[2].eq_ignore_ascii_case(&b'd') && !matches!(bytes[3], b'0'..=b'7')
    })
}

#[inline]
fn is_whole(token: &[u8], min: i64, max: i64) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.len() <= DIGITS_IN_RANGE {
        return token != b"-0";
    }
    std::str::from_utf8(token)
        .ok()
        .and_then(|text| text.parse::<i64>().ok())
        .is_some_and(|number| (min..=max).contains(&number))
}

/// Whether a number has no more digits than a DOUBLE.
fn is_exact(token: &[u8]) -> bool {
    // A short one is all digits but for the point.
    if token.len() <= DOUBLE_DIGITS_MAX + 1 {
        return true;
    }
    let exponent = token.iter().position(|byte| byte | 0x20 == b'e');
    let mantissa = &token[..exponent.unwrap_or(token.len())];
    // The zeros in front are not significant.
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit());
    digits.skip_while(|&&digit| digit == b'0').count() <= DOUBLE_DIGITS_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{ObjectEncoder, Projection, Scanner, decode};

    fn scalar() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,20})",
            "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,20}",
            "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?[eE][+-]?[0-9]{1,3}",
            "\"[a-zäß ]{0,40}\"",
            "\"([a-z]|\\\\n|\\\\\\\\|\\\\\"|\\\\u00[0-9a-f]{2}|\\\\u[dD][89abAB][0-9]{2}){0,10}\"",
            Just("[1, 2]".to_owned()),
        ]
    }

    proptest! {
        /// What is copied, read again, is what decoding and writing gives, read again.
        #[test]
        fn copied_fields_are_the_same_values(fields in prop::collection::vec(scalar(), 1..6), types in prop::collection::vec(0..6usize, 6), space in " {0,3}") {
            let all = [DataType::String, DataType::Boolean, DataType::Int, DataType::BigInt, DataType::Double,
                DataType::array(DataType::Int)];
            let columns: Vec<(String, DataType)> =
                fields.iter().enumerate().map(|(n, _)| (format!("COLUMN_{n}_WITH_A_NAME"), all[types[n]].clone())).collect();
            let text: Vec<String> = fields.iter().enumerate().map(|(n, field)| format!("\"column_{n}_with_a_name\":{space}{field}")).collect();
            let record = format!("{{{}}}", text.join(","));
            let names: Vec<&str> = columns.iter().map(|(name, _)| &**name).collect();
            let projection = Projection::columns(&names).unwrap();
            let mut slots = vec![Slot::MISSING; projection.slot_count()];
            Scanner::new(projection).scan(record.as_bytes(), &mut slots).unwrap();
            let values: Result<Vec<Value>, _> =
                columns.iter().zip(&slots).map(|((_, t), slot)| decode(record.as_bytes(), *slot, t)).collect();
            // Records with a field that cannot be decoded are refused before.
            let Ok(values) = values else { return Ok(()) };
            let mut writer = RecordWriter::new(&columns);
            for _ in 0..2 {
                writer.begin();
                for (n, value) in values.iter().enumerate() {
                    if !writer.push_slot(n, &slots[n], record.as_bytes()) {
                        writer.push_value(n, value);
                    }
                }
                let found = writer.finish().to_vec();
                let mut expect = vec![];
                ObjectEncoder::new(&columns).write_row(&values, &mut expect);
                let read = |record: &[u8]| -> Vec<Value> {
                    let projection = Projection::columns(&names).unwrap();
                    let mut slots = vec![Slot::MISSING; projection.slot_count()];
                    Scanner::new(projection).scan(record, &mut slots).unwrap();
                    columns.iter().zip(&slots).map(|((_, t), slot)| decode(record, *slot, t).unwrap()).collect()
                };
                prop_assert_eq!(read(&found), read(&expect));
                let _: serde_json::Value = serde_json::from_slice(&found).unwrap();
            }
        }
    }

    #[test]
    fn object_without_columns_is_empty() {
        let mut writer = RecordWriter::new::<&str>(&[]);
        writer.begin();
        assert_eq!(writer.finish(), b"{}");
    }
}
