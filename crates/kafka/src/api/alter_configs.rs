//! AlterConfigs: replaces all settings of a topic.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AlterConfigsRequest;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

use super::describe_configs::RESOURCE_TOPIC;
use super::incremental_alter_configs::{
    apply, change_other, may_alter, named_once, named_twice, topic_to_alter,
};
use crate::broker::Broker;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};

pub(crate) fn answer(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let names: Vec<_> =
        request.resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    let twice = named_twice(&names);
    let responses = request
        .resources
        .into_iter()
        .map(|resource| {
            let (code, message) = match may_alter(call, resource.resource_type, &resource.resource_name)
                .and_then(|()| named_once(&twice, resource.resource_type, &resource.resource_name))
                .and_then(|()| alter(&call.broker, &resource, request.validate_only))
            {
                Ok(()) => (NONE, None),
                Err(refusal) => (refusal.code, refusal.text()),
            };
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
        })
        .collect();
    AlterConfigsResponse::default().with_responses(responses)
}

fn alter(broker: &Broker, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    if resource.resource_type != RESOURCE_TOPIC {
        let (kind, name) = (resource.resource_type, &*resource.resource_name);
        let set = broker.dynamic.of(kind, name);
        let mut changes: Vec<(&str, Option<String>)> = set.keys().map(|name| (name.as_str(), None)).collect();
        for config in &resource.configs {
            changes.retain(|(other, _)| *other != &*config.name);
            changes.push((&config.name, config.value.as_ref().map(|value| value.to_string())));
        }
        return change_other(broker, kind, name, &changes, validate_only);
    }
    let info = topic_to_alter(broker, &resource.resource_name)?;
    // What is not named goes back to its default.
    let mut changes: Vec<(&str, Option<String>)> =
        info.settings.keys().map(|name| (name.as_str(), None)).collect();
    for config in &resource.configs {
        let Some(value) = &config.value else {
            let message = format!("Null value not supported for : {}", &*config.name);
            return Err(Refusal::new(ResponseError::InvalidRequest, message));
        };
        changes.push((&config.name, Some(value.to_string())));
    }
    apply(broker, &info, &changes, validate_only)
}
