//! Results larger than a topic takes in one batch: they are divided, and what is too large alone is left out and told.
//! Whatever a query meets there, the queries beside it go on.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::{Engine, NewRecord};
use opened::{SINGLE, open, open_with, run};

/// What the small topics take in one batch.
const SMALL: usize = 4096;

fn make_topic(engine: &Engine, name: &str, bytes_max: usize) {
    let settings = [("max.message.bytes".to_owned(), bytes_max.to_string())];
    engine.create_topic(name, Some(1), &settings).unwrap();
}

fn produce(engine: &Engine, topic: &str, values: impl IntoIterator<Item = String>) {
    let record = |(n, value): (usize, String)| (Some(n as i64), None, Some(value.into_bytes()));
    let records: Vec<NewRecord> = values.into_iter().enumerate().map(record).collect();
    engine.produce(topic, None, &records).unwrap();
}

/// The values in a topic when nothing is left to do.
fn values(engine: &Engine, topic: &str) -> Vec<String> {
    assert!(engine.wait_until_still(Duration::from_secs(60)).unwrap());
    let records = engine.records(topic, &[]).unwrap();
    records.into_iter().map(|r| String::from_utf8(r.value.unwrap()).unwrap()).collect()
}

/// Results of a query in a topic that takes small batches and in one that takes large ones.
fn both(engine: &Engine) -> (Vec<String>, Vec<String>) {
    (values(engine, "small"), values(engine, "large"))
}

/// Queries with an error.
fn failed(engine: &Engine) -> Option<String> {
    engine.health().into_iter().find(|(part, ..)| *part == "queries").unwrap().2
}

/// Entries of the processing log that say a row was not written.
fn refusals(engine: &Engine) -> Vec<String> {
    let records = engine.records("default_ksql_processing_log", &[]).or_else(|_| {
        let name =
            engine.log().topics().into_iter().find(|t| t.name.contains("processing_log")).unwrap().name;
        engine.records(&name, &[])
    });
    let values = records.unwrap().into_iter().map(|r| String::from_utf8(r.value.unwrap()).unwrap());
    values.filter(|value| value.contains("\"type\":2")).collect()
}

/// Reads one source into both topics, and beside them plainly.
fn make_queries(engine: &Engine, select: &str) {
    make_topic(engine, "small", SMALL);
    make_topic(engine, "large", 100 << 20);
    run(
        engine,
        "CREATE STREAM s (id STRING, tags ARRAY<STRING>, message STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');",
    );
    for name in ["small", "large"] {
        run(engine, &format!("CREATE STREAM {name} WITH (KAFKA_TOPIC='{name}') AS {select};"));
    }
    run(engine, "CREATE STREAM beside AS SELECT id FROM s;");
}

fn event(id: usize, tags: usize, message_bytes: usize) -> String {
    let tags: Vec<String> = (0..tags).map(|n| format!("\"tag {n}\"")).collect();
    format!(r#"{{"id":"{id}","tags":[{}],"message":"{}"}}"#, tags.join(","), "x".repeat(message_bytes))
}

#[test]
fn rows_of_one_record_are_divided_into_batches() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    make_queries(&engine, "SELECT EXPLODE(tags) AS tag, message FROM s");
    produce(&engine, "s", (0..20).map(|id| event(id, 300, 1000)));
    let (small, large) = both(&engine);
    assert_eq!((small.len(), failed(&engine)), (6000, None));
    assert_eq!(small, large);
    engine.close();
    let engine = open(dir.path());
    produce(&engine, "s", [event(20, 2, 10)]);
    let (small, large) = both(&engine);
    assert_eq!(small.len(), 6002);
    assert_eq!(small, large);
    assert_eq!(values(&engine, "BESIDE").len(), 21);
    assert_eq!(refusals(&engine), [""; 0]);
    engine.close();
}

#[test]
fn row_too_large_alone_is_left_out_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    // One goes the short way, the other one through a task.
    for select in ["SELECT * FROM s", "SELECT id, LEN(message) AS n, UCASE(message) AS loud FROM s"] {
        make_queries(&engine, select);
        let sizes = [10, 10_000, 3000, 3000, 5000, 20, 4500];
        produce(&engine, "s", sizes.iter().enumerate().map(|(id, bytes)| event(id, 1, *bytes)));
        let (small, mut large) = both(&engine);
        assert_eq!((small.len(), large.len(), failed(&engine)), (4, 7, None));
        large.retain(|row| row.len() < SMALL);
        assert_eq!(small, large);
        assert_eq!(values(&engine, "BESIDE").len(), 7);
        let told = refusals(&engine);
        assert!(told.len().is_multiple_of(3) && !told.is_empty(), "{told:?}");
        assert!(told[0].contains("max.message.bytes = 4096 of topic \\\"small\\\""), "{}", told[0]);
        for name in ["small", "large", "beside"] {
            run(&engine, &format!("DROP STREAM {name} DELETE TOPIC;"));
        }
        run(&engine, "DROP STREAM s DELETE TOPIC;");
    }
    engine.close();
}

#[test]
fn join_on_a_frequent_key_is_divided_into_batches() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    make_topic(&engine, "small", SMALL);
    make_topic(&engine, "large", 100 << 20);
    for name in ["l", "r"] {
        run(
            &engine,
            &format!(
                "CREATE STREAM {name} (id STRING, message STRING) WITH (KAFKA_TOPIC='{name}', VALUE_FORMAT='JSON');"
            ),
        );
        produce(&engine, name, (0..60).map(|_| event(1, 1, 300)));
    }
    for name in ["small", "large"] {
        run(
            &engine,
            &format!(
                "CREATE STREAM {name} WITH (KAFKA_TOPIC='{name}') AS SELECT l.id AS id, l.message AS a, r.message AS b \
                 FROM l JOIN r WITHIN 1 HOUR ON l.id = r.id;"
            ),
        );
    }
    let (small, large) = both(&engine);
    assert_eq!((small.len(), failed(&engine)), (3600, None));
    assert_eq!(small, large);
    engine.close();
}

#[test]
fn limit_lowered_meanwhile_is_kept_and_one_raised_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    make_queries(&engine, "SELECT id, message FROM s");
    let set_limit = |bytes: usize| {
        let bytes = bytes.to_string();
        engine.log().alter_topic("small", &[("max.message.bytes", Some(&bytes))]).unwrap();
    };
    produce(&engine, "s", (0..100).map(|id| event(id, 0, 500)));
    assert_eq!(values(&engine, "small").len(), 100);
    set_limit(1000);
    produce(&engine, "s", (0..100).map(|id| event(id, 0, 500 + 10 * (id % 2) * 100)));
    assert_eq!(values(&engine, "small").len(), 150);
    set_limit(1 << 20);
    produce(&engine, "s", (0..100).map(|id| event(id, 0, 500 + 10 * (id % 2) * 100)));
    assert_eq!(values(&engine, "small").len(), 250);
    assert_eq!((values(&engine, "large").len(), failed(&engine)), (300, None));
    engine.close();
}

#[test]
fn rows_of_a_table_that_wait_for_the_commit_are_divided_too() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    make_topic(&engine, "small", SMALL);
    make_topic(&engine, "large", 100 << 20);
    run(&engine, "CREATE STREAM s (id STRING, message STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    for name in ["small", "large"] {
        run(
            &engine,
            &format!(
                "CREATE TABLE {name} WITH (KAFKA_TOPIC='{name}') AS SELECT id, LATEST_BY_OFFSET(message) AS m, \
                 COUNT(*) AS n FROM s GROUP BY id;"
            ),
        );
    }
    produce(&engine, "s", (0..300).map(|id| event(id, 0, if id == 7 { 5000 } else { 500 })));
    let last = |topic: &str| -> BTreeMap<Vec<u8>, Vec<u8>> {
        values(&engine, topic);
        let records = engine.records(topic, &[]).unwrap();
        records.into_iter().map(|r| (r.key.unwrap(), r.value.unwrap())).collect()
    };
    let (small, mut large) = (last("small"), last("large"));
    assert_eq!((large.len(), failed(&engine)), (300, None));
    large.remove(b"7".as_slice());
    assert_eq!(small, large);
    engine.close();
}

#[test]
fn state_that_its_changelog_does_not_take_stops_that_query_alone() {
    let dir = tempfile::tempdir().unwrap();
    let small = [("message.max.bytes", "20000")];
    let mut engine = open_with(dir.path(), &[&SINGLE[..], &small].concat());
    run(&engine, "CREATE STREAM s (id STRING, message STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    run(&engine, "CREATE STREAM beside AS SELECT id FROM s;");
    run(&engine, "CREATE TABLE counts AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;");
    run(
        &engine,
        "CREATE TABLE lists AS SELECT id, LEN(ARRAY_JOIN(COLLECT_LIST(message), '')) AS n FROM s GROUP BY id;",
    );
    for start in [0, 40] {
        produce(&engine, "s", (start..start + 40).map(|_| event(1, 0, 1000)));
        let deadline = Instant::now() + Duration::from_secs(60);
        while failed(&engine).is_none() {
            assert!(Instant::now() < deadline, "no query stopped");
            std::thread::yield_now();
        }
        assert_eq!(values(&engine, "BESIDE").len(), start + 40);
        let count = values(&engine, "COUNTS").pop().unwrap();
        assert_eq!(count, format!("{{\"N\":{}}}", start + 40));
        assert_eq!(failed(&engine).unwrap(), "stopped by an error: CTAS_LISTS_3");
        engine.close();
        engine = open_with(dir.path(), &[&SINGLE[..], &small].concat());
    }
    engine.close();
}

#[test]
fn processing_log_that_takes_small_batches_stops_no_query() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let topics = engine.log().topics();
    let log = &topics.iter().find(|topic| topic.name.contains("processing_log")).unwrap().name;
    engine.log().alter_topic(log, &[("max.message.bytes", Some("700"))]).unwrap();
    run(&engine, "CREATE STREAM s (id STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    run(&engine, "CREATE STREAM copy AS SELECT UCASE(id) AS id FROM s;");
    produce(&engine, "s", (0..50).map(|n| if n % 2 == 0 { event(n, 0, 0) } else { "no JSON".into() }));
    assert_eq!(values(&engine, "COPY").len(), 25);
    assert_eq!((values(&engine, log).len(), failed(&engine)), (25, None));
    engine.log().alter_topic(log, &[("max.message.bytes", Some("100"))]).unwrap();
    produce(&engine, "s", (0..50).map(|n| if n % 2 == 0 { event(n, 0, 0) } else { "no JSON".into() }));
    assert_eq!(values(&engine, "COPY").len(), 50);
    assert_eq!((values(&engine, log).len(), failed(&engine)), (25, None));
    engine.close();
}

/// A query that fails at each start voids what the others have just done; so does a kill. Neither shows in a result.
#[test]
fn queries_beside_one_that_fails_count_exactly_over_kills() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("message.max.bytes", "20000"),
        ("num.stream.threads", "2"),
        ("num.partitions", "2"),
        ("commit.interval.ms", "1"),
        ("cache.max.bytes.buffering", "0"),
    ];
    let mut engine = open_with(dir.path(), &[&SINGLE[..], &settings].concat());
    run(&engine, "CREATE STREAM s (id STRING, message STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    run(
        &engine,
        "CREATE TABLE lists AS SELECT id, LEN(ARRAY_JOIN(COLLECT_LIST(message), '')) AS n FROM s GROUP BY id;",
    );
    run(&engine, "CREATE STREAM beside AS SELECT id FROM s;");
    run(&engine, "CREATE TABLE counts AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;");
    let rounds = 12;
    for round in 0..rounds {
        for piece in 0..5 {
            produce(&engine, "s", (0..20).map(|n| event(n % 4, 0, 50 + 10 * piece)));
        }
        match round % 4 {
            0 => assert!(engine.wait_until_still(Duration::from_secs(60)).unwrap()),
            // A moment that differs from round to round.
            n => (0..n * round).for_each(|_| drop(engine.metrics())),
        }
        engine.abandon();
        drop(engine);
        engine = open_with(dir.path(), &[&SINGLE[..], &settings].concat());
    }
    assert_eq!(values(&engine, "BESIDE").len(), rounds * 100);
    assert_eq!(failed(&engine).as_deref(), Some("stopped by an error: CTAS_LISTS_1"));
    let mut counts: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for record in engine.records("COUNTS", &[]).unwrap() {
        let value = String::from_utf8(record.value.unwrap()).unwrap();
        counts.entry(record.key.unwrap()).or_default().push(value);
    }
    let expect: Vec<String> = (1..=rounds * 25).map(|n| format!("{{\"N\":{n}}}")).collect();
    assert_eq!(counts.len(), 4);
    for (key, found) in &counts {
        let place = found.iter().zip(&expect).position(|(found, expect)| found != expect);
        let around = place.map(|place| &found[place.saturating_sub(3)..found.len().min(place + 5)]);
        assert_eq!((found.len(), place), (expect.len(), None), "{key:?} {around:?}");
    }
    engine.close();
}
