//! ListConfigResources: what has settings.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ListConfigResourcesRequest;
use kafka_protocol::messages::list_config_resources_response::{ConfigResource, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;

use super::describe_configs::{RESOURCE_BROKER, RESOURCE_GROUP, RESOURCE_TOPIC};
use crate::dispatch::Call;
use crate::error::NONE;
use crate::security::acl::{Operation, Resource};

/// The settings of a client's metrics, of which there are none.
const RESOURCE_CLIENT_METRICS: i8 = 16;
const ALL: [i8; 4] = [RESOURCE_TOPIC, RESOURCE_BROKER, RESOURCE_CLIENT_METRICS, RESOURCE_GROUP];

pub(crate) fn answer(call: &Call, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let refused = |error: ResponseError| ListConfigResourcesResponse::default().with_error_code(error.code());
    if !call.allows(Operation::DescribeConfigs, Resource::Cluster) {
        return refused(ResponseError::ClusterAuthorizationFailed);
    }
    let wanted: Vec<i8> = match (call.version(), request.resource_types.is_empty()) {
        (0, _) => vec![RESOURCE_CLIENT_METRICS],
        (_, true) => ALL.to_vec(),
        _ => request.resource_types,
    };
    if wanted.iter().any(|kind| !ALL.contains(kind)) {
        return refused(ResponseError::UnsupportedVersion);
    }
    let broker = &call.broker;
    let mut resources = Vec::new();
    let mut push = |kind: i8, name: String| {
        let mut resource = ConfigResource::default().with_resource_name(StrBytes::from_string(name));
        if call.version() >= 1 {
            resource.resource_type = kind;
        }
        resources.push(resource);
    };
    for kind in wanted {
        match kind {
            RESOURCE_TOPIC => broker.log.topics().into_iter().for_each(|info| push(kind, info.name)),
            RESOURCE_BROKER => push(kind, broker.node_id().0.to_string()),
            RESOURCE_GROUP => broker.dynamic.names(kind).into_iter().for_each(|name| push(kind, name)),
            _ => {}
        }
    }
    ListConfigResourcesResponse::default().with_error_code(NONE).with_config_resources(resources)
}
