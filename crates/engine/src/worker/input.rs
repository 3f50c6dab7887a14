//! One topic partition as a task reads it: fetched in runs, decoded record by record.
//!
//! A few packed bytes can hold very many records. So what is fetched is unpacked in parts: no further batch is begun,
//! and in a batch no further record is looked for, when there is enough to do.

use std::ops::Range;
use std::sync::Arc;

use commitlog::{Batch, LogError, PartitionReader, UNPACKED_BATCH_BYTES_MAX, batches};
use runtime::{DecodeError, RawRecord, SourceBlock, SourceDecoder, SourceHeader, SourceRecord};

/// No further batch is unpacked when so much is; one takes [`UNPACKED_BATCH_BYTES_MAX`] at most. Little in tests, so
/// that a fetch has several parts.
const UNPACKED_BYTES_MAX: usize = if cfg!(test) { 2000 } else { 8 << 20 };
/// Records (and headers, where they are wanted) found at a time.
const RECORDS_MAX: usize = if cfg!(test) { 10 } else { 1 << 17 };
/// What a buffer keeps of its memory when it has been larger.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A part of a buffer.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    /// `u32::MAX` for null.
    len: u32,
}

impl Span {
    const NULL: Self = Self { start: 0, len: u32::MAX };

    #[inline]
    fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        (self.len != u32::MAX).then(|| &bytes[self.start as usize..][..self.len as usize])
    }
}

/// Where a record's bytes are.
#[derive(Clone, Debug)]
struct Place {
    key: Span,
    value: Span,
    timestamp: i64,
    offset: i64,
    /// In `unpacked` rather than in `fetched`.
    is_unpacked: bool,
    /// Place in `headers`.
    headers: Range<u32>,
}

/// A header's name and value, in the same buffer as its record.
type HeaderPlace = (Span, Span);

/// One topic partition being read.
pub(crate) struct Input {
    pub topic: Arc<str>,
    pub partition: u32,
    reader: PartitionReader,
    decoder: SourceDecoder,
    /// Whether the source has header columns.
    pub wants_headers: bool,
    fetched: Vec<u8>,
    /// Where the first batch of `fetched` begins that has not been gone through.
    unread: usize,
    /// Records of that batch that were found.
    found: usize,
    unpacked: Vec<u8>,
    scratch: Vec<u8>,
    places: Vec<Place>,
    headers: Vec<HeaderPlace>,
    next: usize,
    /// The offset after the last record taken.
    position: i64,
    /// Reading ends here (pull queries on streams).
    pub until: Option<i64>,
    loaded: Option<i64>,
    /// The next records, decoded.
    block: SourceBlock,
}

/// A record that could not be decoded.
pub(crate) struct Undecodable {
    pub offset: i64,
    pub error: DecodeError,
}

impl Input {
    pub fn new(
        reader: PartitionReader,
        decoder: SourceDecoder,
        wants_headers: bool,
        until: Option<i64>,
    ) -> Self {
        let position = reader.offset();
        Self {
            topic: reader.partition().topic().into(),
            partition: reader.partition().partition(),
            reader,
            decoder,
            wants_headers,
            fetched: vec![],
            unread: 0,
            found: 0,
            unpacked: vec![],
            scratch: vec![],
            places: vec![],
            headers: vec![],
            next: 0,
            position,
            until,
            loaded: None,
            block: SourceBlock::default(),
        }
    }

    /// The offset after the last record taken.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Whether all records found were taken.
    pub fn is_empty(&self) -> bool {
        self.next >= self.places.len()
    }

    /// Whether more may be found in what was fetched.
    fn has_unread(&self) -> bool {
        self.unread < self.fetched.len()
    }

    /// Whether there is something to take or to fetch.
    pub fn has_more(&self) -> bool {
        !self.is_empty() || self.has_unread() || self.reader.has_more()
    }

    /// Whether reading has come to its set end.
    pub fn is_done(&self) -> bool {
        self.until.is_some_and(|end| self.position >= end)
    }

    /// Fetches more when everything was taken; returns whether there is something to take.
    pub fn fill(&mut self, bytes_max: usize) -> Result<bool, LogError> {
        if !self.is_empty() {
            return Ok(true);
        }
        if self.is_done() {
            return Ok(false);
        }
        // A run may hold nothing but markers; go on until there is a record or the end.
        loop {
            empty(&mut self.places);
            empty(&mut self.headers);
            empty(&mut self.unpacked);
            self.next = 0;
            if self.has_unread() {
                self.find_records();
                if !self.is_empty() {
                    return Ok(true);
                }
                continue;
            }
            if !self.reader.has_more() {
                return Ok(false);
            }
            (self.unread, self.found) = (0, 0);
            empty(&mut self.scratch);
            if self.fetched.capacity() > KEPT_BYTES_MAX {
                self.fetched = vec![];
            }
            let before = self.reader.offset();
            let read = self.reader.read(bytes_max, &mut self.fetched);
            if let Err(error) = read {
                if let LogError::OffsetOutOfRange { start, .. } = &error
                    && before < *start
                {
                    // Retention was faster than we are.
                    tracing::warn!(
                        topic = &*self.topic,
                        partition = self.partition,
                        from = before,
                        to = *start,
                        "records deleted before they were read"
                    );
                    self.reader.seek(*start);
                    self.position = *start;
                    continue;
                }
                return Err(error);
            }
            self.find_records();
            if !self.is_empty() {
                return Ok(true);
            }
            if self.has_unread() {
                continue;
            }
            self.position = self.reader.offset();
            if self.reader.offset() == before {
                return Ok(false);
            }
        }
    }

    /// Goes on through what was fetched: at least to the next record, then until there is enough.
    fn find_records(&mut self) {
        for batch in batches(&self.fetched[self.unread..]) {
            let is_enough = self.places.len() + self.headers.len() >= RECORDS_MAX
                || self.unpacked.len() >= UNPACKED_BYTES_MAX;
            if is_enough {
                break;
            }
            let Ok(batch) = batch else {
                tracing::warn!(topic = &*self.topic, partition = self.partition, "damaged batch passed over");
                self.unread = self.fetched.len();
                break;
            };
            if batch.is_control() {
                self.unread += batch.len();
                continue;
            }
            let start = self.places.len();
            let found = find_in_batch(
                &batch,
                std::mem::take(&mut self.found),
                &self.fetched,
                &mut self.scratch,
                &mut self.unpacked,
                &mut self.places,
                self.wants_headers.then_some(&mut self.headers),
            );
            match found {
                Found::All => {}
                Found::Part(found) => {
                    self.found = found;
                    break;
                }
                Found::Damage => {
                    tracing::warn!(
                        topic = &*self.topic,
                        partition = self.partition,
                        offset = batch.base_offset(),
                        "damaged batch passed over"
                    );
                    self.places.truncate(start);
                }
            }
            self.unread += batch.len();
        }
        let from = self.position;
        let until = self.until.unwrap_or(i64::MAX);
        let is_within = |p: &Place| p.offset >= from && p.offset < until;
        // Offsets ascend, and mostly all of them are wanted.
        if !(self.places.first().is_none_or(is_within) && self.places.last().is_none_or(is_within)) {
            self.places.retain(is_within);
        }
    }

    #[inline]
    fn raw<'a>(&'a self, place: &Place, headers: &'a [SourceHeader<'a>]) -> RawRecord<'a> {
        let bytes = if place.is_unpacked { &self.unpacked } else { &self.fetched };
        RawRecord {
            key: place.key.of(bytes),
            value: place.value.of(bytes),
            headers,
            timestamp: place.timestamp,
            partition: self.partition as i32,
            offset: place.offset,
        }
    }

    /// Whether records can be taken in blocks.
    pub fn has_blocks(&self) -> bool {
        self.decoder.has_blocks()
    }

    /// Whether the next record fetched is at `bound` or behind it; then that is the position.
    pub fn is_at(&mut self, bound: i64) -> bool {
        let is_at = self.places.get(self.next).is_some_and(|place| place.offset >= bound);
        if is_at {
            // Between the last record and this one there are only markers.
            self.position = self.position.max(bound);
        }
        is_at
    }

    /// Decodes the next records, at most `records_max` and those before offset `bound`; returns how many.
    pub fn load_block(&mut self, records_max: usize, bound: i64) -> usize {
        self.block.clear();
        let end = self.places.len().min(self.next + records_max);
        for place in &self.places[self.next..end] {
            if place.offset >= bound {
                break;
            }
            let bytes = if place.is_unpacked { &self.unpacked } else { &self.fetched };
            let raw = RawRecord {
                key: place.key.of(bytes),
                value: place.value.of(bytes),
                headers: &[],
                timestamp: place.timestamp,
                partition: self.partition as i32,
                offset: place.offset,
            };
            self.decoder.load_into(&raw, &mut self.block);
        }
        self.block.len()
    }

    /// The nth record of the block, with the bytes of its key.
    #[inline]
    pub fn block_row(&self, n: usize) -> Result<(SourceRecord<'_>, Option<&[u8]>), Undecodable> {
        let place = &self.places[self.next + n];
        let raw = self.raw(place, &[]);
        match self.decoder.block_row(&self.block, n, &raw) {
            Ok(row) => Ok((row, raw.key)),
            Err(error) => Err(Undecodable { offset: place.offset, error: error.clone() }),
        }
    }

    /// Goes on behind the block.
    pub fn take_block(&mut self) {
        let count = self.block.len();
        self.block.clear();
        let Some(last) = count.checked_sub(1) else { return };
        self.next += last;
        self.take();
    }

    /// Decodes the next record and returns its time; `None` when everything fetched was taken.
    pub fn load(&mut self) -> Option<Result<i64, Undecodable>> {
        if let Some(timestamp) = self.loaded {
            return Some(Ok(timestamp));
        }
        let place = self.places.get(self.next)?.clone();
        let bytes = if place.is_unpacked { &self.unpacked } else { &self.fetched };
        let headers: Vec<SourceHeader<'_>> = self.headers
            [place.headers.start as usize..place.headers.end as usize]
            .iter()
            .map(|(key, value)| (key.of(bytes).unwrap_or_default(), value.of(bytes)))
            .collect();
        let raw = RawRecord {
            key: place.key.of(bytes),
            value: place.value.of(bytes),
            headers: &headers,
            timestamp: place.timestamp,
            partition: self.partition as i32,
            offset: place.offset,
        };
        match self.decoder.load(&raw) {
            Ok(timestamp) => {
                self.loaded = Some(timestamp);
                Some(Ok(timestamp))
            }
            Err(error) => {
                let bad = Undecodable { offset: place.offset, error };
                self.take();
                Some(Err(bad))
            }
        }
    }

    /// The record decoded by `load`.
    pub fn row(&self) -> SourceRecord<'_> {
        let place = &self.places[self.next];
        self.decoder.row(&self.raw(place, &[]))
    }

    /// Goes on to the next record.
    pub fn take(&mut self) {
        if let Some(place) = self.places.get(self.next) {
            self.position = place.offset + 1;
            self.next += 1;
            self.loaded = None;
        }
        if self.is_empty() && !self.has_unread() {
            // Behind the last record there may be markers.
            self.position = self.position.max(self.reader.offset().min(self.until.unwrap_or(i64::MAX)));
        }
    }
}

/// Empties a buffer; very much memory is given back.
fn empty<T>(buffer: &mut Vec<T>) {
    buffer.clear();
    buffer.shrink_to(KEPT_BYTES_MAX / size_of::<T>());
}

/// How far a search in a batch got.
enum Found {
    All,
    /// So many records are found; that is enough for now.
    Part(usize),
    Damage,
}

/// Finds the records of a batch behind the first `skipped`.
fn find_in_batch(
    batch: &Batch<'_>,
    skipped: usize,
    fetched: &[u8],
    scratch: &mut Vec<u8>,
    unpacked: &mut Vec<u8>,
    places: &mut Vec<Place>,
    mut headers: Option<&mut Vec<HeaderPlace>>,
) -> Found {
    let Ok(records) = batch.records(scratch, UNPACKED_BATCH_BYTES_MAX) else { return Found::Damage };
    let base = fetched.as_ptr() as usize;
    for (number, record) in records.enumerate().skip(skipped) {
        if places.len() + headers.as_ref().map_or(0, |headers| headers.len()) >= RECORDS_MAX {
            return Found::Part(number);
        }
        let Ok(record) = record else { return Found::Damage };
        // Bytes of an uncompressed batch stay where they are; others are copied next to each other.
        let probe = record.value.or(record.key);
        let is_unpacked = probe.is_some_and(|b| {
            let at = b.as_ptr() as usize;
            at < base || at + b.len() > base + fetched.len()
        });
        let mut ok = true;
        let mut span = |bytes: Option<&[u8]>| -> Span {
            let Some(bytes) = bytes else { return Span::NULL };
            let start = if is_unpacked {
                unpacked.extend_from_slice(bytes);
                unpacked.len() - bytes.len()
            } else {
                (bytes.as_ptr() as usize).wrapping_sub(base)
            };
            match (u32::try_from(start), u32::try_from(start.wrapping_add(bytes.len()))) {
                (Ok(start), Ok(end)) if end < u32::MAX => Span { start, len: end - start },
                _ => {
                    ok = false;
                    Span::NULL
                }
            }
        };
        let (key, value) = (span(record.key), span(record.value));
        let mut places_of_headers = 0..0;
        if let Some(headers) = &mut headers {
            places_of_headers.start = headers.len() as u32;
            for header in record.headers() {
                let Ok(header) = header else { return Found::Damage };
                headers.push((span(Some(header.key)), span(header.value)));
            }
            places_of_headers.end = headers.len() as u32;
        }
        if !ok {
            return Found::Damage;
        }
        places.push(Place {
            key,
            value,
            timestamp: record.timestamp,
            offset: record.offset,
            is_unpacked,
            headers: places_of_headers,
        });
    }
    Found::All
}

#[cfg(test)]
mod tests;
