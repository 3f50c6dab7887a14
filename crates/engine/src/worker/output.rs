//! Where a task's rows go: into batches for its topic, or to a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use commitlog::{BatchBuilder, EpochTx, LogError, Partition};
use runtime::{Emitted, EncodeError, Encoded, Output, RowError, SinkEncoder, partition_of};
use types::Value;

use super::cache::RowCache;

/// A batch is handed to the log when it has this many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// What a task has done; read by other threads.
#[derive(Debug, Default)]
pub(crate) struct TaskStatistics {
    pub consumed: AtomicU64,
    /// Of them those whose consequences are durable, since the start.
    pub committed: AtomicU64,
    pub produced: AtomicU64,
    pub errors: AtomicU64,
    pub late: AtomicU64,
    pub last_message_ms: AtomicI64,
    pub state_bytes: AtomicU64,
    pub failed: AtomicBool,
}

/// Takes the rows of a push query. Lives on the worker's thread.
pub(crate) trait Client: Send {
    /// Whether there is room; when not, the query's inputs are not read.
    fn has_room(&self) -> bool;
    /// Takes a row: key columns, window, value columns (`None`: tombstone).
    fn row(&mut self, key: &[Value], window: Option<(i64, i64)>, value: Option<&[Value]>);
    /// Hands on what was taken; called at the end of each run.
    fn flush(&mut self);
    /// The inputs have come to their set end.
    fn end(&mut self);
    /// Whether nobody listens any more.
    fn is_gone(&self) -> bool;
}

/// A query's topic.
pub(crate) struct TopicSink {
    pub encoder: SinkEncoder,
    pub partitions: Vec<(Arc<Partition>, BatchBuilder)>,
    /// Rows of a table wait here for the commit.
    cache: Option<RowCache>,
}

/// Rows written, and the time of the last one.
#[derive(Debug, Default)]
pub(crate) struct Produced {
    pub rows: u64,
    pub last_ms: Option<i64>,
}

impl TopicSink {
    /// `cache_bytes`: how much may wait for the commit, 0 for nothing.
    pub fn new(encoder: SinkEncoder, partitions: Vec<Arc<Partition>>, cache_bytes: usize) -> Self {
        Self {
            encoder,
            partitions: partitions.into_iter().map(|p| (p, BatchBuilder::new())).collect(),
            cache: (cache_bytes > 0).then(|| RowCache::new(cache_bytes)),
        }
    }

    /// Rows no longer wait here for the commit: the task holds them back itself.
    pub fn write_at_once(&mut self) {
        self.cache = None;
    }

    /// Writes the rows that wait, when all are asked for or they are too many.
    pub fn drain_cache(
        &mut self,
        tx: &mut EpochTx,
        all: bool,
        now_ms: i64,
        refused: &mut dyn FnMut(EncodeError),
    ) -> Result<Produced, LogError> {
        let mut produced = Produced::default();
        let Some(cache) = self.cache.as_mut().filter(|cache| all || cache.is_full()) else {
            return Ok(produced);
        };
        let (encoder, partitions) = (&mut self.encoder, &mut self.partitions);
        let mut result = Ok(());
        cache.drain(&mut |row| {
            let record = match encoder.encode(&row) {
                Ok(record) => record,
                Err(error) => return refused(error),
            };
            let place = Self::push(partitions, 0, &record);
            produced.rows += 1;
            produced.last_ms = Some(record.timestamp);
            let (partition, builder) = &mut partitions[place];
            if builder.size() >= BATCH_BYTES && result.is_ok() {
                result = tx.append_to(partition, builder.finish(), now_ms).map(|_| ());
                builder.clear();
            }
        });
        result.map(|()| produced)
    }

    /// Adds a finished record to its partition's batch.
    pub fn push(
        partitions: &mut [(Arc<Partition>, BatchBuilder)],
        input_partition: u32,
        record: &Encoded<'_>,
    ) -> usize {
        let count = partitions.len() as u32;
        let place = match record.own_key {
            _ if count == 1 => 0,
            Some(key) => partition_of(key, count),
            // Without key: where it came from, so that a replay after a crash does the same.
            None => input_partition % count,
        } as usize;
        let (_, builder) = &mut partitions[place];
        builder.append(record.timestamp, record.key, record.value, &[]);
        place
    }

    /// Hands full batches (or all of them) to the epoch's transaction.
    pub fn flush(&mut self, tx: &mut EpochTx, all: bool, now_ms: i64) -> Result<(), LogError> {
        for (partition, builder) in &mut self.partitions {
            if !builder.is_empty() && (all || builder.size() >= BATCH_BYTES) {
                tx.append_to(partition, builder.finish(), now_ms)?;
                builder.clear();
            }
        }
        Ok(())
    }

    /// Whether some batch is full.
    pub fn is_full(&self) -> bool {
        self.cache.as_ref().is_some_and(RowCache::is_full)
            || self.partitions.iter().any(|(_, builder)| builder.size() >= BATCH_BYTES)
    }
}

/// Where a task's rows go.
pub(crate) enum Sink {
    Topic(Box<TopicSink>),
    Client(Box<dyn Client>),
    /// Nowhere: the task only keeps a table.
    None,
}

/// An error to be told in the processing log.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// `0` deserialization, `1` record processing, `2` production, `3` serialization, as in ksqlDB.
    pub kind: u8,
    pub query_id: Arc<str>,
    pub step: String,
    pub message: String,
    pub topic: Arc<str>,
    pub partition: u32,
    pub offset: i64,
}

impl Problem {
    /// An expression that failed, or a record that was late.
    pub fn of_row(error: &RowError<'_>, query_id: &Arc<str>, topic: &Arc<str>) -> Self {
        Self {
            kind: 1,
            query_id: query_id.clone(),
            step: error.step.into(),
            message: error.message.into(),
            topic: topic.clone(),
            partition: error.partition.max(0) as u32,
            offset: error.offset,
        }
    }

    /// A row that could not be written.
    pub fn of_encoding(error: &EncodeError, query_id: &Arc<str>, topic: &Arc<str>, partition: u32) -> Self {
        Self {
            kind: 3,
            query_id: query_id.clone(),
            step: "sink".into(),
            message: error.to_string(),
            topic: topic.clone(),
            partition,
            offset: -1,
        }
    }
}

/// What a task gives while a record is processed.
pub(crate) struct TaskOutput<'a> {
    pub sink: &'a mut Sink,
    pub statistics: &'a TaskStatistics,
    pub problems: &'a mut Problems,
    pub query_id: &'a Arc<str>,
    pub topic: &'a Arc<str>,
    pub partition: u32,
}

impl Output for TaskOutput<'_> {
    fn emit(&mut self, row: Emitted<'_>) {
        match self.sink {
            Sink::Topic(sink) if sink.cache.is_some() => {
                if let Some(cache) = &mut sink.cache {
                    cache.put(&row);
                }
            }
            Sink::Topic(sink) => match sink.encoder.encode(&row) {
                Ok(record) => {
                    TopicSink::push(&mut sink.partitions, self.partition, &record);
                    self.statistics.produced.fetch_add(1, Ordering::Relaxed);
                    self.statistics.last_message_ms.store(record.timestamp, Ordering::Relaxed);
                }
                Err(error) => {
                    self.statistics.errors.fetch_add(1, Ordering::Relaxed);
                    let (id, topic) = (self.query_id, self.topic);
                    let problem = Problem::of_encoding(&error, id, topic, self.partition);
                    self.problems.push(problem);
                }
            },
            Sink::Client(client) => {
                client.row(row.key, row.window, row.value);
                self.statistics.produced.fetch_add(1, Ordering::Relaxed);
            }
            Sink::None => {}
        }
    }

    fn error(&mut self, error: RowError<'_>) {
        let counter = match error.reason {
            runtime::ErrorReason::Late => &self.statistics.late,
            _ => &self.statistics.errors,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if error.reason == runtime::ErrorReason::NullKey {
            // Streams without keys are common: the first of a run is told, and how many there were.
            return self.problems.push_repeated(Problem::of_row(&error, self.query_id, self.topic));
        }
        self.problems.push(Problem::of_row(&error, self.query_id, self.topic));
    }
}

/// Problems since the last epoch: a sample, and how many there were in all.
#[derive(Default)]
pub(crate) struct Problems {
    sample: Vec<Problem>,
    pub dropped: u64,
    /// The query whose records without key were told last.
    repeated: Option<Arc<str>>,
}

impl Problems {
    /// Problems told one by one in an epoch.
    const SAMPLE_MAX: usize = 100;

    /// Takes a problem that a query may have with every record: the first is told, the others are counted.
    pub fn push_repeated(&mut self, problem: Problem) {
        if self.repeated.as_ref().is_some_and(|query| Arc::ptr_eq(query, &problem.query_id)) {
            self.dropped += 1;
            return;
        }
        self.repeated = Some(problem.query_id.clone());
        self.push(problem);
    }

    pub fn push(&mut self, problem: Problem) {
        if self.sample.len() < Self::SAMPLE_MAX {
            self.sample.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    pub fn take(&mut self) -> Vec<Problem> {
        self.repeated = None;
        self.dropped = 0;
        std::mem::take(&mut self.sample)
    }
}
