//! Writes record batches into a buffer that is used again and again.

use crate::batch::*;
use crate::compression::Compression;
use crate::varint::{put_varint, varint_len};

/// Collects records and finishes them as one batch. One builder makes many batches without allocating.
///
/// Offsets start at 0; the partition assigns the real base offset when the batch is appended.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    packed: Vec<u8>,
    compression: Compression,
    count: u32,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// Makes a builder of uncompressed batches.
    pub fn new() -> BatchBuilder {
        BatchBuilder::default()
    }

    /// Makes a builder of batches packed with `compression`.
    pub fn with_compression(compression: Compression) -> BatchBuilder {
        BatchBuilder { compression, ..BatchBuilder::default() }
    }

    /// Starts over, keeping the buffer.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Takes another codec from the next batch on.
    pub fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    pub(crate) fn set_last_offset_delta(&mut self, delta: i32) {
        self.last_offset_delta = delta;
    }

    /// Returns the number of records collected.
    pub fn record_count(&self) -> usize {
        self.count as usize
    }

    /// Returns whether no record was collected.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the batch's size so far, before compression.
    pub fn size(&self) -> usize {
        self.bytes.len().max(BATCH_HEADER_LEN)
    }

    /// Adds a record.
    #[inline]
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        let offset_delta = self.count as i32;
        self.append_at(offset_delta, timestamp, key, value, headers.iter().copied(), headers.len());
    }

    /// Adds a record at a given distance from the base offset, as compaction does.
    #[inline]
    pub(crate) fn append_at<'a>(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = Header<'a>> + Clone,
        header_count: usize,
    ) {
        if self.count == 0 {
            self.bytes.clear();
            self.bytes.resize(BATCH_HEADER_LEN, 0);
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let mut len = 1
            + varint_len(timestamp_delta)
            + varint_len(offset_delta as i64)
            + bytes_len(key)
            + bytes_len(value)
            + varint_len(header_count as i64);
        if header_count > 0 {
            len += headers.clone().map(|h| bytes_len(Some(h.key)) + bytes_len(h.value)).sum::<usize>();
        }
        let out = &mut self.bytes;
        out.reserve(len + 10);
        put_varint(out, len as i64);
        out.push(0);
        put_varint(out, timestamp_delta);
        put_varint(out, offset_delta as i64);
        put_bytes(out, key);
        put_bytes(out, value);
        put_varint(out, header_count as i64);
        for header in headers {
            put_bytes(out, Some(header.key));
            put_bytes(out, header.value);
        }
        self.count += 1;
        self.last_offset_delta = offset_delta;
    }

    /// Writes the header and returns the batch; the next [`BatchBuilder::append`] begins a new one.
    pub fn finish(&mut self) -> &mut [u8] {
        if self.count == 0 {
            self.bytes.clear();
            self.bytes.resize(BATCH_HEADER_LEN, 0);
            self.base_timestamp = -1;
            self.max_timestamp = -1;
            self.last_offset_delta = 0;
        }
        if self.compression != Compression::None && self.count > 0 {
            self.packed.clear();
            self.packed.resize(BATCH_HEADER_LEN, 0);
            self.compression.compress(&self.bytes[BATCH_HEADER_LEN..], &mut self.packed);
            std::mem::swap(&mut self.bytes, &mut self.packed);
        }
        let batch = self.bytes.as_mut_slice();
        let length = (batch.len() - BATCH_PREFIX_LEN) as i32;
        put_at(batch, 0, 0i64.to_be_bytes());
        put_at(batch, AT_LENGTH, length.to_be_bytes());
        set_leader_epoch(batch, 0);
        batch[AT_MAGIC] = 2;
        put_at(batch, AT_ATTRIBUTES, self.compression.id().to_be_bytes());
        put_at(batch, AT_LAST_OFFSET_DELTA, self.last_offset_delta.to_be_bytes());
        put_at(batch, AT_BASE_TIMESTAMP, self.base_timestamp.to_be_bytes());
        put_at(batch, AT_MAX_TIMESTAMP, self.max_timestamp.to_be_bytes());
        put_at(batch, AT_PRODUCER_ID, NO_PRODUCER_ID.to_be_bytes());
        put_at(batch, AT_PRODUCER_EPOCH, (-1i16).to_be_bytes());
        put_at(batch, AT_BASE_SEQUENCE, (-1i32).to_be_bytes());
        put_at(batch, AT_RECORD_COUNT, (self.count as i32).to_be_bytes());
        set_crc(batch);
        self.count = 0;
        batch
    }
}

/// Writes a commit or abort marker for a producer's transaction.
pub fn control_batch(producer_id: i64, producer_epoch: i16, control: ControlType, now_ms: i64) -> Vec<u8> {
    let kind: i16 = if control == ControlType::Commit { 1 } else { 0 };
    let mut key = [0u8; 4];
    put_at(&mut key, 2, kind.to_be_bytes());
    // Version 0 and coordinator epoch 0: there is one coordinator.
    let value = [0u8; 6];
    let mut builder = BatchBuilder::new();
    builder.append(now_ms, Some(&key), Some(&value), &[]);
    let batch = builder.finish();
    put_at(batch, AT_ATTRIBUTES, (ATTRIBUTE_TRANSACTIONAL | ATTRIBUTE_CONTROL).to_be_bytes());
    set_producer(batch, producer_id, producer_epoch, -1, true);
    builder.bytes
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint_len(bytes.len() as i64) + bytes.len(),
        None => 1,
    }
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}
