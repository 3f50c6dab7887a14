//! Where a task's rows go: into batches for its topic, or to a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use commitlog::Partition;
use runtime::{Emitted, EncodeError, Encoded, Output, RowError, SinkEncoder, partition_of};
use types::Value;

use super::batches::{Batches, TooLarge};
use super::cache::RowCache;
use super::epoch::{Epoch, Failure};

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

/// Whose rows are written, and of which record.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub query_id: &'a Arc<str>,
    pub statistics: &'a TaskStatistics,
    /// The topic and partition read.
    pub topic: &'a Arc<str>,
    pub partition: u32,
}

/// A query's topic.
pub(crate) struct TopicSink {
    pub encoder: SinkEncoder,
    pub partitions: Vec<Batches>,
    /// Rows of a table wait here for the commit.
    cache: Option<RowCache>,
}

impl TopicSink {
    /// `cache_bytes`: how much may wait for the commit, 0 for nothing.
    pub fn new(encoder: SinkEncoder, partitions: Vec<Batches>, cache_bytes: usize) -> Self {
        Self { encoder, partitions, cache: (cache_bytes > 0).then(|| RowCache::new(cache_bytes)) }
    }

    /// Rows no longer wait here for the commit: the task holds them back itself.
    pub fn write_at_once(&mut self) {
        self.cache = None;
    }

    fn take(&mut self, row: &Emitted<'_>, origin: &Origin<'_>, epoch: &mut Epoch<'_>) {
        let Some(cache) = &mut self.cache else {
            return write(&mut self.encoder, &mut self.partitions, row, origin, epoch);
        };
        cache.put(row);
        if cache.is_full() {
            self.drain_cache(origin, epoch);
        }
    }

    /// Writes the rows that wait.
    fn drain_cache(&mut self, origin: &Origin<'_>, epoch: &mut Epoch<'_>) {
        let Some(cache) = &mut self.cache else { return };
        // They are of many records.
        let topic = self.encoder.topic().clone();
        let origin = Origin { topic: &topic, partition: 0, ..*origin };
        cache.drain(&mut |row| write(&mut self.encoder, &mut self.partitions, &row, &origin, epoch));
    }

    /// Hands everything to the epoch's transaction.
    pub fn flush(&mut self, origin: &Origin<'_>, epoch: &mut Epoch<'_>) {
        self.drain_cache(origin, epoch);
        for batches in self.partitions.iter_mut().filter(|batches| !batches.is_empty()) {
            hand_over(batches, origin, epoch);
        }
    }

    /// Adds a finished record to its partition's batch.
    #[inline]
    pub fn push(
        partitions: &mut [Batches],
        record: &Encoded<'_>,
        origin: &Origin<'_>,
        epoch: &mut Epoch<'_>,
    ) {
        let count = partitions.len() as u32;
        let place = match record.own_key {
            _ if count == 1 => 0,
            Some(key) => partition_of(key, count),
            // Without key: where it came from, so that a replay after a crash does the same.
            None => origin.partition % count,
        } as usize;
        let batches = &mut partitions[place];
        if batches.is_full_for(record) && !make_room(batches, record, origin, epoch) {
            return;
        }
        batches.append(record);
    }
}

/// Encodes a row and adds it to its partition's batch.
fn write(
    encoder: &mut SinkEncoder,
    partitions: &mut [Batches],
    row: &Emitted<'_>,
    origin: &Origin<'_>,
    epoch: &mut Epoch<'_>,
) {
    match encoder.encode(row) {
        Ok(record) => {
            TopicSink::push(partitions, &record, origin, epoch);
            origin.statistics.last_message_ms.store(record.timestamp, Ordering::Relaxed);
        }
        Err(error) => {
            origin.statistics.errors.fetch_add(1, Ordering::Relaxed);
            epoch.problems.push(Problem::of_encoding(&error, origin));
        }
    }
}

/// Hands over what is there, so that a record can be appended; false where it never can.
#[cold]
fn make_room(
    batches: &mut Batches,
    record: &Encoded<'_>,
    origin: &Origin<'_>,
    epoch: &mut Epoch<'_>,
) -> bool {
    if !batches.is_empty() {
        hand_over(batches, origin, epoch);
    }
    let is_possible = !Batches::is_impossible(record);
    if !is_possible {
        let size = record.value.map_or(0, <[u8]>::len);
        let too_large = TooLarge { size, max: i32::MAX as usize };
        origin.statistics.errors.fetch_add(1, Ordering::Relaxed);
        epoch.problems.push(Problem::of_size(too_large, batches.partition(), origin));
    }
    is_possible
}

/// Hands what is there to the epoch's transaction; rows that are too large are told.
fn hand_over(batches: &mut Batches, origin: &Origin<'_>, epoch: &mut Epoch<'_>) {
    if epoch.has_failed() {
        return batches.clear();
    }
    let (partition, bytes) = (batches.partition().clone(), batches.size() as u64);
    let problems = &mut *epoch.problems;
    let mut lost = |too_large| {
        origin.statistics.errors.fetch_add(1, Ordering::Relaxed);
        problems.push(Problem::of_size(too_large, &partition, origin));
    };
    match batches.hand_over(epoch.tx, epoch.now_ms, &mut lost) {
        Ok(rows) => {
            origin.statistics.produced.fetch_add(rows, Ordering::Relaxed);
            epoch.written += bytes;
        }
        Err(error) => epoch.fail(Failure::of(origin.query_id, error)),
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
    pub fn of_row(error: &RowError<'_>, origin: &Origin<'_>) -> Self {
        Self {
            kind: 1,
            query_id: origin.query_id.clone(),
            step: error.step.into(),
            message: error.message.into(),
            topic: origin.topic.clone(),
            partition: error.partition.max(0) as u32,
            offset: error.offset,
        }
    }

    /// A row that could not be written.
    pub fn of_encoding(error: &EncodeError, origin: &Origin<'_>) -> Self {
        Self {
            kind: 3,
            query_id: origin.query_id.clone(),
            step: "sink".into(),
            message: error.to_string(),
            topic: origin.topic.clone(),
            partition: origin.partition,
            offset: -1,
        }
    }

    /// A row that its topic does not take.
    fn of_size(too_large: TooLarge, sink: &Partition, origin: &Origin<'_>) -> Self {
        let TooLarge { size, max } = too_large;
        let topic = sink.topic();
        Self {
            kind: 2,
            query_id: origin.query_id.clone(),
            step: "sink".into(),
            message: format!("row of {size} bytes is above max.message.bytes = {max} of topic \"{topic}\""),
            topic: topic.into(),
            partition: sink.partition(),
            offset: -1,
        }
    }
}

/// What a task gives while a record is processed.
pub(crate) struct TaskOutput<'a, 'e> {
    pub sink: &'a mut Sink,
    pub origin: Origin<'a>,
    pub epoch: &'a mut Epoch<'e>,
}

impl Output for TaskOutput<'_, '_> {
    fn emit(&mut self, row: Emitted<'_>) {
        match self.sink {
            Sink::Topic(sink) => sink.take(&row, &self.origin, self.epoch),
            Sink::Client(client) => {
                client.row(row.key, row.window, row.value);
                self.origin.statistics.produced.fetch_add(1, Ordering::Relaxed);
            }
            Sink::None => {}
        }
    }

    fn error(&mut self, error: RowError<'_>) {
        let counter = match error.reason {
            runtime::ErrorReason::Late => &self.origin.statistics.late,
            _ => &self.origin.statistics.errors,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if error.reason == runtime::ErrorReason::NullKey {
            // Streams without keys are common: the first of a run is told, and how many there were.
            return self.epoch.problems.push_repeated(Problem::of_row(&error, &self.origin));
        }
        self.epoch.problems.push(Problem::of_row(&error, &self.origin));
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
