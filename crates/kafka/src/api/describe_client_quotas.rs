//! DescribeClientQuotas: the limits that were set for clients.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DescribeClientQuotasRequest;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_client_quotas_response::{
    DescribeClientQuotasResponse, EntityData, EntryData, ValueData,
};

use crate::config::str_bytes;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::quotas::{Entity, TYPE_ADDRESS, TYPE_CLIENT, TYPE_USER};
use crate::security::acl::{Operation, Resource};

const MATCH_EXACT: i8 = 0;
const MATCH_DEFAULT: i8 = 1;
const MATCH_ANY: i8 = 2;

pub(crate) fn answer(call: &Call, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let refused = |refusal: Refusal| {
        DescribeClientQuotasResponse::default()
            .with_error_code(refusal.code)
            .with_error_message(refusal.text())
            .with_entries(None)
    };
    if !call.allows(Operation::DescribeConfigs, Resource::Cluster) {
        return refused(ResponseError::ClusterAuthorizationFailed.into());
    }
    if let Err(refusal) = check(&request.components) {
        return refused(refusal);
    }
    let takes = |entity: &Entity| {
        (!request.strict || entity.len() == request.components.len())
            && request.components.iter().all(|component| takes(component, entity))
    };
    let entries = call.broker.quotas.find(takes).into_iter().map(|(entity, limits)| {
        let entity = entity.iter().map(|(kind, name)| {
            EntityData::default()
                .with_entity_type(str_bytes(kind))
                .with_entity_name(name.as_deref().map(str_bytes))
        });
        let values = limits
            .iter()
            .map(|(name, value)| ValueData::default().with_key(str_bytes(name)).with_value(*value));
        EntryData::default().with_entity(entity.collect()).with_values(values.collect())
    });
    DescribeClientQuotasResponse::default().with_error_code(NONE).with_entries(Some(entries.collect()))
}

fn check(components: &[ComponentData]) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ResponseError::InvalidRequest, message));
    let kinds: Vec<&str> = components.iter().map(|component| &*component.entity_type).collect();
    for (index, component) in components.iter().enumerate() {
        if ![TYPE_USER, TYPE_CLIENT, TYPE_ADDRESS].contains(&kinds[index]) {
            let message = format!("Custom entity type '{}' not supported", kinds[index]);
            return Err(Refusal::new(ResponseError::UnsupportedVersion, message));
        }
        if kinds[..index].contains(&kinds[index]) {
            return invalid(format!(
                "Entity type {} cannot appear more than once in the filter.",
                kinds[index]
            ));
        }
        match (component.match_type, &component._match) {
            (MATCH_EXACT, Some(_)) | (MATCH_DEFAULT | MATCH_ANY, None) => {}
            (MATCH_EXACT, None) => {
                return invalid("Request specified MATCH_TYPE_EXACT, but set match to null.".to_owned());
            }
            (MATCH_DEFAULT | MATCH_ANY, Some(_)) => {
                return invalid("the match must be null for this kind of match".to_owned());
            }
            (other, _) => return invalid(format!("Unknown match type {other}")),
        }
    }
    if kinds.contains(&TYPE_ADDRESS) && kinds.len() > 1 {
        return invalid("Invalid entity filter component combination".to_owned());
    }
    Ok(())
}

fn takes(component: &ComponentData, entity: &Entity) -> bool {
    let Some(name) = entity.get(&*component.entity_type) else { return false };
    match component.match_type {
        MATCH_EXACT => name.as_deref() == component._match.as_deref(),
        MATCH_DEFAULT => name.is_none(),
        _ => true,
    }
}
