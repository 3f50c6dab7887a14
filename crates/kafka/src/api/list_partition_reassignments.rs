//! ListPartitionReassignments: nothing ever moves on one node.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(
    call: &Call,
    _request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let code = if call.allows(Operation::Describe, Resource::Cluster) {
        NONE
    } else {
        ResponseError::ClusterAuthorizationFailed.code()
    };
    ListPartitionReassignmentsResponse::default().with_error_code(code)
}
