//! FindCoordinator: this node, for every group and transactional id.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest};
use kafka_protocol::protocol::StrBytes;

use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) fn answer(call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (host, port) = call.broker.endpoint(call.connection.listener);
    let node_id = call.broker.node_id();
    let code = match request.key_type {
        GROUP | TRANSACTION => NONE,
        _ => ResponseError::InvalidRequest.code(),
    };
    let nowhere = (BrokerId(-1), StrBytes::new(), -1);
    let answer = |key: &str| {
        let code = match request.key_type {
            GROUP if !call.allows(Operation::Describe, Resource::Group(key)) => {
                ResponseError::GroupAuthorizationFailed.code()
            }
            TRANSACTION if !call.allows(Operation::Describe, Resource::Transaction(key)) => {
                ResponseError::TransactionalIdAuthorizationFailed.code()
            }
            _ => code,
        };
        (code, if code == NONE { (node_id, host.clone(), port) } else { nowhere.clone() })
    };
    if call.version() < 4 {
        let (code, (node_id, host, port)) = answer(&request.key);
        return FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_error_message(Some(told(code)))
            .with_node_id(node_id)
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request
        .coordinator_keys
        .iter()
        .cloned()
        .map(|key| {
            let (code, (node_id, host, port)) = answer(&key);
            Coordinator::default()
                .with_key(key)
                .with_node_id(node_id)
                .with_host(host)
                .with_port(port)
                .with_error_code(code)
        })
        .collect();
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

/// What older versions tell beside the code, on success too.
fn told(code: i16) -> StrBytes {
    StrBytes::from_static_str(match code {
        NONE => "NONE",
        _ if code == ResponseError::InvalidRequest.code() => "there is no coordinator of this kind",
        _ => "the client may not know",
    })
}
