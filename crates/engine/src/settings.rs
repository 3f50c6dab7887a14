//! Every setting: its name (ksqlDB's or Kafka's own where those exist), default, check and sentence.
//!
//! A new setting is one line in `SETTINGS`.

use std::collections::BTreeMap;

use crate::entity::PropertyInfo;
use crate::error::{EngineError, Result};

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Text,
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    /// A whole number from -1, or nothing: then another setting counts.
    IntegerOrNone,
    OneOf(&'static [&'static str]),
}

/// A known setting.
struct Setting {
    name: &'static str,
    default: &'static str,
    kind: Kind,
    scope: &'static str,
    /// Whether SET may change it for a session.
    per_session: bool,
    description: &'static str,
}

const COUNT: Kind = Kind::Integer { min: 1, max: 1_000_000 };
const BYTES: Kind = Kind::Integer { min: 0, max: i64::MAX };
const ANY: Kind = Kind::Integer { min: -1, max: i64::MAX };
const FORMATS: Kind = Kind::OneOf(&["JSON", "DELIMITED", "KAFKA", "NONE"]);

const fn setting(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    scope: &'static str,
    per_session: bool,
    description: &'static str,
) -> Setting {
    Setting { name, default, kind, scope, per_session, description }
}

const SETTINGS: &[Setting] = &[
    setting(
        "auto.offset.reset",
        "latest",
        Kind::OneOf(&["latest", "earliest"]),
        "KSQL",
        true,
        "where a new query starts to read",
    ),
    setting(
        "cache.max.bytes.buffering",
        "10000000",
        BYTES,
        "KSQL",
        true,
        "0: a table hands on every change; else the last one of a key in each commit interval",
    ),
    setting(
        "commit.interval.ms",
        "100",
        Kind::Integer { min: 0, max: 60_000 },
        "KSQL",
        true,
        "how often results, offsets and state are committed at the latest",
    ),
    setting(
        "max.task.idle.ms",
        "0",
        Kind::Integer { min: -1, max: i64::MAX },
        "KSQL",
        true,
        "how long a persistent join waits for a side without records before it goes on with the other; -1 and 0: not at all",
    ),
    setting("num.stream.threads", "2", Kind::Integer { min: 1, max: 256 }, "KSQL", false, "worker threads"),
    setting(
        "processing.guarantee",
        "exactly_once_v2",
        Kind::OneOf(&["exactly_once_v2", "exactly_once", "at_least_once"]),
        "KSQL",
        true,
        "exactly once is always kept; the other names are accepted",
    ),
    setting(
        "ksql.service.id",
        "default_",
        Kind::Text,
        "KSQL",
        false,
        "part of the names of internal topics and groups",
    ),
    setting(
        "ksql.persistence.default.format.key",
        "KAFKA",
        FORMATS,
        "KSQL",
        true,
        "key format where WITH names none",
    ),
    setting(
        "ksql.persistence.default.format.value",
        "",
        Kind::Text,
        "KSQL",
        true,
        "value format where WITH names none",
    ),
    setting(
        "ksql.persistence.wrap.single.values",
        "",
        Kind::Text,
        "KSQL",
        true,
        "whether a single value column is wrapped in an object",
    ),
    setting(
        "ksql.output.topic.name.prefix",
        "",
        Kind::Text,
        "KSQL",
        false,
        "put before topic names of CREATE … AS SELECT",
    ),
    setting(
        "ksql.query.persistent.active.limit",
        "2147483647",
        COUNT_LARGE,
        "KSQL",
        false,
        "persistent queries at most",
    ),
    setting("ksql.max.push.queries", "100", COUNT, "KSQL", false, "push queries at most"),
    setting(
        "ksql.query.pull.table.scan.enabled",
        "true",
        Kind::Boolean,
        "KSQL",
        true,
        "whether a pull query may go through a whole table",
    ),
    setting(
        "ksql.query.pull.range.scan.enabled",
        "true",
        Kind::Boolean,
        "KSQL",
        true,
        "whether a pull query may go through a range of STRING keys where whole tables are forbidden",
    ),
    setting(
        "ksql.query.push.v2.enabled",
        "false",
        Kind::Boolean,
        "KSQL",
        true,
        "accepted; push queries always share one reader",
    ),
    setting(
        "ksql.query.pull.stream.enabled",
        "true",
        Kind::Boolean,
        "KSQL",
        true,
        "accepted; pull queries on streams are always on",
    ),
    setting(
        "ksql.variable.substitution.enable",
        "true",
        Kind::Boolean,
        "KSQL",
        true,
        "whether ${name} is replaced",
    ),
    setting(
        "ksql.suppress.enabled",
        "true",
        Kind::Boolean,
        "KSQL",
        true,
        "accepted; EMIT FINAL is always on",
    ),
    setting(
        "ksql.headers.columns.enabled",
        "true",
        Kind::Boolean,
        "KSQL",
        false,
        "accepted; header columns are always on",
    ),
    setting(
        "ksql.timestamp.throw.on.invalid",
        "false",
        Kind::Boolean,
        "KSQL",
        true,
        "whether a record with an invalid time stops the query",
    ),
    setting(
        "ksql.fail.on.deserialization.error",
        "false",
        Kind::Boolean,
        "KSQL",
        true,
        "whether a malformed record stops the query",
    ),
    setting(
        "ksql.logging.processing.topic.name",
        "ksql_processing_log",
        Kind::Text,
        "KSQL",
        false,
        "topic of the processing log",
    ),
    setting(
        "ksql.logging.processing.stream.name",
        "KSQL_PROCESSING_LOG",
        Kind::Text,
        "KSQL",
        false,
        "stream of the processing log",
    ),
    setting(
        "ksql.logging.processing.topic.auto.create",
        "true",
        Kind::Boolean,
        "KSQL",
        false,
        "whether the topic is made",
    ),
    setting(
        "ksql.logging.processing.stream.auto.create",
        "true",
        Kind::Boolean,
        "KSQL",
        false,
        "whether the stream is made",
    ),
    setting(
        "ksql.logging.processing.rows.include",
        "false",
        Kind::Boolean,
        "KSQL",
        false,
        "accepted, without effect: the processing log never has the rows themselves",
    ),
    setting(
        "ksql.queries.file",
        "",
        Kind::Text,
        "KSQL",
        false,
        "statements run at start; statements over HTTP are then off",
    ),
    setting("ksql.functions.collect_list.limit", "1000", COUNT, "KSQL", true, "items COLLECT_LIST keeps"),
    setting("ksql.functions.collect_set.limit", "1000", COUNT, "KSQL", true, "items COLLECT_SET keeps"),
    setting(
        "ksql.sink.partitions",
        "",
        Kind::Text,
        "KSQL",
        true,
        "KSQL 5: partitions of result topics where WITH names none",
    ),
    setting("ksql.sink.replicas", "", Kind::Text, "KSQL", true, "KSQL 5: accepted without effect"),
    setting("listeners", "http://127.0.0.1:8088", Kind::Text, "KSQL", false, "where HTTP is answered"),
    setting(
        "num.partitions",
        "1",
        Kind::Integer { min: 1, max: 10_000 },
        "Kafka",
        false,
        "partitions of a topic made without a number",
    ),
    setting(
        "auto.create.topics.enable",
        "true",
        Kind::Boolean,
        "Kafka",
        false,
        "whether a topic is made when it is first named",
    ),
    setting(
        "log.retention.ms",
        "",
        Kind::IntegerOrNone,
        "Kafka",
        false,
        "milliseconds records are kept; -1 for ever",
    ),
    setting(
        "log.retention.minutes",
        "",
        Kind::IntegerOrNone,
        "Kafka",
        false,
        "minutes records are kept, where no milliseconds are given",
    ),
    setting(
        "log.retention.hours",
        "168",
        ANY,
        "Kafka",
        false,
        "hours records are kept, where neither minutes nor milliseconds are given",
    ),
    setting("log.retention.bytes", "-1", ANY, "Kafka", false, "how many bytes of a partition are kept"),
    setting(
        "log.segment.bytes",
        "1073741824",
        Kind::Integer { min: 1 << 20, max: i32::MAX as i64 },
        "Kafka",
        false,
        "size of a segment file",
    ),
    setting(
        "message.max.bytes",
        "134217728",
        Kind::Integer { min: 1024, max: 1 << 30 },
        "Kafka",
        false,
        "largest record batch taken",
    ),
    setting(
        "tripline.legacy.arrays",
        "false",
        Kind::Boolean,
        "Tripline",
        true,
        "KSQL 5: arrays count from 0",
    ),
    setting(
        "tripline.legacy.rowkey",
        "false",
        Kind::Boolean,
        "Tripline",
        true,
        "KSQL 5: a stream or table created without key has the record's key as ROWKEY",
    ),
    setting(
        "tripline.legacy.queries",
        "false",
        Kind::Boolean,
        "Tripline",
        true,
        "KSQL 5: SELECT without EMIT CHANGES goes on",
    ),
    setting(
        "tripline.state.memory.bytes",
        "4294967296",
        BYTES,
        "Tripline",
        false,
        "memory for state before it spills to disk",
    ),
    setting(
        "tripline.snapshot.bytes",
        "67108864",
        BYTES,
        "Tripline",
        false,
        "changelog written between two snapshots of a task's state at the least",
    ),
];

const COUNT_LARGE: Kind = Kind::Integer { min: 0, max: i32::MAX as i64 };

/// Settings in force: defaults, and over them what was given, with where it came from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    given: BTreeMap<String, (String, String)>,
}

/// The name as known here: ksqlDB takes Kafka Streams' settings with or without `ksql.streams.`.
pub fn plain_name(name: &str) -> &str {
    let name = name.trim();
    name.strip_prefix("ksql.streams.").or_else(|| name.strip_prefix("kafka.")).unwrap_or(name)
}

fn find(name: &str) -> Result<&'static Setting> {
    let plain = plain_name(name);
    SETTINGS.iter().find(|s| s.name == plain).ok_or_else(|| {
        let error = EngineError::user("unknown_property", format!("unknown property \"{name}\""));
        match sql::nearest(plain, SETTINGS.iter().map(|s| s.name)) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("SHOW PROPERTIES lists what there is"),
        }
    })
}

/// The value as it may be shown: not if it is a secret.
pub(crate) fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    if sql::is_secret_name(name) { "[hidden]" } else { value }
}

/// Checks a name.
pub fn find_name(name: &str) -> Result<()> {
    find(name).map(|_| ())
}

/// Checks a name and value.
pub fn check(name: &str, value: &str) -> Result<()> {
    let setting = find(name)?;
    let refuse = |expected: String| {
        Err(EngineError::user(
            "bad_property_value",
            format!("\"{}\" must be {expected}, not \"{}\"", setting.name, shown(name, value)),
        ))
    };
    match setting.kind {
        Kind::Text => Ok(()),
        Kind::Boolean if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") => Ok(()),
        Kind::Boolean => refuse("true or false".into()),
        Kind::Integer { min, max } => match value.trim().parse::<i64>() {
            Ok(n) if (min..=max).contains(&n) => Ok(()),
            _ => refuse(format!("a whole number from {min} to {max}")),
        },
        Kind::IntegerOrNone if value.trim().is_empty() => Ok(()),
        Kind::IntegerOrNone => match value.trim().parse::<i64>() {
            Ok(-1..) => Ok(()),
            _ => refuse("a whole number from -1".into()),
        },
        Kind::OneOf(values) if values.iter().any(|v| v.eq_ignore_ascii_case(value)) => Ok(()),
        Kind::OneOf(values) => refuse(format!("one of {}", values.join(", "))),
    }
}

/// Checks a setting that SET wants to change for a session.
pub fn check_session(name: &str, value: Option<&str>) -> Result<()> {
    if let Some(value) = value {
        check(name, value)?;
    }
    if !find(name)?.per_session {
        return Err(EngineError::user(
            "not_a_session_property",
            format!("\"{}\" cannot be changed by SET", plain_name(name)),
        )
        .hint("give it at start: tripline server --set NAME=VALUE"));
    }
    Ok(())
}

impl Settings {
    /// Takes what was given at start: name, value, origin. Later ones win.
    pub fn new(given: &[(String, String, String)]) -> Result<Self> {
        let mut settings = Self::default();
        for (name, value, origin) in given {
            check(name, value)?;
            settings.given.insert(plain_name(name).to_owned(), (value.trim().to_owned(), origin.clone()));
        }
        Ok(settings)
    }

    /// These settings with a session's over them.
    pub fn with(&self, overrides: &BTreeMap<String, String>) -> Result<Self> {
        let mut settings = self.clone();
        for (name, value) in overrides {
            check_session(name, Some(value))?;
            settings.given.insert(plain_name(name).to_owned(), (value.trim().to_owned(), "session".into()));
        }
        Ok(settings)
    }

    /// The value of a known setting.
    pub fn text(&self, name: &'static str) -> &str {
        match self.given.get(name) {
            Some((value, _)) => value,
            None => SETTINGS.iter().find(|s| s.name == name).map_or("", |s| s.default),
        }
    }

    /// The value of a setting that is a number.
    pub fn integer(&self, name: &'static str) -> i64 {
        self.text(name).trim().parse().unwrap_or(0)
    }

    /// The value of a setting that is true or false.
    pub fn boolean(&self, name: &'static str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    /// How long records are kept: the finest of Kafka's three settings counts.
    pub fn retention_ms(&self) -> i64 {
        let names =
            [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)];
        let is_set = |(name, _): &(&'static str, i64)| !self.text(name).is_empty();
        let (name, unit_ms) = names.into_iter().find(is_set).expect("the hours have a default");
        match self.integer(name) {
            ..0 => -1,
            number => number.saturating_mul(unit_ms),
        }
    }

    /// The settings that planning looks at.
    pub fn planning(&self) -> plan::Settings {
        let some = |name| Some(self.text(name)).filter(|v| !v.is_empty());
        plan::Settings {
            key_format: self.text("ksql.persistence.default.format.key").to_uppercase(),
            value_format: some("ksql.persistence.default.format.value").map(str::to_uppercase),
            wrap_single: some("ksql.persistence.wrap.single.values").map(|v| v.eq_ignore_ascii_case("true")),
            topic_prefix: self.text("ksql.output.topic.name.prefix").to_owned(),
            legacy_arrays: self.boolean("tripline.legacy.arrays"),
            legacy_rowkey: self.boolean("tripline.legacy.rowkey"),
        }
    }

    /// All settings with their origin.
    pub fn describe(&self) -> Vec<PropertyInfo> {
        let mut all: Vec<PropertyInfo> = SETTINGS
            .iter()
            .map(|s| PropertyInfo {
                name: s.name.to_owned(),
                value: shown(s.name, self.text(s.name)).to_owned(),
                origin: self
                    .given
                    .get(s.name)
                    .map_or_else(|| "default".to_owned(), |(_, origin)| origin.clone()),
                scope: s.scope,
                description: s.description,
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_passes_its_own_check() {
        for s in SETTINGS {
            assert!(check(s.name, s.default).is_ok(), "{}", s.name);
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_as_hint() {
        let error = check("ksql.streams.auto.ofset.reset", "latest").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean auto.offset.reset?"));
    }

    #[test]
    fn finest_of_the_retention_settings_counts() {
        let kept = |pairs: &[(&str, &str)]| {
            let given =
                pairs.iter().map(|(n, v)| (format!("log.retention.{n}"), (*v).to_owned(), "test".to_owned()));
            Settings::new(&given.collect::<Vec<_>>()).unwrap().retention_ms()
        };
        assert_eq!(kept(&[]), 604_800_000);
        assert_eq!(kept(&[("hours", "2")]), 7_200_000);
        assert_eq!(kept(&[("minutes", "3"), ("hours", "2")]), 180_000);
        assert_eq!(kept(&[("ms", "5"), ("minutes", "3"), ("hours", "2")]), 5);
        assert_eq!(kept(&[("ms", ""), ("minutes", "-1")]), -1);
        assert_eq!(kept(&[("hours", "-1")]), -1);
    }
}
