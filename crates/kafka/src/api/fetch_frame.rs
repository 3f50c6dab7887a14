//! The frame of an answer to a fetch, without a copy of the records.
//!
//! The general encoder copies every record batch into one buffer, which was a seventh of the time of a fetch. Here the
//! frame is a row of pieces: what is between the records, and the records as they were read.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};

use crate::frame::{Asked, FrameError};

/// The first version with topic ids instead of names.
const IDS_FROM: i16 = 13;
/// The first version with compact lengths and tagged fields, also in the header.
const FLEXIBLE_FROM: i16 = 12;

/// Encodes an answer with its length and header.
pub(crate) fn encode(asked: &Asked, answer: &FetchResponse) -> Result<Vec<Bytes>, FrameError> {
    let mut frame = Pieces { version: asked.version, head: BytesMut::with_capacity(256), done: Vec::new() };
    frame.head.put_i32(0);
    frame.head.put_i32(asked.correlation_id);
    frame.no_tags();
    frame.answer(answer);
    let mut pieces = frame.finish();
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let too_long = |_| FrameError::Answer {
        api_key: asked.api_key,
        version: asked.version,
        message: "it is too long".to_owned(),
    };
    let length = i32::try_from(length - 4).map_err(too_long)?;
    // The first piece is small: all before the first records.
    let mut first = BytesMut::from(pieces[0].as_ref());
    first[..4].copy_from_slice(&length.to_be_bytes());
    pieces[0] = first.freeze();
    Ok(pieces)
}

struct Pieces {
    version: i16,
    /// What follows the last piece.
    head: BytesMut,
    done: Vec<Bytes>,
}

impl Pieces {
    fn finish(mut self) -> Vec<Bytes> {
        if !self.head.is_empty() || self.done.is_empty() {
            self.done.push(self.head.freeze());
        }
        self.done
    }

    fn answer(&mut self, answer: &FetchResponse) {
        self.head.put_i32(answer.throttle_time_ms);
        if self.version >= 7 {
            self.head.put_i16(answer.error_code);
            self.head.put_i32(answer.session_id);
        }
        self.count(answer.responses.len());
        for topic in &answer.responses {
            self.topic(topic);
        }
        self.no_tags();
    }

    fn topic(&mut self, topic: &FetchableTopicResponse) {
        if self.version >= IDS_FROM {
            self.head.put_slice(topic.topic_id.as_bytes());
        } else if self.version >= FLEXIBLE_FROM {
            self.varint(topic.topic.len() as u32 + 1);
            self.head.put_slice(topic.topic.as_bytes());
        } else {
            self.head.put_i16(topic.topic.len() as i16);
            self.head.put_slice(topic.topic.as_bytes());
        }
        self.count(topic.partitions.len());
        for partition in &topic.partitions {
            self.partition(partition);
        }
        self.no_tags();
    }

    fn partition(&mut self, partition: &PartitionData) {
        self.head.put_i32(partition.partition_index);
        self.head.put_i16(partition.error_code);
        self.head.put_i64(partition.high_watermark);
        self.head.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.head.put_i64(partition.log_start_offset);
        }
        match &partition.aborted_transactions {
            None if self.version >= FLEXIBLE_FROM => self.varint(0),
            None => self.head.put_i32(-1),
            Some(aborted) => {
                self.count(aborted.len());
                for transaction in aborted {
                    self.head.put_i64(transaction.producer_id.0);
                    self.head.put_i64(transaction.first_offset);
                    self.no_tags();
                }
            }
        }
        if self.version >= 11 {
            self.head.put_i32(partition.preferred_read_replica.0);
        }
        match &partition.records {
            None if self.version >= FLEXIBLE_FROM => self.varint(0),
            None => self.head.put_i32(-1),
            Some(records) => {
                self.count(records.len());
                if !records.is_empty() {
                    self.done.push(self.head.split().freeze());
                    self.done.push(records.clone());
                }
            }
        }
        self.no_tags();
    }

    /// A number of items or of bytes.
    fn count(&mut self, count: usize) {
        if self.version >= FLEXIBLE_FROM {
            self.varint(count as u32 + 1);
        } else {
            self.head.put_i32(count as i32);
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.head.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.head.put_u8(value as u8);
    }

    fn no_tags(&mut self) {
        if self.version >= FLEXIBLE_FROM {
            self.head.put_u8(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::AbortedTransaction;
    use kafka_protocol::messages::{ApiKey, ProducerId, TopicName};
    use kafka_protocol::protocol::StrBytes;
    use uuid::Uuid;

    use super::*;

    fn partition(index: i32, records: Option<Vec<u8>>, aborted: Option<usize>) -> PartitionData {
        let aborted = aborted.map(|count| {
            (0..count as i64)
                .map(|i| {
                    AbortedTransaction::default().with_producer_id(ProducerId(i)).with_first_offset(7 * i)
                })
                .collect()
        });
        PartitionData::default()
            .with_partition_index(index)
            .with_error_code(index as i16)
            .with_high_watermark(1 << 40)
            .with_last_stable_offset(77)
            .with_log_start_offset(-1)
            .with_aborted_transactions(aborted)
            .with_records(records.map(Bytes::from))
    }

    #[test]
    fn every_version_is_as_the_general_encoder_writes_it() {
        for version in 4..=18 {
            let asked = Asked { api_key: ApiKey::Fetch as i16, version, correlation_id: 9, client_id: None };
            let session_id = if version >= 7 { 1234 } else { 0 };
            let log_start = |mut partition: PartitionData| {
                if version < 5 {
                    partition.log_start_offset = -1;
                }
                partition
            };
            let mut topic = FetchableTopicResponse::default()
                .with_topic(TopicName(StrBytes::from_static_str("logins")))
                .with_partitions(vec![
                    log_start(partition(0, Some(vec![7; 300]), None)),
                    log_start(partition(1, Some(Vec::new()), Some(0))),
                    log_start(partition(2, None, Some(200))),
                    log_start(partition(3, Some(vec![9; 70_000]), Some(1))),
                ]);
            if version >= IDS_FROM {
                topic.topic = TopicName::default();
                topic.topic_id = Uuid::from_u128(5);
            }
            for topics in [vec![], vec![topic.clone()], vec![topic.clone(), topic]] {
                let answer = FetchResponse::default().with_session_id(session_id).with_responses(topics);
                let pieces = encode(&asked, &answer).unwrap();
                let whole = crate::frame::encode(&asked, version, &answer).unwrap();
                assert_eq!(pieces.concat(), whole, "version {version}");
            }
        }
    }
}
