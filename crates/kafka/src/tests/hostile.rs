//! Frames that are none.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use commitlog::{Log, LogConfig, OffsetCommit, SimulatedDisk};
use kafka_protocol::messages::MetadataRequest;
use proptest::prelude::*;

use super::client::Fixture;
use crate::dispatch::SERVED;

#[test]
fn frames_with_lies_about_lengths_close_the_connection_only() {
    let fixture = Fixture::start(&[("socket.request.max.bytes", "1000")]);
    let header = [0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff];
    let frames: &[&[u8]] = &[
        &[0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3],
        &[0, 0, 0, 0],
        &[0, 0, 0, 3, 0, 3, 0],
        // A client id of 32767 bytes.
        &[0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff],
    ];
    for bytes in frames {
        let mut client = fixture.client();
        client.send_bytes(bytes);
        assert!(client.receive_raw().is_none(), "{bytes:?}");
    }
    // An array of two thousand million names.
    let mut frame = BytesMut::new();
    frame.put_slice(&header);
    frame.put_slice(&[0x7f, 0xff, 0xff, 0xff, 0, 1, b't']);
    let mut client = fixture.client();
    client.send_raw(&frame);
    assert!(client.receive_raw().is_none());
    fixture.client().ask(1, &MetadataRequest::default());
}

#[test]
fn connections_above_the_limit_are_closed() {
    let fixture = Fixture::start(&[("max.connections", "1")]);
    let mut first = fixture.client();
    first.ask(1, &MetadataRequest::default());
    assert!(fixture.client().receive_raw().is_none());
    first.ask(1, &MetadataRequest::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_decoders_panic(
        which in 0..SERVED.len(),
        step in 0i16..20,
        body in prop::collection::vec(prop_oneof![3 => Just(0u8), 2 => Just(1u8), 1 => Just(0xffu8), 2 => any::<u8>()], 0..200),
    ) {
        let served = &SERVED[which];
        let version = served.min + step % (served.max - served.min + 1);
        let mut frame = BytesMut::new();
        frame.put_i16(served.api_key);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.put_i16(-1);
        frame.put_slice(&body);
        crate::check_request(&frame);
    }
}

/// A broker in memory with a topic, a group and a transactional id that requests can name.
fn offline() -> crate::Offline {
    let config = LogConfig { inline_writer: true, journal_allocate_bytes: 4096, ..LogConfig::default() };
    let log = Log::open(Arc::new(SimulatedDisk::new()), "/log", config).unwrap();
    log.create_topic("t", 2, &Default::default(), 0).unwrap();
    let commit = OffsetCommit {
        topic: "t".into(),
        partition: 0,
        offset: 0,
        leader_epoch: -1,
        metadata: String::new(),
    };
    log.commit_offsets("g", &[commit], 0).unwrap().wait().unwrap();
    log.init_producer(Some("x"), 1000, 0).unwrap();
    crate::Offline::open(log, &[("auto.create.topics.enable", "false")]).unwrap()
}

thread_local! {
    static OFFLINE: crate::Offline = offline();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Without the fuzzer's guidance; `fuzz/fuzz_targets/kafka_request.rs` has it.
    #[test]
    fn no_bytes_make_the_handlers_panic(
        which in any::<u8>(),
        step in any::<u8>(),
        tick_ms in 0i64..2000,
        body in prop::collection::vec(prop_oneof![
            8 => Just(0u8), 4 => Just(1u8), 3 => Just(2u8), 1 => Just(0xffu8), 1 => Just(b't'), 1 => Just(b'g'),
            1 => Just(b'x'), 1 => any::<u8>(),
        ], 0..120),
    ) {
        let (api_key, version) = crate::Offline::chosen(which, step);
        if !crate::Offline::is_costly(api_key) {
            OFFLINE.with(|broker| {
                broker.ask(api_key, version, &body);
                broker.tick(tick_ms);
            });
        }
    }
}
