//! OffsetFetch: where a group is.

use std::collections::BTreeMap;

use commitlog::CommittedOffset;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::answer_room::{ITEM_BYTES, Room};
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

/// A partition's answer.
struct Found {
    index: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: StrBytes,
    code: i16,
}

impl Found {
    /// No offset, with an error's code or none.
    fn nothing(index: i32, code: i16) -> Found {
        Found { index, offset: -1, leader_epoch: -1, metadata: StrBytes::new(), code }
    }

    /// Returns about how much of an answer it takes.
    fn bytes(&self) -> usize {
        ITEM_BYTES + self.metadata.len()
    }
}

pub(crate) fn answer(call: &Call, AnyOffsetFetch(request): AnyOffsetFetch) -> OffsetFetchResponse {
    if call.version() < SEVERAL_FROM {
        return of_one_group(call, request);
    }
    let stable = request.require_stable;
    let mut room = call.broker.answer_bytes.room();
    let groups = request.groups.into_iter().map(|group| of_group(call, group, stable, &mut room)).collect();
    OffsetFetchResponse::default().with_groups(groups)
}

fn of_one_group(call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if let Err(error) = check_access(call, &request.group_id) {
        return OffsetFetchResponse::default().with_error_code(error.code());
    }
    let wanted = request
        .topics
        .map(|topics| topics.into_iter().map(|t| (t.name.to_string(), t.partition_indexes)).collect());
    let mut room = call.broker.answer_bytes.room();
    let found = match positions(call, &request.group_id, wanted, request.require_stable, &mut room) {
        Ok(found) => found,
        Err(error) => return OffsetFetchResponse::default().with_error_code(error.code()),
    };
    let topics = found
        .into_iter()
        .map(|(name, partitions)| {
            let told = |found: Found| {
                OffsetFetchResponsePartition::default()
                    .with_partition_index(found.index)
                    .with_committed_offset(found.offset)
                    .with_committed_leader_epoch(found.leader_epoch)
                    .with_metadata(Some(found.metadata))
                    .with_error_code(found.code)
            };
            OffsetFetchResponseTopic::default()
                .with_name(TopicName(str_bytes(&name)))
                .with_partitions(partitions.into_iter().map(told).collect())
        })
        .collect();
    OffsetFetchResponse::default().with_error_code(NONE).with_topics(topics)
}

fn of_group(
    call: &Call,
    group: OffsetFetchRequestGroup,
    stable: bool,
    room: &mut Room,
) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
    let checked = check_access(call, &group.group_id).and_then(|()| check_member(call, &group));
    if let Err(error) = checked {
        return answer.with_error_code(error.code());
    }
    let topics = match call.version() >= TOPIC_IDS_FROM {
        true => positions_by_id(call, &group.group_id, group.topics, stable, room),
        false => {
            let wanted = group.topics.map(|topics| {
                topics.into_iter().map(|t| (t.name.to_string(), t.partition_indexes)).collect()
            });
            let without_id = |(name, partitions)| (name, Uuid::nil(), partitions);
            positions(call, &group.group_id, wanted, stable, room)
                .map(|found| found.into_iter().map(without_id).collect())
        }
    };
    let topics: Vec<(String, Uuid, Vec<Found>)> = match topics {
        Ok(topics) => topics,
        Err(error) => return answer.with_error_code(error.code()),
    };
    let topics = topics.into_iter().map(|(name, id, partitions)| {
        let told = |found: Found| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(found.index)
                .with_committed_offset(found.offset)
                .with_committed_leader_epoch(found.leader_epoch)
                .with_metadata(Some(found.metadata))
                .with_error_code(found.code)
        };
        OffsetFetchResponseTopics::default()
            .with_name(TopicName(str_bytes(&name)))
            .with_topic_id(id)
            .with_partitions(partitions.into_iter().map(told).collect())
    });
    answer.with_topics(topics.collect())
}

fn check_access(call: &Call, group: &str) -> Result<(), ResponseError> {
    match call.allows(Operation::Describe, Resource::Group(group)) {
        true => Ok(()),
        false => Err(ResponseError::GroupAuthorizationFailed),
    }
}

/// Checks the member that asks, if it says who it is (KIP-848).
fn check_member(call: &Call, group: &OffsetFetchRequestGroup) -> Result<(), ResponseError> {
    match (&group.member_id, call.broker.groups.find_consumer(&group.group_id)) {
        (Some(member_id), Some(found)) if group.member_epoch >= 0 => {
            found.lock().expect("no holder panics").check_offsets(member_id, group.member_epoch)
        }
        _ => Ok(()),
    }
}

/// Answers by topic ids; a topic that is gone is told only if it is asked for.
fn positions_by_id(
    call: &Call,
    group: &str,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
    stable: bool,
    room: &mut Room,
) -> Result<Vec<(String, Uuid, Vec<Found>)>, ResponseError> {
    let broker = &call.broker;
    let Some(topics) = topics else {
        let mut found = positions(call, group, None, stable, room)?;
        found.retain(|(name, _)| broker.log.describe_topic(name).is_ok());
        let with_id = |(name, partitions): (String, Vec<Found>)| {
            let id = topic_id(broker, &name);
            (name, id, partitions)
        };
        return Ok(found.into_iter().map(with_id).collect());
    };
    let ids: Vec<Uuid> = topics.iter().map(|asked| asked.topic_id).collect();
    let named = topics.into_iter().map(|asked| {
        let name = broker.topic_name(asked.topic_id).map_or_else(String::new, |name| name.to_string());
        (name, asked.partition_indexes)
    });
    let found = positions(call, group, Some(named.collect()), stable, room)?;
    Ok(found.into_iter().zip(ids).map(|((name, partitions), id)| (name, id, partitions)).collect())
}

fn topic_id(broker: &Broker, name: &str) -> Uuid {
    broker.log.describe_topic(name).map_or(Uuid::nil(), |info| Uuid::from_u128(info.id))
}

/// Returns positions by topic; an error only where all are asked for, others are told of each partition.
fn positions(
    call: &Call,
    group: &str,
    wanted: Option<Vec<(String, Vec<i32>)>>,
    stable: bool,
    room: &mut Room,
) -> Result<Vec<(String, Vec<Found>)>, ResponseError> {
    let broker = &call.broker;
    let may_see = |topic: &str| call.allows(Operation::Describe, Resource::Topic(topic));
    let found = |topic: &str, index: i32, committed: Option<CommittedOffset>| {
        let unsettled =
            stable && u32::try_from(index).is_ok_and(|n| broker.log.has_pending_offset(group, topic, n));
        match committed {
            _ if unsettled => Found::nothing(index, ResponseError::UnstableOffsetCommit.code()),
            Some(committed) => Found {
                index,
                offset: committed.offset,
                leader_epoch: if call.version() >= LEADER_EPOCH_FROM { committed.leader_epoch } else { -1 },
                metadata: StrBytes::from_string(committed.metadata),
                code: NONE,
            },
            None => Found::nothing(index, NONE),
        }
    };
    match wanted {
        Some(wanted) => Ok(wanted
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
                    let refused = |index| Found::nothing(index, error.code());
                    return (topic, indexes.into_iter().map(refused).collect());
                }
                let partitions = indexes
                    .into_iter()
                    .map(|index| {
                        let committed = u32::try_from(index)
                            .ok()
                            .and_then(|number| broker.log.committed_offset(group, &topic, number));
                        let found = found(&topic, index, committed);
                        match room.take(found.bytes()) {
                            Ok(()) => found,
                            Err(error) => Found::nothing(index, error.code()),
                        }
                    })
                    .collect();
                (topic, partitions)
            })
            .collect()),
        None => {
            room.check()?;
            let mut topics: BTreeMap<String, Vec<Found>> = BTreeMap::new();
            for (topic, number, committed) in broker.log.committed_offsets(group) {
                let answer = found(&topic, number as i32, Some(committed));
                room.take(answer.bytes())?;
                topics.entry(topic).or_default().push(answer);
            }
            Ok(topics.into_iter().filter(|(topic, _)| may_see(topic)).collect())
        }
    }
}
