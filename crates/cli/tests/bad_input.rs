//! Bad input, from a file and over HTTP, into the real program: nothing panics, each bad record is told with its
//! place, the stream goes on, and all counts agree.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use std::io::Write as _;

use program::{Server, tripline};

const EARLIEST: &str = "SET 'auto.offset.reset'='earliest';";

/// A line, and whether it is a row (its id, and its n as shown) or an error (a word of its reason).
enum Fate {
    Row(&'static str, &'static str),
    Error(&'static str),
}
use Fate::{Error, Row};

fn lines() -> Vec<(Vec<u8>, Fate)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let with =
        |before: &str, middle: &[u8], after: &str| [before.as_bytes(), middle, after.as_bytes()].concat();
    vec![
        (text(r#"{"id":"first","n":1}"#), Row("first", "1")),
        (text(r#"{"id":"cut","n":"#), Error("JSON")),
        (text("no json at all"), Error("JSON")),
        (text(r#"{"n":2} {"n":3}"#), Error("JSON")),
        (text("[1,2]"), Error("")),
        (text(r#"{"id":"missing column"}"#), Row("missing column", "null")),
        (text(r#"{"id":"wrong type","n":"abc"}"#), Error("column N: ")),
        (text(r#"{"id":"wrong type","n":{"a":1}}"#), Error("column N: ")),
        (text(r#"{"id":"wrong type","n":1,"tags":"x"}"#), Error("column TAGS: ")),
        (with(r#"{"id":"deep","n":1,"tags":"#, &deep(10_000), "}"), Error("")),
        (with(r#"{"id":"deep elsewhere","n":1,"other":"#, &deep(10_000), "}"), Error("")),
        (with(r#"{"id":"#, b"\"\xff\xfe\"", r#","n":1}"#), Error("UTF-8")),
        (text(r#"{"id":"out of range","n":99999999999}"#), Error("column N: ")),
        (text(r#"{"id":"out of range","n":1e400}"#), Error("column N: ")),
        (text("{\"id\":\"raw\u{0}nul\",\"n\":1}"), Error("JSON")),
        (text(r#"{"id":"written\u0000nul","n":5}"#), Row("written\\x00nul", "5")),
        (text(r#"{"id":"twice","n":1,"n":7}"#), Row("twice", "7")),
        (text("{\"id\":\"\\u001b[2J\\u202eterminal\",\"n\":8}"), Row("\\x1b[2J\\u{202E}terminal", "8")),
        (text(r#"{"id":"last","n":9}"#), Row("last", "9")),
    ]
}

fn create(server: &Server, topic: &str) -> String {
    server.sql(&format!(
        "{EARLIEST} CREATE STREAM s_{topic} (id VARCHAR, n INT, tags ARRAY<VARCHAR>) \
         WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON', PARTITIONS=1); \
         CREATE STREAM good_{topic} AS SELECT id, n, ROWOFFSET AS o FROM s_{topic};"
    ));
    let queries = server.sql("SHOW QUERIES;");
    let name = format!("CSAS_GOOD_{}_", topic.to_uppercase());
    queries.split_whitespace().find(|word| word.starts_with(&name)).unwrap().to_owned()
}

/// The value of a metric of a query.
fn metric(server: &Server, name: &str, query: &str) -> u64 {
    let (_, text) = server.http("GET", "/metrics", b"");
    let start = format!("{name}{{query=\"{query}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |value| value.parse().unwrap())
}

/// Checks rows, processing log and counts of what stands in a topic.
fn check(server: &Server, topic: &str, query: &str, lines: &[(Vec<u8>, Fate)]) {
    let count = lines.len() as u64;
    server.until(
        |server| metric(server, "tripline_query_records_committed_total", query),
        |committed| *committed >= count,
    );
    let rows = lines.iter().filter(|(_, fate)| matches!(fate, Row(..))).count();
    let shown =
        server.sql(&format!("{EARLIEST} SELECT id, n, o FROM good_{topic} EMIT CHANGES LIMIT {rows};"));
    assert!(!shown.contains(['\u{1b}', '\u{0}', '\u{202e}']), "{shown:?}");
    let errors: Vec<(usize, &str)> = lines
        .iter()
        .enumerate()
        .filter_map(|(offset, (_, fate))| match fate {
            Error(reason) => Some((offset, *reason)),
            Row(..) => None,
        })
        .collect();
    let log = format!(
        "output JSON; {EARLIEST} SELECT message->deserializationError->`topic`, \
         message->deserializationError->`partition`, message->deserializationError->`offset`, \
         message->deserializationError->errorMessage FROM KSQL_PROCESSING_LOG \
         WHERE message->deserializationError->`topic` = '{topic}' EMIT CHANGES LIMIT {};",
        errors.len()
    );
    let told = server.sql(&log);
    for (offset, (_, fate)) in lines.iter().enumerate() {
        if let Row(id, n) = fate {
            let row = shown.lines().find(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                cells.get(1) == Some(id)
                    && cells.get(2) == Some(n)
                    && cells.get(3) == Some(&&*offset.to_string())
            });
            assert!(row.is_some(), "{topic}: no row {id} {n} {offset} in {shown}");
        }
    }
    for (offset, reason) in &errors {
        let start = format!("[\"{topic}\",0,{offset},");
        let line = told.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{topic}: offset {offset} is not told in {told}"));
        assert!(line.contains(reason), "{topic}: no {reason} in {line}");
    }
    // Everybody counts the same.
    let errors = errors.len() as u64;
    assert_eq!(metric(server, "tripline_query_errors_total", query), errors);
    assert_eq!(metric(server, "tripline_query_records_consumed_total", query), count);
    assert_eq!(metric(server, "tripline_query_records_produced_total", query), rows as u64);
    for (name, total) in [("s", count), ("good", rows as u64)] {
        let described = server.sql(&format!("DESCRIBE {name}_{topic} EXTENDED;"));
        assert!(described.contains(&format!("total-messages: {total:9} ")), "{described}");
        assert!(described.contains(&format!("total-errors: {errors:9}")), "{described}");
    }
    let queries = server.sql("SHOW QUERIES;");
    assert!(queries.contains(&format!("{query}: {errors} errors")), "{queries}");
}

#[test]
fn bad_records_are_told_and_the_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let lines = lines();
    let query = create(&server, "replayed");
    let file = folder.path().join("events.json");
    let text: Vec<u8> = lines.iter().flat_map(|(line, _)| [&line[..], b"\n"].concat()).collect();
    std::fs::write(&file, text).unwrap();
    let done = server.replay_files("replayed", &[file]);
    assert!(done.status.success(), "{done:?}");
    check(&server, "replayed", &query, &lines);

    let query = create(&server, "posted");
    let frames: Vec<u8> = lines
        .iter()
        .flat_map(|(line, _)| {
            let length = u32::try_from(line.len()).unwrap().to_be_bytes();
            [&(-1_i64).to_be_bytes()[..], &(-1_i32).to_be_bytes(), &length, line].concat()
        })
        .collect();
    let head = "content-type: application/octet-stream\r\n";
    let (status, body) = server.http_with("POST", "/api/v1/topics/posted/records", head, &frames);
    assert_eq!(status, 200, "{body}");
    check(&server, "posted", &query, &lines);
    // And after a restart with the same data it all still stands, without a panic in between.
    assert_eq!(server.terminate(), Some(0));
    let server = Server::start(&folder.path().join("data"));
    assert!(
        server
            .sql(&format!("{EARLIEST} SELECT id FROM good_posted EMIT CHANGES LIMIT 2;"))
            .contains("|first ")
    );
}

#[test]
fn wrong_lines_over_http_are_told_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let body =
        b"{\"value\":{\"n\":1}}\nnonsense\n{\"vlaue\":1}\n{\"value\":\"\xff\"}\n{\"value\":{\"n\":2}}\n";
    let (status, answer) = server.http("POST", "/api/v1/topics/t/records", body);
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"appended\":2,\"failed\":3"), "{answer}");
    for line in [2, 3, 4] {
        assert!(answer.contains(&format!("\"line\":{line},")), "{answer}");
    }
}

#[test]
fn line_of_100_megabytes_is_refused_and_replay_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("large.json");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    out.write_all(b"{\"id\":\"before\"}\n{\"id\":\"").unwrap();
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        out.write_all(&megabyte).unwrap();
    }
    out.write_all(b"\"}\n{\"id\":\"").unwrap();
    for _ in 0..5 {
        out.write_all(&megabyte).unwrap();
    }
    out.write_all(b"\"}\n{\"id\":\"after\"}\n").unwrap();
    out.into_inner().unwrap();
    let done = server.replay_files("large", std::slice::from_ref(&file));
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("2 events, "), "{done:?}");
    assert!(told.contains("large.json:2: ") && told.contains("large.json:3: "), "{told}");
    assert!(told.contains("max.message.bytes"), "{told}");
    let consume = ["topic", "consume", "large", "--from-beginning", "--exit", "--server", &server.url];
    let done = tripline().args(consume).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "{\"id\":\"before\"}\n{\"id\":\"after\"}\n");

    let body = [b"{\"value\":1}\n{\"value\":\"".to_vec(), vec![b'x'; 100 << 20], b"\"}\n".to_vec()].concat();
    let (status, answer) = server.http("POST", "/api/v1/topics/large/records", &body);
    // The server may hang up while the body is still on its way; what it said then is lost on the way.
    assert!(status == 413 || status == 0, "{status} {answer}");
    if status == 413 {
        assert!(answer.contains("max.message.bytes") && answer.contains("41300"), "{answer}");
    }
    assert!(server.sql("SHOW TOPICS;").contains(" large "));
}

#[test]
fn record_above_the_topics_limit_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let made = tripline()
        .args(["topic", "create", "small", "--set", "max.message.bytes=2000", "--server", &server.url])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let large = "x".repeat(5000);
    let body = format!("{{\"value\":\"{large}\"}}\n");
    let (status, answer) = server.http("POST", "/api/v1/topics/small/records", body.as_bytes());
    assert_eq!(status, 413, "{answer}");
    assert!(answer.contains("max.message.bytes = 2000"), "{answer}");
    // Many small ones together are no large one.
    let many = "{\"value\":{\"a\":1,\"b\":\"0123456789\"}}\n".repeat(500);
    let (status, answer) = server.http("POST", "/api/v1/topics/small/records", many.as_bytes());
    assert!(status == 200 && answer.contains("\"appended\":500,"), "{answer}");
    let file = folder.path().join("events.json");
    std::fs::write(&file, format!("{{\"a\":1}}\n{{\"a\":\"{large}\"}}\n{{\"a\":2}}\n")).unwrap();
    let done = server.replay_files("small", &[file]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("events.json:2: ") && told.contains("max.message.bytes"), "{told}");
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("2 events, "), "{done:?}");
}

#[test]
fn cut_gz_gives_what_is_whole_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let plain = folder.path().join("events.json");
    let lines: String =
        (0..20_000).map(|n| format!("{{\"id\":\"C{n}\",\"x\":{}}}\n", n * 7919 % 10_007)).collect();
    std::fs::write(&plain, lines).unwrap();
    let packed = std::process::Command::new("gzip").arg("-k").arg(&plain).status();
    if !packed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no gzip");
        return;
    }
    let file = folder.path().join("events.json.gz");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let done = server.replay_files("cut", &[file]);
    let (out, told) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(1), "{out}{told}");
    let sent: u64 = out.split(' ').next().unwrap().parse().unwrap();
    assert!((1000..20_000).contains(&sent), "{out}{told}");
    assert!(told.contains("events.json.gz"), "{told}");
    let consume =
        ["topic", "consume", "cut", "--from-beginning", "--exit", "-f", "%o\\n", "--server", &server.url];
    let done = tripline().args(consume).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout).lines().count() as u64, sent);
}
