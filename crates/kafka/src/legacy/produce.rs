//! Produce 0 to 2: records in whatever format the client has.

use commitlog::{BatchError, batch_from_messages, message_magic};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};

use super::wire::{Reader, Writer};
use crate::error::Refusal;
use bytes::Bytes;

pub(super) fn decode(body: &Bytes) -> Option<ProduceRequest> {
    let mut reader = Reader::new(body);
    let (acks, timeout_ms) = (reader.i16()?, reader.i32()?);
    let topics = reader.array(6, |r| {
        let name = r.text()?;
        let partitions = r.array(8, |r| {
            let (index, records) = (r.i32()?, r.nullable_bytes()?);
            Some(PartitionProduceData::default().with_index(index).with_records(records))
        })?;
        Some(TopicProduceData::default().with_name(TopicName(name)).with_partition_data(partitions))
    })?;
    Some(ProduceRequest::default().with_acks(acks).with_timeout_ms(timeout_ms).with_topic_data(topics))
}

pub(super) fn encode(out: &mut Writer, version: i16, response: &ProduceResponse) {
    out.array(&response.responses, |out, topic| {
        out.text(&topic.name);
        out.array(&topic.partition_responses, |out, partition| {
            out.i32(partition.index);
            out.i16(partition.error_code);
            out.i64(partition.base_offset);
            if version >= 2 {
                out.i64(partition.log_append_time_ms);
            }
        });
    });
    if version >= 1 {
        out.i32(response.throttle_time_ms);
    }
}

/// Makes one batch of a partition's records; `None`: they are one already, or there are none.
pub(crate) fn as_batch(records: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if records.is_empty() || message_magic(records).is_some_and(|magic| magic >= 2) {
        return Ok(None);
    }
    batch_from_messages(records, commitlog::UNPACKED_BATCH_BYTES_MAX).map_err(|error| {
        let code = match error {
            BatchError::TooLarge { .. } => ResponseError::MessageTooLarge,
            BatchError::Codec { .. } => ResponseError::UnsupportedCompressionType,
            _ => ResponseError::CorruptMessage,
        };
        Refusal::new(code, error.to_string())
    })
}
