//! A run of decoded records, so that each of several tasks can go through all of them in one go.

use formats::json::Slot;
use types::Value;

use super::{Current, DecodeError, RawRecord, SourceDecoder, ValueDecoder};
use crate::change::SourceRecord;
use crate::eval::{Columns, JsonRow};

/// What is known of one record.
#[derive(Debug)]
enum BlockRecord {
    Row { has_key: bool, has_value: bool, window: Option<(i64, i64)>, timestamp: i64, micros: u16 },
    Bad(DecodeError),
}

/// Decoded records of one source, in order.
#[derive(Debug, Default)]
pub struct SourceBlock {
    records: Vec<BlockRecord>,
    /// Those of all records, one record's behind those of the one before.
    slots: Vec<Slot>,
    keys: Vec<Value>,
}

impl SourceBlock {
    /// Forgets all records.
    pub fn clear(&mut self) {
        self.records.clear();
        self.slots.clear();
        self.keys.clear();
    }

    /// Returns the number of records, bad ones included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl SourceDecoder {
    /// Returns whether records can be collected in blocks: values are JSON objects.
    pub fn has_blocks(&self) -> bool {
        matches!(self.value, ValueDecoder::Json(_))
    }

    /// Adds a record to a block, decodable or not.
    pub fn load_into(&mut self, record: &RawRecord<'_>, block: &mut SourceBlock) {
        let row = match self.load_in_place(record, &mut block.slots) {
            Err(error) => BlockRecord::Bad(error),
            Ok(()) => {
                let has_key = self.current.key.is_some();
                if self.key_columns > 0 {
                    block.keys.extend(self.current.key.take().into_iter().flatten());
                }
                let Current { has_value, window, timestamp, micros, .. } = self.current;
                BlockRecord::Row { has_key, has_value, window, timestamp, micros }
            }
        };
        if self.key_columns > 0 {
            block.keys.resize((block.records.len() + 1) * self.key_columns, Value::Null);
        }
        block.records.push(row);
    }

    /// As `load`, with the slots behind those that are in `slots`.
    fn load_in_place(&mut self, record: &RawRecord<'_>, slots: &mut Vec<Slot>) -> Result<(), DecodeError> {
        let ValueDecoder::Json(json) = &self.value else { return Ok(()) };
        let (start, end) = (slots.len(), slots.len() + json.slots.len());
        slots.resize(end, Slot::MISSING);
        if self.key_from_value.is_some() {
            let loaded = self.load(record);
            if let ValueDecoder::Json(json) = &self.value {
                slots[start..].copy_from_slice(&json.slots);
            }
            return loaded.map(|_| ());
        }
        self.load_key(record)?;
        let ValueDecoder::Json(json) = &mut self.value else { return Ok(()) };
        let slots = &mut slots[start..];
        self.current.has_value = match record.value {
            None => false,
            Some(bytes) => json.load(bytes, slots, &self.topic)?,
        };
        (self.current.timestamp, self.current.micros) = match &self.timestamp {
            Some(timestamp) if self.current.has_value => {
                let record = record.value.unwrap_or_default();
                let columns = Columns::Json(JsonRow { record, slots, layout: &json.layout });
                timestamp.of(&self.current.key, &columns, &self.topic)?
            }
            _ => (record.timestamp, 0),
        };
        Ok(())
    }

    /// The nth record of a block, or why it could not be decoded; `record` must be the one it was loaded from.
    #[inline]
    pub fn block_row<'a>(
        &'a self,
        block: &'a SourceBlock,
        n: usize,
        record: &RawRecord<'a>,
    ) -> Result<SourceRecord<'a>, &'a DecodeError> {
        let (has_key, has_value, window, timestamp, micros) = match &block.records[n] {
            BlockRecord::Bad(error) => return Err(error),
            BlockRecord::Row { has_key, has_value, window, timestamp, micros } => {
                (*has_key, *has_value, *window, *timestamp, *micros)
            }
        };
        let value = match &self.value {
            ValueDecoder::Json(json) if has_value => {
                let width = json.slots.len();
                Some(Columns::Json(JsonRow {
                    record: record.value.unwrap_or_default(),
                    slots: &block.slots[n * width..(n + 1) * width],
                    layout: &json.layout,
                }))
            }
            _ => None,
        };
        let keys = n * self.key_columns..(n + 1) * self.key_columns;
        Ok(SourceRecord {
            key: has_key.then(|| &block.keys[keys]),
            value,
            timestamp,
            micros,
            partition: record.partition,
            offset: record.offset,
            window,
        })
    }
}
