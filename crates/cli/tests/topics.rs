//! Settings of topics: the same for every way in which a topic is made, and changed while the server runs.

#![allow(clippy::unwrap_used, reason = "tests; the lint does not see helpers of test files as such")]

mod program;

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{
    ApiKey, CreateTopicsRequest, CreateTopicsResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use program::{Server, tripline};

/// Makes a topic of one partition as a Kafka client does.
fn create_over_kafka(address: &str, topic: &str) {
    const VERSION: i16 = 5;
    let new = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let mut request = BytesMut::new();
    let key = ApiKey::CreateTopics;
    RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(VERSION)
        .encode(&mut request, key.request_header_version(VERSION))
        .unwrap();
    CreateTopicsRequest::default()
        .with_topics(vec![new])
        .with_timeout_ms(1000)
        .encode(&mut request, VERSION)
        .unwrap();
    let mut frame = BytesMut::new();
    frame.put_i32(request.len() as i32);
    frame.put_slice(&request);
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(program::PATIENCE)).unwrap();
    socket.write_all(&frame).unwrap();
    let mut length = [0; 4];
    socket.read_exact(&mut length).unwrap();
    let mut answer = vec![0; i32::from_be_bytes(length) as usize];
    socket.read_exact(&mut answer).unwrap();
    let mut answer = Bytes::from(answer);
    ResponseHeader::decode(&mut answer, key.response_header_version(VERSION)).unwrap();
    let answer = CreateTopicsResponse::decode(&mut answer, VERSION).unwrap();
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
}

/// Runs `tripline topic` and returns what it says, of an error too.
fn topic(server: &Server, arguments: &[&str]) -> (bool, String) {
    let done = tripline().arg("topic").args(arguments).args(["--server", &server.url]).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(text).unwrap())
}

/// Returns a setting of a topic, if it has it.
fn setting(server: &Server, name: &str, setting: &str) -> Option<String> {
    let (is_there, shown) = topic(server, &["describe", name]);
    assert!(is_there, "{shown}");
    shown.lines().find_map(|line| {
        let mut cells = line.split('|').map(str::trim).filter(|cell| !cell.is_empty());
        (cells.next() == Some(setting)).then(|| cells.next().unwrap_or_default().to_owned())
    })
}

#[test]
fn retention_reaches_topics_by_every_door() {
    for (given, expected) in [
        (&["log.retention.ms=5000000"][..], "5000000"),
        (&["kafka.log.retention.ms=6000000"], "6000000"),
        (&["log.retention.minutes=3"], "180000"),
        (&["log.retention.hours=2"], "7200000"),
        (&["kafka.log.retention.hours=-1"], "-1"),
        (&["log.retention.hours=2", "log.retention.ms=7000000"], "7000000"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let arguments: Vec<&str> = given.iter().flat_map(|text| ["--set", text]).collect();
        let (server, address) = Server::start_for_kafka_with(data.path(), &arguments);
        server.sql("CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='sql', VALUE_FORMAT='JSON', PARTITIONS=1);");
        assert!(topic(&server, &["create", "http"]).0);
        server.replay("replay", &[r#"{"ts":1000,"a":1}"#]);
        create_over_kafka(&address, "kafka");
        for door in ["sql", "http", "replay", "kafka"] {
            assert_eq!(setting(&server, door, "retention.ms").as_deref(), Some(expected), "{door} {given:?}");
        }
    }
}

#[test]
fn settings_of_a_topic_are_changed_and_taken_back() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    assert!(topic(&server, &["create", "t", "--set", "segment.bytes=2000000"]).0);
    let (_, told) =
        topic(&server, &["alter", "t", "--set", "retention.ms=86400000", "--unset", "segment.bytes"]);
    assert_eq!(told, "changed topic t\n");
    assert_eq!(setting(&server, "t", "retention.ms").as_deref(), Some("86400000"));
    assert_eq!(setting(&server, "t", "segment.bytes"), None);
    for (wrong, why) in [
        (&["alter", "t"][..], "--set"),
        (&["alter", "u", "--set", "retention.ms=1"], "\"u\""),
        (&["alter", "t", "--set", "retention.ms=soon"], "retention.ms"),
        (&["alter", "t", "--set", "retention.ms=1", "--set", "nonsense=1"], "nonsense"),
        (&["alter", "t", "--set", "a=1", "--unset", "a"], "both set and unset"),
        (
            &["alter", "t", "--unset", "retention.sm"],
            "no topic setting \"retention.sm\", the nearest is \"retention.ms\"",
        ),
    ] {
        let (is_done, told) = topic(&server, wrong);
        assert!(!is_done && told.contains(why), "{wrong:?}: {told}");
    }
    // All or nothing.
    assert_eq!(setting(&server, "t", "retention.ms").as_deref(), Some("86400000"));
}
