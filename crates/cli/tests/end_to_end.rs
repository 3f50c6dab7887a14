//! The program against itself: a server, events sent to it, questions asked.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use std::{io::Write, process::Stdio};

use program::{Server, tripline};

fn run(arguments: &[&str]) -> std::process::Output {
    tripline().args(arguments).output().unwrap()
}

#[test]
fn replayed_events_are_queried_printed_and_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let file = folder.path().join("conn.json");
    std::fs::write(
        &file,
        "{\"ts\":1589364400.5,\"uid\":\"C1\",\"note\":\"\\u001b[2J\"}\n{\"ts\":1589364401.5,\"uid\":\"C2\"}\n",
    )
    .unwrap();
    let done = run(&[
        "replay",
        "--topic",
        "conn",
        "--key",
        "uid",
        "--create-partitions",
        "1",
        "--server",
        &server.url,
        file.to_str().unwrap(),
    ]);
    assert!(done.status.success(), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("2 events, "), "{done:?}");

    let shown = server.sql(
        "CREATE STREAM conn_stream (uid STRING, note STRING) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');",
    );
    assert_eq!(shown, "\n Message        \n----------------\n Stream created \n----------------\n");
    let query = "SET 'auto.offset.reset'='earliest'; SELECT * FROM conn_stream EMIT CHANGES LIMIT 2;";
    let shown = server.sql(query);
    assert!(shown.contains("|C1 ") && shown.contains("|\\x1b[2J ") && shown.contains("|null "), "{shown}");
    assert!(shown.ends_with("Limit Reached\nQuery terminated\n"), "{shown}");

    let consume = [
        "topic",
        "consume",
        "conn",
        "--from-beginning",
        "--exit",
        "--format",
        "%t %p %o %k %T\\n",
        "--server",
    ];
    let done = run(&[&consume[..], &[&server.url]].concat());
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "conn 0 0 C1 1589364400500\nconn 0 1 C2 1589364401500\n"
    );

    assert_eq!(server.terminate(), Some(0));
    let server = Server::start(&data);
    assert!(server.sql("SHOW STREAMS;").contains("\n CONN_STREAM "));
    assert!(server.sql(query).contains("|C2 "));
}

#[test]
fn produced_lines_have_keys_and_wrong_statements_show_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut produce = tripline()
        .args(["topic", "produce", "t", "-K", ":", "--server", &server.url])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    produce.stdin.take().unwrap().write_all(b"a:1\nb:2\n3").unwrap();
    assert!(produce.wait().unwrap().success());
    let done = run(&[
        "topic",
        "consume",
        "t",
        "--from-beginning",
        "--exit",
        "-f",
        "%k=%s,",
        "--server",
        &server.url,
    ]);
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(shown.contains("a=1,") && shown.contains("b=2,") && shown.contains("=3,"), "{shown}");

    let done = run(&["sql", &server.url, "-e", "SHOW STREAMS;\nSELECT * FROM nowhere EMIT CHANGES;"]);
    assert_eq!(done.status.code(), Some(255));
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("NOWHERE") && told.contains("line 1:"), "{told}");
}

#[test]
fn demo_finds_everything() {
    let done = tripline().args(["demo", "--once", "--seed", "7"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
