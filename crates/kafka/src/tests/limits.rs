//! Bounds on what clients may hold: connections, silence, answers they do not read, what they make the broker unpack; and
//! what is never told.

use std::time::Duration;

use commitlog::{BatchBuilder, Compression};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Fixture, text, topic};

const SECRET: &str = "canary-in-the-config";

fn wait_a_little() {
    std::thread::park_timeout(Duration::from_millis(5));
}

#[test]
fn one_address_has_its_bound_of_connections() {
    let fixture = Fixture::start(&[("max.connections.per.ip", "2")]);
    let mut first = fixture.client();
    first.ask(1, &MetadataRequest::default());
    let mut second = fixture.client();
    second.ask(1, &MetadataRequest::default());
    assert!(fixture.client().receive_raw().is_none());
    drop(first);
    // The place is given back when the broker has seen the end.
    for _ in 0..2000 {
        let mut third = fixture.client();
        third.send_lenient(1, &MetadataRequest::default());
        if third.receive_raw().is_some() {
            return;
        }
        wait_a_little();
    }
    panic!("the place is not given back");
}

#[test]
fn silent_connection_is_closed() {
    let fixture = Fixture::start(&[("connections.max.idle.ms", "1000")]);
    let mut client = fixture.client();
    client.ask(1, &MetadataRequest::default());
    assert!(client.receive_raw().is_none());
}

#[test]
fn answers_that_are_not_read_do_not_pile_up() {
    const BATCH_LEN: usize = 900_000;
    let fixture = Fixture::start(&[("queued.max.answer.bytes", "4000000")]);
    fixture.create_topic("t", 1);
    let value = vec![7; BATCH_LEN];
    for _ in 0..20 {
        let mut builder = BatchBuilder::new();
        builder.append(1_000_000, None, Some(&value), &[]);
        let (_, ticket) = fixture.log.append_durable("t", 0, &mut builder.finish().to_vec(), 0).unwrap();
        ticket.wait().unwrap();
    }
    let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(20 << 20);
    let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(vec![partition]);
    let fetch = FetchRequest::default().with_max_bytes(20 << 20).with_topics(vec![part]);
    let mut clients: Vec<_> = (0..5).map(|_| fixture.client()).collect();
    for client in &mut clients {
        for _ in 0..10 {
            client.send(12, &fetch);
        }
    }
    let mut most = 0;
    for _ in 0..200 {
        most = most.max(fixture.running.broker.answer_bytes.waiting());
        wait_a_little();
    }
    // Each connection has two answers at most; the first ones may be large, then one batch is given at a time.
    assert!(most > 0 && most < 5 * (4_000_000 + 3 * BATCH_LEN), "{most}");
    // Who reads again gets all that was asked for.
    for _ in 0..10 {
        assert!(clients[0].receive_raw().is_some());
    }
}

#[test]
fn batch_that_unpacks_to_too_much_is_refused() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut builder = BatchBuilder::with_compression(Compression::Zstd);
    builder.append(1_000_000, None, Some(&vec![0; commitlog::UNPACKED_BATCH_BYTES_MAX + 1]), &[]);
    let bomb = builder.finish().to_vec();
    assert!(bomb.len() < 1_000_000);
    let data = produce_request::PartitionProduceData::default().with_records(Some(bomb.into()));
    let part =
        produce_request::TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
    let produce = ProduceRequest::default().with_acks(-1).with_topic_data(vec![part]);
    let code = fixture.client().ask(9, &produce).responses[0].partition_responses[0].error_code;
    assert!([ResponseError::MessageTooLarge.code(), ResponseError::CorruptMessage.code()].contains(&code));
    assert_eq!(fixture.log.offsets("t", 0).unwrap().next, 0);
}

#[test]
fn secrets_are_not_told() {
    let users = format!("user_alice=\"{SECRET}\";");
    let fixture = Fixture::start(&[("plain.sasl.jaas.config", &users)]);
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(text("1"))
        .with_configuration_keys(None);
    let mut client = fixture.client();
    let describe = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    client.send(4, &describe);
    let frame = client.receive_raw().unwrap();
    let has = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    assert!(!has(&frame) && frame.len() > 1000);
    let shown = format!("{:?}", fixture.running.broker.config);
    assert!(!has(shown.as_bytes()) && shown.contains("plain.sasl.jaas.config"));
}
