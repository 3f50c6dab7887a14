//! A worker: a thread that owns tasks, reads their topics, and commits in epochs.
//!
//! Each round a worker reads a run of every input, gives the records to the tasks, and, when the commit
//! interval is over or there is nothing more to read, commits outputs, positions and state changes of all
//! its tasks in one transaction. The commit is made durable by the log's own thread while the worker goes
//! on. If the log refuses it, the worker's persistent tasks stop; if a single query cannot go on, that one stops and
//! the others begin again from the last commit. After a panic the worker comes back without the query that it was at work
//! for (`broken`).
//!
//! Tasks that read the same source of the same partition from the same offset form one *unit*: a record is
//! fetched and decoded once for all of them. Tasks with several inputs take the record with the lowest time
//! first, as Kafka Streams does.

mod batches;
mod broken;
mod cache;
mod epoch;
#[cfg(test)]
pub(crate) mod held_up;
pub(crate) mod input;
mod memory;
pub(crate) mod output;
pub(crate) mod panics;
mod patience;
mod problems;
mod restore;
pub(crate) mod snapshot;
mod unit;

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use epoch::{Epoch, Failure};
use memory::MemoryShare;
use panics::Blame;
#[cfg(test)]
use panics::planted;
use snapshot::{Progress, Snapshot};

use commitlog::{BatchBuilder, CommitTicket, EpochTx, Log, LogError, Partition};
use runtime::Task;

use crate::lock::DirectoryLock;
use crate::resume::Stalled;

pub(crate) use batches::Batches;
pub(crate) use memory::StateMemory;
pub(crate) use output::{Client, Sink, TaskStatistics, TopicSink};
pub(crate) use patience::Patience;
pub(crate) use problems::STREAM_COLUMNS as PROCESSING_LOG_COLUMNS;
pub(crate) use restore::{Restored, STORES_MAX, restore};
pub(crate) use unit::{Index, TaskSlot, Unit};

/// Bytes fetched from an input at a time: a full batch of our own, and what is worked on stays in the processor's second
/// cache.
const FETCH_BYTES: usize = 320 << 10;
/// Commits on their way at most; more would only make recovery repeat more.
const COMMITS_MAX: usize = 2;
/// A query waits for one that reads the same and is no more than so many records behind.
const MEETING_RECORDS_MAX: i64 = 200_000;
/// An epoch is committed at the latest when it has read or written this much, so that it stays bounded.
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
    /// Read nothing until `GoOn` has come as often.
    Hold,
    /// See `Hold`.
    GoOn,
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
    /// Filled when it panics.
    pub broken: Arc<OnceLock<String>>,
    /// Nobody else has the directory as long as the worker runs.
    pub _lock: Arc<DirectoryLock>,
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
    changelogs: HashMap<TaskId, BatchBuilder>,
    /// Counts the commits handed over, and those that are durable.
    commits: (u64, u64),
    snapshot: Option<Snapshot>,
    /// A failed epoch must be voided before anything else is written.
    must_void: bool,
    /// Who keeps it from reading.
    holds: u32,
    memory: MemoryShare,
}

impl Worker {
    pub fn new(parts: WorkerParts) -> Self {
        Self {
            memory: MemoryShare::new(parts.memory.clone()),
            commits: (0, 0),
            must_void: false,
            holds: 0,
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
            match panics::guarded(|| self.turn(&mut woken_by)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return,
                Err(place) if self.comes_back(&place) => {}
                Err(place) => return self.answer(&place),
            }
        }
    }

    /// Obeys the commands there are, does one round, and waits if there was nothing to do.
    fn turn(&mut self, woken_by: &mut Option<Command>) -> ControlFlow<()> {
        let seen = self.parts.log.notifier().generation();
        loop {
            let command = match woken_by.take() {
                Some(command) => Ok(command),
                None => self.parts.commands.try_recv(),
            };
            match command {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    self.commit(true);
                    return ControlFlow::Break(());
                }
                Ok(Command::Abandon) => return ControlFlow::Break(()),
                Ok(command) => self.obey(command),
                Err(TryRecvError::Empty) => break,
            }
        }
        let busy = self.holds == 0 && self.round();
        self.settle(!busy);
        let writes = self.go_on_with_snapshot();
        if (busy || writes) && self.memory.is_due() {
            self.memory.divide(&mut self.units, &mut self.paused);
        }
        if !busy && !writes {
            if self.units.is_empty() && self.epoch_start.is_none() && self.pending.is_empty() {
                // Without a query appends are no concern: only a command, which comes by the queue, is waited for.
                *woken_by = self.parts.commands.recv_timeout(self.idle_time()).ok();
            } else {
                self.parts.log.notifier().wait(seen, self.idle_time());
            }
        }
        ControlFlow::Continue(())
    }

    /// How long to sleep when nothing happens.
    fn idle_time(&self) -> Duration {
        if self.epoch_start.is_some() || !self.pending.is_empty() || self.snapshot.is_some() {
            return Duration::from_millis(1);
        }
        // Clients that were full, or are gone, are looked at from time to time.
        let has_client = self.units.iter().any(Unit::has_client);
        let longest = Duration::from_millis(if has_client { 20 } else { 500 });
        let now = Instant::now();
        self.units.iter().filter_map(|unit| unit.patience.left(now)).fold(longest, Duration::min)
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
                    let _behalf = panics::on_behalf(Blame::Visit);
                    visit(&mut slot.task);
                }
            }
            Command::IsStill(answer) => {
                let _ = answer.send(self.is_still());
            }
            Command::Void(answer) => {
                let _ = answer.send(self.void().is_ok());
            }
            Command::Hold => self.holds += 1,
            Command::GoOn => self.holds = self.holds.saturating_sub(1),
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
        let Some(mut snapshot) = self.snapshot.take() else { return self.begin_due_snapshot() };
        let (begun, durable) = self.commits;
        let is_open = self.epoch_start.is_some();
        let Some(slot) = self.slot(snapshot.task).filter(|slot| !slot.has_failed()) else { return false };
        let _behalf = panics::on_behalf(Blame::Task(slot.id));
        match snapshot.step(&mut slot.task) {
            Ok(Progress::Done) => return self.begin_due_snapshot(),
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

    /// Begins a snapshot that is due; returns whether there is one.
    fn begin_due_snapshot(&mut self) -> bool {
        // With an epoch open there are changes that are not drained.
        if self.epoch_start.is_none() {
            let now_ms = (self.parts.clock)();
            let mut slots = self.units.iter_mut().flat_map(|unit| &mut unit.tasks);
            self.snapshot = slots.find_map(|slot| Snapshot::begin_if_due(slot, now_ms));
        }
        self.snapshot.is_some()
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
            // What is left of a failed epoch must not get into the next one; without space for that it waits.
            if self.units[place].is_persistent() && self.void().is_err() {
                continue;
            }
            let unit = &mut self.units[place];
            if unit.is_stopped() {
                gone |= unit.has_client();
                continue;
            }
            if unit.inputs.first().is_some_and(|input| input.position() >= bound) {
                continue;
            }
            let mut epoch = Epoch::new(&mut self.parts.tx, &mut self.problems, now_ms);
            let behalf = panics::on_behalf(Blame::Unit(place));
            let read = unit.run(FETCH_BYTES, bound, &mut epoch);
            drop(behalf);
            let (written, outcome) = (epoch.written, epoch.check());
            if unit.is_persistent() && !matches!(read, Ok(0)) {
                self.epoch_bytes += read.as_ref().map_or(0, |bytes| *bytes) + written;
                self.epoch_start.get_or_insert_with(Instant::now);
            }
            match read {
                Ok(bytes) => busy |= bytes > 0,
                Err(error) => unit.fail(&error),
            }
            if let Err(failure) = outcome {
                self.fail(&failure);
                return true;
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
                Err(failure) => self.fail(&failure),
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
            Err(error) => self.fail(&Failure::Log(error)),
        }
    }

    fn write_epoch(&mut self) -> Result<CommitTicket, Failure> {
        self.void().map_err(Failure::Log)?;
        let now_ms = (self.parts.clock)();
        let mut epoch = Epoch::new(&mut self.parts.tx, &mut self.problems, now_ms);
        for unit in self.units.iter_mut().filter(|u| u.is_persistent()) {
            let read = unit.positions();
            for slot in &mut unit.tasks {
                let _behalf = panics::on_behalf(Blame::Task(slot.id));
                #[cfg(test)]
                planted::go_off(&slot.query_id, planted::Moment::Writing);
                slot.flush(&mut epoch);
                epoch.check()?;
                let positions = slot.stopped_at.as_ref().unwrap_or(&read);
                if slot.committed != *positions {
                    for (topic, partition, position) in positions {
                        epoch
                            .tx
                            .set_offset(&slot.group, topic, *partition, *position, now_ms)
                            .map_err(|error| Failure::of(&slot.query_id, error))?;
                    }
                    slot.committed.clone_from(positions);
                }
                if let Some(changelog) = &slot.changelog {
                    let builder = self.changelogs.entry(slot.id).or_default();
                    let task = (&slot.query_id, &mut slot.task, &mut slot.last_meta);
                    let written = restore::write_changes(task, builder, changelog, epoch.tx, now_ms)?;
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
            match problems::write(&mut self.problems, partition, &mut self.parts.tx, now_ms) {
                // Somebody has deleted it; the next start makes it anew.
                Err(error @ LogError::UnknownTopic { .. }) => {
                    tracing::warn!(worker = self.parts.number, %error, "errors are no longer told");
                    self.parts.processing_log = None;
                }
                written => written.map_err(Failure::Log)?,
            }
        }
        #[cfg(test)]
        for slot in self.units.iter().flat_map(|unit| &unit.tasks) {
            planted::go_off(&slot.query_id, planted::Moment::Committing);
        }
        self.parts.tx.commit(now_ms).map_err(Failure::Log)
    }

    /// Stops what cannot go on. The epoch is one transaction: nothing of it may be committed.
    fn fail(&mut self, failure: &Failure) {
        let worker = self.parts.number;
        match failure {
            Failure::Log(error) => {
                tracing::error!(worker, %error, "commit failed, queries stopped");
                let stalled = self.parts.stalled.clone();
                self.give_up_epoch(|slot| {
                    stalled.note(&slot.query_id, error);
                    slot.fail(error.to_string());
                });
            }
            Failure::Query { id, error } => {
                tracing::error!(worker, query = &**id, %error, "query stopped, the others begin again");
                let stalled = self.parts.stalled.clone();
                self.give_up_epoch(|slot| {
                    if slot.query_id == *id {
                        slot.fail(error.clone());
                    } else if !slot.has_failed() {
                        stalled.begin_again(&slot.query_id);
                        slot.retire();
                    }
                });
            }
        }
    }

    /// Voids what was written since the last commit. Tasks are ahead of it then: all of them stop.
    fn give_up_epoch(&mut self, stop: impl Fn(&mut TaskSlot)) {
        self.snapshot = None;
        self.epoch_start = None;
        self.epoch_bytes = 0;
        self.changelogs.clear();
        // They come again with their records.
        self.problems = output::Problems::default();
        let units = std::mem::take(&mut self.units);
        for mut unit in units {
            if unit.is_persistent() {
                unit.tasks.iter_mut().for_each(&stop);
                self.stopped.push(unit);
            } else {
                self.units.push(unit);
            }
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
