//! TxnOffsetCommit: a group's positions, set when the transaction commits.

use commitlog::{OffsetCommit, ProducerIdentity};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::TxnOffsetCommitRequest;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use crate::dispatch::Call;
use crate::error::{NONE, code};
use crate::group::classic::Identity;
use crate::security::acl::{Operation, Resource};

/// The first version that announces its group itself (KIP-890).
const JOINS_FROM: i16 = 5;

pub(crate) fn answer(call: &Call, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let allowed = check(call, &request).map_err(|error| error.code());
    let metadata_max = call.broker.config.integer("offset.metadata.max.bytes") as usize;
    let mut commits = Vec::new();
    let mut topics: Vec<TxnOffsetCommitResponseTopic> = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let may_read = call.allows(Operation::Read, Resource::Topic(&topic.name));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let metadata = asked.committed_metadata.as_deref().unwrap_or("");
            let number = u32::try_from(asked.partition_index)
                .ok()
                .filter(|number| call.broker.log.partition(&topic.name, *number).is_ok());
            let code = match (allowed, number) {
                (Err(code), _) => code,
                (Ok(()), _) if !may_read => ResponseError::TopicAuthorizationFailed.code(),
                (Ok(()), None) => ResponseError::UnknownTopicOrPartition.code(),
                (Ok(()), Some(_)) if metadata.len() > metadata_max => {
                    ResponseError::OffsetMetadataTooLarge.code()
                }
                (Ok(()), Some(number)) => {
                    commits.push(OffsetCommit {
                        topic: topic.name.to_string(),
                        partition: number,
                        offset: asked.committed_offset,
                        leader_epoch: asked.committed_leader_epoch,
                        metadata: metadata.to_owned(),
                    });
                    NONE
                }
            };
            partitions.push(
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(code),
            );
        }
        topics.push(
            TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions),
        );
    }
    if !commits.is_empty()
        && let Err(error) = add(call, &request, &commits)
    {
        for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.error_code == NONE {
                partition.error_code = code(&error);
            }
        }
    }
    TxnOffsetCommitResponse::default().with_topics(topics)
}

fn check(call: &Call, request: &TxnOffsetCommitRequest) -> Result<(), ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    if !call.allows(Operation::Write, Resource::Transaction(&request.transactional_id)) {
        return Err(ResponseError::TransactionalIdAuthorizationFailed);
    }
    if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return Err(ResponseError::GroupAuthorizationFailed);
    }
    if call.broker.owner.holds_group(&request.group_id).is_some() {
        return Err(ResponseError::UnknownMemberId);
    }
    if call.broker.owner.reserves_group(&request.group_id) {
        return Err(ResponseError::GroupAuthorizationFailed);
    }
    let who = Identity {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    if let Some(group) = call.broker.groups.find_consumer(&request.group_id) {
        if who.generation < 0 && who.member_id.is_empty() {
            return Ok(());
        }
        return group.lock().expect("no holder panics").check_offsets(who.member_id, who.generation);
    }
    match call.broker.groups.find(&request.group_id) {
        Some(group) => group.lock().expect("no holder panics").check_transactional_commit(who),
        None if request.generation_id < 0 => Ok(()),
        None => Err(ResponseError::UnknownMemberId),
    }
}

fn add(
    call: &Call,
    request: &TxnOffsetCommitRequest,
    commits: &[OffsetCommit],
) -> Result<(), commitlog::LogError> {
    let (log, now_ms) = (&call.broker.log, call.broker.now_ms());
    let (id, group): (&str, &str) = (&request.transactional_id, &request.group_id);
    let identity = ProducerIdentity { producer_id: *request.producer_id, epoch: request.producer_epoch };
    if call.version() >= JOINS_FROM {
        log.add_group_to_transaction(id, identity, group, now_ms)?;
    }
    log.add_offsets_to_transaction(id, identity, group, commits, now_ms)
}
