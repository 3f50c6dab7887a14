//! Metadata: which topics there are, and that this node leads them all.

use std::collections::BTreeSet;

use commitlog::{TopicInfo, check_topic_name};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, TopicName};
use uuid::Uuid;

use crate::broker::{Broker, LEADER_EPOCH};
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The first version that tells what the client may do, and the last that tells it of the cluster.
const OPERATIONS_FROM: i16 = 8;
const CLUSTER_OPERATIONS_TO: i16 = 10;

pub(crate) fn answer(call: &Call, request: MetadataRequest) -> MetadataResponse {
    let broker = &call.broker;
    let version = call.version();
    let may_create = (version < 4 || request.allow_auto_topic_creation)
        && broker.config.boolean("auto.create.topics.enable");
    let topics = match &request.topics {
        // In version 0 an empty list asks for all topics.
        None => all(call),
        Some(topics) if topics.is_empty() && version == 0 => all(call),
        Some(topics) => {
            let mut seen = BTreeSet::new();
            topics
                .iter()
                .filter(|topic| seen.insert((topic.name.clone(), topic.topic_id)))
                .map(|topic| match &topic.name {
                    Some(name) if topic.topic_id.is_nil() => by_name(call, name, may_create),
                    _ => by_id(call, topic.topic_id),
                })
                .collect()
        }
    };
    let mut topics = topics;
    let denied = ResponseError::TopicAuthorizationFailed.code();
    if version >= OPERATIONS_FROM && request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code != denied) {
            if let Some(name) = &topic.name {
                topic.topic_authorized_operations = call.operations(Resource::Topic(name));
            }
        }
    }
    let (host, port) = broker.endpoint(call.connection.listener);
    let node =
        MetadataResponseBroker::default().with_node_id(broker.node_id()).with_host(host).with_port(port);
    let mut answer = MetadataResponse::default();
    if (OPERATIONS_FROM..=CLUSTER_OPERATIONS_TO).contains(&version)
        && request.include_cluster_authorized_operations
    {
        answer.cluster_authorized_operations = call.operations(Resource::Cluster);
    }
    answer
        .with_brokers(vec![node])
        .with_cluster_id(Some(str_bytes(&broker.cluster_id)))
        .with_controller_id(broker.node_id())
        .with_topics(topics)
}

fn all(call: &Call) -> Vec<MetadataResponseTopic> {
    let topics = call.broker.log.topics();
    let visible = topics.iter().filter(|info| call.allows(Operation::Describe, Resource::Topic(&info.name)));
    visible.map(|info| described(&call.broker, info)).collect()
}

fn by_name(call: &Call, name: &TopicName, may_create: bool) -> MetadataResponseTopic {
    let broker = &call.broker;
    let refused = |code: i16| {
        MetadataResponseTopic::default()
            .with_error_code(code)
            .with_name(Some(name.clone()))
            .with_topic_id(Uuid::nil())
    };
    let denied = ResponseError::TopicAuthorizationFailed.code();
    if !call.allows(Operation::Describe, Resource::Topic(name)) {
        return refused(denied);
    }
    if let Ok(info) = broker.log.describe_topic(name) {
        return described(broker, &info);
    }
    if check_topic_name(name).is_err() {
        return refused(ResponseError::InvalidTopicException.code());
    }
    if !may_create || broker.owner.reserves_topic(name) {
        return refused(ResponseError::UnknownTopicOrPartition.code());
    }
    if !call.allows(Operation::Create, Resource::Cluster)
        && !call.allows(Operation::Create, Resource::Topic(name))
    {
        return refused(denied);
    }
    match broker.auto_create(name) {
        Ok(info) => described(broker, &info),
        Err(refusal) => refused(refusal.code),
    }
}

fn by_id(call: &Call, id: Uuid) -> MetadataResponseTopic {
    let broker = &call.broker;
    match broker.topic(None, id) {
        // As in Kafka: its name must not come out.
        Ok(info) if !call.allows(Operation::Describe, Resource::Topic(&info.name)) => {
            MetadataResponseTopic::default()
                .with_error_code(ResponseError::TopicAuthorizationFailed.code())
                .with_name(None)
                .with_topic_id(id)
        }
        Ok(info) => described(broker, &info),
        Err(error) => {
            MetadataResponseTopic::default().with_error_code(error.code()).with_name(None).with_topic_id(id)
        }
    }
}

fn described(broker: &Broker, info: &TopicInfo) -> MetadataResponseTopic {
    let node = broker.node_id();
    let partitions = (0..info.partitions as i32)
        .map(|number| {
            MetadataResponsePartition::default()
                .with_partition_index(number)
                .with_leader_id(node)
                .with_leader_epoch(LEADER_EPOCH)
                .with_replica_nodes(vec![node])
                .with_isr_nodes(vec![node])
        })
        .collect();
    MetadataResponseTopic::default()
        .with_error_code(NONE)
        .with_name(Some(TopicName(str_bytes(&info.name))))
        .with_topic_id(Uuid::from_u128(info.id))
        .with_partitions(partitions)
}
