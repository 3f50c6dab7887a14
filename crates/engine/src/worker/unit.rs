//! Tasks that read the same, and the inputs they read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use commitlog::{Isolation, Log, LogError, Partition};
use plan::step::{SourceKind, Step};
use runtime::{DecodeError, Dispatch, Fused, RowError, SourceDecoder, Task};

use super::TaskId;
use super::epoch::{Epoch, Failure};
use super::input::{Input, Undecodable};
use super::output::{Origin, Problem, Sink, TaskOutput, TaskStatistics, TopicSink};
use super::panics::{self, Blame};
use super::patience::Patience;
use super::snapshot::Schedule;

/// Records decoded before a single task sees them; all that is known of them stays in the nearest cache.
const BLOCK_RECORDS: usize = 16;

/// The same for several tasks, of which each goes through all of them.
const SHARED_BLOCK_RECORDS: usize = 128;

/// Tasks for which an index over their predicates is made.
const INDEXED_TASKS_MIN: usize = 3;

/// A run ends when it has written so much, however little it has read.
const RUN_WRITTEN_BYTES_MAX: u64 = 64 << 20;

/// How far each input was read: topic, partition, offset.
pub(crate) type Positions = Vec<(Arc<str>, u32, i64)>;

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
    /// The task's small state as the changelog has it.
    pub last_meta: Vec<u8>,
    /// When its state is written to a file.
    pub schedule: Option<Schedule>,
    /// Positions as they were committed last.
    pub committed: Positions,
    /// Where it stopped: at the record that stopped it, wherever its unit has got to meanwhile.
    pub stopped_at: Option<Positions>,
    /// Told when the task stops by an error.
    pub on_error: Arc<dyn Fn(String) + Send + Sync>,
    /// Stops the query at the first malformed record (`ksql.fail.on.deserialization.error`).
    pub fails_on_malformed: bool,
    /// Stops it at the first record with an invalid time (`ksql.timestamp.throw.on.invalid`).
    pub fails_on_bad_time: bool,
}

impl TaskSlot {
    /// Hands all rows that wait to the epoch's transaction.
    pub fn flush(&mut self, epoch: &mut Epoch<'_>) {
        let Sink::Topic(sink) = &self.sink else { return };
        let topic = sink.encoder.topic().clone();
        let (query_id, statistics) = (&self.query_id, &*self.statistics);
        let origin = Origin { query_id, statistics, topic: &topic, partition: 0 };
        if self.task.holds_back() {
            let mut out = TaskOutput { sink: &mut self.sink, origin, epoch };
            if let Err(error) = self.task.flush(&mut out) {
                epoch.fail(Failure::query(query_id, &error));
            }
        }
        if let Sink::Topic(sink) = &mut self.sink {
            sink.flush(&origin, epoch);
        }
    }

    pub fn has_failed(&self) -> bool {
        self.statistics.failed.load(Ordering::Relaxed)
    }

    pub fn fail(&mut self, error: String) {
        if !self.statistics.failed.swap(true, Ordering::Relaxed) {
            (self.on_error)(error);
        }
    }

    /// Reads nothing more, though nothing is wrong with it: a new task takes its place.
    pub fn retire(&self) {
        self.statistics.failed.store(true, Ordering::Relaxed);
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
    /// How long it waits for an input without records, where there are several.
    pub patience: Patience,
}

impl Unit {
    pub fn is_persistent(&self) -> bool {
        self.tasks.first().is_some_and(|t| !t.group.is_empty())
    }

    pub fn has_client(&self) -> bool {
        self.tasks.iter().any(|t| matches!(t.sink, Sink::Client(_)))
    }

    /// How far the inputs were read.
    pub fn positions(&self) -> Positions {
        positions(&self.inputs)
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
            let patience = self.patience;
            let unit = Unit { inputs: self.inputs, tasks, definition, steps, log: own_log, index, patience };
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
            patience: self.patience.renewed(),
        };
        let (index, patience) = (Index::default(), self.patience);
        let no = Unit { inputs: self.inputs, tasks: no, definition, steps, log: own_log, index, patience };
        (Some(yes), Some(no))
    }

    /// Gives a run of records to the tasks, of a single input those before offset `bound`; returns about how many
    /// bytes were read, 0 for nothing.
    pub fn run(&mut self, fetch_bytes: usize, bound: i64, epoch: &mut Epoch<'_>) -> Result<u64, LogError> {
        for slot in &self.tasks {
            if let Sink::Client(client) = &slot.sink
                && !client.has_room()
            {
                return Ok(0);
            }
        }
        let consumed = match self.inputs.len() {
            1 if self.inputs[0].has_blocks() => self.run_blocks(fetch_bytes, bound, epoch)?,
            1 => self.run_single(fetch_bytes, bound, epoch)?,
            _ => self.run_merged(fetch_bytes, epoch)?,
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
    fn run_blocks(&mut self, fetch_bytes: usize, bound: i64, epoch: &mut Epoch<'_>) -> Result<u64, LogError> {
        let input = &mut self.inputs[0];
        if !input.fill(fetch_bytes)? {
            return Ok(0);
        }
        self.index.follow(&self.tasks);
        let block_records = if self.tasks.len() > 1 { SHARED_BLOCK_RECORDS } else { BLOCK_RECORDS };
        let from = input.position();
        let mut records = 0;
        loop {
            if input.is_at(bound) || epoch.written >= RUN_WRITTEN_BYTES_MAX {
                break;
            }
            let count = input.load_block(block_records, bound);
            if count == 0 {
                break;
            }
            if let Some(dispatch) = &mut self.index.dispatch {
                choose(dispatch, input, count);
            }
            let mut is_read_on = false;
            for (number, slot) in self.tasks.iter_mut().enumerate() {
                if slot.has_failed() {
                    continue;
                }
                let _behalf = panics::on_behalf(Blame::Task(slot.id));
                #[cfg(test)]
                panics::planted::go_off(&slot.query_id, panics::planted::Moment::Reading);
                let done = match (slot.fused.is_some(), &self.index.dispatch) {
                    (true, Some(dispatch)) => {
                        let chosen = dispatch.chosen(number).iter().map(|n| *n as usize);
                        run_fused(slot, input, count, chosen, epoch)
                    }
                    (true, None) => run_fused(slot, input, count, 0..count, epoch),
                    (false, _) => run_task(slot, input, count, epoch),
                };
                slot.statistics.consumed.fetch_add(done as u64, Ordering::Relaxed);
                is_read_on |= !slot.has_failed();
            }
            records += count as u64;
            input.take_block();
            if !is_read_on {
                break;
            }
        }
        Ok(if records == 0 && input.position() == from { 0 } else { records.max(1) * 100 })
    }

    fn run_single(&mut self, fetch_bytes: usize, bound: i64, epoch: &mut Epoch<'_>) -> Result<u64, LogError> {
        let input = &mut self.inputs[0];
        if !input.fill(fetch_bytes)? {
            return Ok(0);
        }
        let mut records = 0u64;
        while !input.is_at(bound)
            && epoch.written < RUN_WRITTEN_BYTES_MAX
            && let Some(loaded) = input.load()
        {
            records += 1;
            let mut is_read_on = false;
            for slot in self.tasks.iter_mut().filter(|slot| !slot.has_failed()) {
                let _behalf = panics::on_behalf(Blame::Task(slot.id));
                match &loaded {
                    Ok(_) => give(slot, slot.sources[0], &input.row(), input, epoch),
                    Err(bad) => {
                        if report(slot, bad, input, epoch) {
                            slot.stopped_at = Some(vec![at(input, bad.offset)]);
                        }
                    }
                }
                if !slot.has_failed() {
                    slot.statistics.consumed.fetch_add(1, Ordering::Relaxed);
                    is_read_on = true;
                }
            }
            if loaded.is_ok() {
                input.take();
            }
            if !is_read_on {
                break;
            }
        }
        Ok(records.max(1) * 100)
    }

    /// Lowest time first, over all inputs that have something.
    fn run_merged(&mut self, fetch_bytes: usize, epoch: &mut Epoch<'_>) -> Result<u64, LogError> {
        let mut records = 0u64;
        let slot = &mut self.tasks[0];
        // About as much as one fetch, then the other units have their turn.
        let records_max = (fetch_bytes / 64) as u64;
        // Which input an entry of `times` belongs to is its place.
        let mut times: Vec<Option<i64>> = vec![None; self.inputs.len()];
        'run: while records < records_max && epoch.written < RUN_WRITTEN_BYTES_MAX && !slot.has_failed() {
            // A commit of several topics is seen in all inputs or in none: a row must not overtake the row of
            // another input that was committed with it.
            let fetches =
                self.inputs.iter().zip(&times).any(|(input, time)| time.is_none() && input.is_empty());
            let view = fetches.then(|| self.log.view());
            for (i, time) in times.iter_mut().enumerate() {
                while time.is_none() && self.inputs[i].fill(fetch_bytes)? {
                    match self.inputs[i].load() {
                        Some(Ok(loaded)) => *time = Some(loaded),
                        Some(Err(bad)) => {
                            if report(slot, &bad, &self.inputs[i], epoch) {
                                let mut stopped_at = positions(&self.inputs);
                                stopped_at[i] = at(&self.inputs[i], bad.offset);
                                slot.stopped_at = Some(stopped_at);
                                break 'run;
                            }
                            records += 1;
                        }
                        None => break,
                    }
                }
            }
            drop(view);
            let inputs = slot.sources.iter().zip(&times).zip(&self.inputs);
            let inputs = inputs.map(|((source, time), input)| (*source, time.is_some() || input.is_done()));
            if !self.patience.is_over(inputs) {
                break;
            }
            // At the same time a table's change comes before the stream's record that looks it up.
            let steps = &self.steps;
            let order = |(i, time): (usize, &Option<i64>)| {
                time.map(|time| (time, steps[i].output == SourceKind::Stream, i))
            };
            let Some((_, _, i)) = times.iter().enumerate().filter_map(order).min() else { break };
            times[i] = None;
            let input = &mut self.inputs[i];
            give(slot, slot.sources[i], &input.row(), input, epoch);
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

/// How far an input was read, if it was read up to `offset`.
fn at(input: &Input, offset: i64) -> (Arc<str>, u32, i64) {
    (input.topic.clone(), input.partition, offset)
}

fn positions(inputs: &[Input]) -> Positions {
    inputs.iter().map(|input| at(input, input.position())).collect()
}

/// Gives a block to a task; returns how many records are done.
fn run_task(slot: &mut TaskSlot, input: &Input, count: usize, epoch: &mut Epoch<'_>) -> usize {
    let source = slot.sources[0];
    for n in 0..count {
        match input.block_row(n) {
            Ok((row, _)) => give(slot, source, &row, input, epoch),
            Err(bad) => {
                if report(slot, &bad, input, epoch) {
                    slot.stopped_at = Some(vec![at(input, bad.offset)]);
                }
            }
        }
        if slot.has_failed() {
            return n;
        }
    }
    count
}

/// Takes records of a block the short way; returns how many of the block's are done.
fn run_fused(
    slot: &mut TaskSlot,
    input: &Input,
    count: usize,
    numbers: impl Iterator<Item = usize>,
    epoch: &mut Epoch<'_>,
) -> usize {
    let Some(mut fused) = slot.fused.take() else { return count };
    let mut last_ms = None;
    let mut done = count;
    for n in numbers {
        let (row, key) = match input.block_row(n) {
            Ok(found) => found,
            Err(bad) => {
                if report(slot, &bad, input, epoch) {
                    slot.stopped_at = Some(vec![at(input, bad.offset)]);
                    done = n;
                    break;
                }
                continue;
            }
        };
        let (query_id, statistics) = (&slot.query_id, &*slot.statistics);
        let origin = Origin { query_id, statistics, topic: &input.topic, partition: input.partition };
        let mut lost = |error: RowError<'_>| {
            statistics.errors.fetch_add(1, Ordering::Relaxed);
            epoch.problems.push(Problem::of_row(&error, &origin));
        };
        if !fused.passes(&row, &mut lost) {
            continue;
        }
        let Sink::Topic(sink) = &mut slot.sink else { continue };
        match fused.write(&row, key, &mut lost) {
            Ok(record) => {
                TopicSink::push(&mut sink.partitions, &record, &origin, epoch);
                last_ms = Some(record.timestamp);
            }
            Err(error) => {
                statistics.errors.fetch_add(1, Ordering::Relaxed);
                epoch.problems.push(Problem::of_encoding(&error, &origin));
            }
        }
    }
    if let Some(last_ms) = last_ms {
        slot.statistics.last_message_ms.store(last_ms, Ordering::Relaxed);
    }
    slot.fused = Some(fused);
    done
}

/// Gives a record to a task.
fn give(
    slot: &mut TaskSlot,
    source: usize,
    row: &runtime::SourceRecord<'_>,
    input: &Input,
    epoch: &mut Epoch<'_>,
) {
    let (query_id, statistics) = (&slot.query_id, &*slot.statistics);
    let origin = Origin { query_id, statistics, topic: &input.topic, partition: input.partition };
    let mut out = TaskOutput { sink: &mut slot.sink, origin, epoch };
    if let Err(error) = slot.task.process(source, row, &mut out) {
        if !slot.group.is_empty() {
            // The record has had a part of its effect.
            epoch.fail(Failure::query(query_id, &error));
        }
        slot.fail(error.to_string());
    }
}

/// Tells that a record could not be decoded; returns whether that stops the task.
fn report(slot: &mut TaskSlot, bad: &Undecodable, input: &Input, epoch: &mut Epoch<'_>) -> bool {
    slot.statistics.errors.fetch_add(1, Ordering::Relaxed);
    epoch.problems.push(Problem {
        kind: 0,
        query_id: slot.query_id.clone(),
        step: "source".into(),
        message: bad.error.to_string(),
        topic: input.topic.clone(),
        partition: input.partition,
        offset: bad.offset,
    });
    let is_bad_time = matches!(bad.error, DecodeError::Timestamp { .. });
    let stops = slot.fails_on_malformed || (slot.fails_on_bad_time && is_bad_time);
    if stops {
        slot.fail(bad.error.to_string());
    }
    stops
}
