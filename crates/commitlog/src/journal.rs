//! A file of checked frames, appended to and now and then rewritten: topic metadata and transactions are kept in one each.
//!
//! ```text
//! frame: payload length u32 · number u64 · crc32c of number and payload u32 · payload
//! ```
//!
//! Numbers only grow, so what a failed write left behind is never taken for a later frame. The first frame of a write
//! has a number whose low 16 bits are zero. Reading ends at the first frame that does not fit. If the first frame of a
//! write lies behind it, it was synced before that write, so it is damaged, and the journal is refused; else a stop has
//! torn the last write, and whoever opens a journal rewrites it, which leaves the rest behind.
//!
//! It is filled with zeros ahead of the end, because overwriting costs a sync less than growing does (94 µs instead of
//! 154 µs).

use std::path::PathBuf;
use std::sync::Arc;

use crate::batch::crc32c;
use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::health::Health;

/// Length, number and checksum of a frame.
pub(crate) const FRAME_HEADER_LEN: usize = 16;
/// The bits of a number that count the frames of a write.
const FRAME_OF_WRITE: u64 = 0xffff;
/// What is summed of seeming frames behind an unreadable one; with that many, chance decides nothing.
const SEARCHED_BYTES_MAX: usize = 1 << 30;

pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    name: &'static str,
    magic: &'static [u8],
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    position: u64,
    allocated: u64,
    /// How far zeros are laid ahead; 0 for none.
    allocate_bytes: u64,
    number: u64,
    frames: Vec<u8>,
    /// Opening found bytes behind the last whole frame: a torn write, or damage.
    pub cut: bool,
}

impl Journal {
    /// Opens or creates a journal; `see` gets every payload in order.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        name: &'static str,
        magic: &'static [u8],
        allocate_bytes: u64,
        see: &mut dyn FnMut(&[u8]) -> Result<(), LogError>,
    ) -> Result<Journal, LogError> {
        let path = dir.join(name);
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Journal::replace(disk, dir, name, magic, allocate_bytes, 0, &[]);
            }
            Err(error) => return Err(LogError::io("opening", &path, &error)),
        };
        let failed = |action, error: std::io::Error| LogError::io(action, &path, &error);
        let len = file.len().map_err(|e| failed("measuring", e))?;
        let mut bytes = vec![0; len as usize];
        let read = file.read_at(&mut bytes, 0).map_err(|e| failed("reading", e))?;
        bytes.truncate(read);
        let (mut position, mut number) = (0, 0);
        while let Some((payload, next_number)) = parse_frame(&bytes[position..], number) {
            if position == 0 {
                if payload != magic {
                    break;
                }
            } else {
                see(payload)?;
            }
            number = next_number;
            position += FRAME_HEADER_LEN + payload.len();
        }
        if position == 0 {
            // It appears by renaming a synced file, so this is not the trace of a crash.
            return Err(LogError::Damaged {
                path: path.display().to_string(),
                reason: "its beginning is not readable".to_owned(),
            });
        }
        if has_later_write(&bytes[position..], number) {
            return Err(LogError::Damaged {
                path: path.display().to_string(),
                reason: format!(
                    "the entry at byte {position} is not readable, but later ones are; \
                     restore the file from a backup, or cut it there to start without them"
                ),
            });
        }
        let cut = bytes[position..].iter().any(|byte| *byte != 0);
        if cut {
            tracing::warn!(path = %path.display(), position, "journal has bytes behind its last whole frame");
        }
        // What was read may still be in the page cache only, and is about to be acted upon.
        file.sync_data().map_err(|e| failed("syncing", e))?;
        let position = position as u64;
        Ok(Journal {
            disk,
            dir,
            name,
            magic,
            path,
            file,
            position,
            allocated: position,
            allocate_bytes,
            number,
            frames: Vec::new(),
            cut,
        })
    }

    fn replace(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        name: &'static str,
        magic: &'static [u8],
        allocate_bytes: u64,
        number: u64,
        payloads: &[Vec<u8>],
    ) -> Result<Journal, LogError> {
        let path = dir.join(name);
        let fresh = dir.join(format!("{name}.new"));
        let failed = |action, error: std::io::Error| LogError::io(action, &path, &error);
        let file = disk.create(&fresh).map_err(|e| failed("creating", e))?;
        let mut journal = Journal {
            disk: disk.clone(),
            dir: dir.clone(),
            name,
            magic,
            path: path.clone(),
            file,
            position: 0,
            allocated: 0,
            allocate_bytes,
            number,
            frames: Vec::new(),
            cut: false,
        };
        journal.push(magic);
        for payload in payloads {
            journal.push(payload);
        }
        journal.write()?;
        journal.file.sync_data().map_err(|e| failed("syncing", e))?;
        disk.rename(&fresh, &path).map_err(|e| failed("renaming", e))?;
        disk.sync_dir(&dir).map_err(|e| failed("syncing", e))?;
        Ok(journal)
    }

    /// Replaces all frames, atomically and durably.
    pub(crate) fn rewrite(&mut self, payloads: &[Vec<u8>]) -> Result<(), LogError> {
        *self = Journal::replace(
            self.disk.clone(),
            self.dir.clone(),
            self.name,
            self.magic,
            self.allocate_bytes,
            self.number,
            payloads,
        )?;
        Ok(())
    }

    /// Returns the bytes in use.
    pub(crate) fn len(&self) -> u64 {
        self.position
    }

    /// Puts a frame into the buffer that [`Journal::commit`] writes.
    pub(crate) fn push(&mut self, payload: &[u8]) {
        if self.frames.is_empty() {
            self.number |= FRAME_OF_WRITE;
        }
        self.number += 1;
        let start = self.frames.len();
        self.frames.resize(start + FRAME_HEADER_LEN, 0);
        self.frames.extend_from_slice(payload);
        close_frame(&mut self.frames[start..], self.number);
    }

    /// Writes the buffered frames; the buffer is empty afterwards, also after an error.
    fn write(&mut self) -> Result<(), LogError> {
        let mut frames = std::mem::take(&mut self.frames);
        let end = self.position + frames.len() as u64;
        if end > self.allocated && self.allocate_bytes > 0 {
            // Without space ahead the write below still may fit, and says so if not.
            let from = self.allocated.max(self.position);
            let to = end + self.allocate_bytes;
            if self.file.allocate(from, to - from).is_ok() {
                self.allocated = to;
            }
        }
        let written = self.file.write_at(&frames, self.position);
        frames.clear();
        self.frames = frames;
        written.map_err(|error| LogError::io("writing", &self.path, &error))?;
        self.position = end;
        Ok(())
    }

    /// Makes the buffered frames durable. After an error none of them is there at the next start, or the log is read-only.
    pub(crate) fn commit(&mut self, health: &Health) -> Result<(), LogError> {
        if let Err(error) = self.write() {
            // Whole frames among what was written would be believed at the next start.
            return Err(match self.take_back() {
                Ok(()) => error,
                Err(error) => health.fail(error),
            });
        }
        self.sync().map_err(|error| health.fail(error))
    }

    /// Makes unreadable what a failed write has left behind the end, durably.
    fn take_back(&self) -> Result<(), LogError> {
        let failed = |action, error: std::io::Error| LogError::io(action, &self.path, &error);
        let len = self.file.len().map_err(|error| failed("measuring", error))?;
        let left = len.saturating_sub(self.position).min(FRAME_HEADER_LEN as u64) as usize;
        if left == 0 {
            return Ok(());
        }
        self.file
            .write_at(&[0; FRAME_HEADER_LEN][..left], self.position)
            .map_err(|error| failed("writing", error))?;
        self.file.sync_data().map_err(|error| failed("syncing", error))
    }

    fn sync(&self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|error| LogError::io("syncing", &self.path, &error))
    }
}

/// Fills in the header of a frame whose payload is behind it.
pub(crate) fn close_frame(frame: &mut [u8], number: u64) {
    let (header, payload) = frame.split_at_mut(FRAME_HEADER_LEN);
    header[..4].copy_from_slice(&(payload.len() as u32).to_be_bytes());
    header[4..12].copy_from_slice(&number.to_be_bytes());
    header[12..].copy_from_slice(&frame_crc(number, payload).to_be_bytes());
}

fn frame_crc(number: u64, payload: &[u8]) -> u32 {
    // Two sums instead of one over a copy; the number is mixed in, so a frame does not fit elsewhere.
    crc32c(payload) ^ crc32c(&number.to_be_bytes()).rotate_left(7)
}

/// Returns the payload and number of the frame at the beginning of some bytes, if it is whole and later than another.
pub(crate) fn parse_frame(bytes: &[u8], after: u64) -> Option<(&[u8], u64)> {
    let header = bytes.get(..FRAME_HEADER_LEN)?;
    let len = u32::from_be_bytes(*header.first_chunk()?) as usize;
    let number = u64::from_be_bytes(*header[4..].first_chunk()?);
    let crc = u32::from_be_bytes(*header[12..].first_chunk()?);
    let payload = bytes[FRAME_HEADER_LEN..].get(..len)?;
    (len > 0 && number > after && frame_crc(number, payload) == crc).then_some((payload, number))
}

/// Returns whether the first frame of a write lies behind the unreadable one that some bytes begin with.
fn has_later_write(bytes: &[u8], after: u64) -> bool {
    let mut searched = 0;
    for at in 1..bytes.len().saturating_sub(FRAME_HEADER_LEN) {
        let header = &bytes[at..];
        let Some(number) = header[4..].first_chunk().map(|number| u64::from_be_bytes(*number)) else { break };
        if number & FRAME_OF_WRITE != 0 || number <= after {
            continue;
        }
        if parse_frame(header, after).is_some() {
            return true;
        }
        let len = header.first_chunk().map_or(0, |len| u32::from_be_bytes(*len) as usize);
        searched += if len < header.len() { len } else { 0 };
        if searched > SEARCHED_BYTES_MAX {
            break;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated_disk::SimulatedDisk;

    fn open(disk: &SimulatedDisk, seen: &mut Vec<Vec<u8>>) -> Journal {
        let mut see = |payload: &[u8]| {
            seen.push(payload.to_vec());
            Ok(())
        };
        Journal::open(Arc::new(disk.clone()), "/".into(), "j", b"magic", 0, &mut see).unwrap()
    }

    #[test]
    fn what_a_failed_write_left_is_not_believed() {
        let disk = SimulatedDisk::new();
        let mut journal = open(&disk, &mut Vec::new());
        journal.push(b"kept");
        journal.write().unwrap();
        journal.push(b"refused");
        journal.push(b"refused too");
        // As much as the disk took of them: a whole frame and a piece.
        let left = journal.frames[..FRAME_HEADER_LEN + 7 + 9].to_vec();
        journal.file.write_at(&left, journal.position).unwrap();
        journal.take_back().unwrap();
        let mut seen = Vec::new();
        open(&disk, &mut seen);
        assert_eq!(seen, [b"kept".to_vec()]);
    }

    /// A journal of a write of one frame, one of three, one of one; returns where each frame begins, and the end.
    fn of_three_writes(disk: &SimulatedDisk) -> Vec<usize> {
        let mut journal = open(disk, &mut Vec::new());
        let mut begins = Vec::new();
        for write in [&[b"one".as_slice()][..], &[b"two", b"three", b"four"], &[b"five"]] {
            let mut begin = journal.len() as usize;
            for payload in write {
                begins.push(begin);
                begin += FRAME_HEADER_LEN + payload.len();
                journal.push(payload);
            }
            journal.write().unwrap();
            journal.sync().unwrap();
        }
        begins.push(journal.len() as usize);
        begins
    }

    fn open_flipped(disk: &SimulatedDisk, at: usize, bit: u8) -> Result<usize, LogError> {
        let disk = disk.crash(0);
        let file = disk.open("/j".as_ref()).unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, at as u64).unwrap();
        file.write_at(&[byte[0] ^ bit], at as u64).unwrap();
        let mut seen = 0;
        let mut see = |_: &[u8]| {
            seen += 1;
            Ok(())
        };
        Journal::open(Arc::new(disk), "/".into(), "j", b"magic", 0, &mut see)?;
        Ok(seen)
    }

    #[test]
    fn damage_before_the_last_write_is_refused_with_its_place() {
        let disk = SimulatedDisk::new();
        let begins = of_three_writes(&disk);
        for at in begins[0]..begins[4] {
            let begin = begins.iter().rfind(|begin| **begin <= at).unwrap();
            for bit in 0..8 {
                let error = open_flipped(&disk, at, 1 << bit).unwrap_err().to_string();
                let place = format!("\"/j\" is damaged: the entry at byte {begin} is not readable");
                assert!(error.contains(&place), "byte {at}, bit {bit}: {error}");
            }
        }
    }

    #[test]
    fn torn_last_write_is_left_behind() {
        let disk = SimulatedDisk::new();
        let begins = of_three_writes(&disk);
        for at in begins[4]..begins[5] {
            assert_eq!(open_flipped(&disk, at, 1).unwrap(), 4, "byte {at}");
        }
        // A power cut can take any part of a write, also the first.
        let file = disk.open("/j".as_ref()).unwrap();
        file.truncate(begins[4] as u64).unwrap();
        file.sync_data().unwrap();
        for at in begins[1]..begins[4] {
            let whole = begins[..4].iter().filter(|begin| **begin <= at).count() - 1;
            assert_eq!(open_flipped(&disk, at, 1).unwrap(), whole, "byte {at}");
        }
    }
}
