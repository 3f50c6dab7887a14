//! A segment's sparse index, by offset and by time, and the file it is kept in once the segment is closed.
//!
//! One entry for about every `index.interval.bytes`. An entry says where a batch starts and the largest timestamp
//! *before* it, so the last entry whose timestamp is below T is a safe place to start looking for T.
//!
//! ```text
//! "TLINDEX2" · log size u64 · next offset i64 · max timestamp i64 · appended ms i64 · entry count u32 · crc u32
//! entries: offset − base u32 · position u32 · max timestamp before i64;  crc of the entries u32
//! ```
//!
//! The file can always be made again from the log: when it is missing, cut, or names another log size, it is.

use crate::batch::crc32c;

const MAGIC: &[u8; 8] = b"TLINDEX2";
pub(crate) const INDEX_HEADER_LEN: usize = 48;
const ENTRY_LEN: usize = 16;

/// What the index file says of its segment without reading the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexSummary {
    pub log_size: u64,
    pub next_offset: i64,
    pub max_timestamp: i64,
    /// When the last record was written, ms by the clock; negative where that is not known.
    pub appended_ms: i64,
    pub entry_count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub relative_offset: u32,
    pub position: u32,
    pub max_timestamp_before: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    entries: Vec<IndexEntry>,
}

impl SparseIndex {
    /// Notes a batch unless one closer than `interval_bytes` is noted already.
    pub(crate) fn note(
        &mut self,
        relative_offset: u32,
        position: u64,
        max_timestamp_before: i64,
        interval_bytes: u64,
    ) {
        if let Some(last) = self.entries.last()
            && position < last.position as u64 + interval_bytes.max(1)
        {
            return;
        }
        self.entries.push(IndexEntry { relative_offset, position: position as u32, max_timestamp_before });
    }

    /// Returns the batch from which on to look for an offset; `None` for the segment's beginning.
    pub(crate) fn entry_for_offset(&self, relative_offset: u32) -> Option<IndexEntry> {
        let after = self.entries.partition_point(|entry| entry.relative_offset <= relative_offset);
        self.entries[..after].last().copied()
    }

    /// Returns where to start looking for the first timestamp at or after the one given.
    pub(crate) fn position_for_timestamp(&self, timestamp: i64) -> u64 {
        let after = self.entries.partition_point(|entry| entry.max_timestamp_before < timestamp);
        self.entries[..after].last().map_or(0, |entry| entry.position as u64)
    }

    /// Returns the first noted batch behind a position.
    pub(crate) fn entry_after(&self, position: u64) -> Option<IndexEntry> {
        let after = self.entries.partition_point(|entry| entry.position as u64 <= position);
        self.entries.get(after).copied()
    }

    /// Notes a batch behind damage, so that reading can go on there. `max_timestamp` is that of the whole segment.
    pub(crate) fn note_behind_damage(&mut self, relative_offset: u32, position: u32, max_timestamp: i64) {
        let at = self.entries.partition_point(|entry| entry.position < position);
        let after = self.entries.get(at);
        let fits = after.is_none_or(|e| e.position > position && e.relative_offset > relative_offset)
            && self.entries[..at].last().is_none_or(|e| e.relative_offset < relative_offset);
        if fits {
            // What the next one says of all before it holds here too.
            let max_timestamp_before = after.map_or(max_timestamp, |entry| entry.max_timestamp_before);
            self.entries.insert(at, IndexEntry { relative_offset, position, max_timestamp_before });
        }
    }

    /// Forgets what lies at or behind a position.
    pub(crate) fn truncate(&mut self, position: u64) {
        self.entries.retain(|entry| (entry.position as u64) < position);
    }

    /// Writes the file of a segment that ends where the summary says; what lies behind is left out.
    pub(crate) fn encode(&self, mut summary: IndexSummary) -> Vec<u8> {
        let count = self.entries.partition_point(|entry| (entry.position as u64) < summary.log_size);
        let entries = &self.entries[..count];
        summary.entry_count = count as u32;
        let mut out = Vec::with_capacity(INDEX_HEADER_LEN + count * ENTRY_LEN + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&summary.log_size.to_be_bytes());
        out.extend_from_slice(&summary.next_offset.to_be_bytes());
        out.extend_from_slice(&summary.max_timestamp.to_be_bytes());
        out.extend_from_slice(&summary.appended_ms.to_be_bytes());
        out.extend_from_slice(&summary.entry_count.to_be_bytes());
        out.extend_from_slice(&crc32c(&out[..]).to_be_bytes());
        for entry in entries {
            out.extend_from_slice(&entry.relative_offset.to_be_bytes());
            out.extend_from_slice(&entry.position.to_be_bytes());
            out.extend_from_slice(&entry.max_timestamp_before.to_be_bytes());
        }
        let crc = crc32c(&out[INDEX_HEADER_LEN..]);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads the entries behind the header; `None` when they are damaged.
    pub(crate) fn decode(bytes: &[u8], summary: IndexSummary) -> Option<SparseIndex> {
        let end = INDEX_HEADER_LEN + summary.entry_count as usize * ENTRY_LEN;
        if bytes.len() != end + 4 || crc32c(&bytes[INDEX_HEADER_LEN..end]).to_be_bytes() != bytes[end..] {
            return None;
        }
        let mut entries = Vec::with_capacity(summary.entry_count as usize);
        for chunk in bytes[INDEX_HEADER_LEN..end].chunks_exact(ENTRY_LEN) {
            entries.push(IndexEntry {
                relative_offset: u32::from_be_bytes(*chunk.first_chunk()?),
                position: u32::from_be_bytes(*chunk[4..].first_chunk()?),
                max_timestamp_before: i64::from_be_bytes(*chunk[8..].first_chunk()?),
            });
        }
        Some(SparseIndex { entries })
    }
}

impl IndexSummary {
    /// Reads the header; `None` when it is damaged.
    pub(crate) fn decode(header: &[u8]) -> Option<IndexSummary> {
        let header = header.get(..INDEX_HEADER_LEN)?;
        if &header[..8] != MAGIC || crc32c(&header[..44]).to_be_bytes() != header[44..] {
            return None;
        }
        Some(IndexSummary {
            log_size: u64::from_be_bytes(*header[8..].first_chunk()?),
            next_offset: i64::from_be_bytes(*header[16..].first_chunk()?),
            max_timestamp: i64::from_be_bytes(*header[24..].first_chunk()?),
            appended_ms: i64::from_be_bytes(*header[32..].first_chunk()?),
            entry_count: u32::from_be_bytes(*header[40..].first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_comes_back_and_damage_is_noticed() {
        let mut index = SparseIndex::default();
        for i in 0..100u32 {
            index.note(i * 10, i as u64 * 100, i as i64 * 5 - 1, 300);
        }
        let summary = IndexSummary {
            log_size: 10_000,
            next_offset: 1_000,
            max_timestamp: 499,
            appended_ms: 7,
            entry_count: 0,
        };
        let bytes = index.encode(summary);
        let read = IndexSummary::decode(&bytes).unwrap();
        assert_eq!((read.log_size, read.next_offset, read.max_timestamp), (10_000, 1_000, 499));
        assert_eq!(read.appended_ms, 7);
        assert_eq!(SparseIndex::decode(&bytes, read).unwrap(), index);
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            let read = IndexSummary::decode(&flipped);
            assert!(read.is_none() || SparseIndex::decode(&flipped, read.unwrap()).is_none());
        }
        let position_for_offset = |offset| index.entry_for_offset(offset).unwrap().position;
        assert_eq!(position_for_offset(0), 0);
        assert_eq!(position_for_offset(59), 300);
        assert_eq!(position_for_offset(60), 600);
        assert_eq!(index.position_for_timestamp(i64::MAX), 9_900);
        assert_eq!(index.position_for_timestamp(15), 300);
        assert_eq!(index.position_for_timestamp(14), 0);
    }
}
