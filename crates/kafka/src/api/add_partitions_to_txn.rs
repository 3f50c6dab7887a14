//! AddPartitionsToTxn: announces what a transaction will write to.

use commitlog::{LogError, ProducerIdentity};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::AddPartitionsToTxnRequest;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
};

use super::transaction_code;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The first version that has several transactions.
const SEVERAL_FROM: i16 = 4;
/// The first version that knows `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 2;

pub(crate) fn answer(call: &Call, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    if call.version() < SEVERAL_FROM {
        let identity = ProducerIdentity {
            producer_id: *request.v3_and_below_producer_id,
            epoch: request.v3_and_below_producer_epoch,
        };
        let asked = Asked { id: &request.v3_and_below_transactional_id, identity, verify_only: false };
        let results = add(call, &asked, &request.v3_and_below_topics);
        return AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results);
    }
    if !call.allows(Operation::ClusterAction, Resource::Cluster) {
        // Several at once is what brokers ask.
        return AddPartitionsToTxnResponse::default()
            .with_error_code(ResponseError::ClusterAuthorizationFailed.code());
    }
    let results = request
        .transactions
        .iter()
        .map(|transaction| {
            let identity =
                ProducerIdentity { producer_id: *transaction.producer_id, epoch: transaction.producer_epoch };
            let asked =
                Asked { id: &transaction.transactional_id, identity, verify_only: transaction.verify_only };
            AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id.clone())
                .with_topic_results(add(call, &asked, &transaction.topics))
        })
        .collect();
    AddPartitionsToTxnResponse::default().with_error_code(NONE).with_results_by_transaction(results)
}

struct Asked<'a> {
    id: &'a str,
    identity: ProducerIdentity,
    verify_only: bool,
}

fn add(
    call: &Call,
    asked: &Asked<'_>,
    topics: &[AddPartitionsToTxnTopic],
) -> Vec<AddPartitionsToTxnTopicResult> {
    let (broker, version) = (&call.broker, call.version());
    let is_denied = |topic: &str| !call.allows(Operation::Write, Resource::Topic(topic));
    let is_known = |topic: &str, index: i32| {
        u32::try_from(index).is_ok_and(|number| broker.log.partition(topic, number).is_ok())
    };
    let pairs: Vec<(&str, i32)> = topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|index| (&**topic.name as &str, *index)))
        .collect();
    // All or none.
    let some_unknown = pairs.iter().any(|(topic, index)| !is_known(topic, *index));
    let common = if asked.id.is_empty() {
        ResponseError::InvalidRequest.code()
    } else if !call.allows(Operation::Write, Resource::Transaction(asked.id)) {
        ResponseError::TransactionalIdAuthorizationFailed.code()
    } else if some_unknown || topics.iter().any(|topic| is_denied(&topic.name)) {
        ResponseError::OperationNotAttempted.code()
    } else {
        let partitions: Vec<(&str, u32)> =
            pairs.iter().map(|(topic, index)| (*topic, *index as u32)).collect();
        let done = if asked.verify_only {
            broker.log.check_partitions_of_transaction(asked.id, asked.identity, &partitions)
        } else {
            let now_ms = broker.now_ms();
            broker.log.add_partitions_to_transaction(asked.id, asked.identity, &partitions, now_ms)
        };
        match done {
            Ok(()) => NONE,
            // What is not part of the transaction ends in its being aborted (KIP-890).
            Err(LogError::TransactionState { .. }) if asked.verify_only => {
                ResponseError::TransactionAbortable.code()
            }
            Err(error) => transaction_code(&error, version >= FENCED_FROM),
        }
    };
    topics
        .iter()
        .map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|index| {
                    let code = if common == ResponseError::TransactionalIdAuthorizationFailed.code() {
                        common
                    } else if is_denied(&topic.name) {
                        ResponseError::TopicAuthorizationFailed.code()
                    } else if is_known(&topic.name, *index) {
                        common
                    } else {
                        ResponseError::UnknownTopicOrPartition.code()
                    };
                    AddPartitionsToTxnPartitionResult::default()
                        .with_partition_index(*index)
                        .with_partition_error_code(code)
                })
                .collect();
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name.clone())
                .with_results_by_partition(partitions)
        })
        .collect()
}
