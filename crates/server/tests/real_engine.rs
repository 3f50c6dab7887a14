//! The server with the real engine behind it: statements, records and rows over HTTP.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use engine::{Engine, EngineConfig};
use server::{Server, ServerConfig};

fn post(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn records_sent_over_http_come_out_of_a_query() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig { data_dir: folder.path().to_owned(), properties: vec![] };
    let engine = Engine::open(config).unwrap();
    let config = ServerConfig { listeners: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() };
    let running = Server::start(engine.clone(), config).unwrap();
    let address = running.addresses[0];

    let create = r#"{"ksql":"CREATE STREAM conn (uid STRING, n INT) WITH (KAFKA_TOPIC='zeek-conn.log', VALUE_FORMAT='JSON', PARTITIONS=1);"}"#;
    let answer = post(address, "POST", "/ksql", create);
    assert!(answer.contains("\"@type\":\"currentStatus\""), "{answer}");
    let lines =
        "{\"value\":{\"uid\":\"C1\",\"n\":1}}\n{\"timestamp\":5,\"value\":{\"uid\":\"C2\",\"n\":2}}\n";
    let answer = post(address, "POST", "/api/v1/topics/zeek-conn.log/records", lines);
    assert!(answer.contains("{\"appended\":2,\"failed\":0,"), "{answer}");
    let answer =
        post(address, "POST", "/inserts-stream", "{\"target\":\"CONN\"}\n{\"UID\":\"C3\",\"N\":3}\n");
    assert!(answer.contains("{\"status\":\"ok\",\"seq\":0}"), "{answer}");

    let answer = post(address, "GET", "/api/v1/topics/zeek-conn.log/records", "");
    assert!(answer.contains("C1") && answer.contains("C3"), "{answer}");
    let query = r#"{"sql":"SELECT uid, n FROM conn EMIT CHANGES LIMIT 3;","properties":{"auto.offset.reset":"earliest"}}"#;
    let answer = post(address, "POST", "/query-stream", query);
    for row in ["[\"C1\",1]", "[\"C2\",2]", "[\"C3\",3]"] {
        assert!(answer.contains(row), "{row} in {answer}");
    }
    let print = r#"{"ksql":"PRINT 'zeek-conn.log' FROM BEGINNING LIMIT 3;"}"#;
    let answer = post(address, "POST", "/query", print);
    assert_eq!(answer.matches("rowtime: ").count(), 3, "{answer}");

    let answer = post(address, "POST", "/ksql", r#"{"ksql":"SELECT * FROM conn;"}"#);
    assert!(answer.contains("40002"), "{answer}");
    let answer = post(address, "POST", "/query", r#"{"ksql":"SELECT nope FROM conn EMIT CHANGES;"}"#);
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("\"column\":"), "{answer}");
    for statement in ["SHOW TOPICS", "SHOW QUERIES", "SHOW FUNCTIONS", "SHOW PROPERTIES", "DESCRIBE conn"] {
        let answer = post(address, "POST", "/ksql", &format!("{{\"ksql\":\"{statement};\"}}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{statement}: {answer}");
    }
    let answer = post(address, "GET", "/is_valid_property/auto.offset.rest", "");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(post(address, "GET", "/healthcheck", "").contains("\"isHealthy\":true"));
    assert!(post(address, "GET", "/metrics", "").contains("\ntripline_http_requests_total{"));
    running.shutdown();
    engine.close();
}
