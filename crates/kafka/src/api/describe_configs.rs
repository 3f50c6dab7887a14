//! DescribeConfigs: settings of topics and of the broker.

use std::collections::BTreeMap;

use commitlog::TopicInfo;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::Broker;
use crate::config::{Kind, SETTINGS, str_bytes};
use crate::dispatch::Call;
use crate::dynamic::{BROKER_SETTINGS, Changeable, GROUP_SETTINGS};
use crate::error::{NONE, Refusal};
use crate::security::acl::{Operation, Resource};

pub(crate) const RESOURCE_TOPIC: i8 = 2;
pub(crate) const RESOURCE_BROKER: i8 = 4;
pub(crate) const RESOURCE_GROUP: i8 = 32;

/// Set for the topic.
pub(crate) const TOPIC_SOURCE_TOPIC: i8 = 1;
/// Set for the broker while it runs.
const SOURCE_DYNAMIC_BROKER: i8 = 2;
/// Set for all brokers while they run.
const SOURCE_DYNAMIC_ALL: i8 = 3;
/// Set for the group.
const SOURCE_GROUP: i8 = 8;
/// Set for the broker when it was started.
const SOURCE_STATIC_BROKER: i8 = 4;
/// Kafka's default.
pub(crate) const TOPIC_SOURCE_DEFAULT: i8 = 5;

/// A topic's setting: name, default, what values it takes, the broker's setting behind it where that one has a default
/// of its own.
struct TopicSetting(&'static str, &'static str, Kind, &'static str);

#[rustfmt::skip]
const TOPIC_SETTINGS: &[TopicSetting] = &[
    TopicSetting("cleanup.policy", "delete", Kind::List, "log.cleanup.policy"),
    TopicSetting("compression.gzip.level", "-1", Kind::Int, "compression.gzip.level"),
    TopicSetting("compression.lz4.level", "9", Kind::Int, "compression.lz4.level"),
    TopicSetting("compression.type", "producer", Kind::Text, "compression.type"),
    TopicSetting("compression.zstd.level", "3", Kind::Int, "compression.zstd.level"),
    TopicSetting("delete.retention.ms", "86400000", Kind::Long, "log.cleaner.delete.retention.ms"),
    TopicSetting("file.delete.delay.ms", "60000", Kind::Long, "log.segment.delete.delay.ms"),
    TopicSetting("flush.messages", "9223372036854775807", Kind::Long, "log.flush.interval.messages"),
    TopicSetting("flush.ms", "9223372036854775807", Kind::Long, ""),
    TopicSetting("follower.replication.throttled.replicas", "", Kind::List, ""),
    TopicSetting("index.interval.bytes", "4096", Kind::Int, "log.index.interval.bytes"),
    TopicSetting("leader.replication.throttled.replicas", "", Kind::List, ""),
    TopicSetting("local.retention.bytes", "-2", Kind::Long, "log.local.retention.bytes"),
    TopicSetting("local.retention.ms", "-2", Kind::Long, "log.local.retention.ms"),
    TopicSetting("max.compaction.lag.ms", "9223372036854775807", Kind::Long, "log.cleaner.max.compaction.lag.ms"),
    TopicSetting("max.message.bytes", "1048588", Kind::Int, "message.max.bytes"),
    TopicSetting("message.timestamp.after.max.ms", "3600000", Kind::Long, "log.message.timestamp.after.max.ms"),
    TopicSetting("message.timestamp.before.max.ms", "9223372036854775807", Kind::Long, "log.message.timestamp.before.max.ms"),
    TopicSetting("message.timestamp.type", "CreateTime", Kind::Text, "log.message.timestamp.type"),
    TopicSetting("min.cleanable.dirty.ratio", "0.5", Kind::Double, "log.cleaner.min.cleanable.ratio"),
    TopicSetting("min.compaction.lag.ms", "0", Kind::Long, "log.cleaner.min.compaction.lag.ms"),
    TopicSetting("min.insync.replicas", "1", Kind::Int, "min.insync.replicas"),
    TopicSetting("preallocate", "false", Kind::Boolean, "log.preallocate"),
    TopicSetting("remote.log.copy.disable", "false", Kind::Boolean, ""),
    TopicSetting("remote.log.delete.on.disable", "false", Kind::Boolean, ""),
    TopicSetting("remote.storage.enable", "false", Kind::Boolean, ""),
    TopicSetting("retention.bytes", "-1", Kind::Long, "log.retention.bytes"),
    TopicSetting("retention.ms", "604800000", Kind::Long, ""),
    TopicSetting("segment.bytes", "1073741824", Kind::Int, "log.segment.bytes"),
    TopicSetting("segment.index.bytes", "10485760", Kind::Int, "log.index.size.max.bytes"),
    TopicSetting("segment.jitter.ms", "0", Kind::Long, ""),
    TopicSetting("segment.ms", "604800000", Kind::Long, ""),
    TopicSetting("unclean.leader.election.enable", "false", Kind::Boolean, "unclean.leader.election.enable"),
];

pub(crate) fn answer(call: &Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let asked = Asked { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let results = request
        .resources
        .into_iter()
        .map(|resource| {
            let answer = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            let allowed = match resource.resource_type {
                RESOURCE_TOPIC => call
                    .allows(Operation::DescribeConfigs, Resource::Topic(&resource.resource_name))
                    .then_some(())
                    .ok_or(ResponseError::TopicAuthorizationFailed),
                RESOURCE_GROUP => call
                    .allows(Operation::DescribeConfigs, Resource::Group(&resource.resource_name))
                    .then_some(())
                    .ok_or(ResponseError::GroupAuthorizationFailed),
                _ => call
                    .allows(Operation::DescribeConfigs, Resource::Cluster)
                    .then_some(())
                    .ok_or(ResponseError::ClusterAuthorizationFailed),
            };
            let described =
                allowed.map_err(Refusal::from).and_then(|()| describe(&call.broker, &resource, &asked));
            match described {
                Ok(configs) => answer.with_error_code(NONE).with_configs(configs),
                Err(refusal) => answer.with_error_code(refusal.code).with_error_message(refusal.text()),
            }
        })
        .collect();
    DescribeConfigsResponse::default().with_results(results)
}

struct Asked {
    synonyms: bool,
    documentation: bool,
}

fn describe(
    broker: &Broker,
    resource: &DescribeConfigsResource,
    asked: &Asked,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let is_wanted = |name: &str| {
        let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
        keys.is_none_or(|keys| keys.iter().any(|key| &**key == name))
    };
    match resource.resource_type {
        RESOURCE_TOPIC => {
            commitlog::check_topic_name(&resource.resource_name)?;
            let info = broker.topic(Some(&resource.resource_name), uuid::Uuid::nil())?;
            Ok(TOPIC_SETTINGS
                .iter()
                .filter(|setting| is_wanted(setting.0))
                .map(|setting| topic_setting(&info, setting, asked))
                .collect())
        }
        RESOURCE_BROKER => {
            check_broker_name(broker, &resource.resource_name)?;
            let set = broker.dynamic.of(RESOURCE_BROKER, &resource.resource_name);
            if resource.resource_name.is_empty() {
                // Of all brokers: only what was set for all.
                let some = BROKER_SETTINGS.iter().filter(|setting| set.contains_key(setting.name));
                let all = some.map(|setting| changeable(setting, &set, SOURCE_DYNAMIC_ALL, asked));
                return Ok(all.filter(|setting| is_wanted(&setting.name)).collect());
            }
            let fixed = SETTINGS.iter().map(|setting| broker_setting(broker, setting, asked));
            let kept =
                BROKER_SETTINGS.iter().map(|setting| changeable(setting, &set, SOURCE_DYNAMIC_BROKER, asked));
            Ok(fixed.chain(kept).filter(|setting| is_wanted(&setting.name)).collect())
        }
        RESOURCE_GROUP if resource.resource_name.is_empty() => {
            Err(Refusal::new(ResponseError::InvalidRequest, "no group is named"))
        }
        RESOURCE_GROUP => {
            let set = broker.dynamic.of(RESOURCE_GROUP, &resource.resource_name);
            Ok(GROUP_SETTINGS
                .iter()
                .filter(|setting| is_wanted(setting.name))
                .map(|setting| changeable(setting, &set, SOURCE_GROUP, asked))
                .collect())
        }
        other => Err(Refusal::new(
            ResponseError::InvalidRequest,
            format!("settings of resource type {other} are not served"),
        )),
    }
}

/// Checks that a broker's name is this node's number (or none, for what holds for all).
pub(crate) fn check_broker_name(broker: &Broker, name: &str) -> Result<(), Refusal> {
    let number = broker.node_id().0;
    if name.is_empty() || name.parse() == Ok(number) {
        return Ok(());
    }
    let message = format!("Unexpected broker id, expected {number} or empty string, but received {name}");
    Err(Refusal::new(ResponseError::InvalidRequest, message))
}

/// Returns all settings of a topic: name, value, whether it was set for the topic.
pub(crate) fn topic_values(info: &TopicInfo) -> impl Iterator<Item = (&'static str, &str, bool)> {
    TOPIC_SETTINGS.iter().map(|setting| {
        let set = info.settings.get(setting.0);
        (setting.0, set.map_or(setting.1, String::as_str), set.is_some())
    })
}

fn topic_setting(
    info: &TopicInfo,
    TopicSetting(name, default, kind, broker_name): &TopicSetting,
    asked: &Asked,
) -> DescribeConfigsResourceResult {
    let set = info.settings.get(*name);
    let value = set.map_or(*default, String::as_str);
    let mut synonyms = Vec::new();
    if asked.synonyms {
        if let Some(set) = set {
            synonyms.push(synonym(name, set, TOPIC_SOURCE_TOPIC));
        }
        if !broker_name.is_empty() {
            synonyms.push(synonym(broker_name, default, TOPIC_SOURCE_DEFAULT));
        }
    }
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(str_bytes(value)))
        .with_config_source(if set.is_some() { TOPIC_SOURCE_TOPIC } else { TOPIC_SOURCE_DEFAULT })
        .with_config_type(*kind as i8)
        .with_documentation(None)
        .with_synonyms(synonyms)
}

fn broker_setting(
    broker: &Broker,
    setting: &crate::config::Setting,
    asked: &Asked,
) -> DescribeConfigsResourceResult {
    let value = broker.config.text(setting.name);
    let source = if value == setting.default { TOPIC_SOURCE_DEFAULT } else { SOURCE_STATIC_BROKER };
    let is_sensitive = setting.kind == Kind::Password;
    // What has no value is null, as in Kafka.
    let shown = (!is_sensitive && !value.is_empty()).then(|| str_bytes(value));
    let mut synonyms = Vec::new();
    if asked.synonyms {
        if source == SOURCE_STATIC_BROKER && !is_sensitive {
            synonyms.push(synonym(setting.name, value, source));
        }
        synonyms.push(synonym(setting.name, setting.default, TOPIC_SOURCE_DEFAULT));
    }
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(setting.name))
        .with_value(shown)
        .with_read_only(true)
        .with_config_source(source)
        .with_is_sensitive(is_sensitive)
        .with_config_type(setting.kind as i8)
        .with_documentation(asked.documentation.then(|| StrBytes::from_static_str(setting.description)))
        .with_synonyms(synonyms)
}

fn changeable(
    setting: &Changeable,
    set: &BTreeMap<String, String>,
    source: i8,
    asked: &Asked,
) -> DescribeConfigsResourceResult {
    let value = set.get(setting.name);
    let mut synonyms = Vec::new();
    if asked.synonyms {
        if let Some(value) = value {
            synonyms.push(synonym(setting.name, value, source));
        }
        // Behind a group's setting stands the broker's.
        let behind =
            if source == SOURCE_GROUP { format!("group.{}", setting.name) } else { setting.name.to_owned() };
        if source != SOURCE_DYNAMIC_ALL {
            synonyms.push(synonym(&behind, setting.default, TOPIC_SOURCE_DEFAULT));
        }
    }
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(setting.name))
        .with_value(Some(str_bytes(value.map_or(setting.default, String::as_str))))
        .with_config_source(if value.is_some() { source } else { TOPIC_SOURCE_DEFAULT })
        .with_config_type(setting.kind as i8)
        .with_documentation(None)
        .with_synonyms(synonyms)
}

fn synonym(name: &str, value: &str, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(str_bytes(name))
        .with_value(Some(str_bytes(value)))
        .with_source(source)
}
