//! SyncGroup.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use crate::dispatch::Call;
use crate::group::classic::{Identity, Synced};
use crate::security::acl::{Operation, Resource};

/// The first version that names the protocol.
const PROTOCOL_FROM: i16 = 5;

pub(crate) async fn answer(call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let refused = |error: ResponseError| SyncGroupResponse::default().with_error_code(error.code());
    if request.group_id.is_empty() {
        return refused(ResponseError::InvalidGroupId);
    }
    if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(ResponseError::GroupAuthorizationFailed);
    }
    if call.version() >= PROTOCOL_FROM && (request.protocol_type.is_none() || request.protocol_name.is_none())
    {
        return refused(ResponseError::InconsistentGroupProtocol);
    }
    let Some(found) = call.broker.groups.find(&request.group_id) else {
        return refused(ResponseError::UnknownMemberId);
    };
    let who = Identity {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let assignments =
        request.assignments.into_iter().map(|a| (a.member_id.to_string(), a.assignment)).collect();
    let waiting = found.lock().expect("no holder panics").sync(
        who,
        request.protocol_type.as_deref(),
        request.protocol_name.as_deref(),
        assignments,
        call.broker.now_ms(),
    );
    let synced: Synced = match waiting.await {
        Ok(synced) => synced,
        Err(_) => return refused(ResponseError::UnknownMemberId),
    };
    SyncGroupResponse::default()
        .with_error_code(synced.code)
        .with_protocol_type(synced.protocol_type.map(StrBytes::from_string))
        .with_protocol_name(synced.protocol.map(StrBytes::from_string))
        .with_assignment(synced.assignment)
}
