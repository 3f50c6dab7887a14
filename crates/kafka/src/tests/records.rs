//! Produce, Fetch, ListOffsets: what goes in comes out, and errors are those of Kafka.

use bytes::Bytes;
use commitlog::{BatchBuilder, batches, set_producer};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_response::FetchResponse;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, text, topic};

fn batch(key: Option<&str>, value: &str, timestamp: i64, count: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for _ in 0..count {
        builder.append(timestamp, key.map(str::as_bytes), Some(value.as_bytes()), &[]);
    }
    builder.finish().to_vec()
}

fn produce(client: &mut Client, name: &str, partition: i32, acks: i16, records: Vec<u8>) -> (i16, i64) {
    let request = produce_request(name, partition, acks, records);
    let answer = client.ask(9, &request);
    let part = &answer.responses[0].partition_responses[0];
    (part.error_code, part.base_offset)
}

fn produce_request(name: &str, partition: i32, acks: i16, records: Vec<u8>) -> ProduceRequest {
    let data = produce_request::PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(Bytes::from(records)));
    let part =
        produce_request::TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_topic_data(vec![part])
}

fn fetch_request(name: &str, offset: i64, wait_ms: i32) -> FetchRequest {
    let partition =
        fetch_request::FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let part = fetch_request::FetchTopic::default().with_topic(topic(name)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![part])
}

/// Returns error, offsets of the batches, high watermark.
fn fetched(answer: &FetchResponse) -> (i16, Vec<i64>, i64) {
    let part = &answer.responses[0].partitions[0];
    let records = part.records.clone().unwrap_or_default();
    let offsets = batches(&records).map(|batch| batch.unwrap().base_offset()).collect();
    (part.error_code, offsets, part.high_watermark)
}

#[test]
fn records_come_back_as_they_were_sent() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let sent = batch(Some("k"), "value", 999_000, 3);
    assert_eq!(produce(&mut client, "t", 0, -1, sent.clone()), (0, 0));
    assert_eq!(produce(&mut client, "t", 0, 1, sent.clone()), (0, 3));
    let answer = client.ask(12, &fetch_request("t", 1, 0));
    assert_eq!(fetched(&answer), (0, vec![0, 3], 6));
    let records = answer.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(&records[..sent.len()], sent.as_slice());
    assert_eq!(fixture.log.offsets("t", 0).unwrap().durable, 3);
}

#[test]
fn errors_of_a_produce_are_those_of_kafka() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    fixture.log.alter_topic("t", &[("max.message.bytes", Some("200"))]).unwrap();
    fixture.create_topic("compacted", 1);
    fixture.log.alter_topic("compacted", &[("cleanup.policy", Some("compact"))]).unwrap();
    let mut client = fixture.client();
    let good = || batch(Some("k"), "value", 999_000, 1);
    let mut flipped = good();
    flipped[65] ^= 1;
    let mut two = good();
    two.extend(good());
    let mut old = good();
    old[16] = 1;
    let cases = [
        ("nowhere", 0, -1, good(), ResponseError::UnknownTopicOrPartition),
        ("t", 1, -1, good(), ResponseError::UnknownTopicOrPartition),
        ("t", -1, -1, good(), ResponseError::UnknownTopicOrPartition),
        ("t", 0, 2, good(), ResponseError::InvalidRequiredAcks),
        ("t", 0, -1, Vec::new(), ResponseError::InvalidRecord),
        ("t", 0, -1, good()[..70].to_vec(), ResponseError::InvalidRecord),
        ("t", 0, -1, flipped, ResponseError::CorruptMessage),
        ("t", 0, -1, two, ResponseError::InvalidRecord),
        ("t", 0, -1, old, ResponseError::InvalidRecord),
        ("t", 0, -1, batch(None, &"x".repeat(200), 0, 1), ResponseError::MessageTooLarge),
        ("t", 0, -1, batch(None, "late", 5_000_001, 1), ResponseError::InvalidTimestamp),
        ("compacted", 0, -1, batch(None, "v", 999_000, 1), ResponseError::InvalidRecord),
    ];
    for (number, (name, partition, acks, records, error)) in cases.into_iter().enumerate() {
        assert_eq!(produce(&mut client, name, partition, acks, records), (error.code(), -1), "case {number}");
    }
    assert_eq!(fixture.log.offsets("t", 0).unwrap().next, 0);
}

#[test]
fn refused_records_are_named() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("compacted", 1);
    fixture.log.alter_topic("compacted", &[("cleanup.policy", Some("compact"))]).unwrap();
    let mut builder = BatchBuilder::new();
    builder.append(1, Some(b"k"), None, &[]);
    builder.append(1, None, None, &[]);
    let request = produce_request("compacted", 0, -1, builder.finish().to_vec());
    let answer = fixture.client().ask(9, &request);
    let part = &answer.responses[0].partition_responses[0];
    let indexes: Vec<i32> = part.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!((part.error_code, indexes), (ResponseError::InvalidRecord.code(), vec![1]));
}

#[test]
fn produce_without_acks_is_not_answered_and_an_error_closes() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    client.send(9, &produce_request("t", 0, 0, batch(None, "v", 1, 1)));
    // The next answer is that of the next request.
    assert_eq!(produce(&mut client, "t", 0, -1, batch(None, "v", 1, 1)), (0, 1));
    client.send(9, &produce_request("nowhere", 0, 0, batch(None, "v", 1, 1)));
    assert!(client.receive_raw().is_none());
}

#[test]
fn idempotent_producer_is_held_to_its_sequence() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let id = client.ask(4, &InitProducerIdRequest::default().with_transactional_id(None)).producer_id;
    let mut send = |epoch: i16, sequence: i32| {
        let mut bytes = batch(None, "v", 1, 2);
        set_producer(&mut bytes, *id, epoch, sequence, false);
        produce(&mut client, "t", 0, -1, bytes)
    };
    assert_eq!(send(0, 0), (0, 0));
    assert_eq!(send(0, 2), (0, 2));
    assert_eq!(send(0, 0), (0, 0));
    assert_eq!(send(0, 9), (ResponseError::OutOfOrderSequenceNumber.code(), -1));
    assert_eq!(send(1, 0), (0, 4));
    assert_eq!(send(0, 4), (ResponseError::InvalidProducerEpoch.code(), -1));
    assert_eq!(send(1, 2), (0, 6));
}

#[test]
fn requests_sent_together_are_answered_in_their_order() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    for round in 0..8 {
        client.send(9, &produce_request("t", 0, -1, batch(None, "synced", 1_000_000, 1 + round)));
        client.send(9, &produce_request("t", 0, 0, batch(None, "not answered", 1_000_000, 1)));
        client.send(9, &produce_request("t", 0, 1, batch(None, "not synced", 1_000_000, 1)));
        client.send(12, &fetch_request("t", 0, 0));
    }
    let asked: Vec<i32> = (1..=32).filter(|id| id % 4 != 2).collect();
    let answered: Vec<i32> = asked
        .iter()
        .map(|_| i32::from_be_bytes(*client.receive_raw().unwrap().first_chunk().unwrap()))
        .collect();
    assert_eq!(answered, asked);
}

#[test]
fn fetch_waits_for_records() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let answer = client.ask(12, &fetch_request("t", 0, 0));
    assert_eq!(fetched(&answer), (0, vec![], 0));
    client.send(12, &fetch_request("t", 0, 15_000));
    assert_eq!(produce(&mut fixture.client(), "t", 0, -1, batch(None, "v", 1, 1)), (0, 0));
    assert_eq!(fetched(&client.receive::<FetchRequest>(12)), (0, vec![0], 1));
}

#[test]
fn errors_of_a_fetch_are_those_of_kafka() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let code = |answer: FetchResponse| fetched(&answer).0;
    assert_eq!(code(client.ask(12, &fetch_request("t", 5, 9_000))), ResponseError::OffsetOutOfRange.code());
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(code(client.ask(12, &fetch_request("nowhere", 0, 9_000))), unknown);
    let mut request = fetch_request("t", 0, 9_000);
    request.topics[0].partitions[0].current_leader_epoch = 3;
    assert_eq!(code(client.ask(12, &request)), ResponseError::UnknownLeaderEpoch.code());
    let mut request = fetch_request("", 0, 9_000);
    request.topics[0].topic_id = uuid::Uuid::from_u128(5);
    request.topics[0].topic = TopicName::default();
    assert_eq!(code(client.ask(13, &request)), ResponseError::UnknownTopicId.code());
}

#[test]
fn fetch_session_tells_only_what_changed() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    fixture.create_topic("other", 1);
    let mut client = fixture.client();
    produce(&mut client, "t", 0, -1, batch(None, "v", 1, 1));
    let mut first = fetch_request("t", 0, 0).with_session_epoch(0);
    first.topics.extend(fetch_request("other", 0, 0).topics);
    let answer = client.ask(12, &first);
    assert_eq!(answer.responses.len(), 2);
    let session = answer.session_id;
    assert!(session > 0);
    let next = |epoch: i32| {
        FetchRequest::default()
            .with_session_id(session)
            .with_session_epoch(epoch)
            .with_max_bytes(1 << 20)
            .with_min_bytes(1)
    };
    let mut moved = next(1);
    moved.topics = fetch_request("t", 1, 0).topics;
    assert!(client.ask(12, &moved).responses.is_empty());
    produce(&mut client, "other", 0, -1, batch(None, "v", 1, 1));
    let answer = client.ask(12, &next(2));
    assert_eq!((answer.responses.len(), &*answer.responses[0].topic), (1, &*topic("other")));
    // The offset did not move, so the records come again; the other topic can be forgotten.
    let forgotten =
        fetch_request::ForgottenTopic::default().with_topic(topic("other")).with_partitions(vec![0]);
    let answer = client.ask(12, &next(3).with_forgotten_topics_data(vec![forgotten]));
    assert!(answer.responses.is_empty());
    assert_eq!(client.ask(12, &next(9)).error_code, ResponseError::InvalidFetchSessionEpoch.code());
    let unknown = next(1).with_session_id(session + 1);
    assert_eq!(client.ask(12, &unknown).error_code, ResponseError::FetchSessionIdNotFound.code());
}

#[test]
fn first_batch_is_answered_however_small_the_bounds() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 2);
    let mut client = fixture.client();
    for partition in [0, 1] {
        produce(&mut client, "t", partition, -1, batch(None, &"x".repeat(500), 1, 1));
    }
    let mut request = fetch_request("t", 0, 0).with_max_bytes(10);
    let other = request.topics[0].partitions[0].clone().with_partition(1);
    request.topics[0].partitions.push(other);
    let answer = client.ask(12, &request);
    let lens: Vec<usize> =
        answer.responses[0].partitions.iter().map(|part| part.records.as_ref().unwrap().len()).collect();
    assert!(lens[0] > 500 && lens[1] == 0, "{lens:?}");
}

#[test]
fn offsets_are_found_by_time() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    for timestamp in [100, 300, 200] {
        produce(&mut client, "t", 0, -1, batch(None, "v", timestamp, 2));
    }
    let mut find = |timestamp: i64| {
        let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(timestamp);
        let part = list_offsets_request::ListOffsetsTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        let answer = client.ask(8, &ListOffsetsRequest::default().with_topics(vec![part]));
        let part = &answer.topics[0].partitions[0];
        assert_eq!(part.error_code, 0);
        (part.offset, part.timestamp)
    };
    assert_eq!(find(-1), (6, -1));
    assert_eq!(find(-2), (0, -1));
    assert_eq!(find(-3), (2, 300));
    assert_eq!(find(0), (0, 100));
    assert_eq!(find(101), (2, 300));
    assert_eq!(find(301), (-1, -1));
}

#[test]
fn topic_is_made_on_first_use_unless_forbidden() {
    let asked = || {
        let part = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("new")));
        MetadataRequest::default().with_topics(Some(vec![part]))
    };
    let fixture = Fixture::start(&[("num.partitions", "3")]);
    let mut client = fixture.client();
    let answer = client.ask(9, &asked().with_allow_auto_topic_creation(false));
    assert_eq!(answer.topics[0].error_code, ResponseError::UnknownTopicOrPartition.code());
    let answer = client.ask(9, &asked());
    assert_eq!((answer.topics[0].error_code, answer.topics[0].partitions.len()), (0, 3));
    let fixture = Fixture::start(&[("auto.create.topics.enable", "false")]);
    let answer = fixture.client().ask(9, &asked());
    assert_eq!(answer.topics[0].error_code, ResponseError::UnknownTopicOrPartition.code());
    let bad = metadata_request::MetadataRequestTopic::default().with_name(Some(TopicName(text("a b"))));
    let answer = fixture.client().ask(9, &MetadataRequest::default().with_topics(Some(vec![bad])));
    assert_eq!(answer.topics[0].error_code, ResponseError::InvalidTopicException.code());
}
