//! Fields of a record written again as they came.
//!
//! A field whose bytes are what its column is written as is copied; others are decoded and written. Which way a record goes
//! never shows: a number in digits that Java would not choose, or a string with other escapes, is not copied. Pieces are copied 16
//! bytes at a time, past their end where there is room: most are shorter than that, and a call for each would cost more
//! than the copy.

use types::{DataType, Value};

use super::block::{BLOCK_BYTES, digit_mask_at};
use super::encode::write_value;
use super::scan::{Kind, Slot};
use super::text::write_string;

/// Digits of a DOUBLE that are the shortest ones for it, whatever they are.
const SHORTEST_DIGITS: usize = 15;

/// Digits before the point from which on Java writes an exponent.
const EXPONENT_DIGITS: usize = 8;

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
            (Kind::Number, Passes::Double) => match double_form(record, slot) {
                DoubleForm::Java => true,
                DoubleForm::WithoutExponent(whole) => {
                    *len = put(bytes, *len, &column.prefix, 0, column.prefix_len);
                    *len = put_with_exponent(bytes, *len, record, slot, whole);
                    return true;
                }
                DoubleForm::Other => false,
            },
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

/// Returns whether the field's bytes are what a column of that type is written as, so that they can be copied.
pub fn passes_through(slot: &Slot, record: &[u8], data_type: &DataType) -> bool {
    let token = slot.raw(record);
    match (slot.kind, data_type) {
        (Kind::Null, _) => true,
        (Kind::String, DataType::String) => true,
        (Kind::EscapedString, DataType::String) => has_own_escapes(token),
        (Kind::True | Kind::False, DataType::Boolean) => true,
        (Kind::Integer, DataType::BigInt) => is_whole(token, i64::MIN, i64::MAX),
        (Kind::Integer, DataType::Int) => is_whole(token, i32::MIN.into(), i32::MAX.into()),
        (Kind::Number, DataType::Double) => matches!(double_form(record, slot), DoubleForm::Java),
        _ => false,
    }
}

/// Whether all escapes of a string are those that `write_string` chooses.
fn has_own_escapes(token: &[u8]) -> bool {
    let mut rest = token;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let length = match &rest[at + 1..] {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'B' | b'E' | b'F', ..]
            | [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'A'..=b'F', ..] => 6,
            _ => return false,
        };
        rest = &rest[at + length..];
    }
    true
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

/// How the digits of a number with a point relate to what Java writes for the DOUBLE.
#[derive(Debug, PartialEq)]
enum DoubleForm {
    /// They are that.
    Java,
    /// So many are before the point: Java writes the same ones with an exponent.
    WithoutExponent(usize),
    /// It has to be computed.
    Other,
}

/// The digits are the shortest that are read as this DOUBLE if no other number of as many decimals is: where all digits
/// together are less than 2^52, neighbours are further apart than the DOUBLE's own.
#[inline]
fn double_form(record: &[u8], slot: &Slot) -> DoubleForm {
    let token = slot.raw(record);
    let unsigned = token.strip_prefix(b"-").unwrap_or(token);
    // In the record, where there are mostly whole blocks.
    let first = slot.offset as usize + token.len() - unsigned.len();
    let whole = digit_mask_at(record, first).trailing_ones() as usize;
    if unsigned.get(whole) != Some(&b'.') {
        return DoubleForm::Other;
    }
    let digits = unsigned.len() - 1;
    let is_shortest = digits <= SHORTEST_DIGITS || digits == SHORTEST_DIGITS + 1 && unsigned[0] < b'4';
    if !is_shortest {
        return DoubleForm::Other;
    }
    if whole >= EXPONENT_DIGITS {
        return DoubleForm::WithoutExponent(whole);
    }
    let fraction = &unsigned[whole + 1..];
    let ends_well = fraction.len() == 1 || fraction.last() != Some(&b'0');
    let is_small = unsigned[0] == b'0' && fraction.starts_with(b"000");
    // Zero loses its sign.
    let is_negative_zero = unsigned == b"0.0" && token.len() > unsigned.len();
    if ends_well && !is_small && !is_negative_zero { DoubleForm::Java } else { DoubleForm::Other }
}

/// Writes `1234.50` (four digits before the point) as `1.2345E3`; gives the place behind it.
#[inline]
fn put_with_exponent(bytes: &mut Vec<u8>, at: usize, record: &[u8], slot: &Slot, whole: usize) -> usize {
    let start = slot.offset as usize;
    let first = start + usize::from(record[start] == b'-');
    let (point, after) = (first + whole, start + slot.len as usize);
    let mut end = put(bytes, at, record, start, first + 1 - start);
    bytes[end] = b'.';
    let fraction = end + 1;
    end = put(bytes, fraction, record, first + 1, whole - 1);
    end = put(bytes, end, record, point + 1, after - point - 1);
    while end > fraction + 1 && bytes[end - 1] == b'0' {
        end -= 1;
    }
    // At most 15 digits are before the point.
    let exponent = whole as u8 - 1;
    let text = [b'E', b'1', b'0' + exponent % 10];
    match exponent {
        10.. => put(bytes, end, &text, 0, 3),
        _ => put(bytes, end, &[text[0], text[2]], 0, 2),
    }
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
            "-?(0|[1-9][0-9]{0,16})\\.[05]{0,4}[0-9]{1,8}",
            "1[0-9]{9}\\.[0-9]{1,6}0?",
            "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?[eE][+-]?[0-9]{1,3}",
            "\"[a-zäß ]{0,40}\"",
            "\"([a-z]|\\\\[nrtbf/]|\\\\\\\\|\\\\\"|\\\\u00[01][0-9a-fA-F]|\\\\u00[0-9a-f]{2}|\\\\u[dD][89abAB][0-9]{2}){0,10}\"",
            Just("[1, 2]".to_owned()),
        ]
    }

    proptest! {
        /// Whatever is copied, the bytes are those of decoding and writing.
        #[test]
        fn copied_fields_are_the_same_bytes(fields in prop::collection::vec(scalar(), 1..6), types in prop::collection::vec(0..6usize, 6), space in " {0,3}") {
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
                let (found, expect) = (String::from_utf8(found).unwrap(), String::from_utf8(expect).unwrap());
                prop_assert_eq!(found, expect);
            }
        }
    }

    /// The form of a number that stands at the end of a record, or before the rest of one.
    fn form_of(token: &str) -> (DoubleForm, String) {
        let forms = ["", ",\"a\":12345678901234567890}"].map(|rest| {
            let record = format!("{{\"d\":{token}{rest}");
            let mut slot = crate::json::scan_value(token.as_bytes()).unwrap();
            slot.offset = 5;
            let form = double_form(record.as_bytes(), &slot);
            let mut out = Vec::new();
            if let DoubleForm::WithoutExponent(whole) = form {
                let len = put_with_exponent(&mut out, 0, record.as_bytes(), &slot, whole);
                out.truncate(len);
            }
            (form, String::from_utf8(out).unwrap())
        });
        assert_eq!(forms[0], forms[1]);
        let [form, _] = forms;
        form
    }

    #[test]
    fn numbers_are_copied_where_java_writes_the_same() {
        for token in ["1.5", "0.001", "-0.05", "0.0", "9999999.9", "1234567.12345678", "3234567.123456789"] {
            assert_eq!(form_of(token).0, DoubleForm::Java, "{token}");
        }
        for token in ["1.50", "0.0001", "0.00", "-0.0", "5234567.123456789", "1234567890123456.5"] {
            assert_eq!(form_of(token).0, DoubleForm::Other, "{token}");
        }
        assert_eq!(form_of("1588888888.123456").1, "1.588888888123456E9");
        assert_eq!(form_of("-10000000.0").1, "-1.0E7");
        assert_eq!(form_of("123456789012345.0").1, "1.23456789012345E14");
    }

    proptest! {
        /// Times as Zeek writes them, and whatever else has 16 digits: written as the DOUBLE is.
        #[test]
        fn shortest_digits_are_those_of_the_double(number in 0u64..4_000_000_000_000_000, decimals in 1usize..15) {
            let digits = format!("{number:0>width$}", width = decimals + 1);
            let token = format!("{}.{}", &digits[..digits.len() - decimals], &digits[digits.len() - decimals..]);
            let written = match form_of(&token) {
                (DoubleForm::Java, _) => token.clone(),
                (DoubleForm::WithoutExponent(_), written) => written,
                (DoubleForm::Other, _) => return Ok(()),
            };
            prop_assert_eq!(written.as_str(), &*types::double_text(token.parse().unwrap()));
        }
    }

    #[test]
    fn object_without_columns_is_empty() {
        let mut writer = RecordWriter::new::<&str>(&[]);
        writer.begin();
        assert_eq!(writer.finish(), b"{}");
    }
}
