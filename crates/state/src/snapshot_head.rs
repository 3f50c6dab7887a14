//! What stands before and behind the stores in the snapshot file of a task.
//!
//! ```text
//! file = head | snapshot of each store (see `snapshot`) | tail
//! head = "TRPSNAP1" | length u32 | CRC-32C of the body u32 | body
//! body = changelog topic u128 | partition u32 | from offset i64 | ms i64 | count u32, names | length u32, meta
//! name = length u32 | UTF-8
//! tail = "TRPSNEND" | to offset i64 | CRC-32C of the offset u32
//! ```
//!
//! All numbers are little-endian. A file without a tail was never finished.

use std::io::Read;

use crate::SnapshotError;

const MAGIC: &[u8; 8] = b"TRPSNAP1";
const END: &[u8; 8] = b"TRPSNEND";
/// The largest body read: 200 steps with a few stores each and their small state stay far below.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The most stores of a task.
const STORES_MAX: usize = 4096;

/// What a snapshot is of, and which changes come after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The id of the changelog's topic.
    pub changelog_topic: u128,
    /// The changelog's partition.
    pub partition: u32,
    /// All changes from this offset of the changelog on are to be applied after the snapshot.
    pub from_offset: i64,
    /// When it was begun.
    pub begun_ms: i64,
    /// The names of the stores, in order.
    pub stores: Vec<String>,
    /// The task's small state beside the stores, as of `from_offset`.
    pub meta: Vec<u8>,
}

impl SnapshotHead {
    /// Returns the head as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.changelog_topic.to_le_bytes());
        body.extend_from_slice(&self.partition.to_le_bytes());
        body.extend_from_slice(&self.from_offset.to_le_bytes());
        body.extend_from_slice(&self.begun_ms.to_le_bytes());
        body.extend_from_slice(&(self.stores.len() as u32).to_le_bytes());
        for bytes in self.stores.iter().map(String::as_bytes).chain([&self.meta[..]]) {
            body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            body.extend_from_slice(bytes);
        }
        let crc = crc_fast::crc32_iscsi(&body);
        [&MAGIC[..], &(body.len() as u32).to_le_bytes(), &crc.to_le_bytes(), &body].concat()
    }

    /// Reads a head.
    pub fn read(reader: &mut dyn Read) -> Result<SnapshotHead, SnapshotError> {
        let mut start = [0; 16];
        read_exact(reader, &mut start)?;
        let number = |at: usize| u32::from_le_bytes(start[at..at + 4].try_into().expect("four bytes"));
        let (len, crc) = (number(8) as usize, number(12));
        if &start[..8] != MAGIC || len > BODY_BYTES_MAX {
            return Err(SnapshotError::UnknownFormat);
        }
        let mut body = vec![0; len];
        read_exact(reader, &mut body)?;
        if crc_fast::crc32_iscsi(&body) != crc {
            return Err(SnapshotError::Damaged { block: 0, what: "checksum of the head differs" });
        }
        decode(&body).ok_or(SnapshotError::Damaged { block: 0, what: "head is malformed" })
    }
}

fn decode(body: &[u8]) -> Option<SnapshotHead> {
    let mut rest = body;
    let mut head = SnapshotHead {
        changelog_topic: u128::from_le_bytes(take(&mut rest)?),
        partition: u32::from_le_bytes(take(&mut rest)?),
        from_offset: i64::from_le_bytes(take(&mut rest)?),
        begun_ms: i64::from_le_bytes(take(&mut rest)?),
        ..SnapshotHead::default()
    };
    let count = u32::from_le_bytes(take(&mut rest)?) as usize;
    if count > STORES_MAX {
        return None;
    }
    for _ in 0..count {
        head.stores.push(String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok()?);
    }
    head.meta = take_bytes(&mut rest)?.to_vec();
    rest.is_empty().then_some(head)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (number, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*number)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::from_le_bytes(take(rest)?) as usize;
    let (bytes, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(bytes)
}

/// Returns the tail of a finished snapshot: the changelog has all that led to it up to `to_offset`.
pub fn snapshot_tail(to_offset: i64) -> Vec<u8> {
    let offset = to_offset.to_le_bytes();
    [&END[..], &offset, &crc_fast::crc32_iscsi(&offset).to_le_bytes()].concat()
}

/// Reads the tail, behind which nothing may come, and returns its offset.
pub fn read_snapshot_tail(reader: &mut dyn Read) -> Result<i64, SnapshotError> {
    let mut tail = [0; 20];
    read_exact(reader, &mut tail)?;
    let offset = i64::from_le_bytes(tail[8..16].try_into().expect("eight bytes"));
    let mut more = [0];
    let behind = reader.read(&mut more).map_err(|source| SnapshotError::Io { action: "read", source })?;
    if tail[..] != snapshot_tail(offset) || behind > 0 {
        return Err(SnapshotError::Damaged { block: 0, what: "tail is malformed" });
    }
    Ok(offset)
}

fn read_exact(reader: &mut dyn Read, bytes: &mut [u8]) -> Result<(), SnapshotError> {
    reader.read_exact(bytes).map_err(|source| SnapshotError::Io { action: "read", source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn head_reads_back_and_damage_is_an_error(
            stores in prop::collection::vec(".{0,20}", 0..5),
            meta in prop::collection::vec(any::<u8>(), 0..40),
            (changelog_topic, partition, from_offset, begun_ms) in any::<(u128, u32, i64, i64)>(),
            at: prop::sample::Index,
            flip in 1u8..,
        ) {
            let head = SnapshotHead { changelog_topic, partition, from_offset, begun_ms, stores, meta };
            let mut bytes = head.encode();
            prop_assert_eq!(SnapshotHead::read(&mut &bytes[..]).unwrap(), head);
            let at = at.index(bytes.len());
            prop_assert!(SnapshotHead::read(&mut &bytes[..at]).is_err());
            bytes[at] ^= flip;
            prop_assert!(SnapshotHead::read(&mut &bytes[..]).is_err());
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
            let _ = read_snapshot_tail(&mut &bytes[..]);
        }
    }

    #[test]
    fn tail_is_the_end() {
        let mut bytes = snapshot_tail(77);
        assert_eq!(read_snapshot_tail(&mut &bytes[..]).unwrap(), 77);
        bytes.push(0);
        assert!(read_snapshot_tail(&mut &bytes[..]).is_err());
        assert!(read_snapshot_tail(&mut &bytes[..19]).is_err());
    }
}
