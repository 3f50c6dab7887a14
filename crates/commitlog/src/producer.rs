//! What a partition knows about its producers: epochs, the last sequences, open transactions.
//!
//! As in Kafka: the last five batches of an idempotent producer are remembered; one of them sent again is answered
//! with its first offset, anything else that does not follow the last sequence is refused.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;

use crate::batch::{Batch, ControlType, NO_PRODUCER_ID};
use crate::error::LogError;
use crate::wire::{Reader, put};

/// Kafka allows five requests in flight.
const REMEMBERED_BATCHES: usize = 5;

/// A finished transaction whose records are void, as a fetch answer lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: i64,
    /// The transaction's first offset.
    pub first_offset: i64,
    /// The offset of its abort marker.
    pub last_offset: i64,
}

/// What a partition knows about a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerInfo {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The last sequence number it has used; −1 when that is not known.
    pub last_sequence: i32,
    /// The newest timestamp it has written.
    pub last_timestamp: i64,
    /// The first offset of its open transaction.
    pub transaction_first_offset: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RememberedBatch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    last_offset: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    batches: VecDeque<RememberedBatch>,
    transaction_first_offset: Option<i64>,
    last_timestamp: i64,
    /// When it was first seen idle, by the clock: what is sent today may have timestamps of last year.
    idle_since_ms: Option<i64>,
}

/// What an append may do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Append,
    Duplicate { base_offset: i64, last_offset: i64 },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// First offset → producer id of the open transactions.
    ongoing: BTreeMap<i64, i64>,
}

impl Producers {
    /// Decides about a batch that is not a control batch.
    pub(crate) fn admit(&self, batch: &Batch<'_>) -> Result<Admission, LogError> {
        let producer_id = batch.producer_id();
        if producer_id == NO_PRODUCER_ID {
            return Ok(Admission::Append);
        }
        let Some(producer) = self.by_id.get(&producer_id) else {
            return Ok(Admission::Append);
        };
        let epoch = batch.producer_epoch();
        if epoch < producer.epoch {
            return Err(LogError::Fenced { producer_id, epoch, current: producer.epoch });
        }
        let first = batch.base_sequence();
        let out_of_order = |expected| LogError::OutOfOrderSequence { producer_id, expected, found: first };
        if epoch > producer.epoch {
            return if first == 0 { Ok(Admission::Append) } else { Err(out_of_order(0)) };
        }
        let last = sequence_after(first, batch.last_offset_delta());
        if let Some(same) =
            producer.batches.iter().find(|b| b.first_sequence == first && b.last_sequence == last)
        {
            return Ok(Admission::Duplicate { base_offset: same.base_offset, last_offset: same.last_offset });
        }
        // Without remembered batches (an expired or just fenced producer) any sequence may begin.
        match producer.batches.back() {
            Some(previous) if sequence_after(previous.last_sequence, 1) != first => {
                Err(out_of_order(sequence_after(previous.last_sequence, 1)))
            }
            _ => Ok(Admission::Append),
        }
    }

    /// Takes in a batch that is in the log. A marker that aborts something returns what it aborted.
    pub(crate) fn record(&mut self, batch: &Batch<'_>) -> Option<AbortedTransaction> {
        let producer_id = batch.producer_id();
        if producer_id == NO_PRODUCER_ID {
            return None;
        }
        let epoch = batch.producer_epoch();
        let producer = self.by_id.entry(producer_id).or_insert_with(|| Producer {
            epoch,
            batches: VecDeque::with_capacity(REMEMBERED_BATCHES),
            transaction_first_offset: None,
            last_timestamp: batch.max_timestamp(),
            idle_since_ms: None,
        });
        if producer.epoch < epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        producer.last_timestamp = producer.last_timestamp.max(batch.max_timestamp());
        producer.idle_since_ms = None;
        if batch.is_control() {
            let first_offset = producer.transaction_first_offset.take()?;
            self.ongoing.remove(&first_offset);
            let aborted = AbortedTransaction { producer_id, first_offset, last_offset: batch.base_offset() };
            return (batch.control_type() == Some(ControlType::Abort)).then_some(aborted);
        }
        if batch.base_sequence() >= 0 {
            if producer.batches.len() == REMEMBERED_BATCHES {
                producer.batches.pop_front();
            }
            producer.batches.push_back(RememberedBatch {
                first_sequence: batch.base_sequence(),
                last_sequence: sequence_after(batch.base_sequence(), batch.last_offset_delta()),
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset(),
            });
        }
        if batch.is_transactional() && producer.transaction_first_offset.is_none() {
            producer.transaction_first_offset = Some(batch.base_offset());
            self.ongoing.insert(batch.base_offset(), producer_id);
        }
        None
    }

    /// Returns the first offset of the oldest open transaction.
    pub(crate) fn first_ongoing(&self) -> Option<i64> {
        self.ongoing.first_key_value().map(|(offset, _)| *offset)
    }

    /// Returns the open transactions: producer id, epoch, first offset.
    pub(crate) fn ongoing(&self) -> Vec<(i64, i16, i64)> {
        self.ongoing
            .iter()
            .map(|(first, id)| (*id, self.by_id.get(id).map_or(0, |p| p.epoch), *first))
            .collect()
    }

    /// Returns all producers by id.
    pub(crate) fn infos(&self) -> Vec<ProducerInfo> {
        let mut infos: Vec<ProducerInfo> = self
            .by_id
            .iter()
            .map(|(id, producer)| ProducerInfo {
                producer_id: *id,
                epoch: producer.epoch,
                last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
                last_timestamp: producer.last_timestamp,
                transaction_first_offset: producer.transaction_first_offset,
            })
            .collect();
        infos.sort_by_key(|info| info.producer_id);
        infos
    }

    /// Returns the first offset of a producer's open transaction.
    pub(crate) fn ongoing_of(&self, producer_id: i64) -> Option<i64> {
        self.by_id.get(&producer_id)?.transaction_first_offset
    }

    /// Returns the sequence number a producer's next batch must have.
    pub(crate) fn next_sequence(&self, producer_id: i64, epoch: i16) -> i32 {
        match self.by_id.get(&producer_id) {
            Some(producer) if producer.epoch == epoch => {
                producer.batches.back().map_or(0, |batch| sequence_after(batch.last_sequence, 1))
            }
            _ => 0,
        }
    }

    /// Forgets producers without an open transaction that wrote nothing for `idle_ms`. Counts from one call to the next.
    pub(crate) fn expire(&mut self, now_ms: i64, idle_ms: i64) {
        self.by_id.retain(|_, producer| {
            let since = *producer.idle_since_ms.get_or_insert(now_ms);
            producer.transaction_first_offset.is_some() || now_ms.saturating_sub(since) < idle_ms
        });
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put!(out, (self.by_id.len() as u32));
        // Sorted, so that equal states have equal bytes.
        let mut ids: Vec<_> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let producer = &self.by_id[&id];
            put!(out, id);
            put!(out, producer.epoch);
            put!(out, producer.transaction_first_offset.unwrap_or(-1));
            put!(out, producer.last_timestamp);
            put!(out, (producer.batches.len() as u32));
            for batch in &producer.batches {
                put!(out, batch.first_sequence);
                put!(out, batch.last_sequence);
                put!(out, batch.base_offset);
                put!(out, batch.last_offset);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Producers> {
        let mut producers = Producers::default();
        for _ in 0..reader.count(30)? {
            let id = reader.i64()?;
            let epoch = reader.i16()?;
            let first = reader.i64()?;
            let last_timestamp = reader.i64()?;
            let mut batches = VecDeque::new();
            for _ in 0..reader.count(24)? {
                batches.push_back(RememberedBatch {
                    first_sequence: reader.i32()?,
                    last_sequence: reader.i32()?,
                    base_offset: reader.i64()?,
                    last_offset: reader.i64()?,
                });
            }
            let transaction_first_offset = (first >= 0).then_some(first);
            if first >= 0 {
                producers.ongoing.insert(first, id);
            }
            let producer =
                Producer { epoch, batches, transaction_first_offset, last_timestamp, idle_since_ms: None };
            producers.by_id.insert(id, producer);
        }
        Some(producers)
    }
}

/// Sequence numbers run from 0 to 2³¹−1 and then begin again.
pub(crate) fn sequence_after(sequence: i32, steps: i32) -> i32 {
    ((sequence as i64 + steps as i64) & 0x7fff_ffff) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::set_producer;
    use crate::batch_builder::BatchBuilder;

    #[test]
    fn producers_of_old_records_are_remembered_too() {
        let mut producers = Producers::default();
        let write = |producers: &mut Producers, sequence| {
            let mut builder = BatchBuilder::new();
            builder.append(5, None, Some(b"long ago"), &[]);
            let mut bytes = builder.finish().to_vec();
            set_producer(&mut bytes, 7, 0, sequence, false);
            producers.record(&Batch::parse(&bytes).unwrap());
        };
        let (now_ms, idle_ms) = (1_700_000_000_000, 1_000);
        write(&mut producers, 0);
        producers.expire(now_ms, idle_ms);
        producers.expire(now_ms + 900, idle_ms);
        write(&mut producers, 1);
        producers.expire(now_ms + 1_800, idle_ms);
        assert_eq!(producers.infos().len(), 1);
        producers.expire(now_ms + 2_800, idle_ms);
        assert!(producers.infos().is_empty());
    }
}
