//! Logins and what they allow.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, permission, text, topic};

const USERS: &str = "user_alice=\"secret\" user_bob=\"other\";";

fn fixture() -> Fixture {
    Fixture::start(&[
        ("listeners", "SASL_PLAINTEXT://127.0.0.1:0,127.0.0.1:0"),
        ("plain.sasl.jaas.config", USERS),
        ("super.users", "User:ANONYMOUS"),
    ])
}

fn log_in(client: &mut Client, user: &str, password: &str) -> i16 {
    let shake = client.ask(1, &SaslHandshakeRequest::default().with_mechanism(text("PLAIN")));
    assert_eq!(shake.error_code, 0);
    let message = Bytes::from(format!("\0{user}\0{password}"));
    client.ask(2, &SaslAuthenticateRequest::default().with_auth_bytes(message)).error_code
}

fn metadata(client: &mut Client, name: &str) -> i16 {
    let part = metadata_request::MetadataRequestTopic::default().with_name(Some(topic(name)));
    client.ask(9, &MetadataRequest::default().with_topics(Some(vec![part]))).topics[0].error_code
}

#[test]
fn nothing_is_answered_before_the_login() {
    let fixture = fixture();
    let mut client = fixture.client();
    client.ask(3, &{
        ApiVersionsRequest::default()
            .with_client_software_name(text("a"))
            .with_client_software_version(text("1"))
    });
    client.send(9, &MetadataRequest::default());
    assert!(client.receive_raw().is_none());
}

#[test]
fn wrong_password_is_told_and_ends_the_connection() {
    let fixture = fixture();
    for (user, password) in [("alice", "other"), ("nobody", "secret"), ("", "")] {
        let mut client = fixture.client();
        let code = log_in(&mut client, user, password);
        assert_eq!(code, ResponseError::SaslAuthenticationFailed.code());
        assert!(client.receive_raw().is_none());
    }
    let mut client = fixture.client();
    let shake = client.ask(1, &SaslHandshakeRequest::default().with_mechanism(text("GSSAPI")));
    assert_eq!(shake.error_code, ResponseError::UnsupportedSaslMechanism.code());
    assert_eq!(shake.mechanisms.len(), 3);
}

#[test]
fn first_version_has_its_messages_outside_of_requests() {
    let fixture = fixture();
    fixture.create_topic_at(1, "t");
    for (password, fits) in [("secret", true), ("other", false)] {
        let mut client = fixture.client();
        let shake = client.ask(0, &SaslHandshakeRequest::default().with_mechanism(text("PLAIN")));
        assert_eq!(shake.error_code, 0);
        client.send_raw(format!("\0alice\0{password}").as_bytes());
        assert_eq!(client.receive_raw(), fits.then(Bytes::new));
        if fits {
            assert_eq!(metadata(&mut client, "t"), 0);
        }
    }
}

#[test]
fn rules_hold_for_the_one_who_has_logged_in() {
    let fixture = fixture();
    fixture.create_topic_at(1, "t");
    let mut admin = Client::connect(fixture.running.addresses[1]);
    assert_eq!(admin.ask(3, &permission("t", 3)).results[0].error_code, 0);
    let (mut alice, mut bob) = (fixture.client(), fixture.client());
    assert_eq!(log_in(&mut alice, "alice", "secret"), 0);
    assert_eq!(log_in(&mut bob, "bob", "other"), 0);
    assert_eq!(metadata(&mut alice, "t"), 0);
    let denied = ResponseError::TopicAuthorizationFailed.code();
    assert_eq!(metadata(&mut bob, "t"), denied);
    let data = produce_request::PartitionProduceData::default();
    let part =
        produce_request::TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
    let produce = ProduceRequest::default().with_acks(-1).with_topic_data(vec![part]);
    let answer = alice.ask(9, &produce);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, denied);
}

#[test]
fn frames_are_short_before_the_login() {
    let fixture = fixture();
    let mut client = fixture.client();
    client.send_bytes(&(1i32 << 20).to_be_bytes());
    assert!(client.receive_raw().is_none());
    let mut client = fixture.client();
    assert_eq!(log_in(&mut client, "alice", "secret"), 0);
    let names = (0..40_000).map(|n| {
        let name = topic(&format!("a-topic-that-is-not-there-{n}"));
        metadata_request::MetadataRequestTopic::default().with_name(Some(name))
    });
    let request =
        MetadataRequest::default().with_topics(Some(names.collect())).with_allow_auto_topic_creation(false);
    assert_eq!(client.ask(9, &request).topics.len(), 40_000);
}
