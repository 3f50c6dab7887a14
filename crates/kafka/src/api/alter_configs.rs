//! AlterConfigs: replaces all settings of a topic.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::AlterConfigsRequest;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};

use super::describe_configs::RESOURCE_TOPIC;
use crate::altering::{change_each, change_other, change_topic, topic_to_alter};
use crate::broker::Broker;
use crate::dispatch::Call;
use crate::error::Refusal;

pub(crate) fn answer(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let named = |r: &AlterConfigsResource| (r.resource_type, r.resource_name.clone());
    let change = |r: &AlterConfigsResource| alter(&call.broker, r, request.validate_only);
    let changed = change_each(call, &request.resources, named, change);
    let responses = request.resources.into_iter().zip(changed).map(|(resource, (code, message))| {
        AlterConfigsResourceResponse::default()
            .with_error_code(code)
            .with_error_message(message)
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

fn alter(broker: &Broker, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    if resource.resource_type != RESOURCE_TOPIC {
        let (kind, name) = (resource.resource_type, &*resource.resource_name);
        let set = broker.dynamic.of(kind, name);
        let given: BTreeSet<&str> = resource.configs.iter().map(|config| &*config.name).collect();
        let unset = set.keys().map(String::as_str).filter(|name| !given.contains(name));
        let mut changes: Vec<(&str, Option<String>)> = unset.map(|name| (name, None)).collect();
        for config in &resource.configs {
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
    change_topic(broker, &info, &changes, validate_only)
}
