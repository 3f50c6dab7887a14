//! `tripline server --queries-file FILE`, and `tripline config`.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use std::path::Path;

use program::{Server, tripline};

const QUERIES: &str = "-- a comment; with a semicolon\n\
    SET 'auto.offset.reset' = 'earliest';\n\
    CREATE STREAM conn (uid VARCHAR, n INT) \\\n  WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON', PARTITIONS=1);\n\
    CREATE STREAM big AS SELECT uid, n FROM conn WHERE n > 1;\n\
    CREATE TABLE counts AS SELECT uid, COUNT(*) AS c FROM conn GROUP BY uid;\n\
    CREATE STREAM all_big (uid VARCHAR, n INT) WITH (KAFKA_TOPIC='all_big', VALUE_FORMAT='JSON', PARTITIONS=1);\n\
    INSERT INTO all_big SELECT * FROM big;\n";

fn values(server: &Server, topic: &str) -> Vec<String> {
    let consume = ["topic", "consume", topic, "--from-beginning", "--exit", "--server", &server.url];
    let done = tripline().args(consume).output().unwrap();
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn start(data: &Path, file: &Path) -> Server {
    Server::start_with(data, &["--queries-file", file.to_str().unwrap()])
}

#[test]
fn file_is_run_and_a_restart_does_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("queries.sql"));
    std::fs::write(&file, QUERIES).unwrap();
    let server = start(&data, &file);
    server.replay("conn", &[r#"{"uid":"a","n":1}"#, r#"{"uid":"b","n":2}"#, r#"{"uid":"b","n":3}"#]);
    server.until(|server| values(server, "all_big"), |values| values.len() == 2);
    server.until(|server| values(server, "COUNTS"), |values| values.last().is_some_and(|v| v == "{\"C\":2}"));

    // Statements are not for clients; looking and producing are.
    let (status, answer) = server.http("POST", "/ksql", b"{\"ksql\":\"SHOW STREAMS;\"}");
    assert_eq!(status, 403, "{answer}");
    assert!(answer.contains("\"error_code\":40300"), "{answer}");
    for path in ["/query", "/query-stream", "/inserts-stream", "/close-query"] {
        assert_eq!(server.http("POST", path, b"{}").0, 403, "{path}");
    }
    assert_eq!(server.http("GET", "/healthcheck", b"").0, 200);
    let told = server.try_sql("SHOW STREAMS;");
    assert!(String::from_utf8_lossy(&told.stderr).contains("--queries-file"), "{told:?}");

    assert_eq!(server.terminate(), Some(0));
    let server = start(&data, &file);
    server.replay("conn", &[r#"{"uid":"b","n":4}"#]);
    let big = server.until(|server| values(server, "all_big"), |values| values.len() >= 3);
    assert_eq!(big.len(), 3, "{big:?}");
    // The count goes on, too.
    server.until(|server| values(server, "COUNTS"), |values| values.last().is_some_and(|v| v == "{\"C\":3}"));
    assert_eq!(values(&server, "BIG").len(), 3);
}

#[test]
fn query_from_latest_keeps_its_beginning_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("queries.sql"));
    std::fs::write(&file, QUERIES.replace("earliest", "latest")).unwrap();
    // Killed before or after the results were committed: they come once.
    for n in 2..6 {
        let server = start(&data, &file);
        server.replay("conn", &[&format!("{{\"uid\":\"a\",\"n\":{n}}}")]);
        server.kill();
    }
    let server = start(&data, &file);
    let big = server.until(|server| values(server, "BIG"), |values| values.len() >= 4);
    let numbers: Vec<&str> = big.iter().filter_map(|value| value.split("\"N\":").nth(1)).collect();
    assert_eq!(numbers, ["2}", "3}", "4}", "5}"]);
}

#[test]
fn wrong_files_are_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.sql");
    let created = "CREATE STREAM c (n INT) WITH (KAFKA_TOPIC='c', VALUE_FORMAT='JSON');\n";
    for (text, wanted) in [
        (format!("{created}CREATE STREAM d AS SELECT m FROM c;\n"), &["line 2:27", "^", "\"M\""][..]),
        (format!("{created}\nSHOW STREAMS;"), &["line 3:1", "cannot stand in a queries file"]),
        (format!("{created}DROP STREAM c;"), &["line 2:1"]),
        (created.to_owned(), &["starts no query"]),
        (format!("{created}CREATE STREAM d AS SELECT n FROM c"), &["line 2:1", "does not end with ';'"]),
        ("CRATE STREAM x;".to_owned(), &["line 1:1", "did you mean CREATE?"]),
    ] {
        std::fs::write(&file, &text).unwrap();
        let data = folder.path().join("data");
        let done = tripline()
            .args([
                "server",
                "--listen",
                "127.0.0.1:0",
                "--kafka-listen",
                "none",
                "--queries-file",
                file.to_str().unwrap(),
                "--data",
            ])
            .arg(&data)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{text}: {told}");
        assert!(told.contains("queries.sql"), "{told}");
        for part in wanted {
            assert!(told.contains(part), "{text}: no {part} in {told}");
        }
    }
    let done = tripline()
        .args([
            "server",
            "--listen",
            "127.0.0.1:0",
            "--kafka-listen",
            "none",
            "--queries-file",
            "/nowhere.sql",
            "--data",
        ])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("cannot read queries file"), "{done:?}");
}

#[test]
fn config_prints_every_setting_with_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.properties");
    std::fs::write(
        &file,
        "# comment\nnum.partitions=3\nksql.streams.commit.interval.ms=50\nksql.service.id=mine_\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let config = |arguments: &[&str]| tripline().arg("config").args(arguments).output().unwrap();
    let done = config(&["--config", file, "--set", "num.partitions=4", "--listen", "127.0.0.1:9"]);
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    let row = |name: &str| {
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!(" {name} ")))
            .unwrap_or_else(|| panic!("{name} in {shown}"));
        line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    // The command line wins over the file.
    assert_eq!(row("num.partitions")[1..3], ["4", "command line"]);
    assert_eq!(row("listeners")[1..3], ["127.0.0.1:9", "command line"]);
    assert_eq!(row("commit.interval.ms")[1], "50");
    assert!(row("commit.interval.ms")[2].contains("server.properties"), "{shown}");
    assert_eq!(row("auto.offset.reset")[1..3], ["latest", "default"]);
    assert!(!row("auto.offset.reset")[3].is_empty());
    // What a running server has in force is the same list.
    let server = Server::start_with(&folder.path().join("data"), &["--config", file]);
    let (_, answer) = server.http("GET", "/api/v1/properties", b"");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let properties = answer["properties"].as_array().unwrap();
    assert!(properties.len() > 40);
    for property in properties {
        assert_eq!(row(property["name"].as_str().unwrap()).len(), 4, "{property}");
    }

    for (arguments, wanted) in [
        (&["--set", "num.partition=4"][..], &["num.partition", "num.partitions", "command line"][..]),
        (&["--set", "num.partitions=many"], &["num.partitions", "whole number", "command line"]),
        (&["--set", "num.partitions"], &["NAME=VALUE"]),
        (&["--set", "auto.offset.reset=earlyest"], &["latest, earliest"]),
        (&["--set", "listeners=https://x:1"], &["listeners", "https"]),
        (&["--set", "ssl.keystore.password=hunter2"], &["ssl.keystore.password"]),
        (&["--config", "/nowhere.properties"], &["/nowhere.properties"]),
    ] {
        let done = config(arguments);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {told}");
        for part in wanted {
            assert!(told.contains(part), "{arguments:?}: no {part} in {told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}
