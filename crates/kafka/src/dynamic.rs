//! Settings that are changed while the broker runs: those of groups, the policy of new topics, and those of brokers that
//! mean nothing on one node and are kept only so that tools which set them find them again.

use std::collections::BTreeMap;
use std::sync::{Mutex, RwLock};

use commitlog::LogError;

use crate::config::{KafkaConfig, Kind};
use crate::store::Store;

const KEY_PREFIX: &[u8] = b"config\0";
/// Resources with settings kept at most.
const RESOURCES_MAX: usize = 100_000;

/// A setting that can be changed: name, default, what values it takes, bounds of numbers.
pub(crate) struct Changeable {
    pub name: &'static str,
    pub default: &'static str,
    pub kind: Kind,
    min: i64,
    max: i64,
}

const fn c(name: &'static str, default: &'static str, kind: Kind, min: i64, max: i64) -> Changeable {
    Changeable { name, default, kind, min, max }
}

/// Heartbeat interval and session timeout of one group's members.
pub(crate) const GROUP_HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
pub(crate) const GROUP_SESSION: &str = "consumer.session.timeout.ms";

/// Settings of groups of the consumer protocol; the bounds here are the defaults of those that hold.
pub(crate) const GROUP_SETTINGS: &[Changeable] = &[
    c(GROUP_HEARTBEAT, "5000", Kind::Int, 5000, 15_000),
    c(GROUP_SESSION, "45000", Kind::Int, 45_000, 60_000),
];

/// The policy of topics made without one. Unlike Kafka, topics that are there keep the one they have.
pub(crate) const BROKER_CLEANUP_POLICY: &str = "log.cleanup.policy";

/// Settings of Kafka's brokers; all but the policy are without an effect on one node.
pub(crate) const BROKER_SETTINGS: &[Changeable] = &[
    c("background.threads", "10", Kind::Int, 1, i32::MAX as i64),
    c("follower.replication.throttled.rate", "9223372036854775807", Kind::Long, 0, i64::MAX),
    c("leader.replication.throttled.rate", "9223372036854775807", Kind::Long, 0, i64::MAX),
    c(BROKER_CLEANUP_POLICY, "delete", Kind::List, 0, 0),
    c("log.cleaner.threads", "1", Kind::Int, 0, i32::MAX as i64),
    c("num.io.threads", "8", Kind::Int, 1, i32::MAX as i64),
    c("num.network.threads", "3", Kind::Int, 1, i32::MAX as i64),
    c("num.recovery.threads.per.data.dir", "2", Kind::Int, 1, i32::MAX as i64),
    c("num.replica.fetchers", "1", Kind::Int, 1, i32::MAX as i64),
    c("sasl.kerberos.min.time.before.relogin", "60000", Kind::Long, 0, i64::MAX),
];

impl Changeable {
    /// Returns the bounds of a number; those of groups are the broker's settings.
    fn bounds(&self, config: &KafkaConfig) -> (i64, i64) {
        let of = |min, max| (config.integer(min), config.integer(max));
        match self.name {
            GROUP_HEARTBEAT => {
                of("group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms")
            }
            GROUP_SESSION => {
                of("group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms")
            }
            _ => (self.min, self.max),
        }
    }

    /// Checks a value.
    pub(crate) fn check(&self, value: &str, config: &KafkaConfig) -> Result<(), String> {
        if self.kind == Kind::List {
            let known = |item: &str| matches!(item.trim(), "compact" | "delete");
            if !value.is_empty() && value.split(',').all(known) {
                return Ok(());
            }
            return Err(format!(
                "Invalid value {value} for configuration {}: it must be \"compact\", \"delete\" or both",
                self.name
            ));
        }
        let (min, max) = self.bounds(config);
        match value.trim().parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(()),
            _ => Err(format!(
                "Invalid value {value} for configuration {}: it must be a number from {} to {}",
                self.name, min, max
            )),
        }
    }
}

/// A resource's type and name.
type Resource = (i8, String);

/// All changed settings.
pub(crate) struct DynamicConfigs {
    values: RwLock<BTreeMap<Resource, BTreeMap<String, String>>>,
    /// Held over a change, so that what is stored and what counts stay the same; readers do not wait for the disk.
    changing: Mutex<()>,
}

impl DynamicConfigs {
    /// Brings back what was stored.
    pub(crate) fn open(store: &Store) -> DynamicConfigs {
        let mut values: BTreeMap<Resource, BTreeMap<String, String>> = BTreeMap::new();
        for key in store.keys() {
            let Some((kind, rest)) = key.strip_prefix(KEY_PREFIX).and_then(|rest| rest.split_first()) else {
                continue;
            };
            let value = store.get(&key).and_then(|value| String::from_utf8(value.to_vec()).ok());
            let names = std::str::from_utf8(rest).ok().and_then(|rest| rest.rsplit_once('\0'));
            if let (Some((resource, name)), Some(value)) = (names, value) {
                values.entry((*kind as i8, resource.to_owned())).or_default().insert(name.to_owned(), value);
            }
        }
        DynamicConfigs { values: RwLock::new(values), changing: Mutex::new(()) }
    }

    /// Returns what was set for a resource.
    pub(crate) fn of(&self, kind: i8, resource: &str) -> BTreeMap<String, String> {
        let values = self.values.read().expect("no holder panics");
        values.get(&(kind, resource.to_owned())).cloned().unwrap_or_default()
    }

    /// Returns the resources of a type for which something was set.
    pub(crate) fn names(&self, kind: i8) -> Vec<String> {
        let values = self.values.read().expect("no holder panics");
        let some = values.iter().filter(|((other, _), settings)| *other == kind && !settings.is_empty());
        some.map(|((_, name), _)| name.clone()).collect()
    }

    /// Returns a number that was set for a resource.
    pub(crate) fn integer(&self, kind: i8, resource: &str, name: &str) -> Option<i64> {
        let values = self.values.read().expect("no holder panics");
        values.get(&(kind, resource.to_owned()))?.get(name)?.parse().ok()
    }

    /// Sets (`Some`) and resets checked values; durable when it returns.
    pub(crate) fn change(
        &self,
        store: &Store,
        kind: i8,
        resource: &str,
        changes: &[(&str, Option<String>)],
        now_ms: i64,
    ) -> Result<(), LogError> {
        let _changing = self.changing.lock().expect("no holder panics");
        {
            let values = self.values.read().expect("no holder panics");
            if values.len() >= RESOURCES_MAX && !values.contains_key(&(kind, resource.to_owned())) {
                return Err(LogError::Limit {
                    what: "number of resources with settings",
                    size: RESOURCES_MAX + 1,
                    max: RESOURCES_MAX,
                });
            }
        }
        let entries: Vec<_> = changes
            .iter()
            .map(|(name, value)| {
                let mut key = KEY_PREFIX.to_vec();
                key.push(kind as u8);
                key.extend_from_slice(resource.as_bytes());
                key.push(0);
                key.extend_from_slice(name.as_bytes());
                (key, value.clone().map(String::into_bytes))
            })
            .collect();
        store.put(&entries, now_ms)?;
        let mut values = self.values.write().expect("no holder panics");
        let of_resource = values.entry((kind, resource.to_owned())).or_default();
        for (name, value) in changes {
            match value {
                Some(value) => of_resource.insert((*name).to_owned(), value.clone()),
                None => of_resource.remove(*name),
            };
        }
        Ok(())
    }
}
