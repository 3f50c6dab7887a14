//! DeleteAcls: removes the rules that filters take.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DeleteAclsRequest;
use kafka_protocol::messages::delete_acls_response::{
    DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Filter, Operation, Resource};

pub(crate) fn answer(call: &Call, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let broker = &call.broker;
    let allowed = call.allows(Operation::Alter, Resource::Cluster);
    let text = |text: Option<StrBytes>| text.map(|text| text.to_string());
    let results = request
        .filters
        .into_iter()
        .map(|filter| {
            let filter = Filter {
                resource_type: filter.resource_type_filter,
                resource_name: text(filter.resource_name_filter),
                pattern_type: filter.pattern_type_filter,
                principal: text(filter.principal_filter),
                host: text(filter.host_filter),
                operation: filter.operation,
                permission: filter.permission_type,
            };
            let removed = if !allowed {
                Err(Refusal::from(ResponseError::ClusterAuthorizationFailed))
            } else if !filter.is_valid() {
                Err(Refusal::from(ResponseError::InvalidRequest))
            } else {
                broker.rules.remove(&broker.store, &filter, broker.now_ms()).map_err(Refusal::from)
            };
            let removed = match removed {
                Ok(removed) => removed,
                Err(refusal) => {
                    return DeleteAclsFilterResult::default()
                        .with_error_code(refusal.code)
                        .with_error_message(refusal.text());
                }
            };
            let matching = removed
                .into_iter()
                .map(|rule| {
                    DeleteAclsMatchingAcl::default()
                        .with_error_code(NONE)
                        .with_error_message(None)
                        .with_resource_type(rule.resource_type)
                        .with_resource_name(str_bytes(&rule.resource_name))
                        .with_pattern_type(rule.pattern_type)
                        .with_principal(str_bytes(&rule.principal))
                        .with_host(str_bytes(&rule.host))
                        .with_operation(rule.operation)
                        .with_permission_type(rule.permission)
                })
                .collect();
            DeleteAclsFilterResult::default()
                .with_error_code(NONE)
                .with_error_message(None)
                .with_matching_acls(matching)
        })
        .collect();
    DeleteAclsResponse::default().with_filter_results(results)
}
