//! A partition: segments in order, appends at the end, what is visible to whom, what is durable.
//!
//! - `log start` ≤ `last stable offset` ≤ `next offset`. Written records are visible to read-uncommitted readers at once;
//!   read-committed readers see up to the last stable offset, the first offset of the oldest open transaction.
//! - `durable offset`: everything below survives a power cut, because it was synced or is in the transaction journal.
//! - One mutex for writers, held for the `write` call and never for a sync. Readers take published values.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use crate::batch::*;
use crate::batch_builder::control_batch;
use crate::checkpoint::Checkpoint;
use crate::config::{TimestampType, TopicConfig};
use crate::disk::Disk;
use crate::error::LogError;
use crate::health::Health;
use crate::notifier::Notifier;
use crate::producer::{AbortedTransaction, Admission, ProducerInfo, Producers};
use crate::segment::Segment;

/// A segment's offsets are counted from its first in 31 bits.
const SEGMENT_OFFSETS_MAX: i64 = i32::MAX as i64;
/// Damaged places of a partition that are told apart.
const DAMAGED_OFFSETS_MAX: usize = 1024;
/// Records of one compressed batch may unpack to this much while it is checked.
pub const UNPACKED_BATCH_BYTES_MAX: usize = 128 << 20;

/// Whether a batch's inside must be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOrigin {
    /// Made by `BatchBuilder` in this process: header and checksum are checked.
    Internal,
    /// Came from outside: every record is checked too.
    Client,
}

/// Where appended records went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendInfo {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
    /// The append time if the topic has `message.timestamp.type=LogAppendTime`, else −1.
    pub log_append_time: i64,
    /// The partition's first offset.
    pub log_start_offset: i64,
    /// The batch was there already; the offsets are those of the first time.
    pub duplicate: bool,
}

/// A partition's offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// The first offset.
    pub log_start: i64,
    /// The offset read-committed readers see up to.
    pub last_stable: i64,
    /// The offset after the last record; on one node also the high watermark.
    pub next: i64,
    /// The offset up to which a power cut loses nothing.
    pub durable: i64,
}

/// A piece of a partition that the transaction journal repeats, so that it needs no sync of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedoItem {
    pub topic_id: u128,
    pub partition: u32,
    pub bytes: Vec<u8>,
}

/// Markers written since the journal was last written; bounded by the log, which asks for a write above it.
pub(crate) type RedoQueue = Mutex<Vec<RedoItem>>;

/// What all partitions of a log share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub notifier: Arc<Notifier>,
    pub health: Arc<Health>,
    pub redo: Arc<RedoQueue>,
    /// Held for writing while a commit becomes visible; see `Log::view`.
    pub visibility: Arc<RwLock<()>>,
}

/// One partition of a topic.
pub struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) topic_id: u128,
    pub(crate) partition: u32,
    pub(crate) dir: PathBuf,
    pub(crate) shared: Shared,
    pub(crate) config: Arc<RwLock<Arc<TopicConfig>>>,
    pub(crate) state: Mutex<PartitionState>,
    /// All segments in order; never empty; the last is written to.
    pub(crate) segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    pub(crate) aborted: RwLock<Arc<Vec<AbortedTransaction>>>,
    /// The checkpoint last written; locked while one is written, so that there is one writer.
    pub(crate) checkpoint: Mutex<Checkpoint>,
    pub(crate) log_start: AtomicI64,
    pub(crate) last_stable: AtomicI64,
    pub(crate) next: AtomicI64,
    pub(crate) durable: AtomicI64,
    pub(crate) deleted: AtomicBool,
    /// Held while segments are synced.
    pub(crate) syncing: Mutex<()>,
    pub(crate) damaged_places: AtomicU64,
    /// Where reading met damage, so that each place counts once.
    pub(crate) damaged_offsets: Mutex<BTreeSet<i64>>,
}

pub(crate) struct PartitionState {
    pub producers: Producers,
    /// Segments with bytes that are not synced, oldest first.
    pub dirty: VecDeque<Arc<Segment>>,
    /// Counts names made in the directory, and those synced.
    pub names_made: u64,
    pub names_synced: u64,
    /// When the active segment got its first batch.
    pub active_since_ms: Option<i64>,
    /// Segments that begin below this offset had their index files written when they were synced and closed.
    pub indexed_below: i64,
    /// Compaction has seen everything below except damaged segments, which its clean offset does not pass.
    pub compacted_past_damage: i64,
    /// Below this offset nothing aborted is left, and since when that has been known.
    pub aborted_gone: Option<(i64, i64)>,
    /// The newest roll's checkpoint, to be written once what is below it is synced.
    pub rolled: Option<Checkpoint>,
    /// Where the bytes begin that are neither durable nor in a write-ahead file, if that is known.
    pub fresh_from: Option<FreshFrom>,
}

/// A place in a segment.
pub(crate) struct FreshFrom {
    offset: i64,
    segment: Arc<Segment>,
    position: u64,
}

/// Bytes at the end of a partition that are neither durable nor in a write-ahead file.
pub(crate) struct Fresh {
    from: FreshFrom,
    len: usize,
    next: i64,
}

impl Fresh {
    /// Returns the number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends the bytes to `out`.
    pub(crate) fn read(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        self.from.segment.file.read_append(out, self.len, self.from.position)
    }
}

/// What a sync must cover, taken under the lock and carried out without it.
pub(crate) struct FlushJob {
    next: i64,
    files: Vec<(Arc<Segment>, u64)>,
    names_made: Option<u64>,
    rolled: Option<Checkpoint>,
}

impl PartitionState {
    /// Notes that everything before a place is durable or in a write-ahead file.
    fn note_kept(&mut self, offset: i64, segment: &Arc<Segment>, position: u64) {
        if self.fresh_from.as_ref().is_none_or(|from| from.offset < offset) {
            self.fresh_from = Some(FreshFrom { offset, segment: segment.clone(), position });
        }
    }
}

impl Partition {
    /// Returns the topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the partition's number.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Returns the topic's id.
    pub fn topic_id(&self) -> u128 {
        self.topic_id
    }

    /// Returns the partition's offsets.
    pub fn offsets(&self) -> PartitionOffsets {
        // Later ones first: what is read later can only have grown.
        let log_start = self.log_start.load(Ordering::Acquire);
        let last_stable = self.last_stable.load(Ordering::Acquire);
        PartitionOffsets {
            log_start,
            // Records of an open transaction can be deleted.
            last_stable: last_stable.max(log_start),
            next: self.next.load(Ordering::Acquire),
            durable: self.durable.load(Ordering::Acquire),
        }
    }

    /// Returns the size of the log files in bytes.
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|segment| segment.size()).sum()
    }

    /// Returns how many damaged places were met while opening and reading.
    pub fn damaged_places(&self) -> u64 {
        self.damaged_places.load(Ordering::Relaxed)
    }

    /// Counts a damaged place that reading has met, and says it once.
    pub(crate) fn note_damage(&self, offset: i64, damage: &BatchError) {
        let mut offsets = self.damaged_offsets.lock().expect("no holder panics");
        if offsets.len() < DAMAGED_OFFSETS_MAX && offsets.insert(offset) {
            self.damaged_places.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(topic = &*self.topic, partition = self.partition, offset, %damage, "log is damaged");
        }
    }

    /// Returns the topic's settings in effect.
    pub fn topic_config(&self) -> Arc<TopicConfig> {
        self.config()
    }

    /// Returns what is known about the partition's producers.
    pub fn producers(&self) -> Vec<ProducerInfo> {
        self.lock().producers.infos()
    }

    /// Returns whether the topic still exists.
    pub fn is_alive(&self) -> bool {
        !self.deleted.load(Ordering::Acquire)
    }

    /// Returns the offset below which compaction may have dropped tombstones: a copy of the topic's content as of an
    /// earlier offset cannot be brought up to date by reading on. Waits while the partition is compacted.
    pub fn tombstones_gone_offset(&self) -> i64 {
        self.checkpoint.lock().expect("no holder panics").tombstones_gone_offset
    }

    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.config.read().expect("no holder panics").clone()
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        self.segments.read().expect("no holder panics").clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, PartitionState> {
        self.state.lock().expect("no holder panics")
    }

    /// Appends batches that carry no transaction; visible when this returns, durable after a flush.
    ///
    /// Base offsets and leader epochs are written into `batches`.
    pub fn append(
        &self,
        batches: &mut [u8],
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        let config = self.config();
        self.check(batches, origin, &config)?;
        let mut state = self.lock();
        self.append_checked(&mut state, batches, &config, now_ms)
    }

    /// Appends one producer's batches to its open transaction, stamping producer, sequence and transactional bit.
    pub(crate) fn append_stamped(
        &self,
        batches: &mut [u8],
        producer_id: i64,
        epoch: i16,
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        let config = self.config();
        self.check(batches, AppendOrigin::Internal, &config)?;
        let mut state = self.lock();
        let mut sequence = state.producers.next_sequence(producer_id, epoch);
        let mut rest = &mut *batches;
        while !rest.is_empty() {
            let (len, delta) = Batch::parse(rest)
                .map(|batch| (batch.len(), batch.last_offset_delta()))
                .expect("the batches were checked above");
            let (batch, after) = rest.split_at_mut(len);
            set_producer(batch, producer_id, epoch, sequence, true);
            sequence = crate::producer::sequence_after(sequence, delta + 1);
            rest = after;
        }
        self.append_checked(&mut state, batches, &config, now_ms)
    }

    fn check(&self, bytes: &[u8], origin: AppendOrigin, config: &TopicConfig) -> Result<(), LogError> {
        let invalid = |source| LogError::InvalidBatch {
            topic: self.topic.to_string(),
            partition: self.partition,
            source,
        };
        if bytes.is_empty() {
            return Err(invalid(BatchError::Cut { have: 0, need: BATCH_HEADER_LEN }));
        }
        let mut scratch = Vec::new();
        for batch in batches(bytes) {
            let batch = batch.map_err(invalid)?;
            if batch.len() > config.max_message_bytes {
                return Err(LogError::BatchTooLarge {
                    topic: self.topic.to_string(),
                    size: batch.len(),
                    max: config.max_message_bytes,
                });
            }
            match origin {
                AppendOrigin::Internal => batch.validate().map_err(invalid)?,
                AppendOrigin::Client => {
                    batch.validate_records(&mut scratch, UNPACKED_BATCH_BYTES_MAX).map_err(invalid)?;
                    if batch.producer_id() != NO_PRODUCER_ID && batch.len() != bytes.len() {
                        // As in Kafka: sequences are judged one batch a request.
                        return Err(invalid(BatchError::Malformed {
                            what: "an idempotent producer sends one batch",
                        }));
                    }
                    if batch.is_control() {
                        return Err(invalid(BatchError::Malformed {
                            what: "a client may not write markers",
                        }));
                    }
                }
            }
            // Appended batches have no gaps, whoever made them.
            if batch.record_count() as i64 != batch.last_offset_delta() as i64 + 1 {
                return Err(invalid(BatchError::Malformed { what: "record count and offsets disagree" }));
            }
        }
        Ok(())
    }

    fn append_checked(
        &self,
        state: &mut PartitionState,
        bytes: &mut [u8],
        config: &TopicConfig,
        now_ms: i64,
    ) -> Result<AppendInfo, LogError> {
        self.shared.health.check()?;
        self.check_alive()?;
        let log_start_offset = self.log_start.load(Ordering::Acquire);
        let mut batch_count = 0usize;
        for batch in batches(bytes) {
            let batch = batch.expect("checked before");
            batch_count += 1;
            // Only the first batch can be judged by what is there; a producer's others follow it.
            if batch_count > 1 {
                continue;
            }
            if let Admission::Duplicate { base_offset, last_offset } = state.producers.admit(&batch)? {
                return Ok(AppendInfo {
                    base_offset,
                    last_offset,
                    log_append_time: -1,
                    log_start_offset,
                    duplicate: true,
                });
            }
        }
        let append_time = config.timestamp_type == TimestampType::LogAppendTime;
        let base_offset = self.next.load(Ordering::Relaxed);
        let mut next = base_offset;
        let mut rest = &mut *bytes;
        while !rest.is_empty() {
            let len = Batch::parse(rest).expect("checked before").len();
            let (batch, after) = rest.split_at_mut(len);
            set_base_offset(batch, next);
            set_leader_epoch(batch, 0);
            if append_time {
                set_log_append_time(batch, now_ms);
            } else if Batch::parse(batch).expect("checked before").is_log_append_time() {
                // Who reads believes the bit, not the topic's setting.
                set_create_time(batch);
            }
            next = Batch::parse(batch).expect("checked before").next_offset();
            rest = after;
        }
        self.write(state, bytes, config, Some(now_ms))?;
        Ok(AppendInfo {
            base_offset,
            last_offset: next - 1,
            log_append_time: if append_time { now_ms } else { -1 },
            log_start_offset,
            duplicate: false,
        })
    }

    /// Writes batches that have their offsets, rolling before if needed, and publishes them. Recovery has no clock: a
    /// record's own time would make the segment look older than it is.
    pub(crate) fn write(
        &self,
        state: &mut PartitionState,
        bytes: &[u8],
        config: &TopicConfig,
        clock: Option<i64>,
    ) -> Result<(), LogError> {
        let mut last_offset = 0;
        for batch in batches(bytes) {
            last_offset = batch.expect("checked before").last_offset();
        }
        let mut active = self.segments().last().expect("there is an active segment").clone();
        let size = active.size();
        let full = size + bytes.len() as u64 > config.segment_bytes.min(u32::MAX as u64)
            || last_offset - active.base_offset > SEGMENT_OFFSETS_MAX
            || state
                .active_since_ms
                .zip(clock)
                .is_some_and(|(since, now_ms)| now_ms.saturating_sub(since) > config.segment_ms);
        if size > 0 && full {
            active = self.roll(state, config)?;
        }
        active.write(bytes)?;
        if state.fresh_from.is_none() {
            let offset = self.next.load(Ordering::Relaxed);
            if self.durable.load(Ordering::Acquire) >= offset {
                let (segment, position) = (active.clone(), active.size());
                state.fresh_from = Some(FreshFrom { offset, segment, position });
            }
        }
        if let Some(now_ms) = clock {
            active.note_append(now_ms);
        }
        if state.dirty.back().is_none_or(|dirty| !Arc::ptr_eq(dirty, &active)) {
            state.dirty.push_back(active.clone());
        }
        if state.active_since_ms.is_none() {
            state.active_since_ms = clock;
        }
        for batch in batches(bytes) {
            let batch = batch.expect("checked before");
            active.publish(&batch);
            if let Some(aborted) = state.producers.record(&batch) {
                Arc::make_mut(&mut *self.aborted.write().expect("no holder panics")).push(aborted);
            }
        }
        self.publish(state, last_offset + 1);
        self.shared.notifier.notify();
        Ok(())
    }

    pub(crate) fn publish(&self, state: &PartitionState, next: i64) {
        self.next.store(next, Ordering::Release);
        self.last_stable.store(state.producers.first_ongoing().unwrap_or(next), Ordering::Release);
    }

    /// Closes the active segment and begins another.
    pub(crate) fn roll(
        &self,
        state: &mut PartitionState,
        config: &TopicConfig,
    ) -> Result<Arc<Segment>, LogError> {
        let base_offset = self.next.load(Ordering::Relaxed);
        let segment =
            Segment::create(&*self.shared.disk, &self.dir, base_offset, config.index_interval_bytes)?;
        let segment = Arc::new(segment);
        state.names_made += 1;
        state.active_since_ms = None;
        state.rolled = Some(Checkpoint {
            recovery_offset: base_offset,
            recovery_segment: base_offset,
            recovery_position: 0,
            producers: state.producers.clone(),
            aborted: self.aborted.read().expect("no holder panics").to_vec(),
            ..Checkpoint::default()
        });
        let mut segments = self.segments.write().expect("no holder panics");
        Arc::make_mut(&mut *segments).push(segment.clone());
        Ok(segment)
    }

    /// Ends a producer's open transaction here with a marker; nothing happens if it has none.
    pub(crate) fn append_marker(
        &self,
        producer_id: i64,
        epoch: i16,
        control: ControlType,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let config = self.config();
        let mut state = self.lock();
        if state.producers.ongoing_of(producer_id).is_none() || self.deleted.load(Ordering::Acquire) {
            return Ok(());
        }
        self.shared.health.check()?;
        let marker = control_batch(producer_id, epoch, control, now_ms);
        self.write_marker(&mut state, marker, &config, Some(now_ms))
    }

    pub(crate) fn write_marker(
        &self,
        state: &mut PartitionState,
        mut bytes: Vec<u8>,
        config: &TopicConfig,
        clock: Option<i64>,
    ) -> Result<(), LogError> {
        set_base_offset(&mut bytes, self.next.load(Ordering::Relaxed));
        self.write(state, &bytes, config, clock)?;
        // Under the lock: whatever gets a later offset finds this in the queue already.
        let item = RedoItem { topic_id: self.topic_id, partition: self.partition, bytes };
        self.shared.redo.lock().expect("no holder panics").push(item);
        Ok(())
    }

    /// Takes what must be synced for everything written so far to be durable; `None` if it is.
    pub(crate) fn flush_job(&self) -> Option<FlushJob> {
        let state = self.lock();
        let next = self.next.load(Ordering::Relaxed);
        if state.dirty.is_empty() && state.names_made == state.names_synced {
            self.durable.fetch_max(next, Ordering::AcqRel);
            return None;
        }
        Some(FlushJob {
            next,
            files: state.dirty.iter().map(|segment| (segment.clone(), segment.size())).collect(),
            names_made: (state.names_made > state.names_synced).then_some(state.names_made),
            rolled: state.rolled.clone(),
        })
    }

    /// Syncs. A failure is final for the whole log, because the kernel may have dropped the dirty pages.
    pub(crate) fn run_flush(&self, job: &FlushJob) -> Result<(), LogError> {
        // The kernel tells a failure to one who syncs the file, not to another who does at the same time.
        let _syncing = self.syncing.lock().expect("no holder panics");
        self.shared.health.check()?;
        if self.deleted.load(Ordering::Acquire) {
            return Ok(());
        }
        for (segment, _) in &job.files {
            if let Err(error) = segment.file.sync_data() {
                return Err(self.shared.health.fail(LogError::io("syncing", &segment.path, &error)));
            }
        }
        if job.names_made.is_some()
            && let Err(error) = self.shared.disk.sync_dir(&self.dir)
            // Its directory goes away with the topic.
            && !self.deleted.load(Ordering::Acquire)
        {
            return Err(self.shared.health.fail(LogError::io("syncing", &self.dir, &error)));
        }
        let mut state = self.lock();
        for (segment, size) in &job.files {
            segment.set_synced(*size);
        }
        state.dirty.retain(|segment| segment.synced_size() < segment.size());
        if let Some(names) = job.names_made {
            state.names_synced = state.names_synced.max(names);
        }
        if let Some((segment, size)) = job.files.last() {
            state.note_kept(job.next, segment, *size);
        }
        self.durable.fetch_max(job.next, Ordering::AcqRel);
        drop(state);
        if let Some(rolled) = &job.rolled {
            self.checkpoint_roll(rolled);
        }
        Ok(())
    }

    /// Writes the index files and the checkpoint of a roll whose segments are synced. A failure costs a longer
    /// recovery only.
    fn checkpoint_roll(&self, rolled: &Checkpoint) {
        // Compaction holds it for long; the next flush tries again.
        let Ok(mut checkpoint) = self.checkpoint.try_lock() else {
            if let Err(error) = self.vouch_by_indexes(rolled.recovery_segment) {
                tracing::warn!(topic = &*self.topic, partition = self.partition, %error, "index not written");
            }
            return;
        };
        // A log that was closed and begins a segment before its next record rolls at the offset it was closed at.
        let place = |c: &Checkpoint| (c.recovery_offset, c.recovery_segment);
        if place(rolled) <= place(&checkpoint) {
            return;
        }
        self.write_closed_indexes(&checkpoint, rolled);
        let fresh = self.with_progress(&checkpoint, rolled.clone());
        match fresh.write(&*self.shared.disk, &self.dir) {
            Ok(()) => {
                *checkpoint = fresh;
                self.forget_rolled(&checkpoint);
            }
            Err(error) => {
                tracing::warn!(topic = &*self.topic, partition = self.partition, %error, "checkpoint not written");
            }
        }
    }

    /// Writes a checkpoint inside the active segment when a start after a crash would have much to scan.
    pub(crate) fn checkpoint_if_far(&self, unvouched_bytes_max: u64) -> Result<(), LogError> {
        let place = |c: &Checkpoint| (c.recovery_segment, c.recovery_position);
        {
            // Compaction holds it for long; the next call tries again.
            let Ok(checkpoint) = self.checkpoint.try_lock() else { return Ok(()) };
            let segments = self.segments();
            let active = segments.last().expect("there is an active segment");
            let (segment, position) = place(&checkpoint);
            let vouched = if segment == active.base_offset { position } else { 0 };
            if active.size().saturating_sub(vouched) < unvouched_bytes_max {
                return Ok(());
            }
        }
        let (active, summary, taken) = {
            let state = self.lock();
            let segments = self.segments();
            let active = segments.last().expect("there is an active segment").clone();
            let taken = Checkpoint {
                recovery_offset: self.next.load(Ordering::Acquire),
                recovery_segment: active.base_offset,
                recovery_position: active.size(),
                producers: state.producers.clone(),
                aborted: self.aborted.read().expect("no holder panics").to_vec(),
                ..Checkpoint::default()
            };
            let summary = active.summary();
            (active, summary, taken)
        };
        // Whatever was taken above is synced when there is nothing to flush, or after it.
        if let Some(job) = self.flush_job() {
            self.run_flush(&job)?;
        }
        let mut checkpoint = self.checkpoint.lock().expect("no holder panics");
        // The segment was closed meanwhile, and its end is vouched for.
        if place(&taken) <= place(&checkpoint) {
            return Ok(());
        }
        self.check_alive()?;
        self.write_closed_indexes(&checkpoint, &taken);
        active.write_durable_index(&*self.shared.disk, summary)?;
        let fresh = self.with_progress(&checkpoint, taken);
        fresh.write(&*self.shared.disk, &self.dir)?;
        *checkpoint = fresh;
        self.forget_rolled(&checkpoint);
        Ok(())
    }

    /// Writes the index files of the segments that were closed between two checkpoints.
    fn write_closed_indexes(&self, last: &Checkpoint, next: &Checkpoint) {
        for segment in self.segments().iter() {
            let closed =
                segment.base_offset >= last.recovery_segment && segment.base_offset < next.recovery_segment;
            if closed && let Err(error) = segment.write_durable_index(&*self.shared.disk, segment.summary()) {
                tracing::warn!(topic = &*self.topic, partition = self.partition, %error, "index not written");
            }
        }
    }

    /// Writes the index files of closed segments that are synced and no checkpoint vouches for yet: a start that finds
    /// them knows that nothing was missing.
    fn vouch_by_indexes(&self, below: i64) -> Result<(), LogError> {
        let from = self.lock().indexed_below;
        if from >= below {
            return Ok(());
        }
        for segment in self.segments().iter().filter(|segment| (from..below).contains(&segment.base_offset)) {
            segment.write_durable_index(&*self.shared.disk, segment.summary())?;
        }
        self.shared
            .disk
            .sync_dir(&self.dir)
            .map_err(|error| self.shared.health.fail(LogError::io("syncing", &self.dir, &error)))?;
        self.lock().indexed_below = below;
        Ok(())
    }

    /// Drops the checkpoint of a roll that one of a later place has replaced.
    fn forget_rolled(&self, checkpoint: &Checkpoint) {
        let mut state = self.lock();
        state.indexed_below = state.indexed_below.max(checkpoint.recovery_segment);
        if state.rolled.as_ref().is_some_and(|r| r.recovery_offset <= checkpoint.recovery_offset) {
            state.rolled = None;
        }
    }

    /// Returns a checkpoint of another place that knows what the last one knew besides.
    fn with_progress(&self, last: &Checkpoint, taken: Checkpoint) -> Checkpoint {
        Checkpoint {
            log_start_offset: self.log_start.load(Ordering::Acquire),
            clean_offset: last.clean_offset,
            tombstones_offset: last.tombstones_offset,
            tombstones_since_ms: last.tombstones_since_ms,
            tombstones_gone_offset: last.tombstones_gone_offset,
            ..taken
        }
    }

    /// Syncs everything and writes a checkpoint at the end, so that the next start reads nothing.
    pub(crate) fn checkpoint_end(&self) -> Result<(), LogError> {
        if let Some(job) = self.flush_job() {
            self.run_flush(&job)?;
        }
        let mut checkpoint = self.checkpoint.lock().expect("no holder panics");
        let state = self.lock();
        let segments = self.segments();
        let active = segments.last().expect("there is an active segment");
        if active.synced_size() < active.size() {
            return Ok(());
        }
        let fresh = Checkpoint {
            log_start_offset: self.log_start.load(Ordering::Acquire),
            recovery_offset: self.next.load(Ordering::Acquire),
            recovery_segment: active.base_offset,
            recovery_position: active.size(),
            producers: state.producers.clone(),
            aborted: self.aborted.read().expect("no holder panics").to_vec(),
            ..checkpoint.clone()
        };
        let previous_segment = checkpoint.recovery_segment;
        drop(state);
        for segment in segments.iter().filter(|segment| segment.base_offset >= previous_segment) {
            segment.write_index(&*self.shared.disk)?;
        }
        fresh.write(&*self.shared.disk, &self.dir)?;
        *checkpoint = fresh;
        Ok(())
    }

    /// Returns whether everything written so far is durable.
    pub(crate) fn is_durable(&self) -> bool {
        let _state = self.lock();
        self.durable.load(Ordering::Acquire) >= self.next.load(Ordering::Relaxed)
    }

    /// Returns what is neither durable nor in a write-ahead file, if it lies in one segment.
    pub(crate) fn fresh(&self) -> Option<Fresh> {
        let state = self.lock();
        let from = state.fresh_from.as_ref()?;
        let segments = self.segments();
        if !Arc::ptr_eq(segments.last()?, &from.segment) {
            return None;
        }
        let len = usize::try_from(from.segment.size().checked_sub(from.position)?).ok()?;
        let from = FreshFrom { offset: from.offset, segment: from.segment.clone(), position: from.position };
        Some(Fresh { from, len, next: self.next.load(Ordering::Relaxed) })
    }

    /// Notes that these bytes are in a write-ahead file.
    pub(crate) fn note_repeated_ahead(&self, fresh: &Fresh) {
        let position = fresh.from.position + fresh.len as u64;
        self.lock().note_kept(fresh.next, &fresh.from.segment, position);
    }

    /// Notes that the write-ahead file they are in is synced.
    pub(crate) fn note_durable_ahead(&self, fresh: &Fresh) {
        self.durable.fetch_max(fresh.next, Ordering::AcqRel);
    }

    /// Notes that the journal holds these bytes of the partition: they are durable if all before them are.
    pub(crate) fn note_repeated(&self, base_offset: i64, next_offset: i64) {
        if base_offset <= self.durable.load(Ordering::Acquire) {
            self.durable.fetch_max(next_offset, Ordering::AcqRel);
        }
    }

    pub(crate) fn check_alive(&self) -> Result<(), LogError> {
        if self.deleted.load(Ordering::Acquire) {
            return Err(LogError::UnknownTopic { topic: self.topic.to_string() });
        }
        Ok(())
    }
}
