//! Reading: whole batches copied into the caller's buffer, checked, without a lock held by writers or syncs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::batch::{Batch, BatchError};
use crate::error::LogError;
use crate::partition::Partition;
use crate::producer::AbortedTransaction;
use crate::segment::{Segment, is_in_place, peek_base_offset, scan_file};

/// Whether records of open and aborted transactions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Everything that is written.
    ReadUncommitted,
    /// Only what is decided and not aborted.
    ReadCommitted,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadInfo {
    /// Where to read on; past everything looked at, also what was left out.
    pub next_offset: i64,
    /// The partition's first offset.
    pub log_start_offset: i64,
    /// The offset read-committed readers see up to.
    pub last_stable_offset: i64,
    /// The offset after the last record.
    pub high_watermark: i64,
}

/// A place in a partition kept between reads.
#[derive(Default)]
struct Cursor {
    segment: Option<Arc<Segment>>,
    position: u64,
    offset: i64,
    /// Where the batches before `position` end.
    floor: i64,
    /// The longest batch of the last read: the next ones will hardly be longer.
    batch_len: usize,
}

impl Cursor {
    /// How much of `bytes_max` to read, so that a cut batch at the end is seldom read in vain.
    fn whole_batches(&self, bytes_max: usize) -> usize {
        match bytes_max.checked_div(self.batch_len) {
            Some(count @ 1..) => count * self.batch_len,
            _ => bytes_max,
        }
    }
}

impl Partition {
    /// Replaces `out` with whole batches from the one that has `offset` on, as they lie in the log: with markers and
    /// aborted records, as Kafka's fetch answers them.
    ///
    /// At most `max_bytes`, but at least one batch if there is one; nothing where `max_bytes` is 0.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        isolation: Isolation,
        out: &mut Vec<u8>,
    ) -> Result<ReadInfo, LogError> {
        self.read_at(&mut Cursor::default(), offset, max_bytes, isolation, out)
    }

    /// Returns the aborted transactions with records between two offsets, for the answer to a read-committed fetch.
    pub fn aborted_transactions(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        let aborted = self.aborted.read().expect("no holder panics").clone();
        aborted[aborted.partition_point(|a| a.last_offset < from)..]
            .iter()
            .filter(|a| a.first_offset < to)
            .copied()
            .collect()
    }

    /// Returns a reader for in-process use.
    pub fn reader(self: &Arc<Partition>, offset: i64, isolation: Isolation) -> PartitionReader {
        PartitionReader { partition: self.clone(), isolation, offset, cursor: Cursor::default() }
    }

    /// Returns the first offset whose record has at least this timestamp, and that timestamp; `None` when all are older.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<(i64, i64)>, LogError> {
        self.check_alive()?;
        let offsets = self.offsets();
        let mut scratch = Vec::new();
        for segment in self.segments().iter().filter(|segment| segment.max_timestamp() >= timestamp) {
            let from = segment.position_for_timestamp(&*self.shared.disk, timestamp)?;
            let mut answer = None;
            scan_file(&*segment.file, &segment.path, from, segment.size(), &mut |batch| {
                if batch.max_timestamp() < timestamp || batch.last_offset() < offsets.log_start {
                    return Ok(true);
                }
                let limit = crate::partition::UNPACKED_BATCH_BYTES_MAX;
                let Ok(records) = batch.records(&mut scratch, limit) else { return Ok(true) };
                answer = records
                    .flatten()
                    .find(|record| record.timestamp >= timestamp && record.offset >= offsets.log_start)
                    .map(|record| (record.offset, record.timestamp));
                Ok(answer.is_none())
            })?;
            if answer.is_some() {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// Returns the first offset among those with the largest timestamp, and that timestamp; `None` without records.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<(i64, i64)>, LogError> {
        let log_start = self.offsets().log_start;
        let segments = self.segments();
        let newest = segments
            .iter()
            .filter(|segment| segment.next_offset() > log_start && segment.size() > 0)
            .map(|segment| segment.max_timestamp())
            .max();
        match newest {
            Some(newest) => self.offset_for_timestamp(newest),
            None => Ok(None),
        }
    }

    fn read_at(
        &self,
        cursor: &mut Cursor,
        offset: i64,
        max_bytes: usize,
        isolation: Isolation,
        out: &mut Vec<u8>,
    ) -> Result<ReadInfo, LogError> {
        // What `out` holds is written over rather than cleared: to fill it with zeros first takes a tenth as long as to
        // read.
        let read = self.read_over(cursor, offset, max_bytes, isolation, out);
        out.truncate(read.as_ref().map_or(0, |(_, len)| *len));
        read.map(|(info, _)| info)
    }

    /// As `read_at`; tells how much of `out` is the answer.
    fn read_over(
        &self,
        cursor: &mut Cursor,
        offset: i64,
        max_bytes: usize,
        isolation: Isolation,
        out: &mut Vec<u8>,
    ) -> Result<(ReadInfo, usize), LogError> {
        self.check_alive()?;
        let offsets = self.offsets();
        if offset < offsets.log_start || offset > offsets.next {
            return Err(LogError::OffsetOutOfRange {
                topic: self.topic.to_string(),
                partition: self.partition,
                offset,
                start: offsets.log_start,
                end: offsets.next,
            });
        }
        let limit = match isolation {
            Isolation::ReadUncommitted => offsets.next,
            Isolation::ReadCommitted => offsets.last_stable,
        };
        let (next_offset, len) =
            if offset < limit { self.fill(cursor, offset, limit, max_bytes, out)? } else { (offset, 0) };
        let info = ReadInfo {
            next_offset,
            log_start_offset: offsets.log_start,
            last_stable_offset: offsets.last_stable,
            high_watermark: offsets.next,
        };
        Ok((info, len))
    }

    fn fill(
        &self,
        cursor: &mut Cursor,
        offset: i64,
        limit: i64,
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(i64, usize), LogError> {
        let mut next = offset;
        let mut filled = 0;
        let (mut segment, mut position, mut floor) = match cursor.segment.take() {
            Some(segment) if cursor.offset == offset && self.has(&segment) => {
                (segment, cursor.position, cursor.floor)
            }
            _ => self.find(offset)?,
        };
        let mut batch_len = 0;
        'segments: loop {
            let left = segment.size().saturating_sub(position);
            if left == 0 {
                match self.segments().iter().find(|other| other.base_offset > segment.base_offset) {
                    Some(after) if after.base_offset < limit => {
                        next = next.max(segment.next_offset());
                        (segment, position, floor) = (after.clone(), 0, after.base_offset);
                        continue;
                    }
                    _ => break,
                }
            }
            if filled >= max_bytes {
                break;
            }
            let mut wanted = left.min(cursor.whole_batches(max_bytes - filled) as u64) as usize;
            let mut got = read_more(&segment, out, filled, position, wanted)?;
            if let Ok(Some(len)) = Batch::peek_len(&out[filled..filled + got])
                && len > got
                && len as u64 <= left
                && filled == 0
            {
                // The first batch is answered whole, however small `max_bytes`.
                wanted = len;
                got = read_more(&segment, out, filled, position, wanted)?;
            } else if got < crate::batch::BATCH_PREFIX_LEN && filled == 0 && left > got as u64 {
                wanted = crate::batch::BATCH_HEADER_LEN.min(left as usize);
                got = read_more(&segment, out, filled, position, wanted)?;
                if let Ok(Some(len)) = Batch::peek_len(&out[..got])
                    && len as u64 <= left
                {
                    got = read_more(&segment, out, filled, position, len)?;
                }
            }
            // Walk the batches: leave out those before the offset, stop at the limit or the cut last one.
            let (mut keep_from, mut end) = (filled, filled);
            let mut done = false;
            let read = &out[..filled + got];
            while end < read.len() {
                let place = Place { segment: &segment, position: position + (end - filled) as u64, floor };
                let checked = Batch::parse(&read[end..])
                    .and_then(|batch| place.check(&batch, &read[end..]).map(|()| batch));
                let batch = match checked {
                    Ok(batch) => batch,
                    Err(BatchError::Cut { .. }) if end > filled || filled > 0 => {
                        // The next read has it whole; only what comes before the offset is no answer.
                        done = end == filled || end > keep_from;
                        break;
                    }
                    Err(source) => {
                        if end > keep_from || filled > 0 {
                            // Answer what is good; the next read meets the damage.
                            done = true;
                            break;
                        }
                        let at = position + (end - filled) as u64;
                        let resume_offset = segment.resume_offset(&*self.shared.disk, at, floor);
                        if resume_offset <= offset {
                            // The damage is before what is wanted.
                            let behind = self.find(offset)?;
                            if behind.0.base_offset == segment.base_offset && behind.1 > at {
                                (segment, position, floor) = behind;
                                continue 'segments;
                            }
                        }
                        self.note_damage(next, &source);
                        return Err(LogError::Corrupt {
                            topic: self.topic.to_string(),
                            partition: self.partition,
                            offset: next,
                            resume_offset: resume_offset.max(next + 1),
                            source,
                        });
                    }
                };
                if batch.base_offset() >= limit {
                    done = true;
                    break;
                }
                let len = batch.len();
                let last_offset = batch.last_offset();
                floor = last_offset + 1;
                batch_len = batch_len.max(len);
                end += len;
                if last_offset < offset {
                    keep_from = end;
                } else {
                    next = last_offset + 1;
                }
            }
            position += (end - filled) as u64;
            if keep_from > filled {
                out.copy_within(keep_from..end, filled);
            }
            filled += end - keep_from;
            if done || next >= limit {
                break;
            }
        }
        *cursor = Cursor { segment: Some(segment), position, offset: next, floor, batch_len };
        Ok((next, filled))
    }

    /// Returns whether a segment is the partition's still: compaction replaces it, and after a while what was aborted in it
    /// is not known any more.
    fn has(&self, segment: &Arc<Segment>) -> bool {
        let segments = self.segments();
        let after = segments.partition_point(|other| other.base_offset <= segment.base_offset);
        segments[..after].last().is_some_and(|other| Arc::ptr_eq(other, segment))
    }

    /// Returns the segment that has an offset, where to start in it, and the offset below which nothing lies there.
    fn find(&self, offset: i64) -> Result<(Arc<Segment>, u64, i64), LogError> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.base_offset <= offset);
        let segment = segments[after.saturating_sub(1)].clone();
        let (position, floor) = segment.place_for_offset(&*self.shared.disk, offset)?;
        Ok((segment, position, floor))
    }
}

/// Where a batch lies.
struct Place<'a> {
    segment: &'a Segment,
    position: u64,
    /// Where what lies before it ends.
    floor: i64,
}

impl Place<'_> {
    /// Checks a batch and, because the CRC does not cover it, that its base offset fits between its neighbours.
    fn check(&self, batch: &Batch<'_>, from_here: &[u8]) -> Result<(), BatchError> {
        batch.validate()?;
        let behind = &from_here[batch.len()..];
        let after = match peek_base_offset(behind) {
            // Only a batch behind a gap, which compaction left, can be where the floor does not say.
            None if batch.base_offset() > self.floor => {
                // Whoever reads on meets an error there.
                let position = self.position + batch.len() as u64;
                self.segment.base_offset_at(position, self.segment.size()).ok().flatten()
            }
            after => after,
        };
        if !is_in_place(batch, self.floor, after) || batch.next_offset() > self.segment.next_offset() {
            return Err(BatchError::Malformed { what: "offset does not follow" });
        }
        Ok(())
    }
}

/// Reads at most `wanted` bytes to `out[filled..]`, over what is there; returns how many.
fn read_more(
    segment: &Segment,
    out: &mut Vec<u8>,
    filled: usize,
    position: u64,
    wanted: usize,
) -> Result<usize, LogError> {
    let failed = |error| LogError::io("reading", &segment.path, &error);
    let got = if out.len() == filled {
        segment.file.read_append(out, wanted, position).map_err(failed)?;
        out.len() - filled
    } else {
        if out.len() < filled + wanted {
            out.resize(filled + wanted, 0);
        }
        segment.file.read_at(&mut out[filled..filled + wanted], position).map_err(failed)?
    };
    if got == 0 {
        return Err(LogError::io("reading", &segment.path, &std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(got)
}

/// Reads one partition in order, keeping its place: in-process readers get records only, no markers and (read
/// committed) nothing aborted.
pub struct PartitionReader {
    partition: Arc<Partition>,
    isolation: Isolation,
    offset: i64,
    cursor: Cursor,
}

impl PartitionReader {
    /// Returns the partition read.
    pub fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Returns the offset the next read begins at.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Moves to another offset.
    pub fn seek(&mut self, offset: i64) {
        self.offset = offset;
        self.cursor.segment = None;
    }

    /// Returns whether a read would find something.
    pub fn has_more(&self) -> bool {
        let visible = match self.isolation {
            Isolation::ReadUncommitted => &self.partition.next,
            Isolation::ReadCommitted => &self.partition.last_stable,
        };
        self.offset < visible.load(Ordering::Acquire)
    }

    /// Replaces `out` with the next batches, about `max_bytes`, and moves on. `out` can stay empty although the offset
    /// moved, when all of it was markers or aborted. The first batch may begin below [`PartitionReader::offset`]
    /// after a seek into its middle.
    pub fn read(&mut self, max_bytes: usize, out: &mut Vec<u8>) -> Result<ReadInfo, LogError> {
        let info = self.partition.read_at(&mut self.cursor, self.offset, max_bytes, self.isolation, out)?;
        if !out.is_empty() {
            self.leave_out(out, info.next_offset);
        }
        self.offset = info.next_offset;
        Ok(info)
    }

    fn leave_out(&self, out: &mut Vec<u8>, to: i64) {
        let aborted = match self.isolation {
            Isolation::ReadCommitted => self.partition.aborted_transactions(self.offset, to),
            Isolation::ReadUncommitted => Vec::new(),
        };
        let (mut from, mut kept) = (0, 0);
        while from < out.len() {
            let batch = Batch::parse(&out[from..]).expect("the read has parsed it");
            let len = batch.len();
            let offset = batch.base_offset();
            let void = batch.is_control()
                || (batch.is_transactional()
                    && aborted.iter().any(|a| {
                        a.producer_id == batch.producer_id()
                            && (a.first_offset..=a.last_offset).contains(&offset)
                    }));
            if !void {
                if kept < from {
                    out.copy_within(from..from + len, kept);
                }
                kept += len;
            }
            from += len;
        }
        out.truncate(kept);
    }
}
