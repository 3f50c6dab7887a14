//! The main job on a real data directory: statements in, records in, rows out, and all of it again after a
//! restart.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Engine, ResultRow, RowEvent, Rows};
use opened::{earliest, open_with, run};
use types::Value;

fn open(dir: &Path) -> Engine {
    open_with(dir, &[("num.stream.threads", "2")])
}

fn collect(rows: &mut Rows, count: usize) -> Vec<ResultRow> {
    let mut all = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while all.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} rows came", all.len());
        match rows.next(Duration::from_millis(100)) {
            Some(RowEvent::Rows(rows)) => all.extend(rows),
            Some(RowEvent::End { .. }) => break,
            Some(RowEvent::Failed(error)) => panic!("{error}"),
            None => {}
        }
    }
    all
}

fn select(engine: &Engine, sql: &str, count: usize) -> Vec<Vec<Value>> {
    let mut query = engine.query(sql, &earliest()).unwrap_or_else(|e| panic!("{}", e.render()));
    collect(&mut query.rows, count).into_iter().map(|r| r.values).collect()
}

fn produce(engine: &Engine, topic: &str, values: &[&str]) {
    let records: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(i, v)| (Some(1000 + i as i64), None, Some(v.as_bytes().to_vec())))
        .collect();
    engine.produce(topic, None, &records).unwrap();
}

#[test]
fn filtered_records_come_out_and_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(
        &engine,
        "CREATE STREAM conn (uid STRING, \"id.resp_h\" STRING, local_orig BOOLEAN) \
         WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');
         CREATE STREAM inbound AS SELECT * FROM conn WHERE local_orig != true AND \"id.resp_h\" LIKE '192.168.1%';",
    );
    produce(
        &engine,
        "conn",
        &[
            r#"{"uid":"C1","id.resp_h":"192.168.1.7","local_orig":false}"#,
            r#"{"uid":"C2","id.resp_h":"10.0.0.1","local_orig":false}"#,
            "not json at all",
            r#"{"uid":"C3","id.resp_h":"192.168.1.9","local_orig":true}"#,
            r#"{"uid":"C4","id.resp_h":"192.168.1.8","local_orig":false}"#,
        ],
    );
    let rows = select(&engine, "SELECT uid FROM inbound EMIT CHANGES LIMIT 2;", 2);
    assert_eq!(rows, [[Value::text("C1")], [Value::text("C4")]]);
    engine.close();

    let engine = open(dir.path());
    produce(&engine, "conn", &[r#"{"uid":"C5","id.resp_h":"192.168.1.1","local_orig":false}"#]);
    let rows = select(&engine, "SELECT uid FROM inbound EMIT CHANGES LIMIT 3;", 3);
    assert_eq!(rows.last().unwrap(), &[Value::text("C5")]);
    // The malformed line is in the processing log, with its place.
    let problems = select(
        &engine,
        "SELECT message->deserializationError->`offset` AS o FROM KSQL_PROCESSING_LOG EMIT CHANGES LIMIT 1;",
        1,
    );
    assert_eq!(problems, [[Value::BigInt(2)]]);
    engine.close();
}

#[test]
fn a_windowed_count_can_be_pulled_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(
        &engine,
        "CREATE STREAM dns (host STRING, q STRING) WITH (KAFKA_TOPIC='dns', VALUE_FORMAT='JSON');
         CREATE TABLE lookups AS SELECT host, COUNT(*) AS n FROM dns WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY host;",
    );
    produce(&engine, "dns", &[r#"{"host":"a"}"#, r#"{"host":"b"}"#, r#"{"host":"a"}"#]);
    let wanted = vec![vec![Value::text("a"), Value::BigInt(2)]];
    wait_for(|| select(&engine, "SELECT host, n FROM lookups WHERE host = 'a';", 100), &wanted);
    engine.close();
    let engine = open(dir.path());
    wait_for(|| select(&engine, "SELECT host, n FROM lookups WHERE host = 'a';", 100), &wanted);
    produce(&engine, "dns", &[r#"{"host":"a"}"#]);
    wait_for(
        || select(&engine, "SELECT host, n FROM lookups WHERE host = 'a';", 100),
        &vec![vec![Value::text("a"), Value::BigInt(3)]],
    );
    engine.close();
}

fn wait_for<T: PartialEq + std::fmt::Debug>(mut get: impl FnMut() -> T, wanted: &T) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = get();
        if found == *wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} is not {wanted:?}");
        std::thread::yield_now();
    }
}
