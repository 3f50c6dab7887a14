//! What is forgotten when nobody has used it for long: groups' positions and transactional ids.
//!
//! A position goes when its group has been empty and the position unchanged for `offsets.retention.minutes`; while the group
//! has members, only positions in topics that none of them wants go (KIP-211). Unlike Kafka, how long a group was empty is
//! not known over a restart: it counts from the start, so positions may live longer, never shorter.

use crate::broker::Broker;
use crate::group::Presence;

/// Forgets positions that have expired.
pub(crate) fn forget_offsets(broker: &Broker) {
    let minutes = broker.config.integer("offsets.retention.minutes");
    if minutes < 0 {
        return;
    }
    let oldest_ms = broker.now_ms().saturating_sub(minutes.saturating_mul(60_000));
    for group in broker.log.groups() {
        if broker.owner.holds_group(&group).is_some() {
            continue;
        }
        let presence = broker.groups.presence(&group);
        let is_expired = |topic: &str, committed_ms: i64| match &presence {
            Presence::Unknown => committed_ms.max(broker.started_ms) < oldest_ms,
            Presence::Empty { since_ms } => committed_ms.max(*since_ms) < oldest_ms,
            Presence::Members { topics: Some(topics) } => !topics.contains(topic) && committed_ms < oldest_ms,
            Presence::Members { topics: None } => false,
        };
        let offsets = broker.log.committed_offsets(&group);
        let expired: Vec<(&str, u32)> = offsets
            .iter()
            .filter(|(topic, partition, committed)| {
                is_expired(topic, committed.committed_ms)
                    && !broker.log.has_pending_offset(&group, topic, *partition)
            })
            .map(|(topic, partition, _)| (topic.as_str(), *partition))
            .collect();
        if expired.is_empty() {
            continue;
        }
        tracing::info!(group, offsets = expired.len(), "offsets have expired");
        if let Err(error) = broker.log.delete_offsets(&group, &expired) {
            tracing::warn!(group, %error, "expired offsets could not be deleted");
        }
    }
}

/// Forgets transactional ids that nobody uses.
pub(crate) fn forget_transactional_ids(broker: &Broker) {
    let idle_ms = broker.config.integer("transactional.id.expiration.ms");
    if idle_ms < 0 {
        return;
    }
    match broker.log.forget_transactional_ids(idle_ms, broker.now_ms()) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "transactional ids have expired"),
        Err(error) => tracing::warn!(%error, "expired transactional ids could not be forgotten"),
    }
}
