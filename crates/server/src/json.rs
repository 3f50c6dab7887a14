//! JSON written straight into bytes, as ksqlDB's REST writes it.
//!
//! All control characters are escaped, and U+2028, U+2029 and DEL too, so that a line of JSON stays a
//! line for every reader and an answer shown in a terminal cannot drive it.

use types::java_time::{format_iso_date, format_iso_time, format_iso_timestamp};
use types::{DataType, Value, bytes_to_base64, double_text};

/// Values nested deeper are written as null; types cannot be declared that deep.
const NESTING_MAX: usize = 128;

/// Appends a text with its quotes.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut i = 0;
    while i < bytes.len() {
        let (length, code) = match bytes[i] {
            b'"' | b'\\' | 0..=0x1f | 0x7f => (1, u32::from(bytes[i])),
            // C1 controls are U+0080 to U+009F: some terminals obey them.
            0xc2 if matches!(bytes.get(i + 1), Some(0x80..=0x9f)) => (2, u32::from(bytes[i + 1])),
            0xe2 if bytes.get(i + 1) == Some(&0x80) && matches!(bytes.get(i + 2), Some(0xa8 | 0xa9)) => {
                (3, 0x2000 + u32::from(bytes[i + 2] & 0x3f))
            }
            _ => {
                i += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[start..i]);
        push_escape(out, code);
        i += length;
        start = i;
    }
    out.extend_from_slice(&bytes[start..]);
}

fn push_escape(out: &mut Vec<u8>, code: u32) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match code {
        0x22 => b'"',
        0x5c => b'\\',
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(b"\\u");
            for shift in [12, 8, 4, 0] {
                out.push(HEX[(code >> shift) as usize & 0xf]);
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends anything that prints as a JSON number or word.
pub fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write;
    write!(out, "{value}").expect("writing to memory does not fail");
}

/// Appends a value of the given type; DOUBLE that JSON has no number for becomes a text.
pub fn push_value(out: &mut Vec<u8>, value: &Value, data_type: &DataType) {
    push_nested(out, value, data_type, 0);
}

fn push_nested(out: &mut Vec<u8>, value: &Value, data_type: &DataType, depth: usize) {
    if depth > NESTING_MAX {
        return out.extend_from_slice(b"null");
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(v) => push_display(out, v),
        Value::Int(v) => push_display(out, v),
        Value::BigInt(v) => push_display(out, v),
        Value::Double(v) if v.is_finite() => out.extend_from_slice(double_text(*v).as_bytes()),
        Value::Double(v) => push_text(out, &double_text(*v)),
        Value::Decimal(v) => push_display(out, v),
        Value::String(v) => push_text(out, v),
        Value::Bytes(v) => push_text(out, &bytes_to_base64(v)),
        Value::Date(v) => push_text(out, &format_iso_date(*v)),
        Value::Time(v) => push_text(out, &format_iso_time(*v)),
        Value::Timestamp(v) => push_text(out, &format_iso_timestamp(*v)),
        Value::Array(items) => {
            let item_type = match data_type {
                DataType::Array(item) => item,
                other => other,
            };
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                push_nested(out, item, item_type, depth + 1);
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            let entry_type = match data_type {
                DataType::Map(_, entry) => entry,
                other => other,
            };
            out.push(b'{');
            for (i, (key, entry)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                push_map_key(out, key, data_type, depth);
                out.push(b':');
                push_nested(out, entry, entry_type, depth + 1);
            }
            out.push(b'}');
        }
        Value::Struct(values) => {
            let fields = match data_type {
                DataType::Struct(fields) => &fields[..],
                _ => &[],
            };
            out.push(b'{');
            for (i, (value, field)) in values.iter().zip(fields).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                push_text(out, &field.name);
                out.push(b':');
                push_nested(out, value, &field.data_type, depth + 1);
            }
            out.push(b'}');
        }
    }
}

/// Names of JSON members are texts: other keys are written as their own JSON inside a text.
fn push_map_key(out: &mut Vec<u8>, key: &Value, map_type: &DataType, depth: usize) {
    if let Value::String(text) = key {
        return push_text(out, text);
    }
    let key_type = match map_type {
        DataType::Map(key, _) => key,
        other => other,
    };
    let mut own = Vec::new();
    push_nested(&mut own, key, key_type, depth + 1);
    let own = String::from_utf8_lossy(&own);
    push_text(out, own.trim_matches('"'));
}

/// Appends a list, each item by `push`.
pub fn push_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

/// Appends an object whose members `fill` writes.
pub fn push_object(out: &mut Vec<u8>, fill: impl FnOnce(&mut Members<'_>)) {
    out.push(b'{');
    fill(&mut Members { out, is_empty: true });
    out.push(b'}');
}

/// Returns an object as bytes.
pub fn object(fill: impl FnOnce(&mut Members<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    push_object(&mut out, fill);
    out
}

/// The members of an object being written.
pub struct Members<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl Members<'_> {
    /// Writes the name; the value is to be appended to what is returned.
    pub fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        push_text(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A text.
    pub fn text(&mut self, name: &str, value: &str) {
        push_text(self.name(name), value);
    }

    /// A text, or null.
    pub fn text_or_null(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// A number or a boolean.
    pub fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        push_display(self.name(name), value);
    }

    /// Null.
    pub fn null(&mut self, name: &str) {
        self.name(name).extend_from_slice(b"null");
    }

    /// An object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Members<'_>)) {
        push_object(self.name(name), fill);
    }

    /// A list of objects.
    pub fn objects<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Members<'_>, T),
    ) {
        push_list(self.name(name), items, |out, item| push_object(out, |o| fill(o, item)));
    }

    /// A list of texts.
    pub fn texts<T: AsRef<str>>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        push_list(self.name(name), items, |out, item| push_text(out, item.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Decimal;

    use super::*;

    #[track_caller]
    fn check(value: Value, data_type: DataType, expect: &str) {
        let mut out = Vec::new();
        push_value(&mut out, &value, &data_type);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn values_are_written_as_ksqldb_writes_them() {
        let decimal = DataType::Decimal { precision: 4, scale: 2 };
        check(Value::Decimal(Decimal::new(-50, 2)), decimal, "-0.50");
        check(Value::Double(1e10), DataType::Double, "1.0E10");
        check(Value::Double(f64::NAN), DataType::Double, "\"NaN\"");
        check(Value::Double(f64::NEG_INFINITY), DataType::Double, "\"-Infinity\"");
        check(Value::bytes(vec![1, 2, 3]), DataType::Bytes, "\"AQID\"");
        check(Value::Date(10), DataType::Date, "\"1970-01-11\"");
        check(Value::Time(5000), DataType::Time, "\"00:00:05\"");
        check(Value::Timestamp(10), DataType::Timestamp, "\"1970-01-01T00:00:00.010\"");
        let point = DataType::structure([("X", DataType::Int), ("y\"", DataType::array(DataType::String))]);
        let value = Value::structure(vec![Value::Int(1), Value::array(vec![Value::text("a"), Value::Null])]);
        check(value, point, r#"{"X":1,"y\"":["a",null]}"#);
        let map = Value::map([(Value::Int(1), Value::Boolean(true)), (Value::Int(2), Value::Null)]);
        check(map, DataType::map(DataType::Int, DataType::Boolean), r#"{"1":true,"2":null}"#);
    }

    #[test]
    fn control_characters_and_line_separators_are_escaped() {
        check(
            Value::text("\u{1b}[2J\0\n\u{7f}\u{9b}\u{2028}\u{2029}é€"),
            DataType::String,
            r#""\u001b[2J\u0000\n\u007f\u009b\u2028\u2029é€""#,
        );
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            push_text(&mut out, &text);
            prop_assert!(!out.iter().any(|byte| *byte < 0x20));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn every_double_is_valid_json(bits: u64) {
            let mut out = Vec::new();
            push_value(&mut out, &Value::Double(f64::from_bits(bits)), &DataType::Double);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        }
    }
}
