//! What a start knows of the records behind a partition's last checkpoint, from the transaction journal and the
//! write-ahead files: which of them are repeated there, and below which offset all others were synced.
//!
//! A frame of a write-ahead file repeats what nothing had made durable before: all below its first offset was synced, is
//! in an earlier frame, or in the journal. So it was when a large transaction was committed. Below that offset a batch
//! that is not good is either repeated, and written again in its place, or it is damage: what a stop can have torn is
//! repeated.

use std::collections::BTreeMap;

use crate::batch::{Batch, batches};
use crate::ledger::CommitEntry;
use crate::partition::RedoItem;

/// Topic id and partition.
type Place = (u128, u32);

/// Offsets by partition below which everything was synced or is repeated.
#[derive(Default)]
pub(crate) struct KeptBelow(BTreeMap<Place, i64>);

impl KeptBelow {
    /// Takes in a committed transaction.
    pub(crate) fn note_commit(&mut self, commit: &CommitEntry) {
        // A small one is repeated whatever lies before it.
        for part in commit.parts.iter().filter(|_| commit.redo.is_empty()) {
            self.note((part.topic_id, part.partition), part.first_offset);
        }
    }

    /// Takes in what write-ahead files repeat.
    pub(crate) fn note_ahead(&mut self, items: &[RedoItem]) {
        for item in items {
            if let Some(Ok(first)) = batches(&item.bytes).next() {
                self.note((item.topic_id, item.partition), first.base_offset());
            }
        }
    }

    fn note(&mut self, place: Place, offset: i64) {
        let below = self.0.entry(place).or_default();
        *below = offset.max(*below);
    }

    /// Returns what is known of each partition.
    pub(crate) fn with<'a>(&self, redo: &'a [RedoItem]) -> BTreeMap<Place, Kept<'a>> {
        let mut kept: BTreeMap<Place, Kept<'a>> = BTreeMap::new();
        for (place, below) in &self.0 {
            kept.entry(*place).or_default().below = *below;
        }
        for item in redo {
            let of_partition = kept.entry((item.topic_id, item.partition)).or_default();
            let good = batches(&item.bytes).flatten().filter(|batch| batch.validate().is_ok());
            of_partition.repeated.extend(good.map(|batch| (batch.base_offset(), batch)));
        }
        kept
    }
}

/// What is known of one partition.
#[derive(Default)]
pub(crate) struct Kept<'a> {
    /// Everything below was synced or is repeated.
    pub below: i64,
    /// Batches by first offset.
    pub repeated: BTreeMap<i64, Batch<'a>>,
}

impl Kept<'_> {
    /// Returns the batch that belongs at an offset and a position before a good one, if it is repeated.
    pub(crate) fn repeated_before(
        &self,
        offset: i64,
        position: u64,
        (position_behind, offset_behind): (u64, i64),
    ) -> Option<&Batch<'_>> {
        self.repeated.get(&offset).filter(|batch| {
            batch.next_offset() <= offset_behind && position + batch.len() as u64 <= position_behind
        })
    }
}
