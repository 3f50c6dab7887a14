//! A disk that fails or is full, seen by clients: what they are told, and that they were told the truth.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use commitlog::{BatchBuilder, Isolation, Log, LogConfig, SimulatedDisk, batches, set_producer};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, text, topic};

const STORAGE_ERROR: i16 = ResponseError::KafkaStorageError.code();

const DIR: &str = "/log";

struct Sender {
    client: Client,
    producer: Option<InitProducerIdResponse>,
    sequence: i32,
}

impl Sender {
    fn new(fixture: &Fixture) -> Sender {
        Sender { client: fixture.client(), producer: None, sequence: 0 }
    }

    fn numbered(fixture: &Fixture) -> Sender {
        let mut sender = Sender::new(fixture);
        let answer = sender.client.ask(4, &InitProducerIdRequest::default().with_transactional_id(None));
        assert_eq!(answer.error_code, 0);
        sender.producer = Some(answer);
        sender
    }

    /// Sends a record; returns error and offset.
    fn send(&mut self, acks: i16, value: &str) -> (i16, i64) {
        let mut builder = BatchBuilder::new();
        builder.append(999_000, None, Some(value.as_bytes()), &[]);
        let mut bytes = builder.finish().to_vec();
        if let Some(producer) = &self.producer {
            set_producer(&mut bytes, *producer.producer_id, producer.producer_epoch, self.sequence, false);
        }
        let data = produce_request::PartitionProduceData::default().with_records(Some(Bytes::from(bytes)));
        let part = produce_request::TopicProduceData::default()
            .with_name(topic("t"))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(acks).with_topic_data(vec![part]);
        let answer = self.client.ask(9, &request);
        let part = &answer.responses[0].partition_responses[0];
        self.sequence += (part.error_code == 0) as i32;
        (part.error_code, part.base_offset)
    }

    fn commit_offset(&mut self, offset: i64) -> i16 {
        let partition =
            offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(offset);
        let part = offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![part]);
        self.client.ask(8, &request).topics[0].partitions[0].error_code
    }

    /// Fetches from an offset on; returns error and how many batches came.
    fn fetch(&mut self, offset: i64) -> (i16, usize) {
        let partition = fetch_request::FetchPartition::default()
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let part =
            fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(vec![partition]);
        let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![part]);
        let answer = self.client.ask(12, &request);
        let part = &answer.responses[0].partitions[0];
        (part.error_code, batches(&part.records.clone().unwrap_or_default()).count())
    }
}

#[test]
fn nothing_is_acknowledged_after_a_failed_sync() {
    for nth in 1..12 {
        let disk = SimulatedDisk::new();
        let fixture = Fixture::start_on(Arc::new(disk.clone()), Path::new(DIR), &[]);
        fixture.create_topic("t", 1);
        let mut senders = [Sender::numbered(&fixture), Sender::numbered(&fixture), Sender::new(&fixture)];
        disk.fail_sync_at(disk.syncs() + nth);
        let (mut acknowledged, mut committed, mut failed) = (Vec::new(), -1, false);
        for number in 0..24 {
            let sender = &mut senders[number % 3];
            if number % 4 == 3 {
                let offset = acknowledged.len() as i64;
                match sender.commit_offset(offset) {
                    0 => {
                        assert!(!failed, "sync {nth}: a position is acknowledged after a failed sync");
                        committed = offset;
                    }
                    code => {
                        assert_eq!(code, STORAGE_ERROR);
                        failed = true;
                    }
                }
                continue;
            }
            let value = format!("value {number}");
            match sender.send(-1, &value) {
                (0, offset) => {
                    assert!(!failed, "sync {nth}: a record is acknowledged after a failed sync");
                    acknowledged.push((offset, value));
                }
                (code, _) => {
                    assert_eq!(code, STORAGE_ERROR);
                    failed = true;
                }
            }
        }
        assert!(failed);
        // Whoever comes now is refused too, however little it asks for; reading goes on.
        let mut late = Sender::new(&fixture);
        assert_eq!(late.send(1, "late").0, STORAGE_ERROR);
        assert_eq!(late.send(-1, "late").0, STORAGE_ERROR);
        let init = late.client.ask(
            4,
            &InitProducerIdRequest::default()
                .with_transactional_id(Some(TransactionalId(text("tx"))))
                .with_transaction_timeout_ms(1_000),
        );
        assert_ne!(init.error_code, 0);
        let (code, count) = late.fetch(0);
        assert_eq!(code, 0);
        assert!(count >= acknowledged.len());
        assert!(fixture.log.read_only_cause().is_some());
        drop((senders, late, fixture));
        // What was acknowledged is there even if the power fails now.
        let log = Log::open(Arc::new(disk.crash(nth)), DIR, LogConfig::default()).unwrap();
        let mut out = Vec::new();
        log.read("t", 0, 0, 1 << 20, Isolation::ReadCommitted, &mut out).unwrap();
        let mut scratch = Vec::new();
        let mut there = Vec::new();
        for batch in batches(&out) {
            for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
                let record = record.unwrap();
                there.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
            }
        }
        for record in acknowledged {
            assert!(there.contains(&record), "sync {nth}: {record:?} was acknowledged");
        }
        let position = log.committed_offset("g", "t", 0).map_or(-1, |offset| offset.offset);
        assert!(position >= committed, "sync {nth}: position {position}, {committed} was acknowledged");
    }
}

#[test]
fn full_disk_is_told_and_over_when_there_is_space() {
    let disk = SimulatedDisk::new();
    let fixture = Fixture::start_on(Arc::new(disk.clone()), Path::new(DIR), &[]);
    fixture.create_topic("t", 1);
    let (mut numbered, mut plain) = (Sender::numbered(&fixture), Sender::new(&fixture));
    let mut count = 0;
    for round in 0..5 {
        assert_eq!(numbered.send(-1, &format!("numbered {round}")), (0, count));
        assert_eq!(plain.send(-1, &format!("plain {round}")), (0, count + 1));
        count += 2;
        disk.set_capacity(Some(0));
        for acks in [-1, 1] {
            assert_eq!(numbered.send(acks, "refused").0, STORAGE_ERROR);
            assert_eq!(plain.send(acks, "refused").0, STORAGE_ERROR);
        }
        // Reading goes on, also for who comes now.
        let mut reader = Sender::new(&fixture);
        assert_eq!(reader.fetch(0), (0, count as usize));
        assert_eq!(reader.fetch(count), (0, 0));
        disk.set_capacity(None);
    }
    assert!(fixture.log.read_only_cause().is_none());
    assert_eq!(numbered.commit_offset(count), 0);
}
