//! Every API in every version that `ApiVersions` lists is answered, filled in as far as the version goes.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;

use super::client::{Client, Fixture, text, topic};
use crate::dispatch::SERVED;

/// Asks in every version served; `fill` makes the request of a version.
///
/// What the crate cannot write is asked by hand in `newer.rs` beside this file.
fn every_version<R: Request>(client: &mut Client, fill: impl Fn(i16) -> R) {
    let served = SERVED.iter().find(|served| served.api_key == R::KEY).expect("it is served");
    for version in served.min..=served.max.min(R::VERSIONS.max) {
        client.ask(version, &fill(version));
    }
}

#[test]
fn every_version_of_every_api_is_answered() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 2);
    let id = uuid::Uuid::from_u128(fixture.log.describe_topic("t").unwrap().id);
    let mut client = fixture.client();
    let mut left: Vec<i16> = SERVED.iter().map(|served| served.api_key).collect();
    macro_rules! every {
        ($Request:ty, $fill:expr) => {{
            left.retain(|key| *key != <$Request as Request>::KEY);
            every_version::<$Request>(&mut client, $fill);
        }};
        ($Request:ty) => {
            every!($Request, |_| <$Request>::default())
        };
    }
    every!(ProduceRequest, |version| {
        let data = produce_request::PartitionProduceData::default().with_records(None);
        let mut part = produce_request::TopicProduceData::default().with_partition_data(vec![data]);
        if version < 13 {
            part.name = topic("t")
        } else {
            part.topic_id = id
        }
        ProduceRequest::default().with_acks(-1).with_topic_data(vec![part])
    });
    every!(FetchRequest, |version| {
        let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1000);
        let mut part = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
        if version < 13 {
            part.topic = topic("t")
        } else {
            part.topic_id = id
        }
        let session_epoch = if version < 7 { -1 } else { 0 };
        FetchRequest::default().with_topics(vec![part]).with_session_epoch(session_epoch)
    });
    every!(ListOffsetsRequest, |_| {
        let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1);
        let part = list_offsets_request::ListOffsetsTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        ListOffsetsRequest::default().with_topics(vec![part])
    });
    every!(MetadataRequest, |_| {
        let part = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("t")));
        MetadataRequest::default().with_topics(Some(vec![part])).with_allow_auto_topic_creation(true)
    });
    every!(OffsetCommitRequest, |_| {
        let part = offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![offset_commit_request::OffsetCommitRequestPartition::default()]);
        OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![part])
    });
    every!(OffsetFetchRequest, |version| {
        if version < 8 {
            let part = offset_fetch_request::OffsetFetchRequestTopic::default()
                .with_name(topic("t"))
                .with_partition_indexes(vec![0, 7]);
            return OffsetFetchRequest::default()
                .with_group_id(GroupId(text("g")))
                .with_topics(Some(vec![part]));
        }
        let part = offset_fetch_request::OffsetFetchRequestTopics::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0, 7]);
        let group = offset_fetch_request::OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("g")))
            .with_topics(Some(vec![part]));
        OffsetFetchRequest::default().with_groups(vec![group])
    });
    every!(FindCoordinatorRequest, |version| {
        if version < 4 {
            FindCoordinatorRequest::default().with_key(text("g"))
        } else {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")])
        }
    });
    every!(JoinGroupRequest, |version| {
        let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
        JoinGroupRequest::default()
            .with_group_id(GroupId(text(&format!("j{version}"))))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(if version == 0 { -1 } else { 10_000 })
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    });
    every!(SyncGroupRequest, |version| {
        let request = SyncGroupRequest::default().with_group_id(GroupId(text("j0")));
        if version < 5 {
            return request;
        }
        request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
    });
    every!(HeartbeatRequest, |_| HeartbeatRequest::default().with_group_id(GroupId(text("j0"))));
    every!(LeaveGroupRequest, |version| {
        let request = LeaveGroupRequest::default().with_group_id(GroupId(text("j0")));
        if version < 3 {
            return request;
        }
        let member = leave_group_request::MemberIdentity::default().with_member_id(text("x"));
        request.with_members(vec![member])
    });
    every!(DescribeGroupsRequest, |_| {
        DescribeGroupsRequest::default().with_groups(vec![GroupId(text("j0")), GroupId(text("nobody"))])
    });
    every!(ListGroupsRequest);
    every!(ApiVersionsRequest, |version| {
        if version < 3 {
            return ApiVersionsRequest::default();
        }
        ApiVersionsRequest::default()
            .with_client_software_name(text("test"))
            .with_client_software_version(text("1.0"))
    });
    every!(CreateTopicsRequest, |version| {
        let config = create_topics_request::CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("5")));
        let new = create_topics_request::CreatableTopic::default()
            .with_name(topic(&format!("c{version}")))
            .with_num_partitions(1)
            .with_replication_factor(3)
            .with_configs(vec![config]);
        let bad = create_topics_request::CreatableTopic::default().with_name(topic("a/b"));
        CreateTopicsRequest::default().with_topics(vec![new, bad])
    });
    every!(CreatePartitionsRequest, |version| {
        let grown = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic("c2"))
            .with_count(version as i32 + 2)
            .with_assignments(None);
        CreatePartitionsRequest::default().with_topics(vec![grown])
    });
    every!(DescribeConfigsRequest, |_| {
        let resource = |kind, name| {
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        };
        let resources = vec![resource(2, "t"), resource(4, "1"), resource(4, "7"), resource(2, "nowhere")];
        DescribeConfigsRequest::default().with_resources(resources)
    });
    every!(AlterConfigsRequest, |_| {
        let config = alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("7")));
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        AlterConfigsRequest::default().with_resources(vec![resource])
    });
    every!(IncrementalAlterConfigsRequest, |_| {
        let config = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text("cleanup.policy"))
            .with_config_operation(2)
            .with_value(Some(text("compact")));
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("c3"))
            .with_configs(vec![config]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    });
    every!(DeleteTopicsRequest, |version| {
        let name = topic(&format!("c{version}"));
        if version < 6 {
            return DeleteTopicsRequest::default().with_topic_names(vec![name]);
        }
        let state = delete_topics_request::DeleteTopicState::default().with_name(Some(name));
        DeleteTopicsRequest::default().with_topics(vec![state])
    });
    every!(DeleteRecordsRequest, |_| {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
        let part = delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_topics(vec![part])
    });
    every!(InitProducerIdRequest, |_| {
        InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text("x"))))
            .with_transaction_timeout_ms(1000)
    });
    every!(OffsetForLeaderEpochRequest, |_| {
        let part = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(topic("t"))
            .with_partitions(vec![offset_for_leader_epoch_request::OffsetForLeaderPartition::default()]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![part])
    });
    every!(AddPartitionsToTxnRequest, |version| {
        let part = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![0]);
        if version < 4 {
            return AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(TransactionalId(text("x")))
                .with_v3_and_below_topics(vec![part]);
        }
        let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
            .with_transactional_id(TransactionalId(text("x")))
            .with_topics(vec![part]);
        AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
    });
    every!(AddOffsetsToTxnRequest);
    every!(EndTxnRequest, |_| EndTxnRequest::default().with_transactional_id(TransactionalId(text("x"))));
    every!(TxnOffsetCommitRequest, |_| {
        let part = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()]);
        TxnOffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![part])
    });
    every!(DescribeLogDirsRequest, |_| DescribeLogDirsRequest::default().with_topics(None));
    every!(DeleteGroupsRequest, |_| {
        DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))])
    });
    every!(OffsetDeleteRequest, |_| OffsetDeleteRequest::default().with_group_id(GroupId(text("g"))));
    every!(DescribeClusterRequest);
    every!(DescribeProducersRequest, |_| {
        let part = describe_producers_request::TopicRequest::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0, 9]);
        DescribeProducersRequest::default().with_topics(vec![part])
    });
    every!(DescribeTransactionsRequest, |_| {
        let ids = vec![TransactionalId(text("x")), TransactionalId(text("nobody"))];
        DescribeTransactionsRequest::default().with_transactional_ids(ids)
    });
    every!(ListTransactionsRequest);
    every!(DescribeTopicPartitionsRequest, |_| {
        let asked = describe_topic_partitions_request::TopicRequest::default().with_name(topic("t"));
        DescribeTopicPartitionsRequest::default().with_topics(vec![asked]).with_response_partition_limit(1)
    });
    every!(ConsumerGroupHeartbeatRequest, |_| {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text("new")))
            .with_member_id(text("m"))
            .with_rebalance_timeout_ms(1000)
            .with_subscribed_topic_names(Some(vec![topic("t")]))
            .with_topic_partitions(Some(Vec::new()))
    });
    every!(ConsumerGroupDescribeRequest, |_| {
        let ids = vec![GroupId(text("new")), GroupId(text("nobody"))];
        ConsumerGroupDescribeRequest::default().with_group_ids(ids)
    });
    every!(SaslHandshakeRequest);
    left.retain(|key| *key != ApiKey::SaslAuthenticate as i16);
    for version in 0..=2 {
        client.ask(version, &SaslAuthenticateRequest::default());
        client = fixture.client();
    }
    // The failed login has ended the connection.
    client = fixture.client();
    every!(DescribeUserScramCredentialsRequest);
    every!(AlterUserScramCredentialsRequest);
    every!(ElectLeadersRequest, |_| ElectLeadersRequest::default().with_topic_partitions(None));
    every!(ListPartitionReassignmentsRequest);
    every!(DescribeClientQuotasRequest);
    every!(AlterClientQuotasRequest);
    every!(AlterReplicaLogDirsRequest);
    every!(AlterPartitionReassignmentsRequest, |_| {
        let partition = alter_partition_reassignments_request::ReassignablePartition::default()
            .with_replicas(Some(vec![BrokerId(1)]));
        let part = alter_partition_reassignments_request::ReassignableTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        AlterPartitionReassignmentsRequest::default().with_topics(vec![part])
    });
    every!(DescribeQuorumRequest, |_| {
        let part = describe_quorum_request::TopicData::default()
            .with_topic_name(topic("__cluster_metadata"))
            .with_partitions(vec![describe_quorum_request::PartitionData::default()]);
        DescribeQuorumRequest::default().with_topics(vec![part])
    });
    every!(UpdateFeaturesRequest);
    every!(ListConfigResourcesRequest);
    every!(DescribeAclsRequest, |_| {
        DescribeAclsRequest::default()
            .with_resource_type_filter(1)
            .with_pattern_type_filter(1)
            .with_operation(1)
            .with_permission_type(1)
    });
    every!(CreateAclsRequest, |_| {
        let creation = create_acls_request::AclCreation::default()
            .with_resource_type(2)
            .with_resource_name(text("denied"))
            .with_resource_pattern_type(3)
            .with_principal(text("User:*"))
            .with_host(text("*"))
            .with_operation(2)
            .with_permission_type(2);
        CreateAclsRequest::default().with_creations(vec![creation])
    });
    every!(DeleteAclsRequest, |_| {
        let filter = delete_acls_request::DeleteAclsFilter::default()
            .with_resource_type_filter(1)
            .with_pattern_type_filter(1)
            .with_operation(1)
            .with_permission_type(1);
        DeleteAclsRequest::default().with_filters(vec![filter])
    });
    assert!(left.is_empty(), "not asked: {left:?}");
}

#[test]
fn too_new_api_versions_is_answered_in_version_0() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    // Key 18, version 99, correlation 7, no client id.
    client.send_raw(&[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0]);
    let frame = client.receive_raw().unwrap();
    assert_eq!(&frame[..6], [0, 0, 0, 7, 0, 35]);
    client.ask(0, &ApiVersionsRequest::default());
}

#[test]
fn unknown_apis_and_versions_close_the_connection() {
    let fixture = Fixture::start(&[]);
    for (key, version) in [(0i16, 99i16), (4, 0), (-1, 0), (3, -1), (500, 0)] {
        let mut client = fixture.client();
        let [k0, k1] = key.to_be_bytes();
        let [v0, v1] = version.to_be_bytes();
        client.send_raw(&[k0, k1, v0, v1, 0, 0, 0, 7, 0xff, 0xff]);
        assert!(client.receive_raw().is_none(), "{key} {version}");
    }
}
