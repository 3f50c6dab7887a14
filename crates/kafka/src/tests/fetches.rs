//! Fetches that wait for much, and many at the same time.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use commitlog::{BatchBuilder, SimulatedDisk};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Fixture, topic};
use crate::api;
use crate::connection::ConnectionState;
use crate::dispatch::Call;
use crate::frame::Asked;

const BATCH_LEN: usize = 100_000;

fn append(fixture: &Fixture) {
    let mut builder = BatchBuilder::new();
    builder.append(1_000_000, None, Some(&[7; BATCH_LEN]), &[]);
    let (_, ticket) = fixture.log.append_durable("t", 0, &mut builder.finish().to_vec(), 0).unwrap();
    ticket.wait().unwrap();
}

fn fetch(bytes_min: usize, partition_bytes_max: usize) -> FetchRequest {
    let partition =
        fetch_request::FetchPartition::default().with_partition_max_bytes(partition_bytes_max as i32);
    let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(vec![partition]);
    FetchRequest::default()
        // Longer than the client waits for an answer.
        .with_max_wait_ms(300_000)
        .with_min_bytes(bytes_min as i32)
        .with_max_bytes(50 << 20)
        .with_topics(vec![part])
}

/// A request of a client on this machine, or on another one.
fn call(fixture: &Fixture, is_near: bool) -> Call {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    Call {
        broker: fixture.running.broker.clone(),
        connection: Arc::new(ConnectionState::new(0, peer, is_near, false)),
        asked: Asked { api_key: ApiKey::Fetch as i16, version: 12, correlation_id: 1, client_id: None },
    }
}

fn bytes(answer: &FetchResponse) -> usize {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.records.as_ref().map_or(0, |records| records.len())).sum()
}

#[test]
fn fetch_is_answered_when_what_was_added_is_enough() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    append(&fixture);
    client.send(12, &fetch(4 * BATCH_LEN, 50 << 20));
    for _ in 0..3 {
        append(&fixture);
    }
    let got = bytes(&client.receive::<FetchRequest>(12));
    assert!((4 * BATCH_LEN..5 * BATCH_LEN).contains(&got), "{got}");
}

#[test]
fn fetch_does_not_wait_for_what_its_bounds_leave_out() {
    let fixture = Fixture::start(&[("fetch.max.bytes", "250000")]);
    fixture.create_topic("t", 1);
    for _ in 0..4 {
        append(&fixture);
    }
    let mut client = fixture.client();
    // Two whole batches fit.
    let answer = client.ask(12, &fetch(250_000, 250_000));
    assert_eq!(bytes(&answer) / BATCH_LEN, 2);
    assert_eq!(bytes(&client.ask(12, &fetch(300_000, 300_000))) / BATCH_LEN, 2);
}

#[test]
fn client_on_this_machine_gets_pieces() {
    let fixture = Fixture::start_on(Arc::new(SimulatedDisk::new()), Path::new("/log"), &[]);
    fixture.create_topic("t", 8);
    let fill = |partition, batch_len, batches| {
        let mut builder = BatchBuilder::new();
        builder.append(1_000_000, None, Some(&vec![7; batch_len]), &[]);
        let batch = builder.finish().to_vec();
        for _ in 0..batches {
            fixture.log.append_durable("t", partition, &mut batch.clone(), 0).unwrap().1.wait().unwrap();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = |bytes_min, bytes_max| {
        let partition = |index| {
            fetch_request::FetchPartition::default().with_partition(index).with_partition_max_bytes(bytes_max)
        };
        let partitions = (0..8).map(partition).collect();
        let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(partitions);
        fetch(bytes_min, 0).with_topics(vec![part])
    };
    let batches = |is_near, bytes_min, bytes_max| {
        let call = call(&fixture, is_near);
        let (answer, _) = runtime.block_on(api::fetch::answer(&call, request(bytes_min, bytes_max)));
        answer.responses[0].partitions[..3]
            .iter()
            .map(|partition| partition.records.as_ref().map_or(0, |records| records.len() / BATCH_LEN))
            .collect::<Vec<_>>()
    };
    const MIB: i32 = 1 << 20;
    fill(0, BATCH_LEN, 12);
    // One that is alone may give as much as several together.
    assert_eq!(batches(true, 1, MIB), [10, 0, 0]);
    assert_eq!(batches(true, 1, 4 * MIB), [10, 0, 0]);
    assert_eq!(batches(false, 1, 4 * MIB), [12, 0, 0]);
    fill(1, BATCH_LEN, 12);
    fill(2, 6 * BATCH_LEN, 2);
    // The third one's batch is longer than its piece.
    assert_eq!(batches(true, 1, MIB), [3, 3, 6]);
    assert_eq!(batches(true, 1, 5 * BATCH_LEN as i32), [3, 3, 0]);
    assert_eq!(batches(true, 1, BATCH_LEN as i32 * 2), [1, 1, 0]);
    assert_eq!(batches(false, 1, MIB), [10, 10, 6]);
    assert_eq!(bytes(&fixture.client().ask(12, &request(1, MIB))) / BATCH_LEN, 3 + 3 + 6);
    // Who wants to wait for much gets it.
    assert_eq!(batches(true, 2_000_000, MIB), [10, 10, 6]);
}

#[test]
fn batches_that_do_not_fit_are_not_read_for_ever() {
    let fixture = Fixture::start_on(Arc::new(SimulatedDisk::new()), Path::new("/log"), &[]);
    fixture.create_topic("t", 20);
    for partition in 0..20 {
        let mut builder = BatchBuilder::new();
        let value = vec![7; if partition == 19 { 10 } else { BATCH_LEN }];
        builder.append(1_000_000, None, Some(&value), &[]);
        fixture.log.append_durable("t", partition, &mut builder.finish().to_vec(), 0).unwrap();
    }
    let partition = |index: i32| {
        fetch_request::FetchPartition::default().with_partition(index).with_partition_max_bytes(1000)
    };
    let partitions = (0..20).map(partition).collect();
    let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(partitions);
    let told = |bytes_max| {
        let request = fetch(1, 0).with_max_bytes(bytes_max).with_topics(vec![part.clone()]);
        let answer = fixture.client().ask(12, &request);
        answer.responses[0].partitions.iter().filter(|p| !p.records.as_ref().unwrap().is_empty()).count()
    };
    assert_eq!(told(50 << 20), 2);
    // The last one would fit, and has its turn with the next fetch.
    assert_eq!(told(5 * BATCH_LEN as i32), 1);
}

#[test]
fn partition_asked_for_twice_is_told_once() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 2);
    append(&fixture);
    let partition = |index: i32, offset| {
        fetch_request::FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20)
    };
    for repeated in [1, 100] {
        let mut partitions = vec![partition(0, 5); repeated];
        partitions.extend([partition(1, 0), partition(0, 0)]);
        let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(partitions);
        let request = fetch(1, 0).with_topics(vec![part]);
        let answer = fixture.client().ask(12, &request);
        // In the first one's place what the last one asks for, as in Kafka.
        let told: Vec<_> =
            answer.responses[0].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
        assert_eq!(told, [(0, 0), (1, 0)]);
        assert_eq!(bytes(&answer) / BATCH_LEN, 1);
    }
}

#[test]
fn fetches_whose_time_is_up_together_are_bounded_together() {
    const CLIENTS: usize = 10;
    const BOUND: usize = 1_000_000;
    let fixture = Fixture::start(&[("queued.max.answer.bytes", &BOUND.to_string())]);
    fixture.create_topic("t", 1);
    for _ in 0..20 {
        append(&fixture);
    }
    let broker = &fixture.running.broker;
    let call = call(&fixture, false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers: Vec<_> = runtime.block_on(async {
        let request = fetch(i32::MAX as usize, 50 << 20).with_max_wait_ms(50);
        let mut waiting: Vec<_> =
            (0..CLIENTS).map(|_| Box::pin(api::fetch::answer(&call, request.clone()))).collect();
        // All of them begin before the first one's time is up.
        let waker = std::task::Waker::noop();
        for fetch in &mut waiting {
            assert!(fetch.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        }
        let mut answers = Vec::new();
        for fetch in waiting {
            answers.push(fetch.await);
        }
        answers
    });
    let got: usize = answers.iter().map(|(answer, _)| bytes(answer)).sum();
    assert!(answers.iter().all(|(answer, _)| answer.error_code == 0 && bytes(answer) >= BATCH_LEN));
    assert!(got <= BOUND + CLIENTS * 2 * BATCH_LEN, "{got}");
    assert_eq!(broker.answer_bytes.waiting(), got);
    drop(answers);
    assert_eq!(broker.answer_bytes.waiting(), 0);
}

#[test]
fn fetch_of_more_partitions_than_are_looked_at_at_once_is_woken_too() {
    let fixture = Fixture::start_on(Arc::new(SimulatedDisk::new()), Path::new("/log"), &[]);
    fixture.create_topic("t", 2000);
    let partition = |index: i32| {
        fetch_request::FetchPartition::default().with_partition(index).with_partition_max_bytes(1 << 20)
    };
    let partitions = (0..2000).map(partition).collect();
    let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(partitions);
    let mut client = fixture.client();
    client.send(12, &fetch(1, 0).with_topics(vec![part.clone()]));
    append(&fixture);
    assert_eq!(bytes(&client.receive::<FetchRequest>(12)) / BATCH_LEN, 1);
    // Another one's error does not wait.
    let mut unknown = part;
    unknown.partitions.push(partition(2000));
    let answer = client.ask(12, &fetch(i32::MAX as usize, 0).with_topics(vec![unknown]));
    let code = answer.responses[0].partitions[2000].error_code;
    assert_eq!(code, ResponseError::UnknownTopicOrPartition.code());
}
