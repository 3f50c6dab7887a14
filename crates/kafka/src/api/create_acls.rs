//! CreateAcls.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::CreateAclsRequest;
use kafka_protocol::messages::create_acls_response::{AclCreationResult, CreateAclsResponse};

use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource, Rule, RuleError};

pub(crate) fn answer(call: &Call, request: CreateAclsRequest) -> CreateAclsResponse {
    let broker = &call.broker;
    let allowed = call.allows(Operation::Alter, Resource::Cluster);
    let results = request
        .creations
        .into_iter()
        .map(|creation| {
            let rule = Rule {
                resource_type: creation.resource_type,
                resource_name: creation.resource_name.to_string(),
                pattern_type: creation.resource_pattern_type,
                principal: creation.principal.to_string(),
                host: creation.host.to_string(),
                operation: creation.operation,
                permission: creation.permission_type,
            };
            let result = if allowed {
                broker.rules.add(&broker.store, rule, broker.now_ms()).map_err(|error| match error {
                    RuleError::Invalid(reason) => Refusal::new(ResponseError::InvalidRequest, reason),
                    RuleError::Full => {
                        Refusal::new(ResponseError::PolicyViolation, "there are too many rules")
                    }
                    RuleError::Log(error) => error.into(),
                })
            } else {
                Err(ResponseError::ClusterAuthorizationFailed.into())
            };
            match result {
                Ok(()) => AclCreationResult::default().with_error_code(NONE),
                Err(refusal) => AclCreationResult::default()
                    .with_error_code(refusal.code)
                    .with_error_message(refusal.text()),
            }
        })
        .collect();
    CreateAclsResponse::default().with_results(results)
}
