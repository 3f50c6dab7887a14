//! A worker: a thread that owns tasks, reads their topics, and commits in epochs.
//!
//! Each round a worker reads a run of every input, gives the records to the tasks, and, when the commit
//! interval is over or there is nothing more to read, commits outputs, positions and state changes of all
//! its tasks in one transaction. The commit is made durable by the log's own thread while the worker goes
//! on; one that fails stops the worker's persistent tasks.
//!
//! Tasks that read the same source of the same partition from the same offset form one *unit*: a record is
//! fetched and decoded once for all of them. Tasks with several inputs take the record with the lowest time
//! first, as Kafka Streams does.

mod cache;
mod held_back;
pub(crate) mod input;
mod memory;
pub(crate) mod output;
mod problems;
mod restore;
pub(crate) mod snapshot;
mod unit;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use memory::MemoryShare;
use snapshot::{Progress, Snapshot};

use commitlog::{CommitTicket, EpochTx, Log, LogError, Partition};
use runtime::Task;

use crate::resume::Stalled;

pub(crate) use memory::StateMemory;
pub(crate) use output::{Client, Sink, TaskStatistics, TopicSink};
pub(crate) use problems::STREAM_COLUMNS as PROCESSING_LOG_COLUMNS;
pub(crate) use restore::{Restored, restore};
pub(crate) use unit::{Index, TaskSlot, Unit};

/// Bytes fetched from an input at a time: a full batch of our own, and what is worked on stays in the processor's second
/// cache.
const FETCH_BYTES: usize = 320 << 10;
/// Commits on their way at most; more would only make recovery repeat more.
const COMMITS_MAX: usize = 2;
/// A query waits for one that reads the same and is no more than so many records behind.
const MEETING_RECORDS_MAX: i64 = 200_000;
/// An epoch is committed at the latest when it has read this much, so that batches stay bounded.
const EPOCH_BYTES: u64 = 64 << 20;

/// Identifies a task within the engine.
pub(crate) type TaskId = u64;

/// A look at a task on its own thread.
pub(crate) type Visit = Box<dyn FnOnce(&mut Task) + Send>;

/// What other threads ask of a worker.
pub(crate) enum Command {
    /// Begin a task.
    Add(Box<Unit>),
    /// Take a task that reads nothing until it is resumed.
    AddPaused(Box<Unit>),
    /// End tasks; answered when they have stopped and what they did is committed.
    Remove(Vec<TaskId>, Sender<()>),
    /// Stop or go on reading for a query.
    Pause(Vec<TaskId>, bool),
    /// Look at a task (pull queries).
    Visit(TaskId, Visit),
    /// Whether there is nothing to read, to compute or to commit (for persistent queries).
    IsStill(Sender<bool>),
    /// Void what was written since the last commit, if that failed; answered with whether nothing of it is left.
    Void(Sender<bool>),
    /// Commit and end the thread.
    Stop,
    /// End the thread at once, as if the process had been killed.
    Abandon,
}

/// What a worker is made of.
pub(crate) struct WorkerParts {
    pub number: usize,
    pub log: Arc<Log>,
    pub tx: EpochTx,
    pub commands: Receiver<Command>,
    pub commit_interval: Duration,
    pub processing_log: Option<Arc<Partition>>,
    pub clock: fn() -> i64,
    pub memory: Arc<StateMemory>,
    pub stalled: Arc<Stalled>,
}

/// A commit on its way, and what will be committed with it.
struct PendingCommit {
    number: u64,
    ticket: CommitTicket,
    consumed: Vec<(Arc<TaskStatistics>, u64)>,
}

impl PendingCommit {
    fn confirm(self) {
        for (statistics, consumed) in self.consumed {
            statistics.committed.store(consumed, Ordering::Relaxed);
        }
    }
}

/// A worker.
pub(crate) struct Worker {
    parts: WorkerParts,
    units: Vec<Unit>,
    /// Units whose tasks are paused.
    paused: Vec<Unit>,
    /// Units that a failed commit has stopped; only their state is still looked at.
    stopped: Vec<Unit>,
    problems: output::Problems,
    pending: VecDeque<PendingCommit>,
    epoch_start: Option<Instant>,
    epoch_bytes: u64,
    changelogs: HashMap<TaskId, commitlog::BatchBuilder>,
    /// Counts the commits handed over, and those that are durable.
    commits: (u64, u64),
    snapshot: Option<Snapshot>,
    /// A failed epoch must be voided before anything else is written.
    must_void: bool,
    memory: MemoryShare,
}

impl Worker {
    pub fn new(parts: WorkerParts) -> Self {
        Self {
            memory: MemoryShare::new(parts.memory.clone()),
            commits: (0, 0),
            must_void: false,
            snapshot: None,
            parts,
            units: vec![],
            paused: vec![],
            stopped: vec![],
            problems: output::Problems::default(),
            pending: Default::default(),
            epoch_start: None,
            epoch_bytes: 0,
            changelogs: HashMap::new(),
        }
    }

    /// Runs until told to stop.
    pub fn run(mut self) {
        let mut woken_by = None;
        loop {
            let seen = self.parts.log.notifier().generation();
            loop {
                let command = match woken_by.take() {
                    Some(command) => Ok(command),
                    None => self.parts.commands.try_recv(),
                };
                match command {
                    Ok(Command::Stop) => {
                        self.commit(true);
                        return;
                    }
                    Ok(Command::Abandon) => return,
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        self.commit(true);
                        return;
                    }
                }
            }
            let busy = self.round();
            self.settle(!busy);
            let writes = self.go_on_with_snapshot();
            if (busy || writes) && self.memory.is_due() {
                self.memory.divide(&mut self.units, &mut self.paused);
            }
            if !busy && !writes {
                if self.units.is_empty() && self.epoch_start.is_none() && self.pending.is_empty() {
                    // Without a query appends are no concern: only a command, which comes by the queue, is waited for.
                    woken_by = self.parts.commands.recv_timeout(self.idle_time()).ok();
                } else {
                    self.parts.log.notifier().wait(seen, self.idle_time());
                }
            }
        }
    }

    /// How long to sleep when nothing happens.
    fn idle_time(&self) -> Duration {
        if self.epoch_start.is_some() || !self.pending.is_empty() || self.snapshot.is_some() {
            return Duration::from_millis(1);
        }
        // Clients that were full, or are gone, are looked at from time to time.
        if self.units.iter().any(Unit::has_client) {
            Duration::from_millis(20)
        } else {
            Duration::from_millis(500)
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(unit) => {
                self.units.push(*unit);
                self.join_units();
            }
            Command::AddPaused(unit) => self.paused.push(*unit),
            Command::Remove(ids, done) => {
                self.commit(true);
                for units in [&mut self.units, &mut self.paused, &mut self.stopped] {
                    for unit in units.iter_mut() {
                        unit.tasks.retain(|t| !ids.contains(&t.id));
                    }
                    units.retain(|u| !u.tasks.is_empty());
                }
                for id in &ids {
                    self.changelogs.remove(id);
                }
                // Waits until its file is closed: its directory is about to go.
                self.snapshot.take_if(|snapshot| ids.contains(&snapshot.task));
                let _ = done.send(());
            }
            Command::Pause(ids, true) => {
                self.commit(true);
                let units = std::mem::take(&mut self.units);
                for unit in units {
                    let (paused, running) = unit.split(|t| ids.contains(&t.id), &self.parts.log);
                    self.paused.extend(paused);
                    self.units.extend(running);
                }
            }
            Command::Pause(ids, false) => {
                let paused = std::mem::take(&mut self.paused);
                for unit in paused {
                    let resumes = unit.tasks.iter().any(|t| ids.contains(&t.id));
                    if resumes { self.units.push(unit) } else { self.paused.push(unit) }
                }
                self.join_units();
            }
            Command::Visit(id, visit) => {
                if let Some(slot) = self.slot(id) {
                    visit(&mut slot.task);
                }
            }
            Command::IsStill(answer) => {
                let _ = answer.send(self.is_still());
            }
            Command::Void(answer) => {
                let _ = answer.send(self.void().is_ok());
            }
            Command::Stop | Command::Abandon => {}
        }
    }

    fn slot(&mut self, id: TaskId) -> Option<&mut TaskSlot> {
        let units = self.units.iter_mut().chain(&mut self.paused).chain(&mut self.stopped);
        let mut all = units.flat_map(|u| &mut u.tasks);
        all.find(|slot| slot.id == id)
    }

    /// Writes a piece of the snapshot under way, or begins one that is due; returns whether there is more to write.
    fn go_on_with_snapshot(&mut self) -> bool {
        let Some(mut snapshot) = self.snapshot.take() else {
            // With an epoch open there are changes that are not drained.
            if self.epoch_start.is_none() {
                let now_ms = (self.parts.clock)();
                let mut slots = self.units.iter_mut().flat_map(|unit| &mut unit.tasks);
                self.snapshot = slots.find_map(|slot| Snapshot::begin_if_due(slot, now_ms));
            }
            return self.snapshot.is_some();
        };
        let (begun, durable) = self.commits;
        let is_open = self.epoch_start.is_some();
        let Some(slot) = self.slot(snapshot.task).filter(|slot| !slot.has_failed()) else { return false };
        match snapshot.step(&mut slot.task) {
            Ok(Progress::Done) => return false,
            Ok(Progress::Moved) => {
                self.snapshot = Some(snapshot);
                return true;
            }
            Ok(Progress::Waits | Progress::Publishing) => {}
            Ok(Progress::Complete) => {
                // It may have changes of the open epoch in it.
                let commit = *snapshot.commit.get_or_insert(if is_open { begun + 1 } else { begun });
                if commit <= durable
                    && let Some(changelog) = &slot.changelog
                {
                    snapshot.publish(changelog.offsets().last_stable);
                }
            }
            Err(error) => {
                tracing::warn!(query = &*slot.query_id, %error, "snapshot given up");
                return false;
            }
        }
        self.snapshot = Some(snapshot);
        false
    }

    fn is_still(&self) -> bool {
        let mut running = self.units.iter().filter(|u| u.is_persistent() && !u.is_stopped());
        let is_idle = self.epoch_start.is_none() && self.pending.is_empty() && self.snapshot.is_none();
        is_idle && !running.any(Unit::has_more)
    }

    /// Makes one unit of those that read the same from the same place.
    fn join_units(&mut self) {
        let mut i = 0;
        while i < self.units.len() {
            let mut j = i + 1;
            while j < self.units.len() {
                if self.units[i].can_join(&self.units[j]) {
                    let other = self.units.swap_remove(j);
                    self.units[i].tasks.extend(other.tasks);
                } else {
                    j += 1;
                }
            }
            i += 1;
        }
    }

    /// The offset a unit may read up to so that those that read the same meet and become one: not past one that is
    /// a little ahead, and nothing while one is a little behind.
    fn meeting_point(&self, place: usize) -> i64 {
        let unit = &self.units[place];
        let mut bound = i64::MAX;
        for (other_place, other) in self.units.iter().enumerate() {
            if other_place == place || other.is_stopped() || !unit.reads_same(other) {
                continue;
            }
            let (own, others) = (unit.inputs[0].position(), other.inputs[0].position());
            if others > own {
                bound = bound.min(others);
            } else if others < own && own - others <= MEETING_RECORDS_MAX {
                return own;
            }
        }
        bound
    }

    /// One run of every unit; returns whether there was something to do.
    fn round(&mut self) -> bool {
        let mut busy = false;
        let now_ms = (self.parts.clock)();
        let mut gone = false;
        for place in 0..self.units.len() {
            let bound = self.meeting_point(place);
            let unit = &mut self.units[place];
            if unit.is_stopped() {
                gone |= unit.has_client();
                continue;
            }
            if unit.inputs.first().is_some_and(|input| input.position() >= bound) {
                continue;
            }
            match unit.run(FETCH_BYTES, bound, &mut self.problems) {
                Ok(0) => {}
                Ok(bytes) => {
                    busy = true;
                    if unit.is_persistent() {
                        self.epoch_bytes += bytes;
                        self.epoch_start.get_or_insert_with(Instant::now);
                    }
                    let is_full = |slot: &TaskSlot| matches!(&slot.sink, Sink::Topic(sink) if sink.is_full());
                    if unit.tasks.iter().any(is_full)
                        && let Err(error) = self.flush_full(place, now_ms)
                    {
                        // What is written of the epoch is in one transaction with what the others wrote.
                        self.fail_all(&error);
                        return true;
                    }
                }
                Err(error) => unit.fail(&error),
            }
        }
        if gone {
            self.units.retain(|u| !(u.has_client() && u.is_stopped()));
        }
        if self.units.len() > 1 {
            self.join_units();
        }
        busy
    }

    /// Writes the full batches of a unit's tasks.
    fn flush_full(&mut self, place: usize, now_ms: i64) -> Result<(), LogError> {
        self.void()?;
        for slot in &mut self.units[place].tasks {
            if matches!(&slot.sink, Sink::Topic(sink) if sink.is_full()) {
                slot.flush(&mut self.parts.tx, false, now_ms, &mut self.problems)?;
            }
        }
        Ok(())
    }

    /// Commits when it is time.
    fn settle(&mut self, idle: bool) {
        while let Some(result) = self.pending.front().and_then(|commit| commit.ticket.poll()) {
            if let Some(commit) = self.pending.pop_front() {
                self.committed(commit, result);
            }
        }
        let Some(start) = self.epoch_start else { return };
        let due = start.elapsed() >= self.parts.commit_interval || self.epoch_bytes >= EPOCH_BYTES;
        if due || (idle && self.pending.is_empty()) {
            self.commit(false);
        }
    }

    /// Commits the open epoch; with `wait` until it is durable.
    fn commit(&mut self, wait: bool) {
        if self.epoch_start.take().is_some() {
            self.epoch_bytes = 0;
            while self.pending.len() >= COMMITS_MAX {
                let Some(commit) = self.pending.pop_front() else { break };
                let result = commit.ticket.wait();
                let has_failed = result.is_err();
                self.committed(commit, result);
                if has_failed {
                    return;
                }
            }
            match self.write_epoch() {
                Ok(ticket) => {
                    let slots = self.units.iter().filter(|u| u.is_persistent()).flat_map(|u| &u.tasks);
                    let consumed = slots
                        .map(|s| (s.statistics.clone(), s.statistics.consumed.load(Ordering::Relaxed)))
                        .collect();
                    self.commits.0 += 1;
                    self.pending.push_back(PendingCommit { number: self.commits.0, ticket, consumed });
                }
                Err(error) => self.fail_all(&error),
            }
        }
        if wait {
            while let Some(commit) = self.pending.pop_front() {
                let result = commit.ticket.wait();
                self.committed(commit, result);
            }
        }
    }

    fn committed(&mut self, commit: PendingCommit, result: Result<(), LogError>) {
        match result {
            Ok(()) => {
                self.commits.1 = commit.number;
                commit.confirm();
            }
            Err(error) => self.fail_all(&error),
        }
    }

    fn write_epoch(&mut self) -> Result<CommitTicket, LogError> {
        self.void()?;
        let now_ms = (self.parts.clock)();
        let tx = &mut self.parts.tx;
        for unit in self.units.iter_mut().filter(|u| u.is_persistent()) {
            let positions: Vec<_> =
                unit.inputs.iter().map(|i| (i.topic.clone(), i.partition, i.position())).collect();
            for slot in &mut unit.tasks {
                slot.flush(tx, true, now_ms, &mut self.problems)?;
                if slot.committed != positions {
                    for (topic, partition, position) in &positions {
                        tx.set_offset(&slot.group, topic, *partition, *position, now_ms)?;
                    }
                    slot.committed.clone_from(&positions);
                }
                if let Some(changelog) = &slot.changelog {
                    let builder = self.changelogs.entry(slot.id).or_default();
                    let written = restore::write_changes(&mut slot.task, builder, changelog, tx, now_ms)?;
                    if let Some(schedule) = &mut slot.schedule {
                        schedule.note(written);
                    }
                    let bytes: usize = slot.task.stores_mut().map(|(_, s)| s.bytes_used()).sum();
                    slot.statistics.state_bytes.store(bytes as u64, Ordering::Relaxed);
                    if self.snapshot.is_none() {
                        self.snapshot = Snapshot::begin_if_due(slot, now_ms);
                    }
                }
            }
        }
        if let Some(partition) = &self.parts.processing_log {
            problems::write(&mut self.problems, partition, tx, now_ms)?;
        }
        tx.commit(now_ms)
    }

    fn fail_all(&mut self, error: &LogError) {
        tracing::error!(worker = self.parts.number, %error, "commit failed, queries stopped");
        self.snapshot = None;
        self.epoch_start = None;
        let units = std::mem::take(&mut self.units);
        for mut unit in units {
            if !unit.is_persistent() {
                self.units.push(unit);
                continue;
            }
            unit.tasks.iter().for_each(|slot| self.parts.stalled.note(&slot.query_id, error));
            unit.fail(error);
            self.stopped.push(unit);
        }
        // Part of the epoch may be written: it must not be committed with what comes next.
        self.must_void = true;
        if let Err(error) = self.void() {
            tracing::warn!(worker = self.parts.number, %error, "failed epoch must wait to be voided");
        }
    }

    /// Voids the failed epoch and those behind it; the commits on their way are decided then.
    fn void(&mut self) -> Result<(), LogError> {
        if self.must_void {
            self.parts.tx.abort((self.parts.clock)())?;
            self.must_void = false;
            self.pending.clear();
        }
        Ok(())
    }
}
