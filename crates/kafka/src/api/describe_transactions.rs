//! DescribeTransactions.

use std::collections::BTreeMap;

use commitlog::TransactionInfo;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{
    DescribeTransactionsResponse, TopicData, TransactionState,
};
use kafka_protocol::messages::{DescribeTransactionsRequest, ProducerId, TopicName};

use crate::answer_room::ITEM_BYTES;
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let known: BTreeMap<String, TransactionInfo> = call
        .broker
        .log
        .transactions()
        .into_iter()
        .map(|info| (info.transactional_id.clone(), info))
        .collect();
    let mut room = call.broker.answer_bytes.room();
    let states = request
        .transactional_ids
        .into_iter()
        .map(|id| {
            let answer = TransactionState::default().with_transactional_id(id.clone());
            if id.is_empty() {
                return answer.with_error_code(ResponseError::InvalidRequest.code());
            }
            if !call.allows(Operation::Describe, Resource::Transaction(&id)) {
                let code = ResponseError::TransactionalIdAuthorizationFailed.code();
                return answer.with_error_code(code);
            }
            let Some(info) = known.get(&**id) else {
                return answer.with_error_code(ResponseError::TransactionalIdNotFound.code());
            };
            if let Err(error) = room.take(ITEM_BYTES * (1 + info.partitions.len())) {
                return answer.with_error_code(error.code());
            }
            let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
            for (topic, partition) in &info.partitions {
                topics.entry(topic).or_default().push(*partition as i32);
            }
            let topics = topics
                .into_iter()
                // As in Kafka: of topics that the client may not see it is told nothing.
                .filter(|(topic, _)| call.allows(Operation::Describe, Resource::Topic(topic)))
                .map(|(topic, partitions)| {
                    TopicData::default().with_topic(TopicName(str_bytes(topic))).with_partitions(partitions)
                })
                .collect();
            answer
                .with_error_code(NONE)
                .with_transaction_state(str_bytes(info.state))
                .with_transaction_timeout_ms(info.timeout_ms as i32)
                .with_transaction_start_time_ms(info.since_ms.unwrap_or(-1))
                .with_producer_id(ProducerId(info.identity.producer_id))
                .with_producer_epoch(info.identity.epoch)
                .with_topics(topics)
        })
        .collect();
    DescribeTransactionsResponse::default().with_transaction_states(states)
}
