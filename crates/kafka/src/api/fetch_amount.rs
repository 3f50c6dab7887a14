//! How much a fetch that waits has: counted up as records are added, without reading again what was read before.
//!
//! As in Kafka a partition counts for no more than its own bound; what is left out of an answer for other bounds counts
//! too, since waiting brings no more of it.

use commitlog::{Isolation, Partition, PartitionOffsets};

use crate::answer_bytes::Counted;
use crate::fetch_session::Wanted;

/// What there is of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount {
    /// Where what was not counted begins.
    pub next: i64,
    pub bytes: usize,
}

impl Amount {
    /// Returns the amount after records up to `next` were read, when the partition ends at `end`.
    pub(super) fn read(wanted: &Wanted, len: usize, next: i64, end: i64) -> Amount {
        let bytes_max = wanted.max_bytes.max(0) as usize;
        Amount { next, bytes: if next < end { bytes_max.max(len) } else { len } }
    }

    /// Counts records that were added. Their bytes are read and dropped: they are few.
    pub(super) fn add(
        &mut self,
        partition: &Partition,
        wanted: &Wanted,
        isolation: Isolation,
        bytes_wanted: usize,
        counted: &mut Counted,
    ) {
        let left = (wanted.max_bytes.max(0) as usize).saturating_sub(self.bytes);
        if left == 0 || self.next >= end_of(&partition.offsets(), isolation) {
            return;
        }
        let before = counted.len();
        let bytes_max = counted.add(left.min(bytes_wanted));
        let mut records = Vec::new();
        if let Ok(info) = partition.read(self.next, bytes_max, isolation, &mut records) {
            self.next = info.next_offset;
            self.bytes += records.len();
        }
        counted.set(before);
    }
}

/// Returns the offset after the last record that a fetch may give.
pub(super) fn end_of(offsets: &PartitionOffsets, isolation: Isolation) -> i64 {
    match isolation {
        Isolation::ReadCommitted => offsets.last_stable,
        Isolation::ReadUncommitted => offsets.next,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use commitlog::{BatchBuilder, Log, LogConfig, SimulatedDisk};
    use kafka_protocol::messages::TopicName;
    use uuid::Uuid;

    use super::*;
    use crate::answer_bytes::AnswerBytes;

    fn wanted(max_bytes: i32) -> Wanted {
        Wanted {
            topic: TopicName::default(),
            topic_id: Uuid::nil(),
            partition: 0,
            fetch_offset: 0,
            max_bytes,
            leader_epoch: -1,
            told_high_watermark: -1,
            told_log_start: -1,
            is_denied: false,
            found: None,
        }
    }

    #[test]
    fn what_was_counted_is_not_read_again() {
        let config = LogConfig { inline_writer: true, ..LogConfig::default() };
        let log = Log::open(Arc::new(SimulatedDisk::new()), "/log", config).unwrap();
        log.create_topic("t", 1, &Default::default(), 0).unwrap();
        let partition = log.partition("t", 0).unwrap();
        let mut counted = AnswerBytes::new(1 << 20).count();
        let mut batch = BatchBuilder::new();
        batch.append(1, None, Some(&[7; 1000]), &[]);
        let batch = batch.finish().to_vec();
        let mut amount = Amount::read(&wanted(10_000), 0, 0, 0);
        for n in 1..20 {
            log.append_durable("t", 0, &mut batch.clone(), 0).unwrap().1.wait().unwrap();
            let before = amount;
            amount.add(&partition, &wanted(10_000), Isolation::ReadUncommitted, 1 << 20, &mut counted);
            let is_full = before.bytes >= 10_000;
            let added = if is_full { 0 } else { batch.len() };
            assert_eq!(amount.bytes, before.bytes + added);
            assert_eq!(amount.next, if is_full { before.next } else { n });
        }
        assert_eq!(counted.len(), 0);
    }

    #[test]
    fn what_a_bound_leaves_out_counts_up_to_the_partitions_own() {
        assert_eq!(Amount::read(&wanted(1000), 300, 5, 5).bytes, 300);
        assert_eq!(Amount::read(&wanted(1000), 300, 5, 6).bytes, 1000);
        assert_eq!(Amount::read(&wanted(1000), 3000, 5, 6).bytes, 3000);
        assert_eq!(Amount::read(&wanted(-1), 0, 5, 6).bytes, 0);
    }
}
