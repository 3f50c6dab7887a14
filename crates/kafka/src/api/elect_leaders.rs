//! ElectLeaders: there is one node, and it leads already.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::elect_leaders_response::{
    ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use kafka_protocol::messages::{ElectLeadersRequest, TopicName};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let mut answer = ElectLeadersResponse::default();
    if !call.allows(Operation::Alter, Resource::Cluster) {
        // Version 0 has no place for it.
        if call.version() >= 1 {
            answer.error_code = ResponseError::ClusterAuthorizationFailed.code();
        }
        return answer;
    }
    let mut asked: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    // Asked for all, Kafka tells only of those that changed.
    for topic in request.topic_partitions.into_iter().flatten() {
        asked.entry(topic.topic.to_string()).or_default().extend(topic.partitions);
    }
    let results = asked
        .into_iter()
        .map(|(topic, partitions)| {
            let partitions = partitions
                .into_iter()
                .map(|index| {
                    let known = u32::try_from(index)
                        .is_ok_and(|number| call.broker.log.partition(&topic, number).is_ok());
                    let error = if known {
                        ResponseError::ElectionNotNeeded
                    } else {
                        ResponseError::UnknownTopicOrPartition
                    };
                    PartitionResult::default().with_partition_id(index).with_error_code(error.code())
                })
                .collect();
            ReplicaElectionResult::default()
                .with_topic(TopicName(str_bytes(&topic)))
                .with_partition_result(partitions)
        })
        .collect();
    if call.version() >= 1 {
        answer.error_code = NONE;
    }
    answer.with_replica_election_results(results)
}
