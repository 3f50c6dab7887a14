//! AlterPartitionReassignments: the one node has every partition, and nothing else can have one.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AlterPartitionReassignmentsRequest;
use kafka_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    AlterPartitionReassignmentsResponse, ReassignablePartitionResponse, ReassignableTopicResponse,
};

use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(
    call: &Call,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    if !call.allows(Operation::Alter, Resource::Cluster) {
        let code = ResponseError::ClusterAuthorizationFailed.code();
        return AlterPartitionReassignmentsResponse::default().with_error_code(code);
    }
    let responses = request
        .topics
        .into_iter()
        .map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|asked| {
                    let answer =
                        ReassignablePartitionResponse::default().with_partition_index(asked.partition_index);
                    match reassign(call, &topic.name, asked) {
                        Ok(()) => answer.with_error_code(NONE),
                        Err(refusal) => {
                            answer.with_error_code(refusal.code).with_error_message(refusal.text())
                        }
                    }
                })
                .collect();
            ReassignableTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
        })
        .collect();
    AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(request.allow_replication_factor_change)
        .with_error_code(NONE)
        .with_responses(responses)
}

fn reassign(call: &Call, topic: &str, asked: &ReassignablePartition) -> Result<(), Refusal> {
    let number = u32::try_from(asked.partition_index).map_err(|_| ResponseError::UnknownTopicOrPartition)?;
    call.broker.log.partition(topic, number)?;
    let node = call.broker.node_id();
    match asked.replicas.as_deref() {
        // Ends one that is under way.
        None => Err(ResponseError::NoReassignmentInProgress.into()),
        Some([]) => {
            Err(Refusal::new(ResponseError::InvalidReplicaAssignment, "the list of replicas is empty"))
        }
        Some(replicas) if replicas.iter().all(|replica| *replica == node) => Ok(()),
        Some(_) => {
            let message = format!("broker {} is the only one there is", node.0);
            Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message))
        }
    }
}
