//! Requests of many parts are answered in time that grows with their number, not with its square.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Fixture, text};

/// So many take minutes where each is compared with all; a client waits 20 s.
const MANY: usize = 130_000;

fn name(number: usize) -> kafka_protocol::protocol::StrBytes {
    // Of one length and first letters, so that comparing takes as long as it can.
    text(&format!("a-name-of-one-length-{number:08}"))
}

#[test]
fn users_of_a_description() {
    let fixture = Fixture::start(&[]);
    let user = |number| describe_user_scram_credentials_request::UserName::default().with_name(name(number));
    let users = (0..MANY).chain([0]).map(user).collect();
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(users));
    let answer = fixture.client().ask(0, &request);
    assert_eq!(answer.results.len(), MANY);
    let codes: Vec<i16> = answer.results.iter().map(|result| result.error_code).collect();
    let twice = ResponseError::DuplicateResource.code();
    assert_eq!((codes[0], codes.iter().filter(|code| **code == twice).count()), (twice, 1));
}

#[test]
fn settings_of_a_topic() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let setting = |number| {
        incremental_alter_configs_request::AlterableConfig::default()
            .with_name(name(number))
            .with_value(Some(text("1")))
    };
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configs((0..MANY).map(setting).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let code = fixture.client().ask(1, &request).responses[0].error_code;
    assert_eq!(code, ResponseError::InvalidConfig.code());
}

#[test]
fn settings_of_a_group() {
    let fixture = Fixture::start(&[]);
    let setting = |number| {
        alter_configs_request::AlterableConfig::default().with_name(name(number)).with_value(Some(text("1")))
    };
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(text("g"))
        .with_configs((0..MANY).map(setting).collect());
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    let code = fixture.client().ask(2, &request).responses[0].error_code;
    assert_eq!(code, ResponseError::InvalidConfig.code());
}

#[test]
fn topics_that_are_to_grow() {
    let fixture = Fixture::start(&[]);
    let more = |number| {
        create_partitions_request::CreatePartitionsTopic::default()
            .with_name(TopicName(name(number)))
            .with_count(2)
            .with_assignments(None)
    };
    let request = CreatePartitionsRequest::default().with_topics((0..MANY).chain([0]).map(more).collect());
    let answer = fixture.client().ask(3, &request);
    assert_eq!(answer.results.len(), MANY);
    assert_eq!(answer.results[0].error_code, ResponseError::InvalidRequest.code());
}
