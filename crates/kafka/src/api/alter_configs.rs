//! AlterConfigs: replaces all settings of a topic.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AlterConfigsRequest;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

use super::describe_configs::RESOURCE_TOPIC;
use super::incremental_alter_configs::{apply, may_alter, refuse_other};
use crate::broker::Broker;
use crate::dispatch::Call;
use crate::error::{NONE, Refusal};

pub(crate) fn answer(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request
        .resources
        .into_iter()
        .map(|resource| {
            let (code, message) = match may_alter(call, resource.resource_type, &resource.resource_name)
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
        return refuse_other(
            broker,
            resource.resource_type,
            &resource.resource_name,
            resource.configs.is_empty(),
        );
    }
    let info = broker.topic(Some(&resource.resource_name), uuid::Uuid::nil())?;
    // What is not named goes back to its default.
    let mut changes: Vec<(&str, Option<String>)> =
        info.settings.keys().map(|name| (name.as_str(), None)).collect();
    for config in &resource.configs {
        let Some(value) = &config.value else {
            let message = format!("Null value not supported for : {}", &*config.name);
            return Err(Refusal::new(ResponseError::InvalidConfig, message));
        };
        changes.push((&config.name, Some(value.to_string())));
    }
    apply(broker, &info, &changes, validate_only)
}
