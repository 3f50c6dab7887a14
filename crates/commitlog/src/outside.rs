//! Transactions of outside producers, as Kafka's protocol has them.
//!
//! In the first protocol a producer keeps its epoch from one transaction to the next and announces partitions and
//! groups; in the second (KIP-890) every end raises the epoch and a write announces itself.

use std::sync::Arc;

use crate::batch::{Batch, NO_PRODUCER_ID, batches};
use crate::coordinator::{OffsetCommit, ProducerIdentity, check_name, offset_entry};
use crate::error::LogError;
use crate::ledger::Entry;
use crate::log::Log;
use crate::partition::{AppendInfo, AppendOrigin, Partition};
use crate::ticket::CommitTicket;
use crate::transaction::{Ended, NO_TIMEOUT_MS, TransactionalState};

/// What is known about an outside producer's transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionInfo {
    /// The transactional id.
    pub transactional_id: String,
    /// Who may write.
    pub identity: ProducerIdentity,
    /// How long a transaction may take.
    pub timeout_ms: i64,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// When the open transaction began.
    pub since_ms: Option<i64>,
    /// The open transaction's partitions.
    pub partitions: Vec<(String, u32)>,
}

impl Log {
    fn outside_state(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
    ) -> Result<Arc<TransactionalState>, LogError> {
        self.check_open()?;
        let state = self.transactional.lock().expect("no holder panics").get(transactional_id).cloned();
        let unknown = || LogError::UnknownProducer {
            transactional_id: transactional_id.to_owned(),
            producer_id: identity.producer_id,
        };
        let state = state.ok_or_else(unknown)?;
        let inner = state.lock();
        let known = inner.producer_ids[0] == identity.producer_id && inner.timeout_ms != NO_TIMEOUT_MS;
        drop(inner);
        state.touch();
        if known { Ok(state) } else { Err(unknown()) }
    }

    /// Appends what an outside producer has stamped itself. A producer id proves nothing, anybody can name it: what begins a
    /// transaction in a partition must come under its transactional id, and nobody writes as this process does.
    pub(crate) fn append_outside(
        &self,
        partition: &Arc<Partition>,
        transactional_id: &str,
        bytes: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        let unstamped =
            |batch: &Batch<'_>| batch.producer_id() == NO_PRODUCER_ID && !batch.is_transactional();
        let first = match batches(bytes).next() {
            Some(Ok(first)) if !unstamped(&first) => first,
            _ => return partition.append(bytes, AppendOrigin::Client, now_ms),
        };
        let identity = ProducerIdentity { producer_id: first.producer_id(), epoch: first.producer_epoch() };
        let is_transactional = first.is_transactional();
        let state = self.by_producer_id.read().expect("no holder panics").get(&identity.producer_id).cloned();
        match state {
            Some(state) if is_transactional => {
                state.append_stamped_outside(self, transactional_id, identity, partition, bytes, now_ms)
            }
            // Also outside of transactions: an epoch that a client has raised would fence this process's own.
            Some(state) if !is_transactional && !state.is_own() => {
                partition.append(bytes, AppendOrigin::Client, now_ms)
            }
            None if !is_transactional => partition.append(bytes, AppendOrigin::Client, now_ms),
            _ => Err(LogError::UnknownProducer {
                transactional_id: transactional_id.to_owned(),
                producer_id: identity.producer_id,
            }),
        }
    }

    /// Announces partitions of a transaction (Kafka's `AddPartitionsToTxn`), opening it if needed; all or none.
    pub fn add_partitions_to_transaction(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
        partitions: &[(&str, u32)],
        now_ms: i64,
    ) -> Result<(), LogError> {
        let state = self.outside_state(transactional_id, identity)?;
        let partitions = partitions
            .iter()
            .map(|(topic, partition)| self.partition(topic, *partition))
            .collect::<Result<Vec<_>, _>>()?;
        for partition in &partitions {
            state.add_partition(self, identity.epoch, partition, now_ms)?;
        }
        Ok(())
    }

    /// Says whether partitions belong to the open transaction.
    pub fn check_partitions_of_transaction(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
        partitions: &[(&str, u32)],
    ) -> Result<(), LogError> {
        let state = self.outside_state(transactional_id, identity)?;
        for (topic, partition) in partitions {
            state.check_partition(identity.epoch, &self.partition(topic, *partition)?)?;
        }
        Ok(())
    }

    /// Announces that a group's offsets will be set (Kafka's `AddOffsetsToTxn`), opening the transaction if needed.
    pub fn add_group_to_transaction(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
        group: &str,
        now_ms: i64,
    ) -> Result<(), LogError> {
        check_name("length of a group's name", group)?;
        self.outside_state(transactional_id, identity)?.add_group(self, identity.epoch, group, now_ms)
    }

    /// Adds an announced group's offsets to a transaction (Kafka's `TxnOffsetCommit`).
    pub fn add_offsets_to_transaction(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
        group: &str,
        offsets: &[OffsetCommit],
        now_ms: i64,
    ) -> Result<(), LogError> {
        let state = self.outside_state(transactional_id, identity)?;
        state.check_group(identity.epoch, group)?;
        for offset in offsets {
            let source = self.partition(&offset.topic, offset.partition)?;
            let entry = offset_entry(group, offset, now_ms)?;
            state.add_offset(self, identity.epoch, entry, &source, now_ms)?;
        }
        Ok(())
    }

    /// Ends a transaction (Kafka's `EndTxn`); asked again it gives the same answer.
    pub fn end_transaction(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
        commit: bool,
        now_ms: i64,
    ) -> Result<CommitTicket, LogError> {
        let state = self.outside_state(transactional_id, identity)?;
        let ticket = state.end(self, identity.epoch, identity.epoch, commit, now_ms)?;
        self.journal_many_markers()?;
        Ok(ticket)
    }

    /// Ends a transaction and raises the producer's epoch (KIP-890); durable when it returns.
    pub fn end_transaction_and_raise(
        &self,
        transactional_id: &str,
        identity: ProducerIdentity,
        commit: bool,
        now_ms: i64,
    ) -> Result<ProducerIdentity, LogError> {
        let state = self.outside_state(transactional_id, identity)?;
        let mut inner = state.lock();
        let ended = if commit { Ended::Committed } else { Ended::Aborted };
        if identity.epoch.checked_add(1) == Some(state.epoch()) && inner.ended == ended && !inner.is_open() {
            return Ok(ProducerIdentity { producer_id: identity.producer_id, epoch: state.epoch() });
        }
        state.check_epoch(&inner, identity.epoch)?;
        if !inner.is_open() && commit {
            return Err(state.refused("commit", "it is not open"));
        }
        let marker_epoch = identity.epoch.saturating_add(1);
        if commit {
            state.commit_as(self, &mut inner, identity.epoch, marker_epoch, now_ms)?.wait()?;
        } else {
            state.abort(&mut inner, marker_epoch, now_ms)?;
        }
        inner.ended = ended;
        let epoch = self.raise_epoch(&state, &mut inner)?;
        inner.raised_from = Some(identity.epoch);
        let producer_id = inner.producer_ids[0];
        drop(inner);
        self.journal_many_markers()?;
        Ok(ProducerIdentity { producer_id, epoch })
    }

    /// Forgets transactional ids of outside producers that nobody has used for `idle_ms`, counted from the first call after
    /// the log was opened; returns how many.
    pub fn forget_transactional_ids(&self, idle_ms: i64, now_ms: i64) -> Result<usize, LogError> {
        let states: Vec<_> = self.transactional.lock().expect("no holder panics").values().cloned().collect();
        let mut forgotten = 0;
        for state in states {
            let inner = state.lock();
            let is_idle = state.idle_ms(now_ms) > idle_ms && inner.is_at_rest() && !state.failed();
            if inner.timeout_ms == NO_TIMEOUT_MS || !is_idle {
                continue;
            }
            self.record(Entry::TransactionalForgotten { id: state.id.clone() })?.wait()?;
            self.by_producer_id.write().expect("no holder panics").remove(&inner.producer_ids[0]);
            self.transactional.lock().expect("no holder panics").remove(&state.id);
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Returns all transactional ids of outside producers.
    pub fn transactions(&self) -> Vec<TransactionInfo> {
        let states: Vec<_> = self.transactional.lock().expect("no holder panics").values().cloned().collect();
        let mut infos: Vec<TransactionInfo> = states.iter().filter_map(|state| state.info()).collect();
        infos.sort_by(|left, right| left.transactional_id.cmp(&right.transactional_id));
        infos
    }
}
