//! IncrementalAlterConfigs: sets, resets, and edits lists.

use std::collections::BTreeSet;

use commitlog::TopicInfo;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use super::describe_configs::RESOURCE_TOPIC;
use crate::altering::{change_each, change_other, change_topic, topic_to_alter};
use crate::broker::Broker;
use crate::config::Kind;
use crate::dispatch::Call;
use crate::dynamic::BROKER_SETTINGS;
use crate::error::Refusal;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;
/// The one topic setting that is a list and has an effect.
const LIST_SETTING: &str = "cleanup.policy";

pub(crate) fn answer(
    call: &Call,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
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
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn alter(broker: &Broker, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    if !resource.configs.iter().all(|config| names.insert(&*config.name)) {
        return Err(Refusal::new(ResponseError::InvalidRequest, "a setting is named more than once"));
    }
    if resource.resource_type != RESOURCE_TOPIC {
        let set = broker.dynamic.of(resource.resource_type, &resource.resource_name);
        let mut changes = Vec::new();
        for config in &resource.configs {
            let list = BROKER_SETTINGS
                .iter()
                .find(|known| known.kind == Kind::List && known.name == &*config.name)
                .map(|known| set.get(known.name).map_or(known.default, String::as_str));
            match (config.config_operation, &config.value, list) {
                (SET, Some(value), _) => changes.push((&*config.name, Some(value.to_string()))),
                (DELETE, ..) => changes.push((&*config.name, None)),
                (APPEND | SUBTRACT, Some(value), Some(present)) => {
                    changes.push((&*config.name, Some(edited(present, value, config.config_operation))));
                }
                _ => {
                    let message = format!("setting \"{}\" is not a list", &*config.name);
                    return Err(Refusal::new(ResponseError::InvalidConfig, message));
                }
            }
        }
        let (kind, name) = (resource.resource_type, &*resource.resource_name);
        return change_other(broker, kind, name, &changes, validate_only);
    }
    let info = topic_to_alter(broker, &resource.resource_name)?;
    let mut changes: Vec<(&str, Option<String>)> = Vec::new();
    for config in &resource.configs {
        let value = config.value.as_deref();
        let missing = || {
            let message = format!("Null value not supported for : {}", &*config.name);
            Refusal::new(ResponseError::InvalidRequest, message)
        };
        let change = match config.config_operation {
            SET => Some(value.ok_or_else(missing)?.to_owned()),
            DELETE => None,
            APPEND | SUBTRACT => {
                Some(edited_list(&info, &config.name, value.ok_or_else(missing)?, config.config_operation)?)
            }
            other => {
                let message = format!("Unknown operation type {other}");
                return Err(Refusal::new(ResponseError::InvalidRequest, message));
            }
        };
        changes.push((&config.name, change));
    }
    change_topic(broker, &info, &changes, validate_only)
}

fn edited_list(info: &TopicInfo, name: &str, value: &str, operation: i8) -> Result<String, Refusal> {
    if name != LIST_SETTING && !name.ends_with(".replication.throttled.replicas") {
        let message = format!("Config value append is not allowed for config key: {name}");
        return Err(Refusal::new(ResponseError::InvalidConfig, message));
    }
    let described = info.config.describe();
    let present = info.settings.get(name).or_else(|| described.get(name)).map_or("", String::as_str);
    Ok(edited(present, value, operation))
}

/// Adds items to a list or takes them out of it.
fn edited(present: &str, value: &str, operation: i8) -> String {
    fn items(text: &str) -> impl Iterator<Item = &str> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty())
    }
    let mut list: Vec<&str> = items(present).collect();
    if operation == APPEND {
        let mut there: BTreeSet<&str> = list.iter().copied().collect();
        list.extend(items(value).filter(|item| there.insert(item)));
    } else {
        let gone: BTreeSet<&str> = items(value).collect();
        list.retain(|item| !gone.contains(item));
    }
    list.join(",")
}
