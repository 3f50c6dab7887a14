//! Changelogs of state that expires stay bounded, however long a query runs.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::time::Duration;

use engine::{Engine, NewRecord};
use opened::{open, run};

const KEYS: i64 = 20;
const ROUNDS: i64 = 60;
/// What lives in a changelog at a time is about four rounds; what is not compacted yet comes on top.
const RECORDS_MAX: usize = 15 * KEYS as usize;

const QUERIES: [(&str, &str); 3] = [
    (
        "windows",
        "CREATE TABLE windows AS SELECT k, COUNT(*) AS n FROM s
         WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS, RETENTION 2 SECONDS) GROUP BY k;",
    ),
    (
        "sessions",
        "CREATE TABLE sessions AS SELECT k, COUNT(*) AS n FROM s
         WINDOW SESSION (1 SECOND, GRACE PERIOD 0 SECONDS, RETENTION 2 SECONDS) GROUP BY k;",
    ),
    (
        "pairs",
        "CREATE STREAM pairs AS SELECT s.k AS k, s.v AS v, r.v AS w
         FROM s JOIN r WITHIN 1 SECOND GRACE PERIOD 0 SECONDS ON s.k = r.k;",
    ),
];

fn still(engine: &Engine) {
    assert!(engine.wait_until_still(Duration::from_secs(60)).unwrap());
}

/// One record of each key, three seconds after the round before.
fn feed(engine: &Engine, round: i64) {
    let record = |key: i64| {
        let key = Some(format!("key{key}").into_bytes());
        (Some(round * 3000), key, Some(br#"{"v":1}"#.to_vec()))
    };
    let records: Vec<NewRecord> = (0..KEYS).map(record).collect();
    engine.produce("r", None, &records).unwrap();
    engine.produce("s", None, &records).unwrap();
    still(engine);
}

/// Records that compaction leaves in each changelog after so many hours.
fn compacted(engine: &Engine, hours: i64) -> Vec<(String, usize)> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    for minutes in 1..4 {
        // Tombstones stay for a while.
        engine.log().maintain(now + (hours * 60 + minutes) * 60_000).unwrap();
    }
    let topics = engine.log().topics().into_iter().filter(|topic| topic.name.ends_with("-changelog"));
    topics.map(|topic| (topic.name.clone(), engine.records(&topic.name, &[]).unwrap().len())).collect()
}

#[test]
fn changelog_of_what_expires_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    for name in ["s", "r"] {
        let columns = "(k STRING KEY, v INT)";
        run(
            &engine,
            &format!("CREATE STREAM {name} {columns} WITH (KAFKA_TOPIC='{name}', VALUE_FORMAT='JSON');"),
        );
    }
    QUERIES.iter().for_each(|(_, sql)| drop(run(&engine, sql)));
    let small =
        [("segment.bytes", "4096"), ("min.cleanable.dirty.ratio", "0"), ("delete.retention.ms", "1000")];
    for topic in engine.log().topics().into_iter().filter(|topic| topic.name.ends_with("-changelog")) {
        let changes = small.map(|(name, value)| (name, Some(value)));
        engine.log().alter_topic(&topic.name, &changes).unwrap();
    }
    (0..ROUNDS).for_each(|round| feed(&engine, round));
    // Segments are compacted when a checkpoint vouches for them.
    engine.close();
    let engine = open(dir.path());
    let counts = compacted(&engine, 1);
    assert_eq!(counts.len(), QUERIES.len());
    for (topic, count) in &counts {
        assert!(*count < RECORDS_MAX, "{topic} has {count} records");
    }
    engine.abandon();
    drop(engine);

    // What was restored goes on to expire, and nothing comes twice.
    let engine = open(dir.path());
    (ROUNDS..2 * ROUNDS).for_each(|round| feed(&engine, round));
    engine.close();
    let engine = open(dir.path());
    for (topic, count) in compacted(&engine, 2) {
        assert!(count < RECORDS_MAX, "{topic} has {count} records");
    }
    for (name, _) in QUERIES {
        let count = engine.records(&name.to_uppercase(), &[]).unwrap().len();
        assert_eq!(count, (2 * ROUNDS * KEYS) as usize, "{name}");
    }
    engine.close();
}
