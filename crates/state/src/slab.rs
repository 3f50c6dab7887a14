//! Chunks of entries: written at the end of the active chunk, counted when they die, spilled when cold.
//!
//! Every chunk has a sequence number that grows in the order of writing, and the active chunk always has the
//! highest. So a walk by sequence meets every entry, however entries are moved meanwhile: moves go to the active chunk.
//!
//! An address is `chunk id << 20 | offset`, 36 bits. An entry too large to share a chunk gets one of its own, at offset 0.
//! Changed entries (see [`Mark::is_changed`]) are always in memory: only chunks without them are spilled.

use std::collections::BTreeMap;
use std::path::Path;

use crate::entry::{self, HEAD_BYTES_MAX, Head, Mark};
use crate::spill::{Extent, Spill};
use crate::{Result, StateError};

/// Bits of an address that are the offset in a chunk.
const OFFSET_BITS: u32 = 20;
/// Bits of an address.
pub(crate) const ADDR_BITS: u32 = 36;
/// The smallest chunk one may ask for.
const CHUNK_BYTES_MIN: usize = 512;
/// The size of a chunk, and the largest one may ask for.
pub(crate) const CHUNK_BYTES: usize = 1 << OFFSET_BITS;
/// The most chunks of a store: 64 GiB of small entries.
const CHUNKS_MAX: usize = 1 << (ADDR_BITS - OFFSET_BITS);
/// The first allocation of a chunk that follows no full one; it doubles up to the chunk size.
const FIRST_ALLOCATION_BYTES: usize = 1024;
/// The largest entry a store takes.
pub(crate) const ENTRY_BYTES_MAX: usize = 256 << 20;

/// What was read back is not what was spilled.
pub(crate) const SCRATCH_CHANGED: StateError =
    StateError::MalformedEntry { store: "spilled", what: "scratch file was changed by someone else" };

/// A run of entries.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) id: u32,
    pub(crate) seq: u64,
    pub(crate) len: usize,
    /// Bytes of garbage among `len`.
    pub(crate) dead: usize,
    /// Entries that are changed.
    pub(crate) changed: u32,
    /// Some garbage is not marked `Dead`, because it died while the chunk was spilled.
    pub(crate) dead_unmarked: bool,
    read_lately: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Resident(Vec<u8>),
    Spilled(Extent),
}

impl Chunk {
    /// Returns whether more than 40 % is garbage.
    pub(crate) fn is_sparse(&self) -> bool {
        self.dead * 5 > self.len * 2
    }
}

/// The chunks of one store.
#[derive(Debug)]
pub(crate) struct Slab {
    chunks: Vec<Option<Chunk>>,
    free_ids: Vec<u32>,
    by_seq: BTreeMap<u64, u32>,
    active: Option<u32>,
    next_seq: u64,
    /// One freed chunk body, for the next chunk.
    spare: Option<Vec<u8>>,
    chunk_bytes: usize,
    resident_bytes: usize,
    /// Bytes ever appended.
    pub(crate) appended: u64,
    /// Chunks (by sequence) that were sealed or got sparse and may be worth compacting.
    pub(crate) sparse: Vec<u64>,
    spill: Option<Spill>,
    /// A chunk was freed, spilled or read back since the last drain, so addresses noted before may be stale.
    pub(crate) chunks_moved: bool,
    /// Something may have become spillable since the last vain search.
    pub(crate) may_spill: bool,
}

impl Slab {
    pub(crate) fn new(spill_dir: Option<&Path>, chunk_bytes: usize) -> Slab {
        let chunk_bytes = chunk_bytes.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES).next_power_of_two();
        Slab {
            chunks: Vec::new(),
            free_ids: Vec::new(),
            by_seq: BTreeMap::new(),
            active: None,
            next_seq: 1,
            spare: None,
            chunk_bytes,
            resident_bytes: 0,
            appended: 0,
            sparse: Vec::new(),
            spill: spill_dir.map(|dir| Spill::new(dir, chunk_bytes)),
            chunks_moved: false,
            may_spill: true,
        }
    }

    /// Returns the memory in use.
    pub(crate) fn bytes_used(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, Vec::capacity);
        let spill = self.spill.as_ref().map_or(0, Spill::bytes_used);
        self.resident_bytes + spare + spill + self.chunks.capacity() * size_of::<Option<Chunk>>()
    }

    pub(crate) fn can_spill(&self) -> bool {
        self.spill.is_some()
    }

    /// Appends an entry and returns its address.
    #[inline]
    pub(crate) fn append(&mut self, mark: Mark, key: &[u8], value: &[u8]) -> Result<u64> {
        let len = entry::entry_len(key.len(), value.len());
        let id = self.chunk_with_room(len)?;
        let chunk = self.chunks[id as usize].as_mut().expect("chunk with room exists");
        let Body::Resident(bytes) = &mut chunk.body else { unreachable!("chunk with room is in memory") };
        let offset = chunk.len;
        entry::write_entry(bytes, mark, key, value);
        chunk.len = bytes.len();
        chunk.changed += u32::from(mark.is_changed());
        self.appended += len as u64;
        Ok(addr(id, offset))
    }

    /// Returns whether the entry at `addr` has this key.
    #[inline]
    pub(crate) fn key_eq(&mut self, addr: u64, key: &[u8]) -> Result<bool> {
        let (head, bytes) = self.entry_part(addr, false)?;
        Ok(head.key(bytes) == key)
    }

    /// Returns the entry at `addr`.
    #[inline]
    pub(crate) fn entry(&mut self, addr: u64) -> Result<(Head, &[u8])> {
        self.entry_part(addr, true)
    }

    /// Returns the entry at `addr`; of a spilled one only head and key unless `with_value`.
    #[inline]
    fn entry_part(&mut self, addr: u64, with_value: bool) -> Result<(Head, &[u8])> {
        let (id, offset) = split(addr);
        let chunk = self.chunks[id].as_mut().expect("an address in the index has a chunk");
        chunk.read_lately = true;
        match &chunk.body {
            Body::Resident(bytes) => {
                let bytes = &bytes[offset..];
                let head = Head::decode(bytes).expect("an address in the index is an entry");
                Ok((head, bytes))
            }
            Body::Spilled(extent) => {
                let (extent, len) = (*extent, chunk.len);
                let spill = self.spill.as_mut().expect("a spilled chunk has a scratch file");
                let head = spill.read(extent, offset, HEAD_BYTES_MAX.min(len - offset))?;
                let head = Head::decode(head).filter(|head| head.entry_len() <= len - offset);
                let head = head.ok_or(SCRATCH_CHANGED)?;
                let value_len = if with_value { head.value_len } else { 0 };
                Ok((head, spill.read(extent, offset, head.head_len + head.key_len + value_len)?))
            }
        }
    }

    /// Returns the entry at `addr` for changing its value in place, or `None` when it is spilled.
    #[inline]
    pub(crate) fn entry_mut(&mut self, addr: u64) -> Option<(Head, &mut [u8])> {
        let (id, offset) = split(addr);
        match &mut self.chunks[id].as_mut().expect("an address in the index has a chunk").body {
            Body::Resident(bytes) => {
                let bytes = &mut bytes[offset..];
                let head = Head::decode(bytes).expect("an address in the index is an entry");
                Some((head, bytes))
            }
            Body::Spilled(_) => None,
        }
    }

    /// Changes the mark of an entry in memory.
    pub(crate) fn set_mark(&mut self, addr: u64, from: Mark, to: Mark) {
        let (id, offset) = split(addr);
        let chunk = self.chunks[id].as_mut().expect("an address in the index has a chunk");
        let Body::Resident(bytes) = &mut chunk.body else { unreachable!("a changed entry is in memory") };
        entry::set_mark(&mut bytes[offset..], to);
        chunk.changed += u32::from(to.is_changed());
        chunk.changed -= u32::from(from.is_changed());
    }

    /// Turns the entry at `addr` into garbage; frees its chunk when it was the last one there.
    pub(crate) fn kill(&mut self, addr: u64, mark: Mark, len: usize) {
        let (id, offset) = split(addr);
        let chunk = self.chunks[id].as_mut().expect("an address in the index has a chunk");
        match &mut chunk.body {
            Body::Resident(bytes) => entry::set_mark(&mut bytes[offset..], Mark::Dead),
            Body::Spilled(_) => chunk.dead_unmarked = true,
        }
        chunk.changed -= u32::from(mark.is_changed());
        let was_sparse = chunk.is_sparse();
        chunk.dead += len;
        if self.active == Some(id as u32) {
            return;
        }
        if chunk.dead >= chunk.len {
            self.free_chunk(id as u32);
        } else if chunk.is_sparse() && !was_sparse {
            self.sparse.push(chunk.seq);
        }
    }

    /// Returns the first chunk with at least this sequence.
    pub(crate) fn chunk_from(&self, seq: u64) -> Option<&Chunk> {
        let (_, &id) = self.by_seq.range(seq..).next()?;
        self.chunks[id as usize].as_ref()
    }

    /// Returns the chunk with this sequence unless it is the active one.
    pub(crate) fn sealed_chunk(&self, seq: u64) -> Option<&Chunk> {
        let &id = self.by_seq.get(&seq)?;
        self.chunks[id as usize].as_ref().filter(|_| self.active != Some(id))
    }

    /// Returns the bytes of a chunk; a spilled one is read into `buffer`.
    pub(crate) fn chunk_bytes<'a>(&'a mut self, id: u32, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let chunk = self.chunks[id as usize].as_ref().expect("caller has the chunk");
        match &chunk.body {
            Body::Resident(bytes) => Ok(bytes),
            Body::Spilled(extent) => {
                let spill = self.spill.as_mut().expect("a spilled chunk has a scratch file");
                spill.read_chunk(*extent, chunk.len, buffer)?;
                Ok(buffer)
            }
        }
    }

    /// Reads a spilled chunk back into memory.
    pub(crate) fn unspill(&mut self, id: u32) -> Result<()> {
        let chunk = self.chunks[id as usize].as_mut().expect("caller has the chunk");
        let Body::Spilled(extent) = chunk.body else { return Ok(()) };
        let spill = self.spill.as_mut().expect("a spilled chunk has a scratch file");
        let mut bytes = self.spare.take().unwrap_or_default();
        spill.read_chunk(extent, chunk.len, &mut bytes)?;
        spill.free(extent);
        self.resident_bytes += bytes.capacity();
        chunk.body = Body::Resident(bytes);
        self.chunks_moved = true;
        self.may_spill = true;
        Ok(())
    }

    /// Gives the memory of the page cache back.
    pub(crate) fn drop_pages(&mut self) {
        if let Some(spill) = &mut self.spill {
            spill.drop_pages();
        }
    }

    /// Spills the coldest chunk except the one with sequence `keep`; returns `false` when none can be spilled.
    pub(crate) fn spill_one(&mut self, keep: Option<u64>) -> Result<bool> {
        if self.spare.take().is_some() {
            return Ok(true);
        }
        let Some(id) = self.coldest(keep) else {
            self.may_spill = false;
            return Ok(false);
        };
        let spill = self.spill.as_mut().expect("caller checked can_spill");
        let chunk = self.chunks[id as usize].as_mut().expect("coldest chunk exists");
        let Body::Resident(bytes) = &chunk.body else { unreachable!("coldest chunk is in memory") };
        let extent = spill.write(bytes)?;
        self.resident_bytes -= bytes.capacity();
        chunk.body = Body::Spilled(extent);
        self.chunks_moved = true;
        Ok(true)
    }

    /// Finds the oldest chunk not read since it was last asked, or the oldest when all were.
    fn coldest(&mut self, keep: Option<u64>) -> Option<u32> {
        let mut oldest = None;
        for (&seq, &id) in &self.by_seq {
            let chunk = self.chunks[id as usize].as_mut().expect("by_seq names existing chunks");
            let resident = matches!(chunk.body, Body::Resident(_));
            if !resident || chunk.changed > 0 || Some(id) == self.active || Some(seq) == keep {
                continue;
            }
            if !chunk.read_lately {
                return Some(id);
            }
            chunk.read_lately = false;
            oldest = oldest.or(Some(id));
        }
        oldest
    }

    /// Returns a chunk, in memory, with room for `len` bytes.
    #[inline]
    fn chunk_with_room(&mut self, len: usize) -> Result<u32> {
        if let Some(id) = self.active {
            let chunk = self.chunks[id as usize].as_mut().expect("active chunk exists");
            let Body::Resident(bytes) = &mut chunk.body else { unreachable!("active chunk is in memory") };
            if bytes.len() + len <= bytes.capacity() {
                return Ok(id);
            }
        }
        self.make_room(len)
    }

    #[cold]
    fn make_room(&mut self, len: usize) -> Result<u32> {
        if len > ENTRY_BYTES_MAX {
            return Err(StateError::EntryTooLarge { bytes: len, bytes_max: ENTRY_BYTES_MAX });
        }
        if len > self.chunk_bytes / 2 {
            return self.new_large(len);
        }
        if let Some(id) = self.active {
            let chunk = self.chunks[id as usize].as_mut().expect("active chunk exists");
            let Body::Resident(bytes) = &mut chunk.body else { unreachable!("active chunk is in memory") };
            let needed = bytes.len() + len;
            if needed <= self.chunk_bytes {
                let before = bytes.capacity();
                let capacity = (before * 2).max(needed).min(self.chunk_bytes);
                bytes.reserve_exact(capacity - bytes.len());
                self.resident_bytes += bytes.capacity() - before;
                return Ok(id);
            }
        }
        let capacity = match self.active {
            None => FIRST_ALLOCATION_BYTES.max(len).min(self.chunk_bytes),
            Some(_) => self.chunk_bytes,
        };
        let mut bytes = self.spare.take().unwrap_or_default();
        bytes.clear();
        bytes.reserve_exact(capacity);
        let id = self.add_chunk(bytes)?;
        self.seal_active();
        self.active = Some(id);
        Ok(id)
    }

    /// Adds a chunk for one large entry. The active chunk is renumbered, so that it stays the last.
    fn new_large(&mut self, len: usize) -> Result<u32> {
        let large = self.add_chunk(Vec::with_capacity(len))?;
        if let Some(id) = self.active {
            let chunk = self.chunks[id as usize].as_mut().expect("active chunk exists");
            self.by_seq.remove(&chunk.seq);
            chunk.seq = self.next_seq;
            self.by_seq.insert(chunk.seq, id);
            self.next_seq += 1;
        }
        Ok(large)
    }

    fn add_chunk(&mut self, bytes: Vec<u8>) -> Result<u32> {
        let id = match self.free_ids.pop() {
            Some(id) => id,
            None if self.chunks.len() >= CHUNKS_MAX => {
                return Err(StateError::Full { chunks: self.chunks.len() });
            }
            None => {
                self.chunks.push(None);
                (self.chunks.len() - 1) as u32
            }
        };
        let seq = self.next_seq;
        self.next_seq += 1;
        self.resident_bytes += bytes.capacity();
        self.chunks[id as usize] = Some(Chunk {
            id,
            seq,
            len: 0,
            dead: 0,
            changed: 0,
            dead_unmarked: false,
            read_lately: false,
            body: Body::Resident(bytes),
        });
        self.by_seq.insert(seq, id);
        self.may_spill = true;
        Ok(id)
    }

    /// Closes the active chunk; the next entry opens another.
    pub(crate) fn seal_active(&mut self) {
        let Some(id) = self.active.take() else { return };
        let chunk = self.chunks[id as usize].as_ref().expect("active chunk exists");
        if chunk.dead >= chunk.len {
            self.free_chunk(id);
        } else if chunk.is_sparse() {
            self.sparse.push(chunk.seq);
        }
    }

    fn free_chunk(&mut self, id: u32) {
        let chunk = self.chunks[id as usize].take().expect("caller has the chunk");
        self.by_seq.remove(&chunk.seq);
        self.free_ids.push(id);
        self.chunks_moved = true;
        match chunk.body {
            Body::Resident(bytes) => {
                self.resident_bytes -= bytes.capacity();
                if bytes.capacity() == self.chunk_bytes {
                    self.spare = Some(bytes);
                }
            }
            Body::Spilled(extent) => {
                self.spill.as_mut().expect("a spilled chunk has a scratch file").free(extent);
            }
        }
    }
}

/// Returns the address of an entry.
pub(crate) fn addr(id: u32, offset: usize) -> u64 {
    u64::from(id) << OFFSET_BITS | offset as u64
}

fn split(addr: u64) -> (usize, usize) {
    ((addr >> OFFSET_BITS) as usize, (addr & ((1 << OFFSET_BITS) - 1)) as usize)
}
