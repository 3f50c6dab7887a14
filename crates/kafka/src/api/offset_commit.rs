//! OffsetCommit: a group's positions, outside a transaction.

use commitlog::OffsetCommit;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::{NONE, code};
use crate::group::classic::Identity;
use crate::newer::{AnyOffsetCommit, TOPIC_IDS_FROM};
use crate::security::acl::{Operation, Resource};

/// The first version that members of the consumer protocol can use.
const MEMBER_EPOCH_FROM: i16 = 9;

pub(crate) fn answer(call: &Call, AnyOffsetCommit(mut request): AnyOffsetCommit) -> OffsetCommitResponse {
    let broker = &call.broker;
    if call.version() >= TOPIC_IDS_FROM {
        for topic in &mut request.topics {
            topic.name =
                broker.topic_name(topic.topic_id).map(|name| TopicName(str_bytes(&name))).unwrap_or_default();
        }
    }
    let who = Identity {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let allowed = if call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        checked(broker, &request.group_id, who, call.version(), || ())
    } else {
        Err(ResponseError::GroupAuthorizationFailed)
    };
    let metadata_max = broker.config.integer("offset.metadata.max.bytes") as usize;
    let mut commits = Vec::new();
    let mut answers: Vec<(usize, usize)> = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for (topic_index, topic) in request.topics.iter().enumerate() {
        let may_read = call.allows(Operation::Read, Resource::Topic(&topic.name));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (index, asked) in topic.partitions.iter().enumerate() {
            let metadata = asked.committed_metadata.as_deref().unwrap_or("");
            let number = u32::try_from(asked.partition_index).ok();
            let known = number.is_some_and(|n| broker.log.partition(&topic.name, n).is_ok());
            let code = match allowed {
                Err(error) => error.code(),
                // No topic is called so: its id is of none.
                Ok(()) if topic.name.is_empty() && call.version() >= TOPIC_IDS_FROM => {
                    ResponseError::UnknownTopicId.code()
                }
                Ok(()) if !may_read => ResponseError::TopicAuthorizationFailed.code(),
                Ok(()) if !known => ResponseError::UnknownTopicOrPartition.code(),
                Ok(()) if metadata.len() > metadata_max => ResponseError::OffsetMetadataTooLarge.code(),
                Ok(()) => {
                    answers.push((topic_index, index));
                    commits.push(OffsetCommit {
                        topic: topic.name.to_string(),
                        partition: number.unwrap_or(0),
                        offset: asked.committed_offset,
                        leader_epoch: asked.committed_leader_epoch,
                        metadata: metadata.to_owned(),
                    });
                    NONE
                }
            };
            partitions.push(
                OffsetCommitResponsePartition::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(code),
            );
        }
        topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions),
        );
    }
    if !commits.is_empty() {
        let commit = || broker.log.commit_synced_offsets(&request.group_id, &commits, broker.now_ms());
        let commit = || checked(broker, &request.group_id, who, call.version(), commit);
        let done = match broker.log.sync_consumed(&commits) {
            Ok(()) => commit().map_err(|error| error.code()),
            Err(error) => Err(code(&error)),
        };
        let done = done.and_then(|ticket| ticket.and_then(|t| t.wait()).map_err(|error| code(&error)));
        if let Err(code) = done {
            for (topic, partition) in answers {
                topics[topic].partitions[partition].error_code = code;
            }
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// Does something if the client may commit. The group is held for both, so that who loses its place in between does not
/// write over what the next owner commits.
fn checked<T>(
    broker: &Broker,
    group_id: &str,
    who: Identity<'_>,
    version: i16,
    then: impl FnOnce() -> T,
) -> Result<T, ResponseError> {
    // It has its one member in this process.
    if broker.owner.holds_group(group_id).is_some() {
        return Err(ResponseError::UnknownMemberId);
    }
    if broker.owner.reserves_group(group_id) {
        return Err(ResponseError::GroupAuthorizationFailed);
    }
    if let Some(group) = broker.groups.find_consumer(group_id) {
        let group = group.lock().expect("no holder panics");
        if version < MEMBER_EPOCH_FROM && !group.members.is_empty() {
            return Err(ResponseError::UnsupportedVersion);
        }
        return group.check_offsets(who.member_id, who.generation).map(|()| then());
    }
    match broker.groups.find(group_id) {
        Some(group) => {
            let mut group = group.lock().expect("no holder panics");
            group.check_commit(who, broker.now_ms()).map(|()| then())
        }
        // Groups that only keep their offsets here.
        None if who.generation < 0 => Ok(then()),
        None => Err(ResponseError::IllegalGeneration),
    }
}
