//! A topic's settings, with Kafka's names, defaults and meaning.

use std::collections::BTreeMap;

use crate::compression::Compression;
use crate::error::LogError;

/// What a topic's owner set, by Kafka's names, as text.
pub type TopicSettings = BTreeMap<String, String>;

/// Whether the producer's or the log's clock gives the timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The log's.
    LogAppendTime,
}

/// A topic's settings in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy` has `compact`.
    pub compact: bool,
    /// `cleanup.policy` has `delete`.
    pub delete: bool,
    /// `retention.ms`, since a segment was last written; negative is for ever. (Kafka counts from the records' own
    /// time, by which a replayed recording is deleted at once.)
    pub retention_ms: i64,
    /// `retention.bytes` of one partition; negative is without limit.
    pub retention_bytes: i64,
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `compression.type`; `None` keeps the producer's.
    pub compression: Option<Compression>,
    /// `message.timestamp.before.max.ms`; judged by who takes records in, not by the log.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`; judged by who takes records in, not by the log.
    pub timestamp_after_max_ms: i64,
}

impl Default for TopicConfig {
    fn default() -> Self {
        TopicConfig {
            compact: false,
            delete: true,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            index_interval_bytes: 4096,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            delete_retention_ms: 24 * 3_600_000,
            compression: None,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
        }
    }
}

/// Every setting Kafka 4 has for a topic. Those marked `false` are checked by name only and have no effect on a
/// single node.
const NAMES: [(&str, bool); 36] = [
    ("cleanup.policy", true),
    ("retention.ms", true),
    ("retention.bytes", true),
    ("segment.bytes", true),
    ("segment.ms", true),
    ("index.interval.bytes", true),
    ("max.message.bytes", true),
    ("message.timestamp.type", true),
    ("min.cleanable.dirty.ratio", true),
    ("min.compaction.lag.ms", true),
    ("delete.retention.ms", true),
    ("compression.type", true),
    ("max.compaction.lag.ms", false),
    ("segment.jitter.ms", false),
    ("segment.index.bytes", false),
    ("file.delete.delay.ms", false),
    ("flush.messages", false),
    ("flush.ms", false),
    ("min.insync.replicas", false),
    ("unclean.leader.election.enable", false),
    ("preallocate", false),
    ("message.timestamp.before.max.ms", true),
    ("message.timestamp.after.max.ms", true),
    ("message.timestamp.difference.max.ms", false),
    ("message.format.version", false),
    ("message.downconversion.enable", false),
    ("leader.replication.throttled.replicas", false),
    ("follower.replication.throttled.replicas", false),
    ("compression.gzip.level", false),
    ("compression.lz4.level", false),
    ("compression.zstd.level", false),
    ("local.retention.ms", false),
    ("local.retention.bytes", false),
    ("remote.storage.enable", false),
    ("remote.log.copy.disable", false),
    ("remote.log.delete.on.disable", false),
];

/// Where the numbers of settings that have no effect end: their values are checked all the same, as Kafka does.
const BOUNDS: [(&str, i64, i64); 12] = [
    ("max.compaction.lag.ms", 1, i64::MAX),
    ("segment.jitter.ms", 0, i64::MAX),
    ("segment.index.bytes", 4, i32::MAX as i64),
    ("file.delete.delay.ms", 0, i64::MAX),
    ("flush.messages", 1, i64::MAX),
    ("flush.ms", 0, i64::MAX),
    ("min.insync.replicas", 1, i32::MAX as i64),
    ("compression.lz4.level", 1, 17),
    ("compression.zstd.level", -131_072, 22),
    ("compression.gzip.level", -1, 9),
    ("local.retention.ms", -2, i64::MAX),
    ("local.retention.bytes", -2, i64::MAX),
];

/// Settings without an effect that are true or false.
const BOOLEANS: [&str; 5] = [
    "preallocate",
    "unclean.leader.election.enable",
    "message.downconversion.enable",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
];

impl TopicConfig {
    /// Reads settings, refusing unknown names (naming the nearest) and malformed values.
    pub fn from_settings(settings: &TopicSettings) -> Result<TopicConfig, LogError> {
        let mut config = TopicConfig::default();
        for (name, value) in settings {
            config.set(name, value)?;
        }
        let lag_max =
            settings.get("max.compaction.lag.ms").and_then(|value| value.trim().parse::<i64>().ok());
        if lag_max.is_some_and(|max| config.min_compaction_lag_ms > max) {
            return Err(LogError::Config {
                name: "min.compaction.lag.ms".to_owned(),
                value: config.min_compaction_lag_ms.to_string(),
                reason: "it is larger than \"max.compaction.lag.ms\"".to_owned(),
            });
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), LogError> {
        let malformed = |reason: &str| LogError::Config {
            name: name.to_owned(),
            value: value.to_owned(),
            reason: reason.to_owned(),
        };
        let integer = |min: i64, max: i64| {
            let number: i64 = value.trim().parse().map_err(|_| malformed("it is not a whole number"))?;
            if number < min || number > max {
                return Err(malformed(&format!("it must be from {min} to {max}")));
            }
            Ok(number)
        };
        match name {
            "cleanup.policy" => {
                (self.compact, self.delete) = (false, false);
                // None of both: nothing is ever taken away.
                for policy in value.split(',').filter(|_| !value.trim().is_empty()) {
                    match policy.trim() {
                        "compact" => self.compact = true,
                        "delete" => self.delete = true,
                        _ => return Err(malformed("it must be \"compact\", \"delete\" or both")),
                    }
                }
            }
            "retention.ms" => self.retention_ms = integer(-1, i64::MAX)?,
            "retention.bytes" => self.retention_bytes = integer(-1, i64::MAX)?,
            "segment.bytes" => self.segment_bytes = integer(14, i32::MAX as i64)? as u64,
            "segment.ms" => self.segment_ms = integer(1, i64::MAX)?,
            "index.interval.bytes" => self.index_interval_bytes = integer(0, i32::MAX as i64)? as u64,
            "max.message.bytes" => self.max_message_bytes = integer(0, i32::MAX as i64)? as usize,
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "CreateTime" => TimestampType::CreateTime,
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => return Err(malformed("it must be \"CreateTime\" or \"LogAppendTime\"")),
                }
            }
            "min.cleanable.dirty.ratio" => {
                let ratio: f64 = value.trim().parse().map_err(|_| malformed("it is not a number"))?;
                if !(0.0..=1.0).contains(&ratio) {
                    return Err(malformed("it must be from 0 to 1"));
                }
                self.min_cleanable_dirty_ratio = ratio;
            }
            "min.compaction.lag.ms" => self.min_compaction_lag_ms = integer(0, i64::MAX)?,
            "delete.retention.ms" => self.delete_retention_ms = integer(0, i64::MAX)?,
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms = integer(0, i64::MAX)?,
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms = integer(0, i64::MAX)?,
            "compression.type" => {
                self.compression = match value {
                    "producer" => None,
                    name => Some(Compression::from_name(name).ok_or_else(|| {
                        malformed(
                            "it must be \"producer\", \"uncompressed\", \"gzip\", \"snappy\", \"lz4\" or \"zstd\"",
                        )
                    })?),
                }
            }
            "compression.gzip.level" if value.trim() == "0" => return Err(malformed("it must be -1 or from 1 to 9")),
            "remote.storage.enable" if is_boolean(value) == Some(true) => {
                return Err(malformed("there is no remote storage"));
            }
            "leader.replication.throttled.replicas" | "follower.replication.throttled.replicas" => {
                let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                let is_pair = |item: &str| {
                    item.trim().split_once(':').is_some_and(|(left, right)| is_number(left) && is_number(right))
                };
                if !(value.is_empty() || value.trim() == "*" || value.split(',').all(is_pair)) {
                    return Err(malformed("it must be \"*\" or a list of PARTITION:BROKER"));
                }
            }
            _ if BOOLEANS.contains(&name) || name == "remote.storage.enable" => {
                is_boolean(value).ok_or_else(|| malformed("it must be \"true\" or \"false\""))?;
            }
            _ if BOUNDS.iter().any(|(known, ..)| *known == name) => {
                for (_, min, max) in BOUNDS.iter().filter(|(known, ..)| *known == name) {
                    integer(*min, *max)?;
                }
            }
            _ => {
                if let Some(nearest) = TopicConfig::nearest_name(name) {
                    return Err(malformed(&format!("no such setting, the nearest is \"{nearest}\"")));
                }
            }
        }
        Ok(())
    }

    /// Returns the nearest setting's name for one that no setting has; `None` for a known one.
    pub fn nearest_name(name: &str) -> Option<&'static str> {
        if NAMES.iter().any(|(known, _)| *known == name) {
            return None;
        }
        NAMES.iter().map(|(known, _)| *known).min_by_key(|known| edit_distance(known, name))
    }

    /// Returns every setting that has an effect, as text.
    pub fn describe(&self) -> TopicSettings {
        let policy = match (self.compact, self.delete) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            (false, true) => "delete",
            (false, false) => "",
        };
        let compression = match self.compression {
            None => "producer",
            Some(Compression::None) => "uncompressed",
            Some(Compression::Gzip) => "gzip",
            Some(Compression::Snappy) => "snappy",
            Some(Compression::Lz4) => "lz4",
            Some(Compression::Zstd) => "zstd",
        };
        let timestamp_type = match self.timestamp_type {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        };
        [
            ("cleanup.policy", policy.to_owned()),
            ("retention.ms", self.retention_ms.to_string()),
            ("retention.bytes", self.retention_bytes.to_string()),
            ("segment.bytes", self.segment_bytes.to_string()),
            ("segment.ms", self.segment_ms.to_string()),
            ("index.interval.bytes", self.index_interval_bytes.to_string()),
            ("max.message.bytes", self.max_message_bytes.to_string()),
            ("message.timestamp.type", timestamp_type.to_owned()),
            ("min.cleanable.dirty.ratio", self.min_cleanable_dirty_ratio.to_string()),
            ("min.compaction.lag.ms", self.min_compaction_lag_ms.to_string()),
            ("delete.retention.ms", self.delete_retention_ms.to_string()),
            ("compression.type", compression.to_owned()),
            ("message.timestamp.before.max.ms", self.timestamp_before_max_ms.to_string()),
            ("message.timestamp.after.max.ms", self.timestamp_after_max_ms.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

fn is_boolean(value: &str) -> Option<bool> {
    match value.trim() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Longest name looked at for the nearest setting; the rest of a longer one does not matter.
const NAME_LEN_MAX: usize = 64;

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(NAME_LEN_MAX).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

/// Kafka's limit on a topic's name.
const TOPIC_NAME_LEN_MAX: usize = 249;

/// Checks a topic name as Kafka does; what passes is also a safe file name.
pub fn check_topic_name(topic: &str) -> Result<(), LogError> {
    let reason = if topic.is_empty() {
        "it is empty"
    } else if topic == "." || topic == ".." {
        "it is a directory"
    } else if topic.len() > TOPIC_NAME_LEN_MAX {
        "it is longer than 249 characters"
    } else if !topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        "only ASCII letters, digits, \".\", \"_\" and \"-\" are allowed"
    } else {
        return Ok(());
    };
    Err(LogError::TopicName { topic: topic.chars().take(TOPIC_NAME_LEN_MAX).collect(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, value: &str) -> TopicSettings {
        TopicSettings::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn described_settings_read_back() {
        let config = TopicConfig {
            compact: true,
            retention_ms: 5,
            compression: Some(Compression::Lz4),
            ..Default::default()
        };
        assert_eq!(TopicConfig::from_settings(&config.describe()).unwrap(), config);
    }

    #[test]
    fn unknown_setting_names_the_nearest() {
        let error = TopicConfig::from_settings(&settings("retention.msec", "1")).unwrap_err();
        assert!(error.to_string().contains("\"retention.ms\""), "{error}");
        assert!(TopicConfig::from_settings(&settings("retention.ms", "a day")).is_err());
        assert!(TopicConfig::from_settings(&settings("cleanup.policy", "shred")).is_err());
        assert!(TopicConfig::from_settings(&settings("flush.ms", "1")).is_ok());
    }

    #[test]
    fn values_without_an_effect_are_checked() {
        for (name, right, wrong) in [
            ("preallocate", "TRUE", "perhaps"),
            ("flush.messages", "1", "0"),
            ("compression.gzip.level", "9", "0"),
            ("compression.lz4.level", "17", "18"),
            ("leader.replication.throttled.replicas", "0:1,1:1", "0"),
            ("remote.storage.enable", "false", "true"),
            ("cleanup.policy", "", "none"),
        ] {
            assert!(TopicConfig::from_settings(&settings(name, right)).is_ok(), "{name}={right}");
            assert!(TopicConfig::from_settings(&settings(name, wrong)).is_err(), "{name}={wrong}");
        }
        let lags = [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")];
        let lags = lags.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(TopicConfig::from_settings(&TopicSettings::from(lags)).is_err());
    }

    #[test]
    fn names_that_are_not_safe_are_refused() {
        for name in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(250)] {
            assert!(check_topic_name(name).is_err(), "{name}");
        }
        check_topic_name("zeek.conn-log_1").unwrap();
    }
}
