//! A query that stops with an error stays before the record that stopped it, also after a restart, and whatever the
//! queries beside it do.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::time::Duration;

use engine::{Engine, NewRecord};
use opened::{open, run};

/// Creates a query that stops at the first malformed record.
fn run_strict(engine: &Engine, sql: &str) {
    run(engine, &format!("SET 'ksql.fail.on.deserialization.error'='true'; {sql}"));
}

fn produce(engine: &Engine, topic: &str, values: impl IntoIterator<Item = (i64, String)>) {
    let record = |(time, value): (i64, String)| (Some(time), Some(b"k".to_vec()), Some(value.into_bytes()));
    let records: Vec<NewRecord> = values.into_iter().map(record).collect();
    engine.produce(topic, None, &records).unwrap();
}

/// Rows numbered from 0, of which one is no JSON.
fn rows(count: i64, bad: i64) -> impl Iterator<Item = (i64, String)> {
    (0..count).map(move |n| (n, if n == bad { "oops".into() } else { format!(r#"{{"id":"k","n":{n}}}"#) }))
}

/// How many committed records a topic has when nothing is left to do.
fn count(engine: &Engine, topic: &str) -> usize {
    assert!(engine.wait_until_still(Duration::from_secs(60)).unwrap());
    engine.records(topic, &[]).unwrap().len()
}

fn failed(engine: &Engine) -> String {
    engine.health().into_iter().find(|(part, ..)| *part == "queries").unwrap().2.unwrap_or_default()
}

fn position(engine: &Engine, query: &str, topic: &str) -> Option<i64> {
    let group = format!("_confluent-ksql-default_query_{query}");
    engine.log().committed_offset(&group, topic, 0).map(|committed| committed.offset)
}

const SOURCE: &str = "CREATE STREAM s (id STRING, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');";

/// Opens the directory twice; each time the query must stop at the record.
fn stays(strict: &str, bad: i64) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    run_strict(&engine, strict);
    run(&engine, BESIDE);
    produce(&engine, "s", rows(1000, bad));
    let check = |engine: &Engine, beside: usize| {
        assert_eq!((count(engine, "STRICT"), count(engine, "BESIDE")), (bad as usize, beside));
        assert_eq!(failed(engine), "stopped by an error: CSAS_STRICT_1");
        assert_eq!(position(engine, "CSAS_STRICT_1", "s"), Some(bad));
    };
    check(&engine, 999);
    // The others read on.
    produce(&engine, "s", rows(10, -1));
    check(&engine, 1009);
    engine.close();
    let engine = open(dir.path());
    check(&engine, 1009);
    produce(&engine, "s", rows(10, -1));
    check(&engine, 1019);
    engine.close();
}

const BESIDE: &str = "CREATE STREAM beside AS SELECT n, id FROM s;";

#[test]
fn query_alone() {
    let dir = tempfile::tempdir().unwrap();
    for (select, bad) in [("SELECT id, n FROM s", 500), ("SELECT id, n * 2 AS n FROM s", 7)] {
        let engine = open(dir.path());
        run(&engine, SOURCE);
        run_strict(&engine, &format!("CREATE STREAM strict AS {select};"));
        produce(&engine, "s", rows(1000, bad));
        assert_eq!(count(&engine, "STRICT"), bad as usize);
        let id = failed(&engine).split_off("stopped by an error: ".len());
        assert_eq!(position(&engine, &id, "s"), Some(bad));
        engine.close();
        let engine = open(dir.path());
        assert_eq!(count(&engine, "STRICT"), bad as usize);
        assert_eq!(position(&engine, &id, "s"), Some(bad));
        // Without the setting it goes on there.
        run(&engine, &format!("CREATE OR REPLACE STREAM strict AS {select};"));
        assert_eq!((count(&engine, "STRICT"), failed(&engine)), (999, String::new()));
        run(&engine, "DROP STREAM strict DELETE TOPIC; DROP STREAM s DELETE TOPIC;");
        engine.close();
    }
}

#[test]
fn query_beside_one_that_goes_on() {
    stays("CREATE STREAM strict AS SELECT id, n FROM s;", 500);
    stays("CREATE STREAM strict AS SELECT id, n + 1 AS n FROM s;", 3);
}

#[test]
fn query_that_needs_headers_is_read_record_by_record() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(
        &engine,
        "CREATE STREAM s (id STRING, n INT, h ARRAY<STRUCT<key STRING, value BYTES>> HEADERS) \
         WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');",
    );
    run_strict(&engine, "CREATE STREAM strict AS SELECT id, n FROM s;");
    run(&engine, BESIDE);
    produce(&engine, "s", rows(1000, 500));
    assert_eq!((count(&engine, "STRICT"), count(&engine, "BESIDE")), (500, 999));
    assert_eq!(position(&engine, "CSAS_STRICT_1", "s"), Some(500));
    engine.close();
    let engine = open(dir.path());
    assert_eq!((count(&engine, "STRICT"), count(&engine, "BESIDE")), (500, 999));
    assert_eq!(position(&engine, "CSAS_STRICT_1", "s"), Some(500));
    engine.close();
}

#[test]
fn query_of_several_topics() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    for name in ["l", "r"] {
        let columns = "(id STRING, n INT)";
        run(
            &engine,
            &format!("CREATE STREAM {name} {columns} WITH (KAFKA_TOPIC='{name}', VALUE_FORMAT='JSON');"),
        );
    }
    produce(&engine, "l", rows(1000, -1));
    produce(&engine, "r", rows(1000, 500));
    run_strict(
        &engine,
        "CREATE STREAM strict AS SELECT l.id AS id, l.n AS n FROM l JOIN r WITHIN 1 SECOND ON l.n = r.n;",
    );
    let pairs = count(&engine, "STRICT");
    assert_eq!((pairs, failed(&engine).as_str()), (500, "stopped by an error: CSAS_STRICT_2"));
    assert_eq!(position(&engine, "CSAS_STRICT_2", "r"), Some(500));
    let left = position(&engine, "CSAS_STRICT_2", "l").unwrap();
    assert!((500..=501).contains(&left), "{left}");
    engine.close();
    let engine = open(dir.path());
    assert_eq!(count(&engine, "STRICT"), 500);
    // Without the setting every pair comes that there is, and none twice.
    run(
        &engine,
        "CREATE OR REPLACE STREAM strict AS SELECT l.id AS id, l.n AS n FROM l JOIN r WITHIN 1 SECOND ON l.n = r.n;",
    );
    count(&engine, "STRICT");
    assert_eq!(position(&engine, "CSAS_STRICT_3", "r"), Some(1000));
    engine.close();
}

#[test]
fn record_without_a_usable_time_stops_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(
        &engine,
        "CREATE STREAM s (id STRING, ts STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', TIMESTAMP='ts', \
         TIMESTAMP_FORMAT='yyyy-MM-dd');",
    );
    run(&engine, "SET 'ksql.timestamp.throw.on.invalid'='true'; CREATE STREAM strict AS SELECT id FROM s;");
    run(&engine, "CREATE STREAM beside AS SELECT id FROM s;");
    let row = |n: i64| {
        let day = if n == 321 { "some day" } else { "2024-01-01" };
        (n, format!(r#"{{"id":"k","ts":"{day}"}}"#))
    };
    produce(&engine, "s", (0..1000).map(row));
    for _ in 0..2 {
        assert_eq!((count(&engine, "STRICT"), count(&engine, "BESIDE")), (321, 999));
        assert_eq!(position(&engine, "CSAS_STRICT_1", "s"), Some(321));
        assert_eq!(failed(&engine), "stopped by an error: CSAS_STRICT_1");
    }
    engine.close();
}

#[test]
fn deleted_processing_log_stops_no_query() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    run(&engine, BESIDE);
    run(&engine, "DROP STREAM KSQL_PROCESSING_LOG DELETE TOPIC;");
    produce(&engine, "s", rows(1000, 500));
    assert_eq!((count(&engine, "BESIDE"), failed(&engine)), (999, String::new()));
    produce(&engine, "s", rows(1000, 500));
    assert_eq!((count(&engine, "BESIDE"), failed(&engine)), (1998, String::new()));
    engine.close();
}

#[test]
fn deleted_topic_stops_the_queries_that_need_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    run(&engine, "CREATE TABLE counts AS SELECT id, COUNT(*) AS c FROM s GROUP BY id;");
    run(&engine, "CREATE STREAM gone AS SELECT id FROM s;");
    run(&engine, BESIDE);
    produce(&engine, "s", rows(100, -1));
    assert_eq!((count(&engine, "GONE"), count(&engine, "BESIDE")), (100, 100));
    engine.log().delete_topic("GONE").unwrap();
    engine.log().delete_topic("_confluent-ksql-default_query_CTAS_COUNTS_1-changelog").unwrap();
    produce(&engine, "s", rows(100, -1));
    assert_eq!(count(&engine, "BESIDE"), 200);
    produce(&engine, "s", rows(100, -1));
    assert_eq!(count(&engine, "BESIDE"), 300);
    assert_eq!(failed(&engine), "stopped by an error: CSAS_GONE_2, CTAS_COUNTS_1");
    engine.close();
}
