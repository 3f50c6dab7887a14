//! LeaveGroup.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};

use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The first version that names several members.
const SEVERAL_FROM: i16 = 3;

pub(crate) fn answer(call: &Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    if request.group_id.is_empty() {
        return LeaveGroupResponse::default().with_error_code(ResponseError::InvalidGroupId.code());
    }
    if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return LeaveGroupResponse::default().with_error_code(ResponseError::GroupAuthorizationFailed.code());
    }
    let found = call.broker.groups.find(&request.group_id);
    let now_ms = call.broker.now_ms();
    let leave = |member_id: &str, instance_id: Option<&str>| {
        let result = match &found {
            None => Err(ResponseError::UnknownMemberId),
            Some(group) => group.lock().expect("no holder panics").leave(member_id, instance_id, now_ms),
        };
        result.map_or_else(|error| error.code(), |()| NONE)
    };
    if call.version() < SEVERAL_FROM {
        return LeaveGroupResponse::default().with_error_code(leave(&request.member_id, None));
    }
    let members = request
        .members
        .into_iter()
        .map(|member| {
            let code = leave(&member.member_id, member.group_instance_id.as_deref());
            MemberResponse::default()
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
                .with_error_code(code)
        })
        .collect();
    LeaveGroupResponse::default().with_error_code(NONE).with_members(members)
}
