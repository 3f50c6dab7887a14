//! Groups, with a clock that the test turns.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, beat, text, topic};

fn join(member_id: &str, instance_id: Option<&str>) -> JoinGroupRequest {
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text(member_id))
        .with_group_instance_id(instance_id.map(text))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

fn sync(member_id: &str, generation: i32, assignments: &[(&str, &'static str)]) -> SyncGroupRequest {
    let assignments = assignments
        .iter()
        .map(|(id, assignment)| {
            sync_group_request::SyncGroupRequestAssignment::default()
                .with_member_id(text(id))
                .with_assignment(Bytes::from_static(assignment.as_bytes()))
        })
        .collect();
    SyncGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text(member_id))
        .with_generation_id(generation)
        .with_assignments(assignments)
}

fn heartbeat(client: &mut Client, member_id: &str, generation: i32) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text(member_id))
        .with_generation_id(generation);
    client.ask(3, &request).error_code
}

/// Joins a group as its first member and takes everything.
fn first_member(client: &mut Client) -> (String, i32) {
    let told = client.ask(5, &join("", None));
    assert_eq!(told.error_code, ResponseError::MemberIdRequired.code());
    let joined = client.ask(5, &join(&told.member_id, None));
    assert_eq!((joined.error_code, &joined.leader), (0, &joined.member_id));
    let id = joined.member_id.to_string();
    let synced = client.ask(4, &sync(&id, joined.generation_id, &[(&id, "all")]));
    assert_eq!((synced.error_code, &*synced.assignment), (0, b"all".as_slice()));
    (id, joined.generation_id)
}

/// Waits until the group is in a state; only what another thread of the broker does is waited for.
fn wait_for(fixture: &Fixture, state: &str) {
    let mut client = fixture.client();
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]);
    for _ in 0..2000 {
        if &*client.ask(5, &request).groups[0].group_state == state {
            return;
        }
        std::thread::yield_now();
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    panic!("the group does not become {state}");
}

#[test]
fn second_member_shares_after_a_rebalance() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let (mut one, mut two) = (fixture.client(), fixture.client());
    let (first, generation) = first_member(&mut one);
    assert_eq!(heartbeat(&mut one, &first, generation), 0);
    let told = two.ask(5, &join("", None));
    let second = told.member_id.to_string();
    two.send(5, &join(&second, None));
    wait_for(&fixture, "PreparingRebalance");
    assert_eq!(heartbeat(&mut one, &first, generation), ResponseError::RebalanceInProgress.code());
    let joined = one.ask(5, &join(&first, None));
    let other = two.receive::<JoinGroupRequest>(5);
    assert_eq!((joined.generation_id, other.generation_id), (generation + 1, generation + 1));
    assert_eq!((joined.members.len(), other.members.len()), (2, 0));
    two.send(4, &sync(&second, generation + 1, &[]));
    let synced = one.ask(4, &sync(&first, generation + 1, &[(&first, "a"), (&second, "b")]));
    assert_eq!(&*synced.assignment, b"a");
    assert_eq!(&*two.receive::<SyncGroupRequest>(4).assignment, b"b");
    assert_eq!(heartbeat(&mut two, &second, generation), ResponseError::IllegalGeneration.code());
    assert_eq!(heartbeat(&mut two, "nobody", generation), ResponseError::UnknownMemberId.code());
}

#[test]
fn silent_member_is_taken_out() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    let (id, generation) = first_member(&mut client);
    fixture.clock.advance(9_999);
    assert_eq!(heartbeat(&mut client, &id, generation), 0);
    fixture.clock.advance(10_000);
    wait_for(&fixture, "Empty");
    assert_eq!(heartbeat(&mut client, &id, generation), ResponseError::UnknownMemberId.code());
}

#[test]
fn member_that_does_not_come_back_is_left_behind() {
    let fixture = Fixture::start(&[]);
    let (mut one, mut two) = (fixture.client(), fixture.client());
    let (first, generation) = first_member(&mut one);
    let second = two.ask(5, &join("", None)).member_id.to_string();
    two.send(5, &join(&second, None));
    wait_for(&fixture, "PreparingRebalance");
    // It goes on with heartbeats and never joins again.
    for _ in 0..3 {
        assert_eq!(heartbeat(&mut one, &first, generation), ResponseError::RebalanceInProgress.code());
        fixture.clock.advance(9_000);
    }
    assert_eq!(heartbeat(&mut one, &first, generation), ResponseError::RebalanceInProgress.code());
    fixture.clock.advance(3_000);
    let joined = two.receive::<JoinGroupRequest>(5);
    assert_eq!((joined.error_code, joined.members.len()), (0, 1));
    assert_eq!(heartbeat(&mut one, &first, generation), ResponseError::UnknownMemberId.code());
}

#[test]
fn static_member_comes_back_without_a_rebalance() {
    let fixture = Fixture::start(&[]);
    let mut client = fixture.client();
    let joined = client.ask(5, &join("", Some("i")));
    assert_eq!(joined.error_code, 0);
    let old = joined.member_id.to_string();
    let mut request = sync(&old, joined.generation_id, &[(&old, "all")]);
    request.group_instance_id = Some(text("i"));
    client.ask(4, &request);
    let again = client.ask(5, &join("", Some("i")));
    assert_eq!((again.error_code, again.generation_id), (0, joined.generation_id));
    assert_ne!(again.member_id, joined.member_id);
    let fenced = client.ask(5, &join(&old, Some("i")));
    assert_eq!(fenced.error_code, ResponseError::FencedInstanceId.code());
    // An administrator removes it by its instance.
    let member = leave_group_request::MemberIdentity::default().with_group_instance_id(Some(text("i")));
    let leave = LeaveGroupRequest::default().with_group_id(GroupId(text("g"))).with_members(vec![member]);
    assert_eq!(client.ask(4, &leave).members[0].error_code, 0);
    wait_for(&fixture, "Empty");
}

#[test]
fn joins_that_do_not_fit_are_refused() {
    let fixture = Fixture::start(&[("group.max.size", "1")]);
    let mut client = fixture.client();
    let mut code = |change: &dyn Fn(&mut JoinGroupRequest)| {
        let mut request = join("", None);
        change(&mut request);
        client.ask(5, &request).error_code
    };
    assert_eq!(code(&|r| r.group_id = GroupId(text(""))), ResponseError::InvalidGroupId.code());
    assert_eq!(code(&|r| r.session_timeout_ms = 5), ResponseError::InvalidSessionTimeout.code());
    assert_eq!(code(&|r| r.member_id = text("x")), ResponseError::UnknownMemberId.code());
    assert_eq!(code(&|r| r.protocols.clear()), ResponseError::InconsistentGroupProtocol.code());
    first_member(&mut fixture.client());
    assert_eq!(code(&|_| {}), ResponseError::GroupMaxSizeReached.code());
    let other = |r: &mut JoinGroupRequest| r.protocols[0].name = text("sticky");
    assert_eq!(code(&other), ResponseError::InconsistentGroupProtocol.code());
}

fn commit(group: &str, member: &str, generation: i32, name: &str, metadata: &str) -> OffsetCommitRequest {
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_committed_offset(5)
        .with_committed_metadata(Some(text(metadata)));
    let part = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(topic(name))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![part])
}

#[test]
fn offsets_are_kept_for_members_and_for_strangers_of_empty_groups() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut client = fixture.client();
    let mut ask = |request: &OffsetCommitRequest| client.ask(8, request).topics[0].partitions[0].error_code;
    assert_eq!(ask(&commit("stranger", "", -1, "t", "note")), 0);
    assert_eq!(ask(&commit("g", "x", 3, "t", "")), ResponseError::IllegalGeneration.code());
    let (id, generation) = first_member(&mut fixture.client());
    assert_eq!(ask(&commit("g", &id, generation, "t", "")), 0);
    assert_eq!(ask(&commit("g", &id, generation + 1, "t", "")), ResponseError::IllegalGeneration.code());
    assert_eq!(ask(&commit("g", "", -1, "t", "")), ResponseError::UnknownMemberId.code());
    let nowhere = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(ask(&commit("g", &id, generation, "nowhere", "")), nowhere);
    let long = "x".repeat(5000);
    assert_eq!(ask(&commit("g", &id, generation, "t", &long)), ResponseError::OffsetMetadataTooLarge.code());
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text("stranger"))).with_topics(None);
    let answer = client.ask(7, &request);
    let part = &answer.topics[0].partitions[0];
    assert_eq!((part.committed_offset, part.metadata.as_deref()), (5, Some("note")));
    let listed = client.ask(5, &ListGroupsRequest::default());
    let names: Vec<&str> = listed.groups.iter().map(|group| &**group.group_id as &str).collect();
    assert_eq!(names, ["g", "stranger"]);
    let delete = DeleteGroupsRequest::default()
        .with_groups_names(["g", "stranger", "nobody"].map(|id| GroupId(text(id))).to_vec());
    let codes: Vec<i16> = client.ask(2, &delete).results.iter().map(|result| result.error_code).collect();
    let expected = [ResponseError::NonEmptyGroup.code(), 0, ResponseError::GroupIdNotFound.code()];
    assert_eq!(codes, expected);
}

#[test]
fn what_somebody_else_holds_stays() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("held-topic", 1);
    let mut client = fixture.client();
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![topic("held-topic")]);
    let answer = client.ask(5, &delete);
    let result = &answer.responses[0];
    assert_eq!(
        (result.error_code, result.error_message.as_deref()),
        (ResponseError::PolicyViolation.code(), Some("it is held"))
    );
    let code = client.ask(8, &commit("held", "", -1, "held-topic", "")).topics[0].partitions[0].error_code;
    assert_eq!(code, ResponseError::UnknownMemberId.code());
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("held"))]);
    assert_eq!(client.ask(2, &delete).results[0].error_code, ResponseError::NonEmptyGroup.code());
}

#[test]
fn settings_of_groups_and_brokers_are_kept() {
    let fixture = Fixture::start(&[("group.consumer.max.session.timeout.ms", "50000")]);
    let mut client = fixture.client();
    let mut alter = |kind: i8, resource: &str, name: &str, value: &str| {
        let config = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(0)
            .with_value(Some(text(value)));
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(resource))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        client.ask(1, &request).responses[0].error_code
    };
    assert_eq!(alter(32, "g", "consumer.session.timeout.ms", "50000"), 0);
    let invalid = ResponseError::InvalidConfig.code();
    assert_eq!(alter(32, "g", "consumer.session.timeout.ms", "5"), invalid);
    assert_eq!(alter(32, "g", "consumer.session.timeout.ms", "50001"), invalid);
    assert_eq!(alter(32, "g", "consumer.what", "5"), invalid);
    assert_eq!(alter(4, "1", "num.partitions", "5"), ResponseError::InvalidRequest.code());
    assert_eq!(alter(4, "2", "num.io.threads", "5"), ResponseError::InvalidRequest.code());
    assert_eq!(alter(4, "1", "num.io.threads", "5"), 0);
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(text("g"))
        .with_configuration_keys(Some(vec![text("consumer.session.timeout.ms")]));
    let answer = client.ask(4, &DescribeConfigsRequest::default().with_resources(vec![resource]));
    let config = &answer.results[0].configs[0];
    assert_eq!((config.value.as_deref(), config.config_source), (Some("50000"), 8));
}

#[test]
fn held_group_is_shown_with_its_member() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 2);
    let position = commitlog::OffsetCommit {
        topic: "t".into(),
        partition: 1,
        offset: 0,
        leader_epoch: -1,
        metadata: String::new(),
    };
    fixture.log.commit_offsets("held", &[position], 0).unwrap().wait().unwrap();
    let mut client = fixture.client();
    let listed = client.ask(5, &ListGroupsRequest::default());
    assert_eq!((&*listed.groups[0].group_state, &*listed.groups[0].protocol_type), ("Stable", "consumer"));
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("held"))]);
    let answer = client.ask(5, &request);
    let group = &answer.groups[0];
    assert_eq!((&*group.group_state, group.members.len()), ("Stable", 1));
    assert_eq!(
        &group.members[0].member_assignment[..],
        b"\0\0\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff"
    );
}

#[test]
fn group_changes_its_protocol_when_it_is_empty_only() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let (mut classic, mut consumer) = (fixture.client(), fixture.client());
    let (id, generation) = first_member(&mut classic);
    let code = classic.ask(8, &commit("g", &id, generation, "t", "")).topics[0].partitions[0].error_code;
    assert_eq!(code, 0);
    assert_eq!(consumer.ask(0, &beat(0)).error_code, ResponseError::GroupIdNotFound.code());
    let leave = LeaveGroupRequest::default().with_group_id(GroupId(text("g"))).with_member_id(text(&id));
    assert_eq!(classic.ask(2, &leave).error_code, 0);
    // Upgraded; the positions are the group's, whoever is in it.
    assert_eq!(consumer.ask(0, &beat(0)).error_code, 0);
    assert!(fixture.log.committed_offset("g", "t", 0).is_some());
    let refused = classic.ask(5, &join("", None)).error_code;
    assert_eq!(refused, ResponseError::InconsistentGroupProtocol.code());
    // And back.
    assert_eq!(consumer.ask(0, &beat(-1)).error_code, 0);
    first_member(&mut classic);
    assert!(fixture.log.committed_offset("g", "t", 0).is_some());
}

#[test]
fn group_has_its_bound_of_members_and_session_timeouts() {
    let fixture = Fixture::start(&[("group.max.size", "1"), ("group.max.session.timeout.ms", "10000")]);
    let mut client = fixture.client();
    first_member(&mut client);
    let full = ResponseError::GroupMaxSizeReached.code();
    assert_eq!(client.ask(3, &join("", None)).error_code, full);
    for timeout_ms in [5_999, 10_001] {
        let wrong = join("", None).with_session_timeout_ms(timeout_ms);
        assert_eq!(client.ask(3, &wrong).error_code, ResponseError::InvalidSessionTimeout.code());
    }
}

#[test]
fn pattern_takes_topics_that_come_later() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("zeek.dns", 1);
    let mut client = fixture.client();
    let joins =
        beat(0).with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("zeek\\..*")));
    let joined = client.ask(1, &joins);
    assert_eq!(joined.error_code, 0);
    assert_eq!(joined.assignment.unwrap().topic_partitions.len(), 1);
    fixture.create_topic("zeek.http", 1);
    fixture.create_topic("sysmon", 1);
    let mut topics = 0;
    let mut epoch = joined.member_epoch;
    for _ in 0..2 {
        let told = client.ask(1, &beat(epoch));
        epoch = told.member_epoch;
        topics = told.assignment.map_or(topics, |assignment| assignment.topic_partitions.len());
    }
    assert_eq!(topics, 2);
    let wrong = beat(0).with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("(?=look)")));
    assert_eq!(client.ask(1, &wrong).error_code, ResponseError::InvalidRegularExpression.code());
}
