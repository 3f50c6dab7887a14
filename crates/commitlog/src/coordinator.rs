//! The log as coordinator: transactional ids, producer ids, groups' offsets; for the engine and for outside producers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::LogError;
use crate::ledger::{CommittedOffset, Entry, LANES, OffsetEntry, TransactionalId};
use crate::log::Log;
use crate::ticket::CommitTicket;
use crate::transaction::{Ended, EpochTx, Inner, NO_TIMEOUT_MS, TransactionalState};

/// Ids for idempotent producers are written down this many at a time.
const PRODUCER_ID_BLOCK: i64 = 1000;
/// Longest transactional id, group or topic name taken, as in Kafka's own string fields.
const NAME_LEN_MAX: usize = 32_767;

/// What a producer stamps its batches with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// The producer id.
    pub producer_id: i64,
    /// The epoch.
    pub epoch: i16,
}

/// One group's offset for a partition, as a client commits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read, −1 for none.
    pub leader_epoch: i32,
    /// Whatever the client wants to remember.
    pub metadata: String,
}

impl Log {
    /// Takes over a transactional id: fences and aborts what it had open, and returns the writer of its transactions.
    pub fn transaction(self: &Arc<Self>, transactional_id: &str, now_ms: i64) -> Result<EpochTx, LogError> {
        let (state, epoch) = self.init(transactional_id, None, NO_TIMEOUT_MS, now_ms)?;
        Ok(EpochTx { log: self.clone(), state, epoch })
    }

    /// Gives an outside producer its id and epoch (Kafka's `InitProducerId`), fencing the one before.
    pub fn init_producer(
        &self,
        transactional_id: Option<&str>,
        timeout_ms: i64,
        now_ms: i64,
    ) -> Result<ProducerIdentity, LogError> {
        let Some(transactional_id) = transactional_id else {
            return Ok(ProducerIdentity { producer_id: self.idempotent_id()?, epoch: 0 });
        };
        self.init_outside(transactional_id, None, timeout_ms, now_ms)
    }

    /// Raises the epoch of a producer that says who it is (KIP-360); fenced when that is not who holds the id now.
    pub fn init_producer_again(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
        timeout_ms: i64,
        now_ms: i64,
    ) -> Result<ProducerIdentity, LogError> {
        self.init_outside(transactional_id, Some(identity), timeout_ms, now_ms)
    }

    fn init_outside(
        &self,
        transactional_id: &str,
        identity: Option<ProducerIdentity>,
        timeout_ms: i64,
        now_ms: i64,
    ) -> Result<ProducerIdentity, LogError> {
        let timeout_ms = timeout_ms.min(NO_TIMEOUT_MS - 1);
        let (state, epoch) = self.init(transactional_id, identity, timeout_ms, now_ms)?;
        let producer_id = state.lock().producer_ids[0];
        Ok(ProducerIdentity { producer_id, epoch })
    }

    fn init(
        &self,
        transactional_id: &str,
        identity: Option<ProducerIdentity>,
        timeout_ms: i64,
        now_ms: i64,
    ) -> Result<(Arc<TransactionalState>, i16), LogError> {
        self.check_open()?;
        check_name("length of a transactional id", transactional_id)?;
        let known = self.transactional.lock().expect("no holder panics").get(transactional_id).cloned();
        let state = match known {
            Some(state) => state,
            None => {
                let first = self.take_producer_ids(LANES as i64)?;
                let producer_ids = std::array::from_fn(|lane| first + lane as i64);
                let fresh = Arc::new(TransactionalState::new(transactional_id, producer_ids, -1, timeout_ms));
                let mut all = self.transactional.lock().expect("no holder panics");
                all.entry(transactional_id.to_owned()).or_insert(fresh).clone()
            }
        };
        let mut inner = state.lock();
        let old_epoch = state.epoch();
        if inner.timeout_ms == NO_TIMEOUT_MS && timeout_ms != NO_TIMEOUT_MS {
            return Err(LogError::OwnTransaction { transactional_id: transactional_id.to_owned() });
        }
        // An id that is new has nobody to fence, whatever the client believes to be; as in Kafka.
        if let Some(identity) = identity
            && old_epoch >= 0
        {
            let is_holder = identity.producer_id == inner.producer_ids[0];
            // Asked again, since the answer was lost or the client does not know of KIP-890: it has its epoch.
            if is_holder && inner.raised_from == Some(identity.epoch) && !inner.is_open() {
                drop(inner);
                return Ok((state, old_epoch));
            }
            if !is_holder || identity.epoch != old_epoch {
                return Err(LogError::Fenced {
                    producer_id: identity.producer_id,
                    epoch: identity.epoch,
                    current: old_epoch,
                });
            }
        }
        let epoch = self.take_over(&state, &mut inner, timeout_ms, now_ms)?;
        inner.raised_from = identity.map(|identity| identity.epoch);
        drop(inner);
        Ok((state, epoch))
    }

    /// Aborts what is open and fences who had opened it.
    fn take_over(
        &self,
        state: &Arc<TransactionalState>,
        inner: &mut Inner,
        timeout_ms: i64,
        now_ms: i64,
    ) -> Result<i16, LogError> {
        state.abort(inner, state.epoch().saturating_add(1), now_ms)?;
        state.set_timeout(inner, timeout_ms);
        inner.ended = Ended::Nothing;
        inner.raised_from = None;
        self.raise_epoch(state, inner)
    }

    /// Gives a transactional id its next epoch, durably.
    pub(crate) fn raise_epoch(
        &self,
        state: &Arc<TransactionalState>,
        inner: &mut Inner,
    ) -> Result<i16, LogError> {
        let mut epoch = state.epoch().saturating_add(1);
        let used_up = inner.producer_ids;
        if epoch == i16::MAX {
            // Epochs are used up: new ids, beginning again.
            let first = self.take_producer_ids(LANES as i64)?;
            inner.producer_ids = std::array::from_fn(|lane| first + lane as i64);
            epoch = 0;
        }
        let entry = Entry::Transactional {
            id: state.id.clone(),
            state: TransactionalId { producer_ids: inner.producer_ids, epoch, timeout_ms: inner.timeout_ms },
        };
        self.submit_record(entry)?.wait()?;
        state.set_epoch(epoch);
        state.touch();
        // It may just have been forgotten.
        self.transactional.lock().expect("no holder panics").insert(state.id.clone(), state.clone());
        let mut by_producer_id = self.by_producer_id.write().expect("no holder panics");
        if used_up != inner.producer_ids {
            used_up.iter().for_each(|id| drop(by_producer_id.remove(id)));
        }
        by_producer_id.extend(inner.producer_ids_in_use().iter().map(|id| (*id, state.clone())));
        Ok(epoch)
    }

    fn take_producer_ids(&self, count: i64) -> Result<i64, LogError> {
        let mut ids = self.idempotent_ids.lock().expect("no holder panics");
        if ids.0 + count > ids.1 {
            let next = ids.1 + PRODUCER_ID_BLOCK.max(count);
            self.submit_record(Entry::ProducerIds { next })?.wait()?;
            *ids = (ids.1, next);
        }
        let first = ids.0;
        ids.0 += count;
        Ok(first)
    }

    fn idempotent_id(&self) -> Result<i64, LogError> {
        self.check_open()?;
        self.take_producer_ids(1)
    }

    /// Aborts and fences transactions whose producers have been silent beyond their time.
    pub fn abort_expired(&self, now_ms: i64) -> Result<(), LogError> {
        let states: Vec<_> = self.transactional.lock().expect("no holder panics").values().cloned().collect();
        let mut result = Ok(());
        for state in states {
            // One that cannot be aborted keeps nobody else waiting.
            result = result.and(self.abort_if_expired(&state, now_ms));
        }
        result
    }

    fn abort_if_expired(&self, state: &Arc<TransactionalState>, now_ms: i64) -> Result<(), LogError> {
        // Held from the look to the end: who commits in time is not fenced.
        let mut inner = state.lock();
        if !inner.is_expired(now_ms) {
            return Ok(());
        }
        self.check_open()?;
        tracing::info!(transactional_id = state.id, "transaction timed out");
        inner.is_overdue = true;
        let timeout_ms = inner.timeout_ms;
        self.take_over(state, &mut inner, timeout_ms, now_ms).map(drop)
    }

    /// Has waiting markers written to the journal when there are many, so that their queue stays bounded.
    pub(crate) fn journal_many_markers(&self) -> Result<(), LogError> {
        const MARKERS_MAX: usize = 4096;
        if self.shared.redo.lock().expect("no holder panics").len() > MARKERS_MAX {
            return self.tidy();
        }
        Ok(())
    }

    /// Returns the value that the last commit of a transactional id stored under a key.
    pub fn committed_meta(&self, transactional_id: &str, key: &[u8]) -> Option<Arc<[u8]>> {
        self.ledger.read().expect("no holder panics").meta.get(transactional_id)?.get(key).cloned()
    }

    /// Returns all keys and values of a transactional id.
    pub fn committed_metas(&self, transactional_id: &str) -> Vec<(Vec<u8>, Arc<[u8]>)> {
        let ledger = self.ledger.read().expect("no holder panics");
        let values = ledger.meta.get(transactional_id);
        values.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Returns a group's position in a partition.
    pub fn committed_offset(&self, group: &str, topic: &str, partition: u32) -> Option<CommittedOffset> {
        let ledger = self.ledger.read().expect("no holder panics");
        ledger.groups.get(group)?.get(&(topic.to_owned(), partition)).cloned()
    }

    /// Returns all positions of a group: topic, partition, offset.
    pub fn committed_offsets(&self, group: &str) -> Vec<(String, u32, CommittedOffset)> {
        let ledger = self.ledger.read().expect("no holder panics");
        let offsets = ledger.groups.get(group);
        offsets
            .into_iter()
            .flatten()
            .map(|((topic, p), offset)| (topic.clone(), *p, offset.clone()))
            .collect()
    }

    /// Sets positions of a group outside a transaction; the ticket tells when they are durable.
    pub fn commit_offsets(
        &self,
        group: &str,
        offsets: &[OffsetCommit],
        now_ms: i64,
    ) -> Result<CommitTicket, LogError> {
        self.sync_consumed(offsets)?;
        self.commit_synced_offsets(group, offsets, now_ms)
    }

    /// Makes the records before some positions durable: a position is never ahead of what a crash leaves.
    pub fn sync_consumed(&self, offsets: &[OffsetCommit]) -> Result<(), LogError> {
        for offset in offsets {
            let source = self.partition(&offset.topic, offset.partition)?;
            if source.durable.load(Ordering::Acquire) < offset.offset {
                self.flush_partition(&source)?.wait()?;
            }
        }
        Ok(())
    }

    /// Does what [`Log::commit_offsets`] does after [`Log::sync_consumed`], without waiting; positions take effect in the
    /// order of the calls.
    pub fn commit_synced_offsets(
        &self,
        group: &str,
        offsets: &[OffsetCommit],
        now_ms: i64,
    ) -> Result<CommitTicket, LogError> {
        check_name("length of a group's name", group)?;
        let entry = |offset: &OffsetCommit| {
            self.partition(&offset.topic, offset.partition)?;
            offset_entry(group, offset, now_ms)
        };
        self.record(Entry::Offsets(offsets.iter().map(entry).collect::<Result<_, _>>()?))
    }

    /// Returns the names of all groups with positions.
    pub fn groups(&self) -> Vec<String> {
        let ledger = self.ledger.read().expect("no holder panics");
        ledger.groups.iter().filter(|(_, all)| !all.is_empty()).map(|(group, _)| group.clone()).collect()
    }

    /// Returns whether a group has positions.
    pub fn has_offsets(&self, group: &str) -> bool {
        self.ledger.read().expect("no holder panics").groups.get(group).is_some_and(|all| !all.is_empty())
    }

    /// Returns whether an open transaction, or one whose commit is on its way, sets a group's position in a partition.
    pub fn has_pending_offset(&self, group: &str, topic: &str, partition: u32) -> bool {
        self.pending.contains(group, topic, partition)
    }

    /// Forgets all positions of a group.
    pub fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.record(Entry::GroupDeleted { group: group.to_owned() })?.wait()
    }

    /// Forgets a group's positions in some partitions.
    pub fn delete_offsets(&self, group: &str, partitions: &[(&str, u32)]) -> Result<(), LogError> {
        let partitions = partitions.iter().map(|(topic, p)| ((*topic).to_owned(), *p)).collect();
        self.record(Entry::OffsetsDeleted { group: group.to_owned(), partitions })?.wait()
    }
}

pub(crate) fn offset_entry(group: &str, offset: &OffsetCommit, now_ms: i64) -> Result<OffsetEntry, LogError> {
    check_name("length of an offset's metadata", &offset.metadata)?;
    Ok(OffsetEntry {
        group: group.to_owned(),
        topic: offset.topic.clone(),
        partition: offset.partition,
        committed: CommittedOffset {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: offset.metadata.clone(),
            committed_ms: now_ms,
        },
    })
}

pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), LogError> {
    if name.len() > NAME_LEN_MAX {
        return Err(LogError::Limit { what, size: name.len(), max: NAME_LEN_MAX });
    }
    Ok(())
}
