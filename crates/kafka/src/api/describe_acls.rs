//! DescribeAcls: the rules a filter takes.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DescribeAclsRequest;
use kafka_protocol::messages::describe_acls_response::{
    AclDescription, DescribeAclsResource, DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Filter, Operation, Resource};

pub(crate) fn answer(call: &Call, request: DescribeAclsRequest) -> DescribeAclsResponse {
    let refused = |error: ResponseError| {
        let refusal = Refusal::from(error);
        DescribeAclsResponse::default().with_error_code(refusal.code).with_error_message(refusal.text())
    };
    if !call.allows(Operation::Describe, Resource::Cluster) {
        return refused(ResponseError::ClusterAuthorizationFailed);
    }
    let text = |text: Option<StrBytes>| text.map(|text| text.to_string());
    let filter = Filter {
        resource_type: request.resource_type_filter,
        resource_name: text(request.resource_name_filter),
        pattern_type: request.pattern_type_filter,
        principal: text(request.principal_filter),
        host: text(request.host_filter),
        operation: request.operation,
        permission: request.permission_type,
    };
    if !filter.is_valid() {
        return refused(ResponseError::InvalidRequest);
    }
    let mut resources: BTreeMap<(i8, String, i8), Vec<AclDescription>> = BTreeMap::new();
    for rule in call.broker.rules.find(&filter) {
        let description = AclDescription::default()
            .with_principal(str_bytes(&rule.principal))
            .with_host(str_bytes(&rule.host))
            .with_operation(rule.operation)
            .with_permission_type(rule.permission);
        let resource = (rule.resource_type, rule.resource_name, rule.pattern_type);
        resources.entry(resource).or_default().push(description);
    }
    let resources = resources
        .into_iter()
        .map(|((resource_type, name, pattern_type), acls)| {
            DescribeAclsResource::default()
                .with_resource_type(resource_type)
                .with_resource_name(StrBytes::from_string(name))
                .with_pattern_type(pattern_type)
                .with_acls(acls)
        })
        .collect();
    DescribeAclsResponse::default().with_error_code(NONE).with_resources(resources)
}
