//! OffsetFetch: where a group is.

use std::collections::BTreeMap;

use commitlog::CommittedOffset;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::newer::{AnyOffsetFetch, TOPIC_IDS_FROM};
use crate::security::acl::{Operation, Resource};

/// The first version that asks for several groups.
const SEVERAL_FROM: i16 = 8;

/// The first version that tells the leader epoch.
const LEADER_EPOCH_FROM: i16 = 5;

/// A partition's answer: number, offset, leader epoch, metadata, error.
type Found = (i32, i64, i32, StrBytes, i16);

pub(crate) fn answer(call: &Call, AnyOffsetFetch(request): AnyOffsetFetch) -> OffsetFetchResponse {
    let broker = &call.broker;
    let (stable, version) = (request.require_stable, call.version());
    let is_denied = |group: &str| !call.allows(Operation::Describe, Resource::Group(group));
    let denied = ResponseError::GroupAuthorizationFailed.code();
    if call.version() < SEVERAL_FROM {
        if is_denied(&request.group_id) {
            return OffsetFetchResponse::default().with_error_code(denied);
        }
        let wanted = request
            .topics
            .map(|topics| topics.into_iter().map(|t| (t.name.to_string(), t.partition_indexes)).collect());
        let topics = positions(call, &request.group_id, wanted, stable)
            .into_iter()
            .map(|(name, partitions)| {
                let partitions = partitions
                    .into_iter()
                    .map(|(index, offset, epoch, metadata, code)| {
                        OffsetFetchResponsePartition::default()
                            .with_partition_index(index)
                            .with_committed_offset(offset)
                            .with_committed_leader_epoch(if version >= LEADER_EPOCH_FROM {
                                epoch
                            } else {
                                -1
                            })
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
            let mut ids = Vec::new();
            let with_ids = version >= TOPIC_IDS_FROM;
            let wanted = group.topics.map(|topics| {
                let named = topics.into_iter().map(|asked| {
                    let name = if with_ids {
                        broker.topic_name(asked.topic_id).map_or_else(String::new, |name| name.to_string())
                    } else {
                        asked.name.to_string()
                    };
                    ids.push(asked.topic_id);
                    (name, asked.partition_indexes)
                });
                named.collect::<Vec<_>>()
            });
            let all = wanted.is_none();
            let mut found = positions(call, &group.group_id, wanted, stable);
            if with_ids && all {
                // What a topic that is gone has left behind has no id to be told by.
                found.retain(|(name, _)| broker.log.describe_topic(name).is_ok());
                ids = found.iter().map(|(name, _)| topic_id(broker, name)).collect();
            }
            ids.resize(found.len(), Uuid::nil());
            let topics = found
                .into_iter()
                .zip(ids)
                .map(|((name, partitions), id)| {
                    let partitions = partitions
                        .into_iter()
                        .map(|(index, offset, epoch, metadata, code)| {
                            OffsetFetchResponsePartitions::default()
                                .with_partition_index(index)
                                .with_committed_offset(offset)
                                .with_committed_leader_epoch(if version >= LEADER_EPOCH_FROM {
                                    epoch
                                } else {
                                    -1
                                })
                                .with_metadata(Some(metadata))
                                .with_error_code(code)
                        })
                        .collect();
                    OffsetFetchResponseTopics::default()
                        .with_name(TopicName(str_bytes(&name)))
                        .with_topic_id(id)
                        .with_partitions(partitions)
                })
                .collect();
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics)
        })
        .collect();
    OffsetFetchResponse::default().with_groups(groups)
}

fn topic_id(broker: &Broker, name: &str) -> Uuid {
    broker.log.describe_topic(name).map_or(Uuid::nil(), |info| Uuid::from_u128(info.id))
}

fn positions(
    call: &Call,
    group: &str,
    wanted: Option<Vec<(String, Vec<i32>)>>,
    stable: bool,
) -> Vec<(String, Vec<Found>)> {
    let broker = &call.broker;
    let may_see = |topic: &str| call.allows(Operation::Describe, Resource::Topic(topic));
    let found = |topic: &str, index: i32, committed: Option<CommittedOffset>| {
        let unsettled =
            stable && u32::try_from(index).is_ok_and(|n| broker.log.has_pending_offset(group, topic, n));
        match committed {
            _ if unsettled => (index, -1, -1, StrBytes::new(), ResponseError::UnstableOffsetCommit.code()),
            Some(committed) => (
                index,
                committed.offset,
                committed.leader_epoch,
                StrBytes::from_string(committed.metadata),
                NONE,
            ),
            None => (index, -1, -1, StrBytes::new(), NONE),
        }
    };
    match wanted {
        Some(wanted) => wanted
            .into_iter()
            .map(|(topic, indexes)| {
                // No topic is called so: its id is of none.
                let error = if topic.is_empty() && call.version() >= TOPIC_IDS_FROM {
                    Some(ResponseError::UnknownTopicId)
                } else if may_see(&topic) {
                    None
                } else {
                    Some(ResponseError::TopicAuthorizationFailed)
                };
                if let Some(error) = error {
                    let refused = |index| (index, -1, -1, StrBytes::new(), error.code());
                    return (topic, indexes.into_iter().map(refused).collect());
                }
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
            topics.into_iter().filter(|(topic, _)| may_see(topic)).collect()
        }
    }
}
