//! OffsetDelete: forgets positions of a group.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::OffsetDeleteRequest;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use crate::dispatch::Call;
use crate::error::{NONE, code};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let broker = &call.broker;
    let refused = |error: ResponseError| OffsetDeleteResponse::default().with_error_code(error.code());
    if !call.allows(Operation::Delete, Resource::Group(&request.group_id)) {
        return refused(ResponseError::GroupAuthorizationFailed);
    }
    if request.group_id.is_empty() {
        return refused(ResponseError::InvalidGroupId);
    }
    let group = broker.groups.find(&request.group_id);
    let consumers = broker.groups.find_consumer(&request.group_id);
    if group.is_none() && consumers.is_none() && !broker.log.has_offsets(&request.group_id) {
        return refused(ResponseError::GroupIdNotFound);
    }
    if broker.owner.holds_group(&request.group_id).is_some() {
        return refused(ResponseError::NonEmptyGroup);
    }
    let mut subscribed = std::collections::BTreeSet::new();
    if let Some(group) = &group {
        let group = group.lock().expect("no holder panics");
        if !group.members.is_empty() {
            match group.subscribed_topics() {
                Some(topics) => subscribed = topics,
                None => return refused(ResponseError::NonEmptyGroup),
            }
        }
    }
    let mut gone = Vec::new();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let number = u32::try_from(index).ok().filter(|n| broker.log.partition(&topic.name, *n).is_ok());
            let code = match number {
                _ if !call.allows(Operation::Read, Resource::Topic(&topic.name)) => {
                    ResponseError::TopicAuthorizationFailed.code()
                }
                None => ResponseError::UnknownTopicOrPartition.code(),
                Some(_)
                    if subscribed.contains(&**topic.name)
                        || consumers.as_ref().is_some_and(|group| {
                            group.lock().expect("no holder panics").is_subscribed(&topic.name)
                        }) =>
                {
                    ResponseError::GroupSubscribedToTopic.code()
                }
                Some(number) => {
                    gone.push((&**topic.name as &str, number));
                    NONE
                }
            };
            partitions.push(
                OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code),
            );
        }
        topics.push(
            OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions),
        );
    }
    if !gone.is_empty()
        && let Err(error) = broker.log.delete_offsets(&request.group_id, &gone)
    {
        return OffsetDeleteResponse::default().with_error_code(code(&error));
    }
    OffsetDeleteResponse::default().with_error_code(NONE).with_topics(topics)
}
