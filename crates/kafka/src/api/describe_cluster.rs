//! DescribeCluster: the one node.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DescribeClusterRequest;
use kafka_protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::Resource;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) fn answer(call: &Call, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let broker = &call.broker;
    let answer = DescribeClusterResponse::default().with_endpoint_type(BROKERS);
    if call.version() >= 1 && request.endpoint_type != BROKERS {
        let (error, reason) = match request.endpoint_type {
            CONTROLLERS => {
                (ResponseError::MismatchedEndpointType, "the request was sent to a broker endpoint")
            }
            _ => (ResponseError::UnsupportedEndpointType, "there is no such type of endpoint"),
        };
        return answer.with_error_code(error.code()).with_error_message(Some(str_bytes(reason)));
    }
    let (host, port) = broker.endpoint(call.connection.listener);
    let node =
        DescribeClusterBroker::default().with_broker_id(broker.node_id()).with_host(host).with_port(port);
    let mut answer = answer;
    if request.include_cluster_authorized_operations {
        answer.cluster_authorized_operations = call.operations(Resource::Cluster);
    }
    answer
        .with_error_code(NONE)
        .with_cluster_id(str_bytes(&broker.cluster_id))
        .with_controller_id(broker.node_id())
        .with_brokers(vec![node])
}
