//! DELIMITED: a line of fields between delimiters, as Apache Commons CSV reads and writes it for ksqlDB.
//!
//! Reading: lines that are empty are skipped and what follows the first line with fields is ignored; a
//! field that begins with a quote goes to the next single quote, `""` in it is a quote; an empty field is
//! NULL, quoted or not. Writing: a field is quoted if it has the delimiter, a quote or a line end, and
//! at some first and last characters that Commons CSV plays safe with, so that `-1.5` as first field is
//! `"-1.5"`.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use types::{DataType, Value};

use super::{
    Columns, Deserializer, Format, NoneFormat, Properties, Serializer, check_row, check_unwrapped_only,
    unsupported_type, utf8,
};
use crate::FormatError;
use crate::json::decimal_from_text;

/// The format DELIMITED.
#[derive(Debug)]
pub(crate) struct Delimited;

#[derive(Debug)]
struct DelimitedSerde {
    columns: Vec<(Arc<str>, DataType)>,
    delimiter: char,
}

impl DelimitedSerde {
    fn new(columns: Columns<'_>, properties: &Properties) -> Result<Self, FormatError> {
        Delimited.check(columns, properties)?;
        Ok(Self { columns: columns.to_vec(), delimiter: delimiter(properties)? })
    }
}

fn delimiter(properties: &Properties) -> Result<char, FormatError> {
    let Some(delimiter) = &properties.delimiter else {
        return Ok(',');
    };
    let mut chars = delimiter.chars();
    match (chars.next(), chars.next()) {
        _ if delimiter.trim().is_empty() => Err(FormatError::EmptyDelimiter),
        _ if delimiter.eq_ignore_ascii_case("SPACE") => Ok(' '),
        _ if delimiter.eq_ignore_ascii_case("TAB") => Ok('\t'),
        (Some(single), None) if single != '"' => Ok(single),
        _ => Err(FormatError::InvalidDelimiter { delimiter: delimiter.clone() }),
    }
}

impl Format for Delimited {
    fn name(&self) -> &'static str {
        "DELIMITED"
    }

    fn has_delimiter(&self) -> bool {
        true
    }

    fn check(&self, columns: Columns<'_>, properties: &Properties) -> Result<(), FormatError> {
        delimiter(properties)?;
        check_unwrapped_only(self, properties)?;
        match columns.iter().find(|(_, data_type)| data_type.is_nested()) {
            Some(column) => Err(unsupported_type(self, column)),
            None => Ok(()),
        }
    }

    fn deserializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Deserializer>, FormatError> {
        if properties.is_key && columns.is_empty() {
            return Ok(Box::new(NoneFormat));
        }
        Ok(Box::new(DelimitedSerde::new(columns, properties)?))
    }

    fn serializer(
        &self,
        columns: Columns<'_>,
        properties: &Properties,
    ) -> Result<Box<dyn Serializer>, FormatError> {
        if properties.is_key && columns.is_empty() {
            return Ok(Box::new(NoneFormat));
        }
        Ok(Box::new(DelimitedSerde::new(columns, properties)?))
    }
}

impl Deserializer for DelimitedSerde {
    fn deserialize(&self, bytes: Option<&[u8]>) -> Result<Option<Vec<Value>>, FormatError> {
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let fields = fields(utf8(bytes)?, self.delimiter, self.columns.len())?;
        if fields.count != self.columns.len() {
            return Err(FormatError::FieldCount { found: fields.count, expected: self.columns.len() });
        }
        let row = self.columns.iter().zip(&fields.first).map(|((name, data_type), text)| {
            if text.is_empty() {
                return Ok(Value::Null);
            }
            from_text(text, data_type).ok_or_else(|| FormatError::InvalidText {
                column: name.to_string(),
                data_type: data_type.clone(),
            })
        });
        row.collect::<Result<_, _>>().map(Some)
    }
}

/// The fields of a line.
struct Fields<'a> {
    /// As many as there are columns, at most.
    first: Vec<Cow<'a, str>>,
    count: usize,
}

/// Cuts the first line that is not empty into fields.
fn fields(text: &str, delimiter: char, first_max: usize) -> Result<Fields<'_>, FormatError> {
    let line_end = ['\r', '\n'];
    let mut rest = text.trim_start_matches(line_end);
    if rest.is_empty() {
        return Err(FormatError::NoFields);
    }
    let mut fields = Fields { first: Vec::new(), count: 0 };
    loop {
        let field = match rest.strip_prefix('"') {
            Some(quoted) => {
                let offset = text.len() - rest.len();
                let (field, after) = quoted_field(quoted).ok_or(FormatError::MalformedQuote { offset })?;
                // Blanks after the closing quote are not part of anything.
                let is_blank = |c: char| c != delimiter && !line_end.contains(&c) && c.is_whitespace();
                rest = after.trim_start_matches(is_blank);
                if !rest.is_empty() && !rest.starts_with(delimiter) && !rest.starts_with(line_end) {
                    return Err(FormatError::MalformedQuote { offset });
                }
                field
            }
            None => {
                let is_end = |c: char| c == delimiter || line_end.contains(&c);
                let (field, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
                rest = after;
                Cow::Borrowed(field)
            }
        };
        fields.count += 1;
        if fields.first.len() < first_max {
            fields.first.push(field);
        }
        match rest.strip_prefix(delimiter) {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// The text up to the closing quote and what follows it; `None` if the quote is not closed.
fn quoted_field(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut text = Cow::Borrowed("");
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        if text.is_empty() {
            text = Cow::Borrowed(before);
        } else {
            text.to_mut().push_str(before);
        }
        match after.strip_prefix('"') {
            Some(after) => {
                text.to_mut().push('"');
                rest = after;
            }
            None => return Some((text, after)),
        }
    }
}

/// The value of a field's text in the types' own notation.
fn from_text(text: &str, data_type: &DataType) -> Option<Value> {
    Some(match data_type {
        // As Java has it: whatever is not true is false.
        DataType::Boolean => Value::Boolean(text.eq_ignore_ascii_case("true")),
        DataType::Int => Value::Int(text.parse().ok()?),
        DataType::BigInt => Value::BigInt(text.parse().ok()?),
        DataType::Double => Value::Double(types::parse_double(text)?),
        &DataType::Decimal { precision, scale } => {
            Value::Decimal(decimal_from_text(text, precision, scale).ok()?)
        }
        DataType::String => Value::text(text),
        DataType::Bytes => Value::bytes(types::bytes_from_base64(text)?),
        DataType::Date => Value::Date(text.parse().ok()?),
        DataType::Time => Value::Time(text.parse().ok()?),
        DataType::Timestamp => Value::Timestamp(text.parse().ok()?),
        DataType::Array(_) | DataType::Map(..) | DataType::Struct(_) => return None,
    })
}

impl Serializer for DelimitedSerde {
    fn serialize(&self, row: Option<&[Value]>, out: &mut Vec<u8>) -> Result<bool, FormatError> {
        let Some(row) = row else {
            return Ok(false);
        };
        check_row(row, self.columns.len())?;
        let mut line = String::new();
        for (i, value) in row.iter().enumerate() {
            if i > 0 {
                line.push(self.delimiter);
            }
            if !value.is_null() {
                let text = to_text(value).ok_or(FormatError::WrongRow { expected: self.columns.len() })?;
                write_field(&text, i == 0, self.delimiter, &mut line);
            }
        }
        out.extend_from_slice(line.as_bytes());
        Ok(true)
    }
}

/// The text of a value; `None` for a nested one.
fn to_text(value: &Value) -> Option<Cow<'_, str>> {
    let mut text = String::new();
    match value {
        Value::String(text) => return Some(Cow::Borrowed(text)),
        Value::Double(number) => text.push_str(&types::double_text(*number)),
        Value::Bytes(bytes) => text = types::bytes_to_base64(bytes),
        Value::Boolean(truth) => write!(text, "{truth}").ok()?,
        Value::Int(number) | Value::Date(number) | Value::Time(number) => write!(text, "{number}").ok()?,
        Value::BigInt(number) | Value::Timestamp(number) => write!(text, "{number}").ok()?,
        Value::Decimal(number) => write!(text, "{number}").ok()?,
        Value::Null | Value::Array(_) | Value::Map(_) | Value::Struct(_) => return None,
    }
    Some(Cow::Owned(text))
}

/// Writes a field, in quotes where Commons CSV puts them.
fn write_field(text: &str, is_first: bool, delimiter: char, line: &mut String) {
    let quoted = match (text.chars().next(), text.chars().next_back()) {
        (Some(first), Some(last)) => {
            is_first && !first.is_ascii_alphanumeric()
                || first <= '#'
                || last <= ' '
                || text.contains(['"', '\r', '\n', delimiter])
        }
        // An empty line would have no fields.
        _ => is_first,
    };
    if quoted {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns(types: &[DataType]) -> Vec<(Arc<str>, DataType)> {
        types.iter().enumerate().map(|(i, data_type)| (format!("C{i}").into(), data_type.clone())).collect()
    }

    fn read(types: &[DataType], text: &str) -> Result<Vec<Value>, String> {
        let deserializer = Delimited.deserializer(&columns(types), &Properties::default()).unwrap();
        let row = deserializer.deserialize(Some(text.as_bytes())).map_err(|error| error.to_string())?;
        Ok(row.unwrap())
    }

    fn write(types: &[DataType], row: &[Value]) -> String {
        let mut out = Vec::new();
        let serializer = Delimited.serializer(&columns(types), &Properties::default()).unwrap();
        serializer.serialize(Some(row), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_read_in_their_notation() {
        use DataType::{BigInt, Boolean, Bytes, Date, Double, Int, String};
        let row = read(&[Boolean, Int, BigInt, Double, String, Bytes, Date], "TRUE,1,-2,1e3,a b,ew==,7");
        let expected = vec![
            Value::Boolean(true),
            Value::Int(1),
            Value::BigInt(-2),
            Value::Double(1000.0),
            Value::text("a b"),
            Value::bytes(*b"{"),
            Value::Date(7),
        ];
        assert_eq!(row, Ok(expected));
    }

    #[test]
    fn decimals_get_their_scale_and_a_sign_in_front_is_quoted() {
        let decimal = [DataType::Decimal { precision: 33, scale: 16 }];
        for (text, written) in [
            ("12345678987654321.2345678987654321", "12345678987654321.2345678987654321"),
            (".12", "0.1200000000000000"),
            ("-12345.12", "\"-12345.1200000000000000\""),
            ("\"-12345.12\"", "\"-12345.1200000000000000\""),
            ("0", "0.0000000000000000"),
        ] {
            assert_eq!(write(&decimal, &read(&decimal, text).unwrap()), written);
        }
    }

    #[test]
    fn empty_fields_are_null() {
        let types = [DataType::String, DataType::Int, DataType::String];
        assert_eq!(read(&types, ",,\"\""), Ok(vec![Value::Null; 3]));
        assert_eq!(write(&types, &[Value::Null, Value::Null, Value::Null]), ",,");
    }

    #[test]
    fn quotes_cover_delimiters_line_ends_and_quotes() {
        let types = [DataType::String, DataType::String];
        let row = vec![Value::text("a,\"b\""), Value::text("c\r\nd")];
        assert_eq!(read(&types, "\"a,\"\"b\"\"\" ,\"c\r\nd\"\r\nnext"), Ok(row.clone()));
        assert_eq!(write(&types, &row), "\"a,\"\"b\"\"\",\"c\r\nd\"");
    }

    #[test]
    fn malformed_lines_are_errors() {
        let types = [DataType::String, DataType::Int];
        for (text, error) in [
            ("", "no fields in record"),
            ("\r\n\n", "no fields in record"),
            ("a", "Unexpected field count, csvFields:1 schemaFields:2"),
            ("a,1,", "Unexpected field count, csvFields:3 schemaFields:2"),
            ("\"a,1", "malformed quoted field at byte 0"),
            ("a,\"1\"x", "malformed quoted field at byte 2"),
            ("a,x", "cannot convert the text of column \"C1\" to INTEGER"),
        ] {
            assert_eq!(read(&types, text), Err(error.into()));
        }
    }

    #[test]
    fn delimiters_are_a_character_or_a_name() {
        let delimiter = |text: &str| {
            super::delimiter(&Properties { delimiter: Some(text.into()), ..Properties::default() })
        };
        assert_eq!(delimiter("|"), Ok('|'));
        assert_eq!(delimiter("TAB"), Ok('\t'));
        assert_eq!(delimiter("SPACE"), Ok(' '));
        assert_eq!(delimiter(""), Err(FormatError::EmptyDelimiter));
        assert_eq!(
            delimiter("<~>").unwrap_err().to_string(),
            "Invalid delimiter value: '<~>'. Delimiter must be a single character or TAB,SPACE\n\
             Example valid value: ';'"
        );
    }

    proptest! {
        #[test]
        fn texts_come_back_as_written(texts in proptest::collection::vec("[ -~\r\n\té]{1,9}", 1..5)) {
            let types = vec![DataType::String; texts.len()];
            let row: Vec<Value> = texts.iter().map(Value::text).collect();
            prop_assert_eq!(read(&types, &write(&types, &row)), Ok(row));
        }

        #[test]
        fn any_text_is_a_row_or_an_error(text in "[\",a\r\n ]{0,12}") {
            let _ = read(&[DataType::String, DataType::String], &text);
        }
    }
}
