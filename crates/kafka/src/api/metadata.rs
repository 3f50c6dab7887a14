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

pub(crate) fn answer(call: &Call, request: MetadataRequest) -> MetadataResponse {
    let broker = &call.broker;
    let version = call.version();
    let may_create = (version < 4 || request.allow_auto_topic_creation)
        && broker.config.boolean("auto.create.topics.enable");
    let topics = match &request.topics {
        // In version 0 an empty list asks for all topics.
        None => all(broker),
        Some(topics) if topics.is_empty() && version == 0 => all(broker),
        Some(topics) => {
            let mut seen = BTreeSet::new();
            topics
                .iter()
                .filter(|topic| seen.insert((topic.name.clone(), topic.topic_id)))
                .map(|topic| match &topic.name {
                    Some(name) if topic.topic_id.is_nil() => by_name(broker, name, may_create),
                    _ => by_id(broker, topic.topic_id),
                })
                .collect()
        }
    };
    let (host, port) = broker.endpoint(call.connection.listener);
    let node =
        MetadataResponseBroker::default().with_node_id(broker.node_id()).with_host(host).with_port(port);
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(str_bytes(&broker.cluster_id)))
        .with_controller_id(broker.node_id())
        .with_topics(topics)
}

fn all(broker: &Broker) -> Vec<MetadataResponseTopic> {
    broker.log.topics().iter().map(|info| described(broker, info)).collect()
}

fn by_name(broker: &Broker, name: &TopicName, may_create: bool) -> MetadataResponseTopic {
    let refused = |code: i16| {
        MetadataResponseTopic::default()
            .with_error_code(code)
            .with_name(Some(name.clone()))
            .with_topic_id(Uuid::nil())
    };
    if let Ok(info) = broker.log.describe_topic(name) {
        return described(broker, &info);
    }
    if check_topic_name(name).is_err() {
        return refused(ResponseError::InvalidTopicException.code());
    }
    if !may_create {
        return refused(ResponseError::UnknownTopicOrPartition.code());
    }
    match broker.auto_create(name) {
        Ok(info) => described(broker, &info),
        Err(refusal) => refused(refusal.code),
    }
}

fn by_id(broker: &Broker, id: Uuid) -> MetadataResponseTopic {
    match broker.topic(None, id) {
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
