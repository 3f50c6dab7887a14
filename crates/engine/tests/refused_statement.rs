//! A statement that cannot be carried out is refused before it is written to the command log, with the place and what
//! to do: it neither leaves anything nor comes back with a restart.

#![allow(clippy::unwrap_used, reason = "a test")]

mod opened;

use engine::Engine;
use opened::{execute, open, run};

const SOURCE: &str = "CREATE STREAM s (k STRING KEY, v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
     CREATE STREAM t (k STRING KEY, v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');";

/// All there is: streams and tables, queries, topics, and how many statements are logged.
fn present(engine: &Engine) -> (Vec<String>, Vec<String>, usize) {
    let mut sources: Vec<String> = engine.sources().iter().map(|source| source.name.to_string()).collect();
    let mut topics: Vec<String> = engine.log().topics().into_iter().map(|topic| topic.name).collect();
    sources.sort();
    topics.sort();
    let logged = engine.records("_confluent-ksql-default__command_topic", &[]).unwrap().len();
    (sources, topics, logged)
}

/// Executes a statement that must be refused; the error's code, what stands at its place, its text.
fn refused(engine: &Engine, sql: &str) -> (&'static str, String, String) {
    let before = present(engine);
    let error = execute(engine, sql).unwrap_err();
    assert_eq!(present(engine), before, "{sql}");
    assert!(error.hint.is_some() || error.code == "bad_topic_setting", "{}", error.render());
    let (line, column) = error.line_column.unwrap_or_else(|| panic!("no place: {}", error.render()));
    let place: String =
        sql.lines().nth(line as usize - 1).unwrap().chars().skip(column as usize - 1).collect();
    (error.code, place, error.message)
}

/// Opens the directory again: everything must be as it was.
fn reopened(dir: &std::path::Path, engine: Engine) -> Engine {
    let before = present(&engine);
    engine.close();
    drop(engine);
    let engine = open(dir);
    assert_eq!(present(&engine), before);
    assert!(engine.health().iter().all(|(_, is_healthy, _)| *is_healthy));
    engine
}

#[test]
fn query_id_that_makes_no_topic_name() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    let long = "x".repeat(300);
    for (id, reason) in
        [("a b", "only ASCII letters"), ("größe", "only ASCII"), ("", "empty"), (&long, "longer")]
    {
        let insert = format!("INSERT INTO t WITH (QUERY_ID='{id}') SELECT k, v FROM s;");
        let (code, place, message) = refused(&engine, &insert);
        assert_eq!(code, "bad_query_id");
        assert!(place.starts_with(&format!("'{id}'")), "{place}");
        assert!(message.contains(reason), "{message}");
    }
    run(&engine, "INSERT INTO t WITH (QUERY_ID='a-b.c_1') SELECT k, v FROM s;");
    let engine = reopened(dir.path(), engine);
    run(&engine, "TERMINATE `A-B.C_1`;");
    engine.close();
}

#[test]
fn name_that_makes_no_topic_name() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    let (code, place, message) = refused(&engine, "CREATE STREAM `a b` (v INT) WITH (VALUE_FORMAT='JSON');");
    assert_eq!((code, &place[..5]), ("bad_topic_name", "`a b`"));
    assert!(message.starts_with("\"a b\" is not a topic name"), "{message}");
    for sql in [
        "CREATE STREAM x (v INT) WITH (VALUE_FORMAT='JSON', KAFKA_TOPIC='a/b');",
        "CREATE STREAM x WITH (KAFKA_TOPIC='a/b') AS SELECT * FROM s;",
    ] {
        let (code, place, _) = refused(&engine, sql);
        assert_eq!((code, &place[..5]), ("bad_topic_name", "'a/b'"));
    }
    // Its own name may be any: a query's id has a fitting one.
    run(
        &engine,
        "CREATE TABLE `a b` WITH (KAFKA_TOPIC='ab') AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;
         CREATE SOURCE TABLE `c d` (k STRING PRIMARY KEY, n INT) WITH (KAFKA_TOPIC='ab', VALUE_FORMAT='JSON');",
    );
    let long = format!("CREATE TABLE {} ", "l".repeat(230));
    let long = long + "WITH (KAFKA_TOPIC='l') AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;";
    let (code, place, message) = refused(&engine, &long);
    assert_eq!((code, &place[..3]), ("bad_query_id", "lll"));
    assert!(message.contains("longer than 249 characters"), "{message}");
    let engine = reopened(dir.path(), engine);
    run(&engine, "TERMINATE `CTAS_a_b_2`;");
    engine.close();
}

#[test]
fn topic_that_cannot_be_as_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    for (property, place) in
        [("PARTITIONS=20000", "20000"), ("RETENTION_MS=-2", "-2"), ("CLEANUP_POLICY='shred'", "'shred'")]
    {
        for sql in [
            format!("CREATE STREAM x (v INT) WITH (VALUE_FORMAT='JSON', {property});"),
            format!("CREATE STREAM x WITH ({property}) AS SELECT * FROM s;"),
            format!("CREATE TABLE x WITH ({property}) AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;"),
        ] {
            let (code, found, _) = refused(&engine, &sql);
            assert_eq!(code, "bad_topic_setting", "{sql}");
            assert!(found.starts_with(place), "{sql}: {found}");
        }
    }
    let (code, ..) =
        refused(&engine, "CREATE STREAM x WITH (KAFKA_TOPIC='t', PARTITIONS=3) AS SELECT * FROM s;");
    assert_eq!(code, "topic_exists");
    for partitions in ["0", "10001"] {
        let set = format!("SET 'ksql.sink.partitions'='{partitions}';");
        let error = execute(&engine, &format!("{set} CREATE STREAM x AS SELECT * FROM s;")).unwrap_err();
        assert_eq!(error.code, "bad_topic_setting");
        assert!(error.hint.unwrap().contains("\"ksql.sink.partitions\""));
    }
    reopened(dir.path(), engine).close();
}

#[test]
fn query_with_more_steps_than_a_task_has() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(
        &engine,
        "CREATE TABLE w (k STRING PRIMARY KEY, v STRING) WITH (KAFKA_TOPIC='w', VALUE_FORMAT='JSON');
         CREATE STREAM t (k STRING KEY, v STRING) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');",
    );
    let joined = |count: usize| {
        let joins: String = (1..count).map(|n| format!(" JOIN w AS w{n} ON w0.k = w{n}.k")).collect();
        format!("CREATE TABLE x AS SELECT w0.k, w0.v AS v FROM w AS w0{joins};")
    };
    let (code, place, message) = refused(&engine, &joined(120));
    assert_eq!((code, &place[..2]), ("too_many_steps", "x "), "{message}");
    let engine = reopened(dir.path(), engine);
    run(&engine, &joined(20));
    reopened(dir.path(), engine).close();
}

#[test]
fn target_whose_topic_was_deleted_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    engine.log().delete_topic("t").unwrap();
    run(&engine, "INSERT INTO t SELECT k, v FROM s;");
    let engine = reopened(dir.path(), engine);
    assert!(engine.describe_topic("t").is_ok());
    engine.close();
}

#[test]
fn what_a_query_of_the_same_id_has_left_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    run(&engine, SOURCE);
    let record = (Some(1), Some(b"k".to_vec()), Some(br#"{"v":1}"#.to_vec()));
    engine.produce("s", None, &[record]).unwrap();
    // As after a statement that did not get into the command log.
    let group = "_confluent-ksql-default_query_CTAS_C_2";
    engine.log().create_topic(&format!("{group}-changelog"), 3, &Default::default(), 1).unwrap();
    let position = commitlog::OffsetCommit {
        topic: "s".to_owned(),
        partition: 0,
        offset: 1,
        leader_epoch: -1,
        metadata: Default::default(),
    };
    engine.log().commit_offsets(group, &[position], 1).unwrap().wait().unwrap();
    run(&engine, "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;");
    assert!(engine.wait_until_still(std::time::Duration::from_secs(20)).unwrap());
    assert_eq!(engine.records("C", &[]).unwrap().len(), 1);
    assert_eq!(engine.log().describe_topic(&format!("{group}-changelog")).unwrap().partitions, 1);
    engine.close();
}
