//! The log-writer: takes what has come in since it last looked, syncs what it touches once, writes one piece of journal,
//! syncs that, and answers everybody.
//!
//! A transaction is committed when its journal entry is durable. Its records are durable before or with it: large
//! transactions have their segments synced first; small ones are repeated in the entry (one sync instead of two or more),
//! and recovery writes them again where a segment has lost them. Commit markers follow afterwards, without a sync: what is
//! lost of them recovery writes again. Consumed offsets are only committed once the records consumed are durable too.
//!
//! Runs on a thread of its own, or, for deterministic tests, inside the call that submits.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, RwLock};

use crossbeam_channel::{Receiver, Sender};

use crate::batch::{Batch, ControlType, batches};
use crate::error::LogError;
use crate::journal::Journal;
use crate::ledger::{CommitEntry, Entry, Ledger};
use crate::log::LogConfig;
use crate::partition::{Partition, RedoItem, Shared};
use crate::scheduling::ask_for_short_slices;
use crate::syncers::Syncers;
use crate::ticket::CommitTicket;
use crate::transaction::{FailedTransaction, TransactionPart, TransactionalState};
use crate::vital_thread::VitalThread;
use crate::write_ahead::WriteAhead;

/// Requests waiting for the log-writer; a caller above it waits.
const REQUESTS_MAX: usize = 1024;
/// Requests answered with one sync.
const GROUP_MAX: usize = 256;

/// Something for the log-writer to do.
pub(crate) enum Request {
    /// Make everything written to some partitions durable.
    Flush {
        partitions: Vec<Arc<Partition>>,
        ticket: CommitTicket,
    },
    Commit(Box<CommitRequest>),
    /// Make an entry durable and apply it.
    Record {
        entry: Entry,
        ticket: CommitTicket,
    },
    /// Write the waiting markers to the journal, retry those that failed, rewrite a long journal.
    Tidy {
        ticket: CommitTicket,
    },
}

pub(crate) struct CommitRequest {
    pub transactional: Arc<TransactionalState>,
    pub lane: usize,
    pub producer_id: i64,
    pub epoch: i16,
    pub parts: Vec<TransactionPart>,
    /// The records are in `entry.redo`.
    pub repeated: bool,
    pub entry: CommitEntry,
    /// Partitions whose records were consumed, and how far.
    pub consumed: Vec<(Arc<Partition>, i64)>,
    pub now_ms: i64,
    pub ticket: CommitTicket,
}

/// A marker that could not be written; its transaction is committed all the same.
struct OwedMarkers {
    request: CommitRequest,
}

pub(crate) struct Writer {
    journal: Journal,
    journal_bytes_max: u64,
    ahead: Arc<WriteAhead>,
    ledger: Arc<RwLock<Ledger>>,
    shared: Shared,
    /// Partitions whose bytes or markers only the journal holds durably.
    touched: BTreeMap<(u128, u32), Arc<Partition>>,
    owed: Vec<OwedMarkers>,
    syncers: Syncers,
}

/// The way to the log-writer.
pub(crate) struct WriterHandle {
    way: RwLock<Way>,
    pub writer: Arc<Mutex<Writer>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

enum Way {
    Inline,
    /// The thread ends when this is gone, after what is queued.
    Queue(Sender<Request>),
    Stopped,
}

impl WriterHandle {
    pub(crate) fn start(writer: Writer, inline: bool) -> Result<WriterHandle, LogError> {
        let writer = Arc::new(Mutex::new(writer));
        let mut way = Way::Inline;
        let mut thread = None;
        if !inline {
            let (requests, receiver) = crossbeam_channel::bounded(REQUESTS_MAX);
            let writer = writer.clone();
            let spawned = std::thread::Builder::new()
                .name("log-writer".to_owned())
                .spawn(move || run(&writer, &receiver))
                .map_err(|error| LogError::io("starting", std::path::Path::new("log-writer"), &error))?;
            way = Way::Queue(requests);
            thread = Some(spawned);
        }
        Ok(WriterHandle { way: RwLock::new(way), writer, thread: Mutex::new(thread) })
    }

    /// Says whether so much is waiting that a request handed over may have to wait too.
    pub(crate) fn is_busy(&self) -> bool {
        match &*self.way.read().expect("no holder panics") {
            Way::Queue(requests) => requests.len() >= REQUESTS_MAX / 2,
            Way::Inline | Way::Stopped => false,
        }
    }

    /// Hands a request over; waits while the queue is full. What is not taken any more is answered so.
    pub(crate) fn submit(&self, request: Request) -> Result<(), LogError> {
        let refused = match &*self.way.read().expect("no holder panics") {
            Way::Inline => {
                self.writer.lock().expect("no holder panics").process(vec![request]);
                return Ok(());
            }
            Way::Queue(requests) => match requests.send(request) {
                Ok(()) => return Ok(()),
                Err(error) => error.into_inner(),
            },
            Way::Stopped => request,
        };
        refused.ticket().complete(Err(LogError::Closed));
        Err(LogError::Closed)
    }

    /// Ends the thread after what is queued.
    pub(crate) fn stop(&self) {
        *self.way.write().expect("no holder panics") = Way::Stopped;
        let thread = self.thread.lock().expect("no holder panics").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("log-writer thread panicked");
        }
    }
}

impl Request {
    fn ticket(&self) -> &CommitTicket {
        match self {
            Request::Flush { ticket, .. } | Request::Record { ticket, .. } | Request::Tidy { ticket } => {
                ticket
            }
            Request::Commit(commit) => &commit.ticket,
        }
    }
}

fn run(writer: &Mutex<Writer>, receiver: &Receiver<Request>) {
    let _vital = VitalThread("log-writer");
    ask_for_short_slices();
    while let Ok(first) = receiver.recv() {
        let mut group = vec![first];
        take_waiting(receiver, &mut group);
        writer.lock().expect("no holder panics").process(group);
    }
}

/// Takes what has come in already.
fn take_waiting(receiver: &Receiver<Request>, group: &mut Vec<Request>) {
    while group.len() < GROUP_MAX
        && let Ok(request) = receiver.try_recv()
    {
        group.push(request);
    }
}

impl Writer {
    pub(crate) fn new(
        journal: Journal,
        ahead: Arc<WriteAhead>,
        config: &LogConfig,
        ledger: Arc<RwLock<Ledger>>,
        shared: Shared,
    ) -> Writer {
        Writer {
            journal,
            journal_bytes_max: config.journal_bytes_max,
            ahead,
            ledger,
            shared,
            touched: BTreeMap::new(),
            owed: Vec::new(),
            syncers: Syncers::default(),
        }
    }

    /// Carries out a group of requests and answers them.
    pub(crate) fn process(&mut self, group: Vec<Request>) {
        if let Err(error) = self.shared.health.check() {
            for request in &group {
                request.ticket().complete(Err(error.clone()));
            }
            return;
        }
        self.pay_owed_markers();
        let mut commits: Vec<CommitRequest> = Vec::new();
        let mut records = Vec::new();
        let mut flushes = Vec::new();
        let mut tidies = Vec::new();
        for request in group {
            match request {
                Request::Flush { partitions, ticket } => flushes.push((partitions, ticket)),
                Request::Commit(commit) => {
                    // A transaction behind a failed one of the same id must not overtake it.
                    if commit.transactional.failed() {
                        self.refuse(*commit, &LogError::Closed);
                    } else {
                        commits.push(*commit);
                    }
                }
                Request::Record { entry, ticket } => records.push((entry, ticket)),
                Request::Tidy { ticket } => tidies.push(ticket),
            }
        }
        if !tidies.is_empty() {
            // What is held here keeps a deleted topic's space.
            self.touched.retain(|_, partition| partition.is_alive());
            self.ahead.forget_deleted();
        }
        let markers = std::mem::take(&mut *self.shared.redo.lock().expect("no holder panics"));
        let result = self.sync_segments(&flushes, &commits, &markers);
        for (_, ticket) in &flushes {
            ticket.complete(result.clone());
        }
        let result = result.and_then(|()| self.write_journal(&markers, &mut commits, &records));
        match result {
            Ok(()) => {
                self.note_repeated(&markers);
                self.apply(commits, records);
                let tidied = self.recycle_if_long();
                tidies.iter().for_each(|ticket| ticket.complete(tidied.clone()));
            }
            Err(error) => {
                // The markers still wait; they were taken from the front.
                self.shared.redo.lock().expect("no holder panics").splice(0..0, markers);
                for commit in commits {
                    self.refuse(commit, &error);
                }
                for ticket in records.into_iter().map(|(_, ticket)| ticket).chain(tidies) {
                    ticket.complete(Err(error.clone()));
                }
            }
        }
    }

    fn refuse(&self, commit: CommitRequest, error: &LogError) {
        let error = match error {
            LogError::Closed => LogError::TransactionState {
                transactional_id: commit.entry.id.clone(),
                action: "commit",
                reason: "an earlier commit failed, abort first",
            },
            other => other.clone(),
        };
        commit.transactional.add_failed(FailedTransaction {
            lane: commit.lane,
            producer_id: commit.producer_id,
            parts: commit.parts,
        });
        commit.ticket.complete(Err(error));
    }

    /// Makes durable what the group needs to be before its journal entries are written: little of many partitions in a
    /// write-ahead file, the rest where it is.
    fn sync_segments(
        &mut self,
        flushes: &[(Vec<Arc<Partition>>, CommitTicket)],
        commits: &[CommitRequest],
        markers: &[RedoItem],
    ) -> Result<(), LogError> {
        let mut targets: BTreeMap<(u128, u32), Arc<Partition>> = BTreeMap::new();
        let mut add = |partition: &Arc<Partition>| {
            targets.insert((partition.topic_id, partition.partition), partition.clone());
        };
        flushes.iter().flat_map(|(partitions, _)| partitions).for_each(&mut add);
        for commit in commits {
            if !commit.repeated {
                commit.parts.iter().for_each(|part| add(&part.partition));
            }
            for (partition, next_offset) in &commit.consumed {
                let durable = durable_with(partition, commits, markers);
                if durable < *next_offset {
                    add(partition);
                }
            }
        }
        let targets: Vec<_> = targets.into_values().filter(|partition| !partition.is_durable()).collect();
        let large = if targets.is_empty() { targets } else { self.ahead.flush_some(targets)? };
        let jobs = large.into_iter().filter_map(|partition| {
            let job = partition.flush_job()?;
            Some((partition, job))
        });
        self.syncers.run(jobs.collect())
    }

    fn write_journal(
        &mut self,
        markers: &[RedoItem],
        commits: &mut [CommitRequest],
        records: &[(Entry, CommitTicket)],
    ) -> Result<(), LogError> {
        if markers.is_empty() && commits.is_empty() && records.is_empty() {
            return Ok(());
        }
        if !markers.is_empty() {
            self.journal.push(&Entry::Redo(markers.to_vec()).encode());
        }
        for commit in commits {
            let entry = Entry::Commit(Box::new(std::mem::replace(&mut commit.entry, empty_entry())));
            self.journal.push(&entry.encode());
            if let Entry::Commit(entry) = entry {
                commit.entry = *entry;
            }
        }
        for (entry, _) in records {
            self.journal.push(&entry.encode());
        }
        self.journal.commit(&self.shared.health)
    }

    fn note_repeated(&mut self, markers: &[RedoItem]) {
        for item in markers {
            if let Some(partition) = self.touched.get(&(item.topic_id, item.partition)) {
                note_batches(partition, &item.bytes);
            }
        }
    }

    fn apply(&mut self, commits: Vec<CommitRequest>, records: Vec<(Entry, CommitTicket)>) {
        {
            let mut ledger = self.ledger.write().expect("no holder panics");
            for commit in &commits {
                // Only the parts that the ledger keeps.
                ledger.apply_commit(&commit.entry);
            }
            for (entry, _) in &records {
                ledger.apply(entry);
            }
        }
        for commit in commits {
            if commit.repeated {
                for (part, item) in commit.parts_of_redo() {
                    note_batches(part, &item.bytes);
                }
            }
            for part in &commit.parts {
                let key = (part.partition.topic_id, part.partition.partition);
                self.touched.entry(key).or_insert_with(|| part.partition.clone());
            }
            let ticket = commit.ticket.clone();
            self.write_markers(commit);
            ticket.complete(Ok(()));
        }
        for (_, ticket) in records {
            ticket.complete(Ok(()));
        }
    }

    fn write_markers(&mut self, request: CommitRequest) {
        let mut owed = false;
        let visibility = self.shared.visibility.clone();
        let hidden = visibility.write().expect("no holder panics");
        for part in &request.parts {
            let marker = part.partition.append_marker(
                request.producer_id,
                request.epoch,
                ControlType::Commit,
                request.now_ms,
            );
            if let Err(error) = marker {
                tracing::warn!(topic = part.partition.topic(), %error, "commit marker must wait");
                owed = true;
            }
        }
        drop(hidden);
        if owed {
            self.owed.push(OwedMarkers { request });
        } else {
            request.transactional.free_lane(request.lane);
        }
    }

    fn pay_owed_markers(&mut self) {
        for owed in std::mem::take(&mut self.owed) {
            self.write_markers(owed.request);
        }
    }

    /// Whether the markers of all committed transactions are written.
    pub(crate) fn owes_no_markers(&self) -> bool {
        self.owed.is_empty()
    }

    fn recycle_if_long(&mut self) -> Result<(), LogError> {
        if self.journal.len() <= self.journal_bytes_max || !self.owed.is_empty() {
            return Ok(());
        }
        let kept = self.recycle()?;
        // A journal that is mostly state would be rewritten all the time.
        self.journal_bytes_max = self.journal_bytes_max.max(kept * 2);
        Ok(())
    }

    /// Rewrites the journal as state only, after syncing what only it held. Returns the new length.
    pub(crate) fn recycle(&mut self) -> Result<u64, LogError> {
        for partition in self.touched.values() {
            if let Some(job) = partition.flush_job() {
                partition.run_flush(&job)?;
            }
        }
        self.touched.clear();
        let entries: Vec<Vec<u8>> =
            self.ledger.read().expect("no holder panics").entries().iter().map(Entry::encode).collect();
        self.journal.rewrite(&entries).map_err(|error| self.shared.health.judge(error))?;
        Ok(self.journal.len())
    }

    /// Writes that nothing is open and nothing is lost.
    pub(crate) fn write_clean_stop(&mut self) -> Result<(), LogError> {
        self.pay_owed_markers();
        self.shared.health.check()?;
        if let Some(owed) = self.owed.first() {
            // Without its entry the next start would take it for open, and abort it.
            return Err(LogError::TransactionState {
                transactional_id: owed.request.entry.id.clone(),
                action: "stop cleanly after",
                reason: "its commit markers could not be written",
            });
        }
        self.recycle()?;
        // Before the mark: whoever finds it does not read them.
        self.ahead.remove()?;
        self.journal.push(&Entry::CleanStop.encode());
        self.journal.commit(&self.shared.health)
    }
}

impl CommitRequest {
    fn parts_of_redo(&self) -> impl Iterator<Item = (&Arc<Partition>, &RedoItem)> {
        self.entry.redo.iter().filter_map(|item| {
            let part = self.parts.iter().find(|part| {
                part.partition.topic_id == item.topic_id && part.partition.partition == item.partition
            })?;
            Some((&part.partition, item))
        })
    }
}

/// Returns how far a partition will be durable once the group's journal entries are.
fn durable_with(partition: &Partition, commits: &[CommitRequest], markers: &[RedoItem]) -> i64 {
    let mut durable = partition.durable.load(Ordering::Acquire);
    let redo = commits.iter().filter(|commit| commit.repeated).flat_map(|commit| &commit.entry.redo);
    let mut pieces: Vec<(i64, i64)> = redo
        .chain(markers)
        .filter(|item| item.topic_id == partition.topic_id && item.partition == partition.partition)
        .flat_map(|item| {
            batches(&item.bytes).flatten().map(|batch| (batch.base_offset(), batch.next_offset()))
        })
        .collect();
    pieces.sort_unstable();
    for (base_offset, next_offset) in pieces {
        if base_offset <= durable {
            durable = durable.max(next_offset);
        }
    }
    durable
}

fn note_batches(partition: &Partition, bytes: &[u8]) {
    let span = batches(bytes).flatten().fold(None, |span: Option<(i64, i64)>, batch: Batch<'_>| {
        Some((span.map_or(batch.base_offset(), |(first, _)| first), batch.next_offset()))
    });
    if let Some((base_offset, next_offset)) = span {
        partition.note_repeated(base_offset, next_offset);
    }
}

fn empty_entry() -> CommitEntry {
    CommitEntry {
        id: String::new(),
        producer_id: 0,
        parts: Vec::new(),
        redo: Vec::new(),
        offsets: Vec::new(),
        meta: Vec::new(),
    }
}
