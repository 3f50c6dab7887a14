//! Time segments: one [`Store`] per span of time, so that expiry drops whole stores.

use std::collections::{BTreeMap, VecDeque};

use crate::logged::{ChunkPlace, Cursor};
use crate::{Logged, Options, Result, Store};

/// With a budget, memory is summed up after so many writes, or one per segment if that is more.
const BUDGET_CHECK_WRITES: usize = 64;

/// Bytes of expired entries that a drain goes through, or half of them all if that is more: after a jump in time many
/// expire at once, and nobody waits for their tombstones.
const EXPIRED_BYTES: u64 = 8 << 20;

/// Is called with the segment of a changed entry, its key there and its value.
pub(crate) type VisitSegmentChange<'a> = dyn FnMut(i64, &[u8], Option<&[u8]>) + 'a;

/// Is called with the segment of an entry, its key there and its value.
pub(crate) type VisitSegmentEntry<'a> = dyn FnMut(i64, &[u8], &[u8]) + 'a;

/// Stores by segment number.
#[derive(Debug)]
pub(crate) struct Segments {
    segment_ms: i64,
    options: Options,
    budget_bytes: usize,
    by_id: BTreeMap<i64, Store>,
    /// Expired segments whose entries are still in the changelog, each with how far it got its tombstones.
    expired: VecDeque<(i64, Store, ChunkPlace)>,
    writes: usize,
}

impl Segments {
    pub(crate) fn new(segment_ms: i64, options: Options) -> Segments {
        Segments {
            segment_ms: segment_ms.max(1),
            budget_bytes: options.budget_bytes,
            // The budget is that of all segments together, enforced here.
            options: Options { budget_bytes: usize::MAX, ..options },
            by_id: BTreeMap::new(),
            expired: VecDeque::new(),
            writes: 0,
        }
    }

    /// Returns the number of the segment that holds `time`.
    pub(crate) fn id_of(&self, time: i64) -> i64 {
        time.div_euclid(self.segment_ms)
    }

    /// Returns how far `time` lies into segment `id`.
    pub(crate) fn offset_of(&self, id: i64, time: i64) -> u64 {
        // The product may leave the range of i64 in the first segment; the difference never does.
        time.wrapping_sub(id.wrapping_mul(self.segment_ms)) as u64
    }

    /// Returns the time `offset` into segment `id`.
    pub(crate) fn time_at(&self, id: i64, offset: u64) -> i64 {
        id.wrapping_mul(self.segment_ms).wrapping_add(offset as i64)
    }

    /// Returns the store of a segment, if it has one.
    pub(crate) fn get(&mut self, id: i64) -> Option<&mut Store> {
        self.by_id.get_mut(&id)
    }

    /// Returns the store of a segment, for writing.
    pub(crate) fn get_or_add(&mut self, id: i64) -> Result<&mut Store> {
        self.keep_budget(id)?;
        Ok(self.by_id.entry(id).or_insert_with(|| Store::new(self.options.clone())))
    }

    /// Returns the segments from `first` to `last`, in order.
    pub(crate) fn between(&mut self, first: i64, last: i64) -> impl Iterator<Item = (i64, &mut Store)> {
        // A map's range panics when its bounds are reversed.
        let range =
            if first <= last { self.by_id.range_mut(first..=last) } else { self.by_id.range_mut(0..0) };
        range.map(|(&id, store)| (id, store))
    }

    /// Returns all segments, in order.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = (i64, &mut Store)> {
        self.by_id.iter_mut().map(|(&id, store)| (id, store))
    }

    /// Returns the first segment after `id`, or the first of all.
    pub(crate) fn id_after(&self, id: Option<i64>) -> Option<i64> {
        match id {
            None => self.by_id.first_key_value().map(|(&id, _)| id),
            Some(i64::MAX) => None,
            Some(id) => self.by_id.range(id + 1..).next().map(|(&id, _)| id),
        }
    }

    /// Removes the first segment if its number is below `id`.
    pub(crate) fn take_first_before(&mut self, id: i64) -> Option<(i64, Store)> {
        let first = self.by_id.first_entry().filter(|first| *first.key() < id)?;
        Some(first.remove_entry())
    }

    /// Removes the segments below `id`; those that are in the changelog, as `is_logged` says, still get their tombstones.
    pub(crate) fn expire(&mut self, id: i64, is_logged: impl Fn(&Store) -> bool) {
        while let Some((id, store)) = self.take_first_before(id) {
            if is_logged(&store) {
                self.expired.push_back((id, store, ChunkPlace::default()));
            }
        }
    }

    /// Gives expired entries that are still in the changelog; those not given now are with the next call.
    pub(crate) fn drain_expired(&mut self, visit: &mut VisitSegmentEntry<'_>) -> Result<()> {
        let all: u64 = self.expired.iter().map(|(_, store, _)| store.bytes_written()).sum();
        let mut left = EXPIRED_BYTES.max(all / 2);
        while let Some((id, store, place)) = self.expired.front_mut() {
            let rest = store.scan_chunks(place, left, &mut |key, value| visit(*id, key, value))?;
            let Some(rest) = rest else { return Ok(()) };
            left = rest;
            self.expired.pop_front();
        }
        Ok(())
    }

    /// Removes a segment that has neither entries nor changes.
    pub(crate) fn remove_empty(&mut self, id: i64) -> bool {
        let is_empty = self.by_id.get(&id).is_some_and(|store| store.is_empty() && !store.has_changes());
        is_empty && self.by_id.remove(&id).is_some()
    }

    /// As [`Logged::scan`]; `visit` gets the segment as well.
    pub(crate) fn scan(
        &mut self,
        cursor: &mut Cursor,
        budget_bytes: usize,
        visit: &mut VisitSegmentEntry<'_>,
    ) -> Result<bool> {
        let Some((&newest, _)) = self.by_id.last_key_value() else { return Ok(true) };
        // Segments that begin later hold nothing that was there when the scan began.
        let (mut at, last) = *cursor.segments.get_or_insert((i64::MIN, newest));
        let mut left = budget_bytes as u64;
        while let Some((id, store)) = self.between(at, last).next() {
            if id != at {
                cursor.place = Default::default();
            }
            let rest = store.scan_chunks(&mut cursor.place, left, &mut |key, value| visit(id, key, value))?;
            let Some(rest) = rest else {
                cursor.segments = Some((id, last));
                return Ok(false);
            };
            left = rest;
            cursor.place = Default::default();
            if id == last {
                break;
            }
            at = id + 1;
        }
        // Nothing lies between the last segment and the one before it in the wrong order.
        cursor.segments = Some((i64::MAX, i64::MIN));
        Ok(true)
    }

    /// Drains the changes of all segments; `visit` gets the segment as well.
    pub(crate) fn drain_changes(&mut self, visit: &mut VisitSegmentChange<'_>) -> Result<()> {
        for (id, store) in self.all().filter(|(_, store)| store.has_changes()) {
            store.drain_changes(&mut |key, value| visit(id, key, value))?;
        }
        Ok(())
    }

    pub(crate) fn has_changes(&self) -> bool {
        self.by_id.values().any(Store::has_changes)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.values().map(Store::len).sum()
    }

    pub(crate) fn bytes_used(&self) -> usize {
        let stores = self.by_id.values().chain(self.expired.iter().map(|(_, store, _)| store));
        stores.map(|store| store.bytes_used() + size_of::<Store>()).sum()
    }

    pub(crate) fn set_budget(&mut self, budget_bytes: usize) -> Result<()> {
        self.budget_bytes = budget_bytes;
        if budget_bytes == usize::MAX || self.options.spill_dir.is_none() {
            return Ok(());
        }
        match self.by_id.last_key_value() {
            Some((&newest, _)) => self.spill_down(newest),
            None => Ok(()),
        }
    }

    /// Spills from the oldest segment on until the budget is kept; the one about to be written comes last.
    fn keep_budget(&mut self, writing: i64) -> Result<()> {
        if self.budget_bytes == usize::MAX || self.options.spill_dir.is_none() {
            return Ok(());
        }
        self.writes += 1;
        if self.writes < BUDGET_CHECK_WRITES.max(self.by_id.len()) {
            return Ok(());
        }
        self.spill_down(writing)
    }

    fn spill_down(&mut self, writing: i64) -> Result<()> {
        self.writes = 0;
        let mut used = self.bytes_used();
        for (_, store) in self.by_id.iter_mut().filter(|(id, _)| **id != writing) {
            if used <= self.budget_bytes {
                return Ok(());
            }
            let before = store.bytes_used();
            store.spill_all(used - self.budget_bytes)?;
            used = (used + store.bytes_used()).saturating_sub(before);
        }
        match self.by_id.get_mut(&writing) {
            Some(store) if used > self.budget_bytes => store.spill(used - self.budget_bytes),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::*;

    /// What a changelog has after a drain and compaction.
    fn drain(store: &mut dyn Logged, changelog: &mut BTreeSet<Vec<u8>>) -> usize {
        let mut count = 0;
        store
            .drain_changes(&mut |key, value| {
                count += 1;
                match value {
                    Some(_) => changelog.insert(key.to_vec()),
                    None => changelog.remove(key),
                };
            })
            .unwrap();
        count
    }

    fn check<S: Logged>(
        mut store: S,
        fresh: impl Fn() -> S,
        put: impl Fn(&mut S, &[u8], i64),
        expire: impl Fn(&mut S, i64),
    ) {
        let mut changelog = BTreeSet::new();
        let keys: Vec<Vec<u8>> = (0..2000u32).map(|key| key.to_be_bytes().to_vec()).collect();
        keys.iter().for_each(|key| put(&mut store, key, 100));
        put(&mut store, b"later", 900);
        assert_eq!(drain(&mut store, &mut changelog), 2001);
        expire(&mut store, 500);
        assert_eq!(drain(&mut store, &mut changelog), 2000);
        assert_eq!((changelog.len(), store.len()), (1, 1));
        assert_eq!(drain(&mut store, &mut changelog), 0);
        // The same for what was restored and has expired.
        let mut restored = fresh();
        let logged = changelog.first().unwrap().clone();
        let mut value = None;
        store.for_each_entry(&mut |_, bytes| value = Some(bytes.to_vec())).unwrap();
        restored.load(&logged, value.as_deref()).unwrap();
        restored.finish_loading().unwrap();
        expire(&mut restored, 5000);
        assert_eq!((drain(&mut restored, &mut changelog), changelog.len()), (1, 0));
    }

    #[test]
    fn what_expires_goes_from_the_changelog() {
        for spills in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let store = Options {
                track_changes: true,
                budget_bytes: if spills { 0 } else { usize::MAX },
                spill_dir: spills.then(|| dir.path().to_owned()),
                ..Options::default()
            };
            let options = WindowOptions { store: store.clone(), ..WindowOptions::new(10, 100) };
            let fresh = || WindowStore::new(options.clone());
            let put = |s: &mut WindowStore, key: &[u8], time| s.put(key, time, b"value").unwrap();
            check(fresh(), fresh, put, |s, time| s.expire(time).unwrap());

            let options = JoinOptions { store: store.clone(), ..JoinOptions::new(100) };
            let fresh = || JoinStore::new(options.clone());
            let put = |s: &mut JoinStore, key: &[u8], time| {
                s.put(key, time, b"value").unwrap();
            };
            check(fresh(), fresh, put, |s, time| s.expire(time).unwrap());

            let options = SessionOptions { store, ..SessionOptions::new(10, 100) };
            let fresh = || SessionStore::new(options.clone());
            let put = |s: &mut SessionStore, key: &[u8], time| s.put(key, time - 5, time, b"value").unwrap();
            check(fresh(), fresh, put, |s, time| s.expire(time).unwrap());
        }
    }

    #[test]
    fn many_expired_entries_get_their_tombstones_one_drain_after_the_other() {
        let store = Options { track_changes: true, ..Options::default() };
        let mut windows = WindowStore::new(WindowOptions { store, ..WindowOptions::new(10, 100) });
        let (mut changelog, value) = (BTreeSet::new(), vec![b'x'; 4000]);
        for number in 0..8000u32 {
            windows.put(&number.to_be_bytes(), 10, &value).unwrap();
        }
        drain(&mut windows, &mut changelog);
        windows.expire(100).unwrap();
        let mut drains = 0;
        while drain(&mut windows, &mut changelog) > 0 {
            drains += 1;
        }
        assert!(drains > 1 && drains < 10, "{drains}");
        assert_eq!((changelog.len(), windows.bytes_used()), (0, 0));
    }

    #[test]
    fn what_was_never_drained_needs_no_tombstone() {
        let store = Options { track_changes: true, ..Options::default() };
        let mut windows = WindowStore::new(WindowOptions { store, ..WindowOptions::new(10, 100) });
        windows.put(b"key", 10, b"value").unwrap();
        windows.expire(100).unwrap();
        assert_eq!(drain(&mut windows, &mut BTreeSet::new()), 0);
    }
}
