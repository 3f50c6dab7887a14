//! What is the owner's own is read, and neither made, changed nor written.

use bytes::Bytes;
use commitlog::{BatchBuilder, ProducerIdentity, set_producer};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, permission, text, topic};
use crate::store::STORE_ID;

const INVALID_TOPIC: ResponseError = ResponseError::InvalidTopicException;
const NOT_YOURS: ResponseError = ResponseError::TransactionalIdAuthorizationFailed;
const NOT_KNOWN: ResponseError = ResponseError::InvalidProducerIdMapping;

fn record() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.append(1, None, Some(b"x"), &[]);
    builder.finish().to_vec()
}

fn stamped(producer: ProducerIdentity, sequence: i32, is_transactional: bool) -> Vec<u8> {
    let mut bytes = record();
    set_producer(&mut bytes, producer.producer_id, producer.epoch, sequence, is_transactional);
    bytes
}

/// Writes in a transaction, or outside of one.
fn produce(client: &mut Client, version: i16, id: Option<&str>, name: &str, bytes: Vec<u8>) -> i16 {
    let data = produce_request::PartitionProduceData::default().with_records(Some(Bytes::from(bytes)));
    let part =
        produce_request::TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_transactional_id(id.map(|id| TransactionalId(text(id))))
        .with_topic_data(vec![part]);
    client.ask(version, &request).responses[0].partition_responses[0].error_code
}

fn take_over(client: &mut Client, id: &str, known: Option<ProducerIdentity>) -> InitProducerIdResponse {
    let mut request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(60_000);
    if let Some(known) = known {
        request = request.with_producer_id(ProducerId(known.producer_id)).with_producer_epoch(known.epoch);
    }
    client.ask(5, &request)
}

fn create(client: &mut Client, name: &str) -> i16 {
    let new = create_topics_request::CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(1)
        .with_replication_factor(1);
    client.ask(7, &CreateTopicsRequest::default().with_topics(vec![new])).topics[0].error_code
}

#[test]
fn topics_of_the_owner_are_not_written_or_changed() {
    let fixture = Fixture::start(&[]);
    fixture.log.create_topic("own", 1, &Default::default(), 0).unwrap();
    fixture.log.append("own", 0, &mut record(), 0).unwrap();
    let mut client = fixture.client();
    for version in [3, 9, 12] {
        assert_eq!(produce(&mut client, version, None, "own", record()), INVALID_TOPIC.code());
    }
    let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
    let part = delete_records_request::DeleteRecordsTopic::default()
        .with_name(topic("own"))
        .with_partitions(vec![partition]);
    let answer = client.ask(2, &DeleteRecordsRequest::default().with_topics(vec![part]));
    assert_eq!(answer.topics[0].partitions[0].error_code, INVALID_TOPIC.code());
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1")));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("own"))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.ask(1, &request).responses[0].error_code, INVALID_TOPIC.code());
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("own"));
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.ask(2, &request).responses[0].error_code, INVALID_TOPIC.code());
    let more = create_partitions_request::CreatePartitionsTopic::default()
        .with_name(topic("own"))
        .with_count(2)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![more]);
    assert_eq!(client.ask(3, &request).results[0].error_code, INVALID_TOPIC.code());
    let offsets = fixture.log.offsets("own", 0).unwrap();
    assert_eq!((offsets.log_start, offsets.next), (0, 1));
    assert!(fixture.log.describe_topic("own").unwrap().settings.is_empty());
}

#[test]
fn topics_of_the_owner_are_not_made_before_it_makes_them() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    assert_eq!(create(&mut client, "own-later"), INVALID_TOPIC.code());
    let asked = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("own-later")));
    let request =
        MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(true);
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(client.ask(9, &request).topics[0].error_code, unknown);
    assert!(fixture.log.describe_topic("own-later").is_err());
}

#[test]
fn topics_of_the_owner_are_read_and_removed_when_it_is_done_with_them() {
    let fixture = Fixture::start(&[]);
    fixture.log.create_topic("own", 1, &Default::default(), 0).unwrap();
    fixture.log.append("own", 0, &mut record(), 0).unwrap();
    let mut client = fixture.client();
    let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1 << 20);
    let part = fetch_request::FetchTopic::default().with_topic(topic("own")).with_partitions(vec![partition]);
    let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![part]);
    let answer = client.ask(12, &request);
    assert!(!answer.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
    let exists = ResponseError::TopicAlreadyExists.code();
    assert_eq!(create(&mut client, "own"), exists);
    let gone = DeleteTopicsRequest::default().with_topic_names(vec![topic("own")]);
    assert_eq!(client.ask(5, &gone).responses[0].error_code, 0);
}

#[test]
fn positions_of_the_owners_groups_are_not_set_before_it_is_there() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let partition = offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(0);
    let part = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("own-group")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![part]);
    let code = client.ask(8, &request).topics[0].partitions[0].error_code;
    assert_eq!(code, ResponseError::GroupAuthorizationFailed.code());
    assert!(fixture.log.committed_offsets("own-group").is_empty());
}

#[test]
fn transactional_ids_of_this_process_are_not_taken_over() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut engine = fixture.log.transaction("worker", 0).unwrap();
    engine.append("t", 0, &mut record(), 0).unwrap();
    let mut client = fixture.client();
    for id in ["worker", "own-worker-of-later", STORE_ID, "_tripline_anything"] {
        let answer = take_over(&mut client, id, None);
        assert_eq!((id, answer.error_code, answer.producer_epoch), (id, NOT_YOURS.code(), -1));
    }
    let known = ProducerIdentity { producer_id: 0, epoch: 0 };
    assert_eq!(take_over(&mut client, "worker", Some(known)).error_code, NOT_YOURS.code());
    engine.commit(0).unwrap().wait().unwrap();
    // The broker's own values can still be changed.
    assert_eq!(client.ask(3, &permission("t", 3)).results[0].error_code, 0);
}

#[test]
fn records_of_another_transactional_id_are_refused() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let (log, now_ms) = (&fixture.log, fixture.clock.now_ms());
    let other = log.init_producer(Some("other"), 60_000, now_ms).unwrap();
    log.add_partitions_to_transaction("other", other, &[("t", 0)], now_ms).unwrap();
    let own = take_over(&mut client, "mine", None);
    assert_eq!(own.error_code, 0);
    assert_eq!(produce(&mut client, 11, Some("mine"), "t", stamped(other, 0, true)), NOT_KNOWN.code());
    assert_eq!(produce(&mut client, 11, Some("unheard of"), "t", stamped(other, 0, true)), NOT_KNOWN.code());
    assert_eq!(produce(&mut client, 11, Some("other"), "t", stamped(other, 0, true)), 0);
    // As in Kafka: only the first records of a transaction in a partition are asked whose they are.
    assert_eq!(produce(&mut client, 11, Some("mine"), "t", stamped(other, 1, true)), 0);
}

#[test]
fn producers_of_this_process_are_not_imitated() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut engine = fixture.log.transaction("worker", 0).unwrap();
    engine.append("t", 0, &mut record(), 0).unwrap();
    let mut client = fixture.client();
    let producers = fixture.log.partition("t", 0).unwrap().producers();
    let first = ProducerIdentity { producer_id: producers[0].producer_id, epoch: producers[0].epoch };
    for id in ["mine", "worker"] {
        assert_eq!(produce(&mut client, 11, Some(id), "t", stamped(first, 1, true)), NOT_KNOWN.code());
    }
    engine.commit(0).unwrap().wait().unwrap();
    // Outside of transactions, to have what comes next refused; it is written with several ids in turn.
    for lane in 0..4 {
        let raised = ProducerIdentity { producer_id: first.producer_id + lane, epoch: i16::MAX - 1 };
        assert_eq!(produce(&mut client, 9, None, "t", stamped(raised, 0, false)), NOT_KNOWN.code());
    }
    for _ in 0..8 {
        engine.append("t", 0, &mut record(), 0).unwrap();
        engine.commit(0).unwrap().wait().unwrap();
    }
}
