//! What the transaction journal says: producer ids, group offsets, meta values, and which transactions are committed.
//!
//! The journal is a list of [`Entry`]s. Applied in order they give the state in memory; the state written out as
//! entries is a shorter journal with the same meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::kept::KeptBelow;
use crate::partition::RedoItem;
use crate::wire::{Reader, put, put_bytes};

/// How many transactions of one transactional id may be on their way at once: one producer id each, because in
/// Kafka's format a producer id has one open transaction a partition.
pub(crate) const LANES: usize = 4;

/// A group's position in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read, −1 when the client said none.
    pub leader_epoch: i32,
    /// Whatever the client wants to remember with it.
    pub metadata: String,
    /// When it was committed, by the caller's clock.
    pub committed_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub group: String,
    pub topic: String,
    pub partition: u32,
    pub committed: CommittedOffset,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommittedPart {
    pub topic_id: u128,
    pub partition: u32,
    pub first_offset: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransactionalId {
    pub producer_ids: [i64; LANES],
    pub epoch: i16,
    pub timeout_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Producer ids below are given out.
    ProducerIds {
        next: i64,
    },
    Transactional {
        id: String,
        state: TransactionalId,
    },
    Offsets(Vec<OffsetEntry>),
    /// `None` removes the key.
    Meta {
        id: String,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
    },
    Commit(Box<CommitEntry>),
    Redo(Vec<RedoItem>),
    GroupDeleted {
        group: String,
    },
    OffsetsDeleted {
        group: String,
        partitions: Vec<(String, u32)>,
    },
    TopicForgotten {
        topic: String,
    },
    TransactionalForgotten {
        id: String,
    },
    CleanStop,
}

/// One transaction's commit, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitEntry {
    pub id: String,
    pub producer_id: i64,
    pub parts: Vec<CommittedPart>,
    pub redo: Vec<RedoItem>,
    pub offsets: Vec<OffsetEntry>,
    pub meta: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Entry::ProducerIds { next } => {
                out.push(1);
                put!(out, next);
            }
            Entry::Transactional { id, state } => {
                out.push(2);
                put_bytes(&mut out, id.as_bytes());
                for producer_id in state.producer_ids {
                    put!(out, producer_id);
                }
                put!(out, state.epoch);
                put!(out, state.timeout_ms);
            }
            Entry::Offsets(offsets) => {
                out.push(11);
                put_offsets(&mut out, offsets);
            }
            Entry::Meta { id, key, value } => {
                out.push(4);
                put_bytes(&mut out, id.as_bytes());
                put_meta(&mut out, key, value.as_deref());
            }
            Entry::Commit(commit) => {
                let inside: usize = commit.redo.iter().map(|item| item.bytes.len()).sum();
                out.reserve(inside + 1024);
                out.push(12);
                put_bytes(&mut out, commit.id.as_bytes());
                put!(out, commit.producer_id);
                put!(out, (commit.parts.len() as u32));
                for part in &commit.parts {
                    put!(out, part.topic_id);
                    put!(out, part.partition);
                    put!(out, part.first_offset);
                }
                put_redo(&mut out, &commit.redo);
                put_offsets(&mut out, &commit.offsets);
                put!(out, (commit.meta.len() as u32));
                for (key, value) in &commit.meta {
                    put_meta(&mut out, key, value.as_deref());
                }
            }
            Entry::Redo(items) => {
                out.push(6);
                put_redo(&mut out, items);
            }
            Entry::GroupDeleted { group } => {
                out.push(7);
                put_bytes(&mut out, group.as_bytes());
            }
            Entry::TopicForgotten { topic } => {
                out.push(8);
                put_bytes(&mut out, topic.as_bytes());
            }
            Entry::TransactionalForgotten { id } => {
                out.push(13);
                put_bytes(&mut out, id.as_bytes());
            }
            Entry::CleanStop => out.push(9),
            Entry::OffsetsDeleted { group, partitions } => {
                out.push(10);
                put_bytes(&mut out, group.as_bytes());
                put!(out, (partitions.len() as u32));
                for (topic, partition) in partitions {
                    put_bytes(&mut out, topic.as_bytes());
                    put!(out, partition);
                }
            }
        }
        out
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Entry> {
        let mut r = Reader::new(payload);
        let entry = match r.u8()? {
            1 => Entry::ProducerIds { next: r.i64()? },
            2 => {
                let id = r.text()?.to_owned();
                let mut producer_ids = [0; LANES];
                for producer_id in &mut producer_ids {
                    *producer_id = r.i64()?;
                }
                let state = TransactionalId { producer_ids, epoch: r.i16()?, timeout_ms: r.i64()? };
                Entry::Transactional { id, state }
            }
            // 3 and 5 are from before offsets had a leader epoch.
            kind @ (3 | 11) => Entry::Offsets(take_offsets(&mut r, kind == 11)?),
            4 => {
                let id = r.text()?.to_owned();
                let (key, value) = take_meta(&mut r)?;
                Entry::Meta { id, key, value }
            }
            kind @ (5 | 12) => {
                let id = r.text()?.to_owned();
                let producer_id = r.i64()?;
                let mut parts = Vec::new();
                for _ in 0..r.count(28)? {
                    parts.push(CommittedPart {
                        topic_id: r.u128()?,
                        partition: r.u32()?,
                        first_offset: r.i64()?,
                    });
                }
                let redo = take_redo(&mut r)?;
                let offsets = take_offsets(&mut r, kind == 12)?;
                let mut meta = Vec::new();
                for _ in 0..r.count(5)? {
                    meta.push(take_meta(&mut r)?);
                }
                Entry::Commit(Box::new(CommitEntry { id, producer_id, parts, redo, offsets, meta }))
            }
            6 => Entry::Redo(take_redo(&mut r)?),
            7 => Entry::GroupDeleted { group: r.text()?.to_owned() },
            8 => Entry::TopicForgotten { topic: r.text()?.to_owned() },
            9 => Entry::CleanStop,
            13 => Entry::TransactionalForgotten { id: r.text()?.to_owned() },
            10 => {
                let group = r.text()?.to_owned();
                let mut partitions = Vec::new();
                for _ in 0..r.count(8)? {
                    partitions.push((r.text()?.to_owned(), r.u32()?));
                }
                Entry::OffsetsDeleted { group, partitions }
            }
            _ => return None,
        };
        r.is_empty().then_some(entry)
    }
}

fn put_offsets(out: &mut Vec<u8>, offsets: &[OffsetEntry]) {
    put!(out, (offsets.len() as u32));
    for entry in offsets {
        put_bytes(out, entry.group.as_bytes());
        put_bytes(out, entry.topic.as_bytes());
        put!(out, entry.partition);
        put!(out, entry.committed.offset);
        put!(out, entry.committed.leader_epoch);
        put_bytes(out, entry.committed.metadata.as_bytes());
        put!(out, entry.committed.committed_ms);
    }
}

fn take_offsets(r: &mut Reader<'_>, with_epoch: bool) -> Option<Vec<OffsetEntry>> {
    let mut offsets = Vec::new();
    for _ in 0..r.count(32)? {
        offsets.push(OffsetEntry {
            group: r.text()?.to_owned(),
            topic: r.text()?.to_owned(),
            partition: r.u32()?,
            committed: CommittedOffset {
                offset: r.i64()?,
                leader_epoch: if with_epoch { r.i32()? } else { -1 },
                metadata: r.text()?.to_owned(),
                committed_ms: r.i64()?,
            },
        });
    }
    Some(offsets)
}

fn put_redo(out: &mut Vec<u8>, items: &[RedoItem]) {
    put!(out, (items.len() as u32));
    for item in items {
        put_redo_item(out, item.topic_id, item.partition, item.bytes.len());
        out.extend_from_slice(&item.bytes);
    }
}

/// Begins an item of what [`take_redo`] takes; its bytes follow. Before the first comes their number, as u32.
pub(crate) fn put_redo_item(out: &mut Vec<u8>, topic_id: u128, partition: u32, len: usize) {
    put!(out, topic_id);
    put!(out, partition);
    put!(out, (len as u32));
}

pub(crate) fn take_redo(r: &mut Reader<'_>) -> Option<Vec<RedoItem>> {
    let mut items = Vec::new();
    for _ in 0..r.count(24)? {
        items.push(RedoItem { topic_id: r.u128()?, partition: r.u32()?, bytes: r.bytes()?.to_vec() });
    }
    Some(items)
}

fn put_meta(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    put_bytes(out, key);
    out.push(value.is_some() as u8);
    if let Some(value) = value {
        put_bytes(out, value);
    }
}

fn take_meta(r: &mut Reader<'_>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let key = r.bytes()?.to_vec();
    let value = if r.u8()? == 1 { Some(r.bytes()?.to_vec()) } else { None };
    Some((key, value))
}

type GroupOffsets = BTreeMap<(String, u32), CommittedOffset>;

/// The state the journal gives.
#[derive(Default)]
pub(crate) struct Ledger {
    pub next_producer_id: i64,
    pub transactional: HashMap<String, TransactionalId>,
    pub groups: BTreeMap<String, GroupOffsets>,
    pub meta: HashMap<String, BTreeMap<Vec<u8>, Arc<[u8]>>>,
}

/// What only recovery needs of the journal.
#[derive(Default)]
pub(crate) struct Replayed {
    /// Topic id, partition, producer id, first offset.
    pub committed: HashSet<(u128, u32, i64, i64)>,
    pub redo: Vec<RedoItem>,
    pub kept_below: KeptBelow,
    pub clean: bool,
}

impl Ledger {
    /// Returns whether a group has a position in a topic.
    pub(crate) fn has_positions_in(&self, topic: &str) -> bool {
        let all = (topic.to_owned(), 0)..=(topic.to_owned(), u32::MAX);
        self.groups.values().any(|offsets| offsets.range(all.clone()).next().is_some())
    }

    /// Applies an entry in memory.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::ProducerIds { next } => self.next_producer_id = *next,
            Entry::Transactional { id, state } => {
                self.transactional.insert(id.clone(), state.clone());
            }
            Entry::Offsets(offsets) => self.set_offsets(offsets),
            Entry::Meta { id, key, value } => self.set_meta(id, key, value.as_deref()),
            Entry::Commit(commit) => self.apply_commit(commit),
            Entry::GroupDeleted { group } => {
                self.groups.remove(group);
            }
            Entry::OffsetsDeleted { group, partitions } => {
                if let Some(offsets) = self.groups.get_mut(group) {
                    for partition in partitions {
                        offsets.remove(partition);
                    }
                }
            }
            Entry::TopicForgotten { topic } => {
                for offsets in self.groups.values_mut() {
                    offsets.retain(|(other, _), _| other != topic);
                }
            }
            Entry::TransactionalForgotten { id } => {
                self.transactional.remove(id);
            }
            Entry::Redo(_) | Entry::CleanStop => {}
        }
    }

    /// Applies what a commit changes in memory.
    pub(crate) fn apply_commit(&mut self, commit: &CommitEntry) {
        self.set_offsets(&commit.offsets);
        for (key, value) in &commit.meta {
            self.set_meta(&commit.id, key, value.as_deref());
        }
    }

    /// Applies an entry read back from the journal.
    pub(crate) fn replay(&mut self, entry: Entry, replayed: &mut Replayed) {
        self.apply(&entry);
        replayed.clean = matches!(entry, Entry::CleanStop);
        match entry {
            Entry::Commit(commit) => {
                for part in &commit.parts {
                    replayed.committed.insert((
                        part.topic_id,
                        part.partition,
                        commit.producer_id,
                        part.first_offset,
                    ));
                }
                replayed.kept_below.note_commit(&commit);
                replayed.redo.extend(commit.redo);
            }
            Entry::Redo(items) => replayed.redo.extend(items),
            _ => {}
        }
    }

    /// Returns entries that give this state.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::ProducerIds { next: self.next_producer_id }];
        for (id, state) in &self.transactional {
            entries.push(Entry::Transactional { id: id.clone(), state: state.clone() });
        }
        for (group, offsets) in &self.groups {
            let offsets = offsets.iter().map(|((topic, partition), committed)| OffsetEntry {
                group: group.clone(),
                topic: topic.clone(),
                partition: *partition,
                committed: committed.clone(),
            });
            entries.push(Entry::Offsets(offsets.collect()));
        }
        for (id, values) in &self.meta {
            for (key, value) in values {
                entries.push(Entry::Meta { id: id.clone(), key: key.clone(), value: Some(value.to_vec()) });
            }
        }
        entries
    }

    fn set_offsets(&mut self, offsets: &[OffsetEntry]) {
        for entry in offsets {
            let group = self.groups.entry(entry.group.clone()).or_default();
            group.insert((entry.topic.clone(), entry.partition), entry.committed.clone());
        }
    }

    fn set_meta(&mut self, id: &str, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => {
                self.meta.entry(id.to_owned()).or_default().insert(key.to_vec(), value.into());
            }
            None => {
                if let Some(values) = self.meta.get_mut(id) {
                    values.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_written_before_leader_epochs_are_read() {
        let mut old = vec![3];
        put!(old, 1u32);
        put_bytes(&mut old, b"group");
        put_bytes(&mut old, b"topic");
        put!(old, 7u32);
        put!(old, 42i64);
        put_bytes(&mut old, b"note");
        put!(old, 99i64);
        let entry = OffsetEntry {
            group: "group".to_owned(),
            topic: "topic".to_owned(),
            partition: 7,
            committed: CommittedOffset {
                offset: 42,
                leader_epoch: -1,
                metadata: "note".to_owned(),
                committed_ms: 99,
            },
        };
        let expected = Entry::Offsets(vec![entry]);
        assert_eq!(Entry::decode(&old), Some(expected.clone()));
        assert_eq!(Entry::decode(&expected.encode()), Some(expected));
    }
}
