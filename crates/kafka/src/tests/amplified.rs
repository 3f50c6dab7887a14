//! Small requests for very large answers: a name that stands for much, again and again.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use commitlog::{OffsetCommit, SimulatedDisk};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, text, topic};

/// Answers may hold no more than the least.
const SETTINGS: &[(&str, &str)] = &[("queued.max.answer.bytes", "0")];

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// Checks that the first ones are told and the last ones refused, and returns how many are told.
fn told(codes: impl IntoIterator<Item = i16>) -> usize {
    let too_much = ResponseError::UnknownServerError.code();
    let codes: Vec<i16> = codes.into_iter().collect();
    let told = codes.iter().take_while(|code| **code == 0).count();
    assert!(codes[told..].iter().all(|code| *code == too_much), "{codes:?}");
    assert!(told > 0 && told < codes.len(), "{told} of {}", codes.len());
    told
}

/// Joins a group of the classic protocol and is assigned something.
fn join(client: &mut Client, metadata: Bytes) {
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(metadata.clone());
    let request = JoinGroupRequest::default()
        .with_group_id(group("g"))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let joined = client.ask(3, &request);
    assert_eq!(joined.error_code, 0);
    let assignment = sync_group_request::SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(metadata);
    let request = SyncGroupRequest::default()
        .with_group_id(group("g"))
        .with_member_id(joined.member_id)
        .with_generation_id(joined.generation_id)
        .with_assignments(vec![assignment]);
    assert_eq!(client.ask(3, &request).error_code, 0);
}

#[test]
fn group_described_again_and_again_is_told_while_there_is_room() {
    let fixture = Fixture::start(SETTINGS);
    let mut client = fixture.client();
    join(&mut client, Bytes::from(vec![0; 500_000]));
    let request = DescribeGroupsRequest::default().with_groups(vec![group("g"); 100]);
    let answer = client.ask(5, &request);
    assert_eq!(told(answer.groups.iter().map(|group| group.error_code)), 4);
    // Alone it is told whole.
    let answer = client.ask(5, &DescribeGroupsRequest::default().with_groups(vec![group("g")]));
    assert_eq!(answer.groups[0].members[0].member_assignment.len(), 500_000);
}

#[test]
fn members_of_the_consumer_protocol_are_told_while_there_is_room() {
    let fixture = Fixture::start_on(Arc::new(SimulatedDisk::new()), Path::new("/log"), SETTINGS);
    fixture.create_topic("t", 500);
    let mut client = fixture.client();
    let join = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![topic("t")]))
        .with_topic_partitions(Some(Vec::new()));
    assert_eq!(client.ask(1, &join).error_code, 0);
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("g"); 1000]);
    told(client.ask(1, &request).groups.iter().map(|group| group.error_code));
}

#[test]
fn positions_are_told_while_there_is_room() {
    let fixture = Fixture::start(SETTINGS);
    fixture.create_topic("t", 10);
    let commit = |partition| OffsetCommit {
        topic: "t".into(),
        partition,
        offset: 7,
        leader_epoch: -1,
        metadata: "m".repeat(4000),
    };
    let commits: Vec<_> = (0..10).map(commit).collect();
    fixture.log.commit_offsets("g", &commits, 0).unwrap().wait().unwrap();
    let mut client = fixture.client();
    let asked = |topics| {
        offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group("g")).with_topics(topics)
    };
    let request = OffsetFetchRequest::default().with_groups(vec![asked(None); 1000]);
    told(client.ask(8, &request).groups.iter().map(|group| group.error_code));
    // Partitions named one by one are refused one by one: no position at all is another thing than one not told.
    let topics = offset_fetch_request::OffsetFetchRequestTopics::default()
        .with_name(topic("t"))
        .with_partition_indexes(vec![3; 10_000]);
    let request = OffsetFetchRequest::default().with_groups(vec![asked(Some(vec![topics]))]);
    let answer = client.ask(8, &request);
    told(answer.groups[0].topics[0].partitions.iter().map(|partition| partition.error_code));
    let topics = offset_fetch_request::OffsetFetchRequestTopic::default()
        .with_name(topic("t"))
        .with_partition_indexes(vec![3; 10_000]);
    let request = OffsetFetchRequest::default().with_group_id(group("g")).with_topics(Some(vec![topics]));
    let answer = client.ask(1, &request);
    told(answer.topics[0].partitions.iter().map(|partition| partition.error_code));
}

#[test]
fn settings_are_told_while_there_is_room() {
    let fixture = Fixture::start(SETTINGS);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource; 1000]);
    told(client.ask(4, &request).results.iter().map(|result| result.error_code));
    // Topics that are made are told of without their settings.
    let new = |n: usize| {
        create_topics_request::CreatableTopic::default()
            .with_name(topic(&format!("t{n}")))
            .with_num_partitions(1)
            .with_replication_factor(1)
    };
    let topics = (0..1000).map(new).collect();
    let request = CreateTopicsRequest::default().with_topics(topics).with_validate_only(true);
    let answer = client.ask(7, &request);
    assert!(answer.topics.iter().all(|topic| topic.error_code == 0));
    told(answer.topics.iter().map(|topic| topic.topic_config_error_code));
}

#[test]
fn transactions_are_told_while_there_is_room() {
    let fixture = Fixture::start(SETTINGS);
    fixture.log.init_producer(Some("x"), 1000, 0).unwrap();
    let id = TransactionalId(text("x"));
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id; 50_000]);
    let answer = fixture.client().ask(0, &request);
    told(answer.transaction_states.iter().map(|state| state.error_code));
}

#[test]
fn producers_are_told_while_there_is_room() {
    let fixture = Fixture::start(SETTINGS);
    fixture.create_topic("t", 1);
    let identity = fixture.log.init_producer(None, 1000, 0).unwrap();
    let mut builder = commitlog::BatchBuilder::new();
    builder.append(1_000_000, None, Some(b"v"), &[]);
    let mut batch = builder.finish().to_vec();
    commitlog::set_producer(&mut batch, identity.producer_id, identity.epoch, 0, false);
    let data = produce_request::PartitionProduceData::default().with_records(Some(batch.into()));
    let part =
        produce_request::TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
    let produce = ProduceRequest::default().with_acks(-1).with_topic_data(vec![part]);
    let mut client = fixture.client();
    assert_eq!(client.ask(9, &produce).responses[0].partition_responses[0].error_code, 0);
    let topics = describe_producers_request::TopicRequest::default()
        .with_name(topic("t"))
        .with_partition_indexes(vec![0; 50_000]);
    let answer = client.ask(0, &DescribeProducersRequest::default().with_topics(vec![topics]));
    told(answer.topics[0].partitions.iter().map(|partition| partition.error_code));
}
