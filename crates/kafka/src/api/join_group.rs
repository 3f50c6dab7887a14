//! JoinGroup.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::JoinGroupRequest;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::group::classic::{Join, Joined};
use crate::security::acl::{Operation, Resource};

/// The first version in which members are told their id before they join (KIP-394).
const KNOWN_ID_FROM: i16 = 4;
/// The first version that knows `skip_assignment` (KIP-814).
const SKIP_ASSIGNMENT_FROM: i16 = 9;
/// The first version in which the protocol's name may be null.
const NULL_PROTOCOL_FROM: i16 = 7;

pub(crate) async fn answer(call: &Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = call.version();
    let (waiting, member_id) = match ask(call, request) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    // All that is kept was copied.
    call.connection.wait_for_others();
    match waiting.await {
        Ok(joined) => shown(version, joined),
        Err(_) => refused(version, ResponseError::UnknownMemberId, &member_id),
    }
}

/// Joins; returns where the answer will come, and the member's id.
fn ask(
    call: &Call,
    request: JoinGroupRequest,
) -> Result<(oneshot::Receiver<Joined>, String), JoinGroupResponse> {
    let version = call.version();
    let refuse = |error: ResponseError| Err(refused(version, error, &request.member_id));
    if request.group_id.is_empty() {
        return refuse(ResponseError::InvalidGroupId);
    }
    if !call.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return refuse(ResponseError::GroupAuthorizationFailed);
    }
    if call.broker.owner.holds_group(&request.group_id).is_some() {
        return refuse(ResponseError::InconsistentGroupProtocol);
    }
    let said = request.protocols.iter().map(|p| p.name.len() + p.metadata.len());
    // Kafka takes it and refuses the group with the same code when it is to be written.
    if said.sum::<usize>() as i64 > call.broker.config.integer("message.max.bytes") {
        return refuse(ResponseError::UnknownServerError);
    }
    let Some(protocols) = kept(call, &request) else {
        return refuse(ResponseError::CoordinatorNotAvailable);
    };
    let groups = &call.broker.groups;
    if !groups.remove_empty_consumer(&request.group_id) {
        return refuse(ResponseError::InconsistentGroupProtocol);
    }
    let found = match groups.find(&request.group_id) {
        Some(found) => found,
        None if !request.member_id.is_empty() => {
            return refuse(ResponseError::UnknownMemberId);
        }
        None => match groups.find_or_make(&request.group_id, call.broker.now_ms()) {
            Some(made) => made,
            None => return refuse(ResponseError::CoordinatorNotAvailable),
        },
    };
    let rebalance_timeout_ms =
        if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let join = Join {
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_deref().map(str::to_owned),
        client_id: call.client_id().to_owned(),
        client_host: format!("/{}", call.connection.peer.ip()),
        session_timeout_ms: request.session_timeout_ms as i64,
        rebalance_timeout_ms: rebalance_timeout_ms as i64,
        protocol_type: request.protocol_type.to_string(),
        protocols,
        requires_known_id: version >= KNOWN_ID_FROM,
        can_skip_assignment: version >= SKIP_ASSIGNMENT_FROM,
    };
    let waiting = found.lock().expect("no holder panics").join(join, call.broker.now_ms());
    Ok((waiting, request.member_id.to_string()))
}

/// Returns copies of what the member can; `None` when all groups keep too much.
fn kept(call: &Call, request: &JoinGroupRequest) -> Option<Vec<(String, Bytes)>> {
    let instance_id = request.group_instance_id.as_deref().unwrap_or_default();
    let mut beside = call.client_id().len() + request.member_id.len() + instance_id.len();
    let mut keep = |p: &JoinGroupRequestProtocol| {
        let metadata =
            call.broker.group_bytes.keep(&p.metadata, p.name.len() + std::mem::take(&mut beside))?;
        Some((p.name.to_string(), metadata))
    };
    request.protocols.iter().map(&mut keep).collect()
}

fn refused(version: i16, error: ResponseError, member_id: &str) -> JoinGroupResponse {
    let joined =
        Joined { code: error.code(), member_id: member_id.to_owned(), generation: -1, ..Joined::default() };
    shown(version, joined)
}

fn shown(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined
        .members
        .into_iter()
        .map(|(id, instance_id, metadata)| {
            JoinGroupResponseMember::default()
                .with_member_id(StrBytes::from_string(id))
                .with_group_instance_id(instance_id.map(StrBytes::from_string))
                .with_metadata(metadata)
        })
        .collect();
    let mut protocol_name = joined.protocol.map(StrBytes::from_string);
    if version < NULL_PROTOCOL_FROM {
        protocol_name = Some(protocol_name.unwrap_or_default());
    }
    JoinGroupResponse::default()
        .with_error_code(joined.code)
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.map(StrBytes::from_string))
        .with_protocol_name(protocol_name)
        .with_leader(str_bytes(&joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(StrBytes::from_string(joined.member_id))
        .with_members(members)
}
