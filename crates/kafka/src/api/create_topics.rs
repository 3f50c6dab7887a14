//! CreateTopics.

use std::collections::BTreeMap;

use commitlog::{PARTITIONS_MAX, TopicConfig, TopicInfo, TopicSettings, check_topic_name};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::describe_configs::{TOPIC_SOURCE_DEFAULT, TOPIC_SOURCE_TOPIC, topic_values};
use crate::answer_room::ITEM_BYTES;
use crate::broker::Broker;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *count.entry(&topic.name).or_default() += 1;
    }
    let mut room = call.broker.answer_bytes.room();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        if count.get(&**topic.name).copied() == Some(0) {
            continue;
        }
        let result = if count.get(&**topic.name).is_some_and(|n| *n > 1) {
            // Told once, however often it was asked for.
            count.insert(&topic.name, 0);
            Err(Refusal::new(ResponseError::InvalidRequest, "topic is named more than once in the request"))
        } else if !call.allows(Operation::Create, Resource::Cluster)
            && !call.allows(Operation::Create, Resource::Topic(&topic.name))
        {
            Err(Refusal::new(ResponseError::TopicAuthorizationFailed, "Authorization failed."))
        } else {
            create(&call.broker, topic, request.validate_only)
        };
        results.push(match result {
            Ok(info) => {
                let may_see = call.allows(Operation::DescribeConfigs, Resource::Topic(&topic.name));
                let unseen = match may_see {
                    true => {
                        room.take(topic_values(&info).map(|(_, value, _)| ITEM_BYTES + value.len()).sum())
                    }
                    false => Err(ResponseError::TopicAuthorizationFailed),
                };
                match unseen {
                    Ok(()) => created(topic, &info),
                    Err(error) => created_unseen(topic, &info, error),
                }
            }
            Err(refusal) => CreatableTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(refusal.code)
                .with_error_message(refusal.text())
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_configs(Some(Vec::new())),
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

fn create(broker: &Broker, topic: &CreatableTopic, validate_only: bool) -> Result<TopicInfo, Refusal> {
    check_topic_name(&topic.name)?;
    if broker.log.describe_topic(&topic.name).is_ok() {
        let message = format!("Topic '{}' already exists.", &**topic.name);
        return Err(Refusal::new(ResponseError::TopicAlreadyExists, message));
    }
    broker.check_not_reserved(&topic.name)?;
    let partitions = if topic.assignments.is_empty() {
        match topic.num_partitions {
            -1 => broker.config.integer("num.partitions") as u32,
            number if number > 0 && number as u32 <= PARTITIONS_MAX => number as u32,
            _ => {
                return Err(Refusal::new(
                    ResponseError::InvalidPartitions,
                    "Number of partitions must be larger than 0.",
                ));
            }
        }
    } else {
        assigned_partitions(broker, topic)?
    };
    // Copies above one are accepted: the one node has the one copy.
    if topic.assignments.is_empty() && (topic.replication_factor == 0 || topic.replication_factor < -1) {
        return Err(Refusal::new(
            ResponseError::InvalidReplicationFactor,
            "Replication factor must be larger than 0.",
        ));
    }
    let mut settings = TopicSettings::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let message = format!("Null value not supported for topic configs: {}", &*config.name);
            return Err(Refusal::new(ResponseError::InvalidConfig, message));
        };
        settings.insert(config.name.to_string(), value.to_string());
    }
    if validate_only {
        return Ok(TopicInfo {
            name: topic.name.to_string(),
            // Kafka tells an id here too, which nothing will ever have.
            id: crate::group::classic::random(),
            partitions,
            config: TopicConfig::from_settings(&settings)?,
            settings,
            created_ms: broker.now_ms(),
        });
    }
    Ok(broker.create_topic(&topic.name, Some(partitions), settings)?)
}

/// Returns the number of partitions a list of replicas by partition asks for.
fn assigned_partitions(broker: &Broker, topic: &CreatableTopic) -> Result<u32, Refusal> {
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        return Err(Refusal::new(
            ResponseError::InvalidRequest,
            "Both numPartitions or replicationFactor and replicasAssignments were set.",
        ));
    }
    let mut numbers: Vec<i32> = topic.assignments.iter().map(|a| a.partition_index).collect();
    numbers.sort_unstable();
    let consecutive = numbers.iter().enumerate().all(|(index, number)| *number == index as i32);
    for assignment in &topic.assignments {
        check_replicas(broker, &assignment.broker_ids)?;
    }
    if !consecutive || numbers.len() > PARTITIONS_MAX as usize {
        return Err(Refusal::new(
            ResponseError::InvalidReplicaAssignment,
            "partitions must be numbered from 0 without gaps",
        ));
    }
    Ok(numbers.len() as u32)
}

/// Checks that a partition's replicas are this node, once.
pub(crate) fn check_replicas(broker: &Broker, replicas: &[BrokerId]) -> Result<(), Refusal> {
    let node = broker.node_id();
    let reason = match replicas {
        [] => "a partition needs a replica".to_owned(),
        [first, second, ..] if first == second => format!("broker {} is named more than once", first.0),
        [replica] if *replica == node => return Ok(()),
        _ => format!("there is no other broker than {}", node.0),
    };
    Err(Refusal::new(ResponseError::InvalidReplicaAssignment, reason))
}

/// Answers one who may make a topic and not see its settings, or asks for too many of them.
fn created_unseen(topic: &CreatableTopic, info: &TopicInfo, why: ResponseError) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_topic_id(Uuid::from_u128(info.id))
        .with_error_code(NONE)
        .with_error_message(None)
        .with_topic_config_error_code(why.code())
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(Some(Vec::new()))
}

fn created(topic: &CreatableTopic, info: &TopicInfo) -> CreatableTopicResult {
    let configs = topic_values(info)
        .map(|(name, value, is_set)| {
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(Some(str_bytes(value)))
                .with_config_source(if is_set { TOPIC_SOURCE_TOPIC } else { TOPIC_SOURCE_DEFAULT })
        })
        .collect();
    CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_topic_id(Uuid::from_u128(info.id))
        .with_error_code(NONE)
        .with_error_message(None)
        .with_num_partitions(info.partitions as i32)
        .with_replication_factor(1)
        .with_configs(Some(configs))
}
