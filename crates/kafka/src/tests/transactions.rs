//! Transactions of outside producers, in both protocols.

use bytes::Bytes;
use commitlog::{BatchBuilder, set_producer};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, text, topic};

pub(super) struct Producer {
    client: Client,
    id: ProducerId,
    epoch: i16,
    sequence: i32,
}

fn tx() -> TransactionalId {
    TransactionalId(text("tx"))
}

impl Producer {
    pub(super) fn new(fixture: &Fixture) -> Producer {
        let mut client = fixture.client();
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(tx()))
            .with_transaction_timeout_ms(60_000);
        let answer = client.ask(5, &request);
        assert_eq!(answer.error_code, 0);
        Producer { client, id: answer.producer_id, epoch: answer.producer_epoch, sequence: 0 }
    }

    pub(super) fn add_partition(&mut self, name: &str) -> i16 {
        let part = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(tx())
            .with_v3_and_below_producer_id(self.id)
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![part]);
        self.client.ask(3, &request).results_by_topic_v3_and_below[0].results_by_partition[0]
            .partition_error_code
    }

    pub(super) fn produce(&mut self, version: i16) -> i16 {
        let mut builder = BatchBuilder::new();
        builder.append(1, None, Some(b"v"), &[]);
        let mut bytes = builder.finish().to_vec();
        set_producer(&mut bytes, *self.id, self.epoch, self.sequence, true);
        let data = produce_request::PartitionProduceData::default().with_records(Some(Bytes::from(bytes)));
        let part = produce_request::TopicProduceData::default()
            .with_name(topic("t"))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(tx()))
            .with_acks(-1)
            .with_topic_data(vec![part]);
        let code = self.client.ask(version, &request).responses[0].partition_responses[0].error_code;
        self.sequence += (code == 0) as i32;
        code
    }

    pub(super) fn end(&mut self, version: i16, commit: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(tx())
            .with_producer_id(self.id)
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let answer = self.client.ask(version, &request);
        if version >= 5 && answer.error_code == 0 {
            (self.id, self.epoch, self.sequence) = (answer.producer_id, answer.producer_epoch, 0);
        }
        answer.error_code
    }
}

fn lag_of_stable(fixture: &Fixture) -> i64 {
    let offsets = fixture.log.offsets("t", 0).unwrap();
    offsets.next - offsets.last_stable
}

#[test]
fn first_protocol_commits_and_aborts() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut producer = Producer::new(&fixture);
    let invalid = ResponseError::InvalidTxnState.code();
    assert_eq!(producer.end(4, true), invalid);
    assert_eq!(producer.produce(11), invalid);
    assert_eq!(producer.add_partition("nowhere"), ResponseError::UnknownTopicOrPartition.code());
    for commit in [true, false] {
        assert_eq!(producer.add_partition("t"), 0);
        assert_eq!(producer.produce(11), 0);
        assert!(lag_of_stable(&fixture) > 0);
        assert_eq!(producer.end(4, commit), 0);
        assert_eq!(lag_of_stable(&fixture), 0);
        // Asked again, it is done already; the opposite is not.
        assert_eq!(producer.end(4, commit), 0);
        assert_eq!(producer.end(4, !commit), invalid);
    }
    let aborted = fixture.log.partition("t", 0).unwrap().aborted_transactions(0, 100);
    assert_eq!(aborted.len(), 1);
}

#[test]
fn second_protocol_raises_the_epoch_with_every_end() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut producer = Producer::new(&fixture);
    let first = producer.epoch;
    assert_eq!(producer.produce(12), 0);
    assert_eq!(producer.end(5, true), 0);
    assert_eq!(producer.epoch, first + 1);
    // The answer was lost: the old epoch asks again.
    producer.epoch = first;
    assert_eq!(producer.end(5, true), 0);
    assert_eq!(producer.epoch, first + 1);
    producer.epoch = first;
    assert_eq!(producer.produce(12), ResponseError::InvalidProducerEpoch.code());
    producer.epoch = first + 1;
    assert_eq!(producer.produce(12), 0);
    assert_eq!(producer.end(5, false), 0);
    assert_eq!((producer.epoch, lag_of_stable(&fixture)), (first + 2, 0));
    assert_eq!(producer.end(5, false), 0);
    assert_eq!(producer.end(5, true), ResponseError::InvalidTxnState.code());
}

#[test]
fn newer_producer_fences_the_older() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut old = Producer::new(&fixture);
    assert_eq!(old.add_partition("t"), 0);
    assert_eq!(old.produce(11), 0);
    let mut new = Producer::new(&fixture);
    assert_eq!(lag_of_stable(&fixture), 0);
    assert_eq!(old.produce(11), ResponseError::InvalidProducerEpoch.code());
    assert_eq!(old.add_partition("t"), ResponseError::ProducerFenced.code());
    assert_eq!(old.end(4, true), ResponseError::ProducerFenced.code());
    assert_eq!(new.add_partition("t"), 0);
    assert_eq!(new.produce(11), 0);
    assert_eq!(new.end(4, true), 0);
}

#[test]
fn transaction_whose_time_is_up_is_aborted() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut producer = Producer::new(&fixture);
    assert_eq!(producer.produce(12), 0);
    fixture.clock.advance(60_001);
    for _ in 0..2000 {
        if lag_of_stable(&fixture) == 0 {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    assert_eq!(lag_of_stable(&fixture), 0);
    assert_eq!(producer.end(5, true), ResponseError::ProducerFenced.code());
}

#[test]
fn offsets_are_committed_with_the_transaction() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut producer = Producer::new(&fixture);
    let partition =
        txn_offset_commit_request::TxnOffsetCommitRequestPartition::default().with_committed_offset(7);
    let part = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(tx())
        .with_group_id(GroupId(text("g")))
        .with_producer_id(producer.id)
        .with_producer_epoch(producer.epoch)
        .with_topics(vec![part]);
    let commit =
        |producer: &mut Producer| producer.client.ask(3, &request).topics[0].partitions[0].error_code;
    assert_eq!(commit(&mut producer), ResponseError::InvalidTxnState.code());
    let announce = AddOffsetsToTxnRequest::default()
        .with_transactional_id(tx())
        .with_producer_id(producer.id)
        .with_producer_epoch(producer.epoch)
        .with_group_id(GroupId(text("g")));
    assert_eq!(producer.client.ask(3, &announce).error_code, 0);
    assert_eq!(commit(&mut producer), 0);
    let stable = OffsetFetchRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_topics(Some(vec![
            offset_fetch_request::OffsetFetchRequestTopic::default()
                .with_name(topic("t"))
                .with_partition_indexes(vec![0]),
        ]))
        .with_require_stable(true);
    let ask = || {
        let answer = fixture.client().ask(7, &stable);
        let part = &answer.topics[0].partitions[0];
        (part.error_code, part.committed_offset)
    };
    assert_eq!(ask(), (ResponseError::UnstableOffsetCommit.code(), -1));
    assert_eq!(producer.end(4, true), 0);
    assert_eq!(ask(), (0, 7));
}

#[test]
fn producer_ids_are_given_as_kafka_gives_them() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    let mut ask = |id: &str, timeout_ms: i32, producer_id: i64, epoch: i16| {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text(id))))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(producer_id))
            .with_producer_epoch(epoch);
        let answer = client.ask(4, &request);
        (answer.error_code, *answer.producer_id, answer.producer_epoch)
    };
    assert_eq!(ask("", 1000, -1, -1).0, ResponseError::InvalidRequest.code());
    assert_eq!(ask("a", 0, -1, -1).0, ResponseError::InvalidTransactionTimeout.code());
    assert_eq!(ask("a", 900_001, -1, -1).0, ResponseError::InvalidTransactionTimeout.code());
    let (code, id, epoch) = ask("a", 1000, -1, -1);
    assert_eq!((code, epoch), (0, 0));
    assert_eq!(ask("a", 1000, id, epoch), (0, id, epoch + 1));
    // Asked again, as when the answer was lost: Kafka 4.3 gives the same.
    assert_eq!(ask("a", 1000, id, epoch), (0, id, epoch + 1));
    assert_eq!(ask("a", 1000, id + 100, epoch + 1).0, ResponseError::ProducerFenced.code());
}

#[test]
fn producer_that_asks_again_has_its_epoch_and_another_is_fenced() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let mut init = |id: i64, epoch: i16| {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(tx()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch);
        let answer = client.ask(5, &request);
        (answer.error_code, *answer.producer_id, answer.producer_epoch)
    };
    let fenced = (ResponseError::ProducerFenced.code(), -1, -1);
    // Whom a client believes to be does not matter for a new id.
    let (code, id, first) = init(77_777, 3);
    assert_eq!(code, 0);
    assert_eq!(init(77_777, 3), fenced);
    assert_eq!(init(id, first), (0, id, first + 1));
    assert_eq!(init(id, first), (0, id, first + 1));
    assert_eq!(init(id, first + 1), (0, id, first + 2));
    assert_eq!(init(id, first), fenced);
    // Another takes over.
    assert_eq!(init(-1, -1), (0, id, first + 3));
    assert_eq!(init(id, first + 2), fenced);
}
