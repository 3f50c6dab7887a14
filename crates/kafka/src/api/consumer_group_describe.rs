//! ConsumerGroupDescribe: members of groups of the consumer protocol.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, ConsumerGroupDescribeResponse, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, GroupId, TopicName};

use super::consumer_group_heartbeat::by_topic;
use crate::answer_room::{ITEM_BYTES, Room};
use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::group::assignor::Slots;
use crate::group::consumer::{ConsumerGroup, Member as GroupMember};
use crate::security::acl::{Operation, Resource};

/// The member speaks the consumer protocol itself.
const MEMBER_TYPE_CONSUMER: i8 = 1;
/// The first version that tells a member's type.
const MEMBER_TYPE_FROM: i16 = 1;

pub(crate) fn answer(call: &Call, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let mut room = call.broker.answer_bytes.room();
    let groups = request
        .group_ids
        .into_iter()
        .map(|id| describe(call, id, request.include_authorized_operations, &mut room))
        .collect();
    ConsumerGroupDescribeResponse::default().with_groups(groups)
}

fn describe(call: &Call, id: GroupId, with_operations: bool, room: &mut Room) -> DescribedGroup {
    let mut answer = DescribedGroup::default().with_group_id(id.clone());
    if !call.allows(Operation::Describe, Resource::Group(&id)) {
        return answer.with_error_code(ResponseError::GroupAuthorizationFailed.code());
    }
    if id.is_empty() {
        return answer
            .with_error_code(ResponseError::InvalidGroupId.code())
            .with_error_message(Some(str_bytes("no group is named")));
    }
    let Some(group) = call.broker.groups.find_consumer(&id) else {
        return answer
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(str_bytes(&format!("Group {} not found.", &**id))));
    };
    if with_operations {
        answer.authorized_operations = call.operations(Resource::Group(&id));
    }
    let group = group.lock().expect("no holder panics");
    if let Err(error) = room.take(group.members.values().map(|member| member_bytes(&group, member)).sum()) {
        return DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.code());
    }
    let is_hidden = |name: &String| !call.allows(Operation::Describe, Resource::Topic(name));
    if group.subscribed_topics().iter().any(is_hidden) {
        let message = "The described group uses topics that the client is not authorized to describe.";
        return DescribedGroup::default()
            .with_group_id(id.clone())
            .with_error_code(ResponseError::TopicAuthorizationFailed.code())
            .with_error_message(Some(str_bytes(message)));
    }
    let members = group
        .members
        .values()
        .map(|member| {
            let mut shown = Member::default()
                .with_member_id(str_bytes(&member.id))
                .with_instance_id(member.instance_id.as_deref().map(str_bytes))
                .with_rack_id(member.rack_id.as_deref().map(str_bytes))
                .with_member_epoch(member.epoch)
                .with_client_id(str_bytes(&member.client_id))
                .with_client_host(str_bytes(&member.client_host))
                .with_subscribed_topic_names(
                    member.topics.iter().map(|name| TopicName(str_bytes(name))).collect(),
                )
                .with_subscribed_topic_regex(Some(str_bytes(member.pattern.as_deref().unwrap_or(""))))
                .with_assignment(self::shown(&call.broker, &member.assigned))
                .with_target_assignment(self::shown(&call.broker, &group.target(&member.id)));
            if call.version() >= MEMBER_TYPE_FROM {
                shown.member_type = MEMBER_TYPE_CONSUMER;
            }
            shown
        })
        .collect();
    answer
        .with_error_code(NONE)
        .with_group_state(str_bytes(group.state()))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.epoch)
        .with_assignor_name(str_bytes(group.assignor().name()))
        .with_members(members)
}

/// Returns about how much of an answer a member takes.
fn member_bytes(group: &ConsumerGroup, member: &GroupMember) -> usize {
    let names: usize = member.topics.iter().map(|name| ITEM_BYTES + name.len()).sum();
    // Each may be its topic's only one.
    let slots = member.assigned.len() + group.target_len(&member.id);
    2 * ITEM_BYTES + names + member.pattern.as_ref().map_or(0, String::len) + slots * ITEM_BYTES
}

fn shown(broker: &Broker, slots: &Slots) -> Assignment {
    let topics = by_topic(slots).into_iter().map(|(id, partitions)| {
        let name = broker.topic_name(id).map_or_else(String::new, |name| name.to_string());
        TopicPartitions::default()
            .with_topic_id(id)
            .with_topic_name(TopicName(str_bytes(&name)))
            .with_partitions(partitions)
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
