//! DescribeProducers: who writes to a partition.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, ProducerId};

use crate::answer_room::ITEM_BYTES;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut room = call.broker.answer_bytes.room();
    let topics = request
        .topics
        .into_iter()
        .map(|topic| {
            let partitions = topic
                .partition_indexes
                .iter()
                .map(|index| {
                    let answer = PartitionResponse::default().with_partition_index(*index);
                    if !call.allows(Operation::Read, Resource::Topic(&topic.name)) {
                        let refusal = Refusal::from(ResponseError::TopicAuthorizationFailed);
                        return answer.with_error_code(refusal.code).with_error_message(refusal.text());
                    }
                    let found = u32::try_from(*index)
                        .ok()
                        .and_then(|n| call.broker.log.partition(&topic.name, n).ok());
                    let Some(partition) = found else {
                        let error = match commitlog::check_topic_name(&topic.name) {
                            Ok(()) => ResponseError::UnknownTopicOrPartition,
                            Err(_) => ResponseError::InvalidTopicException,
                        };
                        let refusal = Refusal::from(error);
                        return answer.with_error_code(refusal.code).with_error_message(refusal.text());
                    };
                    let taken = room.check().and_then(|()| {
                        let producers = partition.producers();
                        room.take(producers.len() * ITEM_BYTES).map(|()| producers)
                    });
                    let producers = match taken {
                        Ok(producers) => producers,
                        Err(error) => {
                            let refusal = Refusal::from(error);
                            return answer.with_error_code(refusal.code).with_error_message(refusal.text());
                        }
                    };
                    let producers = producers
                        .into_iter()
                        .map(|producer| {
                            ProducerState::default()
                                .with_producer_id(ProducerId(producer.producer_id))
                                .with_producer_epoch(producer.epoch as i32)
                                .with_last_sequence(producer.last_sequence)
                                .with_last_timestamp(producer.last_timestamp)
                                .with_coordinator_epoch(0)
                                .with_current_txn_start_offset(
                                    producer.transaction_first_offset.unwrap_or(-1),
                                )
                        })
                        .collect();
                    answer.with_error_code(NONE).with_active_producers(producers)
                })
                .collect();
            TopicResponse::default().with_name(topic.name).with_partitions(partitions)
        })
        .collect();
    DescribeProducersResponse::default().with_topics(topics)
}
