//! Versions that Kafka 4 gave up, byte by byte, as pykafka and old sarama write them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use commitlog::{Batch, BatchBuilder, Compression, Isolation, batch_from_messages, messages_from_batch};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};
use proptest::prelude::*;

use super::client::{Client, Fixture};
use super::transactions::Producer;
use crate::legacy::VERSIONS;

fn texted(out: &mut BytesMut, text: &str) {
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

/// Sends a request and returns the answer behind its correlation id.
fn ask(client: &mut Client, key: ApiKey, version: i16, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i16(key as i16);
    frame.put_i16(version);
    frame.put_i32(77);
    texted(&mut frame, "old");
    frame.put_slice(body);
    client.send_raw(&frame);
    let mut answer = client.receive_raw().unwrap();
    assert_eq!(answer.get_i32(), 77);
    answer
}

fn messages(magic: i8, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::with_compression(Compression::Gzip);
    for (number, value) in values.iter().enumerate() {
        builder.append(500 + number as i64, Some(b"k"), Some(value.as_bytes()), &[]);
    }
    let batch = builder.finish().to_vec();
    let mut out = Vec::new();
    let batch = Batch::parse(&batch).unwrap();
    messages_from_batch(&batch, magic, 0, usize::MAX, &mut Vec::new(), &mut out).unwrap();
    out
}

/// Produces to `t`-0; returns the error and the offset.
fn produce(client: &mut Client, version: i16, records: &[u8]) -> (i16, i64) {
    let mut body = BytesMut::new();
    body.put_i16(-1);
    body.put_i32(1000);
    body.put_i32(1);
    texted(&mut body, "t");
    body.put_i32(1);
    body.put_i32(0);
    body.put_i32(records.len() as i32);
    body.put_slice(records);
    let mut answer = ask(client, ApiKey::Produce, version, &body);
    // One topic "t", one partition 0.
    answer.advance(4 + 3 + 4 + 4);
    let found = (answer.get_i16(), answer.get_i64());
    if version >= 2 {
        assert_eq!(answer.get_i64(), -1);
    }
    if version >= 1 {
        assert_eq!(answer.get_i32(), 0);
    }
    assert!(answer.is_empty());
    found
}

/// Fetches from `t`-0; returns the message set.
fn fetch(client: &mut Client, version: i16, offset: i64, wait_ms: i32, bytes_max: i32) -> Bytes {
    let mut body = BytesMut::new();
    body.put_i32(-1);
    body.put_i32(wait_ms);
    body.put_i32(1);
    if version >= 3 {
        body.put_i32(1 << 20);
    }
    body.put_i32(1);
    texted(&mut body, "t");
    body.put_i32(1);
    body.put_i32(0);
    body.put_i64(offset);
    body.put_i32(bytes_max);
    let mut answer = ask(client, ApiKey::Fetch, version, &body);
    if version >= 1 {
        assert_eq!(answer.get_i32(), 0);
    }
    answer.advance(4 + 3 + 4 + 4);
    assert_eq!(answer.get_i16(), 0);
    answer.advance(8);
    assert_eq!(answer.get_i32() as usize, answer.len());
    answer
}

/// Returns offset, magic and value of every message of an unpacked set.
fn parsed(mut set: Bytes) -> Vec<(i64, i8, String)> {
    let mut found = Vec::new();
    while !set.is_empty() {
        let offset = set.get_i64();
        let mut body = set.split_to(4 + set.clone().get_i32() as usize);
        body.advance(4);
        let whole = [&[0; 8][..], &(body.len() as i32).to_be_bytes(), &body].concat();
        assert!(batch_from_messages(&whole, 1000).unwrap().is_some(), "its checksum is right");
        body.advance(4);
        let magic = body.get_i8();
        body.advance(1 + if magic > 0 { 8 } else { 0 });
        let key = body.get_i32();
        body.advance(key as usize + 4);
        found.push((offset, magic, String::from_utf8(body.to_vec()).unwrap()));
    }
    found
}

fn expected(magic: i8, values: &[(i64, &str)]) -> Vec<(i64, i8, String)> {
    values.iter().map(|(offset, value)| (*offset, magic, (*value).to_owned())).collect()
}

#[test]
fn messages_of_old_producers_reach_old_and_new_consumers() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    for version in 0..=2 {
        let sent = messages((version > 1) as i8, &["a", "b"]);
        assert_eq!(produce(&mut client, version, &sent), (0, 2 * version as i64));
    }
    let all = [(0, "a"), (1, "b"), (2, "a"), (3, "b"), (4, "a"), (5, "b")];
    for version in 0..=3 {
        let magic = (version > 1) as i8;
        let set = fetch(&mut client, version, 0, 100, 1 << 20);
        assert_eq!(parsed(set), expected(magic, &all));
        // Not from the batch's first message but from the one asked for; never less than one.
        let set = fetch(&mut client, version, 3, 100, 1);
        assert_eq!(parsed(set), expected(magic, &all[3..4]));
        assert!(fetch(&mut client, version, 6, 10, 1 << 20).is_empty());
    }
    let mut bytes = Vec::new();
    fixture.log.partition("t", 0).unwrap().read(0, 1 << 20, Isolation::ReadUncommitted, &mut bytes).unwrap();
    assert_eq!(Batch::parse(&bytes).unwrap().base_timestamp(), -1);
}

#[test]
fn damaged_messages_are_refused() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let mut sent = messages(0, &["a"]);
    *sent.last_mut().unwrap() ^= 1;
    assert_eq!(produce(&mut client, 0, &sent), (ResponseError::CorruptMessage.code(), -1));
    sent.truncate(20);
    assert_eq!(produce(&mut client, 1, &sent), (ResponseError::CorruptMessage.code(), -1));
}

#[test]
fn old_consumers_pass_the_markers_of_transactions() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut producer = Producer::new(&fixture);
    producer.add_partition("t");
    producer.produce(11);
    producer.end(4, true);
    let mut client = fixture.client();
    // The marker at the end is nothing; what follows it is found.
    assert!(fetch(&mut client, 2, 1, 30, 1 << 20).is_empty());
    assert_eq!(produce(&mut client, 2, &messages(1, &["after"])), (0, 2));
    assert_eq!(parsed(fetch(&mut client, 2, 1, 30, 1)), expected(1, &[(2, "after")]));
}

#[test]
fn offsets_are_listed_and_committed_in_the_first_versions() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    produce(&mut client, 2, &messages(1, &["a", "b", "c"]));
    for (timestamp, count, offsets) in [
        (-1, 1, vec![3]),
        (-1, 9, vec![3, 0]),
        (-2, 9, vec![0]),
        (501, 9, vec![1, 0]),
        (9999, 1, vec![3]),
        (-1, 0, vec![]),
    ] {
        let mut body = BytesMut::new();
        body.put_i32(-1);
        body.put_i32(1);
        texted(&mut body, "t");
        body.put_i32(1);
        body.put_i32(0);
        body.put_i64(timestamp);
        body.put_i32(count);
        let mut answer = ask(&mut client, ApiKey::ListOffsets, 0, &body);
        answer.advance(4 + 3 + 4 + 4);
        assert_eq!(answer.get_i16(), 0);
        let found: Vec<i64> = (0..answer.get_i32()).map(|_| answer.get_i64()).collect();
        assert_eq!(found, offsets);
    }
    for version in [0, 1] {
        let mut body = BytesMut::new();
        texted(&mut body, "g");
        if version == 1 {
            body.put_i32(-1);
            texted(&mut body, "");
        }
        body.put_i32(1);
        texted(&mut body, "t");
        body.put_i32(1);
        body.put_i32(0);
        body.put_i64(1 + version as i64);
        if version == 1 {
            body.put_i64(-1);
        }
        texted(&mut body, "m");
        let answer = ask(&mut client, ApiKey::OffsetCommit, version, &body);
        assert_eq!(answer[..], [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        let mut body = BytesMut::new();
        texted(&mut body, "g");
        body.put_i32(1);
        texted(&mut body, "t");
        body.put_i32(1);
        body.put_i32(0);
        let mut answer = ask(&mut client, ApiKey::OffsetFetch, 0, &body);
        answer.advance(4 + 3 + 4 + 4);
        assert_eq!(answer.get_i64(), 1 + version as i64);
        assert_eq!(answer[..], [0, 1, b'm', 0, 0]);
    }
}

#[test]
fn topics_are_made_and_deleted_in_the_first_versions() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    for version in [0, 1] {
        let mut body = BytesMut::new();
        body.put_i32(1);
        texted(&mut body, "t");
        body.put_i32(3);
        body.put_i16(1);
        body.put_i32(0);
        body.put_i32(0);
        body.put_i32(1000);
        if version == 1 {
            body.put_u8(0);
        }
        let answer = ask(&mut client, ApiKey::CreateTopics, version, &body);
        assert_eq!(answer[..9], [0, 0, 0, 1, 0, 1, b't', 0, 0]);
        // The message came with version 1.
        assert_eq!(answer.len(), 9 + 2 * version as usize);
        assert_eq!(fixture.log.describe_topic("t").unwrap().partitions, 3);
        let mut body = BytesMut::new();
        body.put_i32(1);
        texted(&mut body, "t");
        body.put_i32(1000);
        let answer = ask(&mut client, ApiKey::DeleteTopics, 0, &body);
        assert_eq!(answer[..], [0, 0, 0, 1, 0, 1, b't', 0, 0]);
    }
}

#[test]
fn versions_served_are_those_listed() {
    let fixture = Fixture::start(&[]);
    let answer = fixture.client().ask(
        3,
        &ApiVersionsRequest::default()
            .with_client_software_name(super::client::text("a"))
            .with_client_software_version(super::client::text("1")),
    );
    for (key, first, _) in VERSIONS {
        let listed = answer.api_keys.iter().find(|listed| listed.api_key == *key as i16).unwrap();
        assert_eq!(listed.min_version, *first);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_old_decoders_panic(
        which in 0..VERSIONS.len(),
        step in 0i16..4,
        body in prop::collection::vec(prop_oneof![3 => Just(0u8), 2 => Just(1u8), 1 => Just(0xffu8), 2 => any::<u8>()], 0..200),
    ) {
        let (key, first, last) = VERSIONS[which];
        let mut frame = BytesMut::new();
        frame.put_i16(key as i16);
        frame.put_i16(first + step % (last - first + 1));
        frame.put_i32(1);
        frame.put_i16(-1);
        frame.put_slice(&body);
        crate::check_request(&frame);
    }
}
