//! What AlterConfigs and IncrementalAlterConfigs share: who may change what, and how it is changed.

use std::collections::BTreeSet;

use commitlog::{TopicConfig, TopicInfo};
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

use crate::api::describe_configs::{RESOURCE_BROKER, RESOURCE_GROUP, RESOURCE_TOPIC, check_broker_name};
use crate::broker::Broker;
use crate::config::SETTINGS;
use crate::dispatch::Call;
use crate::dynamic::{BROKER_SETTINGS, GROUP_SETTINGS};
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

/// A resource's type and name.
pub(crate) type Named = (i8, StrBytes);

/// Changes each resource of a request and returns each one's error code and message. One that is named twice is
/// refused, and so is one that the client may not change.
pub(crate) fn change_each<R>(
    call: &Call,
    resources: &[R],
    named: impl Fn(&R) -> Named,
    change: impl Fn(&R) -> Result<(), Refusal>,
) -> Vec<(i16, Option<StrBytes>)> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in resources.iter().map(&named) {
        if let Some(name) = seen.replace(name.clone()) {
            twice.insert(name);
        }
    }
    let change_one = |resource: &R| {
        let name = named(resource);
        may_alter(call, name.0, &name.1)?;
        if twice.contains(&name) {
            return Err(Refusal::new(ResponseError::InvalidRequest, "the resource is named more than once"));
        }
        change(resource)
    };
    resources
        .iter()
        .map(|resource| match change_one(resource) {
            Ok(()) => (NONE, None),
            Err(refusal) => (refusal.code, refusal.text()),
        })
        .collect()
}

/// Decides whether the client may change settings.
fn may_alter(call: &Call, resource_type: i8, name: &str) -> Result<(), Refusal> {
    let (resource, error) = match resource_type {
        RESOURCE_TOPIC => (Resource::Topic(name), ResponseError::TopicAuthorizationFailed),
        RESOURCE_GROUP => (Resource::Group(name), ResponseError::GroupAuthorizationFailed),
        _ => (Resource::Cluster, ResponseError::ClusterAuthorizationFailed),
    };
    if !call.allows(Operation::AlterConfigs, resource) {
        return Err(error.into());
    }
    if resource_type == RESOURCE_TOPIC { call.broker.check_not_reserved(name) } else { Ok(()) }
}

/// Applies checked changes to a topic, or only checks that they could be.
pub(crate) fn change_topic(
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

/// Returns the topic whose settings are to be changed.
pub(crate) fn topic_to_alter(broker: &Broker, name: &str) -> Result<TopicInfo, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(ResponseError::InvalidRequest, "no topic is named"));
    }
    commitlog::check_topic_name(name)?;
    Ok(broker.topic(Some(name), uuid::Uuid::nil())?)
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
        RESOURCE_GROUP => return Err(Refusal::new(ResponseError::InvalidRequest, "no group is named")),
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
            let error = match kind {
                RESOURCE_BROKER => ResponseError::InvalidRequest,
                _ => ResponseError::InvalidConfig,
            };
            known.check(value, &broker.config).map_err(|reason| Refusal::new(error, reason))?;
        }
    }
    if !validate_only {
        broker.dynamic.change(&broker.store, kind, name, changes, broker.now_ms())?;
    }
    Ok(())
}
