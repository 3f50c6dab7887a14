//! ListPartitionReassignments: nothing ever moves on one node.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(
    call: &Call,
    _request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let (code, message) = match call.allows(Operation::Describe, Resource::Cluster) {
        true => (NONE, None),
        false => {
            let reason = StrBytes::from_static_str("the client may not do this");
            (ResponseError::ClusterAuthorizationFailed.code(), Some(reason))
        }
    };
    ListPartitionReassignmentsResponse::default().with_error_code(code).with_error_message(message)
}
