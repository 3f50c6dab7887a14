//! Tasks that read the same, and the inputs they read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use commitlog::{EpochTx, Isolation, Log, LogError, Partition};
use plan::step::{SourceKind, Step};
use runtime::{DecodeError, Dispatch, EncodeError, Fused, RowError, SourceDecoder, Task};

use super::TaskId;
use super::held_back;
use super::input::Input;
use super::output::{Problem, Problems, Sink, TaskOutput, TaskStatistics, TopicSink};
use super::snapshot::Schedule;

/// Records decoded before a single task sees them; all that is known of them stays in the nearest cache.
const BLOCK_RECORDS: usize = 16;

/// The same for several tasks, of which each goes through all of them.
const SHARED_BLOCK_RECORDS: usize = 128;

/// Tasks for which an index over their predicates is made.
const INDEXED_TASKS_MIN: usize = 3;

/// A task on its worker.
pub(crate) struct TaskSlot {
    pub id: TaskId,
    pub query_id: Arc<str>,
    pub task: Task,
    /// The short way past the task, for queries that have one.
    pub fused: Option<Box<Fused>>,
    /// The group its positions are kept under; empty for push queries.
    pub group: String,
    /// The source (as in `Step::sources`) that each input of the unit feeds.
    pub sources: Vec<usize>,
    pub sink: Sink,
    pub statistics: Arc<TaskStatistics>,
    /// Where state changes go.
    pub changelog: Option<Arc<Partition>>,
    /// When its state is written to a file.
    pub schedule: Option<Schedule>,
    /// Positions as they were committed last.
    pub committed: Vec<(Arc<str>, u32, i64)>,
    /// Told when the task stops by an error.
    pub on_error: Arc<dyn Fn(String) + Send + Sync>,
    /// Stops the query at the first malformed record (`ksql.fail.on.deserialization.error`).
    pub fails_on_malformed: bool,
    /// Stops it at the first record with an invalid time (`ksql.timestamp.throw.on.invalid`).
    pub fails_on_bad_time: bool,
}

impl TaskSlot {
    /// Hands rows that wait, if `all`, and full batches to the epoch's transaction.
    pub fn flush(
        &mut self,
        tx: &mut EpochTx,
        all: bool,
        now_ms: i64,
        problems: &mut Problems,
    ) -> Result<(), LogError> {
        if all && self.task.holds_back() {
            held_back::flush(self, tx, now_ms, problems)?;
        }
        let Sink::Topic(sink) = &mut self.sink else { return Ok(()) };
        let (statistics, query_id) = (&self.statistics, &self.query_id);
        let topic = sink.encoder.topic().clone();
        let mut refused = |error: EncodeError| {
            statistics.errors.fetch_add(1, Ordering::Relaxed);
            problems.push(Problem::of_encoding(&error, query_id, &topic, 0));
        };
        let produced = sink.drain_cache(tx, all, now_ms, &mut refused)?;
        if let Some(last_ms) = produced.last_ms {
            statistics.produced.fetch_add(produced.rows, Ordering::Relaxed);
            statistics.last_message_ms.store(last_ms, Ordering::Relaxed);
        }
        sink.flush(tx, all, now_ms)
    }

    pub fn has_failed(&self) -> bool {
        self.statistics.failed.load(Ordering::Relaxed)
    }

    pub fn fail(&mut self, error: String) {
        if !self.statistics.failed.swap(true, Ordering::Relaxed) {
            (self.on_error)(error);
        }
    }
}

/// The index over the predicates of a unit's tasks.
#[derive(Default)]
pub(crate) struct Index {
    /// The tasks it was made for.
    tasks: Vec<TaskId>,
    dispatch: Option<Dispatch>,
}

impl Index {
    /// Brings it up to date.
    fn follow(&mut self, tasks: &[TaskSlot]) {
        if self.tasks.iter().eq(tasks.iter().map(|slot| &slot.id)) {
            return;
        }
        self.tasks = tasks.iter().map(|slot| slot.id).collect();
        self.dispatch = (tasks.len() >= INDEXED_TASKS_MIN)
            .then(|| Dispatch::new(tasks.iter().map(|slot| slot.fused.as_deref())))
            .filter(Dispatch::is_useful);
    }
}

/// Inputs and the tasks fed by them. Several tasks only with a single input.
pub(crate) struct Unit {
    pub inputs: Vec<Input>,
    pub tasks: Vec<TaskSlot>,
    /// What the input's decoder was made for; units join only when it is the same.
    pub definition: Arc<str>,
    /// The source steps that the inputs' decoders were made for.
    pub steps: Vec<Step>,
    pub log: Arc<Log>,
    pub index: Index,
}

impl Unit {
    pub fn is_persistent(&self) -> bool {
        self.tasks.first().is_some_and(|t| !t.group.is_empty())
    }

    pub fn has_client(&self) -> bool {
        self.tasks.iter().any(|t| matches!(t.sink, Sink::Client(_)))
    }

    /// Whether some input has something that was not taken.
    pub fn has_more(&self) -> bool {
        self.inputs.iter().any(Input::has_more)
    }

    /// Nothing more will be read.
    pub fn is_stopped(&self) -> bool {
        self.tasks
            .iter()
            .all(|t| t.has_failed() || matches!(&t.sink, Sink::Client(client) if client.is_gone()))
    }

    /// Whether both read one partition, the same one, in the same way.
    pub fn reads_same(&self, other: &Unit) -> bool {
        let ([a], [b]) = (&self.inputs[..], &other.inputs[..]) else { return false };
        self.is_persistent()
            && other.is_persistent()
            && a.partition == b.partition
            && a.topic == b.topic
            && a.until.is_none()
            && b.until.is_none()
            && self.definition == other.definition
    }

    /// Whether both also are at the same place.
    pub fn can_join(&self, other: &Unit) -> bool {
        self.reads_same(other) && self.inputs[0].position() == other.inputs[0].position()
    }

    /// Divides the tasks into those that fit and those that do not, each with inputs of their own.
    pub fn split(self, fits: impl Fn(&TaskSlot) -> bool, log: &Arc<Log>) -> (Option<Unit>, Option<Unit>) {
        let (yes, no): (Vec<_>, Vec<_>) = self.tasks.into_iter().partition(fits);
        let (definition, steps, own_log) = (self.definition, self.steps, self.log);
        if yes.is_empty() || no.is_empty() {
            let is_yes = !yes.is_empty();
            let tasks = if is_yes { yes } else { no };
            let index = Index::default();
            let unit = Unit { inputs: self.inputs, tasks, definition, steps, log: own_log, index };
            return if is_yes { (Some(unit), None) } else { (None, Some(unit)) };
        }
        let copies =
            self.inputs.iter().zip(&steps).filter_map(|(input, step)| reopened(input, step, log)).collect();
        let yes = Unit {
            inputs: copies,
            tasks: yes,
            definition: definition.clone(),
            steps: steps.clone(),
            log: log.clone(),
            index: Index::default(),
        };
        let index = Index::default();
        (Some(yes), Some(Unit { inputs: self.inputs, tasks: no, definition, steps, log: own_log, index }))
    }

    /// Gives a run of records to the tasks, of a single input those before offset `bound`; returns about how many
    /// bytes were read, 0 for nothing.
    pub fn run(&mut self, fetch_bytes: usize, bound: i64, problems: &mut Problems) -> Result<u64, LogError> {
        for slot in &self.tasks {
            if let Sink::Client(client) = &slot.sink
                && !client.has_room()
            {
                return Ok(0);
            }
        }
        let consumed = match self.inputs.len() {
            1 if self.inputs[0].has_blocks() => self.run_blocks(fetch_bytes, bound, problems)?,
            1 => self.run_single(fetch_bytes, bound, problems)?,
            _ => self.run_merged(fetch_bytes, problems)?,
        };
        let done = self.inputs.iter().all(Input::is_done);
        for slot in &mut self.tasks {
            if let Sink::Client(client) = &mut slot.sink {
                client.flush();
                if done {
                    client.end();
                }
            }
        }
        Ok(consumed)
    }

    /// Each task goes through a block of records before the next one does.
    fn run_blocks(
        &mut self,
        fetch_bytes: usize,
        bound: i64,
        problems: &mut Problems,
    ) -> Result<u64, LogError> {
        let input = &mut self.inputs[0];
        if !input.fill(fetch_bytes)? {
            return Ok(0);
        }
        self.index.follow(&self.tasks);
        let block_records = if self.tasks.len() > 1 { SHARED_BLOCK_RECORDS } else { BLOCK_RECORDS };
        let from = input.position();
        let mut records = 0;
        loop {
            if input.is_at(bound) {
                break;
            }
            let count = input.load_block(block_records, bound);
            if count == 0 {
                break;
            }
            if let Some(dispatch) = &mut self.index.dispatch {
                choose(dispatch, input, count);
            }
            for (number, slot) in self.tasks.iter_mut().enumerate() {
                if slot.has_failed() {
                    continue;
                }
                match (slot.fused.is_some(), &self.index.dispatch) {
                    (true, Some(dispatch)) => {
                        let chosen = dispatch.chosen(number);
                        if !chosen.is_empty() {
                            run_fused(slot, input, chosen.iter().map(|n| *n as usize), problems);
                        }
                    }
                    (true, None) => run_fused(slot, input, 0..count, problems),
                    (false, _) => run_task(slot, input, count, problems),
                }
                slot.statistics.consumed.fetch_add(count as u64, Ordering::Relaxed);
            }
            records += count as u64;
            input.take_block();
        }
        Ok(if records == 0 && input.position() == from { 0 } else { records.max(1) * 100 })
    }

    fn run_single(
        &mut self,
        fetch_bytes: usize,
        bound: i64,
        problems: &mut Problems,
    ) -> Result<u64, LogError> {
        let input = &mut self.inputs[0];
        if !input.fill(fetch_bytes)? {
            return Ok(0);
        }
        let mut records = 0u64;
        while !input.is_at(bound)
            && let Some(loaded) = input.load()
        {
            records += 1;
            match loaded {
                Ok(_) => {
                    let row = input.row();
                    for slot in &mut self.tasks {
                        give(slot, slot.sources[0], &row, &input.topic, input.partition, problems);
                    }
                    input.take();
                }
                Err(bad) => {
                    for slot in &mut self.tasks {
                        report(slot, &bad, &input.topic, input.partition, problems);
                    }
                }
            }
        }
        for slot in &self.tasks {
            slot.statistics.consumed.fetch_add(records, Ordering::Relaxed);
        }
        Ok(records.max(1) * 100)
    }

    /// Lowest time first, over all inputs that have something.
    fn run_merged(&mut self, fetch_bytes: usize, problems: &mut Problems) -> Result<u64, LogError> {
        let mut records = 0u64;
        let slot = &mut self.tasks[0];
        // About as much as one fetch, then the other units have their turn.
        let records_max = (fetch_bytes / 64) as u64;
        // Which input an entry of `times` belongs to is its place.
        let mut times: Vec<Option<i64>> = vec![None; self.inputs.len()];
        while records < records_max {
            // A commit of several topics is seen in all inputs or in none: a row must not overtake the row of
            // another input that was committed with it.
            let fetches =
                self.inputs.iter().zip(&times).any(|(input, time)| time.is_none() && input.is_empty());
            let view = fetches.then(|| self.log.view());
            for (i, input) in self.inputs.iter_mut().enumerate() {
                while times[i].is_none() && input.fill(fetch_bytes)? {
                    match input.load() {
                        Some(Ok(time)) => times[i] = Some(time),
                        Some(Err(bad)) => {
                            records += 1;
                            report(slot, &bad, &input.topic, input.partition, problems);
                        }
                        None => break,
                    }
                }
            }
            drop(view);
            // At the same time a table's change comes before the stream's record that looks it up.
            let steps = &self.steps;
            let order = |(i, time): (usize, &Option<i64>)| {
                time.map(|time| (time, steps[i].output == SourceKind::Stream, i))
            };
            let Some((_, _, i)) = times.iter().enumerate().filter_map(order).min() else { break };
            times[i] = None;
            let input = &mut self.inputs[i];
            give(slot, slot.sources[i], &input.row(), &input.topic, input.partition, problems);
            input.take();
            records += 1;
        }
        slot.statistics.consumed.fetch_add(records, Ordering::Relaxed);
        Ok(records * 100)
    }

    pub fn fail(&mut self, error: &LogError) {
        for slot in &mut self.tasks {
            slot.fail(error.to_string());
        }
    }
}

/// The same input once more, from the same place.
fn reopened(input: &Input, step: &Step, log: &Arc<Log>) -> Option<Input> {
    let reader =
        log.reader(&input.topic, input.partition, input.position(), Isolation::ReadCommitted).ok()?;
    let decoder = SourceDecoder::new(step).ok()?;
    Some(Input::new(reader, decoder, input.wants_headers, input.until))
}

/// Chooses the records of a block for each task; bad ones are for all, to be reported.
fn choose(dispatch: &mut Dispatch, input: &Input, count: usize) {
    dispatch.clear();
    for n in 0..count {
        match input.block_row(n) {
            Ok((row, _)) => dispatch.choose(n as u32, &row),
            Err(_) => dispatch.choose_for_all(n as u32),
        }
    }
}

/// Gives a block to a task.
fn run_task(slot: &mut TaskSlot, input: &Input, count: usize, problems: &mut Problems) {
    let source = slot.sources[0];
    for n in 0..count {
        match input.block_row(n) {
            Ok((row, _)) => give(slot, source, &row, &input.topic, input.partition, problems),
            Err(bad) => report(slot, &bad, &input.topic, input.partition, problems),
        }
        if slot.has_failed() {
            return;
        }
    }
}

/// Takes records of a block the short way.
fn run_fused(
    slot: &mut TaskSlot,
    input: &Input,
    numbers: impl Iterator<Item = usize>,
    problems: &mut Problems,
) {
    let Some(mut fused) = slot.fused.take() else { return };
    let (topic, partition) = (&input.topic, input.partition);
    let (mut produced, mut last_ms) = (0, 0);
    for n in numbers {
        let (row, key) = match input.block_row(n) {
            Ok(found) => found,
            Err(bad) => {
                report(slot, &bad, topic, partition, problems);
                if slot.has_failed() {
                    break;
                }
                continue;
            }
        };
        let (statistics, query_id) = (&slot.statistics, &slot.query_id);
        let mut lost = |error: RowError<'_>| {
            statistics.errors.fetch_add(1, Ordering::Relaxed);
            problems.push(Problem::of_row(&error, query_id, topic));
        };
        if !fused.passes(&row, &mut lost) {
            continue;
        }
        let Sink::Topic(sink) = &mut slot.sink else { continue };
        match fused.write(&row, key, &mut lost) {
            Ok(record) => {
                TopicSink::push(&mut sink.partitions, partition, &record);
                produced += 1;
                last_ms = record.timestamp;
            }
            Err(error) => {
                statistics.errors.fetch_add(1, Ordering::Relaxed);
                problems.push(Problem::of_encoding(&error, query_id, topic, partition));
            }
        }
    }
    if produced > 0 {
        slot.statistics.produced.fetch_add(produced, Ordering::Relaxed);
        slot.statistics.last_message_ms.store(last_ms, Ordering::Relaxed);
    }
    slot.fused = Some(fused);
}

fn give(
    slot: &mut TaskSlot,
    source: usize,
    row: &runtime::SourceRecord<'_>,
    topic: &Arc<str>,
    partition: u32,
    problems: &mut Problems,
) {
    if slot.has_failed() {
        return;
    }
    let mut out = TaskOutput {
        sink: &mut slot.sink,
        statistics: &slot.statistics,
        problems,
        query_id: &slot.query_id,
        topic,
        partition,
    };
    if let Err(error) = slot.task.process(source, row, &mut out) {
        slot.fail(error.to_string());
    }
}

fn report(
    slot: &mut TaskSlot,
    bad: &super::input::Undecodable,
    topic: &Arc<str>,
    partition: u32,
    problems: &mut Problems,
) {
    slot.statistics.errors.fetch_add(1, Ordering::Relaxed);
    problems.push(Problem {
        kind: 0,
        query_id: slot.query_id.clone(),
        step: "source".into(),
        message: bad.error.to_string(),
        topic: topic.clone(),
        partition,
        offset: bad.offset,
    });
    let is_bad_time = matches!(bad.error, DecodeError::Timestamp { .. });
    if slot.fails_on_malformed || (slot.fails_on_bad_time && is_bad_time) {
        slot.fail(bad.error.to_string());
    }
}
