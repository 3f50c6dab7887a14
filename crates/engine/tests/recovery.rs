//! Starting after a crash between a statement's command and what it does.
//!
//! The moment is made by hand: the command is put into the command log as the engine does, and nothing else happens.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use std::path::Path;

use commitlog::BatchBuilder;
use engine::Engine;
use opened::{execute, open_with, run};

const COMMANDS: &str = "_confluent-ksql-default__command_topic";

fn open(dir: &Path) -> Engine {
    open_with(dir, &[("num.partitions", "2")])
}

/// Topics on disk, by name and id: the parts of their directories' names.
fn topics(dir: &Path) -> Vec<(String, String)> {
    let mut topics: Vec<_> = std::fs::read_dir(dir.join("log/topics"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.rsplit_once('.').map(|(name, id)| (name.to_owned(), id.to_owned())))
        .collect();
    topics.sort();
    topics
}

fn has_topic(engine: &Engine, name: &str) -> bool {
    engine.describe_topic(name).is_ok()
}

fn put_command(engine: &Engine, command: &str) {
    assert!(has_topic(engine, COMMANDS));
    let mut batch = BatchBuilder::new();
    batch.append(1, Some(b"c"), Some(command.as_bytes()), &[]);
    let (_, ticket) = engine.log().append_durable(COMMANDS, 0, batch.finish(), 1).unwrap();
    ticket.wait().unwrap();
}

fn count(engine: &Engine, stream: &str) -> usize {
    assert!(engine.wait_until_still(std::time::Duration::from_secs(20)).unwrap());
    engine.records(stream, &[]).unwrap().len()
}

#[test]
fn dropped_topic_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM S (a INT) WITH (KAFKA_TOPIC='s', PARTITIONS=3, VALUE_FORMAT='JSON');");
    run(&engine, "DROP STREAM S DELETE TOPIC;");
    engine.abandon();
    drop(engine);
    let engine = open(dir.path());
    assert!(!has_topic(&engine, "s"));
    run(&engine, "CREATE STREAM S (a INT) WITH (KAFKA_TOPIC='s', PARTITIONS=4, VALUE_FORMAT='JSON');");
    engine.close();
    let engine = open(dir.path());
    assert_eq!(engine.describe_topic("s").unwrap().partitions.len(), 4);
    assert_eq!(engine.sources().iter().filter(|s| &*s.name == "S").count(), 1);
    engine.close();
}

#[test]
fn topic_is_deleted_after_a_crash_before_its_deletion_and_a_new_one_of_its_name_stays() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM S (a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    let record = (None, None, Some(b"{\"A\":1}".to_vec()));
    engine.produce("s", None, std::slice::from_ref(&record)).unwrap();
    let id = topics(dir.path()).into_iter().find(|(name, _)| name == "s").unwrap().1;
    put_command(
        &engine,
        &format!(r#"{{"id":"stream/`S`/drop","statement":"DROP STREAM S DELETE TOPIC;","deletes":"{id}"}}"#),
    );
    engine.abandon();
    drop(engine);
    let engine = open(dir.path());
    assert!(!has_topic(&engine, "s"));
    engine.produce("s", None, std::slice::from_ref(&record)).unwrap();
    engine.abandon();
    drop(engine);
    let engine = open(dir.path());
    assert_eq!(engine.records("s", &[]).unwrap().len(), 1);
    engine.close();
}

#[test]
fn query_runs_after_a_crash_before_its_topics_were_made() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM S (k STRING KEY, a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    let records: Vec<_> =
        (0..20).map(|_| (Some(1), Some(b"1".to_vec()), Some(b"{\"A\":1}".to_vec()))).collect();
    engine.produce("s", None, &records).unwrap();
    put_command(
        &engine,
        r#"{"id":"table/`T`/create","statement":"CREATE TABLE T AS SELECT k, COUNT(*) AS n FROM S GROUP BY k;","properties":{"auto.offset.reset":"earliest"},"query_id":"CTAS_T_1"}"#,
    );
    engine.abandon();
    drop(engine);
    for _ in 0..2 {
        let engine = open(dir.path());
        assert!(count(&engine, "T") > 0);
        let last = engine.records("T", &[]).unwrap().pop().unwrap();
        assert_eq!(last.value.as_deref(), Some(br#"{"N":20}"#.as_slice()));
        assert_eq!(engine.describe_topic("T").unwrap().partitions.len(), 2);
        engine.abandon();
    }
}

#[test]
fn terminated_query_leaves_nothing_after_a_crash_before_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM S (k STRING KEY, a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    run(&engine, "CREATE TABLE T AS SELECT k, COUNT(*) AS n FROM S GROUP BY k;");
    let changelog = "_confluent-ksql-default_query_CTAS_T_1-changelog";
    assert!(has_topic(&engine, changelog), "{:?}", topics(dir.path()));
    put_command(&engine, r#"{"id":"terminate/CTAS_T_1/execute","statement":"TERMINATE CTAS_T_1;"}"#);
    engine.abandon();
    drop(engine);
    let engine = open(dir.path());
    assert!(!has_topic(&engine, changelog));
    assert!(has_topic(&engine, "T"));
    engine.close();
}

#[test]
fn refused_statement_is_not_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.create_topic("s", Some(2), &[]).unwrap();
    let sql = "CREATE STREAM S (a INT) WITH (KAFKA_TOPIC='s', PARTITIONS=3, VALUE_FORMAT='JSON');";
    let error = execute(&engine, sql).unwrap_err();
    assert_eq!(error.code, "topic_exists");
    engine.close();
    let engine = open(dir.path());
    assert!(engine.sources().iter().all(|s| &*s.name != "S"));
    engine.close();
}

#[test]
fn scratch_files_of_a_killed_process_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("state/spilled")).unwrap();
    let left = dir.path().join("state/spilled/state-1-0.scratch");
    std::fs::write(&left, b"x").unwrap();
    let engine = open(dir.path());
    assert!(!left.exists());
    engine.close();
}

#[test]
fn what_is_not_a_statement_keeps_nobody_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM BEFORE (a INT) WITH (KAFKA_TOPIC='before', VALUE_FORMAT='JSON');");
    put_command(&engine, "x");
    put_command(&engine, r#"{"id": 7}"#);
    run(&engine, "CREATE STREAM AFTER (a INT) WITH (KAFKA_TOPIC='after', VALUE_FORMAT='JSON');");
    engine.abandon();
    drop(engine);
    let engine = open(dir.path());
    let names: Vec<String> = engine.sources().iter().map(|source| source.name.to_string()).collect();
    assert!(names.contains(&"BEFORE".to_owned()) && names.contains(&"AFTER".to_owned()), "{names:?}");
    engine.log().delete_records(COMMANDS, 0, 1).unwrap();
    engine.close();
    drop(engine);
    let engine = open(dir.path());
    let names: Vec<String> = engine.sources().iter().map(|source| source.name.to_string()).collect();
    assert!(!names.contains(&"BEFORE".to_owned()) && names.contains(&"AFTER".to_owned()), "{names:?}");
    engine.close();
}

/// Topics of the engine that are there, and some of queries that may come.
const OWN: [&str; 3] = [
    COMMANDS,
    "_confluent-ksql-default_query_CTAS_T_1-changelog",
    "_confluent-ksql-default_query_CTAS_U_9-changelog",
];

#[test]
fn topics_of_the_engine_are_read_and_neither_written_nor_made_nor_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM S (k STRING KEY, a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');");
    run(&engine, "CREATE TABLE T AS SELECT k, COUNT(*) AS n FROM S GROUP BY k;");
    let code = |result: Result<(), engine::EngineError>| result.unwrap_err().code;
    for topic in OWN {
        assert!(engine.reserves_topic(topic), "{topic}");
        assert_eq!(code(engine.produce(topic, None, &[(None, None, Some(b"x".to_vec()))])), "internal_topic");
        assert_eq!(code(engine.create_topic(topic, Some(1), &[])), "internal_topic");
        let changes = [("retention.ms".to_owned(), Some("1".to_owned()))];
        assert_eq!(code(engine.alter_topic(topic, &changes)), "internal_topic");
    }
    for topic in &OWN[..2] {
        assert!(has_topic(&engine, topic), "{topic}");
        assert_eq!(code(engine.delete_topic(topic)), "still_used");
    }
    assert!(!has_topic(&engine, OWN[2]));
    let refused = |sql: &str| {
        let result = execute(&engine, sql);
        assert_eq!(result.unwrap_err().code, "internal_topic", "{sql}");
    };
    refused(&format!("CREATE STREAM O WITH (KAFKA_TOPIC='{COMMANDS}') AS SELECT * FROM S;"));
    refused(&format!(
        "CREATE STREAM O (a INT) WITH (KAFKA_TOPIC='{}', PARTITIONS=1, VALUE_FORMAT='JSON');",
        OWN[2]
    ));
    run(
        &engine,
        &format!("CREATE STREAM O (a STRING) WITH (KAFKA_TOPIC='{COMMANDS}', VALUE_FORMAT='KAFKA');"),
    );
    assert!(!engine.records(COMMANDS, &[]).unwrap().is_empty());
    refused("INSERT INTO O (a) VALUES ('x');");
    refused("DROP STREAM O DELETE TOPIC;");
    run(&engine, "DROP STREAM O;");
    for (name, is_own) in
        [("default_ksql_processing_log", false), ("_confluent-ksql-other_query_1", false), (COMMANDS, true)]
    {
        assert_eq!(engine.reserves_topic(name), is_own, "{name}");
    }
    for (id, is_own) in [
        ("tripline-default_-worker-11", true),
        ("tripline-default_-producers", true),
        ("tripline-ingest", false),
    ] {
        assert_eq!(engine.reserves_transaction(id), is_own, "{id}");
    }
    engine.close();
}

#[test]
fn replaced_query_that_was_not_forgotten_gives_no_position_to_one_that_has_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, "CREATE STREAM S (a INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);");
    run(&engine, "CREATE STREAM C AS SELECT a FROM S;");
    run(&engine, "CREATE OR REPLACE STREAM C AS SELECT a FROM S WHERE a > 0;");
    let record = (Some(1), None, Some(b"{\"A\":1}".to_vec()));
    engine.produce("s", None, &[record.clone(), record]).unwrap();
    assert_eq!(count(&engine, "C"), 2);
    // What a full disk kept the server from deleting.
    let old = commitlog::OffsetCommit {
        topic: "s".to_owned(),
        partition: 0,
        offset: 0,
        leader_epoch: -1,
        metadata: Default::default(),
    };
    let ticket = engine.log().commit_offsets("_confluent-ksql-default_query_CSAS_C_1", &[old], 1).unwrap();
    ticket.wait().unwrap();
    engine.abandon();
    drop(engine);
    let engine = open(dir.path());
    assert_eq!(count(&engine, "C"), 2);
    engine.close();
}
