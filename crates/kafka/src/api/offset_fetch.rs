//! OffsetFetch: where a group is.

use std::collections::BTreeMap;

use commitlog::CommittedOffset;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The first version that asks for several groups.
const SEVERAL_FROM: i16 = 8;

/// A partition's answer: number, offset, metadata, error.
type Found = (i32, i64, StrBytes, i16);

pub(crate) fn answer(call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let broker = &call.broker;
    let stable = request.require_stable;
    let is_denied = |group: &str| !call.allows(Operation::Describe, Resource::Group(group));
    let denied = ResponseError::GroupAuthorizationFailed.code();
    if call.version() < SEVERAL_FROM {
        if is_denied(&request.group_id) {
            return OffsetFetchResponse::default().with_error_code(denied);
        }
        let wanted = request
            .topics
            .map(|topics| topics.into_iter().map(|t| (t.name.to_string(), t.partition_indexes)).collect());
        let topics = positions(broker, &request.group_id, wanted, stable)
            .into_iter()
            .map(|(name, partitions)| {
                let partitions = partitions
                    .into_iter()
                    .map(|(index, offset, metadata, code)| {
                        OffsetFetchResponsePartition::default()
                            .with_partition_index(index)
                            .with_committed_offset(offset)
                            .with_metadata(Some(metadata))
                            .with_error_code(code)
                    })
                    .collect();
                OffsetFetchResponseTopic::default()
                    .with_name(TopicName(str_bytes(&name)))
                    .with_partitions(partitions)
            })
            .collect();
        return OffsetFetchResponse::default().with_error_code(NONE).with_topics(topics);
    }
    let groups = request
        .groups
        .into_iter()
        .map(|group| {
            if is_denied(&group.group_id) {
                return OffsetFetchResponseGroup::default()
                    .with_group_id(group.group_id)
                    .with_error_code(denied);
            }
            let checked = match (&group.member_id, broker.groups.find_consumer(&group.group_id)) {
                (Some(member_id), Some(found)) if group.member_epoch >= 0 => {
                    found.lock().expect("no holder panics").check_offsets(member_id, group.member_epoch)
                }
                _ => Ok(()),
            };
            if let Err(error) = checked {
                return OffsetFetchResponseGroup::default()
                    .with_group_id(group.group_id)
                    .with_error_code(error.code());
            }
            let wanted = group.topics.map(|topics| {
                topics.into_iter().map(|t| (t.name.to_string(), t.partition_indexes)).collect()
            });
            let topics = positions(broker, &group.group_id, wanted, stable)
                .into_iter()
                .map(|(name, partitions)| {
                    let partitions = partitions
                        .into_iter()
                        .map(|(index, offset, metadata, code)| {
                            OffsetFetchResponsePartitions::default()
                                .with_partition_index(index)
                                .with_committed_offset(offset)
                                .with_metadata(Some(metadata))
                                .with_error_code(code)
                        })
                        .collect();
                    OffsetFetchResponseTopics::default()
                        .with_name(TopicName(str_bytes(&name)))
                        .with_partitions(partitions)
                })
                .collect();
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics)
        })
        .collect();
    OffsetFetchResponse::default().with_groups(groups)
}

fn positions(
    broker: &Broker,
    group: &str,
    wanted: Option<Vec<(String, Vec<i32>)>>,
    stable: bool,
) -> Vec<(String, Vec<Found>)> {
    let found = |topic: &str, index: i32, committed: Option<CommittedOffset>| {
        let unsettled =
            stable && u32::try_from(index).is_ok_and(|n| broker.log.has_pending_offset(group, topic, n));
        match committed {
            _ if unsettled => (index, -1, StrBytes::new(), ResponseError::UnstableOffsetCommit.code()),
            Some(committed) => (index, committed.offset, StrBytes::from_string(committed.metadata), NONE),
            None => (index, -1, StrBytes::new(), NONE),
        }
    };
    match wanted {
        Some(wanted) => wanted
            .into_iter()
            .map(|(topic, indexes)| {
                let partitions = indexes
                    .into_iter()
                    .map(|index| {
                        let committed = u32::try_from(index)
                            .ok()
                            .and_then(|number| broker.log.committed_offset(group, &topic, number));
                        found(&topic, index, committed)
                    })
                    .collect();
                (topic, partitions)
            })
            .collect(),
        None => {
            let mut topics: BTreeMap<String, Vec<Found>> = BTreeMap::new();
            for (topic, number, committed) in broker.log.committed_offsets(group) {
                let answer = found(&topic, number as i32, Some(committed));
                topics.entry(topic).or_default().push(answer);
            }
            topics.into_iter().collect()
        }
    }
}
