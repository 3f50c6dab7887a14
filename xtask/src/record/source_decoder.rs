//! Records of a source's topic to rows.

use std::sync::Arc;

use formats::{Deserializer, FormatError, Properties};
use plan::step::{FormatSpec, SourceStep, Step, StepKind, WindowInfo};
use types::{DataType, Value};

use super::record_time::RecordTime;
use super::windowed_key::split_window;

/// A record as it lies in a topic.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// The key's bytes; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a null value.
    pub value: Option<&'a [u8]>,
    /// The record's time in ms.
    pub timestamp: i64,
    /// Header names and values, in their order.
    pub headers: &'a [(String, Option<Vec<u8>>)],
}

/// A record as a row.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedRecord {
    /// The key columns; `None` is a null key.
    pub key: Option<Vec<Value>>,
    /// The value columns with the header columns behind them; `None` is a null value.
    pub value: Option<Vec<Value>>,
    /// The window in the key.
    pub window: Option<(i64, i64)>,
    /// The record's time, taken from a column where the source says so.
    pub timestamp: i64,
}

/// Why a record is no row of its source.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The key cannot be read.
    #[error("cannot read key: {0}")]
    Key(FormatError),
    /// The value cannot be read.
    #[error("cannot read value: {0}")]
    Value(FormatError),
    /// The key is too short to have a window.
    #[error("key is too short to have a window")]
    Window,
    /// The TIMESTAMP column has no time, or one before 1970.
    #[error("the TIMESTAMP column has no valid time")]
    Time,
}

/// Turns records of a source's topic into rows.
#[derive(Debug)]
pub struct SourceDecoder {
    key: Box<dyn Deserializer>,
    value: Box<dyn Deserializer>,
    window: Option<WindowInfo>,
    headers: Vec<Option<Arc<str>>>,
    /// Where headers are put among the value columns.
    headers_at: usize,
    time: Option<RecordTime>,
    /// The value column, counted with headers, that is the key of records without one.
    key_from_value: Option<usize>,
}

impl SourceDecoder {
    /// Prepares the formats of a source step; `None` in a `Result` of steps of other kinds.
    pub fn new(step: &Step) -> Option<Result<Self, FormatError>> {
        match &step.kind {
            StepKind::Source(source) => Some(Self::prepare(step, source)),
            _ => None,
        }
    }

    fn prepare(step: &Step, source: &SourceStep) -> Result<Self, FormatError> {
        let mut columns = step.layout.value.clone();
        // Layout: value columns, header columns, then the copy of an old-style key.
        let copies = usize::from(source.key_from_value.is_some());
        let headers_at = columns.len().saturating_sub(source.headers.len() + copies);
        columns.drain(headers_at..columns.len() - copies);
        let time = source
            .timestamp
            .as_ref()
            .and_then(|timestamp| RecordTime::new(timestamp, &step.layout.key, &step.layout.value));
        Ok(Self {
            key: deserializer(&source.key_format, &step.layout.key, true)?,
            value: deserializer(&source.value_format, &columns, false)?,
            window: step.layout.window,
            headers: source.headers.clone(),
            headers_at,
            time,
            key_from_value: source.key_from_value,
        })
    }

    /// Reads a record.
    pub fn decode(&self, record: &RawRecord<'_>) -> Result<DecodedRecord, DecodeError> {
        let (key_bytes, window) = match (record.key, self.window) {
            (Some(bytes), Some(window)) => {
                let (key, bounds) = split_window(bytes, window).ok_or(DecodeError::Window)?;
                (Some(key), Some(bounds))
            }
            (bytes, _) => (bytes, None),
        };
        let mut key = self.key.deserialize(key_bytes).map_err(DecodeError::Key)?;
        let mut value = self.value.deserialize(record.value).map_err(DecodeError::Value)?;
        if let Some(value) = &mut value {
            let headers = self.headers.iter().map(|name| header(name.as_deref(), record.headers));
            value.splice(self.headers_at..self.headers_at, headers);
            if let (None, Some(at)) = (&key, self.key_from_value) {
                key = value.get(at).map(|column| vec![column.clone()]);
            }
        }
        let timestamp = match (&self.time, &value) {
            (Some(time), Some(value)) => {
                time.of(key.as_deref().unwrap_or_default(), value).ok_or(DecodeError::Time)?
            }
            _ => record.timestamp,
        };
        Ok(DecodedRecord { key, value, window, timestamp })
    }
}

/// The value of a header column: the last header of that name, or all headers.
fn header(name: Option<&str>, headers: &[(String, Option<Vec<u8>>)]) -> Value {
    let bytes = |value: &Option<Vec<u8>>| value.as_deref().map_or(Value::Null, Value::bytes);
    match name {
        Some(name) => {
            headers.iter().rev().find(|(key, _)| key == name).map_or(Value::Null, |(_, v)| bytes(v))
        }
        None => Value::array(
            headers.iter().map(|(k, v)| Value::structure(vec![Value::text(k), bytes(v)])).collect(),
        ),
    }
}

fn deserializer(
    spec: &FormatSpec,
    columns: &[(Arc<str>, DataType)],
    is_key: bool,
) -> Result<Box<dyn Deserializer>, FormatError> {
    formats::by_name(&spec.name)?.deserializer(columns, &properties(spec, is_key))
}

/// What a format is told besides the columns.
pub(super) fn properties(spec: &FormatSpec, is_key: bool) -> Properties {
    // Plans have the delimiter itself, formats take it as it is written in a statement.
    let delimiter = spec.delimiter.as_deref().map(|delimiter| match delimiter {
        " " => "SPACE".to_owned(),
        "\t" => "TAB".to_owned(),
        other => other.to_owned(),
    });
    Properties { delimiter, wrap_single_value: spec.wrap_single, is_key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::step::{Layout, SourceKind, TimestampColumn};

    fn step(window: Option<WindowInfo>, timestamp: Option<&str>) -> Step {
        let format = |name: &str| FormatSpec { name: name.into(), delimiter: None, wrap_single: None };
        let source = SourceStep {
            name: "S".into(),
            kind: SourceKind::Stream,
            topic: "s".into(),
            key_format: format("KAFKA"),
            value_format: format("DELIMITED"),
            headers: vec![Some("h".into())],
            timestamp: timestamp.map(|column| TimestampColumn { column: column.into(), format: None }),
            key_from_value: None,
        };
        let layout = Layout {
            key: vec![("K".into(), DataType::String)],
            value: vec![("A".into(), DataType::BigInt), ("H".into(), DataType::Bytes)],
            window,
        };
        Step { kind: StepKind::Source(source), layout, output: SourceKind::Stream }
    }

    fn decode(step: &Step, key: &[u8], value: Option<&[u8]>) -> Result<DecodedRecord, DecodeError> {
        let headers = [("h".to_owned(), Some(vec![1])), ("h".to_owned(), Some(vec![2]))];
        let record = RawRecord { key: Some(key), value, timestamp: 9, headers: &headers };
        SourceDecoder::new(step).unwrap().unwrap().decode(&record)
    }

    #[test]
    fn the_last_header_of_a_name_is_behind_the_value() {
        let row = decode(&step(None, None), b"k", Some(b"5")).unwrap();
        assert_eq!(row.key, Some(vec![Value::text("k")]));
        assert_eq!(row.value, Some(vec![Value::BigInt(5), Value::bytes([2])]));
        assert_eq!((row.window, row.timestamp), (None, 9));
    }

    #[test]
    fn windows_are_taken_off_the_key() {
        let row =
            decode(&step(Some(WindowInfo::Session), None), b"k\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01", None);
        let row = row.unwrap();
        assert_eq!((row.key, row.window, row.value), (Some(vec![Value::text("k")]), Some((1, 2)), None));
    }

    #[test]
    fn time_comes_from_the_column_named() {
        assert_eq!(decode(&step(None, Some("A")), b"k", Some(b"5")).unwrap().timestamp, 5);
        assert!(matches!(decode(&step(None, Some("A")), b"k", Some(b"-5")), Err(DecodeError::Time)));
        assert_eq!(decode(&step(None, Some("A")), b"k", None).unwrap().timestamp, 9);
    }
}
