//! Rows of a query's result to records of its sink's topic.

use std::sync::Arc;

use formats::{FormatError, Serializer};
use plan::step::{FormatSpec, Layout, SinkStep, WindowInfo};
use runtime::Emitted;
use types::DataType;

use super::record_time::RecordTime;
use super::source_decoder::{DecodeError, properties};
use super::windowed_key::join_window;

/// A record to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedRecord {
    /// The key's bytes; `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is a null value.
    pub value: Option<Vec<u8>>,
    /// The record's time in ms.
    pub timestamp: i64,
}

/// Turns rows into records of a sink's topic.
#[derive(Debug)]
pub struct SinkEncoder {
    key: Box<dyn Serializer>,
    value: Box<dyn Serializer>,
    key_columns: usize,
    window: Option<WindowInfo>,
    time: Option<RecordTime>,
}

impl SinkEncoder {
    /// Prepares the formats of a sink for rows of that layout.
    pub fn new(layout: &Layout, sink: &SinkStep) -> Result<Self, FormatError> {
        let time = sink
            .timestamp
            .as_ref()
            .and_then(|timestamp| RecordTime::new(timestamp, &layout.key, &layout.value));
        Ok(Self {
            key: serializer(&sink.key_format, &layout.key, true)?,
            value: serializer(&sink.value_format, &layout.value, false)?,
            key_columns: layout.key.len(),
            window: layout.window,
            time,
        })
    }

    /// Writes a row.
    pub fn encode(&self, row: &Emitted<'_>) -> Result<EncodedRecord, DecodeError> {
        let mut key = Vec::new();
        let key_columns = (row.key.len() == self.key_columns).then_some(row.key);
        let has_key = self.key.serialize(key_columns, &mut key).map_err(DecodeError::Key)?;
        if let (Some(window), Some(bounds)) = (self.window, row.window) {
            join_window(&mut key, window, bounds);
        }
        let mut value = Vec::new();
        let has_value = self.value.serialize(row.value, &mut value).map_err(DecodeError::Value)?;
        let timestamp = match (&self.time, row.value) {
            (Some(time), Some(columns)) => time.of(row.key, columns).ok_or(DecodeError::Time)?,
            _ => row.timestamp,
        };
        Ok(EncodedRecord { key: has_key.then_some(key), value: has_value.then_some(value), timestamp })
    }
}

fn serializer(
    spec: &FormatSpec,
    columns: &[(Arc<str>, DataType)],
    is_key: bool,
) -> Result<Box<dyn Serializer>, FormatError> {
    formats::by_name(&spec.name)?.serializer(columns, &properties(spec, is_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::step::TimestampColumn;
    use types::Value;

    #[test]
    fn a_row_becomes_bytes_with_its_window_and_time() {
        let format = |name: &str| FormatSpec { name: name.into(), delimiter: None, wrap_single: None };
        let sink = SinkStep {
            name: "S".into(),
            topic: "S".into(),
            key_format: format("KAFKA"),
            value_format: format("JSON"),
            timestamp: Some(TimestampColumn { column: "A".into(), format: None }),
        };
        let layout = Layout {
            key: vec![("K".into(), DataType::String)],
            value: vec![("A".into(), DataType::BigInt)],
            window: Some(WindowInfo::Time { size_ms: 10 }),
        };
        let encoder = SinkEncoder::new(&layout, &sink).unwrap();
        let key = [Value::text("k")];
        let value = [Value::BigInt(5)];
        let row = Emitted { key: &key, window: Some((1, 11)), value: Some(&value), timestamp: 7 };
        let record = encoder.encode(&row).unwrap();
        assert_eq!(record.key.as_deref(), Some(&b"k\0\0\0\0\0\0\0\x01"[..]));
        assert_eq!(record.value.as_deref(), Some(&b"{\"A\":5}"[..]));
        assert_eq!(record.timestamp, 5);
        let tombstone = encoder.encode(&Emitted { value: None, ..row }).unwrap();
        assert_eq!((tombstone.value, tombstone.timestamp), (None, 7));
    }
}
