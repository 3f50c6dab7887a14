//! DescribeGroups: members of groups and what they read.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use kafka_protocol::messages::{DescribeGroupsRequest, GroupId};

use crate::answer_room::{ITEM_BYTES, Room};
use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::group::classic::State;
use crate::group::held;
use crate::security::acl::{Operation, Resource};

/// The first version that says that a group is not there.
const NOT_FOUND_FROM: i16 = 6;

/// The first version that tells what the client may do.
const OPERATIONS_FROM: i16 = 3;

pub(crate) fn answer(call: &Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let mut room = call.broker.answer_bytes.room();
    let groups = request
        .groups
        .into_iter()
        .map(|id| describe(call, id, request.include_authorized_operations, &mut room))
        .collect();
    DescribeGroupsResponse::default().with_groups(groups)
}

fn describe(call: &Call, id: GroupId, with_operations: bool, room: &mut Room) -> DescribedGroup {
    let (broker, version) = (&call.broker, call.version());
    let mut answer = DescribedGroup::default().with_error_code(NONE).with_group_id(id.clone());
    if !call.allows(Operation::Describe, Resource::Group(&id)) {
        return answer.with_error_code(ResponseError::GroupAuthorizationFailed.code());
    }
    let refused = |error: ResponseError| {
        DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.code())
    };
    if let Err(error) = room.check() {
        return refused(error);
    }
    if version >= OPERATIONS_FROM && with_operations {
        answer.authorized_operations = call.operations(Resource::Group(&id));
    }
    if let Some(member) = held::member(broker, &id) {
        if let Err(error) = room.take(ITEM_BYTES + member.metadata.len() + member.assignment.len()) {
            return refused(error);
        }
        let shown = DescribedGroupMember::default()
            .with_member_id(str_bytes(&member.id))
            .with_client_id(str_bytes(held::CLIENT_ID))
            .with_client_host(str_bytes(held::HOST))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment);
        return answer
            .with_group_state(str_bytes(held::STATE.name()))
            .with_protocol_type(str_bytes(held::PROTOCOL_TYPE))
            .with_protocol_data(str_bytes(held::PROTOCOL))
            .with_members(vec![shown]);
    }
    let Some(group) = broker.groups.find_as_of(&id, broker.now_ms()) else {
        if broker.log.has_offsets(&id) && broker.groups.find_consumer(&id).is_none() {
            return answer.with_group_state(str_bytes(State::Empty.name()));
        }
        let dead = answer.with_group_state(str_bytes(State::Dead.name()));
        if version < NOT_FOUND_FROM {
            return dead;
        }
        return dead
            .with_authorized_operations(i32::MIN)
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(str_bytes(&format!("Group {} not found.", &**id))));
    };
    let group = group.lock().expect("no holder panics");
    let protocol = group.protocol.as_deref().unwrap_or("");
    let is_stable = group.state == State::Stable;
    let bytes = group.members.iter().map(|member| {
        let told = [&member.id, &member.client_id, &member.client_host];
        let texts: usize = told.iter().map(|text| text.len()).sum();
        ITEM_BYTES + texts + member.metadata(protocol).len() + member.assignment.len()
    });
    if let Err(error) = room.take(bytes.sum()) {
        return refused(error);
    }
    let members = group
        .members
        .iter()
        .map(|member| {
            let shown = DescribedGroupMember::default()
                .with_member_id(str_bytes(&member.id))
                .with_group_instance_id(member.instance_id.as_deref().map(str_bytes))
                .with_client_id(str_bytes(&member.client_id))
                .with_client_host(str_bytes(&member.client_host));
            let shown = shown.with_member_assignment(member.assignment.clone());
            if !is_stable {
                return shown;
            }
            shown.with_member_metadata(member.metadata(protocol))
        })
        .collect();
    answer
        .with_group_state(str_bytes(group.state.name()))
        .with_protocol_type(str_bytes(group.protocol_type.as_deref().unwrap_or("")))
        .with_protocol_data(str_bytes(if is_stable { protocol } else { "" }))
        .with_members(members)
}
