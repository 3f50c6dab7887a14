//! AlterClientQuotas: sets and removes limits of clients.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AlterClientQuotasRequest;
use kafka_protocol::messages::alter_client_quotas_request::EntryData as Asked;
use kafka_protocol::messages::alter_client_quotas_response::{
    AlterClientQuotasResponse, EntityData, EntryData,
};

use crate::dispatch::Call;
use crate::error::{NONE, Refusal};
use crate::quotas::{Entity, QuotaError};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let may = call.allows(Operation::AlterConfigs, Resource::Cluster);
    let entries = request
        .entries
        .iter()
        .map(|entry| {
            let done = if may {
                alter(call, entry, request.validate_only)
            } else {
                Err(ResponseError::ClusterAuthorizationFailed.into())
            };
            let entity = entry.entity.iter().map(|part| {
                EntityData::default()
                    .with_entity_type(part.entity_type.clone())
                    .with_entity_name(part.entity_name.clone())
            });
            let answer = EntryData::default().with_entity(entity.collect());
            match done {
                Ok(()) => answer.with_error_code(NONE),
                Err(refusal) => answer.with_error_code(refusal.code).with_error_message(refusal.text()),
            }
        })
        .collect();
    AlterClientQuotasResponse::default().with_entries(entries)
}

fn alter(call: &Call, entry: &Asked, validate_only: bool) -> Result<(), Refusal> {
    let entity: Entity = entry
        .entity
        .iter()
        .map(|part| (part.entity_type.to_string(), part.entity_name.as_ref().map(|name| name.to_string())))
        .collect();
    if entity.len() != entry.entity.len() {
        return Err(Refusal::new(ResponseError::InvalidRequest, "an entity type is named twice"));
    }
    let changes: Vec<_> =
        entry.ops.iter().map(|op| (op.key.to_string(), (!op.remove).then_some(op.value))).collect();
    let broker = &call.broker;
    broker.quotas.change(&broker.store, &entity, &changes, validate_only, broker.now_ms()).map_err(|error| {
        match error {
            QuotaError::Invalid(message) => Refusal::new(ResponseError::InvalidRequest, message),
            QuotaError::Log(error) => error.into(),
        }
    })
}
