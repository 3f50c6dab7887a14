//! Starting after a crash between a statement's command and what it does.
//!
//! The moment is made by hand: the command is put into the command log as the engine does, and nothing else happens.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use engine::{Engine, EngineConfig, Entity, Session};

const COMMANDS: &str = "_confluent-ksql-default__command_topic";

fn open(dir: &Path) -> Engine {
    let properties = vec![("num.partitions".to_owned(), "2".to_owned(), "test".to_owned())];
    Engine::open(EngineConfig { data_dir: dir.to_owned(), properties }).unwrap()
}

fn run(engine: &Engine, sql: &str) -> Vec<Entity> {
    let mut session = Session::default();
    session.properties.insert("auto.offset.reset".into(), "earliest".into());
    let mut answered = Vec::new();
    engine.execute(sql, &mut session, &mut answered).unwrap_or_else(|e| panic!("{}", e.render()));
    answered
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
    engine.produce(COMMANDS, Some(0), &[(None, Some(b"c".to_vec()), Some(command.into()))]).unwrap();
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
    let error = engine.execute(sql, &mut Session::default(), &mut Vec::new()).unwrap_err();
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
