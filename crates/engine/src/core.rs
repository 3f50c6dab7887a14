//! The engine's inside: what it owns, how it starts and stops.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use commitlog::{Log, LogConfig, LogError, Partition, RealDisk, TopicInfo};
use functions::{Library, Limits};
use plan::catalog::Catalog;
use plan::statement::TopicSpec;
use plan::step::QueryPlan;
use types::{ErrorKind, Schema};

use crate::commands::CommandLog;
use crate::ddl::Starts;
use crate::entity::{CommandStatus, QueryState, Statistics};
use crate::error::{EngineError, Result};
use crate::lock::DirectoryLock;
use crate::query::{StateSetup, log_error};
use crate::recovery::{Recovery, recover};
use crate::resume::{Stalled, resume_stalled};
use crate::sequence::Producers;
use crate::settings::Settings;
use crate::worker::{Command, StateMemory, TaskId, TaskStatistics, Worker, WorkerParts};
use crate::{EngineConfig, rows::Channel};

/// How long `close` waits for the threads.
const CLOSE_TIME: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });
/// How often retention and compaction run, in seconds; as often as Kafka's cleaner looks.
const MAINTAIN_EVERY: u32 = 15;
/// Space kept back so that retention still works on a full disk.
const BALLAST_BYTES: u64 = 16 << 20;

/// A task of a query, seen from other threads.
#[derive(Clone)]
pub(crate) struct TaskHandle {
    pub worker: usize,
    pub id: TaskId,
    pub statistics: Arc<TaskStatistics>,
}

/// A persistent query.
pub(crate) struct Query {
    pub id: Arc<str>,
    pub sql: String,
    pub plan: Arc<QueryPlan>,
    /// The sources read, by name.
    pub reads: Vec<Arc<str>>,
    /// The stream or table written; a source table's own materialisation writes none.
    pub sink: Option<(Arc<str>, Arc<str>)>,
    pub schema: Schema,
    pub properties: BTreeMap<String, String>,
    pub tasks: Vec<TaskHandle>,
    /// Where it begins to read in partitions without a committed position.
    pub start: Starts,
    pub is_paused: bool,
    pub error: Arc<Mutex<Option<String>>>,
    pub rates: Rates,
}

/// Records a second, sampled once a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    last: (u64, u64),
    pub per_second: (f64, f64),
}

impl Query {
    pub fn statistics(&self) -> Statistics {
        let mut sum = Statistics {
            consumed_per_second: self.rates.per_second.0,
            produced_per_second: self.rates.per_second.1,
            ..Default::default()
        };
        for task in &self.tasks {
            let s = &task.statistics;
            sum.consumed += s.consumed.load(Ordering::Relaxed);
            sum.produced += s.produced.load(Ordering::Relaxed);
            sum.errors += s.errors.load(Ordering::Relaxed);
            sum.late += s.late.load(Ordering::Relaxed);
            sum.state_bytes += s.state_bytes.load(Ordering::Relaxed);
            let last = s.last_message_ms.load(Ordering::Relaxed);
            if last > 0 {
                sum.last_message_ms = Some(sum.last_message_ms.unwrap_or(0).max(last));
            }
        }
        sum
    }

    pub fn state(&self) -> QueryState {
        if self.error.lock().is_ok_and(|e| e.is_some()) {
            QueryState::Error
        } else if self.is_paused {
            QueryState::Paused
        } else {
            QueryState::Running
        }
    }
}

/// A push query in progress.
pub(crate) struct PushQuery {
    pub sql: String,
    pub channel: Arc<Channel>,
}

/// What changes with statements.
#[derive(Default)]
pub(crate) struct State {
    pub catalog: Catalog,
    pub queries: BTreeMap<Arc<str>, Query>,
    pub pushes: BTreeMap<String, PushQuery>,
    pub statuses: BTreeMap<String, CommandStatus>,
    pub recovery: Recovery,
    /// Sequence number of the next command (where there is no command log to give one).
    pub next_command: i64,
}

pub(crate) struct WorkerHandle {
    pub commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Why it does nothing any more, if it has panicked.
    broken: Arc<OnceLock<String>>,
}

/// What all clones of an engine share.
pub(crate) struct Inner {
    pub log: Arc<Log>,
    pub settings: Settings,
    pub library: Library,
    pub service_id: String,
    /// What is spilled, and snapshots of state.
    pub state_dir: PathBuf,
    pub memory: Arc<StateMemory>,
    /// `None` when a queries file gives the statements.
    pub commands: Option<CommandLog>,
    pub workers: Vec<WorkerHandle>,
    state: Mutex<State>,
    next_id: AtomicU64,
    pub next_partition: AtomicU64,
    pub producers: Producers,
    pub stalled: Arc<Stalled>,
    closing: AtomicBool,
    housekeeper: Mutex<Option<JoinHandle<()>>>,
    /// Every thread that writes in the directory has it, too: it is given back when the last of them has ended. Here
    /// it is gone when the engine is closed.
    lock: Mutex<Option<Arc<DirectoryLock>>>,
}

/// The one clock: ms since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

impl Inner {
    pub fn open(config: EngineConfig) -> Result<Arc<Self>> {
        let settings = Settings::new(&config.properties)?;
        let lock = Arc::new(DirectoryLock::take(&config.data_dir)?);
        let log_config = LogConfig { ballast_bytes: BALLAST_BYTES, ..LogConfig::default() };
        let log =
            Log::open(Arc::new(RealDisk), config.data_dir.join("log"), log_config).map_err(log_error)?;
        let service_id = settings.text("ksql.service.id").to_owned();
        let commands = match settings.text("ksql.queries.file") {
            "" => Some(CommandLog::open(log.clone(), &service_id, now_ms())?),
            _ => None,
        };
        let library = functions::library().with_limits(Limits {
            collect_list: settings.integer("ksql.functions.collect_list.limit") as usize,
            collect_set: settings.integer("ksql.functions.collect_set.limit") as usize,
        });
        let processing_log = processing_log_partition(&log, &settings, &service_id)?;
        let count = settings.integer("num.stream.threads").clamp(1, 256) as usize;
        let memory = Arc::new(StateMemory::new(settings.integer("tripline.state.memory.bytes") as usize));
        let stalled: Arc<Stalled> = Arc::default();
        let workers = (0..count)
            .map(|number| {
                let processing_log = processing_log.clone();
                let shared = (memory.clone(), stalled.clone(), lock.clone());
                start_worker(number, &log, &settings, &service_id, processing_log, shared)
            })
            .collect::<Result<Vec<_>>>()?;
        let inner = Arc::new(Self {
            log,
            settings,
            library,
            service_id,
            state_dir: config.data_dir.join("state"),
            memory,
            commands,
            workers,
            state: Mutex::default(),
            next_id: AtomicU64::new(1),
            next_partition: AtomicU64::new(0),
            producers: Producers::default(),
            stalled,
            closing: AtomicBool::new(false),
            housekeeper: Mutex::default(),
            lock: Mutex::new(Some(lock.clone())),
        });
        recover(&inner)?;
        if inner.commands.is_none()
            && let Err(error) = crate::headless::run(&inner, inner.settings.text("ksql.queries.file"))
        {
            inner.close();
            return Err(error);
        }
        let weak = Arc::downgrade(&inner);
        let housekeeper = std::thread::Builder::new()
            .name("housekeeper".into())
            .spawn(move || {
                let _lock = lock;
                let mut round = 0u32;
                loop {
                    std::thread::park_timeout(Duration::from_secs(1));
                    let Some(inner) = weak.upgrade() else { return };
                    if inner.closing.load(Ordering::Acquire) {
                        return;
                    }
                    inner.sample_rates();
                    resume_stalled(&inner);
                    round = round.wrapping_add(1);
                    if let Err(error) = inner.log.checkpoint_far_partitions() {
                        tracing::warn!(%error, "checkpoint not written");
                    }
                    if round.is_multiple_of(MAINTAIN_EVERY)
                        && let Err(error) = inner.log.maintain(now_ms())
                    {
                        tracing::warn!(%error, "log maintenance failed");
                    }
                }
            })
            .map_err(|e| EngineError::new(ErrorKind::External, "no_thread", e.to_string()))?;
        if let Ok(mut place) = inner.housekeeper.lock() {
            *place = Some(housekeeper);
        }
        Ok(inner)
    }

    pub fn close(&self) {
        if self.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        for push in self.state().pushes.values() {
            push.channel.close();
        }
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Stop);
        }
        self.wake_workers();
        let deadline = Instant::now() + CLOSE_TIME;
        let threads = self.workers.iter().map(|worker| &worker.thread).chain([&self.housekeeper]);
        for thread in threads.filter_map(|place| place.lock().ok()?.take()) {
            // The last of the engine may go with a round of the housekeeper.
            if thread.thread().id() == std::thread::current().id() {
                continue;
            }
            while !thread.is_finished() && Instant::now() < deadline {
                self.wake_workers();
                thread.thread().unpark();
                std::thread::sleep(Duration::from_millis(2));
            }
            if thread.is_finished() {
                let _ = thread.join();
            } else {
                let thread = thread.thread().name();
                tracing::warn!(thread, "thread did not stop in time, it keeps the data directory's lock");
            }
        }
        if let Err(error) = self.log.close(now_ms()) {
            tracing::warn!(%error, "closing the log");
        }
        drop(self.lock.lock().ok().and_then(|mut lock| lock.take()));
    }

    /// Ends all threads without a commit; the log is not closed.
    pub fn abandon(&self) {
        if self.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Abandon);
        }
        self.wake_workers();
        for worker in &self.workers {
            if let Some(thread) = worker.thread.lock().ok().and_then(|mut t| t.take()) {
                let _ = thread.join();
            }
        }
        if let Some(thread) = self.housekeeper.lock().ok().and_then(|mut t| t.take()) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives a worker something to do.
    pub fn send(&self, worker: usize, command: Command) -> Result<()> {
        let sent = self.workers.get(worker).map(|w| w.commands.send(command));
        self.wake_workers();
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(EngineError::new(ErrorKind::Internal, "worker_gone", "a worker thread has stopped")),
        }
    }

    /// Why a worker does nothing any more, if there is such a one.
    pub fn broken_worker(&self) -> Option<&str> {
        self.workers.iter().find_map(|worker| worker.broken.get()).map(String::as_str)
    }

    fn wake_workers(&self) {
        self.log.notifier().nudge();
    }

    /// Whether a topic that is there is as wanted, and one that is not may be made.
    pub fn check_topic(&self, name: &str, spec: &TopicSpec) -> Result<()> {
        let Ok(found) = self.log.describe_topic(name) else {
            if self.settings.boolean("auto.create.topics.enable") || spec.partitions.is_some() {
                return Ok(());
            }
            return Err(EngineError::user("unknown_topic", format!("topic \"{name}\" does not exist"))
                .hint("give PARTITIONS in the WITH clause to have it made"));
        };
        match spec.partitions {
            Some(wanted) if wanted != found.partitions => Err(EngineError::user(
                "topic_exists",
                format!("topic \"{name}\" already exists with {} partitions, not {wanted}", found.partitions),
            )
            .hint("leave PARTITIONS out, or use another topic")),
            _ => Ok(()),
        }
    }

    /// Where state that outgrows memory goes.
    pub fn spill_dir(&self) -> PathBuf {
        self.state_dir.join("spilled")
    }

    /// The topic, made with the given settings if it is not there.
    pub fn ensure_topic(
        &self,
        name: &str,
        spec: &TopicSpec,
        partitions: u32,
        compact: bool,
    ) -> Result<TopicInfo> {
        self.check_topic(name, spec)?;
        if let Ok(found) = self.log.describe_topic(name) {
            return Ok(found);
        }
        let settings = self.settings_of(spec, compact);
        match self.log.create_topic(name, spec.partitions.unwrap_or(partitions), &settings, now_ms()) {
            // Another thread was first; it counts as found.
            Err(LogError::TopicExists { .. }) => {
                self.check_topic(name, spec)?;
                self.log.describe_topic(name).map_err(log_error)
            }
            made => made.map_err(log_error),
        }
    }

    /// Settings of a topic that a statement wants.
    pub fn settings_of(&self, spec: &TopicSpec, compact: bool) -> BTreeMap<String, String> {
        let mut settings = self.topic_settings();
        if compact {
            settings.insert("cleanup.policy".into(), "compact".into());
        }
        if let Some(ms) = spec.retention_ms {
            settings.insert("retention.ms".into(), ms.to_string());
        }
        if let Some(policy) = &spec.cleanup_policy {
            settings.insert("cleanup.policy".into(), policy.clone());
        }
        settings
    }

    /// Settings every new topic gets from the server's.
    pub fn topic_settings(&self) -> BTreeMap<String, String> {
        let mut settings =
            BTreeMap::from([("retention.ms".to_owned(), self.settings.retention_ms().to_string())]);
        for (topic, server) in [
            ("retention.bytes", "log.retention.bytes"),
            ("segment.bytes", "log.segment.bytes"),
            ("max.message.bytes", "message.max.bytes"),
        ] {
            settings.insert(topic.to_owned(), self.settings.text(server).to_owned());
        }
        settings
    }

    /// Where tasks keep their state.
    pub fn state_setup(&self) -> StateSetup<'_> {
        StateSetup {
            dir: &self.state_dir,
            memory: &self.memory,
            snapshot_bytes: self.settings.integer("tripline.snapshot.bytes") as u64,
        }
    }

    pub fn default_partitions(&self) -> u32 {
        self.settings.integer("num.partitions").clamp(1, 10_000) as u32
    }

    fn sample_rates(&self) {
        for query in self.state().queries.values_mut() {
            let now = query.statistics();
            let last = query.rates.last;
            // Smoothed over about five seconds.
            let smooth = |old: f64, new: u64| old + (new as f64 - old) / 5.0;
            query.rates.per_second = (
                smooth(query.rates.per_second.0, now.consumed.saturating_sub(last.0)),
                smooth(query.rates.per_second.1, now.produced.saturating_sub(last.1)),
            );
            query.rates.last = (now.consumed, now.produced);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn processing_log_partition(
    log: &Arc<Log>,
    settings: &Settings,
    service_id: &str,
) -> Result<Option<Arc<Partition>>> {
    if !settings.boolean("ksql.logging.processing.topic.auto.create") {
        return Ok(None);
    }
    let topic = processing_log_topic(settings, service_id);
    if log.describe_topic(&topic).is_err() {
        log.create_topic(&topic, 1, &BTreeMap::new(), now_ms()).map_err(log_error)?;
    }
    Ok(Some(log.partition(&topic, 0).map_err(log_error)?))
}

/// The processing log's topic: ksqlDB puts the service id before it.
pub(crate) fn processing_log_topic(settings: &Settings, service_id: &str) -> String {
    format!("{service_id}{}", settings.text("ksql.logging.processing.topic.name"))
}

fn start_worker(
    number: usize,
    log: &Arc<Log>,
    settings: &Settings,
    service_id: &str,
    processing_log: Option<Arc<Partition>>,
    (memory, stalled, lock): (Arc<StateMemory>, Arc<Stalled>, Arc<DirectoryLock>),
) -> Result<WorkerHandle> {
    let (commands, receiver) = std::sync::mpsc::channel();
    let broken: Arc<OnceLock<String>> = Arc::default();
    let tx =
        log.transaction(&format!("tripline-{service_id}-worker-{number}"), now_ms()).map_err(log_error)?;
    let worker = Worker::new(WorkerParts {
        number,
        log: log.clone(),
        tx,
        commands: receiver,
        commit_interval: Duration::from_millis(settings.integer("commit.interval.ms").clamp(0, 60_000) as u64),
        processing_log,
        clock: now_ms,
        memory,
        stalled,
        broken: broken.clone(),
        _lock: lock,
    });
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || worker.run())
        .map_err(|e| EngineError::new(ErrorKind::External, "no_thread", e.to_string()))?;
    Ok(WorkerHandle { commands, thread: Mutex::new(Some(thread)), broken })
}
