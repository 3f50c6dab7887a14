//! DeleteGroups: forgets groups nobody is in, with their positions.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::DeleteGroupsRequest;
use kafka_protocol::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};

use crate::broker::Broker;
use crate::dispatch::Call;
use crate::error::{NONE, code};
use crate::security::acl::{Operation, Resource};

pub(crate) fn answer(call: &Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut told = BTreeSet::new();
    let results = request
        .groups_names
        .into_iter()
        .filter(|id| told.insert(id.clone()))
        .map(|id| {
            if !call.allows(Operation::Delete, Resource::Group(&id)) {
                let code = ResponseError::GroupAuthorizationFailed.code();
                return DeletableGroupResult::default().with_group_id(id).with_error_code(code);
            }
            let code = delete(&call.broker, &id).err().unwrap_or(NONE);
            DeletableGroupResult::default().with_group_id(id).with_error_code(code)
        })
        .collect();
    DeleteGroupsResponse::default().with_results(results)
}

fn delete(broker: &Broker, id: &str) -> Result<(), i16> {
    if broker.owner.holds_group(id).is_some() {
        return Err(ResponseError::NonEmptyGroup.code());
    }
    let has_offsets = broker.log.has_offsets(id);
    let known =
        broker.groups.find_as_of(id, broker.now_ms()).is_some() || broker.groups.find_consumer(id).is_some();
    if !known && !has_offsets {
        return Err(ResponseError::GroupIdNotFound.code());
    }
    if !broker.groups.remove_empty(id) || !broker.groups.remove_empty_consumer(id) {
        return Err(ResponseError::NonEmptyGroup.code());
    }
    if has_offsets { broker.log.delete_group(id).map_err(|error| code(&error)) } else { Ok(()) }
}
