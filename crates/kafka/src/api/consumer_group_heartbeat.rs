//! ConsumerGroupHeartbeat: the whole of the consumer protocol's conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::consumer_group_heartbeat_response::{
    Assignment, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::describe_configs::RESOURCE_GROUP;
use crate::broker::Broker;
use crate::dispatch::{Call, beside_sockets};
use crate::dynamic::{GROUP_HEARTBEAT, GROUP_SESSION};
use crate::error::NONE;
use crate::group::assignor::Slots;
use crate::group::consumer::{EPOCH_JOIN, EPOCH_LEAVE_STATIC, Heartbeat, Sight, Told, Topics};
use crate::security::acl::{Operation, Resource};

/// The first version in which the member makes its id.
const OWN_ID_FROM: i16 = 1;

pub(crate) fn answer(call: &Call, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    let group_id = request.group_id.clone();
    // Members that join may have much shared out anew.
    match beside_sockets(|| heartbeat(call, request)) {
        Ok(told) => ConsumerGroupHeartbeatResponse::default()
            .with_error_code(NONE)
            .with_member_id(Some(StrBytes::from_string(told.member_id)))
            .with_member_epoch(told.epoch)
            // One that leaves sends no more of them.
            .with_heartbeat_interval_ms(if told.epoch < 0 {
                0
            } else {
                call.broker
                    .dynamic
                    .integer(RESOURCE_GROUP, &group_id, GROUP_HEARTBEAT)
                    .unwrap_or(call.broker.config.integer("group.consumer.heartbeat.interval.ms"))
                    as i32
            })
            .with_assignment(told.assigned.map(|slots| {
                let topics = by_topic(&slots).into_iter().map(|(id, partitions)| {
                    TopicPartitions::default().with_topic_id(id).with_partitions(partitions)
                });
                Assignment::default().with_topic_partitions(topics.collect())
            })),
        Err((error, message)) => ConsumerGroupHeartbeatResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(message))),
    }
}

/// Returns topics with their partitions.
pub(crate) fn by_topic(slots: &Slots) -> BTreeMap<Uuid, Vec<i32>> {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (id, partition) in slots {
        topics.entry(Uuid::from_u128(*id)).or_default().push(*partition as i32);
    }
    topics
}

/// Returns all topics as groups see them; listed again only when there are others.
pub(crate) fn all_topics(broker: &Broker) -> Arc<Topics> {
    let mut known = broker.group_topics.lock().expect("no holder panics");
    // Asked for first: what changes from here on is seen the next time.
    let version = broker.log.topics_version();
    if known.version != version {
        let topics = broker.log.topics().into_iter();
        let by_name = topics.map(|info| (info.name, (info.id, info.partitions))).collect();
        *known = Arc::new(Topics { version, by_name });
    }
    known.clone()
}

/// Checks what needs no group to be checked.
fn check(said: &Heartbeat) -> Result<(), (ResponseError, String)> {
    let invalid = |reason: &str| Err((ResponseError::InvalidRequest, reason.to_owned()));
    if said.epoch < EPOCH_LEAVE_STATIC {
        return invalid("the member epoch is none");
    }
    if said.epoch == EPOCH_LEAVE_STATIC && said.instance_id.is_none() {
        return invalid("only a static member leaves for a while");
    }
    if said.rack_id.as_deref() == Some("") {
        return invalid("the rack id is empty");
    }
    if said.epoch == EPOCH_JOIN && said.owned.is_none() {
        return invalid("a member that joins says which partitions it has: none");
    }
    Ok(())
}

fn heartbeat(call: &Call, request: ConsumerGroupHeartbeatRequest) -> Result<Told, (ResponseError, String)> {
    let invalid = |reason: &str| Err((ResponseError::InvalidRequest, reason.to_owned()));
    if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return Err((ResponseError::GroupAuthorizationFailed, "the group may not be read".to_owned()));
    }
    if request.group_id.is_empty() {
        return invalid("GroupId can't be empty.");
    }
    let names_itself = call.version() >= OWN_ID_FROM || request.member_epoch != 0;
    if request.member_id.is_empty() && names_itself && request.instance_id.is_none() {
        return invalid("MemberId can't be empty.");
    }
    if request.instance_id.as_deref() == Some("") {
        return invalid("InstanceId can't be empty.");
    }
    let topics: Option<BTreeSet<String>> =
        request.subscribed_topic_names.map(|names| names.iter().map(|name| name.to_string()).collect());
    let denied =
        topics.iter().flatten().find(|name| !call.allows(Operation::Describe, Resource::Topic(name)));
    if let Some(denied) = denied {
        return Err((ResponseError::TopicAuthorizationFailed, format!("topic \"{denied}\" may not be seen")));
    }
    let owned = request.topic_partitions.map(|topics| {
        topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|p| (topic.topic_id.as_u128(), *p as u32)))
            .collect()
    });
    let sight = Sight {
        version: call.broker.rules.version(),
        may_see: &|name| call.allows(Operation::Describe, Resource::Topic(name)),
    };
    let all = all_topics(&call.broker);
    let text = |text: Option<StrBytes>| text.map(|text| text.to_string());
    let said = Heartbeat {
        member_id: request.member_id.to_string(),
        epoch: request.member_epoch,
        instance_id: text(request.instance_id),
        rack_id: text(request.rack_id),
        client_id: call.client_id().to_owned(),
        client_host: format!("/{}", call.connection.peer.ip()),
        rebalance_timeout_ms: (request.rebalance_timeout_ms >= 0)
            .then_some(request.rebalance_timeout_ms as i64),
        topics,
        pattern: text(request.subscribed_topic_regex),
        assignor: text(request.server_assignor),
        owned,
    };
    let broker = &call.broker;
    if let Some(reason) = broker.owner.holds_group(&request.group_id) {
        return Err((ResponseError::GroupIdNotFound, reason));
    }
    if broker.owner.reserves_group(&request.group_id) {
        return Err((ResponseError::GroupAuthorizationFailed, "the group is internal".to_owned()));
    }
    check(&said)?;
    let group = if said.epoch == EPOCH_JOIN {
        broker.groups.find_or_make_consumer(&request.group_id, broker.now_ms()).ok_or_else(|| {
            let message = format!("Group {} is not a consumer group.", &**request.group_id);
            (ResponseError::GroupIdNotFound, message)
        })?
    } else {
        broker.groups.find_consumer(&request.group_id).ok_or_else(|| {
            (ResponseError::GroupIdNotFound, format!("Group {} not found.", &**request.group_id))
        })?
    };
    let mut group = group.lock().expect("no holder panics");
    if let Some(timeout_ms) = broker.dynamic.integer(RESOURCE_GROUP, &request.group_id, GROUP_SESSION) {
        group.session_timeout_ms = timeout_ms;
    }
    let told = group.heartbeat(said, &all, &sight, broker.now_ms());
    // Who was refused leaves no group behind.
    if told.is_err() && group.is_untouched() {
        drop(group);
        broker.groups.remove_empty_consumer(&request.group_id);
    }
    told
}
