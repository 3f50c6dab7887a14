//! Statements and records that ask for too much: told, and nothing stops, also after a restart.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Engine, RowEvent};
use opened::{earliest, execute, open_with};
use types::Value;

fn open(dir: &Path) -> Engine {
    open_with(dir, &[])
}

/// Runs statements; the error as it is shown.
fn run(engine: &Engine, sql: &str) -> Result<(), String> {
    execute(engine, sql).map(drop).map_err(|error| error.render())
}

fn first_row(engine: &Engine, sql: &str) -> Vec<Value> {
    let mut query = engine.query(sql, &earliest()).unwrap_or_else(|error| panic!("{}", error.render()));
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < deadline, "no row of {sql}");
        match query.rows.next(Duration::from_millis(100)) {
            Some(RowEvent::Rows(rows)) if !rows.is_empty() => return rows[0].values.clone(),
            Some(RowEvent::Failed(error)) => panic!("{error}"),
            _ => {}
        }
    }
}

#[test]
fn types_made_of_each_other_are_refused_and_the_rest_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE TYPE T0 AS STRUCT<A INT, B INT>;").unwrap();
    let made = (1..60)
        .take_while(|n| {
            let of = n - 1;
            match run(&engine, &format!("CREATE TYPE T{n} AS STRUCT<A T{of}, B T{of}>;")) {
                Ok(()) => true,
                Err(error) => {
                    assert!(error.contains("type has more than the 10000 parts allowed"), "{error}");
                    assert!(error.contains("line 1:13") && error.contains("hint"), "{error}");
                    false
                }
            }
        })
        .count();
    assert_eq!(made, 11);
    engine.close();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM S (V T2) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');").unwrap();
    let error = run(&engine, "ALTER STREAM S ADD COLUMN W ARRAY<STRUCT<A T11, B T11>>;").unwrap_err();
    assert!(error.contains("10000 parts"), "{error}");
    engine.close();
}

#[test]
fn a_record_that_makes_an_expression_endless_costs_its_column_only() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(
        &engine,
        "CREATE STREAM S (M STRING, N ARRAY<INT>) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
         CREATE STREAM D AS SELECT M, REDUCE(N, M, (s, i) => s || s) AS DOUBLED FROM S;",
    )
    .unwrap();
    let numbers: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let record = format!(r#"{{"M":"mimikatz","N":[{}]}}"#, numbers.join(","));
    engine.produce("s", None, &[(Some(1), None, Some(record.into_bytes()))]).unwrap();
    let row = first_row(&engine, "SELECT M, DOUBLED FROM D EMIT CHANGES LIMIT 1;");
    assert_eq!(row, [Value::text("mimikatz"), Value::Null]);
    engine.close();
    // It is not met again.
    let engine = open(dir.path());
    engine.produce("s", None, &[(Some(2), None, Some(br#"{"M":"a","N":[1]}"#.to_vec()))]).unwrap();
    let row = first_row(&engine, "SELECT M, DOUBLED FROM D WHERE M = 'a' EMIT CHANGES LIMIT 1;");
    assert_eq!(row, [Value::text("a"), Value::text("aa")]);
    engine.close();
}
