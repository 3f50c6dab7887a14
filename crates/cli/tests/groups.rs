//! `tripline group` and the format letters of `tripline topic consume`, against a server.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use std::process::{Output, Stdio};

use program::{Server, tripline};

/// Runs `tripline group` with arguments.
fn group(address: &str, arguments: &[&str]) -> Output {
    tripline().args(["group", "--bootstrap-server", address]).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must succeed.
fn shown(address: &str, arguments: &[&str]) -> String {
    let done = group(address, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

/// Returns the cells of the first row that has all of some cells.
fn row(table: &str, cells: &[&str]) -> Vec<String> {
    let mut rows =
        table.lines().map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    rows.find(|row| cells.iter().all(|cell| row.iter().any(|other| other == cell)))
        .unwrap_or_else(|| panic!("no row with {cells:?} in\n{table}"))
}

#[test]
fn group_is_moved_only_when_it_is_meant() {
    let data = tempfile::tempdir().unwrap();
    let (server, address) = Server::start_for_kafka(data.path());
    server.replay("t", &[r#"{"ts":1000,"a":1}"#, r#"{"ts":2000,"a":2}"#, r#"{"ts":3000,"a":3}"#]);
    let seek = |target: &[&str]| shown(&address, &[&["seek", "g", "--topic", "t"], target].concat());
    let told = seek(&["--to-earliest"]);
    assert!(told.contains("nothing was changed"), "{told}");
    assert!(!group(&address, &["describe", "g"]).status.success());
    seek(&["--to-earliest", "--execute"]);
    let described = shown(&address, &["describe", "g"]);
    // The end lies behind the transaction's marker.
    let end = row(&described, &["t"])[3].clone();
    let head = format!("group g (classic): Empty, members: 0, lag {end}");
    assert!(described.starts_with(&head), "{described}");
    assert_eq!(shown(&address, &["describe", "--all"]), described);
    shown(&address, &["seek", "h", "--topic", "t", "--to-latest", "--execute"]);
    let both = shown(&address, &["describe", "--all"]);
    assert!(both.starts_with(&described) && both.contains("\n\ngroup h (classic)"), "{both}");
    let some = group(&address, &["describe", "nobody", "g"]);
    assert!(!some.status.success() && text(&some.stdout) == described, "{some:?}");
    assert_eq!(row(&seek(&["--shift-by", "2"]), &["t"])[2..], ["0", "2"]);
    assert_eq!(row(&seek(&["--to-time", "1970-01-01T00:33:20Z"]), &["t"])[3], "1");
    assert_eq!(row(&seek(&["--to-offset", "99", "--execute"]), &["t"])[3], end);
    assert!(shown(&address, &["describe", "g"]).contains("lag 0"));
    assert!(row(&shown(&address, &["list"]), &["g"]).contains(&"Empty".to_owned()));
    shown(&address, &["delete", "g"]);
    let again = group(&address, &["delete", "g"]);
    assert!(text(&again.stderr).contains("group \"g\" does not exist"), "{again:?}");
}

#[test]
fn query_is_a_group_that_cannot_be_moved() {
    let data = tempfile::tempdir().unwrap();
    let (server, address) = Server::start_for_kafka(data.path());
    server.replay("t", &[r#"{"ts":1000,"a":1}"#, r#"{"ts":2000,"a":2}"#]);
    server.sql(
        "SET 'auto.offset.reset'='earliest'; \
         CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON'); \
         CREATE STREAM u AS SELECT a FROM s;",
    );
    let listed = server.until(|_| shown(&address, &["list"]), |listed| listed.contains("Stable"));
    let line = listed.lines().find(|line| line.contains("Stable")).unwrap();
    let name = line.split('|').map(str::trim).find(|cell| !cell.is_empty()).unwrap().to_owned();
    let described =
        server.until(|_| shown(&address, &["describe", &name]), |described| described.contains("lag 0"));
    let row = row(&described, &["t", "0"]);
    assert!(row[2] == row[3] && row[4] == "0", "{described}");
    let refused = group(&address, &["seek", &name, "--to-earliest", "--execute"]);
    assert!(text(&refused.stderr).contains("members: 1, state Stable"), "{refused:?}");
    assert!(text(&group(&address, &["delete", &name]).stderr).contains("has members"));
}

#[test]
fn records_are_printed_byte_for_byte_into_a_pipe() {
    let data = tempfile::tempdir().unwrap();
    let (server, _) = Server::start_for_kafka(data.path());
    let (status, _) = server.http(
        "POST",
        "/api/v1/topics/t/records",
        b"{\"key\":\"k\",\"value\":\"a\\u001bb\",\"timestamp\":5}\n",
    );
    assert_eq!(status, 200);
    let consume = |format: &str| {
        let arguments = ["topic", "consume", "t", "--from-beginning", "--exit", "-f", format];
        tripline().args(["--log", "error"]).args(arguments).args(["--server", &server.url]).output().unwrap()
    };
    assert_eq!(text(&consume("%t %p %o %T %k %K %S %h|\\n").stdout), "t 0 0 5 k 1 3 |\n");
    assert_eq!(consume("%s%R").stdout, b"a\x1bb\0\0\0\x03");
    assert!(text(&consume("%z").stderr).contains("none of %t"));
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let data = tempfile::tempdir().unwrap();
    let (server, address) = Server::start_for_kafka(data.path());
    server.replay("t", &[r#"{"ts":1000,"a":1}"#]);
    let closed = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = tripline().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{arguments:?}: {done:?}");
    };
    // What was to be done is done all the same.
    let seek = ["seek", "g", "--topic", "t", "--to-latest", "--execute"];
    closed(&[&["group", "--bootstrap-server", &address], &seek[..]].concat());
    assert!(shown(&address, &["describe", "g"]).contains("lag 0"));
    closed(&["group", "--bootstrap-server", &address, "list"]);
    closed(&["topic", "--server", &server.url, "list"]);
    closed(&["topic", "--server", &server.url, "consume", "t", "-o", "beginning", "-e"]);
    closed(&["config"]);
}

#[test]
fn what_is_not_there_is_told() {
    let data = tempfile::tempdir().unwrap();
    let (_server, address) = Server::start_for_kafka(data.path());
    let refused = |arguments: &[&str], wanted: &str| {
        let done = group(&address, arguments);
        assert!(!done.status.success() && text(&done.stderr).contains(wanted), "{arguments:?}: {done:?}");
    };
    refused(&["describe", "g"], "group \"g\" does not exist");
    refused(&["describe", "g", "h"], "group \"h\" does not exist");
    refused(&["describe"], "<GROUP>");
    assert_eq!(shown(&address, &["describe", "--all"]), "");
    refused(&["seek", "g", "--to-earliest"], "--topic names the topics to begin with");
    refused(&["seek", "g", "--topic", "u", "--to-earliest"], "topic \"u\" cannot be read: there is none");
    refused(&["seek", "g", "--topic", "u", "--to-time", "yesterday"], "2026-01-31T12:00:00Z");
    refused(&["delete", "g", "--topic", "u"], "topic \"u\" cannot be read: there is none");
}

#[test]
fn nobody_listening_is_told() {
    let done = group("127.0.0.1:1", &["list"]);
    assert!(!done.status.success());
    assert!(text(&done.stderr).contains("cannot connect to the Kafka side"), "{done:?}");
}
