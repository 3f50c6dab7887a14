//! Heartbeat.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::dispatch::Call;
use crate::error::NONE;
use crate::group::classic::Identity;
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let result = if request.group_id.is_empty() {
        Err(ResponseError::InvalidGroupId)
    } else if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        Err(ResponseError::GroupAuthorizationFailed)
    } else {
        match call.broker.groups.find(&request.group_id) {
            None => Err(ResponseError::UnknownMemberId),
            Some(found) => {
                let who = Identity {
                    member_id: &request.member_id,
                    instance_id: request.group_instance_id.as_deref(),
                    generation: request.generation_id,
                };
                found.lock().expect("no holder panics").heartbeat(who, call.broker.now_ms())
            }
        }
    };
    HeartbeatResponse::default().with_error_code(result.map_or_else(|error| error.code(), |()| NONE))
}
