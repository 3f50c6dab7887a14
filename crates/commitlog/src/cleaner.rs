//! Retention and compaction, one step at a time, when the owner's clock says so.
//!
//! Only closed segments below the checkpoint, the last stable offset and the durable offset are touched, so recovery never
//! scans what is being rewritten. Compaction rewrites a segment into a new file and renames it over the old one, from the
//! oldest on, each rename synced before the next: at any moment every key's last value is in one of the files.
//!
//! A record goes when a later one with its key exists, when its transaction was aborted, or when it is a tombstone that
//! has been clean for `delete.retention.ms`. Records without a key in a compacted topic are kept. A marker goes when
//! nothing of its transaction is left and it, too, has been clean that long.
//!
//! A damaged segment stays as it is, byte for byte, and takes no part: what can still be read in it supersedes nothing.
//! What it may hold besides, nobody knows, so no tombstone or marker behind its beginning goes, and the clean offset does
//! not pass it, below which aborted transactions are forgotten. For every key the newest value that could be read before
//! can be read afterwards.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::{HashMap, HashSet};

use crate::batch::{Batch, NO_PRODUCER_ID, set_base_offset, set_producer};
use crate::batch_builder::BatchBuilder;
use crate::checkpoint::Checkpoint;
use crate::compression::Compression;
use crate::config::TopicConfig;
use crate::error::LogError;
use crate::log::Log;
use crate::partition::{Partition, UNPACKED_BATCH_BYTES_MAX};
use crate::producer::AbortedTransaction;
use crate::recovery::remove_segment_files;
use crate::segment::{Segment, log_file_name, scan_file};

/// What a key costs in the map beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 48;

/// How long an aborted transaction is remembered after the last of its records is gone: somebody may have read them
/// before, and ask now which of them do not count.
const ABORTED_KEPT_MS: i64 = 60_000;

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaintainReport {
    /// Segments deleted by retention.
    pub deleted_segments: u64,
    /// Segments rewritten by compaction.
    pub compacted_segments: u64,
    /// Segments that compaction has left as they are, because they are damaged.
    pub damaged_segments: u64,
    /// Partitions whose step failed; the cause is in the program's log.
    pub failed_partitions: u64,
}

impl Log {
    /// Applies retention and compaction, times transactions out, forgets idle producers, removes deleted topics' files.
    /// A failure in one partition does not keep the others from their turn, nor a full disk retention from its work.
    pub fn maintain(&self, now_ms: i64) -> Result<MaintainReport, LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        let disk = &*self.shared.disk;
        self.remove_deleted()?;
        let ended = self.abort_expired(now_ms).and_then(|()| self.tidy());
        let mut report = MaintainReport::default();
        let topics: Vec<_> = self.topics.read().expect("no holder panics").values().cloned().collect();
        for topic in topics {
            for partition in topic.partitions().iter() {
                partition.lock().producers.expire(now_ms, self.config.producer_expiration_ms);
                let maintained = self
                    .ballast
                    .with(disk, || partition.maintain(now_ms, self.config.cleaner_bytes_max, &mut report));
                if let Err(error) = maintained {
                    report.failed_partitions += 1;
                    tracing::warn!(topic = partition.topic(), partition = partition.partition, %error, "not maintained");
                }
            }
        }
        ended?;
        if report.failed_partitions == 0 {
            self.ballast.lay(disk);
        }
        Ok(report)
    }

    /// Bounds what a start after a crash must scan: partitions that have grown far beyond their checkpoint get another.
    /// Meant to be called every second or so; costs nothing where little was written.
    pub fn checkpoint_far_partitions(&self) -> Result<(), LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        let topics: Vec<_> = self.topics.read().expect("no holder panics").values().cloned().collect();
        for topic in topics {
            for partition in topic.partitions().iter().filter(|partition| partition.is_alive()) {
                partition.checkpoint_if_far(self.config.unvouched_bytes_max)?;
            }
        }
        Ok(())
    }

    /// Deletes the records below an offset (Kafka's `DeleteRecords`); −1 stands for all. Returns the new first offset.
    pub fn delete_records(&self, topic: &str, partition: u32, before: i64) -> Result<i64, LogError> {
        self.check_open()?;
        self.shared.health.check()?;
        let partition = self.partition(topic, partition)?;
        let offsets = partition.offsets();
        let to = if before == -1 { offsets.last_stable } else { before };
        if to < 0 || to > offsets.next {
            return Err(LogError::OffsetOutOfRange {
                topic: topic.to_owned(),
                partition: partition.partition,
                offset: before,
                start: offsets.log_start,
                end: offsets.next,
            });
        }
        self.ballast.with(&*self.shared.disk, || partition.move_start(to))?;
        Ok(partition.offsets().log_start)
    }
}

impl Partition {
    fn maintain(
        &self,
        now_ms: i64,
        cleaner_bytes_max: usize,
        report: &mut MaintainReport,
    ) -> Result<(), LogError> {
        let config = self.config();
        self.roll_if_due(&config, now_ms)?;
        self.forget_aborted(now_ms);
        if config.delete {
            report.deleted_segments += self.apply_retention(&config, now_ms)?;
        }
        if config.compact {
            self.compact(&config, now_ms, cleaner_bytes_max, report)?;
        }
        Ok(())
    }

    /// Closes an active segment that is old, so that retention and compaction can reach it.
    fn roll_if_due(&self, config: &TopicConfig, now_ms: i64) -> Result<(), LogError> {
        {
            let mut state = self.lock();
            let segments = self.segments();
            let active = segments.last().expect("there is an active segment");
            let old =
                state.active_since_ms.is_some_and(|since| now_ms.saturating_sub(since) > config.segment_ms);
            let expired = config.delete && active.is_expired(config.retention_ms, now_ms);
            if active.size() == 0 || !(old || expired) {
                return Ok(());
            }
            self.roll(&mut state, config)?;
        }
        match self.flush_job() {
            Some(job) => self.run_flush(&job),
            None => Ok(()),
        }
    }

    fn apply_retention(&self, config: &TopicConfig, now_ms: i64) -> Result<u64, LogError> {
        let segments = self.segments();
        let limit = self.settled_offset();
        let mut size: u64 = segments.iter().map(|segment| segment.size()).sum();
        let mut start = None;
        let mut count = 0;
        for pair in segments.windows(2) {
            let (segment, after) = (&pair[0], &pair[1]);
            let old = segment.is_expired(config.retention_ms, now_ms);
            let large = config.retention_bytes >= 0
                && size.saturating_sub(segment.size()) >= config.retention_bytes as u64;
            if !(old || large) || after.base_offset > limit {
                break;
            }
            size -= segment.size();
            start = Some(after.base_offset);
            count += 1;
        }
        if let Some(start) = start {
            self.move_start(start)?;
        }
        Ok(count)
    }

    /// Everything below is decided, durable and vouched for by the checkpoint.
    fn settled_offset(&self) -> i64 {
        let offsets = self.offsets();
        let checkpoint = self.checkpoint.lock().expect("no holder panics");
        offsets.last_stable.min(offsets.durable).min(checkpoint.recovery_segment)
    }

    /// Moves the first offset up, durably, then removes the segments below it.
    fn move_start(&self, start: i64) -> Result<(), LogError> {
        let mut checkpoint = self.checkpoint.lock().expect("no holder panics");
        self.check_alive()?;
        if start <= self.log_start.load(Ordering::Acquire) {
            return Ok(());
        }
        let fresh = Checkpoint { log_start_offset: start, ..checkpoint.clone() };
        fresh.write(&*self.shared.disk, &self.dir)?;
        *checkpoint = fresh;
        self.log_start.store(start, Ordering::Release);
        let removed: Vec<Arc<Segment>> = {
            let mut state = self.lock();
            let mut segments = self.segments.write().expect("no holder panics");
            let keep_from =
                segments.partition_point(|segment| segment.base_offset <= start).saturating_sub(1);
            // Recovery begins at this segment: it must be there.
            let keep_from = keep_from
                .min(segments.partition_point(|segment| segment.base_offset < checkpoint.recovery_segment));
            let removed: Vec<Arc<Segment>> = Arc::make_mut(&mut *segments).drain(..keep_from).collect();
            state.dirty.retain(|dirty| removed.iter().all(|segment| !Arc::ptr_eq(segment, dirty)));
            removed
        };
        for segment in removed {
            remove_segment_files(&self.shared, &self.dir, segment.base_offset)?;
        }
        Ok(())
    }

    fn compact(
        &self,
        config: &TopicConfig,
        now_ms: i64,
        cleaner_bytes_max: usize,
        report: &mut MaintainReport,
    ) -> Result<(), LogError> {
        let limit = self.settled_offset();
        let mut checkpoint = self.checkpoint.lock().expect("no holder panics");
        self.check_alive()?;
        let all = self.segments();
        let lag = now_ms.saturating_sub(config.min_compaction_lag_ms);
        let closed: Vec<Arc<Segment>> = all
            .windows(2)
            .take_while(|pair| pair[1].base_offset <= limit)
            .take_while(|pair| config.min_compaction_lag_ms == 0 || pair[0].max_timestamp() < lag)
            .map(|pair| pair[0].clone())
            .collect();
        let Some(end) = closed.last().map(|segment| segment.next_offset()) else { return Ok(()) };
        let from = self.lock().compacted_past_damage.max(checkpoint.clean_offset);
        let total: u64 = closed.iter().map(|segment| segment.size()).sum();
        let dirty_size: u64 =
            closed.iter().filter(|segment| segment.next_offset() > from).map(|segment| segment.size()).sum();
        let tombstones_due = checkpoint.tombstones_offset > 0
            && now_ms.saturating_sub(checkpoint.tombstones_since_ms) >= config.delete_retention_ms;
        let due = dirty_size > 0 && dirty_size as f64 >= config.min_cleanable_dirty_ratio * total as f64;
        if !due && !tombstones_due {
            return Ok(());
        }
        let (whole, damaged): (Vec<_>, Vec<_>) =
            closed.into_iter().partition(|segment| self.is_whole(segment));
        report.damaged_segments += damaged.len() as u64;
        let known_below = damaged.first().map_or(i64::MAX, |segment| segment.base_offset);
        let aborted = self.aborted.read().expect("no holder panics").clone();
        let latest = self.latest_offsets(&whole, from..end, &aborted, cleaner_bytes_max)?;
        let drop_tombstones_below =
            if tombstones_due { checkpoint.tombstones_offset.min(known_below) } else { 0 };
        if drop_tombstones_below > checkpoint.tombstones_gone_offset {
            // Noted before the first of them goes.
            let noted = Checkpoint { tombstones_gone_offset: drop_tombstones_below, ..checkpoint.clone() };
            noted.write(&*self.shared.disk, &self.dir)?;
            *checkpoint = noted;
        }
        let mut pass = Pass {
            latest: &latest.offsets,
            aborted: &aborted,
            log_start: self.log_start.load(Ordering::Acquire),
            drop_tombstones_below,
            open_data: HashSet::new(),
            builder: BatchBuilder::new(),
        };
        for segment in whole.iter().take_while(|segment| segment.base_offset < latest.end) {
            report.compacted_segments += self.rewrite(segment, &mut pass, config)? as u64;
        }
        let mut fresh = checkpoint.clone();
        if !damaged.is_empty() {
            // Not on disk: what was damaged may have been put right by the next start.
            self.lock().compacted_past_damage = latest.end;
            fresh.clean_offset = fresh.clean_offset.max(latest.end.min(known_below));
        } else if from > fresh.clean_offset {
            // What was damaged is whole or gone: the next time all behind the clean offset is compacted with it.
            self.lock().compacted_past_damage = 0;
        } else {
            fresh.clean_offset = fresh.clean_offset.max(latest.end);
        }
        if tombstones_due || fresh.tombstones_offset == 0 {
            fresh.tombstones_offset = fresh.clean_offset;
            fresh.tombstones_since_ms = now_ms;
        }
        fresh.write(&*self.shared.disk, &self.dir)?;
        *checkpoint = fresh;
        Ok(())
    }

    /// Returns whether all of a closed segment can be read; what is damaged is counted and said.
    fn is_whole(&self, segment: &Segment) -> bool {
        match segment.first_damage() {
            Ok(None) => true,
            Ok(Some((offset, damage))) => {
                self.note_damage(offset, &damage);
                false
            }
            Err(error) => {
                tracing::warn!(topic = &*self.topic, partition = self.partition, %error, "segment is not compacted");
                false
            }
        }
    }

    /// Forgets the aborted transactions that retention and compaction have left no records of: without it there would be
    /// more and more.
    fn forget_aborted(&self, now_ms: i64) {
        let mut checkpoint = self.checkpoint.lock().expect("no holder panics");
        let mut state = self.lock();
        let mut aborted = self.aborted.write().expect("no holder panics");
        let gone = checkpoint.clean_offset.max(checkpoint.log_start_offset);
        if aborted.first().is_none_or(|first| first.last_offset >= gone) {
            return;
        }
        let (offset, since_ms) = *state.aborted_gone.get_or_insert((gone, now_ms));
        if now_ms.saturating_sub(since_ms) < ABORTED_KEPT_MS {
            return;
        }
        state.aborted_gone = None;
        checkpoint.aborted.retain(|aborted| aborted.last_offset >= offset);
        Arc::make_mut(&mut *aborted).retain(|aborted| aborted.last_offset >= offset);
    }

    /// Reads keys from the first dirty offset on until all segments or the memory allowed are used up.
    fn latest_offsets(
        &self,
        segments: &[Arc<Segment>],
        Range { start: from, end }: Range<i64>,
        aborted: &[AbortedTransaction],
        bytes_max: usize,
    ) -> Result<Latest, LogError> {
        let mut latest = Latest { offsets: HashMap::new(), end: from };
        let (mut bytes, mut scratch) = (0, Vec::new());
        for segment in segments.iter().filter(|segment| segment.next_offset() > from) {
            let mut full = false;
            let scanned = scan_file(&*segment.file, &segment.path, 0, segment.size(), &mut |batch| {
                if batch.last_offset() < from || batch.is_control() || is_aborted(batch, aborted) {
                    latest.end = latest.end.max(batch.next_offset());
                    return Ok(true);
                }
                if bytes >= bytes_max {
                    full = true;
                    return Ok(false);
                }
                let records = batch
                    .records(&mut scratch, UNPACKED_BATCH_BYTES_MAX)
                    .map_err(|e| self.damaged(batch, e))?;
                for record in records {
                    let record = record.map_err(|e| self.damaged(batch, e))?;
                    let Some(key) = record.key else { continue };
                    match latest.offsets.get_mut(key) {
                        Some(offset) => *offset = record.offset,
                        None => {
                            bytes += key.len() + KEY_OVERHEAD_BYTES;
                            latest.offsets.insert(key.into(), record.offset);
                        }
                    }
                }
                latest.end = batch.next_offset();
                Ok(true)
            })?;
            if full {
                return Ok(latest);
            }
            if let Some(source) = scanned.damage {
                return Err(self.damaged_at(segment.base_offset, source));
            }
        }
        latest.end = latest.end.max(end);
        Ok(latest)
    }

    /// Rewrites one segment; returns whether anything went.
    fn rewrite(
        &self,
        segment: &Arc<Segment>,
        pass: &mut Pass<'_>,
        config: &TopicConfig,
    ) -> Result<bool, LogError> {
        let disk = &*self.shared.disk;
        let path = self.dir.join(log_file_name(segment.base_offset));
        let cleaned = path.with_extension("cleaned");
        let mut kept: Vec<u8> = Vec::new();
        let mut file: Option<Segment> = None;
        let mut failure = None;
        // Writes in pieces; the file is made with the first.
        let write = |kept: &mut Vec<u8>, file: &mut Option<Segment>| -> Result<(), LogError> {
            if file.is_none() {
                let made =
                    disk.create(&cleaned).map_err(|error| LogError::io("creating", &cleaned, &error))?;
                let base = segment.base_offset;
                let made = Segment::with_file(path.clone(), base, made, config.index_interval_bytes);
                made.note_append(segment.appended_ms());
                *file = Some(made);
            }
            let file = file.as_ref().expect("made above");
            file.write(kept)?;
            for batch in crate::batch::batches(kept) {
                file.publish(&batch.map_err(|e| self.damaged_at(segment.base_offset, e))?);
            }
            kept.clear();
            Ok(())
        };
        let mut scratch = Vec::new();
        let end = scan_file(&*segment.file, &segment.path, 0, segment.size(), &mut |batch| {
            if let Err(error) = pass.keep(batch, &mut scratch, &mut kept) {
                failure = Some(self.damaged(batch, error));
                return Ok(false);
            }
            if kept.len() > 1 << 20 {
                write(&mut kept, &mut file)?;
            }
            Ok(true)
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        if let Some(source) = end.damage {
            return Err(self.damaged_at(segment.base_offset, source));
        }
        let new_size = kept.len() as u64 + file.as_ref().map_or(0, Segment::size);
        if new_size == segment.size() {
            if file.is_some() {
                disk.remove(&cleaned).map_err(|error| LogError::io("removing", &cleaned, &error))?;
            }
            return Ok(false);
        }
        write(&mut kept, &mut file)?;
        let fresh = file.expect("made above");
        fresh
            .file
            .sync_data()
            .map_err(|error| self.shared.health.fail(LogError::io("syncing", &cleaned, &error)))?;
        fresh.set_synced(fresh.size());
        let index = path.with_extension("index");
        match disk.remove(&index) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::io("removing", &index, &error));
            }
            _ => {}
        }
        disk.rename(&cleaned, &path).map_err(|error| LogError::io("renaming", &cleaned, &error))?;
        disk.sync_dir(&self.dir)
            .map_err(|error| self.shared.health.fail(LogError::io("syncing", &self.dir, &error)))?;
        fresh.write_index(disk)?;
        let fresh = Arc::new(fresh);
        let mut segments = self.segments.write().expect("no holder panics");
        if let Some(slot) = Arc::make_mut(&mut *segments).iter_mut().find(|other| Arc::ptr_eq(other, segment))
        {
            *slot = fresh;
        }
        Ok(true)
    }

    fn damaged(&self, batch: &Batch<'_>, source: crate::batch::BatchError) -> LogError {
        self.damaged_at(batch.base_offset(), source)
    }

    fn damaged_at(&self, offset: i64, source: crate::batch::BatchError) -> LogError {
        let topic = self.topic.to_string();
        LogError::Corrupt { topic, partition: self.partition, offset, resume_offset: offset, source }
    }
}

/// The last offset of every key read, complete below `end`.
struct Latest {
    offsets: HashMap<Box<[u8]>, i64>,
    end: i64,
}

/// What decides about a record while segments are rewritten in order.
struct Pass<'a> {
    latest: &'a HashMap<Box<[u8]>, i64>,
    aborted: &'a [AbortedTransaction],
    log_start: i64,
    drop_tombstones_below: i64,
    /// Producers with transactional records kept since their last marker.
    open_data: HashSet<i64>,
    builder: BatchBuilder,
}

impl Pass<'_> {
    /// Appends what stays of a batch to `kept`.
    fn keep(
        &mut self,
        batch: &Batch<'_>,
        scratch: &mut Vec<u8>,
        kept: &mut Vec<u8>,
    ) -> Result<(), crate::batch::BatchError> {
        if batch.is_control() {
            let has_data = self.open_data.remove(&batch.producer_id());
            if has_data || batch.base_offset() >= self.drop_tombstones_below {
                kept.extend_from_slice(batch.bytes());
            }
            return Ok(());
        }
        if is_aborted(batch, self.aborted) {
            return Ok(());
        }
        let mut all = true;
        let mut some = false;
        self.builder.clear();
        for record in batch.records(scratch, UNPACKED_BATCH_BYTES_MAX)? {
            let record = record?;
            let superseded =
                record.key.is_some_and(|key| self.latest.get(key).is_some_and(|last| *last > record.offset));
            let expired =
                record.key.is_some() && record.value.is_none() && record.offset < self.drop_tombstones_below;
            if superseded || expired || record.offset < self.log_start {
                all = false;
                continue;
            }
            some = true;
            let headers: Vec<_> = record.headers().collect::<Result<_, _>>()?;
            let delta = (record.offset - batch.base_offset()) as i32;
            let headers_len = headers.len();
            let timestamp = record.timestamp;
            self.builder.append_at(
                delta,
                timestamp,
                record.key,
                record.value,
                headers.into_iter(),
                headers_len,
            );
        }
        if some && batch.is_transactional() {
            self.open_data.insert(batch.producer_id());
        }
        if all {
            kept.extend_from_slice(batch.bytes());
        } else if some {
            let compression = batch.compression()?;
            let bytes = self.builder.finish_as(batch, compression);
            kept.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl BatchBuilder {
    /// Finishes what is left of a batch with that batch's offsets, producer and codec.
    fn finish_as(&mut self, origin: &Batch<'_>, compression: Compression) -> &mut [u8] {
        self.set_compression(compression);
        self.set_last_offset_delta(origin.last_offset_delta());
        let bytes = self.finish();
        set_base_offset(bytes, origin.base_offset());
        crate::batch::set_leader_epoch(bytes, origin.leader_epoch());
        if origin.is_log_append_time() {
            crate::batch::set_log_append_time(bytes, origin.max_timestamp());
        }
        if origin.producer_id() != NO_PRODUCER_ID {
            let transactional = origin.is_transactional();
            let (id, epoch) = (origin.producer_id(), origin.producer_epoch());
            set_producer(bytes, id, epoch, origin.base_sequence(), transactional);
        }
        bytes
    }
}

fn is_aborted(batch: &Batch<'_>, aborted: &[AbortedTransaction]) -> bool {
    let offset = batch.base_offset();
    batch.is_transactional()
        && aborted[aborted.partition_point(|a| a.last_offset < offset)..]
            .iter()
            .any(|a| a.producer_id == batch.producer_id() && a.first_offset <= offset)
}
