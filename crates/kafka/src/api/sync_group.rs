//! SyncGroup.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;

use crate::dispatch::Call;
use crate::group::classic::{Identity, Synced};
use crate::security::acl::{Operation, Resource};

/// The first version that names the protocol.
const PROTOCOL_FROM: i16 = 5;

pub(crate) async fn answer(call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let refused = |error: ResponseError| SyncGroupResponse::default().with_error_code(error.code());
    let waiting = match ask(call, request) {
        Ok(waiting) => waiting,
        Err(error) => return refused(error),
    };
    // All that is kept was copied.
    call.connection.wait_for_others();
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

/// Syncs; returns where the answer will come.
fn ask(call: &Call, request: SyncGroupRequest) -> Result<oneshot::Receiver<Synced>, ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return Err(ResponseError::GroupAuthorizationFailed);
    }
    if call.version() >= PROTOCOL_FROM && (request.protocol_type.is_none() || request.protocol_name.is_none())
    {
        return Err(ResponseError::InconsistentGroupProtocol);
    }
    let Some(found) = call.broker.groups.find(&request.group_id) else {
        return Err(ResponseError::UnknownMemberId);
    };
    let who = Identity {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let bytes_max = call.broker.config.integer("message.max.bytes");
    if request.assignments.iter().any(|a| a.assignment.len() as i64 > bytes_max) {
        return Err(ResponseError::UnknownServerError);
    }
    let keep = |a: &SyncGroupRequestAssignment| {
        Some((a.member_id.to_string(), call.broker.group_bytes.keep(&a.assignment, 0)?))
    };
    let assignments: Option<Vec<(String, Bytes)>> = request.assignments.iter().map(keep).collect();
    let assignments = assignments.ok_or(ResponseError::CoordinatorNotAvailable)?;
    let waiting = found.lock().expect("no holder panics").sync(
        who,
        request.protocol_type.as_deref(),
        request.protocol_name.as_deref(),
        assignments,
        call.broker.now_ms(),
    );
    Ok(waiting)
}
