//! Every API asks for the rights that Kafka's asks for, and answers as Kafka does where one is missing.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::ResponseError::{
    ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed,
    TransactionalIdAuthorizationFailed,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;

use super::client::{Client, Fixture, text, topic};
use crate::dispatch::SERVED;
use crate::security::acl::Operation::*;
use crate::security::acl::Resource::{self, Cluster, Group, Topic, Transaction};
use crate::security::acl::{
    ALLOW, ANY, CLUSTER_NAME, DENY, Filter, Operation, PATTERN_LITERAL, PATTERN_PREFIXED, Rule, TYPE_CLUSTER,
    TYPE_GROUP, TYPE_TOPIC, TYPE_TRANSACTION,
};

/// A right and how its absence is told.
type Need = (Operation, Resource<'static>, ResponseError);

struct Case {
    api_key: i16,
    needs: Vec<Need>,
    /// Asks and returns the code that tells.
    ask: Box<dyn Fn(&mut Client) -> i16>,
}

fn case<R: Request + 'static>(
    version: i16,
    needs: &[Need],
    request: R,
    code: impl Fn(&R::Response) -> i16 + 'static,
) -> Case {
    let ask = move |client: &mut Client| code(&client.ask(version, &request));
    Case { api_key: R::KEY, needs: needs.to_vec(), ask: Box::new(ask) }
}

/// What needs no right, or leaves out what may not be seen.
const FREE: &[ApiKey] = &[
    ApiKey::ApiVersions,
    ApiKey::SaslHandshake,
    ApiKey::SaslAuthenticate,
    ApiKey::DescribeCluster,
    ApiKey::ListGroups,
    ApiKey::ListTransactions,
];

const DENIALS: [ResponseError; 4] = [
    ClusterAuthorizationFailed,
    GroupAuthorizationFailed,
    TopicAuthorizationFailed,
    TransactionalIdAuthorizationFailed,
];

fn group() -> GroupId {
    GroupId(text("g"))
}

fn transaction() -> TransactionalId {
    TransactionalId(text("x"))
}

#[rustfmt::skip]
fn records_cases() -> Vec<Case> {
    let topic_need = |operation| (operation, Topic("t"), TopicAuthorizationFailed);
    let produce = |id: Option<TransactionalId>| {
        let data = produce_request::PartitionProduceData::default();
        let part = produce_request::TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
        ProduceRequest::default().with_acks(-1).with_transactional_id(id).with_topic_data(vec![part])
    };
    let produced = |answer: &ProduceResponse| answer.responses[0].partition_responses[0].error_code;
    let fetch = {
        let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1000);
        let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(vec![partition]);
        FetchRequest::default().with_topics(vec![part]).with_session_epoch(-1)
    };
    let list = {
        let part = list_offsets_request::ListOffsetsTopic::default().with_name(topic("t"))
            .with_partitions(vec![list_offsets_request::ListOffsetsPartition::default()]);
        ListOffsetsRequest::default().with_topics(vec![part])
    };
    let metadata = {
        let part = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("t")));
        MetadataRequest::default().with_topics(Some(vec![part]))
    };
    let create = {
        let new = create_topics_request::CreatableTopic::default().with_name(topic("t")).with_num_partitions(1).with_replication_factor(1);
        CreateTopicsRequest::default().with_topics(vec![new])
    };
    let more = {
        let part = create_partitions_request::CreatePartitionsTopic::default().with_name(topic("t")).with_count(1).with_assignments(None);
        CreatePartitionsRequest::default().with_topics(vec![part])
    };
    let delete_records = {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
        let part = delete_records_request::DeleteRecordsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_topics(vec![part])
    };
    let epochs = {
        let part = offset_for_leader_epoch_request::OffsetForLeaderTopic::default().with_topic(topic("t"))
            .with_partitions(vec![offset_for_leader_epoch_request::OffsetForLeaderPartition::default()]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![part])
    };
    let producers = {
        let part = describe_producers_request::TopicRequest::default().with_name(topic("t")).with_partition_indexes(vec![0]);
        DescribeProducersRequest::default().with_topics(vec![part])
    };
    let pages = {
        let part = describe_topic_partitions_request::TopicRequest::default().with_name(topic("t"));
        DescribeTopicPartitionsRequest::default().with_topics(vec![part]).with_response_partition_limit(10)
    };
    let write_transaction = (Write, Transaction("x"), TransactionalIdAuthorizationFailed);
    vec![
        case(9, &[topic_need(Write)], produce(None), produced),
        case(9, &[topic_need(Write), write_transaction], produce(Some(transaction())), produced),
        case(12, &[topic_need(Read)], fetch, |a| a.responses[0].partitions[0].error_code),
        case(7, &[topic_need(Describe)], list, |a| a.topics[0].partitions[0].error_code),
        case(9, &[topic_need(Describe)], metadata, |a| a.topics[0].error_code),
        case(7, &[topic_need(Create)], create, |a| a.topics[0].error_code),
        case(3, &[topic_need(Alter)], more, |a| a.results[0].error_code),
        // It is held, so it stays.
        case(4, &[(Delete, Topic("held"), TopicAuthorizationFailed)], DeleteTopicsRequest::default().with_topic_names(vec![topic("held")]), |a| a.responses[0].error_code),
        case(2, &[topic_need(Delete)], delete_records, |a| a.topics[0].partitions[0].error_code),
        case(4, &[topic_need(Describe)], epochs, |a| a.topics[0].partitions[0].error_code),
        case(0, &[topic_need(Read)], producers, |a| a.topics[0].partitions[0].error_code),
        case(0, &[topic_need(Describe)], pages, |a| a.topics[0].error_code),
    ]
}

#[rustfmt::skip]
fn group_cases() -> Vec<Case> {
    let group_need = |operation| (operation, Group("g"), GroupAuthorizationFailed);
    let read_topic = (Read, Topic("t"), TopicAuthorizationFailed);
    let commit = {
        let part = offset_commit_request::OffsetCommitRequestTopic::default().with_name(topic("t"))
            .with_partitions(vec![offset_commit_request::OffsetCommitRequestPartition::default()]);
        OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![part])
    };
    let positions = {
        let part = offset_fetch_request::OffsetFetchRequestTopics::default().with_name(topic("t")).with_partition_indexes(vec![0]);
        let asked = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(Some(vec![part]));
        OffsetFetchRequest::default().with_groups(vec![asked])
    };
    let forget = {
        let part = offset_delete_request::OffsetDeleteRequestTopic::default().with_name(topic("t"))
            .with_partitions(vec![offset_delete_request::OffsetDeleteRequestPartition::default()]);
        OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![part])
    };
    let find = |kind, key: &str| FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![text(key)]);
    let heartbeat = ConsumerGroupHeartbeatRequest::default().with_group_id(group()).with_member_id(text("m")).with_rebalance_timeout_ms(1000)
        .with_subscribed_topic_names(Some(vec![topic("t")])).with_topic_partitions(Some(Vec::new()));
    vec![
        case(8, &[group_need(Read), read_topic], commit, |a| a.topics[0].partitions[0].error_code),
        case(8, &[group_need(Describe), (Describe, Topic("t"), TopicAuthorizationFailed)], positions, |a| {
            let group = &a.groups[0];
            group.topics.first().map_or(group.error_code, |topic| topic.partitions[0].error_code)
        }),
        case(4, &[group_need(Describe)], find(0, "g"), |a| a.coordinators[0].error_code),
        case(4, &[(Describe, Transaction("x"), TransactionalIdAuthorizationFailed)], find(1, "x"), |a| a.coordinators[0].error_code),
        case(3, &[group_need(Read)], JoinGroupRequest::default().with_group_id(group()), |a| a.error_code),
        case(3, &[group_need(Read)], SyncGroupRequest::default().with_group_id(group()), |a| a.error_code),
        case(3, &[group_need(Read)], HeartbeatRequest::default().with_group_id(group()), |a| a.error_code),
        case(2, &[group_need(Read)], LeaveGroupRequest::default().with_group_id(group()), |a| a.error_code),
        case(5, &[group_need(Describe)], DescribeGroupsRequest::default().with_groups(vec![group()]), |a| a.groups[0].error_code),
        case(0, &[group_need(Delete), read_topic], forget, |a| a.topics.first().map_or(a.error_code, |topic| topic.partitions[0].error_code)),
        case(0, &[group_need(Read), (Describe, Topic("t"), TopicAuthorizationFailed)], heartbeat, |a| a.error_code),
        // Its member wants the topic.
        case(0, &[group_need(Describe), (Describe, Topic("t"), TopicAuthorizationFailed)], ConsumerGroupDescribeRequest::default().with_group_ids(vec![group()]), |a| a.groups[0].error_code),
        case(2, &[(Delete, Group("h"), GroupAuthorizationFailed)], DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("h"))]), |a| a.results[0].error_code),
    ]
}

#[rustfmt::skip]
fn transaction_cases() -> Vec<Case> {
    let write = (Write, Transaction("x"), TransactionalIdAuthorizationFailed);
    let init = |id| InitProducerIdRequest::default().with_transactional_id(id).with_transaction_timeout_ms(1000);
    let add = {
        let part = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default().with_name(topic("t")).with_partitions(vec![0]);
        AddPartitionsToTxnRequest::default().with_v3_and_below_transactional_id(transaction()).with_v3_and_below_topics(vec![part])
    };
    let offsets = {
        let part = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default().with_name(topic("t"))
            .with_partitions(vec![txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()]);
        TxnOffsetCommitRequest::default().with_transactional_id(transaction()).with_group_id(group()).with_topics(vec![part])
    };
    let read_group = (Read, Group("g"), GroupAuthorizationFailed);
    let announce = AddOffsetsToTxnRequest::default().with_transactional_id(transaction()).with_group_id(group());
    vec![
        case(4, &[write], init(Some(transaction())), |a| a.error_code),
        case(4, &[(IdempotentWrite, Cluster, ClusterAuthorizationFailed)], init(None), |a| a.error_code),
        case(3, &[write, (Write, Topic("t"), TopicAuthorizationFailed)], add, |a| a.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code),
        case(3, &[write, read_group], announce, |a| a.error_code),
        case(3, &[write], EndTxnRequest::default().with_transactional_id(transaction()), |a| a.error_code),
        case(3, &[write, read_group, (Read, Topic("t"), TopicAuthorizationFailed)], offsets, |a| a.topics[0].partitions[0].error_code),
        case(0, &[(Describe, Transaction("x"), TransactionalIdAuthorizationFailed)], DescribeTransactionsRequest::default().with_transactional_ids(vec![transaction()]), |a| a.transaction_states[0].error_code),
    ]
}

#[rustfmt::skip]
fn cluster_cases() -> Vec<Case> {
    let need = |operation| (operation, Cluster, ClusterAuthorizationFailed);
    let describe = |kind, name: &str| {
        let resource = describe_configs_request::DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name)).with_configuration_keys(None);
        DescribeConfigsRequest::default().with_resources(vec![resource])
    };
    let alter = |kind, name: &str| {
        let resource = alter_configs_request::AlterConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
        AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true)
    };
    let edit = |kind, name: &str| {
        let resource = incremental_alter_configs_request::AlterConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true)
    };
    let of_topic = |operation| (operation, Topic("t"), TopicAuthorizationFailed);
    let of_group = |operation| (operation, Group("g"), GroupAuthorizationFailed);
    let deletion = alter_user_scram_credentials_request::ScramCredentialDeletion::default().with_name(text("nobody")).with_mechanism(1);
    let acls = DescribeAclsRequest::default().with_resource_type_filter(1).with_pattern_type_filter(1).with_operation(1).with_permission_type(1);
    let gone = delete_acls_request::DeleteAclsFilter::default().with_resource_type_filter(1).with_pattern_type_filter(1).with_operation(1)
        .with_permission_type(1).with_principal_filter(Some(text("User:nobody")));
    let quota = {
        let entity = alter_client_quotas_request::EntityData::default().with_entity_type(text("user")).with_entity_name(Some(text("u")));
        alter_client_quotas_request::EntryData::default().with_entity(vec![entity])
    };
    let dirs = {
        let part = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default().with_name(topic("t")).with_partitions(vec![0]);
        alter_replica_log_dirs_request::AlterReplicaLogDir::default().with_path(text("/nowhere")).with_topics(vec![part])
    };
    vec![
        case(3, &[of_topic(DescribeConfigs)], describe(2, "t"), |a| a.results[0].error_code),
        case(3, &[need(DescribeConfigs)], describe(4, "1"), |a| a.results[0].error_code),
        case(3, &[of_group(DescribeConfigs)], describe(32, "g"), |a| a.results[0].error_code),
        case(1, &[of_topic(AlterConfigs)], alter(2, "t"), |a| a.responses[0].error_code),
        case(1, &[need(AlterConfigs)], alter(4, "1"), |a| a.responses[0].error_code),
        case(1, &[of_group(AlterConfigs)], alter(32, "g"), |a| a.responses[0].error_code),
        case(1, &[of_topic(AlterConfigs)], edit(2, "t"), |a| a.responses[0].error_code),
        case(1, &[need(AlterConfigs)], edit(4, "1"), |a| a.responses[0].error_code),
        case(1, &[of_group(AlterConfigs)], edit(32, "g"), |a| a.responses[0].error_code),
        case(0, &[need(Describe)], DescribeUserScramCredentialsRequest::default(), |a| a.error_code),
        case(0, &[need(Alter)], AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]), |a| a.results[0].error_code),
        case(2, &[need(Describe)], acls, |a| a.error_code),
        case(2, &[need(Alter)], CreateAclsRequest::default().with_creations(vec![create_acls_request::AclCreation::default()]), |a| a.results[0].error_code),
        case(2, &[need(Alter)], DeleteAclsRequest::default().with_filters(vec![gone]), |a| a.filter_results[0].error_code),
        case(3, &[need(Describe)], DescribeLogDirsRequest::default().with_topics(None), |a| a.error_code),
        case(2, &[need(Alter)], AlterReplicaLogDirsRequest::default().with_dirs(vec![dirs]), |a| a.results[0].partitions[0].error_code),
        case(2, &[need(Alter)], ElectLeadersRequest::default().with_topic_partitions(None), |a| a.error_code),
        case(0, &[need(Alter)], AlterPartitionReassignmentsRequest::default(), |a| a.error_code),
        case(0, &[need(Describe)], ListPartitionReassignmentsRequest::default(), |a| a.error_code),
        case(1, &[need(DescribeConfigs)], DescribeClientQuotasRequest::default(), |a| a.error_code),
        case(1, &[need(AlterConfigs)], AlterClientQuotasRequest::default().with_entries(vec![quota]), |a| a.entries[0].error_code),
        case(1, &[need(DescribeConfigs)], ListConfigResourcesRequest::default(), |a| a.error_code),
        case(1, &[need(Describe)], DescribeQuorumRequest::default(), |a| a.error_code),
        case(1, &[need(Alter)], UpdateFeaturesRequest::default(), |a| a.error_code),
    ]
}

struct Rights<'a> {
    fixture: &'a Fixture,
}

impl Rights<'_> {
    fn clear(&self) {
        let broker = &self.fixture.running.broker;
        let all = Filter {
            resource_type: ANY,
            resource_name: None,
            pattern_type: ANY,
            principal: None,
            host: None,
            operation: ANY,
            permission: ANY,
        };
        broker.rules.remove(&broker.store, &all, 0).unwrap();
    }

    fn add(&self, (operation, resource, _): &Need, permission: i8, pattern: Pattern) {
        let broker = &self.fixture.running.broker;
        let (resource_type, name) = match resource {
            Topic(name) => (TYPE_TOPIC, *name),
            Group(name) => (TYPE_GROUP, *name),
            Transaction(name) => (TYPE_TRANSACTION, *name),
            Cluster => (TYPE_CLUSTER, CLUSTER_NAME),
        };
        let (name, pattern_type) = match pattern {
            Pattern::Literal => (name, PATTERN_LITERAL),
            Pattern::Prefixed => (&name[..1], PATTERN_PREFIXED),
            Pattern::Anything if resource_type != TYPE_CLUSTER => ("*", PATTERN_LITERAL),
            Pattern::Anything => (name, PATTERN_LITERAL),
        };
        let rule = Rule {
            resource_type,
            resource_name: name.to_owned(),
            pattern_type,
            principal: "User:ANONYMOUS".to_owned(),
            host: "*".to_owned(),
            operation: *operation as i8,
            permission,
        };
        let added = broker.rules.add(&broker.store, rule, 0);
        // A cluster's name has no prefix.
        assert!(added.is_ok() || resource_type == TYPE_CLUSTER, "{added:?}");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Pattern {
    Literal,
    Prefixed,
    Anything,
}

fn fixture() -> Fixture {
    let fixture = Fixture::start(&[("allow.everyone.if.no.acl.found", "false")]);
    for name in ["t", "held"] {
        fixture.log.create_topic(name, 1, &Default::default(), 0).unwrap();
    }
    let commit = commitlog::OffsetCommit {
        topic: "t".to_owned(),
        partition: 0,
        offset: 0,
        leader_epoch: -1,
        metadata: String::new(),
    };
    fixture.log.commit_offsets("g", &[commit], 0).unwrap().wait().unwrap();
    fixture
}

#[test]
fn missing_right_is_told_and_nothing_more_is_needed() {
    let fixture = fixture();
    let rights = Rights { fixture: &fixture };
    let mut client = fixture.client();
    let cases = [records_cases(), group_cases(), transaction_cases(), cluster_cases()];
    let mut seen: BTreeSet<i16> = FREE.iter().map(|key| *key as i16).collect();
    for case in cases.iter().flatten() {
        seen.insert(case.api_key);
        let key = ApiKey::try_from(case.api_key).unwrap();
        for (missing, need) in case.needs.iter().enumerate() {
            let told = need.2.code();
            rights.clear();
            for (_, other) in case.needs.iter().enumerate().filter(|(other, _)| *other != missing) {
                rights.add(other, ALLOW, Pattern::Literal);
            }
            assert_eq!((case.ask)(&mut client), told, "{key:?} without {need:?}");
            // A denial wins over what is allowed.
            rights.add(need, ALLOW, Pattern::Anything);
            rights.add(need, DENY, Pattern::Literal);
            assert_eq!((case.ask)(&mut client), told, "{key:?} with {need:?} denied");
        }
        for pattern in [Pattern::Literal, Pattern::Prefixed, Pattern::Anything] {
            let has_prefixes = case.needs.iter().all(|need| !matches!(need.1, Cluster));
            if pattern == Pattern::Prefixed && !has_prefixes {
                continue;
            }
            rights.clear();
            case.needs.iter().for_each(|need| rights.add(need, ALLOW, pattern));
            let code = (case.ask)(&mut client);
            assert!(DENIALS.iter().all(|denial| denial.code() != code), "{key:?} with all rights: {code}");
        }
    }
    let left: Vec<i16> =
        SERVED.iter().map(|served| served.api_key).filter(|key| !seen.contains(key)).collect();
    assert!(left.is_empty(), "not in the table: {left:?}");
}

#[test]
fn lists_leave_out_what_may_not_be_seen() {
    let fixture = fixture();
    let rights = Rights { fixture: &fixture };
    let mut client = fixture.client();
    fixture.log.init_producer(Some("x"), 1000, 0).unwrap();
    assert!(client.ask(4, &ListGroupsRequest::default()).groups.is_empty());
    assert!(client.ask(0, &ListTransactionsRequest::default()).transaction_states.is_empty());
    assert!(client.ask(9, &MetadataRequest::default().with_topics(None)).topics.is_empty());
    for resource in [Group("g"), Transaction("x"), Topic("t")] {
        rights.add(&(Describe, resource, TopicAuthorizationFailed), ALLOW, Pattern::Literal);
    }
    assert_eq!(client.ask(4, &ListGroupsRequest::default()).groups.len(), 1);
    assert_eq!(client.ask(0, &ListTransactionsRequest::default()).transaction_states.len(), 1);
    assert_eq!(client.ask(9, &MetadataRequest::default().with_topics(None)).topics.len(), 1);
}

#[test]
fn topics_of_a_transaction_are_told_to_who_may_see_them() {
    let fixture = fixture();
    let rights = Rights { fixture: &fixture };
    let mut client = fixture.client();
    fixture.log.create_topic("t2", 1, &Default::default(), 0).unwrap();
    let now_ms = fixture.clock.now_ms();
    let identity = fixture.log.init_producer(Some("x"), 1000, now_ms).unwrap();
    let partitions = [("t", 0), ("t2", 0)];
    fixture.log.add_partitions_to_transaction("x", identity, &partitions, now_ms).unwrap();
    for resource in [Transaction("x"), Topic("t2")] {
        rights.add(&(Describe, resource, TopicAuthorizationFailed), ALLOW, Pattern::Literal);
    }
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![transaction()]);
    let state = &client.ask(0, &request).transaction_states[0];
    let told: Vec<&str> = state.topics.iter().map(|topic| &**topic.topic).collect();
    assert_eq!((state.error_code, told), (0, vec!["t2"]));
}

#[test]
fn patterns_do_not_reach_what_may_not_be_seen() {
    let fixture = fixture();
    fixture.log.create_topic("t2", 1, &Default::default(), 0).unwrap();
    let rights = Rights { fixture: &fixture };
    let mut client = fixture.client();
    rights.add(&(Read, Group("h"), GroupAuthorizationFailed), ALLOW, Pattern::Literal);
    rights.add(&(Describe, Topic("t2"), TopicAuthorizationFailed), ALLOW, Pattern::Literal);
    let beat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("h")))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(1000)
        .with_subscribed_topic_regex(Some(text("t.*")))
        .with_topic_partitions(Some(Vec::new()));
    let told = client.ask(1, &beat);
    let topics: Vec<u128> =
        told.assignment.unwrap().topic_partitions.iter().map(|topic| topic.topic_id.as_u128()).collect();
    assert_eq!(topics, [fixture.log.describe_topic("t2").unwrap().id]);
}

#[test]
fn clients_are_told_what_they_may_do() {
    let fixture = fixture();
    let rights = Rights { fixture: &fixture };
    let mut client = fixture.client();
    let give = |operation, resource| {
        rights.add(&(operation, resource, TopicAuthorizationFailed), ALLOW, Pattern::Literal);
    };
    give(Read, Topic("t"));
    give(Delete, Group("g"));
    give(Create, Cluster);
    let bits = |operations: &[Operation]| operations.iter().fold(0, |all, one| all | 1 << (*one as i32));
    let part = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("t")));
    let metadata = MetadataRequest::default()
        .with_topics(Some(vec![part]))
        .with_include_topic_authorized_operations(true)
        .with_include_cluster_authorized_operations(true);
    let told = client.ask(9, &metadata);
    assert_eq!(told.topics[0].topic_authorized_operations, bits(&[Read, Describe]));
    let described =
        DescribeGroupsRequest::default().with_groups(vec![group()]).with_include_authorized_operations(true);
    let told = client.ask(5, &described);
    assert_eq!(told.groups[0].authorized_operations, bits(&[Delete, Describe]));
    let cluster = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    assert_eq!(client.ask(0, &cluster).cluster_authorized_operations, bits(&[Create]));
}
