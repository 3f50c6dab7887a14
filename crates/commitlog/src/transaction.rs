//! Transactions over several partitions: who may write, what is open, and the hand-over to the log-writer.
//!
//! A transactional id owns a few producer ids ("lanes"): the next transaction is written with another one while the
//! commit of the last is still on its way, because a producer id has one open transaction at a time in Kafka's format.
//! Taking an id over ([`crate::Log::transaction`]) raises its epoch; whoever holds the old one is fenced.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::batch::ControlType;
use crate::coordinator::ProducerIdentity;
use crate::error::LogError;
use crate::ledger::{CommitEntry, CommittedOffset, CommittedPart, LANES, OffsetEntry};
use crate::log::Log;
use crate::open_transaction::Open;
use crate::outside::TransactionInfo;
use crate::partition::{AppendInfo, Partition};
use crate::ticket::CommitTicket;
use crate::writer::{CommitRequest, Request};

/// Bytes of meta values one transaction may carry.
const META_BYTES_MAX: usize = 8 << 20;

/// A transaction of the engine has no time limit of its own: its owner is in this process.
pub(crate) const NO_TIMEOUT_MS: i64 = i64::MAX;

/// A partition in a transaction.
#[derive(Clone)]
pub(crate) struct TransactionPart {
    pub partition: Arc<Partition>,
    /// The first offset written; `None` when it was announced only.
    pub first_offset: Option<i64>,
}

/// A transaction whose commit failed; its records get abort markers with the next abort.
pub(crate) struct FailedTransaction {
    pub lane: usize,
    pub producer_id: i64,
    pub parts: Vec<TransactionPart>,
}

/// What a transactional id is doing.
pub(crate) struct TransactionalState {
    pub id: String,
    epoch: AtomicI16,
    /// This process writes under it, not a client; as its timeout says, and told without its lock.
    own: AtomicBool,
    pub(crate) inner: Mutex<Inner>,
    failed_flag: AtomicBool,
    failed: Mutex<Vec<FailedTransaction>>,
    busy: [AtomicBool; LANES],
    /// Set by every use, taken back by the look for ids that nobody uses.
    used: AtomicBool,
    /// When a look last found it used.
    used_ms: AtomicI64,
}

pub(crate) struct Inner {
    pub producer_ids: [i64; LANES],
    pub timeout_ms: i64,
    open: Option<Open>,
    /// Commits handed over, oldest first; at most one a lane.
    in_flight: VecDeque<CommitTicket>,
    next_lane: usize,
    /// Its time was up and the abort failed: it is tried again.
    pub is_overdue: bool,
    /// How an outside producer's last transaction ended.
    pub ended: Ended,
    /// The epoch that the holder itself had raised; forgotten when another takes over, and with a restart.
    pub raised_from: Option<i16>,
}

/// How the last transaction ended; forgotten with a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Nothing,
    Committed,
    Aborted,
}

impl Inner {
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Returns the producer ids that batches are stamped with: an outside producer knows one.
    pub(crate) fn producer_ids_in_use(&self) -> &[i64] {
        let lanes = if self.timeout_ms == NO_TIMEOUT_MS { LANES } else { 1 };
        &self.producer_ids[..lanes]
    }

    /// Returns whether the transaction has used up its time.
    pub(crate) fn is_expired(&self, now_ms: i64) -> bool {
        self.is_overdue
            || self.open.as_ref().is_some_and(|open| now_ms.saturating_sub(open.since_ms) > self.timeout_ms)
    }

    /// Says whether nothing of it is under way.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.open.is_none() && self.in_flight.iter().all(|ticket| ticket.poll().is_some())
    }
}

impl TransactionalState {
    pub(crate) fn new(
        id: &str,
        producer_ids: [i64; LANES],
        epoch: i16,
        timeout_ms: i64,
    ) -> TransactionalState {
        TransactionalState {
            id: id.to_owned(),
            epoch: AtomicI16::new(epoch),
            own: AtomicBool::new(timeout_ms == NO_TIMEOUT_MS),
            inner: Mutex::new(Inner {
                producer_ids,
                timeout_ms,
                open: None,
                in_flight: VecDeque::new(),
                next_lane: 0,
                is_overdue: false,
                ended: Ended::Nothing,
                raised_from: None,
            }),
            failed_flag: AtomicBool::new(false),
            failed: Mutex::new(Vec::new()),
            busy: Default::default(),
            used: AtomicBool::new(true),
            used_ms: AtomicI64::new(0),
        }
    }

    pub(crate) fn touch(&self) {
        self.used.store(true, Ordering::Release);
    }

    /// Returns how long nobody has used it, as far as looks have seen.
    pub(crate) fn idle_ms(&self, now_ms: i64) -> i64 {
        if self.used.swap(false, Ordering::AcqRel) {
            self.used_ms.store(now_ms, Ordering::Release);
        }
        now_ms.saturating_sub(self.used_ms.load(Ordering::Acquire))
    }

    pub(crate) fn epoch(&self) -> i16 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn set_epoch(&self, epoch: i16) {
        self.epoch.store(epoch, Ordering::Release);
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed_flag.load(Ordering::Acquire)
    }

    pub(crate) fn add_failed(&self, transaction: FailedTransaction) {
        self.failed.lock().expect("no holder panics").push(transaction);
        self.failed_flag.store(true, Ordering::Release);
    }

    pub(crate) fn free_lane(&self, lane: usize) {
        self.busy[lane].store(false, Ordering::Release);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder panics")
    }

    /// Says whether this process writes under it, not a client.
    pub(crate) fn is_own(&self) -> bool {
        self.own.load(Ordering::Acquire)
    }

    pub(crate) fn set_timeout(&self, inner: &mut Inner, timeout_ms: i64) {
        inner.timeout_ms = timeout_ms;
        self.own.store(timeout_ms == NO_TIMEOUT_MS, Ordering::Release);
    }

    pub(crate) fn check_epoch(&self, inner: &Inner, epoch: i16) -> Result<(), LogError> {
        let current = self.epoch();
        if epoch != current {
            return Err(LogError::Fenced { producer_id: inner.producer_ids[0], epoch, current });
        }
        Ok(())
    }

    pub(crate) fn refused(&self, action: &'static str, reason: &'static str) -> LogError {
        LogError::TransactionState { transactional_id: self.id.clone(), action, reason }
    }

    /// Returns the open transaction, opening one if needed.
    fn open<'a>(
        &self,
        log: &Log,
        inner: &'a mut Inner,
        epoch: i16,
        now_ms: i64,
    ) -> Result<&'a mut Open, LogError> {
        log.shared.health.check()?;
        self.check_epoch(inner, epoch)?;
        if self.failed() {
            return Err(self.refused("go on", "a commit failed, abort first"));
        }
        if inner.open.is_none() {
            let lane = self.free_lane_after_waiting(log, inner)?;
            inner.open = Some(Open::new(lane, now_ms, &log.pending));
        }
        Ok(inner.open.as_mut().expect("opened above"))
    }

    fn free_lane_after_waiting(&self, log: &Log, inner: &mut Inner) -> Result<usize, LogError> {
        // An outside producer stamps its batches itself and knows one producer id.
        let lanes = inner.producer_ids_in_use().len();
        loop {
            for step in 0..lanes {
                let lane = (inner.next_lane + step) % lanes;
                if !self.busy[lane].load(Ordering::Acquire) {
                    inner.next_lane = (lane + 1) % lanes;
                    return Ok(lane);
                }
            }
            match inner.in_flight.pop_front() {
                Some(ticket) => ticket.wait()?,
                // Committed, but the markers found no space.
                None => {
                    log.tidy()?;
                    if self.busy[..lanes].iter().all(|busy| busy.load(Ordering::Acquire)) {
                        return Err(
                            self.refused("begin", "markers of earlier transactions wait for disk space")
                        );
                    }
                }
            }
        }
    }

    /// Announces a partition, as Kafka's `AddPartitionsToTxn` does.
    pub(crate) fn add_partition(
        &self,
        log: &Log,
        epoch: i16,
        partition: &Arc<Partition>,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let mut inner = self.lock();
        let open = self.open(log, &mut inner, epoch, now_ms)?;
        open.part(partition)?;
        Ok(())
    }

    /// Says whether a partition belongs to the open transaction.
    pub(crate) fn check_partition(&self, epoch: i16, partition: &Arc<Partition>) -> Result<(), LogError> {
        let inner = self.lock();
        self.check_epoch(&inner, epoch)?;
        match inner.open.as_ref().and_then(|open| open.find(partition)) {
            Some(_) => Ok(()),
            None => Err(self.refused("go on", "the partition is not part of an open transaction")),
        }
    }

    /// Announces a group, as Kafka's `AddOffsetsToTxn` does.
    pub(crate) fn add_group(&self, log: &Log, epoch: i16, group: &str, now_ms: i64) -> Result<(), LogError> {
        let mut inner = self.lock();
        let open = self.open(log, &mut inner, epoch, now_ms)?;
        open.add_group(group)
    }

    /// Says whether a group was announced.
    pub(crate) fn check_group(&self, epoch: i16, group: &str) -> Result<(), LogError> {
        let inner = self.lock();
        self.check_epoch(&inner, epoch)?;
        match &inner.open {
            Some(open) if open.has_group(group) => Ok(()),
            _ => Err(self.refused("set offsets", "the group is not part of an open transaction")),
        }
    }

    /// Ends an outside producer's transaction, or says again that it has ended.
    pub(crate) fn end(
        self: &Arc<Self>,
        log: &Log,
        epoch: i16,
        marker_epoch: i16,
        commit: bool,
        now_ms: i64,
    ) -> Result<CommitTicket, LogError> {
        let mut inner = self.lock();
        self.check_epoch(&inner, epoch)?;
        let ended = if commit { Ended::Committed } else { Ended::Aborted };
        if !inner.is_open() && !self.failed() {
            if inner.ended == ended {
                return Ok(inner.in_flight.back().cloned().unwrap_or_else(CommitTicket::ready));
            }
            return Err(self.refused("end", "it is not open"));
        }
        let ticket = if commit {
            self.commit_as(log, &mut inner, epoch, marker_epoch, now_ms)?
        } else {
            self.abort(&mut inner, marker_epoch, now_ms)?;
            CommitTicket::ready()
        };
        inner.ended = ended;
        Ok(ticket)
    }

    /// Describes an outside producer's id.
    pub(crate) fn info(&self) -> Option<TransactionInfo> {
        let inner = self.lock();
        if inner.timeout_ms == NO_TIMEOUT_MS {
            return None;
        }
        let state = match (&inner.open, inner.ended) {
            (Some(_), _) => "Ongoing",
            (None, _) if inner.in_flight.iter().any(|ticket| ticket.poll().is_none()) => "PrepareCommit",
            (None, Ended::Nothing) => "Empty",
            (None, Ended::Committed) => "CompleteCommit",
            (None, Ended::Aborted) => "CompleteAbort",
        };
        let parts = inner.open.iter().flat_map(|open| &open.parts);
        Some(TransactionInfo {
            transactional_id: self.id.clone(),
            identity: ProducerIdentity { producer_id: inner.producer_ids[0], epoch: self.epoch() },
            timeout_ms: inner.timeout_ms,
            state,
            since_ms: inner.open.as_ref().map(|open| open.since_ms),
            partitions: parts
                .map(|part| (part.partition.topic.to_string(), part.partition.partition))
                .collect(),
        })
    }

    /// Appends batches, stamping them.
    pub(crate) fn append(
        &self,
        log: &Log,
        epoch: i16,
        partition: &Arc<Partition>,
        batches: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        let mut inner = self.lock();
        let open = self.open(log, &mut inner, epoch, now_ms)?;
        let lane = open.lane;
        let part = open.part(partition)?;
        let producer_id = inner.producer_ids[lane];
        let info = partition.append_stamped(batches, producer_id, epoch, now_ms)?;
        let open = inner.open.as_mut().expect("opened above");
        open.took(part, &info, partition, batches, log.config.repeated_bytes_max);
        Ok(info)
    }

    /// Appends batches that an outside producer has stamped itself; the partition must have been announced.
    pub(crate) fn append_stamped_outside(
        &self,
        log: &Log,
        transactional_id: &str,
        identity: ProducerIdentity,
        partition: &Arc<Partition>,
        batches: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        let mut inner = self.lock();
        let is_its = inner.producer_ids[0] == identity.producer_id && inner.timeout_ms != NO_TIMEOUT_MS;
        let part = inner.open.as_ref().and_then(|open| open.find(partition));
        let has_written = part.zip(inner.open.as_ref()).is_some_and(|(part, open)| open.has_written(part));
        // As in Kafka: who writes is asked with the transaction's first records in a partition.
        if !is_its || (!has_written && self.id != transactional_id) {
            let (transactional_id, producer_id) = (transactional_id.to_owned(), identity.producer_id);
            return Err(LogError::UnknownProducer { transactional_id, producer_id });
        }
        self.check_epoch(&inner, identity.epoch)?;
        let (Some(part), Some(open)) = (part, inner.open.as_mut()) else {
            return Err(self.refused("append", "the partition is not part of an open transaction"));
        };
        let info = partition.append(batches, crate::partition::AppendOrigin::Client, now_ms)?;
        if !info.duplicate {
            open.took(part, &info, partition, batches, log.config.repeated_bytes_max);
        }
        Ok(info)
    }

    pub(crate) fn add_offset(
        &self,
        log: &Log,
        epoch: i16,
        entry: OffsetEntry,
        source: &Arc<Partition>,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let mut inner = self.lock();
        let open = self.open(log, &mut inner, epoch, now_ms)?;
        open.set_offset(entry, source)
    }

    pub(crate) fn put_meta(
        &self,
        log: &Log,
        epoch: i16,
        key: &[u8],
        value: Option<&[u8]>,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let mut inner = self.lock();
        let open = self.open(log, &mut inner, epoch, now_ms)?;
        open.meta_bytes += key.len() + value.map_or(0, <[u8]>::len);
        if open.meta_bytes > META_BYTES_MAX {
            return Err(LogError::Limit {
                what: "size of a transaction's meta values",
                size: open.meta_bytes,
                max: META_BYTES_MAX,
            });
        }
        open.meta.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        Ok(())
    }

    /// Hands the open transaction to the log-writer.
    pub(crate) fn commit(
        self: &Arc<Self>,
        log: &Log,
        epoch: i16,
        now_ms: i64,
    ) -> Result<CommitTicket, LogError> {
        let mut inner = self.lock();
        self.commit_as(log, &mut inner, epoch, epoch, now_ms)
    }

    /// Hands the open transaction to the log-writer; its markers get an epoch of their own.
    pub(crate) fn commit_as(
        self: &Arc<Self>,
        log: &Log,
        inner: &mut Inner,
        epoch: i16,
        marker_epoch: i16,
        now_ms: i64,
    ) -> Result<CommitTicket, LogError> {
        log.shared.health.check()?;
        self.check_epoch(inner, epoch)?;
        if self.failed() {
            return Err(self.refused("commit", "an earlier commit failed, abort first"));
        }
        while inner.in_flight.front().is_some_and(|ticket| ticket.poll().is_some()) {
            inner.in_flight.pop_front();
        }
        let Some(mut open) = inner.open.take() else {
            // Nothing of its own: durable when what is before it is.
            return Ok(inner.in_flight.back().cloned().unwrap_or_else(CommitTicket::ready));
        };
        let consumed = open.take_consumed();
        let parts: Vec<TransactionPart> =
            open.parts.into_iter().filter(|part| part.first_offset.is_some()).collect();
        if parts.is_empty() && open.offsets.is_empty() && open.meta.is_empty() {
            return Ok(inner.in_flight.back().cloned().unwrap_or_else(CommitTicket::ready));
        }
        let repeated = open.redo_bytes <= log.config.repeated_bytes_max;
        let ticket = CommitTicket::default();
        let offsets = match inner.timeout_ms {
            NO_TIMEOUT_MS => open.offsets.taken(),
            _ => open.offsets.handed_over(&ticket),
        };
        let entry = CommitEntry {
            id: self.id.clone(),
            producer_id: inner.producer_ids[open.lane],
            parts: parts
                .iter()
                .map(|part| CommittedPart {
                    topic_id: part.partition.topic_id,
                    partition: part.partition.partition,
                    first_offset: part.first_offset.expect("filtered above"),
                })
                .collect(),
            redo: open.redo,
            offsets,
            meta: open.meta,
        };
        self.busy[open.lane].store(true, Ordering::Release);
        inner.in_flight.push_back(ticket.clone());
        let request = CommitRequest {
            transactional: self.clone(),
            lane: open.lane,
            producer_id: entry.producer_id,
            epoch: marker_epoch,
            parts,
            repeated,
            entry,
            consumed,
            now_ms,
            ticket: ticket.clone(),
        };
        log.writer.submit(Request::Commit(Box::new(request)))?;
        Ok(ticket)
    }

    /// Voids the open transaction and those whose commit failed. Commits on their way are waited for.
    pub(crate) fn abort(&self, inner: &mut Inner, marker_epoch: i16, now_ms: i64) -> Result<(), LogError> {
        for ticket in inner.in_flight.drain(..) {
            // Its failure is known to whoever holds the ticket and cleaned up below.
            let _ = ticket.wait();
        }
        if let Some(open) = inner.open.take() {
            self.busy[open.lane].store(true, Ordering::Release);
            let producer_id = inner.producer_ids[open.lane];
            self.add_failed(FailedTransaction { lane: open.lane, producer_id, parts: open.parts });
        }
        let mut failed = self.failed.lock().expect("no holder panics");
        while let Some(transaction) = failed.last() {
            for part in &transaction.parts {
                part.partition.append_marker(
                    transaction.producer_id,
                    marker_epoch,
                    ControlType::Abort,
                    now_ms,
                )?;
            }
            self.free_lane(transaction.lane);
            failed.pop();
        }
        self.failed_flag.store(false, Ordering::Release);
        inner.is_overdue = false;
        Ok(())
    }

    pub(crate) fn abort_checked(&self, epoch: i16, now_ms: i64) -> Result<(), LogError> {
        let mut inner = self.lock();
        self.check_epoch(&inner, epoch)?;
        self.abort(&mut inner, epoch, now_ms)
    }
}

/// One writer's transactions, one after the other ("epochs" of the engine). Used again after each commit or abort;
/// dropping it leaves an open transaction to [`Log::abort_expired`] or to the next holder of the id.
pub struct EpochTx {
    pub(crate) log: Arc<Log>,
    pub(crate) state: Arc<TransactionalState>,
    pub(crate) epoch: i16,
}

impl EpochTx {
    /// Returns the transactional id.
    pub fn transactional_id(&self) -> &str {
        &self.state.id
    }

    /// Appends finished batches (of a `BatchBuilder`); they become visible to read-committed readers with the commit.
    pub fn append(
        &mut self,
        topic: &str,
        partition: u32,
        batches: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        let partition = self.log.partition(topic, partition)?;
        self.append_to(&partition, batches, now_ms)
    }

    /// Does what [`EpochTx::append`] does without looking the partition up.
    pub fn append_to(
        &mut self,
        partition: &Arc<Partition>,
        batches: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        self.state.append(&self.log, self.epoch, partition, batches, now_ms)
    }

    /// Sets a group's position, taking effect with the commit.
    pub fn set_offset(
        &mut self,
        group: &str,
        topic: &str,
        partition: u32,
        next_offset: i64,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let source = self.log.partition(topic, partition)?;
        let committed = CommittedOffset {
            offset: next_offset,
            leader_epoch: -1,
            metadata: String::new(),
            committed_ms: now_ms,
        };
        let entry = OffsetEntry { group: group.to_owned(), topic: topic.to_owned(), partition, committed };
        self.state.add_offset(&self.log, self.epoch, entry, &source, now_ms)
    }

    /// Stores a small value under (transactional id, key) with the commit; see `Log::committed_meta`.
    pub fn put_meta(&mut self, key: &[u8], value: &[u8], now_ms: i64) -> Result<(), LogError> {
        self.state.put_meta(&self.log, self.epoch, key, Some(value), now_ms)
    }

    /// Removes a value with the commit.
    pub fn remove_meta(&mut self, key: &[u8], now_ms: i64) -> Result<(), LogError> {
        self.state.put_meta(&self.log, self.epoch, key, None, now_ms)
    }

    /// Hands the transaction to the log-writer and begins the next. Commits become durable in order; at most four are on
    /// their way at once, then the next append waits.
    pub fn commit(&mut self, now_ms: i64) -> Result<CommitTicket, LogError> {
        self.state.commit(&self.log, self.epoch, now_ms)
    }

    /// Voids what was written since the last commit. Waits for commits on their way.
    pub fn abort(&mut self, now_ms: i64) -> Result<(), LogError> {
        self.state.abort_checked(self.epoch, now_ms)
    }
}
