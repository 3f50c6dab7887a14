//! DescribeTopicPartitions: Metadata in pages.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{DescribeTopicPartitionsRequest, TopicName};
use uuid::Uuid;

use crate::broker::LEADER_EPOCH;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// Most partitions of one answer, as Kafka's `max.request.partition.size.limit`.
const PARTITIONS_MAX: usize = 2000;

pub(crate) fn answer(
    call: &Call,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let broker = &call.broker;
    let node = broker.node_id();
    let mut names: Vec<String> = if request.topics.is_empty() {
        broker.log.topics().into_iter().map(|info| info.name).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    names.sort();
    names.dedup();
    if request.cursor.as_ref().is_some_and(|cursor| cursor.partition_index < 0) {
        let refused = |name: &String| {
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(TopicName(str_bytes(name))))
                .with_error_code(ResponseError::InvalidRequest.code())
        };
        return DescribeTopicPartitionsResponse::default().with_topics(names.iter().map(refused).collect());
    }
    let mut first = 0;
    if let Some(cursor) = &request.cursor {
        names.retain(|name| name.as_str() >= &**cursor.topic_name);
        first = cursor.partition_index.max(0) as u32;
        if names.first().is_none_or(|name| name.as_str() != &**cursor.topic_name) {
            first = 0;
        }
    }
    let mut left = (request.response_partition_limit.max(1) as usize).min(PARTITIONS_MAX);
    let mut topics = Vec::new();
    let mut next_cursor = None;
    for name in names {
        let answer =
            DescribeTopicPartitionsResponseTopic::default().with_name(Some(TopicName(str_bytes(&name))));
        if !call.allows(Operation::Describe, Resource::Topic(&name)) {
            if !request.topics.is_empty() {
                topics.push(answer.with_error_code(ResponseError::TopicAuthorizationFailed.code()));
            }
            continue;
        }
        let answer = answer.with_topic_authorized_operations(call.operations(Resource::Topic(&name)));
        let Ok(info) = broker.log.describe_topic(&name) else {
            let code = match commitlog::check_topic_name(&name) {
                Ok(()) => ResponseError::UnknownTopicOrPartition,
                Err(_) => ResponseError::InvalidTopicException,
            };
            topics.push(answer.with_error_code(code.code()));
            continue;
        };
        let cursor_at = |index: u32| {
            Some(
                Cursor::default()
                    .with_topic_name(TopicName(str_bytes(&name)))
                    .with_partition_index(index as i32),
            )
        };
        if left == 0 {
            next_cursor = cursor_at(first);
            break;
        }
        let end = info.partitions.min(first.saturating_add(left as u32));
        let partitions: Vec<_> = (first..end)
            .map(|number| {
                DescribeTopicPartitionsResponsePartition::default()
                    .with_partition_index(number as i32)
                    .with_leader_id(node)
                    .with_leader_epoch(LEADER_EPOCH)
                    .with_replica_nodes(vec![node])
                    .with_isr_nodes(vec![node])
                    .with_eligible_leader_replicas(Some(Vec::new()))
                    .with_last_known_elr(Some(Vec::new()))
            })
            .collect();
        left -= partitions.len();
        topics.push(
            answer.with_error_code(NONE).with_topic_id(Uuid::from_u128(info.id)).with_partitions(partitions),
        );
        if end < info.partitions {
            next_cursor = cursor_at(end);
            break;
        }
        first = 0;
    }
    DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next_cursor)
}
