//! OffsetCommit 0 and 1. Version 0 is from before groups had members, version 1 has a time for each partition, which
//! decided how long Kafka kept the offset; ours are kept as those of later versions.

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, TopicName};

use super::wire::{Reader, Writer};

const NO_GENERATION: i32 = -1;

pub(super) fn decode(body: &Bytes, version: i16) -> Option<OffsetCommitRequest> {
    let mut reader = Reader::new(body);
    let group_id = reader.text()?;
    let (generation, member_id) =
        if version >= 1 { (reader.i32()?, reader.text()?) } else { (NO_GENERATION, Default::default()) };
    let topics = reader.array(6, |r| {
        let name = r.text()?;
        let partitions = r.array(14, |r| {
            let (index, offset) = (r.i32()?, r.i64()?);
            if version >= 1 {
                r.i64()?;
            }
            let metadata = r.nullable_text()?;
            Some(
                OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(offset)
                    .with_committed_leader_epoch(-1)
                    .with_committed_metadata(metadata),
            )
        })?;
        Some(OffsetCommitRequestTopic::default().with_name(TopicName(name)).with_partitions(partitions))
    })?;
    Some(
        OffsetCommitRequest::default()
            .with_group_id(group_id.into())
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(member_id)
            .with_topics(topics),
    )
}

pub(super) fn encode(out: &mut Writer, response: &OffsetCommitResponse) {
    out.array(&response.topics, |out, topic| {
        out.text(&topic.name);
        out.array(&topic.partitions, |out, partition| {
            out.i32(partition.partition_index);
            out.i16(partition.error_code);
        });
    });
}
