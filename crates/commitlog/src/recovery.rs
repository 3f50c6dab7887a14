//! Opening a partition: trust what the checkpoint vouches for, scan the rest, cut at the first damage there.
//!
//! Below the checkpoint, and in a closed segment whose index file says that it was synced whole, nothing can be missing
//! because of a stop: damage there stays where it is, and what is good behind it can be read. Elsewhere a batch that is
//! not good is written again if the journal or a write-ahead file repeats it; if those show that it was synced, it is
//! damage too ([`Kept`]).

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::batch::{Batch, BatchError, ControlType};
use crate::batch_builder::control_batch;
use crate::checkpoint::{CHECKPOINT_FILE, Checkpoint};
use crate::config::TopicConfig;
use crate::error::LogError;
use crate::kept::Kept;
use crate::partition::{Partition, PartitionState, Shared};
use crate::producer::{AbortedTransaction, Producers};
use crate::segment::{Segment, log_file_name, parse_log_file_name};

/// Places that are mended in a segment at a start; a scan goes with each.
const MENDED_PLACES_MAX: usize = 64;

/// What names a partition and where it is.
pub(crate) struct PartitionPlace {
    pub topic: Arc<str>,
    pub topic_id: u128,
    pub partition: u32,
    pub dir: PathBuf,
    pub config: Arc<RwLock<Arc<TopicConfig>>>,
}

/// What was found on disk.
struct Found {
    segments: Vec<Segment>,
    producers: Producers,
    aborted: Vec<AbortedTransaction>,
    checkpoint: Checkpoint,
    damaged_places: u64,
    /// The offsets at which reading meets them, as far as they are left in place.
    damaged_offsets: BTreeSet<i64>,
    /// The files have something else than the checkpoint vouches for.
    changed: bool,
}

impl Partition {
    /// Makes an empty partition on disk; durable when this returns, except for the name of its directory.
    pub(crate) fn create(place: PartitionPlace, shared: Shared) -> Result<Partition, LogError> {
        let disk = &*shared.disk;
        disk.create_dir(&place.dir).map_err(|error| LogError::io("creating", &place.dir, &error))?;
        let config = place.config.read().expect("no holder panics").clone();
        let segment = Segment::create(disk, &place.dir, 0, config.index_interval_bytes)?;
        let checkpoint = Checkpoint::default();
        // Syncs the directory and so the segment's name too.
        checkpoint.write(disk, &place.dir)?;
        let found = Found {
            segments: vec![segment],
            producers: Producers::default(),
            aborted: Vec::new(),
            checkpoint,
            damaged_places: 0,
            damaged_offsets: BTreeSet::new(),
            changed: false,
        };
        Ok(Partition::assemble(place, shared, found))
    }

    /// Opens a partition; returns whether its files have something else than its checkpoint vouches for.
    pub(crate) fn open(
        place: PartitionPlace,
        shared: Shared,
        kept: &Kept<'_>,
    ) -> Result<(Partition, bool), LogError> {
        let found = find(&place, &shared, kept)?;
        let changed = found.changed;
        Ok((Partition::assemble(place, shared, found), changed))
    }

    fn assemble(place: PartitionPlace, shared: Shared, mut found: Found) -> Partition {
        let next = found.segments.last().expect("there is an active segment").next_offset();
        let segments: Vec<Arc<Segment>> = found.segments.into_iter().map(Arc::new).collect();
        let last_stable = found.producers.first_ongoing().unwrap_or(next);
        let log_start = found.checkpoint.log_start_offset.min(next);
        // Compaction and deletion have left no records of the others.
        let aborted_from = found.checkpoint.clean_offset.max(log_start);
        found.aborted.retain(|aborted| aborted.last_offset >= aborted_from);
        Partition {
            topic: place.topic,
            topic_id: place.topic_id,
            partition: place.partition,
            dir: place.dir,
            shared,
            config: place.config,
            state: Mutex::new(PartitionState {
                producers: found.producers,
                dirty: VecDeque::new(),
                names_made: 0,
                names_synced: 0,
                indexed_below: found.checkpoint.recovery_segment,
                active_since_ms: None,
                compacted_past_damage: 0,
                aborted_gone: None,
                rolled: None,
                fresh_from: None,
            }),
            segments: RwLock::new(Arc::new(segments)),
            aborted: RwLock::new(Arc::new(found.aborted)),
            checkpoint: Mutex::new(found.checkpoint),
            log_start: AtomicI64::new(log_start),
            last_stable: AtomicI64::new(last_stable),
            next: AtomicI64::new(next),
            durable: AtomicI64::new(next),
            deleted: AtomicBool::new(false),
            syncing: Mutex::default(),
            damaged_places: AtomicU64::new(found.damaged_places),
            damaged_offsets: Mutex::new(found.damaged_offsets),
        }
    }

    /// Writes a batch that the journal repeats, at its own offset, unless the partition has it. Lost records that
    /// nobody was promised leave a gap, as compaction would.
    pub(crate) fn redo(&self, batch: &Batch<'_>) -> Result<bool, LogError> {
        let config = self.config();
        let mut state = self.lock();
        if batch.base_offset() < self.next.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.write(&mut state, batch.bytes(), &config, None)?;
        Ok(true)
    }

    /// Takes back the start of the log, which could not lie behind what the segments had, once all that was lost is
    /// written again.
    pub(crate) fn restore_log_start(&self) {
        let vouched = self.checkpoint.lock().expect("no holder panics").log_start_offset;
        self.log_start.fetch_max(vouched.min(self.next.load(Ordering::Acquire)), Ordering::AcqRel);
    }

    /// Ends the transactions that were open at the stop: those `is_committed` says so, the others are aborted.
    /// Arguments: producer id, first offset.
    pub(crate) fn resolve_ongoing(&self, is_committed: &dyn Fn(i64, i64) -> bool) -> Result<bool, LogError> {
        let config = self.config();
        let mut state = self.lock();
        let ongoing = state.producers.ongoing();
        let now_ms = self.segments().last().expect("there is an active segment").max_timestamp();
        for &(producer_id, epoch, first_offset) in &ongoing {
            let control = if is_committed(producer_id, first_offset) {
                ControlType::Commit
            } else {
                ControlType::Abort
            };
            let marker = control_batch(producer_id, epoch, control, now_ms);
            self.write_marker(&mut state, marker, &config, None)?;
        }
        Ok(!ongoing.is_empty())
    }
}

fn find(place: &PartitionPlace, shared: &Shared, kept: &Kept<'_>) -> Result<Found, LogError> {
    let disk = &*shared.disk;
    let dir = &place.dir;
    let names = disk.list(dir).map_err(|error| LogError::io("listing", dir, &error))?;
    let mut bases: Vec<i64> = names.iter().filter_map(|name| parse_log_file_name(name)).collect();
    bases.sort_unstable();
    for name in names.iter().filter(|name| name.ends_with(".cleaned") || name.ends_with(".new")) {
        let path = dir.join(name);
        disk.remove(&path).map_err(|error| LogError::io("removing", &path, &error))?;
    }
    let config = place.config.read().expect("no holder panics").clone();
    let interval = config.index_interval_bytes;

    let vouched = Checkpoint::read(disk, dir);
    let log_start = vouched.as_ref().map_or(0, |checkpoint| checkpoint.log_start_offset);
    let is_damaged = vouched.is_none() && names.iter().any(|name| name == CHECKPOINT_FILE);
    let unknown = if is_damaged { i64::MAX } else { 0 };
    let tombstones_gone_offset = vouched.as_ref().map_or(unknown, |c| c.tombstones_gone_offset);
    // Deletion removes files after it has moved the start; where recovery begins they are needed for what they say
    // about producers.
    let needed_from = vouched.as_ref().map_or(0, |checkpoint| checkpoint.recovery_segment);
    while bases.len() > 1 && bases[1] <= log_start.min(needed_from) {
        remove_segment_files(shared, dir, bases.remove(0))?;
    }
    // A checkpoint is written after what it vouches for is synced: what does not fit is damage, not a crash's trace.
    let damaged_places = vouched.is_some() as u64;
    if let Some(checkpoint) = vouched
        && let Some(found) = load(shared, place, &bases, interval, checkpoint, kept)?
    {
        return Ok(found);
    }
    tracing::warn!(
        topic = &*place.topic,
        partition = place.partition,
        "checkpoint does not fit, scanning everything"
    );
    let nothing = Checkpoint {
        log_start_offset: log_start.max(bases.first().copied().unwrap_or(0)),
        recovery_segment: -1,
        tombstones_gone_offset,
        ..Checkpoint::default()
    };
    let found = load(shared, place, &bases, interval, nothing, kept)?;
    let mut found = found.expect("a checkpoint that vouches for nothing fits everything");
    found.damaged_places = found.damaged_places.max(damaged_places);
    let next = found.segments.last().map_or(0, Segment::next_offset);
    found.checkpoint.tombstones_gone_offset = found.checkpoint.tombstones_gone_offset.min(next);
    Ok(found)
}

/// Loads the segments; `None` when the files have less than the checkpoint vouches for.
fn load(
    shared: &Shared,
    place: &PartitionPlace,
    bases: &[i64],
    interval: u64,
    checkpoint: Checkpoint,
    kept: &Kept<'_>,
) -> Result<Option<Found>, LogError> {
    let (disk, dir) = (&*shared.disk, place.dir.as_path());
    // Without a checkpoint we cannot tell compaction's gaps from lost bytes.
    let lenient = checkpoint.recovery_segment < 0;
    let from = checkpoint.recovery_offset;
    let mut found = Found {
        segments: Vec::new(),
        producers: checkpoint.producers.clone(),
        aborted: checkpoint.aborted.clone(),
        checkpoint: checkpoint.clone(),
        damaged_places: 0,
        damaged_offsets: BTreeSet::new(),
        changed: lenient,
    };
    let mut cut_from = None;
    for (index, &base) in bases.iter().enumerate() {
        let before = found.segments.last().map_or(base, Segment::next_offset);
        let is_last = index + 1 == bases.len();
        let ceiling = bases.get(index + 1).copied().unwrap_or(i64::MAX);
        let below = !lenient && base < checkpoint.recovery_segment;
        if !lenient && base > checkpoint.recovery_segment && base != before {
            found.damaged_places += 1;
            cut_from = Some(index);
            break;
        }
        let trusted = below || (base == checkpoint.recovery_segment && checkpoint.recovery_position > 0);
        if trusted
            && let Some(segment) = Segment::open_indexed(disk, dir, base, interval)?
            && (below || segment.size() == checkpoint.recovery_position)
            && segment.next_offset() <= ceiling
        {
            found.segments.push(segment);
            continue;
        }
        let place = (checkpoint.recovery_position, checkpoint.recovery_offset);
        let vouched = match trusted && !below {
            true => Segment::open_vouched(disk, dir, base, interval, place)?,
            false => None,
        };
        let segment = match vouched {
            Some(segment) => segment,
            None => Segment::open_empty(disk, dir, base, interval)?,
        };
        let len = segment.file.len().map_err(|error| LogError::io("measuring", &segment.path, &error))?;
        if trusted && !below && len < checkpoint.recovery_position {
            return Ok(None);
        }
        let mut see = |batch: &Batch<'_>| {
            if batch.base_offset() >= from
                && let Some(aborted) = found.producers.record(batch)
            {
                found.aborted.push(aborted);
            }
            Ok(())
        };
        // Up to here nothing can be missing because of a stop.
        let is_closed_good =
            !is_last && (below || lenient || segment.is_vouched_by_index(disk, len, ceiling));
        let good = match is_closed_good {
            true => (len, ceiling),
            false if trusted => place,
            false => (0, 0),
        };
        let mut damaged = |offset, position, damage: &BatchError| {
            found.damaged_places += 1;
            found.damaged_offsets.insert(offset);
            tracing::warn!(path = %segment.path.display(), position, offset, %damage, "segment is damaged");
        };
        segment.scan_past_damage(good, &mut see, &mut damaged)?;
        let contiguous = !lenient;
        let mut end = segment.scan(contiguous, ceiling, &mut see)?;
        for _ in 0..MENDED_PLACES_MAX {
            if end.damage.is_none() {
                break;
            }
            let Some(behind) = segment.batch_behind(end.position, len, base..i64::MAX)? else { break };
            if let Some(batch) = kept.repeated_before(segment.next_offset(), end.position, behind) {
                tracing::info!(path = %segment.path.display(), position = end.position, "batch is written again");
                segment.write_again(batch)?;
            } else if let Some(good) = kept_past_damage(&segment, len, ceiling, kept)? {
                segment.scan_past_damage(good, &mut see, &mut damaged)?;
            } else {
                break;
            }
            end = segment.scan(contiguous, ceiling, &mut see)?;
        }
        if let Some(damage) = end.damage {
            // In a closed segment too: of what is not vouched for a power cut may have lost any part, and what was
            // acknowledged behind it is in the journal or the write-ahead files, which write it again from here on.
            let path = segment.path.display();
            let bytes = len - end.position;
            let offset = segment.next_offset();
            let is_lost = offset < kept.below && !kept.repeated.contains_key(&offset);
            if is_last && !is_lost && segment.batch_behind(end.position, len, base..i64::MAX)?.is_none() {
                tracing::info!(%path, position = end.position, bytes, "what a stop left unfinished is cut");
            } else {
                found.damaged_places += 1;
                tracing::warn!(%path, position = end.position, bytes, %damage, "segment is damaged");
            }
            segment.cut()?;
            segment.set_synced(segment.size());
            found.segments.push(segment);
            found.changed = true;
            cut_from = Some(index + 1);
            break;
        }
        if !below {
            found.changed |=
                base != checkpoint.recovery_segment || segment.size() != checkpoint.recovery_position;
            segment.file.sync_data().map_err(|error| LogError::io("syncing", &segment.path, &error))?;
        }
        segment.set_synced(segment.size());
        found.segments.push(segment);
    }
    if let Some(index) = cut_from {
        for &base in &bases[index..] {
            remove_segment_files(shared, dir, base)?;
        }
        disk.sync_dir(dir).map_err(|error| LogError::io("syncing", dir, &error))?;
    }
    if found.segments.last().is_none_or(|last| last.base_offset < checkpoint.recovery_segment) {
        if !lenient && (from > 0 || !bases.is_empty()) {
            return Ok(None);
        }
        let base = found.segments.last().map_or(checkpoint.log_start_offset, Segment::next_offset);
        found.segments.push(Segment::create(disk, dir, base, interval)?);
        disk.sync_dir(dir).map_err(|error| LogError::io("syncing", dir, &error))?;
        found.changed = true;
    }
    Ok(Some(found))
}

/// Returns where the good batches behind a damaged place end that were synced before the stop, if the segment alone has
/// them: what is repeated is written again behind the place where a segment is cut.
fn kept_past_damage(
    segment: &Segment,
    len: u64,
    ceiling: i64,
    kept: &Kept<'_>,
) -> Result<Option<(u64, i64)>, LogError> {
    let damaged_offset = segment.next_offset();
    if damaged_offset >= kept.below {
        return Ok(None);
    }
    let mut good = segment.batches_past_damage(len, ceiling)?;
    let offsets: BTreeSet<i64> = good.iter().map(|(_, offsets)| offsets.start).collect();
    // Behind what is kept in place, nothing that lies before it could be written again.
    let missing = kept.repeated.range(damaged_offset..).find(|(offset, _)| !offsets.contains(offset));
    let below = missing.map_or(kept.below, |(offset, _)| kept.below.min(*offset));
    good.retain(|(_, offsets)| offsets.start < below);
    let is_here_only = good.iter().any(|(_, offsets)| !kept.repeated.contains_key(&offsets.start));
    Ok(good.last().filter(|_| is_here_only).map(|(end, offsets)| (*end, offsets.end)))
}

pub(crate) fn remove_segment_files(shared: &Shared, dir: &Path, base: i64) -> Result<(), LogError> {
    let log = dir.join(log_file_name(base));
    match shared.disk.remove(&log.with_extension("index")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(LogError::io("removing", &log, &error));
        }
        _ => {}
    }
    match shared.disk.remove(&log) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LogError::io("removing", &log, &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch_builder::BatchBuilder;
    use crate::config::TopicSettings;
    use crate::disk::Disk;
    use crate::index::INDEX_HEADER_LEN;
    use crate::log::{Log, LogConfig};
    use crate::simulated_disk::SimulatedDisk;

    const BATCHES: i64 = 20;
    /// The first offset and a byte of the record of the batch that is damaged.
    const DAMAGED: (i64, usize) = (1, 80);

    fn open(disk: &SimulatedDisk) -> Arc<Log> {
        // Nothing gives back what is lost of the segments.
        let config = LogConfig {
            inline_writer: true,
            journal_allocate_bytes: 0,
            ahead_file_bytes: 0,
            ..LogConfig::default()
        };
        Log::open(Arc::new(disk.clone()), "/log", config).unwrap()
    }

    /// A disk after a power cut during a compaction: segments of three batches were closed and synced, and no checkpoint
    /// could be written. Returns the partition's directory too.
    fn cut_while_compacting(seed: u64) -> (SimulatedDisk, PathBuf) {
        let disk = SimulatedDisk::new();
        let log = open(&disk);
        let settings = TopicSettings::from([("segment.bytes".to_owned(), "300".to_owned())]);
        log.create_topic("t", 1, &settings, 0).unwrap();
        let partition = log.partition("t", 0).unwrap();
        let compacting = partition.checkpoint.lock().unwrap();
        for _ in 0..BATCHES {
            let mut builder = BatchBuilder::new();
            builder.append(0, None, Some(&[b'.'; 20]), &[]);
            log.append_durable("t", 0, &mut builder.finish().to_vec(), 0).unwrap().1.wait().unwrap();
        }
        assert_eq!(partition.segments()[1].base_offset, 3);
        let crashed = disk.crash(seed);
        drop(compacting);
        (crashed, partition.dir.clone())
    }

    fn damage_batch(disk: &SimulatedDisk, log: &Path) {
        let file = disk.open(log).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        let at = Batch::parse(&bytes).unwrap().len() + DAMAGED.1;
        file.write_at(&[bytes[at] ^ 1], at as u64).unwrap();
    }

    #[test]
    fn index_of_a_synced_segment_proves_that_damage_is_no_torn_write() {
        for seed in 0..20 {
            let (disk, dir) = cut_while_compacting(seed);
            assert_eq!(Checkpoint::read(&disk, &dir).unwrap().recovery_offset, 0);
            damage_batch(&disk, &dir.join(log_file_name(0)));
            let log = open(&disk);
            let partition = log.partition("t", 0).unwrap();
            assert_eq!((partition.offsets().next, partition.damaged_places()), (BATCHES, 1), "seed {seed}");
            let mut out = Vec::new();
            let isolation = crate::read::Isolation::ReadCommitted;
            let error = log.read("t", 0, DAMAGED.0, 1 << 20, isolation, &mut out).unwrap_err();
            assert!(matches!(error, LogError::Corrupt { resume_offset: 2, .. }), "{error}");
            log.read("t", 0, 2, 1 << 20, isolation, &mut out).unwrap();
            assert_eq!(crate::batch::batches(&out).count() as i64, BATCHES - 2);
        }
    }

    #[test]
    fn index_that_is_missing_or_damaged_or_of_another_length_proves_nothing() {
        let (template, dir) = cut_while_compacting(0);
        let log = dir.join(log_file_name(0));
        let index = log.with_extension("index");
        let len = template.open(&index).unwrap().len().unwrap();
        let cut_short =
            |disk: &SimulatedDisk, path: &Path, len| disk.open(path).unwrap().truncate(len).unwrap();
        let flip = |disk: &SimulatedDisk, at, bit: u8| {
            let file = disk.open(&index).unwrap();
            let mut byte = [0];
            file.read_at(&mut byte, at).unwrap();
            file.write_at(&[byte[0] ^ bit], at).unwrap();
        };
        let check = |context: &str, spoil: &dyn Fn(&SimulatedDisk)| {
            let disk = template.crash(0);
            damage_batch(&disk, &log);
            spoil(&disk);
            assert_eq!(open(&disk).offsets("t", 0).unwrap().next, DAMAGED.0, "{context}");
        };
        assert!(len > INDEX_HEADER_LEN as u64);
        check("missing", &|disk| disk.remove(&index).unwrap());
        for len in 0..INDEX_HEADER_LEN as u64 {
            check(&format!("cut at {len}"), &|disk| cut_short(disk, &index, len));
        }
        for at in 0..INDEX_HEADER_LEN as u64 {
            for bit in 0..8 {
                check(&format!("bit {bit} of byte {at}"), &|disk| flip(disk, at, 1 << bit));
            }
        }
        let log_len = template.open(&log).unwrap().len().unwrap();
        check("of a longer segment", &|disk| cut_short(disk, &log, log_len - 1));
    }
}
