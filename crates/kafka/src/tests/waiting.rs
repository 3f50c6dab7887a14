//! Requests that wait for others, and what they hold meanwhile.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;

use super::client::{Client, Fixture, text, topic};

/// Longer than what is free for a frame; six of them are the whole budget of [`TIGHT`].
const PADDED: usize = 250_000;
const TIGHT: &[(&str, &str)] = &[("queued.max.request.bytes", "0"), ("socket.request.max.bytes", "300000")];

/// A fetch that waits for more than there will ever be.
fn fetch() -> FetchRequest {
    let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1 << 20);
    let part = fetch_request::FetchTopic::default().with_topic(topic("t")).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(i32::MAX)
        .with_min_bytes(i32::MAX)
        .with_max_bytes(i32::MAX)
        .with_topics(vec![part])
}

/// The same in the layout of version 2, in a frame of a length.
fn old_fetch(length: usize) -> Vec<u8> {
    let mut frame = vec![0, 1, 0, 2, 0, 0, 0, 1, 0xff, 0xff];
    for number in [-1, i32::MAX, i32::MAX, 1] {
        frame.extend(i32::to_be_bytes(number));
    }
    frame.extend(b"\0\x01t");
    for number in [1, 0, 0, 0, 1 << 20] {
        frame.extend(i32::to_be_bytes(number));
    }
    frame.resize(length, 0);
    frame
}

fn join(group: &str) -> JoinGroupRequest {
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\0"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(i32::MAX)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// Makes groups whose only member will not join again: who joins now waits for it.
fn stuck_group(fixture: &Fixture) -> Client {
    let mut client = fixture.client();
    assert_eq!(client.ask(3, &join("g")).error_code, 0);
    client
}

#[test]
fn frames_of_requests_that_wait_are_given_back() {
    let fixture = Fixture::start(TIGHT);
    fixture.create_topic("t", 1);
    let stuck = stuck_group(&fixture);
    let mut waiting = vec![stuck];
    for _ in 0..10 {
        let mut client = fixture.client();
        client.send_padded(12, &fetch(), PADDED);
        waiting.push(client);
        let mut client = fixture.client();
        client.send_raw(&old_fetch(PADDED));
        waiting.push(client);
        let mut client = fixture.client();
        client.send_padded(3, &join("g"), PADDED);
        waiting.push(client);
    }
    let mut client = fixture.client();
    client.send_padded(1, &MetadataRequest::default(), PADDED);
    client.receive::<MetadataRequest>(1);
}

/// Sends something that waits, goes away, and checks that the one place is free again.
fn leaves_its_place(fixture: &Fixture, send: impl Fn(&mut Client)) {
    for _ in 0..2000 {
        let mut client = fixture.client();
        // Refused while the place is taken.
        client.send_lenient(1, &MetadataRequest::default());
        if client.receive_raw().is_some() {
            send(&mut client);
            drop(client);
            break;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    for _ in 0..2000 {
        let mut client = fixture.client();
        client.send_lenient(1, &MetadataRequest::default());
        if client.receive_raw().is_some() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("the place is not given back");
}

#[test]
fn client_that_goes_away_while_its_request_waits_leaves_its_place() {
    let fixture = Fixture::start(&[("max.connections", "1")]);
    fixture.log.create_topic("t", 1, &Default::default(), 0).unwrap();
    leaves_its_place(&fixture, |client| client.send(12, &fetch()));
    leaves_its_place(&fixture, |client| client.send_raw(&old_fetch(49)));
    let joins = |client: &mut Client| client.send(3, &join("g"));
    // The first is answered, and is not there when the second joins.
    leaves_its_place(&fixture, joins);
    leaves_its_place(&fixture, joins);
}

#[test]
fn nobody_waits_for_longer_than_a_connection_may_be_silent() {
    let fixture = Fixture::start(&[("connections.max.idle.ms", "2000")]);
    fixture.create_topic("t", 1);
    let mut fetching = fixture.client();
    fetching.send(12, &fetch());
    // A join may take as long as the others take, unless the client has more to ask.
    let _stuck = stuck_group(&fixture);
    let mut joining = fixture.client();
    joining.send(3, &join("g"));
    joining.send(1, &MetadataRequest::default());
    assert_eq!(fetching.receive::<FetchRequest>(12).error_code, 0);
    assert!(joining.receive_raw().is_none());
}

#[test]
fn frames_that_are_announced_only_take_nothing_from_others() {
    let fixture = Fixture::start(TIGHT);
    let mut slow: Vec<Client> = (0..10).map(|_| fixture.client()).collect();
    for client in &mut slow {
        client.send_bytes(&(PADDED as u32).to_be_bytes());
        client.send_bytes(&[0; 60_000]);
    }
    let mut client = fixture.client();
    client.send_padded(1, &MetadataRequest::default(), PADDED);
    client.receive::<MetadataRequest>(1);
}

#[test]
fn frame_longer_than_a_login_needs_is_refused_before_it() {
    let fixture = Fixture::start(&[("listeners", "SASL_PLAINTEXT://127.0.0.1:0")]);
    let mut client = fixture.client();
    client.send_padded(0, &ApiVersionsRequest::default(), 60_000);
    let answer = client.receive::<ApiVersionsRequest>(0);
    assert_eq!(answer.error_code, 0);
    let unknown = ResponseError::UnsupportedSaslMechanism.code();
    assert_eq!(client.ask(1, &SaslHandshakeRequest::default()).error_code, unknown);
    let mut client = fixture.client();
    client.send_bytes(&70_000u32.to_be_bytes());
    assert!(client.receive_raw().is_none());
}
