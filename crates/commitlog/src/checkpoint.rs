//! A partition's checkpoint: up to where its files are known to be good and synced, and what cannot be read back
//! from them quickly.
//!
//! Written to a new file and renamed over the old one, at every segment roll, deletion and clean stop. Without it
//! (or when it does not fit the files) everything is scanned.

use std::path::Path;

use crate::batch::crc32c;
use crate::disk::Disk;
use crate::error::LogError;
use crate::producer::{AbortedTransaction, Producers};
use crate::wire::{Reader, put};

const MAGIC: &[u8; 8] = b"TLCKPT02";
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub log_start_offset: i64,
    /// Everything below is good and synced.
    pub recovery_offset: i64,
    /// Where `recovery_offset` is: in the segment with this base offset, at this position.
    pub recovery_segment: i64,
    pub recovery_position: u64,
    /// The producers as of `recovery_offset`.
    pub producers: Producers,
    /// The aborted transactions that ended below `recovery_offset`.
    pub aborted: Vec<AbortedTransaction>,
    /// Compaction has seen everything below.
    pub clean_offset: i64,
    /// Tombstones below this offset may go once `tombstones_since_ms` is `delete.retention.ms` ago.
    pub tombstones_offset: i64,
    pub tombstones_since_ms: i64,
    /// Tombstones below this offset may be gone.
    pub tombstones_gone_offset: i64,
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::from(MAGIC.as_slice());
        put!(out, self.log_start_offset);
        put!(out, self.recovery_offset);
        put!(out, self.recovery_segment);
        put!(out, self.recovery_position);
        put!(out, self.clean_offset);
        put!(out, self.tombstones_offset);
        put!(out, self.tombstones_since_ms);
        put!(out, self.tombstones_gone_offset);
        self.producers.encode(&mut out);
        put!(out, (self.aborted.len() as u32));
        for aborted in &self.aborted {
            put!(out, aborted.producer_id);
            put!(out, aborted.first_offset);
            put!(out, aborted.last_offset);
        }
        let crc = crc32c(&out);
        put!(out, crc);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c(body).to_be_bytes() != *crc {
            return None;
        }
        let mut reader = Reader::new(body.strip_prefix(MAGIC)?);
        let mut checkpoint = Checkpoint {
            log_start_offset: reader.i64()?,
            recovery_offset: reader.i64()?,
            recovery_segment: reader.i64()?,
            recovery_position: reader.u64()?,
            clean_offset: reader.i64()?,
            tombstones_offset: reader.i64()?,
            tombstones_since_ms: reader.i64()?,
            tombstones_gone_offset: reader.i64()?,
            producers: Producers::decode(&mut reader)?,
            aborted: Vec::new(),
        };
        for _ in 0..reader.count(24)? {
            checkpoint.aborted.push(AbortedTransaction {
                producer_id: reader.i64()?,
                first_offset: reader.i64()?,
                last_offset: reader.i64()?,
            });
        }
        reader.is_empty().then_some(checkpoint)
    }

    /// Reads a partition's checkpoint; `None` when there is none or it is damaged.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Option<Checkpoint> {
        let file = disk.open(&dir.join(CHECKPOINT_FILE)).ok()?;
        let mut bytes = vec![0; file.len().ok()? as usize];
        let read = file.read_at(&mut bytes, 0).ok()?;
        Checkpoint::decode(&bytes[..read])
    }

    /// Replaces a partition's checkpoint; durable when this returns.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        replace_file(disk, dir, CHECKPOINT_FILE, &self.encode())
    }
}

/// Writes a file under another name, syncs it, and renames it over the one there.
pub(crate) fn replace_file(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), LogError> {
    let path = dir.join(name);
    let fresh = dir.join(format!("{name}.new"));
    let failed = |action, error: std::io::Error| LogError::io(action, &path, &error);
    let file = disk.create(&fresh).map_err(|e| failed("creating", e))?;
    file.write_at(bytes, 0).map_err(|e| failed("writing", e))?;
    file.sync_data().map_err(|e| failed("syncing", e))?;
    disk.rename(&fresh, &path).map_err(|e| failed("renaming", e))?;
    disk.sync_dir(dir).map_err(|e| failed("syncing", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_noticed() {
        let checkpoint = Checkpoint {
            recovery_offset: 7,
            aborted: vec![AbortedTransaction { producer_id: 1, first_offset: 2, last_offset: 3 }],
            ..Checkpoint::default()
        };
        let bytes = checkpoint.encode();
        assert_eq!(Checkpoint::decode(&bytes), Some(checkpoint));
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 4;
            assert_eq!(Checkpoint::decode(&flipped), None);
            assert_eq!(Checkpoint::decode(&bytes[..position]), None);
        }
    }
}
