//! Records of a topic to rows of a source: key, value, headers, window and time.
//!
//! A JSON value is only scanned here; its columns are decoded when an expression asks. So that this never
//! shows, every column is checked to be decodable first: a record with a wrong type is refused as a whole,
//! as in ksqlDB.

mod block;
mod check;

use std::sync::Arc;

use formats::json::{Projection, Scanner, Slot, Top};
use formats::{Deserializer, Properties};
use plan::step::{FormatSpec, Layout, SourceStep, Step, StepKind, TimestampColumn, WindowInfo};
use types::{DataType, Value, java_time};

use crate::change::SourceRecord;
use crate::eval::{Columns, JsonLayout, JsonRow};

pub use block::SourceBlock;
use check::RecordCheck;

/// Why a record could not become a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The key's bytes.
    #[error("error deserializing the key of a record of topic \"{topic}\": {reason}")]
    Key {
        /// The topic.
        topic: Arc<str>,
        /// What is wrong with them.
        reason: String,
    },
    /// The value's bytes.
    #[error("error deserializing the value of a record of topic \"{topic}\": {reason}")]
    Value {
        /// The topic.
        topic: Arc<str>,
        /// What is wrong with them.
        reason: String,
    },
    /// The TIMESTAMP column.
    #[error("the record of topic \"{topic}\" has no valid time in column \"{column}\": {reason}")]
    Timestamp {
        /// The topic.
        topic: Arc<str>,
        /// The column.
        column: Arc<str>,
        /// What is wrong with it.
        reason: String,
    },
}

/// A decoder cannot be made for this source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("source \"{name}\" cannot be read: {reason}")]
pub struct SourceError {
    /// The source.
    pub name: Arc<str>,
    /// Why.
    pub reason: String,
}

/// A header of a record: its name and value.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// A record as it lies in its topic.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [Header<'a>],
    /// Record time, ms.
    pub timestamp: i64,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

enum ValueDecoder {
    /// An object scanned in place.
    Json(Box<JsonDecoder>),
    /// Everything else, and JSON with header columns.
    General { deserializer: Box<dyn Deserializer>, values: Vec<Value>, columns: usize },
}

struct JsonDecoder {
    scanner: Scanner,
    slots: Vec<Slot>,
    layout: JsonLayout,
    check: RecordCheck,
}

impl JsonDecoder {
    /// Finds and checks the columns of a record; false for a record that is `null`. All slots are missing before.
    #[inline]
    fn load(&mut self, bytes: &[u8], slots: &mut [Slot], topic: &Arc<str>) -> Result<bool, DecodeError> {
        let refuse = |reason: String| DecodeError::Value { topic: topic.clone(), reason };
        match self.scanner.scan_into(bytes, slots) {
            Ok(Top::Object) => {
                self.check.check(bytes, slots, &self.layout).map_err(refuse)?;
                Ok(true)
            }
            Ok(Top::Null) => Ok(false),
            Err(error) => Err(refuse(error.to_string())),
        }
    }
}

/// Decodes the records of one source. Holds the last one.
pub struct SourceDecoder {
    topic: Arc<str>,
    key: Option<Box<dyn Deserializer>>,
    window: Option<WindowInfo>,
    value: ValueDecoder,
    headers: Vec<Option<Arc<str>>>,
    timestamp: Option<Timestamp>,
    key_from_value: Option<usize>,
    key_columns: usize,
    current: Current,
}

/// The record decoded last.
#[derive(Default)]
struct Current {
    key: Option<Vec<Value>>,
    has_value: bool,
    window: Option<(i64, i64)>,
    timestamp: i64,
    micros: u16,
}

impl SourceDecoder {
    /// Makes the decoder of a source step.
    pub fn new(step: &Step) -> Result<Self, SourceError> {
        let StepKind::Source(source) = &step.kind else {
            return Err(SourceError { name: "?".into(), reason: "the step is no source".into() });
        };
        let refuse = |reason: String| SourceError { name: source.name.clone(), reason };
        let Layout { key, value, window } = &step.layout;
        let declared = value.len() - source.headers.len() - usize::from(source.key_from_value.is_some());
        let key_decoder = match key.is_empty() {
            true => None,
            false => Some(
                formats::by_name(&source.key_format.name)
                    .and_then(|f| f.deserializer(key, &properties(&source.key_format, true)))
                    .map_err(|e| refuse(e.to_string()))?,
            ),
        };
        Ok(Self {
            topic: source.topic.clone(),
            key: key_decoder,
            window: *window,
            value: value_decoder(source, value, declared).map_err(refuse)?,
            headers: source.headers.clone(),
            timestamp: source
                .timestamp
                .as_ref()
                .map(|t| Timestamp::new(t, step))
                .transpose()
                .map_err(refuse)?,
            key_from_value: source.key_from_value,
            key_columns: key.len(),
            current: Current::default(),
        })
    }

    /// Takes a record in; its time is returned. `row` then gives the columns.
    pub fn load(&mut self, record: &RawRecord<'_>) -> Result<i64, DecodeError> {
        self.load_key(record)?;
        self.load_value(record)?;
        self.load_headers(record);
        self.take_key_from_value(record)?;
        (self.current.timestamp, self.current.micros) = match &self.timestamp {
            Some(timestamp) if self.current.has_value => {
                timestamp.of(&self.current.key, &self.columns(record.value), &self.topic)?
            }
            _ => (record.timestamp, 0),
        };
        Ok(self.current.timestamp)
    }

    /// The record loaded last; `record` must be that one.
    pub fn row<'a>(&'a self, record: &RawRecord<'a>) -> SourceRecord<'a> {
        SourceRecord {
            key: self.current.key.as_deref(),
            value: self.current.has_value.then(|| self.columns(record.value)),
            timestamp: self.current.timestamp,
            micros: self.current.micros,
            partition: record.partition,
            offset: record.offset,
            window: self.current.window,
        }
    }

    fn columns<'a>(&'a self, value: Option<&'a [u8]>) -> Columns<'a> {
        match &self.value {
            ValueDecoder::Json(json) => Columns::Json(JsonRow {
                record: value.unwrap_or_default(),
                slots: &json.slots,
                layout: &json.layout,
            }),
            ValueDecoder::General { values, .. } => Columns::Values(values),
        }
    }

    fn load_key(&mut self, record: &RawRecord<'_>) -> Result<(), DecodeError> {
        let refuse = |reason: String| DecodeError::Key { topic: self.topic.clone(), reason };
        self.current.window = None;
        let Some(decoder) = &self.key else {
            self.current.key = None;
            return Ok(());
        };
        let bytes = match (record.key, self.window) {
            (Some(bytes), Some(window)) => {
                let (key, bounds) =
                    split_window(bytes, window).ok_or_else(|| refuse("the key has no window".into()))?;
                self.current.window = Some(bounds);
                Some(key)
            }
            (bytes, _) => bytes,
        };
        self.current.key = decoder.deserialize(bytes).map_err(|e| refuse(e.to_string()))?;
        Ok(())
    }

    fn load_value(&mut self, record: &RawRecord<'_>) -> Result<(), DecodeError> {
        let topic = &self.topic;
        let refuse = |reason: String| DecodeError::Value { topic: topic.clone(), reason };
        self.current.has_value = match &mut self.value {
            ValueDecoder::Json(json) => match record.value {
                None => false,
                Some(bytes) => {
                    let mut slots = std::mem::take(&mut json.slots);
                    slots.fill(Slot::MISSING);
                    let loaded = json.load(bytes, &mut slots, topic);
                    json.slots = slots;
                    loaded?
                }
            },
            ValueDecoder::General { deserializer, values, columns } => {
                values.clear();
                match deserializer.deserialize(record.value).map_err(|e| refuse(e.to_string()))? {
                    Some(row) => {
                        values.extend(row);
                        values.resize(*columns, Value::Null);
                        true
                    }
                    None => false,
                }
            }
        };
        Ok(())
    }

    fn load_headers(&mut self, record: &RawRecord<'_>) {
        let ValueDecoder::General { values, columns, .. } = &mut self.value else { return };
        let first = *columns - self.headers.len() - usize::from(self.key_from_value.is_some());
        for (i, wanted) in self.headers.iter().enumerate() {
            let value = match wanted {
                None => Value::array(record.headers.iter().map(|(k, v)| header(k, *v)).collect()),
                // The last one of a name wins, as in Kafka's Headers.lastHeader.
                Some(name) => {
                    let last = record.headers.iter().rev().find(|(k, _)| *k == name.as_bytes());
                    last.and_then(|(_, v)| *v).map_or(Value::Null, Value::bytes)
                }
            };
            if let Some(place) = values.get_mut(first + i) {
                *place = value;
            }
        }
    }

    /// Old KSQL's KEY='column'.
    fn take_key_from_value(&mut self, record: &RawRecord<'_>) -> Result<(), DecodeError> {
        let Some(column) = self.key_from_value else { return Ok(()) };
        if self.current.has_value && self.current.key.as_ref().is_none_or(|k| k.iter().all(Value::is_null)) {
            let value = self.columns(record.value).value(column).map(|v| v.into_owned());
            let value =
                value.map_err(|e| DecodeError::Value { topic: self.topic.clone(), reason: e.to_string() })?;
            let mut key = vec![Value::Null; self.key_columns];
            key[0] = value;
            self.current.key = Some(key);
        }
        Ok(())
    }
}

fn header(key: &[u8], value: Option<&[u8]>) -> Value {
    let key = Value::text(String::from_utf8_lossy(key));
    Value::structure(vec![key, value.map_or(Value::Null, Value::bytes)])
}

/// Format properties of a plan as the formats take them.
pub fn properties(format: &FormatSpec, is_key: bool) -> Properties {
    // Plans have the delimiter itself, formats take it as it is written in a statement.
    let delimiter = format.delimiter.as_deref().map(|delimiter| match delimiter {
        " " => "SPACE".to_owned(),
        "\t" => "TAB".to_owned(),
        other => other.to_owned(),
    });
    Properties { delimiter, wrap_single_value: format.wrap_single, is_key }
}

fn value_decoder(
    source: &SourceStep,
    value: &[(Arc<str>, DataType)],
    declared: usize,
) -> Result<ValueDecoder, String> {
    let is_object = source.value_format.name == "JSON"
        && (declared != 1 || source.value_format.wrap_single != Some(false));
    if is_object && source.headers.is_empty() {
        let (layout, paths) = JsonLayout::new(value);
        let projection = Projection::new(&paths).map_err(|e| e.to_string())?;
        let slots = vec![Slot::MISSING; projection.slot_count()];
        let check = RecordCheck::new(&layout);
        let scanner = Scanner::new(projection);
        return Ok(ValueDecoder::Json(Box::new(JsonDecoder { scanner, slots, layout, check })));
    }
    let columns = &value[..declared];
    let deserializer = formats::by_name(&source.value_format.name)
        .and_then(|f| f.deserializer(columns, &properties(&source.value_format, false)))
        .map_err(|e| e.to_string())?;
    Ok(ValueDecoder::General { deserializer, values: vec![], columns: value.len() })
}

/// The key and the window of a windowed key, as Kafka Streams' windowed serializers write them.
fn split_window(bytes: &[u8], window: WindowInfo) -> Option<(&[u8], (i64, i64))> {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
    match window {
        WindowInfo::Time { size_ms } => {
            let (key, start) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
            let start = number(start)?;
            Some((key, (start, start.saturating_add(size_ms))))
        }
        WindowInfo::Session => {
            let (key, bounds) = bytes.split_at_checked(bytes.len().checked_sub(16)?)?;
            let (end, start) = bounds.split_at(8);
            Some((key, (number(start)?, number(end)?)))
        }
    }
}

/// The TIMESTAMP property, ready to use; for sources and sinks.
pub(crate) struct Timestamp {
    column: Arc<str>,
    place: Place,
    pattern: Option<java_time::Pattern>,
    zone: jiff::tz::TimeZone,
}

enum Place {
    Key(usize),
    Value(usize),
}

impl Timestamp {
    pub fn new(timestamp: &TimestampColumn, step: &Step) -> Result<Self, String> {
        Self::in_layout(timestamp, &step.layout)
    }

    pub fn in_layout(timestamp: &TimestampColumn, layout: &Layout) -> Result<Self, String> {
        let find =
            |columns: &[(Arc<str>, DataType)]| columns.iter().position(|(n, _)| *n == timestamp.column);
        let place = match (find(&layout.key), find(&layout.value)) {
            (Some(i), _) => Place::Key(i),
            (None, Some(i)) => Place::Value(i),
            (None, None) => {
                return Err(format!("the TIMESTAMP column \"{}\" does not exist", timestamp.column));
            }
        };
        let pattern = match &timestamp.format {
            Some(text) => Some(java_time::Pattern::parse(text).map_err(|e| e.to_string())?),
            None => None,
        };
        let zone = java_time::zone("UTC").map_err(|e| e.to_string())?;
        Ok(Self { column: timestamp.column.clone(), place, pattern, zone })
    }

    /// The time in ms, and the µs beyond.
    pub fn of(
        &self,
        key: &Option<Vec<Value>>,
        value: &Columns<'_>,
        topic: &Arc<str>,
    ) -> Result<(i64, u16), DecodeError> {
        let refuse = |reason: String| DecodeError::Timestamp {
            topic: topic.clone(),
            column: self.column.clone(),
            reason,
        };
        let column = match self.place {
            Place::Key(i) => key.as_ref().and_then(|k| k.get(i)).cloned().unwrap_or_default(),
            Place::Value(i) => value.value(i).map_err(|e| refuse(e.to_string()))?.into_owned(),
        };
        let mut micros = 0;
        let ms = match (&column, &self.pattern) {
            (Value::BigInt(ms) | Value::Timestamp(ms), _) => *ms,
            // Unlike ksqlDB: epoch seconds, as Zeek writes `ts`.
            (Value::Double(seconds), _) if seconds.is_finite() => {
                let us = (seconds * 1e6).round() as i64;
                micros = us.rem_euclid(1000) as u16;
                us.div_euclid(1000)
            }
            (Value::String(text), Some(pattern)) => {
                pattern.parse_timestamp(text, &self.zone).map_err(|e| refuse(format!("\"{text}\": {e}")))?
            }
            (Value::Null, _) => return Err(refuse("it is NULL".into())),
            _ => return Err(refuse("it is no time".into())),
        };
        if ms < 0 { Err(refuse(format!("{ms} is before 1970"))) } else { Ok((ms, micros)) }
    }
}
