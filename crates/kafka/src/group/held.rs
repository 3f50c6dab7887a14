//! Groups of somebody in this process, such as queries: shown as a stable group of one member that reads every partition in
//! which there is a position, so that tools show lag and do not offer to move what is in use.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use crate::broker::Broker;
use crate::group::classic::State;

/// What tools are told of the member.
pub(crate) const CLIENT_ID: &str = "tripline";
pub(crate) const HOST: &str = "/127.0.0.1";
pub(crate) const PROTOCOL_TYPE: &str = "consumer";
pub(crate) const PROTOCOL: &str = "range";
pub(crate) const STATE: State = State::Stable;

/// A held group's member as Kafka's consumers would write it.
pub(crate) struct HeldMember {
    pub id: String,
    /// What it subscribes to.
    pub metadata: Bytes,
    /// What it reads.
    pub assignment: Bytes,
}

/// Returns the member of a group that is held; `None` for a group that clients may move.
pub(crate) fn member(broker: &Broker, group: &str) -> Option<HeldMember> {
    broker.owner.holds_group(group)?;
    let mut topics: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (topic, partition, _) in broker.log.committed_offsets(group) {
        topics.entry(topic).or_default().push(partition);
    }
    let text = |out: &mut BytesMut, text: &str| {
        // A topic's name has 249 bytes at most.
        out.put_u16(text.len() as u16);
        out.put_slice(text.as_bytes());
    };
    let (mut metadata, mut assignment) = (BytesMut::new(), BytesMut::new());
    for out in [&mut metadata, &mut assignment] {
        // The version.
        out.put_i16(0);
        out.put_i32(topics.len() as i32);
    }
    for (topic, partitions) in &topics {
        text(&mut metadata, topic);
        text(&mut assignment, topic);
        assignment.put_i32(partitions.len() as i32);
        partitions.iter().for_each(|partition| assignment.put_u32(*partition));
    }
    // No user data.
    metadata.put_i32(-1);
    assignment.put_i32(-1);
    let id = format!("{CLIENT_ID}-{group}");
    Some(HeldMember { id, metadata: metadata.freeze(), assignment: assignment.freeze() })
}
