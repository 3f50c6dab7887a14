//! The unordered store: a hash index over chunks of entries.
//!
//! An index slot is one `u64`: 28 bits of the key's hash over 36 bits of address. Growing the index therefore reads no
//! entries, and a look-up of an absent key hardly ever does, which matters when they are spilled.
//!
//! Changes are found through a list of slots: an entry is put on it when its mark goes from clean to changed and
//! again when it moves. A slot on the list counts only if the index still has it and its entry is still changed, so
//! stale ones do no harm; the list is pruned when they are most of it.

use std::path::PathBuf;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use crate::entry::{Head, Mark};
use crate::logged::{ChunkPlace, VisitChange};
use crate::slab::{self, ADDR_BITS, CHUNK_BYTES, Slab};
use crate::{Cursor, Logged, Result};

const ADDR_MASK: u64 = (1 << ADDR_BITS) - 1;
/// A change list shorter than this is not pruned.
const CHANGED_PRUNE_MIN: usize = 1024;
/// Compaction looks at this many bytes per call, and so many per byte appended: a chunk that is 40 % garbage frees one
/// byte per 2.5 looked at, so compaction keeps ahead of writing.
const COMPACT_BYTES_MIN: u64 = 512;
const COMPACT_BYTES_PER_APPENDED: u64 = 4;
/// A scan looks at this many bytes per byte appended since its last step, so that it comes to an end.
const SCAN_BYTES_PER_APPENDED: u64 = 4;

/// A bulk load puts its entries into the index when it has so many of them, or so many bytes.
const LOADING_ENTRIES_MAX: usize = 2 << 20;
const LOADING_BYTES_MAX: u64 = 64 << 20;
/// Index slots that lie together while loaded entries are put there: 32 KiB of them.
const LOADING_SLOTS_PER_PART: usize = 4096;

/// How a store is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether changes are remembered for [`Logged::drain_changes`].
    pub track_changes: bool,
    /// Memory above which cold entries go to the scratch file. Entries changed since the last drain stay in memory.
    pub budget_bytes: usize,
    /// The directory of the scratch file; `None` keeps everything in memory.
    pub spill_dir: Option<PathBuf>,
    /// The unit in which entries are kept, spilled and compacted, from 512 bytes to 1 MiB.
    pub chunk_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { track_changes: true, budget_bytes: usize::MAX, spill_dir: None, chunk_bytes: CHUNK_BYTES }
    }
}

/// What [`Store::update`] does after the caller saw the old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Leave the entry as it is.
    Keep,
    /// Set the value to what was written to the buffer.
    Put,
    /// Remove the entry.
    Remove,
}

/// Keys and values, in no order.
#[derive(Debug)]
pub struct Store {
    options: Options,
    hasher: RandomState,
    index: HashTable<u64>,
    slab: Slab,
    live: usize,
    /// Whether a changelog may have entries of it: some were drained or loaded.
    is_logged: bool,
    /// Slots of changed entries, some of them stale.
    changed: Vec<u64>,
    /// Entries in the index whose mark is changed.
    changed_count: usize,
    /// The chunk being compacted (by sequence) and how far.
    compacting: Option<(u64, usize)>,
    /// What the slab had appended when compaction last ran.
    compacted_at: u64,
    /// Slots of entries that a bulk load has written and that are not in the index yet, in order.
    loading: Vec<u64>,
    /// What the slab had appended when the first of them was written.
    loading_since: u64,
    /// Buffers kept for their capacity.
    value_buffer: Vec<u8>,
    move_buffer: Vec<u8>,
    chunk_buffer: Vec<u8>,
}

/// A key's place in the index: its hash bits, and its bucket when it is there.
struct Place {
    hash_bits: u64,
    bucket: Option<usize>,
}

impl Store {
    /// Returns an empty store.
    pub fn new(options: Options) -> Store {
        Store {
            slab: Slab::new(options.spill_dir.as_deref(), options.chunk_bytes),
            options,
            hasher: RandomState::default(),
            index: HashTable::new(),
            live: 0,
            is_logged: false,
            changed: Vec::new(),
            changed_count: 0,
            compacting: None,
            compacted_at: 0,
            loading: Vec::new(),
            loading_since: 0,
            value_buffer: Vec::new(),
            move_buffer: Vec::new(),
            chunk_buffer: Vec::new(),
        }
    }

    /// Returns the value of `key`.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>> {
        let Some(bucket) = self.place(key)?.bucket else { return Ok(None) };
        let (head, bytes) = self.slab.entry(slot_addr(slot_at(&self.index, bucket)))?;
        Ok((head.mark != Mark::Removed).then(|| head.value(bytes)))
    }

    /// Sets the value of `key`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let place = self.place(key)?;
        self.put_at(place, key, value)?;
        self.settle()
    }

    /// Removes `key` and returns whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool> {
        let place = self.place(key)?;
        let was_there = self.remove_at(place, key)?;
        self.settle()?;
        Ok(was_there)
    }

    /// Reads, changes and writes the value of `key` with one look-up. `change` gets the old value and an empty
    /// buffer for the new one.
    pub fn update(
        &mut self,
        key: &[u8],
        change: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Update,
    ) -> Result<()> {
        self.update_noting(key, change).map(|_| ())
    }

    /// As [`Store::update`]; returns whether the entry was unchanged since the last drain and is not any more.
    pub fn update_noting(
        &mut self,
        key: &[u8],
        change: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Update,
    ) -> Result<bool> {
        let place = self.place(key)?;
        let mut value = std::mem::take(&mut self.value_buffer);
        value.clear();
        let mut was_clean = true;
        let decision = match place.bucket {
            None => change(None, &mut value),
            Some(bucket) => {
                let (head, bytes) = self.slab.entry(slot_addr(slot_at(&self.index, bucket)))?;
                was_clean = !head.mark.is_changed();
                let old = (head.mark != Mark::Removed).then(|| head.value(bytes));
                change(old, &mut value)
            }
        };
        let is_first = was_clean && decision != Update::Keep;
        let done = match decision {
            Update::Keep => Ok(()),
            Update::Put => self.put_at(place, key, &value),
            Update::Remove => self.remove_at(place, key).map(|_| ()),
        };
        self.value_buffer = value;
        done?;
        self.settle()?;
        Ok(is_first)
    }

    /// Gives the value of `key` to `change` for overwriting; it returns whether it did.
    pub(crate) fn edit(&mut self, key: &[u8], change: impl FnOnce(&mut [u8]) -> bool) -> Result<()> {
        let place = self.place(key)?;
        let Some(bucket) = place.bucket else { return Ok(()) };
        let slot = slot_at(&self.index, bucket);
        if let Some((head, bytes)) = self.slab.entry_mut(slot_addr(slot)) {
            let value = &mut bytes[head.head_len + head.key_len..head.entry_len()];
            if head.mark != Mark::Removed && change(value) {
                self.mark_dirty(slot, head);
            }
            return Ok(());
        }
        let mut value = std::mem::take(&mut self.value_buffer);
        value.clear();
        let (head, bytes) = self.slab.entry(slot_addr(slot))?;
        value.extend_from_slice(head.value(bytes));
        let done = if change(&mut value) { self.put_at(place, key, &value) } else { Ok(()) };
        self.value_buffer = value;
        done?;
        self.settle()
    }

    /// As [`Store::update`], without counting as a change.
    pub(crate) fn update_untracked(
        &mut self,
        key: &[u8],
        change: impl FnOnce(Option<&[u8]>, &mut Vec<u8>) -> Update,
    ) -> Result<()> {
        let tracked = std::mem::replace(&mut self.options.track_changes, false);
        let done = self.update(key, change);
        self.options.track_changes = tracked;
        done
    }

    /// Returns whether a changelog may have entries of it.
    pub(crate) fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// Notes that a changelog has entries of it.
    pub(crate) fn note_logged(&mut self) {
        self.is_logged = true;
    }

    /// Returns the bytes of all that was ever written, wherever it is.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.slab.appended
    }

    /// Spills cold chunks until `bytes` are freed or nothing is left to spill.
    pub(crate) fn spill(&mut self, bytes: usize) -> Result<()> {
        let target = self.bytes_used().saturating_sub(bytes);
        let keep = self.compacting.map(|(seq, _)| seq);
        while self.slab.can_spill() && self.slab.may_spill && self.bytes_used() > target {
            self.slab.spill_one(keep)?;
        }
        Ok(())
    }

    /// Calls `visit` for the entries after `place` and returns how much of the budget is left at the end, or `None`
    /// when the budget did not suffice. Dead entries count as well, and the budget grows with what was appended.
    pub(crate) fn scan_chunks(
        &mut self,
        place: &mut ChunkPlace,
        budget_bytes: u64,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<Option<u64>> {
        self.index_loaded()?;
        let appended = self.slab.appended - place.appended.unwrap_or(self.slab.appended);
        place.appended = Some(self.slab.appended);
        let mut left = budget_bytes.max(1).max(appended.saturating_mul(SCAN_BYTES_PER_APPENDED));
        while let Some(chunk) = self.slab.chunk_from(place.chunk) {
            if chunk.seq != place.chunk {
                (place.chunk, place.offset) = (chunk.seq, 0);
            }
            let (id, dead_unmarked) = (chunk.id, chunk.dead_unmarked);
            let bytes = self.slab.chunk_bytes(id, &mut self.chunk_buffer)?;
            while place.offset < bytes.len() {
                if left == 0 {
                    return Ok(None);
                }
                let entry = &bytes[place.offset..];
                let head = Head::decode(entry).filter(|head| head.entry_len() <= entry.len());
                let head = head.ok_or(slab::SCRATCH_CHANGED)?;
                let (key, addr) = (head.key(entry), slab::addr(id, place.offset));
                let has_index = || bucket_of(&self.index, hash_bits(&self.hasher, key) | addr).is_some();
                if !matches!(head.mark, Mark::Dead | Mark::Removed) && (!dead_unmarked || has_index()) {
                    visit(key, head.value(entry));
                }
                left = left.saturating_sub(head.entry_len() as u64);
                place.offset += head.entry_len();
            }
            (place.chunk, place.offset) = (place.chunk + 1, 0);
        }
        Ok(Some(left))
    }

    /// Spills cold chunks, the one being written included, until `bytes` are freed or nothing is left to spill.
    pub(crate) fn spill_all(&mut self, bytes: usize) -> Result<()> {
        self.slab.seal_active();
        self.slab.drop_pages();
        self.slab.may_spill = true;
        self.spill(bytes)
    }

    fn place(&mut self, key: &[u8]) -> Result<Place> {
        if !self.loading.is_empty() {
            self.index_loaded()?;
        }
        let hash_bits = hash_bits(&self.hasher, key);
        Ok(Place { hash_bits, bucket: self.find(hash_bits, key)? })
    }

    /// Returns the bucket of a key.
    #[inline]
    fn find(&mut self, hash_bits: u64, key: &[u8]) -> Result<Option<usize>> {
        let mut failed = None;
        let slab = &mut self.slab;
        let bucket = self.index.find_bucket_index(spread(hash_bits), |&slot| {
            slot & !ADDR_MASK == hash_bits
                && slab.key_eq(slot_addr(slot), key).unwrap_or_else(|error| {
                    failed = Some(error);
                    true
                })
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(bucket),
        }
    }

    /// Puts what a bulk load has written into the index. An index larger than the caches is gone through in order, which
    /// costs a tenth of looking every key up as it comes.
    fn index_loaded(&mut self) -> Result<()> {
        if self.loading.is_empty() {
            return Ok(());
        }
        let mut slots = std::mem::take(&mut self.loading);
        let parted = by_part(&slots, self.index.num_buckets());
        let mut done = Ok(());
        for &slot in parted.as_ref().unwrap_or(&slots) {
            done = self.index_slot(slot);
            if done.is_err() {
                break;
            }
        }
        slots.clear();
        self.loading = slots;
        done?;
        self.settle()
    }

    /// Puts the slot of a loaded entry into the index, in place of the one its key had.
    fn index_slot(&mut self, slot: u64) -> Result<()> {
        let hash_bits = slot & !ADDR_MASK;
        if self.index.find(spread(slot), |&other| other & !ADDR_MASK == hash_bits).is_none() {
            self.index.insert_unique(spread(slot), slot, |&slot| spread(slot));
            self.live += 1;
            return Ok(());
        }
        // The key was there before, or another one has the same bits.
        let mut entry = std::mem::take(&mut self.move_buffer);
        entry.clear();
        let (head, bytes) = self.slab.entry(slot_addr(slot))?;
        entry.extend_from_slice(head.key(bytes));
        let found = self.find(hash_bits, &entry);
        self.move_buffer = entry;
        let Some(bucket) = found? else {
            self.index.insert_unique(spread(slot), slot, |&slot| spread(slot));
            self.live += 1;
            return Ok(());
        };
        let old = slot_at(&self.index, bucket);
        let (head, _) = self.slab.entry(slot_addr(old))?;
        *self.index.get_bucket_mut(bucket).expect("bucket was just found") = slot;
        self.live += usize::from(head.mark == Mark::Removed);
        self.discard(old, head);
        Ok(())
    }

    fn put_at(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<()> {
        let Some(bucket) = place.bucket else {
            let slot = self.append(place.hash_bits, key, value)?;
            self.index.insert_unique(spread(slot), slot, |&slot| spread(slot));
            self.live += 1;
            return Ok(());
        };
        let slot = slot_at(&self.index, bucket);
        if let Some((head, bytes)) = self.slab.entry_mut(slot_addr(slot))
            && head.value_len == value.len()
        {
            bytes[head.head_len + head.key_len..head.entry_len()].copy_from_slice(value);
            self.live += usize::from(head.mark == Mark::Removed);
            self.mark_dirty(slot, head);
            return Ok(());
        }
        let (head, _) = self.slab.entry(slot_addr(slot))?;
        let moved = self.append(place.hash_bits, key, value)?;
        *self.index.get_bucket_mut(bucket).expect("bucket was just found") = moved;
        self.live += usize::from(head.mark == Mark::Removed);
        self.discard(slot, head);
        Ok(())
    }

    /// Marks an entry in memory as changed after its value was overwritten.
    fn mark_dirty(&mut self, slot: u64, head: Head) {
        let tracked = self.options.track_changes;
        if head.mark == Mark::Removed || head.mark == Mark::Clean && tracked {
            self.slab.set_mark(slot_addr(slot), head.mark, Mark::Dirty);
        }
        if head.mark == Mark::Clean && tracked {
            self.note_changed(slot);
            self.changed_count += 1;
        }
    }

    fn remove_at(&mut self, place: Place, key: &[u8]) -> Result<bool> {
        let Some(bucket) = place.bucket else { return Ok(false) };
        let slot = slot_at(&self.index, bucket);
        let (head, _) = self.slab.entry(slot_addr(slot))?;
        if head.mark == Mark::Removed {
            return Ok(false);
        }
        self.live -= 1;
        if !self.options.track_changes {
            self.forget(bucket);
            self.discard(slot, head);
        } else if self.slab.entry_mut(slot_addr(slot)).is_some() {
            self.slab.set_mark(slot_addr(slot), head.mark, Mark::Removed);
            if head.mark == Mark::Clean {
                self.note_changed(slot);
                self.changed_count += 1;
            }
        } else {
            // A spilled entry takes no mark, so its tombstone is written anew.
            let tombstone = place.hash_bits | self.slab.append(Mark::Removed, key, &[])?;
            *self.index.get_bucket_mut(bucket).expect("bucket was just found") = tombstone;
            self.note_changed(tombstone);
            self.changed_count += 1;
            self.discard(slot, head);
        }
        Ok(true)
    }

    /// Appends an entry, as a change when changes are tracked, and returns its slot.
    fn append(&mut self, hash_bits: u64, key: &[u8], value: &[u8]) -> Result<u64> {
        let mark = if self.options.track_changes { Mark::Dirty } else { Mark::Clean };
        let slot = hash_bits | self.slab.append(mark, key, value)?;
        if mark == Mark::Dirty {
            self.note_changed(slot);
            self.changed_count += 1;
        }
        Ok(slot)
    }

    /// Turns an entry that is no longer in the index into garbage.
    fn discard(&mut self, slot: u64, head: Head) {
        self.changed_count -= usize::from(head.mark.is_changed());
        self.slab.kill(slot_addr(slot), head.mark, head.entry_len());
    }

    fn forget(&mut self, bucket: usize) {
        match self.index.get_bucket_entry(bucket) {
            Ok(entry) => entry.remove(),
            Err(_) => unreachable!("bucket was just found"),
        };
    }

    fn note_changed(&mut self, slot: u64) {
        if self.changed.len() >= CHANGED_PRUNE_MIN.max(2 * self.changed_count + 2) {
            let index = &self.index;
            self.changed.retain(|&slot| bucket_of(index, slot).is_some());
        }
        self.changed.push(slot);
    }

    /// Does the bounded work that follows a write: some compaction, and spilling down to the budget.
    #[inline]
    fn settle(&mut self) -> Result<()> {
        if self.compacting.is_some() || !self.slab.sparse.is_empty() {
            self.compact_some()?;
        }
        let limited = self.options.budget_bytes < usize::MAX && self.slab.may_spill;
        if limited && self.slab.can_spill() {
            self.spill(self.bytes_used().saturating_sub(self.options.budget_bytes))?;
        }
        Ok(())
    }

    fn compact_some(&mut self) -> Result<()> {
        let appended = self.slab.appended - self.compacted_at;
        let mut left = COMPACT_BYTES_MIN + COMPACT_BYTES_PER_APPENDED.saturating_mul(appended);
        while left > 0 {
            let Some((seq, offset)) = self.compacting.take().or_else(|| self.next_sparse()) else { break };
            let Some(chunk) = self.slab.sealed_chunk(seq) else { continue };
            if offset >= chunk.len {
                continue;
            }
            let id = chunk.id;
            self.slab.unspill(id)?;
            let looked_at = self.compact_entry(id, offset)?;
            left = left.saturating_sub(looked_at as u64);
            self.compacting = Some((seq, offset + looked_at));
        }
        self.compacted_at = self.slab.appended;
        Ok(())
    }

    fn next_sparse(&mut self) -> Option<(u64, usize)> {
        while let Some(seq) = self.slab.sparse.pop() {
            if self.slab.sealed_chunk(seq).is_some_and(|chunk| chunk.is_sparse()) {
                return Some((seq, 0));
            }
        }
        None
    }

    /// Moves the entry at `offset` to the active chunk if it is alive, and returns its length.
    fn compact_entry(&mut self, id: u32, offset: usize) -> Result<usize> {
        let addr = slab::addr(id, offset);
        let (head, bytes) = self.slab.entry(addr)?;
        if head.mark == Mark::Dead {
            return Ok(head.entry_len());
        }
        let mut moved = std::mem::take(&mut self.move_buffer);
        moved.clear();
        moved.extend_from_slice(&bytes[..head.entry_len()]);
        let slot = hash_bits(&self.hasher, head.key(&moved)) | addr;
        if let Some(bucket) = bucket_of(&self.index, slot) {
            let new_addr = self.slab.append(head.mark, head.key(&moved), head.value(&moved))?;
            let new_slot = slot & !ADDR_MASK | new_addr;
            *self.index.get_bucket_mut(bucket).expect("bucket was just found") = new_slot;
            self.slab.kill(addr, head.mark, head.entry_len());
            if head.mark.is_changed() {
                self.note_changed(new_slot);
            }
        }
        self.move_buffer = moved;
        Ok(head.entry_len())
    }
}

impl Logged for Store {
    fn apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.is_logged = true;
        let tracked = std::mem::replace(&mut self.options.track_changes, false);
        let done = match value {
            Some(value) => self.put(key, value),
            None => self.remove(key).map(|_| ()),
        };
        self.options.track_changes = tracked;
        done
    }

    fn load(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let Some(value) = value else { return self.apply(key, None) };
        self.is_logged = true;
        if self.loading.is_empty() {
            self.loading_since = self.slab.appended;
        }
        let slot = hash_bits(&self.hasher, key) | self.slab.append(Mark::Clean, key, value)?;
        self.loading.push(slot);
        let bytes = self.slab.appended - self.loading_since;
        if self.loading.len() >= LOADING_ENTRIES_MAX || bytes >= LOADING_BYTES_MAX {
            self.index_loaded()?;
        }
        Ok(())
    }

    fn finish_loading(&mut self) -> Result<()> {
        self.index_loaded()?;
        self.loading = Vec::new();
        Ok(())
    }

    fn drain_changes(&mut self, visit: &mut VisitChange<'_>) -> Result<()> {
        self.index_loaded()?;
        let mut changed = std::mem::take(&mut self.changed);
        self.is_logged |= self.changed_count > 0;
        for slot in changed.drain(..) {
            // As long as no chunk moved, the slot leads to an entry, whose mark tells whether it still counts.
            if self.slab.chunks_moved && bucket_of(&self.index, slot).is_none() {
                continue;
            }
            let (head, bytes) = self.slab.entry(slot_addr(slot))?;
            match head.mark {
                Mark::Dirty => {
                    visit(head.key(bytes), Some(head.value(bytes)));
                    self.slab.set_mark(slot_addr(slot), Mark::Dirty, Mark::Clean);
                    self.changed_count -= 1;
                }
                Mark::Removed => {
                    visit(head.key(bytes), None);
                    let bucket = bucket_of(&self.index, slot).expect("a removed entry stays in the index");
                    self.forget(bucket);
                    self.discard(slot, head);
                }
                Mark::Clean | Mark::Dead => {}
            }
        }
        self.changed = changed;
        self.slab.chunks_moved = false;
        self.slab.may_spill = true;
        self.settle()
    }

    fn has_changes(&self) -> bool {
        self.changed_count > 0
    }

    fn scan(
        &mut self,
        cursor: &mut Cursor,
        budget_bytes: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<bool> {
        Ok(self.scan_chunks(&mut cursor.place, budget_bytes as u64, visit)?.is_some())
    }

    fn len(&self) -> usize {
        self.live
    }

    fn bytes_used(&self) -> usize {
        let buffers =
            self.value_buffer.capacity() + self.move_buffer.capacity() + self.chunk_buffer.capacity();
        self.slab.bytes_used()
            + self.index.allocation_size()
            + self.changed.capacity() * 8
            + self.loading.capacity() * 8
            + buffers
    }

    fn reserve(&mut self, entries: usize) {
        self.index.reserve(entries, |&slot| spread(slot));
    }

    fn set_budget(&mut self, budget_bytes: usize) -> Result<()> {
        self.options.budget_bytes = budget_bytes;
        self.slab.may_spill = true;
        self.index_loaded()?;
        self.settle()
    }
}

fn hash_bits(hasher: &RandomState, key: &[u8]) -> u64 {
    // `write` alone: `hash_one` of a slice would hash its length as well, and no two keys are hashed together here.
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish() & !ADDR_MASK
}

fn slot_at(index: &HashTable<u64>, bucket: usize) -> u64 {
    *index.get_bucket(bucket).expect("bucket was just found")
}

fn bucket_of(index: &HashTable<u64>, slot: u64) -> Option<usize> {
    index.find_bucket_index(spread(slot), |&other| other == slot)
}

fn slot_addr(slot: u64) -> u64 {
    slot & ADDR_MASK
}

/// Returns the hash the index works with: it takes its buckets from the low bits and its tags from the high ones.
fn spread(slot: u64) -> u64 {
    slot & !ADDR_MASK | slot >> ADDR_BITS
}

/// Orders slots by the part of the index they belong to, and in a part as they were; `None` where that is not worth it.
fn by_part(slots: &[u64], buckets: usize) -> Option<Vec<u64>> {
    let parts = buckets / LOADING_SLOTS_PER_PART;
    if parts < 4 || slots.len() < parts {
        return None;
    }
    // The number of buckets is a power of two, and a slot's bucket is in the low bits.
    let part_of = |slot: u64| spread(slot) as usize % buckets / LOADING_SLOTS_PER_PART;
    let mut ends = vec![0usize; parts + 1];
    for &slot in slots {
        ends[part_of(slot) + 1] += 1;
    }
    for part in 0..parts {
        ends[part + 1] += ends[part];
    }
    let mut sorted = vec![0; slots.len()];
    for &slot in slots {
        let place = &mut ends[part_of(slot)];
        sorted[*place] = slot;
        *place += 1;
    }
    Some(sorted)
}
