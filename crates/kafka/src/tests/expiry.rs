//! What is forgotten after a long time, and what is not.

use commitlog::OffsetCommit;

use super::client::{Fixture, beat};
use crate::expiry::{forget_offsets, forget_transactional_ids};

const DAY_MS: i64 = 86_400_000;

fn commit(fixture: &Fixture, group: &str, topic: &str) {
    let commit = OffsetCommit {
        topic: topic.into(),
        partition: 0,
        offset: 1,
        leader_epoch: -1,
        metadata: String::new(),
    };
    let now_ms = fixture.clock.now_ms();
    fixture.log.commit_offsets(group, &[commit], now_ms).unwrap().wait().unwrap();
}

#[test]
fn positions_expire_when_their_group_was_empty_for_long() {
    let fixture = Fixture::start(&[("offsets.retention.minutes", "10080")]);
    let broker = &fixture.running.broker;
    for name in ["t", "u"] {
        fixture.create_topic(name, 1);
    }
    commit(&fixture, "alone", "t");
    commit(&fixture, "held", "t");
    for name in ["t", "u"] {
        commit(&fixture, "g", name);
    }
    let mut client = fixture.client();
    let mut epoch = client.ask(0, &beat(0)).member_epoch;
    let has = |group: &str, topic: &str| fixture.log.committed_offset(group, topic, 0).is_some();
    fixture.clock.advance(7 * DAY_MS);
    // The member would have been silent: it joins again before the clock is looked at.
    epoch = client.ask(0, &beat(if epoch > 0 { 0 } else { epoch })).member_epoch;
    forget_offsets(broker);
    assert!(has("alone", "t") && has("g", "u"));
    fixture.clock.advance(1);
    forget_offsets(broker);
    // The engine's own are not touched; of a group with members only what nobody wants goes.
    assert!(!has("alone", "t") && has("held", "t") && has("g", "t") && !has("g", "u"));
    client.ask(0, &beat(-1));
    assert!(epoch > 0);
    fixture.clock.advance(7 * DAY_MS);
    forget_offsets(broker);
    assert!(has("g", "t"), "it was empty for seven days only");
    fixture.clock.advance(1);
    forget_offsets(broker);
    assert!(!has("g", "t"));
}

#[test]
fn positions_are_kept_for_ever_when_asked_to() {
    let fixture = Fixture::start(&[("offsets.retention.minutes", "-1")]);
    fixture.create_topic("t", 1);
    commit(&fixture, "alone", "t");
    fixture.clock.advance(10_000 * DAY_MS);
    forget_offsets(&fixture.running.broker);
    assert!(fixture.log.committed_offset("alone", "t", 0).is_some());
}

#[test]
fn transactional_ids_expire_when_nobody_uses_them() {
    let fixture = Fixture::start(&[("transactional.id.expiration.ms", "604800000")]);
    let broker = &fixture.running.broker;
    fixture.create_topic("t", 1);
    let now_ms = fixture.clock.now_ms();
    let old = fixture.log.init_producer(Some("old"), 60_000, now_ms).unwrap();
    let open = fixture.log.init_producer(Some("open"), i64::MAX - 1, now_ms).unwrap();
    fixture.log.add_partitions_to_transaction("open", open, &[("t", 0)], now_ms).unwrap();
    let ids = || -> Vec<String> {
        fixture.log.transactions().into_iter().map(|info| info.transactional_id).collect()
    };
    forget_transactional_ids(broker);
    fixture.clock.advance(7 * DAY_MS);
    forget_transactional_ids(broker);
    assert_eq!(ids(), ["old", "open"]);
    fixture.clock.advance(1);
    forget_transactional_ids(broker);
    assert_eq!(ids(), ["open"]);
    // The old producer is not known any more; a new one begins anew.
    let now_ms = fixture.clock.now_ms();
    let refused = fixture.log.end_transaction("old", old, false, now_ms);
    assert!(matches!(refused, Err(commitlog::LogError::UnknownProducer { .. })));
    let fresh = fixture.log.init_producer(Some("old"), 60_000, now_ms).unwrap();
    assert_ne!(fresh.producer_id, old.producer_id);
}
