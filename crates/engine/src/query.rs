//! A persistent or push query as tasks on workers.
//!
//! A query whose steps keep each record in its partition has one task for each partition, on the worker
//! `partition % workers`, so that tasks on the same partition of different topics share a worker and its
//! epochs. A query that moves records to other partitions, or whose sources differ in their number of
//! partitions, has one task that reads them all.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use commitlog::{Isolation, Log, Partition};
use plan::step::{QueryPlan, SinkStep, Step, StepKind};
use runtime::{Fused, SinkEncoder, SourceDecoder, Task, TaskError, TaskOptions};

use crate::error::{EngineError, Result};
use crate::worker::input::Input;
use crate::worker::panics::guarded;
use crate::worker::snapshot::{Schedule, task_dir};
use crate::worker::{
    Batches, Index, Patience, Restored, STORES_MAX, Sink, StateMemory, TaskSlot, TaskStatistics, TopicSink,
    Unit, restore,
};
use types::ErrorKind;

/// The code of errors that pass when there is space.
pub(crate) const DISK_FULL: &str = "disk_full";

/// A task that is about to be started.
pub(crate) struct NewTask {
    pub worker: usize,
    pub unit: Unit,
}

/// How a query's tasks are set up.
pub(crate) struct Setup<'a> {
    pub log: &'a Arc<Log>,
    pub workers: usize,
    pub query_id: Arc<str>,
    /// The consumer group of its positions; empty for push queries.
    pub group: String,
    /// The changelog topic of a query with state.
    pub changelog: Option<String>,
    /// Where to begin in a partition without committed position.
    pub start: &'a dyn Fn(&Partition) -> i64,
    /// Where to end (pull queries on streams).
    pub until: &'a dyn Fn(&Partition) -> Option<i64>,
    pub next_id: &'a mut dyn FnMut() -> u64,
    pub on_error: Arc<dyn Fn(String) + Send + Sync>,
    pub fails_on_malformed: bool,
    /// Stops it at the first record with an invalid time (`ksql.timestamp.throw.on.invalid`).
    pub fails_on_bad_time: bool,
    /// How long a source without records is waited for (`max.task.idle.ms`).
    pub idle_max: Duration,
    pub state: StateSetup<'a>,
    /// Whether an aggregate may give the last change of a row only, with the commit.
    pub holds_back: bool,
}

/// Where state is kept, and how much of it.
#[derive(Clone, Copy)]
pub(crate) struct StateSetup<'a> {
    /// The directory of what is spilled and of snapshots.
    pub dir: &'a Path,
    pub memory: &'a StateMemory,
    /// `tripline.snapshot.bytes`.
    pub snapshot_bytes: u64,
}

/// Whether some step of a plan keeps state.
pub(crate) fn has_state(step: &Step) -> bool {
    let own = match &step.kind {
        StepKind::Source(source) => source.kind == sql::SourceKind::Table,
        StepKind::Aggregate { .. }
        | StepKind::TableAggregate { .. }
        | StepKind::StreamStreamJoin { .. }
        | StepKind::StreamTableJoin { .. }
        | StepKind::TableTableJoin { .. }
        | StepKind::ForeignKeyJoin { .. } => true,
        _ => false,
    };
    own || step.inputs().into_iter().any(has_state)
}

fn moves_records(step: &Step) -> bool {
    let own = match &step.kind {
        StepKind::Repartition { .. } | StepKind::TableAggregate { .. } | StepKind::ForeignKeyJoin { .. } => {
            true
        }
        // A key taken from the value did not decide the record's partition.
        StepKind::Source(source) => source.key_from_value.is_some(),
        _ => false,
    };
    own || step.inputs().into_iter().any(moves_records)
}

fn source_steps(step: &Step) -> Vec<&Step> {
    match &step.kind {
        StepKind::Source(_) => vec![step],
        _ => step.inputs().into_iter().flat_map(source_steps).collect(),
    }
}

/// A task's worker, and what it reads: sources by number, each with a partition.
pub(crate) type TaskShare = (usize, Vec<(usize, u32)>);

/// The partitions of a plan's sources, grouped by task.
pub(crate) fn divide(log: &Log, plan: &QueryPlan, workers: usize, is_push: bool) -> Result<Vec<TaskShare>> {
    let counts = source_steps(&plan.root)
        .into_iter()
        .map(|step| {
            let StepKind::Source(source) = &step.kind else { return Ok(0) };
            Ok(log.describe_topic(&source.topic).map_err(log_error)?.partitions)
        })
        .collect::<Result<Vec<u32>>>()?;
    let first = counts.first().copied().unwrap_or(1);
    if !is_push && counts.iter().all(|c| *c == first) && !moves_records(&plan.root) {
        return Ok((0..first)
            .map(|p| (p as usize % workers, (0..counts.len()).map(|source| (source, p)).collect()))
            .collect());
    }
    let all = counts.iter().enumerate().flat_map(|(s, count)| (0..*count).map(move |p| (s, p))).collect();
    Ok(vec![(0, all)])
}

/// Sets up a query's tasks, with their state as it was committed last.
pub(crate) fn build(
    plan: &QueryPlan,
    setup: &mut Setup<'_>,
    mut sink: impl FnMut() -> Result<Sink>,
    materialize: bool,
) -> Result<Vec<NewTask>> {
    let log = setup.log;
    let steps = source_steps(&plan.root);
    let is_push = setup.group.is_empty();
    let mut tasks = Vec::new();
    let divided = divide(log, plan, setup.workers, is_push)?;
    let restored = new_tasks(plan, setup, divided.len(), materialize)?;
    for ((worker, inputs), (mut restored, changelog)) in divided.into_iter().zip(restored) {
        check_stores(&mut restored.task)?;
        let schedule = changelog.as_ref().map(|changelog| {
            let dir = task_dir(setup.state.dir, changelog.topic_id(), changelog.partition());
            Schedule::new(dir, setup.state.snapshot_bytes, restored.bytes)
        });
        let mut readers = Vec::new();
        let mut sources = Vec::new();
        let mut input_steps = Vec::new();
        for (source, partition) in inputs {
            let StepKind::Source(step) = &steps[source].kind else { continue };
            let partition = log.partition(&step.topic, partition).map_err(log_error)?;
            let committed = match is_push {
                true => None,
                false => log
                    .committed_offset(&setup.group, &step.topic, partition.partition())
                    .map(|committed| committed.offset),
            };
            let offset =
                committed.unwrap_or_else(|| (setup.start)(&partition)).max(partition.offsets().log_start);
            let reader = partition.reader(offset, Isolation::ReadCommitted);
            let decoder = SourceDecoder::new(steps[source])
                .map_err(|e| EngineError::user("bad_source", e.to_string()))?;
            let until = (setup.until)(&partition);
            readers.push(Input::new(reader, decoder, !step.headers.is_empty(), until));
            sources.push(source);
            input_steps.push(steps[source].clone());
        }
        let mut sink = sink()?;
        if let Sink::Topic(sink) = &mut sink
            && restored.task.holds_back()
        {
            sink.write_at_once();
        }
        let slot = TaskSlot {
            id: (setup.next_id)(),
            query_id: setup.query_id.clone(),
            last_meta: restored.task.save_meta(),
            task: restored.task,
            fused: (!is_push).then(|| Fused::new(plan)).flatten().map(Box::new),
            group: setup.group.clone(),
            sources,
            sink,
            statistics: Arc::new(TaskStatistics::default()),
            changelog,
            schedule,
            committed: vec![],
            stopped_at: None,
            on_error: setup.on_error.clone(),
            fails_on_malformed: setup.fails_on_malformed,
            fails_on_bad_time: setup.fails_on_bad_time,
        };
        let definition =
            format!("{:?}", input_steps.iter().map(|s| (&s.layout, s.sources())).collect::<Vec<_>>());
        let patience = Patience::new(setup.idle_max, &slot.sources);
        let unit = Unit {
            inputs: readers,
            tasks: vec![slot],
            definition: definition.into(),
            steps: input_steps,
            log: log.clone(),
            index: Index::default(),
            patience,
        };
        tasks.push(NewTask { worker, unit });
    }
    Ok(tasks)
}

/// A task with its changelog.
type TaskAndChangelog = (Restored, Option<Arc<Partition>>);

/// Makes a query's tasks with their state as it was committed last, several at a time.
fn new_tasks(
    plan: &QueryPlan,
    setup: &Setup<'_>,
    count: usize,
    materialize: bool,
) -> Result<Vec<TaskAndChangelog>> {
    let options = TaskOptions {
        inline_repartition: true,
        materialize,
        holds_back: setup.holds_back,
        store: runtime::StoreOptions {
            track_changes: setup.changelog.is_some(),
            budget_bytes: setup.state.memory.first_budget(count),
            spill_dir: Some(setup.state.dir.join("spilled")),
            ..Default::default()
        },
    };
    let new_task = || Task::new(plan, &options);
    let Some(topic) = &setup.changelog else {
        let task = || new_task().map_err(|error| task_error(&error));
        return (0..count).map(|_| Ok((Restored { task: task()?, bytes: 0 }, None))).collect();
    };
    let partition = |number| setup.log.partition(topic, number as u32).map_err(log_error);
    let changelogs = (0..count).map(partition).collect::<Result<Vec<_>>>()?;
    let restore_one = |changelog: &Arc<Partition>| {
        let dir = task_dir(setup.state.dir, changelog.topic_id(), changelog.partition());
        restore(changelog, &dir, &new_task)
            .map_err(|error| EngineError::new(ErrorKind::Internal, "restore_failed", error))
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(count);
    if threads < 2 {
        return changelogs.into_iter().map(|c| Ok((restore_one(&c)?, Some(c)))).collect();
    }
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(count)));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(changelog) = changelogs.get(number)
                {
                    let restored = guarded(|| restore_one(changelog)).unwrap_or_else(|place| {
                        let message = format!("restoring state has panicked at {place}");
                        Err(EngineError::new(ErrorKind::Internal, "restore_failed", message))
                    });
                    done.lock().expect("no holder panics").push((number, restored));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no holder panics");
    done.sort_by_key(|(number, _)| *number);
    done.into_iter()
        .zip(changelogs)
        .map(|((_, restored), changelog)| Ok((restored?, Some(changelog))))
        .collect()
}

/// Checks that a query's tasks and what they read and write can be set up.
pub(crate) fn check(plan: &QueryPlan, state: StateSetup<'_>, materialize: bool) -> Result<()> {
    for step in source_steps(&plan.root) {
        SourceDecoder::new(step).map_err(|e| EngineError::user("bad_source", e.to_string()))?;
    }
    if let Some(sink) = &plan.sink {
        sink_encoder(plan, sink)?;
    }
    let store = runtime::StoreOptions {
        budget_bytes: state.memory.first_budget(1),
        spill_dir: Some(state.dir.join("spilled")),
        ..Default::default()
    };
    for holds_back in [false, true] {
        let options = TaskOptions { inline_repartition: true, materialize, holds_back, store: store.clone() };
        check_stores(&mut Task::new(plan, &options).map_err(|error| task_error(&error))?)?;
    }
    Ok(())
}

/// Checks that a task's stores can be told apart in the changelog. Today the limit on a task's steps comes first.
fn check_stores(task: &mut Task) -> Result<()> {
    let stores = task.stores_mut().count();
    if stores <= STORES_MAX {
        return Ok(());
    }
    let message = format!("query keeps {stores} tables of state, more than {STORES_MAX}");
    Err(EngineError::user("too_many_stores", message).hint(DIVIDE_IT))
}

/// What to do about a query that is too large.
const DIVIDE_IT: &str = "divide it: one query writes a stream or table that the next one reads";

fn task_error(error: &TaskError) -> EngineError {
    let message = error.to_string();
    match error {
        TaskError::TooManySteps { .. } => EngineError::user("too_many_steps", message).hint(DIVIDE_IT),
        _ => EngineError::new(ErrorKind::Internal, "task_failed", message),
    }
}

fn sink_encoder(plan: &QueryPlan, sink: &SinkStep) -> Result<SinkEncoder> {
    SinkEncoder::new(sink, &plan.root.layout).map_err(|e| EngineError::user("bad_sink", e.to_string()))
}

/// The sink of a persistent query; of a table `cache_bytes` of rows may wait for the commit.
pub(crate) fn topic_sink(log: &Log, plan: &QueryPlan, cache_bytes: usize) -> Result<Sink> {
    let Some(sink) = &plan.sink else { return Ok(Sink::None) };
    let encoder = sink_encoder(plan, sink)?;
    let topic = log.describe_topic(&sink.topic).map_err(log_error)?;
    let bytes_max = topic.config.max_message_bytes;
    let batches = |p| Ok(Batches::new(log.partition(&sink.topic, p).map_err(log_error)?, bytes_max));
    let partitions = (0..topic.partitions).map(batches).collect::<Result<_>>()?;
    // A stream's rows are all results of their own.
    let cache_bytes = if plan.root.output == sql::SourceKind::Table { cache_bytes } else { 0 };
    Ok(Sink::Topic(Box::new(TopicSink::new(encoder, partitions, cache_bytes))))
}

/// An error of the log as one of the engine.
pub(crate) fn log_error(error: commitlog::LogError) -> EngineError {
    use commitlog::LogError;
    let (kind, code) = match &error {
        LogError::UnknownTopic { .. } => (ErrorKind::User, "unknown_topic"),
        LogError::UnknownPartition { .. } => (ErrorKind::User, "unknown_partition"),
        LogError::Config { .. } | LogError::PartitionCount { .. } => (ErrorKind::User, "bad_topic_setting"),
        LogError::BatchTooLarge { .. } => (ErrorKind::User, "record_too_large"),
        LogError::TopicExists { .. } => (ErrorKind::User, "topic_exists"),
        LogError::TopicName { .. } => (ErrorKind::User, "bad_topic_name"),
        error if error.is_disk_full() => (ErrorKind::External, DISK_FULL),
        _ => (ErrorKind::External, "log_failed"),
    };
    EngineError::new(kind, code, error.to_string())
}
