//! IncrementalAlterConfigs: sets, resets, and edits lists.

use commitlog::{TopicConfig, TopicInfo};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use super::describe_configs::{RESOURCE_BROKER, RESOURCE_GROUP, RESOURCE_TOPIC, check_broker_name};
use crate::broker::Broker;
use crate::config::{Kind, SETTINGS};
use crate::dispatch::Call;
use crate::dynamic::{BROKER_SETTINGS, GROUP_SETTINGS};
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

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
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn alter(broker: &Broker, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    let names: Vec<&str> = resource.configs.iter().map(|config| &*config.name).collect();
    if (1..names.len()).any(|index| names[..index].contains(&names[index])) {
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
    let info = broker.topic(Some(&resource.resource_name), uuid::Uuid::nil())?;
    let mut changes: Vec<(&str, Option<String>)> = Vec::new();
    for config in &resource.configs {
        let value = config.value.as_deref();
        let missing = || {
            let message = format!("Null value not supported for : {}", &*config.name);
            Refusal::new(ResponseError::InvalidConfig, message)
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
    apply(broker, &info, &changes, validate_only)
}

/// Applies checked changes to a topic, or only checks that they could be.
pub(crate) fn apply(
    broker: &Broker,
    info: &TopicInfo,
    changes: &[(&str, Option<String>)],
    validate_only: bool,
) -> Result<(), Refusal> {
    if validate_only {
        let mut settings = info.settings.clone();
        for (name, value) in changes {
            match value {
                Some(value) => settings.insert((*name).to_owned(), value.clone()),
                None => settings.remove(*name),
            };
        }
        TopicConfig::from_settings(&settings)?;
        return Ok(());
    }
    let changes: Vec<(&str, Option<&str>)> =
        changes.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    broker.log.alter_topic(&info.name, &changes)?;
    Ok(())
}

/// Decides whether the client may change settings.
pub(crate) fn may_alter(call: &Call, resource_type: i8, name: &str) -> Result<(), Refusal> {
    let (resource, error) = match resource_type {
        RESOURCE_TOPIC => (Resource::Topic(name), ResponseError::TopicAuthorizationFailed),
        RESOURCE_GROUP => (Resource::Group(name), ResponseError::GroupAuthorizationFailed),
        _ => (Resource::Cluster, ResponseError::ClusterAuthorizationFailed),
    };
    if call.allows(Operation::AlterConfigs, resource) { Ok(()) } else { Err(error.into()) }
}

/// Changes settings of a group or of the broker; the broker's own are those it was started with.
pub(crate) fn change_other(
    broker: &Broker,
    kind: i8,
    name: &str,
    changes: &[(&str, Option<String>)],
    validate_only: bool,
) -> Result<(), Refusal> {
    let known = match kind {
        RESOURCE_BROKER => {
            check_broker_name(broker, name)?;
            BROKER_SETTINGS
        }
        RESOURCE_GROUP if !name.is_empty() => GROUP_SETTINGS,
        RESOURCE_GROUP => return Err(ResponseError::InvalidGroupId.into()),
        _ => {
            let message = format!("settings of resource type {kind} cannot be changed");
            return Err(Refusal::new(ResponseError::InvalidRequest, message));
        }
    };
    for (setting, value) in changes {
        if kind == RESOURCE_BROKER && SETTINGS.iter().any(|fixed| fixed.name == *setting) {
            let message = format!(
                "Cannot update these configs dynamically: {setting}; it is given when the broker is started"
            );
            return Err(Refusal::new(ResponseError::InvalidRequest, message));
        }
        let Some(known) = known.iter().find(|known| known.name == *setting) else {
            return Err(Refusal::new(
                ResponseError::InvalidConfig,
                format!("Unknown configuration name: {setting}"),
            ));
        };
        if let Some(value) = value {
            known
                .check(value, &broker.config)
                .map_err(|reason| Refusal::new(ResponseError::InvalidConfig, reason))?;
        }
    }
    if !validate_only {
        broker.dynamic.change(&broker.store, kind, name, changes, broker.now_ms())?;
    }
    Ok(())
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
    let items = |text: &str| -> Vec<String> {
        text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    };
    let mut list = items(present);
    for item in items(value) {
        match operation {
            APPEND if !list.contains(&item) => list.push(item),
            APPEND => {}
            _ => list.retain(|other| *other != item),
        }
    }
    list.join(",")
}
