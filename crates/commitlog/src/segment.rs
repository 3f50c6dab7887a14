//! A segment: one file of batches, named after its first offset, with its sparse index.
//!
//! Only the last segment of a partition is written to, at the end. Readers see `size` bytes, published after the
//! bytes are written; nothing before `size` changes any more, so they take no lock.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::batch::{AT_MAGIC, BATCH_HEADER_LEN, Batch, BatchError};
use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::index::{INDEX_HEADER_LEN, IndexSummary, SparseIndex};

/// Bytes behind a place that is not good that are searched for a batch.
const DAMAGE_SEARCH_MAX: u64 = 4 << 20;
/// What looks like a batch there may be a record's value; so many of them have their checksum computed.
const SEEMING_BATCHES_MAX: usize = 256;
/// Damaged places of a segment behind which reading has found where to go on.
const RESUMES_MAX: usize = 1024;
/// What a scan reads at a time.
const SCAN_CHUNK_LEN: usize = 1 << 20;
/// The timestamp of a segment without records.
pub(crate) const NO_TIMESTAMP: i64 = -1;

pub(crate) struct Segment {
    pub base_offset: i64,
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
    size: AtomicU64,
    synced_size: AtomicU64,
    next_offset: AtomicI64,
    max_timestamp: AtomicI64,
    appended_ms: AtomicI64,
    index_interval_bytes: u64,
    /// `None` until first needed for a closed segment.
    index: RwLock<Option<SparseIndex>>,
    /// Positions of damage that reading has met, and the offsets of what is good behind.
    resumes: Mutex<BTreeMap<u64, i64>>,
}

/// Where and why a scan ended.
pub(crate) struct ScanEnd {
    pub position: u64,
    pub damage: Option<BatchError>,
}

impl Segment {
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        index_interval_bytes: u64,
    ) -> Result<Segment, LogError> {
        let path = dir.join(log_file_name(base_offset));
        let file = disk.create(&path).map_err(|error| LogError::io("creating", &path, &error))?;
        Ok(Segment::with_file(path, base_offset, file, index_interval_bytes))
    }

    pub(crate) fn with_file(
        path: PathBuf,
        base_offset: i64,
        file: Arc<dyn DiskFile>,
        index_interval_bytes: u64,
    ) -> Segment {
        Segment {
            base_offset,
            path,
            file,
            size: AtomicU64::new(0),
            synced_size: AtomicU64::new(0),
            next_offset: AtomicI64::new(base_offset),
            max_timestamp: AtomicI64::new(NO_TIMESTAMP),
            appended_ms: AtomicI64::new(NO_TIMESTAMP),
            index_interval_bytes,
            index: RwLock::new(Some(SparseIndex::default())),
            resumes: Mutex::default(),
        }
    }

    /// Opens a segment without reading it if its index file matches; `None` if it must be scanned.
    pub(crate) fn open_indexed(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        index_interval_bytes: u64,
    ) -> Result<Option<Segment>, LogError> {
        let segment = Segment::open_empty(disk, dir, base_offset, index_interval_bytes)?;
        let Some(summary) = read_index_summary(disk, &dir.join(index_file_name(base_offset))) else {
            return Ok(None);
        };
        let len = segment.file.len().map_err(|error| LogError::io("measuring", &segment.path, &error))?;
        if summary.log_size != len || summary.next_offset < base_offset {
            return Ok(None);
        }
        segment.size.store(len, Ordering::Relaxed);
        segment.synced_size.store(len, Ordering::Relaxed);
        segment.next_offset.store(summary.next_offset, Ordering::Relaxed);
        segment.max_timestamp.store(summary.max_timestamp, Ordering::Relaxed);
        segment.appended_ms.store(summary.appended_ms, Ordering::Relaxed);
        *segment.index.write().expect("no holder panics") = None;
        Ok(Some(segment))
    }

    /// Returns whether the index file that follows a closed segment's sync is there: nothing of the segment was missing.
    pub(crate) fn is_vouched_by_index(&self, disk: &dyn Disk, len: u64, next_offset: i64) -> bool {
        read_index_summary(disk, &self.index_path())
            .is_some_and(|summary| summary.log_size == len && summary.next_offset == next_offset)
    }

    /// Opens a segment up to where a checkpoint vouches for it; a scan then takes in what is good behind. `None` if the
    /// index file is not of that place.
    pub(crate) fn open_vouched(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        index_interval_bytes: u64,
        (size, next_offset): (u64, i64),
    ) -> Result<Option<Segment>, LogError> {
        let segment = Segment::open_empty(disk, dir, base_offset, index_interval_bytes)?;
        let len = segment.file.len().map_err(|error| LogError::io("measuring", &segment.path, &error))?;
        let path = dir.join(index_file_name(base_offset));
        let Some(summary) = read_index_summary(disk, &path) else { return Ok(None) };
        if summary.log_size != size || summary.next_offset != next_offset || len < size {
            return Ok(None);
        }
        let Some(index) = read_index(disk, &path, size) else { return Ok(None) };
        segment.size.store(size, Ordering::Relaxed);
        segment.synced_size.store(size, Ordering::Relaxed);
        segment.next_offset.store(next_offset, Ordering::Relaxed);
        segment.max_timestamp.store(summary.max_timestamp, Ordering::Relaxed);
        segment.appended_ms.store(summary.appended_ms, Ordering::Relaxed);
        *segment.index.write().expect("no holder panics") = Some(index);
        Ok(Some(segment))
    }

    /// Opens a segment as if it had no bytes; a scan then takes in what is good.
    pub(crate) fn open_empty(
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        index_interval_bytes: u64,
    ) -> Result<Segment, LogError> {
        let path = dir.join(log_file_name(base_offset));
        let file = disk.open(&path).map_err(|error| LogError::io("opening", &path, &error))?;
        Ok(Segment::with_file(path, base_offset, file, index_interval_bytes))
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset.load(Ordering::Acquire)
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        self.max_timestamp.load(Ordering::Acquire)
    }

    /// When the last record was written, ms by the clock; negative after a recovery.
    pub(crate) fn appended_ms(&self) -> i64 {
        self.appended_ms.load(Ordering::Relaxed)
    }

    /// Notes that records were written; the latest time stays.
    pub(crate) fn note_append(&self, now_ms: i64) {
        self.appended_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// Whether nothing was written for `retention_ms`. A record's own time does not count: what is replayed today is
    /// kept like what happens today. After a recovery the time runs from the first call.
    pub(crate) fn is_expired(&self, retention_ms: i64, now_ms: i64) -> bool {
        if self.appended_ms() < 0 {
            self.note_append(now_ms);
        }
        retention_ms >= 0 && self.appended_ms() < now_ms.saturating_sub(retention_ms)
    }

    pub(crate) fn synced_size(&self) -> u64 {
        self.synced_size.load(Ordering::Acquire)
    }

    pub(crate) fn set_synced(&self, size: u64) {
        self.synced_size.fetch_max(size, Ordering::AcqRel);
    }

    /// Writes batches at the end without publishing them. After an error the file is cut to what it was.
    pub(crate) fn write(&self, batches: &[u8]) -> Result<(), LogError> {
        let size = self.size();
        if let Err(error) = self.file.write_at(batches, size) {
            let failure = LogError::io("writing", &self.path, &error);
            if let Err(error) = self.file.truncate(size) {
                tracing::warn!(path = %self.path.display(), %error, "segment not cut after a failed write");
            }
            return Err(failure);
        }
        Ok(())
    }

    /// Notes a written batch in the index and publishes it; call it for every batch in order.
    pub(crate) fn publish(&self, batch: &Batch<'_>) {
        let position = self.size.load(Ordering::Relaxed);
        let before = self.max_timestamp.load(Ordering::Relaxed);
        if let Some(index) = self.index.write().expect("no holder panics").as_mut() {
            let relative = (batch.base_offset() - self.base_offset) as u32;
            index.note(relative, position, before, self.index_interval_bytes);
        }
        self.max_timestamp.store(before.max(batch.max_timestamp()), Ordering::Release);
        self.next_offset.store(batch.next_offset(), Ordering::Release);
        self.size.store(position + batch.len() as u64, Ordering::Release);
    }

    /// Takes in the batches of the file from the present size on, until the end or the first damage; none may reach
    /// beyond the offset `ceiling`. `see` gets every batch, in order.
    pub(crate) fn scan(
        &self,
        contiguous: bool,
        ceiling: i64,
        see: &mut dyn FnMut(&Batch<'_>) -> Result<(), LogError>,
    ) -> Result<ScanEnd, LogError> {
        let len = self.file.len().map_err(|error| LogError::io("measuring", &self.path, &error))?;
        self.scan_to(len, contiguous, ceiling, see)
    }

    fn scan_to(
        &self,
        to: u64,
        contiguous: bool,
        ceiling: i64,
        see: &mut dyn FnMut(&Batch<'_>) -> Result<(), LogError>,
    ) -> Result<ScanEnd, LogError> {
        let mut expected = self.next_offset();
        // The index counts offsets from the segment's first in 32 bits.
        let ceiling = ceiling.min(self.base_offset.saturating_add(i32::MAX as i64 + 1));
        scan_file(&*self.file, &self.path, self.size(), to, &mut |batch| {
            let is_gap = batch.base_offset() != expected;
            // What does not begin where the last one ends may have a wrong offset: then it reaches into the next one.
            let after = match is_gap && !contiguous {
                true => self.valid_base_offset_at(self.size() + batch.len() as u64, to)?,
                false => None,
            };
            if (is_gap && contiguous) || !is_in_place(batch, expected, after) || batch.next_offset() > ceiling
            {
                return Ok(false);
            }
            expected = batch.next_offset();
            see(batch)?;
            self.publish(batch);
            Ok(true)
        })
    }

    /// Returns the offset and the kind of the first damage in a closed segment. As the checksum does not cover base
    /// offsets, they must grow and end where the segment is known to.
    pub(crate) fn first_damage(&self) -> Result<Option<(i64, BatchError)>, LogError> {
        let (size, next_offset) = (self.size(), self.next_offset());
        let len = self.file.len().map_err(|error| LogError::io("measuring", &self.path, &error))?;
        let mut expected = self.base_offset;
        // Where the batch before begins at the earliest: if the next one lies too low, that one may lie too high.
        let mut floor = expected;
        let end = scan_file(&*self.file, &self.path, 0, size.min(len), &mut |batch| {
            if batch.base_offset() < expected || batch.next_offset() > next_offset {
                return Ok(false);
            }
            floor = if batch.base_offset() == expected { batch.next_offset() } else { expected };
            expected = batch.next_offset();
            Ok(true)
        })?;
        let damage = match end.damage {
            None if len < size => Some(BatchError::Cut { have: len as usize, need: size as usize }),
            None if expected != next_offset => Some(BatchError::Malformed { what: "offset does not follow" }),
            damage => damage,
        };
        Ok(damage.map(|damage| (floor, damage)))
    }

    /// Takes in the file from the present size up to a place that is known to have been good, whatever is damaged by
    /// now: whoever reads meets the damage there, and what is good behind it. `damaged` gets the offset and the
    /// position of each such place.
    pub(crate) fn scan_past_damage(
        &self,
        (to, ceiling): (u64, i64),
        see: &mut dyn FnMut(&Batch<'_>) -> Result<(), LogError>,
        damaged: &mut dyn FnMut(i64, u64, &BatchError),
    ) -> Result<(), LogError> {
        while self.size() < to {
            let end = self.scan_to(to, false, ceiling, see)?;
            let Some(damage) = end.damage else { break };
            damaged(self.next_offset(), end.position, &damage);
            match self.batch_behind(end.position, to, self.next_offset()..ceiling)? {
                Some((position, base_offset)) => {
                    let relative = (base_offset - self.base_offset) as u32;
                    if let Some(index) = self.index.write().expect("no holder panics").as_mut() {
                        // So that reading can go on there.
                        index.note(relative, position, self.max_timestamp(), 0);
                    }
                    self.size.store(position, Ordering::Release);
                }
                None => {
                    self.next_offset.store(ceiling, Ordering::Release);
                    self.size.store(to, Ordering::Release);
                }
            }
        }
        Ok(())
    }

    /// Returns where the good batches behind the published bytes end, and their offsets, past whatever is damaged.
    pub(crate) fn batches_past_damage(
        &self,
        to: u64,
        ceiling: i64,
    ) -> Result<Vec<(u64, Range<i64>)>, LogError> {
        let (path, file) = (self.path.clone(), self.file.clone());
        let trial = Segment::with_file(path, self.base_offset, file, self.index_interval_bytes);
        trial.size.store(self.size(), Ordering::Relaxed);
        trial.next_offset.store(self.next_offset(), Ordering::Relaxed);
        let mut found = Vec::new();
        let mut see = |batch: &Batch<'_>| {
            found.push((trial.size() + batch.len() as u64, batch.base_offset()..batch.next_offset()));
            Ok(())
        };
        trial.scan_past_damage((to, ceiling), &mut see, &mut |_, _, _| {})?;
        Ok(found)
    }

    /// Writes a batch over the bytes behind the published ones.
    pub(crate) fn write_again(&self, batch: &Batch<'_>) -> Result<(), LogError> {
        let written = self.file.write_at(batch.bytes(), self.size());
        written.map_err(|error| LogError::io("writing", &self.path, &error))
    }

    /// Returns position and base offset of the first good batch behind a damaged place, if it is not far.
    pub(crate) fn batch_behind(
        &self,
        position: u64,
        to: u64,
        offsets: Range<i64>,
    ) -> Result<Option<(u64, i64)>, LogError> {
        let mut bytes = Vec::new();
        let wanted = (to - position).min(DAMAGE_SEARCH_MAX) as usize;
        read_into(&*self.file, &self.path, &mut bytes, position, wanted)?;
        // Where the damage has left the length alone, there.
        if let Ok(Some(len)) = Batch::peek_len(&bytes)
            && let Some(base_offset) = self.valid_base_offset_at(position + len as u64, to)?
            && offsets.contains(&base_offset)
        {
            return Ok(Some((position + len as u64, base_offset)));
        }
        let seeming = (1..bytes.len())
            .filter_map(|at| Some((position + at as u64, Batch::parse(&bytes[at..]).ok()?)))
            .filter(|(_, batch)| offsets.contains(&batch.base_offset()));
        for (at, batch) in seeming.take(SEEMING_BATCHES_MAX).filter(|(_, batch)| batch.validate().is_ok()) {
            // A record's value may hold a batch; behind that one the rest of the record follows.
            let behind = at + batch.len() as u64;
            if behind == to || self.base_offset_at(behind, to)?.is_some() {
                return Ok(Some((at, batch.base_offset())));
            }
        }
        Ok(None)
    }

    /// Returns the base offset of the batch at a position, if a good one is there.
    fn valid_base_offset_at(&self, position: u64, to: u64) -> Result<Option<i64>, LogError> {
        if self.base_offset_at(position, to)?.is_none() {
            return Ok(None);
        }
        // Its own bytes and no more: behind compaction's gaps each batch is asked for.
        let mut bytes = Vec::new();
        read_into(&*self.file, &self.path, &mut bytes, position, BATCH_HEADER_LEN)?;
        let Ok(Some(len)) = Batch::peek_len(&bytes) else { return Ok(None) };
        if len as u64 > to - position {
            return Ok(None);
        }
        read_into(&*self.file, &self.path, &mut bytes, position, len)?;
        let batch = Batch::parse(&bytes).ok().filter(|batch| batch.validate().is_ok());
        Ok(batch.map(|batch| batch.base_offset()))
    }

    /// Cuts the file behind the published bytes.
    pub(crate) fn cut(&self) -> Result<(), LogError> {
        let size = self.size();
        self.file.truncate(size).map_err(|error| LogError::io("cutting", &self.path, &error))?;
        self.file.sync_data().map_err(|error| LogError::io("syncing", &self.path, &error))?;
        if let Some(index) = self.index.write().expect("no holder panics").as_mut() {
            index.truncate(size);
        }
        Ok(())
    }

    /// Returns what its index file would say now; nothing may be appended meanwhile.
    pub(crate) fn summary(&self) -> IndexSummary {
        IndexSummary {
            log_size: self.size(),
            next_offset: self.next_offset(),
            max_timestamp: self.max_timestamp(),
            appended_ms: self.appended_ms(),
            entry_count: 0,
        }
    }

    /// Writes the index file without a sync: damage is noticed when it is read, and costs a scan.
    pub(crate) fn write_index(&self, disk: &dyn Disk) -> Result<(), LogError> {
        self.write_index_as_of(disk, self.summary()).map(|_| ())
    }

    /// Writes the index file as it was when the segment ended where the summary says, so that it survives a power cut
    /// once the directory is synced.
    pub(crate) fn write_durable_index(&self, disk: &dyn Disk, summary: IndexSummary) -> Result<(), LogError> {
        match self.write_index_as_of(disk, summary)? {
            Some(file) => {
                file.sync_data().map_err(|error| LogError::io("syncing", &self.index_path(), &error))
            }
            None => Ok(()),
        }
    }

    fn write_index_as_of(
        &self,
        disk: &dyn Disk,
        summary: IndexSummary,
    ) -> Result<Option<Arc<dyn DiskFile>>, LogError> {
        let bytes = match self.index.read().expect("no holder panics").as_ref() {
            Some(index) => index.encode(summary),
            None => return Ok(None),
        };
        let path = self.index_path();
        let file = disk.create(&path).map_err(|error| LogError::io("creating", &path, &error))?;
        file.write_at(&bytes, 0).map_err(|error| LogError::io("writing", &path, &error))?;
        Ok(Some(file))
    }

    fn index_path(&self) -> PathBuf {
        self.path.with_extension("index")
    }

    /// Returns where to start reading for an offset, and the offset below which nothing lies there.
    pub(crate) fn place_for_offset(&self, disk: &dyn Disk, offset: i64) -> Result<(u64, i64), LogError> {
        let relative = (offset - self.base_offset).clamp(0, u32::MAX as i64) as u32;
        let entry = self.with_index(disk, |index| index.entry_for_offset(relative))?;
        Ok(match entry {
            Some(entry) => (entry.position as u64, self.base_offset + entry.relative_offset as i64),
            None => (0, self.base_offset),
        })
    }

    /// Returns the base offset in the header at a position before `end`, if what is there looks like one.
    pub(crate) fn base_offset_at(&self, position: u64, end: u64) -> Result<Option<i64>, LogError> {
        if end.saturating_sub(position) < BATCH_HEADER_LEN as u64 {
            return Ok(None);
        }
        let mut header = [0; AT_MAGIC + 1];
        let read = self.file.read_at(&mut header, position);
        let read = read.map_err(|error| LogError::io("reading", &self.path, &error))?;
        Ok(peek_base_offset(&header[..read]))
    }

    /// Returns where to start reading for a timestamp.
    pub(crate) fn position_for_timestamp(&self, disk: &dyn Disk, timestamp: i64) -> Result<u64, LogError> {
        self.with_index(disk, |index| index.position_for_timestamp(timestamp))
    }

    /// Returns the next offset behind a damaged place where reading may succeed. `floor` is the offset of that place.
    pub(crate) fn resume_offset(&self, disk: &dyn Disk, position: u64, floor: i64) -> i64 {
        let mut resumes = self.resumes.lock().expect("no holder panics");
        if let Some(offset) = resumes.get(&position) {
            return *offset;
        }
        let noted = self.with_index(disk, |index| index.entry_after(position)).ok().flatten();
        let (to, noted_offset) = match noted {
            Some(entry) => (entry.position as u64, self.base_offset + entry.relative_offset as i64),
            None => (self.size(), self.next_offset()),
        };
        let found = self.batch_behind(position, to, floor + 1..noted_offset).ok().flatten();
        if found.is_none() && noted.is_none() {
            // There may be more later.
            return noted_offset;
        }
        if let Some((at, offset)) = found
            && let Some(index) = self.index.write().expect("no holder panics").as_mut()
        {
            let relative = (offset - self.base_offset) as u32;
            index.note_behind_damage(relative, at as u32, self.max_timestamp());
        }
        let offset = found.map_or(noted_offset, |(_, offset)| offset);
        if resumes.len() < RESUMES_MAX {
            resumes.insert(position, offset);
        }
        offset
    }

    fn with_index<T>(&self, disk: &dyn Disk, ask: impl Fn(&SparseIndex) -> T) -> Result<T, LogError> {
        if let Some(index) = self.index.read().expect("no holder panics").as_ref() {
            return Ok(ask(index));
        }
        let mut slot = self.index.write().expect("no holder panics");
        if slot.is_none() {
            *slot = Some(self.load_index(disk)?);
        }
        Ok(ask(slot.as_ref().expect("filled above")))
    }

    fn load_index(&self, disk: &dyn Disk) -> Result<SparseIndex, LogError> {
        let path = self.path.with_extension("index");
        if let Some(index) = read_index(disk, &path, self.size()) {
            return Ok(index);
        }
        let mut index = SparseIndex::default();
        let (mut position, mut max_timestamp) = (0u64, NO_TIMESTAMP);
        let end = scan_file(&*self.file, &self.path, 0, self.size(), &mut |batch| {
            let relative = (batch.base_offset() - self.base_offset) as u32;
            index.note(relative, position, max_timestamp, self.index_interval_bytes);
            max_timestamp = max_timestamp.max(batch.max_timestamp());
            position += batch.len() as u64;
            Ok(true)
        })?;
        if let Some(damage) = end.damage {
            tracing::warn!(path = %self.path.display(), position = end.position, %damage, "segment is damaged");
        }
        Ok(index)
    }
}

/// Returns the base offset of the header that some bytes begin with, if they look like one.
pub(crate) fn peek_base_offset(bytes: &[u8]) -> Option<i64> {
    let looks_right = matches!(Batch::peek_len(bytes), Ok(Some(_))) && *bytes.get(AT_MAGIC)? == 2;
    looks_right.then(|| bytes.first_chunk().map(|base| i64::from_be_bytes(*base)))?
}

/// Returns whether a batch can be at the offset its header says, which the checksum does not cover: not below `floor`,
/// where what lies before it ends, nor reaching beyond where the next one begins. One that begins at the floor is
/// right; if the next begins too early, then that one is wrong.
pub(crate) fn is_in_place(batch: &Batch<'_>, floor: i64, after: Option<i64>) -> bool {
    let base_offset = batch.base_offset();
    base_offset == floor || (base_offset > floor && after.is_none_or(|after| after >= batch.next_offset()))
}

/// Hands the valid batches between two positions to `see` until it returns false or bytes are damaged.
pub(crate) fn scan_file(
    file: &dyn DiskFile,
    path: &Path,
    from: u64,
    to: u64,
    see: &mut dyn FnMut(&Batch<'_>) -> Result<bool, LogError>,
) -> Result<ScanEnd, LogError> {
    let mut buffer = Vec::new();
    let mut position = from;
    while position < to {
        let left = to - position;
        let wanted = (SCAN_CHUNK_LEN as u64).min(left) as usize;
        read_into(file, path, &mut buffer, position, wanted)?;
        // A batch larger than the chunk: its length is checked against the file before memory is taken.
        match Batch::peek_len(&buffer) {
            Ok(Some(len)) if len > buffer.len() && len as u64 <= left => {
                read_into(file, path, &mut buffer, position, len)?;
            }
            _ => {}
        }
        let mut taken = 0;
        while taken < buffer.len() {
            let batch =
                match Batch::parse(&buffer[taken..]).and_then(|batch| batch.validate().map(|()| batch)) {
                    Ok(batch) => batch,
                    Err(BatchError::Cut { .. }) if taken > 0 => break,
                    Err(damage) => {
                        return Ok(ScanEnd { position: position + taken as u64, damage: Some(damage) });
                    }
                };
            if !see(&batch)? {
                let damage = BatchError::Malformed { what: "offset does not follow" };
                return Ok(ScanEnd { position: position + taken as u64, damage: Some(damage) });
            }
            taken += batch.len();
        }
        position += taken as u64;
    }
    Ok(ScanEnd { position, damage: None })
}

/// Replaces `buffer` with `len` bytes of the file.
pub(crate) fn read_into(
    file: &dyn DiskFile,
    path: &Path,
    buffer: &mut Vec<u8>,
    position: u64,
    len: usize,
) -> Result<(), LogError> {
    buffer.resize(len, 0);
    let read = file.read_at(buffer, position).map_err(|error| LogError::io("reading", path, &error))?;
    buffer.truncate(read);
    if read < len && read < BATCH_HEADER_LEN {
        return Err(LogError::io("reading", path, &std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

fn read_index_summary(disk: &dyn Disk, path: &Path) -> Option<IndexSummary> {
    let file = disk.open(path).ok()?;
    let mut header = [0; INDEX_HEADER_LEN];
    let read = file.read_at(&mut header, 0).ok()?;
    IndexSummary::decode(&header[..read])
}

fn read_index(disk: &dyn Disk, path: &Path, log_size: u64) -> Option<SparseIndex> {
    let summary = read_index_summary(disk, path)?;
    if summary.log_size != log_size {
        return None;
    }
    let file = disk.open(path).ok()?;
    // Bounded by the file: a header with a large count does not make us allocate.
    let mut bytes = vec![0; file.len().ok()? as usize];
    let read = file.read_at(&mut bytes, 0).ok()?;
    SparseIndex::decode(&bytes[..read], summary)
}

/// Returns the name of a segment's log file.
pub(crate) fn log_file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.log")
}

pub(crate) fn index_file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.index")
}

/// Returns the base offset in a log file's name.
pub(crate) fn parse_log_file_name(name: &str) -> Option<i64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}
