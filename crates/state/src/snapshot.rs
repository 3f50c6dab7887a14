//! Snapshots, written in small pieces while the store changes.
//!
//! A snapshot is fuzzy: an entry that changes while it is written may be in it in any version it had since
//! [`SnapshotWriter::begin`], or be missing. Every entry that did not change is in it. Since changes are absolute, a
//! snapshot followed by *all* changes since `begin`, in order, gives the store as it is after those changes. So the
//! caller drains the changes right before `begin`, notes the changelog offset, and replays from there.
//!
//! ```text
//! file  = "TRPSTATE" | version u32 | about how many entries u64 | block* | end
//! block = bytes u32 (not 0) | CRC-32C of the entries u32 | entries
//! entry = key length varint | value length varint | key | value
//! end   = 0 u32 | CRC-32C of the count u32 | number of entries u64
//! ```
//!
//! All numbers are little-endian. A block is at most 1 MiB unless it is one larger entry.

use std::io::{self, Read, Write};

use crate::entry::{read_varint, write_varint};
use crate::slab::ENTRY_BYTES_MAX;
use crate::{Cursor, Logged, SnapshotError};

const MAGIC: &[u8; 8] = b"TRPSTATE";
const VERSION: u32 = 1;
/// A block is written when it would become larger than this.
const BLOCK_BYTES: usize = 1 << 20;
/// The most entries memory is reserved for before any was read: 150 MB.
const RESERVE_ENTRIES_MAX: u64 = 14 << 20;
/// The largest block read: one largest entry (with the key additions of window stores) and its head.
const BLOCK_BYTES_MAX: usize = ENTRY_BYTES_MAX + 64;

/// A snapshot being written.
#[derive(Debug, Default)]
pub struct SnapshotWriter {
    cursor: Cursor,
    block: Vec<u8>,
    begun: bool,
    entries: u64,
}

impl SnapshotWriter {
    /// Begins a snapshot. All changes from now on must be replayed after it.
    pub fn begin() -> SnapshotWriter {
        SnapshotWriter::default()
    }

    /// Writes about `budget_bytes` more of `store` to `out` and returns whether the snapshot is complete.
    pub fn step(
        &mut self,
        store: &mut dyn Logged,
        budget_bytes: usize,
        out: &mut dyn Write,
    ) -> Result<bool, SnapshotError> {
        let write_error = |source| SnapshotError::Io { action: "write", source };
        if !self.begun {
            let start = [&MAGIC[..], &VERSION.to_le_bytes(), &(store.len() as u64).to_le_bytes()].concat();
            out.write_all(&start).map_err(write_error)?;
            self.begun = true;
        }
        let (block, entries) = (&mut self.block, &mut self.entries);
        let mut written = Ok(());
        let complete = store.scan(&mut self.cursor, budget_bytes, &mut |key, value| {
            if !block.is_empty()
                && block.len() + key.len() + value.len() + 10 > BLOCK_BYTES
                && written.is_ok()
            {
                written = write_block(block, out);
            }
            write_varint(block, key.len() as u64);
            write_varint(block, value.len() as u64);
            block.extend_from_slice(key);
            block.extend_from_slice(value);
            *entries += 1;
        })?;
        written.map_err(write_error)?;
        if complete {
            if !self.block.is_empty() {
                write_block(&mut self.block, out).map_err(write_error)?;
            }
            let count = self.entries.to_le_bytes();
            let end = [&[0; 4], &crc_fast::crc32_iscsi(&count).to_le_bytes(), &count[..]].concat();
            out.write_all(&end).and_then(|()| out.flush()).map_err(write_error)?;
        }
        Ok(complete)
    }
}

fn write_block(block: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&(block.len() as u32).to_le_bytes())?;
    out.write_all(&crc_fast::crc32_iscsi(block).to_le_bytes())?;
    out.write_all(block)?;
    block.clear();
    Ok(())
}

/// Reads a snapshot into `store`, an empty store of the kind it was written from, and returns the number of entries.
/// After an error the store holds a part of the snapshot and is to be thrown away.
pub fn restore(store: &mut dyn Logged, reader: &mut dyn Read) -> Result<u64, SnapshotError> {
    let mut start = [0; 20];
    read_exact(reader, &mut start)?;
    if &start[..8] != MAGIC || start[8..12] != VERSION.to_le_bytes() {
        return Err(SnapshotError::UnknownFormat);
    }
    // Only a hint, so a wrong one does no harm.
    let expected = u64::from_le_bytes(start[12..].try_into().expect("eight bytes"));
    store.reserve(expected.min(RESERVE_ENTRIES_MAX) as usize);
    let mut entries = 0u64;
    let mut block = Vec::new();
    for number in 0.. {
        let damaged = |what| SnapshotError::Damaged { block: number, what };
        let mut head = [0; 8];
        read_exact(reader, &mut head)?;
        let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
        let crc = u32::from_le_bytes(head[4..].try_into().expect("four bytes"));
        if len == 0 {
            let mut count = [0; 8];
            read_exact(reader, &mut count)?;
            if crc_fast::crc32_iscsi(&count) != crc {
                return Err(damaged("checksum of the count differs"));
            }
            if u64::from_le_bytes(count) != entries {
                return Err(damaged("number of entries differs"));
            }
            break;
        }
        if len > BLOCK_BYTES_MAX {
            return Err(damaged("block is too large"));
        }
        read_block(reader, len, &mut block)?;
        if crc_fast::crc32_iscsi(&block) != crc {
            return Err(damaged("checksum differs"));
        }
        let mut rest = &block[..];
        while !rest.is_empty() {
            let (key, value, after) = split_entry(rest).ok_or_else(|| damaged("entry is cut short"))?;
            store.load(key, Some(value))?;
            entries += 1;
            rest = after;
        }
    }
    store.finish_loading()?;
    Ok(entries)
}

/// Reads `len` bytes; memory grows with what is really there, whatever `len` claims.
fn read_block(reader: &mut dyn Read, len: usize, block: &mut Vec<u8>) -> Result<(), SnapshotError> {
    block.clear();
    let read = reader.take(len as u64).read_to_end(block);
    let read = read.map_err(|source| SnapshotError::Io { action: "read", source })?;
    if read < len {
        let source = io::Error::from(io::ErrorKind::UnexpectedEof);
        return Err(SnapshotError::Io { action: "read", source });
    }
    Ok(())
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key_len, head) = read_varint(bytes)?;
    let bytes = &bytes[head..];
    let (value_len, head) = read_varint(bytes)?;
    let (key, bytes) = bytes[head..].split_at_checked(usize::try_from(key_len).ok()?)?;
    let (value, rest) = bytes.split_at_checked(usize::try_from(value_len).ok()?)?;
    Some((key, value, rest))
}

fn read_exact(reader: &mut dyn Read, bytes: &mut [u8]) -> Result<(), SnapshotError> {
    reader.read_exact(bytes).map_err(|source| SnapshotError::Io { action: "read", source })
}
