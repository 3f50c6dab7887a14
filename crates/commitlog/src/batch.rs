//! A record batch as Kafka writes it (magic 2): a view over its bytes, checks, and its records.
//!
//! ```text
//! base offset i64 · length i32 · leader epoch i32 · magic i8 · crc u32 ·
//! attributes i16 · last offset delta i32 · base timestamp i64 · max timestamp i64 ·
//! producer id i64 · producer epoch i16 · base sequence i32 · record count i32 · records
//! ```
//!
//! All big-endian. The CRC32C covers everything from the attributes on, so the broker may set base offset and
//! leader epoch without touching it. Attributes: bits 0–2 codec, 3 log append time, 4 transactional, 5 control.

use crate::compression::Compression;
use crate::varint::take_varint;

/// Bytes before the records.
pub const BATCH_HEADER_LEN: usize = 61;
/// Base offset and length: what precedes the counted part.
pub const BATCH_PREFIX_LEN: usize = 12;
/// The producer id of a producer without idempotence.
pub const NO_PRODUCER_ID: i64 = -1;
/// A record is at least this long: length, attributes, two deltas, key and value length, header count.
const RECORD_LEN_MIN: usize = 7;

pub(crate) const AT_LENGTH: usize = 8;
const AT_LEADER_EPOCH: usize = 12;
pub(crate) const AT_MAGIC: usize = 16;
pub(crate) const AT_CRC: usize = 17;
pub(crate) const AT_ATTRIBUTES: usize = 21;
pub(crate) const AT_LAST_OFFSET_DELTA: usize = 23;
pub(crate) const AT_BASE_TIMESTAMP: usize = 27;
pub(crate) const AT_MAX_TIMESTAMP: usize = 35;
pub(crate) const AT_PRODUCER_ID: usize = 43;
pub(crate) const AT_PRODUCER_EPOCH: usize = 51;
pub(crate) const AT_BASE_SEQUENCE: usize = 53;
pub(crate) const AT_RECORD_COUNT: usize = 57;

pub(crate) const ATTRIBUTE_LOG_APPEND_TIME: i16 = 1 << 3;
pub(crate) const ATTRIBUTE_TRANSACTIONAL: i16 = 1 << 4;
pub(crate) const ATTRIBUTE_CONTROL: i16 = 1 << 5;

/// Why bytes are not a record batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("record batch is cut: {have} bytes of {need}")]
    Cut {
        /// Bytes present.
        have: usize,
        /// Bytes the header asks for.
        need: usize,
    },
    /// The length field cannot be right.
    #[error("record batch has the impossible length {length}")]
    Length {
        /// The field's value.
        length: i32,
    },
    /// Message formats before Kafka 0.11.
    #[error("record batch has magic {magic}, only 2 is supported")]
    Magic {
        /// The byte found.
        magic: i8,
    },
    /// The checksum does not match.
    #[error("record batch at offset {base_offset} has checksum {found:08x}, its bytes give {computed:08x}")]
    Checksum {
        /// Base offset from the header.
        base_offset: i64,
        /// The checksum in the header.
        found: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Counts, offsets or a record's inner lengths disagree.
    #[error("record batch is malformed: {what}")]
    Malformed {
        /// What disagrees.
        what: &'static str,
    },
    /// The codec is unknown.
    #[error("record batch uses the unknown codec {codec}")]
    Codec {
        /// The number found.
        codec: i16,
    },
    /// The packed records cannot be unpacked.
    #[error("records of the batch cannot be decompressed")]
    Decompression,
    /// The records are larger than allowed.
    #[error("records of the batch take {size} bytes or more, the limit is {max}")]
    TooLarge {
        /// Size reached.
        size: usize,
        /// The limit.
        max: usize,
    },
}

/// A view of one batch; the bytes are exactly the batch's.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads the batch at the front of `bytes`, checking lengths and magic only; what follows it is not looked at.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Batch<'a>, BatchError> {
        let len = match Batch::peek_len(bytes)? {
            Some(len) if bytes.len() >= len => len,
            Some(len) => return Err(BatchError::Cut { have: bytes.len(), need: len }),
            None => return Err(BatchError::Cut { have: bytes.len(), need: BATCH_HEADER_LEN }),
        };
        let batch = Batch { bytes: &bytes[..len] };
        let magic = batch.bytes[AT_MAGIC] as i8;
        if magic != 2 {
            return Err(BatchError::Magic { magic });
        }
        Ok(batch)
    }

    /// Returns the whole length of the batch starting at `bytes`; `None` while fewer than 12 bytes are there.
    #[inline]
    pub fn peek_len(bytes: &[u8]) -> Result<Option<usize>, BatchError> {
        if bytes.len() < BATCH_PREFIX_LEN {
            return Ok(None);
        }
        let length = i32_at(bytes, AT_LENGTH);
        if length < (BATCH_HEADER_LEN - BATCH_PREFIX_LEN) as i32 {
            return Err(BatchError::Length { length });
        }
        Ok(Some(length as usize + BATCH_PREFIX_LEN))
    }

    /// Returns the batch's bytes.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the length in bytes.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the offset of the first record (or of what was the first, after compaction).
    #[inline]
    pub fn base_offset(&self) -> i64 {
        i64_at(self.bytes, 0)
    }

    /// Returns the offset of the last record.
    #[inline]
    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(self.last_offset_delta() as i64)
    }

    /// Returns the offset after the last record.
    #[inline]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Returns the leader epoch.
    pub fn leader_epoch(&self) -> i32 {
        i32_at(self.bytes, AT_LEADER_EPOCH)
    }

    /// Returns the checksum field.
    pub fn crc(&self) -> u32 {
        i32_at(self.bytes, AT_CRC) as u32
    }

    /// Returns the attribute bits.
    #[inline]
    pub fn attributes(&self) -> i16 {
        i16_at(self.bytes, AT_ATTRIBUTES)
    }

    /// Returns last offset minus base offset.
    #[inline]
    pub fn last_offset_delta(&self) -> i32 {
        i32_at(self.bytes, AT_LAST_OFFSET_DELTA)
    }

    /// Returns the timestamp that the records' deltas count from.
    #[inline]
    pub fn base_timestamp(&self) -> i64 {
        i64_at(self.bytes, AT_BASE_TIMESTAMP)
    }

    /// Returns the largest timestamp, or the append time.
    #[inline]
    pub fn max_timestamp(&self) -> i64 {
        i64_at(self.bytes, AT_MAX_TIMESTAMP)
    }

    /// Returns the producer id, −1 without idempotence.
    #[inline]
    pub fn producer_id(&self) -> i64 {
        i64_at(self.bytes, AT_PRODUCER_ID)
    }

    /// Returns the producer's epoch.
    #[inline]
    pub fn producer_epoch(&self) -> i16 {
        i16_at(self.bytes, AT_PRODUCER_EPOCH)
    }

    /// Returns the sequence number of the first record.
    #[inline]
    pub fn base_sequence(&self) -> i32 {
        i32_at(self.bytes, AT_BASE_SEQUENCE)
    }

    /// Returns the number of records.
    #[inline]
    pub fn record_count(&self) -> i32 {
        i32_at(self.bytes, AT_RECORD_COUNT)
    }

    /// Returns whether the records belong to a transaction.
    #[inline]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & ATTRIBUTE_TRANSACTIONAL != 0
    }

    /// Returns whether this is a commit or abort marker.
    #[inline]
    pub fn is_control(&self) -> bool {
        self.attributes() & ATTRIBUTE_CONTROL != 0
    }

    /// Returns whether the broker's append time stands for the records' timestamps.
    #[inline]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes() & ATTRIBUTE_LOG_APPEND_TIME != 0
    }

    /// Returns the codec.
    #[inline]
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let codec = self.attributes() & 7;
        Compression::from_id(codec).ok_or(BatchError::Codec { codec })
    }

    /// Checks the CRC and that the header's counts are possible; does not look into the records.
    pub fn validate(&self) -> Result<(), BatchError> {
        let computed = crc32c(&self.bytes[AT_ATTRIBUTES..]);
        if computed != self.crc() {
            return Err(BatchError::Checksum {
                base_offset: self.base_offset(),
                found: self.crc(),
                computed,
            });
        }
        let compression = self.compression()?;
        let count = self.record_count();
        let delta = self.last_offset_delta();
        if count < 0 || delta < 0 {
            return Err(BatchError::Malformed { what: "a count is negative" });
        }
        // Compaction leaves gaps, so fewer records than offsets are fine, more are not.
        if count as i64 > delta as i64 + 1 {
            return Err(BatchError::Malformed { what: "more records than offsets" });
        }
        if self.base_offset() < 0 || self.base_offset().checked_add(delta as i64 + 1).is_none() {
            return Err(BatchError::Malformed { what: "offset out of range" });
        }
        if compression == Compression::None
            && (self.bytes.len() - BATCH_HEADER_LEN) / RECORD_LEN_MIN < count as usize
        {
            return Err(BatchError::Malformed { what: "more records than bytes" });
        }
        Ok(())
    }

    /// Checks what [`Batch::validate`] does and every record, as for batches from an unknown producer: offsets
    /// must be 0, 1, 2 … and nothing may be left over. `scratch` takes unpacked records.
    pub fn validate_records(&self, scratch: &mut Vec<u8>, max_bytes: usize) -> Result<(), BatchError> {
        self.validate()?;
        let mut expected = self.base_offset();
        let mut records = self.records(scratch, max_bytes)?;
        for record in records.by_ref() {
            let record = record?;
            if record.offset != expected {
                return Err(BatchError::Malformed { what: "record offsets are not consecutive" });
            }
            for header in record.headers() {
                header?;
            }
            expected += 1;
        }
        if expected != self.next_offset() {
            return Err(BatchError::Malformed { what: "last offset does not match the records" });
        }
        if !records.rest.is_empty() {
            return Err(BatchError::Malformed { what: "bytes after the last record" });
        }
        Ok(())
    }

    /// Iterates over the records. Unpacked records are read in place; packed ones are unpacked into `scratch`,
    /// at most `max_bytes`.
    pub fn records<'b>(&self, scratch: &'b mut Vec<u8>, max_bytes: usize) -> Result<Records<'b>, BatchError>
    where
        'a: 'b,
    {
        let compression = self.compression()?;
        let packed = &self.bytes[BATCH_HEADER_LEN..];
        let rest: &'b [u8] = if compression == Compression::None {
            packed
        } else {
            compression.decompress(packed, scratch, max_bytes)?;
            scratch
        };
        let append_time = self.is_log_append_time().then(|| self.max_timestamp());
        Ok(Records {
            rest,
            left: self.record_count().max(0) as u32,
            base_offset: self.base_offset(),
            base_timestamp: self.base_timestamp(),
            append_time,
        })
    }

    /// Returns a control batch's decision.
    pub fn control_type(&self) -> Option<ControlType> {
        if !self.is_control() || self.compression() != Ok(Compression::None) {
            return None;
        }
        let mut scratch = Vec::new();
        let record = self.records(&mut scratch, 0).ok()?.next()?.ok()?;
        let key = record.key?;
        match i16::from_be_bytes(*key.get(2..4)?.first_chunk()?) {
            0 => Some(ControlType::Abort),
            1 => Some(ControlType::Commit),
            _ => None,
        }
    }
}

/// What a control batch says about its producer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// The records since the last marker are void.
    Abort,
    /// The records since the last marker count.
    Commit,
}

/// One record; its bytes belong to the batch.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Position in the partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key, if any.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    headers: &'a [u8],
    header_count: u32,
}

impl<'a> Record<'a> {
    /// Iterates over the headers.
    pub fn headers(&self) -> Headers<'a> {
        Headers { rest: self.headers, left: self.header_count }
    }

    /// Returns the number of headers the record says it has.
    pub fn header_count(&self) -> usize {
        self.header_count as usize
    }
}

/// A record's header: a name and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name; Kafka wants UTF-8, this is not checked here.
    pub key: &'a [u8],
    /// The value, if any.
    pub value: Option<&'a [u8]>,
}

/// The records of a batch in order. Stops after the first error.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: u32,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl<'a> Records<'a> {
    #[inline(always)]
    fn take(&mut self) -> Option<Record<'a>> {
        let len = take_varint(&mut self.rest)?;
        if len < 0 || len as usize > self.rest.len() {
            return None;
        }
        let (mut body, rest) = self.rest.split_at(len as usize);
        self.rest = rest;
        let (_attributes, after) = body.split_first()?;
        body = after;
        let timestamp_delta = take_varint(&mut body)?;
        let offset_delta = take_varint(&mut body)?;
        let key = take_bytes(&mut body)?;
        let value = take_bytes(&mut body)?;
        let header_count = take_varint(&mut body)?;
        // A header takes at least two bytes.
        if header_count < 0
            || header_count as usize > body.len() / 2
            || (header_count == 0 && !body.is_empty())
        {
            return None;
        }
        Some(Record {
            offset: self.base_offset.wrapping_add(offset_delta),
            timestamp: self.append_time.unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers: body,
            header_count: header_count as u32,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let record = self.take();
        if record.is_none() {
            self.left = 0;
        }
        Some(record.ok_or(BatchError::Malformed { what: "a record's lengths do not fit" }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

/// The headers of a record in order. Stops after the first error.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Headers<'a> {
    fn take(&mut self) -> Option<Header<'a>> {
        let key = take_bytes(&mut self.rest)??;
        let value = take_bytes(&mut self.rest)?;
        if self.left == 0 && !self.rest.is_empty() {
            return None;
        }
        Some(Header { key, value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<Header<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let header = self.take();
        if header.is_none() {
            self.left = 0;
        }
        Some(header.ok_or(BatchError::Malformed { what: "a header's lengths do not fit" }))
    }
}

/// Iterates over the batches that lie one after the other in `bytes`; a cut batch at the end is an error.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

/// The batches of a buffer in order. Stops after the first error.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = Batch::parse(self.rest);
        self.rest = match &batch {
            Ok(batch) => &self.rest[batch.len()..],
            Err(_) => &[],
        };
        Some(batch)
    }
}

/// Takes a length and that many bytes; the outer `None` is a malformed length, the inner one Kafka's null.
#[inline(always)]
#[allow(clippy::option_option)]
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = take_varint(bytes)?;
    if len < 0 {
        return (len == -1).then_some(None);
    }
    if len as u64 > bytes.len() as u64 {
        return None;
    }
    let (taken, rest) = bytes.split_at(len as usize);
    *bytes = rest;
    Some(Some(taken))
}

/// Sets the base offset, which the CRC does not cover.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    put_at(batch, 0, base_offset.to_be_bytes());
}

/// Sets the leader epoch, which the CRC does not cover.
pub fn set_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    put_at(batch, AT_LEADER_EPOCH, leader_epoch.to_be_bytes());
}

/// Stamps a finished batch with its producer and, if wanted, the transactional bit, and sums it again.
pub fn set_producer(
    batch: &mut [u8],
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    transactional: bool,
) {
    put_at(batch, AT_PRODUCER_ID, producer_id.to_be_bytes());
    put_at(batch, AT_PRODUCER_EPOCH, producer_epoch.to_be_bytes());
    put_at(batch, AT_BASE_SEQUENCE, base_sequence.to_be_bytes());
    let attributes = i16_at(batch, AT_ATTRIBUTES) & !ATTRIBUTE_TRANSACTIONAL;
    let attributes = if transactional { attributes | ATTRIBUTE_TRANSACTIONAL } else { attributes };
    put_at(batch, AT_ATTRIBUTES, attributes.to_be_bytes());
    set_crc(batch);
}

/// Makes the append time stand for the records' timestamps and sums the batch again.
pub(crate) fn set_log_append_time(batch: &mut [u8], now_ms: i64) {
    let attributes = i16_at(batch, AT_ATTRIBUTES) | ATTRIBUTE_LOG_APPEND_TIME;
    put_at(batch, AT_ATTRIBUTES, attributes.to_be_bytes());
    put_at(batch, AT_MAX_TIMESTAMP, now_ms.to_be_bytes());
    set_crc(batch);
}

/// Makes the records' own timestamps count and sums the batch again.
pub(crate) fn set_create_time(batch: &mut [u8]) {
    let attributes = i16_at(batch, AT_ATTRIBUTES) & !ATTRIBUTE_LOG_APPEND_TIME;
    put_at(batch, AT_ATTRIBUTES, attributes.to_be_bytes());
    set_crc(batch);
}

/// Computes and stores the CRC of a whole batch.
pub(crate) fn set_crc(batch: &mut [u8]) {
    let crc = crc32c(&batch[AT_ATTRIBUTES..]);
    put_at(batch, AT_CRC, crc.to_be_bytes());
}

/// Returns the CRC32C (Castagnoli) of `bytes`.
#[inline]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

#[inline(always)]
pub(crate) fn put_at<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[inline(always)]
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("the caller checked that the header is whole")
}

#[inline(always)]
fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(array_at(bytes, at))
}

#[inline(always)]
fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array_at(bytes, at))
}

#[inline(always)]
fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(array_at(bytes, at))
}
