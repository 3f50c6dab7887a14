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

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(crate) fn answer(call: &Call, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let mut answer = ElectLeadersResponse::default();
    let allowed = call.allows(Operation::Alter, Resource::Cluster);
    // Version 0 knows one type only.
    let valid = call.version() < 1 || (PREFERRED..=UNCLEAN).contains(&request.election_type);
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
                    let (error, reason) = if !allowed {
                        (ResponseError::ClusterAuthorizationFailed, "the client may not do this")
                    } else if !valid {
                        (ResponseError::InvalidRequest, "there is no such type of election")
                    } else if known {
                        (ResponseError::ElectionNotNeeded, "the one node is the leader")
                    } else {
                        (ResponseError::UnknownTopicOrPartition, "there is no such partition")
                    };
                    PartitionResult::default()
                        .with_partition_id(index)
                        .with_error_code(error.code())
                        .with_error_message(Some(str_bytes(reason)))
                })
                .collect();
            ReplicaElectionResult::default()
                .with_topic(TopicName(str_bytes(&topic)))
                .with_partition_result(partitions)
        })
        .collect();
    if call.version() >= 1 {
        answer.error_code = match (allowed, valid) {
            (false, _) => ResponseError::ClusterAuthorizationFailed.code(),
            (true, false) => ResponseError::InvalidRequest.code(),
            (true, true) => NONE,
        };
    }
    answer.with_replica_election_results(results)
}
