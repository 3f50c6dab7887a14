//! Rows of a query to records of its topic.

use std::sync::Arc;

use formats::Serializer;
use formats::json::ObjectEncoder;
use plan::step::{Layout, SinkStep, WindowInfo};

use crate::change::Emitted;
use crate::eval::Columns;
use crate::source::{Timestamp, properties};

/// Why a row could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error serializing a row for topic \"{topic}\": {reason}")]
pub struct EncodeError {
    /// The topic.
    pub topic: Arc<str>,
    /// What is wrong.
    pub reason: String,
}

enum ValueEncoder {
    Json(ObjectEncoder),
    General(Box<dyn Serializer>),
}

/// Encodes the rows of one query. Holds the last one.
pub struct SinkEncoder {
    topic: Arc<str>,
    key: Option<Box<dyn Serializer>>,
    window: Option<WindowInfo>,
    value: ValueEncoder,
    timestamp: Option<Timestamp>,
    key_bytes: Vec<u8>,
    value_bytes: Vec<u8>,
}

/// A record for a topic.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes.
    pub value: Option<&'a [u8]>,
    /// Record time, ms.
    pub timestamp: i64,
}

impl SinkEncoder {
    /// Makes the encoder of a sink for rows of a layout.
    pub fn new(sink: &SinkStep, layout: &Layout) -> Result<Self, EncodeError> {
        let refuse = |reason: String| EncodeError { topic: sink.topic.clone(), reason };
        let key = match layout.key.is_empty() {
            true => None,
            false => Some(
                formats::by_name(&sink.key_format.name)
                    .and_then(|f| f.serializer(&layout.key, &properties(&sink.key_format, true)))
                    .map_err(|e| refuse(e.to_string()))?,
            ),
        };
        let is_object = sink.value_format.name == "JSON"
            && (layout.value.len() != 1 || sink.value_format.wrap_single != Some(false));
        let value = match is_object {
            true => ValueEncoder::Json(ObjectEncoder::new(&layout.value)),
            false => ValueEncoder::General(
                formats::by_name(&sink.value_format.name)
                    .and_then(|f| f.serializer(&layout.value, &properties(&sink.value_format, false)))
                    .map_err(|e| refuse(e.to_string()))?,
            ),
        };
        let timestamp =
            sink.timestamp.as_ref().map(|t| Timestamp::in_layout(t, layout)).transpose().map_err(refuse)?;
        Ok(Self {
            topic: sink.topic.clone(),
            key,
            window: layout.window,
            value,
            timestamp,
            key_bytes: vec![],
            value_bytes: vec![],
        })
    }

    /// The topic written.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The row as a record; valid until the next call.
    pub fn encode(&mut self, row: &Emitted<'_>) -> Result<Encoded<'_>, EncodeError> {
        let topic = &self.topic;
        let refuse = |reason: String| EncodeError { topic: topic.clone(), reason };
        let timestamp = match (&self.timestamp, row.value) {
            (Some(timestamp), Some(value)) => {
                let found = timestamp
                    .of(&Some(row.key.to_vec()), &Columns::Values(value), topic)
                    .map_err(|e| refuse(e.to_string()))?;
                found.0
            }
            _ => row.timestamp,
        };
        self.key_bytes.clear();
        let mut has_key = false;
        if let Some(serializer) = &self.key {
            let key = (!row.key.is_empty()).then_some(row.key);
            has_key = serializer.serialize(key, &mut self.key_bytes).map_err(|e| refuse(e.to_string()))?;
            if let (true, Some((start, end)), Some(window)) = (has_key, row.window, self.window) {
                if window == WindowInfo::Session {
                    self.key_bytes.extend_from_slice(&end.to_be_bytes());
                }
                self.key_bytes.extend_from_slice(&start.to_be_bytes());
            }
        }
        self.value_bytes.clear();
        let has_value = match (&self.value, row.value) {
            (_, None) => false,
            (ValueEncoder::Json(encoder), Some(value)) => {
                encoder.write_row(value, &mut self.value_bytes);
                true
            }
            (ValueEncoder::General(serializer), value) => {
                serializer.serialize(value, &mut self.value_bytes).map_err(|e| refuse(e.to_string()))?
            }
        };
        Ok(Encoded {
            key: has_key.then_some(&self.key_bytes),
            value: has_value.then_some(&self.value_bytes),
            timestamp,
        })
    }
}

/// The partition of a key, as Kafka's producers choose it: murmur2 of the bytes.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// Kafka's variant of MurmurHash2 (`org.apache.kafka.common.utils.Utils.murmur2`): seed 0x9747b28c.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (i, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * i);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_kafkas() {
        // Values from Kafka's own documentation of the algorithm (UtilsTest).
        let cases: [(&str, i32); 4] = [
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("abc", 479470107),
        ];
        for (text, hash) in cases {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }
}
