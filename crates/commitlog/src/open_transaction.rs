//! A transaction that is open: what it has written and what it will set. Everything is found by a key: a transaction may
//! have as many parts as a log has partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::error::LogError;
use crate::ledger::OffsetEntry;
use crate::partition::{AppendInfo, Partition, RedoItem};
use crate::pending::{OpenOffsets, PendingOffsets};
use crate::transaction::TransactionPart;

/// Partitions and groups one transaction may touch.
const PARTS_MAX: usize = 100_000;

/// Topic id and number.
type Place = (u128, u32);

pub(crate) struct Open {
    pub lane: usize,
    pub since_ms: i64,
    pub parts: Vec<TransactionPart>,
    places: HashMap<Place, usize>,
    pub redo: Vec<RedoItem>,
    pub redo_bytes: usize,
    /// Groups an outside producer has announced.
    groups: BTreeSet<String>,
    pub offsets: OpenOffsets,
    consumed: BTreeMap<Place, (Arc<Partition>, i64)>,
    pub meta: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub meta_bytes: usize,
}

impl Open {
    pub(crate) fn new(lane: usize, since_ms: i64, pending: &Arc<PendingOffsets>) -> Open {
        Open {
            lane,
            since_ms,
            parts: Vec::new(),
            places: HashMap::new(),
            redo: Vec::new(),
            redo_bytes: 0,
            groups: BTreeSet::new(),
            offsets: OpenOffsets::new(pending),
            consumed: BTreeMap::new(),
            meta: Vec::new(),
            meta_bytes: 0,
        }
    }

    /// Returns a partition's place in `parts`.
    pub(crate) fn find(&self, partition: &Partition) -> Option<usize> {
        self.places.get(&place(partition)).copied()
    }

    /// Says whether records were written to the partition at a place.
    pub(crate) fn has_written(&self, part: usize) -> bool {
        self.parts[part].first_offset.is_some()
    }

    /// Returns a partition's place in `parts`, giving it one if it has none.
    pub(crate) fn part(&mut self, partition: &Arc<Partition>) -> Result<usize, LogError> {
        if let Some(index) = self.find(partition) {
            return Ok(index);
        }
        check_count("number of a transaction's partitions", self.parts.len())?;
        self.places.insert(place(partition), self.parts.len());
        self.parts.push(TransactionPart { partition: partition.clone(), first_offset: None });
        Ok(self.parts.len() - 1)
    }

    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    pub(crate) fn add_group(&mut self, group: &str) -> Result<(), LogError> {
        if !self.has_group(group) {
            check_count("number of a transaction's groups", self.groups.len())?;
            self.groups.insert(group.to_owned());
        }
        Ok(())
    }

    pub(crate) fn set_offset(&mut self, entry: OffsetEntry, source: &Arc<Partition>) -> Result<(), LogError> {
        let next_offset = entry.committed.offset;
        self.offsets.set(entry)?;
        let consumed = self.consumed.entry(place(source)).or_insert_with(|| (source.clone(), next_offset));
        consumed.1 = next_offset.max(consumed.1);
        Ok(())
    }

    /// Returns the partitions whose records were consumed, and how far.
    pub(crate) fn take_consumed(&mut self) -> Vec<(Arc<Partition>, i64)> {
        std::mem::take(&mut self.consumed).into_values().collect()
    }

    pub(crate) fn took(
        &mut self,
        part: usize,
        info: &AppendInfo,
        partition: &Partition,
        batches: &[u8],
        bytes_max: usize,
    ) {
        self.parts[part].first_offset.get_or_insert(info.base_offset);
        self.redo_bytes += batches.len();
        if self.redo_bytes > bytes_max {
            self.redo = Vec::new();
            return;
        }
        self.redo.push(RedoItem {
            topic_id: partition.topic_id,
            partition: partition.partition,
            bytes: batches.to_vec(),
        });
    }
}

fn place(partition: &Partition) -> Place {
    (partition.topic_id, partition.partition)
}

fn check_count(what: &'static str, count: usize) -> Result<(), LogError> {
    if count < PARTS_MAX {
        Ok(())
    } else {
        Err(LogError::Limit { what, size: PARTS_MAX + 1, max: PARTS_MAX })
    }
}
