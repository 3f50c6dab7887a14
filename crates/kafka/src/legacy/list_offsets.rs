//! ListOffsets 0: a list of offsets before a time, the latest first.
//!
//! Kafka gave the first offsets of segments. Here it is the offset that later versions give, and the log's first one if
//! the client takes more than one: finer, and in the same order.

use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::wire::{Reader, Writer};
use crate::api;
use crate::dispatch::Call;
use crate::error::NONE;

const LATEST: i64 = -1;

/// What is asked, and how many offsets each partition may have, in the same order.
pub(super) struct Asked {
    request: ListOffsetsRequest,
    counts_max: Vec<Vec<i32>>,
}

/// A topic's answer: number, error, offsets of each partition.
pub(super) type Found = (StrBytes, Vec<(i32, i16, Vec<i64>)>);

pub(super) fn decode(body: &Bytes) -> Option<Asked> {
    let mut reader = Reader::new(body);
    let replica_id = reader.i32()?;
    let mut counts_max = Vec::new();
    let topics = reader.array(6, |r| {
        let name = r.text()?;
        let mut counts = Vec::new();
        let partitions = r.array(16, |r| {
            let (index, timestamp, count_max) = (r.i32()?, r.i64()?, r.i32()?);
            counts.push(count_max);
            Some(ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp))
        })?;
        counts_max.push(counts);
        Some(ListOffsetsTopic::default().with_name(TopicName(name)).with_partitions(partitions))
    })?;
    let request = ListOffsetsRequest::default().with_replica_id(replica_id.into()).with_topics(topics);
    Some(Asked { request, counts_max })
}

pub(super) fn answer(call: &Call, asked: Asked) -> Vec<Found> {
    let Asked { request, counts_max } = asked;
    let response = api::list_offsets::answer(call, request);
    let topics = response.topics.into_iter().zip(counts_max);
    topics
        .map(|(topic, counts_max)| {
            let name = topic.name.0.clone();
            let partitions = topic.partitions.into_iter().zip(counts_max);
            let found = partitions
                .map(|(partition, count_max)| {
                    let mut offsets = Vec::new();
                    let log = u32::try_from(partition.partition_index)
                        .ok()
                        .and_then(|number| call.broker.log.offsets(&name, number).ok());
                    if let Some(log) = log.filter(|_| partition.error_code == NONE) {
                        // No record is that late: all of them are before it.
                        offsets.push(if partition.offset == LATEST { log.next } else { partition.offset });
                        if offsets[0] != log.log_start {
                            offsets.push(log.log_start);
                        }
                        offsets.truncate(count_max.max(0) as usize);
                    }
                    (partition.partition_index, partition.error_code, offsets)
                })
                .collect();
            (name, found)
        })
        .collect()
}

pub(super) fn encode(out: &mut Writer, found: &[Found]) {
    out.array(found, |out, (name, partitions)| {
        out.text(name);
        out.array(partitions, |out, (index, code, offsets)| {
            out.i32(*index);
            out.i16(*code);
            out.array(offsets, |out, offset| out.i64(*offset));
        });
    });
}
