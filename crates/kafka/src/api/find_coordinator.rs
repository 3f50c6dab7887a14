//! FindCoordinator: this node, for every group and transactional id.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest};
use kafka_protocol::protocol::StrBytes;

use crate::dispatch::Call;
use crate::error::NONE;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) fn answer(call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (host, port) = call.broker.endpoint(call.connection.listener);
    let node_id = call.broker.node_id();
    let code = match request.key_type {
        GROUP | TRANSACTION => NONE,
        _ => ResponseError::InvalidRequest.code(),
    };
    let (node_id, host, port) =
        if code == NONE { (node_id, host, port) } else { (BrokerId(-1), StrBytes::new(), -1) };
    if call.version() < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_node_id(node_id)
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request
        .coordinator_keys
        .into_iter()
        .map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(node_id)
                .with_host(host.clone())
                .with_port(port)
                .with_error_code(code)
        })
        .collect();
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}
